//! Bodies on their way: the client's request body and the response body given back to it.
//!
//! Both stream with back-pressure: nothing is held but the frame in hand. Each notes what passed, so that
//! the record of the request is complete when the last frame has gone, or the exchange was given up.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{conn::Conn, linger::Linger};
use crate::upstream::UpstreamBody;

/// Any other source of request bytes (HTTP/3), boxed because it is rare.
pub(crate) type BoxBody = Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>;

/// Why a body ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client's bytes are no valid body, or it went away.
    #[error("the client's body is broken: {0}")]
    Client(String),
    /// The client sent nothing for the whole body timeout.
    #[error("the client sent no part of its body for {0:?}")]
    ClientTimeout(Duration),
    /// The backend's bytes are no valid body, or it went away.
    #[error("the backend's body is broken: {0}")]
    Upstream(String),
    /// The backend sent nothing for the whole body timeout.
    #[error("the backend sent no part of its body for {0:?}")]
    UpstreamTimeout(Duration),
}

/// A time limit on silence. Costs nothing while bytes are there; a timer exists only while waiting.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, sleep: None }
    }

    /// Bytes came.
    pub(crate) fn reset(&mut self) {
        self.sleep = None;
    }

    /// Nothing came: true when it has lasted too long.
    pub(crate) fn exhausted(&mut self, cx: &mut Context<'_>) -> bool {
        let limit = self.limit;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        sleep.as_mut().poll(cx).is_ready()
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }
}

/// What is shared between a request's two bodies and its record.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Bytes of the request body that arrived.
    pub(crate) received: Cell<u64>,
    /// Bytes of the response body given to the transport.
    pub(crate) sent: Cell<u64>,
    /// The request body failed on the client's side: the answer is then the client's fault, not the backend's.
    client_fault: Cell<bool>,
    /// The response body failed on the backend's side after its head had been sent on.
    pub(crate) cut_short: Cell<bool>,
    /// The response was handed over whole.
    pub(crate) complete: Cell<bool>,
    /// HTTP/2: what the end of the answer waits for.
    pub(crate) linger: Linger,
    /// The beginning of the request body, when a diagnostic wants it.
    pub(crate) beginning: Beginning,
}

/// The first bytes of a body that goes by.
#[derive(Debug, Default)]
pub(crate) struct Beginning {
    limit: Cell<usize>,
    bytes: RefCell<Vec<u8>>,
}

impl Beginning {
    /// Keeps up to `limit` bytes from now on.
    pub(crate) fn keep(&self, limit: usize) {
        self.limit.set(limit);
    }

    /// What was kept.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.bytes.take()
    }

    fn passes(&self, piece: &[u8]) {
        let mut bytes = self.bytes.borrow_mut();
        let room = self.limit.get().saturating_sub(bytes.len());
        bytes.extend_from_slice(&piece[..room.min(piece.len())]);
    }
}

impl Traffic {
    pub(crate) fn client_fault(&self) -> bool {
        self.client_fault.get()
    }
}

enum Source {
    Empty,
    Http(Incoming),
    Boxed(BoxBody),
}

/// A request body on its way from the client.
pub(crate) struct ClientBody {
    source: Source,
    patience: Patience,
    traffic: Rc<Traffic>,
}

impl fmt::Debug for ClientBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBody")
            .field("traffic", &self.traffic)
            .finish_non_exhaustive()
    }
}

impl ClientBody {
    pub(crate) fn http(body: Incoming, limit: Duration, traffic: Rc<Traffic>) -> Self {
        let source = if body.is_end_stream() {
            Source::Empty
        } else {
            Source::Http(body)
        };
        Self {
            source,
            patience: Patience::new(limit),
            traffic,
        }
    }

    pub(crate) fn boxed(body: BoxBody, limit: Duration, traffic: Rc<Traffic>) -> Self {
        let source = if body.is_end_stream() {
            Source::Empty
        } else {
            Source::Boxed(body)
        };
        Self {
            source,
            patience: Patience::new(limit),
            traffic,
        }
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        self.traffic
            .linger
            .let_go(match std::mem::replace(&mut self.source, Source::Empty) {
                Source::Http(body) => Some(body),
                Source::Empty | Source::Boxed(_) => None,
            });
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = match &mut this.source {
            Source::Empty => return Poll::Ready(None),
            Source::Http(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|result| result.map_err(|error| BodyError::Client(chain(&error))))),
            Source::Boxed(body) => body.as_mut().poll_frame(cx),
        };
        match polled {
            Poll::Pending if this.patience.exhausted(cx) => {
                this.traffic.client_fault.set(true);
                Poll::Ready(Some(Err(BodyError::ClientTimeout(this.patience.limit()))))
            }
            Poll::Pending => Poll::Pending,
            Poll::Ready(frame) => {
                this.patience.reset();
                match &frame {
                    Some(Ok(frame)) => {
                        if let Some(bytes) = frame.data_ref() {
                            let traffic = &this.traffic;
                            traffic.received.set(traffic.received.get() + bytes.len() as u64);
                            if traffic.beginning.limit.get() > 0 {
                                traffic.beginning.passes(bytes);
                            }
                        }
                    }
                    Some(Err(_)) => this.traffic.client_fault.set(true),
                    None => {}
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Http(body) => body.is_end_stream(),
            Source::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Http(body) => body.size_hint(),
            Source::Boxed(body) => body.size_hint(),
        }
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// What happens when a response is over, however it ends: it is dropped then.
pub(crate) trait Finish {
    /// These bytes of the response are on their way to the client.
    fn passed(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// Called once.
    fn finish(&mut self);
}

/// A response body on its way to the client.
pub(crate) struct ResponseBody {
    source: ResponseSource,
    /// Counts and the record; `None` for answers that are not requests (none today) and in tests.
    tail: Option<Tail>,
    /// A piece was given out and the next one was not asked for yet.
    stalled: bool,
}

enum ResponseSource {
    Done,
    Full(Bytes),
    Upstream(Box<UpstreamBody>),
}

/// The end of a response: the connection is told, the record is written.
pub(crate) struct Tail {
    pub(crate) conn: Rc<Conn>,
    pub(crate) traffic: Rc<Traffic>,
    pub(crate) finish: Box<dyn Finish>,
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.source {
            ResponseSource::Done => "done",
            ResponseSource::Full(_) => "full",
            ResponseSource::Upstream(_) => "upstream",
        };
        f.debug_tuple("ResponseBody").field(&kind).finish()
    }
}

impl ResponseBody {
    pub(crate) fn empty() -> Self {
        Self {
            source: ResponseSource::Done,
            tail: None,
            stalled: false,
        }
    }

    pub(crate) fn full(bytes: Bytes) -> Self {
        let source = if bytes.is_empty() {
            ResponseSource::Done
        } else {
            ResponseSource::Full(bytes)
        };
        Self {
            source,
            tail: None,
            stalled: false,
        }
    }

    pub(crate) fn upstream(body: Box<UpstreamBody>) -> Self {
        Self {
            source: ResponseSource::Upstream(body),
            tail: None,
            stalled: false,
        }
    }

    /// Gives a body that is still empty its bytes.
    pub(crate) fn fill(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.source = ResponseSource::Full(bytes);
        }
    }

    /// Adds what happens at the end.
    pub(crate) fn with_tail(mut self, tail: Tail) -> Self {
        self.tail = Some(tail);
        self
    }

    /// Every byte of the answer was given out.
    fn is_whole(&self) -> bool {
        match &self.source {
            ResponseSource::Done => true,
            ResponseSource::Full(_) => false,
            ResponseSource::Upstream(body) => body.is_end_stream(),
        }
    }

    fn poll_linger(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.tail {
            Some(tail) => tail.traffic.linger.poll_over(cx),
            None => Poll::Ready(()),
        }
    }

    fn stall(&mut self, stalled: bool) {
        if self.stalled != stalled {
            self.stalled = stalled;
            if let Some(tail) = &self.tail {
                tail.conn.stalled(stalled);
            }
        }
    }

    fn passed(&mut self, frame: &Option<Result<Frame<Bytes>, BodyError>>) {
        let Some(tail) = &mut self.tail else { return };
        let traffic = &tail.traffic;
        match frame {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    traffic.sent.set(traffic.sent.get() + bytes.len() as u64);
                    tail.finish.passed(bytes);
                }
            }
            Some(Err(_)) => traffic.cut_short.set(true),
            None => traffic.complete.set(true),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        this.stall(false);
        let frame = match &mut this.source {
            ResponseSource::Done => {
                std::task::ready!(this.poll_linger(cx));
                None
            }
            ResponseSource::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                this.source = ResponseSource::Done;
                Some(Ok(Frame::data(bytes)))
            }
            ResponseSource::Upstream(body) => {
                let frame = std::task::ready!(Pin::new(&mut **body).poll_frame(cx));
                if frame.is_none() {
                    this.source = ResponseSource::Done;
                    std::task::ready!(this.poll_linger(cx));
                }
                frame
            }
        };
        this.passed(&frame);
        match &frame {
            Some(Ok(_)) => this.stall(!this.is_whole()),
            _ => this.source = ResponseSource::Done,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.is_whole()
            && self
                .tail
                .as_ref()
                .is_none_or(|tail| tail.traffic.linger.is_over())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            ResponseSource::Done => SizeHint::with_exact(0),
            ResponseSource::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            ResponseSource::Upstream(body) => body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.stall(false);
        if self.is_whole()
            && let Some(tail) = &self.tail
            && !tail.traffic.cut_short.get()
        {
            tail.traffic.complete.set(true);
        }
        if let Some(mut tail) = self.tail.take() {
            tail.conn.request_ends();
            tail.finish.finish();
        }
    }
}
