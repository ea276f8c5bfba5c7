//! What policies want written down: `trace` goes to the event log and to diagnostics, `emit-metric` to metrics.

use std::fmt::Write as _;

use gateway_policy::trace::{Note, TraceSeverity};

use super::{
    Metrics, SinkName,
    export::Plans,
    told::{Said, Told},
};

/// Writes the notes of one request. `request_id` as the client and the request log know it.
pub(crate) fn write(
    notes: Vec<Note>,
    request_id: &str,
    metrics: &Metrics,
    worker: usize,
    plans: Option<&Plans>,
    mut told: Option<&mut Told>,
) {
    for note in notes {
        match note {
            Note::Trace {
                source,
                severity,
                message,
                metadata,
            } => {
                trace(&source, severity, &message, &metadata, request_id);
                if let Some(told) = &mut told {
                    let said = Said {
                        source,
                        severity,
                        message,
                        metadata,
                    };
                    told.says(said, request_id);
                }
            }
            Note::Skipped { policy } => skipped(metrics, policy),
            Note::Metric {
                name,
                namespace,
                value,
                dimensions,
            } => {
                if let Some(target) = told.as_ref().and_then(|told| told.metrics_target()) {
                    target.metric(&name, &namespace, value, &dimensions);
                }
                metrics.custom.add(worker, namespace, name, value, dimensions);
            }
            Note::RequestDimension { name, value } => {
                if let Some(told) = &mut told {
                    told.dimension(name, value);
                }
            }
            Note::EventHub {
                logger,
                partition,
                message,
            } => {
                let taken = plans.is_some_and(|plans| plans.event(&logger, partition, message));
                if !taken {
                    metrics.export.of(SinkName::EventHub).no_logger.inc();
                }
            }
            // A kind of a later version: it is counted rather than lost.
            _ => skipped(metrics, "unknown"),
        }
    }
}

/// Nothing of this version takes these; the counter says how often that was.
fn skipped(metrics: &Metrics, policy: &str) {
    if let Ok(counter) = metrics.policies_skipped.get_metric_with_label_values(&[policy]) {
        counter.inc();
    }
}

fn trace(
    source: &str,
    severity: TraceSeverity,
    message: &str,
    metadata: &[(String, String)],
    request_id: &str,
) {
    let mut pairs = String::new();
    for (name, value) in metadata {
        let separator = if pairs.is_empty() { "" } else { ", " };
        // Writing to a String does not fail.
        let _ = write!(pairs, "{separator}{name}={value}");
    }
    match severity {
        TraceSeverity::Verbose => {
            tracing::debug!(
                event = "PolicyTrace",
                policy_source = source,
                metadata = pairs,
                request_id,
                "{message}"
            );
        }
        TraceSeverity::Information => {
            tracing::info!(
                event = "PolicyTrace",
                policy_source = source,
                metadata = pairs,
                request_id,
                "{message}"
            );
        }
        TraceSeverity::Error => {
            tracing::error!(
                event = "PolicyTrace",
                policy_source = source,
                metadata = pairs,
                request_id,
                "{message}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{
        LogWriter,
        events::{Format, Threshold, subscriber},
        writer::tests::Shared,
    };

    #[test]
    fn traces_are_logged_and_the_rest_is_counted() {
        let (sink, metrics) = (Shared::default(), Metrics::new().unwrap());
        let log = LogWriter::start(sink.clone()).unwrap();
        let (subscriber, _) = subscriber(Format::Text, Threshold::Info, false, log.clone());
        let trace = |severity, message: &str| Note::Trace {
            source: "my policy".into(),
            severity,
            message: message.to_owned(),
            metadata: vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())],
        };
        let notes = vec![
            trace(TraceSeverity::Verbose, "quiet"),
            trace(TraceSeverity::Information, "plain"),
            trace(TraceSeverity::Error, "loud"),
            Note::Skipped {
                policy: "authentication-managed-identity",
            },
        ];
        tracing::subscriber::with_default(subscriber, || write(notes, "id-1", &metrics, 0, None, None));
        assert!(log.flush());
        let text = sink.text();
        assert!(!text.contains("quiet"), "{text}");
        assert!(
            text.contains("[PolicyTrace], message: plain, source: notes, policy_source: my policy"),
            "{text}"
        );
        assert!(
            text.contains("[Error]") && text.contains("metadata: a=1, b=2, request_id: id-1"),
            "{text}"
        );
        let counted = metrics
            .policies_skipped
            .with_label_values(&["authentication-managed-identity"])
            .get();
        assert_eq!(counted, 1);
    }
}
