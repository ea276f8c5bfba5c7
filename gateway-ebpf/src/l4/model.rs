//! The tables of the L4 services on the host: maps in memory, and the frame in a vector.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use gateway_common::Counter;
use gateway_common::l4::{
    BackendEntry, FlowKey, FlowValue, FragmentKey, MAGLEV_SIZE, Ports, ServiceEntry, ServiceKey, filter_bit,
};

use super::{Flow, ICMP, ICMPV6, Outcome, Refusal, Shared, Tables, checksum, icmp, open, words4, words6};
use crate::packet::{Packet, PacketMut, SlicePacket};
use crate::parse::{self, Address};

/// Entries of a flow table.
type Entries<const N: usize> = RefCell<BTreeMap<FlowKey<N>, Rc<Cell<FlowValue<N>>>>>;

/// The maps of one family.
#[derive(Debug, Default)]
pub struct Family<const N: usize> {
    /// Services.
    pub services: BTreeMap<ServiceKey<N>, ServiceEntry>,
    /// Established flows.
    pub established: Entries<N>,
    /// Young flows.
    pub young: Entries<N>,
    fragments: RefCell<HashMap<FragmentKey<N>, Ports>>,
}

/// All maps.
#[derive(Debug, Default)]
pub struct Model {
    /// IPv4.
    pub v4: Family<1>,
    /// IPv6.
    pub v6: Family<4>,
    /// Backends by number; 0 is none.
    pub backends: Vec<BackendEntry>,
    /// Tables; a slot is the hash's share of the list.
    pub tables: Vec<Vec<u16>>,
    /// Bits of the filter.
    pub filter: BTreeSet<u32>,
    /// Seconds.
    pub now: Cell<u32>,
    /// Flows at this time by service, and the most.
    pub active: RefCell<BTreeMap<u16, u64>>,
    /// Most flows by service.
    pub limits: BTreeMap<u16, u64>,
    /// Events beside the verdicts.
    pub notes: RefCell<Vec<Counter>>,
    /// Packets and bytes by backend and direction.
    pub traffic: RefCell<BTreeMap<(u16, bool), (u64, u64)>>,
}

/// An entry: as it was when it was found, and where changes go.
#[derive(Clone, Debug)]
pub struct Entry<const N: usize>(FlowValue<N>, Rc<Cell<FlowValue<N>>>);

impl<const N: usize> Entry<N> {
    fn change(&self, change: impl FnOnce(&mut FlowValue<N>)) {
        let mut value = self.1.get();
        change(&mut value);
        self.1.set(value);
    }
}

impl<const N: usize> Flow<N> for Entry<N> {
    fn value(&self) -> &FlowValue<N> {
        &self.0
    }
    fn set_flags(&self, flags: u32) {
        self.change(|value| value.flags = flags);
    }
    fn touch(&self, now: u32) {
        self.change(|value| value.seen = now);
    }
    fn count(&self, packets: u64, bytes: u64) {
        self.change(|value| {
            value.packets += packets;
            value.bytes += bytes;
        });
    }
}

impl Shared for Model {
    fn listed(&self, bit: u32) -> bool {
        self.filter.contains(&bit)
    }
    fn backend(&self, number: u16) -> Option<&BackendEntry> {
        self.backends.get(usize::from(number))
    }
    fn slot(&self, table: u16, slot: u32) -> u16 {
        let Some(table) = self.tables.get(usize::from(table)) else {
            return 0;
        };
        let at = slot as usize * table.len() / MAGLEV_SIZE as usize;
        table.get(at).copied().unwrap_or(0)
    }
    fn now(&self) -> u32 {
        self.now.get()
    }
    fn admit(&self, service: u16) -> bool {
        let most = self.limits.get(&service).copied().unwrap_or(0);
        let room = self.active.borrow().get(&service).copied().unwrap_or(0) < most;
        if room {
            self.begun(service);
        }
        room
    }
    fn begun(&self, service: u16) {
        *self.active.borrow_mut().entry(service).or_default() += 1;
    }
    fn ended(&self, service: u16) {
        let mut active = self.active.borrow_mut();
        let count = active.entry(service).or_default();
        *count = count.saturating_sub(1);
    }
    fn pay(&self, _: u16, bytes: u64) -> bool {
        bytes < 1_000
    }
    fn count_backend(&self, number: u16, reply: bool, packets: u64, bytes: u64) {
        let mut traffic = self.traffic.borrow_mut();
        let sum = traffic.entry((number, reply)).or_default();
        sum.0 += packets;
        sum.1 += bytes;
    }
    fn count_flow(&self, _: u16) {}
    fn note(&self, counter: Counter) {
        self.notes.borrow_mut().push(counter);
    }
}

fn found<const N: usize>(entries: &Entries<N>, key: &FlowKey<N>) -> Option<Entry<N>> {
    let entries = entries.borrow();
    let cell = entries.get(key)?;
    Some(Entry(cell.get(), Rc::clone(cell)))
}

fn added<const N: usize>(entries: &Entries<N>, key: &FlowKey<N>, value: &FlowValue<N>) -> bool {
    let mut entries = entries.borrow_mut();
    let is_new = !entries.contains_key(key);
    entries.entry(*key).or_insert_with(|| Rc::new(Cell::new(*value)));
    is_new
}

macro_rules! family {
    ($n:literal $field:ident) => {
        impl Tables<$n> for Model {
            type Flow = Entry<$n>;

            fn service(&self, key: &ServiceKey<$n>) -> Option<&ServiceEntry> {
                self.$field.services.get(key)
            }
            fn established(&self, key: &FlowKey<$n>) -> Option<Entry<$n>> {
                found(&self.$field.established, key)
            }
            fn young(&self, key: &FlowKey<$n>) -> Option<Entry<$n>> {
                found(&self.$field.young, key)
            }
            fn establish(&self, key: &FlowKey<$n>, value: &FlowValue<$n>) -> bool {
                added(&self.$field.established, key, value);
                true
            }
            fn add_young(&self, key: &FlowKey<$n>, value: &FlowValue<$n>) -> bool {
                added(&self.$field.young, key, value)
            }
            fn remove_young(&self, key: &FlowKey<$n>) {
                self.$field.young.borrow_mut().remove(key);
            }
            fn remove_established(&self, key: &FlowKey<$n>) {
                self.$field.established.borrow_mut().remove(key);
            }
            fn remember(&self, key: &FragmentKey<$n>, ports: Ports) {
                self.$field.fragments.borrow_mut().insert(*key, ports);
            }
            fn remembered(&self, key: &FragmentKey<$n>) -> Option<Ports> {
                self.$field.fragments.borrow().get(key).copied()
            }
            fn begin(&self, key: &FlowKey<$n>, flags: u8) -> Result<(), Refusal> {
                let mut room = FlowValue::EMPTY;
                open::begin(self, key, flags, &mut room)
            }
            fn claim(&self, reply: &FlowKey<$n>, value: &FlowValue<$n>) -> bool {
                open::claim(self, reply, value)
            }
            fn allocate(
                &self,
                reply: &mut FlowKey<$n>,
                value: &mut FlowValue<$n>,
                ports: u32,
                hash: u32,
            ) -> bool {
                open::allocate(self, reply, value, ports, hash)
            }
        }
    };
}

family! { 1 v4 }
family! { 4 v6 }

/// A frame with whole checksums.
#[derive(Clone, Debug)]
pub struct Frame(pub Vec<u8>);

impl Packet for Frame {
    fn holds(&self, length: usize) -> bool {
        SlicePacket(&self.0).holds(length)
    }
    fn words<const N: usize>(&self, offset: usize) -> Option<[u16; N]> {
        SlicePacket(&self.0).words(offset)
    }
}

impl PacketMut for Frame {
    fn put<const N: usize>(&mut self, offset: usize, words: [u16; N]) -> bool {
        let Some(bytes) = self.0.get_mut(offset..offset + 2 * N) else {
            return false;
        };
        for (pair, word) in bytes.chunks_exact_mut(2).zip(words) {
            pair.copy_from_slice(&word.to_ne_bytes());
        }
        true
    }
    fn correct(&mut self, offset: usize, pseudo: u16, plain: u16, udp: bool) -> bool {
        let Some([sum]) = self.words(offset) else {
            return false;
        };
        let delta = checksum::plus(pseudo, plain);
        let sum = if udp {
            checksum::apply_udp(sum, delta)
        } else {
            checksum::apply(sum, delta)
        };
        self.put(offset, [sum])
    }
    fn length(&self) -> usize {
        self.0.len()
    }
    fn segment(&self) -> usize {
        0
    }
    fn tagged(&self) -> bool {
        false
    }
}

/// What became of a frame: the counter of the verdict, if any, and whether it went on to a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// To the stack.
    Passed(Option<Counter>),
    /// Nothing.
    Dropped(Counter),
    /// To the next hop.
    Forwarded(Counter),
    /// It was answered with this MTU.
    TooBig(u16),
}

impl Model {
    /// Puts an address into the filter.
    pub fn list(&mut self, address: &Address) {
        self.filter.insert(match address {
            Address::V4(words) => filter_bit(&words4(*words)),
            Address::V6(words) => filter_bit(&words6(*words)),
        });
    }

    /// Runs a frame through the decision, as the program does.
    pub fn run(&self, frame: &mut Frame) -> Became {
        let Ok(network) = parse::network(frame) else {
            return Became::Passed(None);
        };
        let is_icmp = network.protocol == ICMP || network.protocol == ICMPV6;
        match (network.source, network.destination) {
            (Address::V4(source), Address::V4(destination)) => {
                let ends = (words4(source), words4(destination));
                became(if is_icmp {
                    icmp::translate::<1, _>(frame, self, &network, &ends)
                } else {
                    super::process::<1, _>(frame, self, &network, ends.0, ends.1)
                })
            }
            (Address::V6(source), Address::V6(destination)) => {
                let ends = (words6(source), words6(destination));
                became(if is_icmp {
                    icmp::translate::<4, _>(frame, self, &network, &ends)
                } else {
                    super::process::<4, _>(frame, self, &network, ends.0, ends.1)
                })
            }
            _ => Became::Passed(None),
        }
    }
}

fn became<F>(outcome: Outcome<F>) -> Became {
    match outcome {
        Outcome::Pass(counter) => Became::Passed(counter),
        Outcome::Drop(counter) => Became::Dropped(counter),
        Outcome::Forward { counter, .. } => Became::Forwarded(counter),
        Outcome::TooBig(mtu) => Became::TooBig(mtu),
    }
}
