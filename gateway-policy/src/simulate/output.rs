//! The result of a simulation as JSON.

use http::HeaderMap;
use serde_json::{Map, Value as Json, json};

use super::script::Script;
use crate::{
    Execution, Outcome,
    context::{Body, LastError, Request, Response},
    effect::OutgoingRequest,
    trace::{Note, Partition, TraceRecord},
    url,
};

pub(super) fn result(execution: &mut Execution, script: &Script) -> Json {
    let notes = execution.drain_notes();
    told(execution, &script.calls, &script.forwarded, &notes)
}

/// The whole story of an exchange.
pub(super) fn told(execution: &Execution, calls: &[Json], forwarded: &Json, notes: &[Note]) -> Json {
    let context = execution.context();
    let variables: Map<String, Json> = context
        .variables
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_text().into()))
        .collect();
    json!({
        "response": context.response.as_ref().map(response),
        "backendRequest": forwarded,
        "variables": variables,
        "calls": calls,
        "trace": execution.trace().iter().map(record).collect::<Vec<_>>(),
        "notes": notes.iter().map(note).collect::<Vec<_>>(),
        "lastError": context.last_error.as_deref().map(last_error),
    })
}

pub(super) fn response(response: &Response) -> Json {
    let reason = response
        .reason
        .as_deref()
        .or_else(|| response.status.canonical_reason());
    json!({
        "status": response.status.as_u16(),
        "reason": reason,
        "headers": headers(&response.headers),
        "body": body(&response.body),
    })
}

pub(super) fn request(request: &Request) -> Json {
    json!({
        "method": request.method.as_str(),
        "url": url::to_text(&request.url),
        "headers": headers(&request.headers),
        "body": body(&request.body),
    })
}

pub(super) fn outgoing(request: &OutgoingRequest) -> Json {
    let body = (!request.body.is_empty()).then(|| String::from_utf8_lossy(&request.body));
    let mut out = json!({
        "method": request.method.as_str(),
        "url": url::to_text(&request.url),
        "headers": headers(&request.headers),
        "body": body,
    });
    if let Some(backend) = &request.backend {
        // Scheme and host are the entity's.
        let mark = if request.url.query.is_empty() { "" } else { "?" };
        out["url"] = format!("{}{mark}{}", request.url.path, request.url.query).into();
        out["backend"] = (&**backend).into();
    }
    out
}

pub(super) fn outcome(outcome: &Outcome) -> Json {
    match outcome {
        Outcome::Response(answer) => response(answer),
        Outcome::Failed(failure) => json!({ "failure": failure.label(), "message": failure.message() }),
        _ => Json::Null,
    }
}

/// One value as text, several as an array.
fn headers(headers: &HeaderMap) -> Json {
    let mut out = Map::new();
    for name in headers.keys() {
        let mut values: Vec<Json> = headers
            .get_all(name)
            .iter()
            .map(|v| String::from_utf8_lossy(v.as_bytes()).into())
            .collect();
        let value = if values.len() == 1 {
            values.swap_remove(0)
        } else {
            values.into()
        };
        out.insert(name.to_string(), value);
    }
    out.into()
}

fn body(body: &Body) -> Json {
    match body {
        Body::None => Json::Null,
        Body::Buffered(bytes) => String::from_utf8_lossy(bytes).into(),
        // A consumed body forwards nothing.
        Body::Streaming | Body::Consumed => "".into(),
    }
}

fn last_error(error: &LastError) -> Json {
    json!({
        "source": &*error.source,
        "reason": &*error.reason,
        "message": error.message,
        "scope": error.scope.as_deref(),
        "section": error.section.as_deref(),
        "path": error.path.as_deref(),
        "policyId": error.policy_id.as_deref(),
    })
}

fn record(record: &TraceRecord) -> Json {
    let inputs: Map<String, Json> = record
        .inputs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
        .collect();
    // Ticks are 100 ns.
    let ms = |ticks: i64| ticks as f64 / 10_000.0;
    json!({
        "policy": record.policy,
        "scope": record.scope.name(),
        "section": record.section.name(),
        "path": &*record.path,
        "id": record.id.as_deref(),
        "atMs": ms(record.at_ticks),
        "elapsedMs": ms(record.elapsed_ticks),
        "inputs": inputs,
        "outcome": record.outcome,
    })
}

fn note(note: &Note) -> Json {
    match note {
        Note::Trace {
            source,
            severity,
            message,
            metadata,
        } => {
            let metadata: Map<String, Json> = metadata
                .iter()
                .map(|(n, v)| (n.clone(), v.as_str().into()))
                .collect();
            json!({
                "note": "trace", "source": &**source, "severity": severity.name(),
                "message": message, "metadata": metadata,
            })
        }
        Note::Metric {
            name,
            namespace,
            value,
            dimensions,
        } => {
            let dimensions: Map<String, Json> = dimensions
                .iter()
                .map(|(n, v)| (n.to_string(), v.as_str().into()))
                .collect();
            json!({
                "note": "metric", "name": &**name, "namespace": &**namespace, "value": value,
                "dimensions": dimensions,
            })
        }
        Note::EventHub {
            logger,
            partition,
            message,
        } => {
            let (kind, partition) = match partition {
                Some(Partition::Id(id)) => ("partitionId", Some(id)),
                Some(Partition::Key(key)) => ("partitionKey", Some(key)),
                None => ("partitionKey", None),
            };
            json!({ "note": "event", "logger": &**logger, kind: partition, "message": message })
        }
        Note::RequestDimension { name, value } => {
            json!({ "note": "dimension", "name": name, "value": value })
        }
        Note::Skipped { policy } => json!({ "note": "skipped", "policy": policy }),
    }
}
