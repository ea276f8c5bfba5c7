//! What is private and fuzzed all the same: only with the feature `fuzzing`.

pub use crate::{sync::backup::read_backup, upstream::read_response};
