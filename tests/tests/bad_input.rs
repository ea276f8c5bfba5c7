//! Hostile clients, ill backends: each gets its clear end at a bounded cost, and others are served meanwhile.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use gateway_tests::{
    client::exchange,
    lab::Mode,
    scene::{Options, Scene},
    skip::Need,
    skip_unless, wait,
};

/// After this long without a byte an answer is taken as ended.
const QUIET: Duration = Duration::from_secs(5);
/// Limits in the scenes of this file, short enough to be waited for.
const SHORT: &str = "2s";

macro_rules! scene {
    ($options:expr) => {{
        skip_unless!(
            Need::Namespaces,
            Need::Program("nginx", "nginx-light"),
            Need::Program("curl", "curl"),
            Need::Program("openssl", "openssl"),
        );
        Scene::start(Mode::Namespaces, &$options).unwrap()
    }};
}

fn usual() -> Options {
    Options::default()
        .with("kernel.mode", "off")
        .with("limits.request.header.timeout", SHORT)
        .with("limits.tls.handshake.timeout", SHORT)
        .with("limits.idle.timeout", SHORT)
}

#[track_caller]
fn others_are_served_by(scene: &Scene, path: &str) {
    assert_eq!(scene.get(path, None).unwrap().status, 200);
}

#[track_caller]
fn others_are_served(scene: &Scene) {
    assert_eq!(scene.get("/orders/v1/list", None).unwrap().status, 200);
    let tls = scene.ask_tls("gateway.example", "/orders/v1/list", &["--http2"]);
    assert_eq!(scene.send(&tls).unwrap().status, 200);
}

#[test]
fn malformed_http_is_refused_and_the_connection_closed() {
    let scene = scene!(usual());
    let rows: &[(&str, &str)] = &[
        (
            "two lengths",
            "POST /orders/v1/list HTTP/1.1\r\nHost: n\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        ),
        (
            "a signed length",
            "POST /orders/v1/list HTTP/1.1\r\nHost: n\r\nContent-Length: +4\r\n\r\nabcd",
        ),
        (
            "length and chunks",
            "POST /orders/v1/list HTTP/1.1\r\nHost: n\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "an unknown coding",
            "POST /orders/v1/list HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "identity before chunked",
            "POST /orders/v1/list HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        ),
        ("no host", "GET /orders/v1/list HTTP/1.1\r\n\r\n"),
        (
            "two hosts",
            "GET /orders/v1/list HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        ),
        (
            "space before the colon",
            "GET /orders/v1/list HTTP/1.1\r\nHost : a\r\n\r\n",
        ),
        (
            "a folded header",
            "GET /orders/v1/list HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        ),
        (
            "a bare NUL",
            "GET /orders/v1/list HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        ),
        ("no HTTP at all", "\u{1}\u{2}\u{3} hello\r\n\r\n"),
    ];
    for (name, bytes) in rows {
        let answer = exchange(&scene.lab.client, scene.plain(), bytes.as_bytes(), QUIET).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{name}: {answer:?}");
    }
    others_are_served(&scene);
}

#[test]
fn a_flood_of_headers_is_refused() {
    let scene = scene!(usual());
    let many: String = (0..1000).map(|n| format!("X-{n}: y\r\n")).collect();
    let long = format!("X: {}\r\n", "y".repeat(200_000));
    for (name, headers) in [("many", many), ("long", long)] {
        let request = format!("GET /orders/v1/list HTTP/1.1\r\nHost: n\r\n{headers}\r\n");
        let answer =
            exchange(&scene.lab.client, scene.plain(), request.as_bytes(), QUIET).unwrap_or_default();
        // A peer that is still sending may see only the reset; it must not see a success.
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431") || answer.starts_with("HTTP/1.1 400"),
            "{name}: {answer:?}"
        );
    }
    others_are_served(&scene);
}

#[test]
fn slow_clients_are_ended_and_cost_others_nothing() {
    let scene = scene!(usual());
    let slow: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = scene.lab.client.connect(scene.plain()).unwrap();
            stream
                .write_all(b"GET /orders/v1/list HTTP/1.1\r\nHost: n")
                .unwrap();
            stream
        })
        .collect();
    let silent = scene.lab.client.connect(scene.tls()).unwrap();
    others_are_served(&scene);
    for stream in slow.into_iter().chain([silent]) {
        assert_ended(stream);
    }
    others_are_served(&scene);
}

#[test]
fn truncated_tls_ends_with_its_connection() {
    let scene = scene!(usual());
    // The first bytes of a ClientHello record that promises 512 bytes.
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for bytes in [&hello[..], &hello[..3], b"GET / HTTP/1.1\r\nHost: n\r\n\r\n"] {
        let mut stream = scene.lab.client.connect(scene.tls()).unwrap();
        stream.write_all(bytes).unwrap();
        assert_ended(stream);
    }
    others_are_served(&scene);
}

#[test]
fn a_body_longer_than_a_policy_may_read_is_refused() {
    let policy = r#"<policies><inbound><base /><set-body>@(context.Request.Body.As<string>())</set-body></inbound>
        <backend><base /></backend><outbound><base /></outbound><on-error><base /></on-error></policies>"#;
    let options = usual()
        .file("apis/echo/operations/post/policy.xml", policy)
        .with("limits.body.buffer.bytes", "64KiB");
    let scene = scene!(options);
    let send = |bytes: usize| {
        let mut ask = scene.ask("/echo/post");
        ask.method = "POST";
        ask.headers
            .push("Ocp-Apim-Subscription-Key: echo-key-1".to_owned());
        ask.body = Some("x".repeat(bytes));
        scene.send(&ask).unwrap()
    };
    assert_eq!(send(60_000).status, 200);
    let refused = send(100_000);
    assert!([413, 500].contains(&refused.status), "{refused:?}");
    others_are_served(&scene);
}

#[test]
fn a_backend_that_is_down_is_the_documented_500() {
    let scene = scene!(usual());
    // Nobody listens on the discard port there: refused at once.
    point_orders_at(&scene, scene.lab.upstream.at(9));
    let answer = wait::until("the new backend address", Duration::from_secs(15), || {
        let answer = scene.get("/orders/v1/list", None).unwrap();
        (answer.status != 200).then_some(answer)
    })
    .unwrap();
    assert_eq!(answer.status, 500, "{answer:?}");
    let start = r#"{ "statusCode": 500, "message": "Internal server error", "activityId": ""#;
    assert!(
        answer.body.starts_with(start) && answer.body.len() == 111,
        "{answer:?}"
    );
    let record = scene.agent.json("/requests").unwrap();
    assert!(
        record.to_string().contains("BackendConnectionFailure"),
        "{record}"
    );
    assert_eq!(scene.get("/echo/get", Some("echo-key-1")).unwrap().status, 200);
}

#[test]
fn a_backend_that_never_answers_costs_its_time_limit() {
    let policy = r#"<policies><inbound><base /></inbound><backend><forward-request timeout="1" /></backend>
        <outbound><base /></outbound><on-error><base /></on-error></policies>"#;
    let scene = scene!(usual().file("apis/orders-v1/operations/list/policy.xml", policy));
    let silent = silent_backend(&scene);
    point_orders_at(&scene, silent.local_addr().unwrap());
    let started = Instant::now();
    let answer = wait::until("the silent backend to be asked", Duration::from_secs(20), || {
        let answer = scene.get("/orders/v1/list", None).unwrap();
        (answer.status != 200).then_some(answer)
    })
    .unwrap();
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(
        answer.ms > 900.0 && answer.ms < 5000.0,
        "{answer:?} after {:?}",
        started.elapsed()
    );
    assert_eq!(scene.get("/echo/get", Some("echo-key-1")).unwrap().status, 200);
}

#[test]
fn a_backend_that_cuts_its_answer_short_is_not_a_whole_answer() {
    let scene = scene!(usual());
    let backend = silent_backend(&scene);
    let address = backend.local_addr().unwrap();
    backend.set_nonblocking(true).unwrap();
    let worker = std::thread::spawn(move || {
        let accepted = wait::until("the agent at the backend", Duration::from_secs(30), || {
            backend.accept().ok()
        });
        let (mut stream, _) = accepted.unwrap();
        stream.set_nonblocking(false).unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
            .unwrap();
    });
    point_orders_at(&scene, address);
    let answer = wait::until("the other backend to be asked", Duration::from_secs(20), || {
        let answer = scene.get("/orders/v1/list", None).unwrap();
        (!answer.body.contains("upstream")).then_some(answer)
    })
    .unwrap();
    worker.join().unwrap();
    // 18 (partial file) or 56 (reset) over HTTP/1.1: the client must be able to tell.
    assert!(answer.status == 500 || answer.exit != 0, "{answer:?}");
    assert_eq!(scene.get("/echo/get", Some("echo-key-1")).unwrap().status, 200);
}

#[test]
fn a_backend_that_drips_is_passed_on_as_it_comes() {
    let scene = scene!(usual());
    let backend = silent_backend(&scene);
    let address = backend.local_addr().unwrap();
    backend.set_nonblocking(true).unwrap();
    let (go_on, told) = std::sync::mpsc::channel::<()>();
    let worker = std::thread::spawn(move || {
        let accepted = wait::until("the agent at the backend", Duration::from_secs(30), || {
            backend.accept().ok()
        });
        let (mut stream, _) = accepted.unwrap();
        stream.set_nonblocking(false).unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
            .unwrap();
        // The second piece is sent only when the client has seen the first: nothing in between may hold it back.
        told.recv_timeout(Duration::from_secs(30)).unwrap();
        stream.write_all(b"3\r\ntwo\r\n0\r\n\r\n").unwrap();
    });
    point_orders_at(&scene, address);
    let (mut client, first) = wait::until(
        "the dripping backend to be asked",
        Duration::from_secs(20),
        || {
            let mut client = scene.lab.client.connect(scene.plain()).unwrap();
            client.set_read_timeout(Some(QUIET)).unwrap();
            client
                .write_all(b"GET /orders/v1/list HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n")
                .unwrap();
            let seen = read_until(&mut client, &["one", "upstream"]);
            seen.contains("one").then_some((client, seen))
        },
    )
    .unwrap();
    assert!(!first.contains("two"), "{first}");
    others_are_served_by(&scene, "/orders/v2/list");
    go_on.send(()).unwrap();
    let rest = read_until(&mut client, &["two"]);
    assert!(rest.contains("two"), "{rest}");
    worker.join().unwrap();
}

// Reads until one of the words has come; the last answer when none does.
fn read_until(stream: &mut TcpStream, words: &[&str]) -> String {
    let mut seen = String::new();
    let mut chunk = [0; 4096];
    while !words.iter().any(|word| seen.contains(word)) {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(n) => seen.push_str(&String::from_utf8_lossy(&chunk[..n])),
        }
    }
    seen
}

#[track_caller]
fn assert_ended(mut stream: TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(
            error.kind(),
            std::io::ErrorKind::ConnectionReset,
            "the connection was not ended"
        ),
    }
}

fn silent_backend(scene: &Scene) -> TcpListener {
    let host = &scene.lab.upstream;
    host.enter(|| TcpListener::bind((host.address, 0)))
        .unwrap()
        .unwrap()
}

fn point_orders_at(scene: &Scene, address: SocketAddr) {
    let file = scene.artifacts().join("apis/orders-v1/apiInformation.json");
    let old = scene.upstream.role("echo").unwrap().to_string();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(&old), "{text}");
    std::fs::write(&file, text.replace(&old, &address.to_string())).unwrap();
}
