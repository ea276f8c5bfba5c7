//! XPath 1.0 over the tree of this module: compiled once, evaluated with bounded work.
//!
//! Names, variables and functions beyond the core come from an [`Environment`], so that the extension
//! methods of `System.Xml.XPath`, `XmlNode.SelectNodes` and XSLT share one engine.
//! Source: W3C "XML Path Language (XPath) Version 1.0".

mod eval;
mod functions;
mod item;
mod lex;
mod parse;
mod pattern;
mod value;

pub use item::Item;
pub use value::{Value, number_text, parse_number};

use super::Name;
use crate::{Error, ExceptionKind};

/// Items an evaluation may look at: a few tenths of a second.
pub const MAX_STEPS: usize = 4_000_000;
/// Nested parentheses, predicates and calls of one expression: parsing and evaluating recurse.
pub const MAX_NESTING: usize = 64;

/// What an expression refers to outside itself.
pub trait Environment {
    /// The namespace that a prefix of the expression stands for.
    fn namespace(&self, _prefix: &str) -> Option<String> {
        None
    }

    /// `$name`
    fn variable(&self, _name: &Name) -> Option<Value> {
        None
    }

    /// A function outside the core library; `None` if there is none of that name.
    ///
    /// # Errors
    /// What the function throws.
    fn function(&self, _name: &Name, _args: &[Value], _at: &Place<'_>) -> Option<Result<Value, Error>> {
        None
    }
}

/// No prefixes, variables or further functions.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Environment for Nothing {}

/// Where an expression is evaluated.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The context node.
    pub item: &'a Item,
    /// `position()`
    pub position: usize,
    /// `last()`
    pub size: usize,
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct XPath {
    root: Expr,
    text: Box<str>,
}

/// A name as written: resolved when it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
struct QName {
    prefix: Option<Box<str>>,
    local: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    Ancestor,
    AncestorOrSelf,
    Attribute,
    Child,
    Descendant,
    DescendantOrSelf,
    Following,
    FollowingSibling,
    Namespace,
    Parent,
    Preceding,
    PrecedingSibling,
    Itself,
}

impl Axis {
    fn by_name(name: &str) -> Option<Axis> {
        Some(match name {
            "ancestor" => Axis::Ancestor,
            "ancestor-or-self" => Axis::AncestorOrSelf,
            "attribute" => Axis::Attribute,
            "child" => Axis::Child,
            "descendant" => Axis::Descendant,
            "descendant-or-self" => Axis::DescendantOrSelf,
            "following" => Axis::Following,
            "following-sibling" => Axis::FollowingSibling,
            "namespace" => Axis::Namespace,
            "parent" => Axis::Parent,
            "preceding" => Axis::Preceding,
            "preceding-sibling" => Axis::PrecedingSibling,
            "self" => Axis::Itself,
            _ => return None,
        })
    }

    /// Whether positions count backwards in document order.
    fn is_reverse(self) -> bool {
        matches!(
            self,
            Axis::Ancestor | Axis::AncestorOrSelf | Axis::Preceding | Axis::PrecedingSibling
        )
    }
}

#[derive(Clone, Debug)]
enum Test {
    /// `*`, or `prefix:*`
    Any(Option<Box<str>>),
    Name(QName),
    Node,
    Text,
    Comment,
    Instruction(Option<Box<str>>),
}

#[derive(Clone, Debug)]
struct Step {
    axis: Axis,
    test: Test,
    predicates: Vec<Expr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

#[derive(Clone, Debug)]
enum Start {
    /// A relative path.
    Here,
    /// `/`
    Root,
    /// A filter expression.
    From(Box<Expr>),
}

#[derive(Clone, Debug)]
enum Expr {
    Text(Box<str>),
    Number(f64),
    Variable(QName),
    Call(QName, Vec<Expr>),
    Binary(Op, Box<Expr>, Box<Expr>),
    Negate(Box<Expr>),
    Union(Vec<Expr>),
    /// A primary expression with predicates.
    Filter(Box<Expr>, Vec<Expr>),
    Path(Start, Vec<Step>),
}

impl XPath {
    /// Compiles an expression.
    ///
    /// # Errors
    /// `XPathException` for text that is none.
    pub fn compile(text: &str) -> Result<XPath, Error> {
        Ok(XPath {
            root: parse::parse(text)?,
            text: text.into(),
        })
    }

    /// The text it was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Evaluates with `item` as the only context node.
    ///
    /// # Errors
    /// `XPathException` for unknown names and wrong types; a spent budget.
    pub fn evaluate(&self, item: &Item, environment: &dyn Environment) -> Result<Value, Error> {
        let place = Place {
            item,
            position: 1,
            size: 1,
        };
        self.evaluate_at(&place, environment)
    }

    /// [`XPath::evaluate`], adding the items it looked at to `spent`.
    ///
    /// # Errors
    /// As [`XPath::evaluate`].
    pub fn evaluate_counted(
        &self,
        item: &Item,
        environment: &dyn Environment,
        spent: &mut usize,
    ) -> Result<Value, Error> {
        let place = Place {
            item,
            position: 1,
            size: 1,
        };
        let evaluation = eval::Evaluation::new(environment);
        let result = evaluation.expr(&self.root, &place);
        *spent += evaluation.spent();
        result
    }

    /// Evaluates at a place inside a sequence.
    ///
    /// # Errors
    /// As [`XPath::evaluate`].
    pub fn evaluate_at(&self, place: &Place<'_>, environment: &dyn Environment) -> Result<Value, Error> {
        eval::Evaluation::new(environment).expr(&self.root, place)
    }

    /// The nodes it selects, in document order.
    ///
    /// # Errors
    /// As [`XPath::evaluate`], and for an expression that gives no nodes.
    pub fn select(&self, item: &Item, environment: &dyn Environment) -> Result<Vec<Item>, Error> {
        match self.evaluate(item, environment)? {
            Value::Nodes(nodes) => Ok(nodes),
            _ => Err(not_nodes()),
        }
    }
}

fn error(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ExceptionKind::XPathException, message)
}

fn not_nodes() -> Error {
    error("Expression must evaluate to a node-set.")
}
