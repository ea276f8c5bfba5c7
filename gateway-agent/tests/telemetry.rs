//! Telemetry through the running agent: diagnostics, Application Insights, and real receivers of metrics and logs.
//!
//! Azure's ingestion service is no package, so it is a stand-in here; the other receivers are what people run.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test that is the report")]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    time::Instant,
};

use serde_json::{Value, json};
use support::{Agent, LIMIT, Scratch};

/// What a receiver got, and somebody who waits for it.
struct Mailbox<T> {
    items: Mutex<Vec<T>>,
    more: Condvar,
}

impl<T: Clone> Mailbox<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            items: Mutex::default(),
            more: Condvar::new(),
        })
    }

    fn put(&self, item: T) {
        self.items.lock().unwrap().push(item);
        self.more.notify_all();
    }

    fn all(&self) -> Vec<T> {
        self.items.lock().unwrap().clone()
    }

    /// Waits until `enough` says so of everything that came.
    fn until(&self, what: &str, enough: impl Fn(&[T]) -> bool) -> Vec<T>
    where
        T: std::fmt::Debug,
    {
        let deadline = Instant::now() + LIMIT;
        let mut items = self.items.lock().unwrap();
        while !enough(&items) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} among {items:#?}");
            items = self.more.wait_timeout(items, left).unwrap().0;
        }
        items.clone()
    }
}

/// A request as a peer sees it.
#[derive(Clone, Debug)]
struct Asked {
    head: String,
    body: Vec<u8>,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// An HTTP server of the test's own; `answer` sees the request and how many came before.
fn server(
    answer: impl Fn(&Asked, usize) -> (u16, String) + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mailbox<Asked>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Mailbox::new();
    let mail = Arc::clone(&seen);
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (mail, answer) = (Arc::clone(&mail), Arc::clone(&answer));
            std::thread::spawn(move || serve(stream, &mail, &*answer));
        }
    });
    (address, seen)
}

fn serve(mut stream: TcpStream, seen: &Mailbox<Asked>, answer: &dyn Fn(&Asked, usize) -> (u16, String)) {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let mut asked = Asked {
        head: String::from_utf8(head).unwrap(),
        body: Vec::new(),
    };
    let length: usize = asked
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    asked.body = vec![0; length];
    stream.read_exact(&mut asked.body).unwrap();
    let (status, body) = answer(&asked, seen.all().len());
    seen.put(asked);
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\nX-Answer: 1\r\n\r\n{body}"
    );
}

/// One open API at `/api` with these policies and further files.
fn folder(scratch: &Scratch, backend: SocketAddr, inbound: &str, files: &[(&str, Value)]) -> String {
    scratch.write(
        "a/apis/api/apiInformation.json",
        json!({"properties": {"path": "api", "displayName": "Api", "protocols": ["http"], "subscriptionRequired": false,
            "apiRevision": "3", "isCurrent": true, "serviceUrl": format!("http://{backend}")}})
        .to_string(),
    );
    scratch.write(
        "a/apis/api/specification.yaml",
        "openapi: 3.0.1\ninfo: {title: t, version: '1'}\npaths:\n  /x:\n    get: {operationId: get-x, responses: {'200': {description: OK}}}\n    \
         post: {operationId: post-x, responses: {'200': {description: OK}}}\n",
    );
    scratch.write(
        "a/apis/api/policy.xml",
        format!(
            "<policies><inbound><base/>{inbound}</inbound><backend><forward-request/></backend><outbound><base/></outbound>\
             <on-error><base/></on-error></policies>"
        ),
    );
    for (path, properties) in files {
        scratch.write(
            &format!("a/{path}"),
            json!({ "properties": properties }).to_string(),
        );
    }
    scratch.path("a").display().to_string()
}

fn ask(agent: &Agent, method: &str, target: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(agent.http).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

/// Telemetry items of all batches, in order.
fn items(batches: &[Asked]) -> Vec<Value> {
    let mut out = Vec::new();
    for batch in batches {
        assert_eq!(batch.header("content-encoding"), Some("gzip"));
        let mut text = String::new();
        flate2::read::GzDecoder::new(&batch.body[..])
            .read_to_string(&mut text)
            .unwrap();
        out.extend(
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()),
        );
    }
    out
}

fn of_kind<'v>(items: &'v [Value], kind: &str) -> Vec<&'v Value> {
    let wanted = format!("{kind}Data");
    items
        .iter()
        .filter(|item| item["data"]["baseType"] == wanted.as_str())
        .collect()
}

const OPERATION: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A logger for a stand-in at `address`, and a diagnostic that sends there.
fn insights(address: SocketAddr, more: Value) -> Vec<(&'static str, Value)> {
    let connection =
        format!("InstrumentationKey=ikey-1;IngestionEndpoint=http://{address}/;ApplicationId=app-1");
    let mut diagnostic = json!({"loggerId": "/loggers/ai", "httpCorrelationProtocol": "W3C"});
    for (name, value) in more.as_object().unwrap() {
        diagnostic[name] = value.clone();
    }
    vec![
        (
            "loggers/ai/loggerInformation.json",
            json!({"loggerType": "applicationInsights", "credentials": {"connectionString": connection}}),
        ),
        (
            "diagnostics/applicationinsights/diagnosticInformation.json",
            diagnostic,
        ),
    ]
}

#[test]
fn a_request_becomes_telemetry_that_is_tied_to_its_callers() {
    let scratch = Scratch::new();
    let (backend, heads) = server(|_, _| (200, "from the backend".to_owned()));
    // The second item of the first batch is not taken at first, and the next batch not at all.
    let (ingestion, batches) = server(|_, before| {
        match before {
        0 => (
            206,
            r#"{"itemsReceived":2,"itemsAccepted":1,"errors":[{"index":0,"statusCode":503,"message":"later"}]}"#
                .to_owned(),
        ),
        1 => (429, String::new()),
        _ => (200, "{}".to_owned()),
    }
    });
    let inbound = r#"<trace source="orders" severity="information"><message>seen</message><metadata name="k" value="v"/></trace>
        <trace source="orders" severity="verbose"><message>too quiet</message></trace>
        <emit-metric name="calls" namespace="shop" value="2"><dimension name="API ID"/><dimension name="tier" value="gold"/></emit-metric>
        <set-request-metric-dimension-value name="tenant" value="t1"/>"#;
    let more = json!({
        "metrics": true, "verbosity": "information", "logClientIp": true,
        "frontend": {"request": {"headers": ["X-In", "Authorization"], "body": {"bytes": 5},
            "dataMasking": {"queryParams": [{"value": "secret", "mode": "Hide"}]}},
            "response": {"headers": ["X-Answer"], "body": {"bytes": 8}}},
        "backend": {"response": {"body": {"bytes": 100}}},
    });
    let artifacts = folder(&scratch, backend, inbound, &insights(ingestion, more));
    let agent = Agent::start(&scratch, &[("config.artifacts.path", &artifacts)]);
    agent.event("ConfigInitialSyncCompleted");
    let headers = format!(
        "traceparent: 00-{OPERATION}-00f067aa0ba902b7-01\r\nX-In: 1\r\nAuthorization: Bearer s3cret\r\nContent-Type: text/plain\r\n"
    );
    let (status, answer) = ask(&agent, "POST", "/api/x?secret=1&a=b", &headers, "hello world");
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("request-context: appId=cid-v1:app-1"), "{answer}");

    // Everything arrives once it is taken: the item that failed, too.
    batches.until("whole telemetry", |batches| batches.len() >= 3);
    agent.signal("TERM");
    assert!(agent.wait().success());
    let items = items(&batches.all());
    assert!(items.iter().all(|item| item["iKey"] == "ikey-1"), "{items:#?}");

    let request = of_kind(&items, "Request")[0];
    let data = &request["data"]["baseData"];
    assert_eq!(data["name"], "api;rev=3 - post-x");
    assert_eq!(
        (&data["responseCode"], &data["success"]),
        (&json!("200"), &json!(true))
    );
    assert_eq!(data["url"], "http://api.example/api/x?a=b");
    assert_eq!(request["tags"]["ai.operation.id"], OPERATION);
    assert_eq!(request["tags"]["ai.operation.parentId"], "00f067aa0ba902b7");
    assert_eq!(request["tags"]["ai.location.ip"], "127.0.0.1");
    let properties = &data["properties"];
    for (name, value) in [
        ("Request-x-in", "1"),
        ("Request-authorization", "hidden"),
        ("Request-Body", "hello"),
        ("Response-x-answer", "1"),
        ("Response-Body", "from the"),
        ("API Name", "api"),
        ("tenant", "t1"),
    ] {
        assert_eq!(properties[name], value, "{name}: {properties:#}");
    }
    let call = of_kind(&items, "RemoteDependency")[0];
    let told = heads.all()[0].header("traceparent").unwrap().to_owned();
    let span = call["data"]["baseData"]["id"].as_str().unwrap();
    assert_eq!(told, format!("00-{OPERATION}-{span}-01"));
    assert_eq!(call["tags"]["ai.operation.parentId"], data["id"]);
    assert_eq!(call["data"]["baseData"]["target"], backend.to_string());
    assert_eq!(
        call["data"]["baseData"]["properties"]["Response-Body"],
        "from the backend"
    );
    let messages = of_kind(&items, "Message");
    assert!(
        messages
            .iter()
            .all(|m| m["data"]["baseData"]["message"] == "seen"),
        "{messages:#?}"
    );
    assert_eq!(messages[0]["data"]["baseData"]["properties"]["k"], "v");
    let metric = of_kind(&items, "Metric")[0];
    assert_eq!(metric["data"]["baseData"]["metrics"][0]["value"], 2.0);
    assert_eq!(metric["data"]["baseData"]["properties"]["tier"], "gold");
    assert_eq!(metric["data"]["baseData"]["properties"]["API ID"], "api");
}

#[test]
fn errors_are_told_whatever_the_sampling_says() {
    let scratch = Scratch::new();
    let (ingestion, batches) = server(|_, _| (200, "{}".to_owned()));
    // Nobody listens there.
    let backend: SocketAddr = ([127, 0, 0, 1], support::free_port()).into();
    let more = json!({"alwaysLog": "allErrors", "sampling": {"samplingType": "fixed", "percentage": 0}});
    let artifacts = folder(
        &scratch,
        backend,
        r#"<choose><when condition="@(context.Request.Url.Query.ContainsKey(&quot;ok&quot;))"><return-response/></when></choose>"#,
        &insights(ingestion, more),
    );
    let agent = Agent::start(&scratch, &[("config.artifacts.path", &artifacts)]);
    agent.event("ConfigInitialSyncCompleted");
    assert_eq!(ask(&agent, "GET", "/api/x?ok", "", "").0, 200);
    assert_eq!(ask(&agent, "GET", "/api/x", "", "").0, 500);
    // The end of the process sends what is queued.
    agent.signal("TERM");
    assert!(agent.wait().success());
    let items = items(&batches.all());
    let requests = of_kind(&items, "Request");
    assert_eq!(requests.len(), 1, "{items:#?}");
    assert_eq!(requests[0]["data"]["baseData"]["responseCode"], "500");
    assert_eq!(requests[0]["sampleRate"], 100.0);
    let exception = &of_kind(&items, "Exception")[0]["data"]["baseData"];
    assert_eq!(exception["exceptions"][0]["typeName"], "BackendConnectionFailure");
    assert_eq!(exception["properties"]["Section"], "backend");
    let call = &of_kind(&items, "RemoteDependency")[0]["data"]["baseData"];
    assert_eq!(
        (&call["resultCode"], &call["success"]),
        (&json!("0"), &json!(false))
    );
}

#[test]
fn a_local_diagnostic_writes_requests_to_the_log() {
    let scratch = Scratch::new();
    let (backend, _) = server(|_, _| (200, "body".to_owned()));
    let local = json!({"verbosity": "error", "logClientIp": false,
        "frontend": {"request": {"headers": ["X-In"], "dataMasking": {"queryParams": [{"value": "*", "mode": "Mask"}]}}},
        "backend": {"response": {"body": {"bytes": 3}}}});
    let artifacts = folder(
        &scratch,
        backend,
        r#"<trace source="s" severity="error"><message>m</message></trace>"#,
        &[("apis/api/diagnostics/local/diagnosticInformation.json", local)],
    );
    let agent = Agent::start(&scratch, &[("config.artifacts.path", &artifacts)]);
    agent.event("ConfigInitialSyncCompleted");
    assert_eq!(ask(&agent, "GET", "/api/x?a=b", "X-In: 7\r\n", "").0, 200);
    let record = agent.record(|record| record["category"] == "GatewayLogs");
    assert_eq!(record["url"], "http://api.example/api/x?a=hidden");
    assert_eq!(record["requestHeaders"], json!({"x-in": "7"}));
    assert_eq!(record["backendResponseBody"], "bod");
    assert_eq!(
        record["traceRecords"],
        json!([{"source": "s", "severity": "error", "message": "m"}])
    );
    assert!(record.get("callerIpAddress").is_none(), "{record}");
}
