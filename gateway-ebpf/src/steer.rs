//! `vip_lookup`: from a destination to the group that serves it.

use gateway_common::{SteerKey, SteerPrefix, SteerSet};

/// Destination of a lookup as the program context gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Address, network order, IPv4 as mapped.
    pub address: [u8; 16],
    /// Port, host order.
    pub port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// `FAMILY_V4` or `FAMILY_V6`.
    pub family: u8,
}

impl Destination {
    /// Key of the exact map.
    #[inline(always)]
    pub const fn exact(&self) -> SteerKey {
        SteerKey {
            address: self.address,
            port: self.port,
            protocol: self.protocol,
            pad: 0,
        }
    }

    /// Data of the prefix key; its length is [`SteerPrefix::FULL_BITS`].
    #[inline(always)]
    pub const fn prefix(&self) -> SteerPrefix {
        SteerPrefix {
            protocol: self.protocol,
            family: self.family,
            pad: [0; 2],
            address: self.address,
        }
    }
}

/// The group whose range holds `port`: the first one, for the agent writes the most specific first.
#[inline(always)]
pub fn group_of(set: &SteerSet, port: u16) -> Option<u32> {
    for (at, range) in set.ranges.iter().enumerate() {
        if at as u32 >= set.count {
            return None;
        }
        if range.low <= port && port <= range.high {
            return Some(range.group);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use gateway_common::steer::FAMILY_V4;
    use gateway_common::{SteerRange, v4_mapped};
    use proptest::prelude::*;

    use super::*;

    fn set(ranges: &[(u16, u16, u32)]) -> SteerSet {
        let mut set = SteerSet {
            count: ranges.len() as u32,
            ..SteerSet::default()
        };
        for (slot, &(low, high, group)) in set.ranges.iter_mut().zip(ranges) {
            *slot = SteerRange { low, high, group };
        }
        set
    }

    #[test]
    fn first_range_that_holds_the_port_wins() {
        let set = set(&[(443, 443, 1), (8000, 8999, 2), (1, 65_535, 3)]);
        for (port, group) in [(443, 1), (8000, 2), (8999, 2), (7999, 3), (9000, 3), (65_535, 3)] {
            assert_eq!(group_of(&set, port), Some(group), "port {port}");
        }
        assert_eq!(group_of(&set, 0), None);
    }

    #[test]
    fn unused_ranges_do_not_match() {
        let mut unused = set(&[(1, 1, 9)]);
        unused.count = 0;
        assert_eq!(group_of(&unused, 1), None);
        assert_eq!(group_of(&SteerSet::default(), 0), None);
    }

    #[test]
    fn keys_carry_zero_padding() {
        let address = v4_mapped([10, 1, 2, 3]);
        let destination = Destination {
            address,
            port: 0x1234,
            protocol: 6,
            family: FAMILY_V4,
        };
        assert_eq!(destination.exact().pad, 0);
        let prefix = destination.prefix();
        assert_eq!(
            (prefix.protocol, prefix.family, prefix.pad),
            (6, FAMILY_V4, [0; 2])
        );
        assert_eq!(prefix.address, address);
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_search(
            ranges in prop::collection::vec((0u16.., 0u16.., 0u32..16), 0..=16),
            count in 0u32..40,
            port in 0u16..,
        ) {
            let mut set = set(&ranges);
            set.count = count;
            let expected = set.ranges.iter().take(count as usize)
                .find(|range| (range.low..=range.high).contains(&port)).map(|range| range.group);
            prop_assert_eq!(group_of(&set, port), expected);
        }
    }
}
