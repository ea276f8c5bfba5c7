//! What an execution asks of the world, and what it is told in return.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::{
    Value,
    context::{Backend, Response, Url},
    failure::Failure,
    jose::OpenIdConfiguration,
};

/// Where an execution stands after it ran as far as it could.
#[derive(Debug)]
pub enum Step {
    /// It waits: perform the effect and resume with its outcome. Exactly one outcome per effect.
    Effect(Effect),
    /// It waits inside a `wait`: start these beside what is under way already, and resume with
    /// [`Outcome::Of`] whichever ends first. Nothing new may be asked. Any other step that follows says
    /// that the rest is not needed any more: drop it.
    Start(Vec<(Ticket, Effect)>),
    /// It is over: `Context::response` is what the client gets.
    Done,
}

/// Tells the effects of one `wait` apart; never used twice in an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub(crate) u32);

impl Ticket {
    /// Its number, for logs.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// Which message of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// The request, client to backend.
    Request,
    /// The response, backend to client.
    Response,
}

/// Something only the agent can do.
///
/// More will come: an agent that does not know one answers [`Outcome::Failed`] with
/// [`Failure::Unavailable`] and the policy that asked fails, visibly.
#[non_exhaustive]
#[derive(Debug)]
pub enum Effect {
    /// Read a streaming body whole into `Body::Buffered`. Answered by [`Outcome::Body`].
    ReadBody(Message),
    /// Send the request of the context to the backend. Answered by [`Outcome::Response`], whose body is
    /// normally `Body::Streaming`, or [`Outcome::Failed`].
    Forward(Box<Forward>),
    /// A call of its own (`send-request`). Answered by [`Outcome::Response`] with a buffered body.
    Send(Box<OutgoingRequest>),
    /// Count calls against a limit. Answered by [`Outcome::Counted`].
    Count(Box<Count>),
    /// Add to a counter what was used already, whatever its limit says: what is over it refuses the calls
    /// that follow. Answered by [`Outcome::Counted`].
    Charge(Box<Count>),
    /// Wait (`retry` intervals). Answered by [`Outcome::Elapsed`].
    Delay(Duration),
    /// Find the backend entity of this id (`set-backend-service backend-id`). Answered by
    /// [`Outcome::Backend`], or [`Outcome::Failed`] when there is none.
    SelectBackend(Arc<str>),
    /// The operation's example for this answer (`mock-response`). Answered by [`Outcome::Example`].
    Example {
        /// Status code whose response is looked up.
        status: StatusCode,
        /// Media type of the representation; `None`: the first.
        content_type: Option<Arc<str>>,
        /// Which of several examples, from 0.
        index: usize,
    },
    /// One cache operation on values. Answered by [`Outcome::Cached`].
    Cache(Box<CacheRequest>),
    /// An access token of the node's own identity. Answered by [`Outcome::Token`].
    Token(Box<TokenRequest>),
    /// What this OpenID Connect discovery document says (`validate-jwt`). Answered by [`Outcome::OpenId`].
    OpenId {
        /// URL of the discovery document.
        url: Arc<str>,
        /// The keys handed out before do not fit a token: fetch them again, unless that was done within
        /// the last five minutes.
        refresh: bool,
    },
    /// Whether the client's certificate, or one between it and its trusted authority, is revoked. Answered by
    /// [`Outcome::Revocation`].
    Revocation,
    /// Enter a section that holds at most `max_count` requests (`limit-concurrency`). Answered by
    /// [`Outcome::Permit`]; the permit is given back by dropping it.
    Enter {
        /// Whole key; equal keys share one count.
        key: Arc<str>,
        /// Most requests inside at once.
        max_count: u64,
    },
}

/// The world's answer to an [`Effect`].
#[derive(Debug)]
pub enum Outcome {
    /// First call of `resume`: nothing was asked yet.
    Start,
    /// The body, whole.
    Body(Bytes),
    /// Status, headers and body (streaming for `Forward`) of an answer, whatever its status.
    Response(Response),
    /// What came of a counter.
    Counted(Counted),
    /// The time has passed.
    Elapsed,
    /// The backend entity.
    Backend(SelectedBackend),
    /// The example, if the operation has one.
    Example(Option<Example>),
    /// What the cache holds for a look-up; `None` for a miss, a store and a removal.
    Cached(Option<Value>),
    /// The access token.
    Token(Arc<str>),
    /// The discovery document and its keys.
    OpenId(Arc<OpenIdConfiguration>),
    /// What the authorities say about the client's certificate.
    Revocation(Revocation),
    /// The place inside, or `None` when all are taken.
    Permit(Option<Permit>),
    /// What came of one effect of a [`Step::Start`].
    Of(Ticket, Box<Outcome>),
    /// The effect failed: backend unreachable, timeout, client gone, body too large.
    Failed(Failure),
}

/// What is known about the revocation of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// Its authorities say that it is not revoked.
    Good,
    /// One of them revoked it, or a certificate above it.
    Revoked,
    /// Nobody says, and why.
    Unknown(String),
}

/// `forward-request`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Time until the response headers have arrived; documented default 300 s.
    pub timeout: Duration,
    /// Protocol towards the backend.
    pub http_version: BackendHttpVersion,
    /// Follow 3xx answers.
    pub follow_redirects: bool,
    /// Keep the request body so that a retry can send it again.
    pub buffer_request_body: bool,
    /// Gather the response in 8 KiB pieces (default) or pass each chunk on at once.
    pub buffer_response: bool,
    /// What is shown when the backend asks for a client certificate; it wins over the backend entity's.
    pub certificate: Option<ClientCertificate>,
    /// Proxy on the way; it wins over the backend entity's.
    pub proxy: Option<Proxy>,
}

/// `proxy`: an HTTP proxy between the gateway and a backend.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its own URL, scheme `http`.
    pub url: Url,
    /// User name and password, sent by Basic authentication.
    pub credentials: Option<(Arc<str>, Arc<str>)>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Passwords do not belong into logs.
        write!(f, "proxy {}:{}", self.url.host, self.url.port)
    }
}

/// `authentication-certificate`: a certificate with its private key.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientCertificate {
    /// A certificate entity.
    Id(Arc<str>),
    /// The certificate entity with this thumbprint: SHA-1 of the DER form, hex.
    Thumbprint(Arc<str>),
    /// PFX bytes of the policy's own, and their password.
    Pfx(Bytes, Arc<str>),
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "certificate {id}"),
            Self::Thumbprint(thumbprint) => write!(f, "certificate with thumbprint {thumbprint}"),
            // Keys do not belong into logs.
            Self::Pfx(..) => f.write_str("certificate of the policy's own"),
        }
    }
}

/// `forward-request http-version`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackendHttpVersion {
    /// `1`
    #[default]
    Http1,
    /// `2or1`: by ALPN
    Http2Or1,
    /// `2`: prior knowledge on plain connections
    Http2,
}

/// `send-request` and `send-one-way-request`
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are what an HTTP request has")]
pub struct OutgoingRequest {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub timeout: Duration,
    /// Do not wait for the answer; the outcome is `Elapsed`, at once.
    pub one_way: bool,
    /// What is shown when the server asks for a client certificate.
    pub certificate: Option<ClientCertificate>,
    /// Proxy on the way.
    pub proxy: Option<Proxy>,
    /// Backend entity whose URL the path and query of `url` follow, and whose TLS options and credentials
    /// are used; scheme, host and port of `url` mean nothing then.
    pub backend: Option<Arc<str>>,
}

impl OutgoingRequest {
    /// A request with nothing but these, waited for.
    pub fn new(method: Method, url: Url, timeout: Duration) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout,
            one_way: false,
            certificate: None,
            proxy: None,
            backend: None,
        }
    }

    /// A JSON document POSTed to a path of a backend entity.
    pub(crate) fn to_backend(
        backend: &Arc<str>,
        path: &str,
        query: &str,
        body: &serde_json::Value,
        timeout: Duration,
    ) -> Self {
        let url = Url {
            path: path.to_owned(),
            query: query.to_owned(),
            ..Url::default()
        };
        let mut request = Self::new(Method::POST, url, timeout);
        let json = HeaderValue::from_static("application/json");
        request.headers.insert(header::CONTENT_TYPE, json);
        request.body = body.to_string().into();
        request.backend = Some(Arc::clone(backend));
        request
    }
}

/// One check-and-increment of a rate limit or quota counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Whole key: kind of policy, scope and caller's key; equal keys share one counter.
    pub key: Arc<str>,
    /// Calls allowed in `period`.
    pub limit: u64,
    /// Length of the window.
    pub period: Duration,
    /// Sliding (rate limits) or fixed (quotas).
    pub window: Window,
    /// By how much; 0 only looks whether one more would be allowed.
    pub increment: u64,
}

impl Count {
    /// A look after this exchange was counted already: it is allowed unless the counter is over its limit.
    #[must_use]
    pub(crate) fn counted_already(mut self) -> Self {
        // A look asks for one more, and the one more is in the counter.
        self.limit = self.limit.saturating_add(1);
        self.increment = 0;
        self
    }
}

/// How a counter forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Rate limits on the self-hosted gateway.
    Sliding,
    /// Quotas: periods counted from a start, as Unix seconds.
    Fixed {
        /// Start of the first period.
        first_period_start: i64,
    },
}

/// State of a counter after a [`Count`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// False: the limit was reached and nothing was counted.
    pub allowed: bool,
    /// Calls left in the window.
    pub remaining: u64,
    /// Time until a call would be allowed again; zero when allowed.
    pub retry_after: Duration,
}

/// A backend entity chosen by policy.
#[derive(Clone, Debug)]
pub struct SelectedBackend {
    /// What expressions see as `context.Backend`.
    pub backend: Arc<Backend>,
    /// Its URL, which replaces scheme, host, port and base path; `None` for a pool, whose member is
    /// chosen when the request is sent.
    pub url: Option<Url>,
}

/// A response example of the API definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Media type of the representation.
    pub content_type: Option<Arc<str>>,
    /// The example itself.
    pub body: Bytes,
}

/// One of `cache-lookup-value`, `cache-store-value`, `cache-remove-value`.
#[derive(Clone, Debug)]
pub struct CacheRequest {
    /// Key as the policy gives it.
    pub key: Arc<str>,
    /// Which cache is meant.
    pub cache: CachingType,
    /// What to do.
    pub action: CacheAction,
}

/// What a [`CacheRequest`] does.
#[derive(Clone, Debug)]
pub enum CacheAction {
    /// Return the stored value.
    Lookup,
    /// Keep the value for a time.
    Store {
        /// The value.
        value: Value,
        /// How long.
        duration: Duration,
    },
    /// Forget the value.
    Remove,
}

/// `caching-type`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CachingType {
    /// The external cache if there is one.
    #[default]
    PreferExternal,
    /// Only the external one.
    External,
    /// Only the built-in one, which a self-hosted gateway does not have.
    Internal,
}

/// `authentication-managed-identity`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenRequest {
    /// The application id URI the token is for.
    pub resource: Arc<str>,
    /// A user-assigned identity; `None`: the system-assigned one.
    pub client_id: Option<Arc<str>>,
    /// `authentication-provider="WorkloadIdentity"`: only the pod's federated token will do.
    pub workload_identity: bool,
}

/// A place inside a `limit-concurrency` section. Dropping it gives the place back, also when the
/// exchange is abandoned.
pub struct Permit(
    /// Whatever releases the place when dropped.
    pub Box<dyn Any>,
);

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}
