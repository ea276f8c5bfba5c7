//! A strict JSON reader for bodies that are to be validated: every value knows where it stands, repeated
//! members are kept (a backend may take either of them, so both are checked), numbers keep their digits.
//!
//! Source: RFC 8259. Comments, trailing commas and `NaN`, which .NET's reader takes, are refused: a body that
//! two readers understand differently has not been validated.

use std::{cmp::Ordering, fmt};

/// Deepest nesting: what the JSON readers behind a gateway take as well, and little enough for recursion.
const DEPTH_MAX: usize = 128;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Byte after the token: the whole of a scalar, the opening bracket of an object or array.
    pub(crate) end: usize,
    pub(crate) json: Json,
}

/// What a [`Node`] is.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(Box<str>),
    List(Vec<Node>),
    Object(Vec<(Box<str>, Node)>),
}

/// A number as written, and as exactly as it can be compared.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) text: Box<str>,
    /// Digits and power of ten without trailing zeros; `None`: too many digits.
    exact: Option<(i128, i32)>,
    approximate: f64,
}

/// Where reading stopped and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) at: usize,
    pub(crate) message: String,
}

/// Line and position of a byte as .NET's readers count: both from 1 and 0.
pub(crate) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let columns = String::from_utf8_lossy(&before[start..]).chars().count();
    (line, columns)
}

/// Reads one value that fills the text, and counts the values in it.
pub(crate) fn read(text: &str) -> Result<(Node, usize), Malformed> {
    let mut reader = Reader {
        text,
        at: 0,
        nodes: 0,
    };
    reader.blank();
    let node = reader.value(0)?;
    reader.blank();
    if reader.at < text.len() {
        return Err(reader.error("Additional text encountered after finished reading JSON content."));
    }
    Ok((node, reader.nodes))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    nodes: usize,
}

impl Reader<'_> {
    fn error(&self, message: impl Into<String>) -> Malformed {
        Malformed {
            at: self.at,
            message: message.into(),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn unexpected(&self) -> Malformed {
        match self.text[self.at..].chars().next() {
            Some(c) => self.error(format!(
                "Unexpected character encountered while parsing value: {c}."
            )),
            None => self.error("Unexpected end when reading JSON."),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Malformed> {
        if depth > DEPTH_MAX {
            return Err(self.error(format!("The JSON is nested deeper than {DEPTH_MAX} levels.")));
        }
        self.nodes += 1;
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => {
                let text = self.string()?;
                Ok(self.node(Json::Text(text)))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let words = [
                    ("null", Json::Null),
                    ("true", Json::Bool(true)),
                    ("false", Json::Bool(false)),
                ];
                for (word, json) in words {
                    if self.text[self.at..].starts_with(word) {
                        self.at += word.len();
                        return Ok(self.node(json));
                    }
                }
                Err(self.unexpected())
            }
        }
    }

    fn node(&self, json: Json) -> Node {
        Node { end: self.at, json }
    }

    fn object(&mut self, depth: usize) -> Result<Node, Malformed> {
        self.at += 1;
        let end = self.at;
        let mut members = Vec::new();
        self.blank();
        if !self.eat(b'}') {
            loop {
                self.blank();
                if self.peek() != Some(b'"') {
                    return Err(self.unexpected());
                }
                let name = self.string()?;
                self.blank();
                if !self.eat(b':') {
                    return Err(self.unexpected());
                }
                self.blank();
                members.push((name, self.value(depth + 1)?));
                self.blank();
                if self.eat(b'}') {
                    break;
                }
                if !self.eat(b',') {
                    return Err(self.unexpected());
                }
            }
        }
        let json = Json::Object(members);
        Ok(Node { end, json })
    }

    fn list(&mut self, depth: usize) -> Result<Node, Malformed> {
        self.at += 1;
        let end = self.at;
        let mut items = Vec::new();
        self.blank();
        if !self.eat(b']') {
            loop {
                self.blank();
                items.push(self.value(depth + 1)?);
                self.blank();
                if self.eat(b']') {
                    break;
                }
                if !self.eat(b',') {
                    return Err(self.unexpected());
                }
            }
        }
        let json = Json::List(items);
        Ok(Node { end, json })
    }

    fn string(&mut self) -> Result<Box<str>, Malformed> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let stop = rest.bytes().position(|b| b == b'"' || b == b'\\' || b < 0x20);
            let Some(stop) = stop else {
                self.at = self.text.len();
                return Err(self.error("Unterminated string."));
            };
            out.push_str(&rest[..stop]);
            self.at += stop;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out.into());
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                _ => return Err(self.error("A control character stands in a string.")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        let byte = self.peek();
        self.at += usize::from(byte.is_some_and(|b| b.is_ascii()));
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.unit()?;
                let unit = if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with("\\u") {
                    self.at += 2;
                    let second = self.unit()?;
                    char::decode_utf16([first, second]).next()
                } else {
                    char::decode_utf16([first]).next()
                };
                match unit {
                    Some(Ok(c)) => c,
                    // Half a pair is no text; what a backend makes of it is unknown.
                    _ => return Err(self.error("An escape stands for half a surrogate pair.")),
                }
            }
            _ => return Err(self.error("Bad JSON escape sequence.")),
        })
    }

    fn unit(&mut self) -> Result<u16, Malformed> {
        let digits = self.text.get(self.at..self.at + 4);
        let unit = digits
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|d| u16::from_str_radix(d, 16).ok());
        self.at += 4 * usize::from(unit.is_some());
        unit.ok_or_else(|| self.error("Bad JSON escape sequence."))
    }

    fn number(&mut self) -> Result<Node, Malformed> {
        let start = self.at;
        let digits = |reader: &mut Self| {
            let from = reader.at;
            while matches!(reader.peek(), Some(b'0'..=b'9')) {
                reader.at += 1;
            }
            reader.at - from
        };
        self.eat(b'-');
        let zero = self.peek() == Some(b'0');
        let whole = digits(self);
        let mut good = whole > 0 && !(zero && whole > 1);
        if self.eat(b'.') {
            good &= digits(self) > 0;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            good &= digits(self) > 0;
        }
        let text = &self.text[start..self.at];
        match Number::new(text).filter(|_| good) {
            Some(number) => Ok(self.node(Json::Number(number))),
            None => Err(self.error(format!("Input string '{}' is not a valid number.", shorten(text)))),
        }
    }
}

impl Number {
    /// The number a JSON text stands for; `None` when it is none.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let approximate: f64 = text.parse().ok()?;
        let started = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        (started && approximate.is_finite()).then(|| Self {
            text: text.into(),
            exact: exact(text),
            approximate,
        })
    }

    /// True without a fraction, however it is written.
    pub(crate) fn is_integer(&self) -> bool {
        match self.exact {
            Some((_, exponent)) => exponent >= 0,
            None => self.approximate.fract() == 0.0,
        }
    }

    pub(crate) fn compare(&self, other: &Number) -> Ordering {
        let exact = self.exact.zip(other.exact).and_then(|(a, b)| common(a, b));
        let exact = exact.map(|(a, b)| a.cmp(&b));
        exact.unwrap_or_else(|| self.approximate.total_cmp(&other.approximate))
    }

    /// True when `self` is `divisor` taken a whole number of times; zero divides nothing.
    pub(crate) fn is_multiple_of(&self, divisor: &Number) -> bool {
        if divisor.approximate == 0.0 {
            return false;
        }
        let exact = self.exact.zip(divisor.exact).and_then(|(a, b)| common(a, b));
        match exact {
            Some((a, b)) => a % b == 0,
            None => (self.approximate / divisor.approximate).fract() == 0.0,
        }
    }

    /// True within `-2^(bits-1) ..= 2^(bits-1) - 1`.
    pub(crate) fn fits(&self, bits: u32) -> bool {
        let limit = 1_i128 << (bits - 1);
        let whole = self
            .exact
            .and_then(|(digits, e)| digits.checked_mul(10_i128.checked_pow(u32::try_from(e).ok()?)?));
        whole.is_some_and(|w| (-limit..limit).contains(&w))
    }

    /// The same text for equal numbers.
    fn canonical(&self) -> String {
        match self.exact {
            Some((digits, exponent)) => format!("{digits}e{exponent}"),
            None => self.approximate.to_string(),
        }
    }
}

fn exact(text: &str) -> Option<(i128, i32)> {
    let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let mut exponent = power.parse::<i32>().ok()?;
    exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    if digits == 0 {
        return Some((0, 0));
    }
    while digits % 10 == 0 {
        digits /= 10;
        exponent = exponent.checked_add(1)?;
    }
    Some((digits, exponent))
}

/// Both numbers in units of the smaller power of ten.
fn common(a: (i128, i32), b: (i128, i32)) -> Option<(i128, i128)> {
    let unit = a.1.min(b.1);
    let scale = |(digits, exponent): (i128, i32)| {
        let power = u32::try_from(i64::from(exponent) - i64::from(unit)).ok()?;
        digits.checked_mul(10_i128.checked_pow(power)?)
    };
    Some((scale(a)?, scale(b)?))
}

impl Node {
    /// JSON Schema's name of what it is; whole numbers are integers.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.json {
            Json::Null => "Null",
            Json::Bool(_) => "Boolean",
            Json::Number(n) if n.text.contains(['.', 'e', 'E']) => "Number",
            Json::Number(_) => "Integer",
            Json::Text(_) => "String",
            Json::List(_) => "Array",
            Json::Object(_) => "Object",
        }
    }

    /// The same text for equal values: members sorted, numbers normalised.
    pub(crate) fn canonical(&self) -> String {
        let mut out = String::new();
        self.write_canonical(&mut out);
        out
    }

    fn write_canonical(&self, out: &mut String) {
        match &self.json {
            Json::Null => out.push_str("null"),
            Json::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Json::Number(n) => out.push_str(&n.canonical()),
            Json::Text(text) => out.push_str(&format!("{text:?}")),
            Json::List(items) => {
                out.push('[');
                for item in items {
                    item.write_canonical(out);
                    out.push(',');
                }
                out.push(']');
            }
            Json::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                out.push('{');
                for (name, value) in sorted {
                    out.push_str(&format!("{name:?}:"));
                    value.write_canonical(out);
                    out.push(',');
                }
                out.push('}');
            }
        }
    }
}

impl fmt::Display for Node {
    /// Short, for messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.json {
            Json::Null => f.write_str("null"),
            Json::Bool(b) => write!(f, "{b}"),
            Json::Number(n) => f.write_str(&shorten(&n.text)),
            Json::Text(text) => write!(f, "\"{}\"", shorten(text)),
            Json::List(_) => f.write_str("[...]"),
            Json::Object(_) => f.write_str("{...}"),
        }
    }
}

/// Characters of a value shown in a message: the client knows what it sent, and logs must not grow with it.
const SHOWN_CHARS: usize = 100;

/// A text cut for a message.
pub(crate) fn shorten(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}

/// A literal of a schema as a value to compare with.
pub(crate) fn of_schema(value: &serde_json::Value) -> Node {
    use serde_json::Value;
    let json = match value {
        Value::Null => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Number(n) => match Number::new(&n.to_string()) {
            Some(number) => Json::Number(number),
            None => Json::Null,
        },
        Value::String(text) => Json::Text(text.as_str().into()),
        Value::Array(items) => Json::List(items.iter().map(of_schema).collect()),
        Value::Object(members) => Json::Object(
            members
                .iter()
                .map(|(k, v)| (k.as_str().into(), of_schema(v)))
                .collect(),
        ),
    };
    Node { end: 0, json }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_or_refused_with_their_place() {
        for (text, expected) in [
            (
                r#" {"a":[1,2.50,-0],"b":"x\u00e9\ud83d\ude00\n"} "#,
                r#"{"a":[1e0,25e-1,0e0,],"b":"xé😀\n",}"#,
            ),
            (r#"{"a":1,"a":2}"#, r#"{"a":1e0,"a":2e0,}"#),
            ("1e2", "1e2"),
            ("[]", "[]"),
            ("", "0: Unexpected end when reading JSON."),
            (
                "{'a':1}",
                "1: Unexpected character encountered while parsing value: '.",
            ),
            (
                "[1,]",
                "3: Unexpected character encountered while parsing value: ].",
            ),
            ("01", "2: Input string '01' is not a valid number."),
            ("1.", "2: Input string '1.' is not a valid number."),
            (
                "NaN",
                "0: Unexpected character encountered while parsing value: N.",
            ),
            (
                "[1] 2",
                "4: Additional text encountered after finished reading JSON content.",
            ),
            ("\"a", "2: Unterminated string."),
            (r#""\ud800""#, "7: An escape stands for half a surrogate pair."),
            (r#""\x""#, "3: Bad JSON escape sequence."),
            ("\"a\nb\"", "2: A control character stands in a string."),
        ] {
            let got = match read(text) {
                Ok((node, _)) => node.canonical(),
                Err(error) => format!("{}: {}", error.at, error.message),
            };
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded_and_values_are_counted() {
        let deep = "[".repeat(100_000);
        assert!(read(&deep).unwrap_err().message.contains("deeper than 128"));
        assert_eq!(read(r#"{"a":[1,{}]}"#).unwrap().1, 4);
    }

    #[test]
    fn numbers_compare_exactly() {
        let number = |text| Number::new(text).unwrap();
        for (a, b, order) in [
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("1.0", "1", Ordering::Equal),
            ("1e400", "1", Ordering::Greater),
            ("0.1", "0.10000000000000000001", Ordering::Less),
        ] {
            let Some(a) = Number::new(a) else {
                assert_eq!(a, "1e400", "only what no double holds is refused");
                continue;
            };
            assert_eq!(a.compare(&number(b)), order, "{} {b}", a.text);
        }
        assert!(number("0.3").is_multiple_of(&number("0.1")));
        assert!(!number("0.35").is_multiple_of(&number("0.1")));
        assert!(!number("1").is_multiple_of(&number("0")));
        assert!(number("2147483647").fits(32) && !number("2147483648").fits(32));
        assert!(number("-9223372036854775808").fits(64) && !number("9223372036854775808").fits(64));
    }

    #[test]
    fn places_are_line_and_position() {
        let text = "{\n  \"é\": 12}";
        let (node, _) = read(text).unwrap();
        assert_eq!(place(text, node.end), (1, 1));
        let Json::Object(members) = &node.json else {
            panic!()
        };
        assert_eq!(place(text, members[0].1.end), (2, 9));
    }
}
