//! `object`, the interfaces everything builds on, enums, `Nullable<T>`, `Tuple`, `Type`.

use std::cell::RefCell;

use gateway_dotnet::{Error, ExceptionKind, Str, text::StringComparison};

use super::{
    Call, Decl,
    Entry::{Denied, Get},
    Verdict, all,
    call::{string, text},
    none, only, values,
};
use crate::{
    Value, cast,
    equality::{self, Comparer},
    object::Data,
    text as texts,
    types::{Type, TypeKind, registry},
    vm::{Eval, Thrown},
};

pub(crate) fn to_string(c: &mut Call<'_, '_>) -> Eval {
    let value = c.take(0);
    Ok(Value::Str(c.vm.text_of(&value)?))
}

pub(crate) fn equals(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Bool(equality::object_equals(c.arg(0), c.arg(1))))
}

/// `GetHashCode`: stable within a process, no more is promised by .NET either.
pub(crate) fn hash_code(c: &mut Call<'_, '_>) -> Eval {
    use std::hash::Hasher;
    let value = match c.arg(0) {
        Value::Bool(b) => i32::from(*b),
        Value::Int(i) => *i,
        Value::Byte(v) => i32::from(*v),
        Value::SByte(v) => i32::from(*v),
        Value::Short(v) => i32::from(*v),
        Value::UShort(v) => i32::from(*v),
        Value::Char(v) => i32::from(*v) | (i32::from(*v) << 16),
        Value::UInt(v) => *v as i32,
        Value::Long(v) => (*v as i32) ^ ((*v >> 32) as i32),
        Value::ULong(v) => (*v as i32) ^ ((*v >> 32) as i32),
        Value::Float(v) => number_hash(u64::from(v.to_bits()), 32),
        Value::Double(v) => number_hash(v.to_bits(), 64),
        Value::Decimal(d) => d.hash_code(),
        Value::TimeSpan(t) => (t.ticks() as i32) ^ ((t.ticks() >> 32) as i32),
        Value::Offset(o) => (o.utc_ticks() as i32) ^ ((o.utc_ticks() >> 32) as i32),
        Value::Enum(_, v) => {
            (*v as i32)
                ^ if i32::try_from(*v).is_ok() {
                    0
                } else {
                    (*v >> 32) as i32
                }
        }
        Value::DateTime(d) => d.hash_code(),
        Value::Guid(g) => g
            .to_bytes()
            .as_chunks::<4>()
            .0
            .iter()
            .fold(0, |h, c| h ^ i32::from_le_bytes(*c)),
        other => {
            let mut state = std::hash::DefaultHasher::new();
            equality::hash(other, Comparer::Default, &mut state);
            state.finish() as i32
        }
    };
    Ok(Value::Int(value))
}

/// `GetHashCode` of a floating number of `width` bits: every zero and every NaN are alike.
fn number_hash(bits: u64, width: u32) -> i32 {
    let (magnitude, infinity) = match width {
        32 => (0x7FFF_FFFF, 0x7F80_0000),
        _ => (0x7FFF_FFFF_FFFF_FFFF, 0x7FF0_0000_0000_0000),
    };
    let folded = if bits.wrapping_sub(1) & magnitude >= infinity {
        bits & infinity
    } else {
        bits
    };
    (folded as i32) ^ ((folded >> 32) as i32)
}

/// `GetTypeCode()`.
pub(crate) fn type_code(c: &mut Call<'_, '_>) -> Eval {
    let code = match c.arg(0) {
        Value::Null => 0,
        Value::Bool(_) => 3,
        Value::Char(_) => 4,
        Value::SByte(_) => 5,
        Value::Byte(_) => 6,
        Value::Short(_) => 7,
        Value::UShort(_) => 8,
        Value::Int(_) | Value::Enum(..) => 9,
        Value::UInt(_) => 10,
        Value::Long(_) => 11,
        Value::ULong(_) => 12,
        Value::Float(_) => 13,
        Value::Double(_) => 14,
        Value::Decimal(_) => 15,
        Value::DateTime(_) => 16,
        Value::Str(_) => 18,
        _ => 1,
    };
    let def = registry().by_full_name("System.TypeCode");
    Ok(Value::Enum(def.unwrap_or(crate::types::OBJECT), code))
}

pub(crate) fn compare_to(c: &mut Call<'_, '_>) -> Eval {
    let (a, b) = (c.arg(0), c.arg(1));
    if !b.is_null() && a.runtime_type() != b.runtime_type() {
        let name = a.runtime_type();
        let name = name
            .def()
            .map(|d| registry().def(d).name.to_string())
            .unwrap_or_default();
        return Err(Error::new(
            ExceptionKind::ArgumentException,
            format!("Object must be of type {name}."),
        )
        .into());
    }
    // The small integers and characters give their difference, the rest the sign.
    Ok(Value::Int(match (a, b) {
        (Value::SByte(a), Value::SByte(b)) => i32::from(*a) - i32::from(*b),
        (Value::Byte(a), Value::Byte(b)) => i32::from(*a) - i32::from(*b),
        (Value::Short(a), Value::Short(b)) => i32::from(*a) - i32::from(*b),
        (Value::UShort(a), Value::UShort(b)) => i32::from(*a) - i32::from(*b),
        _ => equality::compare(a, b)? as i32,
    }))
}

/// `ToString(format)` and `ToString(format, provider)`.
pub(crate) fn format(c: &mut Call<'_, '_>) -> Eval {
    let format = c.opt_str(1);
    text(texts::format_value(c.arg(0), format.as_ref())?)
}

fn get_type(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Type(std::sync::Arc::new(c.arg(0).runtime_type())))
}

fn yes(_: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Null)
}

// ---- enums

fn enum_parse_value(ty: &Type, input: &Str, ignore_case: bool) -> Result<Option<Value>, Thrown> {
    let Some(d) = ty.def().filter(|_| ty.is_enum()) else {
        let message = "Type provided must be an Enum. (Parameter 'enumType')";
        return Err(Error::new(ExceptionKind::ArgumentException, message).into());
    };
    let def = registry().def(d);
    let lossy = input.to_lossy();
    let trimmed = lossy.trim();
    if trimmed.is_empty() {
        return Ok(None);
    }
    if trimmed.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') {
        return Ok(trimmed.parse::<i32>().ok().map(|v| Value::Enum(d, i64::from(v))));
    }
    let mut total = 0;
    for part in trimmed.split(',') {
        let part = part.trim();
        let found = def.values.iter().find(|(n, _)| {
            if ignore_case {
                n.eq_ignore_ascii_case(part)
            } else {
                *n == part
            }
        });
        match found {
            Some((_, v)) => total |= v,
            None => return Ok(None),
        }
    }
    Ok(Some(Value::Enum(d, total)))
}

fn enum_parse(c: &mut Call<'_, '_>, ty: &Type, at: usize) -> Eval {
    let input = c.text(at, "value")?;
    let ignore_case = matches!(c.arg(at + 1), Value::Bool(true));
    match enum_parse_value(ty, &input, ignore_case)? {
        Some(v) => Ok(v),
        None if input.is_white_space() => Err(Error::new(
            ExceptionKind::ArgumentException,
            "Must specify valid information for parsing in the string. (Parameter 'value')",
        )
        .into()),
        None => {
            let message = format!("Requested value '{}' was not found.", input.to_lossy());
            Err(Error::new(ExceptionKind::ArgumentException, message).into())
        }
    }
}

fn enum_parse_typed(c: &mut Call<'_, '_>) -> Eval {
    let Value::Type(ty) = c.arg(0).clone() else {
        return Err(Error::null("enumType").into());
    };
    enum_parse(c, &ty, 1)
}

fn enum_parse_generic(c: &mut Call<'_, '_>) -> Eval {
    let ty = c.ty(0);
    enum_parse(c, &ty, 0)
}

fn enum_try_parse(c: &mut Call<'_, '_>) -> Eval {
    let ty = c.ty(0);
    let last = c.args.len() - 1;
    let ignore_case = last == 2 && matches!(c.arg(1), Value::Bool(true));
    let found = match c.opt_str(0) {
        Some(s) => enum_parse_value(&ty, &s, ignore_case)?,
        None => None,
    };
    let ok = found.is_some();
    c.out(last, found.unwrap_or_else(|| cast::default_value(&ty)));
    Ok(Value::Bool(ok))
}

fn enum_type(c: &Call<'_, '_>, i: usize) -> Result<&'static crate::types::TypeDef, Thrown> {
    match c.arg(i) {
        Value::Type(t) => match t.def() {
            Some(d) => Ok(registry().def(d)),
            None => Err(Error::null("enumType").into()),
        },
        _ => Err(Error::null("enumType").into()),
    }
}

fn enum_names(c: &mut Call<'_, '_>) -> Eval {
    let def = enum_type(c, 0)?;
    Ok(Value::strings(def.values.iter().map(|(n, _)| *n)))
}

fn enum_is_defined(c: &mut Call<'_, '_>) -> Eval {
    let def = enum_type(c, 0)?;
    Ok(Value::Bool(match c.arg(1) {
        Value::Str(s) => def.values.iter().any(|(n, _)| s.as_str() == Some(n)),
        Value::Enum(_, v) => def.values.iter().any(|(_, x)| x == v),
        Value::Int(v) => def.values.iter().any(|(_, x)| *x == i64::from(*v)),
        _ => false,
    }))
}

fn has_flag(c: &mut Call<'_, '_>) -> Eval {
    match (c.arg(0), c.arg(1)) {
        (Value::Enum(_, a), Value::Enum(_, b)) => Ok(Value::Bool(a & b == *b)),
        _ => Err(Error::null("flag").into()),
    }
}

// ---- tuples

/// `Tuple.Create(…)` and `new Tuple<…>(…)`
pub(crate) fn new_tuple(c: &mut Call<'_, '_>) -> Eval {
    let name = format!("System.Tuple`{}", c.types.len());
    let def = registry().by_full_name(&name).unwrap_or(crate::types::OBJECT);
    Ok(Value::object(
        Type::generic(def, c.types.to_vec()),
        Data::Tuple(RefCell::new(c.args.to_vec())),
    ))
}

pub(crate) fn value_tuple(c: &mut Call<'_, '_>) -> Eval {
    let ty = Type::Tuple(c.types.into(), crate::types::TupleNames::default());
    Ok(Value::object(ty, Data::Tuple(RefCell::new(c.args.to_vec()))))
}

pub(crate) fn item(c: &Call<'_, '_>, n: usize) -> Eval {
    match c.arg(0) {
        Value::Object(o) => match &o.data {
            Data::Tuple(items) => Ok(items.borrow().get(n).cloned().unwrap_or(Value::Null)),
            _ => Ok(Value::Null),
        },
        _ => Err(Error::null_reference().into()),
    }
}

// ---- nullable

fn nullable_value(c: &mut Call<'_, '_>) -> Eval {
    cast::nullable_value(c.take(0))
}

fn nullable_or_default(c: &mut Call<'_, '_>) -> Eval {
    Ok(match c.take(0) {
        Value::Null if c.args.len() > 1 => c.take(1),
        Value::Null => cast::default_value(&c.ty(0)),
        v => v,
    })
}

pub(super) const TYPES: &[Decl] = &[
    only(
        "class System.Object",
        &[],
        &[
            Get("ctor()", |_| Ok(Value::object(Type::OBJECT, Data::Plain))),
            Get("string ToString()", to_string),
            Get("bool Equals(object obj)", equals),
            Get("static bool Equals(object objA, object objB)", equals),
            Get("static bool ReferenceEquals(object objA, object objB)", |c| {
                Ok(Value::Bool(equality::reference_equals(c.arg(0), c.arg(1))))
            }),
            Get("int GetHashCode()", hash_code),
            Get("Type GetType()", get_type),
        ],
    ),
    all(
        "class System.ValueType",
        &[
            Get("bool Equals(object obj)", equals),
            Get("int GetHashCode()", hash_code),
            Get("string ToString()", to_string),
        ],
    ),
    only(
        "class System.Enum : ValueType, IComparable, IFormattable",
        &["Parse", "TryParse", "ToString"],
        &[
            Get(
                "static object Parse(Type enumType, string value)",
                enum_parse_typed,
            ),
            Get(
                "static object Parse(Type enumType, string value, bool ignoreCase)",
                enum_parse_typed,
            ),
            Get("static TEnum Parse<TEnum>(string value)", enum_parse_generic),
            Get(
                "static TEnum Parse<TEnum>(string value, bool ignoreCase)",
                enum_parse_generic,
            ),
            Get(
                "static bool TryParse<TEnum>(string value, out TEnum result)",
                enum_try_parse,
            ),
            Get(
                "static bool TryParse<TEnum>(string value, bool ignoreCase, out TEnum result)",
                enum_try_parse,
            ),
            Get("static string[] GetNames(Type enumType)", enum_names),
            Get(
                "static bool IsDefined(Type enumType, object value)",
                enum_is_defined,
            ),
            Get("string ToString()", to_string),
            Get("string ToString(string format)", format),
            Get("bool HasFlag(Enum flag)", has_flag),
            Get("bool Equals(object obj)", equals),
            Get("int CompareTo(object target)", compare_to),
            Get("int GetHashCode()", hash_code),
        ],
    ),
    none(
        "class System.Type",
        &[
            Get("string Name", |c| {
                let Value::Type(t) = c.arg(0) else {
                    return Err(Error::null_reference().into());
                };
                let full = t.net_name();
                let head = full.split('[').next().unwrap_or(&full);
                let name = head.rsplit(['.', '+']).next().unwrap_or(head);
                string(if matches!(**t, Type::Array(..)) {
                    full.rsplit('.').next().unwrap_or(&full)
                } else {
                    name
                })
            }),
            Get("string FullName", to_string),
            Get("string ToString()", to_string),
            Get("bool Equals(object o)", equals),
            Get("static bool operator ==(Type left, Type right)", |c| {
                Ok(Value::Bool(equality::reference_equals(c.arg(0), c.arg(1))))
            }),
            Get("static bool operator !=(Type left, Type right)", |c| {
                Ok(Value::Bool(!equality::reference_equals(c.arg(0), c.arg(1))))
            }),
        ],
    ),
    none("abstract class System.Delegate", &[]),
    all(
        "struct System.Nullable<T>",
        &[
            Get("bool HasValue", |c| Ok(Value::Bool(!c.arg(0).is_null()))),
            Get("T Value", nullable_value),
            Get("T GetValueOrDefault()", nullable_or_default),
            Get("T GetValueOrDefault(T defaultValue)", nullable_or_default),
            Get("string ToString()", to_string),
            Get("bool Equals(object other)", equals),
            Get("int GetHashCode()", |c| {
                if c.arg(0).is_null() {
                    Ok(Value::Int(0))
                } else {
                    hash_code(c)
                }
            }),
        ],
    ),
    all("interface System.IDisposable", &[Get("void Dispose()", yes)]),
    none(
        "interface System.IComparable",
        &[Get("int CompareTo(object obj)", compare_to)],
    ),
    none(
        "interface System.IComparable<in T>",
        &[Get("int CompareTo(T other)", compare_to)],
    ),
    none(
        "interface System.IEquatable<T>",
        &[Get("bool Equals(T other)", equals)],
    ),
    none(
        "interface System.IFormattable",
        &[Get(
            "string ToString(string format, IFormatProvider formatProvider)",
            format,
        )],
    ),
    none("interface System.IFormatProvider", &[]),
    none("interface System.ICloneable", &[]),
    none(
        "class System.Globalization.CultureInfo : IFormatProvider",
        &[
            Get("static CultureInfo InvariantCulture", culture),
            Get("static CultureInfo CurrentCulture", culture),
            Get("static CultureInfo CurrentUICulture", culture),
            Get("ctor(string name)", culture),
            Get("static CultureInfo GetCultureInfo(string name)", culture),
            Get("string Name", |_| string("")),
            Get("string ToString()", |_| string("")),
        ],
    ),
    values(
        "flags enum System.Globalization.DateTimeStyles",
        Verdict::None,
        &[
            ("None", 0),
            ("AllowLeadingWhite", 1),
            ("AllowTrailingWhite", 2),
            ("AllowInnerWhite", 4),
            ("AllowWhiteSpaces", 7),
            ("NoCurrentDateDefault", 8),
            ("AdjustToUniversal", 16),
            ("AssumeLocal", 32),
            ("AssumeUniversal", 64),
            ("RoundtripKind", 128),
        ],
    ),
    values(
        "flags enum System.Globalization.NumberStyles",
        Verdict::None,
        &[
            ("None", 0),
            ("AllowLeadingWhite", 1),
            ("AllowTrailingWhite", 2),
            ("AllowLeadingSign", 4),
            ("Integer", 7),
            ("AllowTrailingSign", 8),
            ("AllowParentheses", 16),
            ("AllowDecimalPoint", 32),
            ("AllowThousands", 64),
            ("Number", 111),
            ("AllowExponent", 128),
            ("Float", 167),
            ("AllowCurrencySymbol", 256),
            ("Currency", 383),
            ("Any", 511),
            ("AllowHexSpecifier", 512),
            ("HexNumber", 515),
        ],
    ),
    all(
        "static System.Tuple",
        &[
            Get("static Tuple<T1> Create<T1>(T1 item1)", new_tuple),
            Get(
                "static Tuple<T1, T2> Create<T1, T2>(T1 item1, T2 item2)",
                new_tuple,
            ),
            Get(
                "static Tuple<T1, T2, T3> Create<T1, T2, T3>(T1 item1, T2 item2, T3 item3)",
                new_tuple,
            ),
            Get(
                "static Tuple<T1, T2, T3, T4> Create<T1, T2, T3, T4>(T1 item1, T2 item2, T3 item3, T4 item4)",
                new_tuple,
            ),
            Get(
                "static Tuple<T1, T2, T3, T4, T5> Create<T1, T2, T3, T4, T5>(T1 item1, T2 item2, T3 item3, T4 item4, T5 item5)",
                new_tuple,
            ),
        ],
    ),
    all(
        "class System.Tuple<T1>",
        &[
            Get("ctor(T1 item1)", new_tuple),
            Get("T1 Item1", |c| item(c, 0)),
            Get("string ToString()", to_string),
            Get("bool Equals(object obj)", equals),
            Get("int GetHashCode()", hash_code),
        ],
    ),
    all(
        "class System.Tuple<T1, T2>",
        &[
            Get("ctor(T1 item1, T2 item2)", new_tuple),
            Get("T1 Item1", |c| item(c, 0)),
            Get("T2 Item2", |c| item(c, 1)),
            Get("string ToString()", to_string),
            Get("bool Equals(object obj)", equals),
            Get("int GetHashCode()", hash_code),
        ],
    ),
    all(
        "class System.Tuple<T1, T2, T3>",
        &[
            Get("ctor(T1 item1, T2 item2, T3 item3)", new_tuple),
            Get("T1 Item1", |c| item(c, 0)),
            Get("T2 Item2", |c| item(c, 1)),
            Get("T3 Item3", |c| item(c, 2)),
            Get("string ToString()", to_string),
            Get("bool Equals(object obj)", equals),
            Get("int GetHashCode()", hash_code),
        ],
    ),
    all(
        "class System.Tuple<T1, T2, T3, T4>",
        &[
            Get("ctor(T1 item1, T2 item2, T3 item3, T4 item4)", new_tuple),
            Get("T1 Item1", |c| item(c, 0)),
            Get("T2 Item2", |c| item(c, 1)),
            Get("T3 Item3", |c| item(c, 2)),
            Get("T4 Item4", |c| item(c, 3)),
            Get("string ToString()", to_string),
            Get("bool Equals(object obj)", equals),
            Get("int GetHashCode()", hash_code),
        ],
    ),
    all(
        "class System.Tuple<T1, T2, T3, T4, T5>",
        &[
            Get(
                "ctor(T1 item1, T2 item2, T3 item3, T4 item4, T5 item5)",
                new_tuple,
            ),
            Get("T1 Item1", |c| item(c, 0)),
            Get("T2 Item2", |c| item(c, 1)),
            Get("T3 Item3", |c| item(c, 2)),
            Get("T4 Item4", |c| item(c, 3)),
            Get("T5 Item5", |c| item(c, 4)),
            Get("string ToString()", to_string),
            Get("bool Equals(object obj)", equals),
            Get("int GetHashCode()", hash_code),
        ],
    ),
    all(
        "static System.ValueTuple",
        &[
            Get("static (T1, T2) Create<T1, T2>(T1 item1, T2 item2)", value_tuple),
            Get(
                "static (T1, T2, T3) Create<T1, T2, T3>(T1 item1, T2 item2, T3 item3)",
                value_tuple,
            ),
        ],
    ),
    none(
        "class System.Threading.CancellationToken",
        &[Denied("string ToString()", to_string)],
    ),
];

fn culture(_: &mut Call<'_, '_>) -> Eval {
    let ty = registry()
        .type_named("System.Globalization.CultureInfo")
        .unwrap_or(Type::OBJECT);
    Ok(Value::object(ty, Data::Plain))
}

/// The comparison behind a `StringComparison` argument.
pub(crate) fn comparison(c: &Call<'_, '_>, i: usize) -> Result<StringComparison, Thrown> {
    Ok(StringComparison::from_value(c.enumeration(i)?)?)
}

/// Whether a type is a delegate, for families that take either a delegate or a comparer.
pub(crate) fn is_delegate(v: &Value) -> bool {
    matches!(v, Value::Object(o) if o.ty.kind() == Some(TypeKind::Delegate))
}
