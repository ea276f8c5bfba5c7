//! Real requests through the real binary: routes, keys, policies, protocols and TLS as a client sees them.

use gateway_tests::{
    client::Answer,
    lab::Mode,
    scene::{Options, Scene},
    skip::Need,
    skip_unless,
};

/// What the tests of this file need of the machine.
const NEEDS: [Need; 4] = [
    Need::Namespaces,
    Need::Program("nginx", "nginx-light"),
    Need::Program("curl", "curl"),
    Need::Program("openssl", "openssl"),
];

macro_rules! scene {
    ($options:expr) => {{
        skip_unless!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
        Scene::start(Mode::Namespaces, &$options).unwrap()
    }};
}

fn usual() -> Options {
    Options::default().with("kernel.mode", "off")
}

#[track_caller]
fn check(answer: &Answer, status: u16, body: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.body.contains(body), "{body:?} in {answer:?}");
}

#[test]
fn the_seed_scenario_chooses_the_backend_by_gateway() {
    let scene = scene!(usual());
    let (answer, record) = scene.send_recorded(&scene.ask("/place/where")).unwrap();
    check(&answer, 200, r#""upstream":"on-prem-api""#);
    // The global policy ran around it.
    check(&answer, 200, r#""added":"node""#);
    assert_eq!(answer.headers["x-served-by"], "gateway-agent");
    let record = record.unwrap();
    assert_eq!(record["apiId"], "place");
    assert_eq!(record["operationId"], "where");
    assert_eq!(record["backendId"], "on-prem-api");
    assert_eq!(
        scene
            .agent
            .metric("gateway_requests_total", &[r#"api="place""#])
            .unwrap(),
        1.0
    );
}

#[test]
fn keys_decide_as_documented() {
    let scene = scene!(usual());
    let missing = r#"{ "statusCode": 401, "message": "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API." }"#;
    let invalid = r#"{ "statusCode": 401, "message": "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription." }"#;
    // Columns: path, key, status, body.
    let rows = [
        ("/echo/get", Some("echo-key-1"), 200, r#""upstream":"echo""#),
        ("/echo/get", Some("echo-key-2"), 200, r#""key":"echo-key-2""#),
        ("/echo/get", Some("starter-key-2"), 200, ""),
        ("/echo/get", None, 401, missing),
        ("/echo/get", Some(""), 401, ""),
        ("/echo/get", Some("nonsense"), 401, invalid),
        ("/echo/get", Some("former-key-1"), 401, invalid),
        ("/echo/get", Some("orders-key-1"), 401, invalid),
        ("/echo/get?subscription-key=echo-key-1", None, 200, ""),
        (
            "/echo/get?subscription-key=echo-key-1",
            Some("nonsense"),
            401,
            invalid,
        ),
        ("/orders/v1/list", None, 200, r#""uri":"/v1/list""#),
        ("/orders/v1/list", Some("nonsense"), 200, ""),
        ("/public/teapot", None, 418, "short and stout"),
        (
            "/nowhere",
            None,
            404,
            r#"{ "statusCode": 404, "message": "Resource not found" }"#,
        ),
    ];
    for (path, key, status, body) in rows {
        let answer = scene.get(path, key).unwrap();
        assert_eq!(answer.status, status, "{path} with {key:?}: {answer:?}");
        assert!(answer.body.contains(body), "{path} with {key:?}: {answer:?}");
    }
    let answer = scene.get("/echo/get", None).unwrap();
    assert_eq!((answer.body.as_str(), answer.body.len()), (missing, 152));
    assert_eq!(answer.headers["content-type"], "application/json");
    let realm = format!("realm=\"http://{}/echo\"", scene.plain());
    let challenge = &answer.headers["www-authenticate"];
    assert!(
        challenge.starts_with("AzureApiManagementKey ") && challenge.contains(&realm),
        "{challenge}"
    );
    assert!(
        challenge.contains(r#"name="Ocp-Apim-Subscription-Key",type="header""#),
        "{challenge}"
    );
}

#[test]
fn a_rate_limit_counts_and_says_when_to_come_back() {
    let scene = scene!(usual());
    for call in 1..=5 {
        assert_eq!(
            scene.get("/echo/get", Some("starter-key-1")).unwrap().status,
            200,
            "call {call}"
        );
    }
    let refused = scene.get("/echo/get", Some("starter-key-1")).unwrap();
    check(
        &refused,
        429,
        r#"{ "statusCode": 429, "message": "Rate limit is exceeded. Try again in "#,
    );
    let seconds: u32 = refused.headers["retry-after"].parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    // Another subscription has a count of its own.
    check(&scene.get("/echo/get", Some("echo-key-1")).unwrap(), 200, "");
}

#[test]
fn every_protocol_reaches_the_same_operation() {
    let scene = scene!(usual());
    let key = "Ocp-Apim-Subscription-Key: echo-key-1".to_owned();
    // Columns: TLS, curl's options, protocol seen by the client, TLS version in the record.
    let rows: [(bool, &[&str], &str, Option<&str>); 6] = [
        (false, &["--http1.1"], "HTTP/1.1", None),
        (false, &["--http2-prior-knowledge"], "HTTP/2", None),
        (true, &["--http1.1", "--tlsv1.3"], "HTTP/1.1", Some("1.3")),
        (true, &["--http2", "--tlsv1.3"], "HTTP/2", Some("1.3")),
        (true, &["--http1.1", "--tls-max", "1.2"], "HTTP/1.1", Some("1.2")),
        (true, &["--http2", "--tls-max", "1.2"], "HTTP/2", Some("1.2")),
    ];
    for (tls, options, protocol, version) in rows {
        let mut ask = if tls {
            scene.ask_tls("gateway.example", "/echo/get", options)
        } else {
            scene.ask("/echo/get")
        };
        if !tls {
            ask.options = options.iter().map(|option| (*option).to_owned()).collect();
        }
        ask.headers.push(key.clone());
        let (answer, record) = scene.send_recorded(&ask).unwrap();
        check(&answer, 200, r#""uri":"/get?via=node""#);
        assert_eq!(answer.protocol, protocol);
        assert_eq!(
            record.unwrap()["clientTlsVersion"].as_str(),
            version,
            "{options:?}"
        );
    }
}

#[test]
fn bodies_pass_whole_in_both_directions() {
    let scene = scene!(usual());
    for (name, bytes) in [("1k", 1024), ("64k", 65_536), ("1m", 1_048_576)] {
        let ask = |protocol: &str| {
            let mut ask = scene.ask_tls("gateway.example", &format!("/echo/size/{name}"), &[protocol]);
            ask.headers
                .push("Ocp-Apim-Subscription-Key: echo-key-1".to_owned());
            ask
        };
        for protocol in ["--http1.1", "--http2"] {
            let answer = scene.send(&ask(protocol)).unwrap();
            assert_eq!(
                (answer.status, answer.bytes_in, answer.exit),
                (200, bytes, 0),
                "{name} {protocol}"
            );
        }
    }
    let mut ask = scene.ask("/echo/post");
    ask.method = "POST";
    ask.headers
        .push("Ocp-Apim-Subscription-Key: echo-key-1".to_owned());
    ask.body = Some("x".repeat(100_000));
    check(&scene.send(&ask).unwrap(), 200, r#""body_bytes":"100000""#);
}

#[test]
fn an_answer_before_the_body_reaches_an_http2_client_whole() {
    let scene = scene!(usual());
    // nginx answers from the head alone, so the answer often overtakes the body. Without care one in ten fails.
    for round in 0..40 {
        let mut ask = scene.ask_tls("gateway.example", "/echo/post", &["--http2"]);
        ask.method = "POST";
        ask.headers
            .push("Ocp-Apim-Subscription-Key: echo-key-1".to_owned());
        ask.body = Some("twenty-one bytes long".to_owned());
        let answer = scene.send(&ask).unwrap();
        assert_eq!(
            (answer.status, answer.exit),
            (200, 0),
            "round {round}: {answer:?}"
        );
    }
}

#[test]
fn policies_change_request_and_answer() {
    let scene = scene!(usual());
    let item = scene.get("/echo/items/42", Some("echo-key-1")).unwrap();
    check(&item, 200, r#""uri":"/things/42?via=node""#);
    assert_eq!(item.headers["x-item"], "42");
    check(
        &scene.get("/echo/get?via=me", Some("echo-key-1")).unwrap(),
        200,
        r#""uri":"/get?via=me""#,
    );
    check(
        &scene.get("/echo/status/404", Some("echo-key-1")).unwrap(),
        404,
        "upstream says no",
    );
    check(&scene.get("/internal/secret", None).unwrap(), 403, "");
    let hello = scene.get("/public/hello", None).unwrap();
    assert_eq!(
        (hello.status, hello.headers["content-type"].as_str()),
        (200, "application/json")
    );
}

#[test]
fn many_clients_at_once_are_all_served_and_all_counted() {
    let scene = scene!(usual());
    skip_unless!(Need::Program("h2load", "nghttp2-client"));
    let before = scene.agent.metric("gateway_requests_total", &[]).unwrap();
    for protocol in [&["--h1", "-c40", "-n4000"][..], &["-c10", "-m10", "-n4000"][..]] {
        let mut command = scene.lab.client.command("h2load");
        command
            .args(protocol)
            .arg(format!("http://{}/orders/v1/list", scene.plain()));
        let output = gateway_tests::process::run(&mut command).unwrap();
        assert!(output.contains("4000 succeeded, 0 failed, 0 errored"), "{output}");
    }
    // The last of them may be counted a moment after its last byte.
    gateway_tests::wait::until(
        "every request to be counted",
        std::time::Duration::from_secs(2),
        || {
            let counted = scene.agent.metric("gateway_requests_total", &[]).ok()? - before;
            (counted >= 8000.0).then_some(())
        },
    )
    .unwrap();
    assert_eq!(
        scene.agent.metric("gateway_requests_total", &[]).unwrap() - before,
        8000.0
    );
}

#[test]
fn names_get_their_certificate() {
    let scene = scene!(usual());
    let known = scene
        .send(&scene.ask_tls("gateway.example", "/orders/v1/list", &["--http1.1"]))
        .unwrap();
    check(&known, 200, "");
    // 60: the peer's certificate cannot be authenticated. By decision an unknown name sees a self-signed one.
    let unknown = scene
        .send(&scene.ask_tls("unknown.example", "/orders/v1/list", &["--http1.1"]))
        .unwrap();
    assert_eq!((unknown.status, unknown.exit), (0, 60), "{unknown:?}");
    let trusting = scene
        .send(&scene.ask_tls("unknown.example", "/orders/v1/list", &["--http1.1", "--insecure"]))
        .unwrap();
    check(&trusting, 200, "");
}

#[test]
fn health_paths_answer_without_configuration_of_any_api() {
    let scene = scene!(usual());
    for path in ["/status-0123456789abcdef", "/internal-status-0123456789abcdef"] {
        assert_eq!(scene.get(path, None).unwrap().status, 200, "{path}");
    }
}

#[test]
fn the_client_behind_a_proxy_is_the_client() {
    let mut options = usual();
    options.overlay.push((
        "    port: 8080\n".to_owned(),
        "    port: 8080\n    proxyProtocol: [192.0.2.66]\n    trustedProxies: [192.0.2.2]\n".to_owned(),
    ));
    // Denied in the usual scene; here it is the balancer.
    options
        .overlay
        .push(("    - 192.0.2.66/32".to_owned(), "    - 192.0.2.67/32".to_owned()));
    let scene = scene!(options);
    let seen = |ask: &gateway_tests::client::Ask| {
        let (answer, record) = scene.send_recorded(ask).unwrap();
        check(&answer, 200, "");
        record.unwrap()["callerIpAddress"].as_str().unwrap().to_owned()
    };
    // curl's own PROXY header names curl's address; as if the node's neighbour had spoken for it.
    let mut introduced = scene.ask("/place/where");
    introduced.from = Some(scene.lab.denied_client.into());
    introduced.options.push("--haproxy-protocol".to_owned());
    assert_eq!(seen(&introduced), "192.0.2.66");
    // The same peer without its header is refused.
    introduced.options.pop();
    let answer = scene.send(&introduced).unwrap();
    assert_eq!(answer.status, 0, "{answer:?}");
    // X-Forwarded-For of a trusted proxy.
    let mut forwarded = scene.ask("/place/where");
    forwarded
        .headers
        .push("X-Forwarded-For: 203.0.113.66, 198.51.100.77".to_owned());
    assert_eq!(seen(&forwarded), "198.51.100.77");
    assert_eq!(seen(&scene.ask("/place/where")), "192.0.2.2");
}
