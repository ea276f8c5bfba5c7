//! Percent-encoding as `System.Uri` does it.

use super::MAX_URI_UNITS;
use crate::{Error, ExceptionKind, Str};

pub(super) fn uri_error(message: &'static str) -> Error {
    Error::new(ExceptionKind::UriFormatException, message)
}

pub(super) fn too_long() -> Error {
    uri_error("Invalid URI: The Uri string is too long.")
}

pub(super) fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~')
}

pub(super) fn is_reserved(b: u8) -> bool {
    b";/?:@&=+$,#[]!*'()".contains(&b)
}

pub(super) fn push_escaped(b: u8, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(b >> 4)]));
    out.push(char::from(HEX[usize::from(b & 15)]));
}

/// The byte a `%XX` at `at` stands for.
pub(super) fn hex_at(text: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low] = text.get(at..at + 3)? else {
        return None;
    };
    let digit = |b: &u8| char::from(*b).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn escape(text: &Str, keep: impl Fn(u8) -> bool) -> Result<Str, Error> {
    if text.len() > MAX_URI_UNITS {
        return Err(too_long());
    }
    let Some(plain) = text.as_str() else {
        return Err(uri_error(
            "Invalid URI: There is an invalid sequence in the string.",
        ));
    };
    if plain.bytes().all(&keep) {
        return Ok(text.clone());
    }
    let mut out = String::with_capacity(plain.len() + 16);
    for b in plain.bytes() {
        if keep(b) {
            out.push(char::from(b));
        } else {
            push_escaped(b, &mut out);
        }
    }
    Ok(Str::from(out))
}

/// `Uri.EscapeDataString`.
///
/// # Errors
/// `UriFormatException` for text too long or with a lone surrogate.
pub fn escape_data_string(text: &Str) -> Result<Str, Error> {
    escape(text, is_unreserved)
}

/// `Uri.EscapeUriString`.
///
/// # Errors
/// `UriFormatException` for text too long or with a lone surrogate.
pub fn escape_uri_string(text: &Str) -> Result<Str, Error> {
    escape(text, |b| is_unreserved(b) || is_reserved(b))
}

/// `Uri.UnescapeDataString`: what is no valid UTF-8 stays escaped.
pub fn unescape_data_string(text: &Str) -> Str {
    match text.as_str() {
        Some(plain) if plain.contains('%') => Str::from(unescape(plain, |_| true)),
        _ => text.clone(),
    }
}

/// Undoes escapes: of ASCII where `safe` says so, of valid UTF-8 always.
pub(super) fn unescape(text: &str, safe: impl Fn(u8) -> bool) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let Some(first) = hex_at(bytes, at) else {
            let c = text[at..].chars().next().unwrap_or_default();
            out.push(c);
            at += c.len_utf8().max(1);
            continue;
        };
        if first < 0x80 {
            if safe(first) {
                out.push(char::from(first));
            } else {
                out.push_str(&text[at..at + 3]);
            }
            at += 3;
            continue;
        }
        let mut run = Vec::new();
        while let Some(b) = hex_at(bytes, at + run.len() * 3).filter(|b| *b >= 0x80) {
            run.push(b);
        }
        at += run.len() * 3;
        decode_run(&run, &mut out);
    }
    out
}

fn decode_run(mut run: &[u8], out: &mut String) {
    while !run.is_empty() {
        match std::str::from_utf8(run) {
            Ok(text) => {
                out.push_str(text);
                return;
            }
            Err(e) => {
                let (good, bad) = run.split_at(e.valid_up_to());
                out.push_str(std::str::from_utf8(good).unwrap_or_default());
                let skip = e.error_len().unwrap_or(bad.len());
                bad[..skip].iter().for_each(|b| push_escaped(*b, out));
                run = &bad[skip..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping() {
        let data = |t: &str| escape_data_string(&Str::new(t)).unwrap().to_string();
        for (text, expected) in [
            ("a b&c/é*'()!~", "a%20b%26c%2F%C3%A9%2A%27%28%29%21~"),
            ("-_.~", "-_.~"),
            ("€😀", "%E2%82%AC%F0%9F%98%80"),
            ("", ""),
        ] {
            assert_eq!(data(text), expected);
        }
        let uri = escape_uri_string(&Str::new("a b/c?d=e&f#g%20%zz[é]{}|^`\"<>\\")).unwrap();
        assert_eq!(
            uri,
            "a%20b/c?d=e&f#g%2520%25zz[%C3%A9]%7B%7D%7C%5E%60%22%3C%3E%5C"
        );
        assert_eq!(
            escape_data_string(&Str::from_unit(0xD83D)).unwrap_err().message,
            "Invalid URI: There is an invalid sequence in the string."
        );
        assert!(escape_data_string(&Str::from("a".repeat(65_519))).is_ok());
        assert!(escape_data_string(&Str::from("a".repeat(65_520))).is_err());
    }

    #[test]
    fn unescaping() {
        for (text, expected) in [
            ("a%20b%zz%c3%a9%C3+", "a b%zzé%C3+"),
            ("%c3x%e2%82%ac%ff%41%2", "%C3x€%FFA%2"),
            ("%E2%82", "%E2%82"),
            ("é%", "é%"),
        ] {
            assert_eq!(unescape_data_string(&Str::new(text)), expected, "{text}");
        }
    }
}
