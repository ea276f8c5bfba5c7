//! Named values (`{{name}}`) and fragments: what documents refer to by name.
//!
//! Substitution is textual and happens once, before a value is told literal from expression; a value is
//! never searched again. Values become attribute or text content, never markup.
//! Source: "Use named values in Azure API Management policies"; `policies.md` §1.5.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use crate::document::Text;

/// What documents may refer to.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// By display name.
    pub named_values: BTreeMap<Arc<str>, NamedValue>,
    /// By fragment id.
    pub fragments: BTreeMap<Arc<str>, Fragment>,
}

/// A named value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedValue {
    /// Its text.
    pub value: Arc<str>,
    /// Masked in traces.
    pub secret: bool,
}

/// A policy fragment's document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Where it came from, for diagnostics.
    pub path: Arc<str>,
    /// The whole document, `<fragment>` root included.
    pub text: Arc<str>,
}

/// Longest display name, as the service allows.
const NAME_CHARS_MAX: usize = 256;

/// The references in a text: byte range including the braces, and the name.
pub(crate) fn references(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text[at..].find("{{")?;
            let name_start = start + 2;
            let rest = &text[name_start..];
            let len = rest.find(|c: char| !is_name_char(c)).unwrap_or(rest.len());
            if len > 0 && len <= NAME_CHARS_MAX && rest[len..].starts_with("}}") {
                at = name_start + len + 2;
                return Some((start..at, &rest[..len]));
            }
            // `{{{name}}}`: the inner pair may be the reference.
            at = start + 1;
        }
    })
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

/// The text with every known name replaced, and the ranges (in the original text) of unknown ones.
pub(crate) fn substitute<'n>(
    text: &Text,
    lookup: impl Fn(&str) -> Option<&'n str>,
) -> (Option<Text>, Vec<Range<usize>>) {
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for (range, name) in references(text.as_str()) {
        match lookup(name) {
            Some(value) => known.push((range, value)),
            None => unknown.push(range),
        }
    }
    let replaced = (!known.is_empty()).then(|| text.replace(&known));
    (replaced, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::TextBuilder;

    fn text(value: &str) -> Text {
        let mut builder = TextBuilder::default();
        builder.push_verbatim(value, 0);
        builder.finish()
    }

    #[test]
    fn names_are_replaced_once_and_unknown_ones_are_reported() {
        let lookup = |name: &str| match name {
            "host" => Some("example.com"),
            "again" => Some("{{host}}"),
            _ => None,
        };
        for (given, expected, unknown) in [
            ("https://{{host}}/x", Some("https://example.com/x"), None),
            ("{{host}}{{host}}", Some("example.comexample.com"), None),
            ("{{again}}", Some("{{host}}"), None),
            (
                "@(\"{{host}}\" + $\"{{x}}\")",
                Some("@(\"example.com\" + $\"{{x}}\")"),
                Some(17..22),
            ),
            ("{{ host }} {{a|b}} {{}} {{", None, None),
            ("{{{host}}}", Some("{example.com}"), None),
            ("{{missing}}", None, Some(0..11)),
        ] {
            let (replaced, missing) = substitute(&text(given), lookup);
            assert_eq!(replaced.as_ref().map(Text::as_str), expected, "{given}");
            assert_eq!(missing, Vec::from_iter(unknown), "{given}");
        }
    }
}
