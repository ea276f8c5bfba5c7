//! Client certificates by name: those of the configuration, and those that policies bring themselves.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use gateway_policy::effect::ClientCertificate;
use sha2::{Digest as _, Sha256};

use super::ClientIdentity;

/// PFX files of policies kept ready. Reading one costs a key derivation of some milliseconds.
const OWN_MAX: usize = 64;

/// The certificate entities that have a private key.
#[derive(Debug, Default)]
pub struct Identities {
    by_id: HashMap<String, Arc<ClientIdentity>>,
    by_thumbprint: HashMap<String, Arc<ClientIdentity>>,
    /// `context.Deployment.Certificates`: entity name, and PFX or (without a key) DER.
    shown: Vec<(Arc<str>, Arc<[u8]>)>,
}

impl Identities {
    /// Of entity names and what their files hold: certificates with a key, and others as DER.
    pub fn new(
        all: impl IntoIterator<Item = (Arc<str>, ClientIdentity)>,
        others: Vec<(Arc<str>, Arc<[u8]>)>,
    ) -> Self {
        let mut out = Self {
            shown: others,
            ..Self::default()
        };
        for (id, identity) in all {
            let identity = Arc::new(identity);
            // A key in a form that PFX does not take stays out of expressions; the certificate does not.
            let shown = identity.to_pfx().unwrap_or_else(|_| identity.leaf().to_vec());
            out.shown.push((Arc::clone(&id), shown.into()));
            out.by_thumbprint
                .insert(identity.thumbprint(), Arc::clone(&identity));
            out.by_id.insert(id.to_ascii_lowercase(), identity);
        }
        out
    }

    /// What expressions see as `context.Deployment.Certificates`.
    pub(crate) fn shown(&self) -> Vec<(Arc<str>, Arc<[u8]>)> {
        self.shown.clone()
    }

    /// The certificate entity of this name.
    pub(crate) fn id(&self, id: &str) -> Option<&Arc<ClientIdentity>> {
        self.by_id.get(&id.to_ascii_lowercase())
    }

    /// The one with this thumbprint; case, spaces, and what else is copied along make no difference.
    pub(crate) fn thumbprint(&self, thumbprint: &str) -> Option<&Arc<ClientIdentity>> {
        let hex: String = thumbprint.chars().filter(char::is_ascii_hexdigit).collect();
        self.by_thumbprint.get(&hex.to_ascii_uppercase())
    }
}

/// What policies brought to one worker, by a hash of bytes and password.
#[derive(Debug, Default)]
pub(crate) struct OwnIdentities(RefCell<HashMap<[u8; 32], Arc<ClientIdentity>>>);

impl OwnIdentities {
    /// The identity a policy asks for.
    ///
    /// # Errors
    /// There is none: the request must not go without.
    pub(crate) fn find(
        &self,
        certificate: &ClientCertificate,
        known: &Identities,
    ) -> Result<Arc<ClientIdentity>, String> {
        let found = match certificate {
            ClientCertificate::Id(id) => known.id(id),
            ClientCertificate::Thumbprint(thumbprint) => known.thumbprint(thumbprint),
            ClientCertificate::Pfx(bytes, password) => return self.read(bytes, password),
        };
        found
            .map(Arc::clone)
            .ok_or_else(|| format!("the {certificate:?} is not among the certificates with a private key"))
    }

    fn read(&self, bytes: &[u8], password: &str) -> Result<Arc<ClientIdentity>, String> {
        let mut hash = Sha256::new();
        hash.update((password.len() as u64).to_be_bytes());
        hash.update(password.as_bytes());
        hash.update(bytes);
        let key: [u8; 32] = hash.finalize().into();
        if let Some(known) = self.0.borrow().get(&key) {
            return Ok(Arc::clone(known));
        }
        let identity = Arc::new(ClientIdentity::read(bytes, password)?);
        let mut own = self.0.borrow_mut();
        if own.len() >= OWN_MAX {
            own.clear();
        }
        own.insert(key, Arc::clone(&identity));
        Ok(identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> (ClientIdentity, String) {
        let made = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
        let pem = made.cert.pem() + &made.signing_key.serialize_pem();
        (ClientIdentity::read(pem.as_bytes(), "").unwrap(), pem)
    }

    #[test]
    fn certificates_are_found_by_every_name() {
        let (one, pem) = identity();
        let thumbprint = one.thumbprint();
        let spaced: Vec<String> = thumbprint
            .as_bytes()
            .chunks(2)
            .map(|c| String::from_utf8_lossy(c).to_lowercase())
            .collect();
        let known = Identities::new([("Backend-Client".into(), one)], Vec::new());
        let own = OwnIdentities::default();
        for (certificate, found) in [
            (ClientCertificate::Id("backend-CLIENT".into()), true),
            (ClientCertificate::Id("other".into()), false),
            (ClientCertificate::Thumbprint(thumbprint.as_str().into()), true),
            (ClientCertificate::Thumbprint(spaced.join(":").into()), true),
            (ClientCertificate::Thumbprint("00".into()), false),
            (ClientCertificate::Pfx(pem.into(), "".into()), true),
            (ClientCertificate::Pfx("no pfx".into(), "".into()), false),
        ] {
            assert_eq!(own.find(&certificate, &known).is_ok(), found, "{certificate:?}");
        }
    }

    #[test]
    fn what_policies_bring_is_read_once_and_bounded() {
        let (known, own) = (Identities::default(), OwnIdentities::default());
        let (_, pem) = identity();
        let pfx = |n: usize| ClientCertificate::Pfx(format!("{pem}\n{n}").into(), "".into());
        let first = own.find(&pfx(0), &known).unwrap();
        assert!(Arc::ptr_eq(&first, &own.find(&pfx(0), &known).unwrap()));
        for n in 0..OWN_MAX * 2 {
            own.find(&pfx(n), &known).unwrap();
        }
        assert!(own.0.borrow().len() <= OWN_MAX);
    }
}
