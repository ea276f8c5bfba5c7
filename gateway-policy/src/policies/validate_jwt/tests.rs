//! Tokens signed here, every reason of the reference's table.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

use crate::{
    jose::jwe,
    test_support::{check_load, check_with},
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn token(header: &str, payload: &str) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()),
        signed.as_bytes(),
    );
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// `exp` far after the tests' clock, 2024-01-01.
fn valid(claims: &str) -> String {
    token(
        r#"{"alg":"HS256","kid":"k1"}"#,
        &format!(r#"{{"exp":1900000000,"iss":"https://i","aud":["a1","a2"]{claims}}}"#),
    )
}

fn policy(attributes: &str, children: &str) -> String {
    let key = STANDARD.encode(SECRET);
    format!(
        "<validate-jwt header-name='Authorization' {attributes}><issuer-signing-keys><key>{key}</key></issuer-signing-keys>{children}</validate-jwt>\
         <set-header name='Authorization' exists-action='delete'/>"
    )
}

#[track_caller]
fn call(authorization: &str, policy: &str, answers: &[&str], expected: &str) {
    check_with(
        "inbound",
        policy,
        |context| {
            if !authorization.is_empty() {
                context
                    .request
                    .headers
                    .insert("authorization", authorization.parse().unwrap());
            }
        },
        answers,
        expected,
    );
}

const IN: &str = "forward; 200";

fn out(reason: &str) -> String {
    format!("401 validate-jwt/{reason}")
}

#[test]
fn a_valid_token_passes_with_or_without_scheme() {
    for prefix in ["Bearer ", "bearer ", ""] {
        call(&format!("{prefix}{}", valid("")), &policy("", ""), &[], IN);
    }
    call(
        &format!("Bearer {}", valid("")),
        &policy("require-scheme='Bearer'", ""),
        &[],
        IN,
    );
    call(
        &valid(""),
        &policy("require-scheme='Bearer'", ""),
        &[],
        &out("TokenNotPresent"),
    );
    call("", &policy("", ""), &[], &out("TokenNotPresent"));
}

#[test]
fn every_reason_is_the_tables() {
    let children =
        "<audiences><audience>a2</audience></audiences><issuers><issuer>https://i</issuer></issuers>";
    let header = r#"{"alg":"HS256"}"#;
    let unnamed = token(header, r#"{"exp":1900000000,"iss":"https://i","aud":"a2"}"#);
    for (given, reason) in [
        ("garbage".to_owned(), "JwtInvalid"),
        (valid("").replace("eyJhbGc", "eyJhbGX"), "JwtInvalid"),
        (
            format!("{}A", &unnamed[..unnamed.len() - 1]),
            "TokenSignatureInvalid",
        ),
        (
            token(header, r#"{"exp":1,"iss":"https://i","aud":"a2"}"#),
            "TokenExpired",
        ),
        (token(header, r#"{"iss":"https://i","aud":"a2"}"#), "JwtInvalid"),
        (
            token(
                header,
                r#"{"exp":1900000000,"nbf":1890000000,"iss":"https://i","aud":"a2"}"#,
            ),
            "JwtInvalid",
        ),
        (
            token(header, r#"{"exp":1900000000,"iss":"https://i","aud":"a3"}"#),
            "TokenAudienceNotAllowed",
        ),
        (
            token(header, r#"{"exp":1900000000,"iss":"https://i"}"#),
            "TokenAudienceNotAllowed",
        ),
        (
            token(header, r#"{"exp":1900000000,"iss":"https://j","aud":"a2"}"#),
            "TokenIssuerNotAllowed",
        ),
    ] {
        call(&given, &policy("", children), &[], &out(reason));
    }
    let unsigned = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        URL_SAFE_NO_PAD.encode(r#"{"exp":1900000000}"#)
    );
    call(&unsigned, &policy("", ""), &[], &out("TokenSignatureInvalid"));
    call(&unsigned, &policy("require-signed-tokens='false'", ""), &[], IN);
}

#[test]
fn times_may_differ_by_the_clock_skew_and_expiration_may_be_optional() {
    // The tests' clock stands at 1704085445.
    let late = token(r#"{"alg":"HS256"}"#, r#"{"exp":1704085400}"#);
    call(&late, &policy("", ""), &[], &out("TokenExpired"));
    call(&late, &policy("clock-skew='60'", ""), &[], IN);
    call(
        &token(r#"{"alg":"HS256"}"#, "{}"),
        &policy("require-expiration-time='false'", ""),
        &[],
        IN,
    );
}

#[test]
fn claims_are_matched_by_all_or_any() {
    let claims = |rules: &str| policy("", &format!("<required-claims>{rules}</required-claims>"));
    let given = valid(r#","roles":["r1","r2"],"scp":"s1 s2","n":7,"t":true"#);
    for (rules, expected) in [
        ("<claim name='roles'/>", IN.to_owned()),
        (
            "<claim name='roles'><value>r1</value><value>r2</value></claim>",
            IN.to_owned(),
        ),
        (
            "<claim name='roles'><value>r1</value><value>r3</value></claim>",
            out("TokenClaimValueNotAllowed"),
        ),
        (
            "<claim name='roles' match='any'><value>r3</value><value>r2</value></claim>",
            IN.to_owned(),
        ),
        (
            "<claim name='scp' match='any'><value>s2</value></claim>",
            out("TokenClaimValueNotAllowed"),
        ),
        (
            "<claim name='scp' match='any' separator=' '><value>s2</value></claim>",
            IN.to_owned(),
        ),
        (
            "<claim name='n'><value>7</value></claim><claim name='t'><value>true</value></claim>",
            IN.to_owned(),
        ),
        (
            "<claim name='x'/><claim name='roles'/><claim name='y'/>",
            out("TokenClaimNotFound"),
        ),
    ] {
        call(&given, &claims(rules), &[], &expected);
    }
}

#[test]
fn keys_come_from_discovery_and_are_asked_for_again_when_unknown() {
    let text = "<validate-jwt header-name='Authorization'><openid-config url='https://i/d'/></validate-jwt>\
        <set-header name='Authorization' exists-action='delete'/>";
    let good = &format!("openid https://i {SECRET}");
    call(&valid(""), text, &[good], &format!("openid https://i/d; {IN}"));
    call(
        &valid(""),
        text,
        &["openid https://other x"],
        &format!("openid https://i/d; {}", out("TokenSignatureInvalid")),
    );
    let issuer = &format!("openid https://other {SECRET}");
    call(
        &valid(""),
        text,
        &[issuer],
        &format!("openid https://i/d; {}", out("TokenIssuerNotAllowed")),
    );
    // A key id that is not there is looked for once more, then refused.
    let rotated = token(
        r#"{"alg":"HS256","kid":"k2"}"#,
        r#"{"exp":1900000000,"iss":"https://i"}"#,
    );
    let asked = "openid https://i/d; refresh https://i/d";
    let none = "openid https://i 00";
    call(
        &rotated,
        text,
        &[none, none],
        &format!("{asked}; {}", out("TokenSignatureKeyNotFound")),
    );
    call("", text, &[], &out("TokenNotPresent"));
    call(
        &valid(""),
        text,
        &["refused"],
        "openid https://i/d; 500 validate-jwt/BackendConnectionFailure",
    );
}

#[test]
fn status_and_message_of_the_refusal_can_be_set() {
    let text = policy(
        "failed-validation-httpcode='403' failed-validation-error-message='No.'",
        "",
    );
    call("", &text, &[], "403 validate-jwt/TokenNotPresent");
}

#[test]
fn mistakes_refuse_the_document() {
    for (text, expected) in [
        (
            "<validate-jwt><openid-config url='https://i'/></validate-jwt>",
            "missing-attribute: `validate-jwt` needs one of `header-name`, `query-parameter-name` and `token-value`",
        ),
        (
            "<validate-jwt header-name='A'><issuer-signing-keys><key>?</key></issuer-signing-keys></validate-jwt>",
            "bad-value: `text` of `key` must be a secret in base64",
        ),
        (
            "<validate-jwt header-name='A'><openid-config url='https://i'/><decryption-keys><key>?</key></decryption-keys></validate-jwt>",
            "bad-value: `text` of `key` must be a secret in base64",
        ),
    ] {
        check_load("inbound", text, expected);
    }
}

#[test]
fn an_accepted_token_is_kept_as_a_jwt() {
    let text = policy("output-token-variable-name='jwt'", "")
        + r#"<set-header name="S"><value>@(((Jwt)context.Variables["jwt"]).Claims["sub"][0])</value></set-header>"#;
    call(
        &valid(r#","sub":"ann""#),
        &text,
        &[],
        "forward s: ann; 200 $jwt=Jwt",
    );
}

/// Signed by the key of a certificate entity, whichever form the gateway holds it in.
#[test]
fn a_certificate_is_a_key() {
    let make = || {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let params = rcgen::CertificateParams::new(vec!["issuer".to_owned()]).unwrap();
        let der: Arc<[u8]> = params.self_signed(&key).unwrap().der().as_ref().into();
        (key, der)
    };
    let (key, der) = make();
    let random = aws_lc_rs::rand::SystemRandom::new();
    let signing = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(signing, &key.serialize_der()).unwrap();
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#),
        URL_SAFE_NO_PAD.encode(r#"{"exp":1900000000}"#)
    );
    let signature = pair.sign(&random, signed.as_bytes()).unwrap();
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    let text = "<validate-jwt header-name='Authorization'><issuer-signing-keys><key certificate-id='Issuer'/></issuer-signing-keys></validate-jwt>\
         <set-header name='Authorization' exists-action='delete'/>";
    for (certificates, expected) in [
        (vec![("other", make().1), ("issuer", der)], IN),
        (
            vec![("issuer", make().1)],
            "401 validate-jwt/TokenSignatureInvalid",
        ),
        (vec![], "500 validate-jwt/PolicyFailure"),
    ] {
        let change = |context: &mut crate::Context| {
            let deployment = Arc::make_mut(&mut context.deployment);
            deployment.certificates = certificates
                .iter()
                .map(|(n, d)| ((*n).into(), Arc::clone(d)))
                .collect();
            context
                .request
                .headers
                .insert("authorization", token.parse().unwrap());
        };
        check_with("inbound", text, change, &[], expected);
    }
}

/// Opened first, then checked as any other; what is kept is the token inside.
#[test]
fn encrypted_tokens_are_opened_and_then_checked() {
    let key = [6u8; 32];
    let seal = |inner: &str| {
        let header = r#"{"alg":"dir","enc":"A256GCM","cty":"JWT"}"#;
        format!("Bearer {}", jwe::tests::seal(header, b"", &key, inner.as_bytes()))
    };
    let with = |bytes: &[u8]| {
        format!(
            "<decryption-keys><key>{}</key></decryption-keys>",
            STANDARD.encode(bytes)
        )
    };
    let expression = format!(
        "<decryption-keys><key>@(\"{}\".Trim())</key></decryption-keys>",
        STANDARD.encode(key)
    );
    let unsigned = token(r#"{"alg":"none"}"#, r#"{"exp":1900000000}"#);
    for (given, keys, expected) in [
        (seal(&valid("")), with(&key), IN.to_owned()),
        (seal(&valid("")), expression, IN.to_owned()),
        (valid(""), with(&key), IN.to_owned()),
        (seal(&valid("")), with(&[7; 32]), out("JwtInvalid")),
        (seal(&valid("")), String::new(), out("JwtInvalid")),
        (seal(&seal(&valid(""))[7..]), with(&key), out("JwtInvalid")),
        (seal(r#"{"exp":1900000000}"#), with(&key), out("JwtInvalid")),
        (seal(&unsigned), with(&key), out("TokenSignatureInvalid")),
        (
            seal(&format!("{}A", &valid("")[..valid("").len() - 1])),
            with(&key),
            out("TokenSignatureKeyNotFound"),
        ),
    ] {
        call(&given, &policy("", &keys), &[], &expected);
    }
    let text = policy("output-token-variable-name='jwt'", &with(&key))
        + r#"<set-header name="S"><value>@(((Jwt)context.Variables["jwt"]).Claims["sub"][0])</value></set-header>"#;
    call(
        &seal(&valid(r#","sub":"ann""#)),
        &text,
        &[],
        "forward s: ann; 200 $jwt=Jwt",
    );
    call(
        &seal(&valid("")),
        &policy(
            "",
            "<decryption-keys><key certificate-id='none'/></decryption-keys>",
        ),
        &[],
        "500 validate-jwt/PolicyFailure",
    );
}

#[test]
fn older_forms_of_keys_still_sign() {
    let named = token(r#"{"alg":"HS256"}"#, r#"{"exp":1900000000}"#);
    let tail = "<set-header name='Authorization' exists-action='delete'/>";
    let text = format!(
        "<validate-jwt header-name='Authorization'><issuer-signing-tokens><token>{}</token></issuer-signing-tokens></validate-jwt>{tail}",
        STANDARD.encode(SECRET)
    );
    call(&named, &text, &[], IN);
    // SHA-256 of "masterJWTSig".
    let secret = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"masterJWTSig");
    let signed = named.rsplit_once('.').unwrap().0;
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()),
        signed.as_bytes(),
    );
    let zumo = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
    for master in ["master", "@(\"mas\" + \"ter\")"] {
        let text = format!(
            "<validate-jwt header-name='Authorization'><issuer-signing-keys><zumo-master-key>{master}</zumo-master-key></issuer-signing-keys></validate-jwt>{tail}"
        );
        call(&zumo, &text, &[], IN);
        call(&named, &text, &[], &out("TokenSignatureInvalid"));
    }
}
