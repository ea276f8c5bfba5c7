//! Closed connections become figures: the metrics, and the ring behind `/connections`.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use gateway_loader::common::{ConnRecord, conn};

use super::{
    ConnectionRecord,
    join::{Join, UserSide},
};
use crate::telemetry::{Metrics, Recent};

/// Where closed connections are counted, whoever saw them.
#[derive(Clone, Debug)]
pub struct Accounts {
    metrics: Arc<Metrics>,
    recent: Arc<Recent<ConnectionRecord>>,
    /// One log line a connection.
    log: bool,
    /// Names of the listeners by the numbers that records carry, from 1.
    listeners: Arc<[Arc<str>]>,
    join: Arc<Mutex<Join>>,
}

impl Accounts {
    /// Counts into `metrics` and keeps the last in `recent`.
    pub fn new(metrics: Arc<Metrics>, recent: Arc<Recent<ConnectionRecord>>) -> Self {
        Self {
            metrics,
            recent,
            log: false,
            listeners: Arc::default(),
            join: Arc::default(),
        }
    }

    /// Also writes one log line a connection when `log` says so, and names listeners.
    #[must_use]
    pub fn with_log(mut self, log: bool, listeners: &[Arc<str>]) -> Self {
        self.log = log;
        self.listeners = listeners.into();
        self
    }

    /// Whether anybody wants to see single connections.
    fn wanted(&self) -> bool {
        self.log || self.recent.is_on()
    }

    /// The gateway works on a connection; what it does comes to [`Accounts::done`]. Whether that is wanted.
    pub fn begin(&self, cookie: u64) -> bool {
        self.wanted() && self.join().open(cookie)
    }

    /// What the gateway did on a connection that it has begun.
    pub fn done(&self, cookie: u64, user: UserSide) {
        let told = self.join().user(cookie, user);
        if let Some((record, source, user)) = told {
            self.tell(&record, source, user);
        }
    }

    /// Forgets what will not be complete any more.
    pub fn sweep(&self) {
        self.join().sweep(Instant::now());
    }

    fn join(&self) -> MutexGuard<'_, Join> {
        // Every change is one insertion or removal.
        self.join.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, record: &ConnRecord, source: &'static str, user: Option<UserSide>) {
        let listener = (record.listener as usize)
            .checked_sub(1)
            .and_then(|at| self.listeners.get(at))
            .cloned();
        let told = ConnectionRecord::of(record, source, listener, user);
        if self.log {
            told.log();
        }
        self.recent.push(told);
    }

    /// Counts a connection that begins, for those whom the kernel does not count.
    pub fn opened(&self) {
        self.metrics.kernel.opened.inc();
    }

    /// Counts one connection that ended. Records of an opening are no news: the kernel's own counter has them.
    pub fn record(&self, record: &ConnRecord, source: &'static str) {
        if record.kind != conn::KIND_CLOSE {
            return;
        }
        let kernel = &self.metrics.kernel;
        let state = conn::state_name(record.state);
        for (family, label, amount) in [
            (&kernel.closed, state, 1),
            (&kernel.bytes, "in", record.bytes_in),
            (&kernel.bytes, "out", record.bytes_out),
            (&kernel.packets, "in", u64::from(record.packets_in)),
            (&kernel.packets, "out", u64::from(record.packets_out)),
        ] {
            if let Ok(counter) = family.get_metric_with_label_values(&[label]) {
                counter.inc_by(amount);
            }
        }
        kernel.retransmits.inc_by(u64::from(record.retransmits));
        kernel.duration.observe(record.duration_ns() as f64 / 1e9);
        if record.srtt_us > 0 {
            // Zero means that no acknowledgement was ever measured.
            kernel.rtt.observe(f64::from(record.srtt_us) / 1e6);
        }
        if !self.wanted() {
            return;
        }
        let told = self.join().kernel(record, source);
        if let Some((record, source, user)) = told {
            self.tell(&record, source, user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_counted_once_and_kept() {
        let metrics = Metrics::new().unwrap();
        let recent = Arc::new(Recent::new(4));
        let accounts = Accounts::new(Arc::clone(&metrics), Arc::clone(&recent));
        let closed = ConnRecord {
            kind: conn::KIND_CLOSE,
            opened_ns: 0,
            closed_ns: 2_000_000_000,
            bytes_in: 10,
            bytes_out: 20,
            packets_in: 3,
            packets_out: 4,
            retransmits: 1,
            srtt_us: 400,
            state: conn::state::LAST_ACK as u8,
            ..ConnRecord::default()
        };
        accounts.record(&closed, "kernel");
        accounts.record(
            &ConnRecord {
                kind: conn::KIND_OPEN,
                ..closed
            },
            "kernel",
        );
        let text = metrics.render().unwrap();
        for line in [
            "gateway_kernel_connections_closed_total{state=\"LAST-ACK\"} 1",
            "gateway_kernel_bytes_total{direction=\"in\"} 10",
            "gateway_kernel_bytes_total{direction=\"out\"} 20",
            "gateway_kernel_packets_total{direction=\"out\"} 4",
            "gateway_kernel_retransmits_total 1",
            "gateway_kernel_connection_duration_seconds_count 1",
            "gateway_kernel_connection_rtt_seconds_bucket{le=\"0.0005\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "no {line:?} in\n{text}");
        }
        assert_eq!(recent.all().len(), 1);
        // One that the gateway has begun is told when both halves are there.
        assert!(accounts.begin(9));
        let nine = ConnRecord { cookie: 9, ..closed };
        accounts.record(&nine, "kernel");
        assert_eq!(recent.all().len(), 1);
        let mut user = UserSide::default();
        user.request("echo", true, 1, 2);
        accounts.done(9, user);
        let told = recent.all().pop().unwrap();
        assert_eq!(
            (told.requests, told.refused, told.bytes_in),
            (Some(1), Some(1), 10)
        );
        assert_eq!(told.apis.unwrap().get("echo"), Some(&1));
    }
}
