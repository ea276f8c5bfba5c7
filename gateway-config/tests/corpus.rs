//! The two real extracts load in place, and every problem they have is known by kind.
//!
//! Nothing of them is copied: they are read where they stand, and without them the test says that it skipped.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test binary: a failure is the message, a skip is printed"
)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use gateway_config::{
    FileTree, Input, Loaded, RequestKey, Route, Settings, load, settings, snapshot::ApiKind,
};
use http::{HeaderMap, HeaderValue, Method};

fn folder(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = root
        .map(|a| a.join("shared/corpus/apiops").join(name).join("apimartifacts"))
        .find(|p| p.is_dir());
    if found.is_none() {
        println!("SKIP: ../shared/corpus/apiops/{name} is not on this machine");
    }
    found
}

fn read(root: &Path) -> FileTree {
    let mut tree = FileTree::new();
    let mut pending = vec![root.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                tree.insert(name, Arc::from(std::fs::read(&path).unwrap()));
            }
        }
    }
    tree
}

fn load_tree(tree: &FileTree, settings: &Settings) -> Loaded {
    let secrets = |_: &gateway_config::SecretRef| Err("none here".to_owned());
    load(&Input {
        tree,
        overlay: None,
        settings,
        secrets: &secrets,
        previous: None,
    })
}

/// Problems that are not about policies (those are the policy crate's), counted by code.
fn by_code(loaded: &Loaded) -> BTreeMap<&'static str, usize> {
    let mut out = BTreeMap::new();
    let ours =
        |p: &&gateway_config::Problem| !p.path.ends_with("policy.xml") || p.code == "unknown-operation";
    for p in loaded.problems.iter().filter(ours) {
        *out.entry(p.code).or_default() += 1;
    }
    out
}

fn check(name: &str, gateway: Option<&str>, expected: &[(&str, usize)], apis: usize, refused: usize) {
    let Some(root) = folder(name) else { return };
    let tree = read(&root);
    let (mut settings, _) = settings::parse(&[]);
    settings.gateway_name = gateway.map(Into::into);
    let loaded = load_tree(&tree, &settings);
    for p in &loaded.problems {
        println!("{p}");
    }
    println!("{:?}", loaded.summary);
    let got = by_code(&loaded);
    assert_eq!(got, expected.iter().copied().collect(), "{name}");
    assert_eq!(
        (loaded.summary.apis, loaded.summary.refused_apis),
        (apis, refused),
        "{name}"
    );
    assert!(loaded.snapshot.is_some());
}

#[test]
fn a_large_extract_of_a_demo_service() {
    let expected = [
        ("bad-credential", 2),
        // Two loggers whose credentials are secret named values.
        ("no-credential", 2),
        ("no-keys", 1),
        ("no-value", 17),
        ("unknown-operation", 1),
    ];
    check("anotherRedbeard__apimdemo-environment", None, &expected, 20, 1);
}

#[test]
fn an_extract_with_a_gateway() {
    let expected = [("no-gateway-name", 1), ("no-keys", 1), ("no-value", 4)];
    check("mitulashah__demo-integrationsvcs", None, &expected, 14, 0);
    // Two revisions of the one API that is assigned to it.
    check(
        "mitulashah__demo-integrationsvcs",
        Some("home-deployment"),
        &expected[1..],
        2,
        0,
    );
    let expected = [("gateway-not-in-folder", 1), ("no-keys", 1), ("no-value", 4)];
    check(
        "mitulashah__demo-integrationsvcs",
        Some("another"),
        &expected,
        14,
        0,
    );
}

/// A path and query that the template matches.
fn instance(template: &str) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out += &rest[..open];
        let close = rest.find('}').unwrap();
        out += if rest[open..].starts_with("{*") {
            "any/thing"
        } else {
            "v1"
        };
        rest = &rest[close + 1..];
    }
    (out + rest).replace('*', "any/thing")
}

/// Every operation of the real extracts answers a request made from its own template.
#[test]
fn every_operation_is_reached_by_its_own_template() {
    let mut reached = 0;
    for name in [
        "anotherRedbeard__apimdemo-environment",
        "mitulashah__demo-integrationsvcs",
    ] {
        let Some(root) = folder(name) else { return };
        let (settings, _) = settings::parse(&[]);
        let snapshot = load_tree(&read(&root), &settings).snapshot.unwrap();
        for api in snapshot.apis().iter().filter(|a| a.refused.is_none()) {
            let revision = if api.api.is_current_revision {
                String::new()
            } else {
                format!(";rev={}", api.api.revision)
            };
            for operation in api.operations.iter() {
                let template = instance(&operation.operation.url_template);
                let (path, query) = template.split_once('?').unwrap_or((&template, ""));
                let path = format!("/{}{revision}{path}", api.effective_path);
                let mut headers = HeaderMap::new();
                if let Some(action) = &operation.soap_action {
                    headers.insert("soapaction", HeaderValue::from_str(action).unwrap());
                }
                let method = Method::from_bytes(operation.operation.method.as_bytes()).unwrap();
                let key = RequestKey {
                    scheme: if api.protocols.https { "https" } else { "http" },
                    host: "h",
                    method: &method,
                    path: &path,
                    query,
                    headers: &headers,
                    websocket: api.kind == ApiKind::WebSocket,
                };
                match snapshot.route(&key) {
                    Route::Matched(m) => {
                        assert_eq!(
                            m.operation.operation.id, operation.operation.id,
                            "{method} {path}?{query}"
                        );
                        assert_eq!(m.api.api, api.api);
                        reached += 1;
                    }
                    other => panic!("{method} {path}?{query}: {other:?}"),
                }
            }
        }
    }
    assert!(reached > 200, "{reached}");
}
