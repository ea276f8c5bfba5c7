//! What the agent asks of the kernel.

use std::path::PathBuf;

use gateway_common::IdKey;

/// Bytes of the connection ring unless asked otherwise: some 9,500 records, a second of a busy node.
pub const DEFAULT_RING_BYTES: u32 = 1 << 20;

/// What to load and where to attach it. The default attaches nothing but steering, worker choice and accounting of
/// marked listeners in the agent's own namespace and cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Interfaces that get `edge_drop`.
    pub uplinks: Vec<Uplink>,
    /// Bans that each of the two maps takes; `None`: [`gateway_common::edge::MAX_BANS`].
    pub ban_entries: Option<u32>,
    /// Sources whose limits are remembered; `None`: [`gateway_common::edge::MAX_SOURCES`].
    pub source_entries: Option<u32>,
    /// Attach `vip_lookup`.
    pub steering: bool,
    /// Load `pick_worker` for registered groups.
    pub worker_choice: bool,
    /// What `conn_acct` records.
    pub accounting: Accounting,
    /// `conn_acct` writes a record at the handshake too.
    pub open_records: bool,
    /// cgroup v2 directory for `conn_acct`; `None`: the agent's own.
    pub cgroup: Option<PathBuf>,
    /// Network namespace file for `vip_lookup`; `None`: the calling thread's. Interfaces are always the thread's.
    pub netns: Option<PathBuf>,
    /// Bytes of the connection ring; a power of two, at least a page.
    pub ring_bytes: u32,
    /// Directory in a BPF file system where maps and links are pinned, so that they outlive this process and the next one takes
    /// them over; `None`: everything ends with the process.
    pub pins: Option<PathBuf>,
    /// Interfaces and sizes of `l4_ingress`; `None`: off, with maps of one entry.
    pub services: Option<crate::l4::ServicesOptions>,
    /// Generation of this process: sockets of other generations stay in their slots.
    pub generation: u32,
    /// Key of the check in QUIC connection IDs; the same in every generation that shares sockets.
    pub quic_key: IdKey,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            uplinks: Vec::new(),
            ban_entries: None,
            source_entries: None,
            steering: true,
            worker_choice: true,
            accounting: Accounting::Listeners,
            open_records: false,
            cgroup: None,
            netns: None,
            ring_bytes: DEFAULT_RING_BYTES,
            pins: None,
            services: None,
            generation: 0,
            quic_key: IdKey([0; 2]),
        }
    }
}

/// An interface that gets `edge_drop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// Name of the interface.
    pub interface: String,
    /// How to attach.
    pub mode: XdpMode,
}

impl Uplink {
    /// An interface with the mode chosen by its driver.
    pub fn auto(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            mode: XdpMode::Auto,
        }
    }
}

/// Where in the receive path `edge_drop` runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpMode {
    /// Native where the driver has it, generic otherwise, tc where neither is possible. Generic on veth, tun, tap and bridge: native XDP on a veth takes
    /// segmentation offload from its peer, which costs bulk traffic a factor of eight.
    #[default]
    Auto,
    /// In the driver, before the packet buffer exists.
    Native,
    /// In the stack, after the packet buffer exists: about half the drop rate.
    Generic,
    /// At tc ingress, for interfaces that take no XDP program; a little slower than generic.
    Tc,
}

/// Which connections `conn_acct` records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accounting {
    /// None: the hook is not attached.
    Off,
    /// Those of listeners and sockets that were marked with [`crate::Marker`].
    #[default]
    Listeners,
    /// Every TCP connection of the cgroup, those to upstreams included. Refused for the root cgroup, where it would be
    /// every connection of the machine.
    Cgroup,
}
