//! ICMP errors: translated by the flow of the packet they quote, in both directions (RFC 5508 §4.2 for NATs).
//!
//! The quoted packet went *out* of this node in one direction, so the error belongs to the flow of the other: its key is the
//! quoted tuple reversed. The quoted transport checksum is left alone: receivers do not look at it, and it is often cut off.

use gateway_common::l4::{FlowKey, MIN_MTU_V4, MIN_MTU_V6, filter_bit};
use gateway_common::{Counter, IPPROTO_TCP, IPPROTO_UDP};

use super::checksum::{self, delta, plus};
use super::rewrite::{self, Failure};
use super::{ICMP, ICMPV6, Outcome, Tables, split, words4, words6};
use crate::packet::{PacketMut, high, low};
use crate::parse::{Network, Part};

/// Destination unreachable, time exceeded, parameter problem (RFC 792).
const UNREACHABLE: u8 = 3;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;
/// Code of [`UNREACHABLE`]: fragmentation needed and "don't fragment" set; the MTU is in the last half-word (RFC 1191 §4).
const FRAGMENTATION_NEEDED: u8 = 4;
/// ICMPv6 errors are 1 to 4; packet too big is 2 (RFC 4443 §2.1, §3.2).
const V6_PACKET_TOO_BIG: u8 = 2;
const V6_LAST_ERROR: u8 = 4;

const ICMP_HEADER: usize = 8;
const CHECKSUM: usize = 2;
const IPV6_HEADER: usize = 40;

/// The quoted packet.
struct Quoted<const N: usize> {
    /// Its tuple reversed: key of the flow that the error belongs to.
    key: FlowKey<N>,
    /// Offset of its network header.
    offset: usize,
    /// Offset of its transport header.
    transport: usize,
}

/// Translates an error; other packets pass. `ends` are source and destination of `network` as words.
#[inline(always)]
pub fn translate<const N: usize, T: Tables<N>>(
    packet: &mut impl PacketMut,
    tables: &T,
    network: &Network,
    ends: &([u32; N], [u32; N]),
) -> Outcome<T::Flow> {
    if network.part != Part::Whole || network.protocol != (if N == 1 { ICMP } else { ICMPV6 }) {
        return Outcome::Pass(None);
    }
    let Some(header) = packet.words::<4>(network.transport) else {
        return Outcome::Pass(None);
    };
    if !is_error(header, N) {
        return Outcome::Pass(None);
    }
    let Some(quoted) = quoted::<N>(packet, network.transport + ICMP_HEADER) else {
        return Outcome::Pass(None);
    };
    let key = quoted.key;
    if !tables.listed(filter_bit(&key.destination)) && !tables.listed(filter_bit(&key.source)) {
        return Outcome::Pass(None);
    }
    let flow = match tables.established(&key) {
        Some(flow) => flow,
        None => match tables.young(&key) {
            Some(flow) => flow,
            None => return Outcome::Pass(Some(Counter::L4NotService)),
        },
    };
    if !is_credible(header, N) {
        return Outcome::Drop(Counter::L4DropMtu);
    }
    match rewrite_error(packet, network, ends, &quoted, &flow) {
        Ok(()) => Outcome::Forward {
            flow,
            // Rare, and the flow's own packets keep the time.
            stale: true,
            counter: Counter::L4Icmp,
        },
        Err(failure) => Outcome::Drop(failure.counter()),
    }
}

#[inline(always)]
fn is_error(header: [u16; 4], words: usize) -> bool {
    let kind = high(header[0]);
    if words == 1 {
        matches!(kind, UNREACHABLE | TIME_EXCEEDED | PARAMETER_PROBLEM)
    } else {
        (1..=V6_LAST_ERROR).contains(&kind)
    }
}

/// Whether an MTU in the error is one that a path can have; a smaller one only makes the sender waste packets.
#[inline(always)]
fn is_credible(header: [u16; 4], words: usize) -> bool {
    let (kind, code) = (high(header[0]), low(header[0]));
    let mtu = u16::from_be(header[3]);
    if words == 1 {
        // Zero: a router from before RFC 1191; the sender guesses.
        kind != UNREACHABLE || code != FRAGMENTATION_NEEDED || mtu == 0 || mtu >= MIN_MTU_V4
    } else {
        kind != V6_PACKET_TOO_BIG || header[2] != 0 || mtu >= MIN_MTU_V6
    }
}

#[inline(always)]
fn quoted<const N: usize>(packet: &impl PacketMut, offset: usize) -> Option<Quoted<N>> {
    let mut key = FlowKey {
        source: [0; N],
        destination: [0; N],
        source_port: 0,
        destination_port: 0,
        protocol: 0,
        pad: [0; 3],
    };
    let length = if N == 1 {
        let header: [u16; 10] = packet.words(offset)?;
        let length = usize::from(high(header[0]) & 0x0f) * 4;
        // A quoted later fragment has no ports.
        if high(header[0]) >> 4 != 4 || length < 20 || u16::from_be(header[3]) & 0x1fff != 0 {
            return None;
        }
        key.protocol = low(header[4]);
        copy(&mut key.destination, &words4([header[6], header[7]]));
        copy(&mut key.source, &words4([header[8], header[9]]));
        length
    } else {
        let header: [u16; 20] = packet.words(offset)?;
        let h = header;
        if high(h[0]) >> 4 != 6 {
            return None;
        }
        key.protocol = high(h[3]);
        copy(
            &mut key.destination,
            &words6([h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11]]),
        );
        copy(
            &mut key.source,
            &words6([h[12], h[13], h[14], h[15], h[16], h[17], h[18], h[19]]),
        );
        IPV6_HEADER
    };
    if key.protocol != IPPROTO_TCP && key.protocol != IPPROTO_UDP {
        return None;
    }
    let transport = offset + length;
    let [from, to] = packet.words(transport)?;
    (key.destination_port, key.source_port) = (from, to);
    Some(Quoted {
        key,
        offset,
        transport,
    })
}

#[inline(always)]
fn copy<const N: usize, const M: usize>(to: &mut [u32; N], from: &[u32; M]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

#[inline(always)]
fn rewrite_error<const N: usize, F: super::Flow<N>>(
    packet: &mut impl PacketMut,
    network: &Network,
    &(source, destination): &([u32; N], [u32; N]),
    quoted: &Quoted<N>,
    flow: &F,
) -> Result<(), Failure> {
    let value = flow.value();
    let key = &quoted.key;
    // A router on the way keeps its address; an end of the flow gets the one that the other end knows.
    let from_end = source == key.source;
    let new_source = if from_end { value.source } else { source };
    let outer = plus(
        delta(&source, &new_source),
        delta(&destination, &value.destination),
    );
    rewrite::addresses(packet, network, &new_source, &value.destination, outer)?;
    if !packet.put(quoted.transport, [value.destination_port, value.source_port]) {
        return Err(Failure::Write);
    }
    let at = quoted.offset;
    let written = if N == 1 {
        let [sum] = packet.words(at + 10).ok_or(Failure::Write)?;
        let sum = checksum::apply(sum, value.address_delta);
        let ([a, b], [c, d]) = (first(&value.destination), first(&value.source));
        packet.put(at + 10, [sum, a, b, c, d])
    } else {
        let mut words = [0_u16; 16];
        let addresses = value.destination.iter().chain(&value.source);
        for (pair, word) in words.chunks_exact_mut(2).zip(addresses) {
            let [first, second] = split(*word);
            if let [a, b] = pair {
                (*a, *b) = (first, second);
            }
        }
        packet.put(at + 8, words)
    };
    // IPv4: the quoted header's checksum takes back what its addresses add. IPv6: there is none, and the error's own
    // checksum covers the outer addresses too.
    let (pseudo, plain) = if N == 1 {
        (0, value.port_delta)
    } else {
        (outer, plus(value.address_delta, value.port_delta))
    };
    if written && packet.correct(network.transport + CHECKSUM, pseudo, plain, false) {
        Ok(())
    } else {
        Err(Failure::Write)
    }
}

#[inline(always)]
fn first<const N: usize>(address: &[u32; N]) -> [u16; 2] {
    match address.first() {
        Some(word) => split(*word),
        None => [0; 2],
    }
}
