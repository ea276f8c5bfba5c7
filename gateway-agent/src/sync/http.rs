//! The client that sources of configuration use: hubs, the management API, token endpoints.
//!
//! A few exchanges a minute at most, on the side runtime. It has nothing to do with traffic to backends, whose pool
//! belongs to the workers.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client as Pooled, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};

use crate::http::body::chain;

/// Connections kept between two polls.
const IDLE_MAX: usize = 2;
/// How long they are kept: longer than the pause between polls, shorter than what load balancers allow.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// A client with one set of trusted roots and one limit of time.
#[derive(Clone)]
pub struct Client {
    pooled: Pooled<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection, no TLS, or it broke.
    #[error("{host}: {why}")]
    Unreachable {
        /// Who was asked.
        host: String,
        /// What went wrong, with its causes.
        why: String,
    },
    /// It took too long.
    #[error("{host}: no whole answer within {} s", .limit.as_secs())]
    Timeout {
        /// Who was asked.
        host: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The answer is larger than the asker allows.
    #[error("{host}: the answer is larger than {limit} bytes")]
    TooLarge {
        /// Who was asked.
        host: String,
        /// The bound.
        limit: usize,
    },
}

impl Client {
    /// Trusts `roots` and, when `validate` is off, anybody (tests, and the official switch for them).
    ///
    /// # Errors
    /// The provider supports no version of TLS.
    pub fn new(
        provider: &Arc<CryptoProvider>,
        roots: Arc<RootCertStore>,
        validate: bool,
        timeout: Duration,
    ) -> Result<Self, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()?;
        let config = if validate {
            builder.with_root_certificates(roots).with_no_client_auth()
        } else {
            builder
                .dangerous()
                .with_custom_certificate_verifier(crate::upstream::tls::trusting(provider))
                .with_no_client_auth()
        };
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .build();
        let pooled = Pooled::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self { pooled, timeout })
    }

    /// Sends a request and reads the whole answer, of at most `limit` bytes.
    ///
    /// # Errors
    /// See [`HttpError`]. Any status is an answer.
    pub async fn send(&self, request: Request<Bytes>, limit: usize) -> Result<Answer, HttpError> {
        let host = authority(request.uri());
        match tokio::time::timeout(self.timeout, self.exchange(request.map(Full::new), limit, &host)).await {
            Ok(result) => result,
            Err(_) => Err(HttpError::Timeout {
                host,
                limit: self.timeout,
            }),
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        limit: usize,
        host: &str,
    ) -> Result<Answer, HttpError> {
        let unreachable = |why: String| HttpError::Unreachable {
            host: host.to_owned(),
            why,
        };
        let response = self
            .pooled
            .request(request)
            .await
            .map_err(|error| unreachable(chain(&error)))?;
        let (parts, body) = response.into_parts();
        match Limited::new(body, limit).collect().await {
            Ok(collected) => Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body: collected.to_bytes(),
            }),
            Err(error) if error.is::<LengthLimitError>() => Err(HttpError::TooLarge {
                host: host.to_owned(),
                limit,
            }),
            Err(error) => Err(unreachable(error.to_string())),
        }
    }
}

fn authority(uri: &Uri) -> String {
    uri.authority()
        .map_or_else(|| uri.to_string(), ToString::to_string)
}
