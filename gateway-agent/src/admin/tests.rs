//! The admin endpoint: its table through `respond`, its sockets through real connections.

use std::{net::TcpStream, os::unix::net::UnixStream, sync::Arc, time::Duration};

use gateway_config::{network::KernelOptions, settings::KernelMode};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use super::{routes::respond, *};
use crate::{
    kernel::{Side, Wanted},
    node::{NoSink, Node, Settings},
    ready::Readiness,
    sync::{self, scratch::Scratch},
    telemetry::{Metrics, Recent, RequestRecord, clock::Timestamp, events::LevelHandle},
};

fn state() -> Arc<State> {
    let metrics = Metrics::new().unwrap();
    let wanted = Wanted {
        mode: KernelMode::Off,
        options: &KernelOptions::default(),
        names: &[],
        bound: &[],
        process: crate::process::Identity::default(),
        forbidden: &[],
        pins: None,
        entries: crate::kernel::Entries::default(),
    };
    let (side, _) = Side::start(&wanted, Arc::default(), Arc::clone(&metrics)).unwrap();
    Arc::new(State {
        node: Node::new(Settings::default(), Arc::clone(&metrics), Arc::new(NoSink)).unwrap(),
        metrics,
        sync: sync::Handle::default(),
        readiness: Readiness::default(),
        level: LevelHandle::none(),
        log: None,
        requests: Arc::new(Recent::new(2)),
        connections: Arc::new(Recent::new(2)),
        kernel: Arc::new(side),
        started: Timestamp::now(),
        listeners: vec![ListenerView {
            address: "127.0.0.1:1".to_owned(),
            tls: true,
            http3: false,
        }],
        workers: 2,
        generation: 0,
        settings: json!({ "config.service.auth": "hidden" }),
        grace: Duration::from_secs(30),
    })
}

fn check(state: &State, method: Method, target: &str, status: u16, contains: &str) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let reply = respond(state, &method, path, query, false);
    assert_eq!(reply.status.as_u16(), status, "{method} {target}: {}", reply.body);
    assert!(
        reply.body.contains(contains),
        "{method} {target}: no {contains:?} in {}",
        reply.body
    );
}

#[test]
fn records_of_requests_are_ordered_and_fetched() {
    let state = state();
    check(
        &state,
        Method::POST,
        "/debug/credentials?api=echo&seconds=60",
        200,
        "aid=echo&exp=",
    );
    check(
        &state,
        Method::POST,
        "/debug/credentials?api=echo&seconds=9999",
        400,
        "up to 3600",
    );
    check(
        &state,
        Method::POST,
        "/debug/next?requests=5",
        200,
        "the next 5 requests",
    );
    check(&state, Method::POST, "/debug/next", 400, "give ?requests=N");
    check(
        &state,
        Method::POST,
        "/debug/invalidate",
        200,
        "no debug credentials",
    );
    check(
        &state,
        Method::GET,
        "/debug/trace?id=x",
        404,
        "there is no such record",
    );
    state.node.debug.keep("x".to_owned(), &json!({ "trace": [] }));
    check(&state, Method::GET, "/debug/trace?id=x", 200, "{\"trace\":[]}");
    check(&state, Method::GET, "/debug/traces", 200, "\"x\"");
}

#[test]
fn the_table_answers() {
    let state = state();
    check(&state, Method::GET, "/", 200, "<h1>gateway-agent</h1>");
    check(&state, Method::GET, "/healthz", 200, "ok");
    check(&state, Method::HEAD, "/healthz", 200, "");
    check(&state, Method::GET, "/metrics", 200, "gateway_build_info");
    check(&state, Method::GET, "/status", 200, "kernel.mode is `off`");
    check(&state, Method::GET, "/config_dump", 200, "hidden");
    check(&state, Method::GET, "/listeners", 200, "127.0.0.1:1");
    check(&state, Method::GET, "/nothing", 404, "/help");
    check(&state, Method::POST, "/status", 405, "GET");
    check(&state, Method::GET, "/drain", 405, "POST");
    check(&state, Method::POST, "/logging?level=loud", 400, "warn");
    check(
        &state,
        Method::POST,
        "/logging?level=warn",
        409,
        "telemetry.logs.std",
    );
    check(&state, Method::POST, "/drain?seconds=x", 400, "whole number");
    check(&state, Method::POST, "/reload", 202, "/status");
    assert!(!state.node.drain.is_draining());
}

#[test]
fn help_lists_every_route() {
    let state = state();
    for route in routes::ROUTES {
        check(&state, Method::GET, "/help", 200, route.path);
    }
}

#[test]
fn readiness_names_what_is_missing() {
    let state = state();
    let step = state.readiness.step("listeners");
    check(&state, Method::GET, "/ready", 503, "not ready");
    check(
        &state,
        Method::GET,
        "/ready?verbose",
        503,
        "[-] listeners: not done yet",
    );
    check(
        &state,
        Method::GET,
        "/ready?verbose",
        503,
        "[-] configuration: none has been read yet",
    );
    drop(step);
    state.node.publish(Arc::default());
    check(&state, Method::GET, "/ready?verbose", 200, "[+] configuration ok");
    check(&state, Method::POST, "/drain?seconds=1", 202, "at most 1 s");
    check(
        &state,
        Method::GET,
        "/ready?verbose",
        503,
        "[-] serving: draining",
    );
}

#[test]
fn a_drain_cannot_be_stretched() {
    let state = state();
    check(&state, Method::POST, "/drain?seconds=86400", 202, "at most 30 s");
}

#[test]
fn the_last_requests_are_shown() {
    let state = state();
    for n in 0..3 {
        state.requests.push(RequestRecord {
            url: format!("/n{n}"),
            ..RequestRecord::default()
        });
    }
    let reply = respond(&state, &Method::GET, "/requests", "", false);
    let rows: Vec<Value> = serde_json::from_str(&reply.body).unwrap();
    let urls: Vec<_> = rows.iter().map(|row| row["url"].as_str().unwrap()).collect();
    assert_eq!(urls, ["/n1", "/n2"]);
}

#[test]
fn the_scraper_sees_metrics_only() {
    let state = state();
    for route in routes::ROUTES {
        let reply = respond(&state, &route.method, route.path, "", true);
        let expected = if route.path == "/metrics" { 200 } else { 404 };
        assert_eq!(reply.status.as_u16(), expected, "{}", route.path);
    }
}

fn check_browser(headers: &[(&'static str, &'static str)], refused: bool) {
    let map: HeaderMap = headers
        .iter()
        .map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v)))
        .collect();
    assert_eq!(routes::refuse_browser(&map).is_some(), refused, "{headers:?}");
}

#[test]
fn web_pages_are_refused() {
    check_browser(&[], false);
    check_browser(&[("host", "127.0.0.1:9901")], false);
    check_browser(&[("host", "[::1]:9901")], false);
    check_browser(&[("host", "localhost")], false);
    check_browser(&[("host", "rebound.example.com:9901")], true);
    check_browser(&[("host", "localhost"), ("origin", "http://evil.example")], true);
    check_browser(&[("host", "localhost"), ("sec-fetch-site", "cross-site")], true);
    check_browser(&[("host", "localhost"), ("sec-fetch-site", "none")], false);
}

#[test]
fn the_operator_endpoint_stays_on_loopback() {
    let error = Endpoint::tcp("0.0.0.0:0".parse().unwrap(), Audience::Operator).unwrap_err();
    assert!(error.to_string().contains("loopback"), "{error}");
    assert!(Endpoint::tcp("0.0.0.0:0".parse().unwrap(), Audience::Scraper).is_ok());
}

fn ask(mut stream: impl std::io::Read + std::io::Write, target: &str) -> String {
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn sockets_serve_their_audience() {
    let scratch = Scratch::new();
    let socket = scratch.path().join("admin.sock");
    let operator = Endpoint::tcp("127.0.0.1:0".parse().unwrap(), Audience::Operator).unwrap();
    let scraper = Endpoint::tcp("127.0.0.1:0".parse().unwrap(), Audience::Scraper).unwrap();
    let unix = Endpoint::unix(&socket).unwrap();
    let (a, b) = (operator.describe(), scraper.describe());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(server::serve(vec![operator, scraper, unix], state(), async {
        let _ = stopped.await;
    }));
    let path = socket.clone();
    tokio::task::spawn_blocking(move || {
        let text = ask(TcpStream::connect(&a).unwrap(), "/status");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.contains("cache-control: no-store"), "{text}");
        let text = ask(TcpStream::connect(&b).unwrap(), "/metrics");
        assert!(text.contains("text/plain; version=0.0.4"), "{text}");
        assert!(ask(TcpStream::connect(&b).unwrap(), "/status").starts_with("HTTP/1.1 404"));
        assert!(ask(UnixStream::connect(&path).unwrap(), "/healthz").ends_with("ok\n"));
        assert!(ask(TcpStream::connect(&a).unwrap(), "/with space").starts_with("HTTP/1.1 400"));
    })
    .await
    .unwrap();
    stop.send(()).unwrap();
    served.await.unwrap();
}

#[test]
fn a_unix_socket_is_private_and_replaced_when_stale() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new();
    let path = scratch.path().join("admin.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap()); // leaves its file behind
    let endpoint = Endpoint::unix(&path).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let error = Endpoint::unix(&path).unwrap_err();
    assert!(
        error.to_string().contains("another process listens there"),
        "{error}"
    );
    drop(endpoint);
    assert!(!path.exists(), "the file goes with the endpoint");
    scratch.write("admin.sock", "a file");
    let error = Endpoint::unix(&path).unwrap_err();
    assert!(error.to_string().contains("is not a socket"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn strangers_who_hold_the_scrapers_port_do_not_shut_the_operator_out() {
    let operator = Endpoint::tcp("127.0.0.1:0".parse().unwrap(), Audience::Operator).unwrap();
    let scraper = Endpoint::tcp("127.0.0.1:0".parse().unwrap(), Audience::Scraper).unwrap();
    let (a, b) = (operator.describe(), scraper.describe());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(server::serve(vec![operator, scraper], state(), async {
        let _ = stopped.await;
    }));
    tokio::task::spawn_blocking(move || {
        // More than are served at once; each sends half a request and waits.
        let held: Vec<TcpStream> = (0..100)
            .map(|_| {
                let mut stream = TcpStream::connect(&b).unwrap();
                std::io::Write::write_all(&mut stream, b"GET /metrics HTTP/1.1\r\n").unwrap();
                stream
            })
            .collect();
        assert!(ask(TcpStream::connect(&a).unwrap(), "/healthz").ends_with("ok\n"));
        drop(held);
        assert!(ask(TcpStream::connect(&b).unwrap(), "/metrics").contains("gateway_build_info"));
    })
    .await
    .unwrap();
    stop.send(()).unwrap();
    served.await.unwrap();
}
