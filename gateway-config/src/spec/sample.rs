//! A sample value from a JSON schema, as `mock-response` returns it when the specification has no example.

use serde_json::{Map, Value};

use super::openapi::follow;
use crate::doc::Node;

/// Nesting after which a sample is cut: recursive schemas have no end.
const MAX_DEPTH: usize = 6;
/// Members and items of one sample: bounds memory for wide schemas.
const MAX_VALUES: usize = 200;

/// A sample as JSON text; `None` when the schema says nothing.
pub(super) fn sample(root: &Node, schema: &Node) -> Option<String> {
    let mut left = MAX_VALUES;
    value(root, schema, MAX_DEPTH, &mut left).map(|v| v.to_string())
}

fn value(root: &Node, schema: &Node, depth: usize, left: &mut usize) -> Option<Value> {
    if depth == 0 || *left == 0 {
        return None;
    }
    *left -= 1;
    let schema = follow(root, schema, MAX_DEPTH).ok()?;
    if let Some(given) = schema.get("example").or_else(|| schema.get("default")) {
        return Some(given.to_json());
    }
    if let Some(first) = schema.get("enum").and_then(|e| e.items().first()) {
        return Some(first.to_json());
    }
    if let Some(parts) = schema.get("allOf") {
        let mut merged = Map::new();
        for part in parts.items() {
            if let Some(Value::Object(members)) = value(root, part, depth - 1, left) {
                merged.extend(members);
            }
        }
        return Some(Value::Object(merged));
    }
    if let Some(first) = ["oneOf", "anyOf"]
        .iter()
        .find_map(|k| schema.get(k)?.items().first())
    {
        return value(root, first, depth - 1, left);
    }
    let kind = schema
        .get("type")
        .and_then(|t| t.as_text().or_else(|| t.items().iter().find_map(Node::as_text)));
    match kind {
        Some("object") => Some(object(root, schema, depth, left)),
        Some("array") => {
            let item = schema.get("items").and_then(|i| value(root, i, depth - 1, left));
            Some(Value::Array(item.into_iter().collect()))
        }
        Some("integer" | "number") => Some(Value::from(0)),
        Some("boolean") => Some(Value::Bool(true)),
        Some("string") => Some(Value::from("string")),
        _ if schema.get("properties").is_some() => Some(object(root, schema, depth, left)),
        _ => None,
    }
}

fn object(root: &Node, schema: &Node, depth: usize, left: &mut usize) -> Value {
    let mut members = Map::new();
    for (key, property) in schema.get("properties").map_or(&[][..], Node::members) {
        if let Some(v) = value(root, property, depth - 1, left) {
            members.insert(key.name.clone(), v);
        }
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples() {
        let root =
            "defs:\n  Loop: {type: object, properties: {next: {$ref: '#/defs/Loop'}, n: {type: integer}}}\n";
        for (schema, expected) in [
            ("{type: string}", Some(r#""string""#)),
            ("{type: [string, 'null']}", Some(r#""string""#)),
            ("{type: integer}", Some("0")),
            ("{type: boolean}", Some("true")),
            ("{type: string, example: x}", Some(r#""x""#)),
            ("{type: string, default: d}", Some(r#""d""#)),
            ("{enum: [b, a]}", Some(r#""b""#)),
            ("{type: array, items: {type: number}}", Some("[0]")),
            ("{type: array}", Some("[]")),
            (
                "{properties: {a: {type: string}, b: {}}}",
                Some(r#"{"a":"string"}"#),
            ),
            (
                "{allOf: [{properties: {a: {type: integer}}}, {properties: {b: {type: boolean}}}]}",
                Some(r#"{"a":0,"b":true}"#),
            ),
            ("{oneOf: [{type: integer}, {type: string}]}", Some("0")),
            ("{anyOf: [{type: string}]}", Some(r#""string""#)),
            ("{$ref: '#/defs/None'}", None),
            ("{}", None),
        ] {
            let mut problems = Vec::new();
            let root = crate::doc::read("r.yaml", root.as_bytes(), &mut problems).unwrap();
            let schema_node = crate::doc::read("s.yaml", schema.as_bytes(), &mut problems).unwrap();
            assert_eq!(sample(&root, &schema_node).as_deref(), expected, "{schema}");
        }
    }

    #[test]
    fn recursion_and_width_are_cut() {
        let mut problems = Vec::new();
        let text = "{defs: {L: {type: object, properties: {a: {$ref: '#/defs/L'}, b: {$ref: '#/defs/L'}, c: {$ref: '#/defs/L'}, d: {$ref: '#/defs/L'}}}}}";
        let root = crate::doc::read("r.yaml", text.as_bytes(), &mut problems).unwrap();
        let schema = crate::doc::read("s.yaml", b"{$ref: '#/defs/L'}", &mut problems).unwrap();
        assert!(sample(&root, &schema).unwrap().len() < 10_000);
    }
}
