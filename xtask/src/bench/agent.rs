//! The agent as a peer: one process, one worker, three APIs that cost differently.

use anyhow::Result;

use super::peers::{Ground, Peer};

/// Name of the peer.
pub(super) const NAME: &str = "agent";
/// Path of the API with key check and one policy at each scope.
pub(super) const SCOPED: &str = "/scoped";
/// What is asked of it: name, path, header.
pub(super) const PATHS: &[(&str, &str, Option<&str>)] = &[
    ("no policy", "/bare", None),
    (
        "key and one policy at each scope",
        SCOPED,
        Some("Ocp-Apim-Subscription-Key: bench-key"),
    ),
    ("ten policies", "/ten", None),
];

/// Starts it on the ground.
pub(super) fn start(_ground: &Ground<'_>) -> Result<Peer> {
    anyhow::bail!("the agent cannot be started yet")
}
