//! `conn_acct`: sock_ops on a cgroup. Runs at the handshake and at state changes; per segment only between our FIN and the
//! close, where it watches for the peer's FIN.

use core::ptr::null_mut;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{
    BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, BPF_RB_RING_SIZE, BPF_SK_STORAGE_GET_F_CREATE,
    BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB, BPF_SOCK_OPS_PARSE_ALL_HDR_OPT_CB_FLAG,
    BPF_SOCK_OPS_PARSE_HDR_OPT_CB, BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB, BPF_SOCK_OPS_STATE_CB,
    BPF_SOCK_OPS_STATE_CB_FLAG, bpf_sock_ops,
};
use aya_ebpf::helpers::{bpf_get_socket_cookie, bpf_ktime_get_ns, bpf_ringbuf_query, bpf_sk_storage_get};
use aya_ebpf::macros::sock_ops;
use aya_ebpf::programs::SockOpsContext;
use gateway_common::config::{ACCOUNT_CGROUP, ACCOUNT_OPEN_EVENTS};
use gateway_common::conn::{
    DIRECTION_ACCEPTED, DIRECTION_CONNECTED, KIND_CLOSE, KIND_OPEN, MARK_CONNECTED, MARK_FIN_SEEN, state,
};
use gateway_common::{ConnMark, ConnRecord, Counter};
use gateway_ebpf::acct::{self, Figures};

use super::edge::charge_connection;
use super::maps::{CONNS, MARKS, count_event};
use super::{AF_INET, GATEWAY_ACCOUNT, global, octets, trace};

const CONTINUE: u32 = 1;

#[sock_ops]
fn conn_acct(ctx: SockOpsContext) -> u32 {
    // SAFETY: the kernel passes a valid context.
    let ops = unsafe { &*ctx.ops };
    match ops.op {
        BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB => opened(&ctx, ops, 0),
        BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB => opened(&ctx, ops, MARK_CONNECTED),
        BPF_SOCK_OPS_STATE_CB => {
            // SAFETY: STATE passes two arguments.
            let [old, new, ..] = unsafe { ops.__bindgen_anon_1.args };
            changed(&ctx, ops, old, new);
        }
        BPF_SOCK_OPS_PARSE_HDR_OPT_CB => segment(ops),
        _ => {}
    }
    CONTINUE
}

/// The storage of the context's socket; created when asked.
#[inline(always)]
fn mark(ops: &bpf_sock_ops, create: bool) -> Option<&mut ConnMark> {
    // SAFETY: the union holds the socket pointer, null for a request socket.
    let sk = unsafe { ops.__bindgen_anon_2.sk };
    if sk.is_null() {
        return None;
    }
    let flags = if create {
        u64::from(BPF_SK_STORAGE_GET_F_CREATE)
    } else {
        0
    };
    // SAFETY: a map and a checked socket; the helper returns null or this socket's value.
    unsafe {
        bpf_sk_storage_get((&raw const MARKS).cast_mut().cast(), sk.cast(), null_mut(), flags)
            .cast::<ConnMark>()
            .as_mut()
    }
}

#[inline(always)]
fn opened(ctx: &SockOpsContext, ops: &bpf_sock_ops, flags: u32) {
    let account = global(&GATEWAY_ACCOUNT);
    let whole_cgroup = account & ACCOUNT_CGROUP != 0;
    let Some(mark) = mark(ops, whole_cgroup) else {
        if whole_cgroup {
            count_event(Counter::ConnUntracked);
        }
        return;
    };
    // SAFETY: no arguments.
    mark.opened_ns = unsafe { bpf_ktime_get_ns() };
    mark.flags = flags;
    mark.handshake_out = acct::handshake_out(flags, ops.total_retrans);
    count_event(Counter::ConnOpened);
    if ctx
        .set_cb_flags((ops.bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG) as i32)
        .is_err()
    {
        count_event(Counter::ConnUntracked);
    }
    if flags & MARK_CONNECTED == 0 {
        let (local, remote) = addresses(ops);
        charge_connection(remote, local, ops.local_port as u16, ops.family != AF_INET);
    }
    if account & ACCOUNT_OPEN_EVENTS != 0 {
        emit(ctx, ops, mark, KIND_OPEN, state::ESTABLISHED);
    }
}

#[inline(always)]
fn changed(ctx: &SockOpsContext, ops: &bpf_sock_ops, old: u32, new: u32) {
    let Some(mark) = mark(ops, false) else {
        return;
    };
    if new == state::CLOSE {
        count_event(Counter::ConnClosed);
        emit(ctx, ops, mark, KIND_CLOSE, old);
        return;
    }
    mark.flags = acct::transition(mark.flags, old, new);
    if acct::watches_segments(new) {
        let flags = ops.bpf_sock_ops_cb_flags | BPF_SOCK_OPS_PARSE_ALL_HDR_OPT_CB_FLAG;
        // Without it a FIN in FIN-WAIT-2 stays unseen: one byte too many in the record, no reason to lose it.
        let _ = ctx.set_cb_flags(flags as i32);
    }
}

/// An incoming segment after our FIN: remembers where the peer's FIN ends.
#[inline(always)]
fn segment(ops: &bpf_sock_ops) {
    let Some(mark) = mark(ops, false) else {
        return;
    };
    // SAFETY: the unions hold the bounds of the TCP header.
    let (data, end) = unsafe {
        (
            ops.__bindgen_anon_3.skb_data as usize,
            ops.__bindgen_anon_4.skb_data_end as usize,
        )
    };
    if data + 14 > end {
        return;
    }
    // SAFETY: within the bounds just compared; a TCP header is 4-aligned in the kernel's buffer.
    let (sequence, offset) = unsafe { (*((data + 4) as *const u32), *((data + 12) as *const u8)) };
    let header = u32::from(offset >> 4) * 4;
    if let Some(fin_end) = acct::fin_end(
        u32::from_be(sequence),
        ops.skb_tcp_flags as u8,
        header,
        ops.skb_len,
    ) {
        mark.fin_end = fin_end;
        mark.flags |= MARK_FIN_SEEN;
    }
}

#[inline(always)]
fn emit(ctx: &SockOpsContext, ops: &bpf_sock_ops, mark: &ConnMark, kind: u8, old: u32) {
    let Some(mut entry) = CONNS.reserve_untyped::<ConnRecord>(0) else {
        count_event(Counter::ConnLost);
        return;
    };
    let (local, remote) = addresses(ops);
    let figures = Figures {
        received: ops.bytes_received,
        acked: ops.bytes_acked,
        receive_next: ops.rcv_nxt,
        unacknowledged: ops.snd_una,
        send_next: ops.snd_nxt,
    };
    let (bytes_in, bytes_out) = acct::payload(&figures, mark.flags, old, mark.fin_end);
    entry.write(ConnRecord {
        // SAFETY: a valid context.
        cookie: unsafe { bpf_get_socket_cookie(ctx.as_ptr()) },
        opened_ns: mark.opened_ns,
        // SAFETY: no arguments.
        closed_ns: if kind == KIND_CLOSE {
            unsafe { bpf_ktime_get_ns() }
        } else {
            0
        },
        bytes_in,
        bytes_out,
        local,
        remote,
        packets_in: ops.segs_in,
        packets_out: ops.segs_out.wrapping_add(mark.handshake_out),
        retransmits: ops.total_retrans,
        srtt_us: ops.srtt_us >> 3,
        min_rtt_us: ops.rtt_min,
        listener: mark.listener,
        local_port: ops.local_port as u16,
        remote_port: u16::from_be((ops.remote_port >> 16) as u16),
        kind,
        state: old as u8,
        direction: if mark.flags & MARK_CONNECTED != 0 {
            DIRECTION_CONNECTED
        } else {
            DIRECTION_ACCEPTED
        },
        reserved: 0,
    });
    trace!(ctx, "connection record kind {} state {}", kind, old);
    entry.submit(wakeup());
}

/// Wakes the reader only when the ring is a quarter full: it polls on a timer, and a wake-up per connection is what costs.
#[inline(always)]
fn wakeup() -> u64 {
    let ring = (&raw const CONNS).cast_mut().cast();
    // SAFETY: a ring buffer and a defined query.
    let (waiting, size) = unsafe {
        (
            bpf_ringbuf_query(ring, u64::from(BPF_RB_AVAIL_DATA)),
            bpf_ringbuf_query(ring, u64::from(BPF_RB_RING_SIZE)),
        )
    };
    u64::from(if waiting >= size / 4 {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    })
}

#[inline(always)]
fn addresses(ops: &bpf_sock_ops) -> ([u8; 16], [u8; 16]) {
    // SAFETY: fields of the context.
    unsafe {
        (
            octets(ops.family, &raw const ops.local_ip4, &raw const ops.local_ip6),
            octets(ops.family, &raw const ops.remote_ip4, &raw const ops.remote_ip6),
        )
    }
}
