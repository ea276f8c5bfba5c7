//! A script of frames with what must become of each, in order: host tests run it through the model, the loader's tests
//! through the loaded program.
//!
//! Every frame and every expected frame is built whole with checksums summed over all of it, so the changes by difference
//! are held against something else than themselves.

use std::net::{IpAddr, SocketAddr};

use gateway_common::Counter;

use super::model::Became;
use crate::fixtures::{ethernet, extensions};

/// TCP with destination NAT; its backend is [`BACKEND`] with port 8080.
pub const VIP: &str = "203.0.113.10";
/// The same for IPv6.
pub const VIP6: &str = "2001:db8:100::10";
/// The backend.
pub const BACKEND: &str = "198.51.100.10";
/// The same for IPv6.
pub const BACKEND6: &str = "2001:db8:2::10";
/// The node towards the backends, for full NAT.
pub const NODE: &str = "198.51.100.1";
/// The same for IPv6.
pub const NODE6: &str = "2001:db8:2::1";
/// The only source port of full NAT.
pub const NAT_PORT: u16 = 61_000;
/// The services: port, whether UDP, port of the backend (0: there is none), whether full NAT.
pub const SERVICES: [(u16, bool, u16, bool); 4] = [
    (80, false, 8080, false),
    (53, true, 5353, false),
    (443, false, 8443, true),
    (90, false, 0, false),
];

const CLIENT: &str = "192.0.2.2";
const CLIENT6: &str = "2001:db8:1::2";
const ROUTER: &str = "192.0.2.254";
const ROUTER6: &str = "2001:db8:1::254";
const TCP: u8 = 6;
const UDP: u8 = 17;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// One frame and what must become of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// What the frame is.
    pub name: &'static str,
    /// The frame.
    pub frame: Vec<u8>,
    /// What it counts as.
    pub became: Became,
    /// The frame afterwards.
    pub after: Vec<u8>,
}

/// One packet in parts.
#[derive(Clone, Debug)]
pub struct Parts {
    source: SocketAddr,
    destination: SocketAddr,
    protocol: u8,
    flags: u8,
    hops: u8,
    payload: Vec<u8>,
    /// IPv4 options or IPv6 extension headers.
    options: bool,
    tags: &'static [u16],
    no_checksum: bool,
}

/// A TCP segment.
pub fn tcp(source: &str, destination: &str, flags: u8, payload: &[u8]) -> Parts {
    Parts {
        source: source.parse().unwrap_or(SocketAddr::from(([0; 4], 0))),
        destination: destination.parse().unwrap_or(SocketAddr::from(([0; 4], 0))),
        protocol: TCP,
        flags,
        hops: 64,
        payload: payload.to_vec(),
        options: false,
        tags: &[],
        no_checksum: false,
    }
}

/// A UDP datagram.
pub fn udp(source: &str, destination: &str, payload: &[u8]) -> Parts {
    Parts {
        protocol: UDP,
        ..tcp(source, destination, 0, payload)
    }
}

impl Parts {
    /// The same packet with other ends and one hop less: what it must become.
    fn moved(&self, source: &str, destination: &str) -> Self {
        let other = tcp(source, destination, 0, &[]);
        Self {
            source: other.source,
            destination: other.destination,
            hops: self.hops - 1,
            ..self.clone()
        }
    }

    /// The transport segment with its checksum.
    fn transport(&self) -> Vec<u8> {
        let mut segment = Vec::new();
        segment.extend_from_slice(&self.source.port().to_be_bytes());
        segment.extend_from_slice(&self.destination.port().to_be_bytes());
        let at = if self.protocol == TCP {
            segment.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0x50, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
            16
        } else {
            segment.extend_from_slice(&(8 + self.payload.len() as u16).to_be_bytes());
            segment.extend_from_slice(&[0, 0]);
            6
        };
        segment.extend_from_slice(&self.payload);
        if !self.no_checksum {
            let sum = pseudo_checksum(self.source.ip(), self.destination.ip(), self.protocol, &segment);
            let sum = if sum == 0 && self.protocol == UDP {
                0xffff
            } else {
                sum
            };
            segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        segment
    }

    /// The IP packet.
    pub fn packet(&self) -> Vec<u8> {
        let transport = self.transport();
        let (first, rest) = if self.source.is_ipv6() && self.options {
            extensions(&[(60, 0, 0), (43, 0, 0)], self.protocol, &transport)
        } else {
            (self.protocol, transport)
        };
        let options: &[u8] = if self.options { &[1, 1, 1, 1] } else { &[] };
        ip(
            self.source.ip(),
            self.destination.ip(),
            first,
            self.hops,
            0x4000,
            options,
            &rest,
        )
    }

    /// The frame.
    pub fn frame(&self) -> Vec<u8> {
        framed(self.tags, &self.packet())
    }
}

fn framed(tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let ethertype = if packet[0] >> 4 == 4 { 0x0800 } else { 0x86dd };
    ethernet(tags, ethertype, packet)
}

/// An IP packet of either family; `fragment` and `options` are for IPv4.
fn ip(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    hops: u8,
    fragment: u16,
    options: &[u8],
    rest: &[u8],
) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut packet = crate::fixtures::ipv4(
                source.octets(),
                destination.octets(),
                protocol,
                fragment,
                options,
                rest,
            );
            packet[8] = hops;
            let header = 20 + options.len();
            let sum = checksum(&packet[..header]);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
            packet
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut packet = crate::fixtures::ipv6(source.octets(), destination.octets(), protocol, rest);
            packet[7] = hops;
            packet
        }
        _ => Vec::new(),
    }
}

fn sum(bytes: &[u8]) -> u32 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    words.sum()
}

fn finish(mut sum: u32) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn checksum(bytes: &[u8]) -> u16 {
    finish(sum(bytes))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The checksum of a segment under its pseudo header, summed over all of it.
pub fn pseudo_checksum(source: IpAddr, destination: IpAddr, protocol: u8, segment: &[u8]) -> u16 {
    let header = sum(&octets(source)) + sum(&octets(destination));
    finish(header + u32::from(protocol) + segment.len() as u32 + sum(segment))
}

/// An ICMP error of `kind` and `code` about a packet, cut as a router of old cuts it.
fn error(from: &str, to: &str, hops: u8, kind: [u8; 2], mtu: u16, about: &Parts) -> Vec<u8> {
    let (from, to): (IpAddr, IpAddr) = match (from.parse(), to.parse()) {
        (Ok(from), Ok(to)) => (from, to),
        _ => return Vec::new(),
    };
    let quoted = about.packet();
    let header = if from.is_ipv4() { 20 } else { 40 };
    let mut message = vec![kind[0], kind[1], 0, 0, 0, 0];
    message.extend_from_slice(&mtu.to_be_bytes());
    message.extend_from_slice(&quoted[..header + 8]);
    let protocol = if from.is_ipv4() { 1 } else { 58 };
    let sum = if from.is_ipv4() {
        checksum(&message)
    } else {
        pseudo_checksum(from, to, protocol, &message)
    };
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    framed(&[], &ip(from, to, protocol, hops, 0, &[], &message))
}

fn forwarded(name: &'static str, before: &Parts, source: &str, destination: &str) -> Step {
    Step {
        name,
        frame: before.frame(),
        became: Became::Forwarded(Counter::L4Forward),
        after: before.moved(source, destination).frame(),
    }
}

fn left(name: &'static str, frame: Vec<u8>, became: Became) -> Step {
    Step {
        name,
        after: frame.clone(),
        frame,
        became,
    }
}

/// The script.
pub fn script() -> Vec<Step> {
    let mut steps = tcp4();
    steps.extend(udp4());
    steps.extend(errors4());
    steps.extend(full_nat4());
    steps.extend(refused4());
    steps.extend(v6());
    steps
}

fn tcp4() -> Vec<Step> {
    let (client, vip, backend) = ("192.0.2.2:40000", "203.0.113.10:80", "198.51.100.10:8080");
    let up = |flags, payload: &[u8]| tcp(client, vip, flags, payload);
    let down = |flags, payload: &[u8]| tcp(backend, client, flags, payload);
    let tagged = |tags| Parts {
        tags,
        ..up(ACK, b"tagged")
    };
    let options = Parts {
        options: true,
        ..up(ACK, b"options")
    };
    vec![
        forwarded("SYN", &up(SYN, &[]), client, backend),
        forwarded("SYN again", &up(SYN, &[]), client, backend),
        forwarded("SYN and ACK", &down(SYN | ACK, &[]), vip, client),
        forwarded("ACK", &up(ACK, &[]), client, backend),
        forwarded("data", &up(ACK, &[0x5a; 1000]), client, backend),
        forwarded("data of odd length", &up(ACK, &[0xa5; 333]), client, backend),
        forwarded("answer", &down(ACK, &[0x11; 1200]), vip, client),
        forwarded("IPv4 options", &options, client, backend),
        forwarded("one tag", &tagged(&[0x8100]), client, backend),
        forwarded("two tags", &tagged(&[0x88a8, 0x8100]), client, backend),
        forwarded("FIN", &up(FIN | ACK, &[]), client, backend),
        forwarded("FIN of the backend", &down(FIN | ACK, &[]), vip, client),
        forwarded("last ACK", &up(ACK, &[]), client, backend),
        forwarded("SYN on the same tuple", &up(SYN, &[]), client, backend),
        forwarded("reset of the backend", &down(RST | ACK, &[]), vip, client),
    ]
}

fn udp4() -> Vec<Step> {
    let (client, vip, backend) = ("192.0.2.2:40001", "203.0.113.10:53", "198.51.100.10:5353");
    let bare = Parts {
        no_checksum: true,
        ..udp(client, vip, b"no checksum")
    };
    let query = udp(client, vip, &[7; 64]);
    let mut steps = vec![
        forwarded("datagram", &query, client, backend),
        forwarded("datagram without checksum", &bare, client, backend),
        forwarded(
            "answering datagram",
            &udp(backend, client, b"answer"),
            vip,
            client,
        ),
        forwarded("second datagram", &query, client, backend),
    ];
    // 1,480 bytes of the segment in the first fragment, the rest in the second.
    let large = udp(client, vip, &[9; 2_000]);
    let moved = large.moved(client, backend);
    let fragment = |parts: &Parts, first: bool| {
        let all = parts.transport();
        let (bytes, field) = if first {
            (&all[..1480], 0x2000)
        } else {
            (&all[1480..], 185)
        };
        framed(
            &[],
            &ip(
                parts.source.ip(),
                parts.destination.ip(),
                UDP,
                parts.hops,
                field,
                &[],
                bytes,
            ),
        )
    };
    let went = |name, first| Step {
        name,
        frame: fragment(&large, first),
        became: Became::Forwarded(Counter::L4Forward),
        after: fragment(&moved, first),
    };
    steps.push(left(
        "later fragment first",
        fragment(&large, false),
        Became::Dropped(Counter::L4DropFragment),
    ));
    steps.push(went("first fragment", true));
    steps.push(went("later fragment", false));
    steps
}

fn errors4() -> Vec<Step> {
    let (client, vip, backend) = ("192.0.2.2:40000", "203.0.113.10:80", "198.51.100.10:8080");
    // A router on the client's side about what the client was sent; quoted as it left the node.
    let down = tcp(vip, client, ACK, &[1; 64]);
    let quoted_down = tcp(backend, client, ACK, &[1; 64]);
    // The backend itself about what it was sent.
    let up = tcp(client, backend, ACK, &[2; 64]);
    let quoted_up = tcp(client, vip, ACK, &[2; 64]);
    // The quoted transport checksum is left alone, so both are cut before it.
    let step = |name, frame, after| Step {
        name,
        frame,
        became: Became::Forwarded(Counter::L4Icmp),
        after,
    };
    vec![
        step(
            "fragmentation needed towards the backend",
            error(ROUTER, VIP, 64, [3, 4], 1400, &down),
            error(ROUTER, BACKEND, 63, [3, 4], 1400, &quoted_down),
        ),
        step(
            "time exceeded towards the backend",
            error(ROUTER, VIP, 64, [11, 0], 0, &down),
            error(ROUTER, BACKEND, 63, [11, 0], 0, &quoted_down),
        ),
        step(
            "port unreachable from the backend",
            error(BACKEND, CLIENT, 64, [3, 3], 0, &up),
            error(VIP, CLIENT, 63, [3, 3], 0, &quoted_up),
        ),
        left(
            "an MTU that no path has",
            error(ROUTER, VIP, 64, [3, 4], 300, &down),
            Became::Dropped(Counter::L4DropMtu),
        ),
        left(
            "an error about no flow",
            error(
                ROUTER,
                VIP,
                64,
                [3, 4],
                1400,
                &tcp("203.0.113.10:80", "192.0.2.9:1", ACK, &[]),
            ),
            Became::Passed(Some(Counter::L4NotService)),
        ),
    ]
}

fn full_nat4() -> Vec<Step> {
    let (client, vip, node, backend) = (
        "192.0.2.2:40002",
        "203.0.113.10:443",
        "198.51.100.1:61000",
        "198.51.100.10:8443",
    );
    let down = tcp(node, backend, ACK, &[3; 64]);
    let quoted = tcp(client, vip, ACK, &[3; 64]);
    vec![
        forwarded("SYN with full NAT", &tcp(client, vip, SYN, &[]), node, backend),
        forwarded("its answer", &tcp(backend, node, SYN | ACK, &[]), vip, client),
        forwarded("its ACK", &tcp(client, vip, ACK, b"full"), node, backend),
        forwarded("its data", &tcp(backend, node, ACK, b"answer"), vip, client),
        Step {
            name: "an error from the backend with full NAT",
            frame: error(BACKEND, NODE, 64, [3, 3], 0, &down),
            became: Became::Forwarded(Counter::L4Icmp),
            after: error(VIP, CLIENT, 63, [3, 3], 0, &quoted),
        },
        left(
            "no source port left",
            tcp("192.0.2.3:40002", vip, SYN, &[]).frame(),
            Became::Dropped(Counter::L4DropNoPort),
        ),
    ]
}

fn refused4() -> Vec<Step> {
    let to = |port: u16, flags| tcp("192.0.2.3:40003", &format!("{VIP}:{port}"), flags, &[]);
    let last_hop = Parts {
        hops: 1,
        ..to(80, SYN)
    };
    let mut malformed = to(80, SYN).frame();
    malformed[14 + 20 + 12] = 0x40;
    let echo = ip(
        IpAddr::from([192, 0, 2, 3]),
        IpAddr::from([203, 0, 113, 10]),
        1,
        64,
        0,
        &[],
        &[8, 0, 0, 0, 0, 1, 0, 1],
    );
    vec![
        left(
            "a port without service",
            to(81, SYN).frame(),
            Became::Passed(Some(Counter::L4NotService)),
        ),
        left(
            "another address",
            tcp("192.0.2.3:1", "192.0.2.77:80", SYN, &[]).frame(),
            Became::Passed(None),
        ),
        left(
            "a reset of nothing",
            to(80, RST).frame(),
            Became::Dropped(Counter::L4DropNoFlow),
        ),
        left(
            "a service without backends",
            to(90, SYN).frame(),
            Became::Dropped(Counter::L4DropNoBackend),
        ),
        left(
            "the last hop",
            last_hop.frame(),
            Became::Dropped(Counter::L4DropTtl),
        ),
        left(
            "TCP data offset 4",
            malformed,
            Became::Dropped(Counter::L4DropMalformed),
        ),
        left("echo to the address", framed(&[], &echo), Became::Passed(None)),
        left("ARP", ethernet(&[], 0x0806, &[0; 28]), Became::Passed(None)),
        left(
            "GRE to the address",
            framed(
                &[],
                &ip(
                    IpAddr::from([192, 0, 2, 3]),
                    IpAddr::from([203, 0, 113, 10]),
                    47,
                    64,
                    0,
                    &[],
                    &[0; 16],
                ),
            ),
            Became::Passed(Some(Counter::L4NotService)),
        ),
    ]
}

fn v6() -> Vec<Step> {
    let (client, vip, backend) = (
        "[2001:db8:1::2]:40000",
        "[2001:db8:100::10]:80",
        "[2001:db8:2::10]:8080",
    );
    let node = "[2001:db8:2::1]:61000";
    let (nat_vip, nat_backend) = ("[2001:db8:100::10]:443", "[2001:db8:2::10]:8443");
    let options = Parts {
        options: true,
        ..tcp(client, vip, ACK, b"options")
    };
    let down = tcp(vip, client, ACK, &[1; 64]);
    let quoted = tcp(backend, client, ACK, &[1; 64]);
    let last_hop = Parts {
        hops: 1,
        ..tcp("[2001:db8:1::3]:1", vip, SYN, &[])
    };
    vec![
        forwarded("IPv6 SYN", &tcp(client, vip, SYN, &[]), client, backend),
        forwarded(
            "IPv6 SYN and ACK",
            &tcp(backend, client, SYN | ACK, &[]),
            vip,
            client,
        ),
        forwarded("IPv6 data", &tcp(client, vip, ACK, &[5; 777]), client, backend),
        forwarded("IPv6 extension headers", &options, client, backend),
        forwarded(
            "IPv6 datagram",
            &udp(client, "[2001:db8:100::10]:53", b"q"),
            client,
            "[2001:db8:2::10]:5353",
        ),
        Step {
            name: "packet too big towards the backend",
            frame: error(ROUTER6, VIP6, 64, [2, 0], 1400, &down),
            became: Became::Forwarded(Counter::L4Icmp),
            after: error(ROUTER6, BACKEND6, 63, [2, 0], 1400, &quoted),
        },
        left(
            "an IPv6 MTU that no path has",
            error(ROUTER6, VIP6, 64, [2, 0], 1000, &down),
            Became::Dropped(Counter::L4DropMtu),
        ),
        forwarded(
            "IPv6 SYN with full NAT",
            &tcp(client, nat_vip, SYN, &[]),
            node,
            nat_backend,
        ),
        forwarded(
            "its IPv6 answer",
            &tcp(nat_backend, node, SYN | ACK, &[]),
            nat_vip,
            client,
        ),
        left(
            "the last IPv6 hop",
            last_hop.frame(),
            Became::Dropped(Counter::L4DropTtl),
        ),
        left(
            "IPv6 neighbour discovery",
            framed(
                &[],
                &ip(
                    IpAddr::V6(CLIENT6.parse().unwrap_or(std::net::Ipv6Addr::UNSPECIFIED)),
                    IpAddr::V6(VIP6.parse().unwrap_or(std::net::Ipv6Addr::UNSPECIFIED)),
                    58,
                    255,
                    0,
                    &[],
                    &[135, 0, 0, 0, 0, 0, 0, 0],
                ),
            ),
            Became::Passed(None),
        ),
    ]
}

/// A SYN from one of many clients, for floods and benches.
pub fn syn_of(client: u32) -> Vec<u8> {
    let source = SocketAddr::from((
        std::net::Ipv4Addr::from(0x0a00_0000 + (client >> 4)),
        1024 + (client & 15) as u16,
    ));
    tcp(&source.to_string(), &format!("{VIP}:80"), SYN, &[]).frame()
}
