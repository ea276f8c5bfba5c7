//! `System.String`, `System.Char` and `System.Text.StringBuilder`: UTF-16 semantics over compact storage.

mod str;

pub use str::Str;

/// Longest string anything here builds, in UTF-16 units. .NET allows about 2^30; a policy that needs
/// more than this is an attack on the node's memory.
pub const MAX_STRING_UNITS: usize = 32 << 20;
