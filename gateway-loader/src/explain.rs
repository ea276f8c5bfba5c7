//! What would happen to a packet, and why: the decisions of the programs' own library, asked with the live maps.
//!
//! Nothing is spent and nothing counted. A limit that has a token now may have none when the packet comes.

use std::net::{IpAddr, SocketAddr};

use gateway_common::edge::{Budget, PREFIX_ALLOW, PREFIX_DENY, rule_name};
use gateway_common::steer::{FAMILY_V4, FAMILY_V6};
use gateway_common::{Counter, Limit, SteerKey, v4_mapped};
use gateway_ebpf::edge::{self, Facts, Tables, has_token};
use gateway_ebpf::packet::SlicePacket;
use gateway_ebpf::parse::Address;
use gateway_ebpf::steer::{Destination, group_of};

use crate::bans::Ban;
use crate::clock::monotonic_ns;
use crate::edge::{Edge, budget_name};
use crate::steer::{Applied, Protocol};
use crate::workers::Group;

/// A packet to ask about: the first of a connection or a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Source; port 0 stands for any.
    pub source: SocketAddr,
    /// Destination.
    pub destination: SocketAddr,
    /// Transport protocol.
    pub protocol: Protocol,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// `edge_drop`'s verdict, whether or not it is attached.
    pub verdict: Counter,
    /// What it noticed.
    pub noticed: Option<Counter>,
    /// Why, one sentence each, in the order of the decision.
    pub reasons: Vec<String>,
    /// Group of sockets that `vip_lookup` names.
    pub group: Option<Group>,
    /// Whether the gateway has bound the destination or has it steered.
    pub ours: bool,
}

/// The maps as the library asks for them.
struct Live<'a> {
    edge: &'a Edge,
    steering: &'a Applied,
}

impl Tables for Live<'_> {
    fn flags(&self) -> u32 {
        self.edge.written().flags
    }

    fn prefix(&self, source: &Address) -> u32 {
        let found = self.edge.prefixes.longest(ip(source));
        found.map_or(0, |(_, entry)| entry.flags)
    }

    fn ban(&self, source: &Address) -> u32 {
        self.edge.bans.of(ip(source)).map_or(0, |ban| flags(&ban))
    }

    fn ours(&self, facts: &Facts) -> bool {
        let key = key(facts);
        self.edge.owns(key) || group(self.steering, &key, ip(&facts.destination()).is_ipv6()).is_some()
    }

    fn spend_source(&self, facts: &Facts) -> Option<Budget> {
        let ahead = self.edge.source(ip(&facts.source())).unwrap_or_default().ahead;
        empty(&self.edge.written().source, &ahead, facts.opens())
    }

    fn spend_vip(&self, facts: &Facts) -> Option<Budget> {
        let vip = self.edge.vip(key(facts))?;
        empty(&vip.limits, &vip.ahead, facts.opens())
    }
}

/// The budget that has nothing left, in the order in which the program asks.
fn empty(limits: &[Limit; 3], ahead: &[u64; 3], syn: bool) -> Option<Budget> {
    let now = monotonic_ns();
    let [of_syn, of_packets, of_connections] = limits;
    let [ahead_syn, ahead_packets, ahead_connections] = *ahead;
    if syn && !has_token(ahead_connections, now, *of_connections) {
        Some(Budget::Connections)
    } else if syn && !has_token(ahead_syn, now, *of_syn) {
        Some(Budget::Syn)
    } else {
        (!has_token(ahead_packets, now, *of_packets)).then_some(Budget::Packets)
    }
}

fn flags(ban: &Ban) -> u32 {
    if ban.whole_node {
        PREFIX_DENY
    } else {
        gateway_common::edge::PREFIX_DENY_GATEWAY
    }
}

fn ip(address: &Address) -> IpAddr {
    let mut octets = [0; 16];
    let words: &[u16] = match address {
        Address::V4(words) => words,
        Address::V6(words) => words,
    };
    for (pair, word) in octets.chunks_exact_mut(2).zip(words) {
        pair.copy_from_slice(&word.to_ne_bytes());
    }
    match address {
        Address::V4(_) => IpAddr::from([octets[0], octets[1], octets[2], octets[3]]),
        Address::V6(_) => IpAddr::from(octets),
    }
}

fn key(facts: &Facts) -> SteerKey {
    destination(ip(&facts.destination()), facts.destination_port, facts.protocol)
}

fn destination(address: IpAddr, port: u16, protocol: u8) -> SteerKey {
    SteerKey {
        address: match address {
            IpAddr::V4(v4) => v4_mapped(v4.octets()),
            IpAddr::V6(v6) => v6.octets(),
        },
        port,
        protocol,
        pad: 0,
    }
}

/// What `vip_lookup` finds.
fn group(steering: &Applied, key: &SteerKey, v6: bool) -> Option<u32> {
    if let Some(group) = steering.exact(key) {
        return Some(group);
    }
    let destination = Destination {
        address: key.address,
        port: key.port,
        protocol: key.protocol,
        family: if v6 { FAMILY_V6 } else { FAMILY_V4 },
    };
    group_of(&steering.longest(&destination.prefix())?, key.port)
}

pub(crate) fn explain(edge: &Edge, steering: &Applied, question: &Question) -> Explained {
    let live = Live { edge, steering };
    let decision = edge::decide(&SlicePacket(&frame(question)), &live);
    let (to, port) = (
        question.destination.ip().to_canonical(),
        question.destination.port(),
    );
    let key = destination(to, port, question.protocol.number());
    let group = group(steering, &key, to.is_ipv6());
    let mut reasons = about_source(edge, question.source.ip().to_canonical());
    if let Some(vip) = edge.vip(key) {
        let limited = [Budget::Syn, Budget::Packets, Budget::Connections];
        let limited = limited
            .into_iter()
            .filter(|budget| vip.limits[*budget as usize].period_ns != 0)
            .map(|budget| rate(budget, vip.limits[budget as usize]))
            .collect::<Vec<_>>()
            .join(", ");
        reasons.push(format!("the destination has a budget of {limited}"));
    }
    reasons.push(decision.verdict.meaning().to_owned());
    Explained {
        verdict: decision.verdict,
        noticed: decision.noticed,
        reasons,
        ours: group.is_some() || edge.owns(key),
        group: group.map(Group),
    }
}

fn about_source(edge: &Edge, source: IpAddr) -> Vec<String> {
    let mut reasons = Vec::new();
    match edge.prefixes.longest(source) {
        Some((net, entry)) => {
            let what = if entry.flags & PREFIX_ALLOW != 0 {
                "allowed"
            } else if entry.flags & PREFIX_DENY != 0 {
                "denied"
            } else {
                "denied at the gateway's destinations"
            };
            reasons.push(format!(
                "{net} is the longest prefix of {source}: {what} by {}",
                rule_name(entry.rule)
            ));
        }
        None => reasons.push(format!("{source} is in no prefix")),
    }
    if let Some(ban) = edge.bans.of(source) {
        let scope = if ban.whole_node {
            "for the whole node"
        } else {
            "at the gateway's destinations"
        };
        reasons.push(format!(
            "{source} is banned {scope} for {} s more by {}: {}",
            ban.left.as_secs(),
            rule_name(ban.rule),
            ban.reason
        ));
    }
    reasons
}

fn rate(budget: Budget, limit: Limit) -> String {
    format!(
        "{} {} a second",
        1_000_000_000 / limit.period_ns.max(1),
        budget_name(budget)
    )
}

/// The start of a frame in one line: `192.0.2.1:40000 > 198.51.100.1:443 tcp S`, as far as it can be read.
pub fn describe(bytes: &[u8]) -> String {
    let facts = edge::read(&SlicePacket(bytes));
    if facts.known & edge::FACT_NETWORK == 0 {
        return format!("not readable ({} bytes)", bytes.len());
    }
    let (source, destination) = (ip(&facts.source()), ip(&facts.destination()));
    let protocol = match facts.protocol {
        gateway_common::IPPROTO_TCP => "tcp".to_owned(),
        gateway_common::IPPROTO_UDP => "udp".to_owned(),
        1 | 58 => "icmp".to_owned(),
        other => format!("protocol {other}"),
    };
    if facts.known & edge::FACT_TRANSPORT == 0 {
        return format!("{source} > {destination} {protocol}");
    }
    let (source, destination) = (
        SocketAddr::new(source, facts.source_port),
        SocketAddr::new(destination, facts.destination_port),
    );
    // As packet captures spell them.
    let letters = [(1, 'F'), (2, 'S'), (4, 'R'), (8, 'P'), (16, '.'), (32, 'U')];
    let flags: String = letters
        .iter()
        .filter(|(bit, _)| facts.tcp_flags & bit != 0)
        .map(|(_, letter)| *letter)
        .collect();
    let space = if flags.is_empty() { "" } else { " " };
    format!("{source} > {destination} {protocol}{space}{flags}")
}

/// An Ethernet frame with the smallest packet of the question's kind.
fn frame(question: &Question) -> Vec<u8> {
    let mut transport = Vec::new();
    transport.extend_from_slice(&question.source.port().to_be_bytes());
    transport.extend_from_slice(&question.destination.port().to_be_bytes());
    match question.protocol {
        // SYN, data offset five words.
        Protocol::Tcp => {
            transport.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0])
        }
        Protocol::Udp => transport.extend_from_slice(&[0, 8, 0, 0]),
    }
    let (source, destination) = (
        question.source.ip().to_canonical(),
        question.destination.ip().to_canonical(),
    );
    let length = transport.len() as u16;
    let protocol = question.protocol.number();
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            frame.extend_from_slice(&[0x08, 0x00, 0x45, 0]);
            frame.extend_from_slice(&(20 + length).to_be_bytes());
            frame.extend_from_slice(&[0, 1, 0x40, 0, 64, protocol, 0, 0]);
            frame.extend_from_slice(&source.octets());
            frame.extend_from_slice(&destination.octets());
        }
        (source, destination) => {
            let octets = |address: IpAddr| match address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                IpAddr::V6(v6) => v6.octets(),
            };
            frame.extend_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend_from_slice(&length.to_be_bytes());
            frame.extend_from_slice(&[protocol, 64]);
            frame.extend_from_slice(&octets(source));
            frame.extend_from_slice(&octets(destination));
        }
    }
    frame.extend_from_slice(&transport);
    frame.resize(frame.len().max(60), 0);
    frame
}

#[cfg(test)]
mod tests {
    use gateway_ebpf::parse;

    use super::*;

    #[test]
    fn frames_are_what_was_asked_about() {
        let check = |source: &str, destination: &str, protocol| {
            let question = Question {
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
                protocol,
            };
            let frame = frame(&question);
            let packet = SlicePacket(&frame);
            let network = parse::network(&packet).unwrap();
            let transport = parse::transport(&packet, &network).unwrap().unwrap();
            assert_eq!(ip(&network.source), question.source.ip());
            assert_eq!(ip(&network.destination), question.destination.ip());
            assert_eq!(network.protocol, protocol.number());
            assert_eq!(transport.source_port, question.source.port());
            assert_eq!(transport.destination_port, question.destination.port());
        };
        check("192.0.2.1:40000", "198.51.100.1:443", Protocol::Tcp);
        check("192.0.2.1:1", "198.51.100.1:65535", Protocol::Udp);
        check("[2001:db8::1]:2", "[2001:db8::2]:443", Protocol::Tcp);
    }

    #[test]
    fn frames_in_one_line() {
        let check = |source: &str, destination: &str, protocol, expected: &str| {
            let question = Question {
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
                protocol,
            };
            assert_eq!(describe(&frame(&question)), expected);
        };
        let (from, to) = ("192.0.2.1:40000", "198.51.100.1:443");
        check(
            from,
            to,
            Protocol::Tcp,
            "192.0.2.1:40000 > 198.51.100.1:443 tcp S",
        );
        check(from, to, Protocol::Udp, "192.0.2.1:40000 > 198.51.100.1:443 udp");
        check(
            "[2001:db8::1]:2",
            "[2001:db8::2]:443",
            Protocol::Tcp,
            "[2001:db8::1]:2 > [2001:db8::2]:443 tcp S",
        );
        assert_eq!(describe(&[0; 20]), "not readable (20 bytes)");
    }

    #[test]
    fn the_budget_that_the_program_would_find_empty_is_named() {
        let tight = Limit::per_second(1, 1);
        let (far, none) = (monotonic_ns() + 60_000_000_000, Limit::default());
        let check = |limits, ahead, syn, expected| assert_eq!(empty(&limits, &ahead, syn), expected);
        check([tight; 3], [0; 3], true, None);
        check([tight; 3], [far; 3], true, Some(Budget::Connections));
        check([tight; 3], [far, far, 0], true, Some(Budget::Syn));
        check([tight; 3], [far; 3], false, Some(Budget::Packets));
        check([none; 3], [far; 3], true, None);
    }
}
