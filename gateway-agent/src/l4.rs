//! L4 services: TCP, UDP and TLS passed through to backends, in the kernel where that is possible, else relayed.
//!
//! One task keeps both in step with the configuration and with the health of the backends: it writes the kernel's clock,
//! changes tables by difference, walks the flows for what is over, and starts and ends the relay's listeners.

mod health;
mod relay;
mod report;
mod task;

pub use report::{BackendView, FlowView, ServiceView};
pub use task::{Layer4, Query};
