//! The host part of a URI: names and literals in their canonical form.

use std::net::Ipv6Addr;

use super::ip::{ip_to_text, parse_ipv4};

/// What a host is: `UriHostNameType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostKind {
    Basic,
    Dns,
    Ipv4,
    Ipv6,
}

/// The canonical host and its kind; `None` if it cannot be one.
pub(super) fn canonical(host: &str) -> Option<(String, HostKind)> {
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']')?;
        let address = inner.split('%').next()?;
        let parsed: Ipv6Addr = address.parse().ok()?;
        return Some((format!("[{}]", ip_to_text(parsed.into())), HostKind::Ipv6));
    }
    if let Some(address) = parse_ipv4(host) {
        return Some((address.to_string(), HostKind::Ipv4));
    }
    let labels = host.strip_suffix('.').unwrap_or(host);
    let valid = !labels.is_empty() && labels.split('.').all(label);
    valid.then(|| (host.to_lowercase(), HostKind::Dns))
}

fn label(label: &str) -> bool {
    /// Longest label of a domain name.
    const MAX: usize = 63;
    !label.is_empty()
        && label.chars().count() <= MAX
        && label.chars().all(|c| {
            c.is_ascii_alphanumeric() || c == '-' || c == '_' || (!c.is_ascii() && c.is_alphanumeric())
        })
}

impl HostKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            HostKind::Basic => "Basic",
            HostKind::Dns => "Dns",
            HostKind::Ipv4 => "IPv4",
            HostKind::Ipv6 => "IPv6",
        }
    }
}
