//! Given → expected for `validate-client-certificate`, with certificates made on the spot.

use std::sync::Arc;

use gateway_dotnet::crypto::Certificate;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SerialNumber, date_time_ymd,
};

use crate::{
    Effect, Execution, Outcome, Program, Step,
    effect::Revocation,
    scope::Scope,
    test_support::{FixedWorld, check_load, compile, context, document},
};

struct Shown {
    authority: Arc<[u8]>,
    /// Another authority of the same name.
    impostor: Arc<[u8]>,
    leaf: Arc<[u8]>,
}

/// A client certificate from one year to another; the test's clock stands in early 2024.
fn shown(from: i32, until: i32) -> Shown {
    let authority = |key: &KeyPair| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Contoso CA");
        params.not_before = date_time_ymd(2000, 1, 1);
        (params.self_signed(key).unwrap().der().to_vec(), params)
    };
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let (der, params) = authority(&key);
    let mut leaf = CertificateParams::new(vec!["a.contoso.test".into(), "b.contoso.test".into()]).unwrap();
    leaf.distinguished_name = rcgen::DistinguishedName::new();
    leaf.distinguished_name.push(DnType::OrganizationName, "Contoso");
    leaf.distinguished_name.push(DnType::CommonName, "client");
    leaf.serial_number = Some(SerialNumber::from_slice(&[0x1a, 0x2b]));
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    leaf.not_before = date_time_ymd(from, 1, 1);
    leaf.not_after = date_time_ymd(until, 1, 1);
    let issuer = Issuer::from_params(&params, &key);
    let own = KeyPair::generate().unwrap();
    Shown {
        authority: der.into(),
        impostor: authority(&other).0.into(),
        leaf: leaf.signed_by(&own, &issuer).unwrap().der().to_vec().into(),
    }
}

/// The reason of the refusal, or `passes`, or `asks` the authorities.
fn verdict(attributes: &str, identities: &str, shown: Option<&Shown>, trusted: bool) -> String {
    verdict_after(attributes, identities, shown, trusted, None)
}

/// The same, when the authorities say this.
fn verdict_after(
    attributes: &str,
    identities: &str,
    shown: Option<&Shown>,
    trusted: bool,
    revocation: Option<Revocation>,
) -> String {
    let text = format!(
        "<validate-client-certificate {attributes}><identities>{identities}</identities></validate-client-certificate>"
    );
    let doc =
        compile(&document("inbound", &text), Scope::Api).unwrap_or_else(|errors| panic!("{text}: {errors}"));
    let mut context = context();
    if let Some(shown) = shown {
        context.request.certificate = Some(Arc::clone(&shown.leaf));
        let deployment = Arc::make_mut(&mut context.deployment);
        deployment.certificates = vec![
            ("fake".into(), Arc::clone(&shown.impostor)),
            ("ca".into(), Arc::clone(&shown.authority)),
        ];
    }
    let program = Program::compose([None, None, Some(Arc::new(doc)), None]);
    let execution = Execution::new(Arc::new(program), context);
    let mut execution = if trusted {
        execution.with_trusted_certificate()
    } else {
        execution
    };
    let mut step = execution.resume(Outcome::Start, &FixedWorld);
    if let (Step::Effect(Effect::Revocation), Some(revocation)) = (&step, revocation) {
        step = execution.resume(Outcome::Revocation(revocation), &FixedWorld);
    }
    match step {
        Step::Effect(Effect::Revocation) => "asks".into(),
        Step::Effect(_) | Step::Start(_) => "passes".into(),
        Step::Done => {
            let context = execution.context();
            assert_eq!(context.response.as_ref().unwrap().status, 403);
            context.last_error.as_ref().unwrap().reason.to_string()
        }
    }
}

#[test]
fn what_the_authorities_say_decides() {
    let good = shown(2020, 2030);
    for (attributes, says, expected) in [
        ("", Revocation::Good, "passes"),
        ("", Revocation::Revoked, "ClientCertificateRevoked"),
        (
            "",
            Revocation::Unknown("nobody".into()),
            "ClientCertificateRevocationUnknown",
        ),
        ("ignore-error='true'", Revocation::Revoked, "passes"),
    ] {
        let got = verdict_after(attributes, "", Some(&good), true, Some(says.clone()));
        assert_eq!(got, expected, "{attributes} {says:?}");
    }
}

#[test]
fn each_check_can_be_switched_off() {
    let good = shown(2020, 2030);
    let (early, late) = (shown(2025, 2030), shown(2020, 2021));
    let off = "validate-revocation='false'";
    for (attributes, shown, trusted, expected) in [
        (off, Some(&good), true, "passes"),
        (off, None, true, "ClientCertificateNotFound"),
        (off, Some(&good), false, "ClientCertificateNotTrusted"),
        (
            "validate-revocation='false' validate-trust='false'",
            Some(&good),
            false,
            "passes",
        ),
        (off, Some(&early), true, "ClientCertificateNotYetValid"),
        (
            "validate-revocation='false' validate-not-before='false'",
            Some(&early),
            true,
            "passes",
        ),
        (off, Some(&late), true, "ClientCertificateExpired"),
        (
            "validate-revocation='false' validate-not-after='false'",
            Some(&late),
            true,
            "passes",
        ),
        ("", Some(&good), true, "asks"),
        ("", Some(&late), true, "ClientCertificateExpired"),
        ("ignore-error='true'", None, false, "passes"),
    ] {
        assert_eq!(verdict(attributes, "", shown, trusted), expected, "{attributes}");
    }
    let broken = Shown {
        leaf: Arc::from(&b"no certificate"[..]),
        ..good
    };
    assert_eq!(verdict(off, "", Some(&broken), true), "ClientCertificateInvalid");
}

#[test]
fn every_attribute_of_an_identity_must_match() {
    let good = shown(2020, 2030);
    let thumbprint = |der: &[u8]| Certificate::new(der, "").unwrap().thumbprint().to_lowercase();
    let (own, authority, impostor) = (
        thumbprint(&good.leaf),
        thumbprint(&good.authority),
        thumbprint(&good.impostor),
    );
    let no = "ClientCertificateIdentityNotMatched";
    for (identity, expected) in [
        (format!("thumbprint='{own}'"), "passes"),
        (format!("thumbprint='{}'", own.to_uppercase()), "passes"),
        (format!("thumbprint='{authority}'"), no),
        ("serial-number='1A2B'".into(), "passes"),
        ("serial-number='00:1a:2b'".into(), "passes"),
        ("serial-number='1a'".into(), no),
        ("common-name='client'".into(), "passes"),
        ("common-name='Client'".into(), no),
        ("subject='CN=client,O=Contoso'".into(), "passes"),
        ("subject='CN=client'".into(), no),
        ("dns-name='B.contoso.test'".into(), "passes"),
        ("dns-name='contoso.test'".into(), no),
        ("issuer-thumbprint='".to_owned() + &authority + "'", "passes"),
        ("issuer-thumbprint='".to_owned() + &impostor + "'", no),
        ("issuer-certificate-id='ca'".into(), "passes"),
        ("issuer-certificate-id='fake'".into(), no),
        ("issuer-certificate-id='none'".into(), no),
        ("common-name='client' serial-number='1a'".into(), no),
    ] {
        let got = verdict(
            "validate-revocation='false'",
            &format!("<identity {identity}/>"),
            Some(&good),
            true,
        );
        assert_eq!(got, expected, "{identity}");
    }
    let two = "<identity common-name='x'/><identity common-name='client'/>";
    assert_eq!(
        verdict("validate-revocation='false'", two, Some(&good), true),
        "passes"
    );
}

#[test]
fn attributes() {
    let with = |identities: &str| {
        format!(
            "<validate-client-certificate validate-revocation='false'><identities>{identities}</identities></validate-client-certificate>"
        )
    };
    for (text, expected) in [
        (with(""), "loads"),
        (
            with("<identity/>"),
            "missing-attribute: `identity` has no attribute, so every certificate would match",
        ),
        (
            with("<identity issuer-certificate-id='a' issuer-subject='b'/>"),
            "exclusive-attributes: `issuer-certificate-id` does not go with `issuer-subject` and `issuer-thumbprint`",
        ),
        (
            with(&"<identity subject='a'/>".repeat(11)),
            "too-many: there are 11 identities, and at most 10 are allowed",
        ),
        (
            "<validate-client-certificate validate-trust='@(true)'/>".into(),
            "expression-not-allowed: `validate-trust` of `validate-client-certificate` does not take an expression",
        ),
        ("<validate-client-certificate/>".into(), "loads"),
    ] {
        check_load("inbound", &text, expected);
    }
}
