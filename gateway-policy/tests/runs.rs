//! Real documents run: whatever the world answers, an exchange comes to an end with a response, in bounded
//! time, and says the same when it is run again.
//!
//! The corpus is read in place and is not part of the project; without it the tests say so and do nothing.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and shows why it skips"
)]

mod support;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gateway_expr::cases::{FixedWorld, context_from_json};
use gateway_policy::{
    Effect, Execution, Failure, Names, Options, Outcome, Program, Scope, ScopeDoc, Source, Step, Value,
    context::{Body, Response},
    effect::{Counted, Permit},
};
use http::StatusCode;
use serde_json::json;
use support::{Lcg, corpus};

/// Effects one exchange may ask for: 50 retries of a few calls each stay far below.
const EFFECTS_MAX: usize = 20_000;

fn context(random: &mut Lcg) -> gateway_policy::Context {
    let bodies = [
        r#"{"model":"gpt-4o","stream":false,"messages":[{"role":"user","content":"hello"}],"id":42}"#,
        "<a><b>1</b></a>",
        "grant_type=client_credentials&code=1",
        "",
        "[1,2,3]",
    ];
    let methods = ["GET", "POST", "PUT", "OPTIONS"];
    let description = json!({
        "model": "contoso",
        "request": {
            "method": methods[random.below(methods.len())],
            "url": "https://backend.example.com/base/items/42?x=1",
            "originalUrl": "https://api.contoso.com/echo/items/42?x=1&code=2",
            "headers": {
                "Authorization": "Bearer e30.e30.", "Content-Type": "application/json", "Origin": "https://a.example",
                "Accept": ["text/html", "application/json"], "Cookie": "a=b; c=d",
            },
            "matchedParameters": { "id": "42" },
            "body": bodies[random.below(bodies.len())],
        },
    });
    let mut context = context_from_json(&description).unwrap();
    context.last_error = None;
    context.tracing = random.below(2) == 0;
    if random.below(2) == 0 {
        context.request.body = Body::Streaming;
    }
    context
}

/// An answer of the right kind, a failure, or now and then something else entirely.
fn answer(effect: &Effect, random: &mut Lcg) -> Outcome {
    match random.below(20) {
        0 => return Outcome::Failed(Failure::BackendTimeout),
        1 => return Outcome::Failed(Failure::BodyTooLarge { limit: 10 }),
        2 => return Outcome::Elapsed,
        _ => {}
    }
    let text = [
        r#"{"access_token":"t","usage":{"total_tokens":5},"value":[]}"#,
        "",
        "plain",
        "<x/>",
    ];
    let body = Bytes::from_static(text[random.below(text.len())].as_bytes());
    match effect {
        Effect::ReadBody(_) => Outcome::Body(body),
        Effect::Forward(_) | Effect::Send(_) => {
            let status = [200, 201, 401, 404, 429, 500, 503][random.below(7)];
            let body = if random.below(3) == 0 {
                Body::Streaming
            } else {
                Body::Buffered(body)
            };
            let status = StatusCode::from_u16(status).unwrap();
            Outcome::Response(Response {
                status,
                body,
                ..Response::default()
            })
        }
        Effect::Count(count) => Outcome::Counted(Counted {
            allowed: random.below(4) > 0,
            remaining: count.limit,
            retry_after: Duration::from_millis(1500),
        }),
        Effect::Cache(_) if random.below(2) == 0 => Outcome::Cached(Some(Value::string("cached"))),
        Effect::Cache(_) => Outcome::Cached(None),
        Effect::Token(_) => Outcome::Token("token".into()),
        Effect::Enter { .. } => Outcome::Permit((random.below(3) > 0).then(|| Permit(Box::new(())))),
        Effect::Example { .. } => Outcome::Example(None),
        Effect::Delay(_) => Outcome::Elapsed,
        _ => Outcome::Failed(Failure::Unavailable("not in this test".into())),
    }
}

/// Runs to the end; tells status, error and the policies that ran.
fn run(program: &Arc<Program>, seed: u64) -> String {
    let mut random = Lcg(seed);
    let world = FixedWorld::default();
    let mut execution = Execution::new(Arc::clone(program), context(&mut random));
    let mut outcome = Outcome::Start;
    // Of a `wait`: answered in any order.
    let mut under_way = Vec::new();
    for _ in 0..EFFECTS_MAX {
        match execution.resume(outcome, &world) {
            Step::Done => {
                let ran: Vec<&str> = execution.executed().map(|e| e.policy).collect();
                let failure = execution.failure().map(Failure::label);
                let status = execution.context().response.as_ref().map(|r| r.status);
                assert!(status.is_some(), "an exchange without a response");
                return format!("{status:?} {failure:?} {ran:?}");
            }
            Step::Effect(effect) => {
                under_way.clear();
                outcome = answer(&effect, &mut random);
            }
            Step::Start(started) => {
                under_way.extend(started);
                let chosen = random.below(under_way.len());
                let (ticket, effect) = under_way.remove(chosen);
                outcome = Outcome::Of(ticket, Box::new(answer(&effect, &mut random)));
            }
        }
    }
    panic!("an exchange that does not end");
}

#[test]
fn documents_run_to_an_end_whatever_the_world_answers() {
    let Some(documents) = corpus() else { return };
    let options = Options {
        named_value_default: Some("10".into()),
        missing_fragments_empty: true,
        ..Options::default()
    };
    let (mut programs, mut failures) = (0, 0);
    for (i, document) in documents.iter().enumerate() {
        let source = Source {
            text: &document.text,
            path: &document.path,
            scope: None,
        };
        let Ok((doc, _)) = ScopeDoc::compile(&source, &Names::default(), &options) else {
            continue;
        };
        programs += 1;
        let mut scopes = [None, None, None, None];
        scopes[Scope::Api as usize] = Some(Arc::new(doc));
        let program = Arc::new(Program::compose(scopes));
        for seed in 0..6 {
            let seed = (i as u64) << 8 | seed;
            let told = run(&program, seed);
            assert_eq!(
                told,
                run(&program, seed),
                "{} is not the same twice",
                document.path
            );
            failures += usize::from(told.contains("Some(\""));
        }
    }
    println!("{programs} documents ran six times each; {failures} exchanges failed on the way");
    assert!(programs > 250, "only {programs} documents run");
    assert!(
        failures < programs * 6,
        "every exchange fails: the test sees nothing else"
    );
}
