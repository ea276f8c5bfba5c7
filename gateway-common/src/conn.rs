//! Connection accounting: what the kernel keeps per socket and what it writes to the ring buffer.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// One terminated or just opened connection, as written to the ring buffer.
///
/// Byte counts are payload: the sequence numbers that SYN and FIN take are subtracted, so they equal what the two
/// applications wrote and read. Packet counts are segments on the wire, with and without data (RFC 4898
/// tcpEStatsPerfSegsIn, tcpEStatsPerfSegsOut), those of the handshake included. What is sent by closing (a reset) leaves
/// after the record was written and is not in it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnRecord {
    /// The kernel's socket cookie (SO_COOKIE): joins the record with the user side.
    pub cookie: u64,
    /// When the handshake ended, nanoseconds of CLOCK_MONOTONIC.
    pub opened_ns: u64,
    /// When the socket went to CLOSE, nanoseconds of CLOCK_MONOTONIC; 0 in an open record.
    pub closed_ns: u64,
    /// Payload bytes received.
    pub bytes_in: u64,
    /// Payload bytes sent and acknowledged by the peer.
    pub bytes_out: u64,
    /// Local address, network order, IPv4 as mapped.
    pub local: [u8; 16],
    /// Remote address, network order, IPv4 as mapped.
    pub remote: [u8; 16],
    /// Segments received.
    pub packets_in: u32,
    /// Segments sent, retransmissions included.
    pub packets_out: u32,
    /// Segments sent again.
    pub retransmits: u32,
    /// Smoothed round-trip time, microseconds.
    pub srtt_us: u32,
    /// Smallest round-trip time seen in the kernel's window, microseconds.
    pub min_rtt_us: u32,
    /// Number the agent gave to the listener (see [`ConnMark::listener`]); 0 when it gave none.
    pub listener: u32,
    /// Local port, host order.
    pub local_port: u16,
    /// Remote port, host order.
    pub remote_port: u16,
    /// [`KIND_OPEN`] or [`KIND_CLOSE`].
    pub kind: u8,
    /// TCP state the connection was in when it closed (the kernel's numbers, [`state_name`]).
    pub state: u8,
    /// [`DIRECTION_ACCEPTED`] or [`DIRECTION_CONNECTED`].
    pub direction: u8,
    /// Reserved, zero.
    pub reserved: u8,
}

const _: () = {
    assert!(size_of::<ConnRecord>() == 104 && align_of::<ConnRecord>() == 8);
    assert!(core::mem::offset_of!(ConnRecord, local) == 40);
    assert!(core::mem::offset_of!(ConnRecord, remote) == 56);
    assert!(core::mem::offset_of!(ConnRecord, packets_in) == 72);
    assert!(core::mem::offset_of!(ConnRecord, local_port) == 96);
    assert!(core::mem::offset_of!(ConnRecord, kind) == 100);
};

impl ConnRecord {
    /// Size of a record in the ring buffer, bytes.
    pub const SIZE: usize = size_of::<Self>();

    /// How long the connection lasted, nanoseconds; 0 while it is open.
    pub const fn duration_ns(&self) -> u64 {
        self.closed_ns.saturating_sub(self.opened_ns)
    }

    /// Local address and port, IPv4 as IPv4.
    pub fn local_address(&self) -> SocketAddr {
        address(self.local, self.local_port)
    }

    /// Remote address and port, IPv4 as IPv4.
    pub fn remote_address(&self) -> SocketAddr {
        address(self.remote, self.remote_port)
    }

    /// Reads a record from the bytes of a ring-buffer item. `None` when the length is not [`ConnRecord::SIZE`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::SIZE {
            return None;
        }
        let mut record = Self {
            cookie: ne_u64(bytes, 0)?,
            opened_ns: ne_u64(bytes, 8)?,
            closed_ns: ne_u64(bytes, 16)?,
            bytes_in: ne_u64(bytes, 24)?,
            bytes_out: ne_u64(bytes, 32)?,
            packets_in: ne_u32(bytes, 72)?,
            packets_out: ne_u32(bytes, 76)?,
            retransmits: ne_u32(bytes, 80)?,
            srtt_us: ne_u32(bytes, 84)?,
            min_rtt_us: ne_u32(bytes, 88)?,
            listener: ne_u32(bytes, 92)?,
            local_port: u16::from_ne_bytes([bytes[96], bytes[97]]),
            remote_port: u16::from_ne_bytes([bytes[98], bytes[99]]),
            kind: bytes[100],
            state: bytes[101],
            direction: bytes[102],
            reserved: bytes[103],
            ..Self::default()
        };
        record.local.copy_from_slice(&bytes[40..56]);
        record.remote.copy_from_slice(&bytes[56..72]);
        Some(record)
    }
}

fn address(octets: [u8; 16], port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical(), port)
}

fn ne_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn ne_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// [`ConnRecord::kind`]: the handshake ended.
pub const KIND_OPEN: u8 = 1;
/// [`ConnRecord::kind`]: the socket went to CLOSE.
pub const KIND_CLOSE: u8 = 2;
/// [`ConnRecord::direction`]: accepted by a listener of the gateway.
pub const DIRECTION_ACCEPTED: u8 = 1;
/// [`ConnRecord::direction`]: opened by the gateway towards an upstream.
pub const DIRECTION_CONNECTED: u8 = 2;

/// What the kernel keeps in a socket's storage.
///
/// The agent writes it to a *listener* with its number in [`ConnMark::listener`]; the map is created with
/// BPF_F_CLONE, so every accepted connection starts with a copy. A connection without a mark is not the gateway's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnMark {
    /// When the handshake ended, nanoseconds of CLOCK_MONOTONIC; 0 on a listener.
    pub opened_ns: u64,
    /// Number the agent gave to the listener, from 1.
    pub listener: u32,
    /// Bit set of the `MARK_*` flags.
    pub flags: u32,
    /// Sequence number after the peer's FIN, valid with [`MARK_FIN_SEEN`].
    pub fin_end: u32,
    /// Segments of the handshake that were sent before the socket existed: the answers to the SYN.
    pub handshake_out: u32,
}

const _: () = assert!(size_of::<ConnMark>() == 24 && align_of::<ConnMark>() == 8);

/// [`ConnMark::flags`]: our FIN was queued.
pub const MARK_FIN_SENT: u32 = 1;
/// [`ConnMark::flags`]: our FIN was acknowledged.
pub const MARK_FIN_ACKED: u32 = 2;
/// [`ConnMark::flags`]: the peer's FIN was taken in order.
pub const MARK_FIN_RECEIVED: u32 = 4;
/// [`ConnMark::flags`]: a segment with FIN was seen after ours was sent; it counts once everything before it is in.
pub const MARK_FIN_SEEN: u32 = 8;
/// [`ConnMark::flags`]: the connection was opened from here.
pub const MARK_CONNECTED: u32 = 16;

/// TCP states as the kernel numbers them (include/net/tcp_states.h, stable as BPF_TCP_*).
pub mod state {
    /// ESTABLISHED (RFC 9293 §3.3.2, like those that follow).
    pub const ESTABLISHED: u32 = 1;
    /// FIN-WAIT-1.
    pub const FIN_WAIT1: u32 = 4;
    /// FIN-WAIT-2.
    pub const FIN_WAIT2: u32 = 5;
    /// TIME-WAIT.
    pub const TIME_WAIT: u32 = 6;
    /// CLOSED.
    pub const CLOSE: u32 = 7;
    /// CLOSE-WAIT.
    pub const CLOSE_WAIT: u32 = 8;
    /// LAST-ACK.
    pub const LAST_ACK: u32 = 9;
    /// CLOSING.
    pub const CLOSING: u32 = 11;
}

/// Name of a TCP state number, RFC 9293 spelling; `"UNKNOWN"` for a number the kernel does not use.
pub const fn state_name(state: u8) -> &'static str {
    const NAMES: [&str; 14] = [
        "UNKNOWN",
        "ESTABLISHED",
        "SYN-SENT",
        "SYN-RECEIVED",
        "FIN-WAIT-1",
        "FIN-WAIT-2",
        "TIME-WAIT",
        "CLOSED",
        "CLOSE-WAIT",
        "LAST-ACK",
        "LISTEN",
        "CLOSING",
        "SYN-RECEIVED",
        "CLOSED",
    ];
    if (state as usize) < NAMES.len() {
        NAMES[state as usize]
    } else {
        NAMES[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> ConnRecord {
        ConnRecord {
            cookie: 0x0102_0304_0506_0708,
            opened_ns: 1_000,
            closed_ns: 4_500,
            bytes_in: u64::MAX - 1,
            bytes_out: 77,
            local: crate::v4_mapped([10, 0, 0, 1]),
            remote: core::array::from_fn(|i| i as u8),
            packets_in: 5,
            packets_out: 6,
            retransmits: 7,
            srtt_us: 8,
            min_rtt_us: 9,
            listener: 10,
            local_port: 8443,
            remote_port: 40_000,
            kind: KIND_CLOSE,
            state: state::LAST_ACK as u8,
            direction: DIRECTION_ACCEPTED,
            reserved: 0,
        }
    }

    #[expect(
        unsafe_code,
        reason = "the kernel writes the value as raw memory: the test has to do the same"
    )]
    fn as_memory(record: &ConnRecord) -> [u8; ConnRecord::SIZE] {
        // SAFETY: ConnRecord is repr(C) without padding (size assertion above), so every byte is initialised.
        unsafe { core::mem::transmute_copy(record) }
    }

    #[test]
    fn record_survives_memory() {
        let record = sample();
        assert_eq!(ConnRecord::from_bytes(&as_memory(&record)), Some(record));
        assert_eq!(record.duration_ns(), 3_500);
    }

    #[test]
    fn addresses_for_people() {
        extern crate std;
        use std::string::ToString as _;
        let mut record = sample();
        assert_eq!(record.local_address().to_string(), "10.0.0.1:8443");
        record.remote = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        assert_eq!(record.remote_address().to_string(), "[2001:db8::9]:40000");
    }

    #[test]
    fn every_byte_of_the_record_is_read() {
        let base = [0x5a; ConnRecord::SIZE];
        let reference = ConnRecord::from_bytes(&base);
        for at in 0..ConnRecord::SIZE {
            let mut changed = base;
            changed[at] ^= 0xff;
            assert_ne!(
                ConnRecord::from_bytes(&changed),
                reference,
                "byte {at} is not read"
            );
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        for length in [0, 1, ConnRecord::SIZE - 1, ConnRecord::SIZE + 1] {
            assert_eq!(
                ConnRecord::from_bytes(&[0; 256][..length]),
                None,
                "length {length}"
            );
        }
    }

    #[test]
    fn state_names() {
        for (state, name) in [
            (1, "ESTABLISHED"),
            (5, "FIN-WAIT-2"),
            (9, "LAST-ACK"),
            (0, "UNKNOWN"),
            (200, "UNKNOWN"),
        ] {
            assert_eq!(state_name(state), name, "state {state}");
        }
    }
}
