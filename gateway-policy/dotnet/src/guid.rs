//! `System.Guid`.

use crate::Error;

/// A `System.Guid`, its sixteen bytes in the order they are printed. Order and equality are .NET's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// `Guid.Empty`.
    pub const EMPTY: Guid = Guid([0; 16]);

    /// From the sixteen bytes in text order.
    pub const fn from_text_order(bytes: [u8; 16]) -> Guid {
        Guid(bytes)
    }

    /// `Guid.NewGuid()`: version 4 from random bits.
    pub fn random(high: u64, low: u64) -> Guid {
        let bits = (u128::from(high) << 64) | u128::from(low);
        let bits = bits & !(0xF << 76) | (4 << 76);
        let bits = bits & !(0b11 << 62) | (0b10 << 62);
        Guid(bits.to_be_bytes())
    }

    /// `new Guid(byte[])`: the first three groups are little-endian.
    ///
    /// # Errors
    /// `ArgumentException` unless there are sixteen bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Guid, Error> {
        let bytes: [u8; 16] = bytes
            .try_into()
            .map_err(|_| Error::argument("b", "Byte array for GUID must be exactly 16 bytes long."))?;
        Ok(Guid(swap(bytes)))
    }

    /// `ToByteArray()`.
    pub fn to_bytes(self) -> [u8; 16] {
        swap(self.0)
    }

    /// The sixteen bytes in text order.
    pub fn text_order(self) -> [u8; 16] {
        self.0
    }

    /// `ToString()`: format `D`.
    pub fn to_text(self) -> String {
        let h = self.hex();
        format!(
            "{}-{}-{}-{}-{}",
            &h[..8],
            &h[8..12],
            &h[12..16],
            &h[16..20],
            &h[20..]
        )
    }

    fn hex(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// `ToString(format)`: N, D, B, P or X.
    ///
    /// # Errors
    /// `FormatException`.
    pub fn format(self, format: &str) -> Result<String, Error> {
        Ok(match format {
            "" | "d" | "D" => self.to_text(),
            "n" | "N" => self.hex(),
            "b" | "B" => format!("{{{}}}", self.to_text()),
            "p" | "P" => format!("({})", self.to_text()),
            "x" | "X" => {
                let h = self.hex();
                let tail: Vec<String> = (8..16).map(|i| format!("0x{:02x}", self.0[i])).collect();
                format!(
                    "{{0x{},0x{},0x{},{{{}}}}}",
                    &h[..8],
                    &h[8..12],
                    &h[12..16],
                    tail.join(",")
                )
            }
            _ => {
                return Err(Error::format(
                    "Format String can be only \"D\", \"d\", \"N\", \"n\", \"P\", \"p\", \"B\", \"b\", \"X\" or \"x\".",
                ));
            }
        })
    }

    /// `Guid.Parse` and `new Guid(string)`.
    ///
    /// # Errors
    /// `FormatException`.
    pub fn parse(text: &str) -> Result<Guid, Error> {
        let text = text.trim();
        let dashed = text.contains('-');
        let between = |open: char, close: char| {
            let inner = text.strip_prefix(open).and_then(|t| t.strip_suffix(close));
            inner
                .filter(|i| i.len() == DASHED_LEN)
                .ok_or(INVALID_LEN)
                .and_then(dashed_digits)
        };
        let parsed = match text.as_bytes().first() {
            None => Err("Unrecognized Guid format."),
            Some(b'{') if dashed => between('{', '}'),
            Some(b'{') => fields(text),
            Some(b'(') => between('(', ')'),
            Some(_) if dashed => dashed_digits(text),
            Some(_) if text.len() != 32 => Err(INVALID_LEN),
            Some(_) => hex128(text),
        };
        parsed.map_err(Error::format)
    }
}

/// Length of the dashed form.
const DASHED_LEN: usize = 36;
const INVALID_LEN: &str =
    "Guid should contain 32 digits with 4 dashes (xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx).";
const INVALID_CHAR: &str = "Guid string should only contain hexadecimal characters.";
const COMMA: &str = "Could not find a comma, or the length between the previous token and the comma was zero (i.e., '0x,'etc.).";
const BRACE: &str = "Could not find a brace, or the length between the previous token and the brace was zero (i.e., '0x,'etc.).";

fn dashed_digits(text: &str) -> Result<Guid, &'static str> {
    let b = text.as_bytes();
    if b.len() != DASHED_LEN {
        return Err(INVALID_LEN);
    }
    if [8, 13, 18, 23].iter().any(|i| b[*i] != b'-') {
        return Err("Dashes are in the wrong position for GUID parsing.");
    }
    hex128(&text.replace('-', ""))
}

fn hex128(text: &str) -> Result<Guid, &'static str> {
    if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(INVALID_CHAR);
    }
    u128::from_str_radix(text, 16)
        .map(|v| Guid(v.to_be_bytes()))
        .map_err(|_| INVALID_CHAR)
}

/// Format X: `{0x…,0x…,0x…,{0x…,…}}`, with the original's order of complaints.
fn fields(text: &str) -> Result<Guid, &'static str> {
    let flat: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let mut rest = flat.strip_prefix('{').ok_or("Expected {0xdddddddd, etc}.")?;
    let mut hex = String::with_capacity(32);
    for (i, width) in [8, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2].into_iter().enumerate() {
        if i == 3 {
            rest = rest.strip_prefix('{').ok_or("Expected {0xdddddddd, etc}.")?;
        }
        let digits = rest
            .strip_prefix("0x")
            .or(rest.strip_prefix("0X"))
            .ok_or("Expected 0x prefix.")?;
        let (stop, complaint) = if i < 10 { (',', COMMA) } else { ('}', BRACE) };
        let end = digits.find(stop).filter(|e| *e > 0).ok_or(complaint)?;
        let number = &digits[..end];
        if !number.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(INVALID_CHAR);
        }
        let number = number.trim_start_matches('0');
        if number.len() > width {
            return Err(if width == 2 {
                "Value was either too large or too small for an unsigned byte."
            } else {
                "Unrecognized Guid format."
            });
        }
        hex.push_str(&format!("{number:0>width$}"));
        rest = &digits[end + 1..];
    }
    match rest.strip_prefix('}') {
        Some("") => hex128(&hex),
        Some(_) => Err("Additional non-parsable characters are at the end of the string."),
        None => Err("Could not find the ending brace."),
    }
}

fn swap(mut b: [u8; 16]) -> [u8; 16] {
    b[..4].reverse();
    b[4..6].reverse();
    b[6..8].reverse();
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "6f9619ff-8b86-d011-b42d-00cf4fc964ff";

    #[test]
    fn formats_round_trip() {
        let guid = Guid::parse(&TEXT.to_uppercase()).unwrap();
        for (format, expected) in [
            ("", TEXT),
            ("N", "6f9619ff8b86d011b42d00cf4fc964ff"),
            ("B", "{6f9619ff-8b86-d011-b42d-00cf4fc964ff}"),
            ("P", "(6f9619ff-8b86-d011-b42d-00cf4fc964ff)"),
            (
                "X",
                "{0x6f9619ff,0x8b86,0xd011,{0xb4,0x2d,0x00,0xcf,0x4f,0xc9,0x64,0xff}}",
            ),
        ] {
            assert_eq!(guid.format(format).unwrap(), expected);
            assert_eq!(Guid::parse(expected).unwrap(), guid, "{expected}");
        }
        assert!(guid.format("q").is_err());
        assert_eq!(guid.to_bytes()[..4], [0xff, 0x19, 0x96, 0x6f]);
        assert_eq!(Guid::from_bytes(&guid.to_bytes()).unwrap(), guid);
        assert!(Guid::from_bytes(&[1]).is_err());
    }

    #[test]
    fn refusals_and_random() {
        assert_eq!(
            Guid::parse("zz").unwrap_err().message,
            "Guid should contain 32 digits with 4 dashes (xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx)."
        );
        for bad in ["", "{", "6f9619ff-8b86-d011-b42d-00cf4fc964fg", "{0x1}"] {
            assert!(Guid::parse(bad).is_err(), "{bad}");
        }
        let text = Guid::random(u64::MAX, u64::MAX).to_text();
        assert_eq!(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
