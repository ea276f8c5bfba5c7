//! What only the management API has of a gateway: host names, certificates with their keys, authorities, caches.
//!
//! The overlay wins: whoever writes a certificate there wants that one.

use std::sync::Arc;

use super::{gateway::Gateway, identities::NamedValues};
use crate::{
    artifacts::{Artifacts, Entity, id_in, named_value::substitute},
    doc::Node,
    network::{Hostname, Pem},
    overlay::{CertificateFile, is_host_name},
    problem::Problem,
    settings::{Redis, Settings},
    snapshot::GatewayEntity,
};

/// The overlay's certificates, and those entities whose content came with the configuration.
pub(super) fn merge(artifacts: &Artifacts, overlay: Vec<CertificateFile>) -> Vec<CertificateFile> {
    let mut out = overlay;
    for (name, folder) in &artifacts.certificates {
        let Some(pem) = &folder.pem else { continue };
        if out.iter().any(|known| known.id.eq_ignore_ascii_case(name)) {
            continue;
        }
        out.push(CertificateFile {
            id: name.as_str().into(),
            certificate_path: pem.path.as_str().into(),
            key_path: None,
            content: Some(Pem(Arc::clone(&pem.bytes))),
        });
    }
    out
}

/// The overlay's host names, and those of the gateway entity that it does not name.
pub(super) fn hostnames(
    artifacts: &Artifacts,
    gateway: &Gateway,
    overlay: Vec<Hostname>,
    certificates: &[CertificateFile],
    problems: &mut Vec<Problem>,
) -> Vec<Hostname> {
    let mut out = overlay;
    let Some(folder) = gateway.folder(artifacts) else {
        return out;
    };
    for entity in folder.hostnames.values() {
        if let Some(host) = hostname(entity, certificates, problems)
            && !out.iter().any(|known| known.name == host.name)
        {
            out.push(host);
        }
    }
    out
}

fn hostname(
    entity: &Entity,
    certificates: &[CertificateFile],
    problems: &mut Vec<Problem>,
) -> Option<Hostname> {
    let properties = entity.properties.as_ref()?;
    let text = |key: &str| properties.get(key).and_then(Node::as_text);
    let truth = |key: &str, default: bool| properties.get(key).and_then(Node::as_bool).unwrap_or(default);
    let mut refuse = |code, message: String| {
        problems.push(Problem::scope(code, &entity.path, message));
        None
    };
    let Some(name) = text("hostname").map(|n| n.trim_end_matches('.').to_ascii_lowercase()) else {
        return refuse(
            "missing-property",
            format!("host name `{}` has no `hostname`", entity.name),
        );
    };
    if !is_host_name(&name) {
        return refuse("bad-value", format!("`{name}` is no host name"));
    }
    let Some(id) = text("certificateId").and_then(|id| id_in(id, "certificates")) else {
        return refuse(
            "missing-property",
            format!("host name `{name}` has no certificate"),
        );
    };
    let Some(certificate) = certificates.iter().find(|c| c.id.eq_ignore_ascii_case(id)) else {
        let message = format!(
            "host name `{name}` shows certificate `{id}`, whose private key the management API never hands out; keep \
             it in a Key Vault that this identity may read, or give it in the overlay (certificates: - id: {id}, \
             certificatePath: …, keyPath: …)"
        );
        return refuse("no-certificate", message);
    };
    for old in ["tls10Enabled", "tls11Enabled"] {
        if truth(old, false) {
            let message = format!("`{old}`: TLS below 1.2 is out of reach of the TLS library used");
            problems.push(Problem::warning("old-tls", &entity.path, message).on(old));
        }
    }
    let path = &certificate.certificate_path;
    Some(Hostname {
        name: name.into(),
        certificate_path: Arc::clone(path),
        key_path: certificate.key_path.clone().unwrap_or_else(|| Arc::clone(path)),
        content: certificate.content.clone(),
        default_binding: false,
        negotiate_client_certificate: truth("negotiateClientCertificate", false),
        http2: truth("http2Enabled", true),
    })
}

/// The gateway's certificate authorities, PEM. One without content is reported: clients that it signed are not
/// believed.
pub(super) fn authorities(
    artifacts: &Artifacts,
    gateway: &Gateway,
    certificates: &[CertificateFile],
    problems: &mut Vec<Problem>,
) -> Vec<Arc<[u8]>> {
    let mut out = Vec::new();
    let Some(folder) = gateway.folder(artifacts) else {
        return out;
    };
    for (name, entity) in &folder.authorities {
        let known = certificates.iter().find(|c| c.id.eq_ignore_ascii_case(name));
        match known.and_then(|c| c.content.as_ref()) {
            Some(pem) => out.push(Arc::clone(&pem.0)),
            None => {
                let message = format!(
                    "the management API does not hand out certificate authority `{name}`; keep it in a Key Vault that \
                     this identity may read, or give its file in certificates.local.ca.path"
                );
                problems.push(Problem::warning("no-certificate", &entity.path, message));
            }
        }
    }
    out
}

/// The external cache of the artifacts: the entity for the gateway's location, else the one for `default`. The setting
/// `cache.external.connection-string` wins over both.
pub(super) fn cache(
    artifacts: &Artifacts,
    named_values: &NamedValues,
    gateway: &GatewayEntity,
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> Option<Arc<Redis>> {
    if settings.cache.external.is_some() {
        return None;
    }
    let text = |entity: &Entity, key: &str| {
        let text = entity.properties.as_ref()?.get(key).and_then(Node::as_text);
        text.map(|text| text.trim().to_owned())
    };
    let entity_for = |location: &str| {
        let here = |e: &&Entity| text(e, "useFromLocation").is_some_and(|l| l.eq_ignore_ascii_case(location));
        artifacts.caches.values().find(here)
    };
    let region = (!gateway.region.is_empty()).then(|| entity_for(&gateway.region));
    let entity = region.flatten().or_else(|| entity_for("default"))?;
    let known = |name: &str| named_values.get(name).map(|named| Arc::clone(&named.value));
    let read = || {
        let given = text(entity, "connectionString").filter(|given| !given.is_empty());
        let given = given.ok_or_else(|| "it has no `connectionString`".to_owned())?;
        crate::settings::redis_of(&substitute(&given, known)?)
    };
    match read() {
        Ok(redis) => redis.map(Arc::new),
        Err(reason) => {
            let message = format!(
                "cache `{}` cannot be connected to: {reason}; give its address there, or in the setting \
                 cache.external.connection-string",
                entity.name
            );
            problems.push(Problem::warning("cache-not-connected", &entity.path, message));
            None
        }
    }
}
