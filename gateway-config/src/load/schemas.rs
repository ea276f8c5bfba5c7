//! Schemas of the service, which policies name by id (`schemas/{id}/schemaInformation.json`).

use std::sync::Arc;

use gateway_policy::schema::{
    Dialect, JsonSchemas, NamedSchema, NamedSchemas, SCHEMA_BYTES_MAX, XmlSchemas, XmlSource,
};
use serde_json::Value;

use crate::{
    artifacts::{Artifacts, Entity},
    doc::{Node, read as read_document},
    problem::Problem,
};

/// Reads them all; one that cannot be used is kept with the reason, so that what names it refuses.
pub(super) fn read(artifacts: &Artifacts, problems: &mut Vec<Problem>) -> Option<Arc<NamedSchemas>> {
    if artifacts.schemas.is_empty() {
        return None;
    }
    let mut out = NamedSchemas::new();
    for entity in artifacts.schemas.values() {
        let schema = schema(entity).unwrap_or_else(|why| {
            let message = format!("schema `{}`: {why}; validating against it refuses", entity.name);
            problems.push(Problem::scope("bad-schema", &entity.path, message));
            NamedSchema::Refused(why.into())
        });
        out.insert(entity.name.as_str().into(), schema);
    }
    Some(Arc::new(out))
}

fn schema(entity: &Entity) -> Result<NamedSchema, String> {
    let properties = entity.properties.as_ref().ok_or("it could not be read")?;
    let kind = properties
        .get("schemaType")
        .and_then(Node::as_text)
        .unwrap_or("json");
    let text = properties.get("value").and_then(Node::as_text);
    if text.is_some_and(|t| t.len() > SCHEMA_BYTES_MAX) {
        return Err(format!("it has more than {SCHEMA_BYTES_MAX} bytes"));
    }
    if kind.eq_ignore_ascii_case("xml") {
        let inner = properties
            .get("document")
            .and_then(|d| d.get("value").or(Some(d)));
        let text = text
            .or_else(|| inner.and_then(Node::as_text))
            .ok_or("it has no `value`")?;
        let source = XmlSource {
            location: &entity.path,
            text,
        };
        let schemas = XmlSchemas::new(&[source]).map_err(|problem| {
            format!(
                "line {}, column {} of its text: {}",
                problem.line, problem.column, problem.message
            )
        })?;
        return Ok(NamedSchema::Xml(Arc::new(schemas)));
    }
    if !kind.eq_ignore_ascii_case("json") {
        return Err(format!("schemas of type `{kind}` are not read"));
    }
    let document: Value = match (properties.get("document"), text) {
        (Some(document), _) => document.to_json(),
        (None, Some(text)) => {
            let read = read_document("schema.json", text.as_bytes(), &mut Vec::new());
            read.map_err(|problem| problem.message)?.to_json()
        }
        (None, None) => return Err("it has neither `document` nor `value`".into()),
    };
    let dialect = Dialect::of(&document);
    Ok(NamedSchema::Json(Arc::new(JsonSchemas::new(document, dialect))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_read_or_refuse() {
        for (properties, expected) in [
            (r#"{"schemaType": "json", "document": {"type": "object"}}"#, None),
            (r#"{"value": "{\"type\": \"object\"}"}"#, None),
            (r#"{"value": "{"}"#, Some("bad-schema")),
            ("{}", Some("bad-schema")),
            (r#"{"schemaType": "avro", "value": "x"}"#, Some("bad-schema")),
            (
                r#"{"schemaType": "xml", "value": "<s:schema xmlns:s='http://www.w3.org/2001/XMLSchema'/>"}"#,
                None,
            ),
            (
                r#"{"schemaType": "XML", "value": "<s:schema/>"}"#,
                Some("bad-schema"),
            ),
            (r#"{"schemaType": "xml"}"#, Some("bad-schema")),
        ] {
            let mut artifacts = Artifacts::default();
            let node = read_document("p.json", properties.as_bytes(), &mut Vec::new()).unwrap();
            let entity = Entity {
                name: "s".into(),
                path: "schemas/s/schemaInformation.json".into(),
                properties: Some(node),
                overlay: None,
            };
            artifacts.schemas.insert("s".into(), entity);
            let mut problems = Vec::new();
            let read = read(&artifacts, &mut problems).unwrap();
            assert_eq!(problems.first().map(|p| p.code), expected, "{properties}");
            assert_eq!(
                matches!(read["s"], NamedSchema::Refused(_)),
                expected.is_some(),
                "{properties}"
            );
        }
        assert!(read(&Artifacts::default(), &mut Vec::new()).is_none());
    }
}
