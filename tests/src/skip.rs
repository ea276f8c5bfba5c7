//! The convention for tests that cannot run here: one line `SKIP: reason`, seen by people and by `cargo xtask test`.

/// Why a whole-node test cannot run on this machine, or `None` when it can.
///
/// Only missing rights or parts of the machine count; anything the project itself should have made is a
/// failure, not a reason to skip.
pub fn reason(needs: &[Need]) -> Option<String> {
    let missing: Vec<String> = needs.iter().filter_map(Need::missing).collect();
    (!missing.is_empty()).then(|| missing.join("; "))
}

/// Something of the machine that a test cannot do without.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// Own network namespaces: root and iproute2.
    Namespaces,
    /// A program on the search path, and the package that has it.
    Program(&'static str, &'static str),
    /// Python modules as an `import` names them, and the packages of PyPI that have them.
    Python(&'static str, &'static str),
    /// A kernel that takes BPF programs and a cgroup v2 mount.
    Bpf,
}

impl Need {
    fn missing(&self) -> Option<String> {
        match *self {
            Need::Namespaces => crate::lab::namespaces_missing(),
            Need::Program(program, package) => crate::process::find(program)
                .is_none()
                .then(|| format!("{program} is not installed (package {package})")),
            Need::Python(modules, packages) => python_missing(modules, packages),
            Need::Bpf => bpf_missing(),
        }
    }
}

/// The Python that runs the clients of `tests/clients`: the first `python3` of the search path, which `.ci/run` makes that
/// of its own environment.
pub fn python() -> std::path::PathBuf {
    crate::process::find("python3").unwrap_or_else(|| "python3".into())
}

fn python_missing(modules: &str, packages: &str) -> Option<String> {
    let output = std::process::Command::new(python())
        .args(["-c", &format!("import {modules}")])
        .output();
    match output {
        Ok(output) if output.status.success() => None,
        _ => Some(format!(
            "{} cannot import {modules} (PyPI: {packages})",
            python().display()
        )),
    }
}

fn bpf_missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("loading BPF programs needs root".to_owned());
    }
    crate::lab::cgroup2_mount()
        .is_none()
        .then(|| "no cgroup v2 file system is mounted".to_owned())
}

/// Ends the calling test with a visible `SKIP: reason` line when a need is not met.
///
/// ```
/// # use gateway_tests::{skip::Need, skip_unless};
/// fn needs_a_program() {
///     skip_unless!(Need::Program("no-such-program", "none"));
///     unreachable!("the test body does not run");
/// }
/// needs_a_program();
/// ```
#[macro_export]
macro_rules! skip_unless {
    ($($need:expr),+ $(,)?) => {
        if let Some(reason) = $crate::skip::reason(&[$($need),+]) {
            println!("SKIP: {reason}");
            return;
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_part_is_named() {
        let reason = reason(&[
            Need::Program("sh", "dash"),
            Need::Program("no-such-a", "x"),
            Need::Program("no-such-b", "y"),
        ]);
        assert_eq!(
            reason.as_deref(),
            Some("no-such-a is not installed (package x); no-such-b is not installed (package y)")
        );
    }

    #[test]
    fn nothing_missing_is_no_reason() {
        assert_eq!(reason(&[Need::Program("sh", "dash")]), None);
    }
}
