//! The one table of settings: name, aliases, default, meaning, support. `docs/settings.md` is made from it.

use std::sync::Arc;

use super::{
    ArmCloud, Auth, IdentitySource, KernelMode, LocalLog, LogLevel, Settings, StdLog, TagFormat,
    value::{boolean, bytes, duration, integer, list},
};
use crate::{
    problem::{Problem, Severity},
    secret::Secret,
};

/// One setting.
pub struct Setting {
    /// Official name.
    pub name: &'static str,
    /// Other spellings that are accepted.
    pub aliases: &'static [&'static str],
    /// Value when none is given; `None`: unset.
    pub default: Option<&'static str>,
    /// Accepted values, for the documentation.
    pub values: &'static str,
    /// Where the name comes from.
    pub source: Source,
    /// Does it have its effect?
    pub support: Support,
    /// Meaning.
    pub help: &'static str,
    /// Reads a value into the typed settings.
    pub(super) apply: fn(&mut Settings, &str) -> Result<(), String>,
}

/// Where a setting's name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Documented by the vendor.
    Official,
    /// Set by the vendor's chart or portal snippets only.
    Chart,
    /// A usual environment variable.
    Environment,
    /// Named by the document this project started from.
    Seed,
    /// Ours.
    Own,
}

/// Does a setting have its effect?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Yes.
    Yes,
    /// Accepted, reported as having no effect yet, for this reason.
    Later(&'static str),
    /// Refused when it differs from the default, for this reason.
    Never(&'static str),
}

use Source::{Chart, Environment, Official, Own, Seed};
use Support::{Later, Never, Yes};

type Apply = fn(&mut Settings, &str) -> Result<(), String>;

#[expect(
    clippy::too_many_arguments,
    reason = "one row of a table a call, in the order of its columns"
)]
const fn row(
    name: &'static str,
    aliases: &'static [&'static str],
    default: Option<&'static str>,
    values: &'static str,
    source: Source,
    support: Support,
    help: &'static str,
    apply: Apply,
) -> Setting {
    Setting {
        name,
        aliases,
        default,
        values,
        source,
        support,
        help,
        apply,
    }
}

/// Stores a parsed value.
macro_rules! set {
    ($($field:ident).+ = $parse:expr) => {
        |s: &mut Settings, v: &str| {
            s.$($field).+ = $parse(v)?;
            Ok(())
        }
    };
}

const NO_CLOUD: Support = Later("the configuration endpoint's metrics protocol is not public");
const INGRESS: Support = Never("Ingress mode is not built; describe the routes in the artifact folder");
const INGRESS_DETAIL: Support =
    Later("Ingress mode is not built; describe the routes in the artifact folder");
const OLD_TLS: Support = Never("TLS below 1.2 is out of reach of the TLS library used");

/// Every setting.
#[rustfmt::skip] // one row a line, like the page it makes
pub static TABLE: &[Setting] = &[
    row("gateway.name", &[], None, "text", Official, Yes, "name of the gateway entity: which APIs of the folder are served, and `context.Deployment.Gateway.Id`", set!(gateway_name = opt)),
    // Configuration source
    row("config.service.endpoint", &[], None, "URL or host name", Official, Yes, "address of a hub (`gateway-agent hub`) to follow; the vendor's own endpoint cannot be followed, its protocol is not public", set!(config.endpoint = opt)),
    row("config.service.auth", &[], None, "`GatewayKey <token>`, `azureAdApp`, `workloadIdentity`", Official, Yes, "how to sign in to the configuration endpoint", set!(config.auth = auth)),
    row("config.service.auth.azureAd.tenantId", &["AZURE_TENANT_ID"], None, "GUID", Official, Yes, "Entra tenant of the node's own identity (`identity.source`), which also reads the management API", set!(config.tenant_id = opt)),
    row("config.service.auth.azureAd.clientId", &["AZURE_CLIENT_ID"], None, "GUID", Official, Yes, "Entra application; with AZURE_FEDERATED_TOKEN_FILE the identity of the pod", set!(config.client_id = opt)),
    row("config.service.auth.azureAd.clientSecret", &[], None, "text", Official, Yes, "client secret of the application", set!(config.client_secret = secret)),
    row("config.service.auth.azureAd.certificatePath", &[], None, "path", Official, Yes, "PEM file with the certificate and the RSA key that sign the client assertion of the application", set!(config.client_certificate_path = opt)),
    row("config.service.auth.azureAd.authority", &["AZURE_AUTHORITY_HOST"], Some("https://login.microsoftonline.com"), "URL", Official, Yes, "Entra authority host", set!(config.authority = text)),
    row("config.service.auth.tokenAudience", &[], Some("https://azure-api.net/configuration"), "URL", Official, Yes, "audience of the Entra token that a node shows to a hub, and that a hub expects", set!(config.token_audience = text)),
    row("config.service.endpoint.disableCertificateValidation", &[], Some("false"), "true, false", Official, Yes, "`true` turns the check of the endpoint's certificate off; for tests only", set!(config.disable_certificate_validation = boolean)),
    row("config.service.integration.timeout", &[], Some("00:01:40"), "time span", Official, Yes, "limit of one exchange with the configuration endpoint", set!(config.timeout = duration)),
    row("config.service.refreshInterval", &[], Some("10s"), "time span", Seed, Yes, "how often the source is looked at for changes", set!(config.refresh_interval = positive)),
    row("config.artifacts.path", &[], None, "path", Own, Yes, "APIOps artifact folder to serve", set!(config.artifacts_path = opt)),
    // The management API
    row("config.arm.service", &["API_MANAGEMENT_SERVICE_NAME"], None, "text", Own, Yes, "name of the API Management service to read through the management API (docs/arm.md); config.artifacts.path wins over it", set!(config.arm.service = opt)),
    row("config.arm.subscription", &["AZURE_SUBSCRIPTION_ID"], None, "GUID", Own, Yes, "Azure subscription of that service", set!(config.arm.subscription = opt)),
    row("config.arm.resource-group", &["AZURE_RESOURCE_GROUP_NAME"], None, "text", Own, Yes, "resource group of that service", set!(config.arm.resource_group = opt)),
    row("config.arm.cloud", &["AZURE_CLOUD_ENVIRONMENT"], Some("AzurePublicCloud"), "AzurePublicCloud, AzureUSGovernment, AzureChinaCloud", Own, Yes, "which cloud it is in: chooses the management API and the suffix of Key Vaults; the authority is config.service.auth.azureAd.authority", set!(config.arm.cloud = cloud)),
    row("config.arm.endpoint", &[], None, "URL", Own, Yes, "another address of the management API than the cloud's, for tests", set!(config.arm.endpoint = management_endpoint)),
    row("config.arm.vault", &[], None, "host", Own, Yes, "another suffix of Key Vault hosts than the cloud's; tokens for vaults go to no other host", set!(config.arm.vault = opt)),
    row("config.arm.rate", &[], Some("10"), "calls a second", Own, Yes, "most calls of the management API; Azure gives 25 a second to all who use the same identity", set!(config.arm.rate = |v| number(v, 1, 1000))),
    row("config.arm.sweep.interval", &[], Some("60s"), "time span", Own, Yes, "how often a document or an API's operations, whose changes no list shows, are looked at", set!(config.arm.sweep = positive)),
    row("config.arm.secrets.interval", &[], Some("1h"), "time span", Own, Yes, "how often subscription keys, secret named values and certificates are fetched again", set!(config.arm.secrets = positive)),
    row("config.audit.path", &[], None, "path", Own, Yes, "file to which each change of configuration is added as one line of JSON: when, from what, to what, which entities", set!(config.audit_path = opt)),
    row("config.backup.path", &[], None, "path", Own, Yes, "folder for a sealed copy of the last good configuration that came over a network", set!(config.backup_path = opt)),
    row("config.backup.key.path", &[], None, "path", Own, Yes, "file whose content seals the copy; without it the machine's own identifier does", set!(config.backup_key_path = opt)),
    row("config.overlay.path", &[], None, "path", Own, Yes, "overlay file with what such folders cannot hold", set!(config.overlay_path = opt)),
    // Hub
    row("hub.address", &[], Some("0.0.0.0:4293"), "address and port", Own, Yes, "where `gateway-agent hub` answers nodes", set!(hub.address = text)),
    row("hub.tls.certificate.path", &[], None, "path", Own, Yes, "PEM chain the hub shows; read again when it changes", set!(hub.certificate_path = opt)),
    row("hub.tls.key.path", &[], None, "path", Own, Yes, "PEM private key of that chain", set!(hub.key_path = opt)),
    row("hub.keys.path", &[], None, "path", Own, Yes, "folder with the gateways' keys, files `<gateway>.primary` and `<gateway>.secondary`; read at each request", set!(hub.keys_path = opt)),
    row("hub.state.path", &[], None, "path", Own, Yes, "folder in which the hub keeps its data set, sealed as a backup is (config.backup.key.path): nodes then notice nothing of its restart, and it serves before its source answers", set!(hub.state_path = opt)),
    row("hub.admin.address", &[], None, "address and port", Own, Yes, "where the hub answers /live, /ready, /status and /metrics; unset: nowhere", set!(hub.admin_address = opt)),
    row("hub.openid.config-url", &[], None, "URL", Own, Yes, "OpenID metadata of those whose tokens let nodes in besides gateway keys, such as `https://login.microsoftonline.com/{tenant}/v2.0/.well-known/openid-configuration`; files `<gateway>.applications` in hub.keys.path list who may be which gateway", set!(hub.openid_url = opt)),
    row("hub.openid.issuer", &[], None, "text", Own, Yes, "issuer of those tokens; unset: the one that the metadata names", set!(hub.openid_issuer = opt)),
    // Other instances
    row("neighborhood.host", &[], None, "DNS name", Official, Later("instances do not exchange counts yet"), "name whose addresses are all instances", set!(discovery.host = opt)),
    row("neighborhood.heartbeat.port", &[], Some("4291"), "UDP port", Official, Later("instances do not exchange counts yet"), "heartbeats between instances", set!(discovery.heartbeat_port = port)),
    row("policy.rate-limit.sync.port", &["policies.rate-limit.sync.port"], Some("4290"), "UDP port", Official, Later("instances do not exchange counts yet"), "rate-limit counts between instances", set!(discovery.rate_limit_port = port)),
    // Client side
    row("net.server.address", &[], Some("0.0.0.0"), "IP address", Own, Yes, "address of the two default listeners; listeners of the overlay replace them", set!(server.address = address)),
    row("net.server.http.port", &[], Some("8080"), "TCP port", Own, Yes, "plain listener; 0 turns it off", set!(server.http_port = port)),
    row("net.server.https.port", &[], Some("8081"), "TCP port", Own, Yes, "TLS listener; 0 turns it off", set!(server.https_port = port)),
    row("net.server.http3.enabled", &[], Some("true"), "true, false", Own, Yes, "HTTP/3 on the UDP port of the TLS listener", set!(server.http3 = boolean)),
    row("net.server.http.forwarded.proto.enabled", &[], Some("false"), "true, false", Official, Yes, "use `X-Forwarded-Proto` as the scheme that APIs are matched by", set!(server.forwarded_proto = boolean)),
    row("net.server.tls.certificate.path", &[], None, "path", Seed, Yes, "PEM file with the certificate chain shown when no host name matches", set!(server.certificate_path = opt)),
    row("net.server.tls.privateKey.path", &[], None, "path", Seed, Yes, "PEM file with its private key", set!(server.key_path = opt)),
    row("net.server.tls.ciphers.allowed-suites", &[], None, "list of suite names", Official, Yes, "TLS suites for clients, the preferred first; unset: all that are safe, AES-128 first", set!(server.ciphers = items)),
    row("net.server.tls.unknown-name", &[], Some("self-signed"), "self-signed, refuse", Own, Yes, "what a client sees that asks for a name without certificate", set!(server.refuse_unknown_names = unknown_name)),
    // Backend side
    row("net.client.tls.ciphers.allowed-suites", &[], None, "list of suite names", Official, Yes, "TLS suites towards backends, the preferred first; unset: all that are safe, AES-128 first", set!(client.ciphers = items)),
    row("Microsoft.WindowsAzure.ApiManagement.Gateway.Security.Backend.Protocols.Tls13", &[], Some("true"), "true, false", Official, Yes, "TLS 1.3 towards backends", set!(client.tls13 = boolean)),
    row("Microsoft.WindowsAzure.ApiManagement.Gateway.Security.Backend.Protocols.Tls12", &[], Some("true"), "true, false", Official, Yes, "TLS 1.2 towards backends", set!(client.tls12 = boolean)),
    row("Microsoft.WindowsAzure.ApiManagement.Gateway.Security.Backend.Protocols.Tls11", &[], Some("false"), "true, false", Official, OLD_TLS, "TLS 1.1 towards backends", truth_only),
    row("Microsoft.WindowsAzure.ApiManagement.Gateway.Security.Backend.Protocols.Tls10", &[], Some("false"), "true, false", Official, OLD_TLS, "TLS 1.0 towards backends", truth_only),
    row("Microsoft.WindowsAzure.ApiManagement.Gateway.Security.Backend.Protocols.Ssl30", &[], Some("false"), "true, false", Official, OLD_TLS, "SSL 3.0 towards backends", truth_only),
    row("certificates.local.ca.enabled", &[], Some("false"), "true, false", Official, Yes, "trust the CA certificates of certificates.local.ca.path", set!(client.local_ca = boolean)),
    row("certificates.local.ca.path", &[], None, "path", Own, Yes, "PEM file or folder of CA certificates to trust", set!(client.local_ca_path = opt)),
    row("security.certificate-revocation.validation.enabled", &[], Some("false"), "true, false", Official, Later("revocation lists are fetched for the certificates of clients only, by validate-client-certificate"), "check certificate revocation lists", set!(client.revocation = boolean)),
    row("HTTP_PROXY", &[], None, "URL", Environment, Yes, "HTTP proxy for plain backend requests, `http://user:password@host:port`; one of a policy or a backend entity wins", set!(client.http_proxy = opt)),
    row("HTTPS_PROXY", &[], None, "URL", Environment, Yes, "HTTP proxy that tunnels TLS backend requests", set!(client.https_proxy = opt)),
    row("NO_PROXY", &[], None, "list of hosts", Environment, Yes, "names (with all below them), addresses and networks that are reached without proxy, each with `:port` if only that is meant; `*`: all", set!(client.no_proxy = items)),
    row("DAPR_HTTP_PORT", &[], Some("3500"), "port", Environment, Yes, "where the Dapr sidecar listens; its injector sets it", set!(client.dapr_port = optional_port)),
    // Ingress
    row("k8s.ingress.enabled", &[], Some("false"), "true, false", Official, INGRESS, "build routes from Ingress objects", set!(ingress.enabled = boolean)),
    row("k8s.ingress.namespace", &[], Some("default"), "text", Official, INGRESS_DETAIL, "namespace to watch", set!(ingress.namespace = text)),
    row("k8s.ingress.dns.suffix", &[], Some("svc.cluster.local"), "text", Official, INGRESS_DETAIL, "suffix of backend host names", set!(ingress.dns_suffix = text)),
    row("k8s.ingress.config.path", &[], None, "path", Official, INGRESS_DETAIL, "kubeconfig", set!(ingress.config_path = opt)),
    // Metrics
    row("telemetry.metrics.local", &[], Some("none"), "none, statsd (false, true)", Official, Yes, "local metrics sink", metrics_local),
    row("telemetry.metrics.local.statsd.endpoint", &[], None, "host:port", Official, Yes, "StatsD server", set!(metrics.statsd_endpoint = statsd_endpoint)),
    row("telemetry.metrics.local.statsd.sampling", &[], Some("1"), "0 to 1", Official, Yes, "sampling rate", set!(metrics.statsd_sampling = fraction)),
    row("telemetry.metrics.local.statsd.tag-format", &[], Some("none"), "none, librato, dogStatsD, influxDB", Official, Yes, "how tags are written", set!(metrics.statsd_tags = tag_format)),
    row("telemetry.metrics.cloud", &[], Some("true"), "true, false", Official, NO_CLOUD, "send metrics to Azure Monitor", set!(metrics.cloud = boolean)),
    row("telemetry.metrics.prometheus.port", &[], Some("4290"), "TCP port", Own, Yes, "Prometheus endpoint `/metrics`; 0 turns it off", set!(metrics.prometheus_port = optional_port)),
    row("observability.opentelemetry.enabled", &[], Some("false"), "true, false", Official, Yes, "push OTLP metrics", set!(metrics.otel = boolean)),
    row("observability.opentelemetry.collector.uri", &[], None, "URL", Official, Yes, "OTLP collector: gRPC, or HTTP on port 4318 and with a path", set!(metrics.otel_collector = opt)),
    row("observability.opentelemetry.system-metrics.enabled", &[], Some("false"), "true, false", Official, Yes, "also process metrics", set!(metrics.otel_system = boolean)),
    row("observability.opentelemetry.interval", &[], Some("60s"), "time span", Own, Yes, "how often metrics are pushed", set!(metrics.otel_interval = positive)),
    row("observability.opentelemetry.histogram.buckets", &[], Some("5,10,25,50,100,250,500,1000,2500,5000,10000"), "list of milliseconds", Official, Yes, "bucket bounds of all histograms", set!(metrics.otel_buckets = buckets)),
    // Logs
    row("telemetry.logs.std", &[], Some("text"), "none, text, json (true, false)", Official, Yes, "log on standard output", set!(logs.std = std_log)),
    row("telemetry.logs.std.level", &[], Some("info"), "all, debug, info, warn, error, fatal", Official, Yes, "least severity shown", set!(logs.level = level)),
    row("telemetry.logs.std.color", &[], Some("true"), "true, false", Official, Yes, "colour in text output", set!(logs.color = boolean)),
    row("telemetry.logs.requests", &[], Some("false"), "true, false", Own, Yes, "one line a request in the log on standard output; the original wants a `local` diagnostic for it", set!(logs.requests = boolean)),
    row("telemetry.logs.connections", &[], Some("false"), "true, false", Own, Yes, "one line a closed client connection in the log on standard output: what the kernel counted and what the gateway did on it", set!(logs.connections = boolean)),
    row("telemetry.logs.local", &[], Some("auto"), "none, auto, localsyslog, rfc5424, journal, json (false)", Official, Yes, "local log sink; `auto`: the one whose endpoint is set", set!(logs.local = local_log)),
    row("telemetry.logs.local.localsyslog.endpoint", &[], None, "path", Official, Yes, "syslog socket", set!(logs.localsyslog_endpoint = opt)),
    row("telemetry.logs.local.localsyslog.facility", &[], Some("7"), "0 to 23", Official, Yes, "syslog facility", set!(logs.localsyslog_facility = facility)),
    row("telemetry.logs.local.rfc5424.endpoint", &[], None, "host:port", Official, Yes, "syslog server (UDP; `tcp://host:port` for TCP)", set!(logs.rfc5424_endpoint = opt)),
    row("telemetry.logs.local.rfc5424.facility", &[], Some("7"), "0 to 23", Official, Yes, "syslog facility", set!(logs.rfc5424_facility = facility)),
    row("telemetry.logs.local.journal.endpoint", &[], None, "path", Official, Yes, "journal socket", set!(logs.journal_endpoint = opt)),
    row("telemetry.logs.local.json.endpoint", &[], Some("127.0.0.1:8888"), "path or host:port", Official, Yes, "UDP receiver of JSON records", set!(logs.json_endpoint = text)),
    row("logs.applicationinsights.endpoint", &[], Some("https://dc.services.visualstudio.com/v2/track"), "URL", Official, Yes, "where telemetry of loggers goes that have a bare instrumentation key", set!(logs.application_insights_endpoint = text)),
    // Descriptive
    row("runtime.deployment.mechanism", &[], None, "text", Chart, Yes, "descriptive; accepted for the official chart, changes nothing", |s, v| describe(s, "mechanism", v)),
    row("runtime.deployment.artifact.version", &[], None, "text", Chart, Yes, "descriptive; accepted for the official chart, changes nothing", |s, v| describe(s, "artifact.version", v)),
    row("runtime.deployment.artifact.source", &[], None, "text", Chart, Yes, "descriptive; accepted for the official chart, changes nothing", |s, v| describe(s, "artifact.source", v)),
    row("runtime.deployment.orchestrator.type", &[], None, "text", Chart, Yes, "descriptive; accepted for the official chart, changes nothing", |s, v| describe(s, "orchestrator.type", v)),
    row("runtime.deployment.highAvailability.enabled", &[], None, "true, false", Chart, Yes, "descriptive; accepted for the official chart, changes nothing", |s, v| describe(s, "highAvailability.enabled", v)),
    row("runtime.deployment.dapr.enabled", &[], None, "true, false", Chart, Yes, "descriptive; accepted for the official chart, changes nothing", |s, v| describe(s, "dapr.enabled", v)),
    // Node
    row("runtime.workers", &[], Some("0"), "0 to 1024", Own, Yes, "traffic workers; 0: one per core", set!(workers = workers)),
    row("kernel.mode", &[], Some("auto"), "auto, off, required", Own, Yes, "use of eBPF: what is possible, nothing, or stop when a hook cannot be attached", set!(kernel = kernel_mode)),
    row("kernel.pin.path", &[], None, "path", Own, Yes, "directory in a BPF file system, such as /sys/fs/bpf/gateway-agent, where programs and maps outlive the agent; unset: they end with it", set!(kernel_side.pin_path = opt)),
    row("kernel.bans.entries", &[], Some("65536"), "1 to 1048576", Own, Yes, "addresses of each family that can be banned at one time", set!(kernel_side.bans = |v| number(v, 1, 1 << 20))),
    row("kernel.sources.entries", &[], Some("262144"), "1 to 16777216", Own, Yes, "sources whose budgets are remembered, 88 bytes each", set!(kernel_side.sources = |v| number(v, 1, 1 << 24))),
    row("admin.address", &[], Some("127.0.0.1:4292"), "address:port, `none`", Own, Yes, "where `status` and administration answer", set!(admin_address = opt)),
    row("admin.socket.path", &[], None, "path", Own, Yes, "Unix socket where the same answers", set!(admin.socket_path = opt)),
    row("admin.requests", &[], Some("0"), "0 to 10000", Own, Yes, "finished requests kept in memory for `/requests`", set!(admin.requests = |v| number(v, 0, 10_000))),
    row("admin.connections", &[], Some("0"), "0 to 10000", Own, Yes, "closed connections kept in memory for `/connections`", set!(admin.connections = |v| number(v, 0, 10_000))),
    row("upgrade.socket", &[], Some("@gateway-agent"), "`@name`, path, `none`", Own, Yes, "Unix socket where a new process takes over the listening sockets; `@` is the abstract namespace of the network namespace", set!(upgrade_socket = opt)),
    // Bounds
    row("limits.connections", &[], Some("65536"), "1 to 4000000", Own, Yes, "client connections open at once", set!(limits.connections = |v| number(v, 1, 4_000_000))),
    row("limits.requests", &[], Some("16384"), "1 to 1000000", Own, Yes, "requests under way at once; more are refused with 503 and Retry-After", set!(limits.requests = |v| number(v, 1, 1_000_000))),
    row("limits.memory.percent", &[], Some("90"), "1 to 100", Own, Yes, "part of the memory of the cgroup or machine beyond which new requests are refused with 503", set!(limits.memory_percent = |v| number(v, 1, 100))),
    row("limits.delay", &[], Some("500ms"), "time span", Own, Yes, "how late a worker may be before a growing share of new requests is refused with 503", set!(limits.delay = positive)),
    row("limits.request.header.bytes", &[], Some("64KiB"), "size", Own, Yes, "header section of a request", set!(limits.header_bytes = small_bytes)),
    row("limits.request.header.count", &[], Some("100"), "1 to 1024", Own, Yes, "header fields of a request; above 100 each request costs an allocation more", set!(limits.header_count = |v| number(v, 1, 1024))),
    row("limits.request.header.timeout", &[], Some("15s"), "time span", Own, Yes, "time to send a header section", set!(limits.header_timeout = positive)),
    row("limits.idle.timeout", &[], Some("240s"), "time span", Own, Yes, "kept-alive client connection without request", set!(limits.idle_timeout = positive)),
    row("limits.tls.handshake.timeout", &[], Some("10s"), "time span", Own, Yes, "time for a TLS handshake", set!(limits.handshake_timeout = positive)),
    row("limits.body.buffer.bytes", &[], Some("64MiB"), "size", Own, Yes, "largest body that a policy may read", set!(limits.body_buffer_bytes = bytes)),
    row("limits.http2.streams", &[], Some("128"), "1 to 4096", Own, Yes, "concurrent HTTP/2 streams of a connection", set!(limits.http2_streams = |v| number(v, 1, 4096))),
    row("limits.upstream.connections", &[], Some("512"), "1 to 65536", Own, Yes, "connections to one backend authority per worker", set!(limits.upstream_connections = |v| number(v, 1, 65_536))),
    row("limits.upstream.idle.timeout", &[], Some("60s"), "time span", Own, Yes, "idle pooled backend connection", set!(limits.upstream_idle_timeout = positive)),
    row("limits.upstream.connect.timeout", &[], Some("30s"), "time span", Own, Yes, "connecting to a backend", set!(limits.connect_timeout = positive)),
    row("limits.drain.timeout", &[], Some("60s"), "time span", Own, Yes, "time for running requests when stopping", set!(limits.drain_timeout = duration)),
    row("limits.expression.steps", &[], Some("5000000"), "1000 to 1000000000", Own, Yes, "steps of one expression", set!(limits.expression_steps = |v| integer(v, 1000, 1_000_000_000))),
    row("limits.expression.memory.bytes", &[], Some("256MiB"), "size", Own, Yes, "memory of one expression", set!(limits.expression_memory = bytes)),
    row("limits.expression.regex.steps", &[], Some("20000000"), "1000 to 1000000000", Own, Yes, "steps of one regular expression, about 100 ms; those of one evaluation take four times as many together", set!(limits.regex_steps = |v| integer(v, 1000, 1_000_000_000))),
    // Compatibility
    row("compatibility.missing-variable", &[], Some("throw"), "throw, null", Own, Yes, "`context.Variables[\"missing\"]`", set!(compat.missing_variable_is_null = |v| choice(v, "throw", "null"))),
    row("compatibility.unsupported-policies", &[], Some("skip"), "skip, refuse", Own, Yes, "policies the self-hosted gateway does not run: skip with a metric, or refuse their scope", set!(compat.refuse_unsupported_policies = |v| choice(v, "skip", "refuse"))),
    row("compatibility.backend-failure", &[], Some("500"), "500, 502", Own, Yes, "status of failed backends: always 500, or 502 for connections and 504 for time-outs", set!(compat.gateway_errors = |v| choice(v, "500", "502"))),
    // Caches, counters, identities
    row("cache.external.connection-string", &[], None, "`host:port,password=…,ssl=True`, or a `redis://` or `rediss://` URL", Own, Yes, "Redis for the cache policies, and for rate limits and quotas of all nodes together; a cluster is recognised", set!(cache.external = super::redis::setting)),
    row("cache.external.ca.path", &[], None, "path", Own, Yes, "PEM file of the authorities believed for that Redis; unset: the public ones", set!(cache.external_ca_path = opt)),
    row("cache.memory.enabled", &[], Some("false"), "true, false", Own, Yes, "a memory cache of this node for `caching-type=\"internal\"`, and for `prefer-external` without Redis", set!(cache.memory = boolean)),
    row("cache.memory.bytes", &[], Some("64MiB"), "size", Own, Yes, "bound of the memory cache", set!(cache.memory_bytes = bytes)),
    row("policy.counters.shared", &[], Some("true"), "true, false", Own, Yes, "rate limits and quotas are counted in the external cache when there is one; `false`: by each node for itself", set!(cache.shared_counters = boolean)),
    row("openid.refresh-interval", &[], Some("1h"), "time span", Own, Yes, "OpenID metadata and keys are fetched again after it", set!(openid.refresh = positive)),
    row("openid.minimum-refresh-interval", &[], Some("5m"), "time span", Own, Yes, "and at most this often when a token names an unknown key", set!(openid.minimum_refresh = positive)),
    row("identity.source", &[], Some("auto"), "auto, workloadIdentity, application, arc, appService, managedIdentity", Own, Yes, "where `authentication-managed-identity` gets tokens; `auto`: the first that the environment offers", set!(identity.source = identity_source)),
    row("AZURE_FEDERATED_TOKEN_FILE", &[], None, "path", Environment, Yes, "token of the pod's service account, for workloadIdentity", set!(identity.federated_token_file = opt)),
    row("IDENTITY_ENDPOINT", &[], None, "URL", Environment, Yes, "token endpoint of Azure Arc (with IMDS_ENDPOINT) and of App Service (with IDENTITY_HEADER)", set!(identity.endpoint = opt)),
    row("IDENTITY_HEADER", &[], None, "text", Environment, Yes, "secret of the App Service token endpoint", set!(identity.header = secret)),
    row("IMDS_ENDPOINT", &[], None, "URL", Environment, Yes, "metadata endpoint of Azure Arc; its presence chooses arc", set!(identity.arc = opt)),
    row("AZURE_POD_IDENTITY_AUTHORITY_HOST", &[], Some("http://169.254.169.254"), "URL", Environment, Yes, "instance metadata service, for managedIdentity", set!(identity.imds_host = text)),
];

/// Checks that concern several settings.
pub(super) fn check_together(s: &Settings, problems: &mut Vec<Problem>) {
    let mut fatal = |element: &str, message: &str| {
        problems.push(Problem::new(Severity::Fatal, "missing-setting", "settings", message).on(element));
    };
    if s.server.certificate_path.is_some() != s.server.key_path.is_some() {
        fatal(
            "net.server.tls.certificate.path",
            "net.server.tls.certificate.path and net.server.tls.privateKey.path go together; set both or neither",
        );
    }
    if matches!(s.config.auth, Auth::AzureAdApp | Auth::WorkloadIdentity) && s.gateway_name.is_none() {
        fatal(
            "gateway.name",
            "gateway.name is needed with azureAdApp and workloadIdentity; set it to the name of the gateway entity",
        );
    }
    if s.config.auth == Auth::AzureAdApp {
        if s.config.tenant_id.is_none() || s.config.client_id.is_none() {
            fatal(
                "config.service.auth.azureAd.tenantId",
                "azureAdApp needs config.service.auth.azureAd.tenantId and .clientId",
            );
        }
        if s.config.client_secret.is_none() && s.config.client_certificate_path.is_none() {
            fatal(
                "config.service.auth.azureAd.clientSecret",
                "azureAdApp needs config.service.auth.azureAd.clientSecret or .certificatePath",
            );
        }
    }
    if s.metrics.statsd && s.metrics.statsd_endpoint.is_none() {
        fatal(
            "telemetry.metrics.local.statsd.endpoint",
            "telemetry.metrics.local = statsd needs telemetry.metrics.local.statsd.endpoint (host:port)",
        );
    }
    if s.metrics.otel && s.metrics.otel_collector.is_none() {
        fatal(
            "observability.opentelemetry.collector.uri",
            "observability.opentelemetry.enabled needs observability.opentelemetry.collector.uri",
        );
    }
    if let Some(what) = missing_of_arm(s) {
        fatal("config.arm.service", &format!("config.arm.service needs {what}"));
    }
    let logs = &s.logs;
    for (chosen, endpoint, name) in [
        (LocalLog::LocalSyslog, &logs.localsyslog_endpoint, "localsyslog"),
        (LocalLog::Rfc5424, &logs.rfc5424_endpoint, "rfc5424"),
        (LocalLog::Journal, &logs.journal_endpoint, "journal"),
    ] {
        if logs.local == chosen && endpoint.is_none() {
            fatal(
                "telemetry.logs.local",
                &format!("telemetry.logs.local = {name} needs telemetry.logs.local.{name}.endpoint"),
            );
        }
    }
    if let Some(what) = missing_of_identity(s) {
        fatal("identity.source", &format!("identity.source needs {what}"));
    }
    if !s.client.tls12 && !s.client.tls13 {
        fatal(
            "Microsoft.WindowsAzure.ApiManagement.Gateway.Security.Backend.Protocols.Tls12",
            "no TLS version is left towards backends; allow Tls12 or Tls13",
        );
    }
}

/// What the management API as a source lacks.
fn missing_of_arm(s: &Settings) -> Option<&'static str> {
    let arm = &s.config.arm;
    arm.service.as_ref()?;
    if arm.subscription.is_none() {
        return Some("config.arm.subscription, the Azure subscription of the service");
    }
    arm.resource_group
        .is_none()
        .then_some("config.arm.resource-group, the resource group of the service")
}

/// What the chosen source of tokens lacks.
fn missing_of_identity(s: &Settings) -> Option<&'static str> {
    let (identity, config) = (&s.identity, &s.config);
    let application = config.tenant_id.is_some() && config.client_id.is_some();
    let proof = config.client_secret.is_some() || config.client_certificate_path.is_some();
    match identity.source {
        IdentitySource::WorkloadIdentity if identity.federated_token_file.is_none() || !application => {
            Some("AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID and AZURE_CLIENT_ID")
        }
        IdentitySource::Application if !application || !proof => {
            Some("config.service.auth.azureAd.tenantId, .clientId, and .clientSecret or .certificatePath")
        }
        IdentitySource::Arc if identity.endpoint.is_none() => Some("IDENTITY_ENDPOINT"),
        IdentitySource::AppService if identity.endpoint.is_none() || identity.header.is_none() => {
            Some("IDENTITY_ENDPOINT and IDENTITY_HEADER")
        }
        _ => None,
    }
}

fn opt(v: &str) -> Result<Option<Arc<str>>, String> {
    Ok((!v.is_empty() && v != "none").then(|| v.into()))
}

fn text(v: &str) -> Result<Arc<str>, String> {
    if v.is_empty() {
        Err("the value is empty".to_owned())
    } else {
        Ok(v.into())
    }
}

fn items(v: &str) -> Result<Vec<Arc<str>>, String> {
    Ok(list(v))
}

fn secret(v: &str) -> Result<Option<Secret>, String> {
    Ok((!v.is_empty()).then(|| Secret::new(v)))
}

fn port(v: &str) -> Result<u16, String> {
    integer(v, 0, 65_535).map(|n| n as u16)
}

fn optional_port(v: &str) -> Result<Option<u16>, String> {
    port(v).map(|p| (p != 0).then_some(p))
}

fn number(v: &str, least: u64, most: u64) -> Result<u32, String> {
    integer(v, least, most).map(|n| n as u32)
}

fn small_bytes(v: &str) -> Result<u32, String> {
    u32::try_from(bytes(v)?).map_err(|_| format!("`{v}` is too large; at most 4GiB"))
}

fn workers(v: &str) -> Result<u32, String> {
    number(v, 0, 1024)
}

fn facility(v: &str) -> Result<u8, String> {
    integer(v, 0, 23).map(|n| n as u8)
}

fn positive(v: &str) -> Result<std::time::Duration, String> {
    duration(v).and_then(|d| {
        if d.is_zero() {
            Err(format!("`{v}` must be more than zero"))
        } else {
            Ok(d)
        }
    })
}

fn address(v: &str) -> Result<std::net::IpAddr, String> {
    v.parse().map_err(|_| format!("`{v}` is no IP address"))
}

fn fraction(v: &str) -> Result<f64, String> {
    v.parse()
        .ok()
        .filter(|f| (0.0..=1.0).contains(f))
        .ok_or_else(|| format!("`{v}` is no number from 0 to 1"))
}

fn choice(v: &str, off: &str, on: &str) -> Result<bool, String> {
    if v.eq_ignore_ascii_case(on) {
        Ok(true)
    } else if v.eq_ignore_ascii_case(off) {
        Ok(false)
    } else {
        Err(format!("`{v}` is neither `{off}` nor `{on}`"))
    }
}

fn unknown_name(v: &str) -> Result<bool, String> {
    choice(v, "self-signed", "refuse")
}

/// Finds `v` among named values.
fn one_of<T: Copy>(v: &str, known: &[(&str, T)]) -> Result<T, String> {
    known
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(v))
        .map(|(_, t)| *t)
        .ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|(n, _)| *n).collect();
            format!("`{v}` is none of {}", names.join(", "))
        })
}

fn std_log(v: &str) -> Result<StdLog, String> {
    use StdLog::{Json, None, Text};
    one_of(
        v,
        &[
            ("none", None),
            ("text", Text),
            ("json", Json),
            ("true", Text),
            ("false", None),
        ],
    )
}

fn level(v: &str) -> Result<LogLevel, String> {
    use LogLevel::{All, Debug, Error, Fatal, Info, Warn};
    one_of(
        v,
        &[
            ("all", All),
            ("debug", Debug),
            ("info", Info),
            ("warn", Warn),
            ("warning", Warn),
            ("error", Error),
            ("fatal", Fatal),
        ],
    )
}

/// Tokens go there: without TLS only to this machine.
fn management_endpoint(v: &str) -> Result<Option<Arc<str>>, String> {
    let host = v
        .strip_prefix("http://")
        .map(|rest| rest.split(['/', ':']).next().unwrap_or(rest));
    let local = host.is_some_and(|host| host == "localhost" || host.starts_with("127."));
    match v.is_empty() || v == "none" || v.starts_with("https://") || local {
        true => opt(v),
        false => Err(format!(
            "`{v}` must begin with https://, because access tokens are sent there"
        )),
    }
}

/// With the spellings of the publisher of artifact folders.
fn cloud(v: &str) -> Result<ArmCloud, String> {
    one_of(
        v,
        &[
            ("AzurePublicCloud", ArmCloud::Public),
            ("AzureGlobalCloud", ArmCloud::Public),
            ("AzureCloud", ArmCloud::Public),
            ("AzureUSGovernment", ArmCloud::UsGovernment),
            ("AzureGovernment", ArmCloud::UsGovernment),
            ("AzureChinaCloud", ArmCloud::China),
            ("AzureChina", ArmCloud::China),
        ],
    )
}

fn identity_source(v: &str) -> Result<IdentitySource, String> {
    one_of(
        v,
        &[
            ("auto", IdentitySource::Auto),
            ("workloadIdentity", IdentitySource::WorkloadIdentity),
            ("application", IdentitySource::Application),
            ("arc", IdentitySource::Arc),
            ("appService", IdentitySource::AppService),
            ("managedIdentity", IdentitySource::ManagedIdentity),
        ],
    )
}

fn local_log(v: &str) -> Result<LocalLog, String> {
    use LocalLog::{Auto, Journal, Json, LocalSyslog, None, Rfc5424};
    one_of(
        v,
        &[
            ("none", None),
            ("auto", Auto),
            ("localsyslog", LocalSyslog),
            ("rfc5424", Rfc5424),
            ("journal", Journal),
            ("json", Json),
            ("false", None),
            ("true", Auto),
        ],
    )
}

fn tag_format(v: &str) -> Result<TagFormat, String> {
    use TagFormat::{DogStatsD, InfluxDb, Librato, None};
    one_of(
        v,
        &[
            ("none", None),
            ("librato", Librato),
            ("ibrato", Librato),
            ("dogStatsD", DogStatsD),
            ("influxDB", InfluxDb),
        ],
    )
}

fn kernel_mode(v: &str) -> Result<KernelMode, String> {
    one_of(
        v,
        &[
            ("auto", KernelMode::Auto),
            ("off", KernelMode::Off),
            ("required", KernelMode::Required),
        ],
    )
}

/// `true` is the seed's way to ask for the Prometheus endpoint, which is on by default.
fn metrics_local(s: &mut Settings, v: &str) -> Result<(), String> {
    s.metrics.statsd = one_of(
        v,
        &[
            ("none", false),
            ("false", false),
            ("true", false),
            ("statsd", true),
        ],
    )?;
    Ok(())
}

fn statsd_endpoint(v: &str) -> Result<Option<Arc<str>>, String> {
    opt(v.strip_prefix("udp://").unwrap_or(v))
}

fn buckets(v: &str) -> Result<Vec<f64>, String> {
    let out: Vec<f64> = list(v)
        .iter()
        .filter_map(|b| b.parse().ok())
        .filter(|b: &f64| b.is_finite() && *b > 0.0)
        .collect();
    if out.is_empty() || out.len() != list(v).len() || out.windows(2).any(|w| w[0] >= w[1]) {
        return Err(format!(
            "`{v}` is no rising list of milliseconds such as `5,10,25`"
        ));
    }
    Ok(out)
}

fn auth(v: &str) -> Result<Auth, String> {
    if v.eq_ignore_ascii_case("azureAdApp") {
        return Ok(Auth::AzureAdApp);
    }
    if v.eq_ignore_ascii_case("workloadIdentity") {
        return Ok(Auth::WorkloadIdentity);
    }
    let (word, token) = v.split_once(' ').unwrap_or((v, ""));
    if word.eq_ignore_ascii_case("GatewayKey") && !token.trim().is_empty() {
        return Ok(Auth::GatewayKey(Secret::new(token.trim())));
    }
    // The value may be a token: it is not repeated.
    Err("no valid authentication for the configuration API; write `GatewayKey <token>`, `azureAdApp` or `workloadIdentity`".to_owned())
}

fn truth_only(_: &mut Settings, v: &str) -> Result<(), String> {
    boolean(v).map(|_| ())
}

fn describe(s: &mut Settings, name: &str, v: &str) -> Result<(), String> {
    s.deployment.retain(|(n, _)| **n != *name);
    s.deployment.push((name.into(), v.into()));
    Ok(())
}

/// The settings reference as Markdown; `docs/settings.md` is this text.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Settings\n\n\
         Generated from the table in gateway-config/src/settings/table.rs; `cargo test -p gateway-config` compares it.\n\n\
         A setting is given as an environment variable or in a settings file, under its name (letter case ignored), an\n\
         alias, or its shell form (`config.service.endpoint` is `CONFIG_SERVICE_ENDPOINT`: upper case, everything but\n\
         letters and digits becomes `_`). The environment wins over the file. Time spans are written `00:01:40` or\n\
         `100s`; sizes in bytes or with `KiB`, `MiB`, `GiB`. An unknown name in a file and a bad value stop the start.\n\n\
         | name | values | default | from | meaning |\n|---|---|---|---|---|\n",
    );
    for e in TABLE {
        let from = match e.source {
            Official => "official",
            Chart => "chart",
            Environment => "environment",
            Seed => "seed",
            Own => "own",
        };
        let default = e.default.map_or("-".to_owned(), |d| format!("`{d}`"));
        let mut meaning = e.help.to_owned();
        if !e.aliases.is_empty() {
            meaning += &format!("; also `{}`", e.aliases.join("`, `"));
        }
        match e.support {
            Yes => {}
            Later(why) => meaning += &format!(". **No effect yet**: {why}"),
            Never(why) => meaning += &format!(". **Refused**: {why}"),
        }
        out += &format!(
            "| `{}` | {} | {default} | {from} | {meaning} |\n",
            e.name, e.values
        );
    }
    out
}
