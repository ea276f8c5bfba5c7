//! Artifact folders and management payloads become one immutable snapshot.
//!
//! Pure: the caller reads the files (or the network) and hands over bytes; every mistake comes back with
//! file, line, column and remedy. Absent on purpose: IO, clocks, BPF, runtime.

pub mod snapshot;

pub use snapshot::Snapshot;
