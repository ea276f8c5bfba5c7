//! Access to packet bytes: bounds-checked windows of 16-bit words.
//!
//! IP headers start at offset 14, so the widest load that is aligned everywhere is 16 bits. One window is one bounds
//! check and as many loads as are used; words are in network order as they lie in memory.

/// Highest offset that is looked at. VLAN tags, options and the extension headers that are walked stay below it; the
/// constant bound is what lets the verifier accept a computed offset.
pub const MAX_OFFSET: usize = 0x3fff;

/// A frame, from the first byte of its Ethernet header.
pub trait Packet {
    /// Whether the frame has at least `length` bytes. A comparison and not a length: the verifier follows comparisons of
    /// packet pointers, their difference is an unknown number to it.
    fn holds(&self, length: usize) -> bool;

    /// `N` 16-bit words from `offset` on, `None` when the frame ends before or the offset is above [`MAX_OFFSET`].
    fn words<const N: usize>(&self, offset: usize) -> Option<[u16; N]>;
}

/// A frame that can be changed.
pub trait PacketMut: Packet {
    /// Writes `N` words at `offset`; `false` when the frame ends before or cannot be written to.
    fn put<const N: usize>(&mut self, offset: usize, words: [u16; N]) -> bool;

    /// Adds what has changed to the transport checksum at `offset`: `pseudo` in the pseudo header only, `plain` in what the
    /// checksum covers. The two differ where hardware still has to finish the checksum. `udp`: zero means that there is none.
    fn correct(&mut self, offset: usize, pseudo: u16, plain: u16, udp: bool) -> bool;

    /// Bytes of the frame, all segments of a coalesced one.
    fn length(&self) -> usize;

    /// Payload bytes of each segment of a coalesced packet; 0 for a single one.
    fn segment(&self) -> usize;

    /// Whether the frame has a VLAN tag beside its bytes.
    fn tagged(&self) -> bool;
}

/// A frame in a slice, for tests and tools on the host.
#[derive(Clone, Copy, Debug)]
pub struct SlicePacket<'a>(pub &'a [u8]);

impl Packet for SlicePacket<'_> {
    fn holds(&self, length: usize) -> bool {
        self.0.len() >= length
    }

    fn words<const N: usize>(&self, offset: usize) -> Option<[u16; N]> {
        if offset > MAX_OFFSET {
            return None;
        }
        let bytes = self.0.get(offset..offset.checked_add(2 * N)?)?;
        let mut words = [0; N];
        for (word, pair) in words.iter_mut().zip(bytes.chunks_exact(2)) {
            *word = u16::from_ne_bytes([*pair.first()?, *pair.get(1)?]);
        }
        Some(words)
    }
}

/// First octet of a word in network order.
#[inline(always)]
pub const fn high(word: u16) -> u8 {
    (u16::from_be(word) >> 8) as u8
}

/// Second octet of a word in network order.
#[inline(always)]
pub const fn low(word: u16) -> u8 {
    u16::from_be(word) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_with_the_frame() {
        let bytes = [1, 2, 3, 4, 5];
        let packet = SlicePacket(&bytes);
        let check = |offset, expected: Option<u8>| {
            assert_eq!(
                packet.words::<1>(offset).map(|[word]| high(word)),
                expected,
                "offset {offset}"
            );
        };
        check(0, Some(1));
        check(3, Some(4));
        check(4, None);
        check(MAX_OFFSET + 1, None);
        check(usize::MAX, None);
        assert_eq!(packet.words::<1>(1).map(|[word]| low(word)), Some(3));
        assert!(packet.words::<3>(0).is_none());
        assert_eq!(packet.words::<0>(5), Some([]));
        assert!(packet.holds(5) && !packet.holds(6));
    }
}
