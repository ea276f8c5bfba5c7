//! The active configuration as `/config_dump` shows it: what is served and where it goes, never a secret.

use gateway_config::{
    Snapshot,
    snapshot::{ApiEntry, BackendEntry},
};
use gateway_policy::context::Url;
use serde_json::{Value, json};

/// The whole snapshot.
pub(super) fn snapshot(snapshot: &Snapshot) -> Value {
    let gateway = snapshot.gateway();
    let kernel = snapshot.kernel();
    json!({
        "revision": snapshot.revision,
        "gateway": { "id": gateway.id, "region": gateway.region, "service": gateway.service_name },
        "apis": snapshot.apis().iter().map(|entry| api(entry)).collect::<Vec<_>>(),
        "products": snapshot.products().iter().map(|p| json!({
            "id": p.product.id,
            "apis": p.apis,
            "subscription_required": p.product.subscription_required,
            "published": p.product.published,
        })).collect::<Vec<_>>(),
        "backends": snapshot.backends().map(|entry| backend(entry)).collect::<Vec<_>>(),
        "listeners": snapshot.listeners().iter().map(|l| json!({
            "name": l.name, "address": l.address, "port": l.port, "tls": l.tls,
            "http1": l.http.http1, "http2": l.http.http2, "http3": l.http.http3,
        })).collect::<Vec<_>>(),
        "hostnames": snapshot.hostnames().iter().map(|h| json!({
            "name": h.name, "certificate": h.certificate_path, "default": h.default_binding,
        })).collect::<Vec<_>>(),
        "kernel": {
            "uplinks": kernel.uplinks,
            "steer": kernel.steer.iter().map(|rule| json!({
                "prefix": rule.prefix.to_string(),
                "ports": format!("{}-{}", rule.first_port, rule.last_port),
                "listener": rule.listener,
            })).collect::<Vec<_>>(),
            "deny": kernel.deny.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "allow": kernel.allow.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "trustedProxies": kernel.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "deniedByPolicy": snapshot.always_forbidden().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "ipFilterDenies": kernel.ip_filter_denies,
        },
    })
}

fn api(entry: &ApiEntry) -> Value {
    let operation = |o: &std::sync::Arc<gateway_config::snapshot::OperationEntry>| {
        json!({
            "id": o.operation.id,
            "method": o.operation.method,
            "template": o.operation.url_template,
        })
    };
    json!({
        "id": entry.name,
        "path": entry.effective_path,
        "revision": entry.api.revision,
        "current": entry.api.is_current_revision,
        "service_url": entry.service_url.as_ref().map(url),
        "subscription_required": entry.subscription_required,
        "refused": entry.refused,
        "operations": entry.operations.iter().map(operation).collect::<Vec<_>>(),
    })
}

/// Header fields and query parameters of a backend may be its credentials: only their names are shown.
fn backend(entry: &BackendEntry) -> Value {
    json!({
        "id": entry.backend.id,
        "url": entry.url.as_ref().map(url),
        "pool": entry.pool.iter().map(|member| &member.id).collect::<Vec<_>>(),
        "headers": entry.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        "query": entry.query.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "validates_chain": entry.validate_chain,
        "validates_name": entry.validate_name,
        "refused": entry.refused,
    })
}

/// Without the query, where keys are often put.
fn url(url: &Url) -> String {
    format!("{}://{}:{}{}", url.scheme, url.host, url.port, url.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_their_query() {
        let with_key = Url {
            scheme: "https".into(),
            host: "b.example".into(),
            port: 443,
            path: "/base".to_owned(),
            query: "code=s3cret".to_owned(),
        };
        assert_eq!(url(&with_key), "https://b.example:443/base");
    }

    #[test]
    fn an_empty_snapshot_has_every_member() {
        let dump = snapshot(&Snapshot::default());
        for member in [
            "revision",
            "gateway",
            "apis",
            "products",
            "backends",
            "listeners",
            "hostnames",
            "kernel",
        ] {
            assert!(dump.get(member).is_some(), "{member}");
        }
    }
}
