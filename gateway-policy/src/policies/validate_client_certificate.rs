//! `validate-client-certificate`: requires a client certificate that is valid and one of those listed.
//!
//! Source: "Validate client certificate" policy page; `policies.md` §4. Fail closed: trust is what the TLS listener
//! verified, the issuer must be at hand to be compared, and the authorities must affirm that nothing is revoked: the
//! agent asks their lists, and when nobody says, the certificate is refused.

mod identity;

use gateway_dotnet::crypto::Certificate;
use http::StatusCode;
use identity::{Identity, Issuer};

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    effect::{Effect, Outcome, Revocation},
    exec::Run,
    failure::{Failure, Refusal},
    scope::{Scopes, Sections},
};

/// Most identities, as documented.
const IDENTITIES_MAX: usize = 10;

static IDENTITY: ElementDef = ElementDef::new(
    "identity",
    "An accepted certificate: all its attributes must match.",
)
.attributes(&[
    attr("thumbprint", "SHA-1 of the certificate, hex."),
    attr("serial-number", "Serial number, hex."),
    attr("common-name", "Common name of the subject."),
    attr("subject", "The whole subject, such as `CN=client, O=Contoso`."),
    attr("dns-name", "A DNS name among the alternative names."),
    attr("issuer-subject", "The whole subject of the issuer."),
    attr("issuer-thumbprint", "SHA-1 of the issuer's certificate, hex."),
    attr(
        "issuer-certificate-id",
        "Id of the issuer's certificate; not together with the other attributes of the issuer.",
    ),
]);
static IDENTITIES: ElementDef = ElementDef::new(
    "identities",
    "Accepted certificates, at most 10: one of them must match.",
)
.children(&[Child::any(&IDENTITY)]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "validate-client-certificate",
        "Requires a valid client certificate, and one of the listed ones if there are any.",
    )
    .attributes(&[
        attr(
            "validate-revocation",
            "Refuse certificates that are revoked, or whose authorities publish no revocation list that can be fetched.",
        )
        .default("true"),
        attr("validate-trust", "The chain must lead to a trusted authority.").default("true"),
        attr("validate-not-before", "The certificate must be valid already.").default("true"),
        attr("validate-not-after", "The certificate must not have expired.").default("true"),
        attr("ignore-error", "Go on when a check fails.").default("false"),
    ])
    .children(&[Child::optional(&IDENTITIES)]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<validate-client-certificate validate-revocation="false" validate-trust="true" validate-not-before="true" validate-not-after="true" ignore-error="false">
    <identities>
        <identity subject="C=US, ST=Illinois, L=Chicago, O=Contoso, CN=*.contoso.com" />
    </identities>
</validate-client-certificate>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let mut flag = |name| compiler.literal::<bool>(node, name);
    let (revocation, trust) = (flag("validate-revocation"), flag("validate-trust"));
    let (not_before, not_after) = (flag("validate-not-before"), flag("validate-not-after"));
    let ignore_error = flag("ignore-error");
    let listed: Vec<Node<'_>> = node
        .child("identities")
        .map_or_else(Vec::new, |n| n.children("identity").collect());
    if listed.len() > IDENTITIES_MAX {
        let message = format!(
            "there are {} identities, and at most {IDENTITIES_MAX} are allowed",
            listed.len()
        );
        let help = "split them over several policies, or list what they have in common";
        compiler.report(Finding::on(node.element, "too-many", message).help(help));
    }
    let identities: Vec<_> = listed.into_iter().map(|n| Identity::build(compiler, n)).collect();
    compiler.policy(ValidateClientCertificate {
        revocation: revocation?,
        trust: trust?,
        not_before: not_before?,
        not_after: not_after?,
        ignore_error: ignore_error?,
        identities: identities.into_iter().collect::<Option<_>>()?,
    });
    Some(())
}

#[derive(Debug)]
struct ValidateClientCertificate {
    revocation: bool,
    trust: bool,
    not_before: bool,
    not_after: bool,
    ignore_error: bool,
    identities: Vec<Identity>,
}

impl Policy for ValidateClientCertificate {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        match self.check(run) {
            Ok(()) if self.revocation => Ok(Flow::Ask(Effect::Revocation)),
            Ok(()) => Ok(Flow::Next),
            Err((reason, why)) => self.refuse(run, reason, why),
        }
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let (reason, why) = match outcome {
            Outcome::Revocation(Revocation::Good) => return Ok(Flow::Next),
            Outcome::Revocation(Revocation::Revoked) => {
                ("ClientCertificateRevoked", "The client's certificate is revoked.")
            }
            Outcome::Revocation(Revocation::Unknown(why)) => {
                run.detail("unknown", || why);
                (
                    "ClientCertificateRevocationUnknown",
                    "Whether the client's certificate is revoked cannot be checked.",
                )
            }
            other => return Err(run.unexpected(other)),
        };
        self.refuse(run, reason, why)
    }
}

impl ValidateClientCertificate {
    /// The refusal, unless errors are ignored.
    fn refuse(&self, run: &mut Run<'_>, reason: &'static str, why: &'static str) -> Result<Flow, Failure> {
        run.detail("failed", || why.to_owned());
        if self.ignore_error {
            return Ok(Flow::Next);
        }
        Err(Failure::Refused(Box::new(Refusal {
            source: "validate-client-certificate",
            reason,
            message: format!("{why} Access denied."),
            status: StatusCode::FORBIDDEN,
            public: "Invalid client certificate.".to_owned(),
            headers: Vec::new(),
        })))
    }

    /// `LastError.Reason` and why, when the certificate is not accepted.
    fn check(&self, run: &Run<'_>) -> Result<(), (&'static str, &'static str)> {
        let Some(der) = run.context.request.certificate.as_deref() else {
            return Err(("ClientCertificateNotFound", "The client sent no certificate."));
        };
        let Ok(certificate) = Certificate::new(der, "") else {
            return Err((
                "ClientCertificateInvalid",
                "The client's certificate cannot be read.",
            ));
        };
        let now = run.world.utc_now_ticks();
        if self.not_before && now < certificate.not_before_ticks() {
            return Err((
                "ClientCertificateNotYetValid",
                "The client's certificate is not valid yet.",
            ));
        }
        if self.not_after && now > certificate.not_after_ticks() {
            return Err((
                "ClientCertificateExpired",
                "The client's certificate has expired.",
            ));
        }
        if self.trust && !run.exchange.certificate_trusted {
            let why = "The chain of the client's certificate leads to no trusted authority.";
            return Err(("ClientCertificateNotTrusted", why));
        }
        let issuer = Issuer::new(&run.context.deployment.certificates, der, now);
        let matches = |identity: &Identity| identity.matches(&certificate, &issuer);
        if !self.identities.is_empty() && !self.identities.iter().any(matches) {
            let why = "The client's certificate is none of the listed ones.";
            return Err(("ClientCertificateIdentityNotMatched", why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
