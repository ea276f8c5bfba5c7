//! From a name to an open connection: resolve, connect, TLS, protocol.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, time::Instant};

use super::{
    Protocol, UpstreamError, Version,
    h1::H1,
    host::{Addresses, H2, Host},
    pool::{Channel, Pool},
    proxy, race,
};
use crate::{executor::LocalExecutor, http::body::chain, transport::Transport};

/// How long a resolved name is used. The system resolver hides the record's TTL; five seconds follow a
/// change of a Kubernetes service fast enough and spare a look-up per connection.
const DNS_TTL: Duration = Duration::from_secs(5);
/// Addresses of a name that are tried.
const ADDRESSES: usize = 8;
/// Initial HTTP/2 windows: a megabyte a stream keeps 100 Mbit/s busy over 80 ms; the library's default is
/// two, and windows are memory that a slow client makes the gateway hold.
const H2_STREAM_WINDOW: u32 = 1024 * 1024;
const H2_CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Ping of an idle HTTP/2 connection with streams, and how long an answer may take.
const H2_PING: Duration = Duration::from_secs(20);
const H2_PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes a pipe to a target, or says why not.
#[cfg(test)]
pub(crate) type MemoryDial = Box<dyn Fn(&super::Target) -> io::Result<tokio::io::DuplexStream>>;

/// How a byte stream to a target comes to be.
pub(crate) enum Dial {
    /// TCP.
    Tcp,
    /// Tests: a pipe to a backend in memory.
    #[cfg(test)]
    Memory(MemoryDial),
}

/// Opens a connection within the connect timeout.
pub(super) async fn open(pool: &Pool, host: &Rc<Host>) -> Result<Channel, UpstreamError> {
    let limit = pool.limits().connect_timeout;
    let begun = Instant::now();
    let opened = match tokio::time::timeout(limit, Box::pin(open_unbounded(pool, host))).await {
        Ok(opened) => opened,
        Err(_) => Err(UpstreamError::ConnectTimeout {
            host: host.target.host.to_string(),
            limit,
        }),
    };
    let metrics = &pool.metrics.upstream;
    match &opened {
        Ok(_) => {
            metrics.connects.with_label_values(&["ok"]).inc();
            metrics.connect_duration.observe(begun.elapsed().as_secs_f64());
        }
        Err(error) => {
            // A name may have moved: ask again next time.
            *host.addresses.borrow_mut() = None;
            if let Some(result) = error.connect_result() {
                metrics.connects.with_label_values(&[result]).inc();
            }
        }
    }
    opened
}

async fn open_unbounded(pool: &Pool, host: &Rc<Host>) -> Result<Channel, UpstreamError> {
    let lease = pool.lease(host)?;
    let (stream, peer) = dial(pool, host).await?;
    let (transport, protocol) = secure(pool, host, stream).await?;
    host.speaks.set(Some(protocol));
    let name = || host.target.host.to_string();
    let broken = |error: hyper::Error| UpstreamError::Connect {
        address: name(),
        reason: chain(&error),
    };
    match protocol {
        Protocol::Http1 => Ok(Channel::Http1(H1::new(transport, peer), lease)),
        Protocol::Http2 => {
            let (send, connection) = http2::Builder::new(LocalExecutor)
                .timer(TokioTimer::new())
                .initial_stream_window_size(H2_STREAM_WINDOW)
                .initial_connection_window_size(H2_CONNECTION_WINDOW)
                .max_header_list_size(pool.limits().head_bytes as u32)
                .keep_alive_interval(H2_PING)
                .keep_alive_timeout(H2_PING_TIMEOUT)
                .handshake(TokioIo::new(transport))
                .await
                .map_err(broken)?;
            tokio::task::spawn_local(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(error = %chain(&error), "connection to a backend ended");
                }
                drop(lease);
            });
            let h2 = H2::new(send, peer);
            host.add_h2(h2.clone());
            Ok(Channel::Http2(h2))
        }
    }
}

async fn dial(pool: &Pool, host: &Rc<Host>) -> Result<(Transport, Option<SocketAddr>), UpstreamError> {
    match &pool.dial {
        Dial::Tcp => {
            let (mut stream, peer) = tcp(host).await?;
            if let Some(via) = host.target.via.as_deref().filter(|_| host.target.secure) {
                proxy::tunnel(&mut stream, via, &host.target).await?;
            }
            Ok((Transport::Tcp(stream), Some(peer)))
        }
        #[cfg(test)]
        Dial::Memory(connect) => match connect(&host.target) {
            Ok(pipe) => Ok((Transport::Pipe(pipe), None)),
            Err(error) => Err(UpstreamError::Connect {
                address: host.target.host.to_string(),
                reason: error.to_string(),
            }),
        },
    }
}

/// Connects to whichever of the addresses answers first.
async fn tcp(host: &Rc<Host>) -> Result<(TcpStream, SocketAddr), UpstreamError> {
    let addresses = resolve(host).await?;
    match race::connect(addresses).await {
        Ok((stream, address)) => {
            // Small requests must not wait for the acknowledgement of earlier ones.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, %address, "TCP_NODELAY not set");
            }
            Ok((stream, address))
        }
        Err(Some((address, error))) => Err(UpstreamError::Connect {
            address: address.to_string(),
            reason: error.to_string(),
        }),
        Err(None) => Err(UpstreamError::Resolve {
            host: host.target.host.to_string(),
            reason: "the name has no address".to_owned(),
        }),
    }
}

async fn resolve(host: &Rc<Host>) -> Result<Vec<SocketAddr>, UpstreamError> {
    let target = &host.target;
    let (name, port) = match &target.via {
        Some(via) => (&via.host, via.port),
        None => (&target.host, target.port),
    };
    if let Ok(ip) = name.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let known = host.addresses.borrow().clone();
    if let Some(known) = known
        && known.resolved.elapsed() < DNS_TTL
    {
        return Ok(known.list);
    }
    let found: io::Result<Vec<SocketAddr>> = tokio::net::lookup_host((&**name, port))
        .await
        .map(|all| all.take(ADDRESSES).collect());
    let list = found.map_err(|error| UpstreamError::Resolve {
        host: name.to_string(),
        reason: error.to_string(),
    })?;
    *host.addresses.borrow_mut() = Some(Addresses {
        list: list.clone(),
        resolved: Instant::now(),
    });
    Ok(list)
}

/// TLS, if the target wants it, and the protocol that follows.
async fn secure(
    pool: &Pool,
    host: &Rc<Host>,
    stream: Transport,
) -> Result<(Transport, Protocol), UpstreamError> {
    let target = &host.target;
    if !target.secure {
        let protocol = match target.version {
            Version::Http2 => Protocol::Http2,
            // Without TLS there is nothing to negotiate with: `2or1` is 1.
            Version::Http1 | Version::Http2Or1 => Protocol::Http1,
        };
        return Ok((stream, protocol));
    }
    let failed = |reason: String| UpstreamError::Tls {
        host: target.host.to_string(),
        reason,
    };
    let Transport::Tcp(stream) = stream else {
        return Err(failed("TLS runs over TCP only".to_owned()));
    };
    let stream = pool.tls.connect(target, stream).await.map_err(failed)?;
    let negotiated = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let protocol = match (target.version, negotiated) {
        (_, true) => Protocol::Http2,
        (Version::Http2, false) => {
            return Err(failed("the backend does not offer HTTP/2 (ALPN h2)".to_owned()));
        }
        (_, false) => Protocol::Http1,
    };
    Ok((Transport::TlsClient(Box::new(stream)), protocol))
}
