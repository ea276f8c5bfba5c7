//! Checks one document on its own: what `gateway-agent check` shows.

use serde_json::json;

use crate::{
    diagnostic::Diagnostic,
    names::Names,
    program::{Options, ScopeDoc, Source},
    scope::Scope,
};

/// How a lone document is checked.
#[derive(Clone, Debug, Default)]
pub struct CheckOptions {
    /// Named values and fragments that are known.
    pub names: Names,
    /// What stands for those that are not (`--named-values-default`, `--missing-fragments empty`).
    pub options: Options,
    /// What the document is attached to; `None`: unknown, and scopes are not checked.
    pub scope: Option<Scope>,
}

/// What is wrong with one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentReport {
    /// The document's path as the caller named it.
    pub path: String,
    /// No errors; there may be warnings.
    pub ok: bool,
    /// Everything found, in document order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles a policy document or fragment and reports what is wrong with it.
pub fn check_document(path: &str, text: &str, options: &CheckOptions) -> DocumentReport {
    let source = Source {
        text,
        path,
        scope: options.scope,
    };
    let (ok, diagnostics) = match ScopeDoc::compile(&source, &options.names, &options.options) {
        Ok((_, warnings)) => (true, warnings),
        Err(errors) => (false, errors),
    };
    DocumentReport {
        path: path.to_owned(),
        ok,
        diagnostics,
    }
}

impl DocumentReport {
    /// One object a document: `{path, ok, diagnostics: [{severity, code, message, line, column, element}]}`.
    pub fn to_json(&self) -> serde_json::Value {
        let diagnostics: Vec<_> = self.diagnostics.iter().map(Diagnostic::to_json).collect();
        json!({ "path": self.path, "ok": self.ok, "diagnostics": diagnostics })
    }

    /// For people: every finding with its source line, separated by empty lines.
    pub fn render(&self) -> String {
        self.diagnostics
            .iter()
            .map(Diagnostic::render)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_what_and_where_for_people_and_machines() {
        let text = "<policies>\n  <inbound>\n    <set-heder name=\"a\" />\n    <trace source=\"s\"><message>{{m}}</message></trace>\n  </inbound>\n</policies>";
        let report = check_document("p.xml", text, &CheckOptions::default());
        assert!(!report.ok);
        let expected = "\
error[unknown-element]: there is no policy `<set-heder>`
 --> p.xml:3:5
  |
3 | <set-heder name=\"a\" />
  | ^^^^^^^^^^
  = help: did you mean `<set-header>`?

error[unknown-named-value]: there is no named value `m`
 --> p.xml:4:32
  |
4 | <trace source=\"s\"><message>{{m}}</message></trace>
  |                            ^^^^^
  = help: define it, or give it to `check` with --named-value
";
        assert_eq!(report.render(), expected);
        let json = report.to_json();
        assert_eq!(json["ok"], false);
        assert_eq!(json["diagnostics"][1]["line"], 4);
        assert_eq!(json["diagnostics"][1]["element"], "message");
    }

    #[test]
    fn defaults_let_lone_documents_pass() {
        let text = "<policies><inbound><include-fragment fragment-id='f'/><set-method>{{m}}</set-method></inbound></policies>";
        assert!(!check_document("p.xml", text, &CheckOptions::default()).ok);
        let options = Options {
            named_value_default: Some("X".into()),
            missing_fragments_empty: true,
            ..Options::default()
        };
        let options = CheckOptions {
            options,
            ..CheckOptions::default()
        };
        assert!(check_document("p.xml", text, &options).ok);
    }

    #[test]
    fn a_template_passes_with_a_warning() {
        let text = "<policies><inbound><retry condition=\"true\" count=\"{count}\" interval=\"1\" /><set-status code=\"x\" /></inbound></policies>";
        let mut options = CheckOptions::default();
        options.options.templates = true;
        let report = check_document("p.xml", text, &options);
        let found: Vec<_> = report
            .diagnostics
            .iter()
            .map(|d| (d.code, d.is_error()))
            .collect();
        assert_eq!(found, [("unfilled-placeholder", false), ("bad-value", true)]);
        let report = check_document("p.xml", &text.replace("code=\"x\"", "code=\"200\""), &options);
        assert!(report.ok);
        options.options.templates = false;
        assert!(
            !check_document("p.xml", text, &options).ok,
            "a node has nothing to put there"
        );
    }
}
