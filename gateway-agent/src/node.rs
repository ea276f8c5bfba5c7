//! What all workers of one process share. Everything here is `Send + Sync`; what is not shared lives in
//! [`crate::worker`].

use std::{collections::HashMap, fmt, io, sync::Arc};

use arc_swap::{ArcSwap, ArcSwapOption};
use gateway_config::Snapshot;
use gateway_policy::{ExpressionRules, context::Deployment, failure::BackendStatuses};
use rustls::{RootCertStore, crypto::CryptoProvider};
use tokio::sync::watch;

use crate::{
    breaker::Breakers,
    cache,
    counters::Counters,
    drain::Drain,
    external, identity,
    limits::Limits,
    oidc,
    permits::Permits,
    revocation,
    telemetry::{
        Metrics, RequestRecord, RouteMetrics,
        export::{ExportConfig, Exports, Plans},
    },
    tls,
};

pub use crate::upstream::Proxies;

/// What the settings say about the data plane.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The bounds in force.
    pub limits: Limits,
    /// Statuses of backend failures, where the documentation leaves a choice.
    pub statuses: BackendStatuses,
    /// How expressions are evaluated (`limits.expression.*`, `compatibility.missing-variable`).
    pub expressions: ExpressionRules,
    /// Suites of connections from clients; `None`: all the library has.
    pub client_tls: Option<Arc<CryptoProvider>>,
    /// Suites of connections to backends; `None`: all the library has.
    pub backend_tls: Option<Arc<CryptoProvider>>,
    /// Denied sources, and accounts without the kernel's help.
    pub gate: Arc<crate::kernel::Gate>,
    /// Believe the scheme in `X-Forwarded-Proto` (`net.server.http.forwarded.proto.enabled`).
    pub forwarded_proto: bool,
    /// This process among those before and after it.
    pub process: crate::process::Identity,
    /// This node (`context.Deployment.Gateway.InstanceId`).
    pub instance_id: Arc<str>,
    /// The external cache, if there is one.
    pub external: Option<Arc<external::Config>>,
    /// Rate limits and quotas are counted in the external cache when a cache entity of the artifacts names one.
    pub shared_counters: bool,
    /// Bound of the memory cache; `None`: there is none.
    pub memory_cache_bytes: Option<usize>,
    /// Where the node's own tokens come from.
    pub identity: identity::Config,
    /// Telemetry beside that of loggers.
    pub export: ExportConfig,
    /// When OpenID metadata is fetched again.
    pub openid: oidc::Timing,
    /// CA certificates, DER, believed besides the public ones when a backend shows its certificate.
    pub backend_authorities: Vec<Arc<[u8]>>,
    /// Proxies of the environment, for backends that have none of their own.
    pub proxies: Proxies,
    /// Where the Dapr sidecar listens on this host (`DAPR_HTTP_PORT`); `None`: 3500.
    pub dapr_port: Option<u16>,
}

/// Where finished requests are told. Called on the workers: it must not block.
pub trait RequestSink: Send + Sync {
    /// Whether records are wanted at all. Asked once per request, before a record is built.
    fn wants_records(&self) -> bool;
    /// A finished request.
    fn record(&self, record: RequestRecord);
}

/// Nobody listens: no request log, no `/requests`.
#[derive(Clone, Copy, Debug)]
pub struct NoSink;

impl RequestSink for NoSink {
    fn wants_records(&self) -> bool {
        false
    }

    fn record(&self, _record: RequestRecord) {}
}

/// The shared state of the node. One per process (tests: one per test), behind an `Arc`.
pub struct Node {
    active: ArcSwapOption<Active>,
    /// True from the first configuration on.
    configured: watch::Sender<bool>,
    /// The end of the process.
    pub drain: Drain,
    /// What the settings say.
    pub settings: Settings,
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// TLS with clients.
    pub tls: tls::Server,
    /// Records of single requests.
    pub debug: crate::debug::Debug,
    /// Rate limits and quotas.
    pub counters: Counters,
    /// Cached values of this node.
    pub(crate) memory_cache: Option<cache::Memory>,
    /// The external cache: that of the settings, or that of the artifacts in force.
    pub(crate) external: ArcSwapOption<external::Config>,
    /// Access tokens of the node's own identity.
    pub(crate) tokens: identity::Tokens,
    /// Client certificates for backends. Their files change by themselves, so they are not the snapshot's.
    pub(crate) client_identities: ArcSwap<tls::Identities>,
    /// Circuit breakers of backends.
    pub(crate) breakers: Breakers,
    /// OpenID metadata and keys.
    pub(crate) openid: Arc<oidc::Directory>,
    /// Certificate revocation lists.
    pub(crate) revocation: revocation::Lists,
    /// Telemetry that leaves the node.
    pub(crate) exports: Exports,
    /// The process has used up the memory it may have.
    pub memory_is_full: Arc<crate::overload::MemoryIsFull>,
    /// `limit-concurrency`.
    pub(crate) permits: Permits,
    pub(crate) sink: Arc<dyn RequestSink>,
    pub(crate) backend_roots: Arc<RootCertStore>,
    pub(crate) schemes: Schemes,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}

/// `http` and `https` as shared text, made once.
#[derive(Clone, Debug)]
pub(crate) struct Schemes {
    pub(crate) http: Arc<str>,
    pub(crate) https: Arc<str>,
}

impl Schemes {
    pub(crate) fn of(&self, secure: bool) -> &Arc<str> {
        if secure { &self.https } else { &self.http }
    }
}

/// A snapshot in force, with what the agent prepares once per snapshot instead of once per request.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) deployment: Arc<Deployment>,
    /// Metric handles by the address of the operation entry, which the snapshot keeps alive.
    routes: HashMap<usize, Arc<RouteMetrics>>,
    unmatched: Arc<RouteMetrics>,
    /// What the diagnostics come to.
    pub(crate) plans: Plans,
}

impl Active {
    /// The metric handles of an operation; those of unmatched requests for `None`.
    pub(crate) fn route(
        &self,
        operation: Option<&Arc<gateway_config::snapshot::OperationEntry>>,
    ) -> &Arc<RouteMetrics> {
        operation
            .and_then(|entry| self.routes.get(&(Arc::as_ptr(entry) as usize)))
            .unwrap_or(&self.unmatched)
    }
}

impl AsRef<Drain> for Node {
    fn as_ref(&self) -> &Drain {
        &self.drain
    }
}

impl Node {
    /// A node that has no configuration yet: it is alive and not ready.
    ///
    /// # Errors
    /// When the system has no randomness for TLS.
    pub fn new(
        settings: Settings,
        metrics: Arc<Metrics>,
        sink: Arc<dyn RequestSink>,
    ) -> io::Result<Arc<Self>> {
        let extra = settings.backend_authorities.iter().map(|der| &**der);
        let (backend_roots, ignored) = crate::upstream::tls::ClientTls::roots(extra);
        if ignored > 0 {
            tracing::warn!(
                ignored,
                "CA certificates for backends that are no certificates were left out"
            );
        }
        Ok(Arc::new(Self {
            active: ArcSwapOption::empty(),
            configured: watch::Sender::new(false),
            drain: Drain::default(),
            exports: Exports::new(
                settings.export.clone(),
                Arc::clone(&backend_roots),
                identity::Tokens::new(settings.identity.clone()),
                Arc::clone(&metrics),
                Arc::clone(&settings.instance_id),
            ),
            permits: Permits::default(),
            memory_is_full: Arc::default(),
            debug: crate::debug::Debug::default(),
            memory_cache: settings.memory_cache_bytes.map(cache::Memory::new),
            external: ArcSwapOption::new(settings.external.clone()),
            tokens: identity::Tokens::new(settings.identity.clone()),
            client_identities: ArcSwap::default(),
            openid: Arc::new(oidc::Directory::new(settings.openid)),
            revocation: revocation::Lists::default(),
            counters: Counters::new(settings.limits.counter_keys),
            breakers: Breakers::default(),
            tls: tls::Server::new(
                settings.client_tls.clone().unwrap_or_else(tls::provider),
                metrics.tls.sni_misses.clone(),
            )?,
            settings,
            metrics,
            sink,
            backend_roots,
            schemes: Schemes {
                http: "http".into(),
                https: "https".into(),
            },
        }))
    }

    /// Without a cache in the settings the one of the artifacts is used; each worker connects to it when it sees it.
    fn follow_cache(&self, snapshot: &Snapshot) {
        if self.settings.external.is_some() {
            return;
        }
        let (now, next) = (self.external.load(), snapshot.external_cache());
        if now.as_ref().map(|config| &config.redis) == next.map(|redis| &**redis) {
            return;
        }
        tracing::info!(
            event = "ExternalCacheOfArtifacts",
            configured = next.is_some(),
            "the external cache of the artifacts has changed"
        );
        let config = |redis: &Arc<gateway_config::settings::Redis>| {
            Arc::new(external::Config {
                redis: gateway_config::settings::Redis::clone(redis),
                authorities: None,
                counts: self.settings.shared_counters,
            })
        };
        self.external.store(next.map(config));
    }

    /// Makes `snapshot` the configuration of every request that starts from now on. Requests in flight
    /// keep theirs.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.breakers.follow(&snapshot, &self.metrics.upstream);
        self.follow_cache(&snapshot);
        let gateway = snapshot.gateway();
        let deployment = Deployment {
            gateway_id: Arc::clone(&gateway.id),
            instance_id: Arc::clone(&self.settings.instance_id),
            is_managed: false,
            region: Arc::clone(&gateway.region),
            service_id: Arc::clone(&gateway.service_name),
            service_name: Arc::clone(&gateway.service_name),
            certificates: self.client_identities.load().shown(),
            dapr_port: self.settings.dapr_port,
        };
        let mut routes = HashMap::new();
        for api in snapshot.apis() {
            for operation in api.operations.iter() {
                match self.metrics.route(&api.name, &operation.operation.id) {
                    Ok(handles) => {
                        routes.insert(Arc::as_ptr(operation) as usize, handles);
                    }
                    Err(error) => tracing::warn!(%error, api = %api.name, "no metrics for an operation"),
                }
            }
        }
        let active = Active {
            deployment: Arc::new(deployment),
            routes,
            unmatched: self.metrics.unmatched(),
            plans: self.exports.follow(&snapshot),
            snapshot,
        };
        self.active.store(Some(Arc::new(active)));
        self.configured.send_replace(true);
    }

    /// Waits for the first configuration.
    pub async fn active_once(&self) {
        let mut seen = self.configured.subscribe();
        // An error means that the node is gone, and the waiting with it.
        let _ = seen.wait_for(|configured| *configured).await;
    }

    /// The configuration in force; `None` before the first.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.active
            .load()
            .as_ref()
            .map(|active| Arc::clone(&active.snapshot))
    }

    /// The configuration in force as the pipeline uses it. Take it once per request.
    pub(crate) fn active(&self) -> Option<Arc<Active>> {
        self.active.load_full()
    }

    /// Readiness: a configuration is active and the process is not ending.
    pub fn is_ready(&self) -> bool {
        self.active.load().is_some() && !self.drain.is_draining()
    }
}
