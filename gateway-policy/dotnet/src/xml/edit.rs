//! Changing a tree: `Add`, `Remove`, `ReplaceWith`, `SetAttributeValue` and their like.

use std::rc::{Rc, Weak};

use crate::{Error, ExceptionKind};

use super::{Attribute, Content, Kind, MAX_DEPTH, Name, Node};

impl Node {
    /// `Add(content)`
    ///
    /// # Errors
    /// `InvalidOperationException` for a duplicate attribute, `ArgumentException` for what cannot stand here.
    pub fn add(&self, content: &[Content]) -> Result<(), Error> {
        for one in content {
            self.insert(self.child_count(), one)?;
        }
        Ok(())
    }

    /// `AddFirst(content)`
    ///
    /// # Errors
    /// As [`Node::add`].
    pub fn add_first(&self, content: &[Content]) -> Result<(), Error> {
        self.insert_nodes(0, content)
    }

    /// `AddAfterSelf(content)`
    ///
    /// # Errors
    /// `InvalidOperationException` without a parent; else as [`Node::add`].
    pub fn add_after_self(&self, content: &[Content]) -> Result<(), Error> {
        let (parent, at) = self.position()?;
        parent.insert_nodes(at + 1, content)
    }

    /// `AddBeforeSelf(content)`
    ///
    /// # Errors
    /// As [`Node::add_after_self`].
    pub fn add_before_self(&self, content: &[Content]) -> Result<(), Error> {
        let (parent, at) = self.position()?;
        parent.insert_nodes(at, content)
    }

    /// `ReplaceWith(content)`
    ///
    /// # Errors
    /// As [`Node::add_after_self`].
    pub fn replace_with(&self, content: &[Content]) -> Result<(), Error> {
        let (parent, at) = self.position()?;
        self.remove()?;
        parent.insert_nodes(at, content)
    }

    /// Inserts beside other nodes, where no attribute can stand.
    fn insert_nodes(&self, mut at: usize, content: &[Content]) -> Result<(), Error> {
        for one in content {
            if matches!(one, Content::Attribute(_)) {
                return Err(Error::new(
                    ExceptionKind::ArgumentException,
                    "An attribute cannot be added to content.",
                ));
            }
            let before = self.child_count();
            self.insert_all(at, std::slice::from_ref(one))?;
            at += self.child_count() - before;
        }
        Ok(())
    }

    /// `Remove()`
    ///
    /// # Errors
    /// `InvalidOperationException` without a parent.
    pub fn remove(&self) -> Result<(), Error> {
        let (parent, at) = self.position()?;
        if let Some(children) = parent.children_cell() {
            children.borrow_mut().remove(at);
        }
        *self.0.parent.borrow_mut() = Weak::new();
        Ok(())
    }

    /// `RemoveNodes()`
    pub fn remove_nodes(&self) {
        if let Some(children) = self.children_cell() {
            for child in children.borrow_mut().drain(..) {
                *child.0.parent.borrow_mut() = Weak::new();
            }
        }
        self.set_end_tag(false);
    }

    /// `RemoveAttributes()`
    pub fn remove_attributes(&self) {
        if let Some(attributes) = self.attributes_cell() {
            for attribute in attributes.borrow_mut().drain(..) {
                *attribute.0.parent.borrow_mut() = Weak::new();
            }
        }
    }

    /// Sets the content to one text (`Value = …`, `SetValue`): empty text leaves an end tag.
    ///
    /// # Errors
    /// As [`Node::add`].
    pub fn set_value(&self, text: String) -> Result<(), Error> {
        match self.kind() {
            Kind::Text(own) | Kind::CData(own) | Kind::Comment(own) => *own.borrow_mut() = text,
            Kind::ProcessingInstruction { data, .. } => *data.borrow_mut() = text,
            _ => {
                self.remove_nodes();
                self.add(&[Content::Text(text)])?;
            }
        }
        Ok(())
    }

    /// Sets an element's name.
    pub fn set_name(&self, new: Name) {
        if let Kind::Element { name, .. } = self.kind() {
            *name.borrow_mut() = new;
        }
    }

    /// `SetAttributeValue(name, value)`; `None` removes.
    pub fn set_attribute_value(&self, name: &Name, value: Option<String>) {
        let found = self.attribute(name);
        match (found, value) {
            (Some(attribute), Some(value)) => attribute.set_value(value),
            (Some(attribute), None) => attribute.remove(),
            (None, Some(value)) => self.attach_attribute(Attribute::new(name.clone(), value)),
            (None, None) => {}
        }
    }

    /// `SetElementValue(name, value)`; `None` removes.
    ///
    /// # Errors
    /// As [`Node::add`].
    pub fn set_element_value(&self, name: &Name, value: Option<String>) -> Result<(), Error> {
        match (self.child(name), value) {
            (Some(child), Some(value)) => child.set_value(value),
            (Some(child), None) => child.remove(),
            (None, Some(value)) => {
                let child = Node::element(name.clone());
                child.set_value(value)?;
                self.add(&[Content::Node(child)])
            }
            (None, None) => Ok(()),
        }
    }

    pub(super) fn child_count(&self) -> usize {
        self.children_cell().map_or(0, |children| children.borrow().len())
    }

    fn position(&self) -> Result<(Node, usize), Error> {
        let missing = || Error::invalid_operation("The parent is missing.");
        let parent = self.container().ok_or_else(missing)?;
        let at = parent
            .children_cell()
            .and_then(|children| children.borrow().iter().position(|child| child.same(self)))
            .ok_or_else(missing)?;
        Ok((parent, at))
    }

    fn insert_all(&self, mut at: usize, content: &[Content]) -> Result<(), Error> {
        for one in content {
            let before = self.child_count();
            self.insert(at, one)?;
            at += self.child_count() - before;
        }
        Ok(())
    }

    fn insert(&self, at: usize, content: &Content) -> Result<(), Error> {
        match content {
            Content::Node(node) => {
                let node = if node.container().is_some() || self.is_inside(node) {
                    node.deep_clone()
                } else {
                    node.clone()
                };
                self.attach(at, node)
            }
            Content::Attribute(attribute) => self.add_attribute(attribute),
            Content::Text(text) => self.insert_text(at, text),
        }
    }

    fn is_inside(&self, node: &Node) -> bool {
        let mut at = Some(self.clone());
        while let Some(one) = at {
            if one.same(node) {
                return true;
            }
            at = one.container();
        }
        false
    }

    fn add_attribute(&self, attribute: &Attribute) -> Result<(), Error> {
        if self.attributes_cell().is_none() {
            return Err(Error::new(
                ExceptionKind::ArgumentException,
                "An attribute cannot be added to content.",
            ));
        }
        if self.attribute(attribute.name()).is_some() {
            return Err(Error::invalid_operation("Duplicate attribute."));
        }
        let attribute = match attribute.parent() {
            Some(_) => Attribute::new(attribute.name().clone(), attribute.value()),
            None => attribute.clone(),
        };
        self.attach_attribute(attribute);
        Ok(())
    }

    /// Text joins the text node before it; empty text only leaves an end tag.
    fn insert_text(&self, at: usize, text: &str) -> Result<(), Error> {
        if matches!(self.kind(), Kind::Document { .. }) && !text.trim().is_empty() {
            return Err(Error::new(
                ExceptionKind::ArgumentException,
                "Non-whitespace characters cannot be added to content.",
            ));
        }
        if text.is_empty() {
            if self.child_count() == 0 {
                self.set_end_tag(true);
            }
            return Ok(());
        }
        let before = at
            .checked_sub(1)
            .and_then(|i| self.children_cell()?.borrow().get(i).cloned());
        if let Some(Kind::Text(own)) = before.as_ref().map(Node::kind) {
            own.borrow_mut().push_str(text);
            return Ok(());
        }
        self.attach(at, Node::text(text.to_owned()))
    }

    fn set_end_tag(&self, on: bool) {
        if let Kind::Element { end_tag, .. } = self.kind() {
            end_tag.set(on);
        }
    }

    pub(super) fn attach(&self, at: usize, node: Node) -> Result<(), Error> {
        self.check_child(&node)?;
        let Some(children) = self.children_cell() else {
            return Err(Error::invalid_operation("The node has no content."));
        };
        self.grow(node.0.height.get())?;
        *node.0.parent.borrow_mut() = Rc::downgrade(&self.0);
        children.borrow_mut().insert(at, node.stored());
        Ok(())
    }

    fn check_child(&self, node: &Node) -> Result<(), Error> {
        let refused = |kind: &str| {
            Error::new(
                ExceptionKind::ArgumentException,
                format!("A node of type {kind} cannot be added to content."),
            )
        };
        match (self.kind(), node.kind()) {
            (_, Kind::Document { .. }) => Err(refused("Document")),
            (Kind::Element { .. }, Kind::DocumentType { .. }) => Err(refused("DocumentType")),
            (Kind::Document { .. }, Kind::CData(_)) => Err(refused("CDATA")),
            (Kind::Document { .. }, Kind::Element { .. }) if self.nodes().iter().any(Node::is_element) => {
                Err(Error::invalid_operation(
                    "This operation would create an incorrectly structured document.",
                ))
            }
            _ => Ok(()),
        }
    }

    /// Tells this node and those above that something of `height` levels comes below.
    fn grow(&self, height: usize) -> Result<(), Error> {
        let mut levels = height + 1;
        let mut at = Some(self.clone());
        let mut above = Vec::new();
        while let Some(node) = at {
            at = node.container();
            if levels > node.0.height.get() {
                above.push((node, levels));
            }
            levels += 1;
            if levels > MAX_DEPTH {
                return Err(Error::budget("depth of an XML tree"));
            }
        }
        for (node, levels) in above {
            node.0.height.set(levels);
        }
        Ok(())
    }
}

impl Attribute {
    /// `Remove()`; nothing happens to a free attribute.
    pub fn remove(&self) {
        if let Some(attributes) = self.parent().as_ref().and_then(Node::attributes_cell) {
            attributes.borrow_mut().retain(|other| !other.same(self));
        }
        *self.0.parent.borrow_mut() = Weak::new();
    }
}
