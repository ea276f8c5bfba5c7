//! Maglev tables (Eisenbud et al., NSDI 2016, §3.4): even shares, and little that moves when a backend comes or goes.
//!
//! Weights as Katran has them: a backend adds its weight each turn and takes a slot when the sum reaches the largest weight.

use gateway_common::l4::MAGLEV_SIZE;

/// A backend that takes new flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What goes into the slots; not 0.
    pub number: u16,
    /// Share relative to the others; not 0.
    pub weight: u16,
    /// What the permutation comes from: the same on every node and at every start, whatever the order of the list.
    pub identity: Vec<u8>,
}

/// Builds the table: [`MAGLEV_SIZE`] backend numbers; all 0 without candidates.
pub fn build(candidates: &[Candidate]) -> Vec<u16> {
    const SIZE: u64 = MAGLEV_SIZE as u64;
    let mut order: Vec<&Candidate> = candidates
        .iter()
        .filter(|candidate| candidate.weight > 0 && candidate.number != 0)
        .collect();
    order.sort_by(|one, other| one.identity.cmp(&other.identity));
    let mut table = vec![0_u16; MAGLEV_SIZE as usize];
    let Some(most) = order.iter().map(|candidate| u32::from(candidate.weight)).max() else {
        return table;
    };
    struct Turn {
        number: u16,
        weight: u32,
        sum: u32,
        at: u64,
        skip: u64,
    }
    let mut turns: Vec<Turn> = order
        .iter()
        .map(|candidate| {
            let hash = hash(&candidate.identity);
            Turn {
                number: candidate.number,
                weight: u32::from(candidate.weight),
                sum: 0,
                at: hash % SIZE,
                skip: mix(hash) % (SIZE - 1) + 1,
            }
        })
        .collect();
    let mut free = MAGLEV_SIZE;
    while free > 0 {
        for turn in &mut turns {
            turn.sum += turn.weight;
            if turn.sum < most || free == 0 {
                continue;
            }
            turn.sum -= most;
            // The size is prime, so the permutation visits every slot: a free one is found while there is one.
            while let Some(slot) = table.get_mut(turn.at as usize) {
                turn.at = (turn.at + turn.skip) % SIZE;
                if *slot == 0 {
                    *slot = turn.number;
                    free -= 1;
                    break;
                }
            }
        }
    }
    table
}

/// 64-bit FNV-1a, finished by a mixing round: its low bits alone are weak.
fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(hash)
}

/// The finishing rounds of splitmix64.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(number: u16, weight: u16) -> Candidate {
        Candidate {
            number,
            weight,
            identity: format!("10.0.{}.{}:8080", number >> 8, number & 255).into_bytes(),
        }
    }

    fn shares(table: &[u16], number: u16) -> f64 {
        table.iter().filter(|slot| **slot == number).count() as f64 / f64::from(MAGLEV_SIZE)
    }

    fn moved(one: &[u16], other: &[u16]) -> f64 {
        let count = one.iter().zip(other).filter(|(one, other)| one != other).count();
        count as f64 / f64::from(MAGLEV_SIZE)
    }

    #[test]
    fn without_candidates_there_is_no_backend() {
        for list in [vec![], vec![candidate(1, 0)], vec![candidate(0, 5)]] {
            assert!(build(&list).iter().all(|slot| *slot == 0), "{list:?}");
        }
        assert!(build(&[candidate(7, 1)]).iter().all(|slot| *slot == 7));
    }

    #[test]
    fn weights_are_shares() {
        let table = build(&[candidate(1, 1), candidate(2, 2), candidate(3, 5)]);
        for (number, share) in [(1, 0.125), (2, 0.25), (3, 0.625)] {
            let found = shares(&table, number);
            assert!((found - share).abs() < 0.01, "{number}: {found}, wanted {share}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Each backend has at least 0.9 of a fair share, and a removal moves its own share and 2 % at most.
        #[test]
        fn balanced_and_stable(count in 2_u16..100, first in 1_u16..10_000, gone in any::<prop::sample::Index>()) {
            let all: Vec<Candidate> = (first..first + count).map(|number| candidate(number, 1)).collect();
            let table = build(&all);
            let fair = 1.0 / f64::from(count);
            for one in &all {
                let share = shares(&table, one.number);
                prop_assert!(share >= 0.9 * fair && share <= 1.1 * fair, "{}: {share}, fair {fair}", one.number);
            }
            let mut fewer = all.clone();
            fewer.remove(gone.index(all.len()));
            let disruption = moved(&table, &build(&fewer));
            prop_assert!(disruption <= fair + 0.02, "{disruption}, fair {fair}");
        }

        #[test]
        fn the_order_of_the_list_does_not_matter(
            list in Just((1..20).map(|number| candidate(number, number)).collect::<Vec<_>>()).prop_shuffle()
        ) {
            let sorted: Vec<Candidate> = (1..20).map(|number| candidate(number, number)).collect();
            prop_assert_eq!(build(&list), build(&sorted));
        }
    }
}
