//! A certificate with its private key that this node shows to others.

use std::fmt;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12Archive, PrivateKey, PrivateKeyChain};
use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};

/// Certificates of one chain; real ones have at most five.
const CHAIN_MAX: usize = 16;

/// Chain, leaf first, and key. Equal when the leaf is the same: connections are kept by it.
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    thumbprint: [u8; 20],
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("thumbprint", &self.thumbprint())
            .finish_non_exhaustive()
    }
}

impl ClientIdentity {
    /// From PEM (certificates and key, in any order) or PFX.
    ///
    /// # Errors
    /// What is missing or unreadable; never a part of the key.
    pub fn read(bytes: &[u8], password: &str) -> Result<Self, String> {
        // PFX is DER, which begins with a sequence; PEM is text.
        match bytes.first() {
            Some(0x30) => Self::pfx(bytes, password),
            _ => Self::pem(bytes, bytes),
        }
    }

    /// From PEM: the chain and its key, which may be the same text.
    ///
    /// # Errors
    /// As [`ClientIdentity::read`].
    pub fn pem(chain: &[u8], key: &[u8]) -> Result<Self, String> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).take(CHAIN_MAX).collect();
        let chain = chain.map_err(|error| format!("the certificate is not PEM: {error}"))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| format!("there is no private key: {error}"))?;
        Self::of(chain, key)
    }

    fn pfx(bytes: &[u8], password: &str) -> Result<Self, String> {
        let archive = Pkcs12Archive::from_pkcs12(bytes, password)
            .map_err(|error| format!("the PFX cannot be read: {error}"))?;
        let bag = archive.keys.first().ok_or("the PFX holds no private key")?;
        let key = PrivateKeyDer::try_from(bag.key.as_der().to_vec()).map_err(str::to_owned)?;
        // The certificate of the key comes first.
        let wanted = bag.local_key_id.as_ref();
        let is_leaf = |id: Option<&[u8]>| wanted.is_some_and(|w| id == Some(&w.0[..]));
        let (mut chain, rest): (Vec<_>, Vec<_>) = archive
            .certs
            .iter()
            .take(CHAIN_MAX)
            .partition(|c| is_leaf(c.local_key_id.as_deref()));
        chain.extend(rest);
        let chain = chain
            .into_iter()
            .map(|c| c.cert.as_der().to_vec().into())
            .collect();
        Self::of(chain, key)
    }

    fn of(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, String> {
        let leaf = chain.first().ok_or("there is no certificate")?;
        // Azure names certificates by SHA-1; nothing is believed because of it.
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, leaf);
        Ok(Self {
            thumbprint: hash.as_ref().try_into().map_err(|_| "there is no thumbprint")?,
            chain,
            key,
        })
    }

    /// Chain and key as PFX without password: what expressions read a certificate with a key from. It never leaves
    /// the process, so one round of key derivation is as good as many, and is paid at each read.
    ///
    /// # Errors
    /// The key is of a form that PFX does not take.
    pub(crate) fn to_pfx(&self) -> Result<Vec<u8>, String> {
        let text = |error: p12_keystore::error::Error| error.to_string();
        let mut chain = Vec::new();
        for certificate in &self.chain {
            chain.push(p12_keystore::Certificate::from_der(certificate).map_err(text)?);
        }
        let key = PrivateKey::from_der(self.pkcs8()).map_err(text)?;
        let mut store = KeyStore::new();
        let chain = PrivateKeyChain::new(b"1".to_vec(), key, chain);
        store.add_entry("certificate", KeyStoreEntry::PrivateKeyChain(chain));
        let writer = store.writer("").encryption_iterations(1).mac_iterations(1);
        writer.write().map_err(text)
    }

    /// Chain, leaf first, then the key, PEM: what files of host names and of backends hold.
    pub(crate) fn to_pem(&self) -> String {
        let (kind, key) = match &self.key {
            PrivateKeyDer::Pkcs1(key) => ("RSA PRIVATE KEY", key.secret_pkcs1_der()),
            PrivateKeyDer::Sec1(key) => ("EC PRIVATE KEY", key.secret_sec1_der()),
            other => ("PRIVATE KEY", other.secret_der()),
        };
        let mut out = String::new();
        for certificate in &self.chain {
            block("CERTIFICATE", certificate, &mut out);
        }
        block(kind, key, &mut out);
        out
    }

    /// SHA-1 of the leaf, upper-case hex, as Azure shows it.
    pub fn thumbprint(&self) -> String {
        self.thumbprint.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// The leaf, DER.
    pub(crate) fn leaf(&self) -> &[u8] {
        self.chain.first().map_or(&[], |leaf| leaf)
    }

    /// The key in PKCS #8 form; empty when it is in another.
    pub(crate) fn pkcs8(&self) -> &[u8] {
        match &self.key {
            PrivateKeyDer::Pkcs8(key) => key.secret_pkcs8_der(),
            _ => &[],
        }
    }

    /// As TLS shows it.
    ///
    /// # Errors
    /// The key is of a kind the library cannot use, or of another certificate.
    pub(crate) fn certified(&self, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
        CertifiedKey::from_der(self.chain.clone(), self.key.clone_key(), provider)
            .map_err(|error| error.to_string())
    }
}

/// One block of PEM (RFC 7468), 64 characters a line.
fn block(kind: &str, der: &[u8], out: &mut String) {
    let text = STANDARD.encode(der);
    out.push_str(&format!("-----BEGIN {kind}-----\n"));
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out.push_str(&format!("-----END {kind}-----\n"));
}

/// Two that show the same leaf are the same.
impl PartialEq for ClientIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.leaf() == other.leaf()
    }
}

impl Eq for ClientIdentity {}

impl std::hash::Hash for ClientIdentity {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.thumbprint.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use p12_keystore::{Certificate, EncryptionAlgorithm};

    use super::*;

    fn made() -> (Vec<u8>, Vec<u8>, String) {
        let made = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
        let pem = made.cert.pem() + &made.signing_key.serialize_pem();
        (made.cert.der().to_vec(), made.signing_key.serialize_der(), pem)
    }

    #[test]
    fn pem_and_pfx_give_the_same_identity() {
        let (der, key, pem) = made();
        let mut store = KeyStore::new();
        let chain = PrivateKeyChain::new(
            b"1".to_vec(),
            PrivateKey::from_der(&key).unwrap(),
            [Certificate::from_der(&der).unwrap()],
        );
        store.add_entry("client", KeyStoreEntry::PrivateKeyChain(chain));
        let pfx = store
            .writer("secret")
            .encryption_algorithm(EncryptionAlgorithm::PbeWithHmacSha256AndAes256)
            .encryption_iterations(1_000)
            .write()
            .unwrap();
        let from_pem = ClientIdentity::read(pem.as_bytes(), "").unwrap();
        let from_pfx = ClientIdentity::read(&pfx, "secret").unwrap();
        assert_eq!(from_pem, from_pfx);
        assert_eq!(from_pem.thumbprint(), from_pfx.thumbprint());
        assert_eq!(from_pem.pkcs8(), from_pfx.pkcs8());
        assert!(from_pem.certified(&crate::tls::provider()).is_ok());
        let again = ClientIdentity::read(&from_pem.to_pfx().unwrap(), "").unwrap();
        assert_eq!(
            (again.thumbprint(), again.pkcs8()),
            (from_pem.thumbprint(), from_pem.pkcs8())
        );
        assert!(ClientIdentity::read(&pfx, "wrong").is_err());
        assert_ne!(ClientIdentity::read(made().2.as_bytes(), "").unwrap(), from_pem);
    }

    #[test]
    fn what_is_missing_is_named() {
        let (_, _, pem) = made();
        let split = pem.find("-----BEGIN PRIVATE").unwrap();
        for (text, expected) in [
            (&pem[..split], "there is no private key"),
            (&pem[split..], "there is no certificate"),
            ("", "there is no private key"),
            ("0 not a pfx", "the PFX cannot be read"),
        ] {
            let error = ClientIdentity::read(text.as_bytes(), "").unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
