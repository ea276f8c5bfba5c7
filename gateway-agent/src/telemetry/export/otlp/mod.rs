//! OpenTelemetry: the original's metrics, pushed to a collector once a minute.
//!
//! Metrics only, as the original. They are cumulative, so a push that fails costs nothing: the next one holds it all.

mod message;
mod transport;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{custom::Custom, measure::Aggregate, metrics::Counters, pump::Backoff, stop::Stop};
pub(super) use message::Resource;
pub(super) use transport::Collector;

/// Attempts for one push; after that the next interval's push holds the same.
const ATTEMPTS: u32 = 3;

/// What is pushed, and how often.
#[derive(Debug)]
pub(super) struct Push {
    pub(super) collector: Collector,
    pub(super) resource: Resource,
    pub(super) aggregate: Arc<Aggregate>,
    pub(super) custom: Arc<Custom>,
    /// Also CPU, memory, threads, files of the process.
    pub(super) system: bool,
    pub(super) interval: Duration,
    pub(super) counters: Counters,
}

impl Push {
    /// Pushes until the node ends, and once more then.
    pub(super) async fn run(mut self, mut stop: Stop) {
        let mut healthy = true;
        let mut next = Instant::now() + self.interval;
        while stop.deadline().is_none() {
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = stop.asked() => {}
            }
            let mut asked = stop.clone();
            let taken = tokio::select! {
                taken = self.push(&mut healthy, &mut asked) => taken,
                () = stop.expired() => {
                    self.counters.shutdown.inc();
                    return;
                }
            };
            if !taken && stop.deadline().is_some() {
                self.counters.shutdown.inc();
            }
            next = (next + self.interval).max(Instant::now());
        }
    }

    /// One push; whether the collector took it, or there was nothing to take.
    async fn push(&mut self, healthy: &mut bool, stop: &mut Stop) -> bool {
        let (body, points) = message::encode(
            &self.resource,
            &self.aggregate.totals(),
            &self.aggregate.bounds,
            &self.custom.totals(),
            self.system,
        );
        if points == 0 {
            return true;
        }
        let mut backoff = Backoff::new();
        let sink = self.counters.name;
        for attempt in 1..=ATTEMPTS {
            match self.collector.export(body.clone()).await {
                Ok(rejected) => {
                    self.counters.sent.inc_by(points.saturating_sub(rejected));
                    self.counters.refused.inc_by(rejected);
                    if !std::mem::replace(healthy, true) {
                        tracing::info!(event = "TelemetryResumed", sink, "telemetry is taken again");
                    }
                    return true;
                }
                Err(error) => {
                    self.counters.failures.inc();
                    if std::mem::replace(healthy, false) {
                        tracing::warn!(event = "TelemetryFailed", sink, "telemetry is not taken: {error}");
                    }
                    if attempt == ATTEMPTS || !error.passes() {
                        return false;
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next()) => {}
                // An ending node tries again at once, once.
                () = stop.asked(), if attempt == 1 => {}
            }
        }
        false
    }
}
