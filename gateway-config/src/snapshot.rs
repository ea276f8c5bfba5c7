//! The immutable result of loading: what one request is served with, from route to program.
//!
//! The agent holds it in an `Arc`, takes one clone per request and never sees it change.

use std::{collections::BTreeMap, fmt, net::IpAddr, sync::Arc, time::Duration};

use gateway_policy::{
    Program, context,
    schema::{Definitions, NamedSchemas, OperationDefinition},
};
use http::{HeaderMap, Method, StatusCode};
use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};

use crate::{
    access::{Access, AccessTable},
    load::{Cache, Programs},
    network::{Hostname, KernelOptions, Listener},
    overlay::CertificateFile,
    routing::{Route, RouteTable},
    settings::Redis,
    telemetry::{Diagnostics, Logger, Telemetry},
};

/// Files of an artifact folder by relative path with `/`, already read.
pub type FileTree = BTreeMap<String, Arc<[u8]>>;

/// An API (one revision of it) with everything resolved.
pub struct ApiEntry {
    /// Position among the snapshot's APIs.
    pub(crate) index: usize,
    /// Entity name without revision; what links and subscription scopes refer to.
    pub name: Arc<str>,
    /// `name` in lower case: entity names are unique without regard to case.
    pub folded_name: Arc<str>,
    /// What policies see.
    pub api: Arc<context::Api>,
    /// Header field of its subscription key.
    pub key_header: http::HeaderName,
    /// Where requests go unless a policy says otherwise.
    pub service_url: Option<context::Url>,
    /// Path prefix of its requests: `path`, plus the version with scheme `Segment`; no slash at either end.
    pub effective_path: Arc<str>,
    /// What its operations carry.
    pub kind: ApiKind,
    /// Schemes it answers.
    pub protocols: Protocols,
    /// Is a subscription key needed (outside open products)?
    pub subscription_required: bool,
    /// Where a version identifier is looked for and which one is this API's.
    pub version: Option<Version>,
    /// Operations in the order of the specification; shared with other snapshots while they stay the same.
    pub operations: Arc<[Arc<OperationEntry>]>,
    /// Why every request to it is refused (500), when one of its parts did not load.
    pub refused: Option<Arc<str>>,
}

impl fmt::Debug for ApiEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the service address: its query holds signatures in real configurations, and this ends in logs.
        let revision = &*self.api.revision;
        let path = &*self.effective_path;
        f.debug_struct("ApiEntry")
            .field("name", &self.name)
            .field("revision", &revision)
            .field("path", &path)
            .finish_non_exhaustive()
    }
}

/// `type` of an API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the management API")]
pub enum ApiKind {
    #[default]
    Http,
    Soap,
    WebSocket,
    GraphQl,
    OData,
    Grpc,
}

/// `protocols` of an API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the management API")]
pub struct Protocols {
    pub http: bool,
    pub https: bool,
    pub ws: bool,
    pub wss: bool,
}

/// How an API of a version set is told from its siblings at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Identifier; empty for the set's "Original".
    pub identifier: Arc<str>,
    /// Where requests carry it.
    pub place: VersionPlace,
}

/// `versioningScheme` of a version set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionPlace {
    /// The segment after the path; already part of [`ApiEntry::effective_path`].
    Segment,
    /// A query parameter of this name.
    Query(Arc<str>),
    /// A header field of this name.
    Header(http::HeaderName),
}

/// An operation with everything resolved.
#[derive(Debug, Default)]
pub struct OperationEntry {
    /// Position among the API's operations.
    pub(crate) index: usize,
    /// What policies see.
    pub operation: Arc<context::Operation>,
    /// SOAP APIs: the action that chooses it.
    pub soap_action: Option<Arc<str>>,
    /// Documented answers, for `mock-response`.
    pub responses: Vec<ResponseEntry>,
    /// Query parameters the specification declares, by name (for `copy-unmatched-params`, validation).
    pub query_parameters: Vec<Arc<str>>,
    /// What it says about messages; only when some `validate-*` policy can ask.
    pub definition: Option<Arc<OperationDefinition>>,
}

/// A documented answer of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseEntry {
    /// Status code; `default` answers are not kept.
    pub status: StatusCode,
    /// Its media types, in order; one with several examples stands once for each.
    pub representations: Vec<Representation>,
}

/// One media type of a documented answer, with one of its examples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Representation {
    /// Media type as written.
    pub content_type: Arc<str>,
    /// The example as text, objects as JSON; without one, a sample generated from a JSON schema.
    pub example: Option<Arc<str>>,
}

/// A product.
#[derive(Debug)]
pub struct ProductEntry {
    /// Position among the snapshot's products.
    pub(crate) index: usize,
    /// What policies see; `id` is the entity name.
    pub product: Arc<context::Product>,
    /// Entity names of its APIs.
    pub apis: Vec<Arc<str>>,
}

/// A subscription that a key can stand for.
pub struct SubscriptionEntry {
    /// What policies see; `id` is the entity name.
    pub subscription: Arc<context::Subscription>,
    /// What its keys open.
    pub scope: SubscriptionScope,
    /// Only `active` opens anything.
    pub state: SubscriptionState,
    /// Owner, when one is known.
    pub owner: Option<Arc<context::User>>,
    /// May its keys switch on request tracing?
    pub allow_tracing: bool,
}

impl fmt::Debug for SubscriptionEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the keys.
        f.debug_struct("SubscriptionEntry")
            .field("id", &self.subscription.id)
            .field("scope", &self.scope)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// `scope` of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionScope {
    /// APIs of one product (entity name).
    Product(Arc<str>),
    /// One API (entity name), all its revisions.
    Api(Arc<str>),
    /// `/apis`, or the built-in all-access subscription.
    AllApis,
}

/// `state` of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the management API")]
pub enum SubscriptionState {
    Active,
    Suspended,
    Submitted,
    Rejected,
    Cancelled,
    Expired,
}

/// A backend entity.
pub struct BackendEntry {
    /// What policies see; `id` is the entity name.
    pub backend: Arc<context::Backend>,
    /// Base address; `None` for a pool.
    pub url: Option<context::Url>,
    /// Header fields added to every request.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// Query parameters added to every request.
    pub query: Vec<(String, String)>,
    /// Client certificates by entity name, first usable one wins.
    pub certificate_ids: Vec<Arc<str>>,
    /// Client certificates by thumbprint, only without ids.
    pub certificate_thumbprints: Vec<Arc<str>>,
    /// Check the server certificate's chain.
    pub validate_chain: bool,
    /// Check the server certificate's name.
    pub validate_name: bool,
    /// Forward proxy on the way.
    pub proxy: Option<BackendProxy>,
    /// Circuit breaker rule, at most one.
    pub breaker: Option<BreakerRule>,
    /// Members of a pool.
    pub pool: Vec<PoolMember>,
    /// Cookie of session affinity, when on.
    pub affinity_cookie: Option<Arc<str>>,
    /// Why using it fails (500), when it did not load.
    pub refused: Option<Arc<str>>,
}

impl fmt::Debug for BackendEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without credentials.
        f.debug_struct("BackendEntry")
            .field("id", &self.backend.id)
            .field("host", &self.url.as_ref().map(|u| &u.host))
            .field("pool", &self.pool)
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}

/// `proxy` of a backend.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the management API")]
pub struct BackendProxy {
    pub url: context::Url,
    pub username: Option<Arc<str>>,
    pub password: Option<Arc<str>>,
}

impl fmt::Debug for BackendProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the credentials: this ends in logs.
        f.debug_struct("BackendProxy")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// A circuit breaker rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerRule {
    /// Name.
    pub name: Arc<str>,
    /// Trips at this many failures in `interval`, or
    pub count: Option<u32>,
    /// at this share of failures, in percent.
    pub percentage: Option<u32>,
    /// Window of counting.
    pub interval: Duration,
    /// Status codes that are failures, inclusive.
    pub status_ranges: Vec<(u16, u16)>,
    /// Reasons that are failures; free text that matches nothing is kept and ignored.
    pub error_reasons: Vec<Arc<str>>,
    /// How long it stays open.
    pub trip_duration: Duration,
    /// The backend's `Retry-After` replaces `trip_duration`.
    pub accept_retry_after: bool,
}

/// A member of a backend pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolMember {
    /// Entity name of the backend.
    pub id: Arc<str>,
    /// Share inside its priority group; 0 counts as 1 when all are 0.
    pub weight: u32,
    /// Lower is tried first.
    pub priority: u32,
}

/// What of a request decides its route. Nothing is copied.
#[derive(Clone, Copy, Debug)]
pub struct RequestKey<'a> {
    /// `http` or `https`: of the connection, or of the trusted `X-Forwarded-Proto`.
    pub scheme: &'a str,
    /// Host without port.
    pub host: &'a str,
    /// Method.
    pub method: &'a Method,
    /// Path as received, percent-encoded.
    pub path: &'a str,
    /// Query without the question mark.
    pub query: &'a str,
    /// Header fields.
    pub headers: &'a HeaderMap,
    /// It asks for a WebSocket upgrade.
    pub websocket: bool,
}

/// The gateway entity this node serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayEntity {
    /// Entity name; `context.Deployment.Gateway.Id`.
    pub id: Arc<str>,
    /// `locationData.name`; `context.Deployment.Region`.
    pub region: Arc<str>,
    /// Name of the APIM service, from `config.service.endpoint`.
    pub service_name: Arc<str>,
}

/// The configuration that one request is served with. Never changes; replaced whole.
#[derive(Default)]
pub struct Snapshot {
    /// Hash over everything it was made from, hex.
    pub revision: Arc<str>,
    pub(crate) gateway: GatewayEntity,
    pub(crate) apis: Vec<Arc<ApiEntry>>,
    pub(crate) products: Vec<Arc<ProductEntry>>,
    /// By lower-case entity name.
    pub(crate) backends: BTreeMap<Arc<str>, Arc<BackendEntry>>,
    pub(crate) routes: RouteTable,
    pub(crate) access: AccessTable,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) hostnames: Vec<Hostname>,
    pub(crate) kernel: KernelOptions,
    pub(crate) certificates: Vec<CertificateFile>,
    /// The Redis of the artifacts' cache entity.
    pub(crate) external_cache: Option<Arc<Redis>>,
    /// Certificate authorities of the gateway, PEM.
    pub(crate) authorities: Vec<Arc<[u8]>>,
    pub(crate) programs: Programs,
    /// Schemas of the service, by id.
    pub(crate) schemas: Option<Arc<NamedSchemas>>,
    /// Loggers and diagnostics.
    pub(crate) telemetry: Telemetry,
    /// Content hash by entity, for the diff.
    pub(crate) digests: BTreeMap<Arc<str>, [u8; 32]>,
    /// What the next load may take over.
    pub(crate) cache: Cache,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Compiled documents hold the values of secret named values.
        f.debug_struct("Snapshot")
            .field("revision", &self.revision)
            .field("gateway", &self.gateway)
            .field("apis", &self.apis.len())
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Finds API and operation of a request.
    pub fn route(&self, key: &RequestKey<'_>) -> Route<'_> {
        self.routes.route(key)
    }

    /// Decides whether the request may use `api`, and as whom.
    pub fn authorize(&self, api: &ApiEntry, key: &RequestKey<'_>) -> Access {
        self.access.authorize(api, key)
    }

    /// The policy program of a request: global, product, API and operation documents composed. Without an API it is
    /// the global document's, whose `on-error` runs when nothing matched.
    pub fn program(
        &self,
        api: Option<&ApiEntry>,
        operation: Option<&OperationEntry>,
        product: Option<&ProductEntry>,
    ) -> &Arc<Program> {
        self.programs.get(api, operation, product)
    }

    /// What there is to validate messages of an operation against.
    pub fn definitions(&self, operation: Option<&OperationEntry>) -> Definitions {
        Definitions {
            operation: operation.and_then(|o| o.definition.clone()),
            schemas: self.schemas.clone(),
        }
    }

    /// What is served, as text: equal for equal configurations whatever source they came from. For comparisons; it
    /// takes time in proportion to the configuration.
    pub fn content(&self) -> String {
        crate::content::text(self)
    }

    /// The gateway entity served.
    pub fn gateway(&self) -> &GatewayEntity {
        &self.gateway
    }

    /// All APIs, revisions included.
    pub fn apis(&self) -> &[Arc<ApiEntry>] {
        &self.apis
    }

    /// All products.
    pub fn products(&self) -> &[Arc<ProductEntry>] {
        &self.products
    }

    /// All backends; look-up with [`Snapshot::backend`].
    pub fn backends(&self) -> impl Iterator<Item = &Arc<BackendEntry>> {
        self.backends.values()
    }

    /// The backend named `id` (case ignored).
    pub fn backend(&self, id: &str) -> Option<&Arc<BackendEntry>> {
        if id.bytes().any(|b| b.is_ascii_uppercase()) {
            return self.backends.get(id.to_ascii_lowercase().as_str());
        }
        self.backends.get(id)
    }

    /// The diagnostics in effect for requests of `api`; those of the service for requests that match none.
    pub fn diagnostics(&self, api: Option<&ApiEntry>) -> &Arc<Diagnostics> {
        api.and_then(|api| self.telemetry.apis.get(api.index))
            .unwrap_or(&self.telemetry.service)
    }

    /// The logger named `id` (case ignored).
    pub fn logger(&self, id: &str) -> Option<&Arc<Logger>> {
        self.telemetry.loggers.get(id.to_ascii_lowercase().as_str())
    }

    /// All loggers.
    pub fn loggers(&self) -> impl Iterator<Item = &Arc<Logger>> {
        self.telemetry.loggers.values()
    }

    /// Where to listen.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Host names with their certificates.
    pub fn hostnames(&self) -> &[Hostname] {
        &self.hostnames
    }

    /// Certificate entities and the files that hold them.
    pub fn certificates(&self) -> &[CertificateFile] {
        &self.certificates
    }

    /// The external cache that a cache entity names; `None` when the settings name one.
    pub fn external_cache(&self) -> Option<&Arc<Redis>> {
        self.external_cache.as_ref()
    }

    /// Certificate authorities that the gateway entity trusts, PEM.
    pub fn authorities(&self) -> &[Arc<[u8]>] {
        &self.authorities
    }

    /// Callers that every request refuses before anything else happens, by an unconditional `ip-filter` of the global scope.
    pub fn always_forbidden(&self) -> Vec<IpNet> {
        let mut prefixes = Vec::new();
        for range in self.programs.always_forbidden() {
            match range.into_inner() {
                (IpAddr::V4(from), IpAddr::V4(to)) => {
                    prefixes.extend(Ipv4Subnets::new(from, to, 0).map(IpNet::V4));
                }
                (IpAddr::V6(from), IpAddr::V6(to)) => {
                    prefixes.extend(Ipv6Subnets::new(from, to, 0).map(IpNet::V6));
                }
                _ => {}
            }
        }
        prefixes
    }

    /// What the kernel side is asked to do, with the proxies that listeners believe among the trusted ones.
    pub fn kernel_with_proxies(&self) -> KernelOptions {
        let mut options = self.kernel.clone();
        for listener in &self.listeners {
            let proxies = listener.proxy_protocol.iter().chain(&listener.trusted_proxies);
            options.trusted_proxies.extend(proxies.copied());
        }
        options
    }

    /// What the kernel side is asked to do.
    pub fn kernel(&self) -> &KernelOptions {
        &self.kernel
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_shared_between_workers() {
        fn shared<T: Send + Sync>() {}
        shared::<Snapshot>();
    }
}
