//! `System.Text.Encoding`: the encodings .NET Core has without a provider, with their replacement fallbacks.

mod utf7;

use crate::{Error, Str};

/// A `System.Text.Encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "the static properties of Encoding under their own names"
)]
pub enum Encoding {
    Utf8,
    /// UTF-8 whose `GetPreamble` is empty.
    Utf8NoPreamble,
    Ascii,
    Latin1,
    Unicode,
    /// UTF-16 whose `GetPreamble` is empty.
    UnicodeNoPreamble,
    BigEndianUnicode,
    Utf32,
    /// Big-endian UTF-32, `utf-32BE`.
    Utf32Big,
    Utf7,
}

impl Encoding {
    /// `Encoding.GetEncoding(name)`, case-insensitive.
    ///
    /// # Errors
    /// `ArgumentException`.
    pub fn by_name(name: &str) -> Result<Encoding, Error> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "utf-8"
            | "unicode-1-1-utf-8"
            | "unicode-2-0-utf-8"
            | "x-unicode-1-1-utf-8"
            | "x-unicode-2-0-utf-8" => Encoding::Utf8,
            "us-ascii" | "ascii" | "ansi_x3.4-1968" | "ansi_x3.4-1986" | "cp367" | "csascii" | "ibm367"
            | "iso-ir-6" | "iso646-us" | "iso_646.irv:1991" | "us" => Encoding::Ascii,
            "iso-8859-1" | "latin1" | "iso_8859-1" | "l1" | "cp819" | "csisolatin1" | "ibm819"
            | "iso-ir-100" | "iso8859-1" | "iso_8859-1:1987" => Encoding::Latin1,
            "utf-16" | "utf-16le" | "unicode" | "ucs-2" | "iso-10646-ucs-2" => Encoding::Unicode,
            "utf-16be" | "unicodefffe" => Encoding::BigEndianUnicode,
            "utf-32" | "utf-32le" => Encoding::Utf32,
            "utf-32be" => Encoding::Utf32Big,
            "utf-7"
            | "csunicode11utf7"
            | "unicode-1-1-utf-7"
            | "unicode-2-0-utf-7"
            | "x-unicode-1-1-utf-7"
            | "x-unicode-2-0-utf-7" => Encoding::Utf7,
            _ => {
                return Err(Error::argument(
                    "name",
                    &format!(
                        "'{name}' is not a supported encoding name. For information on defining a custom encoding, see the documentation for the Encoding.RegisterProvider method."
                    ),
                ));
            }
        })
    }

    /// `Encoding.GetEncoding(codepage)`.
    ///
    /// # Errors
    /// `NotSupportedException`, `ArgumentOutOfRangeException` for what is no code page.
    pub fn by_code_page(page: i32) -> Result<Encoding, Error> {
        Ok(match page {
            0 => Encoding::Utf8NoPreamble,
            65001 => Encoding::Utf8,
            65000 => Encoding::Utf7,
            12001 => Encoding::Utf32Big,
            20127 => Encoding::Ascii,
            28591 => Encoding::Latin1,
            1200 => Encoding::Unicode,
            1201 => Encoding::BigEndianUnicode,
            12000 => Encoding::Utf32,
            1 | 2 | 3 | 42 => {
                let message = format!("{page} is not a supported code page.");
                return Err(Error::argument("codepage", &message));
            }
            page if !(0..=65535).contains(&page) => {
                let message = "Valid values are between 0 and 65535, inclusive.";
                return Err(Error::out_of_range("codepage", message));
            }
            _ => {
                return Err(Error::new(
                    crate::ExceptionKind::NotSupportedException,
                    format!(
                        "No data is available for encoding {page}. For information on defining a custom encoding, see the documentation for the Encoding.RegisterProvider method."
                    ),
                ));
            }
        })
    }

    /// `WebName`, `HeaderName` and `BodyName`.
    pub fn web_name(self) -> &'static str {
        match self {
            Encoding::Utf8 | Encoding::Utf8NoPreamble => "utf-8",
            Encoding::Ascii => "us-ascii",
            Encoding::Latin1 => "iso-8859-1",
            Encoding::Unicode | Encoding::UnicodeNoPreamble => "utf-16",
            Encoding::BigEndianUnicode => "utf-16BE",
            Encoding::Utf32 => "utf-32",
            Encoding::Utf32Big => "utf-32BE",
            Encoding::Utf7 => "utf-7",
        }
    }

    /// `EncodingName`
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 | Encoding::Utf8NoPreamble => "Unicode (UTF-8)",
            Encoding::Ascii => "US-ASCII",
            Encoding::Latin1 => "Western European (ISO)",
            Encoding::Unicode | Encoding::UnicodeNoPreamble => "Unicode",
            Encoding::BigEndianUnicode => "Unicode (Big-Endian)",
            Encoding::Utf32 => "Unicode (UTF-32)",
            Encoding::Utf32Big => "Unicode (UTF-32 Big-Endian)",
            Encoding::Utf7 => "Unicode (UTF-7)",
        }
    }

    /// `CodePage`
    pub fn code_page(self) -> i32 {
        match self {
            Encoding::Utf8 | Encoding::Utf8NoPreamble => 65001,
            Encoding::Ascii => 20127,
            Encoding::Latin1 => 28591,
            Encoding::Unicode | Encoding::UnicodeNoPreamble => 1200,
            Encoding::BigEndianUnicode => 1201,
            Encoding::Utf32 => 12000,
            Encoding::Utf32Big => 12001,
            Encoding::Utf7 => 65000,
        }
    }

    /// `GetPreamble()`
    pub fn preamble(self) -> &'static [u8] {
        match self {
            Encoding::Utf8 => &[0xEF, 0xBB, 0xBF],
            Encoding::Unicode => &[0xFF, 0xFE],
            Encoding::BigEndianUnicode => &[0xFE, 0xFF],
            Encoding::Utf32 => &[0xFF, 0xFE, 0, 0],
            Encoding::Utf32Big => &[0, 0, 0xFE, 0xFF],
            _ => &[],
        }
    }

    /// `GetBytes(string)`.
    pub fn bytes(self, text: &Str) -> Vec<u8> {
        match self {
            Encoding::Utf8 | Encoding::Utf8NoPreamble => text.to_lossy().into_owned().into_bytes(),
            Encoding::Ascii => text
                .units()
                .map(|u| u8::try_from(u).ok().filter(u8::is_ascii).unwrap_or(b'?'))
                .collect(),
            Encoding::Latin1 => text.units().map(|u| u8::try_from(u).unwrap_or(b'?')).collect(),
            Encoding::Unicode | Encoding::UnicodeNoPreamble => {
                paired(text).flat_map(u16::to_le_bytes).collect()
            }
            Encoding::BigEndianUnicode => paired(text).flat_map(u16::to_be_bytes).collect(),
            Encoding::Utf32 => text
                .to_lossy()
                .chars()
                .flat_map(|c| u32::from(c).to_le_bytes())
                .collect(),
            Encoding::Utf32Big => text
                .to_lossy()
                .chars()
                .flat_map(|c| u32::from(c).to_be_bytes())
                .collect(),
            Encoding::Utf7 => utf7::bytes(text),
        }
    }

    /// `GetString(bytes)`.
    pub fn string(self, bytes: &[u8]) -> Str {
        match self {
            Encoding::Utf8 | Encoding::Utf8NoPreamble => match std::str::from_utf8(bytes) {
                Ok(text) => Str::new(text),
                Err(_) => Str::from(String::from_utf8_lossy(bytes).into_owned()),
            },
            Encoding::Ascii => {
                let text: String = bytes
                    .iter()
                    .map(|b| if b.is_ascii() { char::from(*b) } else { '?' })
                    .collect();
                Str::from(text)
            }
            Encoding::Latin1 => Str::from(bytes.iter().map(|b| char::from(*b)).collect::<String>()),
            Encoding::Unicode | Encoding::UnicodeNoPreamble => utf16(bytes, u16::from_le_bytes),
            Encoding::BigEndianUnicode => utf16(bytes, u16::from_be_bytes),
            Encoding::Utf32 => utf32(bytes, u32::from_le_bytes),
            Encoding::Utf32Big => utf32(bytes, u32::from_be_bytes),
            Encoding::Utf7 => utf7::string(bytes),
        }
    }

    /// `GetMaxByteCount(charCount)`: the framework's own formula.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` for a negative count, or one whose answer is no `int`.
    pub fn max_bytes(self, chars: i32) -> Result<i32, Error> {
        let n = counted(chars, "charCount")?;
        let count = match self {
            Encoding::Utf8 | Encoding::Utf8NoPreamble => (n + 1) * 3,
            Encoding::Ascii | Encoding::Latin1 => n + 1,
            Encoding::Unicode | Encoding::UnicodeNoPreamble | Encoding::BigEndianUnicode => (n + 1) * 2,
            Encoding::Utf32 | Encoding::Utf32Big => (n + 1) * 4,
            Encoding::Utf7 => n * 3 + 2,
        };
        i32::try_from(count).map_err(|_| {
            let message = "Too many characters. The resulting number of bytes is larger than what can be returned as an int.";
            Error::out_of_range("charCount", message)
        })
    }

    /// `GetMaxCharCount(byteCount)`.
    ///
    /// # Errors
    /// As [`Encoding::max_bytes`].
    pub fn max_chars(self, bytes: i32) -> Result<i32, Error> {
        let n = counted(bytes, "byteCount")?;
        let count = match self {
            Encoding::Utf8 | Encoding::Utf8NoPreamble => n + 1,
            Encoding::Ascii | Encoding::Latin1 => n,
            Encoding::Unicode | Encoding::UnicodeNoPreamble | Encoding::BigEndianUnicode => {
                (n >> 1) + (n & 1) + 1
            }
            Encoding::Utf32 | Encoding::Utf32Big => n / 2 + 2,
            Encoding::Utf7 => n.max(1),
        };
        i32::try_from(count).map_err(|_| {
            let message =
                "Too many bytes. The resulting number of chars is larger than what can be returned as an int.";
            Error::out_of_range("byteCount", message)
        })
    }

    /// `GetString(bytes, index, count)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn string_in(self, bytes: &[u8], index: i32, count: i32) -> Result<Str, Error> {
        let negative = |name: &str| Error::out_of_range(name, "Non-negative number required.");
        let start = usize::try_from(index).map_err(|_| negative("index"))?;
        let count = usize::try_from(count).map_err(|_| negative("count"))?;
        let part = start
            .checked_add(count)
            .and_then(|end| bytes.get(start..end))
            .ok_or_else(|| {
                Error::out_of_range(
                    "bytes",
                    "Index and count must refer to a location within the buffer.",
                )
            })?;
        Ok(self.string(part))
    }
}

fn counted(count: i32, name: &str) -> Result<i64, Error> {
    match count {
        0.. => Ok(i64::from(count)),
        _ => Err(Error::out_of_range(name, "Non-negative number required.")),
    }
}

fn utf32(bytes: &[u8], read: fn([u8; 4]) -> u32) -> Str {
    let whole = bytes.chunks(4).map(|c| {
        let code = <[u8; 4]>::try_from(c).ok().map(read);
        code.and_then(char::from_u32)
            .unwrap_or(char::REPLACEMENT_CHARACTER)
    });
    Str::from(whole.collect::<String>())
}

/// The units with U+FFFD for lone surrogates.
fn paired(text: &Str) -> impl Iterator<Item = u16> {
    text.to_lossy().encode_utf16().collect::<Vec<_>>().into_iter()
}

fn utf16(bytes: &[u8], read: impl Fn([u8; 2]) -> u16) -> Str {
    let units = bytes.chunks_exact(2).map(|p| read([p[0], p[1]]));
    let mut text: String = char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    if bytes.len() % 2 == 1 {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    Str::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (encoding, text, bytes) in [
            (Encoding::Utf8, "é", vec![0xC3, 0xA9]),
            (Encoding::Ascii, "aé😀", b"a???".to_vec()),
            (Encoding::Latin1, "aé€", vec![0x61, 0xE9, 0x3F]),
            (Encoding::Unicode, "a€", vec![0x61, 0, 0xAC, 0x20]),
            (Encoding::BigEndianUnicode, "a€", vec![0, 0x61, 0x20, 0xAC]),
            (Encoding::Utf32, "a😀", vec![0x61, 0, 0, 0, 0, 0xF6, 1, 0]),
        ] {
            assert_eq!(encoding.bytes(&Str::new(text)), bytes, "{encoding:?}");
        }
        assert_eq!(
            Encoding::Utf8.bytes(&Str::from_utf16(&[97, 0xD83D, 98])),
            b"a\xEF\xBF\xBDb"
        );
        let broken = [0xff, 0x61, 0xc3, 0xe2, 0x82, 0x62, 0xf0, 0x9f, 0x98];
        assert_eq!(
            Encoding::Utf8.string(&broken),
            "\u{FFFD}a\u{FFFD}\u{FFFD}b\u{FFFD}"
        );
        assert_eq!(
            Encoding::Unicode.string(&[0x61, 0, 0x3d, 0xd8, 0x62]),
            "a\u{FFFD}\u{FFFD}"
        );
        assert_eq!(Encoding::Ascii.string(&[0x61, 0xFF]), "a?");
        assert_eq!(Encoding::Utf8.string(&[0xEF, 0xBB, 0xBF, 0x61]).len(), 2);
        assert!(Encoding::Utf8.string_in(&[1, 2], 1, 5).is_err());
    }

    #[test]
    fn names() {
        for (name, expected) in [
            ("UTF-8", "utf-8"),
            ("iso-8859-1", "iso-8859-1"),
            ("us-ascii", "us-ascii"),
        ] {
            assert_eq!(Encoding::by_name(name).unwrap().web_name(), expected);
        }
        let message = Encoding::by_name("windows-1252").unwrap_err().message;
        assert!(message.starts_with("'windows-1252' is not a supported encoding name."));
        assert!(Encoding::by_code_page(1252).is_err());
        assert_eq!(Encoding::by_code_page(65001).unwrap().preamble().len(), 3);
    }
}
