//! What the hub does with a configuration: check it as a node would, and hand on what a node could serve.

use std::sync::{Arc, Mutex, PoisonError};

use gateway_config::{FileTree, Input, Secret, SecretRef, Settings, Snapshot, load};

use super::Hub;
use crate::{
    run::entities,
    sync::{self, Load, Loaded, Rejected},
};

/// What stands for a secret at the hub, which has none.
const PLACEHOLDER: &str = "not-known-here";

/// Checks a tree and gives it to the hub.
pub(super) struct HubLoad {
    hub: Arc<Hub>,
    settings: Settings,
    read: Mutex<FileTree>,
    /// What the last tree was built to: unchanged parts are not built again, and changes are told by name.
    last: Mutex<Option<Arc<Snapshot>>>,
}

impl HubLoad {
    pub(super) fn new(hub: Arc<Hub>, settings: Settings) -> Self {
        Self {
            hub,
            settings,
            read: Mutex::default(),
            last: Mutex::default(),
        }
    }
}

impl Load for HubLoad {
    fn load(&self, tree: FileTree) -> Result<Loaded, Rejected> {
        let secrets = |_: &SecretRef| Ok(Secret::new(PLACEHOLDER));
        let previous = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let loaded = load(&Input {
            tree: &tree,
            overlay: None,
            settings: &self.settings,
            secrets: &secrets,
            previous: previous.as_ref(),
        });
        let Some(snapshot) = loaded.snapshot else {
            return Err(Rejected {
                problems: loaded.problems,
                ..Rejected::default()
            });
        };
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = tree;
        Ok(Loaded {
            changes: previous.as_ref().map(|old| load::diff(old, &snapshot)),
            snapshot,
            problems: loaded.problems,
            entities: entities(&loaded.summary),
            files: sync::tree::Looked::new(),
        })
    }

    fn activate(&self, loaded: &mut Loaded) -> Result<(), String> {
        let tree = std::mem::take(&mut *self.read.lock().unwrap_or_else(PoisonError::into_inner));
        let changes = self.hub.update(&tree);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&loaded.snapshot));
        let (dataset, revision, files) = self.hub.version();
        tracing::info!(
            event = "HubUpdated",
            changes,
            files,
            dataset,
            revision = %revision,
            "nodes get this configuration from now on"
        );
        Ok(())
    }
}
