//! The scenario's `definition` and `schemas`: what the API and the service say about messages.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::schema::{
    Answer, ApiSchemas, Content, Definitions, Dialect, GraphQlSchema, JsonSchemas, NamedSchema, NamedSchemas,
    ODataModel, OperationDefinition, Statuses, XmlSchemas, XmlSource, openapi,
};

/// Media types of an API that has only XML schemas.
const XML_TYPES: [&str; 3] = ["text/xml", "application/soap+xml", "application/xml"];
/// Members of a path item that are operations.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

pub(super) fn from_json(scenario: &Json) -> Result<Definitions, String> {
    let operation = match scenario.get("definition") {
        None | Some(Json::Null) => None,
        Some(definition) => Some(Arc::new(operation(definition)?)),
    };
    let schemas = match scenario.get("schemas") {
        None | Some(Json::Null) => None,
        Some(schemas) => Some(Arc::new(named(schemas)?)),
    };
    Ok(Definitions { operation, schemas })
}

fn operation(definition: &Json) -> Result<OperationDefinition, String> {
    let known = ["openapi", "operation", "xml", "graphql", "odata"];
    let members = definition.as_object().ok_or("definition must be an object")?;
    if let Some(other) = members.keys().find(|k| !known.contains(&k.as_str())) {
        return Err(format!(
            "definition.{other} is not known; known are {}",
            known.join(", ")
        ));
    }
    let json = definition.get("openapi");
    let mut api = ApiSchemas {
        json: json.map(|root| JsonSchemas::new(root.clone(), Dialect::of(root))),
        ..ApiSchemas::default()
    };
    if let Some(xml) = definition.get("xml") {
        api.xml = Some(Arc::new(xml_schemas(xml, "definition.xml")?));
    }
    if let Some(graphql) = definition.get("graphql") {
        let text = graphql
            .as_str()
            .ok_or("definition.graphql must be the text of a schema")?;
        let schema = GraphQlSchema::new(text).map_err(|why| format!("definition.graphql: {why}"))?;
        api.graphql = Some(schema);
    }
    if let Some(odata) = definition.get("odata") {
        let text = odata
            .as_str()
            .ok_or("definition.odata must be the text of a metadata document")?;
        let model = ODataModel::new(text).map_err(|why| format!("definition.odata: {why}"))?;
        api.odata = Some(model);
    }
    let api = Arc::new(api);
    match json {
        Some(root) => {
            let (item, own) = place(root, definition.get("operation"))?;
            Ok(openapi::operation(&api, Some(&item), &own))
        }
        None => Ok(of_xml(api)),
    }
}

/// An operation that takes and answers XML.
fn of_xml(api: Arc<ApiSchemas>) -> OperationDefinition {
    let content = || {
        let one = |media_type: &str| Content {
            media_type: media_type.into(),
            schema: None,
        };
        XML_TYPES.map(one).to_vec()
    };
    let has_xml = api.xml.is_some();
    OperationDefinition {
        api,
        request: if has_xml { content() } else { Vec::new() },
        responses: vec![Answer {
            status: Statuses::Default,
            headers: Vec::new(),
            content: if has_xml { content() } else { Vec::new() },
        }],
        ..OperationDefinition::default()
    }
}

/// JSON pointers of the path item and of the operation: the one named, or the only one.
fn place(root: &Json, wanted: Option<&Json>) -> Result<(String, String), String> {
    let wanted = match wanted {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(text.as_str()),
        Some(_) => {
            return Err("definition.operation must be an operationId, or such as `GET /items/{id}`".into());
        }
    };
    let mut found = Vec::new();
    let paths = root.get("paths").and_then(Json::as_object);
    for (path, item) in paths.into_iter().flatten() {
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let id = operation.get("operationId").and_then(Json::as_str);
            let line = format!("{} {path}", method.to_uppercase());
            if wanted.is_none_or(|w| id == Some(w) || w == line) {
                let escaped = path.replace('~', "~0").replace('/', "~1");
                let item = format!("/paths/{escaped}");
                found.push((item.clone(), format!("{item}/{method}")));
            }
        }
    }
    match (found.len(), wanted) {
        (1, _) => Ok(found.swap_remove(0)),
        (0, Some(wanted)) => Err(format!("definition.openapi has no operation `{wanted}`")),
        (0, None) => Err("definition.openapi has no operation".into()),
        _ => Err("definition.operation must say which of the operations is called".into()),
    }
}

/// One text or several.
fn xml_schemas(json: &Json, place: &str) -> Result<XmlSchemas, String> {
    let texts: Option<Vec<&str>> = match json {
        Json::String(text) => Some(vec![text]),
        Json::Array(items) => items.iter().map(Json::as_str).collect(),
        _ => None,
    };
    let texts = texts
        .ok_or_else(|| format!("{place} must be the text of an XML schema or WSDL, or a list of them"))?;
    let names: Vec<String> = (0..texts.len()).map(|i| format!("{place}[{i}]")).collect();
    let sources: Vec<XmlSource<'_>> = texts
        .iter()
        .zip(&names)
        .map(|(text, location)| XmlSource { location, text })
        .collect();
    XmlSchemas::new(&sources).map_err(|problem| problem.to_string())
}

fn named(json: &Json) -> Result<NamedSchemas, String> {
    let members = json.as_object().ok_or("schemas must be an object")?;
    let mut out = NamedSchemas::new();
    for (id, schema) in members {
        let schema = match (schema.get("json"), schema.get("xml")) {
            (Some(root), None) => {
                NamedSchema::Json(Arc::new(JsonSchemas::new(root.clone(), Dialect::of(root))))
            }
            (None, Some(xml)) => NamedSchema::Xml(Arc::new(xml_schemas(xml, &format!("schemas.{id}.xml"))?)),
            _ => {
                return Err(format!(
                    "schemas.{id} must be {{\"json\": …}} or {{\"xml\": \"…\"}}"
                ));
            }
        };
        out.insert(id.as_str().into(), schema);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_are_found_by_id_line_or_being_alone() {
        let one = json!({ "openapi": "3.0.1", "paths": { "/a/{b}": { "get": { "operationId": "x" } } } });
        let two =
            json!({ "openapi": "3.0.1", "paths": { "/a": { "get": { "operationId": "x" }, "post": {} } } });
        for (root, wanted, expected) in [
            (&one, json!(null), "/paths/~1a~1{b}/get"),
            (&one, json!("x"), "/paths/~1a~1{b}/get"),
            (&one, json!("GET /a/{b}"), "/paths/~1a~1{b}/get"),
            (&two, json!("POST /a"), "/paths/~1a/post"),
            (
                &two,
                json!(null),
                "definition.operation must say which of the operations is called",
            ),
            (&one, json!("y"), "definition.openapi has no operation `y`"),
            (
                &one,
                json!(1),
                "definition.operation must be an operationId, or such as `GET /items/{id}`",
            ),
        ] {
            let got = place(root, Some(&wanted)).map_or_else(|e| e, |(_, own)| own);
            assert_eq!(got, expected, "{wanted}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (scenario, expected) in [
            (json!({ "definition": [] }), "definition must be an object"),
            (
                json!({ "definition": { "wsdl": "" } }),
                "definition.wsdl is not known; known are openapi, operation, xml, graphql, odata",
            ),
            (
                json!({ "definition": { "xml": 1 } }),
                "definition.xml must be the text",
            ),
            (
                json!({ "definition": { "xml": "<a/>" } }),
                "definition.xml[0]:1:2: `a` is neither",
            ),
            (
                json!({ "definition": { "graphql": "type" } }),
                "definition.graphql: ",
            ),
            (
                json!({ "definition": { "odata": "<a/>" } }),
                "definition.odata: it is no metadata",
            ),
            (json!({ "schemas": { "a": {} } }), "schemas.a must be"),
            (
                json!({ "schemas": { "a": { "xml": "" } } }),
                "schemas.a.xml[0]:1:1: Root element is missing.",
            ),
        ] {
            let error = from_json(&scenario).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
