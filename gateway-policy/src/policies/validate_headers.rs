//! `validate-headers`: answers only with headers the API documents, with values as documented.
//!
//! Source: "Validate headers" policy page; `policies.md` §10.

use std::sync::Arc;

use http::HeaderName;

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, ElementDef, attr},
    validate_parameters::{Kind, Values, check_value, header_texts},
    validation::{Action, Error, Errors},
};
use crate::{
    compile::{Compiler, Node},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::Setting,
};

static HEADER: ElementDef = ElementDef::new(
    "header",
    "An action of its own for one header, documented or not.",
)
.attributes(&[
    attr("name", "Name of the header.").required(),
    attr("action", "What is done about it.")
        .required()
        .expression()
        .words(Action::WORDS),
]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "validate-headers",
        "Checks the answer's headers against those the API documents.",
    )
    .attributes(&[
        attr(
            "specified-header-action",
            "What is done about wrong values of documented headers.",
        )
        .required()
        .expression()
        .words(Action::WORDS),
        attr(
            "unspecified-header-action",
            "What is done about headers the API does not document.",
        )
        .required()
        .expression()
        .words(Action::WORDS),
        attr("errors-variable-name", "Variable for the list of errors."),
    ])
    .children(&[Child::any(&HEADER)]),
    sections: Sections::O.and(Sections::E),
    tolerated: Sections::O.and(Sections::E),
    scopes: Scopes::ALL,
    once: true,
    example: r#"<validate-headers specified-header-action="prevent" unspecified-header-action="ignore" errors-variable-name="responseHeaderErrors">
    <header name="X-Powered-By" action="prevent" />
</validate-headers>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let specified = compiler.attribute(node, "specified-header-action");
    let unspecified = compiler.attribute(node, "unspecified-header-action");
    let variable = compiler.literal(node, "errors-variable-name");
    let headers: Vec<_> = node
        .children("header")
        .map(|n| {
            let name = compiler.literal(n, "name");
            let action = compiler.attribute(n, "action");
            Some((name?, action?))
        })
        .collect();
    compiler.policy(ValidateHeaders {
        specified: specified?,
        unspecified: unspecified?,
        variable,
        headers: headers.into_iter().collect::<Option<_>>()?,
    });
    Some(())
}

#[derive(Debug)]
struct ValidateHeaders {
    specified: Setting<Action>,
    unspecified: Setting<Action>,
    variable: Option<Arc<str>>,
    headers: Vec<(HeaderName, Setting<Action>)>,
}

impl ValidateHeaders {
    fn action(&self, run: &mut Run<'_>, name: &str, specified: bool) -> Result<Action, Failure> {
        let own = self
            .headers
            .iter()
            .find(|(n, _)| n.as_str().eq_ignore_ascii_case(name));
        let general = if specified {
            &self.specified
        } else {
            &self.unspecified
        };
        Ok(*own.map_or(general, |(_, action)| action).get(run)?)
    }
}

impl Policy for ValidateHeaders {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let mut errors = Errors::default();
        let Some(operation) = run.exchange.definitions.operation.clone() else {
            for setting in [&self.specified, &self.unspecified] {
                errors.add(*setting.get(run)?, Error::no_schema());
            }
            return errors.settle(run, self.variable.as_ref());
        };
        let response = run.response();
        let status = response.status.as_u16();
        let given = response.headers.clone();
        let declared = operation.answer(status).map_or(&[][..], |a| a.headers.as_slice());
        for name in given.keys() {
            if declared
                .iter()
                .any(|h| h.name.eq_ignore_ascii_case(name.as_str()))
            {
                continue;
            }
            let action = self.action(run, name.as_str(), false)?;
            let details = format!("Unspecified header {name} is not allowed.");
            let error = Error::new(name.as_str(), "ResponseHeader", "Unspecified", details);
            errors.add(action, error.internal());
        }
        for header in declared {
            let action = self.action(run, &header.name, true)?;
            if action == Action::Ignore {
                continue;
            }
            let texts = header_texts(&given, &header.name);
            let kind = Kind::ResponseHeader;
            if let Some(error) = check_value(&operation.api, header, kind, &Values::Texts(texts)) {
                errors.add(action, error);
            }
        }
        errors.settle(run, self.variable.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check_defined, check_load};

    const OPENAPI: &str = r##"{"openapi": "3.0.1", "responses": {"200": {"headers": {
        "X-Count": {"schema": {"type": "integer", "maximum": 9}},
        "X-Must": {"required": true, "schema": {"type": "string"}}
    }}}}"##;

    #[track_caller]
    fn call(actions: &str, headers: &str, expected: &str) {
        let set: String = headers
            .split('|')
            .filter_map(|h| h.split_once('='))
            .map(|(n, v)| {
                format!("<set-header name='{n}' exists-action='append'><value>{v}</value></set-header>")
            })
            .collect();
        let text = format!(
            "{set}<validate-headers {actions}><header name='x-free' action='ignore'/></validate-headers>\
             <set-header name='X-Count' exists-action='delete'/><set-header name='X-Must' exists-action='delete'/>\
             <set-header name='X-Free' exists-action='delete'/>"
        );
        check_defined(OPENAPI, "outbound", &text, |_| {}, &["200"], expected);
    }

    #[test]
    fn headers_are_documented_and_right_or_acted_upon() {
        let strict = "specified-header-action='prevent' unspecified-header-action='prevent'";
        let refused = |details: &str| {
            format!(
                "forward; 502 validate-headers/Response not allowed '{details}' public 'The request could not be \
                 processed due to an internal error. Contact the API owner.'"
            )
        };
        call(strict, "X-Must=a|X-Count=5|X-Free=z", "forward; 200");
        for (headers, details) in [
            ("X-Must=a|X-Other=1", "Unspecified header x-other is not allowed."),
            (
                "X-Must=a|X-Count=12",
                "Value of the header X-Count does not conform to the definition. Integer 12 exceeds maximum value of 9. Line: 1, Position: 2",
            ),
            (
                "X-Must=a|X-Count=x",
                "Value of the header X-Count cannot be parsed according to the definition. Could not convert 'x' to integer.",
            ),
            (
                "X-Must=a|X-Count=1|X-Count=2",
                "Value of the header X-Count cannot be parsed according to the definition. Could not convert '1,2' to integer.",
            ),
            (
                "X-Count=1",
                "Value of the header X-Must does not conform to the definition. The header is required. Line: 1, Position: 0",
            ),
        ] {
            call(strict, headers, &refused(details));
        }
        let lax =
            "specified-header-action='ignore' unspecified-header-action='detect' errors-variable-name='e'";
        call(
            lax,
            "X-Count=12|X-Other=1",
            r#"forward; 200 x-other: 1 $e=[{"Name":"x-other","Type":"ResponseHeader","ValidationRule":"Unspecified","Details":"Unspecified header x-other is not allowed.","Action":"detect"}]"#,
        );
    }

    #[test]
    fn attributes() {
        check_load(
            "outbound",
            "<validate-headers unspecified-header-action='ignore'/>",
            "missing-attribute: `validate-headers` needs the attribute `specified-header-action`",
        );
        check_load(
            "outbound",
            "<validate-headers specified-header-action='ignore' unspecified-header-action='ignore'><header name='a'/></validate-headers>",
            "missing-attribute: `header` needs the attribute `action`",
        );
    }
}
