//! The immutable string.
//!
//! .NET strings are UTF-16; traffic is UTF-8 and nearly always ASCII. A [`Str`] keeps the bytes as they
//! came and answers in UTF-16 units. Only text with a lone surrogate, which UTF-8 cannot hold, is kept wide.

use std::{
    borrow::Cow,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{Error, ExceptionKind};

/// A `System.String`. Cloning is a reference count.
#[derive(Clone)]
pub struct Str(Repr);

#[derive(Clone)]
enum Repr {
    /// ASCII from the program text: unit index = byte index.
    Static(&'static str),
    /// ASCII: unit index = byte index.
    Ascii(Arc<str>),
    /// Anything else that UTF-8 can hold. Behind one more pointer, so that the common forms stay small.
    Utf8(Arc<Utf8>),
    /// Text with at least one lone surrogate, never anything else: equality relies on it.
    Wide(Arc<[u16]>),
}

struct Utf8 {
    text: Box<str>,
    /// Length in UTF-16 units.
    units: usize,
}

impl Str {
    /// `String.Empty`.
    pub const EMPTY: Str = Str(Repr::Static(""));

    /// A string with this text.
    pub fn new(text: &str) -> Self {
        if text.is_empty() {
            Str::EMPTY
        } else if text.is_ascii() {
            Str(Repr::Ascii(text.into()))
        } else {
            Str::utf8(text.into(), utf16_len(text))
        }
    }

    fn utf8(text: Box<str>, units: usize) -> Self {
        Str(Repr::Utf8(Arc::new(Utf8 { text, units })))
    }

    /// A string over program text; ASCII text is not copied.
    pub fn from_static(text: &'static str) -> Self {
        if text.is_ascii() {
            Str(Repr::Static(text))
        } else {
            Str::new(text)
        }
    }

    /// A string of these UTF-16 units, paired or not.
    pub fn from_utf16(units: &[u16]) -> Self {
        match String::from_utf16(units) {
            Ok(text) => Str::from(text),
            Err(_) => Str(Repr::Wide(units.into())),
        }
    }

    /// A string of one UTF-16 unit: `Char.ToString()`.
    pub fn from_unit(unit: u16) -> Self {
        Str::from_utf16(&[unit])
    }

    /// `String.Length`.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Static(s) => s.len(),
            Repr::Ascii(s) => s.len(),
            Repr::Utf8(u) => u.units,
            Repr::Wide(w) => w.len(),
        }
    }

    /// Whether there is no unit at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text, unless it holds a lone surrogate.
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Repr::Static(s) => Some(s),
            Repr::Ascii(s) => Some(s),
            Repr::Utf8(u) => Some(&u.text),
            Repr::Wide(_) => None,
        }
    }

    /// The text if all of it is ASCII, where unit and byte positions agree.
    pub fn as_ascii(&self) -> Option<&str> {
        match &self.0 {
            Repr::Static(s) => Some(s),
            Repr::Ascii(s) => Some(s),
            _ => None,
        }
    }

    /// The text with U+FFFD for each lone surrogate: what .NET sends when it encodes the string.
    pub fn to_lossy(&self) -> Cow<'_, str> {
        match &self.0 {
            Repr::Wide(w) => Cow::Owned(String::from_utf16_lossy(w)),
            _ => Cow::Borrowed(self.as_str().unwrap_or_default()),
        }
    }

    /// The UTF-16 units in order.
    pub fn units(&self) -> Units<'_> {
        match &self.0 {
            Repr::Wide(w) => Units::Wide(w.iter()),
            _ => Units::Text(self.as_str().unwrap_or_default().encode_utf16()),
        }
    }

    /// The UTF-16 units as a list.
    pub fn to_utf16(&self) -> Vec<u16> {
        match &self.0 {
            Repr::Wide(w) => w.to_vec(),
            _ => self.units().collect(),
        }
    }

    /// Unit number `index`, if there is one.
    pub fn get(&self, index: usize) -> Option<u16> {
        match &self.0 {
            Repr::Static(s) => s.as_bytes().get(index).map(|b| u16::from(*b)),
            Repr::Ascii(s) => s.as_bytes().get(index).map(|b| u16::from(*b)),
            Repr::Utf8(u) => u.text.encode_utf16().nth(index),
            Repr::Wide(w) => w.get(index).copied(),
        }
    }

    /// `s[index]`.
    ///
    /// # Errors
    /// `IndexOutOfRangeException`.
    pub fn char_at(&self, index: i32) -> Result<u16, Error> {
        usize::try_from(index)
            .ok()
            .and_then(|i| self.get(i))
            .ok_or_else(|| Error::of(ExceptionKind::IndexOutOfRangeException))
    }

    /// Units `start .. start + len`; the caller has checked the bounds, anything outside is cut off.
    pub fn slice(&self, start: usize, len: usize) -> Str {
        let total = self.len();
        let start = start.min(total);
        let end = start.saturating_add(len).min(total);
        if start == end {
            return Str::EMPTY;
        }
        if start == 0 && end == total {
            return self.clone();
        }
        match &self.0 {
            Repr::Static(s) => Str(Repr::Static(&s[start..end])),
            Repr::Ascii(s) => Str(Repr::Ascii(s[start..end].into())),
            Repr::Wide(w) => Str::from_utf16(&w[start..end]),
            Repr::Utf8(u) => match (byte_of_unit(&u.text, start), byte_of_unit(&u.text, end)) {
                (Some(from), Some(to)) => Str::new(&u.text[from..to]),
                _ => Str::from_utf16(&self.to_utf16()[start..end]),
            },
        }
    }

    /// Unit position of byte position `byte` of [`Str::as_str`].
    pub(crate) fn unit_of_byte(&self, byte: usize) -> usize {
        match &self.0 {
            Repr::Utf8(u) => utf16_len(&u.text[..byte]),
            _ => byte,
        }
    }

    /// Whether both are the same object, as `ReferenceEquals` sees it. All empty strings are one.
    pub fn ptr_eq(&self, other: &Str) -> bool {
        match (&self.0, &other.0) {
            (Repr::Wide(a), Repr::Wide(b)) => Arc::ptr_eq(a, b),
            (Repr::Wide(_), _) | (_, Repr::Wide(_)) => false,
            _ => match (self.as_str(), other.as_str()) {
                (Some(a), Some(b)) => a.len() == b.len() && (a.is_empty() || std::ptr::eq(a, b)),
                _ => false,
            },
        }
    }

    /// `String.CompareOrdinal` as an order: by UTF-16 units.
    pub fn cmp_ordinal(&self, other: &Str) -> Ordering {
        match (self.as_ascii(), other.as_ascii()) {
            (Some(a), Some(b)) => a.cmp(b),
            _ => self.units().cmp(other.units()),
        }
    }

    /// `String.Concat` of all parts.
    ///
    /// # Errors
    /// A budget error past [`super::MAX_STRING_UNITS`].
    pub fn concat(parts: &[&Str]) -> Result<Str, Error> {
        let mut filled = parts.iter().filter(|p| !p.is_empty());
        let (Some(first), second) = (filled.next(), filled.next()) else {
            return Ok(Str::EMPTY);
        };
        if second.is_none() {
            return Ok((*first).clone());
        }
        let units: usize = parts.iter().map(|p| p.len()).sum();
        if units > super::MAX_STRING_UNITS {
            return Err(Error::budget("length of a string"));
        }
        let bytes: Option<usize> = parts.iter().map(|p| p.as_str().map(str::len)).sum();
        let Some(bytes) = bytes else {
            let mut wide = Vec::with_capacity(units);
            parts.iter().for_each(|p| wide.extend(p.units()));
            return Ok(Str::from_utf16(&wide));
        };
        let mut text = String::with_capacity(bytes);
        parts
            .iter()
            .filter_map(|p| p.as_str())
            .for_each(|p| text.push_str(p));
        Ok(if bytes == units {
            Str(Repr::Ascii(text.into()))
        } else {
            Str::utf8(text.into(), units)
        })
    }
}

/// Iterator over UTF-16 units, from [`Str::units`].
#[derive(Clone, Debug)]
pub enum Units<'a> {
    /// Over UTF-8 text.
    Text(std::str::EncodeUtf16<'a>),
    /// Over wide text.
    Wide(std::slice::Iter<'a, u16>),
}

impl Iterator for Units<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        match self {
            Units::Text(t) => t.next(),
            Units::Wide(w) => w.next().copied(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Units::Text(t) => t.size_hint(),
            Units::Wide(w) => w.size_hint(),
        }
    }
}

/// Length of `text` in UTF-16 units.
pub(crate) fn utf16_len(text: &str) -> usize {
    // One unit per character, one more per character outside the BMP (lead byte F0 or above).
    text.bytes()
        .map(|b| usize::from((b as i8) >= -0x40) + usize::from(b >= 0xF0))
        .sum()
}

fn byte_of_unit(text: &str, unit: usize) -> Option<usize> {
    let mut at = 0;
    for (byte, c) in text.char_indices() {
        if at == unit {
            return Some(byte);
        }
        if at > unit {
            return None;
        }
        at += c.len_utf16();
    }
    (at == unit).then_some(text.len())
}

impl Default for Str {
    fn default() -> Self {
        Str::EMPTY
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Str::new(text)
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Str::new(&text)
    }
}

impl From<Arc<str>> for Str {
    fn from(text: Arc<str>) -> Self {
        if text.is_ascii() {
            Str(Repr::Ascii(text))
        } else {
            let units = utf16_len(&text);
            Str::utf8((&*text).into(), units)
        }
    }
}

impl PartialEq for Str {
    fn eq(&self, other: &Str) -> bool {
        match (&self.0, &other.0) {
            (Repr::Wide(a), Repr::Wide(b)) => a == b,
            (Repr::Wide(_), _) | (_, Repr::Wide(_)) => false,
            _ => self.as_str() == other.as_str(),
        }
    }
}

impl Eq for Str {}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == Some(*other)
    }
}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Repr::Wide(w) => w.hash(state),
            _ => self.as_str().unwrap_or_default().hash(state),
        }
    }
}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Str) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Str {
    fn cmp(&self, other: &Str) -> Ordering {
        self.cmp_ordinal(other)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_lossy())
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.to_lossy(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONE: u16 = 0xD83D;

    #[test]
    fn lengths_and_units_are_utf16() {
        for (text, len) in [("", 0), ("abc", 3), ("é", 1), ("😀", 2), ("a😀é", 4)] {
            let s = Str::new(text);
            assert_eq!(s.len(), len, "{text}");
            assert_eq!(s.units().count(), len, "{text}");
            assert_eq!(s.to_utf16(), text.encode_utf16().collect::<Vec<_>>());
        }
        let s = Str::new("a😀");
        assert_eq!(s.char_at(1).unwrap(), LONE);
        assert!(s.char_at(3).is_err());
        assert_eq!(
            s.char_at(-1).unwrap_err().message,
            "Index was outside the bounds of the array."
        );
    }

    #[test]
    fn slices_may_cut_a_pair() {
        let s = Str::new("a😀b");
        for (start, len, expected) in [
            (0, 4, Str::new("a😀b")),
            (0, 1, Str::new("a")),
            (1, 2, Str::new("😀")),
            (3, 1, Str::new("b")),
            (1, 1, Str::from_utf16(&[LONE])),
            (2, 0, Str::EMPTY),
        ] {
            assert_eq!(s.slice(start, len), expected, "{start} {len}");
        }
        let half = s.slice(0, 2);
        assert_eq!(half.as_str(), None);
        assert_eq!(half.to_lossy(), "a\u{FFFD}");
        let whole = Str::concat(&[&half, &s.slice(2, 2)]).unwrap();
        assert_eq!(whole, s);
        assert_eq!(whole.as_str(), Some("a😀b"));
    }

    #[test]
    fn identity_is_not_equality() {
        let a = Str::new("str");
        let b = Str::new("str");
        assert!(a == b && !a.ptr_eq(&b) && a.ptr_eq(&a.clone()));
        assert!(Str::new("").ptr_eq(&Str::EMPTY));
    }

    #[test]
    fn order_is_by_utf16_units() {
        // U+FF5E sorts after an astral character in UTF-16, before it in UTF-8.
        assert_eq!(Str::new("～").cmp_ordinal(&Str::new("😀")), Ordering::Greater);
        assert_eq!(Str::new("a").cmp_ordinal(&Str::new("B")), Ordering::Greater);
        assert_eq!(Str::new("a").cmp_ordinal(&Str::new("ab")), Ordering::Less);
    }

    #[test]
    fn concat_is_bounded() {
        let big = Str::from("x".repeat(crate::text::MAX_STRING_UNITS / 2 + 1));
        assert_eq!(
            Str::concat(&[&big, &big]).unwrap_err().kind,
            ExceptionKind::BudgetExceeded
        );
        assert!(Str::concat(&[&big, &Str::EMPTY]).unwrap().ptr_eq(&big));
    }
}
