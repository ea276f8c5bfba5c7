//! Every key an overlay can have, with meaning and example: the check of unknown keys and `docs/overlay.md` both
//! come from here.

/// One key of an object.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// Meaning, with unit and default.
    pub(crate) help: &'static str,
    /// Example value as YAML on one line; empty when children follow.
    pub(crate) example: &'static str,
    /// Keys of the object, or of each object of the list.
    pub(crate) children: &'static [Key],
    /// It holds a list of objects.
    pub(crate) list: bool,
}

const fn leaf(name: &'static str, example: &'static str, help: &'static str) -> Key {
    Key {
        name,
        help,
        example,
        children: &[],
        list: false,
    }
}

const fn object(name: &'static str, children: &'static [Key], help: &'static str) -> Key {
    Key {
        name,
        help,
        example: "",
        children,
        list: false,
    }
}

const fn list(name: &'static str, children: &'static [Key], help: &'static str) -> Key {
    Key {
        name,
        help,
        example: "",
        children,
        list: true,
    }
}

pub(crate) const LISTENER: &[Key] = &[
    leaf("name", "public", "for logs, metrics and steering rules; unique"),
    leaf("address", "0.0.0.0", "IP address; default 0.0.0.0"),
    leaf("port", "8081", "TCP port"),
    leaf("tls", "true", "terminate TLS here; default false"),
    leaf("http1", "true", "HTTP/1.1; default true"),
    leaf(
        "http2",
        "true",
        "HTTP/2, by ALPN with TLS and by prior knowledge without; default true",
    ),
    leaf(
        "http3",
        "true",
        "HTTP/3 on the UDP port of the same number; needs tls; default: as tls",
    ),
    object(
        "limits",
        LISTENER_LIMITS,
        "bounds of this listener; absent ones take the settings",
    ),
    leaf(
        "proxyProtocol",
        "[192.0.2.0/24]",
        "peers that begin each connection with a PROXY protocol header (1 or 2): the client is who it names; no other peer may send one",
    ),
    leaf(
        "trustedProxies",
        "[198.51.100.0/24]",
        "peers whose X-Forwarded-For and X-Forwarded-Proto are believed: the client is the last address that is none of theirs; with \
         it the setting net.server.http.forwarded.proto.enabled holds for them alone",
    ),
];

pub(crate) const LISTENER_LIMITS: &[Key] = &[
    leaf("connections", "10000", "client connections open at once"),
    leaf("headerBytes", "64KiB", "header section of a request"),
    leaf("headerTimeout", "15s", "time to send a header section"),
    leaf("idleTimeout", "240s", "kept-alive connection without request"),
];

pub(crate) const HOSTNAME: &[Key] = &[
    leaf(
        "name",
        "api.example.com",
        "exact name, or *.example.com for one label",
    ),
    leaf(
        "certificatePath",
        "/etc/gateway/tls/api.pem",
        "PEM file with the full chain, read again when it changes",
    ),
    leaf(
        "keyPath",
        "/etc/gateway/tls/api.key",
        "PEM file with the private key",
    ),
    leaf(
        "defaultSslBinding",
        "false",
        "shown to clients that name no host name or an unknown one; default false",
    ),
    leaf(
        "negotiateClientCertificate",
        "false",
        "ask for a client certificate in the handshake; default false",
    ),
    leaf("http2", "true", "offer HTTP/2 by ALPN; default true"),
];

pub(crate) const L4: &[Key] = &[
    leaf(
        "interfaces",
        "[eth0, eth1]",
        "interfaces on which packets of clients and backends come in: services run in the kernel there; without any they are relayed",
    ),
    leaf(
        "flows",
        "131072",
        "flows the kernel has room for, per family; default 131072, some 50 MiB each",
    ),
    list(
        "services",
        L4_SERVICE,
        "addresses and ports that go to backends as they are, without HTTP",
    ),
];

pub(crate) const L4_SERVICE: &[Key] = &[
    leaf("name", "postgres", "for logs and figures; unique"),
    leaf(
        "address",
        "203.0.113.10",
        "address that clients use: routed to this node, or its own",
    ),
    leaf("port", "5432", "port that clients use"),
    leaf("protocol", "tcp", "tcp or udp; default tcp"),
    leaf(
        "mode",
        "auto",
        "auto, kernel (or not at all) or relay (by this process, with splice); default auto",
    ),
    leaf(
        "nat",
        "full",
        "full: backends see the node; destination: they see the client, and their answers must come back through this node; default full",
    ),
    leaf(
        "natSource",
        "198.51.100.1",
        "address of the node towards the backends; default: what its routes choose",
    ),
    leaf(
        "natPorts",
        "61000-65535",
        "source ports of full NAT; must not overlap net.ipv4.ip_local_port_range",
    ),
    leaf(
        "affinity",
        "false",
        "a client's connections go to one backend; default false",
    ),
    leaf("maxFlows", "10000", "most connections at a time; default none"),
    leaf(
        "bytesPerSecond",
        "125000000",
        "most bytes a second, both directions together; default none",
    ),
    list(
        "backends",
        L4_BACKEND,
        "where it goes; with tls: what none of its names match",
    ),
    list(
        "tls",
        L4_TLS,
        "backends by the host name of the TLS handshake, which is passed through; always relayed",
    ),
    object(
        "health",
        L4_HEALTH,
        "backends are checked by a TCP connect; absent: they are taken to be well",
    ),
    leaf(
        "drain",
        "10m",
        "how long connections of a backend that was taken out may go on; default 10m",
    ),
];

pub(crate) const L4_BACKEND: &[Key] = &[
    leaf("address", "10.0.0.5", "IP address"),
    leaf("port", "5432", "port"),
    leaf(
        "weight",
        "1",
        "share of new connections relative to the others; 0 drains it; default 1",
    ),
];

pub(crate) const L4_TLS: &[Key] = &[
    leaf(
        "names",
        "[db.example.com, '*.db.example.com']",
        "host names; a leading *. stands for one label",
    ),
    list("backends", L4_BACKEND, "where they go"),
];

pub(crate) const L4_HEALTH: &[Key] = &[
    leaf(
        "interval",
        "5s",
        "time between two checks of a backend; default 5s",
    ),
    leaf("timeout", "2s", "time a connect may take; default 2s"),
    leaf(
        "rise",
        "2",
        "successes in a row until it takes connections again; default 2",
    ),
    leaf("fall", "3", "failures in a row until it takes none; default 3"),
];

pub(crate) const KERNEL: &[Key] = &[
    leaf(
        "uplinks",
        "[eth0]",
        "interfaces on which packets are dropped before the stack sees them",
    ),
    list(
        "steer",
        STEER,
        "addresses and ports handed to a listener without binding each (sk_lookup)",
    ),
    leaf(
        "deny",
        "[192.0.2.0/24, 2001:db8::/32]",
        "source prefixes dropped on the uplinks; of `deny` and `allow` the longer prefix decides",
    ),
    leaf(
        "uplinkMode",
        "auto",
        "auto, native (XDP in the driver), generic (XDP in the stack) or tc; default auto",
    ),
    leaf(
        "allow",
        "[192.0.2.128/25]",
        "source prefixes that are neither denied nor banned nor limited as sources",
    ),
    leaf(
        "trustedProxies",
        "[10.0.0.0/24]",
        "proxies in front: never banned, never denied because of a policy",
    ),
    leaf(
        "dropMalformed",
        "[short, header, length, flags, address]",
        "kinds of malformed packets to drop; others are counted only",
    ),
    leaf(
        "sampleDrops",
        "10",
        "dropped packets kept for `drops`, a second and CPU; default 0",
    ),
    object(
        "budgets",
        BUDGETS,
        "what sources may send and destinations may get; beyond it packets are dropped on the uplinks",
    ),
    leaf(
        "ipFilterDenies",
        "true",
        "an unconditional `ip-filter action=\"forbid\"` at the start of the global policy is enforced on the uplinks, for the gateway's own destinations; default false",
    ),
    object(
        "rateLimitBans",
        RATE_LIMIT_BANS,
        "clients that `rate-limit-by-key` with their address as key refuses again and again are banned from the gateway's own destinations",
    ),
];

pub(crate) const BUDGETS: &[Key] = &[
    leaf(
        "wholeNode",
        "false",
        "sources are limited towards every destination of the node, not only the gateway's; default false",
    ),
    object(
        "source",
        SOURCE_BUDGETS,
        "each source: an IPv4 address, or the first 64 bits of an IPv6 address",
    ),
    list(
        "destinations",
        DESTINATION_BUDGETS,
        "everybody together towards one destination",
    ),
];

pub(crate) const SOURCE_BUDGETS: &[Key] = &[
    leaf(
        "syn",
        "100/s",
        "TCP SYN segments; the burst is a second's worth unless it is given",
    ),
    leaf("packets", "20000/s burst 50000", "packets"),
    leaf("connections", "50/s", "TCP connections whose handshake ended"),
];

pub(crate) const DESTINATION_BUDGETS: &[Key] = &[
    leaf("address", "203.0.113.10", "destination address"),
    leaf("port", "443", "port; without it the whole address"),
    leaf("protocol", "tcp", "tcp or udp; default tcp"),
    leaf("syn", "50000/s", "TCP SYN segments"),
    leaf("packets", "1000000/s", "packets"),
    leaf("connections", "20000/s", "TCP connections whose handshake ended"),
];

pub(crate) const RATE_LIMIT_BANS: &[Key] = &[
    leaf("refusals", "20", "refused requests of one address"),
    leaf("within", "10s", "in so long a time"),
    leaf("lasts", "10m", "the ban; at most a day"),
];

pub(crate) const STEER: &[Key] = &[
    leaf("prefix", "198.51.100.0/28", "destination addresses"),
    leaf("ports", "\"443\"", "one port, or a range first-last"),
    leaf(
        "listener",
        "public",
        "name of the listener that gets the connections",
    ),
];

pub(crate) const USER: &[Key] = &[
    leaf(
        "id",
        "ada",
        "what `ownerId: /users/ada` of a subscription refers to",
    ),
    leaf("firstName", "Ada", "`context.User.FirstName`"),
    leaf("lastName", "Lovelace", "`context.User.LastName`"),
    leaf("email", "ada@example.com", "`context.User.Email`"),
    leaf("note", "partner", "`context.User.Note`"),
    leaf(
        "registrationDate",
        "2026-01-31T00:00:00Z",
        "`context.User.RegistrationDate`",
    ),
    leaf(
        "groups",
        "[developers]",
        "group entity names; `context.User.Groups`",
    ),
    list("identities", IDENTITY, "`context.User.Identities`"),
];

pub(crate) const IDENTITY: &[Key] = &[
    leaf("provider", "Aad", "identity provider"),
    leaf("id", "8f6f…", "id there"),
];

pub(crate) const CERTIFICATE: &[Key] = &[
    leaf(
        "id",
        "client-cert",
        "certificate entity name, as policies and backends refer to it",
    ),
    leaf(
        "certificatePath",
        "/etc/gateway/certs/client.pem",
        "PEM file with the chain",
    ),
    leaf(
        "keyPath",
        "/etc/gateway/certs/client.key",
        "PEM file with the private key; absent for a certificate without one",
    ),
];

/// An override of an entity: `name`, `properties` and, for some kinds, children.
const NAME: Key = leaf("name", "echo", "entity name, exactly as the folder is called");
const PROPERTIES: Key = leaf(
    "properties",
    "{serviceUrl: \"https://backend.internal\"}",
    "merged into the properties of the information file, object by object; lists and scalars are replaced",
);

pub(crate) const PLAIN: &[Key] = &[NAME, PROPERTIES];

pub(crate) const OPERATION: &[Key] = &[
    leaf(
        "name",
        "purge",
        "operation name; one that is not in the specification is added",
    ),
    leaf(
        "properties",
        "{method: PURGE, urlTemplate: \"/items/{id}\", displayName: Purge}",
        "method and urlTemplate, needed for an added operation; displayName",
    ),
    list("policies", POLICY, "replaces the operation's policy document"),
];

pub(crate) const POLICY: &[Key] = &[
    leaf("name", "policy", "always `policy`"),
    leaf(
        "properties",
        "{format: rawxml, value: \"<policies>…</policies>\"}",
        "`value` replaces the document; `format` is rawxml",
    ),
];

pub(crate) const API: &[Key] = &[
    NAME,
    PROPERTIES,
    list(
        "operations",
        OPERATION,
        "overrides and custom methods that OpenAPI cannot express",
    ),
    list("policies", POLICY, "replaces the API's policy document"),
    list(
        "diagnostics",
        DIAGNOSTIC_EXAMPLE,
        "diagnostics of this API; one that is not in the folder is created and replaces the service's",
    ),
    leaf(
        "releases",
        "[]",
        "accepted for APIOps files; not used by a gateway",
    ),
];

pub(crate) const PRODUCT: &[Key] = &[
    NAME,
    PROPERTIES,
    list("policies", POLICY, "replaces the product's policy document"),
];

/// An entity kind of APIOps.
pub(crate) struct EntityKind {
    pub(crate) name: &'static str,
    pub(crate) keys: &'static [Key],
    /// Names of its properties (ARM), for warnings about slips; empty: not checked.
    pub(crate) properties: &'static [&'static str],
}

pub(crate) const ENTITY_KINDS: &[EntityKind] = &[
    EntityKind {
        name: "namedValues",
        keys: PLAIN,
        properties: &["displayName", "value", "secret", "tags", "keyVault"],
    },
    EntityKind {
        name: "subscriptions",
        keys: PLAIN,
        properties: &[
            "displayName",
            "scope",
            "state",
            "ownerId",
            "allowTracing",
            "primaryKey",
            "secondaryKey",
            "createdDate",
            "startDate",
            "endDate",
            "expirationDate",
            "notificationDate",
            "stateComment",
        ],
    },
    EntityKind {
        name: "backends",
        keys: PLAIN,
        properties: &[
            "title",
            "description",
            "url",
            "protocol",
            "type",
            "resourceId",
            "properties",
            "credentials",
            "proxy",
            "tls",
            "circuitBreaker",
            "pool",
        ],
    },
    EntityKind {
        name: "apis",
        keys: API,
        properties: &[
            "displayName",
            "description",
            "path",
            "serviceUrl",
            "protocols",
            "type",
            "apiType",
            "apiRevision",
            "apiRevisionDescription",
            "isCurrent",
            "isOnline",
            "apiVersion",
            "apiVersionDescription",
            "apiVersionSetId",
            "apiVersionSet",
            "subscriptionRequired",
            "subscriptionKeyParameterNames",
            "authenticationSettings",
            "sourceApiId",
            "contact",
            "license",
            "termsOfServiceUrl",
            "format",
            "value",
            "provisioningState",
        ],
    },
    EntityKind {
        name: "products",
        keys: PRODUCT,
        properties: &[
            "displayName",
            "description",
            "terms",
            "subscriptionRequired",
            "approvalRequired",
            "subscriptionsLimit",
            "state",
        ],
    },
    EntityKind {
        name: "versionSets",
        keys: PLAIN,
        properties: &[
            "displayName",
            "description",
            "versioningScheme",
            "versionQueryName",
            "versionHeaderName",
        ],
    },
    EntityKind {
        name: "gateways",
        keys: PLAIN,
        properties: &["description", "locationData"],
    },
    EntityKind {
        name: "groups",
        keys: PLAIN,
        properties: &["displayName", "description", "type", "builtIn", "externalId"],
    },
    EntityKind {
        name: "policyFragments",
        keys: PLAIN,
        properties: &["description", "format", "value"],
    },
    EntityKind {
        name: "policies",
        keys: POLICY,
        properties: &["format", "value"],
    },
    EntityKind {
        name: "loggers",
        keys: PLAIN,
        properties: &[],
    },
    EntityKind {
        name: "diagnostics",
        keys: PLAIN,
        properties: &[],
    },
    EntityKind {
        name: "tags",
        keys: PLAIN,
        properties: &[],
    },
    EntityKind {
        name: "workspaces",
        keys: PLAIN,
        properties: &[],
    },
];

/// The top of the file.
pub(crate) const TOP: &[Key] = &[
    leaf(
        "apimServiceName",
        "contoso",
        "name of the APIM service; `context.Deployment.ServiceName`",
    ),
    list(
        "listeners",
        LISTENER,
        "where to listen; without them the settings net.server.* make two listeners",
    ),
    list("hostnames", HOSTNAME, "host names with their certificates"),
    object(
        "kernel",
        KERNEL,
        "what the kernel side is asked to do; all of it is optional",
    ),
    object(
        "l4",
        L4,
        "TCP, UDP and TLS passed through to backends: docs/l4-services.md",
    ),
    list(
        "certificates",
        CERTIFICATE,
        "client certificates towards backends and those that policies compare with",
    ),
    list("users", USER, "owners of subscriptions"),
    list(
        "subscriptions",
        SUBSCRIPTION_EXAMPLE,
        "keys of subscriptions; one that is not in the folder is created (`master` opens every API)",
    ),
    list(
        "namedValues",
        NAMED_VALUE_EXAMPLE,
        "values of secret named values; `env` and `file` are read by the agent",
    ),
    list("apis", API, "APIs of the folder"),
    list("products", PRODUCT_EXAMPLE, "products of the folder"),
    list(
        "backends",
        BACKEND_EXAMPLE,
        "backends; one that is not in the folder is created",
    ),
    list("versionSets", VERSION_SET_EXAMPLE, "version sets of the folder"),
    list("gateways", GATEWAY_EXAMPLE, "gateways of the folder"),
    list("groups", GROUP_EXAMPLE, "groups of the folder"),
    list(
        "policyFragments",
        FRAGMENT_EXAMPLE,
        "policy fragments of the folder; `value` replaces the document",
    ),
    list(
        "policies",
        POLICY,
        "the global policy; `value` replaces the document",
    ),
    list(
        "loggers",
        LOGGER_EXAMPLE,
        "where telemetry goes; one that is not in the folder is created",
    ),
    list(
        "diagnostics",
        DIAGNOSTIC_EXAMPLE,
        "what is told about requests (`applicationinsights`, `local`); one that is not in the folder is created",
    ),
    leaf("tags", "[]", "accepted for APIOps files; not used by a gateway"),
    leaf(
        "workspaces",
        "[]",
        "accepted for APIOps files; workspaces are not served by self-hosted gateways",
    ),
];

const SUBSCRIPTION_EXAMPLE: &[Key] = &[
    leaf("name", "partner-1", "entity name"),
    leaf(
        "properties",
        "{scope: /products/starter, state: active, ownerId: /users/ada, primaryKey: {env: PARTNER_KEY}, secondaryKey: {file: /run/secrets/partner-2}}",
        "a key is text, {env: NAME} or {file: PATH}",
    ),
];

const NAMED_VALUE_EXAMPLE: &[Key] = &[
    leaf("name", "backend-token", "entity name"),
    leaf(
        "properties",
        "{value: {file: /run/secrets/backend-token}}",
        "the value is text, {env: NAME} or {file: PATH}",
    ),
];

const BACKEND_EXAMPLE: &[Key] = &[
    leaf("name", "on-prem-api", "entity name"),
    leaf(
        "properties",
        "{url: \"http://10.0.0.7:8080\"}",
        "as in backendInformation.json",
    ),
];

const PRODUCT_EXAMPLE: &[Key] = &[
    leaf("name", "starter", "entity name"),
    leaf(
        "properties",
        "{state: published}",
        "as in productInformation.json",
    ),
    list("policies", POLICY, "replaces the product's policy document"),
];

const VERSION_SET_EXAMPLE: &[Key] = &[
    leaf("name", "orders", "entity name"),
    leaf(
        "properties",
        "{versioningScheme: Header, versionHeaderName: x-version}",
        "as in versionSetInformation.json",
    ),
];

const GATEWAY_EXAMPLE: &[Key] = &[
    leaf("name", "edge-1", "entity name"),
    leaf(
        "properties",
        "{locationData: {name: Plant 7}}",
        "as in gatewayInformation.json",
    ),
];

const GROUP_EXAMPLE: &[Key] = &[
    leaf("name", "developers", "entity name"),
    leaf(
        "properties",
        "{displayName: Developers}",
        "as in groupInformation.json",
    ),
];

const LOGGER_EXAMPLE: &[Key] = &[
    leaf("name", "insights", "entity name"),
    leaf(
        "properties",
        "{loggerType: applicationInsights, credentials: {connectionString: {env: INSIGHTS_CONNECTION}}}",
        "as in loggerInformation.json; a credential is text, {env: NAME} or {file: PATH}",
    ),
];

const DIAGNOSTIC_EXAMPLE: &[Key] = &[
    leaf("name", "local", "applicationinsights, local or azuremonitor"),
    leaf(
        "properties",
        "{alwaysLog: allErrors, sampling: {samplingType: fixed, percentage: 10}}",
        "as in diagnosticInformation.json",
    ),
];

const FRAGMENT_EXAMPLE: &[Key] = &[
    leaf("name", "mark", "entity name"),
    leaf(
        "properties",
        "{value: \"<fragment>…</fragment>\"}",
        "`value` replaces the document",
    ),
];
