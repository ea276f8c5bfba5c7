//! The script through the model, state of flows, limits, and properties of NAT.

use gateway_common::l4::{
    BACKEND_UP, SERVICE_BYTE_LIMIT, SERVICE_FLOW_LIMIT, SERVICE_FULL_NAT, SERVICE_SOURCE_AFFINITY,
};
use proptest::prelude::*;

use super::fixtures::{self, BACKEND, BACKEND6, NAT_PORT, NODE, NODE6, SERVICES, VIP, VIP6};
use super::model::{Became, Frame, Model};
use super::*;
use crate::parse::Address;

const SYN_ACK: u8 = SYN | ACK;

fn v4(text: &str) -> [u32; 1] {
    [u32::from_ne_bytes(
        text.parse::<std::net::Ipv4Addr>().unwrap().octets(),
    )]
}

fn v6(text: &str) -> [u32; 4] {
    let octets = text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    std::array::from_fn(|at| u32::from_ne_bytes(octets[at * 4..at * 4 + 4].try_into().unwrap()))
}

fn halves<const N: usize, const M: usize>(words: [u32; N]) -> [u16; M] {
    let all: Vec<u16> = words.iter().flat_map(|word| split(*word)).collect();
    all.try_into().unwrap()
}

/// The services of the script, one backend each.
fn standard() -> Model {
    let mut model = Model {
        backends: vec![BackendEntry::default()],
        ..Model::default()
    };
    for (at, (port, udp, backend_port, full)) in (0_u16..).zip(SERVICES) {
        for family in 0..2_u16 {
            let id = 1 + at * 2 + family;
            let mut entry = ServiceEntry {
                id,
                table: model.tables.len() as u16,
                ..ServiceEntry::default()
            };
            let mut backend = BackendEntry {
                port: backend_port.to_be(),
                flags: BACKEND_UP,
                generation: 1,
                service: id,
                ..BackendEntry::default()
            };
            backend.address = if family == 0 {
                [v4(BACKEND)[0], 0, 0, 0]
            } else {
                v6(BACKEND6)
            };
            if full {
                entry.flags = SERVICE_FULL_NAT;
                (entry.nat_low, entry.nat_high) = (NAT_PORT, NAT_PORT);
                entry.nat_source = if family == 0 {
                    [v4(NODE)[0], 0, 0, 0]
                } else {
                    v6(NODE6)
                };
            }
            let number = model.backends.len() as u16;
            model.tables.push(if backend_port == 0 {
                Vec::new()
            } else {
                vec![number]
            });
            model.backends.push(backend);
            let protocol = if udp { IPPROTO_UDP } else { IPPROTO_TCP };
            let (port, pad) = (port.to_be(), 0);
            if family == 0 {
                model.v4.services.insert(
                    ServiceKey {
                        address: v4(VIP),
                        port,
                        protocol,
                        pad,
                    },
                    entry,
                );
            } else {
                model.v6.services.insert(
                    ServiceKey {
                        address: v6(VIP6),
                        port,
                        protocol,
                        pad,
                    },
                    entry,
                );
            }
        }
    }
    for address in [VIP, BACKEND] {
        model.list(&Address::V4(halves(v4(address))));
    }
    for address in [VIP6, BACKEND6] {
        model.list(&Address::V6(halves(v6(address))));
    }
    model
}

fn run(model: &Model, parts: &fixtures::Parts) -> Became {
    model.run(&mut Frame(parts.frame()))
}

fn handshake(model: &Model, client: &str) {
    let (vip, backend) = ("203.0.113.10:80", "198.51.100.10:8080");
    for parts in [
        fixtures::tcp(client, vip, SYN, &[]),
        fixtures::tcp(backend, client, SYN_ACK, &[]),
        fixtures::tcp(client, vip, ACK, &[]),
    ] {
        assert_eq!(run(model, &parts), Became::Forwarded(Counter::L4Forward));
    }
}

#[test]
fn the_script() {
    let model = standard();
    for step in fixtures::script() {
        let mut frame = Frame(step.frame.clone());
        assert_eq!(model.run(&mut frame), step.became, "{}", step.name);
        if matches!(step.became, Became::Forwarded(_) | Became::Passed(_)) {
            assert_eq!(frame.0, step.after, "{}", step.name);
        }
    }
}

#[test]
fn a_flow_is_established_by_answer_and_acknowledgement_only() {
    let model = standard();
    let (vip, backend) = ("203.0.113.10:80", "198.51.100.10:8080");
    let client = "192.0.2.9:50000";
    let sizes = |model: &Model| (model.v4.young.borrow().len(), model.v4.established.borrow().len());
    for (parts, expected, what) in [
        (fixtures::tcp(client, vip, SYN, &[]), (2, 0), "SYN"),
        (
            fixtures::tcp(client, vip, ACK, &[]),
            (2, 0),
            "ACK without an answer",
        ),
        (
            fixtures::tcp(backend, client, RST, &[]),
            (2, 0),
            "a reset is no answer",
        ),
        (fixtures::tcp(client, vip, ACK, &[]), (2, 0), "ACK after a reset"),
        (fixtures::tcp(backend, client, SYN_ACK, &[]), (2, 0), "answer"),
        (fixtures::tcp(client, vip, SYN, &[]), (2, 0), "SYN again"),
        (fixtures::tcp(client, vip, ACK, &[]), (0, 2), "ACK"),
    ] {
        run(&model, &parts);
        assert_eq!(sizes(&model), expected, "{what}");
    }
    assert!(model.notes.borrow().contains(&Counter::L4Promoted));
}

#[test]
fn a_flood_does_not_reach_established_flows() {
    let model = standard();
    handshake(&model, "192.0.2.9:50001");
    for client in 0..5_000 {
        model.run(&mut Frame(fixtures::syn_of(client)));
    }
    assert_eq!(model.v4.established.borrow().len(), 2);
}

#[test]
fn flows_close_and_open_again() {
    let model = standard();
    let (client, vip, backend) = ("192.0.2.9:50002", "203.0.113.10:80", "198.51.100.10:8080");
    handshake(&model, client);
    let closing = |model: &Model| {
        model
            .v4
            .established
            .borrow()
            .values()
            .filter(|v| v.get().flags & FLOW_CLOSING != 0)
            .count()
    };
    let active = |model: &Model| model.active.borrow()[&1];
    let up = |flags| fixtures::tcp(client, vip, flags, &[]);
    let down = |flags| fixtures::tcp(backend, client, flags, &[]);
    for (parts, both, flows, what) in [
        (up(FIN | ACK), 0, 1, "one FIN"),
        (up(FIN | ACK), 0, 1, "the same FIN again"),
        (down(ACK), 0, 1, "half open"),
        (down(FIN | ACK), 2, 0, "both FINs"),
        (up(ACK), 2, 0, "last ACK"),
        (down(FIN | ACK), 2, 0, "FIN again"),
        (up(SYN), 0, 1, "SYN on the same tuple"),
        (down(RST), 2, 0, "reset"),
    ] {
        run(&model, &parts);
        assert_eq!((closing(&model), active(&model)), (both, flows), "{what}");
    }
}

#[test]
fn a_backend_that_is_cut_ends_tcp_and_moves_udp() {
    let mut model = standard();
    handshake(&model, "192.0.2.9:50003");
    let query = fixtures::udp("192.0.2.9:50003", "203.0.113.10:53", b"q");
    assert_eq!(run(&model, &query), Became::Forwarded(Counter::L4Forward));
    for backend in &mut model.backends {
        backend.flags = BACKEND_CUT;
    }
    let data = fixtures::tcp("192.0.2.9:50003", "203.0.113.10:80", ACK, b"x");
    assert_eq!(run(&model, &data), Became::Dropped(Counter::L4DropBackendGone));
    assert_eq!(run(&model, &query), Became::Dropped(Counter::L4DropNoBackend));
    // The number belongs to another backend now: flows of the one before stay cut, datagrams go to the new one.
    for backend in &mut model.backends {
        (backend.flags, backend.generation) = (BACKEND_UP, 2);
    }
    assert_eq!(run(&model, &data), Became::Dropped(Counter::L4DropBackendGone));
    assert_eq!(run(&model, &query), Became::Forwarded(Counter::L4Forward));
}

#[test]
fn a_draining_backend_keeps_its_flows() {
    let mut model = standard();
    handshake(&model, "192.0.2.9:50004");
    for backend in &mut model.backends {
        backend.flags = 0;
    }
    let data = fixtures::tcp("192.0.2.9:50004", "203.0.113.10:80", ACK, b"x");
    assert_eq!(run(&model, &data), Became::Forwarded(Counter::L4Forward));
    let new = fixtures::tcp("192.0.2.9:50005", "203.0.113.10:80", SYN, &[]);
    assert_eq!(run(&model, &new), Became::Dropped(Counter::L4DropNoBackend));
}

#[test]
fn limits_hold() {
    let mut model = standard();
    for entry in model.v4.services.values_mut() {
        entry.flags |= SERVICE_FLOW_LIMIT | SERVICE_BYTE_LIMIT;
    }
    model.limits.insert(1, 2);
    for (port, expected) in [
        (1, Became::Forwarded(Counter::L4Forward)),
        (2, Became::Forwarded(Counter::L4Forward)),
        (3, Became::Dropped(Counter::L4DropFlowLimit)),
    ] {
        let syn = fixtures::tcp(&format!("192.0.2.9:{port}"), "203.0.113.10:80", SYN, &[]);
        assert_eq!(run(&model, &syn), expected, "{port}");
    }
    // The model takes packets below 1,000 bytes.
    let large = fixtures::tcp("192.0.2.9:1", "203.0.113.10:80", ACK, &[0; 1000]);
    assert_eq!(run(&model, &large), Became::Dropped(Counter::L4DropByteLimit));
}

#[test]
fn what_does_not_fit_is_answered_unless_it_may_be_cut() {
    let model = standard();
    handshake(&model, "192.0.2.9:50006");
    for entry in model.v4.established.borrow().values() {
        let mut value = entry.get();
        value.mtu = 600;
        entry.set(value);
    }
    let data = |size| fixtures::tcp("192.0.2.9:50006", "203.0.113.10:80", ACK, &vec![0; size]);
    assert_eq!(run(&model, &data(560)), Became::Forwarded(Counter::L4Forward));
    assert_eq!(run(&model, &data(561)), Became::TooBig(600));
    let mut cut = data(561).frame();
    cut[14 + 6] = 0;
    assert_eq!(model.run(&mut Frame(cut)), Became::Forwarded(Counter::L4Forward));
}

#[test]
fn counters_are_those_of_the_packets() {
    let model = standard();
    handshake(&model, "192.0.2.9:50007");
    let data = fixtures::tcp("192.0.2.9:50007", "203.0.113.10:80", ACK, &[1; 500]);
    run(&model, &data);
    // SYN, ACK and data of 40 bytes of headers each; Ethernet padding does not count.
    assert_eq!(model.traffic.borrow()[&(1, false)], (3, 3 * 40 + 500));
    assert_eq!(model.traffic.borrow()[&(1, true)], (1, 40));
    let established = model.v4.established.borrow();
    let forward = established
        .values()
        .find(|v| v.get().flags & FLOW_REPLY == 0)
        .unwrap()
        .get();
    assert_eq!((forward.packets, forward.bytes), (3, 620));
}

#[test]
fn affinity_keeps_a_client_at_its_backend() {
    let mut model = standard();
    model.backends = (0..9)
        .map(|at| BackendEntry {
            address: [u32::from_ne_bytes([198, 51, 100, 10 + at]), 0, 0, 0],
            flags: BACKEND_UP,
            ..BackendEntry::default()
        })
        .collect();
    model.tables[0] = (1..9).collect();
    let backends = |model: &Model, client: &str| -> BTreeSet<Vec<u8>> {
        (0..20)
            .map(|port| {
                let mut frame = Frame(
                    fixtures::tcp(&format!("{client}:{}", 1000 + port), "203.0.113.10:80", SYN, &[]).frame(),
                );
                assert_eq!(model.run(&mut frame), Became::Forwarded(Counter::L4Forward));
                frame.0[30..34].to_vec()
            })
            .collect()
    };
    assert!(backends(&model, "192.0.2.20").len() > 1);
    model
        .v4
        .services
        .values_mut()
        .for_each(|entry| entry.flags |= SERVICE_SOURCE_AFFINITY);
    assert_eq!(backends(&model, "192.0.2.21").len(), 1);
}

use std::collections::BTreeSet;

proptest! {
    /// Whatever a client sends, the answer to what the backend gets is an answer to what the client sent; no two clients
    /// share a tuple towards the backend.
    #[test]
    fn nat_is_a_bijection(
        clients in prop::collection::btree_set((1_u8..250, 1_u16..), 1..60), full in any::<bool>(), payload in prop::collection::vec(any::<u8>(), 0..64)
    ) {
        let mut model = standard();
        for entry in model.v4.services.values_mut() {
            (entry.nat_low, entry.nat_high) = (61_000, 61_199);
        }
        let vip = if full { "203.0.113.10:443" } else { "203.0.113.10:80" };
        let mut seen = BTreeSet::new();
        for (host, port) in clients {
            let client = format!("192.0.2.{host}:{port}");
            let mut frame = Frame(fixtures::tcp(&client, vip, SYN, &payload).frame());
            prop_assert_eq!(model.run(&mut frame), Became::Forwarded(Counter::L4Forward));
            let at = |bytes: &[u8], from: usize| format!(
                "{}.{}.{}.{}", bytes[from], bytes[from + 1], bytes[from + 2], bytes[from + 3]);
            let port_at = |bytes: &[u8], from: usize| u16::from_be_bytes([bytes[from], bytes[from + 1]]);
            let source = format!("{}:{}", at(&frame.0, 26), port_at(&frame.0, 34));
            let backend = format!("{}:{}", at(&frame.0, 30), port_at(&frame.0, 36));
            prop_assert!(seen.insert(source.clone()), "{} twice", source);
            let mut answer = Frame(fixtures::tcp(&backend, &source, SYN_ACK, &payload).frame());
            prop_assert_eq!(model.run(&mut answer), Became::Forwarded(Counter::L4Forward));
            let mut expected = fixtures::tcp(vip, &client, SYN_ACK, &payload).frame();
            expected[22] = 63;
            expected[24..26].copy_from_slice(&answer.0[24..26]);
            prop_assert_eq!(&answer.0, &expected);
        }
        prop_assert_eq!(model.v4.young.borrow().len(), seen.len() * 2);
    }

    /// No bytes make the decision panic, and what passes is not touched.
    #[test]
    fn any_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..120), at in 0_usize..60, kind in 0_usize..64) {
        let script = fixtures::script();
        let model = standard();
        if kind < script.len() {
            let mut frame = script[kind].frame.clone();
            if let (Some(byte), Some(value)) = (frame.get_mut(at), bytes.first()) {
                *byte = *value;
            }
            bytes = frame;
        }
        let mut frame = Frame(bytes.clone());
        if matches!(model.run(&mut frame), Became::Passed(_)) {
            prop_assert_eq!(frame.0, bytes);
        }
    }
}
