//! `set-header`: adds, replaces or removes a header of the message its section edits.
//!
//! Source: "Set header" policy page; `policies.md` §7.1.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use smallvec::SmallVec;

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{FromValue, Setting, keywords},
};

static VALUE: ElementDef = ElementDef::new(
    "value",
    "A value; several are joined by commas where the header allows it.",
)
.content(Content::Text);

/// Also a child of `return-response` and `send-request`.
pub(crate) static ELEMENT: ElementDef =
    ElementDef::new("set-header", "Sets a header of the request or response.")
        .attributes(&[
            attr("name", "Name of the header.").required().expression(),
            attr("exists-action", "What to do when the header is there already.")
                .expression()
                .default("override")
                .words(ExistsAction::WORDS),
        ])
        .children(&[Child::any(&VALUE)]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ELEMENT,
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<set-header name="X-Forwarded-Proto" exists-action="override">
    <value>https</value>
</set-header>"#,
    build,
};

keywords! {
    /// `exists-action`
    ExistsAction { Override = "override", Skip = "skip", Append = "append", Delete = "delete" }
}

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let policy = SetHeader::build(compiler, node)?;
    compiler.policy(policy);
    Some(())
}

#[derive(Debug)]
pub(crate) struct SetHeader {
    name: Setting<HeaderName>,
    action: Setting<ExistsAction>,
    values: Vec<Setting<HeaderValue>>,
}

/// An evaluated `set-header`.
pub(crate) struct HeaderEdit {
    name: HeaderName,
    action: ExistsAction,
    values: SmallVec<[HeaderValue; 2]>,
}

impl SetHeader {
    pub(crate) fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        let name = compiler.attribute(node, "name");
        let action = compiler.attribute(node, "exists-action");
        let values: Vec<_> = node.children("value").map(|v| compiler.text(v)).collect();
        let policy = Self {
            name: name?,
            action: action?,
            values: values.into_iter().collect::<Option<_>>()?,
        };
        if let Setting::Literal(name) = &policy.name
            && is_immutable(name)
        {
            let message = format!("the header `{name}` belongs to the gateway; setting it has no effect");
            compiler.report(
                Finding::on(node.element, "no-effect", message)
                    .warning()
                    .help("remove the policy"),
            );
        }
        Some(policy)
    }

    pub(crate) fn evaluate(&self, run: &mut Run<'_>) -> Result<HeaderEdit, Failure> {
        let name = self.name.get(run)?.into_owned();
        let action = *self.action.get(run)?;
        let mut values = SmallVec::new();
        if action != ExistsAction::Delete {
            for value in &self.values {
                values.push(value.get(run)?.into_owned());
            }
        }
        run.detail("name", || name.to_string());
        run.detail("value", || String::from_utf8_lossy(&join(&values)).into_owned());
        Ok(HeaderEdit { name, action, values })
    }
}

impl HeaderEdit {
    pub(crate) fn apply(mut self, headers: &mut HeaderMap) {
        if is_immutable(&self.name) {
            return;
        }
        match self.action {
            // "Server" is documented to stay, like the headers of the connection.
            ExistsAction::Delete if self.name == header::SERVER => return,
            ExistsAction::Delete => {
                headers.remove(&self.name);
                return;
            }
            ExistsAction::Skip if headers.contains_key(&self.name) => return,
            ExistsAction::Append => {
                if !has_own_lines(&self.name) {
                    let old = headers.remove(&self.name);
                    self.values.insert_many(0, old);
                }
            }
            ExistsAction::Override | ExistsAction::Skip => {
                headers.remove(&self.name);
            }
        }
        if has_own_lines(&self.name) || self.values.len() == 1 {
            for value in self.values {
                headers.append(self.name.clone(), value);
            }
        } else if let Ok(value) = HeaderValue::from_bytes(&join(&self.values))
            && !self.values.is_empty()
        {
            headers.append(self.name, value);
        }
    }
}

fn join(values: &[HeaderValue]) -> Vec<u8> {
    values
        .iter()
        .map(HeaderValue::as_bytes)
        .collect::<Vec<_>>()
        .join(&b","[..])
}

/// Headers that describe the connection or the framing, which policies cannot change.
fn is_immutable(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION | header::CONTENT_LENGTH | header::TRANSFER_ENCODING
    ) || name.as_str() == "keep-alive"
}

/// Headers whose several values are sent as several lines; a comma can be part of a value.
fn has_own_lines(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::USER_AGENT
            | header::WWW_AUTHENTICATE
            | header::PROXY_AUTHENTICATE
            | header::COOKIE
            | header::SET_COOKIE
            | header::WARNING
            | header::DATE
            | header::EXPIRES
            | header::IF_MODIFIED_SINCE
            | header::IF_UNMODIFIED_SINCE
            | header::LAST_MODIFIED
            | header::RETRY_AFTER
    )
}

impl Policy for SetHeader {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let edit = self.evaluate(run)?;
        edit.apply(run.headers());
        Ok(Flow::Next)
    }
}

impl FromValue for HeaderName {
    fn literal(text: &str) -> Result<Self, String> {
        HeaderName::from_bytes(text.trim().as_bytes()).map_err(|_| "a header name".into())
    }
}

impl FromValue for HeaderValue {
    fn literal(text: &str) -> Result<Self, String> {
        HeaderValue::from_bytes(text.trim().as_bytes())
            .map_err(|_| "a header value, without line breaks".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{check, check_load, check_with};

    /// `given` and `expected` are header lines of the request; the policy is the rest.
    #[track_caller]
    fn edit(given: &[(&'static str, &'static str)], attributes: &str, values: &str, expected: &str) {
        let values: String = values
            .split('|')
            .filter(|v| !v.is_empty())
            .map(|v| format!("<value>{v}</value>"))
            .collect();
        check_with(
            "inbound",
            &format!("<set-header {attributes}>{values}</set-header>"),
            |context| {
                for (name, value) in given {
                    context
                        .request
                        .headers
                        .append(*name, HeaderValue::from_static(value));
                }
            },
            &[],
            &format!("forward{expected}; 200"),
        );
    }

    #[test]
    fn actions_do_what_they_are_called() {
        edit(&[], "name='X-A'", "1", " x-a: 1");
        edit(&[("x-a", "0")], "name='X-A'", "1|2", " x-a: 1,2");
        edit(&[("x-a", "0")], "name='X-A' exists-action='skip'", "1", " x-a: 0");
        edit(&[], "name='X-A' exists-action='skip'", "1", " x-a: 1");
        edit(
            &[("x-a", "0")],
            "name='X-A' exists-action='append'",
            "1|2",
            " x-a: 0,1,2",
        );
        edit(
            &[("x-a", "0"), ("x-b", "1")],
            "name='X-A' exists-action='delete'",
            "",
            " x-b: 1",
        );
        edit(&[("x-a", "0")], "name='X-A'", "", "");
    }

    #[test]
    fn some_headers_keep_a_line_for_each_value() {
        edit(
            &[("cookie", "a")],
            "name='Cookie' exists-action='append'",
            "b|c",
            " cookie: a cookie: b cookie: c",
        );
    }

    #[test]
    fn framing_headers_stay() {
        edit(
            &[("content-length", "3")],
            "name='Content-Length'",
            "9",
            " content-length: 3",
        );
    }

    #[test]
    fn each_section_edits_its_own_message() {
        let text = "<set-header name='X-A'><value> 1 </value></set-header>";
        check("outbound", text, &[], "forward; 200 x-a: 1");
        check(
            "on-error",
            text,
            &["timeout"],
            "forward; 500 forward-request/Timeout x-a: 1",
        );
    }

    #[test]
    fn mistakes_refuse_the_document() {
        for (attributes, expected) in [
            (
                "exists-action='skip'",
                "missing-attribute: `set-header` needs the attribute `name`",
            ),
            (
                "name='a b'",
                "bad-value: `name` of `set-header` must be a header name",
            ),
            (
                "name='a' exists-action='overide'",
                "bad-value: `exists-action` of `set-header` must be one of `override`, `skip`, `append`, `delete`; did you mean `override`?",
            ),
        ] {
            check_load("inbound", &format!("<set-header {attributes}/>"), expected);
        }
    }
}
