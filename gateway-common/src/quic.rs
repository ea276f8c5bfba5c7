//! QUIC connection IDs that name the worker they belong to, so that a packet finds its connection whatever address it
//! comes from and whichever generation of the agent is working.
//!
//! Layout of the ID (all IDs have one length, for a short header does not carry it, RFC 9000 §17.3):
//!
//! | octets | meaning |
//! |---|---|
//! | 0 | random |
//! | 1, 2 | node, big endian |
//! | 3 | generation of the agent process |
//! | 4 | worker |
//! | 5, 6 | check over all others, keyed |
//! | 7 to 15 | random |
//!
//! The check keeps IDs that clients chose (the first Initial of a connection) and those of strangers from being taken for
//! the gateway's own: one in 65,536 passes, and is steered to one worker like any other. It is no secret and protects none.

/// Octets of every connection ID that the gateway chooses.
pub const ID_LENGTH: usize = 16;
/// Octets of the longest ID of QUIC versions 1 and 2 (RFC 9000 §17.2).
pub const MAX_ID_LENGTH: usize = 20;

/// Shared by all workers and generations of a node; made anew when no predecessor hands it over.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdKey(pub [u64; 2]);

const _: () = assert!(size_of::<IdKey>() == 16 && align_of::<IdKey>() == 8);

/// Whose connection an ID names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The node.
    pub node: u16,
    /// Generation of its agent, modulo 256.
    pub generation: u8,
    /// Worker of that generation.
    pub worker: u8,
}

/// The ID of a connection of `owner`; `random` makes it unlike others.
#[inline(always)]
pub const fn encode(owner: Owner, random: [u8; 10], key: IdKey) -> [u8; ID_LENGTH] {
    let node = owner.node.to_be_bytes();
    let mut id = [
        random[0],
        node[0],
        node[1],
        owner.generation,
        owner.worker,
        0,
        0,
        random[1],
        random[2],
        random[3],
        random[4],
        random[5],
        random[6],
        random[7],
        random[8],
        random[9],
    ];
    let check = check(&id, key).to_be_bytes();
    id[5] = check[0];
    id[6] = check[1];
    id
}

/// Whom an ID names, if its check holds.
#[inline(always)]
pub const fn decode(id: &[u8; ID_LENGTH], key: IdKey) -> Option<Owner> {
    if check(id, key) != u16::from_be_bytes([id[5], id[6]]) {
        return None;
    }
    Some(Owner {
        node: u16::from_be_bytes([id[1], id[2]]),
        generation: id[3],
        worker: id[4],
    })
}

/// Over every octet but its own. Two rounds of multiplication: a handful of instructions in the kernel.
#[inline(always)]
const fn check(id: &[u8; ID_LENGTH], key: IdKey) -> u16 {
    let first = u64::from_be_bytes([id[0], id[1], id[2], id[3], id[4], id[7], id[8], id[9]]);
    let second = u64::from_be_bytes([id[8], id[9], id[10], id[11], id[12], id[13], id[14], id[15]]);
    let mixed = mix(mix(first ^ key.0[0]) ^ second ^ key.0[1]);
    (mixed >> 48) as u16
}

/// Half of SplitMix64's finalizer; both factors are odd, so no input is lost.
#[inline(always)]
pub const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: IdKey = IdKey([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]);

    #[test]
    fn what_was_encoded_is_decoded() {
        for (node, generation, worker) in [
            (0, 0, 0),
            (1, 2, 3),
            (u16::MAX, u8::MAX, u8::MAX),
            (0x1234, 9, 200),
        ] {
            let owner = Owner {
                node,
                generation,
                worker,
            };
            for random in [[0; 10], [0xff; 10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]] {
                assert_eq!(
                    decode(&encode(owner, random, KEY), KEY),
                    Some(owner),
                    "{owner:?} {random:?}"
                );
            }
        }
    }

    #[test]
    fn a_changed_octet_or_another_key_is_noticed() {
        let id = encode(
            Owner {
                node: 7,
                generation: 1,
                worker: 2,
            },
            [9; 10],
            KEY,
        );
        for at in 0..ID_LENGTH {
            let mut other = id;
            other[at] ^= 1;
            assert_eq!(decode(&other, KEY), None, "octet {at}");
        }
        assert_eq!(decode(&id, IdKey([KEY.0[0], 0])), None);
        assert_eq!(decode(&id, IdKey([0, KEY.0[1]])), None);
    }

    #[test]
    fn few_ids_of_strangers_pass() {
        let mut passed = 0;
        for state in 1..=200_000u64 {
            let (a, b) = (mix(state), mix(state ^ u64::MAX));
            let mut id = [0; ID_LENGTH];
            id[..8].copy_from_slice(&a.to_be_bytes());
            id[8..].copy_from_slice(&b.to_be_bytes());
            passed += u32::from(decode(&id, KEY).is_some());
        }
        // Three are expected of 200,000.
        assert!(passed < 15, "{passed}");
    }
}
