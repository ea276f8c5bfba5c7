//! Telemetry items as the ingestion service reads them: one JSON object a line.
//!
//! Names of properties follow what the original's records show (`API Name`, `Operation Name`, `Request-<header>`,
//! …); lengths are cut to the schema's.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use gateway_config::telemetry::OperationName;
use gateway_policy::trace::TraceSeverity;
use serde_json::{Map, Value, json};

use super::{Item, Message, Metric, Request};
use crate::telemetry::{
    clock::Timestamp,
    correlation::Trace,
    told::{Call, Captured, masked_url},
};

/// Lengths of the schema, characters.
const NAME_MAX: usize = 1_024;
const URL_MAX: usize = 2_048;
const KEY_MAX: usize = 150;
const VALUE_MAX: usize = 8_192;
const MESSAGE_MAX: usize = 32_768;
/// Series of one batch; beyond it values are dropped and counted.
const SERIES_MAX: usize = 1_000;

/// What is the same for all items of a resource.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) instrumentation_key: Arc<str>,
    /// This node.
    pub(super) instance: Arc<str>,
}

/// Name, namespace and dimensions of a series.
type SeriesKey = (Arc<str>, Arc<str>, Vec<(Arc<str>, String)>);

/// Sum, count, least and greatest value.
#[derive(Clone, Copy, Debug)]
struct Series {
    sum: f64,
    count: u32,
    min: f64,
    max: f64,
}

/// The lines of a batch, and how many values found no room.
pub(super) fn lines(items: Vec<Item>, facts: &Facts) -> (Vec<Bytes>, usize) {
    let mut out = Vec::with_capacity(items.len() * 2);
    let mut series: HashMap<SeriesKey, Series> = HashMap::new();
    let mut dropped = 0;
    for item in items {
        match item {
            Item::Line(line) => out.push(line),
            Item::Message(message) => out.push(message_line(&message, facts)),
            Item::Request(request) => request_lines(&request, facts, &mut out),
            Item::Metric(metric) => dropped += usize::from(!add(&mut series, *metric)),
        }
    }
    let now = SystemTime::now();
    out.extend(
        series
            .into_iter()
            .map(|(key, one)| metric_line(&key, one, now, facts)),
    );
    (out, dropped)
}

fn add(series: &mut HashMap<SeriesKey, Series>, metric: Metric) -> bool {
    let Metric {
        name,
        namespace,
        value,
        dimensions,
    } = metric;
    let key = (name, namespace, dimensions);
    if let Some(known) = series.get_mut(&key) {
        known.sum += value;
        known.count = known.count.saturating_add(1);
        known.min = known.min.min(value);
        known.max = known.max.max(value);
        return true;
    }
    if series.len() >= SERIES_MAX {
        return false;
    }
    series.insert(
        key,
        Series {
            sum: value,
            count: 1,
            min: value,
            max: value,
        },
    );
    true
}

/// The parts of an envelope that differ.
struct Envelope<'a> {
    kind: &'static str,
    at: SystemTime,
    sample_rate: f64,
    tags: Map<String, Value>,
    data: Value,
    facts: &'a Facts,
}

impl Envelope<'_> {
    fn line(mut self) -> Bytes {
        self.tags
            .insert("ai.cloud.roleInstance".to_owned(), (&*self.facts.instance).into());
        self.tags.insert(
            "ai.internal.sdkVersion".to_owned(),
            concat!("gateway-agent:", env!("CARGO_PKG_VERSION")).into(),
        );
        let envelope = json!({
            "name": format!("Microsoft.ApplicationInsights.{}", self.kind),
            "time": Timestamp(self.at).to_string(),
            "sampleRate": self.sample_rate,
            "iKey": &*self.facts.instrumentation_key,
            "tags": self.tags,
            "data": { "baseType": format!("{}Data", self.kind), "baseData": self.data },
        });
        Bytes::from(envelope.to_string())
    }
}

/// Tags that tie an item to its operation; `parent` is what caused it.
fn tags(trace: &Trace, parent: Option<&str>) -> Map<String, Value> {
    let mut tags = Map::new();
    tags.insert("ai.operation.id".to_owned(), trace.operation.as_str().into());
    if let Some(parent) = parent {
        tags.insert("ai.operation.parentId".to_owned(), parent.into());
    }
    tags
}

fn cut(text: &str, limit: usize) -> &str {
    match text.char_indices().nth(limit) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// Properties with the schema's bounds.
#[derive(Default)]
struct Properties(Map<String, Value>);

impl Properties {
    fn put(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.0
                .insert(cut(name, KEY_MAX).to_owned(), cut(value, VALUE_MAX).into());
        }
    }

    fn maybe(&mut self, name: &str, value: Option<&str>) {
        self.put(name, value.unwrap_or_default());
    }

    fn message(&mut self, prefix: &str, captured: &Captured, wanted: &gateway_config::telemetry::Message) {
        for (name, value) in captured.headers(wanted) {
            self.put(&format!("{prefix}-{name}"), value);
        }
        self.maybe(&format!("{prefix}-Body"), captured.body(wanted).as_deref());
    }
}

fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    format!(
        "{}.{:02}:{:02}:{:02}.{:06}",
        seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        time.subsec_micros()
    )
}

/// `echo;rev=1 - get-item`, or method and path.
fn operation_name(request: &Request) -> String {
    let record = &request.record;
    match (
        request.diagnostic.operation_name,
        &record.api_id,
        &record.operation_id,
    ) {
        (OperationName::Name, Some(api), operation) => {
            let revision = record.api_revision.as_deref().unwrap_or("1");
            match operation {
                Some(operation) => format!("{api};rev={revision} - {operation}"),
                None => format!("{api};rev={revision}"),
            }
        }
        _ => format!("{} {}", record.method, path_of(&record.url)),
    }
}

fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    path.split('?').next().unwrap_or(path)
}

fn request_lines(request: &Request, facts: &Facts, out: &mut Vec<Bytes>) {
    let (record, gathered, diagnostic) = (&request.record, &request.gathered, &request.diagnostic);
    let trace = &gathered.trace;
    let name = operation_name(request);
    let common = |parent: Option<&str>| {
        let mut tags = tags(trace, parent);
        tags.insert("ai.operation.name".to_owned(), cut(&name, NAME_MAX).into());
        let deployment = gathered.deployment.as_ref();
        let role = deployment.map_or("", |d| {
            if d.service_name.is_empty() {
                &*d.gateway_id
            } else {
                &*d.service_name
            }
        });
        if !role.is_empty() {
            tags.insert("ai.cloud.role".to_owned(), role.into());
        }
        if let Some(ip) = record.caller_ip_address.filter(|_| diagnostic.log_client_ip) {
            tags.insert("ai.location.ip".to_owned(), ip.to_string().into());
        }
        if let Some(user) = &record.user_id {
            tags.insert("ai.user.authUserId".to_owned(), (&**user).into());
        }
        tags
    };
    let mut properties = facts_of(request);
    let front = &diagnostic.frontend;
    properties.message("Request", &gathered.frontend_request, &front.request);
    properties.message("Response", &gathered.frontend_response, &front.response);
    for (name, value) in &gathered.dimensions {
        properties.put(name, value);
    }
    let id = trace.id();
    let data = json!({
        "ver": 2,
        "id": id,
        "name": cut(&name, NAME_MAX),
        "duration": duration(record.total_time),
        "success": record.is_request_success,
        "responseCode": record.response_code.to_string(),
        "url": cut(&masked_url(&record.url, &front.request), URL_MAX),
        "properties": properties.0,
    });
    let envelope = |kind, at, tags, data| Envelope {
        kind,
        at,
        sample_rate: request.sample_rate,
        tags,
        data,
        facts,
    };
    let begun = record.time_generated.0;
    out.push(envelope("Request", begun, common(trace.parent.as_deref()), data).line());
    for call in &gathered.calls {
        let data = dependency(call, request);
        out.push(envelope("RemoteDependency", call.began, common(Some(&id)), data).line());
    }
    if let Some(error) = &record.last_error {
        let mut properties = facts_of(request);
        properties.put("Source", &error.source);
        properties.maybe("Section", error.section.as_deref());
        properties.maybe("Scope", error.scope.as_deref());
        properties.maybe("Path", error.path.as_deref());
        let data = json!({
            "ver": 2,
            "exceptions": [{
                "typeName": cut(&error.reason, NAME_MAX),
                "message": cut(&error.message, MESSAGE_MAX),
                "hasFullStack": false,
            }],
            "severityLevel": 3,
            "problemId": cut(&format!("{} at {}", error.reason, error.source), NAME_MAX),
            "properties": properties.0,
        });
        out.push(envelope("Exception", begun + error.elapsed, common(Some(&id)), data).line());
    }
}

/// Properties that every item of a request has.
fn facts_of(request: &Request) -> Properties {
    let (record, gathered) = (&request.record, &request.gathered);
    let mut out = Properties::default();
    out.put("Service Type", "API Management");
    if let Some(deployment) = &gathered.deployment {
        out.put("Service ID", &deployment.service_id);
        out.put("Service Name", &deployment.service_name);
        out.put("Region", &deployment.region);
        out.put("Gateway ID", &deployment.gateway_id);
    }
    out.maybe("API Name", record.api_id.as_deref());
    out.maybe("API Revision", gathered.api_revision.as_deref());
    out.maybe("Operation Name", record.operation_id.as_deref());
    out.maybe("Product Name", gathered.product_name.as_deref());
    out.maybe("Subscription Name", gathered.subscription_name.as_deref());
    out.put("HTTP Method", &record.method);
    out.put("Cache", record.cache.title());
    out.put("Request Id", &record.correlation_id);
    out
}

fn dependency(call: &Call, request: &Request) -> Value {
    let (gathered, back) = (&request.gathered, &request.diagnostic.backend);
    let url = masked_url(&call.url, &back.request);
    let (code, success) = match &call.result {
        Ok(status) => (status.to_string(), *status < 400),
        Err(_) => ("0".to_owned(), false),
    };
    let mut properties = Properties::default();
    properties.put("Request Id", &request.record.correlation_id);
    if let Err(why) = &call.result {
        properties.put("Error", why);
    }
    if call.forward {
        properties.maybe("Backend ID", request.record.backend_id.as_deref());
        properties.message("Request", &gathered.backend_request, &back.request);
        properties.message("Response", &gathered.backend_response, &back.response);
    }
    let authority = url.split_once("://").map_or("", |(_, rest)| rest);
    let target = authority.split(['/', '?']).next().unwrap_or_default();
    json!({
        "ver": 2,
        "id": gathered.trace.name(call.span),
        "name": cut(&format!("{} {}", call.method, path_of(&url)), NAME_MAX),
        "resultCode": code,
        "duration": duration(call.took),
        "success": success,
        "data": cut(&url, VALUE_MAX),
        "target": target,
        "type": "HTTP",
        "properties": properties.0,
    })
}

fn message_line(message: &Message, facts: &Facts) -> Bytes {
    let mut properties = Properties::default();
    properties.put("Source", &message.said.source);
    properties.put("Request Id", &message.request_id);
    for (name, value) in &message.said.metadata {
        properties.put(name, value);
    }
    let severity = match message.said.severity {
        TraceSeverity::Verbose => 0,
        TraceSeverity::Information => 1,
        TraceSeverity::Error => 3,
    };
    let data = json!({
        "ver": 2,
        "message": cut(&message.said.message, MESSAGE_MAX),
        "severityLevel": severity,
        "properties": properties.0,
    });
    Envelope {
        kind: "Message",
        at: message.at,
        sample_rate: 100.0,
        tags: tags(&message.trace, Some(&message.trace.id())),
        data,
        facts,
    }
    .line()
}

fn metric_line(key: &SeriesKey, series: Series, at: SystemTime, facts: &Facts) -> Bytes {
    let (name, namespace, dimensions) = key;
    let mut properties = Properties::default();
    for (name, value) in dimensions {
        properties.put(name, value);
    }
    let data = json!({
        "ver": 2,
        "metrics": [{
            "ns": cut(namespace, 256),
            "name": cut(name, NAME_MAX),
            "kind": 1,
            "value": series.sum,
            "count": series.count,
            "min": series.min,
            "max": series.max,
        }],
        "properties": properties.0,
    });
    Envelope {
        kind: "Metric",
        at,
        sample_rate: 100.0,
        tags: Map::new(),
        data,
        facts,
    }
    .line()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_days() {
        for (micros, expected) in [(1, "0.00:00:00.000001"), (90_061_000_002, "1.01:01:01.000002")] {
            assert_eq!(duration(Duration::from_micros(micros)), expected);
        }
    }

    #[test]
    fn paths_of_urls() {
        for (url, expected) in [
            ("https://h.example/a/b?c", "/a/b"),
            ("https://h.example", "/"),
            ("/a?b", "/a"),
        ] {
            assert_eq!(path_of(url), expected, "{url}");
        }
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("äöü", 2), "äö");
        assert_eq!(cut("ab", 2), "ab");
    }

    fn metric(name: &str, value: f64, dimension: &str) -> Item {
        Item::Metric(Box::new(Metric {
            name: name.into(),
            namespace: "n".into(),
            value,
            dimensions: vec![("d".into(), dimension.to_owned())],
        }))
    }

    fn facts() -> Facts {
        Facts {
            instrumentation_key: "key".into(),
            instance: "node".into(),
        }
    }

    #[test]
    fn values_of_a_series_become_one_item() {
        let items = vec![
            metric("m", 2.0, "a"),
            metric("m", 5.0, "a"),
            metric("m", 1.0, "b"),
        ];
        let (lines, dropped) = lines(items, &facts());
        assert_eq!((lines.len(), dropped), (2, 0));
        let mut values: Vec<Value> = lines.iter().map(|l| serde_json::from_slice(l).unwrap()).collect();
        values.sort_by_key(|v| v["data"]["baseData"]["properties"]["d"].to_string());
        let first = &values[0]["data"]["baseData"]["metrics"][0];
        assert_eq!(
            first,
            &json!({"ns": "n", "name": "m", "kind": 1, "value": 7.0, "count": 2, "min": 2.0, "max": 5.0})
        );
        assert_eq!(values[0]["iKey"], "key");
        assert_eq!(values[0]["data"]["baseType"], "MetricData");
    }

    #[test]
    fn series_of_a_batch_are_bounded() {
        let items = (0..SERIES_MAX + 5)
            .map(|n| metric("m", 1.0, &n.to_string()))
            .collect();
        let (lines, dropped) = lines(items, &facts());
        assert_eq!((lines.len(), dropped), (SERIES_MAX, 5));
    }
}
