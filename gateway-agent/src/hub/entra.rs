//! Tokens of Entra at the hub: an application stands for a gateway when a file beside the gateway's keys says so.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use gateway_config::Settings;
use gateway_policy::jose::{BearerError, OpenIdConfiguration, applications};
use http::{Request, StatusCode, header};

use crate::{
    oidc::{Directory, Timing},
    run::remote,
    sync::http::Client,
    telemetry::Metrics,
};

/// Largest discovery document or key set, as for `validate-jwt`.
const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;

/// Whose tokens are believed.
pub(crate) struct Issuer {
    client: Client,
    url: Arc<str>,
    issuer: Option<Arc<str>>,
    audience: Arc<str>,
    directory: Arc<Directory>,
    metrics: Arc<Metrics>,
}

impl Issuer {
    /// The issuer that the settings name; `None`: only gateway keys let nodes in.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(super) fn of(settings: &Settings, metrics: &Arc<Metrics>) -> Result<Option<Self>, String> {
        let Some(url) = &settings.hub.openid_url else {
            return Ok(None);
        };
        let client = remote::client(settings, true).map_err(|error| error.to_string())?;
        let audience = &settings.config.token_audience;
        Ok(Some(Self::new(
            client,
            url,
            settings.hub.openid_issuer.clone(),
            audience,
            Timing {
                refresh: settings.openid.refresh,
                minimum: settings.openid.minimum_refresh,
            },
            metrics,
        )))
    }

    pub(super) fn new(
        client: Client,
        url: &Arc<str>,
        issuer: Option<Arc<str>>,
        audience: &Arc<str>,
        timing: Timing,
        metrics: &Arc<Metrics>,
    ) -> Self {
        Self {
            client,
            url: Arc::clone(url),
            issuer,
            audience: Arc::clone(audience),
            directory: Arc::new(Directory::new(timing)),
            metrics: Arc::clone(metrics),
        }
    }

    /// Whom a token names.
    ///
    /// # Errors
    /// Why it says nothing, for the log.
    pub(super) async fn applications(&self, token: &str) -> Result<Vec<String>, String> {
        let check = |document: &OpenIdConfiguration| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            applications(
                token,
                document,
                &self.audience,
                self.issuer.as_deref(),
                now.as_secs_f64(),
            )
        };
        let mut refresh = false;
        loop {
            let document = self.document(refresh).await?;
            match check(&document) {
                Ok(names) => return Ok(names),
                // Issuers change keys; the directory bounds how often that is believed.
                Err(BearerError::UnknownKey) if !refresh => refresh = true,
                Err(BearerError::UnknownKey) => return Err("no key of the issuer made it".to_owned()),
                Err(BearerError::Refused(why)) => return Err(why.to_owned()),
            }
        }
    }

    async fn document(&self, refresh: bool) -> Result<Arc<OpenIdConfiguration>, String> {
        let now = async || fetch(&self.client, &self.url).await;
        let mut due = None;
        let effects = &self.metrics.effects;
        let document = self
            .directory
            .get(&self.url, refresh, effects, now, |renewal| due = Some(renewal))
            .await
            .map_err(|failure| failure.message())?;
        if let Some(renewal) = due {
            let (client, url, metrics) = (
                self.client.clone(),
                Arc::clone(&self.url),
                Arc::clone(&self.metrics),
            );
            tokio::spawn(async move {
                renewal
                    .run(&url, &metrics.effects, async || fetch(&client, &url).await)
                    .await;
            });
        }
        Ok(document)
    }
}

/// A discovery document and the keys it names.
async fn fetch(client: &Client, url: &str) -> Result<OpenIdConfiguration, String> {
    let discovery = text(client, url).await?;
    let keys =
        OpenIdConfiguration::jwks_uri(&discovery).ok_or("the discovery document names no `jwks_uri`")?;
    if url.starts_with("https:") && !keys.starts_with("https:") {
        // Keys that anybody on the way can replace are worth nothing.
        return Err("the discovery document came over TLS and names keys that would not".to_owned());
    }
    let keys = text(client, &keys)
        .await
        .map_err(|reason| format!("its keys: {reason}"))?;
    let found = OpenIdConfiguration::from_documents(&discovery, &keys)?;
    if found.keys.is_empty() {
        return Err("its key set has no usable key".to_owned());
    }
    Ok(found)
}

async fn text(client: &Client, url: &str) -> Result<String, String> {
    let request = Request::get(url)
        .header(header::ACCEPT, "application/json")
        .body(Bytes::new())
        .map_err(|error| error.to_string())?;
    let answer = client
        .send(request, DOCUMENT_BYTES_MAX)
        .await
        .map_err(|error| error.to_string())?;
    if answer.status != StatusCode::OK {
        return Err(format!("it was answered with {}", answer.status));
    }
    String::from_utf8(answer.body.into()).map_err(|_| "it is not UTF-8 text".to_owned())
}
