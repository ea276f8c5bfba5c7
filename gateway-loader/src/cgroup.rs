//! Where processes live in the cgroup v2 hierarchy.

use std::fs;
use std::path::{Path, PathBuf};

/// The agent's own cgroup directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnCgroup {
    pub(crate) path: PathBuf,
    /// It is the root of the hierarchy: every process of the machine (or container) is below it.
    pub(crate) is_root: bool,
}

/// Finds it, alone or beside cgroup v1. The error says what is missing.
pub(crate) fn own() -> Result<OwnCgroup, String> {
    of("self")
}

fn of(process: &str) -> Result<OwnCgroup, String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    locate(
        &read("/proc/self/mountinfo")?,
        &read(&format!("/proc/{process}/cgroup"))?,
    )
}

/// This process's directory; `None` when it is in no hierarchy of version 2 that is mounted.
pub fn own_directory() -> Option<PathBuf> {
    own().ok().map(|own| own.path)
}

/// Moves this process, and so what it starts from now on, to the cgroup v2 directory of another.
///
/// # Errors
/// The kernel's reason, with the directory.
pub fn join(pid: u32) -> Result<(), String> {
    let wanted = of(&pid.to_string())?;
    if own().is_ok_and(|own| own.path == wanted.path) {
        return Ok(());
    }
    let file = wanted.path.join("cgroup.procs");
    fs::write(&file, std::process::id().to_string()).map_err(|error| format!("{}: {error}", file.display()))
}

fn locate(mountinfo: &str, cgroup: &str) -> Result<OwnCgroup, String> {
    let (root, mount) = mountinfo
        .lines()
        .find_map(cgroup2_mount)
        .ok_or("no cgroup v2 file system is mounted")?;
    let own = cgroup
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .ok_or("this process is in no cgroup v2 hierarchy")?;
    // A mount of a subtree (a container's) shows only what is below its root.
    let below = if root == "/" {
        own
    } else {
        own.strip_prefix(root).unwrap_or(own)
    };
    let below = below.trim_start_matches('/');
    if below.split('/').any(|part| part == "..") {
        return Err(format!(
            "this process' cgroup ({own}) is outside the mounted hierarchy ({})",
            mount.display()
        ));
    }
    Ok(OwnCgroup {
        path: mount.join(below),
        is_root: below.is_empty(),
    })
}

/// Root and mount point of a cgroup2 line of mountinfo (proc(5): fields 4 and 5, type after the dash).
fn cgroup2_mount(line: &str) -> Option<(&str, &Path)> {
    let (front, back) = line.split_once(" - ")?;
    if back.split(' ').next()? != "cgroup2" {
        return None;
    }
    let mut fields = front.split(' ').skip(3);
    Some((fields.next()?, Path::new(fields.next()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
        31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw\n\
        32 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
    const CONTAINER: &str = "900 800 0:27 /kubepods/pod1 /sys/fs/cgroup ro master:9 - cgroup2 cgroup rw\n";

    #[test]
    fn own_directory() {
        let check =
            |mounts, groups, expected: Result<(&str, bool), &str>| match (locate(mounts, groups), expected) {
                (Ok(found), Ok((path, is_root))) => {
                    assert_eq!((found.path.as_path(), found.is_root), (Path::new(path), is_root));
                }
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (found, expected) => panic!("{found:?}, expected {expected:?}"),
            };
        check(HYBRID, "5:cpu:/x\n0::/\n", Ok(("/sys/fs/cgroup/unified/", true)));
        check(
            HYBRID,
            "0::/system.slice/gateway.service\n",
            Ok(("/sys/fs/cgroup/unified/system.slice/gateway.service", false)),
        );
        check(
            CONTAINER,
            "0::/kubepods/pod1/container\n",
            Ok(("/sys/fs/cgroup/container", false)),
        );
        check(CONTAINER, "0::/\n", Ok(("/sys/fs/cgroup/", true)));
        check(CONTAINER, "0::/../pod2\n", Err("outside the mounted hierarchy"));
        check(
            "1 2 0:3 / /proc rw - proc proc rw\n",
            "0::/\n",
            Err("no cgroup v2 file system"),
        );
        check(HYBRID, "5:cpu:/x\n", Err("no cgroup v2 hierarchy"));
    }
}
