//! One HTTP/1.1 connection to a backend, driven by whoever uses it.
//!
//! Own code on `httparse` instead of the library's client: that one moves every request and every body frame
//! through channels between a connection and a handle, which costs three times the work of the exchange
//! itself when both are in one task (docs/adr/0014). What is here is the plain sequence: write the
//! request, read the head, read the body, in one place, without waking anybody.

mod decode;
mod encode;
#[cfg(any(test, feature = "fuzzing"))]
mod whole;

#[cfg(feature = "fuzzing")]
pub use whole::read_response;

use std::{
    fmt, io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::Frame;
use tokio::{io::AsyncReadExt, time::Instant};

use self::{
    decode::{Field, Framing, HEAD_BYTES, Piece},
    encode::{SendError, Sending},
};
use super::{OutBody, UpstreamError};
use crate::transport::Transport;

/// Room made in the read buffer before each read: a usual response in one piece, and what an idle
/// connection holds.
const READ_BYTES: usize = 8 * 1024;
/// Room for the reads of a long body.
const READ_BODY_BYTES: usize = 32 * 1024;

/// An open connection.
pub(crate) struct H1 {
    io: Transport,
    input: BytesMut,
    fields: Vec<Field>,
    sending: Sending,
    /// Why the rest of the request could not be written; what the backend said before that is still to be read.
    unsent: Option<SendError>,
    framing: Framing,
    /// The backend has closed its side.
    ended: bool,
    /// Nothing so far speaks against another request.
    reusable: bool,
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

/// A response head whose body is still on the connection.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) headers: HeaderMap,
}

/// What came of one attempt.
pub(crate) enum Attempt {
    Answered(Answer),
    /// The body comes back untouched: the connection was closed before any byte was sent.
    Unsent(OutBody),
    Failed(UpstreamError),
}

impl H1 {
    pub(crate) fn new(io: Transport, peer: Option<SocketAddr>) -> Box<Self> {
        Box::new(Self {
            io,
            input: BytesMut::new(),
            fields: Vec::new(),
            sending: Sending::default(),
            unsent: None,
            framing: Framing::Over,
            ended: false,
            reusable: true,
            reused: false,
            idle_since: Instant::now(),
            peer,
        })
    }

    /// Ready for another request: the last one was sent and its response read, both whole, and neither side
    /// said anything else.
    pub(crate) fn is_ready(&self) -> bool {
        self.reusable && !self.ended && self.framing == Framing::Over && self.input.is_empty()
    }

    /// The body of the current response has been read whole.
    pub(crate) fn is_body_over(&self) -> bool {
        self.framing == Framing::Over
    }

    /// The length of the rest of the body, when the head told.
    pub(crate) fn body_left(&self) -> Option<u64> {
        match self.framing {
            Framing::Over => Some(0),
            Framing::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Notices a close, or bytes nobody asked for, on an idle connection.
    pub(crate) fn is_alive(&mut self) -> bool {
        let quiet = self
            .poll_read(READ_BYTES, &mut Context::from_waker(Waker::noop()))
            .is_pending();
        quiet && self.is_ready()
    }

    /// Sends one request and waits for the head of its response.
    pub(crate) async fn send(&mut self, request: Request<OutBody>) -> Attempt {
        let method = request.method().clone();
        self.sending.start(request);
        let head = std::future::poll_fn(|cx| self.poll_head(&method, cx)).await;
        match head {
            Ok(head) => {
                self.framing = head.framing;
                self.reusable = head.reusable;
                Attempt::Answered(Answer {
                    status: head.status,
                    reason: head.reason,
                    headers: head.headers,
                })
            }
            Err(error) => {
                self.reusable = false;
                match error {
                    // Not one byte left: another connection may try.
                    Broken::Send(SendError::Io(_)) | Broken::Closed | Broken::Read(_)
                        if !self.sending.begun =>
                    {
                        Attempt::Unsent(self.sending.take_body())
                    }
                    error => Attempt::Failed(UpstreamError::Broken(error.to_string())),
                }
            }
        }
    }

    fn poll_head(&mut self, method: &Method, cx: &mut Context<'_>) -> Poll<Result<decode::Head, Broken>> {
        // An error while sending does not hide a response that is there already (a refusal, mostly).
        if self.unsent.is_none()
            && let Poll::Ready(Err(error)) = self.sending.poll_send(&mut self.io, cx)
        {
            if !is_reset(&error) {
                return Poll::Ready(Err(error.into()));
            }
            self.unsent = Some(error);
        }
        loop {
            if let Some(head) =
                decode::head(&mut self.input, method, &mut self.fields).map_err(Broken::Response)?
            {
                return Poll::Ready(Ok(head));
            }
            if self.ended {
                return Poll::Ready(Err(self.unsent.take().map_or(Broken::Closed, Broken::Send)));
            }
            // After a reset the kernel still hands out what arrived before it, and then an end or an error: the
            // reading never waits for long.
            if let Err(error) = ready!(self.poll_read(READ_BYTES, cx)) {
                return Poll::Ready(Err(self.unsent.take().map_or(Broken::Read(error), Broken::Send)));
            }
        }
    }

    /// The next frame of the response's body; goes on sending the request meanwhile.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if !self.sending.done
            && let Poll::Ready(Err(_)) = self.sending.poll_send(&mut self.io, cx)
        {
            // The response stands on its own; the connection does not.
            self.sending.done = true;
            self.reusable = false;
        }
        loop {
            let piece = self.framing.next(&mut self.input, self.ended).map_err(|fault| {
                self.reusable = false;
                Broken::Response(fault)
            })?;
            match piece {
                Piece::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Piece::Trailers(fields) => return Poll::Ready(Some(Ok(Frame::trailers(fields)))),
                Piece::End => {
                    // A request that is not sent whole cannot be followed by another.
                    self.reusable &= self.sending.done;
                    return Poll::Ready(None);
                }
                Piece::Hungry => {
                    if let Err(error) = ready!(self.poll_read(READ_BODY_BYTES, cx)) {
                        self.reusable = false;
                        return Poll::Ready(Some(Err(error.into())));
                    }
                }
            }
        }
    }

    /// After the last frame: may the connection go back to the pool?
    pub(crate) fn finish(&mut self) {
        self.reusable &= self.sending.done;
    }

    /// Reads once, into a good part of `room` bytes; at the end of the stream `ended` is set.
    fn poll_read(&mut self, room: usize, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let held = self.input.len();
        if held >= HEAD_BYTES {
            return Poll::Ready(Err(io::Error::other(
                "more bytes than a response may have at once",
            )));
        }
        if self.input.capacity() - held < room / 8 {
            self.input.reserve(room);
        }
        let read = ready!(pin!(self.io.read_buf(&mut self.input)).poll(cx))?;
        self.ended |= read == 0;
        Poll::Ready(Ok(()))
    }

    /// Takes the byte stream out after a `101 Switching Protocols`, with what was read beyond the head.
    pub(crate) fn into_stream(self: Box<Self>) -> (Transport, Bytes) {
        (self.io, self.input.freeze())
    }
}

/// The backend closed or reset the connection, which it may do after an answer.
fn is_reset(error: &SendError) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error, SendError::Io(error) if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset))
}

/// Why an exchange broke.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("reading failed: {0}")]
    Read(#[from] io::Error),
    #[error("the backend closed the connection without a response")]
    Closed,
    #[error("{0}")]
    Response(&'static str),
}
