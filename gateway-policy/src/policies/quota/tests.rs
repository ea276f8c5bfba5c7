//! Tables of documents, answers and what is asked.

use std::time::Duration;

use super::{
    period::{NEVER, parse_instant},
    *,
};
use crate::{
    Execution, Program, Scope, Step,
    context::Product,
    effect::Counted,
    setting::FromValue as _,
    test_support::{FixedWorld, check, check_documents, check_load, compile, context, document},
};

#[test]
fn a_key_counts_in_fixed_periods() {
    let text = "<quota-by-key calls='10' renewal-period='3600' counter-key='k'/>";
    check(
        "inbound",
        text,
        &["allowed 9"],
        "count quota-by-key:k 10/3600s +1; forward; 200",
    );
    check(
        "inbound",
        text,
        &["denied 90061"],
        "count quota-by-key:k 10/3600s +1; 403 quota-by-key/QuotaExceeded retry-after: 90061",
    );
}

#[test]
fn a_product_counts_its_subscriptions() {
    let product = document("inbound", "<quota calls='10' renewal-period='3600'/>");
    for (subscribed, answers, expected) in [
        (
            true,
            &["allowed 9"][..],
            "count quota:product:gold:sub-1 10/3600s +1; forward; 200",
        ),
        (false, &[], "forward; 200"),
    ] {
        let change = |context: &mut crate::Context| {
            context.product = Some(
                Product {
                    id: "gold".into(),
                    ..Product::default()
                }
                .into(),
            );
            if !subscribed {
                context.subscription = None;
            }
        };
        check_documents([None, Some(&product), None, None], change, answers, expected);
    }
}

/// A product document run by a subscriber of `gold`.
#[track_caller]
fn check_product(text: &str, answers: &[&str], expected: &str) {
    let gold = |context: &mut crate::Context| {
        let product = Product {
            id: "gold".into(),
            ..Product::default()
        };
        context.product = Some(product.into());
    };
    check_documents(
        [None, Some(&document("inbound", text)), None, None],
        gold,
        answers,
        expected,
    );
}

#[test]
fn apis_and_operations_have_quotas_of_their_own() {
    let text = "<quota calls='10' renewal-period='3600'>\
        <api id='echo-api' calls='5' renewal-period='600'><operation name='GET ITEM' calls='2' renewal-period='300'/></api>\
        <api id='other' calls='1' renewal-period='300'/></quota>";
    let (all, api) = ("quota:product:gold:sub-1", "quota:product:gold/echo-api:sub-1");
    let operation = "quota:product:gold/echo-api/get-item:sub-1";
    let looks = format!("count {all} 10/3600s +0; count {api} 5/600s +0; count {operation} 2/300s +0");
    check_product(
        text,
        &[
            "allowed 9",
            "allowed 4",
            "allowed 1",
            "allowed 9",
            "allowed 4",
            "allowed 1",
        ],
        &format!(
            "{looks}; count {all} 10/3600s +1; count {api} 5/600s +1; count {operation} 2/300s +1; forward; 200"
        ),
    );
    // What one refuses no other counts.
    check_product(
        text,
        &["allowed 9", "allowed 4", "denied 60"],
        &format!("{looks}; 403 quota/QuotaExceeded retry-after: 60"),
    );
}

#[test]
fn bandwidth_is_looked_at_first_and_charged_last() {
    check_product(
        "<quota calls='10' bandwidth='2' renewal-period='3600'/>",
        &["allowed 2048", "allowed 9"],
        "count quota-bandwidth:product:gold:sub-1 2048/3600s +0; count quota:product:gold:sub-1 10/3600s +1; forward; 200",
    );
    check_product(
        "<quota bandwidth='2' renewal-period='3600'/>",
        &["denied 7"],
        "count quota-bandwidth:product:gold:sub-1 2048/3600s +0; 403 quota/QuotaExceeded retry-after: 7",
    );
}

#[test]
fn the_exchange_tells_which_bandwidth_to_charge() {
    for (attributes, expected) in [
        ("bandwidth='1' counter-key='k'", &["quota-by-key-bandwidth:k"][..]),
        ("bandwidth='1' counter-key='k' increment-condition='false'", &[]),
        (
            "bandwidth='1' counter-key='k' increment-condition='@(context.Response.StatusCode == 200)'",
            &["quota-by-key-bandwidth:k"],
        ),
        (
            "bandwidth='1' counter-key='k' increment-condition='@(context.Response.StatusCode == 201)'",
            &[],
        ),
    ] {
        let text = format!("<quota-by-key renewal-period='300' {attributes}/>");
        let doc = compile(&document("inbound", &text), Scope::Api).unwrap();
        let program = Program::compose([None, None, Some(Arc::new(doc)), None]);
        let mut execution = Execution::new(Arc::new(program), context());
        let mut outcome = Outcome::Start;
        while let Step::Effect(effect) = execution.resume(outcome, &FixedWorld) {
            outcome = match effect {
                Effect::Count(_) => Outcome::Counted(Counted {
                    allowed: true,
                    remaining: 1,
                    retry_after: Duration::ZERO,
                }),
                _ => Outcome::Response(crate::context::Response::default()),
            };
        }
        let keys: Vec<_> = execution
            .drain_bandwidth()
            .into_iter()
            .map(|c| c.key.to_string())
            .collect();
        assert_eq!(keys, expected, "{attributes}");
    }
}

#[test]
fn equal_keys_count_a_call_once() {
    let text = "<quota-by-key calls='10' renewal-period='300' counter-key='k'/>\
        <quota-by-key calls='3' renewal-period='300' counter-key='k'/>";
    check(
        "inbound",
        text,
        &["allowed 9", "allowed 3"],
        "count quota-by-key:k 10/300s +1; count quota-by-key:k 4/300s +0; forward; 200",
    );
}

#[test]
fn a_call_counted_at_the_end_is_charged() {
    let text = "<quota-by-key calls='10' renewal-period='300' counter-key='k' increment-count='@(2)'/>";
    check(
        "inbound",
        text,
        &["allowed 9", "200", "allowed 8"],
        "count quota-by-key:k 10/300s +0; forward; charge quota-by-key:k 10/300s +2; 200",
    );
}

#[test]
fn texts_are_those_of_the_original() {
    for (seconds, expected) in [(59, "00:00:59"), (3_661, "01:01:01"), (90_061, "1.01:01:01")] {
        assert_eq!(TimeSpan(seconds).to_string(), expected);
    }
    for (text, expected) in [
        ("3600", Some(3600)),
        ("P30D", Some(30 * 86_400)),
        ("PT12H30M", Some(45_000)),
        ("P1M", None),
        ("P", None),
        ("299", None),
    ] {
        assert_eq!(
            Period::literal(text).ok(),
            expected.map(|s| Period(Duration::from_secs(s))),
            "{text}"
        );
    }
    assert_eq!(Period::literal("0"), Ok(Period(NEVER)));
    for (text, expected) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("0001-01-01T00:00:00Z", Some(YEAR_ONE)),
        ("2024-02-29T12:34:56Z", Some(1_709_210_096)),
        ("2024-13-01T00:00:00Z", None),
        ("soon", None),
    ] {
        assert_eq!(parse_instant(text), expected, "{text}");
    }
}

#[test]
fn mistakes_refuse_the_document() {
    for (text, expected) in [
        (
            "<quota-by-key renewal-period='300' counter-key='k'/>",
            "missing-attribute: `quota-by-key` needs the attribute `calls` or `bandwidth`",
        ),
        (
            "<quota-by-key calls='1' renewal-period='60' counter-key='k'/>",
            "bad-value: `renewal-period` of `quota-by-key` must be 0, or at least 300 seconds",
        ),
        (
            "<quota-by-key bandwidth='-1' renewal-period='300' counter-key='k'/>",
            "bad-value: `bandwidth` of `quota-by-key` must be a whole number of at least 0",
        ),
        (
            "<quota calls='1' renewal-period='300'/>",
            "not-allowed-here: `quota` is not allowed at api scope",
        ),
    ] {
        check_load("inbound", text, expected);
    }
}
