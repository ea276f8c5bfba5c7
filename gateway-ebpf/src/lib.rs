//! What the kernel programs decide, without the kernel: parsing and deciding over a [`Packet`], host-tested.
//!
//! Absences: no map, no helper, no clock, no `unsafe`, no panicking path (indexing only by constants, wrapping
//! arithmetic). `main.rs` holds the programs, the maps and everything that needs the kernel.
#![cfg_attr(not(any(test, feature = "fixtures")), no_std)]

pub mod acct;
pub mod edge;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod l4;
pub mod packet;
pub mod parse;
pub mod pick;
pub mod quic;
pub mod steer;

pub use gateway_common as common;
pub use packet::Packet;
