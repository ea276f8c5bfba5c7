//! `pick_worker`: from a hash to the worker of the working generation.

use gateway_common::Working;
use gateway_common::quic::Owner;
use gateway_common::steer::{MAX_GROUPS, MAX_WORKERS, slot};

/// Slots tried for a socket that names the group: a worker that died leaves an empty slot behind.
pub const PROBES: u32 = 4;

/// Slot of the worker for `hash`, `None` when the group is out of range or has no workers.
///
/// The hash is scaled instead of divided: the high half of the product is even for an even hash, and costs one
/// multiplication.
#[inline(always)]
pub fn worker_slot(group: u32, working: Working, hash: u32) -> Option<u32> {
    let workers = working.workers();
    if group >= MAX_GROUPS || workers == 0 || workers > MAX_WORKERS {
        return None;
    }
    let worker = ((u64::from(hash) * u64::from(workers)) >> 32) as u32;
    Some(slot(group, working.generation(), worker))
}

/// Slot of the worker that a QUIC connection ID names; `None` when the group is out of range.
#[inline(always)]
pub fn owner_slot(group: u32, owner: Owner) -> Option<u32> {
    (group < MAX_GROUPS).then(|| slot(group, u32::from(owner.generation), u32::from(owner.worker)))
}

/// Slot of the `probe`-th socket to try when any member of the group will do.
#[inline(always)]
pub fn member_slot(group: u32, working: Working, probe: u32) -> Option<u32> {
    let workers = working.workers();
    if group >= MAX_GROUPS || probe >= workers || workers > MAX_WORKERS {
        return None;
    }
    Some(slot(group, working.generation(), probe))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn without_workers_there_is_no_slot() {
        for (group, workers) in [(0, 0), (MAX_GROUPS, 1), (0, MAX_WORKERS + 1)] {
            assert_eq!(
                worker_slot(group, Working::new(1, workers), 7),
                None,
                "{group} {workers}"
            );
            assert_eq!(
                member_slot(group, Working::new(1, workers), 0),
                None,
                "{group} {workers}"
            );
        }
        assert_eq!(member_slot(0, Working::new(0, 2), 2), None);
    }

    #[test]
    fn an_even_hash_spreads_evenly() {
        for workers in [1u32, 2, 3, 7, 8, 64] {
            let mut shares = vec![0u32; workers as usize];
            let samples = 1u32 << 16;
            for sample in 0..samples {
                let at = worker_slot(0, Working::new(0, workers), sample << 16).unwrap();
                shares[at as usize] += 1;
            }
            let fair = samples / workers;
            assert!(
                shares.iter().all(|share| share.abs_diff(fair) <= 1),
                "{workers}: {shares:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn stays_inside_the_generation(
            group in 0..MAX_GROUPS, generation in any::<u32>(), workers in 1..=MAX_WORKERS, hash in any::<u32>()
        ) {
            let base = slot(group, generation, 0);
            let at = worker_slot(group, Working::new(generation, workers), hash).unwrap();
            prop_assert!((base..base + workers).contains(&at));
        }
    }
}
