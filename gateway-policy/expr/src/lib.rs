//! Policy expressions: C# checked and compiled at load, evaluated without look-ups by name.
//!
//! Three layers, each knowing only the one before it: `gateway-dotnet` (what the .NET class library
//! does, in plain Rust), this crate (the C# language, the allow-list, the `context` model) and
//! `gateway-policy` (documents, policies, effects). Nothing here knows of policies, sockets, files,
//! clocks or randomness: time and random numbers arrive through [`World`].

mod array;
mod bind;
pub mod cases;
mod cast;
pub mod catalogue;
mod collections;
pub mod context;
mod deserialize;
mod dynamic;
mod equality;
mod evaluation;
mod intern;
mod ir;
mod iter;
#[path = "lib/mod.rs"]
mod lib_;
mod look;
mod nesting;
mod object;
mod ops;
mod serialize;
mod syntax;
mod text;
mod types;
mod value;
mod vm;

use lib_ as lib;

pub use context::Context;
pub use evaluation::{Evaluation, HeaderNames, MESSAGES_MAX, Rules};
pub use intern::Literal;
pub use object::Object;
pub use types::DefId;
pub use value::{Part, Value};

use std::{fmt, sync::Arc};

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

/// How much one evaluation may use. Reaching a limit ends it with a `Budget…` exception that no `catch` sees.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Loop turns, calls and enumerated items. The default takes about a tenth of a second.
    pub steps: u64,
    /// Bytes of strings and collections built, kept or not.
    pub memory: usize,
    /// Machine stack for nested calls. Workers run on 2 MiB stacks.
    pub stack: usize,
    /// Steps of one regular expression; all of an evaluation together take four times as many. The
    /// default takes about a tenth of a second.
    pub regex_steps: u64,
}

/// How many regular expressions of an evaluation may take all the steps one may take.
const REGEX_CALLS: u64 = 4;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            steps: 5_000_000,
            memory: 256 << 20,
            stack: 640 << 10,
            regex_steps: gateway_dotnet::regex::MAX_STEPS,
        }
    }
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

impl Diagnostic {
    pub(crate) fn error(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Diagnostic {
            code,
            message: message.into(),
            span,
            help: None,
            warning: false,
        }
    }

    /// Adds advice.
    pub(crate) fn help(&mut self, text: impl Into<String>) {
        self.help = Some(text.into());
    }
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

impl std::error::Error for Exception {}

/// A checked, compiled expression. Cheap to share between workers.
#[derive(Clone, Debug)]
pub struct Expression {
    program: Arc<ir::Program>,
    needs: Needs,
}

impl Expression {
    /// What must be buffered before [`Expression::evaluate`].
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Runs the expression against one exchange under the limits its context carries.
    ///
    /// # Errors
    /// The exception that left it, or a `Budget…` exception when a limit was reached.
    pub fn evaluate(&self, context: &mut Context, world: &dyn World) -> Result<Value, Exception> {
        let limits = context.evaluation.rules.limits;
        self.evaluate_within(context, world, limits)
    }

    /// Runs the expression under the given limits.
    ///
    /// # Errors
    /// As [`Expression::evaluate`].
    pub fn evaluate_within(
        &self,
        context: &mut Context,
        world: &dyn World,
        limits: Limits,
    ) -> Result<Value, Exception> {
        nesting::start();
        let _limits = gateway_dotnet::regex::limit_steps(
            limits.regex_steps,
            limits.regex_steps.saturating_mul(REGEX_CALLS),
        );
        let mut vm = vm::Vm::new(context, world, limits);
        match vm.run(&self.program) {
            _ if nesting::exceeded() => Err(exception(vm::Thrown::Budget("parts of nested values"))),
            Ok(value) => Ok(vm.detach(value)),
            Err(thrown) => Err(exception(thrown)),
        }
    }
}

/// The public form of what left an evaluation.
fn exception(thrown: vm::Thrown) -> Exception {
    match thrown {
        vm::Thrown::Error(e) => Exception {
            type_name: e.kind.full_name().to_owned(),
            message: e.message.into_owned(),
        },
        vm::Thrown::Object(value) => exception_of(&value),
        vm::Thrown::Decided(decided) => exception_of(&decided.exception),
        vm::Thrown::Budget(what) => Exception {
            type_name: "BudgetExceededException".to_owned(),
            message: format!("The expression used more than its budget: {what}."),
        },
    }
}

fn exception_of(value: &Value) -> Exception {
    let message = match value {
        Value::Object(o) => match &o.data {
            object::Data::Exception(e) => e.message.to_lossy().into_owned(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    Exception {
        type_name: value.type_name().unwrap_or_default(),
        message,
    }
}

/// Compiles `@(…)`, `@{…}` or a bare expression. Warnings come back beside a compiled expression.
///
/// # Errors
/// Everything wrong with it, in source order.
pub fn compile(source: &str) -> Result<(Expression, Vec<Diagnostic>), Vec<Diagnostic>> {
    compile_with(source, true)
}

/// Compiles without the vendor's allow-list when `allow_list` is false: the plain C# compiler's view.
///
/// # Errors
/// Everything wrong with it, in source order.
pub fn compile_with(
    source: &str,
    allow_list: bool,
) -> Result<(Expression, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (program, needs, warnings) = bind::compile(source, bind::Options { allow_list })?;
    Ok((
        Expression {
            program: Arc::new(program),
            needs,
        },
        warnings,
    ))
}
