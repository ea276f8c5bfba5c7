//! RSA keys: signatures and encryption with .NET's paddings.

use std::{convert::Infallible, sync::Arc};

use rsa::{
    BoxedUint, Oaep, Pkcs1v15Encrypt, Pkcs1v15Sign, PrivateKey, Pss, PublicKey,
    pkcs1::DecodeRsaPublicKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey},
    rand_core::{TryCryptoRng, TryRng},
    traits::PublicKeyParts,
};

use crate::Error;

use super::{HashKind, Random, failed, fill, hash, openssl};

/// Largest key in bits that is worked with: a 16,384-bit exponentiation takes seconds of a worker.
pub(super) const MAX_KEY_BITS: usize = 8192;

/// `RSASignaturePadding`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of RSASignaturePadding")]
pub enum SignaturePadding {
    Pkcs1,
    Pss,
}

/// `RSAEncryptionPadding`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncryptionPadding {
    /// PKCS#1 v1.5
    Pkcs1,
    /// OAEP with this hash
    Oaep(HashKind),
}

/// An RSA key, public or whole.
#[derive(Clone, Debug)]
pub struct RsaKey {
    public: PublicKey,
    private: Option<Arc<PrivateKey>>,
}

impl RsaKey {
    /// A private key in PKCS#8, DER.
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let private = PrivateKey::from_pkcs8_der(der).ok()?;
        Self::bounded(private.to_public_key(), Some(Arc::new(private)))
    }

    /// The private key in PKCS#8, DER; `None` for a public one.
    pub fn to_pkcs8(&self) -> Option<Vec<u8>> {
        let der = self.private.as_ref()?.to_pkcs8_der().ok()?;
        Some(der.as_bytes().to_vec())
    }

    /// A public key in PKCS#1, DER: the content of a certificate's key field.
    pub fn from_pkcs1_public(der: &[u8]) -> Option<Self> {
        Self::bounded(PublicKey::from_pkcs1_der(der).ok()?, None)
    }

    /// A public key from modulus and exponent, big endian.
    pub fn from_components(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let n = BoxedUint::from_be_slice_vartime(modulus);
        let e = BoxedUint::from_be_slice_vartime(exponent);
        Self::bounded(PublicKey::new(n, e).ok()?, None)
    }

    fn bounded(public: PublicKey, private: Option<Arc<PrivateKey>>) -> Option<Self> {
        (public.size() * 8 <= MAX_KEY_BITS).then_some(RsaKey { public, private })
    }

    /// `KeySize`, bits.
    pub fn key_size(&self) -> i32 {
        (self.public.size() * 8) as i32
    }

    /// Whether it can sign and decrypt.
    pub fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// Modulus and exponent, big endian.
    pub fn components(&self) -> (Vec<u8>, Vec<u8>) {
        let trim = |bytes: Box<[u8]>| {
            let zeros = bytes.iter().take_while(|b| **b == 0).count();
            bytes[zeros..].to_vec()
        };
        (
            trim(self.public.n().to_be_bytes()),
            trim(self.public.e().to_be_bytes()),
        )
    }

    /// `SignHash`
    ///
    /// # Errors
    /// `CryptographicException` without a private key or for a hash of another length.
    pub fn sign_hash(
        &self,
        digest: &[u8],
        kind: HashKind,
        padding: SignaturePadding,
        random: Random<'_>,
    ) -> Result<Vec<u8>, Error> {
        let key = self.private_or_openssl()?;
        if digest.len() != kind.size() {
            return Err(openssl(
                "The provided hash value is not the expected size for the specified hash algorithm.",
            ));
        }
        // A hash and as much salt must fit.
        if padding == SignaturePadding::Pss && self.public.size() < 2 * kind.size() + 2 {
            return Err(failed("The hash is too large for the key."));
        }
        let mut rng = Source(random);
        let signed = match padding {
            SignaturePadding::Pkcs1 => key.sign_with_rng(&mut rng, pkcs1(kind), digest),
            SignaturePadding::Pss => match kind {
                HashKind::Md5 => key.sign_with_rng(&mut rng, Pss::<md5::Md5>::new(), digest),
                HashKind::Sha1 => key.sign_with_rng(&mut rng, Pss::<sha1::Sha1>::new(), digest),
                HashKind::Sha256 => key.sign_with_rng(&mut rng, Pss::<sha2::Sha256>::new(), digest),
                HashKind::Sha384 => key.sign_with_rng(&mut rng, Pss::<sha2::Sha384>::new(), digest),
                HashKind::Sha512 => key.sign_with_rng(&mut rng, Pss::<sha2::Sha512>::new(), digest),
            },
        };
        signed.map_err(|error| openssl(error.to_string()))
    }

    /// `SignData`
    ///
    /// # Errors
    /// As [`RsaKey::sign_hash`].
    pub fn sign_data(
        &self,
        data: &[u8],
        kind: HashKind,
        padding: SignaturePadding,
        random: Random<'_>,
    ) -> Result<Vec<u8>, Error> {
        self.sign_hash(&hash(kind, data), kind, padding, random)
    }

    /// `VerifyHash`: whether the signature fits.
    pub fn verify_hash(
        &self,
        digest: &[u8],
        signature: &[u8],
        kind: HashKind,
        padding: SignaturePadding,
    ) -> bool {
        let key = &self.public;
        match padding {
            SignaturePadding::Pkcs1 => key.verify(pkcs1(kind), digest, signature),
            SignaturePadding::Pss => match kind {
                HashKind::Md5 => key.verify(Pss::<md5::Md5>::new(), digest, signature),
                HashKind::Sha1 => key.verify(Pss::<sha1::Sha1>::new(), digest, signature),
                HashKind::Sha256 => key.verify(Pss::<sha2::Sha256>::new(), digest, signature),
                HashKind::Sha384 => key.verify(Pss::<sha2::Sha384>::new(), digest, signature),
                HashKind::Sha512 => key.verify(Pss::<sha2::Sha512>::new(), digest, signature),
            },
        }
        .is_ok()
    }

    /// `VerifyData`
    pub fn verify_data(
        &self,
        data: &[u8],
        signature: &[u8],
        kind: HashKind,
        padding: SignaturePadding,
    ) -> bool {
        self.verify_hash(&hash(kind, data), signature, kind, padding)
    }

    /// `Encrypt`
    ///
    /// # Errors
    /// `CryptographicException` when the message is too long for the key.
    pub fn encrypt(
        &self,
        data: &[u8],
        padding: EncryptionPadding,
        random: Random<'_>,
    ) -> Result<Vec<u8>, Error> {
        // OAEP with anything but SHA-1 is .NET's own code, the rest OpenSSL's.
        if let EncryptionPadding::Oaep(kind) = padding
            && kind != HashKind::Sha1
            && data.len() + 2 * kind.size() + 2 > self.public.size()
        {
            return Err(failed(
                "The message exceeds the maximum allowable length for the chosen options.",
            ));
        }
        let mut rng = Source(random);
        let key = &self.public;
        match padding {
            EncryptionPadding::Pkcs1 => key.encrypt(&mut rng, Pkcs1v15Encrypt, data),
            EncryptionPadding::Oaep(kind) => match kind {
                HashKind::Md5 => key.encrypt(&mut rng, Oaep::<md5::Md5>::new(), data),
                HashKind::Sha1 => key.encrypt(&mut rng, Oaep::<sha1::Sha1>::new(), data),
                HashKind::Sha256 => key.encrypt(&mut rng, Oaep::<sha2::Sha256>::new(), data),
                HashKind::Sha384 => key.encrypt(&mut rng, Oaep::<sha2::Sha384>::new(), data),
                HashKind::Sha512 => key.encrypt(&mut rng, Oaep::<sha2::Sha512>::new(), data),
            },
        }
        .map_err(|error| openssl(error.to_string()))
    }

    /// `Decrypt`
    ///
    /// # Errors
    /// `CryptographicException` without a private key, for a wrong length, or when the padding does not fit.
    pub fn decrypt(
        &self,
        data: &[u8],
        padding: EncryptionPadding,
        random: Random<'_>,
    ) -> Result<Vec<u8>, Error> {
        let key = self.private_or_openssl()?;
        if data.len() != self.public.size() {
            return Err(failed(
                "The length of the data to decrypt is not valid for the size of this key.",
            ));
        }
        if let EncryptionPadding::Oaep(kind) = padding
            && kind != HashKind::Sha1
            && 2 * kind.size() + 2 > self.public.size()
        {
            let message = "Specified argument was out of the range of valid values.";
            return Err(Error::out_of_range("length", message));
        }
        let mut rng = Source(random);
        match padding {
            EncryptionPadding::Pkcs1 => key.decrypt_blinded(&mut rng, Pkcs1v15Encrypt, data),
            EncryptionPadding::Oaep(kind) => match kind {
                HashKind::Md5 => key.decrypt_blinded(&mut rng, Oaep::<md5::Md5>::new(), data),
                HashKind::Sha1 => key.decrypt_blinded(&mut rng, Oaep::<sha1::Sha1>::new(), data),
                HashKind::Sha256 => key.decrypt_blinded(&mut rng, Oaep::<sha2::Sha256>::new(), data),
                HashKind::Sha384 => key.decrypt_blinded(&mut rng, Oaep::<sha2::Sha384>::new(), data),
                HashKind::Sha512 => key.decrypt_blinded(&mut rng, Oaep::<sha2::Sha512>::new(), data),
            },
        }
        .map_err(|error| match padding {
            EncryptionPadding::Oaep(kind) if kind != HashKind::Sha1 => failed(error.to_string()),
            _ => openssl(error.to_string()),
        })
    }

    /// The private key where OpenSSL is what misses it.
    fn private_or_openssl(&self) -> Result<&PrivateKey, Error> {
        self.private
            .as_deref()
            .ok_or_else(|| openssl("Key does not exist."))
    }

    /// A whole key, unless it is too large.
    pub(super) fn of_private(private: PrivateKey) -> Option<Self> {
        Self::bounded(private.to_public_key(), Some(Arc::new(private)))
    }

    pub(super) fn public_key(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn private_key(&self) -> Result<&PrivateKey, Error> {
        self.private
            .as_deref()
            .ok_or_else(|| failed("Key does not exist."))
    }
}

fn pkcs1(kind: HashKind) -> Pkcs1v15Sign {
    match kind {
        HashKind::Md5 => Pkcs1v15Sign::new::<md5::Md5>(),
        HashKind::Sha1 => Pkcs1v15Sign::new::<sha1::Sha1>(),
        HashKind::Sha256 => Pkcs1v15Sign::new::<sha2::Sha256>(),
        HashKind::Sha384 => Pkcs1v15Sign::new::<sha2::Sha384>(),
        HashKind::Sha512 => Pkcs1v15Sign::new::<sha2::Sha512>(),
    }
}

/// The caller's random bits as the generator that the RSA crate asks for.
pub(super) struct Source<'a>(pub(super) Random<'a>);

impl TryRng for Source<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.0)() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok((self.0)())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        fill(self.0, bytes);
        Ok(())
    }
}

impl TryCryptoRng for Source<'_> {}
