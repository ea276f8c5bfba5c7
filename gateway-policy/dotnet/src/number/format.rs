//! Number to text: the standard format strings, `ToString()` without one, and the choice between
//! standard and custom formats. Invariant culture.

use num_bigint::BigInt;

use super::{Decimal, IntType, Number, custom, shortest};
use crate::Error;

/// Decimals of `C`, `F`, `N` and `P` when the format names none.
const DEFAULT_DECIMALS: i32 = 2;
/// Digits after the point of `E` when the format names none.
const DEFAULT_EXPONENT_DECIMALS: i32 = 6;
/// Group separators fall every three digits.
const GROUP: usize = 3;

fn invalid() -> Error {
    Error::format("Format specifier was invalid.")
}

/// Most digits of an exponent that a custom format can ask for, as in .NET.
const MAX_EXPONENT: usize = 10;

/// A standard format: one letter and a number below 100.
fn standard(format: &str) -> Option<(char, Option<i32>)> {
    let mut chars = format.chars();
    let letter = chars.next().filter(char::is_ascii_alphabetic)?;
    let digits = chars.as_str();
    let mut precision = None;
    for b in digits.bytes() {
        // Beyond two significant digits it is a custom format.
        let so_far = precision.unwrap_or(0);
        if !b.is_ascii_digit() || so_far >= 10 {
            return None;
        }
        precision = Some(so_far * 10 + i32::from(b - b'0'));
    }
    Some((letter, precision))
}

/// `ToString(format)` of an integral type.
///
/// # Errors
/// `FormatException`.
pub fn format_integer(value: i128, kind: IntType, format: &str) -> Result<String, Error> {
    if format.is_empty() {
        return Ok(value.to_string());
    }
    let Some((letter, precision)) = standard(format) else {
        return custom::format(Number::from_integer(value), format);
    };
    match letter {
        'G' | 'g' if precision.unwrap_or(0) == 0 => Ok(value.to_string()),
        'D' | 'd' => {
            let width = usize::try_from(precision.unwrap_or(0)).unwrap_or(0);
            let sign = if value < 0 { "-" } else { "" };
            Ok(format!("{sign}{:0>width$}", value.unsigned_abs()))
        }
        'X' | 'x' => {
            let width = usize::try_from(precision.unwrap_or(0)).unwrap_or(0);
            let bits = value as u128 & (u128::MAX >> (128 - kind.bits()));
            Ok(if letter == 'X' {
                format!("{bits:0>width$X}")
            } else {
                format!("{bits:0>width$x}")
            })
        }
        'R' | 'r' => Err(invalid()),
        _ => format_standard(Number::from_integer(value), letter, precision),
    }
}

/// `ToString(format)` of a `BigInteger`.
///
/// # Errors
/// `FormatException`.
pub fn format_big(value: &BigInt, format: &str) -> Result<String, Error> {
    let text = value.to_string();
    let digits = text.trim_start_matches('-');
    let number = Number {
        digits: if digits == "0" {
            Vec::new()
        } else {
            digits.bytes().map(|b| b - b'0').collect()
        },
        scale: if digits == "0" { 0 } else { digits.len() as i32 },
        negative: text.starts_with('-'),
        ..Number::default()
    };
    let Some((letter, precision)) = standard(if format.is_empty() { "D" } else { format }) else {
        return custom::format(number, format);
    };
    let width = usize::try_from(precision.unwrap_or(0)).unwrap_or(0);
    match letter {
        'D' | 'd' | 'R' | 'r' => {
            let sign = if number.negative { "-" } else { "" };
            Ok(format!("{sign}{digits:0>width$}"))
        }
        'G' | 'g' if width == 0 => Ok(text),
        'X' | 'x' => {
            let hex: String = value
                .to_signed_bytes_be()
                .iter()
                .map(|b| format!("{b:02X}"))
                .collect();
            // One sign digit is enough.
            let fill = if number.negative { 'F' } else { '0' };
            let second_is_like = hex[1..]
                .chars()
                .next()
                .and_then(|c| c.to_digit(16))
                .map(|d| d >= 8);
            let short = hex.starts_with(fill) && hex.len() > 1 && second_is_like == Some(number.negative);
            let hex = if short { hex[1..].to_owned() } else { hex };
            let padded = format!(
                "{}{hex}",
                fill.to_string().repeat(width.saturating_sub(hex.len()))
            );
            Ok(if letter == 'x' {
                padded.to_ascii_lowercase()
            } else {
                padded
            })
        }
        _ => format_standard(number, letter, precision),
    }
}

/// `ToString(format)` of a decimal.
///
/// # Errors
/// `FormatException`.
pub fn format_decimal(value: Decimal, format: &str) -> Result<String, Error> {
    if format.is_empty() {
        return Ok(decimal_to_text(value));
    }
    match standard(format) {
        Some(('G' | 'g', None)) => Ok(decimal_to_text(value)),
        Some(('R' | 'r', _)) => Err(invalid()),
        Some((letter, precision)) => format_standard(value.to_number(), letter, precision),
        None => custom::format(value.to_number(), format),
    }
}

/// `Decimal.ToString()`: all digits, trailing zeros kept.
pub fn decimal_to_text(value: Decimal) -> String {
    let digits = value.mantissa().to_string();
    let scale = usize::from(value.scale());
    let sign = if value.is_negative() && value.mantissa() != 0 {
        "-"
    } else {
        ""
    };
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// What differs between the two binary floating-point types.
struct Float<F> {
    value: f64,
    /// Shortest round-trip digits in `{:e}` form.
    shortest: F,
    /// Below this many digits before the point no exponent is shown by default.
    plain_digits: i32,
    /// Digits that custom formats see.
    custom_digits: usize,
}

/// Whole numbers below this have no exponent and no rounding to care for.
const PLAIN_WHOLE: f64 = 1e15;

/// `ToString(format)` of a double.
///
/// # Errors
/// `FormatException`.
pub fn format_double(value: f64, format: &str) -> Result<String, Error> {
    if format.is_empty() && value.trunc() == value && value.abs() < PLAIN_WHOLE {
        return Ok(whole(value));
    }
    let shortest = || shortest::double(value.abs());
    format_float(
        Float {
            value,
            shortest,
            plain_digits: 17,
            custom_digits: 15,
        },
        format,
    )
}

/// `ToString(format)` of a single.
///
/// # Errors
/// `FormatException`.
pub fn format_single(value: f32, format: &str) -> Result<String, Error> {
    let shortest = || shortest::single(value.abs());
    let value = f64::from(value);
    format_float(
        Float {
            value,
            shortest,
            plain_digits: 9,
            custom_digits: 7,
        },
        format,
    )
}

fn whole(value: f64) -> String {
    if value == 0.0 && value.is_sign_negative() {
        return "-0".to_owned();
    }
    (value as i64).to_string()
}

/// `Double.ToString()`.
pub fn double_to_text(value: f64) -> String {
    format_double(value, "").unwrap_or_default()
}

/// `Single.ToString()`.
pub fn single_to_text(value: f32) -> String {
    format_single(value, "").unwrap_or_default()
}

fn format_float<F: FnOnce() -> String>(float: Float<F>, format: &str) -> Result<String, Error> {
    let value = float.value;
    let standard = standard(if format.is_empty() { "G" } else { format });
    if value.is_nan() {
        return Ok("NaN".to_owned());
    }
    if value.is_infinite() {
        return Ok(if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned());
    }
    if let Some((letter, _)) = standard
        && !"CcEeFfGgNnPpRr".contains(letter)
    {
        return Err(invalid());
    }
    let (abs, negative) = (value.abs(), value.is_sign_negative());
    let significant = |digits: usize| {
        Number::from_scientific(&format!("{abs:.p$e}", p = digits.saturating_sub(1)), negative)
    };
    let fixed = |places: i32| {
        Number::from_fixed(
            &format!("{abs:.p$}", p = usize::try_from(places).unwrap_or(0)),
            negative,
        )
    };
    let Some((letter, precision)) = standard else {
        return custom::format(significant(float.custom_digits), format);
    };
    let decimals = precision.unwrap_or(DEFAULT_DECIMALS);
    match letter.to_ascii_uppercase() {
        'R' | 'G' if letter.eq_ignore_ascii_case(&'R') || precision.unwrap_or(0) == 0 => {
            let mut number = Number::from_scientific(&(float.shortest)(), negative);
            let max = float.plain_digits.max(number.digits.len() as i32);
            number.round(max, true);
            let e = if letter.is_ascii_uppercase() { 'E' } else { 'e' };
            Ok(signed(&number, &general(&number, max, e, false)))
        }
        'G' => format_standard(significant(precision.unwrap_or(1) as usize), letter, precision),
        'E' => {
            let places = precision.unwrap_or(DEFAULT_EXPONENT_DECIMALS) as usize;
            format_standard(significant(places + 1), letter, precision)
        }
        'P' => format_standard(fixed(decimals + 2), letter, precision),
        _ => format_standard(fixed(decimals), letter, precision),
    }
}

fn signed(number: &Number, body: &str) -> String {
    if number.negative {
        format!("-{body}")
    } else {
        body.to_owned()
    }
}

/// The formats that every number shares.
fn format_standard(mut number: Number, letter: char, precision: Option<i32>) -> Result<String, Error> {
    let exact = number.float;
    let decimals = precision.unwrap_or(DEFAULT_DECIMALS);
    let e = if letter.is_ascii_uppercase() { 'E' } else { 'e' };
    Ok(match letter.to_ascii_uppercase() {
        'C' => {
            number.round(number.scale + decimals, exact);
            let body = fixed(&number, decimals, true);
            if number.negative {
                format!("(¤{body})")
            } else {
                format!("¤{body}")
            }
        }
        'F' => {
            number.round(number.scale + decimals, exact);
            signed(&number, &fixed(&number, decimals, false))
        }
        'N' => {
            number.round(number.scale + decimals, exact);
            signed(&number, &fixed(&number, decimals, true))
        }
        'P' => {
            if !number.digits.is_empty() {
                number.scale += 2;
            }
            number.round(number.scale + decimals, exact);
            signed(&number, &format!("{} %", fixed(&number, decimals, true)))
        }
        'E' => {
            let digits = precision.unwrap_or(DEFAULT_EXPONENT_DECIMALS) + 1;
            number.round(digits, exact);
            signed(&number, &scientific(&number, digits, e))
        }
        'G' => {
            let digits = precision.filter(|p| *p > 0).unwrap_or(number.digits.len() as i32);
            number.round(digits, exact);
            signed(&number, &general(&number, digits, e, false))
        }
        _ => return Err(invalid()),
    })
}

fn digit(number: &Number, index: usize) -> char {
    char::from(b'0' + number.digits.get(index).copied().unwrap_or(0))
}

/// Digits with `decimals` places, grouped by thousands on request.
fn fixed(number: &Number, decimals: i32, grouped: bool) -> String {
    let whole = usize::try_from(number.scale).unwrap_or(0);
    let mut out = String::new();
    for i in 0..whole {
        if grouped && i > 0 && (whole - i).is_multiple_of(GROUP) {
            out.push(',');
        }
        out.push(digit(number, i));
    }
    if whole == 0 {
        out.push('0');
    }
    if decimals > 0 {
        out.push('.');
        for place in 0..decimals {
            let index = number.scale + place;
            out.push(usize::try_from(index).map_or('0', |i| digit(number, i)));
        }
    }
    out
}

fn scientific(number: &Number, digits: i32, e: char) -> String {
    let mut out = String::from(digit(number, 0));
    if digits > 1 {
        out.push('.');
        out.extend((1..digits as usize).map(|i| digit(number, i)));
    }
    let exponent = if number.digits.is_empty() {
        0
    } else {
        number.scale - 1
    };
    out + &exponent_text(exponent, e, 3, true)
}

/// `E+004`, `e-7` …
pub(super) fn exponent_text(value: i32, e: char, width: usize, plus: bool) -> String {
    let sign = if value < 0 {
        "-"
    } else if plus {
        "+"
    } else {
        ""
    };
    format!(
        "{e}{sign}{:0>width$}",
        value.unsigned_abs(),
        width = width.min(MAX_EXPONENT)
    )
}

fn general(number: &Number, max_digits: i32, e: char, never_scientific: bool) -> String {
    let scientific = !never_scientific && (number.scale > max_digits || number.scale < -3);
    let point = if scientific { 1 } else { number.scale };
    let mut out = String::new();
    let whole = usize::try_from(point).unwrap_or(0);
    if whole == 0 {
        out.push('0');
    }
    out.extend((0..whole).map(|i| digit(number, i)));
    if number.digits.len() > whole || (point < 0 && !number.digits.is_empty()) {
        out.push('.');
        out.extend((point..0).map(|_| '0'));
        out.extend((whole..number.digits.len()).map(|i| digit(number, i)));
    }
    if scientific {
        out.push_str(&exponent_text(number.scale - 1, e, 2, true));
    }
    out
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
