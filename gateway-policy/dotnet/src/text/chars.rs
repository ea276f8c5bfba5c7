//! `System.Char`: classification by Unicode general category.

use unicode_properties::{GeneralCategory as G, UnicodeGeneralCategory};

use super::Str;
use crate::Error;

/// The category of a unit; none for a surrogate. `System.Char` has its own table for Latin-1, which kept
/// what an early Unicode said of five characters.
fn category(unit: u16) -> Option<G> {
    match unit {
        0xA7 | 0xB6 => Some(G::OtherSymbol),
        0xAA | 0xBA => Some(G::LowercaseLetter),
        0xAD => Some(G::DashPunctuation),
        _ => char::from_u32(u32::from(unit)).map(|c| c.general_category()),
    }
}

/// `Char.IsWhiteSpace`.
pub fn is_white_space(unit: u16) -> bool {
    char::from_u32(u32::from(unit)).is_some_and(char::is_whitespace)
}

/// A question about one UTF-16 unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is Char.Is… of that name")]
pub enum CharClass {
    Control,
    Digit,
    Letter,
    LetterOrDigit,
    Lower,
    Upper,
    Number,
    Punctuation,
    Separator,
    Symbol,
    WhiteSpace,
    Surrogate,
    HighSurrogate,
    LowSurrogate,
}

impl CharClass {
    /// Whether `unit` belongs to the class.
    pub fn contains(self, unit: u16) -> bool {
        let g = category(unit);
        let any = |set: &[G]| g.is_some_and(|g| set.contains(&g));
        let letter = || {
            any(&[
                G::UppercaseLetter,
                G::LowercaseLetter,
                G::TitlecaseLetter,
                G::ModifierLetter,
                G::OtherLetter,
            ])
        };
        match self {
            CharClass::Control => any(&[G::Control]),
            CharClass::Digit => any(&[G::DecimalNumber]),
            CharClass::Letter => letter(),
            CharClass::LetterOrDigit => letter() || any(&[G::DecimalNumber]),
            CharClass::Lower => any(&[G::LowercaseLetter]),
            CharClass::Upper => any(&[G::UppercaseLetter]),
            CharClass::Number => any(&[G::DecimalNumber, G::LetterNumber, G::OtherNumber]),
            CharClass::Punctuation => any(&[
                G::ConnectorPunctuation,
                G::DashPunctuation,
                G::OpenPunctuation,
                G::ClosePunctuation,
                G::InitialPunctuation,
                G::FinalPunctuation,
                G::OtherPunctuation,
            ]),
            CharClass::Separator => any(&[G::SpaceSeparator, G::LineSeparator, G::ParagraphSeparator]),
            CharClass::Symbol => any(&[
                G::MathSymbol,
                G::CurrencySymbol,
                G::ModifierSymbol,
                G::OtherSymbol,
            ]),
            CharClass::WhiteSpace => is_white_space(unit),
            CharClass::Surrogate => (0xD800..0xE000).contains(&unit),
            CharClass::HighSurrogate => (0xD800..0xDC00).contains(&unit),
            CharClass::LowSurrogate => (0xDC00..0xE000).contains(&unit),
        }
    }

    /// The same of unit `index` of a string: `Char.IsDigit(s, index)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` outside the string.
    pub fn contains_at(self, text: &Str, index: i32) -> Result<bool, Error> {
        usize::try_from(index)
            .ok()
            .and_then(|i| text.get(i))
            .map(|u| self.contains(u))
            .ok_or_else(|| {
                Error::out_of_range(
                    "index",
                    "Specified argument was out of the range of valid values.",
                )
            })
    }
}

/// `Char.GetNumericValue`; -1 for what is no number. Covers decimal digits and the Latin-1 fractions.
pub fn numeric_value(unit: u16) -> f64 {
    match unit {
        0xBC => 0.25,
        0xBD => 0.5,
        0xBE => 0.75,
        0xB2 | 0xB3 => f64::from(unit - 0xB0),
        0xB9 => 1.0,
        _ => digit_value(unit).map_or(-1.0, f64::from),
    }
}

/// Value of a decimal digit of any script: runs of Unicode digits begin at a multiple that category shows.
fn digit_value(unit: u16) -> Option<u16> {
    if !CharClass::Digit.contains(unit) {
        return None;
    }
    // Digits come in runs of ten whose first member is 0; the run's start is found by walking back.
    let run = (1..=unit)
        .take_while(|back| CharClass::Digit.contains(unit - back))
        .count() as u16;
    Some(run % 10)
}

/// `Char.GetUnicodeCategory`: the name and number of the .NET enum member.
pub fn unicode_category(unit: u16) -> (&'static str, i32) {
    named(category(unit))
}

/// The number of the .NET category of a whole code point.
pub fn category_of(c: char) -> i32 {
    named(Some(c.general_category())).1
}

fn named(group: Option<G>) -> (&'static str, i32) {
    match group {
        None => ("Surrogate", 16),
        Some(g) => match g {
            G::UppercaseLetter => ("UppercaseLetter", 0),
            G::LowercaseLetter => ("LowercaseLetter", 1),
            G::TitlecaseLetter => ("TitlecaseLetter", 2),
            G::ModifierLetter => ("ModifierLetter", 3),
            G::OtherLetter => ("OtherLetter", 4),
            G::NonspacingMark => ("NonSpacingMark", 5),
            G::SpacingMark => ("SpacingCombiningMark", 6),
            G::EnclosingMark => ("EnclosingMark", 7),
            G::DecimalNumber => ("DecimalDigitNumber", 8),
            G::LetterNumber => ("LetterNumber", 9),
            G::OtherNumber => ("OtherNumber", 10),
            G::SpaceSeparator => ("SpaceSeparator", 11),
            G::LineSeparator => ("LineSeparator", 12),
            G::ParagraphSeparator => ("ParagraphSeparator", 13),
            G::Control => ("Control", 14),
            G::Format => ("Format", 15),
            G::Surrogate => ("Surrogate", 16),
            G::PrivateUse => ("PrivateUse", 17),
            G::ConnectorPunctuation => ("ConnectorPunctuation", 18),
            G::DashPunctuation => ("DashPunctuation", 19),
            G::OpenPunctuation => ("OpenPunctuation", 20),
            G::ClosePunctuation => ("ClosePunctuation", 21),
            G::InitialPunctuation => ("InitialQuotePunctuation", 22),
            G::FinalPunctuation => ("FinalQuotePunctuation", 23),
            G::OtherPunctuation => ("OtherPunctuation", 24),
            G::MathSymbol => ("MathSymbol", 25),
            G::CurrencySymbol => ("CurrencySymbol", 26),
            G::ModifierSymbol => ("ModifierSymbol", 27),
            G::OtherSymbol => ("OtherSymbol", 28),
            G::Unassigned => ("OtherNotAssigned", 29),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        for (c, class, expected) in [
            ('é', CharClass::Letter, true),
            ('$', CharClass::Punctuation, false),
            ('$', CharClass::Symbol, true),
            ('%', CharClass::Punctuation, true),
            (' ', CharClass::Separator, true),
            ('\t', CharClass::Separator, false),
            ('\u{85}', CharClass::WhiteSpace, true),
            ('٣', CharClass::Digit, true),
            ('½', CharClass::Number, true),
            ('½', CharClass::Digit, false),
            ('-', CharClass::LetterOrDigit, false),
        ] {
            assert_eq!(class.contains(c as u16), expected, "{c:?} {class:?}");
        }
        assert!(CharClass::Digit.contains_at(&Str::new("abc"), 5).is_err());
        assert_eq!(unicode_category(0xD83D).0, "Surrogate");
    }

    #[test]
    fn values() {
        for (c, expected) in [('7', 7.0), ('½', 0.5), ('x', -1.0), ('٣', 3.0)] {
            assert_eq!(numeric_value(c as u16), expected, "{c}");
        }
    }
}
