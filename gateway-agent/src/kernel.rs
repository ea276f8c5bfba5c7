//! The kernel side as the agent sees it: which hooks are attached, what they are asked, what they count.
//!
//! Every hook stands alone. One that cannot be attached is named with its reason in log, `/status` and
//! metric, and its work is done in userspace: see [`Gate`].

mod accounts;
mod edge;
mod gate;
mod join;
mod look;
mod side;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use gateway_loader::{
    HookName, HookState,
    common::{ConnRecord, conn},
};
use serde::Serialize;

pub use accounts::Accounts;
pub use gate::{Account, Gate, Joining};
pub use join::UserSide;
pub use look::{BanView, DropReason, DropView, Drops, MapFill, Whereto};
pub(crate) use side::drop_privileges;
pub use side::{Entries, Side, Wanted, read_connections, tend};

/// One hook on one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hook {
    /// The kernel's name of the hook: `xdp`, `tc`, `sk_lookup`, `sk_reuseport`, `sock_ops`.
    pub name: &'static str,
    /// Name of the program.
    pub program: &'static str,
    /// Interface, namespace or cgroup.
    pub target: String,
    /// It works in the kernel.
    pub attached: bool,
    /// `native`, `generic`, `link`, …; `userspace` when the function runs there instead, `off` when nobody
    /// asked for it.
    pub mode: String,
    /// Why it is not attached, or a warning about how it is.
    pub reason: Option<String>,
    /// What does its work meanwhile; absent when it is attached.
    pub instead: Option<&'static str>,
    /// It stays attached when the agent ends.
    pub pinned: bool,
}

/// The kernel's name of a hook.
fn hook_name(name: HookName) -> &'static str {
    match name {
        HookName::EdgeDrop => "xdp",
        HookName::VipLookup => "sk_lookup",
        HookName::PickWorker => "sk_reuseport",
        HookName::ConnAcct => "sock_ops",
        HookName::L4Ingress => "tc",
    }
}

impl From<&HookState> for Hook {
    fn from(state: &HookState) -> Self {
        Self {
            name: hook_name(state.name),
            program: state.name.as_str(),
            target: state.target.clone(),
            attached: state.attached,
            mode: state.mode.to_owned(),
            reason: state.reason.clone(),
            instead: (!state.attached).then(|| state.name.fallback()),
            pinned: state.pinned,
        }
    }
}

/// All hooks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KernelState {
    /// In the order a packet meets them.
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

/// One closed connection, as `/connections` shows it.
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
    pub packets_in: u32,
    pub packets_out: u32,
    pub retransmits: u32,
    pub srtt_us: u32,
    pub duration_ms: u64,
    /// TCP state at close, RFC 9293 names.
    pub state: &'static str,
    /// `accepted` or `connected`.
    pub direction: &'static str,
    /// `kernel` (exact) or `userspace` (as far as the socket knew just before it was closed).
    pub source: &'static str,
    /// Name of the listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<Arc<str>>,
    /// Name that the client asked for in the TLS handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// TLS version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<&'static str>,
    /// Requests on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// Requests by API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apis: Option<BTreeMap<Box<str>, u32>>,
    /// Requests that a policy refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<u32>,
    /// Bytes of request bodies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_in: Option<u64>,
    /// Bytes of response bodies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_out: Option<u64>,
}

impl ConnectionRecord {
    fn of(
        record: &ConnRecord,
        source: &'static str,
        listener: Option<Arc<str>>,
        user: Option<UserSide>,
    ) -> Self {
        Self {
            local: address(record.local, record.local_port),
            remote: address(record.remote, record.remote_port),
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            packets_in: record.packets_in,
            packets_out: record.packets_out,
            retransmits: record.retransmits,
            srtt_us: record.srtt_us,
            duration_ms: record.duration_ns() / 1_000_000,
            state: conn::state_name(record.state),
            direction: if record.direction == conn::DIRECTION_CONNECTED {
                "connected"
            } else {
                "accepted"
            },
            source,
            listener,
            server_name: user.as_ref().and_then(|user| user.server_name.clone()),
            tls: user.as_ref().and_then(|user| user.tls),
            requests: user.as_ref().map(|user| user.requests),
            refused: user.as_ref().map(|user| user.refused),
            body_in: user.as_ref().map(|user| user.body_in),
            body_out: user.as_ref().map(|user| user.body_out),
            apis: user.map(|user| user.apis.into_iter().collect()),
        }
    }

    /// One line in the event log.
    fn log(&self) {
        let apis = self.apis.iter().flatten();
        let apis: Vec<String> = apis.map(|(api, count)| format!("{api}={count}")).collect();
        tracing::info!(
            event = "ConnectionClosed",
            remote = %self.remote,
            local = %self.local,
            listener = self.listener.as_deref().unwrap_or_default(),
            server_name = self.server_name.as_deref().unwrap_or_default(),
            tls = self.tls.unwrap_or_default(),
            requests = self.requests.unwrap_or_default(),
            refused = self.refused.unwrap_or_default(),
            apis = apis.join(" "),
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            packets_in = self.packets_in,
            packets_out = self.packets_out,
            retransmits = self.retransmits,
            srtt_us = self.srtt_us,
            duration_ms = self.duration_ms,
            state = self.state,
            source = self.source,
            "connection closed"
        );
    }
}

/// IPv4 addresses come mapped.
fn address(bytes: [u8; 16], port: u16) -> SocketAddr {
    let ip = Ipv6Addr::from(bytes);
    SocketAddr::new(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_print_the_contract() {
        let record = ConnRecord {
            opened_ns: 1_000_000,
            closed_ns: 6_500_000,
            bytes_in: 120,
            bytes_out: 3_000,
            packets_in: 7,
            packets_out: 8,
            retransmits: 1,
            srtt_us: 250,
            local: gateway_loader::common::v4_mapped([10, 0, 0, 1]),
            remote: gateway_loader::common::v4_mapped([10, 0, 0, 2]),
            local_port: 8080,
            remote_port: 40_000,
            kind: conn::KIND_CLOSE,
            state: conn::state::LAST_ACK as u8,
            direction: conn::DIRECTION_ACCEPTED,
            ..ConnRecord::default()
        };
        let json = serde_json::to_value(ConnectionRecord::of(&record, "kernel", None, None)).unwrap();
        let expected = serde_json::json!({
            "local": "10.0.0.1:8080", "remote": "10.0.0.2:40000", "bytes_in": 120, "bytes_out": 3000,
            "packets_in": 7, "packets_out": 8, "retransmits": 1, "srtt_us": 250, "duration_ms": 5,
            "state": "LAST-ACK", "direction": "accepted", "source": "kernel"
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn addresses_of_both_families_read_well() {
        for (bytes, expected) in [
            (gateway_loader::common::v4_mapped([192, 0, 2, 1]), "192.0.2.1:1"),
            (Ipv6Addr::LOCALHOST.octets(), "[::1]:1"),
        ] {
            assert_eq!(address(bytes, 1).to_string(), expected);
        }
    }

    #[test]
    fn the_mode_follows_the_hooks() {
        let mut state = KernelState {
            hooks: HookState::all_failed("no").iter().map(Hook::from).collect(),
        };
        assert_eq!(state.mode(), "userspace");
        assert!(
            state
                .hooks
                .iter()
                .all(|h| h.instead.is_some() && h.mode == "userspace")
        );
        let names: Vec<_> = state.hooks.iter().map(|h| h.name).collect();
        assert_eq!(names, ["xdp", "tc", "sk_lookup", "sk_reuseport", "sock_ops"]);
        state.hooks[4].attached = true;
        assert_eq!(state.mode(), "kernel");
    }
}
