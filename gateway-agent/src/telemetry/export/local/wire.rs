//! Sockets towards local receivers: datagrams to a path or an address, or a TCP stream with counted frames.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpStream, UnixDatagram},
    time::Instant,
};

use super::super::{pump::Backoff, statsd::connected};

/// Time for one record: a receiver that does not read must not hold up the others for long.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// Where a receiver is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Unix(PathBuf),
    Udp(Arc<str>),
    Tcp(Arc<str>),
}

impl Address {
    /// `host:port`, `udp://host:port`, `tcp://host:port`, or a path.
    pub(super) fn read(text: &str) -> Self {
        if let Some(rest) = text.strip_prefix("tcp://") {
            return Self::Tcp(rest.into());
        }
        let rest = text.strip_prefix("udp://").unwrap_or(text);
        if rest.starts_with('/') {
            Self::Unix(rest.into())
        } else {
            Self::Udp(rest.into())
        }
    }
}

/// Why a record was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The receiver takes no record of that length.
    #[error("the record is larger than a datagram")]
    TooLarge,
    /// It was away a moment ago and is not tried again yet.
    #[error("the receiver is away")]
    Away,
    /// It is away.
    #[error("{0}")]
    Io(#[from] io::Error),
}

#[derive(Debug)]
enum Socket {
    Unix(UnixDatagram),
    Udp(tokio::net::UdpSocket),
    Tcp(TcpStream),
}

/// The connection, made when it is needed.
#[derive(Debug)]
pub(super) struct Wire {
    address: Address,
    socket: Option<Socket>,
    backoff: Backoff,
    not_before: Option<Instant>,
}

impl Wire {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            socket: None,
            backoff: Backoff::new(),
            not_before: None,
        }
    }

    /// Sends one record; a broken connection is made anew once.
    pub(super) async fn send(&mut self, record: &[u8]) -> Result<(), WireError> {
        if self.not_before.is_some_and(|then| Instant::now() < then) {
            return Err(WireError::Away);
        }
        let fresh = self.socket.is_none();
        let mut result = self.attempt(record).await;
        if result.as_ref().is_err_and(|error| !is_too_large(error)) && !fresh {
            result = self.attempt(record).await;
        }
        match result {
            Ok(()) => {
                self.backoff = Backoff::new();
                self.not_before = None;
                Ok(())
            }
            Err(error) if is_too_large(&error) => Err(WireError::TooLarge),
            Err(error) => {
                self.not_before = Some(Instant::now() + self.backoff.next());
                Err(WireError::Io(error))
            }
        }
    }

    async fn attempt(&mut self, record: &[u8]) -> io::Result<()> {
        let sent = match tokio::time::timeout(SEND_TIMEOUT, self.once(record)).await {
            Ok(sent) => sent,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        if sent.as_ref().is_err_and(|error| !is_too_large(error)) {
            self.socket = None;
        }
        sent
    }

    async fn once(&mut self, record: &[u8]) -> io::Result<()> {
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => open(&self.address).await?,
        };
        match &mut socket {
            Socket::Unix(socket) => socket.send(record).await.map(drop)?,
            Socket::Udp(socket) => socket.send(record).await.map(drop)?,
            Socket::Tcp(stream) => {
                // Octet counting (RFC 6587 §3.4.1): records may hold line ends.
                let mut frame = format!("{} ", record.len()).into_bytes();
                frame.extend_from_slice(record);
                stream.write_all(&frame).await?;
            }
        }
        self.socket = Some(socket);
        Ok(())
    }
}

fn is_too_large(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::EMSGSIZE as i32)
}

async fn open(address: &Address) -> io::Result<Socket> {
    match address {
        Address::Unix(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            Ok(Socket::Unix(socket))
        }
        Address::Udp(endpoint) => connected(endpoint).await.map(Socket::Udp),
        Address::Tcp(endpoint) => TcpStream::connect(&**endpoint).await.map(Socket::Tcp),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        for (text, expected) in [
            ("h:514", Address::Udp("h:514".into())),
            ("udp://h:514", Address::Udp("h:514".into())),
            ("tcp://h:514", Address::Tcp("h:514".into())),
            ("/dev/log", Address::Unix("/dev/log".into())),
        ] {
            assert_eq!(Address::read(text), expected);
        }
    }

    #[tokio::test]
    async fn streams_are_counted_frames() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
        let mut wire = Wire::new(Address::read(&endpoint));
        wire.send(b"a\nb").await.unwrap();
        wire.send(b"c").await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(wire);
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "3 a\nb1 c");
    }

    #[tokio::test]
    async fn a_receiver_that_is_away_is_left_alone_for_a_while() {
        let mut wire = Wire::new(Address::Unix("/nonexistent/socket".into()));
        assert!(matches!(wire.send(b"x").await, Err(WireError::Io(_))));
        assert!(matches!(wire.send(b"x").await, Err(WireError::Away)));
    }

    #[tokio::test]
    async fn what_is_too_large_is_told_apart() {
        let receiver = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let endpoint = receiver.local_addr().unwrap().to_string();
        let mut wire = Wire::new(Address::read(&endpoint));
        assert!(matches!(
            wire.send(&vec![b'x'; 70_000]).await,
            Err(WireError::TooLarge)
        ));
        wire.send(b"small").await.unwrap();
        let mut bytes = [0; 16];
        assert_eq!(receiver.recv(&mut bytes).await.unwrap(), 5);
    }
}
