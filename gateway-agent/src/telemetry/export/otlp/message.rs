//! The request of the OTLP metrics service, from the aggregates.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Gauge, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
        ScopeMetrics, Sum, metric::Data, number_data_point::Value,
    },
    resource::v1::Resource as WireResource,
};
use prost::Message as _;

use crate::telemetry::{
    export::{
        custom::{Key, Totals as CustomTotals},
        measure::{DURATIONS, Histogram, SharedPlace, Totals},
    },
    process,
};

/// Scope of the original's metrics.
const SCOPE: &str = "gateway-agent";

/// Who tells: the same for all metrics.
#[derive(Clone, Debug)]
pub(in crate::telemetry::export) struct Resource {
    pub(in crate::telemetry::export) instance: Arc<str>,
    pub(in crate::telemetry::export) place: SharedPlace,
    /// When the counts began.
    pub(in crate::telemetry::export) started: SystemTime,
}

fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

/// The period the points cover.
#[derive(Clone, Copy)]
struct Period {
    start: u64,
    now: u64,
}

impl Period {
    fn number(self, attributes: Vec<KeyValue>, value: Value) -> NumberDataPoint {
        NumberDataPoint {
            attributes,
            start_time_unix_nano: self.start,
            time_unix_nano: self.now,
            value: Some(value),
            ..NumberDataPoint::default()
        }
    }
}

fn sum(name: &str, unit: &str, help: &str, monotonic: bool, points: Vec<NumberDataPoint>) -> Metric {
    Metric {
        name: name.to_owned(),
        description: help.to_owned(),
        unit: unit.to_owned(),
        data: Some(Data::Sum(Sum {
            data_points: points,
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: monotonic,
        })),
        ..Metric::default()
    }
}

/// The message and how many data points it has.
pub(super) fn encode(
    resource: &Resource,
    totals: &Totals,
    bounds: &[f64],
    custom: &HashMap<Key, CustomTotals>,
    system: bool,
) -> (Bytes, u64) {
    let period = Period {
        start: nanos(resource.started),
        now: nanos(SystemTime::now()),
    };
    let mut metrics = requests(resource, totals, bounds, period);
    if system {
        metrics.extend(process_metrics(period));
    }
    let mut scopes = vec![scope(SCOPE, metrics)];
    scopes.extend(custom_scopes(custom, period));
    let points = scopes.iter().flat_map(|s| &s.metrics).map(points).sum();
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(WireResource {
                attributes: vec![
                    pair("service.name", SCOPE),
                    pair("service.version", env!("CARGO_PKG_VERSION")),
                    pair("service.instance.id", &resource.instance),
                ],
                ..WireResource::default()
            }),
            scope_metrics: scopes,
            ..ResourceMetrics::default()
        }],
    };
    (request.encode_to_vec().into(), points)
}

fn scope(name: &str, metrics: Vec<Metric>) -> ScopeMetrics {
    ScopeMetrics {
        scope: Some(InstrumentationScope {
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        }),
        metrics,
        ..ScopeMetrics::default()
    }
}

fn points(metric: &Metric) -> u64 {
    let count = match &metric.data {
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        _ => 0,
    };
    count as u64
}

fn requests(resource: &Resource, totals: &Totals, bounds: &[f64], period: Period) -> Vec<Metric> {
    let mut counts = Vec::with_capacity(totals.requests.len());
    let place = resource.place.load();
    for (dimensions, count) in &totals.requests {
        let pairs = dimensions.pairs();
        let mut attributes: Vec<KeyValue> = pairs.iter().map(|(name, value)| pair(name, value)).collect();
        attributes.push(pair("GatewayId", &place.gateway));
        attributes.push(pair("Location", &place.location));
        let value = i64::try_from(*count).unwrap_or(i64::MAX);
        counts.push(period.number(attributes, Value::AsInt(value)));
    }
    let mut out = Vec::with_capacity(1 + DURATIONS.len());
    if !counts.is_empty() {
        out.push(sum("Requests", "{request}", "Requests finished.", true, counts));
    }
    for (at, (name, help)) in DURATIONS.iter().enumerate() {
        let of_hosts = totals.durations.iter().filter_map(|(host, all)| {
            let histogram = all.get(at).filter(|one| one.count > 0)?;
            Some(histogram_point(host, histogram, bounds, period))
        });
        let data_points: Vec<HistogramDataPoint> = of_hosts.collect();
        if data_points.is_empty() {
            continue;
        }
        out.push(Metric {
            name: (*name).to_owned(),
            description: (*help).to_owned(),
            unit: "ms".to_owned(),
            data: Some(Data::Histogram(
                opentelemetry_proto::tonic::metrics::v1::Histogram {
                    data_points,
                    aggregation_temporality: AggregationTemporality::Cumulative.into(),
                },
            )),
            ..Metric::default()
        });
    }
    out
}

fn histogram_point(host: &str, histogram: &Histogram, bounds: &[f64], period: Period) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: vec![pair("Hostname", host)],
        start_time_unix_nano: period.start,
        time_unix_nano: period.now,
        count: histogram.count,
        sum: Some(histogram.sum),
        bucket_counts: histogram.buckets.clone(),
        explicit_bounds: bounds.to_vec(),
        min: Some(histogram.min),
        max: Some(histogram.max),
        ..HistogramDataPoint::default()
    }
}

/// Metrics of policies: the namespace is the scope, dimensions are attributes, values add up.
fn custom_scopes(custom: &HashMap<Key, CustomTotals>, period: Period) -> Vec<ScopeMetrics> {
    let mut by_name: HashMap<(&str, &str), Vec<NumberDataPoint>> = HashMap::new();
    for (key, totals) in custom {
        let attributes = key
            .dimensions
            .iter()
            .map(|(name, value)| pair(name, value))
            .collect();
        by_name
            .entry((&key.namespace, &key.name))
            .or_default()
            .push(period.number(attributes, Value::AsDouble(totals.sum)));
    }
    let mut scopes: HashMap<&str, Vec<Metric>> = HashMap::new();
    for ((namespace, name), points) in by_name {
        // A policy may emit negative values, so the sum need not rise.
        let metric = sum(name, "", "Values emitted by policies.", false, points);
        scopes.entry(namespace).or_default().push(metric);
    }
    scopes
        .into_iter()
        .map(|(name, metrics)| scope(name, metrics))
        .collect()
}

/// Names of the semantic conventions for processes.
fn process_metrics(period: Period) -> Vec<Metric> {
    let figures = process::figures();
    let mut out = Vec::new();
    if let Some(seconds) = figures.cpu_seconds {
        let point = period.number(Vec::new(), Value::AsDouble(seconds));
        out.push(sum(
            "process.cpu.time",
            "s",
            "User and system CPU time.",
            true,
            vec![point],
        ));
    }
    for (name, unit, help, value) in [
        (
            "process.memory.usage",
            "By",
            "Resident memory.",
            figures.resident_bytes,
        ),
        (
            "process.unix.file_descriptor.count",
            "{file_descriptor}",
            "Open file descriptors.",
            figures.open_files,
        ),
        ("process.thread.count", "{thread}", "Threads.", figures.threads),
    ] {
        let Some(value) = value else { continue };
        out.push(Metric {
            name: name.to_owned(),
            description: help.to_owned(),
            unit: unit.to_owned(),
            data: Some(Data::Gauge(Gauge {
                data_points: vec![period.number(Vec::new(), Value::AsInt(value))],
            })),
            ..Metric::default()
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::{
        Metrics,
        export::{
            SinkName,
            measure::{Aggregate, Dimensions, Measured},
        },
        record::Cache,
    };

    #[test]
    fn requests_durations_and_custom_metrics_are_encoded() {
        let counters = Metrics::new().unwrap().export.of(SinkName::Otlp);
        let aggregate = Aggregate::new(vec![5.0, 10.0], counters.clone());
        let measured = Measured {
            dimensions: Dimensions {
                hostname: "api.example".into(),
                code: 502,
                backend_code: None,
                cache: Cache::None,
                reason: Some("Timeout".into()),
            },
            total: Duration::from_millis(7),
            backend: None,
            client: Duration::from_millis(1),
        };
        aggregate.add(0, &measured);
        let custom = super::super::Custom::new(counters);
        custom.add(
            0,
            "shop".into(),
            "orders".into(),
            2.0,
            vec![("tier".into(), "gold".into())],
        );
        custom.add(
            1,
            "shop".into(),
            "orders".into(),
            -0.5,
            vec![("tier".into(), "gold".into())],
        );
        let resource = Resource {
            instance: "node".into(),
            place: SharedPlace::default(),
            started: UNIX_EPOCH,
        };
        let bounds = aggregate.bounds.clone();
        let (bytes, points) = encode(&resource, &aggregate.totals(), &bounds, &custom.totals(), true);
        let decoded = ExportMetricsServiceRequest::decode(bytes).unwrap();
        let scopes = &decoded.resource_metrics[0].scope_metrics;
        let names: Vec<&str> = scopes[0].metrics.iter().map(|m| m.name.as_str()).collect();
        // No backend was asked, so there is no duration of one.
        assert_eq!(
            names[..4],
            [
                "Requests",
                "DurationInMs",
                "ClientDurationInMs",
                "GatewayDurationInMs"
            ]
        );
        assert!(names.contains(&"process.memory.usage"), "{names:?}");
        let Some(Data::Histogram(histogram)) = &scopes[0].metrics[1].data else {
            panic!("{:?}", scopes[0].metrics[1]);
        };
        assert_eq!(histogram.data_points[0].bucket_counts, [0, 1, 0]);
        assert_eq!(scopes[1].scope.as_ref().map(|s| s.name.as_str()), Some("shop"));
        let Some(Data::Sum(orders)) = &scopes[1].metrics[0].data else {
            panic!("{:?}", scopes[1]);
        };
        assert_eq!(orders.data_points[0].value, Some(Value::AsDouble(1.5)));
        assert_eq!(points, names.len() as u64 + 1);
    }
}
