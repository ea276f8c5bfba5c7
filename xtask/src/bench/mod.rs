//! `cargo xtask bench`: the agent against nginx and haproxy, interleaved in one run on the same upstream and client.
//!
//! One worker of each proxy is pinned to one core, load and upstream to the other. Rounds go through all targets in
//! turn, so that what else the machine does falls on all alike; figures are medians of rounds and ratios are taken
//! within a round. CPU is what the kernel accounted to the proxy's threads divided by good answers.

mod agent;
mod calls;
mod cost;
mod figures;
mod load;
mod page;
mod peers;
mod sync;

use anyhow::{Context as _, Result};
use clap::Args;
use figures::{Table, median, quantile};
use gateway_tests::{
    certs::Authority,
    lab::{Host, Lab, Mode},
    upstream::Upstream,
};
use load::{Load, Travel};
use peers::{Ground, Peer};

use crate::{packages, shell::complain};

/// The core of the proxies' only worker.
const PROXY_CPU: &str = "0";
/// The core of load and upstream.
const LOAD_CPU: &str = "1";
/// Idle TLS connections held while memory is read.
const IDLE_CONNECTIONS: u32 = 1000;
/// Rounds of the memory figure: each starts every proxy anew.
const IDLE_ROUNDS: u32 = 3;

/// How a proxy is started.
type Start = fn(&Ground<'_>) -> Result<Peer>;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// The whole agent against nginx and haproxy: docs/benchmarks.md.
    Node,
    /// Compiling and evaluating expressions: docs/benchmarks-expressions.md.
    Expressions,
    /// Policies, token checks, compiling documents: docs/benchmarks-policies.md.
    Policies,
    /// Configuration of ten thousand APIs through folder, hub and backup: docs/benchmarks-sync.md.
    Sync,
}

/// Options of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Options {
    /// What to measure.
    #[arg(value_enum, default_value_t = Subject::Node)]
    subject: Subject,
    /// Rounds through all targets; the figures are medians of them.
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Seconds of load for each target in each round.
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Only the cases whose title contains this; the page under docs/ is then not written.
    #[arg(long)]
    only: Option<String>,
    /// Without the agent: the peers alone.
    #[arg(long)]
    peers_only: bool,
}

/// Measures and writes the page.
pub(crate) fn run(options: &Options) -> Result<bool> {
    match options.subject {
        Subject::Node => node(options),
        Subject::Expressions => calls::run(calls::EXPRESSIONS, options),
        Subject::Policies => calls::run(calls::POLICIES, options),
        Subject::Sync => sync::run(),
    }
}

fn node(options: &Options) -> Result<bool> {
    crate::signals::clean_up_on_signals()?;
    for parts in [packages::LAB, packages::BENCH] {
        packages::ensure(parts)?;
    }
    let lab = Lab::new(Mode::Namespaces).context("the benchmark wants a namespace of its own, so root")?;
    // Everything on the node's loopback: the wire costs the same for all and is not the subject.
    let host = lab.node.loopback();
    let upstream = Upstream::start_on(&lab, &host, &["bench"], &["taskset", "-c", LOAD_CPU])?;
    let authority = Authority::new(&lab.folder().join("certs"))?;
    let leaf = authority.leaf("bench", &["bench.example", "127.0.0.1"])?;
    let ground = Ground {
        lab: &lab,
        host: &host,
        upstream: upstream.role("bench")?,
        leaf: &leaf,
    };
    let mut starts: Vec<Start> = vec![Peer::nginx, Peer::haproxy];
    if !options.peers_only {
        starts.push(agent::start);
    }
    let wanted = |title: &str| {
        options
            .only
            .as_ref()
            .is_none_or(|only| title.contains(only.as_str()))
    };
    let mut tables = Vec::new();
    if wanted("idle") {
        tables.push(idle(&ground, &starts)?);
    }
    let peers = starts
        .iter()
        .map(|start| start(&ground))
        .collect::<Result<Vec<_>>>()?;
    let bench = Bench {
        host: &host,
        peers: &peers,
        options,
        log: lab.folder().join("times.log"),
    };
    for case in CASES.iter().filter(|case| wanted(case.title)) {
        tables.extend(bench.case(case)?);
    }
    for table in &tables {
        complain(&table.markdown());
    }
    if options.only.is_none() && !options.peers_only {
        page::write(&tables, &peers, options)?;
    }
    Ok(true)
}

/// One thing to measure.
struct Case {
    title: &'static str,
    travel: Travel,
    tls: bool,
    /// File of the upstream.
    body: &'static str,
    connections: u32,
    streams: u32,
    /// Requests a second for the latency run; 0 for none.
    rate: u32,
}

const CASES: &[Case] = &[
    Case {
        title: "plain, keep-alive, 1 KiB",
        travel: Travel::KeepAlive,
        tls: false,
        body: "1k",
        connections: 64,
        streams: 1,
        rate: 2000,
    },
    Case {
        title: "TLS, keep-alive, 1 KiB",
        travel: Travel::KeepAlive,
        tls: true,
        body: "1k",
        connections: 64,
        streams: 1,
        rate: 2000,
    },
    Case {
        title: "plain, keep-alive, 64 KiB",
        travel: Travel::KeepAlive,
        tls: false,
        body: "64k",
        connections: 64,
        streams: 1,
        rate: 0,
    },
    Case {
        title: "TLS, keep-alive, 64 KiB",
        travel: Travel::KeepAlive,
        tls: true,
        body: "64k",
        connections: 64,
        streams: 1,
        rate: 0,
    },
    Case {
        title: "TLS, HTTP/2, 1 KiB",
        travel: Travel::Http2,
        tls: true,
        body: "1k",
        connections: 8,
        streams: 8,
        rate: 0,
    },
    Case {
        title: "TLS, HTTP/2, 64 KiB",
        travel: Travel::Http2,
        tls: true,
        body: "64k",
        connections: 8,
        streams: 8,
        rate: 0,
    },
    Case {
        title: "plain, new connection for each request, 1 KiB",
        travel: Travel::NewConnections,
        tls: false,
        body: "1k",
        connections: 32,
        streams: 1,
        rate: 0,
    },
    Case {
        title: "TLS, new connection and full handshake for each request, 1 KiB",
        travel: Travel::NewConnections,
        tls: true,
        body: "1k",
        connections: 32,
        streams: 1,
        rate: 0,
    },
];

/// A peer, and which of its paths is asked.
struct Target<'a> {
    name: String,
    peer: &'a Peer,
    prefix: &'static str,
    header: Option<&'static str>,
}

struct Bench<'a> {
    host: &'a Host,
    peers: &'a [Peer],
    options: &'a Options,
    log: std::path::PathBuf,
}

impl Bench<'_> {
    fn case(&self, case: &Case) -> Result<Vec<Table>> {
        let targets = targets(self.peers);
        let streams = if case.streams > 1 {
            format!(" of {} streams", case.streams)
        } else {
            String::new()
        };
        let load_words = format!("{} connections{streams}, saturated", case.connections);
        let mut cpu = table(format!("{}: {load_words}", case.title), "CPU µs a request");
        let rate_words = format!(
            "{} requests a second on {} connections",
            case.rate, case.connections
        );
        let mut p50 = table(format!("{}: {rate_words}, p50", case.title), "µs");
        let mut p99 = table(format!("{}: {rate_words}, p99", case.title), "µs");
        for round in 0..self.options.rounds {
            complain(&format!(
                "{}: round {} of {}",
                case.title,
                round + 1,
                self.options.rounds
            ));
            for target in &targets {
                let url = self.url(case, target);
                let load = Load {
                    travel: case.travel,
                    url: &url,
                    header: target.header,
                    connections: case.connections,
                    streams: case.streams,
                    seconds: self.options.seconds,
                };
                cpu.add(&target.name, self.cpu_micros(target, &load)?);
                if case.rate > 0 {
                    let times = load::at_rate(self.host, &load, case.rate, &self.log)?;
                    p50.add(&target.name, quantile(&times, 0.5));
                    p99.add(&target.name, quantile(&times, 0.99));
                }
            }
        }
        Ok([cpu, p50, p99]
            .into_iter()
            .filter(|table| !table.rows.is_empty())
            .collect())
    }

    fn cpu_micros(&self, target: &Target<'_>, load: &Load<'_>) -> Result<f64> {
        let before = target.peer.cpu()?;
        let count = load::saturate(self.host, load).with_context(|| target.name.clone())?;
        let spent = target.peer.cpu()? - before;
        Ok(spent.as_secs_f64() * 1e6 / count as f64)
    }

    fn url(&self, case: &Case, target: &Target<'_>) -> String {
        let (scheme, port) = if case.tls {
            ("https", target.peer.tls_port)
        } else {
            ("http", target.peer.plain_port)
        };
        format!("{scheme}://127.0.0.1:{port}{}/size/{}", target.prefix, case.body)
    }
}

/// Memory that idle TLS connections add to a proxy that was just started, a connection.
fn idle(ground: &Ground<'_>, starts: &[Start]) -> Result<Table> {
    let title = format!(
        "memory of an idle TLS connection: {IDLE_CONNECTIONS} HTTP/1.1 connections after one request each"
    );
    let mut table = table(title, "KiB a connection");
    for round in 0..IDLE_ROUNDS {
        complain(&format!("idle connections: round {} of {IDLE_ROUNDS}", round + 1));
        for start in starts {
            let peer = start(ground)?;
            let all = targets(std::slice::from_ref(&peer));
            let Some(target) = all
                .iter()
                .find(|target| target.prefix.is_empty() || target.prefix == agent::SCOPED)
            else {
                continue;
            };
            let url = format!("https://127.0.0.1:{}{}/size/1k", peer.tls_port, target.prefix);
            let load = Load {
                travel: Travel::KeepAlive,
                url: &url,
                header: target.header,
                connections: IDLE_CONNECTIONS,
                streams: 1,
                seconds: 0,
            };
            let before = peer.memory_kib()?;
            let after = load::idle(ground.host, &load, peer.tls_port, || peer.memory_kib())?;
            table.add(
                &target.name,
                after.saturating_sub(before) as f64 / f64::from(IDLE_CONNECTIONS),
            );
        }
    }
    Ok(table)
}

fn table(title: String, unit: &'static str) -> Table {
    Table {
        title,
        unit,
        rows: Vec::new(),
        peers: vec!["nginx".to_owned(), "haproxy".to_owned()],
    }
}

fn targets(peers: &[Peer]) -> Vec<Target<'_>> {
    let mut targets = Vec::new();
    for peer in peers {
        if peer.name == agent::NAME {
            for (name, prefix, header) in agent::PATHS {
                targets.push(Target {
                    name: format!("agent, {name}"),
                    peer,
                    prefix,
                    header: *header,
                });
            }
        } else {
            targets.push(Target {
                name: peer.name.to_owned(),
                peer,
                prefix: "",
                header: None,
            });
        }
    }
    targets
}

/// Middle of a row, for the page's summary.
fn middle(table: &Table, target: &str) -> Option<f64> {
    table
        .rows
        .iter()
        .find(|(name, _)| name == target)
        .map(|(_, values)| median(values))
}
