//! What an expression can evaluate to.

use std::{cell::RefCell, fmt, rc::Rc, sync::Arc};

use bytes::Bytes;
use gateway_dotnet::{
    Str,
    guid::Guid,
    json::{Token, TokenType},
    number::Decimal,
    time::{DateTime, DateTimeOffset, TimeSpan},
};

use crate::{
    object::{Data, Object},
    text,
    types::{DefId, Num, Type, registry},
};

/// A .NET value: value types in place, everything else behind a reference count.
#[derive(Clone, Default)]
pub enum Value {
    /// `null`
    #[default]
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
    /// `System.DateTime`
    DateTime(DateTime),
    /// `System.DateTimeOffset`
    Offset(DateTimeOffset),
    /// `System.TimeSpan`
    TimeSpan(TimeSpan),
    /// `System.Guid`
    Guid(Guid),
    /// `System.String`
    Str(Str),
    /// A `JToken`
    Json(Token),
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
        Value::Object(Rc::new(Object {
            ty: Type::array(Num::Byte.ty()),
            data: Data::Bytes(RefCell::new(bytes)),
        }))
    }

    /// A `System.Int32`.
    pub fn int(number: i32) -> Self {
        Value::Int(number)
    }

    /// An `IResponse`, as `send-request` stores it.
    pub fn response(response: crate::context::Response) -> Self {
        let ty = registry().type_named("IResponse").unwrap_or(Type::OBJECT);
        Value::object(
            ty,
            Data::Response(Box::new(response), std::cell::Cell::new(false)),
        )
    }

    /// The `Jwt` of a compact token, if it is one.
    pub fn jwt(token: &str) -> Option<Self> {
        crate::lib::parse_jwt(token)
    }

    /// The `IResponse`, if it is one.
    pub fn as_response(&self) -> Option<&crate::context::Response> {
        match self {
            Value::Object(o) => match &o.data {
                Data::Response(r, _) => Some(r),
                _ => None,
            },
            _ => None,
        }
    }

    /// The content of a `byte[]`, if it is one.
    pub fn as_bytes(&self) -> Option<Bytes> {
        match self {
            Value::Object(o) => match &o.data {
                Data::Bytes(b) => Some(Bytes::from(b.borrow().clone())),
                _ => None,
            },
            _ => None,
        }
    }

    /// True for `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
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

    pub(crate) fn object(ty: Type, data: Data) -> Self {
        Value::Object(Rc::new(Object { ty, data }))
    }

    pub(crate) fn array(element: Type, items: Vec<Value>) -> Self {
        if element.is_def(crate::types::BYTE) {
            let bytes = items
                .iter()
                .map(|v| if let Value::Byte(b) = v { *b } else { 0 })
                .collect();
            return Value::bytes(bytes);
        }
        Value::object(Type::array(element), Data::Array(RefCell::new(items)))
    }

    pub(crate) fn list(element: Type, items: Vec<Value>) -> Self {
        Value::object(
            Type::generic(crate::types::LIST, [element]),
            Data::List(RefCell::new(items.into())),
        )
    }

    /// Items at hand where .NET gives a lazy sequence.
    pub(crate) fn sequence(element: Type, items: Vec<Value>) -> Self {
        Value::object(Type::enumerable(element), Data::List(RefCell::new(items.into())))
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
            Value::DateTime(_) => DATE_TIME,
            Value::Offset(_) => DATE_TIME_OFFSET,
            Value::TimeSpan(_) => TIME_SPAN,
            Value::Guid(_) => GUID,
            Value::Json(t) => match t.token_type() {
                TokenType::Object => JOBJECT,
                TokenType::Array => JARRAY,
                TokenType::Property => JPROPERTY,
                TokenType::Constructor => JCONSTRUCTOR,
                TokenType::Raw => JRAW,
                _ => JVALUE,
            },
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
            other => write!(
                f,
                "{}({})",
                other.type_name().unwrap_or_default(),
                other.to_text().unwrap_or_default()
            ),
        }
    }
}
