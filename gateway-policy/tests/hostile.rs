//! Hostile input to the parsers behind policies: Liquid templates, tokens, JSON and XML bodies. Nothing panics,
//! and nothing that was changed passes an access decision.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use gateway_expr::cases::{FixedWorld, context_from_json};
use gateway_policy::{
    Effect, Execution, Names, Options, Outcome, Program, Scope, ScopeDoc, Source, Step,
    context::{Body, Response},
};
use serde_json::json;
use support::{Lcg, mutate};

/// Changed inputs of each kind: a second or so in a debug build; more by `POLICY_MUTATIONS`.
fn rounds() -> usize {
    std::env::var("POLICY_MUTATIONS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(3_000)
}

fn program(statements: &str) -> Option<Arc<Program>> {
    let text = format!(
        "<policies><inbound>{statements}</inbound><backend><forward-request/></backend><outbound/><on-error/></policies>"
    );
    let source = Source {
        text: &text,
        path: "hostile.xml",
        scope: Some(Scope::Api),
    };
    let (doc, _) = ScopeDoc::compile(&source, &Names::default(), &Options::default()).ok()?;
    Some(Arc::new(Program::compose([
        None,
        None,
        Some(Arc::new(doc)),
        None,
    ])))
}

/// The status of a request with this token and body; forwarded requests are answered 200.
fn run(program: &Arc<Program>, authorization: &str, media_type: &str, body: &[u8]) -> u16 {
    let description = json!({ "model": "contoso", "request": { "method": "POST" } });
    let mut context = context_from_json(&description).unwrap();
    context.last_error = None;
    context.request.body = Body::Buffered(Bytes::copy_from_slice(body));
    context
        .request
        .headers
        .insert("content-type", media_type.parse().unwrap());
    if let Ok(value) = authorization.parse() {
        context.request.headers.insert("authorization", value);
    }
    let mut execution = Execution::new(Arc::clone(program), context);
    let mut outcome = Outcome::Start;
    loop {
        match execution.resume(outcome, &FixedWorld::default()) {
            Step::Done => return execution.context().response.as_ref().unwrap().status.as_u16(),
            Step::Effect(Effect::Forward(_)) => outcome = Outcome::Response(Response::default()),
            Step::Start(started) => panic!("asked for {started:?}"),
            Step::Effect(other) => panic!("asked for {other:?}"),
        }
    }
}

#[test]
fn changed_templates_are_refused_or_rendered() {
    let templates = [
        "{% for i in body.items reversed limit:2 %}{{ i.id | Plus: 1 | Append: ',' }}{% else %}none{% endfor %}",
        "{% if body.a == 1 and body.b contains 'x' or body.c %}{{ body.d[0].e['f'] }}{% elsif body.g %}g{% endif %}",
        "{% case body.n %}{% when 1, 2 %}a{% else %}b{% endcase %}{% capture x %}{{ 'y' | Replace: '[a-z]+', '$0' }}{% endcapture %}",
        "{% assign a = (1..5) %}{% tablerow i in a cols:2 %}{{i}}{% endtablerow %}{% raw %}{{ }}{% endraw %}{{ 'now' | Date: 'yyyy' }}",
    ];
    let body = br#"{"items":[{"id":1},{"id":2}],"a":1,"b":"xyz","n":2,"d":[{"e":{"f":"g"}}]}"#;
    let mut random = Lcg(7);
    let mut loaded = 0;
    for round in 0..rounds() {
        let template = mutate(templates[round % templates.len()], &mut random);
        let statement = format!("<set-body template=\"liquid\"><![CDATA[{template}]]></set-body>");
        if let Some(program) = program(&statement) {
            loaded += 1;
            run(&program, "", "application/json", body);
        }
    }
    assert!(
        loaded > rounds() / 20,
        "only {loaded} changed templates load: the changes are too rough"
    );
}

#[test]
fn changed_tokens_never_pass() {
    // RFC 7515 appendix A.1, whose expiration is long past.
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ+EstJQLr/T+1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow==";
    let statement = |attributes: &str| {
        format!(
            "<validate-jwt header-name=\"Authorization\" {attributes}><issuer-signing-keys><key>{key}</key></issuer-signing-keys></validate-jwt>"
        )
    };
    // With a clock skew that covers the years since, the token itself passes.
    let program = program(&statement(
        "require-expiration-time=\"false\" clock-skew=\"86400\"",
    ))
    .unwrap();
    assert_eq!(run(&program, token, "text/plain", b""), 401, "it has expired");
    let mut random = Lcg(11);
    for _ in 0..rounds() {
        let changed = mutate(token, &mut random);
        assert_eq!(run(&program, &changed, "text/plain", b""), 401, "{changed}");
        assert_eq!(
            run(&program, &format!("Bearer {changed}"), "text/plain", b""),
            401,
            "{changed}"
        );
    }
}

#[test]
fn changed_encrypted_tokens_never_pass() {
    // RFC 7516 appendix A.3, whose content is no token; opened or not, it must not pass, and nothing may panic.
    let token = "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ.AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.U0m_YmjN04DJvceFICbCVQ";
    let key = "GawgguFyGrWKav7AX4VKUg==";
    let statement = format!(
        "<validate-jwt header-name=\"Authorization\" require-signed-tokens=\"false\" require-expiration-time=\"false\">\
         <decryption-keys><key>{key}</key></decryption-keys></validate-jwt>"
    );
    let program = program(&statement).unwrap();
    let mut random = Lcg(17);
    for _ in 0..rounds() {
        let changed = mutate(token, &mut random);
        assert_eq!(run(&program, &changed, "text/plain", b""), 401, "{changed}");
    }
}

#[test]
fn changed_bodies_are_converted_or_refused() {
    let rows = [
        (
            "<json-to-xml apply='always' consider-accept-header='false' namespace-separator=':' namespace-prefix='xmlns' attribute-block-name='#a'/>",
            "application/json",
            r##"{"s:a":{"xmlns:s":"u","#a":{"x":1},"b":[1,{"c":null}],"d e":"<&>"}}"##,
        ),
        (
            "<xml-to-json kind='direct' apply='always' consider-accept-header='false'/>",
            "application/xml",
            r#"<s:a xmlns:s="u" x="1"><b>1</b><b><c/></b>text<!-- x --><![CDATA[y]]></s:a>"#,
        ),
        (
            "<set-body template='liquid'>{{body.a.b}}</set-body>",
            "text/xml",
            "<a><b>1</b></a>",
        ),
        (
            "<set-variable name='v' value=\"@(context.Request.Body.As&lt;JObject&gt;()[&quot;a&quot;])\"/>",
            "application/json",
            r#"{"a":{"b":[1,2.5e3,"x\u0041"]}}"#,
        ),
    ];
    let mut random = Lcg(13);
    for (statement, media_type, body) in rows {
        let program = program(statement).unwrap_or_else(|| panic!("{statement}"));
        let mut good = 0;
        for _ in 0..rounds() / 4 {
            let changed = mutate(body, &mut random);
            let status = run(&program, "", media_type, changed.as_bytes());
            assert!(status == 200 || status == 500, "{status} for {changed}");
            good += usize::from(status == 200);
        }
        assert!(good > 0, "{statement}: every change is refused");
    }
}

#[test]
fn deep_and_large_bodies_are_bounded() {
    let deep_json = "[".repeat(200_000);
    let deep_xml = "<a>".repeat(200_000);
    let bomb = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;&x;&x;&x;&x;&x;&x;\">]><a>&y;</a>";
    for (statement, media_type, body, status) in [
        (
            "<json-to-xml apply='always' consider-accept-header='false'/>",
            "application/json",
            deep_json.as_str(),
            500,
        ),
        (
            "<xml-to-json kind='direct' apply='always' consider-accept-header='false'/>",
            "text/xml",
            &deep_xml,
            500,
        ),
        (
            "<set-body template='liquid'>{{body.a}}</set-body>",
            "application/json",
            &deep_json,
            500,
        ),
        (
            "<set-body template='liquid'>{{body.a}}</set-body>",
            "text/xml",
            &deep_xml,
            500,
        ),
        (
            "<xml-to-json kind='direct' apply='always' consider-accept-header='false'/>",
            "text/xml",
            bomb,
            500,
        ),
    ] {
        let program = program(statement).unwrap_or_else(|| panic!("{statement}"));
        assert_eq!(
            run(&program, "", media_type, body.as_bytes()),
            status,
            "{statement} {}",
            &body[..20]
        );
    }
}
