//! `X509Certificate2`: the fields of a certificate, and its key when it came in a PFX.

use std::sync::Arc;

use p12_keystore::Pkcs12Archive;
use x509_cert::{
    Certificate as X509,
    der::{Decode, DecodePem, Encode},
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use crate::Error;

use super::{HashKind, RsaKey, SignaturePadding, hash, name, openssl};

/// Seconds between the .NET epoch and the Unix epoch.
const UNIX_EPOCH_SECONDS: i64 = 62_135_596_800;

/// `X509NameType`, with .NET's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of X509NameType")]
pub enum NameType {
    SimpleName = 0,
    EmailName = 1,
    UpnName = 2,
    DnsName = 3,
    DnsFromAlternativeName = 4,
    UrlName = 5,
}

/// One of a certificate's two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "subject and issuer")]
pub enum Name {
    Subject,
    Issuer,
}

/// A certificate. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Certificate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    der: Vec<u8>,
    parsed: X509,
    private_key: Option<RsaKey>,
    has_private_key: bool,
}

impl Certificate {
    /// `new X509Certificate2(bytes[, password])`: DER, PEM or PFX.
    ///
    /// # Errors
    /// `CryptographicException` for anything else, or a wrong password.
    pub fn new(bytes: &[u8], password: &str) -> Result<Self, Error> {
        if let Ok(parsed) = X509::from_der(bytes) {
            return Ok(Self::of(bytes.to_vec(), parsed, None, false));
        }
        if bytes
            .trim_ascii_start()
            .starts_with(b"-----BEGIN CERTIFICATE-----")
        {
            let text = first_pem_block(bytes);
            let parsed = X509::from_pem(text).map_err(|error| openssl(error.to_string()))?;
            let der = parsed.to_der().map_err(|error| openssl(error.to_string()))?;
            return Ok(Self::of(der, parsed, None, false));
        }
        // Certificates within a signature of another: .NET wants its signer.
        const PKCS7: i64 = 5;
        if Self::content_type(bytes) == Some(PKCS7) {
            return Err(super::failed("Cannot find the original signer."));
        }
        Self::from_pfx(bytes, password)
    }

    fn from_pfx(bytes: &[u8], password: &str) -> Result<Self, Error> {
        let archive =
            Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| openssl(error.to_string()))?;
        let key = archive.keys.first();
        // The certificate of the key, else the first.
        let wanted = key.and_then(|key| key.local_key_id.as_ref());
        let bag = archive
            .certs
            .iter()
            .find(|bag| {
                wanted.is_some_and(|id| {
                    bag.local_key_id
                        .as_ref()
                        .is_some_and(|k| k.as_slice() == id.as_ref())
                })
            })
            .or_else(|| archive.certs.first())
            .ok_or_else(|| openssl("The PFX holds no certificate."))?;
        let der = bag.cert.as_der().to_vec();
        let parsed = X509::from_der(&der).map_err(|error| openssl(error.to_string()))?;
        let private = key.and_then(|key| RsaKey::from_pkcs8(key.key.as_der()));
        Ok(Self::of(der, parsed, private, key.is_some()))
    }

    fn of(der: Vec<u8>, parsed: X509, private_key: Option<RsaKey>, has_private_key: bool) -> Self {
        Certificate(Arc::new(Inner {
            der,
            parsed,
            private_key,
            has_private_key,
        }))
    }

    /// `GetCertContentType`: the number of the `X509ContentType`; none for anything else.
    pub fn content_type(bytes: &[u8]) -> Option<i64> {
        const CERT: i64 = 1;
        const PFX: i64 = 3;
        const PKCS7: i64 = 5;
        /// `1.2.840.113549.1.7.2`, signed data, as DER.
        const SIGNED: &[u8] = &[6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 2];
        if X509::from_der(bytes).is_ok() || X509::from_pem(first_pem_block(bytes)).is_ok() {
            return Some(CERT);
        }
        let head = bytes.get(..SIGNED.len() + 6).unwrap_or_default();
        if bytes.first() == Some(&0x30) && head.windows(SIGNED.len()).any(|w| w == SIGNED) {
            return Some(PKCS7);
        }
        // A PFX begins with a sequence and version 3.
        let version = bytes.get(..8).unwrap_or_default();
        (bytes.first() == Some(&0x30) && version.windows(3).any(|w| w == [2, 1, 3])).then_some(PFX)
    }

    /// `RawData`
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// `GetCertHash()`: SHA-1 of the certificate.
    pub fn cert_hash(&self) -> Vec<u8> {
        hash(HashKind::Sha1, &self.0.der)
    }

    /// `Thumbprint`
    pub fn thumbprint(&self) -> String {
        hex(&self.cert_hash())
    }

    /// `Subject`, `Issuer`: most specific component first.
    pub fn name(&self, which: Name) -> String {
        name::print(self.x500(which), true)
    }

    /// `GetName()`, `GetIssuerName()`: in the order of the encoding.
    pub fn name_in_order(&self, which: Name) -> String {
        name::print(self.x500(which), false)
    }

    fn x500(&self, which: Name) -> &x509_cert::name::Name {
        let certificate = self.0.parsed.tbs_certificate();
        match which {
            Name::Subject => certificate.subject(),
            Name::Issuer => certificate.issuer(),
        }
    }

    /// `SerialNumber`: hex, as written in the certificate.
    pub fn serial_number(&self) -> String {
        hex(self.0.parsed.tbs_certificate().serial_number().as_bytes())
    }

    /// `GetSerialNumber()`: little endian.
    pub fn serial_number_bytes(&self) -> Vec<u8> {
        let mut bytes = self
            .0
            .parsed
            .tbs_certificate()
            .serial_number()
            .as_bytes()
            .to_vec();
        bytes.reverse();
        bytes
    }

    /// `NotBefore` in .NET ticks, UTC.
    pub fn not_before_ticks(&self) -> i64 {
        ticks(self.0.parsed.tbs_certificate().validity().not_before)
    }

    /// `NotAfter` in .NET ticks, UTC.
    pub fn not_after_ticks(&self) -> i64 {
        ticks(self.0.parsed.tbs_certificate().validity().not_after)
    }

    /// `Version`: 1 to 3.
    pub fn version(&self) -> i32 {
        self.0.parsed.tbs_certificate().version() as i32 + 1
    }

    /// `SignatureAlgorithm.Value`
    pub fn signature_algorithm(&self) -> String {
        self.0.parsed.signature_algorithm().oid.to_string()
    }

    /// Whether `issuer` signed it: the names fit and the RSA signature holds. Other signature algorithms are
    /// not checked and count as not signed.
    pub fn is_issued_by(&self, issuer: &Certificate) -> bool {
        let (kind, padding) = match &*self.signature_algorithm() {
            "1.2.840.113549.1.1.11" => (HashKind::Sha256, SignaturePadding::Pkcs1),
            "1.2.840.113549.1.1.12" => (HashKind::Sha384, SignaturePadding::Pkcs1),
            "1.2.840.113549.1.1.13" => (HashKind::Sha512, SignaturePadding::Pkcs1),
            _ => return false,
        };
        let tbs = self.0.parsed.tbs_certificate();
        let names_fit = tbs.issuer() == issuer.0.parsed.tbs_certificate().subject();
        let (Ok(signed), Some(key)) = (tbs.to_der(), issuer.rsa_public_key()) else {
            return false;
        };
        let signature = self.0.parsed.signature().raw_bytes();
        names_fit && key.verify_data(&signed, signature, kind, padding)
    }

    /// `PublicKey.Oid.Value`, `GetKeyAlgorithm()`
    pub fn key_algorithm(&self) -> String {
        let key = self.0.parsed.tbs_certificate().subject_public_key_info();
        key.algorithm.oid.to_string()
    }

    /// `GetPublicKey()`: the content of the key field.
    pub fn public_key(&self) -> &[u8] {
        let key = self.0.parsed.tbs_certificate().subject_public_key_info();
        key.subject_public_key.raw_bytes()
    }

    /// `GetKeyAlgorithmParameters()`: in DER; none where there are none.
    pub fn key_parameters(&self) -> Vec<u8> {
        let key = self.0.parsed.tbs_certificate().subject_public_key_info();
        let parameters = key.algorithm.parameters.as_ref();
        parameters.and_then(|p| p.to_der().ok()).unwrap_or_default()
    }

    /// `Extensions.Count`
    pub fn extensions(&self) -> usize {
        let all = self.0.parsed.tbs_certificate().extensions();
        all.map_or(0, |list| list.len())
    }

    /// `CopyWithPrivateKey`: the same certificate with a key.
    ///
    /// # Errors
    /// `InvalidOperationException` where it has one, `ArgumentException` for the key of another certificate.
    pub fn with_key(&self, key: &RsaKey) -> Result<Certificate, Error> {
        if self.has_private_key() {
            let message = "The certificate already has an associated private key.";
            return Err(Error::invalid_operation(message));
        }
        if self
            .rsa_public_key()
            .is_none_or(|own| own.components() != key.components())
        {
            let message = "The provided key does not match the public key for this certificate.";
            return Err(Error::argument("privateKey", message));
        }
        let inner = &self.0;
        Ok(Self::of(
            inner.der.clone(),
            inner.parsed.clone(),
            Some(key.clone()),
            true,
        ))
    }

    /// `HasPrivateKey`
    pub fn has_private_key(&self) -> bool {
        self.0.has_private_key
    }

    /// `GetRSAPrivateKey()`; `None` is null.
    pub fn rsa_private_key(&self) -> Option<RsaKey> {
        self.0.private_key.clone()
    }

    /// `GetRSAPublicKey()`; `None` is null.
    pub fn rsa_public_key(&self) -> Option<RsaKey> {
        (self.key_algorithm() == "1.2.840.113549.1.1.1")
            .then(|| RsaKey::from_pkcs1_public(self.public_key()))
            .flatten()
    }

    /// `GetNameInfo(type, forIssuer)`: empty when there is none. Alternative names are the subject's.
    pub fn name_info(&self, kind: NameType, which: Name) -> String {
        const COMMON_NAME: &str = "2.5.4.3";
        const EMAIL: &str = "1.2.840.113549.1.9.1";
        const ORGANIZATION_FIRST: [&str; 4] = [COMMON_NAME, "2.5.4.11", "2.5.4.10", EMAIL];
        let name = self.x500(which);
        let alternative = |pick: fn(&GeneralName) -> Option<String>| self.alternative(which, pick);
        let found = match kind {
            NameType::SimpleName => ORGANIZATION_FIRST.iter().find_map(|oid| name::find(name, oid)),
            NameType::EmailName => alternative(|n| match n {
                GeneralName::Rfc822Name(mail) => Some(mail.to_string()),
                _ => None,
            })
            .or_else(|| name::find(name, EMAIL)),
            NameType::DnsName | NameType::DnsFromAlternativeName => alternative(|n| match n {
                GeneralName::DnsName(dns) => Some(dns.to_string()),
                _ => None,
            })
            .or_else(|| {
                (kind == NameType::DnsName)
                    .then(|| name::find(name, COMMON_NAME))
                    .flatten()
            }),
            NameType::UrlName => alternative(|n| match n {
                GeneralName::UniformResourceIdentifier(uri) => Some(uri.to_string()),
                _ => None,
            }),
            NameType::UpnName => alternative(|n| match n {
                // Microsoft's user principal name is a string within an "other name".
                GeneralName::OtherName(other) if other.type_id.to_string() == "1.3.6.1.4.1.311.20.2.3" => {
                    Some(String::from_utf8_lossy(other.value.value()).into_owned())
                }
                _ => None,
            }),
        };
        found.unwrap_or_default()
    }

    fn alternative(&self, which: Name, pick: fn(&GeneralName) -> Option<String>) -> Option<String> {
        if which == Name::Issuer {
            return None;
        }
        let names = self.0.parsed.tbs_certificate().get_extension::<SubjectAltName>();
        let (_, names) = names.ok().flatten()?;
        names.0.iter().find_map(pick)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

fn first_pem_block(bytes: &[u8]) -> &[u8] {
    const END: &[u8] = b"-----END CERTIFICATE-----";
    let bytes = bytes.trim_ascii_start();
    match bytes.windows(END.len()).position(|w| w == END) {
        Some(at) => &bytes[..at + END.len()],
        None => bytes,
    }
}

fn ticks(time: x509_cert::time::Time) -> i64 {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX / 20_000_000);
    (seconds + UNIX_EPOCH_SECONDS) * 10_000_000
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}
