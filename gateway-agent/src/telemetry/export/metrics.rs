//! Metric families of what leaves the node: sent, failed, dropped, by sink.

use prometheus::{IntCounter, IntCounterVec};

use crate::telemetry::families::{Built, Families};

/// Where telemetry goes, the values of `sink`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SinkName {
    /// Application Insights.
    Insights,
    /// Event hubs.
    EventHub,
    /// The OpenTelemetry collector.
    Otlp,
    /// StatsD.
    StatsD,
    /// The local log sink.
    LocalLog,
    /// Series of `emit-metric` on the node's own metrics page.
    Prometheus,
}

impl SinkName {
    /// As metrics call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insights => "application_insights",
            Self::EventHub => "event_hub",
            Self::Otlp => "otlp",
            Self::StatsD => "statsd",
            Self::LocalLog => "local_log",
            Self::Prometheus => "prometheus",
        }
    }
}

/// What the exporters count.
#[derive(Clone, Debug)]
pub struct ExportMetrics {
    sent: IntCounterVec,
    failures: IntCounterVec,
    dropped: IntCounterVec,
}

impl ExportMetrics {
    pub(in crate::telemetry) fn new(f: &Families<'_>) -> Built<Self> {
        Ok(Self {
            sent: f.counters(
                "gateway_telemetry_sent_total",
                "Telemetry items that their receiver took.",
                &["sink"],
            )?,
            failures: f.counters(
                "gateway_telemetry_failures_total",
                "Attempts to send telemetry that failed; what can be sent again is.",
                &["sink"],
            )?,
            dropped: f.counters(
                "gateway_telemetry_dropped_total",
                "Telemetry items that never arrive, by reason.",
                &["sink", "reason"],
            )?,
        })
    }

    /// The handles of one sink.
    pub(crate) fn of(&self, sink: SinkName) -> Counters {
        let name = sink.name();
        let dropped = |reason: &str| self.dropped.with_label_values(&[name, reason]);
        Counters {
            name,
            sent: self.sent.with_label_values(&[name]),
            failures: self.failures.with_label_values(&[name]),
            queue_full: dropped("queue_full"),
            refused: dropped("refused"),
            unreachable: dropped("unreachable"),
            shutdown: dropped("shutdown"),
            limit: dropped("limit"),
            no_logger: dropped("no_logger"),
        }
    }
}

/// The handles of one sink.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    pub(crate) name: &'static str,
    /// Taken by the receiver.
    pub(crate) sent: IntCounter,
    /// Failed attempts.
    pub(crate) failures: IntCounter,
    /// The queue was full.
    pub(crate) queue_full: IntCounter,
    /// The receiver will never take it.
    pub(crate) refused: IntCounter,
    /// The receiver was away for too long.
    pub(crate) unreachable: IntCounter,
    /// The node ended before it could be sent.
    pub(crate) shutdown: IntCounter,
    /// More series, or larger, than a bound allows.
    pub(crate) limit: IntCounter,
    /// A policy names a logger that cannot be used.
    pub(crate) no_logger: IntCounter,
}
