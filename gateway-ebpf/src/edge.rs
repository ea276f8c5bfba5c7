//! `edge_drop`: which packets do not get past the uplink.
//!
//! Order: network header, denied source, then the checks that need the transport header. A packet that is not
//! understood is passed: the stack is the judge of what this parser does not know.

use gateway_common::Counter;
use gateway_common::config::EDGE_DROP_MALFORMED;

use crate::packet::{Packet, high, low};
use crate::parse::{self, Address, Network, Oddity, Part, Transport};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ALL_FLAGS: u8 = 0x3f;

/// What happens to a packet, and what was noticed about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// One of the three edge verdicts.
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

/// Looks a source address up in the denied prefixes.
pub trait Denied {
    /// Whether the address is in a denied prefix.
    fn denied(&self, source: &Address) -> bool;
}

/// The verdict for one frame. `flags` is the bit set of `EDGE_*` of [`gateway_common::config`].
#[inline(always)]
pub fn decide(packet: &impl Packet, denied: &impl Denied, flags: u32) -> Decision {
    let network = match parse::network(packet) {
        Ok(network) => network,
        Err(oddity) => return judge(observation(oddity), flags, 0),
    };
    let bytes = if network.end == parse::END_UNKNOWN {
        0
    } else {
        network.end as u64
    };
    if denied.denied(&network.source) {
        return Decision {
            verdict: Counter::EdgeDropDenied,
            noticed: None,
            bytes,
        };
    }
    match parse::transport(packet, &network) {
        Err(oddity) => judge(observation(oddity), flags, bytes),
        Ok(transport) => match notice(&network, transport) {
            Some(noticed) => judge(noticed, flags, bytes),
            None => Decision {
                verdict: Counter::EdgePass,
                noticed: None,
                bytes,
            },
        },
    }
}

/// The verdict after something was noticed: dropped when it is malformed and dropping is on.
#[inline(always)]
fn judge(noticed: Counter, flags: u32, bytes: u64) -> Decision {
    let malformed = matches!(
        noticed,
        Counter::EdgeShort
            | Counter::EdgeHeader
            | Counter::EdgeLength
            | Counter::EdgeFlags
            | Counter::EdgeAddress
    );
    let drop = malformed && flags & EDGE_DROP_MALFORMED != 0;
    let verdict = if drop {
        Counter::EdgeDropMalformed
    } else {
        Counter::EdgePass
    };
    Decision {
        verdict,
        noticed: Some(noticed),
        bytes,
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
fn notice(network: &Network, transport: Option<Transport>) -> Option<Counter> {
    if impossible_source(network) {
        return Some(Counter::EdgeAddress);
    }
    if let Some(transport) = transport
        && network.protocol == gateway_common::IPPROTO_TCP
        && impossible_flags(transport.flags)
    {
        return Some(Counter::EdgeFlags);
    }
    (network.part != Part::Whole).then_some(Counter::EdgeFragment)
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
fn impossible_source(network: &Network) -> bool {
    let tcp = network.protocol == gateway_common::IPPROTO_TCP;
    match (network.source, network.destination) {
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
