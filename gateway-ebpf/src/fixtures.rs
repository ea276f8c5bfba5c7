//! Packets built from parts, and the table of frames with the verdict each must get.
//!
//! The host tests run it through [`crate::edge::decide`]; the loader's tests run the same table through the loaded
//! program, so a difference between the two is a difference of the kernel side.

use gateway_common::Counter;

use crate::parse::MAX_EXTENSION_HEADERS;

/// IPv4 prefix that the table expects to be denied.
pub const DENIED_V4: ([u8; 4], u32) = ([198, 51, 100, 0], 24);
/// IPv6 prefix that the table expects to be denied.
pub const DENIED_V6: ([u8; 16], u32) = (
    [0x20, 0x01, 0x0d, 0xb8, 0, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    48,
);

const GOOD_V4: [u8; 4] = [203, 0, 113, 7];
const NODE_V4: [u8; 4] = [192, 0, 2, 1];
const BAD_V4: [u8; 4] = [198, 51, 100, 9];
const GOOD_V6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0xaa, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
const NODE_V6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const BAD_V6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

const TCP: u8 = 6;
const UDP: u8 = 17;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// A frame and what has to become of it with malformed packets dropped.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// What the frame is.
    pub name: &'static str,
    /// The frame.
    pub frame: Vec<u8>,
    /// Expected verdict.
    pub verdict: Counter,
    /// Expected observation.
    pub noticed: Option<Counter>,
}

/// TCP header with `flags`, data offset in words and a payload.
pub fn tcp(flags: u8, words: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![
        0x9c,
        0x40,
        0x1f,
        0x90,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        0,
        words << 4,
        flags,
        0xff,
        0xff,
        0,
        0,
        0,
        0,
    ];
    header.resize(20.max(usize::from(words) * 4), 1);
    header.extend_from_slice(payload);
    header
}

/// UDP datagram whose length field is `length`.
pub fn udp(length: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x9c, 0x40, 0x01, 0xbb];
    header.extend_from_slice(&length.to_be_bytes());
    header.extend_from_slice(&[0, 0]);
    header.extend_from_slice(payload);
    header
}

/// Complete UDP datagram.
pub fn datagram(payload: &[u8]) -> Vec<u8> {
    udp(8 + payload.len() as u16, payload)
}

/// IPv4 packet; `options` must be a multiple of four bytes, `fragment` is the flags and offset word.
pub fn ipv4(
    source: [u8; 4],
    destination: [u8; 4],
    protocol: u8,
    fragment: u16,
    options: &[u8],
    rest: &[u8],
) -> Vec<u8> {
    let header = 20 + options.len();
    let mut packet = vec![0x40 | (header / 4) as u8, 0];
    packet.extend_from_slice(&((header + rest.len()) as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 1]);
    packet.extend_from_slice(&fragment.to_be_bytes());
    packet.extend_from_slice(&[64, protocol, 0, 0]);
    packet.extend_from_slice(&source);
    packet.extend_from_slice(&destination);
    packet.extend_from_slice(options);
    packet.extend_from_slice(rest);
    packet
}

/// IPv6 packet whose payload starts with the header named by `next`.
pub fn ipv6(source: [u8; 16], destination: [u8; 16], next: u8, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend_from_slice(&(rest.len() as u16).to_be_bytes());
    packet.extend_from_slice(&[next, 64]);
    packet.extend_from_slice(&source);
    packet.extend_from_slice(&destination);
    packet.extend_from_slice(rest);
    packet
}

/// Extension headers `(type, following units, second word)` in order, then `rest`. Returns the first type and the bytes.
pub fn extensions(headers: &[(u8, u8, u16)], last: u8, rest: &[u8]) -> (u8, Vec<u8>) {
    let mut bytes = Vec::new();
    for (at, &(kind, units, word)) in headers.iter().enumerate() {
        let next = headers.get(at + 1).map_or(last, |header| header.0);
        let length = match kind {
            44 => 8,
            51 => (usize::from(units) + 2) * 4,
            _ => (usize::from(units) + 1) * 8,
        };
        let start = bytes.len();
        bytes.extend_from_slice(&[next, units]);
        bytes.extend_from_slice(&word.to_be_bytes());
        bytes.resize(start + length, 0);
    }
    bytes.extend_from_slice(rest);
    (headers.first().map_or(last, |header| header.0), bytes)
}

/// Ethernet frame with VLAN `tags` (EtherTypes of the tags), padded to the minimum of 60 bytes.
pub fn ethernet(tags: &[u16], ethertype: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for (tag, id) in tags.iter().zip(100u16..) {
        frame.extend_from_slice(&tag.to_be_bytes());
        frame.extend_from_slice(&id.to_be_bytes());
    }
    frame.extend_from_slice(&ethertype.to_be_bytes());
    frame.extend_from_slice(packet);
    frame.resize(frame.len().max(60), 0);
    frame
}

/// IPv4 frame.
pub fn frame4(packet: &[u8]) -> Vec<u8> {
    ethernet(&[], 0x0800, packet)
}

/// IPv6 frame.
pub fn frame6(packet: &[u8]) -> Vec<u8> {
    ethernet(&[], 0x86dd, packet)
}

fn plain4(source: [u8; 4], rest: &[u8]) -> Vec<u8> {
    ipv4(source, NODE_V4, TCP, 0x4000, &[], rest)
}

fn chain6(headers: &[(u8, u8, u16)], rest: &[u8]) -> Vec<u8> {
    let (first, bytes) = extensions(headers, TCP, rest);
    frame6(&ipv6(GOOD_V6, NODE_V6, first, &bytes))
}

fn damaged(mut frame: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
    frame[at] = value;
    frame
}

/// The table.
pub fn table() -> Vec<Fixture> {
    let mut table = passes();
    table.extend(drops());
    table
}

fn passes() -> Vec<Fixture> {
    let syn = tcp(SYN, 5, &[]);
    let ok = Counter::EdgePass;
    let pass = |name, frame| Fixture {
        name,
        frame,
        verdict: ok,
        noticed: None,
    };
    let seen = |name, frame, noticed| Fixture {
        name,
        frame,
        verdict: ok,
        noticed: Some(noticed),
    };
    let deep = [(60u8, 0u8, 0u16); MAX_EXTENSION_HEADERS + 1];
    let deepest = &deep[..MAX_EXTENSION_HEADERS];
    vec![
        pass("TCP SYN over IPv4", frame4(&plain4(GOOD_V4, &syn))),
        pass(
            "TCP segment with data",
            frame4(&plain4(GOOD_V4, &tcp(ACK, 8, &[7; 900]))),
        ),
        pass(
            "UDP over IPv4",
            frame4(&ipv4(GOOD_V4, NODE_V4, UDP, 0, &[], &datagram(&[1; 64]))),
        ),
        pass(
            "ICMP echo",
            frame4(&ipv4(GOOD_V4, NODE_V4, 1, 0, &[], &[8, 0, 0, 0, 0, 1, 0, 1])),
        ),
        pass(
            "DHCP from the unspecified address",
            frame4(&ipv4([0; 4], [255; 4], UDP, 0, &[], &datagram(&[1; 240]))),
        ),
        pass(
            "IPv4 options",
            frame4(&ipv4(GOOD_V4, NODE_V4, TCP, 0, &[1; 12], &syn)),
        ),
        pass(
            "one VLAN tag",
            ethernet(&[0x8100], 0x0800, &plain4(GOOD_V4, &syn)),
        ),
        pass(
            "two VLAN tags",
            ethernet(&[0x88a8, 0x8100], 0x0800, &plain4(GOOD_V4, &syn)),
        ),
        pass("TCP SYN over IPv6", frame6(&ipv6(GOOD_V6, NODE_V6, TCP, &syn))),
        pass(
            "IPv6 with one VLAN tag",
            ethernet(&[0x8100], 0x86dd, &ipv6(GOOD_V6, NODE_V6, TCP, &syn)),
        ),
        pass(
            "IPv6 hop-by-hop, routing, destination options",
            chain6(&[(0, 0, 0), (43, 2, 0), (60, 1, 0)], &syn),
        ),
        pass("as many extension headers as are walked", chain6(deepest, &syn)),
        pass("IPv6 authentication header", chain6(&[(51, 4, 0)], &syn)),
        pass("IPv6 atomic fragment", chain6(&[(44, 0, 0)], &syn)),
        pass(
            "IPv6 neighbour discovery from ::",
            frame6(&ipv6([0; 16], NODE_V6, 58, &[135, 0, 0, 0, 0, 0, 0, 0])),
        ),
        seen("ARP", ethernet(&[], 0x0806, &[0; 28]), Counter::EdgeNotIp),
        seen(
            "three VLAN tags",
            ethernet(&[0x88a8, 0x8100, 0x8100], 0x0800, &plain4(GOOD_V4, &syn)),
            Counter::EdgeDeep,
        ),
        seen(
            "too many extension headers",
            chain6(&deep, &syn),
            Counter::EdgeDeep,
        ),
        seen(
            "first IPv4 fragment",
            frame4(&ipv4(GOOD_V4, NODE_V4, TCP, 0x2000, &[], &syn)),
            Counter::EdgeFragment,
        ),
        seen(
            "later IPv4 fragment",
            frame4(&ipv4(GOOD_V4, NODE_V4, TCP, 0x00b9, &[], &[0; 8])),
            Counter::EdgeFragment,
        ),
        seen(
            "first IPv6 fragment",
            chain6(&[(44, 0, 1)], &syn),
            Counter::EdgeFragment,
        ),
        seen(
            "later IPv6 fragment",
            chain6(&[(44, 0, 0x0100)], &[0; 8]),
            Counter::EdgeFragment,
        ),
    ]
}

fn drops() -> Vec<Fixture> {
    let syn = tcp(SYN, 5, &[]);
    let denied = |name, frame| Fixture {
        name,
        frame,
        verdict: Counter::EdgeDropDenied,
        noticed: None,
    };
    let bad = |name, frame, noticed| Fixture {
        name,
        frame,
        verdict: Counter::EdgeDropMalformed,
        noticed: Some(noticed),
    };
    let good4 = frame4(&plain4(GOOD_V4, &syn));
    let good6 = frame6(&ipv6(GOOD_V6, NODE_V6, TCP, &syn));
    let from4 = |source| frame4(&plain4(source, &syn));
    let from6 = |source| frame6(&ipv6(source, NODE_V6, TCP, &syn));
    let flags = |flags| frame4(&plain4(GOOD_V4, &tcp(flags, 5, &[])));
    let mut loopback = [0; 16];
    loopback[15] = 1;
    let mut multicast = GOOD_V6;
    multicast[0] = 0xff;
    vec![
        denied("denied IPv4", from4(BAD_V4)),
        denied(
            "denied IPv4 fragment",
            frame4(&ipv4(BAD_V4, NODE_V4, TCP, 0x00b9, &[], &[0; 8])),
        ),
        denied(
            "denied IPv4 with impossible flags",
            frame4(&plain4(BAD_V4, &tcp(0, 5, &[]))),
        ),
        denied(
            "denied IPv4 behind two VLAN tags",
            ethernet(&[0x88a8, 0x8100], 0x0800, &plain4(BAD_V4, &syn)),
        ),
        denied("denied IPv6", from6(BAD_V6)),
        denied(
            "denied IPv6 UDP",
            frame6(&ipv6(BAD_V6, NODE_V6, UDP, &datagram(&[]))),
        ),
        bad("Ethernet header only", good4[..14].to_vec(), Counter::EdgeShort),
        bad("IPv4 header cut", good4[..30].to_vec(), Counter::EdgeShort),
        bad("IPv6 header cut", good6[..50].to_vec(), Counter::EdgeShort),
        bad(
            "TCP header cut",
            frame4(&plain4(GOOD_V4, &syn[..12]))[..46].to_vec(),
            Counter::EdgeShort,
        ),
        bad(
            "VLAN tag cut",
            ethernet(&[0x8100], 0x0800, &[])[..16].to_vec(),
            Counter::EdgeShort,
        ),
        bad(
            "IPv4 version 5",
            damaged(good4.clone(), 14, 0x55),
            Counter::EdgeHeader,
        ),
        bad(
            "IPv4 header length 4",
            damaged(good4.clone(), 14, 0x44),
            Counter::EdgeHeader,
        ),
        bad(
            "IPv6 version 4",
            damaged(good6.clone(), 14, 0x40),
            Counter::EdgeHeader,
        ),
        bad(
            "TCP data offset 4",
            damaged(good4.clone(), 46, 0x40),
            Counter::EdgeHeader,
        ),
        bad(
            "IPv4 longer than the frame",
            damaged(good4.clone(), 16, 0x7f),
            Counter::EdgeLength,
        ),
        bad(
            "IPv4 shorter than its header",
            damaged(good4.clone(), 17, 19),
            Counter::EdgeLength,
        ),
        bad(
            "IPv6 longer than the frame",
            damaged(good6.clone(), 18, 0x7f),
            Counter::EdgeLength,
        ),
        bad(
            "IPv6 extension header behind the end",
            chain6(&[(60, 200, 0)], &[]),
            Counter::EdgeShort,
        )
        .when_cut(14 + 40 + 8),
        bad(
            "TCP options behind the end",
            damaged(good4.clone(), 46, 0xf0),
            Counter::EdgeLength,
        ),
        bad(
            "UDP longer than the packet",
            frame4(&ipv4(GOOD_V4, NODE_V4, UDP, 0, &[], &udp(90, &[0; 8]))),
            Counter::EdgeLength,
        ),
        bad(
            "UDP length 7",
            frame4(&ipv4(GOOD_V4, NODE_V4, UDP, 0, &[], &udp(7, &[]))),
            Counter::EdgeLength,
        ),
        bad("TCP without flags", flags(0), Counter::EdgeFlags),
        bad("SYN and FIN", flags(3), Counter::EdgeFlags),
        bad("SYN and RST", flags(6), Counter::EdgeFlags),
        bad("FIN and RST", flags(5), Counter::EdgeFlags),
        bad("source = destination", from4(NODE_V4), Counter::EdgeAddress),
        bad("source 0.0.0.1", from4([0, 0, 0, 1]), Counter::EdgeAddress),
        bad("loopback source", from4([127, 0, 0, 1]), Counter::EdgeAddress),
        bad("multicast source", from4([239, 1, 1, 1]), Counter::EdgeAddress),
        bad("broadcast source", from4([255; 4]), Counter::EdgeAddress),
        bad("IPv6 source = destination", from6(NODE_V6), Counter::EdgeAddress),
        bad("IPv6 loopback source", from6(loopback), Counter::EdgeAddress),
        bad("IPv6 multicast source", from6(multicast), Counter::EdgeAddress),
        bad("IPv6 TCP from ::", from6([0; 16]), Counter::EdgeAddress),
    ]
}

impl Fixture {
    /// The frame cut to `length` bytes with its IPv6 payload length kept: what follows is an impossible length.
    fn when_cut(mut self, length: usize) -> Self {
        self.frame.truncate(length);
        self.noticed = Some(Counter::EdgeLength);
        self
    }
}
