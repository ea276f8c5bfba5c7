//! What synchronisation tells people: the active configuration, the last attempt, and why they differ.

use std::sync::Arc;

use gateway_config::{Problem, Severity};
use serde::Serialize;

use super::following::SourceStatus;
use crate::telemetry::clock::Timestamp;

/// Problems kept in a status; a broken folder of thousands of files repeats itself. The log has the count.
pub const PROBLEMS_SHOWN: usize = 200;

/// The state of synchronisation, replaced whole at each attempt.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// Where configuration comes from, for people.
    pub source: String,
    /// What serves; absent before the first success.
    pub active: Option<Arc<Active>>,
    /// The last attempt that found something new.
    pub last_attempt: Option<Arc<Attempt>>,
    /// Attempts so far.
    pub attempts: u64,
    /// Failed ones among them.
    pub failures: u64,
    /// Why changes are noticed by polling only; absent when notification works.
    pub polling_only: Option<String>,
    /// How a source over a network is; absent for a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<SourceStatus>,
}

/// The configuration that serves.
#[derive(Clone, Debug, Serialize)]
pub struct Active {
    /// Hash over everything it was made from.
    pub revision: Arc<str>,
    /// When it was activated.
    pub activated: Timestamp,
    /// Files it was read from.
    pub files: usize,
    /// Entities by kind.
    pub entities: Vec<(&'static str, usize)>,
    /// Warnings, and scopes refused: what is wrong and yet serves.
    pub problems: Problems,
}

/// One attempt.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// It led to an active configuration.
    pub ok: bool,
    /// Closed set, the metric's label; absent when it went well.
    pub cause: Option<&'static str>,
    /// For people; absent when it went well.
    pub message: Option<String>,
    /// What to do; absent when it went well.
    pub remedy: Option<&'static str>,
    /// Mistakes found by the checker.
    pub problems: Problems,
}

/// Mistakes by severity, and the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// Refuse the whole.
    pub fatal: usize,
    /// Refuse a scope or entity.
    pub refused: usize,
    /// Refuse nothing.
    pub warnings: usize,
    /// At most [`PROBLEMS_SHOWN`], the worst first.
    pub shown: Vec<Shown>,
}

/// One mistake, as `check --format json` and the admin endpoint print it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// `error` or `warning`.
    pub severity: &'static str,
    /// Stable short name.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
    /// File inside the tree, or the overlay.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// 1-based; 0 when the place is the whole file.
    pub line: u32,
    /// 1-based; 0 when unknown.
    pub column: u32,
    /// Element, attribute or key concerned.
    pub element: Option<String>,
}

impl From<&Problem> for Shown {
    fn from(problem: &Problem) -> Self {
        Self {
            severity: severity(problem.severity),
            code: problem.code.to_owned(),
            message: problem.message.clone(),
            path: problem.path.clone(),
            line: problem.line,
            column: problem.column,
            element: problem.element.clone(),
        }
    }
}

/// The word in output: a refused scope is an error to the people who wrote it.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Scope | Severity::Fatal => "error",
    }
}

impl Problems {
    /// Counts all and keeps the first, worst first.
    pub fn of(problems: &[Problem]) -> Self {
        let count = |wanted: Severity| problems.iter().filter(|p| p.severity == wanted).count();
        let mut shown = Vec::new();
        for wanted in [Severity::Fatal, Severity::Scope, Severity::Warning] {
            let room = PROBLEMS_SHOWN - shown.len();
            shown.extend(
                problems
                    .iter()
                    .filter(|p| p.severity == wanted)
                    .take(room)
                    .map(Shown::from),
            );
        }
        Self {
            fatal: count(Severity::Fatal),
            refused: count(Severity::Scope),
            warnings: count(Severity::Warning),
            shown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(severity: Severity, code: &'static str) -> Problem {
        Problem {
            severity,
            code,
            message: "m".to_owned(),
            path: "a/policy.xml".to_owned(),
            line: 3,
            column: 7,
            element: Some("set-header".to_owned()),
        }
    }

    #[test]
    fn the_worst_come_first_and_the_number_is_bounded() {
        let mut problems = vec![problem(Severity::Warning, "w"); PROBLEMS_SHOWN + 10];
        problems.push(problem(Severity::Fatal, "f"));
        problems.push(problem(Severity::Scope, "s"));
        let all = Problems::of(&problems);
        assert_eq!(
            (all.fatal, all.refused, all.warnings),
            (1, 1, PROBLEMS_SHOWN + 10)
        );
        assert_eq!(all.shown.len(), PROBLEMS_SHOWN);
        let codes: Vec<&str> = all.shown.iter().take(3).map(|s| s.code.as_str()).collect();
        assert_eq!(codes, ["f", "s", "w"]);
        assert_eq!(all.shown[1].severity, "error");
    }
}
