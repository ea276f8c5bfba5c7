//! Choosing a connection for a request, and what to do when it turns out to be dead.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use tokio::time::Instant;

use super::{
    OutBody, Protocol, Target, UpstreamBody, UpstreamError, Version,
    connect::{self, Dial},
    h1::{Attempt, H1},
    host::{H2, Host, Lease},
    tls::ClientTls,
};
use crate::{limits::Limits, telemetry::Metrics};

/// Connections tried for one request. A pool that fell idle may hold a few that the backend closed in the
/// same moment; the last try is always a fresh connection.
const ATTEMPTS: usize = 3;

/// All backend connections of one worker.
pub(crate) struct Pool {
    limits: Rc<Limits>,
    pub(super) metrics: Arc<Metrics>,
    hosts: RefCell<HashMap<Target, Rc<Host>>>,
    idle: Rc<Cell<usize>>,
    clock: Rc<Cell<Instant>>,
    pub(super) tls: ClientTls,
    pub(super) dial: Dial,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("idle", &self.idle.get())
            .finish_non_exhaustive()
    }
}

/// Makes the head of a request for a connection's protocol and authority. Called once per attempt.
pub(crate) type Head<'a> = dyn Fn(Protocol, &Bytes) -> Result<Request<()>, UpstreamError> + 'a;

/// A response head with its body still on the wire.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) status: StatusCode,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Box<UpstreamBody>,
    pub(crate) protocol: Protocol,
    /// Address of the connection used.
    pub(crate) peer: Option<SocketAddr>,
}

/// A connection ready for one request.
pub(super) enum Channel {
    Http1(Box<H1>, Lease),
    Http2(H2),
}

impl Pool {
    pub(crate) fn new(limits: &Limits, metrics: Arc<Metrics>, tls: ClientTls, dial: Dial) -> Rc<Self> {
        Rc::new(Self {
            limits: Rc::new(limits.clone()),
            metrics,
            hosts: RefCell::default(),
            idle: Rc::default(),
            clock: Rc::new(Cell::new(Instant::now())),
            tls,
            dial,
        })
    }

    fn host(&self, target: &Target) -> Rc<Host> {
        let mut hosts = self.hosts.borrow_mut();
        let host = match hosts.get(target) {
            Some(host) => host,
            None => hosts
                .entry(target.clone())
                .or_insert_with(|| Host::new(target.clone(), Rc::clone(&self.idle), Rc::clone(&self.clock))),
        };
        Rc::clone(host)
    }

    /// Closes idle connections past their time and forgets unused targets.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        self.clock.set(now);
        self.hosts
            .borrow_mut()
            .retain(|_, host| !host.sweep(&self.limits, now) || Rc::strong_count(host) > 1);
    }

    /// Idle HTTP/1.1 connections held by this worker.
    pub(crate) fn idle(&self) -> usize {
        self.idle.get()
    }

    /// Sends a request and waits for the head of the response. The caller bounds the time.
    ///
    /// # Errors
    /// Why there is no response. A request is sent a second time only when no byte of it had left, or when
    /// it is idempotent, its body can be had again, and a reused connection died under it (RFC 9110 §9.2.2).
    pub(crate) async fn send(
        &self,
        target: &Target,
        head: &Head<'_>,
        mut body: OutBody,
        idempotent: bool,
    ) -> Result<Sent, UpstreamError> {
        let host = self.host(target);
        let mut attempt = 1;
        loop {
            let fresh = attempt >= ATTEMPTS;
            let spare = body.again();
            let tried = match self.channel(&host, fresh).await? {
                Channel::Http1(h1, lease) => self.over_http1(h1, lease, &host.authority, head, body).await,
                Channel::Http2(h2) => self.over_http2(h2, &host.authority, head, body).await,
            };
            let broken = match tried {
                Ok(sent) => return Ok(sent),
                Err(broken) => broken,
            };
            body = match (broken.unsent, spare) {
                (Some(unsent), _) if !fresh => unsent,
                (None, Some(again)) if !fresh && idempotent && broken.reused => again,
                _ => return Err(broken.error),
            };
            self.metrics.upstream.retries.inc();
            attempt += 1;
        }
    }

    /// An idle connection, or a new one.
    async fn channel(&self, host: &Rc<Host>, fresh: bool) -> Result<Channel, UpstreamError> {
        if !fresh && let Some(channel) = self.open_channel(host) {
            self.metrics.upstream.reused.inc();
            return Ok(channel);
        }
        host.last_used.set(Instant::now());
        let shared = host.target.version != Version::Http1 && host.speaks.get() != Some(Protocol::Http1);
        if !shared {
            return connect::open(self, host).await;
        }
        // One request opens the connection that all will share; the others find it when it is their turn.
        let _turn = host.connecting.lock().await;
        match host.take_h2() {
            Some(h2) if !fresh => Ok(Channel::Http2(h2)),
            _ => connect::open(self, host).await,
        }
    }

    fn open_channel(&self, host: &Rc<Host>) -> Option<Channel> {
        if host.target.version != Version::Http1
            && let Some(h2) = host.take_h2()
        {
            return Some(Channel::Http2(h2));
        }
        host.take_idle(&self.limits)
            .map(|(h1, lease)| Channel::Http1(h1, lease))
    }

    pub(super) fn lease(&self, host: &Rc<Host>) -> Result<Lease, UpstreamError> {
        host.lease(&self.limits).ok_or_else(|| UpstreamError::Exhausted {
            host: host.target.host.to_string(),
            limit: self.limits.upstreams_per_authority,
        })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn over_http1(
        &self,
        mut h1: Box<H1>,
        lease: Lease,
        authority: &Bytes,
        head: &Head<'_>,
        body: OutBody,
    ) -> Result<Sent, Broken> {
        let request = match head(Protocol::Http1, authority) {
            Ok(request) => request.map(|()| body),
            Err(error) => {
                return Err(Broken {
                    error,
                    unsent: None,
                    reused: false,
                });
            }
        };
        let reused = std::mem::replace(&mut h1.reused, true);
        match h1.send(request).await {
            Attempt::Answered(answer) => {
                let peer = h1.peer;
                Ok(Sent {
                    status: answer.status,
                    reason: answer.reason,
                    headers: answer.headers,
                    body: Box::new(UpstreamBody::http1(h1, lease, self.limits.upstream_body_timeout)),
                    protocol: Protocol::Http1,
                    peer,
                })
            }
            Attempt::Unsent(body) => Err(Broken {
                error: UpstreamError::Broken("the backend closed the connection".to_owned()),
                unsent: Some(body),
                reused,
            }),
            Attempt::Failed(error) => Err(Broken {
                error,
                unsent: None,
                reused,
            }),
        }
    }

    async fn over_http2(
        &self,
        mut h2: H2,
        authority: &Bytes,
        head: &Head<'_>,
        body: OutBody,
    ) -> Result<Sent, Broken> {
        let request = match head(Protocol::Http2, authority) {
            Ok(request) => request.map(|()| body),
            Err(error) => {
                return Err(Broken {
                    error,
                    unsent: None,
                    reused: false,
                });
            }
        };
        let stream = h2.begin();
        match h2.send.try_send_request(request).await {
            Ok(response) => {
                let (parts, incoming) = response.into_parts();
                let body = UpstreamBody::http2(incoming, stream, self.limits.upstream_body_timeout);
                Ok(Sent {
                    status: parts.status,
                    reason: None,
                    headers: parts.headers,
                    body: Box::new(body),
                    protocol: Protocol::Http2,
                    peer: h2.peer,
                })
            }
            Err(mut error) => {
                let unsent = error.take_message().map(Request::into_body);
                Err(Broken {
                    error: UpstreamError::broken(error.error()),
                    unsent,
                    reused: true,
                })
            }
        }
    }
}

/// A failed attempt.
struct Broken {
    error: UpstreamError,
    /// The request's body, when no byte of the request was sent.
    unsent: Option<OutBody>,
    /// The connection had carried a request before.
    reused: bool,
}
