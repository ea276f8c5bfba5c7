//! Whether a client's certificate is revoked: `validate-client-certificate validate-revocation`.
//!
//! The certificate authorities publish lists (CRL, RFC 5280 §5) where each certificate says
//! (`cRLDistributionPoints`). A list is fetched over HTTP when first needed and kept until its `nextUpdate`; one
//! request fetches, the others that need it wait. The whole chain below the trusted authority is checked, as .NET
//! does by default. A certificate without a list, and a list that cannot be had, is too old or is signed by somebody
//! else, leave the question open, and an open question refuses. OCSP is not asked.

mod lists;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use gateway_policy::effect::Revocation;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{
    ALL_VERIFICATION_ALGS, EndEntityCert, Error, ExpirationPolicy, KeyUsage, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy, anchor_from_trusted_cert,
};
use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{
        CrlDistributionPoints,
        name::{DistributionPointName, GeneralName},
    },
};

pub(crate) use lists::Lists;

use crate::download::Wanted;
use lists::List;

/// Lists of large authorities have some hundred thousand entries of forty bytes.
pub(crate) const WANTED: Wanted = Wanted {
    accept: "application/pkix-crl, */*",
    limit: 16 * 1024 * 1024,
};
/// Lists looked at for one certificate: authorities that split theirs name one each, and mirrors of it.
const POINTS_MAX: usize = 4;
/// Certificates of one chain.
const CHAIN_MAX: usize = 8;

/// Checks `chain`, leaf first, below `authorities`. `fetch` gets a list from its URL.
pub(crate) async fn check<F>(
    lists: &Lists,
    chain: &[Arc<[u8]>],
    authorities: &[Arc<[u8]>],
    fetch: impl Fn(Arc<str>) -> F,
) -> Revocation
where
    F: Future<Output = Result<bytes::Bytes, String>>,
{
    let mut found: Vec<Arc<List>> = Vec::new();
    let mut trouble = None;
    for certificate in chain.iter().take(CHAIN_MAX) {
        if authorities.contains(certificate) {
            continue;
        }
        for url in points(certificate) {
            match lists.get(&url, || fetch(Arc::clone(&url))).await {
                Ok(list) => {
                    found.push(list);
                    // The others are for other reasons or mirrors; `verdict` notices when it is not enough.
                    break;
                }
                Err(reason) => trouble = Some(format!("{url}: {reason}")),
            }
        }
    }
    match (verdict(chain, authorities, &found), trouble) {
        (Revocation::Unknown(_), Some(trouble)) => Revocation::Unknown(trouble),
        (verdict, _) => verdict,
    }
}

fn verdict(chain: &[Arc<[u8]>], authorities: &[Arc<[u8]>], found: &[Arc<List>]) -> Revocation {
    let unknown = |why: String| Revocation::Unknown(why);
    let lists: Vec<&webpki::CertRevocationList<'_>> = found.iter().map(|list| list.parsed()).collect();
    let Ok(options) = RevocationOptionsBuilder::new(&lists) else {
        return unknown("the certificate names no revocation list that can be fetched".to_owned());
    };
    let options = options
        .with_depth(RevocationCheckDepth::Chain)
        .with_status_policy(UnknownStatusPolicy::Deny)
        .with_expiration_policy(ExpirationPolicy::Enforce)
        .build();
    let authorities: Vec<CertificateDer<'_>> = authorities
        .iter()
        .map(|der| CertificateDer::from(&**der))
        .collect();
    let anchors: Vec<_> = authorities
        .iter()
        .filter_map(|der| anchor_from_trusted_cert(der).ok())
        .collect();
    let chain: Vec<CertificateDer<'_>> = chain
        .iter()
        .take(CHAIN_MAX)
        .map(|der| CertificateDer::from(&**der))
        .collect();
    let Some((leaf, intermediates)) = chain.split_first() else {
        return unknown("there is no certificate".to_owned());
    };
    let leaf = match EndEntityCert::try_from(leaf) {
        Ok(leaf) => leaf,
        Err(error) => return unknown(error.to_string()),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let verified = leaf.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &anchors,
        intermediates,
        UnixTime::since_unix_epoch(now),
        KeyUsage::client_auth(),
        Some(options),
        None,
    );
    match verified {
        Ok(_) => Revocation::Good,
        Err(Error::CertRevoked) => Revocation::Revoked,
        Err(error) => unknown(error.to_string()),
    }
}

/// Where the lists for a certificate are, by HTTP.
fn points(der: &[u8]) -> Vec<Arc<str>> {
    let Ok(certificate) = Certificate::from_der(der) else {
        return Vec::new();
    };
    let extension = certificate
        .tbs_certificate()
        .get_extension::<CrlDistributionPoints>();
    let Ok(Some((_, points))) = extension else {
        return Vec::new();
    };
    let mut urls: Vec<Arc<str>> = Vec::new();
    for point in &points.0 {
        let Some(DistributionPointName::FullName(names)) = &point.distribution_point else {
            continue;
        };
        for name in names {
            if let GeneralName::UniformResourceIdentifier(url) = name
                && (url.as_str().starts_with("http://") || url.as_str().starts_with("https://"))
                && urls.len() < POINTS_MAX
            {
                urls.push(url.as_str().into());
            }
        }
    }
    urls
}
