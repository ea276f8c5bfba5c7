//! The tables of `Enumerable`: signatures as C# writes them, and the functions beside this file.

use super::*;
use crate::lib::Entry;

macro_rules! numeric {
    ($name:ident, $method:literal, $f:expr, $fnull:expr, [$($n:literal => $r:literal, $num:expr;)*]) => {
        const $name: &[Entry] = &[
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
pub(crate) const NUMERIC: &[&[Entry]] = &[SUM, AVERAGE, MAX, MIN];

const ENUMERABLE: &[Entry] = &[
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
        "static IEnumerable<TResult> SelectMany<TSource, TCollection, TResult>(this IEnumerable<TSource> source, Func<TSource, int, IEnumerable<TCollection>> collectionSelector, Func<TSource, TCollection, TResult> resultSelector)",
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
    Get("static IEnumerable<TResult> Empty<TResult>()", |c| empty(c.ty(0))),
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
        "static IEnumerable<TResult> GroupBy<TSource, TKey, TResult>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, Func<TKey, IEnumerable<TSource>, TResult> resultSelector, IEqualityComparer<TKey> comparer)",
        |c| group_by(c, false, true),
    ),
    Get(
        "static IEnumerable<TResult> GroupBy<TSource, TKey, TElement, TResult>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, Func<TSource, TElement> elementSelector, Func<TKey, IEnumerable<TElement>, TResult> resultSelector, IEqualityComparer<TKey> comparer)",
        |c| group_by(c, true, true),
    ),
    Get(
        "static ILookup<TKey, TSource> ToLookup<TSource, TKey>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, IEqualityComparer<TKey> comparer)",
        |c| to_lookup(c, false),
    ),
    Get(
        "static ILookup<TKey, TElement> ToLookup<TSource, TKey, TElement>(this IEnumerable<TSource> source, Func<TSource, TKey> keySelector, Func<TSource, TElement> elementSelector, IEqualityComparer<TKey> comparer)",
        |c| to_lookup(c, true),
    ),
    Get(
        "static IEnumerable<TResult> GroupJoin<TOuter, TInner, TKey, TResult>(this IEnumerable<TOuter> outer, IEnumerable<TInner> inner, Func<TOuter, TKey> outerKeySelector, Func<TInner, TKey> innerKeySelector, Func<TOuter, IEnumerable<TInner>, TResult> resultSelector, IEqualityComparer<TKey> comparer)",
        |c| join(c, true),
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

pub(crate) const TYPES: &[Decl] = &[
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
        "class System.Linq.Lookup<TKey, TElement> : ILookup<TKey, TElement>",
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
