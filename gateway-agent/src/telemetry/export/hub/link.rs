//! One connection to a hub: TLS, SASL, a token when there is no key, a link for each partition that is named.

use std::{collections::HashMap, sync::Arc, time::Duration};

use fe2o3_amqp::{
    Connection, Receiver, Sender, Session,
    connection::ConnectionHandle,
    link::{SendError, delivery::DeliveryFut},
    sasl_profile::SaslProfile,
    session::SessionHandle,
    types::{
        messaging::{ApplicationProperties, Body, Data, Message, MessageAnnotations, Outcome, Properties},
        primitives::{Binary, SimpleValue, Symbol, Value},
    },
};
use gateway_config::telemetry::{EventHub, HubAccess};
use gateway_policy::trace::Partition;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Event, Signer};
use crate::tls;

/// Links at once. Hubs have at most 32 partitions in the usual tiers; ids that are no partitions fail anyway.
const SENDERS_MAX: usize = 64;
/// What tokens are for.
const RESOURCE: &str = "https://eventhubs.azure.net/";
/// The node of claims-based security.
const CBS: &str = "$cbs";
/// Where its answers go.
const CBS_REPLY: &str = "cbs-reply";
/// Time to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why there is no connection, or no event on it. Never holds a key or a token.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub(super) struct LinkError {
    what: &'static str,
    why: String,
}

impl LinkError {
    fn new(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self {
            what,
            why: why.to_string(),
        }
    }

    pub(super) fn timeout(what: &'static str, limit: Duration) -> Self {
        Self::new(what, format_args!("no answer within {} s", limit.as_secs()))
    }
}

/// An open connection.
pub(super) struct Link {
    hub: Arc<str>,
    connection: ConnectionHandle<()>,
    session: SessionHandle<()>,
    /// By partition id.
    senders: HashMap<Option<String>, Sender>,
}

impl Link {
    pub(super) async fn open(
        hub: &EventHub,
        roots: &Arc<RootCertStore>,
        container: &str,
        signer: Option<&Signer>,
    ) -> Result<Self, LinkError> {
        let stream = TcpStream::connect((&*hub.host, hub.port))
            .await
            .map_err(|error| LinkError::new("connecting", error))?;
        let profile = match &hub.access {
            HubAccess::Key { name, key } => SaslProfile::Plain {
                username: name.to_string(),
                password: key.expose().to_string(),
            },
            HubAccess::Identity(_) => SaslProfile::Anonymous,
        };
        let builder = Connection::builder()
            .container_id(container)
            .hostname(&*hub.host)
            .sasl_profile(profile);
        let opened = if hub.tls {
            let name =
                ServerName::try_from(hub.host.to_string()).map_err(|error| LinkError::new("TLS", error))?;
            let stream = connector(roots)?
                .connect(name, stream)
                .await
                .map_err(|error| LinkError::new("TLS", error))?;
            builder.open_with_stream(stream).await
        } else {
            builder.open_with_stream(stream).await
        };
        let mut connection = opened.map_err(|error| LinkError::new("opening", error))?;
        let mut session = Session::begin(&mut connection)
            .await
            .map_err(|error| LinkError::new("beginning a session", error))?;
        if let Some(signer) = signer {
            let token = signer
                .token(RESOURCE)
                .await
                .map_err(|why| LinkError::new("signing in", why))?;
            let audience = format!("amqp://{}/{}", hub.host, hub.hub);
            put_token(&mut session, &audience, &token).await?;
        }
        Ok(Self {
            hub: Arc::clone(&hub.hub),
            connection,
            session,
            senders: HashMap::new(),
        })
    }

    /// Puts an event on the wire; the future tells what the hub says.
    pub(super) async fn send(
        &mut self,
        event: &Event,
    ) -> Result<DeliveryFut<Result<Outcome, SendError>>, LinkError> {
        let partition = match &event.partition {
            Some(Partition::Id(id)) => Some(id.clone()),
            _ => None,
        };
        let message = message(event);
        self.sender(partition)
            .await?
            .send_batchable(message)
            .await
            .map_err(|error| LinkError::new("sending", error))
    }

    async fn sender(&mut self, partition: Option<String>) -> Result<&mut Sender, LinkError> {
        if self.senders.len() >= SENDERS_MAX && !self.senders.contains_key(&partition) {
            for (_, sender) in self.senders.drain() {
                // A link that does not close takes nothing with it but itself.
                let _ = tokio::time::timeout(CLOSE_TIMEOUT, sender.close()).await;
            }
        }
        match self.senders.entry(partition) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(free) => {
                let address = match free.key() {
                    Some(id) => format!("{}/Partitions/{id}", self.hub),
                    None => self.hub.to_string(),
                };
                let name = format!("gateway-{address}");
                let sender = Sender::attach(&mut self.session, name, address)
                    .await
                    .map_err(|error| LinkError::new("attaching", error))?;
                Ok(free.insert(sender))
            }
        }
    }

    /// Says goodbye, for a bounded time.
    pub(super) async fn close(mut self) {
        let goodbye = async {
            for (_, sender) in self.senders.drain() {
                let _ = sender.close().await;
            }
            let _ = self.session.end().await;
            let _ = self.connection.close().await;
        };
        // Whoever does not answer loses nothing: all events are settled.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, goodbye).await;
    }
}

fn connector(roots: &Arc<RootCertStore>) -> Result<TlsConnector, LinkError> {
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| LinkError::new("TLS", error))?
        .with_root_certificates(Arc::clone(roots))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn message(event: &Event) -> Message<Data> {
    let builder = Message::builder();
    let builder = match &event.partition {
        Some(Partition::Key(key)) => builder.message_annotations(
            MessageAnnotations::builder()
                .insert(Symbol::from("x-opt-partition-key"), Value::String(key.clone()))
                .build(),
        ),
        _ => builder,
    };
    builder
        .data(Binary::from(event.message.clone().into_bytes()))
        .build()
}

/// Claims-based security: the hub takes a token for `audience` (AMQP CBS, "put-token").
async fn put_token(session: &mut SessionHandle<()>, audience: &str, token: &str) -> Result<(), LinkError> {
    let failed = |error: &dyn std::fmt::Display| LinkError::new("signing in", error.to_string());
    let mut requests = Sender::attach(session, "gateway-cbs-out", CBS)
        .await
        .map_err(|error| failed(&error))?;
    let mut answers = Receiver::builder()
        .name("gateway-cbs-in")
        .source(CBS)
        .target(CBS_REPLY)
        .attach(session)
        .await
        .map_err(|error| failed(&error))?;
    let request = Message::builder()
        .properties(Properties::builder().message_id(1u64).reply_to(CBS_REPLY).build())
        .application_properties(
            ApplicationProperties::builder()
                .insert("operation", "put-token")
                .insert("type", "jwt")
                .insert("name", audience)
                .build(),
        )
        .value(Value::String(token.to_owned()))
        .build();
    requests.send(request).await.map_err(|error| failed(&error))?;
    let answer = answers
        .recv::<Body<Value>>()
        .await
        .map_err(|error| failed(&error))?;
    answers.accept(&answer).await.map_err(|error| failed(&error))?;
    let properties = answer.message().application_properties.as_ref();
    let status = properties.and_then(|properties| properties.get("status-code"));
    let accepted = matches!(status, Some(SimpleValue::Int(200 | 202)));
    let told = properties
        .and_then(|properties| properties.get("status-description"))
        .map(|text| format!("{text:?}"));
    // The links stay with the session; what a peer answers to their end does not matter.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, requests.close()).await;
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, answers.close()).await;
    if accepted {
        Ok(())
    } else {
        Err(LinkError::new(
            "signing in",
            format_args!("the token is not taken: {status:?} {}", told.unwrap_or_default()),
        ))
    }
}
