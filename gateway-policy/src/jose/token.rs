//! A token's parts and claims.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value as Json};

use super::KeySet;

/// Longest token read; header limits of the listener are below it.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// A compact JWS, read but not checked.
#[derive(Debug)]
pub(crate) struct Jws<'t> {
    /// What is signed: header and payload as they came.
    signed: &'t str,
    signature: Vec<u8>,
    algorithm: String,
    key_id: Option<String>,
    claims: Claims,
}

/// The payload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims(Map<String, Json>);

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureError {
    /// No key has the token's id, or can do its algorithm.
    NoKey,
    /// A key was there and says no.
    Invalid,
    /// There is none, and one is required.
    Unsigned,
}

impl<'t> Jws<'t> {
    /// Reads a token.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub(crate) fn read(token: &'t str) -> Result<Self, String> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(format!("The token is longer than {TOKEN_BYTES_MAX} bytes."));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or("The token has no parts.")?;
        let (header, payload) = signed
            .split_once('.')
            .ok_or("The token has fewer than three parts.")?;
        if payload.contains('.') {
            return Err("Encrypted tokens are not supported.".into());
        }
        let decode = |part: &str, what: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| format!("The {what} of the token is not base64url."))
        };
        let object = |part: &str, what: &str| -> Result<Map<String, Json>, String> {
            serde_json::from_slice(&decode(part, what)?)
                .map_err(|_| format!("The {what} of the token is not a JSON object."))
        };
        let header = object(header, "header")?;
        // RFC 7515 §4.1.11: an extension that must be understood and is not.
        if header.contains_key("crit") {
            return Err("The token requires an unknown extension.".into());
        }
        let text = |name: &str| header.get(name).and_then(Json::as_str).map(str::to_owned);
        Ok(Self {
            signed,
            signature: decode(signature, "signature")?,
            algorithm: text("alg").ok_or("The token names no algorithm.")?,
            key_id: text("kid"),
            claims: Claims(object(payload, "payload")?),
        })
    }

    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// True when a key of the set has the token's key id, or the token has none.
    pub(crate) fn names_key_of(&self, keys: &[&KeySet]) -> bool {
        let Some(id) = self.key_id.as_deref() else {
            return true;
        };
        keys.iter().flat_map(|k| k.iter()).any(|k| k.id() == Some(id))
    }

    /// Checks the signature. Keys with the token's key id are tried alone when there are any; else all.
    pub(crate) fn verify(&self, keys: &[&KeySet], required: bool) -> Result<(), SignatureError> {
        if self.algorithm == "none" {
            return if required || !self.signature.is_empty() {
                Err(SignatureError::Unsigned)
            } else {
                Ok(())
            };
        }
        let named = self.key_id.is_some() && self.names_key_of(keys);
        let mut tried = false;
        for key in keys.iter().flat_map(|k| k.iter()) {
            if named && key.id() != self.key_id.as_deref() {
                continue;
            }
            match key.verify(&self.algorithm, self.signed.as_bytes(), &self.signature) {
                Some(true) => return Ok(()),
                Some(false) => tried = true,
                None => {}
            }
        }
        // With an id that no key has, the keys that were tried were guesses.
        let guessed = self.key_id.is_some() && !named;
        Err(if tried && !guessed {
            SignatureError::Invalid
        } else {
            SignatureError::NoKey
        })
    }
}

impl Claims {
    /// A claim's values as text: strings as they are, numbers and booleans as JSON, arrays as several.
    pub(crate) fn values(&self, name: &str) -> Option<Vec<String>> {
        let text = |json: &Json| match json {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(match self.0.get(name)? {
            Json::Array(items) => items.iter().map(text).collect(),
            one => vec![text(one)],
        })
    }

    /// A claim that is a number of seconds since 1970.
    pub(crate) fn instant(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.as_f64()
    }

    /// True when the claim is there, whatever it is.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}
