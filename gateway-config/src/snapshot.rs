//! The immutable result of loading: what one request is served with, from route to program.
//!
//! This file fixes the shape that the agent builds on; the rooms behind it fill it.

use std::{collections::BTreeMap, sync::Arc};

use gateway_policy::context;
use http::{HeaderMap, Method};

/// Files of an artifact folder by relative path with `/`, already read.
pub type FileTree = BTreeMap<String, Arc<[u8]>>;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is refused.
    Warning,
    /// The entity or policy scope it stands in refuses requests; everything else serves.
    Scope,
    /// The snapshot cannot be used at all; the last good one stays.
    Fatal,
}

/// An API with everything resolved.
#[derive(Debug)]
pub struct ApiEntry {
    /// What policies see.
    pub api: Arc<context::Api>,
    /// Where requests go unless a policy says otherwise.
    pub service_url: Option<context::Url>,
}

/// What of a request decides its route. Nothing is copied.
#[derive(Clone, Copy, Debug)]
pub struct RequestKey<'a> {
    /// `http` or `https`: of the connection, or of the trusted `X-Forwarded-Proto`.
    pub scheme: &'a str,
    /// Host without port.
    pub host: &'a str,
    /// Method.
    pub method: &'a Method,
    /// Path as received, percent-encoded.
    pub path: &'a str,
    /// Query without the question mark.
    pub query: &'a str,
    /// Header fields.
    pub headers: &'a HeaderMap,
    /// It asks for a WebSocket upgrade.
    pub websocket: bool,
}

/// The configuration that one request is served with. Never changes; replaced whole.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Hash over everything it was made from, hex.
    pub revision: Arc<str>,
}
