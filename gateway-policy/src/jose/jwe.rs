//! Encrypted tokens: a compact JWE around a signed token.
//!
//! Sources: RFC 7516 (JWE), RFC 7518 §4 and §5 (algorithms). Keys are encrypted by `RSA-OAEP`, `RSA-OAEP-256`,
//! `RSA1_5`, `A128KW`, `A256KW`, or given (`dir`); contents by AES-CBC with HMAC or AES-GCM. As with signatures the key
//! decides what it may do. Every failure to decrypt looks the same from outside, so that nobody learns which step it
//! was; a wrong RSA1_5 padding goes on with a key of chance (RFC 7516 §11.5).

use std::{borrow::Cow, fmt, io::Read as _, sync::Arc};

use aws_lc_rs::{
    aead, cipher, constant_time, hmac,
    iv::FixedLength,
    key_wrap::{self, AesKek, KeyWrap as _},
    rand,
    rsa::{
        OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey,
        PrivateDecryptingKey,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gateway_dotnet::crypto::Certificate;
use serde::Deserialize;

use super::token::{Present, TOKEN_BYTES_MAX};

/// Most keys tried for one token: each may cost a private RSA operation of about a millisecond.
const TRIES_MAX: usize = 8;
/// Longest content encryption key: that of A256CBC-HS512.
const CONTENT_KEY_MAX: usize = 64;

/// A key that decrypts tokens. Cheap to clone.
#[derive(Clone)]
pub(crate) struct DecryptionKey {
    id: Option<Arc<str>>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Secret(Arc<[u8]>),
    Rsa(Arc<RsaPair>),
}

/// One private key, ready for both paddings.
struct RsaPair {
    oaep: OaepPrivateDecryptingKey,
    pkcs1: Pkcs1PrivateDecryptingKey,
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets do not belong into logs.
        f.debug_struct("DecryptionKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl DecryptionKey {
    /// A shared secret.
    pub(crate) fn secret(id: Option<&str>, bytes: &[u8]) -> Self {
        Self {
            id: id.map(Arc::from),
            material: Material::Secret(bytes.into()),
        }
    }

    /// The private RSA key of a certificate in PFX form without password; `None` when it has none.
    pub(crate) fn certificate(id: Option<&str>, pfx: &[u8]) -> Option<Self> {
        let key = Certificate::new(pfx, "").ok()?.rsa_private_key()?;
        Self::pkcs8(id, &key.to_pkcs8()?)
    }

    fn pkcs8(id: Option<&str>, der: &[u8]) -> Option<Self> {
        let read = || PrivateDecryptingKey::from_pkcs8(der).ok();
        let pair = RsaPair {
            oaep: OaepPrivateDecryptingKey::new(read()?).ok()?,
            pkcs1: Pkcs1PrivateDecryptingKey::new(read()?).ok()?,
        };
        Some(Self {
            id: id.map(Arc::from),
            material: Material::Rsa(Arc::new(pair)),
        })
    }

    /// The content encryption key; `None`: this key does not do that algorithm, or it does not fit.
    fn unwrap(&self, algorithm: &str, wrapped: &[u8], content: &Content) -> Option<Vec<u8>> {
        match (&self.material, algorithm) {
            (Material::Secret(secret), "dir") => {
                (wrapped.is_empty() && secret.len() == content.key_length).then(|| secret.to_vec())
            }
            (Material::Secret(secret), "A128KW") => unwrap_aes(&key_wrap::AES_128, secret, wrapped),
            (Material::Secret(secret), "A256KW") => unwrap_aes(&key_wrap::AES_256, secret, wrapped),
            (Material::Rsa(pair), "RSA-OAEP" | "RSA-OAEP-256") => {
                let hash = match algorithm {
                    "RSA-OAEP" => &OAEP_SHA1_MGF1SHA1,
                    _ => &OAEP_SHA256_MGF1SHA256,
                };
                let mut out = vec![0; pair.oaep.min_output_size()];
                let key = pair.oaep.decrypt(hash, wrapped, &mut out, None).ok()?;
                Some(key.to_vec())
            }
            (Material::Rsa(pair), "RSA1_5") => {
                let mut chance = vec![0; content.key_length];
                rand::fill(&mut chance).ok()?;
                let mut out = vec![0; pair.pkcs1.min_output_size()];
                match pair.pkcs1.decrypt(wrapped, &mut out) {
                    Ok(key) if key.len() == content.key_length => Some(key.to_vec()),
                    _ => Some(chance),
                }
            }
            _ => None,
        }
    }
}

fn unwrap_aes(cipher: &'static key_wrap::AesBlockCipher, key: &[u8], wrapped: &[u8]) -> Option<Vec<u8>> {
    let mut out = [0; CONTENT_KEY_MAX];
    let kek = AesKek::new(cipher, key).ok()?;
    kek.unwrap(wrapped, &mut out).ok().map(|key| key.to_vec())
}

/// How contents are encrypted (RFC 7518 §5).
struct Content {
    name: &'static str,
    key_length: usize,
    kind: Kind,
}

enum Kind {
    /// AES-CBC, and HMAC cut to half the key.
    Cbc(&'static cipher::Algorithm, hmac::Algorithm),
    Gcm(&'static aead::Algorithm),
}

static CONTENTS: [Content; 6] = [
    Content {
        name: "A128CBC-HS256",
        key_length: 32,
        kind: Kind::Cbc(&cipher::AES_128, hmac::HMAC_SHA256),
    },
    Content {
        name: "A192CBC-HS384",
        key_length: 48,
        kind: Kind::Cbc(&cipher::AES_192, hmac::HMAC_SHA384),
    },
    Content {
        name: "A256CBC-HS512",
        key_length: 64,
        kind: Kind::Cbc(&cipher::AES_256, hmac::HMAC_SHA512),
    },
    Content {
        name: "A128GCM",
        key_length: 16,
        kind: Kind::Gcm(&aead::AES_128_GCM),
    },
    Content {
        name: "A192GCM",
        key_length: 24,
        kind: Kind::Gcm(&aead::AES_192_GCM),
    },
    Content {
        name: "A256GCM",
        key_length: 32,
        kind: Kind::Gcm(&aead::AES_256_GCM),
    },
];

impl Content {
    /// The plain text; `None`: key, text or tag are not of each other.
    fn open(&self, key: &[u8], jwe: &Jwe<'_>) -> Option<Vec<u8>> {
        if key.len() != self.key_length {
            return None;
        }
        match &self.kind {
            Kind::Gcm(algorithm) => {
                let key = aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, key).ok()?);
                let nonce = aead::Nonce::try_assume_unique_for_key(&jwe.iv).ok()?;
                let mut text = [&jwe.text[..], &jwe.tag].concat();
                let aad = aead::Aad::from(jwe.protected.as_bytes());
                let length = key.open_in_place(nonce, aad, &mut text).ok()?.len();
                text.truncate(length);
                Some(text)
            }
            Kind::Cbc(algorithm, mac) => {
                let (mac_key, key) = key.split_at(key.len() / 2);
                let mut context = hmac::Context::with_key(&hmac::Key::new(*mac, mac_key));
                let bits = (jwe.protected.len() as u64 * 8).to_be_bytes();
                for part in [jwe.protected.as_bytes(), &jwe.iv, &jwe.text, &bits] {
                    context.update(part);
                }
                let tag = context.sign();
                let half = tag.as_ref().get(..mac_key.len())?;
                constant_time::verify_slices_are_equal(half, &jwe.tag).ok()?;
                let key = cipher::UnboundCipherKey::new(algorithm, key).ok()?;
                let key = cipher::PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
                let iv: [u8; 16] = jwe.iv.as_slice().try_into().ok()?;
                let context = cipher::DecryptionContext::Iv128(FixedLength::from(iv));
                let mut text = jwe.text.clone();
                let length = key.decrypt(&mut text, context).ok()?.len();
                text.truncate(length);
                Some(text)
            }
        }
    }
}

/// What of the header is looked at.
#[derive(Deserialize)]
struct Header<'h> {
    #[serde(borrow)]
    alg: Option<Cow<'h, str>>,
    #[serde(borrow)]
    enc: Option<Cow<'h, str>>,
    #[serde(borrow)]
    kid: Option<Cow<'h, str>>,
    #[serde(borrow)]
    zip: Option<Cow<'h, str>>,
    #[serde(default)]
    crit: Present,
}

/// The parts of a compact JWE.
struct Jwe<'t> {
    protected: &'t str,
    wrapped: Vec<u8>,
    iv: Vec<u8>,
    text: Vec<u8>,
    tag: Vec<u8>,
}

/// The token has the five parts of an encrypted one.
pub(crate) fn is_encrypted(token: &str) -> bool {
    token.bytes().filter(|b| *b == b'.').count() == 4
}

/// The signed token inside an encrypted one.
///
/// # Errors
/// What is wrong with its form, or that no key opens it.
pub(crate) fn decrypt(token: &str, keys: &[DecryptionKey]) -> Result<String, String> {
    let text = open(token, keys)?;
    let inner = String::from_utf8(text).ok();
    // What else it may hold, claims without a signature or another encryption, is refused.
    inner
        .filter(|inner| inner.bytes().filter(|b| *b == b'.').count() == 2)
        .ok_or_else(|| "The encrypted token holds no signed token.".to_owned())
}

fn open(token: &str, keys: &[DecryptionKey]) -> Result<Vec<u8>, String> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(format!("The token is longer than {TOKEN_BYTES_MAX} bytes."));
    }
    let mut parts = token.split('.');
    let mut next = || {
        parts
            .next()
            .ok_or("The encrypted token has fewer than five parts.")
    };
    let decode = |part: &str, what: &str| {
        URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|_| format!("The {what} of the token is not base64url."))
    };
    let protected = next()?;
    let jwe = Jwe {
        protected,
        wrapped: decode(next()?, "key")?,
        iv: decode(next()?, "initialization vector")?,
        text: decode(next()?, "content")?,
        tag: decode(next()?, "tag")?,
    };
    let header = decode(protected, "header")?;
    let header: Header<'_> = serde_json::from_slice(&header)
        .map_err(|_| "The header of the token is not a JSON object.".to_owned())?;
    if header.crit.0 {
        return Err("The token requires an unknown extension.".into());
    }
    let algorithm = header.alg.ok_or("The token names no algorithm.")?;
    let content = header
        .enc
        .and_then(|enc| CONTENTS.iter().find(|c| c.name == enc))
        .ok_or("The encryption of the token's content is not known.")?;
    let named = |key: &&DecryptionKey| key.id.as_deref() == header.kid.as_deref();
    let any_named = header.kid.is_some() && keys.iter().any(|key| named(&key));
    let fitting = keys.iter().filter(|key| !any_named || named(key));
    let opened = fitting.take(TRIES_MAX).find_map(|key| {
        let key = key.unwrap(&algorithm, &jwe.wrapped, content)?;
        content.open(&key, &jwe)
    });
    let text = opened.ok_or("The token cannot be decrypted.")?;
    match header.zip.as_deref() {
        None => Ok(text),
        Some("DEF") => inflate(&text),
        Some(_) => Err("The compression of the token is not known.".into()),
    }
}

/// Undoes DEFLATE (RFC 1951), which may grow a thousand times: no longer than a token may be.
fn inflate(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let limit = TOKEN_BYTES_MAX as u64 + 1;
    let read = flate2::read::DeflateDecoder::new(text)
        .take(limit)
        .read_to_end(&mut out);
    match read {
        Ok(length) if length <= TOKEN_BYTES_MAX => Ok(out),
        Ok(_) => Err(format!("The token is longer than {TOKEN_BYTES_MAX} bytes.")),
        Err(_) => Err("The token cannot be decompressed.".into()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use aws_lc_rs::{
        encoding::{AsDer, Pkcs8V1Der},
        rsa::{KeySize, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey},
    };

    use super::*;

    fn encode(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A token as RFC 7516 §5.1 makes it, with the wrapped key given.
    pub(crate) fn seal(header: &str, wrapped: &[u8], key: &[u8], text: &[u8]) -> String {
        let json: serde_json::Value = serde_json::from_str(header).unwrap();
        let protected = encode(header);
        let content = CONTENTS.iter().find(|c| c.name == json["enc"]).unwrap();
        let (iv, text, tag) = match &content.kind {
            Kind::Gcm(algorithm) => {
                let key = aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, key).unwrap());
                let iv = [9; 12];
                let mut text = text.to_vec();
                let nonce = aead::Nonce::assume_unique_for_key(iv);
                let aad = aead::Aad::from(protected.as_bytes());
                let tag = key.seal_in_place_separate_tag(nonce, aad, &mut text).unwrap();
                (iv.to_vec(), text, tag.as_ref().to_vec())
            }
            Kind::Cbc(algorithm, mac) => {
                let (mac_key, key) = key.split_at(key.len() / 2);
                let key = cipher::UnboundCipherKey::new(algorithm, key).unwrap();
                let key = cipher::PaddedBlockEncryptingKey::cbc_pkcs7(key).unwrap();
                let mut text = text.to_vec();
                let context = key.encrypt(&mut text).unwrap();
                let iv = <&[u8]>::try_from(&context).unwrap().to_vec();
                let bits = (protected.len() as u64 * 8).to_be_bytes();
                let signed = [protected.as_bytes(), &iv, &text, &bits].concat();
                let tag = hmac::sign(&hmac::Key::new(*mac, mac_key), &signed);
                (iv, text, tag.as_ref()[..mac_key.len()].to_vec())
            }
        };
        format!(
            "{protected}.{}.{}.{}.{}",
            encode(wrapped),
            encode(iv),
            encode(text),
            encode(tag)
        )
    }

    #[test]
    fn the_example_of_rfc_7516_opens() {
        // Appendix A.3: A128KW and A128CBC-HS256.
        let token = "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ.AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.U0m_YmjN04DJvceFICbCVQ";
        let secret = URL_SAFE_NO_PAD.decode("GawgguFyGrWKav7AX4VKUg").unwrap();
        let keys = [DecryptionKey::secret(None, &secret)];
        assert_eq!(open(token, &keys).unwrap(), b"Live long and prosper.");
        assert_eq!(
            decrypt(token, &keys).unwrap_err(),
            "The encrypted token holds no signed token."
        );
        let other = [DecryptionKey::secret(None, b"0123456789abcdef")];
        assert_eq!(open(token, &other).unwrap_err(), "The token cannot be decrypted.");
    }

    #[test]
    fn every_content_encryption_opens_and_notices_changes() {
        for content in &CONTENTS {
            let secret = vec![7; content.key_length];
            let header = format!(r#"{{"alg":"dir","enc":"{}"}}"#, content.name);
            let token = seal(&header, b"", &secret, b"a.b.c");
            let keys = [DecryptionKey::secret(None, &secret)];
            assert_eq!(decrypt(&token, &keys).as_deref(), Ok("a.b.c"), "{}", content.name);
            // Each part but the (empty) key with one character changed.
            for part in [0, 2, 3, 4] {
                let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
                let first = if parts[part].starts_with('A') { "B" } else { "A" };
                parts[part].replace_range(..1, first);
                let changed = parts.join(".");
                assert!(decrypt(&changed, &keys).is_err(), "{} {part}", content.name);
            }
            let short = [DecryptionKey::secret(None, &secret[1..])];
            assert!(decrypt(&token, &short).is_err());
        }
    }

    #[test]
    fn every_key_encryption_opens_for_its_own_kind_of_key_only() {
        let pair = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let rsa = DecryptionKey::pkcs8(Some("r"), der.as_ref()).unwrap();
        let content_key = [5; 32];
        let oaep = |hash| {
            let key = OaepPublicEncryptingKey::new(public.clone()).unwrap();
            let mut out = vec![0; key.ciphertext_size()];
            key.encrypt(hash, &content_key, &mut out, None).unwrap().to_vec()
        };
        let pkcs1 = |text: &[u8]| {
            let key = Pkcs1PublicEncryptingKey::new(public.clone()).unwrap();
            let mut out = vec![0; key.ciphertext_size()];
            key.encrypt(text, &mut out).unwrap().to_vec()
        };
        let wrap = |cipher, key: &[u8]| {
            let mut out = [0; 40];
            let kek = AesKek::new(cipher, key).unwrap();
            kek.wrap(&content_key, &mut out).unwrap().to_vec()
        };
        let (short, long) = ([1; 16], [2; 32]);
        let secrets = [
            DecryptionKey::secret(Some("s"), &short),
            DecryptionKey::secret(Some("l"), &long),
        ];
        let rsa = [rsa];
        for (algorithm, wrapped, right, wrong) in [
            ("RSA-OAEP", oaep(&OAEP_SHA1_MGF1SHA1), &rsa[..], &secrets[..]),
            ("RSA-OAEP-256", oaep(&OAEP_SHA256_MGF1SHA256), &rsa, &secrets),
            ("RSA1_5", pkcs1(&content_key), &rsa, &secrets),
            ("A128KW", wrap(&key_wrap::AES_128, &short), &secrets, &rsa),
            ("A256KW", wrap(&key_wrap::AES_256, &long), &secrets, &rsa),
        ] {
            for enc in ["A256GCM", "A128CBC-HS256"] {
                let header = format!(r#"{{"alg":"{algorithm}","enc":"{enc}"}}"#);
                let token = seal(&header, &wrapped, &content_key, b"a.b.c");
                assert_eq!(decrypt(&token, right).as_deref(), Ok("a.b.c"), "{header}");
                let failed = Err("The token cannot be decrypted.".to_owned());
                assert_eq!(decrypt(&token, wrong), failed, "{header}");
            }
        }
        // A padding that is right around a key of another length looks like any other failure.
        let header = r#"{"alg":"RSA1_5","enc":"A256GCM"}"#;
        for wrapped in [pkcs1(&[5; 16]), vec![1; 256], vec![1; 3]] {
            let token = seal(header, &wrapped, &content_key, b"a.b.c");
            assert_eq!(
                decrypt(&token, &rsa).unwrap_err(),
                "The token cannot be decrypted."
            );
        }
        // The key that the token names is tried alone.
        let header = r#"{"alg":"A128KW","enc":"A256GCM","kid":"l"}"#;
        let token = seal(header, &wrap(&key_wrap::AES_128, &short), &content_key, b"a.b.c");
        assert!(decrypt(&token, &secrets).is_err());
    }

    #[test]
    fn compressed_contents_are_bounded() {
        let key = [3; 32];
        let keys = [DecryptionKey::secret(None, &key)];
        let squeeze = |text: &[u8]| {
            let mut writer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
            writer.write_all(text).unwrap();
            writer.finish().unwrap()
        };
        let header = r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#;
        let token = |text: &[u8]| seal(header, b"", &key, text);
        assert_eq!(decrypt(&token(&squeeze(b"a.b.c")), &keys).as_deref(), Ok("a.b.c"));
        for (text, expected) in [
            (
                squeeze(&vec![b'a'; 50_000_000]),
                "The token is longer than 65536 bytes.",
            ),
            (b"\xff\xff".to_vec(), "The token cannot be decompressed."),
        ] {
            assert_eq!(decrypt(&token(&text), &keys).unwrap_err(), expected);
        }
    }

    #[test]
    fn malformed_tokens_are_told_apart() {
        let header = |json: &str| format!("{}.....", encode(json)).replace(".....", "....");
        for (token, expected) in [
            ("?....".to_owned(), "The header of the token is not base64url."),
            (header("[]"), "The header of the token is not a JSON object."),
            (header("{}"), "The token names no algorithm."),
            (
                header(r#"{"alg":"dir"}"#),
                "The encryption of the token's content is not known.",
            ),
            (
                header(r#"{"alg":"dir","enc":"A128GCM","crit":["x"]}"#),
                "The token requires an unknown extension.",
            ),
            (
                header(r#"{"alg":"dir","enc":"A128GCM"}"#),
                "The token cannot be decrypted.",
            ),
            ("a".repeat(70_000), "The token is longer than 65536 bytes."),
        ] {
            assert_eq!(open(&token, &[]).unwrap_err(), expected);
        }
    }
}
