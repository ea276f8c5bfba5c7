//! What one worker holds for one [`Target`]: idle HTTP/1.1 connections, open HTTP/2 connections, addresses.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    net::SocketAddr,
    rc::Rc,
};

use bytes::Bytes;
use hyper::client::conn::http2;
use tokio::time::Instant;

use super::{OutBody, Protocol, Target, h1::H1};
use crate::limits::Limits;

/// Requests put on one HTTP/2 connection before another is opened. Common servers allow 100 to 128 streams;
/// what the peer allows less waits in the library.
const STREAMS_PER_CONNECTION: usize = 100;

/// Everything for one target.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) target: Target,
    /// Host and port as requests name them.
    pub(crate) authority: Bytes,
    /// Oldest first; taken from the end, so that the oldest run into the idle timeout.
    idle: RefCell<VecDeque<Box<H1>>>,
    h2: RefCell<Vec<H2>>,
    /// Connections open, idle ones included.
    open: Cell<usize>,
    /// Idle connections of the whole worker.
    idle_of_worker: Rc<Cell<usize>>,
    /// What a negotiated connection turned out to speak last time.
    pub(crate) speaks: Cell<Option<Protocol>>,
    /// Lets one request open an HTTP/2 connection while the others wait for it.
    pub(crate) connecting: tokio::sync::Mutex<()>,
    pub(crate) addresses: RefCell<Option<Addresses>>,
    pub(crate) last_used: Cell<Instant>,
    /// The pool's clock, which moves once per sweep.
    clock: Rc<Cell<Instant>>,
}

/// A resolved name.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) list: Vec<SocketAddr>,
    pub(crate) resolved: Instant,
}

/// An open HTTP/2 connection, shared by requests.
#[derive(Clone)]
pub(crate) struct H2 {
    pub(crate) send: http2::SendRequest<OutBody>,
    pub(crate) peer: Option<SocketAddr>,
    streams: Rc<Cell<usize>>,
    idle_since: Rc<Cell<Instant>>,
}

impl fmt::Debug for H2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("H2")
            .field("streams", &self.streams.get())
            .finish_non_exhaustive()
    }
}

/// One stream of an [`H2`]; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct InFlight {
    streams: Rc<Cell<usize>>,
    idle_since: Rc<Cell<Instant>>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.streams.set(self.streams.get().saturating_sub(1));
        self.idle_since.set(Instant::now());
    }
}

impl H2 {
    pub(crate) fn new(send: http2::SendRequest<OutBody>, peer: Option<SocketAddr>) -> Self {
        Self {
            send,
            peer,
            streams: Rc::default(),
            idle_since: Rc::new(Cell::new(Instant::now())),
        }
    }

    pub(crate) fn begin(&self) -> InFlight {
        self.streams.set(self.streams.get() + 1);
        InFlight {
            streams: Rc::clone(&self.streams),
            idle_since: Rc::clone(&self.idle_since),
        }
    }
}

/// The right to one open connection; dropping it means that the connection is gone.
#[derive(Debug)]
pub(crate) struct Lease {
    host: Rc<Host>,
    limits: Rc<Limits>,
    kept: bool,
}

impl Lease {
    /// Puts a connection back, if it can carry another request and there is room.
    pub(crate) fn give_back(mut self, mut h1: Box<H1>) {
        let room = self.host.idle.borrow().len() < self.limits.idle_upstreams_per_authority
            && self.host.idle_of_worker.get() < self.limits.idle_upstreams_per_worker;
        if h1.is_ready() && room {
            h1.idle_since = self.host.clock.get();
            self.kept = true;
            self.host.idle_of_worker.set(self.host.idle_of_worker.get() + 1);
            self.host.idle.borrow_mut().push_back(h1);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.kept {
            self.host.closed(1);
        }
    }
}

impl Host {
    pub(crate) fn new(target: Target, idle_of_worker: Rc<Cell<usize>>, clock: Rc<Cell<Instant>>) -> Rc<Self> {
        Rc::new(Self {
            authority: target.authority().into(),
            target,
            idle: RefCell::default(),
            h2: RefCell::default(),
            open: Cell::new(0),
            idle_of_worker,
            speaks: Cell::new(None),
            connecting: tokio::sync::Mutex::default(),
            addresses: RefCell::default(),
            last_used: Cell::new(Instant::now()),
            clock,
        })
    }

    fn closed(&self, count: usize) {
        self.open.set(self.open.get().saturating_sub(count));
    }

    /// The right to one more connection, unless the bound is reached.
    pub(crate) fn lease(self: &Rc<Self>, limits: &Rc<Limits>) -> Option<Lease> {
        if self.open.get() >= limits.upstreams_per_authority {
            return None;
        }
        self.open.set(self.open.get() + 1);
        Some(Lease {
            host: Rc::clone(self),
            limits: Rc::clone(limits),
            kept: false,
        })
    }

    /// The youngest idle connection that is still alive.
    pub(crate) fn take_idle(self: &Rc<Self>, limits: &Rc<Limits>) -> Option<(Box<H1>, Lease)> {
        loop {
            let mut h1 = self.idle.borrow_mut().pop_back()?;
            self.idle_of_worker
                .set(self.idle_of_worker.get().saturating_sub(1));
            if h1.is_alive() {
                return Some((
                    h1,
                    Lease {
                        host: Rc::clone(self),
                        limits: Rc::clone(limits),
                        kept: false,
                    },
                ));
            }
            self.closed(1);
        }
    }

    /// An open HTTP/2 connection with a free stream.
    pub(crate) fn take_h2(&self) -> Option<H2> {
        let mut open = self.h2.borrow_mut();
        open.retain(|h2| !h2.send.is_closed());
        open.iter()
            .find(|h2| h2.streams.get() < STREAMS_PER_CONNECTION)
            .cloned()
    }

    pub(crate) fn add_h2(&self, h2: H2) {
        self.h2.borrow_mut().push(h2);
    }

    /// Takes out what is closed or idle for too long. True when nothing is left and nobody came lately.
    pub(crate) fn sweep(&self, limits: &Limits, now: Instant) -> bool {
        let mut idle = std::mem::take(&mut *self.idle.borrow_mut());
        let before = idle.len();
        idle.retain_mut(|h1| {
            now.saturating_duration_since(h1.idle_since) < limits.upstream_idle_timeout && h1.is_alive()
        });
        let gone = before - idle.len();
        self.closed(gone);
        self.idle_of_worker
            .set(self.idle_of_worker.get().saturating_sub(gone));
        // Nothing ran in between that could have given a connection back, but order is cheap to keep.
        let mut slot = self.idle.borrow_mut();
        idle.append(&mut slot);
        *slot = idle;
        // Dropping the last handle closes an HTTP/2 connection cleanly.
        self.h2.borrow_mut().retain(|h2| {
            let idle_for = now.saturating_duration_since(h2.idle_since.get());
            !h2.send.is_closed() && (h2.streams.get() > 0 || idle_for < limits.upstream_idle_timeout)
        });
        let unused = now.saturating_duration_since(self.last_used.get()) >= limits.upstream_idle_timeout;
        unused && self.open.get() == 0 && self.h2.borrow().is_empty()
    }
}
