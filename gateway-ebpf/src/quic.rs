//! `pick_worker` on UDP: from the first octets of a QUIC packet to the worker that knows its connection.
//!
//! Only what is the same in every version of QUIC is looked at (RFC 8999): the form of the header and the destination
//! connection ID. A datagram with several packets has one ID in all of them (RFC 9000 §12.2), so the first is enough.

use gateway_common::quic::{self, ID_LENGTH, IdKey, MAX_ID_LENGTH, Owner};

/// Octets read of a packet with a long header: form, version, length of the ID, the longest ID.
pub const LONG: usize = 6 + MAX_ID_LENGTH;
/// Octets read of a packet with a short header: form, ID.
pub const SHORT: usize = 1 + ID_LENGTH;

/// Set in the first octet of a long header (RFC 8999 §5.1).
const LONG_FORM: u8 = 0x80;

/// Whom a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// The connection of a worker.
    Known(Owner),
    /// A connection that does not exist yet; all packets that begin it have this hash.
    New(u32),
    /// No connection of this node's: whoever gets it answers with a stateless reset, or not at all.
    Stray,
}

/// Reads a packet of which at least [`LONG`] octets are there.
#[inline(always)]
pub fn read(head: &[u8; LONG], key: IdKey) -> Packet {
    if head[0] & LONG_FORM == 0 {
        return short(&first(head, 1), key);
    }
    let length = head[5];
    if length as usize == ID_LENGTH
        && let Some(owner) = quic::decode(&first(head, 6), key)
    {
        return Packet::Known(owner);
    }
    Packet::New(hash(head, length))
}

/// Reads a packet that is shorter: no such packet begins a connection (RFC 9000 §14.1).
#[inline(always)]
pub fn read_short(head: &[u8; SHORT], key: IdKey) -> Packet {
    if head[0] & LONG_FORM != 0 {
        return Packet::Stray;
    }
    let mut id = [0; ID_LENGTH];
    let mut at = 0;
    while at < ID_LENGTH {
        id[at] = head[1 + at];
        at += 1;
    }
    short(&id, key)
}

#[inline(always)]
fn short(id: &[u8; ID_LENGTH], key: IdKey) -> Packet {
    match quic::decode(id, key) {
        Some(owner) => Packet::Known(owner),
        None => Packet::Stray,
    }
}

/// The ID at `from`. A loop of known length without bounds that could fail: the verifier sees constant offsets.
#[inline(always)]
fn first(head: &[u8; LONG], from: usize) -> [u8; ID_LENGTH] {
    let mut id = [0; ID_LENGTH];
    let mut at = 0;
    while at < ID_LENGTH {
        if let Some(octet) = head.get(from + at) {
            id[at] = *octet;
        }
        at += 1;
    }
    id
}

/// Hash of an ID that the client chose. It keeps its first packets, 0-RTT included, together even when the client's
/// address changes between them.
#[inline(always)]
fn hash(head: &[u8; LONG], length: u8) -> u32 {
    let one = u64::from_be_bytes([
        head[6], head[7], head[8], head[9], head[10], head[11], head[12], head[13],
    ]);
    let two = u64::from_be_bytes([
        head[14], head[15], head[16], head[17], head[18], head[19], head[20], head[21],
    ]);
    let three = u64::from(u32::from_be_bytes([head[22], head[23], head[24], head[25]])) << 32;
    let mixed = quic::mix(one & mask(length, 0));
    let mixed = quic::mix(mixed ^ (two & mask(length, 8)));
    (quic::mix(mixed ^ (three & mask(length, 16))) >> 32) as u32
}

/// The bits of eight octets behind `before` that belong to an ID of `length` octets.
#[inline(always)]
const fn mask(length: u8, before: u8) -> u64 {
    let octets = length.saturating_sub(before);
    if octets >= 8 {
        u64::MAX
    } else {
        // At most 56: the shift is always in range.
        !(u64::MAX >> (8 * octets as u32))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: IdKey = IdKey([11, 12]);
    const OWNER: Owner = Owner {
        node: 3,
        generation: 1,
        worker: 7,
    };

    fn long(id: &[u8], rest: u8) -> [u8; LONG] {
        let mut head = [rest; LONG];
        head[0] = 0xc0;
        head[1..5].copy_from_slice(&1u32.to_be_bytes());
        head[5] = id.len() as u8;
        head[6..6 + id.len()].copy_from_slice(id);
        head
    }

    fn short(id: &[u8; ID_LENGTH]) -> [u8; LONG] {
        let mut head = [0x5a; LONG];
        head[0] = 0x40;
        head[1..=ID_LENGTH].copy_from_slice(id);
        head
    }

    #[test]
    fn own_ids_are_known_in_both_headers() {
        let id = quic::encode(OWNER, [5; 10], KEY);
        assert_eq!(read(&long(&id, 0), KEY), Packet::Known(OWNER));
        assert_eq!(read(&short(&id), KEY), Packet::Known(OWNER));
        let mut head = [0; SHORT];
        head.copy_from_slice(&short(&id)[..SHORT]);
        assert_eq!(read_short(&head, KEY), Packet::Known(OWNER));
        // A long header that short begins nothing.
        head[0] |= LONG_FORM;
        assert_eq!(read_short(&head, KEY), Packet::Stray);
    }

    #[test]
    fn ids_of_others_are_new_or_stray() {
        let foreign = [0xab; ID_LENGTH];
        assert!(matches!(read(&long(&foreign, 0), KEY), Packet::New(_)));
        assert_eq!(read(&short(&foreign), KEY), Packet::Stray);
        // Same octets, other length: not our ID.
        let id = quic::encode(OWNER, [5; 10], KEY);
        assert!(matches!(read(&long(&id[..15], 0), KEY), Packet::New(_)));
    }

    #[test]
    fn only_the_id_counts_for_the_hash() {
        for length in [0usize, 1, 7, 8, 9, 15, 17, 19, 20] {
            let id: Vec<u8> = (0..length as u8).collect();
            assert_eq!(read(&long(&id, 0), KEY), read(&long(&id, 0xff), KEY), "{length}");
            if length > 0 {
                let mut other = id.clone();
                other[length - 1] ^= 1;
                assert_ne!(read(&long(&id, 0), KEY), read(&long(&other, 0), KEY), "{length}");
            }
        }
    }

    #[test]
    fn hashes_spread_over_workers() {
        let mut shares = [0u32; 8];
        for seed in 0..8_000u64 {
            let id = quic::mix(seed).to_be_bytes();
            let Packet::New(hash) = read(&long(&id, 0), KEY) else {
                panic!("a client's ID was taken for ours");
            };
            shares[((u64::from(hash) * 8) >> 32) as usize] += 1;
        }
        assert!(
            shares.iter().all(|share| share.abs_diff(1_000) < 150),
            "{shares:?}"
        );
    }

    proptest! {
        #[test]
        fn any_octets_are_read(head in any::<[u8; LONG]>(), key in any::<[u64; 2]>()) {
            let _ = read(&head, IdKey(key));
            let mut part = [0; SHORT];
            part.copy_from_slice(&head[..SHORT]);
            let _ = read_short(&part, IdKey(key));
        }
    }
}
