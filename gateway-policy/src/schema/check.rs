//! Checks a value against a JSON schema, within a budget.
//!
//! The schema is walked as it stands. Every step costs: a schema whose choices nest multiplies with the depth of a
//! body, which the client chooses, so a validator without a budget can be kept busy by anyone (ADR 0017).
//! Texts of faults follow Newtonsoft.Json.Schema, whose wording the original shows.

mod composed;
mod keywords;

use std::fmt;

use serde_json::{Map, Value};

use super::{
    document::{JsonSchemas, NUMBER},
    json::{Json, Node},
};

/// Steps a check may always take: a few milliseconds.
const STEPS_BASE: u64 = 100_000;
/// Further steps for each value in the body: real schemas take about ten.
const STEPS_PER_VALUE: u64 = 200;
/// Most steps whatever the body holds: about half a second.
const STEPS_MAX: u64 = 10_000_000;
/// Schemas inside each other, choices and references counted: recursion, so that it fits any stack.
const DEPTH_MAX: usize = 400;
/// Faults listed for one body; the rest adds nothing.
const FAULTS_MAX: usize = 20;

/// Which way a message goes: members only for one way are not required the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// How a value is checked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) direction: Option<Direction>,
    /// Stands for `additionalProperties` of every schema.
    pub(crate) additional: Option<bool>,
    /// Names of members are compared without case.
    pub(crate) ignore_case: bool,
}

/// What does not conform, and the byte it stands at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) at: usize,
}

/// Why there is no verdict. The value has not been validated then, so it must not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The reference leads to nothing in the document.
    Unresolvable(String),
    /// It took too many steps.
    Budget,
    /// Schemas nest without end.
    Depth,
    /// A pattern cannot be used.
    Pattern(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Unresolvable(reference) => write!(f, "The reference '{reference}' leads nowhere."),
            Stop::Budget => f.write_str("Checking it takes too many steps."),
            Stop::Depth => f.write_str("Its schemas refer to each other without end."),
            Stop::Pattern(why) => write!(f, "A pattern of its schema cannot be used: {why}."),
        }
    }
}

/// Checks `node`, one of `values` values, against `schema` of `document`. No faults: it conforms.
///
/// # Errors
/// There is no verdict.
pub(crate) fn check(
    document: &JsonSchemas,
    schema: &Value,
    node: &Node,
    values: usize,
    options: Options,
) -> Result<Vec<Fault>, Stop> {
    let steps = STEPS_BASE + STEPS_PER_VALUE.saturating_mul(values as u64);
    let mut checker = Checker {
        document,
        options,
        steps: steps.min(STEPS_MAX),
        depth: 0,
        scopes: vec![0],
        tracks: document.tracks || options.additional == Some(false),
    };
    let mut faults = Faults::listed();
    checker.fresh(schema, node, &mut faults)?;
    Ok(faults.list.unwrap_or_default())
}

/// What was found, if somebody wants to know.
struct Faults {
    list: Option<Vec<Fault>>,
}

impl Faults {
    fn listed() -> Self {
        Self {
            list: Some(Vec::new()),
        }
    }

    /// Only the verdict counts.
    fn silent() -> Self {
        Self { list: None }
    }

    fn is_silent(&self) -> bool {
        self.list.is_none()
    }

    /// Adds a fault at `node`; always false, the verdict it leads to.
    fn add(&mut self, node: &Node, message: impl FnOnce() -> String) -> bool {
        if let Some(list) = self.list.as_mut().filter(|l| l.len() < FAULTS_MAX) {
            list.push(Fault {
                message: message(),
                at: node.end,
            });
        }
        false
    }
}

/// Members and items that some schema has looked at.
#[derive(Default)]
struct Seen {
    members: Vec<bool>,
    items: Vec<bool>,
    /// A schema said something about members.
    describes: bool,
}

impl Seen {
    fn mark(list: &mut Vec<bool>, index: usize) {
        if list.len() <= index {
            list.resize(index + 1, false);
        }
        list[index] = true;
    }

    fn member(&self, index: usize) -> bool {
        self.members.get(index).copied().unwrap_or(false)
    }

    fn item(&self, index: usize) -> bool {
        self.items.get(index).copied().unwrap_or(false)
    }

    fn merge(&mut self, other: &Seen) {
        self.describes |= other.describes;
        for (mine, theirs) in [
            (&mut self.members, &other.members),
            (&mut self.items, &other.items),
        ] {
            for (i, _) in theirs.iter().enumerate().filter(|(_, seen)| **seen) {
                Self::mark(mine, i);
            }
        }
    }
}

type Keywords = Map<String, Value>;

struct Checker<'s> {
    document: &'s JsonSchemas,
    options: Options,
    steps: u64,
    depth: usize,
    /// Documents in the document on the way here, kept when references depend on it.
    scopes: Vec<usize>,
    tracks: bool,
}

impl<'s> Checker<'s> {
    fn spend(&mut self, steps: u64) -> Result<(), Stop> {
        self.steps = self.steps.checked_sub(steps).ok_or(Stop::Budget)?;
        Ok(())
    }

    /// A value that no schema has looked at yet.
    fn fresh(&mut self, schema: &'s Value, node: &Node, faults: &mut Faults) -> Result<bool, Stop> {
        let mut seen = Seen::default();
        let mut good = self.schema(schema, node, &mut seen, faults)?;
        if self.options.additional == Some(false)
            && seen.describes
            && let Json::Object(members) = &node.json
        {
            for (_, (name, value)) in members.iter().enumerate().filter(|(i, _)| !seen.member(*i)) {
                good = faults.add(value, || keywords::additional(name));
            }
        }
        Ok(good)
    }

    /// One more schema for a value.
    fn schema(
        &mut self,
        schema: &'s Value,
        node: &Node,
        seen: &mut Seen,
        faults: &mut Faults,
    ) -> Result<bool, Stop> {
        self.spend(1)?;
        let keywords = match schema {
            Value::Object(keywords) => keywords,
            Value::Bool(false) => {
                return Ok(faults.add(node, || "Schema always fails validation.".to_owned()));
            }
            _ => return Ok(true),
        };
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Stop::Depth);
        }
        let scopes = self.scopes.len();
        if let Some(number) = keywords.get(NUMBER).and_then(Value::as_u64) {
            self.scopes.push(number as usize);
        }
        let asks = ["unevaluatedProperties", "unevaluatedItems"];
        let good = if self.document.tracks && asks.iter().any(|word| keywords.contains_key(*word)) {
            // It asks about itself and what is inside it, not about the schemas beside it.
            let mut own = Seen::default();
            let good = self.keywords(keywords, node, &mut own, faults);
            seen.merge(&own);
            good
        } else {
            self.keywords(keywords, node, seen, faults)
        };
        self.depth -= 1;
        self.scopes.truncate(scopes);
        good
    }

    fn keywords(
        &mut self,
        keywords: &'s Keywords,
        node: &Node,
        seen: &mut Seen,
        faults: &mut Faults,
    ) -> Result<bool, Stop> {
        let dialect = self.document.dialect();
        let mut good = true;
        for word in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(reference) = keywords.get(word).and_then(Value::as_str) {
                let document = self.document;
                let (target, inside) = document
                    .follow(reference, &self.scopes)
                    .ok_or_else(|| Stop::Unresolvable(reference.to_owned()))?;
                if document.is_dynamic() {
                    self.scopes.push(inside);
                }
                good &= self.schema(target, node, seen, faults)?;
                if document.is_dynamic() {
                    self.scopes.pop();
                }
                if !dialect.reads_beside_ref() {
                    return Ok(good);
                }
            }
        }
        let admits_null = dialect
            .nullable()
            .and_then(|word| keywords.get(word))
            .and_then(Value::as_bool);
        if admits_null == Some(true) && matches!(node.json, Json::Null) {
            return Ok(good);
        }
        // Ordered by cost; when only the verdict counts, the first fault decides.
        good &= self.any(keywords, node, faults)?;
        if good || !faults.is_silent() {
            good &= match &node.json {
                Json::Number(number) => self.number(keywords, node, number, faults)?,
                Json::Text(text) => self.text(keywords, node, text, faults)?,
                Json::List(items) => self.list(keywords, node, items, seen, faults)?,
                Json::Object(members) => self.object(keywords, node, members, seen, faults)?,
                Json::Null | Json::Bool(_) => true,
            };
        }
        if good || !faults.is_silent() {
            good &= self.composed(keywords, node, seen, faults)?;
        }
        if self.document.tracks && (good || !faults.is_silent()) {
            good &= self.unevaluated(keywords, node, seen, faults)?;
        }
        Ok(good)
    }
}

#[cfg(test)]
mod tests;
