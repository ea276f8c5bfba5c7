//! One accepted certificate, and the issuer of the one that was shown.

use std::{sync::Arc, time::Duration};

use gateway_dotnet::crypto::{Certificate, Name, NameType};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::compile::{Compiler, Finding, Node};

/// .NET ticks of 1970-01-01.
const UNIX_EPOCH_TICKS: i64 = 621_355_968_000_000_000;
const TICKS_PER_SECOND: i64 = 10_000_000;

/// `identity`
#[derive(Debug)]
pub(super) struct Identity {
    thumbprint: Option<String>,
    serial_number: Option<String>,
    common_name: Option<Arc<str>>,
    subject: Option<String>,
    dns_name: Option<Arc<str>>,
    issuer_subject: Option<String>,
    issuer_thumbprint: Option<String>,
    issuer_id: Option<Arc<str>>,
}

/// Hex digits in upper case without separators and leading zeros.
fn hex(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    digits.trim_start_matches('0').to_ascii_uppercase()
}

/// A distinguished name with one blank after each comma.
fn distinguished(text: &str) -> String {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    parts.join(", ")
}

impl Identity {
    pub(super) fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        let mut text = |name: &str| {
            let given: Option<Arc<str>> = compiler.literal(node, name);
            given.filter(|g| !g.trim().is_empty())
        };
        let identity = Self {
            thumbprint: text("thumbprint").map(|t| hex(&t)),
            serial_number: text("serial-number").map(|t| hex(&t)),
            common_name: text("common-name"),
            subject: text("subject").map(|t| distinguished(&t)),
            dns_name: text("dns-name"),
            issuer_subject: text("issuer-subject").map(|t| distinguished(&t)),
            issuer_thumbprint: text("issuer-thumbprint").map(|t| hex(&t)),
            issuer_id: text("issuer-certificate-id"),
        };
        let by_issuer = identity.issuer_subject.is_some() || identity.issuer_thumbprint.is_some();
        if identity.issuer_id.is_some() && by_issuer {
            let message = "`issuer-certificate-id` does not go with `issuer-subject` and `issuer-thumbprint`";
            let help = "name the issuer in one way";
            compiler.report(Finding::on(node.element, "exclusive-attributes", message).help(help));
            return None;
        }
        if identity.is_empty() {
            // It would accept every certificate.
            let message = "`identity` has no attribute, so every certificate would match";
            let help = "say which certificate is accepted";
            compiler.report(Finding::on(node.element, "missing-attribute", message).help(help));
            return None;
        }
        Some(identity)
    }

    fn is_empty(&self) -> bool {
        let texts = [&self.thumbprint, &self.serial_number, &self.subject];
        let issuer = [&self.issuer_subject, &self.issuer_thumbprint];
        let names = [&self.common_name, &self.dns_name, &self.issuer_id];
        texts.into_iter().chain(issuer).all(Option::is_none) && names.into_iter().all(Option::is_none)
    }

    /// Every attribute that is given is the certificate's.
    pub(super) fn matches(&self, certificate: &Certificate, issuer: &Issuer<'_>) -> bool {
        let same = |wanted: &Option<String>, value: &dyn Fn() -> String| {
            wanted.as_ref().is_none_or(|w| *w == value())
        };
        let common = |w: &Arc<str>| certificate.name_info(NameType::SimpleName, Name::Subject) == **w;
        same(&self.thumbprint, &|| hex(&certificate.thumbprint()))
            && same(&self.serial_number, &|| hex(&certificate.serial_number()))
            && same(&self.subject, &|| distinguished(&certificate.name(Name::Subject)))
            && same(&self.issuer_subject, &|| {
                distinguished(&certificate.name(Name::Issuer))
            })
            && self.common_name.as_ref().is_none_or(common)
            && self.dns_name.as_ref().is_none_or(|w| issuer.has_dns_name(w))
            && self
                .issuer_thumbprint
                .as_ref()
                .is_none_or(|w| issuer.has_thumbprint(w))
            && self.issuer_id.as_ref().is_none_or(|w| issuer.is(w))
    }
}

/// The certificates that may have issued the one shown: those the service has.
pub(super) struct Issuer<'c> {
    candidates: &'c [(Arc<str>, Arc<[u8]>)],
    leaf: CertificateDer<'c>,
    now: UnixTime,
}

impl<'c> Issuer<'c> {
    pub(super) fn new(candidates: &'c [(Arc<str>, Arc<[u8]>)], leaf: &'c [u8], now_ticks: i64) -> Self {
        let seconds = (now_ticks - UNIX_EPOCH_TICKS) / TICKS_PER_SECOND;
        Self {
            candidates,
            leaf: CertificateDer::from(leaf),
            now: UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
        }
    }

    fn has_dns_name(&self, wanted: &str) -> bool {
        EndEntityCert::try_from(&self.leaf).is_ok_and(|leaf| {
            leaf.valid_dns_names()
                .any(|name| name.eq_ignore_ascii_case(wanted))
        })
    }

    /// The certificate of this id signed the one shown.
    fn is(&self, id: &str) -> bool {
        let mut candidates = self.candidates.iter();
        candidates.any(|(known, der)| known.eq_ignore_ascii_case(id) && self.issued(der))
    }

    fn has_thumbprint(&self, wanted: &str) -> bool {
        self.candidates.iter().any(|(_, der)| {
            let same = Certificate::new(der, "").is_ok_and(|c| hex(&c.thumbprint()) == wanted);
            same && self.issued(der)
        })
    }

    /// Signature, names and use are right; a certificate that only has the same name did not issue it.
    fn issued(&self, bytes: &[u8]) -> bool {
        let Ok(authority) = Certificate::new(bytes, "") else {
            return false;
        };
        let der = CertificateDer::from(authority.der());
        let (Ok(anchor), Ok(leaf)) = (
            anchor_from_trusted_cert(&der),
            EndEntityCert::try_from(&self.leaf),
        ) else {
            return false;
        };
        let usage = KeyUsage::client_auth();
        leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &[anchor], &[], self.now, usage, None, None)
            .is_ok()
    }
}
