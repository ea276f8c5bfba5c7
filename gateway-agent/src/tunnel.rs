//! After `101 Switching Protocols`: bytes pass both ways, unseen. One client connection is one backend
//! connection; when either side closes, the other is closed.

use std::{io, pin::pin, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, split},
    time::timeout,
};

use crate::{
    http::{
        conn::{Conn, Phase},
        io::ClientIo,
        serve::uncut,
    },
    transport::Transport,
};

/// After one side has closed, the other may still send for so long.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// A backend connection after its `101`, with the bytes that followed the head.
#[derive(Debug)]
pub(crate) struct Upgraded {
    pub(crate) transport: Transport,
    pub(crate) first: Bytes,
}

/// Relays until one side has closed or failed, or the connection is cut (idle, drain).
pub(crate) async fn relay(conn: &Conn, mut client: ClientIo, client_first: Bytes, mut upstream: Upgraded) {
    conn.enter(Phase::Tunnel);
    let both = async {
        client.write_all(&upstream.first).await?;
        client.flush().await?;
        upstream.transport.write_all(&client_first).await?;
        upstream.transport.flush().await?;
        let (client_read, client_write) = split(client);
        let (upstream_read, upstream_write) = split(upstream.transport);
        let mut up = pin!(one_way(client_read, upstream_write));
        let mut down = pin!(one_way(upstream_read, client_write));
        // What the other side still has to say (a closing frame) gets a moment; then both are closed.
        tokio::select! {
            sent = &mut up => {
                let _ = timeout(CLOSE_GRACE, down).await;
                sent
            }
            received = &mut down => {
                let _ = timeout(CLOSE_GRACE, up).await;
                received
            }
        }
    };
    match uncut(conn, both).await {
        Some(Ok(bytes)) => tracing::debug!(peer = %conn.peer(), bytes, "tunnel ended"),
        Some(Err(error)) => tracing::debug!(peer = %conn.peer(), %error, "tunnel broke"),
        None => tracing::debug!(peer = %conn.peer(), "tunnel cut"),
    }
}

/// Copies to the end of `from`, then closes `to` for writing.
async fn one_way(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<u64> {
    let bytes = copy(&mut from, &mut to).await?;
    to.shutdown().await?;
    Ok(bytes)
}
