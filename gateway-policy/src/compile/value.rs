//! Attribute values and texts: named values put in, literal told from expression, expressions compiled.

use std::sync::Arc;

use gateway_expr::Expression;

use crate::{
    compile::{Compiler, Finding, Node},
    document::{Element, Text, TextBuilder, expression_end, starts_expression},
    names::{self, substitute},
    setting::{FromValue, Setting},
};

/// Most text of one document after named values were put in; values are up to 4096 characters long.
const SUBSTITUTED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A value that is literal, or whole an expression.
enum Kind<'t> {
    Literal(&'t str),
    /// The expression without the white space around it, and where it starts in the text.
    Expression(&'t str, usize),
}

impl Compiler<'_> {
    /// The attribute `name`; its documented default if absent; `None` if absent without one, or wrong
    /// (which is reported).
    pub(crate) fn attribute<T: FromValue>(&mut self, node: Node<'_>, name: &str) -> Option<Setting<T>> {
        let def = node.def.attribute(name)?;
        match node.element.attribute(name) {
            Some(attribute) => {
                let text = self.substituted(node.element, &attribute.value);
                self.setting(node.element, &text, name, def.expression)
            }
            None => T::literal(def.default?).ok().map(Setting::Literal),
        }
    }

    /// The attribute `name`, which takes no expression.
    pub(crate) fn literal<T: FromValue>(&mut self, node: Node<'_>, name: &str) -> Option<T> {
        match self.attribute(node, name)? {
            Setting::Literal(value) => Some(value),
            Setting::Expression(_) => None,
        }
    }

    /// The text between the tags.
    pub(crate) fn text<T: FromValue>(&mut self, node: Node<'_>) -> Option<Setting<T>> {
        let text = self.substituted(node.element, &node.element.text);
        self.setting(node.element, &text, "text", true)
    }

    /// Whatever stands between the tags: text with entities decoded, or markup as written.
    pub(crate) fn content<T: FromValue>(&mut self, node: Node<'_>) -> Option<Setting<T>> {
        if node.element.children.is_empty() {
            return self.text(node);
        }
        let text = self.content_text(node)?;
        T::literal(text.as_str()).ok().map(Setting::Literal)
    }

    /// The same as a text with its places, for policies that read it themselves.
    pub(crate) fn content_text(&mut self, node: Node<'_>) -> Option<Text> {
        if node.element.children.is_empty() {
            return Some(self.substituted(node.element, &node.element.text));
        }
        let inner = node.element.inner.clone();
        let mut builder = TextBuilder::at(inner.start);
        builder.push_verbatim(self.file.text.get(inner.clone())?, inner.start);
        Some(self.substituted(node.element, &builder.finish()))
    }

    /// The element itself as written, with its places.
    pub(crate) fn markup(&mut self, element: &Element) -> Option<Text> {
        let rest = self.file.text.get(element.inner.end..)?;
        // From `<` to the end of its end tag, or of its own tag when it is empty.
        let end = element.inner.end + rest.find('>').map_or(0, |i| i + 1);
        let whole = element.at..if element.inner.is_empty() {
            end.max(element.inner.end)
        } else {
            end
        };
        let mut builder = TextBuilder::at(whole.start);
        builder.push_verbatim(self.file.text.get(whole.clone())?, whole.start);
        Some(self.substituted(element, &builder.finish()))
    }

    /// While `run` works, `{{…}}` that are not named values stay as they are (Liquid output, JSON).
    pub(crate) fn keeping_braces<R>(&mut self, run: impl FnOnce(&mut Self) -> R) -> R {
        self.braces_are_content = true;
        let result = run(self);
        self.braces_are_content = false;
        result
    }

    fn setting<T: FromValue>(
        &mut self,
        element: &Element,
        text: &Text,
        place: &str,
        expressions: bool,
    ) -> Option<Setting<T>> {
        let source = text.source_offset(0);
        match self.kind(element, text, place)? {
            Kind::Literal(literal) => match T::literal(literal) {
                Ok(value) => Some(Setting::Literal(value)),
                Err(_) if self.stands_in(text) => {
                    // The real value is not known here, so neither is whether it fits.
                    self.incomplete = true;
                    None
                }
                Err(expected) => {
                    let message = format!("`{}` of `{}` must be {expected}", place, element.name);
                    let finding = Finding::new("bad-value", source, message);
                    self.report(finding.within(&element.name, source, literal.chars().count()));
                    None
                }
            },
            Kind::Expression(..) if !expressions => {
                let message = format!("`{place}` of `{}` does not take an expression", element.name);
                let finding =
                    Finding::new("expression-not-allowed", source, message).help("write a literal value");
                self.report(finding.within(&element.name, source, 2));
                None
            }
            Kind::Expression(code, start) => self
                .expression(element, text, code, start)
                .map(|e| Setting::Expression(Box::new(e))),
        }
    }

    fn kind<'t>(&mut self, element: &Element, text: &'t Text, place: &str) -> Option<Kind<'t>> {
        let value = text.as_str();
        let start = value.len() - value.trim_start().len();
        let code = value.trim();
        if !starts_expression(code) {
            return Some(Kind::Literal(value));
        }
        match expression_end(code, 0) {
            Ok(end) if end == code.len() => Some(Kind::Expression(code, start)),
            Ok(end) => {
                let at = text.source_offset(start + end);
                let message =
                    format!("text follows the expression in `{place}`, so all of it is literal text");
                let help =
                    "a value is either all literal or all expression: join the parts inside one `@(…)`";
                let finding = Finding::new("mixed-value", at, message).warning().help(help);
                self.report(finding.within(&element.name, at, 1));
                Some(Kind::Literal(value))
            }
            Err(_) => {
                let at = text.source_offset(start);
                let message = format!("the expression in `{place}` is not closed");
                let help = "an expression ends at the bracket that matches its first one";
                let finding = Finding::new("expression-not-closed", at, message).help(help);
                self.report(finding.within(&element.name, at, 2));
                None
            }
        }
    }

    fn expression(&mut self, element: &Element, text: &Text, code: &str, start: usize) -> Option<Expression> {
        let (compiled, diagnostics) = match gateway_expr::compile(code) {
            Ok((expression, warnings)) => (Some(expression), warnings),
            Err(errors) => (None, errors),
        };
        let guessed =
            |d: &gateway_expr::Diagnostic| text.is_replaced_at(start + d.span.start.min(code.len()));
        if compiled.is_none() && self.stands_in(text) && diagnostics.iter().any(guessed) {
            // `@({{limit}} > 5)`: what the stand-in breaks is not the document's mistake.
            self.incomplete = true;
            return None;
        }
        for diagnostic in diagnostics {
            let at = text.source_offset(start + diagnostic.span.start.min(code.len()));
            let end = text.source_offset(start + diagnostic.span.end.min(code.len()));
            let mut finding = Finding::new(diagnostic.code, at, diagnostic.message);
            finding = finding.within(&element.name, at, end.saturating_sub(at));
            if diagnostic.warning {
                finding = finding.warning();
            }
            self.report(finding.help(diagnostic.help.unwrap_or_default()));
        }
        let expression = compiled?;
        let needs = expression.needs();
        self.needs.request_body |= needs.request_body;
        self.needs.response_body |= needs.response_body;
        Some(expression)
    }

    /// The text with its named values put in; unknown ones are reported and stay.
    pub(crate) fn substituted(&mut self, element: &Element, text: &Text) -> Text {
        let names = self.names;
        let default = self.options.named_value_default.as_deref();
        let keep = self.braces_are_content && !starts_expression(text.as_str().trim_start());
        let lookup = |name: &str| match names.named_values.get(name) {
            Some(named) => Some(&*named.value),
            None => default.filter(|_| !keep),
        };
        let (replaced, unknown) = substitute(text, lookup);
        self.substituted += replaced.as_ref().map_or(0, |t| t.as_str().len());
        if self.substituted > SUBSTITUTED_BYTES_MAX {
            let message = format!("named values make the document longer than {SUBSTITUTED_BYTES_MAX} bytes");
            self.report(
                Finding::on(element, "too-large", message).help("use shorter values, or fewer of them"),
            );
            return text.clone();
        }
        if replaced.is_some() {
            for (_, name) in names::references(text.as_str()) {
                if let Some(secret) = names
                    .named_values
                    .get(name)
                    .filter(|n| n.secret && !n.value.is_empty())
                    && !self.secrets.contains(&secret.value)
                {
                    self.secrets.push(Arc::clone(&secret.value));
                }
            }
        }
        if !keep {
            for range in unknown
                .into_iter()
                .filter(|r| !in_interpolated_string(text.as_str(), r.start))
            {
                self.unknown_name(element, text, range);
            }
        }
        replaced.unwrap_or_else(|| text.clone())
    }

    /// The default for named values stands in this text.
    fn stands_in(&self, text: &Text) -> bool {
        let default = self
            .options
            .named_value_default
            .as_deref()
            .filter(|d| !d.is_empty());
        default.is_some_and(|d| text.is_replaced() && text.as_str().contains(d))
    }

    fn unknown_name(&mut self, element: &Element, text: &Text, range: std::ops::Range<usize>) {
        let name = text.as_str()[range.clone()].trim_matches(['{', '}']).to_owned();
        let at = text.source_offset(range.start);
        let near = crate::diagnostic::did_you_mean(&name, self.names.named_values.keys().map(|k| &**k));
        let help = near.map(|n| format!("did you mean `{n}`?"));
        let help = help.unwrap_or_else(|| "define it, or give it to `check` with --named-value".into());
        let message = format!("there is no named value `{name}`");
        let finding = Finding::new("unknown-named-value", at, message).help(help);
        self.report(finding.within(&element.name, at, range.len()));
    }
}

/// True when the braces at `at` stand in an interpolated C# string, where `{{` means one brace.
fn in_interpolated_string(text: &str, at: usize) -> bool {
    let line = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let before = &text[line..at];
    let opened = ["$\"", "$@\"", "@$\""]
        .iter()
        .filter_map(|open| before.rfind(open).map(|i| i + open.len()))
        .max();
    opened.is_some_and(|start| !before[start..].replace("\\\"", "").contains('"'))
}
