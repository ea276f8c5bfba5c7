//! The arguments of a library function.

use std::rc::Rc;

use gateway_dotnet::{Error, Str, json::Token, number::Decimal, time::{DateTime, DateTimeOffset, TimeSpan}};

use crate::{
    Value, array,
    object::{Data, Object},
    types::Type,
    vm::{Eval, Thrown, Vm},
};

/// A call in progress: the receiver, if any, is argument 0.
pub(crate) struct Call<'a, 'v> {
    pub vm: &'a mut Vm<'v>,
    pub args: &'a mut [Value],
    /// Type arguments of the declaring type, then of the method.
    pub types: &'a [Type],
}

fn wrong() -> Thrown {
    Error::null_reference().into()
}

impl Call<'_, '_> {
    pub(crate) fn arg(&self, i: usize) -> &Value {
        self.args.get(i).unwrap_or(&Value::Null)
    }

    pub(crate) fn take(&mut self, i: usize) -> Value {
        self.args.get_mut(i).map_or(Value::Null, std::mem::take)
    }

    /// Writes an `out` argument.
    pub(crate) fn out(&mut self, i: usize, value: Value) {
        if let Some(place) = self.args.get_mut(i) {
            *place = value;
        }
    }

    pub(crate) fn ty(&self, i: usize) -> Type {
        self.types.get(i).cloned().unwrap_or(Type::OBJECT)
    }

    /// A string that must not be null; `name` is the parameter's.
    pub(crate) fn text(&self, i: usize, name: &str) -> Result<Str, Thrown> {
        match self.arg(i) {
            Value::Str(s) => Ok(s.clone()),
            _ => Err(Error::null(name).into()),
        }
    }

    /// The receiver as a string.
    pub(crate) fn this_str(&self) -> Result<Str, Thrown> {
        match self.arg(0) {
            Value::Str(s) => Ok(s.clone()),
            _ => Err(wrong()),
        }
    }

    pub(crate) fn opt_str(&self, i: usize) -> Option<Str> {
        match self.arg(i) {
            Value::Str(s) => Some(s.clone()),
            _ => None,
        }
    }

    /// A string, empty for null.
    pub(crate) fn str_or_empty(&self, i: usize) -> Str {
        self.opt_str(i).unwrap_or(Str::EMPTY)
    }

    pub(crate) fn int(&self, i: usize) -> Result<i32, Thrown> {
        match self.arg(i) {
            Value::Int(v) => Ok(*v),
            Value::Enum(_, v) => Ok(*v as i32),
            _ => Err(wrong()),
        }
    }

    pub(crate) fn long(&self, i: usize) -> Result<i64, Thrown> {
        match self.arg(i) {
            Value::Long(v) => Ok(*v),
            Value::Int(v) => Ok(i64::from(*v)),
            _ => Err(wrong()),
        }
    }

    pub(crate) fn double(&self, i: usize) -> Result<f64, Thrown> {
        match self.arg(i) {
            Value::Double(v) => Ok(*v),
            Value::Float(v) => Ok(f64::from(*v)),
            _ => Err(wrong()),
        }
    }

    pub(crate) fn decimal(&self, i: usize) -> Result<Decimal, Thrown> {
        match self.arg(i) {
            Value::Decimal(v) => Ok(*v),
            _ => Err(wrong()),
        }
    }

    pub(crate) fn bool(&self, i: usize) -> Result<bool, Thrown> {
        match self.arg(i) {
            Value::Bool(v) => Ok(*v),
            _ => Err(wrong()),
        }
    }

    pub(crate) fn char(&self, i: usize) -> Result<u16, Thrown> {
        match self.arg(i) {
            Value::Char(v) => Ok(*v),
            _ => Err(wrong()),
        }
    }

    /// The numeric value of an enum argument.
    pub(crate) fn enumeration(&self, i: usize) -> Result<i32, Thrown> {
        self.int(i)
    }

    pub(crate) fn date(&self, i: usize) -> Result<DateTime, Thrown> {
        match self.arg(i) {
            Value::DateTime(v) => Ok(*v),
            _ => Err(wrong()),
        }
    }

    pub(crate) fn offset(&self, i: usize) -> Result<DateTimeOffset, Thrown> {
        match self.arg(i) {
            Value::Offset(v) => Ok(*v),
            _ => Err(wrong()),
        }
    }

    pub(crate) fn span(&self, i: usize) -> Result<TimeSpan, Thrown> {
        match self.arg(i) {
            Value::TimeSpan(v) => Ok(*v),
            _ => Err(wrong()),
        }
    }

    pub(crate) fn json(&self, i: usize) -> Result<Token, Thrown> {
        match self.arg(i) {
            Value::Json(t) => Ok(t.clone()),
            _ => Err(wrong()),
        }
    }

    pub(crate) fn object(&self, i: usize) -> Result<Rc<Object>, Thrown> {
        match self.arg(i) {
            Value::Object(o) => Ok(Rc::clone(o)),
            _ => Err(wrong()),
        }
    }

    /// A `byte[]` that must not be null.
    pub(crate) fn bytes(&self, i: usize, name: &str) -> Result<Vec<u8>, Thrown> {
        match self.arg(i) {
            Value::Object(o) => match &o.data {
                Data::Bytes(b) => Ok(b.borrow().clone()),
                _ => Err(wrong()),
            },
            Value::Null => Err(Error::null(name).into()),
            _ => Err(wrong()),
        }
    }

    /// The items of an array argument; none for null.
    pub(crate) fn items(&self, i: usize) -> Vec<Value> {
        match self.arg(i) {
            Value::Object(o) => match &o.data {
                Data::Array(items) => items.borrow().clone(),
                Data::Bytes(b) => b.borrow().iter().map(|b| Value::Byte(*b)).collect(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// A `char[]` argument.
    pub(crate) fn chars(&self, i: usize) -> Vec<u16> {
        self.items(i).iter().filter_map(|v| if let Value::Char(c) = v { Some(*c) } else { None }).collect()
    }

    /// Whether an argument is an array.
    pub(crate) fn array_len(&self, i: usize) -> Option<usize> {
        array::length(self.arg(i))
    }

    /// All items of an enumerable argument; null is refused under the parameter's name.
    pub(crate) fn sequence(&mut self, i: usize, name: &str) -> Result<Vec<Value>, Thrown> {
        let value = self.arg(i).clone();
        if value.is_null() {
            return Err(Error::null(name).into());
        }
        self.vm.collect(&value)
    }
}

/// A string result.
pub(crate) fn text(s: Str) -> Eval {
    Ok(Value::Str(s))
}

/// A string result from Rust text.
pub(crate) fn string(s: impl AsRef<str>) -> Eval {
    Ok(Value::string(s.as_ref()))
}
