//! JSON (RFC 8259) into positioned nodes.

use std::cell::Cell;

use super::{Data, Key, MAX_DEPTH, Malformed, Node, members::Members};
use crate::problem::Place;

/// Reads one JSON value; keys that stand twice go to `repeated`.
pub(super) fn parse(text: &str, repeated: &mut Vec<Key>) -> Result<Node, Malformed> {
    let mut reader = Reader {
        text,
        at: 0,
        line: 1,
        line_start: 0,
        counted: Cell::new((0, 1)),
        repeated,
    };
    let node = reader.value(0)?;
    reader.blank();
    if reader.at < text.len() {
        return Err(reader.fail("text after the end of the document"));
    }
    Ok(node)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    line_start: usize,
    /// A byte position on the current line and its column: columns are counted on from here, so that a document
    /// on one line is read in linear time.
    counted: Cell<(usize, u32)>,
    repeated: &'a mut Vec<Key>,
}

impl Reader<'_> {
    fn place(&self) -> Place {
        let (from, column) = self.counted.get();
        let (from, column) = if from < self.line_start {
            (self.line_start, 1)
        } else {
            (from, column)
        };
        let column = column + self.text[from..self.at].chars().count() as u32;
        self.counted.set((self.at, column));
        Place {
            line: self.line,
            column,
        }
    }

    fn fail(&self, message: impl Into<String>) -> Malformed {
        Malformed {
            place: self.place(),
            message: message.into(),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while let Some(b) = self.peek() {
            match b {
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                    self.line_start = self.at;
                }
                b' ' | b'\t' | b'\r' => self.at += 1,
                _ => break,
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Malformed> {
        if depth > MAX_DEPTH {
            return Err(self.fail(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.blank();
        let place = self.place();
        let data = match self.peek() {
            None if self.text.trim().is_empty() => return Err(self.fail("the file is empty")),
            None => return Err(self.fail("the file ends in the middle of a value")),
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Data::Text(self.string()?),
            Some(b't') => self.word("true", Data::Bool(true))?,
            Some(b'f') => self.word("false", Data::Bool(false))?,
            Some(b'n') => self.word("null", Data::Null)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => return Err(self.fail(
                "expected a value: an object, a list, text in double quotes, a number, true, false or null",
            )),
        };
        Ok(Node::new(place, data))
    }

    fn object(&mut self, depth: usize) -> Result<Data, Malformed> {
        self.at += 1;
        let mut members = Members::default();
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Data::Map(Vec::new()));
        }
        loop {
            self.blank();
            if self.peek() != Some(b'"') {
                return Err(self.fail("expected a member name in double quotes"));
            }
            let place = self.place();
            let key = Key {
                name: self.string()?,
                place,
            };
            self.blank();
            if self.peek() != Some(b':') {
                return Err(self.fail(format!("expected `:` after \"{}\"", key.name)));
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            self.repeated.extend(members.push(key, value));
            if self.more(b'}')? {
                return Ok(Data::Map(members.finish()));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Data, Malformed> {
        self.at += 1;
        let mut items = Vec::new();
        self.blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Data::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.more(b']')? {
                return Ok(Data::List(items));
            }
        }
    }

    /// Steps over `,` (false) or the closing bracket (true).
    fn more(&mut self, close: u8) -> Result<bool, Malformed> {
        self.blank();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            Some(b) if b == close => {
                self.at += 1;
                Ok(true)
            }
            Some(_) => Err(self.fail(format!("expected `,` or `{}`", char::from(close)))),
            None => Err(self.fail(format!("the file ends before `{}`", char::from(close)))),
        }
    }

    fn word(&mut self, word: &str, data: Data) -> Result<Data, Malformed> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.fail(format!("expected `{word}`")));
        }
        self.at += word.len();
        Ok(data)
    }

    fn number(&mut self) -> Result<Data, Malformed> {
        let rest = &self.text[self.at..];
        let end = rest
            .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let text = &rest[..end];
        if serde_json::from_str::<serde_json::Number>(text).is_err() {
            return Err(self.fail(format!("`{text}` is not a JSON number")));
        }
        self.at += end;
        Ok(Data::Number(text.to_owned()))
    }

    fn string(&mut self) -> Result<String, Malformed> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(stop) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') else {
                return Err(self.fail("text without a closing quote"));
            };
            out.push_str(&rest[..stop]);
            self.at += stop;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => self.escape(&mut out)?,
                _ => {
                    return Err(
                        self.fail("a raw control character inside text; write it as an escape such as \\n")
                    );
                }
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), Malformed> {
        let kind = self.text.as_bytes().get(self.at + 1).copied();
        let c = match kind {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'u') => return self.unicode_escape(out),
            _ => {
                return Err(self.fail("unknown escape; JSON knows \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX"));
            }
        };
        out.push(c);
        self.at += 2;
        Ok(())
    }

    fn unicode_escape(&mut self, out: &mut String) -> Result<(), Malformed> {
        let unit = |reader: &Self, at: usize| -> Result<u32, Malformed> {
            reader
                .text
                .get(at..at + 4)
                .filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()))
                .and_then(|h| u32::from_str_radix(h, 16).ok())
                .ok_or_else(|| reader.fail("\\u needs four hexadecimal digits"))
        };
        let high = unit(self, self.at + 2)?;
        let mut end = self.at + 6;
        let code = if (0xd800..0xdc00).contains(&high) && self.text[end..].starts_with("\\u") {
            let low = unit(self, end + 2)?;
            end += 6;
            0x10000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff)
        } else {
            high
        };
        // A lone surrogate has no UTF-8 form; the replacement character keeps the rest readable.
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        self.at = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, (u32, u32, &str)>) {
        let got = parse(text, &mut Vec::new());
        match (got, expected) {
            (Ok(node), Ok(json)) => assert_eq!(node.to_json().to_string(), json, "{text}"),
            (Err(m), Err((line, column, part))) => {
                assert_eq!((m.place.line, m.place.column), (line, column), "{text}: {m}");
                assert!(m.message.contains(part), "{text}: {m}");
            }
            (got, expected) => panic!("{text}: {got:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn values() {
        for (text, json) in [
            ("{}", "{}"),
            (
                " [ 1 , -2.5e3, \"a\\n\\u00e9\\ud83d\\ude00\" ] ",
                "[1,-2500.0,\"a\\né😀\"]",
            ),
            ("{\"a\":{\"b\":[]}}", "{\"a\":{\"b\":[]}}"),
            ("{\"a\":1,\"a\":2}", "{\"a\":2}"),
        ] {
            check(text, Ok(json));
        }
    }

    /// Counting columns from the start of the line, or scanning all keys for each key, would take minutes here.
    #[test]
    fn a_large_document_on_one_line_is_read_in_linear_time() {
        let members: Vec<String> = (0..200_000).map(|i| format!("\"k{i}\":[{i}]")).collect();
        let text = format!("{{{}}}", members.join(","));
        let node = parse(&text, &mut Vec::new()).unwrap();
        let (key, value) = &node.members()[199_999];
        assert_eq!(key.name, "k199999");
        assert_eq!(value.place.column as usize, text.len() - "[199999]}".len() + 1);
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, line, column, part) in [
            ("", 1, 1, "empty"),
            ("{\n  \"a\": 1,\n  b: 2}", 3, 3, "member name"),
            ("{\"a\" 1}", 1, 6, "expected `:`"),
            ("[1 2]", 1, 4, "expected `,`"),
            ("{\"a\": \"x", 1, 8, "closing quote"),
            ("{\"a\": [1", 1, 9, "ends before"),
            ("{} x", 1, 4, "after the end"),
            ("[01]", 1, 2, "not a JSON number"),
            ("\"\\x\"", 1, 2, "unknown escape"),
            ("tru", 1, 1, "expected `true`"),
        ] {
            check(text, Err((line, column, part)));
        }
        let deep = "[".repeat(100_000);
        assert!(
            parse(&deep, &mut Vec::new())
                .unwrap_err()
                .message
                .contains("nested deeper")
        );
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Texts that are JSON or nearly so.
    fn text() -> impl Strategy<Value = String> {
        let token = prop::sample::select(
            &[
                "{",
                "}",
                "[",
                "]",
                ",",
                ":",
                "\"a\"",
                "\"\\n\"",
                "\"\\u00e9\"",
                "1",
                "-0.5e3",
                "01",
                "true",
                "nul",
                " ",
                "\n",
                "\"",
                "\\",
                "é",
            ][..],
        );
        prop::collection::vec(token, 0..14).prop_map(|t| t.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Accepts what the usual reader accepts, with the same value, and refuses the rest.
        #[test]
        fn agrees_with_serde(text in text()) {
            let ours = parse(&text, &mut Vec::new()).map(|n| n.to_json()).ok();
            let usual = serde_json::from_str::<serde_json::Value>(&text).ok();
            prop_assert_eq!(ours, usual, "{}", text);
        }
    }
}
