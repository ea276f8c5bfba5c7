//! Navigation: axes, values, namespaces in scope, equality.

use super::{Attribute, Kind, Name, Node, XML_NAMESPACE, XMLNS_NAMESPACE};

impl Node {
    /// `Parent`: the element it stands in.
    pub fn parent(&self) -> Option<Node> {
        self.container().filter(Node::is_element)
    }

    /// `Document`
    pub fn owner_document(&self) -> Option<Node> {
        let mut at = self.clone();
        while let Some(up) = at.container() {
            at = up;
        }
        matches!(at.kind(), Kind::Document { .. }).then_some(at)
    }

    /// `Elements()`
    pub fn elements(&self) -> Vec<Node> {
        let mut nodes = self.nodes();
        nodes.retain(Node::is_element);
        nodes
    }

    /// `Element(name)`
    pub fn child(&self, name: &Name) -> Option<Node> {
        let children = self.children_cell()?.borrow();
        children
            .iter()
            .find(|child| child.name().as_ref() == Some(name))
            .map(|child| self.hand_out(child))
    }

    /// `Root` of a document.
    pub fn root(&self) -> Option<Node> {
        self.elements().into_iter().next()
    }

    /// `DescendantNodes()`, in document order.
    pub fn descendant_nodes(&self) -> Vec<Node> {
        let mut all = Vec::new();
        let mut pending: Vec<Node> = self.nodes();
        pending.reverse();
        while let Some(node) = pending.pop() {
            pending.extend(node.nodes().into_iter().rev());
            all.push(node);
        }
        all
    }

    /// `Descendants()`
    pub fn descendants(&self) -> Vec<Node> {
        let mut all = self.descendant_nodes();
        all.retain(Node::is_element);
        all
    }

    /// `Ancestors()`, nearest first.
    pub fn ancestors(&self) -> Vec<Node> {
        let mut all = Vec::new();
        let mut at = self.parent();
        while let Some(node) = at {
            at = node.parent();
            all.push(node);
        }
        all
    }

    fn siblings(&self) -> Option<(Vec<Node>, usize)> {
        let siblings = self.container()?.nodes();
        let at = siblings.iter().position(|node| node.same(self))?;
        Some((siblings, at))
    }

    /// `NodesAfterSelf()`
    pub fn nodes_after_self(&self) -> Vec<Node> {
        self.siblings()
            .map_or_else(Vec::new, |(mut all, at)| all.split_off(at + 1))
    }

    /// `NodesBeforeSelf()`
    pub fn nodes_before_self(&self) -> Vec<Node> {
        self.siblings().map_or_else(Vec::new, |(mut all, at)| {
            all.truncate(at);
            all
        })
    }

    /// `NextNode`
    pub fn next_node(&self) -> Option<Node> {
        self.siblings().and_then(|(all, at)| all.get(at + 1).cloned())
    }

    /// `PreviousNode`
    pub fn previous_node(&self) -> Option<Node> {
        self.siblings()
            .and_then(|(all, at)| all.get(at.checked_sub(1)?).cloned())
    }

    /// `Attribute(name)`
    pub fn attribute(&self, name: &Name) -> Option<Attribute> {
        let attributes = self.attributes_cell()?.borrow();
        attributes
            .iter()
            .find(|attribute| attribute.name() == name)
            .map(|attribute| self.hand_out_attribute(attribute))
    }

    /// `IsEmpty`: written as one tag.
    pub fn is_empty(&self) -> bool {
        match self.kind() {
            Kind::Element {
                children, end_tag, ..
            } => children.borrow().is_empty() && !end_tag.get(),
            _ => false,
        }
    }

    /// `Value`: the text of a leaf, the joined text of a container.
    pub fn value(&self) -> String {
        match self.kind() {
            Kind::Text(text) | Kind::CData(text) | Kind::Comment(text) => text.borrow().clone(),
            Kind::ProcessingInstruction { data, .. } => data.borrow().clone(),
            Kind::DocumentType { .. } => String::new(),
            Kind::Document { .. } | Kind::Element { .. } => {
                let mut all = String::new();
                for node in self.descendant_nodes() {
                    if let Kind::Text(text) | Kind::CData(text) = node.kind() {
                        all.push_str(&text.borrow());
                    }
                }
                all
            }
        }
    }

    /// `GetNamespaceOfPrefix(prefix)`
    pub fn namespace_of_prefix(&self, prefix: &str) -> Option<String> {
        match prefix {
            "xml" => return Some(XML_NAMESPACE.to_owned()),
            "xmlns" => return Some(XMLNS_NAMESPACE.to_owned()),
            _ => {}
        }
        let name = Name::unchecked(XMLNS_NAMESPACE, prefix);
        std::iter::once(self.clone())
            .chain(self.ancestors())
            .find_map(|element| element.attribute(&name))
            .map(|attribute| attribute.value())
    }

    /// `GetDefaultNamespace()`; empty is none.
    pub fn default_namespace(&self) -> String {
        let name = Name::unchecked("", "xmlns");
        std::iter::once(self.clone())
            .chain(self.ancestors())
            .find_map(|element| element.attribute(&name))
            .map(|attribute| attribute.value())
            .unwrap_or_default()
    }

    /// `GetPrefixOfNamespace(namespace)`: the nearest prefix that still means it here.
    pub fn prefix_of_namespace(&self, namespace: &str) -> Option<String> {
        for element in std::iter::once(self.clone()).chain(self.ancestors()) {
            for attribute in element.attributes() {
                let name = attribute.name();
                if &*name.namespace == XMLNS_NAMESPACE
                    && attribute.value() == namespace
                    && self.namespace_of_prefix(&name.local).as_deref() == Some(namespace)
                {
                    return Some(name.local.to_string());
                }
            }
        }
        match namespace {
            XML_NAMESPACE => Some("xml".to_owned()),
            XMLNS_NAMESPACE => Some("xmlns".to_owned()),
            _ => None,
        }
    }

    /// `XNode.DeepEquals`: names, attributes in order, content, and how emptiness is written.
    pub fn deep_equals(&self, other: &Node) -> bool {
        let leaf = match (self.kind(), other.kind()) {
            (
                Kind::Element {
                    name: a,
                    attributes: x,
                    ..
                },
                Kind::Element {
                    name: b,
                    attributes: y,
                    ..
                },
            ) => {
                let (x, y) = (x.borrow(), y.borrow());
                *a.borrow() == *b.borrow()
                    && self.is_empty() == other.is_empty()
                    && x.len() == y.len()
                    && x.iter()
                        .zip(y.iter())
                        .all(|(p, q)| p.name() == q.name() && p.value() == q.value())
            }
            (Kind::Document { .. }, Kind::Document { .. }) => true,
            (Kind::Text(a), Kind::Text(b))
            | (Kind::CData(a), Kind::CData(b))
            | (Kind::Comment(a), Kind::Comment(b)) => *a.borrow() == *b.borrow(),
            (
                Kind::ProcessingInstruction { target: a, data: x },
                Kind::ProcessingInstruction { target: b, data: y },
            ) => *a.borrow() == *b.borrow() && *x.borrow() == *y.borrow(),
            (Kind::DocumentType { name: a, .. }, Kind::DocumentType { name: b, .. }) => a == b,
            _ => false,
        };
        let (mine, theirs) = (self.nodes(), other.nodes());
        leaf && mine.len() == theirs.len() && mine.iter().zip(&theirs).all(|(a, b)| a.deep_equals(b))
    }
}
