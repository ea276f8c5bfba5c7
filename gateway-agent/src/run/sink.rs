//! Where finished requests go: the request log and the ring behind `/requests`.

use std::sync::Arc;

use gateway_config::{Settings, settings::StdLog};

use crate::{
    node::RequestSink,
    telemetry::{
        LogWriter, Recent, RequestRecord,
        export::local::{Level, Local, Record},
        writer::Stream,
    },
};

/// The node's sink.
pub(super) struct Sink {
    log: Option<LogWriter>,
    local: Option<Arc<Local>>,
    /// Every request is logged, whether a diagnostic wants it or not.
    every: bool,
    json: bool,
    requests: Arc<Recent<RequestRecord>>,
}

impl Sink {
    pub(super) fn new(
        log: Option<LogWriter>,
        local: Option<Arc<Local>>,
        settings: &Settings,
        requests: Arc<Recent<RequestRecord>>,
    ) -> Self {
        Self {
            every: log.is_some() && settings.logs.requests,
            log,
            local,
            json: settings.logs.std == StdLog::Json,
            requests,
        }
    }
}

impl RequestSink for Sink {
    fn wants_records(&self) -> bool {
        self.every || self.requests.is_on()
    }

    fn record(&self, mut record: RequestRecord) {
        if record.method.is_empty() {
            // A probe of the gateway's own paths: it has no request to tell of, and comes every few seconds.
            return;
        }
        if let Some(log) = self.log.as_ref().filter(|_| self.every || record.told.is_some()) {
            log.line(
                Stream::Requests,
                if self.json {
                    record.json_line()
                } else {
                    record.text_line()
                },
            );
        }
        if let Some(local) = self.local.as_ref().filter(|_| record.told.is_some()) {
            local.write(of_request(&record));
        }
        // The ring is for people who look at routes and times; bodies would fill memory.
        record.told = None;
        self.requests.push(record);
    }
}

/// The record as the local log has it.
fn of_request(record: &RequestRecord) -> Record {
    let fields = match serde_json::to_value(record) {
        Ok(serde_json::Value::Object(fields)) => fields,
        // Plain data is an object always.
        _ => serde_json::Map::new(),
    };
    Record {
        level: if record.response_code >= 500 {
            Level::Error
        } else {
            Level::Info
        },
        at: record.time_generated.0,
        kind: "GatewayLogs".to_owned(),
        message: format!("{} {} {}", record.method, record.url, record.response_code),
        fields,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::writer::tests::Shared;

    fn check(requests_logged: bool, std: StdLog, ring: usize, expected_lines: usize, wants: bool) {
        let out = Shared::default();
        let writer = LogWriter::start(out.clone()).unwrap();
        let mut settings = Settings::default();
        settings.logs.requests = requests_logged;
        settings.logs.std = std;
        let ring = Arc::new(Recent::new(ring));
        let sink = Sink::new(Some(writer.clone()), None, &settings, Arc::clone(&ring));
        assert_eq!(sink.wants_records(), wants);
        sink.record(RequestRecord {
            method: "GET".to_owned(),
            url: "/x".to_owned(),
            ..RequestRecord::default()
        });
        assert!(writer.flush());
        let text = out.text();
        assert_eq!(text.lines().count(), expected_lines, "{text}");
        assert_eq!(
            text.starts_with('{'),
            expected_lines > 0 && std == StdLog::Json,
            "{text}"
        );
        assert_eq!(ring.all().len(), usize::from(ring.is_on()));
    }

    #[test]
    fn records_go_where_the_settings_say() {
        check(false, StdLog::Text, 0, 0, false);
        check(false, StdLog::Json, 5, 0, true);
        check(true, StdLog::Text, 0, 1, true);
        check(true, StdLog::Json, 5, 1, true);
    }
}
