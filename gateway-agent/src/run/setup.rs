//! From settings to the parts: sockets, endpoints, bounds, the log's shape.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use gateway_config::{
    Settings,
    settings::{LogLevel, StdLog},
};

use super::{StartError, certificates, identity, load, suites};
use crate::{
    admin::{Audience, Endpoint, ListenerView},
    external,
    kernel::Gate,
    limits::Limits,
    listen::{self, Bound, Listener},
    node, oidc,
    settings::Gathered,
    sync::{
        self,
        stable::Patience,
        tree::{self, Bounds},
    },
    telemetry::events::{Format, Threshold},
    worker,
};

/// Largest file of authorities for the external cache; all public ones have 220 KiB.
const CA_BYTES: u64 = 4 << 20;

pub(crate) fn format(std: StdLog) -> Format {
    match std {
        StdLog::None => Format::None,
        StdLog::Text => Format::Text,
        StdLog::Json => Format::Json,
    }
}

pub(crate) fn threshold(level: LogLevel) -> Threshold {
    match level {
        LogLevel::All => Threshold::All,
        LogLevel::Debug => Threshold::Debug,
        LogLevel::Info => Threshold::Info,
        LogLevel::Warn => Threshold::Warn,
        LogLevel::Error => Threshold::Error,
        LogLevel::Fatal => Threshold::Fatal,
    }
}

pub(super) fn workers(bound: &[Bound]) -> usize {
    bound.iter().map(|one| one.tcp.len()).max().unwrap_or(0)
}

fn worker_count(settings: &Settings) -> usize {
    match settings.workers {
        0 => worker::default_count().get(),
        n => n as usize,
    }
}

/// Bounds of the histograms of durations in seconds, when the setting was given (in milliseconds).
pub(super) fn buckets(gathered: &Gathered) -> Option<Vec<f64>> {
    gathered
        .is_given("observability.opentelemetry.histogram.buckets")
        .then(|| {
            gathered
                .settings
                .metrics
                .otel_buckets
                .iter()
                .map(|ms| ms / 1_000.0)
                .collect()
        })
}

/// Binds the first listeners.
pub(super) fn bind(settings: &Settings, first: &load::First) -> Result<Vec<Bound>, StartError> {
    if first.listeners.is_empty() {
        return Err(StartError::NoListener);
    }
    let bound = listen::bind(&first.listeners, worker_count(settings))?;
    for (one, name) in bound.iter().zip(&first.names) {
        let Listener {
            address, tls, http3, ..
        } = one.listener;
        tracing::info!(event = "ListenerStarted", listener = %name, %address, tls, http3, "listening");
    }
    Ok(bound)
}

pub(super) fn view(bound: &Bound) -> ListenerView {
    let Listener {
        address, tls, http3, ..
    } = bound.listener;
    ListenerView {
        address: address.to_string(),
        tls,
        http3,
    }
}

/// The endpoints beside traffic. One that cannot be bound is an error in the log, not the end: traffic
/// matters more than its description.
pub(super) fn bind_admin(settings: &Settings) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    let mut add = |what: &'static str, bound: io::Result<Endpoint>, wanted: &str| match bound {
        Ok(endpoint) => {
            tracing::info!(
                event = "AdminEndpointStarted",
                endpoint = endpoint.describe(),
                what,
                "listening"
            );
            endpoints.push(endpoint);
        }
        Err(error) => tracing::error!(
            event = "AdminEndpointFailed",
            endpoint = wanted,
            what,
            "cannot listen: {error}; another agent may hold it, choose another address"
        ),
    };
    if let Some(address) = &settings.admin_address {
        let bound = address
            .parse::<SocketAddr>()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "admin.address wants ADDRESS:PORT"))
            .and_then(|address| Endpoint::tcp(address, Audience::Operator));
        add("admin", bound, address);
    }
    if let Some(path) = &settings.admin.socket_path {
        add("admin", Endpoint::unix(&PathBuf::from(&**path)), path);
    }
    if let Some(port) = settings.metrics.prometheus_port {
        let address = SocketAddr::new(settings.server.address, port);
        add(
            "metrics",
            Endpoint::tcp(address, Audience::Scraper),
            &address.to_string(),
        );
    }
    endpoints
}

pub(super) fn source(settings: &Settings) -> sync::Source {
    let path = |p: &Option<Arc<str>>| p.as_ref().map(|p| PathBuf::from(&**p));
    sync::Source {
        folder: path(&settings.config.artifacts_path),
        files: path(&settings.config.overlay_path).into_iter().collect(),
        interval: settings.config.refresh_interval,
        bounds: Bounds::default(),
        patience: Patience::default(),
    }
}

pub(super) fn node_settings(
    settings: &Settings,
    workers: usize,
    gate: Arc<Gate>,
) -> Result<node::Settings, StartError> {
    let limits = &settings.limits;
    Ok(node::Settings {
        client_tls: Some(suites::server(settings)?),
        backend_tls: Some(suites::client(&settings.client)?),
        limits: Limits {
            connections_per_worker: (limits.connections as usize).div_ceil(workers.max(1)),
            handshake_timeout: limits.handshake_timeout,
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            head_bytes: limits.header_bytes as usize,
            headers: limits.header_count as usize,
            streams: limits.http2_streams,
            buffered_body_bytes: usize::try_from(limits.body_buffer_bytes).unwrap_or(usize::MAX),
            upstreams_per_authority: limits.upstream_connections as usize,
            upstream_idle_timeout: limits.upstream_idle_timeout,
            connect_timeout: limits.connect_timeout,
            ..Limits::default()
        },
        statuses: load::statuses(settings),
        expressions: expressions(settings),
        gate,
        forwarded_proto: settings.server.forwarded_proto,
        instance_id: instance_id().into(),
        external: external(settings)?,
        memory_cache_bytes: settings
            .cache
            .memory
            .then(|| usize::try_from(settings.cache.memory_bytes).unwrap_or(usize::MAX)),
        identity: identity::config(settings)?,
        openid: oidc::Timing {
            refresh: settings.openid.refresh,
            minimum: settings.openid.minimum_refresh,
        },
        backend_authorities: certificates::authorities(&settings.client),
    })
}

/// Bounds and compatibility of expressions.
fn expressions(settings: &Settings) -> gateway_policy::ExpressionRules {
    gateway_policy::ExpressionRules {
        limits: gateway_policy::ExpressionLimits {
            steps: settings.limits.expression_steps,
            memory: usize::try_from(settings.limits.expression_memory).unwrap_or(usize::MAX),
            ..Default::default()
        },
        missing_variable_is_null: settings.compat.missing_variable_is_null,
    }
}

/// The external cache of the settings. Says where counters are, because that decides what a limit means.
fn external(settings: &Settings) -> Result<Option<Arc<external::Config>>, StartError> {
    let cache = &settings.cache;
    let Some(redis) = &cache.external else {
        tracing::info!(
            event = "CountersOfNode",
            "rate limits and quotas are counted by each node for itself; cache.external.connection-string counts them together"
        );
        return Ok(None);
    };
    let authorities = match &cache.external_ca_path {
        None => None,
        Some(path) => {
            let read =
                tree::read_file(Path::new(&**path), CA_BYTES).map_err(|error| StartError::ExternalCa {
                    path: path.to_string(),
                    reason: error.to_string(),
                });
            Some(read?)
        }
    };
    if cache.shared_counters {
        tracing::info!(
            event = "CountersShared",
            "rate limits and quotas are counted in the external cache; while it is away each node counts for itself"
        );
    } else {
        tracing::info!(
            event = "CountersOfNode",
            "rate limits and quotas are counted by each node for itself: policy.counters.shared is off"
        );
    }
    Ok(Some(Arc::new(external::Config {
        redis: redis.clone(),
        authorities,
        counts: cache.shared_counters,
    })))
}

/// This node's name: the host's, which is the pod's in Kubernetes.
fn instance_id() -> String {
    match std::fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(name) => name.trim().to_owned(),
        Err(_) => "unknown".to_owned(),
    }
}

/// Lets the allocator give memory back from a thread of its own. Called when capabilities are gone, because
/// that thread would inherit them.
pub(super) fn return_memory() {
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        tracing::debug!("memory is given back by the threads that freed it: {error}");
    }
}
