//! Policy documents: reader, checker, compiled programs, evaluation that asks for effects.
//!
//! The life of a document: text → [`document`] (tolerant reader, positions kept) → parsed policies
//! (one file each under `policies`) → composition over scopes → `Program` (flat, shared by all
//! workers) → `Execution` (one exchange on one worker). An execution never does anything to the
//! world: it returns a [`Step`] that asks for an [`Effect`] and is resumed with its [`Outcome`].
//!
//! Absent on purpose: runtime, sockets, files, clocks, global randomness.

pub mod cached;
pub mod check;
mod compile;
pub mod diagnostic;
pub mod document;
pub mod effect;
mod exec;
pub mod failure;
pub mod jose;
mod liquid;
pub mod names;
pub mod policies;
mod program;
pub mod schema;
pub mod scope;
mod setting;
pub mod simulate;
#[cfg(test)]
mod test_support;
pub mod trace;
pub mod url;
mod xslt;

pub use check::{CheckOptions, DocumentReport, check_document};
pub use diagnostic::{Diagnostic, Severity};
pub use effect::{Effect, Outcome, Step};
pub use exec::Execution;
pub use failure::Failure;
pub use gateway_expr::{
    Context, Diagnostic as ExpressionDiagnostic, Evaluation, Limits as ExpressionLimits,
    Rules as ExpressionRules, Value, World, context,
};
pub use names::{Fragment, NamedValue, Names};
pub use program::{Options, Program, ScopeDoc, Site, Source};
pub use scope::{Scope, Section};
