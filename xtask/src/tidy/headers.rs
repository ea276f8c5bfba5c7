//! Every source file says first what it is for; no file is a drawer for everything.

use super::{Finding, finding, tree::Tree};
use anyhow::Result;

/// Above this a file is several files; the house's usual size is 100 to 350 lines.
const LINES_MAX: usize = 1000;
/// Names that say nothing about what is inside.
const DRAWERS: &[&str] = &["utils", "util", "helpers", "misc", "common"];

pub(super) fn find(tree: &Tree) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (path, text) in tree.texts(&["rs"]) {
        if !text.trim_start_matches('\u{feff}').starts_with("//!") {
            found.push(finding(
                path,
                1,
                "begin with a `//!` comment that says what the file is for",
            ));
        }
        let count = text.lines().count();
        if count > LINES_MAX {
            found.push(finding(
                path,
                0,
                format!("{count} lines, more than {LINES_MAX}: cut it along its subjects"),
            ));
        }
        let stem = path
            .rsplit('/')
            .next()
            .and_then(|file| file.strip_suffix(".rs"))
            .unwrap_or_default();
        if DRAWERS.contains(&stem) {
            found.push(finding(
                path,
                0,
                format!("`{stem}` names no subject: call the module after what it does"),
            ));
        }
    }
    for (path, text) in tree.texts(&["sh"]) {
        if !text.lines().nth(1).is_some_and(|line| line.starts_with('#')) {
            found.push(finding(
                path,
                2,
                "say in a comment after the first line what the script is for",
            ));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, found: usize) {
        assert_eq!(find(&Tree::of(&[(path, text)])).unwrap().len(), found, "{path}");
    }

    #[test]
    fn headers_and_sizes() {
        check("a/src/a.rs", "//! What it is for.\n", 0);
        check("a/src/a.rs", "fn main() {}\n", 1);
        check("a/src/utils.rs", "//! Everything.\n", 1);
        check("a/src/a.rs", &format!("//! Long.\n{}", "\n".repeat(1000)), 1);
        check("a/run.sh", "#!/bin/sh\n# Why.\n", 0);
        check("a/run.sh", "#!/bin/sh\nset -e\n", 1);
        check("a/readme.md", "text", 0);
    }
}
