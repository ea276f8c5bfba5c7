//! The services in force: changed by difference, tables switched whole, readings per backend.
//!
//! Order of a change: the filter with old and new addresses, backends, tables into free places, service entries (each one
//! write, which moves a service from its old table to the new one), then what is gone, then the exact filter.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use gateway_common::l4::{
    BACKEND_CUT, BACKEND_UP, BackendCount, BackendEntry, FILTER_WORDS, Filter, MAX_BACKENDS, MAX_SERVICES,
    MAX_TABLES, MaglevTable, SERVICE_BYTE_LIMIT, SERVICE_FLOW_LIMIT, SERVICE_FULL_NAT,
    SERVICE_SOURCE_AFFINITY, ServiceEntry, ServiceKey, ServiceLimit, ServiceState, TABLE_WORDS, filter_bit,
};

use super::config::{Backend, Health, Nat, Service};
use super::maglev::{self, Candidate};
use super::maps::{Maps, address, end, first, words};
use super::numbers::Numbers;
use crate::error::ServicesError;
use crate::hook::map_reason;
use crate::steer::Protocol;

/// Nanoseconds of traffic at the byte limit that may come at once: a round trip and the bursts of offloads fit in.
const BURST_NS: u64 = 100_000_000;

/// What finds a service again: address, port and protocol.
type Identity = (SocketAddr, u8);

/// Flows, packets and bytes of a backend or a service. Bytes from the IP header on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Traffic {
    pub flows: u64,
    pub packets_in: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub bytes_out: u64,
}

impl Traffic {
    fn add(&mut self, other: &BackendCount) {
        self.flows += other.flows;
        self.packets_in += other.packets_in;
        self.bytes_in += other.bytes_in;
        self.packets_out += other.packets_out;
        self.bytes_out += other.bytes_out;
    }

    /// Both together.
    #[must_use]
    pub const fn plus(mut self, other: Self) -> Self {
        self.flows += other.flows;
        self.packets_in += other.packets_in;
        self.bytes_in += other.bytes_in;
        self.packets_out += other.packets_out;
        self.bytes_out += other.bytes_out;
        self
    }
}

/// A backend in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendReading {
    /// Address and port; port 0: the one the client used.
    pub address: SocketAddr,
    /// Whether it takes flows.
    pub health: Health,
    /// Its share of the service's table, in slots.
    pub slots: u32,
    /// What went to it and came from it since it was added.
    pub traffic: Traffic,
}

/// A service in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceReading {
    /// Name for people; empty after a restart until the configuration names it again.
    pub name: String,
    /// Virtual address and port.
    pub address: SocketAddr,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Number that flows carry.
    pub id: u16,
    /// Flows at this time, as the kernel counts them.
    pub active: u64,
    /// Backends.
    pub backends: Vec<BackendReading>,
    /// What went through backends that are no longer there.
    pub retired: Traffic,
}

#[derive(Debug)]
struct Member {
    number: u16,
    generation: u16,
    flags: u16,
    health: Health,
    slots: u32,
}

#[derive(Debug)]
struct Running {
    name: String,
    entry: ServiceEntry,
    limit: ServiceLimit,
    members: BTreeMap<SocketAddr, Member>,
    /// What the table in force was built from; `None` when an earlier agent built it.
    shares: Option<Vec<(u16, u16)>>,
    retired: Traffic,
}

/// The maps of the services and what is in them. One owner; the kernel reads and counts meanwhile.
pub struct Services {
    pub(super) maps: Maps,
    running: BTreeMap<Identity, Running>,
    numbers: Numbers,
    free_tables: Vec<u16>,
    free_ids: Vec<u16>,
}

impl Services {
    /// Takes the maps over, with the services that an earlier agent left in them.
    pub(crate) fn new(maps: Maps, on: bool) -> Result<Self, ServicesError> {
        let mut services = Self {
            maps,
            running: BTreeMap::new(),
            numbers: Numbers::new(),
            free_tables: (0..MAX_TABLES as u16).rev().collect(),
            free_ids: (1..=MAX_SERVICES as u16).rev().collect(),
        };
        if on {
            services.adopt()?;
            services.tick()?;
        }
        Ok(services)
    }

    /// Writes the clock that flows are dated with. Once a second; while nobody does, flows only look younger than they are.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn tick(&mut self) -> Result<(), ServicesError> {
        self.maps.clock.set(0, now(), 0).map_err(refused)
    }

    /// Makes `list` the services in force. A backend that is in it no longer is cut: its flows end. To let them end by
    /// themselves keep it as [`Health::Draining`].
    ///
    /// # Errors
    /// When the list is not possible (nothing is changed then), or the kernel refuses an entry.
    pub fn apply(&mut self, list: &[Service]) -> Result<(), ServicesError> {
        let wanted = check(list)?;
        self.write_filter(Some(list))?;
        // Tables that go out of force here are not filled again before the next call.
        let mut idle = Vec::new();
        for (identity, service) in &wanted {
            self.put(*identity, service, &mut idle)?;
        }
        let gone: Vec<Identity> = self
            .running
            .keys()
            .filter(|key| !wanted.contains_key(*key))
            .copied()
            .collect();
        for identity in gone {
            self.remove(identity, &mut idle)?;
        }
        self.free_tables.splice(0..0, idle);
        self.write_filter(None)
    }

    /// The services with what they have counted.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn readings(&self) -> Result<Vec<ServiceReading>, ServicesError> {
        let mut readings = Vec::new();
        for ((address, protocol), running) in &self.running {
            let mut backends = Vec::new();
            for (address, member) in &running.members {
                backends.push(BackendReading {
                    address: *address,
                    health: member.health,
                    slots: member.slots,
                    traffic: self.traffic(member.number)?,
                });
            }
            let state = self
                .maps
                .states
                .get(&u32::from(running.entry.id), 0)
                .map_err(refused)?;
            readings.push(ServiceReading {
                name: running.name.clone(),
                address: *address,
                protocol: protocol_of(*protocol),
                id: running.entry.id,
                active: state.active,
                backends,
                retired: running.retired,
            });
        }
        Ok(readings)
    }

    /// Corrects the kernel's counts of flows at this time: number of the service, flows.
    pub(super) fn correct_active(&mut self, active: &BTreeMap<u16, u64>) -> Result<(), ServicesError> {
        for running in self.running.values() {
            let id = u32::from(running.entry.id);
            let state = self.maps.states.get(&id, 0).map_err(refused)?;
            let counted = active.get(&running.entry.id).copied().unwrap_or(0);
            if state.active != counted {
                let corrected = ServiceState {
                    active: counted,
                    ..state
                };
                self.maps.states.set(id, corrected, 0).map_err(refused)?;
            }
        }
        Ok(())
    }

    /// Name of a service by its number; `None` when it is gone.
    pub(super) fn by_id(&self, id: u16) -> Option<&str> {
        let found = self.running.values().find(|running| running.entry.id == id);
        found.map(|running| running.name.as_str())
    }

    fn put(
        &mut self,
        identity: Identity,
        service: &Service,
        idle: &mut Vec<u16>,
    ) -> Result<(), ServicesError> {
        if !self.running.contains_key(&identity) {
            let id = self
                .free_ids
                .pop()
                .ok_or(ServicesError::TooManyServices(MAX_SERVICES as usize + 1))?;
            self.maps
                .states
                .set(u32::from(id), ServiceState::default(), 0)
                .map_err(refused)?;
            self.maps
                .limits
                .set(u32::from(id), ServiceLimit::default(), 0)
                .map_err(refused)?;
            let running = Running {
                name: String::new(),
                entry: ServiceEntry {
                    id,
                    table: u16::MAX,
                    ..ServiceEntry::default()
                },
                limit: ServiceLimit::default(),
                members: BTreeMap::new(),
                shares: None,
                retired: Traffic::default(),
            };
            self.running.insert(identity, running);
        }
        let Some(mut running) = self.running.remove(&identity) else {
            return Ok(());
        };
        let done = self.change(identity, service, &mut running, idle);
        self.running.insert(identity, running);
        done
    }

    fn change(
        &mut self,
        identity: Identity,
        service: &Service,
        running: &mut Running,
        idle: &mut Vec<u16>,
    ) -> Result<(), ServicesError> {
        running.name.clone_from(&service.name);
        for backend in &service.backends {
            self.put_backend(backend, running)?;
        }
        let shares = shares(service, running);
        let mut entry = entry(service, running.entry);
        if running.shares.as_ref() != Some(&shares) {
            let table = self
                .free_tables
                .pop()
                .ok_or(ServicesError::TooManyServices(MAX_SERVICES as usize + 1))?;
            self.build(table, service, running)?;
            entry.table = table;
        }
        let limit = limit(service);
        if limit != running.limit {
            self.maps
                .limits
                .set(u32::from(entry.id), limit, 0)
                .map_err(refused)?;
            running.limit = limit;
        }
        if entry != running.entry {
            self.write_service(identity, Some(entry))?;
            if entry.table != running.entry.table && u32::from(running.entry.table) < MAX_TABLES {
                idle.push(running.entry.table);
            }
            running.entry = entry;
        }
        running.shares = Some(shares);
        let listed =
            |address: &SocketAddr| service.backends.iter().any(|backend| backend.address == *address);
        let gone: Vec<SocketAddr> = running
            .members
            .keys()
            .filter(|address| !listed(address))
            .copied()
            .collect();
        for address in gone {
            if let Some(member) = running.members.remove(&address) {
                self.cut(address, &member, running)?;
            }
        }
        Ok(())
    }

    fn put_backend(&mut self, backend: &Backend, running: &mut Running) -> Result<(), ServicesError> {
        let flags = if backend.health == Health::Up && backend.weight > 0 {
            BACKEND_UP
        } else {
            0
        };
        if let Some(member) = running.members.get_mut(&backend.address) {
            member.health = backend.health;
            if member.flags == flags {
                return Ok(());
            }
            member.flags = flags;
        } else {
            let (number, generation) = self
                .numbers
                .take()
                .ok_or(ServicesError::TooManyBackends(MAX_BACKENDS as usize))?;
            let cpus = aya::util::nr_cpus()
                .map_err(|(what, error)| ServicesError::Kernel(format!("{what}: {error}")))?;
            let zero = aya::maps::PerCpuValues::try_from(vec![BackendCount::default(); cpus])
                .map_err(|error| ServicesError::Kernel(error.to_string()))?;
            self.maps
                .counts
                .set(u32::from(number), zero, 0)
                .map_err(refused)?;
            let member = Member {
                number,
                generation,
                flags,
                health: backend.health,
                slots: 0,
            };
            running.members.insert(backend.address, member);
        }
        match running.members.get(&backend.address) {
            Some(member) => self.write_backend(backend.address, member, running.entry.id, member.flags),
            None => Ok(()),
        }
    }

    fn write_backend(
        &mut self,
        address: SocketAddr,
        member: &Member,
        service: u16,
        flags: u16,
    ) -> Result<(), ServicesError> {
        let entry = BackendEntry {
            address: words(address.ip()),
            port: address.port().to_be(),
            flags,
            generation: member.generation,
            service,
        };
        self.maps
            .backends
            .set(u32::from(member.number), entry, 0)
            .map_err(refused)
    }

    /// Ends the flows of a backend and gives its number back.
    fn cut(
        &mut self,
        address: SocketAddr,
        member: &Member,
        running: &mut Running,
    ) -> Result<(), ServicesError> {
        self.write_backend(address, member, running.entry.id, BACKEND_CUT)?;
        running.retired = running.retired.plus(self.traffic(member.number)?);
        self.numbers.release(member.number);
        Ok(())
    }

    fn remove(&mut self, identity: Identity, idle: &mut Vec<u16>) -> Result<(), ServicesError> {
        let Some(mut running) = self.running.remove(&identity) else {
            return Ok(());
        };
        self.write_service(identity, None)?;
        let members = std::mem::take(&mut running.members);
        for (address, member) in &members {
            self.cut(*address, member, &mut running)?;
        }
        if u32::from(running.entry.table) < MAX_TABLES {
            idle.push(running.entry.table);
        }
        self.free_ids.push(running.entry.id);
        Ok(())
    }

    fn build(&mut self, table: u16, service: &Service, running: &mut Running) -> Result<(), ServicesError> {
        let up = service
            .backends
            .iter()
            .filter(|backend| backend.health == Health::Up);
        let candidates: Vec<Candidate> = up
            .filter_map(|backend| {
                Some(Candidate {
                    number: running.members.get(&backend.address)?.number,
                    weight: backend.weight,
                    identity: backend.address.to_string().into_bytes(),
                })
            })
            .collect();
        let slots = maglev::build(&candidates);
        for member in running.members.values_mut() {
            member.slots = slots.iter().filter(|slot| **slot == member.number).count() as u32;
        }
        let mut whole = Box::new(MaglevTable {
            slots: [0; TABLE_WORDS],
        });
        for (to, from) in whole.slots.iter_mut().zip(&slots) {
            *to = *from;
        }
        self.maps.tables.set(u32::from(table), *whole, 0).map_err(refused)
    }

    fn write_service(
        &mut self,
        identity: Identity,
        entry: Option<ServiceEntry>,
    ) -> Result<(), ServicesError> {
        let (address, protocol) = identity;
        let all = words(address.ip());
        macro_rules! write {
            ($map:expr) => {{
                let key = ServiceKey {
                    address: first(all),
                    port: address.port().to_be(),
                    protocol,
                    pad: 0,
                };
                match entry {
                    Some(entry) => $map.insert(key, entry, 0),
                    None => $map.remove(&key),
                }
            }};
        }
        let done = if address.is_ipv4() {
            write!(self.maps.v4.services)
        } else {
            write!(self.maps.v6.services)
        };
        done.map_err(refused)
    }

    /// Bits of what is in force; with a list, of the list too.
    fn write_filter(&mut self, coming: Option<&[Service]>) -> Result<(), ServicesError> {
        let mut filter = Box::new(Filter {
            words: [0; FILTER_WORDS],
        });
        let mut mark = |address: SocketAddr| {
            let all = words(address.ip());
            let bit = if address.is_ipv4() {
                filter_bit::<1>(&first(all))
            } else {
                filter_bit(&all)
            };
            if let Some(word) = filter.words.get_mut(bit as usize / 64) {
                *word |= 1 << (bit % 64);
            }
        };
        for ((address, _), running) in &self.running {
            mark(*address);
            running.members.keys().for_each(|address| mark(*address));
        }
        for service in coming.unwrap_or_default() {
            mark(service.address);
            service.backends.iter().for_each(|backend| mark(backend.address));
        }
        self.maps.filter.set(0, *filter, 0).map_err(refused)
    }

    fn traffic(&self, number: u16) -> Result<Traffic, ServicesError> {
        let values = self.maps.counts.get(&u32::from(number), 0).map_err(refused)?;
        let mut sum = Traffic::default();
        values.iter().for_each(|value| sum.add(value));
        Ok(sum)
    }

    /// Reads back what an earlier agent left, so that numbers of living flows keep their meaning.
    fn adopt(&mut self) -> Result<(), ServicesError> {
        let mut found: Vec<(Identity, ServiceEntry)> = Vec::new();
        for item in self.maps.v4.services.iter() {
            let (key, entry) = item.map_err(refused)?;
            found.push(((end(&key.address, key.port), key.protocol), entry));
        }
        for item in self.maps.v6.services.iter() {
            let (key, entry) = item.map_err(refused)?;
            found.push(((end(&key.address, key.port), key.protocol), entry));
        }
        for (identity, entry) in found {
            self.free_ids.retain(|id| *id != entry.id);
            self.free_tables.retain(|table| *table != entry.table);
            let limit = self.maps.limits.get(&u32::from(entry.id), 0).map_err(refused)?;
            let running = Running {
                name: String::new(),
                entry,
                limit,
                members: BTreeMap::new(),
                shares: None,
                retired: Traffic::default(),
            };
            self.running.insert(identity, running);
        }
        if self.running.is_empty() {
            return Ok(());
        }
        for number in 1..MAX_BACKENDS as u16 {
            let entry = self.maps.backends.get(&u32::from(number), 0).map_err(refused)?;
            if entry.generation == 0 {
                continue;
            }
            let owner = self
                .running
                .iter_mut()
                .find(|(_, running)| running.entry.id == entry.service);
            let in_use = entry.flags & BACKEND_CUT == 0 && owner.is_some();
            self.numbers.adopt(number, entry.generation, in_use);
            if let Some(((service, _), running)) = owner.filter(|_| in_use) {
                let ip = if service.is_ipv4() {
                    address(&first::<1>(entry.address))
                } else {
                    address(&entry.address)
                };
                let up = entry.flags & BACKEND_UP != 0;
                let member = Member {
                    number,
                    generation: entry.generation,
                    flags: entry.flags,
                    health: if up { Health::Up } else { Health::Draining },
                    slots: 0,
                };
                running
                    .members
                    .insert(SocketAddr::new(ip, u16::from_be(entry.port)), member);
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services")
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

/// Seconds of CLOCK_MONOTONIC.
pub(super) fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    #[expect(
        unsafe_code,
        reason = "clock_gettime has no safe wrapper in libc; Instant does not tell its value"
    )]
    // SAFETY: a valid pointer; the clock exists on every Linux.
    unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time);
    }
    time.tv_sec.unsigned_abs()
}

fn protocol_of(number: u8) -> Protocol {
    if number == Protocol::Udp.number() {
        Protocol::Udp
    } else {
        Protocol::Tcp
    }
}

/// Refuses what the program could not do, before anything is changed.
fn check(list: &[Service]) -> Result<BTreeMap<Identity, &Service>, ServicesError> {
    let mut wanted = BTreeMap::new();
    let mut backends = 0;
    for service in list {
        let bad = |reason: String| ServicesError::Bad {
            service: service.name.clone(),
            reason,
        };
        let v4 = service.address.is_ipv4();
        if let Some(other) = service
            .backends
            .iter()
            .find(|backend| backend.address.is_ipv4() != v4)
        {
            return Err(bad(format!(
                "{} and backend {} are not of one family",
                service.address, other.address
            )));
        }
        if let Nat::Full { source, ports } = &service.nat {
            if source.is_ipv4() != v4 {
                return Err(bad(format!(
                    "{} and source {source} are not of one family",
                    service.address
                )));
            }
            if *ports.start() == 0 || ports.is_empty() {
                return Err(bad(format!(
                    "source ports {}-{} are not a range",
                    ports.start(),
                    ports.end()
                )));
            }
        }
        backends += service.backends.len();
        let identity = (service.address, service.protocol.number());
        if wanted.insert(identity, service).is_some() {
            return Err(bad(format!("{} is there twice", service.address)));
        }
    }
    if wanted.len() > MAX_SERVICES as usize {
        return Err(ServicesError::TooManyServices(wanted.len()));
    }
    if backends >= MAX_BACKENDS as usize / 2 {
        return Err(ServicesError::TooManyBackends(backends));
    }
    Ok(wanted)
}

fn shares(service: &Service, running: &Running) -> Vec<(u16, u16)> {
    let up = service
        .backends
        .iter()
        .filter(|backend| backend.health == Health::Up);
    let mut shares: Vec<(u16, u16)> = up
        .filter_map(|backend| Some((running.members.get(&backend.address)?.number, backend.weight)))
        .collect();
    shares.sort_unstable();
    shares
}

fn entry(service: &Service, before: ServiceEntry) -> ServiceEntry {
    let mut entry = ServiceEntry {
        id: before.id,
        table: before.table,
        ..ServiceEntry::default()
    };
    if let Nat::Full { source, ports } = &service.nat {
        entry.flags |= SERVICE_FULL_NAT;
        entry.nat_source = words(*source);
        (entry.nat_low, entry.nat_high) = (*ports.start(), *ports.end());
    }
    for (set, flag) in [
        (service.affinity, SERVICE_SOURCE_AFFINITY),
        (service.max_flows.is_some(), SERVICE_FLOW_LIMIT),
        (service.bytes_per_second.is_some(), SERVICE_BYTE_LIMIT),
    ] {
        if set {
            entry.flags |= flag;
        }
    }
    entry
}

fn limit(service: &Service) -> ServiceLimit {
    ServiceLimit {
        max_flows: service.max_flows.unwrap_or(0),
        byte_ps: service
            .bytes_per_second
            .map_or(0, |rate| 1_000_000_000_000 / rate.max(1)),
        burst_ns: BURST_NS,
    }
}

fn refused(error: aya::maps::MapError) -> ServicesError {
    ServicesError::Kernel(map_reason(&error))
}
