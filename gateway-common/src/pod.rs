//! The user side's licence to copy the shared types in and out of maps as bytes.
#![expect(
    unsafe_code,
    reason = "aya::Pod is an unsafe marker trait; the layout assertions are its proof"
)]

use crate::{
    BanEntry, ConnMark, ConnRecord, CounterValue, EdgeConfig, GroupKey, IdKey, Limit, Octets4, Octets16,
    PrefixEntry, SourceState, SteerKey, SteerPrefix, SteerRange, SteerSet, VipBudget, Working,
};

macro_rules! pod {
    ($($ty:ty)+) => {$(
        // SAFETY: repr(C) or repr(transparent), integers only, no padding (size assertion beside the type).
        unsafe impl aya::Pod for $ty {}
    )+};
}

pod! { BanEntry ConnMark ConnRecord CounterValue EdgeConfig GroupKey IdKey Limit Octets4 Octets16 PrefixEntry SourceState }
pod! { SteerKey SteerPrefix SteerRange SteerSet VipBudget Working }

pod! {
    crate::l4::ServiceKey<1> crate::l4::ServiceKey<4> crate::l4::ServiceEntry crate::l4::BackendEntry
    crate::l4::FlowKey<1> crate::l4::FlowKey<4> crate::l4::FlowValue<1> crate::l4::FlowValue<4>
    crate::l4::ServiceState crate::l4::ServiceLimit crate::l4::BackendCount crate::l4::MaglevTable crate::l4::Filter
}
