//! `cargo xtask test`: everything that can be tested on this machine, cheapest first.

mod libtest;
mod stages;

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result};
use clap::Args;
use libtest::{Counts, Reader, Skip};

use crate::shell::{root, say};

/// Options of `cargo xtask test`.
#[derive(Args)]
pub(crate) struct Options {
    /// Only the stages whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Stop after the first stage that fails.
    #[arg(long)]
    fail_fast: bool,
}

/// Runs the stages and prints the summary; true when nothing failed.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let started = Instant::now();
    crate::signals::clean_up_on_signals()?;
    let mut session = Session::default();
    for stage in stages::ALL {
        if options
            .only
            .as_ref()
            .is_some_and(|only| !stage.name.contains(only.as_str()))
        {
            continue;
        }
        let counts = session.stage(stage);
        let stop = options.fail_fast && !counts.failed.is_empty();
        session.total.add(counts);
        if stop {
            break;
        }
    }
    say(&format!("\nall stages took {} s", started.elapsed().as_secs()));
    say(&summary(&session.total));
    Ok(session.total.failed.is_empty())
}

/// One thing to test.
struct Stage {
    name: &'static str,
    run: fn(&mut Session) -> Result<Counts>,
}

/// The run so far.
#[derive(Default)]
struct Session {
    total: Counts,
}

impl Session {
    fn stage(&mut self, stage: &Stage) -> Counts {
        say(&format!("== {}", stage.name));
        let started = Instant::now();
        let counts = (stage.run)(self).unwrap_or_else(|error| {
            say(&format!("{error:#}"));
            failure(stage.name)
        });
        for name in &counts.failed {
            say(&format!("   FAILED {name}"));
        }
        say(&format!(
            "   {} passed, {} failed, {} skipped in {:.1} s",
            counts.passed,
            counts.failed.len(),
            counts.skipped.len(),
            started.elapsed().as_secs_f32()
        ));
        counts
    }
}

/// A stage that is one check: passed or failed by its exit status, its output shown when it fails.
fn check(name: &str, command: &mut Command) -> Result<Counts> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {shown}"))?;
    if output.status.success() {
        return Ok(pass());
    }
    say(&format!("{shown} ended with {}", output.status));
    say(&String::from_utf8_lossy(&output.stdout));
    say(&String::from_utf8_lossy(&output.stderr));
    Ok(failure(name))
}

/// A stage of `cargo test`: its own counts, its whole output in a log, failures also shown here.
fn cargo_test(name: &str, command: &mut Command) -> Result<Counts> {
    let folder = root().join("target").join("xtask");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("test-{}.log", name.replace(' ', "-")));
    let mut log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let shown = format!("{command:?}");
    // The harness writes to standard output, cargo ("Running …", compiler errors) to standard error; both are
    // wanted in one order, so the shell joins them.
    let mut joined = Command::new("sh");
    joined
        .args(["-c", "exec \"$0\" \"$@\" 2>&1"])
        .arg(command.get_program())
        .args(command.get_args());
    joined
        .envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .current_dir(root());
    let mut child = joined
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {shown}"))?;
    let mut reader = Reader::default();
    let mut kept = Vec::new();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            writeln!(log, "{line}")?;
            reader.line(&line);
            kept.push(line);
        }
    }
    let status = child.wait()?;
    let mut counts = reader.finish();
    if !status.success() {
        show_failures(&kept);
        say(&format!("whole output: {}", path.display()));
        if counts.failed.is_empty() {
            // It did not build, or a test binary died: no test says so for itself.
            counts.failed.push(format!("{name}: {shown} ended with {status}"));
        }
    }
    Ok(counts)
}

// Compiler errors and the sections of failed tests; nobody reads ten thousand lines of `ok`.
fn show_failures(lines: &[String]) {
    const SHOWN_MAX: usize = 200;
    let mut inside = false;
    let mut shown = 0;
    for line in lines {
        if line.starts_with("error") || line == "failures:" {
            inside = true;
        } else if line.starts_with("test result:")
            || line == "successes:"
            || line.trim_start().starts_with("Running ")
        {
            inside = false;
        }
        if inside && shown < SHOWN_MAX {
            say(line);
            shown += 1;
        }
    }
}

fn pass() -> Counts {
    Counts {
        passed: 1,
        ..Counts::default()
    }
}

fn failure(name: &str) -> Counts {
    Counts {
        failed: vec![name.to_owned()],
        ..Counts::default()
    }
}

fn skip(name: &str, why: impl Into<String>) -> Counts {
    Counts {
        skipped: vec![Skip {
            what: name.to_owned(),
            why: why.into(),
        }],
        ..Counts::default()
    }
}

// Machines read the last line: its form is a contract.
fn summary(total: &Counts) -> String {
    let mut text = String::new();
    for name in &total.failed {
        text += &format!("failed: {name}\n");
    }
    for skip in &total.skipped {
        text += &format!("skipped: {}: {}\n", skip.what, skip.why);
    }
    text + &format!(
        "{} passed, {} failed, {} skipped",
        total.passed,
        total.failed.len(),
        total.skipped.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_stands_alone() {
        let mut total = pass();
        total.add(failure("that"));
        total.add(skip("this", "no root"));
        assert_eq!(
            summary(&total),
            "failed: that\nskipped: this: no root\n1 passed, 1 failed, 1 skipped"
        );
    }

    #[test]
    fn a_command_that_fails_is_a_failure() {
        let counts = check("false", &mut Command::new("false")).unwrap();
        assert_eq!(counts, failure("false"));
    }
}
