//! The groups of metric families: names, units, labels and help texts.

use std::cell::RefCell;

use prometheus::{
    Counter, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, core::Collector,
};

use super::route::RouteFamilies;

/// Durations of whole requests: the semantic convention's advice, and finer steps below 5 ms.
pub(super) const REQUEST_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Durations inside the gateway: this product's promise lies below a millisecond.
const GATEWAY_SECONDS: &[f64] = &[
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1, 1.0,
];
/// Life of a connection: from one request to a day.
const CONNECTION_SECONDS: &[f64] = &[0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 86_400.0];
/// Round trips: from the same rack to a satellite.
const RTT_SECONDS: &[f64] = &[
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
];

/// Result of building the metrics: only a clash of names inside this file can fail.
pub(super) type Built<T> = prometheus::Result<T>;

/// Client connections; `listener` is the listener's configured name.
#[derive(Debug)]
pub struct ConnectionMetrics {
    /// Accepted, by listener.
    pub accepted: IntCounterVec,
    /// Open now, by listener.
    pub active: IntGaugeVec,
    /// Closed without service, by reason (`limit`, `draining`, `denied`, `accept_error`, …).
    pub refused: IntCounterVec,
}

/// TLS with clients.
#[derive(Debug)]
pub struct TlsMetrics {
    /// Completed handshakes by protocol version (`1.2`, `1.3`).
    pub handshakes: IntCounterVec,
    /// Failed handshakes, by reason (closed set).
    pub failures: IntCounterVec,
    /// Handshakes for a name without a certificate.
    pub sni_misses: IntCounter,
    /// Duration of completed handshakes.
    pub handshake_duration: Histogram,
    /// End of validity of each served certificate, Unix time, by host name pattern.
    pub certificate_expiry: GaugeVec,
}

/// Connections to backends.
#[derive(Debug)]
pub struct UpstreamMetrics {
    /// New connections, by result (`ok`, `refused`, `timeout`, `tls`, `dns`, `other`).
    pub connects: IntCounterVec,
    /// Requests sent on a connection that was open already.
    pub reused: IntCounter,
    /// Connections waiting in pools.
    pub idle: IntGauge,
    /// Time to connect, TLS included.
    pub connect_duration: Histogram,
    /// Requests sent again on a fresh connection.
    pub retries: IntCounter,
    /// 1 while a backend's circuit breaker is open.
    pub circuit_open: IntGaugeVec,
    /// How often it opened.
    pub circuit_opened: IntCounterVec,
}

/// Configuration.
#[derive(Debug)]
pub struct SyncMetrics {
    /// Attempts to read the configuration that found something new.
    pub attempts: IntCounter,
    /// Attempts that failed, by cause.
    pub errors: IntCounterVec,
    /// 1 when the last attempt led to an active configuration.
    pub last_success: IntGauge,
    /// When the active configuration was activated, Unix time; 0 before the first.
    pub activated: Gauge,
    /// The active revision and its source, value 1.
    pub info: IntGaugeVec,
    /// Entities in the active configuration, by kind.
    pub entities: IntGaugeVec,
    /// Scopes refused at load, which answer every request with an error.
    pub scopes_refused: IntGauge,
    /// Time to read, check and activate.
    pub duration: Histogram,
    /// 1 for the state a source over a network is in.
    pub source_state: IntGaugeVec,
    /// When such a source answered last, Unix time; 0 before that.
    pub source_contact: Gauge,
    /// When the copy on disk was written, Unix time; 0 without one.
    pub backup_saved: Gauge,
    /// When the right to ask the source ends, Unix time; 0 when it is not known.
    pub credentials_expire: Gauge,
    /// Questions of nodes that this hub answered, by status.
    pub hub_requests: IntCounterVec,
    /// Calls of the management API, by what came of them.
    pub source_calls: IntCounterVec,
    /// Calls that the service says are left in its own bucket.
    pub source_remaining: IntGauge,
    /// Time spent waiting so as not to exceed limits.
    pub source_waited: Counter,
}

/// Causes of a failed synchronisation, the values of `cause`.
pub const SYNC_CAUSES: [&str; 9] = [
    "unreadable",
    "unstable",
    "too_large",
    "invalid",
    "activation",
    "unreachable",
    "unauthorised",
    "throttled",
    "refused",
];

/// Kernel hooks and what they count.
#[derive(Debug)]
pub struct KernelMetrics {
    /// 1 when attached, by hook and mode (`native`, `generic`, `link`, `userspace`, …).
    pub attached: IntGaugeVec,
    /// Entries in each map.
    pub map_entries: IntGaugeVec,
    /// Entries that each map takes.
    pub map_room: IntGaugeVec,
    /// Connections opened, as the kernel saw them.
    pub opened: IntCounter,
    /// Connections closed, by state at close.
    pub closed: IntCounterVec,
    /// Bytes of closed connections, by direction (`in`, `out`).
    pub bytes: IntCounterVec,
    /// Packets of closed connections, by direction.
    pub packets: IntCounterVec,
    /// Retransmitted segments of closed connections.
    pub retransmits: IntCounter,
    /// Life of closed connections.
    pub duration: Histogram,
    /// Smoothed round-trip time at close.
    pub rtt: Histogram,
    /// Records the ring buffer had no room for.
    pub records_lost: IntCounter,
    /// Packets or look-ups by hook and verdict.
    pub verdicts: IntCounterVec,
}

/// One metric family, for the page that lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Name.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Label names.
    pub labels: Vec<String>,
    /// Help text.
    pub help: String,
}

/// Makes and registers families; the prefix of every name is spelled out so that it can be searched for.
pub(super) struct Families<'a>(pub(super) &'a Registry, pub(super) RefCell<Vec<Family>>);

impl Families<'_> {
    pub(super) fn add<C: Collector + Clone + 'static>(&self, family: C, kind: &'static str) -> Built<C> {
        for desc in family.desc() {
            self.1.borrow_mut().push(Family {
                name: desc.fq_name.clone(),
                kind,
                labels: desc.variable_labels.clone(),
                help: desc.help.clone(),
            });
        }
        self.0.register(Box::new(family.clone()))?;
        Ok(family)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Built<IntCounter> {
        self.add(IntCounter::new(name, help)?, "counter")
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Built<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?, "counter")
    }

    pub(super) fn counter_f64(&self, name: &str, help: &str) -> Built<Counter> {
        self.add(Counter::new(name, help)?, "counter")
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Built<IntGauge> {
        self.add(IntGauge::new(name, help)?, "gauge")
    }

    pub(super) fn gauge_f64(&self, name: &str, help: &str) -> Built<Gauge> {
        self.add(Gauge::new(name, help)?, "gauge")
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Built<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?, "gauge")
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Built<Histogram> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add(Histogram::with_opts(options)?, "histogram")
    }

    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Built<HistogramVec> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add(HistogramVec::new(options, labels)?, "histogram")
    }
}

pub(super) fn route_families(f: &Families<'_>, durations: &[f64]) -> Built<RouteFamilies> {
    let route = &["api", "operation"];
    Ok(RouteFamilies {
        requests: f.counters(
            "gateway_requests_total",
            "Requests finished, by API, operation and status code.",
            &["api", "operation", "code"],
        )?,
        total: f.histograms(
            "gateway_request_duration_seconds",
            "From the first byte of the request to the last byte of the response.",
            route,
            durations,
        )?,
        backend: f.histograms(
            "gateway_backend_duration_seconds",
            "All backend I/O of a request: connect, send, receive.",
            route,
            durations,
        )?,
        gateway: f.histograms(
            "gateway_processing_duration_seconds",
            "The rest: request duration without backend I/O.",
            route,
            GATEWAY_SECONDS,
        )?,
        received: f.counters(
            "gateway_received_bytes_total",
            "Body bytes received from clients.",
            route,
        )?,
        sent: f.counters("gateway_sent_bytes_total", "Body bytes sent to clients.", route)?,
    })
}

impl ConnectionMetrics {
    pub(super) fn new(f: &Families<'_>) -> Built<Self> {
        Ok(Self {
            accepted: f.counters(
                "gateway_connections_accepted_total",
                "Client connections accepted.",
                &["listener"],
            )?,
            active: f.gauges(
                "gateway_connections_active",
                "Client connections open now.",
                &["listener"],
            )?,
            refused: f.counters(
                "gateway_connections_refused_total",
                "Client connections closed without service.",
                &["reason"],
            )?,
        })
    }
}

impl TlsMetrics {
    pub(super) fn new(f: &Families<'_>) -> Built<Self> {
        Ok(Self {
            handshakes: f.counters(
                "gateway_tls_handshakes_total",
                "TLS handshakes completed with clients.",
                &["version"],
            )?,
            failures: f.counters(
                "gateway_tls_handshake_failures_total",
                "TLS handshakes that failed.",
                &["reason"],
            )?,
            sni_misses: f.counter(
                "gateway_tls_sni_misses_total",
                "TLS handshakes for a name without a certificate.",
            )?,
            handshake_duration: f.histogram(
                "gateway_tls_handshake_duration_seconds",
                "Duration of completed TLS handshakes.",
                REQUEST_SECONDS,
            )?,
            certificate_expiry: f.add(
                GaugeVec::new(
                    Opts::new(
                        "gateway_tls_certificate_expiry_timestamp_seconds",
                        "End of validity of a served certificate, Unix time.",
                    ),
                    &["host"],
                )?,
                "gauge",
            )?,
        })
    }
}

impl UpstreamMetrics {
    pub(super) fn new(f: &Families<'_>) -> Built<Self> {
        Ok(Self {
            connects: f.counters(
                "gateway_upstream_connects_total",
                "Connections opened to backends.",
                &["result"],
            )?,
            reused: f.counter(
                "gateway_upstream_connections_reused_total",
                "Requests sent on a backend connection that was open already.",
            )?,
            idle: f.gauge(
                "gateway_upstream_connections_idle",
                "Backend connections waiting in pools.",
            )?,
            connect_duration: f.histogram(
                "gateway_upstream_connect_duration_seconds",
                "Time to connect to a backend, TLS included.",
                REQUEST_SECONDS,
            )?,
            retries: f.counter(
                "gateway_upstream_retries_total",
                "Requests sent again on a fresh backend connection.",
            )?,
            circuit_open: f.gauges(
                "gateway_backend_circuit_open",
                "1 while the circuit breaker of a backend is open.",
                &["backend"],
            )?,
            circuit_opened: f.counters(
                "gateway_backend_circuit_opened_total",
                "How often the circuit breaker of a backend opened.",
                &["backend"],
            )?,
        })
    }
}

impl SyncMetrics {
    pub(super) fn new(f: &Families<'_>) -> Built<Self> {
        let errors = f.counters(
            "configuration_sync_errors_total",
            "Attempts to read the configuration that failed, by cause.",
            &["cause"],
        )?;
        for cause in SYNC_CAUSES {
            // Present from the start, so that an alert on an increase sees the first one.
            errors.get_metric_with_label_values(&[cause])?;
        }
        Ok(Self {
            attempts: f.counter(
                "configuration_sync_total",
                "Attempts to read the configuration that found something new.",
            )?,
            errors,
            last_success: f.gauge(
                "configuration_last_sync_successful",
                "1 when the last attempt led to an active configuration.",
            )?,
            activated: f.gauge_f64(
                "configuration_activated_timestamp_seconds",
                "When the active configuration was activated, Unix time; 0 before the first.",
            )?,
            info: f.gauges(
                "configuration_info",
                "The active configuration; the value is 1.",
                &["revision", "source"],
            )?,
            entities: f.gauges(
                "configuration_entities",
                "Entities in the active configuration, by kind.",
                &["kind"],
            )?,
            scopes_refused: f.gauge(
                "configuration_scopes_refused",
                "Policy scopes refused at load; their requests are answered with an error.",
            )?,
            duration: f.histogram(
                "configuration_sync_duration_seconds",
                "Time to read, check and activate a configuration.",
                REQUEST_SECONDS,
            )?,
            source_state: f.gauges(
                "configuration_source_state",
                "1 for the state that a configuration source over a network is in.",
                &["state"],
            )?,
            source_contact: f.gauge_f64(
                "configuration_source_contact_timestamp_seconds",
                "When a configuration source over a network answered last; 0 before that.",
            )?,
            backup_saved: f.gauge_f64(
                "configuration_backup_timestamp_seconds",
                "When the copy of the configuration on disk was written; 0 without one.",
            )?,
            credentials_expire: f.gauge_f64(
                "configuration_credentials_expiry_timestamp_seconds",
                "When the right to ask the configuration source ends; 0 when it is not known.",
            )?,
            hub_requests: f.counters(
                "configuration_hub_requests_total",
                "Questions of nodes that this hub answered, by the name of the status.",
                &["result"],
            )?,
            source_calls: f.counters(
                "configuration_source_calls_total",
                "Calls of the management API and of Key Vaults, by what came of them.",
                &["result"],
            )?,
            source_remaining: f.gauge(
                "configuration_source_remaining_calls",
                "Calls that the management API says are left before it throttles.",
            )?,
            source_waited: f.counter_f64(
                "configuration_source_wait_seconds_total",
                "Time waited so as not to exceed the limits of the management API.",
            )?,
        })
    }
}

impl KernelMetrics {
    pub(super) fn new(f: &Families<'_>) -> Built<Self> {
        let direction = &["direction"];
        Ok(Self {
            attached: f.gauges(
                "gateway_kernel_hook_attached",
                "1 when the kernel hook is attached, 0 when its function runs in userspace.",
                &["hook", "mode"],
            )?,
            opened: f.counter(
                "gateway_kernel_connections_opened_total",
                "Connections opened, as the kernel saw them.",
            )?,
            closed: f.counters(
                "gateway_kernel_connections_closed_total",
                "Connections closed, by TCP state at close.",
                &["state"],
            )?,
            bytes: f.counters(
                "gateway_kernel_bytes_total",
                "Bytes of closed connections.",
                direction,
            )?,
            packets: f.counters(
                "gateway_kernel_packets_total",
                "Packets of closed connections.",
                direction,
            )?,
            retransmits: f.counter(
                "gateway_kernel_retransmits_total",
                "Segments retransmitted by closed connections.",
            )?,
            duration: f.histogram(
                "gateway_kernel_connection_duration_seconds",
                "Life of closed connections.",
                CONNECTION_SECONDS,
            )?,
            rtt: f.histogram(
                "gateway_kernel_connection_rtt_seconds",
                "Smoothed round-trip time at close.",
                RTT_SECONDS,
            )?,
            records_lost: f.counter(
                "gateway_kernel_records_lost_total",
                "Connection records for which the ring buffer had no room.",
            )?,
            map_entries: f.gauges(
                "gateway_kernel_map_entries",
                "Entries in a map of the kernel programs.",
                &["map"],
            )?,
            map_room: f.gauges(
                "gateway_kernel_map_room",
                "Entries that a map of the kernel programs takes.",
                &["map"],
            )?,
            verdicts: f.counters(
                "gateway_kernel_verdicts_total",
                "Packets or look-ups by hook and verdict.",
                &["hook", "verdict"],
            )?,
        })
    }
}
