//! All metrics of the node in one value; their groups are in `families.rs`.
//!
//! Conventions: snake_case, base units in the name, `_total` on counters, `_info` with value 1 for facts.
//! No label has a value that a client can invent; requests that match nothing share one label.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus::{Encoder, IntCounterVec, IntGauge, Registry, TextEncoder};

pub use super::families::{
    ConnectionMetrics, Family, KernelMetrics, SYNC_CAUSES, SyncMetrics, TlsMetrics, UpstreamMetrics,
};
use super::{
    EffectMetrics, ExportMetrics, SinkName,
    clock::Timestamp,
    export::{Custom, CustomCollector},
    families::{Built, Families, REQUEST_SECONDS, route_families},
    process::ProcessCollector,
    route::{RouteFamilies, RouteMetrics, UNMATCHED},
};

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
    /// Caches, counters, keys, tokens.
    pub effects: EffectMetrics,
    /// Telemetry on its way out.
    pub export: ExportMetrics,
    /// Metrics of policies.
    pub(crate) custom: Arc<Custom>,
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
        let export = ExportMetrics::new(&f)?;
        let custom = Arc::new(Custom::new(export.of(SinkName::Prometheus)));
        registry.register(Box::new(CustomCollector(Arc::clone(&custom))))?;
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
            effects: EffectMetrics::new(&f)?,
            export,
            custom,
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
