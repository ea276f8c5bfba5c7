//! A request onto the wire: head, body, chunks.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, Request, header};
use http_body::Body as _;
use tokio::io::AsyncWrite;

use crate::{http::body::BodyError, transport::Transport, upstream::OutBody};

/// Body bytes copied behind the head where the transport takes one slice at a time: one TLS record.
const COALESCED: usize = 16 * 1024;

/// Why a request could not be sent whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("writing failed: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the body is longer or shorter than its announced length")]
    Length,
}

/// A request on its way.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// Head, chunk sizes and line ends that wait to be written.
    head: BytesMut,
    /// Body bytes that follow `head`.
    data: Bytes,
    /// Line end that follows `data`.
    tail: &'static [u8],
    body: OutBody,
    framing: Framing,
    /// A byte has left.
    pub(super) begun: bool,
    /// Everything has left.
    pub(super) done: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Framing {
    /// No body, or all of it is queued.
    #[default]
    Over,
    /// So many bytes are still to come.
    Length(u64),
    Chunked,
}

impl Sending {
    /// Queues the head of `request`. `head` lends its memory from one request to the next.
    pub(super) fn start(&mut self, request: Request<OutBody>) {
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        self.head.clear();
        self.begun = false;
        self.done = false;
        self.head.reserve(target.len() + 64 + parts.headers.len() * 48);
        self.head.put_slice(parts.method.as_str().as_bytes());
        self.head.put_u8(b' ');
        // The absolute form, for a proxy (RFC 9112 §3.2.2).
        if let (Some(scheme), Some(authority)) = (parts.uri.scheme_str(), parts.uri.authority()) {
            self.head.put_slice(scheme.as_bytes());
            self.head.put_slice(b"://");
            self.head.put_slice(authority.as_str().as_bytes());
        }
        self.head.put_slice(target.as_bytes());
        self.head.put_slice(b" HTTP/1.1\r\n");
        for (name, value) in &parts.headers {
            put_field(&mut self.head, name, value.as_bytes());
        }
        self.framing = match announced(&parts.headers) {
            _ if body.is_end_stream() => Framing::Over,
            Some(length) => Framing::Length(length),
            None => {
                self.head.put_slice(b"transfer-encoding: chunked\r\n");
                Framing::Chunked
            }
        };
        self.head.put_slice(b"\r\n");
        self.body = body;
    }

    /// The request back, if no byte of it has left.
    pub(super) fn take_body(&mut self) -> OutBody {
        std::mem::take(&mut self.body)
    }

    /// Writes as much as the transport takes and the body gives.
    pub(super) fn poll_send(
        &mut self,
        io: &mut Transport,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        while !self.done {
            if self.head.is_empty() && self.data.is_empty() && self.tail.is_empty() {
                if self.framing == Framing::Over {
                    ready!(Pin::new(&mut *io).poll_flush(cx))?;
                    self.done = true;
                    break;
                }
                ready!(self.poll_fill(cx))?;
                continue;
            }
            // A body that is ready goes out with the head: one packet, one system call.
            if self.framing != Framing::Over && self.data.is_empty() && self.tail.is_empty() {
                match self.poll_fill(cx) {
                    Poll::Ready(result) => result?,
                    Poll::Pending => {}
                }
            }
            ready!(self.poll_write(io, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, io: &mut Transport, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if !io.is_write_vectored() && !self.head.is_empty() && self.data.len() <= COALESCED {
            // TLS copies into a record anyway: one record instead of two or three.
            self.head.put_slice(&std::mem::take(&mut self.data));
            self.head.put_slice(std::mem::take(&mut self.tail));
        }
        let slices = [
            IoSlice::new(&self.head),
            IoSlice::new(&self.data),
            IoSlice::new(self.tail),
        ];
        let first = slices.iter().position(|slice| !slice.is_empty()).unwrap_or(0);
        let written = if io.is_write_vectored() {
            ready!(Pin::new(io).poll_write_vectored(cx, &slices[first..]))?
        } else {
            ready!(Pin::new(io).poll_write(cx, &slices[first]))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
        }
        self.begun = true;
        self.written(written);
        Poll::Ready(Ok(()))
    }

    fn written(&mut self, mut count: usize) {
        let of_head = count.min(self.head.len());
        self.head.advance(of_head);
        count -= of_head;
        let of_data = count.min(self.data.len());
        self.data.advance(of_data);
        count -= of_data;
        self.tail = &self.tail[count.min(self.tail.len())..];
    }

    /// Takes the next frame of the body.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()?;
        match frame.map(http_body::Frame::into_data) {
            Some(Ok(data)) => self.queue(data)?,
            Some(Err(frame)) => {
                if let (Ok(trailers), Framing::Chunked) = (frame.into_trailers(), self.framing) {
                    self.end_chunks(&trailers);
                }
            }
            None => match self.framing {
                Framing::Chunked => self.end_chunks(&HeaderMap::new()),
                Framing::Length(1..) => return Poll::Ready(Err(SendError::Length)),
                Framing::Length(0) | Framing::Over => self.framing = Framing::Over,
            },
        }
        Poll::Ready(Ok(()))
    }

    fn queue(&mut self, data: Bytes) -> Result<(), SendError> {
        match &mut self.framing {
            Framing::Chunked if data.is_empty() => return Ok(()),
            Framing::Chunked => {
                put_hex(&mut self.head, data.len());
                self.tail = b"\r\n";
            }
            Framing::Length(left) => match left.checked_sub(data.len() as u64) {
                // The length is reached: nothing more is asked of the body.
                Some(0) => self.framing = Framing::Over,
                Some(rest) => *left = rest,
                None => return Err(SendError::Length),
            },
            Framing::Over => return Ok(()),
        }
        self.data = data;
        Ok(())
    }

    fn end_chunks(&mut self, trailers: &HeaderMap) {
        self.head.put_slice(b"0\r\n");
        for (name, value) in trailers {
            put_field(&mut self.head, name, value.as_bytes());
        }
        self.head.put_slice(b"\r\n");
        self.framing = Framing::Over;
    }
}

fn put_field(out: &mut BytesMut, name: &HeaderName, value: &[u8]) {
    out.put_slice(name.as_str().as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

fn put_hex(out: &mut BytesMut, length: usize) {
    use std::fmt::Write as _;
    // Writing into growing memory cannot fail.
    let _ = write!(out, "{length:x}\r\n");
}

/// The length the head announces; it was put there by the gateway itself.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
