//! The syntax tree of policy expressions.

use super::token::NumKind;
use crate::Span;

/// An identifier in place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ident {
    pub name: Box<str>,
    pub span: Span,
}

/// A type as written.
#[derive(Clone, Debug)]
pub(crate) struct TypeSyn {
    pub span: Span,
    pub kind: TypeKind,
}

#[derive(Clone, Debug)]
pub(crate) enum TypeKind {
    /// `int`, `string`, `object`, `void` …
    Predefined(&'static str),
    /// `A.B<C>`
    Name(Vec<NamePart>),
    /// `T[]` with its rank
    Array(Box<TypeSyn>, u8),
    /// `T?`
    Nullable(Box<TypeSyn>),
    /// `(int a, string b)`
    Tuple(Vec<(TypeSyn, Option<Ident>)>),
    /// The empty argument of `typeof(List<>)`.
    Omitted,
}

/// One dotted part of a name with its type arguments.
#[derive(Clone, Debug)]
pub(crate) struct NamePart {
    pub ident: Ident,
    pub args: Vec<TypeSyn>,
}

#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub span: Span,
    pub kind: ExprKind,
}

#[derive(Clone, Debug)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(u64, NumKind),
    Double(f64),
    Float(f32),
    Decimal(Box<str>),
    Char(u16),
    Str(Vec<u16>),
}

/// How an argument is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassBy {
    Value,
    Ref,
    Out,
    In,
}

#[derive(Clone, Debug)]
pub(crate) struct Arg {
    pub name: Option<Ident>,
    pub by: PassBy,
    pub value: Expr,
}

/// A piece of an interpolated string.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a syntax tree lives only while its expression is compiled"
)]
pub(crate) enum InterpPart {
    Text(Vec<u16>),
    Hole {
        value: Expr,
        align: Option<Expr>,
        format: Option<Vec<u16>>,
    },
}

/// What `new T(…) { … }` has in its braces.
#[derive(Clone, Debug)]
pub(crate) enum Initializer {
    /// `{ Name = value, [key] = value }`
    Object(Vec<MemberInit>),
    /// `{ a, { k, v } }`
    Collection(Vec<Vec<Expr>>, Span),
}

#[derive(Clone, Debug)]
pub(crate) struct MemberInit {
    pub target: InitTarget,
    pub value: InitValue,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum InitTarget {
    Member(Ident),
    Index(Vec<Arg>),
}

#[derive(Clone, Debug)]
pub(crate) enum InitValue {
    Expr(Expr),
    Nested(Initializer),
}

#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub by: PassBy,
    pub ty: Option<TypeSyn>,
    pub name: Ident,
    pub default: Option<Expr>,
    pub params: bool,
    pub this: bool,
    /// Names that stand for members of this parameter: the range variables of a query.
    pub transparent: Vec<(Box<str>, Vec<Box<str>>)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Expr(Box<Expr>),
    Block(Vec<Stmt>, Span),
}

#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    /// `is 5`, `case "x"`: or a type, the binder decides.
    Const(Expr),
    /// `is T x`, `is T _`
    Declaration(TypeSyn, Option<Ident>),
    /// `is var x`
    Var(
        Option<Ident>,
        #[expect(dead_code, reason = "every node of the tree knows its place")] Span,
    ),
}

/// The left side of a deconstruction or an `out` declaration.
#[derive(Clone, Debug)]
pub(crate) enum Designation {
    Name(Ident),
    Discard(#[expect(dead_code, reason = "every node of the tree knows its place")] Span),
    Tuple(Vec<Designation>),
}

#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    /// What could not be parsed; an error has been reported.
    Error,
    Literal(Literal),
    Interpolated(Vec<InterpPart>),
    Name(Ident, Vec<TypeSyn>),
    /// `global::`
    Global,
    /// `int` in `int.Parse`
    Predefined(&'static str),
    /// A type in expression position that is not a plain name: `List<int>[]`, `int?` (only in `is`).
    Type(TypeSyn),
    Paren(Box<Expr>),
    Member(Box<Expr>, Ident, Vec<TypeSyn>),
    Call(Box<Expr>, Vec<Arg>),
    Index(Box<Expr>, Vec<Arg>),
    /// `target?` and what follows, in which [`ExprKind::Receiver`] stands for the target.
    Conditional(Box<Expr>, Box<Expr>),
    Receiver,
    Unary(&'static str, Box<Expr>),
    /// `x++`, `x--`
    Postfix(&'static str, Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `=`, `+=` …
    Assign(&'static str, Box<Expr>, Box<Expr>),
    Ternary(Box<Expr>, Box<Expr>, Box<Expr>),
    Cast(TypeSyn, Box<Expr>),
    Is(Box<Expr>, Box<Pattern>),
    As(Box<Expr>, TypeSyn),
    New(TypeSyn, Option<Vec<Arg>>, Option<Initializer>),
    /// Element type of the outermost array, given sizes, further ranks (in `ty`), initialiser.
    NewArray(TypeSyn, Vec<Expr>, Option<Box<Expr>>),
    /// `new[] { … }`
    NewImplicitArray(u8, Box<Expr>),
    /// `{ a, b }` as an array initialiser
    ArrayInit(Vec<Expr>),
    NewAnonymous(Vec<(Option<Ident>, Expr)>),
    Lambda(Vec<Param>, Body),
    /// `delegate { … }`; parameters may be left out
    AnonymousMethod(Option<Vec<Param>>, Body),
    Tuple(Vec<(Option<Ident>, Expr)>),
    Typeof(TypeSyn),
    Sizeof(TypeSyn),
    Default(Option<TypeSyn>),
    Checked(bool, Box<Expr>),
    Throw(Box<Expr>),
    /// `out int x`, `var (a, b)`, `int a` inside a deconstruction
    Declare(TypeSyn, Designation),
    /// A query as the calls it means, and where the clauses stand that became calls.
    Query(Box<Expr>, Vec<Span>),
    /// `this`, `base`
    This(&'static str),
    Await(Box<Expr>),
    Ref(Box<Expr>),
}

#[derive(Clone, Debug)]
pub(crate) struct Stmt {
    pub span: Span,
    pub kind: StmtKind,
}

#[derive(Clone, Debug)]
pub(crate) struct Declarator {
    pub name: Ident,
    pub init: Option<Expr>,
}

#[derive(Clone, Debug)]
pub(crate) struct LocalDecl {
    pub ty: TypeSyn,
    pub constant: bool,
    pub vars: Vec<Declarator>,
}

/// What a `where` clause asks of a type parameter.
#[derive(Clone, Debug)]
pub(crate) enum Constraint {
    Class,
    Struct,
    New,
    Type(TypeSyn),
}

#[derive(Clone, Debug)]
pub(crate) struct LocalFn {
    pub ret: TypeSyn,
    pub name: Ident,
    pub type_params: Vec<Ident>,
    /// `where T : …`
    pub constraints: Vec<(Ident, Vec<Constraint>)>,
    pub params: Vec<Param>,
    pub body: Body,
}

#[derive(Clone, Debug)]
pub(crate) struct Catch {
    pub ty: Option<TypeSyn>,
    pub name: Option<Ident>,
    pub when: Option<Expr>,
    pub body: Stmt,
    #[expect(dead_code, reason = "every node of the tree knows its place")]
    pub span: Span,
}

#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a syntax tree lives only while its expression is compiled"
)]
pub(crate) enum CaseLabel {
    Default,
    Case(Pattern, Option<Expr>),
}

#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub labels: Vec<(CaseLabel, Span)>,
    pub body: Vec<Stmt>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum GotoTarget {
    Label(Ident),
    Case(Expr),
    Default,
}

#[derive(Clone, Debug)]
pub(crate) enum StmtKind {
    Empty,
    Block(Vec<Stmt>),
    Local(LocalDecl),
    LocalFn(Box<LocalFn>),
    Expr(Expr),
    /// An expression without its semicolon: looked at for further mistakes.
    Broken(Expr),
    If(Expr, Box<Stmt>, Option<Box<Stmt>>),
    While(Expr, Box<Stmt>),
    Do(Box<Stmt>, Expr),
    For {
        init: Vec<Stmt>,
        cond: Option<Expr>,
        step: Vec<Expr>,
        body: Box<Stmt>,
    },
    Foreach {
        target: ForeachTarget,
        source: Expr,
        body: Box<Stmt>,
    },
    Switch(Expr, Vec<Section>),
    Break,
    Continue,
    Return(Option<Expr>),
    Throw(Option<Expr>),
    Try {
        body: Box<Stmt>,
        catches: Vec<Catch>,
        finally: Option<Box<Stmt>>,
    },
    Using {
        decl: Option<LocalDecl>,
        expr: Option<Expr>,
        body: Box<Stmt>,
    },
    Lock(Expr, Box<Stmt>),
    Checked(bool, Box<Stmt>),
    Goto(GotoTarget),
    /// `yield return e`; without a value `yield break`
    Yield(Option<Expr>),
    Labeled(Ident, Box<Stmt>),
}

#[derive(Clone, Debug)]
pub(crate) enum ForeachTarget {
    Var(TypeSyn, Ident),
    Deconstruct(Expr),
}
