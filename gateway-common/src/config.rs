//! Constants the loader writes into the object before the verifier sees it, so that disabled features cost nothing.
//!
//! Each is a `.rodata` global of the object; the kernel freezes the section (5.2), and the verifier prunes the
//! branches a constant rules out.

/// Bytes in front of the one byte with the [`crate::LAYOUT_VERSION`] an object was built with. The loader looks for them
/// before it gives the object to the kernel.
pub const LAYOUT_MAGIC: &[u8; 15] = b"gateway-layout:";
/// Global of the object: bit set of the `KERNEL_*` flags (`u32`).
pub const GLOBAL_KERNEL: &str = "GATEWAY_KERNEL";
/// Global of the object: bit set of the `ACCOUNT_*` flags (`u32`).
pub const GLOBAL_ACCOUNT: &str = "GATEWAY_ACCOUNT";
/// Global of the object: the [`crate::IdKey`] of the node's QUIC connection IDs.
pub const GLOBAL_QUIC: &str = "GATEWAY_QUIC";

/// The kernel has `bpf_ktime_get_coarse_ns` (5.11), which costs half of the exact clock.
pub const KERNEL_COARSE_CLOCK: u32 = 1;
/// The kernel has `bpf_xdp_load_bytes` (5.18); without it samples of dropped packets carry no bytes.
pub const KERNEL_LOAD_BYTES: u32 = 2;

/// `conn_acct` records every connection of the cgroup, not only those of marked listeners.
pub const ACCOUNT_CGROUP: u32 = 1;
/// `conn_acct` also writes a record when a connection opens.
pub const ACCOUNT_OPEN_EVENTS: u32 = 2;
