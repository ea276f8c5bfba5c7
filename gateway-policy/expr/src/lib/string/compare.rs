//! Comparisons under `CompareOptions`, normal forms, and what comparers do to any object.

use gateway_dotnet::ExceptionKind;

use super::*;
use crate::{equality, lib::Entry};

/// `CompareOptions.IgnoreCase`
const IGNORE_CASE: i32 = 1;
/// `CompareOptions.OrdinalIgnoreCase`, which stands alone.
const ORDINAL_IGNORE_CASE: i32 = 0x1000_0000;
/// `CompareOptions.Ordinal`, which stands alone.
const ORDINAL_ONLY: i32 = 0x4000_0000;
/// Options that combine: those of the first five bits, and `StringSort`.
const COMBINED: i32 = 0x2000_001F;

/// Whether the `CompareOptions` at `i` ignore case. Of what else they say invariant globalization knows nothing.
fn ignores_case(c: &Call<'_, '_>, i: usize) -> Result<bool, Thrown> {
    match c.enumeration(i)? {
        ORDINAL_IGNORE_CASE => Ok(true),
        ORDINAL_ONLY => Ok(false),
        options if options & !COMBINED == 0 => Ok(options & IGNORE_CASE != 0),
        _ => Err(Error::argument("options", "Value of flags is invalid.").into()),
    }
}

fn compare_options(c: &mut Call<'_, '_>) -> Eval {
    let ignore = ignores_case(c, 3)?;
    Ok(Value::Int(compare_nullable(
        c.opt_str(0).as_ref(),
        c.opt_str(1).as_ref(),
        ignore,
    )))
}

fn compare_parts_options(c: &mut Call<'_, '_>) -> Eval {
    let ignore = ignores_case(c, 6)?;
    c.args[5] = Value::Bool(ignore);
    compare_parts(c)
}

/// Members of `String`.
pub(crate) const STRING: &[Entry] = &[
    Get(
        "static int Compare(string strA, string strB, System.Globalization.CultureInfo culture, System.Globalization.CompareOptions options)",
        compare_options,
    ),
    Get(
        "static int Compare(string strA, int indexA, string strB, int indexB, int length, System.Globalization.CultureInfo culture, System.Globalization.CompareOptions options)",
        compare_parts_options,
    ),
    Get(
        "bool IsNormalized(System.Text.NormalizationForm normalizationForm)",
        |c| {
            // Invariant globalization takes every text for normal, and any form for one.
            c.this_str()?;
            Ok(Value::Bool(true))
        },
    ),
    Get(
        "string Normalize(System.Text.NormalizationForm normalizationForm)",
        |c| text(c.this_str()?),
    ),
];

// ---- comparers

fn how(c: &Call<'_, '_>) -> StringComparison {
    match comparer(c.arg(0)) {
        Comparer::Text(how) => how,
        _ => ORDINAL,
    }
}

fn make(how: StringComparison) -> Eval {
    let ty = registry()
        .type_named("System.StringComparer")
        .unwrap_or(Type::OBJECT);
    Ok(Value::object(ty, Data::Native(Box::new(Comparer::Text(how)))))
}

fn create(c: &Call<'_, '_>, ignore: bool) -> Eval {
    if c.arg(0).is_null() {
        return Err(Error::null("culture").into());
    }
    make(if ignore {
        StringComparison::CurrentCultureIgnoreCase
    } else {
        StringComparison::CurrentCulture
    })
}

fn compare_objects(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Int(match (c.arg(1), c.arg(2)) {
        (Value::Str(a), Value::Str(b)) => a.compare(b, how(c).ignores_case()),
        (Value::Null, Value::Null) => 0,
        (Value::Null, _) => -1,
        (_, Value::Null) => 1,
        (a, b) => match equality::compare(a, b) {
            Ok(order) => order as i32,
            Err(_) => {
                let message = "At least one object must implement IComparable.";
                return Err(Error::new(ExceptionKind::ArgumentException, message).into());
            }
        },
    }))
}

/// Members of `StringComparer`.
pub(crate) const COMPARER: &[Entry] = &[
    Get(
        "static StringComparer FromComparison(StringComparison comparisonType)",
        |c| make(comparison(c, 0)?),
    ),
    Get(
        "static StringComparer Create(System.Globalization.CultureInfo culture, bool ignoreCase)",
        |c| create(c, c.bool(1)?),
    ),
    Get(
        "static StringComparer Create(System.Globalization.CultureInfo culture, System.Globalization.CompareOptions options)",
        |c| {
            let ordinal = c.enumeration(1)? & (ORDINAL_IGNORE_CASE | ORDINAL_ONLY) != 0;
            if ordinal || c.arg(0).is_null() {
                return Err(Error::argument("options", "Value of flags is invalid.").into());
            }
            create(c, ignores_case(c, 1)?)
        },
    ),
    Get("int Compare(object x, object y)", compare_objects),
    Get("bool Equals(object x, object y)", |c| {
        let how = comparer(c.arg(0));
        Ok(Value::Bool(equality::equals(c.arg(1), c.arg(2), how)))
    }),
    Get("int GetHashCode(object obj)", |c| {
        let value = match c.take(1) {
            Value::Null => return Err(Error::null("obj").into()),
            Value::Str(s) if how(c).ignores_case() => Value::Str(s.to_upper()),
            v => v,
        };
        c.args[0] = value;
        base::hash_code(c)
    }),
];

pub(crate) const TYPES: &[Decl] = &[
    values(
        "flags enum System.Globalization.CompareOptions",
        Verdict::None,
        &[
            ("None", 0),
            ("IgnoreCase", 1),
            ("IgnoreNonSpace", 2),
            ("IgnoreSymbols", 4),
            ("IgnoreKanaType", 8),
            ("IgnoreWidth", 16),
            ("OrdinalIgnoreCase", ORDINAL_IGNORE_CASE as i64),
            ("StringSort", 0x2000_0000),
            ("Ordinal", ORDINAL_ONLY as i64),
        ],
    ),
    none(
        "interface System.Collections.IComparer",
        &[Get("int Compare(object x, object y)", compare_objects)],
    ),
    none("interface System.Collections.IEqualityComparer", &[]),
];
