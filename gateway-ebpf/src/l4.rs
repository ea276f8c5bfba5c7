//! L4 services: from a packet to the flow it belongs to, and the packet rewritten for the other side.
//!
//! Order: the filter, an established flow, a young one, a service. A young flow moves to the established ones when the
//! backend has answered and the client has answered that; so a flood of SYNs meets only the table of the young. A packet
//! that belongs to no service goes to the stack as it came.

pub mod checksum;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
mod fragment;
pub mod hash;
pub mod icmp;
#[cfg(any(test, feature = "fixtures"))]
pub mod model;
pub mod open;
mod rewrite;
pub mod too_big;

use gateway_common::l4::{
    BACKEND_CUT, BackendEntry, FLOW_ANSWERED, FLOW_CLOSING, FLOW_FIN, FLOW_LIMITED, FLOW_REPLY, FlowKey,
    FlowValue, FragmentKey, Ports, ServiceEntry, ServiceKey, filter_bit,
};
use gateway_common::{Counter, IPPROTO_TCP, IPPROTO_UDP};

use crate::packet::{PacketMut, high};
use crate::parse::{self, Network, Part};
use rewrite::Failure;

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;
/// IP protocol number of ICMP.
pub const ICMP: u8 = 1;
/// IP protocol number of ICMPv6.
pub const ICMPV6: u8 = 58;

/// An entry of a flow table. What is written through it is seen by every CPU.
pub trait Flow<const N: usize> {
    /// The entry.
    fn value(&self) -> &FlowValue<N>;
    /// Replaces [`FlowValue::flags`].
    fn set_flags(&self, flags: u32);
    /// Replaces [`FlowValue::seen`].
    fn touch(&self, now: u32);
    /// Adds to the counters.
    fn count(&self, packets: u64, bytes: u64);
}

/// The maps that do not depend on the family.
pub trait Shared {
    /// Whether a bit of the filter is set.
    fn listed(&self, bit: u32) -> bool;
    /// A backend by its number.
    fn backend(&self, number: u16) -> Option<&BackendEntry>;
    /// Backend number in a slot of a table; 0 for none.
    fn slot(&self, table: u16, slot: u32) -> u16;
    /// Seconds of CLOCK_MONOTONIC as the agent's clock word tells.
    fn now(&self) -> u32;
    /// Counts a flow that begins; `false` when the service is at its limit.
    fn admit(&self, service: u16) -> bool;
    /// Counts a flow that begins at a service without a limit, or one that comes back.
    fn begun(&self, service: u16);
    /// Counts a flow that ends.
    fn ended(&self, service: u16);
    /// Takes bytes from the service's limit; `false` when it is used up.
    fn pay(&self, service: u16, bytes: u64) -> bool;
    /// Counts what went to (or, with `reply`, came from) a backend.
    fn count_backend(&self, number: u16, reply: bool, packets: u64, bytes: u64);
    /// Counts a flow that began at a backend.
    fn count_flow(&self, number: u16);
    /// Counts an event beside the verdict.
    fn note(&self, counter: Counter);
}

/// The maps of one family.
pub trait Tables<const N: usize>: Shared {
    /// Entry of a flow table.
    type Flow: Flow<N>;
    /// A service by address, port and protocol.
    fn service(&self, key: &ServiceKey<N>) -> Option<&ServiceEntry>;
    /// An established flow.
    fn established(&self, key: &FlowKey<N>) -> Option<Self::Flow>;
    /// A young flow.
    fn young(&self, key: &FlowKey<N>) -> Option<Self::Flow>;
    /// Adds an established flow; `true` when it is there afterwards.
    fn establish(&self, key: &FlowKey<N>, value: &FlowValue<N>) -> bool;
    /// Adds a young flow, `false` when it was there or cannot be added.
    fn add_young(&self, key: &FlowKey<N>, value: &FlowValue<N>) -> bool;
    /// Removes a young flow.
    fn remove_young(&self, key: &FlowKey<N>);
    /// Removes an established flow.
    fn remove_established(&self, key: &FlowKey<N>);
    /// Remembers the ports of a fragmented datagram.
    fn remember(&self, key: &FragmentKey<N>, ports: Ports);
    /// The ports of a fragmented datagram.
    fn remembered(&self, key: &FragmentKey<N>) -> Option<Ports>;
    /// Begins a flow with [`open::begin`], where the tables want it: the kernel's on a stack frame of its own.
    fn begin(&self, key: &FlowKey<N>, flags: u8) -> Result<(), Refusal>;
    /// Takes a reply tuple with [`open::claim`], on a frame of its own for the same reason.
    fn claim(&self, reply: &FlowKey<N>, value: &FlowValue<N>) -> bool;
    /// Finds a free source port with [`open::allocate`], in the same way.
    fn allocate(&self, reply: &mut FlowKey<N>, value: &mut FlowValue<N>, ports: u32, hash: u32) -> bool;
}

/// Why a flow was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The packet is for no service.
    Pass,
    /// It ends here.
    Drop(Counter),
}

/// What becomes of a packet.
#[derive(Debug)]
pub enum Outcome<F> {
    /// It goes to the stack as it came; counted when an address was known.
    Pass(Option<Counter>),
    /// It ends here.
    Drop(Counter),
    /// It was rewritten and goes to the next hop of the flow.
    Forward {
        /// The flow, which remembers the next hop.
        flow: F,
        /// The next hop has to be looked up (again).
        stale: bool,
        /// What it counts as.
        counter: Counter,
    },
    /// It is too big for the way on and may not be cut; not rewritten.
    TooBig(u16),
}

/// What the transport header tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// Ports, network order.
    ports: Ports,
    /// TCP flags; 0 otherwise.
    flags: u8,
    /// Whether the transport header is in this packet.
    headed: bool,
}

/// Decides about one packet that is no ICMP error (see [`icmp::translate`]) and rewrites it. `source` and `destination` are the addresses of `network` as words.
#[inline(always)]
pub fn process<const N: usize, T: Tables<N>>(
    packet: &mut impl PacketMut,
    tables: &T,
    network: &Network,
    source: [u32; N],
    destination: [u32; N],
) -> Outcome<T::Flow> {
    if !tables.listed(filter_bit(&destination)) && !tables.listed(filter_bit(&source)) {
        return Outcome::Pass(None);
    }
    if network.protocol != IPPROTO_TCP && network.protocol != IPPROTO_UDP {
        return Outcome::Pass(Some(Counter::L4NotService));
    }
    let segment = match segment(packet, tables, network, source, destination) {
        Ok(segment) => segment,
        Err(counter) => return Outcome::Drop(counter),
    };
    let key = FlowKey {
        source,
        destination,
        source_port: segment.ports.source,
        destination_port: segment.ports.destination,
        protocol: network.protocol,
        pad: [0; 3],
    };
    let flow = match find(tables, &key, segment) {
        Ok(flow) => flow,
        Err(outcome) => return outcome,
    };
    known(packet, tables, network, &key, segment, flow)
}

/// Ports and flags of whole packets and first fragments; remembered ports of later fragments.
#[inline(always)]
fn segment<const N: usize, T: Tables<N>>(
    packet: &impl PacketMut,
    tables: &T,
    network: &Network,
    source: [u32; N],
    destination: [u32; N],
) -> Result<Segment, Counter> {
    if network.part != Part::Whole {
        return fragment::segment(packet, tables, network, source, destination);
    }
    headed(packet, network)
}

#[inline(always)]
pub(crate) fn headed(packet: &impl PacketMut, network: &Network) -> Result<Segment, Counter> {
    match parse::transport(packet, network) {
        Ok(Some(transport)) => Ok(Segment {
            ports: Ports {
                source: transport.source_port.to_be(),
                destination: transport.destination_port.to_be(),
            },
            flags: transport.flags,
            headed: true,
        }),
        _ => Err(Counter::L4DropMalformed),
    }
}

/// The flow of a packet, begun if need be.
#[inline(always)]
fn find<const N: usize, T: Tables<N>>(
    tables: &T,
    key: &FlowKey<N>,
    segment: Segment,
) -> Result<T::Flow, Outcome<T::Flow>> {
    if let Some(flow) = tables.established(key) {
        if is_alive(tables, flow.value()) {
            return Ok(flow);
        }
        let reply = flow.value().flags & FLOW_REPLY != 0;
        if key.protocol == IPPROTO_TCP || reply {
            return Err(Outcome::Drop(Counter::L4DropBackendGone));
        }
        tables.remove_established(&FlowKey::partner(flow.value(), key.protocol));
        tables.remove_established(key);
        return begin(tables, key, segment);
    }
    let Some(flow) = tables.young(key) else {
        return begin(tables, key, segment);
    };
    if !is_alive(tables, flow.value()) {
        let partner = FlowKey::partner(flow.value(), key.protocol);
        if flow.value().flags & FLOW_REPLY != 0 {
            return Err(Outcome::Drop(Counter::L4DropBackendGone));
        }
        tables.remove_young(&partner);
        tables.remove_young(key);
        return begin(tables, key, segment);
    }
    Ok(grow(tables, key, segment, flow))
}

#[inline(always)]
fn begin<const N: usize, T: Tables<N>>(
    tables: &T,
    key: &FlowKey<N>,
    segment: Segment,
) -> Result<T::Flow, Outcome<T::Flow>> {
    match tables.begin(key, segment.flags) {
        Ok(()) => tables.young(key).ok_or(Outcome::Drop(Counter::L4DropTable)),
        Err(Refusal::Pass) => Err(Outcome::Pass(Some(Counter::L4NotService))),
        Err(Refusal::Drop(counter)) => Err(Outcome::Drop(counter)),
    }
}

/// A young flow is answered, or becomes an established one.
#[inline(always)]
fn grow<const N: usize, T: Tables<N>>(
    tables: &T,
    key: &FlowKey<N>,
    segment: Segment,
    flow: T::Flow,
) -> T::Flow {
    let flags = flow.value().flags;
    let partner = FlowKey::partner(flow.value(), key.protocol);
    if flags & FLOW_REPLY != 0 {
        // A reset is no answer: a backend resets what it does not know.
        if segment.flags & RST == 0
            && let Some(forward) = tables.young(&partner)
        {
            forward.set_flags(forward.value().flags | FLOW_ANSWERED);
        }
        return flow;
    }
    if flags & FLOW_ANSWERED == 0 || segment.flags & (SYN | RST) != 0 {
        return flow;
    }
    // The reply's entry first: an answer may come on another CPU as soon as this packet is out.
    let whole = match tables.young(&partner) {
        Some(reply) => tables.establish(&partner, reply.value()) && tables.establish(key, flow.value()),
        None => false,
    };
    let Some(established) = (if whole { tables.established(key) } else { None }) else {
        return flow;
    };
    tables.remove_young(key);
    tables.remove_young(&partner);
    tables.note(Counter::L4Promoted);
    established
}

/// Whether the backend of a flow is still the one that was chosen, and not removed.
#[inline(always)]
fn is_alive<const N: usize>(tables: &impl Shared, value: &FlowValue<N>) -> bool {
    match tables.backend(value.backend) {
        Some(backend) => backend.generation == value.generation && backend.flags & BACKEND_CUT == 0,
        None => false,
    }
}

/// A packet of a flow: state, limits, counters, rewriting.
#[inline(always)]
fn known<const N: usize, T: Tables<N>>(
    packet: &mut impl PacketMut,
    tables: &T,
    network: &Network,
    key: &FlowKey<N>,
    segment: Segment,
    flow: T::Flow,
) -> Outcome<T::Flow> {
    let value = flow.value();
    if segment.flags & (SYN | FIN | RST) != 0 {
        change_state(tables, key, segment.flags, &flow);
    }
    let (packets, bytes, largest) = size(packet, network);
    if value.mtu != 0 && largest > usize::from(value.mtu) && !may_be_cut(packet, network, N) {
        return Outcome::TooBig(value.mtu);
    }
    if value.flags & FLOW_LIMITED != 0 && !tables.pay(value.service, bytes) {
        return Outcome::Drop(Counter::L4DropByteLimit);
    }
    let now = tables.now();
    let stale = value.seen != now || value.interface == 0;
    if stale {
        flow.touch(now);
    }
    flow.count(packets, bytes);
    tables.count_backend(value.backend, value.flags & FLOW_REPLY != 0, packets, bytes);
    if let Err(failure) = rewrite::apply(packet, network, value, segment.headed, key.protocol) {
        return Outcome::Drop(failure.counter());
    }
    Outcome::Forward {
        flow,
        stale,
        counter: Counter::L4Forward,
    }
}

/// Follows FIN, RST and a SYN that opens again. For expiry, not for policing: a wrong guess costs nothing but time.
#[inline(always)]
fn change_state<const N: usize, T: Tables<N>>(tables: &T, key: &FlowKey<N>, seen: u8, flow: &T::Flow) {
    let value = flow.value();
    let partner = FlowKey::partner(value, key.protocol);
    let other = match tables.established(&partner) {
        Some(other) => other,
        None => match tables.young(&partner) {
            Some(other) => other,
            None => return,
        },
    };
    let (own, others) = (value.flags, other.value().flags);
    if seen & SYN != 0 {
        if seen & ACK == 0 && own & FLOW_CLOSING != 0 {
            flow.set_flags(own & !(FLOW_CLOSING | FLOW_FIN));
            other.set_flags(others & !(FLOW_CLOSING | FLOW_FIN));
            tables.begun(value.service);
        }
        return;
    }
    let own = own | if seen & FIN != 0 { FLOW_FIN } else { 0 };
    let ends = seen & RST != 0 || others & own & FLOW_FIN != 0;
    if ends && own & FLOW_CLOSING == 0 {
        flow.set_flags(own | FLOW_CLOSING);
        other.set_flags(others | FLOW_CLOSING);
        tables.ended(value.service);
    } else {
        flow.set_flags(own);
    }
}

/// Packets, bytes from the IP header on, and bytes of the largest one, of what may be a coalesced packet.
#[inline(always)]
fn size(packet: &impl PacketMut, network: &Network) -> (u64, u64, usize) {
    let segment = packet.segment();
    let whole = packet.length().wrapping_sub(network.offset);
    if segment == 0 {
        // What lies behind the datagram is padding of the link.
        let bytes = if network.end == parse::END_UNKNOWN {
            whole
        } else {
            network.end - network.offset
        };
        return (1, bytes as u64, bytes);
    }
    let header = if network.protocol == IPPROTO_TCP {
        match packet.words::<1>(network.transport + 12) {
            Some([word]) => usize::from(high(word) >> 4) * 4,
            None => 20,
        }
    } else {
        8
    };
    let headers = (network.transport - network.offset) + header;
    let payload = whole.saturating_sub(headers);
    let packets = payload.div_ceil(segment);
    let bytes = whole + packets.saturating_sub(1) * headers;
    (packets as u64, bytes as u64, headers + segment)
}

/// Whether the stack may fragment the packet on its way (RFC 791 §3.1 "don't fragment"; never for IPv6, RFC 8200 §4.5).
#[inline(always)]
fn may_be_cut(packet: &impl PacketMut, network: &Network, words: usize) -> bool {
    const DONT_FRAGMENT: u16 = 0x4000;
    words == 1
        && packet
            .words::<1>(network.offset + 6)
            .is_some_and(|[word]| u16::from_be(word) & DONT_FRAGMENT == 0)
}

impl Failure {
    #[inline(always)]
    pub(crate) const fn counter(self) -> Counter {
        match self {
            Self::HopLimit => Counter::L4DropTtl,
            Self::Write => Counter::L4DropWrite,
        }
    }
}

/// An IPv4 address as words of a key.
#[inline(always)]
pub fn words4(address: [u16; 2]) -> [u32; 1] {
    [join(address[0], address[1])]
}

/// An IPv6 address as words of a key.
#[inline(always)]
pub fn words6(address: [u16; 8]) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h] = address;
    [join(a, b), join(c, d), join(e, f), join(g, h)]
}

/// Two half-words as they lie in memory.
#[inline(always)]
const fn join(first: u16, second: u16) -> u32 {
    if cfg!(target_endian = "little") {
        first as u32 | (second as u32) << 16
    } else {
        (first as u32) << 16 | second as u32
    }
}

/// The two half-words of a word as they lie in memory.
#[inline(always)]
pub(crate) const fn split(word: u32) -> [u16; 2] {
    if cfg!(target_endian = "little") {
        [word as u16, (word >> 16) as u16]
    } else {
        [(word >> 16) as u16, word as u16]
    }
}

#[cfg(test)]
#[path = "l4_tests.rs"]
mod tests;
