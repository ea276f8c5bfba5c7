//! Bodies towards and from a backend.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{
    h1::H1,
    host::{InFlight, Lease},
};
use crate::{
    http::body::{BodyError, ClientBody, Patience, chain},
    transport::Transport,
};

/// A request body on its way to a backend.
#[derive(Debug, Default)]
pub(crate) enum OutBody {
    #[default]
    Empty,
    /// Whole in memory; can be sent again.
    Full(Bytes),
    /// From the client as it comes; can be sent once.
    Client(ClientBody),
}

impl OutBody {
    /// The same body once more, if it can be had.
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Full(bytes) => Some(Self::Full(bytes.clone())),
            Self::Client(_) => None,
        }
    }
}

impl Body for OutBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            full @ Self::Full(_) => {
                let Self::Full(bytes) = std::mem::take(full) else {
                    return Poll::Ready(None);
                };
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Client(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Client(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Client(body) => body.size_hint(),
        }
    }
}

/// A response body on its way from a backend. Holds its connection and gives it back to the pool when
/// the body has been read whole; dropped earlier, the connection is closed.
pub(crate) struct UpstreamBody {
    incoming: Incoming,
    /// The connection to drive; `None` for HTTP/2 (its task drives it) and after the end.
    h1: Option<(Box<H1>, Lease)>,
    patience: Patience,
    /// Counts the stream on its HTTP/2 connection.
    _stream: Option<InFlight>,
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamBody")
            .field("incoming", &self.incoming)
            .finish_non_exhaustive()
    }
}

impl UpstreamBody {
    pub(crate) fn http1(incoming: Incoming, h1: Box<H1>, lease: Lease, limit: Duration) -> Self {
        Self {
            incoming,
            h1: Some((h1, lease)),
            patience: Patience::new(limit),
            _stream: None,
        }
    }

    pub(crate) fn http2(incoming: Incoming, stream: InFlight, limit: Duration) -> Self {
        Self {
            incoming,
            h1: None,
            patience: Patience::new(limit),
            _stream: Some(stream),
        }
    }

    /// Gives the connection of an empty body back at once.
    pub(crate) fn release_now(&mut self) {
        self.release_if_done(&mut Context::from_waker(Waker::noop()));
    }

    /// After a `101`: the byte stream, with what followed the head.
    pub(crate) fn into_stream(self) -> Option<(Transport, Bytes)> {
        self.h1.map(|(h1, _)| h1.into_stream())
    }

    /// Gives the connection back if the whole body has been read.
    fn release_if_done(&mut self, cx: &mut Context<'_>) {
        if self.incoming.is_end_stream()
            && let Some((mut h1, lease)) = self.h1.take()
        {
            h1.drive(cx);
            lease.give_back(h1);
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.h1 {
            Some((h1, _)) => h1.poll_frame(&mut self.incoming, cx),
            None => Pin::new(&mut self.incoming).poll_frame(cx),
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match this.poll_incoming(cx) {
            Poll::Pending if this.patience.exhausted(cx) => {
                this.h1 = None;
                Poll::Ready(Some(Err(BodyError::UpstreamTimeout(this.patience.limit()))))
            }
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                this.patience.reset();
                this.release_if_done(cx);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                // Whatever is left on this connection has no meaning any more.
                this.h1 = None;
                Poll::Ready(Some(Err(BodyError::Upstream(chain(&error)))))
            }
            Poll::Ready(None) => {
                if let Some((mut h1, lease)) = this.h1.take() {
                    h1.drive(cx);
                    lease.give_back(h1);
                }
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
