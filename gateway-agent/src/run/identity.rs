//! From settings to the source of tokens, and from files to client certificates.

use std::{path::Path, sync::Arc};

use gateway_config::{Problem, Settings, Snapshot, settings::IdentitySource};

use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{StartError, certificates::beside_overlay};
use crate::{
    identity::{Certificate, Config, Proof, Source},
    sync::tree::{self, Looked},
    tls::{ClientIdentity, Identities},
};

/// Largest file of a certificate with its key.
const FILE_BYTES: u64 = 1 << 20;

/// The source that the settings choose; `auto` takes the first that the environment offers.
pub(crate) fn config(settings: &Settings) -> Result<Config, StartError> {
    let identity = &settings.identity;
    let workload = workload(settings);
    let arc = identity.endpoint.clone().filter(|_| identity.arc.is_some());
    let app_service = || match (&identity.endpoint, &identity.header) {
        (Some(endpoint), Some(header)) => Some(Source::AppService {
            endpoint: Arc::clone(endpoint),
            header: header.clone(),
        }),
        _ => None,
    };
    let imds = || Source::Imds {
        host: Arc::clone(&identity.imds_host),
    };
    let chosen = match identity.source {
        IdentitySource::WorkloadIdentity => workload.clone(),
        IdentitySource::Application => application(settings)?,
        IdentitySource::Arc => identity.endpoint.clone().map(Source::arc),
        IdentitySource::AppService => app_service(),
        IdentitySource::ManagedIdentity => Some(imds()),
        IdentitySource::Auto => match (&workload, application(settings)?) {
            (Some(workload), _) => Some(workload.clone()),
            (None, Some(application)) => Some(application),
            (None, None) => arc.map(Source::arc).or_else(app_service),
        },
    };
    // Settings that name a source and lack its parts did not get here.
    let source = chosen.unwrap_or_else(imds);
    Ok(Config { source, workload })
}

fn workload(settings: &Settings) -> Option<Source> {
    let file = settings.identity.federated_token_file.as_ref()?;
    entra(settings, Proof::Federated(Path::new(&**file).to_owned()))
}

pub(super) fn application(settings: &Settings) -> Result<Option<Source>, StartError> {
    let config = &settings.config;
    if let Some(secret) = &config.client_secret {
        return Ok(entra(settings, Proof::Secret(secret.clone())));
    }
    let Some(path) = &config.client_certificate_path else {
        return Ok(None);
    };
    let failed = |reason: String| StartError::ClientCertificate {
        path: path.to_string(),
        reason,
    };
    let bytes = tree::read_file(Path::new(&**path), FILE_BYTES).map_err(|error| failed(error.to_string()))?;
    let certificate = Certificate::read(&bytes).map_err(failed)?;
    Ok(entra(settings, Proof::Certificate(Arc::new(certificate))))
}

fn entra(settings: &Settings, proof: Proof) -> Option<Source> {
    let config = &settings.config;
    Some(Source::Entra {
        authority: Arc::clone(&config.authority),
        tenant: config.tenant_id.clone()?,
        client: config.client_id.clone()?,
        proof,
    })
}

/// The certificates of the overlay that this node can show to backends. Files are looked at, so that a renewed one
/// is read again.
pub(super) fn certificates(
    snapshot: &Snapshot,
    settings: &Settings,
    files: &mut Looked,
    problems: &mut Vec<Problem>,
) -> Identities {
    let (mut all, mut others) = (Vec::new(), Vec::new());
    for certificate in snapshot.certificates() {
        let mut read = |path: &Arc<str>| {
            let path = beside_overlay(settings, path);
            tree::look(files, Path::new(&*path));
            tree::read_file(Path::new(&*path), FILE_BYTES).map_err(|error| error.to_string())
        };
        let made = match &certificate.key_path {
            _ if certificate.content.is_some() => {
                let pem = certificate.content.as_ref().map_or(&[][..], |pem| &pem.0);
                ClientIdentity::read(pem, "")
            }
            Some(key) => read(&certificate.certificate_path)
                .and_then(|chain| read(key).and_then(|key| ClientIdentity::pem(&chain, &key))),
            // One file for both, or a certificate of somebody else, which is no identity.
            None => match read(&certificate.certificate_path) {
                Ok(bytes) => match ClientIdentity::read(&bytes, "") {
                    Ok(identity) => Ok(identity),
                    Err(reason) => match CertificateDer::from_pem_slice(&bytes) {
                        Ok(der) => {
                            others.push((Arc::clone(&certificate.id), der.as_ref().into()));
                            continue;
                        }
                        Err(_) => Err(reason),
                    },
                },
                Err(error) => Err(error),
            },
        };
        match made {
            Ok(identity) => all.push((Arc::clone(&certificate.id), identity)),
            Err(reason) => {
                let message = format!(
                    "certificate {}: {reason}; requests that need it fail",
                    certificate.id
                );
                let problem = Problem::scope("bad-certificate", &certificate.certificate_path, message);
                problems.push(problem.on(certificate.id.to_string()));
            }
        }
    }
    Identities::new(all, others)
}

#[cfg(test)]
mod tests {
    use gateway_config::settings::{self, RawSetting};

    use super::*;
    use crate::sync::scratch::Scratch;

    #[track_caller]
    fn check(given: &[(&str, &str)], expected: &str) {
        let raw: Vec<RawSetting> = given
            .iter()
            .map(|(name, value)| RawSetting {
                origin: settings::ENVIRONMENT.into(),
                name: (*name).to_owned(),
                value: (*value).to_owned(),
                line: 0,
            })
            .collect();
        let (settings, problems) = settings::parse(&raw);
        let found = match problems.first() {
            Some(problem) => problem.message.clone(),
            None => match config(&settings) {
                Ok(config) => config.source.name().to_owned(),
                Err(error) => error.to_string(),
            },
        };
        assert!(found.contains(expected), "{given:?}: {found}");
    }

    #[test]
    fn the_environment_decides_unless_a_setting_does() {
        let pod = [
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/f"),
        ];
        let secret = ("config.service.auth.azureAd.clientSecret", "s");
        let (endpoint, header) = (("IDENTITY_ENDPOINT", "http://e"), ("IDENTITY_HEADER", "h"));
        check(&[], "managedIdentity");
        check(&pod, "workloadIdentity");
        check(&pod[..2], "managedIdentity");
        check(&[pod[0], pod[1], secret], "application");
        check(&[endpoint, header], "appService");
        check(&[endpoint, ("IMDS_ENDPOINT", "http://i")], "arc");
        check(
            &[pod[0], pod[1], pod[2], ("identity.source", "managedIdentity")],
            "managedIdentity",
        );
        check(
            &[("identity.source", "workloadIdentity")],
            "identity.source needs AZURE_FEDERATED_TOKEN_FILE",
        );
        check(
            &[("identity.source", "application"), pod[0]],
            "identity.source needs config.service.auth.azureAd",
        );
        check(
            &[("identity.source", "arc")],
            "identity.source needs IDENTITY_ENDPOINT",
        );
        let certificate = ("config.service.auth.azureAd.certificatePath", "/nowhere/c.pem");
        check(&[pod[0], pod[1], certificate], "/nowhere/c.pem");
    }

    #[test]
    fn an_application_signs_with_its_certificate() {
        let scratch = Scratch::new();
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let made = rcgen::CertificateParams::new(vec!["app".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        scratch.write("app.pem", made.pem() + &key.serialize_pem());
        let path = scratch.path().join("app.pem").display().to_string();
        let given = [
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("config.service.auth.azureAd.certificatePath", &*path),
        ];
        check(&given, "application");
    }
}
