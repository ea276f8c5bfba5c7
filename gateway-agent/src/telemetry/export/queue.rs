//! The queue between the workers and a sink: bounded in items and in bytes; a full one drops the newest.
//!
//! Pushing never waits and takes no lock that a slow receiver could hold.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc::{self, error::TryRecvError};

use super::{metrics::Counters, stop::Stop};

/// How much memory an item holds, roughly.
pub(crate) trait Weigh {
    /// Bytes, the parts on the heap included.
    fn weight(&self) -> usize;
}

/// The workers' end. Cheap to clone; when the last one is gone, the sink sends what is left and ends.
pub(crate) struct Queue<T> {
    items: mpsc::Sender<T>,
    held: Arc<AtomicUsize>,
    bytes_max: usize,
    counters: Counters,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self {
            items: self.items.clone(),
            held: Arc::clone(&self.held),
            bytes_max: self.bytes_max,
            counters: self.counters.clone(),
        }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("sink", &self.counters.name)
            .field("held", &self.held.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// The sink's end.
#[derive(Debug)]
pub(super) struct Intake<T> {
    items: mpsc::Receiver<T>,
    held: Arc<AtomicUsize>,
}

/// How many items make a batch, and how long the first one waits for company.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch {
    pub(super) items: usize,
    /// At most one item more than this.
    pub(super) bytes: usize,
    pub(super) linger: Duration,
}

/// A queue of at most `items` and `bytes`.
pub(super) fn queue<T>(items: usize, bytes: usize, counters: Counters) -> (Queue<T>, Intake<T>) {
    let (sender, receiver) = mpsc::channel(items);
    let held = Arc::new(AtomicUsize::new(0));
    let queue = Queue {
        items: sender,
        held: Arc::clone(&held),
        bytes_max: bytes,
        counters,
    };
    (
        queue,
        Intake {
            items: receiver,
            held,
        },
    )
}

impl<T: Weigh> Queue<T> {
    /// Hands an item over, or drops and counts it.
    pub(crate) fn push(&self, item: T) {
        let weight = item.weight();
        // Two workers may pass the check at once; the bound is exceeded by an item a worker at most.
        if self.held.load(Ordering::Relaxed).saturating_add(weight) > self.bytes_max {
            self.counters.queue_full.inc();
            return;
        }
        self.held.fetch_add(weight, Ordering::Relaxed);
        if self.items.try_send(item).is_err() {
            self.held.fetch_sub(weight, Ordering::Relaxed);
            self.counters.queue_full.inc();
        }
    }
}

impl<T> Intake<T> {
    /// Items that wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}

impl<T: Weigh> Intake<T> {
    /// The next items; `None` when there will be none any more.
    pub(super) async fn batch(&mut self, rules: Batch, stop: &mut Stop) -> Option<Vec<T>> {
        let first = tokio::select! {
            biased;
            item = self.items.recv() => item?,
            () = stop.asked() => self.items.try_recv().ok()?,
        };
        let mut bytes = first.weight();
        let mut batch = vec![first];
        let linger = tokio::time::sleep(rules.linger);
        tokio::pin!(linger);
        while batch.len() < rules.items && bytes < rules.bytes {
            let next = match self.items.try_recv() {
                Ok(item) => Some(item),
                Err(TryRecvError::Disconnected) => None,
                Err(TryRecvError::Empty) if stop.deadline().is_some() => None,
                Err(TryRecvError::Empty) => tokio::select! {
                    item = self.items.recv() => item,
                    () = &mut linger => None,
                    () = stop.asked() => continue,
                },
            };
            let Some(item) = next else { break };
            bytes += item.weight();
            batch.push(item);
        }
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{
        Metrics,
        export::{SinkName, stop::Bell},
    };

    #[derive(Debug, PartialEq)]
    struct Item(usize);

    impl Weigh for Item {
        fn weight(&self) -> usize {
            self.0
        }
    }

    const RULES: Batch = Batch {
        items: 3,
        bytes: 100,
        linger: Duration::from_secs(1),
    };

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_drops_and_counts() {
        let counters = Metrics::new().unwrap().export.of(SinkName::Insights);
        let bell = Bell::default();
        for (items, bytes, weights, kept) in [
            (2, 1000, &[1, 1, 1, 1][..], 2),
            (10, 10, &[4, 4, 4][..], 2),
            (10, 10, &[11][..], 0),
        ] {
            let before = counters.queue_full.get();
            let (queue, mut intake) = queue(items, bytes, counters.clone());
            weights.iter().for_each(|w| queue.push(Item(*w)));
            drop(queue);
            let got = intake.batch(RULES, &mut bell.stop()).await.unwrap_or_default();
            assert_eq!(got.len(), kept, "{weights:?}");
            assert_eq!(counters.queue_full.get() - before, (weights.len() - kept) as u64);
            assert_eq!(intake.held.load(Ordering::Relaxed), 0, "everything is given back");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn batches_are_full_or_late_or_last() {
        let counters = Metrics::new().unwrap().export.of(SinkName::Insights);
        let (bell, (queue, mut intake)) = (Bell::default(), queue(10, 1000, counters));
        let mut stop = bell.stop();
        (0..4).for_each(|_| queue.push(Item(1)));
        assert_eq!(intake.batch(RULES, &mut stop).await.unwrap().len(), 3, "full");
        let begun = tokio::time::Instant::now();
        assert_eq!(intake.batch(RULES, &mut stop).await.unwrap().len(), 1, "late");
        assert_eq!(begun.elapsed(), RULES.linger);
        queue.push(Item(200));
        queue.push(Item(1));
        assert_eq!(intake.batch(RULES, &mut stop).await.unwrap().len(), 1, "heavy");
        bell.ring(tokio::time::Instant::now());
        let begun = tokio::time::Instant::now();
        assert_eq!(intake.batch(RULES, &mut stop).await.unwrap().len(), 1, "last");
        assert!(intake.batch(RULES, &mut stop).await.is_none());
        assert_eq!(begun.elapsed(), Duration::ZERO, "an ending node waits for nobody");
    }
}
