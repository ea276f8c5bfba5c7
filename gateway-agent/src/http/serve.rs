//! From an accepted socket to requests: TLS, choice of protocol, the HTTP servers, the end of the connection.

use std::{
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
    time::Duration,
};

use super::{
    body::{ClientBody, ResponseBody, Traffic, chain},
    conn::{Conn, Cut, Phase, Registration, TlsFacts},
    guard::Guard,
    io::ClientIo,
    proxy,
};
use crate::{
    listen,
    pipeline::{self, Protocol},
    transport::Transport,
    tunnel,
    worker::Worker,
};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, Version, header};
use hyper::{body::Incoming, service::Service};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What an HTTP/2 client says first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// After the last response the client may still be sending; closing at once would make the kernel reset the
/// connection and could destroy the response on its way (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(2);
/// Bytes read and thrown away while lingering: what the socket buffers of both sides can hold when the answer leaves
/// (Linux lets them grow to 6 and 4 MiB), so that a client that stops when it sees the answer gets to see it.
const LINGER_BYTES: usize = 16 << 20;

/// Said on a listener that serves HTTP/2 only (RFC 9110 §15.6.6).
const NO_HTTP1: &[u8] =
    b"HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// How a connection ended.
enum End {
    /// All is said; the transport can be closed in order.
    Done,
    /// The client's bytes were no HTTP, or it went away.
    Failed(hyper::Error),
    Cut(Cut),
}

/// Serves one TCP connection to its end.
pub(crate) async fn tcp(worker: Rc<Worker>, held: Registration, mut stream: TcpStream) {
    let conn = Rc::clone(&held.conn);
    if listen::contains(&conn.rules.proxy_protocol, conn.peer().ip())
        && !introduced(&worker, &conn, &mut stream).await
    {
        return;
    }
    let transport = if conn.secure {
        match handshake(&worker, &conn, stream).await {
            Some(transport) => transport,
            None => return,
        }
    } else {
        Transport::Tcp(stream)
    };
    transport_ready(worker, conn, transport).await;
}

/// Serves HTTP on a transport whose security is established.
pub(crate) async fn transport_ready(worker: Rc<Worker>, conn: Rc<Conn>, mut transport: Transport) {
    let by_alpn = match &transport {
        Transport::TlsServer(stream) => Some(stream.get_ref().1.alpn_protocol() == Some(b"h2")),
        _ => None,
    };
    let (is_h2, prefix) = match by_alpn {
        Some(is_h2) => (is_h2, Bytes::new()),
        None => match uncut(&conn, peek_preface(&mut transport)).await {
            Some(Some(peeked)) => peeked,
            _ => return,
        },
    };
    if !(if is_h2 { conn.rules.http2 } else { conn.rules.http1 }) {
        refuse(&worker, "protocol");
        if !is_h2 {
            let _ = uncut(&conn, transport.write_all(NO_HTTP1)).await;
        }
        return;
    }
    conn.enter(Phase::Idle);
    if !prefix.is_empty() && !is_h2 {
        // The head has begun while the protocol was chosen.
        conn.enter(Phase::Head);
    }
    if is_h2 {
        Box::pin(http2(worker, conn, transport, prefix)).await;
    } else {
        http1(worker, conn, transport, prefix).await;
    }
}

/// Learns from the proxy at the other end for whom it speaks. False when the connection must end.
async fn introduced(worker: &Worker, conn: &Conn, stream: &mut TcpStream) -> bool {
    match uncut(conn, proxy::read(stream)).await {
        Some(Ok(None)) => true,
        Some(Ok(Some(client))) => {
            conn.speaks_for(client);
            let denied = worker.node.settings.gate.refuses(client.ip());
            if denied {
                refuse(worker, "denied");
            }
            !denied
        }
        Some(Err(error)) => {
            refuse(worker, "proxy_protocol");
            tracing::debug!(peer = %conn.peer(), %error, "connection of a proxy refused");
            false
        }
        None => false,
    }
}

fn refuse(worker: &Worker, reason: &str) {
    let refused = &worker.node.metrics.connections.refused;
    refused.with_label_values(&[reason]).inc();
}

/// Runs `future` unless the connection is cut first.
pub(crate) async fn uncut<F: Future>(conn: &Conn, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        conn.register(cx.waker());
        if conn.cut().is_some() {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

async fn handshake(worker: &Worker, conn: &Conn, stream: TcpStream) -> Option<Transport> {
    let metrics = &worker.node.metrics.tls;
    let begun = tokio::time::Instant::now();
    let accept = Box::pin(worker.node.tls.accept(stream, &conn.rules));
    match uncut(conn, accept).await {
        Some(Ok(stream)) => {
            let mut facts = facts(stream.get_ref().1);
            facts.server_name = stream.get_ref().1.server_name().map(str::to_owned);
            metrics.handshakes.with_label_values(&[facts.version]).inc();
            metrics.handshake_duration.observe(begun.elapsed().as_secs_f64());
            let _ = conn.tls.set(facts);
            Some(Transport::TlsServer(Box::new(stream)))
        }
        Some(Err(error)) => {
            metrics
                .failures
                .with_label_values(&[handshake_failure(&error)])
                .inc();
            tracing::debug!(peer = %conn.peer(), %error, "TLS handshake failed");
            None
        }
        None => {
            metrics.failures.with_label_values(&["timeout"]).inc();
            None
        }
    }
}

fn facts(session: &rustls::ServerConnection) -> TlsFacts {
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
        _ => "other",
    };
    TlsFacts::new(version, session.peer_certificates().unwrap_or_default())
}

/// Closed set of reasons: safe as a metric label.
fn handshake_failure(error: &std::io::Error) -> &'static str {
    let cause = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        None => "connection_closed",
        Some(rustls::Error::AlertReceived(_)) => "refused_by_client",
        Some(rustls::Error::PeerIncompatible(_)) => "incompatible",
        Some(rustls::Error::InvalidMessage(_)) => "not_tls",
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            "client_certificate"
        }
        Some(rustls::Error::General(_)) => "no_certificate",
        Some(_) => "protocol",
    }
}

/// Reads just enough to tell HTTP/2 from HTTP/1.1. `None` when the client went away before that.
async fn peek_preface(transport: &mut Transport) -> Option<(bool, Bytes)> {
    let mut seen = BytesMut::with_capacity(PREFACE.len());
    while seen.len() < PREFACE.len() && PREFACE.starts_with(&seen) {
        let room = PREFACE.len() - seen.len();
        let read = transport.take(room as u64).read_buf(&mut seen).await.ok()?;
        if read == 0 {
            break;
        }
    }
    (!seen.is_empty()).then(|| (seen == PREFACE, seen.freeze()))
}

async fn http1(worker: Rc<Worker>, conn: Rc<Conn>, transport: Transport, prefix: Bytes) {
    let io = ClientIo::new(transport, Rc::clone(&conn), prefix, Some(Guard::default()));
    let handler = Handler {
        worker: Rc::clone(&worker),
        conn: Rc::clone(&conn),
    };
    let own = conn
        .rules
        .limits
        .header_bytes
        .map(|bytes| worker.http1_with(bytes));
    let mut connection = own
        .as_ref()
        .unwrap_or(&worker.http1)
        .serve_connection(TokioIo::new(io), handler);
    let end = std::future::poll_fn(|cx| {
        conn.register(cx.waker());
        if let Some(cut) = conn.cut() {
            return Poll::Ready(End::Cut(cut));
        }
        if conn.should_close() {
            Pin::new(&mut connection).graceful_shutdown();
        }
        connection.poll_without_shutdown(cx).map(ended)
    })
    .await;
    note_end(&worker, &conn, &end);
    if matches!(end, End::Cut(_)) {
        return;
    }
    let parts = connection.into_parts();
    let io = parts.io.into_inner();
    match conn.take_tunnel() {
        Some(other) => Box::pin(tunnel::relay(&conn, io.into_tunnel(), parts.read_buf, other)).await,
        None => close(&conn, io).await,
    }
}

async fn http2(worker: Rc<Worker>, conn: Rc<Conn>, transport: Transport, prefix: Bytes) {
    let io = ClientIo::new(transport, Rc::clone(&conn), prefix, None);
    let handler = Handler {
        worker: Rc::clone(&worker),
        conn: Rc::clone(&conn),
    };
    let own = conn
        .rules
        .limits
        .header_bytes
        .map(|bytes| worker.http2_with(bytes));
    let mut connection = pin!(
        own.as_ref()
            .unwrap_or(&worker.http2)
            .serve_connection(TokioIo::new(io), handler)
    );
    let mut told = false;
    let end = std::future::poll_fn(|cx| {
        conn.register(cx.waker());
        if let Some(cut) = conn.cut() {
            return Poll::Ready(End::Cut(cut));
        }
        if conn.is_draining() && !told {
            // GOAWAY lets streams in flight end; it does not race new ones as a close would.
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx).map(ended)
    })
    .await;
    note_end(&worker, &conn, &end);
}

fn ended(result: Result<(), hyper::Error>) -> End {
    match result {
        Ok(()) => End::Done,
        Err(error) => End::Failed(error),
    }
}

fn note_end(worker: &Worker, conn: &Conn, end: &End) {
    match end {
        End::Done => {}
        End::Cut(cut) => tracing::debug!(peer = %conn.peer(), reason = cut.reason(), "connection cut"),
        End::Failed(error) => {
            if error.is_parse() {
                worker
                    .node
                    .metrics
                    .refused
                    .with_label_values(&["MalformedRequest"])
                    .inc();
            }
            tracing::debug!(peer = %conn.peer(), error = %chain(error), "connection ended");
        }
    }
}

/// Closes in order: our side first, then what the client still sends is read away for a short while.
async fn close(conn: &Conn, mut io: ClientIo) {
    conn.enter(Phase::Tunnel);
    let linger = async {
        if io.shutdown().await.is_err() {
            return;
        }
        let mut left = LINGER_BYTES;
        let mut sink = BytesMut::with_capacity(4 * 1024);
        while left > 0 {
            sink.clear();
            match io.read_buf(&mut sink).await {
                Ok(0) | Err(_) => return,
                Ok(read) => left = left.saturating_sub(read),
            }
        }
    };
    let _ = uncut(conn, tokio::time::timeout(LINGER, linger)).await;
}

/// The service of one connection.
#[derive(Clone)]
struct Handler {
    worker: Rc<Worker>,
    conn: Rc<Conn>,
}

impl Service<Request<Incoming>> for Handler {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    // Boxed, so that an idle connection does not carry the memory of a request.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (worker, conn) = (Rc::clone(&self.worker), Rc::clone(&self.conn));
        conn.request_begins();
        let version = request.version();
        let traffic = Rc::new(Traffic::default());
        let limit = worker.node.settings.limits.body_timeout;
        // A client that expects an interim answer sends its body only after it: nothing is on its way.
        if version == Version::HTTP_2
            && !http_body::Body::is_end_stream(request.body())
            && !request.headers().contains_key(header::EXPECT)
        {
            traffic.linger.begin();
        }
        let request = request.map(|body| ClientBody::http(body, limit, Rc::clone(&traffic)));
        let protocol = if version == Version::HTTP_2 {
            Protocol::Http2
        } else {
            Protocol::Http1
        };
        Box::pin(async move {
            let mut response = pipeline::serve(worker, &conn, request, traffic, protocol).await;
            if let Some(alt_svc) = &conn.alt_svc {
                response
                    .headers_mut()
                    .entry(header::ALT_SVC)
                    .or_insert_with(|| alt_svc.clone());
            }
            if conn.is_draining() && protocol == Protocol::Http1 {
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        })
    }
}
