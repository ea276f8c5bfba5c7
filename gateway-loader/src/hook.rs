//! The state of each hook, as the log, `status` and the metrics show it.

use std::io;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;

/// The hooks of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HookName {
    /// XDP on an uplink.
    EdgeDrop,
    /// sk_lookup on the namespace.
    VipLookup,
    /// sk_reuseport on the listener groups.
    PickWorker,
    /// sock_ops on the cgroup.
    ConnAcct,
    /// tc ingress on the interfaces of L4 services.
    L4Ingress,
}

impl HookName {
    /// Every hook, in the order a packet meets them.
    pub const ALL: [Self; 5] = [
        Self::EdgeDrop,
        Self::L4Ingress,
        Self::VipLookup,
        Self::PickWorker,
        Self::ConnAcct,
    ];

    /// Name of the program: a stable label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdgeDrop => "edge_drop",
            Self::VipLookup => "vip_lookup",
            Self::PickWorker => "pick_worker",
            Self::ConnAcct => "conn_acct",
            Self::L4Ingress => "l4_ingress",
        }
    }

    /// What does its work while it is not attached.
    pub const fn fallback(self) -> &'static str {
        match self {
            Self::EdgeDrop => "denied addresses are refused when the connection is accepted",
            Self::VipLookup => "only addresses and ports that are bound are served",
            Self::PickWorker => "the kernel's hash spreads connections over the workers",
            Self::ConnAcct => "connections are recorded from TCP_INFO when the agent closes them",
            Self::L4Ingress => "L4 services are relayed by the agent",
        }
    }
}

/// One hook on one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookState {
    /// Which hook.
    pub name: HookName,
    /// Interface, namespace or cgroup.
    pub target: String,
    /// Whether the program runs there.
    pub attached: bool,
    /// How it is attached: `native`, `generic`, `link`, `listeners`, `cgroup`, `group`; `userspace` when it is not, `off` when
    /// it was not asked for.
    pub mode: &'static str,
    /// Why it is not attached, or a warning about how it is.
    pub reason: Option<String>,
    /// It stays attached when this process ends.
    pub pinned: bool,
}

impl HookState {
    pub(crate) fn attached(name: HookName, target: impl Into<String>, mode: &'static str) -> Self {
        Self {
            name,
            target: target.into(),
            attached: true,
            mode,
            reason: None,
            pinned: false,
        }
    }

    pub(crate) fn with_pin(mut self, pinned: bool) -> Self {
        self.pinned = pinned;
        self
    }

    pub(crate) fn with_warning(mut self, warning: impl Into<String>) -> Self {
        self.reason = Some(warning.into());
        self
    }

    pub(crate) fn failed(name: HookName, target: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            name,
            target: target.into(),
            attached: false,
            mode: "userspace",
            reason: Some(reason.into()),
            pinned: false,
        }
    }

    pub(crate) fn off(name: HookName) -> Self {
        Self {
            name,
            target: String::new(),
            attached: false,
            mode: "off",
            reason: Some("not asked for".to_owned()),
            pinned: false,
        }
    }

    /// The states of all hooks when nothing could be loaded: the agent shows the same table in every case.
    pub fn all_failed(reason: &str) -> Vec<Self> {
        HookName::ALL
            .iter()
            .map(|name| Self::failed(*name, "", reason))
            .collect()
    }
}

/// The system error inside an aya error, when there is one.
pub(crate) fn system_error(error: &ProgramError) -> Option<&io::Error> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        source = error.source();
    }
    match error {
        ProgramError::LoadError { io_error, .. } => Some(io_error),
        ProgramError::SyscallError(error) => Some(&error.io_error),
        _ => None,
    }
}

/// A program error as one line for people. The verifier's log goes to the debug log, not into the reason.
pub(crate) fn reason(error: &ProgramError) -> String {
    if let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = error
    {
        tracing::debug!(%verifier_log, "the kernel refused a program");
        return match io_error.raw_os_error() {
            Some(libc::EPERM) => permission(io_error),
            Some(libc::EINVAL) if verifier_log.to_string().trim().is_empty() => {
                format!("the kernel does not know this kind of program ({io_error})")
            }
            _ => {
                let log = verifier_log.to_string();
                // The verifier's word for "the loading thread lacks CAP_PERFMON".
                if log.contains("prohibited for !root") {
                    return format!("not permitted ({io_error}): this program needs CAP_PERFMON too");
                }
                format!(
                    "the kernel's verifier refused the program ({io_error}): {}",
                    verdict(&log)
                )
            }
        };
    }
    match system_error(error) {
        Some(io) if io.raw_os_error() == Some(libc::EPERM) => permission(io),
        Some(io) => format!("{error}: {io}"),
        None => error.to_string(),
    }
}

/// The line of a verifier log that says what is wrong: the last one that is not statistics.
fn verdict(log: &str) -> &str {
    const STATISTICS: [&str; 4] = ["processed ", "stack depth", "verification time", "mark_precise"];
    let mut lines = log.lines().map(str::trim).rev();
    lines
        .find(|line| !line.is_empty() && !STATISTICS.iter().any(|start| line.starts_with(start)))
        .unwrap_or("no log")
}

fn permission(error: &io::Error) -> String {
    format!("not permitted ({error}): needs CAP_BPF and CAP_NET_ADMIN")
}

/// A map error as one line, with the system's answer at its end.
pub(crate) fn map_reason(error: &MapError) -> String {
    match map_system_error(error) {
        Some(io) => format!("{error}: {io}"),
        None => error.to_string(),
    }
}

/// The system error inside a map error.
pub(crate) fn map_system_error(error: &MapError) -> Option<&io::Error> {
    match error {
        MapError::CreateError { io_error, .. } => Some(io_error),
        MapError::SyscallError(error) => Some(&error.io_error),
        MapError::IoError(error) => Some(error),
        _ => None,
    }
}

/// Sorts a failure of the whole object.
pub(crate) fn load_error(error: EbpfError) -> crate::LoadError {
    use crate::LoadError;
    let EbpfError::MapError(MapError::CreateError { name, io_error }) = error else {
        return LoadError::Object(chain(&error));
    };
    let what = format!("map {name}");
    if io_error.raw_os_error() == Some(libc::EPERM) {
        LoadError::NotPermitted {
            what,
            source: io_error,
        }
    } else {
        LoadError::Map {
            what,
            source: io_error,
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let part = error.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_kernel_every_hook_is_listed_with_the_reason() {
        let states = HookState::all_failed("no kernel here");
        assert_eq!(states.len(), HookName::ALL.len());
        for (state, name) in states.iter().zip(HookName::ALL) {
            assert_eq!(
                (state.name, state.attached, state.mode),
                (name, false, "userspace")
            );
            assert_eq!(state.reason.as_deref(), Some("no kernel here"));
            assert!(!name.fallback().is_empty());
        }
    }

    #[test]
    fn the_verifier_is_quoted_where_it_says_what_is_wrong() {
        let log = "0: (b7) r0 = 0\nR1 invalid mem access 'scalar'\nverification time 12 usec\nstack depth 40\n\
            processed 9 insns (limit 1000000)\n";
        for (log, expected) in [
            (log, "R1 invalid mem access 'scalar'"),
            ("", "no log"),
            ("stack depth 4\n", "no log"),
        ] {
            assert_eq!(verdict(log), expected);
        }
    }

    #[test]
    fn reasons_name_the_capability() {
        let check = |errno, expected: &str| {
            let error = ProgramError::SyscallError(aya::sys::SyscallError {
                call: "bpf_link_create",
                io_error: io::Error::from_raw_os_error(errno),
            });
            assert!(reason(&error).contains(expected), "{}", reason(&error));
        };
        check(libc::EPERM, "CAP_NET_ADMIN");
        check(libc::ENODEV, "No such device");
    }
}
