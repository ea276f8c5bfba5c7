//! `System.Math` where it differs from Rust's own functions.

use super::{Decimal, IntType};
use crate::{Error, ExceptionKind};

/// `System.MidpointRounding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the .NET enum under their own names")]
pub enum Midpoint {
    ToEven,
    AwayFromZero,
    ToZero,
    ToNegativeInfinity,
    ToPositiveInfinity,
}

impl Midpoint {
    /// The member with this numeric value.
    ///
    /// # Errors
    /// `ArgumentException` outside 0 to 4.
    pub fn from_value(value: i32) -> Result<Midpoint, Error> {
        use Midpoint::*;
        [
            ToEven,
            AwayFromZero,
            ToZero,
            ToNegativeInfinity,
            ToPositiveInfinity,
        ]
        .get(usize::try_from(value).unwrap_or(usize::MAX))
        .copied()
        .ok_or_else(|| {
            Error::argument(
                "mode",
                &format!("The value '{value}' is not valid for this usage of the type MidpointRounding."),
            )
        })
    }
}

/// `Math.Round(double, mode)`.
pub fn round(value: f64, mode: Midpoint) -> f64 {
    match mode {
        Midpoint::ToEven => value.round_ties_even(),
        Midpoint::AwayFromZero => value.round(),
        Midpoint::ToZero => value.trunc(),
        Midpoint::ToNegativeInfinity => value.floor(),
        Midpoint::ToPositiveInfinity => value.ceil(),
    }
}

/// `Math.Round(double, digits, mode)`: scaled, rounded and scaled back, errors of the scaling included.
///
/// # Errors
/// `ArgumentOutOfRangeException` unless digits is 0 to 15.
pub fn round_digits(value: f64, digits: i32, mode: Midpoint) -> Result<f64, Error> {
    /// Values from here on have no fraction to round.
    const LIMIT: f64 = 1e16;
    if !(0..=15).contains(&digits) {
        return Err(Error::out_of_range(
            "digits",
            "Rounding digits must be between 0 and 15, inclusive.",
        ));
    }
    if value.is_nan() || value.abs() >= LIMIT {
        return Ok(value);
    }
    let power = 10f64.powi(digits);
    Ok(round(value * power, mode) / power)
}

/// `Math.Round(decimal, decimals, mode)`.
///
/// # Errors
/// `ArgumentOutOfRangeException` unless decimals is 0 to 28.
pub fn round_decimal(value: Decimal, decimals: i32, mode: Midpoint) -> Result<Decimal, Error> {
    let places = u8::try_from(decimals)
        .ok()
        .filter(|d| *d <= super::decimal::MAX_SCALE)
        .ok_or_else(|| {
            Error::out_of_range(
                "decimals",
                "Decimal can only round to between 0 and 28 digits of precision.",
            )
        })?;
    Ok(value.round(places, mode))
}

/// `Math.Abs` of an integral type.
///
/// # Errors
/// `OverflowException` for the smallest value.
pub fn abs_integer(value: i128, kind: IntType) -> Result<i128, Error> {
    if value == kind.min() && kind.signed() {
        return Err(Error::new(
            ExceptionKind::OverflowException,
            "Negating the minimum value of a twos complement number is invalid.",
        ));
    }
    Ok(value.abs())
}

/// `Math.Sign(double)`.
///
/// # Errors
/// `ArithmeticException` for NaN.
pub fn sign(value: f64) -> Result<i32, Error> {
    if value.is_nan() {
        return Err(Error::new(
            ExceptionKind::ArithmeticException,
            "Function does not accept floating point Not-a-Number values.",
        ));
    }
    Ok(i32::from(value > 0.0) - i32::from(value < 0.0))
}

/// `Math.Max(double, double)`: NaN wins, +0 beats -0.
pub fn max(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b || (a == b && b.is_sign_negative()) {
        a
    } else {
        b
    }
}

/// `Math.Min(double, double)`: NaN wins, -0 beats +0.
pub fn min(a: f64, b: f64) -> f64 {
    if a.is_nan() || a < b || (a == b && a.is_sign_negative()) {
        a
    } else {
        b
    }
}

/// `Math.Log(value, newBase)`.
pub fn log(value: f64, base: f64) -> f64 {
    if value.is_nan() || base.is_nan() {
        return f64::NAN;
    }
    if base == 1.0 || (value != 1.0 && (base == 0.0 || base == f64::INFINITY)) {
        return f64::NAN;
    }
    value.ln() / base.ln()
}

/// `Math.IEEERemainder`.
pub fn ieee_remainder(x: f64, y: f64) -> f64 {
    if y.is_infinite() && x.is_finite() {
        return x;
    }
    let quotient = x / y;
    if !quotient.is_finite() {
        return f64::NAN;
    }
    let rest = x % y;
    if rest == 0.0 && x.is_sign_negative() {
        return -0.0;
    }
    let other = rest - y.abs() * x.signum();
    if other.abs() == rest.abs() {
        return if quotient.round_ties_even().abs() > quotient.abs() {
            other
        } else {
            rest
        };
    }
    if other.abs() < rest.abs() { other } else { rest }
}

/// The `ArgumentException` of `Math.Clamp` with its limits swapped, given as text.
pub fn clamp_error(min: &str, max: &str) -> Error {
    Error::new(
        ExceptionKind::ArgumentException,
        format!("'{min}' cannot be greater than {max}."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding() {
        for (value, digits, mode, expected) in [
            (2.5, 0, Midpoint::ToEven, 2.0),
            (-2.5, 0, Midpoint::AwayFromZero, -3.0),
            (2.345, 2, Midpoint::ToEven, 2.35),
            (1.005, 2, Midpoint::AwayFromZero, 1.0),
            (1.45, 1, Midpoint::ToEven, 1.4),
            (123_456_789.125, 2, Midpoint::ToEven, 123_456_789.12),
            (0.5, 0, Midpoint::ToZero, 0.0),
        ] {
            assert_eq!(round_digits(value, digits, mode).unwrap(), expected, "{value}");
        }
        assert!(round_digits(1.5, 20, Midpoint::ToEven).is_err());
        assert!(round_decimal(Decimal::ONE, 30, Midpoint::ToEven).is_err());
        assert!(Midpoint::from_value(7).is_err());
    }

    #[test]
    fn the_rest() {
        assert_eq!(ieee_remainder(5.0, 3.0), -1.0);
        assert_eq!(log(8.0, 2.0), 3.0);
        assert!(max(f64::NAN, 1.0).is_nan() && !max(-0.0, 0.0).is_sign_negative());
        assert!(min(0.0, -0.0).is_sign_negative());
        assert!(sign(f64::NAN).is_err() && sign(-2.5).unwrap() == -1);
        assert!(abs_integer(i128::from(i32::MIN), IntType::Int32).is_err());
        assert_eq!(clamp_error("3", "1").message, "'3' cannot be greater than 1.");
    }
}
