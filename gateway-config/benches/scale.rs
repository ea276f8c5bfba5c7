//! Load and look-up at the size the configuration plane is meant for: `cargo bench -p gateway-config`.
//!
//! Prints load time, reload time after one edit, time of a look-up for few and for many APIs, and memory. It asserts
//! nothing: machines differ; the targets are 10 s, 2 s, 1 µs and 1.5 GiB.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench binary prints, and a failure is the message"
)]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use gateway_config::{FileTree, Input, RequestKey, Route, SecretRef, Settings, Snapshot, load, settings};
use http::{HeaderMap, HeaderValue, Method};

const OPERATIONS: usize = 20;
const POLICY: &str = "<policies><inbound><base/><set-header name=\"x-scope\" exists-action=\"override\">\
    <value>@(context.Request.IpAddress)</value></set-header><choose><when condition=\"@(context.Api.Id == &quot;a&quot;)\">\
    <set-variable name=\"v\" value=\"1\"/></when></choose></inbound><backend><base/></backend><outbound><base/></outbound>\
    <on-error><base/></on-error></policies>";

fn tree(apis: usize, policies: usize) -> FileTree {
    let mut out = FileTree::new();
    let mut put = |path: String, text: String| out.insert(path, Arc::from(text.into_bytes()));
    for api in 0..apis {
        let (team, folder) = (api % 100, format!("apis/api-{api}"));
        put(
            format!("{folder}/apiInformation.json"),
            format!(
                r#"{{"properties":{{"path":"team{team}/api-{api}","displayName":"API {api}","protocols":["https"],"serviceUrl":"https://b{api}.example/base","subscriptionRequired":true}}}}"#
            ),
        );
        put(format!("{folder}/specification.yaml"), specification(api));
        if api < policies {
            put(format!("{folder}/policy.xml"), POLICY.to_owned());
        }
    }
    put(
        "products/all/productInformation.json".into(),
        r#"{"properties":{"displayName":"All"}}"#.into(),
    );
    for api in 0..apis {
        put(
            format!("products/all/apis/api-{api}/productApiInformation.json"),
            "{}".into(),
        );
        if api < 1000 {
            let text = format!(
                r#"{{"properties":{{"scope":"/products/all","state":"active","primaryKey":"key-{api}-0123456789abcdef"}}}}"#
            );
            put(format!("subscriptions/s{api}/subscriptionInformation.json"), text);
        }
    }
    out
}

fn specification(api: usize) -> String {
    let mut out = format!("openapi: 3.0.1\ninfo: {{title: API {api}, version: '1'}}\npaths:\n");
    for o in 0..OPERATIONS / 2 {
        out += &format!(
            "  /things{o}/{{id}}:\n    get:\n      summary: Get thing {o}\n      operationId: get-thing-{o}\n      parameters:\n        \
             - {{name: id, in: path, required: true, schema: {{type: string}}}}\n        - {{name: page, in: query, schema: {{type: integer}}}}\n      \
             responses:\n        '200':\n          description: ok\n          content:\n            application/json:\n              \
             example: {{id: 1, name: thing}}\n    put:\n      operationId: put-thing-{o}\n      responses:\n        '204': {{description: done}}\n"
        );
    }
    out
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let out = work();
    (out, start.elapsed())
}

fn cpu_timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = cpu();
    let out = work();
    (out, cpu().saturating_sub(start))
}

/// Processor time of this thread: other load on the machine does not count.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    Duration::from_nanos(nanoseconds)
}

fn snapshot(tree: &FileTree, settings: &Settings, previous: Option<&Arc<Snapshot>>) -> Arc<Snapshot> {
    let secrets = |_: &SecretRef| Err("none".to_owned());
    let loaded = load(&Input {
        tree,
        overlay: None,
        settings,
        secrets: &secrets,
        previous,
    });
    assert_eq!(
        (loaded.summary.errors, loaded.summary.refused_apis),
        (0, 0),
        "{:?}",
        loaded.problems.first()
    );
    loaded.snapshot.unwrap()
}

/// Nanoseconds of one look-up, and of one look-up with authorisation and program: the lower decile over batches, so
/// that other load on the machine does not count.
fn look_up(snapshot: &Snapshot, apis: usize) -> (f64, f64) {
    const BATCHES: usize = 400;
    let mut headers = HeaderMap::new();
    headers.insert(
        "ocp-apim-subscription-key",
        HeaderValue::from_static("key-7-0123456789abcdef"),
    );
    // Spread over all APIs in an order that no prefetcher guesses.
    let paths: Vec<String> = (0..1024)
        .map(|i| {
            let api = (i * 7919) % apis;
            format!(
                "/team{}/api-{api}/things{}/abc{i}",
                api % 100,
                i % (OPERATIONS / 2)
            )
        })
        .collect();
    let batch = |full: bool| {
        let (_, time) = timed(|| {
            for path in &paths {
                let key = RequestKey {
                    scheme: "https",
                    host: "h",
                    method: &Method::GET,
                    path,
                    query: "page=2",
                    headers: &headers,
                    websocket: false,
                };
                let Route::Matched(m) = snapshot.route(black_box(&key)) else {
                    panic!("{path}")
                };
                if full {
                    black_box(snapshot.authorize(m.api, &key));
                    black_box(snapshot.program(Some(m.api), Some(m.operation), None));
                }
                black_box(m.parameters);
            }
        });
        time.as_nanos() as f64 / paths.len() as f64
    };
    let run = |full: bool| {
        let mut times: Vec<f64> = (0..BATCHES).map(|_| batch(full)).collect();
        times.sort_by(f64::total_cmp);
        times[BATCHES / 10]
    };
    (run(false), run(true))
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or("");
    line.split_whitespace()
        .nth(1)
        .and_then(|n| n.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

fn main() {
    let (settings, _) = settings::parse(&[]);
    // `cargo test --all-targets` runs this without the argument that `cargo bench` gives: then small is enough.
    let sizes: &[(usize, usize)] = if std::env::args().any(|a| a == "--bench") {
        &[(100, 50), (10_000, 5_000)]
    } else {
        &[(20, 10)]
    };
    for &(apis, policies) in sizes {
        let mut files = tree(apis, policies);
        let bytes: usize = files.values().map(|f| f.len()).sum();
        let before = resident_mib();
        let (first, load_time) = cpu_timed(|| snapshot(&files, &settings, None));
        let memory = resident_mib().saturating_sub(before);
        files.insert(
            "apis/api-1/policy.xml".into(),
            Arc::from(POLICY.replace("x-scope", "x-new").into_bytes()),
        );
        let (second, reload_time) = cpu_timed(|| snapshot(&files, &settings, Some(&first)));
        drop(first);
        let (route, full) = look_up(&second, apis);
        println!(
            "{apis} APIs, {} operations, {policies} policies, {} KiB of files: load {:.2} s of CPU, reload after one edit {:.2} s, \
             {memory} MiB; look-up {route:.0} ns, with key and program {full:.0} ns",
            apis * OPERATIONS,
            bytes / 1024,
            load_time.as_secs_f64(),
            reload_time.as_secs_f64(),
        );
    }
}
