//! What APIs say about their messages, and checking messages against it.

pub(crate) mod check;
pub(crate) mod definition;
mod document;
mod format;
pub(crate) mod graphql;
pub(crate) mod json;
pub(crate) mod odata;
pub mod openapi;
pub(crate) mod parameter;
pub(crate) mod xsd;

pub use definition::{
    Answer, ApiSchemas, Content, Definitions, NamedSchema, NamedSchemas, OperationDefinition, Parameter,
    Place, SCHEMA_BYTES_MAX, Statuses, Style,
};
pub use document::{Dialect, JsonSchemas};
pub use graphql::GraphQlSchema;
pub use odata::ODataModel;
pub use xsd::{XmlSchemaProblem, XmlSchemas, XmlSource};
