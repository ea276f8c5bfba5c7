//! Load with wrk and h2load: bounded runs on loopback, and what they say of themselves.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use gateway_tests::{
    lab::Host,
    process::{Process, run},
    wait,
};

use super::LOAD_CPU;

/// How the requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Travel {
    /// HTTP/1.1, connections kept.
    KeepAlive,
    /// HTTP/1.1, a connection for every request.
    NewConnections,
    /// HTTP/2, streams on few connections.
    Http2,
}

/// One run of load.
#[derive(Clone, Debug)]
pub(super) struct Load<'a> {
    pub(super) travel: Travel,
    pub(super) url: &'a str,
    pub(super) header: Option<&'a str>,
    pub(super) connections: u32,
    /// Streams at once on each connection; 1 for HTTP/1.1.
    pub(super) streams: u32,
    pub(super) seconds: u32,
}

/// Drives at saturation; gives the number of good answers. Any bad answer is an error: a fast error page is no speed.
pub(super) fn saturate(host: &Host, load: &Load<'_>) -> Result<u64> {
    match load.travel {
        Travel::Http2 => h2load(host, load, &[]),
        Travel::KeepAlive | Travel::NewConnections => wrk(host, load),
    }
}

/// Drives at a fixed rate over keep-alive HTTP/1.1; gives every request's time in microseconds, sorted.
pub(super) fn at_rate(host: &Host, load: &Load<'_>, rate: u32, log: &Path) -> Result<Vec<u64>> {
    let _ = std::fs::remove_file(log);
    let per_client = format!("--rps={}", f64::from(rate) / f64::from(load.connections));
    let file = format!("--log-file={}", log.display());
    h2load(host, load, &["--h1", &per_client, &file])?;
    let text = std::fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
    let mut times = times(&text)?;
    times.sort_unstable();
    Ok(times)
}

/// Opens TLS connections at a steady pace, asks once on each and keeps them; calls `meanwhile` when all are open.
pub(super) fn idle<T>(
    host: &Host,
    load: &Load<'_>,
    port: u16,
    meanwhile: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let mut command = pinned(host, "h2load");
    // A hundred new connections a second, one request on each, the next one only after a hundred seconds.
    command.args(["--h1", "-t1", "--rate=100", "--rate-period=1s", "--rps=0.01"]);
    command
        .arg(format!("-c{}", load.connections))
        .arg(format!("-n{}", load.connections * 10));
    command.args(header(load)).arg(load.url);
    let process = Process::spawn("h2load", command, Path::new("/dev/null"))?;
    let deadline = Duration::from_secs(u64::from(load.connections) / 100 * 3 + 10);
    wait::until("all idle connections", deadline, || {
        let listed =
            run(host
                .command("ss")
                .args(["-Htn", "state", "established", &format!("sport = :{port}")]))
            .ok()?;
        (listed.lines().count() as u32 >= load.connections).then_some(())
    })?;
    // The last request is under way for a moment longer.
    wait::pause(Duration::from_secs(1));
    let measured = meanwhile();
    process.signal(nix::sys::signal::Signal::SIGKILL)?;
    measured
}

fn wrk(host: &Host, load: &Load<'_>) -> Result<u64> {
    let mut command = pinned(host, "wrk");
    command
        .arg("-t1")
        .arg(format!("-c{}", load.connections))
        .arg(format!("-d{}s", load.seconds));
    if load.travel == Travel::NewConnections {
        command.args(["-H", "Connection: close"]);
    }
    command.args(header(load)).arg(load.url);
    parse_wrk(&run(&mut command)?)
}

fn h2load(host: &Host, load: &Load<'_>, more: &[&str]) -> Result<u64> {
    let mut command = pinned(host, "h2load");
    command
        .arg("-t1")
        .arg(format!("-c{}", load.connections))
        .arg(format!("-m{}", load.streams))
        .arg(format!("--duration={}", load.seconds))
        .args(more)
        .args(header(load))
        .arg(load.url);
    parse_h2load(&run(&mut command)?)
}

fn pinned(host: &Host, program: &str) -> Command {
    let mut command = host.command("taskset");
    command.args(["-c", LOAD_CPU, program]);
    command
}

fn header<'a>(load: &Load<'a>) -> Vec<&'a str> {
    load.header.map(|header| vec!["-H", header]).unwrap_or_default()
}

fn parse_wrk(output: &str) -> Result<u64> {
    for word in ["Non-2xx", "Socket errors"] {
        if let Some(line) = output.lines().find(|line| line.contains(word)) {
            // Connections cut by the end of the run are counted as read errors by wrk and are none.
            ensure!(
                word == "Socket errors" && line.contains("connect 0") && line.contains("timeout 0"),
                "wrk: {}",
                line.trim()
            );
        }
    }
    let line = output
        .lines()
        .find(|line| line.contains(" requests in "))
        .context("wrk gave no count")?;
    let count = line.split_whitespace().next().and_then(|word| word.parse().ok());
    count.with_context(|| format!("wrk: {line}"))
}

fn parse_h2load(output: &str) -> Result<u64> {
    let line = output
        .lines()
        .find(|line| line.starts_with("requests:"))
        .context("h2load gave no count")?;
    let number = |label: &str| -> Option<u64> {
        line.split([',', ':'])
            .find_map(|part| part.trim().strip_suffix(label)?.trim().parse().ok())
    };
    let succeeded = number("succeeded").with_context(|| format!("h2load: {line}"))?;
    let codes = output
        .lines()
        .find(|line| line.starts_with("status codes:"))
        .unwrap_or_default();
    ensure!(
        codes.contains(" 0 4xx") && codes.contains(" 0 5xx"),
        "h2load: {codes}"
    );
    ensure!(succeeded > 0, "h2load: {line}");
    Ok(succeeded)
}

// Lines of h2load's log: start time in microseconds, status, duration in microseconds.
fn times(log: &str) -> Result<Vec<u64>> {
    log.lines()
        .map(|line| {
            let mut fields = line.split('\t');
            let status = fields.nth(1).unwrap_or_default();
            ensure!(status == "200", "a request ended with status {status}");
            fields
                .next()
                .and_then(|time| time.trim().parse().ok())
                .with_context(|| format!("h2load log: {line}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrk_counts_are_read() {
        let good = "  2 threads and 10 connections\n  30251 requests in 1.10s, 24.66MB read\nRequests/sec:  27492.12\n";
        assert_eq!(parse_wrk(good).unwrap(), 30251);
        assert!(parse_wrk(&format!("{good}  Non-2xx or 3xx responses: 12\n")).is_err());
        assert!(
            parse_wrk(&format!(
                "{good}  Socket errors: connect 3, read 0, write 0, timeout 0\n"
            ))
            .is_err()
        );
        assert!(
            parse_wrk(&format!(
                "{good}  Socket errors: connect 0, read 9, write 0, timeout 0\n"
            ))
            .is_ok()
        );
    }

    #[test]
    fn h2load_counts_are_read() {
        let good = "requests: 100 total, 100 started, 100 done, 98 succeeded, 2 failed, 2 errored, 0 timeout\n\
                    status codes: 98 2xx, 0 3xx, 0 4xx, 0 5xx\n";
        assert_eq!(parse_h2load(good).unwrap(), 98);
        assert!(parse_h2load(&good.replace("0 5xx", "7 5xx")).is_err());
    }

    #[test]
    fn log_lines_are_times() {
        assert_eq!(
            times("1700000000000000\t200\t153\n1700000000000100\t200\t98\n").unwrap(),
            [153, 98]
        );
        assert!(times("1700000000000000\t503\t153\n").is_err());
    }
}
