//! `listeners`, `hostnames` and `kernel`.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

use super::{Members, Reader, keys};
use crate::{
    doc::Node,
    network::{Hostname, HttpVersions, KernelOptions, Listener, ListenerLimits, SteerRule},
    settings::value::{bytes, duration, integer},
};

/// Most prefixes in `deny` and in `allow`: half of what the kernel's map takes, for policies bring their own.
const MAX_PREFIXES: usize = 1 << 19;

/// Most prefixes of proxies: they are looked through for each connection or request.
const MAX_PEERS: usize = 256;

pub(super) fn listeners(reader: &mut Reader<'_>, node: Option<&Node>) -> Vec<Listener> {
    let mut out: Vec<Listener> = Vec::new();
    for item in reader.list(node, "listeners") {
        let Some(m) = reader.members(item, keys::LISTENER, "a listener") else {
            continue;
        };
        let name = reader.needed(m, "name", "a listener");
        let address = reader
            .parsed(m, "address", |t| {
                t.parse::<IpAddr>().map_err(|_| format!("`{t}` is no IP address"))
            })
            .unwrap_or(IpAddr::from([0, 0, 0, 0]));
        if m.get("port").is_none() {
            reader.fail("missing-key", "port", m.place(), "a listener needs `port`");
        }
        let port = reader.parsed(m, "port", |t| integer(t, 0, 65_535));
        let tls = reader.truth(m, "tls", false);
        let http = versions(reader, m, tls);
        let limits = limits(reader, m);
        let proxy_protocol = peers(reader, m, "proxyProtocol");
        let trusted_proxies = peers(reader, m, "trustedProxies");
        let (Some(name), Some(port)) = (name, port) else {
            continue;
        };
        let listener = Listener {
            name,
            address,
            port: port as u16,
            tls,
            http,
            limits,
            proxy_protocol,
            trusted_proxies,
        };
        let clash = out.iter().find(|l| {
            l.name == listener.name || (l.port == listener.port && port != 0 && l.address == listener.address)
        });
        if let Some(other) = clash {
            let message = format!(
                "listener `{}` has the name or the address and port of `{}`",
                listener.name, other.name
            );
            reader.fail("repeated-name", "name", item.place, message);
            continue;
        }
        out.push(listener);
    }
    out
}

fn peers(reader: &mut Reader<'_>, m: Members<'_>, key: &'static str) -> Vec<IpNet> {
    let out = reader.texts(m, key, prefix);
    if out.len() > MAX_PEERS {
        let place = m.get(key).map_or(m.place(), |n| n.place);
        reader.fail("too-many", key, place, format!("more than {MAX_PEERS} prefixes"));
    }
    out
}

fn versions(reader: &mut Reader<'_>, m: Members<'_>, tls: bool) -> HttpVersions {
    let out = HttpVersions {
        http1: reader.truth(m, "http1", true),
        http2: reader.truth(m, "http2", true),
        http3: reader.truth(m, "http3", tls),
    };
    if out.http3 && !tls {
        let place = m.get("http3").map_or(m.place(), |n| n.place);
        reader.fail("bad-value", "http3", place, "HTTP/3 needs `tls: true`");
    }
    if !out.http1 && !out.http2 && !out.http3 {
        reader.fail("bad-value", "http1", m.place(), "no HTTP version is left");
    }
    out
}

fn limits(reader: &mut Reader<'_>, m: Members<'_>) -> ListenerLimits {
    let Some(node) = m.get("limits") else {
        return ListenerLimits::default();
    };
    let Some(l) = reader.members(node, keys::LISTENER_LIMITS, "limits") else {
        return ListenerLimits::default();
    };
    ListenerLimits {
        connections: reader
            .parsed(l, "connections", |t| integer(t, 1, 4_000_000))
            .map(|n| n as u32),
        header_bytes: reader
            .parsed(l, "headerBytes", bytes)
            .map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        header_timeout: reader.parsed(l, "headerTimeout", duration),
        idle_timeout: reader.parsed(l, "idleTimeout", duration),
    }
}

pub(super) fn hostnames(reader: &mut Reader<'_>, node: Option<&Node>) -> Vec<Hostname> {
    let mut out: Vec<Hostname> = Vec::new();
    for item in reader.list(node, "hostnames") {
        let Some(m) = reader.members(item, keys::HOSTNAME, "a host name") else {
            continue;
        };
        let name = reader.needed(m, "name", "a host name");
        let certificate = reader.needed(m, "certificatePath", "a host name");
        let key = reader.needed(m, "keyPath", "a host name");
        let negotiate = reader.truth(m, "negotiateClientCertificate", false);
        let http2 = reader.truth(m, "http2", true);
        let default_binding = reader.truth(m, "defaultSslBinding", false);
        let (Some(name), Some(certificate_path), Some(key_path)) = (name, certificate, key) else {
            continue;
        };
        let name: Arc<str> = name.trim_end_matches('.').to_ascii_lowercase().into();
        if !is_host_name(&name) {
            let place = m.get("name").map_or(item.place, |n| n.place);
            let message = format!("`{name}` is no host name; write api.example.com or *.example.com");
            reader.fail("bad-value", "name", place, message);
            continue;
        }
        if out.iter().any(|h| h.name == name) {
            reader.fail(
                "repeated-name",
                "name",
                item.place,
                format!("host name `{name}` stands twice"),
            );
            continue;
        }
        out.push(Hostname {
            name,
            certificate_path,
            key_path,
            content: None,
            default_binding,
            negotiate_client_certificate: negotiate,
            http2,
        });
    }
    out
}

/// Labels of letters, digits, `-` and `_`; `*` only as the whole first label.
pub(crate) fn is_host_name(name: &str) -> bool {
    let rest = name.strip_prefix("*.").unwrap_or(name);
    !rest.is_empty()
        && rest.len() <= 253
        && rest.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

pub(super) fn kernel(reader: &mut Reader<'_>, node: Option<&Node>, listeners: &[Listener]) -> KernelOptions {
    let mut out = KernelOptions::default();
    let Some(node) = node else { return out };
    let Some(m) = reader.members(node, keys::KERNEL, "kernel") else {
        return out;
    };
    out.uplinks = reader.texts(m, "uplinks", interface);
    out.deny = prefixes(reader, m, "deny");
    out.allow = prefixes(reader, m, "allow");
    out.trusted_proxies = prefixes(reader, m, "trustedProxies");
    super::edge::edge(reader, m, &mut out);
    for item in reader.list(m.get("steer"), "steer") {
        let Some(s) = reader.members(item, keys::STEER, "a steering rule") else {
            continue;
        };
        for key in ["prefix", "ports", "listener"] {
            if s.get(key).is_none() {
                reader.fail(
                    "missing-key",
                    key,
                    item.place,
                    format!("a steering rule needs `{key}`"),
                );
            }
        }
        let prefix = reader.parsed(s, "prefix", prefix);
        let ports = reader.parsed(s, "ports", ports);
        let listener = reader.text(s, "listener");
        let (Some(prefix), Some((first_port, last_port)), Some(listener)) = (prefix, ports, listener) else {
            continue;
        };
        if !listeners.iter().any(|l| l.name == listener) {
            let place = s.get("listener").map_or(item.place, |n| n.place);
            let names: Vec<&str> = listeners.iter().map(|l| &*l.name).collect();
            let message = format!(
                "there is no listener `{listener}`; {}",
                crate::problem::suggestion(&listener, &names)
            );
            reader.fail("unknown-listener", "listener", place, message);
            continue;
        }
        out.steer.push(SteerRule {
            prefix,
            first_port,
            last_port,
            listener,
        });
    }
    out
}

/// A list of prefixes, not longer than the kernel's map takes.
fn prefixes(reader: &mut Reader<'_>, m: Members<'_>, key: &'static str) -> Vec<IpNet> {
    let list = reader.texts(m, key, prefix);
    if list.len() > MAX_PREFIXES {
        let place = m.get(key).map_or(m.place(), |n| n.place);
        let message = format!(
            "`{key}` has {} prefixes, at most {MAX_PREFIXES} are taken",
            list.len()
        );
        reader.fail("too-many", key, place, message);
    }
    list
}

/// An interface name as the kernel takes it.
pub(super) fn interface(text: &str) -> Result<Arc<str>, String> {
    let fits = (1..=15).contains(&text.len()) && !text.contains(['/', ' ']) && text != "." && text != "..";
    if fits {
        Ok(text.into())
    } else {
        Err(format!("`{text}` is no interface name"))
    }
}

/// A prefix, or one address.
fn prefix(text: &str) -> Result<IpNet, String> {
    let parsed = text
        .parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    parsed
        .map(|p| p.trunc())
        .ok_or_else(|| format!("`{text}` is no address or prefix such as 192.0.2.0/24"))
}

pub(super) fn ports(text: &str) -> Result<(u16, u16), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (
        integer(first, 1, 65_535)? as u16,
        integer(last, 1, 65_535)? as u16,
    );
    if first > last {
        Err(format!("`{text}` runs backwards"))
    } else {
        Ok((first, last))
    }
}
