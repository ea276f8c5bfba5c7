//! The node's side: pages of events become the tree they describe.

use super::{PATH_BYTES_MAX, Page, Revision};
use crate::FileTree;

/// What a tree from elsewhere may hold, as for a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeBounds {
    /// Files in all.
    pub files: usize,
    /// Bytes in all.
    pub bytes: u64,
}

/// A copy of a hub's tree on its way to the hub's last revision.
#[derive(Clone, Debug)]
pub struct Replica {
    bounds: TreeBounds,
    dataset: String,
    position: Revision,
    files: FileTree,
    bytes: u64,
}

/// What a page led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Ask for the next page.
    More,
    /// The tree is the hub's tree at the replica's position. `true`: this page changed it.
    Complete(bool),
    /// The hub has another data set: ask from zero. What was served until now stays served.
    StartOver,
}

/// Why a page is refused. The replica is as it was before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// Events out of order.
    #[error("event {0} does not follow {1}; the hub, or something between, reorders")]
    Order(Revision, Revision),
    /// A page says that more follows and brings nothing.
    #[error("the page says that more events follow {0} and has none")]
    Stuck(Revision),
    /// The hub went back within one data set.
    #[error("the hub's revision {0} lies before this node's {1} in the same data set")]
    Behind(Revision, Revision),
    /// A path that leaves the tree, or is none.
    #[error("`{0}` is not a path inside the artifact tree")]
    Path(String),
    /// The answer to a question that this replica did not ask.
    #[error("the page begins behind {0}, and this node is at {1}")]
    Gap(Revision, Revision),
    /// Larger than a folder may be.
    #[error("the configuration holds more than {0}")]
    TooLarge(&'static str),
}

impl Replica {
    /// Nothing yet.
    pub fn new(bounds: TreeBounds) -> Self {
        Self {
            bounds,
            dataset: String::new(),
            position: Revision(0),
            files: FileTree::new(),
            bytes: 0,
        }
    }

    /// What a backup held: the next question is for what came after it.
    pub fn restore(bounds: TreeBounds, dataset: String, position: Revision, files: FileTree) -> Self {
        let bytes = files.values().map(|b| b.len() as u64).sum();
        Self {
            bounds,
            dataset,
            position,
            files,
            bytes,
        }
    }

    /// The data set followed; empty before the first page.
    pub fn dataset(&self) -> &str {
        &self.dataset
    }

    /// Everything up to here is in the tree.
    pub fn position(&self) -> Revision {
        self.position
    }

    /// The tree. Whole only after [`Progress::Complete`].
    pub fn files(&self) -> &FileTree {
        &self.files
    }

    /// Takes a page.
    ///
    /// Events that were seen before are passed over, so a page may come twice or late.
    ///
    /// # Errors
    /// What is wrong with the page; nothing of it was taken.
    pub fn apply(&mut self, page: &Page) -> Result<Progress, ReplicaError> {
        if page.dataset_id != self.dataset {
            let mut fresh = Self::new(self.bounds);
            fresh.dataset.clone_from(&page.dataset_id);
            if page.after != Revision(0) {
                *self = fresh;
                return Ok(Progress::StartOver);
            }
            let progress = fresh.advance(page)?;
            *self = fresh;
            return Ok(progress);
        }
        if page.revision < self.position {
            return Err(ReplicaError::Behind(page.revision, self.position));
        }
        self.advance(page)
    }

    fn advance(&mut self, page: &Page) -> Result<Progress, ReplicaError> {
        if page.after > self.position {
            return Err(ReplicaError::Gap(page.after, self.position));
        }
        self.check(page)?;
        let mut changed = false;
        for event in page.events.iter().filter(|e| e.revision > self.position) {
            let size = |bytes: &[u8]| bytes.len() as u64;
            let old = match &event.content {
                Some(content) => {
                    self.bytes += size(content);
                    self.files.insert(event.path.clone(), content.clone())
                }
                None => self.files.remove(&event.path),
            };
            self.bytes -= old.as_deref().map_or(0, size);
            changed |= old != event.content;
        }
        if let Some(last) = page.events.last() {
            self.position = self.position.max(last.revision);
        }
        if page.more {
            return Ok(Progress::More);
        }
        self.position = page.revision;
        Ok(Progress::Complete(changed))
    }

    /// Everything that can be wrong, before anything is changed.
    fn check(&self, page: &Page) -> Result<(), ReplicaError> {
        let mut before = Revision(0);
        let (mut files, mut bytes) = (self.files.len(), self.bytes);
        for event in &page.events {
            if event.revision <= before || event.revision > page.revision {
                return Err(ReplicaError::Order(event.revision, before));
            }
            before = event.revision;
            if !is_inside(&event.path) {
                let shown = event.path.chars().take(100).collect();
                return Err(ReplicaError::Path(shown));
            }
            if let Some(content) = &event.content {
                files += usize::from(!self.files.contains_key(&event.path));
                bytes += content.len() as u64;
            }
        }
        if page.more && before <= self.position {
            return Err(ReplicaError::Stuck(self.position));
        }
        if files > self.bounds.files {
            return Err(ReplicaError::TooLarge("its bound of files"));
        }
        if bytes > self.bounds.bytes {
            return Err(ReplicaError::TooLarge("its bound of bytes"));
        }
        Ok(())
    }
}

/// A relative path of plain names. The tree is never written to disk under these names; a path that could leave a
/// folder is refused all the same.
fn is_inside(path: &str) -> bool {
    path.len() <= PATH_BYTES_MAX
        && path
            .split('/')
            .all(|name| !name.is_empty() && name != "." && name != ".." && !name.contains(['\0', '\\']))
}
