//! `authentication-managed-identity`: an access token of the node's own identity for the backend.
//!
//! Source: "Authenticate with managed identity" policy page; `policies.md` §4. With an output variable the
//! header is not set: documents that use one set it by hand.

use std::sync::Arc;

use gateway_expr::Value;
use http::{HeaderValue, header};

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    effect::{Effect, Outcome, TokenRequest},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{Setting, keywords, optional},
};

/// Also a child of `send-request`.
pub(crate) static ELEMENT: ElementDef = ElementDef::new(
    "authentication-managed-identity",
    "Authenticates with a managed identity.",
)
.attributes(&[
    attr("resource", "Application id URI of the target.")
        .required()
        .expression(),
    attr(
        "client-id",
        "A user-assigned identity; absent: the system-assigned one.",
    )
    .expression(),
    attr(
        "output-token-variable-name",
        "Variable for the token, instead of the header.",
    ),
    attr("ignore-error", "Go on without a token when there is none.").default("false"),
    attr(
        "authentication-provider",
        "Where the token comes from; `WorkloadIdentity`: only the pod's federated token, without `client-id`.",
    )
    .default("ManagedIdentity")
    .words(Provider::WORDS),
]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ELEMENT,
    sections: Sections::I,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<authentication-managed-identity resource="https://vault.azure.net" output-token-variable-name="token" />"#,
    build,
};

keywords! {
    /// `authentication-provider`
    Provider { ManagedIdentity = "ManagedIdentity", WorkloadIdentity = "WorkloadIdentity" }
}

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let policy = ManagedIdentity::build(compiler, node)?;
    compiler.policy(policy);
    Some(())
}

#[derive(Debug)]
pub(crate) struct ManagedIdentity {
    resource: Setting<Arc<str>>,
    client_id: Option<Setting<Arc<str>>>,
    variable: Option<Arc<str>>,
    ignore_error: bool,
    provider: Provider,
}

impl ManagedIdentity {
    pub(crate) fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        let resource = compiler.attribute(node, "resource");
        let client_id = compiler.attribute(node, "client-id");
        let variable = compiler.literal(node, "output-token-variable-name");
        let ignore_error = compiler.literal(node, "ignore-error");
        let provider = compiler.literal(node, "authentication-provider")?;
        if provider == Provider::WorkloadIdentity && node.has("client-id") {
            let message = "`client-id` cannot be chosen with `authentication-provider=\"WorkloadIdentity\"`";
            let help = "the pod's service account says which identity it is; remove `client-id`";
            compiler.report(Finding::on(node.element, "bad-value", message).help(help));
            return None;
        }
        Some(Self {
            resource: resource?,
            client_id,
            variable,
            ignore_error: ignore_error?,
            provider,
        })
    }

    pub(crate) fn ask(&self, run: &mut Run<'_>) -> Result<Effect, Failure> {
        let resource = self.resource.get(run)?.into_owned();
        let client_id = optional(self.client_id.as_ref(), run)?.map(|c| c.into_owned());
        run.detail("resource", || resource.to_string());
        Ok(Effect::Token(Box::new(TokenRequest {
            resource,
            client_id: client_id.filter(|c| !c.is_empty()),
            workload_identity: self.provider == Provider::WorkloadIdentity,
        })))
    }
}

impl Policy for ManagedIdentity {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        Ok(Flow::Ask(self.ask(run)?))
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        match outcome {
            Outcome::Token(token) => match &self.variable {
                Some(name) => run.set_variable(name, Value::string(&token)),
                None => {
                    let value = HeaderValue::from_str(&format!("Bearer {token}"));
                    let value = value.map_err(|_| run.failure("The access token is not a header value."))?;
                    run.context.request.headers.insert(header::AUTHORIZATION, value);
                }
            },
            Outcome::Failed(_) if self.ignore_error => {}
            other => return Err(run.unexpected(other)),
        }
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    fn policy(attributes: &str) -> String {
        format!("<authentication-managed-identity resource='https://r' {attributes}/>")
    }

    #[test]
    fn the_token_goes_into_the_header_or_a_variable() {
        check(
            "inbound",
            &policy(""),
            &["token abc"],
            "token https://r; forward authorization: Bearer abc; 200",
        );
        check(
            "inbound",
            &policy("output-token-variable-name='t'"),
            &["token abc"],
            "token https://r; forward; 200 $t=abc",
        );
    }

    #[test]
    fn no_token_is_a_failure_unless_ignored() {
        check(
            "inbound",
            &policy(""),
            &["refused"],
            "token https://r; 500 authentication-managed-identity/BackendConnectionFailure",
        );
        check(
            "inbound",
            &policy("ignore-error='true'"),
            &["refused"],
            "token https://r; forward; 200",
        );
        check_load(
            "inbound",
            &policy("authentication-provider='WorkloadIdentity' client-id='c'"),
            "bad-value: `client-id` cannot be chosen with `authentication-provider=\"WorkloadIdentity\"`",
        );
        check_load(
            "inbound",
            "<authentication-managed-identity/>",
            "missing-attribute: `authentication-managed-identity` needs the attribute `resource`",
        );
    }
}
