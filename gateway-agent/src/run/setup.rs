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
    cli::TakeOver,
    external,
    kernel::Gate,
    limits::Limits,
    listen::{self, Bound, Listener},
    node, oidc,
    process::Identity,
    settings::Gathered,
    sync::{
        self,
        stable::Patience,
        tree::{self, Bounds},
    },
    telemetry::events::{Format, Threshold},
    upgrade::{Inherited, Offer, TakeError},
    upstream::Proxies,
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

pub(super) fn worker_count(settings: &Settings) -> usize {
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

/// Binds the first listeners, with the sockets of the process that this one replaces as far as it had them.
pub(super) fn bind(
    settings: &Settings,
    first: &load::First,
    mut inherited: Option<&mut Inherited>,
) -> Result<Vec<Bound>, StartError> {
    if first.listeners.is_empty() {
        return Err(StartError::NoListener);
    }
    let mut wanted = first.listeners.clone();
    if let Some(inherited) = inherited.as_deref_mut() {
        // A port that the system chose for the other process is this one's too.
        for (listener, name) in wanted.iter_mut().zip(&first.names) {
            if let Some(address) = inherited.address_of(name)
                && listener.address.port() == 0
                && listener.address.ip() == address.ip()
            {
                listener.address = address;
            }
        }
    }
    let sockets = inherited.map(|inherited| &mut inherited.sockets);
    let bound = listen::bind(&wanted, worker_count(settings), sockets)?;
    for (one, name) in bound.iter().zip(&first.names) {
        let Listener {
            address, tls, http3, ..
        } = &one.listener;
        tracing::info!(event = "ListenerStarted", listener = %name, %address, tls, http3, "listening");
    }
    Ok(bound)
}

/// The sockets of the running process, when this one shall replace it.
pub(super) fn inherit(
    settings: &Settings,
    take_over: Option<TakeOver>,
) -> Result<Option<Inherited>, StartError> {
    let Some(when) = take_over else {
        return Ok(None);
    };
    let name = settings
        .upgrade_socket
        .as_deref()
        .ok_or(StartError::NoUpgradeSocket)?;
    let inherited = match Inherited::take(name) {
        Err(TakeError::Nobody { .. }) if when == TakeOver::IfRunning => return Ok(None),
        taken => taken?,
    };
    tracing::info!(
        event = "UpgradeTaken",
        pid = inherited.who.pid,
        version = inherited.who.version,
        generation = inherited.who.generation,
        "the running agent handed over its sockets; it serves until this one is ready"
    );
    Ok(Some(inherited))
}

/// Copies of the sockets for a successor. Without them the node serves all the same.
pub(super) fn offer(
    settings: &Settings,
    names: &[Arc<str>],
    bound: &[Bound],
    endpoints: &[Endpoint],
    process: Identity,
) -> Option<Offer> {
    settings.upgrade_socket.as_ref()?;
    Offer::new(bound, names, endpoints, process)
        .inspect_err(|error| tracing::warn!(event = "UpgradeNotPossible", "{error}"))
        .ok()
}

pub(super) fn view(bound: &Bound) -> ListenerView {
    let Listener {
        address, tls, http3, ..
    } = &bound.listener;
    ListenerView {
        address: address.to_string(),
        tls: *tls,
        http3: *http3,
    }
}

/// The endpoints beside traffic. One that cannot be bound is an error in the log, not the end: traffic
/// matters more than its description.
pub(super) fn bind_admin(settings: &Settings, mut inherited: Option<&mut Inherited>) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    let mut tcp = |address: SocketAddr, audience| match inherited
        .as_deref_mut()
        .and_then(|inherited| inherited.endpoint(address))
    {
        Some(listener) => Endpoint::inherited_tcp(listener, audience),
        None => Endpoint::tcp(address, audience),
    };
    let address = |text: &str| {
        text.parse::<SocketAddr>()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "admin.address wants ADDRESS:PORT"))
    };
    let admin = settings.admin_address.as_deref().map(|text| {
        (
            text,
            address(text).and_then(|address| tcp(address, Audience::Operator)),
        )
    });
    let metrics = settings.metrics.prometheus_port.map(|port| {
        let address = SocketAddr::new(settings.server.address, port);
        (address, tcp(address, Audience::Scraper))
    });
    let unix = settings.admin.socket_path.as_deref().map(|path| {
        let file = Path::new(path);
        let taken = inherited.and_then(|inherited| inherited.endpoint_unix(file));
        let bound = match taken {
            Some(listener) => Endpoint::inherited_unix(listener, file),
            None => Endpoint::unix(file),
        };
        (path, bound)
    });
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
    if let Some((address, bound)) = admin {
        add("admin", bound, address);
    }
    if let Some((path, bound)) = unix {
        add("admin", bound, path);
    }
    if let Some((address, bound)) = metrics {
        add("metrics", bound, &address.to_string());
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
        audit: path(&settings.config.audit_path),
    }
}

pub(super) fn node_settings(
    settings: &Settings,
    gate: Arc<Gate>,
    process: Identity,
) -> Result<node::Settings, StartError> {
    let limits = &settings.limits;
    let workers = worker_count(settings);
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
            requests_per_worker: (limits.requests as usize).div_ceil(workers.max(1)),
            loop_delay: limits.delay,
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
        process,
        instance_id: instance_id().into(),
        external: external(settings)?,
        shared_counters: settings.cache.shared_counters,
        memory_cache_bytes: settings
            .cache
            .memory
            .then(|| usize::try_from(settings.cache.memory_bytes).unwrap_or(usize::MAX)),
        identity: identity::config(settings)?,
        export: crate::telemetry::ExportConfig::of(settings),
        openid: oidc::Timing {
            refresh: settings.openid.refresh,
            minimum: settings.openid.minimum_refresh,
        },
        backend_authorities: certificates::authorities(&settings.client),
        proxies: Proxies::new(
            settings.client.http_proxy.as_deref(),
            settings.client.https_proxy.as_deref(),
            &settings.client.no_proxy,
        )
        .map_err(StartError::Proxy)?,
        dapr_port: settings.client.dapr_port,
    })
}

/// Bounds and compatibility of expressions.
fn expressions(settings: &Settings) -> gateway_policy::ExpressionRules {
    gateway_policy::ExpressionRules {
        limits: gateway_policy::ExpressionLimits {
            steps: settings.limits.expression_steps,
            memory: usize::try_from(settings.limits.expression_memory).unwrap_or(usize::MAX),
            regex_steps: settings.limits.regex_steps,
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
