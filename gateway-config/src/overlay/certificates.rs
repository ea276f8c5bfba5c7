//! Certificates by entity name: file paths, because a folder never holds private keys.

use std::sync::Arc;

use super::{Reader, keys};
use crate::{doc::Node, network::Pem};

/// A certificate entity and the files that hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFile {
    /// Entity name.
    pub id: Arc<str>,
    /// PEM file with the chain.
    pub certificate_path: Arc<str>,
    /// PEM file with the private key.
    pub key_path: Option<Arc<str>>,
    /// Chain and key themselves, PEM, when they came with the configuration; the paths then only name them.
    pub content: Option<Pem>,
}

pub(super) fn read(reader: &mut Reader<'_>, node: Option<&Node>) -> Vec<CertificateFile> {
    let mut out: Vec<CertificateFile> = Vec::new();
    for item in reader.list(node, "certificates") {
        let Some(m) = reader.members(item, keys::CERTIFICATE, "a certificate") else {
            continue;
        };
        let id = reader.needed(m, "id", "a certificate");
        let certificate_path = reader.needed(m, "certificatePath", "a certificate");
        let key_path = reader.text(m, "keyPath");
        let (Some(id), Some(certificate_path)) = (id, certificate_path) else {
            continue;
        };
        if out.iter().any(|c| c.id.eq_ignore_ascii_case(&id)) {
            reader.fail(
                "repeated-name",
                "id",
                item.place,
                format!("certificate `{id}` stands twice"),
            );
            continue;
        }
        out.push(CertificateFile {
            id,
            certificate_path,
            key_path,
            content: None,
        });
    }
    out
}
