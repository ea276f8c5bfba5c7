//! What changed between two snapshots, for log and audit.

use std::{fmt, sync::Arc};

use serde::Serialize;

use crate::snapshot::Snapshot;

/// Entities by what became of them; names as in the folder (`apis/echo`), sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// New ones.
    pub added: Vec<Arc<str>>,
    /// Gone ones.
    pub removed: Vec<Arc<str>>,
    /// Changed ones.
    pub changed: Vec<Arc<str>>,
}

/// Most names shown in one line of a log.
const SHOWN: usize = 8;

/// Compares two snapshots by entity.
pub fn diff(old: &Snapshot, new: &Snapshot) -> Diff {
    let mut out = Diff::default();
    for (name, digest) in &new.digests {
        match old.digests.get(name) {
            None => out.added.push(Arc::clone(name)),
            Some(before) if before != digest => out.changed.push(Arc::clone(name)),
            Some(_) => {}
        }
    }
    out.removed = old
        .digests
        .keys()
        .filter(|n| !new.digests.contains_key(*n))
        .cloned()
        .collect();
    out
}

impl Diff {
    /// Nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no change");
        }
        let mut separator = "";
        for (what, names) in [
            ("added", &self.added),
            ("changed", &self.changed),
            ("removed", &self.removed),
        ] {
            if names.is_empty() {
                continue;
            }
            write!(f, "{separator}{} {what}: ", names.len())?;
            let shown: Vec<&str> = names.iter().take(SHOWN).map(|n| &**n).collect();
            f.write_str(&shown.join(", "))?;
            if names.len() > SHOWN {
                write!(f, " and {} more", names.len() - SHOWN)?;
            }
            separator = "; ";
        }
        Ok(())
    }
}
