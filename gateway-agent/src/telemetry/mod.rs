//! What the node tells about itself: metrics, the request log, the event log.
//!
//! Traffic code holds handles that were resolved when a snapshot was activated; nothing here looks up a
//! label, takes a contended lock or waits for a reader while a request is being served.

pub mod clock;
pub(crate) mod correlation;
mod effects;
pub mod events;
pub(crate) mod export;
mod families;
pub mod metrics;
pub mod notes;
mod process;
pub mod recent;
pub mod record;
pub mod route;
pub(crate) mod told;
pub mod writer;

pub use effects::EffectMetrics;
pub use export::{ExportConfig, ExportMetrics, SinkName};
pub(crate) use families::UpstreamMetrics;
pub use metrics::Metrics;
pub use recent::Recent;
pub use record::{ErrorRecord, RequestRecord};
pub use route::RouteMetrics;
pub use told::LocalTold;
pub use writer::LogWriter;
