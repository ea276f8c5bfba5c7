//! `validate-status-code`: answers only with status codes the API documents.
//!
//! Source: "Validate status code" policy page; `policies.md` §10. A `default` answer documents every code.

use std::sync::Arc;

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, ElementDef, attr},
    validation::{Action, Error, Errors},
};
use crate::{
    compile::{Compiler, Node},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{Bounded, Setting},
};

static CODE: ElementDef = ElementDef::new(
    "status-code",
    "An action of its own for a code the API does not document.",
)
.attributes(&[
    attr("code", "The status code.").required(),
    attr("action", "What is done about it.")
        .required()
        .expression()
        .words(Action::WORDS),
]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "validate-status-code",
        "Checks that the API documents the answer's status code.",
    )
    .attributes(&[
        attr(
            "unspecified-status-code-action",
            "What is done about codes the API does not document.",
        )
        .required()
        .expression()
        .words(Action::WORDS),
        attr("errors-variable-name", "Variable for the list of errors."),
    ])
    .children(&[Child::any(&CODE)]),
    sections: Sections::O.and(Sections::E),
    tolerated: Sections::O.and(Sections::E),
    scopes: Scopes::ALL,
    once: true,
    example: r#"<validate-status-code unspecified-status-code-action="prevent" errors-variable-name="responseCodeErrors">
    <status-code code="418" action="detect" />
</validate-status-code>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let unspecified = compiler.attribute(node, "unspecified-status-code-action");
    let variable = compiler.literal(node, "errors-variable-name");
    let codes: Vec<_> = node
        .children("status-code")
        .map(|n| {
            let code: Option<Bounded<100, 999>> = compiler.literal(n, "code");
            let action = compiler.attribute(n, "action");
            Some((code?.unsigned() as u16, action?))
        })
        .collect();
    compiler.policy(ValidateStatusCode {
        unspecified: unspecified?,
        variable,
        codes: codes.into_iter().collect::<Option<_>>()?,
    });
    Some(())
}

#[derive(Debug)]
struct ValidateStatusCode {
    unspecified: Setting<Action>,
    variable: Option<Arc<str>>,
    codes: Vec<(u16, Setting<Action>)>,
}

impl Policy for ValidateStatusCode {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let code = run.response().status.as_u16();
        run.detail("code", || code.to_string());
        let own = self.codes.iter().find(|(c, _)| *c == code);
        let action = *own.map_or(&self.unspecified, |(_, action)| action).get(run)?;
        let mut errors = Errors::default();
        match &run.exchange.definitions.operation {
            None => errors.add(action, Error::no_schema()),
            Some(operation) if operation.answer(code).is_none() => {
                let details = format!("Response status code {code} is not allowed.");
                let error = Error::new(&code.to_string(), "StatusCode", "Unspecified", details);
                errors.add(action, error.internal());
            }
            Some(_) => {}
        }
        errors.settle(run, self.variable.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_defined, check_load};

    const OPENAPI: &str = r#"{"openapi": "3.0.1", "responses": {"200": {}, "4XX": {}}}"#;
    const POLICY: &str = "<validate-status-code unspecified-status-code-action='prevent' errors-variable-name='e'>\
        <status-code code='201' action='ignore'/><status-code code='202' action='detect'/></validate-status-code>";

    #[test]
    fn codes_are_documented_or_acted_upon() {
        for (backend, expected) in [
            ("200", "forward; 200"),
            ("404", "forward; 404"),
            ("201", "forward; 201"),
            (
                "202",
                r#"forward; 202 $e=[{"Name":"202","Type":"StatusCode","ValidationRule":"Unspecified","Details":"Response status code 202 is not allowed.","Action":"detect"}]"#,
            ),
            (
                "500",
                r#"forward; 502 validate-status-code/Response not allowed 'Response status code 500 is not allowed.' public 'The request could not be processed due to an internal error. Contact the API owner.' $e=[{"Name":"500","Type":"StatusCode","ValidationRule":"Unspecified","Details":"Response status code 500 is not allowed.","Action":"prevent"}]"#,
            ),
        ] {
            check_defined(OPENAPI, "outbound", POLICY, |_| {}, &[backend], expected);
        }
    }

    #[test]
    fn without_a_definition_nothing_is_documented() {
        check(
            "outbound",
            "<validate-status-code unspecified-status-code-action='prevent'/>",
            &["200"],
            "forward; 502 validate-status-code/Response not allowed",
        );
        check(
            "outbound",
            "<validate-status-code unspecified-status-code-action='detect'/>",
            &["200"],
            "forward; 200",
        );
    }

    #[test]
    fn attributes() {
        for (text, expected) in [
            (
                "<validate-status-code/>",
                "missing-attribute: `validate-status-code` needs the attribute `unspecified-status-code-action`",
            ),
            (
                "<validate-status-code unspecified-status-code-action='stop'/>",
                "bad-value: `unspecified-status-code-action` of `validate-status-code` must be one of `ignore`, `prevent`, `detect`",
            ),
            (
                "<validate-status-code unspecified-status-code-action=\"@(&quot;ignore&quot;)\"><status-code code='2' action='ignore'/></validate-status-code>",
                "bad-value: `code` of `status-code` must be a whole number from 100 to 999",
            ),
            (
                "<validate-status-code unspecified-status-code-action=\"@(&quot;ignore&quot;)\"/>",
                "loads",
            ),
        ] {
            check_load("outbound", text, expected);
        }
    }
}
