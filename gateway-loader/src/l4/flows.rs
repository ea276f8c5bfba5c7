//! The flow tables as people and the agent see them: lists, expiry, records of what ended.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aya::maps::MapError;
use gateway_common::l4::{
    FLOW_ANSWERED, FLOW_CLOSING, FLOW_FULL_NAT, FLOW_REPLY, FlowKey, FlowValue, ServiceKey,
};

use super::maps::{Family, end};
use super::services::{Services, now};
use crate::error::ServicesError;
use crate::hook::map_reason;
use crate::steer::Protocol;

/// Seconds without a packet after which a flow goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP before the handshake ended (RFC 5382 REQ-5 asks for 4 minutes for what a NAT translates; a SYN is sent for
    /// about two).
    pub tcp_opening: u64,
    /// Established TCP: above the 2 hours and 4 minutes of RFC 5382 REQ-5.
    pub tcp_established: u64,
    /// TCP after both FINs or a reset.
    pub tcp_closing: u64,
    /// UDP that was not answered.
    pub udp_unanswered: u64,
    /// UDP with traffic both ways (RFC 4787 REQ-5: at least 2 minutes).
    pub udp_answered: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp_opening: 240,
            tcp_established: 7_440,
            tcp_closing: 10,
            udp_unanswered: 30,
            udp_answered: 180,
        }
    }
}

/// How far a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowState {
    /// Not answered and acknowledged yet.
    Young,
    /// Traffic went both ways.
    Established,
    /// Ended by FIN of both sides or a reset.
    Closing,
}

/// One flow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct FlowRecord {
    pub service: String,
    pub service_id: u16,
    pub protocol: Protocol,
    pub client: SocketAddr,
    /// Virtual address and port.
    pub address: SocketAddr,
    pub backend: SocketAddr,
    /// What the backend sees as the client.
    pub source: SocketAddr,
    pub state: FlowState,
    /// Seconds since its last packet.
    pub idle_seconds: u64,
    pub packets_in: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub bytes_out: u64,
}

/// What a walk over the tables found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Flows that stay.
    pub flows: u64,
    /// Of them those that are not answered and acknowledged yet.
    pub young: u64,
    /// Flows that went.
    pub ended: Vec<FlowRecord>,
}

impl Services {
    /// Up to `limit` flows that `wanted` takes, established ones first. Two system calls a flow.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn flows(
        &self,
        limit: usize,
        mut wanted: impl FnMut(&FlowRecord) -> bool,
    ) -> Result<Vec<FlowRecord>, ServicesError> {
        let mut found = Vec::new();
        let mut visit = |record: FlowRecord| {
            if wanted(&record) {
                found.push(record);
            }
            found.len() < limit
        };
        let _ = self.walk(&self.maps.v4, false, &mut visit)?
            && self.walk(&self.maps.v6, false, &mut visit)?
            && self.walk(&self.maps.v4, true, &mut visit)?
            && self.walk(&self.maps.v6, true, &mut visit)?;
        Ok(found)
    }

    /// Walks all flows: removes what is over, corrects the services' counts.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn sweep(&mut self, timeouts: &Timeouts) -> Result<Swept, ServicesError> {
        let mut swept = Swept::default();
        let mut active = BTreeMap::new();
        let mut over4: Vec<(FlowKey<1>, FlowKey<1>)> = Vec::new();
        let mut over6: Vec<(FlowKey<4>, FlowKey<4>)> = Vec::new();
        self.judge(&self.maps.v4, timeouts, &mut swept, &mut active, &mut over4)?;
        self.judge(&self.maps.v6, timeouts, &mut swept, &mut active, &mut over6)?;
        remove(&mut self.maps.v4, &over4);
        remove(&mut self.maps.v6, &over6);
        self.correct_active(&active)?;
        Ok(swept)
    }

    fn walk<const N: usize>(
        &self,
        family: &Family<N>,
        young: bool,
        visit: &mut impl FnMut(FlowRecord) -> bool,
    ) -> Result<bool, ServicesError>
    where
        FlowKey<N>: aya::Pod,
        FlowValue<N>: aya::Pod,
        ServiceKey<N>: aya::Pod,
    {
        let map = if young { &family.young } else { &family.established };
        for item in map.iter() {
            let (key, value) = match item {
                Ok(pair) => pair,
                Err(MapError::KeyNotFound) => continue,
                Err(error) => return Err(ServicesError::Kernel(map_reason(&error))),
            };
            if value.flags & FLOW_REPLY != 0 {
                continue;
            }
            let reply = map.get(&FlowKey::partner(&value, key.protocol), 0).ok();
            if !visit(self.record(&key, &value, reply.as_ref(), young)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn judge<const N: usize>(
        &self,
        family: &Family<N>,
        timeouts: &Timeouts,
        swept: &mut Swept,
        active: &mut BTreeMap<u16, u64>,
        over: &mut Vec<(FlowKey<N>, FlowKey<N>)>,
    ) -> Result<(), ServicesError>
    where
        FlowKey<N>: aya::Pod,
        FlowValue<N>: aya::Pod,
        ServiceKey<N>: aya::Pod,
    {
        for young in [false, true] {
            let map = if young { &family.young } else { &family.established };
            for item in map.iter() {
                let (key, value) = match item {
                    Ok(pair) => pair,
                    // Evicted or promoted between the two calls.
                    Err(MapError::KeyNotFound) => continue,
                    Err(error) => return Err(ServicesError::Kernel(map_reason(&error))),
                };
                let partner = FlowKey::partner(&value, key.protocol);
                if value.flags & FLOW_REPLY != 0 {
                    // An entry whose other half was evicted is found here, and goes at once.
                    if !young && map.get(&partner, 0).is_err() && family.young.get(&partner, 0).is_err() {
                        over.push((key, key));
                    }
                    continue;
                }
                let reply = map.get(&partner, 0).ok();
                let record = self.record(&key, &value, reply.as_ref(), young);
                if record.idle_seconds > limit(timeouts, &record, value.flags) {
                    over.push((key, partner));
                    swept.ended.push(record);
                } else {
                    swept.flows += 1;
                    swept.young += u64::from(young);
                    if record.state != FlowState::Closing {
                        *active.entry(value.service).or_default() += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn record<const N: usize>(
        &self,
        key: &FlowKey<N>,
        value: &FlowValue<N>,
        reply: Option<&FlowValue<N>>,
        young: bool,
    ) -> FlowRecord {
        let seen = reply.map_or(value.seen, |reply| reply.seen.max(value.seen));
        let name = self.by_id(value.service).unwrap_or_default().to_owned();
        FlowRecord {
            service: name,
            service_id: value.service,
            protocol: if key.protocol == Protocol::Udp.number() {
                Protocol::Udp
            } else {
                Protocol::Tcp
            },
            client: end(&key.source, key.source_port),
            address: end(&key.destination, key.destination_port),
            backend: end(&value.destination, value.destination_port),
            source: if value.flags & FLOW_FULL_NAT != 0 {
                end(&value.source, value.source_port)
            } else {
                end(&key.source, key.source_port)
            },
            state: if value.flags & FLOW_CLOSING != 0 {
                FlowState::Closing
            } else if young {
                FlowState::Young
            } else {
                FlowState::Established
            },
            idle_seconds: now().saturating_sub(u64::from(seen)),
            packets_in: value.packets,
            bytes_in: value.bytes,
            packets_out: reply.map_or(0, |reply| reply.packets),
            bytes_out: reply.map_or(0, |reply| reply.bytes),
        }
    }
}

const fn limit(timeouts: &Timeouts, record: &FlowRecord, flags: u32) -> u64 {
    match (record.protocol, record.state) {
        (Protocol::Tcp, FlowState::Young) => timeouts.tcp_opening,
        (Protocol::Tcp, FlowState::Established) => timeouts.tcp_established,
        (_, FlowState::Closing) => timeouts.tcp_closing,
        (Protocol::Udp, FlowState::Established) => timeouts.udp_answered,
        (Protocol::Udp, FlowState::Young) if flags & FLOW_ANSWERED != 0 => timeouts.udp_answered,
        (Protocol::Udp, FlowState::Young) => timeouts.udp_unanswered,
    }
}

/// Removes both halves wherever they are. What is not there any more was evicted.
fn remove<const N: usize>(family: &mut Family<N>, over: &[(FlowKey<N>, FlowKey<N>)])
where
    FlowKey<N>: aya::Pod,
    FlowValue<N>: aya::Pod,
    ServiceKey<N>: aya::Pod,
{
    for (forward, reply) in over {
        for key in [forward, reply] {
            let _ = family.established.remove(key);
            let _ = family.young.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_patience() {
        let timeouts = Timeouts::default();
        let any: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let check = |protocol, state, flags, expected| {
            let record = FlowRecord {
                service: String::new(),
                service_id: 1,
                protocol,
                client: any,
                address: any,
                backend: any,
                source: any,
                state,
                idle_seconds: 0,
                packets_in: 0,
                bytes_in: 0,
                packets_out: 0,
                bytes_out: 0,
            };
            assert_eq!(
                limit(&timeouts, &record, flags),
                expected,
                "{protocol:?} {state:?}"
            );
        };
        check(Protocol::Tcp, FlowState::Young, 0, 240);
        check(Protocol::Tcp, FlowState::Established, 0, 7_440);
        check(Protocol::Tcp, FlowState::Closing, 0, 10);
        check(Protocol::Udp, FlowState::Young, 0, 30);
        check(Protocol::Udp, FlowState::Young, FLOW_ANSWERED, 180);
        check(Protocol::Udp, FlowState::Established, 0, 180);
    }
}
