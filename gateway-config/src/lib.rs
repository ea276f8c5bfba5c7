//! Artifact folders and management payloads become one immutable snapshot.
//!
//! Pure: the caller reads the files (or the network) and hands over bytes; every mistake comes back with
//! file, line, column and remedy. Absent on purpose: IO, clocks, BPF, runtime.

pub mod access;
pub mod arm;
mod artifacts;
mod content;
pub mod doc;
pub mod events;
pub mod l4;
pub mod load;
pub mod network;
pub mod overlay;
pub mod problem;
pub mod routing;
pub mod secret;
pub mod settings;
pub mod snapshot;
mod spec;
pub mod telemetry;

pub use access::Access;
pub use artifacts::unread;
pub use load::{Input, Loaded, Summary, load};
pub use problem::{Problem, Severity};
pub use routing::{Match, Preflight, Route};
pub use secret::{Secret, SecretRef};
pub use settings::Settings;
pub use snapshot::{FileTree, RequestKey, Snapshot};
