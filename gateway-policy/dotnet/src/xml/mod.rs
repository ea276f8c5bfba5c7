//! `System.Xml.Linq`: a mutable tree with identity, read and written as .NET does.
//!
//! No crate has this shape (nodes that know their parents, adding a node twice clones it, the writer's
//! rules for white space and namespaces), so the tree is our own; behaviour recorded from .NET Core 3.1.
//! External entities and DTDs are never fetched; internal entities are plain text and bounded.

mod content;
pub mod convert;
mod edit;
mod name;
mod name_chars;
mod parse;
mod query;
mod tree;
mod write;
pub mod xpath;

pub use content::Content;
pub use name::{Name, XML_NAMESPACE, XMLNS_NAMESPACE, is_name};
pub use parse::{LoadOptions, parse_document, parse_element};
pub use tree::{Attribute, Declaration, Kind, Node, NodeType};
pub use write::{SaveOptions, attribute_to_string, declaration_to_string, node_to_string};

use crate::{Error, ExceptionKind};

/// Levels of a tree: writing, copying and dropping recurse.
pub const MAX_DEPTH: usize = 256;
/// Nodes and attributes of one parsed text: about 200 bytes each.
pub const MAX_NODES: usize = 500_000;
/// Units that entity references may add to one parsed text.
pub const MAX_ENTITY_UNITS: usize = 1 << 20;

fn xml_error(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ExceptionKind::XmlException, message)
}
