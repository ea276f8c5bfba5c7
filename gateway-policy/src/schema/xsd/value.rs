//! Values of simple types: what a text stands for, and when two are equal or ordered.

use std::cmp::Ordering;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    builtin::Primitive,
    time::{Duration, Moment},
    tree::{is_name_char, is_name_start},
};

/// A decimal number of any size, kept as digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// Without leading zeros.
    whole: Box<str>,
    /// Without trailing zeros.
    fraction: Box<str>,
}

impl Decimal {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (digits, negative) = match text.as_bytes().first()? {
            b'-' => (&text[1..], true),
            b'+' => (&text[1..], false),
            _ => (text, false),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if !all(whole) || !all(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        Some(Self {
            negative: negative && !(whole.is_empty() && fraction.is_empty()),
            whole: whole.into(),
            fraction: fraction.into(),
        })
    }

    pub(super) fn total_digits(&self) -> usize {
        let count = if self.whole.is_empty() {
            self.fraction.trim_start_matches('0').len()
        } else {
            self.whole.len() + self.fraction.len()
        };
        count.max(1)
    }

    pub(super) fn fraction_digits(&self) -> usize {
        self.fraction.len()
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.negative != other.negative {
            return other.negative.cmp(&self.negative);
        }
        let size = (self.whole.len().cmp(&other.whole.len()))
            .then_with(|| self.whole.cmp(&other.whole))
            .then_with(|| self.fraction.cmp(&other.fraction));
        if self.negative { size.reverse() } else { size }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a text of a simple type stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(Box<str>),
    Bool(bool),
    Decimal(Decimal),
    Double(f64),
    Duration(Duration),
    Moment(Moment),
    Binary(Box<[u8]>),
    /// Namespace and local name.
    Name(Box<str>, Box<str>),
    List(Vec<Value>),
}

impl Value {
    pub(super) fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Decimal(a), Value::Decimal(b)) => Some(a.cmp(b)),
            (Value::Double(a), Value::Double(b)) if a.is_nan() || b.is_nan() => {
                (a.is_nan() && b.is_nan()).then_some(Ordering::Equal)
            }
            (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
            (Value::Duration(a), Value::Duration(b)) => a.compare(b),
            (Value::Moment(a), Value::Moment(b)) => a.compare(b),
            _ => None,
        }
    }

    pub(super) fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Binary(a), Value::Binary(b)) => a == b,
            (Value::Name(a, b), Value::Name(c, d)) => a == c && b == d,
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b))
            }
            (Value::Duration(a), Value::Duration(b)) => a == b,
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }

    /// The same text for equal values, as far as that can be had; for tables of keys.
    pub(super) fn key(&self) -> String {
        match self {
            Value::Text(text) => format!("t{text}"),
            Value::Bool(b) => format!("b{b}"),
            Value::Decimal(d) => {
                let sign = if d.negative { "-" } else { "" };
                format!("n{sign}{}.{}", d.whole, d.fraction)
            }
            // `-0` and `0` are equal.
            Value::Double(d) => format!("d{}", d + 0.0),
            Value::Binary(bytes) => format!("x{bytes:?}"),
            Value::Name(uri, local) => format!("q{{{uri}}}{local}"),
            Value::Duration(d) => format!("p{d:?}"),
            Value::Moment(m) => format!("m{m:?}"),
            Value::List(items) => items.iter().map(|i| i.key() + " ").collect(),
        }
    }
}

/// How names with prefixes are read: the namespace of a prefix, or `None`.
pub(super) type Prefixes<'p> = &'p dyn Fn(&str) -> Option<String>;

/// Reads a text, white space already settled; `None`: it is none of the type.
pub(super) fn read(primitive: Primitive, text: &str, prefixes: Prefixes<'_>) -> Option<Value> {
    Some(match primitive {
        Primitive::String | Primitive::AnySimple => Value::Text(text.into()),
        Primitive::AnyUri => any_uri(text).then(|| Value::Text(text.into()))?,
        Primitive::Boolean => match text {
            "true" | "1" => Value::Bool(true),
            "false" | "0" => Value::Bool(false),
            _ => return None,
        },
        Primitive::Decimal => Value::Decimal(Decimal::read(text)?),
        Primitive::Float => {
            let value = double(text)?;
            // Single precision, kept in double.
            Value::Double(f64::from(value as f32))
        }
        Primitive::Double => Value::Double(double(text)?),
        Primitive::Duration => Value::Duration(Duration::read(text)?),
        Primitive::Calendar(calendar) => Value::Moment(calendar.read(text)?),
        Primitive::HexBinary => Value::Binary(hex(text)?),
        Primitive::Base64Binary => Value::Binary(base64(text)?),
        Primitive::QName | Primitive::Notation => {
            let (prefix, local) = text.split_once(':').unwrap_or(("", text));
            let good = is_ncname(local) && (prefix.is_empty() != text.contains(':'));
            let uri = good.then(|| prefixes(prefix)).flatten()?;
            Value::Name(uri.into(), local.into())
        }
    })
}

/// `Name` without a colon.
pub(super) fn is_ncname(text: &str) -> bool {
    text.starts_with(is_name_start) && text.chars().all(|c| is_name_char(c) && c != ':')
}

fn double(text: &str) -> Option<f64> {
    match text {
        "INF" => return Some(f64::INFINITY),
        "-INF" => return Some(f64::NEG_INFINITY),
        "NaN" => return Some(f64::NAN),
        _ => {}
    }
    let good = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    good.then(|| text.parse().ok()).flatten()
}

fn hex(text: &str) -> Option<Box<[u8]>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    digits
        .chunks(2)
        .map(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?))
        .collect()
}

fn base64(text: &str) -> Option<Box<[u8]>> {
    let packed: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
    STANDARD.decode(packed).ok().map(Vec::into_boxed_slice)
}

/// Nearly everything is an address (§3.2.17); what .NET refuses is an escape that is none and a lone scheme.
fn any_uri(text: &str) -> bool {
    !text.starts_with(':') && !text.contains("##") && text.matches('#').count() < 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        use Ordering::*;
        for (a, b, expected) in [
            ("1.0", "+01", Equal),
            ("-0", "0.00", Equal),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567891",
                Less,
            ),
            ("-2", "-10", Greater),
            ("-2", "1", Less),
            (".5", "0.45", Greater),
            ("10", "9.99", Greater),
        ] {
            let read = |t| Decimal::read(t).unwrap();
            assert_eq!(read(a).cmp(&read(b)), expected, "{a} {b}");
        }
        for (text, total, fraction) in [("120.50", 4, 1), ("0.00", 1, 0), ("0.012", 2, 3), ("007", 1, 0)] {
            let d = Decimal::read(text).unwrap();
            assert_eq!(
                (d.total_digits(), d.fraction_digits()),
                (total, fraction),
                "{text}"
            );
        }
        for bad in ["", "+", ".", "1e3", "1,0", "--1", "1.2.3"] {
            assert!(Decimal::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn texts_are_values_or_not() {
        let prefixes = |p: &str| (p == "p" || p.is_empty()).then(|| format!("ns-{p}"));
        for (primitive, good, bad) in [
            (Primitive::Boolean, &["true", "0"][..], &["TRUE", "yes", ""][..]),
            (
                Primitive::Double,
                &["1e3", "-INF", "NaN", ".5", "5."],
                &["inf", "1e", "nan", "infinity", ""],
            ),
            (Primitive::HexBinary, &["", "0fB7"], &["0", "xx", "é"]),
            (Primitive::Base64Binary, &["aGk=", "aG k=", ""], &["a", "aGk"]),
            (
                Primitive::QName,
                &["a", "p:a"],
                &["q:a", ":a", "p:", "1a", "p:a:b", ""],
            ),
            (Primitive::AnyUri, &["http://x/é y", "", "a#b"], &["a##b", "::x"]),
        ] {
            for text in good {
                assert!(read(primitive, text, &prefixes).is_some(), "{primitive:?} {text}");
            }
            for text in bad {
                assert!(read(primitive, text, &prefixes).is_none(), "{primitive:?} {text}");
            }
        }
    }

    #[test]
    fn equal_values_have_equal_keys() {
        let none = |_: &str| None;
        for (primitive, a, b, equal) in [
            (Primitive::Decimal, "1.0", "1", true),
            (Primitive::Decimal, "1", "2", false),
            (Primitive::Double, "-0", "0", true),
            (Primitive::Double, "NaN", "NaN", true),
            (Primitive::HexBinary, "0f", "0F", true),
            (Primitive::String, "1.0", "1", false),
        ] {
            let (a, b) = (
                read(primitive, a, &none).unwrap(),
                read(primitive, b, &none).unwrap(),
            );
            assert_eq!(a.equals(&b), equal, "{a:?} {b:?}");
            assert_eq!(a.key() == b.key(), equal, "{a:?} {b:?}");
        }
    }
}
