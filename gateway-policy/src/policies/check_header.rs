//! `check-header`: refuses requests without a header, or without the right value of it.
//!
//! Source: "Check HTTP header" policy page; `policies.md` §4. A header of several values passes when the
//! joined text or any single value is accepted.

use std::sync::Arc;

use http::{HeaderName, StatusCode};

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Node},
    exec::Run,
    failure::{Failure, Refusal},
    scope::{Scopes, Sections},
    setting::{Setting, optional},
};

static VALUE: ElementDef = ElementDef::new("value", "An accepted value.").content(Content::Text);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "check-header",
        "Requires a header, and one of the listed values if there are any.",
    )
    .attributes(&[
        attr("name", "Name of the header.").required().expression(),
        attr("failed-check-httpcode", "Status of the refusal.")
            .required()
            .expression(),
        attr("failed-check-error-message", "Message of the refusal.").expression(),
        attr("ignore-case", "Compare values without case.")
            .expression()
            .default("false"),
    ])
    .children(&[Child::any(&VALUE)]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<check-header name="X-Client" failed-check-httpcode="401" failed-check-error-message="Not authorized" ignore-case="false">
    <value>mobile</value>
    <value>web</value>
</check-header>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let name = compiler.attribute(node, "name");
    let status = compiler.attribute(node, "failed-check-httpcode");
    let message = compiler.attribute(node, "failed-check-error-message");
    let ignore_case = compiler.attribute(node, "ignore-case");
    let values: Vec<_> = node.children("value").map(|v| compiler.text(v)).collect();
    let values = values.into_iter().collect::<Option<_>>();
    compiler.policy(CheckHeader {
        name: name?,
        status: status?,
        message,
        ignore_case: ignore_case?,
        values: values?,
    });
    Some(())
}

#[derive(Debug)]
struct CheckHeader {
    name: Setting<HeaderName>,
    status: Setting<StatusCode>,
    message: Option<Setting<Arc<str>>>,
    ignore_case: Setting<bool>,
    values: Vec<Setting<Arc<str>>>,
}

impl Policy for CheckHeader {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let name = self.name.get(run)?.into_owned();
        run.detail("name", || name.to_string());
        let lines = run.context.request.headers.get_all(&name).iter();
        let given: Vec<String> = lines
            .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
            .collect();
        if given.is_empty() {
            let message = format!("Header {name} was not found in the request. Access denied.");
            return Err(self.refuse(run, "HeaderNotFound", message)?);
        }
        if self.values.is_empty() {
            return Ok(Flow::Next);
        }
        let ignore_case = *self.ignore_case.get(run)?;
        let joined = given.join(",");
        for value in &self.values {
            let value = value.get(run)?;
            let accepted = value.trim();
            let equal = |g: &str| {
                if ignore_case {
                    same_ignoring_case(g, accepted)
                } else {
                    g == accepted
                }
            };
            if equal(&joined) || given.iter().any(|g| equal(g)) {
                return Ok(Flow::Next);
            }
        }
        let message = format!("Header {name} value of {joined} is not allowed. Access denied.");
        Err(self.refuse(run, "HeaderValueNotAllowed", message)?)
    }
}

fn same_ignoring_case(a: &str, b: &str) -> bool {
    a.chars()
        .flat_map(char::to_lowercase)
        .eq(b.chars().flat_map(char::to_lowercase))
}

impl CheckHeader {
    fn refuse(&self, run: &mut Run<'_>, reason: &'static str, message: String) -> Result<Failure, Failure> {
        let public = optional(self.message.as_ref(), run)?;
        let public = public.map_or_else(|| message.clone(), |m| m.to_string());
        let status = *self.status.get(run)?;
        let source = "check-header";
        Ok(Failure::Refused(Box::new(Refusal {
            source,
            reason,
            message,
            status,
            public,
            headers: Vec::new(),
        })))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use crate::test_support::{check_load, check_with};

    #[track_caller]
    fn call(lines: &[&'static str], ignore_case: &str, values: &str, expected: &str) {
        let values: String = values
            .split('|')
            .filter(|v| !v.is_empty())
            .map(|v| format!("<value>{v}</value>"))
            .collect();
        check_with(
            "inbound",
            &format!(
                "<check-header name='X-Key' failed-check-httpcode='401' failed-check-error-message='Go away' \
                 ignore-case='{ignore_case}'>{values}</check-header><set-header name='x-key' exists-action='delete'/>"
            ),
            |context| {
                for line in lines {
                    context
                        .request
                        .headers
                        .append("x-key", HeaderValue::from_static(line));
                }
            },
            &[],
            expected,
        );
    }

    const IN: &str = "forward; 200";
    const WRONG: &str = "401 check-header/HeaderValueNotAllowed";

    #[test]
    fn presence_and_values_are_checked() {
        for (lines, ignore_case, values, expected) in [
            (&[][..], "false", "", "401 check-header/HeaderNotFound"),
            (&[""], "false", "", IN),
            (&["a"], "false", "a|b", IN),
            (&["B"], "false", "a|b", WRONG),
            (&["B"], "true", "a|b", IN),
            (&["x", "b"], "false", "a|b", IN),
            (&["x", "y"], "false", "x,y", IN),
            (&["x"], "false", "xx", WRONG),
        ] {
            call(lines, ignore_case, values, expected);
        }
    }

    #[test]
    fn the_status_is_required() {
        check_load(
            "inbound",
            "<check-header name='a'/>",
            "missing-attribute: `check-header` needs the attribute `failed-check-httpcode`",
        );
    }
}
