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

pub(crate) fn read_only(c: &Call<'_, '_>) -> Value {
    let ty = types::registry()
        .by_full_name("System.Collections.ObjectModel.ReadOnlyCollection`1")
        .map_or(Type::OBJECT, |d| Type::generic(d, c.types.to_vec()));
    Value::object(ty, Data::Native(Box::new(View(c.arg(0).clone()))))
}

/// A `ReadOnlyCollection<T>`: another collection, which still changes.
pub(crate) struct View(pub Value);

/// The collection behind a read-only view.
pub(crate) fn viewed(o: &Object) -> Option<Value> {
    o.native::<View>().map(|v| v.0.clone())
}

fn view_item(c: &mut Call<'_, '_>) -> Eval {
    let items = items_of(c)?;
    for _ in 0..items.len() / 8 {
        c.vm.step()?;
    }
    Ok(items[position(c.int(1)?, items.len())?].clone())
}

/// The places of a search backwards: those before and at `start`, at most `count`.
fn backwards(c: &Call<'_, '_>, at: usize, len: usize) -> Result<std::ops::Range<usize>, Thrown> {
    let Some(Value::Int(start)) = c.args.get(at) else {
        return Ok(0..len);
    };
    let from = match usize::try_from(*start) {
        Ok(from) if from < len => from,
        // A list without items can be searched from before its start.
        _ if len == 0 && *start == -1 => return Ok(0..0),
        _ => return Err(out_of_range()),
    };
    match c.args.get(at + 1) {
        Some(Value::Int(n)) => usize::try_from(*n)
            .ok()
            .filter(|n| *n <= from + 1)
            .map(|n| from + 1 - n..from + 1)
            .ok_or_else(out_of_range),
        _ => Ok(0..from + 1),
    }
}

fn last_index_in(c: &mut Call<'_, '_>) -> Eval {
    let items = items_of(c)?;
    if items.is_empty() {
        return match c.args.get(2) {
            Some(Value::Int(0..)) if c.args.len() == 3 => Err(out_of_range()),
            _ => Ok(Value::Int(-1)),
        };
    }
    let found = backwards(c, 2, items.len())?
        .rev()
        .find(|i| equality::object_equals(&items[*i], c.arg(1)));
    Ok(Value::Int(found.map_or(-1, |i| i as i32)))
}

fn find_last_index(c: &mut Call<'_, '_>) -> Eval {
    let items = items_of(c)?;
    let test = c.args.last().cloned().unwrap_or(Value::Null);
    if test.is_null() {
        return Err(Error::null("match").into());
    }
    let places = if c.args.len() > 2 {
        backwards(c, 1, items.len())?
    } else {
        0..items.len()
    };
    for i in places.rev() {
        c.vm.step()?;
        if c.vm.test(&test, std::slice::from_ref(&items[i]))? {
            return Ok(Value::Int(i as i32));
        }
    }
    Ok(Value::Int(-1))
}

/// `BinarySearch([index, count, ]item[, comparer])`
fn list_search(c: &mut Call<'_, '_>) -> Eval {
    let items = items_of(c)?;
    let (from, to, at) = match c.args.len() {
        2 | 3 => (0, items.len(), 1),
        _ => {
            let (i, n) = span(c, items.len())?;
            (i, i + n, 3)
        }
    };
    let (wanted, by) = (c.arg(at).clone(), c.arg(at + 1).clone());
    super::super::arrays::search(c, &items[from..to], from, &wanted, &by)
}

/// `Sort(index, count, comparer)`
fn sort_part(c: &mut Call<'_, '_>) -> Eval {
    let mut items = items_of(c)?;
    let (i, n) = span(c, items.len())?;
    let by = c.arg(3).clone();
    introsort(c.vm, &mut items[i..i + n], None, &by)?;
    changed(c, |l| {
        l.items = items.into();
        Ok(Value::Null)
    })
}

/// `CopyTo(index, array, arrayIndex, count)`
fn copy_part(c: &mut Call<'_, '_>) -> Eval {
    let items = items_of(c)?;
    let (from, count) = (c.int(1)?, c.int(4)?);
    if i64::from(from) + i64::from(count) > items.len() as i64 {
        let message = "Offset and length were out of bounds for the array or count is greater than the number of elements from index to the end of the source collection.";
        return Err(Error::new(ExceptionKind::ArgumentException, message).into());
    }
    let (Ok(i), Ok(n)) = (usize::try_from(from), usize::try_from(count)) else {
        return Err(Error::out_of_range("index", "Non-negative number required.").into());
    };
    let at = c.int(3)?;
    copy_items(c, items[i..i + n].to_vec(), 2, at)
}

/// `HashSet.CopyTo(array, arrayIndex, count)`: the first of them.
fn copy_some(c: &mut Call<'_, '_>) -> Eval {
    let mut items = items_of(c)?;
    let at = c.int(2)?;
    let count = usize::try_from(c.int(3)?)
        .map_err(|_| Error::out_of_range("count", "Non-negative number required."))?;
    let room = c.array_len(1).unwrap_or(0);
    items.truncate(count);
    if c.arg(1).is_null() || at < 0 {
        return copy_items(c, items, 1, at);
    }
    if (at as usize).saturating_add(count) > room {
        return Err(Error::of(ExceptionKind::ArgumentException).into());
    }
    copy_items(c, items, 1, at)
}

/// `CopyTo` of a collection that checks the index against the array first.
fn copy_checked(c: &mut Call<'_, '_>) -> Eval {
    let at = c.int(2)?;
    if c.array_len(1)
        .is_some_and(|room| usize::try_from(at).map_or(true, |at| at > room))
    {
        return Err(out_of_range());
    }
    copy_to(c)
}

fn ensure_capacity(c: &mut Call<'_, '_>) -> Eval {
    let wanted = usize::try_from(c.int(1)?)
        .map_err(|_| Error::out_of_range("capacity", "Non-negative number required."))?;
    c.vm.charge(wanted.saturating_mul(size_of::<Value>()))?;
    Ok(Value::Int(table(c, |t| Ok(t.ensure_capacity(wanted)))? as i32))
}

fn trim_table(c: &mut Call<'_, '_>) -> Eval {
    let len = table(c, |t| Ok(t.len()))?;
    let wanted = match c.args.get(1) {
        Some(Value::Int(n)) => usize::try_from(*n).ok().filter(|n| *n >= len),
        _ => Some(len),
    };
    let wanted =
        wanted.ok_or_else(|| Error::out_of_range("capacity", "capacity was less than the current size."))?;
    // A set closes up even where it does not shrink.
    let set = matches!(c.arg(0), Value::Object(o) if o.ty.def() == Some(types::HASH_SET));
    table(c, |t| {
        t.trim(wanted, set);
        Ok(Value::Null)
    })
}

/// A comparer as an object: what text is compared with, else the default one.
fn comparer_value(c: &Call<'_, '_>, how: Comparer) -> Value {
    let name = match how {
        Comparer::Text(_) => "System.StringComparer",
        _ => "System.Collections.Generic.EqualityComparer`1",
    };
    let ty = types::registry()
        .by_full_name(name)
        .map_or(Type::OBJECT, |d| match how {
            Comparer::Text(_) => Type::Def(d),
            _ => Type::generic(d, [c.ty(0)]),
        });
    Value::object(ty, Data::Native(Box::new(how)))
}

fn own_comparer(c: &mut Call<'_, '_>) -> Eval {
    let how = table(c, |t| Ok(t.comparer))?;
    Ok(comparer_value(c, how))
}

fn deconstruct(c: &mut Call<'_, '_>) -> Eval {
    let (key, value) = pair(c.arg(0)).ok_or_else(Error::null_reference)?;
    c.out(1, key);
    c.out(2, value);
    Ok(Value::Null)
}

fn trim_list(c: &mut Call<'_, '_>) -> Eval {
    list(c, |l| {
        let len = l.items.len();
        // Less than a tenth of air stays.
        if len < (l.capacity() as f64 * 0.9) as usize {
            l.set_capacity(len);
        }
        Ok(Value::Null)
    })
}

/// Members of `Dictionary<TKey, TValue>`.
pub(crate) const DICTIONARY: &[Entry] = &[
    Get(
        "ctor(int capacity, IEqualityComparer<TKey> comparer)",
        new_dictionary,
    ),
    Get(
        "ctor(IEnumerable<KeyValuePair<TKey, TValue>> collection, IEqualityComparer<TKey> comparer)",
        new_dictionary,
    ),
    Get("IEqualityComparer<TKey> Comparer", own_comparer),
    Get("int EnsureCapacity(int capacity)", ensure_capacity),
    Get("void TrimExcess()", trim_table),
    Get("void TrimExcess(int capacity)", trim_table),
];

/// Members of `Queue<T>` and `Stack<T>`.
pub(crate) const QUEUE: &[Entry] = &[
    Get("void CopyTo(T[] array, int arrayIndex)", copy_checked),
    Get("void TrimExcess()", nothing),
];

/// Members of `KeyValuePair<TKey, TValue>`.
pub(crate) const PAIR: &[Entry] = &[Get(
    "void Deconstruct(out TKey key, out TValue value)",
    deconstruct,
)];

pub(crate) const LIST: &[Entry] = &[
    Get("int LastIndexOf(T item)", last_index_in),
    Get("int LastIndexOf(T item, int index)", last_index_in),
    Get("int LastIndexOf(T item, int index, int count)", last_index_in),
    Get("int FindLastIndex(Predicate<T> match)", find_last_index),
    Get(
        "int FindLastIndex(int startIndex, Predicate<T> match)",
        find_last_index,
    ),
    Get(
        "int FindLastIndex(int startIndex, int count, Predicate<T> match)",
        find_last_index,
    ),
    Get("int BinarySearch(T item)", list_search),
    Get("int BinarySearch(T item, IComparer<T> comparer)", list_search),
    Get(
        "int BinarySearch(int index, int count, T item, IComparer<T> comparer)",
        list_search,
    ),
    Get(
        "void Sort(int index, int count, IComparer<T> comparer)",
        sort_part,
    ),
    Get(
        "void CopyTo(int index, T[] array, int arrayIndex, int count)",
        copy_part,
    ),
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
        |c| Ok(read_only(c)),
    ),
    Get("void TrimExcess()", trim_list),
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

pub(crate) const HASH_SET: &[Entry] = &[
    Get("bool TryGetValue(T equalValue, out T actualValue)", set_find),
    Get("ctor(int capacity, IEqualityComparer<T> comparer)", new_set),
    Get("IEqualityComparer<T> Comparer", own_comparer),
    Get("int EnsureCapacity(int capacity)", ensure_capacity),
    Get("void TrimExcess()", trim_table),
    Get("void CopyTo(T[] array, int arrayIndex)", copy_to),
    Get("void CopyTo(T[] array, int arrayIndex, int count)", copy_some),
    Get("static IEqualityComparer<HashSet<T>> CreateSetComparer()", |c| {
        Ok(comparer_value(c, Comparer::Sets))
    }),
];

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

pub(crate) const TUPLE: &[Entry] = &[
    Get(
        "static Tuple<T1, T2, T3, T4, T5, T6> Create<T1, T2, T3, T4, T5, T6>(T1 item1, T2 item2, T3 item3, T4 item4, T5 item5, T6 item6)",
        base::new_tuple,
    ),
    Get(
        "static Tuple<T1, T2, T3, T4, T5, T6, T7> Create<T1, T2, T3, T4, T5, T6, T7>(T1 item1, T2 item2, T3 item3, T4 item4, T5 item5, T6 item6, T7 item7)",
        base::new_tuple,
    ),
    Get(
        "static Tuple<T1, T2, T3, T4, T5, T6, T7, Tuple<T8>> Create<T1, T2, T3, T4, T5, T6, T7, T8>(T1 item1, T2 item2, T3 item3, T4 item4, T5 item5, T6 item6, T7 item7, T8 item8)",
        new_tuple_of_eight,
    ),
];

/// `new Tuple<…>(…, rest)`: the last part must be a tuple itself.
fn new_tuple_with_rest(c: &mut Call<'_, '_>) -> Eval {
    let tuple = matches!(c.arg(7), Value::Object(o) if matches!(&o.data, Data::Tuple(_)));
    if !tuple {
        let message = "The TRest type argument of ValueTuple`8 must be a ValueTuple.";
        return Err(Error::new(ExceptionKind::ArgumentException, message).into());
    }
    base::new_tuple(c)
}

/// `Tuple.Create` of eight: the eighth in a tuple of its own.
fn new_tuple_of_eight(c: &mut Call<'_, '_>) -> Eval {
    let last = [c.ty(7)];
    let mut one = [c.take(7)];
    let rest = base::new_tuple(&mut Call {
        vm: c.vm,
        args: &mut one,
        types: &last,
    })?;
    let mut types = c.types.to_vec();
    types[7] = rest.runtime_type();
    c.args[7] = rest;
    base::new_tuple(&mut Call {
        vm: c.vm,
        args: c.args,
        types: &types,
    })
}

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
    all(
        "class System.Tuple<T1, T2, T3, T4, T5, T6, T7, TRest>",
        &[
            Get(
                "ctor(T1 item1, T2 item2, T3 item3, T4 item4, T5 item5, T6 item6, T7 item7, TRest rest)",
                new_tuple_with_rest,
            ),
            Get("T1 Item1", |c| base::item(c, 0)),
            Get("T2 Item2", |c| base::item(c, 1)),
            Get("T3 Item3", |c| base::item(c, 2)),
            Get("T4 Item4", |c| base::item(c, 3)),
            Get("T5 Item5", |c| base::item(c, 4)),
            Get("T6 Item6", |c| base::item(c, 5)),
            Get("T7 Item7", |c| base::item(c, 6)),
            Get("TRest Rest", |c| base::item(c, 7)),
            Get("string ToString()", base::to_string),
            Get("bool Equals(object obj)", base::equals),
            Get("int GetHashCode()", base::hash_code),
        ],
    ),
    none(
        "abstract class System.Collections.Generic.EqualityComparer<T> : IEqualityComparer<T>",
        &[],
    ),
    none(
        "class System.Collections.ObjectModel.ReadOnlyCollection<T> : IList<T>, IReadOnlyList<T>",
        &[
            Get("int Count", count),
            Get("T this[int index]", view_item),
            Get("bool Contains(T value)", contains),
            Get("int IndexOf(T value)", index_in),
        ],
    ),
    all(
        "class System.Collections.Generic.Dictionary+KeyCollection<TKey, TValue> : ICollection<TKey>, IReadOnlyCollection<TKey>",
        &[
            Get("int Count", count),
            Get("void CopyTo(TKey[] array, int index)", copy_checked),
        ],
    ),
    all(
        "class System.Collections.Generic.Dictionary+ValueCollection<TKey, TValue> : ICollection<TValue>, IReadOnlyCollection<TValue>",
        &[
            Get("int Count", count),
            Get("void CopyTo(TValue[] array, int index)", copy_checked),
        ],
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
