//! `System.Security.Cryptography`: hashes, HMAC, symmetric ciphers, RSA and X.509 certificates, over the
//! RustCrypto crates. Pure functions of their arguments; where .NET draws random bytes, the caller gives them.

mod certificate;
mod hash;
mod name;
mod oid;
mod rsa;
mod rsa_parts;
mod symmetric;

pub use certificate::{Certificate, Name, NameType};
pub use hash::{HashKind, hash, hmac, named_class};
pub use oid::{friendly_name, oid_of};
pub use rsa::{EncryptionPadding, RsaKey, SignaturePadding};
pub use rsa_parts::RsaParameters;
pub use symmetric::{Algorithm, CipherMode, PaddingMode, Symmetric};

use crate::{Error, ExceptionKind};

/// Where random bytes come from: 64 fresh random bits a call.
pub type Random<'a> = &'a mut dyn FnMut() -> u64;

fn failed(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ExceptionKind::CryptographicException, message)
}

/// A failure that .NET on Linux reports from OpenSSL. The text is ours: OpenSSL's names its own internals.
fn openssl(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ExceptionKind::OpenSslCryptographicException, message)
}

fn fill(random: Random<'_>, bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(8) {
        let fresh = random().to_le_bytes();
        chunk.copy_from_slice(&fresh[..chunk.len()]);
    }
}
