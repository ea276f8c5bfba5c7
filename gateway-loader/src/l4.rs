//! L4 services: from the list of services to the maps of `l4_ingress`, and back to readings and flows.

pub mod config;
mod flows;
mod forwarding;
mod maglev;
mod maps;
mod numbers;
mod services;

pub use config::{Backend, Health, Nat, Service, ServicesOptions};
pub use flows::{FlowRecord, FlowState, Swept, Timeouts};
pub(crate) use forwarding::not_forwarding;
pub use maglev::{Candidate, build};
pub(crate) use maps::{Maps, shapes, sizes};
pub use services::{BackendReading, ServiceReading, Services, Traffic};
