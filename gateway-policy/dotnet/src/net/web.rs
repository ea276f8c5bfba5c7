//! `System.Net.WebUtility`.

use super::{entities, escape::push_escaped};
use crate::Str;

/// `UrlEncode(text)`: blanks become `+`.
pub fn url_encode(text: &Str) -> Str {
    let lossy = text.to_lossy();
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"-_.!*()".contains(&b);
    if lossy.bytes().all(safe) {
        return text.clone();
    }
    let mut out = String::with_capacity(lossy.len() + 16);
    for b in lossy.bytes() {
        match b {
            b' ' => out.push('+'),
            _ if safe(b) => out.push(char::from(b)),
            _ => push_escaped(b, &mut out),
        }
    }
    Str::from(out)
}

/// `UrlEncodeToBytes`: blanks become `+`, other unsafe bytes escapes.
pub fn url_encode_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = String::with_capacity(bytes.len() + 16);
    for b in bytes {
        match b {
            b' ' => out.push('+'),
            _ if b.is_ascii_alphanumeric() || b"-_.!*()".contains(b) => out.push(char::from(*b)),
            _ => push_escaped(*b, &mut out),
        }
    }
    out.into_bytes()
}

/// `UrlDecodeToBytes`: `+` becomes a blank, escapes their byte; what is no escape stays.
pub fn url_decode_bytes(bytes: &[u8]) -> Vec<u8> {
    let digit = |i: usize| bytes.get(i).and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(b) = bytes.get(at) {
        match (b, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(*b),
        }
        at += 1;
    }
    out
}

/// `UrlDecode(text)`: escapes are UTF-8, what is none of it becomes U+FFFD; other text stays.
pub fn url_decode(text: &Str) -> Str {
    let units = text.to_utf16();
    let mut out: Vec<u16> = Vec::with_capacity(units.len());
    let mut bytes: Vec<u8> = Vec::new();
    let mut at = 0;
    let flush = |bytes: &mut Vec<u8>, out: &mut Vec<u16>| {
        out.extend(String::from_utf8_lossy(bytes).encode_utf16());
        bytes.clear();
    };
    while let Some(unit) = units.get(at).copied() {
        let digit = |i: usize| {
            units
                .get(i)
                .and_then(|u| char::from_u32(u32::from(*u))?.to_digit(16))
        };
        if unit == u16::from(b'%')
            && let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2))
        {
            bytes.push((high * 16 + low) as u8);
            at += 3;
            continue;
        }
        let unit = if unit == u16::from(b'+') {
            u16::from(b' ')
        } else {
            unit
        };
        match u8::try_from(unit) {
            // ASCII takes part in the bytes, so that a cut sequence before it is noticed in place.
            Ok(b) if b < 0x80 => bytes.push(b),
            _ => {
                flush(&mut bytes, &mut out);
                out.push(unit);
            }
        }
        at += 1;
    }
    flush(&mut bytes, &mut out);
    Str::from_utf16(&out)
}

/// `HtmlEncode(text)`.
pub fn html_encode(text: &Str) -> Str {
    let mut out: Vec<u16> = Vec::with_capacity(text.len());
    let mut changed = false;
    for c in char::decode_utf16(text.units()) {
        let replacement = match c {
            Ok('<') => "&lt;".to_owned(),
            Ok('>') => "&gt;".to_owned(),
            Ok('&') => "&amp;".to_owned(),
            Ok('"') => "&quot;".to_owned(),
            Ok('\'') => "&#39;".to_owned(),
            Ok(c) if ('\u{A0}'..'\u{100}').contains(&c) || c > '\u{FFFF}' => format!("&#{};", c as u32),
            Ok(c) => {
                out.extend(c.encode_utf16(&mut [0; 2]).iter());
                continue;
            }
            Err(_) => "\u{FFFD}".to_owned(),
        };
        changed = true;
        out.extend(replacement.encode_utf16());
    }
    if changed {
        Str::from_utf16(&out)
    } else {
        text.clone()
    }
}

/// `HtmlDecode(text)`.
pub fn html_decode(text: &Str) -> Str {
    let Some(plain) = text.as_str().filter(|t| t.contains('&')) else {
        return text.clone();
    };
    let mut out = String::with_capacity(plain.len());
    let mut rest = plain;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        // What stands before the next semicolon is the name, whatever it is made of.
        let Some(end) = rest.find(';') else {
            out.push('&');
            continue;
        };
        let name = &rest[..end];
        match reference(name) {
            Some(c) => out.push(c),
            // A name nobody knows is passed over whole, a bad number only by its ampersand.
            None if !name.is_empty() && !name.starts_with('#') => out.push_str(&format!("&{name};")),
            None => {
                out.push('&');
                continue;
            }
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Str::from(out)
}

fn reference(name: &str) -> Option<char> {
    let code = match name.strip_prefix('#') {
        None => u32::from(entities::named(name)?),
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) if !hex.starts_with('+') => u32::from_str_radix(hex, 16).ok()?,
            Some(_) => return None,

            None => number.trim().parse().ok()?,
        },
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(text: &str) -> Str {
        Str::new(text)
    }

    #[test]
    fn url() {
        for (text, expected) in [
            ("a b&c/é*'()!~", "a+b%26c%2F%C3%A9*%27()!%7E"),
            (
                "é€😀 -_.!*()~'@$",
                "%C3%A9%E2%82%AC%F0%9F%98%80+-_.!*()%7E%27%40%24",
            ),
            ("plain", "plain"),
        ] {
            assert_eq!(url_encode(&s(text)), expected);
        }
        assert_eq!(url_encode(&Str::from_utf16(&[97, 0xD83D, 98])), "a%EF%BF%BDb");
        for (text, expected) in [
            ("a+b%20c", "a b c"),
            ("%c3%a9%zz%u00e9+%2B%C3", "é%zz%u00e9 +\u{FFFD}"),
            ("é%", "é%"),
        ] {
            assert_eq!(url_decode(&s(text)), expected);
        }
    }

    #[test]
    fn html() {
        for (text, expected) in [
            (
                "<a href=\"x\">é'</a>",
                "&lt;a href=&quot;x&quot;&gt;&#233;&#39;&lt;/a&gt;",
            ),
            (
                "a\u{a0}\u{ff}\u{100}😀&amp;",
                "a&#160;&#255;\u{100}&#128512;&amp;amp;",
            ),
            ("\u{7f}\u{80}\u{9f}", "\u{7f}\u{80}\u{9f}"),
        ] {
            assert_eq!(html_encode(&s(text)), expected);
        }
        assert_eq!(html_encode(&Str::from_unit(0xD83D)), "\u{FFFD}");
        for (text, expected) in [
            ("&lt;&#233;&apos;", "<é'"),
            (
                "&nbsp;&eacute;&#65;&#x41;&#X41;&bogus;&#xZZ;&#128512;",
                "\u{a0}éAAA&bogus;&#xZZ;😀",
            ),
            ("&#1114112;&#0;&;&amp &copy;&euro;", "&#1114112;\0&;&amp &copy;€"),
            ("&#xD800;&#65;&#;", "&#xD800;A&#;"),
            ("&&lt;&gt;", "&&lt;>"),
            ("&#+65;&# 65;&#-1;", "AA&#-1;"),
        ] {
            assert_eq!(html_decode(&s(text)), expected, "{text}");
        }
    }
}
