//! The workers: one thread, one current-thread runtime and one set of sockets each. Nothing is shared
//! between workers but the [`Node`].

use std::{
    cell::{Cell, RefCell},
    io,
    num::NonZeroUsize,
    rc::Rc,
    sync::Arc,
    task::Poll,
    thread,
    time::Duration,
};

use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioTimer;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::Semaphore,
    task::LocalSet,
    time::MissedTickBehavior,
};

use crate::{
    executor::LocalExecutor,
    external::External,
    h3,
    http::{
        conn::{Connections, SWEEP},
        serve,
    },
    limits::Limits,
    listen::{Bound, Listener},
    node::Node,
    overload::Admission,
    pipeline::world::Machine,
    tls,
    upstream::{Dial, Pool, tls::ClientTls},
};

/// Threads for name resolution, per worker: `getaddrinfo` blocks. More than this many names at once wait.
const BLOCKING_THREADS: usize = 4;
/// Pause after `accept` failed for want of descriptors or memory: retrying at once would only burn the CPU
/// that could close something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A vanished peer is noticed after about two minutes without traffic.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;
/// HTTP/2 windows towards clients: an upload of 100 Mbit/s over 20 ms, and what one client can make us hold.
const H2_STREAM_WINDOW: u32 = 256 * 1024;
const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Response bytes one HTTP/2 stream may queue.
const H2_SEND_BUFFER: usize = 64 * 1024;
/// Streams this side resets for the client's errors before the connection is closed.
const H2_ERROR_RESETS: usize = 256;

/// `send-one-way-request` calls under way on one worker: nobody waits for them, so nothing else bounds them.
const ONE_WAY_CALLS: usize = 256;

/// Header fields the library takes without being told.
const LIBRARY_HEADERS: usize = 100;

/// One worker per CPU this process may run on.
pub fn default_count() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The running workers.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<thread::JoinHandle<()>>,
}

impl Workers {
    /// Waits for the workers' threads to end. They end when the drain is over, so begin it first
    /// ([`crate::drain::Drain::begin`]); blocking: call it from a plain thread or `spawn_blocking`.
    ///
    /// Returns how many workers had panicked (0 in a healthy process).
    pub fn join(self) -> usize {
        self.threads
            .into_iter()
            .map(thread::JoinHandle::join)
            .filter(Result::is_err)
            .count()
    }
}

/// Starts `count` workers, at least one; every `Bound` has as many sockets or more.
///
/// # Errors
/// A thread or a runtime could not be made (limits of processes or open files).
pub fn start(node: &Arc<Node>, bound: Vec<Bound>, count: usize) -> io::Result<Workers> {
    let count = count.max(1);
    let mut sockets: Vec<Vec<Sockets>> = (0..count).map(|_| Vec::new()).collect();
    for one in bound {
        let mut udp = one.udp.into_iter();
        for (at, tcp) in one.tcp.into_iter().enumerate() {
            // More sockets than workers when an earlier process had more: some workers serve several.
            sockets[at % count].push(Sockets {
                listener: one.listener.clone(),
                tcp,
                udp: udp.next(),
            });
        }
    }
    let mut threads = Vec::with_capacity(count);
    for (id, sockets) in sockets.into_iter().enumerate() {
        let node = Arc::clone(node);
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()?;
        threads.push(
            thread::Builder::new()
                .name(format!("worker-{id}"))
                .spawn(move || {
                    let local = LocalSet::new();
                    local.block_on(&runtime, run(id, node, sockets, count));
                })?,
        );
    }
    Ok(Workers { threads })
}

/// One listener's sockets on one worker.
#[derive(Debug)]
struct Sockets {
    listener: Listener,
    tcp: std::net::TcpListener,
    udp: Option<std::net::UdpSocket>,
}

/// What lives on one worker. Never leaves its thread.
pub(crate) struct Worker {
    pub(crate) id: usize,
    pub(crate) node: Arc<Node>,
    pub(crate) connections: Rc<Connections>,
    pub(crate) pool: Rc<Pool>,
    pub(crate) machine: Machine,
    /// The external cache that this worker is connected to.
    external: RefCell<Option<Rc<External>>>,
    /// Client certificates that policies brought.
    pub(crate) own_identities: tls::OwnIdentities,
    /// Which requests are let in.
    pub(crate) admission: Admission,
    one_way: Rc<Semaphore>,
    pub(crate) http1: http1::Builder,
    pub(crate) http2: http2::Builder<LocalExecutor>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Worker {
    pub(crate) fn new(id: usize, node: Arc<Node>, dial: Dial) -> Rc<Self> {
        let limits = &node.settings.limits;
        let provider = node.settings.backend_tls.clone().unwrap_or_else(tls::provider);
        let client_tls = ClientTls::new(provider, Arc::clone(&node.backend_roots));
        Rc::new(Self {
            id,
            connections: Connections::new(),
            pool: Pool::new(limits, Arc::clone(&node.metrics), client_tls, dial),
            machine: Machine::new(),
            own_identities: tls::OwnIdentities::default(),
            external: RefCell::default(),
            admission: Admission::default(),
            one_way: Rc::new(Semaphore::new(ONE_WAY_CALLS)),
            http1: http1_builder(limits),
            http2: http2_builder(limits),
            node,
        })
    }

    /// The servers of listeners with a bound of their own on header sections.
    pub(crate) fn http1_with(&self, header_bytes: u32) -> http1::Builder {
        http1_builder(&self.limits_with(header_bytes))
    }

    pub(crate) fn http2_with(&self, header_bytes: u32) -> http2::Builder<LocalExecutor> {
        http2_builder(&self.limits_with(header_bytes))
    }

    fn limits_with(&self, header_bytes: u32) -> Limits {
        Limits {
            head_bytes: header_bytes as usize,
            ..self.node.settings.limits.clone()
        }
    }

    /// The external cache, if there is one; another one when the configuration names another.
    pub(crate) fn external(&self) -> Option<Rc<External>> {
        let config = self.node.external.load();
        let mut current = self.external.borrow_mut();
        let same = match (&*current, &*config) {
            (Some(current), Some(config)) => current.is_of(config),
            (None, None) => true,
            _ => false,
        };
        if !same {
            *current = config
                .as_ref()
                .map(|config| External::new(config, &self.node.metrics));
        }
        current.clone()
    }

    /// The right to one more `send-one-way-request` under way; `None` when there are too many.
    pub(crate) fn one_way(&self) -> Option<OneWay> {
        let slots = Rc::clone(&self.one_way);
        slots.try_acquire().ok()?.forget();
        Some(OneWay { slots })
    }

    /// Keeps every limit that is not kept by a timer of its own.
    pub(crate) async fn sweep(self: Rc<Self>) {
        let mut tick = tokio::time::interval(SWEEP);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut idle_before = 0;
        let mut before = tokio::time::Instant::now();
        loop {
            tick.tick().await;
            let now = tokio::time::Instant::now();
            let late = (now - before).saturating_sub(SWEEP);
            before = now;
            self.admission
                .came_round(late, self.node.settings.limits.loop_delay);
            for cut in self.connections.sweep(&self.node.settings.limits) {
                self.node
                    .metrics
                    .connections
                    .refused
                    .with_label_values(&[cut.reason()])
                    .inc();
            }
            self.pool.sweep();
            // A gauge shared by the workers moves by differences.
            let idle = self.pool.idle() as i64;
            self.node.metrics.upstream.idle.add(idle - idle_before);
            idle_before = idle;
        }
    }
}

/// A place among the one-way requests under way.
#[derive(Debug)]
pub(crate) struct OneWay {
    slots: Rc<Semaphore>,
}

impl Drop for OneWay {
    fn drop(&mut self) {
        self.slots.add_permits(1);
    }
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The library's buffer grows to 400 KiB and never shrinks; ours stays at what a head may have.
    builder.max_buf_size(limits.head_bytes.max(8 * 1024));
    builder.max_header_size(limits.head_bytes);
    if limits.headers > LIBRARY_HEADERS {
        // A number given by hand makes the library allocate for every request, so it is given only when its
        // own is too small; a smaller limit is kept by the pipeline.
        builder.max_headers(limits.headers);
    }
    // Header and idle timeouts are kept by the sweep: a timer per request costs more than all of them.
    builder.header_read_timeout(None);
    builder
}

fn http2_builder(limits: &Limits) -> http2::Builder<LocalExecutor> {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.head_bytes as u32)
        .max_pending_accept_reset_streams(limits.pending_resets)
        .max_local_error_reset_streams(H2_ERROR_RESETS)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BUFFER);
    builder
}

/// What one worker may hold of a listener's connections.
#[derive(Clone, Debug)]
struct Share {
    /// Open now.
    open: Rc<Cell<usize>>,
    limit: usize,
}

impl Share {
    fn new(spec: &Listener, workers: usize) -> Self {
        let limit = spec
            .rules
            .limits
            .connections
            .map_or(usize::MAX, |all| all as usize);
        Self {
            open: Rc::default(),
            limit: limit.div_ceil(workers.max(1)),
        }
    }

    fn is_used_up(&self) -> bool {
        self.open.get() >= self.limit
    }

    /// Counts a connection until the returned value is dropped.
    fn take(&self) -> Taken {
        self.open.set(self.open.get() + 1);
        Taken(Rc::clone(&self.open))
    }
}

/// One connection of a share.
#[derive(Debug)]
struct Taken(Rc<Cell<usize>>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

async fn run(id: usize, node: Arc<Node>, sockets: Vec<Sockets>, workers: usize) {
    let mut watch = node.drain.watch();
    let worker = Worker::new(id, node, Dial::Tcp);
    worker.node.metrics.workers.inc();
    if let Some(external) = worker.external() {
        external.begin();
    }
    let sweeper = tokio::task::spawn_local(Rc::clone(&worker).sweep());
    for one in sockets {
        let spec = Rc::new(one.listener);
        match TcpListener::from_std(one.tcp) {
            Ok(listener) => {
                let share = Share::new(&spec, workers);
                tokio::task::spawn_local(accept(Rc::clone(&worker), listener, Rc::clone(&spec), share));
            }
            Err(error) => tracing::error!(%error, address = %spec.address, "listener lost"),
        }
        if let Some(udp) = one.udp {
            tokio::task::spawn_local(h3::serve(Rc::clone(&worker), udp, spec));
        }
    }
    watch.begun().await;
    worker.connections.drain();
    let left = async {
        while worker.connections.len() > 0 {
            worker.connections.freed.notified().await;
        }
    };
    tokio::select! {
        () = left => {}
        () = watch.expired() => {
            let cut = worker.connections.cut_all();
            if !cut.is_empty() {
                tracing::warn!(worker = id, connections = cut.len(), "the drain's deadline passed: connections cut");
            }
            // One turn of the loop lets the cut connections go.
            tokio::task::yield_now().await;
        }
    }
    sweeper.abort();
    worker.node.metrics.workers.dec();
}

/// Accepts until the drain begins, then takes what the kernel had queued already.
async fn accept(worker: Rc<Worker>, listener: TcpListener, spec: Rc<Listener>, share: Share) {
    let mut watch = worker.node.drain.watch();
    let name = spec.address.to_string();
    if let Err(error) = prepare(&listener) {
        tracing::warn!(%error, address = %spec.address, "socket options not set; connections stay without keep-alive probes");
    }
    let limit = worker.node.settings.limits.connections_per_worker;
    loop {
        if worker.connections.len() >= limit || share.is_used_up() {
            // New clients wait in the kernel's backlog until a slot is free.
            tokio::select! {
                () = worker.connections.freed.notified() => continue,
                _ = watch.begun() => break,
            }
        }
        let accepted = tokio::select! {
            biased;
            _ = watch.begun() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => begin(&worker, &spec, &name, stream, peer, share.take()),
            Err(error) => accept_failed(&worker, &error).await,
        }
    }
    while let Poll::Ready(Ok((stream, peer))) =
        listener.poll_accept(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    {
        begin(&worker, &spec, &name, stream, peer, share.take());
    }
}

fn begin(
    worker: &Rc<Worker>,
    spec: &Listener,
    name: &str,
    stream: TcpStream,
    peer: std::net::SocketAddr,
    taken: Taken,
) {
    let metrics = &worker.node.metrics.connections;
    let gate = &worker.node.settings.gate;
    if gate.refuses(peer.ip()) {
        // Dropping the stream closes it: a denied source gets no word.
        metrics.refused.with_label_values(&["denied"]).inc();
        return;
    }
    metrics.accepted.with_label_values(&[name]).inc();
    let account = gate.account(&stream);
    let joining = gate.joining(&stream);
    let active = metrics.active.with_label_values(&[name]);
    let local = stream.local_addr().unwrap_or(spec.address);
    let alt_svc = (spec.tls && spec.http3)
        .then(|| h3::alt_svc(spec.address.port()))
        .flatten();
    let held = worker.connections.register(peer, local, spec, alt_svc);
    let conn = Rc::clone(&held.conn);
    if joining.is_some() {
        conn.keep_work();
    }
    let worker = Rc::clone(worker);
    active.inc();
    tokio::task::spawn_local(async move {
        let freed = Rc::clone(&worker);
        serve::tcp(worker, held, stream).await;
        // The accept loop looks at the share again.
        drop(taken);
        freed.connections.freed.notify_waiters();
        // Read after the last byte.
        drop(account);
        if let Some(joining) = joining {
            joining.done(conn.take_work());
        }
        active.dec();
    });
}

/// Options of every accepted connection. Set on the listener, since Linux hands them down: five system calls
/// less for each connection.
fn prepare(listener: &TcpListener) -> io::Result<()> {
    let socket = SockRef::from(listener);
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)
}

/// A connection that broke between the kernel's handshake and `accept` is nobody's problem; anything else
/// (no descriptors, no memory) passes, and accepting goes on.
async fn accept_failed(worker: &Worker, error: &io::Error) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    ) {
        return;
    }
    worker
        .node
        .metrics
        .connections
        .refused
        .with_label_values(&["accept_error"])
        .inc();
    tracing::warn!(%error, "accept failed; raise the limit of open files if this repeats");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_connections_have_the_options_of_their_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        prepare(&listener).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let socket = SockRef::from(&accepted);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), KEEPALIVE_PROBES);
        assert!(
            !SockRef::from(&client).keepalive().unwrap(),
            "the test sees a difference"
        );
    }
}
