//! The record of an exchange that really happened, in the form of a simulation's result (docs/simulate.md).

use serde_json::{Map, Value as Json, json};

use super::output;
use crate::{
    Effect, Execution, Outcome,
    trace::{Note, mask},
};

/// Most calls of one record: an exchange in a `retry` may make many.
const CALLS_MAX: usize = 256;
/// Longest text of a record, as of logged bodies in the original.
const TEXT_BYTES_MAX: usize = 8_192;
/// Headers whose values are nobody's business.
const HIDDEN: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "ocp-apim-subscription-key",
    "x-functions-key",
    "api-key",
];

/// Gathers what an exchange asks for.
#[derive(Debug, Default)]
pub struct Recorder {
    calls: Vec<Json>,
    forwarded: Json,
}

impl Recorder {
    /// The exchange asks for this.
    pub fn asked(&mut self, effect: &Effect, execution: &Execution) {
        let call = match effect {
            Effect::ReadBody(_) | Effect::SelectBackend(_) | Effect::Example { .. } => return,
            Effect::Forward(forward) => {
                self.forwarded = output::request(&execution.context().request);
                json!({ "call": "forward", "request": self.forwarded.clone(), "timeoutMs": forward.timeout.as_millis() as u64 })
            }
            Effect::Send(request) => json!({
                "call": if request.one_way { "send-one-way-request" } else { "send-request" },
                "request": output::outgoing(request),
                "timeoutMs": request.timeout.as_millis() as u64,
            }),
            Effect::Count(count) | Effect::Charge(count) => json!({
                "call": "count", "key": &*count.key, "limit": count.limit, "increment": count.increment,
            }),
            Effect::Delay(time) => json!({ "call": "delay", "ms": time.as_millis() as u64 }),
            Effect::Cache(request) => json!({ "call": "cache", "key": &*request.key }),
            Effect::Token(request) => json!({ "call": "token", "resource": &*request.resource }),
            Effect::OpenId { url, refresh } => {
                json!({ "call": "openid-config", "url": &**url, "refresh": refresh })
            }
            Effect::Revocation => json!({ "call": "revocation" }),
            Effect::Enter { key, max_count } => {
                json!({ "call": "enter", "key": &**key, "maxCount": max_count })
            }
        };
        if self.calls.len() < CALLS_MAX {
            self.calls.push(call);
        }
    }

    /// What came of the last thing asked for.
    pub fn answered(&mut self, outcome: &Outcome) {
        let answer = output::outcome(outcome);
        if let Some(call) = self.calls.last_mut().filter(|_| !answer.is_null()) {
            call["answer"] = answer;
        }
    }

    /// The record, secrets masked. `notes` are those that the exchange left.
    pub fn finish(self, execution: &Execution, notes: &[Note]) -> Json {
        let mut record = output::told(execution, &self.calls, &self.forwarded, notes);
        let mut secrets: Vec<_> = execution.secrets().cloned().collect();
        let context = execution.context();
        secrets.extend(context.subscription_key.clone());
        if let Some(subscription) = &context.subscription {
            secrets.extend(
                [&subscription.primary_key, &subscription.secondary_key]
                    .into_iter()
                    .flatten()
                    .cloned(),
            );
        }
        secrets.retain(|s| !s.is_empty());
        let own = context.api.as_ref().map(|a| a.key_header.to_ascii_lowercase());
        hide(&mut record, &secrets, own.as_deref().unwrap_or_default());
        record
    }
}

/// Masks and cuts every text. The record's depth is that of its own shape, bodies are texts in it.
fn hide(json: &mut Json, secrets: &[std::sync::Arc<str>], own: &str) {
    match json {
        Json::String(text) => {
            if text.len() > TEXT_BYTES_MAX {
                let mut end = TEXT_BYTES_MAX;
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                text.truncate(end);
                text.push('…');
            }
            *text = mask(std::mem::take(text), secrets);
        }
        Json::Array(items) => items.iter_mut().for_each(|i| hide(i, secrets, own)),
        Json::Object(object) => {
            if let Some(Json::Object(headers)) = object.get_mut("headers") {
                hide_headers(headers, own);
            }
            object.values_mut().for_each(|v| hide(v, secrets, own));
        }
        _ => {}
    }
}

fn hide_headers(headers: &mut Map<String, Json>, own: &str) {
    for (name, value) in headers {
        if HIDDEN.contains(&name.as_str()) || name == own {
            *value = "***".into();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        Step,
        context::Response,
        names::{NamedValue, Names},
        program::{Options, Program, ScopeDoc, Source},
        scope::Scope,
        test_support::{FixedWorld, context},
    };

    #[test]
    fn a_record_tells_the_story_without_its_secrets() {
        let text = "<policies><inbound><set-header name='X-Key'><value>{{secret}}</value></set-header>\
            <set-variable name='v' value='1'/></inbound><backend><forward-request/></backend><outbound/></policies>";
        let mut names = Names::default();
        let secret = NamedValue {
            value: "s3cret".into(),
            secret: true,
        };
        names.named_values.insert("secret".into(), secret);
        let source = Source {
            text,
            path: "api.xml",
            scope: Some(Scope::Api),
        };
        let (doc, _) = ScopeDoc::compile(&source, &names, &Options::default()).unwrap();
        let mut context = context();
        context.tracing = true;
        context
            .request
            .headers
            .insert("authorization", "Bearer abc".parse().unwrap());
        let program = Program::compose([None, None, Some(Arc::new(doc)), None]);
        let mut execution = Execution::new(Arc::new(program), context);
        let mut recorder = Recorder::default();
        let Step::Effect(effect) = execution.resume(Outcome::Start, &FixedWorld) else {
            panic!("it forwards");
        };
        recorder.asked(&effect, &execution);
        let outcome = Outcome::Response(Response::default());
        recorder.answered(&outcome);
        execution.resume(outcome, &FixedWorld);
        let notes = execution.drain_notes();
        let record = recorder.finish(&execution, &notes);
        for (pointer, expected) in [
            ("/response/status", json!(200)),
            ("/calls/0/call", json!("forward")),
            ("/calls/0/answer/status", json!(200)),
            ("/backendRequest/headers/x-key", json!("***")),
            ("/backendRequest/headers/authorization", json!("***")),
            ("/variables/v", json!("1")),
            ("/trace/0/policy", json!("set-header")),
        ] {
            assert_eq!(
                record.pointer(pointer),
                Some(&expected),
                "{pointer} of {record:#}"
            );
        }
        assert!(!record.to_string().contains("s3cret"));
    }
}
