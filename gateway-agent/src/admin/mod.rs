//! The admin endpoint: what the node knows about itself, on loopback or a Unix socket only.
//!
//! Reading is GET, changing is POST. A browser must not be able to change anything, so requests that carry
//! an `Origin` are refused, and so are host names (a rebinding DNS name would make them same-origin).

mod dump;
mod page;
pub mod routes;
pub mod server;
mod state;
#[cfg(test)]
mod tests;

pub use server::{Audience, Endpoint};
pub use state::{ListenerView, State};
