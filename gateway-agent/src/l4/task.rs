//! Keeping kernel and relay in step with configuration and health.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use gateway_config::l4::{L4Mode, L4Options, L4Service};
use gateway_loader::{
    HookName, Kernel, Protocol,
    l4::{Backend, FlowRecord, Health, Nat, Service, ServiceReading, Services, Timeouts},
};
use socket2::Socket;
use tokio::sync::Notify;

use super::{
    health::{self, Board},
    relay::{self, Relay},
    report::{self, BackendView, FlowView, ServiceView},
};

/// The kernel dates flows in seconds.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two walks over the flows: a flow lives that much longer than its timeout at most.
const SWEEP_TICKS: u32 = 5;
/// Flows shown unless asked otherwise, and at most: two system calls each.
const FLOWS_SHOWN: usize = 1_000;
const MAX_FLOWS_SHOWN: usize = 100_000;

/// Where a service runs now, and why not where it could.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Kernel,
    Relay(Option<String>),
    Off(String),
}

/// L4 services of a node.
pub struct Layer4 {
    wanted: ArcSwap<L4Options>,
    /// Why no service can run in the kernel.
    no_kernel: Option<String>,
    board: Arc<Board>,
    changed: Notify,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    kernel: Option<Services>,
    /// Bound while that was permitted.
    bound: BTreeMap<(SocketAddr, bool), Socket>,
    relays: BTreeMap<Arc<str>, (L4Service, Relay)>,
    /// Backends in force in the kernel, by service.
    members: BTreeMap<Arc<str>, Vec<SocketAddr>>,
    /// Backends that were taken out, and when their flows are cut.
    leaving: BTreeMap<(Arc<str>, SocketAddr), Instant>,
    failed: BTreeMap<Arc<str>, String>,
}

/// Which flows to show.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Name of the service.
    pub service: Option<String>,
    /// Client or backend, without port.
    pub host: Option<IpAddr>,
    /// How many at most.
    pub limit: Option<usize>,
}

impl std::fmt::Debug for Layer4 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer4")
            .field("wanted", &self.wanted.load())
            .finish_non_exhaustive()
    }
}

impl Layer4 {
    /// Takes the kernel's tables over and binds what will be relayed. Call it while that is permitted.
    pub fn start(options: &L4Options, kernel: Option<&mut Kernel>) -> Self {
        let mut no_kernel = None;
        let mut tables = None;
        match kernel {
            _ if options.interfaces.is_empty() => no_kernel = Some("l4.interfaces names none".to_owned()),
            None => no_kernel = Some("there are no kernel programs; see the hooks".to_owned()),
            Some(kernel) => {
                let states = kernel
                    .hooks()
                    .iter()
                    .filter(|state| state.name == HookName::L4Ingress);
                if let Some(failed) = states.clone().find(|state| !state.attached) {
                    let reason = failed.reason.as_deref().unwrap_or("unknown");
                    no_kernel = Some(format!(
                        "l4_ingress is not attached to {}: {reason}",
                        failed.target
                    ));
                } else {
                    tables = kernel.take_services();
                }
            }
        }
        let layer = Self {
            wanted: ArcSwap::from_pointee(options.clone()),
            no_kernel,
            board: Arc::default(),
            changed: Notify::new(),
            inner: Mutex::new(Inner {
                kernel: tables,
                ..Inner::default()
            }),
        };
        let mut inner = layer.locked();
        for service in options
            .services
            .iter()
            .filter(|service| matches!(layer.place(service), Place::Relay(_)))
        {
            match relay::bind(service) {
                Ok(socket) => {
                    inner.bound.insert((service.address, service.udp), socket);
                }
                Err(error) => {
                    inner.failed.insert(Arc::clone(&service.name), error.to_string());
                }
            }
        }
        drop(inner);
        layer
    }

    /// Makes `options` the services in force: the kernel's at once, the relay's within a moment. Returns what could not be
    /// done, one sentence each.
    pub fn apply(&self, options: &L4Options) -> Vec<String> {
        let mut warnings = Vec::new();
        for service in &options.services {
            match self.place(service) {
                Place::Off(reason) => {
                    warnings.push(format!("l4 service `{}` is off: {reason}", service.name))
                }
                Place::Relay(Some(reason)) => {
                    warnings.push(format!("l4 service `{}` is relayed: {reason}", service.name));
                }
                Place::Relay(None) => {}
                Place::Kernel => warnings.extend(ports_clash(service)),
            }
        }
        self.wanted.store(Arc::new(options.clone()));
        if let Err(error) = self.apply_kernel(options) {
            warnings.push(format!("l4 services of the kernel are not in force: {error}"));
        }
        self.changed.notify_one();
        warnings
    }

    /// Works until dropped.
    pub async fn run(self: Arc<Self>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut ticks = 0_u32;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.changed.notified() => {}
            }
            ticks = ticks.wrapping_add(1);
            let layer = Arc::clone(&self);
            let sweep = ticks.is_multiple_of(SWEEP_TICKS);
            // Map updates and walks are system calls by the thousand.
            let turn = tokio::task::spawn_blocking(move || layer.turn(sweep)).await;
            if turn.is_err() {
                tracing::error!(event = "L4TurnFailed", "a turn of the L4 services was given up");
            }
            self.check_health();
        }
    }

    /// The services, for `services` and the admin endpoint.
    pub fn services(&self) -> Vec<ServiceView> {
        let wanted = self.wanted.load_full();
        let inner = self.locked();
        let readings = inner
            .kernel
            .as_ref()
            .and_then(|kernel| kernel.readings().ok())
            .unwrap_or_default();
        let view = |service: &L4Service| {
            let reading = readings
                .iter()
                .find(|r| r.address == service.address && (r.protocol == Protocol::Udp) == service.udp);
            let relay = inner.relays.get(&service.name).map(|(_, relay)| relay);
            self.view(service, reading, relay, inner.failed.get(&service.name))
        };
        wanted.services.iter().map(view).collect()
    }

    /// Flows in the kernel.
    ///
    /// # Errors
    /// Why there are none to show, or the kernel's answer.
    pub fn flows(&self, query: &Query) -> Result<Vec<FlowView>, String> {
        let limit = query.limit.unwrap_or(FLOWS_SHOWN).min(MAX_FLOWS_SHOWN);
        let inner = self.locked();
        let Some(kernel) = &inner.kernel else {
            let why = self.no_kernel.as_deref().unwrap_or("unknown");
            return Err(format!("no service runs in the kernel: {why}"));
        };
        let wanted = |flow: &FlowRecord| {
            query.service.as_ref().is_none_or(|name| *name == flow.service)
                && query
                    .host
                    .is_none_or(|host| flow.client.ip() == host || flow.backend.ip() == host)
        };
        let flows = kernel.flows(limit, wanted).map_err(|error| error.to_string())?;
        Ok(flows.iter().map(FlowView::from).collect())
    }

    fn turn(&self, sweep: bool) {
        let wanted = self.wanted.load_full();
        if let Err(error) = self.apply_kernel(&wanted) {
            tracing::warn!(event = "L4NotApplied", "{error}");
        }
        self.apply_relay(&wanted);
        let mut inner = self.locked();
        if let Some(kernel) = &mut inner.kernel {
            let done = kernel.tick().and_then(|()| {
                if sweep {
                    kernel.sweep(&Timeouts::default()).map(drop)
                } else {
                    Ok(())
                }
            });
            if let Err(error) = done {
                tracing::warn!(event = "L4SweepFailed", "{error}");
            }
        }
    }

    /// Checks that are due, each in a task of its own.
    fn check_health(self: &Arc<Self>) {
        let wanted = self.wanted.load_full();
        let now = Instant::now();
        let addresses = |service: &L4Service| {
            let routed = service.tls.iter().flat_map(|route| &route.backends);
            service
                .backends
                .iter()
                .chain(routed)
                .map(|backend| backend.address)
                .collect::<Vec<_>>()
        };
        for service in wanted.services.iter().filter(|service| !service.udp) {
            let Some(rules) = &service.health else { continue };
            for backend in addresses(service) {
                if !self.board.is_due(backend, rules, now) {
                    continue;
                }
                let (layer, rules, name) = (Arc::clone(self), rules.clone(), Arc::clone(&service.name));
                tokio::spawn(async move {
                    let well = health::check(backend, &rules).await;
                    if let Some(up) = layer.board.heard(backend, well, &rules) {
                        let event = if up { "L4BackendUp" } else { "L4BackendDown" };
                        tracing::warn!(event, service = %name, %backend, "the health of a backend changed");
                        layer.changed.notify_one();
                    }
                });
            }
        }
        self.board.keep(|address| {
            wanted
                .services
                .iter()
                .any(|service| addresses(service).contains(address))
        });
    }

    fn place(&self, service: &L4Service) -> Place {
        if service.mode == L4Mode::Relay || !service.tls.is_empty() {
            return Place::Relay(None);
        }
        let mixed = service
            .backends
            .iter()
            .any(|b| b.address.is_ipv4() != service.address.is_ipv4());
        let reason = if mixed {
            Some("address and backends are not of one family".to_owned())
        } else {
            self.no_kernel.clone()
        };
        match (reason, service.mode) {
            (None, _) => Place::Kernel,
            (Some(reason), L4Mode::Kernel) => Place::Off(reason),
            (Some(reason), _) => Place::Relay(Some(reason)),
        }
    }

    /// The kernel's tables by difference; nothing is written when nothing changed.
    fn apply_kernel(&self, wanted: &L4Options) -> Result<(), String> {
        let mut inner = self.locked();
        let inner = &mut *inner;
        let Some(kernel) = &mut inner.kernel else {
            return Ok(());
        };
        let now = Instant::now();
        inner.leaving.retain(|_, deadline| *deadline > now);
        let mut list = Vec::new();
        let mut members = BTreeMap::new();
        for service in wanted
            .services
            .iter()
            .filter(|service| self.place(service) == Place::Kernel)
        {
            let nat = match &service.full_nat {
                None => Nat::Destination,
                Some(full) => {
                    let source = full.source.or_else(|| source_towards(service));
                    let Some(source) = source else {
                        return Err(format!(
                            "service {}: no route to its backends, so no source address",
                            service.name
                        ));
                    };
                    Nat::Full {
                        source,
                        ports: full
                            .ports
                            .clone()
                            .unwrap_or(gateway_loader::l4::config::DEFAULT_NAT_PORTS),
                    }
                }
            };
            let mut backends: Vec<Backend> = service
                .backends
                .iter()
                .map(|backend| Backend {
                    address: backend.address,
                    weight: backend.weight,
                    health: self.health_of(service, backend.address, backend.weight),
                })
                .collect();
            for address in inner.members.get(&service.name).into_iter().flatten() {
                let listed = backends.iter().any(|backend| backend.address == *address);
                let key = (Arc::clone(&service.name), *address);
                if listed {
                    inner.leaving.remove(&key);
                } else {
                    inner.leaving.entry(key).or_insert(now + service.drain);
                }
            }
            members.insert(
                Arc::clone(&service.name),
                backends.iter().map(|backend| backend.address).collect(),
            );
            let leaving = inner.leaving.keys().filter(|(name, _)| *name == service.name);
            backends.extend(leaving.map(|(_, address)| Backend {
                address: *address,
                weight: 0,
                health: Health::Draining,
            }));
            list.push(Service {
                name: service.name.to_string(),
                address: service.address,
                protocol: if service.udp { Protocol::Udp } else { Protocol::Tcp },
                backends,
                nat,
                affinity: service.affinity,
                max_flows: service.max_flows,
                bytes_per_second: service.bytes_per_second,
            });
        }
        kernel.apply(&list).map_err(|error| error.to_string())?;
        inner.members = members;
        Ok(())
    }

    fn health_of(&self, service: &L4Service, backend: SocketAddr, weight: u16) -> Health {
        if weight == 0 {
            Health::Draining
        } else if service.health.is_some() && !self.board.is_up(backend) {
            Health::Down
        } else {
            Health::Up
        }
    }

    /// Listeners of the relay: new ones begin, changed ones begin anew, gone ones end. Inside a runtime.
    fn apply_relay(&self, wanted: &L4Options) {
        let mut inner = self.locked();
        let inner = &mut *inner;
        let mut kept = BTreeMap::new();
        for service in wanted
            .services
            .iter()
            .filter(|service| matches!(self.place(service), Place::Relay(_)))
        {
            let name = Arc::clone(&service.name);
            match inner.relays.remove(&name) {
                Some((before, relay)) if before.address == service.address && before.udp == service.udp => {
                    // Health may have changed what the table should be.
                    relay.update(service);
                    kept.insert(name, (service.clone(), relay));
                    continue;
                }
                _ => {}
            }
            let socket = inner
                .bound
                .remove(&(service.address, service.udp))
                .map_or_else(|| relay::bind(service), Ok);
            match socket.and_then(|socket| Relay::start(service, socket, &self.board)) {
                Ok(relay) => {
                    tracing::info!(event = "L4Relayed", service = %service.name, address = %relay.address, "relaying");
                    inner.failed.remove(&name);
                    kept.insert(name, (service.clone(), relay));
                }
                Err(error) => {
                    let text = error.to_string();
                    if inner.failed.get(&name) != Some(&text) {
                        tracing::error!(event = "L4NotRelayed", service = %service.name, address = %service.address, "{error}");
                        inner.failed.insert(name, text);
                    }
                }
            }
        }
        inner.relays = kept;
    }

    fn view(
        &self,
        service: &L4Service,
        reading: Option<&ServiceReading>,
        relay: Option<&Relay>,
        failed: Option<&String>,
    ) -> ServiceView {
        let (runs, reason) = match (self.place(service), failed) {
            (Place::Kernel, _) => ("kernel", None),
            (Place::Off(reason), _) => ("off", Some(reason)),
            (Place::Relay(_), Some(error)) => (
                "off",
                Some(format!("cannot listen on {}: {error}", service.address)),
            ),
            (Place::Relay(reason), None) => ("relay", reason),
        };
        let traffic = reading.map(|r| r.backends.iter().fold(r.retired, |sum, b| sum.plus(b.traffic)));
        let load =
            |count: Option<&std::sync::atomic::AtomicU64>| count.map_or(0, |count| count.load(Relaxed));
        let counts = relay.map(|relay| &relay.counts);
        let total: u32 = reading.map_or(0, |r| r.backends.iter().map(|b| b.slots).sum());
        let routed = service.tls.iter().flat_map(|route| &route.backends);
        let mut backends: Vec<BackendView> = service
            .backends
            .iter()
            .chain(routed)
            .map(|backend| {
                let seen = reading.and_then(|r| r.backends.iter().find(|b| b.address == backend.address));
                let health = seen.map_or_else(
                    || self.health_of(service, backend.address, backend.weight),
                    |b| b.health,
                );
                BackendView {
                    address: backend.address.to_string(),
                    health: report::health(health),
                    weight: backend.weight,
                    share_percent: seen
                        .filter(|_| total > 0)
                        .map(|b| f64::from(b.slots) * 100.0 / f64::from(total)),
                    flows: seen.map(|b| b.traffic.flows),
                    bytes_in: seen.map(|b| b.traffic.bytes_in),
                    bytes_out: seen.map(|b| b.traffic.bytes_out),
                }
            })
            .collect();
        let known = |address: &SocketAddr| service.backends.iter().any(|backend| backend.address == *address);
        let leaving = reading
            .into_iter()
            .flat_map(|r| &r.backends)
            .filter(|b| !known(&b.address));
        backends.extend(leaving.map(|b| BackendView {
            address: b.address.to_string(),
            health: report::health(b.health),
            weight: 0,
            share_percent: None,
            flows: Some(b.traffic.flows),
            bytes_in: Some(b.traffic.bytes_in),
            bytes_out: Some(b.traffic.bytes_out),
        }));
        ServiceView {
            name: service.name.to_string(),
            address: service.address.to_string(),
            protocol: report::protocol(service.udp),
            runs,
            reason,
            active_flows: reading.map_or_else(|| load(counts.map(|c| &c.active)), |r| r.active),
            flows: traffic.map_or_else(|| load(counts.map(|c| &c.flows)), |t| t.flows),
            packets_in: traffic.map(|t| t.packets_in),
            bytes_in: traffic.map_or_else(|| load(counts.map(|c| &c.bytes_in)), |t| t.bytes_in),
            packets_out: traffic.map(|t| t.packets_out),
            bytes_out: traffic.map_or_else(|| load(counts.map(|c| &c.bytes_out)), |t| t.bytes_out),
            refused: counts.map(|c| c.refused.load(Relaxed)),
            backends,
        }
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        // A panic while it was held left the maps as the kernel has them; going on is the best there is.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address that the node's routes choose towards the first backend. A connected UDP socket sends nothing.
fn source_towards(service: &L4Service) -> Option<IpAddr> {
    let backend = service.backends.first()?.address;
    let any: SocketAddr = if backend.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0_u16; 8], 0).into()
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(backend).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Source ports that the system gives to its own connections too: an answer would be taken for the other's.
fn ports_clash(service: &L4Service) -> Option<String> {
    let full = service.full_nat.as_ref()?;
    let ports = full
        .ports
        .clone()
        .unwrap_or(gateway_loader::l4::config::DEFAULT_NAT_PORTS);
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = range.split_whitespace().filter_map(|end| end.parse::<u16>().ok());
    let (low, high) = (ends.next()?, ends.next()?);
    (*ports.start() <= high && low <= *ports.end()).then(|| {
        format!(
            "l4 service `{}` uses source ports {}-{}, of which the system gives some to other connections \
             (net.ipv4.ip_local_port_range is {low}-{high}): reserve them in net.ipv4.ip_local_reserved_ports",
            service.name,
            ports.start(),
            ports.end()
        )
    })
}
