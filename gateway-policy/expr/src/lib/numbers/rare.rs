//! Members of `char`, `decimal` and `Math` that policies hardly ever use; the registry adds them to the types.

use super::super::Entry;
use super::*;

fn code_point(high: u16, low: u16) -> Option<i32> {
    match (high, low) {
        (0xD800..0xDC00, 0xDC00..0xE000) => {
            Some(((i32::from(high) - 0xD800) << 10) + i32::from(low) - 0xDC00 + 0x1_0000)
        }
        _ => None,
    }
}

/// The unit at `index` of the string at argument 0.
fn unit_at(c: &Call<'_, '_>) -> Result<(gateway_dotnet::Str, usize), Thrown> {
    let text = c.text(0, "s")?;
    let at = usize::try_from(c.int(1)?).ok().filter(|i| *i < text.len());
    let message = "Specified argument was out of the range of valid values.";
    at.map(|i| (text, i))
        .ok_or_else(|| Error::out_of_range("index", message).into())
}

fn to_utf32(c: &mut Call<'_, '_>) -> Eval {
    if let (Value::Char(high), Value::Char(low)) = (c.arg(0), c.arg(1)) {
        if let Some(code) = code_point(*high, *low) {
            return Ok(Value::Int(code));
        }
        let (name, message) = if (0xD800..0xDC00).contains(high) {
            (
                "lowSurrogate",
                "A valid low surrogate character is between 0xdc00 and 0xdfff, inclusive.",
            )
        } else {
            (
                "highSurrogate",
                "A valid high surrogate character is between 0xd800 and 0xdbff, inclusive.",
            )
        };
        return Err(Error::out_of_range(name, message).into());
    }
    let (text, at) = unit_at(c)?;
    let unit = text.get(at).unwrap_or(0);
    if !(0xD800..0xE000).contains(&unit) {
        return Ok(Value::Int(i32::from(unit)));
    }
    match text.get(at + 1).and_then(|low| code_point(unit, low)) {
        Some(code) => Ok(Value::Int(code)),
        None => {
            let message = format!(
                "Found a lone surrogate at index {at}. The input for this function must be a valid Unicode string."
            );
            Err(Error::argument("s", &message).into())
        }
    }
}

fn is_pair(c: &mut Call<'_, '_>) -> Eval {
    if let (Value::Char(high), Value::Char(low)) = (c.arg(0), c.arg(1)) {
        return Ok(Value::Bool(code_point(*high, *low).is_some()));
    }
    let (text, at) = unit_at(c)?;
    let pair = text.get(at).zip(text.get(at + 1));
    Ok(Value::Bool(pair.is_some_and(|(h, l)| code_point(h, l).is_some())))
}

fn surrogate_in(c: &Call<'_, '_>, low: u16, high: u16) -> Eval {
    let (text, at) = unit_at(c)?;
    Ok(Value::Bool(
        text.get(at).is_some_and(|u| (low..high).contains(&u)),
    ))
}

fn category_in(c: &mut Call<'_, '_>) -> Eval {
    let (text, at) = unit_at(c)?;
    let unit = text.get(at).unwrap_or(0);
    let pair = text.get(at + 1).and_then(|low| code_point(unit, low));
    let n = match pair.and_then(|code| char::from_u32(code as u32)) {
        Some(ch) => chars::category_of(ch),
        None => chars::unicode_category(unit).1,
    };
    let def = crate::types::registry().by_full_name("System.Globalization.UnicodeCategory");
    Ok(Value::Enum(def.unwrap_or(crate::types::OBJECT), i64::from(n)))
}

/// A case of a character in a culture, which must be given.
fn in_culture(c: &Call<'_, '_>, f: fn(u16) -> u16) -> Eval {
    if c.arg(1).is_null() {
        return Err(Error::null("culture").into());
    }
    Ok(Value::Char(f(c.char(0)?)))
}

/// Members of `System.Char`.
pub(crate) const RARE_CHAR: &[&[Entry]] = &[&[
    Get("static int ConvertToUtf32(string s, int index)", to_utf32),
    Get(
        "static int ConvertToUtf32(char highSurrogate, char lowSurrogate)",
        to_utf32,
    ),
    Get("static bool IsSurrogatePair(string s, int index)", is_pair),
    Get(
        "static bool IsSurrogatePair(char highSurrogate, char lowSurrogate)",
        is_pair,
    ),
    Get("static bool IsHighSurrogate(string s, int index)", |c| {
        surrogate_in(c, 0xD800, 0xDC00)
    }),
    Get("static bool IsLowSurrogate(string s, int index)", |c| {
        surrogate_in(c, 0xDC00, 0xE000)
    }),
    Get(
        "static System.Globalization.UnicodeCategory GetUnicodeCategory(string s, int index)",
        category_in,
    ),
    Get("static double GetNumericValue(string s, int index)", |c| {
        let (text, at) = unit_at(c)?;
        Ok(Value::Double(chars::numeric_value(text.get(at).unwrap_or(0))))
    }),
    Get(
        "static char ToUpper(char c, System.Globalization.CultureInfo culture)",
        |c| in_culture(c, unit_to_upper),
    ),
    Get(
        "static char ToLower(char c, System.Globalization.CultureInfo culture)",
        |c| in_culture(c, unit_to_lower),
    ),
]];

/// `Decimal.To…` of an integer type: cut towards zero, then checked.
fn cut(c: &Call<'_, '_>, kind: IntType) -> Eval {
    Ok(wrap_integer(kind, kind.check(c.decimal(0)?.to_i128())?))
}

fn from_parts(c: &mut Call<'_, '_>) -> Eval {
    let scale = match c.arg(4) {
        Value::Byte(scale) if *scale <= 28 => i32::from(*scale),
        _ => {
            let message = "Decimal's scale value must be between 0 and 28, inclusive.";
            return Err(Error::out_of_range("scale", message).into());
        }
    };
    let flags = (scale << 16) | if c.bool(3)? { i32::MIN } else { 0 };
    Ok(Value::Decimal(Decimal::from_bits(&[
        c.int(0)?,
        c.int(1)?,
        c.int(2)?,
        flags,
    ])?))
}

fn from_bits(c: &mut Call<'_, '_>) -> Eval {
    if c.arg(0).is_null() {
        return Err(Error::null("bits").into());
    }
    let bits: Vec<i32> = c
        .items(0)
        .iter()
        .filter_map(|v| if let Value::Int(i) = v { Some(*i) } else { None })
        .collect();
    Ok(Value::Decimal(Decimal::from_bits(&bits)?))
}

/// Members of `System.Decimal`.
pub(crate) const RARE_DECIMAL: &[&[Entry]] = &[&[
    Get("ctor(float value)", |c| match c.arg(0) {
        Value::Float(f) => Ok(Value::Decimal(Decimal::from_f32(*f)?)),
        _ => Ok(Value::Decimal(Decimal::from_f64(c.double(0)?)?)),
    }),
    Get("ctor(uint value)", |c| match c.arg(0) {
        Value::UInt(v) => small(i128::from(*v)),
        _ => small(0),
    }),
    Get("ctor(ulong value)", |c| match c.arg(0) {
        Value::ULong(v) => small(i128::from(*v)),
        _ => small(0),
    }),
    Get("ctor(int[] bits)", from_bits),
    Get(
        "ctor(int lo, int mid, int hi, bool isNegative, byte scale)",
        from_parts,
    ),
    Get("static byte ToByte(decimal value)", |c| cut(c, IntType::Byte)),
    Get("static sbyte ToSByte(decimal value)", |c| cut(c, IntType::SByte)),
    Get("static short ToInt16(decimal value)", |c| cut(c, IntType::Int16)),
    Get("static ushort ToUInt16(decimal value)", |c| {
        cut(c, IntType::UInt16)
    }),
    Get("static uint ToUInt32(decimal d)", |c| cut(c, IntType::UInt32)),
    Get("static ulong ToUInt64(decimal d)", |c| cut(c, IntType::UInt64)),
    Get("static float ToSingle(decimal d)", |c| {
        Ok(Value::Float(c.decimal(0)?.to_f32()))
    }),
    Get("static long ToOACurrency(decimal value)", |c| {
        let scaled = c
            .decimal(0)?
            .multiply(Decimal::from_i128(10_000).unwrap_or_default())?;
        let whole = scaled.round(0, math::Midpoint::from_value(0)?).to_i128();
        Ok(Value::Long(
            i64::try_from(whole).map_err(|_| Error::of(ExceptionKind::OverflowException))?,
        ))
    }),
    Get("static decimal FromOACurrency(long cy)", |c| {
        let units = Decimal::from_i128(i128::from(c.long(0)?)).unwrap_or_default();
        Ok(Value::Decimal(
            units.divide(Decimal::from_i128(10_000).unwrap_or_default())?,
        ))
    }),
]];

/// The larger or smaller magnitude; of equal ones the larger or smaller number.
fn magnitude(c: &Call<'_, '_>, max: bool) -> Eval {
    let (x, y) = (c.double(0)?, c.double(1)?);
    let (a, b) = (x.abs(), y.abs());
    let first = if max {
        a > b || a.is_nan()
    } else {
        a < b || a.is_nan()
    };
    let equal = a == b;
    Ok(Value::Double(if first {
        x
    } else if equal {
        if x.is_sign_negative() == max { y } else { x }
    } else {
        y
    }))
}

fn scale_by(x: f64, n: i32) -> f64 {
    // Two steps keep the power within range for every result that is not zero or infinite.
    let n = n.clamp(-2200, 2200);
    let half = n / 2;
    x * 2f64.powi(half) * 2f64.powi(n - half)
}

fn exponent(x: f64) -> i32 {
    if x == 0.0 {
        return i32::MIN;
    }
    if x.is_nan() || x.is_infinite() {
        return i32::MAX;
    }
    let field = |x: f64| ((x.to_bits() >> 52) & 0x7FF) as i32;
    match field(x) {
        0 => field(x * 2f64.powi(64)) - 1023 - 64,
        e => e - 1023,
    }
}

/// Members of `System.Math`.
pub(crate) const RARE_MATH: &[&[Entry]] = &[&[
    Get("static double ScaleB(double x, int n)", |c| {
        Ok(Value::Double(scale_by(c.double(0)?, c.int(1)?)))
    }),
    Get("static int ILogB(double x)", |c| {
        Ok(Value::Int(exponent(c.double(0)?)))
    }),
    Get("static double BitDecrement(double x)", |c| {
        unary(c, f64::next_down)
    }),
    Get("static double BitIncrement(double x)", |c| unary(c, f64::next_up)),
    Get("static double CopySign(double x, double y)", |c| {
        Ok(Value::Double(c.double(0)?.copysign(c.double(1)?)))
    }),
    Get(
        "static double FusedMultiplyAdd(double x, double y, double z)",
        |c| Ok(Value::Double(c.double(0)?.mul_add(c.double(1)?, c.double(2)?))),
    ),
    Get("static double MaxMagnitude(double x, double y)", |c| {
        magnitude(c, true)
    }),
    Get("static double MinMagnitude(double x, double y)", |c| {
        magnitude(c, false)
    }),
    Get("static double Acosh(double d)", |c| unary(c, f64::acosh)),
    Get("static double Asinh(double d)", |c| unary(c, f64::asinh)),
    Get("static double Atanh(double d)", |c| unary(c, f64::atanh)),
    Get("static sbyte Clamp(sbyte value, sbyte min, sbyte max)", clamp),
    Get("static short Clamp(short value, short min, short max)", clamp),
    Get("static ushort Clamp(ushort value, ushort min, ushort max)", clamp),
    Get("static uint Clamp(uint value, uint min, uint max)", clamp),
    Get("static ulong Clamp(ulong value, ulong min, ulong max)", clamp),
]];
