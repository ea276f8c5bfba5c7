//! Bracketed classes, with ranges, escapes and subtraction.

use crate::Error;

use super::super::charset::CharSet;
use super::{MAX_NESTING, Parser};

/// An element of a class: one unit, or something that cannot end a range.
enum Item {
    Unit(u16),
    Class,
    Subtraction,
}

impl Parser<'_> {
    /// A class whose `[` has been read.
    pub(super) fn class(&mut self) -> Result<CharSet, Error> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(Error::budget("nesting of a regular expression"));
        }
        let mut set = CharSet::default();
        set.negated = self.eat(b'^');
        let mut first = true;
        loop {
            match self.peek() {
                None => return Err(self.error("Unterminated [] set.")),
                Some(unit) if unit == u16::from(b']') && !first => break,
                Some(_) => {}
            }
            let Item::Unit(low) = self.class_item(&mut set, first)? else {
                first = false;
                continue;
            };
            first = false;
            self.range(&mut set, low)?;
        }
        self.at += 1;
        self.depth -= 1;
        Ok(set)
    }

    /// Adds what starts with the unit `low`: itself, or a range.
    fn range(&mut self, set: &mut CharSet, low: u16) -> Result<(), Error> {
        let is_range =
            self.peek() == Some(u16::from(b'-')) && self.peek_at(1).is_some_and(|u| u != u16::from(b']'));
        if !is_range {
            set.add(low, low);
            return Ok(());
        }
        self.at += 1;
        if self.peek() == Some(u16::from(b'[')) {
            // `a-[…]`: the hyphen starts a subtraction, the unit stands alone.
            set.add(low, low);
            self.at += 1;
            return self.subtraction(set);
        }
        match self.range_end()? {
            high if high < low => Err(self.error("[x-y] range in reverse order.")),
            high => {
                set.add(low, high);
                Ok(())
            }
        }
    }

    fn range_end(&mut self) -> Result<u16, Error> {
        let unit = self.next().unwrap_or_default();
        if unit != u16::from(b'\\') {
            return Ok(unit);
        }
        match self.peek().map(|u| u8::try_from(u).unwrap_or(0)) {
            Some(letter @ (b'w' | b'W' | b's' | b'S' | b'd' | b'D' | b'p' | b'P')) => {
                self.at += 1;
                Err(self.error(&format!(
                    "Cannot include class \\\\{} in character range.",
                    char::from(letter)
                )))
            }
            Some(b'-') => {
                self.at += 1;
                Ok(u16::from(b'-'))
            }
            _ => self.char_escape(),
        }
    }

    fn subtraction(&mut self, set: &mut CharSet) -> Result<(), Error> {
        let other = self.class()?;
        set.subtract(other);
        if self.peek().is_some_and(|u| u != u16::from(b']')) {
            return Err(self.error("A subtraction must be the last element in a character class."));
        }
        Ok(())
    }

    fn class_item(&mut self, set: &mut CharSet, first: bool) -> Result<Item, Error> {
        let unit = self.next().unwrap_or_default();
        if unit == u16::from(b'-') && !first && self.peek() == Some(u16::from(b'[')) {
            self.at += 1;
            self.subtraction(set)?;
            return Ok(Item::Subtraction);
        }
        if unit != u16::from(b'\\') {
            return Ok(Item::Unit(unit));
        }
        match self.peek().map(|u| u8::try_from(u).unwrap_or(0)) {
            Some(b'w' | b'W' | b's' | b'S' | b'd' | b'D' | b'p' | b'P') => {
                self.class_escape(set)?;
                Ok(Item::Class)
            }
            Some(b'-') => {
                self.at += 1;
                set.add(u16::from(b'-'), u16::from(b'-'));
                Ok(Item::Class)
            }
            None => Err(self.error("Unterminated [] set.")),
            _ => Ok(Item::Unit(self.char_escape()?)),
        }
    }
}
