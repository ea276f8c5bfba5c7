//! Why an exchange with a backend failed, before it is mapped to the gateway's answer.

use std::time::Duration;

use gateway_policy::Failure;

use crate::http::body::{Traffic, chain};

/// What went wrong on the way to a response head.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// The name has no address.
    #[error("cannot resolve {host}: {reason}")]
    Resolve { host: String, reason: String },
    /// No TCP connection.
    #[error("cannot connect to {address}: {reason}")]
    Connect { address: String, reason: String },
    /// The connect timeout passed.
    #[error("no connection to {host} within {limit:?}")]
    ConnectTimeout { host: String, limit: Duration },
    /// The TLS handshake failed.
    #[error("TLS with {host} failed: {reason}")]
    Tls { host: String, reason: String },
    /// Too many connections to this authority are open on this worker.
    #[error("{limit} connections to {host} are in use on this worker")]
    Exhausted { host: String, limit: usize },
    /// The connection broke before a response head was complete.
    #[error("the backend closed the connection or sent an invalid response: {0}")]
    Broken(String),
    /// The request cannot be put on the wire (an invalid path or header).
    #[error("the request to the backend is invalid: {0}")]
    Unsendable(String),
}

impl UpstreamError {
    /// Value of the `result` label of connection attempts; `None` for failures after connecting.
    pub(crate) fn connect_result(&self) -> Option<&'static str> {
        match self {
            Self::Resolve { .. } => Some("dns"),
            Self::Connect { .. } => Some("refused"),
            Self::ConnectTimeout { .. } => Some("timeout"),
            Self::Tls { .. } => Some("tls"),
            Self::Exhausted { .. } | Self::Broken(_) | Self::Unsendable(_) => None,
        }
    }

    pub(crate) fn broken(error: &hyper::Error) -> Self {
        Self::Broken(chain(error))
    }

    /// The gateway's reason. A request body that broke on the client's side is the client's failure,
    /// whatever it did to the exchange with the backend.
    pub(crate) fn failure(&self, traffic: &Traffic) -> Failure {
        if traffic.client_fault() {
            return Failure::BadRequest("the request body is malformed or incomplete".to_owned());
        }
        Failure::BackendConnection(self.to_string())
    }
}
