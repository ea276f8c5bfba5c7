//! Tables over paths, versions, revisions, protocols, operations; a property test against the naive matcher.

use gateway_policy::context;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::{naive, *};
use crate::snapshot::{ApiKind, Protocols, Version, VersionPlace};

/// An API under construction.
pub(crate) struct TestApi {
    pub(crate) entry: ApiEntry,
    pub(crate) table: OperationBuilder,
}

/// An API of `path` with operations `METHOD /template`; operation ids are the texts themselves.
pub(crate) fn api(name: &str, path: &str, operations: &[&str]) -> TestApi {
    let mut table = OperationBuilder::default();
    let mut entries = Vec::new();
    for (index, text) in operations.iter().enumerate() {
        let (method, template) = text.split_once(' ').unwrap();
        let (template, action) = match template.split_once('#') {
            Some((t, a)) => (t, Some(Arc::from(a))),
            None => (template, None),
        };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert!(
            table.insert(index, &method, &template::parse(template).unwrap(), action),
            "{text} stands twice"
        );
        let operation = context::Operation {
            id: (*text).into(),
            ..context::Operation::default()
        };
        entries.push(Arc::new(OperationEntry {
            index,
            operation: Arc::new(operation),
            ..OperationEntry::default()
        }));
    }
    let name: Arc<str> = name.into();
    let entry = ApiEntry {
        index: 0,
        name: Arc::clone(&name),
        folded_name: name.to_lowercase().into(),
        api: Arc::new(context::Api {
            id: name,
            revision: "1".into(),
            is_current_revision: true,
            key_header: "Ocp-Apim-Subscription-Key".into(),
            key_query: "subscription-key".into(),
            ..context::Api::default()
        }),
        key_header: HeaderName::from_static("ocp-apim-subscription-key"),
        service_url: None,
        effective_path: path.into(),
        kind: ApiKind::Http,
        protocols: Protocols {
            http: true,
            https: true,
            ws: true,
            wss: true,
        },
        subscription_required: true,
        version: None,
        operations: entries.into(),
        refused: None,
    };
    TestApi { entry, table }
}

fn revised(mut api: TestApi, revision: &str, current: bool) -> TestApi {
    let inner = context::Api {
        revision: revision.into(),
        is_current_revision: current,
        ..(*api.entry.api).clone()
    };
    api.entry.api = Arc::new(inner);
    api
}

fn versioned(mut api: TestApi, identifier: &str, place: VersionPlace) -> TestApi {
    api.entry.version = Some(Version {
        identifier: identifier.into(),
        place,
    });
    api
}

fn routes(apis: Vec<TestApi>) -> RouteTable {
    let mut table = RouteTable::default();
    for api in apis {
        table.insert(Arc::new(api.entry), Arc::new(api.table.finish()));
    }
    table
}

/// One request line `METHOD URL [Header: value]…` with an optional `ws` in front, and what it reaches:
/// `api / operation / remainder / a=1,b=2`.
fn reach(table: &RouteTable, request: &str) -> String {
    let (websocket, request) = match request.strip_prefix("ws ") {
        Some(rest) => (true, rest),
        None => (false, request),
    };
    let mut parts = request.split(" | ");
    let line = parts.next().unwrap();
    let (method, url) = line.split_once(' ').unwrap();
    let (scheme, url) = url.split_once("://").unwrap_or(("https", url));
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut headers = HeaderMap::new();
    for part in parts {
        let (name, value) = part.split_once(": ").unwrap();
        headers.insert(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let key = RequestKey {
        scheme,
        host: "h",
        method: &method,
        path,
        query,
        headers: &headers,
        websocket,
    };
    match table.route(&key) {
        Route::Matched(m) => shown(&m, path),
        Route::NoOperation { api: None } => "nothing".into(),
        Route::NoOperation { api: Some(api) } => format!("{} / no operation", api.name),
        Route::Refused { api, reason } => format!("{} refused: {reason}", api.name),
        Route::Preflight(p) => {
            let requested = p.requested.map_or("none", |o| &*o.operation.id);
            let own = p.own.as_ref().map_or("none".into(), |m| shown(m, path));
            format!("{} preflight for {requested}, own {own}", p.api.name)
        }
    }
}

fn shown(m: &Match<'_>, path: &str) -> String {
    let parameters: Vec<String> = m.parameters.iter().map(|(n, v)| format!("{n}={v}")).collect();
    let mut out = format!(
        "{} / {} / {}",
        m.api.name,
        m.operation.operation.id,
        &path[m.path_offset..]
    );
    if !parameters.is_empty() {
        out += &format!(" / {}", parameters.join(","));
    }
    out
}

#[track_caller]
fn check(table: &RouteTable, rows: &[(&str, &str)]) {
    for (request, expected) in rows {
        assert_eq!(reach(table, request), *expected, "{request}");
    }
}

#[test]
fn the_longest_path_decides_and_nothing_shorter_is_tried() {
    let table = routes(vec![
        api("root", "", &["GET /*"]),
        api("a", "a", &["GET /x"]),
        api("ab", "A/b", &["GET /", "GET /y"]),
    ]);
    check(
        &table,
        &[
            ("GET /", "root / GET /* / / / *="),
            ("GET /z/q", "root / GET /* / /z/q / *=z/q"),
            ("GET /a/x", "a / GET /x / /x"),
            ("GET /A/X", "a / GET /x / /X"),
            ("GET /a/b", "ab / GET / / "),
            ("GET /a/b/", "ab / GET / / /"),
            ("GET /a/B/y", "ab / GET /y / /y"),
            ("GET /a/b/x", "ab / no operation"),
            ("GET /a/nothing", "a / no operation"),
            ("GET /ax", "root / GET /* / /ax / *=ax"),
            ("GET //a/x", "root / GET /* / //a/x / *=/a/x"),
            ("GET /a/../b", "nothing"),
            ("GET /%61/x", "a / GET /x / /x"),
            ("GET /a%2fb/y", "root / GET /* / /a%2fb/y / *=a/b/y"),
        ],
    );
}

#[test]
fn without_a_root_api_unknown_paths_match_nothing() {
    let table = routes(vec![api("a", "a", &["GET /x"])]);
    check(
        &table,
        &[
            ("GET /", "nothing"),
            ("GET /b", "nothing"),
            ("OPTIONS *", "nothing"),
            ("GET /a", "a / no operation"),
        ],
    );
}

#[test]
fn operations_by_precedence() {
    let table = routes(vec![api(
        "u",
        "u",
        &[
            "GET /users/{id}",
            "GET /users/me",
            "POST /users/{id}",
            "GET /users/{id}/files/{*rest}",
            "GET /users/{id}/files",
            "GET /users/{name}/x",
            "GET /m/{id}:build",
            "GET /m/{id}",
            "GET /docs('{key}')",
            "GET /s/*",
            "GET /s/a/b",
            "GET /t",
            "GET /t/",
            "PURGE /users/{id}",
        ],
    )]);
    check(
        &table,
        &[
            ("GET /u/users/7", "u / GET /users/{id} / /users/7 / id=7"),
            ("GET /u/users/ME", "u / GET /users/me / /users/ME"),
            ("POST /u/users/me", "u / POST /users/{id} / /users/me / id=me"),
            ("PURGE /u/users/1", "u / PURGE /users/{id} / /users/1 / id=1"),
            (
                "GET /u/users/1/x",
                "u / GET /users/{name}/x / /users/1/x / name=1",
            ),
            (
                "GET /u/users/me/x",
                "u / GET /users/{name}/x / /users/me/x / name=me",
            ),
            (
                "GET /u/users/1/files",
                "u / GET /users/{id}/files / /users/1/files / id=1",
            ),
            (
                "GET /u/users/1/files/",
                "u / GET /users/{id}/files / /users/1/files/ / id=1",
            ),
            (
                "GET /u/users/1/files/a/b%20c",
                "u / GET /users/{id}/files/{*rest} / /users/1/files/a/b%20c / id=1,rest=a/b c",
            ),
            (
                "GET /u/users/a%2Fb",
                "u / GET /users/{id} / /users/a%2Fb / id=a/b",
            ),
            ("GET /u/users/", "u / no operation"),
            ("GET /u/m/7:build", "u / GET /m/{id}:build / /m/7:build / id=7"),
            ("GET /u/m/7:other", "u / GET /m/{id} / /m/7:other / id=7:other"),
            (
                "GET /u/docs(%27k%27)",
                "u / GET /docs('{key}') / /docs(%27k%27) / key=k",
            ),
            ("GET /u/s", "u / GET /s/* / /s / *="),
            ("GET /u/s/a", "u / GET /s/* / /s/a / *=a"),
            ("GET /u/s/a/b", "u / GET /s/a/b / /s/a/b"),
            ("GET /u/s/a/b/c", "u / GET /s/* / /s/a/b/c / *=a/b/c"),
            ("GET /u/t", "u / GET /t / /t"),
            ("GET /u/t/", "u / GET /t/ / /t/"),
            ("HEAD /u/t", "u / no operation"),
            ("OPTIONS /u/t", "u / no operation"),
            ("DELETE /u/users/7", "u / no operation"),
            ("get /u/t", "u / no operation"),
        ],
    );
    let long = format!("GET /u/users/{}", "x".repeat(1025));
    check(&table, &[(&long, "nothing")]);
}

#[test]
fn operations_told_apart_by_query() {
    let table = routes(vec![api(
        "q",
        "q",
        &[
            "GET /r",
            "GET /r?op=list",
            "GET /r?op={op}",
            "GET /r?op=list&page={page}",
            "GET /only?must={must}",
        ],
    )]);
    check(
        &table,
        &[
            ("GET /q/r", "q / GET /r / /r"),
            ("GET /q/r?x=1", "q / GET /r / /r"),
            ("GET /q/r?OP=LIST", "q / GET /r?op=list / /r"),
            ("GET /q/r?op=other", "q / GET /r?op={op} / /r / op=other"),
            (
                "GET /q/r?page=2&op=list",
                "q / GET /r?op=list&page={page} / /r / page=2",
            ),
            (
                "GET /q/only?must=a+b%21",
                "q / GET /only?must={must} / /only / must=a b!",
            ),
            ("GET /q/only?must", "q / GET /only?must={must} / /only / must="),
            ("GET /q/only", "q / no operation"),
        ],
    );
}

#[test]
fn versions() {
    let query = || VersionPlace::Query("v".into());
    let header = || VersionPlace::Header(HeaderName::from_static("x-version"));
    let table = routes(vec![
        api("q0", "q", &["GET /"]),
        versioned(api("q1", "q", &["GET /"]), "1", query()),
        versioned(api("q2", "q", &["GET /"]), "2", query()),
        versioned(api("h1", "h", &["GET /"]), "v1", header()),
        versioned(api("h2", "h", &["GET /"]), "v2", header()),
        versioned(api("s0", "s", &["GET /*"]), "", VersionPlace::Segment),
        versioned(api("s1", "s/v1", &["GET /x"]), "v1", VersionPlace::Segment),
    ]);
    check(
        &table,
        &[
            ("GET /q", "q0 / GET / / "),
            ("GET /q?v=1", "q1 / GET / / "),
            ("GET /q?V=2&x=y", "q2 / GET / / "),
            ("GET /q?v=", "q0 / GET / / "),
            ("GET /q?v=3", "nothing"),
            ("GET /h", "nothing"),
            ("GET /h | x-version: V2", "h2 / GET / / "),
            ("GET /h | x-version: v9", "nothing"),
            ("GET /s/v1/x", "s1 / GET /x / /x"),
            ("GET /s/V1/y", "s1 / no operation"),
            ("GET /s/v2/x", "s0 / GET /* / /v2/x / *=v2/x"),
        ],
    );
}

#[test]
fn revisions() {
    let table = routes(vec![
        revised(api("a;rev=1", "a", &["GET /x"]), "1", false),
        revised(api("a;rev=2", "a", &["GET /x"]), "2", true),
        revised(api("n;rev=2", "n", &["GET /x"]), "2", false),
        revised(
            versioned(api("s", "s/v1", &["GET /x"]), "v1", VersionPlace::Segment),
            "3",
            true,
        ),
        api("p", "p", &["GET /{any}"]),
    ]);
    check(
        &table,
        &[
            ("GET /a/x", "a;rev=2 / GET /x / /x"),
            ("GET /a;rev=2/x", "a;rev=2 / GET /x / /x"),
            ("GET /a;rev=1/x", "a;rev=1 / GET /x / /x"),
            ("GET /A;REV=1/x?y=1", "a;rev=1 / GET /x / /x"),
            ("GET /a;rev=3/x", "nothing"),
            ("GET /a;rev=/x", "nothing"),
            ("GET /n/x", "nothing"),
            ("GET /n;rev=2/x", "n;rev=2 / GET /x / /x"),
            ("GET /s/v1;rev=3/x", "s / GET /x / /x"),
            ("GET /s;rev=3/v1/x", "nothing"),
            ("GET /p/b;rev=2", "p / GET /{any} / /b;rev=2 / any=b;rev=2"),
            ("GET /b;rev=2/x", "nothing"),
        ],
    );
    let root = routes(vec![revised(api("root", "", &["GET /x"]), "4", true)]);
    check(
        &root,
        &[
            ("GET /;rev=4/x", "root / GET /x / /x"),
            ("GET /;rev=5/x", "nothing"),
            ("GET /x", "root / GET /x / /x"),
        ],
    );
}

#[test]
fn protocols_and_websockets() {
    let mut https_only = api("secure", "a", &["GET /"]);
    https_only.entry.protocols = Protocols {
        https: true,
        ..Protocols::default()
    };
    let mut socket = api("socket", "a", &["GET /*"]);
    socket.entry.kind = ApiKind::WebSocket;
    socket.entry.protocols = Protocols {
        wss: true,
        ..Protocols::default()
    };
    let table = routes(vec![https_only, socket, api("plain", "p", &["GET /"])]);
    check(
        &table,
        &[
            (
                "GET https://a".replace("://a", ":///a").as_str(),
                "secure / GET / / ",
            ),
            ("GET http:///a", "nothing"),
            ("ws GET https:///a/chat", "socket / GET /* / /chat / *=chat"),
            ("ws GET http:///a", "nothing"),
            ("ws GET https:///p", "plain / GET / / "),
            ("GET http:///p", "plain / GET / / "),
        ],
    );
}

#[test]
fn soap_actions() {
    let mut soap = api("s", "s", &["POST /#urn:add", "POST /#urn:sub"]);
    soap.entry.kind = ApiKind::Soap;
    let table = routes(vec![soap]);
    check(
        &table,
        &[
            ("POST /s | soapaction: \"urn:add\"", "s / POST /#urn:add / "),
            ("POST /s/ | soapaction: urn:sub", "s / POST /#urn:sub / /"),
            (
                "POST /s | content-type: application/soap+xml; charset=utf-8; action=\"urn:sub\"",
                "s / POST /#urn:sub / ",
            ),
            ("POST /s | soapaction: urn:mul", "s / no operation"),
            ("POST /s", "s / no operation"),
        ],
    );
}

#[test]
fn preflights_come_before_operations() {
    let table = routes(vec![api(
        "a",
        "a",
        &["GET /x", "DELETE /x/{id}", "OPTIONS /own", "PUT /own"],
    )]);
    let flight = |path: &str, method: &str| {
        format!("OPTIONS {path} | origin: https://o.example | access-control-request-method: {method}")
    };
    check(
        &table,
        &[
            (&flight("/a/x", "GET"), "a preflight for GET /x, own none"),
            (
                &flight("/a/x/7", "DELETE"),
                "a preflight for DELETE /x/{id}, own none",
            ),
            (&flight("/a/x/7", "PATCH"), "a preflight for none, own none"),
            (&flight("/a/x", "b@d"), "a preflight for none, own none"),
            (
                &flight("/a/own", "PUT"),
                "a preflight for PUT /own, own a / OPTIONS /own / /own",
            ),
            (&flight("/b", "GET"), "nothing"),
            (
                "OPTIONS /a/own | origin: https://o.example",
                "a / OPTIONS /own / /own",
            ),
            (
                "OPTIONS /a/x | access-control-request-method: GET",
                "a / no operation",
            ),
        ],
    );
}

#[test]
fn a_refused_api_answers_for_its_whole_path() {
    let mut bad = api("bad", "a/b", &[]);
    bad.entry.refused = Some("no specification".into());
    let table = routes(vec![bad, api("a", "a", &["GET /*"])]);
    check(
        &table,
        &[
            ("GET /a/b/anything", "bad refused: no specification"),
            ("GET /a/c", "a / GET /* / /c / *=c"),
        ],
    );
}

#[test]
fn many_apis_and_deep_paths() {
    let apis = (0..2000)
        .map(|i| {
            api(
                &format!("n{i}"),
                &format!("team{}/svc{i}", i % 50),
                &["GET /x/{id}"],
            )
        })
        .collect();
    let table = routes(apis);
    for i in [0, 77, 1999] {
        let request = format!("GET /team{}/svc{i}/x/{i}", i % 50);
        assert_eq!(
            reach(&table, &request),
            format!("n{i} / GET /x/{{id}} / /x/{i} / id={i}")
        );
    }
    let deep = format!("GET {}", "/a".repeat(5000));
    assert_eq!(reach(&table, &deep), "nothing");
    let wild = routes(vec![api("w", "w", &["GET /*"])]);
    assert!(reach(&wild, &format!("GET /w{}", "/a".repeat(5000))).starts_with("w / GET /*"));
}

const STEPS: [&str; 8] = ["a", "b", "{p}", "{q}", "x{p}", "{p}.json", "x{p}.json", "ab"];
const SEGMENTS: [&str; 9] = ["a", "B", "ab", "xa", "x", "xb.json", "b.json", ".json", ""];

fn template_text() -> impl Strategy<Value = String> {
    let steps = prop::collection::vec(prop::sample::select(&STEPS[..]), 0..4);
    (steps, 0..4_u8).prop_map(|(steps, end)| {
        // Names must be unique: number them.
        let numbered: Vec<String> = steps
            .iter()
            .enumerate()
            .map(|(i, s)| {
                s.replace("{p}", &format!("{{p{i}}}"))
                    .replace("{q}", &format!("{{q{i}}}"))
            })
            .collect();
        let path = format!("/{}", numbered.join("/"));
        match (end, numbered.is_empty()) {
            (0, true) => "/*".into(),
            (0, false) => format!("{path}/*"),
            (1, false) => format!("{path}/"),
            _ => path,
        }
    })
}

fn path_text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&SEGMENTS[..]), 0..5).prop_map(|s| {
        if s.is_empty() {
            String::new()
        } else {
            format!("/{}", s.join("/"))
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The tree finds what trying every template finds.
    #[test]
    fn the_tree_agrees_with_the_naive_matcher(
        templates in prop::collection::vec((prop::bool::ANY, template_text()), 0..8),
        post in prop::bool::ANY,
        path in path_text(),
    ) {
        let method = |post: bool| if post { Method::POST } else { Method::GET };
        let mut table = OperationBuilder::default();
        let mut kept: Vec<(Method, String)> = Vec::new();
        for (post, text) in &templates {
            if table.insert(kept.len(), &method(*post), &template::parse(text).unwrap(), None) {
                kept.push((method(*post), text.clone()));
            }
        }
        let full = format!("/api{path}");
        let segments = Segments::split(&full).unwrap();
        let wanted_method = method(post);
        let wanted = Wanted { method: &wanted_method, query: "", soap_action: None };
        let table = table.finish();
        let found = table.find(&segments, 1, wanted, &mut Captures::new()).map(|f| f.operation());
        let pairs: Vec<(Method, &str)> = kept.iter().map(|(m, t)| (m.clone(), t.as_str())).collect();
        prop_assert_eq!(found, naive::find(&pairs, &wanted_method, &path), "{:?} on {}", kept, path);
    }

    /// The API is that of the longest path that the request begins with.
    #[test]
    fn the_longest_path_is_found(
        paths in prop::collection::btree_set(prop::collection::vec(prop::sample::select(&["a", "b", "ab"][..]), 0..4), 1..6),
        request in prop::collection::vec(prop::sample::select(&["a", "B", "ab", "x", ""][..]), 0..6),
    ) {
        let paths: Vec<String> = paths.into_iter().map(|p| p.join("/")).collect();
        let table = routes(paths.iter().map(|p| api(p, p, &["GET /*"])).collect());
        let url = format!("/{}", request.join("/"));
        let lower = url.to_lowercase();
        let begins = |p: &&String| p.is_empty() || lower == format!("/{p}") || lower.starts_with(&format!("/{p}/"));
        let longest = paths.iter().filter(begins).max_by_key(|p| p.len());
        let headers = HeaderMap::new();
        let key = RequestKey {
            scheme: "http", host: "h", method: &Method::GET, path: &url, query: "", headers: &headers, websocket: false,
        };
        let found = match table.route(&key) {
            Route::Matched(m) => Some((m.api.name.to_string(), m.path_offset)),
            _ => None,
        };
        let expected = longest.map(|p| (p.clone(), if p.is_empty() { 0 } else { p.len() + 1 }));
        prop_assert_eq!(found, expected, "{} among {:?}", url, paths);
    }

    /// No path from outside makes it panic, and what matches always names a part of the path.
    #[test]
    fn any_path_is_survived(path in "\\PC*", query in "\\PC*") {
        let table = routes(vec![api("r", "", &["GET /{a}/x{b}", "GET /*?q={q}"]), api("é", "é/b", &["GET /"])]);
        let headers = HeaderMap::new();
        let full = format!("/{path}");
        for path in [full.as_str(), path.as_str()] {
            let key = RequestKey {
                scheme: "http", host: "h", method: &Method::GET, path, query: &query, headers: &headers, websocket: false,
            };
            if let Route::Matched(m) = table.route(&key) {
                prop_assert!(path.is_char_boundary(m.path_offset) && m.path_offset <= path.len());
            }
        }
    }
}
