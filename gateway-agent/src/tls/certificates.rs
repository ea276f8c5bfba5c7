//! Certificates of the gateway's host names: read, checked, chosen by name and signature scheme.

use std::{
    collections::HashMap,
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus::IntCounter;

use rustls::{
    SignatureAlgorithm,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// A host name with the PEM texts of its chain and key.
#[derive(Clone)]
pub struct HostCertificate {
    /// Exact name, `*.example.com` for one label, or `*` for whatever nothing else fits. Lower case.
    pub name: Arc<str>,
    /// Where the chain came from, for messages.
    pub chain_source: Arc<str>,
    /// Where the key came from, for messages.
    pub key_source: Arc<str>,
    /// The whole chain, leaf first.
    pub chain: Arc<[u8]>,
    /// The private key.
    pub key: Arc<[u8]>,
    /// Clients that ask for the name are offered HTTP/2.
    pub http2: bool,
}

impl fmt::Debug for HostCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key: this ends in logs.
        f.debug_struct("HostCertificate")
            .field("name", &self.name)
            .field("chain_source", &self.chain_source)
            .finish_non_exhaustive()
    }
}

/// A certificate that cannot be served. The other host names are not touched by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("host name {name}: {file}: {reason}; {remedy}")]
pub struct CertificateProblem {
    /// Host name concerned.
    pub name: Arc<str>,
    /// File or entity it came from.
    pub file: Arc<str>,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub remedy: &'static str,
}

/// Certificates by name. A name may have several (ECDSA and RSA): the client's signature schemes choose.
pub struct Certificates {
    by_name: HashMap<Arc<str>, Vec<Arc<CertifiedKey>>>,
    /// Shown when no name fits; `None` refuses the handshake.
    fallback: Option<Arc<CertifiedKey>>,
    misses: Misses,
}

/// Handshakes for names without a certificate: all are counted, and one a second is logged, for clients
/// choose the names and may try many.
#[derive(Clone, Debug)]
pub(super) struct Misses {
    counter: IntCounter,
    logged: Arc<AtomicU64>,
}

impl Misses {
    pub(super) fn new(counter: IntCounter) -> Self {
        Self {
            counter,
            logged: Arc::default(),
        }
    }

    fn note(&self, name: Option<&str>) {
        self.counter.inc();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        if self.logged.swap(now, Ordering::Relaxed) != now {
            let name = name.unwrap_or("(none)");
            tracing::warn!(
                event = "CertificateMissing",
                name,
                "no certificate for this host name; a self-signed one is shown"
            );
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("names", &self.by_name.keys())
            .finish_non_exhaustive()
    }
}

impl Certificates {
    /// Checks all of `hosts`; what cannot be used is reported. A name left without any keeps those it had before:
    /// a renewal gone wrong must not end a name that still has a valid certificate.
    pub(super) fn load(
        provider: &CryptoProvider,
        hosts: &[HostCertificate],
        previous: Option<&Certificates>,
        fallback: Option<Arc<CertifiedKey>>,
        misses: Misses,
    ) -> (Self, Vec<CertificateProblem>) {
        let mut by_name: HashMap<Arc<str>, Vec<Arc<CertifiedKey>>> = HashMap::new();
        let mut problems = Vec::new();
        for host in hosts {
            match certified_key(provider, host) {
                Ok(key) => by_name.entry(Arc::clone(&host.name)).or_default().push(key),
                Err(problem) => problems.push(problem),
            }
        }
        for host in hosts
            .iter()
            .filter(|host| !by_name.contains_key(&host.name))
            .collect::<Vec<_>>()
        {
            if let Some(keys) = previous.and_then(|previous| previous.by_name.get(&host.name)) {
                by_name.insert(Arc::clone(&host.name), keys.clone());
            }
        }
        for keys in by_name.values_mut() {
            // An ECDSA signature costs a sixteenth of an RSA one: first choice for clients that take both.
            keys.sort_by_key(|key| key.key.algorithm() == SignatureAlgorithm::RSA);
        }
        (
            Self {
                by_name,
                fallback,
                misses,
            },
            problems,
        )
    }

    /// Whether a certificate has exactly this name, wildcards taken literally.
    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    fn keys(&self, name: &str) -> Option<&Vec<Arc<CertifiedKey>>> {
        if let Some(keys) = self.by_name.get(name) {
            return Some(keys);
        }
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            return self.keys(&name.to_ascii_lowercase());
        }
        // A wildcard stands for exactly one label (RFC 6125 §6.4.3).
        let (_, parent) = name.split_once('.')?;
        self.by_name.get(format!("*.{parent}").as_str())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.keys(name));
        let keys = named.or_else(|| self.by_name.get("*"));
        let Some(keys) = keys else {
            self.misses.note(hello.server_name());
            return self.fallback.clone();
        };
        let schemes = hello.signature_schemes();
        keys.iter()
            .find(|key| key.key.choose_scheme(schemes).is_some())
            .or(keys.first())
            .cloned()
    }
}

fn certified_key(
    provider: &CryptoProvider,
    host: &HostCertificate,
) -> Result<Arc<CertifiedKey>, CertificateProblem> {
    let problem = |file: &Arc<str>, reason: String, remedy| CertificateProblem {
        name: Arc::clone(&host.name),
        file: Arc::clone(file),
        reason,
        remedy,
    };
    let chain = CertificateDer::pem_slice_iter(&host.chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| {
            problem(
                &host.chain_source,
                e.to_string(),
                "give the chain as PEM, leaf first",
            )
        })?;
    if chain.is_empty() {
        let reason = "no certificate in it".to_owned();
        return Err(problem(
            &host.chain_source,
            reason,
            "give the chain as PEM, leaf first",
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(&host.key).map_err(|e| {
        problem(
            &host.key_source,
            e.to_string(),
            "give an unencrypted PEM key (PKCS#8, PKCS#1 or SEC1)",
        )
    })?;
    let signing = provider.key_provider.load_private_key(key).map_err(|e| {
        problem(
            &host.key_source,
            e.to_string(),
            "use an RSA key of 2048 bits or more, or ECDSA",
        )
    })?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Arc::new(certified))
        }
        Err(error) => Err(problem(
            &host.key_source,
            error.to_string(),
            "give the key that belongs to the first certificate",
        )),
    }
}

/// A certificate made on the spot, shown when no host name fits, so that the miss is visible to the client
/// as an untrusted certificate and not as a broken connection.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn self_signed(provider: &CryptoProvider) -> io::Result<Arc<CertifiedKey>> {
    let made =
        rcgen::generate_simple_self_signed(vec!["gateway.invalid".to_owned()]).map_err(io::Error::other)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let signing = provider
        .key_provider
        .load_private_key(key)
        .map_err(io::Error::other)?;
    Ok(Arc::new(CertifiedKey::new(
        vec![made.cert.der().clone()],
        signing,
    )))
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};

    use super::*;
    use crate::tls::provider;

    fn load(hosts: &[HostCertificate]) -> (Certificates, Vec<CertificateProblem>) {
        let counter = IntCounter::new("misses", "in this test").unwrap();
        Certificates::load(&provider(), hosts, None, None, Misses::new(counter))
    }

    fn host(name: &str) -> HostCertificate {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let cert = rcgen::CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        HostCertificate {
            name: name.into(),
            chain_source: format!("{name}.pem").into(),
            key_source: format!("{name}.key").into(),
            chain: cert.pem().into_bytes().into(),
            key: key.serialize_pem().into_bytes().into(),
            http2: true,
        }
    }

    #[test]
    fn names_are_found_exactly_and_by_one_label() {
        let (all, problems) = load(&[host("api.test"), host("*.test")]);
        assert_eq!(problems, []);
        for (asked, expected) in [
            ("api.test", Some("api.test")),
            ("API.Test", Some("api.test")),
            ("other.test", Some("*.test")),
            ("a.b.test", None),
            ("test", None),
        ] {
            let expected = expected.map(|name| &all.by_name[name][0].cert);
            assert_eq!(all.keys(asked).map(|keys| &keys[0].cert), expected, "{asked}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named_and_the_rest_serves() {
        let good = host("good.test");
        let change = |act: fn(&mut HostCertificate)| {
            let mut bad = host("bad.test");
            act(&mut bad);
            bad
        };
        for (bad, file, text) in [
            (
                change(|h| h.chain = b"garbage".to_vec().into()),
                "bad.test.pem",
                "no certificate in it",
            ),
            (
                change(|h| h.chain = b"".to_vec().into()),
                "bad.test.pem",
                "no certificate in it",
            ),
            (
                change(|h| h.key = b"garbage".to_vec().into()),
                "bad.test.key",
                "unencrypted PEM key",
            ),
            (
                change(|h| h.key = host("x").key),
                "bad.test.key",
                "belongs to the first certificate",
            ),
            (
                change(|h| h.chain = [&h.chain[..h.chain.len() / 2], b"\n"].concat().into()),
                "bad.test.pem",
                "give the chain as PEM",
            ),
        ] {
            let (all, problems) = load(&[bad, good.clone()]);
            assert_eq!(problems.len(), 1);
            let message = problems[0].to_string();
            assert!(message.contains(file) && message.contains(text), "{message}");
            assert!(all.keys("good.test").is_some());
            assert!(all.keys("bad.test").is_none());
        }
    }
}
