//! The server side of TLS: one configuration in force, shared by all workers, replaced as a whole.

use std::{fmt, io, sync::Arc};

use arc_swap::ArcSwap;
use prometheus::IntCounter;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs::Ticketer},
    server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier},
    sign::CertifiedKey,
};

use super::{
    CertificateProblem, Certificates, HostCertificate,
    certificates::{Misses, self_signed},
};

/// Unsent plaintext a TLS connection queues before it pushes back.
pub(crate) const TLS_BUFFER_BYTES: usize = 32 * 1024;

/// Whether clients are asked for a certificate. As documented for the original, the answer is one for all
/// host names of the gateway.
#[derive(Clone, Debug, Default)]
pub enum ClientCertificates {
    /// Not asked.
    #[default]
    Ignored,
    /// Asked; a client without one is served, and policies decide.
    Asked {
        /// CA certificates, DER, whose clients are believed.
        authorities: Vec<Arc<[u8]>>,
    },
}

/// TLS with clients.
pub struct Server {
    provider: Arc<CryptoProvider>,
    /// One for all workers and all configurations, so that a session resumes anywhere.
    ticketer: Arc<dyn ProducesTickets>,
    fallback: Arc<CertifiedKey>,
    misses: Misses,
    active: ArcSwap<Active>,
}

/// What is in force.
#[derive(Debug)]
struct Active {
    certificates: Arc<Certificates>,
    tcp: Arc<ServerConfig>,
    quic: Arc<ServerConfig>,
    authorities: Arc<[Arc<[u8]>]>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("active", &self.active.load().certificates)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A server that knows no name yet and shows its self-signed certificate; handshakes for unknown names
    /// are counted in `misses`.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new(provider: Arc<CryptoProvider>, misses: IntCounter) -> io::Result<Self> {
        let ticketer = Ticketer::new().map_err(io::Error::other)?;
        let fallback = self_signed(&provider)?;
        let misses = Misses::new(misses);
        let (certificates, _) =
            Certificates::load(&provider, &[], None, Some(Arc::clone(&fallback)), misses.clone());
        let active = build(&provider, &ticketer, certificates, &ClientCertificates::Ignored)
            .map_err(io::Error::other)?;
        Ok(Self {
            provider,
            ticketer,
            fallback,
            misses,
            active: ArcSwap::from_pointee(active),
        })
    }

    /// Replaces all certificates. Handshakes from now on use the new ones; connections stay.
    ///
    /// Returns what cannot be used; everything else is in force, and a name whose new certificate cannot be used
    /// keeps its old one.
    pub fn replace(
        &self,
        hosts: &[HostCertificate],
        clients: &ClientCertificates,
        refuse_unknown_names: bool,
    ) -> Vec<CertificateProblem> {
        let fallback = (!refuse_unknown_names).then(|| Arc::clone(&self.fallback));
        let previous = self.active.load();
        let (certificates, mut problems) = Certificates::load(
            &self.provider,
            hosts,
            Some(&previous.certificates),
            fallback,
            self.misses.clone(),
        );
        match build(&self.provider, &self.ticketer, certificates, clients) {
            Ok(active) => self.active.store(Arc::new(active)),
            Err(error) => problems.push(CertificateProblem {
                name: "*".into(),
                file: "certificate authorities".into(),
                reason: error.to_string(),
                remedy: "give CA certificates that can verify clients; the earlier certificates stay in force",
            }),
        }
        problems
    }

    /// The configuration for connections over TCP.
    pub(crate) fn tcp(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.active.load().tcp)
    }

    /// CA certificates, DER, whose clients are believed.
    pub(crate) fn authorities(&self) -> Arc<[Arc<[u8]>]> {
        Arc::clone(&self.active.load().authorities)
    }

    /// The configuration for QUIC: TLS 1.3 and `h3` only.
    pub(crate) fn quic(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.active.load().quic)
    }
}

fn build(
    provider: &Arc<CryptoProvider>,
    ticketer: &Arc<dyn ProducesTickets>,
    certificates: Certificates,
    clients: &ClientCertificates,
) -> Result<Active, rustls::Error> {
    let certificates = Arc::new(certificates);
    let config = |versions: &[&'static rustls::SupportedProtocolVersion], alpn: &[&[u8]]| {
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(provider)).with_protocol_versions(versions)?;
        let builder = match clients {
            ClientCertificates::Ignored => builder.with_no_client_auth(),
            ClientCertificates::Asked { authorities } => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(authorities.iter().map(|der| der.to_vec().into()));
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                        .allow_unauthenticated()
                        .build()
                        .map_err(|error| rustls::Error::General(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&certificates) as _);
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        // Tickets carry the session: no table of sessions that one worker has and the others lack.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::clone(ticketer);
        config.send_tls13_tickets = 1;
        // The order of the provider's suites is the operator's (see `run::suites`), not the client's.
        config.ignore_client_order = true;
        Ok::<_, rustls::Error>(config)
    };
    let tcp = config(
        &[&rustls::version::TLS13, &rustls::version::TLS12],
        &[b"h2", b"http/1.1"],
    )?;
    let quic = config(&[&rustls::version::TLS13], &[b"h3"])?;
    Ok(Active {
        tcp: Arc::new(tcp),
        quic: Arc::new(quic),
        certificates,
        authorities: match clients {
            ClientCertificates::Ignored => Arc::default(),
            ClientCertificates::Asked { authorities } => authorities.as_slice().into(),
        },
    })
}
