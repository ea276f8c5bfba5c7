//! Given → expected for the keywords, hostile schemas, and the official suite where somebody has it.

use std::path::Path;

use serde_json::{Value, json};

use super::{Direction, Options, check};
use crate::schema::{
    document::{Dialect, JsonSchemas},
    json,
};

/// Faults of a body, joined, or why there is no verdict.
fn verdict(schema: Value, body: &str, dialect: Dialect, options: Options) -> String {
    let schemas = JsonSchemas::new(schema, dialect);
    let (node, values) = json::read(body).unwrap();
    let root = schemas.get("").unwrap();
    match check(&schemas, root, &node, values, options) {
        Ok(faults) => faults
            .into_iter()
            .map(|f| f.message)
            .collect::<Vec<_>>()
            .join(" | "),
        Err(stop) => format!("stopped: {stop}"),
    }
}

#[track_caller]
fn case(schema: Value, body: &str, expected: &str) {
    let got = verdict(schema.clone(), body, Dialect::Latest, Options::default());
    assert_eq!(got, expected, "{schema} {body}");
}

#[test]
fn faults_say_what_is_wrong() {
    case(
        json!({"type": "integer"}),
        "\"5\"",
        "Invalid type. Expected Integer but got String.",
    );
    case(
        json!({"type": ["integer", "null"]}),
        "1.5",
        "Invalid type. Expected Integer, Null but got Number.",
    );
    case(json!({"type": "integer"}), "1.0", "");
    case(
        json!({"required": ["a", "b"]}),
        "{\"a\":1}",
        "Required properties are missing from object: b.",
    );
    case(
        json!({"properties": {"a": {}}, "additionalProperties": false}),
        "{\"a\":1,\"x\":2}",
        "Property 'x' has not been defined and the schema does not allow additional properties.",
    );
    case(
        json!({"enum": ["a", 1]}),
        "\"b\"",
        "Value \"b\" is not defined in enum.",
    );
    case(json!({"enum": ["a", 1]}), "1.0", "");
    case(
        json!({"const": {"a": [1]}}),
        "{\"a\":[2]}",
        "Value {...} does not match const.",
    );
    case(
        json!({"minLength": 3}),
        "\"é😀\"",
        "String 'é😀' is less than minimum length of 3.",
    );
    case(
        json!({"maxLength": 1}),
        "\"ab\"",
        "String 'ab' exceeds maximum length of 1.",
    );
    case(
        json!({"pattern": "^a"}),
        "\"b\"",
        "String 'b' does not match regex pattern '^a'.",
    );
    case(
        json!({"format": "date"}),
        "\"x\"",
        "String 'x' does not validate against format 'date'.",
    );
    case(
        json!({"minimum": 10}),
        "5",
        "Integer 5 is less than minimum value of 10.",
    );
    case(
        json!({"maximum": 1}),
        "1.5",
        "Number 1.5 exceeds maximum value of 1.",
    );
    case(
        json!({"exclusiveMinimum": 5}),
        "5",
        "Integer 5 equals minimum value of 5 and exclusive minimum is true.",
    );
    case(
        json!({"maximum": 5, "exclusiveMaximum": true}),
        "5",
        "Integer 5 equals maximum value of 5 and exclusive maximum is true.",
    );
    case(
        json!({"multipleOf": 0.1}),
        "0.35",
        "Number 0.35 is not a multiple of 0.1.",
    );
    case(
        json!({"minItems": 1}),
        "[]",
        "Array item count 0 is less than minimum count of 1.",
    );
    case(
        json!({"uniqueItems": true}),
        "[1,{\"a\":1,\"b\":2},{\"b\":2,\"a\":1.0}]",
        "Non-unique array item at index 2.",
    );
    case(
        json!({"maxProperties": 0}),
        "{\"a\":1}",
        "Object property count 1 exceeds maximum count of 0.",
    );
    case(
        json!({"anyOf": [{"type": "null"}]}),
        "1",
        "JSON does not match any schemas from 'anyOf'.",
    );
    case(
        json!({"oneOf": [{}, {"type": "null"}, {}]}),
        "1",
        "JSON is valid against more than one schema from 'oneOf'. Valid schema indexes: 0, 2.",
    );
    case(
        json!({"not": {}}),
        "1",
        "JSON is valid against schema from 'not'.",
    );
    case(
        json!({"properties": {"a": false}}),
        "{\"a\":1}",
        "Schema always fails validation.",
    );
    case(
        json!({"dependencies": {"a": ["b"]}}),
        "{\"a\":1}",
        "Dependencies for property 'a' failed. Missing required keys: b.",
    );
    // Both of a repeated member are looked at: the backend may take either.
    case(
        json!({"properties": {"a": {"type": "string"}}}),
        "{\"a\":1,\"a\":\"x\"}",
        "Invalid type. Expected String but got Integer.",
    );
}

#[test]
fn openapi_has_words_of_its_own() {
    let schema = json!({
        "required": ["id", "secret", "name"],
        "properties": {
            "id": {"type": "integer", "readOnly": true},
            "secret": {"type": "string", "writeOnly": true},
            "name": {"type": "string", "nullable": true, "maxLength": 3},
        },
    });
    for (direction, body, expected) in [
        (Direction::Request, r#"{"secret":"s","name":null}"#, ""),
        (
            Direction::Request,
            r#"{"name":"n"}"#,
            "Required properties are missing from object: secret.",
        ),
        (
            Direction::Response,
            r#"{"id":1,"name":"long"}"#,
            "String 'long' exceeds maximum length of 3.",
        ),
        (
            Direction::Response,
            r#"{"name":"n"}"#,
            "Required properties are missing from object: id.",
        ),
    ] {
        let options = Options {
            direction: Some(direction),
            ..Options::default()
        };
        assert_eq!(
            verdict(schema.clone(), body, Dialect::OpenApi30, options),
            expected,
            "{body}"
        );
    }
    // In JSON Schema these words mean nothing.
    let none = verdict(
        json!({"type": "string", "nullable": true}),
        "null",
        Dialect::Latest,
        Options::default(),
    );
    assert_eq!(none, "Invalid type. Expected String but got Null.");
}

#[test]
fn policies_override_additional_members_and_case() {
    let open = json!({"allOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"b": {}}}]});
    let closed = json!({"properties": {"a": {"type": "integer"}}, "additionalProperties": false});
    let with = |additional, ignore_case| Options {
        additional,
        ignore_case,
        ..Options::default()
    };
    for (schema, options, body, expected) in [
        (&open, with(None, false), r#"{"a":1,"b":2,"c":3}"#, ""),
        (&open, with(Some(false), false), r#"{"a":1,"b":2}"#, ""),
        (
            &open,
            with(Some(false), false),
            r#"{"a":1,"c":3}"#,
            "Property 'c' has not been defined and the schema does not allow additional properties.",
        ),
        (&closed, with(Some(true), false), r#"{"c":3}"#, ""),
        (
            &closed,
            with(None, false),
            r#"{"A":3}"#,
            "Property 'A' has not been defined and the schema does not allow additional properties.",
        ),
        (&closed, with(None, true), r#"{"A":3}"#, ""),
        (
            &closed,
            with(None, true),
            r#"{"A":"x"}"#,
            "Invalid type. Expected Integer but got String.",
        ),
    ] {
        assert_eq!(
            verdict(schema.clone(), body, Dialect::Latest, options),
            expected,
            "{body}"
        );
    }
}

#[test]
fn hostile_schemas_end_without_a_verdict() {
    case(
        json!({"$ref": "#"}),
        "1",
        "stopped: Its schemas refer to each other without end.",
    );
    case(
        json!({"$ref": "#/a", "a": {"allOf": [{"$ref": "#/b"}]}, "b": {"anyOf": [{"$ref": "#/a"}]}}),
        "1",
        "stopped: Its schemas refer to each other without end.",
    );
    case(
        json!({"$ref": "http://example.com/schema"}),
        "1",
        "stopped: The reference 'http://example.com/schema' leads nowhere.",
    );
    // Each level of the body doubles the work: 2^60 without a budget.
    let expression = json!({
        "anyOf": [
            {"properties": {"x": {"$ref": "#"}, "y": false}, "required": ["y"]},
            {"properties": {"x": {"$ref": "#"}, "z": false}, "required": ["z"]},
            {"type": "null"},
        ],
    });
    let body = format!("{}1{}", "{\"x\":".repeat(60), "}".repeat(60));
    let began = std::time::Instant::now();
    let got = verdict(expression, &body, Dialect::Latest, Options::default());
    assert!(!got.is_empty(), "it must not pass");
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    // A pattern that goes back and forth without end.
    let got = verdict(
        json!({"pattern": "^(?=(a+)+$)(a|aa)+$(?<!b)\\1"}),
        &format!("\"{}!\"", "a".repeat(60)),
        Dialect::Latest,
        Options::default(),
    );
    assert!(!got.is_empty(), "it must not pass");
}

#[test]
fn dynamic_references_lead_to_the_outermost_anchor() {
    let list = json!({
        "$id": "https://x.test/root", "$ref": "list",
        "$defs": {
            "text": { "$dynamicAnchor": "item", "type": "string" },
            "list": { "$id": "list", "type": "array", "items": { "$dynamicRef": "#item" }, "$defs": { "any": { "$dynamicAnchor": "item" } } },
        },
    });
    case(list.clone(), r#"["a"]"#, "");
    case(list, "[1]", "Invalid type. Expected String but got Integer.");
    let tree = json!({
        "$schema": "https://json-schema.org/draft/2019-09/schema", "$id": "https://x.test/strict", "$recursiveAnchor": true,
        "$ref": "tree", "unevaluatedProperties": false,
        "$defs": { "tree": { "$id": "tree", "$recursiveAnchor": true, "type": "object", "properties": { "child": { "$recursiveRef": "#" } } } },
    });
    case(tree.clone(), r#"{"child":{"child":{}}}"#, "");
    case(
        tree,
        r#"{"child":{"chid":{}}}"#,
        "Property 'chid' has not been defined and the schema does not allow additional properties.",
    );
}

/// The official test suite, where `JSON_SCHEMA_SUITE` names its `tests` folder.
#[test]
fn official_suite() {
    let Some(folder) = std::env::var_os("JSON_SCHEMA_SUITE") else {
        println!("SKIP: JSON_SCHEMA_SUITE does not name the `tests` folder of the JSON Schema test suite");
        return;
    };
    for (draft, dialect, least) in [
        ("draft4", Dialect::Draft7, 820),
        ("draft7", Dialect::Draft7, 1460),
        ("draft2019-09", Dialect::Latest, 1865),
        ("draft2020-12", Dialect::Latest, 1895),
    ] {
        let (mut passed, mut failed, mut remote) = (0, Vec::new(), 0);
        let own = std::fs::read_dir(Path::new(&folder).join(draft)).unwrap();
        // Formats are asserted here, as .NET's validator does.
        let formats = std::fs::read_dir(Path::new(&folder).join(draft).join("optional/format")).unwrap();
        let mut in_formats = 0;
        for (is_format, entry) in own.map(|e| (false, e)).chain(formats.map(|e| (true, e))) {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "json") {
                continue;
            }
            let groups: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            for group in groups.as_array().unwrap() {
                for test in group["tests"].as_array().unwrap() {
                    let got = verdict(
                        group["schema"].clone(),
                        &test["data"].to_string(),
                        dialect,
                        Options::default(),
                    );
                    if path.ends_with("refRemote.json") {
                        remote += usize::from(got.starts_with("stopped"));
                    }
                    if got.is_empty() == test["valid"].as_bool().unwrap() {
                        passed += 1;
                    } else {
                        in_formats += usize::from(is_format);
                        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
                        failed.push(format!(
                            "{file}: {} / {}: {got}",
                            group["description"], test["description"]
                        ));
                    }
                }
            }
        }
        println!(
            "{draft}: {passed} passed, {} failed, {in_formats} of them in optional formats; {remote} lead out of the document\n  {}",
            failed.len(),
            failed.join("\n  ")
        );
        assert!(passed >= least, "{draft}: {passed} passed, {least} did before");
    }
}
