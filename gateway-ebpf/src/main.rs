//! The kernel object: programs and maps around the decisions of the library.
//!
//! Built for the BPF target by `cargo xtask bpf build`. On the host it is an empty program, so that plain cargo
//! commands work on a machine without any BPF toolchain.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]
#![cfg_attr(
    target_arch = "bpf",
    expect(unsafe_code, reason = "helpers, contexts and maps are raw pointers")
)]

#[cfg(target_arch = "bpf")]
mod programs;

/// The kernel shows some helpers only to programs under a GPL-compatible licence.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Never reached: `cargo xtask bpf build` refuses an object that has a panicking path.
#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[cfg(not(target_arch = "bpf"))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
