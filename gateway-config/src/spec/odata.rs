//! Metadata of OData APIs, which schema entities hold.

use gateway_policy::schema::{ODataModel, SCHEMA_BYTES_MAX};

use super::Specification;
use crate::{
    artifacts::ApiFolder,
    doc::{self, Node},
    problem::Problem,
};

/// The metadata among the schema entities of a folder.
pub(super) fn of_api(folder: &ApiFolder, out: &mut Specification) -> Option<ODataModel> {
    for file in folder.schemas.values() {
        // Files that cannot be read are reported where XML schemas are looked for.
        let Ok(root) = doc::read(&file.path, &file.bytes, &mut Vec::new()) else {
            continue;
        };
        let document = root.get("properties").and_then(|p| p.get("document"));
        let text = document.and_then(|d| d.get("value")).and_then(Node::as_text);
        if let Some(text) = text.filter(|t| is_metadata(t)) {
            return model(&file.path, text, out);
        }
    }
    None
}

/// The text is a metadata document.
pub(super) fn is_metadata(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with('<') && text.contains("Edmx")
}

/// Reads a metadata document; what is wrong with it is reported, and names are not checked then.
pub(super) fn model(path: &str, text: &str, out: &mut Specification) -> Option<ODataModel> {
    let read = if text.len() > SCHEMA_BYTES_MAX {
        Err(format!("it has more than {SCHEMA_BYTES_MAX} bytes"))
    } else {
        ODataModel::new(text)
    };
    match read {
        Ok(model) => Some(model),
        Err(why) => {
            let message = format!(
                "the OData metadata cannot be read, so validate-odata-request checks the form of requests only: {why}"
            );
            out.problems.push(Problem::warning("bad-schema", path, message));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{artifacts::File, snapshot::ApiKind, spec::read};

    #[test]
    fn metadata_is_kept_or_reported() {
        let good =
            "<edmx:Edmx xmlns:edmx='e'><Schema Namespace='S'><EntityType Name='A'/></Schema></edmx:Edmx>";
        for (text, validated, kept, code) in [
            (good, true, true, None),
            (good, false, false, None),
            ("<Edmx/>", true, false, Some("bad-schema")),
            ("{}", true, false, None),
        ] {
            let mut folder = ApiFolder::default();
            let file = |path: &str, text: String| File {
                path: path.into(),
                bytes: text.as_bytes().into(),
            };
            let openapi = r#"{"openapi": "3.0.1", "info": {}, "paths": {"/a": {"get": {"operationId": "a", "responses": {}}}}}"#;
            folder
                .specifications
                .insert("json".into(), file("specification.json", openapi.into()));
            let entity =
                serde_json::json!({ "properties": { "contentType": "x", "document": { "value": text } } });
            let path = "apis/a/schemas/s/apiSchemaInformation.json";
            folder.schemas.insert("s".into(), file(path, entity.to_string()));
            let spec = read(&folder, ApiKind::OData, validated);
            let definition = spec.operations[0].definition.as_ref();
            assert_eq!(definition.is_some_and(|d| d.api.odata.is_some()), kept, "{text}");
            assert_eq!(spec.problems.first().map(|p| p.code), code, "{text}");
        }
    }
}
