//! `pick_worker`: sk_reuseport on the gateway's listener groups.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::bindings::sk_action::SK_PASS;
use aya_ebpf::helpers::bpf_sk_select_reuseport;
use aya_ebpf::macros::sk_reuseport;
use aya_ebpf::programs::SkReuseportContext;
use gateway_common::{Counter, GroupKey, Working};
use gateway_ebpf::pick::worker_slot;

use super::maps::{GROUPS, SOCKETS, WORKING, count_event};
use super::{octets, trace};

/// Chooses a worker of the working generation. Every failure falls back to the kernel's hash: a connection on some worker
/// is better than none.
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
    // SAFETY: as above.
    let key = unsafe { key(&*sock, ctx.ip_protocol() as u8) };
    let Some(group) = GROUPS.get_ptr(key) else {
        return Counter::PickNoGroup;
    };
    // SAFETY: four aligned bytes, replaced as a whole.
    let group = unsafe { *group };
    let Some(word) = WORKING.get(group) else {
        return Counter::PickNoGroup;
    };
    let Some(mut slot) = worker_slot(group, Working(*word), ctx.hash()) else {
        return Counter::PickFallback;
    };
    // SAFETY: a valid context, a map, a key on the stack.
    let result = unsafe {
        bpf_sk_select_reuseport(
            ctx.as_ptr().cast(),
            (&raw const SOCKETS).cast_mut().cast(),
            (&raw mut slot).cast(),
            0,
        )
    };
    // SAFETY: a field of the context.
    let migrating = unsafe { !(*ctx.md).__bindgen_anon_4.migrating_sk.is_null() };
    match result {
        0 if migrating => Counter::PickMigrated,
        0 => Counter::PickWorker,
        _ => Counter::PickFallback,
    }
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
