//! What a process has cost so far, from the kernel's own accounting.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

/// CPU time of a process with all its threads: the first number of `/proc/PID/task/*/schedstat`, nanoseconds.
///
/// Unlike the clock ticks of `/proc/PID/stat`, this is exact to the context switch.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let folder = format!("/proc/{pid}/task");
    let mut total = 0;
    for task in fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))? {
        let path = task?.path().join("schedstat");
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        total += first_number(&text).with_context(|| format!("{} is not understood", path.display()))?;
    }
    Ok(Duration::from_nanos(total))
}

/// Proportional memory of a process in KiB: `Pss` of `smaps_rollup`, which shares out pages that forks share.
pub(crate) fn memory_kib(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .context("no Pss line")?;
    first_number(line.trim()).context("Pss is no number")
}

/// Processes whose parent is `pid`.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_costs_time() {
        let me = std::process::id();
        let before = cpu(me).unwrap();
        let mut sum = 0_u64;
        while cpu(me).unwrap() - before < Duration::from_millis(20) {
            sum = sum.wrapping_add((0..10_000_u64).map(std::hint::black_box).sum::<u64>());
        }
        assert!(sum > 0);
    }

    #[test]
    fn memory_is_counted() {
        assert!(memory_kib(std::process::id()).unwrap() > 100);
    }
}
