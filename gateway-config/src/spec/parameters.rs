//! Parameters of an OpenAPI operation, and the URL template they lead to.

use super::openapi::follow;
use crate::{doc::Node, problem::Place};

/// Longest chain of references between parameters.
const MAX_REFERENCES: usize = 8;

/// A declared parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) in_query: bool,
    pub(super) required: bool,
}

/// Path and query parameters of an operation; its own win over those of the path item.
pub(super) fn declared(
    root: &Node,
    item: &Node,
    operation: &Node,
    mut problem: impl FnMut(Place, String),
) -> Vec<Parameter> {
    let mut out: Vec<Parameter> = Vec::new();
    for list in [item.get("parameters"), operation.get("parameters")]
        .into_iter()
        .flatten()
    {
        for node in list.items() {
            let resolved = match follow(root, node, MAX_REFERENCES) {
                Ok(resolved) => resolved,
                Err(message) => {
                    problem(node.place, message);
                    continue;
                }
            };
            let place = resolved.get("in").and_then(Node::as_text).unwrap_or("");
            let Some(name) = resolved.get("name").and_then(Node::as_scalar) else {
                continue;
            };
            let in_query = place.eq_ignore_ascii_case("query");
            if !in_query && !place.eq_ignore_ascii_case("path") {
                continue;
            }
            let required = resolved.get("required").and_then(Node::as_bool).unwrap_or(false);
            let parameter = Parameter {
                name: name.to_owned(),
                in_query,
                required,
            };
            match out
                .iter_mut()
                .find(|p| p.name == parameter.name && p.in_query == in_query)
            {
                Some(old) => *old = parameter,
                None => out.push(parameter),
            }
        }
    }
    out
}

/// The template: the path as it is, with required query parameters added that it does not name yet.
pub(super) fn template(path: &str, declared: &[Parameter]) -> String {
    let mut out = path.to_owned();
    let named: Vec<String> = path
        .split_once('?')
        .map(|(_, q)| {
            q.split('&')
                .map(|m| m.split('=').next().unwrap_or(m).to_owned())
                .collect()
        })
        .unwrap_or_default();
    let mut first = !path.contains('?');
    for p in declared.iter().filter(|p| p.in_query && p.required) {
        if named.iter().any(|n| n.eq_ignore_ascii_case(&p.name)) {
            continue;
        }
        out.push(if first { '?' } else { '&' });
        out += &format!("{0}={{{0}}}", p.name);
        first = false;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_query_parameters_join_the_template() {
        let q = |name: &str, required| Parameter {
            name: name.into(),
            in_query: true,
            required,
        };
        for (path, declared, expected) in [
            (
                "/r",
                vec![q("a", true), q("b", false), q("c", true)],
                "/r?a={a}&c={c}",
            ),
            ("/r?op=bar", vec![q("op", true), q("x", true)], "/r?op=bar&x={x}"),
            ("/r?a={a}", vec![q("A", true)], "/r?a={a}"),
            ("/r/{id}", vec![], "/r/{id}"),
        ] {
            assert_eq!(template(path, &declared), expected);
        }
    }
}
