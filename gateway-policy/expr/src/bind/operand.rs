//! What an expression can be before it is used: a value, a variable, a type, a group of methods …

use std::sync::Arc;

use crate::{
    Span,
    ir::{Const, Node},
    syntax::ast::{Expr, TypeSyn},
    types::{Member, Type},
};

/// A value with its static type.
#[derive(Debug)]
pub(crate) struct Val {
    pub ty: Type,
    pub node: Node,
    pub konst: Option<Const>,
    /// Known not to be null, or a fresh value: no receiver check needed.
    pub never_null: bool,
}

impl Val {
    pub(crate) fn new(ty: Type, node: Node) -> Self {
        Val {
            ty,
            node,
            konst: None,
            never_null: false,
        }
    }

    pub(crate) fn konst(ty: Type, value: Const) -> Self {
        Val {
            ty,
            node: Node::Const(value.clone()),
            konst: Some(value),
            never_null: false,
        }
    }

    pub(crate) fn error() -> Self {
        Val::new(Type::Error, Node::Const(Const::Null))
    }
}

/// A property or indexer with what it is read from.
#[derive(Debug)]
pub(crate) struct Prop {
    pub member: &'static Member,
    pub receiver: Option<Val>,
    pub args: Vec<Node>,
    pub types: Arc<[Type]>,
    pub ty: Type,
}

/// A set of methods under one name.
#[derive(Debug)]
pub(crate) struct Group {
    pub name: Box<str>,
    pub span: Span,
    pub receiver: Option<Val>,
    /// The type members are looked up in.
    pub on: Type,
    /// Only static members can be meant.
    pub is_static: bool,
    pub targs: Vec<Type>,
}

/// The meaning of an expression.
#[derive(Debug)]
pub(crate) enum Operand<'a> {
    Value(Val),
    /// A variable.
    Local(usize),
    Prop(Box<Prop>),
    /// An array element.
    Element(Box<Val>, Vec<Node>, Type),
    /// An element of a tuple that can itself be assigned to.
    TupleField(Box<Operand<'a>>, u32, Type),
    Type(Type),
    Namespace(String),
    Group(Box<Group>),
    /// A local function with the type arguments written behind its name.
    LocalFn(usize, Vec<Type>),
    /// A lambda or anonymous method, bound when its type is known.
    Lambda(&'a Expr),
    /// `null`
    Null,
    /// `default`
    Default,
    /// `throw e`
    Throw(Node),
    Tuple(Vec<(Option<Box<str>>, Operand<'a>, Span)>),
    /// `out var x`, `out int x`: a declaration whose variable exists already.
    OutVar(usize, Option<&'a TypeSyn>),
    /// `_`
    Discard,
    Error,
}

impl Operand<'_> {
    pub(crate) fn value(ty: Type, node: Node) -> Self {
        Operand::Value(Val::new(ty, node))
    }

    pub(crate) fn konst(ty: Type, value: Const) -> Self {
        Operand::Value(Val::konst(ty, value))
    }
}
