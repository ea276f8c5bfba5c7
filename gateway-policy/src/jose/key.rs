//! Keys, and which algorithms each kind may check.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::{
    encoding::AsDer as _,
    hmac,
    signature::{self, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gateway_dotnet::crypto::Certificate;
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
    Public(Arc<Public>),
}

/// A public key, and what it may check.
struct Public {
    /// RSA: SubjectPublicKeyInfo. EC: the uncompressed point.
    encoded: Vec<u8>,
    algorithms: Vec<Algorithm>,
}

/// One algorithm of a key. The key is parsed for it when a token first names it: parsing and preparing it
/// costs a quarter of checking a signature.
struct Algorithm {
    name: &'static str,
    kind: &'static dyn VerificationAlgorithm,
    parsed: OnceLock<Option<ParsedPublicKey>>,
}

impl Public {
    fn material(
        encoded: Vec<u8>,
        algorithms: &[(&'static str, &'static dyn VerificationAlgorithm)],
    ) -> Material {
        let algorithms = algorithms.iter().map(|(name, kind)| Algorithm {
            name,
            kind: *kind,
            parsed: OnceLock::new(),
        });
        Material::Public(Arc::new(Public {
            encoded,
            algorithms: algorithms.collect(),
        }))
    }
}

/// What RSA keys check (RFC 7518 §3.3, §3.5).
static RSA: &[(&str, &dyn VerificationAlgorithm)] = &[
    ("RS256", &signature::RSA_PKCS1_2048_8192_SHA256),
    ("RS384", &signature::RSA_PKCS1_2048_8192_SHA384),
    ("RS512", &signature::RSA_PKCS1_2048_8192_SHA512),
    ("PS256", &signature::RSA_PSS_2048_8192_SHA256),
    ("PS384", &signature::RSA_PSS_2048_8192_SHA384),
    ("PS512", &signature::RSA_PSS_2048_8192_SHA512),
];

/// Curves: name, bytes of a coordinate, and what their keys check (RFC 7518 §3.4).
static CURVES: &[(&str, usize, (&str, &dyn VerificationAlgorithm))] = &[
    ("P-256", 32, ("ES256", &signature::ECDSA_P256_SHA256_FIXED)),
    ("P-384", 48, ("ES384", &signature::ECDSA_P384_SHA384_FIXED)),
    ("P-521", 66, ("ES512", &signature::ECDSA_P521_SHA512_FIXED)),
];

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
        // A leading zero is against RFC 7518 §2 and common all the same.
        let plain = |number: &[u8]| {
            number
                .iter()
                .copied()
                .skip_while(|b| *b == 0)
                .collect::<Vec<u8>>()
        };
        let components = RsaPublicKeyComponents {
            n: plain(&n),
            e: plain(&e),
        };
        // Numbers that make no key are a key that no signature matches.
        let encoded = components.as_der().map(|der| der.as_ref().to_vec());
        Some(Key {
            id: id.map(Arc::from),
            material: Public::material(encoded.unwrap_or_default(), RSA),
        })
    }

    /// The public key of a certificate, DER or PFX; `None` when it is neither RSA nor on a known curve.
    pub fn certificate(id: Option<&str>, bytes: &[u8]) -> Option<Key> {
        let certificate = Certificate::new(bytes, "").ok()?;
        if let Some(key) = certificate.rsa_public_key() {
            let (n, e) = key.components();
            return Key::rsa(id, &URL_SAFE_NO_PAD.encode(n), &URL_SAFE_NO_PAD.encode(e));
        }
        // An uncompressed point: its length tells the curve.
        let point = certificate.public_key();
        let size = point.len().checked_sub(1)? / 2;
        let algorithm = CURVES
            .iter()
            .find(|(_, s, _)| *s == size && point.len() == 2 * size + 1)?
            .2;
        Some(Key {
            id: id.map(Arc::from),
            material: (point.first() == Some(&4)).then(|| Public::material(point.to_vec(), &[algorithm]))?,
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
                let crv = text("crv")?;
                let (_, size, algorithm) = *CURVES.iter().find(|(name, ..)| *name == crv)?;
                let (x, y) = (decode(text("x")?)?, decode(text("y")?)?);
                if x.len() != size || y.len() != size {
                    return None;
                }
                Some(Key {
                    id: id.map(Arc::from),
                    material: Public::material([&[4u8][..], &x, &y].concat(), &[algorithm]),
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
            Material::Public(key) => {
                let algorithm = key.algorithms.iter().find(|a| a.name == algorithm)?;
                let parse = || ParsedPublicKey::new(algorithm.kind, &key.encoded).ok();
                let parsed = algorithm.parsed.get_or_init(parse).as_ref();
                Some(parsed.is_some_and(|key| key.verify_sig(message, given).is_ok()))
            }
        }
    }
}

/// Base64url with or without padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}
