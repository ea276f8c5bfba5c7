//! Loads, attaches and reads the kernel programs; the only crate that knows aya.
//!
//! Start with [`Kernel::load`]. Each hook stands alone: one that cannot be attached is reported in [`Kernel::hooks`] with
//! the reason and what does its work instead, and the others go on. A build without a kernel object gives
//! [`LoadError::NotBuilt`].
//!
//! Threads: interfaces, the network namespace and capabilities are those of the *calling thread*. Load before worker
//! threads start, drop privileges ([`privilege::drop_to`]) after loading and before they start.

mod attach;
mod cgroup;
mod conns;
mod counters;
mod denied;
mod error;
mod hook;
mod interface;
mod kernel;
mod object;
mod options;
pub mod privilege;
pub mod probe;
mod steer;
pub mod tcp_info;
mod workers;

pub use conns::{Connections, MAX_RECORDS_PER_POLL, Marker};
pub use counters::Reading;
pub use error::{DeniedError, LoadError, SteerError, WorkersError};
pub use gateway_common as common;
pub use hook::{HookName, HookState};
pub use kernel::Kernel;
pub use object::{is_built, why_not_built};
pub use options::{Accounting, DEFAULT_RING_BYTES, Options, Uplink, XdpMode};
pub use steer::{Protocol, Steer};
pub use workers::Group;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_move_to_the_threads_that_use_them() {
        const fn send<T: Send>() {}
        const fn shared<T: Send + Sync>() {}
        send::<Kernel>();
        send::<Connections>();
        shared::<Marker>();
    }
}
