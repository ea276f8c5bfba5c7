//! Reading certificates, keys and authorities from files.

use std::{path::Path, sync::Arc};

use gateway_config::{Problem, Settings, Snapshot, settings::ClientSettings};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::expiry;
use crate::{
    sync::tree::{self, Bounds, Looked},
    telemetry::Metrics,
    tls::HostCertificate,
};

/// Largest PEM file. A bundle of all public authorities has 220 KiB.
const PEM_BYTES: u64 = 4 << 20;

/// The name of the certificate that is shown when no host name matches.
pub(crate) const ANY_NAME: &str = "*";

/// What was read for TLS with clients.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    /// Chains and keys by host name.
    pub(super) hosts: Vec<HostCertificate>,
    /// Every file looked at: a change of one is a reason to load again.
    pub(super) files: Looked,
    /// What could not be read.
    pub(super) problems: Vec<Problem>,
    /// Names whose files could not be read, which is reported already.
    pub(super) unreadable: Vec<Arc<str>>,
}

/// Reads the certificates of all host names, and the default one. Relative paths of the overlay start at the
/// overlay's folder.
pub(super) fn read(snapshot: &Snapshot, settings: &Settings) -> Certificates {
    let mut out = Certificates::default();
    if let (Some(chain), Some(key)) = (&settings.server.certificate_path, &settings.server.key_path) {
        out.add(ANY_NAME, chain, key, true);
    }
    for host in snapshot.hostnames() {
        let (chain, key) = (
            beside_overlay(settings, &host.certificate_path),
            beside_overlay(settings, &host.key_path),
        );
        if let Some(pem) = &host.content {
            out.hosts.push(HostCertificate {
                name: host.name.to_ascii_lowercase().into(),
                chain_source: Arc::clone(&host.certificate_path),
                key_source: Arc::clone(&host.key_path),
                chain: Arc::clone(&pem.0),
                key: Arc::clone(&pem.0),
                http2: host.http2,
            });
            continue;
        }
        out.add(&host.name, &chain, &key, host.http2);
        if host.default_binding {
            out.add(ANY_NAME, &chain, &key, host.http2);
        }
    }
    out
}

/// A path of the overlay as the agent opens it.
pub(super) fn beside_overlay(settings: &Settings, path: &Arc<str>) -> Arc<str> {
    let folder = settings
        .config
        .overlay_path
        .as_deref()
        .and_then(|overlay| Path::new(overlay).parent());
    match folder {
        // Joining an absolute path gives that path.
        Some(folder) => folder.join(&**path).display().to_string().into(),
        None => Arc::clone(path),
    }
}

impl Certificates {
    fn add(&mut self, name: &str, chain: &Arc<str>, key: &Arc<str>, http2: bool) {
        let mut pem = |path: &Arc<str>| {
            let file = Path::new(&**path);
            tree::look(&mut self.files, file);
            tree::read_file(file, PEM_BYTES).map_err(|error| {
                let message = format!("host name {name}: {error}");
                Problem::scope("unreadable-certificate", path, message).on(name.to_owned())
            })
        };
        match (pem(chain), pem(key)) {
            (Ok(chain_pem), Ok(key_pem)) => self.hosts.push(HostCertificate {
                name: name.to_ascii_lowercase().into(),
                chain_source: Arc::clone(chain),
                key_source: Arc::clone(key),
                chain: chain_pem,
                key: key_pem,
                http2,
            }),
            (chain_read, key_read) => {
                self.problems
                    .extend([chain_read.err(), key_read.err()].into_iter().flatten());
                // Without content it is no certificate, so the name keeps what it had.
                let name: Arc<str> = name.to_ascii_lowercase().into();
                self.unreadable.push(Arc::clone(&name));
                self.hosts.push(HostCertificate {
                    name,
                    chain_source: Arc::clone(chain),
                    key_source: Arc::clone(key),
                    chain: Arc::default(),
                    key: Arc::default(),
                    http2,
                });
            }
        }
    }

    /// Tells when each certificate ends; names that are gone are forgotten.
    pub(super) fn tell_expiry(&self, metrics: &Metrics) {
        let family = &metrics.tls.certificate_expiry;
        family.reset();
        for host in &self.hosts {
            let leaf = CertificateDer::pem_slice_iter(&host.chain)
                .next()
                .and_then(Result::ok);
            let Some(end) = leaf.and_then(|der| expiry::not_after(&der)) else {
                continue;
            };
            if let Ok(gauge) = family.get_metric_with_label_values(&[&host.name]) {
                gauge.set(end);
            }
        }
    }
}

/// The certificates of a PEM text, DER; keys in it are passed over.
pub(super) fn certificates_of(pem: &[u8]) -> Vec<Arc<[u8]>> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(|der| Some(der.ok()?.as_ref().into()))
        .collect()
}

/// CA certificates of `certificates.local.ca.path`, DER: one PEM file or a folder of them. What cannot be
/// read is in the log; a missing authority makes backends fail closed.
pub(crate) fn authorities(settings: &ClientSettings) -> Vec<Arc<[u8]>> {
    let Some(path) = settings.local_ca_path.as_ref().filter(|_| settings.local_ca) else {
        return Vec::new();
    };
    let path = Path::new(&**path);
    let mut pems = Vec::new();
    if path.is_dir() {
        match tree::read(path, &Bounds::default()) {
            Ok(tree) => pems.extend(tree.files.into_values()),
            Err(error) => tracing::error!(event = "AuthoritiesUnreadable", "{error}"),
        }
    } else {
        match tree::read_file(path, PEM_BYTES) {
            Ok(pem) => pems.push(pem),
            Err(error) => tracing::error!(event = "AuthoritiesUnreadable", "{error}"),
        }
    }
    let mut out: Vec<Arc<[u8]>> = Vec::new();
    for pem in pems {
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            match certificate {
                Ok(der) => out.push(der.as_ref().into()),
                Err(error) => {
                    tracing::error!(event = "AuthoritiesUnreadable", path = %path.display(), "not PEM: {error}");
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::scratch::Scratch;

    fn pem() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn settings(scratch: &Scratch, chain: &str, key: &str) -> Settings {
        let path = |name: &str| Some(Arc::from(scratch.path().join(name).display().to_string()));
        let mut settings = Settings::default();
        settings.server.certificate_path = path(chain);
        settings.server.key_path = path(key);
        settings
    }

    #[test]
    fn the_default_certificate_is_read() {
        let scratch = Scratch::new();
        let (chain, key) = pem();
        scratch.write("c.pem", chain);
        scratch.write("k.pem", key);
        let read = read(&Snapshot::default(), &settings(&scratch, "c.pem", "k.pem"));
        assert_eq!(read.problems, []);
        assert_eq!(read.files.len(), 2);
        assert_eq!(&*read.hosts[0].name, ANY_NAME);
    }

    #[test]
    fn relative_paths_start_at_the_overlay() {
        let mut settings = Settings::default();
        for (overlay, path, expected) in [
            (None, "certs/a.pem", "certs/a.pem"),
            (Some("/etc/gw/overlay.yaml"), "certs/a.pem", "/etc/gw/certs/a.pem"),
            (Some("/etc/gw/overlay.yaml"), "/abs/a.pem", "/abs/a.pem"),
            (Some("overlay.yaml"), "a.pem", "a.pem"),
        ] {
            settings.config.overlay_path = overlay.map(Arc::from);
            assert_eq!(&*beside_overlay(&settings, &path.into()), expected, "{overlay:?}");
        }
    }

    #[test]
    fn the_end_of_each_certificate_is_told() {
        let scratch = Scratch::new();
        let (chain, key) = pem();
        scratch.write("c.pem", chain);
        scratch.write("k.pem", key);
        let metrics = Metrics::new().unwrap();
        metrics
            .tls
            .certificate_expiry
            .with_label_values(&["gone"])
            .set(1.0);
        read(&Snapshot::default(), &settings(&scratch, "c.pem", "k.pem")).tell_expiry(&metrics);
        let text = metrics.render().unwrap();
        assert!(
            text.contains("certificate_expiry_timestamp_seconds{host=\"*\"} 67"),
            "{text}"
        );
        assert!(!text.contains("gone"), "{text}");
    }

    #[test]
    fn missing_files_are_named_and_watched() {
        let scratch = Scratch::new();
        scratch.write("c.pem", "x");
        let read = read(&Snapshot::default(), &settings(&scratch, "c.pem", "absent.pem"));
        assert_eq!(read.unreadable, [Arc::from("*")]);
        assert!(
            read.hosts[0].chain.is_empty(),
            "a name without content keeps what it had"
        );
        assert!(
            read.problems[0].message.contains("absent.pem"),
            "{:?}",
            read.problems
        );
        assert_eq!(read.files[&scratch.path().join("absent.pem")], None);
    }

    #[test]
    fn authorities_come_from_a_file_or_a_folder() {
        let scratch = Scratch::new();
        let (a, _) = pem();
        let (b, _) = pem();
        scratch.write("ca/a.pem", &a);
        scratch.write("ca/b.pem", &b);
        scratch.write("bundle.pem", a + &b);
        for (path, enabled, expected) in [
            ("ca", true, 2),
            ("bundle.pem", true, 2),
            ("ca", false, 0),
            ("absent", true, 0),
        ] {
            let settings = ClientSettings {
                local_ca: enabled,
                local_ca_path: Some(scratch.path().join(path).display().to_string().into()),
                ..ClientSettings::default()
            };
            assert_eq!(authorities(&settings).len(), expected, "{path}");
        }
    }
}
