//! Policy expressions: C# checked and compiled at load, evaluated without look-ups by name.
//!
//! Three layers, each knowing only the one before it: `gateway-dotnet` (what the .NET class library
//! does, in plain Rust), this crate (the C# language, the allow-list, the `context` model) and
//! `gateway-policy` (documents, policies, effects). Nothing here knows of policies, sockets, files,
//! clocks or randomness: time and random numbers arrive through [`World`].

pub mod context;
mod value;

pub use context::Context;
pub use value::Value;

use std::fmt;

/// Where the clock and the random numbers of an evaluation come from.
///
/// Tests give constants, `eval --cases` gives the oracle's fixed instant, the agent gives the machine's.
pub trait World {
    /// Now, as .NET ticks: 100 ns units since 0001-01-01T00:00:00 UTC.
    fn utc_now_ticks(&self) -> i64;
    /// Sixty-four fresh random bits.
    fn random(&self) -> u64;
}

/// What an expression reads that costs something to provide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// It may read `context.Request.Body`: the body must be buffered before it runs.
    pub request_body: bool,
    /// It may read `context.Response.Body`.
    pub response_body: bool,
}

/// A place inside the source text handed to [`compile`], in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// Why an expression is refused at load, in the original's own codes (`CS0019`, `APIM0001` …).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// `CSnnnn` as the C# compiler, `APIMnnnn` as the vendor's static check.
    pub code: &'static str,
    /// The compiler's sentence.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What to do about it, when something useful can be said.
    pub help: Option<String>,
    /// A warning does not refuse the expression.
    pub warning: bool,
}

/// An exception that left an expression: its .NET type and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Full .NET type name, such as `System.FormatException`.
    pub type_name: String,
    /// `Exception.Message`.
    pub message: String,
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A checked, compiled expression. Cheap to share between workers.
#[derive(Debug)]
pub struct Expression {}

impl Expression {
    /// What must be buffered before [`Expression::evaluate`].
    pub fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Runs the expression against one exchange.
    ///
    /// # Errors
    /// The exception that left it, or a `Budget…` exception when a limit was reached.
    pub fn evaluate(&self, _context: &mut Context, _world: &dyn World) -> Result<Value, Exception> {
        Ok(Value::Null)
    }
}

/// Compiles `@(…)`, `@{…}` or a bare expression. Warnings come back beside a compiled expression.
///
/// # Errors
/// Everything wrong with it, in source order.
pub fn compile(_source: &str) -> Result<(Expression, Vec<Diagnostic>), Vec<Diagnostic>> {
    Ok((Expression {}, Vec::new()))
}
