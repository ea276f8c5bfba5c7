//! The parser of JSONPath expressions.

use super::{
    Scalar,
    path::{Filter, Operator, Query, Side, json_error},
};
use crate::{
    Error, Str,
    number::{IntType, NumberStyles, parse_double, parse_integer},
};

const OPEN_INDEXER: &str = "Path ended with open indexer.";
const OPEN_QUERY: &str = "Path ended with open query.";

/// Deepest nesting of queries in queries.
const MAX_QUERY_DEPTH: usize = 32;

struct Parser {
    text: Vec<char>,
    at: usize,
    depth: usize,
}

/// The steps of `text`.
pub(super) fn parse(text: &str) -> Result<Vec<Filter>, Error> {
    let mut p = Parser {
        text: text.chars().collect(),
        at: 0,
        depth: 0,
    };
    let mut filters = Vec::new();
    p.blanks();
    if p.at == p.text.len() {
        return Ok(filters);
    }
    let mut start = 0;
    if p.peek() == Some('$') {
        if p.text.len() == 1 {
            return Ok(filters);
        }
        if matches!(p.text.get(p.at + 1), Some('.' | '[')) {
            p.at += 1;
            start = p.at;
        }
    }
    if !p.path(&mut filters, start, false)? {
        let last = p.at;
        p.blanks();
        if p.at < p.text.len() {
            return Err(p.fail("Unexpected character while parsing path: ", last));
        }
    }
    Ok(filters)
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek() == Some(' ') {
            self.at += 1;
        }
    }

    fn fail(&self, message: &str, at: usize) -> Error {
        json_error(format!(
            "{message}{}",
            self.text.get(at).map_or(String::new(), char::to_string)
        ))
    }

    fn need(&self, message: &str) -> Result<char, Error> {
        self.peek().ok_or_else(|| json_error(message.to_owned()))
    }

    fn slice(&self, from: usize, to: usize) -> String {
        self.text[from..to].iter().collect()
    }

    fn member(&self, from: usize, to: usize, scan: bool) -> Filter {
        let name = self.slice(from, to);
        let name = name.trim_end();
        named((name != "*").then(|| Str::new(name)), scan)
    }

    /// Reads steps; true if the text ended with them.
    fn path(&mut self, filters: &mut Vec<Filter>, mut start: usize, query: bool) -> Result<bool, Error> {
        let (mut scan, mut after_indexer, mut after_dot) = (false, false, false);
        while let Some(c) = self.peek() {
            match c {
                '[' | '(' => {
                    if self.at > start {
                        filters.push(self.member(start, self.at, scan));
                        scan = false;
                    }
                    filters.push(self.indexer(if c == '[' { ']' } else { ')' }, scan)?);
                    self.at += 1;
                    start = self.at;
                    (after_indexer, after_dot) = (true, false);
                }
                ']' | ')' | ' ' => break,
                '.' => {
                    if self.at > start {
                        filters.push(self.member(start, self.at, scan));
                        scan = false;
                    }
                    if self.text.get(self.at + 1) == Some(&'.') {
                        scan = true;
                        self.at += 1;
                    }
                    self.at += 1;
                    start = self.at;
                    (after_indexer, after_dot) = (false, true);
                }
                '=' | '<' | '!' | '>' | '|' | '&' if query => break,
                _ if after_indexer => {
                    return Err(self.fail("Unexpected character following indexer: ", self.at));
                }
                _ => self.at += 1,
            }
        }
        let at_end = self.at == self.text.len();
        if self.at > start {
            filters.push(self.member(start, self.at, scan));
        } else if after_dot && (at_end || query) {
            return Err(json_error("Unexpected end while parsing path.".to_owned()));
        }
        Ok(at_end)
    }

    fn indexer(&mut self, close: char, scan: bool) -> Result<Filter, Error> {
        self.at += 1;
        self.need(OPEN_INDEXER)?;
        self.blanks();
        match self.peek() {
            Some('\'') => self.quoted_fields(close, scan),
            Some('?') => self.query(close, scan),
            _ => self.array_indexer(close),
        }
    }

    fn bad_indexer(&self) -> Error {
        self.fail("Unexpected character while parsing path indexer: ", self.at)
    }

    fn quoted_fields(&mut self, close: char, scan: bool) -> Result<Filter, Error> {
        let mut fields = Vec::new();
        loop {
            fields.push(Str::from(self.quoted()?));
            self.blanks();
            let c = self.need(OPEN_INDEXER)?;
            if c == close {
                return Ok(match (fields.len(), scan) {
                    (1, _) => named(fields.pop(), scan),
                    (_, true) => Filter::ScanFields(fields),
                    _ => Filter::Fields(fields),
                });
            }
            if c != ',' {
                return Err(self.bad_indexer());
            }
            self.at += 1;
            self.blanks();
            self.need(OPEN_INDEXER)?;
        }
    }

    fn quoted(&mut self) -> Result<String, Error> {
        let mut out = String::new();
        self.at += 1;
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '\\' if self.at < self.text.len() => {
                    match self.peek() {
                        Some(c @ ('\'' | '\\')) => out.push(c),
                        _ => return Err(self.fail("Unknown escape character: \\", self.at)),
                    }
                    self.at += 1;
                }
                '\'' => return Ok(out),
                _ => out.push(c),
            }
        }
        Err(json_error("Path ended with an open string.".to_owned()))
    }

    fn int(&self, from: usize, to: usize) -> Result<i32, Error> {
        let value = parse_integer(&self.slice(from, to), NumberStyles::INTEGER, IntType::Int32)?;
        Ok(i32::try_from(value).unwrap_or(0))
    }

    fn array_indexer(&mut self, close: char) -> Result<Filter, Error> {
        let expected = || json_error("Array index expected.".to_owned());
        let (mut start, mut end) = (self.at, None);
        let mut indexes = Vec::new();
        let mut parts = [None; 3];
        let mut colons = 0;
        while let Some(c) = self.peek() {
            let to = end.unwrap_or(self.at);
            if c == ' ' {
                end = Some(self.at);
                self.blanks();
                continue;
            }
            if c == close {
                if colons > 0 {
                    if to > start {
                        parts[colons.min(2)] = Some(self.int(start, to)?);
                    }
                    return Ok(Filter::Slice(parts[0], parts[1], parts[2]));
                }
                if to == start {
                    return Err(expected());
                }
                let last = self.int(start, to)?;
                if indexes.is_empty() {
                    return Ok(Filter::Index(Some(last)));
                }
                indexes.push(last);
                return Ok(Filter::Indexes(indexes));
            }
            match c {
                ',' => {
                    if to == start {
                        return Err(expected());
                    }
                    indexes.push(self.int(start, to)?);
                }
                '*' => {
                    self.at += 1;
                    self.need(OPEN_INDEXER)?;
                    self.blanks();
                    return if self.peek() == Some(close) {
                        Ok(Filter::Index(None))
                    } else {
                        Err(self.bad_indexer())
                    };
                }
                ':' => {
                    if to > start {
                        parts[colons.min(2)] = Some(self.int(start, to)?);
                    }
                    colons += 1;
                }
                _ if (c.is_ascii_digit() || c == '-') && end.is_none() => {
                    self.at += 1;
                    continue;
                }
                _ => return Err(self.bad_indexer()),
            }
            self.at += 1;
            self.blanks();
            start = self.at;
            end = None;
        }
        Err(json_error(OPEN_INDEXER.to_owned()))
    }

    fn query(&mut self, close: char, scan: bool) -> Result<Filter, Error> {
        self.at += 1;
        if self.need(OPEN_INDEXER)? != '(' {
            return Err(self.bad_indexer());
        }
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_QUERY_DEPTH {
            return Err(Error::budget("depth of a JSON path"));
        }
        let query = self.expression()?;
        self.depth -= 1;
        self.at += 1;
        self.need(OPEN_INDEXER)?;
        self.blanks();
        if self.peek() != Some(close) {
            return Err(self.bad_indexer());
        }
        Ok(if scan {
            Filter::ScanQuery(query)
        } else {
            Filter::Query(query)
        })
    }

    /// Tests joined by `&&` and `||`. A change of operator opens a group that takes all that follows.
    fn expression(&mut self) -> Result<Query, Error> {
        let mut groups: Vec<(bool, Vec<Query>)> = Vec::new();
        loop {
            if self.at >= self.text.len() {
                return Err(json_error(OPEN_QUERY.to_owned()));
            }
            let test = self.test()?;
            let and = match self.peek() {
                Some(')') => {
                    let mut result = test;
                    for (and, mut parts) in groups.into_iter().rev() {
                        parts.push(result);
                        result = if and { Query::All(parts) } else { Query::Any(parts) };
                    }
                    return Ok(result);
                }
                Some('&') => self.pair('&')?,
                Some('|') => !self.pair('|')?,
                _ => return Err(self.bad_query()),
            };
            match groups.last_mut() {
                Some((same, parts)) if *same == and => parts.push(test),
                _ => groups.push((and, vec![test])),
            }
        }
    }

    fn pair(&mut self, c: char) -> Result<bool, Error> {
        if self.text.get(self.at + 1) != Some(&c) {
            return Err(self.bad_query());
        }
        self.at += 2;
        Ok(true)
    }

    fn bad_query(&self) -> Error {
        self.fail("Unexpected character while parsing path query: ", self.at)
    }

    fn test(&mut self) -> Result<Query, Error> {
        let left = self.side()?;
        if matches!(self.peek(), Some(')' | '|' | '&')) {
            return Ok(Query::Test(left, Operator::Exists, None));
        }
        let operator = self.operator()?;
        let right = self.side()?;
        Ok(Query::Test(left, operator, Some(right)))
    }

    fn operator(&mut self) -> Result<Operator, Error> {
        let (Some(a), Some(b)) = (self.peek(), self.text.get(self.at + 1)) else {
            return Err(json_error(OPEN_QUERY.to_owned()));
        };
        let (operator, len) = match (a, b) {
            ('=', '=') => (Operator::Equals, 2),
            ('=', '~') => (Operator::Regex, 2),
            ('!', '=') | ('<', '>') => (Operator::NotEquals, 2),
            ('<', '=') => (Operator::LessOrEquals, 2),
            ('<', _) => (Operator::Less, 1),
            ('>', '=') => (Operator::GreaterOrEquals, 2),
            ('>', _) => (Operator::Greater, 1),
            _ => return Err(json_error("Could not read query operator.".to_owned())),
        };
        self.at += len;
        Ok(operator)
    }

    fn side(&mut self) -> Result<Side, Error> {
        self.blanks();
        let side = match self.peek() {
            Some(c @ ('$' | '@')) => {
                self.at += 1;
                let mut filters = if c == '$' { vec![Filter::Root] } else { Vec::new() };
                if self.path(&mut filters, self.at, true)? {
                    return Err(json_error(OPEN_QUERY.to_owned()));
                }
                Side::Path(filters)
            }
            // As the original, which looks beyond the end of its text here.
            None => return Err(Error::of(crate::ExceptionKind::IndexOutOfRangeException)),
            _ => Side::Value(self.value()?),
        };
        self.blanks();
        self.need(OPEN_QUERY)?;
        Ok(side)
    }

    fn value(&mut self) -> Result<Scalar, Error> {
        match self.peek() {
            Some('\'') => return self.quoted().map(|s| Scalar::String(Str::from(s))),
            Some('/') => return self.regex().map(|s| Scalar::String(Str::from(s))),
            Some(c) if c.is_ascii_digit() || c == '-' => {
                let start = self.at;
                while self.peek().is_some_and(|c| c != ' ' && c != ')') {
                    self.at += 1;
                }
                let text = self.slice(start, self.at);
                let number = if text.contains(['.', 'e', 'E']) {
                    parse_double(&text, NumberStyles::FLOAT_THOUSANDS).map(Scalar::Float)
                } else {
                    parse_integer(&text, NumberStyles::INTEGER, IntType::Int64)
                        .map(|v| Scalar::Integer(i64::try_from(v).unwrap_or(0)))
                };
                return number.map_err(|_| self.bad_query());
            }
            _ => {}
        }
        for (word, value) in [
            ("true", Scalar::Bool(true)),
            ("false", Scalar::Bool(false)),
            ("null", Scalar::Null),
        ] {
            if self.text[self.at..]
                .iter()
                .copied()
                .take(word.len())
                .eq(word.chars())
            {
                self.at += word.len();
                return Ok(value);
            }
        }

        Err(self.bad_query())
    }

    /// `/pattern/flags`, kept whole.
    fn regex(&mut self) -> Result<String, Error> {
        let start = self.at;
        self.at += 1;
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '\\' if self.at < self.text.len() => self.at += 1,
                '/' => {
                    while self.peek().is_some_and(char::is_alphabetic) {
                        self.at += 1;
                    }
                    return Ok(self.slice(start, self.at));
                }
                _ => {}
            }
        }
        Err(json_error("Path ended with an open regex.".to_owned()))
    }
}

fn named(name: Option<Str>, scan: bool) -> Filter {
    if scan {
        Filter::Scan(name)
    } else {
        Filter::Field(name)
    }
}
