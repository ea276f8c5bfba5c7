//! What is asked of a token, for every policy that asks it: where it is, signature, time, audience, issuer,
//! claims; and the `LastError` of each refusal.

use std::sync::Arc;

use http::{HeaderName, StatusCode, header};

use crate::{
    compile::{Compiler, Node},
    exec::Run,
    failure::{Failure, Refusal},
    jose::{Claims, Jws, KeySet, SignatureError},
    setting::{Setting, keywords, optional},
    url::{decode_query_part, is_parameter, query_pairs},
};

/// Where the token is.
#[derive(Debug)]
pub(super) enum Source {
    Header {
        name: Setting<HeaderName>,
        scheme: Option<Setting<Arc<str>>>,
    },
    Query(Setting<Arc<str>>),
    Value(Setting<Arc<str>>),
}

impl Source {
    /// The token as it was sent, without its scheme; `None`: there is none.
    pub(super) fn token(&self, run: &mut Run<'_>) -> Result<Option<String>, Failure> {
        let value = match self {
            Source::Header { name, scheme } => {
                let name = name.get(run)?.into_owned();
                // The page ignores the scheme of any other header.
                let scheme = if name == header::AUTHORIZATION {
                    optional(scheme.as_ref(), run)?
                } else {
                    None
                };
                let value = run
                    .context
                    .request
                    .headers
                    .get(&name)
                    .and_then(|v| v.to_str().ok());
                match (value, scheme.filter(|s| !s.is_empty())) {
                    (Some(value), Some(scheme)) if !has_scheme(value, &scheme) => None,
                    (value, _) => value.map(str::to_owned),
                }
            }
            Source::Query(name) => {
                let name = name.get(run)?;
                let query = &run.context.request.url.query;
                query_pairs(query)
                    .find(|(n, _)| is_parameter(n, &name))
                    .map(|(_, v)| decode_query_part(v))
            }
            Source::Value(value) => Some(value.get(run)?.to_string()),
        };
        let token = value.map(|mut value| {
            let token = without_scheme(value.trim());
            if token.len() < value.len() {
                value = token.to_owned();
            }
            value
        });
        Ok(token.filter(|t| !t.is_empty()))
    }
}

fn has_scheme(value: &str, scheme: &str) -> bool {
    value
        .trim()
        .split_once(' ')
        .is_some_and(|(given, _)| given.eq_ignore_ascii_case(scheme.trim()))
}

/// `Bearer xxx` and the bare token are both taken.
fn without_scheme(value: &str) -> &str {
    value.split_once(' ').map_or(value, |(_, token)| token.trim())
}

keywords! {
    /// `match`
    Match { All = "all", Any = "any" }
}

/// A `claim` of `required-claims`.
#[derive(Debug)]
pub(super) struct ClaimRule {
    name: Setting<Arc<str>>,
    how: Setting<Match>,
    separator: Option<Setting<Arc<str>>>,
    values: Vec<Setting<Arc<str>>>,
}

impl ClaimRule {
    pub(super) fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        let name = compiler.attribute(node, "name");
        let how = compiler.attribute(node, "match");
        let separator = compiler.attribute(node, "separator");
        let values: Vec<_> = node.children("value").map(|v| compiler.text(v)).collect();
        let values = values.into_iter().collect::<Option<_>>();
        Some(Self {
            name: name?,
            how: how?,
            separator,
            values: values?,
        })
    }

    /// `Some`: the claim is there with a value that is not allowed.
    fn violated(&self, run: &mut Run<'_>, name: &str, claims: &Claims) -> Result<Option<Rejection>, Failure> {
        let split = self.split(run, name, claims)?;
        let how = *self.how.get(run)?;
        let mut found = 0;
        for value in &self.values {
            let wanted = value.get(run)?;
            let is = match &split {
                Some(parts) => parts.iter().any(|part| part == wanted.trim()),
                None => claims.any(name, wanted.trim()),
            };
            found += usize::from(is);
        }
        let met = match how {
            Match::All => found == self.values.len(),
            Match::Any => found > 0 || self.values.is_empty(),
        };
        let message = || {
            let given = split.unwrap_or_else(|| claims.values(name).unwrap_or_default());
            format!(
                "Claim {name} value of {} is not allowed. Access denied.",
                given.join(",")
            )
        };
        Ok((!met).then(|| Rejection {
            reason: "TokenClaimValueNotAllowed",
            message: message(),
        }))
    }

    /// The parts of a claim that is one text and has a separator.
    fn split(&self, run: &mut Run<'_>, name: &str, claims: &Claims) -> Result<Option<Vec<String>>, Failure> {
        let separator = optional(self.separator.as_ref(), run)?;
        let Some(separator) = separator.filter(|s| !s.is_empty()) else {
            return Ok(None);
        };
        let given = claims.values(name).unwrap_or_default();
        let [single] = given.as_slice() else {
            return Ok(None);
        };
        let parts = single.split(&**separator).map(|v| v.trim().to_owned());
        Ok(Some(parts.collect()))
    }
}

/// What is asked of one token.
pub(super) struct Checks<'a> {
    pub(super) keys: &'a [&'a KeySet],
    /// Empty: any issuer.
    pub(super) issuers: &'a [Arc<str>],
    /// Empty: any audience.
    pub(super) audiences: &'a [Setting<Arc<str>>],
    pub(super) claims: &'a [ClaimRule],
    pub(super) require_signed: bool,
    pub(super) require_expiration: bool,
    /// Seconds.
    pub(super) clock_skew: f64,
}

/// What comes of the checks.
#[derive(Debug)]
pub(super) enum Verdict {
    Accepted,
    /// No key fits: newer ones may.
    UnknownKey,
    Rejected(Rejection),
}

/// Why a token is refused, as `LastError` says it.
#[derive(Debug)]
pub(super) struct Rejection {
    reason: &'static str,
    message: String,
}

impl Rejection {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    pub(super) fn not_present() -> Self {
        Self::new("TokenNotPresent", "JWT not present.")
    }

    pub(super) fn unknown_key() -> Self {
        Self::new(
            "TokenSignatureKeyNotFound",
            "No key fits the signature of the token. Access denied.",
        )
    }

    pub(super) fn into_failure(
        self,
        source: &'static str,
        status: StatusCode,
        public: Option<String>,
    ) -> Failure {
        Failure::Refused(Box::new(Refusal {
            source,
            reason: self.reason,
            public: public.unwrap_or_else(|| self.message.clone()),
            message: self.message,
            status,
            headers: Vec::new(),
        }))
    }
}

/// .NET ticks at the start of 1970.
const UNIX_EPOCH_TICKS: i64 = 621_355_968_000_000_000;

impl Checks<'_> {
    /// Checks signature, time, audience, issuer and claims, in this order.
    pub(super) fn verdict(&self, run: &mut Run<'_>, token: &str) -> Result<Verdict, Failure> {
        let rejected = |reason, message: String| Ok(Verdict::Rejected(Rejection { reason, message }));
        let jws = match Jws::read(token) {
            Ok(jws) => jws,
            Err(message) => return rejected("JwtInvalid", message),
        };
        match jws.verify(self.keys, self.require_signed) {
            Ok(()) => {}
            Err(SignatureError::NoKey) => return Ok(Verdict::UnknownKey),
            Err(SignatureError::Invalid) => {
                return rejected(
                    "TokenSignatureInvalid",
                    "The signature of the token is not valid. Access denied.".into(),
                );
            }
            Err(SignatureError::Unsigned) => {
                return rejected(
                    "TokenSignatureInvalid",
                    "The token is not signed. Access denied.".into(),
                );
            }
        }
        let claims = jws.claims();
        if let Some(rejection) = self.outside_lifetime(run, claims) {
            return Ok(Verdict::Rejected(rejection));
        }
        let mut accepted = self.audiences.is_empty();
        for audience in self.audiences {
            let audience = audience.get(run)?;
            accepted |= claims.any("aud", audience.trim());
        }
        if !accepted {
            let message = format!(
                "The audience {} of the token is not allowed. Access denied.",
                claims.joined("aud")
            );
            return rejected("TokenAudienceNotAllowed", message);
        }
        let issuer = claims.joined("iss");
        if !self.issuers.is_empty() && !self.issuers.iter().any(|i| is_issuer(i.trim(), &issuer, claims)) {
            let message = format!("The issuer {issuer} of the token is not allowed. Access denied.");
            return rejected("TokenIssuerNotAllowed", message);
        }
        Ok(self
            .claims_violated(run, claims)?
            .map_or(Verdict::Accepted, Verdict::Rejected))
    }

    fn outside_lifetime(&self, run: &Run<'_>, claims: &Claims) -> Option<Rejection> {
        let now = (run.world.utc_now_ticks() - UNIX_EPOCH_TICKS) as f64 / 1e7;
        match claims.instant("exp") {
            Some(expires) if expires + self.clock_skew < now => {
                return Some(Rejection::new(
                    "TokenExpired",
                    "The token is expired. Access denied.",
                ));
            }
            // A time that is not a number is no time.
            None if self.require_expiration || claims.has("exp") => {
                return Some(Rejection::new("JwtInvalid", "The token has no expiration time."));
            }
            _ => {}
        }
        match claims.instant("nbf") {
            Some(starts) if starts - self.clock_skew > now => {
                Some(Rejection::new("JwtInvalid", "The token is not valid yet."))
            }
            None if claims.has("nbf") => {
                Some(Rejection::new("JwtInvalid", "The token's start is not a time."))
            }
            _ => None,
        }
    }

    fn claims_violated(&self, run: &mut Run<'_>, claims: &Claims) -> Result<Option<Rejection>, Failure> {
        let mut missing = Vec::new();
        let mut names = Vec::new();
        for rule in self.claims {
            let name = rule.name.get(run)?.into_owned();
            if !claims.has(&name) {
                missing.push(name.to_string());
            }
            names.push(name);
        }
        if !missing.is_empty() {
            let list = missing.join(", ");
            let message = format!("JWT token is missing the following claims: {list}. Access denied.");
            return Ok(Some(Rejection::new("TokenClaimNotFound", message)));
        }
        for (rule, name) in self.claims.iter().zip(names) {
            if let Some(rejection) = rule.violated(run, &name, claims)? {
                return Ok(Some(rejection));
            }
        }
        Ok(None)
    }
}

/// Exact, but for the tenant's place in the issuer of multi-tenant discovery documents.
fn is_issuer(accepted: &str, given: &str, claims: &Claims) -> bool {
    if accepted.contains("{tenantid}") {
        let tenant = claims.joined("tid");
        return !tenant.is_empty() && accepted.replace("{tenantid}", &tenant) == given;
    }
    accepted == given
}
