//! `authentication-certificate`: the client certificate that a backend sees.
//!
//! Source: "Authenticate with client certificate" policy page; `policies.md` §4. The policy only says which
//! certificate; the gateway finds it and shakes hands. One that cannot be found fails the request when it is
//! sent, never lets it go without.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    effect::ClientCertificate,
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{Setting, Untyped, optional},
};

/// Largest PFX taken from a policy: a chain of several certificates with a key has a few KiB.
const PFX_BYTES_MAX: usize = 256 * 1024;

/// Also a child of `send-request`.
pub(crate) static ELEMENT: ElementDef = ElementDef::new(
    "authentication-certificate",
    "Authenticates with a client certificate.",
)
.attributes(&[
    attr("thumbprint", "SHA-1 thumbprint of a certificate entity, hex.").expression(),
    attr("certificate-id", "Name of a certificate entity.").expression(),
    attr(
        "body",
        "The certificate with its key: PFX bytes, or the same as base64 text.",
    )
    .expression(),
    attr("password", "Password of `body`.").expression(),
]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ELEMENT,
    sections: Sections::I,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<authentication-certificate certificate-id="backend-client" />"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let source = CertificateSource::build(compiler, node)?;
    compiler.policy(AuthenticationCertificate { source });
    Some(())
}

/// Which certificate.
#[derive(Debug)]
pub(crate) enum CertificateSource {
    Id(Setting<Arc<str>>),
    Thumbprint(Setting<Arc<str>>),
    Pfx {
        body: Setting<Untyped>,
        password: Option<Setting<Arc<str>>>,
    },
}

impl CertificateSource {
    pub(crate) fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        let given: Vec<_> = ["thumbprint", "certificate-id", "body"]
            .into_iter()
            .filter(|a| node.has(a))
            .collect();
        let [one] = given.as_slice() else {
            let message =
                "`authentication-certificate` needs one of `thumbprint`, `certificate-id` and `body`";
            let help = "say which certificate, once";
            compiler.report(Finding::on(node.element, "missing-attribute", message).help(help));
            return None;
        };
        if node.has("password") && *one != "body" {
            let message = "`password` of `authentication-certificate` is for `body`";
            compiler.report(Finding::on(node.element, "missing-attribute", message).help("remove it"));
            return None;
        }
        Some(match *one {
            "thumbprint" => Self::Thumbprint(compiler.attribute(node, "thumbprint")?),
            "certificate-id" => Self::Id(compiler.attribute(node, "certificate-id")?),
            _ => Self::Pfx {
                body: compiler.attribute(node, "body")?,
                password: compiler.attribute(node, "password"),
            },
        })
    }

    /// The certificate of this run.
    pub(crate) fn certificate(&self, run: &mut Run<'_>) -> Result<ClientCertificate, Failure> {
        Ok(match self {
            Self::Id(id) => {
                let id = id.get(run)?.into_owned();
                run.detail("certificate-id", || id.to_string());
                ClientCertificate::Id(id)
            }
            Self::Thumbprint(thumbprint) => {
                let thumbprint = thumbprint.get(run)?.into_owned();
                run.detail("thumbprint", || thumbprint.to_string());
                ClientCertificate::Thumbprint(thumbprint)
            }
            Self::Pfx { body, password } => {
                let value = body.value(run)?;
                let bytes = value.as_bytes().or_else(|| {
                    let text = value.to_text()?;
                    STANDARD.decode(text.trim()).ok().map(Bytes::from)
                });
                let bytes = bytes
                    .filter(|b| !b.is_empty() && b.len() <= PFX_BYTES_MAX)
                    .ok_or_else(|| run.failure("The body of the client certificate is no PFX."))?;
                let password = optional(password.as_ref(), run)?.map(|p| p.into_owned());
                ClientCertificate::Pfx(bytes, password.unwrap_or_default())
            }
        })
    }
}

#[derive(Debug)]
struct AuthenticationCertificate {
    source: CertificateSource,
}

impl Policy for AuthenticationCertificate {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        run.exchange.certificate = Some(self.source.certificate(run)?);
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    #[test]
    fn the_certificate_goes_with_the_request() {
        for (attributes, expected) in [
            ("certificate-id='c1'", "forward with certificate c1; 200"),
            (
                "thumbprint='@(\"AB\" + \"CD\")'",
                "forward with certificate with thumbprint ABCD; 200",
            ),
            (
                "body='@(Convert.FromBase64String(\"AAEC\"))' password='p'",
                "forward with certificate of the policy's own; 200",
            ),
            ("body='AAEC'", "forward with certificate of the policy's own; 200"),
            ("body='?'", "500 authentication-certificate/PolicyFailure"),
        ] {
            let text = format!("<authentication-certificate {attributes}/>");
            check("inbound", &text, &[], expected);
        }
    }

    #[test]
    fn a_call_of_a_policy_shows_its_own() {
        let text = "<send-request response-variable-name='r'><set-url>https://a.test/</set-url>\
             <authentication-certificate certificate-id='c2'/></send-request>";
        check(
            "inbound",
            text,
            &["timeout"],
            "send GET https://a.test/ with certificate c2; 500 send-request/Timeout",
        );
    }

    #[test]
    fn mistakes_refuse_the_document() {
        let one = "missing-attribute: `authentication-certificate` needs one of `thumbprint`, `certificate-id` and `body`";
        for (attributes, expected) in [
            ("", one),
            ("thumbprint='a' certificate-id='b'", one),
            (
                "certificate-id='b' password='p'",
                "missing-attribute: `password` of `authentication-certificate` is for `body`",
            ),
        ] {
            check_load(
                "inbound",
                &format!("<authentication-certificate {attributes}/>"),
                expected,
            );
        }
    }
}
