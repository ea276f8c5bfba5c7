//! Text to number: `Parse` and `TryParse` of every numeric type and of `Boolean`.

use super::{Decimal, IntType, MAX_DIGITS, Number};
use crate::Error;

/// `System.Globalization.NumberStyles`, as its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberStyles(pub i32);

impl NumberStyles {
    /// What integer `Parse` allows by default.
    pub const INTEGER: NumberStyles = NumberStyles(7);
    /// What decimal `Parse` allows by default.
    pub const NUMBER: NumberStyles = NumberStyles(111);
    /// `Float | AllowThousands`: what double `Parse` allows by default.
    pub const FLOAT_THOUSANDS: NumberStyles = NumberStyles(231);
    /// `HexNumber`.
    pub const HEX: NumberStyles = NumberStyles(515);

    const LEADING_WHITE: i32 = 1;
    const TRAILING_WHITE: i32 = 2;
    const LEADING_SIGN: i32 = 4;
    const TRAILING_SIGN: i32 = 8;
    const PARENTHESES: i32 = 16;
    const DECIMAL_POINT: i32 = 32;
    const THOUSANDS: i32 = 64;
    const EXPONENT: i32 = 128;
    const CURRENCY: i32 = 256;
    const HEX_SPECIFIER: i32 = 512;

    fn has(self, bit: i32) -> bool {
        self.0 & bit != 0
    }
}

pub(crate) fn bad_format() -> Error {
    Error::format("Input string was not in a correct format.")
}

fn is_white(c: char) -> bool {
    c == ' ' || ('\t'..='\r').contains(&c)
}

/// What has been seen so far of a number.
#[derive(Default)]
struct Seen {
    sign: bool,
    paren: bool,
    digits: bool,
    nonzero: bool,
    point: bool,
    currency: bool,
}

struct Scanner<'a> {
    rest: &'a str,
    styles: NumberStyles,
    seen: Seen,
    number: Number,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn sign(&mut self) -> bool {
        if self.eat('+') {
            true
        } else if self.eat('-') {
            self.number.negative = true;
            true
        } else {
            false
        }
    }

    fn currency(&mut self) -> bool {
        if self.styles.has(NumberStyles::CURRENCY) && !self.seen.currency && self.eat('¤') {
            self.seen.currency = true;
            return true;
        }
        false
    }

    fn leading(&mut self) {
        loop {
            let white_ends = self.seen.sign && !self.seen.currency;
            if self.peek().is_some_and(is_white)
                && self.styles.has(NumberStyles::LEADING_WHITE)
                && !white_ends
            {
                self.rest = &self.rest[1..];
            } else if self.styles.has(NumberStyles::LEADING_SIGN) && !self.seen.sign && self.sign() {
                self.seen.sign = true;
            } else if self.styles.has(NumberStyles::PARENTHESES) && !self.seen.sign && self.eat('(') {
                self.seen.sign = true;
                self.seen.paren = true;
                self.number.negative = true;
            } else if !self.currency() {
                return;
            }
        }
    }

    fn digits(&mut self) {
        loop {
            if let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
                self.rest = &self.rest[1..];
                self.digit(digit as u8);
            } else if self.styles.has(NumberStyles::DECIMAL_POINT) && !self.seen.point && self.eat('.') {
                self.seen.point = true;
            } else {
                let group = self.styles.has(NumberStyles::THOUSANDS) && self.seen.digits && !self.seen.point;
                if !(group && self.eat(',')) {
                    return;
                }
            }
        }
    }

    fn digit(&mut self, digit: u8) {
        self.seen.digits = true;
        if digit != 0 || self.seen.nonzero {
            self.seen.nonzero = true;
            if self.number.digits.len() < MAX_DIGITS {
                self.number.digits.push(digit);
            } else {
                self.number.tail |= digit != 0;
            }
            if !self.seen.point {
                self.number.scale = self.number.scale.saturating_add(1);
            }
        } else if self.seen.point {
            self.number.scale = self.number.scale.saturating_sub(1);
        }
    }

    fn exponent(&mut self) {
        let saved = self.rest;
        if !self.styles.has(NumberStyles::EXPONENT) || !(self.eat('e') || self.eat('E')) {
            return;
        }
        let negative = if self.eat('+') { false } else { self.eat('-') };
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(self.rest.len());
        if end == 0 {
            self.rest = saved;
            return;
        }
        // Past 9999 every type has over- or underflowed.
        let value = self.rest[..end]
            .bytes()
            .fold(0, |e: i32, b| (e * 10 + i32::from(b - b'0')).min(9999));
        self.rest = &self.rest[end..];
        self.number.scale = self
            .number
            .scale
            .saturating_add(if negative { -value } else { value });
    }

    fn trailing(&mut self) {
        loop {
            if self.peek().is_some_and(is_white) && self.styles.has(NumberStyles::TRAILING_WHITE) {
                self.rest = &self.rest[1..];
            } else if self.styles.has(NumberStyles::TRAILING_SIGN) && !self.seen.sign && self.sign() {
                self.seen.sign = true;
            } else if self.seen.paren && self.eat(')') {
                self.seen.paren = false;
            } else if !self.currency() {
                return;
            }
        }
    }
}

/// Scans a number in the invariant culture; `None` if it is not one.
fn scan(text: &str, styles: NumberStyles) -> Option<Number> {
    let mut s = Scanner {
        rest: text,
        styles,
        seen: Seen::default(),
        number: Number::default(),
    };
    s.leading();
    s.digits();
    if !s.seen.digits {
        return None;
    }
    s.exponent();
    s.trailing();
    if s.seen.paren || s.rest.chars().any(|c| c != '\0') {
        return None;
    }
    Some(s.number)
}

/// `Parse` of an integral type.
///
/// # Errors
/// `FormatException`, `OverflowException`.
pub fn parse_integer(text: &str, styles: NumberStyles, kind: IntType) -> Result<i128, Error> {
    if styles.has(NumberStyles::HEX_SPECIFIER) {
        return parse_hex(text, styles, kind);
    }
    let number = scan(text, styles).ok_or_else(bad_format)?;
    kind.check(integer_of(&number).ok_or_else(|| kind.overflow())?)
}

/// The integer a number stands for; `None` if it has a fraction or is far too large.
fn integer_of(number: &Number) -> Option<i128> {
    let whole = usize::try_from(number.scale).unwrap_or(0);
    let significant = number.digits.iter().rposition(|d| *d != 0).map_or(0, |i| i + 1);
    if significant == 0 {
        return Some(0);
    }
    if significant > whole || whole > 30 {
        return None;
    }
    let digit = |i: usize| i128::from(number.digits.get(i).copied().unwrap_or(0));
    let value = (0..whole).fold(0, |v: i128, i| v * 10 + digit(i));
    Some(if number.negative { -value } else { value })
}

fn parse_hex(text: &str, styles: NumberStyles, kind: IntType) -> Result<i128, Error> {
    let mut body = text.trim_end_matches('\0');
    if styles.has(NumberStyles::LEADING_WHITE) {
        body = body.trim_start_matches(is_white);
    }
    if styles.has(NumberStyles::TRAILING_WHITE) {
        body = body.trim_end_matches(is_white);
    }
    if body.is_empty() || !body.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(bad_format());
    }
    let digits = body.trim_start_matches('0');
    if digits.len() > kind.bits() as usize / 4 {
        return Err(kind.overflow());
    }
    Ok(kind.wrap(i128::from_str_radix(digits, 16).unwrap_or(0)))
}

/// `Double.Parse`.
///
/// # Errors
/// `FormatException`. Too large is infinity, as since .NET Core 3.0.
pub fn parse_double(text: &str, styles: NumberStyles) -> Result<f64, Error> {
    match scan(text, styles) {
        Some(number) => Ok(to_float_text(&number).parse().unwrap_or(f64::NAN)),
        None => special(text).ok_or_else(bad_format),
    }
}

/// `Single.Parse`.
///
/// # Errors
/// `FormatException`.
pub fn parse_single(text: &str, styles: NumberStyles) -> Result<f32, Error> {
    match scan(text, styles) {
        Some(number) => Ok(to_float_text(&number).parse().unwrap_or(f32::NAN)),
        None => special(text).map(|d| d as f32).ok_or_else(bad_format),
    }
}

fn to_float_text(number: &Number) -> String {
    let mut text = String::with_capacity(number.digits.len() + 12);
    text.push_str(if number.negative { "-0." } else { "0." });
    text.extend(number.digits.iter().map(|d| char::from(b'0' + d)));
    text.push(if number.tail { '1' } else { '0' });
    text.push('e');
    text.push_str(&number.scale.to_string());
    text
}

fn special(text: &str) -> Option<f64> {
    let word = text.trim();
    let is = |w: &str| word.eq_ignore_ascii_case(w);
    if is("Infinity") || is("+Infinity") {
        Some(f64::INFINITY)
    } else if is("-Infinity") {
        Some(f64::NEG_INFINITY)
    } else {
        (is("NaN") || is("-NaN") || is("+NaN")).then_some(f64::NAN)
    }
}

/// `Decimal.Parse`.
///
/// # Errors
/// `FormatException`, `OverflowException`.
pub fn parse_decimal(text: &str, styles: NumberStyles) -> Result<Decimal, Error> {
    let number = scan(text, styles).ok_or_else(bad_format)?;
    Decimal::from_digits(&number.digits, number.scale, number.negative, number.tail)
        .ok_or_else(Decimal::overflow)
}

/// `Boolean.Parse`: `True` or `False` in any case, with white space and NULs around.
///
/// # Errors
/// `FormatException` quoting the text.
pub fn parse_bool(text: &str) -> Result<bool, Error> {
    let word = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    if word.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if word.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(Error::format(format!(
            "String '{text}' was not recognized as a valid Boolean."
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: &str = "!Input string was not in a correct format.";

    fn show<T: ToString>(result: Result<T, Error>) -> String {
        result.map_or_else(|e| format!("!{}", e.message), |v| v.to_string())
    }

    #[test]
    fn integers() {
        let big = |t: &str| format!("!Value was either too large or too small for {t}.");
        for (text, styles, kind, expected) in [
            ("12", 7, IntType::Int32, "12".to_owned()),
            (" 12 ", 7, IntType::Int32, "12".to_owned()),
            ("\t12\n", 7, IntType::Int32, "12".to_owned()),
            ("\u{a0}12", 7, IntType::Int32, BAD.to_owned()),
            ("12\0", 7, IntType::Int32, "12".to_owned()),
            ("1 2", 7, IntType::Int32, BAD.to_owned()),
            ("+5", 7, IntType::Int32, "5".to_owned()),
            ("5-", 7, IntType::Int32, BAD.to_owned()),
            ("1,2", 7, IntType::Int32, BAD.to_owned()),
            ("1,234", 64, IntType::Int32, "1234".to_owned()),
            ("", 7, IntType::Int32, BAD.to_owned()),
            ("2147483648", 7, IntType::Int32, big("an Int32")),
            ("12.0", 511, IntType::Int32, "12".to_owned()),
            ("12.5", 511, IntType::Int32, big("an Int32")),
            ("1e3", 511, IntType::Int32, "1000".to_owned()),
            ("1e999999999999", 511, IntType::Int64, big("an Int64")),
            ("1F", 515, IntType::Int32, "31".to_owned()),
            ("FFFFFFFF", 515, IntType::Int32, "-1".to_owned()),
            ("0x1F", 515, IntType::Int32, BAD.to_owned()),
            ("-1", 7, IntType::UInt32, big("a UInt32")),
            ("-0", 7, IntType::UInt32, "0".to_owned()),
            ("256", 7, IntType::Byte, big("an unsigned byte")),
            ("128", 7, IntType::SByte, big("a signed byte")),
            ("9223372036854775808", 7, IntType::Int64, big("an Int64")),
            (
                "18446744073709551615",
                7,
                IntType::UInt64,
                "18446744073709551615".to_owned(),
            ),
        ] {
            assert_eq!(
                show(parse_integer(text, NumberStyles(styles), kind)),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn doubles() {
        for (text, expected) in [
            (" -1,234.5e2 ", "-123450"),
            ("1e400", "inf"),
            ("1.5.5", BAD),
            ("nan", "NaN"),
            ("-infinity", "-inf"),
            ("∞", BAD),
            ("(5)", BAD),
            ("5-", BAD),
            (".5", "0.5"),
            ("5.", "5"),
            (".", BAD),
            ("1,2,3", "123"),
            ("-0", "-0"),
            ("1e", BAD),
            ("1e-400", "0"),
        ] {
            assert_eq!(
                show(parse_double(text, NumberStyles::FLOAT_THOUSANDS)),
                expected,
                "{text}"
            );
        }
        let long = format!("0.{}1", "0".repeat(100_000));
        assert_eq!(parse_double(&long, NumberStyles::FLOAT_THOUSANDS).unwrap(), 0.0);
        assert_eq!(show(parse_single("0.1", NumberStyles::FLOAT_THOUSANDS)), "0.1");
    }

    #[test]
    fn decimals() {
        for (text, expected) in [
            ("1,234.50", "1234.50"),
            ("-1.50", "-1.50"),
            ("5-", "-5"),
            ("1e5", BAD),
            ("(1.5)", BAD),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
            (
                "79228162514264337593543950336",
                "!Value was either too large or too small for a Decimal.",
            ),
            (
                "0.00000000000000000000000000005",
                "0.0000000000000000000000000000",
            ),
            (
                "0.000000000000000000000000000051",
                "0.0000000000000000000000000001",
            ),
            (
                "1.23456789012345678901234567890123456789",
                "1.2345678901234567890123456789",
            ),
            ("000.10", "0.10"),
        ] {
            let got = parse_decimal(text, NumberStyles::NUMBER);
            assert_eq!(show(got.map(super::super::decimal_to_text)), expected, "{text}");
        }
    }

    #[test]
    fn booleans() {
        for (text, expected) in [
            ("TRUE", "true"),
            (" true ", "true"),
            ("\0false", "false"),
            ("yes", "!String 'yes' was not recognized as a valid Boolean."),
        ] {
            assert_eq!(show(parse_bool(text)), expected);
        }
    }
}
