//! What the validation policies share: actions, the list of errors, and how one of them ends the exchange.
//!
//! Source: "Validation errors" of the validation policy pages; `policies.md` §10. Each error goes into the list in
//! `errors-variable-name`; one with the action `prevent` is also `LastError`, and the client sees its public text.

use std::sync::Arc;

use gateway_dotnet::{Str, json};
use gateway_expr::Value;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::Flow;
use crate::{
    exec::Run,
    failure::{Failure, Refusal},
    schema::check::Direction,
    scope::Section,
    setting::keywords,
    trace::{Note, TraceSeverity},
};

keywords! {
    /// What is done about something that does not conform.
    Action { Ignore = "ignore", Prevent = "prevent", Detect = "detect" }
}

/// Errors kept in a variable: a body with more is wrong in more ways than anybody reads.
const ERRORS_MAX: usize = 100;

/// What clients see of mistakes that are not theirs.
pub(super) const INTERNAL: &str =
    "The request could not be processed due to an internal error. Contact the API owner.";

/// One error.
#[derive(Debug)]
pub(super) struct Error {
    /// Name of the parameter, the content type or the code; may be empty.
    pub(super) name: String,
    /// `RequestBody`, `QueryParameter`…
    pub(super) kind: &'static str,
    /// `Unspecified`, `IncorrectMessage`…
    pub(super) rule: &'static str,
    /// For the operator.
    pub(super) details: String,
    /// For the client; `None`: the same as for the operator.
    pub(super) public: Option<String>,
}

impl Error {
    pub(super) fn new(name: &str, kind: &'static str, rule: &'static str, details: String) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            rule,
            details,
            public: None,
        }
    }

    /// The client is told nothing about it.
    pub(super) fn internal(mut self) -> Self {
        self.public = Some(INTERNAL.to_owned());
        self
    }

    /// The client is told something else.
    pub(super) fn public(mut self, text: String) -> Self {
        self.public = Some(text);
        self
    }

    /// The API has no definition.
    pub(super) fn no_schema() -> Self {
        let details = "API's schema does not exist or it could not be resolved.";
        Self::new("", "ApiSchema", "", details.to_owned()).internal()
    }
}

/// The message that policies of this section validate.
pub(super) fn direction(run: &Run<'_>) -> Direction {
    if run.section.edits_request() {
        Direction::Request
    } else {
        Direction::Response
    }
}

/// Errors found so far, each with what is done about it.
#[derive(Debug, Default)]
pub(super) struct Errors(Vec<(Action, Error)>);

impl Errors {
    /// Adds an error, unless it is ignored.
    pub(super) fn add(&mut self, action: Action, error: Error) {
        if action != Action::Ignore && self.0.len() < ERRORS_MAX {
            self.0.push((action, error));
        }
    }

    /// Tells about the errors; one that is prevented ends the exchange.
    pub(super) fn settle(self, run: &mut Run<'_>, variable: Option<&Arc<str>>) -> Result<Flow, Failure> {
        if self.0.is_empty() {
            return Ok(Flow::Next);
        }
        if let Some(variable) = variable {
            self.store(run, variable);
        }
        for (action, error) in &self.0 {
            run.detail("error", || {
                format!("{} {}: {}", error.kind, error.rule, error.details)
            });
            if *action == Action::Detect {
                run.exchange.note(Note::Trace {
                    source: run.site.policy.into(),
                    severity: TraceSeverity::Information,
                    message: error.details.clone(),
                    metadata: vec![
                        ("type".to_owned(), error.kind.to_owned()),
                        ("validationRule".to_owned(), error.rule.to_owned()),
                    ],
                });
            }
        }
        let first = self.0.into_iter().find(|(action, _)| *action == Action::Prevent);
        match first {
            Some((_, error)) => Err(refusal(run, error)),
            None => Ok(Flow::Next),
        }
    }

    /// Appends the errors to the list in a variable.
    fn store(&self, run: &mut Run<'_>, variable: &Arc<str>) {
        let known = run.context.variables.get(variable).and_then(Value::to_text);
        let known = known.and_then(|text| serde_json::from_str::<Vec<Json>>(&text).ok());
        let mut list = known.unwrap_or_default();
        for (action, error) in &self.0 {
            if list.len() < ERRORS_MAX {
                list.push(json!({
                    "Name": error.name,
                    "Type": error.kind,
                    "ValidationRule": error.rule,
                    "Details": error.details,
                    "Action": Action::WORDS[*action as usize],
                }));
            }
        }
        let text = Json::Array(list).to_string();
        // What was just written as JSON reads as JSON.
        if let Ok(token) = json::parse_array(&Str::new(&text)) {
            run.set_variable(variable, Value::Json(token));
        }
    }
}

fn refusal(run: &Run<'_>, error: Error) -> Failure {
    let (status, reason) = match run.section {
        Section::Inbound | Section::Backend => (StatusCode::BAD_REQUEST, "Bad request"),
        Section::Outbound | Section::OnError => (StatusCode::BAD_GATEWAY, "Response not allowed"),
    };
    Failure::Refused(Box::new(Refusal {
        source: run.site.policy,
        reason,
        public: error.public.unwrap_or_else(|| error.details.clone()),
        message: error.details,
        status,
        headers: Vec::new(),
    }))
}
