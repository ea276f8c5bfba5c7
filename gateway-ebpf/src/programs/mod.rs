//! One module per hook, and the globals the loader writes.

mod acct;
mod edge;
mod l4;
mod l4_maps;
mod maps;
mod pick;
mod steer;

use core::ptr::read_volatile;

use aya_ebpf::helpers::{bpf_ktime_get_coarse_ns, bpf_ktime_get_ns};

use gateway_common::config::{KERNEL_COARSE_CLOCK, LAYOUT_MAGIC};
use gateway_common::{IdKey, LAYOUT_VERSION};

/// Read by the loader out of the file, before it loads anything.
#[used]
#[unsafe(no_mangle)]
static GATEWAY_LAYOUT: [u8; 16] = {
    let mut text = [LAYOUT_VERSION as u8; 16];
    let mut at = 0;
    while at < LAYOUT_MAGIC.len() {
        text[at] = LAYOUT_MAGIC[at];
        at += 1;
    }
    text
};

/// `KERNEL_*` flags.
#[unsafe(no_mangle)]
static GATEWAY_KERNEL: u32 = 0;

/// `ACCOUNT_*` flags.
#[unsafe(no_mangle)]
static GATEWAY_ACCOUNT: u32 = 0;

/// Key of the check in QUIC connection IDs.
#[unsafe(no_mangle)]
static GATEWAY_QUIC: IdKey = IdKey([0; 2]);

/// A global that the loader may have replaced: a volatile read keeps the compiler from folding the initial value.
#[inline(always)]
fn global<T: Copy>(value: &'static T) -> T {
    // SAFETY: a reference to a static is valid and aligned.
    unsafe { read_volatile(value) }
}

/// Nanoseconds of CLOCK_MONOTONIC, as exact as limits and deadlines need: to a tick of the kernel where it has the cheap clock.
#[inline(always)]
fn now() -> u64 {
    // SAFETY: no arguments. On an older kernel the verifier removes the branch that the constant rules out.
    unsafe {
        if global(&GATEWAY_KERNEL) & KERNEL_COARSE_CLOCK != 0 {
            bpf_ktime_get_coarse_ns()
        } else {
            bpf_ktime_get_ns()
        }
    }
}

const AF_INET: u32 = 2;

/// Octets of an address in a program context, IPv4 as mapped.
///
/// Every word is read, whatever the family, and as one volatile word: the verifier takes no other access to these fields.
/// A conditional read lets the compiler choose between two context pointers, a plain read lets it load single bytes.
///
/// # Safety
///
/// `ip4` and `ip6` must point into a valid context.
#[inline(always)]
unsafe fn octets(family: u32, ip4: *const u32, ip6: *const [u32; 4]) -> [u8; 16] {
    let first = ip6.cast::<u32>();
    // SAFETY: inside the context by the caller's promise; the transmute keeps the size and any bits are valid.
    unsafe {
        let short = read_volatile(ip4);
        let long = [
            read_volatile(first),
            read_volatile(first.add(1)),
            read_volatile(first.add(2)),
            read_volatile(first.add(3)),
        ];
        let words = if family == AF_INET {
            [0, 0, 0xffff_u32.to_be(), short]
        } else {
            long
        };
        core::mem::transmute::<[u32; 4], [u8; 16]>(words)
    }
}

/// A debug line, in objects built with the feature `log` only.
macro_rules! trace {
    ($($part:tt)*) => {
        #[cfg(feature = "log")]
        aya_log_ebpf::debug!($($part)*)
    };
}
use trace;
