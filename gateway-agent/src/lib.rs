//! The node agent: listeners, TLS, HTTP, pipeline, upstreams, sync, administration, telemetry.
//!
//! Data plane: [`listen`] binds, [`worker`] runs one thread per core, [`node`] is what they share,
//! [`drain`] ends it all, [`limits`] bounds it.

pub mod admin;
mod breaker;
mod cache;
pub mod cli;
pub mod counters;
pub mod debug;
mod download;
pub mod drain;
mod executor;
pub mod external;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod h3;
mod http;
pub mod hub;
pub mod identity;
pub mod kernel;
pub mod l4;
pub mod limits;
pub mod listen;
pub mod node;
pub mod oidc;
pub mod overload;
mod permits;
mod pipeline;
pub mod process;
pub mod ready;
mod revocation;
pub mod run;
pub mod settings;
pub mod sync;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod tls;
mod transport;
mod tunnel;
pub mod upgrade;
mod upstream;
pub mod worker;
