//! What can follow an opening parenthesis.

use crate::Error;

use super::super::{Options, charset, node::Node};
use super::{Parser, is_digit};

const UNRECOGNIZED: &str = "Unrecognized grouping construct.";

impl Parser<'_> {
    /// A group whose `(` has been read; `None` for `(?i)`.
    pub(super) fn group(&mut self) -> Result<Option<Node>, Error> {
        let no_options = std::mem::take(&mut self.no_options);
        let node = self.group_in(no_options);
        self.no_options = no_options;
        node
    }

    fn group_in(&mut self, no_options: bool) -> Result<Option<Node>, Error> {
        let outer = self.options;
        if !self.eat(b'?') {
            let slot = self.unnamed_slot();
            let body = self.body(outer)?;
            return Ok(Some(match slot {
                Some(slot) => capture(Some(slot), None, body),
                None => body,
            }));
        }
        let node = match self.next().map(|u| u8::try_from(u).unwrap_or(0)) {
            Some(b':') => self.body(outer)?,
            Some(b'=') => self.look(false, false, outer)?,
            Some(b'!') => self.look(false, true, outer)?,
            Some(b'>') => Node::Atomic(Box::new(self.body(outer)?)),
            Some(b'<') if self.eat(b'=') => self.look(true, false, outer)?,
            Some(b'<') if self.eat(b'!') => self.look(true, true, outer)?,
            Some(b'<') => self.named(b'>', outer)?,
            Some(b'\'') => self.named(b'\'', outer)?,
            Some(b'(') => self.condition(outer)?,
            None => return Err(self.error(UNRECOGNIZED)),
            Some(_) => {
                self.at -= 1;
                if !no_options {
                    self.scan_options();
                }
                match self.next().map(|u| u8::try_from(u).unwrap_or(0)) {
                    Some(b')') => return Ok(None),
                    Some(b':') => self.body(outer)?,
                    _ => return Err(self.error(UNRECOGNIZED)),
                }
            }
        };
        Ok(Some(node))
    }

    fn unnamed_slot(&mut self) -> Option<usize> {
        if self.has(Options::EXPLICIT_CAPTURE) {
            return None;
        }
        let slot = self.groups.slot_of_number(self.next_unnamed);
        self.next_unnamed += 1;
        slot
    }

    /// The branches of a group and its closing parenthesis; then the outer options hold again.
    fn body(&mut self, outer: Options) -> Result<Node, Error> {
        let body = self.alternation()?;
        if !self.eat(b')') {
            return Err(self.error("Not enough )'s."));
        }
        self.options = outer;
        Ok(body)
    }

    fn look(&mut self, behind: bool, negative: bool, outer: Options) -> Result<Node, Error> {
        let body = Box::new(self.body(outer)?);
        Ok(Node::Look {
            behind,
            negative,
            body,
        })
    }

    /// `(?<name>…)`, `(?<name-other>…)`, `(?<-other>…)`; numbers are names too.
    fn named(&mut self, close: u8, outer: Options) -> Result<Node, Error> {
        let Some(unit) = self.peek() else {
            return Err(self.error(UNRECOGNIZED));
        };
        let mut slot = None;
        if is_digit(unit) {
            let number = self.decimal()?;
            if number == 0 {
                return Err(self.error("Capture number cannot be zero."));
            }
            slot = self
                .groups
                .slot_of_number(i32::try_from(number).unwrap_or(i32::MAX));
            self.check_name_end(close)?;
        } else if charset::is_word(unit) {
            let name = self.name();
            slot = self.groups.slot_of_name(&name);
            self.check_name_end(close)?;
        } else if unit != u16::from(b'-') {
            return Err(self.error("Invalid group name: Group names must begin with a word character."));
        }
        let mut uncapture = None;
        if self.eat(b'-') {
            uncapture = Some(self.uncaptured(close)?);
        }
        if !self.eat(close) || (slot.is_none() && uncapture.is_none()) {
            return Err(self.error(UNRECOGNIZED));
        }
        let body = self.body(outer)?;
        Ok(capture(slot, uncapture, body))
    }

    fn check_name_end(&self, close: u8) -> Result<(), Error> {
        match self.peek() {
            None => Err(self.error(UNRECOGNIZED)),
            Some(unit) if unit == u16::from(close) || unit == u16::from(b'-') => Ok(()),
            Some(_) => Err(self.error("Invalid group name: Group names must begin with a word character.")),
        }
    }

    fn uncaptured(&mut self, close: u8) -> Result<usize, Error> {
        let invalid = "Invalid group name: Group names must begin with a word character.";
        let unit = self.peek().ok_or_else(|| self.error(UNRECOGNIZED))?;
        let slot = if is_digit(unit) {
            let number = self.decimal()?;
            self.groups
                .slot_of_number(i32::try_from(number).unwrap_or(i32::MAX))
                .ok_or_else(|| self.error(&format!("Reference to undefined group number {number}.")))?
        } else if charset::is_word(unit) {
            let name = self.name();
            self.groups
                .slot_of_name(&name)
                .ok_or_else(|| self.error(&format!("Reference to undefined group name '{name}'.")))?
        } else {
            return Err(self.error(invalid));
        };
        if self.peek().is_some_and(|u| u != u16::from(close)) {
            return Err(self.error(invalid));
        }
        Ok(slot)
    }

    /// A run of word units.
    pub(super) fn name(&mut self) -> String {
        let from = self.at;
        while self.peek().is_some_and(charset::is_word) {
            self.at += 1;
        }
        String::from_utf16_lossy(&self.units[from..self.at])
    }

    /// `imnsx-imnsx`, as far as it goes.
    pub(super) fn scan_options(&mut self) {
        let mut on = true;
        while let Some(unit) = self.peek() {
            let letter = u8::try_from(unit).unwrap_or(0).to_ascii_lowercase();
            let option = match letter {
                b'+' | b'-' => {
                    on = letter == b'+';
                    self.at += 1;
                    continue;
                }
                b'i' => Options::IGNORE_CASE,
                b'm' => Options::MULTILINE,
                b'n' => Options::EXPLICIT_CAPTURE,
                b's' => Options::SINGLELINE,
                b'x' => Options::IGNORE_PATTERN_WHITESPACE,
                _ => return,
            };
            self.options.set(option, on);
            self.at += 1;
        }
    }

    /// `(?(name)yes|no)`, `(?(1)yes|no)`, `(?(expression)yes|no)`; `(?(` has been read.
    fn condition(&mut self, outer: Options) -> Result<Node, Error> {
        if let Some(slot) = self.condition_group()? {
            let (yes, no) = self.branches(outer)?;
            return Ok(Node::IfCaptured { slot, yes, no });
        }
        let test = self.condition_test(outer)?;
        self.no_options = true;
        let branches = self.branches(outer);
        self.no_options = false;
        let (yes, no) = branches?;
        Ok(Node::IfMatches {
            test: Box::new(test),
            yes,
            no,
        })
    }

    /// The slot when the condition names a group; else nothing is consumed.
    fn condition_group(&mut self) -> Result<Option<usize>, Error> {
        let start = self.at;
        let Some(unit) = self.peek() else { return Ok(None) };
        if is_digit(unit) {
            let number = self.decimal()?;
            if !self.eat(b')') {
                self.at += 1;
                return Err(self.error(&format!("(?({number}) ) malformed.")));
            }
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            return match self.groups.slot_of_number(number) {
                Some(slot) => Ok(Some(slot)),
                None => Err(self.error(&format!("(?({number}) ) reference to undefined group."))),
            };
        }
        if charset::is_word(unit) {
            let name = self.name();
            if let Some(slot) = self.groups.slot_of_name(&name)
                && self.eat(b')')
            {
                return Ok(Some(slot));
            }
        }
        self.at = start;
        Ok(None)
    }

    /// The expression of a condition is a look-ahead, unless it says it is another kind of assertion.
    fn condition_test(&mut self, outer: Options) -> Result<Node, Error> {
        if self.peek() == Some(u16::from(b'?')) {
            match self.peek_at(1).map(|u| u8::try_from(u).unwrap_or(0)) {
                Some(b'#') => {
                    self.at -= 1;
                    return Err(self.error("Alternation conditions cannot be comments."));
                }
                Some(b'\'') => {
                    self.at -= 1;
                    return Err(self.error("Alternation conditions do not capture and cannot be named."));
                }
                Some(b'<')
                    if !matches!(
                        self.peek_at(2).map(|u| u8::try_from(u).unwrap_or(0)),
                        Some(b'=' | b'!')
                    ) =>
                {
                    self.at -= 1;
                    return Err(self.error("Alternation conditions do not capture and cannot be named."));
                }
                _ => {}
            }
            let inner = self.options;
            let test = self.group()?.unwrap_or(Node::Empty);
            self.options = inner;
            return Ok(test);
        }
        let inner = self.options;
        let test = self.body(outer)?;
        self.options = inner;
        Ok(Node::Look {
            behind: false,
            negative: false,
            body: Box::new(test),
        })
    }

    fn branches(&mut self, outer: Options) -> Result<(Box<Node>, Box<Node>), Error> {
        let body = self.alternation()?;
        let (yes, no) = match body {
            Node::Alternate(mut branches) if branches.len() == 2 => {
                let no = branches.pop().unwrap_or(Node::Empty);
                (branches.pop().unwrap_or(Node::Empty), no)
            }
            Node::Alternate(_) => {
                self.eat(b')');
                return Err(self.error("Too many | in (?()|)."));
            }
            yes => (yes, Node::Empty),
        };
        if !self.eat(b')') {
            return Err(self.error("Not enough )'s."));
        }
        self.options = outer;
        Ok((Box::new(yes), Box::new(no)))
    }
}

fn capture(slot: Option<usize>, uncapture: Option<usize>, body: Node) -> Node {
    Node::Capture {
        slot,
        uncapture,
        body: Box::new(body),
    }
}
