//! Placeholder.
use anyhow::Result;
use clap::Args;
/// Options.
#[derive(Args)]
pub(crate) struct Options {}
pub(crate) fn run(_: &Options) -> Result<bool> {
    Ok(true)
}
