//! libFuzzer on the target `graphql` of gateway-fuzz-targets.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gateway_fuzz_targets::run("graphql", input));
