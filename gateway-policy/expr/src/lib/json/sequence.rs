//! Sequences of tokens: children read live, and what axes and paths find.

use super::*;
use crate::iter::{Iter, Ready, Sequence};

/// Tokens found so far, under the name of the iterator that would have found them one by one.
struct Found {
    items: Vec<Value>,
    name: String,
}

impl Sequence for Found {
    fn iter(&self, _vm: &mut Vm<'_>) -> Result<Box<dyn Iter>, Thrown> {
        Ok(Box::new(Ready(self.items.clone().into_iter())))
    }

    fn type_name(&self) -> Option<String> {
        Some(self.name.clone())
    }
}

pub(super) fn found(list: Vec<Token>, name: &str) -> Eval {
    let items = list.into_iter().map(Value::Json).collect();
    named_items(Type::Def(types::JTOKEN), name.to_owned(), items)
}

pub(super) fn named_items(element: Type, name: String, items: Vec<Value>) -> Eval {
    Ok(Value::object(
        Type::enumerable(element),
        Data::Sequence(Box::new(Found { items, name })),
    ))
}

/// The children of a token, read when they are enumerated.
pub(super) struct Children {
    pub of: Token,
    /// Only tokens of this type.
    pub only: Option<Type>,
    pub name: Option<String>,
}

impl Sequence for Children {
    fn iter(&self, _vm: &mut Vm<'_>) -> Result<Box<dyn Iter>, Thrown> {
        let only = self.only.clone();
        Ok(Box::new(OnlyOf(iterate(&self.of), only)))
    }

    fn type_name(&self) -> Option<String> {
        self.name.clone()
    }
}

struct OnlyOf(Box<dyn Iter>, Option<Type>);

impl Iter for OnlyOf {
    fn next(&mut self, vm: &mut Vm<'_>) -> Result<Option<Value>, Thrown> {
        while let Some(item) = self.0.next(vm)? {
            vm.step()?;
            if self.1.as_ref().is_none_or(|ty| cast::is(&item, ty)) {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }
}

fn enumerable_of(element: Type) -> Type {
    types::registry()
        .by_full_name("Newtonsoft.Json.Linq.JEnumerable`1")
        .map_or_else(
            || Type::enumerable(element.clone()),
            |d| Type::generic(d, [element.clone()]),
        )
}

/// `Children()` and `Children<T>()`
pub(super) fn children(c: &mut Call<'_, '_>, typed: bool) -> Eval {
    let of = c.json(0)?;
    let element = if typed { c.ty(0) } else { Type::Def(types::JTOKEN) };
    let sequence = Children {
        of,
        only: typed.then(|| element.clone()),
        name: None,
    };
    Ok(Value::object(
        enumerable_of(element),
        Data::Sequence(Box::new(sequence)),
    ))
}

/// Tokens as a `JEnumerable<JToken>`.
pub(super) fn tokens(list: Vec<Token>) -> Eval {
    tokens_of(
        Type::Def(types::JTOKEN),
        list.into_iter().map(Value::Json).collect(),
    )
}

pub(super) fn tokens_of(element: Type, items: Vec<Value>) -> Eval {
    Ok(Value::object(
        enumerable_of(element),
        Data::List(std::cell::RefCell::new(items.into())),
    ))
}

/// What a token enumerates: properties of an object, items of an array, nothing of a value.
pub(crate) fn iterate(t: &Token) -> Box<dyn Iter> {
    Box::new(Live {
        token: t.clone(),
        at: 0,
        count: t.count(),
        last: None,
    })
}

/// Children read one by one; a change in between is refused.
struct Live {
    token: Token,
    at: usize,
    /// Children when it began, and the one given last: by these a change is noticed.
    count: usize,
    last: Option<Token>,
}

impl Iter for Live {
    fn next(&mut self, _vm: &mut Vm<'_>) -> Result<Option<Value>, Thrown> {
        // A property has no list behind it, so nothing there notices a change.
        if self.token.token_type() != TokenType::Property {
            let moved = match &self.last {
                Some(last) => !self.token.child(self.at - 1).is_some_and(|t| t.ptr_eq(last)),
                None => false,
            };
            if moved || self.token.count() != self.count {
                let message = "Collection was modified; enumeration operation may not execute.";
                return Err(Error::invalid_operation(message).into());
            }
        }
        let next = self.token.child(self.at);
        self.at += 1;
        self.last = next.clone();
        Ok(next.map(Value::Json))
    }
}
