//! `l4`: services that pass TCP, UDP or TLS through.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use super::{
    Members, Reader, keys,
    network::{interface, is_host_name, ports},
};
use crate::{
    doc::Node,
    l4::{FullNat, L4Backend, L4Health, L4Mode, L4Options, L4Service, TlsRoute},
    settings::value::{duration, integer},
};

/// Services in the overlay: what the kernel's tables take.
const MAX_SERVICES: usize = 64;
/// Backends of a service or of a host name: a hundredth of the kernel's table, so that shares stay even.
const MAX_BACKENDS: usize = 512;
/// Flows that can be asked for: 1 GiB of tables.
const MAX_FLOWS: u64 = 8_388_608;
/// How long flows of a backend that was taken out go on by default: a long download.
const DRAIN: Duration = Duration::from_secs(600);

pub(super) fn l4(reader: &mut Reader<'_>, node: Option<&Node>) -> L4Options {
    let mut out = L4Options::default();
    let Some(m) = node.and_then(|node| reader.members(node, keys::L4, "l4")) else {
        return out;
    };
    out.interfaces = reader.texts(m, "interfaces", interface);
    out.flows = reader
        .parsed(m, "flows", |t| integer(t, 1, MAX_FLOWS))
        .map(|flows| flows as u32);
    for item in reader.list(m.get("services"), "services") {
        let Some(s) = reader.members(item, keys::L4_SERVICE, "a service") else {
            continue;
        };
        let Some(service) = service(reader, item, s) else {
            continue;
        };
        let clash = out.services.iter().find(|other| {
            other.name == service.name || (other.address == service.address && other.udp == service.udp)
        });
        if let Some(other) = clash {
            let message = format!(
                "service `{}` has the name or the address of `{}`",
                service.name, other.name
            );
            reader.fail("duplicate", "services", item.place, message);
            continue;
        }
        out.services.push(service);
    }
    if out.services.len() > MAX_SERVICES {
        let message = format!(
            "{} services, at most {MAX_SERVICES} are taken",
            out.services.len()
        );
        reader.fail("too-many", "services", m.place(), message);
    }
    out
}

fn service(reader: &mut Reader<'_>, node: &Node, m: Members<'_>) -> Option<L4Service> {
    let name = reader.needed(m, "name", "a service");
    for key in ["address", "port"] {
        if m.get(key).is_none() {
            reader.fail("missing-key", key, node.place, format!("a service needs `{key}`"));
        }
    }
    let ip = reader.parsed(m, "address", address);
    let port = reader.parsed(m, "port", |t| integer(t, 1, 65_535));
    let udp = reader
        .parsed(m, "protocol", one_of(&[("tcp", false), ("udp", true)]))
        .unwrap_or(false);
    let modes = [
        ("auto", L4Mode::Auto),
        ("kernel", L4Mode::Kernel),
        ("relay", L4Mode::Relay),
    ];
    let mode = reader.parsed(m, "mode", one_of(&modes)).unwrap_or_default();
    let full = reader
        .parsed(m, "nat", one_of(&[("full", true), ("destination", false)]))
        .unwrap_or(true);
    let source = reader.parsed(m, "natSource", address);
    let nat_ports = reader
        .parsed(m, "natPorts", ports)
        .map(|(first, last)| RangeInclusive::new(first, last));
    let max_flows = reader.parsed(m, "maxFlows", |t| integer(t, 1, u64::MAX));
    let bytes_per_second = reader.parsed(m, "bytesPerSecond", |t| integer(t, 1, u64::MAX));
    let backends = backends(reader, m);
    let tls = tls(reader, m);
    let health = health(reader, m);
    let drain = reader.parsed(m, "drain", duration).unwrap_or(DRAIN);
    let affinity = reader.truth(m, "affinity", false);
    let (name, ip, port) = (name?, ip?, port?);
    let service = L4Service {
        name,
        address: SocketAddr::new(ip, port as u16),
        udp,
        mode,
        full_nat: full.then_some(FullNat {
            source,
            ports: nat_ports,
        }),
        affinity,
        max_flows,
        bytes_per_second,
        backends,
        tls,
        health,
        drain,
    };
    for (wrong, key, message) in [
        (
            service.backends.is_empty() && service.tls.is_empty(),
            "backends",
            "a service needs `backends` or `tls`",
        ),
        (
            udp && !service.tls.is_empty(),
            "tls",
            "`tls` is for TCP: host names are read from the handshake",
        ),
        (
            mode == L4Mode::Kernel && !service.tls.is_empty(),
            "mode",
            "`tls` is always relayed: leave `mode` out, or say `relay`",
        ),
        (
            mode == L4Mode::Kernel
                && service
                    .backends
                    .iter()
                    .any(|b| b.address.is_ipv4() != ip.is_ipv4()),
            "backends",
            "in the kernel address and backends must be of one family: leave `mode` out, or say `relay`",
        ),
        (
            !full && source.is_some(),
            "natSource",
            "`natSource` goes with `nat: full`",
        ),
        (
            source.is_some_and(|s| s.is_ipv4() != ip.is_ipv4()),
            "natSource",
            "`natSource` and `address` must be of one family",
        ),
    ] {
        if wrong {
            let place = m.get(key).map_or(node.place, |n| n.place);
            reader.fail("impossible", key, place, message);
        }
    }
    Some(service)
}

fn backends(reader: &mut Reader<'_>, m: Members<'_>) -> Vec<L4Backend> {
    let mut out: Vec<L4Backend> = Vec::new();
    for item in reader.list(m.get("backends"), "backends") {
        let Some(b) = reader.members(item, keys::L4_BACKEND, "a backend") else {
            continue;
        };
        for key in ["address", "port"] {
            if b.get(key).is_none() {
                reader.fail("missing-key", key, item.place, format!("a backend needs `{key}`"));
            }
        }
        let ip = reader.parsed(b, "address", address);
        let port = reader.parsed(b, "port", |t| integer(t, 1, 65_535));
        let weight = reader.parsed(b, "weight", |t| integer(t, 0, 1_000)).unwrap_or(1);
        let (Some(ip), Some(port)) = (ip, port) else {
            continue;
        };
        let address = SocketAddr::new(ip, port as u16);
        if out.iter().any(|other| other.address == address) {
            reader.fail(
                "duplicate",
                "backends",
                item.place,
                format!("backend {address} is there twice"),
            );
            continue;
        }
        out.push(L4Backend {
            address,
            weight: weight as u16,
        });
    }
    if out.len() > MAX_BACKENDS {
        let message = format!("{} backends, at most {MAX_BACKENDS} are taken", out.len());
        reader.fail("too-many", "backends", m.place(), message);
    }
    out
}

fn tls(reader: &mut Reader<'_>, m: Members<'_>) -> Vec<TlsRoute> {
    let mut out = Vec::new();
    for item in reader.list(m.get("tls"), "tls") {
        let Some(t) = reader.members(item, keys::L4_TLS, "a TLS route") else {
            continue;
        };
        let names: Vec<Arc<str>> = reader.texts(t, "names", |text| {
            let name = text.to_ascii_lowercase();
            if is_host_name(&name) {
                Ok(Arc::from(name))
            } else {
                Err(format!(
                    "`{text}` is no host name such as a.example.com or *.example.com"
                ))
            }
        });
        let backends = backends(reader, t);
        if names.is_empty() || backends.is_empty() {
            reader.fail(
                "missing-key",
                "names",
                item.place,
                "a TLS route needs `names` and `backends`",
            );
        }
        out.push(TlsRoute { names, backends });
    }
    out
}

fn health(reader: &mut Reader<'_>, m: Members<'_>) -> Option<L4Health> {
    let node = m.get("health")?;
    let h = reader.members(node, keys::L4_HEALTH, "health")?;
    let time = |reader: &mut Reader<'_>, key, default| {
        reader
            .parsed(h, key, duration)
            .unwrap_or(Duration::from_secs(default))
    };
    let count = |reader: &mut Reader<'_>, key, default| {
        reader.parsed(h, key, |t| integer(t, 1, 100)).unwrap_or(default)
    };
    let interval = time(reader, "interval", 5);
    if interval < Duration::from_millis(100) {
        reader.fail(
            "out-of-range",
            "interval",
            node.place,
            "`interval` is at least 100 ms",
        );
    }
    Some(L4Health {
        interval,
        timeout: time(reader, "timeout", 2),
        rise: count(reader, "rise", 2) as u32,
        fall: count(reader, "fall", 3) as u32,
    })
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse::<IpAddr>()
        .map_err(|_| format!("`{text}` is no IP address"))
}

/// One of a few words.
fn one_of<T: Copy>(words: &[(&'static str, T)]) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                format!("`{text}` is none of {}", all.join(", "))
            })
    }
}
