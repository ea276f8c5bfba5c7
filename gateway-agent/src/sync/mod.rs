//! Configuration from a folder: read, check, activate; watch; keep the last good one.

#[cfg(test)]
pub(crate) mod scratch;
pub mod stable;
pub mod tree;
pub mod watch;
