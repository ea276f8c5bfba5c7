//! `bool`, `char`, the integer types, `float`, `double`, `decimal`, `Math`.

mod rare;

pub(super) use rare::{RARE_CHAR, RARE_DECIMAL, RARE_MATH};

use gateway_dotnet::{
    Error, ExceptionKind,
    number::{self, Decimal, IntType, NumberStyles, math},
    text::{
        chars::{self, CharClass},
        unit_to_lower, unit_to_upper,
    },
};

use super::{
    Call, Decl,
    Entry::{Const as Constant, Get},
    Verdict, all, base,
    call::string,
    none, values,
};
use crate::{
    Value,
    ir::Const,
    vm::{Eval, Thrown},
};

/// Text that is parsed: null is refused as parameter `s`.
fn input(c: &Call<'_, '_>, i: usize) -> Result<String, Thrown> {
    Ok(c.text(i, "s")?.to_lossy().into_owned())
}

fn styles(c: &Call<'_, '_>, i: usize, default: NumberStyles) -> NumberStyles {
    match c.arg(i) {
        Value::Enum(_, v) => NumberStyles(*v as i32),
        _ => default,
    }
}

/// Styles of a number that is not an integer, which cannot be hexadecimal.
fn real_styles(c: &Call<'_, '_>, default: NumberStyles) -> Result<NumberStyles, Thrown> {
    /// `NumberStyles.AllowHexSpecifier`
    const HEX: i32 = 0x200;
    let styles = styles(c, 1, default);
    if styles.0 & HEX != 0 {
        let message = "The number style AllowHexSpecifier is not supported on floating point data types.";
        return Err(Error::new(gateway_dotnet::ExceptionKind::ArgumentException, message).into());
    }
    Ok(styles)
}

pub(crate) fn wrap_integer(kind: IntType, v: i128) -> Value {
    match kind {
        IntType::SByte => Value::SByte(v as i8),
        IntType::Byte => Value::Byte(v as u8),
        IntType::Int16 => Value::Short(v as i16),
        IntType::UInt16 => Value::UShort(v as u16),
        IntType::Int32 => Value::Int(v as i32),
        IntType::UInt32 => Value::UInt(v as u32),
        IntType::Int64 => Value::Long(v as i64),
        IntType::UInt64 => Value::ULong(v as u64),
        IntType::Char => Value::Char(v as u16),
    }
}

fn parse(c: &mut Call<'_, '_>, kind: IntType) -> Eval {
    let text = input(c, 0)?;
    let styles = styles(c, 1, NumberStyles::INTEGER);
    Ok(wrap_integer(kind, number::parse_integer(&text, styles, kind)?))
}

fn try_parse(c: &mut Call<'_, '_>, kind: IntType) -> Eval {
    let styles = styles(c, 1, NumberStyles::INTEGER);
    let parsed = c
        .opt_str(0)
        .and_then(|s| number::parse_integer(&s.to_lossy(), styles, kind).ok());
    let last = c.args.len() - 1;
    c.out(last, wrap_integer(kind, parsed.unwrap_or(0)));
    Ok(Value::Bool(parsed.is_some()))
}

macro_rules! integer {
    ($decl:literal, $kw:literal, $kind:ident, $min:expr, $max:expr) => {
        all(concat!("struct ", $decl, " : IComparable, IFormattable, IComparable<", $kw, ">, IEquatable<", $kw, ">"), &[
            Constant(concat!("const ", $kw, " MinValue"), $min),
            Constant(concat!("const ", $kw, " MaxValue"), $max),
            Get(concat!("static ", $kw, " Parse(string s)"), |c| parse(c, IntType::$kind)),
            Get(concat!("static ", $kw, " Parse(string s, System.Globalization.NumberStyles style)"), |c| parse(c, IntType::$kind)),
            Get(concat!("static ", $kw, " Parse(string s, IFormatProvider provider)"), |c| parse(c, IntType::$kind)),
            Get(concat!("static ", $kw, " Parse(string s, System.Globalization.NumberStyles style, IFormatProvider provider)"), |c| parse(c, IntType::$kind)),
            Get(concat!("static bool TryParse(string s, out ", $kw, " result)"), |c| try_parse(c, IntType::$kind)),
            Get(concat!("static bool TryParse(string s, System.Globalization.NumberStyles style, IFormatProvider provider, out ", $kw, " result)"), |c| try_parse(c, IntType::$kind)),
            Get("string ToString()", base::to_string),
            Get("string ToString(string format)", base::format),
            Get("string ToString(IFormatProvider provider)", base::to_string),
            Get("string ToString(string format, IFormatProvider provider)", base::format),
            Get("bool Equals(object obj)", base::equals),
            Get(concat!("bool Equals(", $kw, " obj)"), base::equals),
            Get("int CompareTo(object value)", base::compare_to),
            Get(concat!("int CompareTo(", $kw, " value)"), base::compare_to),
            Get("int GetHashCode()", base::hash_code),
            Get("TypeCode GetTypeCode()", base::type_code),
        ])
    };
}

fn parse_real(c: &mut Call<'_, '_>, single: bool) -> Eval {
    let text = input(c, 0)?;
    let styles = real_styles(c, NumberStyles::FLOAT_THOUSANDS)?;
    real(&text, styles, single)
}

fn real(text: &str, styles: NumberStyles, single: bool) -> Eval {
    Ok(if single {
        Value::Float(number::parse_single(text, styles)?)
    } else {
        Value::Double(number::parse_double(text, styles)?)
    })
}

fn try_parse_real(c: &mut Call<'_, '_>, single: bool) -> Eval {
    let styles = real_styles(c, NumberStyles::FLOAT_THOUSANDS)?;
    let parsed = c
        .opt_str(0)
        .and_then(|s| real(&s.to_lossy(), styles, single).ok());
    let last = c.args.len() - 1;
    let ok = parsed.is_some();
    c.out(
        last,
        parsed.unwrap_or(if single {
            Value::Float(0.0)
        } else {
            Value::Double(0.0)
        }),
    );
    Ok(Value::Bool(ok))
}

fn check(c: &Call<'_, '_>, test: fn(f64) -> bool) -> Eval {
    Ok(Value::Bool(test(c.double(0)?)))
}

/// `IsNormal` and `IsSubnormal`, which depend on the width.
fn normal(c: &mut Call<'_, '_>, wanted: bool) -> Eval {
    use std::num::FpCategory::{Normal, Subnormal};
    let class = match c.arg(0) {
        Value::Float(f) => f.classify(),
        _ => c.double(0)?.classify(),
    };
    Ok(Value::Bool(class == if wanted { Normal } else { Subnormal }))
}

macro_rules! real_type {
    ($decl:literal, $kw:literal, $single:literal, [$($constant:expr),*]) => {
        all(concat!("struct ", $decl, " : IComparable, IFormattable, IComparable<", $kw, ">, IEquatable<", $kw, ">"), &[
            $($constant,)*
            Get(concat!("static ", $kw, " Parse(string s)"), |c| parse_real(c, $single)),
            Get(concat!("static ", $kw, " Parse(string s, System.Globalization.NumberStyles style)"), |c| parse_real(c, $single)),
            Get(concat!("static ", $kw, " Parse(string s, IFormatProvider provider)"), |c| parse_real(c, $single)),
            Get(concat!("static ", $kw, " Parse(string s, System.Globalization.NumberStyles style, IFormatProvider provider)"), |c| parse_real(c, $single)),
            Get(concat!("static bool TryParse(string s, out ", $kw, " result)"), |c| try_parse_real(c, $single)),
            Get(concat!("static bool TryParse(string s, System.Globalization.NumberStyles style, IFormatProvider provider, out ", $kw, " result)"), |c| try_parse_real(c, $single)),
            Get(concat!("static bool IsNaN(", $kw, " d)"), |c| check(c, f64::is_nan)),
            Get(concat!("static bool IsInfinity(", $kw, " d)"), |c| check(c, f64::is_infinite)),
            Get(concat!("static bool IsNormal(", $kw, " d)"), |c| normal(c, true)),
            Get(concat!("static bool IsSubnormal(", $kw, " d)"), |c| normal(c, false)),
            Get(concat!("static bool IsFinite(", $kw, " d)"), |c| check(c, f64::is_finite)),
            Get(concat!("static bool IsNegative(", $kw, " d)"), |c| check(c, f64::is_sign_negative)),
            Get(concat!("static bool IsPositiveInfinity(", $kw, " d)"), |c| check(c, |d| d == f64::INFINITY)),
            Get(concat!("static bool IsNegativeInfinity(", $kw, " d)"), |c| check(c, |d| d == f64::NEG_INFINITY)),
            Get("string ToString()", base::to_string),
            Get("string ToString(string format)", base::format),
            Get("string ToString(IFormatProvider provider)", base::to_string),
            Get("string ToString(string format, IFormatProvider provider)", base::format),
            Get("bool Equals(object obj)", base::equals),
            Get(concat!("bool Equals(", $kw, " obj)"), base::equals),
            Get("int CompareTo(object value)", base::compare_to),
            Get(concat!("int CompareTo(", $kw, " value)"), base::compare_to),
            Get("int GetHashCode()", base::hash_code),
            Get("TypeCode GetTypeCode()", base::type_code),
        ])
    };
}

// ---- decimal

fn parse_decimal(c: &mut Call<'_, '_>) -> Eval {
    let text = input(c, 0)?;
    Ok(Value::Decimal(number::parse_decimal(
        &text,
        real_styles(c, NumberStyles::NUMBER)?,
    )?))
}

fn try_parse_decimal(c: &mut Call<'_, '_>) -> Eval {
    let styles = real_styles(c, NumberStyles::NUMBER)?;
    let parsed = c
        .opt_str(0)
        .and_then(|s| number::parse_decimal(&s.to_lossy(), styles).ok());
    let last = c.args.len() - 1;
    c.out(last, Value::Decimal(parsed.unwrap_or_default()));
    Ok(Value::Bool(parsed.is_some()))
}

fn decimal_binary(c: &Call<'_, '_>, f: fn(Decimal, Decimal) -> Result<Decimal, Error>) -> Eval {
    Ok(Value::Decimal(f(c.decimal(0)?, c.decimal(1)?)?))
}

fn midpoint(c: &Call<'_, '_>, i: usize) -> Result<math::Midpoint, Thrown> {
    match c.arg(i) {
        Value::Enum(_, v) => Ok(math::Midpoint::from_value(*v as i32)?),
        _ => Ok(math::Midpoint::from_value(0)?),
    }
}

/// `Round(value [, digits] [, mode])` for double and decimal.
fn round(c: &mut Call<'_, '_>) -> Eval {
    let digits = match c.arg(1) {
        Value::Int(d) => Some(*d),
        _ => None,
    };
    let mode = midpoint(c, if digits.is_some() { 2 } else { 1 })?;
    Ok(match c.arg(0) {
        Value::Decimal(d) => Value::Decimal(math::round_decimal(*d, digits.unwrap_or(0), mode)?),
        _ => {
            let v = c.double(0)?;
            Value::Double(match digits {
                Some(d) => math::round_digits(v, d, mode)?,
                None => math::round(v, mode),
            })
        }
    })
}

fn directed(c: &mut Call<'_, '_>, real: fn(f64) -> f64, mode: i32) -> Eval {
    Ok(match c.arg(0) {
        Value::Decimal(d) => Value::Decimal(math::round_decimal(*d, 0, math::Midpoint::from_value(mode)?)?),
        _ => Value::Double(real(c.double(0)?)),
    })
}

// ---- char

fn class(c: &mut Call<'_, '_>, class: CharClass) -> Eval {
    Ok(Value::Bool(match c.arg(0) {
        Value::Char(u) => class.contains(*u),
        _ => {
            let text = c.text(0, "s")?;
            class.contains_at(&text, c.int(1)?)?
        }
    }))
}

fn unary(c: &Call<'_, '_>, f: fn(f64) -> f64) -> Eval {
    Ok(Value::Double(f(c.double(0)?)))
}

fn as_integer(v: &Value) -> Option<(i128, IntType)> {
    Some(match v {
        Value::SByte(v) => ((*v).into(), IntType::SByte),
        Value::Byte(v) => ((*v).into(), IntType::Byte),
        Value::Short(v) => ((*v).into(), IntType::Int16),
        Value::UShort(v) => ((*v).into(), IntType::UInt16),
        Value::Int(v) => ((*v).into(), IntType::Int32),
        Value::UInt(v) => ((*v).into(), IntType::UInt32),
        Value::Long(v) => ((*v).into(), IntType::Int64),
        Value::ULong(v) => ((*v).into(), IntType::UInt64),
        _ => return None,
    })
}

fn abs(c: &mut Call<'_, '_>) -> Eval {
    if let Some((v, kind)) = as_integer(c.arg(0)) {
        return Ok(wrap_integer(kind, math::abs_integer(v, kind)?));
    }
    Ok(match c.arg(0) {
        Value::Float(f) => Value::Float(f.abs()),
        Value::Decimal(d) => Value::Decimal(d.abs()),
        _ => Value::Double(c.double(0)?.abs()),
    })
}

fn extreme(c: &mut Call<'_, '_>, max: bool) -> Eval {
    let (a, b) = (c.arg(0), c.arg(1));
    let pick = |a_wins: bool| if a_wins { a.clone() } else { b.clone() };
    if let (Some((x, _)), Some((y, _))) = (as_integer(a), as_integer(b)) {
        return Ok(pick(if max { x >= y } else { x <= y }));
    }
    Ok(match (a, b) {
        (Value::Decimal(x), Value::Decimal(y)) => {
            let order = x.compare(*y);
            pick(if max { order.is_ge() } else { order.is_le() })
        }
        (Value::Float(x), Value::Float(y)) => {
            let f = if max { math::max } else { math::min };
            Value::Float(f(f64::from(*x), f64::from(*y)) as f32)
        }
        _ => {
            let f = if max { math::max } else { math::min };
            Value::Double(f(c.double(0)?, c.double(1)?))
        }
    })
}

fn clamp(c: &mut Call<'_, '_>) -> Eval {
    use std::cmp::Ordering::{Greater, Less};
    let (v, low, high) = (c.arg(0), c.arg(1), c.arg(2));
    let order = crate::equality::compare;
    if order(low, high)? == Greater {
        let show = |v: &Value| v.to_text().unwrap_or_default();
        return Err(math::clamp_error(&show(low), &show(high)).into());
    }
    Ok(if order(v, low)? == Less {
        low.clone()
    } else if order(v, high)? == Greater {
        high.clone()
    } else {
        v.clone()
    })
}

fn sign(c: &mut Call<'_, '_>) -> Eval {
    if let Some((v, _)) = as_integer(c.arg(0)) {
        return Ok(Value::Int(v.signum() as i32));
    }
    Ok(Value::Int(match c.arg(0) {
        Value::Decimal(d) if d.is_zero() => 0,
        Value::Decimal(d) => {
            if d.is_negative() {
                -1
            } else {
                1
            }
        }
        _ => math::sign(c.double(0)?)?,
    }))
}

fn div_rem(c: &mut Call<'_, '_>) -> Eval {
    if let (Some((a, kind)), Some((b, _))) = (as_integer(c.arg(0)), as_integer(c.arg(1))) {
        if b == 0 {
            return Err(Error::of(ExceptionKind::DivideByZeroException).into());
        }
        c.out(2, wrap_integer(kind, a % b));
        return Ok(wrap_integer(kind, a / b));
    }
    Ok(Value::Null)
}

fn decimal_extreme(negative: bool) -> Eval {
    let max = Decimal::new(79_228_162_514_264_337_593_543_950_335, 0, negative);
    Ok(Value::Decimal(max.unwrap_or_default()))
}

fn small(v: i128) -> Eval {
    Ok(Value::Decimal(Decimal::from_i128(v).unwrap_or_default()))
}

fn bool_parse(c: &mut Call<'_, '_>) -> Eval {
    let text = c.text(0, "value")?;
    Ok(Value::Bool(number::parse_bool(&text.to_lossy())?))
}

pub(super) const TYPES: &[Decl] = &[
    all(
        "struct System.Boolean : IComparable, IComparable<bool>, IEquatable<bool>",
        &[
            Get("static string TrueString", |_| string("True")),
            Get("static string FalseString", |_| string("False")),
            Get("static bool Parse(string value)", bool_parse),
            Get("static bool TryParse(string value, out bool result)", |c| {
                let parsed = c.opt_str(0).and_then(|s| number::parse_bool(&s.to_lossy()).ok());
                c.out(1, Value::Bool(parsed.unwrap_or(false)));
                Ok(Value::Bool(parsed.is_some()))
            }),
            Get("string ToString()", base::to_string),
            Get("string ToString(IFormatProvider provider)", base::to_string),
            Get("bool Equals(object obj)", base::equals),
            Get("bool Equals(bool obj)", base::equals),
            Get("int CompareTo(object obj)", base::compare_to),
            Get("int CompareTo(bool value)", base::compare_to),
            Get("int GetHashCode()", base::hash_code),
            Get("TypeCode GetTypeCode()", base::type_code),
        ],
    ),
    all(
        "struct System.Char : IComparable, IComparable<char>, IEquatable<char>",
        CHAR,
    ),
    integer!(
        "System.SByte",
        "sbyte",
        SByte,
        Const::SByte(i8::MIN),
        Const::SByte(i8::MAX)
    ),
    integer!(
        "System.Byte",
        "byte",
        Byte,
        Const::Byte(u8::MIN),
        Const::Byte(u8::MAX)
    ),
    integer!(
        "System.Int16",
        "short",
        Int16,
        Const::Short(i16::MIN),
        Const::Short(i16::MAX)
    ),
    integer!(
        "System.UInt16",
        "ushort",
        UInt16,
        Const::UShort(u16::MIN),
        Const::UShort(u16::MAX)
    ),
    integer!(
        "System.Int32",
        "int",
        Int32,
        Const::Int(i32::MIN),
        Const::Int(i32::MAX)
    ),
    integer!(
        "System.UInt32",
        "uint",
        UInt32,
        Const::UInt(u32::MIN),
        Const::UInt(u32::MAX)
    ),
    integer!(
        "System.Int64",
        "long",
        Int64,
        Const::Long(i64::MIN),
        Const::Long(i64::MAX)
    ),
    integer!(
        "System.UInt64",
        "ulong",
        UInt64,
        Const::ULong(u64::MIN),
        Const::ULong(u64::MAX)
    ),
    real_type!(
        "System.Single",
        "float",
        true,
        [
            Constant("const float MinValue", Const::Float(f32::MIN)),
            Constant("const float MaxValue", Const::Float(f32::MAX)),
            Constant("const float Epsilon", Const::Float(1e-45)),
            Constant("const float NaN", Const::Float(f32::NAN)),
            Constant("const float PositiveInfinity", Const::Float(f32::INFINITY)),
            Constant("const float NegativeInfinity", Const::Float(f32::NEG_INFINITY))
        ]
    ),
    real_type!(
        "System.Double",
        "double",
        false,
        [
            Constant("const double MinValue", Const::Double(f64::MIN)),
            Constant("const double MaxValue", Const::Double(f64::MAX)),
            Constant("const double Epsilon", Const::Double(5e-324)),
            Constant("const double NaN", Const::Double(f64::NAN)),
            Constant("const double PositiveInfinity", Const::Double(f64::INFINITY)),
            Constant("const double NegativeInfinity", Const::Double(f64::NEG_INFINITY))
        ]
    ),
    all(
        "struct System.Decimal : IComparable, IFormattable, IComparable<decimal>, IEquatable<decimal>",
        &[
            Get("static decimal MaxValue", |_| decimal_extreme(false)),
            Get("static decimal MinValue", |_| decimal_extreme(true)),
            Get("static decimal Zero", |_| small(0)),
            Get("static decimal One", |_| small(1)),
            Get("static decimal MinusOne", |_| small(-1)),
            Get("ctor(int value)", |c| small(i128::from(c.int(0)?))),
            Get("ctor(long value)", |c| small(i128::from(c.long(0)?))),
            Get("ctor(double value)", |c| {
                Ok(Value::Decimal(Decimal::from_f64(c.double(0)?)?))
            }),
            Get("static decimal Parse(string s)", parse_decimal),
            Get(
                "static decimal Parse(string s, System.Globalization.NumberStyles style)",
                parse_decimal,
            ),
            Get(
                "static decimal Parse(string s, IFormatProvider provider)",
                parse_decimal,
            ),
            Get(
                "static decimal Parse(string s, System.Globalization.NumberStyles style, IFormatProvider provider)",
                parse_decimal,
            ),
            Get(
                "static bool TryParse(string s, out decimal result)",
                try_parse_decimal,
            ),
            Get(
                "static bool TryParse(string s, System.Globalization.NumberStyles style, IFormatProvider provider, out decimal result)",
                try_parse_decimal,
            ),
            Get("static decimal Add(decimal d1, decimal d2)", |c| {
                decimal_binary(c, Decimal::add)
            }),
            Get("static decimal Subtract(decimal d1, decimal d2)", |c| {
                decimal_binary(c, Decimal::subtract)
            }),
            Get("static decimal Multiply(decimal d1, decimal d2)", |c| {
                decimal_binary(c, Decimal::multiply)
            }),
            Get("static decimal Divide(decimal d1, decimal d2)", |c| {
                decimal_binary(c, Decimal::divide)
            }),
            Get("static decimal Remainder(decimal d1, decimal d2)", |c| {
                decimal_binary(c, Decimal::remainder)
            }),
            Get("static decimal Negate(decimal d)", |c| {
                Ok(Value::Decimal(c.decimal(0)?.negate()))
            }),
            Get("static decimal Floor(decimal d)", |c| directed(c, f64::floor, 3)),
            Get("static decimal Ceiling(decimal d)", |c| directed(c, f64::ceil, 4)),
            Get("static decimal Truncate(decimal d)", |c| {
                directed(c, f64::trunc, 2)
            }),
            Get("static decimal Round(decimal d)", round),
            Get("static decimal Round(decimal d, int decimals)", round),
            Get("static decimal Round(decimal d, MidpointRounding mode)", round),
            Get(
                "static decimal Round(decimal d, int decimals, MidpointRounding mode)",
                round,
            ),
            Get("static int Compare(decimal d1, decimal d2)", |c| {
                Ok(Value::Int(c.decimal(0)?.compare(c.decimal(1)?) as i32))
            }),
            Get("static bool Equals(decimal d1, decimal d2)", base::equals),
            Get("static int ToInt32(decimal d)", |c| {
                crate::ops::to_int_checked(c.take(0))
            }),
            Get("static long ToInt64(decimal d)", |c| {
                crate::ops::to_long_checked(c.take(0))
            }),
            Get("static double ToDouble(decimal d)", |c| {
                Ok(Value::Double(c.decimal(0)?.to_f64()))
            }),
            Get("static int[] GetBits(decimal d)", |c| {
                let bits = c.decimal(0)?.bits();
                Ok(Value::array(
                    crate::types::Type::INT,
                    bits.iter().map(|b| Value::Int(*b)).collect(),
                ))
            }),
            Get("string ToString()", base::to_string),
            Get("string ToString(string format)", base::format),
            Get("string ToString(IFormatProvider provider)", base::to_string),
            Get(
                "string ToString(string format, IFormatProvider provider)",
                base::format,
            ),
            Get("bool Equals(object value)", base::equals),
            Get("bool Equals(decimal value)", base::equals),
            Get("int CompareTo(object value)", base::compare_to),
            Get("int CompareTo(decimal value)", base::compare_to),
            Get("int GetHashCode()", base::hash_code),
            Get("TypeCode GetTypeCode()", base::type_code),
        ],
    ),
    all("static System.Math", MATH),
    values(
        "enum System.MidpointRounding",
        Verdict::All,
        &[
            ("ToEven", 0),
            ("AwayFromZero", 1),
            ("ToZero", 2),
            ("ToNegativeInfinity", 3),
            ("ToPositiveInfinity", 4),
        ],
    ),
    values(
        "enum System.TypeCode",
        Verdict::None,
        &[
            ("Empty", 0),
            ("Object", 1),
            ("DBNull", 2),
            ("Boolean", 3),
            ("Char", 4),
            ("SByte", 5),
            ("Byte", 6),
            ("Int16", 7),
            ("UInt16", 8),
            ("Int32", 9),
            ("UInt32", 10),
            ("Int64", 11),
            ("UInt64", 12),
            ("Single", 13),
            ("Double", 14),
            ("Decimal", 15),
            ("DateTime", 16),
            ("String", 18),
        ],
    ),
    values(
        "enum System.Globalization.UnicodeCategory",
        Verdict::None,
        &[
            ("UppercaseLetter", 0),
            ("LowercaseLetter", 1),
            ("TitlecaseLetter", 2),
            ("ModifierLetter", 3),
            ("OtherLetter", 4),
            ("NonSpacingMark", 5),
            ("SpacingCombiningMark", 6),
            ("EnclosingMark", 7),
            ("DecimalDigitNumber", 8),
            ("LetterNumber", 9),
            ("OtherNumber", 10),
            ("SpaceSeparator", 11),
            ("LineSeparator", 12),
            ("ParagraphSeparator", 13),
            ("Control", 14),
            ("Format", 15),
            ("Surrogate", 16),
            ("PrivateUse", 17),
            ("ConnectorPunctuation", 18),
            ("DashPunctuation", 19),
            ("OpenPunctuation", 20),
            ("ClosePunctuation", 21),
            ("InitialQuotePunctuation", 22),
            ("FinalQuotePunctuation", 23),
            ("OtherPunctuation", 24),
            ("MathSymbol", 25),
            ("CurrencySymbol", 26),
            ("ModifierSymbol", 27),
            ("OtherSymbol", 28),
            ("OtherNotAssigned", 29),
        ],
    ),
    none(
        "class System.Globalization.NumberFormatInfo : IFormatProvider",
        &[],
    ),
];

const CHAR: &[super::Entry] = &[
    Constant("const char MinValue", Const::Char(0)),
    Constant("const char MaxValue", Const::Char(u16::MAX)),
    Get("static bool IsDigit(char c)", |c| class(c, CharClass::Digit)),
    Get("static bool IsDigit(string s, int index)", |c| {
        class(c, CharClass::Digit)
    }),
    Get("static bool IsLetter(char c)", |c| class(c, CharClass::Letter)),
    Get("static bool IsLetter(string s, int index)", |c| {
        class(c, CharClass::Letter)
    }),
    Get("static bool IsLetterOrDigit(char c)", |c| {
        class(c, CharClass::LetterOrDigit)
    }),
    Get("static bool IsLetterOrDigit(string s, int index)", |c| {
        class(c, CharClass::LetterOrDigit)
    }),
    Get("static bool IsWhiteSpace(char c)", |c| {
        class(c, CharClass::WhiteSpace)
    }),
    Get("static bool IsWhiteSpace(string s, int index)", |c| {
        class(c, CharClass::WhiteSpace)
    }),
    Get("static bool IsUpper(char c)", |c| class(c, CharClass::Upper)),
    Get("static bool IsUpper(string s, int index)", |c| {
        class(c, CharClass::Upper)
    }),
    Get("static bool IsLower(char c)", |c| class(c, CharClass::Lower)),
    Get("static bool IsLower(string s, int index)", |c| {
        class(c, CharClass::Lower)
    }),
    Get("static bool IsNumber(char c)", |c| class(c, CharClass::Number)),
    Get("static bool IsPunctuation(char c)", |c| {
        class(c, CharClass::Punctuation)
    }),
    Get("static bool IsSymbol(char c)", |c| class(c, CharClass::Symbol)),
    Get("static bool IsControl(char c)", |c| class(c, CharClass::Control)),
    Get("static bool IsSeparator(char c)", |c| {
        class(c, CharClass::Separator)
    }),
    Get("static bool IsSurrogate(char c)", |c| {
        class(c, CharClass::Surrogate)
    }),
    Get("static bool IsNumber(string s, int index)", |c| {
        class(c, CharClass::Number)
    }),
    Get("static bool IsPunctuation(string s, int index)", |c| {
        class(c, CharClass::Punctuation)
    }),
    Get("static bool IsSymbol(string s, int index)", |c| {
        class(c, CharClass::Symbol)
    }),
    Get("static bool IsControl(string s, int index)", |c| {
        class(c, CharClass::Control)
    }),
    Get("static bool IsSeparator(string s, int index)", |c| {
        class(c, CharClass::Separator)
    }),
    Get("static bool IsSurrogate(string s, int index)", |c| {
        class(c, CharClass::Surrogate)
    }),
    Get("static bool IsHighSurrogate(char c)", |c| {
        Ok(Value::Bool((0xD800..0xDC00).contains(&c.char(0)?)))
    }),
    Get("static bool IsLowSurrogate(char c)", |c| {
        Ok(Value::Bool((0xDC00..0xE000).contains(&c.char(0)?)))
    }),
    Get("static char ToUpper(char c)", |c| {
        Ok(Value::Char(unit_to_upper(c.char(0)?)))
    }),
    Get("static char ToUpperInvariant(char c)", |c| {
        Ok(Value::Char(unit_to_upper(c.char(0)?)))
    }),
    Get("static char ToLower(char c)", |c| {
        Ok(Value::Char(unit_to_lower(c.char(0)?)))
    }),
    Get("static char ToLowerInvariant(char c)", |c| {
        Ok(Value::Char(unit_to_lower(c.char(0)?)))
    }),
    Get("static double GetNumericValue(char c)", |c| {
        Ok(Value::Double(chars::numeric_value(c.char(0)?)))
    }),
    Get(
        "static System.Globalization.UnicodeCategory GetUnicodeCategory(char c)",
        |c| {
            let (_, n) = chars::unicode_category(c.char(0)?);
            let def = crate::types::registry().by_full_name("System.Globalization.UnicodeCategory");
            Ok(Value::Enum(def.unwrap_or(crate::types::OBJECT), i64::from(n)))
        },
    ),
    Get("static string ConvertFromUtf32(int utf32)", |c| {
        let code = c.int(0)?;
        match u32::try_from(code).ok().and_then(char::from_u32) {
            Some(ch) => string(ch.to_string()),
            None => Err(Error::out_of_range("utf32", "A valid UTF32 value is between 0x000000 and 0x10ffff, inclusive, and should not include surrogate codepoint values (0x00d800 ~ 0x00dfff).").into()),
        }
    }),
    Get("static char Parse(string s)", |c| {
        Ok(Value::Char(gateway_dotnet::text::parse_char(&c.text(0, "s")?)?))
    }),
    Get("static bool TryParse(string s, out char result)", |c| {
        let parsed = c
            .opt_str(0)
            .and_then(|s| gateway_dotnet::text::parse_char(&s).ok());
        c.out(1, Value::Char(parsed.unwrap_or(0)));
        Ok(Value::Bool(parsed.is_some()))
    }),
    Get("static string ToString(char c)", base::to_string),
    Get("string ToString()", base::to_string),
    Get("string ToString(IFormatProvider provider)", base::to_string),
    Get("bool Equals(object obj)", base::equals),
    Get("bool Equals(char obj)", base::equals),
    Get("int CompareTo(object value)", char_compare),
    Get("int CompareTo(char value)", char_compare),
    Get("int GetHashCode()", base::hash_code),
    Get("TypeCode GetTypeCode()", base::type_code),
];

/// Characters compare by their difference.
fn char_compare(c: &mut Call<'_, '_>) -> Eval {
    match (c.arg(0), c.arg(1)) {
        (Value::Char(a), Value::Char(b)) => Ok(Value::Int(i32::from(*a) - i32::from(*b))),
        _ => base::compare_to(c),
    }
}

const MATH: &[super::Entry] = &[
    Constant("const double PI", Const::Double(std::f64::consts::PI)),
    Constant("const double E", Const::Double(std::f64::consts::E)),
    Get("static double Round(double a)", round),
    Get("static double Round(double value, int digits)", round),
    Get("static double Round(double value, MidpointRounding mode)", round),
    Get(
        "static double Round(double value, int digits, MidpointRounding mode)",
        round,
    ),
    Get("static decimal Round(decimal d)", round),
    Get("static decimal Round(decimal d, int decimals)", round),
    Get("static decimal Round(decimal d, MidpointRounding mode)", round),
    Get(
        "static decimal Round(decimal d, int decimals, MidpointRounding mode)",
        round,
    ),
    Get("static double Floor(double d)", |c| directed(c, f64::floor, 3)),
    Get("static decimal Floor(decimal d)", |c| directed(c, f64::floor, 3)),
    Get("static double Ceiling(double a)", |c| directed(c, f64::ceil, 4)),
    Get("static decimal Ceiling(decimal d)", |c| directed(c, f64::ceil, 4)),
    Get("static double Truncate(double d)", |c| directed(c, f64::trunc, 2)),
    Get("static decimal Truncate(decimal d)", |c| {
        directed(c, f64::trunc, 2)
    }),
    Get("static sbyte Abs(sbyte value)", abs),
    Get("static short Abs(short value)", abs),
    Get("static int Abs(int value)", abs),
    Get("static long Abs(long value)", abs),
    Get("static float Abs(float value)", abs),
    Get("static double Abs(double value)", abs),
    Get("static decimal Abs(decimal value)", abs),
    Get("static byte Max(byte val1, byte val2)", |c| extreme(c, true)),
    Get("static sbyte Max(sbyte val1, sbyte val2)", |c| extreme(c, true)),
    Get("static short Max(short val1, short val2)", |c| extreme(c, true)),
    Get("static ushort Max(ushort val1, ushort val2)", |c| {
        extreme(c, true)
    }),
    Get("static int Max(int val1, int val2)", |c| extreme(c, true)),
    Get("static uint Max(uint val1, uint val2)", |c| extreme(c, true)),
    Get("static long Max(long val1, long val2)", |c| extreme(c, true)),
    Get("static ulong Max(ulong val1, ulong val2)", |c| extreme(c, true)),
    Get("static float Max(float val1, float val2)", |c| extreme(c, true)),
    Get("static double Max(double val1, double val2)", |c| {
        extreme(c, true)
    }),
    Get("static decimal Max(decimal val1, decimal val2)", |c| {
        extreme(c, true)
    }),
    Get("static byte Min(byte val1, byte val2)", |c| extreme(c, false)),
    Get("static sbyte Min(sbyte val1, sbyte val2)", |c| extreme(c, false)),
    Get("static short Min(short val1, short val2)", |c| extreme(c, false)),
    Get("static ushort Min(ushort val1, ushort val2)", |c| {
        extreme(c, false)
    }),
    Get("static int Min(int val1, int val2)", |c| extreme(c, false)),
    Get("static uint Min(uint val1, uint val2)", |c| extreme(c, false)),
    Get("static long Min(long val1, long val2)", |c| extreme(c, false)),
    Get("static ulong Min(ulong val1, ulong val2)", |c| extreme(c, false)),
    Get("static float Min(float val1, float val2)", |c| extreme(c, false)),
    Get("static double Min(double val1, double val2)", |c| {
        extreme(c, false)
    }),
    Get("static decimal Min(decimal val1, decimal val2)", |c| {
        extreme(c, false)
    }),
    Get("static byte Clamp(byte value, byte min, byte max)", clamp),
    Get("static int Clamp(int value, int min, int max)", clamp),
    Get("static long Clamp(long value, long min, long max)", clamp),
    Get("static float Clamp(float value, float min, float max)", clamp),
    Get("static double Clamp(double value, double min, double max)", clamp),
    Get(
        "static decimal Clamp(decimal value, decimal min, decimal max)",
        clamp,
    ),
    Get("static int Sign(sbyte value)", sign),
    Get("static int Sign(short value)", sign),
    Get("static int Sign(int value)", sign),
    Get("static int Sign(long value)", sign),
    Get("static int Sign(float value)", sign),
    Get("static int Sign(double value)", sign),
    Get("static int Sign(decimal value)", sign),
    Get("static double Pow(double x, double y)", |c| {
        Ok(Value::Double(c.double(0)?.powf(c.double(1)?)))
    }),
    Get("static double Sqrt(double d)", |c| unary(c, f64::sqrt)),
    Get("static double Cbrt(double d)", |c| unary(c, f64::cbrt)),
    Get("static double Exp(double d)", |c| unary(c, f64::exp)),
    Get("static double Log(double d)", |c| unary(c, f64::ln)),
    Get("static double Log(double a, double newBase)", |c| {
        Ok(Value::Double(math::log(c.double(0)?, c.double(1)?)))
    }),
    Get("static double Log10(double d)", |c| unary(c, f64::log10)),
    Get("static double Log2(double d)", |c| unary(c, f64::log2)),
    Get("static double Sin(double a)", |c| unary(c, f64::sin)),
    Get("static double Cos(double d)", |c| unary(c, f64::cos)),
    Get("static double Tan(double a)", |c| unary(c, f64::tan)),
    Get("static double Asin(double d)", |c| unary(c, f64::asin)),
    Get("static double Acos(double d)", |c| unary(c, f64::acos)),
    Get("static double Atan(double d)", |c| unary(c, f64::atan)),
    Get("static double Atan2(double y, double x)", |c| {
        Ok(Value::Double(c.double(0)?.atan2(c.double(1)?)))
    }),
    Get("static double Sinh(double a)", |c| unary(c, f64::sinh)),
    Get("static double Cosh(double d)", |c| unary(c, f64::cosh)),
    Get("static double Tanh(double a)", |c| unary(c, f64::tanh)),
    Get("static double IEEERemainder(double x, double y)", |c| {
        Ok(Value::Double(math::ieee_remainder(c.double(0)?, c.double(1)?)))
    }),
    Get("static int DivRem(int a, int b, out int result)", div_rem),
    Get("static long DivRem(long a, long b, out long result)", div_rem),
    Get("static long BigMul(int a, int b)", |c| {
        Ok(Value::Long(i64::from(c.int(0)?) * i64::from(c.int(1)?)))
    }),
];
