//! A hub and a node's client of it over real TLS, with certificates of the test's own.

use std::{fs, sync::Arc, time::Duration};

use gateway_config::events::TreeBounds;

use super::*;
use crate::{
    sync::{
        http::Client,
        remote::{Fetched, Hub as Node, Remote as _, RemoteError},
        scratch::Scratch,
        token::Token,
    },
    telemetry::clock::Timestamp,
    upstream::tls::ClientTls,
};

/// Long enough for a loaded machine; waits end with their event.
const LIMIT: Duration = Duration::from_secs(30);
const BOUNDS: TreeBounds = TreeBounds {
    files: 1000,
    bytes: 1 << 20,
};

struct Bench {
    scratch: Scratch,
    hub: Arc<Hub>,
    address: SocketAddr,
    certificate: rcgen::CertifiedKey<rcgen::KeyPair>,
    _task: tokio::task::JoinHandle<()>,
}

fn tree(files: &[(&str, &str)]) -> FileTree {
    files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), Arc::from(text.as_bytes())))
        .collect()
}

impl Bench {
    fn start() -> Self {
        let scratch = Scratch::new();
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        scratch.write("tls.crt", certificate.cert.pem());
        scratch.write("tls.key", certificate.signing_key.serialize_pem());
        scratch.write("keys/edge.primary", "primary");
        let hub = Arc::new(Hub::new());
        let files = (scratch.path().join("tls.crt"), scratch.path().join("tls.key"));
        let keys = Keys::new(scratch.path().join("keys"));
        let server = Server::bind(
            "127.0.0.1:0".parse().unwrap(),
            Some(files),
            keys,
            Arc::clone(&hub),
        )
        .unwrap();
        let address = server.address().unwrap();
        Self {
            scratch,
            hub,
            address,
            certificate,
            _task: tokio::spawn(server.run()),
        }
    }

    fn node(&self, gateway: &str, key: &str, life: Duration) -> Node {
        let expiry = Timestamp(Timestamp::now().0 + life);
        let token = Token::sign(gateway, expiry, key).text();
        let (roots, _) = ClientTls::roots([self.certificate.cert.der().as_ref()].into_iter());
        let client = Client::new(&crate::tls::provider(), roots, true, LIMIT).unwrap();
        Node::new(
            client,
            &format!("https://localhost:{}/", self.address.port()),
            &token,
            BOUNDS,
        )
        .unwrap()
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn files(node: &mut Node) -> Result<Option<FileTree>, RemoteError> {
    node.poll()
        .await
        .map(|news| news.map(|Fetched { files, .. }| files))
}

#[tokio::test]
async fn a_node_gets_the_tree_and_then_what_changes() {
    let bench = Bench::start();
    let mut node = bench.node("edge", "primary", DAY);
    assert!(
        matches!(files(&mut node).await, Err(RemoteError::Throttled(_))),
        "the hub has nothing yet"
    );
    let first = tree(&[
        ("policy.xml", "<policies/>"),
        ("apis/a/apiInformation.json", "{}"),
    ]);
    bench.hub.update(&first);
    assert_eq!(files(&mut node).await, Ok(Some(first)));
    assert_eq!(files(&mut node).await, Ok(None), "nothing new");
    let second = tree(&[("policy.xml", "<policies></policies>")]);
    bench.hub.update(&second);
    assert_eq!(files(&mut node).await, Ok(Some(second)));
}

#[tokio::test]
async fn a_large_tree_comes_in_pages() {
    let bench = Bench::start();
    let large: FileTree = (0..730)
        .map(|i| (format!("f{i}"), Arc::from(i.to_string().into_bytes())))
        .collect();
    bench.hub.update(&large);
    assert_eq!(
        files(&mut bench.node("edge", "primary", DAY)).await,
        Ok(Some(large))
    );
}

#[tokio::test]
async fn only_the_gateways_own_token_opens() {
    let bench = Bench::start();
    bench.hub.update(&tree(&[("a", "1")]));
    for (gateway, key, life) in [
        ("edge", "wrong", DAY),
        ("other", "primary", DAY),
        ("edge", "primary", Duration::ZERO),
    ] {
        let result = files(&mut bench.node(gateway, key, life)).await;
        assert!(
            matches!(result, Err(RemoteError::Unauthorised(_))),
            "{gateway} {key}: {result:?}"
        );
    }
    bench.scratch.write("keys/edge.secondary", "secondary");
    let mut node = bench.node("edge", "secondary", DAY);
    assert!(
        files(&mut node).await.is_ok(),
        "the second key works without a restart"
    );
    fs::remove_file(bench.scratch.path().join("keys/edge.secondary")).unwrap();
    assert!(
        matches!(files(&mut node).await, Err(RemoteError::Unauthorised(_))),
        "and not when it is gone"
    );
}

#[tokio::test]
async fn a_hub_that_starts_again_is_followed() {
    let one = Bench::start();
    one.hub.update(&tree(&[("a", "1"), ("b", "1")]));
    let mut node = one.node("edge", "primary", DAY);
    files(&mut node).await.unwrap();
    // The same address cannot be had for sure, so the same log is replaced: what nodes see of a restart.
    *one.hub.log.lock().unwrap() = EventLog::new(b"another");
    one.hub.update(&tree(&[("a", "2")]));
    assert_eq!(files(&mut node).await, Ok(Some(tree(&[("a", "2")]))));
}

fn store(scratch: &Scratch) -> Store {
    scratch.write("seal", "0123456789abcdef0123456789abcdef");
    Store::open(&scratch.path().join("state"), Some(&scratch.path().join("seal"))).unwrap()
}

/// Everything a node at `from` is told, as one page.
fn told(hub: &Hub, from: Revision) -> Page {
    hub.page(from, 100).unwrap()
}

#[test]
fn a_restart_is_not_noticed() {
    let scratch = Scratch::new();
    let hub = Hub::restored(store(&scratch));
    hub.update(&tree(&[("a", "1"), ("b", "1")]));
    let at = hub.version().1;
    hub.update(&tree(&[("a", "2")]));
    let before = (told(&hub, Revision(0)), told(&hub, at));
    let again = Hub::restored(store(&scratch));
    assert_eq!(
        (told(&again, Revision(0)), told(&again, at)),
        before,
        "before the source answers"
    );
    assert_eq!(
        again.update(&tree(&[("a", "2")])),
        0,
        "the source has nothing new"
    );
    again.update(&tree(&[("a", "3")]));
    assert_eq!(told(&again, before.1.revision).events.len(), 1);
}

#[test]
fn a_state_that_cannot_be_kept_misleads_nobody() {
    let scratch = Scratch::new();
    let hub = Hub::restored(store(&scratch));
    hub.update(&tree(&[("a", "1")]));
    let (kept, _, _) = hub.version();
    // A file where the folder should be: nothing can be written.
    fs::remove_dir_all(scratch.path().join("state")).unwrap();
    scratch.write("state", "");
    hub.update(&tree(&[("a", "2")]));
    assert_ne!(
        hub.version().0,
        kept,
        "what a restart would tell has another name"
    );
}

#[test]
fn damaged_state_begins_a_new_data_set() {
    let scratch = Scratch::new();
    Hub::restored(store(&scratch)).update(&tree(&[("a", "1")]));
    scratch.write("state/configuration.backup", "garbage");
    let hub = Hub::restored(store(&scratch));
    assert!(hub.page(Revision(0), 1).is_none());
    hub.update(&tree(&[("a", "2")]));
    assert_eq!(told(&Hub::restored(store(&scratch)), Revision(0)).events.len(), 1);
}

#[test]
fn the_hub_tells_how_it_is() {
    let hub = Arc::new(Hub::new());
    let view = admin::View {
        hub: Arc::clone(&hub),
        sync: sync::Handle::default(),
        metrics: Metrics::new().unwrap(),
    };
    let ask = |path: &str| view.answer(&http::Method::GET, path).status().as_u16();
    assert_eq!((ask("/live"), ask("/ready")), (200, 503));
    hub.update(&tree(&[("a", "1")]));
    for (path, expected) in [
        ("/ready", 200),
        ("/status", 200),
        ("/metrics", 200),
        ("/", 404),
        ("/gateways/a/events", 404),
    ] {
        assert_eq!(ask(path), expected, "{path}");
    }
    assert_eq!(view.answer(&http::Method::POST, "/status").status().as_u16(), 405);
}

#[tokio::test]
async fn a_stranger_is_not_answered_and_an_unknown_certificate_not_trusted() {
    let (bench, other) = (Bench::start(), Bench::start());
    bench.hub.update(&tree(&[("a", "1")]));
    let (roots, _) = ClientTls::roots([other.certificate.cert.der().as_ref()].into_iter());
    let client = Client::new(&crate::tls::provider(), roots, true, LIMIT).unwrap();
    let token = Token::sign("edge", Timestamp(Timestamp::now().0 + DAY), "primary").text();
    let endpoint = format!("https://localhost:{}", bench.address.port());
    let mut node = Node::new(client, &endpoint, &token, BOUNDS).unwrap();
    assert!(matches!(files(&mut node).await, Err(RemoteError::Unreachable(_))));
}

#[tokio::test]
async fn requests_are_told_what_is_wrong() {
    let bench = Bench::start();
    bench.hub.update(&tree(&[("a", "1")]));
    let files = (
        bench.scratch.path().join("tls.crt"),
        bench.scratch.path().join("tls.key"),
    );
    let keys = Keys::new(bench.scratch.path().join("keys"));
    let server = Server::bind(
        "127.0.0.1:0".parse().unwrap(),
        Some(files),
        keys,
        Arc::clone(&bench.hub),
    )
    .unwrap();
    let token = Token::sign("edge", Timestamp(Timestamp::now().0 + DAY), "primary").text();
    let ask = |method: &str, path: &str, token: Option<&str>| {
        let mut headers = http::HeaderMap::new();
        if let Some(token) = token {
            headers.insert(
                http::header::AUTHORIZATION,
                format!("GatewayKey {token}").parse().unwrap(),
            );
        }
        let method = method.parse().unwrap();
        let path = path.parse().unwrap();
        let (server, at) = (&server, bench.address);
        async move {
            server
                .answer(&method, &path, &headers, at)
                .await
                .status()
                .as_u16()
        }
    };
    let token = Some(token.as_str());
    for (method, path, with, expected) in [
        ("GET", "/gateways/edge/events", token, 200),
        (
            "GET",
            "///gateways/edge/events?$top=100&$skiptoken=000006fe",
            token,
            200,
        ),
        ("GET", "/gateways/edge/events?%24top=1&%24skiptoken=0", token, 200),
        ("GET", "/gateways/edge/events?$top=x", token, 400),
        ("GET", "/gateways/edge/events?$skiptoken=xyz", token, 400),
        ("POST", "/gateways/edge/events", token, 405),
        ("GET", "/gateways/edge/events", None, 401),
        ("GET", "/gateways/edge", token, 404),
        ("GET", "/gateways/edge/events/more", token, 404),
        ("GET", "/", None, 404),
    ] {
        assert_eq!(ask(method, path, with).await, expected, "{method} {path}");
    }
}

#[test]
fn endpoints_that_cannot_be_followed_say_why() {
    let (roots, _) = ClientTls::roots(std::iter::empty());
    let client = Client::new(&crate::tls::provider(), roots, true, LIMIT).unwrap();
    let token = Token::sign("edge", Timestamp::now(), "k").text();
    let refused = |endpoint: &str, token: &str| match Node::new(client.clone(), endpoint, token, BOUNDS) {
        Ok(_) => "none".to_owned(),
        Err(error) => error.to_string(),
    };
    for (endpoint, token, expected) in [
        (
            "contoso.configuration.azure-api.net",
            token.as_str(),
            "not public",
        ),
        (
            "https://Contoso.Configuration.Azure-Api.Net/",
            &token,
            "not public",
        ),
        ("", &token, "not a URL"),
        ("https://", &token, "not a URL"),
        ("hub.example.com", "nonsense", "not a gateway token"),
        ("hub.example.com:4293", &token, "none"),
    ] {
        let found = refused(endpoint, token);
        assert!(found.contains(expected), "{endpoint}: {found}");
    }
}
