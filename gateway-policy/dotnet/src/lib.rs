//! The parts of the .NET class library that policy expressions can see, exact to the text.
//!
//! Measured against .NET Core 3.1 and Newtonsoft.Json 11 on Linux, invariant culture. Plain functions
//! and values; nothing here knows C#, policies, clocks or randomness. Everything that can grow is bounded
//! by a named constant, and no input panics.

pub mod bits;
pub mod crypto;
pub mod encoding;
mod error;
pub mod guid;
pub mod json;
pub mod net;
pub mod number;
pub mod regex;
pub mod text;
pub mod time;
pub mod xml;

pub use error::{Error, ExceptionKind};
pub use text::Str;
