//! Application Insights: what a diagnostic's requests become, and how it gets there.
//!
//! Workers hand over whole requests; the telemetry items are written, compressed and sent on the side runtime.
//! Sources: Application Insights telemetry data model, the ingestion service's `track` protocol.

mod answer;
mod envelope;
mod sender;

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use gateway_config::telemetry::Diagnostic;

pub(super) use sender::Sender;

use super::queue::{Queue, Weigh};
use crate::telemetry::{
    RequestRecord,
    correlation::Trace,
    told::{Gathered, Said},
};

/// Where the requests of one plan go.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) diagnostic: Arc<Diagnostic>,
    pub(crate) application_id: Option<Arc<str>>,
    pub(super) queue: Queue<Item>,
}

/// One thing on its way.
#[derive(Debug)]
pub(crate) enum Item {
    /// A request with its calls and its error.
    Request(Box<Request>),
    /// A `trace` policy.
    Message(Box<Message>),
    /// An `emit-metric` policy.
    Metric(Box<Metric>),
    /// Written already, and to be sent again.
    Line(Bytes),
}

/// A finished request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(super) diagnostic: Arc<Diagnostic>,
    pub(super) record: RequestRecord,
    pub(super) gathered: Gathered,
    /// The share it stands for, percent; 100 for an error that the sampling left out.
    pub(super) sample_rate: f64,
}

/// What a policy said.
#[derive(Debug)]
pub(crate) struct Message {
    pub(super) trace: Arc<Trace>,
    pub(super) said: Said,
    pub(super) at: SystemTime,
    pub(super) request_id: String,
}

/// A value of a policy's own metric.
#[derive(Clone, Debug)]
pub(crate) struct Metric {
    pub(super) name: Arc<str>,
    pub(super) namespace: Arc<str>,
    pub(super) value: f64,
    pub(super) dimensions: Vec<(Arc<str>, String)>,
}

impl Weigh for Item {
    fn weight(&self) -> usize {
        match self {
            Self::Request(request) => {
                request.gathered.weight() + request.record.url.len() + size_of::<Request>()
            }
            Self::Message(message) => {
                let metadata: usize = message.said.metadata.iter().map(|(n, v)| n.len() + v.len()).sum();
                message.said.message.len() + metadata + size_of::<Message>()
            }
            Self::Metric(metric) => {
                let dimensions: usize = metric.dimensions.iter().map(|(_, v)| v.len() + 32).sum();
                dimensions + size_of::<Metric>()
            }
            Self::Line(line) => line.len(),
        }
    }
}

impl Target {
    /// A request is over.
    pub(crate) fn finished(&self, record: RequestRecord, gathered: Gathered, sampled: bool) {
        self.queue.push(Item::Request(Box::new(Request {
            diagnostic: Arc::clone(&self.diagnostic),
            record,
            gathered,
            sample_rate: if sampled {
                self.diagnostic.percentage
            } else {
                100.0
            },
        })));
    }

    /// A `trace` policy.
    pub(crate) fn message(&self, trace: &Arc<Trace>, said: Said, request_id: &str) {
        self.queue.push(Item::Message(Box::new(Message {
            trace: Arc::clone(trace),
            said,
            at: SystemTime::now(),
            request_id: request_id.to_owned(),
        })));
    }

    /// An `emit-metric` policy.
    pub(crate) fn metric(
        &self,
        name: &Arc<str>,
        namespace: &Arc<str>,
        value: f64,
        dimensions: &[(Arc<str>, String)],
    ) {
        self.queue.push(Item::Metric(Box::new(Metric {
            name: Arc::clone(name),
            namespace: Arc::clone(namespace),
            value,
            dimensions: dimensions.to_vec(),
        })));
    }
}
