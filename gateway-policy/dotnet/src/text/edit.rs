//! Cutting, padding, trimming, splitting and joining.

use super::{MAX_STRING_UNITS, Str, chars::is_white_space};
use crate::{Error, ExceptionKind};

/// Where a string is split.
#[derive(Clone, Debug)]
pub enum Separators<'a> {
    /// At any of these units; none means at white space.
    Chars(&'a [u16]),
    /// At this text; null or empty never splits.
    Text(Option<&'a Str>),
    /// At the first of these that matches; null and empty ones are passed over, an empty list means white space.
    Texts(&'a [Option<Str>]),
}

impl Str {
    /// `Substring(startIndex)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn substring(&self, start: i32) -> Result<Str, Error> {
        let rest = self.len() as i64 - i64::from(start);
        self.check_start(start)?;
        Ok(self.slice(start as usize, rest as usize))
    }

    /// `Substring(startIndex, length)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn substring_len(&self, start: i32, len: i32) -> Result<Str, Error> {
        self.check_start(start)?;
        if len < 0 {
            return Err(Error::out_of_range("length", "Length cannot be less than zero."));
        }
        if i64::from(start) + i64::from(len) > self.len() as i64 {
            return Err(Error::out_of_range(
                "length",
                "Index and length must refer to a location within the string.",
            ));
        }
        Ok(self.slice(start as usize, len as usize))
    }

    fn check_start(&self, start: i32) -> Result<(), Error> {
        if start < 0 {
            return Err(Error::out_of_range(
                "startIndex",
                "StartIndex cannot be less than zero.",
            ));
        }
        if start as usize > self.len() {
            return Err(Error::out_of_range(
                "startIndex",
                "startIndex cannot be larger than length of string.",
            ));
        }
        Ok(())
    }

    /// `Remove(startIndex)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn remove(&self, start: i32) -> Result<Str, Error> {
        if start < 0 {
            return Err(Error::out_of_range(
                "startIndex",
                "StartIndex cannot be less than zero.",
            ));
        }
        if start as usize >= self.len() {
            return Err(Error::out_of_range(
                "startIndex",
                "startIndex must be less than length of string.",
            ));
        }
        Ok(self.slice(0, start as usize))
    }

    /// `Remove(startIndex, count)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn remove_len(&self, start: i32, count: i32) -> Result<Str, Error> {
        if start < 0 {
            return Err(Error::out_of_range(
                "startIndex",
                "StartIndex cannot be less than zero.",
            ));
        }
        if count < 0 {
            return Err(Error::out_of_range("count", "Count cannot be less than zero."));
        }
        if i64::from(start) + i64::from(count) > self.len() as i64 {
            return Err(Error::out_of_range(
                "count",
                "Index and count must refer to a location within the string.",
            ));
        }
        let end = start as usize + count as usize;
        Str::concat(&[&self.slice(0, start as usize), &self.slice(end, self.len() - end)])
    }

    /// `Insert(startIndex, value)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`; a budget error for a result too long.
    pub fn insert(&self, start: i32, value: &Str) -> Result<Str, Error> {
        let at = usize::try_from(start)
            .ok()
            .filter(|s| *s <= self.len())
            .ok_or_else(|| {
                Error::out_of_range(
                    "startIndex",
                    "Specified argument was out of the range of valid values.",
                )
            })?;
        Str::concat(&[&self.slice(0, at), value, &self.slice(at, self.len() - at)])
    }

    /// `PadLeft(totalWidth, paddingChar)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`; a budget error for a result too long.
    pub fn pad_left(&self, width: i32, unit: u16) -> Result<Str, Error> {
        Str::concat(&[&self.padding(width, unit)?, self])
    }

    /// `PadRight(totalWidth, paddingChar)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`; a budget error for a result too long.
    pub fn pad_right(&self, width: i32, unit: u16) -> Result<Str, Error> {
        Str::concat(&[self, &self.padding(width, unit)?])
    }

    fn padding(&self, width: i32, unit: u16) -> Result<Str, Error> {
        if width < 0 {
            return Err(Error::out_of_range("totalWidth", "Non-negative number required."));
        }
        Str::repeat(
            unit,
            i32::try_from((i64::from(width) - self.len() as i64).max(0)).unwrap_or(0),
        )
    }

    /// `new String(char, count)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`; a budget error for a result too long.
    pub fn repeat(unit: u16, count: i32) -> Result<Str, Error> {
        let count = usize::try_from(count)
            .map_err(|_| Error::out_of_range("count", "Count cannot be less than zero."))?;
        if count > MAX_STRING_UNITS {
            return Err(Error::budget("length of a string"));
        }
        Ok(match char::from_u32(u32::from(unit)) {
            Some(c) => Str::from(c.to_string().repeat(count)),
            None => Str::from_utf16(&vec![unit; count]),
        })
    }

    /// `Trim`, `TrimStart` and `TrimEnd`: at the chosen ends, of `set` or, if that is empty, of white space.
    pub fn trim(&self, set: &[u16], start: bool, end: bool) -> Str {
        let cut = |u: u16| {
            if set.is_empty() {
                is_white_space(u)
            } else {
                set.contains(&u)
            }
        };
        if let Some(ascii) = self.as_ascii() {
            let bytes = ascii.as_bytes();
            let keep = |b: &u8| !cut(u16::from(*b));
            let from = if start {
                bytes.iter().position(keep).unwrap_or(bytes.len())
            } else {
                0
            };
            let to = if end {
                bytes.iter().rposition(keep).map_or(from, |i| i + 1)
            } else {
                bytes.len()
            };
            return self.slice(from, to.max(from) - from);
        }
        let units = self.to_utf16();
        let from = if start {
            units.iter().take_while(|u| cut(**u)).count()
        } else {
            0
        };
        let tail = if end {
            units[from..].iter().rev().take_while(|u| cut(**u)).count()
        } else {
            0
        };
        self.slice(from, units.len() - from - tail)
    }

    /// `IsNullOrWhiteSpace` of a string that is not null.
    pub fn is_white_space(&self) -> bool {
        self.units().all(is_white_space)
    }

    /// `Split`: at most `count` parts, without the empty ones if asked.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` for a negative count.
    pub fn split(&self, at: &Separators<'_>, count: i32, remove_empty: bool) -> Result<Vec<Str>, Error> {
        let count = usize::try_from(count)
            .map_err(|_| Error::out_of_range("count", "Count cannot be less than zero."))?;
        if count == 0 || (remove_empty && self.is_empty()) {
            return Ok(Vec::new());
        }
        if count == 1 {
            return Ok(vec![self.clone()]);
        }
        let cuts = self.cuts(at);
        if cuts.is_empty() {
            return Ok(vec![self.clone()]);
        }
        Ok(if remove_empty {
            self.parts_filled(&cuts, count)
        } else {
            self.parts(&cuts, count)
        })
    }

    /// Start and length of each separator found.
    fn cuts(&self, at: &Separators<'_>) -> Vec<(usize, usize)> {
        let by_char = |set: &[u16]| {
            let hit = |u: u16| {
                if set.is_empty() {
                    is_white_space(u)
                } else {
                    set.contains(&u)
                }
            };
            if let Some(ascii) = self.as_ascii() {
                let hits = ascii.bytes().enumerate().filter(|(_, b)| hit(u16::from(*b)));
                return hits.map(|(i, _)| (i, 1)).collect();
            }
            self.units()
                .enumerate()
                .filter(|(_, u)| hit(*u))
                .map(|(i, _)| (i, 1))
                .collect()
        };
        let texts: Vec<Vec<u16>> = match at {
            Separators::Chars(set) => return by_char(set),
            Separators::Texts([]) => return by_char(&[]),
            Separators::Text(text) => text.iter().map(|t| t.to_utf16()).collect(),
            Separators::Texts(texts) => texts.iter().flatten().map(Str::to_utf16).collect(),
        };
        let units = self.to_utf16();
        let mut cuts = Vec::new();
        let mut i = 0;
        while i < units.len() {
            match texts.iter().find(|t| !t.is_empty() && units[i..].starts_with(t)) {
                Some(t) => {
                    cuts.push((i, t.len()));
                    i += t.len();
                }
                None => i += 1,
            }
        }
        cuts
    }

    fn parts(&self, cuts: &[(usize, usize)], count: usize) -> Vec<Str> {
        let used = cuts.len().min(count - 1);
        let mut parts = Vec::with_capacity(used + 1);
        let mut from = 0;
        for (at, len) in &cuts[..used] {
            parts.push(self.slice(from, at - from));
            from = at + len;
        }
        parts.push(self.slice(from, self.len() - from));
        parts
    }

    fn parts_filled(&self, cuts: &[(usize, usize)], count: usize) -> Vec<Str> {
        let total = self.len();
        let mut parts = Vec::new();
        let mut from = 0;
        let mut rest = cuts.iter().peekable();
        while let Some((at, len)) = rest.next().filter(|_| from < total) {
            if *at > from {
                parts.push(self.slice(from, at - from));
            }
            from = at + len;
            if parts.len() == count - 1 {
                // Separators that follow at once belong to no part.
                while let Some((_, len)) = rest.next_if(|(at, _)| *at == from) {
                    from += len;
                }
                break;
            }
        }
        if from < total {
            parts.push(self.slice(from, total - from));
        }
        parts
    }

    /// `String.Join`: null parts count as empty.
    ///
    /// # Errors
    /// A budget error for a result too long.
    pub fn join(separator: &Str, parts: &[Option<Str>]) -> Result<Str, Error> {
        let mut all = Vec::with_capacity(parts.len() * 2);
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                all.push(separator);
            }
            all.push(part.as_ref().unwrap_or(&Str::EMPTY));
        }
        Str::concat(&all)
    }

    /// `String.Join(separator, value, startIndex, count)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`; a budget error for a result too long.
    pub fn join_range(separator: &Str, parts: &[Option<Str>], start: i32, count: i32) -> Result<Str, Error> {
        let start = usize::try_from(start)
            .map_err(|_| Error::out_of_range("startIndex", "StartIndex cannot be less than zero."))?;
        let count = usize::try_from(count)
            .map_err(|_| Error::out_of_range("count", "Count cannot be less than zero."))?;
        let range = start
            .checked_add(count)
            .and_then(|end| parts.get(start..end))
            .ok_or_else(|| {
                Error::out_of_range(
                    "startIndex",
                    "Index and count must refer to a location within the buffer.",
                )
            })?;
        Str::join(separator, range)
    }

    /// `ToCharArray(startIndex, length)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn to_char_array(&self, start: i32, len: i32) -> Result<Vec<u16>, Error> {
        const INDEX: &str =
            "Index was out of range. Must be non-negative and less than the size of the collection.";
        let total = self.len() as i64;
        if start < 0 || i64::from(start) > total || i64::from(start) > total - i64::from(len) {
            return Err(Error::out_of_range("startIndex", INDEX));
        }
        if len < 0 {
            return Err(Error::out_of_range("length", INDEX));
        }
        Ok(self.units().skip(start as usize).take(len as usize).collect())
    }
}

/// `Char.Parse`.
///
/// # Errors
/// `FormatException` unless the string is one unit long.
pub fn parse_char(text: &Str) -> Result<u16, Error> {
    match (text.len(), text.get(0)) {
        (1, Some(unit)) => Ok(unit),
        _ => Err(Error::new(
            ExceptionKind::FormatException,
            "String must be exactly one character long.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(text: &str) -> Str {
        Str::new(text)
    }

    fn text(result: Result<Str, Error>) -> String {
        result.map_or_else(|e| format!("!{}", e.message), |s| s.to_string())
    }

    #[test]
    fn cutting() {
        for (got, expected) in [
            (s("abc").substring(1), "bc"),
            (s("abc").substring(3), ""),
            (
                s("abc").substring(-1),
                "!StartIndex cannot be less than zero. (Parameter 'startIndex')",
            ),
            (
                s("abc").substring(4),
                "!startIndex cannot be larger than length of string. (Parameter 'startIndex')",
            ),
            (
                s("abc").substring_len(0, -1),
                "!Length cannot be less than zero. (Parameter 'length')",
            ),
            (
                s("abc").substring_len(1, i32::MAX),
                "!Index and length must refer to a location within the string. (Parameter 'length')",
            ),
            (s("abc").remove(1), "a"),
            (
                s("abc").remove(3),
                "!startIndex must be less than length of string. (Parameter 'startIndex')",
            ),
            (s("abc").remove_len(1, 1), "ac"),
            (
                s("abc").remove_len(1, 5),
                "!Index and count must refer to a location within the string. (Parameter 'count')",
            ),
            (s("abc").insert(1, &s("Z")), "aZbc"),
            (
                s("abc").insert(4, &s("x")),
                "!Specified argument was out of the range of valid values. (Parameter 'startIndex')",
            ),
            (s("abc").pad_left(5, 48), "00abc"),
            (s("abc").pad_right(5, 48), "abc00"),
            (
                s("abc").pad_left(-1, 32),
                "!Non-negative number required. (Parameter 'totalWidth')",
            ),
            (Str::repeat(120, 3), "xxx"),
            (
                Str::repeat(120, -1),
                "!Count cannot be less than zero. (Parameter 'count')",
            ),
            (
                Str::repeat(120, i32::MAX),
                "!The expression used more than its budget: length of a string.",
            ),
        ] {
            assert_eq!(text(got), expected);
        }
    }

    #[test]
    fn trimming() {
        for (value, set, start, end, expected) in [
            (" \u{a0}\u{2003}a\u{200b} ", "", true, true, "a\u{200b}"),
            ("xxabcxx", "x", true, true, "abc"),
            ("abc", "ab", true, false, "c"),
            ("a/b//", "/", false, true, "a/b"),
            ("   ", "", true, true, ""),
        ] {
            let set: Vec<u16> = set.encode_utf16().collect();
            assert_eq!(s(value).trim(&set, start, end), expected);
        }
    }

    #[test]
    fn splitting() {
        let check = |value: &str, at: Separators<'_>, count, remove, expected: &[&str]| {
            let got = s(value).split(&at, count, remove).unwrap();
            assert_eq!(got, expected, "{value} {at:?} {count} {remove}");
        };
        const ALL: i32 = i32::MAX;
        let comma = Separators::Chars(&[44]);
        check("a,b,,c", comma.clone(), ALL, false, &["a", "b", "", "c"]);
        check("a b\tc", Separators::Chars(&[]), ALL, false, &["a", "b", "c"]);
        check(" a ", Separators::Texts(&[]), ALL, false, &["", "a", ""]);
        check("a,b,c", comma.clone(), 2, false, &["a", "b,c"]);
        check("a,b,c", comma.clone(), 0, false, &[]);
        check("a,b,c", comma.clone(), 1, true, &["a,b,c"]);
        check(",,a,,b,,c", comma.clone(), 2, true, &["a", "b,,c"]);
        check(",,", comma.clone(), ALL, true, &[]);
        check("", comma.clone(), ALL, false, &[""]);
        check("", comma.clone(), ALL, true, &[]);
        check("a--b", Separators::Text(Some(&s("--"))), ALL, false, &["a", "b"]);
        check("a b", Separators::Text(None), ALL, false, &["a b"]);
        let some = |t: &str| Some(s(t));
        check(
            "abc",
            Separators::Texts(&[some("b"), some(""), None]),
            ALL,
            false,
            &["a", "c"],
        );
        check(
            "abab",
            Separators::Texts(&[some("ab"), some("a")]),
            ALL,
            false,
            &["", "", ""],
        );
        check("é,😀", comma.clone(), ALL, false, &["é", "😀"]);
        assert!(s("a").split(&comma, -1, false).is_err());
    }

    #[test]
    fn joining() {
        let parts = [Some(s("a")), None, Some(s("b"))];
        assert_eq!(Str::join(&s(","), &parts).unwrap(), "a,,b");
        assert_eq!(text(Str::join_range(&s("-"), &parts, 1, 2)), "-b");
        assert_eq!(
            text(Str::join_range(&s("-"), &parts, 1, 3)),
            "!Index and count must refer to a location within the buffer. (Parameter 'startIndex')"
        );
        assert_eq!(s("abc").to_char_array(1, 2).unwrap(), [98, 99]);
        assert!(s("abc").to_char_array(1, 5).is_err());
        assert!(parse_char(&s("ab")).is_err() && parse_char(&s("é")).is_ok());
    }
}
