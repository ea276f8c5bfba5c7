//! What a specification says about messages, kept for APIs whose messages some policy validates.
//!
//! The document is kept once for all operations of the API, without the texts meant for people.

use std::sync::Arc;

use gateway_policy::schema::{
    ApiSchemas, Dialect, GraphQlSchema, JsonSchemas, OperationDefinition, SCHEMA_BYTES_MAX,
    openapi as definitions,
};
use serde_json::Value;

use super::{Specification, odata, soap};
use crate::{
    artifacts::{ApiFolder, File},
    doc::{Node, text_of},
    problem::Problem,
};

/// Keeps the document of an API. One that is too large is left out, so that validating fails at run time as it does
/// in the original, and says so now.
pub(super) fn openapi(root: &Node, file: &File, folder: &ApiFolder, out: &mut Specification) {
    if file.bytes.len() > SCHEMA_BYTES_MAX {
        let message = format!(
            "the specification has more than {SCHEMA_BYTES_MAX} bytes, so policies that validate messages refuse \
             every request; split the API"
        );
        out.problems
            .push(Problem::warning("schema-too-large", &file.path, message));
        return;
    }
    let mut document = root.to_json();
    let dialect = Dialect::of(&document);
    without_prose(&mut document);
    let (xml, xml_refused) = soap::of_api(folder, None, out);
    out.schemas = Some(Arc::new(ApiSchemas {
        json: Some(JsonSchemas::new(document, dialect)),
        xml,
        xml_refused,
        odata: odata::of_api(folder, out),
        ..ApiSchemas::default()
    }));
}

/// Keeps the schema of a GraphQL API. One that cannot be read is reported; requests that should be validated against
/// it are refused.
pub(super) fn graphql(file: Option<(&str, &File)>, validated: bool, out: &mut Specification) {
    let Some((_, file)) = file.filter(|(extension, _)| validated && *extension == "graphql") else {
        return;
    };
    let text = text_of(&file.path, &file.bytes).map_err(|problem| problem.message);
    let schema = match text {
        Ok(text) if text.len() > SCHEMA_BYTES_MAX => {
            Err(format!("it has more than {SCHEMA_BYTES_MAX} bytes"))
        }
        Ok(text) => GraphQlSchema::new(text),
        Err(why) => Err(why),
    };
    match schema {
        Ok(schema) => {
            let api = Arc::new(ApiSchemas {
                graphql: Some(schema),
                ..ApiSchemas::default()
            });
            let definition = Arc::new(OperationDefinition {
                api,
                ..OperationDefinition::default()
            });
            for operation in &mut out.operations {
                operation.definition = Some(Arc::clone(&definition));
            }
        }
        Err(why) => {
            let message = format!(
                "the schema cannot be used, so validate-graphql-request refuses every request: {why}"
            );
            out.problems
                .push(Problem::scope("bad-schema", &file.path, message));
        }
    }
}

/// What the document says about the operation at `[section, path, method]`.
pub(super) fn operation(
    api: Option<&Arc<ApiSchemas>>,
    pointers: [&str; 3],
) -> Option<Arc<OperationDefinition>> {
    let api = api?;
    let [section, path, method] = pointers.map(|p| p.replace('~', "~0").replace('/', "~1"));
    let item = format!("/{section}/{path}");
    let own = format!("{item}/{method}");
    Some(Arc::new(definitions::operation(api, Some(&item), &own)))
}

/// Takes out texts and examples, often half of a document. A member of these names is an object, so it stays.
fn without_prose(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_prose),
        Value::Object(members) => {
            members.retain(|name, member| match name.as_str() {
                "description" | "summary" | "title" => !member.is_string(),
                _ => true,
            });
            for (name, member) in members.iter_mut() {
                // Values, in which these names mean what they say.
                if !matches!(name.as_str(), "enum" | "const") {
                    without_prose(member);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{artifacts::ApiFolder, snapshot::ApiKind, spec::read};

    #[test]
    fn graphql_schemas_are_kept_or_reported() {
        for (text, validated, kept, code) in [
            ("type Query { a: String }", true, true, None),
            ("type Query { a: String }", false, false, None),
            ("type Query { a: None }", true, false, Some("bad-schema")),
        ] {
            let mut folder = ApiFolder::default();
            let file = File {
                path: "specification.graphql".into(),
                bytes: text.as_bytes().into(),
            };
            folder.specifications.insert("graphql".into(), file);
            let spec = read(&folder, ApiKind::GraphQl, validated);
            assert_eq!(
                spec.operations.iter().all(|o| o.definition.is_some()),
                kept,
                "{text}"
            );
            assert_eq!(spec.problems.first().map(|p| p.code), code, "{text}");
        }
    }

    #[test]
    fn prose_goes_and_members_of_its_names_stay() {
        let mut value = json!({
            "description": "long", "properties": { "description": { "type": "string", "title": "t" } },
            "enum": [{ "title": "a" }],
        });
        without_prose(&mut value);
        assert_eq!(
            value,
            json!({ "properties": { "description": { "type": "string" } }, "enum": [{ "title": "a" }] })
        );
    }
}
