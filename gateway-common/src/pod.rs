//! The user side's licence to copy the shared types in and out of maps as bytes.
#![expect(
    unsafe_code,
    reason = "aya::Pod is an unsafe marker trait; the layout assertions are its proof"
)]

use crate::{
    ConnMark, ConnRecord, CounterValue, DenyEntry, GroupKey, IdKey, Octets4, Octets16, SteerKey, SteerPrefix,
    SteerRange, SteerSet, Working,
};

macro_rules! pod {
    ($($ty:ty)+) => {$(
        // SAFETY: repr(C) or repr(transparent), integers only, no padding (size assertion beside the type).
        unsafe impl aya::Pod for $ty {}
    )+};
}

pod! { ConnMark ConnRecord CounterValue DenyEntry GroupKey IdKey Octets4 Octets16 SteerKey SteerPrefix SteerRange SteerSet Working }
