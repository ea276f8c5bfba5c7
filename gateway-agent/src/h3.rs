//! HTTP/3 over QUIC: one endpoint per worker on its own SO_REUSEPORT socket.
//!
//! Requests, responses, streaming both ways, trailers, limits, drain. No 0-RTT. Connection IDs name the worker
//! ([`gateway_loader::common::quic`]), so with `pick_worker` attached a client that changes its address stays with its
//! worker, and a process that is being replaced keeps its connections. Without it the kernel's hash of the addresses
//! chooses, and such a client begins anew. The experimental library is kept behind this file alone.

use std::{
    cell::RefCell,
    net::UdpSocket,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use gateway_loader::common::quic;
use h3::{error::Code, server::RequestStream};
use h3_quinn::{BidiStream, RecvStream, SendStream};
use http::{HeaderValue, Method, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use quinn::{
    Endpoint, EndpointConfig, IdleTimeout, ServerConfig, TokioRuntime, TransportConfig, VarInt,
    crypto::rustls::QuicServerConfig,
};

use crate::{
    drain::Successor,
    http::{
        body::{BodyError, ClientBody, ResponseBody, Traffic, chain},
        conn::{Conn, Phase, Registration, TlsFacts},
        serve::uncut,
    },
    limits::Limits,
    listen::Listener,
    pipeline::{self, Protocol},
    worker::Worker,
};

/// Unidirectional streams of a client: control, two for QPACK, and a few it may try in vain.
const UNI_STREAMS: u32 = 8;
/// Receive window of one stream and of a connection: what one client can make us hold.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes in flight towards one client.
const SEND_WINDOW: u64 = 1024 * 1024;
/// After the response the rest of a request is read away for so long, so that the stream ends in order; a
/// reset with code 0 makes some clients throw a complete response away.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 256 * 1024;
/// After a successor has taken over, packets that the socket held already may still begin connections here. Far longer than
/// a worker is ever behind.
const TAIL: Duration = Duration::from_secs(1);
/// While draining, so many more requests may be on their way before the client hears of it (RFC 9114 §5.2).
const DRAIN_REQUESTS: usize = 64;

type Sender = RequestStream<SendStream<Bytes>, Bytes>;
type Receiver = RequestStream<RecvStream, Bytes>;

/// Serves HTTP/3 on one socket until the drain.
pub(crate) async fn serve(worker: Rc<Worker>, socket: UdpSocket, spec: Rc<Listener>) {
    let mut watch = worker.node.drain.watch();
    let endpoint = Endpoint::new(endpoint_config(&worker), None, socket, Arc::new(TokioRuntime));
    let endpoint = match endpoint {
        Ok(endpoint) => endpoint,
        Err(error) => {
            tracing::error!(%error, address = %spec.address, "HTTP/3 listener lost");
            return;
        }
    };
    let mut configs = Configs { last: None };
    if let Some(config) = configs.current(&worker) {
        endpoint.set_server_config(Some((*config).clone()));
    }
    let mut tail = pin!(async {
        watch.begun().await;
        // New connections are the successor's from now on; what the socket holds already is still served here.
        if worker.node.drain.successor() == Some(Successor { quic: true }) {
            tokio::time::sleep(TAIL).await;
        }
    });
    loop {
        let incoming = tokio::select! {
            biased;
            () = &mut tail => break,
            incoming = endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else { break };
        if worker.connections.len() >= worker.node.settings.limits.connections_per_worker {
            worker
                .node
                .metrics
                .connections
                .refused
                .with_label_values(&["limit"])
                .inc();
            incoming.refuse();
            continue;
        }
        let Some(config) = configs.current(&worker) else {
            incoming.refuse();
            continue;
        };
        begin(&worker, &spec, incoming, config);
    }
    // New connections are refused; those that are open end by themselves or at the deadline.
    endpoint.set_server_config(None);
    let mut watch = worker.node.drain.watch();
    if worker.node.drain.successor() == Some(Successor { quic: false }) {
        // The kernel would give their packets to either process: better a clean end, and a new connection there.
        endpoint.close(code(Code::H3_NO_ERROR), b"upgrade");
        endpoint.wait_idle().await;
        return;
    }
    tokio::select! {
        () = endpoint.wait_idle() => {}
        () = watch.expired() => endpoint.close(code(Code::H3_NO_ERROR), b"drain"),
    }
}

fn endpoint_config(worker: &Worker) -> EndpointConfig {
    let process = worker.node.settings.process;
    let owner = quic::Owner {
        node: process.node,
        generation: process.generation as u8,
        worker: worker.id as u8,
    };
    let mut config = EndpointConfig::default();
    config.cid_generator(move || {
        Box::new(Ids {
            owner,
            key: process.quic_key,
            count: 0,
        })
    });
    config
}

/// Makes connection IDs that `pick_worker` understands.
#[derive(Debug)]
struct Ids {
    owner: quic::Owner,
    key: quic::IdKey,
    count: u64,
}

impl quinn::ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> quinn::ConnectionId {
        let mut random = [0; 10];
        // The library asks until it gets an ID that it does not know: the count makes each another one, randomness or not.
        let _ = aws_lc_rs::rand::fill(&mut random);
        self.count = self.count.wrapping_add(1);
        for (octet, count) in random.iter_mut().zip(self.count.to_be_bytes()) {
            *octet ^= count;
        }
        quinn::ConnectionId::new(&quic::encode(self.owner, random, self.key))
    }

    fn cid_len(&self) -> usize {
        quic::ID_LENGTH
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

fn code(code: Code) -> VarInt {
    VarInt::from_u64(code.value()).unwrap_or_default()
}

/// The QUIC configuration, made anew when the certificates have changed.
struct Configs {
    last: Option<(Arc<rustls::ServerConfig>, Arc<ServerConfig>)>,
}

impl Configs {
    fn current(&mut self, worker: &Worker) -> Option<Arc<ServerConfig>> {
        let tls = worker.node.tls.quic();
        if let Some((known, config)) = &self.last
            && Arc::ptr_eq(known, &tls)
        {
            return Some(Arc::clone(config));
        }
        let crypto = match QuicServerConfig::try_from(Arc::clone(&tls)) {
            Ok(crypto) => crypto,
            Err(error) => {
                tracing::error!(%error, "HTTP/3 needs a TLS 1.3 cipher suite for QUIC");
                return None;
            }
        };
        let mut config = ServerConfig::with_crypto(Arc::new(crypto));
        config.transport_config(Arc::new(transport(&worker.node.settings.limits)));
        let config = Arc::new(config);
        self.last = Some((tls, Arc::clone(&config)));
        Some(config)
    }
}

fn transport(limits: &Limits) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(limits.streams.into())
        .max_concurrent_uni_streams(UNI_STREAMS.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(SEND_WINDOW)
        .max_idle_timeout(IdleTimeout::try_from(limits.idle_timeout).ok());
    transport
}

fn begin(worker: &Rc<Worker>, spec: &Listener, incoming: quinn::Incoming, config: Arc<ServerConfig>) {
    let peer = incoming.remote_address();
    if worker.node.settings.gate.refuses(peer.ip()) {
        worker
            .node
            .metrics
            .connections
            .refused
            .with_label_values(&["denied"])
            .inc();
        incoming.ignore();
        return;
    }
    let name = format!("{}/udp", spec.address);
    let metrics = &worker.node.metrics.connections;
    metrics.accepted.with_label_values(&[&name]).inc();
    let active = metrics.active.with_label_values(&[&name]);
    let held = worker.connections.register(peer, spec.address, spec, None);
    let worker = Rc::clone(worker);
    active.inc();
    tokio::task::spawn_local(async move {
        match incoming.accept_with(config) {
            Ok(connecting) => Box::pin(connection(worker, held, connecting)).await,
            Err(error) => tracing::debug!(%peer, %error, "QUIC connection refused"),
        }
        active.dec();
    });
}

async fn connection(worker: Rc<Worker>, held: Registration, connecting: quinn::Connecting) {
    let conn = Rc::clone(&held.conn);
    let metrics = &worker.node.metrics.tls;
    let quic = match uncut(&conn, connecting).await {
        Some(Ok(quic)) => quic,
        Some(Err(error)) => {
            metrics.failures.with_label_values(&["quic"]).inc();
            tracing::debug!(peer = %conn.peer(), %error, "QUIC handshake failed");
            return;
        }
        None => {
            metrics.failures.with_label_values(&["timeout"]).inc();
            return;
        }
    };
    metrics.handshakes.with_label_values(&["1.3"]).inc();
    let _ = conn.tls.set(TlsFacts::new("1.3", &client_chain(&quic)));
    conn.enter(Phase::Idle);
    match uncut(&conn, requests(&worker, &conn, quic.clone())).await {
        Some(Ok(())) if !conn.should_close() => {}
        Some(Err(error)) => {
            tracing::debug!(peer = %conn.peer(), error = %chain(&error), "HTTP/3 connection ended")
        }
        _ => quic.close(code(Code::H3_NO_ERROR), b""),
    }
}

fn client_chain(quic: &quinn::Connection) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    let chain = quic.peer_identity().and_then(|identity| identity.downcast().ok());
    chain.map(|chain| *chain).unwrap_or_default()
}

/// Takes requests until the connection ends; during a drain no new ones.
async fn requests(
    worker: &Rc<Worker>,
    conn: &Rc<Conn>,
    quic: quinn::Connection,
) -> Result<(), h3::error::ConnectionError> {
    let mut connection: h3::server::Connection<h3_quinn::Connection, Bytes> = h3::server::builder()
        .max_field_section_size(
            conn.rules
                .limits
                .header_bytes
                .map_or(worker.node.settings.limits.head_bytes as u64, u64::from),
        )
        .build(h3_quinn::Connection::new(quic))
        .await?;
    let (mut told, mut served) = (false, false);
    loop {
        let accepted = {
            let mut accept = pin!(connection.accept());
            std::future::poll_fn(|cx| {
                conn.register(cx.waker());
                // A client that has just connected has a request on its way: it hears after that.
                if conn.should_close() || (conn.is_draining() && served && !told) {
                    return Poll::Ready(None);
                }
                accept.as_mut().poll(cx).map(Some)
            })
            .await
        };
        let Some(accepted) = accepted else {
            if conn.should_close() {
                // Idle since it was told: nothing is on its way any more.
                connection.shutdown(0).await?;
                return Ok(());
            }
            // GOAWAY: requests that are under way may end, those that were sent before it was heard too.
            told = true;
            connection.shutdown(DRAIN_REQUESTS).await?;
            continue;
        };
        let Some(resolver) = accepted? else { return Ok(()) };
        served = true;
        let (worker, conn) = (Rc::clone(worker), Rc::clone(conn));
        tokio::task::spawn_local(async move {
            match resolver.resolve_request().await {
                Ok((request, stream)) => Box::pin(exchange(worker, conn, request, stream)).await,
                Err(error) => {
                    tracing::debug!(peer = %conn.peer(), error = %chain(&error), "HTTP/3 request refused")
                }
            }
        });
    }
}

/// One request and its response.
async fn exchange(
    worker: Rc<Worker>,
    conn: Rc<Conn>,
    request: Request<()>,
    stream: RequestStream<BidiStream<Bytes>, Bytes>,
) {
    conn.request_begins();
    let (mut send, receive) = stream.split();
    let mut incoming = Incoming {
        receive,
        first: None,
        waiting: false,
        ended: false,
        trailers: false,
    };
    let limit = worker.node.settings.limits.body_timeout;
    if may_lack_body(&request) {
        // Nothing in the head tells whether a body follows; the stream's end does, and it comes at once.
        match tokio::time::timeout(limit, incoming.look_ahead()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => {
                conn.request_ends();
                send.stop_stream(Code::H3_REQUEST_INCOMPLETE);
                return;
            }
        }
    }
    let slot = Rc::new(RefCell::new(None));
    let traffic = Rc::new(Traffic::default());
    let body = StreamBody {
        slot: Rc::clone(&slot),
        incoming: Some(incoming),
    };
    let request = request.map(|()| ClientBody::boxed(Box::pin(body), limit, Rc::clone(&traffic)));
    let response = pipeline::serve(worker, &conn, request, traffic, Protocol::Http3).await;
    if let Err(error) = respond(&mut send, response).await {
        tracing::debug!(peer = %conn.peer(), %error, "HTTP/3 response given up");
    }
    let left = slot.borrow_mut().take();
    if let Some(incoming) = left {
        let _ = tokio::time::timeout(LINGER, incoming.read_away()).await;
    }
}

/// A method that seldom has a body, and no length announced.
fn may_lack_body(request: &Request<()>) -> bool {
    let bodiless = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE
    );
    bodiless && !request.headers().contains_key(header::CONTENT_LENGTH)
}

/// Why a response was not sent whole.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Stream(#[from] h3::error::StreamError),
    #[error(transparent)]
    Body(#[from] BodyError),
}

async fn respond(send: &mut Sender, response: Response<ResponseBody>) -> Result<(), Broken> {
    let (mut parts, mut body) = response.into_parts();
    // Fields of HTTP/1.1 connections make an HTTP/3 message malformed (RFC 9114 §4.2).
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        parts.headers.remove(name);
    }
    send.send_response(Response::from_parts(parts, ())).await?;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => match frame.into_data() {
                Ok(data) => send.send_data(data).await?,
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        send.send_trailers(trailers).await?;
                    }
                }
            },
            Err(error) => {
                send.stop_stream(Code::H3_INTERNAL_ERROR);
                return Err(error.into());
            }
        }
    }
    send.finish().await?;
    Ok(())
}

/// The receiving half of a request.
struct Incoming {
    receive: Receiver,
    /// Read ahead of the body.
    first: Option<Bytes>,
    /// A read is under way: stopping the stream now would panic in the library.
    waiting: bool,
    /// All data has been read.
    ended: bool,
    trailers: bool,
}

impl Incoming {
    /// Reads the first piece, or the end with its trailers.
    async fn look_ahead(&mut self) -> Result<(), h3::error::StreamError> {
        self.first = std::future::poll_fn(|cx| self.poll_data(cx)).await?;
        if self.ended {
            // Trailers of a request without a body mean nothing to anyone.
            self.receive.recv_trailers().await?;
            self.trailers = true;
        }
        Ok(())
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, h3::error::StreamError>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Ok(Some(first)));
        }
        let polled = self.receive.poll_recv_data(cx);
        self.waiting = polled.is_pending();
        let chunk = ready!(polled)?.map(|mut data| data.copy_to_bytes(data.remaining()));
        self.ended = chunk.is_none();
        Poll::Ready(Ok(chunk))
    }

    /// Reads what is left and throws it away, up to a bound.
    async fn read_away(mut self) {
        let mut left = LINGER_BYTES;
        while !self.ended && left > 0 {
            match std::future::poll_fn(|cx| self.poll_data(cx)).await {
                Ok(Some(data)) => left = left.saturating_sub(data.len()),
                Ok(None) => {}
                Err(_) => return,
            }
        }
        if !self.ended && !self.waiting {
            self.receive.stop_sending(Code::H3_NO_ERROR);
        }
    }
}

/// A request body; when it is let go before its end, the stream goes back to the exchange.
struct StreamBody {
    slot: Rc<RefCell<Option<Incoming>>>,
    incoming: Option<Incoming>,
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(incoming) = &mut self.get_mut().incoming else {
            return Poll::Ready(None);
        };
        let broken = |error: h3::error::StreamError| BodyError::Client(chain(&error));
        if !incoming.ended
            && let Some(data) = ready!(incoming.poll_data(cx)).map_err(broken)?
        {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if incoming.trailers {
            return Poll::Ready(None);
        }
        let trailers = ready!(incoming.receive.poll_recv_trailers(cx)).map_err(broken)?;
        incoming.trailers = true;
        Poll::Ready(trailers.map(|fields| Ok(Frame::trailers(fields))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming
            .as_ref()
            .is_none_or(|incoming| incoming.ended && incoming.trailers)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        *self.slot.borrow_mut() = self.incoming.take();
    }
}

/// The value of `Alt-Svc` that tells clients of HTTP/3 on `port` (RFC 7838), for a day.
pub(crate) fn alt_svc(port: u16) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("h3=\":{port}\"; ma=86400")).ok()
}
