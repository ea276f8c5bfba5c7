//! What is known about one client connection, and the clockwork that ends connections which take too long.
//!
//! There is no timer per connection or request: each worker's sweep looks at all its connections once a
//! [`SWEEP`], and cuts those past a limit. A connection only notes, in plain cells, what phase it is in and
//! since when. That costs a few stores per request and nothing while idle.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::BTreeMap,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    task::Waker,
    time::Duration,
};

use http::HeaderValue;
use tokio::time::Instant;

use super::headers;
use crate::{
    kernel::UserSide,
    limits::Limits,
    listen::{Listener, Rules},
    tunnel::Upgraded,
};

/// How often connections are looked at. Every limit of a connection is met within one sweep more than it
/// says.
pub(crate) const SWEEP: Duration = Duration::from_millis(500);

/// While draining, an HTTP/1.1 connection that has been idle this long is closed. A client that has just
/// got a response may be sending the next request already.
const DRAIN_IDLE: Duration = Duration::from_secs(1);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Accepted; TLS (if any) and the choice of protocol are not finished.
    Handshake,
    /// Between requests.
    Idle,
    /// The head of an HTTP/1.1 request has begun to arrive.
    Head,
    /// At least one request is being served.
    Busy,
    /// Bytes are relayed both ways (WebSocket).
    Tunnel,
}

/// Why a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    HandshakeTimeout,
    HeaderTimeout,
    IdleTimeout,
    /// The client does not take its response.
    WriteTimeout,
    TunnelIdle,
    /// The drain's deadline passed.
    Drain,
}

impl Cut {
    /// Label value of metrics and logs.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::HandshakeTimeout => "handshake_timeout",
            Self::HeaderTimeout => "header_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::WriteTimeout => "write_timeout",
            Self::TunnelIdle => "tunnel_idle",
            Self::Drain => "draining",
        }
    }
}

/// What the TLS handshake told.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsFacts {
    /// `1.2` or `1.3`.
    pub(crate) version: &'static str,
    /// The client's certificate, DER.
    pub(crate) client_certificate: Option<Arc<[u8]>>,
    /// Name that the client asked for.
    pub(crate) server_name: Option<String>,
    /// What the client sent with it, DER, the certificate itself first.
    pub(crate) client_chain: Vec<Arc<[u8]>>,
}

/// Certificates of a client's chain that are kept; real chains have two or three.
const CHAIN_MAX: usize = 8;

impl TlsFacts {
    /// Of a handshake in which the client sent this chain.
    pub(crate) fn new(version: &'static str, chain: &[rustls::pki_types::CertificateDer<'_>]) -> Self {
        let chain = chain.iter().take(CHAIN_MAX);
        let client_chain: Vec<Arc<[u8]>> = chain.map(|der| der.as_ref().into()).collect();
        Self {
            version,
            server_name: None,
            client_certificate: client_chain.first().cloned(),
            client_chain,
        }
    }
}

/// One client connection. Lives on one worker.
#[derive(Debug)]
pub(crate) struct Conn {
    /// The client, or the proxy in front of it until that has said for whom it speaks.
    peer: Cell<SocketAddr>,
    pub(crate) local: SocketAddr,
    /// The listener speaks TLS.
    pub(crate) secure: bool,
    /// What its listener says.
    pub(crate) rules: Arc<Rules>,
    /// `Alt-Svc` of its responses: where HTTP/3 is served.
    pub(crate) alt_svc: Option<HeaderValue>,
    pub(crate) tls: OnceCell<TlsFacts>,
    phase: Cell<Phase>,
    since: Cell<Instant>,
    /// What was done on it, while somebody wants to know.
    work: RefCell<Option<UserSide>>,
    /// Requests in service.
    requests: Cell<u32>,
    /// Set while the transport refuses bytes.
    write_blocked: Cell<Option<Instant>>,
    /// Response bodies handed out a piece and were not asked for the next one yet.
    stalled: Cell<u32>,
    /// When any stalled body last moved.
    stalled_since: Cell<Instant>,
    cut: Cell<Option<Cut>>,
    draining: Cell<bool>,
    close: Cell<bool>,
    tunnel: RefCell<Option<Upgraded>>,
    last_host: RefCell<Option<Arc<str>>>,
    forwarded_for: OnceCell<HeaderValue>,
    /// When a backend must have answered; kept by the sweep.
    deadline: Cell<Option<Instant>>,
    waker: RefCell<Option<Waker>>,
    clock: Rc<Cell<Instant>>,
}

impl Conn {
    /// Who is at the other end.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer.get()
    }

    /// The proxy at the other end speaks for somebody.
    pub(crate) fn speaks_for(&self, client: SocketAddr) {
        self.peer.set(client);
    }

    /// From now on what is done on it is kept, for its record.
    pub(crate) fn keep_work(&self) {
        *self.work.borrow_mut() = Some(UserSide::default());
    }

    /// A request is over.
    pub(crate) fn worked(&self, api: &str, refused: bool, received: u64, sent: u64) {
        if let Some(work) = &mut *self.work.borrow_mut() {
            work.request(api, refused, received, sent);
        }
    }

    /// What was done on it.
    pub(crate) fn take_work(&self) -> UserSide {
        let mut work = self.work.borrow_mut().take().unwrap_or_default();
        if let Some(tls) = self.tls.get() {
            work.tls = Some(tls.version);
            work.server_name.clone_from(&tls.server_name);
        }
        work
    }

    fn now(&self) -> Instant {
        self.clock.get()
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(self.now());
    }

    /// A request begins.
    pub(crate) fn request_begins(&self) {
        self.requests.set(self.requests.get() + 1);
        self.enter(Phase::Busy);
    }

    /// A request's response has been handed to the transport, or given up.
    pub(crate) fn request_ends(&self) {
        let left = self.requests.get().saturating_sub(1);
        self.requests.set(left);
        if left == 0 && self.phase.get() == Phase::Busy {
            self.enter(Phase::Idle);
        }
    }

    /// Bytes arrived.
    pub(crate) fn read(&self, http1: bool) {
        match self.phase.get() {
            Phase::Idle if http1 => self.enter(Phase::Head),
            Phase::Tunnel => self.since.set(self.now()),
            _ => {}
        }
    }

    /// Bytes left (`true`), or the transport refused them.
    pub(crate) fn wrote(&self, progress: bool) {
        if progress {
            self.write_blocked.set(None);
            if self.stalled.get() > 0 {
                self.stalled_since.set(self.now());
            }
            if self.phase.get() == Phase::Tunnel {
                self.since.set(self.now());
            }
        } else if self.write_blocked.get().is_none() {
            self.write_blocked.set(Some(self.now()));
        }
    }

    /// A response body gave out a piece (`true`) or was asked for the next one.
    pub(crate) fn stalled(&self, stalled: bool) {
        let count = self.stalled.get();
        self.stalled.set(if stalled {
            count + 1
        } else {
            count.saturating_sub(1)
        });
        self.stalled_since.set(self.now());
    }

    /// Remembers whom to wake; called at every poll of the connection's task.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        match &*slot {
            Some(old) if old.will_wake(waker) => {}
            _ => *slot = Some(waker.clone()),
        }
    }

    pub(crate) fn wake(&self) {
        let waker = self.waker.borrow().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn cut(&self) -> Option<Cut> {
        self.cut.get()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// The drain has begun and the connection has been idle for a while since: it can be closed without
    /// racing a request that is already on its way.
    pub(crate) fn should_close(&self) -> bool {
        self.close.get()
    }

    /// What the connection becomes when its last response is a `101`.
    pub(crate) fn set_tunnel(&self, upstream: Upgraded) {
        *self.tunnel.borrow_mut() = Some(upstream);
    }

    pub(crate) fn take_tunnel(&self) -> Option<Upgraded> {
        self.tunnel.borrow_mut().take()
    }

    /// The peer as `X-Forwarded-For` names it.
    pub(crate) fn forwarded_for(&self) -> &HeaderValue {
        self.forwarded_for
            .get_or_init(|| headers::address(self.peer().ip()))
    }

    /// Has the connection's task woken in `limit` or soon after; it then finds [`Conn::deadline_passed`].
    /// One at a time, so for HTTP/1.1 only.
    pub(crate) fn set_deadline_in(&self, limit: Duration) {
        // The clock stands still between two sweeps: never early, at most one sweep late.
        self.deadline.set(Some(self.now() + limit + SWEEP));
    }

    pub(crate) fn clear_deadline(&self) {
        self.deadline.set(None);
    }

    pub(crate) fn deadline_passed(&self) -> bool {
        self.deadline.get().is_some_and(|deadline| self.now() >= deadline)
    }

    /// `host` as shared text; a client asks for the same host again and again.
    pub(crate) fn host(&self, host: &str) -> Arc<str> {
        let mut last = self.last_host.borrow_mut();
        match &*last {
            Some(known) if **known == *host => Arc::clone(known),
            _ => {
                let fresh: Arc<str> = host.into();
                *last = Some(Arc::clone(&fresh));
                fresh
            }
        }
    }

    /// The limit this connection is past, if any.
    fn overdue(&self, limits: &Limits, now: Instant) -> Option<Cut> {
        let past = |since: Instant, limit: Duration| now.saturating_duration_since(since) >= limit;
        let own = &self.rules.limits;
        let (limit, cut) = match self.phase.get() {
            Phase::Handshake => (limits.handshake_timeout, Cut::HandshakeTimeout),
            Phase::Idle => (own.idle_timeout.unwrap_or(limits.idle_timeout), Cut::IdleTimeout),
            Phase::Head => (
                own.header_timeout.unwrap_or(limits.header_timeout),
                Cut::HeaderTimeout,
            ),
            Phase::Tunnel => (limits.tunnel_idle_timeout, Cut::TunnelIdle),
            Phase::Busy => (Duration::MAX, Cut::IdleTimeout),
        };
        if past(self.since.get(), limit) {
            return Some(cut);
        }
        let blocked = self
            .write_blocked
            .get()
            .is_some_and(|since| past(since, limits.body_timeout));
        let stalled = self.stalled.get() > 0 && past(self.stalled_since.get(), limits.body_timeout);
        (blocked || stalled).then_some(Cut::WriteTimeout)
    }
}

/// All client connections of one worker.
#[derive(Debug)]
pub(crate) struct Connections {
    open: RefCell<BTreeMap<u64, Rc<Conn>>>,
    next: Cell<u64>,
    clock: Rc<Cell<Instant>>,
    draining: Cell<bool>,
    /// Wakes the accept loops when a slot is free again.
    pub(crate) freed: tokio::sync::Notify,
}

/// Keeps a connection in its worker's table; dropping it takes it out.
#[derive(Debug)]
pub(crate) struct Registration {
    table: Rc<Connections>,
    id: u64,
    pub(crate) conn: Rc<Conn>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.table.open.borrow_mut().remove(&self.id);
        self.table.freed.notify_waiters();
    }
}

impl Connections {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            open: RefCell::default(),
            next: Cell::new(0),
            clock: Rc::new(Cell::new(Instant::now())),
            draining: Cell::new(false),
            freed: tokio::sync::Notify::new(),
        })
    }

    /// Open now.
    pub(crate) fn len(&self) -> usize {
        self.open.borrow().len()
    }

    pub(crate) fn register(
        self: &Rc<Self>,
        peer: SocketAddr,
        local: SocketAddr,
        listener: &Listener,
        alt_svc: Option<HeaderValue>,
    ) -> Registration {
        let now = self.clock.get();
        let conn = Rc::new(Conn {
            peer: Cell::new(peer),
            local,
            secure: listener.tls,
            rules: Arc::clone(&listener.rules),
            alt_svc,
            tls: OnceCell::new(),
            phase: Cell::new(Phase::Handshake),
            since: Cell::new(now),
            work: RefCell::new(None),
            requests: Cell::new(0),
            write_blocked: Cell::new(None),
            stalled: Cell::new(0),
            stalled_since: Cell::new(now),
            cut: Cell::new(None),
            draining: Cell::new(self.draining.get()),
            close: Cell::new(false),
            tunnel: RefCell::new(None),
            last_host: RefCell::new(None),
            forwarded_for: OnceCell::new(),
            deadline: Cell::new(None),
            waker: RefCell::new(None),
            clock: Rc::clone(&self.clock),
        });
        let id = self.next.get();
        self.next.set(id + 1);
        self.open.borrow_mut().insert(id, Rc::clone(&conn));
        Registration {
            table: Rc::clone(self),
            id,
            conn,
        }
    }

    /// Advances the clock and cuts what is overdue. Returns what was cut, for metrics.
    pub(crate) fn sweep(&self, limits: &Limits) -> Vec<Cut> {
        let now = Instant::now();
        self.clock.set(now);
        if self.draining.get() {
            self.close_idle(now);
        }
        for conn in self.open.borrow().values().filter(|conn| conn.deadline_passed()) {
            conn.wake();
        }
        self.cut_where(|conn| conn.overdue(limits, now))
    }

    /// Tells every connection to end after what it is doing.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        for conn in self.open.borrow().values() {
            conn.draining.set(true);
            conn.wake();
        }
    }

    fn close_idle(&self, now: Instant) {
        for conn in self.open.borrow().values() {
            let idle = conn.phase.get() == Phase::Idle;
            if idle && now.saturating_duration_since(conn.since.get()) >= DRAIN_IDLE {
                conn.close.set(true);
                conn.wake();
            }
        }
    }

    /// Cuts everything that is left.
    pub(crate) fn cut_all(&self) -> Vec<Cut> {
        self.cut_where(|_| Some(Cut::Drain))
    }

    fn cut_where(&self, judge: impl Fn(&Conn) -> Option<Cut>) -> Vec<Cut> {
        let mut cut = Vec::new();
        for conn in self
            .open
            .borrow()
            .values()
            .filter(|conn| conn.cut.get().is_none())
        {
            if let Some(reason) = judge(conn) {
                conn.cut.set(Some(reason));
                conn.wake();
                cut.push(reason);
            }
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// Runs `act` on a fresh connection, then sweeps after each of `waits` seconds; the last sweep must
    /// give `expected` and the earlier ones nothing.
    async fn check(act: impl Fn(&Conn), waits: &[u64], expected: Option<Cut>) {
        let limits = Limits {
            handshake_timeout: seconds(10),
            header_timeout: seconds(15),
            idle_timeout: seconds(75),
            body_timeout: seconds(60),
            tunnel_idle_timeout: seconds(300),
            ..Limits::default()
        };
        let table = Connections::new();
        let address = "127.0.0.1:1".parse().unwrap();
        let held = table.register(address, address, &Listener::new(address, false), None);
        act(&held.conn);
        let (last, early) = waits.split_last().unwrap();
        for wait in early {
            tokio::time::advance(seconds(*wait)).await;
            assert_eq!(table.sweep(&limits), []);
        }
        tokio::time::advance(seconds(*last)).await;
        assert_eq!(table.sweep(&limits), Vec::from_iter(expected));
        assert_eq!(held.conn.cut(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_limit() {
        check(|_| {}, &[9, 1], Some(Cut::HandshakeTimeout)).await;
        check(|c| c.enter(Phase::Idle), &[74, 1], Some(Cut::IdleTimeout)).await;
        check(|c| c.enter(Phase::Tunnel), &[299, 1], Some(Cut::TunnelIdle)).await;
        check(|c| c.enter(Phase::Busy), &[100_000], None).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_byte_of_a_head_starts_the_header_limit() {
        let drip = |c: &Conn| {
            c.enter(Phase::Idle);
            c.read(true);
        };
        check(drip, &[14, 1], Some(Cut::HeaderTimeout)).await;
        // Later bytes of the same head do not extend it.
        let more = |c: &Conn| {
            c.enter(Phase::Idle);
            c.read(true);
            c.read(true);
        };
        check(more, &[14, 1], Some(Cut::HeaderTimeout)).await;
        // HTTP/2 frames are no head.
        let h2 = |c: &Conn| {
            c.enter(Phase::Idle);
            c.read(false);
        };
        check(h2, &[15, 60], Some(Cut::IdleTimeout)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_take_its_response_is_cut() {
        let blocked = |c: &Conn| {
            c.request_begins();
            c.wrote(false);
        };
        check(blocked, &[59, 1], Some(Cut::WriteTimeout)).await;
        let stalled = |c: &Conn| {
            c.request_begins();
            c.stalled(true);
        };
        check(stalled, &[59, 1], Some(Cut::WriteTimeout)).await;
        let moving = |c: &Conn| {
            c.request_begins();
            c.wrote(false);
            c.wrote(true);
        };
        check(moving, &[1_000], None).await;
    }

    #[tokio::test(start_paused = true)]
    async fn two_requests_at_once_are_idle_after_the_second() {
        let one_left = |c: &Conn| {
            c.request_begins();
            c.request_begins();
            c.request_ends();
        };
        check(one_left, &[1_000], None).await;
        let none_left = |c: &Conn| {
            c.request_begins();
            c.request_begins();
            c.request_ends();
            c.request_ends();
        };
        check(none_left, &[74, 1], Some(Cut::IdleTimeout)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_registration_frees_the_slot() {
        let table = Connections::new();
        let address = "127.0.0.1:1".parse().unwrap();
        let held = table.register(address, address, &Listener::new(address, false), None);
        assert_eq!(table.len(), 1);
        drop(held);
        assert_eq!(table.len(), 0);
    }
}
