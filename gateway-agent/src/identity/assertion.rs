//! Client assertions: who the application is, signed with the key of its certificate (RFC 7523).

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::{self, SystemRandom},
    rsa::KeyPair,
    signature::RSA_PSS_SHA256,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::tls::ClientIdentity;

/// Life of an assertion: long enough for clocks that differ, short for a captured one.
const LIFE: Duration = Duration::from_secs(600);

/// A certificate and the RSA key that signs for it.
pub struct Certificate {
    /// `x5t#S256`
    thumbprint: String,
    key: KeyPair,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// From a PEM file with certificate and key, or a PFX without password, as key vaults hand it out.
    ///
    /// # Errors
    /// What is missing.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let identity = ClientIdentity::read(bytes, "")?;
        let key =
            KeyPair::from_pkcs8(identity.pkcs8()).map_err(|_| "its key is no RSA key in PKCS #8 form")?;
        Ok(Self {
            thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(identity.leaf())),
            key,
        })
    }

    /// An assertion for `audience` by `client`.
    ///
    /// # Errors
    /// The system has no randomness, or the key cannot sign.
    pub(super) fn assertion(&self, audience: &str, client: &str) -> Result<String, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut id = [0; 16];
        rand::fill(&mut id).map_err(|_| "the system has no randomness")?;
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint });
        let claims = json!({
            "aud": audience, "iss": client, "sub": client, "jti": URL_SAFE_NO_PAD.encode(id),
            "nbf": now.as_secs(), "exp": (now + LIFE).as_secs(),
        });
        let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PSS_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| "the key cannot sign")?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
