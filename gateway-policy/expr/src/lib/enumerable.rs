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
    iter::{Iter, Mapping, Ready, Sequence},
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
    mapping: Option<Mapping>,
}

impl Sequence for Lazy {
    fn iter(&self, vm: &mut Vm<'_>) -> Result<Box<dyn Iter>, Thrown> {
        (self.start)(vm)
    }

    fn type_name(&self) -> Option<String> {
        self.name.clone()
    }

    fn mapping(&self) -> Option<&Mapping> {
        self.mapping.as_ref()
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
    mapped_lazy(element, name, None, start)
}

fn mapped_lazy(
    element: Type,
    name: Option<String>,
    mapping: Option<Mapping>,
    start: impl Fn(&mut Vm<'_>) -> Result<Box<dyn Iter>, Thrown> + 'static,
) -> Eval {
    let sequence = Lazy {
        start: Box::new(start),
        name,
        mapping,
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

// ---- deferred operators

fn where_(c: &mut Call<'_, '_>) -> Eval {
    let (src, test) = (source(c, 0, "source")?, function(c, 1, "predicate")?);
    let ty = c.ty(0);
    let indexed = is_indexed(&test, 2);
    if is_empty_array(&src) {
        return empty(ty);
    }
    let name = names::of_where(&src, &ty, indexed);
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
    if is_empty_array(&src) {
        return empty(to);
    }
    let name = names::of_select(&src, &from, &to, indexed);
    let mapping = if indexed {
        None
    } else {
        names::mapping(&src, &f, &from)
    };
    mapped_lazy(to, name, mapping, move |vm| {
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

fn select_many(c: &mut Call<'_, '_>) -> Eval {
    let (src, f) = (source(c, 0, "source")?, function(c, 1, "selector")?);
    let result = c.args.get(2).cloned();
    let to = c.types.last().cloned().unwrap_or(Type::OBJECT);
    let indexed = is_indexed(&f, 2);
    let name = match (&result, indexed) {
        (None, false) => named("SelectManySingleSelectorIterator", &[&c.ty(0), &to]),
        (None, true) => named("<SelectManyIterator>d__166", &[&c.ty(0), &to]),
        (Some(_), false) => named("<SelectManyIterator>d__180", &[&c.ty(0), &c.ty(1), &to]),
        (Some(_), true) => named("<SelectManyIterator>d__173", &[&c.ty(0), &c.ty(1), &to]),
    };
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

fn take(c: &mut Call<'_, '_>) -> Eval {
    let (src, count) = (source(c, 0, "source")?, c.int(1)?);
    let ty = c.ty(0);
    let name = names::of_partition(&src, &ty);
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
    let name = names::of_partition(&src, &ty);
    lazy(ty, name, move |vm| {
        // Items that a `Select` skips are not mapped.
        if let Some((all, selector)) = names::mapped_items(vm, &src)? {
            let mut it = all.into_iter().skip(usize::try_from(count).unwrap_or(0));
            return step(move |vm| match it.next() {
                Some(v) => {
                    vm.step()?;
                    Ok(Some(vm.invoke(&selector, &[v])?))
                }
                None => Ok(None),
            });
        }
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
    let ty = c.ty(0);
    let name = if take {
        names::of_partition(&src, &ty)
    } else {
        named("<SkipLastIterator>d__193", &[&ty])
    };
    lazy(ty, name, move |vm| {
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
        match (taking, indexed) {
            (true, false) => "<TakeWhileIterator>d__216",
            (true, true) => "<TakeWhileIterator>d__218",
            (false, false) => "<SkipWhileIterator>d__189",
            (false, true) => "<SkipWhileIterator>d__191",
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
    let name = named(names::repeated(&a, "Concat2Iterator", "ConcatNIterator"), &[&ty]);
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
    let name = named(
        names::repeated(&src, "AppendPrepend1Iterator", "AppendPrependN"),
        &[&ty],
    );
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
        "union" => named(
            names::repeated(&first, "UnionIterator2", "UnionIteratorN"),
            &[&ty],
        ),
        "intersect" => named("<IntersectIterator>d__100", &[&ty]),
        "except" => named("<ExceptIterator>d__80", &[&ty]),
        _ => None,
    };
    lazy(ty, name, move |vm| {
        let mut seen = crate::collections::Table::new(by);
        let mut other = crate::collections::Table::new(by);
        let mut rest = None;
        if let Some(second) = &second {
            if how == "union" {
                rest = Some(second.clone());
            } else {
                for v in vm.collect(second)? {
                    other.set(v, Value::Null);
                }
            }
        }
        let mut it = vm.iter(&first)?;
        step(move |vm| {
            loop {
                let Some(v) = it.next(vm)? else {
                    match rest.take() {
                        Some(second) => it = vm.iter(&second)?,
                        None => return Ok(None),
                    }
                    continue;
                };
                vm.step()?;
                let allowed = match how {
                    "intersect" => other.contains(&v),
                    "except" => !other.contains(&v),
                    _ => true,
                };
                if allowed && !seen.contains(&v) {
                    vm.charge(3 * size_of::<Value>())?;
                    seen.set(v.clone(), Value::Null);
                    return Ok(Some(v));
                }
            }
        })
    })
}

fn reverse(c: &mut Call<'_, '_>) -> Eval {
    let src = source(c, 0, "source")?;
    let ty = c.ty(0);
    let name = named("ReverseIterator", &[&ty]);
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
    let name = named("<CastIterator>d__63", &[&ty]);
    lazy(ty, name, move |vm| {
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
    if c.args.len() == 1 {
        let src = source(c, 0, "source")?;
        if let Some((mut all, selector)) = names::mapped_items(c.vm, &src)? {
            return match all.pop() {
                Some(v) => c.vm.invoke(&selector, &[v]),
                None => element(c, None, or_default),
            };
        }
    }
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
    if let Some((all, selector)) = names::mapped_items(c.vm, &src)? {
        let found = usize::try_from(index).ok().and_then(|i| all.into_iter().nth(i));
        return match found {
            Some(v) => c.vm.invoke(&selector, &[v]),
            None if or_default => Ok(cast::default_value(&c.ty(0))),
            None => Err(collections::out_of_range()),
        };
    }
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

mod names;
mod order;
mod table;

use names::{empty, is_empty_array, named};
use order::{group_by, join, lookup_get, no_elements, order_by, then_by, to_lookup};

pub(super) use table::{NUMERIC, TYPES};
