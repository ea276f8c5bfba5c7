//! The demo's stage: what is missing is set up, everything is built, hosts, upstreams and agent are started.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use gateway_tests::{
    agent::{Agent, Start},
    certs::Authority,
    lab::{Lab, Mode, namespaces_missing},
    upstream::Upstream,
};

use crate::{
    bpf, packages,
    shell::{complain, root, say},
};

/// Name of the gateway entity in examples/.
const GATEWAY: &str = "node";
/// Roles of the upstream, in the order of their ports in examples/.
const ROLES: &[&str] = &["on-prem-api", "cloud-api", "echo"];

/// Everything that runs.
pub(super) struct Stage {
    // Dropped in this order: who uses a host goes before the host.
    pub(super) agent: Agent,
    pub(super) upstream: Upstream,
    pub(super) lab: Lab,
    pub(super) authority: Authority,
    pub(super) plain_port: u16,
    pub(super) tls_port: u16,
    /// The kernel programs were built and may be loaded.
    pub(super) kernel: bool,
    /// What this machine lacks, and what that means.
    pub(super) missing: Vec<String>,
}

impl Stage {
    /// Sets up, builds and starts everything, with progress on standard error.
    pub(super) fn set_up(loopback: bool, bpf: bool) -> Result<Self> {
        let mut missing = Vec::new();
        complain("checking packages");
        packages::ensure(packages::LAB)?;
        let mode = choose_mode(loopback, &mut missing);
        let kernel = mode == Mode::Namespaces && kernel_programs(bpf, &mut missing);
        complain("building the agent");
        let binary = gateway_tests::agent::binary()?;
        complain("starting three hosts, nginx and the agent");
        let lab = Lab::new(mode)?;
        let upstream = Upstream::start(&lab, ROLES)?;
        let certs = lab.folder().join("certs");
        let authority = Authority::new(&certs)?;
        authority.leaf("gateway", &["gateway.example"])?;
        let plain_port = lab.port(&lab.node, 8080)?;
        let tls_port = lab.port(&lab.node, 8081)?;
        let (artifacts, overlay) = configuration(&lab, &upstream, plain_port, tls_port)?;
        let mut start = Start::new(artifacts, overlay)
            .with("gateway.name", GATEWAY)
            .with("kernel.mode", if kernel { "auto" } else { "off" })
            .with("limits.drain.timeout", "5s");
        start.binary = Some(binary);
        let agent = Agent::start(&lab, &start)?;
        Ok(Self {
            agent,
            upstream,
            lab,
            authority,
            plain_port,
            tls_port,
            kernel,
            missing,
        })
    }

    /// Leaves everything running and says how to talk to it and how to end it.
    pub(super) fn keep(&mut self) {
        self.agent.process.keep();
        self.upstream.process.keep();
        self.lab.keep();
        let enter = |name: Option<&str>| {
            name.map(|name| format!("ip netns exec {name} "))
                .unwrap_or_default()
        };
        let client = enter(self.lab.client.namespace());
        let node = enter(self.lab.node.namespace());
        let folder = self.lab.folder().display();
        say("\nLeft running. Talk to it with\n");
        say(&format!(
            "  {client}curl -i http://{}:{}/place/where",
            self.lab.node.address, self.plain_port
        ));
        say(&format!(
            "  {client}curl -i --cacert {} --connect-to ::{}: -H 'Ocp-Apim-Subscription-Key: echo-key-1' https://gateway.example:{}/echo/get",
            self.authority.certificate().display(),
            self.lab.node.address,
            self.tls_port
        ));
        say(&format!("  {node}curl http://{}/help", self.agent.admin()));
        say(&format!(
            "\nConfiguration, certificates and logs: {folder}. A change of the folder is taken up while it runs."
        ));
        say("\nEnd it with\n");
        say(&format!(
            "  kill {} {}",
            self.agent.process.pid(),
            self.upstream.process.pid()
        ));
        for host in [&self.lab.client, &self.lab.node, &self.lab.upstream] {
            if let Some(name) = host.namespace() {
                say(&format!("  ip netns delete {name}"));
            }
        }
        say(&format!("  rm -r {folder}"));
    }
}

fn choose_mode(loopback: bool, missing: &mut Vec<String>) -> Mode {
    if loopback {
        missing.push("three hosts: --loopback was given, so all play on 127.0.0.0/8".to_owned());
        return Mode::Loopback;
    }
    match namespaces_missing() {
        None => Mode::Namespaces,
        Some(why) => {
            complain(&format!("loopback instead of three hosts: {why}"));
            missing.push(format!("three hosts and kernel hooks: {why}"));
            Mode::Loopback
        }
    }
}

fn kernel_programs(wanted: bool, missing: &mut Vec<String>) -> bool {
    if !wanted {
        missing.push("kernel hooks: --no-bpf was given".to_owned());
        return false;
    }
    complain("setting up the BPF toolchain and building the kernel programs");
    match bpf::setup().and_then(|()| bpf::build()) {
        Ok(object) => {
            complain(&format!("kernel programs: {}", object.display()));
            true
        }
        Err(error) => {
            complain(&format!("userspace instead of kernel hooks: {error:#}"));
            missing.push(format!("kernel hooks: {error:#}"));
            false
        }
    }
}

// The examples as they are, except for addresses that this machine had to choose otherwise. The copy is what
// `--keep` lets people edit.
fn configuration(lab: &Lab, upstream: &Upstream, plain: u16, tls: u16) -> Result<(PathBuf, PathBuf)> {
    let mut changes = Vec::new();
    for (role, port) in ROLES.iter().zip(9001..) {
        changes.push((format!("198.51.100.2:{port}"), upstream.role(role)?.to_string()));
    }
    changes.push(("port: 8080".to_owned(), format!("port: {plain}")));
    changes.push(("port: 8081".to_owned(), format!("port: {tls}")));
    changes.push((
        "0.0.0.0".to_owned(),
        if lab.mode == Mode::Loopback {
            "127.0.0.1"
        } else {
            "0.0.0.0"
        }
        .to_owned(),
    ));
    changes.push(("192.0.2.66".to_owned(), lab.denied_client.to_string()));
    changes.push((
        "[down0]".to_owned(),
        if lab.mode == Mode::Loopback {
            "[]"
        } else {
            "[down0]"
        }
        .to_owned(),
    ));
    changes.push(("certs/".to_owned(), format!("{}/certs/", lab.folder().display())));
    let artifacts = lab.folder().join("artifacts");
    copy(&root().join("examples/artifacts"), &artifacts, &changes)?;
    let overlay = lab.folder().join("overlay.yaml");
    copy(&root().join("examples/overlay.yaml"), &overlay, &changes)?;
    Ok((artifacts, overlay))
}

fn copy(from: &Path, to: &Path, changes: &[(String, String)]) -> Result<()> {
    if from.is_dir() {
        std::fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()), changes)?;
        }
        return Ok(());
    }
    let mut text =
        std::fs::read_to_string(from).with_context(|| format!("cannot read {}", from.display()))?;
    for (old, new) in changes {
        text = text.replace(old, new);
    }
    std::fs::write(to, text).with_context(|| format!("cannot write {}", to.display()))
}
