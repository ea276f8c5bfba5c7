//! The server side of TLS: one configuration in force, shared by all workers, replaced as a whole.

use std::{collections::HashSet, fmt, io, sync::Arc};

use arc_swap::ArcSwap;
use prometheus::IntCounter;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs::Ticketer},
    server::{Acceptor, NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor, server::TlsStream};

use super::{
    CertificateProblem, Certificates, HostCertificate,
    certificates::{Misses, self_signed},
};
use crate::listen::Rules;

/// Name of the certificate for whatever nothing else fits.
const ANY_NAME: &str = "*";
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
    tcp: ByProtocols,
    quic: Arc<ServerConfig>,
    authorities: Arc<[Arc<[u8]>]>,
    /// Host names whose clients are not offered HTTP/2; `*.` covers one label.
    without_http2: HashSet<Arc<str>>,
}

impl Active {
    fn is_without_http2(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        if self.certificates.has(&name) {
            return self.without_http2.contains(&*name);
        }
        let wildcard = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        match wildcard.filter(|wildcard| self.certificates.has(wildcard)) {
            Some(wildcard) => self.without_http2.contains(&*wildcard),
            None => self.without_http2.contains(ANY_NAME),
        }
    }
}

/// One configuration for each choice of protocols over TCP.
#[derive(Debug)]
struct ByProtocols {
    both: Arc<ServerConfig>,
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
}

impl ByProtocols {
    fn of(&self, http1: bool, http2: bool) -> Arc<ServerConfig> {
        Arc::clone(match (http1, http2) {
            (true, true) => &self.both,
            (_, false) => &self.http1,
            (false, true) => &self.http2,
        })
    }
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
        let ignored = ClientCertificates::Ignored;
        let active =
            build(&provider, &ticketer, certificates, &ignored, HashSet::new()).map_err(io::Error::other)?;
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
        let without_http2 = hosts
            .iter()
            .filter(|host| !host.http2)
            .map(|host| Arc::clone(&host.name))
            .collect();
        match build(&self.provider, &self.ticketer, certificates, clients, without_http2) {
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

    /// Negotiates TLS with a client, for the protocols that its listener and the name it asks for allow.
    ///
    /// # Errors
    /// The handshake failed; a [`rustls::Error`] is inside unless the client went away.
    pub(crate) async fn accept(&self, stream: TcpStream, rules: &Rules) -> io::Result<TlsStream<TcpStream>> {
        let prepare = |session: &mut rustls::ServerConnection| {
            session.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        };
        let active = self.active.load_full();
        if active.without_http2.is_empty() || !rules.http2 {
            let config = active.tcp.of(rules.http1, rules.http2);
            return TlsAcceptor::from(config).accept_with(stream, prepare).await;
        }
        // The name decides, so it is read first.
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let hello = start.client_hello();
        let http2 = !active.is_without_http2(hello.server_name().unwrap_or(ANY_NAME));
        let config = active.tcp.of(rules.http1, http2);
        start.into_stream_with(config, prepare).await
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
    without_http2: HashSet<Arc<str>>,
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
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let tcp = |alpn: &[&[u8]]| config(&versions, alpn).map(Arc::new);
    let tcp = ByProtocols {
        both: tcp(&[b"h2", b"http/1.1"])?,
        http1: tcp(&[b"http/1.1"])?,
        http2: tcp(&[b"h2"])?,
    };
    let quic = config(&[&rustls::version::TLS13], &[b"h3"])?;
    Ok(Active {
        tcp,
        quic: Arc::new(quic),
        certificates,
        authorities: match clients {
            ClientCertificates::Ignored => Arc::default(),
            ClientCertificates::Asked { authorities } => authorities.as_slice().into(),
        },
        without_http2,
    })
}
