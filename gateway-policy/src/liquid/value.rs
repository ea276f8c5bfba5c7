//! Values of templates.

use std::{cmp::Ordering, sync::Arc};

use gateway_dotnet::{number::double_to_text, time::DateTime};

/// What a path or a filter gives.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Date(DateTime),
    Array(Arc<Vec<Value>>),
    Object(Arc<Object>),
}

/// Members in order.
#[derive(Debug, Default)]
pub(crate) struct Object {
    pub(crate) members: Vec<(Arc<str>, Value)>,
    /// Names of XML elements and of headers match without case when they do not match with it.
    pub(crate) ignore_case: bool,
}

impl Object {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let exact = self.members.iter().find(|(n, _)| &**n == name);
        let loose = || self.members.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        exact
            .or_else(|| if self.ignore_case { loose() } else { None })
            .map(|(_, v)| v)
    }
}

impl Value {
    pub(crate) fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    pub(crate) fn object(members: Vec<(&str, Value)>) -> Value {
        let members = members.into_iter().map(|(n, v)| (n.into(), v)).collect();
        Value::Object(Arc::new(Object {
            members,
            ignore_case: false,
        }))
    }

    /// Only nil and false are not.
    pub(super) fn is_true(&self) -> bool {
        !matches!(self, Value::Nil | Value::Bool(false))
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Value::Nil => true,
            Value::Text(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(object) => object.members.is_empty(),
            _ => false,
        }
    }

    /// As it is printed.
    pub(super) fn to_text(&self) -> String {
        match self {
            Value::Nil => String::new(),
            Value::Bool(flag) => flag.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => double_to_text(*number),
            Value::Text(text) => text.to_string(),
            Value::Date(date) => date.to_text(),
            Value::Array(items) => items.iter().map(Value::to_text).collect(),
            // A dictionary prints its pairs, as .NET's enumeration does.
            Value::Object(object) => object
                .members
                .iter()
                .map(|(n, v)| format!("[{n}, {}]", v.to_text()))
                .collect(),
        }
    }

    /// A number, also out of text that is one.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Value::Int(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A whole number, also out of text that is one.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// What `for` goes through.
    pub(super) fn items(&self) -> Vec<Value> {
        match self {
            Value::Array(items) => items.to_vec(),
            Value::Object(object) => {
                let pair = |(name, value): &(Arc<str>, Value)| {
                    Value::Array(Arc::new(vec![Value::Text(Arc::clone(name)), value.clone()]))
                };
                object.members.iter().map(pair).collect()
            }
            Value::Nil => Vec::new(),
            one => vec![one.clone()],
        }
    }

    /// A member, an index or one of `size`, `first`, `last`.
    pub(super) fn member(&self, key: &Value) -> Value {
        let found = match (self, key) {
            (Value::Object(object), key) => object.get(&key.to_text()).cloned(),
            (Value::Array(items), Value::Int(index)) => {
                let index = if *index < 0 {
                    *index + items.len() as i64
                } else {
                    *index
                };
                usize::try_from(index).ok().and_then(|i| items.get(i)).cloned()
            }
            _ => None,
        };
        found.unwrap_or_else(|| self.computed(&key.to_text()))
    }

    fn computed(&self, name: &str) -> Value {
        match (self, name) {
            (Value::Array(items), "size") => Value::Int(items.len() as i64),
            (Value::Object(object), "size") => Value::Int(object.members.len() as i64),
            (Value::Text(text), "size") => Value::Int(text.chars().count() as i64),
            (Value::Array(items), "first") => items.first().cloned().unwrap_or(Value::Nil),
            (Value::Array(items), "last") => items.last().cloned().unwrap_or(Value::Nil),
            _ => Value::Nil,
        }
    }

    pub(super) fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Nil, Value::Nil) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(b))
            }
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }

    /// Order of numbers, dates and texts; `None` across kinds.
    pub(super) fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::Date(a), Value::Date(b)) => Some(a.ticks().cmp(&b.ticks())),
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Nil | Value::Bool(_), _) | (_, Value::Nil | Value::Bool(_)) => None,
            // A text beside a number is converted, as .NET's Convert does.
            _ => self.number()?.partial_cmp(&other.number()?),
        }
    }
}
