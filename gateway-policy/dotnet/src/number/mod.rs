//! Numbers: parsing, formatting, conversion, `System.Math`, `System.Decimal`, `System.Random`.

pub mod convert;
mod custom;
mod decimal;
mod format;
mod integer;
pub mod math;
mod parse;
mod random;
mod shortest;

pub use decimal::Decimal;
pub use format::{
    decimal_to_text, double_to_text, format_big, format_decimal, format_double, format_integer,
    format_single, single_to_text,
};
pub use integer::IntType;
pub use parse::{NumberStyles, parse_bool, parse_decimal, parse_double, parse_integer, parse_single};
pub use random::Random;

/// Digits kept of a number being parsed. A double is settled by 768; the rest only says "and more".
pub const MAX_DIGITS: usize = 800;

/// A number as decimal digits: 0.d1d2d3… × 10^scale.
#[derive(Clone, Debug, Default)]
pub(crate) struct Number {
    /// Values 0 to 9, the first not zero.
    pub(crate) digits: Vec<u8>,
    /// Position of the decimal point relative to the digits' start.
    pub(crate) scale: i32,
    /// Below zero, or minus zero.
    pub(crate) negative: bool,
    /// Of a double or single: already rounded exactly, and keeps the sign of zero.
    pub(crate) float: bool,
    /// Digits beyond [`MAX_DIGITS`] were dropped, not all zero.
    pub(crate) tail: bool,
}

impl Number {
    /// From the digits of an integer.
    pub(crate) fn from_integer(value: i128) -> Self {
        let digits: Vec<u8> = value
            .unsigned_abs()
            .to_string()
            .bytes()
            .map(|b| b - b'0')
            .collect();
        let digits = if value == 0 { Vec::new() } else { digits };
        Number {
            scale: digits.len() as i32,
            digits,
            negative: value < 0,
            ..Number::default()
        }
    }

    /// From text such as `1.25e3`, as Rust's `{:e}` writes it.
    pub(crate) fn from_scientific(text: &str, negative: bool) -> Self {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let digits: Vec<u8> = mantissa
            .bytes()
            .filter(u8::is_ascii_digit)
            .map(|b| b - b'0')
            .collect();
        let zero = digits.iter().all(|d| *d == 0);
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let (digits, scale) = if zero {
            (Vec::new(), 0)
        } else {
            (digits, exponent + 1)
        };
        Number {
            digits,
            scale,
            negative,
            float: true,
            tail: false,
        }
    }

    /// From text such as `123.45`, as Rust's `{:.2}` writes it.
    pub(crate) fn from_fixed(text: &str, negative: bool) -> Self {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
        let zeros = digits.iter().take_while(|d| **d == 0).count();
        digits.drain(..zeros);
        let scale = if digits.is_empty() {
            0
        } else {
            whole.len() as i32 - zeros as i32
        };
        Number {
            digits,
            scale,
            negative,
            float: true,
            tail: false,
        }
    }

    /// Rounds to `keep` digits, halves away from zero, and drops trailing zeros.
    pub(crate) fn round(&mut self, keep: i32, correctly_rounded: bool) {
        let keep_at = usize::try_from(keep).ok();
        let up = !correctly_rounded && keep_at.and_then(|k| self.digits.get(k)).is_some_and(|d| *d >= 5);
        self.digits.truncate(keep_at.unwrap_or(0));
        if up {
            while self.digits.last() == Some(&9) {
                self.digits.pop();
            }
            match self.digits.last_mut() {
                Some(last) => *last += 1,
                None => {
                    self.digits.push(1);
                    self.scale += 1;
                }
            }
        }
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        if self.digits.is_empty() {
            self.scale = 0;
            if !self.float {
                self.negative = false;
            }
        }
    }
}

/// The text of a boolean.
pub fn bool_to_text(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}
