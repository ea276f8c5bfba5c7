//! What can be added to a container: the functional construction of `new XElement("a", …)`.

use super::{Attribute, Node};

/// One argument of a constructor or of `Add`. Null is left out by the caller; sequences are flattened.
#[derive(Clone, Debug)]
pub enum Content {
    /// A node; one that already has a parent is copied.
    Node(Node),
    /// An attribute; likewise.
    Attribute(Attribute),
    /// Text: strings as they are, other values as XML Schema writes them (`true`, `1.5`, ISO dates).
    Text(String),
}
