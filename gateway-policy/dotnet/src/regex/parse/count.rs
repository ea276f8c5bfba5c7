//! The first pass: which groups a pattern has, and their numbers.
//!
//! Unnamed groups are numbered first, left to right; named ones follow, in order of their first
//! appearance, unless the name is itself a number.

use std::collections::BTreeSet;

use crate::Error;

use super::super::{Groups, Options, charset};
use super::{Parser, is_digit};

/// Counts the groups of a pattern.
pub(super) fn groups(units: &[u16], options: Options) -> Result<Groups, Error> {
    let mut counter = Counter {
        parser: Parser {
            units,
            at: 0,
            options,
            groups: Groups::default(),
            next_unnamed: 1,
            depth: 0,
            no_options: false,
        },
        numbers: BTreeSet::from([0]),
        names: Vec::new(),
        outer: Vec::new(),
        condition: false,
    };
    counter.run()?;
    Ok(counter.finish())
}

struct Counter<'a> {
    parser: Parser<'a>,
    numbers: BTreeSet<i32>,
    names: Vec<String>,
    /// Options to return to at each closing parenthesis.
    outer: Vec<Options>,
    /// The next parenthesis opens the condition of `(?(…)…)` and captures nothing.
    condition: bool,
}

impl Counter<'_> {
    fn run(&mut self) -> Result<(), Error> {
        while let Some(unit) = self.parser.next() {
            match u8::try_from(unit).unwrap_or(0) {
                b'\\' => self.parser.at += 1,
                b'[' => self.skip_class(),
                b')' => {
                    if let Some(options) = self.outer.pop() {
                        self.parser.options = options;
                    }
                }
                b'#' if self.parser.has(Options::IGNORE_PATTERN_WHITESPACE) => {
                    self.parser.at -= 1;
                    self.parser.skip_blank()?;
                }
                b'(' => self.open()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn skip_class(&mut self) {
        let parser = &mut self.parser;
        let start = parser.at;
        let mut depth = 1usize;
        while let Some(unit) = parser.next() {
            match u8::try_from(unit).unwrap_or(0) {
                b'\\' => parser.at += 1,
                b'[' if parser.at >= 2 && parser.units.get(parser.at - 2) == Some(&u16::from(b'-')) => {
                    depth += 1
                }
                b']' => {
                    let first = parser.at - 1 == start
                        || (parser.at - 1 == start + 1 && parser.units[start] == u16::from(b'^'));
                    if !first {
                        depth -= 1;
                    }
                    if depth == 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    fn open(&mut self) -> Result<(), Error> {
        let parser = &mut self.parser;
        if parser.peek() == Some(u16::from(b'?')) && parser.peek_at(1) == Some(u16::from(b'#')) {
            parser.at -= 1;
            return parser.skip_blank();
        }
        self.outer.push(parser.options);
        let condition = std::mem::take(&mut self.condition);
        if !parser.eat(b'?') {
            if !condition && !parser.has(Options::EXPLICIT_CAPTURE) {
                self.numbers.insert(parser.next_unnamed);
                parser.next_unnamed += 1;
            }
            return Ok(());
        }
        match parser.peek().map(|u| u8::try_from(u).unwrap_or(0)) {
            Some(b'<' | b'\'') => self.named(),
            Some(b'(') => {
                self.condition = true;
                Ok(())
            }
            _ => {
                parser.scan_options();
                if parser.peek() == Some(u16::from(b')')) {
                    // `(?i)`: the options hold to the end of the enclosing group.
                    parser.at += 1;
                    self.outer.pop();
                }
                Ok(())
            }
        }
    }

    fn named(&mut self) -> Result<(), Error> {
        let parser = &mut self.parser;
        parser.at += 1;
        let Some(unit) = parser.peek() else { return Ok(()) };
        if is_digit(unit) && unit != u16::from(b'0') {
            let number = parser.decimal()?;
            self.numbers.insert(i32::try_from(number).unwrap_or(i32::MAX));
        } else if charset::is_word(unit) && !is_digit(unit) {
            let name = parser.name();
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
        Ok(())
    }

    fn finish(self) -> Groups {
        let mut taken: Vec<(i32, String)> = self.numbers.iter().map(|n| (*n, n.to_string())).collect();
        let mut next = self.parser.next_unnamed;
        for name in self.names {
            while self.numbers.contains(&next) {
                next += 1;
            }
            taken.push((next, name));
            next += 1;
        }
        taken.sort();
        let (numbers, names) = taken.into_iter().unzip();
        Groups { numbers, names }
    }
}
