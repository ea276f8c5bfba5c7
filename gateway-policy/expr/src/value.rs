//! What an expression can evaluate to.

use std::{cell::RefCell, fmt, rc::Rc, sync::Arc};

use gateway_dotnet::{Str, number::Decimal};

use crate::{
    object::{Data, Object},
    text,
    types::{DefId, Num, Type, registry},
};

/// A .NET value: value types in place, everything else behind a reference count.
#[derive(Clone)]
pub enum Value {
    /// `null`
    Null,
    /// `System.Boolean`
    Bool(bool),
    /// `System.Char`, a UTF-16 unit
    Char(u16),
    /// `System.SByte`
    SByte(i8),
    /// `System.Byte`
    Byte(u8),
    /// `System.Int16`
    Short(i16),
    /// `System.UInt16`
    UShort(u16),
    /// `System.Int32`
    Int(i32),
    /// `System.UInt32`
    UInt(u32),
    /// `System.Int64`
    Long(i64),
    /// `System.UInt64`
    ULong(u64),
    /// `System.Single`
    Float(f32),
    /// `System.Double`
    Double(f64),
    /// `System.Decimal`
    Decimal(Decimal),
    /// `System.String`
    Str(Str),
    /// A value of an enum type.
    Enum(DefId, i64),
    /// An object of the class library.
    Object(Rc<Object>),
    /// A part of `context`, looked up when a member of it is read.
    Context(Part),
    /// A `System.Type`.
    Type(Arc<Type>),
    /// A variable shared between a function and the closures in it; never seen by policies.
    #[doc(hidden)]
    Cell(Rc<RefCell<Value>>),
}

/// A part of the `context` model.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[expect(missing_docs, reason = "each variant is the property path of the same name")]
pub enum Part {
    Context,
    Api,
    ApiServiceUrl,
    ApiKeyNames,
    Backend,
    Deployment,
    Gateway,
    Certificates,
    LastError,
    Operation,
    Product,
    Request,
    RequestBody,
    RequestHeaders,
    RequestUrl,
    RequestUrlQuery,
    OriginalUrl,
    OriginalUrlQuery,
    ServiceUrlQuery,
    MatchedParameters,
    Response,
    ResponseBody,
    ResponseHeaders,
    Subscription,
    User,
    Variables,
    ProductGroup(u16),
    UserGroup(u16),
    UserIdentity(u16),
}

impl Value {
    /// A `System.String`.
    pub fn string(text: &str) -> Self {
        Value::Str(Str::new(text))
    }

    /// A `byte[]`.
    pub fn bytes(bytes: Vec<u8>) -> Self {
        Value::Object(Rc::new(Object { ty: Type::array(Num::Byte.ty()), data: Data::Bytes(RefCell::new(bytes)) }))
    }

    /// An `IResponse`, such as `send-request` stores in a variable.
    pub fn response(response: crate::context::Response) -> Self {
        Value::Object(Rc::new(Object {
            ty: Type::Def(registry().by_full_name("Resp").unwrap_or(crate::types::OBJECT)),
            data: Data::Response(RefCell::new(response)),
        }))
    }

    /// The `IResponse` in it, if it is one.
    pub fn as_response(&self) -> Option<&RefCell<crate::context::Response>> {
        match self {
            Value::Object(o) => match &o.data {
                Data::Response(r) => Some(r),
                _ => None,
            },
            _ => None,
        }
    }

    /// The `byte[]` in it, copied.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Value::Object(o) => match &o.data {
                Data::Bytes(b) => Some(b.borrow().clone()),
                _ => None,
            },
            _ => None,
        }
    }

    /// What a policy attribute becomes: invariant `ToString()`; `None` for null.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Value::Null => None,
            Value::Str(s) => Some(s.to_lossy().into_owned()),
            other => Some(text::to_text(other).to_lossy().into_owned()),
        }
    }

    /// A boolean, or text that parses as one (as a `condition` attribute takes it).
    pub fn to_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            Value::Null => None,
            other => {
                let text = other.to_text()?;
                let text = text.trim();
                if text.eq_ignore_ascii_case("true") {
                    Some(true)
                } else if text.eq_ignore_ascii_case("false") {
                    Some(false)
                } else {
                    None
                }
            }
        }
    }

    /// An integer of any width, or text that parses as one.
    pub fn to_i64(&self) -> Option<i64> {
        match self {
            Value::SByte(v) => Some((*v).into()),
            Value::Byte(v) => Some((*v).into()),
            Value::Short(v) => Some((*v).into()),
            Value::UShort(v) => Some((*v).into()),
            Value::Int(v) => Some((*v).into()),
            Value::UInt(v) => Some((*v).into()),
            Value::Long(v) => Some(*v),
            Value::ULong(v) => i64::try_from(*v).ok(),
            Value::Null | Value::Bool(_) => None,
            other => other.to_text()?.trim().parse().ok(),
        }
    }

    /// Full .NET name of its run-time type; `None` for null.
    pub fn type_name(&self) -> Option<String> {
        match self {
            Value::Null => None,
            Value::Type(_) => Some("System.RuntimeType".to_owned()),
            Value::Object(o) => Some(o.type_name()),
            other => Some(other.runtime_type().net_name()),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub(crate) fn object(ty: Type, data: Data) -> Self {
        Value::Object(Rc::new(Object { ty, data }))
    }

    pub(crate) fn array(element: Type, items: Vec<Value>) -> Self {
        if element.is_def(crate::types::BYTE) {
            let bytes = items.iter().map(|v| if let Value::Byte(b) = v { *b } else { 0 }).collect();
            return Value::bytes(bytes);
        }
        Value::object(Type::array(element), Data::Array(RefCell::new(items)))
    }

    pub(crate) fn list(element: Type, items: Vec<Value>) -> Self {
        Value::object(Type::generic(crate::types::LIST, [element]), Data::List(RefCell::new(items.into())))
    }

    pub(crate) fn strings<'a>(items: impl IntoIterator<Item = &'a str>) -> Self {
        Value::array(Type::STRING, items.into_iter().map(Value::string).collect())
    }

    /// The run-time type (`object` for null).
    pub(crate) fn runtime_type(&self) -> Type {
        use crate::types::*;
        Type::Def(match self {
            Value::Null => OBJECT,
            Value::Bool(_) => BOOL,
            Value::Char(_) => CHAR,
            Value::SByte(_) => SBYTE,
            Value::Byte(_) => BYTE,
            Value::Short(_) => SHORT,
            Value::UShort(_) => USHORT,
            Value::Int(_) => INT,
            Value::UInt(_) => UINT,
            Value::Long(_) => LONG,
            Value::ULong(_) => ULONG,
            Value::Float(_) => FLOAT,
            Value::Double(_) => DOUBLE,
            Value::Decimal(_) => DECIMAL,
            Value::Str(_) => STRING,
            Value::Enum(d, _) => *d,
            Value::Object(o) => return o.ty.clone(),
            Value::Context(part) => return part.ty(),
            Value::Type(_) => TYPE,
            Value::Cell(c) => return c.borrow().runtime_type(),
        })
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Str(s) => write!(f, "{:?}", s.to_lossy()),
            other => write!(f, "{}({})", other.type_name().unwrap_or_default(), other.to_text().unwrap_or_default()),
        }
    }
}
