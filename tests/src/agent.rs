//! The real agent on the laboratory's node, and what its administration endpoint says.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{
    client::{Ask, curl},
    lab::Lab,
    process::Process,
    wait,
};

/// A debug build reads the examples in well below a second; the rest is a busy machine.
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// Requests and connections that the agent keeps for `/requests` and `/connections`: more than a test makes.
const KEPT: &str = "10000";

/// How to start an agent.
#[derive(Clone, Debug)]
pub struct Start {
    /// APIOps artifact folder.
    pub artifacts: PathBuf,
    /// Overlay file.
    pub overlay: PathBuf,
    /// Further settings by official name; they win over the laboratory's own.
    pub settings: Vec<(String, String)>,
    /// The program; `None` builds it.
    pub binary: Option<PathBuf>,
    /// Program put before it, such as `taskset -c 0`.
    pub wrapper: Vec<String>,
    /// Part of the log's file name, for laboratories with several agents.
    pub name: &'static str,
    /// Port of the administration endpoint in a namespace.
    pub admin_port: u16,
}

impl Start {
    /// The usual start from a folder and an overlay.
    pub fn new(artifacts: impl Into<PathBuf>, overlay: impl Into<PathBuf>) -> Self {
        Self {
            artifacts: artifacts.into(),
            overlay: overlay.into(),
            settings: Vec::new(),
            binary: None,
            wrapper: Vec::new(),
            name: "agent",
            admin_port: 4292,
        }
    }

    /// Adds a setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }
}

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    /// The process.
    pub process: Process,
    admin: SocketAddr,
    host: crate::lab::Host,
}

impl Agent {
    /// Starts the agent on the lab's node and waits until it is ready for traffic.
    pub fn start(lab: &Lab, start: &Start) -> Result<Self> {
        let mut agent = Self::launch(lab, start)?;
        agent.wait_ready()?;
        Ok(agent)
    }

    /// Starts the agent without waiting for anything.
    pub fn launch(lab: &Lab, start: &Start) -> Result<Self> {
        let binary = match &start.binary {
            Some(binary) => binary.clone(),
            None => binary()?,
        };
        let host = lab.node.loopback();
        let admin = host.at(lab.port(&host, start.admin_port)?);
        let mut command = match start.wrapper.split_first() {
            None => lab.node_command(&binary),
            Some((first, rest)) => {
                let mut command = lab.node_command(Path::new(first));
                command.args(rest).arg(&binary);
                command
            }
        };
        command
            .arg("run")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let own = [
            ("config.artifacts.path", start.artifacts.display().to_string()),
            ("config.overlay.path", start.overlay.display().to_string()),
            ("admin.address", admin.to_string()),
            ("admin.requests", KEPT.to_owned()),
            ("admin.connections", KEPT.to_owned()),
            ("telemetry.logs.std", "json".to_owned()),
            ("telemetry.metrics.prometheus.port", "0".to_owned()),
        ];
        let given = start
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()));
        for (name, value) in own.into_iter().chain(given) {
            command.env(shell_form(name), value);
        }
        let log = lab.folder().join(format!("{}.log", start.name));
        let process = Process::spawn(start.name, command, &log)?;
        Ok(Self { process, admin, host })
    }

    /// Waits until `/ready` says 200.
    pub fn wait_ready(&mut self) -> Result<()> {
        let ready = wait::until("the agent to be ready", READY_DEADLINE, || {
            if self.process.ended().is_some() {
                return Some(false);
            }
            self.ask("GET", "/ready")
                .ok()
                .filter(|answer| answer.status == 200)
                .map(|_| true)
        });
        match ready {
            Ok(true) => Ok(()),
            Ok(false) => bail!("the agent ended: {}", self.process.tail(20)),
            Err(error) => Err(error).with_context(|| format!("the agent wrote: {}", self.process.tail(20))),
        }
    }

    /// A JSON document of the administration endpoint.
    pub fn json(&self, path: &str) -> Result<Value> {
        let answer = self.ask("GET", path)?;
        anyhow::ensure!(
            answer.status == 200,
            "GET {path}: status {}: {}",
            answer.status,
            answer.body
        );
        serde_json::from_str(&answer.body).with_context(|| format!("GET {path} is not JSON"))
    }

    /// The Prometheus figures, as sample name with labels, and value.
    pub fn metrics(&self) -> Result<Vec<(String, f64)>> {
        Ok(samples(&self.ask("GET", "/metrics")?.body))
    }

    /// Sum of all samples of one metric whose labels contain every given text.
    pub fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let samples = self.metrics()?;
        let matching = samples.iter().filter(|(sample, _)| {
            sample.split('{').next() == Some(name) && labels.iter().all(|label| sample.contains(label))
        });
        Ok(matching.map(|(_, value)| value).sum())
    }

    /// Asks the administration endpoint.
    pub fn ask(&self, method: &'static str, path: &str) -> Result<crate::client::Answer> {
        curl(
            &self.host,
            &Ask {
                method,
                url: format!("http://{}{path}", self.admin),
                ..Ask::default()
            },
        )
    }

    /// Where the administration endpoint answers, on the node's loopback.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }
}

/// The agent of this workspace, built on first use in the profile that runs.
pub fn binary() -> Result<PathBuf> {
    static BUILT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| build().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(anyhow::Error::msg)
}

fn build() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("GATEWAY_AGENT_BINARY") {
        return Ok(given.into());
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the package has no parent folder")?;
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--quiet",
            "--package",
            "gateway-agent",
            "--message-format",
            "json-render-diagnostics",
        ])
        .current_dir(workspace)
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo")?;
    anyhow::ensure!(
        output.status.success(),
        "the agent does not build: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let messages = String::from_utf8_lossy(&output.stdout);
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "gateway-agent")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo named no executable for gateway-agent")
}

// The form of a setting's name that a shell can carry: `sh` drops names with dots.
pub(crate) fn shell_form(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}

fn samples(text: &str) -> Vec<(String, f64)> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (sample, value) = line.rsplit_once(' ')?;
            Some((sample.to_owned(), value.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_keep_their_labels() {
        let text = "# HELP a b\na{x=\"y z\"} 3\nb 1.5\n";
        assert_eq!(
            samples(text),
            [("a{x=\"y z\"}".to_owned(), 3.0), ("b".to_owned(), 1.5)]
        );
    }

    #[test]
    fn setting_names_survive_a_shell() {
        assert_eq!(shell_form("net.server.http.port"), "NET_SERVER_HTTP_PORT");
        assert_eq!(shell_form("tag-format"), "TAG_FORMAT");
    }
}
