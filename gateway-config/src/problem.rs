//! What is wrong with a configuration, where, and what to do: the only way errors leave this crate.

use std::fmt;

/// One mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A problem that refuses (its entity, its scope, or the whole snapshot), or only a warning.
    pub severity: Severity,
    /// Stable short name, such as `unknown-element`.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub message: String,
    /// Path of the file inside the tree, or of the overlay.
    pub path: String,
    /// 1-based; 0 when the place is the whole file.
    pub line: u32,
    /// 1-based, in characters; 0 when unknown.
    pub column: u32,
    /// Element, attribute or key concerned.
    pub element: Option<String>,
}

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is refused.
    Warning,
    /// The entity or policy scope it stands in refuses requests; everything else serves.
    Scope,
    /// The snapshot cannot be used at all; the last good one stays.
    Fatal,
}

impl Problem {
    /// A problem of a whole file.
    pub fn new(severity: Severity, code: &'static str, path: &str, message: impl Into<String>) -> Self {
        Problem {
            severity,
            code,
            message: message.into(),
            path: path.to_owned(),
            line: 0,
            column: 0,
            element: None,
        }
    }

    /// A note that refuses nothing.
    pub fn warning(code: &'static str, path: &str, message: impl Into<String>) -> Self {
        Problem::new(Severity::Warning, code, path, message)
    }

    /// A mistake that refuses its own entity.
    pub fn scope(code: &'static str, path: &str, message: impl Into<String>) -> Self {
        Problem::new(Severity::Scope, code, path, message)
    }

    /// The same, at a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.line = place.line;
        self.column = place.column;
        self
    }

    /// The same, naming the key, element or setting concerned.
    #[must_use]
    pub fn on(mut self, element: impl Into<String>) -> Self {
        self.element = Some(element.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        write!(f, ": {}: {} [{}]", self.severity, self.message, self.code)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Warning => "warning",
            Severity::Scope => "refused",
            Severity::Fatal => "fatal",
        })
    }
}

/// A place in a text, 1-based; zero is "the whole file".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: u32,
    /// Column in characters.
    pub column: u32,
}

impl Place {
    /// A line, and a column or 0.
    pub fn new(line: u32, column: u32) -> Self {
        Place { line, column }
    }
}

/// The closest of `known` to `word`, when close enough to be a slip of the hand.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    // A third of the letters may differ: `lisener` finds `listener`, `foo` finds nothing.
    let allowed = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|k| (edit_distance(&word, &k.to_ascii_lowercase()), k))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// The sentence of [`did_you_mean`], or the list of what is known.
pub(crate) fn suggestion(word: &str, known: &[&str]) -> String {
    match did_you_mean(word, known.iter().copied()) {
        Some(k) => format!("did you mean `{k}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// Levenshtein distance over characters; both words are short (a key, a setting name).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_hand_are_found() {
        let known = ["listeners", "hostnames", "kernel", "subscriptions"];
        for (word, expected) in [
            ("lisener", Some("listeners")),
            ("Kernel", Some("kernel")),
            ("hostNames", Some("hostnames")),
            ("subscription", Some("subscriptions")),
            ("caches", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(word, known), expected, "{word}");
        }
    }

    #[test]
    fn a_problem_reads_like_a_compiler_line() {
        let p = Problem::scope("bad-url", "apis/a/apiInformation.json", "not a URL").at(Place::new(3, 7));
        assert_eq!(
            p.to_string(),
            "apis/a/apiInformation.json:3:7: refused: not a URL [bad-url]"
        );
        assert_eq!(Problem::warning("x", "f", "m").to_string(), "f: warning: m [x]");
    }
}
