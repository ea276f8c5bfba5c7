//! The client's byte stream as the HTTP stacks see it: watched for progress, checked for messages that the
//! HTTP/1.1 parser would let pass.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    conn::Conn,
    guard::{END_OF_HEAD, Guard},
};
use crate::transport::Transport;

/// A client's transport under the HTTP server.
#[derive(Debug)]
pub(crate) struct ClientIo {
    transport: Transport,
    conn: Rc<Conn>,
    /// Bytes read while the protocol was chosen, not handed on yet.
    prefix: Bytes,
    /// Present on HTTP/1.1 connections.
    guard: Option<Guard>,
}

impl ClientIo {
    pub(crate) fn new(transport: Transport, conn: Rc<Conn>, prefix: Bytes, guard: Option<Guard>) -> Self {
        Self {
            transport,
            conn,
            prefix,
            guard,
        }
    }

    /// From now on bytes are not HTTP: they pass unchecked.
    pub(crate) fn into_tunnel(mut self) -> Self {
        self.guard = None;
        self
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if this.prefix.has_remaining() {
            let take = this.prefix.len().min(buf.remaining());
            buf.put_slice(&this.prefix.split_to(take));
            // What follows is mostly there already. Handed over in one read, the parser is run once and its
            // buffer does not grow to twice its size for the life of the connection.
            if buf.remaining() > 0
                && let Poll::Ready(result) = Pin::new(&mut this.transport).poll_read(cx, buf)
            {
                result?;
            }
        } else {
            std::task::ready!(Pin::new(&mut this.transport).poll_read(cx, buf))?;
        }
        let fresh = &mut buf.filled_mut()[before..];
        if !fresh.is_empty() {
            this.conn.read(this.guard.is_some());
            if let Some(guard) = &mut this.guard
                && guard.inspect(fresh)
            {
                this.prefix = Bytes::from_static(END_OF_HEAD);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl ClientIo {
    fn note<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.conn.wrote(result.is_ready());
        result
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.transport).poll_write(cx, bytes);
        self.note(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.transport).poll_write_vectored(cx, slices);
        self.note(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.transport).poll_flush(cx);
        self.note(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}
