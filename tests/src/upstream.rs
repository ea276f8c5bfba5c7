//! Real upstream servers: one nginx from the distribution with a server block per backend role.
//!
//! Each role answers with JSON that says who it is and what it was asked, so that a test can see which
//! backend was chosen and what the agent changed on the way.

use std::{fmt::Write as _, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result};

use crate::{
    lab::{Host, Lab},
    process::{Process, find},
    wait,
};

/// How long nginx may take to listen on a busy two-core machine.
const START_DEADLINE: Duration = Duration::from_secs(10);

/// A running nginx and where each role listens.
#[derive(Debug)]
pub struct Upstream {
    /// The process; its access log is `access.log` in the folder given at start.
    pub process: Process,
    roles: Vec<(String, SocketAddr)>,
}

impl Upstream {
    /// Starts one nginx on the lab's upstream host with the given roles, each on a port of its own.
    pub fn start(lab: &Lab, roles: &[&str]) -> Result<Self> {
        Self::start_on(lab, &lab.upstream, roles, &[])
    }

    /// The same on another host, behind a wrapper such as `taskset -c 1`.
    pub fn start_on(lab: &Lab, host: &Host, roles: &[&str], wrapper: &[&str]) -> Result<Self> {
        let folder = lab.folder().join("upstream");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for (name, size) in [("1k", 1024), ("64k", 65536), ("1m", 1 << 20)] {
            std::fs::write(folder.join(name), vec![b'x'; size])?;
        }
        let mut placed = Vec::new();
        for (role, wished) in roles.iter().zip(9001..) {
            placed.push(((*role).to_owned(), host.at(lab.port(host, wished)?)));
        }
        let config = folder.join("nginx.conf");
        std::fs::write(&config, configuration(&folder, &placed))?;
        let nginx = find("nginx").context("nginx is not installed (package nginx-light)")?;
        let mut command = host.wrapped(wrapper, &nginx);
        command
            .arg("-e")
            .arg(folder.join("error.log"))
            .arg("-c")
            .arg(&config);
        let process = Process::spawn("nginx", command, &folder.join("nginx.out"))?;
        let mut upstream = Self {
            process,
            roles: placed,
        };
        upstream.wait_for(host)?;
        Ok(upstream)
    }

    /// Where a role listens.
    pub fn role(&self, name: &str) -> Result<SocketAddr> {
        let found = self.roles.iter().find(|(role, _)| role == name);
        found
            .map(|(_, address)| *address)
            .with_context(|| format!("no upstream role {name}"))
    }

    fn wait_for(&mut self, host: &Host) -> Result<()> {
        for (role, address) in &self.roles {
            wait::until(&format!("nginx role {role} on {address}"), START_DEADLINE, || {
                host.connect(*address).ok().map(drop)
            })
            .with_context(|| format!("nginx wrote: {}", self.process.tail(5)))?;
        }
        Ok(())
    }
}

fn configuration(folder: &Path, roles: &[(String, SocketAddr)]) -> String {
    let mut servers = String::new();
    for (role, address) in roles {
        let _ = write!(
            servers,
            r#"
  server {{
    listen {address};
    keepalive_requests 1000000;
    location /size/ {{ alias {folder}/; default_type application/octet-stream; }}
    location / {{
      default_type application/json;
      add_header X-Upstream {role} always;
      return 200 '{{"upstream":"{role}","method":"$request_method","uri":"$request_uri","host":"$http_host","peer":"$remote_addr","key":"$http_ocp_apim_subscription_key","added":"$http_x_gateway","user_agent":"$http_user_agent","body_bytes":"$content_length"}}\n';
    }}
    location /status/404 {{ return 404 "upstream says no\n"; }}
    location /status/500 {{ return 500 "upstream is ill\n"; }}
  }}"#,
            folder = folder.display(),
        );
    }
    let user = if nix::unistd::geteuid().is_root() {
        "user root;\n"
    } else {
        ""
    };
    let folder = folder.display();
    format!(
        r#"{user}daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  log_format counts '$request_method $request_uri $status $request_length $bytes_sent $connection';
  access_log {folder}/access.log counts;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_timeout 60s;{servers}
}}
"#
    )
}
