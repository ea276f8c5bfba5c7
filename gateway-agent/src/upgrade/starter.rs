//! Starting the successor: by `gateway-agent upgrade`, and by USR2.

use std::{
    io,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// How a successor is started.
#[derive(Debug, Default)]
pub(crate) struct Successor {
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments; `--take-over` is added.
    pub(crate) arguments: Vec<std::ffi::OsString>,
    /// Its environment; `None`: this process's.
    pub(crate) environment: Option<Vec<(std::ffi::OsString, std::ffi::OsString)>>,
    /// Its working folder; `None`: this process's.
    pub(crate) folder: Option<PathBuf>,
    /// The process whose output it goes on with; `None`: this one's. It outlives the starter, so it must not keep the
    /// starter's output open.
    pub(crate) output_of: Option<u32>,
}

/// The option of `run` that a successor has.
const OPTION: &str = "--take-over";

impl Successor {
    /// Starts it in a process group of its own, so that a Ctrl-C meant for the starter does not end it.
    pub(crate) fn start(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        let own =
            |argument: &&std::ffi::OsString| !argument.as_encoded_bytes().starts_with(OPTION.as_bytes());
        command.args(self.arguments.iter().filter(own));
        command.arg(OPTION).stdin(Stdio::null()).process_group(0);
        if let Some(environment) = &self.environment {
            command.env_clear().envs(environment.iter().cloned());
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        if let Some(pid) = self.output_of {
            if let Some(file) = output(pid, 1) {
                command.stdout(file);
            }
            if let Some(file) = output(pid, 2) {
                command.stderr(file);
            }
        }
        command.spawn()
    }
}

/// What a descriptor of another process writes to. `None` for what cannot be opened again: the socket of a service manager,
/// which is this process's as well.
fn output(pid: u32, descriptor: u32) -> Option<std::fs::File> {
    std::fs::File::options()
        .append(true)
        .open(format!("/proc/{pid}/fd/{descriptor}"))
        .ok()
}

/// Starts the program of this process again, beside it, with its arguments and environment. `program` is where this
/// process was started from: a new version lies there by now.
pub(crate) fn start_beside(program: PathBuf) -> io::Result<Child> {
    Successor {
        program,
        arguments: std::env::args_os().skip(1).collect(),
        ..Successor::default()
    }
    .start()
}
