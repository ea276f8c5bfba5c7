//! What the parser reads out of good frames, and an independent reading of random ones.

use proptest::prelude::*;

use super::*;
use crate::fixtures::{datagram, ethernet, extensions, frame4, frame6, ipv4, ipv6, tcp};
use crate::packet::SlicePacket;

const A4: [u8; 4] = [203, 0, 113, 7];
const B4: [u8; 4] = [192, 0, 2, 1];
const A6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const B6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

fn octets(address: Address) -> Vec<u8> {
    match address {
        Address::V4(words) => words.iter().flat_map(|word| word.to_ne_bytes()).collect(),
        Address::V6(words) => words.iter().flat_map(|word| word.to_ne_bytes()).collect(),
    }
}

#[test]
fn addresses_ports_and_offsets() {
    let frame = ethernet(
        &[0x8100],
        0x0800,
        &ipv4(A4, B4, 6, 0x4000, &[1; 4], &tcp(0x12, 5, b"xyz")),
    );
    let network = network(&SlicePacket(&frame)).unwrap();
    assert_eq!(
        (octets(network.source), octets(network.destination)),
        (A4.to_vec(), B4.to_vec())
    );
    assert_eq!(
        (network.transport, network.end, network.part),
        (18 + 24, 18 + 24 + 23, Part::Whole)
    );
    let transport = transport(&SlicePacket(&frame), &network).unwrap().unwrap();
    assert_eq!(
        transport,
        Transport {
            source_port: 40_000,
            destination_port: 8080,
            flags: 0x12
        }
    );
}

#[test]
fn ipv6_walk_ends_at_the_transport() {
    let (first, rest) = extensions(
        &[(0, 0, 0), (43, 1, 0), (44, 0, 1), (51, 2, 0)],
        17,
        &datagram(b"hello"),
    );
    let frame = frame6(&ipv6(A6, B6, first, &rest));
    let network = network(&SlicePacket(&frame)).unwrap();
    assert_eq!(
        (octets(network.source), octets(network.destination)),
        (A6.to_vec(), B6.to_vec())
    );
    assert_eq!((network.protocol, network.part), (17, Part::First));
    assert_eq!(network.transport, 54 + 8 + 16 + 8 + 16);
    let transport = transport(&SlicePacket(&frame), &network).unwrap().unwrap();
    assert_eq!((transport.source_port, transport.destination_port), (40_000, 443));
}

#[test]
fn fragments() {
    let check = |word: u16, part: Part, ports: bool| {
        let frame = frame4(&ipv4(A4, B4, 6, word, &[], &tcp(2, 5, &[])));
        let network = network(&SlicePacket(&frame)).unwrap();
        assert_eq!(network.part, part, "{word:#06x}");
        assert_eq!(
            transport(&SlicePacket(&frame), &network).unwrap().is_some(),
            ports,
            "{word:#06x}"
        );
    };
    check(0x4000, Part::Whole, true);
    check(0x8000, Part::Whole, true);
    check(0x2000, Part::First, true);
    check(0x2001, Part::Later, false);
    check(0x1fff, Part::Later, false);
}

#[test]
fn a_coalesced_packet_without_length_reaches_to_the_end() {
    let mut rest = tcp(0x10, 5, &[]);
    rest.resize(70_000, 0);
    let mut packet = ipv4(A4, B4, 6, 0, &[], &rest);
    packet[2] = 0;
    packet[3] = 0;
    let frame = frame4(&packet);
    assert_eq!(network(&SlicePacket(&frame)).unwrap().end, END_UNKNOWN);
    packet.truncate(100);
    assert_eq!(network(&SlicePacket(&frame4(&packet))), Err(Oddity::Length));
}

proptest! {
    #[test]
    fn reads_what_was_built(
        tags in prop::collection::vec(prop_oneof![Just(0x8100u16), Just(0x88a8)], 0..=2),
        source in any::<[u8; 16]>(),
        destination in any::<[u8; 16]>(),
        headers in prop::collection::vec((prop_oneof![Just(0u8), Just(43), Just(60), Just(51)], 0u8..5), 0..=MAX_EXTENSION_HEADERS),
        payload in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let headers: Vec<_> = headers.into_iter().map(|(kind, units)| (kind, units, 0)).collect();
        let (first, rest) = extensions(&headers, 6, &tcp(0x18, 5, &payload));
        let frame = ethernet(&tags, 0x86dd, &ipv6(source, destination, first, &rest));
        let network = network(&SlicePacket(&frame)).unwrap();
        prop_assert_eq!(octets(network.source), source.to_vec());
        prop_assert_eq!(octets(network.destination), destination.to_vec());
        prop_assert_eq!(network.end - network.transport, 20 + payload.len());
        prop_assert_eq!(network.protocol, 6);
    }

    #[test]
    fn offsets_stay_inside_the_frame(frame in prop::collection::vec(any::<u8>(), 0..300)) {
        let packet = SlicePacket(&frame);
        if let Ok(network) = network(&packet) {
            prop_assert!(network.transport <= network.end && network.end <= frame.len());
            let _ = transport(&packet, &network);
        }
    }
}
