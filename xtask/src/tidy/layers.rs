//! The layer list of ARCHITECTURE.md against what cargo resolves.
//!
//! The list is a table between two markers: a crate, the crates of ours it may use, and the crates it must
//! not reach, directly or through others. Test and build dependencies are free.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{Finding, finding, tree::Tree};
use crate::shell::cargo;

const PAGE: &str = "ARCHITECTURE.md";
const BEGIN: &str = "<!-- layers: read by cargo xtask tidy -->";
const END: &str = "<!-- end of layers -->";

pub(super) fn find(tree: &Tree) -> Result<Vec<Finding>> {
    let Some(page) = tree.text(PAGE) else {
        return Ok(vec![finding(PAGE, 0, "there is no map of the workspace")]);
    };
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--offline", "--all-features"])
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cargo metadata is not understood")?;
    Ok(compare(&read(page), &metadata.graph()))
}

/// One row of the list.
#[derive(Debug, PartialEq, Eq)]
struct Layer {
    line: usize,
    name: String,
    may_use: BTreeSet<String>,
    never: BTreeSet<String>,
}

/// Which crates a crate depends on, and whether it is ours.
#[derive(Debug, Default)]
struct Graph {
    ours: BTreeSet<String>,
    uses: BTreeMap<String, BTreeSet<String>>,
}

fn read(page: &str) -> Vec<Layer> {
    let mut inside = false;
    let mut layers = Vec::new();
    for (at, line) in page.lines().enumerate() {
        inside = match line.trim() {
            BEGIN => true,
            END => false,
            _ => inside,
        };
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let (true, [_, name, may_use, never, ..]) = (inside, cells.as_slice())
            && name.starts_with('`')
        {
            layers.push(Layer {
                line: at + 1,
                name: name.trim_matches('`').to_owned(),
                may_use: names(may_use),
                never: names(never),
            });
        }
    }
    layers
}

fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn compare(layers: &[Layer], graph: &Graph) -> Vec<Finding> {
    let mut found = Vec::new();
    for name in &graph.ours {
        if !layers.iter().any(|layer| layer.name == *name) {
            found.push(finding(
                PAGE,
                0,
                format!("`{name}` is missing from the layer list"),
            ));
        }
    }
    for layer in layers {
        if !graph.ours.contains(&layer.name) {
            found.push(finding(
                PAGE,
                layer.line,
                format!("`{}` is not a crate of the workspace", layer.name),
            ));
            continue;
        }
        for used in graph.uses.get(&layer.name).into_iter().flatten() {
            if graph.ours.contains(used) && !layer.may_use.contains(used) {
                found.push(finding(
                    PAGE,
                    layer.line,
                    format!("`{}` must not use `{used}`", layer.name),
                ));
            }
        }
        for (reached, way) in reach(graph, &layer.name) {
            if layer.never.contains(&reached) {
                let way = way.join(" -> ");
                found.push(finding(
                    PAGE,
                    layer.line,
                    format!("`{}` must not reach `{reached}`: {way}", layer.name),
                ));
            }
        }
    }
    found
}

// Everything reachable, with the way that leads there.
fn reach(graph: &Graph, from: &str) -> BTreeMap<String, Vec<String>> {
    let mut ways: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut open = vec![vec![from.to_owned()]];
    while let Some(way) = open.pop() {
        let Some(last) = way.last() else { continue };
        for next in graph.uses.get(last).into_iter().flatten() {
            if !ways.contains_key(next) {
                let mut longer = way.clone();
                longer.push(next.clone());
                ways.insert(next.clone(), longer.clone());
                open.push(longer);
            }
        }
    }
    ways
}

/// The members of cargo's metadata that are used here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// `null` is a normal dependency.
    kind: Option<String>,
}

impl Metadata {
    fn graph(&self) -> Graph {
        let names: BTreeMap<&str, &str> = self
            .packages
            .iter()
            .map(|package| (package.id.as_str(), package.name.as_str()))
            .collect();
        let name = |id: &str| names.get(id).copied().unwrap_or(id).to_owned();
        let mut graph = Graph {
            ours: self.workspace_members.iter().map(|id| name(id)).collect(),
            uses: BTreeMap::new(),
        };
        for node in &self.resolve.nodes {
            let normal = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind.is_none()));
            graph
                .uses
                .entry(name(&node.id))
                .or_default()
                .extend(normal.map(|dep| name(&dep.pkg)));
        }
        graph
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
<!-- layers: read by cargo xtask tidy -->
| crate | may use | never |
|---|---|---|
| `low` | - | `tokio` |
| `high` | `low` | - |
<!-- end of layers -->
| `other` | | |";

    fn check(uses: &[(&str, &[&str])], words: &[&str]) {
        let mut graph = Graph {
            ours: ["low", "high"].map(str::to_owned).into(),
            ..Graph::default()
        };
        for (name, used) in uses {
            graph.uses.insert(
                (*name).to_owned(),
                used.iter().map(|name| (*name).to_owned()).collect(),
            );
        }
        let found: Vec<String> = compare(&read(LIST), &graph)
            .into_iter()
            .map(|finding| finding.what)
            .collect();
        assert_eq!(found.len(), words.len(), "{found:?}");
        for (what, word) in found.iter().zip(words) {
            assert!(what.contains(word), "{what}");
        }
    }

    #[test]
    fn only_the_marked_table_counts() {
        let names: Vec<String> = read(LIST).into_iter().map(|layer| layer.name).collect();
        assert_eq!(names, ["low", "high"]);
    }

    #[test]
    fn walls_hold() {
        check(&[("high", &["low"]), ("low", &["serde"])], &[]);
        check(&[("low", &["high"])], &["must not use `high`"]);
        check(&[("low", &["a"]), ("a", &["tokio"])], &["low -> a -> tokio"]);
    }

    #[test]
    fn a_crate_without_a_row_is_named() {
        let graph = Graph {
            ours: ["low", "high", "new"].map(str::to_owned).into(),
            ..Graph::default()
        };
        let found = compare(&read(LIST), &graph);
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("`new`"));
    }
}
