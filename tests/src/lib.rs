//! Whole-node tests: namespaces, real peers, real traffic.
//!
//! The library is the laboratory that the end-to-end tests, `cargo xtask demo` and `cargo xtask bench` share:
//! a [`lab::Lab`] of three hosts (client, node, upstream), the real agent binary on the node, nginx from the
//! distribution as upstream, curl and raw sockets as clients. Absent on purpose: any dependency on a crate
//! of the agent. What is tested here is what a stranger sees from outside the process.

pub mod agent;
pub mod arm;
pub mod certs;
pub mod client;
pub mod hub;
pub mod lab;
pub mod leftovers;
pub mod process;
pub mod scene;
pub mod skip;
pub mod upstream;
pub mod wait;
