//! Signed tokens: reading a compact JWS, keys from JWKS documents, checking a signature.
//!
//! Sources: RFC 7515 (JWS), RFC 7517 (JWK), RFC 7518 (algorithms), RFC 7519 (JWT). The key decides which
//! algorithms it may check, never the token: an RSA key cannot become an HMAC secret. Encrypted tokens
//! (JWE) are opened before they are read.

mod bearer;
pub(crate) mod jwe;
mod key;
mod token;

pub use bearer::{BearerError, applications};
pub use key::{Key, KeySet};
pub(crate) use token::{Claims, Jws, SignatureError};

use std::sync::Arc;

/// What an OpenID Connect discovery document and its key set say. The agent fetches and caches it.
#[derive(Clone, Debug, Default)]
pub struct OpenIdConfiguration {
    /// `issuer`
    pub issuer: Option<Arc<str>>,
    /// The keys behind `jwks_uri`.
    pub keys: KeySet,
}

impl OpenIdConfiguration {
    /// From the texts of the discovery document and of its key set.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn from_documents(discovery: &str, jwks: &str) -> Result<Self, String> {
        let discovery: serde_json::Value = serde_json::from_str(discovery)
            .map_err(|e| format!("the discovery document is not JSON: {e}"))?;
        let issuer = discovery
            .get("issuer")
            .and_then(serde_json::Value::as_str)
            .map(Arc::from);
        Ok(Self {
            issuer,
            keys: KeySet::from_jwks(jwks)?,
        })
    }

    /// `jwks_uri` of a discovery document.
    pub fn jwks_uri(discovery: &str) -> Option<String> {
        let discovery: serde_json::Value = serde_json::from_str(discovery).ok()?;
        discovery
            .get("jwks_uri")
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned)
    }
}

#[cfg(test)]
mod tests;
