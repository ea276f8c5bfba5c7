//! Enumeration: `IEnumerable` and `IEnumerator` behind every collection and lazy sequence.

use std::rc::Rc;

use gateway_dotnet::Error;

use crate::{
    Value,
    object::{Data, Object},
    vm::{Thrown, Vm},
};

/// An enumerator.
pub(crate) trait Iter {
    /// The next item, or `None` at the end.
    fn next(&mut self, vm: &mut Vm<'_>) -> Result<Option<Value>, Thrown>;

    /// Ends an enumeration early.
    fn dispose(&mut self, _vm: &mut Vm<'_>) -> Result<(), Thrown> {
        Ok(())
    }
}

/// A sequence that can be enumerated any number of times.
pub(crate) trait Sequence {
    /// A fresh enumerator.
    fn iter(&self, vm: &mut Vm<'_>) -> Result<Box<dyn Iter>, Thrown>;

    /// The .NET name of the iterator type, where it is not the static type.
    fn type_name(&self) -> Option<String> {
        None
    }

    /// What it maps, if it is a plain `Select`.
    fn mapping(&self) -> Option<&Mapping> {
        None
    }

    /// Source and keys (selector, comparer, descending) of an ordered sequence.
    fn ordering(&self) -> Option<Ordering> {
        None
    }
}

/// A `Select` over items at hand: single items can be mapped without those before them.
pub(crate) struct Mapping {
    /// Array, list or what else has an index.
    pub source: Value,
    pub selector: Value,
    /// Item type of the first source of a chain of `Select`.
    pub from: crate::types::Type,
    /// `Array`, `List`, `IList`: .NET's iterators are named after it.
    pub kind: &'static str,
}

/// Source of an ordered sequence, and its keys: selector, comparer, descending.
pub(crate) type Ordering = (Value, Vec<(Value, Value, bool)>);

/// Items already at hand.
pub(crate) struct Ready(pub std::vec::IntoIter<Value>);

impl Iter for Ready {
    fn next(&mut self, _vm: &mut Vm<'_>) -> Result<Option<Value>, Thrown> {
        Ok(self.0.next())
    }
}

/// A list, array or table read in place, so that changes while enumerating are seen or refused.
struct Live {
    object: Rc<Object>,
    at: usize,
    version: u32,
}

impl Iter for Live {
    fn next(&mut self, _vm: &mut Vm<'_>) -> Result<Option<Value>, Thrown> {
        let at = self.at;
        self.at += 1;
        match &self.object.data {
            Data::Array(items) | Data::Matrix(items, _) => Ok(items.borrow().get(at).cloned()),
            Data::Bytes(bytes) => Ok(bytes.borrow().get(at).map(|b| Value::Byte(*b))),
            Data::List(list) => {
                let list = list.borrow();
                if list.version != self.version {
                    return Err(changed());
                }
                let reverse = self.object.ty.def() == Some(crate::types::STACK);
                let at = if reverse {
                    list.items.len().checked_sub(at + 1)
                } else {
                    Some(at)
                };
                Ok(at.and_then(|i| list.items.get(i).cloned()))
            }
            Data::Table(table) => {
                let table = table.borrow();
                if table.version != self.version {
                    return Err(changed());
                }
                let Some((i, k, v)) = table.entry_from(at) else {
                    return Ok(None);
                };
                self.at = i + 1;
                if self.object.ty.def() == Some(crate::types::HASH_SET) {
                    return Ok(Some(k.clone()));
                }
                if matches!(&v, Value::Object(o) if matches!(o.data, Data::Group(..)))
                    && self.object.ty.def() != Some(crate::types::DICTIONARY)
                {
                    // A lookup: its groups.
                    return Ok(Some(v.clone()));
                }
                let ty =
                    crate::types::Type::generic(crate::types::KEY_VALUE_PAIR, self.object.ty.args().to_vec());
                Ok(Some(Value::object(ty, Data::Pair(k.clone(), v.clone()))))
            }
            _ => Ok(None),
        }
    }
}

fn changed() -> Thrown {
    Error::invalid_operation("Collection was modified; enumeration operation may not execute.").into()
}

struct Chars(gateway_dotnet::Str, usize);

impl Iter for Chars {
    fn next(&mut self, _vm: &mut Vm<'_>) -> Result<Option<Value>, Thrown> {
        let unit = self.0.get(self.1);
        self.1 += 1;
        Ok(unit.map(Value::Char))
    }
}

impl Vm<'_> {
    /// `value.GetEnumerator()`.
    pub(crate) fn iter(&mut self, value: &Value) -> Result<Box<dyn Iter>, Thrown> {
        self.check_chain()?;
        match value {
            Value::Null => Err(Error::null_reference().into()),
            Value::Str(s) if s.as_ascii().is_some() => Ok(Box::new(Chars(s.clone(), 0))),
            Value::Str(s) => {
                let units: Vec<Value> = s.units().map(Value::Char).collect();
                Ok(Box::new(Ready(units.into_iter())))
            }
            Value::Object(o) => match &o.data {
                Data::Array(_) | Data::Matrix(..) | Data::Bytes(_) => Ok(Box::new(Live {
                    object: Rc::clone(o),
                    at: 0,
                    version: 0,
                })),
                Data::List(list) => {
                    let version = list.borrow().version;
                    Ok(Box::new(Live {
                        object: Rc::clone(o),
                        at: 0,
                        version,
                    }))
                }
                Data::Table(table) => {
                    let version = table.borrow().version;
                    Ok(Box::new(Live {
                        object: Rc::clone(o),
                        at: 0,
                        version,
                    }))
                }
                Data::Sequence(s) => s.iter(self),
                Data::Plain => Ok(Box::new(Ready(Vec::new().into_iter()))),
                Data::Group(_, items) => Ok(Box::new(Ready(items.clone().into_iter()))),
                _ => crate::lib::native_iter(self, o),
            },
            Value::Context(part) => {
                let items = crate::lib::context_items(self, *part);
                Ok(Box::new(Ready(items.into_iter())))
            }
            Value::Json(t) => Ok(crate::lib::json_iter(t)),
            _ => Err(Error::invalid_operation("The value cannot be enumerated.").into()),
        }
    }

    /// All items of a sequence; every one costs a step.
    pub(crate) fn collect(&mut self, value: &Value) -> Result<Vec<Value>, Thrown> {
        match value {
            Value::Object(o) => match &o.data {
                Data::Array(items) => return Ok(items.borrow().clone()),
                Data::List(list) if o.ty.def() != Some(crate::types::STACK) => {
                    return Ok(list.borrow().items.iter().cloned().collect());
                }
                Data::Group(_, items) => return Ok(items.clone()),
                _ => {}
            },
            Value::Null => return Err(Error::null_reference().into()),
            _ => {}
        }
        let mut iter = self.iter(value)?;
        let mut items = Vec::new();
        while let Some(item) = iter.next(self)? {
            self.step()?;
            self.charge(size_of::<Value>())?;
            items.push(item);
        }
        Ok(items)
    }
}
