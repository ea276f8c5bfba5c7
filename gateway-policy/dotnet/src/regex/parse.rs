//! Pattern text to tree, with .NET's numbering of groups and its errors.
//!
//! Two passes, as the original: the first only counts groups, since a pattern may refer to a group that
//! stands further right.

mod class;
mod count;
mod escape;
mod group;

use crate::{Error, ExceptionKind, text::Str, text::unit_to_lower};

use super::{
    Groups, MAX_NESTING, MAX_PATTERN, Options,
    charset::CharSet,
    node::{Assert, Node, One},
};

pub(super) use escape::unescape;

/// A parsed pattern.
pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) groups: Groups,
}

/// Parses `pattern`.
pub(super) fn parse(pattern: &Str, options: Options) -> Result<Parsed, Error> {
    if pattern.len() > MAX_PATTERN {
        return Err(Error::budget("length of a regular expression"));
    }
    let units = pattern.to_utf16();
    let mut parser = Parser {
        units: &units,
        at: 0,
        options,
        groups: Groups::default(),
        next_unnamed: 1,
        depth: 0,
        no_options: false,
    };
    parser.groups = count::groups(&units, options)?;
    let root = parser.alternation()?;
    if parser.at < units.len() {
        parser.at += 1;
        return Err(parser.error("Too many )'s."));
    }
    Ok(Parsed {
        root,
        groups: parser.groups,
    })
}

struct Parser<'a> {
    units: &'a [u16],
    at: usize,
    options: Options,
    groups: Groups,
    next_unnamed: i32,
    depth: usize,
    /// Directly inside a `(?(test)…)`, where the original reads no inline options.
    no_options: bool,
}

/// A quantifier: how often, and whether as seldom as possible.
struct Quantifier {
    min: u32,
    max: u32,
    lazy: bool,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u16> {
        self.units.get(self.at).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<u16> {
        self.units.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<u16> {
        let unit = self.peek()?;
        self.at += 1;
        Some(unit)
    }

    fn eat(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(u16::from(wanted));
        if found {
            self.at += 1;
        }
        found
    }

    fn error(&self, what: &str) -> Error {
        Error::new(
            ExceptionKind::RegexParseException,
            format!(
                "Invalid pattern '{}' at offset {}. {what}",
                String::from_utf16_lossy(self.units),
                self.at.min(self.units.len())
            ),
        )
    }

    fn has(&self, option: Options) -> bool {
        self.options.has(option)
    }

    /// Branches up to a closing parenthesis or the end; the parenthesis is left.
    fn alternation(&mut self) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(Error::budget("nesting of a regular expression"));
        }
        let mut branches = vec![self.concatenation()?];
        while self.eat(b'|') {
            branches.push(self.concatenation()?);
        }
        self.depth -= 1;
        if branches.len() > 1 {
            return Ok(Node::Alternate(branches));
        }
        Ok(branches.pop().unwrap_or(Node::Empty))
    }

    fn concatenation(&mut self) -> Result<Node, Error> {
        let mut parts = Vec::new();
        let mut quantified = false;
        loop {
            self.skip_blank()?;
            let Some(unit) = self.peek() else { break };
            if unit == u16::from(b'|') || unit == u16::from(b')') {
                break;
            }
            if self.is_quantifier() {
                return Err(self.quantifier_without_operand(quantified));
            }
            let Some(atom) = self.atom()? else {
                quantified = false;
                continue;
            };
            self.skip_blank()?;
            quantified = self.is_quantifier();
            parts.push(match self.quantifier()? {
                Some(Quantifier { min, max, lazy }) => Node::Loop {
                    body: Box::new(atom),
                    min,
                    max,
                    lazy,
                },
                None => atom,
            });
        }
        Ok(match parts.len() {
            0 => Node::Empty,
            1 => parts.swap_remove(0),
            _ => Node::Concat(parts),
        })
    }

    fn quantifier_without_operand(&mut self, quantified: bool) -> Error {
        let unit = self
            .next()
            .map_or(' ', |u| u8::try_from(u).map_or(' ', char::from));
        if quantified {
            self.error(&format!("Nested quantifier '{unit}'."))
        } else {
            self.error("Quantifier {x,y} following nothing.")
        }
    }

    /// One atom; `None` for what only changes options or is a comment.
    fn atom(&mut self) -> Result<Option<Node>, Error> {
        let Some(unit) = self.next() else { return Ok(None) };
        let letter = u8::try_from(unit).unwrap_or(0);
        Ok(Some(match letter {
            b'[' => {
                let set = self.class()?;
                self.set(set)
            }
            b'(' => return self.group(),
            b'^' if self.has(Options::MULTILINE) => Node::Assert(Assert::LineStart),
            b'^' => Node::Assert(Assert::TextStart),
            b'$' if self.has(Options::MULTILINE) => Node::Assert(Assert::LineEnd),
            b'$' => Node::Assert(Assert::TextEndOrNewline),
            b'.' if self.has(Options::SINGLELINE) => self.set(CharSet::any()),
            b'.' => self.set(CharSet::not_newline()),
            b'\\' => self.backslash()?,
            _ => self.unit(unit),
        }))
    }

    fn unit(&self, unit: u16) -> Node {
        let ci = self.has(Options::IGNORE_CASE);
        let unit = if ci { unit_to_lower(unit) } else { unit };
        Node::One(One::Unit { unit, ci })
    }

    fn set(&self, set: CharSet) -> Node {
        let ci = self.has(Options::IGNORE_CASE);
        let set = set.frozen(ci).into();
        Node::One(One::Set { set, ci })
    }

    /// Comments, and white space with IgnorePatternWhitespace.
    fn skip_blank(&mut self) -> Result<(), Error> {
        let spaced = self.has(Options::IGNORE_PATTERN_WHITESPACE);
        loop {
            match self.peek() {
                Some(unit) if spaced && is_blank(unit) => self.at += 1,
                Some(unit) if spaced && unit == u16::from(b'#') => {
                    while self.peek().is_some_and(|u| u != 0x0a) {
                        self.at += 1;
                    }
                }
                Some(unit)
                    if unit == u16::from(b'(')
                        && self.peek_at(1) == Some(u16::from(b'?'))
                        && self.peek_at(2) == Some(u16::from(b'#')) =>
                {
                    while self.peek().is_some_and(|u| u != u16::from(b')')) {
                        self.at += 1;
                    }
                    if !self.eat(b')') {
                        return Err(self.error("Unterminated (?#...) comment."));
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn is_quantifier(&self) -> bool {
        match self.peek().map(|u| u8::try_from(u).unwrap_or(0)) {
            Some(b'*' | b'+' | b'?') => true,
            Some(b'{') => self.is_counted(),
            _ => false,
        }
    }

    /// `{n}`, `{n,}` or `{n,m}`; any other brace is text.
    fn is_counted(&self) -> bool {
        let mut at = self.at + 1;
        let digits = |at: &mut usize| {
            let from = *at;
            while self.units.get(*at).is_some_and(|u| is_digit(*u)) {
                *at += 1;
            }
            *at > from
        };
        if !digits(&mut at) {
            return false;
        }
        if self.units.get(at) == Some(&u16::from(b',')) {
            at += 1;
            digits(&mut at);
        }
        self.units.get(at) == Some(&u16::from(b'}'))
    }

    fn quantifier(&mut self) -> Result<Option<Quantifier>, Error> {
        if !self.is_quantifier() {
            return Ok(None);
        }
        let (min, max) = match self.next().map(|u| u8::try_from(u).unwrap_or(0)) {
            Some(b'*') => (0, u32::MAX),
            Some(b'+') => (1, u32::MAX),
            Some(b'?') => (0, 1),
            _ => self.counts()?,
        };
        self.skip_blank()?;
        let lazy = self.eat(b'?');
        if min > max {
            return Err(self.error("Illegal {x,y} with x > y."));
        }
        Ok(Some(Quantifier { min, max, lazy }))
    }

    fn counts(&mut self) -> Result<(u32, u32), Error> {
        let min = self.decimal()?;
        let max = if self.eat(b',') {
            if self.peek() == Some(u16::from(b'}')) {
                u32::MAX
            } else {
                self.decimal()?
            }
        } else {
            min
        };
        self.eat(b'}');
        Ok((min, max))
    }

    fn decimal(&mut self) -> Result<u32, Error> {
        let mut value = 0u32;
        while let Some(unit) = self.peek().filter(|u| is_digit(*u)) {
            self.at += 1;
            let next = value
                .saturating_mul(10)
                .saturating_add(u32::from(unit - u16::from(b'0')));
            if next > i32::MAX as u32 {
                return Err(self.error("Capture group numbers must be less than or equal to Int32.MaxValue."));
            }
            value = next;
        }
        Ok(value)
    }
}

fn is_digit(unit: u16) -> bool {
    (u16::from(b'0')..=u16::from(b'9')).contains(&unit)
}

fn is_blank(unit: u16) -> bool {
    matches!(unit, 0x09..=0x0d | 0x20)
}
