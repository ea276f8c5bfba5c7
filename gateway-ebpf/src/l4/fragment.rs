//! Fragments: the first one has the ports, later ones are found by identification (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! A later fragment that overtakes the first is dropped; the sender's retransmission brings both again. Under full NAT two
//! clients may meet with one identification at the backend, as behind any NAT (RFC 6864 §4.1).

use gateway_common::Counter;
use gateway_common::l4::FragmentKey;

use super::{Segment, Tables, headed, words4};
use crate::packet::{PacketMut, high};
use crate::parse::{Network, Part};

const IPV6_HEADER: usize = 40;
const FRAGMENT: u8 = 44;

#[inline(always)]
pub(crate) fn segment<const N: usize, T: Tables<N>>(
    packet: &impl PacketMut,
    tables: &T,
    network: &Network,
    source: [u32; N],
    destination: [u32; N],
) -> Result<Segment, Counter> {
    let key = FragmentKey {
        source,
        destination,
        id: identification(packet, network, N).ok_or(Counter::L4DropFragment)?,
        protocol: network.protocol,
        pad: [0; 3],
    };
    if network.part == Part::First {
        let segment = headed(packet, network)?;
        tables.remember(&key, segment.ports);
        return Ok(segment);
    }
    match tables.remembered(&key) {
        Some(ports) => Ok(Segment {
            ports,
            flags: 0,
            headed: false,
        }),
        None => Err(Counter::L4DropFragment),
    }
}

/// The identification. For IPv6 only of a fragment header that follows the IPv6 header, where senders put it.
#[inline(always)]
fn identification(packet: &impl PacketMut, network: &Network, words: usize) -> Option<u32> {
    if words == 1 {
        let [id] = packet.words(network.offset + 4)?;
        return Some(u32::from(id));
    }
    let [next] = packet.words(network.offset + 6)?;
    if high(next) != FRAGMENT {
        return None;
    }
    let [id] = words4(packet.words(network.offset + IPV6_HEADER + 4)?);
    Some(id)
}
