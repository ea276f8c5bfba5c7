//! Patterns of XML Schema as regular expressions of the `regex` crate, whose matching is linear in the text.
//!
//! Source: XML Schema 1.0 part 2, appendix F. One thing is .NET's: `^` and `$` are anchors, not characters, because
//! schemas in use have them around patterns and the original's validator takes them so.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};

/// Compiled size of one pattern in bytes: `(a{1000}){1000}` does not fit.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Groups inside each other: the translation recurses.
const DEPTH_MAX: usize = 100;
/// Repetitions, multiplied, from which a pattern is compiled at load to see whether it fits.
const HEAVY: u64 = 500;
/// Bytes of one pattern.
const TEXT_MAX: usize = 20_000;

/// A pattern, compiled when first used.
#[derive(Debug)]
pub(super) struct Pattern {
    source: Box<str>,
    compiled: OnceLock<Result<Regex, String>>,
}

impl Pattern {
    /// Translates a pattern; what is wrong with it otherwise.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > TEXT_MAX {
            return Err(format!("it has more than {TEXT_MAX} bytes"));
        }
        let mut translator = Translator {
            chars: pattern.chars().collect(),
            at: 0,
            depth: 0,
            heaviest: 1,
            out: String::from("^(?:"),
        };
        translator.alternatives(1)?;
        if translator.at < translator.chars.len() {
            return Err("a `)` has no `(`".into());
        }
        let heavy = translator.heaviest > HEAVY;
        let new = Self {
            source: (translator.out + ")$").into(),
            compiled: OnceLock::new(),
        };
        if heavy {
            new.regex().map_err(str::to_owned)?;
        }
        Ok(new)
    }

    fn regex(&self) -> Result<&Regex, &str> {
        let compiled = self.compiled.get_or_init(|| {
            RegexBuilder::new(&self.source)
                .size_limit(PATTERN_BYTES_MAX)
                .dfa_size_limit(PATTERN_BYTES_MAX)
                .build()
                .map_err(|_| "it is too large".to_owned())
        });
        compiled.as_ref().map_err(String::as_str)
    }

    /// The whole text matches.
    ///
    /// # Errors
    /// The pattern cannot be used.
    pub(super) fn matches(&self, text: &str) -> Result<bool, String> {
        Ok(self.regex()?.is_match(text))
    }
}

struct Translator {
    chars: Vec<char>,
    at: usize,
    depth: usize,
    /// The most repetitions of anything.
    heaviest: u64,
    out: String,
}

impl Translator {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    fn alternatives(&mut self, times: u64) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("its groups are nested too deep".into());
        }
        while let Some(c) = self.peek() {
            match c {
                ')' => break,
                '|' => {
                    self.at += 1;
                    self.out.push('|');
                }
                _ => self.piece(times)?,
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn piece(&mut self, times: u64) -> Result<(), String> {
        // How often an atom repeats is said behind it, so its weight is looked up ahead for groups only.
        let Some(c) = self.next() else {
            return Ok(());
        };
        match c {
            '(' => {
                self.out.push_str("(?:");
                let ahead = self.repeats_of_group();
                let times = times.saturating_mul(ahead);
                self.heaviest = self.heaviest.max(times);
                self.alternatives(times)?;
                if self.next() != Some(')') {
                    return Err("a `(` has no `)`".into());
                }
                self.out.push(')');
            }
            '[' => {
                let class = self.class()?;
                self.out.push_str(&class);
            }
            '.' => self.out.push_str("[^\\n\\r]"),
            '\\' => {
                let escape = self.escape()?;
                self.out.push_str(&escape);
            }
            '^' | '$' => {
                self.out.push(c);
                return Ok(());
            }
            '*' | '+' | '?' => return Err(format!("`{c}` repeats nothing")),
            c => self.out.push_str(&literal(c)),
        }
        self.quantifier(times)
    }

    fn quantifier(&mut self, times: u64) -> Result<(), String> {
        match self.peek() {
            Some(c @ ('*' | '+' | '?')) => {
                self.at += 1;
                self.out.push(c);
            }
            Some('{') => {
                self.at += 1;
                let from = self.at;
                while self.peek().is_some_and(|c| c != '}') {
                    self.at += 1;
                }
                let inside: String = self.chars[from..self.at].iter().collect();
                if self.next() != Some('}') {
                    return Err("a `{` has no `}`".into());
                }
                let (least, most) = inside.split_once(',').unwrap_or((&inside, &inside));
                let number = |t: &str| {
                    t.bytes()
                        .all(|b| b.is_ascii_digit())
                        .then(|| t.parse::<u32>().ok())
                        .flatten()
                };
                let least = number(least);
                let most_number = if most.is_empty() && inside.contains(',') {
                    least
                } else {
                    number(most)
                };
                let (Some(least), Some(most_number)) = (least, most_number) else {
                    return Err(format!("`{{{inside}}}` is no quantifier"));
                };
                if least > most_number {
                    return Err(format!("`{{{inside}}}` ends before it begins"));
                }
                self.heaviest = self.heaviest.max(times.saturating_mul(u64::from(most_number)));
                self.out.push_str(&format!("{{{inside}}}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// The most repetitions of the group that starts here.
    fn repeats_of_group(&self) -> u64 {
        let (mut depth, mut at) = (1, self.at);
        while depth > 0 {
            match self.chars.get(at) {
                Some('\\') => at += 1,
                Some('(') => depth += 1,
                Some(')') => depth -= 1,
                Some(_) => {}
                None => return 1,
            }
            at += 1;
        }
        if self.chars.get(at) != Some(&'{') {
            return 1;
        }
        let inside: String = self.chars[at + 1..].iter().take_while(|c| **c != '}').collect();
        let numbers = inside.split(',').filter_map(|n| n.parse::<u64>().ok());
        numbers.max().unwrap_or(1).max(1)
    }

    /// A class, its `[` taken.
    fn class(&mut self) -> Result<String, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("its classes are nested too deep".into());
        }
        let negated = self.peek() == Some('^');
        self.at += usize::from(negated);
        let mut items = String::new();
        let mut without = None;
        let from = self.at;
        loop {
            let Some(c) = self.next() else {
                return Err("a `[` has no `]`".into());
            };
            match c {
                ']' if self.at > from + 1 => break,
                '-' if self.peek() == Some('[') => {
                    self.at += 1;
                    without = Some(self.class()?);
                    if self.next() != Some(']') {
                        return Err("a class ends with what is taken from it".into());
                    }
                    break;
                }
                '[' => return Err("`[` in a class must be written `\\[`".into()),
                '\\' if !self.peek().is_some_and(is_single) => items += &self.escape()?,
                c => {
                    let low = self.single(c)?;
                    let range = self.peek() == Some('-')
                        && self
                            .chars
                            .get(self.at + 1)
                            .is_some_and(|c| !matches!(c, ']' | '['));
                    if !range {
                        items += &literal(low);
                        continue;
                    }
                    self.at += 1;
                    let c = self.next().unwrap_or(']');
                    let high = self.single(c)?;
                    if high < low {
                        return Err(format!("the range `{low}-{high}` ends before it begins"));
                    }
                    items += &format!("{}-{}", literal(low), literal(high));
                }
            }
        }
        self.depth -= 1;
        let caret = if negated { "^" } else { "" };
        Ok(match without {
            Some(without) => format!("[[{caret}{items}]--{without}]"),
            None => format!("[{caret}{items}]"),
        })
    }

    /// A character of a class, or the one its escape stands for.
    fn single(&mut self, c: char) -> Result<char, String> {
        if c != '\\' {
            return Ok(c);
        }
        match self.next() {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some(c) if is_single(c) => Ok(c),
            other => Err(bad_escape(other)),
        }
    }

    /// An escape, its `\` taken.
    fn escape(&mut self) -> Result<String, String> {
        let c = self.next();
        Ok(match c {
            Some('s') => "[ \\t\\n\\r]".into(),
            Some('S') => "[^ \\t\\n\\r]".into(),
            Some('d') => "\\p{Nd}".into(),
            Some('D') => "\\P{Nd}".into(),
            Some('w') => "[^\\p{P}\\p{Z}\\p{C}]".into(),
            Some('W') => "[\\p{P}\\p{Z}\\p{C}]".into(),
            Some('i') => format!("[{NAME_START}]"),
            Some('I') => format!("[^{NAME_START}]"),
            Some('c') => format!("[{NAME_START}{NAME_MORE}]"),
            Some('C') => format!("[^{NAME_START}{NAME_MORE}]"),
            Some(p @ ('p' | 'P')) => self.property(p == 'P')?,
            Some('n' | 'r' | 't') => format!("\\{}", c.unwrap_or_default()),
            Some(c) if is_single(c) => literal(c),
            other => return Err(bad_escape(other)),
        })
    }

    fn property(&mut self, negated: bool) -> Result<String, String> {
        let from = self.at;
        while self.peek().is_some_and(|c| c != '}') {
            self.at += 1;
        }
        let name: String = self.chars[from..self.at].iter().collect();
        self.at += 1;
        let name = name.strip_prefix('{').unwrap_or("");
        if let Some(block) = name.strip_prefix("Is") {
            let found = BLOCKS.iter().find(|(known, ..)| *known == block);
            let Some((_, low, high)) = found else {
                return Err(format!("the block `{name}` is not known"));
            };
            let caret = if negated { "^" } else { "" };
            return Ok(format!("[{caret}\\x{{{low:X}}}-\\x{{{high:X}}}]"));
        }
        if !CATEGORIES.split(' ').any(|c| c == name) {
            return Err(format!("the category `{name}` is not known"));
        }
        Ok(format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' }))
    }
}

fn bad_escape(c: Option<char>) -> String {
    let c = c.map(String::from).unwrap_or_default();
    format!("`\\{c}` is no escape of XML Schema")
}

/// Characters that an escape stands for as they are, or as a control character.
fn is_single(c: char) -> bool {
    matches!(c, 'n' | 'r' | 't' | '\\' | '|' | '.' | '?' | '*' | '+' | '(' | ')' | '{' | '}' | '-' | '[' | ']' | '^')
        // Not of XML Schema, and written all the same; .NET takes them.
        || matches!(c, '$' | '/' | '@' | '#' | '%' | '&' | '_' | ' ' | '"' | '\'' | ',' | ':' | ';' | '<' | '=' | '>' | '!' | '~')
}

fn literal(c: char) -> String {
    if c.is_ascii_alphanumeric() || !c.is_ascii() {
        c.into()
    } else {
        format!("\\x{{{:X}}}", u32::from(c))
    }
}

/// `\i` and what `\c` adds, as members of a class.
const NAME_START: &str = "a-zA-Z_:\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{2FF}\\x{370}-\\x{37D}\\x{37F}-\\x{1FFF}\\x{200C}-\\x{200D}\\x{2070}-\\x{218F}\\x{2C00}-\\x{2FEF}\\x{3001}-\\x{D7FF}\\x{F900}-\\x{FDCF}\\x{FDF0}-\\x{FFFD}\\x{10000}-\\x{EFFFF}";
const NAME_MORE: &str = "\\-.0-9\\x{B7}\\x{300}-\\x{36F}\\x{203F}-\\x{2040}";

const CATEGORIES: &str =
    "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po Z Zs Zl Zp S Sm Sc Sk So C Cc Cf Co Cn";

/// Blocks of Unicode 3.1, as appendix F lists them.
static BLOCKS: [(&str, u32, u32); 95] = [
    ("BasicLatin", 0x0, 0x7f),
    ("Latin-1Supplement", 0x80, 0xff),
    ("LatinExtended-A", 0x100, 0x17f),
    ("LatinExtended-B", 0x180, 0x24f),
    ("IPAExtensions", 0x250, 0x2af),
    ("SpacingModifierLetters", 0x2b0, 0x2ff),
    ("CombiningDiacriticalMarks", 0x300, 0x36f),
    ("Greek", 0x370, 0x3ff),
    ("Cyrillic", 0x400, 0x4ff),
    ("Armenian", 0x530, 0x58f),
    ("Hebrew", 0x590, 0x5ff),
    ("Arabic", 0x600, 0x6ff),
    ("Syriac", 0x700, 0x74f),
    ("Thaana", 0x780, 0x7bf),
    ("Devanagari", 0x900, 0x97f),
    ("Bengali", 0x980, 0x9ff),
    ("Gurmukhi", 0xa00, 0xa7f),
    ("Gujarati", 0xa80, 0xaff),
    ("Oriya", 0xb00, 0xb7f),
    ("Tamil", 0xb80, 0xbff),
    ("Telugu", 0xc00, 0xc7f),
    ("Kannada", 0xc80, 0xcff),
    ("Malayalam", 0xd00, 0xd7f),
    ("Sinhala", 0xd80, 0xdff),
    ("Thai", 0xe00, 0xe7f),
    ("Lao", 0xe80, 0xeff),
    ("Tibetan", 0xf00, 0xfff),
    ("Myanmar", 0x1000, 0x109f),
    ("Georgian", 0x10a0, 0x10ff),
    ("HangulJamo", 0x1100, 0x11ff),
    ("Ethiopic", 0x1200, 0x137f),
    ("Cherokee", 0x13a0, 0x13ff),
    ("UnifiedCanadianAboriginalSyllabics", 0x1400, 0x167f),
    ("Ogham", 0x1680, 0x169f),
    ("Runic", 0x16a0, 0x16ff),
    ("Khmer", 0x1780, 0x17ff),
    ("Mongolian", 0x1800, 0x18af),
    ("LatinExtendedAdditional", 0x1e00, 0x1eff),
    ("GreekExtended", 0x1f00, 0x1fff),
    ("GeneralPunctuation", 0x2000, 0x206f),
    ("SuperscriptsandSubscripts", 0x2070, 0x209f),
    ("CurrencySymbols", 0x20a0, 0x20cf),
    ("CombiningMarksforSymbols", 0x20d0, 0x20ff),
    ("LetterlikeSymbols", 0x2100, 0x214f),
    ("NumberForms", 0x2150, 0x218f),
    ("Arrows", 0x2190, 0x21ff),
    ("MathematicalOperators", 0x2200, 0x22ff),
    ("MiscellaneousTechnical", 0x2300, 0x23ff),
    ("ControlPictures", 0x2400, 0x243f),
    ("OpticalCharacterRecognition", 0x2440, 0x245f),
    ("EnclosedAlphanumerics", 0x2460, 0x24ff),
    ("BoxDrawing", 0x2500, 0x257f),
    ("BlockElements", 0x2580, 0x259f),
    ("GeometricShapes", 0x25a0, 0x25ff),
    ("MiscellaneousSymbols", 0x2600, 0x26ff),
    ("Dingbats", 0x2700, 0x27bf),
    ("BraillePatterns", 0x2800, 0x28ff),
    ("CJKRadicalsSupplement", 0x2e80, 0x2eff),
    ("KangxiRadicals", 0x2f00, 0x2fdf),
    ("IdeographicDescriptionCharacters", 0x2ff0, 0x2fff),
    ("CJKSymbolsandPunctuation", 0x3000, 0x303f),
    ("Hiragana", 0x3040, 0x309f),
    ("Katakana", 0x30a0, 0x30ff),
    ("Bopomofo", 0x3100, 0x312f),
    ("HangulCompatibilityJamo", 0x3130, 0x318f),
    ("Kanbun", 0x3190, 0x319f),
    ("BopomofoExtended", 0x31a0, 0x31bf),
    ("EnclosedCJKLettersandMonths", 0x3200, 0x32ff),
    ("CJKCompatibility", 0x3300, 0x33ff),
    ("CJKUnifiedIdeographsExtensionA", 0x3400, 0x4db5),
    ("CJKUnifiedIdeographs", 0x4e00, 0x9fff),
    ("YiSyllables", 0xa000, 0xa48f),
    ("YiRadicals", 0xa490, 0xa4cf),
    ("HangulSyllables", 0xac00, 0xd7a3),
    ("PrivateUse", 0xe000, 0xf8ff),
    ("CJKCompatibilityIdeographs", 0xf900, 0xfaff),
    ("AlphabeticPresentationForms", 0xfb00, 0xfb4f),
    ("ArabicPresentationForms-A", 0xfb50, 0xfdff),
    ("CombiningHalfMarks", 0xfe20, 0xfe2f),
    ("CJKCompatibilityForms", 0xfe30, 0xfe4f),
    ("SmallFormVariants", 0xfe50, 0xfe6f),
    ("ArabicPresentationForms-B", 0xfe70, 0xfeff),
    ("Specials", 0xfff0, 0xfffd),
    ("HalfwidthandFullwidthForms", 0xff00, 0xffef),
    ("OldItalic", 0x10300, 0x1032f),
    ("Gothic", 0x10330, 0x1034f),
    ("Deseret", 0x10400, 0x1044f),
    ("ByzantineMusicalSymbols", 0x1d000, 0x1d0ff),
    ("MusicalSymbols", 0x1d100, 0x1d1ff),
    ("MathematicalAlphanumericSymbols", 0x1d400, 0x1d7ff),
    ("CJKUnifiedIdeographsExtensionB", 0x20000, 0x2a6d6),
    ("CJKCompatibilityIdeographsSupplement", 0x2f800, 0x2fa1f),
    ("Tags", 0xe0000, 0xe007f),
    ("GreekandCoptic", 0x370, 0x3ff),
    ("CombiningDiacriticalMarksforSymbols", 0x20d0, 0x20ff),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, good, bad) in [
            ("[A-Z]{2}\\d+", &["AB1", "XY٣"][..], &["AB", "aAB1", "AB1x"][..]),
            ("^[a-z]+$", &["abc"], &["", "A"]),
            ("a|bc", &["a", "bc"], &["abc", "b"]),
            ("[a-z-[aeiou]]*", &["xyz", ""], &["a"]),
            ("[^a-z-[0]]", &["A", "1"], &["a", "0"]),
            ("\\i\\c*", &["a:b-1", "é"], &["1a", ""]),
            ("\\p{Lu}\\P{Lu}", &["Aa"], &["AA"]),
            ("\\p{IsBasicLatin}+", &["abc"], &["é"]),
            ("[\\w\\-.]+", &["a-b.c"], &["a b"]),
            (".", &["x"], &["\n", ""]),
            ("[-a]", &["-", "a"], &["b"]),
            ("[a-]", &["-", "a"], &["b"]),
            ("(ab){1,2}c?", &["ab", "ababc"], &["ababab"]),
            ("\\s\\S", &[" a"], &["a "]),
            ("[\\[\\]]", &["[", "]"], &["a"]),
            ("(\\+\\d)?", &["", "+1"], &["1"]),
            ("", &[""], &["a"]),
        ] {
            let read = Pattern::new(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            for text in good {
                assert_eq!(read.matches(text), Ok(true), "{pattern} {text}");
            }
            for text in bad {
                assert_eq!(read.matches(text), Ok(false), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (pattern, expected) in [
            ("(a", "a `(` has no `)`"),
            ("a)", "a `)` has no `(`"),
            ("[a", "a `[` has no `]`"),
            ("*", "`*` repeats nothing"),
            ("a{2,1}", "`{2,1}` ends before it begins"),
            ("a{x}", "`{x}` is no quantifier"),
            ("\\q", "`\\q` is no escape of XML Schema"),
            ("\\p{Xx}", "the category `Xx` is not known"),
            ("\\p{IsNowhere}", "the block `IsNowhere` is not known"),
            ("[z-a]", "the range `z-a` ends before it begins"),
            ("((a{1000}){1000}){9}", "it is too large"),
            ("a{1000000000}", "it is too large"),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap_err(), expected, "{pattern}");
        }
        assert!(Pattern::new(&"(".repeat(5000)).is_err());
        assert!(Pattern::new(&"a".repeat(TEXT_MAX + 1)).is_err());
    }
}
