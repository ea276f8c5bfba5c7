//! What people ask of the kernel side: bans, drops, fill of the maps, where a packet would go. Everything here is shown by the
//! admin endpoint as it stands.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use gateway_loader::{
    Ban, Dropped, Explained, Fill, NewBan, Protocol, Question, Reading,
    common::{
        Counter,
        edge::{RULE_OPERATOR, RULE_RATE_LIMIT, rule_name},
    },
    monotonic_ns,
};
use serde::Serialize;

use super::Side;

/// Samples of dropped packets kept for `drops`.
const SAMPLES: usize = 256;
/// Rounds of [`Side::tend`] between two looks at what only time changes: two seconds.
const SLOW_ROUNDS: u64 = 10;
/// Rounds between two walks through the maps that have to be counted: a minute.
const WALK_ROUNDS: u64 = 300;

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BanView {
    /// Source address.
    pub address: IpAddr,
    /// Why.
    pub reason: String,
    /// Who asked for it: `operator` or `rate-limit`.
    pub by: &'static str,
    /// `gateway`: its own destinations; `node`: every packet.
    pub scope: &'static str,
    /// `kernel`: dropped on the uplinks; `accept`: refused when a connection is accepted.
    pub at: &'static str,
    /// Seconds it has been in force.
    pub age_seconds: u64,
    /// Seconds until it ends.
    pub left_seconds: u64,
    /// Packets dropped by it.
    pub dropped: u64,
}

impl From<&Ban> for BanView {
    fn from(ban: &Ban) -> Self {
        Self {
            address: ban.address,
            reason: ban.reason.clone(),
            by: rule_name(ban.rule),
            scope: if ban.whole_node { "node" } else { "gateway" },
            at: "kernel",
            age_seconds: ban.age.as_secs(),
            left_seconds: ban.left.as_secs(),
            dropped: ban.hits,
        }
    }
}

/// One counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DropReason {
    /// Program that counts it.
    pub program: &'static str,
    /// Stable name.
    pub reason: &'static str,
    /// Packets or connections.
    pub count: u64,
    /// Bytes of the frames; 0 where frames are not seen.
    pub bytes: u64,
    /// What it means.
    pub meaning: &'static str,
}

/// One sampled packet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DropView {
    /// Seconds ago.
    pub ago_seconds: f64,
    /// Interface number.
    pub interface: u32,
    /// The verdict.
    pub reason: &'static str,
    /// What was noticed, for malformed packets.
    pub noticed: Option<&'static str>,
    /// Source and destination, protocol, as far as the packet tells.
    pub packet: String,
    /// Bytes of the frame.
    pub length: u32,
    /// Its start, hexadecimal.
    pub bytes: String,
}

/// `/drops`
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Drops {
    /// Everything that was dropped, by reason; reasons that never were are left out.
    pub reasons: Vec<DropReason>,
    /// The last samples, newest first.
    pub samples: Vec<DropView>,
}

/// One map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MapFill {
    /// Name of the map.
    pub map: &'static str,
    /// Entries in it.
    pub used: usize,
    /// Entries it takes.
    pub room: usize,
    /// It forgets the least recently used entry when it is full.
    pub forgets: bool,
}

impl From<&Fill> for MapFill {
    fn from(fill: &Fill) -> Self {
        Self {
            map: fill.map,
            used: fill.used,
            room: fill.room,
            forgets: fill.forgets,
        }
    }
}

/// `/where`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Whereto {
    /// `pass` or `drop` on the uplinks; `no uplink` when no program runs there.
    pub edge: &'static str,
    /// Name of the counter that it would raise.
    pub verdict: &'static str,
    /// Why, in order.
    pub reasons: Vec<String>,
    /// The listener that would get the connection, when it is steered.
    pub listener: Option<String>,
    /// The gateway has bound the destination or has it steered.
    pub ours: bool,
    /// What becomes of it after the uplink, in words.
    pub then: String,
}

/// Bans, drops and questions.
impl Side {
    /// Bans a source for a time on behalf of an operator.
    ///
    /// # Errors
    /// Why it may not be banned.
    pub fn ban(
        &self,
        address: IpAddr,
        lasts: Duration,
        whole_node: bool,
        reason: &str,
    ) -> Result<(), String> {
        self.ban_by(RULE_OPERATOR, address, lasts, whole_node, reason)
    }

    fn ban_by(
        &self,
        rule: u32,
        address: IpAddr,
        lasts: Duration,
        whole_node: bool,
        reason: &str,
    ) -> Result<(), String> {
        let address = address.to_canonical();
        if self.is_protected(address) {
            return Err(format!(
                "{address} is a trusted proxy or in an allowed prefix and is never banned"
            ));
        }
        let ban = NewBan {
            address,
            lasts,
            whole_node,
            rule,
            reason: reason.to_owned(),
        };
        let by = rule_name(rule);
        let done = match self.with_kernel(|kernel| kernel.ban(&ban)) {
            Some(Ok(())) => Ok(()),
            None | Some(Err(gateway_loader::BanError::Unavailable(_))) if self.gate().ban(address, lasts) => {
                Ok(())
            }
            None | Some(Err(gateway_loader::BanError::Unavailable(_))) => Err("too many bans".to_owned()),
            Some(Err(error)) => Err(error.to_string()),
        };
        match &done {
            Ok(()) => {
                tracing::info!(event = "ClientBanned", %address, by, reason, seconds = lasts.as_secs(), "banned");
            }
            Err(error) => tracing::warn!(event = "BanRefused", %address, by, "{error}"),
        }
        done
    }

    /// Ends a ban. Whether there was one.
    pub fn unban(&self, address: IpAddr) -> bool {
        let in_kernel = self.with_kernel(|kernel| kernel.unban(address)).unwrap_or(false);
        let here = self.gate().unban(address.to_canonical());
        if in_kernel || here {
            tracing::info!(event = "BanEnded", %address, "ended by an operator");
        }
        in_kernel || here
    }

    /// The bans in force.
    pub fn bans(&self) -> Vec<BanView> {
        let in_kernel = self.with_kernel(|kernel| kernel.bans()).unwrap_or_default();
        let mut bans: Vec<BanView> = in_kernel.iter().map(BanView::from).collect();
        bans.extend(self.gate().bans().into_iter().map(|(address, left)| BanView {
            address,
            reason: "refused when a connection is accepted: no uplink drops it".to_owned(),
            by: "agent",
            scope: "gateway",
            at: "accept",
            age_seconds: 0,
            left_seconds: left.as_secs(),
            dropped: 0,
        }));
        bans
    }

    /// What was dropped, and samples of it.
    pub fn drops(&self) -> Drops {
        let readings = self
            .with_kernel(|kernel| kernel.counters().unwrap_or_default())
            .unwrap_or_default();
        let now = monotonic_ns();
        Drops {
            reasons: readings.iter().filter_map(reason).collect(),
            samples: self
                .samples()
                .iter()
                .rev()
                .map(|sample| sampled(sample, now))
                .collect(),
        }
    }

    /// Every counter of the programs.
    pub fn counters(&self) -> Vec<DropReason> {
        let readings = self
            .with_kernel(|kernel| kernel.counters().unwrap_or_default())
            .unwrap_or_default();
        readings.iter().map(counted).collect()
    }

    /// How full the maps are.
    pub fn fills(&self) -> Vec<MapFill> {
        let fills = self.with_kernel(|kernel| kernel.fills(true)).unwrap_or_default();
        fills.iter().map(MapFill::from).collect()
    }

    /// What would happen to the first packet of a connection, and why; `None` without a kernel side.
    pub fn whereto(&self, source: SocketAddr, destination: SocketAddr, udp: bool) -> Option<Whereto> {
        let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
        let question = Question {
            source,
            destination,
            protocol,
        };
        let answer = self.with_kernel(|kernel| kernel.explain(&question))?;
        let state = self.state();
        let on_uplink = state.hooks.iter().any(|hook| hook.name == "xdp" && hook.attached);
        let steers = state
            .hooks
            .iter()
            .any(|hook| hook.name == "sk_lookup" && hook.attached);
        let listener = answer
            .group
            .filter(|_| steers)
            .and_then(|group| self.listener_of(group));
        Some(Whereto {
            edge: match (on_uplink, answer.verdict == Counter::EdgePass) {
                (false, _) => "no uplink",
                (true, true) => "pass",
                (true, false) => "drop",
            },
            verdict: answer.verdict.name(),
            then: then(&answer, listener.as_deref(), on_uplink),
            reasons: answer.reasons,
            listener,
            ours: answer.ours,
        })
    }

    /// What has to be done again and again: bans that workers asked for, samples, what has run out, interfaces that went.
    pub(super) fn tend(&self, round: u64) {
        let slow = round.is_multiple_of(SLOW_ROUNDS);
        if round.is_multiple_of(WALK_ROUNDS) {
            self.gauge(true);
        }
        if let Some((clients, rule)) = self.gate().take_pending() {
            for client in clients {
                let reason = format!(
                    "refused {} times within {} s",
                    rule.refusals,
                    rule.within.as_secs()
                );
                // Said in the log; there is nobody else to tell.
                let _ = self.ban_by(RULE_RATE_LIMIT, client, rule.lasts, false, &reason);
            }
        }
        self.take_samples(SAMPLES);
        if slow {
            let changed = self.with_kernel(|kernel| {
                kernel.sweep_bans();
                kernel.refresh().then(|| kernel.hooks().to_vec())
            });
            if let Some(Some(hooks)) = changed {
                self.show(&hooks);
            }
        }
    }
}

fn then(answer: &Explained, listener: Option<&str>, on_uplink: bool) -> String {
    if on_uplink && answer.verdict != Counter::EdgePass {
        return "it goes no further".to_owned();
    }
    match (listener, answer.ours) {
        (Some(listener), _) => format!("steered to listener `{listener}`"),
        (None, true) => "taken by the gateway's own socket".to_owned(),
        (None, false) => "not the gateway's: left to the node".to_owned(),
    }
}

/// Counters of drops, those that were ever raised.
fn reason(reading: &Reading) -> Option<DropReason> {
    (reading.count > 0 && reading.counter.name().starts_with("drop_")).then(|| counted(reading))
}

fn counted(reading: &Reading) -> DropReason {
    let counter = reading.counter;
    DropReason {
        program: counter.hook(),
        reason: counter.name(),
        count: reading.count,
        bytes: reading.bytes,
        meaning: counter.meaning(),
    }
}

fn sampled(sample: &Dropped, now: u64) -> DropView {
    DropView {
        ago_seconds: now.saturating_sub(sample.at_ns) as f64 / 1e9,
        interface: sample.interface,
        reason: sample.verdict.name(),
        noticed: sample.noticed.map(Counter::name),
        packet: gateway_loader::describe(&sample.frame),
        length: sample.length,
        bytes: sample.frame.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_drops_that_happened_are_listed() {
        let check = |counter, count, listed: bool| {
            let reading = Reading {
                counter,
                count,
                bytes: 9,
            };
            assert_eq!(reason(&reading).is_some(), listed, "{counter:?} {count}");
        };
        check(Counter::EdgeDropDenied, 3, true);
        check(Counter::EdgeDropDenied, 0, false);
        check(Counter::EdgePass, 3, false);
        check(Counter::SteerNoSocket, 1, true);
    }
}
