//! What the tests of this crate share: one exchange, one world that does not move, one check function.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use crate::{
    Effect, Outcome, Step, World,
    context::{
        Api, Backend, Body, Context, Deployment, Operation, Request, Response, Subscription, Url, Variables,
    },
    effect::{CacheAction, ClientCertificate, Counted, Example, Permit, Revocation, SelectedBackend, Ticket},
    exec::Execution,
    failure::Failure,
    jose::{Key, KeySet, OpenIdConfiguration},
    names::Names,
    program::{Options, Program, ScopeDoc, Source},
    schema::{ApiSchemas, Definitions, Dialect, JsonSchemas, openapi},
    scope::Scope,
    trace::Note,
};

/// A clock that stands still and random numbers that are always the same.
pub(crate) struct FixedWorld;

impl World for FixedWorld {
    fn utc_now_ticks(&self) -> i64 {
        638_396_822_450_000_000
    }

    fn random(&self) -> u64 {
        7
    }
}

/// `GET https://api.contoso.com/echo/items/42?x=1`, API `echo-api` at `https://backend.example.com/base`.
pub(crate) fn context() -> Context {
    let url = |host: &str, path: &str| Url {
        scheme: "https".into(),
        host: host.into(),
        port: 443,
        path: path.into(),
        query: "x=1".into(),
    };
    let service_url = Url {
        query: String::new(),
        ..url("backend.example.com", "/base")
    };
    Context {
        api: Some(Arc::new(Api {
            id: "echo-api".into(),
            name: "Echo API".into(),
            path: "echo".into(),
            service_url: Some(service_url),
            key_header: "Ocp-Apim-Subscription-Key".into(),
            ..Api::default()
        })),
        operation: Some(Arc::new(Operation {
            id: "get-item".into(),
            method: "GET".into(),
            name: "Get item".into(),
            url_template: "/items/{id}".into(),
        })),
        product: None,
        subscription: Some(Arc::new(Subscription {
            id: "sub-1".into(),
            ..Subscription::default()
        })),
        subscription_key: None,
        user: None,
        backend: None,
        deployment: Arc::new(Deployment::default()),
        request: Request {
            method: Method::GET,
            original_method: Method::GET,
            url: url("backend.example.com", "/base/items/42"),
            original_url: url("api.contoso.com", "/echo/items/42"),
            headers: HeaderMap::new(),
            matched_parameters: vec![("id".into(), "42".into())],
            body: Body::None,
            ip_address: Some("203.0.113.7".parse().unwrap()),
            certificate: None,
        },
        response: None,
        last_error: None,
        variables: Variables::default(),
        request_id: [7; 16],
        timestamp_ticks: FixedWorld.utc_now_ticks(),
        tracing: false,
        evaluation: Default::default(),
    }
}

/// A document with `text` in `section`; the backend section forwards unless it is the one given.
pub(crate) fn document(section: &str, text: &str) -> String {
    let mut out = String::from("<policies>");
    for name in ["inbound", "backend", "outbound", "on-error"] {
        let body = match name {
            _ if name == section => text,
            "backend" => "<forward-request />",
            _ => "",
        };
        write!(out, "<{name}>{body}</{name}>").unwrap();
    }
    out + "</policies>"
}

pub(crate) fn compile(text: &str, scope: Scope) -> Result<ScopeDoc, String> {
    let source = Source {
        text,
        path: "test.xml",
        scope: Some(scope),
    };
    match ScopeDoc::compile(&source, &Names::default(), &Options::default()) {
        Ok((doc, _)) => Ok(doc),
        Err(errors) => Err(errors
            .iter()
            .map(|d| format!("{}: {}", d.code, d.message))
            .collect::<Vec<_>>()
            .join("; ")),
    }
}

/// An API document with `text` in `section`, run against [`context`] with these answers.
#[track_caller]
pub(crate) fn check(section: &str, text: &str, answers: &[&str], expected: &str) {
    check_with(section, text, |_| {}, answers, expected);
}

/// As [`check`], with a changed context.
#[track_caller]
pub(crate) fn check_with(
    section: &str,
    text: &str,
    change: impl FnOnce(&mut Context),
    answers: &[&str],
    expected: &str,
) {
    check_documents(
        [None, None, Some(&document(section, text)), None],
        change,
        answers,
        expected,
    );
}

/// As [`check_with`], for the operation that this JSON describes: an OpenAPI operation with `openapi` (or
/// `swagger`) and `components` beside its own members. The story tells messages of errors, too.
#[track_caller]
pub(crate) fn check_defined(
    operation: &str,
    section: &str,
    text: &str,
    change: impl FnOnce(&mut Context),
    answers: &[&str],
    expected: &str,
) {
    let root: serde_json::Value = serde_json::from_str(operation).unwrap();
    let dialect = Dialect::of(&root);
    let api = Arc::new(ApiSchemas {
        json: Some(JsonSchemas::new(root, dialect)),
        ..ApiSchemas::default()
    });
    let definitions = Definitions {
        operation: Some(Arc::new(openapi::operation(&api, None, ""))),
        ..Definitions::default()
    };
    check_definitions(definitions, section, text, change, answers, expected);
}

/// As [`check_defined`], with any definitions.
#[track_caller]
pub(crate) fn check_definitions(
    definitions: Definitions,
    section: &str,
    text: &str,
    change: impl FnOnce(&mut Context),
    answers: &[&str],
    expected: &str,
) {
    let doc =
        compile(&document(section, text), Scope::Api).unwrap_or_else(|errors| panic!("{text}: {errors}"));
    let program = Program::compose([None, None, Some(Arc::new(doc)), None]);
    let mut context = context();
    context.request.original_url.query.clear();
    context.request.url.query.clear();
    change(&mut context);
    let execution = Execution::new(Arc::new(program), context).with_definitions(definitions);
    let mut before = self::context();
    before.request.url.query.clear();
    assert_eq!(drive_from(execution, answers, &before, true), expected, "{text}");
}

/// As [`check_with`], with a document for each scope.
#[track_caller]
pub(crate) fn check_documents(
    documents: [Option<&str>; 4],
    change: impl FnOnce(&mut Context),
    answers: &[&str],
    expected: &str,
) {
    let mut scopes = [None, None, None, None];
    for (i, text) in documents.into_iter().enumerate() {
        scopes[i] = text.map(|t| match compile(t, Scope::ALL[i]) {
            Ok(doc) => Arc::new(doc),
            Err(errors) => panic!("{t}: {errors}"),
        });
    }
    let mut context = context();
    change(&mut context);
    let execution = Execution::new(Arc::new(Program::compose(scopes)), context);
    assert_eq!(drive(execution, answers), expected, "{documents:?}");
}

/// Mistakes of an API document with `text` in `section`, as `code: message` joined by `; `.
#[track_caller]
pub(crate) fn check_load(section: &str, text: &str, expected: &str) {
    let result = compile(&document(section, text), Scope::Api);
    assert_eq!(result.err().as_deref().unwrap_or("loads"), expected, "{text}");
}

/// The notes that `text` in `section` of an API document leaves behind.
pub(crate) fn notes(section: &str, text: &str) -> Vec<Note> {
    notes_after(section, text, "")
}

/// The same, when the backend answers this body.
pub(crate) fn notes_after(section: &str, text: &str, body: &str) -> Vec<Note> {
    let doc = compile(&document(section, text), Scope::Api).unwrap_or_else(|errors| panic!("{errors}"));
    let program = Program::compose([None, None, Some(Arc::new(doc)), None]);
    let mut execution = Execution::new(Arc::new(program), context());
    let mut outcome = Outcome::Start;
    while let Step::Effect(_) = execution.resume(outcome, &FixedWorld) {
        let body = Body::Buffered(Bytes::copy_from_slice(body.as_bytes()));
        outcome = Outcome::Response(Response {
            body,
            ..Response::default()
        });
    }
    execution.drain_notes()
}

/// Runs to the end and tells the story: effects, then the answer, then error and variables.
pub(crate) fn drive(execution: Execution, answers: &[&str]) -> String {
    drive_from(execution, answers, &context(), false)
}

fn drive_from(mut execution: Execution, answers: &[&str], before: &Context, messages: bool) -> String {
    let mut answers = answers.iter();
    let mut story: Vec<String> = Vec::new();
    let mut outcome = Outcome::Start;
    loop {
        match execution.resume(outcome, &FixedWorld) {
            Step::Done => break,
            Step::Start(started) => {
                let told: Vec<String> = started
                    .iter()
                    .map(|(ticket, effect)| {
                        format!(
                            "#{} {}",
                            ticket.number(),
                            tell_effect(effect, execution.context(), before)
                        )
                    })
                    .collect();
                story.push(format!("start {}", told.join(", ")));
                outcome = ticketed(
                    answers
                        .next()
                        .unwrap_or_else(|| panic!("no answer; so far {story:?}")),
                );
            }
            Step::Effect(effect) => {
                story.push(tell_effect(&effect, execution.context(), before));
                outcome = match effect {
                    // Time passes by itself.
                    Effect::Delay(_) => Outcome::Elapsed,
                    effect => match (effect, answers.next()) {
                        (_, Some(answer)) => parse_answer(answer),
                        (Effect::Forward(_), None) => parse_answer("200"),
                        (effect, None) => panic!("no answer for {effect:?}; so far {story:?}"),
                    },
                };
            }
        }
    }
    story.push(tell_end(execution.context(), messages));
    story.join("; ")
}

/// `#1 hit x`: the answer to the effect with ticket 1.
fn ticketed(answer: &str) -> Outcome {
    let (ticket, answer) = answer.strip_prefix('#').unwrap().split_once(' ').unwrap();
    Outcome::Of(Ticket(ticket.parse().unwrap()), Box::new(parse_answer(answer)))
}

fn parse_answer(answer: &str) -> Outcome {
    let (word, rest) = answer.split_once(' ').unwrap_or((answer, ""));
    match word {
        "timeout" => Outcome::Failed(Failure::BackendTimeout),
        "refused" => Outcome::Failed(Failure::BackendConnection("refused".into())),
        "toolarge" => Outcome::Failed(Failure::BodyTooLarge { limit: 5 }),
        "elapsed" => Outcome::Elapsed,
        "permit" => Outcome::Permit(Some(Permit(Box::new(())))),
        "full" => Outcome::Permit(None),
        "body" => Outcome::Body(Bytes::copy_from_slice(rest.as_bytes())),
        "token" => Outcome::Token(rest.into()),
        // The issuer and the secret of its only key, `k1` as its id.
        "openid" => {
            let (issuer, secret) = rest.split_once(' ').unwrap();
            let keys = KeySet::new(vec![Key::secret(Some("k1"), secret.as_bytes())]);
            Outcome::OpenId(Arc::new(OpenIdConfiguration {
                issuer: Some(issuer.into()),
                keys,
            }))
        }
        "good" => Outcome::Revocation(Revocation::Good),
        "revoked" => Outcome::Revocation(Revocation::Revoked),
        "unknown" => Outcome::Revocation(Revocation::Unknown("nobody says".into())),
        "hit" => Outcome::Cached(Some(crate::Value::string(rest))),
        "miss" => Outcome::Cached(None),
        "allowed" => {
            let remaining = rest.parse().unwrap();
            Outcome::Counted(Counted {
                allowed: true,
                remaining,
                retry_after: Duration::ZERO,
            })
        }
        "denied" => {
            let retry_after = Duration::from_secs(rest.parse().unwrap());
            Outcome::Counted(Counted {
                allowed: false,
                remaining: 0,
                retry_after,
            })
        }
        "example" => Outcome::Example(Some(Example {
            content_type: Some("application/json".into()),
            body: Bytes::copy_from_slice(rest.as_bytes()),
        })),
        "noexample" => Outcome::Example(None),
        "backend" => Outcome::Backend(SelectedBackend {
            backend: Arc::new(Backend {
                id: rest.into(),
                ..Backend::default()
            }),
            url: Some(Url {
                scheme: "http".into(),
                host: format!("{rest}.example.com").into(),
                port: 8080,
                path: "/pool".into(),
                query: String::new(),
            }),
        }),
        status => {
            let status = StatusCode::from_bytes(status.as_bytes()).unwrap();
            let body = match rest {
                "" => Body::None,
                "streaming" => Body::Streaming,
                text => Body::Buffered(Bytes::copy_from_slice(text.as_bytes())),
            };
            Outcome::Response(Response {
                status,
                body,
                ..Response::default()
            })
        }
    }
}

fn tell_effect(effect: &Effect, now: &Context, before: &Context) -> String {
    match effect {
        Effect::ReadBody(message) => format!("read {message:?}").to_lowercase(),
        Effect::Forward(forward) => {
            let mut out = String::from("forward");
            if now.request.method != before.request.method {
                write!(out, " {}", now.request.method).unwrap();
            }
            if now.request.url != before.request.url {
                write!(out, " {}", crate::url::to_text(&now.request.url)).unwrap();
            }
            if forward.timeout != Duration::from_secs(300) {
                write!(out, " timeout {:?}", forward.timeout).unwrap();
            }
            tell_headers(&mut out, &now.request.headers);
            tell_body(&mut out, &now.request.body);
            tell_certificate(&mut out, forward.certificate.as_ref());
            tell_proxy(&mut out, forward.proxy.as_ref());
            out
        }
        Effect::Send(request) => {
            let kind = if request.one_way { "send-one-way" } else { "send" };
            let url = match &request.backend {
                Some(id) => format!("backend {id}{}?{}", request.url.path, request.url.query),
                None => crate::url::to_text(&request.url),
            };
            let mut out = format!("{kind} {} {url}", request.method);
            tell_headers(&mut out, &request.headers);
            if !request.body.is_empty() {
                write!(out, " '{}'", String::from_utf8_lossy(&request.body)).unwrap();
            }
            tell_certificate(&mut out, request.certificate.as_ref());
            tell_proxy(&mut out, request.proxy.as_ref());
            out
        }
        Effect::Count(count) | Effect::Charge(count) => {
            let kind = if matches!(effect, Effect::Count(_)) {
                "count"
            } else {
                "charge"
            };
            format!(
                "{kind} {} {}/{}s +{}",
                count.key,
                count.limit,
                count.period.as_secs(),
                count.increment
            )
        }
        Effect::Delay(time) => format!("delay {time:?}"),
        Effect::SelectBackend(id) => format!("select {id}"),
        Effect::Example {
            status,
            content_type,
            index,
        } => {
            format!(
                "example {} {} {index}",
                status.as_u16(),
                content_type.as_deref().unwrap_or("*")
            )
        }
        Effect::Cache(request) => match &request.action {
            CacheAction::Lookup => format!("lookup {}", request.key),
            CacheAction::Store { value, duration } => {
                format!(
                    "store {}={} {duration:?}",
                    request.key,
                    value.to_text().unwrap_or_default()
                )
            }
            CacheAction::Remove => format!("remove {}", request.key),
        },
        Effect::OpenId { url, refresh } => format!("{} {url}", if *refresh { "refresh" } else { "openid" }),
        Effect::Token(request) => format!("token {}", request.resource),
        Effect::Revocation => "revocation".to_owned(),
        Effect::Enter { key, max_count } => format!("enter {key} {max_count}"),
    }
}

fn tell_proxy(out: &mut String, proxy: Option<&crate::effect::Proxy>) {
    if let Some(proxy) = proxy {
        write!(out, " through {proxy:?}").unwrap();
    }
}

fn tell_certificate(out: &mut String, certificate: Option<&ClientCertificate>) {
    if let Some(certificate) = certificate {
        write!(out, " with {certificate:?}").unwrap();
    }
}

fn tell_headers(out: &mut String, headers: &HeaderMap) {
    for (name, value) in headers {
        write!(out, " {name}: {}", value.to_str().unwrap()).unwrap();
    }
}

fn tell_body(out: &mut String, body: &Body) {
    match body {
        Body::None => {}
        Body::Streaming => out.push_str(" streaming"),
        Body::Buffered(bytes) => write!(out, " '{}'", String::from_utf8_lossy(bytes)).unwrap(),
        Body::Consumed => out.push_str(" consumed"),
    }
}

fn tell_end(context: &Context, messages: bool) -> String {
    let mut out = String::new();
    let response = context.response.as_ref().unwrap();
    write!(out, "{}", response.status.as_u16()).unwrap();
    if let Some(reason) = &response.reason {
        write!(out, " ({reason})").unwrap();
    }
    if let Some(error) = &context.last_error {
        write!(out, " {}/{}", error.source, error.reason).unwrap();
        if messages {
            let Body::Buffered(body) = &response.body else {
                panic!("no default body")
            };
            let body: serde_json::Value = serde_json::from_slice(body).unwrap();
            write!(out, " '{}'", error.message).unwrap();
            if body.get("errors").is_none() && body["message"] != error.message.as_str() {
                write!(out, " public '{}'", body["message"].as_str().unwrap()).unwrap();
            }
        }
        // Those of the default body, which the failure table tests.
        let kept = response
            .headers
            .iter()
            .filter(|(n, _)| !n.as_str().starts_with("content-"));
        tell_headers(&mut out, &kept.map(|(n, v)| (n.clone(), v.clone())).collect());
    } else {
        tell_headers(&mut out, &response.headers);
        tell_body(&mut out, &response.body);
    }
    for (name, value) in context.variables.iter() {
        let text = value.to_text().unwrap_or_else(|| "null".into());
        // Lists of errors on one line.
        let compact = serde_json::from_str::<Vec<serde_json::Value>>(&text)
            .ok()
            .filter(|_| messages);
        let text = compact.map_or(text, |list| serde_json::Value::Array(list).to_string());
        write!(out, " ${name}={text}").unwrap();
    }
    out
}
