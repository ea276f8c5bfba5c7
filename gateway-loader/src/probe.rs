//! What this machine offers to the kernel side, as one table with consequences. The loader itself probes by trying; this is
//! what `status` and people look at.

use std::fs;
use std::path::Path;

use crate::{cgroup, object, privilege};

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked for.
    pub what: &'static str,
    /// Whether it is there.
    pub present: bool,
    /// What was found.
    pub detail: String,
    /// What is lost without it.
    pub consequence: &'static str,
}

/// Looks at the machine. Reads a few files, loads nothing.
pub fn probe() -> Vec<Finding> {
    let missing = privilege::missing();
    let read = |path: &str| {
        fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    let release = read("/proc/sys/kernel/osrelease");
    let jit = read("/proc/sys/net/core/bpf_jit_enable");
    let own = cgroup::own();
    vec![
        Finding {
            what: "kernel programs",
            present: object::is_built(),
            detail: object::why_not_built().unwrap_or("embedded").to_owned(),
            consequence: "everything in userspace",
        },
        Finding {
            what: "capabilities",
            present: missing.is_empty(),
            detail: if missing.is_empty() {
                "all".to_owned()
            } else {
                format!("missing {}", missing.join(", "))
            },
            consequence: "no kernel programs",
        },
        Finding {
            what: "kernel 5.14",
            present: at_least(&release, (5, 14)),
            detail: release,
            consequence: "before 5.14 no worker choice, before 5.10 no connection records, before 5.9 no steering",
        },
        Finding {
            what: "kernel BTF",
            present: Path::new("/sys/kernel/btf/vmlinux").exists(),
            detail: "/sys/kernel/btf/vmlinux".to_owned(),
            consequence: "no socket storage: connections are recorded from TCP_INFO",
        },
        Finding {
            what: "cgroup v2",
            present: own.is_ok(),
            detail: own.map_or_else(|why| why, |own| own.path.display().to_string()),
            consequence: "connections are recorded from TCP_INFO",
        },
        Finding {
            what: "BPF compiler",
            present: jit != "0",
            detail: format!("net.core.bpf_jit_enable = {jit}"),
            consequence: "programs are interpreted, three to ten times slower",
        },
    ]
}

/// Whether this machine's kernel is at least `wanted`.
pub(crate) fn kernel_at_least(wanted: (u32, u32)) -> bool {
    fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| at_least(&release, wanted))
}

/// Whether a release such as `6.1.0-18-amd64` is at least `wanted`; unreadable ones are not.
fn at_least(release: &str, wanted: (u32, u32)) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= wanted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        for (release, expected) in [
            ("6.1.0-18-amd64", true),
            ("5.14.0", true),
            ("5.4.0-100-generic", false),
            ("4.19.1", false),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(at_least(release, (5, 14)), expected, "{release}");
        }
    }

    #[test]
    fn every_line_says_what_is_lost() {
        let findings = probe();
        assert_eq!(findings.len(), 6);
        assert!(
            findings
                .iter()
                .all(|finding| !finding.consequence.is_empty() && !finding.detail.is_empty())
        );
    }
}
