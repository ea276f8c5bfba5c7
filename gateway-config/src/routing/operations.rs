//! The operations of one API as a tree of template steps: literal before mixed before parameter before wildcard.
//!
//! Precedence (`gateway-behaviour.md` §8.4, "exact precedence undocumented"): decided segment by segment from
//! the left, with backtracking, so that a literal that leads nowhere gives way to a parameter. Method and query
//! part are part of the match: `POST /users/me` reaches `POST /users/{id}` when only `GET /users/me` exists.
//! At one end, an operation that agrees on the trailing slash wins, then the one with more query requirements.

use std::{collections::HashMap, sync::Arc};

use http::Method;

use super::{
    path::{Segments, fold_eq, fold_hash},
    query::query_value,
    template::{MAX_CAPTURES, MixedCaptures, Part, QueryPart, Step, Template, match_mixed},
};

/// What an operation is found by, beside its path.
#[derive(Debug)]
pub(crate) struct End {
    /// Index of the operation in its API.
    pub(crate) operation: usize,
    method: Method,
    slash: bool,
    query: Vec<QueryPart>,
    soap_action: Option<Arc<str>>,
    names: Vec<Arc<str>>,
}

#[derive(Debug, Default)]
struct Node {
    /// Of the step that leads here; empty for the root and parameter nodes.
    literal: String,
    parent: u32,
    /// Next node with the same hash.
    chained: Option<u32>,
    mixed: Vec<(Vec<Part>, u32)>,
    parameter: Option<u32>,
    ends: Vec<End>,
    wildcards: Vec<End>,
}

/// All operations of an API.
#[derive(Debug)]
pub(crate) struct OperationTable {
    nodes: Vec<Node>,
    literals: HashMap<u64, u32, super::PassThrough>,
}

/// What the request asks for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) method: &'a Method,
    pub(crate) query: &'a str,
    pub(crate) soap_action: Option<&'a str>,
}

/// Captured ranges on the way down: segment index, start, end inside the segment.
#[derive(Clone, Copy)]
struct Captures {
    items: [(u32, u32, u32); MAX_CAPTURES],
    len: usize,
}

impl Captures {
    fn push(&mut self, item: (u32, u32, u32)) -> bool {
        if self.len == MAX_CAPTURES {
            return false;
        }
        self.items[self.len] = item;
        self.len += 1;
        true
    }
}

/// A found operation.
pub(crate) struct Found<'t> {
    end: &'t End,
    captures: Captures,
    /// First segment that a wildcard took.
    wildcard_from: Option<usize>,
}

impl Default for OperationTable {
    fn default() -> Self {
        OperationTable {
            nodes: vec![Node::default()],
            literals: HashMap::default(),
        }
    }
}

fn key(parent: u32, hash: u64) -> u64 {
    hash ^ u64::from(parent).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl OperationTable {
    /// Adds an operation. False: another one has the same method and template.
    pub(crate) fn insert(
        &mut self,
        operation: usize,
        method: &Method,
        template: &Template,
        soap_action: Option<Arc<str>>,
    ) -> bool {
        let mut node = 0;
        for step in &template.steps {
            node = match step {
                Step::Literal(text) => self.literal_child(node, text),
                Step::Mixed(parts) => self.mixed_child(node, parts),
                Step::Parameter => self.parameter_child(node),
            };
        }
        let end = End {
            operation,
            method: method.clone(),
            slash: template.slash,
            query: template.query.clone(),
            soap_action,
            names: template.names.clone(),
        };
        let node = &mut self.nodes[node as usize];
        let ends = if template.wildcard {
            &mut node.wildcards
        } else {
            &mut node.ends
        };
        if ends.iter().any(|e| e.same_request(&end)) {
            return false;
        }
        ends.push(end);
        // Stable: among equals the order of the specification stays.
        ends.sort_by_key(|e| {
            std::cmp::Reverse((
                e.soap_action.is_some(),
                e.query.iter().filter(|q| q.literal.is_some()).count(),
                e.query.len(),
            ))
        });
        true
    }

    fn literal_child(&mut self, parent: u32, text: &str) -> u32 {
        if let Some(found) = self.find_literal(parent, text) {
            return found;
        }
        let index = self.nodes.len() as u32;
        let chained = self.literals.insert(key(parent, fold_hash(text)), index);
        self.nodes.push(Node {
            literal: text.to_owned(),
            parent,
            chained,
            ..Node::default()
        });
        index
    }

    fn mixed_child(&mut self, parent: u32, parts: &[Part]) -> u32 {
        let same = |(known, _): &&(Vec<Part>, u32)| {
            known.len() == parts.len()
                && known.iter().zip(parts).all(|pair| match pair {
                    (Part::Text(a), Part::Text(b)) => a.eq_ignore_ascii_case(b),
                    (a, b) => a == b,
                })
        };
        if let Some((_, child)) = self.nodes[parent as usize].mixed.iter().find(same) {
            return *child;
        }
        let index = self.nodes.len() as u32;
        self.nodes.push(Node {
            parent,
            ..Node::default()
        });
        let mixed = &mut self.nodes[parent as usize].mixed;
        mixed.push((parts.to_vec(), index));
        // More literal text is more specific.
        mixed.sort_by_key(|(parts, _)| std::cmp::Reverse(parts.iter().map(text_len).sum::<usize>()));
        index
    }

    fn parameter_child(&mut self, parent: u32) -> u32 {
        if let Some(child) = self.nodes[parent as usize].parameter {
            return child;
        }
        let index = self.nodes.len() as u32;
        self.nodes.push(Node {
            parent,
            ..Node::default()
        });
        self.nodes[parent as usize].parameter = Some(index);
        index
    }

    fn find_literal(&self, parent: u32, text: &str) -> Option<u32> {
        let mut next = self.literals.get(&key(parent, fold_hash(text))).copied();
        while let Some(index) = next {
            let node = &self.nodes[index as usize];
            if node.parent == parent && fold_eq(&node.literal, text) {
                return Some(index);
            }
            next = node.chained;
        }
        None
    }

    /// Finds the operation for the segments from `first` on.
    pub(crate) fn find(
        &self,
        segments: &Segments<'_>,
        first: usize,
        wanted: Wanted<'_>,
    ) -> Option<Found<'_>> {
        let mut captures = Captures {
            items: [(0, 0, 0); MAX_CAPTURES],
            len: 0,
        };
        self.walk(0, segments, first, wanted, &mut captures)
    }

    fn walk(
        &self,
        node: u32,
        segments: &Segments<'_>,
        at: usize,
        wanted: Wanted<'_>,
        captures: &mut Captures,
    ) -> Option<Found<'_>> {
        let this = &self.nodes[node as usize];
        let mark = captures.len;
        match segments.get(at) {
            None => {
                if let Some(end) = pick(&this.ends, false, wanted) {
                    return Some(Found {
                        end,
                        captures: *captures,
                        wildcard_from: None,
                    });
                }
            }
            Some(segment) => {
                if segment.is_empty()
                    && at + 1 == segments.len()
                    && let Some(end) = pick(&this.ends, true, wanted)
                {
                    return Some(Found {
                        end,
                        captures: *captures,
                        wildcard_from: None,
                    });
                }
                if let Some(child) = self.find_literal(node, segment)
                    && let Some(found) = self.walk(child, segments, at + 1, wanted, captures)
                {
                    return Some(found);
                }
                captures.len = mark;
                if let Some(found) = self.walk_mixed(this, segments, at, wanted, captures) {
                    return Some(found);
                }
                captures.len = mark;
                if let Some(child) = this.parameter
                    && !segment.is_empty()
                    && captures.push((at as u32, 0, segment.len() as u32))
                    && let Some(found) = self.walk(child, segments, at + 1, wanted, captures)
                {
                    return Some(found);
                }
                captures.len = mark;
            }
        }
        let end = pick(&this.wildcards, false, wanted)?;
        Some(Found {
            end,
            captures: *captures,
            wildcard_from: Some(at),
        })
    }

    fn walk_mixed(
        &self,
        this: &Node,
        segments: &Segments<'_>,
        at: usize,
        wanted: Wanted<'_>,
        captures: &mut Captures,
    ) -> Option<Found<'_>> {
        let segment = segments.get(at)?;
        let mark = captures.len;
        let mut ranges = MixedCaptures::default();
        for (parts, child) in &this.mixed {
            captures.len = mark;
            if match_mixed(parts, segment, &mut ranges)
                && ranges
                    .as_slice()
                    .iter()
                    .all(|(from, to)| captures.push((at as u32, *from, *to)))
                && let Some(found) = self.walk(*child, segments, at + 1, wanted, captures)
            {
                return Some(found);
            }
        }
        None
    }
}

fn text_len(part: &Part) -> usize {
    match part {
        Part::Text(text) => text.len(),
        Part::Parameter => 0,
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

    fn same_request(&self, other: &End) -> bool {
        let query = |e: &End| {
            let mut q: Vec<(String, Option<String>)> = e
                .query
                .iter()
                .map(|p| {
                    (
                        p.name.to_ascii_lowercase(),
                        p.literal.as_ref().map(|l| l.to_ascii_lowercase()),
                    )
                })
                .collect();
            q.sort();
            q
        };
        self.method == other.method
            && self.slash == other.slash
            && self.soap_action == other.soap_action
            && query(self) == query(other)
    }
}

impl Found<'_> {
    /// Index of the operation in its API.
    pub(crate) fn operation(&self) -> usize {
        self.end.operation
    }

    /// Names and decoded values of everything captured. Allocates only when something was.
    pub(crate) fn parameters(&self, segments: &Segments<'_>, query: &str) -> Vec<(Arc<str>, String)> {
        let mut out = Vec::new();
        let mut names = self.end.names.iter();
        for (segment, from, to) in &self.captures.items[..self.captures.len] {
            if let Some(name) = names.next() {
                out.push((
                    Arc::clone(name),
                    segments.part(*segment as usize, (*from, *to)).to_owned(),
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
