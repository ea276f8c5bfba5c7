//! The tables that describe elements: what may stand where, with the words of the documentation.

/// An element: a policy, or a child of one.
#[derive(Clone, Copy, Debug)]
pub struct ElementDef {
    /// Element name.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its attributes. Every policy also has `id`.
    pub attributes: &'static [AttributeDef],
    /// Child elements, in the documented order; any order is accepted.
    pub children: &'static [Child],
    /// What else may stand between its tags.
    pub content: Content,
}

impl ElementDef {
    /// An element without attributes, children and content.
    pub const fn new(name: &'static str, doc: &'static str) -> Self {
        Self {
            name,
            doc,
            attributes: &[],
            children: &[],
            content: Content::Nothing,
        }
    }

    /// With these attributes.
    #[must_use]
    pub const fn attributes(mut self, attributes: &'static [AttributeDef]) -> Self {
        self.attributes = attributes;
        self
    }

    /// With these children.
    #[must_use]
    pub const fn children(mut self, children: &'static [Child]) -> Self {
        self.children = children;
        self
    }

    /// With this content.
    #[must_use]
    pub const fn content(mut self, content: Content) -> Self {
        self.content = content;
        self
    }

    /// True for control policies, whose children are policies: they are part of their children's paths.
    pub fn is_container(&self) -> bool {
        self.content == Content::Policies
            || self
                .children
                .iter()
                .any(|c| c.element.content == Content::Policies)
    }

    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&'static AttributeDef> {
        self.attributes.iter().find(|a| a.name == name)
    }
}

/// What may stand between an element's tags besides its listed children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// White space.
    Nothing,
    /// Text, literal or expression.
    Text,
    /// Text, literal only.
    LiteralText,
    /// Any policy that may stand in the surrounding section.
    Policies,
    /// Text or markup, taken as it is.
    Anything,
}

/// A child element and how often it may occur.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    /// The child.
    pub element: &'static ElementDef,
    /// Least times.
    pub min: usize,
    /// Most times.
    pub max: usize,
}

impl Child {
    /// Once.
    pub const fn one(element: &'static ElementDef) -> Self {
        Self {
            element,
            min: 1,
            max: 1,
        }
    }

    /// At most once.
    pub const fn optional(element: &'static ElementDef) -> Self {
        Self {
            element,
            min: 0,
            max: 1,
        }
    }

    /// Any number.
    pub const fn any(element: &'static ElementDef) -> Self {
        Self {
            element,
            min: 0,
            max: usize::MAX,
        }
    }

    /// At least once.
    pub const fn some(element: &'static ElementDef) -> Self {
        Self {
            element,
            min: 1,
            max: usize::MAX,
        }
    }
}

/// An attribute.
#[derive(Clone, Copy, Debug)]
pub struct AttributeDef {
    /// Attribute name.
    pub name: &'static str,
    /// What it means, with units.
    pub doc: &'static str,
    /// Must be given.
    pub required: bool,
    /// May be an expression.
    pub expression: bool,
    /// What its absence means.
    pub default: Option<&'static str>,
    /// The only words it takes as a literal; empty: not an enumeration.
    pub words: &'static [&'static str],
}

/// An optional attribute that takes literals only.
pub const fn attr(name: &'static str, doc: &'static str) -> AttributeDef {
    AttributeDef {
        name,
        doc,
        required: false,
        expression: false,
        default: None,
        words: &[],
    }
}

impl AttributeDef {
    /// Must be given.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// May be an expression.
    #[must_use]
    pub const fn expression(mut self) -> Self {
        self.expression = true;
        self
    }

    /// What its absence means.
    #[must_use]
    pub const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    /// An enumeration.
    #[must_use]
    pub const fn words(mut self, words: &'static [&'static str]) -> Self {
        self.words = words;
        self
    }
}
