//! `validate-azure-ad-token`: requires a token of a Microsoft Entra tenant.
//!
//! Source: "Validate Microsoft Entra token" policy page; `policies.md` §4. The same checks as `validate-jwt`
//! with the tenant's discovery document; tokens of version 1.0 and 2.0 are taken, and the calling application
//! must be one of those listed.

use std::sync::Arc;

use http::HeaderName;

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, Content, ElementDef, attr},
    token_checks::{Checks, Rejection, Source, Verdict},
    validate_jwt::{AUDIENCES, CLAIMS, Common, Discovered, decryption, texts},
};
use crate::{
    compile::{Compiler, Finding, Node},
    effect::{Effect, Outcome},
    exec::Run,
    failure::Failure,
    jose::{Jws, KeySet},
    scope::{Scopes, Sections},
    setting::Setting,
};

static APPLICATION: ElementDef =
    ElementDef::new("application-id", "Id of an application.").content(Content::Text);
static BACKENDS: ElementDef = ElementDef::new(
    "backend-application-ids",
    "Accepted audiences, as application ids.",
)
.children(&[Child::any(&APPLICATION)]);
static CLIENTS: ElementDef = ElementDef::new("client-application-ids", "Applications that may call.")
    .children(&[Child::any(&APPLICATION)]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "validate-azure-ad-token",
        "Requires a valid token of a Microsoft Entra tenant.",
    )
    .attributes(&[
        attr(
            "tenant-id",
            "Id or domain of the tenant, `organizations` or `common`.",
        )
        .required()
        .expression(),
        attr("header-name", "Header that holds the token.")
            .expression()
            .default("Authorization"),
        attr("query-parameter-name", "Query parameter that holds the token.").expression(),
        attr("token-value", "The token itself.").expression(),
        attr("authentication-endpoint", "Where tenants are found.")
            .expression()
            .default("https://login.microsoftonline.com"),
        attr("failed-validation-httpcode", "Status of the refusal.")
            .expression()
            .default("401"),
        attr(
            "failed-validation-error-message",
            "Message of the refusal; absent: by its reason.",
        )
        .expression(),
        attr("require-scheme", "Scheme of the `Authorization` header.").expression(),
        attr(
            "allow-protected-forwarded-tokens",
            "Take protected forwarded tokens; only `false` is supported.",
        )
        .default("false"),
        attr(
            "allow-proof-of-possession-tokens",
            "Take proof-of-possession tokens; only `false` is supported.",
        )
        .default("false"),
        attr(
            "output-token-variable-name",
            "Variable for the token, as a `Jwt`.",
        ),
    ])
    .children(&[
        Child::optional(&BACKENDS),
        Child::optional(&CLIENTS),
        Child::optional(&AUDIENCES),
        Child::optional(&CLAIMS),
        Child::optional(&decryption::KEYS),
    ]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<validate-azure-ad-token tenant-id="contoso.onmicrosoft.com">
    <client-application-ids>
        <application-id>11111111-2222-3333-4444-555555555555</application-id>
    </client-application-ids>
</validate-azure-ad-token>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let scheme = compiler.attribute(node, "require-scheme");
    let source = if node.has("query-parameter-name") {
        compiler
            .attribute(node, "query-parameter-name")
            .map(Source::Query)
    } else if node.has("token-value") {
        compiler.attribute(node, "token-value").map(Source::Value)
    } else {
        let name: Option<Setting<HeaderName>> = compiler.attribute(node, "header-name");
        name.map(|name| Source::Header { name, scheme })
    };
    let decryption = decryption::Keys::build(compiler, node);
    for name in [
        "allow-protected-forwarded-tokens",
        "allow-proof-of-possession-tokens",
    ] {
        if compiler.literal::<bool>(node, name) == Some(true) {
            let message = format!("`{name}` of `validate-azure-ad-token` can only be `false`");
            let help = "this gateway takes bearer tokens only; remove the attribute";
            compiler.report(Finding::on(node.element, "unsupported-attribute", message).help(help));
        }
    }
    let tenant = compiler.attribute(node, "tenant-id");
    let endpoint = compiler.attribute(node, "authentication-endpoint");
    let backends = texts(compiler, node.child("backend-application-ids"), "application-id");
    let clients = texts(compiler, node.child("client-application-ids"), "application-id");
    let mut common = Common::build(compiler, node)?;
    common.audiences.extend(backends?);
    compiler.policy(ValidateAzureAdToken {
        source: source?,
        tenant: tenant?,
        endpoint: endpoint?,
        clients: clients?,
        decryption: decryption?,
        common,
    });
    Some(())
}

#[derive(Debug)]
struct ValidateAzureAdToken {
    source: Source,
    tenant: Setting<Arc<str>>,
    endpoint: Setting<Arc<str>>,
    clients: Vec<Setting<Arc<str>>>,
    decryption: decryption::Keys,
    common: Common,
}

const NAME: &str = "validate-azure-ad-token";

impl ValidateAzureAdToken {
    /// `…/{tenant}/v2.0/.well-known/openid-configuration`; a tenant may be given as its whole URL.
    fn discovery(&self, run: &mut Run<'_>) -> Result<Arc<str>, Failure> {
        let tenant = self.tenant.get(run)?.trim().trim_end_matches('/').to_owned();
        let endpoint = self.endpoint.get(run)?.trim().trim_end_matches('/').to_owned();
        let base = if tenant.contains("://") {
            tenant
        } else if endpoint.contains("://") {
            format!("{endpoint}/{tenant}")
        } else {
            format!("https://{endpoint}/{tenant}")
        };
        Ok(format!("{base}/v2.0/.well-known/openid-configuration").into())
    }

    fn verdict(&self, run: &mut Run<'_>, token: &str) -> Result<Verdict, Failure> {
        let configurations = std::mem::take(&mut run.exchange.discovered.configurations);
        let keys: Vec<&KeySet> = configurations.iter().map(|c| &c.keys).collect();
        let mut issuers: Vec<Arc<str>> = Vec::new();
        for issuer in configurations.iter().filter_map(|c| c.issuer.clone()) {
            // Version 1.0 tokens of the same tenant come from another name.
            if let Some(tenant) = issuer.strip_suffix("/v2.0").and_then(|i| i.rsplit('/').next()) {
                issuers.push(format!("https://sts.windows.net/{tenant}/").into());
            }
            issuers.push(issuer);
        }
        if issuers.is_empty() {
            // Without a known issuer any tenant's token would pass.
            return Ok(Verdict::Rejected(Rejection::new(
                "TokenIssuerNotAllowed",
                "The issuer of the tenant is not known. Access denied.",
            )));
        }
        let checks = Checks {
            keys: &keys,
            issuers: &issuers,
            audiences: &self.common.audiences,
            claims: &self.common.claims,
            require_signed: true,
            require_expiration: true,
            clock_skew: 0.0,
        };
        match checks.verdict(run, token)? {
            Verdict::Accepted => self.client(run, token),
            other => Ok(other),
        }
    }

    /// The calling application: `appid` in version 1.0 tokens, `azp` in version 2.0.
    fn client(&self, run: &mut Run<'_>, token: &str) -> Result<Verdict, Failure> {
        if self.clients.is_empty() {
            return Ok(Verdict::Accepted);
        }
        let jws = match Jws::read(token) {
            Ok(jws) => jws,
            Err(message) => return Ok(Verdict::Rejected(Rejection::new("JwtInvalid", message))),
        };
        let claim = |name: &str| jws.claims().values(name).map(|v| v.join(","));
        let caller = claim("appid").or_else(|| claim("azp")).unwrap_or_default();
        for client in &self.clients {
            if !caller.is_empty() && client.get(run)?.trim().eq_ignore_ascii_case(&caller) {
                return Ok(Verdict::Accepted);
            }
        }
        let message = format!("Claim appid value of {caller} is not allowed. Access denied.");
        Ok(Verdict::Rejected(Rejection::new(
            "TokenClaimValueNotAllowed",
            message,
        )))
    }
}

impl Policy for ValidateAzureAdToken {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        run.exchange.discovered = Discovered::default();
        if self.source.token(run)?.is_none() {
            return Err(self.common.refuse(run, NAME, Rejection::not_present()));
        }
        let url = self.discovery(run)?;
        Ok(Flow::Ask(Effect::OpenId { url, refresh: false }))
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        match outcome {
            Outcome::OpenId(configuration) => run.exchange.discovered.configurations.push(configuration),
            other => return Err(run.unexpected(other)),
        }
        let token = self.source.token(run)?.unwrap_or_default();
        let token = match self.decryption.open(run, &token)? {
            Ok(token) => token,
            Err(rejection) => return Err(self.common.refuse(run, NAME, rejection)),
        };
        match self.verdict(run, &token)? {
            Verdict::Accepted => {
                self.common.keep(run, &token)?;
                Ok(Flow::Next)
            }
            Verdict::UnknownKey if !run.exchange.discovered.refreshing => {
                run.exchange.discovered.refreshing = true;
                let url = self.discovery(run)?;
                Ok(Flow::Ask(Effect::OpenId { url, refresh: true }))
            }
            Verdict::UnknownKey => Err(self.common.refuse(run, NAME, Rejection::unknown_key())),
            Verdict::Rejected(rejection) => Err(self.common.refuse(run, NAME, rejection)),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use crate::test_support::{check, check_load, check_with};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const ASKED: &str = "openid https://login.microsoftonline.com/t1/v2.0/.well-known/openid-configuration";

    fn token(claims: &str) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"k1"}"#);
        let payload = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":1900000000,{claims}}}"#));
        let signed = format!("{header}.{payload}");
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()),
            signed.as_bytes(),
        );
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    #[track_caller]
    fn call(claims: &str, children: &str, expected: &str) {
        let text = format!(
            "<validate-azure-ad-token tenant-id='t1'>{children}</validate-azure-ad-token>\
             <set-header name='Authorization' exists-action='delete'/>"
        );
        let answer = format!("openid https://login.microsoftonline.com/t1/v2.0 {SECRET}");
        check_with(
            "inbound",
            &text,
            |context| {
                if !claims.is_empty() {
                    let value = format!("Bearer {}", token(claims));
                    context
                        .request
                        .headers
                        .insert("authorization", value.parse().unwrap());
                }
            },
            &[&answer],
            expected,
        );
    }

    #[test]
    fn tokens_of_both_versions_of_the_tenant_pass() {
        let passed = format!("{ASKED}; forward; 200");
        let clients = "<client-application-ids><application-id>C1</application-id></client-application-ids>";
        call(
            r#""iss":"https://login.microsoftonline.com/t1/v2.0","azp":"c1""#,
            clients,
            &passed,
        );
        call(
            r#""iss":"https://sts.windows.net/t1/","appid":"c1""#,
            clients,
            &passed,
        );
        let audiences =
            "<backend-application-ids><application-id>b1</application-id></backend-application-ids>";
        call(
            r#""iss":"https://sts.windows.net/t1/","aud":"b1""#,
            audiences,
            &passed,
        );
    }

    #[test]
    fn other_tenants_clients_and_audiences_do_not() {
        let out = |reason: &str| format!("{ASKED}; 401 validate-azure-ad-token/{reason}");
        let clients = "<client-application-ids><application-id>c1</application-id></client-application-ids>";
        call(
            r#""iss":"https://sts.windows.net/t2/","appid":"c1""#,
            clients,
            &out("TokenIssuerNotAllowed"),
        );
        call(
            r#""iss":"https://sts.windows.net/t1/","appid":"c2""#,
            clients,
            &out("TokenClaimValueNotAllowed"),
        );
        call(
            r#""iss":"https://sts.windows.net/t1/""#,
            clients,
            &out("TokenClaimValueNotAllowed"),
        );
        let audiences = "<audiences><audience>b1</audience></audiences>";
        call(
            r#""iss":"https://sts.windows.net/t1/","aud":"b2""#,
            audiences,
            &out("TokenAudienceNotAllowed"),
        );
        call("", clients, "401 validate-azure-ad-token/TokenNotPresent");
    }

    #[test]
    fn other_kinds_of_tokens_can_only_be_declined() {
        for name in [
            "allow-protected-forwarded-tokens",
            "allow-proof-of-possession-tokens",
        ] {
            check_load(
                "inbound",
                &format!("<validate-azure-ad-token tenant-id='t1' {name}='true'/>"),
                &format!("unsupported-attribute: `{name}` of `validate-azure-ad-token` can only be `false`"),
            );
            check(
                "inbound",
                &format!("<validate-azure-ad-token tenant-id='t1' {name}='false'/>"),
                &[],
                "401 validate-azure-ad-token/TokenNotPresent",
            );
        }
    }

    #[test]
    fn a_tenant_is_needed() {
        check_load(
            "inbound",
            "<validate-azure-ad-token/>",
            "missing-attribute: `validate-azure-ad-token` needs the attribute `tenant-id`",
        );
    }
}
