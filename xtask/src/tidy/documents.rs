//! Links between documents lead somewhere; the index of decisions names them all.

use std::path::{Component, Path, PathBuf};

use anyhow::Result;

use super::{Finding, finding, tree::Tree};

/// Where the decision records are listed.
const ADR_INDEX: &str = "docs/adr/README.md";
/// Where the folders are explained.
const MAP: &str = "ARCHITECTURE.md";

pub(super) fn find(tree: &Tree) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (path, text) in tree.texts(&["md"]) {
        for (at, line) in text.lines().enumerate() {
            for target in links(line) {
                if !leads_somewhere(tree, path, target) {
                    found.push(finding(
                        path,
                        at + 1,
                        format!("the link to `{target}` leads nowhere"),
                    ));
                }
            }
        }
    }
    found.extend(map(tree));
    let index = tree.text(ADR_INDEX).unwrap_or_default();
    for (path, _) in tree.texts(&["md"]) {
        if let Some(name) = path.strip_prefix("docs/adr/").filter(|name| *name != "README.md")
            && !index.contains(&format!("({name})"))
        {
            found.push(finding(path, 0, format!("not listed in {ADR_INDEX}")));
        }
    }
    Ok(found)
}

// The map of ARCHITECTURE.md and the folders that exist name each other.
fn map(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.text(MAP) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut named = Vec::new();
    let inside = page
        .lines()
        .enumerate()
        .skip_while(|(_, line)| *line != "## The map");
    for (at, line) in inside.skip(1).take_while(|(_, line)| !line.starts_with("## ")) {
        if let Some(folder) = line.strip_prefix("| `").and_then(|rest| rest.split('`').next()) {
            named.push(folder);
            if !tree.files.iter().any(|file| is_below(&file.path, folder)) {
                found.push(finding(MAP, at + 1, format!("there is no folder `{folder}`")));
            }
        }
    }
    let mut folders: Vec<&str> = tree
        .files
        .iter()
        .filter_map(|file| Some(file.path.split_once('/')?.0))
        .collect();
    folders.dedup();
    for folder in folders
        .iter()
        .filter(|folder| !folder.starts_with('.') && !named.contains(folder))
    {
        found.push(finding(
            MAP,
            0,
            format!("the folder `{folder}` is missing from the map"),
        ));
    }
    found
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

// Targets of `[text](target)`.
fn links(line: &str) -> Vec<&str> {
    line.match_indices("](")
        .filter_map(|(at, mark)| {
            let rest = line.get(at + mark.len()..)?;
            rest.get(..rest.find(')')?)
        })
        .collect()
}

fn leads_somewhere(tree: &Tree, from: &str, target: &str) -> bool {
    let target = target.split('#').next().unwrap_or_default();
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return true;
    }
    let folder = Path::new(from).parent().unwrap_or(Path::new(""));
    let mut whole = PathBuf::new();
    for part in folder.join(target).components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            Component::Normal(name) => whole.push(name),
            _ => {}
        }
    }
    let whole = whole.to_string_lossy();
    let whole = whole.trim_end_matches('/');
    tree.files.iter().any(|file| {
        file.path == whole
            || file
                .path
                .strip_prefix(whole)
                .is_some_and(|rest| rest.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], found: usize) {
        assert_eq!(find(&Tree::of(files)).unwrap().len(), found, "{files:?}");
    }

    #[test]
    fn links_are_followed() {
        check(
            &[
                ("README.md", "[a](docs/a.md#part) [b](https://x.example/)"),
                ("docs/a.md", "[up](../README.md)"),
            ],
            0,
        );
        check(&[("README.md", "[a](docs/none.md)")], 1);
        check(&[("README.md", "[folder](docs/)"), ("docs/a.md", "")], 0);
    }

    #[test]
    fn the_map_and_the_folders_name_each_other() {
        let map = "## The map\n\n| `a` | x |\n\n## Next\n| `z` | y |\n";
        check(&[("ARCHITECTURE.md", map), ("a/b.rs", "")], 0);
        check(&[("ARCHITECTURE.md", map), ("c/b.rs", "")], 2);
    }

    #[test]
    fn decisions_are_listed() {
        check(
            &[
                ("docs/adr/README.md", "[1](0001-a.md)"),
                ("docs/adr/0001-a.md", ""),
            ],
            0,
        );
        check(&[("docs/adr/README.md", ""), ("docs/adr/0001-a.md", "")], 1);
    }
}
