//! The value of an attribute or an element's text: a literal checked at load, or an expression.

use std::{borrow::Cow, sync::Arc};

use gateway_expr::{Expression, Literal, Value};

use crate::{exec::Run, failure::Failure};

/// A literal, or an expression that gives one.
#[derive(Debug)]
pub(crate) enum Setting<T> {
    Literal(T),
    Expression(Box<Expression>),
}

/// A type that literals and results of expressions convert to.
pub(crate) trait FromValue: Clone {
    /// From the text of an attribute. The error says what the text should have been.
    fn literal(text: &str) -> Result<Self, String>;

    /// From the result of an expression.
    fn value(value: &Value) -> Result<Self, String> {
        Self::literal(&value.to_text().unwrap_or_default())
    }
}

impl<T: FromValue> Setting<T> {
    /// The value for this exchange.
    pub(crate) fn get(&self, run: &mut Run<'_>) -> Result<Cow<'_, T>, Failure> {
        match self {
            Setting::Literal(value) => Ok(Cow::Borrowed(value)),
            Setting::Expression(expression) => {
                let value = run.evaluate(expression)?;
                let converted = T::value(&value);
                converted.map(Cow::Owned).map_err(|expected| {
                    let got = value.to_text().unwrap_or_else(|| "null".into());
                    run.expression_failure(format!("The expression gave '{got}', which is not {expected}."))
                })
            }
        }
    }
}

/// The value of an optional setting.
pub(crate) fn optional<'s, T: FromValue>(
    setting: Option<&'s Setting<T>>,
    run: &mut Run<'_>,
) -> Result<Option<Cow<'s, T>>, Failure> {
    setting.map(|s| s.get(run)).transpose()
}

impl FromValue for Arc<str> {
    fn literal(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }
}

impl FromValue for bool {
    /// `true|false`; the schema's `xs:boolean` also admits 1 and 0, and saved documents hold `True`.
    fn literal(text: &str) -> Result<Self, String> {
        match text.trim() {
            t if t.eq_ignore_ascii_case("true") || t == "1" => Ok(true),
            t if t.eq_ignore_ascii_case("false") || t == "0" => Ok(false),
            _ => Err("`true` or `false`".into()),
        }
    }

    fn value(value: &Value) -> Result<Self, String> {
        value.to_bool().ok_or_else(|| "`true` or `false`".into())
    }
}

impl FromValue for i64 {
    fn literal(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| "a whole number".into())
    }

    fn value(value: &Value) -> Result<Self, String> {
        value.to_i64().ok_or_else(|| "a whole number".into())
    }
}

/// A whole number of at least `MIN` and at most `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounded<const MIN: i64, const MAX: i64>(pub(crate) i64);

impl<const MIN: i64, const MAX: i64> Bounded<MIN, MAX> {
    fn check(number: i64) -> Result<Self, String> {
        if (MIN..=MAX).contains(&number) {
            Ok(Self(number))
        } else if MAX == i64::MAX {
            Err(format!("a whole number of at least {MIN}"))
        } else {
            Err(format!("a whole number from {MIN} to {MAX}"))
        }
    }

    /// As an unsigned number; below zero cannot be when `MIN` is not.
    pub(crate) fn unsigned(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }
}

impl<const MIN: i64, const MAX: i64> FromValue for Bounded<MIN, MAX> {
    fn literal(text: &str) -> Result<Self, String> {
        i64::literal(text).and_then(Self::check)
    }

    fn value(value: &Value) -> Result<Self, String> {
        i64::value(value).and_then(Self::check)
    }
}

/// A value as the expression gave it, for policies that keep its type; literals are strings.
#[derive(Clone, Debug)]
pub(crate) struct Untyped(Literal);

impl FromValue for Untyped {
    fn literal(text: &str) -> Result<Self, String> {
        Ok(Self(Literal::new(text)))
    }
}

impl Setting<Untyped> {
    /// The value for this exchange, of whatever type.
    pub(crate) fn value(&self, run: &mut Run<'_>) -> Result<Value, Failure> {
        match self {
            Setting::Literal(Untyped(text)) => Ok(text.value()),
            Setting::Expression(expression) => run.evaluate(expression),
        }
    }
}

/// An enumeration of an attribute's allowed words, case-sensitive as in the schema.
macro_rules! keywords {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($variant),+ }

        impl $name {
            /// The words, for the attribute table.
            pub(crate) const WORDS: &'static [&'static str] = &[$($word),+];
        }

        impl crate::setting::FromValue for $name {
            fn literal(text: &str) -> Result<Self, String> {
                match text.trim() {
                    $($word => Ok($name::$variant),)+
                    other => Err(crate::setting::one_of(Self::WORDS, other)),
                }
            }
        }
    };
}
pub(crate) use keywords;

/// What a word should have been.
pub(crate) fn one_of(words: &[&str], given: &str) -> String {
    let list: Vec<String> = words.iter().map(|w| format!("`{w}`")).collect();
    let mut text = format!("one of {}", list.join(", "));
    if let Some(near) = crate::diagnostic::did_you_mean(given, words.iter().copied()) {
        text += &format!("; did you mean `{near}`?");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    keywords! { Colour { Red = "red", DarkBlue = "dark-blue" } }

    #[test]
    fn literals_convert_or_say_what_was_expected() {
        for (text, expected) in [
            ("true", Ok(true)),
            (" False", Ok(false)),
            ("1", Ok(true)),
            ("yes", Err("`true` or `false`".into())),
        ] {
            assert_eq!(bool::literal(text), expected, "{text}");
        }
        for (text, expected) in [
            ("300", Ok(Bounded::<1, 300>(300))),
            ("0", Err("a whole number from 1 to 300".into())),
            ("1.5", Err("a whole number".into())),
        ] {
            assert_eq!(Bounded::<1, 300>::literal(text), expected, "{text}");
        }
    }

    #[test]
    fn words_are_case_sensitive_and_near_ones_are_suggested() {
        assert_eq!(Colour::literal("dark-blue"), Ok(Colour::DarkBlue));
        let error = Colour::literal("Dark-Blue").unwrap_err();
        assert_eq!(error, "one of `red`, `dark-blue`; did you mean `dark-blue`?");
        assert_eq!(Colour::WORDS, ["red", "dark-blue"]);
        assert_eq!(Colour::literal("red"), Ok(Colour::Red));
    }
}
