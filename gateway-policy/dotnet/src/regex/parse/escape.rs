//! Backslash escapes, outside and inside of classes.

use crate::{Error, text::Str};

use super::super::{
    Groups, Options,
    charset::{self, CharSet, Class, DIGITS, Property, WORD},
    node::{Assert, Node},
};
use super::{Parser, is_digit};

impl Parser<'_> {
    /// An escape outside a class; the backslash has been read.
    pub(super) fn backslash(&mut self) -> Result<Node, Error> {
        let Some(unit) = self.peek() else {
            return Err(self.error("Illegal \\\\ at end of pattern."));
        };
        let ecma = self.has(Options::ECMA_SCRIPT);
        let assert = match u8::try_from(unit).unwrap_or(0) {
            b'b' if ecma => Assert::EcmaBoundary,
            b'b' => Assert::Boundary,
            b'B' if ecma => Assert::NotEcmaBoundary,
            b'B' => Assert::NotBoundary,
            b'A' => Assert::TextStart,
            b'G' => Assert::ScanStart,
            b'Z' => Assert::TextEndOrNewline,
            b'z' => Assert::TextEnd,
            b'w' | b'W' | b's' | b'S' | b'd' | b'D' | b'p' | b'P' => {
                let mut set = CharSet::default();
                self.class_escape(&mut set)?;
                return Ok(self.set(set));
            }
            _ => return self.basic_backslash(),
        };
        self.at += 1;
        Ok(Node::Assert(assert))
    }

    /// Adds `\w`, `\S`, `\p{…}` … to `set`; stands on the letter.
    pub(super) fn class_escape(&mut self, set: &mut CharSet) -> Result<(), Error> {
        let ecma = self.has(Options::ECMA_SCRIPT);
        let letter = self.next().and_then(|u| u8::try_from(u).ok()).unwrap_or(0);
        let negated = letter.is_ascii_uppercase();
        let ascii: &[(u16, u16)] = match letter.to_ascii_lowercase() {
            b'w' => &[
                (0x30, 0x39),
                (0x41, 0x5a),
                (0x5f, 0x5f),
                (0x61, 0x7a),
                (0x130, 0x130),
            ],
            b'd' => &[(0x30, 0x39)],
            b's' => &[(0x09, 0x0d), (0x20, 0x20)],
            _ => return self.property(set, negated),
        };
        if ecma && negated {
            set.add_complement(ascii);
        } else if ecma {
            for (first, last) in ascii {
                set.add(*first, *last);
            }
        } else {
            let class = match letter.to_ascii_lowercase() {
                b'w' => WORD,
                b'd' => DIGITS,
                _ => Class::Space,
            };
            set.add_class(class, negated);
        }
        Ok(())
    }

    fn property(&mut self, set: &mut CharSet, negated: bool) -> Result<(), Error> {
        if self.units.len() - self.at < 3 {
            return Err(self.error("Incomplete \\\\p{X} character escape."));
        }
        if !self.eat(b'{') {
            return Err(self.error("Malformed \\\\p{X} character escape."));
        }
        let from = self.at;
        while self
            .peek()
            .is_some_and(|u| charset::is_word(u) || u == u16::from(b'-'))
        {
            self.at += 1;
        }
        let name = String::from_utf16_lossy(&self.units[from..self.at]);
        if !self.eat(b'}') {
            return Err(self.error("Incomplete \\\\p{X} character escape."));
        }
        match charset::property(&name, self.has(Options::IGNORE_CASE)) {
            Some(Property::Class(class)) => set.add_class(class, negated),
            Some(Property::Block(first, last)) if negated => set.add_complement(&[(first, last)]),
            Some(Property::Block(first, last)) => set.add(first, last),
            None => return Err(self.error(&format!("Unknown property '{name}'."))),
        }
        Ok(())
    }

    /// Back-references and single units.
    fn basic_backslash(&mut self) -> Result<Node, Error> {
        let start = self.at;
        let Some(mut unit) = self.peek() else {
            return Err(self.error("Illegal \\\\ at end of pattern."));
        };
        let mut close = None;
        if unit == u16::from(b'k') {
            self.at += 1;
            close = self.open_bracket();
            if close.is_none() || self.peek().is_none() {
                self.at = start;
                return Err(self.error("Malformed \\\\k<...> named back reference."));
            }
            unit = self.peek().unwrap_or_default();
        } else if let Some(bracket) = self.open_bracket() {
            close = Some(bracket);
            unit = self.peek().unwrap_or_default();
        }
        let named = close.is_some();
        if named && is_digit(unit) {
            let number = self.decimal()?;
            if close.is_some_and(|c| self.eat(c)) {
                return match self.slot(number) {
                    Some(slot) => Ok(self.reference(slot)),
                    None => Err(self.error(&format!("Reference to undefined group number {number}."))),
                };
            }
        } else if !named && is_digit(unit) && unit != u16::from(b'0') {
            if let Some(node) = self.numbered_reference()? {
                return Ok(node);
            }
        } else if named && charset::is_word(unit) {
            let name = self.name();
            if close.is_some_and(|c| self.eat(c)) {
                return match self.groups.slot_of_name(&name) {
                    Some(slot) => Ok(self.reference(slot)),
                    None => Err(self.error(&format!("Reference to undefined group name '{name}'."))),
                };
            }
        }
        self.at = start;
        let unit = self.char_escape()?;
        Ok(self.unit(unit))
    }

    /// `<` or `'` after `\k` or a bare backslash: the bracket that must close it.
    fn open_bracket(&mut self) -> Option<u8> {
        let close = match self.peek().map(|u| u8::try_from(u).unwrap_or(0)) {
            Some(b'<') => b'>',
            Some(b'\'') => b'\'',
            _ => return None,
        };
        self.at += 1;
        Some(close)
    }

    fn slot(&self, number: u32) -> Option<usize> {
        self.groups.slot_of_number(i32::try_from(number).ok()?)
    }

    fn reference(&self, slot: usize) -> Node {
        Node::Backreference {
            slot,
            ci: self.has(Options::IGNORE_CASE),
            ecma: self.has(Options::ECMA_SCRIPT),
        }
    }

    /// `\12`: a group of that number, or octal. ECMAScript takes the longest prefix that is a group.
    fn numbered_reference(&mut self) -> Result<Option<Node>, Error> {
        let start = self.at;
        if self.has(Options::ECMA_SCRIPT) {
            let mut best = None;
            let mut number = 0u32;
            while let Some(digit) = self.peek().filter(|u| is_digit(*u)) {
                number = number
                    .saturating_mul(10)
                    .saturating_add(u32::from(digit - u16::from(b'0')));
                self.at += 1;
                match self.slot(number) {
                    Some(slot) => best = Some((slot, self.at)),
                    None => break,
                }
            }
            if let Some((slot, end)) = best {
                self.at = end;
                return Ok(Some(self.reference(slot)));
            }
            self.at = start;
            return Ok(None);
        }
        let number = self.decimal()?;
        if let Some(slot) = self.slot(number) {
            return Ok(Some(self.reference(slot)));
        }
        if number <= 9 {
            return Err(self.error(&format!("Reference to undefined group number {number}.")));
        }
        self.at = start;
        Ok(None)
    }

    /// An escape for one unit; stands after the backslash.
    pub(super) fn char_escape(&mut self) -> Result<u16, Error> {
        let Some(unit) = self.next() else {
            return Err(self.error("Illegal \\\\ at end of pattern."));
        };
        let letter = u8::try_from(unit).unwrap_or(0);
        Ok(match letter {
            b'0'..=b'7' => {
                self.at -= 1;
                self.octal()
            }
            b'x' => self.hex(2)?,
            b'u' => self.hex(4)?,
            b'a' => 0x07,
            b'b' => 0x08,
            b'e' => 0x1b,
            b'f' => 0x0c,
            b'n' => 0x0a,
            b'r' => 0x0d,
            b't' => 0x09,
            b'v' => 0x0b,
            b'c' => self.control()?,
            _ if !self.has(Options::ECMA_SCRIPT) && charset::is_word(unit) => {
                return Err(self.error(&format!(
                    "Unrecognized escape sequence \\\\{}.",
                    String::from_utf16_lossy(&[unit])
                )));
            }
            _ => unit,
        })
    }

    fn octal(&mut self) -> u16 {
        let mut value = 0u16;
        for _ in 0..3 {
            let Some(digit) = self.peek().filter(|u| (0x30..0x38).contains(u)) else {
                break;
            };
            self.at += 1;
            value = value * 8 + (digit - 0x30);
            if self.has(Options::ECMA_SCRIPT) && value >= 0x20 {
                break;
            }
        }
        value & 0xff
    }

    fn hex(&mut self, count: usize) -> Result<u16, Error> {
        if self.units.len() - self.at < count {
            return Err(self.error("Insufficient hexadecimal digits."));
        }
        let mut value = 0u16;
        for _ in 0..count {
            let digit = self
                .next()
                .and_then(|u| char::from_u32(u32::from(u)))
                .and_then(|c| c.to_digit(16));
            match digit {
                Some(digit) => value = value.wrapping_mul(16).wrapping_add(digit as u16),
                None => return Err(self.error("Insufficient hexadecimal digits.")),
            }
        }
        Ok(value)
    }

    fn control(&mut self) -> Result<u16, Error> {
        let Some(unit) = self.next() else {
            return Err(self.error("Missing control character."));
        };
        let upper = u8::try_from(unit).unwrap_or(0).to_ascii_uppercase();
        if (b'@'..=b'_').contains(&upper) {
            return Ok(u16::from(upper - b'@'));
        }
        Err(self.error("Unrecognized control character."))
    }
}

/// `Regex.Unescape`
pub(in super::super) fn unescape(text: &Str) -> Result<Str, Error> {
    let units = text.to_utf16();
    let mut parser = Parser {
        units: &units,
        at: 0,
        options: Options::NONE,
        groups: Groups::default(),
        next_unnamed: 1,
        depth: 0,
        no_options: false,
    };
    let mut out = Vec::with_capacity(units.len());
    while let Some(unit) = parser.next() {
        out.push(if unit == u16::from(b'\\') {
            parser.char_escape()?
        } else {
            unit
        });
    }
    Ok(Str::from_utf16(&out))
}
