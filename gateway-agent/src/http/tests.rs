//! Raw requests and what the node answers: hardening, limits, slow clients. No backend is involved.

use std::time::Duration;

use gateway_config::Snapshot;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    limits::Limits,
    listen::Listener,
    node::Settings,
    testing::{World, on_worker},
};

const PATIENCE: Duration = Duration::from_secs(1);

fn world() -> World {
    World::without_backend(Settings::default(), Some(Snapshot::default()))
}

/// Sends `input`; the answer must begin with `status`, contain `contains`, and the connection must be closed
/// or kept as told.
async fn check(input: &str, status: &str, contains: &str, closed: bool) {
    let world = world();
    let mut client = world.connect();
    client.write_all(input.as_bytes()).await.unwrap();
    let mut output = Vec::new();
    let read = tokio::time::timeout(PATIENCE, client.read_to_end(&mut output)).await;
    let output = String::from_utf8_lossy(&output);
    assert!(
        output.starts_with(&format!("HTTP/1.1 {status}")),
        "{input:?} gave {output:?}"
    );
    assert!(output.contains(contains), "{input:?} gave {output:?}");
    assert_eq!(read.is_ok(), closed, "{input:?}: closed");
}

#[tokio::test(start_paused = true)]
async fn ambiguous_requests_are_refused_and_the_connection_is_closed() {
    on_worker(async {
        for input in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: 1\0\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
            "garbage\r\n\r\n",
        ] {
            check(input, "400", "", true).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_second_ambiguous_request_on_a_connection_is_refused_too() {
    on_worker(async {
        let good = "GET /status-0123456789abcdef HTTP/1.1\r\nHost: a\r\n\r\n";
        let bad =
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        let output = world().talk(format!("{good}{bad}").as_bytes(), PATIENCE).await;
        assert!(output.starts_with("HTTP/1.1 200 OK"), "{output}");
        assert!(output.contains("HTTP/1.1 400 Bad Request"), "{output}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn unknown_paths_get_the_documented_404_and_the_connection_lives() {
    on_worker(async {
        check(
            "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
            "404 Resource Not Found\r\n",
            "{ \"statusCode\": 404, \"message\": \"Resource not found\" }",
            false,
        )
        .await;
        // The target's authority wins over Host.
        check(
            "GET http://b/nothing HTTP/1.1\r\nHost: a\r\n\r\n",
            "404",
            "",
            false,
        )
        .await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn head_has_the_length_and_no_body() {
    on_worker(async {
        let output = world()
            .talk(b"HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n", PATIENCE)
            .await;
        assert!(output.contains("content-length: 54\r\n"), "{output}");
        assert!(output.ends_with("\r\n\r\n"), "{output}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_gateways_own_paths() {
    on_worker(async {
        let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let unconfigured = World::without_backend(Settings::default(), None);
        for (path, before, after) in [
            ("/status-0123456789abcdef", "200 OK", "200 OK"),
            (
                "/internal-status-0123456789abcdef",
                "503 Service Unavailable",
                "200 OK",
            ),
            ("/other", "503 Service Unavailable", "404 Resource Not Found"),
        ] {
            let cold = unconfigured.talk(ask(path).as_bytes(), PATIENCE).await;
            assert!(cold.starts_with(&format!("HTTP/1.1 {before}")), "{path}: {cold}");
            let warm = world().talk(ask(path).as_bytes(), PATIENCE).await;
            assert!(warm.starts_with(&format!("HTTP/1.1 {after}")), "{path}: {warm}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn floods_of_fields_are_refused() {
    on_worker(async {
        let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
        check(
            &format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
            "431",
            "",
            true,
        )
        .await;
        let output = world()
            .talk(
                format!(
                    "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
                    "y".repeat(64 * 1024)
                )
                .as_bytes(),
                PATIENCE,
            )
            .await;
        assert!(output.starts_with("HTTP/1.1 431"), "{output}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_number_of_fields_is_a_setting() {
    on_worker(async {
        for (limit, status) in [(3, "404"), (2, "431"), (150, "404")] {
            let limits = Limits {
                headers: limit,
                ..Limits::default()
            };
            let world = World::without_backend(
                Settings {
                    limits,
                    ..Settings::default()
                },
                Some(Snapshot::default()),
            );
            let output = world
                .talk(b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\n\r\n", PATIENCE)
                .await;
            assert!(
                output.starts_with(&format!("HTTP/1.1 {status}")),
                "{limit}: {output}"
            );
        }
    })
    .await;
}

/// A client that sends `input` and nothing more is cut after about `seconds`.
async fn check_cut(input: &str, seconds: u64) {
    let limits = Limits {
        handshake_timeout: Duration::from_secs(10),
        header_timeout: Duration::from_secs(15),
        idle_timeout: Duration::from_secs(75),
        ..Limits::default()
    };
    let world = World::without_backend(
        Settings {
            limits,
            ..Settings::default()
        },
        Some(Snapshot::default()),
    );
    let begun = tokio::time::Instant::now();
    let mut client = world.connect();
    client.write_all(input.as_bytes()).await.unwrap();
    let mut output = Vec::new();
    // Broken or closed: both mean that the node let go.
    let _ = client.read_to_end(&mut output).await;
    let spent = begun.elapsed().as_secs();
    assert!(
        (seconds..seconds + 4).contains(&spent),
        "{input:?}: cut after {spent} s"
    );
}

#[tokio::test(start_paused = true)]
async fn slow_clients_are_cut() {
    on_worker(async {
        check_cut("", 10).await;
        check_cut("G", 15).await;
        check_cut("PRI * HTTP/2", 10).await;
        check_cut("GET / HTTP/1.1\r\nHost:", 15).await;
        check_cut("GET /status-0123456789abcdef HTTP/1.1\r\nHost: a\r\n\r\n", 75).await;
        check_cut("GET /status-0123456789abcdef HTTP/1.1\r\nHost: a\r\n\r\nGET", 75).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn http2_by_prior_knowledge() {
    on_worker(async {
        let world = world();
        let io = hyper_util::rt::TokioIo::new(world.connect());
        let (mut send, connection) =
            hyper::client::conn::http2::handshake(crate::executor::LocalExecutor, io)
                .await
                .unwrap();
        tokio::task::spawn_local(connection);
        let request = http::Request::get("http://a.test/nothing")
            .body(String::new())
            .unwrap();
        let response = send.send_request(request).await.unwrap();
        assert_eq!(
            (response.version(), response.status().as_u16()),
            (http::Version::HTTP_2, 404)
        );
        let record = world.records.take().pop();
        assert_eq!(
            record.map(|r| (r.client_protocol, r.response_code)),
            Some(("HTTP/2", 404))
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_draining_node_closes_after_the_response() {
    on_worker(async {
        let world = world();
        world.worker.node.drain.begin(Duration::from_secs(30));
        world.worker.connections.drain();
        let output = world
            .talk(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", PATIENCE)
            .await;
        assert!(output.contains("connection: close\r\n"), "{output}");
    })
    .await;
}

#[tokio::test]
async fn an_idle_connection_is_small() {
    on_worker(async {
        let world = world();
        let address = "127.0.0.1:1".parse().unwrap();
        let held = world
            .worker
            .connections
            .register(address, address, &Listener::new(address, true), None);
        let (pipe, _other) = tokio::io::duplex(1);
        let ready = crate::http::serve::transport_ready(
            std::rc::Rc::clone(&world.worker),
            std::rc::Rc::clone(&held.conn),
            crate::transport::Transport::Pipe(pipe),
        );
        // Memory of every open connection, beside the buffers: a change of this number is a change of the
        // node's memory and should be seen.
        let size = size_of_val(&ready);
        assert!((512..2_560).contains(&size), "{size} bytes");
    })
    .await;
}
