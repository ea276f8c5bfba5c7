//! Container settings: the official names with their meaning, the seed's names and our own, in one table.
//!
//! Sources: the settings reference of the self-hosted gateway (`gateway-settings.md`). Every documented name is
//! accepted with its meaning, or refused loudly; nothing is ignored in silence. Input is a list of named values
//! with their origin; the caller reads environment and files.

mod redis;
mod table;
#[cfg(test)]
mod tests;
pub mod value;

use std::{net::IpAddr, sync::Arc, time::Duration};

use crate::{
    problem::{Place, Problem, Severity, did_you_mean},
    secret::Secret,
};

pub use redis::Redis;
pub(crate) use redis::setting as redis_of;
pub use table::{Setting, Source, Support, TABLE, markdown};

/// A setting as it was found.
#[derive(Clone, Debug)]
pub struct RawSetting {
    /// Where: `environment`, or the path of a settings file.
    pub origin: Arc<str>,
    /// Name as written there.
    pub name: String,
    /// Value as written there.
    pub value: String,
    /// Line in a file; 0 in the environment.
    pub line: u32,
}

/// The origin that [`RawSetting`]s of the process environment carry: names that are no settings are passed over.
pub const ENVIRONMENT: &str = "environment";

/// All settings, typed.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `gateway.name`
    pub gateway_name: Option<Arc<str>>,
    /// Source of configuration.
    pub config: ConfigSettings,
    /// The hub, when this process is one.
    pub hub: HubSettings,
    /// Other instances of this gateway.
    pub discovery: DiscoverySettings,
    /// Client side.
    pub server: ServerSettings,
    /// Backend side.
    pub client: ClientSettings,
    /// Metrics.
    pub metrics: MetricsSettings,
    /// Logs.
    pub logs: LogSettings,
    /// Bounds.
    pub limits: LimitSettings,
    /// Behaviour where the public record is silent.
    pub compat: CompatSettings,
    /// Caches and shared counters.
    pub cache: CacheSettings,
    /// OpenID metadata.
    pub openid: OpenIdSettings,
    /// The node's own identity.
    pub identity: IdentitySettings,
    /// Ingress mode.
    pub ingress: IngressSettings,
    /// Worker threads for traffic; 0: one per core.
    pub workers: u32,
    /// Kernel side.
    pub kernel: KernelMode,
    /// What it keeps, and how much.
    pub kernel_side: KernelSettings,
    /// Where `status`, Prometheus and administration answer.
    pub admin_address: Option<Arc<str>>,
    /// `upgrade.socket`: where a successor asks for the listening sockets.
    pub upgrade_socket: Option<Arc<str>>,
    /// What administration keeps and where else it answers.
    pub admin: AdminSettings,
    /// `runtime.deployment.*`: descriptive.
    pub deployment: Vec<(Arc<str>, Arc<str>)>,
}

/// `admin.*`, the address apart.
#[derive(Clone, Debug, Default)]
pub struct AdminSettings {
    /// `admin.socket.path`
    pub socket_path: Option<Arc<str>>,
    /// `admin.requests`; 0: none
    pub requests: u32,
    /// `admin.connections`; 0: none
    pub connections: u32,
}

/// `config.*`
#[derive(Clone, Debug, Default)]
pub struct ConfigSettings {
    /// `config.service.endpoint`
    pub endpoint: Option<Arc<str>>,
    /// `config.service.auth`
    pub auth: Auth,
    /// `config.service.auth.azureAd.tenantId`
    pub tenant_id: Option<Arc<str>>,
    /// `config.service.auth.azureAd.clientId`
    pub client_id: Option<Arc<str>>,
    /// `config.service.auth.azureAd.clientSecret`
    pub client_secret: Option<Secret>,
    /// `config.service.auth.azureAd.certificatePath`
    pub client_certificate_path: Option<Arc<str>>,
    /// `config.service.auth.azureAd.authority`
    pub authority: Arc<str>,
    /// `config.service.auth.tokenAudience`
    pub token_audience: Arc<str>,
    /// `config.service.endpoint.disableCertificateValidation`
    pub disable_certificate_validation: bool,
    /// `config.service.integration.timeout`
    pub timeout: Duration,
    /// `config.service.refreshInterval`
    pub refresh_interval: Duration,
    /// `config.artifacts.path`
    pub artifacts_path: Option<Arc<str>>,
    /// `config.overlay.path`
    pub overlay_path: Option<Arc<str>>,
    /// `config.backup.path`
    pub backup_path: Option<Arc<str>>,
    /// `config.backup.key.path`
    pub backup_key_path: Option<Arc<str>>,
    /// `config.audit.path`
    pub audit_path: Option<Arc<str>>,
    /// The management API.
    pub arm: ArmSettings,
}

/// `config.arm.*`: the management API as the source.
#[derive(Clone, Debug, Default)]
pub struct ArmSettings {
    /// `config.arm.subscription`
    pub subscription: Option<Arc<str>>,
    /// `config.arm.resource-group`
    pub resource_group: Option<Arc<str>>,
    /// `config.arm.service`: set, the management API is the source.
    pub service: Option<Arc<str>>,
    /// `config.arm.cloud`
    pub cloud: ArmCloud,
    /// `config.arm.endpoint`
    pub endpoint: Option<Arc<str>>,
    /// `config.arm.vault`
    pub vault: Option<Arc<str>>,
    /// `config.arm.rate`, calls a second
    pub rate: u32,
    /// `config.arm.sweep.interval`
    pub sweep: Duration,
    /// `config.arm.secrets.interval`
    pub secrets: Duration,
}

/// Azure's clouds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the setting's values")]
pub enum ArmCloud {
    #[default]
    Public,
    UsGovernment,
    China,
}

/// `hub.*`: what `gateway-agent hub` reads besides its source.
#[derive(Clone, Debug, Default)]
pub struct HubSettings {
    /// `hub.address`
    pub address: Arc<str>,
    /// `hub.tls.certificate.path`
    pub certificate_path: Option<Arc<str>>,
    /// `hub.tls.key.path`
    pub key_path: Option<Arc<str>>,
    /// `hub.keys.path`
    pub keys_path: Option<Arc<str>>,
    /// `hub.state.path`
    pub state_path: Option<Arc<str>>,
    /// `hub.admin.address`
    pub admin_address: Option<Arc<str>>,
    /// `hub.openid.config-url`
    pub openid_url: Option<Arc<str>>,
    /// `hub.openid.issuer`
    pub openid_issuer: Option<Arc<str>>,
}

/// How to sign in to the configuration endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Not given.
    #[default]
    None,
    /// `GatewayKey <token>`
    GatewayKey(Secret),
    /// `azureAdApp`
    AzureAdApp,
    /// `workloadIdentity`
    WorkloadIdentity,
}

/// `neighborhood.*`, `policy.rate-limit.sync.port`
#[derive(Clone, Debug, Default)]
pub struct DiscoverySettings {
    /// `neighborhood.host`
    pub host: Option<Arc<str>>,
    /// `neighborhood.heartbeat.port` (UDP)
    pub heartbeat_port: u16,
    /// `policy.rate-limit.sync.port` (UDP)
    pub rate_limit_port: u16,
}

/// Client side.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// `net.server.address`
    pub address: IpAddr,
    /// `net.server.http.port`
    pub http_port: u16,
    /// `net.server.https.port`
    pub https_port: u16,
    /// `net.server.http3.enabled`
    pub http3: bool,
    /// `net.server.http.forwarded.proto.enabled`
    pub forwarded_proto: bool,
    /// `net.server.tls.certificate.path`
    pub certificate_path: Option<Arc<str>>,
    /// `net.server.tls.privateKey.path`
    pub key_path: Option<Arc<str>>,
    /// `net.server.tls.ciphers.allowed-suites`
    pub ciphers: Vec<Arc<str>>,
    /// `net.server.tls.unknown-name`: refuse the handshake instead of showing a self-signed certificate.
    pub refuse_unknown_names: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        ServerSettings {
            address: IpAddr::from([0, 0, 0, 0]),
            http_port: 0,
            https_port: 0,
            http3: false,
            forwarded_proto: false,
            certificate_path: None,
            key_path: None,
            ciphers: Vec::new(),
            refuse_unknown_names: false,
        }
    }
}

/// Backend side.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// `net.client.tls.ciphers.allowed-suites`
    pub ciphers: Vec<Arc<str>>,
    /// TLS 1.2 towards backends.
    pub tls12: bool,
    /// TLS 1.3 towards backends.
    pub tls13: bool,
    /// `certificates.local.ca.enabled`
    pub local_ca: bool,
    /// `certificates.local.ca.path`
    pub local_ca_path: Option<Arc<str>>,
    /// `security.certificate-revocation.validation.enabled`
    pub revocation: bool,
    /// `HTTP_PROXY`
    pub http_proxy: Option<Arc<str>>,
    /// `HTTPS_PROXY`
    pub https_proxy: Option<Arc<str>>,
    /// `NO_PROXY`
    pub no_proxy: Vec<Arc<str>>,
    /// `DAPR_HTTP_PORT`
    pub dapr_port: Option<u16>,
}

/// Metrics.
#[derive(Clone, Debug, Default)]
pub struct MetricsSettings {
    /// `telemetry.metrics.local` = `statsd`
    pub statsd: bool,
    /// `telemetry.metrics.local.statsd.endpoint`, without scheme
    pub statsd_endpoint: Option<Arc<str>>,
    /// `telemetry.metrics.local.statsd.sampling`
    pub statsd_sampling: f64,
    /// `telemetry.metrics.local.statsd.tag-format`
    pub statsd_tags: TagFormat,
    /// `telemetry.metrics.cloud`
    pub cloud: bool,
    /// `observability.opentelemetry.enabled`
    pub otel: bool,
    /// `observability.opentelemetry.collector.uri`
    pub otel_collector: Option<Arc<str>>,
    /// `observability.opentelemetry.system-metrics.enabled`
    pub otel_system: bool,
    /// `observability.opentelemetry.interval`
    pub otel_interval: Duration,
    /// `observability.opentelemetry.histogram.buckets`, milliseconds
    pub otel_buckets: Vec<f64>,
    /// `telemetry.metrics.prometheus.port`; `None`: off
    pub prometheus_port: Option<u16>,
}

/// StatsD tag formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the setting's values")]
pub enum TagFormat {
    #[default]
    None,
    Librato,
    DogStatsD,
    InfluxDb,
}

/// Logs.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// `telemetry.logs.std`
    pub std: StdLog,
    /// `telemetry.logs.std.level`
    pub level: LogLevel,
    /// `telemetry.logs.std.color`
    pub color: bool,
    /// `telemetry.logs.connections`
    pub connections: bool,
    /// `telemetry.logs.requests`
    pub requests: bool,
    /// `telemetry.logs.local`
    pub local: LocalLog,
    /// Endpoint of the local sink chosen.
    pub localsyslog_endpoint: Option<Arc<str>>,
    /// Syslog facility code.
    pub localsyslog_facility: u8,
    /// Host and port.
    pub rfc5424_endpoint: Option<Arc<str>>,
    /// Syslog facility code.
    pub rfc5424_facility: u8,
    /// Socket path.
    pub journal_endpoint: Option<Arc<str>>,
    /// Path, or address and port (UDP).
    pub json_endpoint: Arc<str>,
    /// `logs.applicationinsights.endpoint`
    pub application_insights_endpoint: Arc<str>,
}

/// `telemetry.logs.std`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the setting's values")]
pub enum StdLog {
    None,
    #[default]
    Text,
    Json,
}

/// `telemetry.logs.std.level`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the setting's values")]
pub enum LogLevel {
    All,
    Debug,
    #[default]
    Info,
    Warn,
    Error,
    Fatal,
}

/// `telemetry.logs.local`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the setting's values")]
pub enum LocalLog {
    None,
    #[default]
    Auto,
    LocalSyslog,
    Rfc5424,
    Journal,
    Json,
}

/// Bounds of what comes from outside.
#[derive(Clone, Debug, Default)]
pub struct LimitSettings {
    /// `limits.connections`: client connections open at once.
    pub connections: u32,
    /// `limits.request.header.bytes`
    pub header_bytes: u32,
    /// `limits.request.header.count`
    pub header_count: u32,
    /// `limits.request.header.timeout`
    pub header_timeout: Duration,
    /// `limits.idle.timeout`
    pub idle_timeout: Duration,
    /// `limits.tls.handshake.timeout`
    pub handshake_timeout: Duration,
    /// `limits.body.buffer.bytes`: a body that a policy reads.
    pub body_buffer_bytes: u64,
    /// `limits.requests`
    pub requests: u32,
    /// `limits.memory.percent`
    pub memory_percent: u32,
    /// `limits.delay`
    pub delay: Duration,
    /// `limits.http2.streams`
    pub http2_streams: u32,
    /// `limits.upstream.connections`: per backend authority and worker.
    pub upstream_connections: u32,
    /// `limits.upstream.idle.timeout`
    pub upstream_idle_timeout: Duration,
    /// `limits.upstream.connect.timeout`
    pub connect_timeout: Duration,
    /// `limits.drain.timeout`
    pub drain_timeout: Duration,
    /// `limits.expression.steps`
    pub expression_steps: u64,
    /// `limits.expression.memory.bytes`
    pub expression_memory: u64,
    /// `limits.expression.regex.steps`
    pub regex_steps: u64,
}

/// Behaviour where the public record is silent (`decisions.md`).
#[derive(Clone, Debug, Default)]
pub struct CompatSettings {
    /// `compatibility.missing-variable` = `null`: `context.Variables["x"]` gives null instead of throwing.
    pub missing_variable_is_null: bool,
    /// `compatibility.unsupported-policies` = `refuse`: the six policies the original skips refuse their scope.
    pub refuse_unsupported_policies: bool,
    /// `compatibility.backend-failure` = `502`: 502 for failed connections and 504 for timeouts instead of 500.
    pub gateway_errors: bool,
}

/// `cache.*`, `policy.counters.shared`
#[derive(Clone, Debug, Default)]
pub struct CacheSettings {
    /// `cache.external.connection-string`
    pub external: Option<Redis>,
    /// `cache.external.ca.path`
    pub external_ca_path: Option<Arc<str>>,
    /// `cache.memory.enabled`: cache policies without Redis use a bounded memory cache.
    pub memory: bool,
    /// `cache.memory.bytes`
    pub memory_bytes: u64,
    /// `policy.counters.shared`: rate limits and quotas are counted in the external cache.
    pub shared_counters: bool,
}

/// `openid.*`
#[derive(Clone, Debug, Default)]
pub struct OpenIdSettings {
    /// `openid.refresh-interval`
    pub refresh: Duration,
    /// `openid.minimum-refresh-interval`
    pub minimum_refresh: Duration,
}

/// Where `authentication-managed-identity` gets tokens.
#[derive(Clone, Debug, Default)]
pub struct IdentitySettings {
    /// `identity.source`
    pub source: IdentitySource,
    /// `AZURE_FEDERATED_TOKEN_FILE`
    pub federated_token_file: Option<Arc<str>>,
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`: another address of the instance metadata service.
    pub imds_host: Arc<str>,
    /// `IDENTITY_ENDPOINT`
    pub endpoint: Option<Arc<str>>,
    /// `IDENTITY_HEADER`
    pub header: Option<Secret>,
    /// `IMDS_ENDPOINT`
    pub arc: Option<Arc<str>>,
}

/// `identity.source`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdentitySource {
    /// What the environment offers, in the order of the others.
    #[default]
    Auto,
    /// The pod's federated token.
    WorkloadIdentity,
    /// The Entra application of `config.service.auth.azureAd.*`.
    Application,
    /// The agent of Azure Arc.
    Arc,
    /// `IDENTITY_ENDPOINT` of App Service and Container Apps.
    AppService,
    /// The instance metadata service of virtual machines.
    ManagedIdentity,
}

/// `k8s.ingress.*`
#[derive(Clone, Debug, Default)]
pub struct IngressSettings {
    /// `k8s.ingress.enabled`
    pub enabled: bool,
    /// `k8s.ingress.namespace`
    pub namespace: Arc<str>,
    /// `k8s.ingress.dns.suffix`
    pub dns_suffix: Arc<str>,
    /// `k8s.ingress.config.path`
    pub config_path: Option<Arc<str>>,
}

/// `kernel.*`, the mode apart.
#[derive(Clone, Debug, Default)]
pub struct KernelSettings {
    /// `kernel.pin.path`
    pub pin_path: Option<Arc<str>>,
    /// `kernel.bans.entries`
    pub bans: u32,
    /// `kernel.sources.entries`
    pub sources: u32,
}

/// `kernel.mode`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KernelMode {
    /// Attach what can be attached, go on without the rest.
    #[default]
    Auto,
    /// Userspace only.
    Off,
    /// A hook that cannot be attached stops the start.
    Required,
}

/// Typed settings of `inputs`; later entries win over earlier ones. Problems come all at once; the settings hold
/// defaults where a value was bad.
pub fn parse(inputs: &[RawSetting]) -> (Settings, Vec<Problem>) {
    let mut settings = Settings::default();
    let mut problems = Vec::new();
    for entry in TABLE {
        if let Some(default) = entry.default
            && let Err(message) = (entry.apply)(&mut settings, default)
        {
            problems.push(Problem::new(Severity::Fatal, "bad-default", entry.name, message));
        }
    }
    let mut given: Vec<(&'static str, &RawSetting)> = Vec::new();
    for input in inputs {
        let Some(entry) = find(&input.name) else {
            problems.extend(unknown(input));
            continue;
        };
        if let Some((_, earlier)) = given
            .iter()
            .find(|(n, e)| *n == entry.name && e.origin == input.origin && e.value != input.value)
        {
            let message = format!(
                "`{}` and `{}` set the same thing to different values; the later one counts",
                earlier.name, input.name
            );
            problems.push(place(
                Problem::warning("repeated-setting", &input.origin, message),
                input,
            ));
        }
        given.push((entry.name, input));
        if let Err(message) = (entry.apply)(&mut settings, input.value.trim()) {
            let message = format!("{message} ({})", entry.help);
            problems.push(place(
                Problem::new(Severity::Fatal, "bad-setting", &input.origin, message),
                input,
            ));
        }
        problems.extend(support_note(entry, input));
    }
    table::check_together(&settings, &mut problems);
    (settings, problems)
}

fn place(problem: Problem, input: &RawSetting) -> Problem {
    problem
        .at(Place {
            line: input.line,
            column: 0,
        })
        .on(input.name.clone())
}

/// The entry a name stands for: exact, alias, or shell form, letter case ignored.
pub fn find(name: &str) -> Option<&'static Setting> {
    let shell = shell_form(name);
    TABLE.iter().find(|e| {
        e.name.eq_ignore_ascii_case(name)
            || e.aliases.iter().any(|a| a.eq_ignore_ascii_case(name))
            || (!name.contains('.') && shell_form(e.name) == shell)
    })
}

/// The form of a name that a shell can export: upper case, everything but letters and digits becomes `_`.
pub fn shell_form(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}

/// Names in a file must be known; in the environment only names that look like ours are remarked on.
fn unknown(input: &RawSetting) -> Option<Problem> {
    let names = TABLE
        .iter()
        .flat_map(|e| std::iter::once(e.name).chain(e.aliases.iter().copied()));
    let close = did_you_mean(&input.name, names);
    let from_environment = &*input.origin == ENVIRONMENT;
    let ours = input.name.split_once('.').is_some_and(|(head, _)| {
        TABLE.iter().any(|e| {
            e.name
                .split('.')
                .next()
                .is_some_and(|h| h.eq_ignore_ascii_case(head))
        })
    });
    if from_environment && !ours {
        return None;
    }
    let hint = match close {
        Some(name) => format!("did you mean `{name}`?"),
        None => "docs/settings.md lists all names".to_owned(),
    };
    let message = format!("there is no setting `{}`; {hint}", input.name);
    let severity = if from_environment {
        Severity::Warning
    } else {
        Severity::Fatal
    };
    Some(place(
        Problem::new(severity, "unknown-setting", &input.origin, message),
        input,
    ))
}

fn support_note(entry: &Setting, input: &RawSetting) -> Option<Problem> {
    let value = input.value.trim();
    let off = ["false", "none"].iter().any(|w| w.eq_ignore_ascii_case(value));
    let differs = !off && entry.default.is_none_or(|d| !d.eq_ignore_ascii_case(value));
    match entry.support {
        Support::Yes => None,
        _ if !differs => None,
        Support::Later(why) => {
            let message = format!("`{}` is accepted but has no effect yet: {why}", entry.name);
            Some(place(
                Problem::warning("setting-without-effect", &input.origin, message),
                input,
            ))
        }
        Support::Never(why) => {
            let message = format!("`{}` is not supported: {why}", entry.name);
            Some(place(
                Problem::new(Severity::Fatal, "unsupported-setting", &input.origin, message),
                input,
            ))
        }
    }
}
