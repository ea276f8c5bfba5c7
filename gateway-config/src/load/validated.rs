//! Whose messages some policy validates: only their definitions are kept.
//!
//! Decided by looking for element names in the texts, before anything is compiled. That finds too many (a comment
//! is enough), never too few: fragments count for every document that includes one.

use crate::artifacts::{ApiFolder, Artifacts, File};

/// Start tags of the policies that need a definition.
const TAGS: [&[u8]; 6] = [
    b"<validate-content",
    b"<validate-parameters",
    b"<validate-headers",
    b"<validate-status-code",
    b"<validate-graphql-request",
    b"<validate-odata-request",
];

/// Which APIs need their definitions.
#[derive(Debug)]
pub(super) struct Validated {
    /// All: a document for all APIs, or for a product, validates.
    all: bool,
    /// A fragment validates.
    fragments: bool,
}

impl Validated {
    pub(super) fn find(artifacts: &Artifacts) -> Self {
        let fragments = artifacts
            .fragments
            .values()
            .filter_map(|f| f.policy.as_ref())
            .any(|file| TAGS.iter().any(|tag| holds(file, tag)));
        let mut out = Self {
            all: false,
            fragments,
        };
        let products = artifacts.products.values().filter_map(|p| p.policy.as_ref());
        out.all = artifacts
            .policy
            .iter()
            .chain(products)
            .any(|file| out.in_file(file));
        out
    }

    /// The API needs its definition.
    pub(super) fn has(&self, folder: &ApiFolder) -> bool {
        self.all
            || folder
                .policy
                .iter()
                .chain(folder.operations.values())
                .any(|file| self.in_file(file))
    }

    fn in_file(&self, file: &File) -> bool {
        TAGS.iter().any(|tag| holds(file, tag)) || (self.fragments && holds(file, b"<include-fragment"))
    }
}

fn holds(file: &File, text: &[u8]) -> bool {
    file.bytes.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File {
            path: "p".into(),
            bytes: text.as_bytes().into(),
        }
    }

    #[test]
    fn every_way_to_a_policy_counts() {
        for (global, product, fragment, api, operation, expected) in [
            ("", "", "", "", "", false),
            ("<validate-content", "", "", "", "", true),
            ("", "<validate-headers", "", "", "", true),
            ("", "", "<validate-content", "", "", false),
            ("", "", "<validate-content", "", "<include-fragment", true),
            ("<include-fragment", "", "<validate-content", "", "", true),
            ("<include-fragment", "", "<set-header", "", "", false),
            ("", "", "", "<validate-parameters", "", true),
            ("", "", "", "", "<validate-status-code", true),
            ("", "", "", "<validate-jwt", "", false),
        ] {
            let mut artifacts = Artifacts {
                policy: Some(file(global)),
                ..Artifacts::default()
            };
            artifacts.products.entry("p".into()).or_default().policy = Some(file(product));
            artifacts.fragments.entry("f".into()).or_default().policy = Some(file(fragment));
            let mut folder = ApiFolder {
                policy: Some(file(api)),
                ..ApiFolder::default()
            };
            folder.operations.insert("o".into(), file(operation));
            let found = Validated::find(&artifacts).has(&folder);
            assert_eq!(found, expected, "{global} {product} {fragment} {api} {operation}");
        }
    }
}
