//! `Convert`, `BitConverter`, `Random`.

use std::cell::RefCell;

use gateway_dotnet::{
    Error, ExceptionKind, Str,
    number::{self, Decimal, IntType, NumberStyles, convert},
};

use super::{
    Call, Decl,
    Entry::Get,
    Verdict, all, base,
    call::{string, text},
    none,
    numbers::wrap_integer,
    values,
};
use crate::{
    Value,
    object::Data,
    text as texts,
    types::{Num, Type, registry},
    vm::{Eval, Thrown},
};

/// `Convert.To…` of the integer types.
fn to_integer(c: &mut Call<'_, '_>, kind: IntType) -> Eval {
    let v = match c.arg(0) {
        Value::Null => 0,
        Value::Str(s) => match c.arg(1) {
            Value::Int(base) => convert::parse_base(&s.to_lossy(), *base, kind)?,
            _ => number::parse_integer(&s.to_lossy(), NumberStyles::INTEGER, kind)?,
        },
        Value::Bool(b) => i128::from(*b),
        Value::Double(d) => convert::double_to_integer(*d, kind)?,
        Value::Float(f) => convert::double_to_integer(f64::from(*f), kind)?,
        Value::Decimal(d) => convert::decimal_to_integer(*d, kind)?,
        other => match integer_of(other) {
            Some(i) => kind.check(i)?,
            None => return Err(invalid(other, kind_name(kind))),
        },
    };
    Ok(wrap_integer(kind, v))
}

fn integer_of(v: &Value) -> Option<i128> {
    Some(match v {
        Value::Char(v) => (*v).into(),
        Value::SByte(v) => (*v).into(),
        Value::Byte(v) => (*v).into(),
        Value::Short(v) => (*v).into(),
        Value::UShort(v) => (*v).into(),
        Value::Int(v) => (*v).into(),
        Value::UInt(v) => (*v).into(),
        Value::Long(v) => (*v).into(),
        Value::ULong(v) => (*v).into(),
        Value::Enum(_, v) => (*v).into(),
        Value::Json(t) => return t.scalar().and_then(|s| integer_of(&super::scalar_value(&s))),
        _ => return None,
    })
}

fn kind_name(kind: IntType) -> &'static str {
    match kind {
        IntType::SByte => "System.SByte",
        IntType::Byte => "System.Byte",
        IntType::Int16 => "System.Int16",
        IntType::UInt16 => "System.UInt16",
        IntType::Int32 => "System.Int32",
        IntType::UInt32 => "System.UInt32",
        IntType::Int64 => "System.Int64",
        IntType::UInt64 => "System.UInt64",
        IntType::Char => "System.Char",
    }
}

fn invalid(v: &Value, to: &str) -> Thrown {
    let from = v.type_name().unwrap_or_default();
    let convertible = !matches!(v, Value::Object(_));
    let message = if convertible {
        let short = |n: &str| n.rsplit('.').next().unwrap_or(n).to_owned();
        format!("Invalid cast from '{}' to '{}'.", short(&from), short(to))
    } else {
        format!("Unable to cast object of type '{from}' to type 'System.IConvertible'.")
    };
    Error::new(ExceptionKind::InvalidCastException, message).into()
}

fn to_double(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Double(match c.arg(0) {
        Value::Null => 0.0,
        Value::Str(s) => number::parse_double(&s.to_lossy(), NumberStyles::FLOAT_THOUSANDS)?,
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::Json(t) => {
            let v = t.scalar().map_or(Value::Null, |s| super::scalar_value(&s));
            c.args[0] = v;
            return to_double(c);
        }
        Value::Char(_) | Value::Object(_) | Value::DateTime(_) => {
            return Err(invalid(c.arg(0), "System.Double"));
        }
        other => match crate::ops::to_double(other.clone())? {
            Value::Double(d) => d,
            _ => 0.0,
        },
    }))
}

fn to_single(c: &mut Call<'_, '_>) -> Eval {
    if let Value::Str(s) = c.arg(0) {
        return Ok(Value::Float(number::parse_single(
            &s.to_lossy(),
            NumberStyles::FLOAT_THOUSANDS,
        )?));
    }
    crate::ops::to_float(to_double(c)?)
}

fn to_decimal(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Decimal(match c.arg(0) {
        Value::Null => Decimal::default(),
        Value::Str(s) => number::parse_decimal(&s.to_lossy(), NumberStyles::NUMBER)?,
        Value::Bool(b) => Decimal::from_i128(i128::from(*b)).unwrap_or_default(),
        Value::Json(t) => {
            let v = t.scalar().map_or(Value::Null, |s| super::scalar_value(&s));
            c.args[0] = v;
            return to_decimal(c);
        }
        Value::Char(_) | Value::Object(_) | Value::DateTime(_) => {
            return Err(invalid(c.arg(0), "System.Decimal"));
        }
        other => return crate::ops::to_decimal(other.clone()),
    }))
}

fn to_boolean(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Bool(match c.arg(0) {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Str(s) => number::parse_bool(&s.to_lossy())?,
        Value::Double(d) => *d != 0.0,
        Value::Float(f) => *f != 0.0,
        Value::Decimal(d) => !d.is_zero(),
        Value::Json(t) => {
            let v = t.scalar().map_or(Value::Null, |s| super::scalar_value(&s));
            c.args[0] = v;
            return to_boolean(c);
        }
        Value::Char(_) => return Err(invalid(c.arg(0), "System.Boolean")),
        other => match integer_of(other) {
            Some(i) => i != 0,
            None => return Err(invalid(other, "System.Boolean")),
        },
    }))
}

fn to_char(c: &mut Call<'_, '_>) -> Eval {
    match c.arg(0) {
        Value::Char(u) => Ok(Value::Char(*u)),
        Value::Str(s) => Ok(Value::Char(gateway_dotnet::text::parse_char(s)?)),
        Value::Null => Err(Error::null("value").into()),
        Value::Bool(_) | Value::Double(_) | Value::Float(_) | Value::Decimal(_) => {
            Err(invalid(c.arg(0), "System.Char"))
        }
        other => match integer_of(other) {
            Some(i) => Ok(wrap_integer(IntType::Char, IntType::Char.check(i)?)),
            None => Err(invalid(other, "System.Char")),
        },
    }
}

fn to_date(c: &mut Call<'_, '_>) -> Eval {
    match c.arg(0) {
        Value::DateTime(_) => Ok(c.take(0)),
        Value::Null => Ok(Value::DateTime(super::time::MIN_DATE)),
        Value::Str(s) => {
            let s = s.clone();
            let today = super::time::today(c);
            Ok(Value::DateTime(gateway_dotnet::time::DateTime::parse(
                &s.to_lossy(),
                today,
            )?))
        }
        other => Err(invalid(other, "System.DateTime")),
    }
}

fn to_text(c: &mut Call<'_, '_>) -> Eval {
    if let (Some(v), Value::Int(radix)) = (integer_of(c.arg(0)), c.arg(1)) {
        let kind = match c.arg(0) {
            Value::Byte(_) => IntType::Byte,
            Value::Short(_) => IntType::Int16,
            Value::Long(_) => IntType::Int64,
            _ => IntType::Int32,
        };
        return string(convert::to_base(v, kind, *radix)?);
    }
    text(texts::to_text(c.arg(0)))
}

/// `Convert.ToString(string)` keeps null.
fn to_text_str(c: &mut Call<'_, '_>) -> Eval {
    Ok(c.take(0))
}

fn to_base64(c: &mut Call<'_, '_>) -> Eval {
    let mut bytes = c.bytes(0, "inArray")?;
    if let (Value::Int(at), Value::Int(len)) = (c.arg(1), c.arg(2)) {
        let range = usize::try_from(*at).ok().zip(usize::try_from(*len).ok());
        bytes = match range.and_then(|(s, l)| bytes.get(s..s.checked_add(l)?)) {
            Some(part) => part.to_vec(),
            None => {
                return Err(Error::out_of_range(
                    "offset",
                    "Offset and length must refer to a position in the string.",
                )
                .into());
            }
        };
    }
    let breaks = matches!(c.args.last(), Some(Value::Enum(_, 1)));
    c.vm.charge(bytes.len() * 2)?;
    string(convert::to_base64(&bytes, breaks))
}

fn from_base64(c: &mut Call<'_, '_>) -> Eval {
    let s = c.text(0, "s")?;
    c.vm.charge(s.len())?;
    Ok(Value::bytes(convert::from_base64(&s.to_lossy())?))
}

macro_rules! conversions {
    ($name:ident, $ret:literal, $method:literal, $f:expr) => {
        conversions!($name, $ret, $method, $f, $f);
    };
    ($name:ident, $ret:literal, $method:literal, $f:expr, $of_text:expr) => {
        const $name: [super::Entry; 17] = [
            Get(concat!("static ", $ret, " ", $method, "(object value)"), $f),
            Get(concat!("static ", $ret, " ", $method, "(bool value)"), $f),
            Get(concat!("static ", $ret, " ", $method, "(char value)"), $f),
            Get(concat!("static ", $ret, " ", $method, "(sbyte value)"), $f),
            Get(concat!("static ", $ret, " ", $method, "(byte value)"), $f),
            Get(concat!("static ", $ret, " ", $method, "(short value)"), $f),
            Get(concat!("static ", $ret, " ", $method, "(ushort value)"), $f),
            Get(concat!("static ", $ret, " ", $method, "(int value)"), $f),
            Get(concat!("static ", $ret, " ", $method, "(uint value)"), $f),
            Get(concat!("static ", $ret, " ", $method, "(long value)"), $f),
            Get(concat!("static ", $ret, " ", $method, "(ulong value)"), $f),
            Get(concat!("static ", $ret, " ", $method, "(float value)"), $f),
            Get(concat!("static ", $ret, " ", $method, "(double value)"), $f),
            Get(
                concat!("static ", $ret, " ", $method, "(decimal value)"),
                $f,
            ),
            Get(
                concat!("static ", $ret, " ", $method, "(DateTime value)"),
                $f,
            ),
            Get(
                concat!(
                    "static ",
                    $ret,
                    " ",
                    $method,
                    "(string value, IFormatProvider provider)"
                ),
                $of_text,
            ),
            Get(
                concat!(
                    "static ",
                    $ret,
                    " ",
                    $method,
                    "(object value, IFormatProvider provider)"
                ),
                $f,
            ),
        ];
    };
}

conversions!(BOOLEAN, "bool", "ToBoolean", to_boolean);
conversions!(CHAR, "char", "ToChar", to_char);
conversions!(SBYTE, "sbyte", "ToSByte", |c| to_integer(c, IntType::SByte));
conversions!(BYTE, "byte", "ToByte", |c| to_integer(c, IntType::Byte));
conversions!(INT16, "short", "ToInt16", |c| to_integer(c, IntType::Int16));
conversions!(UINT16, "ushort", "ToUInt16", |c| to_integer(c, IntType::UInt16));
conversions!(INT32, "int", "ToInt32", |c| to_integer(c, IntType::Int32));
conversions!(UINT32, "uint", "ToUInt32", |c| to_integer(c, IntType::UInt32));
conversions!(INT64, "long", "ToInt64", |c| to_integer(c, IntType::Int64));
conversions!(UINT64, "ulong", "ToUInt64", |c| to_integer(c, IntType::UInt64));
conversions!(SINGLE, "float", "ToSingle", to_single);
conversions!(DOUBLE, "double", "ToDouble", to_double);
conversions!(DECIMAL, "decimal", "ToDecimal", to_decimal);
conversions!(DATE, "DateTime", "ToDateTime", to_date);
conversions!(TEXT, "string", "ToString", to_text, to_text_str);

/// `Convert.ToString(value, provider)` of every type but those of the macro.
const PROVIDED: [super::Entry; 14] = [
    Get(
        "static string ToString(bool value, IFormatProvider provider)",
        |c| text(texts::to_text(c.arg(0))),
    ),
    Get(
        "static string ToString(char value, IFormatProvider provider)",
        |c| text(texts::to_text(c.arg(0))),
    ),
    Get(
        "static string ToString(sbyte value, IFormatProvider provider)",
        |c| text(texts::to_text(c.arg(0))),
    ),
    Get(
        "static string ToString(byte value, IFormatProvider provider)",
        |c| text(texts::to_text(c.arg(0))),
    ),
    Get(
        "static string ToString(short value, IFormatProvider provider)",
        |c| text(texts::to_text(c.arg(0))),
    ),
    Get(
        "static string ToString(ushort value, IFormatProvider provider)",
        |c| text(texts::to_text(c.arg(0))),
    ),
    Get(
        "static string ToString(int value, IFormatProvider provider)",
        |c| text(texts::to_text(c.arg(0))),
    ),
    Get(
        "static string ToString(uint value, IFormatProvider provider)",
        |c| text(texts::to_text(c.arg(0))),
    ),
    Get(
        "static string ToString(long value, IFormatProvider provider)",
        |c| text(texts::to_text(c.arg(0))),
    ),
    Get(
        "static string ToString(ulong value, IFormatProvider provider)",
        |c| text(texts::to_text(c.arg(0))),
    ),
    Get(
        "static string ToString(float value, IFormatProvider provider)",
        |c| text(texts::to_text(c.arg(0))),
    ),
    Get(
        "static string ToString(double value, IFormatProvider provider)",
        |c| text(texts::to_text(c.arg(0))),
    ),
    Get(
        "static string ToString(decimal value, IFormatProvider provider)",
        |c| text(texts::to_text(c.arg(0))),
    ),
    Get(
        "static string ToString(DateTime value, IFormatProvider provider)",
        |c| text(texts::to_text(c.arg(0))),
    ),
];

const CONVERT: &[super::Entry] = &[
    Get("static bool ToBoolean(string value)", to_boolean),
    Get("static char ToChar(string value)", to_char),
    Get("static sbyte ToSByte(string value)", |c| {
        to_integer(c, IntType::SByte)
    }),
    Get("static sbyte ToSByte(string value, int fromBase)", |c| {
        to_integer(c, IntType::SByte)
    }),
    Get("static byte ToByte(string value)", |c| {
        to_integer(c, IntType::Byte)
    }),
    Get("static byte ToByte(string value, int fromBase)", |c| {
        to_integer(c, IntType::Byte)
    }),
    Get("static short ToInt16(string value)", |c| {
        to_integer(c, IntType::Int16)
    }),
    Get("static short ToInt16(string value, int fromBase)", |c| {
        to_integer(c, IntType::Int16)
    }),
    Get("static ushort ToUInt16(string value)", |c| {
        to_integer(c, IntType::UInt16)
    }),
    Get("static ushort ToUInt16(string value, int fromBase)", |c| {
        to_integer(c, IntType::UInt16)
    }),
    Get("static int ToInt32(string value)", |c| {
        to_integer(c, IntType::Int32)
    }),
    Get("static int ToInt32(string value, int fromBase)", |c| {
        to_integer(c, IntType::Int32)
    }),
    Get("static uint ToUInt32(string value)", |c| {
        to_integer(c, IntType::UInt32)
    }),
    Get("static uint ToUInt32(string value, int fromBase)", |c| {
        to_integer(c, IntType::UInt32)
    }),
    Get("static long ToInt64(string value)", |c| {
        to_integer(c, IntType::Int64)
    }),
    Get("static long ToInt64(string value, int fromBase)", |c| {
        to_integer(c, IntType::Int64)
    }),
    Get("static ulong ToUInt64(string value)", |c| {
        to_integer(c, IntType::UInt64)
    }),
    Get("static ulong ToUInt64(string value, int fromBase)", |c| {
        to_integer(c, IntType::UInt64)
    }),
    Get("static float ToSingle(string value)", to_single),
    Get("static double ToDouble(string value)", to_double),
    Get("static decimal ToDecimal(string value)", to_decimal),
    Get("static DateTime ToDateTime(string value)", to_date),
    Get("static string ToString(string value)", to_text_str),
    Get("static string ToString(byte value, int toBase)", to_text),
    Get("static string ToString(short value, int toBase)", to_text),
    Get("static string ToString(int value, int toBase)", to_text),
    Get("static string ToString(long value, int toBase)", to_text),
    Get("static string ToBase64String(byte[] inArray)", to_base64),
    Get(
        "static string ToBase64String(byte[] inArray, Base64FormattingOptions options)",
        to_base64,
    ),
    Get(
        "static string ToBase64String(byte[] inArray, int offset, int length)",
        to_base64,
    ),
    Get(
        "static string ToBase64String(byte[] inArray, int offset, int length, Base64FormattingOptions options)",
        to_base64,
    ),
    Get("static byte[] FromBase64String(string s)", from_base64),
    Get(
        "static byte[] FromBase64CharArray(char[] inArray, int offset, int length)",
        |c| {
            if c.arg(0).is_null() {
                return Err(Error::null("inArray").into());
            }
            let part = Str::from_utf16(&c.chars(0)).substring_len(c.int(1)?, c.int(2)?)?;
            c.vm.charge(part.len())?;
            Ok(Value::bytes(convert::from_base64(&part.to_lossy())?))
        },
    ),
    Get(
        "static int ToBase64CharArray(byte[] inArray, int offsetIn, int length, char[] outArray, int offsetOut)",
        base64_chars,
    ),
    Get(
        "static int ToBase64CharArray(byte[] inArray, int offsetIn, int length, char[] outArray, int offsetOut, Base64FormattingOptions options)",
        base64_chars,
    ),
    Get("static object DBNull", |_| {
        let ty = registry().type_named("System.DBNull").unwrap_or(Type::OBJECT);
        Ok(Value::object(ty, Data::Native(Box::new(DbNull))))
    }),
    Get("static bool IsDBNull(object value)", |c| {
        Ok(Value::Bool(is_db_null(c.arg(0))))
    }),
    Get("static TypeCode GetTypeCode(object value)", |c| {
        if is_db_null(c.arg(0)) {
            return Ok(type_code_value(2));
        }
        base::type_code(c)
    }),
    Get(
        "static object ChangeType(object value, TypeCode typeCode)",
        change_type_code,
    ),
    Get(
        "static object ChangeType(object value, TypeCode typeCode, IFormatProvider provider)",
        change_type_code,
    ),
    Get(
        "static object ChangeType(object value, Type conversionType)",
        change_type,
    ),
    Get(
        "static object ChangeType(object value, Type conversionType, IFormatProvider provider)",
        change_type,
    ),
];

/// `DBNull.Value`
struct DbNull;

fn is_db_null(v: &Value) -> bool {
    matches!(v, Value::Object(o) if o.native::<DbNull>().is_some())
}

fn type_code_value(code: i64) -> Value {
    let def = registry().by_full_name("System.TypeCode");
    Value::Enum(def.unwrap_or(crate::types::OBJECT), code)
}

/// `ToBase64CharArray`: how many characters were written.
fn base64_chars(c: &mut Call<'_, '_>) -> Eval {
    if c.arg(3).is_null() {
        let name = if c.arg(0).is_null() { "inArray" } else { "outArray" };
        return Err(Error::null(name).into());
    }
    let bytes = c.bytes(0, "inArray")?;
    let outside = |name: &str| {
        let message = "Offset and length must refer to a position in the string.";
        Thrown::from(Error::out_of_range(name, message))
    };
    let start = usize::try_from(c.int(1)?).map_err(|_| outside("offsetIn"))?;
    let count = usize::try_from(c.int(2)?).map_err(|_| outside("length"))?;
    let part = start.checked_add(count).and_then(|end| bytes.get(start..end));
    let part = part.ok_or_else(|| outside("offsetIn"))?;
    let breaks = match c.args.get(5) {
        Some(Value::Enum(_, options @ 0..=1)) => *options == 1,
        Some(Value::Enum(_, options)) => {
            let message = format!("Illegal enum value: {options}.");
            return Err(Error::argument("options", &message).into());
        }
        _ => false,
    };
    c.vm.charge(part.len() * 2)?;
    let made = convert::to_base64(part, breaks);
    let room = c.array_len(3).unwrap_or(0);
    let at = usize::try_from(c.int(4)?).ok();
    let fits = |at: &usize| at.checked_add(made.len()).is_some_and(|end| end <= room);
    let at = at.filter(fits).ok_or_else(|| outside("offsetOut"))?;
    for (i, b) in made.bytes().enumerate() {
        c.vm.step()?;
        let place = [Value::Int((at + i) as i32)];
        crate::array::set(c.arg(3), &place, Value::Char(u16::from(b)))?;
    }
    Ok(Value::Int(made.len() as i32))
}

/// Names of the types that a `TypeCode` stands for, from 3 on.
const CODED: [&str; 16] = [
    "Boolean", "Char", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Single",
    "Double", "Decimal", "DateTime", "", "String",
];

fn change_type_code(c: &mut Call<'_, '_>) -> Eval {
    let code = c.enumeration(1)?;
    let cast_error = || -> Thrown {
        Error::new(
            ExceptionKind::InvalidCastException,
            "Object must implement IConvertible.",
        )
        .into()
    };
    if c.arg(0).is_null() {
        return if matches!(code, 0 | 1 | 18) {
            Ok(Value::Null)
        } else {
            Err(cast_error())
        };
    }
    let convertible = !matches!(
        c.arg(0),
        Value::Object(_) | Value::Guid(_) | Value::TimeSpan(_) | Value::Offset(_)
    );
    if !convertible {
        return Err(cast_error());
    }
    let named = usize::try_from(code - 3).ok().and_then(|i| CODED.get(i));
    let ty = match (code, named) {
        (1, _) => return Ok(c.take(0)),
        (0 | 2, _) => return Err(cast_error()),
        (_, Some(name)) => registry().type_named(&format!("System.{name}")),
        _ => None,
    };
    let Some(ty) = ty else {
        return Err(Error::new(ExceptionKind::ArgumentException, "Unknown TypeCode value.").into());
    };
    c.args[1] = Value::Type(std::sync::Arc::new(ty));
    change_type(c)
}

fn change_type(c: &mut Call<'_, '_>) -> Eval {
    let Value::Type(ty) = c.arg(1).clone() else {
        return Err(Error::null("conversionType").into());
    };
    let value = c.take(0);
    if value.is_null() && ty.num().is_some() | ty.is_bool() {
        let message = "Null object cannot be converted to a value type.";
        return Err(Error::new(ExceptionKind::InvalidCastException, message).into());
    }
    let mut one = [value];
    let mut inner = Call {
        vm: c.vm,
        args: &mut one,
        types: &[],
    };
    match ty.num() {
        Some(Num::SByte) => to_integer(&mut inner, IntType::SByte),
        Some(Num::Byte) => to_integer(&mut inner, IntType::Byte),
        Some(Num::Short) => to_integer(&mut inner, IntType::Int16),
        Some(Num::UShort) => to_integer(&mut inner, IntType::UInt16),
        Some(Num::Int) => to_integer(&mut inner, IntType::Int32),
        Some(Num::UInt) => to_integer(&mut inner, IntType::UInt32),
        Some(Num::Long) => to_integer(&mut inner, IntType::Int64),
        Some(Num::ULong) => to_integer(&mut inner, IntType::UInt64),
        Some(Num::Char) => to_char(&mut inner),
        Some(Num::Float) => to_single(&mut inner),
        Some(Num::Double) => to_double(&mut inner),
        Some(Num::Decimal) => to_decimal(&mut inner),
        None if ty.is_string() => to_text(&mut inner),
        None if ty.is_bool() => to_boolean(&mut inner),
        None if ty.is_def(crate::types::DATE_TIME) && !inner.arg(0).is_null() => to_date(&mut inner),
        None => {
            let value = inner.take(0);
            crate::cast::cast(value, &ty)
        }
    }
}

// ---- BitConverter

/// The bytes of a number in the machine's order, little-endian.
pub(super) fn raw(v: &Value) -> Option<Vec<u8>> {
    Some(match v {
        Value::Bool(b) => vec![u8::from(*b)],
        Value::Char(v) => v.to_le_bytes().to_vec(),
        Value::Short(v) => v.to_le_bytes().to_vec(),
        Value::UShort(v) => v.to_le_bytes().to_vec(),
        Value::Int(v) => v.to_le_bytes().to_vec(),
        Value::UInt(v) => v.to_le_bytes().to_vec(),
        Value::Long(v) => v.to_le_bytes().to_vec(),
        Value::ULong(v) => v.to_le_bytes().to_vec(),
        Value::Float(v) => v.to_le_bytes().to_vec(),
        Value::Double(v) => v.to_le_bytes().to_vec(),
        _ => return None,
    })
}

fn get_bytes(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::bytes(raw(c.arg(0)).unwrap_or_default()))
}

fn fixed<const N: usize>(c: &Call<'_, '_>) -> Result<[u8; N], Thrown> {
    let bytes = c.bytes(0, "value")?;
    let start = c.int(1)?;
    let at = usize::try_from(start).ok().filter(|s| *s < bytes.len());
    let Some(at) = at else {
        let message =
            "Index was out of range. Must be non-negative and less than the size of the collection.";
        return Err(Error::out_of_range("startIndex", message).into());
    };
    match bytes.get(at..at + N).and_then(|b| b.try_into().ok()) {
        Some(part) => Ok(part),
        None => Err(Error::new(
            ExceptionKind::ArgumentException,
            "Destination array is not long enough to copy all the items in the collection. Check array index and length. (Parameter 'value')",
        )
        .into()),
    }
}

fn bit_text(c: &mut Call<'_, '_>) -> Eval {
    let bytes = c.bytes(0, "value")?;
    c.vm.charge(bytes.len() * 3)?;
    if c.args.len() == 1 {
        return string(gateway_dotnet::bits::to_text(&bytes));
    }
    let len = if c.args.len() > 2 { Some(c.int(2)?) } else { None };
    string(gateway_dotnet::bits::to_text_in(&bytes, c.int(1)?, len)?)
}

// ---- Random

fn random<R>(
    c: &mut Call<'_, '_>,
    f: impl FnOnce(&mut number::Random) -> Result<R, Error>,
) -> Result<R, Thrown> {
    let o = c.object(0)?;
    match o.native::<RefCell<number::Random>>() {
        Some(r) => Ok(f(&mut r.borrow_mut())?),
        None => Err(Error::null_reference().into()),
    }
}

fn new_random(c: &mut Call<'_, '_>) -> Eval {
    let seed = match c.arg(0) {
        Value::Int(seed) => *seed,
        _ => c.vm.world.random() as i32,
    };
    let ty = registry().type_named("System.Random").unwrap_or(Type::OBJECT);
    Ok(Value::object(
        ty,
        Data::Native(Box::new(RefCell::new(number::Random::new(seed)))),
    ))
}

pub(super) const TYPES: &[Decl] = &[
    all("static System.Convert", CONVERT),
    all(
        "static System.BitConverter",
        &[
            super::Entry::Const("const bool IsLittleEndian", crate::ir::Const::Bool(true)),
            Get("static byte[] GetBytes(bool value)", get_bytes),
            Get("static byte[] GetBytes(char value)", get_bytes),
            Get("static byte[] GetBytes(short value)", get_bytes),
            Get("static byte[] GetBytes(ushort value)", get_bytes),
            Get("static byte[] GetBytes(int value)", get_bytes),
            Get("static byte[] GetBytes(uint value)", get_bytes),
            Get("static byte[] GetBytes(long value)", get_bytes),
            Get("static byte[] GetBytes(ulong value)", get_bytes),
            Get("static byte[] GetBytes(float value)", get_bytes),
            Get("static byte[] GetBytes(double value)", get_bytes),
            Get("static bool ToBoolean(byte[] value, int startIndex)", |c| {
                Ok(Value::Bool(fixed::<1>(c)? != [0]))
            }),
            Get("static char ToChar(byte[] value, int startIndex)", |c| {
                Ok(Value::Char(u16::from_le_bytes(fixed(c)?)))
            }),
            Get("static short ToInt16(byte[] value, int startIndex)", |c| {
                Ok(Value::Short(i16::from_le_bytes(fixed(c)?)))
            }),
            Get("static ushort ToUInt16(byte[] value, int startIndex)", |c| {
                Ok(Value::UShort(u16::from_le_bytes(fixed(c)?)))
            }),
            Get("static int ToInt32(byte[] value, int startIndex)", |c| {
                Ok(Value::Int(i32::from_le_bytes(fixed(c)?)))
            }),
            Get("static uint ToUInt32(byte[] value, int startIndex)", |c| {
                Ok(Value::UInt(u32::from_le_bytes(fixed(c)?)))
            }),
            Get("static long ToInt64(byte[] value, int startIndex)", |c| {
                Ok(Value::Long(i64::from_le_bytes(fixed(c)?)))
            }),
            Get("static ulong ToUInt64(byte[] value, int startIndex)", |c| {
                Ok(Value::ULong(u64::from_le_bytes(fixed(c)?)))
            }),
            Get("static float ToSingle(byte[] value, int startIndex)", |c| {
                Ok(Value::Float(f32::from_le_bytes(fixed(c)?)))
            }),
            Get("static double ToDouble(byte[] value, int startIndex)", |c| {
                Ok(Value::Double(f64::from_le_bytes(fixed(c)?)))
            }),
            Get("static long DoubleToInt64Bits(double value)", |c| {
                Ok(Value::Long(c.double(0)?.to_bits() as i64))
            }),
            Get("static double Int64BitsToDouble(long value)", |c| {
                Ok(Value::Double(f64::from_bits(c.long(0)? as u64)))
            }),
            Get("static int SingleToInt32Bits(float value)", |c| match c.arg(0) {
                Value::Float(f) => Ok(Value::Int(f.to_bits() as i32)),
                _ => Ok(Value::Int(0)),
            }),
            Get("static float Int32BitsToSingle(int value)", |c| {
                Ok(Value::Float(f32::from_bits(c.int(0)? as u32)))
            }),
            Get("static string ToString(byte[] value)", bit_text),
            Get("static string ToString(byte[] value, int startIndex)", bit_text),
            Get(
                "static string ToString(byte[] value, int startIndex, int length)",
                bit_text,
            ),
        ],
    ),
    all(
        "class System.Random",
        &[
            Get("ctor()", new_random),
            Get("ctor(int Seed)", new_random),
            Get("int Next()", |c| Ok(Value::Int(random(c, |r| Ok(r.next()))?))),
            Get("int Next(int maxValue)", |c| {
                let m = c.int(1)?;
                Ok(Value::Int(random(c, |r| r.next_below(m))?))
            }),
            Get("int Next(int minValue, int maxValue)", |c| {
                let (a, b) = (c.int(1)?, c.int(2)?);
                Ok(Value::Int(random(c, |r| r.next_between(a, b))?))
            }),
            Get("double NextDouble()", |c| {
                Ok(Value::Double(random(c, |r| Ok(r.next_double()))?))
            }),
            Get("void NextBytes(byte[] buffer)", |c| {
                let mut bytes = c.bytes(1, "buffer")?;
                random(c, |r| {
                    r.next_bytes(&mut bytes);
                    Ok(())
                })?;
                if let Data::Bytes(place) = &c.object(1)?.data {
                    *place.borrow_mut() = bytes;
                }
                Ok(Value::Null)
            }),
        ],
    ),
    none("class System.DBNull", &[]),
    values(
        "flags enum System.Base64FormattingOptions",
        Verdict::All,
        &[("None", 0), ("InsertLineBreaks", 1)],
    ),
];

/// `ToString()` of `DBNull`.
pub(super) fn native_text(o: &crate::object::Object) -> Option<Str> {
    o.native::<DbNull>().map(|_| Str::EMPTY)
}

/// The generated overloads of `Convert`, which the registry adds to the type.
pub(super) const CONVERSIONS: &[&[super::Entry]] = &[
    &BOOLEAN, &CHAR, &SBYTE, &BYTE, &INT16, &UINT16, &INT32, &UINT32, &INT64, &UINT64, &SINGLE, &DOUBLE,
    &DECIMAL, &DATE, &TEXT, &PROVIDED,
];
