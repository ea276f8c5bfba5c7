//! What the two processes say to each other, and how descriptors travel.
//!
//! The new process writes one line, `who` or `take`. The answer is four octets of length (big endian) and as many of JSON;
//! after `take` the descriptors follow, [`BATCH`] at a time, each batch with one octet that counts them. Then the new
//! process writes `ready steered` or `ready unsteered` when it serves, and the old one answers `yours`.

use std::{
    io::{self, IoSlice, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    net::SocketAddr,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

/// Raised when a process of another version would misunderstand.
pub(super) const PROTOCOL: u32 = 1;
/// Descriptors in one message; the kernel takes 253 (`SCM_MAX_FD`).
const BATCH: usize = 64;
/// Most octets of a description: 16 listeners with 256 workers and two protocols need less than half.
const HEADER_BYTES: usize = 2 << 20;
/// Most descriptors handed over: as above, and the endpoints of administration.
pub(super) const SOCKETS: usize = 16 * 256 * 2 + 16;

/// The first line of the new process.
pub(super) const WHO: &str = "who\n";
pub(super) const TAKE: &str = "take\n";
/// The new process serves, and QUIC packets find the old one's connections.
pub(super) const READY_STEERED: &str = "ready steered\n";
/// The new process serves; nobody steers QUIC packets.
pub(super) const READY_UNSTEERED: &str = "ready unsteered\n";
/// The old process has begun to drain.
pub(super) const YOURS: &str = "yours\n";

/// Who waits at the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// [`PROTOCOL`] of that process.
    pub protocol: u32,
    /// Its process id, as it sees it itself.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Its generation.
    pub generation: u32,
}

/// One descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(super) enum Socket {
    /// A listener's TCP socket.
    Tcp { listener: String, address: SocketAddr },
    /// A listener's UDP socket, of the worker with the number of its place among them.
    Udp { listener: String, address: SocketAddr },
    /// An endpoint of administration or metrics.
    Endpoint { address: SocketAddr },
    /// An endpoint of administration at a path.
    EndpointUnix { path: PathBuf },
}

/// What comes before the descriptors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    #[serde(flatten)]
    pub(super) who: Who,
    pub(super) quic_key: [u64; 2],
    /// In the order of the descriptors.
    pub(super) sockets: Vec<Socket>,
}

pub(super) fn ask_who(stream: &UnixStream) -> io::Result<Who> {
    write(stream, WHO)?;
    read_json(stream)
}

pub(super) fn write(mut stream: &UnixStream, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())
}

pub(super) fn write_json(mut stream: &UnixStream, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(value)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&text)
}

pub(super) fn read_json<T: for<'de> Deserialize<'de>>(mut stream: &UnixStream) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > HEADER_BYTES {
        return Err(invalid("the description of the sockets is too long"));
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Reads one short line, octet by octet: what follows may carry descriptors.
pub(super) fn read_line(mut stream: &UnixStream) -> io::Result<String> {
    /// Longer than any line of the protocol.
    const LINE_BYTES: usize = 64;
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        if line.len() == LINE_BYTES {
            return Err(invalid("a line is too long"));
        }
        let mut octet = [0];
        stream.read_exact(&mut octet)?;
        line.push(octet[0]);
    }
    String::from_utf8(line).map_err(io::Error::other)
}

pub(super) fn send_descriptors(stream: &UnixStream, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    for batch in sockets.chunks(BATCH) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(batch)) {
            return Err(invalid("a batch of descriptors is too large"));
        }
        let count = [batch.len() as u8];
        sendmsg(stream, &[IoSlice::new(&count)], &mut control, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

pub(super) fn receive_descriptors(stream: &UnixStream, wanted: usize) -> io::Result<Vec<OwnedFd>> {
    if wanted > SOCKETS {
        return Err(invalid("more sockets than an agent has"));
    }
    let mut found = Vec::with_capacity(wanted);
    while found.len() < wanted {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut count = [0];
        let message = recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut count)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        if message.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let before = found.len();
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = part {
                found.extend(descriptors);
            }
        }
        if message.flags.contains(ReturnFlags::CTRUNC) || found.len() - before != usize::from(count[0]) {
            return Err(invalid("not every socket arrived: raise the limit of open files"));
        }
    }
    Ok(found)
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
