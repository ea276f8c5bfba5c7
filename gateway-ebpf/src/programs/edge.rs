//! `edge_drop`: XDP on the uplinks, and the same decision in tc for interfaces that take no XDP program.

use core::hint::black_box;
use core::ptr::read_volatile;

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::bindings::{__sk_buff, BPF_NOEXIST, TC_ACT_SHOT, TC_ACT_UNSPEC};
use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::helpers::{bpf_skb_load_bytes, bpf_xdp_load_bytes};
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use gateway_common::config::KERNEL_LOAD_BYTES;
use gateway_common::edge::{
    Budget, EDGE_BANS, EDGE_PREFIXES4, EDGE_PREFIXES6, EDGE_SOURCES, EDGE_VIPS, EDGE_WIDE6, Limit,
    SAMPLE_BYTES, filter4, filter6,
};
use gateway_common::{
    BanEntry, Counter, DropSample, EdgeConfig, IPPROTO_TCP, Octets4, Octets16, SourceState, SteerKey,
    SteerPrefix, v4_mapped,
};
use gateway_ebpf::edge::{self, Decision, FACT_V6, Facts, Spend, Tables};
use gateway_ebpf::packet::{MAX_OFFSET, Packet};
use gateway_ebpf::parse::Address;
use gateway_ebpf::steer::{Destination, group_of};

use super::maps::{
    BANS4, BANS6, DROPS, EDGE, EXACT, FILTER4, FILTER6, OWN, PREFIXES, PREFIXES4, PREFIXES6, SAMPLER,
    SCRATCH, SOURCES, VIPS, add, count_packet,
};
use super::{GATEWAY_KERNEL, global, now, trace};

/// The linear part of a frame.
struct Frame {
    data: usize,
    end: usize,
}

impl Packet for Frame {
    #[inline(always)]
    fn holds(&self, length: usize) -> bool {
        self.data + length <= self.end
    }

    #[inline(always)]
    fn words<const N: usize>(&self, offset: usize) -> Option<[u16; N]> {
        if offset > MAX_OFFSET {
            return None;
        }
        let start = self.data + offset;
        if start + 2 * N > self.end {
            return None;
        }
        // SAFETY: in bounds by the comparison; every header before this one has an even length, so the words are aligned.
        Some(unsafe { *(start as *const [u16; N]) })
    }
}

/// A frame in a packet buffer. Headers may lie outside its linear part, so they are copied; the helper checks the bounds.
struct Buffer {
    skb: *mut __sk_buff,
    length: usize,
}

impl Packet for Buffer {
    #[inline(always)]
    fn holds(&self, length: usize) -> bool {
        self.length >= length
    }

    #[inline(always)]
    fn words<const N: usize>(&self, offset: usize) -> Option<[u16; N]> {
        if offset > MAX_OFFSET {
            return None;
        }
        let mut words = [0u16; N];
        // SAFETY: the context's buffer, and as many bytes as the array has.
        let failed = unsafe {
            bpf_skb_load_bytes(
                self.skb.cast(),
                offset as u32,
                words.as_mut_ptr().cast(),
                2 * N as u32,
            )
        };
        (failed == 0).then_some(words)
    }
}

#[inline(always)]
fn octets4(words: [u16; 2]) -> [u8; 4] {
    // SAFETY: same size, any bits are valid.
    unsafe { core::mem::transmute(words) }
}

#[inline(always)]
fn octets16(words: [u16; 8]) -> [u8; 16] {
    // SAFETY: same size, any bits are valid.
    unsafe { core::mem::transmute(words) }
}

/// An address in one shape, IPv4 as mapped.
#[inline(always)]
fn mapped(address: &Address) -> [u8; 16] {
    match *address {
        Address::V4(words) => v4_mapped(octets4(words)),
        Address::V6(words) => octets16(words),
    }
}

/// Key of a source's state: IPv6 hosts own 64 bits.
#[inline(always)]
fn source_key(mut octets: [u8; 16], v6: bool) -> Octets16 {
    if v6 {
        octets[8..].fill(0);
    }
    Octets16 { octets }
}

/// The maps.
struct Maps {
    flags: u32,
}

impl Maps {
    #[inline(always)]
    fn new() -> Self {
        let flags = EDGE.get(0).map_or(0, |config| config.flags);
        Self { flags }
    }
}

impl Tables for Maps {
    #[inline(always)]
    fn flags(&self) -> u32 {
        self.flags
    }

    #[inline(always)]
    fn prefix(&self, source: &Address) -> u32 {
        match *source {
            Address::V4(words) if self.flags & EDGE_PREFIXES4 != 0 => {
                let octets = octets4(words);
                let (word, bit) = filter4(octets);
                if FILTER4.get(word).is_none_or(|word| *word & bit == 0) {
                    return 0;
                }
                let found = PREFIXES4.get(&Key::new(32, Octets4 { octets }));
                found.map_or(0, |entry| entry.flags)
            }
            Address::V6(words) if self.flags & EDGE_PREFIXES6 != 0 => {
                let octets = octets16(words);
                let (word, bit) = filter6(octets);
                if self.flags & EDGE_WIDE6 == 0 && FILTER6.get(word).is_none_or(|word| *word & bit == 0) {
                    return 0;
                }
                let found = PREFIXES6.get(&Key::new(128, Octets16 { octets }));
                found.map_or(0, |entry| entry.flags)
            }
            _ => 0,
        }
    }

    #[inline(always)]
    fn ban(&self, source: &Address) -> u32 {
        if self.flags & EDGE_BANS == 0 {
            return 0;
        }
        let entry = match *source {
            Address::V4(words) => BANS4.get_ptr_mut(Octets4 {
                octets: octets4(words),
            }),
            Address::V6(words) => BANS6.get_ptr_mut(Octets16 {
                octets: octets16(words),
            }),
        };
        entry.map_or(0, in_force)
    }

    #[inline(always)]
    fn ours(&self, facts: &Facts) -> bool {
        let (high, low) = halves(mapped(&facts.destination()));
        gateway_owns(high, low, service(facts, facts.known & FACT_V6 != 0)) != 0
    }

    #[inline(always)]
    fn spend_source(&self, facts: &Facts) -> Option<Budget> {
        let key = source_key(mapped(&facts.source()), facts.known & FACT_V6 != 0);
        let (high, low) = halves(key.octets);
        budget(gateway_spend_source(high, low, u64::from(facts.opens())))
    }

    #[inline(always)]
    fn spend_vip(&self, facts: &Facts) -> Option<Budget> {
        let (high, low) = halves(mapped(&facts.destination()));
        budget(gateway_spend_vip(high, low, service(facts, facts.opens())))
    }

    #[inline(always)]
    fn keep(&self, facts: Facts) -> Facts {
        let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
            return facts;
        };
        // SAFETY: this CPU's value; the program runs with bottom halves off, so nothing else writes it meanwhile.
        unsafe {
            scratch.write(facts);
            *black_box(scratch)
        }
    }
}

/// Flags of a ban that has not run out. Its hits are counted when it will drop the packet for certain.
#[inline(always)]
fn in_force(entry: *mut BanEntry) -> u32 {
    // SAFETY: a value of the map; eight and four aligned bytes.
    let (until, flags) = unsafe { ((*entry).until_ns, (*entry).flags) };
    if until <= now() {
        return 0;
    }
    // SAFETY: as above.
    add(unsafe { &raw mut (*entry).hits }, 1);
    flags
}

// What follows are global functions of the object, called with plain numbers: the verifier walks each of them once, and not once
// for each of the thousand ways through the headers that lead to a call (5.6; before, they are walked like any other).

/// An address as the two words that cross a function call.
#[inline(always)]
fn halves(octets: [u8; 16]) -> (u64, u64) {
    // SAFETY: same size, any bits are valid.
    let [high, low] = unsafe { core::mem::transmute::<[u8; 16], [u64; 2]>(octets) };
    (high, low)
}

/// Port, protocol and one flag as the word that crosses a function call.
#[inline(always)]
fn service(facts: &Facts, flag: bool) -> u64 {
    u64::from(facts.destination_port) | u64::from(facts.protocol) << 16 | u64::from(flag) << 24
}

#[inline(always)]
fn key(high: u64, low: u64, service: u64) -> SteerKey {
    SteerKey {
        // SAFETY: same size, any bits are valid.
        address: unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>([high, low]) },
        port: service as u16,
        protocol: (service >> 16) as u8,
        pad: 0,
    }
}

/// Whether a destination is bound by the gateway or steered to it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gateway_owns(high: u64, low: u64, service: u64) -> u32 {
    let key = key(high, low, service);
    if OWN.get_ptr(key).is_some() || EXACT.get_ptr(key).is_some() {
        return 1;
    }
    let anywhere = SteerKey {
        address: [0; 16],
        ..key
    };
    if OWN.get_ptr(anywhere).is_some() {
        return 1;
    }
    let steered = Destination {
        address: key.address,
        port: key.port,
        protocol: key.protocol,
        family: if service >> 24 & 1 == 1 {
            gateway_common::steer::FAMILY_V6
        } else {
            gateway_common::steer::FAMILY_V4
        },
    };
    let set = PREFIXES.get(&Key::new(SteerPrefix::FULL_BITS, steered.prefix()));
    u32::from(set.is_some_and(|set| group_of(set, key.port).is_some()))
}

/// The budget behind the number that the two functions below return: one word crosses a function call.
#[inline(always)]
fn budget(number: u32) -> Option<Budget> {
    match number {
        1 => Some(Budget::Syn),
        2 => Some(Budget::Packets),
        3 => Some(Budget::Connections),
        _ => None,
    }
}

/// Takes a packet out of a source's buckets; see [`budget`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gateway_spend_source(high: u64, low: u64, syn: u64) -> u32 {
    let Some(config) = EDGE.get_ptr(0) else {
        return 0;
    };
    let key = Octets16 {
        octets: key(high, low, 0).address,
    };
    let Some(state) = source_state(&key) else {
        count_packet(Counter::EdgeUntracked, 0);
        return 0;
    };
    // SAFETY: values of the maps.
    let (limits, ahead) = unsafe { (&raw const (*config).source, &raw mut (*state).ahead) };
    spend(limits.cast(), ahead.cast(), syn != 0)
}

/// A value of the read-only section: on the stack it would be cleared by a loop, which the verifier takes only from a thread with
/// CAP_PERFMON.
static NEW_SOURCE: SourceState = SourceState { ahead: [0; 3] };

#[inline(always)]
fn source_state(key: &Octets16) -> Option<*mut SourceState> {
    if let Some(state) = SOURCES.get_ptr_mut(key) {
        return Some(state);
    }
    let _ = SOURCES.insert(key, &NEW_SOURCE, u64::from(BPF_NOEXIST));
    // Another CPU may have been first: look again whatever came of it.
    SOURCES.get_ptr_mut(key)
}

/// The same for a destination; the flag of `service` is the SYN.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gateway_spend_vip(high: u64, low: u64, service: u64) -> u32 {
    let key = key(high, low, service);
    let vip = match VIPS.get_ptr_mut(key) {
        Some(vip) => vip,
        None => {
            let whole = SteerKey {
                port: 0,
                protocol: 0,
                ..key
            };
            match VIPS.get_ptr_mut(&whole) {
                Some(vip) => vip,
                None => return 0,
            }
        }
    };
    // SAFETY: a value of the map.
    let (limits, ahead) = unsafe { (&raw const (*vip).limits, &raw mut (*vip).ahead) };
    spend(limits.cast(), ahead.cast(), service >> 24 & 1 == 1)
}

/// Takes one packet out of the three buckets; the number of the one that was empty, from 1.
#[inline(always)]
fn spend(limits: *const Limit, ahead: *mut u64, syn: bool) -> u32 {
    let now = now();
    // SAFETY: arrays of three in the values that the callers found.
    unsafe {
        if syn {
            if !edge::has_token(read_volatile(ahead.add(2)), now, *limits.add(2)) {
                return 3;
            }
            if !taken(ahead, now, *limits) {
                return 1;
            }
        }
        if taken(ahead.add(1), now, *limits.add(1)) {
            0
        } else {
            2
        }
    }
}

#[inline(always)]
fn taken(ahead: *mut u64, now: u64, limit: Limit) -> bool {
    if limit.period_ns == 0 {
        return true;
    }
    // SAFETY: eight aligned bytes of a map's value.
    match edge::take(unsafe { read_volatile(ahead) }, now, limit) {
        // SAFETY: as above. Two CPUs that start at once give away one token too many.
        Spend::Start(at) => unsafe { ahead.write_volatile(at) },
        Spend::Advance(by) => add(ahead, by),
        Spend::Refused => return false,
    }
    true
}

/// A connection was established: it is taken out of the budgets of both ends, and the next SYN finds out.
#[inline(always)]
pub(super) fn charge_connection(remote: [u8; 16], local: [u8; 16], port: u16, v6: bool) {
    let Some(config) = EDGE.get_ptr(0) else {
        return;
    };
    // SAFETY: a value of the map.
    let flags = unsafe { (*config).flags };
    if flags & EDGE_SOURCES != 0 {
        // SAFETY: as above.
        let limit = unsafe { (*config).source[2] };
        if limit.period_ns != 0
            && let Some(state) = source_state(&source_key(remote, v6))
        {
            // SAFETY: a value of the map.
            charge(unsafe { &raw mut (*state).ahead[2] }, limit);
        }
    }
    if flags & EDGE_VIPS != 0 {
        let key = SteerKey {
            address: local,
            port,
            protocol: IPPROTO_TCP,
            pad: 0,
        };
        let whole = SteerKey {
            port: 0,
            protocol: 0,
            ..key
        };
        if let Some(vip) = VIPS.get_ptr_mut(key).or_else(|| VIPS.get_ptr_mut(whole)) {
            // SAFETY: a value of the map.
            unsafe { charge(&raw mut (*vip).ahead[2], (*vip).limits[2]) };
        }
    }
}

/// The connection is there, so its token is taken even when none is left; the debt is bounded by what may be on its way.
#[inline(always)]
fn charge(ahead: *mut u64, limit: Limit) {
    if limit.period_ns == 0 {
        return;
    }
    let now = now();
    // SAFETY: eight aligned bytes of a map's value.
    match edge::take(unsafe { read_volatile(ahead) }, now, limit) {
        // SAFETY: as above.
        Spend::Start(at) => unsafe { ahead.write_volatile(at) },
        Spend::Advance(_) | Spend::Refused => add(ahead, limit.period_ns),
    }
}

/// Counts what was decided.
#[inline(always)]
fn count(decision: Decision) {
    count_packet(decision.verdict, decision.bytes);
    if let Some(noticed) = decision.noticed {
        count_packet(noticed, decision.bytes);
    }
}

/// Keeps the start of a dropped packet for people, as often as the configuration says. `load` copies bytes of the frame.
#[inline(always)]
fn sample(decision: Decision, interface: u32, length: usize, load: impl FnOnce(*mut u8, u32) -> bool) {
    let Some(limit) = EDGE.get(0).map(|config: &EdgeConfig| config.samples) else {
        return;
    };
    let Some(ahead) = SAMPLER.get_ptr_mut(0) else {
        return;
    };
    if limit.period_ns == 0 || !taken(ahead, now(), limit) {
        return;
    }
    let Some(mut entry) = DROPS.reserve_untyped::<DropSample>(0) else {
        count_packet(Counter::EdgeSampleLost, 0);
        return;
    };
    entry.write(DropSample {
        at_ns: now(),
        interface,
        verdict: decision.verdict as u16,
        noticed: decision.noticed.map_or(0, |noticed| noticed as u16 + 1),
        length: length as u32,
        captured: 0,
        bytes: [0; SAMPLE_BYTES],
    });
    let sample = entry.as_mut_ptr();
    // One less than is copied, hidden from the compiler: the verifier has to see that the copied length is never zero, which it
    // does not after the two comparisons were made one.
    let last = black_box(if length > SAMPLE_BYTES {
        SAMPLE_BYTES
    } else {
        length
    } as u32)
    .wrapping_sub(1);
    let last = black_box(last);
    if last < SAMPLE_BYTES as u32 {
        // SAFETY: the reserved record, initialised just now.
        unsafe {
            if load((&raw mut (*sample).bytes).cast(), last + 1) {
                (*sample).captured = last + 1;
            }
        }
    }
    entry.submit(0);
}

#[xdp]
fn edge_drop(ctx: XdpContext) -> u32 {
    let frame = Frame {
        data: ctx.data(),
        end: ctx.data_end(),
    };
    let decision = edge::decide(&frame, &Maps::new());
    count(decision);
    trace!(&ctx, "edge verdict {}", decision.verdict as u32);
    if decision.passes() {
        return XDP_PASS;
    }
    let length = frame.end - frame.data;
    sample(decision, ctx.ingress_ifindex() as u32, length, |into, bytes| {
        if global(&GATEWAY_KERNEL) & KERNEL_LOAD_BYTES == 0 {
            return false;
        }
        // SAFETY: the context, and a buffer that is longer than `bytes`.
        unsafe { bpf_xdp_load_bytes(ctx.ctx, 0, into.cast(), bytes) == 0 }
    });
    XDP_DROP
}

#[classifier]
fn edge_tc(ctx: TcContext) -> i32 {
    let skb = ctx.skb.skb;
    // SAFETY: the kernel passes a valid context.
    let (length, interface) = unsafe { ((*skb).len as usize, (*skb).ifindex) };
    let decision = edge::decide(&Buffer { skb, length }, &Maps::new());
    count(decision);
    if decision.passes() {
        return TC_ACT_UNSPEC;
    }
    sample(decision, interface, length, |into, bytes| {
        // SAFETY: the context, and a buffer that is longer than `bytes`.
        unsafe { bpf_skb_load_bytes(skb.cast(), 0, into.cast(), bytes) == 0 }
    });
    TC_ACT_SHOT as i32
}
