//! To the collector: OTLP over gRPC, or over HTTP with protobuf, by the address.
//!
//! The original documents gRPC (`http://collector:4317`); port 4318 or a path mean HTTP, as collectors are set up.
//! One connection a push: with one push a minute there is nothing to keep.

use std::{fmt, sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use gateway_policy::context::Url;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message as _;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{http::body::chain, sync::http::Client, tls};

/// Time for one push.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer: a message about what was rejected.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Where collectors listen for HTTP.
const HTTP_PORT: u16 = 4318;
/// Where they listen for gRPC.
const GRPC_PORT: u16 = 4317;
/// The method of the metrics service.
const METHOD: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Why a push was not taken.
#[derive(Clone, Debug, thiserror::Error)]
pub(in crate::telemetry::export) enum CollectorError {
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// An HTTP status.
    #[error("the collector answered with status {0}")]
    Status(StatusCode),
    /// A gRPC status.
    #[error("the collector answered with gRPC status {0}: {1}")]
    Grpc(u16, String),
}

impl CollectorError {
    /// Another attempt may be taken (OTLP specification, "Failures").
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Grpc(code, _) => matches!(code, 1 | 4 | 8 | 10 | 11 | 14 | 15),
        }
    }
}

/// A collector.
pub(in crate::telemetry::export) struct Collector {
    url: Url,
    way: Way,
}

enum Way {
    Http(Client),
    Grpc(Option<TlsConnector>),
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("host", &self.url.host)
            .field("port", &self.url.port)
            .field("grpc", &matches!(self.way, Way::Grpc(_)))
            .finish()
    }
}

impl Collector {
    /// The collector at `address`.
    ///
    /// # Errors
    /// What is wrong with the address, or that TLS cannot be set up.
    pub(in crate::telemetry::export) fn new(
        address: &str,
        roots: Arc<RootCertStore>,
    ) -> Result<Self, String> {
        let mut url = gateway_policy::url::parse(address)
            .map_err(|expected| format!("observability.opentelemetry.collector.uri must be {expected}"))?;
        let secure = match &*url.scheme {
            "http" => false,
            "https" => true,
            other => {
                return Err(format!(
                    "observability.opentelemetry.collector.uri: the scheme `{other}` is not http or https"
                ));
            }
        };
        let bare = url.path.trim_matches('/').is_empty();
        if bare && url.port != HTTP_PORT {
            let named_port = address
                .rsplit(':')
                .next()
                .is_some_and(|tail| tail.trim_end_matches('/').bytes().all(|b| b.is_ascii_digit()));
            if !named_port {
                url.port = GRPC_PORT;
            }
            let connector = secure.then(|| grpc_tls(roots)).transpose()?;
            return Ok(Self {
                url,
                way: Way::Grpc(connector),
            });
        }
        if bare {
            url.path = "/v1/metrics".to_owned();
        }
        let client =
            Client::new(&tls::provider(), roots, true, TIMEOUT).map_err(|error| error.to_string())?;
        Ok(Self {
            url,
            way: Way::Http(client),
        })
    }

    /// Pushes a message; how many data points were rejected.
    pub(super) async fn export(&self, body: Bytes) -> Result<u64, CollectorError> {
        match &self.way {
            Way::Http(client) => self.over_http(client, body).await,
            Way::Grpc(connector) => {
                match tokio::time::timeout(TIMEOUT, self.over_grpc(connector.as_ref(), body)).await {
                    Ok(result) => result,
                    Err(_) => Err(CollectorError::Unreachable(format!(
                        "{}: no answer within {} s",
                        self.url.host,
                        TIMEOUT.as_secs()
                    ))),
                }
            }
        }
    }

    async fn over_http(&self, client: &Client, body: Bytes) -> Result<u64, CollectorError> {
        let request = Request::post(gateway_policy::url::to_text(&self.url))
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .body(body)
            .map_err(|error| CollectorError::Unreachable(error.to_string()))?;
        let answer = client
            .send(request, ANSWER_BYTES_MAX)
            .await
            .map_err(|error| CollectorError::Unreachable(error.to_string()))?;
        if !answer.status.is_success() {
            return Err(CollectorError::Status(answer.status));
        }
        Ok(rejected(&answer.body))
    }

    async fn over_grpc(&self, tls: Option<&TlsConnector>, body: Bytes) -> Result<u64, CollectorError> {
        let unreachable = |error: &dyn std::error::Error| {
            CollectorError::Unreachable(format!("{}: {}", self.url.host, chain(error)))
        };
        let stream = TcpStream::connect((&*self.url.host, self.url.port))
            .await
            .map_err(|error| unreachable(&error))?;
        match tls {
            None => self.exchange(stream, body).await,
            Some(connector) => {
                let name =
                    ServerName::try_from(self.url.host.to_string()).map_err(|error| unreachable(&error))?;
                let stream = connector
                    .connect(name, stream)
                    .await
                    .map_err(|error| unreachable(&error))?;
                self.exchange(stream, body).await
            }
        }
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        body: Bytes,
    ) -> Result<u64, CollectorError> {
        let unreachable = |error: hyper::Error| {
            CollectorError::Unreachable(format!("{}: {}", self.url.host, chain(&error)))
        };
        let (mut send, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .map_err(unreachable)?;
        // Ends when `send` is dropped; what it may say about the connection is said to the request as well.
        tokio::spawn(connection);
        let mut framed = BytesMut::with_capacity(5 + body.len());
        framed.put_u8(0); // not compressed
        framed.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
        framed.put(body);
        let base = Url {
            path: METHOD.to_owned(),
            ..self.url.clone()
        };
        let request = Request::post(gateway_policy::url::to_text(&base))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(Full::new(framed.freeze()))
            .map_err(|error| CollectorError::Unreachable(error.to_string()))?;
        let response = send.send_request(request).await.map_err(unreachable)?;
        let (parts, body) = response.into_parts();
        if parts.status != StatusCode::OK {
            return Err(CollectorError::Status(parts.status));
        }
        let collected = Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| CollectorError::Unreachable(error.to_string()))?;
        // An answer without a message has its status in the head.
        let status = collected.trailers().and_then(grpc_status);
        match status.or_else(|| grpc_status(&parts.headers)) {
            Some((0, _)) => {
                let bytes = collected.to_bytes();
                Ok(bytes.get(5..).map_or(0, rejected))
            }
            Some((code, message)) => Err(CollectorError::Grpc(code, message)),
            None => Err(CollectorError::Grpc(2, "no status".to_owned())),
        }
    }
}

fn grpc_tls(roots: Arc<RootCertStore>) -> Result<TlsConnector, String> {
    let mut config = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn grpc_status(headers: &HeaderMap) -> Option<(u16, String)> {
    let code = headers.get("grpc-status")?.to_str().ok()?.parse().ok()?;
    let message = headers.get("grpc-message").and_then(|value| value.to_str().ok());
    Some((code, message.unwrap_or_default().to_owned()))
}

/// Data points that the answer says were rejected.
fn rejected(body: &[u8]) -> u64 {
    let partial = ExportMetricsServiceResponse::decode(body)
        .ok()
        .and_then(|answer| answer.partial_success);
    match partial {
        Some(partial) if partial.rejected_data_points > 0 => {
            tracing::warn!(
                event = "TelemetryRejected",
                points = partial.rejected_data_points,
                "the collector rejects data points: {}",
                partial.error_message
            );
            u64::try_from(partial.rejected_data_points).unwrap_or(0)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expected: Result<(&str, u16, &str), &str>) {
        let found = Collector::new(address, Arc::new(RootCertStore::empty()));
        match (found, expected) {
            (Ok(found), Ok((way, port, path))) => {
                let grpc = matches!(found.way, Way::Grpc(_));
                assert_eq!(if grpc { "grpc" } else { "http" }, way, "{address}");
                assert_eq!(found.url.port, port, "{address}");
                assert!(grpc || found.url.path == path, "{address}: {}", found.url.path);
            }
            (Err(found), Err(part)) => assert!(found.contains(part), "{address}: {found}"),
            (found, expected) => panic!("{address}: {found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn the_address_chooses_the_protocol() {
        check("http://collector:4317", Ok(("grpc", 4317, "")));
        check("http://collector:4317/", Ok(("grpc", 4317, "")));
        check("http://collector", Ok(("grpc", 4317, "")));
        check("https://collector:9000", Ok(("grpc", 9000, "")));
        check("http://collector:4318", Ok(("http", 4318, "/v1/metrics")));
        check(
            "http://collector:80/otlp/v1/metrics",
            Ok(("http", 80, "/otlp/v1/metrics")),
        );
        check("ftp://collector", Err("must be"));
        check("collector:4317", Err("must be"));
    }

    #[test]
    fn some_statuses_pass() {
        for (error, expected) in [
            (CollectorError::Unreachable(String::new()), true),
            (CollectorError::Status(StatusCode::SERVICE_UNAVAILABLE), true),
            (CollectorError::Status(StatusCode::BAD_REQUEST), false),
            (CollectorError::Grpc(14, String::new()), true),
            (CollectorError::Grpc(3, String::new()), false),
        ] {
            assert_eq!(error.passes(), expected, "{error}");
        }
    }
}
