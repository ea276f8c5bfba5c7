//! The tables of strings, characters and builders: signatures as C# writes them, and the functions beside this file.

use super::*;
use crate::lib::Entry;

const STRING: &[Entry] = &[
    Get("static string Empty", |_| text(Str::EMPTY)),
    Get("ctor(char c, int count)", |c| {
        c.vm.charge(usize::try_from(c.int(1)?).unwrap_or(0))?;
        text(Str::repeat(c.char(0)?, c.int(1)?)?)
    }),
    Get("ctor(char[] value)", new_from_chars),
    Get("ctor(char[] value, int startIndex, int length)", new_from_chars),
    Get("int Length", |c| Ok(Value::Int(c.this_str()?.len() as i32))),
    Get("char this[int index]", |c| {
        Ok(Value::Char(c.this_str()?.char_at(c.int(1)?)?))
    }),
    Get("static bool IsNullOrEmpty(string value)", |c| {
        Ok(Value::Bool(c.str_or_empty(0).is_empty()))
    }),
    Get("static bool IsNullOrWhiteSpace(string value)", |c| {
        Ok(Value::Bool(c.opt_str(0).is_none_or(|s| s.is_white_space())))
    }),
    Get(
        "static string Join(string separator, params string[] value)",
        join_values,
    ),
    Get(
        "static string Join(string separator, params object[] values)",
        join_values,
    ),
    Get(
        "static string Join(string separator, IEnumerable<string> values)",
        join_values,
    ),
    Get(
        "static string Join<T>(string separator, IEnumerable<T> values)",
        join_values,
    ),
    Get(
        "static string Join(string separator, string[] value, int startIndex, int count)",
        join_range,
    ),
    Get(
        "static string Join(char separator, params string[] value)",
        join_values,
    ),
    Get(
        "static string Join(char separator, params object[] values)",
        join_values,
    ),
    Get(
        "static string Join<T>(char separator, IEnumerable<T> values)",
        join_values,
    ),
    Get("static string Concat(object arg0)", concat),
    Get("static string Concat(object arg0, object arg1)", concat),
    Get(
        "static string Concat(object arg0, object arg1, object arg2)",
        concat,
    ),
    Get("static string Concat(params object[] args)", |c| {
        not_null(c, 0, "args")?;
        concat(c)
    }),
    Get("static string Concat(string str0, string str1)", concat),
    Get(
        "static string Concat(string str0, string str1, string str2)",
        concat,
    ),
    Get(
        "static string Concat(string str0, string str1, string str2, string str3)",
        concat,
    ),
    Get("static string Concat(params string[] values)", |c| {
        not_null(c, 0, "values")?;
        concat(c)
    }),
    Get("static string Concat(IEnumerable<string> values)", |c| {
        let parts = c.sequence(0, "values")?;
        concat_all(c, parts)
    }),
    Get("static string Concat<T>(IEnumerable<T> values)", |c| {
        let parts = c.sequence(0, "values")?;
        concat_all(c, parts)
    }),
    Get("static string Format(string format, object arg0)", format_here),
    Get(
        "static string Format(string format, object arg0, object arg1)",
        format_here,
    ),
    Get(
        "static string Format(string format, object arg0, object arg1, object arg2)",
        format_here,
    ),
    Get("static string Format(string format, params object[] args)", |c| {
        not_null(c, 1, "args")?;
        format_here(c)
    }),
    Get(
        "static string Format(IFormatProvider provider, string format, object arg0)",
        format_provider,
    ),
    Get(
        "static string Format(IFormatProvider provider, string format, object arg0, object arg1)",
        format_provider,
    ),
    Get(
        "static string Format(IFormatProvider provider, string format, object arg0, object arg1, object arg2)",
        format_provider,
    ),
    Get(
        "static string Format(IFormatProvider provider, string format, params object[] args)",
        |c| {
            not_null(c, 2, "args")?;
            format_provider(c)
        },
    ),
    Get("static int Compare(string strA, string strB)", compare),
    Get(
        "static int Compare(string strA, string strB, bool ignoreCase)",
        compare,
    ),
    Get(
        "static int Compare(string strA, string strB, StringComparison comparisonType)",
        compare,
    ),
    Get(
        "static int Compare(string strA, int indexA, string strB, int indexB, int length)",
        compare_parts,
    ),
    Get(
        "static int Compare(string strA, int indexA, string strB, int indexB, int length, bool ignoreCase)",
        compare_parts,
    ),
    Get(
        "static int Compare(string strA, int indexA, string strB, int indexB, int length, StringComparison comparisonType)",
        compare_parts,
    ),
    Get("static int CompareOrdinal(string strA, string strB)", compare),
    Get(
        "static int CompareOrdinal(string strA, int indexA, string strB, int indexB, int length)",
        compare_parts_ordinal,
    ),
    Get(
        "static int Compare(string strA, string strB, bool ignoreCase, System.Globalization.CultureInfo culture)",
        compare,
    ),
    Get(
        "static int Compare(string strA, int indexA, string strB, int indexB, int length, bool ignoreCase, System.Globalization.CultureInfo culture)",
        compare_parts,
    ),
    Get("static string IsInterned(string str)", |c| {
        text(c.text(0, "str")?)
    }),
    Get("bool IsNormalized()", |_| Ok(Value::Bool(true))),
    Get("TypeCode GetTypeCode()", base::type_code),
    Get(
        "void CopyTo(int sourceIndex, char[] destination, int destinationIndex, int count)",
        copy_to,
    ),
    Get("int GetHashCode(StringComparison comparisonType)", |c| {
        let this = c.this_str()?;
        let folded = if comparison(c, 1)?.ignores_case() {
            this.to_upper()
        } else {
            this
        };
        c.args[0] = Value::Str(folded);
        base::hash_code(c)
    }),
    Get(
        "static string Join(char separator, string[] value, int startIndex, int count)",
        join_range,
    ),
    Get("int CompareTo(object value)", compare_to),
    Get("int CompareTo(string strB)", compare_to),
    Get("static bool Equals(string a, string b)", equals),
    Get(
        "static bool Equals(string a, string b, StringComparison comparisonType)",
        equals,
    ),
    Get("bool Equals(object obj)", equals),
    Get("bool Equals(string value)", equals),
    Get(
        "bool Equals(string value, StringComparison comparisonType)",
        equals,
    ),
    Get("static string Copy(string str)", copy_str),
    Get("static string Intern(string str)", |c| {
        text(crate::intern::literal(&c.text(0, "str")?.to_utf16()))
    }),
    Get("object Clone()", |c| Ok(c.take(0))),
    Get("bool Contains(string value)", |c| tested(c, Str::contains)),
    Get(
        "bool Contains(string value, StringComparison comparisonType)",
        |c| tested(c, Str::contains),
    ),
    Get("bool Contains(char value)", |c| tested(c, Str::contains)),
    Get(
        "bool Contains(char value, StringComparison comparisonType)",
        |c| tested(c, Str::contains),
    ),
    Get("bool StartsWith(string value)", |c| tested(c, Str::starts_with)),
    Get(
        "bool StartsWith(string value, StringComparison comparisonType)",
        |c| tested(c, Str::starts_with),
    ),
    Get(
        "bool StartsWith(string value, bool ignoreCase, System.Globalization.CultureInfo culture)",
        |c| affix_culture(c, Str::starts_with),
    ),
    Get("bool StartsWith(char value)", |c| tested(c, Str::starts_with)),
    Get("bool EndsWith(string value)", |c| tested(c, Str::ends_with)),
    Get(
        "bool EndsWith(string value, StringComparison comparisonType)",
        |c| tested(c, Str::ends_with),
    ),
    Get(
        "bool EndsWith(string value, bool ignoreCase, System.Globalization.CultureInfo culture)",
        |c| affix_culture(c, Str::ends_with),
    ),
    Get("bool EndsWith(char value)", |c| tested(c, Str::ends_with)),
    Get("int IndexOf(char value)", index_of),
    Get("int IndexOf(char value, int startIndex)", index_of),
    Get("int IndexOf(char value, int startIndex, int count)", index_of),
    Get(
        "int IndexOf(char value, StringComparison comparisonType)",
        index_of,
    ),
    Get("int IndexOf(string value)", index_of),
    Get("int IndexOf(string value, int startIndex)", index_of),
    Get("int IndexOf(string value, int startIndex, int count)", index_of),
    Get(
        "int IndexOf(string value, StringComparison comparisonType)",
        index_of,
    ),
    Get(
        "int IndexOf(string value, int startIndex, StringComparison comparisonType)",
        index_of,
    ),
    Get(
        "int IndexOf(string value, int startIndex, int count, StringComparison comparisonType)",
        index_of,
    ),
    Get("int IndexOfAny(char[] anyOf)", index_of_any),
    Get("int IndexOfAny(char[] anyOf, int startIndex)", index_of_any),
    Get(
        "int IndexOfAny(char[] anyOf, int startIndex, int count)",
        index_of_any,
    ),
    Get("int LastIndexOf(char value)", last_index_of),
    Get("int LastIndexOf(char value, int startIndex)", last_index_of),
    Get(
        "int LastIndexOf(char value, int startIndex, int count)",
        last_index_of,
    ),
    Get("int LastIndexOf(string value)", last_index_of),
    Get("int LastIndexOf(string value, int startIndex)", last_index_of),
    Get(
        "int LastIndexOf(string value, int startIndex, int count)",
        last_index_of,
    ),
    Get(
        "int LastIndexOf(string value, StringComparison comparisonType)",
        last_index_of,
    ),
    Get(
        "int LastIndexOf(string value, int startIndex, StringComparison comparisonType)",
        last_index_of,
    ),
    Get(
        "int LastIndexOf(string value, int startIndex, int count, StringComparison comparisonType)",
        last_index_of,
    ),
    Get("int LastIndexOfAny(char[] anyOf)", last_index_of_any),
    Get(
        "int LastIndexOfAny(char[] anyOf, int startIndex)",
        last_index_of_any,
    ),
    Get(
        "int LastIndexOfAny(char[] anyOf, int startIndex, int count)",
        last_index_of_any,
    ),
    Get("string Replace(char oldChar, char newChar)", replace),
    Get("string Replace(string oldValue, string newValue)", replace),
    Get(
        "string Replace(string oldValue, string newValue, StringComparison comparisonType)",
        replace,
    ),
    Get(
        "string Replace(string oldValue, string newValue, bool ignoreCase, System.Globalization.CultureInfo culture)",
        |c| {
            let how = if c.bool(3)? {
                StringComparison::OrdinalIgnoreCase
            } else {
                ORDINAL
            };
            text(
                c.this_str()?
                    .replace(&c.text(1, "oldValue")?, &c.str_or_empty(2), how)?,
            )
        },
    ),
    Get("string Substring(int startIndex)", substring),
    Get("string Substring(int startIndex, int length)", substring),
    Get("string Remove(int startIndex)", remove),
    Get("string Remove(int startIndex, int count)", remove),
    Get("string Insert(int startIndex, string value)", |c| {
        text(c.this_str()?.insert(c.int(1)?, &c.text(2, "value")?)?)
    }),
    Get("string PadLeft(int totalWidth)", |c| pad(c, true)),
    Get("string PadLeft(int totalWidth, char paddingChar)", |c| {
        pad(c, true)
    }),
    Get("string PadRight(int totalWidth)", |c| pad(c, false)),
    Get("string PadRight(int totalWidth, char paddingChar)", |c| {
        pad(c, false)
    }),
    Get("string[] Split(params char[] separator)", split_chars),
    Get("string[] Split(char[] separator, int count)", split_chars),
    Get(
        "string[] Split(char[] separator, StringSplitOptions options)",
        split_chars,
    ),
    Get(
        "string[] Split(char[] separator, int count, StringSplitOptions options)",
        split_chars,
    ),
    Get(
        "string[] Split(char separator, StringSplitOptions options = 0)",
        split_chars,
    ),
    Get(
        "string[] Split(char separator, int count, StringSplitOptions options = 0)",
        split_chars,
    ),
    Get(
        "string[] Split(string separator, StringSplitOptions options = 0)",
        split_text,
    ),
    Get(
        "string[] Split(string separator, int count, StringSplitOptions options = 0)",
        split_text,
    ),
    Get(
        "string[] Split(string[] separator, StringSplitOptions options)",
        split_texts,
    ),
    Get(
        "string[] Split(string[] separator, int count, StringSplitOptions options)",
        split_texts,
    ),
    Get("string Trim()", |c| trim(c, true, true)),
    Get("string Trim(char trimChar)", |c| trim(c, true, true)),
    Get("string Trim(params char[] trimChars)", |c| trim(c, true, true)),
    Get("string TrimStart()", |c| trim(c, true, false)),
    Get("string TrimStart(char trimChar)", |c| trim(c, true, false)),
    Get("string TrimStart(params char[] trimChars)", |c| {
        trim(c, true, false)
    }),
    Get("string TrimEnd()", |c| trim(c, false, true)),
    Get("string TrimEnd(char trimChar)", |c| trim(c, false, true)),
    Get("string TrimEnd(params char[] trimChars)", |c| {
        trim(c, false, true)
    }),
    Get("string ToUpper()", |c| text(c.this_str()?.to_upper())),
    Get("string ToUpper(System.Globalization.CultureInfo culture)", |c| {
        text(c.this_str()?.to_upper())
    }),
    Get("string ToUpperInvariant()", |c| text(c.this_str()?.to_upper())),
    Get("string ToLower()", |c| text(c.this_str()?.to_lower())),
    Get("string ToLower(System.Globalization.CultureInfo culture)", |c| {
        text(c.this_str()?.to_lower())
    }),
    Get("string ToLowerInvariant()", |c| text(c.this_str()?.to_lower())),
    Get("string Normalize()", |c| text(c.this_str()?)),
    Get("char[] ToCharArray()", to_char_array),
    Get("char[] ToCharArray(int startIndex, int length)", to_char_array),
    Get("string ToString()", |c| text(c.this_str()?)),
    Get("string ToString(IFormatProvider provider)", |c| {
        text(c.this_str()?)
    }),
    Get("int GetHashCode()", base::hash_code),
];

/// An array given in place of single values must not be null.
fn not_null(c: &Call<'_, '_>, i: usize, name: &str) -> Result<(), Thrown> {
    if c.arg(i).is_null() {
        return Err(Error::null(name).into());
    }
    Ok(())
}

fn affix_culture(c: &mut Call<'_, '_>, f: fn(&Str, &Str, StringComparison) -> bool) -> Eval {
    let how = if c.bool(2)? {
        StringComparison::OrdinalIgnoreCase
    } else {
        ORDINAL
    };
    Ok(Value::Bool(f(&c.this_str()?, &c.text(1, "value")?, how)))
}

fn concat_all(c: &mut Call<'_, '_>, values: Vec<Value>) -> Eval {
    let parts: Vec<Str> = values.iter().map(texts::to_text).collect();
    c.vm.charge(parts.iter().map(Str::len).sum())?;
    let refs: Vec<&Str> = parts.iter().collect();
    text(Str::concat(&refs)?)
}

// ---- comparers

/// The comparer behind a `StringComparer` or comparer argument; null is the default one.
pub(crate) fn comparer(v: &Value) -> Comparer {
    match v {
        Value::Object(o) => o.native::<Comparer>().copied().unwrap_or(Comparer::Default),
        _ => Comparer::Default,
    }
}

fn make_comparer(how: StringComparison) -> Eval {
    let ty = registry()
        .type_named("System.StringComparer")
        .unwrap_or(Type::OBJECT);
    Ok(Value::object(ty, Data::Native(Box::new(Comparer::Text(how)))))
}

fn comparer_compare(c: &mut Call<'_, '_>) -> Eval {
    let ignore = matches!(comparer(c.arg(0)), Comparer::Text(h) if h.ignores_case());
    Ok(Value::Int(compare_nullable(
        c.opt_str(1).as_ref(),
        c.opt_str(2).as_ref(),
        ignore,
    )))
}

pub(crate) const TYPES: &[Decl] = &[
    all(
        "class System.String : IComparable, ICloneable, IEnumerable<char>, IComparable<string>, IEquatable<string>",
        STRING,
    ),
    values(
        "enum System.StringComparison",
        Verdict::All,
        &[
            ("CurrentCulture", 0),
            ("CurrentCultureIgnoreCase", 1),
            ("InvariantCulture", 2),
            ("InvariantCultureIgnoreCase", 3),
            ("Ordinal", 4),
            ("OrdinalIgnoreCase", 5),
        ],
    ),
    values(
        "flags enum System.StringSplitOptions",
        Verdict::All,
        &[("None", 0), ("RemoveEmptyEntries", 1)],
    ),
    all(
        "abstract class System.StringComparer : System.Collections.IComparer, System.Collections.IEqualityComparer, IComparer<string>, IEqualityComparer<string>",
        &[
            Get("static StringComparer Ordinal", |_| {
                make_comparer(StringComparison::Ordinal)
            }),
            Get("static StringComparer OrdinalIgnoreCase", |_| {
                make_comparer(StringComparison::OrdinalIgnoreCase)
            }),
            Get("static StringComparer InvariantCulture", |_| {
                make_comparer(StringComparison::InvariantCulture)
            }),
            Get("static StringComparer InvariantCultureIgnoreCase", |_| {
                make_comparer(StringComparison::InvariantCultureIgnoreCase)
            }),
            Get("static StringComparer CurrentCulture", |_| {
                make_comparer(StringComparison::CurrentCulture)
            }),
            Get("static StringComparer CurrentCultureIgnoreCase", |_| {
                make_comparer(StringComparison::CurrentCultureIgnoreCase)
            }),
            Get("int Compare(string x, string y)", comparer_compare),
            Get("bool Equals(string x, string y)", |c| {
                let how = comparer(c.arg(0));
                Ok(Value::Bool(crate::equality::equals(c.arg(1), c.arg(2), how)))
            }),
            Get("int GetHashCode(string obj)", |c| {
                let s = c.text(1, "obj")?;
                let folded = if matches!(comparer(c.arg(0)), Comparer::Text(h) if h.ignores_case()) {
                    s.to_upper()
                } else {
                    s
                };
                c.args[0] = Value::Str(folded);
                base::hash_code(c)
            }),
        ],
    ),
    none(
        "interface System.Collections.Generic.IComparer<in T>",
        &[Get("int Compare(T x, T y)", comparer_compare)],
    ),
    none(
        "interface System.Collections.Generic.IEqualityComparer<in T>",
        &[
            Get("bool Equals(T x, T y)", |c| {
                let how = comparer(c.arg(0));
                Ok(Value::Bool(crate::equality::equals(c.arg(1), c.arg(2), how)))
            }),
            Get("int GetHashCode(T obj)", |c| {
                use std::hash::Hasher as _;
                let how = comparer(c.arg(0));
                let mut state = std::hash::DefaultHasher::new();
                crate::equality::hash(c.arg(1), how, &mut state);
                Ok(Value::Int(state.finish() as i32))
            }),
        ],
    ),
];
