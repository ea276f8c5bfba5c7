//! The four types of XPath and their conversions (§4.2–4.4).

use super::Item;

/// A result.
#[derive(Clone, Debug)]
pub enum Value {
    /// A node-set, in document order.
    Nodes(Vec<Item>),
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string.
    Text(String),
}

impl Value {
    /// `string(value)`
    pub fn to_text(&self) -> String {
        match self {
            Value::Nodes(nodes) => nodes.first().map(Item::text).unwrap_or_default(),
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => number_text(*value),
            Value::Text(text) => text.clone(),
        }
    }

    /// `number(value)`
    pub fn to_number(&self) -> f64 {
        match self {
            Value::Number(value) => *value,
            Value::Bool(value) => f64::from(u8::from(*value)),
            Value::Text(text) => parse_number(text),
            Value::Nodes(_) => parse_number(&self.to_text()),
        }
    }

    /// `boolean(value)`
    pub fn to_bool(&self) -> bool {
        match self {
            Value::Nodes(nodes) => !nodes.is_empty(),
            Value::Bool(value) => *value,
            Value::Number(value) => *value != 0.0 && !value.is_nan(),
            Value::Text(text) => !text.is_empty(),
        }
    }
}

/// A number as XPath writes it: no exponent, no trailing fraction.
pub fn number_text(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else if value == 0.0 {
        "0".to_owned()
    } else {
        format!("{value}")
    }
}

/// A number as XPath reads it: white space around, a minus, digits; anything else is NaN.
pub fn parse_number(text: &str) -> f64 {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.chars().all(|c| c.is_ascii_digit() || c == '.')
        && digits.matches('.').count() <= 1
        && digits.chars().any(|c| c.is_ascii_digit());
    if plain {
        text.parse().unwrap_or(f64::NAN)
    } else {
        f64::NAN
    }
}
