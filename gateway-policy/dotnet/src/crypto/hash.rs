//! Hashes and keyed hashes.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::Error;

use super::failed;

/// A hash algorithm of the allow-list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the variants are .NET's classes of the same names")]
pub enum HashKind {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl HashKind {
    /// All of them.
    pub const ALL: [HashKind; 5] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// `HashAlgorithmName.Name`
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }

    /// The algorithm of a `HashAlgorithmName` or of `HashAlgorithm.Create(name)`.
    ///
    /// # Errors
    /// `CryptographicException` when there is none of that name.
    pub fn by_name(name: &str) -> Result<Self, Error> {
        let short = name.rsplit('.').next().unwrap_or(name).replace('-', "");
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(&short))
            .ok_or_else(|| failed(format!("'{name}' is not a known hash algorithm.")))
    }

    /// Bytes of a hash.
    pub const fn size(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Bytes of a block: a longer HMAC key is hashed first.
    pub const fn block_size(self) -> usize {
        match self {
            Self::Md5 | Self::Sha1 | Self::Sha256 => 64,
            Self::Sha384 | Self::Sha512 => 128,
        }
    }
}

/// A class that `HashAlgorithm.Create(name)` makes: which hash, whether keyed, and its name.
pub fn named_class(name: &str) -> Option<(HashKind, bool, String)> {
    let full = name.strip_prefix("System.Security.Cryptography.");
    let short = full.unwrap_or(name);
    let short = match short.to_ascii_uppercase().as_str() {
        "SHA" if full.is_none() => "SHA1",
        "HASHALGORITHM" if full.is_some() => "SHA1",
        "HMAC" | "KEYEDHASHALGORITHM" if full.is_some() => "HMACSHA1",
        "SHA-256" if full.is_none() => "SHA256",
        "SHA-384" if full.is_none() => "SHA384",
        "SHA-512" if full.is_none() => "SHA512",
        _ => short,
    };
    HashKind::ALL.into_iter().find_map(|kind| {
        let base = kind.name();
        if short
            .strip_prefix("HMAC")
            .is_some_and(|k| k.eq_ignore_ascii_case(base))
        {
            return Some((kind, true, format!("HMAC{base}")));
        }
        let class = match kind {
            HashKind::Md5 | HashKind::Sha1 => format!("{base}CryptoServiceProvider"),
            _ => format!("{base}Managed"),
        };
        let managed = format!("{base}Managed");
        if short.eq_ignore_ascii_case(base) || (full.is_some() && short == class) {
            Some((kind, false, class))
        } else {
            (full.is_some() && short == managed && kind != HashKind::Md5).then_some((kind, false, managed))
        }
    })
}

/// `HashAlgorithm.ComputeHash`
pub fn hash(kind: HashKind, data: &[u8]) -> Vec<u8> {
    match kind {
        HashKind::Md5 => Md5::digest(data).to_vec(),
        HashKind::Sha1 => Sha1::digest(data).to_vec(),
        HashKind::Sha256 => Sha256::digest(data).to_vec(),
        HashKind::Sha384 => Sha384::digest(data).to_vec(),
        HashKind::Sha512 => Sha512::digest(data).to_vec(),
    }
}

/// `new HMAC…(key).ComputeHash(data)`
pub fn hmac(kind: HashKind, key: &[u8], data: &[u8]) -> Vec<u8> {
    match kind {
        HashKind::Md5 => mac::<Hmac<Md5>>(key, data),
        HashKind::Sha1 => mac::<Hmac<Sha1>>(key, data),
        HashKind::Sha256 => mac::<Hmac<Sha256>>(key, data),
        HashKind::Sha384 => mac::<Hmac<Sha384>>(key, data),
        HashKind::Sha512 => mac::<Hmac<Sha512>>(key, data),
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length; the empty result cannot be reached.
    <M as KeyInit>::new_from_slice(key)
        .map(|mac| mac.chain_update(data).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}
