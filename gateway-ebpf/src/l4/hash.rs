//! The hash that chooses a slot of the Maglev table and the first source port to try.
//!
//! Two multiply and xor-shift rounds over the tuple. The seed is fixed: nodes behind one router that spreads flows must
//! choose alike.

use gateway_common::l4::{FlowKey, MAGLEV_SIZE};

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const FIRST: u64 = 0xbf58_476d_1ce4_e5b9;
const SECOND: u64 = 0x94d0_49bb_1331_11eb;

#[inline(always)]
const fn round(state: u64, value: u64, factor: u64) -> u64 {
    let mixed = (state ^ value).wrapping_mul(factor);
    mixed ^ (mixed >> 31)
}

/// Hash of a tuple, or of the source address alone.
#[inline(always)]
pub fn of<const N: usize>(key: &FlowKey<N>, source_only: bool) -> u32 {
    let mut state = SEED;
    for word in &key.source {
        state = round(state, *word as u64, FIRST);
    }
    if !source_only {
        for word in &key.destination {
            state = round(state, *word as u64, FIRST);
        }
        let ports =
            key.source_port as u64 | (key.destination_port as u64) << 16 | (key.protocol as u64) << 32;
        state = round(state, ports, SECOND);
    }
    (round(state, 0, SECOND) >> 16) as u32
}

/// Slot of a Maglev table: the hash scaled to the table's size, without a division.
#[inline(always)]
pub const fn slot(hash: u32) -> u32 {
    ((hash as u64 * MAGLEV_SIZE as u64) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_evenly() {
        const FLOWS: u32 = 400_000;
        const BUCKETS: usize = 64;
        let check = |key: &dyn Fn(u32) -> FlowKey<1>, source_only: bool, what: &str| {
            let mut buckets = [0_u32; BUCKETS];
            for at in 0..FLOWS {
                let slot = slot(of(&key(at), source_only));
                assert!(slot < MAGLEV_SIZE);
                buckets[slot as usize * BUCKETS / MAGLEV_SIZE as usize] += 1;
            }
            let fair = FLOWS / BUCKETS as u32;
            let (least, most) = (buckets.iter().min().unwrap(), buckets.iter().max().unwrap());
            assert!(
                *least > fair * 95 / 100 && *most < fair * 105 / 100,
                "{what}: {least} to {most}, fair {fair}"
            );
        };
        let key = |source: u32, port: u16| FlowKey {
            source: [source.to_be()],
            destination: [u32::from_ne_bytes([203, 0, 113, 10])],
            source_port: port.to_be(),
            destination_port: 443_u16.to_be(),
            protocol: 6,
            pad: [0; 3],
        };
        check(
            &|at| key(0x0a00_0001 + at / 50_000, 10_000 + (at % 50_000) as u16),
            false,
            "ports",
        );
        check(&|at| key(0x0a00_0000 + at, 40_000), false, "addresses");
        check(&|at| key(0x0a00_0000 + at, at as u16), true, "sources");
    }

    #[test]
    fn affinity_ignores_everything_but_the_source() {
        let mut key = FlowKey {
            source: [1, 2, 3, 4],
            destination: [5; 4],
            source_port: 6,
            destination_port: 7,
            protocol: 6,
            pad: [0; 3],
        };
        let (all, source) = (of(&key, false), of(&key, true));
        key.source_port = 9;
        assert_ne!(of(&key, false), all);
        assert_eq!(of(&key, true), source);
    }
}
