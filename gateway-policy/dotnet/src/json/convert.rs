//! From tokens to .NET values: the explicit casts (`(int)token`) and `Value<T>`.

use num_bigint::BigInt;

use super::{Scalar, Token, TokenType};
use crate::{
    Error, ExceptionKind, Str,
    guid::Guid,
    net::{Uri, UriKind},
    number::{
        IntType, NumberStyles,
        convert::{decimal_to_integer, double_to_integer, from_base64, to_base64},
        parse_bool, parse_decimal, parse_double, parse_integer, parse_single,
    },
    text::parse_char,
    time::{DateTime, DateTimeOffset, TimeSpan},
};

/// A type that a JSON value can be turned into. Integers come back as [`Scalar::Integer`] or
/// [`Scalar::Big`], characters as the integer of their unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the .NET types under their own names")]
pub enum Target {
    Boolean,
    Integer(IntType),
    Single,
    Double,
    Decimal,
    String,
    DateTime,
    DateTimeOffset,
    Guid,
    TimeSpan,
    Uri,
    Bytes,
}

impl Target {
    /// Type name without namespace.
    pub fn name(self) -> &'static str {
        match self {
            Target::Boolean => "Boolean",
            Target::Integer(IntType::SByte) => "SByte",
            Target::Integer(IntType::Byte) => "Byte",
            Target::Integer(IntType::Int16) => "Int16",
            Target::Integer(IntType::UInt16) => "UInt16",
            Target::Integer(IntType::Int32) => "Int32",
            Target::Integer(IntType::UInt32) => "UInt32",
            Target::Integer(IntType::Int64) => "Int64",
            Target::Integer(IntType::UInt64) => "UInt64",
            Target::Integer(IntType::Char) => "Char",
            Target::Single => "Single",
            Target::Double => "Double",
            Target::Decimal => "Decimal",
            Target::String => "String",
            Target::DateTime => "DateTime",
            Target::DateTimeOffset => "DateTimeOffset",
            Target::Guid => "Guid",
            Target::TimeSpan => "TimeSpan",
            Target::Uri => "Uri",
            Target::Bytes => "Byte[]",
        }
    }

    /// Token types that the cast takes.
    fn accepts(self, from: TokenType) -> bool {
        use TokenType as T;
        let text = matches!(from, T::String | T::Comment | T::Raw);
        text || match self {
            Target::Integer(IntType::Char) => matches!(from, T::Integer | T::Float),
            Target::Boolean | Target::Integer(_) | Target::Single | Target::Double | Target::Decimal => {
                matches!(from, T::Integer | T::Float | T::Boolean)
            }
            Target::String => matches!(
                from,
                T::Date | T::Integer | T::Float | T::Boolean | T::Bytes | T::Guid | T::TimeSpan | T::Uri
            ),
            Target::DateTime | Target::DateTimeOffset => from == T::Date,
            Target::Guid => matches!(from, T::Guid | T::Bytes),
            Target::TimeSpan => from == T::TimeSpan,
            Target::Uri => from == T::Uri,
            Target::Bytes => from == T::Bytes,
        }
    }
}

fn refused(token: &Token, target: Target) -> Error {
    let inner = token.property_value();
    let from = inner.as_ref().unwrap_or(token).token_type().name();
    let to = if target == Target::Bytes {
        "byte array"
    } else {
        target.name()
    };
    Error::new(
        ExceptionKind::ArgumentException,
        format!("Can not convert {from} to {to}."),
    )
}

fn value_of(token: &Token) -> Option<Scalar> {
    token.property_value().as_ref().unwrap_or(token).scalar()
}

/// `(T)token` for a type that cannot be null; `token` null is the binder's `ArgumentNullException`.
/// `today` completes dates that are given without year.
///
/// # Errors
/// `ArgumentException`, `FormatException`, `OverflowException`.
pub fn cast(token: &Token, target: Target, today: DateTime) -> Result<Scalar, Error> {
    let big = |v: &Scalar| target == Target::Bytes && matches!(v, Scalar::Big(_));
    let value = value_of(token).filter(|v| target.accepts(v.token_type()) || big(v));
    let value = value.ok_or_else(|| refused(token, target))?;
    if matches!(value, Scalar::NullString) {
        return null_string(target).ok_or_else(|| refused(token, target));
    }
    convert(&value, target, today)
}

/// `(T?)token`, `(string)token`, `(Uri)token`: JSON null and undefined give `None`; `(byte[])` refuses them.
///
/// # Errors
/// `ArgumentException`, `FormatException`, `OverflowException`.
pub fn cast_nullable(token: &Token, target: Target, today: DateTime) -> Result<Option<Scalar>, Error> {
    match value_of(token) {
        Some(value) if value.is_null() && target != Target::Bytes => Ok(None),
        _ => cast(token, target, today).map(Some),
    }
}

/// `Convert.ToXxx((object)null)`.
fn null_string(target: Target) -> Option<Scalar> {
    Some(match target {
        Target::Boolean => Scalar::Bool(false),
        Target::Integer(_) => Scalar::Integer(0),
        Target::Single => Scalar::Single(0.0),
        Target::Double => Scalar::Float(0.0),
        Target::Decimal => Scalar::Decimal(crate::number::Decimal::ZERO),
        Target::DateTime => Scalar::Date(DateTime::MIN),
        Target::String => Scalar::Null,
        _ => return None,
    })
}

fn convert(value: &Scalar, target: Target, today: DateTime) -> Result<Scalar, Error> {
    Ok(match (value, target) {
        (Scalar::Big(b), Target::Integer(kind)) => integer_of_big(b, kind)?,
        (Scalar::Big(b), Target::Double) => Scalar::Float(b.to_string().parse().unwrap_or(f64::NAN)),
        (Scalar::Big(b), Target::Single) => Scalar::Single(b.to_string().parse().unwrap_or(f32::NAN)),
        (Scalar::Big(b), Target::Boolean) => {
            integer_of_big(b, IntType::Int32)?;
            Scalar::Bool(**b != BigInt::ZERO)
        }
        (Scalar::Big(b), Target::Decimal) => {
            Scalar::Decimal(parse_decimal(&b.to_string(), NumberStyles::NUMBER)?)
        }
        (Scalar::Big(b), Target::Bytes) => Scalar::Bytes(b.to_signed_bytes_le().into()),
        (Scalar::Bytes(b), Target::String) => Scalar::String(Str::from(to_base64(b, false))),
        (Scalar::Bytes(b), Target::Guid) => Scalar::Guid(Guid::from_bytes(b)?),
        (Scalar::DateOffset(d), Target::DateTime) => Scalar::Date(d.clock()),
        (Scalar::Date(d), Target::DateTimeOffset) => Scalar::DateOffset(DateTimeOffset::from_datetime(*d)),
        (v, Target::DateTimeOffset) if is_text(v) => {
            Scalar::DateOffset(DateTimeOffset::parse(&v.to_text().to_lossy(), today)?)
        }
        (v, Target::Guid) if is_text(v) => Scalar::Guid(Guid::parse(&v.to_text().to_lossy())?),
        (v, Target::TimeSpan) if is_text(v) => Scalar::TimeSpan(TimeSpan::parse(&v.to_text().to_lossy())?),
        (v, Target::Uri) if is_text(v) => {
            Scalar::Uri(Uri::new(&v.to_text(), UriKind::Absolute)?.original().clone())
        }
        (v, Target::Bytes) if is_text(v) => Scalar::Bytes(from_base64(&v.to_text().to_lossy())?.into()),
        (v, Target::String) => Scalar::String(v.to_text()),
        (v, target) => change(v, target, today)?,
    })
}

fn is_text(value: &Scalar) -> bool {
    matches!(value, Scalar::String(_) | Scalar::Comment(_) | Scalar::Raw(_))
}

fn integer_of_big(value: &BigInt, kind: IntType) -> Result<Scalar, Error> {
    // The narrow types are reached through Int32.
    let kind = if kind.bits() < 32 { IntType::Int32 } else { kind };
    let value = i128::try_from(value)
        .ok()
        .and_then(|v| kind.check(v).ok())
        .ok_or_else(|| kind.overflow())?;
    Ok(integer(value))
}

fn integer(value: i128) -> Scalar {
    match i64::try_from(value) {
        Ok(i) => Scalar::Integer(i),
        Err(_) => Scalar::Big(std::rc::Rc::new(BigInt::from(value))),
    }
}

/// `Convert.ChangeType(value, T)`, which `Value<T>` ends in. A value that is a `T` already stays.
///
/// # Errors
/// `InvalidCastException`, `FormatException`, `OverflowException`.
pub fn change_type(value: &Scalar, target: Target, today: DateTime) -> Result<Scalar, Error> {
    if value.is_null() {
        if matches!(target, Target::String | Target::Uri | Target::Bytes) {
            return Ok(Scalar::Null);
        }
        return Err(Error::new(
            ExceptionKind::InvalidCastException,
            "Null object cannot be converted to a value type.",
        ));
    }
    if value
        .type_name()
        .is_some_and(|n| n.strip_prefix("System.") == Some(target.name()))
    {
        return Ok(value.clone());
    }
    let convertible = !matches!(
        value,
        Scalar::Big(_)
            | Scalar::DateOffset(_)
            | Scalar::Bytes(_)
            | Scalar::Guid(_)
            | Scalar::Uri(_)
            | Scalar::TimeSpan(_)
    );
    if !convertible {
        return Err(Error::new(
            ExceptionKind::InvalidCastException,
            "Object must implement IConvertible.",
        ));
    }
    change(value, target, today)
}

/// `IConvertible`: what `Convert.ToXxx(object)` does with a boxed value.
fn change(value: &Scalar, target: Target, today: DateTime) -> Result<Scalar, Error> {
    let text = if is_text(value) {
        Some(value.to_text())
    } else {
        None
    };
    let text = text.as_ref().map(Str::to_lossy);
    Ok(match target {
        Target::String => Scalar::String(value.to_text()),
        Target::Boolean => Scalar::Bool(match (value, text.as_deref()) {
            (_, Some(t)) => parse_bool(t)?,
            (Scalar::Bool(b), _) => *b,
            (Scalar::Integer(i), _) => *i != 0,
            (Scalar::Float(f), _) => *f != 0.0,
            (Scalar::Single(f), _) => *f != 0.0,
            (Scalar::Decimal(d), _) => !d.is_zero(),
            _ => return Err(invalid(value, target)),
        }),
        Target::Integer(kind) => integer(to_integer(value, text.as_deref(), kind)?),
        Target::Double => Scalar::Float(match text.as_deref() {
            Some(t) => parse_double(t, NumberStyles::FLOAT_THOUSANDS)?,
            None => to_double(value).ok_or_else(|| invalid(value, target))?,
        }),
        Target::Single => Scalar::Single(match (value, text.as_deref()) {
            (_, Some(t)) => parse_single(t, NumberStyles::FLOAT_THOUSANDS)?,
            (Scalar::Single(f), _) => *f,
            _ => to_double(value).ok_or_else(|| invalid(value, target))? as f32,
        }),
        Target::Decimal => Scalar::Decimal(match (value, text.as_deref()) {
            (_, Some(t)) => parse_decimal(t, NumberStyles::NUMBER)?,
            (Scalar::Decimal(d), _) => *d,
            (Scalar::Float(f), _) => crate::number::Decimal::from_f64(*f)?,
            (Scalar::Single(f), _) => crate::number::Decimal::from_f32(*f)?,
            (Scalar::Integer(i), _) => crate::number::Decimal::from_i128(i128::from(*i)).unwrap_or_default(),
            (Scalar::Bool(b), _) => crate::number::Decimal::from_i128(i128::from(*b)).unwrap_or_default(),
            _ => return Err(invalid(value, target)),
        }),
        Target::DateTime => Scalar::Date(match (value, text.as_deref()) {
            (_, Some(t)) => DateTime::parse(t, today)?,
            (Scalar::Date(d), _) => *d,
            _ => return Err(invalid(value, target)),
        }),
        _ => {
            return Err(Error::new(
                ExceptionKind::InvalidCastException,
                format!(
                    "Invalid cast from '{}' to 'System.{}'.",
                    value.type_name().unwrap_or("null"),
                    target.name()
                ),
            ));
        }
    })
}

fn to_double(value: &Scalar) -> Option<f64> {
    match value {
        Scalar::Bool(b) => Some(f64::from(u8::from(*b))),
        Scalar::Integer(i) => Some(*i as f64),
        Scalar::Float(f) => Some(*f),
        Scalar::Single(f) => Some(f64::from(*f)),
        Scalar::Decimal(d) => Some(d.to_f64()),
        _ => None,
    }
}

fn to_integer(value: &Scalar, text: Option<&str>, kind: IntType) -> Result<i128, Error> {
    match (value, text) {
        (_, Some(t)) if kind == IntType::Char => parse_char(&Str::new(t)).map(i128::from),
        (_, Some(t)) => parse_integer(t, NumberStyles::INTEGER, kind),
        (Scalar::Float(_) | Scalar::Single(_) | Scalar::Decimal(_) | Scalar::Bool(_), _)
            if kind == IntType::Char =>
        {
            Err(invalid(value, Target::Integer(kind)))
        }
        (Scalar::Bool(b), _) => Ok(i128::from(*b)),
        (Scalar::Integer(i), _) => kind.check(i128::from(*i)),
        (Scalar::Float(f), _) => double_to_integer(*f, kind),
        (Scalar::Single(f), _) => double_to_integer(f64::from(*f), kind),
        (Scalar::Decimal(d), _) => decimal_to_integer(*d, kind),
        _ => Err(invalid(value, Target::Integer(kind))),
    }
}

/// `Invalid cast from 'DateTime' to 'Int32'.`
fn invalid(value: &Scalar, target: Target) -> Error {
    let from = value.type_name().unwrap_or("null");
    let from = from.strip_prefix("System.").unwrap_or(from);
    Error::new(
        ExceptionKind::InvalidCastException,
        format!("Invalid cast from '{from}' to '{}'.", target.name()),
    )
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
