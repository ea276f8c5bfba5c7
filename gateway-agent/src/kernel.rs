//! The kernel side as the agent sees it: which hooks are attached, and what they count.

use std::net::SocketAddr;

use serde::Serialize;

/// One hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hook {
    /// `sk_lookup`, `sk_reuseport`, `sock_ops`, `xdp`.
    pub name: String,
    /// It works in the kernel.
    pub attached: bool,
    /// `link`, `native`, `generic`, …; `userspace` when the function runs there instead.
    pub mode: String,
    /// Why it is not attached.
    pub reason: Option<String>,
}

/// All hooks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KernelState {
    /// In a fixed order.
    pub hooks: Vec<Hook>,
}

impl KernelState {
    /// `kernel` when any hook is attached, else `userspace`.
    pub fn mode(&self) -> &'static str {
        if self.hooks.iter().any(|hook| hook.attached) {
            "kernel"
        } else {
            "userspace"
        }
    }
}

/// One closed connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(
    missing_docs,
    reason = "the names are the demo's contract and carry their units"
)]
pub struct ConnectionRecord {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub packets_in: u64,
    pub packets_out: u64,
    pub retransmits: u64,
    pub srtt_us: u64,
    pub duration_ms: u64,
}
