//! `vip_lookup`: sk_lookup on the namespace of the gateway's addresses.

use aya_ebpf::bindings::bpf_sk_lookup;
use aya_ebpf::bindings::sk_action::{SK_DROP, SK_PASS};
use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::macros::sk_lookup;
use aya_ebpf::programs::SkLookupContext;
use gateway_common::steer::{FAMILY_V4, FAMILY_V6};
use gateway_common::{Counter, SteerPrefix, Working};
use gateway_ebpf::pick::{PROBES, member_slot};
use gateway_ebpf::steer::{Destination, group_of};

use super::maps::{EXACT, PREFIXES, SOCKETS, WORKING, count_packet};
use super::{AF_INET, octets, trace};

const ENOENT: i32 = 2;

#[sk_lookup]
fn vip_lookup(ctx: SkLookupContext) -> u32 {
    // SAFETY: the kernel passes a valid context.
    let destination = destination(unsafe { &*ctx.lookup });
    let Some((group, how)) = group(&destination) else {
        count_packet(Counter::SteerMiss, 0);
        return SK_PASS;
    };
    let verdict = assign(&ctx, group, how);
    trace!(
        &ctx,
        "steer port {} group {} verdict {}", destination.port, group, verdict as u32
    );
    count_packet(verdict, 0);
    match verdict {
        Counter::SteerExact | Counter::SteerPrefix => SK_PASS,
        _ => SK_DROP,
    }
}

#[inline(always)]
fn destination(lookup: &bpf_sk_lookup) -> Destination {
    // SAFETY: fields of the context.
    let address = unsafe {
        octets(
            lookup.family,
            &raw const lookup.local_ip4,
            &raw const lookup.local_ip6,
        )
    };
    let family = if lookup.family == AF_INET {
        FAMILY_V4
    } else {
        FAMILY_V6
    };
    Destination {
        address,
        port: lookup.local_port as u16,
        protocol: lookup.protocol as u8,
        family,
    }
}

/// The group of a destination: exact match first, then the longest prefix and its port ranges.
#[inline(always)]
fn group(destination: &Destination) -> Option<(u32, Counter)> {
    if let Some(group) = EXACT.get_ptr(destination.exact()) {
        // SAFETY: four aligned bytes, replaced as a whole.
        return Some((unsafe { *group }, Counter::SteerExact));
    }
    let set = PREFIXES.get(&Key::new(SteerPrefix::FULL_BITS, destination.prefix()))?;
    group_of(set, destination.port).map(|group| (group, Counter::SteerPrefix))
}

/// Gives the lookup a socket of the group; reuseport selection then names the worker. Without a socket the traffic is
/// dropped: a restarting service must not leak to whoever binds the address.
#[inline(always)]
fn assign(ctx: &SkLookupContext, group: u32, how: Counter) -> Counter {
    let Some(word) = WORKING.get(group) else {
        return Counter::SteerNoSocket;
    };
    let working = Working(*word);
    for probe in 0..PROBES {
        let Some(slot) = member_slot(group, working, probe) else {
            break;
        };
        match SOCKETS.redirect_sk_lookup(ctx, slot, 0) {
            Ok(()) => return how,
            Err(error) if error == -ENOENT => {}
            Err(_) => return Counter::SteerRefused,
        }
    }
    Counter::SteerNoSocket
}
