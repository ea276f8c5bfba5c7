//! Hot restart: a new agent process takes the sockets of the one that runs, and the old one drains.
//!
//! The old process waits at a Unix socket (`upgrade.socket`). A new one, started with `run --take-over`, asks there, gets
//! every listening socket (`SCM_RIGHTS`), builds its configuration beside the old one and only then says `ready`. From
//! that moment the old process drains and the new one serves. Nothing is refused in between:
//!
//! * **TCP**: both processes hold the *same* listening sockets, so no connection that the kernel has queued is lost.
//! * **QUIC**: datagrams of a connection must reach the process that has its keys, so each process has UDP sockets of its
//!   own. `pick_worker` steers by connection ID ([`gateway_loader::common::quic`]); new connections follow the working
//!   generation, which the new process moves when it is ready.
//! * **If the new process fails** before it is ready, the old one has changed nothing and goes on.
//!
//! Who may ask: the same user, or root (`SO_PEERCRED`). The default name is in the abstract namespace, which belongs to
//! the network namespace: a pod of a host-networked DaemonSet can take over from the one it replaces.

mod giver;
mod starter;
mod taker;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream},
    },
    time::Duration,
};

pub use giver::{Offer, give};
pub(crate) use starter::{Successor, start_beside};
pub use taker::{Channel, Inherited, TakeError};
pub use wire::Who;

/// A peer on the same machine answers at once; one that does not in this time is stuck.
const PEER_TIMEOUT: Duration = Duration::from_secs(10);

/// The address a setting names: `@name` in the abstract namespace, else a path.
fn address(name: &str) -> io::Result<UnixAddress> {
    match name.strip_prefix('@') {
        Some(name) => UnixAddress::from_abstract_name(name),
        None => UnixAddress::from_pathname(name),
    }
}

fn connect(name: &str) -> io::Result<UnixStream> {
    let stream = UnixStream::connect_addr(&address(name)?)?;
    stream.set_read_timeout(Some(PEER_TIMEOUT))?;
    stream.set_write_timeout(Some(PEER_TIMEOUT))?;
    Ok(stream)
}

/// The process that waits at `name`.
///
/// # Errors
/// Nobody waits there, or somebody who does not speak this.
pub fn who(name: &str) -> io::Result<Who> {
    wire::ask_who(&connect(name)?)
}

/// Waits at `name` for a successor. A socket file that nobody listens on is replaced.
///
/// # Errors
/// Another process waits there, or the system's reason.
pub fn listen(name: &str) -> io::Result<UnixListener> {
    if !name.starts_with('@') && std::fs::symlink_metadata(name).is_ok() {
        if connect(name).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(name)?;
    }
    let listener = UnixListener::bind_addr(&address(name)?)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
