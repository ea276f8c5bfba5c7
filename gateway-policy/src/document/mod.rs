//! The tolerant reader: text of a policy document → elements, attributes and texts with their places.
//!
//! Documents come in four stored forms, two of which are not XML: in *raw* documents an expression may hold
//! bare quotes, `<`, `&&` and generics, in attribute values and in element text. [`read`] tries strict XML
//! first and falls back to the raw rules; both give the same tree. Nothing here knows what a policy is.
//! Source: `policies.md` §1.4.

mod reader;
mod scan;
mod text;

pub use reader::{ReadError, read};
pub(crate) use scan::starts_expression;
pub use scan::{Unclosed, expression_end};
pub(crate) use text::TextBuilder;
pub use text::{Lines, Text};

/// Largest document, in bytes: the original's limit of 256 KB for a policy document.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// Deepest nesting of elements: real documents stay below 20; a bound keeps hostile ones cheap.
pub const DEPTH_MAX: usize = 64;

/// A document as written.
#[derive(Debug)]
pub struct Document {
    /// `policies` or `fragment`.
    pub root: Element,
    /// True: it is well-formed XML, so entities were decoded everywhere, in expressions too.
    pub is_xml: bool,
}

/// One element.
#[derive(Debug, Default)]
pub struct Element {
    /// Name as written, prefix included.
    pub name: String,
    /// Byte offset of `<`.
    pub at: usize,
    /// In document order.
    pub attributes: Vec<Attribute>,
    /// Child elements in document order.
    pub children: Vec<Element>,
    /// All character data between the tags that belongs to this element itself, joined.
    pub text: Text,
    /// Byte range between the tags.
    pub inner: std::ops::Range<usize>,
}

impl Element {
    /// The attribute called `name`.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.name == name)
    }

    /// The children called `name`.
    pub fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |c| c.name == name)
    }

    /// The first child called `name`.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.name == name)
    }
}

/// One attribute.
#[derive(Debug)]
pub struct Attribute {
    /// Name as written.
    pub name: String,
    /// Byte offset of the name.
    pub at: usize,
    /// Value, entities decoded.
    pub value: Text,
}
