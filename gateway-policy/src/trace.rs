//! What an execution says about itself: the policies that ran, notes for the agent, trace records.

use std::sync::Arc;

use crate::scope::{Scope, Section};

/// Most policies remembered per exchange; a `retry` loop may run more, the first ones tell the story.
pub const EXECUTED_MAX: usize = 256;

/// Most notes per exchange: bounds what one request can make the agent write.
pub const NOTES_MAX: usize = 256;

/// Most trace records per exchange.
pub const TRACE_RECORDS_MAX: usize = 1024;

/// Something a policy wants the agent to write somewhere. Never changes the exchange.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// `trace`
    Trace {
        /// `source` attribute.
        source: Arc<str>,
        /// `verbose`, `information` or `error`.
        severity: TraceSeverity,
        /// The message.
        message: String,
        /// Names and values of the `metadata` children.
        metadata: Vec<(String, String)>,
    },
    /// `emit-metric`
    Metric {
        /// `name` attribute.
        name: Arc<str>,
        /// `namespace` attribute.
        namespace: Arc<str>,
        /// The value.
        value: f64,
        /// Names and values; default dimensions are filled in.
        dimensions: Vec<(Arc<str>, String)>,
    },
    /// `log-to-eventhub`
    EventHub {
        /// `logger-id`
        logger: Arc<str>,
        /// `partition-id`, or the value of `partition-key`.
        partition: Option<Partition>,
        /// The message, cut to the documented limit.
        message: String,
    },
    /// `set-request-metric-dimension-value`
    RequestDimension {
        /// Name of the dimension.
        name: String,
        /// Its value.
        value: String,
    },
    /// A policy that the self-hosted gateway does not run was passed over.
    Skipped {
        /// Its element name.
        policy: &'static str,
    },
}

/// Where an event goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Partition {
    /// `partition-id`
    Id(String),
    /// `partition-key`
    Key(String),
}

/// `trace severity`, in rising order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TraceSeverity {
    /// `verbose`
    #[default]
    Verbose,
    /// `information`
    Information,
    /// `error`
    Error,
}

impl TraceSeverity {
    /// The attribute's word.
    pub fn name(self) -> &'static str {
        match self {
            TraceSeverity::Verbose => "verbose",
            TraceSeverity::Information => "information",
            TraceSeverity::Error => "error",
        }
    }
}

/// A policy that ran, by its place; names are looked up when somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Executed {
    pub(crate) scope: u8,
    pub(crate) section: u8,
    pub(crate) site: u16,
}

/// A policy that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutedPolicy<'a> {
    /// Element name.
    pub policy: &'static str,
    /// Scope of its document.
    pub scope: Scope,
    /// Section it ran in.
    pub section: Section,
    /// Nested position.
    pub path: &'a str,
    /// Its `id` attribute.
    pub id: Option<&'a str>,
}

/// What one policy did; kept only while the request is traced.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceRecord {
    /// Element name.
    pub policy: &'static str,
    /// Scope of its document.
    pub scope: Scope,
    /// Section it ran in.
    pub section: Section,
    /// Nested position.
    pub path: Arc<str>,
    /// Its `id` attribute.
    pub id: Option<Arc<str>>,
    /// When it started, in .NET ticks (100 ns) since the request arrived.
    pub at_ticks: i64,
    /// How long it took, waiting included, in ticks.
    pub elapsed_ticks: i64,
    /// What it worked with, secrets masked.
    pub inputs: Vec<(&'static str, String)>,
    /// `ok`, `end`, or the error's message.
    pub outcome: String,
}

/// Replaces every secret in `text` by asterisks.
pub(crate) fn mask(text: String, secrets: &[Arc<str>]) -> String {
    secrets.iter().fold(text, |text, secret| {
        if text.contains(&**secret) {
            text.replace(&**secret, "***")
        } else {
            text
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let secrets: Vec<Arc<str>> = vec!["s3cret".into(), "other".into()];
        for (given, expected) in [
            ("Bearer s3cret", "Bearer ***"),
            ("s3crets3cret/other", "******/***"),
            ("none", "none"),
        ] {
            assert_eq!(mask(given.to_owned(), &secrets), expected);
        }
    }
}
