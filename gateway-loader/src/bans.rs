//! Banned source addresses: the two maps, who may not be banned, and sweeping what has run out.
//!
//! The kernel looks at the deadline of a ban itself, so a ban ends on time whether or not anybody sweeps.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use aya::maps::{HashMap, Map, MapData, MapError, MapInfo};
use gateway_common::edge::{EDGE_BANS, PREFIX_DENY, PREFIX_DENY_GATEWAY, REASON_BYTES};
use gateway_common::{BanEntry, Octets4, Octets16};
use ipnet::IpNet;

use crate::clock::monotonic_ns;
use crate::error::BanError;
use crate::hook::map_reason;

/// Longest ban: what should last longer belongs into the configuration.
pub const MAX_BAN: Duration = Duration::from_secs(30 * 24 * 3600);

/// A ban to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBan {
    /// The source.
    pub address: IpAddr,
    /// How long, at most [`MAX_BAN`].
    pub lasts: Duration,
    /// Every packet is dropped, not only those to the gateway's own destinations.
    pub whole_node: bool,
    /// Who asked for it: one of the `RULE_*` numbers of [`gateway_common::edge`].
    pub rule: u32,
    /// Why. More than [`REASON_BYTES`] bytes are cut.
    pub reason: String,
}

/// A ban in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The source.
    pub address: IpAddr,
    /// How long it has been in force.
    pub age: Duration,
    /// How long it still is.
    pub left: Duration,
    /// Packets dropped by it.
    pub hits: u64,
    /// Every packet is dropped, not only those to the gateway's own destinations.
    pub whole_node: bool,
    /// Who asked for it: one of the `RULE_*` numbers of [`gateway_common::edge`].
    pub rule: u32,
    /// Why.
    pub reason: String,
}

/// The two maps and the deadlines in them.
pub(crate) struct Bans {
    v4: HashMap<MapData, Octets4, BanEntry>,
    v6: HashMap<MapData, Octets16, BanEntry>,
    until: BTreeMap<IpAddr, u64>,
    protected: Vec<IpNet>,
    most: usize,
}

impl Bans {
    /// Takes over what the maps hold already: bans outlive the agent.
    pub(crate) fn new(
        v4: HashMap<MapData, Octets4, BanEntry>,
        v6: HashMap<MapData, Octets16, BanEntry>,
        most: u32,
    ) -> Self {
        let mut until = BTreeMap::new();
        for (key, entry) in v4.iter().flatten() {
            until.insert(IpAddr::from(key.octets), entry.until_ns);
        }
        for (key, entry) in v6.iter().flatten() {
            until.insert(IpAddr::from(key.octets), entry.until_ns);
        }
        Self {
            v4,
            v6,
            until,
            protected: Vec::new(),
            most: most as usize,
        }
    }

    /// Sources that are never banned. Bans of them that are in force end.
    pub(crate) fn protect(&mut self, protected: &[IpNet]) {
        self.protected = protected.to_vec();
        let freed: Vec<IpAddr> = self
            .until
            .keys()
            .filter(|address| self.is_protected(**address))
            .copied()
            .collect();
        for address in freed {
            self.remove(address);
        }
    }

    fn is_protected(&self, address: IpAddr) -> bool {
        self.protected.iter().any(|net| net.contains(&address))
    }

    /// Makes a ban, or replaces the one of that address; of the two deadlines the later one holds, and the hits are kept.
    pub(crate) fn add(&mut self, ban: &NewBan) -> Result<(), BanError> {
        let address = ban.address.to_canonical();
        if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
            return Err(BanError::NotASource(address));
        }
        if self.is_protected(address) {
            return Err(BanError::Protected(address));
        }
        if ban.lasts.is_zero() || ban.lasts > MAX_BAN {
            return Err(BanError::Duration(ban.lasts));
        }
        let known = self.entry(address);
        let of_family = |other: &&IpAddr| other.is_ipv4() == address.is_ipv4();
        if known.is_none() && self.until.keys().filter(of_family).count() >= self.most {
            return Err(BanError::Full(self.most));
        }
        let now = monotonic_ns();
        let until = now.saturating_add(u64::try_from(ban.lasts.as_nanos()).unwrap_or(u64::MAX));
        let known = known.filter(|known| known.until_ns > now);
        let entry = BanEntry {
            until_ns: known.map_or(until, |known| known.until_ns.max(until)),
            since_ns: known.map_or(now, |known| known.since_ns),
            hits: known.map_or(0, |known| known.hits),
            flags: if ban.whole_node {
                PREFIX_DENY
            } else {
                PREFIX_DENY_GATEWAY
            },
            rule: ban.rule,
            reason: reason(&ban.reason),
        };
        let done = match address {
            IpAddr::V4(v4) => self.v4.insert(Octets4 { octets: v4.octets() }, entry, 0),
            IpAddr::V6(v6) => self.v6.insert(Octets16 { octets: v6.octets() }, entry, 0),
        };
        done.map_err(|error| BanError::Kernel {
            address,
            message: map_reason(&error),
        })?;
        self.until.insert(address, entry.until_ns);
        Ok(())
    }

    /// Ends a ban. Whether there was one.
    pub(crate) fn remove(&mut self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        // An entry that is not there is an error that means nothing.
        let removed = match address {
            IpAddr::V4(v4) => self.v4.remove(&Octets4 { octets: v4.octets() }),
            IpAddr::V6(v6) => self.v6.remove(&Octets16 { octets: v6.octets() }),
        };
        self.until.remove(&address);
        removed.is_ok()
    }

    /// Removes what has run out. How many that were.
    pub(crate) fn sweep(&mut self) -> usize {
        let now = monotonic_ns();
        let over: Vec<IpAddr> = self
            .until
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(address, _)| *address)
            .collect();
        for address in &over {
            self.remove(*address);
        }
        over.len()
    }

    /// The bans in force, by address.
    pub(crate) fn all(&self) -> Vec<Ban> {
        let now = monotonic_ns();
        let mut list: Vec<Ban> = self
            .until
            .keys()
            .filter_map(|address| shown(*address, &self.entry(*address)?, now))
            .collect();
        list.sort_by_key(|ban| ban.address);
        list
    }

    /// The ban of an address, as the kernel sees it.
    pub(crate) fn of(&self, address: IpAddr) -> Option<Ban> {
        let address = address.to_canonical();
        shown(address, &self.entry(address)?, monotonic_ns())
    }

    /// Bans in the maps, per family.
    pub(crate) fn fill(&self) -> (usize, usize) {
        let v4 = self.until.keys().filter(|address| address.is_ipv4()).count();
        (v4, self.until.len() - v4)
    }

    /// Room of each map.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// `EDGE_*` flags that say whether the maps have to be looked at.
    pub(crate) fn flags(&self) -> u32 {
        if self.until.is_empty() { 0 } else { EDGE_BANS }
    }

    fn entry(&self, address: IpAddr) -> Option<BanEntry> {
        let found: Result<BanEntry, MapError> = match address {
            IpAddr::V4(v4) => self.v4.get(&Octets4 { octets: v4.octets() }, 0),
            IpAddr::V6(v6) => self.v6.get(&Octets16 { octets: v6.octets() }, 0),
        };
        found.ok()
    }
}

impl Bans {
    /// Puts a ban of an earlier map back, unless there is no room.
    pub(crate) fn restore(&mut self, address: IpAddr, entry: BanEntry) {
        let of_family = |other: &&IpAddr| other.is_ipv4() == address.is_ipv4();
        if self.until.keys().filter(of_family).count() >= self.most {
            return;
        }
        let done = match address {
            IpAddr::V4(v4) => self.v4.insert(Octets4 { octets: v4.octets() }, entry, 0),
            IpAddr::V6(v6) => self.v6.insert(Octets16 { octets: v6.octets() }, entry, 0),
        };
        if done.is_ok() {
            self.until.insert(address, entry.until_ns);
        }
    }
}

/// The bans in two pinned maps, of whatever size; none when they are of another shape.
pub(crate) fn pinned(v4: &Path, v6: &Path) -> Vec<(IpAddr, BanEntry)> {
    let fits = |path: &Path, key: usize| {
        MapInfo::from_pin(path).is_ok_and(|info| {
            info.key_size() as usize == key && info.value_size() as usize == size_of::<BanEntry>()
        })
    };
    let mut bans = Vec::new();
    if fits(v4, size_of::<Octets4>())
        && let Ok(data) = MapData::from_pin(v4)
        && let Ok(map) = HashMap::<_, Octets4, BanEntry>::try_from(Map::HashMap(data))
    {
        bans.extend(
            map.iter()
                .flatten()
                .map(|(key, entry)| (IpAddr::from(key.octets), entry)),
        );
    }
    if fits(v6, size_of::<Octets16>())
        && let Ok(data) = MapData::from_pin(v6)
        && let Ok(map) = HashMap::<_, Octets16, BanEntry>::try_from(Map::HashMap(data))
    {
        bans.extend(
            map.iter()
                .flatten()
                .map(|(key, entry)| (IpAddr::from(key.octets), entry)),
        );
    }
    bans
}

fn shown(address: IpAddr, entry: &BanEntry, now: u64) -> Option<Ban> {
    let left = entry.until_ns.checked_sub(now).filter(|left| *left > 0)?;
    let text = entry.reason.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(Ban {
        address,
        age: Duration::from_nanos(now.saturating_sub(entry.since_ns)),
        left: Duration::from_nanos(left),
        hits: entry.hits,
        whole_node: entry.flags & PREFIX_DENY != 0,
        rule: entry.rule,
        reason: String::from_utf8_lossy(text).into_owned(),
    })
}

/// The text as the map keeps it: cut at a character, controls replaced, zeros behind.
fn reason(text: &str) -> [u8; REASON_BYTES] {
    let mut out = [0; REASON_BYTES];
    let mut at = 0;
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        let Some(room) = out.get_mut(at..at + c.len_utf8()) else {
            break;
        };
        c.encode_utf8(room);
        at += c.len_utf8();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_cut_at_a_character() {
        let check = |text: &str, expected: &str| {
            let bytes = reason(text);
            let shown = shown(
                IpAddr::from([192, 0, 2, 1]),
                &BanEntry {
                    until_ns: 2,
                    reason: bytes,
                    ..BanEntry::default()
                },
                1,
            );
            assert_eq!(shown.unwrap().reason, expected);
        };
        check("too many requests", "too many requests");
        check("a\nb\0c", "a b c");
        check("", "");
        check(&"x".repeat(100), &"x".repeat(REASON_BYTES));
        let umlauts = "ü".repeat(40);
        check(&umlauts, &umlauts[..REASON_BYTES]);
        let odd = format!("x{umlauts}");
        check(&odd, &odd[..REASON_BYTES - 1]);
    }

    #[test]
    fn what_has_run_out_is_not_shown() {
        let entry = BanEntry {
            until_ns: 10,
            ..BanEntry::default()
        };
        for (now, there) in [(9, true), (10, false), (11, false)] {
            let found = shown(IpAddr::from([192, 0, 2, 1]), &entry, now);
            assert_eq!(found.is_some(), there, "{now}");
        }
    }
}
