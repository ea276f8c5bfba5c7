//! `cargo xtask demo`: real traffic through a real node, and what client, agent and kernel saw of it.

mod drive;
mod report;
mod script;
mod stage;

use anyhow::Result;
use clap::Args;

use crate::shell::{complain, say};

/// Options of `cargo xtask demo`.
#[derive(Args)]
pub(crate) struct Options {
    /// Leave everything running and say how to talk to it.
    #[arg(long)]
    keep: bool,
    /// Print one JSON object instead of the account; progress goes to standard error.
    #[arg(long)]
    json: bool,
    /// Play all three hosts on loopback, as without root.
    #[arg(long)]
    loopback: bool,
    /// Do not build or load kernel programs.
    #[arg(long)]
    no_bpf: bool,
}

/// Runs the demo; true when everything was as expected.
pub(crate) fn run(options: &Options) -> Result<bool> {
    crate::signals::clean_up_on_signals()?;
    let mut stage = stage::Stage::set_up(options.loopback, !options.no_bpf)?;
    complain("sending requests");
    let (report, differences) = drive::run(&stage)?;
    if options.json {
        say(&serde_json::to_string(&report)?);
        for request in report.requests.iter().filter(|request| !request.wrong.is_empty()) {
            complain(&format!(
                "not as expected: {} {}: {}",
                request.method,
                request.url,
                request.wrong.join("; ")
            ));
        }
        differences
            .iter()
            .for_each(|difference| complain(&format!("not as expected: {difference}")));
    } else {
        report::print(&report, &differences);
        for missing in &stage.missing {
            say(&format!("missing here: {missing}"));
        }
    }
    if options.keep {
        stage.keep();
    }
    Ok(report.ok)
}
