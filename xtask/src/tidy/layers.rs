//! The layer list of ARCHITECTURE.md against what cargo resolves.
//!
//! The list is a table between two markers: a crate, the crates of ours it may use, and the crates it must
//! not reach, directly or through others. Test and build dependencies are free.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::{Finding, finding, tree::Tree};
use crate::shell::cargo;

const PAGE: &str = "ARCHITECTURE.md";
const BEGIN: &str = "<!-- layers: read by cargo xtask tidy -->";
const END: &str = "<!-- end of layers -->";

pub(super) fn find(tree: &Tree) -> Result<Vec<Finding>> {
    let Some(page) = tree.text(PAGE) else {
        return Ok(vec![finding(PAGE, 0, "there is no map of the workspace")]);
    };
    // `cargo tree` and not `cargo metadata`: the latter also lists optional crates that no feature turns on.
    let output = cargo()
        .args(["tree", "--workspace", "--edges", "normal", "--prefix", "depth"])
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(compare(
        &read(page),
        &graph(&String::from_utf8_lossy(&output.stdout)),
    ))
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

// Lines such as `2tokio v1.54.1` and `1gateway-expr v0.1.0 (path) (*)`: depth, name, version.
fn graph(tree: &str) -> Graph {
    let mut graph = Graph::default();
    let mut way: Vec<String> = Vec::new();
    for line in tree.lines() {
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        let (Ok(depth), Some(name)) = (
            line.get(..digits).unwrap_or_default().parse::<usize>(),
            line.get(digits..).and_then(|rest| rest.split(' ').next()),
        ) else {
            continue;
        };
        way.truncate(depth);
        match way.last() {
            None => drop(graph.ours.insert(name.to_owned())),
            Some(parent) => drop(
                graph
                    .uses
                    .entry(parent.clone())
                    .or_default()
                    .insert(name.to_owned()),
            ),
        }
        way.push(name.to_owned());
    }
    graph
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
    fn a_tree_becomes_a_graph() {
        let graph =
            graph("0high v0.1.0 (x)\n1low v0.1.0 (x)\n2serde v1.0.0\n1tokio v1.1.1\n\n0low v0.1.0 (x) (*)\n");
        assert_eq!(graph.ours, ["high", "low"].map(str::to_owned).into());
        assert_eq!(graph.uses["high"], ["low", "tokio"].map(str::to_owned).into());
        assert_eq!(graph.uses["low"], ["serde"].map(str::to_owned).into());
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
