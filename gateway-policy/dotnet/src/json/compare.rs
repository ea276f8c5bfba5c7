//! `JToken.DeepEquals`, `JValue.Equals` and `JValue.CompareTo`.

use std::cmp::Ordering;

use num_bigint::BigInt;

use super::{MAX_DEPTH, Scalar, Token, TokenType, too_deep};
use crate::{Error, number::Decimal};

/// `JValue.Equals(JValue)`; false if either is a container.
pub(super) fn value_equals(a: &Token, b: &Token) -> bool {
    match (a.scalar(), b.scalar()) {
        (Some(a), Some(b)) => a.equals(&b),
        _ => false,
    }
}

impl Token {
    /// `Equals(token)`: identity, or equal values for two `JValue`s.
    pub fn equals(&self, other: &Token) -> bool {
        self.ptr_eq(other) || value_equals(self, other)
    }

    /// `JToken.DeepEquals(this, other)`. The order of an object's properties does not count.
    ///
    /// # Errors
    /// A budget error beyond [`MAX_DEPTH`].
    pub fn deep_equals(&self, other: &Token) -> Result<bool, Error> {
        self.equals_at(other, 0)
    }

    fn equals_at(&self, other: &Token, depth: usize) -> Result<bool, Error> {
        if depth > MAX_DEPTH * 2 {
            return Err(too_deep());
        }
        if self.ptr_eq(other) {
            return Ok(true);
        }
        if self.token_type() != other.token_type() || self.count() != other.count() {
            return Ok(false);
        }
        let named = |t: &Token| t.property_name().or_else(|| t.constructor_name());
        match self.token_type() {
            TokenType::Object => {
                for property in self.children() {
                    let Some(name) = property.property_name() else {
                        return Ok(false);
                    };
                    let (Some(mine), Some(theirs)) = (self.get(&name), other.get(&name)) else {
                        return Ok(false);
                    };
                    if !mine.equals_at(&theirs, depth + 1)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            TokenType::Array | TokenType::Constructor | TokenType::Property => {
                if named(self) != named(other) {
                    return Ok(false);
                }
                for (a, b) in self.children().iter().zip(other.children()) {
                    if !a.equals_at(&b, depth + 1)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(value_equals(self, other)),
        }
    }
}

impl Scalar {
    /// `JValue.Equals`: the same token type and an equal value.
    pub fn equals(&self, other: &Scalar) -> bool {
        self.token_type() == other.token_type() && self.compare(other) == Some(Ordering::Equal)
    }

    /// `JValue.CompareTo`; `None` where the types cannot be compared. Null sorts first.
    pub fn compare(&self, other: &Scalar) -> Option<Ordering> {
        use Scalar as S;
        Some(match (self, other) {
            (a, b) if a.is_null() || b.is_null() => (!a.is_null()).cmp(&!b.is_null()),
            (S::Integer(a), S::Integer(b)) => a.cmp(b),
            (S::Big(a), S::Big(b)) => a.cmp(b),
            (S::Big(a), S::Integer(b)) => (**a).cmp(&BigInt::from(*b)),
            (S::Integer(a), S::Big(b)) => BigInt::from(*a).cmp(b),
            (S::Decimal(a), b) => a.compare(b.as_decimal()?),
            (a, S::Decimal(b)) => a.as_decimal()?.compare(*b),
            (a, b) if a.as_double().is_some() && b.as_double().is_some() => {
                approximate(a.as_double()?, b.as_double()?)
            }
            (S::Bool(a), S::Bool(b)) => a.cmp(b),
            (S::Date(a), S::Date(b)) => a.cmp(b),
            (S::DateOffset(a), S::DateOffset(b)) => a.cmp(b),
            (S::Date(a), S::DateOffset(b)) => a.cmp(&b.local_datetime()),
            (S::DateOffset(a), S::Date(b)) => a.local_datetime().cmp(b),
            (S::Bytes(a), S::Bytes(b)) => a.cmp(b),
            (S::Guid(a), S::Guid(b)) => a.cmp(b),
            (S::TimeSpan(a), S::TimeSpan(b)) => a.cmp(b),
            (a, b) if a.is_text() => a.to_text().cmp_ordinal(&b.to_text()),
            _ => return None,
        })
    }

    fn is_text(&self) -> bool {
        matches!(
            self,
            Scalar::String(_) | Scalar::Comment(_) | Scalar::Raw(_) | Scalar::Uri(_)
        )
    }

    fn as_double(&self) -> Option<f64> {
        match self {
            Scalar::Integer(i) => Some(*i as f64),
            Scalar::Float(f) => Some(*f),
            Scalar::Single(f) => Some(f64::from(*f)),
            Scalar::Big(b) => b.to_string().parse().ok(),
            _ => None,
        }
    }

    fn as_decimal(&self) -> Option<Decimal> {
        match self {
            Scalar::Integer(i) => Decimal::from_i128(i128::from(*i)),
            Scalar::Float(f) => Decimal::from_f64(*f).ok(),
            Scalar::Single(f) => Decimal::from_f32(*f).ok(),
            Scalar::Decimal(d) => Some(*d),
            _ => None,
        }
    }
}

/// Newtonsoft's comparison of floating-point numbers: equal within a few units of the last place.
fn approximate(a: f64, b: f64) -> Ordering {
    const EPSILON: f64 = f64::EPSILON;
    let tolerance = (a.abs() + b.abs() + 10.0) * EPSILON;
    let difference = a - b;
    if a == b || (-tolerance < difference && tolerance > difference) {
        Ordering::Equal
    } else {
        a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
    }
}
