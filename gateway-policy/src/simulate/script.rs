//! The scripted world of a simulation: what each effect is answered with, and a record of what was asked.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::{ScriptedWorld, output};
use crate::{
    Effect, Execution, Outcome, Value,
    context::{Backend, Body, Response},
    effect::{
        CacheAction, CacheRequest, Count, Counted, Example, Message, OutgoingRequest, Permit, Revocation,
        SelectedBackend, Window,
    },
    failure::Failure,
    jose::{KeySet, OpenIdConfiguration},
    url,
};

/// Longest `afterMs`: an hour is more than any policy waits.
const AFTER_MS_MAX: i64 = 3_600_000;
/// .NET ticks of 100 ns.
const TICKS_PER_MS: i64 = 10_000;

/// Answers by kind of effect.
#[derive(Debug)]
pub(super) struct Script {
    backend: Answers,
    send: Answers,
    backends: BTreeMap<String, Json>,
    tokens: BTreeMap<String, String>,
    openid: BTreeMap<String, Arc<OpenIdConfiguration>>,
    revocation: Revocation,
    cache: BTreeMap<String, Value>,
    counters: BTreeMap<String, u64>,
    example: Option<Example>,
    /// How long the last answer takes, in ticks.
    latency: i64,
    /// What was asked, in order, for the result.
    pub(super) calls: Vec<Json>,
    /// The last request that was forwarded.
    pub(super) forwarded: Json,
}

/// Answers given in order; when they are used up the last one is given again.
#[derive(Debug)]
struct Answers {
    list: Vec<Answer>,
    next: usize,
}

/// An answer and how long it takes, in ticks; only a `wait` notices that.
#[derive(Clone, Debug)]
struct Answer {
    kind: Kind,
    latency: i64,
}

#[derive(Clone, Debug)]
enum Kind {
    Response(Response),
    Failed(Failure),
}

impl Answers {
    fn from_json(scenario: &Json, name: &str) -> Result<Self, String> {
        let list = match scenario.get(name) {
            None | Some(Json::Null) => Vec::new(),
            Some(Json::Array(items)) => {
                let parse = |(i, item)| Answer::from_json(item, &format!("{name}[{i}]"));
                items.iter().enumerate().map(parse).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(format!("{name} must be an array of answers")),
        };
        Ok(Self { list, next: 0 })
    }

    fn next(&mut self) -> (Outcome, i64) {
        let answer = self.list.get(self.next).or(self.list.last()).cloned();
        self.next += 1;
        let Some(answer) = answer else {
            return (Outcome::Response(Response::default()), 0);
        };
        let outcome = match answer.kind {
            Kind::Response(response) => Outcome::Response(response),
            Kind::Failed(failure) => Outcome::Failed(failure),
        };
        (outcome, answer.latency)
    }
}

impl Answer {
    fn from_json(json: &Json, place: &str) -> Result<Self, String> {
        let latency = match json.get("afterMs") {
            None => 0,
            Some(ms) => {
                let ms = ms.as_i64().filter(|ms| (0..=AFTER_MS_MAX).contains(ms));
                let must = || format!("{place}.afterMs must be a number from 0 to {AFTER_MS_MAX}");
                ms.ok_or_else(must)? * TICKS_PER_MS
            }
        };
        let kind = Kind::from_json(json, place)?;
        Ok(Self { kind, latency })
    }
}

impl Kind {
    fn from_json(json: &Json, place: &str) -> Result<Self, String> {
        match json.get("failure").and_then(Json::as_str) {
            Some("timeout") => return Ok(Kind::Failed(Failure::BackendTimeout)),
            Some("connection") => {
                let message = json
                    .get("message")
                    .and_then(Json::as_str)
                    .unwrap_or("No connection could be made.");
                return Ok(Kind::Failed(Failure::BackendConnection(message.into())));
            }
            Some(other) => {
                return Err(format!(
                    "{place}.failure is `{other}`; it must be `timeout` or `connection`"
                ));
            }
            None => {}
        }
        response_from_json(json, place).map(Kind::Response)
    }
}

/// `{status, reason, headers, body}`, each with a default.
pub(super) fn response_from_json(json: &Json, place: &str) -> Result<Response, String> {
    let status = match json.get("status") {
        None => StatusCode::OK,
        Some(status) => {
            let code = status.as_u64().and_then(|s| u16::try_from(s).ok());
            code.and_then(|c| StatusCode::from_u16(c).ok())
                .ok_or_else(|| format!("{place}.status must be a number from 100 to 999"))?
        }
    };
    Ok(Response {
        status,
        reason: json.get("reason").and_then(Json::as_str).map(Into::into),
        headers: super::context::headers(json.get("headers"), place)?,
        body: body_from_json(json.get("body")),
    })
}

/// Text as it is; any other JSON as its text; absent: no body.
pub(super) fn body_from_json(json: Option<&Json>) -> Body {
    match json {
        None | Some(Json::Null) => Body::None,
        Some(Json::String(text)) => Body::Buffered(Bytes::copy_from_slice(text.as_bytes())),
        Some(other) => Body::Buffered(other.to_string().into()),
    }
}

fn revocation_text(revocation: &Revocation) -> &'static str {
    match revocation {
        Revocation::Good => "good",
        Revocation::Revoked => "revoked",
        Revocation::Unknown(_) => "unknown",
    }
}

impl Script {
    pub(super) fn from_json(scenario: &Json) -> Result<Self, String> {
        let object = |name: &str| {
            scenario
                .get(name)
                .and_then(Json::as_object)
                .cloned()
                .unwrap_or_default()
        };
        let cache = object("cache")
            .into_iter()
            .map(|(k, v)| (k, cached_value(&v)))
            .collect();
        let mut counters = BTreeMap::new();
        for (key, used) in object("counters") {
            let used = used
                .as_u64()
                .ok_or_else(|| format!("counters.{key} must be a number of calls"))?;
            counters.insert(key, used);
        }
        let mut openid = BTreeMap::new();
        for (url, document) in object("openid") {
            let keys = KeySet::from_jwks(&document.to_string()).map_err(|e| format!("openid.{url}: {e}"))?;
            let issuer = document.get("issuer").and_then(Json::as_str).map(Into::into);
            openid.insert(url, Arc::new(OpenIdConfiguration { issuer, keys }));
        }
        let mut tokens = BTreeMap::new();
        for (resource, token) in object("tokens") {
            let token = token
                .as_str()
                .ok_or_else(|| format!("tokens.{resource} must be a string"))?;
            tokens.insert(resource, token.to_owned());
        }
        let revocation = match scenario.get("revocation").map(Json::as_str) {
            None => Revocation::Unknown("the scenario does not say".into()),
            Some(Some("good")) => Revocation::Good,
            Some(Some("revoked")) => Revocation::Revoked,
            Some(Some("unknown")) => Revocation::Unknown("the scenario says so".into()),
            Some(_) => return Err("revocation must be good, revoked or unknown".into()),
        };
        let example = scenario.get("example").map(|e| Example {
            content_type: e.get("contentType").and_then(Json::as_str).map(Into::into),
            body: match body_from_json(e.get("body")) {
                Body::Buffered(bytes) => bytes,
                _ => Bytes::new(),
            },
        });
        Ok(Self {
            backend: Answers::from_json(scenario, "backend")?,
            send: Answers::from_json(scenario, "send")?,
            backends: object("backends").into_iter().collect(),
            tokens,
            openid,
            revocation,
            cache,
            counters,
            example,
            latency: 0,
            calls: Vec::new(),
            forwarded: Json::Null,
        })
    }

    /// Answers one effect and records it.
    pub(super) fn answer(
        &mut self,
        effect: Effect,
        execution: &mut Execution,
        world: &ScriptedWorld,
    ) -> Outcome {
        match effect {
            Effect::ReadBody(message) => read_body(message, execution),
            Effect::Forward(forward) => {
                self.forwarded = output::request(&execution.context().request);
                let (outcome, latency) = self.backend.next();
                self.latency = latency;
                self.calls.push(json!({
                    "call": "forward",
                    "request": self.forwarded.clone(),
                    "timeoutMs": millis(forward.timeout),
                    "answer": output::outcome(&outcome),
                }));
                outcome
            }
            Effect::Send(request) => self.send(&request),
            Effect::Count(count) => self.count(&count),
            Effect::Charge(count) => self.charge(&count),
            Effect::Delay(time) => {
                world.advance(time);
                self.calls.push(json!({ "call": "delay", "ms": millis(time) }));
                Outcome::Elapsed
            }
            Effect::SelectBackend(id) => self.select(&id),
            Effect::Example {
                status, content_type, ..
            } => {
                self.calls.push(json!({
                    "call": "example", "status": status.as_u16(), "contentType": content_type.as_deref(),
                }));
                Outcome::Example(self.example.clone())
            }
            Effect::Cache(request) => self.cache(*request),
            Effect::Token(request) => {
                let token = self
                    .tokens
                    .get(&*request.resource)
                    .map_or("simulated-token", String::as_str);
                self.calls
                    .push(json!({ "call": "token", "resource": &*request.resource }));
                Outcome::Token(token.into())
            }
            Effect::OpenId { url, refresh } => {
                self.calls
                    .push(json!({ "call": "openid-config", "url": &*url, "refresh": refresh }));
                match self.openid.get(&*url) {
                    Some(configuration) => Outcome::OpenId(Arc::clone(configuration)),
                    None => {
                        Outcome::Failed(Failure::BackendConnection(format!("There is nothing at {url}.")))
                    }
                }
            }
            Effect::Revocation => {
                self.calls
                    .push(json!({ "call": "revocation", "answer": revocation_text(&self.revocation) }));
                Outcome::Revocation(self.revocation.clone())
            }
            Effect::Enter { key, max_count } => {
                self.calls
                    .push(json!({ "call": "enter", "key": &*key, "maxCount": max_count }));
                let inside = self.counters.get(&*key).copied().unwrap_or(0);
                Outcome::Permit((inside < max_count).then(|| Permit(Box::new(()))))
            }
        }
    }

    /// How long the last answer takes, in ticks; told once.
    pub(super) fn take_latency(&mut self) -> i64 {
        std::mem::take(&mut self.latency)
    }

    fn send(&mut self, request: &OutgoingRequest) -> Outcome {
        let outcome = if request.one_way {
            Outcome::Elapsed
        } else {
            let (outcome, latency) = self.send.next();
            self.latency = latency;
            outcome
        };
        self.calls.push(json!({
            "call": if request.one_way { "send-one-way-request" } else { "send-request" },
            "request": output::outgoing(request),
            "timeoutMs": millis(request.timeout),
            "answer": output::outcome(&outcome),
        }));
        outcome
    }

    fn count(&mut self, count: &Count) -> Outcome {
        let used = self.counters.entry(count.key.to_string()).or_default();
        let allowed = *used < count.limit;
        if allowed {
            *used += count.increment;
        }
        let remaining = count.limit.saturating_sub(*used);
        let window = match count.window {
            Window::Sliding => "sliding",
            Window::Fixed { .. } => "fixed",
        };
        self.calls.push(json!({
            "call": "count", "key": &*count.key, "limit": count.limit, "periodMs": millis(count.period),
            "window": window, "increment": count.increment, "allowed": allowed, "remaining": remaining,
        }));
        // Without other calls in the script the whole window is ahead.
        let retry_after = if allowed { Duration::ZERO } else { count.period };
        Outcome::Counted(Counted {
            allowed,
            remaining,
            retry_after,
        })
    }

    fn charge(&mut self, count: &Count) -> Outcome {
        let used = self.counters.entry(count.key.to_string()).or_default();
        *used = used.saturating_add(count.increment);
        let remaining = count.limit.saturating_sub(*used);
        self.calls.push(json!({
            "call": "charge", "key": &*count.key, "limit": count.limit, "periodMs": millis(count.period),
            "increment": count.increment, "remaining": remaining,
        }));
        Outcome::Counted(Counted {
            allowed: true,
            remaining,
            retry_after: Duration::ZERO,
        })
    }

    fn select(&mut self, id: &str) -> Outcome {
        self.calls.push(json!({ "call": "select-backend", "id": id }));
        let Some(entity) = self.backends.get(id) else {
            return Outcome::Failed(Failure::BackendConnection(format!(
                "There is no backend entity '{id}'."
            )));
        };
        let text = entity
            .as_str()
            .or_else(|| entity.get("url").and_then(Json::as_str));
        let url = match text.map(url::parse).transpose() {
            Ok(url) => url,
            Err(expected) => {
                let message = format!("The URL of backend '{id}' must be {expected}.");
                return Outcome::Failed(Failure::BackendConnection(message));
            }
        };
        let is_pool = url.is_none();
        Outcome::Backend(SelectedBackend {
            backend: Backend {
                id: id.into(),
                azure_region: None,
                is_pool,
            }
            .into(),
            url,
        })
    }

    fn cache(&mut self, request: CacheRequest) -> Outcome {
        let key = request.key.to_string();
        match request.action {
            CacheAction::Lookup => {
                let found = self.cache.get(&key).cloned();
                self.calls
                    .push(json!({ "call": "cache-lookup", "key": key, "hit": found.is_some() }));
                Outcome::Cached(found)
            }
            CacheAction::Store { value, duration } => {
                self.calls.push(json!({
                    "call": "cache-store", "key": key, "value": value.to_text(), "durationMs": millis(duration),
                }));
                self.cache.insert(key, value);
                Outcome::Cached(None)
            }
            CacheAction::Remove => {
                self.calls.push(json!({ "call": "cache-remove", "key": key }));
                self.cache.remove(&key);
                Outcome::Cached(None)
            }
        }
    }
}

fn cached_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::String(text) => Value::string(text),
        other => match other.as_i64().and_then(|n| i32::try_from(n).ok()) {
            Some(number) => Value::int(number),
            None => Value::string(&other.to_string()),
        },
    }
}

/// Bodies of a scenario are whole already; the effect comes only when a policy made one streaming.
fn read_body(message: Message, execution: &Execution) -> Outcome {
    let context = execution.context();
    let body = match message {
        Message::Request => Some(&context.request.body),
        Message::Response => context.response.as_ref().map(|r| &r.body),
    };
    match body {
        Some(Body::Buffered(bytes)) => Outcome::Body(bytes.clone()),
        _ => Outcome::Body(Bytes::new()),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
