//! `cargo xtask fuzz`: libFuzzer on the targets of `fuzz/`, for a bounded time each.
//!
//! `cargo xtask test` goes through the same targets with a fixed sequence of inputs and needs none of this.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use gateway_tests::process::find;

use crate::shell::{cargo, complain, root, run as must, say};

/// Longest input: beyond it only the limits of length are exercised, which have tests of their own.
const LENGTH_MAX: u32 = 4096;
/// Seconds after which one input counts as hanging.
const HANG_SECONDS: u32 = 20;
/// Memory of a target, libFuzzer's own included.
const MEMORY_MIB: u32 = 2048;

/// Options of `cargo xtask fuzz`.
#[derive(Args)]
pub(crate) struct Options {
    /// Only this target; may be given more than once.
    #[arg(long)]
    target: Vec<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Print the names of the targets and end.
    #[arg(long)]
    list: bool,
}

/// Runs the targets; true when nothing was found.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let all = names(&root().join("fuzz").join("fuzz_targets"))?;
    if options.list {
        all.iter().for_each(|name| say(name));
        return Ok(true);
    }
    let chosen = choose(&all, &options.target)?;
    let installed = find("cargo-fuzz").is_some() || in_cargo_home("cargo-fuzz");
    ensure!(installed, "cargo-fuzz is not installed: cargo install cargo-fuzz");
    must(cargo().args([
        "run",
        "--quiet",
        "-p",
        "gateway-fuzz-targets",
        "--bin",
        "seeds",
        "--",
        "fuzz",
    ]))?;
    let mut found = Vec::new();
    for name in chosen {
        complain(&format!("== {name}: {} s", options.seconds));
        let status = program(name, options.seconds)
            .status()
            .context("cannot run cargo fuzz")?;
        if !status.success() {
            found.push(name);
        }
    }
    for name in &found {
        say(&format!("{name}: see what was found in fuzz/artifacts/{name}"));
    }
    Ok(found.is_empty())
}

fn program(name: &str, seconds: u32) -> Command {
    let mut command = cargo();
    command
        // The instrumentation is asked for by options that a stable compiler would refuse.
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["fuzz", "run", "--sanitizer", "none", name, "--"])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LENGTH_MAX}"))
        .arg(format!("-timeout={HANG_SECONDS}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-dict=fuzz/corpus/{name}.dict"))
        .arg("-print_final_stats=1");
    command
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .collect();
    names.sort_unstable();
    Ok(names)
}

fn choose<'n>(all: &'n [String], wanted: &[String]) -> Result<Vec<&'n str>> {
    if wanted.is_empty() {
        return Ok(all.iter().map(String::as_str).collect());
    }
    wanted
        .iter()
        .map(|name| match all.iter().find(|known| *known == name) {
            Some(known) => Ok(known.as_str()),
            None => bail!("there is no target {name}; there are {}", all.join(", ")),
        })
        .collect()
}

fn in_cargo_home(program: &str) -> bool {
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"));
    home.is_ok_and(|home| Path::new(&home).join("bin").join(program).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_chosen_by_name() {
        let all = ["json".to_owned(), "xml".to_owned()];
        for (wanted, expected) in [
            (&[][..], Ok(vec!["json", "xml"])),
            (&["xml"][..], Ok(vec!["xml"])),
            (
                &["yaml"][..],
                Err("there is no target yaml; there are json, xml".to_owned()),
            ),
        ] {
            let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(choose(&all, &wanted).map_err(|e| e.to_string()), expected);
        }
    }
}
