//! The metrics of policies (`emit-metric`, the token metrics) on the node's own metrics page, and for OTLP.
//!
//! Names and dimensions come from documents, values of dimensions may come from clients: the number of series is
//! bounded, and what is beyond is counted as dropped.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use prometheus::{
    core::{Collector, Desc},
    proto::{LabelPair, Metric, MetricFamily, MetricType, Summary},
};

use super::metrics::Counters;

/// Series of all metrics of policies together: at 300 bytes each they are below a MiB, and a scrape stays small.
const SERIES_MAX: usize = 2_000;
/// Shards: workers that differ seldom meet at one lock.
const SHARDS: usize = 16;
/// What every family's name begins with.
const PREFIX: &str = "gateway_custom_";
/// Longest value of a label, bytes.
const VALUE_MAX: usize = 256;

/// Dimensions by name.
pub(super) type Pairs = Vec<(Arc<str>, String)>;

/// Names a series.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) dimensions: Pairs,
}

/// What came together since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) sum: f64,
    pub(super) count: u64,
}

/// All series.
#[derive(Debug)]
pub(crate) struct Custom {
    shards: [Mutex<HashMap<Key, Totals>>; SHARDS],
    series: AtomicUsize,
    counters: Counters,
}

impl Custom {
    pub(crate) fn new(counters: Counters) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            series: AtomicUsize::new(0),
            counters,
        }
    }

    /// Adds a value that a policy emitted on `worker`.
    pub(crate) fn add(
        &self,
        worker: usize,
        namespace: Arc<str>,
        name: Arc<str>,
        value: f64,
        mut dimensions: Pairs,
    ) {
        if !value.is_finite() {
            self.counters.refused.inc();
            return;
        }
        for (_, value) in &mut dimensions {
            let mut end = VALUE_MAX.min(value.len());
            while !value.is_char_boundary(end) {
                end -= 1;
            }
            value.truncate(end);
        }
        let key = Key {
            namespace,
            name,
            dimensions,
        };
        let Some(shard) = self.shards.get(worker % SHARDS) else {
            return;
        };
        let mut series = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = match series.get_mut(&key) {
            Some(totals) => totals,
            None if self.series.fetch_add(1, Ordering::Relaxed) >= SERIES_MAX => {
                self.series.fetch_sub(1, Ordering::Relaxed);
                self.counters.limit.inc();
                return;
            }
            None => series.entry(key).or_default(),
        };
        totals.sum += value;
        totals.count += 1;
        self.counters.sent.inc();
    }

    /// All series, the shards added up.
    pub(super) fn totals(&self) -> HashMap<Key, Totals> {
        let mut all: HashMap<Key, Totals> = HashMap::new();
        for shard in &self.shards {
            for (key, totals) in shard.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                let mine = all.entry(key.clone()).or_default();
                mine.sum += totals.sum;
                mine.count += totals.count;
            }
        }
        all
    }
}

/// Lower case, digits and underscores: what every consumer of the text format takes.
fn snake(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'A'..='Z' => out.push(c.to_ascii_lowercase()),
            'a'..='z' | '0'..='9' => out.push(c),
            _ if out.ends_with('_') || out.is_empty() => {}
            _ => out.push('_'),
        }
    }
    let end = out.trim_end_matches('_').len();
    out.truncate(end);
    if out.is_empty() { "unnamed".to_owned() } else { out }
}

/// Labels of a series, with names that differ.
fn labels(key: &Key) -> Vec<(String, String)> {
    let mut out = vec![("namespace".to_owned(), key.namespace.to_string())];
    for (name, value) in &key.dimensions {
        let mut label = snake(name);
        if label.starts_with(|c: char| c.is_ascii_digit()) {
            label.insert(0, '_');
        }
        while out.iter().any(|(known, _)| *known == label) {
            label.push('_');
        }
        out.push((label, value.clone()));
    }
    out
}

/// Shows all series as summaries: sum and count of the values.
#[derive(Clone, Debug)]
pub(crate) struct CustomCollector(pub(crate) Arc<Custom>);

impl Collector for CustomCollector {
    fn desc(&self) -> Vec<&Desc> {
        // Which families there are is known at a scrape only.
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Names that become equal are one family, labels that become equal one series.
        let mut families: BTreeMap<String, BTreeMap<Vec<(String, String)>, Totals>> = BTreeMap::new();
        for (key, totals) in self.0.totals() {
            let family = families
                .entry(format!("{PREFIX}{}", snake(&key.name)))
                .or_default();
            let mine = family.entry(labels(&key)).or_default();
            mine.sum += totals.sum;
            mine.count += totals.count;
        }
        families.into_iter().map(family).collect()
    }
}

fn family((name, series): (String, BTreeMap<Vec<(String, String)>, Totals>)) -> MetricFamily {
    let mut out = MetricFamily::default();
    out.set_name(name);
    out.set_help("Values emitted by policies.".to_owned());
    out.set_field_type(MetricType::SUMMARY);
    let metrics = series.into_iter().map(|(labels, totals)| {
        let mut metric = Metric::default();
        let labels = labels.into_iter().map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name(name);
            pair.set_value(value);
            pair
        });
        metric.set_label(labels.collect());
        let mut summary = Summary::default();
        summary.set_sample_sum(totals.sum);
        summary.set_sample_count(totals.count);
        metric.set_summary(summary);
        metric
    });
    out.set_metric(metrics.collect());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Metrics, export::SinkName};

    fn add(metrics: &Metrics, name: &str, value: f64, dimensions: &[(&str, &str)]) {
        let dimensions = dimensions.iter().map(|(n, v)| (Arc::from(*n), (*v).to_owned()));
        metrics
            .custom
            .add(3, "shop".into(), name.into(), value, dimensions.collect());
    }

    #[test]
    fn values_are_shown_as_sum_and_count() {
        let metrics = Metrics::new().unwrap();
        add(&metrics, "Total Tokens", 2.5, &[("API ID", "echo")]);
        metrics.custom.add(
            4,
            "shop".into(),
            "Total Tokens".into(),
            1.0,
            vec![("API ID".into(), "echo".into())],
        );
        add(
            &metrics,
            "orders",
            1.0,
            &[("a b", "1"), ("a-b", "2"), ("9", "\"")],
        );
        let text = metrics.render().unwrap();
        for line in [
            "gateway_custom_total_tokens_sum{namespace=\"shop\",api_id=\"echo\"} 3.5",
            "gateway_custom_total_tokens_count{namespace=\"shop\",api_id=\"echo\"} 2",
            "gateway_custom_orders_count{namespace=\"shop\",a_b=\"1\",a_b_=\"2\",_9=\"\\\"\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "no line {line}\n{text}");
        }
    }

    #[test]
    fn names_become_plain() {
        for (given, expected) in [
            ("Total Tokens", "total_tokens"),
            ("a--b", "a_b"),
            ("_x_", "x"),
            ("é", "unnamed"),
            ("9a", "9a"),
        ] {
            assert_eq!(snake(given), expected);
        }
    }

    #[test]
    fn series_are_bounded() {
        let metrics = Metrics::new().unwrap();
        for n in 0..SERIES_MAX + 7 {
            add(&metrics, "m", 1.0, &[("d", &n.to_string())]);
        }
        add(&metrics, "m", 1.0, &[("d", "0")]);
        add(&metrics, "m", f64::NAN, &[("d", "0")]);
        assert_eq!(metrics.custom.totals().len(), SERIES_MAX);
        let counters = metrics.export.of(SinkName::Prometheus);
        assert_eq!((counters.limit.get(), counters.refused.get()), (7, 1));
        assert_eq!(counters.sent.get(), SERIES_MAX as u64 + 1);
    }
}
