//! The new tuple into the packet: addresses, hop limit, ports, checksums.

use gateway_common::IPPROTO_UDP;
use gateway_common::l4::FlowValue;

use super::checksum::{self, delta16, plus};
use super::split;
use crate::packet::{PacketMut, high};
use crate::parse::Network;

/// Offset of the checksum in a TCP header.
const TCP_CHECKSUM: usize = 16;
/// Offset of the checksum in a UDP header.
const UDP_CHECKSUM: usize = 6;

/// Why a packet was not rewritten; it may have been in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The hop limit ends here.
    HopLimit,
    /// The packet could not be written to.
    Write,
}

/// Rewrites a packet of a flow. `headed`: the transport header is in it.
#[inline(always)]
pub(crate) fn addresses<const N: usize>(
    packet: &mut impl PacketMut,
    network: &Network,
    source: &[u32; N],
    destination: &[u32; N],
    address_delta: u16,
) -> Result<(), Failure> {
    if N == 1 {
        let (Some(source), Some(destination)) = (source.first(), destination.first()) else {
            return Err(Failure::Write);
        };
        ipv4(
            packet,
            network.offset,
            split(*source),
            split(*destination),
            address_delta,
        )
    } else {
        ipv6(packet, network.offset, source, destination)
    }
}

/// Rewrites a packet of a flow. `headed`: the transport header is in it.
#[inline(always)]
pub(crate) fn apply<const N: usize>(
    packet: &mut impl PacketMut,
    network: &Network,
    value: &FlowValue<N>,
    headed: bool,
    protocol: u8,
) -> Result<(), Failure> {
    addresses(
        packet,
        network,
        &value.source,
        &value.destination,
        value.address_delta,
    )?;
    if !headed {
        return Ok(());
    }
    if !packet.put(network.transport, [value.source_port, value.destination_port]) {
        return Err(Failure::Write);
    }
    let udp = protocol == IPPROTO_UDP;
    let at = network.transport + if udp { UDP_CHECKSUM } else { TCP_CHECKSUM };
    if packet.correct(at, value.address_delta, value.port_delta, udp) {
        Ok(())
    } else {
        Err(Failure::Write)
    }
}

#[inline(always)]
fn ipv4(
    packet: &mut impl PacketMut,
    offset: usize,
    source: [u16; 2],
    destination: [u16; 2],
    delta: u16,
) -> Result<(), Failure> {
    let [hops, checksum] = packet.words(offset + 8).ok_or(Failure::Write)?;
    if high(hops) <= 1 {
        return Err(Failure::HopLimit);
    }
    let fewer = (u16::from_be(hops) - 0x0100).to_be();
    let checksum = checksum::apply(checksum, plus(delta, delta16(hops, fewer)));
    let [a, b] = source;
    let [c, d] = destination;
    if packet.put(offset + 8, [fewer, checksum, a, b, c, d]) {
        Ok(())
    } else {
        Err(Failure::Write)
    }
}

#[inline(always)]
fn ipv6<const N: usize>(
    packet: &mut impl PacketMut,
    offset: usize,
    source: &[u32; N],
    destination: &[u32; N],
) -> Result<(), Failure> {
    let [hops] = packet.words(offset + 6).ok_or(Failure::Write)?;
    if u16::from_be(hops) & 0xff <= 1 {
        return Err(Failure::HopLimit);
    }
    let mut words = [0_u16; 17];
    words[0] = (u16::from_be(hops) - 1).to_be();
    let addresses = source.iter().chain(destination);
    for (pair, word) in words[1..].chunks_exact_mut(2).zip(addresses) {
        let [first, second] = split(*word);
        if let [a, b] = pair {
            (*a, *b) = (first, second);
        }
    }
    if packet.put(offset + 6, words) {
        Ok(())
    } else {
        Err(Failure::Write)
    }
}
