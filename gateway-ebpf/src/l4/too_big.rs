//! "Fragmentation needed" and "packet too big", written by this node for packets that do not fit the way to a backend
//! (RFC 1191 §4, RFC 4443 §3.2). Sender is the address the packet was for.

use super::checksum::fold;
use crate::packet::high;

/// Half-words quoted of an IPv4 packet: header without options and 64 bits (RFC 792).
pub const QUOTED_V4: usize = 14;
/// Half-words quoted of an IPv6 packet: header and 64 bits, enough to find the flow.
pub const QUOTED_V6: usize = 24;
/// Half-words of the whole ICMPv4 error.
pub const ERROR_V4: usize = 10 + 4 + QUOTED_V4;
/// Half-words of the whole ICMPv6 error.
pub const ERROR_V6: usize = 20 + 4 + QUOTED_V6;

const HOPS: u16 = 64;

/// The error for an IPv4 packet that begins with `quoted`; `None` when its header has options.
#[inline(always)]
pub fn ipv4(quoted: [u16; QUOTED_V4], mtu: u16) -> Option<[u16; ERROR_V4]> {
    if high(quoted[0]) != 0x45 {
        return None;
    }
    let mut error = [0_u16; ERROR_V4];
    error[0] = 0x4500_u16.to_be();
    error[1] = (ERROR_V4 as u16 * 2).to_be();
    error[4] = (HOPS << 8 | u16::from(super::ICMP)).to_be();
    (error[6], error[7], error[8], error[9]) = (quoted[8], quoted[9], quoted[6], quoted[7]);
    error[5] = !sum(&error, 0, 10);
    error[10] = 0x0304_u16.to_be();
    error[13] = mtu.to_be();
    for (to, from) in error[14..].iter_mut().zip(&quoted) {
        *to = *from;
    }
    error[11] = !sum(&error, 10, ERROR_V4);
    Some(error)
}

/// The error for an IPv6 packet that begins with `quoted`.
#[inline(always)]
pub fn ipv6(quoted: [u16; QUOTED_V6], mtu: u16) -> [u16; ERROR_V6] {
    const LENGTH: u16 = (4 + QUOTED_V6 as u16) * 2;
    let mut error = [0_u16; ERROR_V6];
    error[0] = 0x6000_u16.to_be();
    error[2] = LENGTH.to_be();
    error[3] = (u16::from(super::ICMPV6) << 8 | HOPS).to_be();
    error[4..12].copy_from_slice(&quoted[12..20]);
    error[12..20].copy_from_slice(&quoted[4..12]);
    error[20] = 0x0200_u16.to_be();
    error[23] = mtu.to_be();
    for (to, from) in error[24..].iter_mut().zip(&quoted) {
        *to = *from;
    }
    // Pseudo header: both addresses, length, next header (RFC 8200 §8.1).
    let pseudo = u32::from(sum(&error, 4, 20))
        + u32::from(LENGTH.to_be())
        + u32::from(u16::from(super::ICMPV6).to_be());
    error[21] = !fold(u32::from(sum(&error, 20, ERROR_V6)) + pseudo);
    error
}

#[inline(always)]
fn sum<const N: usize>(words: &[u16; N], from: usize, to: usize) -> u16 {
    let mut sum = 0_u32;
    for (at, word) in words.iter().enumerate() {
        if at >= from && at < to {
            sum += u32::from(*word);
        }
    }
    fold(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::packet::{Packet as _, SlicePacket};

    const CLIENT: [u8; 4] = [192, 0, 2, 2];
    const VIP: [u8; 4] = [203, 0, 113, 10];

    #[test]
    fn the_ipv4_error_is_well_formed() {
        let packet = fixtures::ipv4(CLIENT, VIP, 6, 0x4000, &[], &fixtures::tcp(16, 5, &[0; 40]));
        let error = ipv4(SlicePacket(&packet).words(0).unwrap(), 1400).unwrap();
        assert_eq!((sum(&error, 0, 10), sum(&error, 10, ERROR_V4)), (0xffff, 0xffff));
        let octets: Vec<u8> = error.iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!((&octets[12..16], &octets[16..20]), (&VIP[..], &CLIENT[..]));
        assert_eq!(
            (octets[20], octets[21], &octets[26..28]),
            (3, 4, &1400_u16.to_be_bytes()[..])
        );
        assert_eq!(&octets[28..], &packet[..28]);
        let options = fixtures::ipv4(CLIENT, VIP, 6, 0x4000, &[1; 4], &fixtures::tcp(16, 5, &[0; 40]));
        assert!(ipv4(SlicePacket(&options).words(0).unwrap(), 1400).is_none());
    }

    #[test]
    fn the_ipv6_error_is_well_formed() {
        let (client, vip) = ([0x20; 16], [0x30; 16]);
        let packet = fixtures::ipv6(client, vip, 17, &fixtures::datagram(&[0; 40]));
        let error = ipv6(SlicePacket(&packet).words(0).unwrap(), 1400);
        let octets: Vec<u8> = error.iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!((&octets[8..24], &octets[24..40]), (&vip[..], &client[..]));
        assert_eq!(
            (octets[6], octets[40], &octets[46..48]),
            (58, 2, &1400_u16.to_be_bytes()[..])
        );
        let pseudo = u32::from(56_u16.to_be()) + u32::from(58_u16.to_be());
        assert_eq!(fold(u32::from(sum(&error, 4, ERROR_V6)) + pseudo), 0xffff);
    }
}
