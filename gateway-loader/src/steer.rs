//! From the list of destinations to the two maps of `vip_lookup`. Pure: the kernel's look-up is reproduced in the tests.
//!
//! The longest prefix decides; within it the narrowest port range; of equal ones the first in the list. A wider prefix
//! still serves the ports that a narrower one does not name.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use aya::maps::lpm_trie::Key;
use aya::maps::{HashMap, LpmTrie, MapData};
use gateway_common::steer::{FAMILY_V4, FAMILY_V6, MAX_EXACT, MAX_PREFIXES, MAX_RANGES};
use gateway_common::{IPPROTO_TCP, IPPROTO_UDP, SteerKey, SteerPrefix, SteerRange, SteerSet, v4_mapped};
use ipnet::IpNet;

use crate::error::SteerError;
use crate::hook::map_reason;
use crate::workers::Group;

/// Transport protocol of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Tcp => IPPROTO_TCP,
            Self::Udp => IPPROTO_UDP,
        }
    }
}

/// A destination that belongs to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steer {
    /// Addresses.
    pub prefix: IpNet,
    /// Ports, 1 to 65535.
    pub ports: RangeInclusive<u16>,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Sockets that serve it.
    pub group: Group,
}

/// Key of the prefix map with its length, ordered so that a plan is deterministic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PrefixKey {
    /// Bits of the key, the fixed ones included.
    pub(crate) bits: u32,
    /// The key.
    pub(crate) prefix: SteerPrefix,
}

/// Contents of the two maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) exact: BTreeMap<SteerKey, u32>,
    pub(crate) prefixes: BTreeMap<PrefixKey, SteerSet>,
}

/// Compiles the list. Nothing is dropped silently: what does not fit is an error.
pub(crate) fn compile(list: &[Steer]) -> Result<Plan, SteerError> {
    let mut plan = Plan::default();
    let mut own: BTreeMap<PrefixKey, Vec<(SteerRange, usize)>> = BTreeMap::new();
    for (at, steer) in list.iter().enumerate() {
        let (low, high) = (*steer.ports.start(), *steer.ports.end());
        if low == 0 || low > high {
            return Err(SteerError::BadRange {
                prefix: steer.prefix.to_string(),
                low,
                high,
            });
        }
        let key = key(&steer.prefix, steer.protocol);
        if key.bits == SteerPrefix::FULL_BITS && low == high {
            let exact = SteerKey {
                address: key.prefix.address,
                port: low,
                protocol: key.prefix.protocol,
                pad: 0,
            };
            plan.exact.entry(exact).or_insert(steer.group.0);
        } else {
            own.entry(key).or_default().push((
                SteerRange {
                    low,
                    high,
                    group: steer.group.0,
                },
                at,
            ));
        }
    }
    if plan.exact.len() > MAX_EXACT as usize {
        return Err(SteerError::TooManyExact(plan.exact.len()));
    }
    if own.len() > MAX_PREFIXES as usize {
        return Err(SteerError::TooManyPrefixes(own.len()));
    }
    for ranges in own.values_mut() {
        ranges.sort_by_key(|(range, at)| (range.high - range.low, *at));
    }
    let lengths = distinct_lengths(&own);
    for key in own.keys() {
        plan.prefixes.insert(*key, set(key, &own, &lengths)?);
    }
    Ok(plan)
}

/// Prefix lengths in use, longest first: the ancestors of a prefix are looked up instead of searched.
fn distinct_lengths(own: &BTreeMap<PrefixKey, Vec<(SteerRange, usize)>>) -> Vec<u32> {
    let mut lengths: Vec<u32> = own.keys().map(|key| key.bits).collect();
    lengths.dedup();
    lengths.reverse();
    lengths
}

fn set(
    key: &PrefixKey,
    own: &BTreeMap<PrefixKey, Vec<(SteerRange, usize)>>,
    lengths: &[u32],
) -> Result<SteerSet, SteerError> {
    let mut ranges: Vec<SteerRange> = Vec::new();
    for bits in lengths.iter().copied().filter(|bits| *bits <= key.bits) {
        let ancestor = PrefixKey {
            bits,
            prefix: truncated(key.prefix, bits),
        };
        for (range, _) in own.get(&ancestor).into_iter().flatten() {
            let hidden = ranges
                .iter()
                .any(|seen| seen.low <= range.low && range.high <= seen.high);
            if !hidden {
                ranges.push(*range);
            }
        }
    }
    if ranges.len() > MAX_RANGES {
        return Err(SteerError::TooManyRanges {
            prefix: shown(key),
            count: ranges.len(),
        });
    }
    let mut set = SteerSet {
        count: ranges.len() as u32,
        ..SteerSet::default()
    };
    for (slot, range) in set.ranges.iter_mut().zip(ranges) {
        *slot = range;
    }
    Ok(set)
}

fn key(net: &IpNet, protocol: Protocol) -> PrefixKey {
    let (address, length, family) = match net.trunc() {
        IpNet::V4(net) => (
            v4_mapped(net.addr().octets()),
            96 + u32::from(net.prefix_len()),
            FAMILY_V4,
        ),
        IpNet::V6(net) => {
            let mapped = net.prefix_len() >= 96 && net.addr().to_ipv4_mapped().is_some();
            (
                net.addr().octets(),
                u32::from(net.prefix_len()),
                if mapped { FAMILY_V4 } else { FAMILY_V6 },
            )
        }
    };
    let prefix = SteerPrefix {
        protocol: protocol.number(),
        family,
        pad: [0; 2],
        address,
    };
    PrefixKey {
        bits: SteerPrefix::FIXED_BITS + length,
        prefix,
    }
}

/// The prefix with the bits behind `bits` cleared.
fn truncated(mut prefix: SteerPrefix, bits: u32) -> SteerPrefix {
    let kept = bits.saturating_sub(SteerPrefix::FIXED_BITS);
    for (at, octet) in prefix.address.iter_mut().enumerate() {
        let before = at as u32 * 8;
        let bits_here = kept.saturating_sub(before).min(8);
        *octet &= !(0xff_u32 >> bits_here) as u8;
    }
    prefix
}

/// The two maps and what is in them.
pub(crate) struct Applied {
    exact: HashMap<MapData, SteerKey, u32>,
    prefixes: LpmTrie<MapData, SteerPrefix, SteerSet>,
    in_force: Plan,
}

impl Applied {
    pub(crate) fn new(
        exact: HashMap<MapData, SteerKey, u32>,
        prefixes: LpmTrie<MapData, SteerPrefix, SteerSet>,
    ) -> Self {
        // The maps may be older than this process.
        let in_force = Plan {
            exact: exact.iter().flatten().collect(),
            prefixes: prefixes
                .iter()
                .flatten()
                .map(|(key, set)| {
                    let (bits, prefix) = (key.prefix_len(), key.data());
                    (PrefixKey { bits, prefix }, set)
                })
                .collect(),
        };
        Self {
            exact,
            prefixes,
            in_force,
        }
    }

    /// Makes `list` the steered destinations: inserts what is new or changed, then removes what is gone.
    pub(crate) fn replace(&mut self, list: &[Steer]) -> Result<(), SteerError> {
        let wanted = compile(list)?;
        for (key, group) in &wanted.exact {
            if self.in_force.exact.get(key) != Some(group) {
                self.exact.insert(*key, *group, 0).map_err(refused)?;
                self.in_force.exact.insert(*key, *group);
            }
        }
        for (key, set) in &wanted.prefixes {
            if self.in_force.prefixes.get(key) != Some(set) {
                self.prefixes
                    .insert(&Key::new(key.bits, key.prefix), *set, 0)
                    .map_err(refused)?;
                self.in_force.prefixes.insert(*key, *set);
            }
        }
        let gone: Vec<SteerKey> = self
            .in_force
            .exact
            .keys()
            .filter(|key| !wanted.exact.contains_key(key))
            .copied()
            .collect();
        for key in gone {
            self.exact.remove(&key).map_err(refused)?;
            self.in_force.exact.remove(&key);
        }
        let gone: Vec<PrefixKey> = self
            .in_force
            .prefixes
            .keys()
            .filter(|key| !wanted.prefixes.contains_key(key))
            .copied()
            .collect();
        for key in gone {
            self.prefixes
                .remove(&Key::new(key.bits, key.prefix))
                .map_err(refused)?;
            self.in_force.prefixes.remove(&key);
        }
        Ok(())
    }
}

impl Applied {
    /// Group of an exact destination.
    pub(crate) fn exact(&self, key: &SteerKey) -> Option<u32> {
        self.exact.get(key, 0).ok()
    }

    /// Port ranges of the longest prefix that holds the destination.
    pub(crate) fn longest(&self, prefix: &SteerPrefix) -> Option<SteerSet> {
        let key = Key::new(SteerPrefix::FULL_BITS, *prefix);
        self.prefixes.get(&key, 0).ok()
    }

    /// Exact destinations and prefixes in force.
    pub(crate) fn fill(&self) -> (usize, usize) {
        (self.in_force.exact.len(), self.in_force.prefixes.len())
    }
}

fn refused(error: aya::maps::MapError) -> SteerError {
    SteerError::Kernel(map_reason(&error))
}

fn shown(key: &PrefixKey) -> String {
    let address = std::net::Ipv6Addr::from(key.prefix.address);
    let length = key.bits - SteerPrefix::FIXED_BITS;
    match address.to_ipv4_mapped() {
        Some(address) if key.prefix.family == FAMILY_V4 => format!("{address}/{}", length.saturating_sub(96)),
        _ => format!("{address}/{length}"),
    }
}

#[cfg(test)]
#[path = "steer_tests.rs"]
mod tests;
