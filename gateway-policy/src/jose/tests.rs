//! Signatures made here and by RFC 7515's examples, and the ways to cheat.

use aws_lc_rs::{
    hmac, rand,
    rsa::{KeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn token(header: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", encode(header), encode(r#"{"sub":"a"}"#));
    let signature = sign(signed.as_bytes());
    format!("{signed}.{}", encode(signature))
}

fn hs256(secret: &[u8], header: &str) -> String {
    token(header, |m| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), m)
            .as_ref()
            .to_vec()
    })
}

#[track_caller]
fn check(token: &str, keys: &KeySet, expected: Result<(), SignatureError>) {
    assert_eq!(Jws::read(token).unwrap().verify(&[keys], true), expected);
}

#[test]
fn the_example_of_rfc_7515_holds() {
    // Appendix A.1: HMAC with a key of 64 bytes.
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let jwks = r#"{"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}"#;
    check(token, &KeySet::from_jwks(jwks).unwrap(), Ok(()));
    let jws = Jws::read(token).unwrap();
    assert_eq!(jws.claims().values("iss"), Some(vec!["joe".into()]));
    assert_eq!(
        jws.claims().values("http://example.com/is_root"),
        Some(vec!["true".into()])
    );
}

#[test]
fn rsa_and_ec_keys_come_from_key_sets() {
    let rsa = KeyPair::generate(KeySize::Rsa2048).unwrap();
    // PKCS #1 DER: header of 9 bytes, the modulus of 256, the exponent 65537 at the end.
    let der = rsa.public_key().as_ref();
    let (n, e) = (&der[9..265], &der[der.len() - 3..]);
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = ec.public_key().as_ref();
    let jwks = format!(
        r#"{{"keys":[{{"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"}},{{"kty":"future"}},
        {{"kty":"RSA","kid":"r","n":"{}","e":"{}"}},{{"kty":"EC","kid":"e","crv":"P-256","x":"{}","y":"{}"}}]}}"#,
        encode(n),
        encode(e),
        encode(&point[1..33]),
        encode(&point[33..])
    );
    let keys = KeySet::from_jwks(&jwks).unwrap();
    assert_eq!(keys.iter().count(), 2);
    let random = rand::SystemRandom::new();
    let rs256 = |header: &str| {
        token(header, |m| {
            let mut out = vec![0; rsa.public_modulus_len()];
            rsa.sign(&RSA_PKCS1_SHA256, &random, m, &mut out).unwrap();
            out
        })
    };
    let es256 = |header: &str| token(header, |m| ec.sign(&random, m).unwrap().as_ref().to_vec());
    check(&rs256(r#"{"alg":"RS256","kid":"r"}"#), &keys, Ok(()));
    check(&rs256(r#"{"alg":"RS256"}"#), &keys, Ok(()));
    check(&es256(r#"{"alg":"ES256","kid":"e"}"#), &keys, Ok(()));
    // The other key has that id; then an id that nobody has, with the right key guessed.
    check(
        &rs256(r#"{"alg":"RS256","kid":"e"}"#),
        &keys,
        Err(SignatureError::NoKey),
    );
    check(&rs256(r#"{"alg":"RS256","kid":"x"}"#), &keys, Ok(()));
    check(
        &es256(r#"{"alg":"RS256","kid":"r"}"#),
        &keys,
        Err(SignatureError::Invalid),
    );
}

#[test]
fn algorithms_cannot_be_confused() {
    // A public RSA key used as an HMAC secret.
    let modulus = [0xAB; 256];
    let keys = KeySet::new(
        Key::rsa(Some("r"), &encode(modulus), "AQAB")
            .into_iter()
            .collect(),
    );
    check(
        &hs256(&modulus, r#"{"alg":"HS256","kid":"r"}"#),
        &keys,
        Err(SignatureError::NoKey),
    );
    // No signature at all.
    let unsigned = token(r#"{"alg":"none"}"#, |_| Vec::new());
    check(&unsigned, &keys, Err(SignatureError::Unsigned));
    assert_eq!(Jws::read(&unsigned).unwrap().verify(&[&keys], false), Ok(()));
    let half = token(r#"{"alg":"none"}"#, |_| vec![1]);
    assert_eq!(
        Jws::read(&half).unwrap().verify(&[&keys], false),
        Err(SignatureError::Unsigned)
    );
}

#[test]
fn a_changed_token_does_not_hold() {
    let keys = KeySet::new(vec![Key::secret(None, b"secret")]);
    let good = hs256(b"secret", r#"{"alg":"HS256"}"#);
    check(&good, &keys, Ok(()));
    check(
        &hs256(b"other", r#"{"alg":"HS256"}"#),
        &keys,
        Err(SignatureError::Invalid),
    );
    let parts: Vec<&str> = good.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], encode(r#"{"sub":"b"}"#), parts[2]);
    check(&forged, &keys, Err(SignatureError::Invalid));
}

#[test]
fn malformed_tokens_are_told_apart() {
    for (token, message) in [
        ("", "The token has no parts."),
        ("a.b", "The token has fewer than three parts."),
        (
            "a.b.c.d.e",
            "The token is encrypted, and there are no keys that decrypt it.",
        ),
        ("?.e30.", "The header of the token is not base64url."),
        ("W10.e30.", "The header of the token is not a JSON object."),
        ("e30.e30.", "The token names no algorithm."),
    ] {
        assert_eq!(Jws::read(token).unwrap_err(), message, "{token}");
    }
    let null = token(r#" {"alg":"HS256","crit":null}"#, |_| Vec::new());
    assert!(
        Jws::read(&null).is_err(),
        "an empty list of extensions is still a list"
    );
    let twice = token(r#"{"alg":"none","alg":"HS256"}"#, |_| Vec::new());
    assert!(Jws::read(&twice).is_err(), "a header with two readings");
    let critical = token(r#"{"alg":"HS256","crit":["exp"]}"#, |_| Vec::new());
    assert_eq!(
        Jws::read(&critical).unwrap_err(),
        "The token requires an unknown extension."
    );
}

#[test]
fn claims_are_looked_at_as_they_stand_in_the_payload() {
    let payload = r#" { "a" : "x", "b":["x","y\u0041",1], "n":1.0, "t":true, "o":{"k":[1]}, "\u0065":"z", "a":"last", "q":"a\"b", "e":"" } "#;
    let token = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(payload));
    let jws = Jws::read(&token).unwrap();
    let claims = jws.claims();
    for (name, values, joined) in [
        ("a", Some(vec!["last"]), "last"),
        ("b", Some(vec!["x", "yA", "1"]), "x,yA,1"),
        ("n", Some(vec!["1.0"]), "1.0"),
        ("t", Some(vec!["true"]), "true"),
        ("o", Some(vec![r#"{"k":[1]}"#]), r#"{"k":[1]}"#),
        ("e", Some(vec![""]), ""),
        ("q", Some(vec![r#"a"b"#]), r#"a"b"#),
        ("missing", None, ""),
    ] {
        let got = claims.values(name);
        let wanted = values
            .clone()
            .map(|v| v.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(got, wanted, "{name}");
        assert_eq!(claims.joined(name), joined, "{name}");
        assert_eq!(claims.has(name), values.is_some());
        for value in values.unwrap_or_default() {
            assert!(claims.any(name, value) && !claims.any(name, "other"), "{name}");
        }
    }
    assert_eq!((claims.instant("n"), claims.instant("a")), (Some(1.0), None));
    for payload in [
        "[]",
        "1",
        r#"{"a":}"#,
        r#"{"a":"\x"}"#,
        "{\"a\":\"\u{1}\"}",
        r#"{"a":1}x"#,
        "",
    ] {
        let token = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(payload));
        assert_eq!(
            Jws::read(&token).unwrap_err(),
            "The payload of the token is not a JSON object.",
            "{payload}"
        );
    }
}

#[test]
fn discovery_documents_name_issuer_and_keys() {
    let discovery = r#"{"issuer":"https://i","jwks_uri":"https://i/keys"}"#;
    assert_eq!(
        OpenIdConfiguration::jwks_uri(discovery).as_deref(),
        Some("https://i/keys")
    );
    let configuration = OpenIdConfiguration::from_documents(discovery, r#"{"keys":[]}"#).unwrap();
    assert_eq!(configuration.issuer.as_deref(), Some("https://i"));
    assert!(configuration.keys.is_empty());
    assert!(OpenIdConfiguration::from_documents(discovery, "{}").is_err());
}
