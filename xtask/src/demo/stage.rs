//! The demo's stage: what is missing is set up, everything is built, hosts, upstreams and agent are started.

use anyhow::Result;
use gateway_tests::{
    lab::{Mode, namespaces_missing},
    scene::{Options, Scene},
};

use crate::{
    bpf, packages,
    shell::{complain, say},
};

/// Everything that runs, and what could not.
pub(super) struct Stage {
    pub(super) scene: Scene,
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
        // Without root the agent itself says of each hook what it lacks.
        let root = nix::unistd::geteuid().is_root();
        let mut options =
            Options::default().with("kernel.mode", if kernel || !root { "auto" } else { "off" });
        options.binary = Some(binary);
        let scene = Scene::start(mode, &options)?;
        Ok(Self {
            scene,
            kernel,
            missing,
        })
    }

    /// Leaves everything running and says how to talk to it and how to end it.
    pub(super) fn keep(&mut self) {
        self.scene.keep();
        let Scene {
            agent,
            upstream,
            lab,
            authority,
            tls_port,
            ..
        } = &self.scene;
        let enter = |name: Option<&str>| {
            name.map(|name| format!("ip netns exec {name} "))
                .unwrap_or_default()
        };
        let client = enter(lab.client.namespace());
        let node = enter(lab.node.namespace());
        let folder = lab.folder().display();
        say("\nLeft running. Talk to it with\n");
        say(&format!(
            "  {client}curl -i http://{}/place/where",
            self.scene.plain()
        ));
        say(&format!(
            "  {client}curl -i --cacert {} --connect-to ::{}: -H 'Ocp-Apim-Subscription-Key: echo-key-1' \
             https://gateway.example:{tls_port}/echo/get",
            authority.certificate().display(),
            lab.node.address,
        ));
        say(&format!("  {node}curl http://{}/help", agent.admin()));
        say(&format!("\nConfiguration, certificates and logs: {folder}"));
        say("The agent watches the configuration: change a file there and look at /status.");
        say("\nEnd it with\n");
        say(&format!(
            "  kill {} {}",
            agent.process.pid(),
            upstream.process.pid()
        ));
        for host in [&lab.client, &lab.node, &lab.upstream] {
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
