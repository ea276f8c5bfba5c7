//! What `services` and `flows` show.

use gateway_loader::l4::{FlowRecord, FlowState, Health};
use serde::Serialize;

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names are the interface and carry their units")]
pub struct ServiceView {
    pub name: String,
    pub address: String,
    pub protocol: &'static str,
    /// `kernel`, `relay` or `off`.
    pub runs: &'static str,
    /// Why it does not run where it could, or at all.
    pub reason: Option<String>,
    pub active_flows: u64,
    pub flows: u64,
    pub packets_in: Option<u64>,
    pub bytes_in: u64,
    pub packets_out: Option<u64>,
    pub bytes_out: u64,
    /// Connections that found no backend or no room; counted by the relay.
    pub refused: Option<u64>,
    pub backends: Vec<BackendView>,
}

/// One backend of a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names are the interface and carry their units")]
pub struct BackendView {
    pub address: String,
    /// `up`, `draining` or `down`.
    pub health: &'static str,
    pub weight: u16,
    /// Share of new flows, percent; known for what runs in the kernel.
    pub share_percent: Option<f64>,
    pub flows: Option<u64>,
    pub bytes_in: Option<u64>,
    pub bytes_out: Option<u64>,
}

/// One flow in the kernel.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names are the interface and carry their units")]
pub struct FlowView {
    pub service: String,
    pub protocol: &'static str,
    pub client: String,
    pub address: String,
    pub backend: String,
    pub source: String,
    /// `young`, `established` or `closing`.
    pub state: &'static str,
    pub idle_seconds: u64,
    pub packets_in: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub bytes_out: u64,
}

impl From<&FlowRecord> for FlowView {
    fn from(record: &FlowRecord) -> Self {
        Self {
            service: record.service.clone(),
            protocol: protocol(record.protocol == gateway_loader::Protocol::Udp),
            client: record.client.to_string(),
            address: record.address.to_string(),
            backend: record.backend.to_string(),
            source: record.source.to_string(),
            state: match record.state {
                FlowState::Young => "young",
                FlowState::Established => "established",
                FlowState::Closing => "closing",
            },
            idle_seconds: record.idle_seconds,
            packets_in: record.packets_in,
            bytes_in: record.bytes_in,
            packets_out: record.packets_out,
            bytes_out: record.bytes_out,
        }
    }
}

pub(super) const fn protocol(udp: bool) -> &'static str {
    if udp { "udp" } else { "tcp" }
}

pub(super) const fn health(health: Health) -> &'static str {
    match health {
        Health::Up => "up",
        Health::Draining => "draining",
        Health::Down => "down",
    }
}
