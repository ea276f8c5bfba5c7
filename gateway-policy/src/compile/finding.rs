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

/// The attribute value or the text that begins at `at`, or the text of the element that does.
fn value_at(text: &str, at: usize) -> &str {
    let rest = text.get(at..).unwrap_or_default();
    match rest.strip_prefix('<') {
        Some(element) => element
            .split_once('>')
            .and_then(|(_, inner)| inner.split('<').next())
            .unwrap_or_default(),
        None => rest.split(['"', '\'', '<', '\n']).next().unwrap_or_default(),
    }
}

/// The first text that only a deployment step can mean.
fn placeholder(value: &str) -> Option<&str> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b' '))
    };
    for (open, close) in [("${", "}"), ("#{", "}"), ("$(", ")"), ("{", "}"), ("__", "__")] {
        let mut from = 0;
        while let Some(start) = value.get(from..).and_then(|v| v.find(open)).map(|i| from + i) {
            let inner = start + open.len();
            let length = value.get(inner..).and_then(|v| v.find(close))?;
            if is_name(&value[inner..inner + length]) {
                return Some(&value[start..inner + length + close.len()]);
            }
            from = inner;
        }
    }
    let whole = value.trim();
    is_token(whole).then_some(whole)
}

/// `RETRY_COUNT`: what a script replaces by name.
fn is_token(word: &str) -> bool {
    word.contains('_')
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

impl<'a> Compiler<'a> {
    /// The placeholder that a finding is about: instead of a value, or as a name of an expression.
    fn unfilled(&self, finding: &Finding<'_>) -> Option<&'a str> {
        let text = self.file.text;
        match finding.code {
            "bad-value" | "unexpected-text" | "missing-element" => placeholder(value_at(text, finding.at)),
            "CS0103" => {
                let word = text.get(finding.at..finding.at + finding.length)?;
                is_token(word).then_some(word)
            }
            _ => None,
        }
    }

    pub(crate) fn report(&mut self, mut finding: Finding<'_>) {
        if self.options.templates
            && finding.severity == Severity::Error
            && let Some(name) = self.unfilled(&finding)
        {
            // What stands there in the end is not known here, so neither is whether it fits.
            self.incomplete = true;
            finding.message = format!("`{name}` is not filled in: {}", finding.message);
            finding.code = "unfilled-placeholder";
            finding.help =
                Some("a deployment step puts a value here; check the document it makes".to_owned());
            finding.severity = Severity::Warning;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_deployment_steps_are_known() {
        for (value, expected) in [
            ("{retry_count}", Some("{retry_count}")),
            ("https://{1}.azurewebsites.net/api", Some("{1}")),
            ("https://${host}/x", Some("${host}")),
            ("#{Octopus.Host}#", Some("#{Octopus.Host}")),
            ("$(variable)", Some("$(variable)")),
            ("__Token__", Some("__Token__")),
            ("RETRY_COUNT", Some("RETRY_COUNT")),
            ("GET", None),
            ("{}", None),
            ("{a:b}", None),
            ("plain", None),
            ("a__b", None),
            ("", None),
        ] {
            assert_eq!(placeholder(value), expected, "{value}");
        }
    }

    #[test]
    fn the_value_concerned_is_found_from_its_place() {
        let text = r#"<a x="{v}" y='1'><key>{k}</key></a>"#;
        assert_eq!(value_at(text, 6), "{v}");
        assert_eq!(value_at(text, 17), "{k}");
        assert_eq!(value_at(text, 999), "");
    }
}
