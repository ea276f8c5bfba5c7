//! Liquid templates in DotLiquid's dialect, as `set-body template="liquid"` uses it.
//!
//! Source: measured behaviour of DotLiquid in C# naming mode and APIM's bindings (`policies.md` §7.7).
//! Parsing happens at load, so a bad template refuses its document; rendering is bounded in output, steps and
//! nesting. Absent on purpose: file system, `include`, user-defined tags.

mod bind;
mod condition;
mod filters;
mod parse;
mod render;
mod value;

pub(crate) use bind::{Binding, BodyOptions, body as bind_body, context as bind_context};
pub(crate) use value::Value;

/// Deepest nesting of blocks.
const NESTING_MAX: usize = 32;

/// Largest rendered text: bodies are bounded elsewhere too, this stops a loop early.
const OUTPUT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most nodes rendered for one template.
const STEPS_MAX: usize = 200_000;

/// A template that was understood.
#[derive(Debug)]
pub(crate) struct Template {
    nodes: Vec<parse::Node>,
    /// It mentions `body`.
    pub(crate) uses_body: bool,
    /// It mentions `context`.
    pub(crate) uses_context: bool,
}

/// What is wrong with a template, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    pub(crate) at: usize,
    pub(crate) message: String,
}

impl Template {
    /// Understands a template.
    pub(crate) fn parse(text: &str) -> Result<Template, ParseError> {
        parse::parse(text)
    }

    /// The template's text for these bindings.
    pub(crate) fn render(&self, binding: Binding) -> Result<String, String> {
        render::render(&self.nodes, binding)
    }
}

#[cfg(test)]
mod tests;
