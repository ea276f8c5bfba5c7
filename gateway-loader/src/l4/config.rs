//! What the agent asks for.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use crate::steer::Protocol;

/// Flows the tables are made for unless asked otherwise: some 50 MiB for IPv4 and the same again for IPv6.
pub const DEFAULT_FLOWS: u32 = 131_072;
/// Most flows that can be asked for.
pub const MAX_FLOWS: u32 = 8_388_608;
/// Source ports of full NAT unless asked otherwise: above Linux' default `ip_local_port_range`.
pub const DEFAULT_NAT_PORTS: RangeInclusive<u16> = 61_000..=65_535;

/// Where `l4_ingress` goes and how large its tables are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicesOptions {
    /// Interfaces on which clients' and backends' packets come in.
    pub interfaces: Vec<String>,
    /// Flows to make room for, per family.
    pub flows: u32,
}

/// One virtual address and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Name for people.
    pub name: String,
    /// Virtual address and port; port 0: every port without a service of its own.
    pub address: SocketAddr,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Backends of the same family as the address.
    pub backends: Vec<Backend>,
    /// What of the client backends see.
    pub nat: Nat,
    /// The backend is chosen by the client's address alone.
    pub affinity: bool,
    /// Most flows at a time.
    pub max_flows: Option<u64>,
    /// Most bytes a second, both directions together.
    pub bytes_per_second: Option<u64>,
}

/// A backend of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Address and port; port 0: the one the client used.
    pub address: SocketAddr,
    /// Share of new flows relative to the others; 0: none.
    pub weight: u16,
    /// Whether it takes flows.
    pub health: Health,
}

/// Whether a backend takes flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// New flows and those it has.
    Up,
    /// Those it has, no new ones.
    Draining,
    /// The same as draining, because it does not answer: flows it has may live, the check may be wrong.
    Down,
}

/// What of the client backends see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nat {
    /// Client's address and port: replies must come back through this node.
    Destination,
    /// An address of this node and a port of the range: replies come back by themselves.
    Full {
        /// The node's address towards the backends.
        source: IpAddr,
        /// Source ports.
        ports: RangeInclusive<u16>,
    },
}
