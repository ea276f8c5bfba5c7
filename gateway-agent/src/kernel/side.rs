//! Loading the programs, telling them what belongs to the gateway, reading what they count.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    os::fd::AsFd as _,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use gateway_config::{network::KernelOptions, settings::KernelMode};
use gateway_loader::{
    Connections, Dropped, Drops, Group, HookName, HookState, Kernel, MAX_RECORDS_PER_POLL, Options, Protocol,
    Steer,
    common::{ConnRecord, Counter},
    l4::{ServicesOptions, config::DEFAULT_FLOWS},
    privilege,
};

use ipnet::IpNet;

use super::{Accounts, Gate, Hook, KernelState, edge};
use crate::{l4::Layer4, listen::Bound, process::Identity, telemetry::Metrics};

/// How often the ring of connection records is emptied: it holds a second of a busy node.
const POLL: Duration = Duration::from_millis(50);

/// How often the edge is tended: a ban that a worker asked for waits no longer.
const TEND: Duration = Duration::from_millis(200);

/// What is wanted of the kernel at the start.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// `kernel.mode`
    pub mode: KernelMode,
    /// The overlay's wishes.
    pub options: &'a KernelOptions,
    /// Names of the bound listeners, in the order of `bound`.
    pub names: &'a [Arc<str>],
    /// The sockets.
    pub bound: &'a [Bound],
    /// This process.
    pub process: Identity,
    /// Callers that the policies forbid in every case.
    pub forbidden: &'a [IpNet],
    /// `kernel.pin.path`
    pub pins: Option<PathBuf>,
    /// Sizes of maps that settings decide.
    pub entries: Entries,
}

/// Sizes of maps; `None`: the loader's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// `kernel.bans.entries`
    pub bans: Option<u32>,
    /// `kernel.sources.entries`
    pub sources: Option<u32>,
}

/// The kernel side of a running node, or its absence.
pub struct Side {
    kernel: Mutex<Option<Kernel>>,
    state: ArcSwap<KernelState>,
    /// Listener name to its sockets: TCP, and UDP when HTTP/3 is on.
    groups: HashMap<Arc<str>, (Group, Option<Group>)>,
    /// Uplinks are attached once; others in a later overlay wait for a restart.
    uplinks: Vec<Arc<str>>,
    /// Names of the listeners by the numbers that records carry, from 1.
    names: Vec<Arc<str>>,
    gate: Arc<Gate>,
    metrics: Arc<Metrics>,
    /// Sources that are never banned.
    protected: ArcSwap<Vec<IpNet>>,
    drops: Mutex<Option<Drops>>,
    /// The last samples of dropped packets.
    samples: Mutex<VecDeque<Dropped>>,
    /// What is passed through without HTTP.
    layer4: Arc<Layer4>,
}

impl std::fmt::Debug for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Side")
            .field("state", &self.state.load())
            .finish_non_exhaustive()
    }
}

impl Side {
    /// Loads what the kernel takes and tells the rest why not. Call it before any thread starts: interfaces,
    /// namespace and capabilities are the calling thread's.
    ///
    /// Returns the side and the reader of connection records.
    ///
    /// # Errors
    /// With `kernel.mode: required`, the first hook that was asked for and is not attached.
    pub fn start(
        wanted: &Wanted<'_>,
        gate: Arc<Gate>,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, Option<Connections>), String> {
        let (mut kernel, mut hooks) = load(wanted);
        let mut groups = HashMap::new();
        let (mut connections, mut drops) = (None, None);
        if let Some(kernel) = &mut kernel {
            groups = register(kernel, wanted);
            kernel.settle();
            if let Some(why) = kernel.unpinned() {
                tracing::warn!(
                    event = "KernelNotPinned",
                    "kernel.pin.path: {why}; the programs end with this process"
                );
            }
            connections = kernel.take_connections();
            drops = kernel.take_drops();
            hooks = kernel.hooks().to_vec();
        }
        let layer4 = Arc::new(Layer4::start(&wanted.options.l4, kernel.as_mut()));
        let side = Self {
            layer4,
            kernel: Mutex::new(kernel),
            state: ArcSwap::from_pointee(KernelState::default()),
            groups,
            uplinks: wanted.options.uplinks.clone(),
            names: wanted.names.to_vec(),
            gate,
            metrics,
            protected: ArcSwap::default(),
            drops: Mutex::new(drops),
            samples: Mutex::default(),
        };
        side.show(&hooks);
        for warning in side.apply(wanted.options, wanted.forbidden) {
            tracing::warn!(event = "KernelOptionNotApplied", "{warning}");
        }
        if wanted.mode == KernelMode::Required
            && let Some(hook) = hooks.iter().find(|hook| !hook.attached && hook.mode != "off")
        {
            let reason = hook.reason.as_deref().unwrap_or("unknown");
            return Err(format!(
                "kernel.mode is `required` and {} is not attached: {reason}",
                super::hook_name(hook.name)
            ));
        }
        Ok((side, connections))
    }

    /// What is passed through without HTTP.
    pub const fn layer4(&self) -> &Arc<Layer4> {
        &self.layer4
    }

    /// Names of the listeners by the numbers that records carry, from 1.
    pub fn listeners(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The hooks, for `/status`.
    pub fn state(&self) -> Arc<KernelState> {
        self.state.load_full()
    }

    /// Whether connections are accounted by the kernel.
    pub fn accounts_in_kernel(&self) -> bool {
        self.state
            .load()
            .hooks
            .iter()
            .any(|hook| hook.name == "sock_ops" && hook.attached)
    }

    /// From now on new connections are this process's. Returns whether QUIC packets of the predecessor's connections still
    /// reach it.
    pub fn take_over(&self) -> bool {
        let mut guard = self.kernel();
        let Some(kernel) = guard
            .as_mut()
            .filter(|kernel| kernel.is_attached(HookName::PickWorker))
        else {
            return false;
        };
        kernel
            .take_over()
            .inspect_err(|error| tracing::error!(event = "UpgradeNotSteered", "{error}"))
            .is_ok()
    }

    /// Makes `options` the destinations and the edge in force, with the callers that the policies forbid in every case. Returns
    /// what could not be done, one sentence each; the rest is in force.
    pub fn apply(&self, options: &KernelOptions, forbidden: &[IpNet]) -> Vec<String> {
        self.gate.set_denied(&options.deny, &options.allow);
        self.gate.set_rate_limit_bans(options.rate_limit_bans);
        let protected = edge::protected(options);
        self.protected.store(Arc::new(protected.clone()));
        let mut warnings = self.layer4.apply(&options.l4);
        if options.uplinks != self.uplinks {
            warnings.push(
                "the uplinks differ from those at the start; restart the agent to attach to others"
                    .to_owned(),
            );
        }
        let mut guard = self.kernel();
        let Some(kernel) = guard.as_mut() else {
            if !options.steer.is_empty() {
                warnings.push(
                    "addresses and ports of kernel.steer are not served without sk_lookup; bind them as listeners"
                        .to_owned(),
                );
            }
            return warnings;
        };
        let list = self.destinations(options, &mut warnings);
        let steers = kernel.is_attached(HookName::VipLookup);
        if (steers || !list.is_empty())
            && let Err(error) = kernel.steer(&list)
        {
            warnings.push(format!("kernel.steer is not in force: {error}"));
        }
        if kernel.is_attached(HookName::EdgeDrop) {
            if let Err(error) = kernel.set_prefixes(&edge::prefixes(options, forbidden)) {
                warnings.push(format!("kernel.deny is enforced at accept only: {error}"));
            }
            if let Err(error) = kernel.set_edge(&edge::options(options)) {
                warnings.push(format!(
                    "kernel.budgets and kernel.dropMalformed are not in force: {error}"
                ));
            }
            if let Err(error) = kernel.protect(&protected) {
                warnings.push(format!("bans may be in force for trusted proxies: {error}"));
            }
        }
        warnings
    }

    fn destinations(&self, options: &KernelOptions, warnings: &mut Vec<String>) -> Vec<Steer> {
        let mut list = Vec::new();
        for rule in &options.steer {
            let Some((tcp, udp)) = self.groups.get(&rule.listener) else {
                warnings.push(format!(
                    "kernel.steer names listener `{}`, which has no registered sockets",
                    rule.listener
                ));
                continue;
            };
            let steer = |group: Group, protocol| Steer {
                prefix: rule.prefix,
                ports: rule.first_port..=rule.last_port,
                protocol,
                group,
            };
            list.push(steer(*tcp, Protocol::Tcp));
            list.extend(udp.map(|udp| steer(udp, Protocol::Udp)));
        }
        list
    }

    /// Publishes the hooks: status, log and metric.
    pub(super) fn show(&self, hooks: &[HookState]) {
        let state = KernelState {
            hooks: hooks.iter().map(Hook::from).collect(),
        };
        for hook in &state.hooks {
            if let Ok(gauge) = self
                .metrics
                .kernel
                .attached
                .get_metric_with_label_values(&[hook.name, &hook.mode])
            {
                gauge.set(i64::from(hook.attached));
            }
            let reason = hook.reason.as_deref().unwrap_or("");
            let instead = hook.instead.unwrap_or("");
            if hook.attached || hook.mode == "off" {
                tracing::info!(
                    event = "KernelHook", hook = hook.name, attached = hook.attached, mode = %hook.mode,
                    target_of_hook = %hook.target, reason, "kernel hook"
                );
            } else {
                tracing::warn!(
                    event = "KernelHook", hook = hook.name, attached = false, mode = %hook.mode,
                    reason, instead, "kernel hook is not attached"
                );
            }
        }
        self.state.store(Arc::new(state));
    }

    /// Brings the metrics that the kernel counts up to date; two dozen system calls, for scrapes.
    pub fn refresh(&self) {
        self.gauge(false);
        let readings = match self.kernel().as_ref().map(Kernel::counters) {
            Some(Ok(readings)) => readings,
            // Without a kernel side there is nothing to read; a lost map shows as figures that stand still.
            _ => return,
        };
        for reading in readings {
            let kernel = &self.metrics.kernel;
            let counter = match reading.counter {
                Counter::ConnOpened => kernel.opened.clone(),
                Counter::ConnLost => kernel.records_lost.clone(),
                Counter::ConnClosed => continue, // counted by state from the records
                other => match kernel
                    .verdicts
                    .get_metric_with_label_values(&[other.hook(), other.name()])
                {
                    Ok(counter) => counter,
                    Err(_) => continue,
                },
            };
            counter.inc_by(reading.count.saturating_sub(counter.get()));
        }
    }

    /// Shows how full the maps are; with `walk` also those that have to be counted.
    pub(super) fn gauge(&self, walk: bool) {
        let fills = self.with_kernel(|kernel| kernel.fills(walk)).unwrap_or_default();
        for fill in fills {
            let kernel = &self.metrics.kernel;
            for (gauges, value) in [(&kernel.map_entries, fill.used), (&kernel.map_room, fill.room)] {
                if let Ok(gauge) = gauges.get_metric_with_label_values(&[fill.map]) {
                    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
                }
            }
        }
    }

    /// Asks the kernel side, if there is one.
    pub(super) fn with_kernel<T>(&self, ask: impl FnOnce(&mut Kernel) -> T) -> Option<T> {
        self.kernel().as_mut().map(ask)
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(super) fn is_protected(&self, address: IpAddr) -> bool {
        self.protected.load().iter().any(|net| net.contains(&address))
    }

    /// Name of the listener whose sockets are a group.
    pub(super) fn listener_of(&self, group: Group) -> Option<String> {
        let found = self
            .groups
            .iter()
            .find(|(_, (tcp, udp))| *tcp == group || *udp == Some(group));
        found.map(|(name, _)| name.to_string())
    }

    /// Empties the ring of samples; the last `keep` stay.
    pub(super) fn take_samples(&self, keep: usize) {
        let mut new = Vec::new();
        if let Some(drops) = unpoisoned(&self.drops).as_mut() {
            drops.poll(&mut new);
        }
        if new.is_empty() {
            return;
        }
        let mut samples = unpoisoned(&self.samples);
        samples.extend(new);
        let over = samples.len().saturating_sub(keep);
        samples.drain(..over);
    }

    pub(super) fn samples(&self) -> Vec<Dropped> {
        unpoisoned(&self.samples).iter().cloned().collect()
    }

    fn kernel(&self) -> MutexGuard<'_, Option<Kernel>> {
        unpoisoned(&self.kernel)
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it was held left maps as the kernel has them; going on is the best there is.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn load(wanted: &Wanted<'_>) -> (Option<Kernel>, Vec<HookState>) {
    if wanted.mode == KernelMode::Off {
        return (None, HookState::all_failed("kernel.mode is `off`"));
    }
    let options = Options {
        uplinks: edge::uplinks(wanted.options),
        pins: wanted.pins.clone(),
        ban_entries: wanted.entries.bans,
        source_entries: wanted.entries.sources,
        services: (!wanted.options.l4.interfaces.is_empty()).then(|| ServicesOptions {
            interfaces: wanted
                .options
                .l4
                .interfaces
                .iter()
                .map(ToString::to_string)
                .collect(),
            flows: wanted.options.l4.flows.unwrap_or(DEFAULT_FLOWS),
        }),
        generation: wanted.process.generation,
        quic_key: wanted.process.quic_key,
        ..Options::default()
    };
    match Kernel::load(&options) {
        Ok(kernel) => (Some(kernel), Vec::new()),
        Err(error) => (None, HookState::all_failed(&error.to_string())),
    }
}

/// Registers every listener's sockets as the workers of its address, and marks them for accounting.
fn register(kernel: &mut Kernel, wanted: &Wanted<'_>) -> HashMap<Arc<str>, (Group, Option<Group>)> {
    let marker = kernel.marker();
    let accounts = kernel.is_attached(HookName::ConnAcct);
    let mut groups = HashMap::new();
    for (number, (name, bound)) in (1..).zip(wanted.names.iter().zip(wanted.bound)) {
        if accounts {
            for socket in &bound.tcp {
                if let Err(error) = marker.mark(socket, number) {
                    tracing::warn!(event = "KernelMarkFailed", listener = %name, "connections are not accounted: {error}");
                }
            }
        }
        let tcp: Vec<_> = bound.tcp.iter().map(|socket| socket.as_fd()).collect();
        let udp: Vec<_> = bound.udp.iter().map(|socket| socket.as_fd()).collect();
        let tcp = match kernel.register_workers(&tcp) {
            Ok(group) => group,
            Err(error) => {
                tracing::warn!(event = "KernelGroupFailed", listener = %name, "not registered: {error}");
                continue;
            }
        };
        let predecessor: Vec<_> = bound.predecessor.iter().map(|socket| socket.as_fd()).collect();
        let earlier = wanted.process.generation.wrapping_sub(1);
        if !predecessor.is_empty()
            && let Err(error) = kernel.register_predecessor(earlier, &predecessor)
        {
            tracing::warn!(event = "KernelGroupFailed", listener = %name, "QUIC connections of the predecessor are lost: {error}");
        }
        let udp = (!udp.is_empty()).then(|| kernel.register_workers(&udp)).and_then(|group| {
            group
                .inspect_err(|error| tracing::warn!(event = "KernelGroupFailed", listener = %name, "UDP not registered: {error}"))
                .ok()
        });
        groups.insert(Arc::clone(name), (tcp, udp));
    }
    groups
}

/// Gives up what was needed only to load and bind. Call it before any thread starts.
pub(crate) fn drop_privileges() {
    let keep: &[privilege::Cap] = if maps_need_capability() {
        &[privilege::Cap::CAP_BPF]
    } else {
        &[]
    };
    match privilege::drop_to(keep) {
        Ok(()) => tracing::info!(event = "CapabilitiesDropped", kept = ?keep, "capabilities given up"),
        Err(error) => tracing::error!(event = "CapabilitiesNotDropped", "{error}"),
    }
}

/// Before 5.19 a hardened kernel (`kernel.unprivileged_bpf_disabled`) refuses even maps that are open already.
fn maps_need_capability() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    version(&release).is_none_or(|version| version < (5, 19))
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Tends the edge until dropped: bans that workers asked for, samples of drops, what has run out, interfaces that went.
pub async fn tend(side: Arc<Side>) {
    let mut tick = tokio::time::interval(TEND);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut rounds = 0_u64;
    loop {
        tick.tick().await;
        side.tend(rounds);
        rounds += 1;
    }
}

/// Reads connection records until dropped.
pub async fn read_connections(mut connections: Connections, accounts: Accounts) {
    let mut tick = tokio::time::interval(POLL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut records: Vec<ConnRecord> = Vec::new();
    loop {
        tick.tick().await;
        while connections.poll(&mut records) == MAX_RECORDS_PER_POLL {
            flush(&mut records, &accounts);
            tokio::task::yield_now().await;
        }
        flush(&mut records, &accounts);
        accounts.sweep();
    }
}

fn flush(records: &mut Vec<ConnRecord>, accounts: &Accounts) {
    for record in records.drain(..) {
        accounts.record(&record, "kernel");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::{self, Listener};

    fn bound() -> Vec<Bound> {
        listen::bind(&[Listener::new("127.0.0.1:0".parse().unwrap(), false)], 2, None).unwrap()
    }

    fn start(mode: KernelMode, options: &KernelOptions) -> Result<(Side, Arc<Gate>, Arc<Metrics>), String> {
        let (gate, metrics) = (Arc::new(Gate::default()), Metrics::new().unwrap());
        let wanted = Wanted {
            mode,
            options,
            names: &["http".into()],
            bound: &bound(),
            process: Identity::default(),
            forbidden: &[],
            pins: None,
            entries: Entries::default(),
        };
        let (side, _) = Side::start(&wanted, Arc::clone(&gate), Arc::clone(&metrics))?;
        Ok((side, gate, metrics))
    }

    #[test]
    fn switched_off_every_hook_is_named_with_the_reason() {
        let (side, _, metrics) = start(KernelMode::Off, &KernelOptions::default()).unwrap();
        let state = side.state();
        assert_eq!(state.mode(), "userspace");
        assert_eq!(state.hooks.len(), HookName::ALL.len());
        assert!(
            state
                .hooks
                .iter()
                .all(|h| h.reason.as_deref() == Some("kernel.mode is `off`")),
            "{state:?}"
        );
        assert!(!side.accounts_in_kernel());
        let text = metrics.render().unwrap();
        for hook in ["xdp", "tc", "sk_lookup", "sk_reuseport", "sock_ops"] {
            let line = format!("gateway_kernel_hook_attached{{hook=\"{hook}\",mode=\"userspace\"}} 0");
            assert!(text.contains(&line), "no {line} in\n{text}");
        }
        side.refresh();
    }

    #[test]
    fn without_the_kernel_denied_sources_are_refused_and_steering_is_reported() {
        let options = KernelOptions {
            steer: vec![gateway_config::network::SteerRule {
                prefix: "192.0.2.0/24".parse().unwrap(),
                first_port: 1,
                last_port: 9,
                listener: "http".into(),
            }],
            deny: vec!["198.51.100.0/24".parse().unwrap()],
            ..KernelOptions::default()
        };
        let (side, gate, _) = start(KernelMode::Off, &options).unwrap();
        assert!(gate.refuses("198.51.100.9".parse().unwrap()));
        let warnings = side.apply(&options, &[]);
        assert!(
            warnings.iter().any(|w| w.contains("bind them as listeners")),
            "{warnings:?}"
        );
        assert_eq!(side.apply(&KernelOptions::default(), &[]), Vec::<String>::new());
        assert!(!gate.refuses("198.51.100.9".parse().unwrap()));
    }

    #[test]
    fn other_uplinks_want_a_restart() {
        let (side, ..) = start(KernelMode::Off, &KernelOptions::default()).unwrap();
        let later = KernelOptions {
            uplinks: vec!["eth9".into()],
            ..KernelOptions::default()
        };
        assert!(side.apply(&later, &[])[0].contains("restart"));
    }

    #[test]
    fn required_hooks_that_are_missing_stop_the_start() {
        // The interface exists nowhere, so this fails with and without a kernel object, as root or not.
        let options = KernelOptions {
            uplinks: vec!["no-such-uplink".into()],
            ..KernelOptions::default()
        };
        let error = start(KernelMode::Required, &options).err().unwrap();
        assert!(error.contains("kernel.mode is `required`"), "{error}");
    }

    #[test]
    fn kernel_versions_are_understood() {
        for (release, expected) in [
            ("6.1.0-18-amd64\n", Some((6, 1))),
            ("5.15.153.1-microsoft-standard-WSL2", Some((5, 15))),
            ("5.19", Some((5, 19))),
            ("", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
    }
}
