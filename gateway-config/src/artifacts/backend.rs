//! Backend entities: address, credentials, TLS checks, proxy, circuit breaker, pool.

use std::{sync::Arc, time::Duration};

use gateway_policy::context;
use http::{HeaderName, HeaderValue};

use super::{
    Entity,
    fields::{Fields, parse_url},
    id_in,
    named_value::substitute,
};
use crate::{
    doc::Node,
    problem::{Problem, Severity},
    settings::value::iso8601,
    snapshot::{BackendEntry, BackendProxy, BreakerRule, PoolMember},
};

/// APIM: members of a pool.
const MAX_POOL: usize = 30;
/// APIM: portal default of interval and trip duration.
const DEFAULT_BREAKER_TIME: Duration = Duration::from_secs(3600);

/// Finds the text of a named value.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<Arc<str>>;

/// Reads a backend. One that is unusable comes back refusing, so that policies naming it fail visibly.
pub(crate) fn read(entity: &Entity, names: Lookup<'_>, problems: &mut Vec<Problem>) -> BackendEntry {
    let id: Arc<str> = entity.name.as_str().into();
    let Some(properties) = &entity.properties else {
        return refused(&id, format!("{} could not be read", entity.path).into());
    };
    let mut f = Fields::new(entity, properties, problems);
    let is_pool =
        f.text("type").is_some_and(|t| t.eq_ignore_ascii_case("pool")) || properties.get("pool").is_some();
    let pool = if is_pool { read_pool(&mut f) } else { Vec::new() };
    let url = if is_pool { None } else { read_url(&mut f, names) };
    let (validate_chain, validate_name) = read_tls(&mut f);
    let mut out = BackendEntry {
        backend: Arc::new(context::Backend {
            id: Arc::clone(&id),
            azure_region: None,
            is_pool,
        }),
        url,
        headers: Vec::new(),
        query: Vec::new(),
        certificate_ids: Vec::new(),
        certificate_thumbprints: Vec::new(),
        validate_chain,
        validate_name,
        proxy: None,
        breaker: None,
        affinity_cookie: None,
        pool,
        refused: None,
    };
    read_credentials(&mut f, names, &mut out);
    out.proxy = read_proxy(&mut f, names);
    out.breaker = read_breaker(&mut f);
    out.affinity_cookie = properties
        .get("pool")
        .and_then(|p| p.get("sessionAffinity")?.get("sessionId")?.get("name")?.as_text())
        .map(Arc::from);
    out.refused = f.refusal();
    out
}

fn refused(id: &Arc<str>, reason: Arc<str>) -> BackendEntry {
    BackendEntry {
        backend: Arc::new(context::Backend {
            id: Arc::clone(id),
            azure_region: None,
            is_pool: false,
        }),
        url: None,
        headers: Vec::new(),
        query: Vec::new(),
        certificate_ids: Vec::new(),
        certificate_thumbprints: Vec::new(),
        validate_chain: true,
        validate_name: true,
        proxy: None,
        breaker: None,
        affinity_cookie: None,
        pool: Vec::new(),
        refused: Some(reason),
    }
}

fn read_url(f: &mut Fields<'_, '_>, names: Lookup<'_>) -> Option<context::Url> {
    let text = f.required_text("url", "give the base address of the backend")?;
    let at = f.node.get("url");
    let parsed = substitute(text, names).and_then(|t| parse_url(&t));
    match parsed {
        Ok(url) if !url.query.is_empty() => {
            let message = "`url` must not have a query string; move it to credentials.query";
            f.report(Severity::Scope, "bad-url", "url", at, message);
            None
        }
        Ok(url) => Some(url),
        Err(why) => {
            f.report(
                Severity::Scope,
                "bad-url",
                "url",
                at,
                format!("`url` is no usable address: {why}"),
            );
            None
        }
    }
}

fn read_tls(f: &mut Fields<'_, '_>) -> (bool, bool) {
    let Some(tls) = f.object("tls") else {
        return (true, true);
    };
    let mut one = |key: &str| match tls.get(key) {
        None => true,
        Some(node) => node.as_bool().unwrap_or_else(|| {
            f.report(
                Severity::Scope,
                "wrong-type",
                key,
                Some(node),
                format!("`tls.{key}` must be true or false"),
            );
            true
        }),
    };
    (one("validateCertificateChain"), one("validateCertificateName"))
}

fn read_credentials(f: &mut Fields<'_, '_>, names: Lookup<'_>, out: &mut BackendEntry) {
    let Some(credentials) = f.object("credentials") else {
        return;
    };
    for (key, values) in credentials.get("header").map_or(&[][..], Node::members) {
        let Ok(name) = HeaderName::from_bytes(key.name.as_bytes()) else {
            f.report(
                Severity::Scope,
                "bad-header-name",
                &key.name,
                Some(values),
                format!("`{}` is no header name", key.name),
            );
            continue;
        };
        for value in texts(values) {
            match value
                .ok_or_else(|| "it is no text".to_owned())
                .and_then(|v| substitute(v, names))
            {
                Ok(text) => match HeaderValue::from_str(&text) {
                    Ok(mut value) => {
                        value.set_sensitive(true);
                        out.headers.push((name.clone(), value));
                    }
                    Err(_) => credential_problem(f, &key.name, values, "it is not allowed in a header"),
                },
                Err(why) => credential_problem(f, &key.name, values, &why),
            }
        }
    }
    for (key, values) in credentials.get("query").map_or(&[][..], Node::members) {
        for value in texts(values) {
            match value
                .ok_or_else(|| "it is no text".to_owned())
                .and_then(|v| substitute(v, names))
            {
                Ok(text) => out.query.push((key.name.clone(), text)),
                Err(why) => credential_problem(f, &key.name, values, &why),
            }
        }
    }
    if let Some(authorization) = credentials.get("authorization") {
        read_authorization(f, authorization, names, out);
    }
    let list = |key: &str| {
        credentials
            .get(key)
            .map_or(&[][..], Node::items)
            .iter()
            .filter_map(Node::as_text)
    };
    out.certificate_ids = list("certificateIds")
        .map(|id| id_in(id, "certificates").unwrap_or(id).into())
        .collect();
    if out.certificate_ids.is_empty() {
        out.certificate_thumbprints = list("certificate").map(Arc::from).collect();
    }
    if let Some(identity) = credentials.get("managedIdentity") {
        let message = "a self-hosted gateway has no managed identity; use a header or certificate credential";
        f.report(
            Severity::Scope,
            "unsupported",
            "managedIdentity",
            Some(identity),
            message,
        );
    }
}

fn read_authorization(f: &mut Fields<'_, '_>, node: &Node, names: Lookup<'_>, out: &mut BackendEntry) {
    let part = |key: &str| node.get(key).and_then(Node::as_text).unwrap_or("");
    let text = format!("{} {}", part("scheme"), part("parameter"));
    match substitute(text.trim(), names) {
        Ok(text) if text.is_empty() => {}
        Ok(text) => match HeaderValue::from_str(&text) {
            Ok(mut value) => {
                value.set_sensitive(true);
                out.headers.push((http::header::AUTHORIZATION, value));
            }
            Err(_) => credential_problem(f, "authorization", node, "it is not allowed in a header"),
        },
        Err(why) => credential_problem(f, "authorization", node, &why),
    }
}

fn credential_problem(f: &mut Fields<'_, '_>, key: &str, at: &Node, why: &str) {
    f.report(
        Severity::Scope,
        "bad-credential",
        key,
        Some(at),
        format!("credential `{key}` is unusable: {why}"),
    );
}

/// One value or a list of values.
fn texts(node: &Node) -> Vec<Option<&str>> {
    match node.items() {
        [] if node.as_scalar().is_some() => vec![node.as_scalar()],
        items => items.iter().map(Node::as_scalar).collect(),
    }
}

fn read_proxy(f: &mut Fields<'_, '_>, names: Lookup<'_>) -> Option<BackendProxy> {
    let proxy = f.object("proxy")?;
    // Going past a proxy that was asked for could reach what the network must not: refused until it is built.
    let message =
        "forward proxies are not built yet, so the backend refuses; take `proxy` away to reach it directly";
    f.report(Severity::Scope, "unsupported", "proxy", Some(proxy), message);
    let field = |key: &str| {
        proxy
            .get(key)
            .and_then(Node::as_text)
            .map(|t| substitute(t, names))
    };
    let read = || -> Result<BackendProxy, String> {
        let url = field("url").ok_or("`proxy.url` is missing")??;
        Ok(BackendProxy {
            url: parse_url(&url)?,
            username: field("username").transpose()?.map(Into::into),
            password: field("password").transpose()?.map(Into::into),
        })
    };
    read()
        .map_err(|why| {
            f.report(
                Severity::Scope,
                "bad-proxy",
                "proxy",
                Some(proxy),
                format!("`proxy` is unusable: {why}"),
            )
        })
        .ok()
}

fn read_pool(f: &mut Fields<'_, '_>) -> Vec<PoolMember> {
    let Some(pool) = f.object("pool") else {
        f.report(
            Severity::Scope,
            "missing-property",
            "pool",
            None,
            "a backend of type Pool needs `pool.services`",
        );
        return Vec::new();
    };
    let services = pool.get("services").map_or(&[][..], Node::items);
    if services.is_empty() || services.len() > MAX_POOL {
        let message = format!(
            "`pool.services` has {} members; 1 to {MAX_POOL} are allowed",
            services.len()
        );
        f.report(Severity::Scope, "bad-pool", "pool.services", Some(pool), message);
    }
    let mut members = Vec::new();
    for service in services {
        let Some(id) = service
            .get("id")
            .and_then(Node::as_text)
            .filter(|id| !id.is_empty())
        else {
            f.report(
                Severity::Scope,
                "bad-pool",
                "pool.services",
                Some(service),
                "a pool member needs `id`: /backends/{name}",
            );
            continue;
        };
        let mut number = |key: &str, default: u32| match service.get(key) {
            None => default,
            Some(node) => node.as_i64().filter(|n| (0..=100).contains(n)).map_or_else(
                || {
                    f.report(
                        Severity::Scope,
                        "bad-pool",
                        key,
                        Some(node),
                        format!("`{key}` must be 0 to 100"),
                    );
                    default
                },
                |n| n as u32,
            ),
        };
        let weight = number("weight", 1);
        let priority = number("priority", 0);
        members.push(PoolMember {
            id: id_in(id, "backends").unwrap_or(id).into(),
            weight,
            priority,
        });
    }
    members
}

fn read_breaker(f: &mut Fields<'_, '_>) -> Option<BreakerRule> {
    let breaker = f.object("circuitBreaker")?;
    let rules = breaker.get("rules").map_or(&[][..], Node::items);
    if rules.len() > 1 {
        let message = "a backend has at most one circuit breaker rule; the first one counts";
        f.report(
            Severity::Warning,
            "extra-rule",
            "circuitBreaker",
            Some(&rules[1]),
            message,
        );
    }
    let rule = rules.first()?;
    let condition = rule.get("failureCondition");
    let number = |key: &str| condition?.get(key)?.as_i64().and_then(|n| u32::try_from(n).ok());
    let mut time = |node: Option<&Node>, key: &str| match node {
        None => DEFAULT_BREAKER_TIME,
        Some(node) => node.as_text().and_then(iso8601).unwrap_or_else(|| {
            let message = format!("`{key}` must be an ISO 8601 duration such as PT1M");
            f.report(Severity::Scope, "bad-duration", key, Some(node), message);
            DEFAULT_BREAKER_TIME
        }),
    };
    let interval = time(condition.and_then(|c| c.get("interval")), "interval");
    let trip_duration = time(rule.get("tripDuration"), "tripDuration");
    let ranges = condition
        .and_then(|c| c.get("statusCodeRanges"))
        .map_or(&[][..], Node::items);
    let mut status_ranges = Vec::new();
    for range in ranges {
        let bound = |key: &str| {
            range
                .get(key)
                .and_then(Node::as_i64)
                .filter(|n| (200..=599).contains(n))
        };
        match (bound("min"), bound("max")) {
            (Some(min), Some(max)) if min <= max => status_ranges.push((min as u16, max as u16)),
            _ => {
                let message = "a status code range needs `min` and `max` from 200 to 599";
                f.report(
                    Severity::Scope,
                    "bad-range",
                    "statusCodeRanges",
                    Some(range),
                    message,
                );
            }
        }
    }
    let reasons = condition
        .and_then(|c| c.get("errorReasons"))
        .map_or(&[][..], Node::items);
    Some(BreakerRule {
        name: rule.get("name").and_then(Node::as_text).unwrap_or("").into(),
        count: number("count"),
        percentage: number("percentage"),
        interval,
        status_ranges,
        error_reasons: reasons.iter().filter_map(Node::as_text).map(Arc::from).collect(),
        trip_duration,
        accept_retry_after: rule
            .get("acceptRetryAfter")
            .and_then(Node::as_bool)
            .unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(json: &str) -> (BackendEntry, Vec<Problem>) {
        let mut problems = Vec::new();
        let node = crate::doc::read("b.json", json.as_bytes(), &mut problems).unwrap();
        let entity = Entity {
            name: "b".into(),
            path: "b.json".into(),
            properties: Some(node),
            overlay: None,
        };
        let names = |n: &str| (n == "key").then(|| Arc::from("k1"));
        let entry = read(&entity, &names, &mut problems);
        (entry, problems)
    }

    #[test]
    fn everything_a_backend_can_have() {
        let (b, problems) = backend(
            r#"{"url": "https://b.example/api", "protocol": "http",
                "credentials": {"header": {"x-k": ["{{key}}", "2"]}, "query": {"code": ["{{key}}"]},
                    "authorization": {"scheme": "Bearer", "parameter": "{{key}}"},
                    "certificateIds": ["/subscriptions/x/certificates/c1"], "certificate": ["AB"]},
                "proxy": {"url": "http://p.example:3128", "username": "u", "password": "{{key}}"},
                "tls": {"validateCertificateChain": false},
                "circuitBreaker": {"rules": [{"name": "r", "failureCondition": {"count": 3, "interval": "PT1M",
                    "statusCodeRanges": [{"min": 500, "max": 599}], "errorReasons": ["free text"]},
                    "tripDuration": "PT10S", "acceptRetryAfter": true}]}}"#,
        );
        assert_eq!(
            problems.iter().map(|p| p.code).collect::<Vec<_>>(),
            ["unsupported"],
            "only the proxy"
        );
        assert!(
            b.refused.is_some(),
            "a proxy that was asked for is never gone past"
        );
        assert_eq!(b.headers.len(), 3);
        assert_eq!(b.query, [("code".to_owned(), "k1".to_owned())]);
        assert_eq!(&*b.certificate_ids[0], "c1");
        assert!(b.certificate_thumbprints.is_empty(), "ids win");
        assert_eq!((b.validate_chain, b.validate_name), (false, true));
        let rule = b.breaker.unwrap();
        assert_eq!(
            (rule.count, rule.trip_duration, rule.status_ranges[0]),
            (Some(3), Duration::from_secs(10), (500, 599))
        );
        let shown = format!("{:?}{:?}", b.proxy, b.headers);
        assert!(!shown.contains("k1"), "{shown}");
    }

    #[test]
    fn pools() {
        let (b, problems) = backend(
            r#"{"type": "Pool", "pool": {"services": [{"id": "/x/backends/a", "weight": 3}, {"id": "b", "priority": 2}],
                "sessionAffinity": {"sessionId": {"source": "Cookie", "name": "sid"}}}}"#,
        );
        assert_eq!(problems, []);
        assert!(b.backend.is_pool);
        assert_eq!(
            b.pool[0],
            PoolMember {
                id: "a".into(),
                weight: 3,
                priority: 0
            }
        );
        assert_eq!(
            b.pool[1],
            PoolMember {
                id: "b".into(),
                weight: 1,
                priority: 2
            }
        );
        assert_eq!(b.affinity_cookie.as_deref(), Some("sid"));
    }

    #[test]
    fn a_mistake_refuses_the_backend() {
        for (json, code) in [
            (r#"{}"#, "missing-property"),
            (r#"{"url": "b.example"}"#, "bad-url"),
            (r#"{"url": "https://b/?x=1"}"#, "bad-url"),
            (r#"{"url": "https://{{none}}/"}"#, "bad-url"),
            (
                r#"{"url": "https://b/", "credentials": {"header": {"x": ["{{none}}"]}}}"#,
                "bad-credential",
            ),
            (
                r#"{"url": "https://b/", "credentials": {"header": {"x y": ["1"]}}}"#,
                "bad-header-name",
            ),
            (
                r#"{"url": "https://b/", "credentials": {"managedIdentity": {}}}"#,
                "unsupported",
            ),
            (
                r#"{"url": "https://b/", "tls": {"validateCertificateName": "maybe"}}"#,
                "wrong-type",
            ),
            (r#"{"url": "https://b/", "proxy": {}}"#, "bad-proxy"),
            (r#"{"type": "Pool"}"#, "missing-property"),
            (r#"{"type": "Pool", "pool": {"services": []}}"#, "bad-pool"),
            (
                r#"{"url": "https://b/", "circuitBreaker": {"rules": [{"tripDuration": "soon"}]}}"#,
                "bad-duration",
            ),
        ] {
            let (b, problems) = backend(json);
            assert!(b.refused.is_some(), "{json}");
            assert!(problems.iter().any(|p| p.code == code), "{json}: {problems:?}");
        }
    }
}
