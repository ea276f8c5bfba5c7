//! From a request to API and operation.
//!
//! Rules (`gateway-behaviour.md` §8): the longest API path decides and nothing shorter is tried after it; then
//! revision, kind (WebSocket or not), scheme and version choose among the APIs on that path; then the operation.
//! Nothing found is always [`Route::NoOperation`] (404), never 405. `HEAD` and `OPTIONS` need operations of their
//! own, except that a CORS pre-flight is handed over as [`Route::Preflight`] before operations are considered.
//! What paths match nothing at all is decided in `path.rs`.
//!
//! The look-up walks one hash per segment: its cost does not depend on the number of APIs.

mod builder;
#[cfg(test)]
mod naive;
mod operations;
pub(crate) mod path;
mod query;
mod select;
pub(crate) mod template;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use http::{Method, header};

pub use query::query_value;

use crate::snapshot::{ApiEntry, OperationEntry, RequestKey};
pub(crate) use builder::OperationBuilder;
pub(crate) use operations::OperationTable;
use operations::{Captures, Wanted};
use path::{Segments, fold_eq, fold_hash};
pub(crate) use select::Candidate;

/// What a request is for. Borrowed from the snapshot; clone the `Arc`s that outlive the look-up.
#[derive(Debug)]
pub enum Route<'s> {
    /// API and operation are known.
    Matched(Match<'s>),
    /// A CORS pre-flight (`OPTIONS` with `Origin` and `Access-Control-Request-Method`): the `cors` policy in
    /// effect answers it, without a key. Without such a policy, [`Preflight::own`] is served, else 404.
    Preflight(Preflight<'s>),
    /// No API or no operation: 404, reason `OperationNotFound`.
    NoOperation {
        /// The API when one was found, so that its `on-error` runs.
        api: Option<&'s Arc<ApiEntry>>,
    },
    /// The API did not load: 500.
    Refused {
        /// The API.
        api: &'s Arc<ApiEntry>,
        /// Which part of it, and why.
        reason: &'s Arc<str>,
    },
}

/// A matched operation.
#[derive(Debug)]
pub struct Match<'s> {
    /// The API.
    pub api: &'s Arc<ApiEntry>,
    /// The operation.
    pub operation: &'s Arc<OperationEntry>,
    /// Template parameters by name, values decoded; no allocation when there are none.
    pub parameters: Vec<(Arc<str>, String)>,
    /// Offset in the request's path where the part for the backend begins: empty or with leading slash.
    pub path_offset: usize,
}

/// A CORS pre-flight.
#[derive(Debug)]
pub struct Preflight<'s> {
    /// The API.
    pub api: &'s Arc<ApiEntry>,
    /// The operation that the announced request would reach.
    pub requested: Option<&'s Arc<OperationEntry>>,
    /// The API's own `OPTIONS` operation, when it has one for this path.
    pub own: Option<Match<'s>>,
    /// As in [`Match::path_offset`].
    pub path_offset: usize,
}

/// Keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PassHasher(u64);

impl Hasher for PassHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = (self.0 << 8) ^ u64::from(*b);
        }
    }

    fn write_u64(&mut self, n: u64) {
        // FNV mixes its low bits best; the map takes its tag from the high ones.
        self.0 = n ^ n.rotate_left(32);
    }
}

pub(crate) type PassThrough = BuildHasherDefault<PassHasher>;

/// No node, no candidate.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct PathNode {
    /// Its segment in [`RouteTable::texts`].
    text: (u32, u32),
    parent: u32,
    /// Next node with the same hash.
    chained: u32,
    /// First API on this path; the others follow by [`Candidate::next`].
    first: u32,
}

/// All APIs by path, in flat lists: a look-up touches few cache lines.
#[derive(Debug)]
pub(crate) struct RouteTable {
    nodes: Vec<PathNode>,
    candidates: Vec<Candidate>,
    texts: String,
    children: HashMap<u64, u32, PassThrough>,
}

impl Default for RouteTable {
    fn default() -> Self {
        let root = PathNode {
            text: (0, 0),
            parent: NONE,
            chained: NONE,
            first: NONE,
        };
        RouteTable {
            nodes: vec![root],
            candidates: Vec::new(),
            texts: String::new(),
            children: HashMap::default(),
        }
    }
}

/// The API part of a path, consumed.
struct Prefix {
    node: u32,
    /// Segments consumed.
    depth: usize,
    /// Text after `;rev=` in the last of them: offset into the segment.
    revision_at: Option<usize>,
}

impl RouteTable {
    /// Adds an API under its effective path.
    pub(crate) fn insert(&mut self, api: Arc<ApiEntry>, operations: Arc<OperationTable>) {
        let mut node = 0;
        let path = Arc::clone(&api.effective_path);
        for segment in path.split('/').filter(|s| !s.is_empty()) {
            node = match self.child(node, segment) {
                Some(child) => child,
                None => self.add_node(node, segment),
            };
        }
        let added = self.candidates.len() as u32;
        self.candidates.push(Candidate::new(api, operations));
        // Appended at the end of the chain: the order of loading decides among equals.
        let mut last = self.nodes[node as usize].first;
        if last == NONE {
            self.nodes[node as usize].first = added;
            return;
        }
        while self.candidates[last as usize].next != NONE {
            last = self.candidates[last as usize].next;
        }
        self.candidates[last as usize].next = added;
    }

    fn add_node(&mut self, parent: u32, segment: &str) -> u32 {
        let index = self.nodes.len() as u32;
        let chained = self
            .children
            .insert(child_key(parent, segment), index)
            .unwrap_or(NONE);
        let text = (self.texts.len() as u32, segment.len() as u32);
        self.texts.push_str(segment);
        self.nodes.push(PathNode {
            text,
            parent,
            chained,
            first: NONE,
        });
        index
    }

    fn child(&self, parent: u32, segment: &str) -> Option<u32> {
        let mut next = self
            .children
            .get(&child_key(parent, segment))
            .copied()
            .unwrap_or(NONE);
        while let Some(node) = self.nodes.get(next as usize) {
            let (start, len) = (node.text.0 as usize, node.text.1 as usize);
            if node.parent == parent
                && self
                    .texts
                    .get(start..start + len)
                    .is_some_and(|t| fold_eq(t, segment))
            {
                return Some(next);
            }
            next = node.chained;
        }
        None
    }

    /// The longest API path that `segments` begin with.
    fn prefix(&self, segments: &Segments<'_>) -> Option<Prefix> {
        let mut best = None;
        let mut node = 0;
        let mut depth = 0;
        loop {
            if self.nodes[node as usize].first != NONE {
                best = Some(Prefix {
                    node,
                    depth,
                    revision_at: None,
                });
            }
            let Some(segment) = segments.get(depth) else { break };
            if let Some(child) = self.child(node, segment) {
                node = child;
                depth += 1;
                continue;
            }
            // `;rev=N` ends the API part, so nothing longer can follow it.
            if let Some(at) = revision_marker(segment) {
                let child = if at == 0 {
                    Some(node)
                } else {
                    self.child(node, &segment[..at])
                };
                if let Some(child) = child.filter(|c| self.nodes[*c as usize].first != NONE) {
                    let revision_at = Some(at + REVISION.len());
                    best = Some(Prefix {
                        node: child,
                        depth: depth + 1,
                        revision_at,
                    });
                }
            }
            break;
        }
        best
    }

    /// Finds API and operation.
    pub(crate) fn route(&self, key: &RequestKey<'_>) -> Route<'_> {
        let nothing = Route::NoOperation { api: None };
        let Ok(segments) = Segments::split(key.path) else {
            return nothing;
        };
        let Some(prefix) = self.prefix(&segments) else {
            return nothing;
        };
        let revision = prefix
            .revision_at
            .and_then(|at| segments.get(prefix.depth - 1).and_then(|s| s.get(at..)));
        let first = self.nodes[prefix.node as usize].first;
        let Some(candidate) = select::select(&self.candidates, first, key, revision) else {
            return nothing;
        };
        let api = &candidate.api;
        if candidate.refused
            && let Some(reason) = &api.refused
        {
            return Route::Refused { api, reason };
        }
        let path_offset = segments.raw_offset(prefix.depth);
        let mut captures = Captures::new();
        let mut find = |method: &Method| {
            let wanted = Wanted {
                method,
                query: key.query,
                soap_action: candidate.soap_action(key.headers),
            };
            let found = candidate
                .operations
                .find(&segments, prefix.depth, wanted, &mut captures)?;
            let operation = api.operations.get(found.operation())?;
            Some((operation, found.parameters(&captures, &segments, key.query)))
        };
        let own = find(key.method).map(|(operation, parameters)| Match {
            api,
            operation,
            parameters,
            path_offset,
        });
        if let Some(method) = preflight_method(key) {
            let requested = method.and_then(|m| find(&m)).map(|(operation, _)| operation);
            return Route::Preflight(Preflight {
                api,
                requested,
                own,
                path_offset,
            });
        }
        match own {
            Some(found) => Route::Matched(found),
            None => Route::NoOperation { api: Some(api) },
        }
    }
}

const REVISION: &str = ";rev=";

/// Where the last `;rev=` of a segment begins.
fn revision_marker(segment: &str) -> Option<usize> {
    let bytes = segment.as_bytes();
    (0..bytes.len().saturating_sub(REVISION.len() - 1))
        .rev()
        .find(|at| bytes[*at..*at + REVISION.len()].eq_ignore_ascii_case(REVISION.as_bytes()))
}

fn child_key(parent: u32, segment: &str) -> u64 {
    fold_hash(segment) ^ u64::from(parent).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// `Some` for a CORS pre-flight (Fetch standard, "CORS-preflight request"), with the announced method when it is one.
fn preflight_method(key: &RequestKey<'_>) -> Option<Option<Method>> {
    if key.method != Method::OPTIONS || !key.headers.contains_key(header::ORIGIN) {
        return None;
    }
    let announced = key.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    Some(Method::from_bytes(announced.as_bytes()).ok())
}
