//! `JToken.DeepEquals`, `JValue.Equals` and `JValue.CompareTo`.

use std::cmp::Ordering;

use num_bigint::BigInt;

use super::{MAX_DEPTH, Scalar, Target, Token, TokenType, change_type, too_deep};
use crate::{
    Error, ExceptionKind,
    number::{Decimal, IntType},
    time::{DateTime, DateTimeOffset},
};

/// `JValue.Equals(JValue)`; false if either is a container.
fn value_equals(a: &Token, b: &Token) -> bool {
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
        self.token_type() == other.token_type() && self.compare_to(other, DateTime::MIN) == Ok(0)
    }

    /// `JValue.CompareTo`: by the type of this value, or of the other if this is a string. Null sorts
    /// first; `today` completes dates given as text.
    ///
    /// # Errors
    /// What converting the other value throws.
    pub fn compare_to(&self, other: &Scalar, today: DateTime) -> Result<i32, Error> {
        match (self.is_null(), other.is_null()) {
            (true, true) => return Ok(0),
            (true, false) => return Ok(-1),
            (false, true) => return Ok(1),
            (false, false) => {}
        }
        let kind = match self.token_type() {
            TokenType::String if other.token_type() != TokenType::String => other.token_type(),
            kind => kind,
        };
        match kind {
            TokenType::Integer | TokenType::Float => compare_numbers(kind, self, other, today),
            TokenType::Boolean => {
                let truth = |v: &Scalar| Ok(matches!(number(v, Target::Boolean, today)?, Scalar::Bool(true)));
                Ok(truth(self)?.cmp(&truth(other)?) as i32)
            }
            TokenType::Date => compare_dates(self, other, today),
            TokenType::String | TokenType::Comment | TokenType::Raw => {
                Ok(self.to_text().compare(&other.to_text(), false))
            }
            _ => compare_same(self, other),
        }
    }
}

/// `Convert.ToXxx(object)`.
fn number(value: &Scalar, target: Target, today: DateTime) -> Result<Scalar, Error> {
    change_type(value, target, today).map_err(|e| {
        if e.message == "Object must implement IConvertible." {
            Error::cast(value.type_name().unwrap_or("null"), "System.IConvertible")
        } else {
            e
        }
    })
}

fn compare_numbers(kind: TokenType, a: &Scalar, b: &Scalar, today: DateTime) -> Result<i32, Error> {
    if let Scalar::Big(big) = a {
        return compare_big(big, b).map(|o| o as i32);
    }
    if let Scalar::Big(big) = b {
        return compare_big(big, a).map(|o| o.reverse() as i32);
    }
    let is_decimal = |v: &Scalar| matches!(v, Scalar::Decimal(_));
    let is_float = |v: &Scalar| matches!(v, Scalar::Float(_) | Scalar::Single(_));
    if is_decimal(a) || is_decimal(b) {
        let decimal = |v: &Scalar| match number(v, Target::Decimal, today)? {
            Scalar::Decimal(d) => Ok(d),
            _ => Ok(Decimal::ZERO),
        };
        return Ok(decimal(a)?.compare(decimal(b)?) as i32);
    }
    if kind == TokenType::Float || is_float(a) || is_float(b) {
        let double = |v: &Scalar| match number(v, Target::Double, today)? {
            Scalar::Float(d) => Ok(d),
            _ => Ok(0.0),
        };
        return Ok(approximate(double(a)?, double(b)?) as i32);
    }
    let integer = |v: &Scalar| match number(v, Target::Integer(IntType::Int64), today)? {
        Scalar::Integer(i) => Ok(i),
        _ => Ok(0),
    };
    Ok(integer(a)?.cmp(&integer(b)?) as i32)
}

fn compare_big(big: &BigInt, other: &Scalar) -> Result<Ordering, Error> {
    let unparsable = || Error::format("The value could not be parsed.");
    let (whole, fraction) = match other {
        Scalar::Big(b) => ((**b).clone(), 0.0),
        Scalar::Integer(i) => (BigInt::from(*i), 0.0),
        Scalar::Float(f) => (big_of(*f)?, f.fract()),
        Scalar::Single(f) => (big_of(f64::from(*f))?, f64::from(f.fract())),
        Scalar::Decimal(d) => (BigInt::from(d.to_i128()), d.to_f64().fract()),
        Scalar::String(s) => {
            let text = s.to_lossy();
            let digits = text.trim().parse::<BigInt>().map_err(|_| unparsable())?;
            (digits, 0.0)
        }
        _ => {
            return Err(Error::new(
                ExceptionKind::InvalidCastException,
                format!(
                    "Cannot convert {} to BigInteger.",
                    other.type_name().unwrap_or("null")
                ),
            ));
        }
    };
    Ok(big
        .cmp(&whole)
        .then(0.0.partial_cmp(&fraction).unwrap_or(Ordering::Equal)))
}

fn big_of(value: f64) -> Result<BigInt, Error> {
    if !value.is_finite() {
        let name = if value.is_nan() { "NaN" } else { "infinity" };
        let message = format!("BigInteger cannot represent {name}.");
        return Err(Error::new(ExceptionKind::OverflowException, message));
    }
    Ok(format!("{:.0}", value.trunc()).parse().unwrap_or_default())
}

fn compare_dates(a: &Scalar, b: &Scalar, today: DateTime) -> Result<i32, Error> {
    let date = |v: &Scalar| match number(v, Target::DateTime, today)? {
        Scalar::Date(d) => Ok(d),
        _ => Ok(DateTime::MIN),
    };
    Ok(match (a, b) {
        (Scalar::Date(a), Scalar::DateOffset(b)) => a.cmp(&b.clock()),
        (Scalar::Date(a), b) => a.cmp(&date(b)?),
        (Scalar::DateOffset(a), Scalar::DateOffset(b)) => a.cmp(b),
        (Scalar::DateOffset(a), b) => a.cmp(&DateTimeOffset::from_datetime(date(b)?)),
        (a, _) => {
            return Err(Error::cast(
                a.type_name().unwrap_or("null"),
                "System.DateTimeOffset",
            ));
        }
    } as i32)
}

fn compare_same(a: &Scalar, b: &Scalar) -> Result<i32, Error> {
    let wanted = |name: &str| {
        Err(Error::new(
            ExceptionKind::ArgumentException,
            format!("Object must be of type {name}."),
        ))
    };
    Ok(match (a, b) {
        (Scalar::Bytes(a), Scalar::Bytes(b)) => a.cmp(b),
        (Scalar::Bytes(_), _) => return wanted("byte[]"),
        (Scalar::Guid(a), Scalar::Guid(b)) => a.cmp(b),
        (Scalar::Guid(_), _) => return wanted("Guid"),
        (Scalar::Uri(a), Scalar::Uri(b)) => a.cmp_ordinal(b),
        (Scalar::Uri(_), _) => return wanted("Uri"),
        (Scalar::TimeSpan(a), Scalar::TimeSpan(b)) => a.cmp(b),
        (a, _) => {
            // A string meeting one of these types.
            return wanted(
                a.type_name()
                    .and_then(|n| n.strip_prefix("System."))
                    .unwrap_or("TimeSpan"),
            );
        }
    } as i32)
}

/// Newtonsoft's comparison of floating-point numbers: equal within a few units of the last place.
fn approximate(a: f64, b: f64) -> Ordering {
    let tolerance = (a.abs() + b.abs() + 10.0) * f64::EPSILON;
    let difference = a - b;
    if a == b || (-tolerance < difference && tolerance > difference) {
        Ordering::Equal
    } else {
        a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
    }
}
