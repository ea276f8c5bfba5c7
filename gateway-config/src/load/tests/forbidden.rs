//! Callers that every request refuses: what may be dropped before anybody looks at a request.

use super::*;

/// A global document whose inbound section is `inbound`.
fn global(inbound: &str) -> String {
    format!(
        "<policies><inbound>{inbound}</inbound><backend><forward-request/></backend><outbound/><on-error/></policies>"
    )
}

const FORBID: &str = "<ip-filter action='forbid'><address>198.51.100.7</address><address-range from='10.0.0.0' to='10.0.0.130'/></ip-filter>";

fn check(world: &World, expected: &[&str]) {
    let found: Vec<String> = world
        .snapshot()
        .always_forbidden()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn an_unconditional_filter_at_the_start_of_the_global_policy_forbids_for_everybody() {
    let all = ["198.51.100.7/32", "10.0.0.0/25", "10.0.0.128/31", "10.0.0.130/32"];
    check(&World::new().with("policy.xml", &global(FORBID)), &all);
    let twice = format!(
        "{FORBID}<ip-filter action='forbid'><address>2001:db8::1</address></ip-filter><set-method>GET</set-method>"
    );
    check(
        &World::new().with("policy.xml", &global(&twice)),
        &[&all[..], &["2001:db8::1/128"]].concat(),
    );
}

#[test]
fn whatever_makes_the_answer_depend_on_the_request_is_left_to_the_policy() {
    for inbound in [
        "",
        "<ip-filter action='allow'><address>198.51.100.7</address></ip-filter>",
        "<ip-filter action='forbid'><address>@(context.Request.IpAddress)</address></ip-filter>",
        "<ip-filter action=\"@(&quot;forbid&quot;)\"><address>198.51.100.7</address></ip-filter>",
        &format!("<choose><when condition='@(true)'>{FORBID}</when></choose>"),
        &format!("<return-response><set-status code='200'/></return-response>{FORBID}"),
        &format!("<set-header name='x' exists-action='override'><value>1</value></set-header>{FORBID}"),
    ] {
        check(&World::new().with("policy.xml", &global(inbound)), &[]);
    }
}

#[test]
fn a_narrower_scope_that_does_something_first_or_leaves_the_global_one_out_keeps_it_from_the_kernel() {
    let around = |inbound: &str| {
        format!(
            "<policies><inbound>{inbound}</inbound><backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error></policies>"
        )
    };
    for (path, inbound) in [
        ("apis/echo/policy.xml", ""),
        ("apis/echo/policy.xml", "<mock-response/><base/>"),
        ("apis/echo/operations/Get-Item/policy.xml", ""),
        (
            "products/starter/policy.xml",
            "<set-method>GET</set-method><base/>",
        ),
    ] {
        let world = World::new()
            .with("policy.xml", &global(FORBID))
            .with(path, &around(inbound));
        check(&world, &[]);
    }
    let world = World::new()
        .with("policy.xml", &global(FORBID))
        .with("apis/echo/policy.xml", &around("<base/><mock-response/>"));
    assert_eq!(world.snapshot().always_forbidden().len(), 4);
}
