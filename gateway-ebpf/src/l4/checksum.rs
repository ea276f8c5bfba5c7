//! Internet checksums, changed by difference (RFC 1624): never computed over a payload.
//!
//! Sums are of half-words as they lie in memory; the result is right in either byte order (RFC 1071 §2 (B)).

use super::split;

/// A sum of up to 2¹⁵ half-words in one's complement arithmetic.
#[inline(always)]
pub const fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}

/// What replacing `old` by `new` adds to a checksum's sum, folded: `~m + m'`.
#[inline(always)]
pub fn delta<const N: usize>(old: &[u32; N], new: &[u32; N]) -> u16 {
    let mut sum = 0_u32;
    for (old, new) in old.iter().zip(new) {
        let ([a, b], [c, d]) = (split(!*old), split(*new));
        sum += a as u32 + b as u32 + c as u32 + d as u32;
    }
    fold(sum)
}

/// [`delta`] of one half-word.
#[inline(always)]
pub const fn delta16(old: u16, new: u16) -> u16 {
    fold((!old) as u32 + new as u32)
}

/// Two deltas in one.
#[inline(always)]
pub const fn plus(one: u16, other: u16) -> u16 {
    fold(one as u32 + other as u32)
}

/// A checksum after a change: `HC' = ~(~HC + ~m + m')` (RFC 1624 eqn. 3).
#[inline(always)]
pub const fn apply(checksum: u16, delta: u16) -> u16 {
    !fold((!checksum) as u32 + delta as u32)
}

/// [`apply`] for a checksum that UDP may leave out: zero stays zero, and none becomes zero (RFC 768).
#[inline(always)]
pub const fn apply_udp(checksum: u16, delta: u16) -> u16 {
    if checksum == 0 {
        return 0;
    }
    match apply(checksum, delta) {
        0 => 0xffff,
        changed => changed,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(words: &[u16]) -> u16 {
        let mut sum = 0_u32;
        for word in words {
            sum += u32::from(*word);
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !fold(sum)
    }

    /// Zero has two forms in one's complement.
    fn same(one: u16, other: u16) -> bool {
        one == other || (one == 0 && other == 0xffff) || (one == 0xffff && other == 0)
    }

    proptest! {
        #[test]
        fn a_difference_is_a_whole_sum(
            mut words in prop::collection::vec(any::<u16>(), 4..40), new in any::<[u32; 1]>(), port in any::<u16>()
        ) {
            let before = whole(&words);
            let old = [super::super::join(words[0], words[1])];
            let change = plus(delta(&old, &new), delta16(words[2], port));
            [words[0], words[1]] = split(new[0]);
            words[2] = port;
            prop_assert!(same(apply(before, change), whole(&words)), "{:04x} {:04x}", apply(before, change), whole(&words));
        }
    }

    #[test]
    fn udp_keeps_no_checksum() {
        for (checksum, delta, expected) in [(0, 0x1234, 0), (0xffff, 0, 0xffff), (0x0001, 0xfffe, 0x0002)] {
            assert_eq!(apply_udp(checksum, delta), expected, "{checksum:04x} {delta:04x}");
        }
        // A result of zero is sent as all ones.
        assert_eq!(apply_udp(0x1234, 0x1234), 0xffff);
    }
}
