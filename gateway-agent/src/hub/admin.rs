//! What the hub says of itself: `/live`, `/ready`, `/status`, `/metrics`, on an address of its own.
//!
//! Nothing here changes anything, and nothing of the configuration is shown, so that probes and scrapers may ask.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use gateway_config::Settings;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{net::TcpListener, sync::Semaphore};

use super::Hub;
use crate::{sync::Handle, telemetry::Metrics};

/// Connections at once: a few probes and scrapers.
const CONNECTIONS_MAX: usize = 64;
/// A request's head has to arrive in this time, and a connection ends after the second.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECTION_LIFE: Duration = Duration::from_secs(300);
/// Largest request head.
const HEAD_BYTES: usize = 16 * 1024;
/// After a failed accept (out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The endpoint, bound or absent.
pub(super) struct Admin {
    listener: Option<std::net::TcpListener>,
    view: Arc<View>,
}

/// What answers are made from.
pub(super) struct View {
    pub(super) hub: Arc<Hub>,
    pub(super) sync: Handle,
    pub(super) metrics: Arc<Metrics>,
}

impl Admin {
    /// Binds the address of the settings.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn bind(
        settings: &Settings,
        hub: Arc<Hub>,
        sync: Handle,
        metrics: Arc<Metrics>,
    ) -> Result<Self, String> {
        let bind = |text: &Arc<str>| -> Result<std::net::TcpListener, String> {
            let address: SocketAddr = text
                .parse()
                .map_err(|_| format!("hub.admin.address: `{text}` is not ADDRESS:PORT"))?;
            let listener = std::net::TcpListener::bind(address)
                .map_err(|error| format!("hub.admin.address {address}: {error}"))?;
            listener
                .set_nonblocking(true)
                .map_err(|error| error.to_string())?;
            Ok(listener)
        };
        Ok(Self {
            listener: settings.hub.admin_address.as_ref().map(bind).transpose()?,
            view: Arc::new(View { hub, sync, metrics }),
        })
    }

    /// Serves until dropped.
    pub(super) async fn run(self) {
        let Some(listener) = self.listener.and_then(|l| TcpListener::from_std(l).ok()) else {
            return std::future::pending().await;
        };
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        // The semaphore is never closed.
        while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let view = Arc::clone(&self.view);
            tokio::spawn(async move {
                let service = service_fn(|request: Request<Incoming>| {
                    let answer = view.answer(request.method(), request.uri().path());
                    async move { Ok::<_, Infallible>(answer) }
                });
                let served = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .max_buf_size(HEAD_BYTES)
                    .serve_connection(TokioIo::new(stream), service);
                // A broken client is its own problem.
                let _ = tokio::time::timeout(CONNECTION_LIFE, served).await;
                drop(permit);
            });
        }
    }
}

impl View {
    pub(super) fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if method != Method::GET {
            return reply(
                StatusCode::METHOD_NOT_ALLOWED,
                "text/plain",
                "only GET is answered\n",
            );
        }
        let ready = self.hub.version().2 > 0;
        match path {
            "/live" => reply(StatusCode::OK, "text/plain", "alive\n"),
            "/ready" if ready => reply(StatusCode::OK, "text/plain", "ready\n"),
            "/ready" => reply(
                StatusCode::SERVICE_UNAVAILABLE,
                "text/plain",
                "no configuration was read yet\n",
            ),
            "/status" => {
                let (dataset, revision, files) = self.hub.version();
                let status = json!({
                    "version": env!("CARGO_PKG_VERSION"),
                    "ready": ready,
                    "hub": { "dataset": dataset, "revision": revision, "files": files },
                    "configuration": &*self.sync.status(),
                });
                reply(StatusCode::OK, "application/json", format!("{status:#}\n"))
            }
            "/metrics" => match self.metrics.render() {
                Ok(text) => reply(StatusCode::OK, "text/plain; version=0.0.4", text),
                Err(error) => reply(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "text/plain",
                    format!("{error}\n"),
                ),
            },
            _ => reply(
                StatusCode::NOT_FOUND,
                "text/plain",
                "ask for /live, /ready, /status or /metrics\n",
            ),
        }
    }
}

fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
