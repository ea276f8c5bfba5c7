//! TLS with clients: certificates by host name, one server configuration for all workers, swapped whole.

mod certificates;
mod identities;
mod identity;
mod server;

pub use certificates::{CertificateProblem, Certificates, HostCertificate};
pub use identities::Identities;
pub(crate) use identities::OwnIdentities;
pub use identity::ClientIdentity;
pub use server::{ClientCertificates, Server};

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The one cryptography provider of the process. Passed explicitly everywhere: a default chosen by feature
/// unification panics when two crates ask for different ones.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
