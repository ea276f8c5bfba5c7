//! Tokens of XPath, with the rules that tell `*` and `div` the operators from `*` and `div` the names.

use super::{Error, Op, QName, error};
use crate::xml::name::is_name_char;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tok {
    /// `( ) [ ] . .. @ , :: / // | + -`
    Sign(&'static str),
    Op(Op),
    /// `*`, or `prefix:*`
    Star(Option<Box<str>>),
    Name(QName),
    Variable(QName),
    Text(Box<str>),
    Number(f64),
    End,
}

const SIGNS: &[&str] = &[
    "..", "::", "//", "(", ")", "[", "]", ".", "@", ",", "/", "|", "+", "-",
];

/// All tokens of an expression.
pub(super) fn tokens(text: &str) -> Result<Vec<Tok>, Error> {
    let mut out: Vec<Tok> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let operator_place = follows_operand(out.last());
        let (token, left) = match first {
            '"' | '\'' => quoted(text, rest, first)?,
            '0'..='9' => number(rest),
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => number(rest),
            '$' => {
                let (name, left) = qname(&rest[1..]).ok_or_else(|| invalid(text))?;
                (Tok::Variable(name), left)
            }
            '*' if operator_place => (Tok::Op(Op::Multiply), &rest[1..]),
            '*' => (Tok::Star(None), &rest[1..]),
            '=' => (Tok::Op(Op::Equal), &rest[1..]),
            '!' if rest.starts_with("!=") => (Tok::Op(Op::NotEqual), &rest[2..]),
            '<' if rest.starts_with("<=") => (Tok::Op(Op::LessOrEqual), &rest[2..]),
            '>' if rest.starts_with(">=") => (Tok::Op(Op::GreaterOrEqual), &rest[2..]),
            '<' => (Tok::Op(Op::Less), &rest[1..]),
            '>' => (Tok::Op(Op::Greater), &rest[1..]),
            c if is_name_char(c, true) => name(text, rest, operator_place)?,
            _ => {
                let sign = SIGNS.iter().find(|s| rest.starts_with(**s));
                let sign = sign.ok_or_else(|| invalid(text))?;
                (Tok::Sign(sign), &rest[sign.len()..])
            }
        };
        out.push(token);
        rest = left.trim_start();
    }
    out.push(Tok::End);
    Ok(out)
}

fn invalid(text: &str) -> Error {
    error(format!("'{text}' has an invalid token."))
}

/// Whether what stands before is a complete operand, so that an operator must follow (XPath 1.0 §3.7).
fn follows_operand(before: Option<&Tok>) -> bool {
    match before {
        None | Some(Tok::Op(_)) => false,
        Some(Tok::Sign(sign)) => matches!(*sign, ")" | "]" | "." | ".."),
        Some(_) => true,
    }
}

fn quoted<'t>(text: &str, rest: &'t str, quote: char) -> Result<(Tok, &'t str), Error> {
    let inner = &rest[1..];
    let end = inner
        .find(quote)
        .ok_or_else(|| error(format!("'{text}' has an unclosed string.")))?;
    Ok((Tok::Text(inner[..end].into()), &inner[end + 1..]))
}

fn number(rest: &str) -> (Tok, &str) {
    let whole = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let mut end = whole;
    if let Some(fraction) = rest[whole..].strip_prefix('.') {
        let digits = fraction
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(fraction.len());
        end = whole + 1 + digits;
    }
    let value = rest[..end].trim_end_matches('.').parse();
    (Tok::Number(value.unwrap_or(f64::NAN)), &rest[end..])
}

fn ncname(rest: &str) -> Option<(&str, &str)> {
    if !rest.starts_with(|c| is_name_char(c, true)) {
        return None;
    }
    let end = rest.find(|c| !is_name_char(c, false)).unwrap_or(rest.len());
    Some(rest.split_at(end))
}

fn qname(rest: &str) -> Option<(QName, &str)> {
    let (first, left) = ncname(rest)?;
    if let Some(after) = left.strip_prefix(':')
        && let Some((local, left)) = ncname(after)
    {
        let name = QName {
            prefix: Some(first.into()),
            local: local.into(),
        };
        return Some((name, left));
    }
    let name = QName {
        prefix: None,
        local: first.into(),
    };
    Some((name, left))
}

fn name<'t>(text: &str, rest: &'t str, operator_place: bool) -> Result<(Tok, &'t str), Error> {
    if let Some((prefix, left)) = ncname(rest)
        && let Some(left) = left.strip_prefix(":*")
    {
        return Ok((Tok::Star(Some(prefix.into())), left));
    }
    let (name, left) = qname(rest).ok_or_else(|| invalid(text))?;
    if operator_place {
        let op = match (&name.prefix, &*name.local) {
            (None, "and") => Op::And,
            (None, "or") => Op::Or,
            (None, "div") => Op::Divide,
            (None, "mod") => Op::Modulo,
            _ => return Err(invalid(text)),
        };
        return Ok((Tok::Op(op), left));
    }
    Ok((Tok::Name(name), left))
}
