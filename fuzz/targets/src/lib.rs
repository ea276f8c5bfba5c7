//! What is fuzzed: everything that reads text or bytes from outside.
//!
//! A target is a function that panics when something is wrong, and a few inputs to start from. The programs of
//! `fuzz/fuzz_targets` hand it what libFuzzer comes up with; the test of this crate hands it its seeds and
//! mutations of them, in a few seconds for all, so that every run of the tests goes through every target.
//! `cargo xtask fuzz` runs the former.

#![expect(
    clippy::panic,
    reason = "panicking is how a target tells that it found something"
)]

mod bytes;
mod config;
mod expressions;
mod generate;
mod json;
pub mod mutate;
mod network;
mod numbers;
mod patterns;
mod policies;
mod schemas;
mod sync;
mod xml;

pub use bytes::Choices;
pub use generate::program;

/// Something to fuzz.
pub struct Target {
    /// Name of its program and of its corpus.
    pub name: &'static str,
    /// Panics when the input shows a mistake.
    pub run: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: &'static [&'static str],
    /// Pieces of its syntax, which mutations put in.
    pub words: &'static [&'static str],
}

/// Every target.
pub const TARGETS: &[Target] = &[
    expressions::COMPILE,
    expressions::EVALUATE,
    patterns::REGEX,
    patterns::REGEX_AGREES,
    numbers::NUMBERS,
    numbers::DATES,
    json::READER,
    json::SELECT,
    xml::READER,
    policies::DOCUMENT,
    policies::NAMED_VALUES,
    policies::LIQUID,
    policies::TOKEN,
    config::OPENAPI,
    schemas::JSON_SCHEMA,
    schemas::XML_SCHEMA,
    schemas::GRAPHQL,
    schemas::ODATA,
    sync::ARM,
    sync::OPERATIONS,
    sync::EVENTS,
    sync::GATEWAY_TOKEN,
    sync::BACKUP,
    network::RESPONSE,
    network::PACKET,
];

/// Runs the target of this name; nothing happens when there is none.
pub fn run(name: &str, input: &[u8]) {
    if let Some(target) = TARGETS.iter().find(|target| target.name == name) {
        (target.run)(input);
    }
}

/// Text of the input: what is not UTF-8 is replaced.
fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}
