//! What an expression can evaluate to.

use std::sync::Arc;

use bytes::Bytes;

use crate::context::Response;

/// A .NET value. (First shape: the expression room replaces it; the constructors below stay.)
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`
    Null,
    /// `System.Boolean`
    Bool(bool),
    /// `System.Int32`
    Int(i32),
    /// `System.String`
    Str(Arc<str>),
    /// `System.Byte[]`
    Bytes(Bytes),
    /// `IResponse`
    Response(Arc<Response>),
}

impl Value {
    /// A `System.String`.
    pub fn string(text: &str) -> Self {
        Value::Str(text.into())
    }

    /// A `System.Int32`.
    pub fn int(number: i32) -> Self {
        Value::Int(number)
    }

    /// An `IResponse`, as `send-request` stores it.
    pub fn response(response: Response) -> Self {
        Value::Response(Arc::new(response))
    }

    /// The `IResponse`, if it is one.
    pub fn as_response(&self) -> Option<&Response> {
        match self {
            Value::Response(response) => Some(response),
            _ => None,
        }
    }

    /// The content of a `byte[]`, if it is one.
    pub fn as_bytes(&self) -> Option<Bytes> {
        match self {
            Value::Bytes(bytes) => Some(bytes.clone()),
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
            Value::Bool(b) => Some(if *b { "True" } else { "False" }.to_owned()),
            Value::Int(i) => Some(i.to_string()),
            Value::Str(s) => Some(s.to_string()),
            Value::Bytes(_) => Some("System.Byte[]".to_owned()),
            Value::Response(_) => Some("IResponse".to_owned()),
        }
    }

    /// A boolean, or text that parses as one (as a `condition` attribute takes it).
    pub fn to_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            Value::Str(s) if s.trim().eq_ignore_ascii_case("true") => Some(true),
            Value::Str(s) if s.trim().eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// An integer of any width, or text that parses as one.
    pub fn to_i64(&self) -> Option<i64> {
        match self {
            Value::Int(i) => Some(i64::from(*i)),
            Value::Str(s) => s.trim().parse().ok(),
            _ => None,
        }
    }
}
