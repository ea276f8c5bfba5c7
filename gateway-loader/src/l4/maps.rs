//! The maps of `l4_ingress`, typed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use aya::maps::{Array, HashMap, Map, MapData, MapError, MapType, PerCpuArray};
use gateway_common::l4::{
    BackendCount, BackendEntry, Filter, FlowKey, FlowValue, FragmentKey, MAX_BACKENDS, MAX_FRAGMENTED,
    MAX_SERVICES, MAX_TABLES, MAX_YOUNG, MaglevTable, ServiceEntry, ServiceKey, ServiceLimit, ServiceState,
};

use super::config::{MAX_FLOWS, ServicesOptions};
use crate::error::LoadError;
use crate::pins::Shape;

/// Sizes of the maps: one entry each where services are off. Flow tables have two entries a flow, and half as much again
/// because LRU eviction begins before they are full.
pub(crate) fn sizes(options: Option<&ServicesOptions>) -> Vec<(&'static str, u32)> {
    let entries = options.map_or(1, |options| options.flows.clamp(1, MAX_FLOWS) * 3);
    let or_one = |size: u32| if options.is_some() { size } else { 1 };
    vec![
        ("L4_FLOWS4", entries),
        ("L4_FLOWS6", entries),
        ("L4_YOUNG4", or_one(MAX_YOUNG)),
        ("L4_YOUNG6", or_one(MAX_YOUNG)),
        ("L4_FRAGMENTS4", or_one(MAX_FRAGMENTED)),
        ("L4_FRAGMENTS6", or_one(MAX_FRAGMENTED)),
        ("L4_TABLES", or_one(MAX_TABLES)),
        ("L4_BACKENDS", or_one(MAX_BACKENDS)),
        ("L4_COUNTS", or_one(MAX_BACKENDS)),
    ]
}

/// What of the maps outlives the process when there is a directory of pins: all but scratch space. `sizes` are those of
/// [`sizes`].
pub(crate) fn shapes(sizes: &[(&'static str, u32)]) -> Vec<Shape> {
    const fn size<T>() -> u32 {
        size_of::<T>() as u32
    }
    let shape = |name: &'static str, kind, key, value, fixed| Shape {
        name,
        kind,
        key,
        value,
        entries: sizes
            .iter()
            .find(|(sized, _)| *sized == name)
            .map_or(fixed, |(_, entries)| *entries),
    };
    let number = size::<u32>();
    let (key4, value4) = (size::<FlowKey<1>>(), size::<FlowValue<1>>());
    let (key6, value6) = (size::<FlowKey<4>>(), size::<FlowValue<4>>());
    let service = size::<ServiceEntry>();
    vec![
        shape(
            "L4_SERVICES4",
            MapType::Hash,
            size::<ServiceKey<1>>(),
            service,
            MAX_SERVICES,
        ),
        shape(
            "L4_SERVICES6",
            MapType::Hash,
            size::<ServiceKey<4>>(),
            service,
            MAX_SERVICES,
        ),
        shape(
            "L4_BACKENDS",
            MapType::Array,
            number,
            size::<BackendEntry>(),
            MAX_BACKENDS,
        ),
        shape(
            "L4_TABLES",
            MapType::Array,
            number,
            size::<MaglevTable>(),
            MAX_TABLES,
        ),
        shape("L4_FILTER", MapType::Array, number, size::<Filter>(), 1),
        shape("L4_CLOCK", MapType::Array, number, size::<u64>(), 1),
        shape(
            "L4_LIMITS",
            MapType::Array,
            number,
            size::<ServiceLimit>(),
            MAX_TABLES,
        ),
        shape(
            "L4_STATES",
            MapType::Array,
            number,
            size::<ServiceState>(),
            MAX_TABLES,
        ),
        shape(
            "L4_COUNTS",
            MapType::PerCpuArray,
            number,
            size::<BackendCount>(),
            MAX_BACKENDS,
        ),
        shape("L4_FLOWS4", MapType::LruHash, key4, value4, 1),
        shape("L4_FLOWS6", MapType::LruHash, key6, value6, 1),
        shape("L4_YOUNG4", MapType::LruHash, key4, value4, MAX_YOUNG),
        shape("L4_YOUNG6", MapType::LruHash, key6, value6, MAX_YOUNG),
        shape(
            "L4_FRAGMENTS4",
            MapType::LruHash,
            size::<FragmentKey<1>>(),
            4,
            MAX_FRAGMENTED,
        ),
        shape(
            "L4_FRAGMENTS6",
            MapType::LruHash,
            size::<FragmentKey<4>>(),
            4,
            MAX_FRAGMENTED,
        ),
    ]
}

/// Flow tables of one family.
pub(crate) struct Family<const N: usize>
where
    FlowKey<N>: aya::Pod,
    FlowValue<N>: aya::Pod,
    ServiceKey<N>: aya::Pod,
{
    pub(crate) services: HashMap<MapData, ServiceKey<N>, ServiceEntry>,
    pub(crate) established: HashMap<MapData, FlowKey<N>, FlowValue<N>>,
    pub(crate) young: HashMap<MapData, FlowKey<N>, FlowValue<N>>,
}

/// All maps.
pub(crate) struct Maps {
    pub(crate) v4: Family<1>,
    pub(crate) v6: Family<4>,
    pub(crate) backends: Array<MapData, BackendEntry>,
    pub(crate) tables: Array<MapData, MaglevTable>,
    pub(crate) filter: Array<MapData, Filter>,
    pub(crate) clock: Array<MapData, u64>,
    pub(crate) limits: Array<MapData, ServiceLimit>,
    pub(crate) states: Array<MapData, ServiceState>,
    pub(crate) counts: PerCpuArray<MapData, BackendCount>,
}

impl Maps {
    /// Takes the maps by name.
    pub(crate) fn new(
        mut take: impl FnMut(&'static str) -> Result<Map, LoadError>,
    ) -> Result<Self, LoadError> {
        macro_rules! typed {
            ($name:literal) => {
                take($name)?
                    .try_into()
                    .map_err(|error: MapError| LoadError::Object(format!("map {}: {error}", $name)))?
            };
        }
        Ok(Self {
            v4: Family {
                services: typed!("L4_SERVICES4"),
                established: typed!("L4_FLOWS4"),
                young: typed!("L4_YOUNG4"),
            },
            v6: Family {
                services: typed!("L4_SERVICES6"),
                established: typed!("L4_FLOWS6"),
                young: typed!("L4_YOUNG6"),
            },
            backends: typed!("L4_BACKENDS"),
            tables: typed!("L4_TABLES"),
            filter: typed!("L4_FILTER"),
            clock: typed!("L4_CLOCK"),
            limits: typed!("L4_LIMITS"),
            states: typed!("L4_STATES"),
            counts: typed!("L4_COUNTS"),
        })
    }
}

/// An address as words of an entry: network order, IPv4 in the first.
pub(crate) fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(address) => [u32::from_ne_bytes(address.octets()), 0, 0, 0],
        IpAddr::V6(address) => {
            let octets = address.octets();
            std::array::from_fn(|at| {
                u32::from_ne_bytes(std::array::from_fn(|byte| {
                    octets.get(at * 4 + byte).copied().unwrap_or(0)
                }))
            })
        }
    }
}

/// An address of a key or value.
pub(crate) fn address<const N: usize>(words: &[u32; N]) -> IpAddr {
    let mut octets = [0; 16];
    for (to, word) in octets.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_ne_bytes());
    }
    if N == 1 {
        let [a, b, c, d, ..] = octets;
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    } else {
        IpAddr::V6(Ipv6Addr::from(octets))
    }
}

/// Address and port of a key or value.
pub(crate) fn end<const N: usize>(words: &[u32; N], port: u16) -> SocketAddr {
    SocketAddr::new(address(words), u16::from_be(port))
}

/// The first `N` words.
pub(crate) fn first<const N: usize>(words: [u32; 4]) -> [u32; N] {
    std::array::from_fn(|at| words.get(at).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_words() {
        for text in ["203.0.113.10", "0.0.0.0", "2001:db8::1", "::ffff:1.2.3.4"] {
            let given: IpAddr = text.parse().unwrap();
            let words = words(given);
            let back = if given.is_ipv4() {
                address(&first::<1>(words))
            } else {
                address(&words)
            };
            assert_eq!(back, given);
        }
    }

    #[test]
    fn switched_off_the_maps_are_small() {
        assert!(
            sizes(None)
                .iter()
                .all(|(name, size)| *size == 1 && name.starts_with("L4_"))
        );
        let options = ServicesOptions {
            interfaces: Vec::new(),
            flows: 1000,
        };
        assert!(sizes(Some(&options)).contains(&("L4_FLOWS4", 3000)));
    }
}
