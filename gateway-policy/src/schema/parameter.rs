//! Values of parameters: from the texts of a message to the value their schema describes.
//!
//! Source: OpenAPI 3.0.3, "Parameter Object" and "Style Values"; Swagger 2.0, `collectionFormat`.

use serde_json::Value;

use super::{
    definition::{Parameter, Style},
    document::JsonSchemas,
    json::{self, Json, Node, shorten},
};

/// Schemas looked through for a type: `allOf` of references in real definitions is a few deep.
const LOOKS_MAX: usize = 16;

/// Why texts are no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// There are several, and the definition has one.
    Several,
    /// A text is not of its type, and why.
    Type(String),
}

/// The value that `texts`, all of one name, stand for, and how many values are in it.
pub(crate) fn value(
    schemas: &JsonSchemas,
    schema: &Value,
    parameter: &Parameter,
    texts: &[String],
) -> Result<(Node, usize), Unreadable> {
    if parameter.style == Style::Json {
        let [text] = texts else {
            return Err(Unreadable::Several);
        };
        return json::read(text).map_err(|e| Unreadable::Type(e.message));
    }
    let kind = type_of(schemas, schema);
    match kind.as_deref() {
        Some("array") => {
            let items = find(schemas, schema, "items");
            let kind = items.and_then(|i| type_of(schemas, i));
            let pieces = pieces(parameter, texts)?;
            let nodes: Result<Vec<Node>, _> = pieces.iter().map(|p| scalar(p, kind.as_deref())).collect();
            let nodes = nodes?;
            let count = nodes.len() + 1;
            Ok((node(Json::List(nodes)), count))
        }
        Some("object") => object(schemas, schema, parameter, texts),
        other => {
            let [text] = texts else {
                return Err(Unreadable::Several);
            };
            let text = match parameter.style {
                Style::Label => text.strip_prefix('.').unwrap_or(text),
                Style::Matrix => matrix(parameter, text),
                _ => text,
            };
            Ok((scalar(text, other)?, 1))
        }
    }
}

/// The names of the members of a parameter that is an object.
pub(crate) fn member_names(schemas: &JsonSchemas, schema: &Value) -> Vec<String> {
    let properties = find(schemas, schema, "properties").and_then(Value::as_object);
    properties.map_or_else(Vec::new, |p| p.keys().cloned().collect())
}

/// True when the schema describes an object.
pub(crate) fn is_object(schemas: &JsonSchemas, schema: &Value) -> bool {
    type_of(schemas, schema).as_deref() == Some("object")
}

fn node(json: Json) -> Node {
    Node { end: 0, json }
}

/// An object of texts, each of the type its member has.
pub(crate) fn object_of(
    schemas: &JsonSchemas,
    schema: &Value,
    members: &[(String, String)],
) -> Result<(Node, usize), Unreadable> {
    let properties = find(schemas, schema, "properties");
    let mut nodes = Vec::with_capacity(members.len());
    for (name, text) in members {
        let own = properties.and_then(|p| p.get(name));
        let kind = own.and_then(|s| type_of(schemas, s));
        nodes.push((name.as_str().into(), scalar(text, kind.as_deref())?));
    }
    let count = nodes.len() + 1;
    Ok((node(Json::Object(nodes)), count))
}

fn object(
    schemas: &JsonSchemas,
    schema: &Value,
    parameter: &Parameter,
    texts: &[String],
) -> Result<(Node, usize), Unreadable> {
    let pieces = pieces(parameter, texts)?;
    let members: Vec<(String, String)> = if parameter.explode {
        let split = |p: &String| p.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()));
        let members: Option<Vec<_>> = pieces.iter().map(split).collect();
        members.ok_or_else(|| Unreadable::Type("Members of an object are written name=value.".into()))?
    } else {
        if pieces.len() % 2 != 0 {
            let message = "Members of an object are written name,value.";
            return Err(Unreadable::Type(message.into()));
        }
        pieces
            .chunks(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect()
    };
    object_of(schemas, schema, &members)
}

/// `;name=value` without what is not the value.
fn matrix<'t>(parameter: &Parameter, text: &'t str) -> &'t str {
    text.strip_prefix(';')
        .and_then(|t| t.strip_prefix(&*parameter.name))
        .map_or(text, |t| t.strip_prefix('=').unwrap_or(t))
}

/// The single values of a list.
fn pieces(parameter: &Parameter, texts: &[String]) -> Result<Vec<String>, Unreadable> {
    let separator = match (parameter.style, parameter.explode) {
        (Style::Form, true) => return Ok(texts.to_vec()),
        (Style::SpaceDelimited, _) => ' ',
        (Style::PipeDelimited, _) => '|',
        (Style::Tabs, _) => '\t',
        (Style::Label, true) => '.',
        (Style::Matrix, true) => ';',
        _ => ',',
    };
    // Header lines of one name are one list (RFC 9110 §5.2); a query parameter may stand only once.
    let text = match texts {
        [one] => one.clone(),
        several if parameter.style == Style::Simple => several.join(","),
        _ => return Err(Unreadable::Several),
    };
    let text = match (parameter.style, parameter.explode) {
        (Style::Label, _) => text.strip_prefix('.').unwrap_or(&text),
        (Style::Matrix, true) => text.strip_prefix(';').unwrap_or(&text),
        (Style::Matrix, false) => matrix(parameter, &text),
        _ => &text,
    };
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let own = format!("{}=", parameter.name);
    let repeats = (parameter.style, parameter.explode) == (Style::Matrix, true);
    Ok(text
        .split(separator)
        .map(|piece| {
            let piece = piece.trim();
            let bare = if repeats { piece.strip_prefix(&own) } else { None };
            bare.unwrap_or(piece).to_owned()
        })
        .collect())
}

/// A text as a value of a type; without one it is text.
fn scalar(text: &str, kind: Option<&str>) -> Result<Node, Unreadable> {
    let wrong = |kind: &str| Unreadable::Type(format!("Could not convert '{}' to {kind}.", shorten(text)));
    let json = match kind {
        Some(kind @ ("integer" | "number")) => {
            // `+1`, `0x1` and `1_000` are no numbers of JSON.
            let read = json::read(text).ok().map(|(node, _)| node.json);
            match read {
                Some(Json::Number(number)) => Json::Number(number),
                _ => return Err(wrong(kind)),
            }
        }
        // .NET clients write `True`.
        Some("boolean") => match text {
            t if t.eq_ignore_ascii_case("true") => Json::Bool(true),
            t if t.eq_ignore_ascii_case("false") => Json::Bool(false),
            _ => return Err(wrong("boolean")),
        },
        Some("null") if text.is_empty() => Json::Null,
        _ => Json::Text(text.into()),
    };
    Ok(node(json))
}

/// The type a schema gives, looked for in what it refers to and is made of.
fn type_of(schemas: &JsonSchemas, schema: &Value) -> Option<String> {
    let kind = match find(schemas, schema, "type") {
        Some(Value::String(kind)) => Some(kind.as_str()),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|k| *k != "null"),
        _ => None,
    };
    kind.map(str::to_owned).or_else(|| {
        let list = find(schemas, schema, "enum")?.as_array()?;
        let numbers = !list.is_empty() && list.iter().all(Value::is_number);
        numbers.then(|| "number".to_owned())
    })
}

/// A keyword of a schema or of what it is made of.
fn find<'s>(schemas: &'s JsonSchemas, schema: &'s Value, word: &str) -> Option<&'s Value> {
    let mut open = vec![schema];
    for _ in 0..LOOKS_MAX {
        let schema = open.pop()?;
        if let Some(found) = schema.get(word) {
            return Some(found);
        }
        for list in ["anyOf", "oneOf", "allOf"] {
            let parts = schema.get(list).and_then(Value::as_array);
            open.extend(parts.into_iter().flatten().rev());
        }
        let reference = schema.get("$ref").and_then(Value::as_str);
        open.extend(
            reference
                .and_then(|r| schemas.follow(r, &[0]))
                .map(|(schema, _)| schema),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{definition::Place, document::Dialect};

    #[track_caller]
    fn check(schema: Value, style: Style, explode: bool, texts: &[&str], expected: &str) {
        let schemas = JsonSchemas::new(
            json!({ "s": schema, "d": { "type": "integer" } }),
            Dialect::OpenApi30,
        );
        let parameter = Parameter {
            name: "p".into(),
            place: Place::Query,
            required: false,
            schema: None,
            style,
            explode,
        };
        let texts: Vec<String> = texts.iter().map(|t| (*t).to_owned()).collect();
        let got = match value(&schemas, schemas.get("/s").unwrap(), &parameter, &texts) {
            Ok((node, _)) => node.canonical(),
            Err(Unreadable::Several) => "several".into(),
            Err(Unreadable::Type(why)) => why,
        };
        assert_eq!(got, expected, "{style:?} {explode} {texts:?}");
    }

    #[test]
    fn scalars_have_the_type_of_their_schema() {
        for (schema, text, expected) in [
            (json!({"type": "integer"}), "12", "12e0"),
            (
                json!({"type": "integer"}),
                "1x",
                "Could not convert '1x' to integer.",
            ),
            (
                json!({"type": "number"}),
                "+1",
                "Could not convert '+1' to number.",
            ),
            (json!({"type": "boolean"}), "True", "true"),
            (
                json!({"type": "boolean"}),
                "1",
                "Could not convert '1' to boolean.",
            ),
            (json!({"type": "string"}), "12", "\"12\""),
            (json!({"$ref": "#/d"}), "7", "7e0"),
            (json!({"allOf": [{"$ref": "#/d"}]}), "7", "7e0"),
            (json!({"type": ["null", "integer"]}), "7", "7e0"),
            (json!({"enum": [1, 2]}), "1", "1e0"),
            (json!({}), "7", "\"7\""),
        ] {
            check(schema, Style::Form, true, &[text], expected);
        }
        check(
            json!({"type": "string"}),
            Style::Form,
            true,
            &["a", "b"],
            "several",
        );
    }

    #[test]
    fn lists_and_objects_are_written_in_many_ways() {
        let list = json!({"type": "array", "items": {"type": "integer"}});
        let object = json!({"type": "object", "properties": {"r": {"type": "integer"}}});
        for (schema, style, explode, texts, expected) in [
            (&list, Style::Form, true, &["1", "2"][..], "[1e0,2e0,]"),
            (&list, Style::Form, false, &["1,2"], "[1e0,2e0,]"),
            (&list, Style::Form, false, &["1", "2"], "several"),
            (&list, Style::Form, false, &[""], "[]"),
            (&list, Style::SpaceDelimited, false, &["1 2"], "[1e0,2e0,]"),
            (&list, Style::PipeDelimited, false, &["1|2"], "[1e0,2e0,]"),
            (&list, Style::Tabs, false, &["1\t2"], "[1e0,2e0,]"),
            (&list, Style::Simple, false, &["1, 2", "3"], "[1e0,2e0,3e0,]"),
            (&list, Style::Label, true, &[".1.2"], "[1e0,2e0,]"),
            (&list, Style::Label, false, &[".1,2"], "[1e0,2e0,]"),
            (&list, Style::Matrix, true, &[";p=1;p=2"], "[1e0,2e0,]"),
            (&list, Style::Matrix, false, &[";p=1,2"], "[1e0,2e0,]"),
            (
                &list,
                Style::Form,
                true,
                &["1", "x"],
                "Could not convert 'x' to integer.",
            ),
            (
                &object,
                Style::Simple,
                false,
                &["r,100,g,x"],
                r#"{"g":"x","r":1e2,}"#,
            ),
            (
                &object,
                Style::Simple,
                true,
                &["r=100,g=x"],
                r#"{"g":"x","r":1e2,}"#,
            ),
            (
                &object,
                Style::Simple,
                false,
                &["r"],
                "Members of an object are written name,value.",
            ),
            (&object, Style::Json, false, &["{\"r\":1}"], r#"{"r":1e0,}"#),
        ] {
            check(schema.clone(), style, explode, texts, expected);
        }
    }
}
