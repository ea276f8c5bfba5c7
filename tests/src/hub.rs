//! A hub of the laboratory: `gateway-agent hub` on one of its hosts.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{
    agent::{binary, shell_form},
    client::{Answer, Ask, curl},
    lab::{Host, Lab},
    process::{Process, run},
    wait,
};

/// A debug build reads the examples in well below a second; the rest is a busy machine.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// A running hub.
#[derive(Debug)]
pub struct Hub {
    /// The process.
    pub process: Process,
    host: Host,
    admin_port: u16,
    keys: PathBuf,
    binary: PathBuf,
}

impl Hub {
    /// Starts a hub with these settings beside its own (`hub.admin.address`, `hub.keys.path`), and does not wait.
    pub fn launch(lab: &Lab, host: &Host, settings: &[(String, String)]) -> Result<Self> {
        Self::launch_as(lab, host, settings, &binary()?)
    }

    /// The same with a program of the caller's.
    pub fn launch_as(lab: &Lab, host: &Host, settings: &[(String, String)], binary: &Path) -> Result<Self> {
        let keys = lab.folder().join("hub-keys");
        std::fs::create_dir_all(&keys)?;
        let admin_port = lab.port(host, 4294)?;
        let mut command = host.command(binary);
        command
            .arg("hub")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let own = [
            ("hub.admin.address", host.at(admin_port).to_string()),
            ("hub.keys.path", keys.display().to_string()),
            ("telemetry.logs.std", "json".to_owned()),
            ("config.service.refreshInterval", "1s".to_owned()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        for (name, value) in own.iter().chain(settings) {
            command.env(shell_form(name), value);
        }
        let process = Process::spawn("hub", command, &lab.folder().join("hub.log"))?;
        Ok(Self {
            process,
            host: host.clone(),
            admin_port,
            keys,
            binary: binary.to_owned(),
        })
    }

    /// Starts a hub and waits until it has a configuration.
    pub fn start(lab: &Lab, host: &Host, settings: &[(String, String)]) -> Result<Self> {
        let mut hub = Self::launch(lab, host, settings)?;
        hub.wait_ready()?;
        Ok(hub)
    }

    /// Waits until it has a configuration.
    pub fn wait_ready(&mut self) -> Result<()> {
        let ready = wait::until("the hub to be ready", READY_DEADLINE, || {
            if self.process.ended().is_some() {
                return Some(false);
            }
            self.ask("/ready").ok().filter(|a| a.status == 200).map(|_| true)
        });
        match ready {
            Ok(true) => Ok(()),
            Ok(false) => bail!("the hub ended: {}", self.process.tail(20)),
            Err(error) => Err(error).with_context(|| format!("the hub wrote: {}", self.process.tail(20))),
        }
    }

    /// Asks its administration address.
    pub fn ask(&self, path: &str) -> Result<Answer> {
        let ask = Ask {
            url: format!("http://{}{path}", self.host.at(self.admin_port)),
            ..Ask::default()
        };
        curl(&self.host, &ask)
    }

    /// Its status.
    pub fn status(&self) -> Result<Value> {
        serde_json::from_str(&self.ask("/status")?.body).context("the hub's status is not JSON")
    }

    /// Writes a file beside the gateways' keys.
    pub fn give(&self, file: &str, text: &str) -> Result<()> {
        std::fs::write(self.keys.join(file), text).with_context(|| format!("cannot write {file}"))
    }

    /// A token for `gateway`, made by the agent's own command from the key in `file`.
    pub fn token(&self, gateway: &str, file: &str) -> Result<String> {
        let mut command = std::process::Command::new(&self.binary);
        command.args([
            "token",
            "create",
            "--gateway",
            gateway,
            "--expires-in",
            "1d",
            "--key-file",
        ]);
        Ok(run(command.arg(self.keys.join(file)))?.trim().to_owned())
    }
}
