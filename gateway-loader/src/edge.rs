//! The edge as one value: prefixes, bans, budgets and what `edge_drop` is asked to do.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aya::maps::{Array, HashMap, MapData};
use gateway_common::edge::{
    BUDGETS, Budget, EDGE_DROP_MALFORMED, EDGE_SOURCES, EDGE_VIPS, EDGE_WHOLE_NODE, MAX_OWN, MAX_VIPS,
};
use gateway_common::{
    EdgeConfig, GroupKey, IPPROTO_TCP, IPPROTO_UDP, Limit, Octets16, SourceState, SteerKey, VipBudget,
    v4_mapped,
};

use crate::bans::Bans;
use crate::error::EdgeError;
use crate::hook::map_reason;
use crate::prefixes::Prefixes;
use crate::steer::Protocol;

/// Limits of a source or a destination; a limit whose period is 0 does not exist.
pub type Limits = [Limit; BUDGETS];

/// What `edge_drop` is asked to do beside prefixes and bans. The default counts and drops nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EdgeOptions {
    /// Kinds of malformed packets to drop: bit set of the `EDGE_DROP_*` flags of [`gateway_common::edge`].
    pub malformed: u32,
    /// Limits of each source, by [`Budget`].
    pub source: Limits,
    /// Limits of sources count packets to any destination of the node, not only to the gateway's.
    pub whole_node: bool,
    /// Limits of destinations.
    pub vips: Vec<Vip>,
    /// Samples of dropped packets, for each CPU.
    pub samples: Limit,
}

/// A destination with limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vip {
    /// Address.
    pub address: IpAddr,
    /// Port and protocol; `None`: the whole address.
    pub port: Option<(u16, Protocol)>,
    /// Its limits, by [`Budget`].
    pub limits: Limits,
}

/// The maps of the edge and what is in them.
pub(crate) struct Edge {
    pub(crate) prefixes: Prefixes,
    pub(crate) bans: Bans,
    config: Array<MapData, EdgeConfig>,
    vips: HashMap<MapData, SteerKey, VipBudget>,
    own: HashMap<MapData, SteerKey, u32>,
    sources: HashMap<MapData, Octets16, SourceState>,
    most_sources: usize,
    vips_in_force: BTreeMap<SteerKey, Limits>,
    written: EdgeConfig,
}

impl Edge {
    pub(crate) fn new(
        prefixes: Prefixes,
        bans: Bans,
        config: Array<MapData, EdgeConfig>,
        vips: HashMap<MapData, SteerKey, VipBudget>,
        own: HashMap<MapData, SteerKey, u32>,
        sources: (HashMap<MapData, Octets16, SourceState>, u32),
    ) -> Self {
        let vips_in_force = vips
            .iter()
            .flatten()
            .map(|(key, vip)| (key, vip.limits))
            .collect();
        let written = config.get(&0, 0).unwrap_or_default();
        Self {
            prefixes,
            bans,
            config,
            vips,
            own,
            sources: sources.0,
            most_sources: sources.1 as usize,
            vips_in_force,
            written,
        }
    }

    /// Puts `options` in force. Limits that do not change keep their state.
    pub(crate) fn set(&mut self, options: &EdgeOptions) -> Result<(), EdgeError> {
        if options.vips.len() > MAX_VIPS as usize {
            return Err(EdgeError::TooManyVips(options.vips.len()));
        }
        let wanted: BTreeMap<SteerKey, Limits> = options
            .vips
            .iter()
            .map(|vip| (vip_key(vip), vip.limits))
            .collect();
        for (key, limits) in &wanted {
            if self.vips_in_force.get(key) != Some(limits) {
                let vip = VipBudget {
                    limits: *limits,
                    ..VipBudget::default()
                };
                self.vips.insert(*key, vip, 0).map_err(refused)?;
                self.vips_in_force.insert(*key, *limits);
            }
        }
        let gone: Vec<SteerKey> = self
            .vips_in_force
            .keys()
            .filter(|key| !wanted.contains_key(key))
            .copied()
            .collect();
        for key in gone {
            self.vips.remove(&key).map_err(refused)?;
            self.vips_in_force.remove(&key);
        }
        let limited = |limits: &Limits| limits.iter().any(|limit| limit.period_ns != 0);
        let mut flags = options.malformed & EDGE_DROP_MALFORMED;
        if limited(&options.source) {
            flags |= EDGE_SOURCES;
        }
        if options.whole_node {
            flags |= EDGE_WHOLE_NODE;
        }
        if !wanted.is_empty() {
            flags |= EDGE_VIPS;
        }
        self.written = EdgeConfig {
            flags,
            reserved: 0,
            source: options.source,
            samples: options.samples,
        };
        self.publish()
    }

    /// Tells the program which maps it has to look at. Called after every change of prefixes or bans.
    pub(crate) fn publish(&mut self) -> Result<(), EdgeError> {
        const MAPS: u32 = gateway_common::edge::EDGE_BANS
            | gateway_common::edge::EDGE_PREFIXES4
            | gateway_common::edge::EDGE_PREFIXES6
            | gateway_common::edge::EDGE_WIDE6;
        let flags = self.written.flags & !MAPS | self.prefixes.flags() | self.bans.flags();
        self.written.flags = flags;
        if self.config.get(&0, 0).ok() == Some(self.written) {
            return Ok(());
        }
        self.config.set(0, self.written, 0).map_err(refused)
    }

    /// `listener` belongs to the gateway: denies and budgets of the gateway apply to it.
    pub(crate) fn add_own(&mut self, listener: &GroupKey) -> Result<(), EdgeError> {
        let key = own_key(listener);
        let known = self.own.keys().flatten().filter(|known| *known != key).count();
        if known >= MAX_OWN as usize {
            return Err(EdgeError::TooManyOwn(known + 1));
        }
        self.own.insert(key, 1, 0).map_err(refused)
    }

    /// Forgets listeners of an earlier process.
    pub(crate) fn keep_own(&mut self, listeners: &[GroupKey]) {
        let kept: Vec<SteerKey> = listeners.iter().map(own_key).collect();
        let gone: Vec<SteerKey> = self
            .own
            .keys()
            .flatten()
            .filter(|key| !kept.contains(key))
            .collect();
        for key in gone {
            // Gone already is what was wanted.
            let _ = self.own.remove(&key);
        }
    }

    /// What `edge_drop` was told last.
    pub(crate) const fn written(&self) -> &EdgeConfig {
        &self.written
    }

    /// Whether the gateway bound a destination.
    pub(crate) fn owns(&self, key: SteerKey) -> bool {
        let anywhere = SteerKey {
            address: [0; 16],
            ..key
        };
        [key, anywhere].iter().any(|key| self.own.get(key, 0).is_ok())
    }

    /// The schedules of a source, when it has been seen.
    pub(crate) fn source(&self, address: IpAddr) -> Option<SourceState> {
        let octets = match address {
            IpAddr::V4(v4) => v4_mapped(v4.octets()),
            IpAddr::V6(v6) => {
                let mut octets = v6.octets();
                octets[8..].fill(0);
                octets
            }
        };
        self.sources.get(&Octets16 { octets }, 0).ok()
    }

    /// Limits and schedules of a destination.
    pub(crate) fn vip(&self, key: SteerKey) -> Option<VipBudget> {
        let whole = SteerKey {
            port: 0,
            protocol: 0,
            ..key
        };
        [key, whole].iter().find_map(|key| self.vips.get(key, 0).ok())
    }

    /// Sources whose state is kept. Walks the map: a tenth of a second when it is full.
    pub(crate) fn sources(&self) -> usize {
        self.sources.keys().flatten().take(self.most_sources).count()
    }

    /// Sources whose state the map keeps.
    pub(crate) const fn most_sources(&self) -> usize {
        self.most_sources
    }

    /// Destinations with limits, and destinations bound.
    pub(crate) fn fill(&self) -> (usize, usize) {
        (self.vips_in_force.len(), self.own.keys().flatten().count())
    }
}

fn refused(error: aya::maps::MapError) -> EdgeError {
    EdgeError::Kernel(map_reason(&error))
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4_mapped(v4.octets()),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn vip_key(vip: &Vip) -> SteerKey {
    let (port, protocol) = match vip.port {
        Some((port, Protocol::Tcp)) => (port, IPPROTO_TCP),
        Some((port, Protocol::Udp)) => (port, IPPROTO_UDP),
        None => (0, 0),
    };
    SteerKey {
        address: octets(vip.address.to_canonical()),
        port,
        protocol,
        pad: 0,
    }
}

/// The key under which the program looks for a bound destination; "any" of both families is zero.
fn own_key(listener: &GroupKey) -> SteerKey {
    let any = listener.address == v4_mapped([0; 4]);
    SteerKey {
        address: if any { [0; 16] } else { listener.address },
        port: listener.port,
        protocol: listener.protocol,
        pad: 0,
    }
}

/// Name of a budget, as tables and JSON show it.
pub const fn budget_name(budget: Budget) -> &'static str {
    match budget {
        Budget::Syn => "syn",
        Budget::Packets => "packets",
        Budget::Connections => "connections",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_destinations() {
        let vip = |address: &str, port| {
            vip_key(&Vip {
                address: address.parse().unwrap(),
                port,
                limits: Limits::default(),
            })
        };
        let key = vip("::ffff:192.0.2.1", Some((443, Protocol::Udp)));
        assert_eq!(
            (key.address, key.port, key.protocol),
            (v4_mapped([192, 0, 2, 1]), 443, 17)
        );
        let whole = vip("2001:db8::1", None);
        assert_eq!((whole.port, whole.protocol), (0, 0));
        for (address, expected) in [
            (v4_mapped([0; 4]), [0; 16]),
            ([0; 16], [0; 16]),
            (v4_mapped([10, 0, 0, 1]), v4_mapped([10, 0, 0, 1])),
        ] {
            let listener = GroupKey {
                address,
                port: 80,
                protocol: 6,
                pad: 0,
            };
            assert_eq!(own_key(&listener).address, expected);
        }
    }
}
