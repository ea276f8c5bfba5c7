//! How full the maps are, for gauges, alerts and `status`.

use gateway_common::edge::{MAX_OWN, MAX_PREFIX_ENTRIES, MAX_VIPS};
use gateway_common::steer::{MAX_EXACT, MAX_GROUPS, MAX_PREFIXES};

use crate::edge::Edge;
use crate::steer::Applied;

/// One map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Name of the map in the kernel object: a stable label.
    pub map: &'static str,
    /// Entries in it.
    pub used: usize,
    /// Entries it takes.
    pub room: usize,
    /// The map makes room by forgetting the least recently used entry, so being full is no fault.
    pub forgets: bool,
}

/// The maps. Those whose entries only the kernel knows are walked when `walk` says so, and left out otherwise.
pub(crate) fn fills(edge: &Edge, steering: &Applied, groups: usize, walk: bool) -> Vec<Fill> {
    let fill = |map, used, room| Fill {
        map,
        used,
        room,
        forgets: false,
    };
    let prefixes = edge.prefixes.fill();
    let bans = edge.bans.fill();
    let (vips, own) = edge.fill();
    let steered = steering.fill();
    let mut fills = vec![
        fill("PREFIXES4", prefixes.0, MAX_PREFIX_ENTRIES as usize),
        fill("PREFIXES6", prefixes.1, MAX_PREFIX_ENTRIES as usize),
        fill("BANS4", bans.0, edge.bans.most()),
        fill("BANS6", bans.1, edge.bans.most()),
        fill("VIPS", vips, MAX_VIPS as usize),
        fill("OWN", own, MAX_OWN as usize),
        fill("EXACT", steered.0, MAX_EXACT as usize),
        fill("PREFIXES", steered.1, MAX_PREFIXES as usize),
        fill("GROUPS", groups, MAX_GROUPS as usize),
    ];
    if walk {
        fills.push(Fill {
            forgets: true,
            ..fill("SOURCES", edge.sources(), edge.most_sources())
        });
    }
    fills
}
