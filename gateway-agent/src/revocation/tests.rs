//! Chains and lists made on the spot.

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use gateway_policy::effect::Revocation;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber,
};

use super::{Lists, check};

const URL: &str = "http://crl.test/ca.crl";

struct Authority {
    key: KeyPair,
    params: CertificateParams,
    der: Arc<[u8]>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let der = params.self_signed(&key).unwrap().der().to_vec().into();
        Self { key, params, der }
    }

    fn client(&self, serial: u8, urls: &[&str]) -> Arc<[u8]> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "client");
        params.serial_number = Some(SerialNumber::from_slice(&[serial]));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if !urls.is_empty() {
            params.crl_distribution_points = vec![CrlDistributionPoint {
                uris: urls.iter().map(|url| (*url).to_owned()).collect(),
            }];
        }
        let issuer = Issuer::from_params(&self.params, &self.key);
        let own = KeyPair::generate().unwrap();
        params.signed_by(&own, &issuer).unwrap().der().to_vec().into()
    }

    /// A list that revokes these serial numbers, valid from one day to another, counted from now.
    fn list(&self, revoked: &[u8], from: i64, until: i64) -> Bytes {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let day = |days: i64| {
            let seconds = now.as_secs() as i64 + days * 86_400;
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds as u64)
        };
        let params = CertificateRevocationListParams {
            this_update: day(from),
            next_update: day(until),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .iter()
                .map(|serial| RevokedCertParams {
                    serial_number: SerialNumber::from_slice(&[*serial]),
                    revocation_time: day(-1),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(&issuer).unwrap().der().to_vec().into()
    }
}

fn told(verdict: &Revocation) -> &'static str {
    match verdict {
        Revocation::Good => "good",
        Revocation::Revoked => "revoked",
        Revocation::Unknown(_) => "unknown",
    }
}

#[tokio::test]
async fn lists_decide_and_open_questions_stay_open() {
    let (ca, other) = (Authority::new("CA"), Authority::new("CA"));
    let leaf = ca.client(7, &[URL]);
    let pem = |der: &Bytes| {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let text = STANDARD.encode(der);
        Bytes::from(format!(
            "-----BEGIN X509 CRL-----\n{text}\n-----END X509 CRL-----\n"
        ))
    };
    for (what, leaf, list, expected) in [
        ("not on the list", &leaf, Ok(ca.list(&[8], -1, 1)), "good"),
        ("an empty list", &leaf, Ok(ca.list(&[], -1, 1)), "good"),
        ("a list in PEM", &leaf, Ok(pem(&ca.list(&[], -1, 1))), "good"),
        ("on the list", &leaf, Ok(ca.list(&[8, 7], -1, 1)), "revoked"),
        ("an old list", &leaf, Ok(ca.list(&[], -3, -1)), "unknown"),
        (
            "somebody else's list",
            &leaf,
            Ok(other.list(&[7], -1, 1)),
            "unknown",
        ),
        ("no list", &leaf, Err("down".to_owned()), "unknown"),
        ("nonsense", &leaf, Ok(Bytes::from_static(b"<html>")), "unknown"),
        ("no place", &ca.client(7, &[]), Ok(ca.list(&[], -1, 1)), "unknown"),
        (
            "a place that is not HTTP",
            &ca.client(7, &["ldap://crl.test/ca"]),
            Ok(ca.list(&[], -1, 1)),
            "unknown",
        ),
        (
            "of another authority",
            &other.client(7, &[URL]),
            Ok(ca.list(&[], -1, 1)),
            "unknown",
        ),
    ] {
        let chain = [Arc::clone(leaf)];
        let fetch = |_: Arc<str>| std::future::ready(list.clone());
        let verdict = check(&Lists::default(), &chain, &[Arc::clone(&ca.der)], fetch).await;
        assert_eq!(told(&verdict), expected, "{what}: {verdict:?}");
    }
}

#[tokio::test]
async fn the_next_place_is_asked_when_the_first_is_down() {
    let ca = Authority::new("CA");
    let leaf = ca.client(7, &["http://a.test/", "http://b.test/"]);
    let list = ca.list(&[7], -1, 1);
    let fetch = |url: Arc<str>| {
        std::future::ready(match &*url {
            "http://b.test/" => Ok(list.clone()),
            _ => Err("down".to_owned()),
        })
    };
    let verdict = check(&Lists::default(), &[leaf], &[Arc::clone(&ca.der)], fetch).await;
    assert_eq!(told(&verdict), "revoked");
}

#[tokio::test(start_paused = true)]
async fn a_list_is_fetched_once_and_a_failure_is_remembered_for_a_while() {
    let ca = Authority::new("CA");
    let chain = [ca.client(7, &[URL])];
    let authorities = [Arc::clone(&ca.der)];
    let (lists, fetches, up) = (Lists::default(), Cell::new(0), Cell::new(false));
    let fetch = |_: Arc<str>| {
        fetches.set(fetches.get() + 1);
        std::future::ready(match up.get() {
            true => Ok(ca.list(&[], -1, 30)),
            false => Err("down".to_owned()),
        })
    };
    let ask = async || told(&check(&lists, &chain, &authorities, fetch).await);
    assert_eq!(
        (ask().await, ask().await, fetches.get()),
        ("unknown", "unknown", 1)
    );
    up.set(true);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!((ask().await, ask().await, fetches.get()), ("good", "good", 2));
    // Whatever it says, it is looked at again after a week.
    tokio::time::advance(Duration::from_secs(8 * 24 * 3_600)).await;
    assert_eq!((ask().await, fetches.get()), ("good", 3));
}
