//! One HTTP/1.1 connection to a backend, driven by whoever uses it.

use std::{
    fmt,
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::{OutBody, UpstreamError, quiet::Quiet};
use crate::transport::Transport;

/// Read buffer of an upstream connection at most: a whole response head plus a good piece of body, and
/// not the library's 400 KiB, which never shrinks.
const BUFFER_BYTES: usize = 64 * 1024;

/// An open connection.
pub(crate) struct H1 {
    send: http1::SendRequest<OutBody>,
    connection: Connection,
    quiet: Quiet,
    /// The connection future ended; it must not be polled again.
    ended: bool,
    /// It has carried a request before.
    pub(crate) reused: bool,
    pub(crate) idle_since: Instant,
    pub(crate) peer: Option<SocketAddr>,
}

impl fmt::Debug for H1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("H1")
            .field("peer", &self.peer)
            .field("reused", &self.reused)
            .finish_non_exhaustive()
    }
}

/// What came of one attempt.
pub(crate) enum Attempt {
    Answered(Response<Incoming>),
    /// The request comes back untouched: the connection was closed before any byte was sent.
    Unsent(Request<OutBody>),
    Failed(UpstreamError),
}

impl H1 {
    pub(crate) async fn handshake(
        transport: Transport,
        peer: Option<SocketAddr>,
    ) -> Result<Box<Self>, hyper::Error> {
        let (send, connection) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .handshake(TokioIo::new(transport))
            .await?;
        let idle_since = Instant::now();
        Ok(Box::new(Self {
            send,
            connection,
            quiet: Quiet::default(),
            ended: false,
            reused: false,
            idle_since,
            peer,
        }))
    }

    /// Moves bytes and messages as far as they go.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        let (connection, ended) = (&mut self.connection, &mut self.ended);
        let _ = self.quiet.run(cx, |cx| {
            step(connection, ended, cx);
            Poll::<()>::Pending
        });
    }

    /// Moves bytes until `incoming`, the body of this connection's response, has a frame.
    pub(crate) fn poll_frame(
        &mut self,
        incoming: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let (connection, ended) = (&mut self.connection, &mut self.ended);
        self.quiet.run(cx, |cx| {
            step(connection, ended, cx);
            Pin::new(&mut *incoming).poll_frame(cx)
        })
    }

    /// Ready for the next request. False after the backend closed, or said it would.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ended && self.send.is_ready()
    }

    /// Notices a close by the backend on a connection nobody drives.
    pub(crate) fn is_alive(&mut self) -> bool {
        step(
            &mut self.connection,
            &mut self.ended,
            &mut Context::from_waker(Waker::noop()),
        );
        self.is_ready()
    }

    /// Sends one request and waits for the head of its response.
    pub(crate) async fn send(&mut self, request: Request<OutBody>) -> Attempt {
        let mut answer = pin!(self.send.try_send_request(request));
        let (connection, ended, quiet) = (&mut self.connection, &mut self.ended, &mut self.quiet);
        let result = std::future::poll_fn(|cx| {
            quiet.run(cx, |cx| {
                step(connection, ended, cx);
                match answer.as_mut().poll(cx) {
                    Poll::Pending if *ended => Poll::Ready(None),
                    other => other.map(Some),
                }
            })
        })
        .await;
        match result {
            Some(Ok(response)) => Attempt::Answered(response),
            Some(Err(error)) => unsent_or_failed(error),
            None => Attempt::Failed(UpstreamError::Broken(
                "the connection ended without a response".to_owned(),
            )),
        }
    }

    /// Takes the byte stream out after a `101 Switching Protocols`, with what was read beyond the head.
    pub(crate) fn into_stream(self: Box<Self>) -> (Transport, Bytes) {
        let parts = self.connection.into_parts();
        (parts.io.into_inner(), parts.read_buf)
    }
}

type Connection = http1::Connection<TokioIo<Transport>, OutBody>;

/// One poll of a connection that has not ended.
fn step(connection: &mut Connection, ended: &mut bool, cx: &mut Context<'_>) {
    if !*ended && connection.poll_without_shutdown(cx).is_ready() {
        *ended = true;
    }
}

fn unsent_or_failed(mut error: TrySendError<Request<OutBody>>) -> Attempt {
    match error.take_message() {
        Some(request) => Attempt::Unsent(request),
        None => Attempt::Failed(UpstreamError::broken(error.error())),
    }
}
