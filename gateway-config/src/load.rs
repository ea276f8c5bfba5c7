//! From files, overlay and settings to a snapshot: parse, merge, check, build; nothing is dropped in silence.
//!
//! A mistake refuses its own entity; only a broken overlay, a wrong folder or bad settings stop the whole. What did
//! not change since the previous snapshot (by content hash) is taken from it, so that an edit of one operation costs
//! about what one operation costs.

mod apis;
mod cache;
mod certificates;
mod diff;
mod digest;
mod gateway;
mod identities;
mod operations;
mod policies;
mod schemas;
mod secrets;
mod telemetry;
#[cfg(test)]
mod tests;
mod validated;

use std::sync::Arc;

use crate::{
    access::AccessTable,
    artifacts,
    network::{HttpVersions, Listener, ListenerLimits},
    overlay::{self, OverlayFile},
    problem::{Problem, Severity},
    secret::{SecretLookup, SecretRef},
    settings::Settings,
    snapshot::{FileTree, Snapshot},
};

pub(crate) use cache::Cache;
pub use diff::{Diff, diff};
pub(crate) use policies::Programs;

/// Everything a snapshot is made from.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Artifact folder.
    pub tree: &'a FileTree,
    /// Overlay, when one is configured.
    pub overlay: Option<OverlayFile<'a>>,
    /// Settings.
    pub settings: &'a Settings,
    /// Fetches secrets that the overlay refers to.
    pub secrets: SecretLookup<'a>,
    /// The snapshot in use: what did not change is taken from it.
    pub previous: Option<&'a Arc<Snapshot>>,
}

/// What came of loading.
#[derive(Debug)]
pub struct Loaded {
    /// `None` after a fatal problem: keep the last good one.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Everything wrong, in order of path and line.
    pub problems: Vec<Problem>,
    /// What is in it.
    pub summary: Summary,
}

/// Counts for logs and `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// APIs served, revisions included.
    pub apis: usize,
    /// APIs that refuse.
    pub refused_apis: usize,
    /// Operations served.
    pub operations: usize,
    /// Products.
    pub products: usize,
    /// Subscriptions with at least one key.
    pub subscriptions: usize,
    /// Subscriptions without any key.
    pub keyless_subscriptions: usize,
    /// Backends.
    pub backends: usize,
    /// Policy documents.
    pub policies: usize,
    /// Policy documents that refuse.
    pub refused_policies: usize,
    /// Warnings.
    pub warnings: usize,
    /// Mistakes that refuse something.
    pub errors: usize,
}

/// Most problems handed on; a folder that is wrong everywhere must not fill memory and logs.
const MAX_PROBLEMS: usize = 10_000;

/// Loads a configuration. Never fails as a whole but for fatal problems; see [`Loaded`].
pub fn load(input: &Input<'_>) -> Loaded {
    let mut problems = Vec::new();
    let mut artifacts = artifacts::read(input.tree, &mut problems);
    let overlay = input
        .overlay
        .map(|file| overlay::read(file, &mut problems))
        .unwrap_or_default();
    overlay.apply(&mut artifacts, &mut problems);

    let previous = input.previous.map(|p| &**p);
    let secrets = secrets::Secrets::new(input.secrets, previous.map(|p| &p.cache.secrets));
    let lookup = |reference: &SecretRef| secrets.get(reference);
    let named_values = identities::named_values(&artifacts, &lookup, &mut problems);
    let gateway = gateway::select(&artifacts, &overlay, input.settings, &mut problems);
    let schemas = schemas::read(&artifacts, &mut problems);
    let products = identities::products(&artifacts, &mut problems);
    let subscriptions = identities::subscriptions(&artifacts, &overlay, &lookup, &mut problems);
    let backends = identities::backends(&artifacts, &named_values, &mut problems);
    let mut apis = apis::build(&artifacts, &overlay, &gateway, previous, &mut problems);
    identities::check_links(&products, &subscriptions, &artifacts, &mut problems);

    let telemetry = telemetry::read(
        &artifacts,
        &named_values,
        &apis,
        input.settings,
        &lookup,
        &mut problems,
    );
    let cache = certificates::cache(
        &artifacts,
        &named_values,
        &gateway.entity,
        input.settings,
        &mut problems,
    );
    let mut documents = policies::Compiler::new(
        &artifacts,
        &named_values,
        input.settings,
        cache.is_some(),
        previous,
        &mut problems,
    );
    let programs = policies::compose(&mut documents, &artifacts, &apis, &products);
    let (document_cache, counts) = documents.finish();
    let (access, clashes) = AccessTable::build(&products, &subscriptions);
    for clash in clashes {
        let message = format!(
            "subscriptions `{}` and `{}` have the same key; it opens what the first one opens",
            clash.first, clash.second
        );
        problems.push(Problem::scope(
            "same-key",
            &format!("subscriptions/{}", clash.second),
            message,
        ));
    }

    let certificates = certificates::merge(&artifacts, overlay.certificates);
    let hostnames = certificates::hostnames(
        &artifacts,
        &gateway,
        overlay.hostnames,
        &certificates,
        &mut problems,
    );
    let authorities = certificates::authorities(&artifacts, &gateway, &certificates, &mut problems);
    let secrets = secrets.finish(&overlay.path, &mut problems);
    let digests = digest::of(input.tree, input.overlay);
    let summary = Summary {
        apis: apis.entries.len(),
        refused_apis: apis.entries.iter().filter(|a| a.refused.is_some()).count(),
        operations: apis.entries.iter().map(|a| a.operations.len()).sum(),
        products: products.len(),
        subscriptions: subscriptions.iter().filter(|s| identities::has_key(s)).count(),
        keyless_subscriptions: subscriptions.iter().filter(|s| !identities::has_key(s)).count(),
        backends: backends.len(),
        policies: counts.documents,
        refused_policies: counts.refused,
        ..Summary::default()
    };
    let snapshot = Snapshot {
        revision: digests.revision(&gateway.entity.id),
        gateway: gateway.entity,
        external_cache: cache,
        routes: std::mem::take(&mut apis.routes),
        apis: apis.entries,
        products,
        backends,
        access,
        programs,
        schemas,
        telemetry,
        listeners: if overlay.listeners.is_empty() {
            default_listeners(input.settings)
        } else {
            overlay.listeners
        },
        hostnames,
        kernel: overlay.kernel,
        certificates,
        authorities,
        digests: digests.entities,
        cache: Cache {
            operations: apis.cache,
            documents: document_cache,
            secrets,
        },
    };
    finish(snapshot, problems, summary)
}

fn finish(snapshot: Snapshot, mut problems: Vec<Problem>, mut summary: Summary) -> Loaded {
    problems.sort_by(|a, b| (&a.path, a.line, a.column).cmp(&(&b.path, b.line, b.column)));
    problems.dedup();
    summary.warnings = problems
        .iter()
        .filter(|p| p.severity == Severity::Warning)
        .count();
    summary.errors = problems.len() - summary.warnings;
    let fatal = problems.iter().any(|p| p.severity == Severity::Fatal);
    if problems.len() > MAX_PROBLEMS {
        // The worst stay.
        problems.sort_by_key(|p| std::cmp::Reverse(p.severity));
        let more = problems.len() - MAX_PROBLEMS;
        problems.truncate(MAX_PROBLEMS);
        problems.push(Problem::warning(
            "more-problems",
            "",
            format!("{more} more problems are not shown"),
        ));
    }
    Loaded {
        snapshot: (!fatal).then(|| Arc::new(snapshot)),
        problems,
        summary,
    }
}

/// The two listeners of the settings `net.server.*`; a port of 0 turns one off.
fn default_listeners(settings: &Settings) -> Vec<Listener> {
    let server = &settings.server;
    let listener = |name: &str, port: u16, tls: bool| Listener {
        name: name.into(),
        address: server.address,
        port,
        tls,
        http: HttpVersions {
            http1: true,
            http2: true,
            http3: tls && server.http3,
        },
        limits: ListenerLimits::default(),
        proxy_protocol: Vec::new(),
        trusted_proxies: Vec::new(),
    };
    [
        listener("http", server.http_port, false),
        listener("https", server.https_port, true),
    ]
    .into_iter()
    .filter(|l| l.port != 0)
    .collect()
}
