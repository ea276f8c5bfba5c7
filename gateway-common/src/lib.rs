//! The contract between the kernel programs and the agent: plain data, no_std.
//!
//! Every type here is laid out the way both sides read it: `#[repr(C)]`, explicit padding, integers instead of
//! enums (a value that comes out of a map may be anything), addresses in network order. The `const` assertions
//! beside each type fix its size and offsets; [`LAYOUT_VERSION`] changes whenever one of them does, and the loader
//! refuses an object whose version differs from its own.
#![no_std]

pub mod config;
pub mod conn;
pub mod counter;
pub mod edge;
pub mod l4;
#[cfg(feature = "user")]
mod pod;
pub mod quic;
pub mod steer;

pub use conn::{ConnMark, ConnRecord};
pub use counter::{COUNTERS, Counter, CounterValue};
pub use edge::{
    BanEntry, DropSample, EdgeConfig, Limit, Octets4, Octets16, PrefixEntry, SourceState, VipBudget,
};
pub use quic::IdKey;
pub use steer::{GroupKey, SteerKey, SteerPrefix, SteerRange, SteerSet, Working};

/// Version of every layout in this crate. Raise it with any change of a size, an offset or a meaning.
pub const LAYOUT_VERSION: u32 = 2;

/// IP protocol number of TCP (IANA protocol numbers).
pub const IPPROTO_TCP: u8 = 6;
/// IP protocol number of UDP (IANA protocol numbers).
pub const IPPROTO_UDP: u8 = 17;

/// The IPv4-mapped IPv6 form of an IPv4 address (RFC 4291 §2.5.5.2), in network order.
///
/// One key shape for both families keeps one map, one program path and one display routine.
#[inline(always)]
pub const fn v4_mapped(octets: [u8; 4]) -> [u8; 16] {
    [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, octets[0], octets[1], octets[2], octets[3],
    ]
}
