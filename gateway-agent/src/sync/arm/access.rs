//! Access tokens for the management API and for Key Vaults, kept and renewed before their end.

use std::sync::Arc;

use gateway_policy::{
    context::{Body, Response},
    effect::{OutgoingRequest, TokenRequest},
    url,
};
use http::Request;

use crate::{
    identity::{self, ENDPOINT_REFUSED, Source, Tokens},
    sync::{http::Client, remote::RemoteError},
    telemetry::Metrics,
};

/// Largest answer of a token endpoint, as for policies.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Tokens of one identity.
#[derive(Debug)]
pub(crate) struct Access {
    client: Client,
    tokens: Tokens,
    metrics: Arc<Metrics>,
}

/// The source's own connections as the identity module uses them.
#[derive(Debug)]
struct OverClient<'a>(&'a Client);

impl identity::Http for OverClient<'_> {
    async fn send(&self, request: OutgoingRequest) -> Result<Response, String> {
        let mut built = Request::builder()
            .method(request.method)
            .uri(url::to_text(&request.url))
            .body(request.body)
            .map_err(|error| error.to_string())?;
        *built.headers_mut() = request.headers;
        let answer = self
            .0
            .send(built, ANSWER_BYTES_MAX)
            .await
            .map_err(|error| error.to_string())?;
        Ok(Response {
            status: answer.status,
            reason: None,
            headers: answer.headers,
            body: Body::Buffered(answer.body),
        })
    }
}

impl Access {
    pub(crate) fn new(client: Client, source: Source, metrics: Arc<Metrics>) -> Self {
        let config = identity::Config {
            source,
            workload: None,
        };
        Self {
            client,
            tokens: Tokens::new(config),
            metrics,
        }
    }

    /// A token for `resource`.
    ///
    /// # Errors
    /// The token endpoint refuses (`Unauthorised`) or cannot be reached.
    pub(crate) async fn bearer(&self, resource: &str) -> Result<Arc<str>, RemoteError> {
        let wanted = wanted(resource);
        let source = self.tokens.source(&wanted).map_err(|f| refused(f.message()))?;
        let http = OverClient(&self.client);
        let fetch = async || identity::fetch(source, &wanted, &http).await;
        let mut due = None;
        let token = self
            .tokens
            .get(&wanted, &self.metrics.effects, fetch, |renewal| {
                due = Some(renewal)
            })
            .await
            .map_err(|f| refused(f.message()))?;
        // Nobody waits for this source but itself, so it renews at once and not beside.
        if let Some(renewal) = due {
            renewal
                .run(&self.metrics.effects, async || {
                    identity::fetch(source, &wanted, &http).await
                })
                .await;
        }
        Ok(token)
    }

    /// A token that was refused is not used again.
    pub(crate) fn forget(&self, resource: &str) {
        self.tokens.forget(&wanted(resource));
    }
}

fn wanted(resource: &str) -> TokenRequest {
    TokenRequest {
        resource: resource.into(),
        client_id: None,
        workload_identity: false,
    }
}

fn refused(message: String) -> RemoteError {
    if message.contains(ENDPOINT_REFUSED) {
        RemoteError::Unauthorised(message)
    } else {
        RemoteError::Unreachable(message)
    }
}
