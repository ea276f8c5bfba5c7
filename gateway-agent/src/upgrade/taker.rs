//! The new process: asks for the sockets, keeps them until each has found its use, says when it serves.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixListener, unix::net::UnixStream},
    path::{Path, PathBuf},
};

use gateway_loader::common::IdKey;
use socket2::SockRef;

use super::{
    Who, connect,
    wire::{self, Header, PROTOCOL, READY_STEERED, READY_UNSTEERED, Socket, TAKE, YOURS},
};
use crate::{
    listen::Sockets,
    process::{Identity, node_number},
};

/// Why the sockets of the running process cannot be had. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Nobody waits.
    #[error(
        "no agent hands over its sockets at {name}: {source}; start without --take-over, or give both processes the \
         same upgrade.socket, user and network namespace"
    )]
    Nobody {
        /// The setting.
        name: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The conversation broke.
    #[error("the running agent (pid {pid}) did not hand over its sockets: {source}")]
    Broken {
        /// The other process.
        pid: u32,
        /// The reason.
        source: io::Error,
    },
    /// The other process is of a version that speaks differently.
    #[error(
        "the running agent (pid {pid}, version {version}) speaks another protocol: stop it, then start this one"
    )]
    Protocol {
        /// The other process.
        pid: u32,
        /// Its version.
        version: String,
    },
}

/// What the running process handed over.
#[derive(Debug)]
pub struct Inherited {
    /// The other process.
    pub who: Who,
    quic_key: IdKey,
    /// Listener names and where they are bound.
    names: HashMap<String, SocketAddr>,
    /// Those of listeners.
    pub sockets: Sockets,
    endpoints: HashMap<SocketAddr, OwnedFd>,
    unix: HashMap<PathBuf, OwnedFd>,
    stream: UnixStream,
}

/// The conversation, open until this process serves.
#[derive(Debug)]
pub struct Channel {
    stream: UnixStream,
    /// The other process.
    pub who: Who,
}

impl Inherited {
    /// Takes the sockets of the process that waits at `name`. It goes on serving.
    ///
    /// # Errors
    /// Nobody waits there, or the conversation broke; nothing has changed then.
    pub fn take(name: &str) -> Result<Self, TakeError> {
        let nobody = |source| TakeError::Nobody {
            name: name.to_owned(),
            source,
        };
        let stream = connect(name).map_err(nobody)?;
        wire::write(&stream, TAKE).map_err(nobody)?;
        let header: Header = wire::read_json(&stream).map_err(nobody)?;
        if header.who.protocol != PROTOCOL {
            return Err(TakeError::Protocol {
                pid: header.who.pid,
                version: header.who.version,
            });
        }
        let pid = header.who.pid;
        let broken = |source| TakeError::Broken { pid, source };
        let descriptors = wire::receive_descriptors(&stream, header.sockets.len()).map_err(broken)?;
        let mut inherited = Self {
            who: header.who,
            quic_key: IdKey(header.quic_key),
            names: HashMap::new(),
            sockets: Sockets::default(),
            endpoints: HashMap::new(),
            unix: HashMap::new(),
            stream,
        };
        for (socket, descriptor) in header.sockets.into_iter().zip(descriptors) {
            inherited.sort_in(socket, descriptor).map_err(broken)?;
        }
        Ok(inherited)
    }

    /// What is said of a socket is believed only where the kernel says the same.
    fn sort_in(&mut self, socket: Socket, descriptor: OwnedFd) -> io::Result<()> {
        let bound = |descriptor: &OwnedFd, address: SocketAddr| -> io::Result<()> {
            let found = SockRef::from(descriptor).local_addr()?.as_socket();
            if found == Some(address) {
                return Ok(());
            }
            let text = format!("a socket said to be bound to {address} is not");
            Err(io::Error::new(io::ErrorKind::InvalidData, text))
        };
        match socket {
            Socket::Tcp { listener, address } => {
                bound(&descriptor, address)?;
                self.names.insert(listener, address);
                self.sockets.add_tcp(address, descriptor.into());
            }
            Socket::Udp { listener, address } => {
                bound(&descriptor, address)?;
                self.names.insert(listener, address);
                self.sockets.add_udp(address, descriptor.into());
            }
            Socket::Endpoint { address } => {
                bound(&descriptor, address)?;
                self.endpoints.insert(address, descriptor);
            }
            Socket::EndpointUnix { path } => {
                self.unix.insert(path, descriptor);
            }
        }
        Ok(())
    }

    /// Who this process is, as the successor of the other.
    pub fn identity(&self) -> Identity {
        Identity {
            generation: self.who.generation.wrapping_add(1),
            quic_key: self.quic_key,
            node: node_number(),
        }
    }

    /// Where a listener is bound whose port the system chose.
    pub fn address_of(&self, listener: &str) -> Option<SocketAddr> {
        self.names.get(listener).copied()
    }

    /// An endpoint of administration or metrics. Port 0 takes any on that address.
    pub fn endpoint(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let found = if address.port() == 0 {
            self.endpoints
                .keys()
                .find(|found| found.ip() == address.ip())
                .copied()?
        } else {
            address
        };
        self.endpoints.remove(&found).map(TcpListener::from)
    }

    /// An endpoint of administration at a path.
    pub fn endpoint_unix(&mut self, path: &Path) -> Option<UnixListener> {
        self.unix.remove(path).map(UnixListener::from)
    }

    /// Closes what has found no use here, and keeps the conversation.
    pub fn into_channel(self) -> Channel {
        Channel {
            stream: self.stream,
            who: self.who,
        }
    }
}

impl Channel {
    /// Tells the other process that this one serves, and waits until it has begun to drain. `steered`: QUIC packets of its
    /// connections still reach it.
    ///
    /// # Errors
    /// The other process is gone, which is as good: this one serves.
    pub fn ready(&self, steered: bool) -> io::Result<()> {
        wire::write(
            &self.stream,
            if steered { READY_STEERED } else { READY_UNSTEERED },
        )?;
        let answer = wire::read_line(&self.stream)?;
        if answer == YOURS {
            Ok(())
        } else {
            Err(io::Error::other(format!("unexpected answer {answer:?}")))
        }
    }
}
