//! What a `JValue` holds.

use std::{
    hash::{Hash, Hasher},
    rc::Rc,
};

use num_bigint::BigInt;

use super::TokenType;
use crate::{
    Error, Str,
    guid::Guid,
    number::{
        Decimal, IntType, bool_to_text, decimal_to_text, double_to_text, format_big, format_decimal,
        format_double, format_integer, format_single, single_to_text,
    },
    time::{DateTime, DateTimeOffset, TimeSpan},
};

/// The value of a `JValue`, by its .NET type.
#[derive(Clone, Debug)]
pub enum Scalar {
    /// JSON null.
    Null,
    /// What a null `String` becomes by implicit conversion: of type String, written as null.
    NullString,
    /// JavaScript's `undefined`.
    Undefined,
    /// `Boolean`
    Bool(bool),
    /// `Int64`, and what fits it.
    Integer(i64),
    /// `BigInteger`
    Big(Rc<BigInt>),
    /// `Double`
    Float(f64),
    /// `Single`
    Single(f32),
    /// `Decimal`
    Decimal(Decimal),
    /// `String`
    String(Str),
    /// `DateTime`
    Date(DateTime),
    /// `DateTimeOffset`
    DateOffset(DateTimeOffset),
    /// `Byte[]`
    Bytes(Rc<[u8]>),
    /// `Guid`
    Guid(Guid),
    /// `Uri`, as its original text.
    Uri(Str),
    /// `TimeSpan`
    TimeSpan(TimeSpan),
    /// A comment's text.
    Comment(Str),
    /// `JRaw`: text written as it is.
    Raw(Str),
}

impl Scalar {
    /// `JToken.Type`.
    pub fn token_type(&self) -> TokenType {
        match self {
            Scalar::Null => TokenType::Null,
            Scalar::Undefined => TokenType::Undefined,
            Scalar::Bool(_) => TokenType::Boolean,
            Scalar::Integer(_) | Scalar::Big(_) => TokenType::Integer,
            Scalar::Float(_) | Scalar::Single(_) | Scalar::Decimal(_) => TokenType::Float,
            Scalar::String(_) | Scalar::NullString => TokenType::String,
            Scalar::Date(_) | Scalar::DateOffset(_) => TokenType::Date,
            Scalar::Bytes(_) => TokenType::Bytes,
            Scalar::Guid(_) => TokenType::Guid,
            Scalar::Uri(_) => TokenType::Uri,
            Scalar::TimeSpan(_) => TokenType::TimeSpan,
            Scalar::Comment(_) => TokenType::Comment,
            Scalar::Raw(_) => TokenType::Raw,
        }
    }

    /// Full .NET type name of the boxed value; `None` for null.
    pub fn type_name(&self) -> Option<&'static str> {
        Some(match self {
            Scalar::Null | Scalar::NullString | Scalar::Undefined => return None,
            Scalar::Bool(_) => "System.Boolean",
            Scalar::Integer(_) => "System.Int64",
            Scalar::Big(_) => "System.Numerics.BigInteger",
            Scalar::Float(_) => "System.Double",
            Scalar::Single(_) => "System.Single",
            Scalar::Decimal(_) => "System.Decimal",
            Scalar::String(_) | Scalar::Comment(_) | Scalar::Raw(_) => "System.String",
            Scalar::Date(_) => "System.DateTime",
            Scalar::DateOffset(_) => "System.DateTimeOffset",
            Scalar::Bytes(_) => "System.Byte[]",
            Scalar::Guid(_) => "System.Guid",
            Scalar::Uri(_) => "System.Uri",
            Scalar::TimeSpan(_) => "System.TimeSpan",
        })
    }

    /// Whether `JValue.Value` is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Scalar::Null | Scalar::NullString | Scalar::Undefined)
    }

    /// `JValue.ToString()`: invariant text, empty for null.
    pub fn to_text(&self) -> Str {
        match self {
            Scalar::Null | Scalar::NullString | Scalar::Undefined => Str::EMPTY,
            Scalar::Bool(b) => Str::from_static(bool_to_text(*b)),
            Scalar::Integer(i) => Str::from(i.to_string()),
            Scalar::Big(b) => Str::from(b.to_string()),
            Scalar::Float(f) => Str::from(double_to_text(*f)),
            Scalar::Single(f) => Str::from(single_to_text(*f)),
            Scalar::Decimal(d) => Str::from(decimal_to_text(*d)),
            Scalar::String(s) | Scalar::Uri(s) | Scalar::Comment(s) | Scalar::Raw(s) => s.clone(),
            Scalar::Date(d) => Str::from(d.to_text()),
            Scalar::DateOffset(d) => Str::from(d.to_text()),
            Scalar::Bytes(_) => Str::from_static("System.Byte[]"),
            Scalar::Guid(g) => Str::from(g.to_text()),
            Scalar::TimeSpan(t) => Str::from(t.to_text()),
        }
    }

    /// `JValue.ToString(format)`, and what a format item with a format makes of it: values that take no
    /// format give their plain text.
    ///
    /// # Errors
    /// `FormatException`.
    pub fn format(&self, format: &str) -> Result<Str, Error> {
        Ok(Str::from(match self {
            Scalar::Integer(i) => format_integer(i128::from(*i), IntType::Int64, format)?,
            Scalar::Big(b) => format_big(b, format)?,
            Scalar::Float(f) => format_double(*f, format)?,
            Scalar::Single(f) => format_single(*f, format)?,
            Scalar::Decimal(d) => format_decimal(*d, format)?,
            Scalar::Date(d) => d.format(format)?,
            Scalar::DateOffset(d) => d.format(format)?,
            Scalar::Guid(g) => g.format(format)?,
            Scalar::TimeSpan(t) => t.format(format)?,
            _ => return Ok(self.to_text()),
        }))
    }

    /// A hash that equal values (see [`Scalar::equals`]) share.
    pub fn hash_value(&self) -> u64 {
        let mut state = std::hash::DefaultHasher::new();
        self.token_type().hash(&mut state);
        match self {
            // Numbers that compare equal within a tolerance must not part: only their type counts.
            Scalar::Float(_) | Scalar::Single(_) | Scalar::Decimal(_) => {}
            Scalar::Date(d) => d.ticks().hash(&mut state),
            Scalar::DateOffset(d) => d.local_datetime().ticks().hash(&mut state),
            Scalar::Bytes(b) => b.hash(&mut state),
            other => other.to_text().hash(&mut state),
        }
        state.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        for (value, format, expected) in [
            (Scalar::Float(1.5), "F2", "1.50"),
            (Scalar::Integer(255), "X", "FF"),
            (Scalar::String(Str::new("s")), "N0", "s"),
            (Scalar::Null, "x", ""),
            (Scalar::Bool(true), "F2", "True"),
            (Scalar::Guid(Guid::EMPTY), "N", "00000000000000000000000000000000"),
            (Scalar::TimeSpan(TimeSpan::from_ticks(10_000_000)), "g", "0:00:01"),
        ] {
            assert_eq!(value.format(format).unwrap(), expected);
        }
    }

    #[test]
    fn equal_values_hash_alike() {
        for (a, b) in [
            (Scalar::Integer(1), Scalar::Integer(1)),
            (Scalar::Float(0.3), Scalar::Float(0.1 + 0.2)),
            (
                Scalar::String(Str::new("a")),
                Scalar::String(Str::from_static("a")),
            ),
        ] {
            assert!(a.equals(&b) && a.hash_value() == b.hash_value());
        }
        assert!(!Scalar::Integer(1).equals(&Scalar::Float(1.0)));
    }
}
