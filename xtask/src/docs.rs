//! Pages that are made from the code, so that they cannot say something else.
//!
//! Each page is made by a test beside the table it comes from; the test compares, and with `UPDATE_DOCS` set it
//! writes. `cargo test` so fails on a stale page, and this task is the one place that knows all of them.

use anyhow::Result;
use clap::Args;

use crate::shell::{cargo, complain, run};

/// Options of `cargo xtask docs`.
#[derive(Args)]
pub(crate) struct Options {
    /// Change nothing; fail when a page is not what the code says.
    #[arg(long)]
    check: bool,
}

/// A package and the filter of the tests that make its pages.
const PAGES: &[(&str, &[&str])] = &[
    ("gateway-config", &["--lib", "page"]),
    ("gateway-policy", &["page"]),
    ("gateway-expr", &["--test", "documentation"]),
    ("gateway-agent", &["--test", "documentation"]),
];

/// Writes or checks every generated page; true when all are up to date afterwards.
pub(crate) fn run_all(options: &Options) -> Result<bool> {
    let mut good = true;
    for (package, filter) in PAGES {
        let mut command = cargo();
        command
            .args(["test", "--quiet", "--package", package])
            .args(*filter);
        if !options.check {
            command.env("UPDATE_DOCS", "1");
        }
        if let Err(error) = run(&mut command) {
            complain(&format!("{error:#}"));
            good = false;
        }
    }
    Ok(good)
}
