//! XML Schema 1.0: schemas read at load, bodies checked within a budget (ADR 0017).
//!
//! What is there: simple types with all facets, lists and unions; complex types with sequence, choice, all, groups,
//! wildcards, extension, restriction, mixed and simple content; attributes and their groups; substitution groups;
//! `xsi:type`, `xsi:nil`; identity constraints; import and include among the texts given. What is not there is
//! refused with its place: `redefine`, and whatever a text refers to and nobody gave. Rules that only schemas can
//! break (ambiguous models, restrictions that widen) are not checked: they cannot make a wrong body pass.
//! Source: XML Schema 1.0 second edition, parts 1 and 2. Messages follow .NET's `XmlSchemaValidator`.

mod builtin;
mod complex;
mod identity;
mod load;
mod model;
mod particle;
mod pattern;
mod simple;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
mod time;
pub(crate) mod tree;
mod validate;
mod value;

use std::{borrow::Cow, fmt};

use model::{AttributeDecl, AttributeId, Element, ElementId, Table, Type, TypeId};
pub(crate) use tree::NotXml;
pub(crate) use validate::{Fault, Stop};

/// The namespace of XML Schema.
const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// The namespace of `xsi:type`.
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// Of SOAP 1.1 and 1.2 envelopes.
const SOAP: [&str; 2] = [
    "http://schemas.xmlsoap.org/soap/envelope/",
    "http://www.w3.org/2003/05/soap-envelope",
];

/// A text with schemas in it: an XML schema, or a WSDL document with several.
#[derive(Clone, Copy, Debug)]
pub struct XmlSource<'t> {
    /// What `schemaLocation` calls it; for messages.
    pub location: &'t str,
    /// The text.
    pub text: &'t str,
}

/// Why schemas cannot be used, and where that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlSchemaProblem {
    /// Of the text.
    pub location: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for XmlSchemaProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.location, self.line, self.column, self.message
        )
    }
}

/// XML schemas that refer to each other.
pub struct XmlSchemas {
    types: Vec<Type>,
    elements: Vec<Element>,
    attributes: Vec<AttributeDecl>,
    global_types: Table<TypeId>,
    global_elements: Table<ElementId>,
    global_attributes: Table<AttributeId>,
    /// Elements that may stand for a head, by head.
    members: std::collections::HashMap<ElementId, Vec<ElementId>>,
    constrained: bool,
}

impl fmt::Debug for XmlSchemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XmlSchemas")
            .field("elements", &self.global_elements.len())
            .field("types", &self.global_types.len())
            .finish_non_exhaustive()
    }
}

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The document element is one the schemas declare.
    Document,
    /// What is in the body of a SOAP envelope is.
    Envelope,
}

impl XmlSchemas {
    /// Reads schemas that may refer to each other.
    ///
    /// # Errors
    /// The first thing that is wrong or not supported.
    pub fn new(sources: &[XmlSource<'_>]) -> Result<Self, XmlSchemaProblem> {
        load::read(sources)
    }

    /// Elements that a document may start with; none: nothing conforms.
    pub fn elements(&self) -> usize {
        self.global_elements.len()
    }

    /// Checks a text. No faults: it conforms.
    ///
    /// # Errors
    /// There is no verdict.
    pub(crate) fn check(&self, text: &str, shape: Shape) -> Result<Vec<Fault>, Stop> {
        validate::check(self, text, shape)
    }

    /// The declaration that `(uri, local)` is when `declared` is expected: it or one that may stand for it.
    fn stands_for(&self, declared: ElementId, uri: &str, local: &str) -> Option<ElementId> {
        let is = |id: &ElementId| {
            let name = &self.elements[id.0].name;
            *name.local == *local && *name.uri == *uri
        };
        if is(&declared) {
            return Some(declared);
        }
        self.members.get(&declared)?.iter().copied().find(is)
    }
}

/// Characters of a value shown in a message.
const SHOWN_CHARS: usize = 100;

/// A text cut for a message.
fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}

/// Line and column of a byte, both from 1.
pub(crate) fn place(text: &str, at: usize) -> (usize, usize) {
    let mut end = at.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    (
        before.bytes().filter(|b| *b == b'\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}
