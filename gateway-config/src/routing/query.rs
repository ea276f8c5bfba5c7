//! Values of a query string, found without building a map.

use std::borrow::Cow;

use super::path::decode;

/// The first value of parameter `name` (case ignored), decoded; `+` is a space. A member whose escapes are broken
/// is taken as written. `Some("")` for a member without value.
pub fn query_value<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    query.split('&').find_map(|member| {
        let (key, value) = member.split_once('=').unwrap_or((member, ""));
        let same = if key.contains(['%', '+']) {
            plain(key).eq_ignore_ascii_case(name)
        } else {
            key.eq_ignore_ascii_case(name)
        };
        (same && !member.is_empty()).then(|| plain(value))
    })
}

fn plain(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return match decode(&spaced) {
            Some(decoded) => Cow::Owned(decoded.into_owned()),
            None => Cow::Owned(spaced),
        };
    }
    decode(text).unwrap_or(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (query, name, expected) in [
            ("a=1&b=2", "b", Some("2")),
            ("A=1", "a", Some("1")),
            ("a=1&a=2", "a", Some("1")),
            ("a", "a", Some("")),
            ("a=", "a", Some("")),
            ("", "a", None),
            ("", "", None),
            ("ab=1", "a", None),
            ("x=%41+b", "x", Some("A b")),
            ("%61=1", "a", Some("1")),
            ("x=%zz", "x", Some("%zz")),
            ("subscription%2Dkey=k", "subscription-key", Some("k")),
        ] {
            assert_eq!(query_value(query, name).as_deref(), expected, "{query} {name}");
        }
    }
}
