//! Ctrl-c and SIGTERM: nothing that a run made stays behind.

use anyhow::{Context as _, Result};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// From now on a deadly signal first undoes everything the laboratory made, then ends the process.
pub(crate) fn clean_up_on_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot watch signals")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            crate::shell::complain("interrupted: cleaning up");
            gateway_tests::leftovers::clear();
            // The shell's convention: 128 plus the signal.
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}
