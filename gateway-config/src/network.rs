//! Listeners, host names and kernel options: what neither folder nor ARM says about a node.

use std::{net::IpAddr, sync::Arc, time::Duration};

use ipnet::IpNet;

/// One address and port the agent listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Name for logs, metrics and steering rules.
    pub name: Arc<str>,
    /// Address; unspecified means all.
    pub address: IpAddr,
    /// Port; 0 lets the system choose (tests).
    pub port: u16,
    /// TLS is terminated here.
    pub tls: bool,
    /// Protocol versions offered.
    pub http: HttpVersions,
    /// Bounds of its connections; `None` takes the setting.
    pub limits: ListenerLimits,
    /// Peers that begin each connection with a PROXY protocol header.
    pub proxy_protocol: Vec<IpNet>,
    /// Peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// HTTP versions of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpVersions {
    /// HTTP/1.1
    pub http1: bool,
    /// HTTP/2, by ALPN on TLS and by prior knowledge on plain connections.
    pub http2: bool,
    /// HTTP/3 on the UDP port of the same number; needs TLS.
    pub http3: bool,
}

/// Bounds of one listener; `None` takes the value of the settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Connections open at once.
    pub connections: Option<u32>,
    /// Bytes of a request's header section.
    pub header_bytes: Option<u32>,
    /// Time a client may take to send a header section.
    pub header_timeout: Option<Duration>,
    /// Time a kept-alive connection may idle.
    pub idle_timeout: Option<Duration>,
}

/// A host name and its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostname {
    /// Lower case; `*.example.com` matches one label.
    pub name: Arc<str>,
    /// PEM file with the full chain.
    pub certificate_path: Arc<str>,
    /// PEM file with the private key.
    pub key_path: Arc<str>,
    /// Chain and key themselves, PEM, when they came with the configuration; the paths then only name them.
    pub content: Option<Pem>,
    /// Shown to clients that name no host name or an unknown one.
    pub default_binding: bool,
    /// Ask for a client certificate in the handshake.
    pub negotiate_client_certificate: bool,
    /// Offer HTTP/2 by ALPN.
    pub http2: bool,
}

/// PEM text that may hold a private key: never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem(pub Arc<[u8]>);

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What the kernel side is asked to do. Empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelOptions {
    /// Interfaces that XDP is attached to.
    pub uplinks: Vec<Arc<str>>,
    /// Addresses and ports steered to listeners without binding each.
    pub steer: Vec<SteerRule>,
    /// Source prefixes dropped on the uplinks.
    pub deny: Vec<IpNet>,
    /// How the uplinks' program is attached.
    pub uplink_mode: UplinkMode,
    /// Source prefixes that are neither denied nor banned nor limited.
    pub allow: Vec<IpNet>,
    /// Proxies and load balancers in front: many clients stand behind one address, which is therefore never banned, nor denied
    /// because of a policy.
    pub trusted_proxies: Vec<IpNet>,
    /// Kinds of malformed packets that are dropped instead of being counted only.
    pub drop_malformed: Vec<Malformed>,
    /// Samples of dropped packets, a second and CPU; 0: none.
    pub sample_drops: u32,
    /// Budgets of each source.
    pub source: Budgets,
    /// Budgets of sources count packets to any destination of the node.
    pub whole_node: bool,
    /// Budgets of destinations.
    pub destinations: Vec<Destination>,
    /// An unconditional `ip-filter action="forbid"` of the global scope is enforced on the uplinks too.
    pub ip_filter_denies: bool,
    /// Clients that rate limits refuse again and again are banned on the uplinks.
    pub rate_limit_bans: Option<RateLimitBans>,
    /// TCP, UDP and TLS passed through to backends.
    pub l4: crate::l4::L4Options,
}

/// Where in the receive path the uplinks' program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UplinkMode {
    /// XDP native, generic, or tc: the first that is possible and harmless.
    #[default]
    Auto,
    /// XDP in the driver, or not at all.
    Native,
    /// XDP in the stack.
    Generic,
    /// tc ingress.
    Tc,
}

/// A kind of malformed packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The frame ends inside a header.
    Short,
    /// Impossible version or header length.
    Header,
    /// An IP length that fits neither headers nor frame.
    Length,
    /// TCP flags that no stack sends.
    Flags,
    /// A source address that cannot be one.
    Address,
}

/// At most `per_second` in the long run, at most `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// A second.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

/// What one source, or everybody towards one destination, may send; `None`: as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budgets {
    /// TCP SYN segments.
    pub syn: Option<Rate>,
    /// Packets.
    pub packets: Option<Rate>,
    /// Established TCP connections.
    pub connections: Option<Rate>,
}

/// A destination with budgets of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Address.
    pub address: IpAddr,
    /// Port and whether it is UDP; `None`: the whole address.
    pub port: Option<(u16, bool)>,
    /// The budgets.
    pub budgets: Budgets,
}

/// When a client is banned for what rate limits refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitBans {
    /// So many refusals
    pub refusals: u32,
    /// in so long a time
    pub within: Duration,
    /// ban the client for so long.
    pub lasts: Duration,
}

/// One steering rule: destination prefix and ports to a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SteerRule {
    /// Destination addresses.
    pub prefix: IpNet,
    /// First port.
    pub first_port: u16,
    /// Last port, included.
    pub last_port: u16,
    /// Name of the [`Listener`] that gets the connections.
    pub listener: Arc<str>,
}
