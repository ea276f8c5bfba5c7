//! Builds an operation table: a tree with lists of its own a node, laid out flat at the end.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use http::Method;

use super::{
    operations::{Edge, End, Mixed, NONE, Node, OperationTable, Range},
    path::{fold_eq, fold_hash},
    template::{Part, Step, Template},
};

#[derive(Default)]
struct Growing {
    literal: String,
    literals: Vec<u32>,
    mixed: Vec<(Vec<Part>, u32)>,
    parameter: Option<u32>,
    ends: Vec<End>,
    wildcards: Vec<End>,
}

/// Takes operations one by one.
pub(crate) struct OperationBuilder {
    nodes: Vec<Growing>,
    /// Children by parent and hash of the folded literal.
    by_hash: HashMap<(u32, u64), Vec<u32>>,
}

impl Default for OperationBuilder {
    fn default() -> Self {
        OperationBuilder {
            nodes: vec![Growing::default()],
            by_hash: HashMap::new(),
        }
    }
}

impl OperationBuilder {
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
            query: template.query.clone().into(),
            soap_action,
            names: template.names.clone().into(),
        };
        let node = &mut self.nodes[node as usize];
        let ends = if template.wildcard {
            &mut node.wildcards
        } else {
            &mut node.ends
        };
        if ends.iter().any(|e| same_request(e, &end)) {
            return false;
        }
        ends.push(end);
        // Stable: among equals the order of the specification stays.
        ends.sort_by_key(|e| {
            let fixed = e.query.iter().filter(|q| q.literal.is_some()).count();
            Reverse((e.soap_action.is_some(), fixed, e.query.len()))
        });
        true
    }

    fn add(&mut self, node: Growing) -> u32 {
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    fn literal_child(&mut self, parent: u32, text: &str) -> u32 {
        let key = (parent, fold_hash(text));
        let known = self.by_hash.get(&key).and_then(|list| {
            list.iter()
                .copied()
                .find(|child| fold_eq(&self.nodes[*child as usize].literal, text))
        });
        if let Some(child) = known {
            return child;
        }
        let child = self.add(Growing {
            literal: text.to_owned(),
            ..Growing::default()
        });
        self.by_hash.entry(key).or_default().push(child);
        self.nodes[parent as usize].literals.push(child);
        child
    }

    fn mixed_child(&mut self, parent: u32, parts: &[Part]) -> u32 {
        let known = self.nodes[parent as usize]
            .mixed
            .iter()
            .find(|(known, _)| same_parts(known, parts));
        if let Some((_, child)) = known {
            return *child;
        }
        let child = self.add(Growing::default());
        let mixed = &mut self.nodes[parent as usize].mixed;
        mixed.push((parts.to_vec(), child));
        // More literal text is more specific.
        mixed.sort_by_key(|(parts, _)| Reverse(parts.iter().map(text_len).sum::<usize>()));
        child
    }

    fn parameter_child(&mut self, parent: u32) -> u32 {
        if let Some(child) = self.nodes[parent as usize].parameter {
            return child;
        }
        let child = self.add(Growing::default());
        self.nodes[parent as usize].parameter = Some(child);
        child
    }

    /// Lays the tree out in five flat lists: a look-up touches few cache lines, whatever the number of APIs.
    pub(crate) fn finish(self) -> OperationTable {
        let mut out = OperationTable::default();
        let mut texts = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let start = out.texts.len() as u32;
            out.texts.push_str(&node.literal);
            texts.push(Range {
                start,
                len: node.literal.len() as u32,
            });
        }
        for (node, text) in self.nodes.into_iter().zip(&texts) {
            let edges_start = out.edges.len();
            for child in &node.literals {
                let text = texts[*child as usize];
                let literal = &out.texts[text.start as usize..(text.start + text.len) as usize];
                out.edges.push(Edge {
                    tag: fold_hash(literal) as u32,
                    child: *child,
                });
            }
            out.edges[edges_start..].sort_by_key(|e| e.tag);
            let mixed = append(
                &mut out.mixed,
                node.mixed.into_iter().map(|(parts, child)| Mixed {
                    parts: parts.into(),
                    child,
                }),
            );
            let ends = append(&mut out.ends, node.ends);
            let wildcards = append(&mut out.ends, node.wildcards);
            out.nodes.push(Node {
                text: *text,
                edges: Range {
                    start: edges_start as u32,
                    len: (out.edges.len() - edges_start) as u32,
                },
                mixed,
                ends,
                wildcards,
                parameter: node.parameter.unwrap_or(NONE),
            });
        }
        out
    }
}

fn append<T>(list: &mut Vec<T>, items: impl IntoIterator<Item = T>) -> Range {
    let start = list.len() as u32;
    list.extend(items);
    Range {
        start,
        len: list.len() as u32 - start,
    }
}

fn text_len(part: &Part) -> usize {
    match part {
        Part::Text(text) => text.len(),
        Part::Parameter => 0,
    }
}

fn same_parts(a: &[Part], b: &[Part]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|pair| match pair {
            (Part::Text(a), Part::Text(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a == b,
        })
}

/// Would the two always answer the same requests?
fn same_request(a: &End, b: &End) -> bool {
    let query = |e: &End| {
        let lower = |t: &String| t.to_ascii_lowercase();
        let mut q: Vec<(String, Option<String>)> = e
            .query
            .iter()
            .map(|p| (p.name.to_ascii_lowercase(), p.literal.as_ref().map(lower)))
            .collect();
        q.sort();
        q
    };
    a.method == b.method && a.slash == b.slash && a.soap_action == b.soap_action && query(a) == query(b)
}
