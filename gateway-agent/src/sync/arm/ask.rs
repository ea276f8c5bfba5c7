//! One call of the management API: address, token, pace, and what an answer means.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gateway_config::arm::{self, Item, Page};
use http::{HeaderMap, Method, Request, StatusCode, header};

use super::{Place, access::Access, pace::Pace, vault};
use crate::{
    identity::Source,
    sync::{
        http::{Answer, Client},
        remote::{RemoteError, retry_after},
    },
    telemetry::Metrics,
};

/// The version of the contract that is spoken.
const VERSION: &str = "2024-05-01";
/// Largest answer: a page of operations with their examples, or a specification of 4 MB as JSON.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// Pages of one list. With 100 items each, ten times what a service may hold.
const PAGES_MAX: usize = 10_000;
/// The provider asks for patience with 5xx and conflict; beyond this the round ends.
const RETRIES: u32 = 3;
/// Pause before the first retry, doubled with each.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Why one thing could not be read.
#[derive(Debug)]
pub(super) enum AskError {
    /// There is none.
    Gone,
    /// The identity may not do this one thing.
    Denied(String),
    /// Nothing can be read at the moment.
    Failed(RemoteError),
}

impl AskError {
    /// For what a configuration cannot be without.
    pub(super) fn fatal(self, what: &str) -> RemoteError {
        match self {
            Self::Gone => RemoteError::Refused(format!("{what}: the management API knows no such thing")),
            Self::Denied(why) => RemoteError::Unauthorised(format!("{what}: {why}")),
            Self::Failed(error) => error,
        }
    }
}

impl From<RemoteError> for AskError {
    fn from(error: RemoteError) -> Self {
        Self::Failed(error)
    }
}

impl From<arm::PayloadError> for AskError {
    fn from(error: arm::PayloadError) -> Self {
        Self::Failed(RemoteError::Refused(error.to_string()))
    }
}

/// Asks one service.
#[derive(Debug)]
pub(super) struct Ask {
    client: Client,
    access: Access,
    place: Place,
    pace: Pace,
    metrics: Arc<Metrics>,
}

impl Ask {
    pub(super) fn new(client: Client, identity: Source, place: Place, metrics: Arc<Metrics>) -> Self {
        Self {
            access: Access::new(client.clone(), identity, Arc::clone(&metrics)),
            pace: Pace::new(place.rate),
            client,
            place,
            metrics,
        }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The address of something below the service. Names are encoded; `query` begins with `&` or is empty.
    fn url(&self, path: &[&str], query: &str) -> String {
        let mut url = format!("{}{}", self.place.endpoint, self.place.service);
        for part in path {
            url.push('/');
            crate::pipeline::escape(part, &mut url);
        }
        url.push_str("?api-version=");
        url.push_str(VERSION);
        url.push_str(query);
        url
    }

    /// All items of a list.
    pub(super) async fn list(&mut self, path: &[&str]) -> Result<Vec<Item>, AskError> {
        let mut url = self.url(path, "");
        let mut out = Vec::new();
        for _ in 0..PAGES_MAX {
            let answer = self.call(Method::GET, &url).await?;
            let Page { items, next } = arm::page(&answer.body)?;
            out.extend(items);
            match next {
                None => return Ok(out),
                Some(next) => url = self.own(next)?,
            }
        }
        Err(AskError::Failed(RemoteError::Refused(format!(
            "the list {} does not end after {PAGES_MAX} pages",
            path.join("/")
        ))))
    }

    /// A next page is where the first one was: the token goes nowhere else.
    fn own(&self, next: String) -> Result<String, AskError> {
        let rest = next.strip_prefix(&self.place.endpoint);
        if rest.is_some_and(|rest| rest.starts_with('/')) {
            return Ok(next);
        }
        let shown: String = next.chars().take(100).collect();
        Err(AskError::Failed(RemoteError::Refused(format!(
            "a list goes on at `{shown}`, which is not {}",
            self.place.endpoint
        ))))
    }

    /// One entity and its tag.
    pub(super) async fn item(
        &mut self,
        path: &[&str],
        query: &str,
    ) -> Result<(Item, Option<String>), AskError> {
        let answer = self.call(Method::GET, &self.url(path, query)).await?;
        Ok((arm::item(&answer.body)?, tag(&answer.headers)))
    }

    /// The tag of one entity.
    pub(super) async fn tag(&mut self, path: &[&str]) -> Result<Option<String>, AskError> {
        let answer = self.call(Method::HEAD, &self.url(path, "")).await?;
        Ok(tag(&answer.headers))
    }

    /// The answer of an action.
    pub(super) async fn action(&mut self, path: &[&str]) -> Result<Bytes, AskError> {
        let answer = self.call(Method::POST, &self.url(path, "")).await?;
        Ok(answer.body)
    }

    /// A secret of a Key Vault.
    pub(super) async fn vault(&mut self, id: &str) -> Result<arm::VaultSecret, AskError> {
        let url = vault::address(id, &self.place.vault).map_err(AskError::Denied)?;
        let resource = format!("https://{}", self.place.cloud.vault);
        let answer = self.send(Method::GET, &url, &resource).await?;
        Ok(arm::vault_secret(&answer.body)?)
    }

    async fn call(&mut self, method: Method, url: &str) -> Result<Answer, AskError> {
        let resource = self.place.cloud.management;
        self.send(method, url, resource).await
    }

    /// Sends, with patience for what passes by itself.
    async fn send(&mut self, method: Method, url: &str, resource: &str) -> Result<Answer, AskError> {
        let mut pause = RETRY_PAUSE;
        let mut renewed = false;
        for attempt in 0.. {
            let answer = self.once(&method, url, resource).await?;
            let status = answer.status;
            let fault = || described(&answer);
            match status.as_u16() {
                200..=299 => return Ok(answer),
                404 if method != Method::GET || !service_is_gone(&answer) => return Err(AskError::Gone),
                401 if !renewed => {
                    // Keys of the service or rights of the identity may have changed: one new token settles it.
                    renewed = true;
                    self.access.forget(resource);
                }
                401 => return Err(RemoteError::Unauthorised(fault()).into()),
                403 => return Err(AskError::Denied(fault())),
                429 => return Err(RemoteError::Throttled(retry_after(&answer.headers)).into()),
                503 if answer.headers.contains_key(header::RETRY_AFTER) => {
                    return Err(RemoteError::Throttled(retry_after(&answer.headers)).into());
                }
                409 | 412 | 500.. if attempt < RETRIES => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                500.. => return Err(RemoteError::Unreachable(fault()).into()),
                _ => return Err(RemoteError::Refused(fault()).into()),
            }
        }
        Err(AskError::Gone)
    }

    async fn once(&mut self, method: &Method, url: &str, resource: &str) -> Result<Answer, AskError> {
        let token = self.access.bearer(resource).await?;
        let waited = self.pace.turn().await;
        self.metrics.sync.source_waited.inc_by(waited.as_secs_f64());
        let request = Request::builder()
            .method(method.clone())
            .uri(url)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::ACCEPT, "application/json")
            .header(
                header::USER_AGENT,
                concat!("gateway-agent/", env!("CARGO_PKG_VERSION")),
            )
            .body(Bytes::new())
            .map_err(|error| RemoteError::Refused(error.to_string()))?;
        let answer = self
            .client
            .send(request, ANSWER_BYTES_MAX)
            .await
            .map_err(RemoteError::from)?;
        let class = match answer.status {
            StatusCode::TOO_MANY_REQUESTS => "throttled",
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "refused",
            status if status.is_success() => "ok",
            StatusCode::NOT_FOUND => "absent",
            _ => "failed",
        };
        self.metrics.sync.source_calls.with_label_values(&[class]).inc();
        if let Some(left) = self.pace.told(&answer.headers) {
            self.metrics.sync.source_remaining.set(left as i64);
        }
        Ok(answer)
    }
}

/// A whole service, group or subscription that is not there is not an entity that is gone.
fn service_is_gone(answer: &Answer) -> bool {
    let code = arm::fault(&answer.body).code;
    matches!(
        code.as_str(),
        "ResourceGroupNotFound" | "SubscriptionNotFound" | "InvalidResourceType" | "ParentResourceNotFound"
    )
}

fn tag(headers: &HeaderMap) -> Option<String> {
    headers.get(header::ETAG)?.to_str().ok().map(str::to_owned)
}

fn described(answer: &Answer) -> String {
    let fault = arm::fault(&answer.body);
    match (fault.code.as_str(), fault.message.as_str()) {
        ("", _) => format!("answered {}", answer.status),
        (code, message) => format!("answered {}: {code}: {message}", answer.status),
    }
}
