//! The pipeline end to end, in memory: a snapshot with policies, a raw client, a scripted backend.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use gateway_config::{FileTree, Input, Snapshot};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Instant,
};

use crate::{
    limits::Limits,
    node::Settings,
    testing::{Backend, World, answering, on_worker, read_head},
};

const PATIENCE: Duration = Duration::from_secs(1);
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-From: backend\r\n\r\nhi";
const FORWARD: &str =
    "<policies><inbound/><backend><forward-request/></backend><outbound/><on-error/></policies>";

/// An open API `echo` and an API `locked` that needs a key, both with `policy`; a WebSocket API `chat`.
pub(super) fn snapshot(policy: &str) -> Snapshot {
    let api = |path: &str, key: bool| {
        format!(
            r#"{{"properties":{{"displayName":"{path}","path":"{path}","protocols":["http","https"],"isCurrent":true,
            "subscriptionRequired":{key},"serviceUrl":"http://backend.test/base"}}}}"#
        )
    };
    let specification = "openapi: 3.0.1\ninfo: {title: t, version: '1'}\npaths:\n  /items/{id}:\n    get: {operationId: item, responses: {'200': {description: OK}}}\n    head: {operationId: peek, responses: {'200': {description: OK}}}\n    post:\n      operationId: make\n      requestBody: {content: {application/json: {schema: {type: object, required: [n]}}}}\n      responses: {'200': {description: OK}}\n";
    let chat = r#"{"properties":{"displayName":"chat","path":"chat","type":"websocket","protocols":["ws"],"isCurrent":true,
        "subscriptionRequired":false,"serviceUrl":"ws://backend.test/socket"}}"#;
    let mut tree = FileTree::new();
    let mut put = |path: &str, text: &str| tree.insert(path.to_owned(), Arc::from(text.as_bytes()));
    put("apis/echo/apiInformation.json", &api("echo", false));
    put("apis/echo/specification.yaml", specification);
    put("apis/echo/policy.xml", policy);
    put("apis/locked/apiInformation.json", &api("locked", true));
    put("apis/locked/specification.yaml", specification);
    put("apis/chat/apiInformation.json", chat);
    let loaded = gateway_config::load(&Input {
        tree: &tree,
        overlay: None,
        settings: &gateway_config::Settings::default(),
        secrets: &|_| Err("no secrets here".to_owned()),
        previous: None,
    });
    assert_eq!(loaded.problems, [], "the test's own configuration");
    Arc::into_inner(loaded.snapshot.unwrap()).unwrap()
}

/// Remembers what it was asked, and answers every head with `answer`.
fn recording(answer: &'static str) -> (Backend, Rc<RefCell<Vec<String>>>) {
    let heads = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&heads);
    let backend = Box::new(move |mut pipe: DuplexStream| {
        let seen = Rc::clone(&seen);
        tokio::task::spawn_local(async move {
            while let Some(head) = read_head(&mut pipe).await {
                seen.borrow_mut().push(head);
                let _ = pipe.write_all(answer.as_bytes()).await;
            }
        });
    });
    (backend, heads)
}

pub(super) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n")
}

/// One request through `policy`: what the client gets and what the backend got.
async fn exchange(policy: &str, request: &str) -> (String, Vec<String>) {
    let (backend, heads) = recording(OK);
    let world = World::new(Settings::default(), Some(snapshot(policy)), backend);
    let output = world.talk(request.as_bytes(), PATIENCE).await;
    let heads = heads.borrow().clone();
    (output, heads)
}

#[track_caller]
pub(super) fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_forwarded_to_the_service_url() {
    on_worker(async {
        let request = "GET /echo/items/7?a=b HTTP/1.1\r\nHost: gw.test\r\nX-Mine: 1\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n";
        let (output, heads) = exchange(FORWARD, request).await;
        contains(&output, &["HTTP/1.1 200 OK\r\n", "x-from: backend\r\n", "content-length: 2\r\n", "\r\n\r\nhi"]);
        contains(
            &heads[0],
            &[
                "GET /base/items/7?a=b HTTP/1.1\r\n",
                "host: backend.test\r\n",
                "x-mine: 1\r\n",
                "x-forwarded-for: 10.0.0.1, 203.0.113.7\r\n",
            ],
        );
        assert!(!heads[0].contains("x-hop") && !heads[0].contains("connection"), "{}", heads[0]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn policies_change_both_messages() {
    on_worker(async {
        let policy = r#"<policies><inbound>
            <set-header name="X-Id" exists-action="override"><value>7</value></set-header>
            <set-backend-service base-url="http://other.test:8080/v2" />
            </inbound><backend><forward-request/></backend><outbound>
            <set-header name="X-Out" exists-action="override"><value>yes</value></set-header>
            <set-body>bye</set-body></outbound><on-error/></policies>"#;
        let (output, heads) = exchange(policy, &get("/echo/items/7")).await;
        contains(
            &output,
            &["200 OK", "x-out: yes\r\n", "content-length: 3\r\n", "\r\n\r\nbye"],
        );
        contains(
            &heads[0],
            &[
                "GET /v2/items/7 HTTP/1.1\r\n",
                "host: other.test:8080\r\n",
                "x-id: 7\r\n",
            ],
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_may_answer_without_a_backend() {
    on_worker(async {
        let policy = r#"<policies><inbound><return-response><set-status code="418" reason="Teapot" /><set-body>short</set-body></return-response></inbound>
            <backend><forward-request/></backend><outbound/><on-error/></policies>"#;
        let (output, heads) = exchange(policy, &get("/echo/items/7")).await;
        contains(&output, &["HTTP/1.1 418 Teapot\r\n", "content-length: 5\r\n", "\r\n\r\nshort"]);
        assert!(heads.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn refusals_are_the_documented_ones() {
    on_worker(async {
        let (output, _) = exchange(FORWARD, &get("/locked/items/7")).await;
        contains(
            &output,
            &[
                "HTTP/1.1 401 Access Denied\r\n",
                "www-authenticate: AzureApiManagementKey realm=\"http://gw.test/locked\",name=\"Ocp-Apim-Subscription-Key\",type=\"header\"\r\n",
                "content-length: 152\r\n",
                "missing subscription key",
            ],
        );
        let wrong = "GET /locked/items/7?subscription-key=x HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n";
        let (output, _) = exchange(FORWARD, wrong).await;
        contains(&output, &["401 Access Denied", "content-length: 143\r\n", "invalid subscription key"]);
        let (output, _) = exchange(FORWARD, &get("/echo/nothing")).await;
        contains(&output, &["HTTP/1.1 404 Resource Not Found\r\n", "content-length: 54\r\n"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn rate_limits_count_over_connections() {
    on_worker(async {
        let policy = r#"<policies><inbound><rate-limit-by-key calls="2" renewal-period="60" counter-key="@("all")" /></inbound>
            <backend><forward-request/></backend><outbound/><on-error/></policies>"#;
        let world = World::new(Settings::default(), Some(snapshot(policy)), answering(OK));
        let mut statuses = Vec::new();
        for _ in 0..3 {
            let output = world.talk(get("/echo/items/1").as_bytes(), PATIENCE).await;
            statuses.push(output[9..12].to_owned());
            if statuses.len() == 3 {
                contains(&output, &["retry-after: ", "Rate limit is exceeded. Try again in"]);
            }
        }
        assert_eq!(statuses, ["200", "200", "429"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn backend_failures_are_500_with_the_documented_body() {
    on_worker(async {
        let down = World::without_backend(Settings::default(), Some(snapshot(FORWARD)));
        let dies = World::new(Settings::default(), Some(snapshot(FORWARD)), Box::new(drop));
        let silent = World::new(
            Settings::default(),
            Some(snapshot(FORWARD)),
            Box::new(std::mem::forget),
        );
        for (name, world, reason) in [
            ("down", down, "BackendConnectionFailure"),
            ("dies", dies, "BackendConnectionFailure"),
            ("silent", silent, "Timeout"),
        ] {
            let begun = Instant::now();
            let output = world
                .talk(get("/echo/items/1").as_bytes(), Duration::from_secs(400))
                .await;
            contains(
                &output,
                &[
                    "HTTP/1.1 500 Internal Server Error\r\n",
                    "content-length: 111\r\n",
                    "activityId",
                ],
            );
            let record = world.records.take().pop().unwrap();
            assert_eq!(&*record.last_error.unwrap().reason, reason, "{name}");
            if name == "silent" {
                assert_eq!(begun.elapsed().as_secs(), 300, "the documented default");
            }
        }
    })
    .await;
}

/// Reads bytes until `end` has come.
pub(super) async fn read_until(client: &mut DuplexStream, end: &str) -> String {
    let mut seen = String::new();
    while !seen.ends_with(end) {
        match client.read_u8().await {
            Ok(byte) => seen.push(char::from(byte)),
            Err(_) => return seen,
        }
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn bodies_stream_in_both_directions() {
    on_worker(async {
        // The backend answers the first piece of the request before the second is sent.
        let world = World::new(
            Settings::default(),
            Some(snapshot(FORWARD)),
            Box::new(|mut pipe| {
                tokio::task::spawn_local(async move {
                    read_head(&mut pipe).await;
                    let first = read_until(&mut pipe, "one\r\n").await;
                    assert_eq!(first, "3\r\none\r\n");
                    pipe.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
                        .await
                        .unwrap();
                    read_until(&mut pipe, "two\r\n").await;
                    pipe.write_all(b"1\r\nb\r\n0\r\n\r\n").await.unwrap();
                    read_until(&mut pipe, "0\r\n\r\n").await;
                });
            }),
        );
        let mut client = world.connect();
        client
            .write_all(
                b"POST /echo/items/1 HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n",
            )
            .await
            .unwrap();
        let head = read_until(&mut client, "1\r\na\r\n").await;
        contains(&head, &["HTTP/1.1 200 OK\r\n", "transfer-encoding: chunked\r\n"]);
        client.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
        assert_eq!(read_until(&mut client, "0\r\n\r\n").await, "1\r\nb\r\n0\r\n\r\n");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_chunk_is_the_clients_fault() {
    on_worker(async {
        let (backend, _) = recording("");
        let world = World::new(Settings::default(), Some(snapshot(FORWARD)), backend);
        let request = "POST /echo/items/1 HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0x1\r\n";
        let output = world.talk(request.as_bytes(), PATIENCE).await;
        assert!(output.starts_with("HTTP/1.1 400 Bad Request"), "{output}");
        assert_eq!(world.worker.pool.idle(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_policies_read_is_bounded() {
    on_worker(async {
        let policy = r#"<policies><inbound/><backend><forward-request buffer-request-body="true"/></backend><outbound/><on-error/></policies>"#;
        let limits = Limits { buffered_body_bytes: 8, ..Limits::default() };
        let settings = Settings { limits, ..Settings::default() };
        let (backend, heads) = recording(OK);
        let world = World::new(settings, Some(snapshot(policy)), backend);
        let post = |body: &str| {
            format!("POST /echo/items/1 HTTP/1.1\r\nHost: gw\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        };
        let output = world.talk(post("12345678").as_bytes(), PATIENCE).await;
        contains(&output, &["200 OK"]);
        contains(&heads.borrow()[0], &["content-length: 8\r\n"]);
        let output = world.talk(post("123456789").as_bytes(), PATIENCE).await;
        contains(&output, &["HTTP/1.1 413 Payload Too Large\r\n", "larger than the limit of 8 bytes"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn head_keeps_the_length_of_the_backend() {
    on_worker(async {
        let (backend, _) = recording("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        let world = World::new(Settings::default(), Some(snapshot(FORWARD)), backend);
        let request = "HEAD /echo/items/1 HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n";
        let output = world.talk(request.as_bytes(), PATIENCE).await;
        contains(&output, &["content-length: 1000\r\n"]);
        assert!(output.ends_with("\r\n\r\n"));
        assert_eq!(world.worker.pool.idle(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_ends_the_exchange_and_is_recorded() {
    on_worker(async {
        let ended = Rc::new(RefCell::new(false));
        let flag = Rc::clone(&ended);
        let world = World::new(
            Settings::default(),
            Some(snapshot(FORWARD)),
            Box::new(move |mut pipe| {
                let flag = Rc::clone(&flag);
                tokio::task::spawn_local(async move {
                    read_head(&mut pipe).await;
                    let _ = pipe.read_u8().await;
                    *flag.borrow_mut() = true;
                });
            }),
        );
        let mut client = world.connect();
        client.write_all(get("/echo/items/1").as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        drop(client);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(*ended.borrow(), "the backend's connection is closed");
        let record = world.records.take().pop().unwrap();
        assert_eq!(record.response_code, 499);
        assert_eq!(&*record.last_error.unwrap().reason, "ClientConnectionFailure");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn continue_is_sent_when_the_body_is_wanted() {
    on_worker(async {
        let request =
            "POST /echo/items/1 HTTP/1.1\r\nHost: gw\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
        let world = World::new(
            Settings::default(),
            Some(snapshot(FORWARD)),
            Box::new(|mut pipe| {
                tokio::task::spawn_local(async move {
                    let head = read_head(&mut pipe).await.unwrap();
                    assert!(!head.contains("expect"), "{head}");
                    assert_eq!(read_until(&mut pipe, "ok").await, "ok");
                    pipe.write_all(OK.as_bytes()).await.unwrap();
                    let _ = pipe.read_u8().await;
                });
            }),
        );
        let mut client = world.connect();
        client.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(
            read_until(&mut client, "\r\n\r\n").await,
            "HTTP/1.1 100 Continue\r\n\r\n"
        );
        client.write_all(b"ok").await.unwrap();
        contains(&read_until(&mut client, "hi").await, &["HTTP/1.1 200 OK"]);
        // Refused before the body is wanted: no 100, and nothing of the body is read.
        let refused = world
            .talk(request.replace("/echo/", "/locked/").as_bytes(), PATIENCE)
            .await;
        assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn trailers_pass_to_clients_that_want_them() {
    on_worker(async {
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n1\r\na\r\n0\r\nx-sum: 1\r\n\r\n";
        let world = World::new(Settings::default(), Some(snapshot(FORWARD)), answering(answer));
        let request = "GET /echo/items/1 HTTP/1.1\r\nHost: gw\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n";
        let output = world.talk(request.as_bytes(), PATIENCE).await;
        contains(&output, &["trailer: x-sum\r\n", "0\r\nx-sum: 1\r\n\r\n"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ends_early_cuts_the_client_off() {
    on_worker(async {
        let world = World::new(
            Settings::default(),
            Some(snapshot(FORWARD)),
            Box::new(|mut pipe| {
                tokio::task::spawn_local(async move {
                    read_head(&mut pipe).await;
                    let _ = pipe
                        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
                        .await;
                });
            }),
        );
        let output = world
            .talk(b"GET /echo/items/1 HTTP/1.1\r\nHost: gw\r\n\r\n", PATIENCE)
            .await;
        // The client sees a cut connection, never a complete response that was made up.
        assert!(output.is_empty() || output.ends_with("half"), "{output}");
        let record = world.records.take().pop().unwrap();
        assert!(!record.is_request_success);
        assert_eq!(&*record.last_error.unwrap().reason, "BackendConnectionFailure");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn websockets_pass_through() {
    on_worker(async {
        let world = World::new(
            Settings::default(),
            Some(snapshot(FORWARD)),
            Box::new(|mut pipe| {
                tokio::task::spawn_local(async move {
                    let head = read_head(&mut pipe).await.unwrap();
                    contains(
                        &head,
                        &["GET /socket HTTP/1.1\r\n", "upgrade: websocket\r\n", "connection: Upgrade\r\n", "sec-websocket-key: k\r\n"],
                    );
                    pipe.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: a\r\n\r\nhello")
                        .await
                        .unwrap();
                    let mut echo = [0; 4];
                    pipe.read_exact(&mut echo).await.unwrap();
                    pipe.write_all(&echo).await.unwrap();
                });
            }),
        );
        let mut client = world.connect();
        client
            .write_all(b"GET /chat HTTP/1.1\r\nHost: gw\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: k\r\n\r\n")
            .await
            .unwrap();
        let head = read_until(&mut client, "\r\n\r\n").await;
        contains(&head, &["HTTP/1.1 101 Switching Protocols\r\n", "sec-websocket-accept: a\r\n", "upgrade: websocket\r\n"]);
        assert_eq!(read_until(&mut client, "hello").await, "hello");
        client.write_all(b"ping").await.unwrap();
        assert_eq!(read_until(&mut client, "ping").await, "ping");
        // The backend closes: so does the node, even towards a client that keeps its side open.
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(client.write_all(b"late").await.is_err());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_record_tells_the_whole_story() {
    on_worker(async {
        let (backend, _) = recording(OK);
        let world = World::new(Settings::default(), Some(snapshot(FORWARD)), backend);
        let request = "GET /echo/items/7?subscription-key=secret HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n";
        world.talk(request.as_bytes(), PATIENCE).await;
        let record = world.records.take().pop().unwrap();
        assert_eq!(record.response_code, 200);
        assert_eq!(record.url, "http://gw.test/echo/items/7?subscription-key=hidden");
        assert_eq!(record.backend_url.as_deref(), Some("http://backend.test/base/items/7?subscription-key=hidden"));
        assert_eq!(record.backend_response_code, Some(200));
        assert_eq!((record.api_id.as_deref(), record.operation_id.as_deref()), (Some("echo"), Some("item")));
        assert_eq!(record.client_protocol, "HTTP/1.1");
        assert_eq!(record.policies, ["forward-request"]);
        assert_eq!(record.response_size, Some(2));
        assert!(record.last_error.is_none(), "{:?}", record.last_error);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn expressions_see_the_request_and_its_body() {
    on_worker(async {
        let policy = r#"<policies><inbound>
            <set-header name="X-Id" exists-action="override"><value>@(context.Request.MatchedParameters["id"])</value></set-header>
            <set-header name="X-Ip" exists-action="override"><value>@(context.Request.IpAddress)</value></set-header>
            <set-body>@(context.Request.Body.As<string>() + "!")</set-body></inbound>
            <backend><forward-request/></backend><outbound><set-header name="X-Length" exists-action="override">
            <value>@(context.Response.Body.As<string>(preserveContent: true).Length.ToString())</value></set-header></outbound><on-error/></policies>"#;
        let (backend, heads) = recording(OK);
        let world = World::new(Settings::default(), Some(snapshot(policy)), backend);
        let request = "POST /echo/items/7 HTTP/1.1\r\nHost: gw\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody";
        let output = world.talk(request.as_bytes(), PATIENCE).await;
        contains(&output, &["200 OK", "x-length: 2\r\n", "\r\n\r\nhi"]);
        contains(&heads.borrow()[0], &["x-id: 7\r\n", "x-ip: 203.0.113.7\r\n", "content-length: 5\r\n"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_buffered_for_a_client_that_does_not_read() {
    on_worker(async {
        let written = Rc::new(std::cell::Cell::new(0_usize));
        let count = Rc::clone(&written);
        let limits = Limits {
            body_timeout: Duration::from_secs(60),
            ..Limits::default()
        };
        let world = World::new(
            Settings {
                limits,
                ..Settings::default()
            },
            Some(snapshot(FORWARD)),
            Box::new(move |mut pipe| {
                let count = Rc::clone(&count);
                tokio::task::spawn_local(async move {
                    read_head(&mut pipe).await;
                    let _ = pipe
                        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
                        .await;
                    while pipe.write_all(&[b'x'; 1024]).await.is_ok() {
                        count.set(count.get() + 1024);
                    }
                });
            }),
        );
        let mut client = world.connect();
        client
            .write_all(b"GET /echo/items/1 HTTP/1.1\r\nHost: gw\r\n\r\n")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_secs(30)).await;
        let held = written.get();
        assert!(
            (4 * 1024..512 * 1024).contains(&held),
            "{held} bytes taken from the backend"
        );
        // And not for ever: the client is cut, the backend's connection with it.
        tokio::time::sleep(Duration::from_secs(35)).await;
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest).await;
        assert!(rest.len() < 512 * 1024, "{}", rest.len());
        let record = world.records.take().pop().unwrap();
        assert_eq!(&*record.last_error.unwrap().reason, "ClientConnectionFailure");
    })
    .await;
}

/// The definition of the API reaches the policies that validate messages.
#[tokio::test(start_paused = true)]
async fn messages_are_validated_against_the_definition() {
    let policy = "<policies><inbound>\
        <validate-parameters specified-parameter-action='prevent' unspecified-parameter-action='prevent'>\
        <headers unspecified-parameter-action='ignore'/></validate-parameters>\
        <validate-content unspecified-content-type-action='prevent' max-size='20' size-exceeded-action='prevent'>\
        <content validate-as='json' action='prevent'/></validate-content></inbound>\
        <backend><forward-request/></backend>\
        <outbound><validate-headers specified-header-action='prevent' unspecified-header-action='ignore'>\
        <header name='X-From' action='prevent'/></validate-headers></outbound><on-error/></policies>";
    let post = |query: &str, body: &str| {
        format!(
            "POST /echo/items/1{query} HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let internal = "The request could not be processed due to an internal error. Contact the API owner.";
    for (request, status, message, forwarded) in [
        (
            post("", "{}"),
            400,
            "Required properties are missing from object: n. Line: 1, Position: 1",
            0,
        ),
        (
            post("?x=1", "{\"n\":1}"),
            400,
            "Unspecified query parameter x is not allowed.",
            0,
        ),
        (
            post("", "{\"n\":1234567890123456}"),
            400,
            "Request's body is 22 bytes long",
            0,
        ),
        // The body reaches the backend; its answer has a header that the API does not document.
        (post("", "{\"n\":1}"), 502, internal, 1),
    ] {
        let (output, heads) = on_worker(exchange(policy, &request)).await;
        assert!(
            output.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {output}"
        );
        assert!(output.contains(message), "{request}: {output}");
        assert_eq!(heads.len(), forwarded, "{request}");
    }
}
