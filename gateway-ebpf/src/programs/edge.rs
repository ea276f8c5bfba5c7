//! `edge_drop`: XDP on the uplinks.

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use gateway_common::{Octets4, Octets16};
use gateway_ebpf::edge::{self, Denied};
use gateway_ebpf::packet::{MAX_OFFSET, Packet};
use gateway_ebpf::parse::Address;

use super::maps::{DENIED4, DENIED6, count_packet};
use super::{GATEWAY_EDGE, global, trace};

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

/// The denied prefixes.
struct Table;

impl Denied for Table {
    #[inline(always)]
    fn denied(&self, source: &Address) -> bool {
        match *source {
            Address::V4(words) => {
                // SAFETY: same size, any bits are valid.
                let octets = unsafe { core::mem::transmute::<[u16; 2], [u8; 4]>(words) };
                DENIED4.get(&Key::new(32, Octets4 { octets })).is_some()
            }
            Address::V6(words) => {
                // SAFETY: same size, any bits are valid.
                let octets = unsafe { core::mem::transmute::<[u16; 8], [u8; 16]>(words) };
                DENIED6.get(&Key::new(128, Octets16 { octets })).is_some()
            }
        }
    }
}

#[xdp]
fn edge_drop(ctx: XdpContext) -> u32 {
    let frame = Frame {
        data: ctx.data(),
        end: ctx.data_end(),
    };
    let decision = edge::decide(&frame, &Table, global(&GATEWAY_EDGE));
    count_packet(decision.verdict, decision.bytes);
    if let Some(noticed) = decision.noticed {
        count_packet(noticed, decision.bytes);
    }
    trace!(&ctx, "edge verdict {}", decision.verdict as u32);
    if decision.passes() { XDP_PASS } else { XDP_DROP }
}
