//! L4 services: addresses and ports that go to backends as they are, without HTTP.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

/// What the overlay says about L4 services. Empty: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct L4Options {
    /// Interfaces on which packets of clients and backends come in; empty: everything is relayed.
    pub interfaces: Vec<Arc<str>>,
    /// Flows to make room for in the kernel; `None`: the default.
    pub flows: Option<u32>,
    /// The services.
    pub services: Vec<L4Service>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L4Service {
    /// Unique name.
    pub name: Arc<str>,
    /// Address and port that clients use.
    pub address: SocketAddr,
    /// UDP instead of TCP.
    pub udp: bool,
    /// Where it runs.
    pub mode: L4Mode,
    /// The node's address and ports towards backends; `None`: backends see the client.
    pub full_nat: Option<FullNat>,
    /// A client's connections go to one backend.
    pub affinity: bool,
    /// Most flows at a time.
    pub max_flows: Option<u64>,
    /// Most bytes a second, both directions together.
    pub bytes_per_second: Option<u64>,
    /// Backends; those of no host name in `tls`.
    pub backends: Vec<L4Backend>,
    /// Backends by the host name of the TLS handshake, the first match counts.
    pub tls: Vec<TlsRoute>,
    /// How backends are checked; `None`: they are taken to be well.
    pub health: Option<L4Health>,
    /// How long flows of a backend that was taken out may go on.
    pub drain: Duration,
}

/// Where a service runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum L4Mode {
    /// In the kernel where that is possible, else in the relay.
    #[default]
    Auto,
    /// In the kernel or not at all.
    Kernel,
    /// In the relay.
    Relay,
}

/// Source address and ports towards backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullNat {
    /// `None`: the address that the node's routes choose.
    pub source: Option<IpAddr>,
    /// `None`: the default range.
    pub ports: Option<RangeInclusive<u16>>,
}

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L4Backend {
    /// Address and port.
    pub address: SocketAddr,
    /// Share of new flows relative to the others; 0 drains it.
    pub weight: u16,
}

/// Host names and where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsRoute {
    /// Lower case; `*.example.com` matches one label.
    pub names: Vec<Arc<str>>,
    /// Backends.
    pub backends: Vec<L4Backend>,
}

/// A TCP connect now and then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L4Health {
    /// Time between two checks of a backend.
    pub interval: Duration,
    /// Time a connect may take.
    pub timeout: Duration,
    /// Successes in a row until a backend that is down takes flows again.
    pub rise: u32,
    /// Failures in a row until a backend is down.
    pub fall: u32,
}

impl TlsRoute {
    /// Whether a host name, lower case, goes here.
    pub fn matches(&self, name: &str) -> bool {
        self.names.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(domain) => name
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && rest == domain),
            None => **pattern == *name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_whole_or_by_one_label() {
        let route = TlsRoute {
            names: vec!["a.example".into(), "*.b.example".into()],
            backends: Vec::new(),
        };
        for (name, expected) in [
            ("a.example", true),
            ("x.a.example", false),
            ("x.b.example", true),
            ("x.y.b.example", false),
            ("b.example", false),
            (".b.example", false),
            ("", false),
        ] {
            assert_eq!(route.matches(name), expected, "{name}");
        }
    }
}
