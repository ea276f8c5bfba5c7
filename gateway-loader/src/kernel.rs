//! The kernel side as one value: load, attach each hook on its own, update, read, detach by dropping.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use aya::maps::{Array, Map, MapData, PerCpuArray};
use aya::programs::SkReuseport;
use aya::{Ebpf, EbpfLoader};
use gateway_common::config::{
    GLOBAL_ACCOUNT, GLOBAL_KERNEL, GLOBAL_QUIC, KERNEL_COARSE_CLOCK, KERNEL_LOAD_BYTES,
};
use gateway_common::edge::{FILTER_WORDS, MAX_BANS, MAX_SOURCES};
use gateway_common::{BanEntry, CounterValue};
use ipnet::IpNet;
use socket2::SockRef;

use crate::attach::{self, AccountPlan};
use crate::bans::{self, Ban, Bans, NewBan};
use crate::conns::{Connections, Marker};
use crate::counters::{self, Reading};
use crate::drops::Drops;
use crate::edge::{Edge, EdgeOptions};
use crate::error::{BanError, EdgeError, LoadError, PrefixError, SteerError, WorkersError};
use crate::explain::{self, Explained, Question};
use crate::fill::{self, Fill};
use crate::hook::{self, HookName, HookState, reason};
use crate::l4::{self, Services};
use crate::object;
use crate::options::Options;
use crate::pins::{self, Pins, Shape, Sizes};
use crate::prefixes::{PrefixRule, Prefixes};
use crate::probe;
use crate::reader::{Ring, Turn};
use crate::steer::{Applied, Steer};
use crate::sys;
use crate::workers::{Group, Groups};

/// The loaded programs. Dropping it detaches every hook that is not pinned; registered sockets and connections live on.
pub struct Kernel {
    ebpf: Ebpf,
    hooks: Vec<HookState>,
    /// Numbers of the uplinks when they were attached, for the namespace of the thread that loaded.
    interfaces: BTreeMap<String, u32>,
    groups: Groups,
    steering: Applied,
    edge: Edge,
    /// Why nothing is pinned although a directory was given.
    unpinned: Option<String>,
    drops: Option<Drops>,
    counts: PerCpuArray<MapData, CounterValue>,
    connections: Option<Connections>,
    marker: Marker,
    services: Option<Services>,
    #[cfg(feature = "log")]
    log: Option<FlushLog>,
}

impl Kernel {
    /// Loads the programs and attaches the hooks asked for. A hook that cannot be attached is not an error: see
    /// [`Kernel::hooks`].
    ///
    /// # Errors
    /// When there is no object, or the kernel takes none of it.
    pub fn load(options: &Options) -> Result<Self, LoadError> {
        if !options.ring_bytes.is_power_of_two() || !(4096..=1 << 30).contains(&options.ring_bytes) {
            return Err(LoadError::RingSize(options.ring_bytes));
        }
        let bytes = object::bytes()?;
        raise_memory_limit();
        let account = AccountPlan::new(options);
        let sizes = sizes(options);
        let (pins, unpinned) = match options.pins.as_deref().map(Pins::open) {
            None => (None, None),
            Some(Ok(pins)) => (Some(pins), None),
            Some(Err(why)) => (None, Some(why)),
        };
        let l4_sizes = l4::sizes(options.services.as_ref());
        let mut shapes = pins::shapes(&sizes);
        if options.services.is_some() {
            shapes.extend(l4::shapes(&l4_sizes));
        }
        let carried = pins.as_ref().map(|pins| Carried::over(pins, &shapes));
        let mut loader = EbpfLoader::new();
        for shape in &shapes {
            if let Some(pins) = &pins {
                loader.map_pin_path(shape.name, pins.map(shape.name));
            }
        }
        for (map, entries) in &l4_sizes {
            loader.map_max_entries(map, *entries);
        }
        let mut ebpf = loader
            .override_global(GLOBAL_KERNEL, &features(), true)
            .override_global(GLOBAL_ACCOUNT, &account.flags, true)
            .override_global(GLOBAL_QUIC, &options.quic_key, true)
            .map_max_entries("CONNS", options.ring_bytes)
            .map_max_entries("SOURCES", sizes.sources)
            .map_max_entries("BANS4", sizes.bans)
            .map_max_entries("BANS6", sizes.bans)
            .map_max_entries("FILTER4", sizes.filter)
            .map_max_entries("FILTER6", sizes.filter)
            .load(bytes)
            .map_err(hook::load_error)?;
        let hooks = attach::all(&mut ebpf, options, &account, pins.as_ref());
        let turn = match &pins {
            None => Turn::alone(),
            Some(pins) => Turn::take(working_words(pins)?),
        };
        let mut edge = edge(&mut ebpf, &sizes)?;
        if let Some(carried) = carried {
            carried.into(&mut edge);
        }
        let groups = Groups::new(
            take(&mut ebpf, "SOCKETS")?,
            take(&mut ebpf, "GROUPS")?,
            take(&mut ebpf, "WORKING")?,
            options.generation,
        );
        Ok(Self {
            groups,
            steering: Applied::new(take(&mut ebpf, "EXACT")?, take(&mut ebpf, "PREFIXES")?),
            edge,
            unpinned,
            drops: Some(Drops::new(Ring::new(map(&mut ebpf, "DROPS")?, turn.clone()))),
            counts: take(&mut ebpf, "COUNTS")?,
            connections: Some(Connections::new(Ring::new(map(&mut ebpf, "CONNS")?, turn))),
            marker: Marker::new(take(&mut ebpf, "MARKS")?),
            services: Some(services(&mut ebpf, options)?),
            // After the programs: they are loaded with the descriptor of the log's map, which the logger takes over.
            #[cfg(feature = "log")]
            log: start_log(&mut ebpf),
            interfaces: interfaces(&hooks),
            hooks,
            ebpf,
        })
    }

    /// Looks whether the interfaces are still there. Call it every few seconds: a program goes with its interface, and one that
    /// comes back has none until the next start. Whether anything changed.
    pub fn refresh(&mut self) -> bool {
        let mut changed = false;
        let uplinks = self
            .hooks
            .iter_mut()
            .filter(|state| state.name == HookName::EdgeDrop);
        for state in uplinks.filter(|state| state.attached) {
            let now = sys::interface_number(&state.target);
            let then = self.interfaces.get(&state.target).copied();
            if now == then {
                continue;
            }
            let reason = match now {
                None => "the interface is gone, and the program with it",
                Some(_) => {
                    "the interface was gone and is back without the program; restart the agent to attach it"
                }
            };
            *state = HookState::failed(HookName::EdgeDrop, state.target.clone(), reason);
            changed = true;
        }
        changed
    }

    /// The state of every hook, one line per uplink for `edge_drop`.
    pub fn hooks(&self) -> &[HookState] {
        &self.hooks
    }

    /// Registers the listening sockets of one address as the group's workers, in worker order, and attaches `pick_worker` to
    /// them when they share the port (SO_REUSEPORT). Registering an address again replaces its sockets.
    ///
    /// # Errors
    /// When neither `vip_lookup` nor `pick_worker` is there, or the sockets are not of one bound, listening group.
    pub fn register_workers(&mut self, sockets: &[BorrowedFd<'_>]) -> Result<Group, WorkersError> {
        let choice = self.workers_possible()?;
        let group = self.groups.register(sockets)?;
        if let Some(listener) = self.groups.key(group)
            && let Err(error) = self.edge.add_own(&listener)
        {
            tracing::warn!(%error, "the edge does not know a listener");
        }
        if choice {
            self.attach_choice(sockets);
        }
        Ok(group)
    }

    /// Registers the sockets of an agent process that is still running, in worker order, so that its QUIC connections go on
    /// finding it. It keeps the new ones too, until [`Kernel::take_over`]. Call it before the address's own sockets are
    /// registered: from then on this process's programs choose.
    ///
    /// # Errors
    /// As [`Kernel::register_workers`].
    pub fn register_predecessor(
        &mut self,
        generation: u32,
        sockets: &[BorrowedFd<'_>],
    ) -> Result<Group, WorkersError> {
        self.workers_possible()?;
        self.groups.register_predecessor(generation, sockets)
    }

    /// From now on new connections are this process's.
    ///
    /// # Errors
    /// The kernel's answer; groups before the one that failed are taken over.
    pub fn take_over(&mut self) -> Result<(), WorkersError> {
        self.groups.take_over()
    }

    /// Whether `pick_worker` is there; an error when no program could use a socket.
    fn workers_possible(&self) -> Result<bool, WorkersError> {
        let choice = self
            .ebpf
            .program("pick_worker")
            .is_some_and(|program| program.fd().is_ok());
        if !self.is_attached(HookName::VipLookup) && !choice {
            return Err(WorkersError::Unavailable(self.why(HookName::VipLookup)));
        }
        Ok(choice)
    }

    /// Says that every listener is registered: those of an earlier process are the gateway's no more.
    pub fn settle(&mut self) {
        self.groups.settle();
        self.edge.keep_own(self.groups.registered());
    }

    /// Makes `list` the gateway's destinations: what is not in it is no longer steered. New entries go in before old ones
    /// leave.
    ///
    /// # Errors
    /// When `vip_lookup` is not attached, or the list does not fit the maps (nothing is changed then).
    pub fn steer(&mut self, list: &[Steer]) -> Result<(), SteerError> {
        if !self.is_attached(HookName::VipLookup) {
            return Err(SteerError::Unavailable(self.why(HookName::VipLookup)));
        }
        self.steering.replace(list)
    }

    /// Makes `rules` the source prefixes of all uplinks.
    ///
    /// # Errors
    /// When no uplink has `edge_drop`, or the list is too long (nothing is changed then).
    pub fn set_prefixes(&mut self, rules: &[PrefixRule]) -> Result<(), PrefixError> {
        if !self.is_attached(HookName::EdgeDrop) {
            return Err(PrefixError::Unavailable(self.why(HookName::EdgeDrop)));
        }
        let done = self.edge.prefixes.replace(rules);
        self.edge
            .publish()
            .map_err(|error| PrefixError::Filter(error.to_string()))?;
        done
    }

    /// Source prefixes in force: IPv4, IPv6. The maps take [`gateway_common::edge::MAX_PREFIX_ENTRIES`] of each.
    pub fn prefixes_fill(&self) -> (usize, usize) {
        self.edge.prefixes.fill()
    }

    /// Puts the options of the edge in force: malformed packets, budgets, samples.
    ///
    /// # Errors
    /// When they do not fit the maps (nothing is changed then), or the kernel refuses an entry.
    pub fn set_edge(&mut self, options: &EdgeOptions) -> Result<(), EdgeError> {
        self.edge.set(options)
    }

    /// Sources that are never banned: trusted proxies, allowed prefixes. Their bans end.
    ///
    /// # Errors
    /// When the kernel refuses to be told.
    pub fn protect(&mut self, sources: &[IpNet]) -> Result<(), EdgeError> {
        self.edge.bans.protect(sources);
        self.edge.publish()
    }

    /// Bans a source for a time. A ban of the same address that ends later keeps its end.
    ///
    /// # Errors
    /// When no uplink has `edge_drop`, the source may not be banned, or the map is full.
    pub fn ban(&mut self, ban: &NewBan) -> Result<(), BanError> {
        if !self.is_attached(HookName::EdgeDrop) {
            return Err(BanError::Unavailable(self.why(HookName::EdgeDrop)));
        }
        self.edge.bans.add(ban)?;
        self.edge.publish().map_err(|error| BanError::Kernel {
            address: ban.address,
            message: error.to_string(),
        })
    }

    /// Ends a ban. Whether there was one.
    pub fn unban(&mut self, address: IpAddr) -> bool {
        let removed = self.edge.bans.remove(address);
        // The flag only spares a look-up: a map without entries bans nobody.
        let _ = self.edge.publish();
        removed
    }

    /// Forgets bans that have run out; the kernel has not minded them since. How many that were.
    pub fn sweep_bans(&mut self) -> usize {
        let swept = self.edge.bans.sweep();
        if swept > 0 {
            let _ = self.edge.publish();
        }
        swept
    }

    /// The bans in force, by address.
    pub fn bans(&self) -> Vec<Ban> {
        self.edge.bans.all()
    }

    /// What would happen to a packet, and why, from the live maps.
    pub fn explain(&self, question: &Question) -> Explained {
        explain::explain(&self.edge, &self.steering, question)
    }

    /// How full the maps are. With `walk` also those whose entries only the kernel knows: a tenth of a second when they are full.
    pub fn fills(&self, walk: bool) -> Vec<Fill> {
        fill::fills(&self.edge, &self.steering, self.groups.len(), walk)
    }

    /// The reader of samples of dropped packets; `None` after it was taken.
    pub fn take_drops(&mut self) -> Option<Drops> {
        self.drops.take()
    }

    /// Every counter, summed over the CPUs. Two dozen system calls: for scrapes.
    ///
    /// # Errors
    /// The kernel's answer; only when the map is gone.
    pub fn counters(&self) -> Result<Vec<Reading>, String> {
        counters::read(&self.counts).map_err(|error| hook::map_reason(&error))
    }

    /// The reader of connection records; `None` after it was taken. Records come only while `conn_acct` is attached.
    pub fn take_connections(&mut self) -> Option<Connections> {
        self.connections.take()
    }

    /// The L4 services; `None` after they were taken. They work only while `l4_ingress` is attached.
    pub fn take_services(&mut self) -> Option<Services> {
        self.services.take()
    }

    /// Marks listeners and sockets to upstreams for `conn_acct`.
    pub fn marker(&self) -> Marker {
        self.marker.clone()
    }

    /// Whether a hook runs anywhere.
    pub fn is_attached(&self, name: HookName) -> bool {
        self.hooks
            .iter()
            .any(|state| state.name == name && state.attached)
    }

    /// Verified instructions of each loaded program, where the kernel tells (5.16).
    pub fn verified_instructions(&self) -> Vec<(String, u32)> {
        self.ebpf
            .programs()
            .filter_map(|(name, program)| {
                Some((
                    name.to_owned(),
                    program.info().ok()?.verified_instruction_count()?,
                ))
            })
            .collect()
    }

    /// Passes the waiting log lines of the programs to the `log` crate's logger. Objects are without log lines unless they were
    /// built with gateway-ebpf's feature `log`.
    #[cfg(feature = "log")]
    pub fn flush_log(&mut self) {
        if let Some(log) = &mut self.log {
            log();
        }
    }

    /// Why nothing is pinned although a directory was given.
    pub fn unpinned(&self) -> Option<&str> {
        self.unpinned.as_deref()
    }

    /// The loaded programs, for test runs and tools.
    pub const fn programs(&self) -> &Ebpf {
        &self.ebpf
    }

    /// Detaches every hook that is not pinned. The same as dropping; connections stay open.
    pub fn detach(self) {
        drop(self);
    }

    fn why(&self, name: HookName) -> String {
        let state = self.hooks.iter().find(|state| state.name == name);
        state
            .and_then(|state| state.reason.clone())
            .unwrap_or_else(|| "no interface was given".to_owned())
    }

    fn attach_choice(&mut self, sockets: &[BorrowedFd<'_>]) {
        let Some(first) = sockets.first() else {
            return;
        };
        if !SockRef::from(first).reuse_port().unwrap_or(false) {
            return;
        }
        let count = self.groups.len();
        let attached = self.ebpf.program("pick_worker").map(<&SkReuseport>::try_from);
        let Some(state) = self
            .hooks
            .iter_mut()
            .find(|state| state.name == HookName::PickWorker)
        else {
            return;
        };
        *state = match attached {
            Some(Ok(program)) => match program.attach(first) {
                Ok(()) => HookState::attached(HookName::PickWorker, format!("{count} groups"), "group"),
                Err(error) => HookState::failed(HookName::PickWorker, "", reason(&error)),
            },
            _ => HookState::failed(HookName::PickWorker, "", "the object has no such program"),
        };
    }
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel")
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

fn interfaces(hooks: &[HookState]) -> BTreeMap<String, u32> {
    let uplinks = hooks
        .iter()
        .filter(|state| state.name == HookName::EdgeDrop && state.attached);
    uplinks
        .filter_map(|state| Some((state.target.clone(), sys::interface_number(&state.target)?)))
        .collect()
}

/// Sizes of the maps that the machine or the configuration decide. Without an uplink the maps of the edge are as small as
/// possible: the state of sources is allocated at once.
fn sizes(options: &Options) -> Sizes {
    let edge = !options.uplinks.is_empty();
    let or_one = |size: u32| if edge { size.max(1) } else { 1 };
    Sizes {
        sources: or_one(options.source_entries.unwrap_or(MAX_SOURCES)),
        bans: or_one(options.ban_entries.unwrap_or(MAX_BANS)),
        filter: or_one(FILTER_WORDS),
        ring: options.ring_bytes,
    }
}

/// Bans of pinned maps that are replaced by maps of another size.
struct Carried {
    bans: Vec<(IpAddr, BanEntry)>,
}

impl Carried {
    /// Takes the misfits away, and what can be saved of them along.
    fn over(pins: &Pins, shapes: &[Shape]) -> Self {
        let bans = bans::pinned(&pins.map("BANS4"), &pins.map("BANS6"));
        let discarded = pins.discard_misfits(shapes);
        if !discarded.is_empty() {
            tracing::warn!(maps = ?discarded, "pinned maps of another size were replaced; bans are kept");
        }
        let lost = |address: &IpAddr| discarded.contains(&if address.is_ipv4() { "BANS4" } else { "BANS6" });
        Self {
            bans: bans.into_iter().filter(|(address, _)| lost(address)).collect(),
        }
    }

    fn into(self, edge: &mut Edge) {
        for (address, entry) in self.bans {
            edge.bans.restore(address, entry);
        }
    }
}

/// The map of working words once more, for the number of the rings' reader.
fn working_words(pins: &Pins) -> Result<Array<MapData, u64>, LoadError> {
    MapData::from_pin(pins.map("WORKING"))
        .and_then(|data| Array::try_from(Map::Array(data)))
        .map_err(|error| LoadError::Object(format!("map WORKING: {error}")))
}

fn edge(ebpf: &mut Ebpf, sizes: &Sizes) -> Result<Edge, LoadError> {
    let prefixes = Prefixes::new(
        take(ebpf, "PREFIXES4")?,
        take(ebpf, "PREFIXES6")?,
        take(ebpf, "FILTER4")?,
        take(ebpf, "FILTER6")?,
    );
    let bans = Bans::new(take(ebpf, "BANS4")?, take(ebpf, "BANS6")?, sizes.bans);
    Ok(Edge::new(
        prefixes,
        bans,
        take(ebpf, "EDGE")?,
        take(ebpf, "VIPS")?,
        take(ebpf, "OWN")?,
        (take(ebpf, "SOURCES")?, sizes.sources),
    ))
}

/// What this kernel has, as the programs are told.
fn features() -> u32 {
    let mut features = 0;
    if probe::kernel_at_least((5, 11)) {
        features |= KERNEL_COARSE_CLOCK;
    }
    if probe::kernel_at_least((5, 18)) {
        features |= KERNEL_LOAD_BYTES;
    }
    features
}

fn take<M>(ebpf: &mut Ebpf, name: &str) -> Result<M, LoadError>
where
    M: TryFrom<aya::maps::Map, Error = aya::maps::MapError>,
{
    let map = ebpf
        .take_map(name)
        .ok_or_else(|| LoadError::Object(format!("there is no map {name}")))?;
    M::try_from(map).map_err(|error| LoadError::Object(format!("map {name}: {error}")))
}

fn map(ebpf: &mut Ebpf, name: &str) -> Result<Map, LoadError> {
    ebpf.take_map(name)
        .ok_or_else(|| LoadError::Object(format!("there is no map {name}")))
}

fn services(ebpf: &mut Ebpf, options: &Options) -> Result<Services, LoadError> {
    let maps = l4::Maps::new(|name| map(ebpf, name))?;
    Services::new(maps, options.services.is_some()).map_err(|error| LoadError::Object(error.to_string()))
}

/// Hides the logger's type, which names a crate that only it needs.
#[cfg(feature = "log")]
type FlushLog = Box<dyn FnMut() + Send>;

#[cfg(feature = "log")]
fn start_log(ebpf: &mut Ebpf) -> Option<FlushLog> {
    match aya_log::EbpfLogger::init(ebpf) {
        Ok(mut logger) => Some(Box::new(move || logger.flush())),
        Err(error) => {
            tracing::warn!(%error, "the kernel object has no log lines");
            None
        }
    }
}

/// Before 5.11 maps count against RLIMIT_MEMLOCK. Failure is not fatal: newer kernels do not look at it, and on older ones
/// the map that does not fit says so.
fn raise_memory_limit() {
    let unlimited = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    #[expect(unsafe_code, reason = "setrlimit has no safe wrapper in libc")]
    // SAFETY: a valid pointer to a valid value.
    let failed = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const unlimited) } != 0;
    if failed {
        tracing::debug!(error = %std::io::Error::last_os_error(), "RLIMIT_MEMLOCK stays as it is");
    }
}
