//! The types that XML Schema brings along.
//!
//! Source: XML Schema 1.0 part 2, §3. `datatype` names are those of .NET's messages.

use super::time::Calendar;

/// A primitive type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Primitive {
    AnySimple,
    String,
    Boolean,
    Decimal,
    Float,
    Double,
    Duration,
    Calendar(Calendar),
    HexBinary,
    Base64Binary,
    AnyUri,
    QName,
    Notation,
}

/// What a built-in type asks of a text beside its primitive's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lexical {
    Any,
    Integer,
    Language,
    NmToken,
    Name,
    NcName,
    Id,
    IdRef,
}

/// How white space is settled before a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Space {
    Preserve,
    Replace,
    Collapse,
}

/// A built-in type.
#[derive(Debug)]
pub(super) struct Builtin {
    pub(super) name: &'static str,
    /// Index of its base in [`BUILTINS`]; the first is its own.
    pub(super) base: &'static str,
    pub(super) primitive: Primitive,
    pub(super) lexical: Lexical,
    pub(super) space: Space,
    /// Inclusive bounds.
    pub(super) bounds: Option<(&'static str, &'static str)>,
    /// A list of this type, of at least one.
    pub(super) items: Option<&'static str>,
    /// In "is not a valid … value".
    pub(super) datatype: &'static str,
}

const fn plain(name: &'static str, primitive: Primitive, datatype: &'static str) -> Builtin {
    Builtin {
        name,
        base: "anySimpleType",
        primitive,
        lexical: Lexical::Any,
        space: Space::Collapse,
        bounds: None,
        items: None,
        datatype,
    }
}

const fn text(name: &'static str, base: &'static str, lexical: Lexical) -> Builtin {
    Builtin {
        base,
        lexical,
        ..plain(name, Primitive::String, name)
    }
}

const fn integer(
    name: &'static str,
    base: &'static str,
    bounds: (&'static str, &'static str),
    datatype: &'static str,
) -> Builtin {
    Builtin {
        base,
        lexical: Lexical::Integer,
        bounds: Some(bounds),
        ..plain(name, Primitive::Decimal, datatype)
    }
}

const fn list(name: &'static str, items: &'static str) -> Builtin {
    Builtin {
        items: Some(items),
        ..plain(name, Primitive::AnySimple, name)
    }
}

use Calendar as C;
use Primitive as P;

/// All of them, bases first; an empty bound is none.
pub(super) static BUILTINS: [Builtin; 45] = [
    Builtin {
        base: "",
        space: Space::Preserve,
        ..plain("anySimpleType", P::AnySimple, "AnyAtomicType")
    },
    Builtin {
        space: Space::Preserve,
        ..plain("string", P::String, "String")
    },
    plain("boolean", P::Boolean, "Boolean"),
    plain("decimal", P::Decimal, "Decimal"),
    plain("float", P::Float, "Single"),
    plain("double", P::Double, "Double"),
    plain("duration", P::Duration, "Duration"),
    plain("dateTime", P::Calendar(C::DateTime), "DateTime"),
    plain("time", P::Calendar(C::Time), "Time"),
    plain("date", P::Calendar(C::Date), "Date"),
    plain("gYearMonth", P::Calendar(C::YearMonth), "GYearMonth"),
    plain("gYear", P::Calendar(C::Year), "GYear"),
    plain("gMonthDay", P::Calendar(C::MonthDay), "GMonthDay"),
    plain("gDay", P::Calendar(C::Day), "GDay"),
    plain("gMonth", P::Calendar(C::Month), "GMonth"),
    plain("hexBinary", P::HexBinary, "HexBinary"),
    plain("base64Binary", P::Base64Binary, "Base64Binary"),
    plain("anyURI", P::AnyUri, "Uri"),
    plain("QName", P::QName, "QName"),
    plain("NOTATION", P::Notation, "Notation"),
    Builtin {
        space: Space::Replace,
        ..text("normalizedString", "string", Lexical::Any)
    },
    text("token", "normalizedString", Lexical::Any),
    text("language", "token", Lexical::Language),
    text("NMTOKEN", "token", Lexical::NmToken),
    text("Name", "token", Lexical::Name),
    text("NCName", "Name", Lexical::NcName),
    text("ID", "NCName", Lexical::Id),
    text("IDREF", "NCName", Lexical::IdRef),
    text("ENTITY", "NCName", Lexical::NcName),
    list("NMTOKENS", "NMTOKEN"),
    list("IDREFS", "IDREF"),
    list("ENTITIES", "ENTITY"),
    integer("integer", "decimal", ("", ""), "Integer"),
    integer("nonPositiveInteger", "integer", ("", "0"), "NonPositiveInteger"),
    integer(
        "negativeInteger",
        "nonPositiveInteger",
        ("", "-1"),
        "NegativeInteger",
    ),
    integer(
        "long",
        "integer",
        ("-9223372036854775808", "9223372036854775807"),
        "Int64",
    ),
    integer("int", "long", ("-2147483648", "2147483647"), "Int32"),
    integer("short", "int", ("-32768", "32767"), "Int16"),
    integer("byte", "short", ("-128", "127"), "SByte"),
    integer("nonNegativeInteger", "integer", ("0", ""), "NonNegativeInteger"),
    integer(
        "unsignedLong",
        "nonNegativeInteger",
        ("0", "18446744073709551615"),
        "UInt64",
    ),
    integer("unsignedInt", "unsignedLong", ("0", "4294967295"), "UInt32"),
    integer("unsignedShort", "unsignedInt", ("0", "65535"), "UInt16"),
    integer("unsignedByte", "unsignedShort", ("0", "255"), "Byte"),
    integer(
        "positiveInteger",
        "nonNegativeInteger",
        ("1", ""),
        "PositiveInteger",
    ),
];

/// Where a built-in type stands.
pub(super) fn index(name: &str) -> Option<usize> {
    BUILTINS.iter().position(|b| b.name == name)
}

impl Space {
    /// The text as the type reads it.
    pub(super) fn settle(self, text: &str) -> std::borrow::Cow<'_, str> {
        let white = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
        match self {
            Space::Preserve => text.into(),
            Space::Replace if text.contains(['\t', '\n', '\r']) => {
                text.replace(['\t', '\n', '\r'], " ").into()
            }
            Space::Replace => text.into(),
            Space::Collapse => {
                let trimmed = text.trim_matches(white);
                if !trimmed.contains("  ") && !trimmed.contains(['\t', '\n', '\r']) {
                    return trimmed.into();
                }
                let words: Vec<&str> = trimmed.split(white).filter(|w| !w.is_empty()).collect();
                words.join(" ").into()
            }
        }
    }
}

impl Lexical {
    /// The text is such a one.
    pub(super) fn admits(self, text: &str) -> bool {
        use super::{
            tree::{is_name_char, is_name_start},
            value::is_ncname,
        };
        match self {
            Lexical::Any => true,
            Lexical::Integer => !text.contains('.'),
            Lexical::Language => {
                let mut parts = text.split('-');
                let sized = |p: &str| (1..=8).contains(&p.len());
                let first = parts.next().unwrap_or("");
                sized(first)
                    && first.bytes().all(|b| b.is_ascii_alphabetic())
                    && parts.all(|p| sized(p) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
            }
            Lexical::NmToken => !text.is_empty() && text.chars().all(is_name_char),
            Lexical::Name => text.starts_with(is_name_start) && text.chars().all(is_name_char),
            Lexical::NcName | Lexical::Id | Lexical::IdRef => is_ncname(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_come_first() {
        for (i, builtin) in BUILTINS.iter().enumerate().skip(1) {
            assert!(index(builtin.base).unwrap() < i, "{}", builtin.name);
        }
    }

    #[test]
    fn white_space_is_settled() {
        for (space, expected) in [
            (Space::Preserve, " a\t\n b "),
            (Space::Replace, " a   b "),
            (Space::Collapse, "a b"),
        ] {
            assert_eq!(space.settle(" a\t\n b "), expected);
        }
    }

    #[test]
    fn lexical_rules() {
        for (rule, good, bad) in [
            (
                Lexical::Language,
                &["en", "de-CH", "x-klingon1"][..],
                &["", "1e", "en-", "toolonglang"][..],
            ),
            (Lexical::NmToken, &["1a:b-.c"], &["", "a b", "a/b"]),
            (Lexical::Name, &["a:b"], &["1a", ""]),
            (Lexical::NcName, &["a.b"], &["a:b", "-a"]),
        ] {
            for text in good {
                assert!(rule.admits(text), "{rule:?} {text}");
            }
            for text in bad {
                assert!(!rule.admits(text), "{rule:?} {text}");
            }
        }
    }
}
