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
