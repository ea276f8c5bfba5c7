//! What is private and fuzzed all the same: only with the feature `fuzzing`.

pub use crate::upstream::read_response;
