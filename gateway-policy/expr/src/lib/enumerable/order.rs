//! Ordering, grouping and joining.

use super::*;

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
                let found = compare_with(vm, &key.by, &x[n], &y[n]).map_err(incomparable)?;
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

/// What sorting says where a comparison finds no common order.
fn incomparable(thrown: Thrown) -> Thrown {
    match thrown {
        Thrown::Error(e) if e.kind == ExceptionKind::ArgumentException => {
            Error::invalid_operation("Failed to compare two elements in the array.").into()
        }
        other => other,
    }
}

pub(super) fn order_by(c: &mut Call<'_, '_>, descending: bool) -> Eval {
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

pub(super) fn then_by(c: &mut Call<'_, '_>, descending: bool) -> Eval {
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
pub(super) fn group_by(c: &mut Call<'_, '_>, has_element: bool, has_result: bool) -> Eval {
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
        let all: Vec<String> = c.types.iter().map(Type::net_name).collect();
        Some(format!(
            "System.Linq.GroupedResultEnumerable`{}[{}]",
            all.len(),
            all.join(",")
        ))
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

fn lookup_type() -> types::DefId {
    types::registry()
        .by_full_name("System.Linq.Lookup`2")
        .unwrap_or(types::ILOOKUP)
}

pub(super) fn to_lookup(c: &mut Call<'_, '_>, has_element: bool) -> Eval {
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
        Type::generic(lookup_type(), [key_ty, item_ty]),
        by,
        entries,
    ))
}

pub(super) fn lookup_get(c: &mut Call<'_, '_>) -> Eval {
    let key = c.arg(1).clone();
    Ok(collections::look_up(c, &key)?.unwrap_or_else(|| Value::array(c.ty(1), Vec::new())))
}

pub(super) fn join(c: &mut Call<'_, '_>, grouped: bool) -> Eval {
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

pub(super) fn no_elements() -> Thrown {
    Error::invalid_operation("Sequence contains no elements").into()
}
