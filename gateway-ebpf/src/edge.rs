//! `edge_drop`: which packets do not get past the uplink.
//!
//! Order: network header; prefixes that deny everything; the transport header; prefixes and bans that deny the gateway's
//! destinations; malformed; budgets of the source; budgets of the destination. A packet that is not understood is passed:
//! the stack is the judge of what this parser does not know. An allowed source meets only the checks of the packet itself
//! and the budgets of the destination.

use gateway_common::edge::{
    Budget, EDGE_DROP_ADDRESS, EDGE_DROP_FLAGS, EDGE_DROP_HEADER, EDGE_DROP_LENGTH, EDGE_DROP_SHORT,
    EDGE_SOURCES, EDGE_VIPS, EDGE_WHOLE_NODE, Limit, PREFIX_ALLOW, PREFIX_DENY, PREFIX_DENY_GATEWAY,
};
use gateway_common::{Counter, IPPROTO_TCP};

use crate::packet::{Packet, high, low};
use crate::parse::{self, Address, Oddity, Part};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
const ALL_FLAGS: u8 = 0x3f;

/// What happens to a packet, and what was noticed about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// One of the edge verdicts.
    pub verdict: Counter,
    /// The observation behind it, when there is one.
    pub noticed: Option<Counter>,
    /// Bytes up to the end of the IP datagram, link header included; 0 when that was not found out.
    pub bytes: u64,
}

impl Decision {
    /// Whether the packet goes on to the stack.
    #[inline(always)]
    pub fn passes(self) -> bool {
        self.verdict as u32 == Counter::EdgePass as u32
    }
}

/// What is known about addresses: the maps in the kernel, the same maps read from user space, or a table in a test.
pub trait Tables {
    /// Bit set of the `EDGE_*` flags of [`gateway_common::edge`].
    fn flags(&self) -> u32;
    /// Bit set of the `PREFIX_*` flags of the longest prefix that holds the source; 0 when none does.
    fn prefix(&self, source: &Address) -> u32;
    /// `PREFIX_DENY` or `PREFIX_DENY_GATEWAY` when the source is banned now; 0 when it is not.
    fn ban(&self, source: &Address) -> u32;
    /// Whether the destination is one of the gateway's.
    fn ours(&self, facts: &Facts) -> bool;
    /// Takes a packet (and a SYN) out of the source's budgets. The budget that had nothing left, if any.
    fn spend_source(&self, facts: &Facts) -> Option<Budget>;
    /// The same for the destination.
    fn spend_vip(&self, facts: &Facts) -> Option<Budget>;
    /// The same facts, of which a verifier knows nothing any more. Nobody else has to do anything.
    #[inline(always)]
    fn keep(&self, facts: Facts) -> Facts {
        facts
    }
}

/// Everything the decision needs of a frame, as plain numbers.
///
/// In the kernel it goes through memory that the verifier knows nothing about ([`Tables::keep`]): each of the thousand ways
/// through the headers knows its numbers exactly, and forgotten they look alike, so that what follows is walked once.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Bytes up to the end of the IP datagram; 0 when that was not found out.
    pub bytes: u64,
    /// Source address, words in network order; the first two for IPv4.
    pub source: [u16; 8],
    /// Destination address, the same.
    pub destination: [u16; 8],
    /// Source port, host order.
    pub source_port: u16,
    /// Destination port, host order.
    pub destination_port: u16,
    /// Protocol of the transport header.
    pub protocol: u8,
    /// TCP flags byte; 0 for UDP.
    pub tcp_flags: u8,
    /// Bit set of the `FACT_*` flags.
    pub known: u8,
    /// What kept the frame from being understood: an [`Oddity`] plus one, 0 for nothing.
    pub oddity: u8,
}

/// [`Facts::known`]: addresses and protocol.
pub const FACT_NETWORK: u8 = 1;
/// [`Facts::known`]: ports, and flags of TCP.
pub const FACT_TRANSPORT: u8 = 2;
/// [`Facts::known`]: the addresses are IPv6.
pub const FACT_V6: u8 = 4;
/// [`Facts::known`]: a part of a datagram.
pub const FACT_FRAGMENT: u8 = 8;

/// Reads a frame.
#[inline(always)]
pub fn read(packet: &impl Packet) -> Facts {
    let mut facts = Facts::default();
    let network = match parse::network(packet) {
        Ok(network) => network,
        Err(oddity) => {
            facts.oddity = oddity as u8 + 1;
            return facts;
        }
    };
    facts.known = FACT_NETWORK;
    if network.end != parse::END_UNKNOWN {
        facts.bytes = network.end as u64;
    }
    match (network.source, network.destination) {
        (Address::V4([a, b]), Address::V4([c, d])) => {
            facts.source[0] = a;
            facts.source[1] = b;
            facts.destination[0] = c;
            facts.destination[1] = d;
        }
        (Address::V6(source), Address::V6(destination)) => {
            facts.source = source;
            facts.destination = destination;
            facts.known |= FACT_V6;
        }
        _ => {}
    }
    facts.protocol = network.protocol;
    if network.part != Part::Whole {
        facts.known |= FACT_FRAGMENT;
    }
    match parse::transport(packet, &network) {
        Ok(Some(transport)) => {
            facts.known |= FACT_TRANSPORT;
            facts.source_port = transport.source_port;
            facts.destination_port = transport.destination_port;
            facts.tcp_flags = transport.flags;
        }
        Ok(None) => {}
        Err(oddity) => facts.oddity = oddity as u8 + 1,
    }
    facts
}

impl Facts {
    /// Source address.
    #[inline(always)]
    pub fn source(&self) -> Address {
        self.address(&self.source)
    }

    /// Destination address.
    #[inline(always)]
    pub fn destination(&self) -> Address {
        self.address(&self.destination)
    }

    #[inline(always)]
    fn address(&self, words: &[u16; 8]) -> Address {
        if self.is(FACT_V6) {
            Address::V6(*words)
        } else {
            Address::V4([words[0], words[1]])
        }
    }

    #[inline(always)]
    fn is(&self, fact: u8) -> bool {
        self.known & fact != 0
    }

    /// A SYN without ACK: the first segment of a connection.
    #[inline(always)]
    pub fn opens(&self) -> bool {
        self.protocol == IPPROTO_TCP && self.tcp_flags & (SYN | ACK) == SYN
    }

    /// The observation that keeps the frame from being understood.
    #[inline(always)]
    fn observation(&self) -> Option<Counter> {
        const KINDS: [Oddity; 5] = [
            Oddity::NotIp,
            Oddity::Short,
            Oddity::Header,
            Oddity::Length,
            Oddity::Deep,
        ];
        KINDS
            .into_iter()
            .find(|kind| *kind as u8 + 1 == self.oddity)
            .map(observation)
    }
}

/// The verdict for one frame.
#[inline(always)]
pub fn decide(packet: &impl Packet, tables: &impl Tables) -> Decision {
    judge(&tables.keep(read(packet)), tables)
}

#[inline(always)]
fn judge(facts: &Facts, tables: &impl Tables) -> Decision {
    let flags = tables.flags();
    let of = |verdict, noticed| Decision {
        verdict,
        noticed,
        bytes: facts.bytes,
    };
    let mut allowed = false;
    if facts.is(FACT_NETWORK) {
        let source = facts.source();
        let prefix = tables.prefix(&source);
        allowed = prefix & PREFIX_ALLOW != 0;
        let ban = if allowed { 0 } else { tables.ban(&source) };
        let scoped = (ban | prefix) & PREFIX_DENY_GATEWAY != 0 && !allowed;
        let ours = scoped && facts.is(FACT_TRANSPORT) && tables.ours(facts);
        let denies = |flags: u32| flags & PREFIX_DENY != 0 || (ours && flags & PREFIX_DENY_GATEWAY != 0);
        if !allowed && denies(prefix) {
            return of(Counter::EdgeDropDenied, None);
        }
        if denies(ban) {
            return of(Counter::EdgeDropBanned, None);
        }
    }
    let noticed = facts.observation().or_else(|| notice(facts));
    if let Some(noticed) = noticed
        && flags & drop_flag(noticed) != 0
    {
        return of(Counter::EdgeDropMalformed, Some(noticed));
    }
    if facts.is(FACT_TRANSPORT)
        && let Some(verdict) = spend(tables, facts, flags, allowed)
    {
        return of(verdict, noticed);
    }
    let seen = allowed.then_some(Counter::EdgeAllowed);
    of(Counter::EdgePass, noticed.or(seen))
}

/// Takes the packet out of the budgets that apply. The verdict when one of them had nothing left.
#[inline(always)]
fn spend(tables: &impl Tables, facts: &Facts, flags: u32, allowed: bool) -> Option<Counter> {
    if flags & EDGE_SOURCES != 0
        && !allowed
        && (flags & EDGE_WHOLE_NODE != 0 || tables.ours(facts))
        && let Some(budget) = tables.spend_source(facts)
    {
        return Some(match budget {
            Budget::Syn => Counter::EdgeDropSourceSyn,
            Budget::Packets => Counter::EdgeDropSourcePackets,
            Budget::Connections => Counter::EdgeDropSourceConnections,
        });
    }
    if flags & EDGE_VIPS != 0
        && let Some(budget) = tables.spend_vip(facts)
    {
        return Some(match budget {
            Budget::Syn => Counter::EdgeDropVipSyn,
            Budget::Packets => Counter::EdgeDropVipPackets,
            Budget::Connections => Counter::EdgeDropVipConnections,
        });
    }
    None
}

/// What has to be done with a bucket's schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spend {
    /// The bucket was full: the schedule starts from here.
    Start(u64),
    /// Another token is taken: the schedule moves on by so much. An addition and not a store, so that two CPUs at one time take
    /// two tokens.
    Advance(u64),
    /// No token is left.
    Refused,
}

/// One token of a bucket whose schedule is at `ahead`.
#[inline(always)]
pub fn take(ahead: u64, now: u64, limit: Limit) -> Spend {
    if ahead <= now {
        Spend::Start(now.wrapping_add(limit.period_ns))
    } else if ahead.wrapping_sub(now) > limit.burst_ns {
        Spend::Refused
    } else {
        Spend::Advance(limit.period_ns)
    }
}

/// Whether a bucket has a token, without taking it.
#[inline(always)]
pub fn has_token(ahead: u64, now: u64, limit: Limit) -> bool {
    limit.period_ns == 0 || ahead <= now || ahead.wrapping_sub(now) <= limit.burst_ns
}

/// The flag that drops what was noticed; 0 for what is always passed.
#[inline(always)]
pub fn drop_flag(noticed: Counter) -> u32 {
    match noticed {
        Counter::EdgeShort => EDGE_DROP_SHORT,
        Counter::EdgeHeader => EDGE_DROP_HEADER,
        Counter::EdgeLength => EDGE_DROP_LENGTH,
        Counter::EdgeFlags => EDGE_DROP_FLAGS,
        Counter::EdgeAddress => EDGE_DROP_ADDRESS,
        _ => 0,
    }
}

#[inline(always)]
fn observation(oddity: Oddity) -> Counter {
    match oddity {
        Oddity::NotIp => Counter::EdgeNotIp,
        Oddity::Short => Counter::EdgeShort,
        Oddity::Header => Counter::EdgeHeader,
        Oddity::Length => Counter::EdgeLength,
        Oddity::Deep => Counter::EdgeDeep,
    }
}

#[inline(always)]
fn notice(facts: &Facts) -> Option<Counter> {
    if impossible_source(facts) {
        return Some(Counter::EdgeAddress);
    }
    if facts.is(FACT_TRANSPORT) && facts.protocol == IPPROTO_TCP && impossible_flags(facts.tcp_flags) {
        return Some(Counter::EdgeFlags);
    }
    facts.is(FACT_FRAGMENT).then_some(Counter::EdgeFragment)
}

/// Flag sets that no stack sends (RFC 9293 §3.10.7 has no use for them): none at all, SYN with FIN or RST, FIN with RST.
#[inline(always)]
pub fn impossible_flags(flags: u8) -> bool {
    let flags = flags & ALL_FLAGS;
    flags == 0 || (flags & SYN != 0 && flags & (FIN | RST) != 0) || flags & (FIN | RST) == FIN | RST
}

/// Sources that may not appear on a link: RFC 1122 §3.2.1.3 (0/8, 127/8, multicast, broadcast), RFC 4291 §2.5.3, §2.7,
/// and a packet from its own destination. DHCP and duplicate-address detection use the unspecified address over UDP and
/// ICMPv6, so it is impossible for TCP only.
#[inline(always)]
fn impossible_source(facts: &Facts) -> bool {
    let tcp = facts.protocol == IPPROTO_TCP;
    match (facts.source(), facts.destination()) {
        (Address::V4(source), Address::V4(destination)) => {
            let first = high(source[0]);
            first == 127
                || (224..240).contains(&first)
                || source == [0xffff, 0xffff]
                || (tcp && (first == 0 || source == destination))
        }
        (Address::V6(source), Address::V6(destination)) => {
            let [a, b, c, d, e, f, g, h] = source;
            let rest_zero = a | b | c | d | e | f | g == 0;
            high(a) == 0xff
                || (rest_zero && high(h) == 0 && low(h) == 1)
                || (tcp && ((rest_zero && h == 0) || source == destination))
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "edge_tests.rs"]
mod tests;
