//! What a snapshot says, as text that is the same whatever source it came from.
//!
//! The revision is a hash over files, and two sources write the same entity in different files (operations stand in a
//! specification or in a list). This text is made from what was built: two nodes whose texts are equal serve the same.
//! Whatever can hold a secret stands in it as a hash.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::snapshot::{ApiEntry, BackendEntry, Snapshot};

/// One line an entity, sorted.
pub(crate) fn text(snapshot: &Snapshot) -> String {
    let mut lines = Vec::new();
    let gateway = &snapshot.gateway;
    lines.push(format!("gateway {} region={}", gateway.id, gateway.region));
    for api in &snapshot.apis {
        lines.push(api_line(api));
        let owner = format!("{};rev={}", api.name, api.api.revision);
        for operation in api.operations.iter() {
            let mut query = operation.query_parameters.clone();
            query.sort();
            let mut responses = operation.responses.clone();
            responses.sort_by_key(|r| r.status.as_u16());
            lines.push(format!(
                "operation {owner}/{:?} soap={:?} query={query:?} validated={} responses={responses:?}",
                operation.operation,
                operation.soap_action,
                operation.definition.is_some(),
            ));
        }
    }
    for product in &snapshot.products {
        lines.push(format!(
            "product {:?} apis={:?}",
            product.product,
            sorted(&product.apis)
        ));
    }
    lines.extend(snapshot.backends.values().map(|backend| backend_line(backend)));
    for entry in snapshot.access.subscriptions() {
        let all = format!("{:?} {:?}", entry.subscription, entry.owner);
        lines.push(format!(
            "subscription {} {:?} {:?} {} tracing={}",
            entry.subscription.id,
            entry.scope,
            entry.state,
            hash(&all),
            entry.allow_tracing,
        ));
    }
    for digest in snapshot.cache.documents.keys() {
        lines.push(format!("document {}", hex(digest)));
    }
    for id in snapshot.schemas.iter().flat_map(|schemas| schemas.keys()) {
        lines.push(format!("schema {id}"));
    }
    for listener in &snapshot.listeners {
        lines.push(format!("listener {listener:?}"));
    }
    for host in &snapshot.hostnames {
        lines.push(format!(
            "hostname {} ask={} http2={} default={}",
            host.name, host.negotiate_client_certificate, host.http2, host.default_binding
        ));
    }
    for certificate in &snapshot.certificates {
        lines.push(format!("certificate {}", certificate.id));
    }
    lines.push(format!("kernel {:?}", snapshot.kernel));
    lines.sort();
    let mut out = lines.join("\n");
    out.push('\n');
    out
}

fn api_line(entry: &ApiEntry) -> String {
    format!(
        "api {:?} header={} path={} kind={:?} protocols={:?} key={} version={:?} to={} refused={:?}",
        entry.api,
        entry.key_header,
        entry.effective_path,
        entry.kind,
        entry.protocols,
        entry.subscription_required,
        entry.version,
        hash(&format!("{:?}", entry.service_url)),
        entry.refused.is_some(),
    )
}

fn backend_line(entry: &BackendEntry) -> String {
    let all = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {} {} {:?} {:?}",
        entry.url,
        entry.headers,
        entry.query,
        entry.certificate_ids,
        entry.certificate_thumbprints,
        entry.breaker,
        entry.validate_chain,
        entry.validate_name,
        entry.pool,
        entry.affinity_cookie,
    );
    let proxy = entry
        .proxy
        .as_ref()
        .map(|p| format!("{:?} {:?} {:?}", p.url, p.username, p.password));
    format!(
        "backend {:?} {} proxy={} refused={}",
        entry.backend,
        hash(&all),
        proxy.map_or_else(|| "none".to_owned(), |p| hash(&p)),
        entry.refused.is_some(),
    )
}

fn sorted<T: Ord + Clone>(items: &[T]) -> Vec<T> {
    let mut out = items.to_vec();
    out.sort();
    out
}

/// Enough of a SHA-256 to tell texts apart.
fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
            let _ = write!(out, "{b:02x}");
            out
        })
}
