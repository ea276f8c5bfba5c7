//! `System.Convert`: numbers, bases and base64. Conversions from text that are plain `Parse` are in `parse`.

use super::{Decimal, IntType, math::Midpoint};
use crate::{Error, ExceptionKind};

/// `Convert.ToInt32(double)` and its siblings: halves to even, checked.
///
/// # Errors
/// `OverflowException`.
pub fn double_to_integer(value: f64, kind: IntType) -> Result<i128, Error> {
    if kind.bits() < 32 {
        return kind.check(double_to_integer(value, IntType::Int32)?);
    }
    let rounded = value.round_ties_even();
    if rounded.is_finite() && rounded.abs() < 1e38 {
        let whole = rounded as i128;
        if whole >= kind.min() && whole <= kind.max() {
            return Ok(whole);
        }
    }
    // The 64-bit conversions are `checked` casts and say so.
    Err(if kind.bits() == 64 {
        Error::of(ExceptionKind::OverflowException)
    } else {
        kind.overflow()
    })
}

/// `Convert.ToInt32(decimal)` and its siblings: halves to even, checked.
///
/// # Errors
/// `OverflowException`.
pub fn decimal_to_integer(value: Decimal, kind: IntType) -> Result<i128, Error> {
    kind.check(value.round(0, Midpoint::ToEven).to_i128())
}

/// `(int)decimal` and its siblings: cut, checked even in unchecked code.
///
/// # Errors
/// `OverflowException`.
pub fn decimal_cast(value: Decimal, kind: IntType) -> Result<i128, Error> {
    kind.check(value.to_i128())
}

/// `(int)double` and its siblings in unchecked code, as x86-64 computes them.
pub fn double_cast(value: f64, kind: IntType) -> i128 {
    /// 2^63
    const TOP: f64 = (1u64 << 63) as f64;
    let to_i64 = |v: f64| {
        if (-TOP..TOP).contains(&v) {
            v as i64
        } else {
            i64::MIN
        }
    };
    match kind {
        IntType::Int32 => {
            let fits = value > -2_147_483_649.0 && value < 2_147_483_648.0;
            if fits { value as i128 } else { i128::from(i32::MIN) }
        }
        IntType::UInt64 if value >= TOP => i128::from((to_i64(value - TOP) as u64) ^ (1 << 63)),
        IntType::Int64 | IntType::UInt32 | IntType::UInt64 => kind.wrap(i128::from(to_i64(value))),
        _ => kind.wrap(double_cast(value, IntType::Int32)),
    }
}

fn check_base(base: i32, allowed: &[i32]) -> Result<u32, Error> {
    match u32::try_from(base) {
        Ok(b) if allowed.contains(&base) => Ok(b),
        _ => Err(Error::new(ExceptionKind::ArgumentException, "Invalid Base.")),
    }
}

/// `Convert.ToInt32(string, fromBase)` and its siblings.
///
/// # Errors
/// `ArgumentException`, `ArgumentOutOfRangeException`, `FormatException`, `OverflowException`.
pub fn parse_base(text: &str, base: i32, kind: IntType) -> Result<i128, Error> {
    let base = check_base(base, &[2, 8, 10, 16])?;
    if text.is_empty() {
        return Err(Error::out_of_range(
            "Index was out of range. Must be non-negative and less than the size of the collection.",
            "Specified argument was out of the range of valid values.",
        ));
    }
    let negative = text.starts_with('-');
    if negative && base != 10 {
        return Err(Error::new(
            ExceptionKind::ArgumentException,
            "String cannot contain a minus sign if the base is not 10.",
        ));
    }
    if negative && !kind.signed() {
        return Err(Error::new(
            ExceptionKind::OverflowException,
            "The string was being parsed as an unsigned number and could not have a negative sign.",
        ));
    }
    let mut digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if base == 16 {
        digits = digits
            .strip_prefix("0x")
            .or(digits.strip_prefix("0X"))
            .unwrap_or(digits);
    }
    let end = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
    if end == 0 {
        return Err(Error::format("Could not find any recognizable digits."));
    }
    let wide = if kind.bits() == 64 {
        IntType::UInt64
    } else {
        IntType::UInt32
    };
    let value = i128::from_str_radix(&digits[..end], base)
        .ok()
        .filter(|v| *v <= wide.max());
    let value = value.ok_or_else(|| wide.overflow())?;
    if end < digits.len() {
        return Err(Error::format(
            "Additional non-parsable characters are at the end of the string.",
        ));
    }
    let value = if negative { -value } else { value };
    if base == 10 {
        return kind.check(value);
    }
    // Other bases give the bit pattern; narrow types refuse bits beyond their width.
    if kind.bits() < 32 && value >> kind.bits() != 0 {
        return Err(kind.overflow());
    }
    Ok(kind.wrap(value))
}

/// `Convert.ToString(integer, toBase)`.
///
/// # Errors
/// `ArgumentException`.
pub fn to_base(value: i128, kind: IntType, base: i32) -> Result<String, Error> {
    let base = check_base(base, &[2, 8, 10, 16])?;
    let bits = value as u128 & (u128::MAX >> (128 - kind.bits()));
    Ok(match base {
        2 => format!("{bits:b}"),
        8 => format!("{bits:o}"),
        16 => format!("{bits:x}"),
        _ => value.to_string(),
    })
}

/// `Convert.ToBase64String(bytes)`, with a line break after each 76 characters if asked.
pub fn to_base64(bytes: &[u8], line_breaks: bool) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    /// Characters on a line under `Base64FormattingOptions.InsertLineBreaks`.
    const LINE: usize = 76;
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for (i, chunk) in bytes.chunks(3).enumerate() {
        if line_breaks && i > 0 && (i * 4).is_multiple_of(LINE) {
            out.push_str("\r\n");
        }
        let word = chunk.iter().fold(0u32, |w, b| (w << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
        for n in 0..4 {
            let sextet = (word >> (18 - 6 * n)) & 63;
            out.push(if n <= chunk.len() {
                char::from(ALPHABET[sextet as usize])
            } else {
                '='
            });
        }
    }
    out
}

/// `Convert.FromBase64String`: white space is passed over, padding is required.
///
/// # Errors
/// `FormatException`.
pub fn from_base64(text: &str) -> Result<Vec<u8>, Error> {
    let bad = || {
        Error::format(
            "The input is not a valid Base-64 string as it contains a non-base 64 character, more than two padding characters, or an illegal character among the padding characters.",
        )
    };
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut count, mut padding) = (0u32, 0usize, 0usize);
    for b in text
        .bytes()
        .filter(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
    {
        let sextet = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return Err(bad()),
        };
        if padding > 0 {
            return Err(bad());
        }
        word = (word << 6) | u32::from(sextet);
        count += 1;
        if count.is_multiple_of(4) {
            out.extend_from_slice(&word.to_be_bytes()[1..]);
            word = 0;
        }
    }
    match (count % 4, padding) {
        (0, 0) => {}
        (2, 2) => out.push((word >> 4) as u8),
        (3, 1) => out.extend_from_slice(&[(word >> 10) as u8, (word >> 2) as u8]),
        _ => return Err(bad()),
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(result: Result<i128, Error>) -> String {
        result.map_or_else(|e| format!("!{}", e.message), |v| v.to_string())
    }

    #[test]
    fn bases() {
        for (text, base, kind, expected) in [
            ("0x1F", 16, IntType::Int32, "31"),
            ("FF", 16, IntType::Int32, "255"),
            ("12", 8, IntType::Int32, "10"),
            ("12", 7, IntType::Int32, "!Invalid Base."),
            ("FFFFFFFF", 16, IntType::Int32, "-1"),
            (
                "1FFFFFFFF",
                16,
                IntType::Int32,
                "!Value was either too large or too small for a UInt32.",
            ),
            (
                "G",
                16,
                IntType::Int32,
                "!Could not find any recognizable digits.",
            ),
            (
                "-5",
                16,
                IntType::Int32,
                "!String cannot contain a minus sign if the base is not 10.",
            ),
            ("-5", 10, IntType::Int32, "-5"),
            (
                "100",
                16,
                IntType::Byte,
                "!Value was either too large or too small for an unsigned byte.",
            ),
            (
                "12x",
                10,
                IntType::Int32,
                "!Additional non-parsable characters are at the end of the string.",
            ),
        ] {
            assert_eq!(show(parse_base(text, base, kind)), expected, "{text} {base}");
        }
        assert_eq!(to_base(255, IntType::Int32, 2).unwrap(), "11111111");
        assert_eq!(to_base(-1, IntType::Int32, 16).unwrap(), "ffffffff");
        assert!(to_base(5, IntType::Int32, 3).is_err());
    }

    #[test]
    fn rounding_and_casting() {
        for (value, kind, expected) in [
            (2.5, IntType::Int32, "2"),
            (3.5, IntType::Int32, "4"),
            (-2.5, IntType::Int32, "-2"),
            (
                1e10,
                IntType::Int32,
                "!Value was either too large or too small for an Int32.",
            ),
            (
                f64::NAN,
                IntType::Int32,
                "!Value was either too large or too small for an Int32.",
            ),
            (
                3.5e9,
                IntType::Int16,
                "!Value was either too large or too small for an Int32.",
            ),
            (
                300.0,
                IntType::Byte,
                "!Value was either too large or too small for an unsigned byte.",
            ),
            (
                1e19,
                IntType::Int64,
                "!Arithmetic operation resulted in an overflow.",
            ),
        ] {
            assert_eq!(show(double_to_integer(value, kind)), expected, "{value}");
        }
        for (value, kind, expected) in [
            (3.99, IntType::Int32, 3),
            (1e10, IntType::Int32, i128::from(i32::MIN)),
            (f64::NAN, IntType::Int64, i128::from(i64::MIN)),
            (300.7, IntType::Byte, 44),
            (1.5e19, IntType::UInt64, 15_000_000_000_000_000_000),
        ] {
            assert_eq!(double_cast(value, kind), expected, "{value} {kind:?}");
        }
    }

    #[test]
    fn base64() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"\xc3\xa9", "w6k="),
        ] {
            assert_eq!(to_base64(bytes, false), text);
            assert_eq!(from_base64(text).unwrap(), bytes);
        }
        assert_eq!(from_base64(" Z g = = \n").unwrap(), b"f");
        for bad in ["abc", "a", "Zg=", "Zg===", "Z=g=", "Zm9v=", "Zm-_", "é"] {
            assert!(from_base64(bad).is_err(), "{bad}");
        }
        assert_eq!(to_base64(&[0; 60], true).len(), 82);
    }
}
