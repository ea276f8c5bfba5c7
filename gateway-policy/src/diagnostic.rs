//! What is wrong with a document, where, and what to do about it; for people and for machines.

use std::{fmt::Write as _, sync::Arc};

use serde_json::json;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the document loads.
    Warning,
    /// The scope that holds the document refuses requests.
    Error,
}

impl Severity {
    /// `warning` or `error`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One finding in one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable short name (`unknown-element`), or the C# compiler's code for expressions (`CS0103`).
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// The document's path as the caller named it.
    pub path: Arc<str>,
    /// From 1; 0 when the finding has no place in a text.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// Characters to underline on that line; at least 1.
    pub length: u32,
    /// Element the finding is in.
    pub element: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
    /// The source line, without its end.
    pub snippet: Option<String>,
}

impl Diagnostic {
    /// True when the scope must refuse.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// For people: heading, place, the source line with a caret, the remedy.
    pub fn render(&self) -> String {
        let mut out = format!("{}[{}]: {}\n", self.severity.name(), self.code, self.message);
        if self.line == 0 {
            let _ = writeln!(out, " --> {}", self.path);
        } else {
            let margin = self.line.to_string().len();
            let _ = writeln!(
                out,
                "{:margin$}--> {}:{}:{}",
                "", self.path, self.line, self.column
            );
            if let Some(snippet) = &self.snippet {
                let (text, column, length) = window(snippet, self.column, self.length);
                let _ = writeln!(out, "{:margin$} |", "");
                let _ = writeln!(out, "{} | {text}", self.line);
                let _ = writeln!(out, "{:margin$} | {:column$}{}", "", "", "^".repeat(length));
            }
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "  = help: {help}");
        }
        out
    }

    /// For machines: the members of the `check --format json` contract, and `help`.
    pub fn to_json(&self) -> serde_json::Value {
        json!({
            "severity": self.severity.name(),
            "code": self.code,
            "message": self.message,
            "line": self.line,
            "column": self.column,
            "element": self.element,
            "help": self.help,
        })
    }
}

/// Most characters of a source line shown; policy documents hold lines of several thousand.
const SNIPPET_CHARS_MAX: usize = 120;

/// The part of a long line around the column, tabs as single spaces so that the caret stands right.
fn window(line: &str, column: u32, length: u32) -> (String, usize, usize) {
    let at = (column as usize).saturating_sub(1);
    let total = line.chars().count();
    let start = if total <= SNIPPET_CHARS_MAX {
        line.chars().take_while(|c| c.is_whitespace()).count().min(at)
    } else {
        at.saturating_sub(SNIPPET_CHARS_MAX / 2)
    };
    let mut text = String::new();
    if start > 0 && total > SNIPPET_CHARS_MAX {
        text.push('…');
    }
    let lead = text.chars().count();
    text.extend(
        line.chars()
            .skip(start)
            .take(SNIPPET_CHARS_MAX)
            .map(|c| if c == '\t' { ' ' } else { c }),
    );
    if start + SNIPPET_CHARS_MAX < total {
        text.push('…');
    }
    let column = lead + at.saturating_sub(start);
    let room = text.chars().count().saturating_sub(column).max(1);
    (text, column, (length as usize).clamp(1, room))
}

/// The candidate closest to `name`, if it is close enough to be what was meant.
pub(crate) fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|c| (distance(name, c), c))
        .filter(|(d, c)| *d <= near && *d < c.chars().count())
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Levenshtein distance, ignoring ASCII case: wrong case is the likeliest slip.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let cost = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(snippet: &str, column: u32, length: u32) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: "unknown-attribute",
            message: "`set-header` has no attribute `nam`".into(),
            path: "api.xml".into(),
            line: 12,
            column,
            length,
            element: Some("set-header".into()),
            help: Some("did you mean `name`?".into()),
            snippet: Some(snippet.into()),
        }
    }

    #[test]
    fn a_finding_shows_its_line_and_a_caret_under_the_place() {
        let text = diagnostic("\t<set-header nam=\"a\">", 14, 3).render();
        let expected = "error[unknown-attribute]: `set-header` has no attribute `nam`\n  --> api.xml:12:14\n   |\n12 | <set-header nam=\"a\">\n   |             ^^^\n  = help: did you mean `name`?\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("{}HERE{}", "a".repeat(500), "b".repeat(500));
        let text = diagnostic(&line, 501, 4).render();
        let lines: Vec<&str> = text.lines().collect();
        let caret = lines[4].find('^').unwrap();
        let shown: String = lines[3].chars().skip(caret).take(4).collect();
        assert_eq!(shown, "HERE");
        assert!(lines[3].chars().count() < 140, "{}", lines[3]);
    }

    #[test]
    fn json_holds_the_members_of_the_contract() {
        let json = diagnostic("x", 1, 1).to_json();
        for member in ["severity", "code", "message", "line", "column", "element"] {
            assert!(json.get(member).is_some(), "{member}");
        }
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        for (name, expected) in [
            ("set-heder", Some("set-header")),
            ("Set-Header", Some("set-header")),
            ("set_header", Some("set-header")),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(
                did_you_mean(name, ["set-header", "set-body", "choose"]),
                expected,
                "{name}"
            );
        }
    }
}
