//! The edge: allowed and denied prefixes, bans, budgets and samples of dropped packets, as `edge_drop` and the agent share them.

/// Address part of an IPv4 prefix key; the prefix length counts bits from the first octet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Octets4 {
    /// Network order.
    pub octets: [u8; 4],
}

/// Address part of an IPv6 prefix key; the prefix length counts bits from the first octet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Octets16 {
    /// Network order.
    pub octets: [u8; 16],
}

/// What a source prefix means. The kernel finds the longest one only, so the agent copies what wider prefixes say into
/// narrower ones.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PrefixEntry {
    /// Bit set of the `PREFIX_*` flags.
    pub flags: u32,
    /// Who asked for it: one of the `RULE_*` numbers.
    pub rule: u32,
}

/// [`PrefixEntry::flags`]: every packet is dropped.
pub const PREFIX_DENY: u32 = 1;
/// [`PrefixEntry::flags`]: packets to the gateway's own destinations are dropped, others are none of its business.
pub const PREFIX_DENY_GATEWAY: u32 = 2;
/// [`PrefixEntry::flags`]: neither denied nor banned nor limited as a source.
pub const PREFIX_ALLOW: u32 = 4;

/// Asked for by the configuration.
pub const RULE_CONFIGURATION: u32 = 0;
/// Asked for by an `ip-filter` at global scope.
pub const RULE_IP_FILTER: u32 = 1;
/// Asked for by an operator.
pub const RULE_OPERATOR: u32 = 2;
/// Asked for because rate limits refused the client again and again.
pub const RULE_RATE_LIMIT: u32 = 3;

/// Name of a `RULE_*` number, as tables and JSON show it.
pub const fn rule_name(rule: u32) -> &'static str {
    match rule {
        RULE_CONFIGURATION => "configuration",
        RULE_IP_FILTER => "ip-filter",
        RULE_OPERATOR => "operator",
        RULE_RATE_LIMIT => "rate-limit",
        _ => "unknown",
    }
}

/// Most allowed and denied prefixes of a family: the figure the fast path is designed and measured for. The trie allocates its
/// nodes as they come, so room that is not used costs nothing.
pub const MAX_PREFIX_ENTRIES: u32 = 1 << 20;

/// Words of the filter in front of each trie: 2^24 bits, two mebibytes. A source whose bit is clear is in no prefix, which spares
/// most packets the walk through a trie of a million prefixes.
pub const FILTER_WORDS: u32 = 1 << 18;

/// Word and bit of the IPv4 filter for an address: one bit for each /24.
#[inline(always)]
pub const fn filter4(octets: [u8; 4]) -> (u32, u64) {
    let bit = u32::from_be_bytes(octets) >> 8;
    (bit >> 6, 1 << (bit & 63))
}

/// Word and bit of the IPv6 filter for an address: its first 32 bits, spread by multiplication. Prefixes shorter than that turn
/// the filter off ([`EDGE_WIDE6`]).
#[inline(always)]
pub const fn filter6(octets: [u8; 16]) -> (u32, u64) {
    let first = u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]);
    let bit = first.wrapping_mul(0x9e37_79b1) >> 8;
    (bit >> 6, 1 << (bit & 63))
}

/// Bytes of a ban's reason, UTF-8, zeros behind it.
pub const REASON_BYTES: usize = 64;

/// A banned source address. The kernel looks at the deadline; the agent sweeps what has run out.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BanEntry {
    /// Last moment of the ban, nanoseconds of CLOCK_MONOTONIC.
    pub until_ns: u64,
    /// Begin of the ban, nanoseconds of CLOCK_MONOTONIC.
    pub since_ns: u64,
    /// Packets dropped by it.
    pub hits: u64,
    /// [`PREFIX_DENY`] or [`PREFIX_DENY_GATEWAY`].
    pub flags: u32,
    /// Who asked for it: one of the `RULE_*` numbers.
    pub rule: u32,
    /// Why, for people; kept here so that it outlives the agent.
    pub reason: [u8; REASON_BYTES],
}

impl Default for BanEntry {
    fn default() -> Self {
        Self {
            until_ns: 0,
            since_ns: 0,
            hits: 0,
            flags: 0,
            rule: 0,
            reason: [0; REASON_BYTES],
        }
    }
}

/// Most bans of a family, unless a setting says otherwise. Bans are short-lived; who needs more of them needs a prefix.
pub const MAX_BANS: u32 = 65_536;

/// A token bucket as a schedule (GCRA): one word of state, the moment at which the bucket will be full again.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// Nanoseconds that one token takes to come; 0: no limit.
    pub period_ns: u64,
    /// How far the schedule may run ahead of the clock: (tokens of the bucket - 1) times the period.
    pub burst_ns: u64,
}

impl Limit {
    /// `rate` tokens a second, at most `burst` at once (at least one). Rates above 10^9 count as that.
    pub const fn per_second(rate: u32, burst: u32) -> Self {
        if rate == 0 {
            return Self {
                period_ns: 0,
                burst_ns: 0,
            };
        }
        let period_ns = 1_000_000_000 / rate as u64;
        let period_ns = if period_ns == 0 { 1 } else { period_ns };
        Self {
            period_ns,
            burst_ns: period_ns * (burst.saturating_sub(1)) as u64,
        }
    }
}

/// What a budget counts: index of the arrays of limits and of their state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Budget {
    /// TCP segments with SYN and without ACK.
    Syn = 0,
    /// Packets.
    Packets = 1,
    /// TCP connections whose handshake ended: spent by `conn_acct`, asked by `edge_drop` at the next SYN.
    Connections = 2,
}

/// Number of budgets of a source and of a destination.
pub const BUDGETS: usize = 3;

/// What `edge_drop` is asked to do; changed as a whole.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeConfig {
    /// Bit set of the `EDGE_*` flags.
    pub flags: u32,
    /// Reserved, zero.
    pub reserved: u32,
    /// Limits of each source, by [`Budget`].
    pub source: [Limit; BUDGETS],
    /// Samples of dropped packets, per CPU.
    pub samples: Limit,
}

/// [`EdgeConfig::flags`]: drop frames that end inside a header.
pub const EDGE_DROP_SHORT: u32 = 1;
/// [`EdgeConfig::flags`]: drop wrong versions and header lengths.
pub const EDGE_DROP_HEADER: u32 = 1 << 1;
/// [`EdgeConfig::flags`]: drop IP lengths that fit neither headers nor frame.
pub const EDGE_DROP_LENGTH: u32 = 1 << 2;
/// [`EdgeConfig::flags`]: drop TCP flags that no stack sends.
pub const EDGE_DROP_FLAGS: u32 = 1 << 3;
/// [`EdgeConfig::flags`]: drop source addresses that cannot be one.
pub const EDGE_DROP_ADDRESS: u32 = 1 << 4;
/// [`EdgeConfig::flags`]: drop every kind of malformed packet.
pub const EDGE_DROP_MALFORMED: u32 =
    EDGE_DROP_SHORT | EDGE_DROP_HEADER | EDGE_DROP_LENGTH | EDGE_DROP_FLAGS | EDGE_DROP_ADDRESS;
/// [`EdgeConfig::flags`]: there are bans. Without it no look-up is made.
pub const EDGE_BANS: u32 = 1 << 8;
/// [`EdgeConfig::flags`]: sources have limits.
pub const EDGE_SOURCES: u32 = 1 << 9;
/// [`EdgeConfig::flags`]: destinations have limits.
pub const EDGE_VIPS: u32 = 1 << 10;
/// [`EdgeConfig::flags`]: limits of sources count packets to any destination, not only to the gateway's.
pub const EDGE_WHOLE_NODE: u32 = 1 << 11;
/// [`EdgeConfig::flags`]: there are IPv4 prefixes.
pub const EDGE_PREFIXES4: u32 = 1 << 12;
/// [`EdgeConfig::flags`]: there are IPv6 prefixes.
pub const EDGE_PREFIXES6: u32 = 1 << 13;
/// [`EdgeConfig::flags`]: there are IPv6 prefixes shorter than the filter's 32 bits; every source is looked up.
pub const EDGE_WIDE6: u32 = 1 << 14;

/// State of the limits of one source: the schedules, by [`Budget`]. Key: the IPv4 address as mapped, or the first 64 bits of the
/// IPv6 address, for a host has all of them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    /// Nanoseconds of CLOCK_MONOTONIC; see [`Limit`].
    pub ahead: [u64; BUDGETS],
}

/// Sources whose state is kept at one time; the least recently seen ones go. 88 bytes each.
pub const MAX_SOURCES: u32 = 262_144;

/// Limits of one destination and their state. Key: [`crate::SteerKey`], port and protocol zero for a whole address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VipBudget {
    /// The limits, by [`Budget`].
    pub limits: [Limit; BUDGETS],
    /// Their state, as in [`SourceState`].
    pub ahead: [u64; BUDGETS],
}

/// Most destinations with limits of their own.
pub const MAX_VIPS: u32 = 4096;

/// Most destinations of the gateway: bound listeners and exact steered ones.
pub const MAX_OWN: u32 = 4096;

/// Bytes of a dropped packet that a sample keeps: Ethernet, one VLAN tag, IPv6, and the TCP header without options.
pub const SAMPLE_BYTES: usize = 104;

/// A dropped packet, as written to the ring of samples.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropSample {
    /// When, nanoseconds of CLOCK_MONOTONIC.
    pub at_ns: u64,
    /// Interface number.
    pub interface: u32,
    /// Number of the verdict's [`crate::Counter`].
    pub verdict: u16,
    /// Number of the observation's counter plus one; 0: none.
    pub noticed: u16,
    /// Bytes of the frame.
    pub length: u32,
    /// Bytes in `bytes`.
    pub captured: u32,
    /// The start of the frame.
    pub bytes: [u8; SAMPLE_BYTES],
}

impl DropSample {
    /// Size of a sample in the ring, bytes.
    pub const SIZE: usize = size_of::<Self>();

    /// Reads a sample from the bytes of a ring item. `None` when the length is not [`DropSample::SIZE`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::SIZE {
            return None;
        }
        let word = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
        let half = |at: usize| Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
        Some(Self {
            at_ns: u64::from_ne_bytes(*bytes.first_chunk()?),
            interface: word(8)?,
            verdict: half(12)?,
            noticed: half(14)?,
            length: word(16)?,
            captured: word(20)?,
            bytes: *bytes.get(24..)?.first_chunk()?,
        })
    }

    /// The start of the frame.
    pub fn frame(&self) -> &[u8] {
        let captured = (self.captured as usize).min(SAMPLE_BYTES);
        self.bytes.get(..captured).unwrap_or_default()
    }
}

/// Bytes of the ring of samples: some 900 of them. Samples are limited in rate; a reader that is late loses the newest.
pub const SAMPLE_RING_BYTES: usize = 1 << 17;

const _: () = {
    assert!(size_of::<Octets4>() == 4 && align_of::<Octets4>() == 1);
    assert!(size_of::<Octets16>() == 16 && align_of::<Octets16>() == 1);
    assert!(size_of::<PrefixEntry>() == 8 && align_of::<PrefixEntry>() == 4);
    assert!(size_of::<BanEntry>() == 32 + REASON_BYTES && align_of::<BanEntry>() == 8);
    assert!(core::mem::offset_of!(BanEntry, hits) == 16 && core::mem::offset_of!(BanEntry, flags) == 24);
    assert!(size_of::<Limit>() == 16 && size_of::<EdgeConfig>() == 8 + 16 * BUDGETS + 16);
    assert!(size_of::<SourceState>() == 8 * BUDGETS && size_of::<VipBudget>() == 24 * BUDGETS);
    assert!(size_of::<DropSample>() == 128 && align_of::<DropSample>() == 8);
    assert!(core::mem::offset_of!(DropSample, bytes) == 24);
    // The filters are indexed by 24 bits.
    assert!(FILTER_WORDS * 64 == 1 << 24);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_from_rates() {
        let check = |rate, burst, expected: (u64, u64)| {
            let limit = Limit::per_second(rate, burst);
            assert_eq!((limit.period_ns, limit.burst_ns), expected, "{rate} {burst}");
        };
        check(0, 5, (0, 0));
        check(1000, 1, (1_000_000, 0));
        check(1000, 0, (1_000_000, 0));
        check(1000, 101, (1_000_000, 100_000_000));
        check(u32::MAX, 3, (1, 2));
        check(1, u32::MAX, (1_000_000_000, 4_294_967_294_000_000_000));
    }

    #[test]
    fn filters_stay_inside_and_tell_networks_apart() {
        for octets in [[0; 4], [255; 4], [10, 1, 2, 3]] {
            assert!(filter4(octets).0 < FILTER_WORDS);
        }
        assert_eq!(filter4([10, 1, 2, 0]), filter4([10, 1, 2, 255]));
        assert_ne!(filter4([10, 1, 2, 0]), filter4([10, 1, 3, 0]));
        let v6 = |first: u32| {
            let mut octets = [7; 16];
            octets[..4].copy_from_slice(&first.to_be_bytes());
            filter6(octets)
        };
        for first in [0, u32::MAX, 0x2001_0db8] {
            assert!(v6(first).0 < FILTER_WORDS);
        }
        assert_ne!(v6(0x2001_0db8), v6(0x2001_0db9));
    }

    #[test]
    fn every_byte_of_a_sample_is_read() {
        let base = [0x5a; DropSample::SIZE];
        let reference = DropSample::from_bytes(&base);
        assert!(reference.is_some());
        for at in 0..DropSample::SIZE {
            let mut changed = base;
            changed[at] ^= 0xff;
            assert_ne!(
                DropSample::from_bytes(&changed),
                reference,
                "byte {at} is not read"
            );
        }
        assert_eq!(DropSample::from_bytes(&base[1..]), None);
        assert_eq!(reference.map(|sample| sample.frame().len()), Some(SAMPLE_BYTES));
    }

    #[test]
    fn rules_have_names() {
        for (rule, name) in [
            (RULE_CONFIGURATION, "configuration"),
            (RULE_IP_FILTER, "ip-filter"),
            (RULE_OPERATOR, "operator"),
            (RULE_RATE_LIMIT, "rate-limit"),
            (77, "unknown"),
        ] {
            assert_eq!(rule_name(rule), name);
        }
    }
}
