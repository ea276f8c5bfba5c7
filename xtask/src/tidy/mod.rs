//! `cargo xtask tidy`: the rules of the house that no compiler checks, each with its reason.

mod bans;
mod committed;
mod documents;
mod headers;
mod layers;
mod source;
mod tree;

use anyhow::Result;

use crate::shell::say;
use tree::Tree;

/// A rule: what it is called, why it exists, and what it finds.
struct Rule {
    name: &'static str,
    reason: &'static str,
    find: fn(&Tree) -> Result<Vec<Finding>>,
}

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// 1-based; 0 stands for the whole file.
    line: usize,
    what: String,
}

const RULES: &[Rule] = &[
    Rule {
        name: "layers",
        reason: "a wall between crates holds only while something checks it; the list in ARCHITECTURE.md is the truth",
        find: layers::find,
    },
    Rule {
        name: "header",
        reason: "a reader who opens a file first wants to know what it is for",
        find: headers::find,
    },
    Rule {
        name: "ban",
        reason: "each of these has hurt before; the message says what to do instead",
        find: bans::find,
    },
    Rule {
        name: "committed",
        reason: "a compiled object beside its source is believed instead of built; build products belong in target/",
        find: committed::find,
    },
    Rule {
        name: "documents",
        reason: "a page whose links are dead or whose index is short is no map",
        find: documents::find,
    },
];

/// Checks every rule and prints what breaks one; true when nothing does.
pub(crate) fn run() -> Result<bool> {
    let tree = Tree::of_repository()?;
    let mut clean = true;
    for rule in RULES {
        let findings = (rule.find)(&tree)?;
        for finding in &findings {
            say(&format!("{}: {}: {}", place(finding), rule.name, finding.what));
        }
        if !findings.is_empty() {
            clean = false;
            say(&format!("  why {}: {}\n", rule.name, rule.reason));
        }
    }
    if clean {
        say(&format!(
            "tidy: {} files, {} rules, nothing found",
            tree.files.len(),
            RULES.len()
        ));
    }
    Ok(clean)
}

fn place(finding: &Finding) -> String {
    match finding.line {
        0 => finding.path.clone(),
        line => format!("{}:{line}", finding.path),
    }
}

fn finding(path: &str, line: usize, what: impl Into<String>) -> Finding {
    Finding {
        path: path.to_owned(),
        line,
        what: what.into(),
    }
}
