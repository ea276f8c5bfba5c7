//! Given → expected for `validate-content`.

use std::{io::Write as _, sync::Arc};

use http::HeaderValue;
use serde_json::json;

use crate::{
    context::Body,
    schema::{Definitions, Dialect, JsonSchemas, NamedSchema, NamedSchemas},
    test_support::{check_defined, check_definitions, check_load},
};

const OPENAPI: &str = r##"{"openapi": "3.0.1", "requestBody": {"content": {
    "application/json": {"schema": {"$ref": "#/components/schemas/Order"}},
    "application/lost+json": {"schema": {"$ref": "#/components/schemas/Lost"}},
    "application/loop+json": {"schema": {"$ref": "#/components/schemas/Loop"}},
    "text/plain": {}
}}, "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}}},
"components": {"schemas": {
    "Order": {"type": "object", "required": ["count"], "properties": {
        "count": {"type": "integer", "maximum": 9}, "note": {"type": "string", "nullable": true}
    }},
    "Loop": {"anyOf": [{"$ref": "#/components/schemas/Loop"}]}
}}}"##;

const INTERNAL: &str =
    "public 'The request could not be processed due to an internal error. Contact the API owner.'";

/// A policy with these attributes and children, against a request of this type and body.
#[track_caller]
fn call(attributes: &str, children: &str, media: &'static str, body: &'static [u8], expected: &str) {
    let defaults = [
        ("unspecified-content-type-action", "prevent"),
        ("max-size", "100"),
        ("size-exceeded-action", "prevent"),
    ];
    let mut text = String::from("<validate-content");
    for (name, value) in defaults.iter().filter(|(name, _)| !attributes.contains(name)) {
        text += &format!(" {name}='{value}'");
    }
    text += &format!(
        " {attributes}>{children}</validate-content><set-body/><set-header name='content-type' exists-action='delete'/>\
         <set-header name='content-length' exists-action='delete'/><set-header name='content-encoding' exists-action='delete'/>"
    );
    let change = |context: &mut crate::Context| {
        if !media.is_empty() {
            context
                .request
                .headers
                .insert("content-type", HeaderValue::from_static(media));
        }
        if body.starts_with(&[0x1f, 0x8b]) {
            context
                .request
                .headers
                .insert("content-encoding", HeaderValue::from_static("gzip"));
        }
        if body.starts_with(b"br") {
            context
                .request
                .headers
                .insert("content-encoding", HeaderValue::from_static("br"));
        }
        if !body.is_empty() {
            context.request.body = Body::Buffered(body.into());
        }
    };
    check_defined(OPENAPI, "inbound", &text, change, &[], expected);
}

const JSON: &str = "<content validate-as='json' action='prevent'/>";
const GOOD: &str = "forward content-length: 0 ''; 200";

fn bad(details: &str, public: &str) -> String {
    let space = if public.is_empty() { "" } else { " " };
    format!("400 validate-content/Bad request '{details}'{space}{public}")
}

fn wrong(message: &str) -> String {
    bad(
        &format!(
            "Body of the request does not conform to the definition Order, which is associated with the content type \
             application/json. {message}"
        ),
        "",
    )
}

#[test]
fn json_bodies_conform_or_are_refused_with_the_documented_text() {
    for (body, expected) in [
        (&br#"{"count": 3, "note": null, "more": 1}"#[..], GOOD.to_owned()),
        (
            b"{\n \"count\": 12}",
            wrong("Integer 12 exceeds maximum value of 9. Line: 2, Position: 12"),
        ),
        (
            b"{}",
            wrong("Required properties are missing from object: count. Line: 1, Position: 1"),
        ),
        (
            b"[]",
            wrong("Invalid type. Expected Object but got Array. Line: 1, Position: 1"),
        ),
        (
            b"{",
            wrong("Unexpected end when reading JSON. Line: 1, Position: 1"),
        ),
        (
            b"",
            wrong("Unexpected end when reading JSON. Line: 1, Position: 0"),
        ),
        (b"\xff", wrong("The body is not UTF-8 text. Line: 1, Position: 0")),
        (b"\xef\xbb\xbf{\"count\":1}", GOOD.to_owned()),
    ] {
        call("", JSON, "application/json; charset=utf-8", body, &expected);
    }
}

#[test]
fn sizes_are_limited_decompressed_too() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![b' '; 1_000_000]).unwrap();
    let bomb: &'static [u8] = gzip.finish().unwrap().leak();
    let mut small = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    small.write_all(br#"{"count":1}"#).unwrap();
    let small: &'static [u8] = small.finish().unwrap().leak();
    let large = |size: usize, max: usize| {
        bad(
            &format!(
                "Request's body is {size} bytes long and it exceeds the configured limit of {max} bytes."
            ),
            &format!("public 'Request's body is {size} bytes long and it exceeds the limit of {max} bytes.'"),
        )
    };
    call(
        "max-size='10'",
        JSON,
        "application/json",
        br#"{"count": 3}"#,
        &large(12, 10),
    );
    call(
        "max-size='2000'",
        JSON,
        "application/json",
        bomb,
        &large(2001, 2000),
    );
    call("", JSON, "application/json", small, GOOD);
    call(
        "max-size='10' size-exceeded-action='detect'",
        "",
        "application/json",
        br#"{"count": 3}"#,
        GOOD,
    );
    call(
        "",
        JSON,
        "application/json",
        b"br",
        &bad(
            "Body of the request cannot be validated for the content type application/json. Its content coding 'br' is not known here.",
            INTERNAL,
        ),
    );
}

#[test]
fn an_announced_size_is_refused_unread_and_other_bodies_are_read() {
    let text = "<validate-content unspecified-content-type-action='prevent' max-size='10' size-exceeded-action='prevent'>\
        <content validate-as='json' action='prevent'/></validate-content>";
    for (length, answers, expected) in [
        (
            "11",
            &[][..],
            "400 validate-content/Bad request 'Request's body is 11 bytes long and it exceeds the configured limit of 10 bytes.' \
             public 'Request's body is 11 bytes long and it exceeds the limit of 10 bytes.'",
        ),
        (
            "",
            &["body {\"count\":1234}"],
            "read request; 400 validate-content/Bad request 'Request's body is 14 bytes long and it exceeds the configured limit of 10 bytes.' public 'Request's body is 14 bytes long and it exceeds the limit of 10 bytes.'",
        ),
        (
            "",
            &["toolarge"],
            "read request; 413 validate-content/BodyTooLarge 'The body is larger than the limit of 5 bytes.'",
        ),
    ] {
        let change = |context: &mut crate::Context| {
            context
                .request
                .headers
                .insert("content-type", HeaderValue::from_static("application/json"));
            if !length.is_empty() {
                context
                    .request
                    .headers
                    .insert("content-length", HeaderValue::from_static(length));
            }
            context.request.body = Body::Streaming;
        };
        check_defined(OPENAPI, "inbound", text, change, answers, expected);
    }
}

#[test]
fn content_types_are_documented_or_mapped() {
    let unspecified = |media: &str| bad(&format!("Unspecified content type {media} is not allowed."), "");
    let good = br#"{"count": 3}"#;
    let json = "<content type='application/json' validate-as='json' action='prevent'/>";
    let maps = |inner: &str| format!("<content-type-map {inner}</content-type-map>{json}");
    for (children, media, body, expected) in [
        (json, "application/xml", &good[..], unspecified("application/xml")),
        (json, "text/plain", b"x", GOOD.to_owned()),
        ("", "application/json", b"not even JSON", GOOD.to_owned()),
        (json, "", b"", GOOD.to_owned()),
        (json, "", b"x", unspecified("")),
        (
            &maps("missing-content-type-value='application/json'>"),
            "",
            b"{}",
            wrong("Required properties are missing from object: count. Line: 1, Position: 1"),
        ),
        (
            &maps("any-content-type-value='application/json'>"),
            "text/html",
            b"{}",
            wrong("Required properties are missing from object: count. Line: 1, Position: 1"),
        ),
        (
            &maps("><type from='Application/Hal+JSON' to='application/json'/>"),
            "application/hal+json",
            good,
            GOOD.to_owned(),
        ),
        (
            &maps("><type when='@(context.Request.Method == \"GET\")' to='application/json'/>"),
            "a/b",
            b"{}",
            wrong("Required properties are missing from object: count. Line: 1, Position: 1"),
        ),
    ] {
        call("", children, media, body, &expected);
    }
    call(
        "unspecified-content-type-action='ignore'",
        json,
        "application/xml",
        good,
        GOOD,
    );
    call(
        "unspecified-content-type-action='detect' errors-variable-name='e'",
        json,
        "a/b",
        good,
        r#"forward content-length: 0 ''; 200 $e=[{"Name":"a/b","Type":"RequestBody","ValidationRule":"Unspecified","Details":"Unspecified content type a/b is not allowed.","Action":"detect"}]"#,
    );
}

#[test]
fn what_cannot_be_validated_does_not_pass() {
    for (media, details) in [
        (
            "application/lost+json",
            "API's schema does not contain definition Lost, which is associated with the content type application/lost+json.",
        ),
        (
            "application/loop+json",
            "Body of the request cannot be validated for the content type application/loop+json. Its schemas refer to each other without end.",
        ),
        (
            "text/plain",
            "API's schema does not contain definition text/plain, which is associated with the content type text/plain.",
        ),
    ] {
        call("", JSON, media, b"1", &bad(details, INTERNAL));
    }
    let text = "<validate-content unspecified-content-type-action='ignore' max-size='9' size-exceeded-action='ignore'>\
        <content type='a/b' validate-as='json' action='prevent'/></validate-content>";
    let change = |context: &mut crate::Context| {
        context
            .request
            .headers
            .insert("content-type", HeaderValue::from_static("a/b"));
        context.request.body = Body::Buffered("1".into());
    };
    let expected = bad(
        "API's schema does not exist or it could not be resolved.",
        INTERNAL,
    );
    check_definitions(Definitions::default(), "inbound", text, change, &[], &expected);
}

#[test]
fn overrides_apply_to_json() {
    let with = |a: &str| format!("<content validate-as='json' action='prevent' {a}/>");
    for (attributes, body, expected) in [
        (
            "allow-additional-properties='false'",
            &br#"{"count":1,"x":2}"#[..],
            wrong(
                "Property 'x' has not been defined and the schema does not allow additional properties. Line: 1, Position: 16",
            ),
        ),
        (
            "allow-additional-properties='true'",
            br#"{"count":1,"x":2}"#,
            GOOD.to_owned(),
        ),
        (
            "case-insensitive-property-names='true'",
            br#"{"COUNT":1}"#,
            GOOD.to_owned(),
        ),
        (
            "case-insensitive-property-names='false'",
            br#"{"COUNT":1}"#,
            wrong("Required properties are missing from object: count. Line: 1, Position: 1"),
        ),
    ] {
        call("", &with(attributes), "application/json", body, &expected);
    }
    call(
        "",
        "<content validate-as='json' action='ignore'/>",
        "application/json",
        b"x",
        GOOD,
    );
    call(
        "errors-variable-name='e'",
        "<content validate-as='json' action='detect'/>",
        "application/json",
        b"{}",
        r#"forward content-length: 0 ''; 200 $e=[{"Name":"application/json","Type":"RequestBody","ValidationRule":"IncorrectMessage","Details":"Body of the request does not conform to the definition Order, which is associated with the content type application/json. Required properties are missing from object: count. Line: 1, Position: 1","Action":"detect"}]"#,
    );
}

#[test]
fn schemas_of_the_service_are_named_by_id() {
    let schema = json!({"type": "array", "$defs": {"n": {"type": "integer"}}});
    let mut schemas = NamedSchemas::default();
    schemas.extend([
        (
            "list".into(),
            NamedSchema::Json(Arc::new(JsonSchemas::new(schema, Dialect::Latest))),
        ),
        ("broken".into(), NamedSchema::Refused("It is no JSON.".into())),
    ]);
    let definitions = Definitions {
        operation: None,
        schemas: Some(Arc::new(schemas)),
    };
    let conform = |name: &str, message: &str| {
        bad(
            &format!(
                "Body of the request does not conform to the definition {name}, which is associated with the content \
                 type a/b. {message} Line: 1, Position: 1"
            ),
            "",
        )
    };
    for (attributes, body, expected) in [
        (
            "schema-id='list'",
            "[]",
            "forward content-type: a/b '[]'; 200".to_owned(),
        ),
        (
            "schema-id='list'",
            "1",
            conform("list", "Invalid type. Expected Array but got Integer."),
        ),
        (
            "schema-id='list' schema-ref='#/$defs/n'",
            "[]",
            conform("n", "Invalid type. Expected Integer but got Array."),
        ),
        (
            "schema-id='list' schema-ref='#/none'",
            "[]",
            bad(
                "API's schema does not contain definition /none, which is associated with the content type a/b.",
                INTERNAL,
            ),
        ),
        (
            "schema-id='other'",
            "[]",
            bad(
                "API's schema does not contain definition other, which is associated with the content type a/b.",
                INTERNAL,
            ),
        ),
        (
            "schema-id='broken'",
            "[]",
            bad(
                "Body of the request cannot be validated for the content type a/b. It is no JSON.",
                INTERNAL,
            ),
        ),
    ] {
        let text = format!(
            "<validate-content unspecified-content-type-action='ignore' max-size='9' size-exceeded-action='ignore'>\
             <content type='a/b' validate-as='json' action='prevent' {attributes}/></validate-content>"
        );
        let change = |context: &mut crate::Context| {
            context
                .request
                .headers
                .insert("content-type", HeaderValue::from_static("a/b"));
            context.request.body = Body::Buffered(body.into());
        };
        check_definitions(definitions.clone(), "inbound", &text, change, &[], &expected);
    }
}

#[test]
fn answers_are_checked_in_outbound_and_told_to_nobody() {
    let text = "<set-header name='content-type' exists-action='override'><value>application/json</value></set-header>\
        <validate-content unspecified-content-type-action='prevent' max-size='99' size-exceeded-action='prevent'>\
        <content validate-as='json' action='prevent'/></validate-content>";
    for (answer, expected) in [
        (
            "200 {\"count\":1}",
            "forward; 200 content-type: application/json '{\"count\":1}'".to_owned(),
        ),
        (
            "200 {}",
            format!(
                "forward; 502 validate-content/Response not allowed 'Body of the response does not conform to the \
                 definition Order, which is associated with the content type application/json. Required properties are \
                 missing from object: count. Line: 1, Position: 1' {INTERNAL}"
            ),
        ),
        (
            "404 {}",
            format!(
                "forward; 502 validate-content/Response not allowed 'Unspecified content type application/json is not \
                 allowed.' {INTERNAL}"
            ),
        ),
    ] {
        check_defined(OPENAPI, "outbound", text, |_| {}, &[answer], &expected);
    }
}

#[test]
fn attributes() {
    let with = |a: &str, c: &str| format!("<validate-content {a}>{c}</validate-content>");
    let all = "unspecified-content-type-action='ignore' max-size='1' size-exceeded-action='ignore'";
    for (text, expected) in [
        (
            with("unspecified-content-type-action='ignore' max-size='1'", ""),
            "missing-attribute: `validate-content` needs the attribute `size-exceeded-action`",
        ),
        (
            with(
                "unspecified-content-type-action='ignore' max-size='4194305' size-exceeded-action='ignore'",
                "",
            ),
            "bad-value: `max-size` of `validate-content` must be a whole number from 0 to 4194304",
        ),
        (
            with(all, "<content validate-as='yaml' action='ignore'/>"),
            "bad-value: `validate-as` of `content` must be one of `json`, `xml`, `soap`",
        ),
        (
            with(
                all,
                "<content validate-as='json' action='ignore' schema-ref='#/a'/>",
            ),
            "missing-attribute: `schema-ref` points into the schema named by `schema-id`, which is missing",
        ),
        (
            with(all, "<content-type-map><type to='a/b'/></content-type-map>"),
            "missing-attribute: `type` needs either `from` or `when`",
        ),
        (
            with(all, "<content validate-as='json' action='@(\"ignore\")'/>"),
            "loads",
        ),
    ] {
        check_load("inbound", &text, expected);
    }
}
