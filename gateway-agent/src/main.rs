//! The thin binary: parse the command line, hand over to the library.

use std::process::ExitCode;

/// Half the memory of an idle connection, and the lowest cost per request, of the allocators measured. Its
/// options (`.cargo/config.toml`) make it give memory back after a peak.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    gateway_agent::cli::main()
}
