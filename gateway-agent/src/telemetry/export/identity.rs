//! Tokens of the node's identity for telemetry: the same sources as for policies, over the side runtime's client.

use std::sync::Arc;

use gateway_policy::{
    context::{Body, Response},
    effect::{OutgoingRequest, TokenRequest},
};
use http::{HeaderValue, Request};

use crate::{
    identity::{Http, Tokens, fetch},
    sync::http::Client,
    telemetry::Metrics,
};

/// Largest answer of a token endpoint.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Gets tokens for one identity.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) client: Client,
    pub(super) tokens: Arc<Tokens>,
    pub(super) client_id: Option<Arc<str>>,
    pub(super) metrics: Arc<Metrics>,
}

impl Signer {
    /// A token for `resource`.
    ///
    /// # Errors
    /// There is none to be had; the text is for the log.
    pub(super) async fn token(&self, resource: &str) -> Result<Arc<str>, String> {
        let request = TokenRequest {
            resource: resource.into(),
            client_id: self.client_id.clone(),
            workload_identity: false,
        };
        let source = self
            .tokens
            .source(&request)
            .map_err(|failure| failure.message())?;
        let http = OverClient(&self.client);
        let fetched = || fetch(source, &request, &http);
        let effects = &self.metrics.effects;
        let later = |renewal: crate::identity::Renewal| {
            let (this, request) = (self.clone(), request.clone());
            tokio::spawn(async move {
                let Ok(source) = this.tokens.source(&request) else {
                    return;
                };
                let http = OverClient(&this.client);
                let again = || fetch(source, &request, &http);
                renewal.run(&this.metrics.effects, again).await;
            });
        };
        self.tokens
            .get(&request, effects, fetched, later)
            .await
            .map_err(|failure| failure.message())
    }

    /// The `Authorization` field for `resource`.
    ///
    /// # Errors
    /// As [`Signer::token`].
    pub(super) async fn bearer(&self, resource: &str) -> Result<HeaderValue, String> {
        let token = self.token(resource).await?;
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| "the token is not allowed in a header".to_owned())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

struct OverClient<'a>(&'a Client);

impl Http for OverClient<'_> {
    async fn send(&self, request: OutgoingRequest) -> Result<Response, String> {
        let mut asked = Request::new(request.body);
        *asked.method_mut() = request.method;
        *asked.uri_mut() = gateway_policy::url::to_text(&request.url)
            .parse()
            .map_err(|_| "the endpoint is no address".to_owned())?;
        *asked.headers_mut() = request.headers;
        let answer = self
            .0
            .send(asked, ANSWER_BYTES_MAX)
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
