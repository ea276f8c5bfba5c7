//! Conditions of `if`, `unless` and `elsif`.
//!
//! DotLiquid takes `and` and `or` from right to left, without precedence: `a or b and c` is `a or (b and c)`,
//! and `a and b or c` is `a and (b or c)`.

use std::cmp::Ordering;

use super::{
    ParseError, Value,
    parse::{Operand, words},
};

#[derive(Debug)]
pub(super) enum Condition {
    True(Operand),
    Compare(Operand, Comparison, Operand),
    And(Box<(Condition, Condition)>),
    Or(Box<(Condition, Condition)>),
    Not(Box<Condition>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    Contains,
    StartsWith,
    EndsWith,
    HasKey,
    HasValue,
}

impl Comparison {
    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "==" => Comparison::Equal,
            "!=" | "<>" => Comparison::NotEqual,
            "<" => Comparison::Less,
            ">" => Comparison::Greater,
            "<=" => Comparison::LessOrEqual,
            ">=" => Comparison::GreaterOrEqual,
            "contains" | "Contains" => Comparison::Contains,
            "startsWith" | "StartsWith" => Comparison::StartsWith,
            "endsWith" | "EndsWith" => Comparison::EndsWith,
            "hasKey" | "HasKey" => Comparison::HasKey,
            "hasValue" | "HasValue" => Comparison::HasValue,
            _ => return None,
        })
    }
}

/// `None`: there is nothing.
pub(super) fn parse(
    text: &str,
    operand: &mut impl FnMut(&str) -> Result<Operand, ParseError>,
) -> Result<Option<Condition>, ParseError> {
    let words = words(&spaced(text));
    let mut result: Option<Condition> = None;
    // From the right: the last part is the innermost.
    let mut parts: Vec<(Option<&str>, &[String])> = Vec::new();
    let mut start = 0;
    let mut joint = None;
    for (i, word) in words.iter().enumerate() {
        if word == "and" || word == "or" {
            parts.push((joint, &words[start..i]));
            joint = Some(word.as_str());
            start = i + 1;
        }
    }
    parts.push((joint, &words[start..]));
    let mut pending: Option<&str> = None;
    for (joint, part) in parts.into_iter().rev() {
        let one = match part {
            [] => return Ok(None),
            [value] => Condition::True(operand(value)?),
            [left, word, right] => match Comparison::named(word) {
                Some(comparison) => Condition::Compare(operand(left)?, comparison, operand(right)?),
                None => {
                    return Err(ParseError {
                        at: 0,
                        message: format!("there is no operator `{word}`"),
                    });
                }
            },
            other => {
                return Err(ParseError {
                    at: 0,
                    message: format!("`{}` is not a condition", other.join(" ")),
                });
            }
        };
        result = Some(match (result, pending) {
            (Some(rest), Some("and")) => Condition::And(Box::new((one, rest))),
            (Some(rest), _) => Condition::Or(Box::new((one, rest))),
            (None, _) => one,
        });
        pending = joint;
    }
    Ok(result)
}

/// Symbols may stand without white space: `a==b`.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '=' | '!' | '<' | '>') => {
                out.push(' ');
                out.push(c);
                if let Some(next) = chars.next_if(|n| matches!(n, '=' | '>')) {
                    out.push(next);
                }
                out.push(' ');
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

impl Condition {
    pub(super) fn is_met(&self, value: &mut impl FnMut(&Operand) -> Value) -> bool {
        match self {
            Condition::True(operand) => value(operand).is_true(),
            Condition::Not(inner) => !inner.is_met(value),
            Condition::And(both) => both.0.is_met(value) && both.1.is_met(value),
            Condition::Or(both) => both.0.is_met(value) || both.1.is_met(value),
            Condition::Compare(left, comparison, right) => compare(left, *comparison, right, value),
        }
    }
}

fn compare(
    left: &Operand,
    comparison: Comparison,
    right: &Operand,
    value: &mut impl FnMut(&Operand) -> Value,
) -> bool {
    let equal = match (left, right) {
        (Operand::Empty, other) | (other, Operand::Empty) => Some(value(other).is_empty()),
        _ => None,
    };
    let (a, b) = (value(left), value(right));
    let order = || a.compare(&b);
    match comparison {
        Comparison::Equal => equal.unwrap_or_else(|| a.equals(&b)),
        Comparison::NotEqual => !equal.unwrap_or_else(|| a.equals(&b)),
        Comparison::Less => order() == Some(Ordering::Less),
        Comparison::Greater => order() == Some(Ordering::Greater),
        Comparison::LessOrEqual => order().is_some_and(Ordering::is_le),
        Comparison::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
        Comparison::Contains => match &a {
            Value::Array(items) => items.iter().any(|i| i.equals(&b)),
            Value::Nil => false,
            other => other.to_text().contains(&b.to_text()),
        },
        Comparison::StartsWith => match &a {
            Value::Array(items) => items.first().is_some_and(|i| i.equals(&b)),
            other => other.to_text().starts_with(&b.to_text()),
        },
        Comparison::EndsWith => match &a {
            Value::Array(items) => items.last().is_some_and(|i| i.equals(&b)),
            other => other.to_text().ends_with(&b.to_text()),
        },
        Comparison::HasKey => matches!(&a, Value::Object(o) if o.get(&b.to_text()).is_some()),
        Comparison::HasValue => matches!(&a, Value::Object(o) if o.members.iter().any(|(_, v)| v.equals(&b))),
    }
}
