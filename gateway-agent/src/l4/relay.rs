//! The relay: connections that the kernel programs cannot pass through, moved by splice(2) without a copy.
//!
//! With `tls` the ClientHello is read first and its host name chooses the backends; nothing is decrypted, and what was read
//! goes to the backend as it came.

use std::{
    collections::HashMap,
    io::{self, Cursor},
    net::{Shutdown, SocketAddr},
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use gateway_config::l4::{L4Backend, L4Health, L4Service};
use gateway_loader::l4::{Candidate, build};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};
use rustls::server::Acceptor;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::{Semaphore, mpsc},
    time::timeout,
};

use super::health::Board;

/// Time a client has for its ClientHello: a slow link and a retransmission or two.
const HELLO_DEADLINE: Duration = Duration::from_secs(10);
/// Most bytes of a ClientHello: one TLS record (RFC 8446 §5.1) and its headers.
const HELLO_BYTES: usize = 16_384 + 256;
/// Time a backend has to accept.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Backends tried for one connection.
const ATTEMPTS: usize = 3;
/// Bytes moved at once: what a pipe holds by default.
const CHUNK: usize = 65_536;
/// Connections of a service without `maxFlows`: two sockets and two pipes each, below usual limits of open files.
const MAX_CONNECTIONS: usize = 8_192;
/// Connections waiting in the backlog.
const BACKLOG: i32 = 4_096;
/// Clients of a UDP service at a time: one socket each.
const MAX_CLIENTS: usize = 4_096;
/// Datagrams of one client that wait for its socket.
const QUEUE: usize = 64;
/// A client of a UDP service is forgotten after so long without a datagram (RFC 4787 REQ-5).
const UDP_IDLE: Duration = Duration::from_secs(180);
/// Largest datagram.
const DATAGRAM: usize = 65_535;

/// What a relayed service has counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) flows: AtomicU64,
    pub(super) active: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// Backends and the table over those that take connections.
#[derive(Debug)]
struct Pool {
    backends: Vec<L4Backend>,
    table: Vec<u16>,
}

impl Pool {
    fn new(backends: &[L4Backend], board: &Board) -> Self {
        let candidates: Vec<Candidate> = (1_u16..)
            .zip(backends)
            .filter(|(_, backend)| board.is_up(backend.address))
            .map(|(number, backend)| Candidate {
                number,
                weight: backend.weight,
                identity: backend.address.to_string().into_bytes(),
            })
            .collect();
        Self {
            backends: backends.to_vec(),
            table: build(&candidates),
        }
    }

    /// Backends for a hash, the chosen one first.
    fn choose(&self, hash: u64) -> impl Iterator<Item = SocketAddr> {
        let size = self.table.len().max(1) as u64;
        let mut seen = Vec::new();
        // The step is prime to the table's size, as in the kernel.
        (0..64_u64)
            .filter_map(move |at| {
                let slot = ((hash % size) + at * 12_289) % size;
                let number = *self.table.get(slot as usize)?;
                let backend = self.backends.get(usize::from(number).checked_sub(1)?)?;
                (!seen.contains(&number)).then(|| {
                    seen.push(number);
                    backend.address
                })
            })
            .take(ATTEMPTS)
    }
}

/// One relayed service: listener, table, counts. Ends when it is dropped; connections it has go on.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) counts: Arc<Counts>,
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    name: Arc<str>,
    affinity: bool,
    health: Option<L4Health>,
    pools: arc_swap::ArcSwap<(Pool, Vec<(gateway_config::l4::TlsRoute, Pool)>)>,
    board: Arc<Board>,
    counts: Arc<Counts>,
    room: Arc<Semaphore>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

/// Binds the address of a service: also one that is not local (yet), and beside a process that is about to drain.
pub(super) fn bind(service: &L4Service) -> io::Result<Socket> {
    let kind = if service.udp { Type::DGRAM } else { Type::STREAM };
    let protocol = if service.udp { Protocol::UDP } else { Protocol::TCP };
    let socket = Socket::new(Domain::for_address(service.address), kind, Some(protocol))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if service.address.is_ipv4() {
        socket.set_freebind_v4(true)?;
    } else {
        socket.set_freebind_v6(true)?;
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&service.address.into())?;
    if !service.udp {
        socket.listen(BACKLOG)?;
    }
    Ok(socket)
}

impl Relay {
    /// Serves a bound socket. Inside a runtime.
    pub(super) fn start(service: &L4Service, socket: Socket, board: &Arc<Board>) -> io::Result<Self> {
        let counts = Arc::new(Counts::default());
        let room = service.max_flows.map_or(MAX_CONNECTIONS, |most| {
            usize::try_from(most)
                .unwrap_or(MAX_CONNECTIONS)
                .min(MAX_CONNECTIONS)
        });
        let shared = Arc::new(Shared {
            name: Arc::clone(&service.name),
            affinity: service.affinity,
            health: service.health.clone(),
            pools: arc_swap::ArcSwap::from_pointee(pools(service, board)),
            board: Arc::clone(board),
            counts: Arc::clone(&counts),
            room: Arc::new(Semaphore::new(room)),
        });
        let address = socket.local_addr()?.as_socket().unwrap_or(service.address);
        let acceptor = if service.udp {
            let socket = UdpSocket::from_std(socket.into())?;
            tokio::spawn(datagrams(Arc::new(socket), Arc::clone(&shared)))
        } else {
            let listener = TcpListener::from_std(socket.into())?;
            tokio::spawn(accept(listener, Arc::clone(&shared)))
        };
        Ok(Self {
            counts,
            address,
            shared,
            acceptor,
        })
    }

    /// Takes changed backends or health into account, for connections from now on.
    pub(super) fn update(&self, service: &L4Service) {
        self.shared
            .pools
            .store(Arc::new(pools(service, &self.shared.board)));
    }
}

fn pools(service: &L4Service, board: &Board) -> (Pool, Vec<(gateway_config::l4::TlsRoute, Pool)>) {
    let routes = service
        .tls
        .iter()
        .map(|route| (route.clone(), Pool::new(&route.backends, board)));
    (Pool::new(&service.backends, board), routes.collect())
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (client, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(event = "RelayAcceptFailed", service = %shared.name, "{error}");
                // No descriptors: others may be given back meanwhile.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&shared.room).try_acquire_owned() else {
            shared.counts.refused.fetch_add(1, Relaxed);
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let _permit = permit;
            shared.counts.flows.fetch_add(1, Relaxed);
            shared.counts.active.fetch_add(1, Relaxed);
            if let Err(error) = serve(client, from, &shared).await {
                tracing::debug!(event = "RelayEnded", service = %shared.name, client = %from, "{error}");
            }
            shared.counts.active.fetch_sub(1, Relaxed);
        });
    }
}

async fn serve(mut client: TcpStream, from: SocketAddr, shared: &Shared) -> io::Result<()> {
    let pools = shared.pools.load_full();
    let (default, routes) = &*pools;
    let mut read = Vec::new();
    let mut pool = default;
    if !routes.is_empty() {
        let name = timeout(HELLO_DEADLINE, hello(&mut client, &mut read))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let route = name.and_then(|name| routes.iter().find(|(route, _)| route.matches(&name)));
        pool = route.map_or(default, |(_, pool)| pool);
    }
    let hash = hash_of(from, shared.affinity);
    let Some(mut backend) = connect(pool, hash, shared).await else {
        shared.counts.refused.fetch_add(1, Relaxed);
        // A reset tells the client at once, as a closed port would.
        let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
        return Err(io::Error::other("no backend accepts"));
    };
    let _ = client.set_nodelay(true);
    let _ = backend.set_nodelay(true);
    if !read.is_empty() {
        backend.write_all(&read).await?;
        shared.counts.bytes_in.fetch_add(read.len() as u64, Relaxed);
    }
    let (client, backend) = (&client, &backend);
    tokio::try_join!(
        pump(client, backend, &shared.counts.bytes_in),
        pump(backend, client, &shared.counts.bytes_out)
    )?;
    Ok(())
}

async fn connect(pool: &Pool, hash: u64, shared: &Shared) -> Option<TcpStream> {
    for backend in pool.choose(hash) {
        let connected = timeout(CONNECT_DEADLINE, TcpStream::connect(backend)).await;
        let well = matches!(connected, Ok(Ok(_)));
        // What clients see counts like a check.
        if let Some(rules) = shared.health.as_ref().filter(|_| !well)
            && shared.board.heard(backend, false, rules).is_some()
        {
            tracing::warn!(event = "L4BackendDown", service = %shared.name, %backend, "the backend accepts no connections");
        }
        if let Ok(Ok(stream)) = connected {
            return Some(stream);
        }
    }
    None
}

/// Reads a ClientHello into `read` and returns its host name, lower case; `None` without one or when it is no TLS.
async fn hello(client: &mut TcpStream, read: &mut Vec<u8>) -> io::Result<Option<String>> {
    let mut acceptor = Acceptor::default();
    loop {
        let before = read.len();
        if client.read_buf(read).await? == 0 {
            return Ok(None);
        }
        let mut fresh = Cursor::new(read.get(before..).unwrap_or_default());
        while (fresh.position() as usize) < read.len() - before {
            if acceptor.read_tls(&mut fresh)? == 0 {
                break;
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => {
                    let name = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
                    return Ok(name);
                }
                Ok(None) => {}
                Err(_) => return Ok(None),
            }
        }
        if read.len() > HELLO_BYTES {
            return Ok(None);
        }
    }
}

/// Moves bytes until the end of one direction, then closes it on the other side.
async fn pump(from: &TcpStream, to: &TcpStream, count: &AtomicU64) -> io::Result<()> {
    let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    loop {
        let moved = from
            .async_io(Interest::READABLE, || {
                Ok(splice(from, None, &into, None, CHUNK, flags)?)
            })
            .await?;
        if moved == 0 {
            return SockRef::from(to).shutdown(Shutdown::Write);
        }
        drain(&out, to, moved, flags).await?;
        count.fetch_add(moved as u64, Relaxed);
    }
}

async fn drain(out: &OwnedFd, to: &TcpStream, mut left: usize, flags: SpliceFlags) -> io::Result<()> {
    while left > 0 {
        let moved = to
            .async_io(Interest::WRITABLE, || {
                Ok(splice(out, None, to, None, left, flags)?)
            })
            .await?;
        if moved == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        left -= moved;
    }
    Ok(())
}

/// UDP: a socket towards a backend for each client, and a task that moves answers back.
async fn datagrams(socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let mut clients: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let datagram = buffer.get(..length).unwrap_or_default().to_vec();
        let datagram = match clients.get(&from) {
            Some(client) => match client.try_send(datagram) {
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => continue,
                Err(mpsc::error::TrySendError::Closed(datagram)) => datagram,
            },
            None => datagram,
        };
        if clients.len() >= MAX_CLIENTS {
            clients.retain(|_, client| !client.is_closed());
        }
        if clients.len() >= MAX_CLIENTS {
            shared.counts.refused.fetch_add(1, Relaxed);
            continue;
        }
        let (queue, waiting) = mpsc::channel(QUEUE);
        let _ = queue.try_send(datagram);
        clients.insert(from, queue);
        tokio::spawn(client(Arc::clone(&socket), from, waiting, Arc::clone(&shared)));
    }
}

async fn client(
    socket: Arc<UdpSocket>,
    from: SocketAddr,
    mut waiting: mpsc::Receiver<Vec<u8>>,
    shared: Arc<Shared>,
) {
    let backend = shared
        .pools
        .load()
        .0
        .choose(hash_of(from, shared.affinity))
        .next();
    let Some(backend) = backend else {
        shared.counts.refused.fetch_add(1, Relaxed);
        return;
    };
    let any: SocketAddr = if backend.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0_u16; 8], 0).into()
    };
    let Ok(upstream) = UdpSocket::bind(any).await else {
        return;
    };
    if upstream.connect(backend).await.is_err() {
        return;
    }
    shared.counts.flows.fetch_add(1, Relaxed);
    shared.counts.active.fetch_add(1, Relaxed);
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let turn = timeout(UDP_IDLE, async {
            tokio::select! {
                datagram = waiting.recv() => {
                    let datagram = datagram?;
                    shared.counts.bytes_in.fetch_add(datagram.len() as u64, Relaxed);
                    // A datagram may be lost; the next one tells.
                    let _ = upstream.send(&datagram).await;
                }
                answer = upstream.recv(&mut buffer) => {
                    if let Some(answer) = answer.ok().and_then(|length| buffer.get(..length)) {
                        shared.counts.bytes_out.fetch_add(answer.len() as u64, Relaxed);
                        let _ = socket.send_to(answer, from).await;
                    }
                }
            }
            Some(())
        });
        if !matches!(turn.await, Ok(Some(()))) {
            break;
        }
    }
    shared.counts.active.fetch_sub(1, Relaxed);
}

/// Hash of a client: address and port, or the address alone (FNV-1a and a mixing round).
fn hash_of(client: SocketAddr, affinity: bool) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    match client.ip().to_canonical() {
        std::net::IpAddr::V4(address) => eat(&address.octets()),
        std::net::IpAddr::V6(address) => eat(&address.octets()),
    }
    if !affinity {
        eat(&client.port().to_be_bytes());
    }
    (hash ^ (hash >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 7
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
