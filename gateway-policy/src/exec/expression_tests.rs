//! Policies with expressions, as people write them: values, bodies, variables, failures.

use std::sync::Arc;

use crate::{
    Context,
    context::{Body, Deployment},
    test_support::{check, check_load, check_with},
};

#[test]
fn conditions_choose_by_the_gateway() {
    // The scenario this project started from.
    let text = r#"<choose>
        <when condition="@(context.Deployment.Gateway.Id == "managed")"><set-backend-service base-url="https://cloud-api.example.com" /></when>
        <otherwise><set-backend-service base-url="https://on-prem-api.example.com" /></otherwise>
    </choose>"#;
    for (gateway, expected) in [("managed", "cloud-api"), ("gw1", "on-prem-api")] {
        check_with(
            "inbound",
            text,
            |context| {
                context.deployment = Arc::new(Deployment {
                    gateway_id: gateway.into(),
                    ..Deployment::default()
                })
            },
            &[],
            &format!("forward https://{expected}.example.com/items/42?x=1; 200"),
        );
    }
}

#[test]
fn values_become_what_their_attribute_needs() {
    for (text, expected) in [
        (
            r#"<set-header name="@("X-" + 1)"><value>@(1 + 1)</value><value>@(true)</value></set-header>"#,
            "forward x-1: 2,True; 200",
        ),
        (
            r#"<set-query-parameter name="q"><value>@(context.Request.MatchedParameters["id"])</value></set-query-parameter>"#,
            "forward https://backend.example.com/base/items/42?x=1&q=42; 200",
        ),
        (r#"<set-method>@("PU" + "T")</set-method>"#, "forward PUT; 200"),
        (
            r#"<rewrite-uri template="@("/v2" + context.Request.Url.Path)" copy-unmatched-params="@(false)" />"#,
            "forward https://backend.example.com/base/v2/base/items/42; 200",
        ),
        (
            r#"<set-variable name="n" value="@(6 * 7)" /><set-variable name="s" value="@($"{context.Variables["n"]}!")" />"#,
            "forward; 200 $n=42 $s=42!",
        ),
        (
            r#"<set-body>@{ var o = new JObject(); o["a"] = 1; return o.ToString(Newtonsoft.Json.Formatting.None); }</set-body>"#,
            "forward content-length: 7 '{\"a\":1}'; 200",
        ),
    ] {
        check("inbound", text, &[], expected);
    }
    check(
        "outbound",
        r#"<set-status code="@(context.Response.StatusCode + 1)" reason="@(null)" />"#,
        &["201"],
        "forward; 202",
    );
}

#[test]
fn bodies_are_read_only_when_an_expression_needs_them() {
    let streaming = |context: &mut Context| context.request.body = Body::Streaming;
    let header = |expression: &str| format!("<set-header name='A'><value>{expression}</value></set-header>");
    check_with(
        "inbound",
        &header("@(context.Request.Method)"),
        streaming,
        &[],
        "forward a: GET streaming; 200",
    );
    check_with(
        "inbound",
        &header("@(context.Request.Body.As<string>(preserveContent: true))"),
        streaming,
        &["body text"],
        "read request; forward a: text 'text'; 200",
    );
    // Without preserveContent the body is gone.
    check_with(
        "inbound",
        &header("@(context.Request.Body.As<string>())"),
        streaming,
        &["body text"],
        "read request; forward a: text consumed; 200",
    );
    check(
        "outbound",
        &header("@((string)context.Response.Body.As<JObject>(true)[\"k\"])"),
        &["200 streaming", "body {\"k\":\"v\"}"],
        "forward; read response; 200 a: v '{\"k\":\"v\"}'",
    );
}

#[test]
fn only_the_branch_that_is_reached_reads_the_body() {
    let text = r#"<choose><when condition="@(context.Request.Method == "POST")"><set-variable name="b" value="@(context.Request.Body.As<string>(true))" /></when></choose>"#;
    check_with(
        "inbound",
        text,
        |c| c.request.body = Body::Streaming,
        &[],
        "forward streaming; 200",
    );
}

#[test]
fn an_exception_is_the_policys_failure() {
    let text = r#"<set-variable name="v" value="@((string)context.Variables["missing"])" />"#;
    check(
        "inbound",
        text,
        &[],
        "500 set-variable/ExpressionValueEvaluationFailure",
    );
    let text = r#"<choose><when condition="@(int.Parse("x") > 0)" /></choose>"#;
    check(
        "inbound",
        text,
        &[],
        "500 choose/ExpressionValueEvaluationFailure",
    );
    let text = r#"<set-status code="@("abc")" reason="x" />"#;
    check(
        "outbound",
        text,
        &[],
        "forward; 500 set-status/ExpressionValueEvaluationFailure",
    );
}

#[test]
fn on_error_sees_the_error_and_the_status_to_come() {
    let text = r#"<set-header name="E"><value>@($"{context.LastError.Source}:{context.LastError.Reason}:{context.Response.StatusCode}")</value></set-header>"#;
    check(
        "on-error",
        text,
        &["timeout"],
        "forward; 500 forward-request/Timeout e: forward-request:Timeout:500",
    );
}

#[test]
fn answers_of_own_calls_are_responses_in_variables() {
    let text = r#"<send-request mode="new" response-variable-name="r"><set-url>@("https://a.example.com/" + context.RequestId)</set-url></send-request>
        <choose><when condition="@(((IResponse)context.Variables["r"]).StatusCode == 200)">
        <set-header name="T"><value>@(((IResponse)context.Variables["r"]).Body.As<JObject>()["token"].ToString())</value></set-header></when></choose>"#;
    check(
        "inbound",
        text,
        &["200 {\"token\":\"abc\"}"],
        "send GET https://a.example.com/07070707-0707-0707-0707-070707070707; forward t: abc; 200 $r=IResponse",
    );
}

#[test]
fn retries_look_at_the_response_of_their_round() {
    let text = r#"<retry condition="@(context.Response == null || context.Response.StatusCode >= 500)" count="2" interval="1"><forward-request /></retry>"#;
    check(
        "backend",
        text,
        &["refused", "503", "200"],
        "forward; delay 1s; forward; delay 1s; forward; 200",
    );
}

#[test]
fn counts_that_read_the_response_happen_at_the_end() {
    let text = r#"<rate-limit-by-key calls="5" renewal-period="60" counter-key="@(context.Request.IpAddress)" increment-condition="@(context.Response.StatusCode == 200)" />"#;
    let key = "count rate-limit-by-key:203.0.113.7 5/60s";
    check(
        "inbound",
        text,
        &["allowed 5", "200", "allowed 4"],
        &format!("{key} +0; forward; charge rate-limit-by-key:203.0.113.7 5/60s +1; 200"),
    );
    check(
        "inbound",
        text,
        &["allowed 5", "404"],
        &format!("{key} +0; forward; 404"),
    );
}

#[test]
fn expressions_that_do_not_compile_refuse_the_document_at_their_place() {
    check_load(
        "inbound",
        r#"<set-method>@(contxt.Request.Method)</set-method>"#,
        "CS0103: The name 'contxt' does not exist in the current context",
    );
    let report = crate::check_document(
        "d.xml",
        "<policies><inbound>\n <set-header name=\"A\"><value>@(1 &lt; 2 &amp;&amp; nope)</value></set-header></inbound></policies>",
        &crate::CheckOptions::default(),
    );
    let places: Vec<_> = report
        .diagnostics
        .iter()
        .map(|d| (d.line, d.column, d.code))
        .collect();
    assert_eq!(places, [(2, 52, "CS0103")]);
}

#[test]
fn templates_see_variables_with_their_structure() {
    let text = r#"<set-variable name="o" value="@(JObject.Parse("{\"a\":[1,2],\"b\":\"x\"}"))" /><set-variable name="n" value="@(7)" />
        <set-body template="liquid">{{context.Variables.o.a.size}}{{context.Variables.o.b}}{% if context.Variables.n > 5 %}big{% endif %}</set-body>"#;
    check_with(
        "inbound",
        text,
        |_| {},
        &[],
        "forward content-length: 5 '2xbig'; 200 $o={\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": \"x\"\n} $n=7",
    );
}
