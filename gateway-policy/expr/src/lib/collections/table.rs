//! The tables of collections: signatures as C# writes them, and the functions beside this file.

use super::*;
use crate::lib::Entry;

const LIST: &[Entry] = &[
    Get("ctor()", |c| new_list(c, types::LIST)),
    Get("ctor(int capacity)", |c| new_list(c, types::LIST)),
    Get("ctor(IEnumerable<T> collection)", |c| new_list(c, types::LIST)),
    Get("int Count", count),
    Set(
        "int Capacity",
        |c| list(c, |l| Ok(Value::Int(l.capacity() as i32))),
        |c| {
            let wanted = usize::try_from(c.int(1)?).ok();
            let fits = list(c, |l| Ok(wanted.is_some_and(|n| l.set_capacity(n))))?;
            if fits {
                return Ok(Value::Null);
            }
            Err(Error::out_of_range("value", "capacity was less than the current size.").into())
        },
    ),
    Set("T this[int index]", get, set),
    Get("void Add(T item)", add),
    Get("void AddRange(IEnumerable<T> collection)", add_range),
    Get("void Insert(int index, T item)", insert),
    Get(
        "void InsertRange(int index, IEnumerable<T> collection)",
        insert_range,
    ),
    Get("bool Remove(T item)", remove),
    Get("void RemoveAt(int index)", remove_at),
    Get("void RemoveRange(int index, int count)", remove_range),
    Get("int RemoveAll(Predicate<T> match)", remove_all),
    Get("void Clear()", clear),
    Get("bool Contains(T item)", contains),
    Get("int IndexOf(T item)", |c| {
        Ok(Value::Int(index_of(c)?.map_or(-1, |i| i as i32)))
    }),
    Get("bool Exists(Predicate<T> match)", |c| {
        Ok(Value::Bool(matching(c, false)?.is_some()))
    }),
    Get("T Find(Predicate<T> match)", |c| find(c, false)),
    Get("T FindLast(Predicate<T> match)", |c| find(c, true)),
    Get("int FindIndex(Predicate<T> match)", |c| find_index(c, false)),
    Get("List<T> FindAll(Predicate<T> match)", find_all),
    Get("bool TrueForAll(Predicate<T> match)", true_for_all),
    Get("void ForEach(Action<T> action)", for_each),
    Get(
        "List<TOutput> ConvertAll<TOutput>(Converter<T, TOutput> converter)",
        convert_all,
    ),
    Get("List<T> GetRange(int index, int count)", get_range),
    Get("void Sort()", sort),
    Get("void Sort(Comparison<T> comparison)", |c| {
        if c.arg(1).is_null() {
            return Err(Error::null("comparison").into());
        }
        sort(c)
    }),
    Get("void Sort(IComparer<T> comparer)", sort),
    Get("void Reverse()", reverse),
    Get("T[] ToArray()", to_array),
    Get("void CopyTo(T[] array)", copy_to),
    Get("void CopyTo(T[] array, int arrayIndex)", copy_to),
    Get("IEnumerator<T> GetEnumerator()", get_enumerator),
];

const DICTIONARY: &[Entry] = &[
    Get("ctor()", new_dictionary),
    Get("ctor(int capacity)", new_dictionary),
    Get("ctor(IEqualityComparer<TKey> comparer)", new_dictionary),
    Get("ctor(IDictionary<TKey, TValue> dictionary)", new_dictionary),
    Get(
        "ctor(IEnumerable<KeyValuePair<TKey, TValue>> collection)",
        new_dictionary,
    ),
    Get(
        "ctor(IDictionary<TKey, TValue> dictionary, IEqualityComparer<TKey> comparer)",
        new_dictionary,
    ),
    Get("int Count", count),
    Set("TValue this[TKey key]", dict_get, dict_set),
    Get("KeyCollection<TKey, TValue> Keys", |c| side(c, true)),
    Get("ValueCollection<TKey, TValue> Values", |c| side(c, false)),
    Get("void Add(TKey key, TValue value)", dict_add),
    Get("bool TryAdd(TKey key, TValue value)", dict_try_add),
    Get("bool ContainsKey(TKey key)", contains_key),
    Get("bool ContainsValue(TValue value)", contains_value),
    Get("bool TryGetValue(TKey key, out TValue value)", try_get),
    Get("bool Remove(TKey key)", dict_remove),
    Get("bool Remove(TKey key, out TValue value)", dict_remove),
    Get("void Clear()", clear),
    Get(
        "IEnumerator<KeyValuePair<TKey, TValue>> GetEnumerator()",
        get_enumerator,
    ),
];

pub(crate) const TYPES: &[Decl] = &[
    none(
        "interface System.Collections.IEnumerable",
        &[Get(
            "System.Collections.IEnumerator GetEnumerator()",
            get_enumerator,
        )],
    ),
    none(
        "interface System.Collections.IEnumerator",
        &[Get("bool MoveNext()", move_next), Get("object Current", current)],
    ),
    all(
        "interface System.Collections.Generic.IEnumerable<out T> : System.Collections.IEnumerable",
        &[Get("IEnumerator<T> GetEnumerator()", get_enumerator)],
    ),
    all(
        "interface System.Collections.Generic.IEnumerator<out T> : System.Collections.IEnumerator, IDisposable",
        &[Get("T Current", current), Get("bool MoveNext()", move_next)],
    ),
    all(
        "interface System.Collections.Generic.IReadOnlyCollection<out T> : IEnumerable<T>",
        &[Get("int Count", count)],
    ),
    none(
        "interface System.Collections.Generic.IReadOnlyList<out T> : IReadOnlyCollection<T>",
        &[Get("T this[int index]", element)],
    ),
    all(
        "interface System.Collections.Generic.ICollection<T> : IEnumerable<T>",
        &[
            Get("int Count", count),
            Get("bool IsReadOnly", |_| Ok(Value::Bool(false))),
            Get("void Add(T item)", add),
            Get("void Clear()", clear),
            Get("bool Contains(T item)", contains),
            Get("void CopyTo(T[] array, int arrayIndex)", copy_to),
            Get("bool Remove(T item)", remove),
        ],
    ),
    all(
        "interface System.Collections.Generic.IList<T> : ICollection<T>",
        &[
            Set("T this[int index]", element, set_element),
            Get("int IndexOf(T item)", |c| {
                let items = items_of(c)?;
                Ok(Value::Int(
                    items
                        .iter()
                        .position(|v| equality::object_equals(v, c.arg(1)))
                        .map_or(-1, |i| i as i32),
                ))
            }),
            Get("void Insert(int index, T item)", insert),
            Get("void RemoveAt(int index)", remove_at),
        ],
    ),
    all(
        "interface System.Collections.Generic.ISet<T> : ICollection<T>",
        &[Get("bool Add(T item)", set_add)],
    ),
    all(
        "interface System.Collections.Generic.IDictionary<TKey, TValue> : ICollection<KeyValuePair<TKey, TValue>>",
        &[
            Set("TValue this[TKey key]", dict_get, dict_set),
            Get("ICollection<TKey> Keys", |c| side(c, true)),
            Get("ICollection<TValue> Values", |c| side(c, false)),
            Get("bool ContainsKey(TKey key)", contains_key),
            Get("void Add(TKey key, TValue value)", dict_add),
            Get("bool Remove(TKey key)", dict_remove),
            Get("bool TryGetValue(TKey key, out TValue value)", try_get),
        ],
    ),
    all(
        "interface System.Collections.Generic.IReadOnlyDictionary<TKey, TValue> : IReadOnlyCollection<KeyValuePair<TKey, TValue>>",
        &[
            Get("TValue this[TKey key]", dict_get),
            Get("IEnumerable<TKey> Keys", |c| side(c, true)),
            Get("IEnumerable<TValue> Values", |c| side(c, false)),
            Get("bool ContainsKey(TKey key)", contains_key),
            Get("bool TryGetValue(TKey key, out TValue value)", try_get),
        ],
    ),
    all(
        "struct System.Collections.Generic.KeyValuePair<TKey, TValue>",
        &[
            Get("ctor(TKey key, TValue value)", |c| {
                let ty = Type::generic(types::KEY_VALUE_PAIR, c.types.to_vec());
                Ok(Value::object(ty, Data::Pair(c.arg(0).clone(), c.arg(1).clone())))
            }),
            Get("TKey Key", |c| pair_part(c, false)),
            Get("TValue Value", |c| pair_part(c, true)),
            Get("string ToString()", base::to_string),
        ],
    ),
    all(
        "class System.Collections.Generic.List<T> : IList<T>, IReadOnlyList<T>",
        LIST,
    ),
    all(
        "class System.Collections.Generic.Dictionary<TKey, TValue> : IDictionary<TKey, TValue>, IReadOnlyDictionary<TKey, TValue>",
        DICTIONARY,
    ),
    all(
        "class System.Collections.Generic.HashSet<T> : ISet<T>, IReadOnlyCollection<T>",
        &[
            Get("ctor()", new_set),
            Get("ctor(int capacity)", new_set),
            Get("ctor(IEqualityComparer<T> comparer)", new_set),
            Get("ctor(IEnumerable<T> collection)", new_set),
            Get(
                "ctor(IEnumerable<T> collection, IEqualityComparer<T> comparer)",
                new_set,
            ),
            Get("int Count", count),
            Get("bool Add(T item)", set_add),
            Get("bool Contains(T item)", contains),
            Get("bool Remove(T item)", set_remove),
            Get("void Clear()", clear),
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
            Get("int RemoveWhere(Predicate<T> match)", |c| {
                let (items, test) = (items_of(c)?, c.arg(1).clone());
                let mut removed = 0;
                for item in items {
                    c.vm.step()?;
                    if c.vm.test(&test, std::slice::from_ref(&item))? {
                        table(c, |t| Ok(t.remove(&item)))?;
                        removed += 1;
                    }
                }
                Ok(Value::Int(removed))
            }),
            Get("void CopyTo(T[] array)", copy_to),
            Get("IEnumerator<T> GetEnumerator()", get_enumerator),
        ],
    ),
    all(
        "class System.Collections.Generic.Queue<T> : IEnumerable<T>, IReadOnlyCollection<T>",
        &[
            Get("ctor()", |c| new_list(c, types::QUEUE)),
            Get("ctor(int capacity)", |c| new_list(c, types::QUEUE)),
            Get("ctor(IEnumerable<T> collection)", |c| new_list(c, types::QUEUE)),
            Get("int Count", count),
            Get("void Enqueue(T item)", add),
            Get("T Dequeue()", |c| {
                end(c, true, false)?.ok_or_else(|| empty_error("Queue"))
            }),
            Get("T Peek()", |c| {
                end(c, false, false)?.ok_or_else(|| empty_error("Queue"))
            }),
            Get("bool TryDequeue(out T result)", |c| try_end(c, true, false)),
            Get("bool TryPeek(out T result)", |c| try_end(c, false, false)),
            Get("bool Contains(T item)", contains),
            Get("void Clear()", clear),
            Get("T[] ToArray()", to_array),
            Get("IEnumerator<T> GetEnumerator()", get_enumerator),
        ],
    ),
    all(
        "class System.Collections.Generic.Stack<T> : IEnumerable<T>, IReadOnlyCollection<T>",
        &[
            Get("ctor()", |c| new_list(c, types::STACK)),
            Get("ctor(int capacity)", |c| new_list(c, types::STACK)),
            Get("ctor(IEnumerable<T> collection)", |c| new_list(c, types::STACK)),
            Get("int Count", count),
            Get("void Push(T item)", add),
            Get("T Pop()", |c| {
                end(c, true, true)?.ok_or_else(|| empty_error("Stack"))
            }),
            Get("T Peek()", |c| {
                end(c, false, true)?.ok_or_else(|| empty_error("Stack"))
            }),
            Get("bool TryPop(out T result)", |c| try_end(c, true, true)),
            Get("bool TryPeek(out T result)", |c| try_end(c, false, true)),
            Get("bool Contains(T item)", contains),
            Get("void Clear()", clear),
            Get("T[] ToArray()", to_array),
            Get("IEnumerator<T> GetEnumerator()", get_enumerator),
        ],
    ),
];

/// `IList<T>[i]` of arrays and lists.
fn element(c: &mut Call<'_, '_>) -> Eval {
    match c.arg(0) {
        Value::Object(o) if matches!(o.data, Data::Array(_) | Data::Bytes(_)) => {
            crate::array::get(c.arg(0), &c.args[1..2])
        }
        _ => get(c),
    }
}

fn set_element(c: &mut Call<'_, '_>) -> Eval {
    match c.arg(0) {
        Value::Object(o) if matches!(o.data, Data::Array(_) | Data::Bytes(_)) => {
            crate::array::set(c.arg(0), &c.args[1..2], c.arg(2).clone())?;
            Ok(Value::Null)
        }
        _ => set(c),
    }
}
