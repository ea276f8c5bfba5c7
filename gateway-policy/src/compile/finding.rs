//! Findings on their way to becoming diagnostics: the compiler adds file, line, column and source line.

use crate::{
    compile::Compiler,
    diagnostic::{Diagnostic, Severity},
    document::Element,
};

/// Most findings kept for one document; after that many the reader has seen the point.
const DIAGNOSTICS_MAX: usize = 200;

/// Something to report.
pub(crate) struct Finding<'e> {
    severity: Severity,
    code: &'static str,
    at: usize,
    length: usize,
    element: Option<&'e str>,
    message: String,
    help: Option<String>,
}

impl<'e> Finding<'e> {
    pub(crate) fn new(code: &'static str, at: usize, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            severity: Severity::Error,
            code,
            at,
            length: 1,
            element: None,
            message,
            help: None,
        }
    }

    pub(crate) fn on(node: &'e Element, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            element: Some(&node.name),
            length: node.name.len() + 1,
            ..Self::new(code, node.at, message)
        }
    }

    pub(crate) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        let help = help.into();
        self.help = (!help.is_empty()).then_some(help);
        self
    }

    pub(super) fn within(mut self, element: &'e str, at: usize, length: usize) -> Self {
        (self.element, self.at, self.length) = (Some(element), at, length);
        self
    }
}

impl Compiler<'_> {
    pub(crate) fn report(&mut self, finding: Finding<'_>) {
        let is_error = finding.severity == Severity::Error;
        self.errors += usize::from(is_error);
        // The first error is kept whatever came before it: without one the document would load.
        if self.diagnostics.len() >= DIAGNOSTICS_MAX && !(is_error && self.errors == 1) {
            return;
        }
        let (line, column) = self.file.lines.place(finding.at);
        self.diagnostics.push(Diagnostic {
            severity: finding.severity,
            code: finding.code,
            message: finding.message,
            path: self.file.path.clone(),
            line,
            column,
            length: finding.length.max(1) as u32,
            element: finding.element.map(str::to_owned),
            help: finding.help,
            snippet: Some(self.file.lines.line(line).to_owned()),
        });
    }
}
