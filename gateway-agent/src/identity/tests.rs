//! Sources against scripted answers, and when tokens are fetched, in paused time.
//!
//! The answers stand for Azure's endpoints, of which none can be had here; what they are asked is what the
//! documentation prescribes.

use std::cell::{Cell, RefCell};

use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gateway_config::Secret;
use gateway_policy::{
    context::{Body, Response},
    effect::OutgoingRequest,
};
use http::StatusCode;

use super::{source::Http, *};
use crate::{sync::scratch::Scratch, telemetry::Metrics};

/// Answers in order, and what was asked for them.
struct Script {
    answers: RefCell<Vec<(u16, &'static str, String)>>,
    asked: RefCell<Vec<String>>,
}

impl Http for Script {
    async fn send(&self, request: OutgoingRequest) -> Result<Response, String> {
        let headers: Vec<_> = request
            .headers
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "accept" | "content-type"))
            .map(|(name, value)| format!(" {name}: {}", value.to_str().unwrap()))
            .collect();
        self.asked.borrow_mut().push(format!(
            "{} {}{} {}",
            request.method,
            gateway_policy::url::to_text(&request.url),
            headers.concat(),
            String::from_utf8_lossy(&request.body)
        ));
        let (status, body, challenge) = self.answers.borrow_mut().remove(0);
        let mut response = Response {
            status: StatusCode::from_u16(status).unwrap(),
            body: Body::Buffered(body.into()),
            ..Response::default()
        };
        if !challenge.is_empty() {
            response
                .headers
                .insert("www-authenticate", challenge.parse().unwrap());
        }
        Ok(response)
    }
}

fn wanted(client: Option<&str>) -> TokenRequest {
    TokenRequest {
        resource: "https://vault.azure.net".into(),
        client_id: client.map(Into::into),
        workload_identity: false,
    }
}

/// Runs a source: what was asked, then the token and its life, or the reason.
async fn run(source: &Source, client: Option<&str>, answers: &[(u16, &'static str, String)]) -> String {
    let script = Script {
        answers: RefCell::new(answers.to_vec()),
        asked: RefCell::default(),
    };
    let got = fetch(source, &wanted(client), &script).await;
    let mut story = script.asked.borrow().clone();
    story.push(match got {
        Ok(token) => format!("{} {}s", token.text, token.life.as_secs()),
        Err(reason) => reason,
    });
    story.join("; ")
}

fn plain(status: u16, body: &'static str) -> (u16, &'static str, String) {
    (status, body, String::new())
}

const GOOD: &str = r#"{"access_token":"t0ken","expires_in":3600}"#;

fn entra(proof: Proof) -> Source {
    Source::Entra {
        authority: "https://login.test/".into(),
        tenant: "ten".into(),
        client: "app".into(),
        proof,
    }
}

#[tokio::test(start_paused = true)]
async fn each_source_asks_as_documented() {
    let imds = Source::Imds {
        host: "http://imds.test".into(),
    };
    let app_service = Source::AppService {
        endpoint: "http://as.test/msi/token".into(),
        header: Secret::new("s3cret"),
    };
    let asked = "GET http://imds.test/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";
    let secret = entra(Proof::Secret(Secret::new("a&b")));
    let form = "POST https://login.test/ten/oauth2/v2.0/token grant_type=client_credentials&client_id=app\
        &scope=https%3A%2F%2Fvault.azure.net%2F.default&client_secret=a%26b";
    for (source, client, answers, expected) in [
        (
            &imds,
            None,
            vec![plain(200, r#"{"access_token":"t","expires_in":"60"}"#)],
            format!("{asked} metadata: true ; t 60s"),
        ),
        (
            &imds,
            Some("c/1"),
            vec![plain(429, ""), plain(500, ""), plain(200, GOOD)],
            format!("{0}; {0}; {0}; t0ken 3600s", format!("{asked}&client_id=c%2F1 metadata: true ")),
        ),
        (
            &imds,
            None,
            vec![plain(400, r#"{"error":"invalid_request","error_description":"Identity not found\nTrace"}"#)],
            format!("{asked} metadata: true ; the token endpoint answered with 400 Bad Request: Identity not found"),
        ),
        (
            &app_service,
            Some("c"),
            vec![plain(200, r#"{"access_token":"t"}"#)],
            "GET http://as.test/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net&client_id=c \
             x-identity-header: s3cret ; t 300s"
                .to_owned(),
        ),
        (&secret, None, vec![plain(200, GOOD)], format!("{form}; t0ken 3600s")),
        (
            &secret,
            Some("other"),
            vec![],
            "this node signs in as application app and cannot be other".to_owned(),
        ),
        (
            &secret,
            None,
            vec![plain(200, "{}")],
            format!("{form}; the token endpoint answered without `access_token`"),
        ),
    ] {
        assert_eq!(run(source, client, &answers).await, expected);
    }
}

#[tokio::test]
async fn the_federated_token_is_read_each_time() {
    let scratch = Scratch::new();
    let source = entra(Proof::Federated(scratch.path().join("token")));
    for text in ["first\n", "second"] {
        scratch.write("token", text);
        let story = run(&source, Some("pod"), &[plain(200, GOOD)]).await;
        assert!(story.contains("client_id=pod&"), "{story}");
        assert!(
            story.contains(
                "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
            ),
            "{story}"
        );
        assert!(
            story.contains(&format!("client_assertion={};", text.trim())),
            "{story}"
        );
    }
    let absent = entra(Proof::Federated(scratch.path().join("absent")));
    assert!(run(&absent, None, &[]).await.contains("absent"));
}

#[tokio::test]
async fn arc_wants_the_file_of_its_challenge_and_no_other() {
    let scratch = Scratch::new();
    scratch.write("a.key", "the key\n");
    scratch.write("a.txt", "not for them");
    let source = Source::Arc {
        endpoint: "http://arc.test/token".into(),
        folder: scratch.path().to_owned(),
    };
    let challenge = |path: &str| (401, "", format!("Basic realm={path}"));
    let file = |name: &str| scratch.path().join(name).display().to_string();
    let url = "GET http://arc.test/token?api-version=2019-11-01&resource=https%3A%2F%2Fvault.azure.net metadata: true";
    let story = run(&source, None, &[challenge(&file("a.key")), plain(200, GOOD)]).await;
    assert_eq!(
        story,
        format!("{url} ; {url} authorization: Basic the key ; t0ken 3600s")
    );
    let above = scratch.path().join("../../etc/passwd.key").display().to_string();
    for path in [
        file("a.txt"),
        "/etc/shadow.key".to_owned(),
        above,
        "a.key".to_owned(),
    ] {
        let story = run(&source, None, &[challenge(&path)]).await;
        assert!(story.contains("is not a key file in"), "{path}: {story}");
    }
    scratch.write("large.key", vec![b'a'; 4_097]);
    assert!(
        !run(&source, None, &[challenge(&file("large.key"))])
            .await
            .contains("t0ken")
    );
    assert!(
        run(&source, Some("c"), &[])
            .await
            .contains("no user-assigned identities")
    );
    assert!(
        run(&source, None, &[plain(200, GOOD)])
            .await
            .contains("no challenge")
    );
}

#[tokio::test]
async fn an_assertion_is_signed_by_the_certificate() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let made = rcgen::CertificateParams::new(vec!["app".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let pem = made.pem() + &key.serialize_pem();
    let certificate = Certificate::read(pem.as_bytes()).unwrap();
    let story = run(
        &entra(Proof::Certificate(Arc::new(certificate))),
        None,
        &[plain(200, GOOD)],
    )
    .await;
    let assertion = story
        .split("client_assertion=")
        .nth(1)
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    let parts: Vec<&str> = assertion.split('.').collect();
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let json = |part: &str| -> serde_json::Value { serde_json::from_slice(&decode(part)).unwrap() };
    assert_eq!(json(parts[0])["alg"], "PS256");
    let claims = json(parts[1]);
    assert_eq!(
        (
            claims["iss"].as_str(),
            claims["sub"].as_str(),
            claims["aud"].as_str()
        ),
        (
            Some("app"),
            Some("app"),
            Some("https://login.test/ten/oauth2/v2.0/token")
        )
    );
    let public = rcgen::PublicKeyData::der_bytes(&key);
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, public)
        .verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &decode(parts[2]))
        .unwrap();
    let ec = rcgen::generate_simple_self_signed(vec!["app".to_owned()]).unwrap();
    let error = Certificate::read((ec.cert.pem() + &ec.signing_key.serialize_pem()).as_bytes()).unwrap_err();
    assert!(error.contains("no RSA key"), "{error}");
}

/// Steps: seconds to wait, does the source answer; what is got and how often was asked by then.
async fn check(life: u64, steps: &[(u64, bool, &str, u32)]) {
    let (tokens, metrics) = (Tokens::new(Config::default()), Metrics::new().unwrap());
    let (asked, up) = (Cell::new(0), Cell::new(true));
    let fetch = async || {
        asked.set(asked.get() + 1);
        match up.get() {
            true => Ok(Token {
                text: format!("token {}", asked.get()).into(),
                life: Duration::from_secs(life),
            }),
            false => Err("down".to_owned()),
        }
    };
    for (at, (wait, answers, expected, count)) in steps.iter().enumerate() {
        tokio::time::advance(Duration::from_secs(*wait)).await;
        up.set(*answers);
        let mut left = None;
        let request = wanted(None);
        let got = tokens
            .get(&request, &metrics.effects, fetch, |renewal| left = Some(renewal))
            .await;
        if let Some(renewal) = left {
            renewal.run(&metrics.effects, fetch).await;
        }
        let got = got.map_or_else(|failure| failure.message(), |token| token.to_string());
        assert!(got.ends_with(expected), "step {at}: {got} instead of {expected}");
        assert_eq!(asked.get(), *count, "step {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_its_end_beside_the_requests() {
    check(
        3_600,
        &[
            (0, true, "token 1", 1),
            (3_299, true, "token 1", 1),
            (2, true, "token 1", 2),
            (1, true, "token 2", 2),
        ],
    )
    .await;
    // A short one at half of its life.
    check(
        100,
        &[
            (0, true, "token 1", 1),
            (51, true, "token 1", 2),
            (0, true, "token 2", 2),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_down_is_felt_only_at_the_end_of_the_token() {
    check(
        3_600,
        &[
            (0, true, "token 1", 1),
            (3_301, false, "token 1", 2),
            (0, false, "token 1", 2),
            (268, false, "token 1", 3),
            (2, false, "down", 4),
            (0, true, "down", 4),
            (60, true, "token 5", 5),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn tokens_are_bounded_and_the_pods_identity_is_its_own() {
    let tokens = Tokens::new(Config::default());
    for n in 0..TOKENS_MAX * 2 {
        let request = TokenRequest {
            resource: format!("https://r{n}").into(),
            ..wanted(None)
        };
        tokens.entry(&request);
    }
    assert_eq!(tokens.entries.lock().unwrap().len(), TOKENS_MAX);
    let pod = TokenRequest {
        workload_identity: true,
        ..wanted(None)
    };
    assert!(tokens.source(&pod).is_err(), "this node has none");
}
