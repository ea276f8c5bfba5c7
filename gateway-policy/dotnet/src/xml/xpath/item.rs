//! Nodes as XPath sees them: attributes and namespaces are nodes too.

use super::super::{Attribute, Kind, Name, Node, XML_NAMESPACE};

/// A node of the XPath data model.
#[derive(Clone, Debug)]
pub enum Item {
    /// Document, element, text, comment or processing instruction.
    Node(Node),
    /// An attribute that is no namespace declaration.
    Attribute(Attribute),
    /// A namespace in scope of an element: its prefix (empty for the default) and URI.
    Namespace(Node, Box<str>, Box<str>),
}

impl Item {
    /// The node, unless it is an attribute or namespace.
    pub fn node(&self) -> Option<&Node> {
        match self {
            Item::Node(node) => Some(node),
            _ => None,
        }
    }

    /// Whether both stand for one node.
    pub fn same(&self, other: &Item) -> bool {
        match (self, other) {
            (Item::Node(a), Item::Node(b)) => a.same(b),
            (Item::Attribute(a), Item::Attribute(b)) => a.same(b),
            (Item::Namespace(a, p, _), Item::Namespace(b, q, _)) => a.same(b) && p == q,
            _ => false,
        }
    }

    /// The node above it.
    pub fn parent(&self) -> Option<Item> {
        match self {
            Item::Node(node) => node.container().map(Item::Node),
            Item::Attribute(attribute) => attribute.parent().map(Item::Node),
            Item::Namespace(element, ..) => Some(Item::Node(element.clone())),
        }
    }

    /// The top of its tree.
    pub fn root(&self) -> Item {
        let mut at = self.clone();
        while let Some(up) = at.parent() {
            at = up;
        }
        at
    }

    /// Its expanded name; `None` for nodes without.
    pub fn name(&self) -> Option<Name> {
        match self {
            Item::Node(node) => match node.kind() {
                Kind::Element { name, .. } => Some(name.borrow().clone()),
                Kind::ProcessingInstruction { target, .. } => Some(Name::unchecked("", &target.borrow())),
                _ => None,
            },
            Item::Attribute(attribute) => Some(attribute.name().clone()),
            Item::Namespace(_, prefix, _) => Some(Name::unchecked("", prefix)),
        }
    }

    /// Its name as written: `prefix:local`.
    pub fn qualified_name(&self) -> String {
        let Some(name) = self.name() else {
            return String::new();
        };
        let element = match self {
            Item::Node(node) => Some(node.clone()),
            Item::Attribute(attribute) => attribute.parent(),
            Item::Namespace(..) => None,
        };
        let is_attribute = matches!(self, Item::Attribute(_));
        if name.namespace.is_empty() {
            return name.local.to_string();
        }
        let Some(element) = element else {
            return name.local.to_string();
        };
        if !is_attribute && *element.default_namespace() == *name.namespace {
            return name.local.to_string();
        }
        match element.prefix_of_namespace(&name.namespace) {
            Some(prefix) => format!("{prefix}:{}", name.local),
            None => name.local.to_string(),
        }
    }

    /// Its string-value.
    pub fn text(&self) -> String {
        match self {
            Item::Node(node) => node.value(),
            Item::Attribute(attribute) => attribute.value(),
            Item::Namespace(_, _, uri) => uri.to_string(),
        }
    }

    /// Children in document order.
    pub(super) fn children(&self) -> Vec<Item> {
        match self {
            Item::Node(node) => node
                .nodes()
                .into_iter()
                .filter(|n| !matches!(n.kind(), Kind::DocumentType { .. }))
                .map(Item::Node)
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Attributes that declare no namespace.
    pub(super) fn attributes(&self) -> Vec<Item> {
        match self {
            Item::Node(node) => node
                .attributes()
                .into_iter()
                .filter(|a| !a.name().is_declaration())
                .map(Item::Attribute)
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Namespaces in scope, `xml` among them.
    pub(super) fn namespaces(&self) -> Vec<Item> {
        let Item::Node(element) = self else {
            return Vec::new();
        };
        if !element.is_element() {
            return Vec::new();
        }
        let mut seen: Vec<(String, String)> = Vec::new();
        for at in std::iter::once(element.clone()).chain(element.ancestors()) {
            for attribute in at.attributes() {
                let name = attribute.name();
                if !name.is_declaration() {
                    continue;
                }
                let prefix = if name.namespace.is_empty() {
                    ""
                } else {
                    &*name.local
                };
                if seen.iter().all(|(p, _)| p != prefix) {
                    seen.push((prefix.to_owned(), attribute.value()));
                }
            }
        }
        seen.push(("xml".to_owned(), XML_NAMESPACE.to_owned()));
        seen.into_iter()
            .filter(|(_, uri)| !uri.is_empty())
            .map(|(prefix, uri)| Item::Namespace(element.clone(), prefix.into(), uri.into()))
            .collect()
    }
}
