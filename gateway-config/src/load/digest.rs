//! Content hashes: of the whole (the revision), of entities (for the diff), of inputs (for reuse).

use std::{collections::BTreeMap, sync::Arc};

use sha2::{Digest as _, Sha256};

use crate::{overlay::OverlayFile, snapshot::FileTree};

/// SHA-256.
pub(crate) type Digest = [u8; 32];

/// Hashes of a configuration.
pub(super) struct Digests {
    /// By entity: `apis/echo`, `products/starter`, `policy.xml`, `overlay`.
    pub(super) entities: BTreeMap<Arc<str>, Digest>,
}

/// Hashes parts, each with its length, so that no two lists of parts collide.
pub(crate) fn of_parts<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Digest {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Hashes all files, entity by entity.
pub(super) fn of(tree: &FileTree, overlay: Option<OverlayFile<'_>>) -> Digests {
    let mut entities: BTreeMap<Arc<str>, Digest> = BTreeMap::new();
    let mut current: Option<(&str, Sha256)> = None;
    // Sorted paths keep the files of an entity together, except where a name continues another (`echo` and
    // `echo;rev=2`), which the slash check below keeps apart.
    for (path, bytes) in tree {
        let entity = entity_of(path);
        if current.as_ref().is_none_or(|(name, _)| *name != entity)
            && let Some((name, hasher)) = current.replace((entity, Sha256::new()))
        {
            add(&mut entities, name, hasher.finalize().into());
        }
        if let Some((_, hasher)) = &mut current {
            for part in [path.as_bytes(), bytes] {
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
    }
    if let Some((name, hasher)) = current {
        add(&mut entities, name, hasher.finalize().into());
    }
    if let Some(overlay) = overlay {
        entities.insert("overlay".into(), of_parts([overlay.bytes]));
    }
    Digests { entities }
}

/// An entity whose files do not stand together (never seen, but order is the file system's) is chained.
fn add(entities: &mut BTreeMap<Arc<str>, Digest>, name: &str, digest: Digest) {
    entities
        .entry(name.into())
        .and_modify(|old| *old = of_parts([&old[..], &digest[..]]))
        .or_insert(digest);
}

/// The first two parts of a path.
fn entity_of(path: &str) -> &str {
    let mut slashes = path.match_indices('/').map(|(at, _)| at);
    match (slashes.next(), slashes.next()) {
        (Some(_), Some(second)) => &path[..second],
        _ => path,
    }
}

impl Digests {
    /// The revision: hex, the same for the same files, overlay and gateway. Values that the overlay only refers to are
    /// not part of it, so that it tells nothing about secrets.
    pub(super) fn revision(&self, gateway: &str) -> Arc<str> {
        let mut parts: Vec<&[u8]> = vec![gateway.as_bytes()];
        for (name, digest) in &self.entities {
            parts.push(name.as_bytes());
            parts.push(digest);
        }
        hex(&of_parts(parts)[..16]).into()
    }
}

/// Lower-case hex.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
            let _ = write!(out, "{b:02x}");
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(files: &[(&str, &str)], overlay: Option<&str>, gateway: &str) -> Arc<str> {
        let tree: FileTree = files
            .iter()
            .map(|(p, t)| ((*p).to_owned(), Arc::from(t.as_bytes())))
            .collect();
        of(
            &tree,
            overlay.map(|o| OverlayFile {
                path: "o",
                bytes: o.as_bytes(),
            }),
        )
        .revision(gateway)
    }

    #[test]
    fn the_revision_changes_with_everything_and_nothing_else() {
        let base = revision(&[("a/x", "1"), ("b/y", "2")], Some("o"), "g");
        assert_eq!(base.len(), 32);
        assert_eq!(
            base,
            revision(&[("b/y", "2"), ("a/x", "1")], Some("o"), "g"),
            "order is the tree's"
        );
        for other in [
            revision(&[("a/x", "1"), ("b/y", "3")], Some("o"), "g"),
            revision(&[("a/x", "12"), ("b/y", "")], Some("o"), "g"),
            revision(&[("a/x1", ""), ("b/y", "2")], Some("o"), "g"),
            revision(&[("a/x", "1")], Some("o"), "g"),
            revision(&[("a/x", "1"), ("b/y", "2")], Some("p"), "g"),
            revision(&[("a/x", "1"), ("b/y", "2")], None, "g"),
            revision(&[("a/x", "1"), ("b/y", "2")], Some("o"), "h"),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn entities_are_the_first_two_parts() {
        for (path, entity) in [
            ("apis/echo/policy.xml", "apis/echo"),
            ("apis/echo;rev=2/operations/x/policy.xml", "apis/echo;rev=2"),
            ("policy.xml", "policy.xml"),
            ("named values/n/namedValueInformation.json", "named values/n"),
            ("a/b", "a/b"),
        ] {
            assert_eq!(entity_of(path), entity);
        }
    }

    #[test]
    fn entities_whose_files_stand_apart_are_one() {
        // `!` sorts before `/`, so `a!` comes between nothing and `a/`; `a b` between `a` and `a/x`.
        let tree: FileTree = ["k/a/1", "k/a b/1", "k/a/2"]
            .iter()
            .map(|p| ((*p).to_owned(), Arc::from(p.as_bytes())))
            .collect();
        assert_eq!(of(&tree, None).entities.len(), 2);
    }
}
