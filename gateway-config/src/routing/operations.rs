//! The operations of one API as a tree of template steps: literal before mixed before parameter before wildcard.
//!
//! Precedence (`gateway-behaviour.md` §8.4, "exact precedence undocumented"): decided segment by segment from
//! the left, with backtracking, so that a literal that leads nowhere gives way to a parameter. Method and query
//! part are part of the match: `POST /users/me` reaches `POST /users/{id}` when only `GET /users/me` exists.
//! At one end, an operation that agrees on the trailing slash wins, then the one with more query requirements.

use std::sync::Arc;

use http::Method;

use super::{
    path::{Segments, fold_eq, fold_hash},
    query::query_value,
    template::{MAX_CAPTURES, MixedCaptures, Part, QueryPart, match_mixed},
};

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// What an operation is found by, beside its path.
#[derive(Debug)]
pub(crate) struct End {
    /// Index of the operation in its API.
    pub(super) operation: usize,
    pub(super) method: Method,
    pub(super) slash: bool,
    pub(super) query: Box<[QueryPart]>,
    pub(super) soap_action: Option<Arc<str>>,
    pub(super) names: Box<[Arc<str>]>,
}

/// A stretch of one of the table's lists.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Range {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Range {
    fn of<T>(self, list: &[T]) -> &[T] {
        list.get(self.start as usize..(self.start + self.len) as usize)
            .unwrap_or(&[])
    }
}

/// A step from one node to the next.
#[derive(Debug)]
pub(super) struct Node {
    /// The literal that leads here.
    pub(super) text: Range,
    /// Literal children, sorted by tag.
    pub(super) edges: Range,
    /// Children by mixed segments, most literal text first.
    pub(super) mixed: Range,
    /// Operations that end here, and those whose wildcard begins here.
    pub(super) ends: Range,
    pub(super) wildcards: Range,
    /// Child by a whole segment as parameter.
    pub(super) parameter: u32,
}

/// A literal child: part of the hash of its text, folded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) tag: u32,
    pub(super) child: u32,
}

/// A child by a mixed segment.
#[derive(Debug)]
pub(super) struct Mixed {
    pub(super) parts: Box<[Part]>,
    pub(super) child: u32,
}

/// All operations of an API.
#[derive(Debug, Default)]
pub(crate) struct OperationTable {
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Edge>,
    pub(super) mixed: Vec<Mixed>,
    pub(super) ends: Vec<End>,
    pub(super) texts: String,
}

/// What the request asks for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) method: &'a Method,
    pub(crate) query: &'a str,
    pub(crate) soap_action: Option<&'a str>,
}

/// Captured ranges on the way down: segment index, start, end inside the segment (a segment has at most 1,024
/// characters, 4,096 bytes).
pub(crate) struct Captures {
    items: [(u32, u16, u16); MAX_CAPTURES],
    len: usize,
}

impl Captures {
    pub(crate) fn new() -> Self {
        Captures {
            items: [(0, 0, 0); MAX_CAPTURES],
            len: 0,
        }
    }

    fn push(&mut self, segment: usize, from: u32, to: u32) -> bool {
        let (Some(slot), Ok(from), Ok(to)) = (
            self.items.get_mut(self.len),
            u16::try_from(from),
            u16::try_from(to),
        ) else {
            return false;
        };
        *slot = (segment as u32, from, to);
        self.len += 1;
        true
    }
}

/// A found operation.
pub(crate) struct Found<'t> {
    end: &'t End,
    /// First segment that a wildcard took.
    wildcard_from: Option<usize>,
}

impl OperationTable {
    /// Finds the operation for the segments from `first` on.
    pub(crate) fn find(
        &self,
        segments: &Segments<'_>,
        first: usize,
        wanted: Wanted<'_>,
        captures: &mut Captures,
    ) -> Option<Found<'_>> {
        captures.len = 0;
        self.walk(0, segments, first, wanted, captures)
    }

    fn literal_child(&self, node: &Node, segment: &str) -> Option<u32> {
        let edges = node.edges.of(&self.edges);
        if edges.is_empty() {
            return None;
        }
        let tag = fold_hash(segment) as u32;
        let from = edges.partition_point(|e| e.tag < tag);
        let same = edges[from..].iter().take_while(|e| e.tag == tag);
        same.map(|e| e.child).find(|child| {
            let text = self.nodes[*child as usize].text;
            let literal = self
                .texts
                .get(text.start as usize..(text.start + text.len) as usize);
            literal.is_some_and(|literal| fold_eq(literal, segment))
        })
    }

    fn walk(
        &self,
        node: u32,
        segments: &Segments<'_>,
        at: usize,
        wanted: Wanted<'_>,
        captures: &mut Captures,
    ) -> Option<Found<'_>> {
        let this = self.nodes.get(node as usize)?;
        let found = match segments.get(at) {
            None => self.end(this, false, wanted),
            Some(segment) => self.descend(this, segment, segments, at, wanted, captures),
        };
        if found.is_some() {
            return found;
        }
        let end = pick(this.wildcards.of(&self.ends), false, wanted)?;
        Some(Found {
            end,
            wildcard_from: Some(at),
        })
    }

    fn end(&self, node: &Node, slash: bool, wanted: Wanted<'_>) -> Option<Found<'_>> {
        pick(node.ends.of(&self.ends), slash, wanted).map(|end| Found {
            end,
            wildcard_from: None,
        })
    }

    /// Children in order of precedence; captures of a way that led nowhere are taken back.
    fn descend(
        &self,
        this: &Node,
        segment: &str,
        segments: &Segments<'_>,
        at: usize,
        wanted: Wanted<'_>,
        captures: &mut Captures,
    ) -> Option<Found<'_>> {
        let mark = captures.len;
        if segment.is_empty()
            && at + 1 == segments.len()
            && let Some(found) = self.end(this, true, wanted)
        {
            return Some(found);
        }
        if let Some(child) = self.literal_child(this, segment)
            && let Some(found) = self.walk(child, segments, at + 1, wanted, captures)
        {
            return Some(found);
        }
        captures.len = mark;
        let mut ranges = MixedCaptures::default();
        for mixed in this.mixed.of(&self.mixed) {
            if match_mixed(&mixed.parts, segment, &mut ranges)
                && ranges
                    .as_slice()
                    .iter()
                    .all(|(from, to)| captures.push(at, *from, *to))
                && let Some(found) = self.walk(mixed.child, segments, at + 1, wanted, captures)
            {
                return Some(found);
            }
            captures.len = mark;
        }
        if this.parameter != NONE
            && !segment.is_empty()
            && captures.push(at, 0, segment.len() as u32)
            && let Some(found) = self.walk(this.parameter, segments, at + 1, wanted, captures)
        {
            return Some(found);
        }
        captures.len = mark;
        None
    }
}

fn pick<'e>(ends: &'e [End], slash: bool, wanted: Wanted<'_>) -> Option<&'e End> {
    let mut fits = ends.iter().filter(|e| e.accepts(wanted));
    let first = fits.next()?;
    if first.slash == slash {
        return Some(first);
    }
    Some(fits.find(|e| e.slash == slash).unwrap_or(first))
}

impl End {
    fn accepts(&self, wanted: Wanted<'_>) -> bool {
        self.method == *wanted.method
            && self.query.iter().all(
                |part| match (query_value(wanted.query, &part.name), &part.literal) {
                    (None, _) => false,
                    (Some(_), None) => true,
                    (Some(value), Some(literal)) => value.eq_ignore_ascii_case(literal),
                },
            )
            && self
                .soap_action
                .as_deref()
                .is_none_or(|action| wanted.soap_action == Some(action))
    }
}

impl Found<'_> {
    /// Index of the operation in its API.
    pub(crate) fn operation(&self) -> usize {
        self.end.operation
    }

    /// Names and decoded values of everything captured. Allocates only when something was.
    pub(crate) fn parameters(
        &self,
        captures: &Captures,
        segments: &Segments<'_>,
        query: &str,
    ) -> Vec<(Arc<str>, String)> {
        let in_query = self.end.query.iter().filter(|q| q.literal.is_none()).count();
        let mut out = Vec::with_capacity(self.end.names.len() + in_query);
        let mut names = self.end.names.iter();
        for (segment, from, to) in &captures.items[..captures.len] {
            if let Some(name) = names.next() {
                let range = (u32::from(*from), u32::from(*to));
                out.push((
                    Arc::clone(name),
                    segments.part(*segment as usize, range).to_owned(),
                ));
            }
        }
        if let (Some(from), Some(name)) = (self.wildcard_from, names.next()) {
            out.push((Arc::clone(name), segments.rest(from).to_owned()));
        }
        for part in self.end.query.iter().filter(|q| q.literal.is_none()) {
            let value = query_value(query, &part.name).unwrap_or_default();
            out.push((Arc::clone(&part.name), value.into_owned()));
        }
        out
    }
}
