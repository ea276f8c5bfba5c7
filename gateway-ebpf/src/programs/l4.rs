//! `l4_ingress`: L4 services at the ingress of clients' and backends' interfaces, in tc.

use core::arch::asm;
use core::ptr::null_mut;

use aya_ebpf::bindings::{
    __sk_buff, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR, TC_ACT_SHOT, TC_ACT_UNSPEC, bpf_adj_room_mode,
    bpf_fib_lookup,
};
use aya_ebpf::helpers;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use gateway_common::Counter;
use gateway_common::l4::{
    BackendEntry, FILTER_WORDS, FlowKey, FlowValue, FragmentKey, MAX_BACKENDS, Ports, ServiceEntry,
    ServiceKey,
};
use gateway_ebpf::l4::{self, Flow, Outcome, Refusal, Shared, Tables, icmp, open, too_big};
use gateway_ebpf::packet::{MAX_OFFSET, Packet, PacketMut};
use gateway_ebpf::parse::{self, Address, Network};

use super::l4_maps::{
    L4_BACKENDS, L4_CLOCK, L4_COUNTS, L4_FILTER, L4_FLOWS4, L4_FLOWS6, L4_FRAGMENTS4, L4_FRAGMENTS6,
    L4_LIMITS, L4_SCRATCH4, L4_SCRATCH6, L4_SERVICES4, L4_SERVICES6, L4_STATES, L4_TABLES, L4_YOUNG4,
    L4_YOUNG6,
};
use super::maps::count_packet;

const BPF_NOEXIST: u64 = 1;
const BPF_ANY: u64 = 0;
const EEXIST: i32 = -17;
/// Ethernet header; what has more in front of IP is tagged.
const ETHERNET: usize = 14;
/// Bytes that are made linear when fewer are: link header, IPv6, some extension headers, TCP.
const HEADERS: usize = 192;
/// A frame with fewer linear bytes gets [`HEADERS`] of them: link header, IPv6, TCP with its usual options.
const ENOUGH: usize = 96;
/// An address change under IPv6, where the sum over the packet does not change (Linux 6.16).
const BPF_F_IPV6: u64 = 1 << 7;

/// A packet in tc. Only its first part is linear; its length is that of all of it.
struct Skb<'a> {
    ctx: &'a TcContext,
    data: usize,
    end: usize,
}

impl<'a> Skb<'a> {
    #[inline(always)]
    fn new(ctx: &'a TcContext) -> Self {
        Self {
            ctx,
            data: ctx.data(),
            end: ctx.data_end(),
        }
    }

    /// Makes the headers linear.
    #[inline(always)]
    fn linear(&mut self) {
        if self.data + ENOUGH > self.end && self.ctx.len() as usize > ETHERNET {
            let length = self.ctx.len();
            let wanted = if length > HEADERS as u32 {
                HEADERS as u32
            } else {
                length
            };
            // A failure shows as a short packet.
            let _ = self.ctx.pull_data(wanted);
            self.reload();
        }
    }

    #[inline(always)]
    fn reload(&mut self) {
        self.data = self.ctx.data();
        self.end = self.ctx.data_end();
    }

    #[inline(always)]
    fn l4_replace(&mut self, offset: usize, delta: u16, flags: u64) -> i64 {
        // SAFETY: a valid context; the helper checks the offset.
        unsafe { helpers::bpf_l4_csum_replace(self.ctx.skb.skb, offset as u32, 0, u64::from(delta), flags) }
    }
}

impl Packet for Skb<'_> {
    #[inline(always)]
    fn holds(&self, length: usize) -> bool {
        length <= self.ctx.len() as usize
    }

    #[inline(always)]
    fn words<const N: usize>(&self, offset: usize) -> Option<[u16; N]> {
        if offset > MAX_OFFSET {
            return None;
        }
        let start = opaque(self.data + offset);
        if start + 2 * N > self.end {
            return None;
        }
        // SAFETY: in bounds by the comparison; every header before this one has an even length, so the words are aligned.
        Some(unsafe { *(start as *const [u16; N]) })
    }
}

impl PacketMut for Skb<'_> {
    #[inline(always)]
    fn put<const N: usize>(&mut self, offset: usize, words: [u16; N]) -> bool {
        if offset > MAX_OFFSET {
            return false;
        }
        let start = opaque(self.data + offset);
        if start + 2 * N > self.end {
            return false;
        }
        // SAFETY: in bounds by the comparison and aligned as in `words`.
        unsafe { *(start as *mut [u16; N]) = words };
        true
    }

    /// By helpers: whether the checksum is whole, half done for hardware, or summed by hardware is only known to the kernel.
    #[inline(always)]
    fn correct(&mut self, offset: usize, pseudo: u16, plain: u16, udp: bool) -> bool {
        let mangled = if udp { u64::from(BPF_F_MARK_MANGLED_0) } else { 0 };
        let header = u64::from(BPF_F_PSEUDO_HDR) | mangled;
        let mut failed = 0;
        // SAFETY: a valid context.
        let protocol = unsafe { (*self.ctx.skb.skb).protocol };
        if protocol == u32::from(0x86dd_u16.to_be()) {
            if self.l4_replace(offset, pseudo, header | BPF_F_IPV6) != 0 {
                failed |= self.l4_replace(offset, pseudo, header);
                // SAFETY: a valid context. Takes back what the helper added to a sum over the packet; no sum, no effect.
                unsafe { helpers::bpf_csum_update(self.ctx.skb.skb, u32::from(!pseudo)) };
            }
        } else if pseudo != 0 {
            failed |= self.l4_replace(offset, pseudo, header);
        }
        if plain != 0 && plain != 0xffff {
            failed |= self.l4_replace(offset, plain, mangled);
        }
        self.reload();
        failed == 0
    }

    #[inline(always)]
    fn length(&self) -> usize {
        self.ctx.len() as usize
    }

    #[inline(always)]
    fn segment(&self) -> usize {
        // SAFETY: a valid context.
        unsafe { (*self.ctx.skb.skb).gso_size as usize }
    }

    #[inline(always)]
    fn tagged(&self) -> bool {
        // SAFETY: a valid context.
        unsafe { (*self.ctx.skb.skb).vlan_present != 0 }
    }
}

/// A pointer or an index that the compiler knows nothing about: it neither drops the comparison that follows, nor computes the pointer
/// again for the access. The verifier wants the register that was compared.
#[inline(always)]
fn opaque(mut pointer: usize) -> usize {
    // SAFETY: a move of a register to itself; one without an instruction would spoil the line table.
    unsafe { asm!("{0} = {0}", inout(reg) pointer, options(pure, nomem, nostack)) };
    pointer
}

/// An entry of a flow map.
struct Entry<const N: usize>(*mut FlowValue<N>);

impl<const N: usize> Flow<N> for Entry<N> {
    #[inline(always)]
    fn value(&self) -> &FlowValue<N> {
        // SAFETY: from a map look-up of this run; entries are not freed while a program runs.
        unsafe { &*self.0 }
    }

    #[inline(always)]
    fn set_flags(&self, flags: u32) {
        // SAFETY: as in `value`; volatile, for `value` may be read again.
        unsafe { (&raw mut (*self.0).flags).write_volatile(flags) }
    }

    #[inline(always)]
    fn touch(&self, now: u32) {
        // SAFETY: as in `value`.
        unsafe { (&raw mut (*self.0).seen).write_volatile(now) }
    }

    #[inline(always)]
    fn count(&self, packets: u64, bytes: u64) {
        // SAFETY: as in `value`; the two CPUs of a flow that moves may meet here.
        unsafe {
            add(&raw mut (*self.0).packets, packets);
            add(&raw mut (*self.0).bytes, bytes);
        }
    }
}

/// Adds atomically.
///
/// # Safety
///
/// `to` must point into a map value, aligned to 8 bytes.
#[inline(always)]
unsafe fn add(to: *mut u64, amount: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("lock *(u64 *)({to} + 0) += {amount}", to = in(reg) to, amount = in(reg) amount) }
}

/// The maps.
struct Maps;

impl Shared for Maps {
    #[inline(always)]
    fn listed(&self, bit: u32) -> bool {
        let Some(filter) = L4_FILTER.get(0) else {
            return false;
        };
        let word = filter.words[(bit >> 6) as usize & (FILTER_WORDS - 1)];
        word >> (bit & 63) & 1 != 0
    }

    #[inline(always)]
    fn backend(&self, number: u16) -> Option<&BackendEntry> {
        L4_BACKENDS.get(u32::from(number) & (MAX_BACKENDS - 1))
    }

    #[inline(always)]
    fn slot(&self, table: u16, slot: u32) -> u16 {
        match L4_TABLES.get(u32::from(table)) {
            Some(table) => table.slots.get(opaque(slot as usize)).copied().unwrap_or(0),
            None => 0,
        }
    }

    #[inline(always)]
    fn now(&self) -> u32 {
        L4_CLOCK.get(0).map_or(0, |clock| *clock as u32)
    }

    #[inline(always)]
    fn admit(&self, service: u16) -> bool {
        let (Some(limit), Some(state)) = (
            L4_LIMITS.get(u32::from(service)),
            L4_STATES.get_ptr_mut(u32::from(service)),
        ) else {
            return false;
        };
        // SAFETY: from a map look-up. Two CPUs may both take the last place: the limit is off by one a CPU at most.
        unsafe {
            if (*state).active >= limit.max_flows {
                return false;
            }
            add(&raw mut (*state).active, 1);
        }
        true
    }

    #[inline(always)]
    fn begun(&self, service: u16) {
        if let Some(state) = L4_STATES.get_ptr_mut(u32::from(service)) {
            // SAFETY: from a map look-up.
            unsafe { add(&raw mut (*state).active, 1) };
        }
    }

    #[inline(always)]
    fn ended(&self, service: u16) {
        if let Some(state) = L4_STATES.get_ptr_mut(u32::from(service)) {
            // SAFETY: from a map look-up. The agent's correction may have come in between: never below zero.
            unsafe {
                if (*state).active > 0 {
                    add(&raw mut (*state).active, u64::MAX);
                }
            }
        }
    }

    #[inline(always)]
    fn pay(&self, service: u16, bytes: u64) -> bool {
        let (Some(limit), Some(state)) = (
            L4_LIMITS.get(u32::from(service)),
            L4_STATES.get_ptr_mut(u32::from(service)),
        ) else {
            return true;
        };
        // SAFETY: no arguments.
        let now = unsafe { helpers::bpf_ktime_get_ns() };
        // SAFETY: from a map look-up. Two CPUs at the same time may let one packet too many through.
        unsafe {
            let before = (&raw const (*state).virtual_ns).read_volatile();
            let start = if before > now { before } else { now };
            let after = start + bytes * limit.byte_ps / 1000;
            if after > now + limit.burst_ns {
                return false;
            }
            (&raw mut (*state).virtual_ns).write_volatile(after);
        }
        true
    }

    #[inline(always)]
    fn count_backend(&self, number: u16, reply: bool, packets: u64, bytes: u64) {
        if let Some(count) = L4_COUNTS.get_ptr_mut(u32::from(number)) {
            // SAFETY: this CPU's value; softirq only, nothing interrupts it.
            unsafe {
                if reply {
                    (*count).packets_out = (*count).packets_out.wrapping_add(packets);
                    (*count).bytes_out = (*count).bytes_out.wrapping_add(bytes);
                } else {
                    (*count).packets_in = (*count).packets_in.wrapping_add(packets);
                    (*count).bytes_in = (*count).bytes_in.wrapping_add(bytes);
                }
            }
        }
    }

    #[inline(always)]
    fn count_flow(&self, number: u16) {
        if let Some(count) = L4_COUNTS.get_ptr_mut(u32::from(number)) {
            // SAFETY: as in `count_backend`.
            unsafe { (*count).flows = (*count).flows.wrapping_add(1) };
        }
    }

    #[inline(always)]
    fn note(&self, counter: Counter) {
        count_packet(counter, 0);
    }
}

macro_rules! family {
    ($n:literal $services:ident $flows:ident $young:ident $fragments:ident $begin:ident $claim:ident $allocate:ident $scratch:ident) => {
        impl Tables<$n> for Maps {
            type Flow = Entry<$n>;

            #[inline(always)]
            fn service(&self, key: &ServiceKey<$n>) -> Option<&ServiceEntry> {
                // SAFETY: entries are changed in place by the agent only; a torn read steers one packet.
                unsafe { $services.get(key) }
            }

            #[inline(always)]
            fn established(&self, key: &FlowKey<$n>) -> Option<Entry<$n>> {
                $flows.get_ptr_mut(key).map(Entry)
            }

            #[inline(always)]
            fn young(&self, key: &FlowKey<$n>) -> Option<Entry<$n>> {
                $young.get_ptr_mut(key).map(Entry)
            }

            #[inline(always)]
            fn establish(&self, key: &FlowKey<$n>, value: &FlowValue<$n>) -> bool {
                matches!($flows.insert(key, value, BPF_NOEXIST), Ok(()) | Err(EEXIST))
            }

            #[inline(always)]
            fn add_young(&self, key: &FlowKey<$n>, value: &FlowValue<$n>) -> bool {
                $young.insert(key, value, BPF_NOEXIST).is_ok()
            }

            #[inline(always)]
            fn remove_young(&self, key: &FlowKey<$n>) {
                let _ = $young.remove(key);
            }

            #[inline(always)]
            fn remove_established(&self, key: &FlowKey<$n>) {
                let _ = $flows.remove(key);
            }

            #[inline(always)]
            fn remember(&self, key: &FragmentKey<$n>, ports: Ports) {
                let _ = $fragments.insert(key, ports, BPF_ANY);
            }

            #[inline(always)]
            fn remembered(&self, key: &FragmentKey<$n>) -> Option<Ports> {
                // SAFETY: copied at once.
                unsafe { $fragments.get(key).copied() }
            }

            #[inline(always)]
            fn begin(&self, key: &FlowKey<$n>, flags: u8) -> Result<(), Refusal> {
                match $begin(&raw const *key, u32::from(flags)) {
                    0 => Ok(()),
                    1 => Err(Refusal::Pass),
                    code => Err(Refusal::Drop(
                        Counter::ALL
                            .get(opaque(code as usize - 2))
                            .copied()
                            .unwrap_or(Counter::L4DropTable),
                    )),
                }
            }

            #[inline(always)]
            fn claim(&self, reply: &FlowKey<$n>, value: &FlowValue<$n>) -> bool {
                $claim(&raw const *reply, &raw const *value) != 0
            }

            #[inline(always)]
            fn allocate(
                &self,
                reply: &mut FlowKey<$n>,
                value: &mut FlowValue<$n>,
                ports: u32,
                hash: u32,
            ) -> bool {
                $allocate(&raw mut *reply, &raw mut *value, ports, hash) != 0
            }
        }

        #[inline(never)]
        #[unsafe(no_mangle)]
        extern "C" fn $claim(reply: *const FlowKey<$n>, value: *const FlowValue<$n>) -> u32 {
            // SAFETY: null, or values on the caller's stack.
            match unsafe { (reply.as_ref(), value.as_ref()) } {
                (Some(reply), Some(value)) => u32::from(open::claim(&Maps, reply, value)),
                _ => 0,
            }
        }

        #[inline(never)]
        #[unsafe(no_mangle)]
        extern "C" fn $allocate(
            reply: *mut FlowKey<$n>,
            value: *mut FlowValue<$n>,
            ports: u32,
            hash: u32,
        ) -> u32 {
            // SAFETY: null, or two values on the caller's stack.
            match unsafe { (reply.as_mut(), value.as_mut()) } {
                (Some(reply), Some(value)) => u32::from(open::allocate(&Maps, reply, value, ports, hash)),
                _ => 0,
            }
        }

        /// A global function, which the verifier looks at once and not for every way that leads to it: 0, or what
        /// [`Refusal`] says as a number. Such functions take and give plain data only.
        #[inline(never)]
        #[unsafe(no_mangle)]
        extern "C" fn $begin(key: *const FlowKey<$n>, flags: u32) -> u32 {
            let Some(value) = $scratch.get_ptr_mut(0) else {
                return 1;
            };
            // SAFETY: null, or a key on the caller's stack; and this CPU's value, for a program runs to its end.
            let (Some(key), value) = (unsafe { (key.as_ref(), &mut *value) }) else {
                return 1;
            };
            match open::begin(&Maps, key, flags as u8, value) {
                Ok(()) => 0,
                Err(Refusal::Pass) => 1,
                Err(Refusal::Drop(counter)) => counter as u32 + 2,
            }
        }
    };
}

family! { 1 L4_SERVICES4 L4_FLOWS4 L4_YOUNG4 L4_FRAGMENTS4 l4_begin4 l4_claim4 l4_allocate4 L4_SCRATCH4 }
family! { 4 L4_SERVICES6 L4_FLOWS6 L4_YOUNG6 L4_FRAGMENTS6 l4_begin6 l4_claim6 l4_allocate6 L4_SCRATCH6 }

#[classifier]
fn l4_ingress(ctx: TcContext) -> i32 {
    let mut packet = Skb::new(&ctx);
    packet.linear();
    let Ok((offset, ethertype)) = parse::ethernet(&packet) else {
        return TC_ACT_UNSPEC;
    };
    let (skb, offset) = (ctx.skb.skb, offset as u32);
    match ethertype {
        parse::ETHERTYPE_IPV4 => match l4_v4(skb, offset) {
            ICMP_ERROR => l4_icmp4(skb, offset),
            action if action & TOO_BIG != 0 && action > 0 => {
                answered(l4_answer4(skb, action as u32 & 0xffff))
            }
            action => action,
        },
        parse::ETHERTYPE_IPV6 => match l4_v6(skb, offset) {
            ICMP_ERROR => l4_icmp6(skb, offset),
            action if action & TOO_BIG != 0 && action > 0 => {
                answered(l4_answer6(skb, action as u32 & 0xffff))
            }
            action => action,
        },
        _ => TC_ACT_UNSPEC,
    }
}

/// What [`l4_v4`] and [`l4_v6`] give for ICMP: it has a function, and so a stack frame, of its own.
const ICMP_ERROR: i32 = -2;
/// Bit of what they give, with an MTU, for a packet that is answered with an error: for the same reason.
const TOO_BIG: i32 = 1 << 16;

#[inline(always)]
fn answered(action: i32) -> i32 {
    let counter = if action == TC_ACT_SHOT {
        Counter::L4DropMtu
    } else {
        Counter::L4TooBig
    };
    count_packet(counter, 0);
    action
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn l4_v4(skb: *mut __sk_buff, offset: u32) -> i32 {
    let ctx = TcContext::new(skb);
    let mut packet = Skb::new(&ctx);
    let Ok(network) = parse::ipv4(&packet, offset as usize) else {
        return TC_ACT_UNSPEC;
    };
    if network.protocol == l4::ICMP {
        return ICMP_ERROR;
    }
    let (source, destination) = ends4(&network);
    let outcome = l4::process::<1, _>(&mut packet, &Maps, &network, source, destination);
    conclude(packet, &network, outcome)
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn l4_v6(skb: *mut __sk_buff, offset: u32) -> i32 {
    let ctx = TcContext::new(skb);
    let mut packet = Skb::new(&ctx);
    let Ok(network) = parse::ipv6(&packet, offset as usize) else {
        return TC_ACT_UNSPEC;
    };
    if network.protocol == l4::ICMPV6 {
        return ICMP_ERROR;
    }
    let (source, destination) = ends6(&network);
    let outcome = l4::process::<4, _>(&mut packet, &Maps, &network, source, destination);
    conclude(packet, &network, outcome)
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn l4_icmp4(skb: *mut __sk_buff, offset: u32) -> i32 {
    let ctx = TcContext::new(skb);
    let mut packet = Skb::new(&ctx);
    let Ok(network) = parse::ipv4(&packet, offset as usize) else {
        return TC_ACT_UNSPEC;
    };
    let outcome = icmp::translate::<1, _>(&mut packet, &Maps, &network, &ends4(&network));
    conclude(packet, &network, outcome)
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn l4_icmp6(skb: *mut __sk_buff, offset: u32) -> i32 {
    let ctx = TcContext::new(skb);
    let mut packet = Skb::new(&ctx);
    let Ok(network) = parse::ipv6(&packet, offset as usize) else {
        return TC_ACT_UNSPEC;
    };
    let outcome = icmp::translate::<4, _>(&mut packet, &Maps, &network, &ends6(&network));
    conclude(packet, &network, outcome)
}

#[inline(always)]
fn ends4(network: &Network) -> ([u32; 1], [u32; 1]) {
    match (network.source, network.destination) {
        (Address::V4(source), Address::V4(destination)) => (l4::words4(source), l4::words4(destination)),
        _ => ([0], [0]),
    }
}

#[inline(always)]
fn ends6(network: &Network) -> ([u32; 4], [u32; 4]) {
    match (network.source, network.destination) {
        (Address::V6(source), Address::V6(destination)) => (l4::words6(source), l4::words6(destination)),
        _ => ([0; 4], [0; 4]),
    }
}

#[inline(always)]
fn conclude<const N: usize>(mut packet: Skb<'_>, network: &Network, outcome: Outcome<Entry<N>>) -> i32 {
    let (counter, action) = match outcome {
        Outcome::Pass(None) => return TC_ACT_UNSPEC,
        Outcome::Pass(Some(counter)) => (counter, TC_ACT_UNSPEC),
        Outcome::Drop(counter) => (counter, TC_ACT_SHOT),
        Outcome::Forward { flow, stale, counter } => {
            count_packet(counter, packet.length() as u64);
            return forward(&mut packet, network, &flow, stale);
        }
        // The link header of an answer is known for untagged frames only.
        Outcome::TooBig(mtu) if network.offset == ETHERNET && !packet.tagged() => {
            return TOO_BIG | i32::from(mtu);
        }
        Outcome::TooBig(_) => (Counter::L4DropMtu, TC_ACT_SHOT),
    };
    count_packet(counter, packet.length() as u64);
    action
}

/// Sends a rewritten packet to the next hop of its flow.
#[inline(always)]
fn forward<const N: usize>(packet: &mut Skb<'_>, network: &Network, flow: &Entry<N>, stale: bool) -> i32 {
    if stale {
        let skb = packet.ctx.skb.skb;
        let protocol = u32::from(network.protocol);
        let found = if N == 1 {
            l4_resolve4(skb, flow.0.cast(), protocol)
        } else {
            l4_resolve6(skb, flow.0.cast(), protocol)
        };
        packet.reload();
        if found == 0 {
            count_packet(Counter::L4DropRoute, packet.length() as u64);
            return TC_ACT_SHOT;
        }
    }
    let value = flow.value();
    // A tag belongs to this interface; the stack takes it off and routes.
    if value.interface == 0 || packet.tagged() || network.offset != ETHERNET {
        count_packet(Counter::L4Stack, packet.length() as u64);
        return TC_ACT_UNSPEC;
    }
    if value.link[0] | value.link[1] | value.link[2] == 0 {
        // SAFETY: no parameters: the kernel looks the neighbour up itself.
        return unsafe { helpers::bpf_redirect_neigh(value.interface, null_mut(), 0, 0) } as i32;
    }
    if !packet.put(0, value.link) {
        count_packet(Counter::L4DropWrite, packet.length() as u64);
        return TC_ACT_SHOT;
    }
    // SAFETY: a number.
    unsafe { helpers::bpf_redirect(value.interface, 0) as i32 }
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn l4_resolve4(skb: *mut __sk_buff, flow: *mut FlowValue<1>, protocol: u32) -> u32 {
    if flow.is_null() {
        return 0;
    }
    u32::from(resolve(skb, flow, protocol))
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn l4_resolve6(skb: *mut __sk_buff, flow: *mut FlowValue<4>, protocol: u32) -> u32 {
    if flow.is_null() {
        return 0;
    }
    u32::from(resolve(skb, flow, protocol))
}

/// Looks the next hop of a flow up: once a second and flow, for routes and neighbours change. `false`: there is none.
#[inline(always)]
fn resolve<const N: usize>(skb: *mut __sk_buff, flow: *mut FlowValue<N>, protocol: u32) -> bool {
    const NOT_FORWARDED: i64 = 4;
    const TUNNEL: i64 = 6;
    const NO_NEIGHBOUR: i64 = 7;
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    /// Smaller ones are what an old kernel leaves in the field.
    const LEAST_MTU: u16 = 68;
    // SAFETY: integers and unions of them: all zero is valid.
    let mut asked: bpf_fib_lookup = unsafe { core::mem::zeroed() };
    // SAFETY: from a map look-up of this run.
    let value = unsafe { &*flow };
    asked.family = if N == 1 { AF_INET } else { AF_INET6 };
    asked.l4_protocol = protocol as u8;
    asked.sport = value.source_port;
    asked.dport = value.destination_port;
    // Not zero: then the MTU of the route is told.
    asked.__bindgen_anon_1.tot_len = 1;
    // SAFETY: a valid context.
    asked.ifindex = unsafe { (*skb).ifindex };
    if N == 1 {
        asked.__bindgen_anon_3.ipv4_src = value.source.first().copied().unwrap_or(0);
        asked.__bindgen_anon_4.ipv4_dst = value.destination.first().copied().unwrap_or(0);
    } else {
        let mut words = [0; 4];
        for (to, from) in words.iter_mut().zip(&value.source) {
            *to = *from;
        }
        asked.__bindgen_anon_3.ipv6_src = words;
        for (to, from) in words.iter_mut().zip(&value.destination) {
            *to = *from;
        }
        asked.__bindgen_anon_4.ipv6_dst = words;
    }
    // SAFETY: a valid context and a structure of the size that is told.
    let answer =
        unsafe { helpers::bpf_fib_lookup(skb.cast(), &raw mut asked, size_of::<bpf_fib_lookup>() as i32, 0) };
    // SAFETY: from a map look-up; a reader on another CPU may send one packet to a mix of two hops.
    unsafe {
        match answer {
            0 => {
                let (d, s) = (asked.dmac, asked.smac);
                let pair = |a: u8, b: u8| u16::from_ne_bytes([a, b]);
                (*flow).link = [
                    pair(d[0], d[1]),
                    pair(d[2], d[3]),
                    pair(d[4], d[5]),
                    pair(s[0], s[1]),
                    pair(s[2], s[3]),
                    pair(s[4], s[5]),
                ];
                (&raw mut (*flow).interface).write_volatile(asked.ifindex);
                let mtu = asked.__bindgen_anon_1.mtu_result;
                (*flow).mtu = if mtu < LEAST_MTU { 0 } else { mtu };
                true
            }
            NO_NEIGHBOUR => {
                (*flow).link = [0; 6];
                (&raw mut (*flow).interface).write_volatile(asked.ifindex);
                true
            }
            // A local destination, or a route that only the stack can follow.
            NOT_FORWARDED | TUNNEL => {
                (&raw mut (*flow).interface).write_volatile(0);
                true
            }
            _ => false,
        }
    }
}

/// Turns an IPv4 packet that is too big into the error that says so, and sends it back where it came from.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn l4_answer4(skb: *mut __sk_buff, mtu: u32) -> i32 {
    let ctx = TcContext::new(skb);
    let mut packet = Skb::new(&ctx);
    let (Some(link), Some(quoted)) = (
        packet.words::<6>(0),
        packet.words::<{ too_big::QUOTED_V4 }>(ETHERNET),
    ) else {
        return TC_ACT_SHOT;
    };
    let Some(error) = too_big::ipv4(quoted, mtu as u16) else {
        return TC_ACT_SHOT;
    };
    if !resize(&mut packet, too_big::QUOTED_V4, too_big::ERROR_V4) || !packet.put(ETHERNET, error) {
        return TC_ACT_SHOT;
    }
    send_back(&mut packet, link)
}

/// The same for IPv6.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn l4_answer6(skb: *mut __sk_buff, mtu: u32) -> i32 {
    let ctx = TcContext::new(skb);
    let mut packet = Skb::new(&ctx);
    let (Some(link), Some(quoted)) = (
        packet.words::<6>(0),
        packet.words::<{ too_big::QUOTED_V6 }>(ETHERNET),
    ) else {
        return TC_ACT_SHOT;
    };
    let error = too_big::ipv6(quoted, mtu as u16);
    if !resize(&mut packet, too_big::QUOTED_V6, too_big::ERROR_V6) || !packet.put(ETHERNET, error) {
        return TC_ACT_SHOT;
    }
    send_back(&mut packet, link)
}

/// Cuts the packet to `kept` half-words behind the link header and makes room for `wanted`. Whatever state its checksum was
/// in, it is complete afterwards.
#[inline(always)]
fn resize(packet: &mut Skb<'_>, kept: usize, wanted: usize) -> bool {
    const COMPLETE: u64 = 3;
    let skb = packet.ctx.skb.skb;
    // SAFETY: a valid context.
    let done = unsafe {
        helpers::bpf_skb_change_tail(skb, (ETHERNET + 2 * kept) as u32, 0) == 0
            && helpers::bpf_skb_adjust_room(
                skb,
                2 * (wanted - kept) as i32,
                bpf_adj_room_mode::BPF_ADJ_ROOM_MAC,
                0,
            ) == 0
            && {
                helpers::bpf_csum_level(skb, COMPLETE);
                true
            }
    };
    packet.reload();
    done
}

#[inline(always)]
fn send_back(packet: &mut Skb<'_>, link: [u16; 6]) -> i32 {
    let [d0, d1, d2, s0, s1, s2] = link;
    if !packet.put(0, [s0, s1, s2, d0, d1, d2]) {
        return TC_ACT_SHOT;
    }
    // SAFETY: a valid context and a number.
    unsafe { helpers::bpf_redirect((*packet.ctx.skb.skb).ifindex, 0) as i32 }
}
