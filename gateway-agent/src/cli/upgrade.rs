//! `upgrade`: starts a new process beside the running agent and watches it take over.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs, io,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
    process::Child,
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use super::output::{Exit, complain, print};
use crate::upgrade::{self, Successor, Who};

/// How often the new process is looked at.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Args, Debug)]
pub(super) struct UpgradeArgs {
    /// Settings file of the running agent [default: $GATEWAY_SETTINGS_FILE]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Program of the new process [default: this one]
    #[arg(long, value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// Seconds until a new process that does not serve is ended
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
}

pub(super) fn main(args: &UpgradeArgs) -> Exit {
    let settings = crate::settings::gather(args.settings.as_deref()).settings;
    let Some(name) = settings.upgrade_socket else {
        complain("upgrade.socket is `none`: nothing can take over");
        return Exit::Usage;
    };
    let old = match upgrade::who(&name) {
        Ok(old) => old,
        Err(error) => {
            complain(&format!(
                "no agent waits for a successor at {name}: {error}\nIs it running in this network namespace, as this user, \
                 with the same upgrade.socket?"
            ));
            return Exit::Unreachable;
        }
    };
    let begun = Instant::now();
    let mut child = match start(args, &old) {
        Ok(child) => child,
        Err(error) => {
            complain(&format!("the new process cannot be started: {error}"));
            return Exit::Problem;
        }
    };
    print(&format!(
        "pid {} (version {}, generation {}) serves; pid {} started\n",
        old.pid,
        old.version,
        old.generation,
        child.id()
    ));
    match watch(&name, &mut child, begun + Duration::from_secs(args.timeout)) {
        Ok(new) => {
            print(&format!(
                "pid {} (version {}, generation {}) serves after {:.1} s; pid {} drains\n",
                new.pid,
                new.version,
                new.generation,
                begun.elapsed().as_secs_f64(),
                old.pid
            ));
            Exit::Ok
        }
        Err(reason) => {
            complain(&format!("{reason}; pid {} goes on serving", old.pid));
            Exit::Problem
        }
    }
}

/// Starts the new process as the old one was started.
fn start(args: &UpgradeArgs, old: &Who) -> io::Result<Child> {
    let process = PathBuf::from(format!("/proc/{}", old.pid));
    if let Err(error) = gateway_loader::cgroup::join(old.pid) {
        complain(&format!(
            "the new process stays in this command's control group, where connections are accounted: {error}"
        ));
    }
    let program = match &args.program {
        Some(program) => program.clone(),
        None => std::env::current_exe()?,
    };
    // The command line and environment of the old process; without the right to read them, this one's.
    let mut line: VecDeque<OsString> = split(&process.join("cmdline"));
    line.pop_front();
    let arguments = if line.front().is_some_and(|first| first == "run") {
        line.into()
    } else {
        let settings = args.settings.iter();
        let settings = settings.flat_map(|path| [OsString::from("--settings"), path.clone().into()]);
        std::iter::once(OsString::from("run")).chain(settings).collect()
    };
    let environment: Vec<_> = split(&process.join("environ"))
        .into_iter()
        .filter_map(|pair| {
            let bytes = pair.into_vec();
            let at = bytes.iter().position(|octet| *octet == b'=')?;
            let (name, value) = bytes.split_at(at);
            Some((
                OsString::from_vec(name.to_vec()),
                OsString::from_vec(value.get(1..)?.to_vec()),
            ))
        })
        .collect();
    Successor {
        program,
        arguments,
        environment: (!environment.is_empty()).then_some(environment),
        folder: fs::read_link(process.join("cwd")).ok(),
        output_of: Some(old.pid),
    }
    .start()
}

fn split(path: &Path) -> VecDeque<OsString> {
    let text = fs::read(path).unwrap_or_default();
    text.split(|octet| *octet == 0)
        .filter(|part| !part.is_empty())
        .map(|part| OsString::from_vec(part.to_vec()))
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command line without a runtime: another process's end and start are looked at, not awaited"
)]
/// Waits until the child waits for a successor of its own: then it has taken over.
fn watch(name: &str, child: &mut Child, deadline: Instant) -> Result<Who, String> {
    loop {
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => return Err(format!("the new process ended ({status}) before it served")),
            Err(error) => return Err(format!("the new process cannot be watched: {error}")),
        }
        if let Ok(new) = upgrade::who(name)
            && new.pid == child.id()
        {
            return Ok(new);
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err("the new process did not serve in time and was ended".to_owned());
        }
        thread::sleep(PAUSE);
    }
}
