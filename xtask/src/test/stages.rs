//! The stages of `cargo xtask test`, cheapest first.

use std::path::Path;

use anyhow::Result;
use gateway_tests::process::find;

use super::{Counts, Session, Stage, cargo_test, check, failure, pass, skip};
use crate::{
    bpf, packages,
    shell::{cargo, root, say},
};

/// In order of cost: what fails early has cost little.
pub(super) const ALL: &[Stage] = &[
    Stage {
        name: "format",
        run: format,
    },
    Stage {
        name: "tidy",
        run: tidy,
    },
    Stage {
        name: "dependencies",
        run: dependencies,
    },
    Stage {
        name: "clippy",
        run: clippy,
    },
    Stage {
        name: "unit",
        run: unit,
    },
    Stage {
        name: "bpf",
        run: bpf,
    },
    Stage {
        name: "kernel",
        run: kernel,
    },
    Stage {
        name: "end to end",
        run: end_to_end,
    },
    Stage {
        name: "demo",
        run: demo,
    },
];

fn format(_: &mut Session) -> Result<Counts> {
    check("format", cargo().args(["fmt", "--all", "--check"]))
}

fn tidy(_: &mut Session) -> Result<Counts> {
    Ok(if crate::tidy::run()? {
        pass()
    } else {
        failure("tidy")
    })
}

// The policy of deny.toml; the program is not part of a toolchain, and building it takes minutes.
fn dependencies(_: &mut Session) -> Result<Counts> {
    if find("cargo-deny").is_none() && !Path::new(&home_bin("cargo-deny")).exists() {
        return Ok(skip(
            "dependencies",
            "cargo-deny is not installed (cargo install cargo-deny)",
        ));
    }
    check(
        "dependencies",
        cargo().args(["deny", "--offline", "check", "licenses", "bans", "sources"]),
    )
}

fn clippy(_: &mut Session) -> Result<Counts> {
    check(
        "clippy",
        cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ]),
    )
}

// Unit tests, in-process tests, corpus and documentation tests. The loader comes with the kernel programs, the
// whole node after them.
fn unit(_: &mut Session) -> Result<Counts> {
    let mut command = cargo();
    command.args([
        "test",
        "--workspace",
        "--exclude",
        "gateway-tests",
        "--exclude",
        "gateway-loader",
        "--no-fail-fast",
        "--",
        "--show-output",
    ]);
    cargo_test("unit", &mut command)
}

fn bpf(_: &mut Session) -> Result<Counts> {
    match bpf::setup().and_then(|()| bpf::build()) {
        Ok(object) => {
            say(&format!("   built {}", object.display()));
            Ok(pass())
        }
        // As root on a Debian machine the toolchain can always be had: then its absence is a failure.
        Err(error) if nix::unistd::geteuid().is_root() && find("apt-get").is_some() => Err(error),
        Err(error) => Ok(skip("bpf", format!("{error:#}"))),
    }
}

// The loader's tests, with the programs when they could be built: test runs in this kernel. Without them the tests
// that need them say so themselves.
fn kernel(_: &mut Session) -> Result<Counts> {
    let mut command = cargo();
    command.args([
        "test",
        "-p",
        "gateway-loader",
        "--no-fail-fast",
        "--",
        "--show-output",
        "--test-threads=1",
    ]);
    cargo_test("kernel", &mut command)
}

fn end_to_end(_: &mut Session) -> Result<Counts> {
    for parts in [packages::LAB, packages::TESTS] {
        if let Err(error) = packages::ensure(parts) {
            say(&format!("   {error:#}"));
        }
    }
    let mut command = cargo();
    command.args([
        "test",
        "-p",
        "gateway-tests",
        "--no-fail-fast",
        "--",
        "--show-output",
    ]);
    cargo_test("end to end", &mut command)
}

fn demo(_: &mut Session) -> Result<Counts> {
    check("demo", cargo().args(["xtask", "demo", "--json"]))
}

fn home_bin(program: &str) -> String {
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"));
    home.map(|home| format!("{home}/bin/{program}"))
        .unwrap_or_else(|_| root().join(program).display().to_string())
}
