//! What the admin endpoint reads: handles to the parts of the running node.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    kernel::{ConnectionRecord, Side},
    node::Node,
    ready::Readiness,
    sync,
    telemetry::{
        LogWriter, Metrics, Recent, RequestRecord, clock::Timestamp, events::LevelHandle, writer::Stream,
    },
};

/// One listener as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListenerView {
    /// Address and port that were bound.
    pub address: String,
    /// TLS is spoken.
    pub tls: bool,
    /// HTTP/3 on the UDP port of the same number.
    pub http3: bool,
}

/// Handles to everything the endpoint shows or changes.
#[derive(Debug)]
pub struct State {
    /// The data plane.
    pub node: Arc<Node>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Synchronisation.
    pub sync: sync::Handle,
    /// Start-up steps.
    pub readiness: Readiness,
    /// Level of the event log.
    pub level: LevelHandle,
    /// The log's writer; `None` when logs are off.
    pub log: Option<LogWriter>,
    /// The last requests.
    pub requests: Arc<Recent<RequestRecord>>,
    /// The last closed connections.
    pub connections: Arc<Recent<ConnectionRecord>>,
    /// Kernel hooks.
    pub kernel: Arc<Side>,
    /// When the process started.
    pub started: Timestamp,
    /// What was bound.
    pub listeners: Vec<ListenerView>,
    /// Worker threads.
    pub workers: usize,
    /// Which process of this node it is, counted over upgrades.
    pub generation: u32,
    /// Settings in force, secrets masked.
    pub settings: Value,
    /// Time that a drain asked for here gives to requests in flight.
    pub grace: Duration,
}

impl State {
    /// Ready for traffic: every step done, a configuration active, not draining.
    pub fn is_ready(&self) -> bool {
        self.readiness.is_complete() && self.node.is_ready()
    }

    /// The checks of readiness by name; the text of a failing one says what is awaited.
    pub fn checks(&self) -> Vec<(&'static str, Result<(), String>)> {
        let mut checks: Vec<_> = self
            .readiness
            .steps_done()
            .into_iter()
            .map(|(name, done)| {
                (
                    name,
                    if done {
                        Ok(())
                    } else {
                        Err("not done yet".to_owned())
                    },
                )
            })
            .collect();
        let configuration = match (&self.node.snapshot(), &self.sync.status().last_attempt) {
            (Some(_), _) => Ok(()),
            (None, Some(attempt)) if !attempt.ok => {
                Err(attempt.message.clone().unwrap_or_else(|| "refused".to_owned()))
            }
            _ => Err("none has been read yet".to_owned()),
        };
        checks.push(("configuration", configuration));
        let draining = self.node.drain.is_draining();
        checks.push((
            "serving",
            if draining {
                Err("draining".to_owned())
            } else {
                Ok(())
            },
        ));
        checks
    }

    /// The whole of `/status`.
    pub fn report(&self) -> Value {
        let kernel = self.kernel.state();
        let sync = self.sync.status();
        let age = sync
            .active
            .as_ref()
            .map(|active| active.activated.age().as_secs());
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "started": self.started,
            "uptime_seconds": self.started.age().as_secs(),
            "ready": self.is_ready(),
            "draining": self.node.drain.is_draining(),
            "mode": kernel.mode(),
            "configuration": {
                "remote": sync.remote,
                "source": sync.source,
                "age_seconds": age,
                "active": sync.active,
                "last_attempt": sync.last_attempt,
                "attempts": sync.attempts,
                "failures": sync.failures,
                "polling_only": sync.polling_only,
            },
            "listeners": self.listeners,
            "workers": self.workers,
            "generation": self.generation,
            "hooks": kernel.hooks,
            "maps": self.kernel.fills(),
            "connections": self.connection_totals(),
            "log_lines_dropped": self.log_lines_dropped(),
        })
    }

    fn connection_totals(&self) -> Value {
        let mut active = serde_json::Map::new();
        for family in prometheus::core::Collector::collect(&self.metrics.connections.active) {
            for metric in family.get_metric() {
                let listener = metric.get_label().first().map_or("", |label| label.value());
                active.insert(listener.to_owned(), json!(metric.get_gauge().get_value()));
            }
        }
        json!({ "active": active })
    }

    fn log_lines_dropped(&self) -> u64 {
        let Some(log) = &self.log else { return 0 };
        Stream::ALL.iter().map(|(stream, _)| log.dropped(*stream)).sum()
    }

    /// Brings the metrics that are read rather than counted up to date; called before each scrape.
    pub fn refresh(&self) {
        self.kernel.refresh();
        self.metrics.ready.set(i64::from(self.is_ready()));
        self.metrics
            .draining
            .set(i64::from(self.node.drain.is_draining()));
        let Some(log) = &self.log else { return };
        for (stream, name) in Stream::ALL {
            if let Ok(counter) = self
                .metrics
                .log_lines_dropped
                .get_metric_with_label_values(&[name])
            {
                counter.inc_by(log.dropped(stream).saturating_sub(counter.get()));
            }
        }
    }
}
