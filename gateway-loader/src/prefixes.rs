//! Allowed and denied source prefixes: the list asked for against the tries and filters in force.
//!
//! The kernel finds the longest prefix of a source and nothing else, so what wider prefixes say is copied into narrower
//! ones: see [`compile`]. In front of each trie lies a filter with one bit for each /24 (IPv4) or a spread of the first 32
//! bits (IPv6), which spares sources in no prefix the walk. Bits are set before prefixes are inserted, and cleared after
//! they are removed: no moment at which a prefix in both lists is open.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aya::maps::lpm_trie::Key;
use aya::maps::{Array, LpmTrie, MapData};
use gateway_common::edge::{
    EDGE_PREFIXES4, EDGE_PREFIXES6, EDGE_WIDE6, FILTER_WORDS, MAX_PREFIX_ENTRIES, PREFIX_ALLOW, PREFIX_DENY,
    PREFIX_DENY_GATEWAY, RULE_CONFIGURATION, filter4, filter6,
};
use gateway_common::{Octets4, Octets16, PrefixEntry};
use ipnet::{IpNet, Ipv4Net};

use crate::error::PrefixError;
use crate::hook::map_reason;

/// What is to become of packets from a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Not denied, not banned, not limited as a source.
    Allow,
    /// Every packet is dropped.
    Deny,
    /// Packets to the gateway's own destinations are dropped.
    DenyGateway,
    /// Nothing that a policy denies holds here: a proxy, behind which many clients stand.
    Proxy,
}

/// Own flag of [`Action::Proxy`] while the list is compiled; the kernel never sees it.
const PROXY: u32 = 1 << 31;

/// A source prefix and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixRule {
    /// Sources.
    pub prefix: IpNet,
    /// What happens to their packets.
    pub action: Action,
    /// Who asked for it: one of the `RULE_*` numbers of [`gateway_common::edge`].
    pub rule: u32,
}

impl PrefixRule {
    /// A prefix that the configuration denies.
    pub const fn deny(prefix: IpNet) -> Self {
        Self {
            prefix,
            action: Action::Deny,
            rule: RULE_CONFIGURATION,
        }
    }
}

/// Flags of the longest prefix, from its own rules and those of wider prefixes: the narrower of allow and deny wins, of
/// equals the permission. What a policy denies is never denied inside of what the configuration allows.
fn compile(rules: &[PrefixRule]) -> Result<BTreeMap<IpNet, PrefixEntry>, PrefixError> {
    let mut own: BTreeMap<IpNet, PrefixEntry> = BTreeMap::new();
    for rule in rules {
        let flags = match rule.action {
            Action::Allow => PREFIX_ALLOW,
            Action::Deny => PREFIX_DENY,
            Action::DenyGateway => PREFIX_DENY_GATEWAY,
            Action::Proxy => PROXY,
        };
        let entry = own.entry(unmapped(rule.prefix.trunc())).or_insert(PrefixEntry {
            flags: 0,
            rule: rule.rule,
        });
        // The configuration's word is the one to show where both deny.
        entry.rule = entry.rule.min(rule.rule);
        entry.flags |= flags;
    }
    let v4 = own.keys().filter(|net| matches!(net, IpNet::V4(_))).count();
    for (family, count) in [("IPv4", v4), ("IPv6", own.len() - v4)] {
        if count > MAX_PREFIX_ENTRIES as usize {
            return Err(PrefixError::TooMany { family, count });
        }
    }
    // In this order a wider prefix stands before the narrower ones in it.
    let mut around: Vec<(IpNet, PrefixEntry)> = Vec::new();
    for (net, entry) in &mut own {
        while around.last().is_some_and(|(wider, _)| !wider.contains(net)) {
            around.pop();
        }
        let inherited = around.last().map(|(_, entry)| *entry);
        *entry = effective(*entry, inherited);
        around.push((*net, *entry));
    }
    for entry in own.values_mut() {
        if entry.flags & PROXY != 0 {
            entry.flags &= !(PROXY | PREFIX_DENY_GATEWAY);
        }
    }
    Ok(own)
}

fn effective(own: PrefixEntry, wider: Option<PrefixEntry>) -> PrefixEntry {
    if own.flags & PREFIX_ALLOW != 0 {
        return PrefixEntry {
            flags: PREFIX_ALLOW,
            ..own
        };
    }
    let Some(wider) = wider else { return own };
    let denied_here = own.flags & PREFIX_DENY != 0;
    if wider.flags & PREFIX_ALLOW != 0 {
        return if denied_here { own } else { wider };
    }
    let rule = if wider.flags & PREFIX_DENY != 0 && !denied_here {
        wider.rule
    } else {
        own.rule
    };
    PrefixEntry {
        flags: own.flags | wider.flags,
        rule,
    }
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

/// One family's filter as it is in the kernel.
struct Filter {
    map: Array<MapData, u64>,
    words: Vec<u64>,
}

impl Filter {
    /// Makes `wanted` the filter, or only adds its bits. Words that do not change cost nothing.
    fn write(&mut self, wanted: &[u64], keep: bool) -> Result<(), aya::maps::MapError> {
        self.words.resize(FILTER_WORDS as usize, 0);
        for (at, (word, wanted)) in (0..).zip(self.words.iter_mut().zip(wanted)) {
            let new = if keep { *word | wanted } else { *wanted };
            if new != *word {
                self.map.set(at, new, 0)?;
                *word = new;
            }
        }
        Ok(())
    }
}

/// Bits of a family's prefixes; empty when there are none.
fn bits<'a>(nets: impl Iterator<Item = &'a IpNet>) -> Vec<u64> {
    let mut words = Vec::new();
    for net in nets {
        if words.is_empty() {
            words.resize(FILTER_WORDS as usize, 0);
        }
        let mut set = |word: u32, bit: u64| {
            if let Some(word) = words.get_mut(word as usize) {
                *word |= bit;
            }
        };
        match net {
            IpNet::V6(net) => {
                let (word, bit) = filter6(net.addr().octets());
                set(word, bit);
            }
            IpNet::V4(net) if net.prefix_len() > 18 => {
                let first = u32::from(net.network());
                for block in first >> 8..=u32::from(net.broadcast()) >> 8 {
                    let (word, bit) = filter4((block << 8).to_be_bytes());
                    set(word, bit);
                }
            }
            // A /18 is the 64 bits of one word.
            IpNet::V4(net) => {
                for word in u32::from(net.network()) >> 14..=u32::from(net.broadcast()) >> 14 {
                    set(word, u64::MAX);
                }
            }
        }
    }
    words
}

/// The four maps and what is in them.
pub(crate) struct Prefixes {
    v4: LpmTrie<MapData, Octets4, PrefixEntry>,
    v6: LpmTrie<MapData, Octets16, PrefixEntry>,
    filter4: Filter,
    filter6: Filter,
    in_force: BTreeMap<IpNet, PrefixEntry>,
}

impl Prefixes {
    /// Takes over what the maps hold already: they may be older than this process.
    pub(crate) fn new(
        v4: LpmTrie<MapData, Octets4, PrefixEntry>,
        v6: LpmTrie<MapData, Octets16, PrefixEntry>,
        filter4: Array<MapData, u64>,
        filter6: Array<MapData, u64>,
    ) -> Self {
        let mut in_force = BTreeMap::new();
        for (key, entry) in v4.iter().flatten() {
            let net = IpNet::new(IpAddr::from(key.data().octets), key.prefix_len() as u8);
            in_force.extend(net.ok().map(|net| (net, entry)));
        }
        for (key, entry) in v6.iter().flatten() {
            let net = IpNet::new(IpAddr::from(key.data().octets), key.prefix_len() as u8);
            in_force.extend(net.ok().map(|net| (net, entry)));
        }
        let filter = |map, four: bool| Filter {
            map,
            words: bits(in_force.keys().filter(|net| matches!(net, IpNet::V4(_)) == four)),
        };
        Self {
            filter4: filter(filter4, true),
            filter6: filter(filter6, false),
            v4,
            v6,
            in_force,
        }
    }

    /// Makes `rules` the prefixes in force.
    pub(crate) fn replace(&mut self, rules: &[PrefixRule]) -> Result<(), PrefixError> {
        let wanted = compile(rules)?;
        let four = |net: &&IpNet| matches!(net, IpNet::V4(_));
        let bits4 = bits(wanted.keys().filter(four));
        let bits6 = bits(wanted.keys().filter(|net| !four(net)));
        let refused = |error: aya::maps::MapError| PrefixError::Filter(map_reason(&error));
        self.filter4.write(&bits4, true).map_err(refused)?;
        self.filter6.write(&bits6, true).map_err(refused)?;
        for (net, entry) in &wanted {
            if self.in_force.get(net) != Some(entry) {
                self.change(net, Some(*entry))?;
                self.in_force.insert(*net, *entry);
            }
        }
        let gone: Vec<IpNet> = self
            .in_force
            .keys()
            .filter(|net| !wanted.contains_key(net))
            .copied()
            .collect();
        for net in gone {
            self.change(&net, None)?;
            self.in_force.remove(&net);
        }
        let none = vec![0; FILTER_WORDS as usize];
        let whole = |bits: Vec<u64>| if bits.is_empty() { none.clone() } else { bits };
        self.filter4.write(&whole(bits4), false).map_err(refused)?;
        self.filter6.write(&whole(bits6), false).map_err(refused)
    }

    /// `EDGE_*` flags that say which maps have to be looked at.
    pub(crate) fn flags(&self) -> u32 {
        let mut flags = 0;
        if let Some(IpNet::V4(_)) = self.in_force.keys().next() {
            flags |= EDGE_PREFIXES4;
        }
        let v6 = self.in_force.keys().rev().map_while(|net| match net {
            IpNet::V6(net) => Some(net.prefix_len()),
            IpNet::V4(_) => None,
        });
        for length in v6 {
            flags |= EDGE_PREFIXES6;
            if length < 32 {
                flags |= EDGE_WIDE6;
            }
        }
        flags
    }

    /// Prefixes in force, per family.
    pub(crate) fn fill(&self) -> (usize, usize) {
        let v4 = self
            .in_force
            .keys()
            .filter(|net| matches!(net, IpNet::V4(_)))
            .count();
        (v4, self.in_force.len() - v4)
    }

    /// The longest prefix that holds an address, as the kernel finds it.
    pub(crate) fn longest(&self, address: IpAddr) -> Option<(IpNet, PrefixEntry)> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        (0..=most).rev().find_map(|length| {
            let net = IpNet::new(address, length).ok()?.trunc();
            self.in_force.get(&net).map(|entry| (net, *entry))
        })
    }

    fn change(&mut self, net: &IpNet, entry: Option<PrefixEntry>) -> Result<(), PrefixError> {
        let length = u32::from(net.prefix_len());
        let done = match net.addr() {
            IpAddr::V4(address) => {
                let octets = address.octets();
                let key = Key::new(length, Octets4 { octets });
                match entry {
                    Some(entry) => self.v4.insert(&key, entry, 0),
                    None => self.v4.remove(&key),
                }
            }
            IpAddr::V6(address) => {
                let octets = address.octets();
                let key = Key::new(length, Octets16 { octets });
                match entry {
                    Some(entry) => self.v6.insert(&key, entry, 0),
                    None => self.v6.remove(&key),
                }
            }
        };
        done.map_err(|error| PrefixError::Kernel {
            address: net.addr(),
            length: net.prefix_len(),
            message: map_reason(&error),
        })
    }
}

#[cfg(test)]
mod tests {
    use gateway_common::edge::RULE_IP_FILTER;
    use proptest::prelude::*;

    use super::*;

    fn rule(text: &str) -> PrefixRule {
        let (action, prefix) = text.split_once(' ').unwrap();
        let (action, rule) = match action {
            "allow" => (Action::Allow, RULE_CONFIGURATION),
            "deny" => (Action::Deny, RULE_CONFIGURATION),
            "proxy" => (Action::Proxy, RULE_CONFIGURATION),
            _ => (Action::DenyGateway, RULE_IP_FILTER),
        };
        PrefixRule {
            prefix: prefix.parse().unwrap(),
            action,
            rule,
        }
    }

    fn check(rules: &[&str], expected: &[(&str, u32, u32)]) {
        let list: Vec<PrefixRule> = rules.iter().map(|text| rule(text)).collect();
        let found: Vec<(String, u32, u32)> = compile(&list)
            .unwrap()
            .iter()
            .map(|(net, entry)| (net.to_string(), entry.flags, entry.rule))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(net, flags, rule)| ((*net).to_owned(), *flags, *rule))
            .collect();
        assert_eq!(found, expected, "{rules:?}");
    }

    #[test]
    fn lists_are_normalized() {
        check(
            &["deny 10.0.0.1/8", "deny 10.9.9.9/8"],
            &[("10.0.0.0/8", PREFIX_DENY, 0)],
        );
        check(
            &["deny ::ffff:192.0.2.5/120"],
            &[("192.0.2.0/24", PREFIX_DENY, 0)],
        );
        check(
            &["deny 2001:db8::5/32", "deny 0.0.0.0/0"],
            &[("0.0.0.0/0", PREFIX_DENY, 0), ("2001:db8::/32", PREFIX_DENY, 0)],
        );
        check(&[], &[]);
    }

    #[test]
    fn narrower_prefixes_take_over_what_wider_ones_say() {
        let (deny, gateway, allow) = (PREFIX_DENY, PREFIX_DENY_GATEWAY, PREFIX_ALLOW);
        check(
            &["deny 10.0.0.0/8", "allow 10.1.0.0/16", "deny 10.1.2.0/24"],
            &[
                ("10.0.0.0/8", deny, 0),
                ("10.1.0.0/16", allow, 0),
                ("10.1.2.0/24", deny, 0),
            ],
        );
        // A policy narrows nothing that the configuration denies, and does not reach into what it allows.
        check(
            &["deny 10.0.0.0/8", "policy 10.1.0.0/16", "policy 11.0.0.0/8"],
            &[
                ("10.0.0.0/8", deny, 0),
                ("10.1.0.0/16", deny | gateway, 0),
                ("11.0.0.0/8", gateway, 1),
            ],
        );
        check(
            &[
                "allow 10.0.0.0/8",
                "policy 10.1.0.0/16",
                "policy 10.0.0.0/8",
                "policy 0.0.0.0/0",
            ],
            &[
                ("0.0.0.0/0", gateway, 1),
                ("10.0.0.0/8", allow, 0),
                ("10.1.0.0/16", allow, 0),
            ],
        );
        check(
            &[
                "policy 10.0.0.0/8",
                "deny 10.2.0.0/16",
                "proxy 10.1.0.0/16",
                "policy 10.1.0.7/32",
                "proxy 10.2.0.1/32",
            ],
            &[
                ("10.0.0.0/8", gateway, 1),
                ("10.1.0.0/16", 0, 0),
                ("10.1.0.7/32", 0, 1),
                ("10.2.0.0/16", deny | gateway, 0),
                ("10.2.0.1/32", deny, 0),
            ],
        );
        check(
            &["policy 10.0.0.0/8", "deny 10.1.0.0/16", "policy 10.1.1.0/24"],
            &[
                ("10.0.0.0/8", gateway, 1),
                ("10.1.0.0/16", deny | gateway, 0),
                ("10.1.1.0/24", deny | gateway, 0),
            ],
        );
    }

    #[test]
    fn more_than_the_map_takes_is_refused() {
        let list: Vec<PrefixRule> = (0..=MAX_PREFIX_ENTRIES)
            .map(|at| PrefixRule::deny(Ipv4Net::new_assert(at.to_be().into(), 32).into()))
            .collect();
        let error = compile(&list).unwrap_err().to_string();
        assert!(
            error.contains("1048577 IPv4 prefixes, at most 1048576"),
            "{error}"
        );
        assert!(compile(&list[1..]).is_ok());
    }

    fn passes_filter(words: &[u64], address: [u8; 4]) -> bool {
        let (word, bit) = filter4(address);
        words.get(word as usize).is_some_and(|word| word & bit != 0)
    }

    #[test]
    fn filters_hold_the_whole_of_short_prefixes() {
        let nets: Vec<IpNet> = ["10.0.0.0/8", "192.0.2.7/32", "198.51.96.0/19"]
            .map(|net| net.parse().unwrap())
            .to_vec();
        let words = bits(nets.iter());
        for (address, inside) in [
            ([10, 0, 0, 0], true),
            ([10, 255, 255, 255], true),
            ([9, 255, 255, 255], false),
            ([11, 0, 0, 0], false),
            ([192, 0, 2, 200], true),
            ([192, 0, 3, 7], false),
            ([198, 51, 127, 255], true),
            ([198, 51, 128, 0], false),
        ] {
            assert_eq!(passes_filter(&words, address), inside, "{address:?}");
        }
        assert!(bits([].iter()).is_empty());
    }

    proptest! {
        #[test]
        fn no_denied_address_is_stopped_by_the_filter(list in prop::collection::vec((any::<u32>(), 0u8..=32), 0..20), noise in any::<u32>(), which in any::<prop::sample::Index>()) {
            let nets: Vec<IpNet> = list.iter().map(|(address, length)| IpNet::V4(Ipv4Net::new((*address).into(), *length).unwrap().trunc())).collect();
            let words = bits(nets.iter());
            if !nets.is_empty() {
                let net = &nets[which.index(nets.len())];
                let IpNet::V4(net) = net else { unreachable!() };
                let inside = u32::from(net.network()) | (noise & u32::from(net.hostmask()));
                prop_assert!(passes_filter(&words, inside.to_be_bytes()), "{net} {inside:#x}");
            }
        }
    }
}
