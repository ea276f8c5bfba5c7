//! `JsonTextReader`: JSON text to tokens.
//!
//! The states and the order of checks are the original's, because what an error says and where it stands
//! depends on them.

use std::rc::Rc;

use num_bigint::BigInt;

use super::{MAX_DEPTH, MAX_INTEGER_DIGITS, Scalar, date, path::path_step, too_deep};
use crate::{Error, ExceptionKind, Str};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    None,
    Object,
    Array,
    Constructor,
}

impl Container {
    fn name(self) -> &'static str {
        match self {
            Container::None => "None",
            Container::Object => "Object",
            Container::Array => "Array",
            Container::Constructor => "Constructor",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Start,
    /// A value must come: after a colon, a comma in an array, or an opening bracket.
    Value,
    /// A property or the end must come; `true` right after the opening brace.
    Object,
    PostValue,
    Finished,
}

/// One level of nesting.
#[derive(Debug)]
struct Level {
    kind: Container,
    index: i64,
    name: Option<Str>,
}

const NOWHERE: Level = Level {
    kind: Container::None,
    index: -1,
    name: None,
};

pub(super) enum Tok {
    Start(Container, Str),
    End,
    Name(Str),
    Value(Scalar),
    Comment(Str),
}

pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    line_start: usize,
    pub(super) state: State,
    /// The opening bracket was the last token: the path does not include the level yet.
    fresh: bool,
    stack: Vec<Level>,
    level: Level,
    /// Reads as the deserializer does: `undefined` is null, a name that comes again moves to the end, and
    /// the end of the text after an element closes its arrays.
    pub(super) deserializing: bool,
    /// Strings stay strings and numbers with a fraction keep their text (`Scalar::Raw`), for [`restore`](super::restore).
    pub(super) literal: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Reader {
            text,
            at: 0,
            line: 1,
            line_start: 0,
            state: State::Start,
            fresh: false,
            stack: Vec::new(),
            level: NOWHERE,
            deserializing: false,
            literal: false,
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The character here; NUL at the end, as the original's buffer has it.
    fn char(&self) -> char {
        self.text[self.at..].chars().next().unwrap_or('\0')
    }

    fn path(&self) -> String {
        let mut out = String::new();
        let current = Some(&self.level).filter(|_| !self.fresh);
        for level in self.stack.iter().chain(current) {
            match (&level.kind, &level.name) {
                (Container::Object, Some(name)) => path_step(&mut out, &name.to_lossy()),
                (Container::Array | Container::Constructor, _) if level.index >= 0 => {
                    out.push_str(&format!("[{}]", level.index));
                }
                _ => {}
            }
        }
        out
    }

    /// A `JsonReaderException` at the current place.
    pub(super) fn error(&self, message: &str) -> Error {
        let column = crate::text::utf16_len(&self.text[self.line_start..self.at]);
        let line = if self.state == State::Start && column == 0 {
            0
        } else {
            self.line
        };
        let message = message.trim();
        let stop = if message.ends_with('.') { "" } else { "." };
        Error::new(
            ExceptionKind::JsonReaderException,
            format!(
                "{message}{stop} Path '{}', line {line}, position {column}.",
                self.path()
            ),
        )
    }

    fn new_line(&mut self) {
        let cr = self.byte() == Some(b'\r');
        self.at += 1;
        if cr && self.byte() == Some(b'\n') {
            self.at += 1;
        }
        self.line += 1;
        self.line_start = self.at;
    }

    fn skip_white(&mut self) {
        while let Some(b) = self.byte() {
            match b {
                b' ' | b'\t' => self.at += 1,
                b'\r' | b'\n' => self.new_line(),
                _ => {
                    let c = self.char();
                    if !c.is_whitespace() {
                        return;
                    }
                    self.at += c.len_utf8();
                }
            }
        }
    }

    /// The next token; `None` at the end.
    pub(super) fn read(&mut self) -> Result<Option<Tok>, Error> {
        loop {
            match self.state {
                State::Start | State::Value => return self.value(),
                State::Object => return self.property(),
                State::PostValue => {
                    if let Some(token) = self.post_value()? {
                        return Ok(Some(token));
                    }
                }
                State::Finished => return self.finished(),
            }
        }
    }

    fn finished(&mut self) -> Result<Option<Tok>, Error> {
        self.skip_white();
        match self.byte() {
            None => Ok(None),
            Some(b'/') => self.comment().map(|c| Some(Tok::Comment(c))),
            Some(_) => {
                let c = self.char();
                Err(self.error(&format!(
                    "Additional text encountered after finished reading JSON content: {c}."
                )))
            }
        }
    }

    /// After a value: its container's end, a comment, or `None` after a comma or at the end of the text.
    fn post_value(&mut self) -> Result<Option<Tok>, Error> {
        self.skip_white();
        match self.byte() {
            None => {
                self.state = State::Finished;
                Ok(None)
            }
            Some(b'}') => self.end(Container::Object),
            Some(b']') => self.end(Container::Array),
            Some(b')') => self.end(Container::Constructor),
            Some(b'/') => self.comment().map(|c| Some(Tok::Comment(c))),
            Some(b',') => {
                self.at += 1;
                self.state = if self.level.kind == Container::Object {
                    State::Object
                } else {
                    State::Value
                };
                Ok(None)
            }
            Some(_) => {
                let c = self.char();
                Err(self.error(&format!(
                    "After parsing a value an unexpected character was encountered: {c}."
                )))
            }
        }
    }

    fn start(&mut self, kind: Container, name: Str) -> Result<Option<Tok>, Error> {
        self.at += usize::from(kind != Container::Constructor);
        self.count_value();
        if self.stack.len() >= MAX_DEPTH {
            return Err(too_deep());
        }
        let outer = std::mem::replace(&mut self.level, Level { kind, ..NOWHERE });
        if outer.kind != Container::None {
            self.stack.push(outer);
        }
        self.state = if kind == Container::Object {
            State::Object
        } else {
            State::Value
        };
        self.fresh = true;
        Ok(Some(Tok::Start(kind, name)))
    }

    fn end(&mut self, kind: Container) -> Result<Option<Tok>, Error> {
        self.at += 1;
        let open = std::mem::replace(&mut self.level, self.stack.pop().unwrap_or(NOWHERE));
        if open.kind != kind {
            let message = format!(
                "JsonToken End{} is not valid for closing JsonType {}.",
                kind.name(),
                open.kind.name()
            );
            return Err(self.error(&message));
        }
        self.fresh = false;
        self.after_value();
        Ok(Some(Tok::End))
    }

    fn after_value(&mut self) {
        self.state = if self.level.kind == Container::None {
            State::Finished
        } else {
            State::PostValue
        };
    }

    fn count_value(&mut self) {
        if matches!(self.level.kind, Container::Array | Container::Constructor) {
            self.level.index += 1;
        }
    }

    /// Notes that a value has been read.
    fn done(&mut self) {
        self.count_value();
        self.fresh = false;
        self.after_value();
    }

    fn value(&mut self) -> Result<Option<Tok>, Error> {
        self.skip_white();
        let Some(b) = self.byte() else { return Ok(None) };
        let scalar = match b {
            b'"' | b'\'' => {
                self.at += 1;
                let text = self.string(char::from(b))?;
                self.done();
                match text.as_str().and_then(date::detect).filter(|_| !self.literal) {
                    Some(date) => Scalar::Date(date),
                    None => Scalar::String(text),
                }
            }
            b't' => self.word("true", "boolean", Scalar::Bool(true))?,
            b'f' => self.word("false", "boolean", Scalar::Bool(false))?,
            b'n' => match self.text.as_bytes().get(self.at + 1) {
                None => {
                    self.at += 1;
                    return Err(self.error("Unexpected end when reading JSON."));
                }
                Some(b'u') => self.word("null", "null", Scalar::Null)?,
                Some(b'e') => return self.constructor(),
                Some(_) => return Err(self.unexpected()),
            },
            b'u' => self.word("undefined", "undefined", Scalar::Undefined)?,
            b'N' => self.word("NaN", "NaN", Scalar::Float(f64::NAN))?,
            b'I' => self.word("Infinity", "Infinity", Scalar::Float(f64::INFINITY))?,
            b'-' if self.text.as_bytes().get(self.at + 1) == Some(&b'I') => {
                self.word("-Infinity", "-Infinity", Scalar::Float(f64::NEG_INFINITY))?
            }
            b'/' => return self.comment().map(|c| Some(Tok::Comment(c))),
            b'{' => return self.start(Container::Object, Str::EMPTY),
            b'[' => return self.start(Container::Array, Str::EMPTY),
            b']' => return self.end(Container::Array),
            b')' => return self.end(Container::Constructor),
            b',' => {
                // The comma stays: the next read sees it after this missing value.
                self.done();
                Scalar::Undefined
            }
            b'0'..=b'9' | b'-' | b'.' => self.number()?,
            _ => return Err(self.unexpected()),
        };
        Ok(Some(Tok::Value(scalar)))
    }

    fn unexpected(&self) -> Error {
        self.error(&format!(
            "Unexpected character encountered while parsing value: {}.",
            self.char()
        ))
    }

    fn word(&mut self, word: &str, what: &str, value: Scalar) -> Result<Scalar, Error> {
        let rest = &self.text.as_bytes()[self.at..];
        if rest.len() < word.len() {
            self.at = self.text.len();
            return Err(self.error("Unexpected end when reading JSON."));
        }
        let same = rest
            .iter()
            .zip(word.bytes())
            .take_while(|(a, b)| **a == *b)
            .count();
        let separated = match rest.get(same) {
            None | Some(b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' | 0) => true,
            Some(b'/') => matches!(rest.get(same + 1), Some(b'/' | b'*')),
            Some(b')') => self.level.kind == Container::Constructor,
            Some(b) => !b.is_ascii() && self.text[self.at + same..].starts_with(char::is_whitespace),
        };
        self.at += same;
        if same < word.len() || !separated {
            return Err(self.error(&format!("Error parsing {what} value.")));
        }
        self.done();
        Ok(value)
    }

    fn constructor(&mut self) -> Result<Option<Tok>, Error> {
        let Some(rest) = self.text[self.at..].strip_prefix("new") else {
            return Err(self.error("Unexpected content while parsing JSON."));
        };
        let blanks = rest.len() - rest.trim_start().len();
        if blanks == 0 {
            return Err(self.error("Unexpected content while parsing JSON."));
        }
        self.at += 3;
        self.skip_white();
        let rest = &self.text[self.at..];
        let len = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let name = Str::new(&rest[..len]);
        self.at += len;
        self.skip_white();
        if self.byte() != Some(b'(') {
            if self.byte().is_none() {
                return Err(self.error("Unexpected end while parsing constructor."));
            }
            let c = self.char();
            return Err(self.error(&format!("Unexpected character while parsing constructor: {c}.")));
        }
        self.at += 1;
        self.start(Container::Constructor, name)
    }

    fn comment(&mut self) -> Result<Str, Error> {
        const END: &str = "Unexpected end while parsing comment.";
        self.fresh = false;
        self.at += 1;
        if self.at + 1 >= self.text.len() {
            return Err(self.error(END));
        }
        let single = match self.byte() {
            Some(b'*') => false,
            Some(b'/') => true,
            _ => {
                let c = self.char();
                return Err(self.error(&format!("Error parsing comment. Expected: *, got {c}.")));
            }
        };
        self.at += 1;
        let start = self.at;
        loop {
            match self.byte() {
                None if single => break,
                None => return Err(self.error(END)),
                Some(b'\r' | b'\n') if single => break,
                Some(b'\r' | b'\n') => self.new_line(),
                Some(b'*') if !single && self.text.as_bytes().get(self.at + 1) == Some(&b'/') => break,
                Some(_) => self.at += 1,
            }
        }
        let text = Str::new(&self.text[start..self.at]);
        self.at += if single { 0 } else { 2 };
        if self.state == State::Start {
            // A comment before any content is a token like another; reading starts anew after it.
            self.state = State::Value;
        }
        Ok(text)
    }

    fn property(&mut self) -> Result<Option<Tok>, Error> {
        self.skip_white();
        match self.byte() {
            None => return Ok(None),
            Some(b'}') => return self.end(Container::Object),
            Some(b'/') => return self.comment().map(|c| Some(Tok::Comment(c))),
            Some(_) => {}
        }
        let first = self.char();
        let name = if first == '"' || first == '\'' {
            self.at += 1;
            self.string(first)?
        } else if identifier(first) {
            self.bare_name()?
        } else {
            return Err(self.error(&format!("Invalid property identifier character: {first}.")));
        };
        self.skip_white();
        if self.byte() != Some(b':') {
            let c = self.char();
            let message =
                format!("Invalid character after parsing property name. Expected ':' but got: {c}.");
            return Err(self.error(&message));
        }
        self.at += 1;
        self.state = State::Value;
        self.fresh = false;
        self.level.name = Some(name.clone());
        Ok(Some(Tok::Name(name)))
    }

    fn bare_name(&mut self) -> Result<Str, Error> {
        let rest = &self.text[self.at..];
        let len = rest.find(|c: char| !identifier(c)).unwrap_or(rest.len());
        let name = Str::new(&rest[..len]);
        self.at += len;
        match self.text[self.at..].chars().next() {
            None => Err(self.error("Unexpected end while parsing unquoted property name.")),
            Some(c) if c == ':' || c.is_whitespace() => Ok(name),
            Some(c) => Err(self.error(&format!("Invalid JavaScript property identifier character: {c}."))),
        }
    }

    /// The rest of a string whose quote has been read.
    fn string(&mut self, quote: char) -> Result<Str, Error> {
        let mut text = String::new();
        let mut run = self.at;
        let q = quote as u8;
        loop {
            match self.byte() {
                None => return Err(self.error(&format!("Unterminated string. Expected delimiter: {quote}."))),
                Some(b) if b == q => {
                    let last = &self.text[run..self.at];
                    self.at += 1;
                    return Ok(if text.is_empty() {
                        Str::new(last)
                    } else {
                        Str::from(text + last)
                    });
                }
                Some(b'\\') => {
                    text.push_str(&self.text[run..self.at]);
                    self.at += 1;
                    let c = self.escape(quote)?;
                    text.push(c);
                    run = self.at;
                }
                Some(b'\r' | b'\n') => self.new_line(),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self, quote: char) -> Result<char, Error> {
        let Some(b) = self.byte() else {
            return Err(self.error(&format!("Unterminated string. Expected delimiter: {quote}.")));
        };
        let simple = match b {
            b'b' => '\u{8}',
            b't' => '\t',
            b'n' => '\n',
            b'f' => '\u{c}',
            b'r' => '\r',
            b'\\' | b'"' | b'\'' | b'/' => char::from(b),
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            _ => {
                let c = self.char();
                self.at += c.len_utf8();
                return Err(self.error(&format!("Bad JSON escape sequence: \\{c}.")));
            }
        };
        self.at += 1;
        Ok(simple)
    }

    fn hex4(&mut self) -> Result<u32, Error> {
        let Some(four) = self
            .text
            .as_bytes()
            .get(self.at..self.at + 4)
            .filter(|_| self.at + 4 < self.text.len())
        else {
            return Err(self.error("Unexpected end while parsing Unicode escape sequence."));
        };
        if !four.iter().all(u8::is_ascii_hexdigit) {
            let shown: String = self.text[self.at..].chars().take(4).collect();
            return Err(self.error(&format!("Invalid Unicode escape sequence: \\u{shown}.")));
        }
        let value = four
            .iter()
            .fold(0, |v, b| v * 16 + char::from(*b).to_digit(16).unwrap_or(0));
        self.at += 4;
        Ok(value)
    }

    /// After `\u`. A surrogate without partner becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, Error> {
        let unit = self.hex4()?;
        if !(0xD800..0xDC00).contains(&unit) {
            return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if !self.text[self.at..].starts_with("\\u") {
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let saved = self.at;
        self.at += 2;
        let low = self.hex4()?;
        if !(0xDC00..0xE000).contains(&low) {
            self.at = saved;
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let code = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn number(&mut self) -> Result<Scalar, Error> {
        let start = self.at;
        loop {
            match self.byte() {
                Some(b'-' | b'+' | b'.' | b'x' | b'X' | b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                    self.at += 1
                }
                None | Some(b',' | b'}' | b']' | b')' | b'/') => break,
                Some(_) if self.char().is_whitespace() => break,
                Some(_) => {
                    let c = self.char();
                    return Err(self.error(&format!(
                        "Unexpected character encountered while parsing number: {c}."
                    )));
                }
            }
        }
        let text = &self.text[start..self.at];
        self.done();
        self.number_value(text)
    }

    fn number_value(&self, text: &str) -> Result<Scalar, Error> {
        let bad = || self.error(&format!("Input string '{text}' is not a valid number."));
        let bytes = text.as_bytes();
        if bytes.len() > 1 && bytes[0] == b'0' && !matches!(bytes[1], b'.' | b'e' | b'E') {
            let hex = text.strip_prefix("0x").or(text.strip_prefix("0X"));
            let (digits, radix) = hex.map_or((text, 8), |h| (h, 16));
            let value = u64::from_str_radix(digits, radix).map_err(|_| bad())?;
            return Ok(Scalar::Integer(value as i64));
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            if let Ok(value) = text.parse() {
                return Ok(Scalar::Integer(value));
            }
            if text.len() > MAX_INTEGER_DIGITS {
                return Err(self.error(&format!("JSON integer {text} is too large to parse.")));
            }
            return text
                .parse::<BigInt>()
                .map(|b| Scalar::Big(Rc::new(b)))
                .map_err(|_| bad());
        }
        let styles = crate::number::NumberStyles(167);
        let value = crate::number::parse_double(text, styles).map_err(|_| bad())?;
        Ok(if self.literal {
            Scalar::Raw(crate::Str::new(text))
        } else {
            Scalar::Float(value)
        })
    }
}

fn identifier(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}
