//! Constants the loader writes into the object before the verifier sees it, so that disabled features cost nothing.
//!
//! Each is a `.rodata` global of the object; the kernel freezes the section (5.2), and the verifier prunes the
//! branches a constant rules out.

/// Bytes in front of the one byte with the [`crate::LAYOUT_VERSION`] an object was built with. The loader looks for them
/// before it gives the object to the kernel.
pub const LAYOUT_MAGIC: &[u8; 15] = b"gateway-layout:";
/// Global of the object: bit set of the `EDGE_*` flags (`u32`).
pub const GLOBAL_EDGE: &str = "GATEWAY_EDGE";
/// Global of the object: bit set of the `ACCOUNT_*` flags (`u32`).
pub const GLOBAL_ACCOUNT: &str = "GATEWAY_ACCOUNT";
/// Global of the object: the [`crate::IdKey`] of the node's QUIC connection IDs.
pub const GLOBAL_QUIC: &str = "GATEWAY_QUIC";

/// `edge_drop` drops what no stack would accept instead of only counting it.
pub const EDGE_DROP_MALFORMED: u32 = 1;

/// `conn_acct` records every connection of the cgroup, not only those of marked listeners.
pub const ACCOUNT_CGROUP: u32 = 1;
/// `conn_acct` also writes a record when a connection opens.
pub const ACCOUNT_OPEN_EVENTS: u32 = 2;
