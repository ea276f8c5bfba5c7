//! Rounds against a scripted service: what is asked, what comes of it, and what happens when it refuses.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::*;
use crate::{tls, upstream::tls::ClientTls};

const LIMIT: Duration = Duration::from_secs(20);
const BOUNDS: TreeBounds = TreeBounds {
    files: 1000,
    bytes: 1 << 20,
};
const TOKEN: &str = "GET /metadata/identity/oauth2/token";

/// What one address answers: status, header fields, body.
type Answer = (u16, Vec<(&'static str, String)>, String);

#[derive(Default)]
struct Script {
    /// By method and path below the service.
    answers: BTreeMap<String, Answer>,
    asked: Vec<String>,
}

/// A service that answers from a script.
struct Service {
    script: Arc<Mutex<Script>>,
    address: std::net::SocketAddr,
}

fn list(items: &Value) -> String {
    json!({ "value": items }).to_string()
}

impl Service {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::default()));
        let shared = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = Arc::clone(&shared);
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = answer(&script, &request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        let out = Self { script, address };
        out.set(
            "GET /gateways/edge",
            200,
            json!({"name": "edge", "properties": {}}).to_string(),
        );
        let api = json!({"name": "echo", "properties": {"path": "echo", "isCurrent": true, "apiRevision": "1", "type": "http"}});
        out.set("GET /gateways/edge/apis", 200, list(&json!([api])));
        out.set("GET /allPolicies", 200, list(&json!([
            {"name": "a", "properties": {"referencePolicyId": "/x/service/svc/apis/echo/policies/policy"}},
            {"name": "b", "properties": {"referencePolicyId": "/x/service/svc/apis/other/policies/policy"}},
        ])));
        out.policy("one <{{secret}}>", "\"1\"");
        out.set(
            "GET /namedValues",
            200,
            list(&json!([
                {"name": "nv1", "properties": {"displayName": "secret", "secret": true}},
                {"name": "nv2", "properties": {"displayName": "unused", "secret": true}},
                {"name": "nv3", "properties": {"displayName": "plain", "secret": false, "value": "v"}},
            ])),
        );
        out.set(
            "POST /namedValues/nv1/listValue",
            200,
            json!({"value": "hidden"}).to_string(),
        );
        out.subscription("active");
        out.set(
            "POST /subscriptions/team/listSecrets",
            200,
            json!({"primaryKey": "p", "secondaryKey": "s"}).to_string(),
        );
        out.set(
            "GET /apis/echo/operations",
            200,
            list(&json!([{"name": "get", "properties": {"method": "GET", "urlTemplate": "/"}}])),
        );
        out.set(
            TOKEN,
            200,
            json!({"access_token": "t1", "expires_in": "3600"}).to_string(),
        );
        out
    }

    fn set(&self, what: &str, status: u16, body: String) {
        self.answer(what, (status, Vec::new(), body));
    }

    fn answer(&self, what: &str, answer: Answer) {
        self.script
            .lock()
            .unwrap()
            .answers
            .insert(what.to_owned(), answer);
    }

    fn policy(&self, text: &str, tag: &str) {
        let body = json!({"name": "policy", "properties": {"format": "rawxml", "value": text}}).to_string();
        let tag = vec![("etag", tag.to_owned())];
        self.answer("GET /apis/echo/policies/policy", (200, tag.clone(), body));
        self.answer("HEAD /apis/echo/policies/policy", (200, tag, String::new()));
    }

    fn subscription(&self, state: &str) {
        self.set(
            "GET /subscriptions",
            200,
            list(&json!([
                {"name": "team", "properties": {"scope": "/x/service/svc/apis/echo", "state": state}},
                {"name": "others", "properties": {"scope": "/x/service/svc/apis/other", "state": "active"}},
            ])),
        );
    }

    /// What was asked since the last question.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.script.lock().unwrap().asked)
    }

    fn follow(&self, sweep: Duration) -> Arm {
        let (roots, _) = ClientTls::roots(std::iter::empty());
        let client = Client::new(&tls::provider(), roots, true, LIMIT).unwrap();
        let endpoint = format!("http://{}", self.address);
        let place = Place {
            cloud: PUBLIC,
            service: Place::service_id("s", "g", "svc"),
            gateway: Some("edge".into()),
            vault: PUBLIC.vault.to_owned(),
            rate: 1000.0,
            sweep,
            secrets: Duration::from_secs(3600),
            endpoint: endpoint.clone(),
        };
        let identity = Source::Imds {
            host: endpoint.into(),
        };
        Arm::new(client, identity, place, BOUNDS, Metrics::new().unwrap())
    }
}

fn answer(script: &Mutex<Script>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let below = path.split_once("/service/svc").map_or(path, |(_, rest)| rest);
    let what = format!("{} {below}", request.method());
    let mut script = script.lock().unwrap();
    script.asked.push(what.clone());
    // Lists that nobody scripted are empty; anything else is not there.
    let (status, headers, body) = script.answers.get(&what).cloned().unwrap_or_else(|| {
        let listed =
            request.method() == "GET" && below.rsplit('/').next().is_some_and(|last| last.ends_with('s'));
        match listed {
            true => (200, Vec::new(), list(&json!([]))),
            false => (
                404,
                Vec::new(),
                r#"{"error":{"code":"ResourceNotFound","message":"m"}}"#.to_owned(),
            ),
        }
    });
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(body))).unwrap()
}

async fn files(arm: &mut Arm) -> Result<Option<FileTree>, RemoteError> {
    arm.poll()
        .await
        .map(|news| news.map(|Fetched { files, .. }| files))
}

fn text(files: &FileTree, path: &str) -> String {
    let bytes = files
        .get(path)
        .unwrap_or_else(|| panic!("no {path} in {:?}", files.keys()));
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_service_is_read_and_an_unchanged_one_costs_its_lists() {
    let service = Service::start().await;
    let mut arm = service.follow(Duration::from_secs(3600));
    let tree = files(&mut arm).await.unwrap().unwrap();
    let paths: Vec<&str> = tree.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "apis/echo/apiInformation.json",
            "apis/echo/operations.json",
            "apis/echo/policy.xml",
            "gateways/edge/apis/echo/gatewayApiInformation.json",
            "gateways/edge/gatewayInformation.json",
            "named values/nv1/namedValueInformation.json",
            "named values/nv3/namedValueInformation.json",
            "subscriptions/team/subscriptionInformation.json",
        ],
        "what no API of the gateway needs is left out"
    );
    assert!(text(&tree, "named values/nv1/namedValueInformation.json").contains("hidden"));
    assert!(text(&tree, "subscriptions/team/subscriptionInformation.json").contains(r#""primaryKey":"p""#));
    service.asked();
    assert_eq!(files(&mut arm).await, Ok(None));
    let asked = service.asked();
    assert_eq!(asked.len(), 17, "{asked:?}");
    assert!(asked.iter().all(|what| what.starts_with("GET")), "{asked:?}");
}

#[tokio::test]
async fn documents_are_looked_at_by_their_tag() {
    let service = Service::start().await;
    let mut arm = service.follow(Duration::ZERO);
    files(&mut arm).await.unwrap().unwrap();
    service.asked();
    assert_eq!(files(&mut arm).await, Ok(None));
    let asked = service.asked();
    assert!(asked.contains(&"HEAD /apis/echo/policies/policy".to_owned()));
    assert!(
        !asked.contains(&"GET /apis/echo/policies/policy".to_owned()),
        "the tag is the same"
    );
    service.policy("two", "\"2\"");
    let tree = files(&mut arm).await.unwrap().unwrap();
    assert_eq!(text(&tree, "apis/echo/policy.xml"), "two");
}

#[tokio::test]
async fn a_change_in_a_list_is_read_at_once() {
    let service = Service::start().await;
    let mut arm = service.follow(Duration::from_secs(3600));
    files(&mut arm).await.unwrap();
    let api = json!({"name": "echo", "properties": {"path": "echo2", "isCurrent": true, "apiRevision": "1"}});
    service.set("GET /gateways/edge/apis", 200, list(&json!([api])));
    service.policy("two", "\"2\"");
    let tree = files(&mut arm).await.unwrap().unwrap();
    assert!(text(&tree, "apis/echo/apiInformation.json").contains("echo2"));
    assert_eq!(
        text(&tree, "apis/echo/policy.xml"),
        "two",
        "what hangs on it is read again"
    );
}

#[tokio::test]
async fn throttling_ends_a_round_and_loses_nothing() {
    let service = Service::start().await;
    let mut arm = service.follow(Duration::from_secs(3600));
    let retry = vec![("retry-after", "7".to_owned())];
    service.answer("GET /apis/echo/operations", (429, retry, String::new()));
    assert_eq!(
        files(&mut arm).await,
        Err(RemoteError::Throttled(Duration::from_secs(7)))
    );
    service.asked();
    let operations = list(&json!([{"name": "get", "properties": {"method": "GET", "urlTemplate": "/"}}]));
    service.set("GET /apis/echo/operations", 200, operations);
    assert!(files(&mut arm).await.unwrap().is_some());
    let asked = service.asked();
    assert!(
        !asked.contains(&"GET /apis/echo/revisions".to_owned()),
        "what was read before is not read again: {asked:?}"
    );
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_anew_once() {
    let service = Service::start().await;
    let mut arm = service.follow(Duration::from_secs(3600));
    let body = r#"{"error":{"code":"ExpiredAuthenticationToken","message":"over"}}"#.to_owned();
    service.set("GET /gateways/edge", 401, body);
    let error = files(&mut arm).await.unwrap_err();
    assert!(
        matches!(&error, RemoteError::Unauthorised(why) if why.contains("ExpiredAuthenticationToken")),
        "{error:?}"
    );
    let tokens = service.asked().iter().filter(|what| *what == TOKEN).count();
    assert_eq!(tokens, 2);
    assert!(arm.remedy(&error).unwrap().contains("Reader Role"));
}

#[tokio::test]
async fn an_identity_that_gets_no_token_is_told_so() {
    let service = Service::start().await;
    service.set(
        TOKEN,
        400,
        r#"{"error":"invalid_request","error_description":"Identity not found"}"#.to_owned(),
    );
    let error = files(&mut service.follow(Duration::ZERO)).await.unwrap_err();
    assert!(
        matches!(&error, RemoteError::Unauthorised(why) if why.contains("Identity not found")),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_is_denied_refuses_as_much_as_it_must() {
    let denied = || r#"{"error":{"code":"AuthorizationFailed","message":"no right"}}"#.to_owned();
    for (what, goes_on) in [
        ("POST /subscriptions/team/listSecrets", true),
        ("POST /namedValues/nv1/listValue", true),
        ("GET /apis/echo/policies/policy", false),
        ("GET /apis/echo/operations", false),
        ("GET /subscriptions", false),
        ("GET /gateways/edge/apis", false),
    ] {
        let service = Service::start().await;
        service.set(what, 403, denied());
        let result = files(&mut service.follow(Duration::from_secs(3600))).await;
        match result {
            Ok(Some(_)) => assert!(goes_on, "{what}"),
            Err(RemoteError::Unauthorised(why)) => {
                assert!(!goes_on && why.contains("AuthorizationFailed"), "{what}: {why}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn keys_that_are_denied_do_not_hide_a_suspension() {
    let service = Service::start().await;
    let mut arm = service.follow(Duration::from_secs(3600));
    files(&mut arm).await.unwrap();
    service.subscription("suspended");
    service.set("POST /subscriptions/team/listSecrets", 403, "{}".to_owned());
    let tree = files(&mut arm).await.unwrap().unwrap();
    let team = text(&tree, "subscriptions/team/subscriptionInformation.json");
    assert!(
        team.contains("suspended") && team.contains(r#""primaryKey":"p""#),
        "{team}"
    );
}

#[tokio::test]
async fn a_listed_document_that_is_not_there_is_not_taken_for_none() {
    let service = Service::start().await;
    let mut arm = service.follow(Duration::ZERO);
    let absent = || r#"{"error":{"code":"ResourceNotFound","message":"m"}}"#.to_owned();
    service.set("GET /apis/echo/policies/policy", 404, absent());
    assert!(matches!(files(&mut arm).await, Err(RemoteError::Refused(_))));
    service.policy("one", "\"1\"");
    files(&mut arm).await.unwrap().unwrap();
    service.set("GET /apis/echo/policies/policy", 404, absent());
    service.set("HEAD /apis/echo/policies/policy", 404, String::new());
    assert_eq!(files(&mut arm).await, Ok(None), "the last one stays");
    service.set("GET /allPolicies", 200, list(&json!([])));
    let tree = files(&mut arm).await.unwrap().unwrap();
    assert!(
        !tree.contains_key("apis/echo/policy.xml"),
        "until the list says that it is gone"
    );
}

#[tokio::test]
async fn answers_that_are_none_are_refused() {
    for (what, status, body, expected) in [
        ("GET /products", 200, "<html>login</html>".to_owned(), "not JSON"),
        (
            "GET /products",
            200,
            json!({"value": [], "nextLink": "https://evil.example/x"}).to_string(),
            "evil.example",
        ),
        (
            "GET /products",
            200,
            json!({"value": [{"name": "../x"}]}).to_string(),
            "no name of an entity",
        ),
        ("GET /gateways/edge", 404, String::new(), "gateway edge"),
        (
            "GET /products",
            400,
            r#"{"error":{"code":"ValidationError","message":"bad"}}"#.to_owned(),
            "ValidationError: bad",
        ),
    ] {
        let service = Service::start().await;
        service.set(what, status, body);
        let error = files(&mut service.follow(Duration::ZERO)).await.unwrap_err();
        assert!(
            matches!(&error, RemoteError::Refused(why) if why.contains(expected)),
            "{what}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_restart_from_a_backup_goes_on_counting() {
    let service = Service::start().await;
    let mut arm = service.follow(Duration::from_secs(3600));
    let Fetched { files: tree, version } = arm.poll().await.unwrap().unwrap();
    let mut again = service.follow(Duration::from_secs(3600));
    let backup = Backup {
        origin: Origin {
            source: String::new(),
            dataset: version.0.clone(),
            revision: Revision(41),
            saved: 0,
            history: Vec::new(),
        },
        files: tree,
    };
    again.restore(&backup);
    assert_eq!(files(&mut again).await, Ok(None), "the same as in the backup");
    service.policy("two", "\"2\"");
    let mut third = service.follow(Duration::from_secs(3600));
    third.restore(&backup);
    let news = third.poll().await.unwrap().unwrap();
    assert_eq!(news.version, (version.0, Revision(42)));
}
