//! Runs documents against a described request with scripted answers: how people test policies without Azure.
//!
//! Everything an execution asks for is answered from the scenario; nothing leaves the process. The format is
//! documented in docs/simulate.md, whose examples a test runs.

mod context;
mod definition;
mod output;
mod record;
mod script;

use std::{cell::Cell, sync::Arc};

use gateway_expr::World;
use serde_json::{Value as Json, json};

use crate::{
    Execution, Outcome, Step,
    context::Context,
    diagnostic::Diagnostic,
    effect::Ticket,
    failure::Failure,
    names::{Fragment, NamedValue, Names},
    program::{Options, Program, ScopeDoc, Source},
    scope::Scope,
};
pub use record::Recorder;
use script::Script;

/// A document to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// What it is attached to.
    pub scope: Scope,
    /// Its path, for diagnostics.
    pub path: &'a str,
    /// The whole document.
    pub text: &'a str,
}

/// Why there is nothing to simulate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimulateError {
    /// A member of the scenario is not what docs/simulate.md says.
    #[error("scenario: {0}")]
    Scenario(String),
    /// A document does not load.
    #[error("a document does not load: {}", .0.iter().map(Diagnostic::render).collect::<Vec<_>>().join("\n"))]
    Document(Vec<Diagnostic>),
}

/// Most effects of one simulation; a script cannot keep a loop alive longer.
const EFFECTS_MAX: usize = 10_000;

/// Runs the documents (and those of the scenario's `documents`) against the scenario.
///
/// The result is `{response, backendRequest, variables, calls, trace, notes, lastError, warnings}`.
///
/// # Errors
/// A malformed scenario, or a document that does not load.
pub fn simulate(documents: &[Document<'_>], scenario: &Json) -> Result<Json, SimulateError> {
    let names = names(scenario)?;
    let mut scopes = [None, None, None, None];
    let mut warnings = Vec::new();
    // The scenario has a cache of its own.
    let options = Options {
        has_cache: true,
        ..Options::default()
    };
    let inline = inline_documents(scenario)?;
    let inline = inline.iter().map(|(scope, text)| Document {
        scope: *scope,
        path: scope.name(),
        text,
    });
    for document in documents.iter().copied().chain(inline) {
        let source = Source {
            text: document.text,
            path: document.path,
            scope: Some(document.scope),
        };
        let compiled = ScopeDoc::compile(&source, &names, &options);
        let (doc, more) = compiled.map_err(SimulateError::Document)?;
        warnings.extend(more);
        scopes[document.scope as usize] = Some(Arc::new(doc));
    }
    let program = Program::compose(scopes);
    let mut context = context::from_json(&scenario["context"]).map_err(SimulateError::Scenario)?;
    context.tracing = scenario.get("tracing").and_then(Json::as_bool).unwrap_or(true);
    let world = ScriptedWorld::new(&context);
    if is_preflight(&context)
        && let Some(response) = program.preflight(&mut context, &world)
    {
        let warnings: Json = warnings.iter().map(Diagnostic::to_json).collect();
        return Ok(
            json!({ "response": output::response(&response), "preflight": true, "warnings": warnings }),
        );
    }
    let mut script = Script::from_json(scenario).map_err(SimulateError::Scenario)?;
    let definitions = definition::from_json(scenario).map_err(SimulateError::Scenario)?;
    let trusted = context::certificate_trusted(&scenario["context"]).map_err(SimulateError::Scenario)?;
    let mut execution = Execution::new(Arc::new(program), context).with_definitions(definitions);
    if trusted {
        execution = execution.with_trusted_certificate();
    }
    let mut result = run(execution, &world, &mut script)?;
    result["warnings"] = warnings.iter().map(Diagnostic::to_json).collect();
    Ok(result)
}

fn run(mut execution: Execution, world: &ScriptedWorld, script: &mut Script) -> Result<Json, SimulateError> {
    let mut outcome = Outcome::Start;
    let mut under_way = Vec::new();
    for _ in 0..EFFECTS_MAX {
        match execution.resume(outcome, world) {
            Step::Done => return Ok(output::result(&mut execution, script)),
            Step::Effect(effect) => {
                under_way.clear();
                outcome = script.answer(effect, &mut execution, world);
            }
            Step::Start(started) => {
                for (ticket, effect) in started {
                    let ends = world.ticks.get();
                    let answer = script.answer(effect, &mut execution, world);
                    // What a scripted answer takes passes for all at once.
                    let ends = world.ticks.replace(ends).max(ends);
                    under_way.push((ends + script.take_latency(), ticket, answer));
                }
                outcome = first(&mut under_way, world);
            }
        }
    }
    Err(SimulateError::Scenario(format!(
        "the documents asked for more than {EFFECTS_MAX} things"
    )))
}

/// Of the effects of a `wait`, the outcome of the one that ends first; the clock moves there.
fn first(under_way: &mut Vec<(i64, Ticket, Outcome)>, world: &ScriptedWorld) -> Outcome {
    let earliest = under_way
        .iter()
        .enumerate()
        .min_by_key(|(i, (ends, ..))| (*ends, *i));
    let Some((index, _)) = earliest else {
        return Outcome::Failed(Failure::Unavailable("Nothing is under way.".into()));
    };
    let (ends, ticket, outcome) = under_way.remove(index);
    world.ticks.set(world.ticks.get().max(ends));
    Outcome::Of(ticket, Box::new(outcome))
}

fn is_preflight(context: &Context) -> bool {
    let headers = &context.request.headers;
    context.request.method == http::Method::OPTIONS
        && headers.contains_key(http::header::ORIGIN)
        && headers.contains_key(http::header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// A clock that only scripted waits move, and random numbers that are the same every time.
pub(crate) struct ScriptedWorld {
    ticks: Cell<i64>,
    random: Cell<u64>,
}

impl ScriptedWorld {
    fn new(context: &Context) -> Self {
        Self {
            ticks: Cell::new(context.timestamp_ticks),
            random: Cell::new(0x9e37_79b9_7f4a_7c15),
        }
    }

    fn advance(&self, time: std::time::Duration) {
        let ticks = i64::try_from(time.as_nanos() / 100).unwrap_or(i64::MAX);
        self.ticks.set(self.ticks.get().saturating_add(ticks));
    }
}

impl World for ScriptedWorld {
    fn utc_now_ticks(&self) -> i64 {
        self.ticks.get()
    }

    fn random(&self) -> u64 {
        // xorshift64*: good enough for policies, and the same in every run.
        let mut x = self.random.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.random.set(x);
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn names(scenario: &Json) -> Result<Names, SimulateError> {
    let mut names = Names::default();
    for (name, value) in members(scenario, "namedValues")? {
        let (value, secret) = match value {
            Json::Object(object) => (
                object.get("value"),
                object.get("secret").and_then(Json::as_bool).unwrap_or(false),
            ),
            other => (Some(other), false),
        };
        let value = value.and_then(Json::as_str).ok_or_else(|| {
            SimulateError::Scenario(format!(
                "namedValues.{name} must be a string, or {{value, secret}}"
            ))
        })?;
        names.named_values.insert(
            name.into(),
            NamedValue {
                value: value.into(),
                secret,
            },
        );
    }
    for (id, text) in members(scenario, "fragments")? {
        let text = text.as_str().ok_or_else(|| {
            SimulateError::Scenario(format!("fragments.{id} must be the text of a fragment document"))
        })?;
        names.fragments.insert(
            id.into(),
            Fragment {
                path: id.into(),
                text: text.into(),
            },
        );
    }
    Ok(names)
}

fn inline_documents(scenario: &Json) -> Result<Vec<(Scope, &str)>, SimulateError> {
    let mut documents = Vec::new();
    for (name, text) in members(scenario, "documents")? {
        let scope = Scope::ALL.into_iter().find(|s| s.name() == name);
        match (scope, text.as_str()) {
            (Some(scope), Some(text)) => documents.push((scope, text)),
            _ => {
                let message =
                    "documents must map `global`, `product`, `api` or `operation` to a document's text";
                return Err(SimulateError::Scenario(message.into()));
            }
        }
    }
    Ok(documents)
}

/// The members of an optional object of the scenario.
fn members<'j>(scenario: &'j Json, name: &str) -> Result<Vec<(&'j str, &'j Json)>, SimulateError> {
    match scenario.get(name) {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Object(object)) => Ok(object.iter().map(|(n, v)| (n.as_str(), v)).collect()),
        Some(_) => Err(SimulateError::Scenario(format!("{name} must be an object"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(scenario: Json, expected: &[(&str, Json)]) {
        let result = simulate(&[], &scenario).unwrap_or_else(|e| panic!("{e}"));
        for (pointer, value) in expected {
            assert_eq!(
                result.pointer(pointer).unwrap_or(&Json::Null),
                value,
                "{pointer} of {result:#}"
            );
        }
    }

    const API: &str = "<policies><inbound><set-header name='X-A'><value>{{secret}}</value></set-header>\
        <set-variable name='v' value='1'/></inbound><backend>\
        <retry condition='false' count='1' interval='1'><forward-request timeout='7'/></retry></backend>\
        <outbound><set-status code='202' reason='Taken'/></outbound><on-error/></policies>";

    #[test]
    fn a_scenario_tells_what_happened() {
        let scenario = json!({
            "documents": { "api": API },
            "namedValues": { "secret": { "value": "s3cret", "secret": true } },
            "context": { "request": { "method": "POST", "url": "https://b.example/x?y=1", "body": "in" } },
            "backend": [{ "status": 200, "headers": { "A": ["1", "2"] }, "body": "out" }],
        });
        check(
            scenario,
            &[
                ("/response/status", json!(202)),
                ("/response/reason", json!("Taken")),
                ("/response/headers/a", json!(["1", "2"])),
                ("/response/body", json!("out")),
                ("/backendRequest/method", json!("POST")),
                ("/backendRequest/url", json!("https://b.example/x?y=1")),
                ("/backendRequest/headers/x-a", json!("s3cret")),
                ("/backendRequest/body", json!("in")),
                ("/variables/v", json!("1")),
                ("/calls/0/call", json!("forward")),
                ("/calls/0/timeoutMs", json!(7000)),
                ("/trace/0/policy", json!("set-header")),
                ("/trace/0/inputs/value", json!("***")),
                ("/trace/2/path", json!("retry[1]")),
                ("/lastError", Json::Null),
            ],
        );
    }

    #[test]
    fn failures_are_scripted_too() {
        let document = "<policies><inbound/><backend><retry condition='true' count='2' interval='5'><forward-request/></retry></backend>\
            <outbound/><on-error><set-header name='E'><value>1</value></set-header></on-error></policies>";
        let scenario = json!({
            "documents": { "api": document },
            "backend": [{ "failure": "connection" }, { "failure": "timeout" }, { "failure": "timeout" }],
        });
        check(
            scenario,
            &[
                ("/response/status", json!(500)),
                ("/response/headers/e", json!("1")),
                ("/lastError/reason", json!("Timeout")),
                ("/lastError/source", json!("forward-request")),
                ("/lastError/section", json!("backend")),
                ("/lastError/path", json!("retry[1]")),
                ("/calls/1/call", json!("delay")),
                ("/calls/1/ms", json!(5000)),
                ("/calls/4/call", json!("forward")),
            ],
        );
    }

    #[test]
    fn messages_are_validated_against_the_scenarios_definition() {
        let of = |policy: &str| {
            format!(
                "<policies><inbound>{policy}</inbound><backend><forward-request/></backend><outbound/><on-error/></policies>"
            )
        };
        let openapi = json!({ "openapi": "3.0.1", "paths": { "/a": { "get": {
            "parameters": [{ "name": "n", "in": "query", "schema": { "type": "integer" } }],
            "responses": { "200": { "headers": { "X-N": { "schema": { "type": "integer" } } } } },
        } } } });
        let headers = "<policies><inbound/><backend><forward-request/></backend><outbound><validate-headers specified-header-action='prevent' \
            unspecified-header-action='ignore'/><validate-status-code unspecified-status-code-action='prevent'/></outbound><on-error/></policies>";
        let parameters = of(
            "<validate-parameters specified-parameter-action='prevent' unspecified-parameter-action='prevent'/>",
        );
        let graphql = of("<validate-graphql-request max-size='1000' max-depth='2'/>");
        let query = |text: &str| json!({ "request": { "method": "POST", "headers": { "Content-Type": "application/json" }, "body": { "query": text } } });
        for (document, definition, context, backend, status) in [
            (
                parameters.as_str(),
                json!({ "openapi": openapi }),
                json!({ "request": { "url": "https://a.test/a?n=1" } }),
                json!({}),
                200,
            ),
            (
                &parameters,
                json!({ "openapi": openapi }),
                json!({ "request": { "url": "https://a.test/a?n=x" } }),
                json!({}),
                400,
            ),
            (
                &parameters,
                json!({ "openapi": openapi }),
                json!({ "request": { "url": "https://a.test/a?m=1" } }),
                json!({}),
                400,
            ),
            (
                headers,
                json!({ "openapi": openapi }),
                json!({}),
                json!({ "headers": { "X-N": "1" } }),
                200,
            ),
            (
                headers,
                json!({ "openapi": openapi }),
                json!({}),
                json!({ "headers": { "X-N": "x" } }),
                502,
            ),
            (
                headers,
                json!({ "openapi": openapi }),
                json!({}),
                json!({ "status": 418 }),
                502,
            ),
            (
                &graphql,
                json!({ "graphql": "type Query { a: Int }" }),
                query("{ a }"),
                json!({}),
                200,
            ),
        ] {
            let scenario = json!({
                "documents": { "api": document }, "definition": definition, "context": context, "backend": [backend],
            });
            let result = simulate(&[], &scenario).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(
                result["response"]["status"],
                json!(status),
                "{scenario}: {result:#}"
            );
        }
    }

    #[test]
    fn the_caller_and_the_entities_are_described() {
        let document = "<policies><inbound><set-variable name='v' value='@(context.Request.IpAddress + context.Api.Name + context.Product.Id + context.Deployment.Region)'/></inbound>\
            <backend><forward-request/></backend><outbound/><on-error/></policies>";
        let scenario = json!({ "documents": { "api": document }, "context": {
            "request": { "ipAddress": "192.0.2.1" }, "api": { "name": "A" }, "product": { "id": "P" }, "deployment": { "region": "R" },
        } });
        check(scenario, &[("/variables/v", json!("192.0.2.1APR"))]);
    }

    #[test]
    fn a_client_certificate_is_trusted_unless_the_scenario_says_otherwise() {
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = rcgen::CertificateParams::new(vec!["client.test".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap()
            .pem();
        let document = "<policies><inbound><validate-client-certificate validate-revocation='false' validate-not-before='false'/></inbound>\
            <backend><forward-request/></backend><outbound/><on-error/></policies>";
        for (request, status) in [
            (json!({ "certificate": pem }), 200),
            (json!({ "certificate": pem, "certificateTrusted": false }), 403),
            (json!({}), 403),
        ] {
            let scenario = json!({ "documents": { "api": document }, "context": { "request": request } });
            let result = simulate(&[], &scenario).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(result["response"]["status"], json!(status), "{result:#}");
        }
        let wrong = json!({ "context": { "request": { "certificate": "x" } } });
        assert_eq!(
            simulate(&[], &wrong).unwrap_err().to_string(),
            "scenario: context.request.certificate must be a certificate in PEM"
        );
    }

    #[test]
    fn mistakes_in_scenarios_are_named() {
        for (scenario, expected) in [
            (
                json!({ "documents": { "apis": "" } }),
                "scenario: documents must map",
            ),
            (
                json!({ "namedValues": { "a": 1 } }),
                "scenario: namedValues.a must be",
            ),
            (
                json!({ "backend": [{ "status": 9999 }] }),
                "scenario: backend[0].status",
            ),
            (json!({ "backend": {} }), "scenario: backend must be an array"),
            (
                json!({ "documents": { "api": "<policies>" } }),
                "a document does not load: error[not-well-formed]",
            ),
        ] {
            let error = simulate(&[], &scenario).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
