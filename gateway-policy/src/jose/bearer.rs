//! Bearer tokens of applications, for what is not a policy: who may be which gateway at a hub.

use super::{Jws, OpenIdConfiguration, SignatureError};

/// Clocks of token and checker may differ by this, in seconds.
const SKEW: f64 = 300.0;

/// Claims that name the application, in the versions of Entra and in RFC 9068.
const NAMES: [&str; 5] = ["azp", "appid", "client_id", "oid", "sub"];

/// Why a token says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BearerError {
    /// No key of the issuer has its key id: newer keys may.
    UnknownKey,
    /// It does not hold; the text says why, without anything of the token.
    Refused(&'static str),
}

/// Who shows `token`, when it is genuine, for `audience`, of `issuer` and in its time (`now`: seconds since 1970).
///
/// # Errors
/// See [`BearerError`].
pub fn applications(
    token: &str,
    document: &OpenIdConfiguration,
    audience: &str,
    issuer: Option<&str>,
    now: f64,
) -> Result<Vec<String>, BearerError> {
    let refuse = |why| Err(BearerError::Refused(why));
    let Ok(jws) = Jws::read(token) else {
        return refuse("it is no signed token");
    };
    match jws.verify(&[&document.keys], true) {
        Ok(()) => {}
        Err(SignatureError::NoKey) => return Err(BearerError::UnknownKey),
        Err(SignatureError::Invalid | SignatureError::Unsigned) => {
            return refuse("its signature does not hold");
        }
    }
    let claims = jws.claims();
    let one = |name: &str| claims.values(name).unwrap_or_default();
    let Some(wanted) = issuer.or(document.issuer.as_deref()) else {
        return refuse("the metadata names no issuer; set hub.openid.issuer");
    };
    if one("iss") != [wanted] {
        return refuse("it is of another issuer");
    }
    let audience = audience.trim_end_matches('/');
    if !one("aud").iter().any(|a| a.trim_end_matches('/') == audience) {
        return refuse("it is for another audience");
    }
    match claims.instant("exp") {
        Some(end) if now < end + SKEW => {}
        Some(_) => return refuse("it is over"),
        None => return refuse("it has no end"),
    }
    if claims.instant("nbf").is_some_and(|begin| now < begin - SKEW) {
        return refuse("it is not valid yet");
    }
    let mut names: Vec<String> = NAMES.iter().flat_map(|name| one(name)).collect();
    names.retain(|name| !name.is_empty());
    names.dedup();
    if names.is_empty() {
        return refuse("it names no application");
    }
    Ok(names)
}
