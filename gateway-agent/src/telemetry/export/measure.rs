//! Requests as the original's metrics count them: the dimensions of `Requests`, and four durations.
//!
//! Sources: `gateway-behaviour.md` §12. Host names come from clients, so only so many are told apart.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;

use crate::telemetry::record::Cache;

use super::{metrics::Counters, queue::Weigh};

/// Combinations of dimensions kept apart; a node with ten host names and every status uses some hundreds.
const SERIES_MAX: usize = 2_000;
/// Host names with histograms of their own.
const HOSTS_MAX: usize = 100;
/// What is beyond the bounds.
const OTHER: &str = "_other";
/// The word for what is absent.
const NONE: &str = "None";
/// Shards of the aggregate: workers that differ seldom meet at one lock.
const SHARDS: usize = 16;

/// The node's own dimensions, known once there is a configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// `GatewayId`
    pub(super) gateway: Arc<str>,
    /// `Location`
    pub(super) location: Arc<str>,
}

/// The place of the configuration in force.
pub(super) type SharedPlace = Arc<ArcSwap<Place>>;

/// One finished request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Dimensions {
    pub(crate) hostname: Arc<str>,
    pub(crate) code: u16,
    pub(crate) backend_code: Option<u16>,
    pub(crate) cache: Cache,
    pub(crate) reason: Option<Arc<str>>,
}

/// One finished request with its times.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) dimensions: Dimensions,
    pub(crate) total: Duration,
    pub(crate) backend: Option<Duration>,
    pub(crate) client: Duration,
}

impl Weigh for Measured {
    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

impl Measured {
    /// What is neither the backend's nor the client's.
    pub(crate) fn gateway(&self) -> Duration {
        self.total
            .saturating_sub(self.backend.unwrap_or_default())
            .saturating_sub(self.client)
    }
}

/// `Status` of the original's metrics, by the rule of its old log schema.
fn status(code: u16) -> &'static str {
    match code {
        ..=301 | 304 | 307 => "Successful",
        401 | 403 | 429 => "Unauthorized",
        400 | 500..=600 => "Erroneous",
        _ => "Other",
    }
}

fn category(code: Option<u16>) -> &'static str {
    match code.map(|code| code / 100) {
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(5) => "5xx",
        _ => NONE,
    }
}

impl Dimensions {
    /// Names and values, those of the node apart.
    pub(super) fn pairs(&self) -> [(&'static str, String); 8] {
        let code = |code: Option<u16>| code.map_or_else(|| NONE.to_owned(), |code| code.to_string());
        [
            ("BackendResponseCode", code(self.backend_code)),
            (
                "BackendResponseCodeCategory",
                category(self.backend_code).to_owned(),
            ),
            ("Cache", self.cache.title().to_owned()),
            ("Hostname", self.hostname.to_string()),
            (
                "LastErrorReason",
                self.reason.as_deref().unwrap_or(NONE).to_owned(),
            ),
            ("ResponseCode", code(Some(self.code))),
            ("ResponseCodeCategory", category(Some(self.code)).to_owned()),
            ("Status", status(self.code).to_owned()),
        ]
    }

    fn elsewhere(&self) -> Self {
        Self {
            hostname: OTHER.into(),
            ..self.clone()
        }
    }
}

/// The four durations, in the order of [`Histograms`].
pub(super) const DURATIONS: [(&str, &str); 4] = [
    (
        "DurationInMs",
        "From the first byte of the request to the last of the response.",
    ),
    ("BackendDurationInMs", "All backend I/O: connect, send, receive."),
    (
        "ClientDurationInMs",
        "Waiting for the client's request body, and sending what no backend streams.",
    ),
    ("GatewayDurationInMs", "The rest: time in the gateway itself."),
];

/// Counts by bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    pub(super) buckets: Vec<u64>,
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Histogram {
    fn observe(&mut self, ms: f64, bounds: &[f64]) {
        self.buckets.resize(bounds.len() + 1, 0);
        // A bound belongs to the bucket that it closes.
        let at = bounds.partition_point(|bound| *bound < ms);
        if let Some(bucket) = self.buckets.get_mut(at) {
            *bucket += 1;
        }
        self.min = if self.count == 0 { ms } else { self.min.min(ms) };
        self.max = if self.count == 0 { ms } else { self.max.max(ms) };
        self.count += 1;
        self.sum += ms;
    }

    fn merge(&mut self, other: &Histogram) {
        if other.count == 0 {
            return;
        }
        self.min = if self.count == 0 {
            other.min
        } else {
            self.min.min(other.min)
        };
        self.max = if self.count == 0 {
            other.max
        } else {
            self.max.max(other.max)
        };
        self.buckets
            .resize(self.buckets.len().max(other.buckets.len()), 0);
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum += other.sum;
    }
}

pub(super) type Histograms = [Histogram; DURATIONS.len()];

/// Everything since the start.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    pub(super) requests: HashMap<Dimensions, u64>,
    pub(super) durations: HashMap<Arc<str>, Histograms>,
}

impl Totals {
    fn add(&mut self, measured: &Measured, bounds: &[f64]) -> bool {
        let mut dimensions = &measured.dimensions;
        let elsewhere;
        let fits = self.requests.len() < SERIES_MAX || self.requests.contains_key(dimensions);
        if !fits {
            elsewhere = dimensions.elsewhere();
            dimensions = &elsewhere;
        }
        match self.requests.get_mut(dimensions) {
            Some(count) => *count += 1,
            // Without the host there are few combinations, so the bound is exceeded by little.
            None => {
                self.requests.insert(dimensions.clone(), 1);
            }
        }
        let known = self.durations.contains_key(&measured.dimensions.hostname);
        let host = if known || self.durations.len() < HOSTS_MAX {
            Arc::clone(&measured.dimensions.hostname)
        } else {
            OTHER.into()
        };
        let histograms = self.durations.entry(host).or_default();
        let times = [
            Some(measured.total),
            measured.backend,
            Some(measured.client),
            Some(measured.gateway()),
        ];
        for (histogram, time) in histograms.iter_mut().zip(times) {
            if let Some(time) = time {
                histogram.observe(time.as_secs_f64() * 1e3, bounds);
            }
        }
        fits
    }

    fn merge(&mut self, other: &Totals) {
        for (dimensions, count) in &other.requests {
            *self.requests.entry(dimensions.clone()).or_default() += count;
        }
        for (host, histograms) in &other.durations {
            let mine = self.durations.entry(Arc::clone(host)).or_default();
            for (mine, theirs) in mine.iter_mut().zip(histograms) {
                mine.merge(theirs);
            }
        }
    }
}

/// The aggregate of all workers.
#[derive(Debug)]
pub(super) struct Aggregate {
    shards: [Mutex<Totals>; SHARDS],
    /// Bounds of the buckets, milliseconds.
    pub(super) bounds: Vec<f64>,
    counters: Counters,
}

impl Aggregate {
    pub(super) fn new(bounds: Vec<f64>, counters: Counters) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            bounds,
            counters,
        }
    }

    /// Adds a request that `worker` served.
    pub(super) fn add(&self, worker: usize, measured: &Measured) {
        let Some(shard) = self.shards.get(worker % SHARDS) else {
            return;
        };
        let mut totals = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if !totals.add(measured, &self.bounds) {
            self.counters.limit.inc();
        }
    }

    pub(super) fn totals(&self) -> Totals {
        let mut all = Totals::default();
        for shard in &self.shards {
            all.merge(&shard.lock().unwrap_or_else(PoisonError::into_inner));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Metrics, export::SinkName};

    fn measured(host: &str, code: u16, total_ms: u64) -> Measured {
        Measured {
            dimensions: Dimensions {
                hostname: host.into(),
                code,
                backend_code: Some(code),
                cache: Cache::None,
                reason: None,
            },
            total: Duration::from_millis(total_ms),
            backend: Some(Duration::from_millis(total_ms / 2)),
            client: Duration::ZERO,
        }
    }

    #[test]
    fn statuses_and_categories_follow_the_old_schema() {
        for (code, expected) in [
            (200, "Successful"),
            (301, "Successful"),
            (302, "Other"),
            (304, "Successful"),
            (307, "Successful"),
            (400, "Erroneous"),
            (401, "Unauthorized"),
            (404, "Other"),
            (429, "Unauthorized"),
            (502, "Erroneous"),
        ] {
            assert_eq!(status(code), expected, "{code}");
        }
        for (code, expected) in [(Some(204), "2xx"), (None, "None"), (Some(999), "None")] {
            assert_eq!(category(code), expected);
        }
    }

    #[test]
    fn buckets_close_with_their_bound() {
        let mut histogram = Histogram::default();
        for ms in [0.5, 5.0, 5.1, 100.0] {
            histogram.observe(ms, &[5.0, 10.0]);
        }
        assert_eq!(histogram.buckets, [2, 1, 1]);
        assert_eq!((histogram.count, histogram.min, histogram.max), (4, 0.5, 100.0));
    }

    fn aggregate() -> (Aggregate, Counters) {
        let counters = Metrics::new().unwrap().export.of(SinkName::Otlp);
        (Aggregate::new(vec![5.0, 10.0], counters.clone()), counters)
    }

    #[test]
    fn workers_add_up() {
        let (aggregate, _) = aggregate();
        for worker in [0, 1, SHARDS + 1] {
            aggregate.add(worker, &measured("a", 200, 8));
        }
        aggregate.add(0, &measured("a", 500, 8));
        let totals = aggregate.totals();
        assert_eq!(totals.requests.len(), 2);
        assert_eq!(totals.requests[&measured("a", 200, 1).dimensions], 3);
        let [total, backend, ..] = &totals.durations["a"];
        assert_eq!((total.count, total.buckets.as_slice()), (4, &[0, 4, 0][..]));
        assert_eq!((backend.count, backend.buckets.as_slice()), (4, &[4, 0, 0][..]));
    }

    #[test]
    fn hosts_that_clients_invent_are_bounded() {
        let (aggregate, counters) = aggregate();
        for n in 0..SERIES_MAX + 10 {
            aggregate.add(0, &measured(&format!("h{n}"), 200, 1));
        }
        let totals = aggregate.totals();
        assert_eq!(totals.requests.len(), SERIES_MAX + 1);
        assert_eq!(totals.requests[&measured(OTHER, 200, 1).dimensions], 10);
        assert_eq!(totals.durations.len(), HOSTS_MAX + 1);
        assert_eq!(counters.limit.get(), 10);
    }
}
