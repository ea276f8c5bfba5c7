//! What must be gone when a run ends, also when it ends by ctrl-c: processes, namespaces, cgroups, folders.
//!
//! Each thing is entered in one process-wide list when it is made and crossed out when its owner is dropped.
//! A signal handler thread only has to call [`clear`]. Nothing here ends a process by name: only pids that
//! this process started are in the list.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// One thing that outlives this process unless it is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// A process that we started as the leader of its group.
    Process(i32),
    /// A named network namespace.
    Namespace(String),
    /// A cgroup v2 folder; empty once its processes are gone.
    Cgroup(PathBuf),
    /// A scratch folder under the temporary directory.
    Folder(PathBuf),
}

static LIST: Mutex<Vec<Leftover>> = Mutex::new(Vec::new());

/// Keeps a [`Leftover`] in the list until dropped, then undoes it.
#[derive(Debug)]
pub struct Guard(Option<Leftover>);

impl Guard {
    /// Enters `leftover` in the list.
    pub fn new(leftover: Leftover) -> Self {
        list().push(leftover.clone());
        Self(Some(leftover))
    }

    /// Leaves the thing in place (`demo --keep`).
    pub fn keep(&mut self) {
        if let Some(leftover) = self.0.take() {
            forget(&leftover);
        }
    }

    /// The thing is gone already; only the entry is removed.
    pub fn gone(&mut self) {
        self.keep();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(leftover) = self.0.take() {
            undo(&leftover);
            forget(&leftover);
        }
    }
}

/// Undoes everything in the list, newest first. For the end by signal, where no destructor runs.
pub fn clear() {
    let all = std::mem::take(&mut *list());
    for leftover in all.iter().rev() {
        undo(leftover);
    }
}

fn undo(leftover: &Leftover) {
    match leftover {
        Leftover::Process(pid) => {
            // The whole group: a master that is killed cannot end its workers any more.
            let _ = killpg(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        Leftover::Namespace(name) => {
            let _ = Command::new("ip")
                .args(["netns", "delete", name])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
        Leftover::Cgroup(path) => {
            // The kernel refuses while a killed process is still being reaped.
            let _ = crate::wait::until("an empty cgroup", std::time::Duration::from_secs(2), || {
                (std::fs::remove_dir(path).is_ok() || !path.exists()).then_some(())
            });
        }
        Leftover::Folder(path) => {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

fn forget(leftover: &Leftover) {
    let mut list = list();
    if let Some(at) = list.iter().position(|entry| entry == leftover) {
        list.remove(at);
    }
}

fn list() -> MutexGuard<'static, Vec<Leftover>> {
    // A panic of another test leaves the list as usable as before.
    LIST.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_guard() {
        let path = std::env::temp_dir().join(format!("gateway-leftover-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let guard = Guard::new(Leftover::Folder(path.clone()));
        assert!(list().contains(&Leftover::Folder(path.clone())));
        drop(guard);
        assert!(!path.exists());
        assert!(!list().contains(&Leftover::Folder(path)));
    }

    #[test]
    fn a_kept_folder_stays() {
        let path = std::env::temp_dir().join(format!("gateway-kept-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let mut guard = Guard::new(Leftover::Folder(path.clone()));
        guard.keep();
        drop(guard);
        assert!(path.exists());
        std::fs::remove_dir(&path).unwrap();
    }
}
