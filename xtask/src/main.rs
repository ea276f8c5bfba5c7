//! `cargo xtask`: everything beyond plain cargo commands.

mod bench;
mod bpf;
mod demo;
mod docs;
mod fuzz;
mod packages;
mod shell;
mod signals;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Everything beyond plain cargo: see the node work, test it, keep it tidy, measure it.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Watch real traffic through the node: three hosts, nginx upstreams, curl, kernel hooks, metrics.
    ///
    /// Sets up what is missing, builds, runs, compares every request with what is expected and cleans up.
    /// Exits with 1 when anything was not as expected.
    Demo(demo::Options),
    /// Run everything that can be tested on this machine, cheapest first; the last line is the summary.
    Test(test::Options),
    /// Check the rules of the house that no compiler checks.
    Tidy,
    /// Measure the agent against nginx and haproxy, or expressions and policies alone, and write the page under docs/.
    Bench(bench::Options),
    /// Run the fuzz targets under libFuzzer, a few seconds each or longer by option.
    ///
    /// Exits with 1 when anything was found; `cargo xtask test` runs the same targets on fixed inputs.
    Fuzz(fuzz::Options),
    /// Set up the BPF toolchain if it is missing and build the kernel programs; or only one of the two.
    Bpf {
        #[command(subcommand)]
        step: Option<BpfStep>,
    },
    /// Write the generated pages under docs/ again, or only check that they are up to date.
    Docs(docs::Options),
}

#[derive(Clone, Copy, Subcommand)]
enum BpfStep {
    /// Install compiler and linker for the BPF target, each step skipped when already done.
    Setup,
    /// Build the kernel programs into target/, where the next build of the agent finds them.
    Build,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Demo(options) => demo::run(&options),
        Task::Test(options) => test::run(&options),
        Task::Tidy => tidy::run(),
        Task::Bench(options) => bench::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Bpf { step } => kernel_programs(step),
        Task::Docs(options) => docs::run_all(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            shell::complain(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn kernel_programs(step: Option<BpfStep>) -> anyhow::Result<bool> {
    if !matches!(step, Some(BpfStep::Build)) {
        bpf::setup()?;
    }
    if !matches!(step, Some(BpfStep::Setup)) {
        let object = bpf::build()?;
        shell::say(&format!("kernel programs: {}", object.display()));
    }
    Ok(true)
}
