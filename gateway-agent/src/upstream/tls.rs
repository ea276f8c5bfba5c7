//! TLS towards backends: which certificates are believed.

use std::{cell::RefCell, collections::HashMap, fmt, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::SingleCertAndKey,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Target, Version};
use crate::{http::body::chain, tls::ClientIdentity};

/// What a client configuration depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Shape {
    alpn: Version,
    validate_chain: bool,
    validate_name: bool,
}

/// Client configurations of one worker, made when first needed: at most one per combination of switches.
pub(crate) struct ClientTls {
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    made: RefCell<HashMap<Shape, TlsConnector>>,
    /// Those that show a client certificate.
    showing: RefCell<HashMap<(Shape, Arc<ClientIdentity>), TlsConnector>>,
}

/// Client certificates with a configuration of their own. Beyond it all are made anew, which costs a handshake
/// each; connections that are open stay.
const IDENTITIES_MAX: usize = 64;

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("roots", &self.roots.len())
            .finish_non_exhaustive()
    }
}

impl ClientTls {
    pub(crate) fn new(provider: Arc<CryptoProvider>, roots: Arc<RootCertStore>) -> Self {
        Self {
            provider,
            roots,
            made: RefCell::default(),
            showing: RefCell::default(),
        }
    }

    /// The public roots and those given, DER. Returns how many of the given ones could not be used.
    pub(crate) fn roots<'a>(extra: impl Iterator<Item = &'a [u8]>) -> (Arc<RootCertStore>, usize) {
        let mut store = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        let (_, ignored) =
            store.add_parsable_certificates(extra.map(|der| CertificateDer::from(der.to_vec())));
        (Arc::new(store), ignored)
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// Why not, as text for people.
    pub(crate) async fn connect(
        &self,
        target: &Target,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, String> {
        let name = ServerName::try_from(target.host.to_string())
            .map_err(|_| format!("`{}` is no name a certificate can have", target.host))?;
        let connector = self.connector(target)?;
        connector
            .connect(name, stream)
            .await
            .map_err(|error| chain(&error))
    }

    fn connector(&self, target: &Target) -> Result<TlsConnector, String> {
        let shape = Shape {
            alpn: target.version,
            validate_chain: target.validate_chain,
            validate_name: target.validate_name,
        };
        if let Some(identity) = &target.identity {
            return self.showing(shape, identity);
        }
        if let Some(made) = self.made.borrow().get(&shape) {
            return Ok(made.clone());
        }
        let connector = TlsConnector::from(Arc::new(self.build(shape).map_err(|error| chain(&error))?));
        self.made.borrow_mut().insert(shape, connector.clone());
        Ok(connector)
    }

    fn showing(&self, shape: Shape, identity: &Arc<ClientIdentity>) -> Result<TlsConnector, String> {
        let key = (shape, Arc::clone(identity));
        if let Some(made) = self.showing.borrow().get(&key) {
            return Ok(made.clone());
        }
        let mut config = self.build(shape).map_err(|error| chain(&error))?;
        let certified = identity.certified(&self.provider)?;
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
        let connector = TlsConnector::from(Arc::new(config));
        let mut showing = self.showing.borrow_mut();
        if showing.len() >= IDENTITIES_MAX {
            showing.clear();
        }
        showing.insert(key, connector.clone());
        Ok(connector)
    }

    fn build(&self, shape: Shape) -> Result<ClientConfig, Error> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?;
        let mut config = if shape.validate_chain && shape.validate_name {
            builder
                .with_root_certificates(Arc::clone(&self.roots))
                .with_no_client_auth()
        } else {
            let strict = match shape.validate_chain {
                true => Some(
                    WebPkiServerVerifier::builder_with_provider(
                        Arc::clone(&self.roots),
                        Arc::clone(&self.provider),
                    )
                    .build()
                    .map_err(|error| Error::General(error.to_string()))?,
                ),
                false => None,
            };
            let verifier = Relaxed {
                provider: Arc::clone(&self.provider),
                strict,
                name: shape.validate_name,
            };
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_no_client_auth()
        };
        config.alpn_protocols = match shape.alpn {
            Version::Http1 => vec![b"http/1.1".to_vec()],
            Version::Http2Or1 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Version::Http2 => vec![b"h2".to_vec()],
        };
        Ok(config)
    }
}

/// A backend entity may switch off the check of the chain, the name, or both (`tls.validateCertificateChain`,
/// `tls.validateCertificateName`). The handshake's signature is checked always: the peer holds the key of
/// the certificate it shows.
#[derive(Debug)]
struct Relaxed {
    provider: Arc<CryptoProvider>,
    /// Checks the chain (and the name); absent when the chain is not checked.
    strict: Option<Arc<WebPkiServerVerifier>>,
    name: bool,
}

/// A verifier that believes any certificate, for the settings that ask for one.
pub(crate) fn trusting(provider: &Arc<CryptoProvider>) -> Arc<dyn ServerCertVerifier> {
    Arc::new(Relaxed {
        provider: Arc::clone(provider),
        strict: None,
        name: false,
    })
}

impl ServerCertVerifier for Relaxed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(strict) = &self.strict {
            let verdict =
                strict.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
            return match verdict {
                // The chain is checked before the name, so this error means that the chain is good.
                Err(Error::InvalidCertificate(
                    rustls::CertificateError::NotValidForName
                    | rustls::CertificateError::NotValidForNameContext { .. },
                )) if !self.name => Ok(ServerCertVerified::assertion()),
                other => other,
            };
        }
        if self.name {
            let parsed = rustls::server::ParsedCertificate::try_from(end_entity)?;
            rustls::client::verify_server_name(&parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
