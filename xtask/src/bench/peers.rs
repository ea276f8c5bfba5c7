//! The proxies that are compared: nginx and haproxy from the distribution, and the agent, each with one worker on
//! one core, the same certificate, the same upstream.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use gateway_tests::{
    certs::Leaf,
    lab::{Host, Lab},
    process::{Process, find},
    wait,
};

use super::{PROXY_CPU, cost};

/// A proxy may take this long to listen on a machine that is busy.
const START_DEADLINE: std::time::Duration = std::time::Duration::from_secs(15);
/// Idle upstream connections a peer may keep: above every connection count that is driven.
const UPSTREAM_KEEPALIVE: u32 = 256;

/// A running proxy.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) plain_port: u16,
    pub(super) tls_port: u16,
    /// Version as the program says it.
    pub(super) version: String,
    process: Process,
}

/// What every peer is given.
pub(super) struct Ground<'a> {
    pub(super) lab: &'a Lab,
    pub(super) host: &'a Host,
    pub(super) upstream: std::net::SocketAddr,
    pub(super) leaf: &'a Leaf,
}

impl Peer {
    /// nginx as a reverse proxy.
    pub(super) fn nginx(ground: &Ground<'_>) -> Result<Self> {
        let (plain_port, tls_port) = (10080, 10443);
        let program = find("nginx").context("nginx is not installed (package nginx-light)")?;
        let folder = folder(ground.lab, "peer-nginx")?;
        let config = folder.join("nginx.conf");
        std::fs::write(&config, nginx_config(ground, &folder, plain_port, tls_port))?;
        let arguments = ["-e", "/dev/null", "-c"]
            .map(PathBuf::from)
            .into_iter()
            .chain([config]);
        let version = version(&program, "-v")?;
        Self::start(
            "nginx",
            ground,
            &program,
            arguments.collect(),
            plain_port,
            tls_port,
            version,
        )
    }

    /// haproxy as a reverse proxy.
    pub(super) fn haproxy(ground: &Ground<'_>) -> Result<Self> {
        let (plain_port, tls_port) = (11080, 11443);
        let program = find("haproxy").context("haproxy is not installed (package haproxy)")?;
        let folder = folder(ground.lab, "peer-haproxy")?;
        let pem = folder.join("both.pem");
        std::fs::write(
            &pem,
            std::fs::read_to_string(&ground.leaf.chain)? + &std::fs::read_to_string(&ground.leaf.key)?,
        )?;
        let config = folder.join("haproxy.cfg");
        std::fs::write(&config, haproxy_config(ground, &pem, plain_port, tls_port))?;
        let version = version(&program, "-v")?;
        let arguments = vec![PathBuf::from("-db"), PathBuf::from("-f"), config];
        Self::start(
            "haproxy", ground, &program, arguments, plain_port, tls_port, version,
        )
    }

    /// A proxy that somebody else started.
    pub(super) fn adopt(name: &'static str, process: Process, ports: (u16, u16), version: String) -> Self {
        Self {
            name,
            plain_port: ports.0,
            tls_port: ports.1,
            version,
            process,
        }
    }

    /// CPU time of all its processes so far.
    pub(super) fn cpu(&self) -> Result<std::time::Duration> {
        self.pids().into_iter().map(cost::cpu).sum()
    }

    /// Memory of all its processes, KiB.
    pub(super) fn memory_kib(&self) -> Result<u64> {
        self.pids().into_iter().map(cost::memory_kib).sum()
    }

    fn pids(&self) -> Vec<u32> {
        let mut pids = vec![self.process.pid()];
        pids.extend(cost::children(self.process.pid()));
        pids
    }

    fn start(
        name: &'static str,
        ground: &Ground<'_>,
        program: &Path,
        arguments: Vec<PathBuf>,
        plain_port: u16,
        tls_port: u16,
        version: String,
    ) -> Result<Self> {
        let mut command = ground.host.wrapped(&["taskset", "-c", PROXY_CPU], program);
        command.args(arguments);
        let process = Process::spawn(name, command, &ground.lab.folder().join(format!("{name}.log")))?;
        let peer = Self {
            name,
            plain_port,
            tls_port,
            version,
            process,
        };
        for port in [plain_port, tls_port] {
            wait::until(&format!("{name} on port {port}"), START_DEADLINE, || {
                ground.host.connect(ground.host.at(port)).ok().map(drop)
            })
            .with_context(|| format!("it wrote: {}", peer.process.tail(5)))?;
        }
        Ok(peer)
    }
}

fn folder(lab: &Lab, name: &str) -> Result<PathBuf> {
    let folder = lab.folder().join(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn version(program: &Path, flag: &str) -> Result<String> {
    let output = std::process::Command::new(program).arg(flag).output()?;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let first = text.lines().next().unwrap_or_default();
    let number = first
        .split([' ', '/'])
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    Ok(number.unwrap_or("unknown").to_owned())
}

// Sessions are never resumed: every new connection is a full handshake, as for the agent's clients here.
fn nginx_config(ground: &Ground<'_>, folder: &Path, plain: u16, tls: u16) -> String {
    let Ground {
        upstream, leaf, host, ..
    } = ground;
    let address = host.address;
    let (chain, key, folder) = (leaf.chain.display(), leaf.key.display(), folder.display());
    format!(
        "user root;\ndaemon off;\nworker_processes 1;\npid {folder}/pid;\nevents {{ worker_connections 8192; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 100000000;\n  keepalive_timeout 300s;\n\
         client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n  fastcgi_temp_path {folder}/f;\n\
         uwsgi_temp_path {folder}/u;\n  scgi_temp_path {folder}/s;\n\
         upstream up {{ server {upstream}; keepalive {UPSTREAM_KEEPALIVE}; keepalive_requests 100000000; }}\n\
         server {{\n    listen {address}:{plain};\n    listen {address}:{tls} ssl http2;\n\
         ssl_certificate {chain};\n    ssl_certificate_key {key};\n    ssl_protocols TLSv1.2 TLSv1.3;\n\
         ssl_session_cache off;\n    ssl_session_tickets off;\n\
         location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; }}\n  }}\n}}\n"
    )
}

fn haproxy_config(ground: &Ground<'_>, pem: &Path, plain: u16, tls: u16) -> String {
    let Ground { upstream, host, .. } = ground;
    let address = host.address;
    format!(
        "global\n  nbthread 1\n  maxconn 4000\n  tune.ssl.cachesize 0\n  ssl-default-bind-options no-tls-tickets\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 300s\n  timeout server 300s\n  http-reuse always\n\
         frontend f\n  bind {address}:{plain}\n  bind {address}:{tls} ssl crt {pem} alpn h2,http/1.1\n\
         default_backend b\nbackend b\n  option forwardfor\n  server s {upstream} pool-max-conn {UPSTREAM_KEEPALIVE}\n",
        pem = pem.display()
    )
}
