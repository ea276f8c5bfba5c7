//! The hub's endpoint: `GET /gateways/{name}/events?$top&$skiptoken` over TLS.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use gateway_config::events::{PAGE_EVENTS_MAX, Revision};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;

use super::{Hub, Issuer, Keys};
use crate::{
    sync::token::Refusal,
    telemetry::{Metrics, clock::Timestamp},
    tls,
};

/// Connections at once: a fleet of a thousand nodes that keep theirs, twice over.
const CONNECTIONS_MAX: usize = 2048;
/// A handshake, and a request's head, have to be done in this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest request head.
const HEAD_BYTES: usize = 16 * 1024;
/// A connection ends after this time: nodes open a new one, and meet a new certificate.
const CONNECTION_LIFE: Duration = Duration::from_secs(3600);
/// How often the certificate's files are looked at.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(5);
/// After a failed accept (out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Certificate and key files.
type Files = (PathBuf, PathBuf);

/// A bound hub, not served yet.
pub(crate) struct Server {
    listener: std::net::TcpListener,
    files: Option<Files>,
    tls: ArcSwapOption<ServerConfig>,
    keys: Keys,
    hub: Arc<Hub>,
    issuer: Option<Issuer>,
    metrics: Option<Arc<Metrics>>,
}

impl Server {
    /// Binds, and reads the certificate.
    ///
    /// # Errors
    /// What cannot be had, with the setting to look at.
    pub(crate) fn bind(
        address: SocketAddr,
        files: Option<Files>,
        keys: Keys,
        hub: Arc<Hub>,
    ) -> Result<Self, String> {
        let listener = std::net::TcpListener::bind(address)
            .map_err(|error| format!("hub.address {address}: {error}"))?;
        listener
            .set_nonblocking(true)
            .map_err(|error| error.to_string())?;
        let tls = match &files {
            Some(files) => Some(Arc::new(config(files)?)),
            None => None,
        };
        Ok(Self {
            listener,
            files,
            tls: ArcSwapOption::from(tls),
            keys,
            hub,
            issuer: None,
            metrics: None,
        })
    }

    /// Believes tokens of `issuer` as well, and counts.
    pub(crate) fn with(mut self, issuer: Option<Issuer>, metrics: Arc<Metrics>) -> Self {
        self.issuer = issuer;
        self.metrics = Some(metrics);
        self
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until dropped.
    pub(crate) async fn run(self) {
        let listener = match self.listener.try_clone().and_then(TcpListener::from_std) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(event = "HubEndpointFailed", "{error}");
                return;
            }
        };
        tracing::info!(
            event = "HubEndpointStarted",
            address = %self.address().map_or_else(|e| e.to_string(), |a| a.to_string()),
            tls = self.files.is_some(),
            "listening for nodes"
        );
        let server = Arc::new(self);
        let accept = async {
            let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
            // The semaphore is never closed.
            while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        tokio::spawn(Arc::clone(&server).connection(stream, peer, permit));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
            }
        };
        tokio::select! {
            () = accept => {}
            () = server.follow_certificate() => {}
        }
    }

    async fn connection(
        self: Arc<Self>,
        stream: tokio::net::TcpStream,
        peer: SocketAddr,
        permit: OwnedSemaphorePermit,
    ) {
        // A broken client is its own problem; there is nothing to do about it here.
        let _ = tokio::time::timeout(CONNECTION_LIFE, async {
            match self.tls.load_full() {
                None => self.serve(stream, peer).await,
                Some(config) => {
                    let shaken =
                        tokio::time::timeout(HEAD_TIMEOUT, TlsAcceptor::from(config).accept(stream)).await;
                    if let Ok(Ok(stream)) = shaken {
                        self.serve(stream, peer).await;
                    }
                }
            }
        })
        .await;
        drop(permit);
    }

    async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
        self: &Arc<Self>,
        stream: S,
        peer: SocketAddr,
    ) {
        let service = service_fn(|request: Request<Incoming>| {
            let server = Arc::clone(self);
            async move {
                let answer = server
                    .answer(request.method(), request.uri(), request.headers(), peer)
                    .await;
                if let Some(metrics) = &server.metrics {
                    let status = answer.status();
                    let result = status.canonical_reason().unwrap_or("other");
                    metrics.sync.hub_requests.with_label_values(&[result]).inc();
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    pub(super) async fn answer(
        &self,
        method: &Method,
        uri: &http::Uri,
        headers: &http::HeaderMap,
        peer: SocketAddr,
    ) -> Response<Full<Bytes>> {
        let Some(gateway) = gateway_of(uri.path()) else {
            return error(
                StatusCode::NOT_FOUND,
                "ResourceNotFound",
                "ask for /gateways/{name}/events",
            );
        };
        if method != Method::GET {
            return error(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "only GET is answered",
            );
        }
        let authorization = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        if let Err((why, message)) = self.admit(gateway, authorization).await {
            tracing::warn!(event = "NodeRefused", gateway, peer = %peer, "{why}");
            return error(StatusCode::UNAUTHORIZED, "Unauthorized", &message);
        }
        let (top, after) = match position(uri.query().unwrap_or("")) {
            Ok(position) => position,
            Err(message) => return error(StatusCode::BAD_REQUEST, "ValidationError", message),
        };
        match self.hub.page(after, top) {
            Some(page) => json(StatusCode::OK, serde_json::to_vec(&page).unwrap_or_default()),
            None => {
                let mut answer = error(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "NotReady",
                    "the hub has not read a configuration yet",
                );
                answer
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
                answer
            }
        }
    }

    /// Lets a node in, or says why not: for the log, and for the node.
    async fn admit(&self, gateway: &str, authorization: Option<&str>) -> Result<(), (String, String)> {
        let stranger = || "the token does not let this gateway in".to_owned();
        let bearer = authorization.and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let (Some(token), Some(issuer)) = (bearer, &self.issuer) else {
            let admitted = self.keys.admit(gateway, authorization, Timestamp::now());
            return admitted.map(drop).map_err(|refusal| match refusal {
                // The bearer of a genuine token may know why it no longer works; a stranger learns nothing.
                Refusal::Expired(_) => (refusal.to_string(), refusal.to_string()),
                _ => (refusal.to_string(), stranger()),
            });
        };
        match issuer.applications(token).await {
            Ok(names) if self.keys.lets_in(gateway, &names) => Ok(()),
            Ok(names) => {
                let why = format!("{} is not in {gateway}.applications", names.join(", "));
                Err((why, stranger()))
            }
            Err(why) => Err((format!("the bearer token says nothing: {why}"), stranger())),
        }
    }

    /// Reads the certificate again when its files change. A pair that does not work leaves the old one in use.
    async fn follow_certificate(&self) {
        let Some(files) = &self.files else {
            return std::future::pending().await;
        };
        let mut seen = stamps(files);
        loop {
            tokio::time::sleep(CERTIFICATE_LOOK).await;
            let now = stamps(files);
            if now == seen {
                continue;
            }
            seen = now;
            match config(files) {
                Ok(config) => {
                    self.tls.store(Some(Arc::new(config)));
                    tracing::info!(
                        event = "HubCertificateChanged",
                        "new connections see the new certificate"
                    );
                }
                Err(error) => tracing::error!(event = "HubCertificateUnusable", "{error}; the old one stays"),
            }
        }
    }
}

fn stamps(files: &Files) -> [Option<SystemTime>; 2] {
    [&files.0, &files.1].map(|path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok())
}

fn config((certificate, key): &Files) -> Result<ServerConfig, String> {
    let at = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| at(certificate, &error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| at(key, &error))?;
    ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|error| at(certificate, &error))
}

/// The gateway that a path asks about. Empty segments are passed over: the vendor's own client writes
/// `///gateways/…` behind a custom host name.
fn gateway_of(path: &str) -> Option<&str> {
    let mut segments = path.split('/').filter(|s| !s.is_empty());
    match (segments.next(), segments.next(), segments.next(), segments.next()) {
        (Some("gateways"), Some(name), Some("events"), None) => Some(name),
        _ => None,
    }
}

/// `$top` and `$skiptoken`, with or without their dollar sign encoded.
fn position(query: &str) -> Result<(usize, Revision), &'static str> {
    let (mut top, mut after) = (PAGE_EVENTS_MAX, Revision(0));
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name.replace("%24", "$").as_str() {
            "$top" => top = value.parse().map_err(|_| "$top is not a number")?,
            "$skiptoken" => {
                after = Revision::parse(value).ok_or("$skiptoken is not eight hexadecimal digits")?
            }
            _ => {}
        }
    }
    Ok((top, after))
}

fn error(status: StatusCode, code: &str, message: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "error": { "code": code, "message": message } });
    json(status, body.to_string().into_bytes())
}

fn json(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
