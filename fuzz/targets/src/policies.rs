//! Policy documents, what is put into them, and the requests that run through them.

use std::sync::Arc;

use gateway_expr::cases::{self, FixedWorld};
use gateway_policy::{
    CheckOptions, Execution, NamedValue, Names, Options, Outcome, Program, Scope, ScopeDoc, Source, Step,
    check_document,
    context::{Context, Response},
    document,
    jose::{KeySet, OpenIdConfiguration},
};
use http::HeaderValue;
use serde_json::json;

use crate::{Target, text};

/// Most effects of one request: `retry` is the only loop, and bounded itself.
const EFFECTS_MAX: usize = 200;

/// Reader, checker and compiler of documents.
pub(crate) const DOCUMENT: Target = Target {
    name: "document",
    run: read,
    seeds: &[
        "<policies><inbound><base/><set-header name=\"A\" exists-action=\"override\"><value>@(\"<\" + context.Request.Method)</value></set-header></inbound><backend><base/></backend><outbound/><on-error/></policies>",
        "<policies><inbound><choose><when condition='@(true && \"a\" == \"&lt;\")'><return-response><set-status code='200'/></return-response></when><otherwise/></choose></inbound></policies>",
        "<policies><inbound><send-request mode='new' response-variable-name='r'><set-url>@($\"https://{context.Request.Url.Host}\")</set-url></send-request><retry condition='@(false)' count='2' interval='0'><forward-request/></retry></inbound></policies>",
        "<fragment><rate-limit calls='1' renewal-period='2'/><!-- x --><![CDATA[y]]></fragment>",
    ],
    words: &[
        "<policies>",
        "<inbound>",
        "</inbound>",
        "<base/>",
        "<choose>",
        "<when condition=\"",
        "@(",
        "@{",
        ")",
        "}",
        "\">",
        "&quot;",
        "&",
        "<!--",
        "-->",
        "<set-variable name='a' value='",
        "'/>",
        "<include-fragment fragment-id='f'/>",
        "{{n}}",
        "<wait for='any'>",
        "<validate-jwt>",
        "<cors>",
        "<xsl-transform>",
        "<find-and-replace from='a' to='b'/>",
        "<rewrite-uri template='/{a}/{*b}'/>",
    ],
};

fn read(input: &[u8]) {
    let given = text(input);
    let readable = document::read(&given).is_ok();
    let report = check_document("fuzz.xml", &given, &CheckOptions::default());
    assert!(readable || !report.ok, "an unreadable document is fine");
    for diagnostic in &report.diagnostics {
        assert!(!diagnostic.render().is_empty());
    }
    if let Some(at) = given.find("@(").or_else(|| given.find("@{")) {
        let _ = document::expression_end(&given, at);
    }
    if let Some(program) = compile(&given, &Names::default()) {
        request(&program, None);
    }
}

fn compile(text: &str, names: &Names) -> Option<Arc<Program>> {
    let options = Options {
        named_value_default: Some("1".into()),
        missing_fragments_empty: true,
        has_cache: true,
        ..Options::default()
    };
    let source = Source {
        text,
        path: "fuzz.xml",
        scope: Some(Scope::Api),
    };
    let (document, _) = ScopeDoc::compile(&source, names, &options).ok()?;
    Some(Arc::new(Program::compose([
        None,
        None,
        Some(Arc::new(document)),
        None,
    ])))
}

fn exchange(authorization: Option<HeaderValue>) -> Option<Context> {
    let mut context = cases::context_from_json(&json!({
        "model": "contoso",
        "request": {"headers": {"A": "1", "Content-Type": "application/json"}, "body": "{\"a\": [1, {\"b\": \"x\"}]}"},
    }))
    .ok()?;
    if let Some(value) = authorization {
        context.request.headers.insert("authorization", value);
    }
    Some(context)
}

/// A request through the program; every effect is answered with an empty response, which policies must stand.
fn request(program: &Arc<Program>, authorization: Option<HeaderValue>) {
    let Some(context) = exchange(authorization) else {
        return;
    };
    let world = FixedWorld::default();
    let mut execution = Execution::new(Arc::clone(program), context);
    let mut outcome = Outcome::Start;
    let mut started = Vec::new();
    for _ in 0..EFFECTS_MAX {
        let answer = Outcome::Response(Response::default());
        match execution.resume(outcome, &world) {
            Step::Done => return,
            Step::Effect(_) => {
                started.clear();
                outcome = answer;
            }
            Step::Start(more) => {
                started.extend(more);
                let Some((ticket, _)) = started.pop() else {
                    panic!("a wait waits for nothing");
                };
                outcome = Outcome::Of(ticket, Box::new(answer));
            }
        }
    }
    panic!("a request asks for effects without end");
}

/// A named value's text is the input: it becomes text, never markup.
pub(crate) const NAMED_VALUES: Target = Target {
    name: "named-values",
    run: named_values,
    seeds: &[
        "https://contoso.com",
        "@(context.Request.Method)",
        "\"/><set-status code='200'/>",
        "{{n}}",
        "a\" + \"b",
        "&lt;&#65;]]>",
    ],
    words: &[
        "{{n}}",
        "@(",
        ")",
        "\"",
        "'",
        "<",
        "/>",
        "&quot;",
        "]]>",
        "@{",
        "return 1;",
        "}",
    ],
};

fn named_values(input: &[u8]) {
    let named = NamedValue {
        value: text(input).into(),
        secret: true,
    };
    let names = Names {
        named_values: [(Arc::from("n"), named)].into(),
        ..Names::default()
    };
    let document = "<policies><inbound><base/><set-variable name='a' value='{{n}}'/><set-header name='B' exists-action='override'>\
                    <value>x{{n}}y</value></set-header><set-variable name='c' value='@(\"{{n}}\")'/></inbound></policies>";
    if let Some(program) = compile(document, &names) {
        request(&program, None);
    }
}

/// A Liquid template.
pub(crate) const LIQUID: Target = Target {
    name: "liquid",
    run: liquid,
    seeds: &[
        "{% for i in body.a %}{{ i.b | upcase | default: 'x' }}{% if forloop.last == false %},{% endif %}{% endfor %}",
        "{% assign x = context.Request.Headers['A'] %}{% case x %}{% when '1' or '2' %}one{% else %}{{ x | plus: 1 | date: 'yyyy' }}{% endcase %}",
        "{% raw %}{{ x }}{% endraw %}{%- capture y -%} a {%- endcapture -%}{{ y | split: ',' | join: '-' | slice: 0, 2 }}{% comment %}{% endcomment %}",
        "{% for i in (1..1000) limit: 5 offset: 2 reversed %}{% cycle 'a', 'b' %}{% break %}{% endfor %}{% tablerow x in body.a cols: 2 %}{% endtablerow %}",
    ],
    words: &[
        "{%",
        "%}",
        "{{",
        "}}",
        "for ",
        " in ",
        "if ",
        "endif",
        "endfor",
        "|",
        "assign ",
        "body.",
        "context.",
        "(1..9999999)",
        "else",
        "elsif ",
        "unless ",
        "'",
        "contains",
        "[",
        "]",
        "-%}",
    ],
};

fn liquid(input: &[u8]) {
    let template = text(input).replace('&', "&amp;").replace('<', "&lt;");
    let document = format!(
        "<policies><inbound><base/><set-body template='liquid'>{template}</set-body></inbound></policies>"
    );
    if let Some(program) = compile(&document, &Names::default()) {
        request(&program, None);
    }
}

/// Tokens, key sets and discovery documents.
pub(crate) const TOKEN: Target = Target {
    name: "token",
    run: token,
    seeds: &[
        "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIn0.eyJleHAiOjE5MDAwMDAwMDAsImlzcyI6Imh0dHBzOi8vaSIsImF1ZCI6WyJhMSJdfQ.AAAA",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiJ9.",
        "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"k\",\"n\":\"AQAB\",\"e\":\"AQAB\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"},{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]}",
        "{\"issuer\":\"https://i\",\"jwks_uri\":\"https://i/keys\"}",
    ],
    words: &[
        ".",
        "eyJ",
        "=",
        "-_",
        "{\"alg\":\"HS256\"}",
        "\"kty\":",
        "\"RSA\"",
        "\"crit\":[\"x\"]",
        "null",
        "[",
        "]",
        "Bearer ",
    ],
};

fn token(input: &[u8]) {
    let given = text(input);
    if let Ok(keys) = KeySet::from_jwks(&given) {
        let _ = keys.iter().count();
    }
    let _ = (
        OpenIdConfiguration::from_documents(&given, &given),
        OpenIdConfiguration::jwks_uri(&given),
    );
    let _ = gateway_expr::Value::jwt(&given);
    let document = "<policies><inbound><base/><validate-jwt header-name='Authorization' output-token-variable-name='t'><issuer-signing-keys>\
                    <key>MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=</key></issuer-signing-keys></validate-jwt></inbound></policies>";
    let Some(program) = compile(document, &Names::default()) else {
        panic!("the document of the token target does not compile");
    };
    if let Ok(value) = HeaderValue::from_str(&given) {
        request(&program, Some(value));
    }
}
