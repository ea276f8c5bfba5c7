//! `JsonTextWriter`: tokens and loose values to JSON text.

use std::fmt::Write as _;

use super::{MAX_DEPTH, Scalar, Token, date, token::Data, too_deep};
use crate::{
    Error, Str,
    number::{convert::to_base64, decimal_to_text, double_to_text, single_to_text},
    text::MAX_STRING_UNITS,
};

/// `Newtonsoft.Json.Formatting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the .NET enum under their own names")]
pub enum Formatting {
    #[default]
    None,
    Indented,
}

/// Spaces per level of indented text.
const INDENT: usize = 2;

/// Appends `text` as a JSON string with its quotes.
pub fn escape(text: &Str, out: &mut Vec<u16>) {
    out.push(u16::from(b'"'));
    for unit in text.units() {
        let short = match unit {
            0x08 => b'b',
            0x09 => b't',
            0x0A => b'n',
            0x0C => b'f',
            0x0D => b'r',
            0x22 | 0x5C => unit as u8,
            0..0x20 | 0x85 | 0x2028 | 0x2029 => {
                out.extend(format!("\\u{unit:04x}").encode_utf16());
                continue;
            }
            _ => {
                out.push(unit);
                continue;
            }
        };
        out.extend([u16::from(b'\\'), u16::from(short)]);
    }
    out.push(u16::from(b'"'));
}

/// Appends UTF-8 `text` as a JSON string with its quotes: the common case of [`escape`].
fn escape_text(text: &str, out: &mut String) {
    out.push('"');
    let mut run = 0;
    for (at, c) in text.char_indices() {
        let short = match c {
            '\u{8}' => "\\b",
            '\t' => "\\t",
            '\n' => "\\n",
            '\u{c}' => "\\f",
            '\r' => "\\r",
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{85}' => "\\u0085",
            '\u{2028}' => "\\u2028",
            '\u{2029}' => "\\u2029",
            '\0'..'\u{20}' => "",
            _ => continue,
        };
        out.push_str(&text[run..at]);
        if short.is_empty() {
            out.push_str(&format!("\\u{:04x}", c as u32));
        } else {
            out.push_str(short);
        }
        run = at + c.len_utf8();
    }
    out.push_str(&text[run..]);
    out.push('"');
}

/// A double as JSON: with a decimal point, the special values quoted.
pub fn float_text(text: String, finite: bool) -> String {
    if !finite {
        format!("\"{text}\"")
    } else if text.contains(['.', 'E', 'e']) {
        text
    } else {
        text + ".0"
    }
}

/// Writes JSON piece by piece; what `JsonConvert.SerializeObject` of a foreign object is built with.
#[derive(Debug)]
pub struct JsonWriter {
    /// The text so far; lone surrogates are stood for by [`LONE`] and listed in `lone`.
    out: String,
    lone: Vec<u16>,
    indented: bool,
    /// One entry per open container: whether something was written in it.
    open: Vec<(char, bool)>,
    after_name: bool,
}

/// Private-use character that marks the place of a lone surrogate while writing. Text that holds the
/// character itself goes the same way, so the two cannot be confused.
const LONE: char = '\u{F8FF}';

impl JsonWriter {
    /// A writer of one value.
    pub fn new(formatting: Formatting) -> Self {
        JsonWriter {
            out: String::new(),
            lone: Vec::new(),
            indented: formatting == Formatting::Indented,
            open: Vec::new(),
            after_name: false,
        }
    }

    /// Comma, line break and indentation before a value or name.
    fn before(&mut self) {
        if std::mem::take(&mut self.after_name) {
            return;
        }
        if let Some((_, used)) = self.open.last_mut() {
            if std::mem::replace(used, true) {
                self.out.push(',');
            }
            self.line();
        }
    }

    fn line(&mut self) {
        if self.indented {
            self.out.push('\n');
            self.out
                .extend(std::iter::repeat_n(' ', self.open.len() * INDENT));
        }
    }

    fn check(&self) -> Result<(), Error> {
        if self.out.len() > MAX_STRING_UNITS {
            return Err(Error::budget("length of a string"));
        }
        Ok(())
    }

    /// Opens an object (`{`) or array (`[`).
    ///
    /// # Errors
    /// A budget error beyond [`MAX_DEPTH`] or for text too long.
    pub fn open(&mut self, bracket: char) -> Result<(), Error> {
        self.before();
        self.push_open(bracket)
    }

    fn push_open(&mut self, bracket: char) -> Result<(), Error> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep());
        }
        self.check()?;
        self.out.push(bracket);
        self.open.push((bracket, false));
        Ok(())
    }

    /// Closes the innermost container.
    pub fn close(&mut self) {
        let Some((bracket, used)) = self.open.pop() else {
            return;
        };
        if used {
            self.line();
        }
        self.out.push(match bracket {
            '{' => '}',
            '[' => ']',
            _ => ')',
        });
    }

    /// Writes a property name.
    pub fn name(&mut self, name: &Str) {
        self.before();
        self.string(name);
        self.out.push_str(if self.indented { ": " } else { ":" });
        self.after_name = true;
    }

    fn string(&mut self, text: &Str) {
        match text.as_str() {
            Some(plain) if !plain.contains(LONE) => escape_text(plain, &mut self.out),
            _ => {
                let mut units = Vec::new();
                escape(text, &mut units);
                for c in char::decode_utf16(units) {
                    match c {
                        Ok(c) if c != LONE => self.out.push(c),
                        Ok(c) => {
                            self.lone.push(c as u32 as u16);
                            self.out.push(LONE);
                        }
                        Err(e) => {
                            self.lone.push(e.unpaired_surrogate());
                            self.out.push(LONE);
                        }
                    }
                }
            }
        }
    }

    /// Writes a value.
    ///
    /// # Errors
    /// A budget error for text too long.
    pub fn scalar(&mut self, value: &Scalar) -> Result<(), Error> {
        self.check()?;
        if let Scalar::Comment(text) = value {
            // A comment is no element: no comma, no line of its own.
            self.line();
            self.out.push_str(&format!("/*{text}*/"));
            return Ok(());
        }
        self.before();
        match value {
            Scalar::Null | Scalar::NullString | Scalar::Comment(_) => self.out.push_str("null"),
            Scalar::Undefined => self.out.push_str("undefined"),
            Scalar::Bool(b) => self.out.push_str(if *b { "true" } else { "false" }),
            Scalar::Integer(i) => self.integer(*i),
            Scalar::Big(b) => self.out.push_str(&b.to_string()),
            Scalar::Float(f) => self.out.push_str(&float_text(double_to_text(*f), f.is_finite())),
            Scalar::Single(f) => self.out.push_str(&float_text(single_to_text(*f), f.is_finite())),
            Scalar::Decimal(d) => self.out.push_str(&float_text(decimal_to_text(*d), true)),
            Scalar::String(s) | Scalar::Uri(s) => self.string(s),
            Scalar::Date(d) => self.quoted(&date::date_text(*d)),
            Scalar::DateOffset(d) => self.quoted(&date::offset_date_text(*d)),
            Scalar::Bytes(b) => self.quoted(&to_base64(b, false)),
            Scalar::Guid(g) => self.quoted(&g.to_text()),
            Scalar::TimeSpan(t) => self.quoted(&t.to_text()),
            Scalar::Raw(text) => self.out.push_str(&text.to_lossy()),
        }
        Ok(())
    }

    fn integer(&mut self, value: i64) {
        // Writing into a String cannot fail.
        let written = write!(self.out, "{value}");
        debug_assert!(written.is_ok());
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        self.out.push_str(text);
        self.out.push('"');
    }

    /// Writes a token and all below it.
    ///
    /// # Errors
    /// A budget error beyond [`MAX_DEPTH`] or for text too long.
    pub fn token(&mut self, token: &Token) -> Result<(), Error> {
        let data = token.0.data.borrow();
        let children = match &*data {
            Data::Value(value) => return self.scalar(value),
            Data::Property(name, value) => {
                self.name(name);
                return match value {
                    Some(value) => self.token(value),
                    None => self.scalar(&Scalar::Null),
                };
            }
            Data::Object(members) => {
                self.open('{')?;
                &members.list
            }
            Data::Array(items) => {
                self.open('[')?;
                items
            }
            Data::Constructor(name, items) => {
                self.before();
                self.out.push_str(&format!("new {name}"));
                self.push_open('(')?;
                items
            }
        };
        for child in children {
            self.token(child)?;
        }
        self.close();
        Ok(())
    }

    /// The text.
    pub fn finish(self) -> Str {
        if self.lone.is_empty() {
            return Str::from(self.out);
        }
        let mut lone = self.lone.into_iter();
        let units: Vec<u16> = self
            .out
            .encode_utf16()
            .map(|u| {
                if u == LONE as u16 {
                    lone.next().unwrap_or(u)
                } else {
                    u
                }
            })
            .collect();
        Str::from_utf16(&units)
    }
}

impl Token {
    /// `ToString(formatting)`: JSON text.
    ///
    /// # Errors
    /// A budget error beyond [`MAX_DEPTH`] or for text too long.
    pub fn to_json(&self, formatting: Formatting) -> Result<Str, Error> {
        let mut writer = JsonWriter::new(formatting);
        writer.token(self)?;
        Ok(writer.finish())
    }

    /// `ToString()`: the plain text of a value, indented JSON of anything else.
    ///
    /// # Errors
    /// A budget error beyond [`MAX_DEPTH`] or for text too long.
    pub fn to_text(&self) -> Result<Str, Error> {
        match self.scalar() {
            Some(value) => Ok(value.to_text()),
            None => self.to_json(Formatting::Indented),
        }
    }
}
