//! Event hubs: the messages of `log-to-eventhub`, over AMQP 1.0 as the original sends them.
//!
//! A message is one event. Partition keys travel as an annotation, partition ids choose the link. Sources: "AMQP 1.0
//! in Azure Service Bus and Event Hubs protocol guide"; `policies.md` §3. Why AMQP and why this library: ADR 0022.

mod link;

use std::{sync::Arc, time::Duration};

use fe2o3_amqp::types::messaging::Outcome;
use gateway_config::telemetry::EventHub;
use gateway_policy::trace::Partition;
use rustls::RootCertStore;
use tokio::time::Instant;

use self::link::{Link, LinkError};
use super::{
    identity::Signer,
    pump::{Delivery, Sink},
    queue::Weigh,
};

/// Time to connect, sign in and attach.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Time for a batch: the largest one over a slow line.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// A connection that was opened with a token is made anew before the shortest token ends.
const TOKEN_CONNECTION: Duration = Duration::from_secs(20 * 60);

/// One event on its way.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) partition: Option<Partition>,
    pub(crate) message: String,
}

impl Weigh for Event {
    fn weight(&self) -> usize {
        let partition = match &self.partition {
            Some(Partition::Id(text) | Partition::Key(text)) => text.len(),
            None => 0,
        };
        self.message.len() + partition + size_of::<Self>()
    }
}

/// The sink of one hub.
pub(super) struct Sender {
    hub: EventHub,
    roots: Arc<RootCertStore>,
    /// Names this node to the hub.
    container: Arc<str>,
    signer: Option<Signer>,
    link: Option<(Link, Instant)>,
}

impl Sender {
    pub(super) fn new(
        hub: EventHub,
        roots: Arc<RootCertStore>,
        container: Arc<str>,
        signer: Option<Signer>,
    ) -> Self {
        Self {
            hub,
            roots,
            container,
            signer,
            link: None,
        }
    }

    async fn link(&mut self) -> Result<&mut Link, LinkError> {
        let old = self
            .link
            .as_ref()
            .is_some_and(|(_, made)| self.signer.is_some() && made.elapsed() >= TOKEN_CONNECTION);
        if old && let Some((link, _)) = self.link.take() {
            link.close().await;
        }
        match &mut self.link {
            Some((link, _)) => Ok(link),
            none => {
                let open = Link::open(&self.hub, &self.roots, &self.container, self.signer.as_ref());
                let link = match tokio::time::timeout(CONNECT_TIMEOUT, open).await {
                    Ok(opened) => opened?,
                    Err(_) => return Err(LinkError::timeout("connecting", CONNECT_TIMEOUT)),
                };
                Ok(&mut none.insert((link, Instant::now())).0)
            }
        }
    }

    /// Sends all and waits for what becomes of each.
    async fn send(&mut self, items: Vec<Event>) -> Delivery<Event> {
        let link = match self.link().await {
            Ok(link) => link,
            Err(error) => return Delivery::later(items, None, error.to_string()),
        };
        let mut out = Delivery::done(0);
        let mut waiting = Vec::with_capacity(items.len());
        for event in items {
            if out.why.is_some() {
                out.again.push(event);
                continue;
            }
            match link.send(&event).await {
                Ok(outcome) => waiting.push((event, outcome)),
                Err(error) => {
                    out.why = Some(error.to_string());
                    out.again.push(event);
                }
            }
        }
        for (event, outcome) in waiting {
            match outcome.await {
                Ok(Outcome::Accepted(_)) => out.sent += 1,
                Ok(Outcome::Rejected(rejected)) => {
                    out.refused += 1;
                    out.why
                        .get_or_insert_with(|| format!("the hub rejects an event: {:?}", rejected.error));
                }
                Ok(_) => {
                    out.why
                        .get_or_insert_with(|| "the hub releases an event".to_owned());
                    out.again.push(event);
                }
                Err(error) => {
                    out.why.get_or_insert_with(|| error.to_string());
                    out.again.push(event);
                }
            }
        }
        out
    }
}

impl Sink for Sender {
    type Item = Event;

    async fn deliver(&mut self, items: Vec<Event>) -> Delivery<Event> {
        let kept = items.clone();
        let delivery = match tokio::time::timeout(SEND_TIMEOUT + CONNECT_TIMEOUT, self.send(items)).await {
            Ok(delivery) => delivery,
            // What was taken meanwhile is not known; events may come twice, as the hub's own clients say.
            Err(_) => Delivery::later(kept, None, "the hub does not answer".to_owned()),
        };
        if delivery.why.is_some() {
            self.link = None;
        }
        delivery
    }

    async fn close(&mut self) {
        if let Some((link, _)) = self.link.take() {
            link.close().await;
        }
    }
}
