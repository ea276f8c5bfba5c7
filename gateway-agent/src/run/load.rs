//! From what was read to what serves: the configuration crate checks, the node takes over.

use std::{collections::HashSet, net::SocketAddr, path::Path, sync::Arc};

use gateway_config::{
    FileTree, Problem, SecretRef, Settings, Severity, Snapshot, load, network, overlay::OverlayFile,
};
use gateway_policy::failure::BackendStatuses;
use http::StatusCode;
use ipnet::IpNet;

use super::{certificates, identity};
use crate::{
    kernel::Side,
    listen::{Bound, Listener, Rules},
    node::Node,
    settings,
    sync::{
        Load, Loaded, Rejected,
        tree::{self, Looked},
    },
    tls::ClientCertificates,
};

/// Largest overlay. One with ten thousand subscription keys has about 1 MiB.
const OVERLAY_BYTES: u64 = 32 << 20;

/// Loads artifact folder and overlay into the node.
pub(super) struct FolderLoad {
    settings: Arc<Settings>,
    node: Arc<Node>,
    side: Arc<Side>,
    /// What is bound; other listeners in a later overlay wait for a restart, and say so.
    bound: Vec<Listener>,
}

impl FolderLoad {
    pub(super) fn new(settings: Arc<Settings>, node: Arc<Node>, side: Arc<Side>, bound: &[Bound]) -> Self {
        Self {
            settings,
            node,
            side,
            bound: bound.iter().map(|one| one.listener.clone()).collect(),
        }
    }
}

impl Load for FolderLoad {
    fn load(&self, tree: FileTree) -> Result<Loaded, Rejected> {
        let overlay = read_overlay(&self.settings)?;
        let previous = self.node.snapshot();
        let files = std::sync::Mutex::new(Looked::new());
        let secrets = |reference: &SecretRef| {
            let reference = beside_overlay(&self.settings, reference);
            if let SecretRef::File(path) = &reference
                && let Ok(mut files) = files.lock()
            {
                tree::look(&mut files, Path::new(&**path));
            }
            settings::secret(&reference)
        };
        let loaded = load(&gateway_config::Input {
            tree: &tree,
            overlay: overlay.as_ref().map(|(path, bytes)| OverlayFile { path, bytes }),
            settings: &self.settings,
            secrets: &secrets,
            previous: previous.as_ref(),
        });
        let mut files = files.into_inner().unwrap_or_default();
        let mut problems = loaded.problems;
        let Some(snapshot) = loaded.snapshot else {
            return Err(Rejected { problems, files });
        };
        let identities = identity::certificates(&snapshot, &self.settings, &mut files, &mut problems);
        self.node.client_identities.store(Arc::new(identities));
        let read = certificates::read(&snapshot, &self.settings);
        read.tell_expiry(&self.node.metrics);
        files.extend(read.files);
        problems.extend(read.problems);
        // Served from now on even if the snapshot is the same: certificates change by themselves.
        let refused = self.node.tls.replace(
            &read.hosts,
            &self.clients(&snapshot, &mut problems),
            self.settings.server.refuse_unknown_names,
        );
        for problem in refused
            .into_iter()
            .filter(|problem| !read.unreadable.contains(&problem.name))
        {
            let message = format!("{}: {}; {}", problem.name, problem.reason, problem.remedy);
            problems
                .push(Problem::scope("bad-certificate", &problem.file, message).on(problem.name.to_string()));
        }
        problems.extend(self.moved_listeners(&snapshot));
        Ok(Loaded {
            entities: entities(&loaded.summary),
            changes: previous.as_ref().map(|old| load::diff(old, &snapshot)),
            snapshot,
            problems,
            files,
        })
    }

    fn activate(&self, loaded: &mut Loaded) -> Result<(), String> {
        let path = self.settings.config.overlay_path.as_deref().unwrap_or("settings");
        let forbidden = loaded.snapshot.always_forbidden();
        for warning in self
            .side
            .apply(&loaded.snapshot.kernel_with_proxies(), &forbidden)
        {
            loaded
                .problems
                .push(Problem::warning("kernel-option", path, warning).on("kernel"));
        }
        self.node.publish(Arc::clone(&loaded.snapshot));
        let served: HashSet<(&str, &str)> = loaded
            .snapshot
            .apis()
            .iter()
            .flat_map(|api| api.operations.iter().map(|o| (&*api.name, &*o.operation.id)))
            .collect();
        self.node
            .metrics
            .retain_routes(|api, operation| served.contains(&(api, operation)));
        Ok(())
    }
}

impl FolderLoad {
    /// Whether clients are asked for a certificate: the answer is one for all host names.
    fn clients(&self, snapshot: &Snapshot, problems: &mut Vec<Problem>) -> ClientCertificates {
        let Some(asking) = snapshot
            .hostnames()
            .iter()
            .find(|host| host.negotiate_client_certificate)
        else {
            return ClientCertificates::Ignored;
        };
        let mut authorities = certificates::authorities(&self.settings.client);
        for pem in snapshot.authorities() {
            authorities.extend(certificates::certificates_of(pem));
        }
        if authorities.is_empty() {
            let path = self.settings.config.overlay_path.as_deref().unwrap_or("settings");
            let message = "negotiateClientCertificate needs CA certificates to believe clients: set \
                 certificates.local.ca.enabled and certificates.local.ca.path; until then no client is asked";
            problems.push(Problem::scope("no-client-authorities", path, message).on(asking.name.to_string()));
            return ClientCertificates::Ignored;
        }
        ClientCertificates::Asked { authorities }
    }

    /// Sockets are bound once, at the start.
    fn moved_listeners(&self, snapshot: &Snapshot) -> Option<Problem> {
        let wanted: Vec<Listener> = snapshot.listeners().iter().map(listener).collect();
        let same = wanted.is_empty()
            || wanted.len() == self.bound.len()
                && wanted.iter().zip(&self.bound).all(|(w, b)| {
                    w.tls == b.tls
                        && w.http3 == b.http3
                        && w.rules == b.rules
                        && w.address.ip() == b.address.ip()
                        && (w.address.port() == 0 || w.address.port() == b.address.port())
                });
        (!same).then(|| {
            let path = self.settings.config.overlay_path.as_deref().unwrap_or("settings");
            let message = "the listeners differ from those that are bound; `gateway-agent upgrade` takes the new ones without losing a \
                 connection";
            Problem::warning("listeners-moved", path, message).on("listeners")
        })
    }
}

/// What has to be known before anything is loaded: the overlay's listeners (or the two of the settings), and
/// what it asks of the kernel.
#[derive(Debug, Default)]
pub(super) struct First {
    /// To be bound, in order.
    pub(super) listeners: Vec<Listener>,
    /// Their names.
    pub(super) names: Vec<Arc<str>>,
    /// Uplinks, destinations, denied sources.
    pub(super) kernel: network::KernelOptions,
    /// Callers that the policies forbid in every case.
    pub(super) forbidden: Vec<IpNet>,
}

impl First {
    /// Reads the overlay alone.
    ///
    /// A broken overlay is no reason to be absent: its mistakes are reported by the first load, and the node
    /// answers (503 on its readiness path) on the listeners of the settings meanwhile.
    pub(super) fn read(settings: &Settings) -> Self {
        let empty = FileTree::new();
        let overlay = read_overlay(settings).unwrap_or_default();
        let loaded = load(&gateway_config::Input {
            tree: &empty,
            overlay: overlay.as_ref().map(|(path, bytes)| OverlayFile { path, bytes }),
            settings,
            secrets: &|reference| settings::secret(&beside_overlay(settings, reference)),
            previous: None,
        });
        let mut named = Vec::new();
        let mut kernel = network::KernelOptions::default();
        let mut forbidden = Vec::new();
        if let Some(snapshot) = &loaded.snapshot {
            named = snapshot.listeners().to_vec();
            kernel = snapshot.kernel_with_proxies();
            forbidden = snapshot.always_forbidden();
        }
        if named.is_empty() {
            named = of_settings(settings);
        }
        Self {
            listeners: named.iter().map(listener).collect(),
            names: named.into_iter().map(|one| one.name).collect(),
            kernel,
            forbidden,
        }
    }
}

fn of_settings(settings: &Settings) -> Vec<network::Listener> {
    let server = &settings.server;
    let mut out = Vec::new();
    for (name, port, tls) in [
        ("http", server.http_port, false),
        ("https", server.https_port, true),
    ] {
        if port != 0 {
            let http = network::HttpVersions {
                http1: true,
                http2: true,
                http3: tls && server.http3,
            };
            out.push(network::Listener {
                name: name.into(),
                address: server.address,
                port,
                tls,
                http,
                limits: network::ListenerLimits::default(),
                proxy_protocol: Vec::new(),
                trusted_proxies: Vec::new(),
            });
        }
    }
    out
}

fn listener(wanted: &network::Listener) -> Listener {
    Listener {
        address: SocketAddr::new(wanted.address, wanted.port),
        tls: wanted.tls,
        http3: wanted.http.http3,
        rules: Arc::new(Rules {
            http1: wanted.http.http1,
            http2: wanted.http.http2,
            limits: wanted.limits,
            proxy_protocol: wanted.proxy_protocol.clone(),
            trusted_proxies: wanted.trusted_proxies.clone(),
        }),
    }
}

/// Path and content.
type Overlay = (String, Arc<[u8]>);

/// Relative paths of secrets start at the overlay's folder.
fn beside_overlay(settings: &Settings, reference: &SecretRef) -> SecretRef {
    match reference {
        SecretRef::File(path) => SecretRef::File(certificates::beside_overlay(settings, path)),
        other => other.clone(),
    }
}

fn read_overlay(settings: &Settings) -> Result<Option<Overlay>, Rejected> {
    let Some(path) = &settings.config.overlay_path else {
        return Ok(None);
    };
    match tree::read_file(Path::new(&**path), OVERLAY_BYTES) {
        Ok(bytes) => Ok(Some((path.to_string(), bytes))),
        Err(error) => {
            let problem = Problem::new(Severity::Fatal, "unreadable-overlay", path, error.to_string());
            Err(Rejected {
                problems: vec![problem],
                files: Looked::new(),
            })
        }
    }
}

pub(crate) fn entities(summary: &gateway_config::Summary) -> Vec<(&'static str, usize)> {
    vec![
        ("apis", summary.apis),
        ("operations", summary.operations),
        ("products", summary.products),
        ("subscriptions", summary.subscriptions),
        ("keyless_subscriptions", summary.keyless_subscriptions),
        ("backends", summary.backends),
        ("policies", summary.policies),
    ]
}

/// Statuses of backend failures, as the settings choose.
pub(super) fn statuses(settings: &Settings) -> BackendStatuses {
    if settings.compat.gateway_errors {
        BackendStatuses {
            connection: StatusCode::BAD_GATEWAY,
            timeout: StatusCode::GATEWAY_TIMEOUT,
        }
    } else {
        BackendStatuses::default()
    }
}
