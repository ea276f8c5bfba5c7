//! UTF-7 (RFC 2152) as .NET writes and reads it: no optional direct characters, every shifted part ends with `-`.

use crate::Str;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Characters that stand for themselves beside letters and digits.
const DIRECT: &[u8] = b"\t\n\r '(),-./:?";

fn direct(unit: u16) -> Option<u8> {
    let byte = u8::try_from(unit).ok()?;
    (byte.is_ascii_alphanumeric() || DIRECT.contains(&byte)).then_some(byte)
}

/// The digit for the lowest six bits.
fn digit(bits: u32) -> u8 {
    DIGITS[(bits & 0x3F) as usize]
}

/// `GetBytes`
pub(super) fn bytes(text: &Str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    // Bits that wait for a digit, and how many; `None` outside a shifted part.
    let mut shifted: Option<(u32, u32)> = None;
    for unit in text.units() {
        if let Some(byte) = direct(unit) {
            if let Some(rest) = shifted.take() {
                close(&mut out, rest);
            }
            out.push(byte);
            continue;
        }
        if shifted.is_none() && unit == u16::from(b'+') {
            out.extend_from_slice(b"+-");
            continue;
        }
        let (mut bits, mut count) = shifted.unwrap_or_else(|| {
            out.push(b'+');
            (0, 0)
        });
        bits = (bits << 16) | u32::from(unit);
        count += 16;
        while count >= 6 {
            count -= 6;
            out.push(digit(bits >> count));
        }
        shifted = Some((bits, count));
    }
    if let Some(rest) = shifted {
        close(&mut out, rest);
    }
    out
}

fn close(out: &mut Vec<u8>, (bits, count): (u32, u32)) {
    if count > 0 {
        out.push(digit(bits << (6 - count)));
    }
    out.push(b'-');
}

/// `GetString`: bytes that are no UTF-7 stand for the character of their number.
pub(super) fn string(bytes: &[u8]) -> Str {
    let mut out: Vec<u16> = Vec::with_capacity(bytes.len());
    let mut shifted: Option<(u32, u32)> = None;
    let mut first = false;
    for byte in bytes {
        let Some((bits, count)) = shifted else {
            match byte {
                b'+' => {
                    shifted = Some((0, 0));
                    first = true;
                }
                _ => out.push(u16::from(*byte)),
            }
            continue;
        };
        if let Some(value) = DIGITS.iter().position(|d| d == byte) {
            first = false;
            let (bits, mut count) = ((bits << 6) | value as u32, count + 6);
            if count >= 16 {
                count -= 16;
                out.push((bits >> count) as u16);
            }
            shifted = Some((bits, count));
            continue;
        }
        shifted = None;
        if *byte != b'-' {
            if *byte != 0 {
                out.push(u16::from(*byte));
            }
        } else if first {
            out.push(u16::from(b'+'));
        }
    }
    Str::from_utf16(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (text, expected) in [
            ("a+b", "a+-b"),
            ("\u{20AC}1", "+IKw-1"),
            ("a~", "a+AH4-"),
            ("\u{1F600}", "+2D3eAA-"),
        ] {
            assert_eq!(bytes(&Str::new(text)), expected.as_bytes(), "{text}");
            assert_eq!(string(expected.as_bytes()), text);
        }
        assert_eq!(string(b"+IKw!x"), "\u{20AC}!x");
    }
}
