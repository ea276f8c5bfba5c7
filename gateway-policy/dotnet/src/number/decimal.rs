//! `System.Decimal`: a 96-bit integer with a decimal scale of 0 to 28.

use std::cmp::Ordering;

use num_bigint::BigUint;

use super::Number;
use crate::{Error, ExceptionKind};

/// Largest scale.
pub(super) const MAX_SCALE: u8 = 28;
/// Largest mantissa: 2^96 - 1.
const MAX: u128 = (1 << 96) - 1;

/// A `System.Decimal`.
#[derive(Clone, Copy, Default)]
pub struct Decimal {
    // The mantissa in two parts: a `u128` would make every value of an expression half as large again.
    low: u64,
    high: u32,
    scale: u8,
    negative: bool,
}

fn pow10(n: u32) -> BigUint {
    BigUint::from(10u8).pow(n)
}

/// `value` / 10^`scale` brought into 96 bits and 28 decimals, halves to even; `sticky` says more follows.
fn fit(mut value: BigUint, mut scale: i32, negative: bool, mut sticky: bool) -> Option<Decimal> {
    let max = BigUint::from(MAX);
    let mut drop = (scale - i32::from(MAX_SCALE)).max(0);
    loop {
        let mut digits = value.clone();
        let mut more = sticky;
        let mut last = 0u8;
        if drop > 0 {
            let unit = pow10(drop.unsigned_abs() - 1);
            let head = &digits / &unit;
            more |= &head * &unit != digits;
            digits = &head / 10u8;
            last = u8::try_from(head - &digits * 10u8).unwrap_or(0);
        }
        let odd = digits.bit(0);
        if last > 5 || (last == 5 && (more || odd)) {
            digits += 1u8;
        }
        if digits <= max {
            let mantissa = u128::try_from(digits).ok()?;
            return Some(Decimal::raw(mantissa, u8::try_from(scale - drop).ok()?, negative));
        }
        if drop >= scale {
            return None;
        }
        // Take off in one go what cannot fit for sure, then digit by digit.
        let excess = (value.bits() as i64 - 96).max(0) * 30 / 100;
        let next = (excess as i32).min(scale).max(drop + 1);
        drop = next;
        if scale < 0 {
            value *= pow10(scale.unsigned_abs());
            scale = 0;
            sticky = false;
        }
    }
}

impl Decimal {
    /// `Decimal.Zero`.
    pub const ZERO: Decimal = Decimal::raw(0, 0, false);
    /// `Decimal.One`.
    pub const ONE: Decimal = Decimal::raw(1, 0, false);
    /// `Decimal.MaxValue`.
    pub const MAX_VALUE: Decimal = Decimal::raw(MAX, 0, false);
    /// `Decimal.MinValue`.
    pub const MIN_VALUE: Decimal = Decimal::raw(MAX, 0, true);

    /// A value whose parts are known to be in range.
    const fn raw(mantissa: u128, scale: u8, negative: bool) -> Decimal {
        Decimal {
            low: mantissa as u64,
            high: (mantissa >> 64) as u32,
            scale,
            negative,
        }
    }

    /// The value `mantissa` / 10^`scale`; `None` if either is too large.
    pub fn new(mantissa: u128, scale: u8, negative: bool) -> Option<Decimal> {
        (mantissa <= MAX && scale <= MAX_SCALE).then_some(Decimal::raw(mantissa, scale, negative))
    }

    /// The `OverflowException` of this type.
    pub fn overflow() -> Error {
        Error::new(
            ExceptionKind::OverflowException,
            "Value was either too large or too small for a Decimal.",
        )
    }

    /// All digits as an integer.
    pub const fn mantissa(self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }

    /// Digits after the decimal point.
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// Whether the sign bit is set.
    pub fn is_negative(self) -> bool {
        self.negative
    }

    /// Whether the value is zero, of any sign and scale.
    pub fn is_zero(self) -> bool {
        self.mantissa() == 0
    }

    /// From decimal digits 0.d1d2… × 10^`point`; `more` says non-zero digits were left out.
    pub(crate) fn from_digits(digits: &[u8], point: i32, negative: bool, more: bool) -> Option<Decimal> {
        // Beyond these the value over- or underflows whatever the digits are.
        const LIMIT: i32 = 200;
        let keep = digits.len().min(64);
        let tail = more || digits[keep..].iter().any(|d| *d != 0);
        let value = BigUint::from_radix_be(&digits[..keep], 10).unwrap_or_default();
        if value == BigUint::ZERO {
            let scale = (digits.len() as i32 - point).clamp(0, i32::from(MAX_SCALE));
            return Some(Decimal::raw(0, scale as u8, negative));
        }
        let scale = keep as i32 - point;
        if scale > LIMIT {
            return Some(Decimal::raw(0, MAX_SCALE, negative));
        }
        if scale < -LIMIT {
            return None;
        }
        let (value, scale) = if scale < 0 {
            (value * pow10(scale.unsigned_abs()), 0)
        } else {
            (value, scale)
        };
        fit(value, scale, negative, tail)
    }

    /// The integer as a decimal; `None` beyond 96 bits.
    pub fn from_i128(value: i128) -> Option<Decimal> {
        Decimal::new(value.unsigned_abs(), 0, value < 0)
    }

    /// `(decimal)double`: fifteen significant digits.
    ///
    /// # Errors
    /// `OverflowException`.
    pub fn from_f64(value: f64) -> Result<Decimal, Error> {
        let exponent = ((value.to_bits() >> 52) & 0x7FF) as i32 - 1022;
        Decimal::from_float(value, exponent, 15, &[8, 4, 2, 1])
    }

    /// `(decimal)float`: seven significant digits.
    ///
    /// # Errors
    /// `OverflowException`.
    pub fn from_f32(value: f32) -> Result<Decimal, Error> {
        let exponent = ((value.to_bits() >> 23) & 0xFF) as i32 - 126;
        Decimal::from_float(f64::from(value), exponent, 7, &[4, 2, 1])
    }

    /// The original's steps, because its intermediate rounding and its incomplete removal of trailing
    /// zeros show in the result. `factors` are the powers of ten it tries to take out.
    fn from_float(value: f64, exponent: i32, digits: i32, factors: &[u8]) -> Result<Decimal, Error> {
        // Below these the result is zero, above it does not fit 96 bits.
        if exponent < -94 {
            return Ok(Decimal::ZERO);
        }
        if exponent > 96 {
            return Err(Decimal::overflow());
        }
        let max_scale = i32::from(MAX_SCALE);
        let (full, short) = (10f64.powi(digits), 10f64.powi(digits - 1));
        let mut scaled = value.abs();
        // 19728 / 65536 is log10(2).
        let mut power = digits - 1 - ((exponent * 19728) >> 16);
        if power >= 0 {
            power = power.min(max_scale);
            scaled *= 10f64.powi(power);
        } else if power != -1 || scaled >= full {
            scaled /= 10f64.powi(-power);
        } else {
            power = 0;
        }
        if scaled < short && power < max_scale {
            scaled *= 10.0;
            power += 1;
        }
        let mut mantissa = scaled.round_ties_even() as u128;
        if mantissa == 0 {
            return Ok(Decimal::ZERO);
        }
        let negative = value < 0.0;
        if power < 0 {
            mantissa = mantissa.saturating_mul(10u128.pow(power.unsigned_abs()));
            return Decimal::new(mantissa, 0, negative).ok_or_else(Decimal::overflow);
        }
        let mut scale = power as u8;
        let mut left = scale.min(digits as u8 - 1);
        for factor in factors {
            let unit = 10u128.pow(u32::from(*factor));
            if left >= *factor && mantissa.is_multiple_of(unit) {
                mantissa /= unit;
                scale -= factor;
                left -= factor;
            }
        }
        Decimal::new(mantissa, scale, negative).ok_or_else(Decimal::overflow)
    }

    /// `(double)decimal`.
    pub fn to_f64(self) -> f64 {
        let value = self.mantissa() as f64 / 10f64.powi(i32::from(self.scale));
        if self.negative { -value } else { value }
    }

    /// `(float)decimal`.
    pub fn to_f32(self) -> f32 {
        self.to_f64() as f32
    }

    /// The integer part.
    pub fn to_i128(self) -> i128 {
        let whole = (self.mantissa() / 10u128.pow(u32::from(self.scale))) as i128;
        if self.negative { -whole } else { whole }
    }

    pub(crate) fn to_number(self) -> Number {
        let digits: Vec<u8> = self.mantissa().to_string().bytes().map(|b| b - b'0').collect();
        let digits = if self.mantissa() == 0 { Vec::new() } else { digits };
        let scale = if digits.is_empty() {
            0
        } else {
            digits.len() as i32 - i32::from(self.scale)
        };
        Number {
            digits,
            scale,
            negative: self.negative,
            float: false,
            tail: false,
        }
    }

    /// The same value with no trailing zero after the point.
    fn trimmed(mut self) -> Decimal {
        while self.scale > 0 && self.mantissa().is_multiple_of(10) {
            self = Decimal::raw(self.mantissa() / 10, self.scale - 1, self.negative);
        }
        self
    }

    fn aligned(self, other: Decimal) -> (BigUint, BigUint, u8) {
        let scale = self.scale.max(other.scale);
        let up = |d: Decimal| BigUint::from(d.mantissa()) * pow10(u32::from(scale - d.scale));
        (up(self), up(other), scale)
    }

    /// Unary minus.
    #[must_use]
    pub fn negate(self) -> Decimal {
        Decimal {
            negative: !self.negative,
            ..self
        }
    }

    /// `Math.Abs`.
    #[must_use]
    pub fn abs(self) -> Decimal {
        Decimal {
            negative: false,
            ..self
        }
    }

    /// `self + other`.
    ///
    /// # Errors
    /// `OverflowException`.
    #[expect(clippy::should_implement_trait, reason = "the operator can throw")]
    pub fn add(self, other: Decimal) -> Result<Decimal, Error> {
        let (a, b, scale) = self.aligned(other);
        let (value, negative) = if self.negative == other.negative {
            (a + b, self.negative)
        } else if a >= b {
            (a - b, self.negative)
        } else {
            (b - a, other.negative)
        };
        fit(value, i32::from(scale), negative, false).ok_or_else(Decimal::overflow)
    }

    /// `self - other`.
    ///
    /// # Errors
    /// `OverflowException`.
    pub fn subtract(self, other: Decimal) -> Result<Decimal, Error> {
        self.add(other.negate())
    }

    /// `self * other`.
    ///
    /// # Errors
    /// `OverflowException`.
    pub fn multiply(self, other: Decimal) -> Result<Decimal, Error> {
        let wide = self.mantissa().max(other.mantissa()) > u128::from(u32::MAX);
        if wide && (self.is_zero() || other.is_zero()) {
            // Only the path for small numbers keeps the scale of a zero.
            return Ok(Decimal::ZERO);
        }
        let value = BigUint::from(self.mantissa()) * BigUint::from(other.mantissa());
        let scale = i32::from(self.scale) + i32::from(other.scale);
        fit(value, scale, self.negative != other.negative, false).ok_or_else(Decimal::overflow)
    }

    /// `self / other`.
    ///
    /// # Errors
    /// `DivideByZeroException`, `OverflowException`.
    pub fn divide(self, other: Decimal) -> Result<Decimal, Error> {
        if other.mantissa() == 0 {
            return Err(Error::of(ExceptionKind::DivideByZeroException));
        }
        let negative = self.negative != other.negative;
        let mut scale = i32::from(self.scale) - i32::from(other.scale);
        let divisor = BigUint::from(other.mantissa());
        let mut quotient = BigUint::from(self.mantissa()) / &divisor;
        let mut rest = BigUint::from(self.mantissa()) - &quotient * &divisor;
        let max = BigUint::from(MAX);
        let exact_at_once = rest == BigUint::ZERO && scale >= 0;
        while scale < 0 || (rest != BigUint::ZERO && scale < i32::from(MAX_SCALE)) {
            let next = &rest * 10u8;
            let digit = &next / &divisor;
            let longer = &quotient * 10u8 + &digit;
            if longer > max {
                if scale < 0 {
                    return Err(Decimal::overflow());
                }
                break;
            }
            rest = next - digit * &divisor;
            quotient = longer;
            scale += 1;
        }
        if rest != BigUint::ZERO {
            let twice = &rest * 2u8;
            if twice > divisor || (twice == divisor && quotient.bit(0)) {
                quotient += 1u8;
            }
        }
        let result = fit(quotient, scale, negative, false).ok_or_else(Decimal::overflow)?;
        Ok(if exact_at_once { result } else { result.trimmed() })
    }

    /// `self % other`: has the sign of `self`.
    ///
    /// # Errors
    /// `DivideByZeroException`.
    pub fn remainder(self, other: Decimal) -> Result<Decimal, Error> {
        if other.mantissa() == 0 {
            return Err(Error::of(ExceptionKind::DivideByZeroException));
        }
        let (a, b, scale) = self.aligned(other);
        if a < b {
            return Ok(self);
        }
        fit(a % b, i32::from(scale), self.negative, false).ok_or_else(Decimal::overflow)
    }

    /// `Decimal.Compare`.
    pub fn compare(self, other: Decimal) -> Ordering {
        if self.mantissa() == 0 && other.mantissa() == 0 {
            return Ordering::Equal;
        }
        let sign = |d: Decimal| {
            if d.mantissa() == 0 {
                0
            } else {
                1 - 2 * i8::from(d.negative)
            }
        };
        let (a, b, _) = self.aligned(other);
        sign(self)
            .cmp(&sign(other))
            .then_with(|| if self.negative { b.cmp(&a) } else { a.cmp(&b) })
    }

    /// Keeps `places` decimals, deciding on the rest by `mode`.
    #[must_use]
    pub fn round(self, places: u8, mode: super::math::Midpoint) -> Decimal {
        use super::math::Midpoint;
        if places >= self.scale {
            return self;
        }
        let unit = 10u128.pow(u32::from(self.scale - places));
        let mut mantissa = self.mantissa() / unit;
        let rest = self.mantissa() % unit;
        let up = match mode {
            Midpoint::ToEven => rest * 2 > unit || (rest * 2 == unit && mantissa % 2 == 1),
            Midpoint::AwayFromZero => rest * 2 >= unit,
            Midpoint::ToZero => false,
            Midpoint::ToNegativeInfinity => self.negative && rest > 0,
            Midpoint::ToPositiveInfinity => !self.negative && rest > 0,
        };
        mantissa += u128::from(up);
        Decimal::raw(mantissa, places, self.negative)
    }

    /// `GetHashCode()`: equal numbers of different scale are alike.
    pub fn hash_code(self) -> i32 {
        if self.is_zero() {
            return 0;
        }
        self.trimmed().bits().iter().fold(0, |hash, part| hash ^ part)
    }

    /// `new decimal(int[] bits)`: low, middle, high, flags.
    ///
    /// # Errors
    /// `ArgumentException` for anything but four parts with valid flags.
    pub fn from_bits(bits: &[i32]) -> Result<Decimal, Error> {
        let wrong = || {
            Error::new(
                crate::ExceptionKind::ArgumentException,
                "Decimal byte array constructor requires an array of length four containing valid decimal bytes.",
            )
        };
        let [low, middle, high, flags] = bits else {
            return Err(wrong());
        };
        let part = |v: &i32, shift: u32| u128::from(*v as u32) << shift;
        let flags = *flags as u32;
        let scale = ((flags >> 16) & 0xFF) as u8;
        if flags & 0x7F00_FFFF != 0 {
            return Err(wrong());
        }
        Decimal::new(
            part(low, 0) | part(middle, 32) | part(high, 64),
            scale,
            flags >> 31 == 1,
        )
        .ok_or_else(wrong)
    }

    /// `Decimal.GetBits`: low, middle, high, flags.
    pub fn bits(self) -> [i32; 4] {
        let flags = (u32::from(self.scale) << 16) | (u32::from(self.negative) << 31);
        [
            self.mantissa() as u32 as i32,
            (self.mantissa() >> 32) as u32 as i32,
            (self.mantissa() >> 64) as u32 as i32,
            flags as i32,
        ]
    }
}

impl std::fmt::Debug for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        write!(f, "{sign}{}e-{}", self.mantissa(), self.scale)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        self.compare(*other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl std::hash::Hash for Decimal {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let plain = self.trimmed();
        plain.mantissa().hash(state);
        plain.scale.hash(state);
        (plain.negative && plain.mantissa() != 0).hash(state);
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.compare(*other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::{NumberStyles, decimal_to_text, parse_decimal};

    fn d(text: &str) -> Decimal {
        parse_decimal(text, NumberStyles::NUMBER).unwrap()
    }

    fn show(result: Result<Decimal, Error>) -> String {
        result.map_or_else(|e| format!("!{}", e.message), decimal_to_text)
    }

    #[test]
    fn arithmetic() {
        const OVERFLOW: &str = "!Value was either too large or too small for a Decimal.";
        for (a, op, b, expected) in [
            ("1", '/', "3", "0.3333333333333333333333333333"),
            ("2", '/', "3", "0.6666666666666666666666666667"),
            ("10", '/', "4", "2.5"),
            ("100", '/', "8", "12.5"),
            ("1.00", '/', "1.00", "1"),
            ("1", '/', "1.00", "1"),
            ("0.0000000000000000000000000001", '/', "2", "0"),
            ("1", '/', "0", "!Attempted to divide by zero."),
            ("79228162514264337593543950335", '/', "0.1", OVERFLOW),
            ("1.10", '+', "1.1", "2.20"),
            ("79228162514264337593543950335", '+', "1", OVERFLOW),
            (
                "79228162514264337593543950334",
                '+',
                "0.5",
                "79228162514264337593543950334",
            ),
            ("1", '-', "2.50", "-1.50"),
            ("1.10", '*', "1.10", "1.2100"),
            (
                "0.1",
                '*',
                "0.0000000000000000000000000001",
                "0.0000000000000000000000000000",
            ),
            ("79228162514264337593543950335", '*', "2", OVERFLOW),
            ("5", '%', "3", "2"),
            ("-5.5", '%', "3", "-2.5"),
            ("5", '%', "3.00", "2.00"),
            ("1", '%', "3.00", "1"),
            ("5.0", '%', "3", "2.0"),
            ("1.00", '/', "1", "1.00"),
            ("1.0", '/', "4", "0.25"),
            ("100", '/', "1.00", "100"),
            ("7", '/', "0.3", "23.333333333333333333333333333"),
            ("0.00", '/', "5", "0.00"),
            ("1.1", '/', "7.77", "0.1415701415701415701415701416"),
            (
                "79228162514264337593543950335",
                '/',
                "3",
                "26409387504754779197847983445",
            ),
            (
                "123456789.987654321",
                '*',
                "987654321.123456789",
                "121932632103337905.66209419311",
            ),
        ] {
            let (a, b) = (d(a), d(b));
            let got = match op {
                '+' => a.add(b),
                '-' => a.subtract(b),
                '*' => a.multiply(b),
                '/' => a.divide(b),
                _ => a.remainder(b),
            };
            assert_eq!(show(got), expected, "{a:?} {op} {b:?}");
        }
    }

    #[test]
    fn conversions() {
        for (value, expected) in [
            (1.1, "1.1"),
            (123_456_789.123_456_79, "123456789.123457"),
            (1e28, "10000000000000000000000000000"),
            (-0.0, "0"),
            (1e-30, "0"),
            (1e30, "!Value was either too large or too small for a Decimal."),
            (
                f64::NAN,
                "!Value was either too large or too small for a Decimal.",
            ),
        ] {
            assert_eq!(show(Decimal::from_f64(value)), expected, "{value}");
        }
        assert_eq!(show(Decimal::from_f32(0.1)), "0.1");
        assert_eq!(d("1.1").to_f64(), 1.1);
        assert_eq!(d("-2.9").to_i128(), -2);
        assert_eq!(d("1.10").bits(), [110, 0, 0, 131_072]);
    }

    #[test]
    fn equality_ignores_scale() {
        assert_eq!(d("1.0"), d("1.00"));
        assert_eq!(d("-0"), d("0.0"));
        assert!(d("-1") < d("0.5") && d("2") > d("1.999") && d("-2") < d("-1"));
    }
}
