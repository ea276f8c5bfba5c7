//! The maps of the L4 services. The loader shrinks them to one entry when no service can be attached.

use aya_ebpf::btf_maps::{Array, HashMap, LruHashMap, PerCpuArray};
use aya_ebpf::macros::btf_map;
use gateway_common::l4::{
    BackendCount, BackendEntry, Filter, FlowKey, FlowValue, FragmentKey, MAX_BACKENDS, MAX_FRAGMENTED,
    MAX_SERVICES, MAX_TABLES, MAX_YOUNG, MaglevTable, Ports, ServiceEntry, ServiceKey, ServiceLimit,
    ServiceState,
};

/// The loader sets the sizes of the flow tables.
const FLOWS: usize = 1 << 16;

#[btf_map]
pub(super) static L4_SERVICES4: HashMap<ServiceKey<1>, ServiceEntry, { MAX_SERVICES as usize }> =
    HashMap::new();

#[btf_map]
pub(super) static L4_SERVICES6: HashMap<ServiceKey<4>, ServiceEntry, { MAX_SERVICES as usize }> =
    HashMap::new();

#[btf_map]
pub(super) static L4_BACKENDS: Array<BackendEntry, { MAX_BACKENDS as usize }> = Array::new();

#[btf_map]
pub(super) static L4_TABLES: Array<MaglevTable, { MAX_TABLES as usize }> = Array::new();

#[btf_map]
pub(super) static L4_FILTER: Array<Filter, 1> = Array::new();

/// Seconds of CLOCK_MONOTONIC, written by the agent; the heartbeat of this side.
#[btf_map]
pub(super) static L4_CLOCK: Array<u64, 1> = Array::new();

#[btf_map]
pub(super) static L4_LIMITS: Array<ServiceLimit, { MAX_TABLES as usize }> = Array::new();

#[btf_map]
pub(super) static L4_STATES: Array<ServiceState, { MAX_TABLES as usize }> = Array::new();

#[btf_map]
pub(super) static L4_COUNTS: PerCpuArray<BackendCount, { MAX_BACKENDS as usize }> = PerCpuArray::new();

#[btf_map]
pub(super) static L4_FLOWS4: LruHashMap<FlowKey<1>, FlowValue<1>, FLOWS> = LruHashMap::new();

#[btf_map]
pub(super) static L4_FLOWS6: LruHashMap<FlowKey<4>, FlowValue<4>, FLOWS> = LruHashMap::new();

#[btf_map]
pub(super) static L4_YOUNG4: LruHashMap<FlowKey<1>, FlowValue<1>, { MAX_YOUNG as usize }> = LruHashMap::new();

#[btf_map]
pub(super) static L4_YOUNG6: LruHashMap<FlowKey<4>, FlowValue<4>, { MAX_YOUNG as usize }> = LruHashMap::new();

#[btf_map]
pub(super) static L4_FRAGMENTS4: LruHashMap<FragmentKey<1>, Ports, { MAX_FRAGMENTED as usize }> =
    LruHashMap::new();

#[btf_map]
pub(super) static L4_FRAGMENTS6: LruHashMap<FragmentKey<4>, Ports, { MAX_FRAGMENTED as usize }> =
    LruHashMap::new();

/// Where a new entry is put together.
#[btf_map]
pub(super) static L4_SCRATCH4: PerCpuArray<FlowValue<1>, 1> = PerCpuArray::new();

#[btf_map]
pub(super) static L4_SCRATCH6: PerCpuArray<FlowValue<4>, 1> = PerCpuArray::new();
