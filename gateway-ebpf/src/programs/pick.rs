//! `pick_worker`: sk_reuseport on the gateway's listener groups.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::bindings::sk_action::SK_PASS;
use aya_ebpf::helpers::bpf_sk_select_reuseport;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use aya_ebpf::macros::sk_reuseport;
use aya_ebpf::programs::SkReuseportContext;
use gateway_common::{Counter, GroupKey, IPPROTO_UDP, Working};
use gateway_ebpf::pick::{owner_slot, worker_slot};
use gateway_ebpf::quic::{self, Packet};

use super::maps::{GROUPS, SOCKETS, WORKING, count_event};
use super::{GATEWAY_QUIC, global, octets, trace};

/// Octets of a UDP header: the context's data begins with it.
const UDP_HEADER: u32 = 8;

/// Chooses a worker of the working generation, or the worker whose QUIC connection it is. Every failure falls back to the
/// kernel's hash: a connection on some worker is better than none.
#[sk_reuseport(migrate)]
fn pick_worker(ctx: SkReuseportContext) -> u32 {
    let outcome = pick(&ctx);
    trace!(&ctx, "pick outcome {}", outcome as u32);
    count_event(outcome);
    SK_PASS
}

#[inline(always)]
fn pick(ctx: &SkReuseportContext) -> Counter {
    // SAFETY: the kernel passes a valid context; `sk` is a member of the group (5.14).
    let sock = unsafe { (*ctx.md).__bindgen_anon_3.sk };
    let protocol = ctx.ip_protocol() as u8;
    // SAFETY: as above.
    let key = unsafe { key(&*sock, protocol) };
    let Some(group) = GROUPS.get_ptr(key) else {
        return Counter::PickNoGroup;
    };
    // SAFETY: four aligned bytes, replaced as a whole.
    let group = unsafe { *group };
    let Some(word) = WORKING.get(group) else {
        return Counter::PickNoGroup;
    };
    let working = Working(*word);
    if protocol == IPPROTO_UDP {
        return pick_quic(ctx, group, working);
    }
    if !worker_slot(group, working, ctx.hash()).is_some_and(|slot| select(ctx, slot)) {
        return Counter::PickFallback;
    }
    // SAFETY: a field of the context.
    let migrating = unsafe { !(*ctx.md).__bindgen_anon_4.migrating_sk.is_null() };
    if migrating {
        Counter::PickMigrated
    } else {
        Counter::PickWorker
    }
}

#[inline(always)]
fn pick_quic(ctx: &SkReuseportContext, group: u32, working: Working) -> Counter {
    let (hash, outcome) = match read(ctx) {
        Packet::Known(owner) => {
            if owner_slot(group, owner).is_some_and(|slot| select(ctx, slot)) {
                return Counter::PickQuicKnown;
            }
            (ctx.hash(), Counter::PickQuicGone)
        }
        Packet::New(hash) => (hash, Counter::PickQuicNew),
        Packet::Stray => (ctx.hash(), Counter::PickQuicStray),
    };
    if worker_slot(group, working, hash).is_some_and(|slot| select(ctx, slot)) {
        outcome
    } else {
        Counter::PickFallback
    }
}

#[inline(always)]
fn read(ctx: &SkReuseportContext) -> Packet {
    let key = global(&GATEWAY_QUIC);
    let mut long = [0; quic::LONG];
    if load(ctx, &mut long) {
        return quic::read(&long, key);
    }
    let mut short = [0; quic::SHORT];
    if load(ctx, &mut short) {
        return quic::read_short(&short, key);
    }
    Packet::Stray
}

/// Copies the octets behind the UDP header; false when there are not so many.
#[inline(always)]
fn load<const N: usize>(ctx: &SkReuseportContext, to: &mut [u8; N]) -> bool {
    // SAFETY: a valid context, and as many octets as the array has.
    let result =
        unsafe { bpf_skb_load_bytes(ctx.as_ptr().cast(), UDP_HEADER, to.as_mut_ptr().cast(), N as u32) };
    result == 0
}

/// Makes the socket of a slot the one that gets the packet; false when there is none in it that could.
#[inline(always)]
fn select(ctx: &SkReuseportContext, mut slot: u32) -> bool {
    // SAFETY: a valid context, a map, a key on the stack.
    let result = unsafe {
        bpf_sk_select_reuseport(
            ctx.as_ptr().cast(),
            (&raw const SOCKETS).cast_mut().cast(),
            (&raw mut slot).cast(),
            0,
        )
    };
    result == 0
}

#[inline(always)]
fn key(sock: &bpf_sock, protocol: u8) -> GroupKey {
    // SAFETY: fields of the socket.
    let address = unsafe { octets(sock.family, &raw const sock.src_ip4, &raw const sock.src_ip6) };
    GroupKey {
        address,
        port: sock.src_port as u16,
        protocol,
        pad: 0,
    }
}
