//! Connections to backends: one pool per worker, shared with nobody.
//!
//! An HTTP/1.1 exchange is driven by the task that wants its answer: the pool keeps whole connections, not
//! handles to background tasks, so a request costs no task switch. HTTP/2 connections are shared by
//! requests and have a task of their own.

pub(crate) mod body;
mod connect;
mod environment;
mod error;
mod h1;
mod host;
mod pool;
mod proxy;
mod race;
#[cfg(test)]
mod tests;
pub(crate) mod tls;

pub(crate) use body::{OutBody, UpstreamBody};
pub(crate) use connect::Dial;
pub use environment::Proxies;
pub(crate) use error::UpstreamError;
#[cfg(feature = "fuzzing")]
pub use h1::read_response;
pub(crate) use pool::{Pool, Sent};
pub(crate) use proxy::Via;

use std::sync::Arc;

use gateway_policy::effect::BackendHttpVersion;

use crate::tls::ClientIdentity;

/// Which connections can serve a request. Equal targets share connections; everything that makes two
/// connections differ is part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    /// TLS towards the backend.
    pub(crate) secure: bool,
    /// Host name or address literal, without brackets.
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    pub(crate) version: Version,
    /// The certificate chain is verified.
    pub(crate) validate_chain: bool,
    /// The name in the certificate is verified.
    pub(crate) validate_name: bool,
    /// What is shown when the backend asks for a client certificate.
    pub(crate) identity: Option<Arc<ClientIdentity>>,
    /// HTTP proxy on the way.
    pub(crate) via: Option<Arc<Via>>,
}

impl Target {
    /// Host and port as a request names them; the scheme's default port is left out.
    fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.to_string()
        };
        let default = if self.secure { 443 } else { 80 };
        if self.port == default {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

/// [`BackendHttpVersion`] with the traits of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    Http1,
    Http2Or1,
    Http2,
}

impl From<BackendHttpVersion> for Version {
    fn from(version: BackendHttpVersion) -> Self {
        match version {
            BackendHttpVersion::Http1 => Self::Http1,
            BackendHttpVersion::Http2Or1 => Self::Http2Or1,
            BackendHttpVersion::Http2 => Self::Http2,
        }
    }
}

/// The protocol a connection turned out to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    /// As logs name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}
