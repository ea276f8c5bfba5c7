//! Keys, and which algorithms each kind may check.

use std::sync::Arc;

use aws_lc_rs::{
    hmac,
    signature::{self, RsaPublicKeyComponents, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value as Json;

/// Most keys of one set: real ones hold a handful; trying each is bounded by it.
const KEYS_MAX: usize = 100;

/// Keys to check signatures with. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Arc<[Key]>);

/// One key.
#[derive(Clone)]
pub struct Key {
    id: Option<Arc<str>>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Secret(Arc<[u8]>),
    Rsa {
        n: Arc<[u8]>,
        e: Arc<[u8]>,
    },
    /// The uncompressed point: 4, x, y.
    Ec {
        curve: Curve,
        point: Arc<[u8]>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Secrets do not belong into logs.
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl KeySet {
    /// A set of these keys.
    pub fn new(keys: Vec<Key>) -> Self {
        Self(keys.into())
    }

    /// The usable signature keys of a JWKS document. Keys of unknown kinds and for encryption are left out,
    /// as RFC 7517 §5 wants it.
    ///
    /// # Errors
    /// The text is not a key set.
    pub fn from_jwks(text: &str) -> Result<Self, String> {
        let json: Json = serde_json::from_str(text).map_err(|e| format!("the key set is not JSON: {e}"))?;
        let keys = json
            .get("keys")
            .and_then(Json::as_array)
            .ok_or("the key set has no `keys`")?;
        if keys.len() > KEYS_MAX {
            return Err(format!("the key set has more than {KEYS_MAX} keys"));
        }
        Ok(Self(keys.iter().filter_map(Key::from_jwk).collect()))
    }

    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Key {
    /// A shared secret.
    pub fn secret(id: Option<&str>, bytes: &[u8]) -> Key {
        Key {
            id: id.map(Arc::from),
            material: Material::Secret(bytes.into()),
        }
    }

    /// An RSA public key of base64url modulus and exponent; `None` when they are not.
    pub fn rsa(id: Option<&str>, n: &str, e: &str) -> Option<Key> {
        let (n, e) = (decode(n)?, decode(e)?);
        Some(Key {
            id: id.map(Arc::from),
            material: Material::Rsa {
                n: n.into(),
                e: e.into(),
            },
        })
    }

    fn from_jwk(jwk: &Json) -> Option<Key> {
        let text = |name: &str| jwk.get(name).and_then(Json::as_str);
        if text("use").is_some_and(|u| u != "sig") {
            return None;
        }
        let id = text("kid");
        match text("kty")? {
            "RSA" => Key::rsa(id, text("n")?, text("e")?),
            "oct" => Some(Key::secret(id, &decode(text("k")?)?)),
            "EC" => {
                let (curve, size) = match text("crv")? {
                    "P-256" => (Curve::P256, 32),
                    "P-384" => (Curve::P384, 48),
                    "P-521" => (Curve::P521, 66),
                    _ => return None,
                };
                let (x, y) = (decode(text("x")?)?, decode(text("y")?)?);
                if x.len() != size || y.len() != size {
                    return None;
                }
                let point = [&[4u8][..], &x, &y].concat();
                Some(Key {
                    id: id.map(Arc::from),
                    material: Material::Ec {
                        curve,
                        point: point.into(),
                    },
                })
            }
            _ => None,
        }
    }

    /// `kid`
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Checks a signature; `None`: this key does not do that algorithm.
    pub(super) fn verify(&self, algorithm: &str, message: &[u8], given: &[u8]) -> Option<bool> {
        match &self.material {
            Material::Secret(secret) => {
                let kind = match algorithm {
                    "HS256" => hmac::HMAC_SHA256,
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => return None,
                };
                Some(hmac::verify(&hmac::Key::new(kind, secret), message, given).is_ok())
            }
            Material::Rsa { n, e } => {
                let kind = match algorithm {
                    "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                    "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
                    "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
                    "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
                    _ => return None,
                };
                let key = RsaPublicKeyComponents { n: &**n, e: &**e };
                Some(key.verify(kind, message, given).is_ok())
            }
            Material::Ec { curve, point } => {
                let kind = match (algorithm, curve) {
                    ("ES256", Curve::P256) => &signature::ECDSA_P256_SHA256_FIXED,
                    ("ES384", Curve::P384) => &signature::ECDSA_P384_SHA384_FIXED,
                    ("ES512", Curve::P521) => &signature::ECDSA_P521_SHA512_FIXED,
                    _ => return None,
                };
                Some(UnparsedPublicKey::new(kind, point).verify(message, given).is_ok())
            }
        }
    }
}

/// Base64url with or without padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}
