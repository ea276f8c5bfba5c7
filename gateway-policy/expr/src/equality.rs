//! `Equals`, `GetHashCode` and `Compare` of values as the default comparers see them.

use std::{
    cmp::Ordering,
    hash::{Hash, Hasher},
    rc::Rc,
};

use gateway_dotnet::{Error, ExceptionKind, Str, text::StringComparison};

use crate::{Value, nesting, object::Data};

/// How keys are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Comparer {
    /// `EqualityComparer<T>.Default`
    Default,
    /// A `StringComparer`
    Text(StringComparison),
    /// `JTokenEqualityComparer`: `JToken.DeepEquals`
    Json,
    /// `XNodeEqualityComparer`: `XNode.DeepEquals`
    Xml,
    /// `HashSet<T>.CreateSetComparer()`: the same elements
    Sets,
}

/// `a.Equals(b)` under a comparer.
pub(crate) fn equals(a: &Value, b: &Value, how: Comparer) -> bool {
    match (how, a, b) {
        (Comparer::Text(c), Value::Str(a), Value::Str(b)) => a.equals(b, c),
        (Comparer::Xml, Value::Object(a), Value::Object(b)) => crate::lib::deep_equal_xml(a, b),
        (Comparer::Json, Value::Json(a), Value::Json(b)) => a.deep_equals(b).unwrap_or(false),
        (Comparer::Sets, Value::Object(a), Value::Object(b)) => match (&a.data, &b.data) {
            (Data::Table(a), Data::Table(b)) => same_sets(&a.borrow(), &b.borrow()),
            _ => false,
        },
        _ => object_equals(a, b),
    }
}

/// `object.Equals(a, b)`: same type and value, else same object.
pub(crate) fn object_equals(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Char(a), Value::Char(b)) => a == b,
        (Value::SByte(a), Value::SByte(b)) => a == b,
        (Value::Byte(a), Value::Byte(b)) => a == b,
        (Value::Short(a), Value::Short(b)) => a == b,
        (Value::UShort(a), Value::UShort(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::UInt(a), Value::UInt(b)) => a == b,
        (Value::Long(a), Value::Long(b)) => a == b,
        (Value::ULong(a), Value::ULong(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
        (Value::Double(a), Value::Double(b)) => a == b || (a.is_nan() && b.is_nan()),
        (Value::Decimal(a), Value::Decimal(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::DateTime(a), Value::DateTime(b)) => a.ticks() == b.ticks(),
        (Value::Offset(a), Value::Offset(b)) => a.utc_ticks() == b.utc_ticks(),
        (Value::TimeSpan(a), Value::TimeSpan(b)) => a == b,
        (Value::Guid(a), Value::Guid(b)) => a == b,
        (Value::Json(a), Value::Json(b)) => a.equals(b),
        (Value::Enum(d, a), Value::Enum(e, b)) => d == e && a == b,
        (Value::Context(a), Value::Context(b)) => a == b,
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::Object(a), Value::Object(b)) => Rc::ptr_eq(a, b) || structurally_equal(a, b),
        _ => false,
    }
}

fn structurally_equal(a: &crate::object::Object, b: &crate::object::Object) -> bool {
    let all = |x: &[Value], y: &[Value]| {
        a.ty == b.ty && x.len() == y.len() && x.iter().zip(y).all(|(x, y)| object_equals(x, y))
    };
    let parts = || match (&a.data, &b.data) {
        (Data::Tuple(x), Data::Tuple(y)) => all(&x.borrow(), &y.borrow()),
        (Data::Anon(x), Data::Anon(y)) => all(x, y),
        (Data::Pair(k, v), Data::Pair(l, w)) => object_equals(k, l) && object_equals(v, w),
        (Data::Native(_), Data::Native(_)) => crate::lib::native_equals(a, b),
        _ => false,
    };
    nesting::parts(parts).unwrap_or(false)
}

/// `ReferenceEquals`: boxed values are never the same object.
pub(crate) fn reference_equals(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Str(a), Value::Str(b)) => a.ptr_eq(b),
        // A node is one object however many wrappers stand for it.
        (Value::Object(a), Value::Object(b)) => Rc::ptr_eq(a, b) || crate::lib::same_xml(a, b) == Some(true),
        (Value::Json(a), Value::Json(b)) => a.ptr_eq(b),
        (Value::Context(a), Value::Context(b)) => a == b,
        (Value::Type(a), Value::Type(b)) => a == b,
        _ => false,
    }
}

/// Feeds what `Equals` looks at into `state`.
pub(crate) fn hash(value: &Value, how: Comparer, state: &mut impl Hasher) {
    match value {
        Value::Str(s) => match how {
            Comparer::Text(c) if c.ignores_case() => s.to_upper().hash(state),
            _ => s.hash(state),
        },
        // Equal trees have equal counts; their text may differ in the order of names.
        Value::Json(t) if how == Comparer::Json && t.is_container() => t.count().hash(state),
        // Equal trees have equal names; that must do.
        Value::Object(_) if how == Comparer::Xml => 0u8.hash(state),
        // Equal sets have equal counts; that must do.
        Value::Object(o) if how == Comparer::Sets => match &o.data {
            Data::Table(t) => t.borrow().len().hash(state),
            _ => 0u8.hash(state),
        },
        other => hash_value(other, state),
    }
}

fn same_sets(a: &crate::collections::Table, b: &crate::collections::Table) -> bool {
    a.len() == b.len() && a.iter().all(|(k, _)| b.contains(k))
}

fn hash_value(value: &Value, state: &mut impl Hasher) {
    match value {
        Value::Null => 0u8.hash(state),
        Value::Bool(v) => v.hash(state),
        Value::Char(v) => v.hash(state),
        Value::SByte(v) => v.hash(state),
        Value::Byte(v) => v.hash(state),
        Value::Short(v) => v.hash(state),
        Value::UShort(v) => v.hash(state),
        Value::Int(v) => v.hash(state),
        Value::UInt(v) => v.hash(state),
        Value::Long(v) => v.hash(state),
        Value::ULong(v) => v.hash(state),
        Value::Float(v) => (if *v == 0.0 { 0 } else { v.to_bits() }).hash(state),
        Value::Double(v) => (if *v == 0.0 { 0 } else { v.to_bits() }).hash(state),
        Value::Decimal(v) => v.hash(state),
        Value::Str(v) => v.hash(state),
        Value::DateTime(v) => v.ticks().hash(state),
        Value::Offset(v) => v.utc_ticks().hash(state),
        Value::TimeSpan(v) => v.ticks().hash(state),
        Value::Guid(v) => v.to_bytes().hash(state),
        Value::Json(v) => v.scalar().map(|s| s.to_text()).hash(state),
        Value::Enum(_, v) => v.hash(state),
        Value::Context(p) => p.hash(state),
        Value::Type(t) => t.hash(state),
        Value::Cell(c) => hash_value(&c.borrow(), state),
        Value::Object(o) => match &o.data {
            Data::Tuple(items) => hash_parts(&items.borrow(), state),
            Data::Anon(items) => hash_parts(items, state),
            Data::Pair(k, v) => {
                nesting::parts(|| {
                    hash_value(k, state);
                    hash_value(v, state);
                });
            }
            Data::Native(_) => crate::lib::native_hash(o).hash(state),
            _ => (Rc::as_ptr(o) as usize).hash(state),
        },
    }
}

fn hash_parts(items: &[Value], state: &mut impl Hasher) {
    nesting::parts(|| items.iter().for_each(|v| hash_value(v, state)));
}

/// `Comparer<T>.Default.Compare`.
pub(crate) fn compare(a: &Value, b: &Value) -> Result<Ordering, Error> {
    Ok(match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Char(a), Value::Char(b)) => a.cmp(b),
        (Value::SByte(a), Value::SByte(b)) => a.cmp(b),
        (Value::Byte(a), Value::Byte(b)) => a.cmp(b),
        (Value::Short(a), Value::Short(b)) => a.cmp(b),
        (Value::UShort(a), Value::UShort(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::UInt(a), Value::UInt(b)) => a.cmp(b),
        (Value::Long(a), Value::Long(b)) => a.cmp(b),
        (Value::ULong(a), Value::ULong(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => float_order(f64::from(*a), f64::from(*b)),
        (Value::Double(a), Value::Double(b)) => float_order(*a, *b),
        (Value::Decimal(a), Value::Decimal(b)) => a.compare(*b),
        (Value::Str(a), Value::Str(b)) => Str::order(a, b, StringComparison::CurrentCulture),
        (Value::DateTime(a), Value::DateTime(b)) => a.ticks().cmp(&b.ticks()),
        (Value::Offset(a), Value::Offset(b)) => a.utc_ticks().cmp(&b.utc_ticks()),
        (Value::TimeSpan(a), Value::TimeSpan(b)) => a.ticks().cmp(&b.ticks()),
        (Value::Guid(a), Value::Guid(b)) => a.text_order().cmp(&b.text_order()),
        (Value::Enum(_, a), Value::Enum(_, b)) => a.cmp(b),
        (Value::Json(a), Value::Json(b)) => match (a.scalar(), b.scalar()) {
            (Some(x), Some(y)) => x.compare_to(&y, gateway_dotnet::time::DateTime::MIN)?.cmp(&0),
            _ => return Err(not_comparable()),
        },
        (Value::Object(x), Value::Object(y)) => match (&x.data, &y.data) {
            (Data::Tuple(x), Data::Tuple(y)) => {
                let parts = || compare_parts(&x.borrow(), &y.borrow());
                nesting::parts(parts).unwrap_or(Ok(Ordering::Equal))?
            }
            (Data::Native(_), Data::Native(_)) => match crate::lib::native_compare(x, y) {
                Some(order) => order,
                None => return Err(not_comparable()),
            },
            _ => return Err(not_comparable()),
        },
        _ => return Err(not_comparable()),
    })
}

fn compare_parts(x: &[Value], y: &[Value]) -> Result<Ordering, Error> {
    for (a, b) in x.iter().zip(y) {
        match compare(a, b)? {
            Ordering::Equal => {}
            other => return Ok(other),
        }
    }
    Ok(Ordering::Equal)
}

/// `NaN` sorts before everything.
fn float_order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

fn not_comparable() -> Error {
    Error::new(
        ExceptionKind::ArgumentException,
        "At least one object must implement IComparable.",
    )
}
