//! `System.Array`.

use std::{cell::RefCell, ops::Range, rc::Rc};

use gateway_dotnet::{Error, ExceptionKind};

use super::{
    Call, Decl, Entry,
    Entry::Get,
    all,
    collections::{compare_with, introsort, read_only},
};
use crate::{
    Value, array, cast, equality,
    object::{Data, Object},
    ops,
    types::{Num, Type, is_subtype},
    vm::{Eval, Thrown},
};

const INDEX: &str = "Index was out of range. Must be non-negative and less than the size of the collection.";
const COUNT: &str =
    "Count must be positive and count must refer to a location within the string/array/collection.";

/// An array that must not be null.
fn array_of(c: &Call<'_, '_>, i: usize, name: &str) -> Result<Rc<Object>, Thrown> {
    match c.arg(i) {
        Value::Object(o) => Ok(Rc::clone(o)),
        _ => Err(Error::null(name).into()),
    }
}

/// The elements in order, row by row; counted, as it is a copy.
fn elements(c: &mut Call<'_, '_>, i: usize, name: &str) -> Result<Vec<Value>, Thrown> {
    let o = array_of(c, i, name)?;
    let len = c.array_len(i).unwrap_or(0);
    for _ in 0..len / 8 {
        c.vm.step()?;
    }
    Ok(match &o.data {
        Data::Matrix(items, _) => items.borrow().clone(),
        _ => c.items(i),
    })
}

/// The elements of an array that must have one dimension.
fn row(c: &mut Call<'_, '_>, i: usize, name: &str) -> Result<Vec<Value>, Thrown> {
    if matches!(&array_of(c, i, name)?.data, Data::Matrix(..)) {
        return Err(Error::new(
            ExceptionKind::RankException,
            "Only single dimension arrays are supported here.",
        )
        .into());
    }
    elements(c, i, name)
}

/// Replaces the elements.
fn write_back(o: &Object, items: Vec<Value>) {
    match &o.data {
        Data::Array(place) | Data::Matrix(place, _) => *place.borrow_mut() = items,
        Data::Bytes(place) => {
            let byte = |v: &Value| if let Value::Byte(b) = v { *b } else { 0 };
            *place.borrow_mut() = items.iter().map(byte).collect();
        }
        _ => {}
    }
}

fn element_type(o: &Object) -> Type {
    match &o.ty {
        Type::Array(element, _) => (**element).clone(),
        _ => Type::OBJECT,
    }
}

/// `start` and `count` as a part of `len` elements, or nothing.
fn range(start: i64, count: i64, len: usize) -> Option<Range<usize>> {
    let (start, count) = (usize::try_from(start).ok()?, usize::try_from(count).ok()?);
    let end = start.checked_add(count)?;
    (end <= len).then_some(start..end)
}

/// `index` and `length` in the arguments from `at` on, or all of it.
fn part(c: &Call<'_, '_>, at: usize, len: usize) -> Result<Range<usize>, Thrown> {
    let (Some(Value::Int(index)), Some(Value::Int(length))) = (c.args.get(at), c.args.get(at + 1)) else {
        return Ok(0..len);
    };
    if *index < 0 || *length < 0 {
        let name = if *index < 0 { "index" } else { "length" };
        return Err(Error::out_of_range(name, "Non-negative number required.").into());
    }
    range((*index).into(), (*length).into(), len).ok_or_else(|| {
        let message = "Offset and length were out of bounds for the array or count is greater than the number of elements from index to the end of the source collection.";
        Error::new(ExceptionKind::ArgumentException, message).into()
    })
}

// ---- size and elements

fn lengths(o: &Object, len: usize) -> Vec<usize> {
    match &o.data {
        Data::Matrix(_, lengths) => lengths.clone(),
        _ => vec![len],
    }
}

fn get_length(c: &mut Call<'_, '_>) -> Result<usize, Thrown> {
    let o = array_of(c, 0, "array")?;
    let all = lengths(&o, c.array_len(0).unwrap_or(0));
    let found = usize::try_from(c.int(1)?).ok().and_then(|d| all.get(d).copied());
    found.ok_or_else(|| Error::of(ExceptionKind::IndexOutOfRangeException).into())
}

/// Indices given one by one or as an array, checked against the number of dimensions.
fn indices(c: &Call<'_, '_>, from: usize) -> Result<Vec<Value>, Thrown> {
    let given = match c.arg(from) {
        Value::Object(_) => c.items(from),
        Value::Null => return Err(Error::null("indices").into()),
        _ => c.args[from..].to_vec(),
    };
    let o = array_of(c, 0, "array")?;
    let dimensions = lengths(&o, 0).len();
    if given.len() != dimensions {
        let message = "Array was not a one-dimensional array, or the number of indices is wrong.";
        return Err(Error::new(ExceptionKind::ArgumentException, message).into());
    }
    let beyond = |v: &Value| matches!(v, Value::Long(i) if i32::try_from(*i).is_err());
    if given.iter().any(beyond) {
        return Err(Error::out_of_range("index", "Arrays larger than 2GB are not supported.").into());
    }
    Ok(given)
}

fn get_value(c: &mut Call<'_, '_>) -> Eval {
    let at = indices(c, 1)?;
    array::get(c.arg(0), &at)
}

fn set_value(c: &mut Call<'_, '_>) -> Eval {
    let at = indices(c, 2)?;
    let o = array_of(c, 0, "array")?;
    let value = converted(c.arg(1).clone(), &element_type(&o)).map_err(|e| match e {
        Thrown::Error(e) if e.kind == ExceptionKind::ArrayTypeMismatchException => {
            let message = "Cannot widen from source type to target type either because the source type is a not a primitive type or the conversion cannot be accomplished.";
            let number = |t: &Type| t.num().is_some_and(|n| n != Num::Decimal);
            let numbers = number(&c.arg(1).runtime_type()) && number(&element_type(&o));
            let kind = if numbers {
                ExceptionKind::ArgumentException
            } else {
                ExceptionKind::InvalidCastException
            };
            Error::new(kind, message).into()
        }
        e => e,
    })?;
    array::set(c.arg(0), &at, value)?;
    Ok(Value::Null)
}

/// A value as an element of another type: the same, boxed, unboxed, or widened.
fn converted(value: Value, to: &Type) -> Eval {
    if value.is_null() {
        return Ok(cast::default_value(to));
    }
    if cast::is(&value, to) {
        return Ok(value);
    }
    let mismatch = || -> Thrown { Error::of(ExceptionKind::ArrayTypeMismatchException).into() };
    let from = value.runtime_type();
    match (bits(&from), bits(to)) {
        (Some(from), Some(num)) if widens(from, num) || from.unsigned() == num.unsigned() => {
            ops::convert(num, false)(value)
        }
        _ => Err(mismatch()),
    }
}

/// Whether an array's numbers widen: as in C#, but never to `decimal`, which is none to the runtime.
fn widens(from: Num, to: Num) -> bool {
    to != Num::Decimal && from.widens_to(to)
}

/// The number that an element is to the runtime: an enum is its integer.
fn bits(ty: &Type) -> Option<Num> {
    match ty {
        Type::Def(d) if ty.is_enum() => Some(crate::types::registry().def(*d).underlying),
        _ => ty.num(),
    }
}

// ---- copies

/// How elements of one array type become those of another, or that they cannot.
fn check_copy(from: &Type, to: &Type) -> Result<(), Thrown> {
    let numbers = bits(from).zip(bits(to));
    let fits = from == to
        || numbers.is_some_and(|(a, b)| widens(a, b) || a.unsigned() == b.unsigned())
        || (!from.is_value_type() && (!to.is_value_type() || is_subtype(to, from)))
        || (from.is_value_type() && !to.is_value_type() && is_subtype(from, to));
    if fits {
        return Ok(());
    }
    let message = "Source array type cannot be assigned to destination array type.";
    Err(Error::new(ExceptionKind::ArrayTypeMismatchException, message).into())
}

fn copy_part(c: &mut Call<'_, '_>, (source, target): (usize, usize), [from, to, count]: [i64; 3]) -> Eval {
    let a = array_of(c, source, "sourceArray")?;
    let b = array_of(c, target, "destinationArray")?;
    let (items, mut out) = (
        elements(c, source, "sourceArray")?,
        elements(c, target, "destinationArray")?,
    );
    if lengths(&a, 0).len() != lengths(&b, 0).len() {
        let message = "The specified arrays must have the same number of dimensions.";
        return Err(Error::new(ExceptionKind::RankException, message).into());
    }
    for (value, name) in [(count, "length"), (from, "sourceIndex"), (to, "destinationIndex")] {
        if value < 0 {
            return Err(Error::out_of_range(name, "Non-negative number required.").into());
        }
    }
    let short = |side: &str| {
        let message = format!(
            "{side} array was not long enough. Check the index, length, and the array's lower bounds."
        );
        Thrown::from(Error::new(ExceptionKind::ArgumentException, message))
    };
    let read = range(from, count, items.len()).ok_or_else(|| short("Source"))?;
    let place = range(to, count, out.len()).ok_or_else(|| short("Destination"))?;
    let (from, to) = (element_type(&a), element_type(&b));
    check_copy(&from, &to)?;
    for (slot, item) in out[place].iter_mut().zip(items[read].iter()) {
        let cast_down = || {
            let message = "At least one element in the source array could not be cast down to the destination array type.";
            Thrown::from(Error::new(ExceptionKind::InvalidCastException, message))
        };
        if item.is_null() && !to.takes_null() {
            return Err(cast_down());
        }
        *slot = converted(item.clone(), &to).map_err(|_| cast_down())?;
    }
    write_back(&b, out);
    Ok(Value::Null)
}

fn copy(c: &mut Call<'_, '_>) -> Eval {
    match c.args.len() {
        3 => {
            let count = c.long(2)?;
            copy_part(c, (0, 1), [0, 0, count])
        }
        _ => {
            let bounds = [c.long(1)?, c.long(3)?, c.long(4)?];
            copy_part(c, (0, 2), bounds)
        }
    }
}

/// `CopyTo(array, index)`: all of it.
fn copy_to(c: &mut Call<'_, '_>) -> Eval {
    if let Value::Object(o) = c.arg(1)
        && matches!(o.data, Data::Matrix(..))
    {
        let message = "Only single dimensional arrays are supported for the requested action.";
        return Err(Error::new(ExceptionKind::ArgumentException, message).into());
    }
    let (at, count) = (c.long(2)?, c.array_len(0).unwrap_or(0) as i64);
    copy_part(c, (0, 1), [0, at, count])
}

fn clone(c: &mut Call<'_, '_>) -> Eval {
    let o = array_of(c, 0, "array")?;
    let items = elements(c, 0, "array")?;
    c.vm.charge(items.len() * size_of::<Value>())?;
    Ok(match &o.data {
        Data::Matrix(_, lengths) => {
            Value::object(o.ty.clone(), Data::Matrix(RefCell::new(items), lengths.clone()))
        }
        _ => Value::array(element_type(&o), items),
    })
}

fn resize(c: &mut Call<'_, '_>) -> Eval {
    let size = usize::try_from(c.int(1)?)
        .map_err(|_| Thrown::from(Error::out_of_range("newSize", "Non-negative number required.")))?;
    c.vm.charge(size.saturating_mul(size_of::<Value>()))?;
    let mut items = c.items(0);
    let element = c.ty(0);
    items.resize(size, cast::default_value(&element));
    c.out(0, Value::array(element, items));
    Ok(Value::Null)
}

fn clear(c: &mut Call<'_, '_>) -> Eval {
    let o = array_of(c, 0, "array")?;
    let mut items = elements(c, 0, "array")?;
    let empty = cast::default_value(&element_type(&o));
    match range(c.int(1)?.into(), c.int(2)?.into(), items.len()) {
        Some(part) => items[part].fill(empty),
        None => return Err(Error::of(ExceptionKind::IndexOutOfRangeException).into()),
    }
    write_back(&o, items);
    Ok(Value::Null)
}

fn fill(c: &mut Call<'_, '_>) -> Eval {
    let o = array_of(c, 0, "array")?;
    let mut items = row(c, 0, "array")?;
    let value = c.arg(1).clone();
    let part = match (c.args.get(2), c.args.get(3)) {
        (Some(Value::Int(start)), Some(Value::Int(count))) => {
            let start = i64::from(*start);
            if start < 0 || start > items.len() as i64 {
                return Err(Error::out_of_range("startIndex", INDEX).into());
            }
            range(start, (*count).into(), items.len()).ok_or_else(|| Error::out_of_range("count", COUNT))?
        }
        _ => 0..items.len(),
    };
    for _ in part.clone() {
        c.vm.step()?;
    }
    items[part].fill(value);
    write_back(&o, items);
    Ok(Value::Null)
}

fn reverse(c: &mut Call<'_, '_>) -> Eval {
    let o = array_of(c, 0, "array")?;
    let mut items = row(c, 0, "array")?;
    let part = part(c, 1, items.len())?;
    items[part].reverse();
    write_back(&o, items);
    Ok(Value::Null)
}

// ---- search

/// Start and count of a search forwards, from the arguments behind `at`.
fn forwards(c: &Call<'_, '_>, at: usize, len: usize) -> Result<Range<usize>, Thrown> {
    let Some(Value::Int(start)) = c.args.get(at) else {
        return Ok(0..len);
    };
    let from = usize::try_from(*start).ok().filter(|s| *s <= len);
    let from = from.ok_or_else(|| Error::out_of_range("startIndex", INDEX))?;
    match c.args.get(at + 1) {
        Some(Value::Int(count)) => range((*start).into(), (*count).into(), len)
            .ok_or_else(|| Error::out_of_range("count", COUNT).into()),
        _ => Ok(from..len),
    }
}

/// The places of a search backwards, first to last.
fn backwards(c: &Call<'_, '_>, at: usize, len: usize) -> Result<Range<usize>, Thrown> {
    let Some(Value::Int(start)) = c.args.get(at) else {
        return Ok(0..len);
    };
    let outside = || Thrown::from(Error::out_of_range("startIndex", INDEX));
    if len == 0 {
        // Nothing starts before the beginning, or there.
        let count = if let Some(Value::Int(n)) = c.args.get(at + 1) {
            *n
        } else {
            0
        };
        return if matches!(start, -1 | 0) && count == 0 {
            Ok(0..0)
        } else {
            Err(outside())
        };
    }
    let from = usize::try_from(*start)
        .ok()
        .filter(|s| *s < len)
        .ok_or_else(outside)?;
    let count = match c.args.get(at + 1) {
        Some(Value::Int(n)) => usize::try_from(*n)
            .ok()
            .filter(|n| *n <= from + 1)
            .ok_or_else(|| Error::out_of_range("count", COUNT))?,
        _ => from + 1,
    };
    Ok(from + 1 - count..from + 1)
}

fn position(c: &mut Call<'_, '_>, last: bool) -> Eval {
    let items = row(c, 0, "array")?;
    let places = if last {
        backwards(c, 2, items.len())?
    } else {
        forwards(c, 2, items.len())?
    };
    let wanted = c.arg(1);
    let mut hits = places.filter(|i| equality::object_equals(&items[*i], wanted));
    let found = if last { hits.next_back() } else { hits.next() };
    Ok(Value::Int(found.map_or(-1, |i| i as i32)))
}

fn index_of(c: &mut Call<'_, '_>) -> Eval {
    position(c, false)
}

fn last_index_of(c: &mut Call<'_, '_>) -> Eval {
    position(c, true)
}

/// The first or last element of a part that passes the test, the last argument.
fn find(c: &mut Call<'_, '_>, last: bool) -> Result<Option<(usize, Value)>, Thrown> {
    let items = elements(c, 0, "array")?;
    let test = c.args.last().cloned().unwrap_or(Value::Null);
    let places = match (c.args.len(), last) {
        (2, _) => 0..items.len(),
        (_, false) => forwards(c, 1, items.len())?,
        (_, true) if items.is_empty() && !matches!(c.arg(1), Value::Int(-1)) => {
            return Err(Error::out_of_range("startIndex", INDEX).into());
        }
        (_, true) => backwards(c, 1, items.len())?,
    };
    if test.is_null() {
        return Err(Error::null("match").into());
    }
    let mut order: Vec<usize> = places.collect();
    if last {
        order.reverse();
    }
    for i in order {
        c.vm.step()?;
        if c.vm.test(&test, std::slice::from_ref(&items[i]))? {
            return Ok(Some((i, items[i].clone())));
        }
    }
    Ok(None)
}

fn find_index(c: &mut Call<'_, '_>, last: bool) -> Eval {
    Ok(Value::Int(find(c, last)?.map_or(-1, |(i, _)| i as i32)))
}

fn found_value(c: &mut Call<'_, '_>, last: bool) -> Eval {
    let default = cast::default_value(&c.ty(0));
    Ok(find(c, last)?.map_or(default, |(_, v)| v))
}

fn find_all(c: &mut Call<'_, '_>) -> Eval {
    let (items, test) = (elements(c, 0, "array")?, c.arg(1).clone());
    if test.is_null() {
        return Err(Error::null("match").into());
    }
    let mut kept = Vec::new();
    for item in items {
        c.vm.step()?;
        if c.vm.test(&test, std::slice::from_ref(&item))? {
            kept.push(item);
        }
    }
    Ok(Value::array(c.ty(0), kept))
}

fn for_each(c: &mut Call<'_, '_>) -> Eval {
    let (items, action) = (elements(c, 0, "array")?, c.arg(1).clone());
    if action.is_null() {
        return Err(Error::null("action").into());
    }
    for item in items {
        c.vm.step()?;
        c.vm.invoke(&action, &[item])?;
    }
    Ok(Value::Null)
}

fn true_for_all(c: &mut Call<'_, '_>) -> Eval {
    let (items, test) = (elements(c, 0, "array")?, c.arg(1).clone());
    if test.is_null() {
        return Err(Error::null("match").into());
    }
    for item in items {
        c.vm.step()?;
        if !c.vm.test(&test, &[item])? {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn convert_all(c: &mut Call<'_, '_>) -> Eval {
    let (items, convert) = (elements(c, 0, "array")?, c.arg(1).clone());
    if convert.is_null() {
        return Err(Error::null("converter").into());
    }
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        c.vm.step()?;
        out.push(c.vm.invoke(&convert, &[item])?);
    }
    c.vm.charge(out.len() * size_of::<Value>())?;
    Ok(Value::array(c.ty(1), out))
}

/// `BinarySearch(array[, index, length], value[, comparer])`: any hit, or the complement of where it would stand.
fn binary_search(c: &mut Call<'_, '_>) -> Eval {
    let items = row(c, 0, "array")?;
    let (part, at) = match c.args.len() {
        2 | 3 => (0..items.len(), 1),
        _ => (part(c, 1, items.len())?, 3),
    };
    let (wanted, by) = (c.arg(at).clone(), c.arg(at + 1).clone());
    search(c, &items[part.clone()], part.start, &wanted, &by)
}

/// Halves sorted items, the first of which has the number `first`.
pub(super) fn search(
    c: &mut Call<'_, '_>,
    items: &[Value],
    first: usize,
    wanted: &Value,
    by: &Value,
) -> Eval {
    let (mut low, mut high) = (0i64, items.len() as i64 - 1);
    while low <= high {
        c.vm.step()?;
        let middle = low + (high - low) / 2;
        let order = compare_with(c.vm, by, &items[middle as usize], wanted).map_err(|e| match e {
            Thrown::Budget(_) => e,
            _ => Error::invalid_operation("Failed to compare two elements in the array.").into(),
        })?;
        match order {
            std::cmp::Ordering::Equal => return Ok(Value::Int(first as i32 + middle as i32)),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle - 1,
        }
    }
    Ok(Value::Int(!(first as i32 + low as i32)))
}

// ---- order

/// `Sort(array[, index, length][, comparison or comparer])`
fn sort(c: &mut Call<'_, '_>) -> Eval {
    let o = array_of(c, 0, "array")?;
    let mut items = row(c, 0, "array")?;
    let by = match c.args.len() {
        2 | 4 => c.args.last().cloned().unwrap_or(Value::Null),
        _ => Value::Null,
    };
    let part = part(c, 1, items.len())?;
    introsort(c.vm, &mut items[part], None, &by)?;
    write_back(&o, items);
    Ok(Value::Null)
}

fn sort_by(c: &mut Call<'_, '_>) -> Eval {
    array_of(c, 0, "array")?;
    if c.arg(1).is_null() {
        return Err(Error::null("comparison").into());
    }
    sort(c)
}

/// `Sort(keys, items[, index, length][, comparer])`: both in the order of the keys.
fn sort_pairs(c: &mut Call<'_, '_>) -> Eval {
    let keys = array_of(c, 0, "keys")?;
    let mut values = row(c, 0, "keys")?;
    let by = match c.args.len() {
        3 | 5 => c.args.last().cloned().unwrap_or(Value::Null),
        _ => Value::Null,
    };
    let part = part(c, 2, values.len())?;
    if c.arg(1).is_null() {
        introsort(c.vm, &mut values[part], None, &by)?;
        write_back(&keys, values);
        return Ok(Value::Null);
    }
    let items = array_of(c, 1, "items")?;
    let mut others = row(c, 1, "items")?;
    let Some(along) = others.get_mut(part.clone()) else {
        return Err(Error::of(ExceptionKind::ArgumentException).into());
    };
    introsort(c.vm, &mut values[part], Some(along), &by)?;
    write_back(&keys, values);
    write_back(&items, others);
    Ok(Value::Null)
}

const ARRAY: &[Entry] = &[
    Get("int Length", |c| {
        Ok(Value::Int(c.array_len(0).unwrap_or(0) as i32))
    }),
    Get("long LongLength", |c| {
        Ok(Value::Long(c.array_len(0).unwrap_or(0) as i64))
    }),
    Get("int Rank", |c| {
        Ok(Value::Int(lengths(&*array_of(c, 0, "array")?, 0).len() as i32))
    }),
    Get("bool IsReadOnly", |_| Ok(Value::Bool(false))),
    Get("bool IsFixedSize", |_| Ok(Value::Bool(true))),
    Get("bool IsSynchronized", |_| Ok(Value::Bool(false))),
    Get("object SyncRoot", |c| Ok(c.take(0))),
    Get("int GetLength(int dimension)", |c| {
        Ok(Value::Int(get_length(c)? as i32))
    }),
    Get("long GetLongLength(int dimension)", |c| {
        Ok(Value::Long(get_length(c)? as i64))
    }),
    Get("int GetUpperBound(int dimension)", |c| {
        Ok(Value::Int(get_length(c)? as i32 - 1))
    }),
    Get("int GetLowerBound(int dimension)", |c| {
        get_length(c)?;
        Ok(Value::Int(0))
    }),
    Get("object GetValue(int index)", get_value),
    Get("object GetValue(int index1, int index2)", get_value),
    Get("object GetValue(int index1, int index2, int index3)", get_value),
    Get("object GetValue(params int[] indices)", get_value),
    Get("object GetValue(long index)", get_value),
    Get("object GetValue(long index1, long index2)", get_value),
    Get(
        "object GetValue(long index1, long index2, long index3)",
        get_value,
    ),
    Get("object GetValue(params long[] indices)", get_value),
    Get("void SetValue(object value, int index)", set_value),
    Get("void SetValue(object value, int index1, int index2)", set_value),
    Get(
        "void SetValue(object value, int index1, int index2, int index3)",
        set_value,
    ),
    Get("void SetValue(object value, params int[] indices)", set_value),
    Get("void SetValue(object value, long index)", set_value),
    Get("void SetValue(object value, long index1, long index2)", set_value),
    Get(
        "void SetValue(object value, long index1, long index2, long index3)",
        set_value,
    ),
    Get("void SetValue(object value, params long[] indices)", set_value),
    Get("void Initialize()", |_| Ok(Value::Null)),
    Get("object Clone()", clone),
    Get("void CopyTo(Array array, int index)", copy_to),
    Get("void CopyTo(Array array, long index)", copy_to),
    Get(
        "static void Copy(Array sourceArray, Array destinationArray, int length)",
        copy,
    ),
    Get(
        "static void Copy(Array sourceArray, Array destinationArray, long length)",
        copy,
    ),
    Get(
        "static void Copy(Array sourceArray, int sourceIndex, Array destinationArray, int destinationIndex, int length)",
        copy,
    ),
    Get(
        "static void Copy(Array sourceArray, long sourceIndex, Array destinationArray, long destinationIndex, long length)",
        copy,
    ),
    Get(
        "static void ConstrainedCopy(Array sourceArray, int sourceIndex, Array destinationArray, int destinationIndex, int length)",
        copy,
    ),
    Get("static void Resize<T>(ref T[] array, int newSize)", resize),
    Get("static void Clear(Array array, int index, int length)", clear),
    Get("static T[] Empty<T>()", |c| Ok(Value::array(c.ty(0), Vec::new()))),
    Get("static void Fill<T>(T[] array, T value)", fill),
    Get(
        "static void Fill<T>(T[] array, T value, int startIndex, int count)",
        fill,
    ),
    Get(
        "static System.Collections.ObjectModel.ReadOnlyCollection<T> AsReadOnly<T>(T[] array)",
        |c| {
            array_of(c, 0, "array")?;
            Ok(read_only(c))
        },
    ),
    Get("static bool Exists<T>(T[] array, Predicate<T> match)", |c| {
        Ok(Value::Bool(find(c, false)?.is_some()))
    }),
    Get("static T Find<T>(T[] array, Predicate<T> match)", |c| {
        found_value(c, false)
    }),
    Get("static T FindLast<T>(T[] array, Predicate<T> match)", |c| {
        found_value(c, true)
    }),
    Get("static int FindIndex<T>(T[] array, Predicate<T> match)", |c| {
        find_index(c, false)
    }),
    Get(
        "static int FindIndex<T>(T[] array, int startIndex, Predicate<T> match)",
        |c| find_index(c, false),
    ),
    Get(
        "static int FindIndex<T>(T[] array, int startIndex, int count, Predicate<T> match)",
        |c| find_index(c, false),
    ),
    Get(
        "static int FindLastIndex<T>(T[] array, Predicate<T> match)",
        |c| find_index(c, true),
    ),
    Get(
        "static int FindLastIndex<T>(T[] array, int startIndex, Predicate<T> match)",
        |c| find_index(c, true),
    ),
    Get(
        "static int FindLastIndex<T>(T[] array, int startIndex, int count, Predicate<T> match)",
        |c| find_index(c, true),
    ),
    Get("static T[] FindAll<T>(T[] array, Predicate<T> match)", find_all),
    Get("static void ForEach<T>(T[] array, Action<T> action)", for_each),
    Get(
        "static bool TrueForAll<T>(T[] array, Predicate<T> match)",
        true_for_all,
    ),
    Get(
        "static TOutput[] ConvertAll<TInput, TOutput>(TInput[] array, Converter<TInput, TOutput> converter)",
        convert_all,
    ),
    Get("static int IndexOf<T>(T[] array, T value)", index_of),
    Get(
        "static int IndexOf<T>(T[] array, T value, int startIndex)",
        index_of,
    ),
    Get(
        "static int IndexOf<T>(T[] array, T value, int startIndex, int count)",
        index_of,
    ),
    Get("static int IndexOf(Array array, object value)", index_of),
    Get(
        "static int IndexOf(Array array, object value, int startIndex)",
        index_of,
    ),
    Get(
        "static int IndexOf(Array array, object value, int startIndex, int count)",
        index_of,
    ),
    Get("static int LastIndexOf<T>(T[] array, T value)", last_index_of),
    Get(
        "static int LastIndexOf<T>(T[] array, T value, int startIndex)",
        last_index_of,
    ),
    Get(
        "static int LastIndexOf<T>(T[] array, T value, int startIndex, int count)",
        last_index_of,
    ),
    Get("static int LastIndexOf(Array array, object value)", last_index_of),
    Get(
        "static int LastIndexOf(Array array, object value, int startIndex)",
        last_index_of,
    ),
    Get(
        "static int LastIndexOf(Array array, object value, int startIndex, int count)",
        last_index_of,
    ),
    Get("static int BinarySearch<T>(T[] array, T value)", binary_search),
    Get(
        "static int BinarySearch<T>(T[] array, T value, IComparer<T> comparer)",
        binary_search,
    ),
    Get(
        "static int BinarySearch<T>(T[] array, int index, int length, T value)",
        binary_search,
    ),
    Get(
        "static int BinarySearch<T>(T[] array, int index, int length, T value, IComparer<T> comparer)",
        binary_search,
    ),
    Get(
        "static int BinarySearch(Array array, object value)",
        binary_search,
    ),
    Get(
        "static int BinarySearch(Array array, object value, System.Collections.IComparer comparer)",
        binary_search,
    ),
    Get(
        "static int BinarySearch(Array array, int index, int length, object value)",
        binary_search,
    ),
    Get(
        "static int BinarySearch(Array array, int index, int length, object value, System.Collections.IComparer comparer)",
        binary_search,
    ),
    Get("static void Reverse(Array array)", reverse),
    Get("static void Reverse(Array array, int index, int length)", reverse),
    Get("static void Reverse<T>(T[] array)", reverse),
    Get(
        "static void Reverse<T>(T[] array, int index, int length)",
        reverse,
    ),
    Get("static void Sort(Array array)", sort),
    Get("static void Sort(Array array, int index, int length)", sort),
    Get(
        "static void Sort(Array array, System.Collections.IComparer comparer)",
        sort,
    ),
    Get(
        "static void Sort(Array array, int index, int length, System.Collections.IComparer comparer)",
        sort,
    ),
    Get("static void Sort<T>(T[] array)", sort),
    Get(
        "static void Sort<T>(T[] array, Comparison<T> comparison)",
        sort_by,
    ),
    Get("static void Sort<T>(T[] array, IComparer<T> comparer)", sort),
    Get("static void Sort<T>(T[] array, int index, int length)", sort),
    Get(
        "static void Sort<T>(T[] array, int index, int length, IComparer<T> comparer)",
        sort,
    ),
    Get("static void Sort(Array keys, Array items)", sort_pairs),
    Get(
        "static void Sort(Array keys, Array items, System.Collections.IComparer comparer)",
        sort_pairs,
    ),
    Get(
        "static void Sort(Array keys, Array items, int index, int length)",
        sort_pairs,
    ),
    Get(
        "static void Sort(Array keys, Array items, int index, int length, System.Collections.IComparer comparer)",
        sort_pairs,
    ),
    Get(
        "static void Sort<TKey, TValue>(TKey[] keys, TValue[] items)",
        sort_pairs,
    ),
    Get(
        "static void Sort<TKey, TValue>(TKey[] keys, TValue[] items, IComparer<TKey> comparer)",
        sort_pairs,
    ),
    Get(
        "static void Sort<TKey, TValue>(TKey[] keys, TValue[] items, int index, int length)",
        sort_pairs,
    ),
    Get(
        "static void Sort<TKey, TValue>(TKey[] keys, TValue[] items, int index, int length, IComparer<TKey> comparer)",
        sort_pairs,
    ),
];

pub(super) const TYPES: &[Decl] = &[all(
    "abstract class System.Array : IEnumerable, ICloneable",
    ARRAY,
)];
