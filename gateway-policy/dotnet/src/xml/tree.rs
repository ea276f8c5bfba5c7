//! Nodes and attributes: shared, mutable, aware of their parents.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use super::Name;

/// A node of a tree. Cloning shares the node; [`Node::deep_clone`] copies it.
///
/// Parents are weak references, so a node reached from another also holds the root it was reached in: its
/// parents live as long as it does. Nodes stored in a node hold no root, which would be a cycle.
#[derive(Clone, Debug)]
pub struct Node(pub(super) Rc<Inner>, Option<Rc<Inner>>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) parent: RefCell<Weak<Inner>>,
    /// Levels below this node, at least: kept so that no tree grows deeper than the limit.
    pub(super) height: Cell<usize>,
    pub(super) kind: Kind,
}

/// What a node is, with its data.
#[derive(Debug)]
pub enum Kind {
    /// `XDocument`
    Document {
        /// The XML declaration.
        declaration: RefCell<Option<Declaration>>,
        /// Top-level nodes.
        children: RefCell<Vec<Node>>,
    },
    /// `XElement`
    Element {
        /// Name.
        name: RefCell<Name>,
        /// Attributes, namespace declarations among them.
        attributes: RefCell<Vec<Attribute>>,
        /// Child nodes.
        children: RefCell<Vec<Node>>,
        /// Without children: `<a></a>` rather than `<a />`.
        end_tag: Cell<bool>,
    },
    /// `XText`
    Text(RefCell<String>),
    /// `XCData`
    CData(RefCell<String>),
    /// `XComment`
    Comment(RefCell<String>),
    /// `XProcessingInstruction`
    ProcessingInstruction {
        /// Target.
        target: RefCell<String>,
        /// Data.
        data: RefCell<String>,
    },
    /// `XDocumentType`
    DocumentType {
        /// Name of the root.
        name: String,
        /// Public identifier.
        public_id: Option<String>,
        /// System identifier.
        system_id: Option<String>,
        /// Internal subset.
        internal_subset: Option<String>,
    },
}

/// `XmlNodeType`, with .NET's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of XmlNodeType")]
pub enum NodeType {
    Element = 1,
    Attribute = 2,
    Text = 3,
    CDATA = 4,
    ProcessingInstruction = 7,
    Comment = 8,
    Document = 9,
    DocumentType = 10,
}

/// `XDeclaration`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of XDeclaration")]
pub struct Declaration {
    pub version: Option<String>,
    pub encoding: Option<String>,
    pub standalone: Option<String>,
}

/// `XAttribute`. Cloning shares the attribute, which holds the root it was reached in as a [`Node`] does.
#[derive(Clone, Debug)]
pub struct Attribute(pub(super) Rc<AttributeInner>, Option<Rc<Inner>>);

#[derive(Debug)]
pub(super) struct AttributeInner {
    pub(super) name: Name,
    pub(super) value: RefCell<String>,
    pub(super) parent: RefCell<Weak<Inner>>,
}

impl Attribute {
    /// A free attribute.
    pub fn new(name: Name, value: String) -> Self {
        let inner = AttributeInner {
            name,
            value: RefCell::new(value),
            parent: RefCell::default(),
        };
        Attribute(Rc::new(inner), None)
    }

    /// `Name`
    pub fn name(&self) -> &Name {
        &self.0.name
    }

    /// `Value`
    pub fn value(&self) -> String {
        self.0.value.borrow().clone()
    }

    /// Sets `Value`.
    pub fn set_value(&self, value: String) {
        *self.0.value.borrow_mut() = value;
    }

    /// `Parent`
    pub fn parent(&self) -> Option<Node> {
        let parent = self.0.parent.borrow().upgrade()?;
        Some(Node(parent, self.1.clone()))
    }

    /// Whether both are the same attribute object.
    pub fn same(&self, other: &Attribute) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Node {
    pub(super) fn of(kind: Kind) -> Self {
        let inner = Inner {
            parent: RefCell::default(),
            height: Cell::new(0),
            kind,
        };
        Node(Rc::new(inner), None)
    }

    /// The node as another stores it: without hold on a root.
    pub(super) fn stored(self) -> Self {
        Node(self.0, None)
    }

    /// The root that what is reached from here holds.
    fn held(&self) -> Option<Rc<Inner>> {
        let is_root = self.0.parent.borrow().strong_count() == 0;
        let root = match &self.1 {
            Some(root) if !is_root => root,
            _ => &self.0,
        };
        Some(root.clone())
    }

    /// A child as it is handed out.
    pub(super) fn hand_out(&self, child: &Node) -> Node {
        Node(child.0.clone(), self.held())
    }

    /// An attribute as it is handed out.
    pub(super) fn hand_out_attribute(&self, attribute: &Attribute) -> Attribute {
        Attribute(attribute.0.clone(), self.held())
    }

    /// An empty element.
    pub fn element(name: Name) -> Self {
        Self::of(Kind::Element {
            name: RefCell::new(name),
            attributes: RefCell::default(),
            children: RefCell::default(),
            end_tag: Cell::new(false),
        })
    }

    /// An empty document.
    pub fn document(declaration: Option<Declaration>) -> Self {
        Self::of(Kind::Document {
            declaration: RefCell::new(declaration),
            children: RefCell::default(),
        })
    }

    /// A text node.
    pub fn text(text: String) -> Self {
        Self::of(Kind::Text(RefCell::new(text)))
    }

    /// A CDATA section.
    pub fn cdata(text: String) -> Self {
        Self::of(Kind::CData(RefCell::new(text)))
    }

    /// A comment.
    pub fn comment(text: String) -> Self {
        Self::of(Kind::Comment(RefCell::new(text)))
    }

    /// A processing instruction.
    pub fn processing_instruction(target: String, data: String) -> Self {
        Self::of(Kind::ProcessingInstruction {
            target: RefCell::new(target),
            data: RefCell::new(data),
        })
    }

    /// A document type.
    pub fn document_type(
        name: String,
        public_id: Option<String>,
        system_id: Option<String>,
        internal_subset: Option<String>,
    ) -> Self {
        Self::of(Kind::DocumentType {
            name,
            public_id,
            system_id,
            internal_subset,
        })
    }

    /// What it is.
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// `NodeType`
    pub fn node_type(&self) -> NodeType {
        match self.kind() {
            Kind::Document { .. } => NodeType::Document,
            Kind::Element { .. } => NodeType::Element,
            Kind::Text(_) => NodeType::Text,
            Kind::CData(_) => NodeType::CDATA,
            Kind::Comment(_) => NodeType::Comment,
            Kind::ProcessingInstruction { .. } => NodeType::ProcessingInstruction,
            Kind::DocumentType { .. } => NodeType::DocumentType,
        }
    }

    /// Whether it is an element.
    pub fn is_element(&self) -> bool {
        matches!(self.kind(), Kind::Element { .. })
    }

    /// Whether both are the same node object.
    pub fn same(&self, other: &Node) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// Where the node lives in memory: the same for every handle of it.
    pub(super) fn address(&self) -> usize {
        Rc::as_ptr(&self.0) as usize
    }

    /// The element's name; `None` for other nodes.
    pub fn name(&self) -> Option<Name> {
        match self.kind() {
            Kind::Element { name, .. } => Some(name.borrow().clone()),
            _ => None,
        }
    }

    /// The container it stands in, a document included.
    pub fn container(&self) -> Option<Node> {
        let parent = self.0.parent.borrow().upgrade()?;
        Some(Node(parent, self.1.clone()))
    }

    pub(super) fn children_cell(&self) -> Option<&RefCell<Vec<Node>>> {
        match self.kind() {
            Kind::Document { children, .. } | Kind::Element { children, .. } => Some(children),
            _ => None,
        }
    }

    pub(super) fn attributes_cell(&self) -> Option<&RefCell<Vec<Attribute>>> {
        match self.kind() {
            Kind::Element { attributes, .. } => Some(attributes),
            _ => None,
        }
    }

    /// `Nodes()`, as they stand now.
    pub fn nodes(&self) -> Vec<Node> {
        self.children_cell()
            .map(|children| children.borrow().iter().map(|c| self.hand_out(c)).collect())
            .unwrap_or_default()
    }

    /// `Attributes()`, as they stand now.
    pub fn attributes(&self) -> Vec<Attribute> {
        self.attributes_cell()
            .map(|attributes| {
                let attributes = attributes.borrow();
                attributes.iter().map(|a| self.hand_out_attribute(a)).collect()
            })
            .unwrap_or_default()
    }

    /// A copy without parent (`new XElement(other)`).
    pub fn deep_clone(&self) -> Node {
        let copy = match self.kind() {
            Kind::Document { declaration, .. } => Node::document(declaration.borrow().clone()),
            Kind::Element {
                name,
                attributes,
                end_tag,
                ..
            } => {
                let copy = Node::element(name.borrow().clone());
                if let Kind::Element { end_tag: of_copy, .. } = copy.kind() {
                    of_copy.set(end_tag.get());
                }
                for attribute in attributes.borrow().iter() {
                    copy.attach_attribute(Attribute::new(attribute.name().clone(), attribute.value()));
                }
                copy
            }
            Kind::Text(text) => Node::text(text.borrow().clone()),
            Kind::CData(text) => Node::cdata(text.borrow().clone()),
            Kind::Comment(text) => Node::comment(text.borrow().clone()),
            Kind::ProcessingInstruction { target, data } => {
                Node::processing_instruction(target.borrow().clone(), data.borrow().clone())
            }
            Kind::DocumentType {
                name,
                public_id,
                system_id,
                internal_subset,
            } => Node::document_type(
                name.clone(),
                public_id.clone(),
                system_id.clone(),
                internal_subset.clone(),
            ),
        };
        if let (Some(from), Some(to)) = (self.children_cell(), copy.children_cell()) {
            for child in from.borrow().iter() {
                let child = child.deep_clone();
                *child.0.parent.borrow_mut() = Rc::downgrade(&copy.0);
                to.borrow_mut().push(child);
            }
        }
        copy.0.height.set(self.0.height.get());
        copy
    }

    pub(super) fn attach_attribute(&self, attribute: Attribute) {
        *attribute.0.parent.borrow_mut() = Rc::downgrade(&self.0);
        if let Some(attributes) = self.attributes_cell() {
            attributes.borrow_mut().push(Attribute(attribute.0, None));
        }
    }
}
