//! Replacing and being replaced: the order of things around [`crate::upgrade`].

use std::{path::PathBuf, sync::Arc, time::Duration};

use gateway_config::Settings;

use super::StartError;
use crate::{
    kernel::{self, KernelState},
    node::Node,
    upgrade::{self, Channel, Offer},
};

/// The name is free as soon as the predecessor has heard that it is replaced; looked at this often, for so long.
const NAME_PAUSE: Duration = Duration::from_millis(50);
const NAME_TRIES: u32 = 100;

/// Waits until a configuration is active: until then the predecessor serves better.
pub(super) async fn until_ready(node: &Node, patience: Duration) -> Result<(), StartError> {
    tokio::time::timeout(patience, node.active_once())
        .await
        .map_err(|_| StartError::NotReady(patience.as_secs()))
}

/// Makes new connections this process's, and tells the predecessor. Call it when the workers accept.
pub(super) async fn take_over(kernel: &Arc<kernel::Side>, predecessor: Channel) {
    let steered = kernel.take_over();
    let pid = predecessor.who.pid;
    let told = tokio::task::spawn_blocking(move || predecessor.ready(steered)).await;
    match told {
        Ok(Ok(())) => tracing::info!(
            event = "UpgradeDone",
            predecessor = pid,
            quic = steered,
            "serving in place of the predecessor, which drains"
        ),
        Ok(Err(error)) => {
            tracing::warn!(
                event = "UpgradeDone",
                predecessor = pid,
                "the predecessor is gone: {error}"
            );
        }
        Err(error) => tracing::error!(event = "UpgradeDone", "{error}"),
    }
}

/// Waits for a successor of this process.
pub(super) async fn offer(settings: Arc<Settings>, offer: Offer, node: Arc<Node>) {
    let Some(name) = settings.upgrade_socket.as_deref() else {
        return;
    };
    let mut tries = 0;
    let listener = loop {
        match upgrade::listen(name) {
            Ok(listener) => break listener,
            Err(_) if tries < NAME_TRIES => {
                tries += 1;
                tokio::time::sleep(NAME_PAUSE).await;
            }
            Err(error) => {
                tracing::warn!(
                    event = "UpgradeNotPossible",
                    "no successor can take over at {name}: {error}; another agent may wait there, give each its own \
                     upgrade.socket"
                );
                return;
            }
        }
    };
    if let Err(error) = upgrade::give(listener, offer, node, settings.limits.drain_timeout).await {
        tracing::error!(event = "UpgradeNotPossible", "{error}");
    }
}

/// Starting this program again, for USR2.
pub(super) struct Again {
    program: Option<PathBuf>,
    /// Hooks that a process without capabilities could not attach.
    kernel: bool,
}

impl Again {
    pub(super) fn new(program: Option<PathBuf>, kernel: &KernelState) -> Self {
        Self {
            program,
            kernel: kernel.hooks.iter().any(|hook| hook.attached),
        }
    }

    /// Starts the successor, or says why not. It takes the sockets by itself.
    pub(super) fn start(&self) {
        if self.kernel {
            // This process has given up the capabilities for good, and a child has no more than its parent.
            tracing::error!(
                event = "UpgradeNotStarted",
                "a successor started by this process could not load the kernel programs; run `gateway-agent upgrade`"
            );
            return;
        }
        let Some(program) = self.program.clone() else {
            tracing::error!(event = "UpgradeNotStarted", "the program's own path is unknown");
            return;
        };
        match upgrade::start_beside(program) {
            Ok(mut child) => {
                tracing::info!(event = "UpgradeStarting", pid = child.id(), "successor started");
                // Reaps it, should it end before it takes over.
                tokio::task::spawn_blocking(move || match child.wait() {
                    Ok(status) => tracing::error!(event = "UpgradeGivenUp", %status, "the successor ended"),
                    Err(error) => tracing::error!(event = "UpgradeGivenUp", "{error}"),
                });
            }
            Err(error) => tracing::error!(event = "UpgradeNotStarted", "{error}"),
        }
    }
}
