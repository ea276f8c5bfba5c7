//! Ethernet, VLAN, IPv4, IPv6 with extension headers, TCP and UDP: what the programs need to know of a frame.
//!
//! Formats: IEEE 802.1Q, RFC 791, RFC 8200, RFC 9293, RFC 768. The walk is bounded; what lies deeper than the bounds is
//! reported as [`Oddity::Deep`] and left to the stack.

use crate::packet::{Packet, high, low};

/// VLAN tags that are skipped: one customer tag in one service tag (802.1ad).
pub const MAX_VLAN_TAGS: usize = 2;
/// IPv6 extension headers that are walked. Real traffic has at most two or three; each one more doubles what the verifier has
/// to follow (4: 36,000 instructions, 6: 100,000).
pub const MAX_EXTENSION_HEADERS: usize = 4;

const ETHERNET_HEADER: usize = 14;
const VLAN_TAG: usize = 4;
/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_SERVICE_VLAN: u16 = 0x88a8;

const IPV4_MIN_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
/// Above it the length field is zero: receive offload hands "BIG TCP" packets to generic XDP in one piece.
const MAX_IP_LENGTH: usize = 65_535;
/// More-fragments bit and offset; "don't fragment" (0x4000) is not part of it.
const IPV4_FRAGMENT_MASK: u16 = 0x3fff;
const IPV4_OFFSET_MASK: u16 = 0x1fff;
const IPV6_OFFSET_MASK: u16 = 0xfff8;
const IPV6_MORE_FRAGMENTS: u16 = 1;

/// [`Network::end`] of a coalesced packet that is longer than its length field can say; behind any offset.
pub const END_UNKNOWN: usize = 1 << 24;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

/// A network address, 16-bit words in network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// IPv4.
    V4([u16; 2]),
    /// IPv6.
    V6([u16; 8]),
}

/// Which part of a datagram the packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it; an IPv6 atomic fragment (RFC 6946) counts as whole.
    Whole,
    /// The first fragment: has the transport header.
    First,
    /// A later fragment: no ports.
    Later,
}

/// The network layer of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Protocol of what follows the last header that was walked.
    pub protocol: u8,
    /// Whole or fragment.
    pub part: Part,
    /// Offset of the network header in the frame.
    pub offset: usize,
    /// Offset of the transport header in the frame.
    pub transport: usize,
    /// Offset of the end of the IP datagram; Ethernet padding lies behind it. [`END_UNKNOWN`] when the length field
    /// cannot tell.
    pub end: usize,
}

/// The transport header of TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// Source port, host order.
    pub source_port: u16,
    /// Destination port, host order.
    pub destination_port: u16,
    /// TCP flags byte; 0 for UDP.
    pub flags: u8,
}

/// Why a frame was not understood to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// The frame ends inside a header.
    Short,
    /// A version or header length field is impossible.
    Header,
    /// The IP length is shorter than its header or longer than the frame; a transport length is impossible.
    Length,
    /// More tags or extension headers than are walked.
    Deep,
}

/// Offset of the network header and its EtherType.
#[inline(always)]
pub fn ethernet(packet: &impl Packet) -> Result<(usize, u16), Oddity> {
    let [ethertype] = packet.words(ETHERNET_HEADER - 2).ok_or(Oddity::Short)?;
    let mut ethertype = u16::from_be(ethertype);
    let mut offset = ETHERNET_HEADER;
    for _ in 0..MAX_VLAN_TAGS {
        if ethertype != ETHERTYPE_VLAN && ethertype != ETHERTYPE_SERVICE_VLAN {
            return Ok((offset, ethertype));
        }
        let [_tag, inner] = packet.words(offset).ok_or(Oddity::Short)?;
        ethertype = u16::from_be(inner);
        offset += VLAN_TAG;
    }
    if ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_SERVICE_VLAN {
        return Err(Oddity::Deep);
    }
    Ok((offset, ethertype))
}

/// The network layer of a frame.
#[inline(always)]
pub fn network(packet: &impl Packet) -> Result<Network, Oddity> {
    let (offset, ethertype) = ethernet(packet)?;
    match ethertype {
        ETHERTYPE_IPV4 => ipv4(packet, offset),
        ETHERTYPE_IPV6 => ipv6(packet, offset),
        _ => Err(Oddity::NotIp),
    }
}

/// The IPv4 header at `offset`.
#[inline(always)]
pub fn ipv4(packet: &impl Packet, offset: usize) -> Result<Network, Oddity> {
    let header: [u16; 10] = packet.words(offset).ok_or(Oddity::Short)?;
    let first = high(header[0]);
    let length = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || length < IPV4_MIN_HEADER {
        return Err(Oddity::Header);
    }
    let total = usize::from(u16::from_be(header[1]));
    let coalesced = total == 0 && packet.holds(MAX_IP_LENGTH + 1);
    if !coalesced && (total < length || !packet.holds(offset + total)) {
        return Err(Oddity::Length);
    }
    let fragment = u16::from_be(header[3]);
    let part = if fragment & IPV4_FRAGMENT_MASK == 0 {
        Part::Whole
    } else if fragment & IPV4_OFFSET_MASK == 0 {
        Part::First
    } else {
        Part::Later
    };
    Ok(Network {
        source: Address::V4([header[6], header[7]]),
        destination: Address::V4([header[8], header[9]]),
        protocol: low(header[4]),
        part,
        offset,
        transport: offset + length,
        end: if coalesced { END_UNKNOWN } else { offset + total },
    })
}

/// The IPv6 header at `offset` and its extension headers.
#[inline(always)]
pub fn ipv6(packet: &impl Packet, offset: usize) -> Result<Network, Oddity> {
    let header: [u16; 20] = packet.words(offset).ok_or(Oddity::Short)?;
    if high(header[0]) >> 4 != 6 {
        return Err(Oddity::Header);
    }
    let payload = usize::from(u16::from_be(header[2]));
    let coalesced = payload == 0 && packet.holds(MAX_IP_LENGTH + 1);
    let end = if coalesced {
        END_UNKNOWN
    } else {
        offset + IPV6_HEADER + payload
    };
    if !coalesced && !packet.holds(end) {
        return Err(Oddity::Length);
    }
    let (protocol, part, transport) = extension_headers(packet, high(header[3]), offset + IPV6_HEADER, end)?;
    let h = header;
    Ok(Network {
        source: Address::V6([h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11]]),
        destination: Address::V6([h[12], h[13], h[14], h[15], h[16], h[17], h[18], h[19]]),
        protocol,
        part,
        offset,
        transport,
        end,
    })
}

/// Walks extension headers to the transport protocol, its offset and the kind of fragment.
#[inline(always)]
fn extension_headers(
    packet: &impl Packet,
    mut protocol: u8,
    mut offset: usize,
    end: usize,
) -> Result<(u8, Part, usize), Oddity> {
    let mut part = Part::Whole;
    for _ in 0..MAX_EXTENSION_HEADERS {
        if !is_extension(protocol) {
            return Ok((protocol, part, offset));
        }
        let [first, second] = packet.words(offset).ok_or(Oddity::Short)?;
        let units = usize::from(low(first));
        let length = match protocol {
            FRAGMENT => {
                part = ipv6_part(u16::from_be(second));
                8
            }
            AUTHENTICATION => (units + 2) * 4,
            _ => (units + 1) * 8,
        };
        protocol = high(first);
        offset += length;
        if offset > end {
            return Err(Oddity::Length);
        }
        if part == Part::Later {
            return Ok((protocol, part, offset));
        }
    }
    if is_extension(protocol) {
        Err(Oddity::Deep)
    } else {
        Ok((protocol, part, offset))
    }
}

#[inline(always)]
fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS
    )
}

#[inline(always)]
fn ipv6_part(field: u16) -> Part {
    if field & IPV6_OFFSET_MASK != 0 {
        Part::Later
    } else if field & IPV6_MORE_FRAGMENTS != 0 {
        Part::First
    } else {
        Part::Whole
    }
}

/// Ports and flags. `Ok(None)` for another protocol, or a fragment without a transport header.
#[inline(always)]
pub fn transport(packet: &impl Packet, network: &Network) -> Result<Option<Transport>, Oddity> {
    if network.part == Part::Later {
        return Ok(None);
    }
    match network.protocol {
        gateway_common::IPPROTO_TCP => tcp(packet, network).map(Some),
        gateway_common::IPPROTO_UDP => udp(packet, network).map(Some),
        _ => Ok(None),
    }
}

#[inline(always)]
fn tcp(packet: &impl Packet, network: &Network) -> Result<Transport, Oddity> {
    let header: [u16; 10] = packet.words(network.transport).ok_or(Oddity::Short)?;
    let length = usize::from(high(header[6]) >> 4) * 4;
    if length < 20 {
        return Err(Oddity::Header);
    }
    // A first fragment may end inside the options; a whole segment may not.
    if network.transport + length > network.end && network.part == Part::Whole {
        return Err(Oddity::Length);
    }
    Ok(Transport {
        source_port: u16::from_be(header[0]),
        destination_port: u16::from_be(header[1]),
        flags: low(header[6]),
    })
}

#[inline(always)]
fn udp(packet: &impl Packet, network: &Network) -> Result<Transport, Oddity> {
    let header: [u16; 4] = packet.words(network.transport).ok_or(Oddity::Short)?;
    let length = usize::from(u16::from_be(header[2]));
    if length < 8 || (network.part == Part::Whole && network.transport + length > network.end) {
        return Err(Oddity::Length);
    }
    Ok(Transport {
        source_port: u16::from_be(header[0]),
        destination_port: u16::from_be(header[1]),
        flags: 0,
    })
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
