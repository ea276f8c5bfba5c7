//! The admin endpoint's table: path, method, what it does. `/help` prints this table, so it cannot be wrong.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::json;

use super::{dump, page, state::State};
use crate::{
    debug::{REQUESTS_MAX, SECONDS_MAX},
    telemetry::events::Threshold,
};

/// An answer before it becomes HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Body.
    pub body: String,
    /// `Allow`, with status 405.
    pub allow: Option<&'static str>,
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
/// The Prometheus text format's own type.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Reply {
    fn new(status: StatusCode, content_type: &'static str, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type,
            body: body.into(),
            allow: None,
        }
    }

    fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self::new(status, TEXT, body)
    }

    fn json(value: &impl serde::Serialize) -> Self {
        match serde_json::to_string_pretty(value) {
            Ok(text) => Self::new(StatusCode::OK, JSON, text + "\n"),
            Err(error) => Self::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }
}

/// One line of the table.
pub struct Route {
    /// Path.
    pub path: &'static str,
    /// `GET` reads, `POST` changes.
    pub method: Method,
    /// For `/help`.
    pub help: &'static str,
    handle: fn(&State, Query<'_>) -> Reply,
    /// Also on the port that Prometheus scrapes.
    pub public: bool,
}

const fn get(path: &'static str, help: &'static str, handle: fn(&State, Query<'_>) -> Reply) -> Route {
    Route {
        path,
        method: Method::GET,
        help,
        handle,
        public: false,
    }
}

const fn post(path: &'static str, help: &'static str, handle: fn(&State, Query<'_>) -> Reply) -> Route {
    Route {
        path,
        method: Method::POST,
        help,
        handle,
        public: false,
    }
}

/// Every route.
pub const ROUTES: &[Route] = &[
    get("/", "this page", home),
    get("/help", "all paths", help),
    get("/healthz", "alive: 200 while the process works", |_, _| {
        Reply::text(StatusCode::OK, "ok\n")
    }),
    get(
        "/ready",
        "ready for traffic: 200 or 503; ?verbose names each check",
        ready,
    ),
    Route {
        path: "/metrics",
        method: Method::GET,
        help: "Prometheus metrics",
        handle: metrics,
        public: true,
    },
    get(
        "/status",
        "version, configuration, listeners, hooks, workers, connections",
        |state, _| Reply::json(&state.report()),
    ),
    get("/version", "version", |_, _| {
        Reply::json(&json!({ "version": env!("CARGO_PKG_VERSION") }))
    }),
    get("/listeners", "what is bound", |state, _| {
        Reply::json(&state.listeners)
    }),
    get(
        "/config_dump",
        "settings and active configuration, secrets masked",
        config_dump,
    ),
    get(
        "/content",
        "what is served, as text that is the same whatever source it came from",
        |state, _| match state.node.snapshot() {
            Some(snapshot) => Reply::text(StatusCode::OK, snapshot.content()),
            None => Reply::text(StatusCode::SERVICE_UNAVAILABLE, "nothing yet\n"),
        },
    ),
    get(
        "/requests",
        "the last requests (off unless a setting asks for them)",
        |state, _| Reply::json(&state.requests.all()),
    ),
    get(
        "/connections",
        "the last closed connections, from the kernel's accounting",
        |state, _| Reply::json(&state.connections.all()),
    ),
    get(
        "/bans",
        "banned clients: reason, end, dropped packets",
        |state, _| Reply::json(&state.kernel.bans()),
    ),
    post(
        "/bans/add",
        "?address=…&seconds=N&reason=…[&scope=gateway|node] bans a client for a time",
        ban,
    ),
    post("/bans/remove", "?address=… ends a ban", unban),
    get(
        "/drops",
        "dropped packets by reason, and the last samples of them",
        |state, _| Reply::json(&state.kernel.drops()),
    ),
    get("/counters", "every counter of the kernel programs", |state, _| {
        Reply::json(&state.kernel.counters())
    }),
    get("/maps", "how full the kernel programs' maps are", |state, _| {
        Reply::json(&state.kernel.fills())
    }),
    get(
        "/where",
        "?source=…&destination=…&port=N&protocol=tcp|udp what would happen to such a packet, and why",
        whereto,
    ),
    get(
        "/services",
        "L4 services: where they run, backends, flows, bytes",
        |state, _| Reply::json(&state.kernel.layer4().services()),
    ),
    get(
        "/flows",
        "flows of L4 services in the kernel; ?service=…&host=ADDRESS&limit=N",
        flows,
    ),
    get("/debug/traces", "ids of the recorded requests", |state, _| {
        Reply::json(&state.node.debug.ids())
    }),
    get(
        "/debug/trace",
        "?id=… the record of a request, as `simulate` emits it",
        trace,
    ),
    post(
        "/debug/credentials",
        "?api=…&seconds=N a value for Apim-Debug-Authorization, at most an hour",
        credentials,
    ),
    post(
        "/debug/invalidate",
        "make all debug credentials void",
        |state, _| {
            state.node.debug.invalidate();
            Reply::text(StatusCode::OK, "no debug credentials are valid any more\n")
        },
    ),
    post(
        "/debug/next",
        "?requests=N records the next requests",
        record_next,
    ),
    post(
        "/logging",
        "?level=all|debug|info|warn|error|fatal changes the log level",
        logging,
    ),
    post("/reload", "read the configuration again", |state, _| {
        state.sync.reload();
        Reply::text(StatusCode::ACCEPTED, "reading the configuration; see /status\n")
    }),
    post(
        "/drain",
        "stop accepting, finish what runs, end; ?seconds=N bounds it",
        drain,
    ),
];

/// The query of an admin request.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a>(pub &'a str);

impl<'a> Query<'a> {
    /// The value of a parameter; empty when it stands without one.
    fn get(self, name: &str) -> Option<&'a str> {
        self.0.split('&').find_map(|pair| match pair.split_once('=') {
            Some((n, value)) if n == name => Some(value),
            None if pair == name => Some(""),
            _ => None,
        })
    }
}

/// Answers one request. `metrics_only` serves nothing but what is public.
pub fn respond(state: &State, method: &Method, path: &str, query: &str, metrics_only: bool) -> Reply {
    let visible = |route: &&Route| route.path == path && (route.public || !metrics_only);
    let Some(route) = ROUTES.iter().find(visible) else {
        return Reply::text(StatusCode::NOT_FOUND, "no such path; /help lists them all\n");
    };
    // HEAD is GET without the body, which the HTTP layer leaves out.
    let method = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    if *method != route.method {
        let allow = if route.method == Method::POST {
            "POST"
        } else {
            "GET, HEAD"
        };
        let text = format!("{path} wants {allow}\n");
        return Reply {
            allow: Some(allow),
            ..Reply::text(StatusCode::METHOD_NOT_ALLOWED, text)
        };
    }
    (route.handle)(state, Query(query))
}

/// Why a request must not be served at all: it comes from a web page.
///
/// `host` is compared by form only: addresses and `localhost` are what an operator types.
pub fn refuse_browser(headers: &HeaderMap) -> Option<Reply> {
    let cross = headers.contains_key(header::ORIGIN)
        || headers
            .get("sec-fetch-site")
            .is_some_and(|v| v != "none" && v != "same-origin");
    if cross {
        return Some(Reply::text(
            StatusCode::FORBIDDEN,
            "requests from web pages are refused\n",
        ));
    }
    let host = headers
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .unwrap_or("localhost");
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let literal = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<std::net::IpAddr>()
        .is_ok();
    if literal || name.eq_ignore_ascii_case("localhost") {
        return None;
    }
    Some(Reply::text(
        StatusCode::FORBIDDEN,
        "use an address or localhost, not a host name\n",
    ))
}

fn flows(state: &State, query: Query<'_>) -> Reply {
    let host = match query.get("host").map(str::parse) {
        Some(Err(_)) => return Reply::text(StatusCode::BAD_REQUEST, "host is an IP address\n"),
        Some(Ok(host)) => Some(host),
        None => None,
    };
    let wanted = crate::l4::Query {
        service: query.get("service").map(str::to_owned),
        host,
        limit: query.get("limit").and_then(|limit| limit.parse().ok()),
    };
    match state.kernel.layer4().flows(&wanted) {
        Ok(flows) => Reply::json(&flows),
        Err(why) => Reply::text(StatusCode::CONFLICT, why + "\n"),
    }
}

fn home(state: &State, _: Query<'_>) -> Reply {
    Reply::new(StatusCode::OK, HTML, page::home(state))
}

fn help(_: &State, _: Query<'_>) -> Reply {
    let mut text = String::new();
    for route in ROUTES {
        text.push_str(&format!(
            "{:<5} {:<18} {}\n",
            route.method.as_str(),
            route.path,
            route.help
        ));
    }
    Reply::text(StatusCode::OK, text)
}

fn ready(state: &State, query: Query<'_>) -> Reply {
    let checks = state.checks();
    let ok = state.is_ready();
    let status = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let verdict = if ok { "ready\n" } else { "not ready\n" };
    if query.get("verbose").is_none() {
        return Reply::text(status, verdict);
    }
    let mut text = String::new();
    for (name, check) in checks {
        match check {
            Ok(()) => text.push_str(&format!("[+] {name} ok\n")),
            Err(reason) => text.push_str(&format!("[-] {name}: {reason}\n")),
        }
    }
    Reply::text(status, text + verdict)
}

fn metrics(state: &State, _: Query<'_>) -> Reply {
    state.refresh();
    match state.metrics.render() {
        Ok(text) => Reply::new(StatusCode::OK, METRICS, text),
        Err(error) => Reply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn config_dump(state: &State, _: Query<'_>) -> Reply {
    let active = state.node.snapshot().map(|snapshot| dump::snapshot(&snapshot));
    Reply::json(&json!({
        "settings": state.settings,
        "source": state.sync.status().source,
        "active": active,
    }))
}

fn logging(state: &State, query: Query<'_>) -> Reply {
    let Some(level) = query.get("level").and_then(Threshold::parse) else {
        let names = Threshold::ALL.map(|(name, _)| name).join(", ");
        return Reply::text(StatusCode::BAD_REQUEST, format!("give ?level= one of {names}\n"));
    };
    if state.level.set(level) {
        tracing::info!(
            event = "LogLevelChanged",
            level = level.name(),
            "log level changed by the admin endpoint"
        );
        Reply::text(StatusCode::OK, format!("level is {}\n", level.name()))
    } else {
        Reply::text(
            StatusCode::CONFLICT,
            "there is no log: telemetry.logs.std is none\n",
        )
    }
}

fn trace(state: &State, query: Query<'_>) -> Reply {
    match query.get("id").and_then(|id| state.node.debug.record(id)) {
        Some(record) => Reply::new(StatusCode::OK, JSON, &*record),
        None => Reply::text(
            StatusCode::NOT_FOUND,
            "there is no such record; /debug/traces lists them\n",
        ),
    }
}

fn credentials(state: &State, query: Query<'_>) -> Reply {
    let seconds = query.get("seconds").map_or(Some(SECONDS_MAX), |s| s.parse().ok());
    let (Some(api), Some(seconds)) = (query.get("api"), seconds.filter(|s| *s <= SECONDS_MAX)) else {
        let help = format!("give ?api=NAME, and &seconds=N up to {SECONDS_MAX}\n");
        return Reply::text(StatusCode::BAD_REQUEST, help);
    };
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    match state.node.debug.credentials(api, now.as_secs() + seconds) {
        Some(token) => Reply::json(&json!({ "token": token })),
        None => Reply::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the system has no randomness\n",
        ),
    }
}

fn record_next(state: &State, query: Query<'_>) -> Reply {
    match query.get("requests").and_then(|n| n.parse().ok()) {
        Some(requests) if requests <= REQUESTS_MAX => {
            state.node.debug.order(requests);
            Reply::text(
                StatusCode::OK,
                format!("the next {requests} requests are recorded\n"),
            )
        }
        _ => Reply::text(
            StatusCode::BAD_REQUEST,
            format!("give ?requests=N up to {REQUESTS_MAX}\n"),
        ),
    }
}

/// An address out of the query, or what to answer instead.
fn address(query: Query<'_>, name: &str) -> Result<IpAddr, Reply> {
    let text = query.get(name).unwrap_or_default();
    text.parse()
        .map_err(|_| Reply::text(StatusCode::BAD_REQUEST, format!("?{name}= wants an IP address\n")))
}

fn ban(state: &State, query: Query<'_>) -> Reply {
    let address = match address(query, "address") {
        Ok(address) => address,
        Err(reply) => return reply,
    };
    let Some(Ok(seconds)) = query.get("seconds").map(str::parse) else {
        return Reply::text(StatusCode::BAD_REQUEST, "?seconds= wants a whole number\n");
    };
    let whole_node = match query.get("scope") {
        None | Some("gateway") => false,
        Some("node") => true,
        Some(_) => return Reply::text(StatusCode::BAD_REQUEST, "?scope= is gateway or node\n"),
    };
    let reason = decoded(query.get("reason").unwrap_or_default());
    let lasts = Duration::from_secs(seconds);
    match state.kernel.ban(address, lasts, whole_node, &reason) {
        Ok(()) => Reply::text(StatusCode::OK, format!("{address} is banned for {seconds} s\n")),
        Err(error) => Reply::text(StatusCode::CONFLICT, format!("{error}\n")),
    }
}

fn unban(state: &State, query: Query<'_>) -> Reply {
    match address(query, "address") {
        Err(reply) => reply,
        Ok(address) if state.kernel.unban(address) => {
            Reply::text(StatusCode::OK, format!("{address} is banned no more\n"))
        }
        Ok(address) => Reply::text(StatusCode::NOT_FOUND, format!("{address} was not banned\n")),
    }
}

fn whereto(state: &State, query: Query<'_>) -> Reply {
    let (source, destination) = match (address(query, "source"), address(query, "destination")) {
        (Ok(source), Ok(destination)) => (source, destination),
        (Err(reply), _) | (_, Err(reply)) => return reply,
    };
    if source.is_ipv4() != destination.is_ipv4() {
        return Reply::text(
            StatusCode::BAD_REQUEST,
            "source and destination are of two families\n",
        );
    }
    let Some(Ok(port)) = query.get("port").map(str::parse::<u16>) else {
        return Reply::text(StatusCode::BAD_REQUEST, "?port= wants a port\n");
    };
    let udp = match query.get("protocol") {
        None | Some("tcp") => false,
        Some("udp") => true,
        Some(_) => return Reply::text(StatusCode::BAD_REQUEST, "?protocol= is tcp or udp\n"),
    };
    // Any port that clients use.
    const CLIENT_PORT: u16 = 40_000;
    let (from, to) = (
        SocketAddr::new(source, CLIENT_PORT),
        SocketAddr::new(destination, port),
    );
    match state.kernel.whereto(from, to, udp) {
        Some(answer) => Reply::json(&answer),
        None => Reply::text(
            StatusCode::CONFLICT,
            "there is no kernel side here: every packet goes to the node's own stack; /status says why\n",
        ),
    }
}

/// `%20` and `+` as people's reasons bring them (WHATWG URL, application/x-www-form-urlencoded).
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(if *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn drain(state: &State, query: Query<'_>) -> Reply {
    let grace = match query.get("seconds").map(str::parse) {
        None => state.grace,
        Some(Ok(seconds)) => Duration::from_secs(seconds).min(state.grace),
        Some(Err(_)) => return Reply::text(StatusCode::BAD_REQUEST, "?seconds= wants a whole number\n"),
    };
    tracing::info!(
        event = "DrainStarted",
        seconds = grace.as_secs(),
        "drain asked for by the admin endpoint"
    );
    state.node.drain.begin(grace);
    Reply::text(
        StatusCode::ACCEPTED,
        format!("draining for at most {} s\n", grace.as_secs()),
    )
}
