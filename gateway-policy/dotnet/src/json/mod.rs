//! Newtonsoft.Json 11: LINQ to JSON as a tree with identity, the reader, the writer, the conversions,
//! JSONPath, comparison and merging.

mod compare;
mod convert;
mod date;
mod edit;
mod load;
mod path;
mod path_parse;
mod reader;
mod restore;
mod scalar;
mod token;
mod walk;
mod writer;

pub(crate) use date::{date_text, offset_date_text};

pub use convert::{Target, cast, cast_nullable, change_type};
pub use edit::{MergeArrays, MergeSettings};
pub use load::{deserialize, deserialize_literal, parse_array, parse_object, parse_token};
pub use path::{one, select_token, select_tokens, select_tokens_counted};
pub use restore::restore;
pub use scalar::Scalar;
pub use token::{Token, TokenType};
pub use writer::{Formatting, JsonWriter, escape, float_text};

/// Deepest nesting read, written, copied or compared. Newtonsoft 13 stops at 64; version 11 does not stop
/// and dies of stack overflow instead.
pub const MAX_DEPTH: usize = 512;

/// Most nodes a `SelectTokens` call visits.
pub const MAX_PATH_STEPS: usize = 1_000_000;

/// Longest JSON integer: Newtonsoft's `MaximumJavascriptIntegerCharacterLength`.
pub const MAX_INTEGER_DIGITS: usize = 380;

pub(crate) fn too_deep() -> crate::Error {
    crate::Error::budget("depth of JSON")
}
