//! Figures of the process under the names every Prometheus dashboard knows.
//!
//! Read from `/proc/self` at scrape; what cannot be read is left out rather than shown as zero.

use std::fs;

use prometheus::{
    Gauge, IntGauge, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

/// `USER_HZ` of every Linux architecture that Rust supports; `/proc` times are in these ticks.
const TICKS_PER_SECOND: f64 = 100.0;

/// Page size of `/proc/self/statm`. Machines with larger pages (some aarch64) report through `VmRSS` below.
const KIB: i64 = 1024;

/// Names, kinds and help texts.
pub(super) const FAMILIES: [(&str, &str, &str); 5] = [
    (
        "process_cpu_seconds_total",
        "counter",
        "User and system CPU time of the process.",
    ),
    ("process_resident_memory_bytes", "gauge", "Resident memory."),
    ("process_open_fds", "gauge", "Open file descriptors."),
    ("process_threads", "gauge", "Threads of the process."),
    (
        "process_start_time_seconds",
        "gauge",
        "Start of the process, Unix time.",
    ),
];

/// The collector behind the `process_*` metrics.
#[derive(Debug)]
pub(super) struct ProcessCollector {
    cpu: Gauge,
    memory: IntGauge,
    files: IntGauge,
    threads: IntGauge,
    started: Gauge,
}

impl ProcessCollector {
    pub(super) fn new(started_unix_seconds: f64) -> prometheus::Result<Self> {
        let [cpu, memory, files, threads, started] = FAMILIES.map(|(name, _, help)| Opts::new(name, help));
        let started = Gauge::with_opts(started)?;
        started.set(started_unix_seconds);
        Ok(Self {
            cpu: Gauge::with_opts(cpu)?,
            memory: IntGauge::with_opts(memory)?,
            files: IntGauge::with_opts(files)?,
            threads: IntGauge::with_opts(threads)?,
            started,
        })
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        [
            self.cpu.desc(),
            self.memory.desc(),
            self.files.desc(),
            self.threads.desc(),
            self.started.desc(),
        ]
        .concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.started.collect();
        let figures = figures();
        if let Some(seconds) = figures.cpu_seconds {
            self.cpu.set(seconds);
            families.extend(self.cpu.collect().into_iter().map(as_counter));
        }
        for (value, gauge) in [
            (figures.resident_bytes, &self.memory),
            (figures.threads, &self.threads),
            (figures.open_files, &self.files),
        ] {
            if let Some(value) = value {
                gauge.set(value);
                families.extend(gauge.collect());
            }
        }
        families
    }
}

/// What the kernel says about this process now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<i64>,
    pub(super) threads: Option<i64>,
    pub(super) open_files: Option<i64>,
}

pub(super) fn figures() -> Figures {
    let stat = fs::read_to_string("/proc/self/stat").ok();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    Figures {
        cpu_seconds: stat.as_deref().and_then(cpu_seconds),
        resident_bytes: field(&status, "VmRSS:").map(|kib| kib * KIB),
        threads: field(&status, "Threads:"),
        open_files: fs::read_dir("/proc/self/fd").ok().map(|open| open.count() as i64),
    }
}

/// The crate's counters cannot be set, only added to; the CPU time is absolute, so a gauge is relabelled.
fn as_counter(mut family: MetricFamily) -> MetricFamily {
    use prometheus::proto::{Counter, MetricType};
    family.set_field_type(MetricType::COUNTER);
    for metric in family.mut_metric() {
        let mut counter = Counter::default();
        counter.set_value(metric.get_gauge().get_value());
        metric.set_counter(counter);
    }
    family
}

/// Fields 14 and 15 of `/proc/self/stat`, counted after the command's closing parenthesis.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

fn field(status: &str, name: &str) -> Option<i64> {
    status.lines().find_map(|line| {
        line.strip_prefix(name)?
            .split_ascii_whitespace()
            .next()?
            .parse()
            .ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_cpu_time_past_any_command_name() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        for name in ["(agent)", "(a b)", "(x) y)"] {
            assert_eq!(cpu_seconds(&format!("7 {name} {tail}")), Some(2.0), "{name}");
        }
        assert_eq!(cpu_seconds("nonsense"), None);
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
    }

    #[test]
    fn reads_fields() {
        let status = "Name:\tx\nVmRSS:\t  1234 kB\nThreads:\t9\n";
        assert_eq!(field(status, "VmRSS:"), Some(1234));
        assert_eq!(field(status, "Threads:"), Some(9));
        assert_eq!(field(status, "VmSwap:"), None);
    }

    #[test]
    fn this_process_has_all_figures() {
        let families = ProcessCollector::new(1.0).unwrap().collect();
        let names: Vec<_> = families.iter().map(|f| f.name()).collect();
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_open_fds",
        ] {
            assert!(names.contains(&name), "{names:?}");
        }
    }
}
