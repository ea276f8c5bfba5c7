//! Binding: every listener's sockets exist before anything else is built, one per worker and address.
//!
//! Each worker has its own SO_REUSEPORT socket, so the kernel (or the `sk_reuseport` program) chooses the
//! worker and workers share nothing. A client that connects during start-up waits in the backlog instead
//! of being refused.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
};

use gateway_config::network::ListenerLimits;
use ipnet::IpNet;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel queues for one worker's socket before `accept`. The kernel caps it at
/// `net.core.somaxconn` (4,096 on current kernels).
const BACKLOG: i32 = 4_096;

/// Receive and send buffer asked for on UDP sockets: at 10 Gbit/s this is about 3 ms of traffic, enough
/// for a worker that is busy with one long policy. The kernel caps it at `net.core.rmem_max`.
const UDP_BUFFER: usize = 4 * 1024 * 1024;

/// One address the gateway serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where; port 0 takes any free port (all workers share the one that was given).
    pub address: SocketAddr,
    /// TLS is spoken here.
    pub tls: bool,
    /// HTTP/3 is served on the UDP port of the same number (needs `tls`).
    pub http3: bool,
    /// What holds for its connections.
    pub rules: Arc<Rules>,
}

impl Listener {
    /// A listener with the usual rules and without HTTP/3.
    pub fn new(address: SocketAddr, tls: bool) -> Self {
        Self {
            address,
            tls,
            http3: false,
            rules: Arc::default(),
        }
    }
}

/// What a listener says about its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// HTTP/1.1 is served.
    pub http1: bool,
    /// HTTP/2 is served.
    pub http2: bool,
    /// Bounds; absent ones are those of the settings.
    pub limits: ListenerLimits,
    /// Peers that begin each connection with a PROXY protocol header.
    pub proxy_protocol: Vec<IpNet>,
    /// Peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            http1: true,
            http2: true,
            limits: ListenerLimits::default(),
            proxy_protocol: Vec::new(),
            trusted_proxies: Vec::new(),
        }
    }
}

/// Whether an address is in one of a few prefixes. IPv4 addresses come mapped on a socket of both families.
pub(crate) fn contains(list: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    list.iter().any(|prefix| prefix.contains(&address))
}

/// A listener with its sockets, one per worker.
#[derive(Debug)]
pub struct Bound {
    /// What was asked for, with the port that was given.
    pub listener: Listener,
    /// One listening socket per worker, non-blocking.
    pub tcp: Vec<TcpListener>,
    /// One UDP socket per worker when HTTP/3 is on, else empty.
    pub udp: Vec<UdpSocket>,
    /// UDP sockets of the process that this one replaces, in the order of its workers. Its own; kept here until the
    /// kernel knows them.
    pub predecessor: Vec<UdpSocket>,
}

/// Sockets of listeners that another process has bound.
#[derive(Debug, Default)]
pub struct Sockets {
    tcp: HashMap<SocketAddr, Vec<TcpListener>>,
    udp: HashMap<SocketAddr, Vec<UdpSocket>>,
}

impl Sockets {
    /// Adds a TCP socket.
    pub fn add_tcp(&mut self, address: SocketAddr, socket: TcpListener) {
        self.tcp.entry(address).or_default().push(socket);
    }

    /// Adds a UDP socket, in the order of the other process's workers.
    pub fn add_udp(&mut self, address: SocketAddr, socket: UdpSocket) {
        self.udp.entry(address).or_default().push(socket);
    }

    /// The TCP sockets of an address; none the second time.
    pub fn tcp(&mut self, address: SocketAddr) -> Vec<TcpListener> {
        self.tcp.remove(&address).unwrap_or_default()
    }

    /// The UDP sockets of an address; none the second time.
    pub fn udp(&mut self, address: SocketAddr) -> Vec<UdpSocket> {
        self.udp.remove(&address).unwrap_or_default()
    }
}

/// An address that could not be bound, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({protocol}): {source}; {remedy}", remedy = remedy(source, address))]
pub struct BindError {
    /// The address asked for.
    pub address: SocketAddr,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// The system's reason.
    pub source: io::Error,
}

fn remedy(error: &io::Error, address: &SocketAddr) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "another process holds port {}: stop it or choose another port (`ss -lntup` names it)",
                address.port()
            )
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE: grant it or choose a higher port".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "{} is not an address of this machine: use one of `ip address`, or 0.0.0.0",
                address.ip()
            )
        }
        _ => "check the address and the limits of open files".to_owned(),
    }
}

/// Binds every listener for `workers` workers. Sockets that another process has handed over are used first: what clients
/// have queued there is served. TCP sockets can be more than workers when that process had more.
///
/// # Errors
/// The first address that cannot be bound; what was bound before is closed again.
pub fn bind(
    listeners: &[Listener],
    workers: usize,
    mut inherited: Option<&mut Sockets>,
) -> Result<Vec<Bound>, BindError> {
    listeners
        .iter()
        .map(|listener| bind_one(listener.clone(), workers, inherited.as_deref_mut()))
        .collect()
}

fn bind_one(
    mut listener: Listener,
    workers: usize,
    inherited: Option<&mut Sockets>,
) -> Result<Bound, BindError> {
    let (mut tcp, predecessor) = match inherited {
        Some(inherited) => (inherited.tcp(listener.address), inherited.udp(listener.address)),
        None => (Vec::with_capacity(workers), Vec::new()),
    };
    while tcp.len() < workers {
        let fail = |source| BindError {
            address: listener.address,
            protocol: "tcp",
            source,
        };
        let socket = tcp_socket(listener.address).map_err(fail)?;
        if listener.address.port() == 0 {
            let given = socket.local_addr().map_err(fail)?;
            listener.address.set_port(given.port());
        }
        tcp.push(socket);
    }
    let mut udp = Vec::new();
    if listener.http3 {
        for _ in 0..workers {
            let fail = |source| BindError {
                address: listener.address,
                protocol: "udp",
                source,
            };
            udp.push(udp_socket(listener.address).map_err(fail)?);
        }
    }
    Ok(Bound {
        listener,
        tcp,
        udp,
        predecessor,
    })
}

fn reuseport_socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // A v6 listener never takes v4 traffic behind the operator's back: each family is named.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn tcp_socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = reuseport_socket(address, Type::STREAM, Protocol::TCP)?;
    // Connections of an earlier process in TIME_WAIT must not stop a restart.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn udp_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = reuseport_socket(address, Type::DGRAM, Protocol::UDP)?;
    // Best effort: a smaller buffer only drops earlier under bursts.
    let _ = socket.set_recv_buffer_size(UDP_BUFFER);
    let _ = socket.set_send_buffer_size(UDP_BUFFER);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn loopback(http3: bool) -> Listener {
        Listener {
            http3,
            ..Listener::new("127.0.0.1:0".parse().unwrap(), http3)
        }
    }

    #[test]
    fn every_worker_gets_a_socket_on_the_same_port() {
        let bound = bind(&[loopback(true), loopback(false)], 3, None).unwrap();
        assert_eq!((bound[0].tcp.len(), bound[0].udp.len()), (3, 3));
        assert_eq!((bound[1].tcp.len(), bound[1].udp.len()), (3, 0));
        for one in &bound {
            assert_ne!(one.listener.address.port(), 0);
            for socket in &one.tcp {
                assert_eq!(socket.local_addr().unwrap(), one.listener.address);
            }
            TcpStream::connect(one.listener.address).expect("a bound listener queues connections");
        }
    }

    #[test]
    fn a_taken_port_is_named_with_a_remedy() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = Listener::new(holder.local_addr().unwrap(), false);
        let text = bind(std::slice::from_ref(&taken), 1, None)
            .unwrap_err()
            .to_string();
        assert!(text.contains(&taken.address.to_string()), "{text}");
        assert!(text.contains("another process holds port"), "{text}");
    }

    #[test]
    fn a_foreign_address_is_named_with_a_remedy() {
        // 192.0.2.0/24 is reserved for documentation and on no machine (RFC 5737).
        let foreign = Listener::new("192.0.2.1:0".parse().unwrap(), false);
        let text = bind(&[foreign], 1, None).unwrap_err().to_string();
        assert!(text.contains("is not an address of this machine"), "{text}");
    }
}
