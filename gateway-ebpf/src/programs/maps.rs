//! The maps. BTF-defined, so that any loader and bpftool can read them; names are part of the interface.

use core::arch::asm;

use aya_ebpf::btf_maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf, SockMap};
use aya_ebpf::macros::btf_map;
use gateway_common::edge::{
    FILTER_WORDS, MAX_BANS, MAX_OWN, MAX_PREFIX_ENTRIES, MAX_SOURCES, MAX_VIPS, SAMPLE_RING_BYTES,
};
use gateway_common::steer::{MAX_EXACT, MAX_GROUPS, MAX_PREFIXES, MAX_SOCKETS};
use gateway_common::{
    BanEntry, COUNTERS, ConnMark, Counter, CounterValue, EdgeConfig, GroupKey, Octets4, Octets16,
    PrefixEntry, SourceState, SteerKey, SteerPrefix, SteerSet, VipBudget,
};
use gateway_ebpf::edge::Facts;

#[btf_map]
pub(super) static COUNTS: PerCpuArray<CounterValue, { COUNTERS as usize }> = PerCpuArray::new();

/// What `edge_drop` is asked to do.
#[btf_map]
pub(super) static EDGE: Array<EdgeConfig, 1> = Array::new();

/// Allowed and denied source prefixes.
#[btf_map]
pub(super) static PREFIXES4: LpmTrie<Octets4, PrefixEntry, { MAX_PREFIX_ENTRIES as usize }> = LpmTrie::new();

#[btf_map]
pub(super) static PREFIXES6: LpmTrie<Octets16, PrefixEntry, { MAX_PREFIX_ENTRIES as usize }> = LpmTrie::new();

/// One bit for each /24 that holds a prefix or lies in one.
#[btf_map]
pub(super) static FILTER4: Array<u64, { FILTER_WORDS as usize }> = Array::new();

#[btf_map]
pub(super) static FILTER6: Array<u64, { FILTER_WORDS as usize }> = Array::new();

/// Banned sources; the loader may set another size.
#[btf_map]
pub(super) static BANS4: HashMap<Octets4, BanEntry, { MAX_BANS as usize }, { BPF_F_NO_PREALLOC }> =
    HashMap::new();

#[btf_map]
pub(super) static BANS6: HashMap<Octets16, BanEntry, { MAX_BANS as usize }, { BPF_F_NO_PREALLOC }> =
    HashMap::new();

/// State of the limits of sources; the loader may set another size.
#[btf_map]
pub(super) static SOURCES: LruHashMap<Octets16, SourceState, { MAX_SOURCES as usize }> = LruHashMap::new();

/// Destinations with limits.
#[btf_map]
pub(super) static VIPS: HashMap<SteerKey, VipBudget, { MAX_VIPS as usize }, { BPF_F_NO_PREALLOC }> =
    HashMap::new();

/// Destinations that the gateway has bound; address zero: any.
#[btf_map]
pub(super) static OWN: HashMap<SteerKey, u32, { MAX_OWN as usize }, { BPF_F_NO_PREALLOC }> = HashMap::new();

/// Samples of dropped packets. Untyped for the same reason as [`CONNS`].
#[btf_map]
pub(super) static DROPS: RingBuf<[u8; 0], { SAMPLE_RING_BYTES }> = RingBuf::new();

/// Where the facts about a frame pass through; see [`gateway_ebpf::edge::Facts`].
#[btf_map]
pub(super) static SCRATCH: PerCpuArray<Facts, 1> = PerCpuArray::new();

/// How far each CPU's schedule of samples runs ahead.
#[btf_map]
pub(super) static SAMPLER: PerCpuArray<u64, 1> = PerCpuArray::new();

#[btf_map]
pub(super) static EXACT: HashMap<SteerKey, u32, { MAX_EXACT as usize }, { BPF_F_NO_PREALLOC }> =
    HashMap::new();

#[btf_map]
pub(super) static PREFIXES: LpmTrie<SteerPrefix, SteerSet, { MAX_PREFIXES as usize }> = LpmTrie::new();

/// Working generation of each group, [`gateway_common::Working`], and behind them the reader of the rings.
#[btf_map]
pub(super) static WORKING: Array<u64, { MAX_GROUPS as usize + 1 }> = Array::new();

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
        // SAFETY: the map lookup returned this CPU's value.
        add(unsafe { &raw mut (*value).count }, 1);
    }
}

/// Adds to a word of a map's value that other CPUs may change at the same time.
#[inline(always)]
pub(super) fn add(word: *mut u64, by: u64) {
    // SAFETY: the callers pass 64 aligned bits of a value that a look-up returned. `core` has no read-modify-write atomics for
    // this target; the instruction exists on every kernel (BPF_XADD).
    unsafe {
        asm!("lock *(u64 *)({word} + 0) += {by}", word = in(reg) word, by = in(reg) by);
    }
}
