//! `System.Linq.Enumerable`: deferred operators as sequences, the rest at once.

use std::{cmp::Ordering, rc::Rc};

use gateway_dotnet::{Error, ExceptionKind};

use super::{
    Call, Decl,
    Entry::Get,
    all,
    collections::{self, compare_with, duplicate_key, make_table},
    none,
    string::comparer,
};
use crate::{
    Value, cast,
    equality::{self, Comparer},
    iter::{Iter, Ready, Sequence},
    object::Data,
    ops,
    types::{self, Num, Type},
    vm::{Eval, Thrown, Vm},
};

type Next = Result<Option<Value>, Thrown>;
type Start = Box<dyn Fn(&mut Vm<'_>) -> Result<Box<dyn Iter>, Thrown>>;

/// A sequence whose enumerator a function makes.
struct Lazy {
    start: Start,
    name: Option<String>,
}

impl Sequence for Lazy {
    fn iter(&self, vm: &mut Vm<'_>) -> Result<Box<dyn Iter>, Thrown> {
        (self.start)(vm)
    }

    fn type_name(&self) -> Option<String> {
        self.name.clone()
    }
}

/// An enumerator that a function drives.
struct Step<F>(F);

impl<F: FnMut(&mut Vm<'_>) -> Next> Iter for Step<F> {
    fn next(&mut self, vm: &mut Vm<'_>) -> Next {
        (self.0)(vm)
    }
}

fn step<F: FnMut(&mut Vm<'_>) -> Next + 'static>(f: F) -> Result<Box<dyn Iter>, Thrown> {
    Ok(Box::new(Step(f)))
}

fn lazy(
    element: Type,
    name: Option<String>,
    start: impl Fn(&mut Vm<'_>) -> Result<Box<dyn Iter>, Thrown> + 'static,
) -> Eval {
    let sequence = Lazy {
        start: Box::new(start),
        name,
    };
    Ok(Value::object(
        Type::enumerable(element),
        Data::Sequence(Box::new(sequence)),
    ))
}

/// The source argument; null is refused at once, as the operators do.
fn source(c: &Call<'_, '_>, i: usize, name: &str) -> Result<Value, Thrown> {
    match c.arg(i) {
        Value::Null => Err(Error::null(name).into()),
        v => Ok(v.clone()),
    }
}

fn function(c: &Call<'_, '_>, i: usize, name: &str) -> Result<Value, Thrown> {
    source(c, i, name)
}

/// `Array`, `List` or other source: .NET's iterator types are named after it.
fn flavour(v: &Value) -> &'static str {
    match v {
        Value::Object(o) => match &o.data {
            Data::Array(_) | Data::Bytes(_) => "Array",
            Data::List(_) if o.ty.def() == Some(types::LIST) => "List",
            _ => "Enumerable",
        },
        _ => "Enumerable",
    }
}

fn named(iterator: &str, args: &[&Type]) -> Option<String> {
    let list: Vec<String> = args.iter().map(|t| t.net_name()).collect();
    Some(format!(
        "System.Linq.Enumerable+{iterator}`{}[{}]",
        args.len(),
        list.join(",")
    ))
}

// ---- deferred operators

fn where_(c: &mut Call<'_, '_>) -> Eval {
    let (src, test) = (source(c, 0, "source")?, function(c, 1, "predicate")?);
    let ty = c.ty(0);
    let indexed = is_indexed(&test, 2);
    let name = named(&format!("Where{}Iterator", flavour(&src)), &[&ty]);
    lazy(ty, name, move |vm| {
        let (mut it, test) = (vm.iter(&src)?, test.clone());
        let mut n = 0;
        step(move |vm| {
            while let Some(v) = it.next(vm)? {
                vm.step()?;
                let keep = if indexed {
                    vm.test(&test, &[v.clone(), Value::Int(n)])?
                } else {
                    vm.test(&test, std::slice::from_ref(&v))?
                };
                n += 1;
                if keep {
                    return Ok(Some(v));
                }
            }
            Ok(None)
        })
    })
}

/// Whether a delegate takes `n` arguments.
fn is_indexed(f: &Value, n: usize) -> bool {
    match f {
        Value::Object(o) => o.ty.args().len() == n + 1,
        _ => false,
    }
}

fn select(c: &mut Call<'_, '_>) -> Eval {
    let (src, f) = (source(c, 0, "source")?, function(c, 1, "selector")?);
    let (from, to) = (c.ty(0), c.ty(1));
    let indexed = is_indexed(&f, 2);
    let kind = match flavour(&src) {
        "Enumerable" if is_ilist(&src) => "IList",
        other => other,
    };
    let name = if indexed {
        named("<SelectIterator>d__173", &[&from, &to])
    } else {
        match source_name(&src) {
            Some(n) if n.ends_with("+RangeIterator") => named("SelectRangeIterator", &[&to]),
            Some(n) if n.starts_with("System.Linq.OrderedEnumerable") || n.contains("Partition`") => {
                named("SelectIPartitionIterator", &[&from, &to])
            }
            Some(n) if n.contains("+WhereArrayIterator") => named("WhereSelectArrayIterator", &[&from, &to]),
            Some(n) if n.contains("+WhereListIterator") => named("WhereSelectListIterator", &[&from, &to]),
            Some(n) if n.contains("+WhereEnumerableIterator") => {
                named("WhereSelectEnumerableIterator", &[&from, &to])
            }
            _ => named(&format!("Select{kind}Iterator"), &[&from, &to]),
        }
    };
    lazy(to, name, move |vm| {
        let (mut it, f) = (vm.iter(&src)?, f.clone());
        let mut n = 0;
        step(move |vm| match it.next(vm)? {
            Some(v) => {
                vm.step()?;
                n += 1;
                let result = if indexed {
                    vm.invoke(&f, &[v, Value::Int(n - 1)])?
                } else {
                    vm.invoke(&f, &[v])?
                };
                Ok(Some(result))
            }
            None => Ok(None),
        })
    })
}

fn is_ilist(v: &Value) -> bool {
    match v {
        Value::Object(o) => {
            matches!(&o.data, Data::Sequence(s) if s.type_name().is_some_and(|n| n.contains("+CastIListIterator")))
        }
        Value::Json(t) => t.token_type() == gateway_dotnet::json::TokenType::Array,
        _ => false,
    }
}

/// The iterator type of a lazy source.
fn source_name(v: &Value) -> Option<String> {
    match v {
        Value::Object(o) => match &o.data {
            Data::Sequence(s) => s.type_name(),
            _ => None,
        },
        _ => None,
    }
}

fn select_many(c: &mut Call<'_, '_>) -> Eval {
    let (src, f) = (source(c, 0, "source")?, function(c, 1, "selector")?);
    let result = c.args.get(2).cloned();
    let to = c.types.last().cloned().unwrap_or(Type::OBJECT);
    let indexed = is_indexed(&f, 2);
    let name = named("SelectManySingleSelectorIterator", &[&c.ty(0), &to]).filter(|_| result.is_none());
    lazy(to, name, move |vm| {
        let (mut it, f, result) = (vm.iter(&src)?, f.clone(), result.clone());
        let mut inner: Option<(Value, Box<dyn Iter>)> = None;
        let mut n = 0;
        step(move |vm| {
            loop {
                if let Some((outer, items)) = &mut inner
                    && let Some(v) = items.next(vm)?
                {
                    vm.step()?;
                    return Ok(Some(match &result {
                        Some(r) => vm.invoke(r, &[outer.clone(), v])?,
                        None => v,
                    }));
                }
                let Some(outer) = it.next(vm)? else {
                    return Ok(None);
                };
                vm.step()?;
                let items = if indexed {
                    vm.invoke(&f, &[outer.clone(), Value::Int(n)])?
                } else {
                    vm.invoke(&f, std::slice::from_ref(&outer))?
                };
                n += 1;
                let items = vm.iter(&items)?;
                inner = Some((outer, items));
            }
        })
    })
}

/// The iterator type of `Skip` and `Take`.
fn partition(src: &Value, ty: &Type) -> Option<String> {
    let list = flavour(src) != "Enumerable" || is_ilist(src);
    named(
        if list {
            "ListPartition"
        } else {
            "EnumerablePartition"
        },
        &[ty],
    )
}

fn take(c: &mut Call<'_, '_>) -> Eval {
    let (src, count) = (source(c, 0, "source")?, c.int(1)?);
    let ty = c.ty(0);
    let name = partition(&src, &ty);
    lazy(ty, name, move |vm| {
        let mut it = vm.iter(&src)?;
        let mut left = count;
        step(move |vm| {
            if left <= 0 {
                return Ok(None);
            }
            left -= 1;
            vm.step()?;
            it.next(vm)
        })
    })
}

fn skip(c: &mut Call<'_, '_>) -> Eval {
    let (src, count) = (source(c, 0, "source")?, c.int(1)?);
    let ty = c.ty(0);
    let name = partition(&src, &ty);
    lazy(ty, name, move |vm| {
        let mut it = vm.iter(&src)?;
        let mut left = count;
        step(move |vm| {
            while left > 0 {
                left -= 1;
                vm.step()?;
                if it.next(vm)?.is_none() {
                    return Ok(None);
                }
            }
            it.next(vm)
        })
    })
}

fn last_items(c: &mut Call<'_, '_>, take: bool) -> Eval {
    let (src, count) = (source(c, 0, "source")?, c.int(1)?.max(0) as usize);
    lazy(c.ty(0), None, move |vm| {
        let mut items = vm.collect(&src)?;
        let cut = items.len().saturating_sub(count);
        let kept = if take {
            items.split_off(cut)
        } else {
            items.truncate(cut);
            items
        };
        Ok(Box::new(Ready(kept.into_iter())))
    })
}

fn while_(c: &mut Call<'_, '_>, taking: bool) -> Eval {
    let (src, test) = (source(c, 0, "source")?, function(c, 1, "predicate")?);
    let indexed = is_indexed(&test, 2);
    let ty = c.ty(0);
    let name = named(
        if taking {
            "<TakeWhileIterator>d__216"
        } else {
            "<SkipWhileIterator>d__189"
        },
        &[&ty],
    );
    lazy(ty, name, move |vm| {
        let (mut it, test) = (vm.iter(&src)?, test.clone());
        let (mut done, mut n) = (false, 0);
        step(move |vm| {
            loop {
                if done && taking {
                    return Ok(None);
                }
                let Some(v) = it.next(vm)? else { return Ok(None) };
                vm.step()?;
                if done {
                    return Ok(Some(v));
                }
                let ok = if indexed {
                    vm.test(&test, &[v.clone(), Value::Int(n)])?
                } else {
                    vm.test(&test, std::slice::from_ref(&v))?
                };
                n += 1;
                match (ok, taking) {
                    (true, true) => return Ok(Some(v)),
                    (true, false) => {}
                    (false, true) => done = true,
                    (false, false) => {
                        // The first that fails the test is kept, and all behind it.
                        done = true;
                        return Ok(Some(v));
                    }
                }
            }
        })
    })
}

fn concat(c: &mut Call<'_, '_>) -> Eval {
    let (a, b) = (source(c, 0, "first")?, source(c, 1, "second")?);
    let ty = c.ty(0);
    let name = named("Concat2Iterator", &[&ty]);
    chain(ty, name, vec![a, b])
}

fn chain(ty: Type, name: Option<String>, sources: Vec<Value>) -> Eval {
    lazy(ty, name, move |_| {
        let sources = sources.clone();
        let mut at = 0;
        let mut current: Option<Box<dyn Iter>> = None;
        step(move |vm| {
            loop {
                if let Some(it) = &mut current {
                    vm.step()?;
                    if let Some(v) = it.next(vm)? {
                        return Ok(Some(v));
                    }
                }
                let Some(next) = sources.get(at) else {
                    return Ok(None);
                };
                at += 1;
                current = Some(vm.iter(next)?);
            }
        })
    })
}

fn append(c: &mut Call<'_, '_>, first: bool) -> Eval {
    let (src, item) = (source(c, 0, "source")?, c.arg(1).clone());
    let ty = c.ty(0);
    let one = Value::array(ty.clone(), vec![item]);
    let name = named("AppendPrepend1Iterator", &[&ty]);
    chain(ty, name, if first { vec![one, src] } else { vec![src, one] })
}

fn zip(c: &mut Call<'_, '_>) -> Eval {
    let (a, b) = (source(c, 0, "first")?, source(c, 1, "second")?);
    let f = c.args.get(2).cloned();
    let (ta, tb) = (c.ty(0), c.ty(1));
    let to = match &f {
        Some(_) => c.ty(2),
        None => Type::Tuple([ta, tb].into(), types::TupleNames::default()),
    };
    let tuple = to.clone();
    let name = f
        .as_ref()
        .and_then(|_| named("<ZipIterator>d__243", &[&c.ty(0), &c.ty(1), &to]));
    lazy(to, name, move |vm| {
        let (mut x, mut y, f, tuple) = (vm.iter(&a)?, vm.iter(&b)?, f.clone(), tuple.clone());
        step(move |vm| {
            vm.step()?;
            let Some(p) = x.next(vm)? else { return Ok(None) };
            let Some(q) = y.next(vm)? else { return Ok(None) };
            Ok(Some(match &f {
                Some(f) => vm.invoke(f, &[p, q])?,
                None => Value::object(tuple.clone(), Data::Tuple(std::cell::RefCell::new(vec![p, q]))),
            }))
        })
    })
}

/// `Distinct`, `Union`, `Intersect`, `Except`.
fn set_operator(c: &mut Call<'_, '_>, how: &'static str) -> Eval {
    let first = source(c, 0, if how == "distinct" { "source" } else { "first" })?;
    let two = how != "distinct";
    let second = if two { Some(source(c, 1, "second")?) } else { None };
    let by = comparer(c.arg(if two { 2 } else { 1 }));
    let ty = c.ty(0);
    let name = match how {
        "distinct" => named("DistinctIterator", &[&ty]),
        "union" => named("UnionIterator2", &[&ty]),
        "intersect" => named("<IntersectIterator>d__100", &[&ty]),
        "except" => named("<ExceptIterator>d__80", &[&ty]),
        _ => None,
    };
    lazy(ty, name, move |vm| {
        let mut seen = crate::collections::Table::new(by);
        let mut other = crate::collections::Table::new(by);
        let mut items = vm.collect(&first)?;
        if let Some(second) = &second {
            let more = vm.collect(second)?;
            if how == "union" {
                items.extend(more);
            } else {
                for v in more {
                    other.set(v, Value::Null);
                }
            }
        }
        let mut kept = Vec::new();
        for v in items {
            vm.step()?;
            let allowed = match how {
                "intersect" => other.contains(&v),
                "except" => !other.contains(&v),
                _ => true,
            };
            if allowed && seen.set(v.clone(), Value::Null) {
                kept.push(v);
            }
        }
        Ok(Box::new(Ready(kept.into_iter())))
    })
}

fn reverse(c: &mut Call<'_, '_>) -> Eval {
    let src = source(c, 0, "source")?;
    let ty = c.ty(0);
    let name =
        named("ReverseIterator", &[&ty]).map(|n| n.replace("+ReverseIterator", "+<ReverseIterator>d__174"));
    lazy(ty, name, move |vm| {
        let mut items = vm.collect(&src)?;
        items.reverse();
        Ok(Box::new(Ready(items.into_iter())))
    })
}

fn default_if_empty(c: &mut Call<'_, '_>) -> Eval {
    let src = source(c, 0, "source")?;
    let default = if c.args.len() > 1 {
        c.take(1)
    } else {
        cast::default_value(&c.ty(0))
    };
    let ty = c.ty(0);
    let name = named("DefaultIfEmptyIterator", &[&ty]);
    lazy(ty, name, move |vm| {
        let (mut it, default) = (vm.iter(&src)?, default.clone());
        let (mut any, mut done) = (false, false);
        step(move |vm| {
            if done {
                return Ok(None);
            }
            match it.next(vm)? {
                Some(v) => {
                    any = true;
                    Ok(Some(v))
                }
                None => {
                    done = true;
                    Ok((!any).then(|| default.clone()))
                }
            }
        })
    })
}

fn cast_all(c: &mut Call<'_, '_>) -> Eval {
    let src = source(c, 0, "source")?;
    let ty = c.ty(0);
    // A source that is such a sequence already is returned as it is.
    if crate::types::is_subtype(&src.runtime_type(), &Type::enumerable(ty.clone())) {
        return Ok(src);
    }
    let target = ty.clone();
    lazy(ty, None, move |vm| {
        let (mut it, target) = (vm.iter(&src)?, target.clone());
        step(move |vm| match it.next(vm)? {
            Some(v) => Ok(Some(cast::cast(v, &target)?)),
            None => Ok(None),
        })
    })
}

fn of_type(c: &mut Call<'_, '_>) -> Eval {
    let src = source(c, 0, "source")?;
    let ty = c.ty(0);
    let target = ty.clone();
    let name = named("<OfTypeIterator>d__61", &[&ty]);
    lazy(ty, name, move |vm| {
        let (mut it, target) = (vm.iter(&src)?, target.clone());
        step(move |vm| {
            while let Some(v) = it.next(vm)? {
                vm.step()?;
                if cast::is(&v, &target) {
                    return Ok(Some(v));
                }
            }
            Ok(None)
        })
    })
}

// ---- generators

fn range(c: &mut Call<'_, '_>) -> Eval {
    let (start, count) = (c.int(0)?, c.int(1)?);
    if count < 0 || i64::from(start) + i64::from(count) - 1 > i64::from(i32::MAX) {
        return Err(Error::out_of_range(
            "count",
            "Specified argument was out of the range of valid values.",
        )
        .into());
    }
    let name = Some("System.Linq.Enumerable+RangeIterator".to_owned());
    lazy(Type::INT, name, move |_| {
        let mut n = 0;
        step(move |vm| {
            vm.step()?;
            if n >= count {
                return Ok(None);
            }
            n += 1;
            Ok(Some(Value::Int(start + n - 1)))
        })
    })
}

fn repeat(c: &mut Call<'_, '_>) -> Eval {
    let (item, count) = (c.arg(0).clone(), c.int(1)?);
    if count < 0 {
        return Err(Error::out_of_range(
            "count",
            "Specified argument was out of the range of valid values.",
        )
        .into());
    }
    let ty = c.ty(0);
    let name = named("RepeatIterator", &[&ty]);
    lazy(ty, name, move |_| {
        let (mut left, item) = (count, item.clone());
        step(move |vm| {
            vm.step()?;
            left -= 1;
            Ok((left >= 0).then(|| item.clone()))
        })
    })
}

// ---- ordering

/// One key of an ordering.
#[derive(Clone)]
struct Key {
    selector: Value,
    by: Value,
    descending: bool,
}

/// An `IOrderedEnumerable<T>`.
struct Ordered {
    source: Value,
    keys: Vec<Key>,
    name: Option<String>,
}

impl Sequence for Ordered {
    fn iter(&self, vm: &mut Vm<'_>) -> Result<Box<dyn Iter>, Thrown> {
        let items = vm.collect(&self.source)?;
        let mut keyed = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            let mut keys = Vec::with_capacity(self.keys.len());
            for key in &self.keys {
                keys.push(vm.invoke(&key.selector, std::slice::from_ref(item))?);
            }
            keyed.push((i, keys));
        }
        let all: Vec<Value> = (0..keyed.len()).map(|i| Value::Int(i as i32)).collect();
        let order = collections::merge_sort(vm, all, &mut |vm, a, b| {
            let (Value::Int(a), Value::Int(b)) = (a, b) else {
                return Ok(Ordering::Equal);
            };
            let (x, y) = (&keyed[*a as usize].1, &keyed[*b as usize].1);
            for (n, key) in self.keys.iter().enumerate() {
                let found = compare_with(vm, &key.by, &x[n], &y[n])?;
                if found != Ordering::Equal {
                    return Ok(if key.descending { found.reverse() } else { found });
                }
            }
            Ok(Ordering::Equal)
        })?;
        let sorted: Vec<Value> = order
            .iter()
            .filter_map(|i| {
                if let Value::Int(i) = i {
                    items.get(*i as usize).cloned()
                } else {
                    None
                }
            })
            .collect();
        Ok(Box::new(Ready(sorted.into_iter())))
    }

    fn type_name(&self) -> Option<String> {
        self.name.clone()
    }
}

fn order_by(c: &mut Call<'_, '_>, descending: bool) -> Eval {
    let src = source(c, 0, "source")?;
    let key = Key {
        selector: function(c, 1, "keySelector")?,
        by: c.args.get(2).cloned().unwrap_or(Value::Null),
        descending,
    };
    ordered(c, src, vec![key])
}

fn ordered(c: &Call<'_, '_>, source: Value, keys: Vec<Key>) -> Eval {
    let (ty, key) = (c.ty(0), c.ty(1));
    let name = Some(format!(
        "System.Linq.OrderedEnumerable`2[{},{}]",
        ty.net_name(),
        key.net_name()
    ));
    let sequence = OrderedBox(Rc::new(Ordered { source, keys, name }));
    Ok(Value::object(
        Type::generic(types::IORDERED_ENUMERABLE, [ty]),
        Data::Sequence(Box::new(sequence)),
    ))
}

/// Shared, so that `ThenBy` can build on it.
struct OrderedBox(Rc<Ordered>);

impl Sequence for OrderedBox {
    fn iter(&self, vm: &mut Vm<'_>) -> Result<Box<dyn Iter>, Thrown> {
        self.0.iter(vm)
    }

    fn type_name(&self) -> Option<String> {
        self.0.type_name()
    }

    fn ordering(&self) -> Option<(Value, Vec<(Value, Value, bool)>)> {
        let keys = self
            .0
            .keys
            .iter()
            .map(|k| (k.selector.clone(), k.by.clone(), k.descending))
            .collect();
        Some((self.0.source.clone(), keys))
    }
}

fn then_by(c: &mut Call<'_, '_>, descending: bool) -> Eval {
    let src = source(c, 0, "source")?;
    let key = Key {
        selector: function(c, 1, "keySelector")?,
        by: c.args.get(2).cloned().unwrap_or(Value::Null),
        descending,
    };
    let existing = match &src {
        Value::Object(o) => match &o.data {
            Data::Sequence(s) => s.ordering(),
            _ => None,
        },
        _ => None,
    };
    let (source, mut keys) = match existing {
        Some((source, keys)) => (
            source,
            keys.into_iter()
                .map(|(selector, by, descending)| Key {
                    selector,
                    by,
                    descending,
                })
                .collect(),
        ),
        None => (src, Vec::new()),
    };
    keys.push(key);
    ordered(c, source, keys)
}

// ---- grouping and joining

/// Groups in order of first appearance.
fn groups(
    vm: &mut Vm<'_>,
    items: Vec<Value>,
    key: &Value,
    element: Option<&Value>,
    by: Comparer,
) -> Result<Vec<(Value, Vec<Value>)>, Thrown> {
    let mut index = crate::collections::Table::new(by);
    let mut out: Vec<(Value, Vec<Value>)> = Vec::new();
    for item in items {
        vm.step()?;
        let k = vm.invoke(key, std::slice::from_ref(&item))?;
        let v = match element {
            Some(f) => vm.invoke(f, &[item])?,
            None => item,
        };
        let at = match index.get(&k) {
            Some(Value::Int(i)) => *i as usize,
            _ => {
                index.set(k.clone(), Value::Int(out.len() as i32));
                out.push((k, Vec::new()));
                out.len() - 1
            }
        };
        out[at].1.push(v);
    }
    Ok(out)
}

fn grouping_type() -> types::DefId {
    types::registry()
        .by_full_name("System.Linq.Grouping`2")
        .unwrap_or(types::IGROUPING)
}

fn grouping(key_ty: &Type, element: &Type, key: Value, items: Vec<Value>) -> Value {
    Value::object(
        Type::generic(grouping_type(), [key_ty.clone(), element.clone()]),
        Data::Group(key, items),
    )
}

/// Splits the arguments behind the key selector: element selector, result selector, comparer.
fn group_by(c: &mut Call<'_, '_>, has_element: bool, has_result: bool) -> Eval {
    let (src, key) = (source(c, 0, "source")?, function(c, 1, "keySelector")?);
    let mut at = 2;
    let mut next = |wanted: bool| {
        if !wanted {
            return None;
        }
        at += 1;
        Some(c.arg(at - 1).clone())
    };
    let element = next(has_element);
    let result = next(has_result);
    let by = comparer(c.arg(at));
    let key_ty = c.ty(1);
    let item_ty = if has_element { c.ty(2) } else { c.ty(0) };
    let out_ty = if has_result {
        c.types.last().cloned().unwrap_or(Type::OBJECT)
    } else {
        Type::generic(types::IGROUPING, [key_ty.clone(), item_ty.clone()])
    };
    let name = if has_result {
        None
    } else if has_element {
        Some(format!(
            "System.Linq.GroupedEnumerable`3[{},{},{}]",
            c.ty(0).net_name(),
            key_ty.net_name(),
            item_ty.net_name()
        ))
    } else {
        Some(format!(
            "System.Linq.GroupedEnumerable`2[{},{}]",
            c.ty(0).net_name(),
            key_ty.net_name()
        ))
    };
    lazy(out_ty, name, move |vm| {
        let items = vm.collect(&src)?;
        let mut out = Vec::new();
        for (k, items) in groups(vm, items, &key, element.as_ref(), by)? {
            out.push(match &result {
                Some(f) => {
                    let list = Value::list(item_ty.clone(), items);
                    vm.invoke(f, &[k, list])?
                }
                None => grouping(&key_ty, &item_ty, k, items),
            });
        }
        Ok(Box::new(Ready(out.into_iter())))
    })
}

fn to_lookup(c: &mut Call<'_, '_>, has_element: bool) -> Eval {
    let (items, key) = (c.sequence(0, "source")?, function(c, 1, "keySelector")?);
    let element = has_element.then(|| c.arg(2).clone());
    let by = comparer(c.arg(if has_element { 3 } else { 2 }));
    let key_ty = c.ty(1);
    let item_ty = if has_element { c.ty(2) } else { c.ty(0) };
    let grouped = groups(c.vm, items, &key, element.as_ref(), by)?;
    let entries = grouped
        .into_iter()
        .map(|(k, items)| (k.clone(), grouping(&key_ty, &item_ty, k, items)))
        .collect();
    Ok(make_table(
        Type::generic(types::ILOOKUP, [key_ty, item_ty]),
        by,
        entries,
    ))
}

fn lookup_get(c: &mut Call<'_, '_>) -> Eval {
    let key = c.arg(1).clone();
    Ok(collections::look_up(c, &key)?.unwrap_or_else(|| Value::array(c.ty(1), Vec::new())))
}

fn join(c: &mut Call<'_, '_>, grouped: bool) -> Eval {
    let (outer, inner) = (source(c, 0, "outer")?, source(c, 1, "inner")?);
    let (ok, ik, result) = (c.arg(2).clone(), c.arg(3).clone(), c.arg(4).clone());
    let by = comparer(c.arg(5));
    let inner_ty = c.ty(1);
    let to = c.types.last().cloned().unwrap_or(Type::OBJECT);
    let iterator = if grouped {
        "<GroupJoinIterator>d__97"
    } else {
        "<JoinIterator>d__104"
    };
    let name = named(iterator, &[&c.ty(0), &c.ty(1), &c.ty(2), &to]);
    lazy(to, name, move |vm| {
        let inner_items = vm.collect(&inner)?;
        let mut table = crate::collections::Table::new(by);
        let found = groups(vm, inner_items, &ik, None, by)?;
        for (n, (k, _)) in found.iter().enumerate() {
            table.set(k.clone(), Value::Int(n as i32));
        }
        let mut out = Vec::new();
        for o in vm.collect(&outer)? {
            vm.step()?;
            let k = vm.invoke(&ok, std::slice::from_ref(&o))?;
            let matches = match table.get(&k) {
                Some(Value::Int(n)) if !k.is_null() => found[*n as usize].1.clone(),
                _ => Vec::new(),
            };
            if grouped {
                let list = Value::list(inner_ty.clone(), matches);
                out.push(vm.invoke(&result, &[o, list])?);
            } else {
                for m in matches {
                    vm.step()?;
                    out.push(vm.invoke(&result, &[o.clone(), m])?);
                }
            }
        }
        Ok(Box::new(Ready(out.into_iter())))
    })
}

// ---- elements

fn no_elements() -> Thrown {
    Error::invalid_operation("Sequence contains no elements").into()
}

fn no_match() -> Thrown {
    Error::invalid_operation("Sequence contains no matching element").into()
}

/// Runs over items that pass the optional predicate; `f` says whether to go on.
fn visit(c: &mut Call<'_, '_>, f: &mut dyn FnMut(Value) -> bool) -> Result<(), Thrown> {
    let src = source(c, 0, "source")?;
    let test = c.args.get(1).cloned().filter(|_| c.args.len() > 1);
    if test.as_ref().is_some_and(Value::is_null) {
        return Err(Error::null("predicate").into());
    }
    let mut it = c.vm.iter(&src)?;
    while let Some(v) = it.next(c.vm)? {
        c.vm.step()?;
        let keep = match &test {
            Some(t) => c.vm.test(t, std::slice::from_ref(&v))?,
            None => true,
        };
        if keep && !f(v) {
            return Ok(());
        }
    }
    Ok(())
}

fn first(c: &mut Call<'_, '_>, or_default: bool) -> Eval {
    let mut found = None;
    visit(c, &mut |v| {
        found = Some(v);
        false
    })?;
    element(c, found, or_default)
}

fn last(c: &mut Call<'_, '_>, or_default: bool) -> Eval {
    let mut found = None;
    visit(c, &mut |v| {
        found = Some(v);
        true
    })?;
    element(c, found, or_default)
}

fn element(c: &Call<'_, '_>, found: Option<Value>, or_default: bool) -> Eval {
    match found {
        Some(v) => Ok(v),
        None if or_default => Ok(cast::default_value(&c.ty(0))),
        None if c.args.len() > 1 => Err(no_match()),
        None => Err(no_elements()),
    }
}

fn single(c: &mut Call<'_, '_>, or_default: bool) -> Eval {
    let (mut found, mut count) = (None, 0);
    visit(c, &mut |v| {
        count += 1;
        found.get_or_insert(v);
        count < 2
    })?;
    if count > 1 {
        let what = if c.args.len() > 1 {
            "Sequence contains more than one matching element"
        } else {
            "Sequence contains more than one element"
        };
        return Err(Error::invalid_operation(what).into());
    }
    element(c, found, or_default)
}

fn element_at(c: &mut Call<'_, '_>, or_default: bool) -> Eval {
    let (src, index) = (source(c, 0, "source")?, c.int(1)?);
    let mut it = c.vm.iter(&src)?;
    for n in 0..=index {
        let Some(v) = it.next(c.vm)? else { break };
        c.vm.step()?;
        if n == index {
            return Ok(v);
        }
    }
    if or_default {
        return Ok(cast::default_value(&c.ty(0)));
    }
    Err(collections::out_of_range())
}

fn any(c: &mut Call<'_, '_>) -> Eval {
    let mut found = false;
    visit(c, &mut |_| {
        found = true;
        false
    })?;
    Ok(Value::Bool(found))
}

fn all_(c: &mut Call<'_, '_>) -> Eval {
    let (src, test) = (source(c, 0, "source")?, function(c, 1, "predicate")?);
    let mut it = c.vm.iter(&src)?;
    while let Some(v) = it.next(c.vm)? {
        c.vm.step()?;
        if !c.vm.test(&test, &[v])? {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn count(c: &mut Call<'_, '_>, long: bool) -> Eval {
    let mut n = 0i64;
    if c.args.len() == 1
        && matches!(c.arg(0), Value::Object(o) if matches!(o.data, Data::List(_) | Data::Table(_) | Data::Array(_)))
    {
        if let Value::Int(count) = collections::count(c)? {
            n = i64::from(count);
        }
    } else {
        visit(c, &mut |_| {
            n += 1;
            true
        })?;
    }
    Ok(if long {
        Value::Long(n)
    } else {
        Value::Int(n as i32)
    })
}

fn contains(c: &mut Call<'_, '_>) -> Eval {
    let src = source(c, 0, "source")?;
    let (wanted, by) = (c.arg(1).clone(), comparer(c.arg(2)));
    if let Value::Object(o) = &src
        && let (Data::Table(t), Comparer::Default) = (&o.data, by)
        && o.ty.def() == Some(types::HASH_SET)
    {
        return Ok(Value::Bool(t.borrow().contains(&wanted)));
    }
    let mut it = c.vm.iter(&src)?;
    while let Some(v) = it.next(c.vm)? {
        c.vm.step()?;
        if equality::equals(&v, &wanted, by) {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn sequence_equal(c: &mut Call<'_, '_>) -> Eval {
    let (a, b) = (c.sequence(0, "first")?, c.sequence(1, "second")?);
    let by = comparer(c.arg(2));
    Ok(Value::Bool(
        a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| equality::equals(x, y, by)),
    ))
}

fn aggregate(c: &mut Call<'_, '_>) -> Eval {
    let src = source(c, 0, "source")?;
    let (mut acc, f) = match c.args.len() {
        2 => (None, c.arg(1).clone()),
        _ => (Some(c.arg(1).clone()), c.arg(2).clone()),
    };
    let mut it = c.vm.iter(&src)?;
    while let Some(v) = it.next(c.vm)? {
        c.vm.step()?;
        acc = Some(match acc {
            Some(a) => c.vm.invoke(&f, &[a, v])?,
            None => v,
        });
    }
    let acc = acc.ok_or_else(no_elements)?;
    match c.args.get(3).cloned() {
        Some(result) => c.vm.invoke(&result, &[acc]),
        None => Ok(acc),
    }
}

/// Items mapped by the optional selector.
fn mapped(c: &mut Call<'_, '_>) -> Result<Vec<Value>, Thrown> {
    let items = c.sequence(0, "source")?;
    let Some(f) = c.args.get(1).cloned() else {
        return Ok(items);
    };
    let mut out = Vec::with_capacity(items.len());
    for v in items {
        c.vm.step()?;
        out.push(c.vm.invoke(&f, &[v])?);
    }
    Ok(out)
}

fn sum(c: &mut Call<'_, '_>, num: Num) -> Eval {
    let wide = if num == Num::Float { Num::Double } else { num };
    let mut total = ops::convert(wide, false)(Value::Int(0))?;
    let Some(add) = ops::binary("+", wide, true) else {
        return Ok(Value::Null);
    };
    for v in mapped(c)? {
        if !v.is_null() {
            total = add(total, ops::convert(wide, false)(v)?)?;
        }
    }
    if num == Num::Float {
        ops::to_float(total)
    } else {
        Ok(total)
    }
}

fn average(c: &mut Call<'_, '_>, num: Num, nullable: bool) -> Eval {
    let items: Vec<Value> = mapped(c)?.into_iter().filter(|v| !v.is_null()).collect();
    if items.is_empty() {
        return if nullable {
            Ok(Value::Null)
        } else {
            Err(no_elements())
        };
    }
    let n = items.len();
    match num {
        Num::Decimal => {
            let mut total = gateway_dotnet::number::Decimal::default();
            for v in items {
                if let Value::Decimal(d) = v {
                    total = total.add(d)?;
                }
            }
            let n = gateway_dotnet::number::Decimal::from_i128(n as i128).unwrap_or_default();
            Ok(Value::Decimal(total.divide(n)?))
        }
        Num::Int | Num::Long => {
            let mut total = 0i64;
            for v in &items {
                let v = match v {
                    Value::Int(i) => i64::from(*i),
                    Value::Long(l) => *l,
                    _ => 0,
                };
                total = total
                    .checked_add(v)
                    .ok_or_else(|| Thrown::from(Error::of(ExceptionKind::OverflowException)))?;
            }
            Ok(Value::Double(total as f64 / n as f64))
        }
        _ => {
            let mut total = 0.0;
            for v in &items {
                if let Value::Double(d) = ops::to_double(v.clone())? {
                    total += d;
                }
            }
            let mean = total / n as f64;
            Ok(if num == Num::Float {
                Value::Float(mean as f32)
            } else {
                Value::Double(mean)
            })
        }
    }
}

fn extreme(c: &mut Call<'_, '_>, max: bool, nullable: bool) -> Eval {
    let mut best: Option<Value> = None;
    for v in mapped(c)? {
        if v.is_null() {
            continue;
        }
        best = Some(match best {
            None => v,
            Some(b) => {
                // NaN is less than everything, and Max ignores it.
                let order = equality::compare(&v, &b)?;
                let better = if max {
                    order == Ordering::Greater
                } else {
                    order == Ordering::Less
                };
                if better { v } else { b }
            }
        });
    }
    match best {
        Some(v) => Ok(v),
        None if nullable => Ok(Value::Null),
        None => Err(no_elements()),
    }
}

/// `Min`/`Max` of any comparable type: empty gives null for references, throws for values.
fn extreme_any(c: &mut Call<'_, '_>, max: bool) -> Eval {
    let ty = c.types.last().cloned().unwrap_or(Type::OBJECT);
    extreme(c, max, ty.takes_null())
}

fn to_array(c: &mut Call<'_, '_>) -> Eval {
    let items = c.sequence(0, "source")?;
    Ok(Value::array(c.ty(0), items))
}

fn to_list(c: &mut Call<'_, '_>) -> Eval {
    let items = c.sequence(0, "source")?;
    Ok(Value::list(c.ty(0), items))
}

fn to_dictionary(c: &mut Call<'_, '_>, has_element: bool) -> Eval {
    let (items, key) = (c.sequence(0, "source")?, function(c, 1, "keySelector")?);
    let element = has_element.then(|| c.arg(2).clone());
    let by = comparer(c.arg(if has_element { 3 } else { 2 }));
    let value_ty = if has_element { c.ty(2) } else { c.ty(0) };
    let mut table = crate::collections::Table::new(by);
    for item in items {
        c.vm.step()?;
        let k = c.vm.invoke(&key, std::slice::from_ref(&item))?;
        if k.is_null() {
            return Err(Error::null("key").into());
        }
        let v = match &element {
            Some(f) => c.vm.invoke(f, &[item])?,
            None => item,
        };
        if table.contains(&k) {
            return Err(duplicate_key(&k));
        }
        table.set(k, v);
    }
    let ty = Type::generic(types::DICTIONARY, [c.ty(1), value_ty]);
    Ok(Value::object(ty, Data::Table(std::cell::RefCell::new(table))))
}

fn to_hash_set(c: &mut Call<'_, '_>) -> Eval {
    let items = c.sequence(0, "source")?;
    let by = comparer(c.arg(1));
    let entries = items.into_iter().map(|k| (k, Value::Null)).collect();
    Ok(make_table(Type::generic(types::HASH_SET, [c.ty(0)]), by, entries))
}

fn group_key(c: &mut Call<'_, '_>) -> Eval {
    match c.arg(0) {
        Value::Object(o) => match &o.data {
            Data::Group(key, _) => Ok(key.clone()),
            _ => Ok(Value::Null),
        },
        _ => Err(Error::null_reference().into()),
    }
}

macro_rules! numeric {
    ($name:ident, $method:literal, $f:expr, $fnull:expr, [$($n:literal => $r:literal, $num:expr;)*]) => {
        const $name: &[super::Entry] = &[
            $(Get(concat!("static ", $r, " ", $method, "(this IEnumerable<", $n, "> source)"), |c| $f(c, $num)),
            Get(concat!("static ", $r, "? ", $method, "(this IEnumerable<", $n, "?> source)"), |c| $fnull(c, $num)),
            Get(concat!("static ", $r, " ", $method, "<TSource>(this IEnumerable<TSource> source, Func<TSource, ", $n, "> selector)"), |c| $f(c, $num)),
            Get(concat!("static ", $r, "? ", $method, "<TSource>(this IEnumerable<TSource> source, Func<TSource, ", $n, "?> selector)"), |c| $fnull(c, $num)),)*
        ];
    };
}

numeric!(SUM, "Sum", sum, sum, [
    "int" => "int", Num::Int; "long" => "long", Num::Long; "float" => "float", Num::Float;
    "double" => "double", Num::Double; "decimal" => "decimal", Num::Decimal;
]);
numeric!(AVERAGE, "Average", |c: &mut Call<'_, '_>, n| average(c, n, false), |c: &mut Call<'_, '_>, n| average(c, n, true), [
    "int" => "double", Num::Int; "long" => "double", Num::Long; "float" => "float", Num::Float;
    "double" => "double", Num::Double; "decimal" => "decimal", Num::Decimal;
]);
numeric!(MAX, "Max", |c: &mut Call<'_, '_>, _| extreme(c, true, false), |c: &mut Call<'_, '_>, _| extreme(c, true, true), [
    "int" => "int", Num::Int; "long" => "long", Num::Long; "float" => "float", Num::Float;
    "double" => "double", Num::Double; "decimal" => "decimal", Num::Decimal;
]);
numeric!(MIN, "Min", |c: &mut Call<'_, '_>, _| extreme(c, false, false), |c: &mut Call<'_, '_>, _| extreme(c, false, true), [
    "int" => "int", Num::Int; "long" => "long", Num::Long; "float" => "float", Num::Float;
    "double" => "double", Num::Double; "decimal" => "decimal", Num::Decimal;
]);

/// The generated overloads, which the registry adds to `Enumerable`.
pub(super) const NUMERIC: &[&[super::Entry]] = &[SUM, AVERAGE, MAX, MIN];

const ENUMERABLE: &[super::Entry] = &[
    Get(
        "static IEnumerable<TSource> Where<TSource>(this IEnumerable<TSource> source, Func<TSource, bool> predicate)",
        where_,
    ),
    Get(
        "static IEnumerable<TSource> Where<TSource>(this IEnumerable<TSource> source, Func<TSource, int, bool> predicate)",
        where_,
    ),
    Get(
        "static IEnumerable<TResult> Select<TSource, TResult>(this IEnumerable<TSource> source, Func<TSource, TResult> selector)",
        select,
    ),
    Get(
        "static IEnumerable<TResult> Select<TSource, TResult>(this IEnumerable<TSource> source, Func<TSource, int, TResult> selector)",
        select,
    ),
    Get(
        "static IEnumerable<TResult> SelectMany<TSource, TResult>(this IEnumerable<TSource> source, Func<TSource, IEnumerable<TResult>> selector)",
        select_many,
    ),
    Get(
        "static IEnumerable<TResult> SelectMany<TSource, TResult>(this IEnumerable<TSource> source, Func<TSource, int, IEnumerable<TResult>> selector)",
        select_many,
    ),
    Get(
        "static IEnumerable<TResult> SelectMany<TSource, TCollection, TResult>(this IEnumerable<TSource> source, Func<TSource, IEnumerable<TCollection>> collectionSelector, Func<TSource, TCollection, TResult> resultSelector)",
        select_many,
    ),
    Get(
        "static IEnumerable<TSource> Take<TSource>(this IEnumerable<TSource> source, int count)",
        take,
    ),
    Get(
        "static IEnumerable<TSource> Skip<TSource>(this IEnumerable<TSource> source, int count)",
        skip,
    ),
    Get(
        "static IEnumerable<TSource> TakeLast<TSource>(this IEnumerable<TSource> source, int count)",
        |c| last_items(c, true),
    ),
    Get(
        "static IEnumerable<TSource> SkipLast<TSource>(this IEnumerable<TSource> source, int count)",
        |c| last_items(c, false),
    ),
    Get(
        "static IEnumerable<TSource> TakeWhile<TSource>(this IEnumerable<TSource> source, Func<TSource, bool> predicate)",
        |c| while_(c, true),
    ),
    Get(
        "static IEnumerable<TSource> TakeWhile<TSource>(this IEnumerable<TSource> source, Func<TSource, int, bool> predicate)",
        |c| while_(c, true),
    ),
    Get(
        "static IEnumerable<TSource> SkipWhile<TSource>(this IEnumerable<TSource> source, Func<TSource, bool> predicate)",
        |c| while_(c, false),
    ),
    Get(
        "static IEnumerable<TSource> SkipWhile<TSource>(this IEnumerable<TSource> source, Func<TSource, int, bool> predicate)",
        |c| while_(c, false),
    ),
    Get(
        "static IEnumerable<TSource> Concat<TSource>(this IEnumerable<TSource> first, IEnumerable<TSource> second)",
        concat,
    ),
    Get(
        "static IEnumerable<TSource> Append<TSource>(this IEnumerable<TSource> source, TSource element)",
        |c| append(c, false),
    ),
    Get(
        "static IEnumerable<TSource> Prepend<TSource>(this IEnumerable<TSource> source, TSource element)",
        |c| append(c, true),
    ),
    Get(
        "static IEnumerable<TResult> Zip<TFirst, TSecond, TResult>(this IEnumerable<TFirst> first, IEnumerable<TSecond> second, Func<TFirst, TSecond, TResult> resultSelector)",
        zip,
    ),
    Get(
        "static IEnumerable<(TFirst First, TSecond Second)> Zip<TFirst, TSecond>(this IEnumerable<TFirst> first, IEnumerable<TSecond> second)",
        zip,
    ),
    Get(
        "static IEnumerable<TSource> Distinct<TSource>(this IEnumerable<TSource> source)",
        |c| set_operator(c, "distinct"),
    ),
    Get(
        "static IEnumerable<TSource> Distinct<TSource>(this IEnumerable<TSource> source, IEqualityComparer<TSource> comparer)",
        |c| set_operator(c, "distinct"),
    ),
    Get(
        "static IEnumerable<TSource> Union<TSource>(this IEnumerable<TSource> first, IEnumerable<TSource> second)",
        |c| set_operator(c, "union"),
    ),
    Get(
        "static IEnumerable<TSource> Union<TSource>(this IEnumerable<TSource> first, IEnumerable<TSource> second, IEqualityComparer<TSource> comparer)",
        |c| set_operator(c, "union"),
    ),
    Get(
        "static IEnumerable<TSource> Intersect<TSource>(this IEnumerable<TSource> first, IEnumerable<TSource> second)",
        |c| set_operator(c, "intersect"),
    ),
    Get(
        "static IEnumerable<TSource> Intersect<TSource>(this IEnumerable<TSource> first, IEnumerable<TSource> second, IEqualityComparer<TSource> comparer)",
        |c| set_operator(c, "intersect"),
    ),
    Get(
        "static IEnumerable<TSource> Except<TSource>(this IEnumerable<TSource> first, IEnumerable<TSource> second)",
        |c| set_operator(c, "except"),
    ),
    Get(
        "static IEnumerable<TSource> Except<TSource>(this IEnumerable<TSource> first, IEnumerable<TSource> second, IEqualityComparer<TSource> comparer)",
        |c| set_operator(c, "except"),
    ),
    Get(
        "static IEnumerable<TSource> Reverse<TSource>(this IEnumerable<TSource> source)",
        reverse,
    ),
    Get(
        "static IEnumerable<TSource> DefaultIfEmpty<TSource>(this IEnumerable<TSource> source)",
        default_if_empty,
    ),
    Get(
        "static IEnumerable<TSource> DefaultIfEmpty<TSource>(this IEnumerable<TSource> source, TSource defaultValue)",
        default_if_empty,
    ),
    Get(
        "static IEnumerable<TSource> AsEnumerable<TSource>(this IEnumerable<TSource> source)",
        |c| Ok(c.take(0)),
    ),
    Get(
        "static IEnumerable<TResult> Cast<TResult>(this System.Collections.IEnumerable source)",
        cast_all,
    ),
    Get(
        "static IEnumerable<TResult> OfType<TResult>(this System.Collections.IEnumerable source)",
        of_type,
    ),
    Get("static IEnumerable<int> Range(int start, int count)", range),
    Get(
        "static IEnumerable<TResult> Repeat<TResult>(TResult element, int count)",
        repeat,
    ),
    Get("static IEnumerable<TResult> Empty<TResult>()", |c| {
        let def = types::registry()
            .by_full_name("System.Linq.EmptyPartition`1")
            .unwrap_or(types::OBJECT);
        Ok(Value::object(Type::generic(def, [c.ty(0)]), Data::Plain))
    }),
    Get(
        "static IOrderedEnumerable<TSource> OrderBy<TSource, TKey>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector)",
        |c| order_by(c, false),
    ),
    Get(
        "static IOrderedEnumerable<TSource> OrderBy<TSource, TKey>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, IComparer<TKey> comparer)",
        |c| order_by(c, false),
    ),
    Get(
        "static IOrderedEnumerable<TSource> OrderByDescending<TSource, TKey>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector)",
        |c| order_by(c, true),
    ),
    Get(
        "static IOrderedEnumerable<TSource> OrderByDescending<TSource, TKey>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, IComparer<TKey> comparer)",
        |c| order_by(c, true),
    ),
    Get(
        "static IOrderedEnumerable<TSource> ThenBy<TSource, TKey>(this IOrderedEnumerable<TSource> source, Func<TSource, TKey> keySelector)",
        |c| then_by(c, false),
    ),
    Get(
        "static IOrderedEnumerable<TSource> ThenBy<TSource, TKey>(this IOrderedEnumerable<TSource> source, Func<TSource, TKey> keySelector, IComparer<TKey> comparer)",
        |c| then_by(c, false),
    ),
    Get(
        "static IOrderedEnumerable<TSource> ThenByDescending<TSource, TKey>(this IOrderedEnumerable<TSource> source, Func<TSource, TKey> keySelector)",
        |c| then_by(c, true),
    ),
    Get(
        "static IOrderedEnumerable<TSource> ThenByDescending<TSource, TKey>(this IOrderedEnumerable<TSource> source, Func<TSource, TKey> keySelector, IComparer<TKey> comparer)",
        |c| then_by(c, true),
    ),
    Get(
        "static IEnumerable<IGrouping<TKey, TSource>> GroupBy<TSource, TKey>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector)",
        |c| group_by(c, false, false),
    ),
    Get(
        "static IEnumerable<IGrouping<TKey, TSource>> GroupBy<TSource, TKey>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, IEqualityComparer<TKey> comparer)",
        |c| group_by(c, false, false),
    ),
    Get(
        "static IEnumerable<IGrouping<TKey, TElement>> GroupBy<TSource, TKey, TElement>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, Func<TSource, TElement> elementSelector)",
        |c| group_by(c, true, false),
    ),
    Get(
        "static IEnumerable<IGrouping<TKey, TElement>> GroupBy<TSource, TKey, TElement>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, Func<TSource, TElement> elementSelector, IEqualityComparer<TKey> comparer)",
        |c| group_by(c, true, false),
    ),
    Get(
        "static IEnumerable<TResult> GroupBy<TSource, TKey, TResult>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, Func<TKey, IEnumerable<TSource>, TResult> resultSelector)",
        |c| group_by(c, false, true),
    ),
    Get(
        "static IEnumerable<TResult> GroupBy<TSource, TKey, TElement, TResult>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, Func<TSource, TElement> elementSelector, Func<TKey, IEnumerable<TElement>, TResult> resultSelector)",
        |c| group_by(c, true, true),
    ),
    Get(
        "static ILookup<TKey, TSource> ToLookup<TSource, TKey>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector)",
        |c| to_lookup(c, false),
    ),
    Get(
        "static ILookup<TKey, TElement> ToLookup<TSource, TKey, TElement>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, Func<TSource, TElement> elementSelector)",
        |c| to_lookup(c, true),
    ),
    Get(
        "static IEnumerable<TResult> Join<TOuter, TInner, TKey, TResult>(this IEnumerable<TOuter> outer, IEnumerable<TInner> inner, Func<TOuter, TKey> outerKeySelector, Func<TInner, TKey> innerKeySelector, Func<TOuter, TInner, TResult> resultSelector)",
        |c| join(c, false),
    ),
    Get(
        "static IEnumerable<TResult> Join<TOuter, TInner, TKey, TResult>(this IEnumerable<TOuter> outer, IEnumerable<TInner> inner, Func<TOuter, TKey> outerKeySelector, Func<TInner, TKey> innerKeySelector, Func<TOuter, TInner, TResult> resultSelector, IEqualityComparer<TKey> comparer)",
        |c| join(c, false),
    ),
    Get(
        "static IEnumerable<TResult> GroupJoin<TOuter, TInner, TKey, TResult>(this IEnumerable<TOuter> outer, IEnumerable<TInner> inner, Func<TOuter, TKey> outerKeySelector, Func<TInner, TKey> innerKeySelector, Func<TOuter, IEnumerable<TInner>, TResult> resultSelector)",
        |c| join(c, true),
    ),
    Get(
        "static TSource First<TSource>(this IEnumerable<TSource> source)",
        |c| first(c, false),
    ),
    Get(
        "static TSource First<TSource>(this IEnumerable<TSource> source, Func<TSource, bool> predicate)",
        |c| first(c, false),
    ),
    Get(
        "static TSource FirstOrDefault<TSource>(this IEnumerable<TSource> source)",
        |c| first(c, true),
    ),
    Get(
        "static TSource FirstOrDefault<TSource>(this IEnumerable<TSource> source, Func<TSource, bool> predicate)",
        |c| first(c, true),
    ),
    Get(
        "static TSource Last<TSource>(this IEnumerable<TSource> source)",
        |c| last(c, false),
    ),
    Get(
        "static TSource Last<TSource>(this IEnumerable<TSource> source, Func<TSource, bool> predicate)",
        |c| last(c, false),
    ),
    Get(
        "static TSource LastOrDefault<TSource>(this IEnumerable<TSource> source)",
        |c| last(c, true),
    ),
    Get(
        "static TSource LastOrDefault<TSource>(this IEnumerable<TSource> source, Func<TSource, bool> predicate)",
        |c| last(c, true),
    ),
    Get(
        "static TSource Single<TSource>(this IEnumerable<TSource> source)",
        |c| single(c, false),
    ),
    Get(
        "static TSource Single<TSource>(this IEnumerable<TSource> source, Func<TSource, bool> predicate)",
        |c| single(c, false),
    ),
    Get(
        "static TSource SingleOrDefault<TSource>(this IEnumerable<TSource> source)",
        |c| single(c, true),
    ),
    Get(
        "static TSource SingleOrDefault<TSource>(this IEnumerable<TSource> source, Func<TSource, bool> predicate)",
        |c| single(c, true),
    ),
    Get(
        "static TSource ElementAt<TSource>(this IEnumerable<TSource> source, int index)",
        |c| element_at(c, false),
    ),
    Get(
        "static TSource ElementAtOrDefault<TSource>(this IEnumerable<TSource> source, int index)",
        |c| element_at(c, true),
    ),
    Get("static bool Any<TSource>(this IEnumerable<TSource> source)", any),
    Get(
        "static bool Any<TSource>(this IEnumerable<TSource> source, Func<TSource, bool> predicate)",
        any,
    ),
    Get(
        "static bool All<TSource>(this IEnumerable<TSource> source, Func<TSource, bool> predicate)",
        all_,
    ),
    Get(
        "static int Count<TSource>(this IEnumerable<TSource> source)",
        |c| count(c, false),
    ),
    Get(
        "static int Count<TSource>(this IEnumerable<TSource> source, Func<TSource, bool> predicate)",
        |c| count(c, false),
    ),
    Get(
        "static long LongCount<TSource>(this IEnumerable<TSource> source)",
        |c| count(c, true),
    ),
    Get(
        "static long LongCount<TSource>(this IEnumerable<TSource> source, Func<TSource, bool> predicate)",
        |c| count(c, true),
    ),
    Get(
        "static bool Contains<TSource>(this IEnumerable<TSource> source, TSource value)",
        contains,
    ),
    Get(
        "static bool Contains<TSource>(this IEnumerable<TSource> source, TSource value, IEqualityComparer<TSource> comparer)",
        contains,
    ),
    Get(
        "static bool SequenceEqual<TSource>(this IEnumerable<TSource> first, IEnumerable<TSource> second)",
        sequence_equal,
    ),
    Get(
        "static bool SequenceEqual<TSource>(this IEnumerable<TSource> first, IEnumerable<TSource> second, IEqualityComparer<TSource> comparer)",
        sequence_equal,
    ),
    Get(
        "static TSource Aggregate<TSource>(this IEnumerable<TSource> source, Func<TSource, TSource, TSource> func)",
        aggregate,
    ),
    Get(
        "static TAccumulate Aggregate<TSource, TAccumulate>(this IEnumerable<TSource> source, TAccumulate seed, Func<TAccumulate, TSource, TAccumulate> func)",
        aggregate,
    ),
    Get(
        "static TResult Aggregate<TSource, TAccumulate, TResult>(this IEnumerable<TSource> source, TAccumulate seed, Func<TAccumulate, TSource, TAccumulate> func, Func<TAccumulate, TResult> resultSelector)",
        aggregate,
    ),
    Get(
        "static TSource Max<TSource>(this IEnumerable<TSource> source)",
        |c| extreme_any(c, true),
    ),
    Get(
        "static TResult Max<TSource, TResult>(this IEnumerable<TSource> source, Func<TSource, TResult> selector)",
        |c| extreme_any(c, true),
    ),
    Get(
        "static TSource Min<TSource>(this IEnumerable<TSource> source)",
        |c| extreme_any(c, false),
    ),
    Get(
        "static TResult Min<TSource, TResult>(this IEnumerable<TSource> source, Func<TSource, TResult> selector)",
        |c| extreme_any(c, false),
    ),
    Get(
        "static TSource[] ToArray<TSource>(this IEnumerable<TSource> source)",
        to_array,
    ),
    Get(
        "static List<TSource> ToList<TSource>(this IEnumerable<TSource> source)",
        to_list,
    ),
    Get(
        "static HashSet<TSource> ToHashSet<TSource>(this IEnumerable<TSource> source)",
        to_hash_set,
    ),
    Get(
        "static HashSet<TSource> ToHashSet<TSource>(this IEnumerable<TSource> source, IEqualityComparer<TSource> comparer)",
        to_hash_set,
    ),
    Get(
        "static Dictionary<TKey, TSource> ToDictionary<TSource, TKey>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector)",
        |c| to_dictionary(c, false),
    ),
    Get(
        "static Dictionary<TKey, TSource> ToDictionary<TSource, TKey>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, IEqualityComparer<TKey> comparer)",
        |c| to_dictionary(c, false),
    ),
    Get(
        "static Dictionary<TKey, TElement> ToDictionary<TSource, TKey, TElement>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, Func<TSource, TElement> elementSelector)",
        |c| to_dictionary(c, true),
    ),
    Get(
        "static Dictionary<TKey, TElement> ToDictionary<TSource, TKey, TElement>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, Func<TSource, TElement> elementSelector, IEqualityComparer<TKey> comparer)",
        |c| to_dictionary(c, true),
    ),
];

pub(super) const TYPES: &[Decl] = &[
    all("static System.Linq.Enumerable", ENUMERABLE),
    all(
        "interface System.Linq.IGrouping<out TKey, out TElement> : IEnumerable<TElement>",
        &[Get("TKey Key", group_key)],
    ),
    none(
        "class System.Linq.Grouping<TKey, TElement> : IGrouping<TKey, TElement>, IList<TElement>",
        &[],
    ),
    none(
        "class System.Linq.EmptyPartition<TElement> : IEnumerable<TElement>",
        &[],
    ),
    none(
        "interface System.Linq.ILookup<TKey, TElement> : IEnumerable<IGrouping<TKey, TElement>>",
        &[
            Get("int Count", collections::count),
            Get("bool Contains(TKey key)", |c| {
                let k = c.arg(1).clone();
                Ok(Value::Bool(collections::look_up(c, &k)?.is_some()))
            }),
            Get("IEnumerable<TElement> this[TKey key]", lookup_get),
        ],
    ),
    none(
        "interface System.Linq.IOrderedEnumerable<out TElement> : IEnumerable<TElement>",
        &[],
    ),
];
