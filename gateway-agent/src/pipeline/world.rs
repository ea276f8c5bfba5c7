//! The machine's clock and random numbers, as policies see them.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
    time::{SystemTime, UNIX_EPOCH},
};

use gateway_policy::World;

/// .NET ticks (100 ns since 0001-01-01) at the Unix epoch.
const UNIX_EPOCH_TICKS: i64 = 621_355_968_000_000_000;

/// One worker's world.
#[derive(Debug)]
pub(crate) struct Machine {
    /// State of splitmix64. Request ids and expression randomness need no secrecy, only that two workers
    /// and two processes never agree; the seed comes from the operating system.
    state: Cell<u64>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            state: Cell::new(RandomState::new().hash_one(std::process::id())),
        }
    }

    /// A version 4 identifier, bytes in text order (RFC 9562 §5.4).
    pub(crate) fn guid(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.random().to_be_bytes());
        bytes[8..].copy_from_slice(&self.random().to_be_bytes());
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        bytes
    }
}

impl World for Machine {
    fn utc_now_ticks(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UNIX_EPOCH_TICKS + (since.as_nanos() / 100) as i64
    }

    fn random(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn identifiers_are_version_4_and_differ() {
        let machines = [Machine::new(), Machine::new()];
        let ids: HashSet<[u8; 16]> = (0..1_000).map(|n| machines[n % 2].guid()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| id[6] >> 4 == 4 && id[8] >> 6 == 2));
    }

    #[test]
    fn the_clock_speaks_ticks() {
        // 2020-01-01 in ticks; a machine whose clock is before that cannot verify certificates either.
        assert!(Machine::new().utc_now_ticks() > 637_134_336_000_000_000);
    }
}
