//! Sources that come over a network: what they have in common, and the client of a hub.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use gateway_config::{
    FileTree,
    events::{PAGE_BYTES, Page, Progress, Replica, ReplicaError, Revision, TreeBounds},
};
use http::{Request, StatusCode, Uri, header};

use super::{
    arm::Access,
    backup::{Backup, Origin},
    http::{Client, HttpError},
    token::{SCHEME, Token},
};
use crate::telemetry::clock::Timestamp;

/// Host names of the service's own configuration endpoint, whose protocol is not public.
const CLOSED_ENDPOINTS: [&str; 3] = [
    ".configuration.azure-api.net",
    ".configuration.azure-api.cn",
    ".configuration.azure-api.us",
];
/// Pages asked for in one poll. A tree within its bounds has fewer; a hub that never ends is cut off.
const PAGES_MAX: usize = 10_000;
/// Largest page: content doubles at most in JSON (escapes), and one file may be larger than a page.
const PAGE_ANSWER_BYTES: usize = 2 * (PAGE_BYTES + (32 << 20)) + (1 << 20);
/// A token with less life than this is worth a warning each day.
pub const TOKEN_WARNING: Duration = Duration::from_secs(7 * 24 * 3600);

/// A configuration that was read, and which one it is.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The artifact tree.
    pub files: FileTree,
    /// Data set and counter.
    pub version: (String, Revision),
}

/// Why a source did not answer with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// Nobody there, or the connection broke.
    #[error("{0}")]
    Unreachable(String),
    /// The source does not know this node, or its token is over.
    #[error("{0}")]
    Unauthorised(String),
    /// The source asks for patience.
    #[error("the source asks to wait {} s", .0.as_secs())]
    Throttled(Duration),
    /// It answered with something else.
    #[error("{0}")]
    Refused(String),
}

impl RemoteError {
    /// The metric's label.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Unauthorised(_) => "unauthorised",
            Self::Throttled(_) => "throttled",
            Self::Refused(_) => "refused",
        }
    }
}

impl From<HttpError> for RemoteError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::TooLarge { .. } => Self::Refused(error.to_string()),
            _ => Self::Unreachable(error.to_string()),
        }
    }
}

/// A future of a source.
pub type Polling<'a> = Pin<Box<dyn Future<Output = Result<Option<Fetched>, RemoteError>> + Send + 'a>>;

/// Something that has the configuration.
pub trait Remote: Send + Sync {
    /// For people: what it is and where.
    fn describe(&self) -> String;

    /// Asks for news. `None`: nothing changed since the last answer.
    fn poll(&mut self) -> Polling<'_>;

    /// Starts from a backup instead of from nothing.
    fn restore(&mut self, backup: &Backup);

    /// What to do about an error of this source, where that differs from the usual.
    fn remedy(&self, _error: &RemoteError) -> Option<&'static str> {
        None
    }

    /// When the right to ask ends, if it is known.
    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

/// A source that the settings name and that cannot be asked: the node says why, and serves its copy on disk.
#[derive(Debug)]
pub struct Unusable(pub HubSettingError);

impl Remote for Unusable {
    fn describe(&self) -> String {
        "none that can be followed".to_owned()
    }

    fn poll(&mut self) -> Polling<'_> {
        let error = match &self.0 {
            HubSettingError::Token(_) => RemoteError::Unauthorised(self.0.to_string()),
            _ => RemoteError::Refused(self.0.to_string()),
        };
        Box::pin(std::future::ready(Err(error)))
    }

    fn restore(&mut self, _: &Backup) {}
}

/// Why a hub cannot be followed at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HubSettingError {
    /// The service's own endpoint.
    #[error(
        "{0} is the configuration endpoint of Azure API Management itself, whose protocol is not public, so nothing but \
         the vendor's own gateway can speak it. What works: the same service through its management API (config.arm.service), a \
         folder of APIOps artifacts (config.artifacts.path), or a hub (gateway-agent hub) of your own whose address \
         stands in config.service.endpoint"
    )]
    Closed(String),
    /// Not an address.
    #[error("config.service.endpoint: `{0}` is not a URL such as https://hub.example.com:4293")]
    Endpoint(String),
    /// No token, or not one.
    #[error("config.service.auth: {0}")]
    Token(String),
}

/// How a node shows a hub who it is.
enum Credential {
    /// `GatewayKey …`, and when it ends.
    Key(Arc<str>, Timestamp),
    /// A token of Entra for this audience.
    Entra(Box<Access>, Arc<str>),
}

/// A hub's client.
pub struct Hub {
    client: Client,
    base: String,
    credential: Credential,
    gateway: String,
    replica: Replica,
    bounds: TreeBounds,
    /// The tree was handed out complete at least once since the last start over.
    told: Option<(String, Revision)>,
}

impl Hub {
    /// Follows the hub at `endpoint` with `token`.
    ///
    /// # Errors
    /// What is wrong with the endpoint or the token.
    pub fn new(
        client: Client,
        endpoint: &str,
        token: &str,
        bounds: TreeBounds,
    ) -> Result<Self, HubSettingError> {
        let parsed = Token::parse(token).map_err(|refusal| HubSettingError::Token(refusal.to_string()));
        let base = address(endpoint)?;
        let parsed = parsed?;
        let header = format!("{SCHEME} {}", parsed.text()).into();
        let credential = Credential::Key(header, parsed.expiry());
        Ok(Self::of(
            client,
            base,
            parsed.gateway().to_owned(),
            credential,
            bounds,
        ))
    }

    /// Follows the hub at `endpoint` as `gateway`, with tokens of the node's own identity.
    ///
    /// # Errors
    /// What is wrong with the endpoint.
    pub(crate) fn with_identity(
        client: Client,
        endpoint: &str,
        gateway: &str,
        access: Access,
        audience: &Arc<str>,
        bounds: TreeBounds,
    ) -> Result<Self, HubSettingError> {
        let base = address(endpoint)?;
        let credential = Credential::Entra(Box::new(access), Arc::clone(audience));
        Ok(Self::of(client, base, gateway.to_owned(), credential, bounds))
    }

    fn of(client: Client, base: String, gateway: String, credential: Credential, bounds: TreeBounds) -> Self {
        Self {
            client,
            base,
            credential,
            gateway,
            replica: Replica::new(bounds),
            bounds,
            told: None,
        }
    }

    async fn authorization(&self) -> Result<String, RemoteError> {
        match &self.credential {
            Credential::Key(header, _) => Ok(header.to_string()),
            Credential::Entra(access, audience) => Ok(format!("Bearer {}", access.bearer(audience).await?)),
        }
    }

    async fn ask(&self) -> Result<Page, RemoteError> {
        let position = self.replica.position();
        let url = format!(
            "{}/gateways/{}/events?$top=100&$skiptoken={position}",
            self.base, self.gateway
        );
        let request = Request::get(url)
            .header(header::AUTHORIZATION, self.authorization().await?)
            .header(header::ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|error| RemoteError::Refused(error.to_string()))?;
        let answer = self.client.send(request, PAGE_ANSWER_BYTES).await?;
        let text = || {
            String::from_utf8_lossy(&answer.body)
                .chars()
                .take(300)
                .collect::<String>()
        };
        match answer.status {
            StatusCode::OK => serde_json::from_slice(&answer.body).map_err(|error| {
                RemoteError::Refused(format!("the hub's answer is no page of events: {error}"))
            }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                if let Credential::Entra(access, audience) = &self.credential {
                    access.forget(audience);
                }
                Err(RemoteError::Unauthorised(text()))
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Err(RemoteError::Throttled(retry_after(&answer.headers)))
            }
            status => Err(RemoteError::Refused(format!(
                "the hub answered {status}: {}",
                text()
            ))),
        }
    }

    async fn follow(&mut self) -> Result<Option<Fetched>, RemoteError> {
        for _ in 0..PAGES_MAX {
            let page = self.ask().await?;
            match self.replica.apply(&page) {
                Ok(Progress::Complete(_)) => {
                    let version = (self.replica.dataset().to_owned(), self.replica.position());
                    if self.told.as_ref() == Some(&version) {
                        return Ok(None);
                    }
                    self.told = Some(version.clone());
                    let files = self.replica.files().clone();
                    return Ok(Some(Fetched { files, version }));
                }
                Ok(Progress::More | Progress::StartOver) => {}
                Err(ReplicaError::Behind(..)) => {
                    // A hub that lost its history under the same name: what it has now is what counts.
                    self.replica = Replica::new(self.bounds);
                }
                Err(error) => {
                    self.replica = Replica::new(self.bounds);
                    return Err(RemoteError::Refused(error.to_string()));
                }
            }
        }
        Err(RemoteError::Refused(format!(
            "the hub's events do not end after {PAGES_MAX} pages"
        )))
    }
}

/// The base of a hub's address, checked.
fn address(endpoint: &str) -> Result<String, HubSettingError> {
    let text = if endpoint.contains("://") {
        endpoint.to_owned()
    } else {
        format!("https://{endpoint}")
    };
    let uri: Uri = text
        .parse()
        .map_err(|_| HubSettingError::Endpoint(endpoint.to_owned()))?;
    let Some(host) = uri.host() else {
        return Err(HubSettingError::Endpoint(endpoint.to_owned()));
    };
    let lower = host.to_ascii_lowercase();
    if CLOSED_ENDPOINTS.iter().any(|suffix| lower.ends_with(suffix)) {
        return Err(HubSettingError::Closed(host.to_owned()));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Pause without a usable `Retry-After`.
const RETRY_DEFAULT: Duration = Duration::from_secs(10);
/// Longest pause that a source can ask for.
const RETRY_MAX: Duration = Duration::from_secs(600);

/// Seconds of `Retry-After`, bounded (RFC 9110 §10.2.3; dates are not used by the sources known).
pub(super) fn retry_after(headers: &http::HeaderMap) -> Duration {
    let seconds = headers
        .get(header::RETRY_AFTER)
        .and_then(|v| v.to_str().ok()?.trim().parse().ok());
    seconds
        .map_or(RETRY_DEFAULT, Duration::from_secs)
        .clamp(Duration::from_secs(1), RETRY_MAX)
}

impl Remote for Hub {
    fn describe(&self) -> String {
        format!("hub {} as {}", self.base, self.gateway)
    }

    fn poll(&mut self) -> Polling<'_> {
        Box::pin(self.follow())
    }

    fn restore(&mut self, backup: &Backup) {
        let Origin {
            dataset, revision, ..
        } = &backup.origin;
        self.replica = Replica::restore(self.bounds, dataset.clone(), *revision, backup.files.clone());
        self.told = Some((dataset.clone(), *revision));
    }

    fn expires(&self) -> Option<Timestamp> {
        match &self.credential {
            Credential::Key(_, expiry) => Some(*expiry),
            // Renewed before its end.
            Credential::Entra(..) => None,
        }
    }

    fn remedy(&self, error: &RemoteError) -> Option<&'static str> {
        let entra = matches!(self.credential, Credential::Entra(..));
        (entra && matches!(error, RemoteError::Unauthorised(_))).then_some(
            "see that the identity's application stands in the hub's file <gateway>.applications, and that its token is \
             for config.service.auth.tokenAudience; traffic goes on",
        )
    }
}
