//! What a specification says about messages, kept for APIs whose messages some policy validates.
//!
//! The document is kept once for all operations of the API, without the texts meant for people.

use std::sync::Arc;

use gateway_policy::schema::{
    ApiSchemas, Dialect, JsonSchemas, OperationDefinition, SCHEMA_BYTES_MAX, openapi as definitions,
};
use serde_json::Value;

use super::Specification;
use crate::{artifacts::File, doc::Node, problem::Problem};

/// Keeps the document of an API. One that is too large is left out, so that validating fails at run time as it does
/// in the original, and says so now.
pub(super) fn openapi(root: &Node, file: &File, out: &mut Specification) {
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
    out.schemas = Some(Arc::new(ApiSchemas {
        json: Some(JsonSchemas::new(document, dialect)),
        ..ApiSchemas::default()
    }));
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
