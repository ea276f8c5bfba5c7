//! Order, endings and errors of whole exchanges.

use std::sync::Arc;

use http::StatusCode;

use super::*;
use crate::{
    test_support::{FixedWorld, check, check_documents, compile, context, document, drive},
    trace::TraceRecord,
};

/// A statement that leaves its mark in the request.
fn mark(name: &str) -> String {
    format!("<set-header name='M' exists-action='append'><value>{name}</value></set-header>")
}

fn marked(section: &str, before: &str, after: &str) -> String {
    document(section, &format!("{}<base/>{}", mark(before), mark(after)))
}

#[track_caller]
fn compose(documents: [Option<&str>; 4]) -> Arc<Program> {
    let mut scopes = [None, None, None, None];
    for (i, text) in documents.into_iter().enumerate() {
        scopes[i] = text.map(|t| Arc::new(compile(t, Scope::ALL[i]).unwrap()));
    }
    Arc::new(Program::compose(scopes))
}

#[test]
fn base_is_the_same_section_of_the_next_broader_scope() {
    let (global, product) = (document("inbound", &mark("g")), marked("inbound", "p1", "p2"));
    let (api, operation) = (marked("inbound", "a1", "a2"), marked("inbound", "o1", "o2"));
    let all = [Some(&*global), Some(&*product), Some(&*api), Some(&*operation)];
    check_documents(all, |_| {}, &[], "forward m: o1,a1,p1,g,p2,a2,o2; 200");
    let no_api = [Some(&*global), Some(&*product), None, Some(&*operation)];
    check_documents(no_api, |_| {}, &[], "forward m: o1,p1,g,p2,o2; 200");
    let no_base = document("inbound", &mark("only"));
    let cut = [Some(&*global), Some(&*product), Some(&*no_base), None];
    check_documents(cut, |_| {}, &[], "forward m: only; 200");
}

#[test]
fn base_in_the_global_document_has_no_effect() {
    let global = format!(
        "<policies><inbound><base/>{}</inbound><backend><base/><forward-request/></backend></policies>",
        mark("g")
    );
    check_documents(
        [Some(&global), None, None, None],
        |_| {},
        &[],
        "forward m: g; 200",
    );
}

#[test]
fn without_documents_the_default_forwards() {
    check_documents([None, None, None, None], |_| {}, &["201"], "forward; 201");
}

#[test]
fn a_missing_section_inherits_nothing() {
    let global = marked("outbound", "never", "never");
    let api = "<policies><backend><base/></backend></policies>";
    check_documents(
        [Some(&global), None, Some(api), None],
        |_| {},
        &[],
        "forward; 200",
    );
    // Without `<base/>` in backend the request is not forwarded.
    check_documents(
        [None, None, Some("<policies><outbound/></policies>"), None],
        |_| {},
        &[],
        "200",
    );
}

#[test]
fn base_may_stand_inside_a_control_policy() {
    let api = "<policies><backend><retry condition='true' count='1' interval='1'><base/></retry></backend></policies>";
    check_documents(
        [None, None, Some(api), None],
        |_| {},
        &["refused", "200"],
        "forward; delay 1s; forward; 200",
    );
    check_documents(
        [None, None, Some(api), None],
        |_| {},
        &["refused", "timeout"],
        "forward; delay 1s; forward; 500 forward-request/Timeout",
    );
}

#[test]
fn an_error_skips_everything_but_on_error() {
    let text = format!(
        "<policies><inbound><check-header name='K' failed-check-httpcode='401' id='key-check'/>{never}</inbound>\
         <backend><forward-request/></backend><outbound>{never}</outbound>\
         <on-error><set-status code='499'/></on-error></policies>",
        never = "<set-variable name='never' value='1'/>"
    );
    check_documents(
        [None, None, Some(&text), None],
        |_| {},
        &[],
        "499 check-header/HeaderNotFound",
    );
}

#[test]
fn an_error_inside_on_error_ends_with_the_response_as_it_stands() {
    let text = "<set-status code='499'/><rewrite-uri template='/{nope}'/><set-status code='200'/>";
    check(
        "on-error",
        text,
        &["timeout"],
        "forward; 499 forward-request/Timeout",
    );
}

#[test]
fn a_retry_inside_on_error_keeps_its_own_errors() {
    let text = "<retry condition='true' count='1' interval='0'><send-request response-variable-name='r'><set-url>http://a</set-url></send-request></retry>";
    check(
        "on-error",
        text,
        &["timeout", "refused", "200"],
        "forward; send GET http://a; send GET http://a; 500 forward-request/Timeout $r=IResponse",
    );
}

#[track_caller]
fn last_error(
    documents: [Option<&str>; 4],
    answers: &[&str],
) -> (Option<String>, Option<String>, Option<String>, Option<String>) {
    let mut execution = Execution::new(compose(documents), context());
    let mut outcome = Outcome::Start;
    let mut answers = answers.iter();
    while let Step::Effect(effect) = execution.resume(outcome, &FixedWorld) {
        outcome = match (effect, answers.next()) {
            (Effect::Delay(_), _) => Outcome::Elapsed,
            (_, Some(&"timeout")) => Outcome::Failed(Failure::BackendTimeout),
            _ => Outcome::Response(Response::default()),
        };
    }
    let error = execution.context().last_error.as_deref().unwrap();
    let text = |t: &Option<Arc<str>>| t.as_deref().map(str::to_owned);
    (
        text(&error.scope),
        text(&error.section),
        text(&error.path),
        text(&error.policy_id),
    )
}

#[test]
fn last_error_names_scope_section_position_and_id() {
    let some = |s: &str| Some(s.to_owned());
    let refusing = "<check-header name='K' failed-check-httpcode='401' id='p1'/>";
    let global = document("inbound", refusing);
    let api = document("inbound", "<base/>");
    assert_eq!(
        last_error([Some(&global), None, Some(&api), None], &[]),
        (some("global"), some("inbound"), some("check-header"), some("p1"))
    );
    let choose = |inner: &str| {
        format!("<choose><when condition='false'/><when condition='true'>{inner}</when></choose>")
    };
    let nested = document("inbound", &format!("{0}{0}{1}", choose(""), choose(refusing)));
    assert_eq!(
        last_error([None, None, Some(&nested), None], &[]),
        (
            some("api"),
            some("inbound"),
            some("choose[3]/when[2]"),
            some("p1")
        )
    );
    // A failure that a retry gives up on keeps the place it came from.
    let retry = "<policies><backend><retry condition='true' count='1' interval='0'><base/></retry></backend></policies>";
    assert_eq!(
        last_error([None, None, Some(retry), None], &["timeout", "timeout"]),
        (some("global"), some("backend"), some("forward-request"), None)
    );
}

#[test]
fn built_in_failures_run_on_error_of_the_known_scopes() {
    let global = document("on-error", "<set-header name='E'><value>1</value></set-header>");
    let program = compose([Some(&global), None, None, None]);
    for (failure, expected) in [
        (
            Failure::NoOperation,
            "404 (Resource Not Found) configuration/OperationNotFound e: 1",
        ),
        (
            Failure::KeyMissing,
            "401 (Access Denied) authorization/SubscriptionKeyNotFound www-authenticate: AzureApiManagementKey \
             realm=\"https://api.contoso.com/echo\",name=\"Ocp-Apim-Subscription-Key\",type=\"header\" e: 1",
        ),
    ] {
        let execution = Execution::failed(Arc::clone(&program), context(), failure);
        assert_eq!(drive(execution, &[]), expected);
    }
}

#[test]
fn a_scope_that_did_not_load_refuses_and_others_serve() {
    let refusing = Arc::new(ScopeDoc::refusing("api.xml"));
    let program = Program::compose([None, None, Some(Arc::clone(&refusing)), None]);
    let execution = Execution::new(Arc::new(program), context());
    assert_eq!(drive(execution, &[]), "500 configuration/PolicyNotLoaded");
    // Under an operation that inherits it, too; and the global on-error still shapes the answer.
    let global = document("on-error", "<set-status code='503'/>");
    let global = Arc::new(compile(&global, Scope::Global).unwrap());
    let operation = Arc::new(compile(&document("inbound", "<base/>"), Scope::Operation).unwrap());
    let program = Program::compose([Some(global), None, Some(refusing), Some(operation)]);
    let execution = Execution::new(Arc::new(program), context());
    // The operation's on-error has no base, so nothing broader runs there.
    assert_eq!(drive(execution, &[]), "500 configuration/PolicyNotLoaded");
}

#[test]
fn policies_that_do_not_run_here_are_passed_over_with_a_note() {
    let text = document(
        "inbound",
        "<get-authorization-context provider-id='p' authorization-id='a' context-variable-name='v'/>",
    );
    let mut execution = Execution::new(compose([None, None, Some(&text), None]), context());
    assert!(matches!(
        execution.resume(Outcome::Start, &FixedWorld),
        Step::Effect(Effect::Forward(_))
    ));
    assert_eq!(
        execution.drain_notes(),
        [Note::Skipped {
            policy: "get-authorization-context"
        }]
    );
}

#[test]
fn what_ran_is_known_by_name() {
    let api = document(
        "inbound",
        "<base/><choose><when condition='true'><set-method>PUT</set-method></when></choose>",
    );
    let global = format!(
        "<policies><inbound>{}</inbound><backend><forward-request/></backend></policies>",
        mark("g")
    );
    let mut execution = Execution::new(compose([Some(&global), None, Some(&api), None]), context());
    while let Step::Effect(_) = execution.resume(Outcome::Response(Response::default()), &FixedWorld) {}
    let ran: Vec<String> = execution
        .executed()
        .map(|e| format!("{} {} {} {}", e.scope, e.section, e.path, e.policy))
        .collect();
    assert_eq!(
        ran,
        [
            "global inbound set-header set-header",
            "api inbound choose[1]/when[1] choose",
            "api inbound choose[1]/when[1] set-method",
            "api backend forward-request forward-request",
        ]
    );
}

#[test]
fn trace_records_exist_only_while_tracing() {
    let text = document("inbound", "<set-variable name='a' value='1'/>");
    for tracing in [false, true] {
        let mut context = context();
        context.tracing = tracing;
        let mut execution = Execution::new(compose([None, None, Some(&text), None]), context);
        let mut outcome = Outcome::Start;
        while let Step::Effect(_) = execution.resume(outcome, &FixedWorld) {
            outcome = Outcome::Failed(Failure::BackendTimeout);
        }
        let told: Vec<(&str, &str)> = execution
            .trace()
            .iter()
            .map(|r: &TraceRecord| (r.policy, r.outcome.as_str()))
            .collect();
        let expected: &[(&str, &str)] = if tracing {
            &[
                ("set-variable", "ok"),
                (
                    "forward-request",
                    "The backend did not send response headers in time.",
                ),
            ]
        } else {
            &[]
        };
        assert_eq!(told, expected);
    }
}

#[test]
fn after_the_end_nothing_more_happens() {
    let mut execution = Execution::new(compose([None, None, None, None]), context());
    assert!(matches!(
        execution.resume(Outcome::Start, &FixedWorld),
        Step::Effect(_)
    ));
    assert!(matches!(
        execution.resume(Outcome::Response(Response::default()), &FixedWorld),
        Step::Done
    ));
    assert!(matches!(
        execution.resume(Outcome::Failed(Failure::BackendTimeout), &FixedWorld),
        Step::Done
    ));
    assert_eq!(
        execution.into_context().response.map(|r| r.status),
        Some(StatusCode::OK)
    );
}

#[test]
fn an_answer_to_another_question_is_a_failure_not_a_panic() {
    let mut execution = Execution::new(compose([None, None, None, None]), context());
    assert!(matches!(
        execution.resume(Outcome::Start, &FixedWorld),
        Step::Effect(_)
    ));
    assert!(matches!(
        execution.resume(Outcome::Elapsed, &FixedWorld),
        Step::Done
    ));
    assert_eq!(execution.failure().map(Failure::label), Some("PolicyFailure"));
}

#[test]
fn a_permit_is_given_back_when_the_exchange_is_dropped() {
    let text = document(
        "inbound",
        "<limit-concurrency key='k' max-count='1'><send-request response-variable-name='r'><set-url>http://a</set-url></send-request></limit-concurrency>",
    );
    let token = Arc::new(());
    for end in ["drop", "error", "leave"] {
        let mut execution = Execution::new(compose([None, None, Some(&text), None]), context());
        assert!(matches!(
            execution.resume(Outcome::Start, &FixedWorld),
            Step::Effect(Effect::Enter { .. })
        ));
        let permit = Permit(Box::new(Arc::clone(&token)));
        assert!(matches!(
            execution.resume(Outcome::Permit(Some(permit)), &FixedWorld),
            Step::Effect(Effect::Send(_))
        ));
        assert_eq!(Arc::strong_count(&token), 2, "{end}");
        match end {
            "drop" => drop(execution),
            "error" => {
                execution.resume(Outcome::Failed(Failure::BackendTimeout), &FixedWorld);
            }
            _ => {
                execution.resume(Outcome::Response(Response::default()), &FixedWorld);
            }
        }
        assert_eq!(Arc::strong_count(&token), 1, "{end}");
    }
}

#[test]
fn the_state_of_an_exchange_stays_small() {
    // It lives in the future of every request on its way.
    let size = std::mem::size_of::<Execution>();
    assert!(size <= 2_560, "{size} bytes");
    assert!(
        std::mem::size_of::<Frame>() <= 48,
        "{} bytes",
        std::mem::size_of::<Frame>()
    );
}
