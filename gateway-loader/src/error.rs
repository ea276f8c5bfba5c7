//! What can go wrong, per task. Text for people; closed sets where code has to tell cases apart.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use gateway_common::edge::{MAX_OWN, MAX_PREFIX_ENTRIES, MAX_VIPS};
use gateway_common::l4::{MAX_BACKENDS, MAX_SERVICES};
use gateway_common::steer::{MAX_EXACT, MAX_GROUPS, MAX_PREFIXES, MAX_RANGES, MAX_WORKERS};

use crate::bans::MAX_BAN;

/// Why there is no kernel side at all. The agent then does everything in userspace.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// This build carries no kernel object.
    #[error("this build has no kernel programs ({reason}): run `cargo xtask bpf` and build again")]
    NotBuilt {
        /// What the build script found.
        reason: &'static str,
    },
    /// The object was built from another version of the contract.
    #[error(
        "the kernel object has layout {found:?}, this program needs {expected}: run `cargo xtask bpf` and build again"
    )]
    Layout {
        /// Version in the object, when there is one.
        found: Option<u32>,
        /// Version of this crate.
        expected: u32,
    },
    /// The kernel does not let this process use BPF.
    #[error(
        "the kernel refuses BPF to this process ({what}: {source}): it needs CAP_BPF and CAP_NET_ADMIN (kernel 5.8 and later, CAP_SYS_ADMIN before)"
    )]
    NotPermitted {
        /// What was being made.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A map could not be made for another reason.
    #[error("cannot make the maps of the kernel programs: {what}: {source}")]
    Map {
        /// The map.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The ring buffer size is not a power of two of at least a page.
    #[error("ring buffer of {0} bytes: it must be a power of two from 4096 to 1073741824")]
    RingSize(u32),
    /// aya or the kernel does not understand the object.
    #[error("cannot load the kernel object: {0}")]
    Object(String),
}

/// Why destinations could not be steered. What was in force before stays in force unless the error is
/// [`SteerError::Kernel`].
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SteerError {
    /// The hook is not attached.
    #[error("vip_lookup is not attached: {0}")]
    Unavailable(String),
    /// Too many single addresses with single ports.
    #[error("{0} exact destinations, at most {MAX_EXACT} are taken: use prefixes or port ranges")]
    TooManyExact(usize),
    /// Too many prefixes.
    #[error("{0} prefixes, at most {MAX_PREFIXES} are taken")]
    TooManyPrefixes(usize),
    /// Too many port ranges meet at one prefix.
    #[error(
        "{count} port ranges apply to {prefix} (those of wider prefixes included), at most {MAX_RANGES} are taken"
    )]
    TooManyRanges {
        /// The prefix.
        prefix: String,
        /// Ranges that apply.
        count: usize,
    },
    /// A range that ends before it starts, or holds port 0.
    #[error("ports {low}-{high} of {prefix}: ports are 1 to 65535, the lower first")]
    BadRange {
        /// The prefix.
        prefix: String,
        /// First port.
        low: u16,
        /// Last port.
        high: u16,
    },
    /// The kernel refused a map update.
    #[error("the kernel refused a steering entry: {0}")]
    Kernel(String),
}

/// Why a group of sockets could not be registered.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum WorkersError {
    /// Neither steering nor worker choice is attached.
    #[error("neither vip_lookup nor pick_worker is attached: {0}")]
    Unavailable(String),
    /// No socket was given.
    #[error("a group needs at least one socket")]
    Empty,
    /// Too many sockets.
    #[error("{0} sockets in a group, at most {MAX_WORKERS} are taken")]
    TooManyWorkers(usize),
    /// Too many groups.
    #[error("more than {MAX_GROUPS} listening addresses")]
    TooManyGroups,
    /// The sockets of a group must share address and protocol.
    #[error("socket {index} of the group is bound to {found}, the first one to {expected}")]
    Mixed {
        /// Position of the socket.
        index: usize,
        /// Its address.
        found: String,
        /// The address of the first.
        expected: String,
    },
    /// A socket's address or kind could not be read, or it is not an IP socket.
    #[error("socket {index} of the group: {source}")]
    Socket {
        /// Position of the socket.
        index: usize,
        /// The reason.
        source: io::Error,
    },
    /// The kernel refused a socket: not listening, not bound, or of a kind that cannot be steered.
    #[error("the kernel refused socket {index} of the group (is it bound and listening?): {message}")]
    Refused {
        /// Position of the socket.
        index: usize,
        /// The kernel's answer.
        message: String,
    },
    /// The kernel refused the group.
    #[error("the kernel refused the group: {0}")]
    Kernel(String),
}

/// Why the source prefixes could not be set.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum PrefixError {
    /// No uplink has the program.
    #[error("edge_drop is not attached: {0}")]
    Unavailable(String),
    /// Too many prefixes of a family; nothing was changed.
    #[error("{count} {family} prefixes, at most {MAX_PREFIX_ENTRIES} are taken")]
    TooMany {
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// Prefixes asked for.
        count: usize,
    },
    /// The kernel refused an entry. Entries before it are in force; calling again continues.
    #[error("the kernel refused {address}/{length}: {message}")]
    Kernel {
        /// Network address.
        address: IpAddr,
        /// Prefix length.
        length: u8,
        /// The kernel's answer.
        message: String,
    },
    /// The kernel refused a word of the filter in front of the prefixes.
    #[error("the kernel refused the filter of the prefixes: {0}")]
    Filter(String),
}

/// Why a source could not be banned.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum BanError {
    /// No uplink has the program.
    #[error("edge_drop is not attached: {0}")]
    Unavailable(String),
    /// Multicast, loopback, or no address at all.
    #[error("{0} is no address that packets come from")]
    NotASource(IpAddr),
    /// A trusted proxy or an allowed prefix: many clients stand behind it.
    #[error("{0} is a trusted proxy or in an allowed prefix and is never banned")]
    Protected(IpAddr),
    /// No time, or more than a ban may last.
    #[error("a ban of {lasts:?}: it lasts more than nothing and at most {most:?}; longer ones belong into kernel.deny", most = MAX_BAN, lasts = .0)]
    Duration(Duration),
    /// The map is full.
    #[error("{0} addresses of this family are banned, which is the limit (kernel.bans.entries)")]
    Full(usize),
    /// The kernel refused the entry.
    #[error("the kernel refused to ban {address}: {message}")]
    Kernel {
        /// The source.
        address: IpAddr,
        /// The kernel's answer.
        message: String,
    },
}

/// Why the edge's options could not be set.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// Too many destinations with limits.
    #[error("{0} destinations with budgets, at most {MAX_VIPS} are taken")]
    TooManyVips(usize),
    /// Too many bound destinations.
    #[error("{0} destinations of the gateway, at most {MAX_OWN} are taken")]
    TooManyOwn(usize),
    /// The kernel refused a map update.
    #[error("the kernel refused an entry: {0}")]
    Kernel(String),
}

/// Why L4 services could not be set. What was in force stays in force unless the error is [`ServicesError::Kernel`].
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ServicesError {
    /// A service that is not possible.
    #[error("service {service}: {reason}")]
    Bad {
        /// Its name.
        service: String,
        /// What is wrong.
        reason: String,
    },
    /// Too many services.
    #[error("{0} L4 services, at most {MAX_SERVICES} are taken (an address, port and protocol each)")]
    TooManyServices(usize),
    /// Too many backends.
    #[error("{0} backends of L4 services, at most half of {MAX_BACKENDS} are taken")]
    TooManyBackends(usize),
    /// The kernel refused an entry.
    #[error("the kernel refused an entry of the L4 services: {0}")]
    Kernel(String),
}
