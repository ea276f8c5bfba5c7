//! Denied prefixes: the list asked for against the list in force.

use std::collections::BTreeSet;
use std::net::IpAddr;

use aya::maps::lpm_trie::Key;
use aya::maps::{LpmTrie, MapData};
use gateway_common::deny::MAX_DENIED;
use gateway_common::{DenyEntry, Octets4, Octets16};
use ipnet::{IpNet, Ipv4Net};

use crate::error::DeniedError;
use crate::hook::map_reason;

/// The two maps and what is in them.
pub(crate) struct Denied {
    v4: LpmTrie<MapData, Octets4, DenyEntry>,
    v6: LpmTrie<MapData, Octets16, DenyEntry>,
    in_force: BTreeSet<IpNet>,
}

impl Denied {
    pub(crate) fn new(
        v4: LpmTrie<MapData, Octets4, DenyEntry>,
        v6: LpmTrie<MapData, Octets16, DenyEntry>,
    ) -> Self {
        Self {
            v4,
            v6,
            in_force: BTreeSet::new(),
        }
    }

    /// Makes `list` the denied prefixes. New ones are added before old ones go, so no prefix in both lists is ever open.
    pub(crate) fn replace(&mut self, list: &[IpNet]) -> Result<(), DeniedError> {
        let wanted = normalized(list)?;
        let added: Vec<IpNet> = wanted.difference(&self.in_force).copied().collect();
        let removed: Vec<IpNet> = self.in_force.difference(&wanted).copied().collect();
        for net in added {
            self.change(&net, true)?;
            self.in_force.insert(net);
        }
        for net in removed {
            self.change(&net, false)?;
            self.in_force.remove(&net);
        }
        Ok(())
    }

    /// Prefixes in force, per family.
    pub(crate) fn fill(&self) -> (usize, usize) {
        let v4 = self
            .in_force
            .iter()
            .filter(|net| matches!(net, IpNet::V4(_)))
            .count();
        (v4, self.in_force.len() - v4)
    }

    fn change(&mut self, net: &IpNet, deny: bool) -> Result<(), DeniedError> {
        let entry = DenyEntry::default();
        let length = u32::from(net.prefix_len());
        let done = match net.addr() {
            IpAddr::V4(address) => {
                let key = Key::new(
                    length,
                    Octets4 {
                        octets: address.octets(),
                    },
                );
                if deny {
                    self.v4.insert(&key, entry, 0)
                } else {
                    self.v4.remove(&key)
                }
            }
            IpAddr::V6(address) => {
                let key = Key::new(
                    length,
                    Octets16 {
                        octets: address.octets(),
                    },
                );
                if deny {
                    self.v6.insert(&key, entry, 0)
                } else {
                    self.v6.remove(&key)
                }
            }
        };
        done.map_err(|error| DeniedError::Kernel {
            address: net.addr(),
            length: net.prefix_len(),
            message: map_reason(&error),
        })
    }
}

/// Host bits cleared, mapped IPv4 as IPv4, duplicates once; refused when a family has more than the map takes.
fn normalized(list: &[IpNet]) -> Result<BTreeSet<IpNet>, DeniedError> {
    let nets: BTreeSet<IpNet> = list.iter().map(|net| unmapped(net.trunc())).collect();
    let v4 = nets.iter().filter(|net| matches!(net, IpNet::V4(_))).count();
    for (family, count) in [("IPv4", v4), ("IPv6", nets.len() - v4)] {
        if count > MAX_DENIED as usize {
            return Err(DeniedError::TooMany { family, count });
        }
    }
    Ok(nets)
}

/// The program sees IPv4 packets as IPv4, so a prefix of mapped addresses belongs to the IPv4 map.
fn unmapped(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else {
        return net;
    };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(address), Some(length)) => Ipv4Net::new(address, length).map_or(net, IpNet::V4),
        _ => net,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_normalized() {
        let check = |list: &[&str], expected: &[&str]| {
            let list: Vec<IpNet> = list.iter().map(|net| net.parse().unwrap()).collect();
            let found: Vec<String> = normalized(&list)
                .unwrap()
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(found, expected, "{list:?}");
        };
        check(&["10.0.0.1/8", "10.9.9.9/8"], &["10.0.0.0/8"]);
        check(&["::ffff:192.0.2.5/120"], &["192.0.2.0/24"]);
        check(&["2001:db8::5/32", "0.0.0.0/0"], &["0.0.0.0/0", "2001:db8::/32"]);
        check(&["::/0"], &["::/0"]);
        check(&[], &[]);
    }

    #[test]
    fn more_than_the_map_takes_is_refused() {
        let list: Vec<IpNet> = (0..=MAX_DENIED)
            .map(|at| Ipv4Net::new_assert(at.to_be().into(), 32).into())
            .collect();
        let error = normalized(&list).unwrap_err().to_string();
        assert!(
            error.contains("1048577 denied IPv4 prefixes, at most 1048576"),
            "{error}"
        );
        assert!(normalized(&list[1..]).is_ok());
    }
}
