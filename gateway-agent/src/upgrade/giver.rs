//! The old process: waits for a successor, hands it the sockets, drains when it serves.

use std::{
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{net::UnixListener, task::JoinSet};

use super::{
    PEER_TIMEOUT, Who,
    wire::{self, Header, PROTOCOL, READY_STEERED, READY_UNSTEERED, Socket, TAKE, WHO, YOURS},
};
use crate::{
    admin::Endpoint,
    drain::{self, Drain},
    listen::Bound,
    process::Identity,
};

/// After a failed accept (out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Conversations at once: one successor, and those who ask about it.
const TALKS: usize = 8;
/// A successor that has not become ready after this time is given up: longer than any configuration takes to load.
const READY_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Copies of every socket a successor needs. They keep the sockets open, so they go when the drain begins.
#[derive(Debug)]
pub struct Offer {
    sockets: Vec<(Socket, OwnedFd)>,
    /// Files of Unix sockets that this process must leave alone once they are the successor's.
    files: Vec<Arc<AtomicBool>>,
    identity: Identity,
    /// A successor has them and is not ready yet: there can be one at a time.
    taken: AtomicBool,
}

impl Offer {
    /// Copies the descriptors.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn new(
        bound: &[Bound],
        names: &[Arc<str>],
        endpoints: &[Endpoint],
        identity: Identity,
    ) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for (one, name) in bound.iter().zip(names) {
            let (listener, address) = (name.to_string(), one.listener.address);
            for socket in &one.tcp {
                let listener = listener.clone();
                sockets.push((
                    Socket::Tcp { listener, address },
                    socket.as_fd().try_clone_to_owned()?,
                ));
            }
            for socket in &one.udp {
                let listener = listener.clone();
                sockets.push((
                    Socket::Udp { listener, address },
                    socket.as_fd().try_clone_to_owned()?,
                ));
            }
        }
        let mut files = Vec::new();
        for endpoint in endpoints {
            match endpoint {
                Endpoint::Tcp(socket, _) => {
                    let address = socket.local_addr()?;
                    sockets.push((Socket::Endpoint { address }, socket.as_fd().try_clone_to_owned()?));
                }
                Endpoint::Unix(socket, file) => {
                    let path = file.path().to_owned();
                    files.push(file.owned());
                    sockets.push((
                        Socket::EndpointUnix { path },
                        socket.as_fd().try_clone_to_owned()?,
                    ));
                }
            }
        }
        Ok(Self {
            sockets,
            files,
            identity,
            taken: AtomicBool::new(false),
        })
    }

    fn who(&self) -> Who {
        Who {
            protocol: PROTOCOL,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            generation: self.identity.generation,
        }
    }

    fn send(&self, stream: &UnixStream) -> io::Result<()> {
        let header = Header {
            who: self.who(),
            quic_key: self.identity.quic_key.0,
            sockets: self.sockets.iter().map(|(socket, _)| socket.clone()).collect(),
        };
        wire::write_json(stream, &header)?;
        let descriptors: Vec<_> = self.sockets.iter().map(|(_, fd)| fd.as_fd()).collect();
        wire::send_descriptors(stream, &descriptors)
    }
}

/// Waits for a successor until the drain begins, and begins it when one serves.
pub async fn give<N: AsRef<Drain>>(
    listener: std::os::unix::net::UnixListener,
    offer: Offer,
    node: Arc<N>,
    grace: Duration,
) -> io::Result<()> {
    let listener = UnixListener::from_std(listener)?;
    let node: &Drain = (*node).as_ref();
    let mut watch = node.watch();
    let offer = Arc::new(offer);
    let mut talks = JoinSet::new();
    loop {
        let ended = tokio::select! {
            _ = watch.begun() => return Ok(()),
            accepted = listener.accept(), if talks.len() < TALKS => {
                match accepted {
                    Ok((stream, _)) if is_trusted(&stream) => {
                        let stream = blocking(stream)?;
                        let offer = Arc::clone(&offer);
                        talks.spawn_blocking(move || converse(&offer, stream));
                    }
                    Ok(_) => tracing::warn!(
                        event = "UpgradeRefused",
                        "another user asked for the listening sockets"
                    ),
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
                continue;
            }
            Some(ended) = talks.join_next() => ended,
        };
        match ended {
            Ok(Ok(Some(ready))) => {
                hand_over(&offer, node, grace, ready);
                return Ok(());
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                tracing::warn!(
                    event = "UpgradeGivenUp",
                    "a successor did not become ready, going on: {error}"
                );
            }
            Err(error) => tracing::error!(event = "UpgradeGivenUp", "{error}"),
        }
    }
}

fn is_trusted(stream: &tokio::net::UnixStream) -> bool {
    let own = nix::unistd::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

fn blocking(stream: tokio::net::UnixStream) -> io::Result<UnixStream> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PEER_TIMEOUT))?;
    stream.set_write_timeout(Some(PEER_TIMEOUT))?;
    Ok(stream)
}

/// A successor that serves.
struct Ready {
    steered: bool,
    stream: UnixStream,
}

fn converse(offer: &Offer, stream: UnixStream) -> io::Result<Option<Ready>> {
    match wire::read_line(&stream)?.as_str() {
        WHO => wire::write_json(&stream, &offer.who()).map(|()| None),
        TAKE if offer.taken.swap(true, Ordering::AcqRel) => {
            Err(io::Error::other("another successor has the sockets already"))
        }
        TAKE => {
            let ready = succeed(offer, stream);
            if ready.is_err() {
                offer.taken.store(false, Ordering::Release);
            }
            ready.map(Some)
        }
        other => Err(io::Error::other(format!("unexpected request {other:?}"))),
    }
}

/// Sends the sockets and waits until they are served elsewhere.
fn succeed(offer: &Offer, stream: UnixStream) -> io::Result<Ready> {
    offer.send(&stream)?;
    tracing::info!(
        event = "UpgradeStarted",
        sockets = offer.sockets.len(),
        "a successor has the sockets and builds its configuration"
    );
    stream.set_read_timeout(Some(READY_TIMEOUT))?;
    let steered = match wire::read_line(&stream)?.as_str() {
        READY_STEERED => true,
        READY_UNSTEERED => false,
        other => return Err(io::Error::other(format!("unexpected line {other:?}"))),
    };
    Ok(Ready { steered, stream })
}

fn hand_over(offer: &Offer, drain: &Drain, grace: Duration, ready: Ready) {
    for file in &offer.files {
        file.store(false, Ordering::Relaxed);
    }
    drain.begin_for(drain::Successor { quic: ready.steered }, grace);
    tracing::info!(
        event = "UpgradeHandedOver",
        seconds = grace.as_secs(),
        quic = ready.steered,
        "the successor serves; draining"
    );
    if let Err(error) = wire::write(&ready.stream, YOURS) {
        tracing::warn!(
            event = "UpgradeHandedOver",
            "the successor did not hear it: {error}"
        );
    }
}
