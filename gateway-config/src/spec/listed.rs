//! Operations as entities of the management API: `operations.json`, our own file for what a specification only implies.
//!
//! Names, methods and templates are taken as they are. What the entities say about messages is put in the form of an
//! OpenAPI document, so that schemas, examples and validation have one reader.

use std::sync::Arc;

use gateway_policy::schema::{ApiSchemas, Dialect as SchemaDialect, JsonSchemas, SCHEMA_BYTES_MAX};
use http::Method;
use serde_json::{Map, Value, json};

use super::{SpecOperation, Specification, definition, odata, openapi::Dialect, refuse, responses, soap};
use crate::{
    artifacts::File,
    doc::{self, Node},
    problem::{Place, Problem},
    snapshot::ApiKind,
};

/// Reads the list.
pub(super) fn read(file: &File, kind: ApiKind, validated: bool, out: &mut Specification) {
    let root: Value = match serde_json::from_slice(&file.bytes) {
        Ok(root) => root,
        Err(error) => {
            let place = Place::new(error.line() as u32, error.column() as u32);
            return refuse(out, &file.path, place, "bad-json", format!("not JSON: {error}"));
        }
    };
    let list = |name: &str| {
        root.get(name)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice)
    };
    let entities = list("operations");
    let described = described(entities, list("schemas"));
    let text = described.to_string();
    // What was made from JSON is JSON.
    let Ok(node) = doc::read("operations.json", text.as_bytes(), &mut Vec::new()) else {
        return refuse(out, &file.path, Place::default(), "bad-json", "it cannot be read");
    };
    if validated {
        keep_schemas(described, text.len(), list("schemas"), file, out);
    }
    for (at, entity) in entities.iter().enumerate() {
        operation(entity, at, kind, &node, file, out);
    }
}

fn keep_schemas(described: Value, length: usize, entities: &[Value], file: &File, out: &mut Specification) {
    if length > SCHEMA_BYTES_MAX {
        let message = format!(
            "operations and schemas have more than {SCHEMA_BYTES_MAX} bytes, so policies that validate messages refuse \
             every request; split the API"
        );
        out.problems
            .push(Problem::warning("schema-too-large", &file.path, message));
        return;
    }
    let dialect = SchemaDialect::of(&described);
    let texts: Vec<(String, String)> = entities
        .iter()
        .filter_map(xml_text)
        .map(|t| (file.path.clone(), t))
        .collect();
    let (xml, xml_refused) = soap::of_texts(&texts, None, out);
    let metadata = entities
        .iter()
        .filter_map(text_of_entity)
        .find(|text| odata::is_metadata(text));
    let odata = metadata.and_then(|text| odata::model(&file.path, text, out));
    out.schemas = Some(Arc::new(ApiSchemas {
        xml,
        xml_refused,
        odata,
        json: Some(JsonSchemas::new(described, dialect)),
        ..ApiSchemas::default()
    }));
}

fn operation(entity: &Value, at: usize, kind: ApiKind, root: &Node, file: &File, out: &mut Specification) {
    let name = entity.get("name").and_then(Value::as_str).unwrap_or_default();
    let text = |key: &str| {
        entity
            .get("properties")
            .and_then(|p| p.get(key))
            .and_then(Value::as_str)
    };
    let (Some(method), Some(template)) = (text("method"), text("urlTemplate")) else {
        let message = format!("operation `{name}` has no `method` or no `urlTemplate`");
        return refuse(out, &file.path, Place::default(), "missing-property", message);
    };
    let Ok(method) = Method::from_bytes(method.to_ascii_uppercase().as_bytes()) else {
        let message = format!("operation `{name}`: `{method}` is no HTTP method");
        return refuse(out, &file.path, Place::default(), "bad-method", message);
    };
    let display = text("displayName").filter(|t| !t.is_empty()).unwrap_or(name);
    let mut made = SpecOperation {
        display_name: display.to_owned(),
        ..SpecOperation::new(name, method, template)
    };
    if kind == ApiKind::Soap
        && let Some((_, action)) = template.split_once("soapAction=")
    {
        made.match_template = Some("/".to_owned());
        made.soap_action = Some(Arc::from(action));
    }
    let path = format!("/{at}");
    if let Some(node) = root
        .get("paths")
        .and_then(|p| p.get(&path))
        .and_then(|p| p.get("x"))
    {
        made.responses = responses::read(root, node, Dialect::V3, &mut |_| {});
        made.query_parameters = node
            .get("parameters")
            .map_or(&[][..], Node::items)
            .iter()
            .filter(|p| p.get("in").and_then(Node::as_text) == Some("query"))
            .filter_map(|p| p.get("name").and_then(Node::as_text))
            .map(Arc::from)
            .collect();
    }
    made.definition = definition::operation(out.schemas.as_ref(), ["paths", &path, "x"]);
    out.operations.push(made);
}

/// The entities as an OpenAPI document with one path item each.
fn described(entities: &[Value], schemas: &[Value]) -> Value {
    let mut paths = Map::new();
    for (at, entity) in entities.iter().enumerate() {
        let empty = Value::Null;
        let properties = entity.get("properties").unwrap_or(&empty);
        paths.insert(format!("/{at}"), json!({ "x": operation_object(properties) }));
    }
    json!({ "openapi": "3.0.1", "paths": paths, "components": { "schemas": components(schemas) } })
}

fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn operation_object(properties: &Value) -> Value {
    let template = properties
        .get("urlTemplate")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let query = template.split_once('?').map_or("", |(_, query)| query);
    let mut parameters = Vec::new();
    for parameter in items(properties, "templateParameters") {
        let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
        let place = if query.contains(&format!("{{{name}}}")) {
            "query"
        } else {
            "path"
        };
        parameters.push(parameter_object(parameter, place));
    }
    let empty = Value::Null;
    let request = properties.get("request").unwrap_or(&empty);
    parameters.extend(
        items(request, "queryParameters")
            .iter()
            .map(|p| parameter_object(p, "query")),
    );
    parameters.extend(
        items(request, "headers")
            .iter()
            .map(|p| parameter_object(p, "header")),
    );
    let mut out = json!({ "parameters": parameters });
    let content = content(items(request, "representations"));
    if content.as_object().is_some_and(|c| !c.is_empty()) {
        out["requestBody"] = json!({ "content": content });
    }
    let mut answers = Map::new();
    for response in items(properties, "responses") {
        let code = response
            .get("statusCode")
            .map(|c| c.to_string().trim_matches('"').to_owned());
        let code = code.filter(|c| c != "0").unwrap_or_else(|| "default".to_owned());
        let mut answer = json!({ "content": self::content(items(response, "representations")) });
        let headers: Map<String, Value> = items(response, "headers")
            .iter()
            .filter_map(|h| {
                let name = h.get("name").and_then(Value::as_str)?;
                Some((name.to_owned(), parameter_object(h, "header")))
            })
            .collect();
        if !headers.is_empty() {
            answer["headers"] = Value::Object(headers);
        }
        answers.insert(code, answer);
    }
    out["responses"] = Value::Object(answers);
    out
}

fn parameter_object(parameter: &Value, place: &str) -> Value {
    let mut schema = match schema_reference(parameter) {
        Some(reference) => reference,
        None => {
            let mut schema = Map::new();
            for (ours, theirs) in [("type", "type"), ("defaultValue", "default")] {
                if let Some(value) = parameter.get(ours).filter(|v| !v.is_null() && *v != "") {
                    schema.insert(theirs.to_owned(), value.clone());
                }
            }
            Value::Object(schema)
        }
    };
    let allowed = items(parameter, "values");
    if !allowed.is_empty() && schema.get("$ref").is_none() {
        schema["enum"] = Value::Array(allowed.to_vec());
    }
    let required = place == "path"
        || parameter
            .get("required")
            .and_then(Value::as_bool)
            .unwrap_or(false);
    json!({ "name": parameter.get("name"), "in": place, "required": required, "schema": schema })
}

/// `schemaId` and `typeName` as a reference.
fn schema_reference(value: &Value) -> Option<Value> {
    let name = value
        .get("typeName")
        .and_then(Value::as_str)
        .filter(|n| !n.is_empty())?;
    value
        .get("schemaId")
        .and_then(Value::as_str)
        .filter(|id| !id.is_empty())?;
    let escaped = name.replace('~', "~0").replace('/', "~1");
    Some(json!({ "$ref": format!("#/components/schemas/{escaped}") }))
}

fn content(representations: &[Value]) -> Value {
    let mut out = Map::new();
    for representation in representations {
        let Some(kind) = representation.get("contentType").and_then(Value::as_str) else {
            continue;
        };
        let mut media = Map::new();
        if let Some(reference) = schema_reference(representation) {
            media.insert("schema".to_owned(), reference);
        }
        if let Some(examples) = representation.get("examples").filter(|e| e.is_object()) {
            media.insert("examples".to_owned(), examples.clone());
        }
        out.insert(kind.to_owned(), Value::Object(media));
    }
    Value::Object(out)
}

/// The text of a schema entity that holds XML schemas.
fn xml_text(entity: &Value) -> Option<String> {
    let properties = entity.get("properties")?;
    properties
        .get("contentType")?
        .as_str()
        .filter(|kind| soap::is_xml(kind))?;
    text_of_entity(entity).map(str::to_owned)
}

/// The text that a schema entity holds.
fn text_of_entity(entity: &Value) -> Option<&str> {
    entity.get("properties")?.get("document")?.get("value")?.as_str()
}

/// All schemas of the API under their type names; references of Swagger 2.0 are brought to their new place.
fn components(schemas: &[Value]) -> Value {
    let mut out = Map::new();
    for schema in schemas {
        let Some(document) = schema.get("properties").and_then(|p| p.get("document")) else {
            continue;
        };
        let places = [
            document.get("components").and_then(|c| c.get("schemas")),
            document.get("definitions"),
        ];
        for types in places.into_iter().flatten().filter_map(Value::as_object) {
            for (name, one) in types {
                let mut one = one.clone();
                moved(&mut one, 0);
                out.insert(name.clone(), one);
            }
        }
    }
    Value::Object(out)
}

/// Deepest schema whose references are looked at; deeper ones stay as they are and validate nothing.
const DEPTH_MAX: usize = 128;

fn moved(value: &mut Value, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| moved(item, depth + 1)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if name == "$ref"
                    && let Some(rest) = member.as_str().and_then(|r| r.strip_prefix("#/definitions/"))
                {
                    *member = Value::from(format!("#/components/schemas/{rest}"));
                } else {
                    moved(member, depth + 1);
                }
            }
        }
        _ => {}
    }
}
