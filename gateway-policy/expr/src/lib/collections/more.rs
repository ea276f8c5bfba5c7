//! Members of lists, sets, arrays and tuples beyond the common ones.

use super::*;
use crate::lib::Entry;

/// `(start, count)` of a search in `len` items, from the arguments behind `at`.
fn window(c: &Call<'_, '_>, at: usize, len: usize) -> Result<(usize, usize), Thrown> {
    let start = if c.args.len() > at { c.int(at)? } else { 0 };
    let from = usize::try_from(start).ok().filter(|s| *s <= len).ok_or_else(|| {
        Error::out_of_range(
            "startIndex",
            "Index was out of range. Must be non-negative and less than the size of the collection.",
        )
    })?;
    let count = match c.args.get(at + 1) {
        Some(Value::Int(n)) => usize::try_from(*n).ok().filter(|n| from + n <= len).ok_or_else(|| {
            Error::out_of_range("count", "Count must be positive and count must refer to a location within the string/array/collection.")
        })?,
        _ => len - from,
    };
    Ok((from, from + count))
}

fn index_in(c: &mut Call<'_, '_>) -> Eval {
    let items = items_of(c)?;
    let (from, to) = window(c, 2, items.len())?;
    let found = items[from..to]
        .iter()
        .position(|v| equality::object_equals(v, c.arg(1)));
    Ok(Value::Int(found.map_or(-1, |i| (from + i) as i32)))
}

/// `FindIndex(start[, count], match)`
fn find_index_in(c: &mut Call<'_, '_>) -> Eval {
    let items = items_of(c)?;
    let test = c.args.last().cloned().unwrap_or(Value::Null);
    let last = c.args.len() - 1;
    let start = usize::try_from(c.int(1)?)
        .ok()
        .filter(|s| *s <= items.len())
        .ok_or_else(out_of_range)?;
    let count = if last > 2 {
        c.int(2)?
    } else {
        (items.len() - start) as i32
    };
    let to = usize::try_from(count)
        .ok()
        .map(|n| start + n)
        .filter(|to| *to <= items.len())
        .ok_or_else(out_of_range)?;
    for (i, item) in items.iter().enumerate().take(to).skip(start) {
        c.vm.step()?;
        if c.vm.test(&test, std::slice::from_ref(item))? {
            return Ok(Value::Int(i as i32));
        }
    }
    Ok(Value::Int(-1))
}

fn reverse_part(c: &mut Call<'_, '_>) -> Eval {
    let len = list(c, |l| Ok(l.items.len()))?;
    let (i, n) = span(c, len)?;
    changed(c, |l| {
        l.items.make_contiguous()[i..i + n].reverse();
        Ok(Value::Null)
    })
}

fn read_only(c: &mut Call<'_, '_>) -> Eval {
    let items = items_of(c)?;
    let ty = types::registry()
        .by_full_name("System.Collections.ObjectModel.ReadOnlyCollection`1")
        .map_or(Type::OBJECT, |d| Type::generic(d, c.types.to_vec()));
    Ok(Value::object(ty, Data::List(RefCell::new(items.into()))))
}

pub(crate) const LIST: &[Entry] = &[
    Get("int IndexOf(T item, int index)", index_in),
    Get("int IndexOf(T item, int index, int count)", index_in),
    Get("int FindIndex(int startIndex, Predicate<T> match)", find_index_in),
    Get(
        "int FindIndex(int startIndex, int count, Predicate<T> match)",
        find_index_in,
    ),
    Get("void Reverse(int index, int count)", reverse_part),
    Get(
        "System.Collections.ObjectModel.ReadOnlyCollection<T> AsReadOnly()",
        read_only,
    ),
    Get("void TrimExcess()", nothing),
];

fn set_find(c: &mut Call<'_, '_>) -> Eval {
    let wanted = c.arg(1).clone();
    let found = table(c, |t| {
        Ok(t.iter()
            .find(|(k, _)| equality::equals(k, &wanted, t.comparer))
            .map(|(k, _)| k.clone()))
    })?;
    let ok = found.is_some();
    let default = cast::default_value(&c.ty(0));
    c.out(2, found.unwrap_or(default));
    Ok(Value::Bool(ok))
}

pub(crate) const HASH_SET: &[Entry] = &[Get("bool TryGetValue(T equalValue, out T actualValue)", set_find)];

pub(crate) const ISET: &[Entry] = &[
    Get("void UnionWith(IEnumerable<T> other)", |c| set_update(c, "union")),
    Get("void IntersectWith(IEnumerable<T> other)", |c| {
        set_update(c, "intersect")
    }),
    Get("void ExceptWith(IEnumerable<T> other)", |c| {
        set_update(c, "except")
    }),
    Get("void SymmetricExceptWith(IEnumerable<T> other)", |c| {
        set_update(c, "symmetric")
    }),
    Get("bool IsSubsetOf(IEnumerable<T> other)", |c| {
        set_relation(c, subset)
    }),
    Get("bool IsSupersetOf(IEnumerable<T> other)", |c| {
        set_relation(c, |a, b| subset(b, a))
    }),
    Get("bool IsProperSubsetOf(IEnumerable<T> other)", |c| {
        set_relation(c, |a, b| subset(a, b) && a.len() < b.len())
    }),
    Get("bool IsProperSupersetOf(IEnumerable<T> other)", |c| {
        set_relation(c, |a, b| subset(b, a) && b.len() < a.len())
    }),
    Get("bool Overlaps(IEnumerable<T> other)", |c| {
        set_relation(c, |a, b| a.iter().any(|(k, _)| b.contains(k)))
    }),
    Get("bool SetEquals(IEnumerable<T> other)", |c| {
        set_relation(c, |a, b| a.len() == b.len() && subset(a, b))
    }),
];

/// `Array.BinarySearch`: any hit, or the complement of where it would stand.
fn array_search(c: &mut Call<'_, '_>) -> Eval {
    let items = c.sequence(0, "array")?;
    let wanted = c.arg(1).clone();
    let (mut low, mut high) = (0i64, items.len() as i64 - 1);
    while low <= high {
        c.vm.step()?;
        let middle = low + (high - low) / 2;
        match equality::compare(&items[middle as usize], &wanted)? {
            Ordering::Equal => return Ok(Value::Int(middle as i32)),
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle - 1,
        }
    }
    Ok(Value::Int(!(low as i32)))
}

fn array_fill(c: &mut Call<'_, '_>) -> Eval {
    let (target, value) = (c.arg(0).clone(), c.arg(1).clone());
    let Some(len) = c.array_len(0) else {
        return Err(Error::null("array").into());
    };
    for i in 0..len {
        c.vm.step()?;
        crate::array::set(&target, &[Value::Int(i as i32)], value.clone())?;
    }
    Ok(Value::Null)
}

/// `Array.Sort(keys, items)`: both in the order of the keys.
fn sort_pairs(c: &mut Call<'_, '_>) -> Eval {
    let (keys, items) = (c.sequence(0, "keys")?, c.sequence(1, "items")?);
    if items.len() < keys.len() {
        return Err(Error::of(ExceptionKind::ArgumentException).into());
    }
    let places: Vec<Value> = (0..keys.len()).map(|i| Value::Int(i as i32)).collect();
    let order = merge_sort(c.vm, places, &mut |vm, a, b| match (a, b) {
        (Value::Int(a), Value::Int(b)) => {
            compare_with(vm, &Value::Null, &keys[*a as usize], &keys[*b as usize])
        }
        _ => Ok(Ordering::Equal),
    })?;
    for (to, from) in order.iter().enumerate() {
        if let Value::Int(from) = from {
            let at = [Value::Int(to as i32)];
            crate::array::set(c.arg(0), &at, keys[*from as usize].clone())?;
            crate::array::set(c.arg(1), &at, items[*from as usize].clone())?;
        }
    }
    Ok(Value::Null)
}

pub(crate) const ARRAY: &[Entry] = &[
    Get("static int BinarySearch<T>(T[] array, T value)", array_search),
    Get("static int BinarySearch(Array array, object value)", array_search),
    Get("static void Fill<T>(T[] array, T value)", array_fill),
    Get(
        "static void Sort<TKey, TValue>(TKey[] keys, TValue[] items)",
        sort_pairs,
    ),
];

pub(crate) const TUPLE: &[Entry] = &[
    Get(
        "static Tuple<T1, T2, T3, T4, T5, T6> Create<T1, T2, T3, T4, T5, T6>(T1 item1, T2 item2, T3 item3, T4 item4, T5 item5, T6 item6)",
        base::new_tuple,
    ),
    Get(
        "static Tuple<T1, T2, T3, T4, T5, T6, T7> Create<T1, T2, T3, T4, T5, T6, T7>(T1 item1, T2 item2, T3 item3, T4 item4, T5 item5, T6 item6, T7 item7)",
        base::new_tuple,
    ),
];

pub(crate) const VALUE_TUPLE: &[Entry] = &[
    Get(
        "static (T1, T2, T3, T4) Create<T1, T2, T3, T4>(T1 item1, T2 item2, T3 item3, T4 item4)",
        base::value_tuple,
    ),
    Get(
        "static (T1, T2, T3, T4, T5) Create<T1, T2, T3, T4, T5>(T1 item1, T2 item2, T3 item3, T4 item4, T5 item5)",
        base::value_tuple,
    ),
];

pub(crate) const TYPES: &[Decl] = &[
    all(
        "class System.Tuple<T1, T2, T3, T4, T5, T6>",
        &[
            Get(
                "ctor(T1 item1, T2 item2, T3 item3, T4 item4, T5 item5, T6 item6)",
                base::new_tuple,
            ),
            Get("T1 Item1", |c| base::item(c, 0)),
            Get("T2 Item2", |c| base::item(c, 1)),
            Get("T3 Item3", |c| base::item(c, 2)),
            Get("T4 Item4", |c| base::item(c, 3)),
            Get("T5 Item5", |c| base::item(c, 4)),
            Get("T6 Item6", |c| base::item(c, 5)),
            Get("string ToString()", base::to_string),
            Get("bool Equals(object obj)", base::equals),
            Get("int GetHashCode()", base::hash_code),
        ],
    ),
    all(
        "class System.Tuple<T1, T2, T3, T4, T5, T6, T7>",
        &[
            Get(
                "ctor(T1 item1, T2 item2, T3 item3, T4 item4, T5 item5, T6 item6, T7 item7)",
                base::new_tuple,
            ),
            Get("T1 Item1", |c| base::item(c, 0)),
            Get("T2 Item2", |c| base::item(c, 1)),
            Get("T3 Item3", |c| base::item(c, 2)),
            Get("T4 Item4", |c| base::item(c, 3)),
            Get("T5 Item5", |c| base::item(c, 4)),
            Get("T6 Item6", |c| base::item(c, 5)),
            Get("T7 Item7", |c| base::item(c, 6)),
            Get("string ToString()", base::to_string),
            Get("bool Equals(object obj)", base::equals),
            Get("int GetHashCode()", base::hash_code),
        ],
    ),
    none(
        "class System.Collections.ObjectModel.ReadOnlyCollection<T> : IList<T>, IReadOnlyList<T>",
        &[
            Get("int Count", count),
            Get("T this[int index]", get),
            Get("bool Contains(T value)", contains),
            Get("int IndexOf(T value)", index_in),
        ],
    ),
    all(
        "class System.Collections.Generic.Dictionary+KeyCollection<TKey, TValue> : ICollection<TKey>, IReadOnlyCollection<TKey>",
        &[Get("int Count", count)],
    ),
    all(
        "class System.Collections.Generic.Dictionary+ValueCollection<TKey, TValue> : ICollection<TValue>, IReadOnlyCollection<TValue>",
        &[Get("int Count", count)],
    ),
    none(
        "static System.Collections.Generic.KeyValuePair",
        &[Get(
            "static KeyValuePair<TKey, TValue> Create<TKey, TValue>(TKey key, TValue value)",
            |c| {
                let ty = Type::generic(types::KEY_VALUE_PAIR, c.types.to_vec());
                Ok(Value::object(ty, Data::Pair(c.arg(0).clone(), c.arg(1).clone())))
            },
        )],
    ),
];
