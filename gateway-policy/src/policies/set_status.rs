//! `set-status`: changes status code and reason phrase of the response.
//!
//! Source: "Set status code" policy page; `policies.md` §7.6. The page requires `reason`; real documents
//! leave it out.

use std::sync::Arc;

use http::StatusCode;

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
};
use crate::{
    compile::{Compiler, Node},
    context::Response,
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{FromValue, Setting, optional},
};

/// Also a child of `return-response`.
pub(crate) static ELEMENT: ElementDef = ElementDef::new("set-status", "Sets the status of the response.")
    .attributes(&[
        attr("code", "Status code, 100 to 999.").required().expression(),
        attr("reason", "Reason phrase; absent: the code's standard one.").expression(),
    ]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ELEMENT,
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<set-status code="202" reason="Accepted" />"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let policy = SetStatus::build(compiler, node)?;
    compiler.policy(policy);
    Some(())
}

#[derive(Debug)]
pub(crate) struct SetStatus {
    code: Setting<StatusCode>,
    reason: Option<Setting<Arc<str>>>,
}

impl SetStatus {
    pub(crate) fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        let code = compiler.attribute(node, "code");
        let reason = compiler.attribute(node, "reason");
        Some(Self { code: code?, reason })
    }

    pub(crate) fn apply(&self, run: &mut Run<'_>, response: &mut Response) -> Result<(), Failure> {
        response.status = *self.code.get(run)?;
        let reason = optional(self.reason.as_ref(), run)?.filter(|r| !r.is_empty());
        response.reason = reason.map(|r| r.into_owned());
        run.detail("code", || response.status.as_u16().to_string());
        Ok(())
    }
}

impl Policy for SetStatus {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let mut status = Response::default();
        self.apply(run, &mut status)?;
        let response = run.response();
        (response.status, response.reason) = (status.status, status.reason);
        Ok(Flow::Next)
    }
}

impl FromValue for StatusCode {
    fn literal(text: &str) -> Result<Self, String> {
        let code = text
            .trim()
            .parse()
            .ok()
            .and_then(|c| StatusCode::from_u16(c).ok());
        code.ok_or_else(|| "a status code from 100 to 999".into())
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    #[test]
    fn status_and_reason_change_together() {
        check(
            "outbound",
            "<set-status code='202' reason='Taken'/>",
            &[],
            "forward; 202 (Taken)",
        );
        check("outbound", "<set-status code='404'/>", &[], "forward; 404");
        check(
            "on-error",
            "<set-status code='418' reason=''/>",
            &["timeout"],
            "forward; 418 forward-request/Timeout",
        );
    }

    #[test]
    fn a_code_is_a_code() {
        for code in ["99", "1000", "ok", ""] {
            check_load(
                "outbound",
                &format!("<set-status code='{code}' reason='x'/>"),
                "bad-value: `code` of `set-status` must be a status code from 100 to 999",
            );
        }
    }
}
