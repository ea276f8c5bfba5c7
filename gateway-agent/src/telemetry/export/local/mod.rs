//! Local logs: events of the node and requests that a `local` diagnostic wants, to one receiver beside the node.
//!
//! Source: `telemetry.logs.local` of the settings reference. All receivers take datagrams but a syslog server that is
//! named with `tcp://`. A receiver that is away loses records; it is tried again with pauses.

mod journal;
mod syslog;
mod wire;

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::SystemTime,
};

use gateway_config::{Settings, settings::LocalLog as Setting};
use serde_json::{Map, Value};

use super::{
    metrics::Counters,
    pump::{Delivery, Sink},
    queue::{Queue, Weigh},
};
use wire::{Address, Wire};

/// Records of the time before the receiver can be asked: the start of a node writes some dozens.
const EARLY_MAX: usize = 256;

/// How bad a record is, numbers as in RFC 5424 §6.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Error = 3,
    Warning = 4,
    Info = 6,
    Debug = 7,
}

/// One record on its way.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) level: Level,
    pub(crate) at: SystemTime,
    /// `eventType`, or `GatewayLogs` for a request.
    pub(crate) kind: String,
    /// For people.
    pub(crate) message: String,
    /// The whole record.
    pub(crate) fields: Map<String, Value>,
}

impl Weigh for Record {
    fn weight(&self) -> usize {
        let fields: usize = self
            .fields
            .iter()
            .map(|(name, value)| name.len() + value.as_str().map_or(64, str::len) + 32)
            .sum();
        fields + self.message.len() + size_of::<Self>()
    }
}

/// The writers' end. Before [`Local::start`] records wait; without a receiver they are dropped at once.
#[derive(Debug, Default)]
pub(crate) struct Local {
    queue: OnceLock<Queue<Record>>,
    early: Mutex<Option<Vec<Record>>>,
}

impl Local {
    /// One that keeps the first records until its receiver is known.
    pub(crate) fn waiting() -> Arc<Self> {
        Arc::new(Self {
            queue: OnceLock::new(),
            early: Mutex::new(Some(Vec::new())),
        })
    }

    /// Hands a record over. Never waits.
    pub(crate) fn write(&self, record: Record) {
        if let Some(queue) = self.queue.get() {
            return queue.push(record);
        }
        let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(early) = early.as_mut().filter(|early| early.len() < EARLY_MAX) {
            early.push(record);
        }
    }

    /// From now on records go to `queue`, those that waited first.
    pub(super) fn start(&self, queue: &Queue<Record>) {
        let waited = self.early.lock().unwrap_or_else(PoisonError::into_inner).take();
        waited.into_iter().flatten().for_each(|record| queue.push(record));
        // A second receiver is not taken.
        let _ = self.queue.set(queue.clone());
    }
}

/// The form of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// RFC 3164, as `/dev/log` takes it.
    LocalSyslog { facility: u8 },
    /// RFC 5424.
    Rfc5424 { facility: u8 },
    /// The native protocol of systemd's journal.
    Journal,
    /// One object a datagram.
    Json,
}

/// What the settings choose; `auto` takes the first receiver that has an address of its own.
pub(crate) fn chosen(settings: &Settings) -> Option<(Form, Arc<str>)> {
    let logs = &settings.logs;
    let local = || {
        let facility = logs.localsyslog_facility;
        logs.localsyslog_endpoint
            .clone()
            .map(|e| (Form::LocalSyslog { facility }, e))
    };
    let rfc5424 = || {
        let facility = logs.rfc5424_facility;
        logs.rfc5424_endpoint
            .clone()
            .map(|e| (Form::Rfc5424 { facility }, e))
    };
    let journal = || logs.journal_endpoint.clone().map(|e| (Form::Journal, e));
    match logs.local {
        Setting::None => None,
        Setting::Auto => local().or_else(rfc5424).or_else(journal),
        Setting::LocalSyslog => local(),
        Setting::Rfc5424 => rfc5424(),
        Setting::Journal => journal(),
        Setting::Json => Some((Form::Json, Arc::clone(&logs.json_endpoint))),
    }
}

/// The sink.
#[derive(Debug)]
pub(super) struct Sender {
    form: Form,
    wire: Wire,
    host: Arc<str>,
    counters: Counters,
}

impl Sender {
    pub(super) fn new(form: Form, endpoint: &str, host: Arc<str>, counters: Counters) -> Self {
        let address = match &form {
            Form::LocalSyslog { .. } | Form::Journal => Address::Unix(endpoint.into()),
            Form::Rfc5424 { .. } | Form::Json => Address::read(endpoint),
        };
        Self {
            form,
            wire: Wire::new(address),
            host,
            counters,
        }
    }

    fn bytes(&self, record: &Record) -> Vec<u8> {
        match self.form {
            Form::LocalSyslog { facility } => syslog::rfc3164(record, facility),
            Form::Rfc5424 { facility } => syslog::rfc5424(record, facility, &self.host),
            Form::Journal => journal::entry(record),
            Form::Json => serde_json::to_vec(&record.fields).unwrap_or_default(),
        }
    }
}

impl Sink for Sender {
    type Item = Record;

    async fn deliver(&mut self, items: Vec<Record>) -> Delivery<Record> {
        let mut out = Delivery::done(0);
        for record in &items {
            match self.wire.send(&self.bytes(record)).await {
                Ok(()) => out.sent += 1,
                Err(wire::WireError::TooLarge) => self.counters.limit.inc(),
                Err(error) => {
                    out.lost += 1;
                    out.why.get_or_insert_with(|| error.to_string());
                }
            }
        }
        out
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::telemetry::{
        Metrics,
        export::{SinkName, queue::queue},
    };

    pub(in crate::telemetry::export) fn record(kind: &str, message: &str) -> Record {
        let Value::Object(fields) = json!({"level": "Info", "eventType": kind, "message": message}) else {
            unreachable!("it is an object");
        };
        Record {
            level: Level::Info,
            at: std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000),
            kind: kind.to_owned(),
            message: message.to_owned(),
            fields,
        }
    }

    #[test]
    fn records_of_the_start_wait_for_their_receiver() {
        let counters = Metrics::new().unwrap().export.of(SinkName::LocalLog);
        let (local, (queue, intake)) = (Local::waiting(), queue(1_000, 1 << 20, counters));
        (0..EARLY_MAX + 3).for_each(|n| local.write(record("E", &n.to_string())));
        local.start(&queue);
        local.write(record("E", "later"));
        assert_eq!(intake.len(), EARLY_MAX + 1);
    }

    #[test]
    fn auto_takes_what_has_an_address() {
        let chosen_by = |edit: &dyn Fn(&mut Settings)| {
            let mut settings = Settings::default();
            edit(&mut settings);
            chosen(&settings).map(|(form, endpoint)| (form, endpoint.to_string()))
        };
        assert_eq!(chosen_by(&|_| {}), None);
        assert_eq!(
            chosen_by(&|s| s.logs.rfc5424_endpoint = Some("h:514".into())),
            Some((Form::Rfc5424 { facility: 0 }, "h:514".to_owned()))
        );
        assert_eq!(
            chosen_by(&|s| {
                s.logs.local = Setting::None;
                s.logs.journal_endpoint = Some("/j".into());
            }),
            None
        );
        assert_eq!(
            chosen_by(&|s| {
                s.logs.local = Setting::Json;
                s.logs.json_endpoint = "h:1".into();
            }),
            Some((Form::Json, "h:1".to_owned()))
        );
    }
}
