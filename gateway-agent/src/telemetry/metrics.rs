//! All metric families of the node, their names, units and help texts.
//!
//! Conventions: snake_case, base units in the name, `_total` on counters, `_info` with value 1 for facts.
//! No label has a value that a client can invent; requests that match nothing share one label.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

use super::{
    clock::Timestamp,
    process::ProcessCollector,
    route::{RouteFamilies, RouteMetrics, UNMATCHED},
};

/// Durations of whole requests: the semantic convention's advice, and finer steps below 5 ms.
const REQUEST_SECONDS: &[f64] = &[
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
type Built<T> = prometheus::Result<T>;

/// API and operation id.
type RouteKey = (Box<str>, Box<str>);

/// Every metric of the node. One per process, shared.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    known: Vec<Family>,
    families: RouteFamilies,
    routes: Mutex<HashMap<RouteKey, Arc<RouteMetrics>>>,
    unmatched: Arc<RouteMetrics>,
    /// Requests being served now.
    pub requests_active: IntGauge,
    /// Requests answered by the gateway itself, by the closed set of reasons of the failure table.
    pub refused: IntCounterVec,
    /// Policies skipped because a self-hosted gateway does not run them, by element name.
    pub policies_skipped: IntCounterVec,
    /// Client connections.
    pub connections: ConnectionMetrics,
    /// TLS with clients.
    pub tls: TlsMetrics,
    /// Connections to backends.
    pub upstream: UpstreamMetrics,
    /// Configuration.
    pub sync: SyncMetrics,
    /// Kernel hooks and what they count.
    pub kernel: KernelMetrics,
    /// Log lines dropped because their reader was too slow, by stream (`events`, `requests`).
    pub log_lines_dropped: IntCounterVec,
    /// Worker threads serving traffic.
    pub workers: IntGauge,
    /// 1 while draining.
    pub draining: IntGauge,
    /// 1 when ready: configuration active, listeners bound, not draining.
    pub ready: IntGauge,
}

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
}

/// Causes of a failed synchronisation, the values of `cause`.
pub const SYNC_CAUSES: [&str; 5] = ["unreadable", "unstable", "too_large", "invalid", "activation"];

/// Kernel hooks and what they count.
#[derive(Debug)]
pub struct KernelMetrics {
    /// 1 when attached, by hook and mode (`native`, `generic`, `link`, `userspace`, …).
    pub attached: IntGaugeVec,
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
struct Families<'a>(&'a Registry, RefCell<Vec<Family>>);

impl Families<'_> {
    fn add<C: Collector + Clone + 'static>(&self, family: C, kind: &'static str) -> Built<C> {
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

    fn counter(&self, name: &str, help: &str) -> Built<IntCounter> {
        self.add(IntCounter::new(name, help)?, "counter")
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Built<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?, "counter")
    }

    fn gauge(&self, name: &str, help: &str) -> Built<IntGauge> {
        self.add(IntGauge::new(name, help)?, "gauge")
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Built<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?, "gauge")
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Built<Histogram> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add(Histogram::with_opts(options)?, "histogram")
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> Built<HistogramVec> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add(HistogramVec::new(options, labels)?, "histogram")
    }
}

impl Metrics {
    /// Registers all families with the usual buckets.
    ///
    /// # Errors
    /// As [`Metrics::with_buckets`].
    pub fn new() -> Built<Arc<Self>> {
        Self::with_buckets(None)
    }

    /// Registers all families; `buckets` (seconds, rising) replace those of request and backend durations.
    ///
    /// # Errors
    /// When two families of this file share a name, or the buckets do not rise.
    pub fn with_buckets(buckets: Option<&[f64]>) -> Built<Arc<Self>> {
        let registry = Registry::new();
        let f = Families(&registry, RefCell::default());
        let families = route_families(&f, buckets.unwrap_or(REQUEST_SECONDS))?;
        let unmatched = Arc::new(families.resolve(UNMATCHED, UNMATCHED)?);
        registry.register(Box::new(ProcessCollector::new(Timestamp::now().unix_seconds())?))?;
        f.gauges(
            "gateway_build_info",
            "Facts of the build; the value is 1.",
            &["version"],
        )?
        .get_metric_with_label_values(&[env!("CARGO_PKG_VERSION")])?
        .set(1);
        let metrics = Self {
            families,
            routes: Mutex::default(),
            unmatched,
            requests_active: f.gauge("gateway_requests_active", "Requests being served now.")?,
            refused: f.counters(
                "gateway_requests_refused_total",
                "Requests that the gateway answered itself, by reason.",
                &["reason"],
            )?,
            policies_skipped: f.counters(
                "gateway_policies_skipped_total",
                "Policy elements skipped because a self-hosted gateway does not run them.",
                &["policy"],
            )?,
            connections: ConnectionMetrics::new(&f)?,
            tls: TlsMetrics::new(&f)?,
            upstream: UpstreamMetrics::new(&f)?,
            sync: SyncMetrics::new(&f)?,
            kernel: KernelMetrics::new(&f)?,
            log_lines_dropped: f.counters(
                "gateway_log_lines_dropped_total",
                "Log lines dropped because their reader was too slow.",
                &["stream"],
            )?,
            workers: f.gauge("gateway_workers", "Worker threads serving traffic.")?,
            draining: f.gauge("gateway_draining", "1 while the node drains.")?,
            ready: f.gauge("gateway_ready", "1 while the node is ready for traffic.")?,
            registry: registry.clone(),
            known: f.1.into_inner(),
        };
        Ok(Arc::new(metrics))
    }

    /// The handles of one API and operation. Resolve when a snapshot is activated and keep them there.
    ///
    /// # Errors
    /// Never for valid UTF-8 labels; the signature follows the metrics library.
    pub fn route(&self, api: &str, operation: &str) -> Built<Arc<RouteMetrics>> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = routes.get(&(Box::from(api), Box::from(operation))) {
            return Ok(Arc::clone(known));
        }
        let resolved = Arc::new(self.families.resolve(api, operation)?);
        routes.insert((api.into(), operation.into()), Arc::clone(&resolved));
        Ok(resolved)
    }

    /// The handles shared by all requests that matched nothing.
    pub fn unmatched(&self) -> Arc<RouteMetrics> {
        Arc::clone(&self.unmatched)
    }

    /// Forgets routes for which `keep` says no: call after a snapshot was swapped, so that the number of
    /// series is bounded by the live configuration and not by its history.
    pub fn retain_routes(&self, keep: impl Fn(&str, &str) -> bool) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.retain(|(api, operation), _| {
            let kept = keep(api, operation);
            if !kept {
                self.families.forget(api, operation);
            }
            kept
        });
    }

    /// Every family, those without a sample yet included, in order of name.
    pub fn families(&self) -> Vec<Family> {
        let mut all = self.known.clone();
        all.extend(super::process::FAMILIES.map(|(name, kind, help)| Family {
            name: name.to_owned(),
            kind,
            labels: Vec::new(),
            help: help.to_owned(),
        }));
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The Prometheus text format, version 0.0.4.
    ///
    /// # Errors
    /// When a family cannot be encoded; nothing is written then.
    pub fn render(&self) -> Built<String> {
        let mut out = Vec::with_capacity(64 * 1024);
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        String::from_utf8(out).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }

    /// All samples as `name{labels}` and value, for `status` and the demo; histograms as `_sum` and `_count`.
    pub fn samples(&self) -> Vec<(String, f64)> {
        let Ok(text) = self.render() else {
            return Vec::new();
        };
        text.lines()
            .filter(|line| !line.starts_with('#') && !line.contains("_bucket{"))
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect()
    }
}

fn route_families(f: &Families<'_>, durations: &[f64]) -> Built<RouteFamilies> {
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
    fn new(f: &Families<'_>) -> Built<Self> {
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
    fn new(f: &Families<'_>) -> Built<Self> {
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
    fn new(f: &Families<'_>) -> Built<Self> {
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
        })
    }
}

impl SyncMetrics {
    fn new(f: &Families<'_>) -> Built<Self> {
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
            activated: f.add(
                Gauge::new(
                    "configuration_activated_timestamp_seconds",
                    "When the active configuration was activated, Unix time; 0 before the first.",
                )?,
                "gauge",
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
        })
    }
}

impl KernelMetrics {
    fn new(f: &Families<'_>) -> Built<Self> {
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
            verdicts: f.counters(
                "gateway_kernel_verdicts_total",
                "Packets or look-ups by hook and verdict.",
                &["hook", "verdict"],
            )?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::route::Sample;
    use std::time::Duration;

    fn sample(status: u16) -> Sample {
        Sample {
            status,
            total: Duration::from_millis(3),
            backend: Some(Duration::from_millis(2)),
            received: 10,
            sent: 20,
        }
    }

    fn check(text: &str, line: &str) {
        assert!(text.lines().any(|l| l == line), "no line {line:?} in\n{text}");
    }

    #[test]
    fn a_request_is_counted_under_its_route() {
        let metrics = Metrics::new().unwrap();
        let route = metrics.route("echo-api", "get-item").unwrap();
        route.record(&sample(200));
        route.record(&sample(200));
        route.record(&sample(418)); // not among the kept codes
        let text = metrics.render().unwrap();
        let labels = r#"api="echo-api",operation="get-item""#;
        check(
            &text,
            r#"gateway_requests_total{api="echo-api",code="200",operation="get-item"} 2"#,
        );
        check(
            &text,
            r#"gateway_requests_total{api="echo-api",code="418",operation="get-item"} 1"#,
        );
        check(
            &text,
            &format!("gateway_request_duration_seconds_count{{{labels}}} 3"),
        );
        check(
            &text,
            &format!("gateway_backend_duration_seconds_bucket{{{labels},le=\"0.0025\"}} 3"),
        );
        check(
            &text,
            &format!("gateway_processing_duration_seconds_bucket{{{labels},le=\"0.0005\"}} 0"),
        );
        check(
            &text,
            &format!("gateway_processing_duration_seconds_bucket{{{labels},le=\"0.001\"}} 3"),
        );
        check(&text, &format!("gateway_received_bytes_total{{{labels}}} 30"));
        check(&text, &format!("gateway_sent_bytes_total{{{labels}}} 60"));
    }

    #[test]
    fn handles_are_shared_and_forgotten_with_their_route() {
        let metrics = Metrics::new().unwrap();
        let first = metrics.route("a", "x").unwrap();
        assert!(Arc::ptr_eq(&first, &metrics.route("a", "x").unwrap()));
        first.record(&sample(200));
        metrics.route("b", "y").unwrap().record(&sample(500));
        metrics.retain_routes(|api, _| api == "b");
        let text = metrics.render().unwrap();
        assert!(!text.contains(r#"api="a""#), "{text}");
        check(
            &text,
            r#"gateway_requests_total{api="b",code="500",operation="y"} 1"#,
        );
    }

    #[test]
    fn whatever_matches_nothing_is_one_series() {
        let metrics = Metrics::new().unwrap();
        for _ in 0..50 {
            metrics.unmatched().record(&sample(404));
        }
        let text = metrics.render().unwrap();
        check(
            &text,
            r#"gateway_requests_total{api="_unmatched",code="404",operation="_unmatched"} 50"#,
        );
        assert_eq!(text.matches("gateway_requests_total{").count(), 1);
    }

    /// Name, kind and label names of everything that `render` shows.
    fn families(metrics: &Metrics) -> Vec<(String, prometheus::proto::MetricType, Vec<String>)> {
        let mut all = Vec::new();
        for family in metrics.registry.gather() {
            assert!(!family.help().is_empty(), "{} has no help text", family.name());
            let mut labels: Vec<String> = Vec::new();
            for metric in family.get_metric() {
                labels = metric.get_label().iter().map(|l| l.name().to_owned()).collect();
            }
            all.push((family.name().to_owned(), family.get_field_type(), labels));
        }
        all
    }

    #[test]
    fn names_follow_the_conventions() {
        use prometheus::proto::MetricType;
        let metrics = Metrics::new().unwrap();
        metrics.route("a", "x").unwrap().record(&sample(200));
        let mut names = Vec::new();
        for (name, kind, labels) in families(&metrics) {
            let good = |s: &str| {
                s.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            };
            assert!(good(&name) && labels.iter().all(|l| good(l)), "{name} {labels:?}");
            assert!(
                ["gateway_", "configuration_", "process_"]
                    .iter()
                    .any(|p| name.starts_with(p)),
                "{name} has no known prefix"
            );
            match kind {
                MetricType::COUNTER => assert!(name.ends_with("_total"), "counter {name}"),
                MetricType::HISTOGRAM => assert!(name.ends_with("_seconds"), "histogram {name}"),
                _ => assert!(!name.ends_with("_total"), "gauge {name}"),
            }
            for banned in ["path", "url", "subscription", "client", "ip", "request_id"] {
                assert!(
                    !labels.iter().any(|l| l == banned),
                    "{name} has the unbounded label {banned}"
                );
            }
            names.push(name);
        }
        for promised in [
            "gateway_requests_total",
            "gateway_request_duration_seconds",
            "gateway_backend_duration_seconds",
            "configuration_sync_total",
            "configuration_sync_errors_total",
            "gateway_build_info",
        ] {
            assert!(names.iter().any(|n| n == promised), "{promised} is missing");
        }
    }

    #[test]
    fn other_buckets_may_be_asked_for() {
        let metrics = Metrics::with_buckets(Some(&[0.25, 2.0])).unwrap();
        metrics.unmatched().record(&sample(200));
        let text = metrics.render().unwrap();
        assert_eq!(
            text.matches("gateway_request_duration_seconds_bucket{").count(),
            3,
            "{text}"
        );
        assert!(text.contains("le=\"0.25\""), "{text}");
        assert!(Metrics::with_buckets(Some(&[2.0, 1.0])).is_err());
    }

    #[test]
    fn samples_leave_buckets_out() {
        let metrics = Metrics::new().unwrap();
        metrics.workers.set(2);
        let samples = metrics.samples();
        assert!(samples.contains(&("gateway_workers".to_owned(), 2.0)));
        assert!(samples.iter().all(|(name, _)| !name.contains("_bucket")));
    }
}
