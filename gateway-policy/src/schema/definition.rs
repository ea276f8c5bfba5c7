//! What the definition of an API says about one operation's messages, as the validation policies need it.
//!
//! Made by gateway-config for APIs that some `validate-*` policy can reach, and for no others: definitions of ten
//! thousand APIs would not fit otherwise. Shared by all workers, never changed.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{document::JsonSchemas, graphql::GraphQlSchema, odata::ODataModel, xsd::XmlSchemas};

/// Most bytes of one definition or schema ("The maximum size of the API schema … is 4 MB").
pub const SCHEMA_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What there is to validate one exchange against.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// Of the operation; `None`: the API has no definition, which validation refuses.
    pub operation: Option<Arc<OperationDefinition>>,
    /// Schemas of the service, by id (`schema-id`); `None`: there are none.
    pub schemas: Option<Arc<NamedSchemas>>,
}

/// Schemas of the service, by id.
pub type NamedSchemas = BTreeMap<Arc<str>, NamedSchema>;

/// A schema of the service.
#[derive(Clone, Debug)]
pub enum NamedSchema {
    /// JSON Schema, or a document with schemas in it.
    Json(Arc<JsonSchemas>),
    /// XML Schema.
    Xml(Arc<XmlSchemas>),
    /// It cannot be used, and why.
    Refused(Arc<str>),
}

/// Schemas of an API, shared by its operations.
#[derive(Debug, Default)]
pub struct ApiSchemas {
    /// The OpenAPI document.
    pub json: Option<JsonSchemas>,
    /// The schema of a GraphQL API.
    pub graphql: Option<GraphQlSchema>,
    /// XML schemas: entities of the API, or those in its WSDL document.
    pub xml: Option<Arc<XmlSchemas>>,
    /// Metadata of an OData API.
    pub odata: Option<ODataModel>,
    /// Why there are no XML schemas, when there should be some.
    pub xml_refused: Option<Arc<str>>,
}

/// An operation.
#[derive(Debug, Default)]
pub struct OperationDefinition {
    /// Schemas that the pointers below lead into.
    pub api: Arc<ApiSchemas>,
    /// Declared parameters of path, query and header.
    pub parameters: Vec<Parameter>,
    /// Media types of the request body.
    pub request: Vec<Content>,
    /// The request must have a body.
    pub request_required: bool,
    /// Documented answers.
    pub responses: Vec<Answer>,
}

/// A media type of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Media type or range, in lower case, without parameters.
    pub media_type: Arc<str>,
    /// JSON pointer of its schema; `None`: it has none. XML bodies say themselves what they are.
    pub schema: Option<Arc<str>>,
}

/// A documented answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status codes.
    pub status: Statuses,
    /// Declared headers.
    pub headers: Vec<Parameter>,
    /// Media types of its body.
    pub content: Vec<Content>,
}

/// Status codes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statuses {
    /// One code.
    Code(u16),
    /// `2XX`: all codes with this first digit.
    Class(u16),
    /// `default`: all others.
    Default,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Place {
    Path,
    Query,
    Header,
}

/// How several values are written in one parameter. Source: OpenAPI 3.0.3, "Style Values".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names are those of OpenAPI; `Tabs` is `tsv` of Swagger 2.0"
)]
pub enum Style {
    Simple,
    Form,
    Label,
    Matrix,
    SpaceDelimited,
    PipeDelimited,
    Tabs,
    DeepObject,
    /// `content`: the value is JSON text.
    Json,
}

/// A declared parameter, or header of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name, as declared.
    pub name: Arc<str>,
    /// Where it stands.
    pub place: Place,
    /// It must be there.
    pub required: bool,
    /// JSON pointer of its schema; `None`: it has none, and any value conforms.
    pub schema: Option<Arc<str>>,
    /// How several values are written.
    pub style: Style,
    /// Each value stands on its own.
    pub explode: bool,
}

impl OperationDefinition {
    /// The answer documented for a status code: its own, its class's, or the default one.
    pub fn answer(&self, status: u16) -> Option<&Answer> {
        let find = |wanted| self.responses.iter().find(|a| a.status == wanted);
        find(Statuses::Code(status))
            .or_else(|| find(Statuses::Class(status / 100)))
            .or_else(|| find(Statuses::Default))
    }
}

/// The media type among `contents` that `media_type` is: named, else by the closest range.
pub(crate) fn content_of<'c>(contents: &'c [Content], media_type: &str) -> Option<&'c Content> {
    let find = |wanted: &str| contents.iter().find(|c| *c.media_type == *wanted);
    let class = media_type.split('/').next().unwrap_or_default();
    find(media_type)
        .or_else(|| find(&format!("{class}/*")))
        .or_else(|| find("*/*"))
}

/// The name of a definition for messages: of what it refers to, else its own place.
pub(crate) fn name_of(schemas: &JsonSchemas, pointer: &str) -> String {
    let reference = schemas
        .get(pointer)
        .and_then(|s| s.get("$ref"))
        .and_then(Value::as_str);
    let place = reference.unwrap_or(pointer);
    let last = place.rsplit('/').next().unwrap_or(place);
    last.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_answer_and_media_type_win() {
        let answer = |status| Answer {
            status,
            headers: Vec::new(),
            content: Vec::new(),
        };
        let operation = OperationDefinition {
            responses: [Statuses::Default, Statuses::Class(4), Statuses::Code(404)]
                .map(answer)
                .into(),
            ..OperationDefinition::default()
        };
        for (status, expected) in [
            (404, Statuses::Code(404)),
            (400, Statuses::Class(4)),
            (200, Statuses::Default),
        ] {
            assert_eq!(operation.answer(status).unwrap().status, expected, "{status}");
        }
        let contents: Vec<Content> = ["*/*", "application/*", "application/json"]
            .map(|m| Content {
                media_type: m.into(),
                schema: None,
            })
            .into();
        for (media_type, expected) in [
            ("application/json", Some("application/json")),
            ("application/xml", Some("application/*")),
            ("text/plain", Some("*/*")),
        ] {
            let found = content_of(&contents, media_type).map(|c| &*c.media_type);
            assert_eq!(found, expected, "{media_type}");
        }
        assert_eq!(content_of(&contents[1..], "text/plain"), None);
    }
}
