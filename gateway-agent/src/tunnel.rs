//! After `101 Switching Protocols`: bytes pass both ways, unseen. One client connection is one backend
//! connection; when either side closes, the other is closed.

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, copy_bidirectional};

use crate::{
    http::{
        conn::{Conn, Phase},
        io::ClientIo,
        serve::uncut,
    },
    transport::Transport,
};

/// A backend connection after its `101`, with the bytes that followed the head.
#[derive(Debug)]
pub(crate) struct Upgraded {
    pub(crate) transport: Transport,
    pub(crate) first: Bytes,
}

/// Relays until both sides have closed, either fails, or the connection is cut (idle, drain).
pub(crate) async fn relay(conn: &Conn, mut client: ClientIo, client_first: Bytes, mut upstream: Upgraded) {
    conn.enter(Phase::Tunnel);
    let both = async {
        client.write_all(&upstream.first).await?;
        client.flush().await?;
        upstream.transport.write_all(&client_first).await?;
        upstream.transport.flush().await?;
        copy_bidirectional(&mut client, &mut upstream.transport).await
    };
    match uncut(conn, both).await {
        Some(Ok((up, down))) => tracing::debug!(peer = %conn.peer, up, down, "tunnel ended"),
        Some(Err(error)) => tracing::debug!(peer = %conn.peer, %error, "tunnel broke"),
        None => tracing::debug!(peer = %conn.peer, "tunnel cut"),
    }
}
