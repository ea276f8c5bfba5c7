//! `conn_acct`: exact payload counts from what the kernel counts.
//!
//! The kernel's `bytes_acked` and `bytes_received` count sequence space: SYN (on the side that connected) and FIN each
//! add one. To subtract exactly what was added, the program follows the state changes, and between our FIN and the
//! close it looks at incoming segments for the peer's FIN, because a socket that goes from FIN-WAIT-2 to CLOSE may or may
//! not have received one.

use gateway_common::conn::{
    MARK_CONNECTED, MARK_FIN_ACKED, MARK_FIN_RECEIVED, MARK_FIN_SEEN, MARK_FIN_SENT, state,
};

/// The figures the kernel holds when a socket closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// `bytes_received`.
    pub received: u64,
    /// `bytes_acked`.
    pub acked: u64,
    /// `rcv_nxt`.
    pub receive_next: u32,
    /// `snd_una`.
    pub unacknowledged: u32,
    /// `snd_nxt`.
    pub send_next: u32,
}

/// Segments that a connection sent before its socket existed. An accepted one answered the SYN, `retransmits` times more than
/// once; its own count starts with the first segment after that. A connecting socket counts its SYN itself.
#[inline(always)]
pub fn handshake_out(flags: u32, retransmits: u32) -> u32 {
    if flags & MARK_CONNECTED != 0 {
        return 0;
    }
    retransmits.wrapping_add(1)
}

/// Flags after a change from `old` to `new`.
#[inline(always)]
pub fn transition(flags: u32, old: u32, new: u32) -> u32 {
    let mut flags = flags;
    if new == state::FIN_WAIT1 || new == state::LAST_ACK {
        flags |= MARK_FIN_SENT;
    }
    if new == state::FIN_WAIT2 {
        flags |= MARK_FIN_ACKED;
    }
    if new == state::CLOSE_WAIT || new == state::CLOSING || old == state::CLOSE_WAIT {
        flags |= MARK_FIN_RECEIVED;
    }
    flags
}

/// Whether incoming segments have to be looked at after a change to `new`.
#[inline(always)]
pub fn watches_segments(new: u32) -> bool {
    new == state::FIN_WAIT1
}

/// Sequence number after a segment's FIN; `None` without FIN or when the lengths make no sense.
#[inline(always)]
pub fn fin_end(sequence: u32, tcp_flags: u8, header: u32, length: u32) -> Option<u32> {
    const FIN: u8 = 1;
    if tcp_flags & FIN == 0 || length < header {
        return None;
    }
    Some(sequence.wrapping_add(length.wrapping_sub(header)).wrapping_add(1))
}

/// Payload bytes (received, sent and acknowledged) when the socket goes from `old` to CLOSE.
///
/// In LAST-ACK, CLOSING and FIN-WAIT-1 our FIN counts as acknowledged when nothing that was sent is outstanding. A reset
/// that arrives while a closed window still holds the FIN back would be taken for an acknowledgement: one byte, in a
/// connection that failed anyway.
#[inline(always)]
pub fn payload(figures: &Figures, flags: u32, old: u32, fin_end: u32) -> (u64, u64) {
    let fin_received =
        flags & MARK_FIN_RECEIVED != 0 || (flags & MARK_FIN_SEEN != 0 && figures.receive_next == fin_end);
    let in_doubt = old == state::LAST_ACK || old == state::CLOSING || old == state::FIN_WAIT1;
    let fin_acked = flags & MARK_FIN_ACKED != 0
        || (in_doubt && flags & MARK_FIN_SENT != 0 && figures.unacknowledged == figures.send_next);
    let syn = u64::from(flags & MARK_CONNECTED != 0);
    let received = figures.received.saturating_sub(u64::from(fin_received));
    let sent = figures
        .acked
        .saturating_sub(syn)
        .saturating_sub(u64::from(fin_acked));
    (received, sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks a path of states and returns the payload of 100 sequence numbers each way.
    fn check(path: &[u32], start: u32, fin: Option<u32>, outstanding: u32, expected: (u64, u64)) {
        let mut flags = start;
        for pair in path.windows(2) {
            flags = transition(flags, pair[0], pair[1]);
        }
        if fin.is_some() {
            flags |= MARK_FIN_SEEN;
        }
        let figures = Figures {
            received: 100,
            acked: 100,
            receive_next: 500,
            unacknowledged: 900,
            send_next: 900 + outstanding,
        };
        let old = path[path.len() - 2];
        assert_eq!(
            payload(&figures, flags, old, fin.unwrap_or(0)),
            expected,
            "{path:?}"
        );
    }

    #[test]
    fn every_way_to_close() {
        use state::{CLOSE, CLOSE_WAIT, CLOSING, ESTABLISHED, FIN_WAIT1, FIN_WAIT2, LAST_ACK};
        // A reset in the middle: nothing to subtract.
        check(&[ESTABLISHED, CLOSE], 0, None, 0, (100, 100));
        // The peer closes first, we follow, it acknowledges; or it resets instead.
        check(&[ESTABLISHED, CLOSE_WAIT, LAST_ACK, CLOSE], 0, None, 0, (99, 99));
        check(&[ESTABLISHED, CLOSE_WAIT, LAST_ACK, CLOSE], 0, None, 7, (99, 100));
        check(&[ESTABLISHED, CLOSE_WAIT, CLOSE], 0, None, 0, (99, 100));
        // We close first: its FIN arrives, or the socket is dropped without, or the FIN was ahead of a hole.
        check(
            &[ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE],
            0,
            Some(500),
            0,
            (99, 99),
        );
        check(&[ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE], 0, None, 0, (100, 99));
        check(
            &[ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE],
            0,
            Some(700),
            0,
            (100, 99),
        );
        // Both at once.
        check(&[ESTABLISHED, FIN_WAIT1, CLOSING, CLOSE], 0, None, 0, (99, 99));
        // The peer vanished: our FIN was never acknowledged.
        check(&[ESTABLISHED, FIN_WAIT1, CLOSE], 0, None, 1, (100, 100));
        // A connection opened from here has its SYN acknowledged as well.
        check(
            &[ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE],
            MARK_CONNECTED,
            Some(500),
            0,
            (99, 98),
        );
        check(&[ESTABLISHED, CLOSE], MARK_CONNECTED, None, 0, (100, 99));
    }

    #[test]
    fn answers_to_the_syn() {
        for (flags, retransmits, expected) in [(0, 0, 1), (0, 2, 3), (MARK_CONNECTED, 2, 0)] {
            assert_eq!(
                handshake_out(flags, retransmits),
                expected,
                "{flags} {retransmits}"
            );
        }
    }

    #[test]
    fn end_of_a_fin() {
        for (flags, header, length, expected) in [
            (0x11, 32, 32, Some(1001)),
            (0x19, 20, 70, Some(1051)),
            (0x10, 20, 70, None),
            (0x11, 40, 20, None),
        ] {
            assert_eq!(
                fin_end(1000, flags, header, length),
                expected,
                "{flags:#x} {header} {length}"
            );
        }
        assert_eq!(fin_end(u32::MAX, 1, 20, 20), Some(0));
    }

    #[test]
    fn empty_connection_never_goes_below_zero() {
        assert_eq!(payload(&Figures::default(), u32::MAX, state::LAST_ACK, 0), (0, 0));
    }
}
