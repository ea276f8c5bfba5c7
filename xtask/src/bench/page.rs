//! docs/benchmarks.md: the tables, the machine, and the command that makes them.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use super::{Options, figures::Table, peers::Peer};
use crate::shell::{root, say};

/// The target that the aims speak of.
const SCOPED: &str = "agent, key and one policy at each scope";
const TLS_NEW: &str = "TLS, new connection";
const PLAIN_NEW: &str = "plain, new connection";

/// What the project aims at: words of a table's title, target, and the highest ratio to the better peer.
const AIMS: &[(&str, &str, f64)] = &[
    ("plain, keep-alive, 1 KiB: 64 connections", SCOPED, 1.2),
    ("TLS, keep-alive, 1 KiB: 64 connections", SCOPED, 1.1),
];

/// Writes the page.
pub(super) fn write(tables: &[Table], peers: &[Peer], options: &Options) -> Result<()> {
    let path = root().join("docs").join("benchmarks.md");
    std::fs::write(&path, page(tables, peers, options))
        .with_context(|| format!("cannot write {}", path.display()))?;
    say(&format!("wrote {}", path.display()));
    Ok(())
}

fn page(tables: &[Table], peers: &[Peer], options: &Options) -> String {
    let mut text = "# Benchmarks\n\n".to_owned();
    let versions: Vec<String> = peers
        .iter()
        .map(|peer| format!("{} {}", peer.name, peer.version))
        .collect();
    let _ = write!(
        text,
        "Made by `cargo xtask bench --rounds {} --seconds {}`; run it to have your own.\n\n\
         Compared: {}. Machine: {}. One worker of each on core 0; load (wrk, h2load) and upstream (nginx) on core 1, all over \
         loopback in a namespace of its own. Rounds go through all targets in turn. A figure is the median of the rounds; a ratio \
         is taken within a round against the better of nginx and haproxy, and its median is shown. On a shared machine single \
         rounds scatter by a quarter; read the ratios. CPU is the time the kernel accounted to the proxy's threads, divided by \
         good answers. In the runs at a fixed rate the first request of each connection includes its set-up.\n\n",
        options.rounds,
        options.seconds,
        versions.join(", "),
        machine(),
    );
    text.push_str(
        "Single calls have pages of their own: [expressions](benchmarks-expressions.md), [policies](benchmarks-policies.md).\n\n",
    );
    let _ = write!(text, "{}", aims(tables));
    for table in tables {
        text.push_str(&table.markdown());
    }
    text
}

fn aims(tables: &[Table]) -> String {
    let mut text = "## Against the aims\n\n| case | aim | measured |\n|---|---|---|\n".to_owned();
    for (title, target, most) in AIMS {
        let ratio = tables
            .iter()
            .find(|table| table.title.starts_with(title))
            .and_then(|table| table.ratio(target));
        let _ = writeln!(
            text,
            "| {title}, {target} | at most {most:.2} times the better peer | {} |",
            shown(ratio)
        );
    }
    let new = |start: &str, target: &str| {
        let table = tables.iter().find(|table| table.title.starts_with(start))?;
        super::middle(table, target)
    };
    let whole = new(TLS_NEW, SCOPED)
        .zip(new(TLS_NEW, "nginx"))
        .map(|(agent, nginx)| agent / nginx);
    let _ = writeln!(
        text,
        "| full handshake with its connection and one request | at most 0.45 times nginx | {} |",
        shown(whole)
    );
    let alone = |target| Some(new(TLS_NEW, target)? - new(PLAIN_NEW, target)?);
    let alone = alone(SCOPED)
        .zip(alone("nginx"))
        .map(|(agent, nginx)| agent / nginx);
    let _ = writeln!(
        text,
        "| full handshake less a plain new connection | at most 0.45 times nginx | {} |",
        shown(alone)
    );
    let idle = tables
        .iter()
        .find(|table| table.title.starts_with("memory of an idle"));
    let idle = idle.and_then(|table| super::middle(table, SCOPED));
    let _ = writeln!(text, "| idle TLS connection | at most 24 KiB | {} |", shown(idle));
    text + "\nThe reasons stand in [where-the-time-goes.md](where-the-time-goes.md).\n\n## Figures\n\n"
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.2}"))
}

pub(super) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim())
        .to_owned();
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    format!(
        "{count} cores of {model}, Linux {}",
        read("/proc/sys/kernel/osrelease").trim()
    )
}
