//! Bodies towards and from a backend.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
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
    source: Source,
    patience: Patience,
}

enum Source {
    /// `None` after the end.
    Http1(Option<(Box<H1>, Lease)>),
    Http2 {
        incoming: Incoming,
        /// Counts the stream on its connection.
        _stream: InFlight,
    },
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamBody")
            .field("over", &self.is_end_stream())
            .finish_non_exhaustive()
    }
}

impl UpstreamBody {
    /// The body of a response whose head `h1` has just given.
    pub(crate) fn http1(h1: Box<H1>, lease: Lease, limit: Duration) -> Self {
        Self {
            source: Source::Http1(Some((h1, lease))),
            patience: Patience::new(limit),
        }
    }

    pub(crate) fn http2(incoming: Incoming, stream: InFlight, limit: Duration) -> Self {
        Self {
            source: Source::Http2 {
                incoming,
                _stream: stream,
            },
            patience: Patience::new(limit),
        }
    }

    /// After a `101`: the byte stream, with what followed the head.
    pub(crate) fn into_stream(self) -> Option<(Transport, Bytes)> {
        match self.source {
            Source::Http1(Some((h1, _))) => Some(h1.into_stream()),
            _ => None,
        }
    }

    /// Gives the connection back if the whole body has been read (or there is none).
    pub(crate) fn release_if_over(&mut self) {
        if let Source::Http1(slot) = &mut self.source
            && slot.as_ref().is_some_and(|(h1, _)| h1.is_body_over())
            && let Some((mut h1, lease)) = slot.take()
        {
            h1.finish();
            lease.give_back(h1);
        }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        match &mut self.source {
            Source::Http1(None) => Poll::Ready(None),
            Source::Http1(Some((h1, _))) => h1
                .poll_frame(cx)
                .map(|frame| frame.map(|result| result.map_err(|error| error.to_string()))),
            Source::Http2 { incoming, .. } => Pin::new(incoming)
                .poll_frame(cx)
                .map(|frame| frame.map(|result| result.map_err(|error| chain(&error)))),
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
        let failed = match this.poll_source(cx) {
            Poll::Pending if this.patience.exhausted(cx) => BodyError::UpstreamTimeout(this.patience.limit()),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Err(error))) => BodyError::Upstream(error),
            Poll::Ready(frame) => {
                this.patience.reset();
                this.release_if_over();
                return Poll::Ready(frame.and_then(Result::ok).map(Ok));
            }
        };
        // Whatever is left on this connection has no meaning any more.
        if let Source::Http1(slot) = &mut this.source {
            *slot = None;
        }
        Poll::Ready(Some(Err(failed)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Http1(slot) => slot.as_ref().is_none_or(|(h1, _)| h1.is_body_over()),
            Source::Http2 { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Http1(None) => SizeHint::with_exact(0),
            Source::Http1(Some((h1, _))) => match h1.body_left() {
                Some(left) => SizeHint::with_exact(left),
                None => SizeHint::default(),
            },
            Source::Http2 { incoming, .. } => incoming.size_hint(),
        }
    }
}
