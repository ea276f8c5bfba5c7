//! Telemetry through the running agent: diagnostics, Application Insights, and real receivers of metrics and logs.
//!
//! Azure's ingestion service is no package, so it is a stand-in here; the other receivers are what people run.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test that is the report")]
#![expect(clippy::print_stdout, reason = "a skip is a line that people see")]

#[path = "support/peers.rs"]
mod peers;
mod support;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use gateway_tests::{skip::Need, skip_unless};
use peers::node_folder;
use serde_json::{Value, json};
use support::{Agent, Ended, LIMIT, Scratch, free_port};

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

/// Starts a program whose output lines come into a mailbox.
fn program(command: &mut Command) -> (Ended, Arc<Mailbox<String>>) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let (lines, mail) = (
        BufReader::new(child.stdout.take().unwrap()).lines(),
        Mailbox::new(),
    );
    let seen = Arc::clone(&mail);
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| seen.put(line)));
    (Ended(child), mail)
}

/// Asks again and again until `answer` has one: for programs that write files.
fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = answer() {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn connects(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn contains_all(text: &str, parts: &[&str]) -> bool {
    parts.iter().all(|part| text.contains(part))
}

/// A collector that prints the metrics it gets; gRPC and HTTP on these ports.
fn rotel(scratch: &Scratch) -> (Ended, Arc<Mailbox<String>>, u16, u16) {
    let (grpc, http) = (free_port(), free_port());
    let address = |port: u16| format!("127.0.0.1:{port}");
    let (ended, output) = program(
        Command::new("rotel-agent")
            .args(["start", "--exporter", "blackhole", "--debug-log", "metrics"])
            .args(["--debug-log-verbosity", "detailed"])
            .args([
                "--otlp-grpc-endpoint",
                &address(grpc),
                "--otlp-http-endpoint",
                &address(http),
            ])
            .arg("--pid-file")
            .arg(scratch.path("rotel.pid"))
            .stderr(Stdio::null()),
    );
    until("collector", || (connects(grpc) && connects(http)).then_some(()));
    (ended, output, grpc, http)
}

#[test]
fn a_real_collector_takes_the_metrics_over_grpc_and_http() {
    skip_unless!(Need::Program("rotel-agent", "rotel of PyPI"));
    for over_grpc in [true, false] {
        let scratch = Scratch::new();
        let (_collector, output, grpc, http) = rotel(&scratch);
        let uri = if over_grpc {
            format!("http://127.0.0.1:{grpc}")
        } else {
            format!("http://127.0.0.1:{http}/v1/metrics")
        };
        let (backend, _) = server(|_, _| (200, "ok".to_owned()));
        let inbound = r#"<emit-metric name="orders" namespace="shop" value="3"><dimension name="tier" value="gold"/></emit-metric>"#;
        let artifacts = folder(&scratch, backend, inbound, &[]);
        let agent = Agent::start(
            &scratch,
            &[
                ("config.artifacts.path", &artifacts),
                ("observability.opentelemetry.enabled", "true"),
                ("observability.opentelemetry.collector.uri", &uri),
                ("observability.opentelemetry.system-metrics.enabled", "true"),
                ("observability.opentelemetry.interval", "200ms"),
            ],
        );
        agent.event("ConfigInitialSyncCompleted");
        assert_eq!(ask(&agent, "GET", "/api/x", "", "").0, 200);
        let wanted = [
            "Requests",
            "DurationInMs",
            "GatewayDurationInMs",
            "BackendResponseCodeCategory",
            "api.example",
            "Successful",
            "process.memory.usage",
            "orders",
            "gold",
        ];
        output.until("metrics", |lines| contains_all(&lines.join("\n"), &wanted));
        let page = agent.admin("GET", "/metrics").1;
        assert!(
            page.contains("gateway_custom_orders_sum{namespace=\"shop\",tier=\"gold\"} 3"),
            "{page}"
        );
        agent.signal("TERM");
        assert!(agent.wait().success());
    }
}

#[test]
fn a_real_statsd_counts_requests_with_their_tags() {
    skip_unless!(Need::Program("node", "nodejs"), Need::Program("npm", "npm"));
    let Some(modules) = node_folder("npm-statsd", &["statsd@0"], "telemetry/statsd.js") else {
        return;
    };
    let scratch = Scratch::new();
    let (port, management) = (udp_port(), free_port());
    let (_statsd, output) = program(
        Command::new("node")
            .args(["node_modules/statsd/stats.js", "statsd.js"])
            .env("STATSD_PORT", port.to_string())
            .env("STATSD_MANAGEMENT", management.to_string())
            .current_dir(&modules),
    );
    until("statsd", || connects(management).then_some(()));
    let (backend, _) = server(|_, _| (200, "ok".to_owned()));
    let artifacts = folder(&scratch, backend, "", &[]);
    let agent = Agent::start(
        &scratch,
        &[
            ("config.artifacts.path", &artifacts),
            ("telemetry.metrics.local", "statsd"),
            (
                "telemetry.metrics.local.statsd.endpoint",
                &format!("udp://127.0.0.1:{port}"),
            ),
            ("telemetry.metrics.local.statsd.tag-format", "dogStatsD"),
        ],
    );
    agent.event("ConfigInitialSyncCompleted");
    assert_eq!(ask(&agent, "GET", "/api/x", "", "").0, 200);
    let wanted = [
        "requests_total:1|c|#BackendResponseCode:200,BackendResponseCodeCategory:2xx,Cache:None,Hostname:api.example",
        "request_duration_seconds:",
        "request_backend_duration_seconds:",
        "request_client_duration_seconds:",
        "Status:Successful",
    ];
    output.until("counts", |lines| contains_all(&lines.join("\n"), &wanted));
}

fn udp_port() -> u16 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// A `local` diagnostic for all requests.
const LOCAL: (&str, &str) = ("diagnostics/local/diagnosticInformation.json", "");

/// Starts an agent with a `local` diagnostic and these settings, asks once, ends it.
fn logs_a_request(scratch: &Scratch, settings: &[(&str, &str)]) {
    let (backend, _) = server(|_, _| (200, "ok".to_owned()));
    let artifacts = folder(scratch, backend, "", &[(LOCAL.0, json!({}))]);
    let mut all = vec![("config.artifacts.path", artifacts.as_str())];
    all.extend(settings);
    let agent = Agent::start(scratch, &all);
    agent.event("ConfigInitialSyncCompleted");
    assert_eq!(ask(&agent, "GET", "/api/x", "", "").0, 200);
    agent.signal("TERM");
    assert!(agent.wait().success());
}

#[test]
fn a_real_syslog_server_takes_events_and_requests() {
    skip_unless!(Need::Program("rsyslogd", "rsyslog"));
    let rsyslogd = gateway_tests::process::find("rsyslogd").unwrap();
    for tcp in [false, true] {
        let scratch = Scratch::new();
        let port = if tcp { free_port() } else { udp_port() };
        let module = if tcp { "imtcp" } else { "imudp" };
        let socket = scratch.path("log.sock").display().to_string();
        let out = scratch.path("out.log");
        let config = scratch.write(
            "rsyslog.conf",
            format!(
                "global(workDirectory=\"{}\" maxMessageSize=\"64k\")\n\
                 module(load=\"{module}\")\ninput(type=\"{module}\" port=\"{port}\" address=\"127.0.0.1\")\n\
                 module(load=\"imuxsock\" SysSock.Use=\"off\")\ninput(type=\"imuxsock\" Socket=\"{socket}\" CreatePath=\"off\")\n\
                 action(type=\"omfile\" file=\"{}\" template=\"RSYSLOG_SyslogProtocol23Format\")\n",
                scratch.path("").display(),
                out.display()
            ),
        );
        let _server = Ended(
            Command::new(&rsyslogd)
                .arg("-n")
                .arg("-f")
                .arg(&config)
                .arg("-i")
                .arg(scratch.path("rsyslog.pid"))
                .spawn()
                .unwrap(),
        );
        until("syslog server", || Path::new(&socket).exists().then_some(()));
        if tcp {
            until("syslog server", || connects(port).then_some(()));
        }
        let endpoint = format!("{}127.0.0.1:{port}", if tcp { "tcp://" } else { "" });
        logs_a_request(
            &scratch,
            &[
                ("telemetry.logs.local", "rfc5424"),
                ("telemetry.logs.local.rfc5424.endpoint", &endpoint),
                ("telemetry.logs.local.rfc5424.facility", "16"),
            ],
        );
        let read = || std::fs::read_to_string(&out).unwrap_or_default();
        // Priority 134: facility 16, severity 6. The message id is the kind of the record.
        let wanted = [
            "<134>1 ",
            " gateway-agent ",
            " GatewayStartup - ",
            " GatewayLogs - ",
            "\"operationId\":\"get-x\"",
        ];
        until("lines", || contains_all(&read(), &wanted).then_some(()));
        let scratch = Scratch::new();
        logs_a_request(
            &scratch,
            &[
                ("telemetry.logs.local", "localsyslog"),
                ("telemetry.logs.local.localsyslog.endpoint", &socket),
                ("telemetry.logs.local.localsyslog.facility", "7"),
            ],
        );
        until("local lines", || {
            contains_all(&read(), &["<62>1 ", "\"category\":\"GatewayLogs\""]).then_some(())
        });
    }
}

#[test]
fn a_real_journal_takes_events_with_their_fields() {
    skip_unless!(
        Need::Namespaces,
        Need::Program("journalctl", "systemd"),
        Need::Program("unshare", "util-linux")
    );
    let journald = "/lib/systemd/systemd-journald";
    if !Path::new(journald).exists() {
        println!("SKIP: {journald} is not installed (package systemd)");
        return;
    }
    let scratch = Scratch::new();
    // A /run of its own for the journal, which is a folder of the test outside: the agent gives up the rights to look
    // into another namespace.
    let run = scratch.path("run").display().to_string();
    let (_journal, _) = program(
        Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c"])
            .arg(format!(
                "mkdir -p {run}/systemd/journal {run}/log/journal && mount --bind {run} /run && exec {journald}"
            )),
    );
    let socket = format!("{run}/systemd/journal/socket");
    let ready = (0..500).any(|_| {
        std::thread::park_timeout(Duration::from_millis(10));
        Path::new(&socket).exists()
    });
    if !ready {
        println!("SKIP: systemd-journald does not start in a namespace here");
        return;
    }
    logs_a_request(
        &scratch,
        &[
            ("telemetry.logs.local", "journal"),
            ("telemetry.logs.local.journal.endpoint", &socket),
        ],
    );
    let entry = until("entry of the journal", || {
        let output = Command::new("journalctl")
            .args(["-o", "json", "--no-pager", "-D", &format!("{run}/log/journal")])
            .arg("GATEWAY_CATEGORY=GatewayLogs")
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).ok()
    });
    assert_eq!(entry["SYSLOG_IDENTIFIER"], "gateway-agent");
    assert_eq!(entry["GATEWAY_OPERATION_ID"], "get-x");
    assert_eq!(entry["MESSAGE"], "GET http://api.example/api/x 200");
}

#[test]
fn records_go_out_as_json_datagrams() {
    let scratch = Scratch::new();
    let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(LIMIT)).unwrap();
    let endpoint = receiver.local_addr().unwrap().to_string();
    logs_a_request(
        &scratch,
        &[
            ("telemetry.logs.local", "json"),
            ("telemetry.logs.local.json.endpoint", &endpoint),
            // Only the local log: standard output is for people.
            ("telemetry.logs.std", "json"),
        ],
    );
    let mut bytes = vec![0; 65_536];
    let mut kinds = Vec::new();
    while !kinds.iter().any(|kind| kind == "GatewayLogs") {
        let length = receiver.recv(&mut bytes).unwrap();
        let record: Value = serde_json::from_slice(&bytes[..length]).unwrap();
        let kind = record.get("eventType").or_else(|| record.get("category"));
        kinds.push(kind.and_then(Value::as_str).unwrap_or_default().to_owned());
    }
    assert_eq!(
        kinds[0], "GatewayStartup",
        "the first event waited for the receiver: {kinds:?}"
    );
}

/// An event hub made of npm `rhea`, the AMQP engine of the vendor's own clients: what it prints, and its port.
fn hub(environment: &[(&str, &str)]) -> Option<(Ended, Arc<Mailbox<String>>, u64)> {
    let modules = node_folder("npm-rhea", &["rhea@3"], "telemetry/hub.mjs")?;
    let mut command = Command::new("node");
    command.arg("hub.mjs").current_dir(modules);
    for (name, value) in environment {
        command.env(name, value);
    }
    let (ended, output) = program(&mut command);
    let first = output.until("port", |lines| !lines.is_empty());
    let first: Value = serde_json::from_str(&first[0]).unwrap();
    Some((ended, output, first["port"].as_u64().unwrap()))
}

/// What the hub got, in order.
fn events(lines: &[String]) -> Vec<Value> {
    let values = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    values.filter(|value| value.get("address").is_some()).collect()
}

#[test]
fn events_reach_a_hub_by_its_key() {
    skip_unless!(Need::Program("node", "nodejs"), Need::Program("npm", "npm"));
    let Some((_hub, output, port)) = hub(&[]) else {
        return;
    };
    let scratch = Scratch::new();
    let (backend, _) = server(|_, _| (200, "ok".to_owned()));
    let connection = format!(
        "Endpoint=sb://127.0.0.1:{port}/;SharedAccessKeyName=send;SharedAccessKey=key==;EntityPath=orders;UseDevelopmentEmulator=true"
    );
    let logger = json!({"loggerType": "azureEventHub", "credentials": {"connectionString": connection}});
    let long = r#"<log-to-eventhub logger-id="hub">@(new string('x', 204800))</log-to-eventhub>"#;
    let inbound = format!(
        r#"<log-to-eventhub logger-id="Hub">plain</log-to-eventhub>
        <log-to-eventhub logger-id="hub" partition-key="@(context.Request.Method)">keyed</log-to-eventhub>
        <log-to-eventhub logger-id="hub" partition-id="1">placed</log-to-eventhub>{long}
        <log-to-eventhub logger-id="nobody">lost</log-to-eventhub>"#
    );
    let artifacts = folder(
        &scratch,
        backend,
        &inbound,
        &[("loggers/hub/loggerInformation.json", logger)],
    );
    let agent = Agent::start(&scratch, &[("config.artifacts.path", &artifacts)]);
    agent.event("ConfigInitialSyncCompleted");
    assert_eq!(ask(&agent, "GET", "/api/x", "", "").0, 200);
    let lines = output.until("four events", |lines| events(lines).len() >= 4);
    let got = events(&lines);
    let find = |body: &str| got.iter().find(|event| event["body"] == body).unwrap();
    assert_eq!(find("plain")["address"], "orders");
    assert_eq!(find("keyed")["key"], "GET");
    assert_eq!(find("placed")["address"], "orders/Partitions/1");
    assert!(got.iter().any(|event| event["length"] == 204_800), "{got:?}");
    until("counters", || {
        let page = agent.admin("GET", "/metrics").1;
        let sent = "gateway_telemetry_sent_total{sink=\"event_hub\"} 4";
        let lost = "gateway_telemetry_dropped_total{reason=\"no_logger\",sink=\"event_hub\"} 1";
        contains_all(&page, &[sent, lost]).then_some(())
    });
    agent.signal("TERM");
    assert!(agent.wait().success());
}

#[test]
fn events_reach_a_hub_by_the_nodes_identity() {
    skip_unless!(Need::Program("node", "nodejs"), Need::Program("npm", "npm"),);
    let scratch = Scratch::new();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = scratch.write("hub.pem", made.cert.pem()).display().to_string();
    let key = scratch
        .write("hub.key", made.signing_key.serialize_pem())
        .display()
        .to_string();
    let Some((_hub, output, port)) = hub(&[("HUB_CERT", &certificate), ("HUB_KEY", &key)]) else {
        return;
    };
    let (tokens, asked) = server(|_, _| {
        let answer = json!({"access_token": "the-token", "expires_on": "4102444800", "token_type": "Bearer"});
        (200, answer.to_string())
    });
    let (backend, _) = server(|_, _| (200, "ok".to_owned()));
    let logger = json!({"loggerType": "azureEventHub", "credentials": {"name": "orders",
        "endpointAddress": format!("sb://localhost:{port}/"), "identityClientId": "SystemAssigned"}});
    let artifacts = folder(
        &scratch,
        backend,
        r#"<log-to-eventhub logger-id="hub">signed</log-to-eventhub>"#,
        &[("loggers/hub/loggerInformation.json", logger)],
    );
    let endpoint = format!("http://{tokens}/token");
    let agent = Agent::start(
        &scratch,
        &[
            ("config.artifacts.path", &artifacts),
            ("identity.source", "appService"),
            ("IDENTITY_ENDPOINT", &endpoint),
            ("IDENTITY_HEADER", "h"),
            ("certificates.local.ca.enabled", "true"),
            ("certificates.local.ca.path", &certificate),
        ],
    );
    agent.event("ConfigInitialSyncCompleted");
    assert_eq!(ask(&agent, "GET", "/api/x", "", "").0, 200);
    let lines = output.until("an event", |lines| !events(lines).is_empty());
    assert_eq!(events(&lines)[0]["body"], "signed");
    assert!(
        lines.iter().any(|line| line.contains("amqp://localhost/orders")),
        "{lines:?}"
    );
    assert!(
        asked.all()[0].head.contains("eventhubs.azure.net"),
        "{:?}",
        asked.all()
    );
    agent.signal("TERM");
    assert!(agent.wait().success());
}

#[test]
fn a_real_broker_takes_events() {
    skip_unless!(
        Need::Program("node", "nodejs"),
        Need::Program("npm", "npm"),
        Need::Program("erl", "rabbitmq-server")
    );
    // The program on the search path changes to a user that may not write here.
    let program_path = "/usr/lib/rabbitmq/bin/rabbitmq-server";
    if !Path::new(program_path).exists() {
        println!("SKIP: {program_path} is not installed (package rabbitmq-server)");
        return;
    }
    let Some(modules) = node_folder("npm-rhea", &["rhea@3"], "telemetry/reader.mjs") else {
        return;
    };
    let scratch = Scratch::new();
    let (port, names) = (free_port().to_string(), free_port().to_string());
    let folder_of = |name: &str| scratch.path(name).display().to_string();
    scratch.write("plugins", "[rabbitmq_amqp1_0].");
    let mut command = Command::new(program_path);
    command
        .env("HOME", folder_of(""))
        .current_dir(scratch.path(""))
        .env("RABBITMQ_NODENAME", format!("telemetry{port}@localhost"))
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", &port)
        .env("RABBITMQ_DIST_PORT", free_port().to_string())
        .env("ERL_EPMD_PORT", &names)
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_MNESIA_BASE", folder_of("mnesia"))
        .env("RABBITMQ_LOG_BASE", folder_of("log"))
        .env("RABBITMQ_PID_FILE", folder_of("pid"))
        .env("RABBITMQ_CONFIG_FILE", folder_of("none"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder_of("plugins"));
    let (_broker, output) = program(&mut command);
    let _node = Node {
        pid_file: scratch.path("pid"),
        names,
    };
    output.until("broker", |lines| {
        lines.iter().any(|line| line.contains("completed with"))
    });
    let (_reader, read) = program(
        Command::new("node")
            .arg("reader.mjs")
            .env("BROKER_PORT", &port)
            .current_dir(modules),
    );
    read.until("reader", |lines| lines.iter().any(|line| line.contains("open")));
    let (backend, _) = server(|_, _| (200, "ok".to_owned()));
    let connection = format!(
        "Endpoint=sb://127.0.0.1:{port}/;SharedAccessKeyName=guest;SharedAccessKey=guest;EntityPath=/queue/orders;UseDevelopmentEmulator=true"
    );
    let logger = json!({"loggerType": "azureEventHub", "credentials": {"connectionString": connection}});
    let artifacts = folder(
        &scratch,
        backend,
        r#"<log-to-eventhub logger-id="hub">to the broker</log-to-eventhub>"#,
        &[("loggers/hub/loggerInformation.json", logger)],
    );
    let agent = Agent::start(&scratch, &[("config.artifacts.path", &artifacts)]);
    agent.event("ConfigInitialSyncCompleted");
    assert_eq!(ask(&agent, "GET", "/api/x", "", "").0, 200);
    read.until("the event", |lines| {
        lines.iter().any(|line| line.contains("to the broker"))
    });
    agent.signal("TERM");
    assert!(agent.wait().success());
}

/// The broker's own process, which the script that starts it leaves behind, and the Erlang name server beside it.
struct Node {
    pid_file: std::path::PathBuf,
    names: String,
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(&self.pid_file) {
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).status();
        }
        // The name server refuses until it has noticed that its node is gone.
        for _ in 0..100 {
            let asked = Command::new("epmd")
                .args(["-port", &self.names, "-kill"])
                .output();
            if !asked.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("not allowed")) {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}
