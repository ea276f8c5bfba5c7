//! Whole loads: what is served, what refuses, what is taken over from the snapshot before.

mod damage;
mod forbidden;
mod links;
mod reuse;
mod telemetry;
mod validated;

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, Method};

use super::*;
use crate::{
    Access, RequestKey, Route, Secret, SecretRef,
    settings::{self, RawSetting},
};

/// A small service: one API with two operations, an open and a closed product.
fn base() -> BTreeMap<String, String> {
    let files = [
        (
            "policy.xml",
            "<policies><inbound/><backend><forward-request/></backend><outbound/><on-error/></policies>",
        ),
        (
            "apis/echo/apiInformation.json",
            r#"{"properties": {"path": "echo", "displayName": "Echo", "protocols": ["http", "https"], "serviceUrl": "https://b.example/base?sig=x", "subscriptionRequired": true}}"#,
        ),
        (
            "apis/echo/specification.yaml",
            "openapi: 3.0.1\npaths:\n  /items/{id}:\n    get: {operationId: get-item}\n    put: {operationId: put-item}\n",
        ),
        (
            "apis/echo/operations/Get-Item/policy.xml",
            "<policies><inbound><base/><set-header name=\"x\" exists-action=\"override\"><value>{{who}}</value></set-header></inbound><backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error></policies>",
        ),
        (
            "named values/65e2/namedValueInformation.json",
            r#"{"properties": {"displayName": "who", "value": "me"}}"#,
        ),
        (
            "products/starter/productInformation.json",
            r#"{"properties": {"displayName": "Starter", "state": "published", "subscriptionRequired": true}}"#,
        ),
        ("products/starter/apis/echo/productApiInformation.json", "{}"),
        (
            "products/starter/policy.xml",
            "<policies><inbound><base/></inbound><backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error></policies>",
        ),
        (
            "subscriptions/one/subscriptionInformation.json",
            r#"{"properties": {"scope": "/products/starter", "state": "active", "ownerId": "/users/1"}}"#,
        ),
        (
            "backends/b/backendInformation.json",
            r#"{"properties": {"url": "https://b.example", "credentials": {"header": {"k": ["{{who}}"]}}}}"#,
        ),
    ];
    files
        .iter()
        .map(|(p, t)| ((*p).to_owned(), (*t).to_owned()))
        .collect()
}

const OVERLAY: &str = "subscriptions:\n- name: one\n  properties: {primaryKey: {env: KEY}}\n";

struct World {
    files: BTreeMap<String, String>,
    overlay: String,
    settings: Vec<(&'static str, &'static str)>,
    /// The environment is empty.
    no_secrets: bool,
}

impl World {
    fn new() -> Self {
        World {
            files: base(),
            overlay: OVERLAY.into(),
            settings: Vec::new(),
            no_secrets: false,
        }
    }

    fn with(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    fn load(&self, previous: Option<&Arc<Snapshot>>) -> Loaded {
        let tree: FileTree = self
            .files
            .iter()
            .map(|(p, t)| (p.clone(), Arc::from(t.as_bytes())))
            .collect();
        let raw: Vec<RawSetting> = self
            .settings
            .iter()
            .map(|(n, v)| RawSetting {
                origin: "f".into(),
                name: (*n).into(),
                value: (*v).into(),
                line: 1,
            })
            .collect();
        let (settings, _) = settings::parse(&raw);
        let secrets = |r: &SecretRef| match r {
            SecretRef::Env(name) if &**name == "KEY" && !self.no_secrets => Ok(Secret::new("k1")),
            _ => Err("not set".to_owned()),
        };
        let overlay = OverlayFile {
            path: "overlay.yaml",
            bytes: self.overlay.as_bytes(),
        };
        load(&Input {
            tree: &tree,
            overlay: Some(overlay),
            settings: &settings,
            secrets: &secrets,
            previous,
        })
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        let loaded = self.load(None);
        loaded.snapshot.unwrap_or_else(|| panic!("{:?}", loaded.problems))
    }
}

fn codes(loaded: &Loaded) -> Vec<(&str, &'static str)> {
    loaded
        .problems
        .iter()
        .map(|p| (p.path.as_str(), p.code))
        .collect()
}

/// API and operation of a GET, or what else came.
fn get(snapshot: &Snapshot, path: &str) -> String {
    let headers = HeaderMap::new();
    let key = RequestKey {
        scheme: "http",
        host: "h",
        method: &Method::GET,
        path,
        query: "",
        headers: &headers,
        websocket: false,
    };
    match snapshot.route(&key) {
        Route::Matched(m) => format!("{}/{}", m.api.name, m.operation.operation.id),
        Route::Refused { reason, .. } => format!("refused {reason}"),
        Route::NoOperation { api } => format!("none in {}", api.map_or("-", |a| &*a.name)),
        Route::Preflight(_) => "preflight".into(),
    }
}

#[test]
fn a_small_service_is_served() {
    let world = World::new();
    let loaded = world.load(None);
    assert_eq!(codes(&loaded), []);
    let summary = Summary {
        apis: 1,
        operations: 2,
        products: 1,
        subscriptions: 1,
        backends: 1,
        policies: 3,
        ..Summary::default()
    };
    assert_eq!(loaded.summary, summary);
    let snapshot = loaded.snapshot.unwrap();
    assert_eq!(get(&snapshot, "/echo/items/1"), "echo/Get-Item");
    let api = &snapshot.apis()[0];
    assert_eq!(
        api.service_url.as_ref().map(|u| (&*u.host, u.query.as_str())),
        Some(("b.example", "sig=x"))
    );
    let mut headers = HeaderMap::new();
    headers.insert("ocp-apim-subscription-key", HeaderValue::from_static("k1"));
    let key = RequestKey {
        scheme: "http",
        host: "h",
        method: &Method::GET,
        path: "/echo/items/1",
        query: "",
        headers: &headers,
        websocket: false,
    };
    let Access::Granted(grant) = snapshot.authorize(api, &key) else {
        panic!("the key is good")
    };
    assert_eq!(grant.user.unwrap().id.as_ref(), "1");
    // The program differs by operation document and by product.
    let product = grant.product.unwrap();
    let (own, other) = (&api.operations[0], &api.operations[1]);
    let program = |o, p| Arc::as_ptr(snapshot.program(Some(api), o, p));
    assert_ne!(program(Some(&**own), None), program(Some(&**other), None));
    assert_ne!(
        program(Some(&**own), None),
        program(Some(&**own), Some(&*product))
    );
    assert_eq!(
        program(Some(&**other), None),
        Arc::as_ptr(snapshot.program(None, None, None)),
        "shared without documents"
    );
    assert_eq!(snapshot.backend("B").unwrap().headers[0].1, "me");
    assert_eq!(snapshot.listeners().len(), 2);
    assert_eq!(snapshot.listeners()[1].port, 8081);
}

#[test]
fn nothing_secret_shows_in_a_snapshot() {
    let mut world = World::new();
    world.overlay = format!(
        "{OVERLAY}namedValues: [{{name: '65e2', properties: {{value: hidden-value, secret: true}}}}]\n"
    );
    let shown = format!("{:?}", world.load(None));
    for secret in ["k1", "hidden-value", "sig=x"] {
        assert!(!shown.contains(secret), "{secret} shows: {shown}");
    }
}

#[test]
fn one_bad_entity_refuses_itself_and_the_rest_serves() {
    let other = r#"{"properties": {"path": "other", "protocols": ["http"]}}"#;
    for (path, text, code, request, expected) in [
        (
            "apis/other/apiInformation.json",
            "{",
            "bad-json",
            "/other",
            "none in -",
        ),
        (
            "apis/other/apiInformation.json",
            r#"{"properties": {"displayName": "x"}}"#,
            "missing-property",
            "/other",
            "none in -",
        ),
        (
            "apis/other/apiInformation.json",
            r#"{"properties": {"path": "a//b"}}"#,
            "bad-path",
            "/other",
            "none in -",
        ),
        (
            "apis/other/apiInformation.json",
            r#"{"properties": {"path": "other", "protocols": ["gopher", "http"]}}"#,
            "unknown-value",
            "/other/x",
            "refused apis/other",
        ),
        (
            "apis/other/apiInformation.json",
            r#"{"properties": {"path": "other", "protocols": ["http"], "serviceUrl": "nowhere"}}"#,
            "bad-url",
            "/other/x",
            "refused apis/other",
        ),
        (
            "apis/other/apiInformation.json",
            r#"{"properties": {"path": "other", "protocols": ["http"], "apiVersion": "v1", "apiVersionSetId": "/apiVersionSets/none"}}"#,
            "unknown-version-set",
            "/other/x",
            "refused apis/other",
        ),
        (
            "apis/other/apiInformation.json",
            r#"{"properties": {"path": "ECHO", "protocols": ["http"]}}"#,
            "same-path",
            "/other",
            "none in -",
        ),
        (
            "apis/other/specification.yaml",
            "openapi: [",
            "bad-yaml",
            "/other/x",
            "refused apis/other",
        ),
        (
            "apis/other/specification.yaml",
            "openapi: 3.0.1\npaths:\n  /a/{x}{y}: {get: {}}\n  /b: {get: {operationId: b}}\n",
            "bad-template",
            "/other/b",
            "other/b",
        ),
        (
            "apis/other/specification.yaml",
            "openapi: 3.0.1\npaths:\n  /a/{x}{y}: {get: {}}\n  /*: {get: {operationId: all}}\n",
            "bad-template",
            "/other/b",
            "refused an operation",
        ),
        (
            "apis/other/specification.yaml",
            "openapi: 3.0.1\npaths:\n  /a/{x}: {get: {operationId: one}}\n  /a/{y}: {get: {operationId: two}}\n",
            "same-operation",
            "/other/a/1",
            "other/one",
        ),
    ] {
        let mut world = World::new().with("apis/other/apiInformation.json", other);
        world = world
            .with(
                "apis/other/specification.yaml",
                "openapi: 3.0.1\npaths:\n  /b: {get: {operationId: b}}\n",
            )
            .with(path, text);
        let loaded = world.load(None);
        assert!(
            loaded
                .problems
                .iter()
                .any(|p| p.code == code && p.severity == Severity::Scope),
            "{text}: {:?}",
            loaded.problems
        );
        let snapshot = loaded.snapshot.unwrap();
        assert_eq!(get(&snapshot, "/echo/items/1"), "echo/Get-Item", "{text}");
        let got = get(&snapshot, request);
        assert!(got.starts_with(expected), "{text}: {got}");
    }
}

#[test]
fn policies_that_do_not_load_are_counted_and_named() {
    let loaded = World::new()
        .with(
            "products/starter/policy.xml",
            "<policies><inbound><no-such/></inbound></policies>",
        )
        .load(None);
    assert_eq!((loaded.summary.policies, loaded.summary.refused_policies), (3, 1));
    assert!(
        loaded
            .problems
            .iter()
            .any(|p| p.path == "products/starter/policy.xml" && p.line == 1)
    );
    for text in [
        format!("<policies>{}</policies>", " ".repeat(300_000)),
        "\u{0}".into(),
    ] {
        let loaded = World::new().with("apis/echo/policy.xml", &text).load(None);
        assert_eq!(loaded.summary.refused_policies, 1);
        assert!(loaded.snapshot.is_some());
    }
    let mut world = World::new();
    world.files.remove("named values/65e2/namedValueInformation.json");
    let loaded = world.load(None);
    assert_eq!(
        loaded.summary.refused_policies, 1,
        "a named value that is gone refuses what used it"
    );
    assert!(loaded.snapshot.unwrap().backend("b").unwrap().refused.is_some());
}

#[test]
fn listeners_have_their_own_rules() {
    let mut world = World::new();
    world.overlay = format!(
        "{OVERLAY}listeners: [{{name: a, port: 0, http2: false, limits: {{connections: 5, idleTimeout: 3s}}, \
         proxyProtocol: [192.0.2.7], trustedProxies: [2001:db8::/32, 198.51.100.9/24]}}]\n"
    );
    let loaded = world.load(None);
    assert_eq!(loaded.problems, []);
    let snapshot = loaded.snapshot.unwrap();
    let listener = &snapshot.listeners()[0];
    assert!(listener.http.http1 && !listener.http.http2);
    assert_eq!(
        (listener.limits.connections, listener.limits.idle_timeout),
        (Some(5), Some(std::time::Duration::from_secs(3)))
    );
    let text = |list: &[ipnet::IpNet]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(text(&listener.proxy_protocol), ["192.0.2.7/32"]);
    assert_eq!(
        text(&listener.trusted_proxies),
        ["2001:db8::/32", "198.51.100.0/24"]
    );
}

#[test]
fn a_folder_that_is_wrong_everywhere_is_cut_short() {
    let mut world = World::new();
    for i in 0..=MAX_PROBLEMS {
        world
            .files
            .insert(format!("backends/b{i}/backendInformation.json"), "{".into());
    }
    let loaded = world.load(None);
    assert_eq!(loaded.problems.len(), MAX_PROBLEMS + 1);
    assert_eq!(loaded.summary.errors, MAX_PROBLEMS + 1);
    assert_eq!(loaded.problems[MAX_PROBLEMS].code, "more-problems");
}

#[test]
fn fatal_problems_keep_the_last_snapshot() {
    let mut world = World::new();
    world.overlay = "kernal: {}\n".into();
    let loaded = world.load(None);
    assert!(loaded.snapshot.is_none());
    assert!(loaded.problems[0].message.contains("`kernel`"));
}

#[test]
fn a_gateway_serves_its_own_apis() {
    let mut world = World::new()
        .with(
            "apis/other/apiInformation.json",
            r#"{"properties": {"path": "other", "protocols": ["http"]}}"#,
        )
        .with(
            "apis/other/specification.yaml",
            "openapi: 3.0.1\npaths: {/b: {get: {operationId: b}}}\n",
        )
        .with(
            "gateways/Edge/gatewayInformation.json",
            r#"{"properties": {"locationData": {"name": "Plant 7"}}}"#,
        )
        .with("gateways/Edge/apis/other/gatewayApiInformation.json", "{}")
        .with("gateways/Edge/apis/gone/gatewayApiInformation.json", "{}");
    for (setting, value, echo, region) in [
        ("gateway.name", "edge", "none in -", "Plant 7"),
        (
            "config.service.auth",
            "GatewayKey edge&202701010000&abc=",
            "none in -",
            "Plant 7",
        ),
        ("gateway.name", "unknown", "echo/Get-Item", ""),
        (
            "config.service.endpoint",
            "https://contoso.configuration.azure-api.net",
            "echo/Get-Item",
            "",
        ),
    ] {
        world.settings = vec![(setting, value)];
        let snapshot = world.snapshot();
        assert_eq!(get(&snapshot, "/echo/items/1"), echo, "{value}");
        assert_eq!(get(&snapshot, "/other/b"), "other/b");
        assert_eq!(&*snapshot.gateway().region, region);
    }
    assert_eq!(&*world.snapshot().gateway().service_name, "contoso");
}

#[test]
fn versions_and_revisions_of_the_folder() {
    let spec = "openapi: 3.0.1\npaths: {/x: {get: {operationId: x}}}\n";
    let mut world = World::new();
    for (folder, extra) in [
        (
            "v1",
            r#""apiVersion": "v1", "apiVersionSetId": "/a/apiVersionSets/set""#,
        ),
        ("v0", r#""apiVersionSetId": "/apiVersionSets/SET""#),
        (
            "v1;rev=2",
            r#""apiVersion": "v1", "apiVersionSetId": "/apiVersionSets/set", "apiRevision": "2""#,
        ),
        (
            "v1;rev=3",
            r#""apiVersion": "v1", "apiVersionSetId": "/apiVersionSets/set", "isOnline": false"#,
        ),
        ("loose", r#""apiVersion": "v9", "path": "loose""#),
    ] {
        let info = format!(r#"{{"properties": {{"path": "vs", "protocols": ["http"], {extra}}}}}"#);
        world = world
            .with(&format!("apis/{folder}/apiInformation.json"), &info)
            .with(&format!("apis/{folder}/specification.yaml"), spec);
    }
    let world = world.with(
        "version sets/set/versionSetInformation.json",
        r#"{"properties": {"versioningScheme": "segment"}}"#,
    );
    let loaded = world.load(None);
    let kinds: Vec<&str> = loaded.problems.iter().map(|p| p.code).collect();
    assert_eq!(kinds, ["no-version-set", "repeated-key"]);
    let snapshot = loaded.snapshot.unwrap();
    for (path, expected) in [
        ("/vs/v1/x", "v1/x"),
        ("/vs/x", "v0/x"),
        ("/vs/v1;rev=2/x", "v1/x"),
        ("/vs/v1;rev=3/x", "none in -"),
        ("/loose/x", "loose/x"),
    ] {
        assert_eq!(get(&snapshot, path), expected, "{path}");
    }
}

#[test]
fn listeners_of_the_overlay_replace_those_of_the_settings() {
    let mut world = World::new();
    world.settings = vec![
        ("net.server.http.port", "0"),
        ("net.server.http3.enabled", "false"),
        ("net.server.address", "::1"),
    ];
    let snapshot = world.snapshot();
    let [listener] = snapshot.listeners() else {
        panic!("the plain one is off")
    };
    assert_eq!(
        (&*listener.name, listener.port, listener.tls, listener.http.http3),
        ("https", 8081, true, false)
    );
    assert_eq!(listener.address.to_string(), "::1");
    world.overlay = "listeners: [{name: only, port: 0}]\nkernel: {uplinks: [e], deny: [10.1.2.3/8]}\n\
                     hostnames: [{name: '*.Example.com.', certificatePath: c, keyPath: k, http2: false}]\n\
                     certificates: [{id: c, certificatePath: c}]\n"
        .into();
    let snapshot = world.snapshot();
    assert_eq!(snapshot.listeners().len(), 1);
    assert!(!snapshot.listeners()[0].http.http3, "no HTTP/3 without TLS");
    assert_eq!(snapshot.kernel().deny[0].to_string(), "10.0.0.0/8");
    assert_eq!(&*snapshot.hostnames()[0].name, "*.example.com");
    assert_eq!(snapshot.certificates()[0].key_path, None);
}

#[test]
fn definitions_are_kept_where_a_policy_validates() {
    let validates = "<policies><inbound><base/><validate-parameters specified-parameter-action=\"prevent\" unspecified-parameter-action=\"ignore\"/></inbound><backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error></policies>";
    let kept = |loaded: &Loaded| {
        let snapshot = loaded.snapshot.as_ref().unwrap();
        let operations = snapshot.apis()[0].operations.iter();
        operations.filter(|o| o.definition.is_some()).count()
    };
    let world = World::new();
    let plain = world.load(None);
    assert_eq!(kept(&plain), 0);
    // The specification is the same, but what is asked of it is not.
    let world = world.with("apis/echo/policy.xml", validates);
    let loaded = world.load(plain.snapshot.as_ref());
    assert_eq!(codes(&loaded), []);
    assert_eq!(kept(&loaded), 2);
    let world = world.with(
        "schemas/s/schemaInformation.json",
        r#"{"properties": {"document": {}}}"#,
    );
    let loaded = world.load(None);
    assert_eq!(codes(&loaded), []);
    let definitions = loaded.snapshot.unwrap().definitions(None);
    assert!(definitions.schemas.unwrap().contains_key("s"));
}

#[test]
fn the_cache_entity_of_the_location_is_the_external_cache() {
    let cache = |location: &str, connection: &str| {
        format!(
            r#"{{"properties": {{"useFromLocation": "{location}", "connectionString": "{connection}"}}}}"#
        )
    };
    let load = |entities: &[(&str, String)], settings: &[(&'static str, &'static str)]| {
        let mut world = World::new();
        world.settings = settings.to_vec();
        for (name, text) in entities {
            world = world.with(&format!("caches/{name}/cacheInformation.json"), text);
        }
        let loaded = world.load(None);
        let problem = loaded.problems.iter().find(|p| p.code == "cache-not-connected");
        match (problem, loaded.snapshot.and_then(|s| s.external_cache().cloned())) {
            (Some(problem), None) => problem.message.clone(),
            (None, Some(redis)) => format!("{}:{}", redis.endpoints[0].0, redis.endpoints[0].1),
            (None, None) => "none".to_owned(),
            (Some(problem), Some(_)) => panic!("{problem:?}"),
        }
    };
    let (default, away) = (
        cache("default", "d:1,password={{who}}"),
        cache("West Europe", "w:2"),
    );
    for (entities, settings, expected) in [
        (vec![], &[][..], "none"),
        (vec![("a", away.clone())], &[], "none"),
        (vec![("a", away), ("b", default.clone())], &[], "d:1"),
        (
            vec![("a", default)],
            &[("cache.external.connection-string", "s:3")],
            "none",
        ),
        (
            vec![("a", cache("default", ""))],
            &[],
            "cache `a` cannot be connected to: it has no `connectionString`; give its address there, or in the setting cache.external.connection-string",
        ),
        (vec![("a", cache("default", "{{nobody}}"))], &[], "nobody"),
    ] {
        let got = load(&entities, settings);
        assert!(got.contains(expected), "{entities:?}: {got}");
    }
}
