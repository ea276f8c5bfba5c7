//! Operation names: `operationId` as APIM stores it, and how folder names are matched to it.

/// APIM cuts a normalised name here, so that a suffix fits into 80 characters.
const MAX_NAME: usize = 76;

/// Every run of other characters than letters and digits becomes one `-`; `-` trimmed; cut; letter case kept
/// (a test on the real service saw it kept).
pub(crate) fn normalised(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    let cut: String = out.trim_matches('-').chars().take(MAX_NAME).collect();
    cut.trim_end_matches('-').to_owned()
}

/// The name of an operation from its `operationId`: what an export wrote is already a name and stays; anything else
/// is normalised.
pub(crate) fn operation_name(id: &str) -> String {
    let already = !id.is_empty()
        && id.chars().count() <= 80
        && id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~'));
    if already { id.to_owned() } else { normalised(id) }
}

/// Does an operation folder mean the operation `name`? Exact first, see the caller; here without regard to case and
/// separators.
pub(crate) fn same_name(folder: &str, name: &str) -> bool {
    folder.eq_ignore_ascii_case(name) || normalised(folder).eq_ignore_ascii_case(&normalised(name))
}

/// Makes a name unique among those `taken` (case ignored) by `-1` to `-999`.
pub(crate) fn unique(name: String, taken: impl Fn(&str) -> bool) -> Option<String> {
    if !name.is_empty() && !taken(&name) {
        return Some(name);
    }
    let base = if name.is_empty() {
        "operation".to_owned()
    } else {
        name
    };
    (1..=999)
        .map(|n| format!("{base}-{n}"))
        .find(|candidate| !taken(candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (id, name) in [
            ("getItems", "getItems"),
            ("Get Items", "Get-Items"),
            ("get_items.v2", "get_items.v2"),
            ("GET /foo/{id}", "GET-foo-id"),
            ("--a--", "--a--"),
            ("a  (b)", "a-b"),
            ("67ef05a34a742483f8079c1a", "67ef05a34a742483f8079c1a"),
        ] {
            assert_eq!(operation_name(id), name, "{id}");
        }
        assert_eq!(normalised(&"x ".repeat(100)).chars().count(), 75);
    }

    #[test]
    fn folders_match_names() {
        for (folder, name, same) in [
            ("get-items", "getItems", false),
            ("get-items", "Get Items", true),
            ("Foo_Bar", "foo-bar", true),
            ("GETITEMS", "getItems", true),
        ] {
            assert_eq!(same_name(folder, name), same, "{folder} {name}");
        }
    }

    #[test]
    fn duplicates_get_a_suffix() {
        assert_eq!(
            unique("a".into(), |n| n == "a" || n == "a-1").as_deref(),
            Some("a-2")
        );
        assert_eq!(unique(String::new(), |_| false).as_deref(), Some("operation-1"));
        assert_eq!(unique("a".into(), |_| true), None);
    }
}
