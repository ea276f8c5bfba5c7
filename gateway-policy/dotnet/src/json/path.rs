//! `SelectToken` and `SelectTokens`: Newtonsoft's dialect of JSONPath.

use super::{MAX_PATH_STEPS, Scalar, Token, TokenType, date, path_parse};
use crate::{Error, ExceptionKind, Str, time::DateTime};

/// One step of a path.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    /// `$` inside a query.
    Root,
    /// `.name`, or `.*` without one.
    Field(Option<Str>),
    /// `['a','b']`
    Fields(Vec<Str>),
    /// `..name`, or `..*` without one.
    Scan(Option<Str>),
    /// `..['a','b']`
    ScanFields(Vec<Str>),
    /// `[3]`, or `[*]` without one.
    Index(Option<i32>),
    /// `[1,3]`
    Indexes(Vec<i32>),
    /// `[start:end:step]`
    Slice(Option<i32>, Option<i32>, Option<i32>),
    /// `[?(…)]`
    Query(Query),
    /// `..[?(…)]`
    ScanQuery(Query),
}

/// A condition.
#[derive(Clone, Debug)]
pub(super) enum Query {
    All(Vec<Query>),
    Any(Vec<Query>),
    Test(Side, Operator, Option<Side>),
}

#[derive(Clone, Debug)]
pub(super) enum Side {
    Path(Vec<Filter>),
    Value(Scalar),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Exists,
    Equals,
    NotEquals,
    Less,
    LessOrEquals,
    Greater,
    GreaterOrEquals,
    Regex,
}

/// Appends a property name to a path, quoted if it has characters that mean something there.
pub(super) fn path_step(out: &mut String, name: &str) {
    const SPECIAL: &[char] = &[
        '.', ' ', '\'', '/', '"', '[', ']', '(', ')', '\t', '\n', '\r', '\u{c}', '\u{8}', '\\', '\u{85}',
        '\u{2028}', '\u{2029}',
    ];
    if !name.contains(SPECIAL) {
        if !out.is_empty() {
            out.push('.');
        }
        out.push_str(name);
        return;
    }
    out.push_str("['");
    for c in name.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{c}' => out.push_str("\\f"),
            '\u{8}' => out.push_str("\\b"),
            '\0'..'\u{20}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", c as u32))
            }
            _ => out.push(c),
        }
    }
    out.push_str("']");
}

pub(super) fn json_error(message: String) -> Error {
    Error::new(ExceptionKind::JsonException, message)
}

struct Evaluation {
    root: Token,
    strict: bool,
    steps: usize,
}

impl Evaluation {
    fn step(&mut self) -> Result<(), Error> {
        self.steps += 1;
        if self.steps > MAX_PATH_STEPS {
            return Err(Error::budget("steps of a JSON path"));
        }
        Ok(())
    }

    fn fail(&self, message: impl FnOnce() -> String) -> Result<(), Error> {
        if self.strict {
            Err(json_error(message()))
        } else {
            Ok(())
        }
    }

    fn run(&mut self, filters: &[Filter], start: &Token) -> Result<Vec<Token>, Error> {
        let mut current = vec![start.clone()];
        for filter in filters {
            let mut next = Vec::new();
            for token in &current {
                self.step()?;
                self.apply(filter, token, &mut next)?;
            }
            current = next;
        }
        Ok(current)
    }

    fn apply(&mut self, filter: &Filter, token: &Token, out: &mut Vec<Token>) -> Result<(), Error> {
        match filter {
            Filter::Root => out.push(self.root.clone()),
            Filter::Field(name) => self.field(name.as_ref(), token, out)?,
            Filter::Fields(names) => {
                if token.token_type() != TokenType::Object {
                    let list: Vec<String> = names.iter().map(|n| format!("'{n}'")).collect();
                    return self.fail(|| {
                        format!(
                            "Properties {} not valid on {}.",
                            list.join(", "),
                            short_name(token)
                        )
                    });
                }
                for name in names {
                    self.field(Some(name), token, out)?;
                }
            }
            Filter::Scan(name) => self.scan(name.as_ref().map(std::slice::from_ref), token, out)?,
            Filter::ScanFields(names) => self.scan(Some(names), token, out)?,
            Filter::Index(None) => match token.token_type() {
                TokenType::Array | TokenType::Constructor => out.append(&mut token.children()),
                _ => self.fail(|| format!("Index * not valid on {}.", short_name(token)))?,
            },
            Filter::Index(Some(index)) => self.index(*index, token, out)?,
            Filter::Indexes(indexes) => {
                for index in indexes {
                    self.index(*index, token, out)?;
                }
            }
            Filter::Slice(start, end, step) => self.slice(*start, *end, *step, token, out)?,
            Filter::Query(query) => {
                for child in token.children() {
                    if self.matches(query, &child)? {
                        out.push(child);
                    }
                }
            }
            Filter::ScanQuery(query) => {
                for each in std::iter::once(token.clone()).chain(token.descendants()) {
                    if self.matches(query, &each)? {
                        out.push(each);
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, name: Option<&Str>, token: &Token, out: &mut Vec<Token>) -> Result<(), Error> {
        if token.token_type() != TokenType::Object {
            let shown = name.map_or("*".to_owned(), Str::to_string);
            return self.fail(|| format!("Property '{shown}' not valid on {}.", short_name(token)));
        }
        match name {
            Some(name) => match token.get(name) {
                Some(value) => out.push(value),
                None => self.fail(|| format!("Property '{name}' does not exist on JObject."))?,
            },
            None => out.extend(token.children().iter().filter_map(Token::property_value)),
        }
        Ok(())
    }

    /// All below `token`: values of properties so named, or without names every value.
    fn scan(&mut self, names: Option<&[Str]>, token: &Token, out: &mut Vec<Token>) -> Result<(), Error> {
        if names.is_none() {
            out.push(token.clone());
        }
        for each in token.descendants() {
            self.step()?;
            match (each.property_name(), names) {
                (Some(name), Some(names)) if names.contains(&name) => out.extend(each.property_value()),
                (None, None) => out.push(each),
                _ => {}
            }
        }
        Ok(())
    }

    fn index(&mut self, index: i32, token: &Token, out: &mut Vec<Token>) -> Result<(), Error> {
        if !matches!(token.token_type(), TokenType::Array | TokenType::Constructor) {
            return self.fail(|| format!("Index {index} not valid on {}.", short_name(token)));
        }
        if index >= 0 && index as usize >= token.count() {
            return self.fail(|| format!("Index {index} outside the bounds of {}.", short_name(token)));
        }
        out.push(token.index_number(index)?);
        Ok(())
    }

    fn slice(
        &mut self,
        start: Option<i32>,
        end: Option<i32>,
        step: Option<i32>,
        token: &Token,
        out: &mut Vec<Token>,
    ) -> Result<(), Error> {
        let step = i64::from(step.unwrap_or(1));
        if step == 0 {
            return Err(json_error("Step cannot be zero.".to_owned()));
        }
        if token.token_type() != TokenType::Array {
            return self.fail(|| format!("Array slice is not valid on {}.", short_name(token)));
        }
        let count = token.count() as i64;
        let forward = step > 0;
        let wrap = |i: i32| if i < 0 { count + i64::from(i) } else { i64::from(i) };
        let mut at = start.map_or(if forward { 0 } else { count - 1 }, wrap);
        let mut stop = end.map_or(if forward { count } else { -1 }, wrap);
        if forward {
            at = at.max(0);
        }
        at = at.min(if forward { count } else { count - 1 });
        stop = stop.clamp(-1, count);
        let valid = |i: i64| if forward { i < stop } else { i > stop };
        if !valid(at) {
            let shown = |i: Option<i32>| i.map_or("*".to_owned(), |i| i.to_string());
            return self.fail(|| {
                format!(
                    "Array slice of {} to {} returned no results.",
                    shown(start),
                    shown(end)
                )
            });
        }
        while valid(at) {
            out.push(token.index_number(i32::try_from(at).unwrap_or(-1))?);
            at += step;
        }
        Ok(())
    }

    fn matches(&mut self, query: &Query, token: &Token) -> Result<bool, Error> {
        self.step()?;
        match query {
            Query::All(parts) => {
                for part in parts {
                    if !self.matches(part, token)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Query::Any(parts) => {
                for part in parts {
                    if self.matches(part, token)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Query::Test(left, operator, right) => {
                let left = self.side(left, token)?;
                let Some(right) = right else {
                    return Ok(!left.is_empty());
                };
                if left.is_empty() {
                    return Ok(false);
                }
                let right = self.side(right, token)?;
                for a in &left {
                    for b in &right {
                        if compare(a, *operator, b)? {
                            return Ok(true);
                        }
                    }
                }
                Ok(false)
            }
        }
    }

    fn side(&mut self, side: &Side, token: &Token) -> Result<Vec<Token>, Error> {
        match side {
            Side::Value(value) => Ok(vec![Token::value(value.clone())]),
            Side::Path(filters) => {
                let strict = std::mem::replace(&mut self.strict, false);
                let found = self.run(filters, token);
                self.strict = strict;
                found
            }
        }
    }
}

fn short_name(token: &Token) -> &'static str {
    token.type_name().rsplit('.').next().unwrap_or_default()
}

fn compare(a: &Token, operator: Operator, b: &Token) -> Result<bool, Error> {
    let (Some(a), Some(b)) = (a.scalar(), b.scalar()) else {
        return Ok(operator == Operator::NotEquals);
    };
    Ok(match operator {
        Operator::Exists => true,
        Operator::Equals => equals(&a, &b),
        Operator::NotEquals => !equals(&a, &b),
        Operator::Less => a.compare_to(&b, DateTime::MIN)? < 0,
        Operator::LessOrEquals => a.compare_to(&b, DateTime::MIN)? <= 0,
        Operator::Greater => a.compare_to(&b, DateTime::MIN)? > 0,
        Operator::GreaterOrEquals => a.compare_to(&b, DateTime::MIN)? >= 0,
        Operator::Regex => regex_matches(&a, &b)?,
    })
}

/// Equality in a query: a string in the query also equals a date, GUID … with that text.
fn equals(value: &Scalar, query: &Scalar) -> bool {
    if value.equals(query) {
        return true;
    }
    let Scalar::String(wanted) = query else {
        return false;
    };
    let text = match value {
        Scalar::Date(d) => Str::from(date::date_text(*d)),
        Scalar::DateOffset(d) => Str::from(date::offset_date_text(*d)),
        Scalar::Bytes(b) => Str::from(crate::number::convert::to_base64(b, false)),
        Scalar::Guid(_) | Scalar::TimeSpan(_) | Scalar::Uri(_) => value.to_text(),
        _ => return false,
    };
    text == *wanted
}

/// `=~ /pattern/options`
fn regex_matches(value: &Scalar, pattern: &Scalar) -> Result<bool, Error> {
    use crate::regex::{Options, Regex};
    let (Scalar::String(text), Scalar::String(pattern)) = (value, pattern) else {
        return Ok(false);
    };
    let pattern = pattern.to_lossy();
    let Some((body, flags)) = pattern.strip_prefix('/').and_then(|p| p.rsplit_once('/')) else {
        return Ok(false);
    };
    let mut options = Options::NONE;
    for flag in flags.chars() {
        options |= match flag {
            'i' => Options::IGNORE_CASE,
            'm' => Options::MULTILINE,
            's' => Options::SINGLELINE,
            'x' => Options::EXPLICIT_CAPTURE,
            _ => Options::NONE,
        };
    }
    Regex::new(&Str::new(body), options)?.is_match(text)
}

/// `SelectTokens(path, errorWhenNoMatch)`.
///
/// # Errors
/// `JsonException` for a bad path, or for no match if `strict`; a budget error.
pub fn select_tokens(token: &Token, path: &Str, strict: bool) -> Result<Vec<Token>, Error> {
    select_tokens_counted(token, path, strict, &mut 0)
}

/// [`select_tokens`], adding the nodes it looked at to `spent`.
///
/// # Errors
/// As [`select_tokens`].
pub fn select_tokens_counted(
    token: &Token,
    path: &Str,
    strict: bool,
    spent: &mut usize,
) -> Result<Vec<Token>, Error> {
    let filters = path_parse::parse(&path.to_lossy())?;
    let mut evaluation = Evaluation {
        root: token.clone(),
        strict,
        steps: 0,
    };
    let found = evaluation.run(&filters, token);
    *spent += evaluation.steps;
    found
}

/// `SelectToken(path, errorWhenNoMatch)`.
///
/// # Errors
/// As [`select_tokens`]; `JsonException` for more than one match.
pub fn select_token(token: &Token, path: &Str, strict: bool) -> Result<Option<Token>, Error> {
    one(select_tokens(token, path, strict)?)
}

/// The only match of a path.
///
/// # Errors
/// `JsonException` for more than one.
pub fn one(mut found: Vec<Token>) -> Result<Option<Token>, Error> {
    if found.len() > 1 {
        return Err(json_error("Path returned multiple tokens.".to_owned()));
    }
    Ok(found.pop())
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
