//! The bench harness: least time, allocations and instructions of one call of each case.
//!
//! Time on a shared machine has noise in one direction only, so the least of many batches is the figure and the
//! median shows how busy the machine was. Instructions are counted by valgrind in runs of their own, as the difference
//! between a long and a short run divided by the calls between them: start-up cancels out and the figure repeats to
//! a fraction of a percent. Allocations are counted by the allocator of the process.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

/// Batches a case is measured in; the cases take turns, so that a busy moment falls on all alike.
const BATCHES: usize = 60;
/// Wall time of one batch.
const BATCH: Duration = Duration::from_millis(2);
/// Instructions that the long of the two counted runs may take, about: valgrind runs fifty times slower.
const COUNTED: f64 = 20e6;
/// Calls before anything is measured: caches fill, lazy tables are built.
const WARM_UP: usize = 20;

/// One thing to measure.
pub struct Case<'a> {
    /// Title, unique in its bench.
    pub name: String,
    /// What the project aims at, in nanoseconds.
    pub aim: Option<f64>,
    /// One call.
    pub run: Box<dyn FnMut() + 'a>,
}

impl<'a> Case<'a> {
    /// A case without an aim.
    pub fn new(name: impl Into<String>, run: impl FnMut() + 'a) -> Self {
        Case {
            name: name.into(),
            aim: None,
            run: Box::new(run),
        }
    }

    /// The most nanoseconds one call should take.
    pub fn at_most(mut self, nanoseconds: f64) -> Self {
        self.aim = Some(nanoseconds);
        self
    }
}

/// Runs a bench: prints one JSON object a case.
///
/// Arguments: `--instructions` counts instructions too, `--only TEXT` picks cases by their title, and
/// `--calls N NAME` only calls one case N times, which is what runs under valgrind.
///
/// # Errors
/// Arguments that make no sense, or valgrind failing.
pub fn main(mut cases: Vec<Case<'_>>) -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |flag: &str| arguments.iter().position(|a| a == flag).map(|at| at + 1);
    if let Some(at) = after("--calls") {
        let calls = arguments.get(at).context("--calls wants a number")?.parse()?;
        let name = arguments.get(at + 1).context("--calls wants a case")?;
        return call(&mut cases, name, calls);
    }
    if let Some(only) = after("--only").and_then(|at| arguments.get(at)) {
        cases.retain(|case| case.name.contains(only.as_str()));
    }
    let instructions = arguments.iter().any(|a| a == "--instructions");
    let times = times(&mut cases);
    for (case, times) in cases.iter_mut().zip(times) {
        let least = times.first().copied().unwrap_or_default();
        let allocated = allocation_counter::measure(|| (case.run)());
        let counted = match instructions {
            true => Some(count(&case.name, least)?),
            false => None,
        };
        let row = json!({
            "name": case.name,
            "aim": case.aim,
            "least_ns": least,
            "median_ns": times.get(times.len() / 2),
            "allocations": allocated.count_total,
            "bytes": allocated.bytes_total,
            "instructions": counted,
        });
        writeln!(std::io::stdout(), "{row}")?;
    }
    Ok(())
}

fn call(cases: &mut [Case<'_>], name: &str, calls: usize) -> Result<()> {
    let Some(case) = cases.iter_mut().find(|case| case.name == name) else {
        bail!("there is no case {name:?}");
    };
    for _ in 0..WARM_UP + calls {
        (case.run)();
    }
    Ok(())
}

/// Nanoseconds of one call in each batch, sorted, a list a case.
fn times(cases: &mut [Case<'_>]) -> Vec<Vec<f64>> {
    let calls: Vec<usize> = cases.iter_mut().map(|case| batch_size(&mut case.run)).collect();
    let mut all = vec![Vec::with_capacity(BATCHES); cases.len()];
    for _ in 0..BATCHES {
        for ((case, calls), times) in cases.iter_mut().zip(&calls).zip(&mut all) {
            let start = Instant::now();
            for _ in 0..*calls {
                (case.run)();
            }
            times.push(start.elapsed().as_nanos() as f64 / *calls as f64);
        }
    }
    for times in &mut all {
        times.sort_by(f64::total_cmp);
    }
    all
}

/// How many calls fill a batch.
fn batch_size(run: &mut dyn FnMut()) -> usize {
    let mut calls = WARM_UP;
    loop {
        let start = Instant::now();
        for _ in 0..calls {
            run();
        }
        let took = start.elapsed();
        if took >= BATCH || calls > 1 << 24 {
            let fill = calls as f64 * BATCH.as_secs_f64() / took.as_secs_f64();
            return (fill as usize).max(1);
        }
        calls *= 2;
    }
}

/// Instructions of one call.
fn count(name: &str, nanoseconds: f64) -> Result<f64> {
    // About two instructions a nanosecond.
    let calls = (COUNTED / (nanoseconds.max(1.0) * 2.0)).clamp(1.0, 10_000.0) as u64;
    let short = instructions(name, calls / 10)?;
    let long = instructions(name, calls / 10 + calls)?;
    Ok((long.saturating_sub(short)) as f64 / calls as f64)
}

/// Instructions of a whole run of this program with that many calls.
fn instructions(name: &str, calls: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--calls", &calls.to_string(), name])
        .stdin(Stdio::null())
        .output()
        .context("cannot run valgrind, which counts instructions")?;
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = report
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, number)| number.trim().parse().ok());
    match collected {
        Some(count) if output.status.success() => Ok(count),
        _ => bail!("valgrind did not count {name}: {report}"),
    }
}
