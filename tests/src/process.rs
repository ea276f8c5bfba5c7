//! Child processes of the laboratory: started in a namespace and cgroup, logged to a file, ended by pid.

use std::{
    fs::File,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use crate::{
    leftovers::{Guard, Leftover},
    wait,
};

/// How long a process may take to end after SIGTERM before it is killed: more than the agent's drain in tests.
const END_DEADLINE: Duration = Duration::from_secs(10);

/// A running child that does not outlive its owner.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    guard: Guard,
    kept: bool,
}

impl Process {
    /// Starts `command` with its output in `log`. It leads a process group of its own, so that ctrl-c in the
    /// terminal reaches only us and the end stays in order.
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out.try_clone().context("cannot share the log file")?)
            .stderr(out);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let guard = Guard::new(Leftover::Process(child.id().cast_signed()));
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
            guard,
            kept: false,
        })
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.nix_pid(), signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Asks the process to end and waits; kills it when it does not. Gives its status.
    pub fn end(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            self.guard.gone();
            return Ok(status);
        }
        self.signal(Signal::SIGTERM)?;
        let ended = wait::until(&format!("the end of {}", self.name), END_DEADLINE, || {
            self.child.try_wait().ok().flatten()
        });
        let status = match ended {
            Ok(status) => status,
            Err(_) => {
                killpg(self.nix_pid(), Signal::SIGKILL)?;
                self.child.wait()?
            }
        };
        self.guard.gone();
        Ok(status)
    }

    /// The exit status when the process has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Leaves the process running when the owner is dropped (`demo --keep`).
    pub fn keep(&mut self) {
        self.guard.keep();
        self.kept = true;
    }

    /// Process id, for `/proc` and for people.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the process wrote so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Last `lines` of the output, for error messages.
    pub fn tail(&self, lines: usize) -> String {
        let output = self.output();
        let all: Vec<&str> = output.lines().collect();
        all.get(all.len().saturating_sub(lines)..)
            .unwrap_or_default()
            .join("\n")
    }

    fn nix_pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.kept {
            let _ = self.end();
        }
    }
}

/// Runs a command to its end and gives its standard output; an error carries what it wrote to standard error.
pub fn run(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {shown}"))?;
    anyhow::ensure!(
        output.status.success(),
        "{shown} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where a program is on the search path; the system folders are looked at even when the path lacks them.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"])
        .map(|folder| Path::new(folder).join(program))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn log(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("gateway-process-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_process_ends_with_its_owner_and_its_output_stays() {
        let log = log("owner");
        let process =
            Process::spawn("cat", shell("echo ready; exec cat /dev/zero >/dev/null"), &log).unwrap();
        let pid = process.pid();
        wait::until("the first line", Duration::from_secs(5), || {
            process.output().contains("ready").then_some(())
        })
        .unwrap();
        drop(process);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "ready\n");
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_failed_command_shows_what_it_wrote() {
        let error = run(&mut shell("echo because >&2; exit 3"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("because") && error.contains("exit status: 3"),
            "{error}"
        );
    }

    #[test]
    fn programs_are_found_by_name() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program-anywhere"), None);
    }
}
