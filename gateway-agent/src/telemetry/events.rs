//! The event log: what the node does, in the original's record shape, as text or JSON.
//!
//! Events are `tracing` events; the field `event` names the type (`ConfigurationUpdated`), the target's
//! last part is the source. The level can be changed while the node runs.

use std::{fmt, io, sync::Arc};

use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format::Writer},
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    reload,
};

use super::{
    clock::Timestamp,
    export::local::{self, Local},
    record::clean,
    writer::{LogWriter, Pending},
};

/// Target of events that end the process; the only ones shown at level `fatal`.
pub const FATAL: &str = "fatal";

/// `telemetry.logs.std`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Nothing is written.
    None,
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// `telemetry.logs.std.level`: each shows its own severity and above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the setting's values")]
pub enum Threshold {
    All,
    Debug,
    #[default]
    Info,
    Warn,
    Error,
    Fatal,
}

impl Threshold {
    /// All values with their names.
    pub const ALL: [(&'static str, Threshold); 6] = [
        ("all", Threshold::All),
        ("debug", Threshold::Debug),
        ("info", Threshold::Info),
        ("warn", Threshold::Warn),
        ("error", Threshold::Error),
        ("fatal", Threshold::Fatal),
    ];

    /// The value of that name, case ignored.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, level)| *level)
    }

    /// The setting's word.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, level)| *level == self)
            .map_or("info", |(name, _)| name)
    }

    /// What passes. Libraries speak from `warn` up unless everything is asked for: hyper and quinn at
    /// `debug` write several lines a request.
    fn targets(self) -> Targets {
        let level = match self {
            Threshold::All => return Targets::new().with_default(LevelFilter::TRACE),
            Threshold::Debug => LevelFilter::DEBUG,
            Threshold::Info => LevelFilter::INFO,
            Threshold::Warn => LevelFilter::WARN,
            Threshold::Error => LevelFilter::ERROR,
            Threshold::Fatal => LevelFilter::OFF,
        };
        Targets::new()
            .with_default(level.min(LevelFilter::WARN))
            .with_target("gateway_", level)
            .with_target(FATAL, LevelFilter::ERROR)
    }
}

/// Changes the level while the node runs; kept by the admin endpoint.
#[derive(Clone)]
pub struct LevelHandle {
    set: Arc<dyn Fn(Threshold) -> bool + Send + Sync>,
}

impl fmt::Debug for LevelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LevelHandle")
    }
}

impl LevelHandle {
    /// Applies `level`; false when the log is gone (the process is ending).
    pub fn set(&self, level: Threshold) -> bool {
        (self.set)(level)
    }

    /// A handle that changes nothing, for a node without a log.
    pub fn none() -> Self {
        Self {
            set: Arc::new(|_| false),
        }
    }
}

/// The subscriber that writes events to `writer`, and the handle of its level.
#[cfg(test)]
pub(crate) fn subscriber(
    format: Format,
    level: Threshold,
    color: bool,
    writer: LogWriter,
) -> (impl Subscriber + Send + Sync, LevelHandle) {
    let lines = Lines {
        json: format == Format::Json,
        color,
    };
    build(level, vec![of_lines(lines, writer)])
}

/// Events as lines.
fn of_lines<W>(lines: Lines, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    Box::new(
        tracing_subscriber::fmt::layer::<Registry>()
            .event_format(lines)
            .with_writer(writer),
    )
}

/// Events of one level for all of `layers`.
fn build(
    level: Threshold,
    layers: Vec<Box<dyn Layer<Registry> + Send + Sync>>,
) -> (impl Subscriber + Send + Sync, LevelHandle) {
    let (filter, handle) = reload::Layer::new(level.targets());
    let set = Arc::new(move |level: Threshold| handle.reload(level.targets()).is_ok());
    let layer = layers.with_filter(filter);
    (Registry::default().with(layer), LevelHandle { set })
}

/// Events as records of the local log.
struct LocalLayer(Arc<Local>);

impl<S: Subscriber> Layer<S> for LocalLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let own = fields.rest.get("sink").is_some_and(|sink| sink == "local_log");
        if own {
            // What is said about a receiver that fails must not make more work for it.
            return;
        }
        let level = *event.metadata().level();
        self.0.write(local::Record {
            level: match level {
                Level::ERROR => local::Level::Error,
                Level::WARN => local::Level::Warning,
                Level::INFO => local::Level::Info,
                _ => local::Level::Debug,
            },
            at: std::time::SystemTime::now(),
            kind: fields.event.clone().unwrap_or_default(),
            message: fields.message.clone(),
            fields: fields.record(level, source_of(event)),
        });
    }
}

/// The process-wide log.
#[derive(Debug)]
pub struct Log {
    /// Its writer; `None` with `telemetry.logs.std: none`.
    pub writer: Option<LogWriter>,
    /// The writers' end of the local log, when the settings choose one.
    pub(crate) local: Option<Arc<Local>>,
    /// Changes its level.
    pub level: LevelHandle,
    pending: Option<Pending>,
}

impl Log {
    /// Makes the log of this process. Events wait in memory until [`Log::start`].
    ///
    /// # Errors
    /// A log was made already.
    pub(crate) fn install(
        format: Format,
        level: Threshold,
        color: bool,
        local: Option<Arc<Local>>,
    ) -> io::Result<Self> {
        let (mut writer, mut pending) = (None, None);
        let mut layers = Vec::new();
        if format != Format::None {
            let (to, waiting) = LogWriter::prepare();
            let lines = Lines {
                json: format == Format::Json,
                color,
            };
            layers.push(of_lines(lines, to.clone()));
            (writer, pending) = (Some(to), Some(waiting));
        }
        if let Some(local) = &local {
            layers.push(Box::new(LocalLayer(Arc::clone(local))));
        }
        let level = if layers.is_empty() {
            LevelHandle::none()
        } else {
            let (subscriber, level) = build(level, layers);
            tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
            level
        };
        Ok(Self {
            writer,
            local,
            level,
            pending,
        })
    }

    /// Starts writing to standard output; a second call does nothing.
    ///
    /// # Errors
    /// When the operating system refuses another thread.
    pub fn start(&mut self) -> io::Result<()> {
        match self.pending.take() {
            Some(pending) => pending.start(io::stdout()),
            None => Ok(()),
        }
    }

    /// Writes what is queued, at the end of the process.
    pub fn flush(&self) {
        if let Some(writer) = &self.writer {
            writer.flush();
        }
    }
}

/// Formats one event as one line.
#[derive(Clone, Copy, Debug)]
struct Lines {
    json: bool,
    color: bool,
}

/// The level's word in records.
fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "Error",
        Level::WARN => "Warn",
        Level::INFO => "Info",
        _ => "Verbose",
    }
}

/// ANSI colour of a level's word.
fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        let source = source_of(event);
        if self.json {
            fields.json(&mut out, level, source)
        } else {
            fields.text(&mut out, level, source, self.color)
        }
    }
}

/// The last part of the target.
fn source_of<'e>(event: &'e Event<'_>) -> &'e str {
    let target = event.metadata().target();
    target.rsplit("::").next().unwrap_or(target)
}

/// The fields of one event, in order.
#[derive(Default)]
struct Fields {
    event: Option<String>,
    message: String,
    rest: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("event", Value::String(text)) => self.event = Some(text),
            // `log` compatibility adds its own bookkeeping.
            (name, _) if name.starts_with("log.") => {}
            (name, value) => {
                self.rest.insert(name.to_owned(), value);
            }
        }
    }

    fn json(self, out: &mut Writer<'_>, level: Level, source: &str) -> fmt::Result {
        let line = serde_json::to_string(&self.record(level, source)).map_err(|_| fmt::Error)?;
        writeln!(out, "{line}")
    }

    /// The record in the original's order.
    fn record(self, level: Level, source: &str) -> Map<String, Value> {
        let mut record = Map::with_capacity(5 + self.rest.len());
        record.insert("level".to_owned(), word(level).into());
        record.insert("timestamp".to_owned(), Timestamp::now().to_string().into());
        if let Some(event) = self.event {
            record.insert("eventType".to_owned(), event.into());
        }
        record.insert("message".to_owned(), self.message.into());
        record.insert("source".to_owned(), source.into());
        for (name, value) in self.rest {
            record.entry(name).or_insert(value);
        }
        record
    }

    fn text(self, out: &mut Writer<'_>, level: Level, source: &str, color: bool) -> fmt::Result {
        let (on, off) = if color {
            (colour(level), "\x1b[0m")
        } else {
            ("", "")
        };
        write!(out, "[{on}{}{off}] {}", word(level), Timestamp::now())?;
        if let Some(event) = &self.event {
            write!(out, " [{event}]")?;
        }
        write!(out, ", message: {}, source: {source}", clean(&self.message))?;
        for (name, value) in &self.rest {
            match value {
                Value::String(text) => write!(out, ", {name}: {}", clean(text))?,
                other => write!(out, ", {name}: {other}")?,
            }
        }
        writeln!(out)
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::String(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, Value::String(value.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::writer::tests::Shared;

    /// What `events` leave in a log of that shape.
    fn logged(format: Format, level: Threshold, color: bool, events: impl Fn(&LevelHandle)) -> String {
        let sink = Shared::default();
        let writer = LogWriter::start(sink.clone()).unwrap();
        let (subscriber, handle) = subscriber(format, level, color, writer.clone());
        tracing::subscriber::with_default(subscriber, || events(&handle));
        assert!(writer.flush());
        sink.text()
    }

    fn one() {
        tracing::info!(
            target: "gateway_agent::sync",
            event = "ConfigurationUpdated",
            revision = "abc",
            apis = 3,
            "configuration is active"
        );
    }

    #[test]
    fn json_has_the_original_names_in_order() {
        let text = logged(Format::Json, Threshold::Info, true, |_| one());
        let object: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let names: Vec<_> = object.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "level",
                "timestamp",
                "eventType",
                "message",
                "source",
                "revision",
                "apis"
            ]
        );
        assert_eq!(object["level"], "Info");
        assert_eq!(object["source"], "sync");
        assert_eq!(object["apis"], 3);
    }

    #[test]
    fn text_reads_like_the_original() {
        let text = logged(Format::Text, Threshold::Info, false, |_| one());
        assert!(text.starts_with("[Info] 20"), "{text}");
        assert!(
            text.ends_with(
                " [ConfigurationUpdated], message: configuration is active, source: sync, revision: abc, apis: 3\n"
            ),
            "{text}"
        );
        let text = logged(Format::Text, Threshold::Info, true, |_| one());
        assert!(text.starts_with("[\x1b[32mInfo\x1b[0m]"), "{text:?}");
    }

    #[test]
    fn an_event_cannot_forge_a_line() {
        let text = logged(Format::Text, Threshold::Info, false, |_| {
            tracing::warn!(target: "gateway_agent", host = "a\nb\x1b[2J", "no certificate\nforged");
        });
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(!text.contains('\x1b'), "{text:?}");
    }

    /// Which of the probes pass at a level.
    fn check(level: Threshold, expected: &[&str]) {
        let text = logged(Format::Text, level, false, |_| {
            tracing::debug!(target: "gateway_agent", "own-debug");
            tracing::info!(target: "gateway_loader", "own-info");
            tracing::warn!(target: "gateway_agent", "own-warn");
            tracing::error!(target: "gateway_agent", "own-error");
            tracing::error!(target: FATAL, "the-end");
            tracing::debug!(target: "hyper", "lib-debug");
            tracing::warn!(target: "hyper", "lib-warn");
        });
        let seen: Vec<&str> = text
            .lines()
            .map(|l| l.split("message: ").nth(1).unwrap().split(',').next().unwrap())
            .collect();
        assert_eq!(seen, expected, "{level:?}");
    }

    #[test]
    fn levels_show_their_severity_and_above() {
        let all = [
            "own-debug",
            "own-info",
            "own-warn",
            "own-error",
            "the-end",
            "lib-debug",
            "lib-warn",
        ];
        check(Threshold::All, &all);
        check(
            Threshold::Debug,
            &[
                "own-debug",
                "own-info",
                "own-warn",
                "own-error",
                "the-end",
                "lib-warn",
            ],
        );
        check(
            Threshold::Info,
            &["own-info", "own-warn", "own-error", "the-end", "lib-warn"],
        );
        check(Threshold::Warn, &["own-warn", "own-error", "the-end", "lib-warn"]);
        check(Threshold::Error, &["own-error", "the-end"]);
        check(Threshold::Fatal, &["the-end"]);
    }

    #[test]
    fn the_level_changes_while_running() {
        let text = logged(Format::Text, Threshold::Error, false, |handle| {
            one();
            assert!(handle.set(Threshold::Info));
            one();
        });
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn level_names_round_trip() {
        for (name, level) in Threshold::ALL {
            assert_eq!(Threshold::parse(&name.to_uppercase()), Some(level));
            assert_eq!(level.name(), name);
        }
        assert_eq!(Threshold::parse("loud"), None);
    }
}
