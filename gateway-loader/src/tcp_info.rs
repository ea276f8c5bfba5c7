//! Connection records without the kernel programs: getsockopt(TCP_INFO) just before the agent closes a socket.
//!
//! The figures are those of `conn_acct` as far as the socket still knows them. What happens after the call (the last
//! acknowledgement, retransmissions of the FIN) is not in them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use gateway_common::conn::{DIRECTION_CONNECTED, KIND_CLOSE, state};
use gateway_common::{ConnRecord, v4_mapped};
use socket2::SockRef;

/// `struct tcp_info` of linux/tcp.h has grown to some 250 bytes; the kernel fills what both sides know.
const INFO_BYTES: usize = 256;

// Offsets in struct tcp_info: part of the kernel's ABI, only ever extended at the end.
const STATE: usize = 0;
const RTT: usize = 68;
const TOTAL_RETRANS: usize = 100;
const BYTES_ACKED: usize = 120;
const BYTES_RECEIVED: usize = 128;
const SEGS_OUT: usize = 136;
const SEGS_IN: usize = 140;
const MIN_RTT: usize = 148;
const NEEDED: usize = 152;

/// The record of an open TCP socket. `direction` is one of the `DIRECTION_*` numbers; times and listener are the caller's to
/// fill in.
///
/// # Errors
/// When the socket is not a TCP socket, or was never connected.
pub fn tcp_info(socket: &impl AsFd, direction: u8) -> io::Result<ConnRecord> {
    let mut record = ended(socket, direction)?;
    let socket = SockRef::from(socket);
    let address = |address: socket2::SockAddr| {
        address
            .as_socket()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not an IP socket"))
    };
    let (local, remote) = (address(socket.local_addr()?)?, address(socket.peer_addr()?)?);
    (record.local, record.local_port) = split(local);
    (record.remote, record.remote_port) = split(remote);
    Ok(record)
}

/// The same without addresses, which a socket that has reached CLOSE no longer knows: for a descriptor that outlived its
/// connection. There both FINs are taken to have been sent and acknowledged; after a reset each byte count is one short.
///
/// # Errors
/// When the socket is not a TCP socket.
pub fn ended(socket: &impl AsFd, direction: u8) -> io::Result<ConnRecord> {
    let mut record = figures(&raw(socket)?, direction);
    record.cookie = SockRef::from(socket).cookie().unwrap_or_default();
    Ok(record)
}

fn raw(socket: &impl AsFd) -> io::Result<[u8; INFO_BYTES]> {
    let mut info = [0; INFO_BYTES];
    let mut length = INFO_BYTES as libc::socklen_t;
    #[expect(
        unsafe_code,
        reason = "getsockopt(TCP_INFO) has no safe wrapper with the later fields"
    )]
    // SAFETY: the buffer is as long as said and any bytes are valid for it.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    } != 0;
    if failed {
        return Err(io::Error::last_os_error());
    }
    if (length as usize) < NEEDED {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel's TCP_INFO has no byte counts (before 4.6)",
        ));
    }
    Ok(info)
}

/// Figures with the sequence numbers of SYN and FIN taken out, as far as the state tells that they are in.
fn figures(info: &[u8; INFO_BYTES], direction: u8) -> ConnRecord {
    let tcp_state = info[STATE];
    let now = u32::from(tcp_state);
    let fin_received = matches!(
        now,
        state::CLOSE_WAIT | state::LAST_ACK | state::CLOSING | state::TIME_WAIT | state::CLOSE
    );
    let fin_acked = matches!(now, state::FIN_WAIT2 | state::TIME_WAIT | state::CLOSE);
    let syn = u64::from(direction == DIRECTION_CONNECTED);
    ConnRecord {
        bytes_in: u64_at(info, BYTES_RECEIVED).saturating_sub(u64::from(fin_received)),
        bytes_out: u64_at(info, BYTES_ACKED)
            .saturating_sub(syn)
            .saturating_sub(u64::from(fin_acked)),
        packets_in: u32_at(info, SEGS_IN),
        packets_out: u32_at(info, SEGS_OUT),
        retransmits: u32_at(info, TOTAL_RETRANS),
        srtt_us: u32_at(info, RTT),
        min_rtt_us: u32_at(info, MIN_RTT),
        kind: KIND_CLOSE,
        state: tcp_state,
        direction,
        ..ConnRecord::default()
    }
}

fn split(address: SocketAddr) -> ([u8; 16], u16) {
    let octets = match address.ip() {
        IpAddr::V4(ip) => v4_mapped(ip.octets()),
        IpAddr::V6(ip) => ip.octets(),
    };
    (octets, address.port())
}

fn u32_at(info: &[u8; INFO_BYTES], at: usize) -> u32 {
    info.get(at..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

fn u64_at(info: &[u8; INFO_BYTES], at: usize) -> u64 {
    info.get(at..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};

    use gateway_common::conn::DIRECTION_ACCEPTED;

    use super::*;

    #[test]
    fn both_ends_agree_on_the_bytes() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, peer) = listener.accept().unwrap();
        client.write_all(&[1; 3000]).unwrap();
        let mut request = [0; 3000];
        server.read_exact(&mut request).unwrap();
        server.write_all(&[2; 77]).unwrap();
        client.read_exact(&mut request[..77]).unwrap();
        // The end of the client's stream arrives after the acknowledgement of everything the server sent.
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(server.read(&mut request).unwrap(), 0);

        let record = tcp_info(&server, DIRECTION_ACCEPTED).unwrap();
        assert_eq!((record.bytes_in, record.bytes_out), (3000, 77));
        assert_eq!(record.remote_port, peer.port());
        assert_eq!(record.local, v4_mapped([127, 0, 0, 1]));
        assert_eq!(u32::from(record.state), state::CLOSE_WAIT);
        assert!(record.packets_in >= 2 && record.cookie != 0);
        let other = tcp_info(&client, DIRECTION_CONNECTED).unwrap();
        assert_eq!(other.bytes_in, 77);
    }

    #[test]
    fn other_sockets_are_refused() {
        let udp = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        assert!(tcp_info(&udp, DIRECTION_ACCEPTED).is_err());
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        assert!(tcp_info(&listener, DIRECTION_ACCEPTED).is_err());
    }
}
