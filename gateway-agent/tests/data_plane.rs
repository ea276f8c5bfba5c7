//! The workers on real sockets: TLS and its failures, HTTP/2 by ALPN, HTTP/3, drain, many clients.
//!
//! Everything is on loopback and on ports the system chose.

#![expect(clippy::unwrap_used, reason = "in a test that is the report")]

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use gateway_agent::{
    limits::Limits,
    listen::{self, Listener, Rules},
    node::{NoSink, Node, Settings},
    telemetry::Metrics,
    tls::{ClientCertificates, HostCertificate, provider},
    worker::{self, Workers},
};
use gateway_config::{Snapshot, network::ListenerLimits};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const GRACE: Duration = Duration::from_secs(2);
const STATUS: &str = "GET /status-0123456789abcdef HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// A running node with a plain and a TLS listener; it is drained when dropped.
struct Running {
    node: Arc<Node>,
    metrics: Arc<Metrics>,
    plain: SocketAddr,
    tls: SocketAddr,
    workers: Option<Workers>,
    roots: RootCertStore,
}

impl Running {
    fn start(settings: Settings) -> Self {
        Self::with_rules(settings, Rules::default())
    }

    fn with_rules(settings: Settings, rules: Rules) -> Self {
        let rules = Arc::new(rules);
        let listener = |tls| Listener {
            http3: tls,
            rules: Arc::clone(&rules),
            ..Listener::new("127.0.0.1:0".parse().unwrap(), tls)
        };
        let bound = listen::bind(&[listener(false), listener(true)], 2, None).unwrap();
        let (plain, tls) = (bound[0].listener.address, bound[1].listener.address);
        let metrics = Metrics::new().unwrap();
        let node = Node::new(settings, Arc::clone(&metrics), Arc::new(NoSink)).unwrap();
        let (ecdsa, rsa) = (
            certificate("a.test", &rcgen::PKCS_ECDSA_P256_SHA256),
            certificate("b.test", &rcgen::PKCS_RSA_SHA256),
        );
        let mut plain_only = certificate("c1.test", &rcgen::PKCS_ECDSA_P256_SHA256);
        plain_only.0.http2 = false;
        let mut roots = RootCertStore::empty();
        roots.add(ecdsa.1).unwrap();
        roots.add(rsa.1).unwrap();
        roots.add(plain_only.1).unwrap();
        assert_eq!(
            node.tls.replace(
                &[ecdsa.0, rsa.0, plain_only.0],
                &ClientCertificates::Ignored,
                false
            ),
            []
        );
        node.publish(Arc::new(Snapshot::default()));
        let workers = worker::start(&node, bound, 2).unwrap();
        Self {
            node,
            metrics,
            plain,
            tls,
            workers: Some(workers),
            roots,
        }
    }

    fn sample(&self, name: &str) -> f64 {
        self.metrics
            .samples()
            .into_iter()
            .filter(|(n, _)| n.starts_with(name))
            .map(|(_, value)| value)
            .sum()
    }

    fn client(&self, alpn: &[&str]) -> ClientConfig {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    async fn handshake(&self, name: &str, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.tls).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(self.client(alpn)))
            .connect(name, stream)
            .await
    }

    /// Ends the node; the time it took.
    fn stop(&mut self) -> Duration {
        let begun = Instant::now();
        self.node.drain.begin(GRACE);
        if let Some(workers) = self.workers.take() {
            assert_eq!(workers.join(), 0, "no worker panicked");
        }
        begun.elapsed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

fn certificate(
    name: &str,
    algorithm: &'static rcgen::SignatureAlgorithm,
) -> (HostCertificate, rustls::pki_types::CertificateDer<'static>) {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let cert = rcgen::CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let host = HostCertificate {
        name: name.into(),
        chain_source: "test".into(),
        key_source: "test".into(),
        chain: cert.pem().into_bytes().into(),
        key: key.serialize_pem().into_bytes().into(),
        http2: true,
    };
    (host, cert.der().clone())
}

async fn ask<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(mut stream: S) -> String {
    stream.write_all(STATUS.as_bytes()).await.unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn plain_and_tls_by_name() {
    let running = Running::start(Settings::default());
    assert_eq!(
        ask(TcpStream::connect(running.plain).await.unwrap()).await,
        "HTTP/1.1 200 OK"
    );
    for name in ["a.test", "b.test"] {
        let stream = running.handshake(name, &["http/1.1"]).await.unwrap();
        assert_eq!(
            stream.get_ref().1.protocol_version(),
            Some(rustls::ProtocolVersion::TLSv1_3),
            "{name}"
        );
        assert_eq!(ask(stream).await, "HTTP/1.1 200 OK");
    }
    // An unknown name gets the self-signed certificate, which this client does not believe.
    let error = running.handshake("c.test", &[]).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    assert!(running.sample("gateway_tls_sni_misses_total") >= 1.0);
}

#[tokio::test]
async fn certificates_are_swapped_under_load() {
    let mut running = Running::start(Settings::default());
    let before = running.handshake("a.test", &[]).await.unwrap();
    let fresh = certificate("a.test", &rcgen::PKCS_ECDSA_P256_SHA256);
    running
        .node
        .tls
        .replace(&[fresh.0], &ClientCertificates::Ignored, false);
    assert!(
        running.handshake("a.test", &[]).await.is_err(),
        "the new certificate is shown"
    );
    running.roots.add(fresh.1).unwrap();
    assert_eq!(
        ask(running.handshake("a.test", &[]).await.unwrap()).await,
        "HTTP/1.1 200 OK"
    );
    assert_eq!(ask(before).await, "HTTP/1.1 200 OK", "the old connection lives");
}

#[tokio::test]
async fn http2_by_alpn() {
    let running = Running::start(Settings::default());
    let stream = running.handshake("a.test", &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(executor, hyper_util::rt::TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://a.test/status-0123456789abcdef")
        .body(String::new())
        .unwrap();
    let response = send.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let alt = format!("h3=\":{}\"; ma=86400", running.tls.port());
    assert_eq!(response.headers()["alt-svc"], alt);
}

#[tokio::test]
async fn broken_tls_harms_nobody_else() {
    let running = Running::start(Settings::default());
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"",
        b"\x16\x03\x01\xff\xff",
    ] {
        let mut stream = TcpStream::connect(running.tls).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        // Closed or reset: the node let go.
        let _ = stream.read_to_end(&mut rest).await;
    }
    assert_eq!(
        ask(running.handshake("a.test", &[]).await.unwrap()).await,
        "HTTP/1.1 200 OK"
    );
    assert!(running.sample("gateway_tls_handshake_failures_total") >= 4.0);
}

#[tokio::test]
async fn http3_serves_and_does_not_reset_a_complete_response() {
    let running = Running::start(Settings::default());
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(running.client(&["h3"])).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
    let quic = endpoint.connect(running.tls, "a.test").unwrap().await.unwrap();
    let (mut driver, mut send) = h3::client::new(h3_quinn::Connection::new(quic)).await.unwrap();
    let drive = tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    for (path, body, status, text) in [
        ("/status-0123456789abcdef", "", 200, ""),
        (
            "/nothing",
            "",
            404,
            "{ \"statusCode\": 404, \"message\": \"Resource not found\" }",
        ),
        // The body is not read by anyone: the response must arrive whole all the same.
        (
            "/nothing",
            "unread",
            404,
            "{ \"statusCode\": 404, \"message\": \"Resource not found\" }",
        ),
    ] {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let request = http::Request::builder()
            .method(method)
            .uri(format!("https://a.test{path}"))
            .body(())
            .unwrap();
        let mut stream = send.send_request(request).await.unwrap();
        if !body.is_empty() {
            stream
                .send_data(Bytes::from_static(body.as_bytes()))
                .await
                .unwrap();
        }
        stream.finish().await.unwrap();
        let response = stream.recv_response().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let mut got = Vec::new();
        while let Some(mut piece) = stream.recv_data().await.unwrap() {
            let length = piece.remaining();
            got.extend_from_slice(&piece.copy_to_bytes(length));
        }
        assert_eq!(String::from_utf8_lossy(&got), text, "{path}");
    }
    drop(send);
    drive.abort();
}

#[tokio::test]
async fn a_drain_lets_requests_end_and_refuses_new_connections() {
    let mut running = Running::start(Settings::default());
    // Half a request is in flight when the drain begins.
    let mut client = TcpStream::connect(running.plain).await.unwrap();
    let (first, second) = STATUS.split_at(30);
    client.write_all(first.as_bytes()).await.unwrap();
    let plain = running.plain;
    // The accept queue is served in order: once a later connection is answered, the earlier one is known.
    for _ in 0..8 {
        ask(TcpStream::connect(plain).await.unwrap()).await;
    }
    running.node.drain.begin(GRACE);
    client.write_all(second.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    drop(client);
    assert!(
        running.stop() < GRACE,
        "an empty node does not wait for the deadline"
    );
    assert!(
        TcpStream::connect(plain).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn a_client_that_never_ends_is_cut_at_the_deadline() {
    let mut running = Running::start(Settings::default());
    let mut client = TcpStream::connect(running.plain).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost").await.unwrap();
    for _ in 0..8 {
        ask(TcpStream::connect(running.plain).await.unwrap()).await;
    }
    let spent = running.stop();
    assert!(spent >= GRACE && spent < GRACE * 2, "{spent:?}");
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}

#[tokio::test]
async fn connections_are_bounded_and_the_rest_waits() {
    let mut settings = Settings::default();
    settings.limits.connections_per_worker = 2;
    let running = Running::start(settings);
    // Twice as many as both workers hold: those beyond wait in the backlog and are served as places free up.
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(TcpStream::connect(running.plain).await.unwrap());
    }
    for client in clients {
        let answer = tokio::time::timeout(GRACE, ask(client)).await;
        assert_eq!(answer.unwrap(), "HTTP/1.1 200 OK");
    }
}

#[tokio::test]
async fn denied_sources_are_not_served() {
    let running = Running::start(Settings::default());
    running
        .node
        .settings
        .gate
        .set_denied(&["127.0.0.0/8".parse().unwrap()], &[]);
    let mut client = TcpStream::connect(running.plain).await.unwrap();
    let mut rest = Vec::new();
    // The node may have closed before the request is written.
    let _ = client.write_all(STATUS.as_bytes()).await;
    let _ = client.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    assert!(running.sample("gateway_connections_refused_total") >= 1.0);
    running.node.settings.gate.set_denied(&[], &[]);
    assert_eq!(
        ask(TcpStream::connect(running.plain).await.unwrap()).await,
        "HTTP/1.1 200 OK"
    );
}

/// A backend over TLS for `127.0.0.1` that answers every connection once; its certificate.
async fn tls_backend(alpn: &'static [u8]) -> (SocketAddr, rustls::pki_types::CertificateDer<'static>) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let cert = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![cert.der().clone()],
            rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut head = vec![0; 4096];
                let _ = stream.read(&mut head).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret")
                    .await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (address, cert.der().clone())
}

/// A snapshot with an open API that goes to the backend entity `b` at `url`, whose `tls` member is given.
fn to_backend(url: &str, tls: &str) -> Snapshot {
    let mut tree = gateway_config::FileTree::new();
    let mut put = |path: &str, text: String| tree.insert(path.to_owned(), Arc::from(text.into_bytes()));
    put(
        "apis/a/apiInformation.json",
        r#"{"properties":{"displayName":"a","path":"a","protocols":["http","https"],"isCurrent":true,"subscriptionRequired":false}}"#.to_owned(),
    );
    put(
        "apis/a/specification.yaml",
        "openapi: 3.0.1\ninfo: {title: t, version: '1'}\npaths:\n  /x:\n    get: {operationId: x, responses: {'200': {description: OK}}}\n    put: {operationId: p, responses: {'200': {description: OK}}}\n".to_owned(),
    );
    put(
        "apis/a/policy.xml",
        r#"<policies><inbound><set-backend-service backend-id="b" /></inbound><backend><forward-request/></backend><outbound/><on-error/></policies>"#.to_owned(),
    );
    put(
        "backends/b/backendInformation.json",
        format!(r#"{{"properties":{{"url":"{url}","protocol":"http","tls":{tls}}}}}"#),
    );
    let loaded = gateway_config::load(&gateway_config::Input {
        tree: &tree,
        overlay: None,
        settings: &gateway_config::Settings::default(),
        secrets: &|_| Err("no secrets here".to_owned()),
        previous: None,
    });
    Arc::into_inner(loaded.snapshot.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn backends_over_tls_are_verified_unless_told_otherwise() {
    let (address, certificate) = tls_backend(b"http/1.1").await;
    let (url, other_name) = (
        format!("https://127.0.0.1:{}", address.port()),
        format!("https://localhost:{}", address.port()),
    );
    let checked = r#"{"validateCertificateChain":true,"validateCertificateName":true}"#;
    let no_name = r#"{"validateCertificateChain":true,"validateCertificateName":false}"#;
    let no_chain = r#"{"validateCertificateChain":false,"validateCertificateName":true}"#;
    let neither = r#"{"validateCertificateChain":false,"validateCertificateName":false}"#;
    for (known, url, tls, status) in [
        (true, &url, checked, 200),
        (false, &url, checked, 500),
        (true, &other_name, checked, 500),
        (true, &other_name, no_name, 200),
        (false, &other_name, no_name, 500),
        (false, &url, no_chain, 200),
        (false, &other_name, no_chain, 500),
        (false, &other_name, neither, 200),
    ] {
        let authorities = if known {
            vec![Arc::from(certificate.as_ref())]
        } else {
            Vec::new()
        };
        let running = Running::start(Settings {
            backend_authorities: authorities,
            ..Settings::default()
        });
        running.node.publish(Arc::new(to_backend(url, tls)));
        let mut client = TcpStream::connect(running.plain).await.unwrap();
        client
            .write_all(b"GET /a/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{url} {tls} known={known}: {answer}"
        );
        assert_eq!(answer.ends_with("secret"), status == 200, "{answer}");
    }
}

/// A backend that refuses every upload after its head, reads a little more and closes.
async fn refusing_backend() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
                    if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge";
                let _ = stream.write_all(answer).await;
                let mut some = vec![0; 64 * 1024];
                let _ = stream.read(&mut some).await;
            });
        }
    });
    address
}

/// Uploads until an answer is there, as curl does; returns what came back.
async fn upload<S: tokio::io::AsyncRead + tokio::io::AsyncWrite>(stream: S) -> String {
    const BODY: usize = 50 << 20;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let send = async {
        let head = format!("PUT /a/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: {BODY}\r\n\r\n");
        writer.write_all(head.as_bytes()).await?;
        let piece = vec![0; 64 * 1024];
        for _ in 0..BODY / piece.len() {
            writer.write_all(&piece).await?;
        }
        std::io::Result::Ok(())
    };
    let receive = async {
        let mut answer = Vec::new();
        while !answer.ends_with(b"large") {
            if reader.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                break;
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::pin!(send, receive);
    tokio::select! {
        answer = &mut receive => answer,
        // A failed write says nothing: the answer may lie in the receive buffer.
        _ = &mut send => receive.await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_refusal_reaches_a_client_that_is_still_sending() {
    let backend = refusing_backend().await;
    let running = Running::start(Settings::default());
    let tls = r#"{"validateCertificateChain":true,"validateCertificateName":true}"#;
    running
        .node
        .publish(Arc::new(to_backend(&format!("http://{backend}"), tls)));
    for round in 0..10 {
        let plain = upload(TcpStream::connect(running.plain).await.unwrap()).await;
        assert!(
            plain.starts_with("HTTP/1.1 413"),
            "round {round}, plain: {plain:?}"
        );
        let secure = upload(running.handshake("a.test", &["http/1.1"]).await.unwrap()).await;
        assert!(
            secure.starts_with("HTTP/1.1 413"),
            "round {round}, TLS: {secure:?}"
        );
    }
}

#[tokio::test]
async fn a_listener_and_a_host_name_choose_their_versions() {
    let running = Running::start(Settings::default());
    let offered = ["h2", "http/1.1"];
    // A host name without HTTP/2 beside one that has it.
    for (name, chosen) in [("a.test", "h2"), ("c1.test", "http/1.1")] {
        let stream = running.handshake(name, &offered).await.unwrap();
        assert_eq!(
            stream.get_ref().1.alpn_protocol(),
            Some(chosen.as_bytes()),
            "{name}"
        );
    }
    let without_http2 = Running::with_rules(
        Settings::default(),
        Rules {
            http2: false,
            ..Rules::default()
        },
    );
    let stream = without_http2.handshake("a.test", &offered).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(ask(stream).await, "HTTP/1.1 200 OK");
    // By prior knowledge neither: closed without a word.
    let mut plain = TcpStream::connect(without_http2.plain).await.unwrap();
    plain
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{answer:?}");
    let without_http1 = Running::with_rules(
        Settings::default(),
        Rules {
            http1: false,
            ..Rules::default()
        },
    );
    let stream = without_http1.handshake("a.test", &offered).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert!(without_http1.handshake("a.test", &["http/1.1"]).await.is_err());
    assert_eq!(
        ask(TcpStream::connect(without_http1.plain).await.unwrap()).await,
        "HTTP/1.1 505 HT"
    );
    for node in [&without_http2, &without_http1] {
        assert_eq!(
            node.sample("gateway_connections_refused_total{reason=\"protocol\"}"),
            1.0
        );
    }
}

#[tokio::test]
async fn a_listener_bounds_its_connections_and_headers() {
    let limits = ListenerLimits {
        // One a worker.
        connections: Some(2),
        header_bytes: Some(8_192),
        ..ListenerLimits::default()
    };
    let running = Running::with_rules(
        Settings::default(),
        Rules {
            limits,
            ..Rules::default()
        },
    );
    let open = |at| async move {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(STATUS.as_bytes()).await.unwrap();
        let mut answer = [0; 15];
        let answered = tokio::time::timeout(Duration::from_secs(1), stream.read_exact(&mut answer)).await;
        (stream, answered.is_ok())
    };
    // The kernel spreads connections over two workers; each takes one and leaves the others in its backlog.
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(open(running.plain).await);
    }
    let served = held.iter().filter(|(_, served)| *served).count();
    assert!(
        (1..=2).contains(&served),
        "{served} of 12 connections were served"
    );
    // The other listener has a bound of its own.
    let stream = running.handshake("a.test", &["http/1.1"]).await.unwrap();
    assert_eq!(ask(stream).await, "HTTP/1.1 200 OK");
    // When they end, those that waited are served.
    drop(held);
    assert_eq!(
        ask(TcpStream::connect(running.plain).await.unwrap()).await,
        "HTTP/1.1 200 OK"
    );
    let mut stream = TcpStream::connect(running.plain).await.unwrap();
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(9_000));
    stream.write_all(long.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");
}

#[tokio::test]
async fn a_proxy_introduces_its_clients() {
    let denied = Arc::new(gateway_agent::kernel::Gate::default());
    denied.set_denied(&["203.0.113.0/24".parse().unwrap()], &[]);
    let settings = Settings {
        gate: Arc::clone(&denied),
        ..Settings::default()
    };
    let running = Running::with_rules(
        settings,
        Rules {
            proxy_protocol: vec!["127.0.0.1/32".parse().unwrap()],
            ..Rules::default()
        },
    );
    let say = |header: &'static [u8], at| async move {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(header).await.unwrap();
        stream.write_all(STATUS.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // Closed or reset: the node let go.
        let _ = stream.take(15).read_to_string(&mut answer).await;
        answer
    };
    assert_eq!(
        say(b"PROXY TCP4 198.51.100.9 192.0.2.1 4711 80\r\n", running.plain).await,
        "HTTP/1.1 200 OK"
    );
    assert_eq!(say(b"PROXY UNKNOWN\r\n", running.plain).await, "HTTP/1.1 200 OK");
    // Without a header there is nobody to speak for; a denied client is denied behind a proxy too.
    assert_eq!(say(b"", running.plain).await, "");
    assert_eq!(
        say(b"PROXY TCP4 203.0.113.5 192.0.2.1 4711 80\r\n", running.plain).await,
        ""
    );
    let refused = |reason| {
        running.sample(&format!(
            "gateway_connections_refused_total{{reason=\"{reason}\"}}"
        ))
    };
    assert_eq!((refused("proxy_protocol"), refused("denied")), (1.0, 1.0));
    // TLS begins behind the header.
    let mut stream = TcpStream::connect(running.tls).await.unwrap();
    stream
        .write_all(b"PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n")
        .await
        .unwrap();
    let name = ServerName::try_from("a.test").unwrap();
    let stream = TlsConnector::from(Arc::new(running.client(&["http/1.1"])))
        .connect(name, stream)
        .await
        .unwrap();
    assert_eq!(ask(stream).await, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn beyond_the_bound_of_requests_all_but_health_is_refused() {
    let limits = Limits {
        requests_per_worker: 0,
        ..Limits::default()
    };
    let running = Running::start(Settings {
        limits,
        ..Settings::default()
    });
    let say = |request: &'static str| {
        let at = running.plain;
        async move {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer.to_ascii_lowercase()
        }
    };
    let refused = say("GET /any HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(refused.starts_with("http/1.1 503 "), "{refused}");
    assert!(refused.contains("\r\nretry-after: 1\r\n"), "{refused}");
    let health = say("GET /status-0123456789abcdef HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(health.starts_with("http/1.1 200 "), "{health}");
    assert_eq!(
        running.sample("gateway_requests_refused_total{reason=\"OverloadRequests\"}"),
        1.0
    );
}
