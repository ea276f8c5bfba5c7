//! Import rules on small specifications of all kinds.

use std::collections::BTreeMap;

use super::*;

fn folder(files: &[(&str, &str)]) -> ApiFolder {
    let specifications: BTreeMap<String, File> = files
        .iter()
        .map(|(extension, text)| {
            let path = format!("apis/a/specification.{extension}");
            (
                (*extension).to_owned(),
                File {
                    path,
                    bytes: Arc::from(text.as_bytes()),
                },
            )
        })
        .collect();
    ApiFolder {
        name: "a".into(),
        specifications,
        ..ApiFolder::default()
    }
}

fn read_one(extension: &str, text: &str, kind: ApiKind) -> Specification {
    read(&folder(&[(extension, text)]), kind, true)
}

/// `name METHOD template` of every operation.
fn lines(spec: &Specification) -> Vec<String> {
    spec.operations
        .iter()
        .map(|o| format!("{} {} {}", o.name, o.method, o.url_template))
        .collect()
}

const V3: &str = r"
openapi: 3.0.1
info: {title: t, version: '1'}
paths:
  /items/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string}}
      - {name: shared, in: query, required: true}
    get:
      operationId: getItem
      summary: One item
      parameters:
        - {name: expand, in: query, required: true}
        - {name: page, in: query}
        - $ref: '#/components/parameters/Tenant'
        - {name: shared, in: query, required: false}
        - {name: x-h, in: header, required: true}
      responses:
        '200':
          content:
            application/json: {example: {id: 7}}
            text/plain: {examples: {a: {value: seven}, b: {value: eight}}}
        '404':
          $ref: '#/components/responses/Missing'
        default: {description: other}
    post: {}
    PUT: {operationId: 'Put Item'}
    trace: {}
    head: {operationId: getItem}
    x-own: {}
    fetch: {}
  /sdk/*:
    get: {operationId: sdk}
  x-other: {}
x-ms-paths:
  /items?op=count:
    get: {operationId: count}
components:
  parameters:
    Tenant: {name: tenant, in: query, required: true}
  responses:
    Missing:
      content:
        application/json: {schema: {$ref: '#/components/schemas/Error'}}
  schemas:
    Error:
      type: object
      properties:
        code: {type: integer}
        text: {type: string, default: gone}
        kind: {enum: [a, b]}
        list: {type: array, items: {type: boolean}}
        next: {$ref: '#/components/schemas/Error'}
";

#[test]
fn openapi_3() {
    let spec = read_one("yaml", V3, ApiKind::Http);
    assert_eq!(
        lines(&spec),
        [
            "getItem GET /items/{id}?expand={expand}&tenant={tenant}",
            "post-items-id POST /items/{id}?shared={shared}",
            "Put-Item PUT /items/{id}?shared={shared}",
            "getItem-1 HEAD /items/{id}?shared={shared}",
            "sdk GET /sdk/*",
            "count GET /items?op=count",
        ]
    );
    let codes: Vec<(&str, u32)> = spec.problems.iter().map(|p| (p.code, p.line)).collect();
    assert_eq!(codes, [("trace-operation", 28), ("unknown-method", 31)]);
    assert_eq!(spec.refused, None);
    let first = &spec.operations[0];
    assert_eq!(first.display_name, "One item");
    let answers: Vec<String> = first
        .responses
        .iter()
        .flat_map(|r| r.representations.iter().map(move |m| (r.status.as_u16(), m)))
        .map(|(status, m)| {
            format!(
                "{status} {} {}",
                m.content_type,
                m.example.as_deref().unwrap_or("-")
            )
        })
        .collect();
    assert_eq!(
        answers[..2],
        ["200 application/json {\"id\":7}", "200 text/plain seven"]
    );
    assert!(
        answers[3]
            .starts_with(r#"404 application/json {"code":0,"text":"gone","kind":"a","list":[true],"next":{"#)
    );
    assert!(
        answers[3].len() < 400,
        "a recursive schema is cut: {}",
        answers[3]
    );
    let names: Vec<&str> = first.query_parameters.iter().map(|n| &**n).collect();
    assert_eq!(names, ["shared", "expand", "page", "tenant"]);
}

#[test]
fn openapi_2_in_json() {
    let spec = read_one(
        "json",
        r##"{"swagger": "2.0", "produces": ["application/json"], "parameters": {"P": {"name": "p", "in": "query", "required": true}},
            "paths": {"/a": {"get": {"operationId": "a b", "parameters": [{"$ref": "#/parameters/P"}],
                "responses": {"200": {"schema": {"type": "object", "properties": {"n": {"type": "number"}}}},
                              "201": {"examples": {"text/xml": "<a/>"}}}}}}}"##,
        ApiKind::Http,
    );
    assert_eq!(lines(&spec), ["a-b GET /a?p={p}"]);
    assert_eq!(spec.problems, []);
    let r = &spec.operations[0].responses;
    assert_eq!(r[0].representations[0].example.as_deref(), Some(r#"{"n":0}"#));
    assert_eq!(&*r[1].representations[0].content_type, "text/xml");
}

#[test]
fn an_example_that_is_too_long_is_named() {
    let long = "x".repeat(70_000);
    let text = format!(
        "openapi: 3.0.1\npaths:\n  /a:\n    get:\n      responses:\n        '200': {{content: {{text/plain: {{example: {long}}}}}}}\n"
    );
    let spec = read_one("yaml", &text, ApiKind::Http);
    assert_eq!(
        (spec.problems[0].code, spec.problems[0].line),
        ("example-too-long", 6)
    );
    assert_eq!(spec.operations[0].responses[0].representations[0].example, None);
}

#[test]
fn what_is_no_specification_refuses_the_api() {
    for (extension, text, code, part) in [
        ("yaml", "", "unknown-specification", "OpenAPI 2.0, 3.0 and 3.1"),
        (
            "yaml",
            "openapi: 4.0.0\n",
            "unknown-specification",
            "OpenAPI 2.0, 3.0 and 3.1",
        ),
        (
            "yaml",
            "openapi: 3.0.1\npaths: []\n",
            "wrong-type",
            "object of paths",
        ),
        ("yaml", "a: [", "bad-yaml", ""),
        ("json", "", "bad-json", "empty"),
        ("json", "{\"swagger\": \"2.0\"", "bad-json", "ends before"),
        ("wadl", "<application/>", "wadl", "export the API as OpenAPI"),
        ("wsdl", "<definitions/>", "empty-specification", "no SOAP binding"),
        ("wsdl", "<<<", "empty-specification", "no SOAP binding"),
        (
            "proto",
            "syntax = \"proto3\";",
            "empty-specification",
            "no `service`",
        ),
    ] {
        let spec = read_one(extension, text, ApiKind::Http);
        assert!(spec.refused.is_some(), "{extension} {text}");
        let found = spec
            .problems
            .iter()
            .find(|p| p.code == code)
            .unwrap_or_else(|| panic!("{text}: {:?}", spec.problems));
        assert!(found.message.contains(part), "{found}");
    }
}

#[test]
fn references_that_lead_nowhere_are_reported() {
    let spec = read_one(
        "yaml",
        "openapi: 3.1.0\npaths:\n  /a:\n    get:\n      parameters:\n        - $ref: '#/components/parameters/None'\n        - $ref: 'other.yaml#/P'\n        - $ref: '#/paths/~1a/get/parameters/0'\n      responses: {'200': {$ref: '#/x'}}\n",
        ApiKind::Http,
    );
    assert_eq!(lines(&spec), ["get-a GET /a"]);
    assert_eq!(
        spec.problems.iter().filter(|p| p.code == "bad-reference").count(),
        3
    );
}

#[test]
fn the_first_file_in_order_counts() {
    let json = r#"{"openapi": "3.0.0", "paths": {"/j": {"get": {}}}}"#;
    let spec = read(
        &folder(&[
            ("json", json),
            ("yaml", "openapi: 3.0.0\npaths: {/y: {get: {}}}\n"),
        ]),
        ApiKind::Http,
        false,
    );
    assert_eq!(lines(&spec), ["get-j GET /j"]);
    assert_eq!(spec.problems[0].code, "second-specification");
    assert_eq!(spec.problems[0].path, "apis/a/specification.yaml");
}

#[test]
fn kinds_without_openapi() {
    let none = |kind| read(&folder(&[]), kind, false);
    assert_eq!(lines(&none(ApiKind::WebSocket)), ["onHandshake GET /*"]);
    assert_eq!(
        lines(&none(ApiKind::GraphQl)),
        ["graphql-post POST /", "graphql-get GET /"]
    );
    assert_eq!(lines(&none(ApiKind::Grpc)), ["grpc POST /*"]);
    for kind in [ApiKind::Http, ApiKind::Soap, ApiKind::OData] {
        let spec = none(kind);
        assert_eq!(
            (spec.operations.len(), spec.problems[0].code),
            (0, "no-specification")
        );
    }
    let proto = "syntax = \"proto3\"; // service No { rpc No(A) returns (B); }\npackage a.b;\n/* rpc */\n\
                 service Greeter {\n  rpc Say (Hello) returns (stream Reply) {}\n  rpc Bye(Hello) returns (Reply);\n}\n";
    let spec = read_one("proto", proto, ApiKind::Grpc);
    assert_eq!(
        lines(&spec),
        [
            "Greeter-Say POST /a.b.Greeter/Say",
            "Greeter-Bye POST /a.b.Greeter/Bye"
        ]
    );
}

#[test]
fn wsdl_operations_by_action() {
    let wsdl = r#"<?xml version="1.0"?><!-- <binding type="x"> --><wsdl:definitions>
        <wsdl:portType name="T"><wsdl:operation name="Add"/></wsdl:portType>
        <wsdl:binding name="B" type="tns:T"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
          <wsdl:operation name="Add"><soap:operation soapAction="urn:add>x"/><wsdl:input/></wsdl:operation>
          <wsdl:operation name="Sub Two"><soap:operation soapAction='urn:sub'/></wsdl:operation>
          <wsdl:operation name="Plain"/>
        </wsdl:binding>
        <wsdl:binding name="B12" type="tns:T"><wsdl:operation name="Add"><soap12:operation soapAction="urn:other"/></wsdl:operation></wsdl:binding>
      </wsdl:definitions>"#;
    let spec = read_one("wsdl", wsdl, ApiKind::Soap);
    let got: Vec<(&str, Option<&str>)> = spec
        .operations
        .iter()
        .map(|o| (o.name.as_str(), o.soap_action.as_deref()))
        .collect();
    assert_eq!(
        got,
        [
            ("Add", Some("urn:add>x")),
            ("Sub-Two", Some("urn:sub")),
            ("Plain", Some("Plain"))
        ]
    );
    assert!(spec.names_unknown);
}

mod damage {
    use proptest::prelude::*;

    use super::*;

    const WSDL: &str = "<?xml version='1.0'?><d><binding name=\"B\" type=\"t\"><operation name='é'><operation soapAction=\"u\"/>\
                        </operation></binding><!-- x --><![CDATA[<a>]]></d>";
    const PROTO: &str = "package a.b; service S { rpc M (A) returns (B); /* x */ } // é";

    proptest! {
        #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

        /// A specification cut, overwritten or mixed up never panics, and an API without operations says why.
        #[test]
        fn any_damage_is_told(
            which in 0_usize..4,
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "\\PC{0,8}"), 0..5),
        ) {
            let json = r##"{"swagger": "2.0", "paths": {"/a": {"get": {"parameters": [{"$ref": "#/p"}], "responses": {"200": {}}}}}}"##;
            let (extension, text) = [("yaml", V3), ("json", json), ("wsdl", WSDL), ("proto", PROTO)][which];
            let mut chars: Vec<char> = text.chars().collect();
            for (at, len, new) in edits {
                let at = at.index(chars.len() + 1);
                let end = (at + len.index(40)).min(chars.len());
                chars.splice(at..end, new.chars());
            }
            let text: String = chars.into_iter().collect();
            let spec = read_one(extension, &text, ApiKind::Http);
            prop_assert!(!spec.operations.is_empty() || !spec.problems.is_empty() || spec.refused.is_none());
            prop_assert_eq!(spec.refused.is_some(), spec.problems.iter().any(|p| p.severity == crate::Severity::Scope));
        }
    }
}
