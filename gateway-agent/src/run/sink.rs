//! Where finished requests go: the request log and the ring behind `/requests`.

use std::sync::Arc;

use gateway_config::{Settings, settings::StdLog};

use crate::{
    node::RequestSink,
    telemetry::{LogWriter, Recent, RequestRecord, writer::Stream},
};

/// The node's sink.
pub(super) struct Sink {
    log: Option<LogWriter>,
    /// Every request is logged, whether a diagnostic wants it or not.
    every: bool,
    json: bool,
    requests: Arc<Recent<RequestRecord>>,
}

impl Sink {
    pub(super) fn new(
        log: Option<LogWriter>,
        settings: &Settings,
        requests: Arc<Recent<RequestRecord>>,
    ) -> Self {
        Self {
            every: log.is_some() && settings.logs.requests,
            log,
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
        // The ring is for people who look at routes and times; bodies would fill memory.
        record.told = None;
        self.requests.push(record);
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
        let sink = Sink::new(Some(writer.clone()), &settings, Arc::clone(&ring));
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
