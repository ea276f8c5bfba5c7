//! libFuzzer on the target `json-schema` of gateway-fuzz-targets.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gateway_fuzz_targets::run("json-schema", input));
