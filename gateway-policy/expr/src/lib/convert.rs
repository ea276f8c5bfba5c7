//! `Convert`, `BitConverter`, `Random`, `Guid`, `Encoding`.

use std::cell::RefCell;

use gateway_dotnet::{
    Error, ExceptionKind, Str,
    guid::Guid,
    number::{self, Decimal, IntType, NumberStyles, convert},
};

use super::{
    Call, Decl,
    Entry::Get,
    Verdict, all, base,
    call::{string, text},
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
    match c.arg(0) {
        Value::Null if c.types.is_empty() && c.args.len() == 1 => text(Str::EMPTY),
        v => text(texts::to_text(v)),
    }
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
                $f,
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
conversions!(TEXT, "string", "ToString", to_text);

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
        "static object ChangeType(object value, Type conversionType)",
        change_type,
    ),
];

fn change_type(c: &mut Call<'_, '_>) -> Eval {
    let Value::Type(ty) = c.arg(1).clone() else {
        return Err(Error::null("conversionType").into());
    };
    let value = c.take(0);
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
        None => {
            let value = inner.take(0);
            crate::cast::cast(value, &ty)
        }
    }
}

// ---- BitConverter

fn raw(v: &Value) -> Option<Vec<u8>> {
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
    let start = if c.args.len() > 1 {
        c.int(1)?.max(0) as usize
    } else {
        0
    };
    let len = if c.args.len() > 2 {
        c.int(2)?.max(0) as usize
    } else {
        bytes.len().saturating_sub(start)
    };
    let part = bytes.get(start..start.saturating_add(len)).unwrap_or_default();
    c.vm.charge(part.len() * 3)?;
    let hex: Vec<String> = part.iter().map(|b| format!("{b:02X}")).collect();
    string(hex.join("-"))
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

// ---- Guid

fn guid(c: &Call<'_, '_>, i: usize) -> Result<Guid, Thrown> {
    match c.arg(i) {
        Value::Guid(g) => Ok(*g),
        _ => Err(Error::null_reference().into()),
    }
}

fn guid_parse(c: &mut Call<'_, '_>) -> Eval {
    let s = c.text(0, "input")?;
    Ok(Value::Guid(Guid::parse(&s.to_lossy())?))
}

fn guid_try_parse(c: &mut Call<'_, '_>) -> Eval {
    let parsed = c.opt_str(0).and_then(|s| Guid::parse(&s.to_lossy()).ok());
    c.out(1, Value::Guid(parsed.unwrap_or_default()));
    Ok(Value::Bool(parsed.is_some()))
}

// ---- Encoding

/// A character encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Ascii,
    Latin1,
    Utf16,
    Utf16Big,
    Utf32,
}

fn encoding(e: Encoding) -> Eval {
    let name = match e {
        Encoding::Utf8 => "System.Text.UTF8Encoding+UTF8EncodingSealed",
        Encoding::Ascii => "System.Text.ASCIIEncoding+ASCIIEncodingSealed",
        Encoding::Latin1 => "System.Text.Latin1Encoding",
        Encoding::Utf16 | Encoding::Utf16Big => "System.Text.UnicodeEncoding",
        Encoding::Utf32 => "System.Text.UTF32Encoding",
    };
    let ty = registry().type_named(name).unwrap_or(Type::OBJECT);
    Ok(Value::object(ty, Data::Native(Box::new(e))))
}

fn this_encoding(c: &Call<'_, '_>) -> Encoding {
    match c.arg(0) {
        Value::Object(o) => o.native::<Encoding>().copied().unwrap_or(Encoding::Utf8),
        _ => Encoding::Utf8,
    }
}

fn by_name(c: &mut Call<'_, '_>) -> Eval {
    let name = match c.arg(0) {
        Value::Int(page) => page.to_string(),
        _ => c.text(0, "name")?.to_lossy().to_ascii_lowercase(),
    };
    encoding(match &*name {
        "utf-8" | "utf8" | "65001" | "unicode-1-1-utf-8" | "x-unicode-2-0-utf-8" => Encoding::Utf8,
        "us-ascii" | "ascii" | "20127" => Encoding::Ascii,
        "iso-8859-1" | "latin1" | "28591" | "iso_8859-1" | "l1" => Encoding::Latin1,
        "utf-16" | "unicode" | "utf-16le" | "1200" | "ucs-2" => Encoding::Utf16,
        "utf-16be" | "unicodefffe" | "1201" => Encoding::Utf16Big,
        "utf-32" | "utf-32le" | "12000" => Encoding::Utf32,
        _ => {
            let message = format!(
                "'{name}' is not a supported encoding name. For information on defining a custom encoding, see the documentation for the Encoding.RegisterProvider method. (Parameter 'name')"
            );
            return Err(Error::new(ExceptionKind::ArgumentException, message).into());
        }
    })
}

/// The bytes of a text.
pub(crate) fn encode(e: Encoding, s: &Str) -> Vec<u8> {
    library(e).bytes(s)
}

fn library(e: Encoding) -> gateway_dotnet::encoding::Encoding {
    use gateway_dotnet::encoding::Encoding as Library;
    match e {
        Encoding::Utf8 => Library::Utf8,
        Encoding::Ascii => Library::Ascii,
        Encoding::Latin1 => Library::Latin1,
        Encoding::Utf16 => Library::Unicode,
        Encoding::Utf16Big => Library::BigEndianUnicode,
        Encoding::Utf32 => Library::Utf32,
    }
}

/// The text of bytes; what cannot be read becomes U+FFFD (`?` in ASCII).
pub(crate) fn decode(e: Encoding, bytes: &[u8]) -> Str {
    library(e).string(bytes)
}

fn encoding_bytes(c: &mut Call<'_, '_>) -> Eval {
    let e = this_encoding(c);
    let s = match c.arg(1) {
        Value::Str(s) => s.clone(),
        Value::Object(_) => Str::from_utf16(&c.chars(1)),
        _ => return Err(Error::null("s").into()),
    };
    c.vm.charge(s.len() * 2)?;
    Ok(Value::bytes(encode(e, &s)))
}

fn encoding_text(c: &mut Call<'_, '_>) -> Eval {
    let e = this_encoding(c);
    let bytes = c.bytes(1, "bytes")?;
    let part = match (c.arg(2), c.arg(3)) {
        (Value::Int(at), Value::Int(len)) => {
            let range = usize::try_from(*at).ok().zip(usize::try_from(*len).ok());
            match range.and_then(|(s, l)| bytes.get(s..s.checked_add(l)?)) {
                Some(part) => part,
                None => {
                    return Err(Error::out_of_range(
                        "bytes",
                        "Index and count must refer to a location within the buffer.",
                    )
                    .into());
                }
            }
        }
        _ => &bytes[..],
    };
    c.vm.charge(part.len())?;
    text(decode(e, part))
}

fn encoding_name(c: &Call<'_, '_>) -> &'static str {
    match this_encoding(c) {
        Encoding::Utf8 => "utf-8",
        Encoding::Ascii => "us-ascii",
        Encoding::Latin1 => "iso-8859-1",
        Encoding::Utf16 => "utf-16",
        Encoding::Utf16Big => "utf-16BE",
        Encoding::Utf32 => "utf-32",
    }
}

const ENCODING: &[super::Entry] = &[
    Get("static Encoding UTF8", |_| encoding(Encoding::Utf8)),
    Get("static Encoding ASCII", |_| encoding(Encoding::Ascii)),
    Get("static Encoding Unicode", |_| encoding(Encoding::Utf16)),
    Get("static Encoding BigEndianUnicode", |_| {
        encoding(Encoding::Utf16Big)
    }),
    Get("static Encoding UTF32", |_| encoding(Encoding::Utf32)),
    Get("static Encoding Default", |_| encoding(Encoding::Utf8)),
    Get("static Encoding GetEncoding(string name)", by_name),
    Get("static Encoding GetEncoding(int codepage)", by_name),
    Get("byte[] GetBytes(string s)", encoding_bytes),
    Get("byte[] GetBytes(char[] chars)", encoding_bytes),
    Get("string GetString(byte[] bytes)", encoding_text),
    Get(
        "string GetString(byte[] bytes, int index, int count)",
        encoding_text,
    ),
    Get("char[] GetChars(byte[] bytes)", |c| {
        let bytes = c.bytes(1, "bytes")?;
        c.vm.charge(bytes.len() * size_of::<Value>())?;
        let s = decode(this_encoding(c), &bytes);
        Ok(Value::array(Type::CHAR, s.units().map(Value::Char).collect()))
    }),
    Get("int GetByteCount(string s)", |c| {
        Ok(Value::Int(encode(this_encoding(c), &c.text(1, "s")?).len() as i32))
    }),
    Get("int GetCharCount(byte[] bytes)", |c| {
        Ok(Value::Int(
            decode(this_encoding(c), &c.bytes(1, "bytes")?).len() as i32
        ))
    }),
    Get(
        "static byte[] Convert(Encoding srcEncoding, Encoding dstEncoding, byte[] bytes)",
        |c| {
            let bytes = c.bytes(2, "bytes")?;
            let of = |v: &Value| match v {
                Value::Object(o) => o.native::<Encoding>().copied(),
                _ => None,
            };
            let (from, to) = (
                of(c.arg(0)).unwrap_or(Encoding::Utf8),
                of(c.arg(1)).unwrap_or(Encoding::Utf8),
            );
            c.vm.charge(bytes.len() * 4)?;
            Ok(Value::bytes(encode(to, &decode(from, &bytes))))
        },
    ),
    Get("string WebName", |c| string(encoding_name(c))),
    Get("string BodyName", |c| string(encoding_name(c))),
    Get("string HeaderName", |c| string(encoding_name(c))),
    Get("string EncodingName", |c| {
        string(match this_encoding(c) {
            Encoding::Utf8 => "Unicode (UTF-8)",
            Encoding::Ascii => "US-ASCII",
            Encoding::Latin1 => "Western European (ISO)",
            Encoding::Utf16 => "Unicode",
            Encoding::Utf16Big => "Unicode (Big-Endian)",
            Encoding::Utf32 => "Unicode (UTF-32)",
        })
    }),
    Get("int CodePage", |c| {
        Ok(Value::Int(match this_encoding(c) {
            Encoding::Utf8 => 65001,
            Encoding::Ascii => 20127,
            Encoding::Latin1 => 28591,
            Encoding::Utf16 => 1200,
            Encoding::Utf16Big => 1201,
            Encoding::Utf32 => 12000,
        }))
    }),
];

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
    all(
        "struct System.Guid : IComparable, IFormattable, IComparable<Guid>, IEquatable<Guid>",
        &[
            Get("ctor(string g)", |c| {
                let s = c.text(0, "g")?;
                Ok(Value::Guid(Guid::parse(&s.to_lossy())?))
            }),
            Get("ctor(byte[] b)", |c| {
                Ok(Value::Guid(Guid::from_bytes(&c.bytes(0, "b")?)?))
            }),
            Get("static Guid Empty", |_| Ok(Value::Guid(Guid::default()))),
            Get("static Guid NewGuid()", |c| {
                Ok(Value::Guid(Guid::random(
                    c.vm.world.random(),
                    c.vm.world.random(),
                )))
            }),
            Get("static Guid Parse(string input)", guid_parse),
            Get(
                "static bool TryParse(string input, out Guid result)",
                guid_try_parse,
            ),
            Get("byte[] ToByteArray()", |c| {
                Ok(Value::bytes(guid(c, 0)?.to_bytes().to_vec()))
            }),
            Get("string ToString()", base::to_string),
            Get("string ToString(string format)", base::format),
            Get(
                "string ToString(string format, IFormatProvider provider)",
                base::format,
            ),
            Get("bool Equals(object o)", base::equals),
            Get("bool Equals(Guid g)", base::equals),
            Get("int CompareTo(object value)", base::compare_to),
            Get("int CompareTo(Guid value)", base::compare_to),
            Get("int GetHashCode()", base::hash_code),
            Get("static bool operator ==(Guid a, Guid b)", base::equals),
            Get("static bool operator !=(Guid a, Guid b)", |c| {
                Ok(Value::Bool(guid(c, 0)? != guid(c, 1)?))
            }),
        ],
    ),
    all("abstract class System.Text.Encoding", ENCODING),
    all(
        "class System.Text.UTF8Encoding : Encoding",
        &[
            Get("ctor()", |_| encoding(Encoding::Utf8)),
            Get("ctor(bool encoderShouldEmitUTF8Identifier)", |_| {
                encoding(Encoding::Utf8)
            }),
        ],
    ),
    all(
        "class System.Text.UTF8Encoding+UTF8EncodingSealed : UTF8Encoding",
        &[],
    ),
    all(
        "class System.Text.ASCIIEncoding : Encoding",
        &[Get("ctor()", |_| encoding(Encoding::Ascii))],
    ),
    all(
        "class System.Text.ASCIIEncoding+ASCIIEncodingSealed : ASCIIEncoding",
        &[],
    ),
    all("class System.Text.Latin1Encoding : Encoding", &[]),
    all(
        "class System.Text.UnicodeEncoding : Encoding",
        &[Get("ctor()", |_| encoding(Encoding::Utf16))],
    ),
    all(
        "class System.Text.UTF32Encoding : Encoding",
        &[Get("ctor()", |_| encoding(Encoding::Utf32))],
    ),
    values(
        "flags enum System.Base64FormattingOptions",
        Verdict::All,
        &[("None", 0), ("InsertLineBreaks", 1)],
    ),
];

/// The generated overloads of `Convert`, which the registry adds to the type.
pub(super) const CONVERSIONS: &[&[super::Entry]] = &[
    &BOOLEAN, &CHAR, &SBYTE, &BYTE, &INT16, &UINT16, &INT32, &UINT32, &INT64, &UINT64, &SINGLE, &DOUBLE,
    &DECIMAL, &DATE, &TEXT,
];
