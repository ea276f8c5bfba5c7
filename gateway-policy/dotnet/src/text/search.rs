//! Searching and replacing: `IndexOf`, `LastIndexOf`, `Contains`, `StartsWith`, `Replace` and their kin.

use std::borrow::Cow;

use super::{MAX_STRING_UNITS, Str, StringComparison, compare::unit_to_upper};
use crate::Error;

const INDEX: &str = "Index was out of range. Must be non-negative and less than the size of the collection.";
const COUNT: &str =
    "Count must be positive and count must refer to a location within the string/array/collection.";

/// The units of `s`, upper-cased when case does not count.
fn folded(s: &Str, how: StringComparison) -> Vec<u16> {
    if how.ignores_case() {
        s.units().map(unit_to_upper).collect()
    } else {
        s.to_utf16()
    }
}

fn find(hay: &[u16], needle: &[u16]) -> Option<usize> {
    if needle.is_empty() {
        Some(0)
    } else {
        hay.windows(needle.len()).position(|w| w == needle)
    }
}

fn rfind(hay: &[u16], needle: &[u16]) -> Option<usize> {
    hay.windows(needle.len().max(1)).rposition(|w| w == needle)
}

/// Checks a forward range `start`, `count` against `len`; no count means to the end.
fn forward(len: usize, start: i32, count: Option<i32>) -> Result<(usize, usize), Error> {
    let start = usize::try_from(start)
        .ok()
        .filter(|s| *s <= len)
        .ok_or_else(|| Error::out_of_range("startIndex", INDEX))?;
    let Some(count) = count else {
        return Ok((start, len));
    };
    usize::try_from(count)
        .ok()
        .filter(|c| *c <= len - start)
        .map(|c| (start, start + c))
        .ok_or_else(|| Error::out_of_range("count", COUNT))
}

impl Str {
    /// `IndexOf(value)` under a comparison.
    pub fn index_of(&self, value: &Str, how: StringComparison) -> Option<usize> {
        match (self.as_str(), value.as_str()) {
            (Some(hay), Some(needle)) if !how.ignores_case() => {
                hay.find(needle).map(|b| self.unit_of_byte(b))
            }
            _ => find(&folded(self, how), &folded(value, how)),
        }
    }

    /// `IndexOf(value, startIndex[, count])` under a comparison; -1 when there is none.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` for `startIndex` or `count`.
    pub fn index_of_in(
        &self,
        value: &Str,
        start: i32,
        count: Option<i32>,
        how: StringComparison,
    ) -> Result<i32, Error> {
        let (from, to) = forward(self.len(), start, count)?;
        Ok(position(
            self.slice(from, to - from).index_of(value, how).map(|i| i + from),
        ))
    }

    /// `IndexOf(char, startIndex[, count])`; -1 when there is none.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` for `startIndex` or `count`.
    pub fn index_of_char(&self, unit: u16, start: i32, count: Option<i32>) -> Result<i32, Error> {
        self.index_of_any(&[unit], start, count)
    }

    /// `IndexOfAny(char[], startIndex[, count])`; -1 when there is none.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` for `startIndex` or `count`.
    pub fn index_of_any(&self, any: &[u16], start: i32, count: Option<i32>) -> Result<i32, Error> {
        let (from, to) = forward(self.len(), start, count)?;
        let found = match self.as_ascii() {
            Some(ascii) => ascii.as_bytes()[from..to]
                .iter()
                .position(|b| any.contains(&u16::from(*b))),
            None => self
                .units()
                .skip(from)
                .take(to - from)
                .position(|u| any.contains(&u)),
        };
        Ok(position(found.map(|i| i + from)))
    }

    /// `LastIndexOf(value[, startIndex[, count]])` under a comparison; -1 when there is none.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` for `startIndex` or `count`.
    pub fn last_index_of(
        &self,
        value: &Str,
        start: Option<i32>,
        count: Option<i32>,
        how: StringComparison,
    ) -> Result<i32, Error> {
        let len = self.len() as i64;
        let mut start = start.map_or(len - 1, i64::from);
        let mut count = count.map_or(start + 1, i64::from);
        if len == 0 && (start == -1 || start == 0) {
            return Ok(if value.is_empty() { 0 } else { -1 });
        }
        if start < 0 || start > len {
            return Err(Error::out_of_range("startIndex", INDEX));
        }
        if start == len {
            start -= 1;
            count = (count - 1).max(count.min(0));
        }
        if count < 0 || start - count + 1 < 0 {
            return Err(Error::out_of_range("count", COUNT));
        }
        if value.is_empty() {
            return Ok(start as i32);
        }
        let from = (start - count + 1) as usize;
        let hay = folded(&self.slice(from, count as usize), how);
        Ok(position(rfind(&hay, &folded(value, how)).map(|i| i + from)))
    }

    /// `LastIndexOf(char[, startIndex[, count]])`, or of any of several; -1 when there is none.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` for `startIndex` or `count`.
    pub fn last_index_of_any(
        &self,
        any: &[u16],
        start: Option<i32>,
        count: Option<i32>,
    ) -> Result<i32, Error> {
        let len = self.len() as i64;
        if len == 0 {
            return Ok(-1);
        }
        let start = start.map_or(len - 1, i64::from);
        if start < 0 || start >= len {
            return Err(Error::out_of_range("startIndex", INDEX));
        }
        let count = count.map_or(start + 1, i64::from);
        if count < 0 || count > start + 1 {
            return Err(Error::out_of_range("count", COUNT));
        }
        let from = (start - count + 1) as usize;
        if let Some(ascii) = self.as_ascii() {
            let hit = |b: &u8| any.contains(&u16::from(*b));
            let found = ascii.as_bytes()[from..from + count as usize]
                .iter()
                .rposition(hit);
            return Ok(position(found.map(|i| i + from)));
        }
        let units: Vec<u16> = self.units().skip(from).take(count as usize).collect();
        Ok(position(
            units.iter().rposition(|u| any.contains(u)).map(|i| i + from),
        ))
    }

    /// `Contains(value)` under a comparison.
    pub fn contains(&self, value: &Str, how: StringComparison) -> bool {
        self.index_of(value, how).is_some()
    }

    /// `StartsWith(value)` under a comparison.
    pub fn starts_with(&self, value: &Str, how: StringComparison) -> bool {
        match (self.as_str(), value.as_str()) {
            (Some(text), Some(head)) if how.ignores_case() => text
                .as_bytes()
                .get(..head.len())
                .is_some_and(|t| t.eq_ignore_ascii_case(head.as_bytes())),
            (Some(text), Some(head)) => text.starts_with(head),
            _ => folded(self, how).starts_with(&folded(value, how)),
        }
    }

    /// `EndsWith(value)` under a comparison.
    pub fn ends_with(&self, value: &Str, how: StringComparison) -> bool {
        match (self.as_str(), value.as_str()) {
            (Some(text), Some(tail)) if !how.ignores_case() => text.ends_with(tail),
            _ => folded(self, how).ends_with(&folded(value, how)),
        }
    }

    /// `Replace(oldValue, newValue)` under a comparison.
    ///
    /// # Errors
    /// `ArgumentException` for an empty `oldValue`; a budget error for a result too long.
    pub fn replace(&self, old: &Str, new: &Str, how: StringComparison) -> Result<Str, Error> {
        if old.is_empty() {
            return Err(Error::argument("oldValue", "String cannot be of zero length."));
        }
        if let (Some(text), Some(old), Some(new), false) =
            (self.as_str(), old.as_str(), new.as_str(), how.ignores_case())
        {
            let count = text.matches(old).count();
            if count == 0 {
                return Ok(self.clone());
            }
            if count.saturating_mul(new.len()).saturating_add(text.len()) <= MAX_STRING_UNITS {
                return Ok(Str::from(text.replace(old, new)));
            }
        }
        let hay = folded(self, how);
        let needle = folded(old, how);
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(i) = hay.get(at..).and_then(|rest| find(rest, &needle)) {
            found.push(at + i);
            at += i + needle.len();
        }
        if found.is_empty() {
            return Ok(self.clone());
        }
        let growth = found.len().saturating_mul(new.len());
        if hay.len().saturating_add(growth) > MAX_STRING_UNITS + found.len() * needle.len() {
            return Err(Error::budget("length of a string"));
        }
        let source: Cow<'_, [u16]> = if how.ignores_case() {
            Cow::Owned(self.to_utf16())
        } else {
            Cow::Borrowed(&hay)
        };
        let new = new.to_utf16();
        let mut out = Vec::with_capacity(hay.len());
        let mut last = 0;
        for start in found {
            out.extend_from_slice(&source[last..start]);
            out.extend_from_slice(&new);
            last = start + needle.len();
        }
        out.extend_from_slice(&source[last..]);
        Ok(Str::from_utf16(&out))
    }

    /// `Replace(char, char)`.
    pub fn replace_char(&self, old: u16, new: u16) -> Str {
        if !self.units().any(|u| u == old) {
            return self.clone();
        }
        Str::from_utf16(
            &self
                .units()
                .map(|u| if u == old { new } else { u })
                .collect::<Vec<_>>(),
        )
    }
}

fn position(found: Option<usize>) -> i32 {
    found.and_then(|i| i32::try_from(i).ok()).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use StringComparison::{Ordinal, OrdinalIgnoreCase};

    fn s(text: &str) -> Str {
        Str::new(text)
    }

    #[test]
    fn index_of_table() {
        for (hay, needle, how, expected) in [
            ("abc", "c", Ordinal, Some(2)),
            ("abc", "", Ordinal, Some(0)),
            ("a😀b", "b", Ordinal, Some(3)),
            ("ab", "B", OrdinalIgnoreCase, Some(1)),
            ("ab", "B", Ordinal, None),
        ] {
            assert_eq!(s(hay).index_of(&s(needle), how), expected, "{hay} {needle}");
        }
        assert_eq!(s("abc").index_of_in(&s(""), 3, None, Ordinal).unwrap(), 3);
        assert_eq!(s("aab").index_of_in(&s("ab"), 1, Some(1), Ordinal).unwrap(), -1);
        let error = |start, count| {
            s("abc")
                .index_of_in(&s("c"), start, count, Ordinal)
                .unwrap_err()
                .message
        };
        assert_eq!(error(4, None), format!("{INDEX} (Parameter 'startIndex')"));
        assert_eq!(error(1, Some(5)), format!("{COUNT} (Parameter 'count')"));
    }

    #[test]
    fn last_index_of_table() {
        for (hay, needle, start, count, expected) in [
            ("abc", "", None, None, 2),
            ("abc", "", Some(2), None, 2),
            ("", "a", None, None, -1),
            ("", "", None, None, 0),
            ("abcabc", "c", Some(4), None, 2),
            ("abcabc", "bc", Some(4), Some(2), -1),
            ("abcabc", "bc", None, None, 4),
        ] {
            let got = s(hay).last_index_of(&s(needle), start, count, Ordinal).unwrap();
            assert_eq!(got, expected, "{hay} {needle} {start:?} {count:?}");
        }
        assert!(s("abc").last_index_of(&s("b"), Some(5), None, Ordinal).is_err());
        assert!(s("abcabc").last_index_of_any(&[98], Some(5), Some(9)).is_err());
        assert_eq!(s("abcabc").last_index_of_any(&[98], None, None).unwrap(), 4);
    }

    #[test]
    fn replacing() {
        for (text, old, new, how, expected) in [
            ("a-b-c", "-", "", Ordinal, "abc"),
            ("abcABC", "B", "x", OrdinalIgnoreCase, "axcAxC"),
            ("aaa", "aa", "b", Ordinal, "ba"),
            ("é", "é", "ee", Ordinal, "ee"),
        ] {
            assert_eq!(s(text).replace(&s(old), &s(new), how).unwrap(), expected);
        }
        let e = s("abc").replace(&Str::EMPTY, &s("x"), Ordinal).unwrap_err();
        assert_eq!(
            e.message,
            "String cannot be of zero length. (Parameter 'oldValue')"
        );
        let long = Str::from("x".repeat(10_000));
        assert!(long.replace(&s("x"), &long, Ordinal).is_err(), "bounded");
        assert_eq!(s("a_b").replace_char(95, 33), "a!b");
    }

    #[test]
    fn heads_and_tails() {
        assert!(s("Abc").starts_with(&s("aB"), OrdinalIgnoreCase));
        assert!(!s("Abc").starts_with(&s("ab"), Ordinal));
        assert!(s("abc").ends_with(&s("C"), OrdinalIgnoreCase) && s("abc").ends_with(&s(""), Ordinal));
        assert!(!s("é").starts_with(&s("éé"), OrdinalIgnoreCase));
    }
}
