//! No build products in the repository.

use anyhow::Result;

use super::{Finding, finding, tree::Tree};

/// Extensions of things a compiler makes.
const PRODUCTS: &[&str] = &["o", "so", "a", "rlib", "elf", "bc", "ll", "wasm", "profraw"];

pub(super) fn find(tree: &Tree) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for file in &tree.files {
        let extension = file.path.rsplit_once('.').map_or("", |(_, extension)| extension);
        let in_target = file.path.starts_with("target/") || file.path.contains("/target/");
        if PRODUCTS.contains(&extension) || in_target {
            found.push(finding(
                &file.path,
                0,
                "a build product: remove it and let the build make it",
            ));
        } else if file.text.is_none() && extension != "png" && !file.path.starts_with("fuzz/") {
            found.push(finding(
                &file.path,
                0,
                "not text: say in .gitattributes or a README why it is here, or remove it",
            ));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found() {
        let tree = Tree::of(&[
            ("gateway-ebpf/programs.o", ""),
            ("target/x", ""),
            ("src/a.rs", "//! A."),
        ]);
        let paths: Vec<String> = find(&tree)
            .unwrap()
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(paths, ["gateway-ebpf/programs.o", "target/x"]);
    }
}
