//! Noticing changes: the kernel's notification where it works, and polling always.
//!
//! Mounted Secrets and ConfigMaps change by a swapped link, network file systems notify nobody, and inotify
//! watches can run out: the poll compares stamps, so a change is late by one interval at most.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::tree::{self, Bounds, Stamp, Stamps};

/// What is watched: one folder tree and single files (overlay, secrets, certificates).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// The artifact folder, if there is one.
    pub folder: Option<PathBuf>,
    /// Single files, wherever they are.
    pub files: BTreeSet<PathBuf>,
}

impl Targets {
    /// The state of everything that is watched. What cannot be read has no stamp, which is a state too.
    pub fn stamps(&self, bounds: &Bounds) -> Stamps {
        let mut all = match &self.folder {
            Some(folder) => tree::stamps(folder, bounds).unwrap_or_default(),
            None => Stamps::new(),
        };
        for file in &self.files {
            if let Ok(meta) = std::fs::metadata(file) {
                all.insert(file.clone(), Stamp::of(&meta));
            }
        }
        all
    }

    /// The folders whose notifications matter. The parents of the folder and of each file are watched too,
    /// because a swapped link changes the parent and nothing else.
    fn places(&self) -> BTreeSet<(PathBuf, bool)> {
        let mut places = BTreeSet::new();
        if let Some(folder) = &self.folder {
            places.insert((folder.canonicalize().unwrap_or_else(|_| folder.clone()), true));
            places.extend(parent(folder).map(|p| (p, false)));
        }
        for file in &self.files {
            places.extend(parent(file).map(|p| (p, false)));
            if let Ok(real) = file.canonicalize() {
                places.extend(parent(&real).map(|p| (p, false)));
            }
        }
        places
    }
}

fn parent(path: &Path) -> Option<PathBuf> {
    let parent = path.parent()?;
    Some(if parent.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        parent.to_owned()
    })
}

/// The kernel's notifications, as one wake-up. Dropping it ends them.
#[derive(Debug)]
pub struct Notifications {
    wake: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    places: BTreeSet<(PathBuf, bool)>,
    /// Why polling is all there is, for places that cannot be watched.
    pub degraded: Option<String>,
}

impl Notifications {
    /// Starts without any place; `wake` is notified at each change.
    pub fn start(wake: Arc<Notify>) -> Self {
        let ring = Arc::clone(&wake);
        let made = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading our own files is no change. An error (queue overflow) means that something was missed.
            if event.is_ok_and(|e| e.kind.is_access()) {
                return;
            }
            ring.notify_one();
        });
        let (watcher, degraded) = match made {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self {
            wake,
            watcher,
            places: BTreeSet::new(),
            degraded,
        }
    }

    /// Watches exactly the places of `targets`. Call after every reading: links may lead elsewhere now.
    pub fn follow(&mut self, targets: &Targets) {
        let Some(watcher) = &mut self.watcher else { return };
        let wanted = targets.places();
        for (place, _) in self.places.difference(&wanted) {
            // Gone places unwatch themselves.
            let _ = watcher.unwatch(place);
        }
        let mut failed = None;
        let mut kept = BTreeSet::new();
        for (place, recursive) in wanted {
            let mode = if recursive {
                RecursiveMode::Recursive
            } else {
                RecursiveMode::NonRecursive
            };
            match watcher.watch(&place, mode) {
                Ok(()) => {
                    kept.insert((place, recursive));
                }
                Err(error) => failed = Some(format!("{}: {error}", place.display())),
            }
        }
        self.places = kept;
        self.degraded = failed;
    }

    /// Waits for the next notification.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::scratch::Scratch;
    use std::{fs, os::unix::fs::symlink, time::Duration};

    /// Long enough for a loaded machine; the wait ends with the event.
    const LIMIT: Duration = Duration::from_secs(20);

    /// Whether `change` wakes a watcher of `targets`.
    async fn check(targets: &Targets, what: &str, change: impl FnOnce()) {
        let mut notifications = Notifications::start(Arc::new(Notify::new()));
        notifications.follow(targets);
        assert_eq!(notifications.degraded, None, "{what}");
        change();
        tokio::time::timeout(LIMIT, notifications.changed())
            .await
            .expect(what);
    }

    #[tokio::test]
    async fn changes_wake() {
        let scratch = Scratch::new();
        scratch.write("tree/apis/echo/policy.xml", "1");
        scratch.write("other/overlay.yaml", "1");
        let targets = Targets {
            folder: Some(scratch.path().join("tree")),
            files: [scratch.path().join("other/overlay.yaml")].into(),
        };
        check(&targets, "a file deep inside", || {
            scratch.write("tree/apis/echo/policy.xml", "2")
        })
        .await;
        check(&targets, "a new folder", || {
            scratch.write("tree/apis/new/policy.xml", "2")
        })
        .await;
        check(&targets, "the single file", || {
            scratch.write("other/overlay.yaml", "2")
        })
        .await;
        check(&targets, "the folder vanishes", || {
            fs::remove_dir_all(scratch.path().join("tree")).unwrap()
        })
        .await;
    }

    #[tokio::test]
    async fn a_swapped_link_wakes() {
        let scratch = Scratch::new();
        scratch.write("one/a", "1");
        scratch.write("two/a", "2");
        let link = scratch.path().join("current");
        symlink("one", &link).unwrap();
        let targets = Targets {
            folder: Some(link.clone()),
            files: BTreeSet::new(),
        };
        let before = targets.stamps(&Bounds::default());
        check(&targets, "swap", || {
            symlink("two", scratch.path().join("next")).unwrap();
            fs::rename(scratch.path().join("next"), &link).unwrap();
        })
        .await;
        assert_ne!(before, targets.stamps(&Bounds::default()), "the poll sees it too");
    }

    #[tokio::test]
    async fn what_cannot_be_watched_degrades_with_a_reason() {
        let scratch = Scratch::new();
        let targets = Targets {
            folder: Some(scratch.path().join("no/such")),
            files: BTreeSet::new(),
        };
        let mut notifications = Notifications::start(Arc::new(Notify::new()));
        notifications.follow(&targets);
        assert!(
            notifications
                .degraded
                .as_deref()
                .is_some_and(|r| r.contains("no/such")),
            "{notifications:?}"
        );
        scratch.write("no/such/file", "1");
        notifications.follow(&targets);
        assert_eq!(notifications.degraded, None);
    }

    #[test]
    fn stamps_notice_what_polling_must() {
        let scratch = Scratch::new();
        scratch.write("tree/a", "1");
        scratch.write("key", "1");
        let targets = Targets {
            folder: Some(scratch.path().join("tree")),
            files: [scratch.path().join("key")].into(),
        };
        let mut last = targets.stamps(&Bounds::default());
        assert_eq!(last, targets.stamps(&Bounds::default()));
        let changes: [(&str, &dyn Fn()); 4] = [
            ("grown", &|| scratch.write("tree/a", "12")),
            ("added", &|| scratch.write("tree/b", "")),
            ("single file", &|| scratch.write("key", "12")),
            ("removed", &|| {
                fs::remove_file(scratch.path().join("tree/a")).unwrap()
            }),
        ];
        for (what, change) in changes {
            change();
            let now = targets.stamps(&Bounds::default());
            assert_ne!(last, now, "{what}");
            last = now;
        }
    }
}
