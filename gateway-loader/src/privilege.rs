//! Capabilities: what is needed, what is missing, and giving up the rest.

use caps::{CapSet, Capability, CapsHashSet};

pub use caps::Capability as Cap;

/// A capability the agent uses, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The capability.
    pub capability: Capability,
    /// What it is for.
    pub purpose: &'static str,
    /// Needed only until the programs are loaded and the sockets bound.
    pub start_only: bool,
}

/// The smallest set for everything on kernel 5.8 and later. Before, CAP_SYS_ADMIN takes the place of CAP_BPF and
/// CAP_PERFMON.
///
/// Absent on purpose: CAP_SYS_ADMIN, CAP_SYS_RESOURCE (memory limits do not matter since 5.11), CAP_NET_RAW.
pub const NEEDS: [Need; 4] = [
    Need {
        capability: Capability::CAP_BPF,
        purpose: "create maps and load programs",
        start_only: true,
    },
    Need {
        capability: Capability::CAP_NET_ADMIN,
        purpose: "attach programs to interfaces, namespace and cgroup",
        start_only: true,
    },
    Need {
        capability: Capability::CAP_PERFMON,
        purpose: "edge_drop only: packet access at computed offsets (IP options, extension headers, VLAN tags)",
        start_only: true,
    },
    Need {
        capability: Capability::CAP_NET_BIND_SERVICE,
        purpose: "bind ports below 1024",
        start_only: true,
    },
];

/// Names of the capabilities for the kernel programs that the calling thread lacks.
pub fn missing() -> Vec<String> {
    NEEDS
        .iter()
        .filter(|need| need.capability != Capability::CAP_NET_BIND_SERVICE)
        .filter(|need| !caps::has_cap(None, CapSet::Effective, need.capability).unwrap_or(false))
        .map(|need| need.capability.to_string())
        .collect()
}

/// Gives up every capability of the calling thread except `keep`, for good: also from the bounding set where that is
/// allowed, and with no_new_privs so that no program it starts gets them back.
///
/// Threads started later inherit the result, threads that exist already do not: call it before workers start. Maps, ring and
/// counters go on working, for their descriptors are open; attaching to another interface or namespace does not.
///
/// # Errors
/// When the kernel refuses; the thread may then have given up a part.
pub fn drop_to(keep: &[Capability]) -> Result<(), String> {
    let keep: CapsHashSet = keep.iter().copied().collect();
    let failed = |what: &'static str| {
        move |error: caps::errors::CapsError| format!("cannot drop {what} capabilities: {error}")
    };
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false) {
        for capability in caps::read(None, CapSet::Bounding)
            .map_err(failed("bounding"))?
            .difference(&keep)
        {
            caps::drop(None, CapSet::Bounding, *capability).map_err(failed("bounding"))?;
        }
    }
    let permitted = caps::read(None, CapSet::Permitted).map_err(failed("permitted"))?;
    let kept: CapsHashSet = permitted.intersection(&keep).copied().collect();
    caps::clear(None, CapSet::Ambient).map_err(failed("ambient"))?;
    caps::clear(None, CapSet::Inheritable).map_err(failed("inheritable"))?;
    caps::set(None, CapSet::Effective, &kept).map_err(failed("effective"))?;
    caps::set(None, CapSet::Permitted, &kept).map_err(failed("permitted"))?;
    no_new_privileges()
}

fn no_new_privileges() -> Result<(), String> {
    #[expect(unsafe_code, reason = "prctl has no safe wrapper in libc")]
    // SAFETY: PR_SET_NO_NEW_PRIVS takes numbers only.
    let failed = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0;
    if failed {
        return Err(format!(
            "cannot set no_new_privs: {}",
            std::io::Error::last_os_error()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a thread of its own: capabilities belong to threads, and the test runner's must keep theirs.
    fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(work).join().unwrap())
    }

    #[test]
    fn nothing_is_left_but_what_is_kept() {
        on_a_thread(|| {
            let keep = Capability::CAP_NET_BIND_SERVICE;
            let had = caps::has_cap(None, CapSet::Permitted, keep).unwrap();
            drop_to(&[keep]).unwrap();
            let left = caps::read(None, CapSet::Permitted).unwrap();
            assert_eq!(left.contains(&keep), had);
            assert!(left.iter().all(|capability| *capability == keep), "{left:?}");
            assert_eq!(missing(), ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]);
            assert!(caps::raise(None, CapSet::Permitted, Capability::CAP_SYS_ADMIN).is_err());
        });
    }

    #[test]
    fn dropping_twice_is_fine() {
        on_a_thread(|| {
            drop_to(&[]).unwrap();
            drop_to(&[]).unwrap();
        });
    }
}
