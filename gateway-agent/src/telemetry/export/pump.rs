//! From a queue to a receiver that may be slow, away or out of room: batches, back-off with jitter, an end.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use super::{
    metrics::Counters,
    queue::{Batch, Intake, Weigh},
    stop::Stop,
};

/// Pause after the first failure; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A receiver that asks for more patience than this gets less: what waits behind is lost meanwhile.
const PATIENCE_MAX: Duration = Duration::from_secs(300);
/// Attempts for one batch, about six minutes: an outage loses what does not fit, as with the original.
const ATTEMPTS: u32 = 10;

/// What came of a batch.
#[derive(Debug)]
pub(super) struct Delivery<T> {
    /// Items taken.
    pub(super) sent: usize,
    /// Items that will never be taken.
    pub(super) refused: usize,
    /// Items that nobody was there for, and that are not kept.
    pub(super) lost: usize,
    /// Items that may be taken later.
    pub(super) again: Vec<T>,
    /// The receiver said when.
    pub(super) after: Option<Duration>,
    /// What went wrong, for the log; never a secret.
    pub(super) why: Option<String>,
}

impl<T> Delivery<T> {
    pub(super) fn done(sent: usize) -> Self {
        Self {
            sent,
            refused: 0,
            lost: 0,
            again: Vec::new(),
            after: None,
            why: None,
        }
    }

    /// Nothing was taken; all of it may be later.
    pub(super) fn later(items: Vec<T>, after: Option<Duration>, why: String) -> Self {
        Self {
            again: items,
            after,
            why: Some(why),
            ..Self::done(0)
        }
    }

    /// Nobody was there, and what was meant for now is worth nothing later.
    pub(super) fn lost(count: usize, why: String) -> Self {
        Self {
            lost: count,
            why: Some(why),
            ..Self::done(0)
        }
    }

    /// Nothing will ever be taken.
    pub(super) fn refused(count: usize, why: String) -> Self {
        Self {
            refused: count,
            why: Some(why),
            ..Self::done(0)
        }
    }
}

/// A receiver.
pub(super) trait Sink: Send {
    type Item: Weigh + Send;

    /// Sends a batch; bounds its own time.
    fn deliver(&mut self, items: Vec<Self::Item>) -> impl Future<Output = Delivery<Self::Item>> + Send;

    /// Says goodbye.
    fn close(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Pauses between attempts: doubling, with jitter, so that the nodes of a cluster do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    random: RandomState,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self {
            failures: 0,
            random: RandomState::new(),
        }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Between half and all of the doubled pause.
    pub(super) fn next(&mut self) -> Duration {
        let whole = FIRST_PAUSE
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        let share = self.random.hash_one(self.failures) as u32;
        whole / 2 + whole.mul_f64(f64::from(share) / f64::from(u32::MAX) / 2.0)
    }
}

/// Runs until the queue is closed or the node ends.
pub(super) async fn pump<S: Sink>(
    mut intake: Intake<S::Item>,
    mut sink: S,
    rules: Batch,
    counters: Counters,
    mut stop: Stop,
) {
    let mut healthy = true;
    while let Some(items) = intake.batch(rules, &mut stop).await {
        one(items, &mut sink, &counters, &mut stop, &mut healthy).await;
    }
    tokio::select! {
        () = sink.close() => {}
        () = stop.expired() => {}
    }
}

/// Delivers one batch, in several attempts if need be.
async fn one<S: Sink>(
    mut items: Vec<S::Item>,
    sink: &mut S,
    counters: &Counters,
    stop: &mut Stop,
    healthy: &mut bool,
) {
    let mut backoff = Backoff::new();
    loop {
        let count = items.len() as u64;
        let delivery = tokio::select! {
            delivery = sink.deliver(items) => delivery,
            () = stop.expired() => {
                counters.shutdown.inc_by(count);
                return;
            }
        };
        counters.sent.inc_by(delivery.sent as u64);
        counters.refused.inc_by(delivery.refused as u64);
        counters.unreachable.inc_by(delivery.lost as u64);
        tell(counters, healthy, &delivery);
        if delivery.again.is_empty() {
            return;
        }
        items = delivery.again;
        let left = items.len() as u64;
        if backoff.failures() + 1 >= ATTEMPTS {
            counters.unreachable.inc_by(left);
            return;
        }
        let pause = backoff.next();
        let pause = delivery
            .after
            .map_or(pause, |after| after.min(PATIENCE_MAX).max(pause));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.asked() => {
                // One more attempt when there is time for the pause, which the receiver may have asked for.
                let until = tokio::time::Instant::now() + pause.min(FIRST_PAUSE);
                if stop.deadline().is_none_or(|deadline| deadline <= until) {
                    counters.shutdown.inc_by(left);
                    return;
                }
                tokio::time::sleep_until(until).await;
            }
        }
    }
}

/// One line in the log when a receiver goes away, and one when it is back.
fn tell<T>(counters: &Counters, healthy: &mut bool, delivery: &Delivery<T>) {
    let sink = counters.name;
    match &delivery.why {
        Some(why) => {
            counters.failures.inc();
            if std::mem::replace(healthy, false) {
                tracing::warn!(event = "TelemetryFailed", sink, "telemetry is not taken: {why}");
            } else {
                tracing::debug!(
                    event = "TelemetryFailed",
                    sink,
                    "telemetry is still not taken: {why}"
                );
            }
        }
        None => {
            if !std::mem::replace(healthy, true) {
                tracing::info!(event = "TelemetryResumed", sink, "telemetry is taken again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{
        Metrics,
        export::{SinkName, queue::queue, stop::Bell},
    };
    use tokio::time::Instant;

    impl Weigh for u32 {
        fn weight(&self) -> usize {
            4
        }
    }

    const RULES: Batch = Batch {
        items: 10,
        bytes: 1000,
        linger: Duration::from_millis(10),
    };

    /// Answers by a script: how many of a batch are taken, how many refused; the rest comes again.
    struct Scripted(Vec<(usize, usize)>, usize);

    impl Sink for Scripted {
        type Item = u32;

        async fn deliver(&mut self, mut items: Vec<u32>) -> Delivery<u32> {
            let (sent, refused) = self.0.get(self.1).copied().unwrap_or((0, 0));
            self.1 += 1;
            if sent == usize::MAX {
                std::future::pending::<()>().await;
            }
            let again = items.split_off((sent + refused).min(items.len()));
            let why = (!again.is_empty()).then(|| "scripted".to_owned());
            Delivery {
                sent,
                refused,
                lost: 0,
                again,
                after: None,
                why,
            }
        }
    }

    /// sent, refused, unreachable, shutdown, failures
    async fn run(script: &[(usize, usize)], count: u32, ring_after: Option<Duration>) -> [u64; 5] {
        let counters = Metrics::new().unwrap().export.of(SinkName::Insights);
        let (bell, (queue, intake)) = (Bell::default(), queue(100, 10_000, counters.clone()));
        (0..count).for_each(|n| queue.push(n));
        let sink = Scripted(script.to_vec(), 0);
        let task = tokio::spawn(pump(intake, sink, RULES, counters.clone(), bell.stop()));
        if let Some(after) = ring_after {
            tokio::time::sleep(after).await;
            bell.ring(Instant::now() + Duration::from_secs(5));
        } else {
            drop(queue);
        }
        task.await.unwrap();
        let c = &counters;
        [&c.sent, &c.refused, &c.unreachable, &c.shutdown, &c.failures].map(|c| c.get())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_taken_is_sent_again_or_counted() {
        for (script, count, ring_after, expected) in [
            (&[(3, 0)][..], 3, None, [3, 0, 0, 0, 0]),
            (&[(1, 1), (1, 0)][..], 3, None, [2, 1, 0, 0, 1]),
            // The receiver never comes back.
            (&[][..], 2, None, [0, 0, 2, 0, 10]),
            // The node ends while it is away: one more attempt, which is taken.
            (
                &[(0, 0), (2, 0)][..],
                2,
                Some(Duration::from_millis(100)),
                [2, 0, 0, 0, 1],
            ),
            // The node ends and the receiver hangs.
            (
                &[(usize::MAX, 0)][..],
                2,
                Some(Duration::from_millis(100)),
                [0, 0, 0, 2, 0],
            ),
        ] {
            assert_eq!(
                run(script, count, ring_after).await,
                expected,
                "{script:?} {ring_after:?}"
            );
        }
    }

    #[test]
    fn pauses_double_with_jitter_up_to_a_bound() {
        let mut backoff = Backoff::new();
        for n in 0..20 {
            let whole = Duration::from_secs(1 << n.min(10)).min(LONGEST_PAUSE);
            let pause = backoff.next();
            assert!(pause >= whole / 2 && pause <= whole, "{n}: {pause:?}");
        }
    }
}
