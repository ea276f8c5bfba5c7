//! What all workers of one process share. Everything here is `Send + Sync`; what is not shared lives in
//! [`crate::worker`].

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use gateway_config::Snapshot;

use crate::{drain::Drain, limits::Limits};

/// The shared state of the node. One per process (tests: one per test), behind an `Arc`.
#[derive(Debug, Default)]
pub struct Node {
    snapshot: ArcSwapOption<Snapshot>,
    /// The end of the process.
    pub drain: Drain,
    /// The bounds in force.
    pub limits: Limits,
}

impl Node {
    /// A node that has no configuration yet: it is alive and not ready.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            ..Self::default()
        })
    }

    /// Makes `snapshot` the configuration of every request that starts from now on. Requests in flight
    /// keep theirs.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.snapshot.store(Some(snapshot));
    }

    /// The configuration in force; `None` before the first. Take it once per request.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full()
    }

    /// Readiness: a configuration is active and the process is not ending.
    pub fn is_ready(&self) -> bool {
        self.snapshot.load().is_some() && !self.drain.is_draining()
    }
}
