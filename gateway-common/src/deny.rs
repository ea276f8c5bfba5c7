//! Denied prefixes: the keys and values of the two longest-prefix maps in front of everything else.

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

/// Why a prefix is denied.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DenyEntry {
    /// Number of the rule that asked for it, kept by the agent; 0 for configuration.
    pub rule: u32,
    /// Reserved for an expiry in coarse seconds, zero: never.
    pub expires: u32,
}

const _: () = {
    assert!(size_of::<Octets4>() == 4 && align_of::<Octets4>() == 1);
    assert!(size_of::<Octets16>() == 16 && align_of::<Octets16>() == 1);
    assert!(size_of::<DenyEntry>() == 8 && align_of::<DenyEntry>() == 4);
};

/// Most denied prefixes per family the maps take: the figure the fast path is designed and measured for.
pub const MAX_DENIED: u32 = 1 << 20;
