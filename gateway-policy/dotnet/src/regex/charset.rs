//! Character classes: ranges, categories, blocks, subtraction; matched as .NET Core 3.1 does.

use crate::text::{chars::unicode_category, unit_to_lower, unit_to_upper};

/// A set of UTF-16 units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CharSet {
    pub(super) negated: bool,
    ranges: Vec<(u16, u16)>,
    /// Category mask and whether it is meant negated (`\W`, `\P{L}`).
    classes: Vec<(Class, bool)>,
    subtract: Option<Box<CharSet>>,
    /// Answers for ASCII, worked out once: most text is.
    ascii: [u64; 2],
}

/// A predefined class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `char.IsWhiteSpace`
    Space,
    /// Bits by .NET's `UnicodeCategory` number.
    Categories(u32),
}

const LETTER: u32 = 0b1_1111;
const MARK_NONSPACING: u32 = 1 << 5;
const DIGIT: u32 = 1 << 8;
const CONNECTOR: u32 = 1 << 18;

/// `\w`
pub(super) const WORD: Class = Class::Categories(LETTER | MARK_NONSPACING | DIGIT | CONNECTOR);
/// `\d`
pub(super) const DIGITS: Class = Class::Categories(DIGIT);

impl Class {
    fn contains(self, unit: u16) -> bool {
        match self {
            Class::Space => char::from_u32(u32::from(unit)).is_some_and(char::is_whitespace),
            Class::Categories(mask) => mask >> unicode_category(unit).1 & 1 == 1,
        }
    }
}

impl CharSet {
    /// `.` without Singleline: anything but a line feed.
    pub(super) fn not_newline() -> Self {
        let mut set = CharSet::default();
        set.add(0x0a, 0x0a);
        set.negated = true;
        set
    }

    /// `.` with Singleline.
    pub(super) fn any() -> Self {
        let mut set = CharSet::default();
        set.add(0, u16::MAX);
        set
    }

    pub(super) fn add(&mut self, first: u16, last: u16) {
        self.ranges.push((first, last));
    }

    pub(super) fn add_class(&mut self, class: Class, negated: bool) {
        self.classes.push((class, negated));
    }

    /// The complement of a set of ranges, as a part of this set (`[\W…]` with ECMAScript, `\P{IsX}`).
    pub(super) fn add_complement(&mut self, ranges: &[(u16, u16)]) {
        let mut sorted = ranges.to_vec();
        sorted.sort_unstable();
        let mut next = 0u32;
        for (first, last) in sorted {
            if u32::from(first) > next {
                self.add(next as u16, first - 1);
            }
            next = next.max(u32::from(last) + 1);
        }
        if next <= 0xffff {
            self.add(next as u16, u16::MAX);
        }
    }

    pub(super) fn subtract(&mut self, other: CharSet) {
        self.subtract = Some(Box::new(other));
    }

    /// Works out the answers for ASCII. Call once the set is complete, with the `ci` it is asked with.
    pub(super) fn frozen(mut self, ci: bool) -> Self {
        let mut ascii = [0u64; 2];
        for unit in 0..128u16 {
            if self.decide(unit, ci) {
                ascii[usize::from(unit >> 6)] |= 1 << (unit & 63);
            }
        }
        self.ascii = ascii;
        self
    }

    /// Membership; with `ci` ranges take either case and classes see the lower case, as in .NET.
    #[inline]
    pub(super) fn contains(&self, unit: u16, ci: bool) -> bool {
        match self.ascii.get(usize::from(unit >> 6)) {
            Some(word) => word >> (unit & 63) & 1 == 1,
            None => self.decide(unit, ci),
        }
    }

    fn decide(&self, unit: u16, ci: bool) -> bool {
        let inside = if ci {
            let lower = unit_to_lower(unit);
            self.in_ranges(lower)
                || self.in_ranges(unit_to_upper(unit))
                || self.in_ranges(unit)
                || self.in_classes(lower)
        } else {
            self.in_ranges(unit) || self.in_classes(unit)
        };
        inside != self.negated && !self.subtract.as_ref().is_some_and(|other| other.decide(unit, ci))
    }

    fn in_ranges(&self, unit: u16) -> bool {
        self.ranges
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&unit))
    }

    fn in_classes(&self, unit: u16) -> bool {
        self.classes
            .iter()
            .any(|(class, negated)| class.contains(unit) != *negated)
    }
}

/// Whether `\b` sees a word unit: `\w` and the two joiners.
pub(super) fn is_word(unit: u16) -> bool {
    if unit < 128 {
        return (unit as u8).is_ascii_alphanumeric() || unit == u16::from(b'_');
    }
    matches!(unit, 0x200c | 0x200d) || WORD.contains(unit)
}

/// The same with ECMAScript.
pub(super) fn is_ecma_word(unit: u16) -> bool {
    unit < 128 && ((unit as u8).is_ascii_alphanumeric() || unit == u16::from(b'_')) || unit == 0x130
}

/// What `\p{name}` stands for.
pub(super) enum Property {
    Class(Class),
    Block(u16, u16),
}

/// Looks `name` up among the categories and blocks. Ignoring case, the three cases are one.
pub(super) fn property(name: &str, ignore_case: bool) -> Option<Property> {
    const CASED: u32 = 0b111;
    if let Some(mask) = category(name) {
        let mask = if ignore_case && matches!(name, "Lu" | "Ll" | "Lt") {
            CASED
        } else {
            mask
        };
        return Some(Property::Class(Class::Categories(mask)));
    }
    BLOCKS
        .iter()
        .find(|(block, ..)| *block == name)
        .map(|(_, first, last)| Property::Block(*first, *last))
}

fn category(name: &str) -> Option<u32> {
    const NAMES: [&str; 30] = [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs",
        "Co", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Cn",
    ];
    if name.is_empty() {
        return None;
    }
    let mut mask = 0;
    for (bit, one) in NAMES.iter().enumerate() {
        if *one == name || (name.len() == 1 && one.starts_with(name)) {
            mask |= 1 << bit;
        }
    }
    (mask != 0).then_some(mask)
}

/// The named blocks of .NET's documentation, "Supported Named Blocks".
const BLOCKS: &[(&str, u16, u16)] = &[
    ("IsBasicLatin", 0x0000, 0x007f),
    ("IsLatin-1Supplement", 0x0080, 0x00ff),
    ("IsLatinExtended-A", 0x0100, 0x017f),
    ("IsLatinExtended-B", 0x0180, 0x024f),
    ("IsIPAExtensions", 0x0250, 0x02af),
    ("IsSpacingModifierLetters", 0x02b0, 0x02ff),
    ("IsCombiningDiacriticalMarks", 0x0300, 0x036f),
    ("IsGreek", 0x0370, 0x03ff),
    ("IsGreekandCoptic", 0x0370, 0x03ff),
    ("IsCyrillic", 0x0400, 0x04ff),
    ("IsCyrillicSupplement", 0x0500, 0x052f),
    ("IsArmenian", 0x0530, 0x058f),
    ("IsHebrew", 0x0590, 0x05ff),
    ("IsArabic", 0x0600, 0x06ff),
    ("IsSyriac", 0x0700, 0x074f),
    ("IsThaana", 0x0780, 0x07bf),
    ("IsDevanagari", 0x0900, 0x097f),
    ("IsBengali", 0x0980, 0x09ff),
    ("IsGurmukhi", 0x0a00, 0x0a7f),
    ("IsGujarati", 0x0a80, 0x0aff),
    ("IsOriya", 0x0b00, 0x0b7f),
    ("IsTamil", 0x0b80, 0x0bff),
    ("IsTelugu", 0x0c00, 0x0c7f),
    ("IsKannada", 0x0c80, 0x0cff),
    ("IsMalayalam", 0x0d00, 0x0d7f),
    ("IsSinhala", 0x0d80, 0x0dff),
    ("IsThai", 0x0e00, 0x0e7f),
    ("IsLao", 0x0e80, 0x0eff),
    ("IsTibetan", 0x0f00, 0x0fff),
    ("IsMyanmar", 0x1000, 0x109f),
    ("IsGeorgian", 0x10a0, 0x10ff),
    ("IsHangulJamo", 0x1100, 0x11ff),
    ("IsEthiopic", 0x1200, 0x137f),
    ("IsCherokee", 0x13a0, 0x13ff),
    ("IsUnifiedCanadianAboriginalSyllabics", 0x1400, 0x167f),
    ("IsOgham", 0x1680, 0x169f),
    ("IsRunic", 0x16a0, 0x16ff),
    ("IsTagalog", 0x1700, 0x171f),
    ("IsHanunoo", 0x1720, 0x173f),
    ("IsBuhid", 0x1740, 0x175f),
    ("IsTagbanwa", 0x1760, 0x177f),
    ("IsKhmer", 0x1780, 0x17ff),
    ("IsMongolian", 0x1800, 0x18af),
    ("IsLimbu", 0x1900, 0x194f),
    ("IsTaiLe", 0x1950, 0x197f),
    ("IsKhmerSymbols", 0x19e0, 0x19ff),
    ("IsPhoneticExtensions", 0x1d00, 0x1d7f),
    ("IsLatinExtendedAdditional", 0x1e00, 0x1eff),
    ("IsGreekExtended", 0x1f00, 0x1fff),
    ("IsGeneralPunctuation", 0x2000, 0x206f),
    ("IsSuperscriptsandSubscripts", 0x2070, 0x209f),
    ("IsCurrencySymbols", 0x20a0, 0x20cf),
    ("IsCombiningDiacriticalMarksforSymbols", 0x20d0, 0x20ff),
    ("IsCombiningMarksforSymbols", 0x20d0, 0x20ff),
    ("IsLetterlikeSymbols", 0x2100, 0x214f),
    ("IsNumberForms", 0x2150, 0x218f),
    ("IsArrows", 0x2190, 0x21ff),
    ("IsMathematicalOperators", 0x2200, 0x22ff),
    ("IsMiscellaneousTechnical", 0x2300, 0x23ff),
    ("IsControlPictures", 0x2400, 0x243f),
    ("IsOpticalCharacterRecognition", 0x2440, 0x245f),
    ("IsEnclosedAlphanumerics", 0x2460, 0x24ff),
    ("IsBoxDrawing", 0x2500, 0x257f),
    ("IsBlockElements", 0x2580, 0x259f),
    ("IsGeometricShapes", 0x25a0, 0x25ff),
    ("IsMiscellaneousSymbols", 0x2600, 0x26ff),
    ("IsDingbats", 0x2700, 0x27bf),
    ("IsMiscellaneousMathematicalSymbols-A", 0x27c0, 0x27ef),
    ("IsSupplementalArrows-A", 0x27f0, 0x27ff),
    ("IsBraillePatterns", 0x2800, 0x28ff),
    ("IsSupplementalArrows-B", 0x2900, 0x297f),
    ("IsMiscellaneousMathematicalSymbols-B", 0x2980, 0x29ff),
    ("IsSupplementalMathematicalOperators", 0x2a00, 0x2aff),
    ("IsMiscellaneousSymbolsandArrows", 0x2b00, 0x2bff),
    ("IsCJKRadicalsSupplement", 0x2e80, 0x2eff),
    ("IsKangxiRadicals", 0x2f00, 0x2fdf),
    ("IsIdeographicDescriptionCharacters", 0x2ff0, 0x2fff),
    ("IsCJKSymbolsandPunctuation", 0x3000, 0x303f),
    ("IsHiragana", 0x3040, 0x309f),
    ("IsKatakana", 0x30a0, 0x30ff),
    ("IsBopomofo", 0x3100, 0x312f),
    ("IsHangulCompatibilityJamo", 0x3130, 0x318f),
    ("IsKanbun", 0x3190, 0x319f),
    ("IsBopomofoExtended", 0x31a0, 0x31bf),
    ("IsKatakanaPhoneticExtensions", 0x31f0, 0x31ff),
    ("IsEnclosedCJKLettersandMonths", 0x3200, 0x32ff),
    ("IsCJKCompatibility", 0x3300, 0x33ff),
    ("IsCJKUnifiedIdeographsExtensionA", 0x3400, 0x4dbf),
    ("IsYijingHexagramSymbols", 0x4dc0, 0x4dff),
    ("IsCJKUnifiedIdeographs", 0x4e00, 0x9fff),
    ("IsYiSyllables", 0xa000, 0xa48f),
    ("IsYiRadicals", 0xa490, 0xa4cf),
    ("IsHangulSyllables", 0xac00, 0xd7af),
    ("IsHighSurrogates", 0xd800, 0xdb7f),
    ("IsHighPrivateUseSurrogates", 0xdb80, 0xdbff),
    ("IsLowSurrogates", 0xdc00, 0xdfff),
    ("IsPrivateUse", 0xe000, 0xf8ff),
    ("IsPrivateUseArea", 0xe000, 0xf8ff),
    ("IsCJKCompatibilityIdeographs", 0xf900, 0xfaff),
    ("IsAlphabeticPresentationForms", 0xfb00, 0xfb4f),
    ("IsArabicPresentationForms-A", 0xfb50, 0xfdff),
    ("IsVariationSelectors", 0xfe00, 0xfe0f),
    ("IsCombiningHalfMarks", 0xfe20, 0xfe2f),
    ("IsCJKCompatibilityForms", 0xfe30, 0xfe4f),
    ("IsSmallFormVariants", 0xfe50, 0xfe6f),
    ("IsArabicPresentationForms-B", 0xfe70, 0xfeff),
    ("IsHalfwidthandFullwidthForms", 0xff00, 0xffef),
    ("IsSpecials", 0xfff0, 0xffff),
];
