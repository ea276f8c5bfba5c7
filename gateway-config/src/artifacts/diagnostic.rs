//! Diagnostics: what is told about requests, of the service or of one API.
//!
//! Source: "Diagnostic" of the management API; `gateway-behaviour.md` §13.3, `config-plane.md` §7.9. Words are
//! compared without regard to case, because files show both.

use std::{collections::BTreeMap, sync::Arc};

use gateway_policy::trace::TraceSeverity;
use http::HeaderName;

use super::{Entity, fields::Fields, id_in};
use crate::{
    doc::Node,
    problem::{Problem, Severity},
    telemetry::{
        BODY_BYTES_MAX, Correlation, Diagnostic, Exchange, Logger, LoggerKind, Mask, MaskMode, Message,
        OperationName,
    },
};

/// Loggers by lower-case id.
type Loggers = BTreeMap<Arc<str>, Arc<Logger>>;

/// What a diagnostic's id makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Insights,
    Local,
    /// Accepted and without effect: a self-hosted gateway sends nothing there.
    Monitor,
}

impl Kind {
    pub(crate) fn of(id: &str) -> Option<Self> {
        match id.to_ascii_lowercase().as_str() {
            "applicationinsights" => Some(Kind::Insights),
            "local" => Some(Kind::Local),
            "azuremonitor" => Some(Kind::Monitor),
            _ => None,
        }
    }
}

/// Reads a diagnostic; `None` when nothing can be told by it (reported).
pub(crate) fn read(
    entity: &Entity,
    kind: Kind,
    loggers: &Loggers,
    problems: &mut Vec<Problem>,
) -> Option<Diagnostic> {
    let properties = entity.properties.as_ref()?;
    let mut f = Fields::new(entity, properties, problems);
    let logger = if kind == Kind::Insights {
        read_logger(&mut f, loggers)
    } else {
        None
    };
    let always = f.text("alwaysLog");
    let always_log_errors = always.is_some_and(|t| t.eq_ignore_ascii_case("allErrors"));
    if always.is_some() && !always_log_errors {
        report(&mut f, "alwaysLog", "must be allErrors");
    }
    let out = Diagnostic {
        logger,
        always_log_errors,
        percentage: read_sampling(&mut f),
        frontend: read_exchange(&mut f, "frontend"),
        backend: read_exchange(&mut f, "backend"),
        log_client_ip: f.bool("logClientIp", kind != Kind::Insights),
        correlation: word(
            &mut f,
            "httpCorrelationProtocol",
            &[
                ("None", Correlation::None),
                ("Legacy", Correlation::Legacy),
                ("W3C", Correlation::W3c),
            ],
            Correlation::None,
        ),
        verbosity: word(
            &mut f,
            "verbosity",
            &[
                ("verbose", TraceSeverity::Verbose),
                ("information", TraceSeverity::Information),
                ("error", TraceSeverity::Error),
            ],
            TraceSeverity::Information,
        ),
        operation_name: word(
            &mut f,
            "operationNameFormat",
            &[("Name", OperationName::Name), ("Url", OperationName::Url)],
            OperationName::Name,
        ),
        metrics: f.bool("metrics", kind != Kind::Insights),
    };
    f.refusal().is_none().then_some(out)
}

fn report(f: &mut Fields<'_, '_>, key: &str, what: &str) {
    let at = f.node.get(key);
    let message = format!("`{key}` {what}; nothing is told by this diagnostic until it is corrected");
    f.report(Severity::Scope, "bad-diagnostic", key, at, message);
}

/// The logger of an Application Insights diagnostic. Without a usable one nothing is sent, which the logger itself
/// reports.
fn read_logger(f: &mut Fields<'_, '_>, loggers: &Loggers) -> Option<Arc<Logger>> {
    let id = f.required_text("loggerId", "name the logger: /loggers/{name}")?;
    let name = id_in(id, "loggers").unwrap_or(id);
    match loggers.get(name.to_ascii_lowercase().as_str()) {
        None => {
            let at = f.node.get("loggerId");
            let message =
                format!("logger `{name}` is not in the folder, so nothing is sent; add `loggers/{name}`");
            f.report(Severity::Warning, "dangling-link", "loggerId", at, message);
            None
        }
        Some(logger) => match &logger.kind {
            LoggerKind::Insights(_) => Some(Arc::clone(logger)),
            LoggerKind::Unusable(_) => None,
            LoggerKind::EventHub(_) | LoggerKind::Monitor => {
                report(f, "loggerId", "must name a logger of type applicationInsights");
                None
            }
        },
    }
}

fn read_sampling(f: &mut Fields<'_, '_>) -> f64 {
    let Some(sampling) = f.object("sampling") else {
        return 100.0;
    };
    let kind = sampling
        .get("samplingType")
        .and_then(Node::as_text)
        .unwrap_or("fixed");
    if !kind.eq_ignore_ascii_case("fixed") {
        report(f, "sampling", "knows the samplingType `fixed` only");
    }
    let Some(node) = sampling.get("percentage") else {
        return 100.0;
    };
    match node.as_scalar().and_then(|t| t.trim().parse::<f64>().ok()) {
        Some(percentage) if (0.0..=100.0).contains(&percentage) => percentage,
        _ => {
            report(f, "sampling", "needs a `percentage` from 0 to 100");
            100.0
        }
    }
}

/// One of the words; anything else is reported.
fn word<T: Copy>(f: &mut Fields<'_, '_>, key: &str, words: &[(&str, T)], default: T) -> T {
    let Some(text) = f.text(key) else { return default };
    match words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
        Some((_, value)) => *value,
        None => {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            report(f, key, &format!("must be one of {}", names.join(", ")));
            default
        }
    }
}

fn read_exchange(f: &mut Fields<'_, '_>, key: &str) -> Exchange {
    let Some(node) = f.object(key) else {
        return Exchange::default();
    };
    let mut one = |name: &str| node.get(name).map(|m| read_message(f, m)).unwrap_or_default();
    Exchange {
        request: one("request"),
        response: one("response"),
    }
}

fn read_message(f: &mut Fields<'_, '_>, node: &Node) -> Message {
    let mut headers = Vec::new();
    for item in node.get("headers").map_or(&[][..], Node::items) {
        match item.as_text().map(|name| HeaderName::from_bytes(name.as_bytes())) {
            Some(Ok(name)) => headers.push(name),
            _ => {
                let message = "an entry of `headers` is no header name; it is left out";
                f.report(
                    Severity::Warning,
                    "bad-header-name",
                    "headers",
                    Some(item),
                    message,
                );
            }
        }
    }
    let bytes = node.get("body").and_then(|body| body.get("bytes"));
    let body_bytes = match bytes.map(|n| (n, n.as_i64())) {
        None => 0,
        Some((_, Some(n))) if (0..=BODY_BYTES_MAX as i64).contains(&n) => n as usize,
        Some((at, _)) => {
            let message = format!(
                "`body.bytes` must be a number from 0 to {BODY_BYTES_MAX}; {BODY_BYTES_MAX} is taken"
            );
            f.report(Severity::Warning, "bad-diagnostic", "bytes", Some(at), message);
            BODY_BYTES_MAX
        }
    };
    let masking = node.get("dataMasking");
    let mut masks = |key: &str| {
        let rules = masking.and_then(|m| m.get(key)).map_or(&[][..], Node::items);
        rules.iter().map(|rule| read_mask(f, rule)).collect()
    };
    Message {
        headers,
        body_bytes,
        query_masks: masks("queryParams"),
        header_masks: masks("headers"),
    }
}

/// A rule that is not understood hides: what somebody wanted masked must not show.
fn read_mask(f: &mut Fields<'_, '_>, rule: &Node) -> Mask {
    let name = rule.get("value").and_then(Node::as_text).unwrap_or("*");
    let mode = match rule.get("mode").and_then(Node::as_text) {
        Some(mode) if mode.eq_ignore_ascii_case("mask") => MaskMode::Mask,
        Some(mode) if mode.eq_ignore_ascii_case("hide") => MaskMode::Hide,
        _ => {
            let message = "`mode` of a masking rule must be Mask or Hide; Hide is taken";
            f.report(Severity::Warning, "bad-diagnostic", "mode", Some(rule), message);
            MaskMode::Hide
        }
    };
    Mask {
        name: name.into(),
        mode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::mask_of;

    fn loggers() -> Loggers {
        let logger = |id: &str, kind| {
            let logger = Logger {
                id: id.into(),
                buffered: true,
                kind,
            };
            (Arc::from(id), Arc::new(logger))
        };
        let insights = crate::telemetry::Insights {
            instrumentation_key: crate::Secret::new("k"),
            track: gateway_policy::url::parse("https://in.example/v2.1/track").unwrap(),
            application_id: None,
            identity: None,
        };
        [
            logger("ai", LoggerKind::Insights(insights)),
            logger("monitor", LoggerKind::Monitor),
            logger("broken", LoggerKind::Unusable("no key".into())),
        ]
        .into()
    }

    fn diagnostic(kind: Kind, json: &str) -> (Option<Diagnostic>, Vec<Problem>) {
        let mut problems = Vec::new();
        let node = crate::doc::read("d.json", json.as_bytes(), &mut problems).unwrap();
        let entity = Entity {
            name: "d".into(),
            path: "d.json".into(),
            properties: Some(node),
            overlay: None,
        };
        let read = read(&entity, kind, &loggers(), &mut problems);
        (read, problems)
    }

    #[test]
    fn everything_is_read() {
        let (read, problems) = diagnostic(
            Kind::Insights,
            r#"{"loggerId": "/subscriptions/s/x/loggers/AI", "alwaysLog": "allErrors",
                "sampling": {"samplingType": "fixed", "percentage": 12.5},
                "frontend": {"request": {"headers": ["X-A", "b d"], "body": {"bytes": 8192},
                    "dataMasking": {"queryParams": [{"value": "*", "mode": "Hide"}], "headers": [{"value": "X-A", "mode": "mask"}]}}},
                "backend": {"response": {"body": {"bytes": 9000}}},
                "logClientIp": true, "httpCorrelationProtocol": "w3c", "verbosity": "Error",
                "operationNameFormat": "Url", "metrics": true}"#,
        );
        let read = read.unwrap();
        let codes: Vec<_> = problems.iter().map(|p| p.code).collect();
        assert_eq!(codes, ["bad-header-name", "bad-diagnostic"], "{problems:?}");
        assert_eq!(read.logger.as_ref().map(|l| &*l.id), Some("ai"));
        assert!(read.always_log_errors && read.log_client_ip && read.metrics);
        assert_eq!(read.percentage, 12.5);
        assert_eq!(read.frontend.request.headers, ["x-a"]);
        assert_eq!(read.frontend.request.body_bytes, 8192);
        assert_eq!(read.backend.response.body_bytes, BODY_BYTES_MAX);
        assert_eq!(
            mask_of(&read.frontend.request.query_masks, "q"),
            Some(MaskMode::Hide)
        );
        assert_eq!(
            mask_of(&read.frontend.request.header_masks, "x-a"),
            Some(MaskMode::Mask)
        );
        assert_eq!(read.correlation, Correlation::W3c);
        assert_eq!(read.verbosity, TraceSeverity::Error);
        assert_eq!(read.operation_name, OperationName::Url);
    }

    #[test]
    fn defaults_say_little() {
        let (read, problems) = diagnostic(Kind::Insights, r#"{"loggerId": "ai"}"#);
        assert_eq!(problems, []);
        let read = read.unwrap();
        assert!(!read.always_log_errors && !read.log_client_ip && !read.metrics && !read.wants_bodies());
        assert_eq!((read.percentage, read.correlation), (100.0, Correlation::None));
        let (read, _) = diagnostic(Kind::Local, "{}");
        assert!(read.is_some_and(|read| read.log_client_ip && read.logger.is_none()));
    }

    #[track_caller]
    fn check(json: &str, code: &str, part: &str, told: bool) {
        let (read, problems) = diagnostic(Kind::Insights, json);
        let found = problems.iter().find(|p| p.code == code);
        assert!(
            found.is_some_and(|p| p.message.contains(part)),
            "{json}: {problems:?}"
        );
        assert_eq!(read.is_some(), told, "{json}");
    }

    #[test]
    fn mistakes_are_named() {
        check("{}", "missing-property", "`loggerId` is missing", false);
        check(
            r#"{"loggerId": "gone"}"#,
            "dangling-link",
            "`gone` is not in the folder",
            true,
        );
        check(
            r#"{"loggerId": "monitor"}"#,
            "bad-diagnostic",
            "applicationInsights",
            false,
        );
        check(
            r#"{"loggerId": "ai", "alwaysLog": "some"}"#,
            "bad-diagnostic",
            "allErrors",
            false,
        );
        check(
            r#"{"loggerId": "ai", "sampling": {"percentage": 101}}"#,
            "bad-diagnostic",
            "0 to 100",
            false,
        );
        check(
            r#"{"loggerId": "ai", "sampling": {"samplingType": "adaptive"}}"#,
            "bad-diagnostic",
            "`fixed` only",
            false,
        );
        check(
            r#"{"loggerId": "ai", "verbosity": "loud"}"#,
            "bad-diagnostic",
            "verbose",
            false,
        );
        check(
            r#"{"loggerId": "ai", "frontend": {"request": {"dataMasking": {"headers": [{"value": "x"}]}}}}"#,
            "bad-diagnostic",
            "Hide is taken",
            true,
        );
        let (read, problems) = diagnostic(Kind::Insights, r#"{"loggerId": "broken"}"#);
        assert_eq!(problems, [], "the logger said it");
        assert!(read.is_some_and(|read| read.logger.is_none()));
    }

    #[test]
    fn kinds_by_id() {
        for (id, kind) in [
            ("applicationInsights", Some(Kind::Insights)),
            ("local", Some(Kind::Local)),
            ("azuremonitor", Some(Kind::Monitor)),
            ("zipkin", None),
        ] {
            assert_eq!(Kind::of(id), kind, "{id}");
        }
    }
}
