//! `System.String`, `System.Char` and `System.Text.StringBuilder`: UTF-16 semantics over compact storage.

mod builder;
pub mod chars;
mod compare;
mod composite;
mod edit;
mod search;
mod str;

pub use builder::StringBuilder;
pub use compare::{StringComparison, compare_nullable, unit_to_lower, unit_to_upper};
pub use composite::{FormatArg, format};
pub use edit::{Separators, parse_char};
pub(crate) use str::utf16_len;
pub use str::{Str, Units};

/// Longest string anything here builds, in UTF-16 units. .NET allows about 2^30; a policy that needs
/// more than this is an attack on the node's memory.
pub const MAX_STRING_UNITS: usize = 32 << 20;
