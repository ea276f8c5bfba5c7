//! The usual scene: three hosts, nginx, certificates and the agent with the configuration of `examples/`.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    agent::{Agent, Start},
    certs::Authority,
    client::{Answer, Ask, curl},
    lab::{Lab, Mode},
    upstream::Upstream,
    wait,
};

/// How long the record of a request may take after its last byte.
const RECORD_DEADLINE: Duration = Duration::from_secs(2);

/// Name of the gateway entity in `examples/`.
pub const GATEWAY: &str = "node";
/// Roles of the upstream, in the order of their ports in `examples/`, which count from 9001.
pub const ROLES: &[&str] = &["on-prem-api", "cloud-api", "echo"];

/// Everything that runs. Parts are dropped in this order: who uses a host goes before the host.
#[derive(Debug)]
pub struct Scene {
    /// The agent.
    pub agent: Agent,
    /// nginx.
    pub upstream: Upstream,
    /// The hosts.
    pub lab: Lab,
    /// Who signed the node's certificates.
    pub authority: Authority,
    /// Port of the plain listener.
    pub plain_port: u16,
    /// Port of the TLS listener.
    pub tls_port: u16,
}

/// What differs from the usual scene.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Further settings by official name.
    pub settings: Vec<(&'static str, String)>,
    /// Texts of the overlay and their replacements, after the addresses were filled in.
    pub overlay: Vec<(String, String)>,
    /// Files of the artifact folder that are added or replaced.
    pub artifacts: Vec<(&'static str, String)>,
    /// The agent; `None` builds it.
    pub binary: Option<PathBuf>,
}

impl Options {
    /// Adds a setting.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((name, value.into()));
        self
    }

    /// Adds or replaces a file of the artifact folder.
    #[must_use]
    pub fn file(mut self, path: &'static str, text: impl Into<String>) -> Self {
        self.artifacts.push((path, text.into()));
        self
    }
}

impl Scene {
    /// Starts everything and waits until the agent is ready.
    pub fn start(mode: Mode, options: &Options) -> Result<Self> {
        let lab = Lab::new(mode)?;
        let upstream = Upstream::start(&lab, ROLES)?;
        let authority = Authority::new(&lab.folder().join("certs"))?;
        authority.leaf("gateway", &["gateway.example"])?;
        let plain_port = lab.port(&lab.node, 8080)?;
        let tls_port = lab.port(&lab.node, 8081)?;
        let changes = changes(&lab, &upstream, plain_port, tls_port)?;
        let artifacts = lab.folder().join("artifacts");
        copy(&workspace().join("examples/artifacts"), &artifacts, &changes)?;
        for (path, text) in &options.artifacts {
            write(&artifacts.join(path), &replaced(text.clone(), &changes))?;
        }
        let overlay = lab.folder().join("overlay.yaml");
        copy(&workspace().join("examples/overlay.yaml"), &overlay, &changes)?;
        let text = std::fs::read_to_string(&overlay)?;
        write(&overlay, &replaced(text, &options.overlay))?;
        let mut start = Start::new(artifacts, overlay)
            .with("gateway.name", GATEWAY)
            .with("limits.drain.timeout", "5s")
            .with("config.service.refreshInterval", "1s");
        for (name, value) in &options.settings {
            start = start.with(name, value.clone());
        }
        start.binary.clone_from(&options.binary);
        let agent = Agent::start(&lab, &start)?;
        Ok(Self {
            agent,
            upstream,
            lab,
            authority,
            plain_port,
            tls_port,
        })
    }

    /// Leaves everything running.
    pub fn keep(&mut self) {
        self.agent.process.keep();
        self.upstream.process.keep();
        self.lab.keep();
    }

    /// The plain listener as clients reach it.
    pub fn plain(&self) -> SocketAddr {
        self.lab.node.at(self.plain_port)
    }

    /// The TLS listener as clients reach it.
    pub fn tls(&self) -> SocketAddr {
        self.lab.node.at(self.tls_port)
    }

    /// A request to the plain listener over HTTP/1.1.
    pub fn ask(&self, path: &str) -> Ask {
        Ask {
            url: format!("http://{}{path}", self.plain()),
            options: vec!["--http1.1".to_owned()],
            from: Some(IpAddr::V4(self.lab.client.address)),
            ..Ask::default()
        }
    }

    /// A request to the TLS listener under a host name, the authority trusted, with curl's options given.
    pub fn ask_tls(&self, host: &str, path: &str, options: &[&str]) -> Ask {
        let mut all: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        all.extend([
            "--cacert".to_owned(),
            self.authority.certificate().display().to_string(),
        ]);
        all.extend(["--connect-to".to_owned(), format!("::{}:", self.lab.node.address)]);
        Ask {
            url: format!("https://{host}:{}{path}", self.tls_port),
            options: all,
            from: Some(IpAddr::V4(self.lab.client.address)),
            ..Ask::default()
        }
    }

    /// Sends a request from the client.
    pub fn send(&self, ask: &Ask) -> Result<Answer> {
        curl(&self.lab.client, ask)
    }

    /// Sends a request and gives also the agent's record of it, which is written just after the last byte.
    ///
    /// Only right while no other request is under way.
    pub fn send_recorded(&self, ask: &Ask) -> Result<(Answer, Option<Value>)> {
        let known = self.records()?.len();
        let answer = self.send(ask)?;
        let record = wait::until("the record of a request", RECORD_DEADLINE, || {
            let mut records = self.records().ok()?;
            (records.len() > known).then(|| records.pop()).flatten()
        });
        Ok((answer, record.ok()))
    }

    /// The agent's records of finished requests, oldest first.
    pub fn records(&self) -> Result<Vec<Value>> {
        let mut records = self
            .agent
            .json("/requests")?
            .as_array()
            .cloned()
            .unwrap_or_default();
        records.sort_by_key(|record| record["timeGenerated"].to_string());
        Ok(records)
    }

    /// A plain GET with an optional subscription key.
    pub fn get(&self, path: &str, key: Option<&str>) -> Result<Answer> {
        let mut ask = self.ask(path);
        ask.headers
            .extend(key.map(|key| format!("Ocp-Apim-Subscription-Key: {key}")));
        self.send(&ask)
    }

    /// The artifact folder that the agent watches.
    pub fn artifacts(&self) -> PathBuf {
        self.lab.folder().join("artifacts")
    }

    /// The overlay file.
    pub fn overlay(&self) -> PathBuf {
        self.lab.folder().join("overlay.yaml")
    }
}

/// The workspace root.
pub fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

// The examples as they are, except for addresses that this machine had to choose otherwise.
fn changes(lab: &Lab, upstream: &Upstream, plain: u16, tls: u16) -> Result<Vec<(String, String)>> {
    let mut changes = Vec::new();
    for (role, port) in ROLES.iter().zip(9001..) {
        changes.push((format!("198.51.100.2:{port}"), upstream.role(role)?.to_string()));
    }
    changes.push(("port: 8080".to_owned(), format!("port: {plain}")));
    changes.push(("port: 8081".to_owned(), format!("port: {tls}")));
    changes.push(("certs/".to_owned(), format!("{}/certs/", lab.folder().display())));
    changes.push(("192.0.2.66".to_owned(), lab.denied_client.to_string()));
    if lab.mode == Mode::Loopback {
        changes.push(("0.0.0.0".to_owned(), "127.0.0.1".to_owned()));
        changes.push(("[down0]".to_owned(), "[lo]".to_owned()));
    }
    Ok(changes)
}

fn copy(from: &Path, to: &Path, changes: &[(String, String)]) -> Result<()> {
    if !from.is_dir() {
        let text =
            std::fs::read_to_string(from).with_context(|| format!("cannot read {}", from.display()))?;
        return write(to, &replaced(text, changes));
    }
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()), changes)?;
    }
    Ok(())
}

fn replaced(mut text: String, changes: &[(String, String)]) -> String {
    for (old, new) in changes {
        text = text.replace(old, new);
    }
    text
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a file without a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
