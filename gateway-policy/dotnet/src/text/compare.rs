//! Equality and order of strings under a `StringComparison`.
//!
//! The measured runtime has invariant globalisation: culture comparisons are ordinal and only ASCII
//! letters have two cases. Both facts live in this file.

use std::cmp::Ordering;

use super::Str;
use crate::Error;

/// `System.StringComparison`, in the order of its numeric values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the .NET enum under their own names")]
pub enum StringComparison {
    CurrentCulture,
    CurrentCultureIgnoreCase,
    InvariantCulture,
    InvariantCultureIgnoreCase,
    Ordinal,
    OrdinalIgnoreCase,
}

impl StringComparison {
    /// The comparison with this numeric value.
    ///
    /// # Errors
    /// `ArgumentException` for anything outside 0 to 5.
    pub fn from_value(value: i32) -> Result<Self, Error> {
        use StringComparison::*;
        match value {
            0 => Ok(CurrentCulture),
            1 => Ok(CurrentCultureIgnoreCase),
            2 => Ok(InvariantCulture),
            3 => Ok(InvariantCultureIgnoreCase),
            4 => Ok(Ordinal),
            5 => Ok(OrdinalIgnoreCase),
            _ => Err(Error::argument(
                "comparisonType",
                "The string comparison type passed in is currently not supported.",
            )),
        }
    }

    /// Whether letters of both cases are equal.
    pub fn ignores_case(self) -> bool {
        use StringComparison::*;
        matches!(
            self,
            CurrentCultureIgnoreCase | InvariantCultureIgnoreCase | OrdinalIgnoreCase
        )
    }
}

/// `Char.ToUpperInvariant`.
pub fn unit_to_upper(unit: u16) -> u16 {
    if (u16::from(b'a')..=u16::from(b'z')).contains(&unit) {
        unit - 32
    } else {
        unit
    }
}

/// `Char.ToLowerInvariant`.
pub fn unit_to_lower(unit: u16) -> u16 {
    if (u16::from(b'A')..=u16::from(b'Z')).contains(&unit) {
        unit + 32
    } else {
        unit
    }
}

impl Str {
    /// `String.ToUpper` and `ToUpperInvariant`.
    pub fn to_upper(&self) -> Str {
        match self.as_str() {
            Some(text) if text.bytes().any(|b| b.is_ascii_lowercase()) => {
                Str::from(text.to_ascii_uppercase())
            }
            Some(_) => self.clone(),
            None => Str::from_utf16(&self.units().map(unit_to_upper).collect::<Vec<_>>()),
        }
    }

    /// `String.ToLower` and `ToLowerInvariant`.
    pub fn to_lower(&self) -> Str {
        match self.as_str() {
            Some(text) if text.bytes().any(|b| b.is_ascii_uppercase()) => {
                Str::from(text.to_ascii_lowercase())
            }
            Some(_) => self.clone(),
            None => Str::from_utf16(&self.units().map(unit_to_lower).collect::<Vec<_>>()),
        }
    }

    /// `String.Equals` with a comparison.
    pub fn equals(&self, other: &Str, how: StringComparison) -> bool {
        if !how.ignores_case() {
            return self == other;
        }
        match (self.as_str(), other.as_str()) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            _ => self
                .units()
                .map(unit_to_upper)
                .eq(other.units().map(unit_to_upper)),
        }
    }

    /// `String.Compare`: the difference of the first two units that differ, else of the lengths.
    pub fn compare(&self, other: &Str, ignore_case: bool) -> i32 {
        let fold = |u: u16| if ignore_case { unit_to_upper(u) } else { u };
        if !ignore_case {
            // .NET looks at the first two units before it looks at lengths, the terminator included.
            for index in 0..2.min(self.len().max(other.len())) {
                let (a, b) = (self.get(index).unwrap_or(0), other.get(index).unwrap_or(0));
                if a != b {
                    return i32::from(a) - i32::from(b);
                }
            }
        }
        for (a, b) in self.units().zip(other.units()) {
            let (a, b) = (fold(a), fold(b));
            if a != b {
                return i32::from(a) - i32::from(b);
            }
        }
        i32::try_from(self.len() as i64 - other.len() as i64).unwrap_or(0)
    }

    /// The same as an [`Ordering`], for sorting.
    pub fn order(&self, other: &Str, how: StringComparison) -> Ordering {
        if how.ignores_case() {
            self.compare(other, true).cmp(&0)
        } else {
            self.cmp_ordinal(other)
        }
    }
}

/// `String.Compare` where either may be null: null sorts first.
pub fn compare_nullable(a: Option<&Str>, b: Option<&Str>, ignore_case: bool) -> i32 {
    match (a, b) {
        (None, None) => 0,
        (None, Some(_)) => -1,
        (Some(_), None) => 1,
        (Some(a), Some(b)) => a.compare(b, ignore_case),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compare_gives_the_measured_numbers() {
        for (a, b, ignore, expected) in [
            ("a", "B", false, 31),
            ("B", "a", true, 1),
            ("abc", "ABD", true, -1),
            ("abc", "ab", false, 1),
            ("é", "É", true, 32),
            ("x", "x", false, 0),
            ("AZ", "", false, 65),
            ("A", "Ab", false, -98),
            ("ABCD", "AB", false, 2),
            ("", "AZ", true, -2),
        ] {
            assert_eq!(Str::new(a).compare(&Str::new(b), ignore), expected, "{a} {b}");
        }
        assert_eq!(compare_nullable(None, Some(&Str::new("ab")), false), -1);
    }

    #[test]
    fn only_ascii_has_case() {
        assert_eq!(Str::new("éÀßx").to_upper(), "éÀßX");
        assert_eq!(Str::new("ÀÉX").to_lower(), "ÀÉx");
        let same = Str::new("ABC");
        assert!(same.to_upper().ptr_eq(&same));
        assert!(Str::new("aB").equals(&Str::new("Ab"), StringComparison::OrdinalIgnoreCase));
        assert!(!Str::new("é").equals(&Str::new("É"), StringComparison::InvariantCultureIgnoreCase));
        assert!(StringComparison::from_value(9).is_err());
    }
}
