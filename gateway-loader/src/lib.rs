//! Loads, attaches and reads the kernel programs; the only crate that knows aya.
//!
//! Start with [`Kernel::load`]. Each hook stands alone: one that cannot be attached is reported in [`Kernel::hooks`] with
//! the reason and what does its work instead, and the others go on. A build without a kernel object gives
//! [`LoadError::NotBuilt`].
//!
//! Threads: interfaces, the network namespace and capabilities are those of the *calling thread*. Load before worker
//! threads start, drop privileges ([`privilege::drop_to`]) after loading and before they start.

mod attach;
mod bans;
pub mod cgroup;
mod clock;
mod conns;
mod counters;
mod drops;
mod edge;
mod error;
mod explain;
mod fill;
mod hook;
mod interface;
mod kernel;
pub mod l4;
mod object;
mod options;
mod pins;
mod prefixes;
pub mod privilege;
pub mod probe;
mod reader;
mod steer;
mod sys;
pub mod tcp_info;
mod workers;

pub use bans::{Ban, MAX_BAN, NewBan};
pub use clock::monotonic_ns;
pub use conns::{Connections, MAX_RECORDS_PER_POLL, Marker};
pub use counters::Reading;
pub use drops::{Dropped, Drops, MAX_SAMPLES_PER_POLL};
pub use edge::{EdgeOptions, Limits, Vip, budget_name};
pub use error::{BanError, EdgeError, LoadError, PrefixError, ServicesError, SteerError, WorkersError};
pub use explain::{Explained, Question, describe};
pub use fill::Fill;
pub use gateway_common as common;
pub use hook::{HookName, HookState};
pub use kernel::Kernel;
pub use object::{is_built, why_not_built};
pub use options::{Accounting, DEFAULT_RING_BYTES, Options, Uplink, XdpMode};
pub use pins::{Pin, Uninstalled, pinned, uninstall};
pub use prefixes::{Action, PrefixRule};
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
        send::<Drops>();
        shared::<Marker>();
    }
}
