//! `validate-jwt`: requires a token with a valid signature, time, audience, issuer and claims.
//!
//! Source: "Validate JWT" policy page; `policies.md` §4. Keys come from the document and from OpenID discovery
//! documents, which the agent fetches and caches. An encrypted token is opened by `decryption-keys` first; what it holds
//! must be a signed token.

pub(super) mod decryption;

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use gateway_expr::Value;
use http::HeaderName;

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, Content, ElementDef, attr},
    token_checks::{Checks, ClaimRule, Rejection, Source, Verdict},
};
use crate::{
    compile::{Compiler, Finding, Node},
    effect::{Effect, Outcome},
    exec::Run,
    failure::Failure,
    jose::{Key, KeySet, OpenIdConfiguration},
    scope::{Scopes, Sections},
    setting::{Bounded, FromValue, Setting, optional},
};

static OPENID: ElementDef = ElementDef::new("openid-config", "Discovery document with issuer and keys.")
    .attributes(&[
        attr("url", "Its URL.").required().expression(),
        attr(
            "validate-connectivity",
            "Checked when a document is saved in Azure; without effect here.",
        )
        .default("true"),
        attr("host", "Host name to ask; not supported.").expression(),
    ]);
static SIGNING_KEY: ElementDef = ElementDef::new(
    "key",
    "A base64 secret, an RSA key by `n` and `e`, or the key of a certificate.",
)
.attributes(&[
    attr("id", "`kid` of the tokens it is for."),
    attr(
        "certificate-id",
        "Name of a certificate entity whose public key it is.",
    ),
    attr("n", "Modulus, base64url.").expression(),
    attr("e", "Exponent, base64url.").expression(),
])
.content(Content::Text);
static ZUMO_KEY: ElementDef = ElementDef::new(
    "zumo-master-key",
    "Master key of an Azure mobile service: its tokens are signed by the SHA-256 of it and `JWTSig`.",
)
.attributes(&[attr("id", "`kid` of the tokens it is for.")])
.content(Content::Text);
static SIGNING_KEYS: ElementDef = ElementDef::new("issuer-signing-keys", "Keys that sign tokens.")
    .children(&[Child::any(&SIGNING_KEY), Child::any(&ZUMO_KEY)]);
static SIGNING_TOKEN: ElementDef = ElementDef::new(
    "token",
    "A base64 secret; known from the schema only, like a `key` with text.",
)
.content(Content::Text);
static SIGNING_TOKENS: ElementDef = ElementDef::new(
    "issuer-signing-tokens",
    "The older form of `issuer-signing-keys`.",
)
.children(&[Child::any(&SIGNING_TOKEN)]);
static AUDIENCE: ElementDef = ElementDef::new("audience", "An accepted audience.").content(Content::Text);
pub(super) static AUDIENCES: ElementDef =
    ElementDef::new("audiences", "The token's audience must be one of them.")
        .children(&[Child::any(&AUDIENCE)]);
static ISSUER: ElementDef = ElementDef::new("issuer", "An accepted issuer.").content(Content::Text);
static ISSUERS: ElementDef =
    ElementDef::new("issuers", "The token's issuer must be one of them.").children(&[Child::any(&ISSUER)]);
static CLAIM_VALUE: ElementDef = ElementDef::new("value", "An accepted value.").content(Content::Text);
static CLAIM: ElementDef = ElementDef::new("claim", "A claim that must be there, with these values.")
    .attributes(&[
        attr("name", "Name of the claim.").required().expression(),
        attr("match", "All values must be in the token, or any.")
            .expression()
            .default("all")
            .words(&["all", "any"]),
        attr("separator", "Splits a single text into several values.").expression(),
    ])
    .children(&[Child::any(&CLAIM_VALUE)]);
pub(super) static CLAIMS: ElementDef =
    ElementDef::new("required-claims", "Claims that must be there.").children(&[Child::any(&CLAIM)]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("validate-jwt", "Requires a valid JSON web token.")
        .attributes(&[
            attr("header-name", "Header that holds the token.").expression(),
            attr("query-parameter-name", "Query parameter that holds the token.").expression(),
            attr("token-value", "The token itself.").expression(),
            attr("failed-validation-httpcode", "Status of the refusal.")
                .expression()
                .default("401"),
            attr(
                "failed-validation-error-message",
                "Message of the refusal; absent: by its reason.",
            )
            .expression(),
            attr("require-expiration-time", "The token must have `exp`.")
                .expression()
                .default("true"),
            attr("require-scheme", "Scheme of the `Authorization` header.").expression(),
            attr("require-signed-tokens", "The token must be signed.")
                .expression()
                .default("true"),
            attr("clock-skew", "Seconds that clocks may differ.")
                .expression()
                .default("0"),
            attr(
                "output-token-variable-name",
                "Variable for the token, as a `Jwt`.",
            ),
        ])
        .children(&[
            Child::any(&OPENID),
            Child::optional(&SIGNING_KEYS),
            Child::optional(&SIGNING_TOKENS),
            Child::optional(&decryption::KEYS),
            Child::optional(&AUDIENCES),
            Child::optional(&ISSUERS),
            Child::optional(&CLAIMS),
        ]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<validate-jwt header-name="Authorization" failed-validation-httpcode="401" require-scheme="Bearer">
    <openid-config url="https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration" />
    <audiences>
        <audience>api://orders</audience>
    </audiences>
    <required-claims>
        <claim name="roles" match="any">
            <value>Orders.Read</value>
        </claim>
    </required-claims>
</validate-jwt>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let source = source(compiler, node);
    refuse_unsupported(compiler, node);
    let openid: Vec<_> = node
        .children("openid-config")
        .map(|n| compiler.attribute(n, "url"))
        .collect();
    let mut keys: Vec<Option<DocumentKey>> = Vec::new();
    if let Some(listed) = node.child("issuer-signing-keys") {
        keys.extend(listed.children("key").map(|k| signing_key(compiler, k)));
        keys.extend(listed.children("zumo-master-key").map(|k| zumo_key(compiler, k)));
    }
    if let Some(listed) = node.child("issuer-signing-tokens") {
        keys.extend(listed.children("token").map(|k| signing_key(compiler, k)));
    }
    let decryption = decryption::Keys::build(compiler, node);
    let common = Common::build(compiler, node);
    let issuers = texts(compiler, node.child("issuers"), "issuer");
    let require_expiration = compiler.attribute(node, "require-expiration-time");
    let clock_skew = compiler.attribute(node, "clock-skew");
    let require_signed: Setting<bool> = compiler.attribute(node, "require-signed-tokens")?;
    if openid.is_empty() && keys.is_empty() && !matches!(require_signed, Setting::Literal(false)) {
        let message = "`validate-jwt` has no keys, so it refuses every signed token";
        let help = "add `<openid-config>` or `<issuer-signing-keys>`";
        compiler.report(Finding::on(node.element, "no-keys", message).warning().help(help));
    }
    compiler.policy(ValidateJwt {
        source: source?,
        common: common?,
        openid: openid.into_iter().collect::<Option<_>>()?,
        keys: KeySource::new(keys.into_iter().collect::<Option<_>>()?),
        decryption: decryption?,
        issuers: issuers?,
        require_signed,
        require_expiration: require_expiration?,
        clock_skew: clock_skew?,
    });
    Some(())
}

/// Where the token is: exactly one of three attributes.
fn source(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Source> {
    let given = ["header-name", "query-parameter-name", "token-value"]
        .iter()
        .filter(|a| node.has(a))
        .count();
    if given != 1 {
        let message = "`validate-jwt` needs one of `header-name`, `query-parameter-name` and `token-value`";
        compiler
            .report(Finding::on(node.element, "missing-attribute", message).help("say where the token is"));
        return None;
    }
    let scheme = compiler.attribute(node, "require-scheme");
    if node.has("header-name") {
        let name: Setting<HeaderName> = compiler.attribute(node, "header-name")?;
        return Some(Source::Header { name, scheme });
    }
    if node.has("query-parameter-name") {
        return Some(Source::Query(compiler.attribute(node, "query-parameter-name")?));
    }
    Some(Source::Value(compiler.attribute(node, "token-value")?))
}

fn refuse_unsupported(compiler: &mut Compiler<'_>, node: Node<'_>) {
    let host = node
        .children("openid-config")
        .find(|n| n.has("host"))
        .map(|n| (n, "`host` of `openid-config`"));
    if let Some((found, what)) = host {
        let message = format!("{what} is not supported by this gateway yet");
        compiler.report(Finding::on(found.element, "unsupported-attribute", message).help("remove it"));
    }
}

/// A key of the document: whole literal, or made of expressions when it runs.
#[derive(Debug)]
enum DocumentKey {
    Ready(Key),
    Secret(Option<Arc<str>>, Setting<Secret>),
    Rsa(Option<Arc<str>>, Setting<Arc<str>>, Setting<Arc<str>>),
    Zumo(Option<Arc<str>>, Setting<Arc<str>>),
    /// Of a certificate entity, which may be renewed without a new document.
    Certificate(CertificateKey<Key>),
}

/// The key of a certificate entity, made again only when the entity is another.
#[derive(Debug)]
pub(super) struct CertificateKey<K> {
    id: Option<Arc<str>>,
    certificate: Arc<str>,
    made: Mutex<Option<(Arc<[u8]>, K)>>,
}

impl<K: Clone> CertificateKey<K> {
    fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        Some(Self {
            id: compiler.literal(node, "id"),
            certificate: compiler.literal(node, "certificate-id")?,
            made: Mutex::default(),
        })
    }

    fn key(&self, run: &Run<'_>, make: impl Fn(Option<&str>, &[u8]) -> Option<K>) -> Option<K> {
        let certificates = &run.context.deployment.certificates;
        let (_, bytes) = certificates
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&self.certificate))?;
        // Nothing can panic while it is held, so a poisoned one is whole.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, key)) = &*made
            && Arc::ptr_eq(of, bytes)
        {
            return Some(key.clone());
        }
        let key = make(self.id.as_deref(), bytes)?;
        *made = Some((Arc::clone(bytes), key.clone()));
        Some(key)
    }
}

/// The signing key of a mobile service: HS256 with the SHA-256 of master key and `JWTSig`.
fn zumo_key(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<DocumentKey> {
    let id: Option<Arc<str>> = compiler.literal(node, "id");
    let master: Setting<Arc<str>> = compiler.text(node)?;
    Some(match master {
        Setting::Literal(master) => DocumentKey::Ready(zumo(id.as_deref(), &master)),
        master => DocumentKey::Zumo(id, master),
    })
}

fn zumo(id: Option<&str>, master: &str) -> Key {
    let secret = digest::digest(&digest::SHA256, format!("{}JWTSig", master.trim()).as_bytes());
    Key::secret(id, secret.as_ref())
}

fn signing_key(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<DocumentKey> {
    let id: Option<Arc<str>> = compiler.literal(node, "id");
    if node.has("certificate-id") {
        return CertificateKey::build(compiler, node).map(DocumentKey::Certificate);
    }
    let key = if node.has("n") || node.has("e") {
        let (n, e) = (compiler.attribute(node, "n"), compiler.attribute(node, "e"));
        DocumentKey::Rsa(id, n?, e?)
    } else {
        DocumentKey::Secret(id, compiler.text(node)?)
    };
    match key.ready() {
        Some(Some(key)) => Some(DocumentKey::Ready(key)),
        Some(None) => {
            let message = "`n` and `e` of `key` are not base64url";
            let help = "copy them from the issuer's key set";
            compiler.report(Finding::on(node.element, "bad-value", message).help(help));
            None
        }
        None => Some(key),
    }
}

/// A shared secret, base64 in the document.
#[derive(Clone)]
pub(super) struct Secret(Arc<[u8]>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl FromValue for Secret {
    fn literal(text: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(text.trim()).ok().filter(|b| !b.is_empty());
        bytes
            .map(|b| Self(b.into()))
            .ok_or_else(|| "a secret in base64".into())
    }
}

impl DocumentKey {
    /// `None`: it holds expressions. `Some(None)`: it is not a key.
    fn ready(&self) -> Option<Option<Key>> {
        match self {
            DocumentKey::Ready(key) => Some(Some(key.clone())),
            DocumentKey::Secret(id, Setting::Literal(Secret(bytes))) => {
                Some(Some(Key::secret(id.as_deref(), bytes)))
            }
            DocumentKey::Rsa(id, Setting::Literal(n), Setting::Literal(e)) => {
                Some(Key::rsa(id.as_deref(), n, e))
            }
            _ => None,
        }
    }

    fn key(&self, run: &mut Run<'_>) -> Result<Key, Failure> {
        let key = match self {
            DocumentKey::Ready(key) => Some(key.clone()),
            DocumentKey::Secret(id, secret) => Some(Key::secret(id.as_deref(), &secret.get(run)?.0)),
            DocumentKey::Rsa(id, n, e) => {
                let n = n.get(run)?;
                Key::rsa(id.as_deref(), &n, &e.get(run)?)
            }
            DocumentKey::Zumo(id, master) => Some(zumo(id.as_deref(), &master.get(run)?)),
            DocumentKey::Certificate(certificate) => {
                return certificate.key(run, Key::certificate).ok_or_else(|| {
                    let name = &certificate.certificate;
                    run.failure(format!(
                        "There is no certificate `{name}` with a key that signs tokens."
                    ))
                });
            }
        };
        key.ok_or_else(|| run.failure("A signing key is not base64url."))
    }
}

/// The document's keys: one set made at load when no expression is among them.
#[derive(Debug)]
struct KeySource {
    ready: Option<KeySet>,
    keys: Vec<DocumentKey>,
}

impl KeySource {
    fn new(keys: Vec<DocumentKey>) -> Self {
        let ready: Option<Vec<Key>> = keys.iter().map(|k| k.ready().flatten()).collect();
        Self {
            ready: ready.map(KeySet::new),
            keys,
        }
    }

    fn keys(&self, run: &mut Run<'_>) -> Result<KeySet, Failure> {
        match &self.ready {
            Some(keys) => Ok(keys.clone()),
            None => {
                let keys: Result<Vec<_>, _> = self.keys.iter().map(|k| k.key(run)).collect();
                keys.map(KeySet::new)
            }
        }
    }
}

/// What `validate-jwt` and `validate-azure-ad-token` share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) audiences: Vec<Setting<Arc<str>>>,
    pub(super) claims: Vec<ClaimRule>,
    status: Setting<http::StatusCode>,
    message: Option<Setting<Arc<str>>>,
    variable: Option<Arc<str>>,
}

impl Common {
    pub(super) fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        let audiences = texts(compiler, node.child("audiences"), "audience");
        let claims: Vec<_> = match node.child("required-claims") {
            Some(claims) => claims
                .children("claim")
                .map(|c| ClaimRule::build(compiler, c))
                .collect(),
            None => Vec::new(),
        };
        let status = compiler.attribute(node, "failed-validation-httpcode");
        let message = compiler.attribute(node, "failed-validation-error-message");
        let variable: Option<Arc<str>> = compiler.literal(node, "output-token-variable-name");
        Some(Self {
            audiences: audiences?,
            claims: claims.into_iter().collect::<Option<_>>()?,
            status: status?,
            message,
            variable,
        })
    }

    /// The refusal as the client sees it.
    pub(super) fn refuse(&self, run: &mut Run<'_>, source: &'static str, rejection: Rejection) -> Failure {
        let status = match self.status.get(run) {
            Ok(status) => *status,
            Err(failure) => return failure,
        };
        match optional(self.message.as_ref(), run) {
            Ok(public) => rejection.into_failure(source, status, public.map(|p| p.to_string())),
            Err(failure) => failure,
        }
    }

    /// Keeps a token that was accepted.
    pub(super) fn keep(&self, run: &mut Run<'_>, token: &str) -> Result<(), Failure> {
        let Some(name) = &self.variable else { return Ok(()) };
        let jwt = Value::jwt(token).ok_or_else(|| run.failure("The token is not a JWT."))?;
        run.set_variable(name, jwt);
        Ok(())
    }
}

pub(super) fn texts(
    compiler: &mut Compiler<'_>,
    parent: Option<Node<'_>>,
    name: &'static str,
) -> Option<Vec<Setting<Arc<str>>>> {
    let items: Vec<_> = parent.into_iter().flat_map(|p| p.children(name)).collect();
    let settings: Vec<_> = items.into_iter().map(|i| compiler.text(i)).collect();
    settings.into_iter().collect()
}

#[derive(Debug)]
struct ValidateJwt {
    source: Source,
    common: Common,
    openid: Vec<Setting<Arc<str>>>,
    keys: KeySource,
    decryption: decryption::Keys,
    issuers: Vec<Setting<Arc<str>>>,
    require_signed: Setting<bool>,
    require_expiration: Setting<bool>,
    clock_skew: Setting<Bounded<0, 86_400>>,
}

const NAME: &str = "validate-jwt";

impl Policy for ValidateJwt {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        run.exchange.discovered = Discovered::default();
        // Without a token there is nothing to fetch keys for.
        let Some(token) = self.source.token(run)? else {
            return Err(self.common.refuse(run, NAME, Rejection::not_present()));
        };
        self.advance(run, Some(token))
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        match outcome {
            Outcome::OpenId(configuration) => run.exchange.discovered.configurations.push(configuration),
            other => return Err(run.unexpected(other)),
        }
        self.advance(run, None)
    }
}

impl ValidateJwt {
    /// Asks for the next discovery document, or decides.
    fn advance(&self, run: &mut Run<'_>, token: Option<String>) -> Result<Flow, Failure> {
        let refresh = run.exchange.discovered.refreshing;
        if let Some(url) = self.openid.get(run.exchange.discovered.configurations.len()) {
            let url = url.get(run)?.into_owned();
            return Ok(Flow::Ask(Effect::OpenId { url, refresh }));
        }
        let token = match token {
            Some(token) => token,
            None => self.source.token(run)?.unwrap_or_default(),
        };
        let token = match self.decryption.open(run, &token)? {
            Ok(token) => token,
            Err(rejection) => return Err(self.common.refuse(run, NAME, rejection)),
        };
        match self.verdict(run, &token)? {
            Verdict::Accepted => {
                self.common.keep(run, &token)?;
                Ok(Flow::Next)
            }
            // The issuer may have changed its keys: ask for them once more.
            Verdict::UnknownKey if !refresh && !self.openid.is_empty() => {
                run.exchange.discovered = Discovered {
                    configurations: Vec::new(),
                    refreshing: true,
                };
                self.advance(run, None)
            }
            Verdict::UnknownKey => Err(self.common.refuse(run, NAME, Rejection::unknown_key())),
            Verdict::Rejected(rejection) => Err(self.common.refuse(run, NAME, rejection)),
        }
    }

    fn verdict(&self, run: &mut Run<'_>, token: &str) -> Result<Verdict, Failure> {
        let configurations = std::mem::take(&mut run.exchange.discovered.configurations);
        let own = self.keys.keys(run)?;
        let mut issuers = Vec::new();
        for issuer in &self.issuers {
            issuers.push(issuer.get(run)?.into_owned());
        }
        issuers.extend(configurations.iter().filter_map(|c| c.issuer.clone()));
        let mut keys: Vec<&KeySet> = vec![&own];
        keys.extend(configurations.iter().map(|c| &c.keys));
        let checks = Checks {
            keys: &keys,
            issuers: &issuers,
            audiences: &self.common.audiences,
            claims: &self.common.claims,
            require_signed: *self.require_signed.get(run)?,
            require_expiration: *self.require_expiration.get(run)?,
            clock_skew: self.clock_skew.get(run)?.0 as f64,
        };
        checks.verdict(run, token)
    }
}

/// What the discovery documents said so far, between the questions of one policy.
#[derive(Debug, Default)]
pub(crate) struct Discovered {
    pub(super) configurations: Vec<Arc<OpenIdConfiguration>>,
    pub(super) refreshing: bool,
}

#[cfg(test)]
mod tests;
