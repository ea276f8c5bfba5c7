//! The compiled maps, read the way the kernel reads them, against a plain search through the list.

use std::net::IpAddr;

use gateway_ebpf::steer::{Destination, group_of};
use proptest::prelude::*;

use super::*;

fn steer(prefix: &str, ports: RangeInclusive<u16>, group: u32) -> Steer {
    Steer {
        prefix: prefix.parse().unwrap(),
        ports,
        protocol: Protocol::Tcp,
        group: Group(group),
    }
}

fn destination(address: IpAddr, port: u16) -> Destination {
    let (address, family) = match address {
        IpAddr::V4(address) => (v4_mapped(address.octets()), FAMILY_V4),
        IpAddr::V6(address) => (address.octets(), FAMILY_V6),
    };
    Destination {
        address,
        port,
        protocol: IPPROTO_TCP,
        family,
    }
}

/// What `vip_lookup` does with the maps: exact, then the longest prefix.
fn looked_up(plan: &Plan, address: IpAddr, port: u16) -> Option<u32> {
    let destination = destination(address, port);
    if let Some(group) = plan.exact.get(&destination.exact()) {
        return Some(*group);
    }
    let matching = plan
        .prefixes
        .iter()
        .filter(|(key, _)| truncated(destination.prefix(), key.bits) == key.prefix)
        .max_by_key(|(key, _)| key.bits)?;
    group_of(matching.1, port)
}

/// The rule of the module comment, without any map.
fn searched(list: &[Steer], address: IpAddr, port: u16) -> Option<u32> {
    list.iter()
        .enumerate()
        .filter(|(_, steer)| steer.prefix.contains(&address) && steer.ports.contains(&port))
        .min_by_key(|(at, steer)| {
            (
                u32::MAX - u32::from(steer.prefix.prefix_len()),
                steer.ports.end() - steer.ports.start(),
                *at,
            )
        })
        .map(|(_, steer)| steer.group.0)
}

#[test]
fn specific_beats_general() {
    let list = [
        steer("0.0.0.0/0", 1..=65_535, 0),
        steer("203.0.113.0/24", 8000..=8999, 1),
        steer("203.0.113.0/24", 8080..=8080, 2),
        steer("203.0.113.7/32", 8080..=8080, 3),
        steer("203.0.113.7/32", 9000..=9001, 4),
        steer("2001:db8::/32", 443..=443, 5),
        steer("::/0", 80..=80, 6),
    ];
    let plan = compile(&list).unwrap();
    let check = |address: &str, port, expected| {
        assert_eq!(
            looked_up(&plan, address.parse().unwrap(), port),
            expected,
            "{address} {port}"
        );
    };
    check("203.0.113.7", 8080, Some(3));
    check("203.0.113.8", 8080, Some(2));
    check("203.0.113.8", 8081, Some(1));
    check("203.0.113.7", 9001, Some(4));
    check("203.0.113.7", 8500, Some(1));
    check("203.0.113.7", 22, Some(0));
    check("2001:db8::1", 443, Some(5));
    check("2001:db8::1", 80, Some(6));
    check("2001:db9::1", 443, None);
    check("192.0.2.1", 80, Some(0));
}

#[test]
fn short_ipv6_prefixes_leave_ipv4_alone() {
    let plan = compile(&[steer("::/0", 80..=80, 1)]).unwrap();
    assert_eq!(looked_up(&plan, "192.0.2.1".parse().unwrap(), 80), None);
    let mapped = compile(&[steer("::ffff:192.0.2.0/120", 80..=80, 1)]).unwrap();
    assert_eq!(looked_up(&mapped, "192.0.2.1".parse().unwrap(), 80), Some(1));
}

#[test]
fn what_does_not_fit_is_an_error() {
    let check = |list: &[Steer], expected: &str| {
        let error = compile(list).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&[steer("10.0.0.0/8", 0..=5, 0)], "ports 0-5 of 10.0.0.0/8");
    #[expect(clippy::reversed_empty_ranges, reason = "that is the mistake under test")]
    check(&[steer("10.0.0.0/8", 9..=5, 0)], "ports 9-5");
    let many: Vec<_> = (0..17)
        .map(|at| steer("10.0.0.0/8", at * 10 + 1..=at * 10 + 2, 0))
        .collect();
    check(&many, "17 port ranges apply to 10.0.0.0/8");
    let split: Vec<_> = (0..17)
        .map(|at| {
            steer(
                ["10.0.0.0/8", "10.1.0.0/16"][at % 2],
                at as u16 + 1..=at as u16 + 1,
                0,
            )
        })
        .collect();
    check(&split, "17 port ranges apply to 10.1.0.0/16");
    let exact: Vec<_> = (0..=MAX_EXACT)
        .map(|at| {
            steer(
                &format!("10.{}.{}.1/32", at >> 8 & 255, at & 255),
                1 + (at >> 16) as u16..=1 + (at >> 16) as u16,
                0,
            )
        })
        .collect();
    check(&exact, "65537 exact destinations");
    let prefixes: Vec<_> = (0..=MAX_PREFIXES)
        .map(|at| steer(&format!("10.{}.{}.0/24", at >> 8 & 255, at & 255), 1..=2, 0))
        .collect();
    check(&prefixes, "16385 prefixes");
}

#[test]
fn hidden_ranges_take_no_room() {
    let mut list: Vec<_> = (1..=30).map(|at| steer("10.0.0.0/8", at..=at, 0)).collect();
    list.push(steer("10.1.0.0/16", 1..=65_535, 1));
    let error = compile(&list).unwrap_err().to_string();
    assert!(
        error.contains("10.0.0.0/8"),
        "the wide prefix is over the limit: {error}"
    );
    list.drain(16..30);
    let plan = compile(&list).unwrap();
    let narrow = plan
        .prefixes
        .iter()
        .find(|(key, _)| key.bits == SteerPrefix::FIXED_BITS + 96 + 16)
        .unwrap();
    assert_eq!(narrow.1.count, 1);
}

proptest! {
    #[test]
    fn maps_and_list_agree(
        list in prop::collection::vec((any::<u32>(), 0u8..=32, 1u16..50, 0u16..20, 0u32..8), 0..12),
        which in any::<prop::sample::Index>(),
        noise in 0u32..512,
        port in 1u16..80,
    ) {
        let list: Vec<Steer> = list.into_iter().map(|(address, length, low, width, group)| {
            let prefix = IpNet::new(std::net::Ipv4Addr::from(address & 0x0f00_01ff).into(), length).unwrap().trunc();
            Steer { prefix, ports: low..=low + width, protocol: Protocol::Tcp, group: Group(group) }
        }).collect();
        let base = if list.is_empty() { 0 } else {
            match list[which.index(list.len())].prefix.addr() { IpAddr::V4(address) => u32::from(address), IpAddr::V6(_) => 0 }
        };
        let address = IpAddr::V4((base ^ noise).into());
        let plan = compile(&list).unwrap();
        prop_assert_eq!(looked_up(&plan, address, port), searched(&list, address, port));
        let destination = Destination { protocol: IPPROTO_UDP, ..destination(address, port) };
        prop_assert!(!plan.exact.contains_key(&destination.exact()));
    }
}
