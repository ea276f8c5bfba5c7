//! Branches of `wait`: nesting, failures, and that nothing is left behind.

use std::{rc::Rc, sync::Arc};

use crate::{
    Effect, Outcome, Step,
    context::{Body, Response},
    effect::Permit,
    exec::Execution,
    failure::Failure,
    program::Program,
    scope::Scope,
    test_support::{FixedWorld, check, check_with, compile, context, document},
};

fn send(name: &str) -> String {
    format!("<send-request response-variable-name='{name}'><set-url>http://h/{name}</set-url></send-request>")
}

fn wait(how: &str, children: &str) -> String {
    format!("<wait for='{how}'>{children}</wait>")
}

#[test]
fn a_branch_may_ask_again_while_others_wait() {
    // The branch goes on by itself: its second request starts beside the one that is still under way.
    let branch = format!(
        "<choose><when condition='true'>{}{}</when></choose>",
        send("a"),
        send("b")
    );
    check(
        "inbound",
        &wait("all", &format!("{branch}{}", send("c"))),
        &["#0 200", "#2 200", "#1 200"],
        "start #0 send GET http://h/a, #1 send GET http://h/c; start #2 send GET http://h/b; start ; \
         forward; 200 $a=IResponse $b=IResponse $c=IResponse",
    );
}

#[test]
fn a_failure_of_one_is_the_failure_of_all() {
    for how in ["all", "any"] {
        check(
            "inbound",
            &wait(how, &format!("{}{}", send("a"), send("b"))),
            &["#1 timeout"],
            "start #0 send GET http://h/a, #1 send GET http://h/b; 500 send-request/Timeout",
        );
    }
}

#[test]
fn a_retry_in_a_branch_keeps_its_failures() {
    let retried = format!(
        "<choose><when condition='true'><retry condition='true' count='1' interval='0'>{}</retry></when></choose>",
        send("a")
    );
    check(
        "inbound",
        &wait("all", &format!("{retried}{}", send("b"))),
        &["#0 timeout", "#1 200", "#2 200"],
        "start #0 send GET http://h/a, #1 send GET http://h/b; start #2 send GET http://h/a; start ; \
         forward; 200 $b=IResponse $a=IResponse",
    );
}

#[test]
fn a_branch_may_end_the_exchange() {
    let ends = "<choose><when condition='true'><return-response><set-status code='204'/></return-response></when></choose>";
    check(
        "inbound",
        &wait("all", &format!("{}{ends}", send("a"))),
        &[],
        "204",
    );
}

#[test]
fn two_branches_that_need_the_body_read_it_once() {
    let choose = |name: &str| {
        format!(
            "<choose><when condition='@(context.Request.Body.As<string>(true) == \"x\")'><set-variable name='{name}' value='1'/></when></choose>"
        )
    };
    check_with(
        "inbound",
        &wait("all", &format!("{}{}", choose("a"), choose("b"))),
        |context| context.request.body = Body::Streaming,
        &["#0 body x", "#1 body"],
        "start #0 read request, #1 read request; start ; forward 'x'; 200 $a=1 $b=1",
    );
}

#[test]
fn a_second_wait_has_tickets_of_its_own() {
    let two = format!(
        "{}{}",
        wait("any", &(send("a") + &send("b"))),
        wait("all", &send("c"))
    );
    // Ticket 0 belongs to a race that is over: its late answer changes nothing.
    check(
        "inbound",
        &two,
        &["#1 200", "#0 404", "#2 200"],
        "start #0 send GET http://h/a, #1 send GET http://h/b; start #2 send GET http://h/c; start ; \
         forward; 200 $b=IResponse $c=IResponse",
    );
}

fn execution(section: &str, text: &str) -> Execution {
    let doc = compile(&document(section, text), Scope::Api).unwrap();
    let program = Program::compose([None, None, Some(Arc::new(doc)), None]);
    Execution::new(Arc::new(program), context())
}

/// Everything that holds a place gives it back, whichever way the exchange ends.
#[test]
fn permits_are_given_back_however_it_ends() {
    let inside = format!(
        "<choose><when condition='true'><limit-concurrency key='k' max-count='1'>{}</limit-concurrency></when></choose>",
        send("a")
    );
    let text = wait("any", &format!("{inside}{}", send("b")));
    for ending in ["the other ends", "a failure", "abandoned"] {
        let mut execution = execution("inbound", &text);
        let place = Rc::new(());
        let Step::Start(started) = execution.resume(Outcome::Start, &FixedWorld) else {
            panic!("nothing started");
        };
        let [(enter, Effect::Enter { .. }), (other, Effect::Send(_))] = &started[..] else {
            panic!("{started:?}");
        };
        let permit = Outcome::Permit(Some(Permit(Box::new(Rc::clone(&place)))));
        let step = execution.resume(Outcome::Of(*enter, Box::new(permit)), &FixedWorld);
        assert!(matches!(&step, Step::Start(s) if s.len() == 1), "{step:?}");
        assert_eq!(Rc::strong_count(&place), 2);
        match ending {
            "abandoned" => drop(execution),
            _ => {
                let outcome = match ending {
                    "a failure" => Outcome::Failed(Failure::BackendTimeout),
                    _ => Outcome::Response(Response::default()),
                };
                execution.resume(Outcome::Of(*other, Box::new(outcome)), &FixedWorld);
            }
        }
        assert_eq!(Rc::strong_count(&place), 1, "{ending}");
    }
}

#[test]
fn an_answer_without_a_ticket_is_a_failure_of_the_gateway() {
    let mut execution = execution("inbound", &wait("all", &send("a")));
    assert!(matches!(
        execution.resume(Outcome::Start, &FixedWorld),
        Step::Start(_)
    ));
    execution.resume(Outcome::Elapsed, &FixedWorld);
    assert!(matches!(execution.failure(), Some(Failure::Unavailable(_))));
}

#[test]
fn an_error_inside_on_error_ends_the_exchange_with_what_stands() {
    let text = "<policies><inbound><return-response response-variable-name='none'/></inbound><on-error>\
        <set-header name='A'><value>1</value></set-header>\
        <limit-concurrency key='k' max-count='1'><set-variable name='v' value='@(1/int.Parse(\"0\"))'/></limit-concurrency>\
        <set-header name='B'><value>2</value></set-header></on-error></policies>";
    crate::test_support::check_documents(
        [None, None, Some(text), None],
        |_| {},
        &["permit"],
        "enter k 1; 500 return-response/PolicyFailure a: 1",
    );
}
