//! Configuration from a folder, a hub or the management API: read, check, activate; watch; keep the last good one.

pub mod arm;
pub mod audit;
pub mod backup;
pub mod following;
#[cfg(test)]
mod following_tests;
pub mod http;
pub mod remote;
#[cfg(test)]
pub(crate) mod scratch;
pub mod stable;
pub mod status;
pub mod task;
#[cfg(test)]
mod task_tests;
pub mod token;
pub mod tree;
pub mod watch;

pub use status::Status;
pub use task::{Handle, Load, Loaded, Rejected, Source, Task};
