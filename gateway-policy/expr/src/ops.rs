//! Operators on built-in types, as the function pointers the compiled form holds.

use gateway_dotnet::{Error, ExceptionKind, number::Decimal};

use crate::{
    Value,
    ir::{BinaryFn, UnaryFn},
    types::Num,
    vm::Thrown,
};

type R = Result<Value, Thrown>;

fn overflow() -> Thrown {
    Error::of(ExceptionKind::OverflowException).into()
}

fn zero() -> Thrown {
    Error::of(ExceptionKind::DivideByZeroException).into()
}

/// Operands of a type the checker has ruled out: a null where a value type was promised.
fn mismatch() -> Thrown {
    Error::null_reference().into()
}

macro_rules! int_ops {
    ($module:ident, $variant:ident, $t:ty) => {
        mod $module {
            use super::{R, Value, mismatch, overflow, zero};

            macro_rules! simple {
                ($name:ident, $a:ident, $b:ident, $e:expr) => {
                    pub(super) fn $name(a: Value, b: Value) -> R {
                        match (a, b) {
                            (Value::$variant($a), Value::$variant($b)) => $e,
                            _ => Err(mismatch()),
                        }
                    }
                };
            }
            simple!(add, a, b, Ok(Value::$variant(a.wrapping_add(b))));
            simple!(sub, a, b, Ok(Value::$variant(a.wrapping_sub(b))));
            simple!(mul, a, b, Ok(Value::$variant(a.wrapping_mul(b))));
            simple!(add_checked, a, b, a.checked_add(b).map(Value::$variant).ok_or_else(overflow));
            simple!(sub_checked, a, b, a.checked_sub(b).map(Value::$variant).ok_or_else(overflow));
            simple!(mul_checked, a, b, a.checked_mul(b).map(Value::$variant).ok_or_else(overflow));
            simple!(
                div,
                a,
                b,
                if b == 0 { Err(zero()) } else { a.checked_div(b).map(Value::$variant).ok_or_else(overflow) }
            );
            simple!(
                rem,
                a,
                b,
                if b == 0 { Err(zero()) } else { a.checked_rem(b).map(Value::$variant).ok_or_else(overflow) }
            );
            simple!(and, a, b, Ok(Value::$variant(a & b)));
            simple!(or, a, b, Ok(Value::$variant(a | b)));
            simple!(xor, a, b, Ok(Value::$variant(a ^ b)));
            simple!(eq, a, b, Ok(Value::Bool(a == b)));
            simple!(ne, a, b, Ok(Value::Bool(a != b)));
            simple!(lt, a, b, Ok(Value::Bool(a < b)));
            simple!(le, a, b, Ok(Value::Bool(a <= b)));
            simple!(gt, a, b, Ok(Value::Bool(a > b)));
            simple!(ge, a, b, Ok(Value::Bool(a >= b)));
            pub(super) fn shl(a: Value, b: Value) -> R {
                match (a, b) {
                    (Value::$variant(a), Value::Int(b)) => Ok(Value::$variant(a.wrapping_shl(b as u32))),
                    _ => Err(mismatch()),
                }
            }
            pub(super) fn shr(a: Value, b: Value) -> R {
                match (a, b) {
                    (Value::$variant(a), Value::Int(b)) => Ok(Value::$variant(a.wrapping_shr(b as u32))),
                    _ => Err(mismatch()),
                }
            }
            pub(super) fn not(a: Value) -> R {
                match a {
                    Value::$variant(a) => Ok(Value::$variant(!a)),
                    _ => Err(mismatch()),
                }
            }
            pub(super) fn binary(op: &str, checked: bool) -> Option<super::BinaryFn> {
                Some(match (op, checked) {
                    ("+", false) => add,
                    ("-", false) => sub,
                    ("*", false) => mul,
                    ("+", true) => add_checked,
                    ("-", true) => sub_checked,
                    ("*", true) => mul_checked,
                    ("/", _) => div,
                    ("%", _) => rem,
                    ("&", _) => and,
                    ("|", _) => or,
                    ("^", _) => xor,
                    ("==", _) => eq,
                    ("!=", _) => ne,
                    ("<", _) => lt,
                    ("<=", _) => le,
                    (">", _) => gt,
                    (">=", _) => ge,
                    ("<<", _) => shl,
                    (">>", _) => shr,
                    _ => return None,
                })
            }
        }
    };
}

int_ops!(int, Int, i32);
int_ops!(uint, UInt, u32);
int_ops!(long, Long, i64);
int_ops!(ulong, ULong, u64);

macro_rules! float_ops {
    ($module:ident, $variant:ident) => {
        mod $module {
            use super::{R, Value, mismatch};
            macro_rules! simple {
                ($name:ident, $a:ident, $b:ident, $e:expr) => {
                    pub(super) fn $name(a: Value, b: Value) -> R {
                        match (a, b) {
                            (Value::$variant($a), Value::$variant($b)) => Ok($e),
                            _ => Err(mismatch()),
                        }
                    }
                };
            }
            simple!(add, a, b, Value::$variant(a + b));
            simple!(sub, a, b, Value::$variant(a - b));
            simple!(mul, a, b, Value::$variant(a * b));
            simple!(div, a, b, Value::$variant(a / b));
            simple!(rem, a, b, Value::$variant(a % b));
            simple!(eq, a, b, Value::Bool(a == b));
            simple!(ne, a, b, Value::Bool(a != b));
            simple!(lt, a, b, Value::Bool(a < b));
            simple!(le, a, b, Value::Bool(a <= b));
            simple!(gt, a, b, Value::Bool(a > b));
            simple!(ge, a, b, Value::Bool(a >= b));
            pub(super) fn neg(a: Value) -> R {
                match a {
                    Value::$variant(a) => Ok(Value::$variant(-a)),
                    _ => Err(mismatch()),
                }
            }
            pub(super) fn binary(op: &str) -> Option<super::BinaryFn> {
                Some(match op {
                    "+" => add,
                    "-" => sub,
                    "*" => mul,
                    "/" => div,
                    "%" => rem,
                    "==" => eq,
                    "!=" => ne,
                    "<" => lt,
                    "<=" => le,
                    ">" => gt,
                    ">=" => ge,
                    _ => return None,
                })
            }
        }
    };
}

float_ops!(float, Float);
float_ops!(double, Double);

mod decimal {
    use super::{BinaryFn, Decimal, R, Value, mismatch};

    fn both(a: Value, b: Value, f: impl FnOnce(Decimal, Decimal) -> R) -> R {
        match (a, b) {
            (Value::Decimal(a), Value::Decimal(b)) => f(a, b),
            _ => Err(mismatch()),
        }
    }

    pub(super) fn binary(op: &str) -> Option<BinaryFn> {
        Some(match op {
            "+" => |a, b| both(a, b, |a, b| Ok(Value::Decimal(a.add(b)?))),
            "-" => |a, b| both(a, b, |a, b| Ok(Value::Decimal(a.subtract(b)?))),
            "*" => |a, b| both(a, b, |a, b| Ok(Value::Decimal(a.multiply(b)?))),
            "/" => |a, b| both(a, b, |a, b| Ok(Value::Decimal(a.divide(b)?))),
            "%" => |a, b| both(a, b, |a, b| Ok(Value::Decimal(a.remainder(b)?))),
            "==" => |a, b| both(a, b, |a, b| Ok(Value::Bool(a == b))),
            "!=" => |a, b| both(a, b, |a, b| Ok(Value::Bool(a != b))),
            "<" => |a, b| both(a, b, |a, b| Ok(Value::Bool(a < b))),
            "<=" => |a, b| both(a, b, |a, b| Ok(Value::Bool(a <= b))),
            ">" => |a, b| both(a, b, |a, b| Ok(Value::Bool(a > b))),
            ">=" => |a, b| both(a, b, |a, b| Ok(Value::Bool(a >= b))),
            _ => return None,
        })
    }

    pub(super) fn neg(a: Value) -> R {
        match a {
            Value::Decimal(a) => Ok(Value::Decimal(a.negate())),
            _ => Err(mismatch()),
        }
    }
}

/// The operator `op` on two operands of `num`, which is one of the promoted types.
pub(crate) fn binary(op: &str, num: Num, checked: bool) -> Option<BinaryFn> {
    match num {
        Num::Int => int::binary(op, checked),
        Num::UInt => uint::binary(op, checked),
        Num::Long => long::binary(op, checked),
        Num::ULong => ulong::binary(op, checked),
        Num::Float => float::binary(op),
        Num::Double => double::binary(op),
        Num::Decimal => decimal::binary(op),
        _ => None,
    }
}

/// `-` or `~` on a promoted operand.
pub(crate) fn unary(op: &str, num: Num, checked: bool) -> Option<UnaryFn> {
    Some(match (op, num, checked) {
        ("-", Num::Int, false) => negate_int,
        ("-", Num::Int, true) => negate_int_checked,
        ("-", Num::Long, false) => negate_long,
        ("-", Num::Long, true) => negate_long_checked,
        ("-", Num::Float, _) => float::neg,
        ("-", Num::Double, _) => double::neg,
        ("-", Num::Decimal, _) => decimal::neg,
        ("~", Num::Int, _) => int::not,
        ("~", Num::UInt, _) => uint::not,
        ("~", Num::Long, _) => long::not,
        ("~", Num::ULong, _) => ulong::not,
        _ => return None,
    })
}

/// A number on its way from one type to another.
enum Wide {
    Int(i128),
    Float(f64),
    Decimal(Decimal),
}

fn widen(v: &Value) -> Option<Wide> {
    Some(match v {
        Value::Char(v) => Wide::Int((*v).into()),
        Value::SByte(v) => Wide::Int((*v).into()),
        Value::Byte(v) => Wide::Int((*v).into()),
        Value::Short(v) => Wide::Int((*v).into()),
        Value::UShort(v) => Wide::Int((*v).into()),
        Value::Int(v) => Wide::Int((*v).into()),
        Value::UInt(v) => Wide::Int((*v).into()),
        Value::Long(v) => Wide::Int((*v).into()),
        Value::ULong(v) => Wide::Int((*v).into()),
        Value::Enum(_, v) => Wide::Int((*v).into()),
        Value::Float(v) => Wide::Float((*v).into()),
        Value::Double(v) => Wide::Float(*v),
        Value::Decimal(v) => Wide::Decimal(*v),
        _ => return None,
    })
}

/// What the processor's conversion gives for a double out of a 32-bit integer's range.
fn truncate32(v: f64) -> i32 {
    let t = v.trunc();
    if (-2_147_483_648.0..=2_147_483_647.0).contains(&t) {
        t as i32
    } else {
        i32::MIN
    }
}

fn truncate64(v: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&v) {
        v as i64
    } else {
        i64::MIN
    }
}

macro_rules! to_int {
    ($name:ident, $checked:ident, $variant:ident, $t:ty, $from_float:expr) => {
        pub(crate) fn $name(v: Value) -> R {
            match widen(&v) {
                Some(Wide::Int(i)) => Ok(Value::$variant(i as $t)),
                Some(Wide::Float(f)) => {
                    let convert: fn(f64) -> $t = $from_float;
                    Ok(Value::$variant(convert(f)))
                }
                // Decimal conversions are always checked.
                Some(Wide::Decimal(_)) => $checked(v),
                None => Err(mismatch()),
            }
        }
        pub(crate) fn $checked(v: Value) -> R {
            let i = match widen(&v) {
                Some(Wide::Int(i)) => i,
                Some(Wide::Float(f)) if f.is_finite() && f.abs() < 1e30 => f.trunc() as i128,
                Some(Wide::Float(_)) => return Err(overflow()),
                Some(Wide::Decimal(d)) => d.to_i128(),
                None => return Err(mismatch()),
            };
            <$t>::try_from(i).map(Value::$variant).map_err(|_| match v {
                Value::Decimal(_) => Error::new(
                    ExceptionKind::OverflowException,
                    decimal_overflow(stringify!($variant)),
                )
                .into(),
                _ => overflow(),
            })
        }
    };
}

fn decimal_overflow(variant: &str) -> String {
    let name = match variant {
        "Int" => "an Int32",
        "UInt" => "a UInt32",
        "Long" => "an Int64",
        "ULong" => "a UInt64",
        "Short" => "an Int16",
        "UShort" => "a UInt16",
        "Byte" => "an unsigned byte",
        "SByte" => "a signed byte",
        _ => "a character",
    };
    format!("Value was either too large or too small for {name}.")
}

to_int!(to_sbyte, to_sbyte_checked, SByte, i8, |f| truncate32(f) as i8);
to_int!(to_byte, to_byte_checked, Byte, u8, |f| truncate32(f) as u8);
to_int!(to_short, to_short_checked, Short, i16, |f| truncate32(f) as i16);
to_int!(to_ushort, to_ushort_checked, UShort, u16, |f| truncate32(f)
    as u16);
to_int!(to_char, to_char_checked, Char, u16, |f| truncate32(f) as u16);
to_int!(to_int, to_int_checked, Int, i32, truncate32);
to_int!(to_uint, to_uint_checked, UInt, u32, |f| truncate64(f) as u32);
to_int!(to_long, to_long_checked, Long, i64, truncate64);
to_int!(to_ulong, to_ulong_checked, ULong, u64, |f| {
    if f < 9_223_372_036_854_775_808.0 {
        truncate64(f) as u64
    } else {
        (truncate64(f - 9_223_372_036_854_775_808.0) as u64).wrapping_add(1 << 63)
    }
});

pub(crate) fn to_float(v: Value) -> R {
    match widen(&v) {
        Some(Wide::Int(i)) => Ok(Value::Float(i as f32)),
        Some(Wide::Float(f)) => Ok(Value::Float(f as f32)),
        Some(Wide::Decimal(d)) => Ok(Value::Float(d.to_f32())),
        None => Err(mismatch()),
    }
}

pub(crate) fn to_double(v: Value) -> R {
    match widen(&v) {
        Some(Wide::Int(i)) => Ok(Value::Double(i as f64)),
        Some(Wide::Float(f)) => Ok(Value::Double(f)),
        Some(Wide::Decimal(d)) => Ok(Value::Double(d.to_f64())),
        None => Err(mismatch()),
    }
}

pub(crate) fn to_decimal(v: Value) -> R {
    match (&v, widen(&v)) {
        (_, Some(Wide::Int(i))) => Ok(Value::Decimal(Decimal::from_i128(i).unwrap_or_default())),
        (Value::Float(f), _) => Ok(Value::Decimal(Decimal::from_f32(*f)?)),
        (_, Some(Wide::Float(f))) => Ok(Value::Decimal(Decimal::from_f64(f)?)),
        (_, Some(Wide::Decimal(d))) => Ok(Value::Decimal(d)),
        _ => Err(mismatch()),
    }
}

/// The numeric conversion to `to`.
pub(crate) fn convert(to: Num, checked: bool) -> UnaryFn {
    match (to, checked) {
        (Num::SByte, false) => to_sbyte,
        (Num::SByte, true) => to_sbyte_checked,
        (Num::Byte, false) => to_byte,
        (Num::Byte, true) => to_byte_checked,
        (Num::Short, false) => to_short,
        (Num::Short, true) => to_short_checked,
        (Num::UShort, false) => to_ushort,
        (Num::UShort, true) => to_ushort_checked,
        (Num::Char, false) => to_char,
        (Num::Char, true) => to_char_checked,
        (Num::Int, false) => to_int,
        (Num::Int, true) => to_int_checked,
        (Num::UInt, false) => to_uint,
        (Num::UInt, true) => to_uint_checked,
        (Num::Long, false) => to_long,
        (Num::Long, true) => to_long_checked,
        (Num::ULong, false) => to_ulong,
        (Num::ULong, true) => to_ulong_checked,
        (Num::Float, _) => to_float,
        (Num::Double, _) => to_double,
        (Num::Decimal, _) => to_decimal,
    }
}

// ---- other operand types

pub(crate) fn bool_and(a: Value, b: Value) -> R {
    bools(a, b, |a, b| a & b)
}

pub(crate) fn bool_or(a: Value, b: Value) -> R {
    bools(a, b, |a, b| a | b)
}

pub(crate) fn bool_xor(a: Value, b: Value) -> R {
    bools(a, b, |a, b| a ^ b)
}

pub(crate) fn bool_eq(a: Value, b: Value) -> R {
    bools(a, b, |a, b| a == b)
}

fn bools(a: Value, b: Value, f: impl FnOnce(bool, bool) -> bool) -> R {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Ok(Value::Bool(f(a, b))),
        _ => Err(mismatch()),
    }
}

pub(crate) fn not(a: Value) -> R {
    match a {
        Value::Bool(a) => Ok(Value::Bool(!a)),
        _ => Err(mismatch()),
    }
}

pub(crate) fn same_object(a: Value, b: Value) -> R {
    Ok(Value::Bool(crate::equality::reference_equals(&a, &b)))
}

pub(crate) fn other_object(a: Value, b: Value) -> R {
    Ok(Value::Bool(!crate::equality::reference_equals(&a, &b)))
}

/// `==` of value types without an operator of their own, element by element for tuples.
pub(crate) fn value_eq(a: Value, b: Value) -> R {
    Ok(Value::Bool(crate::equality::object_equals(&a, &b)))
}

fn enums(a: &Value, b: &Value) -> Result<(crate::types::DefId, i64, i64), Thrown> {
    match (a, b) {
        (Value::Enum(d, a), Value::Enum(_, b)) => Ok((*d, *a, *b)),
        _ => Err(mismatch()),
    }
}

/// Comparison and bit operators of enums.
pub(crate) fn enum_binary(op: &str) -> Option<BinaryFn> {
    Some(match op {
        "==" => |a, b| enums(&a, &b).map(|(_, a, b)| Value::Bool(a == b)),
        "!=" => |a, b| enums(&a, &b).map(|(_, a, b)| Value::Bool(a != b)),
        "<" => |a, b| enums(&a, &b).map(|(_, a, b)| Value::Bool(a < b)),
        "<=" => |a, b| enums(&a, &b).map(|(_, a, b)| Value::Bool(a <= b)),
        ">" => |a, b| enums(&a, &b).map(|(_, a, b)| Value::Bool(a > b)),
        ">=" => |a, b| enums(&a, &b).map(|(_, a, b)| Value::Bool(a >= b)),
        "&" => |a, b| enums(&a, &b).map(|(d, a, b)| Value::Enum(d, a & b)),
        "|" => |a, b| enums(&a, &b).map(|(d, a, b)| Value::Enum(d, a | b)),
        "^" => |a, b| enums(&a, &b).map(|(d, a, b)| Value::Enum(d, a ^ b)),
        _ => return None,
    })
}

pub(crate) fn enum_not(a: Value) -> R {
    match a {
        Value::Enum(d, v) => Ok(Value::Enum(d, !v)),
        _ => Err(mismatch()),
    }
}

/// Unary minus of the two widths that have one of their own.
macro_rules! negation {
    ($($wrapping:ident, $checked:ident, $variant:ident, $t:ty;)*) => {
        $(
            fn $wrapping(a: Value) -> R {
                match a {
                    Value::$variant(a) => Ok(Value::$variant((0 as $t).wrapping_sub(a))),
                    _ => Err(mismatch()),
                }
            }
            fn $checked(a: Value) -> R {
                match a {
                    Value::$variant(a) => (0 as $t).checked_sub(a).map(Value::$variant).ok_or_else(overflow),
                    _ => Err(mismatch()),
                }
            }
        )*
    };
}

negation! {
    negate_int, negate_int_checked, Int, i32;
    negate_long, negate_long_checked, Long, i64;
}
