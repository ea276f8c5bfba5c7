//! L4 services: virtual addresses, their backends, the flows between them, and what is counted for each.
//!
//! Both directions of a flow have the same shape, so one program serves both: an entry is found by the tuple a packet
//! *has* and holds the tuple it *gets*. The partner entry of the other direction is found by reversing the new tuple.
//! Addresses are words and ports are half-words in network order as they lie in the packet; `N` is the number of words of
//! an address (1: IPv4, 4: IPv6), for IPv4 keys of 16 bytes are measurably cheaper than mapped ones.

/// Slots of one Maglev table: the prime in common use for up to some hundred backends (Eisenbud et al., NSDI 2016, §5.3).
pub const MAGLEV_SIZE: u32 = 65_537;
/// Words of one table as it lies in the map: [`MAGLEV_SIZE`] and padding to whole 64-bit words.
pub const TABLE_WORDS: usize = 65_540;
/// Tables of the pool, 128 KiB each. Twice the services: all of them may change at once, and a table that was in force is not
/// filled again before the next change.
pub const MAX_TABLES: u32 = 128;
/// Most services: one virtual address, port and protocol each. Numbers start at 1.
pub const MAX_SERVICES: u32 = MAX_TABLES / 2;
/// Backend numbers; 0 means "none". A number is not used again while flows may name it, hence more than are in use.
pub const MAX_BACKENDS: u32 = 16_384;
/// Flows that have not been answered and acknowledged yet, per family and direction: two RTTs of a SYN flood of 300,000
/// per second. They never displace established ones.
pub const MAX_YOUNG: u32 = 65_536;
/// Fragmented datagrams whose ports are remembered: as many as other datapaths keep.
pub const MAX_FRAGMENTED: u32 = 8_192;
/// Source ports tried for a new flow before it is refused.
pub const PORT_PROBES: u32 = 32;
/// Bits of the filter in front of everything: one for each hash of an address that takes part.
pub const FILTER_BITS: usize = 1 << 16;
/// Words of the filter.
pub const FILTER_WORDS: usize = FILTER_BITS / 64;
/// Smallest path MTU that is believed from an ICMPv4 error (the `min_pmtu` of Linux).
pub const MIN_MTU_V4: u16 = 552;
/// Smallest path MTU that is believed from an ICMPv6 error (RFC 8200 §5).
pub const MIN_MTU_V6: u16 = 1_280;

/// Key of a service.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey<const N: usize> {
    /// Virtual address.
    pub address: [u32; N],
    /// Port, network order; 0: every port without an entry of its own.
    pub port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Part of the key: always zero.
    pub pad: u8,
}

/// A service.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceEntry {
    /// With [`SERVICE_FULL_NAT`]: the node's address towards the backends; IPv4 in the first word.
    pub nat_source: [u32; 4],
    /// Bit set of the `SERVICE_*` flags.
    pub flags: u32,
    /// Number, from 1.
    pub id: u16,
    /// Table of the pool that is in force.
    pub table: u16,
    /// With [`SERVICE_FULL_NAT`]: first source port, host order.
    pub nat_low: u16,
    /// With [`SERVICE_FULL_NAT`]: last source port, host order.
    pub nat_high: u16,
}

/// [`ServiceEntry::flags`]: source address and port are replaced too, so that replies come back to this node.
pub const SERVICE_FULL_NAT: u32 = 1;
/// [`ServiceEntry::flags`]: the backend is chosen by the client's address alone.
pub const SERVICE_SOURCE_AFFINITY: u32 = 2;
/// [`ServiceEntry::flags`]: [`ServiceLimit`] holds a limit of flows.
pub const SERVICE_FLOW_LIMIT: u32 = 4;
/// [`ServiceEntry::flags`]: [`ServiceLimit`] holds a limit of bytes.
pub const SERVICE_BYTE_LIMIT: u32 = 8;

/// Limits of a service.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceLimit {
    /// Most flows at a time.
    pub max_flows: u64,
    /// Picoseconds that one byte takes at the byte limit.
    pub byte_ps: u64,
    /// Nanoseconds of traffic at the byte limit that may come at once.
    pub burst_ns: u64,
}

/// A backend.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackendEntry {
    /// Address; IPv4 in the first word.
    pub address: [u32; 4],
    /// Port, network order; 0: the packet's own.
    pub port: u16,
    /// Bit set of the `BACKEND_*` flags.
    pub flags: u16,
    /// Raised each time the number is given to another backend.
    pub generation: u16,
    /// Service it belongs to.
    pub service: u16,
}

/// [`BackendEntry::flags`]: takes new flows. Published before the table without it is built.
pub const BACKEND_UP: u16 = 1;
/// [`BackendEntry::flags`]: removed at once: its flows are cut.
pub const BACKEND_CUT: u16 = 2;

/// What a packet has: key of a flow.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey<const N: usize> {
    /// Source address.
    pub source: [u32; N],
    /// Destination address.
    pub destination: [u32; N],
    /// Source port, network order.
    pub source_port: u16,
    /// Destination port, network order.
    pub destination_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Part of the key: always zero.
    pub pad: [u8; 3],
}

/// What a packet gets, and what is known about its direction of the flow.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowValue<const N: usize> {
    /// New source address.
    pub source: [u32; N],
    /// New destination address.
    pub destination: [u32; N],
    /// New source port, network order.
    pub source_port: u16,
    /// New destination port, network order.
    pub destination_port: u16,
    /// Number of the backend.
    pub backend: u16,
    /// Generation of that number.
    pub generation: u16,
    /// Bit set of the `FLOW_*` flags.
    pub flags: u32,
    /// When the last packet came, seconds of CLOCK_MONOTONIC as the agent's clock word tells.
    pub seen: u32,
    /// Number of the service.
    pub service: u16,
    /// MTU towards the next hop; 0: not known.
    pub mtu: u16,
    /// What the new addresses add to a checksum, folded (RFC 1624).
    pub address_delta: u16,
    /// What the new ports add to a checksum, folded.
    pub port_delta: u16,
    /// Interface towards the next hop; 0: not looked up yet.
    pub interface: u32,
    /// Destination and source address of the link header, in this order; zero when the neighbour is not resolved.
    pub link: [u16; 6],
    /// Packets of this direction; a coalesced one counts as its segments.
    pub packets: u64,
    /// Bytes of this direction from the IP header on, of every segment.
    pub bytes: u64,
}

/// [`FlowValue::flags`]: from the backend to the client.
pub const FLOW_REPLY: u32 = 1;
/// [`FlowValue::flags`]: the other direction was seen too.
pub const FLOW_ANSWERED: u32 = 2;
/// [`FlowValue::flags`]: this side has sent FIN.
pub const FLOW_FIN: u32 = 4;
/// [`FlowValue::flags`]: ended by FIN of both sides or RST: it goes a few seconds after its last packet.
pub const FLOW_CLOSING: u32 = 8;
/// [`FlowValue::flags`]: the service has a byte limit.
pub const FLOW_LIMITED: u32 = 16;
/// [`FlowValue::flags`]: client's address and port are hidden behind the node's.
pub const FLOW_FULL_NAT: u32 = 32;

/// State of a service that the kernel changes: one word each for its two limits.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceState {
    /// Flows at this time; corrected by the agent when it walks the table, for evictions are not seen.
    pub active: u64,
    /// Virtual time of the byte limit, nanoseconds of CLOCK_MONOTONIC (ITU-T I.371 GCRA).
    pub virtual_ns: u64,
}

/// What went to and came from one backend, on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackendCount {
    /// Flows begun.
    pub flows: u64,
    /// Packets to the backend.
    pub packets_in: u64,
    /// Bytes to the backend, from the IP header on.
    pub bytes_in: u64,
    /// Packets from the backend.
    pub packets_out: u64,
    /// Bytes from the backend.
    pub bytes_out: u64,
}

/// A fragmented datagram (RFC 791 §3.2, RFC 8200 §4.5).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FragmentKey<const N: usize> {
    /// Source address.
    pub source: [u32; N],
    /// Destination address.
    pub destination: [u32; N],
    /// Identification, as it lies in the packet.
    pub id: u32,
    /// IP protocol number.
    pub protocol: u8,
    /// Part of the key: always zero.
    pub pad: [u8; 3],
}

/// Ports of a fragmented datagram, network order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
}

/// One Maglev table: backend numbers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaglevTable {
    /// Backend numbers; those behind [`MAGLEV_SIZE`] are padding.
    pub slots: [u16; TABLE_WORDS],
}

/// The filter: a bit for each address that takes part in a service. A packet with neither address in it is not looked at.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The bits.
    pub words: [u64; FILTER_WORDS],
}

impl<const N: usize> FlowValue<N> {
    /// All zero.
    pub const EMPTY: Self = Self {
        source: [0; N],
        destination: [0; N],
        source_port: 0,
        destination_port: 0,
        backend: 0,
        generation: 0,
        flags: 0,
        seen: 0,
        service: 0,
        mtu: 0,
        address_delta: 0,
        port_delta: 0,
        interface: 0,
        link: [0; 6],
        packets: 0,
        bytes: 0,
    };
}

impl<const N: usize> FlowKey<N> {
    /// The key of the partner entry of `value`: the packet that answers one with the new tuple.
    #[inline(always)]
    pub const fn partner(value: &FlowValue<N>, protocol: u8) -> Self {
        Self {
            source: value.destination,
            destination: value.source,
            source_port: value.destination_port,
            destination_port: value.source_port,
            protocol,
            pad: [0; 3],
        }
    }

    /// The key with the two ends exchanged.
    #[inline(always)]
    pub const fn reversed(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            protocol: self.protocol,
            pad: [0; 3],
        }
    }
}

/// Bit of [`Filter`] for an address.
#[inline(always)]
pub const fn filter_bit<const N: usize>(address: &[u32; N]) -> u32 {
    let mut mixed: u32 = 0;
    let mut at = 0;
    while at < N {
        mixed = (mixed ^ address[at]).wrapping_mul(0x9e37_79b1);
        at += 1;
    }
    mixed >> 16
}

const _: () = {
    assert!(size_of::<ServiceKey<1>>() == 8 && size_of::<ServiceKey<4>>() == 20);
    assert!(
        size_of::<ServiceEntry>() == 28 && size_of::<ServiceLimit>() == 24 && size_of::<BackendEntry>() == 24
    );
    assert!(size_of::<FlowKey<1>>() == 16 && size_of::<FlowKey<4>>() == 40);
    assert!(size_of::<FlowValue<1>>() == 64 && size_of::<FlowValue<4>>() == 88);
    assert!(
        core::mem::offset_of!(FlowValue<1>, packets) == 48
            && core::mem::offset_of!(FlowValue<4>, packets) == 72
    );
    assert!(size_of::<ServiceState>() == 16 && size_of::<BackendCount>() == 40);
    assert!(
        size_of::<FragmentKey<1>>() == 16 && size_of::<FragmentKey<4>>() == 40 && size_of::<Ports>() == 4
    );
    assert!(size_of::<MaglevTable>() == 2 * TABLE_WORDS && (2 * TABLE_WORDS).is_multiple_of(8));
    assert!(TABLE_WORDS >= MAGLEV_SIZE as usize && size_of::<Filter>() * 8 == FILTER_BITS);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partner_of_the_partner_is_the_flow() {
        let key = FlowKey {
            source: [1],
            destination: [2],
            source_port: 3,
            destination_port: 4,
            protocol: 6,
            pad: [0; 3],
        };
        assert_eq!(key.reversed().reversed(), key);
        assert_ne!(key.reversed(), key);
    }

    #[test]
    fn addresses_spread_over_the_filter() {
        let mut bits = [0_u32; 256];
        for (at, bit) in (0_u32..).zip(bits.iter_mut()) {
            *bit = filter_bit(&[(0x0a00_0000 | at).to_be()]);
        }
        bits.sort_unstable();
        let same = bits.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(same <= 3, "{same} of 256 addresses share a bit");
        assert_ne!(filter_bit(&[1, 2, 3, 4]), filter_bit(&[4, 3, 2, 1]));
    }
}
