//! The generic collections and their interfaces.

use std::{cell::RefCell, cmp::Ordering, rc::Rc};

use gateway_dotnet::{Error, ExceptionKind};

use super::{
    Call, Decl,
    Entry::{Get, Set},
    all,
    base::{self, is_delegate},
    none,
    string::comparer,
};
use crate::{
    Value, cast,
    collections::{Growable, Table},
    equality::{self, Comparer},
    iter::Iter,
    object::{Data, Object},
    types::{self, Type},
    vm::{Eval, Thrown, Vm},
};

// ---- sorting

/// Items in order under a comparison delegate, a comparer, or the default order.
pub(crate) fn sorted(vm: &mut Vm<'_>, mut items: Vec<Value>, by: &Value) -> Result<Vec<Value>, Thrown> {
    introsort(vm, &mut items, None, by)?;
    Ok(items)
}

/// Compares under a `Comparison<T>`, a `StringComparer` or by default.
pub(crate) fn compare_with(vm: &mut Vm<'_>, by: &Value, a: &Value, b: &Value) -> Result<Ordering, Thrown> {
    if is_delegate(by) {
        return match vm.invoke(by, &[a.clone(), b.clone()])? {
            Value::Int(i) => Ok(i.cmp(&0)),
            _ => Ok(Ordering::Equal),
        };
    }
    match (comparer(by), a, b) {
        (Comparer::Text(how), Value::Str(a), Value::Str(b)) => Ok(a.order(b, how)),
        _ => Ok(equality::compare(a, b)?),
    }
}

type Order<'o> = dyn FnMut(&mut Vm<'_>, &Value, &Value) -> Result<Ordering, Thrown> + 'o;

/// A stable sort whose comparisons can throw.
pub(crate) fn merge_sort(
    vm: &mut Vm<'_>,
    mut items: Vec<Value>,
    order: &mut Order<'_>,
) -> Result<Vec<Value>, Thrown> {
    if items.len() < 2 {
        return Ok(items);
    }
    vm.check_stack()?;
    let right = items.split_off(items.len() / 2);
    let left = merge_sort(vm, items, order)?;
    let right = merge_sort(vm, right, order)?;
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut a, mut b) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        vm.step()?;
        let next = if order(vm, x, y)? == Ordering::Greater {
            b.next()
        } else {
            a.next()
        };
        out.extend(next);
    }
    out.extend(a);
    out.extend(b);
    Ok(out)
}

// ---- lists

pub(crate) fn out_of_range() -> Thrown {
    Error::out_of_range(
        "index",
        "Index was out of range. Must be non-negative and less than the size of the collection.",
    )
    .into()
}

fn list<R>(c: &Call<'_, '_>, f: impl FnOnce(&mut Growable) -> Result<R, Thrown>) -> Result<R, Thrown> {
    match c.arg(0) {
        Value::Object(o) => match &o.data {
            Data::List(l) => f(&mut l.borrow_mut()),
            // An array behind a list's interface.
            Data::Array(_) | Data::Bytes(_) => {
                let message = "Collection was of a fixed size.";
                Err(Error::new(ExceptionKind::NotSupportedException, message).into())
            }
            _ => Err(Error::null_reference().into()),
        },
        _ => Err(Error::null_reference().into()),
    }
}

fn changed<R>(c: &Call<'_, '_>, f: impl FnOnce(&mut Growable) -> Result<R, Thrown>) -> Result<R, Thrown> {
    list(c, |l| {
        l.version = l.version.wrapping_add(1);
        f(l)
    })
}

fn new_of(c: &Call<'_, '_>, def: types::DefId, items: Vec<Value>) -> Eval {
    Ok(Value::object(
        Type::generic(def, c.types.to_vec()),
        Data::List(RefCell::new(items.into())),
    ))
}

fn new_list(c: &mut Call<'_, '_>, def: types::DefId) -> Eval {
    let (items, capacity) = match c.arg(0) {
        Value::Int(n) => {
            let room = usize::try_from(*n)
                .map_err(|_| Error::out_of_range("capacity", "Non-negative number required."))?;
            (Vec::new(), room)
        }
        Value::Null if c.args.is_empty() => (Vec::new(), 0),
        _ => {
            let items = c.sequence(0, "collection")?;
            let len = items.len();
            (items, len)
        }
    };
    Ok(Value::object(
        Type::generic(def, c.types.to_vec()),
        Data::List(RefCell::new(Growable::with_capacity(items, capacity))),
    ))
}

fn position(index: i32, len: usize) -> Result<usize, Thrown> {
    usize::try_from(index)
        .ok()
        .filter(|i| *i < len)
        .ok_or_else(out_of_range)
}

/// Items of any collection, for the interfaces.
fn items_of(c: &mut Call<'_, '_>) -> Result<Vec<Value>, Thrown> {
    let v = c.arg(0).clone();
    c.vm.collect(&v)
}

fn add(c: &mut Call<'_, '_>) -> Eval {
    if matches!(c.arg(0), Value::Object(o) if o.ty.def() == Some(types::HASH_SET)) {
        return set_add(c);
    }
    let value = c.take(1);
    c.vm.charge(size_of::<Value>())?;
    changed(c, |l| {
        l.items.push_back(value);
        Ok(Value::Null)
    })
}

fn add_range(c: &mut Call<'_, '_>) -> Eval {
    let items = c.sequence(1, "collection")?;
    c.vm.charge(items.len() * size_of::<Value>())?;
    changed(c, |l| {
        l.reserve(items.len());
        l.items.extend(items);
        Ok(Value::Null)
    })
}

fn get(c: &mut Call<'_, '_>) -> Eval {
    let i = c.int(1)?;
    list(c, |l| Ok(l.items[position(i, l.items.len())?].clone()))
}

fn set(c: &mut Call<'_, '_>) -> Eval {
    let (i, value) = (c.int(1)?, c.arg(2).clone());
    changed(c, |l| {
        let at = position(i, l.items.len())?;
        l.items[at] = value;
        Ok(Value::Null)
    })
}

fn insert(c: &mut Call<'_, '_>) -> Eval {
    let (i, value) = (c.int(1)?, c.take(2));
    c.vm.charge(size_of::<Value>())?;
    changed(c, |l| {
        match usize::try_from(i).ok().filter(|i| *i <= l.items.len()) {
            Some(at) => {
                l.items.insert(at, value);
                Ok(Value::Null)
            }
            None => Err(Error::out_of_range("index", "Index must be within the bounds of the List.").into()),
        }
    })
}

fn index_of(c: &mut Call<'_, '_>) -> Result<Option<usize>, Thrown> {
    let wanted = c.arg(1).clone();
    list(c, |l| {
        Ok(l.items.iter().position(|v| equality::object_equals(v, &wanted)))
    })
}

fn remove(c: &mut Call<'_, '_>) -> Eval {
    let at = index_of(c)?;
    if let Some(i) = at {
        changed(c, |l| Ok(l.items.remove(i)))?;
    }
    Ok(Value::Bool(at.is_some()))
}

fn remove_at(c: &mut Call<'_, '_>) -> Eval {
    let i = c.int(1)?;
    changed(c, |l| {
        let at = position(i, l.items.len())?;
        l.items.remove(at);
        Ok(Value::Null)
    })
}

/// `(index, count)` arguments checked against a length.
fn span(c: &Call<'_, '_>, len: usize) -> Result<(usize, usize), Thrown> {
    let (i, n) = (c.int(1)?, c.int(2)?);
    if i < 0 || n < 0 {
        let name = if i < 0 { "index" } else { "count" };
        return Err(Error::out_of_range(name, "Non-negative number required.").into());
    }
    let (i, n) = (i as usize, n as usize);
    if i + n > len {
        let message = "Offset and length were out of bounds for the array or count is greater than the number of elements from index to the end of the source collection.";
        return Err(Error::new(ExceptionKind::ArgumentException, message).into());
    }
    Ok((i, n))
}

fn remove_range(c: &mut Call<'_, '_>) -> Eval {
    let len = list(c, |l| Ok(l.items.len()))?;
    let (i, n) = span(c, len)?;
    changed(c, |l| {
        l.items.drain(i..i + n);
        Ok(Value::Null)
    })
}

fn get_range(c: &mut Call<'_, '_>) -> Eval {
    let items = items_of(c)?;
    let (i, n) = span(c, items.len())?;
    new_of(c, types::LIST, items[i..i + n].to_vec())
}

fn insert_range(c: &mut Call<'_, '_>) -> Eval {
    let at = c.int(1)?;
    let more = c.sequence(2, "collection")?;
    c.vm.charge(more.len() * size_of::<Value>())?;
    changed(c, |l| {
        let at = usize::try_from(at)
            .ok()
            .filter(|i| *i <= l.items.len())
            .ok_or_else(out_of_range)?;
        l.reserve(more.len());
        let tail = l.items.split_off(at);
        l.items.extend(more);
        l.items.extend(tail);
        Ok(Value::Null)
    })
}

fn remove_all(c: &mut Call<'_, '_>) -> Eval {
    let (items, test) = (items_of(c)?, c.arg(1).clone());
    let mut kept = Vec::new();
    let before = items.len();
    for item in items {
        c.vm.step()?;
        if !c.vm.test(&test, std::slice::from_ref(&item))? {
            kept.push(item);
        }
    }
    let removed = before - kept.len();
    changed(c, |l| {
        l.items = kept.into();
        Ok(Value::Int(removed as i32))
    })
}

fn matching(c: &mut Call<'_, '_>, last: bool) -> Result<Option<(usize, Value)>, Thrown> {
    let (items, test) = (items_of(c)?, c.arg(1).clone());
    let mut order: Vec<(usize, Value)> = items.into_iter().enumerate().collect();
    if last {
        order.reverse();
    }
    for (i, item) in order {
        c.vm.step()?;
        if c.vm.test(&test, std::slice::from_ref(&item))? {
            return Ok(Some((i, item)));
        }
    }
    Ok(None)
}

fn find(c: &mut Call<'_, '_>, last: bool) -> Eval {
    Ok(matching(c, last)?.map_or_else(|| cast::default_value(&c.ty(0)), |(_, v)| v))
}

fn find_index(c: &mut Call<'_, '_>, last: bool) -> Eval {
    Ok(Value::Int(matching(c, last)?.map_or(-1, |(i, _)| i as i32)))
}

fn find_all(c: &mut Call<'_, '_>) -> Eval {
    let (items, test) = (items_of(c)?, c.arg(1).clone());
    let mut kept = Vec::new();
    for item in items {
        c.vm.step()?;
        if c.vm.test(&test, std::slice::from_ref(&item))? {
            kept.push(item);
        }
    }
    new_of(c, types::LIST, kept)
}

fn true_for_all(c: &mut Call<'_, '_>) -> Eval {
    let (items, test) = (items_of(c)?, c.arg(1).clone());
    for item in items {
        c.vm.step()?;
        if !c.vm.test(&test, &[item])? {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn for_each(c: &mut Call<'_, '_>) -> Eval {
    let (source, action) = (c.arg(0).clone(), c.arg(1).clone());
    let mut iter = c.vm.iter(&source)?;
    while let Some(item) = iter.next(c.vm)? {
        c.vm.step()?;
        c.vm.invoke(&action, &[item])?;
    }
    Ok(Value::Null)
}

fn convert_all(c: &mut Call<'_, '_>) -> Eval {
    let (items, convert) = (items_of(c)?, c.arg(1).clone());
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        c.vm.step()?;
        out.push(c.vm.invoke(&convert, &[item])?);
    }
    Ok(Value::list(c.ty(1), out))
}

fn sort(c: &mut Call<'_, '_>) -> Eval {
    let (items, by) = (items_of(c)?, c.arg(1).clone());
    let sorted = sorted(c.vm, items, &by)?;
    changed(c, |l| {
        l.items = sorted.into();
        Ok(Value::Null)
    })
}

fn copy_to(c: &mut Call<'_, '_>) -> Eval {
    let items = items_of(c)?;
    let at = if c.args.len() > 2 { c.int(2)? } else { 0 };
    copy_items(c, items, 1, at)
}

/// Copies into the array at argument `target`, from index `at` on.
fn copy_items(c: &Call<'_, '_>, items: Vec<Value>, target: usize, at: i32) -> Eval {
    let target = c.arg(target).clone();
    if target.is_null() {
        return Err(Error::null("array").into());
    }
    if at < 0 {
        return Err(Error::out_of_range("arrayIndex", "Non-negative number required.").into());
    }
    let room = crate::array::length(&target).unwrap_or(0);
    if usize::try_from(at).ok().is_none_or(|a| a + items.len() > room) {
        let message = "Destination array was not long enough. Check the destination index, length, and the array's lower bounds. (Parameter 'destinationArray')";
        return Err(Error::new(ExceptionKind::ArgumentException, message).into());
    }
    for (i, item) in items.into_iter().enumerate() {
        crate::array::set(&target, &[Value::Int(at + i as i32)], item)?;
    }
    Ok(Value::Null)
}

fn to_array(c: &mut Call<'_, '_>) -> Eval {
    let items = items_of(c)?;
    Ok(Value::array(c.ty(0), items))
}

fn contains(c: &mut Call<'_, '_>) -> Eval {
    if let Value::Object(o) = c.arg(0)
        && let Data::Table(t) = &o.data
    {
        return Ok(Value::Bool(t.borrow().contains(c.arg(1))));
    }
    let items = items_of(c)?;
    Ok(Value::Bool(
        items.iter().any(|v| equality::object_equals(v, c.arg(1))),
    ))
}

/// `Count` of any collection.
pub(crate) fn count(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Int(match c.arg(0) {
        Value::Object(o) => match &o.data {
            Data::List(l) => l.borrow().items.len(),
            Data::Table(t) => t.borrow().len(),
            Data::Array(_) | Data::Bytes(_) => c.array_len(0).unwrap_or(0),
            Data::Group(_, items) => items.len(),
            _ => items_of(c)?.len(),
        },
        Value::Null => return Err(Error::null_reference().into()),
        _ => items_of(c)?.len(),
    } as i32))
}

fn clear(c: &mut Call<'_, '_>) -> Eval {
    if let Value::Object(o) = c.arg(0)
        && let Data::Table(t) = &o.data
    {
        t.borrow_mut().clear();
        return Ok(Value::Null);
    }
    changed(c, |l| {
        l.items.clear();
        Ok(Value::Null)
    })
}

fn reverse(c: &mut Call<'_, '_>) -> Eval {
    changed(c, |l| {
        l.items.make_contiguous().reverse();
        Ok(Value::Null)
    })
}

// ---- queue and stack

fn empty_error(what: &str) -> Thrown {
    Error::invalid_operation(format!("{what} empty.")).into()
}

fn end(c: &mut Call<'_, '_>, remove: bool, back: bool) -> Result<Option<Value>, Thrown> {
    let f = |l: &mut Growable| {
        Ok(match (remove, back) {
            (true, true) => l.items.pop_back(),
            (true, false) => l.items.pop_front(),
            (false, true) => l.items.back().cloned(),
            (false, false) => l.items.front().cloned(),
        })
    };
    if remove { changed(c, f) } else { list(c, f) }
}

fn try_end(c: &mut Call<'_, '_>, remove: bool, back: bool) -> Eval {
    let found = end(c, remove, back)?;
    let ok = found.is_some();
    let value = found.unwrap_or_else(|| cast::default_value(&c.ty(0)));
    c.out(1, value);
    Ok(Value::Bool(ok))
}

// ---- dictionaries and sets

fn table<R>(c: &Call<'_, '_>, f: impl FnOnce(&mut Table) -> Result<R, Thrown>) -> Result<R, Thrown> {
    match c.arg(0) {
        Value::Object(o) => match &o.data {
            Data::Table(t) => f(&mut t.borrow_mut()),
            _ => Err(Error::null_reference().into()),
        },
        _ => Err(Error::null_reference().into()),
    }
}

fn key(c: &Call<'_, '_>) -> Result<Value, Thrown> {
    match c.arg(1) {
        Value::Null => Err(Error::null("key").into()),
        v => Ok(v.clone()),
    }
}

/// A dictionary with the given entries.
pub(crate) fn make_table(ty: Type, comparer: Comparer, entries: Vec<(Value, Value)>) -> Value {
    let mut table = Table::new(comparer);
    for (k, v) in entries {
        table.set(k, v);
    }
    Value::object(ty, Data::Table(RefCell::new(table)))
}

pub(crate) fn missing_key(key: &Value) -> Thrown {
    let shown = crate::text::to_text(key);
    let message = format!(
        "The given key '{}' was not present in the dictionary.",
        shown.to_lossy()
    );
    Error::new(ExceptionKind::KeyNotFoundException, message).into()
}

pub(crate) fn duplicate_key(key: &Value) -> Thrown {
    let shown = crate::text::to_text(key);
    let message = format!(
        "An item with the same key has already been added. Key: {}",
        shown.to_lossy()
    );
    Error::new(ExceptionKind::ArgumentException, message).into()
}

/// Key and value of a `KeyValuePair`, or of a property seen through `IDictionary<string, JToken>`.
pub(crate) fn pair(v: &Value) -> Option<(Value, Value)> {
    match v {
        Value::Json(t) => {
            let name = t.property_name()?;
            Some((
                Value::Str(name),
                t.property_value().map_or(Value::Null, Value::Json),
            ))
        }
        Value::Object(o) => match &o.data {
            Data::Pair(k, v) => Some((k.clone(), v.clone())),
            _ => None,
        },
        _ => None,
    }
}

fn new_dictionary(c: &mut Call<'_, '_>) -> Eval {
    let how = c
        .args
        .iter()
        .map(comparer)
        .find(|h| *h != Comparer::Default)
        .unwrap_or(Comparer::Default);
    let source = match c.arg(0) {
        Value::Int(n) if *n < 0 => {
            return Err(Error::out_of_range("capacity", "Non-negative number required.").into());
        }
        Value::Int(_) => Vec::new(),
        Value::Null if c.args.len() < 2 => Vec::new(),
        Value::Object(o) if o.native::<Comparer>().is_some() => Vec::new(),
        _ => c.sequence(0, "dictionary")?,
    };
    let mut table = Table::new(how);
    match c.arg(0) {
        Value::Int(room) if *room > 0 => table.ensure_capacity(*room as usize),
        _ if !source.is_empty() => table.ensure_capacity(source.len()),
        _ => 0,
    };
    for item in source {
        if let Some((k, v)) = pair(&item)
            && !table.set(k.clone(), v)
        {
            return Err(duplicate_key(&k));
        }
    }
    Ok(Value::object(
        Type::generic(types::DICTIONARY, c.types.to_vec()),
        Data::Table(RefCell::new(table)),
    ))
}

/// Any dictionary's value for a key.
pub(crate) fn look_up(c: &mut Call<'_, '_>, key: &Value) -> Result<Option<Value>, Thrown> {
    match c.arg(0) {
        Value::Object(o) => match &o.data {
            Data::Table(t) => Ok(t.borrow().get(key).cloned()),
            _ => Ok(None),
        },
        Value::Context(part) => super::context::look_up(c.vm, *part, key),
        Value::Json(t) => Ok(match key {
            Value::Str(s) => t.get(s).map(Value::Json),
            _ => None,
        }),
        _ => Err(Error::null_reference().into()),
    }
}

/// Whether a missing key of the receiver is null: variables under the compatibility setting.
fn is_lenient(c: &Call<'_, '_>) -> bool {
    c.vm.context.evaluation.rules.missing_variable_is_null
        && matches!(c.arg(0), Value::Context(crate::value::Part::Variables))
}

fn dict_get(c: &mut Call<'_, '_>) -> Eval {
    let key = key(c)?;
    match look_up(c, &key)? {
        Some(value) => Ok(value),
        None if is_lenient(c) => Ok(Value::Null),
        None => Err(missing_key(&key)),
    }
}

/// A token given as a value of `IDictionary<string, JToken>`.
fn json_of(value: &Value) -> Option<gateway_dotnet::json::Token> {
    match value {
        Value::Json(t) => Some(t.clone()),
        _ => None,
    }
}

fn dict_set(c: &mut Call<'_, '_>) -> Eval {
    let (key, value) = (key(c)?, c.arg(2).clone());
    c.vm.charge(3 * size_of::<Value>())?;
    if let Value::Json(t) = c.arg(0) {
        t.set(&crate::text::to_text(&key), json_of(&value).as_ref())?;
        return Ok(Value::Null);
    }
    table(c, |t| {
        t.set(key, value);
        Ok(Value::Null)
    })
}

fn dict_add(c: &mut Call<'_, '_>) -> Eval {
    let (key, value) = (key(c)?, c.arg(2).clone());
    c.vm.charge(3 * size_of::<Value>())?;
    if let Value::Json(t) = c.arg(0) {
        t.add_property(&crate::text::to_text(&key), json_of(&value).as_ref())?;
        return Ok(Value::Null);
    }
    table(c, |t| {
        if t.contains(&key) {
            return Err(duplicate_key(&key));
        }
        t.set(key, value);
        Ok(Value::Null)
    })
}

fn dict_try_add(c: &mut Call<'_, '_>) -> Eval {
    let (key, value) = (key(c)?, c.arg(2).clone());
    c.vm.charge(3 * size_of::<Value>())?;
    table(c, |t| Ok(Value::Bool(!t.contains(&key) && t.set(key, value))))
}

fn contains_key(c: &mut Call<'_, '_>) -> Eval {
    let key = key(c)?;
    Ok(Value::Bool(look_up(c, &key)?.is_some()))
}

fn contains_value(c: &mut Call<'_, '_>) -> Eval {
    let wanted = c.arg(1).clone();
    table(c, |t| {
        Ok(Value::Bool(
            t.iter().any(|(_, v)| equality::object_equals(v, &wanted)),
        ))
    })
}

fn try_get(c: &mut Call<'_, '_>) -> Eval {
    let key = key(c)?;
    let found = look_up(c, &key)?;
    let ok = found.is_some();
    let default = c.types.get(1).map_or(Value::Null, cast::default_value);
    c.out(2, found.unwrap_or(default));
    Ok(Value::Bool(ok))
}

fn dict_remove(c: &mut Call<'_, '_>) -> Eval {
    let key = key(c)?;
    if let Value::Json(t) = c.arg(0) {
        return Ok(Value::Bool(t.remove_property(&crate::text::to_text(&key))?));
    }
    let removed = table(c, |t| Ok(t.remove(&key)))?;
    let ok = removed.is_some();
    if c.args.len() > 2 {
        let default = c.types.get(1).map_or(Value::Null, cast::default_value);
        c.out(2, removed.unwrap_or(default));
    }
    Ok(Value::Bool(ok))
}

/// Keys or values of any dictionary, in order.
fn side(c: &mut Call<'_, '_>, keys: bool) -> Eval {
    if !keys && matches!(c.arg(0), Value::Json(_)) {
        return Err(Error::of(ExceptionKind::NotImplementedException).into());
    }
    let items = items_of(c)?;
    let list: Vec<Value> = items
        .iter()
        .filter_map(pair)
        .map(|(k, v)| if keys { k } else { v })
        .collect();
    let name = if keys { "KeyCollection" } else { "ValueCollection" };
    let full = format!("System.Collections.Generic.Dictionary`2+{name}");
    // What stands behind the interfaces is a dictionary in all but `IDictionary` on JSON.
    let ty = match types::registry().by_full_name(&full) {
        Some(def) if c.types.len() == 2 => Type::generic(def, c.types.to_vec()),
        _ => Type::generic(types::LIST, [c.ty(usize::from(!keys))]),
    };
    Ok(Value::object(ty, Data::List(RefCell::new(list.into()))))
}

fn new_set(c: &mut Call<'_, '_>) -> Eval {
    let how = c
        .args
        .iter()
        .map(comparer)
        .find(|h| *h != Comparer::Default)
        .unwrap_or(Comparer::Default);
    let items = match c.arg(0) {
        Value::Int(n) if *n < 0 => {
            return Err(Error::out_of_range("capacity", "Non-negative number required.").into());
        }
        Value::Int(_) => Vec::new(),
        Value::Null if c.args.len() < 2 => Vec::new(),
        Value::Object(o) if o.native::<Comparer>().is_some() => Vec::new(),
        _ => c.sequence(0, "collection")?,
    };
    let mut table = Table::new(how);
    if let Value::Int(room @ 1..) = c.arg(0) {
        table.ensure_capacity(*room as usize);
    }
    for item in items {
        if !table.contains(&item) {
            table.set(item, Value::Null);
        }
    }
    Ok(Value::object(
        Type::generic(types::HASH_SET, c.types.to_vec()),
        Data::Table(RefCell::new(table)),
    ))
}

fn set_add(c: &mut Call<'_, '_>) -> Eval {
    let value = c.take(1);
    c.vm.charge(3 * size_of::<Value>())?;
    table(c, |t| {
        Ok(Value::Bool(!t.contains(&value) && t.set(value, Value::Null)))
    })
}

fn set_remove(c: &mut Call<'_, '_>) -> Eval {
    let value = c.take(1);
    table(c, |t| Ok(Value::Bool(t.remove(&value).is_some())))
}

/// The other collection as a set under this one's comparer.
fn other_set(c: &mut Call<'_, '_>) -> Result<Table, Thrown> {
    let items = c.sequence(1, "other")?;
    let how = table(c, |t| Ok(t.comparer))?;
    let mut other = Table::new(how);
    for item in items {
        other.set(item, Value::Null);
    }
    Ok(other)
}

fn set_update(c: &mut Call<'_, '_>, how: &str) -> Eval {
    let other = other_set(c)?;
    table(c, |t| {
        let mine: Vec<Value> = t.iter().map(|(k, _)| k.clone()).collect();
        for k in &mine {
            let drop = match how {
                "intersect" => !other.contains(k),
                "except" | "symmetric" => other.contains(k),
                _ => false,
            };
            if drop {
                t.remove(k);
            }
        }
        if matches!(how, "union" | "symmetric") {
            for (k, _) in other.iter() {
                let skip = how == "symmetric" && mine.iter().any(|m| equality::equals(m, k, t.comparer));
                if !skip {
                    t.set(k.clone(), Value::Null);
                }
            }
        }
        Ok(Value::Null)
    })
}

fn set_relation(c: &mut Call<'_, '_>, test: fn(&Table, &Table) -> bool) -> Eval {
    let other = other_set(c)?;
    table(c, |t| Ok(Value::Bool(test(t, &other))))
}

fn subset(a: &Table, b: &Table) -> bool {
    a.iter().all(|(k, _)| b.contains(k))
}

fn pair_part(c: &Call<'_, '_>, value: bool) -> Eval {
    match pair(c.arg(0)) {
        Some((k, v)) => Ok(if value { v } else { k }),
        None => Err(Error::null_reference().into()),
    }
}

// ---- enumerators

fn get_enumerator(c: &mut Call<'_, '_>) -> Eval {
    let source = c.arg(0).clone();
    let iter: Box<dyn Iter> = c.vm.iter(&source)?;
    let ty = Type::generic(
        types::IENUMERATOR_T,
        [c.types.first().cloned().unwrap_or(Type::OBJECT)],
    );
    Ok(Value::object(
        ty,
        Data::Enumerator(RefCell::new((iter, Value::Null))),
    ))
}

fn enumerator(c: &Call<'_, '_>) -> Result<Rc<Object>, Thrown> {
    c.object(0)
}

fn move_next(c: &mut Call<'_, '_>) -> Eval {
    let o = enumerator(c)?;
    let Data::Enumerator(state) = &o.data else {
        return Ok(Value::Bool(false));
    };
    let mut state = state.borrow_mut();
    let next = state.0.next(c.vm)?;
    let more = next.is_some();
    state.1 = next.unwrap_or(Value::Null);
    Ok(Value::Bool(more))
}

fn current(c: &mut Call<'_, '_>) -> Eval {
    let o = enumerator(c)?;
    match &o.data {
        Data::Enumerator(state) => Ok(state.borrow().1.clone()),
        _ => Ok(Value::Null),
    }
}

fn nothing(_: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Null)
}

mod more;
mod sort;
mod table;

pub(super) use more::{read_only, viewed};
pub(crate) use sort::introsort;

pub(super) use more::{DICTIONARY, HASH_SET, ISET, LIST, PAIR, QUEUE, TUPLE, TYPES as MORE, VALUE_TUPLE};
pub(super) use table::TYPES;
