//! The compiled form: names are slots, members are function pointers, constants are folded.

use std::sync::Arc;

use gateway_dotnet::{Str, number::Decimal};

use crate::{
    Value,
    lib::Native,
    types::{DefId, Member, Type},
    value::Part,
    vm::Thrown,
};

/// A constant: what of [`Value`] can be shared between threads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Const {
    Null,
    Bool(bool),
    Char(u16),
    SByte(i8),
    Byte(u8),
    Short(i16),
    UShort(u16),
    Int(i32),
    UInt(u32),
    Long(i64),
    ULong(u64),
    Float(f32),
    Double(f64),
    Decimal(Decimal),
    Str(Str),
    Enum(DefId, i64),
    Part(Part),
    Type(Arc<Type>),
}

impl Const {
    pub(crate) fn value(&self) -> Value {
        match self {
            Const::Null => Value::Null,
            Const::Bool(v) => Value::Bool(*v),
            Const::Char(v) => Value::Char(*v),
            Const::SByte(v) => Value::SByte(*v),
            Const::Byte(v) => Value::Byte(*v),
            Const::Short(v) => Value::Short(*v),
            Const::UShort(v) => Value::UShort(*v),
            Const::Int(v) => Value::Int(*v),
            Const::UInt(v) => Value::UInt(*v),
            Const::Long(v) => Value::Long(*v),
            Const::ULong(v) => Value::ULong(*v),
            Const::Float(v) => Value::Float(*v),
            Const::Double(v) => Value::Double(*v),
            Const::Decimal(v) => Value::Decimal(*v),
            Const::Str(v) => Value::Str(v.clone()),
            Const::Enum(d, v) => Value::Enum(*d, *v),
            Const::Part(p) => Value::Context(*p),
            Const::Type(t) => Value::Type(Arc::clone(t)),
        }
    }

    /// The constant form of a value, if it has one.
    pub(crate) fn of(value: &Value) -> Option<Const> {
        Some(match value {
            Value::Null => Const::Null,
            Value::Bool(v) => Const::Bool(*v),
            Value::Char(v) => Const::Char(*v),
            Value::SByte(v) => Const::SByte(*v),
            Value::Byte(v) => Const::Byte(*v),
            Value::Short(v) => Const::Short(*v),
            Value::UShort(v) => Const::UShort(*v),
            Value::Int(v) => Const::Int(*v),
            Value::UInt(v) => Const::UInt(*v),
            Value::Long(v) => Const::Long(*v),
            Value::ULong(v) => Const::ULong(*v),
            Value::Float(v) => Const::Float(*v),
            Value::Double(v) => Const::Double(*v),
            Value::Decimal(v) => Const::Decimal(*v),
            Value::Str(v) => Const::Str(v.clone()),
            Value::Enum(d, v) => Const::Enum(*d, *v),
            _ => return None,
        })
    }

    /// An integral constant as a number.
    pub(crate) fn as_integer(&self) -> Option<i128> {
        Some(match self {
            Const::Char(v) => (*v).into(),
            Const::SByte(v) => (*v).into(),
            Const::Byte(v) => (*v).into(),
            Const::Short(v) => (*v).into(),
            Const::UShort(v) => (*v).into(),
            Const::Int(v) => (*v).into(),
            Const::UInt(v) => (*v).into(),
            Const::Long(v) => (*v).into(),
            Const::ULong(v) => (*v).into(),
            Const::Enum(_, v) => (*v).into(),
            _ => return None,
        })
    }
}

/// One operand to a value.
pub(crate) type UnaryFn = fn(Value) -> Result<Value, Thrown>;
/// Two operands to a value.
pub(crate) type BinaryFn = fn(Value, Value) -> Result<Value, Thrown>;

/// A piece of an interpolated string.
#[derive(Debug)]
pub(crate) enum TextPart {
    Text(Str),
    Hole {
        value: Node,
        align: i32,
        format: Option<Str>,
    },
}

/// A call of a library member.
#[derive(Debug)]
pub(crate) struct CallNode {
    pub call: Native,
    pub args: Box<[Node]>,
    /// Type arguments of the declaring type, then of the method.
    pub types: Arc<[Type]>,
    /// A null first argument is a null receiver.
    pub receiver: bool,
    /// Arguments written back into local slots: `out` and `ref`.
    pub outs: Box<[(usize, u32)]>,
    /// A property setter: its value is the last argument.
    pub setter: bool,
    /// Whether it is a `params`-free member whose result length counts against the memory budget.
    pub name: Box<str>,
}

/// An expression.
#[derive(Debug)]
pub(crate) enum Node {
    Const(Const),
    Local(u32),
    Set(u32, Box<Node>),
    /// All in order; the value of the last.
    Sequence(Box<[Node]>),
    Unary(UnaryFn, Box<Node>),
    Binary(BinaryFn, Box<(Node, Node)>),
    /// Null when either operand is.
    LiftedBinary(BinaryFn, Box<(Node, Node)>),
    /// The constant when either operand is null (both: the second constant).
    LiftedCompare(BinaryFn, Box<(Node, Node)>, bool, bool),
    LiftedUnary(UnaryFn, Box<Node>),
    /// `bool?` `&` (true) and `|` (false)
    Logic3(bool, Box<(Node, Node)>),
    Not(Box<Node>),
    And(Box<(Node, Node)>),
    Or(Box<(Node, Node)>),
    Cond(Box<(Node, Node, Node)>),
    Coalesce(Box<(Node, Node)>),
    /// `target?.access`: the target is in the slot while `access` runs.
    Access(u32, Box<(Node, Node)>),
    Concat(Box<[Node]>),
    Text(Box<[TextPart]>),
    StrEq(Box<(Node, Node)>),
    /// Whether a string is this one.
    StrIs(Box<Node>, Str),
    Call(Box<CallNode>),
    Look(Box<crate::look::Look>),
    /// A local function: site, arguments, written-back arguments.
    CallLocal(u32, Box<[Node]>, Box<[(usize, u32)]>),
    Invoke(Box<Node>, Box<[Node]>),
    Closure(u32, Arc<Type>),
    /// A library method as a delegate: its receiver.
    Delegate(Box<CallNode>, Arc<Type>),
    Cast(Box<Node>, Arc<Type>),
    CastStr(Box<Node>),
    Is(Box<Node>, Arc<Type>),
    As(Box<Node>, Arc<Type>),
    NotNull(Box<Node>),
    NewArray(Arc<Type>, Box<[Node]>),
    NewSized(Arc<Type>, Box<[Node]>),
    Index(Box<(Node, Box<[Node]>)>),
    SetIndex(Box<(Node, Box<[Node]>, Node)>),
    Tuple(Arc<Type>, Box<[Node]>),
    Anon(Arc<Type>, Box<[Node]>),
    Field(Box<Node>, u32),
    /// A copy of the tuple with one element replaced.
    WithField(Box<(Node, Node)>, u32),
    Default(Arc<Type>),
    Throw(Box<Node>),
    Dynamic(Box<DynamicNode>),
}

/// An operation on `dynamic`, bound at run time.
#[derive(Debug)]
pub(crate) enum DynamicNode {
    Member(Node, Box<str>),
    Index(Node, Box<[Node]>),
    Call(Node, Box<str>, Box<[Node]>),
    SetMember(Node, Box<str>, Node),
    SetIndex(Node, Box<[Node]>, Node),
    Binary(&'static str, Node, Node),
    Convert(Node, Type, bool),
}

/// A `catch` clause.
#[derive(Debug)]
pub(crate) struct CatchCode {
    pub ty: Option<Arc<Type>>,
    pub slot: Option<u32>,
    pub when: Option<Node>,
    pub body: Stmt,
}

/// A section of a `switch`: its tests in order, then its body.
#[derive(Debug)]
pub(crate) struct SectionCode {
    pub tests: Box<[Node]>,
    pub body: Box<[Stmt]>,
}

/// A statement.
#[derive(Debug)]
pub(crate) enum Stmt {
    Expr(Node),
    /// Slots declared here, statements, labels with the index they stand before.
    Block(Box<[u32]>, Box<[Stmt]>, Box<[(u32, usize)]>),
    If(Node, Box<Stmt>, Option<Box<Stmt>>),
    Loop {
        cond: Option<Node>,
        step: Box<[Node]>,
        body: Box<Stmt>,
        test_last: bool,
    },
    /// The item slot is fresh for every item; `convert` reads it and gives what the variable holds.
    ForEach {
        source: Node,
        slots: Box<[u32]>,
        slot: u32,
        convert: Option<Node>,
        body: Box<Stmt>,
    },
    Switch {
        slot: u32,
        value: Node,
        sections: Box<[SectionCode]>,
        default: Option<usize>,
    },
    Break,
    Continue,
    Return(Option<Node>),
    Throw(Option<Node>),
    Try {
        body: Box<Stmt>,
        catches: Arc<[CatchCode]>,
        finally: Option<Box<Stmt>>,
    },
    /// `yield return`
    Yield(Node),
    Goto(u32),
    GotoSection(usize),
    Empty,
}

/// The body of a function.
#[derive(Debug)]
pub(crate) enum Code {
    Expr(Node),
    Block(Stmt),
}

/// Where a function is turned into a closure or called: which of the caller's cells go into which slots.
#[derive(Debug)]
pub(crate) struct Site {
    pub function: u32,
    pub captures: Box<[(u32, u32)]>,
}

/// The expression itself, a lambda or a local function.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its place in the program.
    pub index: u32,
    /// The type of an iterator: calling it gives a sequence or an enumerator.
    pub iterator: Option<Type>,
    pub params: u32,
    pub slots: u32,
    /// Which slots are shared with closures.
    pub captured: Box<[bool]>,
    /// Slots that hold captured cells, in the order a closure keeps them.
    pub capture_slots: Box<[u32]>,
    pub sites: Box<[Site]>,
    pub body: Code,
}

/// A library member that an expression was bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Use {
    Member(&'static Member),
    /// A value of an enum.
    Value(DefId, &'static str),
}

/// A whole compiled expression; function 0 is the expression.
#[derive(Debug)]
pub(crate) struct Program {
    pub functions: Box<[Function]>,
    /// Every library member the source names or implies, each once: for documentation and questions, never
    /// looked at while it runs.
    pub uses: Box<[Use]>,
}
