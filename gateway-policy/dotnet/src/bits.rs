//! `System.BitConverter`, little-endian.

use crate::{Error, ExceptionKind};

const INDEX: &str = "Index was out of range. Must be non-negative and less than the size of the collection.";

/// `BitConverter.ToString(value)`: hexadecimal pairs joined by dashes.
pub fn to_text(bytes: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(bytes.len() * 3);
    for (i, b) in bytes.iter().enumerate() {
        if i > 0 {
            out.push('-');
        }
        out.push(char::from(HEX[usize::from(b >> 4)]));
        out.push(char::from(HEX[usize::from(b & 15)]));
    }
    out
}

/// `BitConverter.ToString(value, startIndex[, length])`.
///
/// # Errors
/// `ArgumentOutOfRangeException`, `ArgumentException`.
pub fn to_text_in(bytes: &[u8], start: i32, len: Option<i32>) -> Result<String, Error> {
    let at = usize::try_from(start)
        .ok()
        .filter(|s| *s < bytes.len() || (*s == 0 && bytes.is_empty()));
    let at = at.ok_or_else(|| Error::out_of_range("startIndex", INDEX))?;
    let len = match len {
        None => bytes.len() - at,
        Some(l) => {
            usize::try_from(l).map_err(|_| Error::out_of_range("length", "Value must be positive."))?
        }
    };
    let part = at
        .checked_add(len)
        .and_then(|end| bytes.get(at..end))
        .ok_or_else(too_short)?;
    Ok(to_text(part))
}

fn too_short() -> Error {
    Error::argument(
        "value",
        "Destination array is not long enough to copy all the items in the collection. Check array index and length.",
    )
}

/// `BitConverter.ToInt32(value, startIndex)` and its siblings: `N` bytes from `start`.
///
/// # Errors
/// `ArgumentOutOfRangeException`, `ArgumentException`.
pub fn read<const N: usize>(bytes: &[u8], start: i32) -> Result<[u8; N], Error> {
    let at = usize::try_from(start)
        .ok()
        .filter(|s| *s < bytes.len())
        .ok_or_else(|| Error::out_of_range("startIndex", INDEX))?;
    let part = bytes.get(at..at + N).and_then(|p| <[u8; N]>::try_from(p).ok());
    part.ok_or_else(|| {
        if N == 1 {
            Error::of(ExceptionKind::ArgumentOutOfRangeException)
        } else {
            too_short()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        assert_eq!(to_text(&[1, 255]), "01-FF");
        assert_eq!(to_text_in(&[1, 2, 3], 1, Some(2)).unwrap(), "02-03");
        assert_eq!(to_text_in(&[1, 2, 3], 1, None).unwrap(), "02-03");
        assert_eq!(to_text_in(&[], 0, None).unwrap(), "");
        assert!(to_text_in(&[1, 2, 3], 3, None).is_err());
        assert_eq!(i32::from_le_bytes(read(&[1, 2, 3, 4], 0).unwrap()), 67_305_985);
        let message = |r: Result<[u8; 4], Error>| r.unwrap_err().message.into_owned();
        assert!(message(read(&[1, 2, 3, 4], 1)).starts_with("Destination array is not long enough"));
        assert_eq!(
            message(read(&[1, 2, 3, 4], 4)),
            format!("{INDEX} (Parameter 'startIndex')")
        );
    }
}
