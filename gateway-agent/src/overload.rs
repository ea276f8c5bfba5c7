//! Admission: which requests are refused so that the others are served in time.
//!
//! Three kinds of pressure, each with a bound of its own, each answered with 503 and `Retry-After` before anything is routed,
//! authorised or buffered:
//!
//! * **requests**: so many are under way on the worker (`limits.requests`);
//! * **memory**: the process has used up its part of the memory it may have (`limits.memory.percent`);
//! * **delay**: the worker's loop comes round late (`limits.delay`): the CPU has more to do than it can. A share of the requests
//!   is refused that grows while the loop is late and shrinks when it is not.
//!
//! Health paths are answered before this is asked; administration and metrics have threads of their own.

use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How often memory is looked at.
const MEMORY_PAUSE: Duration = Duration::from_millis(500);
/// Per cent of requests refused more after a late round of the loop, and less after one in time: quick to relieve, slow to
/// load again, so that the two do not chase each other.
const MORE: u32 = 10;
const LESS: u32 = 4;
/// Some requests are let through whatever happens, or nothing would show that it is over.
const MOST: u32 = 95;
/// Seconds after which a refused client may try again.
pub(crate) const RETRY_AFTER: &str = "1";

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pressure {
    Requests,
    Memory,
    Delay,
}

impl Pressure {
    /// Label value of the metric.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Requests => "OverloadRequests",
            Self::Memory => "OverloadMemory",
            Self::Delay => "OverloadDelay",
        }
    }
}

/// The admission of one worker.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    under_way: Cell<usize>,
    /// Per cent refused for delay.
    refused: Cell<u32>,
    /// Adds up `refused`; a request is refused at every whole hundred, so shares are exact and nothing is random.
    sum: Cell<u32>,
}

impl Admission {
    /// Judges a request that is among those under way already.
    pub(crate) fn judge(&self, most: usize, memory_is_full: bool) -> Option<Pressure> {
        if self.under_way.get() > most {
            return Some(Pressure::Requests);
        }
        if memory_is_full {
            return Some(Pressure::Memory);
        }
        let sum = self.sum.get() + self.refused.get();
        self.sum.set(sum % 100);
        (sum >= 100).then_some(Pressure::Delay)
    }

    /// A request begins; it is over when [`Admission::leave`] is called.
    pub(crate) fn enter(&self) {
        self.under_way.set(self.under_way.get() + 1);
    }

    pub(crate) fn leave(&self) {
        self.under_way.set(self.under_way.get().saturating_sub(1));
    }

    /// The loop came round `late`; `bearable` is the bound.
    pub(crate) fn came_round(&self, late: Duration, bearable: Duration) {
        let refused = self.refused.get();
        self.refused.set(if late > bearable {
            (refused + MORE).min(MOST)
        } else {
            refused.saturating_sub(LESS)
        });
    }
}

/// Watches the memory of the process for ever.
pub async fn watch_memory(memory_is_full: Arc<MemoryIsFull>, percent: u32) {
    let Some(most) = allowed().map(|bytes| bytes / 100 * u64::from(percent)) else {
        tracing::warn!(
            event = "MemoryUnknown",
            "limits.memory.percent is not kept: the memory of this machine is unknown"
        );
        return;
    };
    tracing::debug!(
        event = "MemoryBound",
        bytes = most,
        "requests are refused beyond this"
    );
    let mut tick = tokio::time::interval(MEMORY_PAUSE);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let full = resident().is_some_and(|bytes| bytes > most);
        if memory_is_full.swap(full, Ordering::Relaxed) != full {
            if full {
                tracing::warn!(
                    event = "MemoryFull",
                    bytes = most,
                    "new requests are refused until memory is free again"
                );
            } else {
                tracing::info!(event = "MemoryFree", "requests are served again");
            }
        }
    }
}

/// Set while the process has used up its part.
pub type MemoryIsFull = AtomicBool;

/// Bytes the process may have: the smallest bound of its cgroup and those above it, or the machine's memory.
fn allowed() -> Option<u64> {
    let machine = value(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:");
    let group = gateway_loader::cgroup::own_directory().and_then(|path| smallest(&path));
    [machine, group].into_iter().flatten().min()
}

fn smallest(directory: &Path) -> Option<u64> {
    let mut found: Option<u64> = None;
    let mut at: Option<PathBuf> = Some(directory.to_owned());
    while let Some(path) = at {
        if let Ok(text) = fs::read_to_string(path.join("memory.max"))
            && let Ok(bytes) = text.trim().parse::<u64>()
        {
            found = Some(found.map_or(bytes, |least| least.min(bytes)));
        }
        at = path.parent().map(Path::to_owned);
    }
    found
}

/// Resident bytes of this process.
fn resident() -> Option<u64> {
    value(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// A figure in KiB of a file in `/proc`, in bytes.
fn value(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEARABLE: Duration = Duration::from_millis(100);

    /// Of a hundred requests, how many are refused.
    fn refused(admission: &Admission) -> usize {
        (0..100).filter(|_| admission.judge(10, false).is_some()).count()
    }

    #[test]
    fn requests_and_memory_have_their_bounds() {
        let admission = Admission::default();
        for _ in 0..3 {
            admission.enter();
        }
        assert_eq!(admission.judge(3, false), None);
        assert_eq!(admission.judge(2, false), Some(Pressure::Requests));
        assert_eq!(admission.judge(3, true), Some(Pressure::Memory));
        admission.leave();
        assert_eq!(admission.judge(2, false), None);
    }

    #[test]
    fn the_refused_share_follows_the_delay() {
        let admission = Admission::default();
        assert_eq!(refused(&admission), 0);
        admission.came_round(BEARABLE, BEARABLE);
        assert_eq!(refused(&admission), 0, "not later than bearable");
        admission.came_round(BEARABLE * 2, BEARABLE);
        assert_eq!(refused(&admission), 10);
        for _ in 0..20 {
            admission.came_round(BEARABLE * 2, BEARABLE);
        }
        assert_eq!(refused(&admission), 95, "some are always let through");
        admission.came_round(Duration::ZERO, BEARABLE);
        assert_eq!(refused(&admission), 91);
        for _ in 0..30 {
            admission.came_round(Duration::ZERO, BEARABLE);
        }
        assert_eq!(refused(&admission), 0);
    }

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        assert_eq!(
            value("VmPeak:\t 10 kB\nVmRSS:\t    2048 kB\n", "VmRSS:"),
            Some(2 << 20)
        );
        assert_eq!(value("VmRSS:\t nonsense\n", "VmRSS:"), None);
        assert!(resident().unwrap() > 1 << 20);
        assert!(allowed().unwrap() > resident().unwrap());
    }

    #[test]
    fn the_tightest_group_counts() {
        let folder = crate::sync::scratch::Scratch::new();
        folder.write("a/b/memory.max", "max\n");
        folder.write("a/memory.max", "1000\n");
        folder.write("memory.max", "2000\n");
        assert_eq!(smallest(&folder.path().join("a/b")), Some(1000));
    }
}
