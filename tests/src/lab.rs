//! Three hosts: a client, the node and an upstream, in network namespaces of our own or all on loopback.
//!
//! ```text
//!   client 192.0.2.2 ──veth── 192.0.2.1 node 198.51.100.1 ──veth── 198.51.100.2 upstream
//!          192.0.2.66 (to be denied)     203.0.113.0/24 (VIPs, routed to the node, bound by nobody)
//! ```
//!
//! The addresses are the ones reserved for documentation (RFC 5737, RFC 3849): should a packet ever leave the
//! namespaces, nobody is there. Without root the same roles are played on 127.0.0.0/8 with ports that the
//! system chose.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};

use crate::{
    leftovers::{Guard, Leftover},
    process::{find, run},
};

/// Limit for connects inside one machine; generous because two cores may be compiling.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Prefix of the addresses that are routed to the node and bound by nobody.
pub const VIP_PREFIX: &str = "203.0.113.0/24";
/// One address of [`VIP_PREFIX`].
pub const VIP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);

/// How the three hosts are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Three network namespaces joined by veth pairs.
    Namespaces,
    /// Everything on the loopback interface of this machine.
    Loopback,
}

/// One of the three hosts.
#[derive(Clone, Debug)]
pub struct Host {
    namespace: Option<String>,
    /// Its address on the wire that joins it to the node; for the node, the one that clients see.
    pub address: Ipv4Addr,
}

/// The three hosts and a scratch folder; everything goes when it is dropped.
#[derive(Debug)]
pub struct Lab {
    /// How it was made.
    pub mode: Mode,
    /// Where requests come from.
    pub client: Host,
    /// A second address of the client host, meant to be denied.
    pub denied_client: Ipv4Addr,
    /// Where the agent runs.
    pub node: Host,
    /// Where nginx runs.
    pub upstream: Host,
    folder: PathBuf,
    cgroup: Option<PathBuf>,
    guards: Vec<Guard>,
}

impl Lab {
    /// Makes the hosts. Names carry the process id and a counter, so that runs beside each other do not meet.
    pub fn new(mode: Mode) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let tag = format!(
            "gw{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(&tag);
        std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        // nginx workers and unprivileged agents must be able to look inside.
        run(Command::new("chmod").arg("755").arg(&folder))?;
        let mut guards = vec![Guard::new(Leftover::Folder(folder.clone()))];
        match mode {
            Mode::Loopback => Ok(Self {
                mode,
                client: Host {
                    namespace: None,
                    address: Ipv4Addr::new(127, 0, 0, 2),
                },
                denied_client: Ipv4Addr::new(127, 0, 0, 66),
                node: Host {
                    namespace: None,
                    address: Ipv4Addr::LOCALHOST,
                },
                upstream: Host {
                    namespace: None,
                    address: Ipv4Addr::new(127, 0, 0, 3),
                },
                folder,
                cgroup: None,
                guards,
            }),
            Mode::Namespaces => {
                let host = |role: &str, address| Host {
                    namespace: Some(format!("{tag}-{role}")),
                    address,
                };
                let client = host("client", Ipv4Addr::new(192, 0, 2, 2));
                let node = host("node", Ipv4Addr::new(192, 0, 2, 1));
                let upstream = host("upstream", Ipv4Addr::new(198, 51, 100, 2));
                for host in [&client, &node, &upstream] {
                    guards.push(host.make_namespace()?);
                }
                let denied_client = Ipv4Addr::new(192, 0, 2, 66);
                join(&client, &node, &upstream, denied_client)?;
                let cgroup = make_cgroup(&tag, &mut guards)?;
                Ok(Self {
                    mode,
                    client,
                    denied_client,
                    node,
                    upstream,
                    folder,
                    cgroup,
                    guards,
                })
            }
        }
    }

    /// Leaves everything in place (`demo --keep`).
    pub fn keep(&mut self) {
        self.guards.iter_mut().for_each(Guard::keep);
    }

    /// Scratch folder, removed at the end.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Command that runs on the node inside the lab's own cgroup, so that the kernel's accounting of the
    /// agent's connections does not see other processes.
    pub fn node_command(&self, program: &Path) -> Command {
        let Some(cgroup) = &self.cgroup else {
            return self.node.command(program);
        };
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$0\"/cgroup.procs && exec \"$@\""])
            .arg(cgroup)
            .args(self.node.prefix())
            .arg(program);
        command
    }

    /// The address that the node has on the upstream's wire.
    pub fn node_uplink(&self) -> Ipv4Addr {
        match self.mode {
            Mode::Namespaces => Ipv4Addr::new(198, 51, 100, 1),
            Mode::Loopback => Ipv4Addr::LOCALHOST,
        }
    }

    /// Interface on which clients reach the node; `lo` on loopback.
    pub fn downlink(&self) -> &'static str {
        match self.mode {
            Mode::Namespaces => "down0",
            Mode::Loopback => "lo",
        }
    }

    /// A TCP port for a server on `host`: `wished` in a namespace of our own, where nobody else is; a free one
    /// that the system names on the shared loopback.
    pub fn port(&self, host: &Host, wished: u16) -> Result<u16> {
        match self.mode {
            Mode::Namespaces => Ok(wished),
            Mode::Loopback => {
                let listener = TcpListener::bind((host.address, 0)).context("no free port on loopback")?;
                Ok(listener.local_addr()?.port())
            }
        }
    }
}

impl Host {
    /// A command that runs on this host.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut prefix = self.prefix().into_iter();
        match prefix.next() {
            None => Command::new(program),
            Some(first) => {
                let mut command = Command::new(first);
                command.args(prefix).arg(program);
                command
            }
        }
    }

    /// A command that runs on this host behind a wrapper such as `taskset -c 1`.
    pub fn wrapped(&self, wrapper: &[&str], program: &Path) -> Command {
        match wrapper {
            [] => self.command(program),
            [first, rest @ ..] => {
                let mut command = self.command(first);
                command.args(rest).arg(program);
                command
            }
        }
    }

    /// The same host seen from itself: its loopback address.
    pub fn loopback(&self) -> Host {
        Host {
            namespace: self.namespace.clone(),
            address: Ipv4Addr::LOCALHOST,
        }
    }

    /// Runs `work` on a thread inside this host's namespace. Sockets made there stay there.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let Some(name) = &self.namespace else {
            return Ok(work());
        };
        let path = format!("/run/netns/{name}");
        let namespace = std::fs::File::open(&path).with_context(|| format!("cannot open {path}"))?;
        std::thread::scope(|scope| {
            scope
                .spawn(move || -> Result<T> {
                    // Only this thread changes its namespace; it ends with the scope.
                    nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).context("setns")?;
                    Ok(work())
                })
                .join()
                .map_err(|_| anyhow!("the thread inside {path} panicked"))?
        })
    }

    /// Connects from this host.
    pub fn connect(&self, to: SocketAddr) -> Result<TcpStream> {
        self.enter(|| TcpStream::connect_timeout(&to, CONNECT_DEADLINE))?
            .with_context(|| format!("cannot connect to {to}"))
    }

    /// Name of the namespace, for people: `ip netns exec NAME …`.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Its address with a port.
    pub fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.address), port)
    }

    // `nsenter` and not `ip netns exec`: the latter also mounts a fresh /sys, which hides the cgroup and BPF
    // file systems from the agent.
    fn prefix(&self) -> Vec<String> {
        self.namespace
            .as_ref()
            .map(|name| {
                vec![
                    "nsenter".to_owned(),
                    format!("--net=/run/netns/{name}"),
                    "--".to_owned(),
                ]
            })
            .unwrap_or_default()
    }

    fn make_namespace(&self) -> Result<Guard> {
        let name = self.namespace.as_deref().context("a namespace without a name")?;
        run(Command::new("ip").args(["netns", "add", name]))?;
        let guard = Guard::new(Leftover::Namespace(name.to_owned()));
        self.ip("link set lo up")?;
        Ok(guard)
    }

    fn ip(&self, arguments: &str) -> Result<()> {
        let name = self.namespace.as_deref().context("a namespace without a name")?;
        run(Command::new("ip").args(["-n", name]).args(arguments.split(' '))).map(drop)
    }
}

/// Why network namespaces cannot be made here, or `None`.
pub fn namespaces_missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("network namespaces need root".to_owned());
    }
    for (program, package) in [("ip", "iproute2"), ("nsenter", "util-linux")] {
        if find(program).is_none() {
            return Some(format!("{program} is not installed (package {package})"));
        }
    }
    // Tests of one process ask at the same time.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let probe = format!(
        "gwprobe{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    match run(Command::new("ip").args(["netns", "add", &probe])) {
        Ok(_) => {
            drop(Guard::new(Leftover::Namespace(probe)));
            None
        }
        Err(error) => Some(format!("network namespaces cannot be made: {error}")),
    }
}

/// Where cgroup v2 is mounted, alone or beside v1.
pub fn cgroup2_mount() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let path = fields.nth(1)?;
        (fields.next()? == "cgroup2").then(|| PathBuf::from(path))
    })
}

fn join(client: &Host, node: &Host, upstream: &Host, denied: Ipv4Addr) -> Result<()> {
    for (end, interface, other) in [(client, "up0", "down0"), (upstream, "down0", "up0")] {
        let end_name = end.namespace.as_deref().unwrap_or_default();
        let node_name = node.namespace.as_deref().unwrap_or_default();
        run(Command::new("ip")
            .args(["link", "add", interface, "netns", end_name, "type", "veth"])
            .args(["peer", "name", other, "netns", node_name]))?;
        end.ip(&format!("link set {interface} up"))?;
        node.ip(&format!("link set {other} up"))?;
    }
    client.ip(&format!("addr add {}/24 dev up0", client.address))?;
    client.ip(&format!("addr add {denied}/24 dev up0"))?;
    client.ip("addr add 2001:db8:1::2/64 dev up0 nodad")?;
    client.ip(&format!("route add {VIP_PREFIX} via {}", node.address))?;
    node.ip(&format!("addr add {}/24 dev down0", node.address))?;
    node.ip("addr add 2001:db8:1::1/64 dev down0 nodad")?;
    node.ip("addr add 198.51.100.1/24 dev up0")?;
    node.ip(&format!("route add local {VIP_PREFIX} dev lo"))?;
    upstream.ip(&format!("addr add {}/24 dev down0", upstream.address))
}

fn make_cgroup(tag: &str, guards: &mut Vec<Guard>) -> Result<Option<PathBuf>> {
    let Some(mount) = cgroup2_mount() else {
        return Ok(None);
    };
    let path = mount.join(tag);
    std::fs::create_dir(&path).with_context(|| format!("cannot make cgroup {}", path.display()))?;
    // Goes first in the list of guards' drop order only after the processes: they are owned elsewhere.
    guards.push(Guard::new(Leftover::Cgroup(path.clone())));
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::{skip::Need, skip_unless};

    #[test]
    fn the_client_reaches_the_node_and_the_node_the_upstream() {
        skip_unless!(Need::Namespaces);
        let lab = Lab::new(Mode::Namespaces).unwrap();
        for (from, to) in [(&lab.client, &lab.node), (&lab.node, &lab.upstream)] {
            let listener = to.enter(|| TcpListener::bind((to.address, 0))).unwrap().unwrap();
            let mut near = from.connect(listener.local_addr().unwrap()).unwrap();
            let (mut far, _) = listener.accept().unwrap();
            far.write_all(b"x").unwrap();
            let mut byte = [0];
            near.read_exact(&mut byte).unwrap();
            assert_eq!(&byte, b"x");
        }
    }

    #[test]
    fn nothing_is_left_behind() {
        skip_unless!(Need::Namespaces);
        let lab = Lab::new(Mode::Namespaces).unwrap();
        let name = lab.node.namespace().unwrap().to_owned();
        let folder = lab.folder().to_owned();
        assert!(Path::new("/run/netns").join(&name).exists());
        drop(lab);
        assert!(!Path::new("/run/netns").join(&name).exists());
        assert!(!folder.exists());
    }

    #[test]
    fn loopback_ports_are_free_ones() {
        let lab = Lab::new(Mode::Loopback).unwrap();
        let port = lab.port(&lab.node, 8080).unwrap();
        TcpListener::bind((lab.node.address, port)).unwrap();
    }
}
