//! The hub's side: a tree, and the last change of every file of it.

use std::{collections::BTreeMap, sync::Arc};

use sha2::{Digest as _, Sha256};

use super::{Event, PAGE_BYTES, PAGE_EVENTS_MAX, Page, Revision};
use crate::FileTree;

/// Removed files that are remembered. Nodes that were away while more were removed start again from zero.
const REMOVED_MAX: usize = 10_000;

/// Letters and digits of a data set's identifier, as the service's own have.
const DATASET_LENGTH: usize = 15;

/// The last revision of a file, and its content unless it was removed.
type Last = (u32, Option<Arc<[u8]>>);

/// A tree as a log of its changes.
#[derive(Clone, Debug)]
pub struct EventLog {
    dataset: String,
    revision: u32,
    /// What happened at each revision that is still the last of its file.
    events: BTreeMap<u32, String>,
    /// Every file ever seen in this data set.
    files: BTreeMap<String, Last>,
    removed: usize,
}

impl EventLog {
    /// An empty log. `seed` makes its identifier: two logs with different histories must have different seeds.
    pub fn new(seed: &[u8]) -> Self {
        Self {
            dataset: dataset_id(seed),
            revision: 0,
            events: BTreeMap::new(),
            files: BTreeMap::new(),
            removed: 0,
        }
    }

    /// The log as it was before a restart. `history` has the last revision of every file ever seen; those that are not
    /// in `files` were removed. `None`: the parts do not belong together.
    pub fn restore(
        dataset: String,
        revision: Revision,
        history: &[(String, Revision)],
        files: &FileTree,
    ) -> Option<Self> {
        let mut out = Self {
            dataset,
            revision: revision.0,
            events: BTreeMap::new(),
            files: BTreeMap::new(),
            removed: 0,
        };
        for (path, at) in history {
            let content = files.get(path).cloned();
            out.removed += usize::from(content.is_none());
            let fresh = out.events.insert(at.0, path.clone()).is_none()
                && out.files.insert(path.clone(), (at.0, content)).is_none();
            if !fresh || at.0 == 0 || *at > revision {
                return None;
            }
        }
        (out.len() == files.len()).then_some(out)
    }

    /// What [`EventLog::restore`] needs beside the tree.
    pub fn history(&self) -> Vec<(String, Revision)> {
        let entries = self.files.iter();
        entries
            .map(|(path, (at, _))| (path.clone(), Revision(*at)))
            .collect()
    }

    /// Another data set with the same tree: for a log whose history could not be kept.
    pub fn renamed(mut self) -> Self {
        self.start_over();
        self
    }

    /// The tree as it is.
    pub fn tree(&self) -> FileTree {
        let present = self.files.iter();
        present
            .filter_map(|(path, (_, content))| Some((path.clone(), content.clone()?)))
            .collect()
    }

    /// The data set's identifier.
    pub fn dataset(&self) -> &str {
        &self.dataset
    }

    /// The last change.
    pub fn revision(&self) -> Revision {
        Revision(self.revision)
    }

    /// Files of the tree as it is.
    pub fn len(&self) -> usize {
        self.files.len() - self.removed
    }

    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the tree `tree`: one event for each file that differs, in the order of the paths. Returns how many.
    pub fn update(&mut self, tree: &FileTree) -> usize {
        let gone: Vec<String> = self
            .files
            .iter()
            .filter(|(path, (_, content))| content.is_some() && !tree.contains_key(*path))
            .map(|(path, _)| path.clone())
            .collect();
        let mut changes = 0;
        for (path, bytes) in tree {
            let same = self
                .files
                .get(path)
                .is_some_and(|(_, content)| content.as_ref() == Some(bytes));
            if !same {
                self.put(path, Some(Arc::clone(bytes)));
                changes += 1;
            }
        }
        changes += gone.len();
        for path in &gone {
            self.put(path, None);
        }
        if self.removed > REMOVED_MAX || self.revision > u32::MAX / 2 {
            self.start_over();
        }
        changes
    }

    fn put(&mut self, path: &str, content: Option<Arc<[u8]>>) {
        self.revision += 1;
        self.events.insert(self.revision, path.to_owned());
        let is_removal = content.is_none();
        if let Some((before, old)) = self.files.insert(path.to_owned(), (self.revision, content)) {
            self.events.remove(&before);
            self.removed -= usize::from(old.is_none());
        }
        self.removed += usize::from(is_removal);
    }

    /// A new data set with the same tree and no history.
    fn start_over(&mut self) {
        let seed = format!("{} after {}", self.dataset, self.revision);
        let mut fresh = Self::new(seed.as_bytes());
        for (path, (_, content)) in std::mem::take(&mut self.files) {
            if content.is_some() {
                fresh.put(&path, content);
            }
        }
        *self = fresh;
    }

    /// At most `top` events behind `after`.
    pub fn page(&self, after: Revision, top: usize) -> Page {
        let mut events = Vec::new();
        let mut bytes = 0;
        let mut more = false;
        for (revision, path) in self.events.range(after.0.saturating_add(1)..) {
            if events.len() == top.clamp(1, PAGE_EVENTS_MAX) || bytes >= PAGE_BYTES {
                more = true;
                break;
            }
            let content = self.files.get(path).and_then(|(_, content)| content.clone());
            bytes += content.as_deref().map_or(0, <[u8]>::len);
            events.push(Event {
                revision: Revision(*revision),
                path: path.clone(),
                content,
            });
        }
        Page {
            dataset_id: self.dataset.clone(),
            after,
            revision: self.revision(),
            events,
            more,
        }
    }
}

fn dataset_id(seed: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    Sha256::digest(seed)
        .iter()
        .take(DATASET_LENGTH)
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect()
}
