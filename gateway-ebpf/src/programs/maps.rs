//! The maps. BTF-defined, so that any loader and bpftool can read them; names are part of the interface.

use core::arch::asm;

use aya_ebpf::btf_maps::{Array, HashMap, LpmTrie, PerCpuArray, RingBuf, SockMap};
use aya_ebpf::macros::btf_map;
use gateway_common::deny::MAX_DENIED;
use gateway_common::steer::{MAX_EXACT, MAX_GROUPS, MAX_PREFIXES, MAX_SOCKETS};
use gateway_common::{
    COUNTERS, ConnMark, Counter, CounterValue, DenyEntry, GroupKey, Octets4, Octets16, SteerKey, SteerPrefix,
    SteerSet,
};

#[btf_map]
pub(super) static COUNTS: PerCpuArray<CounterValue, { COUNTERS as usize }> = PerCpuArray::new();

#[btf_map]
pub(super) static DENIED4: LpmTrie<Octets4, DenyEntry, { MAX_DENIED as usize }> = LpmTrie::new();

#[btf_map]
pub(super) static DENIED6: LpmTrie<Octets16, DenyEntry, { MAX_DENIED as usize }> = LpmTrie::new();

#[btf_map]
pub(super) static EXACT: HashMap<SteerKey, u32, { MAX_EXACT as usize }, { BPF_F_NO_PREALLOC }> =
    HashMap::new();

#[btf_map]
pub(super) static PREFIXES: LpmTrie<SteerPrefix, SteerSet, { MAX_PREFIXES as usize }> = LpmTrie::new();

/// Working generation of each group, [`gateway_common::Working`].
#[btf_map]
pub(super) static WORKING: Array<u64, { MAX_GROUPS as usize }> = Array::new();

/// One map for both steering programs: a socket can be in one reuseport array only, and a socket in such an array cannot
/// be in a socket map; a socket map serves `bpf_sk_assign` and `bpf_sk_select_reuseport` alike (5.8).
#[btf_map]
pub(super) static SOCKETS: SockMap<{ MAX_SOCKETS as usize }> = SockMap::new();

/// Twice the groups: a listener for both families has two keys.
#[btf_map]
pub(super) static GROUPS: HashMap<GroupKey, u32, { 2 * MAX_GROUPS as usize }> = HashMap::new();

/// Connection records; the loader sets the size. Untyped, because libbpf refuses a ring buffer whose value has a size.
#[btf_map]
pub(super) static CONNS: RingBuf<[u8; 0], 262_144> = RingBuf::new();

#[btf_map]
pub(super) static MARKS: ClonedStorage<ConnMark> = ClonedStorage::new();

const BPF_F_NO_PREALLOC: usize = 1;
const BPF_F_CLONE: usize = 1 << 9;
const BPF_MAP_TYPE_SK_STORAGE: usize = 24;

/// Socket storage that an accepted connection inherits from its listener. aya's type fixes the flags without BPF_F_CLONE;
/// the layout is that of every BTF map definition: pointers whose types carry the numbers.
#[repr(C)]
pub(super) struct ClonedStorage<T> {
    r#type: *const [i32; BPF_MAP_TYPE_SK_STORAGE],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; BPF_F_NO_PREALLOC | BPF_F_CLONE],
}

// SAFETY: the pointers are never followed; the loader replaces references to the static by a map.
unsafe impl<T> Sync for ClonedStorage<T> {}

impl<T> ClonedStorage<T> {
    const fn new() -> Self {
        use core::ptr::null;
        Self {
            r#type: null(),
            key: null(),
            value: null(),
            max_entries: null(),
            map_flags: null(),
        }
    }
}

/// Counts a packet in a program that runs in softirq only: nothing can interrupt it on this CPU.
#[inline(always)]
pub(super) fn count_packet(counter: Counter, bytes: u64) {
    if let Some(value) = COUNTS.get_ptr_mut(counter as u32) {
        // SAFETY: the map lookup returned this CPU's value.
        unsafe {
            (*value).count = (*value).count.wrapping_add(1);
            (*value).bytes = (*value).bytes.wrapping_add(bytes);
        }
    }
}

/// Counts an event in a program that runs in process context too, where softirq may interrupt it.
#[inline(always)]
pub(super) fn count_event(counter: Counter) {
    if let Some(value) = COUNTS.get_ptr_mut(counter as u32) {
        // SAFETY: the map lookup returned this CPU's value; 64-bit and aligned. `core` has no read-modify-write atomics for
        // this target; the instruction exists on every kernel (BPF_XADD).
        unsafe {
            asm!("lock *(u64 *)({count} + 0) += {one}", count = in(reg) &raw mut (*value).count, one = in(reg) 1u64);
        }
    }
}
