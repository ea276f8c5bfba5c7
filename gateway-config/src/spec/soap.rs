//! XML schemas of an API: its schema entities, else those in its WSDL document.
//!
//! Source: `config-plane.md` §7.4 (content types of schema entities), `policies.md` §10.

use std::sync::Arc;

use gateway_policy::schema::{
    Answer, ApiSchemas, Content, OperationDefinition, SCHEMA_BYTES_MAX, Statuses, XmlSchemas, XmlSource,
};

use super::Specification;
use crate::{
    artifacts::{ApiFolder, File},
    doc::{self, Node, text_of},
    problem::{Place, Problem},
};

/// Content types of schema entities whose text holds XML schemas.
const CONTENT_TYPES: [&str; 2] = [
    "application/vnd.ms-azure-apim.xsd+xml",
    "application/vnd.ms-azure-apim.wadl.grammars+xml",
];

/// Media types of SOAP messages, 1.1 and 1.2, and of plain XML.
const MEDIA_TYPES: [&str; 3] = ["text/xml", "application/soap+xml", "application/xml"];

/// Gives the operations of a SOAP API their definitions: XML in, XML out.
pub(super) fn schemas(folder: &ApiFolder, wsdl: Option<&File>, out: &mut Specification) {
    let (xml, xml_refused) = of_api(folder, wsdl, out);
    let api = Arc::new(ApiSchemas {
        xml,
        xml_refused,
        ..ApiSchemas::default()
    });
    let content = || {
        let one = |media_type: &str| Content {
            media_type: media_type.into(),
            schema: None,
        };
        MEDIA_TYPES.map(one).to_vec()
    };
    let definition = Arc::new(OperationDefinition {
        api,
        request: content(),
        request_required: true,
        responses: vec![Answer {
            status: Statuses::Default,
            headers: Vec::new(),
            content: content(),
        }],
        ..OperationDefinition::default()
    });
    for operation in &mut out.operations {
        operation.definition = Some(Arc::clone(&definition));
    }
}

/// The XML schemas of an API, or why they cannot be used; neither: it has none.
pub(super) fn of_api(
    folder: &ApiFolder,
    wsdl: Option<&File>,
    out: &mut Specification,
) -> (Option<Arc<XmlSchemas>>, Option<Arc<str>>) {
    let mut texts: Vec<(String, String)> = Vec::new();
    for file in folder.schemas.values() {
        match entity(file, out) {
            Ok(Some(text)) => texts.push((file.path.clone(), text)),
            Ok(None) => {}
            Err(problem) => return refused(out, problem),
        }
    }
    if let Some(file) = wsdl.filter(|_| texts.is_empty()) {
        match text_of(&file.path, &file.bytes) {
            // Without any schema there is nothing to check, which is said when it is asked for.
            Ok(text) if !text.contains("http://www.w3.org/2001/XMLSchema") => {}
            Ok(text) => texts.push((file.path.clone(), text.to_owned())),
            Err(problem) => return refused(out, problem),
        }
    }
    of_texts(&texts, wsdl.map(|f| f.path.as_str()), out)
}

/// The schemas in these texts, each with the path of its file; `whole`: the one that is a file of its own.
pub(super) fn of_texts(
    texts: &[(String, String)],
    whole: Option<&str>,
    out: &mut Specification,
) -> (Option<Arc<XmlSchemas>>, Option<Arc<str>>) {
    if texts.is_empty() {
        return (None, None);
    }
    if let Some((path, _)) = texts.iter().find(|(_, text)| text.len() > SCHEMA_BYTES_MAX) {
        let message = format!("it has more than {SCHEMA_BYTES_MAX} bytes");
        return refused(out, Problem::scope("bad-schema", path, message));
    }
    let sources: Vec<XmlSource<'_>> = texts
        .iter()
        .map(|(location, text)| XmlSource { location, text })
        .collect();
    match XmlSchemas::new(&sources) {
        Ok(schemas) => (Some(Arc::new(schemas)), None),
        Err(found) => {
            let place = Place::new(
                u32::try_from(found.line).unwrap_or(u32::MAX),
                u32::try_from(found.column).unwrap_or(u32::MAX),
            );
            let is_text = whole == Some(found.location.as_str());
            let (message, place) = if is_text {
                (found.message, place)
            } else {
                // The text is a string inside the file.
                let message = format!(
                    "line {}, column {} of its text: {}",
                    found.line, found.column, found.message
                );
                (message, Place::default())
            };
            refused(
                out,
                Problem::scope("bad-schema", &found.location, message).at(place),
            )
        }
    }
}

fn refused(out: &mut Specification, mut problem: Problem) -> (Option<Arc<XmlSchemas>>, Option<Arc<str>>) {
    let why = format!("{}: {}", problem.path, problem.message);
    problem.message = format!(
        "the XML schema cannot be used, so validate-content lets no XML body of this API pass: {}",
        problem.message
    );
    out.problems.push(problem);
    (None, Some(why.into()))
}

/// Whether a schema entity of this content type holds XML schemas.
pub(super) fn is_xml(content_type: &str) -> bool {
    CONTENT_TYPES.iter().any(|t| content_type.eq_ignore_ascii_case(t))
}

/// The XML text of a schema entity; `None`: it is of another kind.
fn entity(file: &File, out: &mut Specification) -> Result<Option<String>, Problem> {
    let root = doc::read(&file.path, &file.bytes, &mut out.problems)?;
    let properties = root.get("properties");
    let kind = properties
        .and_then(|p| p.get("contentType"))
        .and_then(Node::as_text);
    if !kind.is_some_and(is_xml) {
        return Ok(None);
    }
    let document = properties.and_then(|p| p.get("document"));
    let text = document
        .and_then(|d| d.get("value").or(Some(d)))
        .and_then(Node::as_text);
    let message = "a schema of XML needs its text in `properties.document.value`";
    let text = text.ok_or_else(|| Problem::scope("bad-schema", &file.path, message))?;
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{snapshot::ApiKind, spec::read};

    const WSDL: &str = "<w:definitions xmlns:w='http://schemas.xmlsoap.org/wsdl/' xmlns:soap='http://schemas.xmlsoap.org/wsdl/soap/'>\
        <w:types><xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='u'>INSIDE</xs:schema></w:types>\
        <w:binding name='b' type='p'><soap:binding transport='http://schemas.xmlsoap.org/soap/http'/>\
        <w:operation name='Get'><soap:operation soapAction='urn:get'/></w:operation></w:binding></w:definitions>";

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.into(),
            bytes: text.as_bytes().into(),
        }
    }

    #[test]
    fn soap_apis_have_the_schemas_of_their_wsdl_or_their_entities() {
        let element = "<xs:element name='a' type='xs:int'/>";
        let broken = "<xs:element name='a' type='none'/>";
        let entity = |kind: &str, text: &str| {
            serde_json::json!({ "properties": { "contentType": kind, "document": { "value": text } } })
                .to_string()
        };
        let xsd = format!(
            "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>{element}{}</xs:schema>",
            element.replace("'a'", "'b'")
        );
        for (inside, schema, validated, elements, code) in [
            (element, None, true, Some(1), None),
            (element, None, false, None, None),
            (broken, None, true, None, Some("bad-schema")),
            (broken, Some(entity(CONTENT_TYPES[0], &xsd)), true, Some(2), None),
            (
                element,
                Some(entity("application/json", "{}")),
                true,
                Some(1),
                None,
            ),
            (
                element,
                Some(entity(CONTENT_TYPES[0], "<a/>")),
                true,
                None,
                Some("bad-schema"),
            ),
            (
                element,
                Some(r#"{"properties": {"contentType": "application/vnd.ms-azure-apim.xsd+xml"}}"#.into()),
                true,
                None,
                Some("bad-schema"),
            ),
        ] {
            let mut folder = ApiFolder::default();
            let wsdl = file("specification.wsdl", &WSDL.replace("INSIDE", inside));
            folder.specifications.insert("wsdl".into(), wsdl);
            if let Some(schema) = &schema {
                folder.schemas.insert(
                    "s".into(),
                    file("apis/a/schemas/s/apiSchemaInformation.json", schema),
                );
            }
            let spec = read(&folder, ApiKind::Soap, validated);
            let api = spec.operations[0].definition.as_ref().map(|d| &d.api);
            let found = api.and_then(|a| a.xml.as_ref()).map(|x| x.elements());
            assert_eq!(found, elements, "{inside} {schema:?}");
            assert_eq!(spec.problems.first().map(|p| p.code), code, "{inside} {schema:?}");
            assert_eq!(
                api.is_some_and(|a| a.xml_refused.is_some()),
                code.is_some(),
                "{inside} {schema:?}"
            );
            if code.is_some() && schema.is_none() {
                assert_eq!((spec.problems[0].line, spec.problems[0].column > 1), (1, true));
            }
        }
    }

    #[test]
    fn rest_apis_have_them_from_entities_alone() {
        let mut folder = ApiFolder::default();
        let openapi = r#"{"openapi": "3.0.1", "info": {}, "paths": {"/a": {"get": {"operationId": "a", "responses": {}}}}}"#;
        folder
            .specifications
            .insert("json".into(), file("specification.json", openapi));
        let text = serde_json::json!({ "properties": { "contentType": CONTENT_TYPES[0], "document": {
            "value": "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='a'/></xs:schema>" } } });
        let path = "apis/a/schemas/s/apiSchemaInformation.json";
        folder.schemas.insert("s".into(), file(path, &text.to_string()));
        let spec = read(&folder, ApiKind::Http, true);
        let definition = spec.operations[0].definition.as_ref().unwrap();
        assert_eq!(definition.api.xml.as_ref().map(|x| x.elements()), Some(1));
        assert!(definition.api.json.is_some());
    }
}
