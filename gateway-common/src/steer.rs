//! Steering: which addresses and ports belong to the gateway, and which sockets serve them.
//!
//! A destination names a *group* (one listening address of the agent), a group has a *working generation* (one agent
//! process), and a generation has numbered *workers* (one socket each). A service can be named before it has a
//! socket; traffic for it is then dropped, never leaked to whoever binds the address.

/// Most groups: listening addresses of the agent. A node has a handful (plain, TLS, QUIC, administration).
pub const MAX_GROUPS: u32 = 16;
/// Generations with sockets at one time: working, previous, next, and one spare for a roll-back.
pub const MAX_GENERATIONS: u32 = 4;
/// Most workers of a generation: one per core, on the largest machines in use twice over.
pub const MAX_WORKERS: u32 = 256;
/// Index in the map of working words, behind those of the groups: number of the process that reads the rings.
pub const READER_SLOT: u32 = MAX_GROUPS;
/// Slots of the socket map.
pub const MAX_SOCKETS: u32 = MAX_GROUPS * MAX_GENERATIONS * MAX_WORKERS;
/// Most exact destinations (one address, one port, one protocol).
pub const MAX_EXACT: u32 = 65_536;
/// Most prefixes with port ranges.
pub const MAX_PREFIXES: u32 = 16_384;
/// Port ranges of one prefix, those it takes over from wider prefixes included. The kernel scans them in order.
pub const MAX_RANGES: usize = 16;

/// Exact destination: key of the hash in front of the prefix map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SteerKey {
    /// Destination address, network order, IPv4 as mapped.
    pub address: [u8; 16],
    /// Destination port, host order.
    pub port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Part of the key: always zero.
    pub pad: u8,
}

/// Prefix destination: the data part of the longest-prefix key. The first 32 bits are always compared.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SteerPrefix {
    /// IP protocol number.
    pub protocol: u8,
    /// [`FAMILY_V4`] or [`FAMILY_V6`]: keeps an IPv6 prefix shorter than 96 bits off the mapped IPv4 addresses.
    pub family: u8,
    /// Part of the key: always zero.
    pub pad: [u8; 2],
    /// Destination prefix, network order, IPv4 as mapped.
    pub address: [u8; 16],
}

impl SteerPrefix {
    /// Bits in front of the address that every lookup compares.
    pub const FIXED_BITS: u32 = 32;
    /// Bits of a full key.
    pub const FULL_BITS: u32 = Self::FIXED_BITS + 128;
}

/// [`SteerPrefix::family`] of IPv4.
pub const FAMILY_V4: u8 = 4;
/// [`SteerPrefix::family`] of IPv6.
pub const FAMILY_V6: u8 = 6;

/// Ports `low..=high` (host order) of a prefix go to `group`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SteerRange {
    /// First port.
    pub low: u16,
    /// Last port.
    pub high: u16,
    /// Group that serves them.
    pub group: u32,
}

/// Port ranges of one prefix, most specific first: the first that holds the port decides.
///
/// The agent copies the ranges of wider prefixes into narrower ones, after their own, so one lookup is enough.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SteerSet {
    /// Ranges in use.
    pub count: u32,
    /// Reserved, zero.
    pub reserved: u32,
    /// The ranges.
    pub ranges: [SteerRange; MAX_RANGES],
}

/// A listening socket as the kernel sees it: finds the group inside the reuseport program.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GroupKey {
    /// Bound address, network order, IPv4 as mapped; zero for "any".
    pub address: [u8; 16],
    /// Bound port, host order.
    pub port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Part of the key: always zero.
    pub pad: u8,
}

/// Which generation takes new connections of a group, and how many workers it has: one word, moved by one write.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Working(pub u64);

impl Working {
    /// Packs a generation (taken modulo [`MAX_GENERATIONS`] when slots are computed) and its number of workers.
    #[inline(always)]
    pub const fn new(generation: u32, workers: u32) -> Self {
        Self((generation as u64) << 32 | workers as u64)
    }

    /// Generation number.
    #[inline(always)]
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Number of workers; 0 means the group has no socket.
    #[inline(always)]
    pub const fn workers(self) -> u32 {
        self.0 as u32
    }
}

/// Slot of the socket map for a worker of a generation of a group. Always below [`MAX_SOCKETS`] for a valid group.
#[inline(always)]
pub const fn slot(group: u32, generation: u32, worker: u32) -> u32 {
    (group * MAX_GENERATIONS + generation % MAX_GENERATIONS) * MAX_WORKERS + worker % MAX_WORKERS
}

const _: () = {
    assert!(size_of::<SteerKey>() == 20 && align_of::<SteerKey>() == 2);
    assert!(core::mem::offset_of!(SteerKey, port) == 16 && core::mem::offset_of!(SteerKey, protocol) == 18);
    assert!(size_of::<SteerPrefix>() == 20 && align_of::<SteerPrefix>() == 1);
    assert!(core::mem::offset_of!(SteerPrefix, address) == 4);
    assert!(size_of::<SteerRange>() == 8);
    assert!(size_of::<SteerSet>() == 8 + 8 * MAX_RANGES && align_of::<SteerSet>() == 4);
    assert!(size_of::<GroupKey>() == 20 && size_of::<Working>() == 8);
    // A mask instead of a division in the kernel, and no slot that belongs to two workers.
    assert!(MAX_GENERATIONS.is_power_of_two() && MAX_WORKERS.is_power_of_two());
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_word_round_trip() {
        for (generation, workers) in [(0, 0), (1, 4), (u32::MAX, 256), (7, u32::MAX)] {
            let word = Working::new(generation, workers);
            assert_eq!((word.generation(), word.workers()), (generation, workers));
        }
    }

    #[test]
    fn slots_are_distinct_and_in_range() {
        extern crate std;
        let mut seen = std::vec![false; MAX_SOCKETS as usize];
        for group in 0..MAX_GROUPS {
            for generation in 0..MAX_GENERATIONS {
                for worker in 0..MAX_WORKERS {
                    let at = slot(group, generation, worker) as usize;
                    assert!(!core::mem::replace(&mut seen[at], true), "slot {at} twice");
                }
            }
        }
        assert!(seen.into_iter().all(|used| used));
    }

    #[test]
    fn generations_wrap_onto_their_slots() {
        assert_eq!(slot(3, 9, 5), slot(3, 9 + MAX_GENERATIONS, 5));
        assert_ne!(slot(3, 9, 5), slot(3, 10, 5));
    }
}
