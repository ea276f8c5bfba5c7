//! The one table from cause to answer: every way a request can fail, with its status, its body and its
//! `LastError` fields.
//!
//! Source: "Error handling in API Management policies" and published captures (`gateway-behaviour.md`
//! §11). Whoever adds a failure adds a variant here and nowhere else.

use std::sync::Arc;

use http::StatusCode;

/// Why a request could not be served.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No API or operation matches.
    NoOperation,
    /// The API needs a key and none was sent.
    KeyMissing,
    /// The key is unknown, inactive, or of another scope.
    KeyInvalid,
    /// A policy refused: status, message for the client, `LastError` fields.
    Refused(Box<Refusal>),
    /// An expression threw.
    Expression {
        /// Policy whose expression it was.
        source: Arc<str>,
        /// The exception's message.
        message: String,
    },
    /// The scope's policy did not load; it refuses everything (fail closed).
    PolicyNotLoaded {
        /// Which document.
        scope: Arc<str>,
    },
    /// No connection to the backend, or it was aborted.
    BackendConnection(String),
    /// No response headers in time.
    BackendTimeout,
    /// The client went away.
    ClientConnection(String),
    /// A body that had to be buffered passed the limit.
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The request is not valid HTTP or violates a protocol rule.
    BadRequest(String),
    /// The gateway itself is overloaded, draining or has no configuration.
    Unavailable(String),
}

/// A policy's own refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Policy element name, `LastError.Source`.
    pub source: &'static str,
    /// `LastError.Reason`
    pub reason: &'static str,
    /// `LastError.Message`
    pub message: String,
    /// Status for the client.
    pub status: StatusCode,
    /// `message` member of the default JSON body.
    pub public: String,
    /// Extra response headers, such as `Retry-After`.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
}
