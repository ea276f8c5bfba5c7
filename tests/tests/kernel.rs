//! What the kernel does for the node: steering, dropping, counting. Counters equal what the client measured.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::IpAddr,
    time::Duration,
};

use gateway_tests::{
    lab::{Mode, VIP},
    scene::{Options, Scene},
    skip::Need,
    skip_unless, wait,
};
use serde_json::Value;

/// The ring buffer is read as events come; the rest is a busy machine.
const ACCOUNTED: Duration = Duration::from_secs(5);

// The object is made by `cargo xtask bpf`; a plain `cargo test` runs without it and says so.
macro_rules! scene {
    ($hook:literal) => {{
        skip_unless!(
            Need::Namespaces,
            Need::Bpf,
            Need::Program("nginx", "nginx-light"),
            Need::Program("curl", "curl"),
            Need::Program("openssl", "openssl"),
        );
        let scene = Scene::start(Mode::Namespaces, &Options::default()).unwrap();
        let hook = hook(&scene, $hook);
        let reason = hook["reason"].as_str().unwrap_or_default();
        // Only a missing object is a reason to skip; with the object a hook that does not attach is a failure.
        if hook["attached"] != true && reason.contains("cargo xtask bpf") {
            println!("SKIP: {}: {reason}", $hook);
            return;
        }
        assert_eq!(hook["attached"], true, "{hook}");
        scene
    }};
}

fn hook(scene: &Scene, name: &str) -> Value {
    let status = scene.agent.json("/status").unwrap();
    let hooks = status["hooks"].as_array().cloned().unwrap_or_default();
    let found = hooks.into_iter().find(|hook| hook["name"] == name);
    assert!(found.is_some(), "no hook {name} in {status}");
    found.unwrap()
}

fn connections(scene: &Scene) -> Vec<Value> {
    scene
        .agent
        .json("/connections")
        .unwrap()
        .as_array()
        .cloned()
        .unwrap_or_default()
}

#[test]
fn steering_serves_addresses_and_ports_that_nobody_bound() {
    let scene = scene!("sk_lookup");
    for port in [9000, 9042, 9099] {
        let mut ask = scene.ask("/orders/v1/list");
        ask.url = format!("http://{VIP}:{port}/orders/v1/list");
        let answer = scene.send(&ask).unwrap();
        assert_eq!(answer.status, 200, "port {port}: {answer:?}");
    }
    // Just outside of the range nobody answers: 7 is a refused connection.
    let mut ask = scene.ask("/orders/v1/list");
    ask.url = format!("http://{VIP}:9100/orders/v1/list");
    assert_eq!(scene.send(&ask).unwrap().exit, 7);
}

#[test]
fn a_denied_source_gets_no_answer_and_others_do() {
    let scene = scene!("xdp");
    let mut denied = scene.ask("/orders/v1/list");
    denied.from = Some(IpAddr::V4(scene.lab.denied_client));
    denied
        .options
        .extend(["--connect-timeout", "2"].map(str::to_owned));
    // 28: the time ran out; the packets were dropped before the stack saw them.
    assert_eq!(scene.send(&denied).unwrap().exit, 28);
    assert_eq!(scene.get("/orders/v1/list", None).unwrap().status, 200);
}

#[test]
fn counters_equal_what_the_client_sent_and_received() {
    let scene = scene!("sock_ops");
    // Exact bytes per local port of the client, counted at its own sockets.
    let mut expected = BTreeMap::new();
    for round in 0..20_usize {
        let request = format!(
            "GET /echo/size/{} HTTP/1.1\r\nHost: node\r\nOcp-Apim-Subscription-Key: echo-key-1\r\nX-Pad: {}\r\nConnection: close\r\n\r\n",
            ["1k", "64k", "1m"][round % 3],
            "p".repeat(round * 37)
        );
        let mut stream = scene.lab.client.connect(scene.plain()).unwrap();
        let port = stream.local_addr().unwrap().port();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer[..100.min(answer.len())])
        );
        expected.insert(
            format!("{}:{port}", scene.lab.client.address),
            (request.len() as u64, answer.len() as u64),
        );
    }
    wait::until("the account of every connection", ACCOUNTED, || {
        let known = connections(&scene);
        expected
            .keys()
            .all(|remote| known.iter().any(|c| c["remote"] == remote.as_str()))
            .then_some(())
    })
    .unwrap();
    let mut counted = BTreeMap::new();
    for connection in connections(&scene) {
        let remote = connection["remote"].as_str().unwrap().to_owned();
        if expected.contains_key(&remote) {
            let bytes = |name: &str| connection[name].as_u64().unwrap();
            assert!(
                bytes("packets_in") > 0 && bytes("packets_out") > 0 && bytes("srtt_us") > 0,
                "{connection}"
            );
            // What the gateway did on it stands beside what the kernel counted.
            let echo = connection["apis"]["echo"].as_u64();
            assert_eq!(
                (bytes("requests"), echo, bytes("refused")),
                (1, Some(1), 0),
                "{connection}"
            );
            assert_eq!(
                (&connection["listener"], bytes("body_in")),
                (&Value::from("http"), 0),
                "{connection}"
            );
            assert!(bytes("body_out") < bytes("bytes_out"), "{connection}");
            counted.insert(remote, (bytes("bytes_in"), bytes("bytes_out")));
        }
    }
    assert_eq!(counted, expected);
}
