//! XSLT 1.0 for `xsl-transform`: a stylesheet compiled once, transformations with bounded work.
//!
//! Source: W3C "XSL Transformations (XSLT) Version 1.0". Paths, patterns and the tree are gateway-dotnet's. Not
//! supported, and refused when the stylesheet loads: `xsl:import`, `xsl:include`, `xsl:apply-imports` and
//! `document()` (there is nothing to load from), `xsl:number level="multiple"`, extension elements.
//! docs/adr/0018 says why this is our own.

mod build;
mod output;
mod run;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_dotnet::xml::{Name, xpath::XPath};

pub(crate) use run::Limits;

/// The namespace of the instructions.
const XSL: &str = "http://www.w3.org/1999/XSL/Transform";

/// Prefixes of a place in the stylesheet.
type Namespaces = Arc<[(Box<str>, Box<str>)]>;

/// An expression with the prefixes it may use.
#[derive(Clone, Debug)]
struct Expr {
    path: XPath,
    namespaces: Namespaces,
}

/// An attribute value template.
#[derive(Debug)]
struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(Box<str>),
    Expr(Expr),
}

#[derive(Debug)]
struct Variable {
    name: Name,
    value: Source,
}

/// Where a value comes from.
#[derive(Debug)]
enum Source {
    Select(Expr),
    Body(Vec<Instruction>),
}

#[derive(Debug)]
struct Sort {
    select: Expr,
    numbers: bool,
    descending: Template,
}

#[derive(Debug)]
enum Instruction {
    Text(Box<str>),
    ValueOf(Expr),
    CopyOf(Expr),
    Copy(Vec<Instruction>),
    Literal {
        name: Name,
        declared: Vec<(Box<str>, Box<str>)>,
        attributes: Vec<(Name, Template)>,
        sets: Vec<Name>,
        body: Vec<Instruction>,
    },
    Element {
        name: Template,
        namespace: Option<Template>,
        namespaces: Namespaces,
        sets: Vec<Name>,
        body: Vec<Instruction>,
    },
    Attribute {
        name: Template,
        namespace: Option<Template>,
        namespaces: Namespaces,
        body: Vec<Instruction>,
    },
    Comment(Vec<Instruction>),
    Processing(Template, Vec<Instruction>),
    Apply {
        select: Option<Expr>,
        mode: Option<Name>,
        sorts: Vec<Sort>,
        with: Vec<Variable>,
    },
    Call(Name, Vec<Variable>),
    ForEach {
        select: Expr,
        sorts: Vec<Sort>,
        body: Vec<Instruction>,
    },
    If(Expr, Vec<Instruction>),
    Choose(Vec<(Expr, Vec<Instruction>)>, Vec<Instruction>),
    Variable(Variable),
    Param(Variable),
    Number {
        value: Option<Expr>,
        any: bool,
        format: Template,
    },
    Message(Vec<Instruction>, bool),
}

#[derive(Debug)]
struct Rule {
    pattern: Expr,
    mode: Option<Name>,
    priority: f64,
    template: usize,
}

#[derive(Debug)]
struct Key {
    name: Name,
    matches: Expr,
    value: Expr,
}

/// `xsl:output`
#[derive(Clone, Copy, Debug, Default)]
struct Output {
    method: Option<Method>,
    omit_declaration: bool,
    indent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Xml,
    Html,
    Text,
}

/// A compiled stylesheet.
#[derive(Debug)]
pub(crate) struct Stylesheet {
    templates: Vec<Vec<Instruction>>,
    /// Best first: by priority, then the last in the document.
    rules: Vec<Rule>,
    named: Vec<(Name, usize)>,
    globals: Vec<(Variable, bool)>,
    keys: Vec<Key>,
    sets: Vec<(Name, Vec<Instruction>)>,
    /// Elements whose white space is stripped, with `true`, or kept, with `false`; `None` is all.
    space: Vec<(Option<Name>, bool)>,
    output: Output,
}

/// Why a stylesheet does not load or a transformation fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct XsltError(pub(crate) String);

impl From<gateway_dotnet::Error> for XsltError {
    fn from(error: gateway_dotnet::Error) -> Self {
        Self(error.message.to_string())
    }
}
