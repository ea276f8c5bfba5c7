//! A new flow: service, backend, source port, and the two entries.

use gateway_common::l4::{
    BACKEND_UP, BackendEntry, FLOW_FULL_NAT, FLOW_LIMITED, FLOW_REPLY, FlowKey, FlowValue, MAGLEV_SIZE,
    PORT_PROBES, SERVICE_BYTE_LIMIT, SERVICE_FLOW_LIMIT, SERVICE_FULL_NAT, SERVICE_SOURCE_AFFINITY,
    ServiceEntry, ServiceKey,
};
use gateway_common::{Counter, IPPROTO_TCP};

use super::checksum::{delta, delta16, plus};
use super::{Flow as _, RST, Refusal, Tables, hash};

/// Slots looked at when a backend went down and the table does not say so yet. The step is prime to the table's size.
const SLOT_PROBES: u32 = 4;
const SLOT_STEP: u32 = 12_289;

/// Begins the flow of a packet that has none: `flags` are its TCP flags. The flow is a young one then. `value` is written
/// over: the kernel has room for it elsewhere than on its small stack.
#[inline(always)]
pub fn begin<const N: usize, T: Tables<N>>(
    tables: &T,
    key: &FlowKey<N>,
    flags: u8,
    value: &mut FlowValue<N>,
) -> Result<(), Refusal> {
    let Some(service) = service(tables, key) else {
        return Err(Refusal::Pass);
    };
    if key.protocol == IPPROTO_TCP && flags & RST != 0 {
        return Err(Refusal::Drop(Counter::L4DropNoFlow));
    }
    let hash = hash::of(key, service.flags & SERVICE_SOURCE_AFFINITY != 0);
    let Some((number, backend)) = choose(tables, service.table, hash) else {
        return Err(Refusal::Drop(Counter::L4DropNoBackend));
    };
    if service.flags & SERVICE_FLOW_LIMIT == 0 {
        tables.begun(service.id);
    } else if !tables.admit(service.id) {
        return Err(Refusal::Drop(Counter::L4DropFlowLimit));
    }
    match enter(tables, key, service, (number, backend), value) {
        Ok(()) => {
            tables.count_flow(number);
            tables.note(Counter::L4NewFlow);
            Ok(())
        }
        Err(counter) => {
            tables.ended(service.id);
            Err(Refusal::Drop(counter))
        }
    }
}

#[inline(always)]
fn service<'a, const N: usize, T: Tables<N>>(tables: &'a T, key: &FlowKey<N>) -> Option<&'a ServiceEntry> {
    let mut wanted = ServiceKey {
        address: key.destination,
        port: key.destination_port,
        protocol: key.protocol,
        pad: 0,
    };
    tables.service(&wanted).or_else(|| {
        wanted.port = 0;
        tables.service(&wanted)
    })
}

/// The backend of a slot, or of one of the next ones tried while it is down.
#[inline(always)]
fn choose<const N: usize, T: Tables<N>>(tables: &T, table: u16, hash: u32) -> Option<(u16, &BackendEntry)> {
    let mut slot = hash::slot(hash);
    for _ in 0..SLOT_PROBES {
        let number = tables.slot(table, slot);
        if number == 0 {
            return None;
        }
        if let Some(backend) = tables.backend(number)
            && backend.flags & BACKEND_UP != 0
        {
            return Some((number, backend));
        }
        slot += SLOT_STEP;
        if slot >= MAGLEV_SIZE {
            slot -= MAGLEV_SIZE;
        }
    }
    None
}

/// Writes both entries, the reply's first: an answer may come on another CPU before this packet's turn ends.
#[inline(always)]
fn enter<const N: usize, T: Tables<N>>(
    tables: &T,
    key: &FlowKey<N>,
    service: &ServiceEntry,
    (number, backend): (u16, &BackendEntry),
    value: &mut FlowValue<N>,
) -> Result<(), Counter> {
    let mut address = [0; N];
    for (to, from) in address.iter_mut().zip(&backend.address) {
        *to = *from;
    }
    let port = if backend.port == 0 {
        key.destination_port
    } else {
        backend.port
    };
    let mut flags = FLOW_REPLY;
    if service.flags & SERVICE_BYTE_LIMIT != 0 {
        flags |= FLOW_LIMITED;
    }
    if service.flags & SERVICE_FULL_NAT != 0 {
        flags |= FLOW_FULL_NAT;
    }
    *value = FlowValue {
        source: key.destination,
        destination: key.source,
        source_port: key.destination_port,
        destination_port: key.source_port,
        backend: number,
        generation: backend.generation,
        flags,
        seen: tables.now(),
        service: service.id,
        mtu: 0,
        address_delta: 0,
        port_delta: 0,
        interface: 0,
        link: [0; 6],
        packets: 0,
        bytes: 0,
    };
    let mut reply = FlowKey {
        source: address,
        destination: key.source,
        source_port: port,
        destination_port: key.source_port,
        protocol: key.protocol,
        pad: [0; 3],
    };
    if flags & FLOW_FULL_NAT == 0 {
        fill(value, &reply);
        if !tables.claim(&reply, value) {
            return Err(Counter::L4DropNoPort);
        }
    } else {
        for (to, from) in reply.destination.iter_mut().zip(&service.nat_source) {
            *to = *from;
        }
        let ports = u32::from(service.nat_low) << 16 | u32::from(service.nat_high);
        if !tables.allocate(&mut reply, value, ports, hash::of(key, false)) {
            return Err(Counter::L4DropNoPort);
        }
    }
    // The other direction of the same entry.
    value.source = reply.destination;
    value.destination = reply.source;
    value.source_port = reply.destination_port;
    value.destination_port = reply.source_port;
    value.flags &= !FLOW_REPLY;
    fill(value, key);
    if !tables.add_young(key, value) && tables.young(key).is_none() {
        tables.remove_young(&reply);
        return Err(Counter::L4DropTable);
    }
    Ok(())
}

/// Finds a free source port: from a place that the tuple chooses, so that a flow whose entry was lost gets its port again.
/// `ports` has the first one in its upper half and the last one in its lower.
#[inline(always)]
pub fn allocate<const N: usize, T: Tables<N>>(
    tables: &T,
    reply: &mut FlowKey<N>,
    value: &mut FlowValue<N>,
    ports: u32,
    hash: u32,
) -> bool {
    let low = ports >> 16;
    let span = (ports & 0xffff).wrapping_sub(low).wrapping_add(1) & 0x1_ffff;
    if span == 0 {
        return false;
    }
    let start = ((u64::from(hash) * u64::from(span)) >> 32) as u32;
    for probe in 0..PORT_PROBES {
        // A division and not a comparison: the verifier would follow both ways of each turn.
        let port = low + (start + probe) % span;
        reply.destination_port = (port as u16).to_be();
        fill(value, reply);
        if claim(tables, reply, value) {
            return true;
        }
    }
    false
}

/// Takes a reply tuple: free, or left over from this very flow.
#[inline(always)]
pub fn claim<const N: usize, T: Tables<N>>(tables: &T, reply: &FlowKey<N>, value: &FlowValue<N>) -> bool {
    if let Some(flow) = tables.established(reply) {
        if !is_same(flow.value(), value) {
            return false;
        }
        tables.remove_established(reply);
    }
    if tables.add_young(reply, value) {
        return true;
    }
    tables
        .young(reply)
        .is_some_and(|flow| is_same(flow.value(), value))
}

/// Whether two entries give a packet the same tuple: then they are of one flow.
#[inline(always)]
fn is_same<const N: usize>(one: &FlowValue<N>, other: &FlowValue<N>) -> bool {
    one.source == other.source
        && one.destination == other.destination
        && one.source_port == other.source_port
        && one.destination_port == other.destination_port
}

/// Computes what the change from `key` to the new tuple adds to checksums.
#[inline(always)]
fn fill<const N: usize>(value: &mut FlowValue<N>, key: &FlowKey<N>) {
    value.address_delta = plus(
        delta(&key.source, &value.source),
        delta(&key.destination, &value.destination),
    );
    value.port_delta = plus(
        delta16(key.source_port, value.source_port),
        delta16(key.destination_port, value.destination_port),
    );
}
