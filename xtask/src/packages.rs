//! Packages of the distribution that a task needs: found, or installed with the reason shown.

use std::process::Command;

use anyhow::{Result, bail};
use gateway_tests::process::find;

use crate::shell::{complain, run};

/// A program and the Debian package that has it.
pub(crate) type Part = (&'static str, &'static str);

/// What the laboratory needs: upstream, client, namespaces, certificates.
pub(crate) const LAB: &[Part] = &[
    ("nginx", "nginx-light"),
    ("curl", "curl"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("openssl", "openssl"),
];
/// What the end-to-end tests use beyond [`LAB`].
pub(crate) const TESTS: &[Part] = &[("h2load", "nghttp2-client")];
/// What the benchmark compares with and drives.
pub(crate) const BENCH: &[Part] = &[
    ("haproxy", "haproxy"),
    ("wrk", "wrk"),
    ("h2load", "nghttp2-client"),
    ("taskset", "util-linux"),
];

/// Installs the packages whose programs are missing. As another user than root it only says what to do.
pub(crate) fn ensure(parts: &[Part]) -> Result<()> {
    let missing = missing(parts);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !nix::unistd::geteuid().is_root() {
        bail!("not installed: {list}. As root: apt-get install {list}");
    }
    if find("apt-get").is_none() {
        bail!(
            "not installed: {list}. This machine has no apt-get; install them with its own package manager"
        );
    }
    complain(&format!("installing from the distribution: {list}"));
    run(apt().args(["update", "-qq"]))?;
    run(apt()
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(missing))
}

/// Packages whose programs are missing, each once.
pub(crate) fn missing(parts: &[Part]) -> Vec<&'static str> {
    let mut packages: Vec<&'static str> = parts
        .iter()
        .filter(|(program, _)| find(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Service scripts take this as "do not start": only the binaries are wanted here.
        .env("RUNLEVEL", "1");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_missing_parts_are_named_and_once() {
        let parts = [
            ("sh", "dash"),
            ("no-such-1", "same"),
            ("no-such-2", "same"),
            ("no-such-3", "an-other"),
        ];
        assert_eq!(missing(&parts), ["an-other", "same"]);
    }
}
