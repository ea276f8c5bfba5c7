//! Samples of dropped packets out of their ring.

use gateway_common::edge::SAMPLE_RING_BYTES;
use gateway_common::{Counter, DropSample};

use crate::reader::Ring;

/// Samples taken by one call of [`Drops::poll`]: what the ring holds at most.
pub const MAX_SAMPLES_PER_POLL: usize = SAMPLE_RING_BYTES / DropSample::SIZE;

/// A dropped packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// When, nanoseconds of CLOCK_MONOTONIC.
    pub at_ns: u64,
    /// Interface number.
    pub interface: u32,
    /// The verdict.
    pub verdict: Counter,
    /// The observation behind it, when there is one.
    pub noticed: Option<Counter>,
    /// Bytes of the frame.
    pub length: u32,
    /// Its start.
    pub frame: Vec<u8>,
}

/// The reader of the ring. One per process.
pub struct Drops {
    ring: Ring,
}

impl Drops {
    pub(crate) const fn new(ring: Ring) -> Self {
        Self { ring }
    }

    /// Appends the waiting samples to `into`.
    pub fn poll(&mut self, into: &mut Vec<Dropped>) {
        let Some(ring) = self.ring.open() else { return };
        for _ in 0..MAX_SAMPLES_PER_POLL {
            let Some(item) = ring.next() else { break };
            into.extend(DropSample::from_bytes(&item).and_then(|sample| dropped(&sample)));
        }
    }
}

impl std::fmt::Debug for Drops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drops").finish_non_exhaustive()
    }
}

/// `None` for numbers of counters that do not exist.
fn dropped(sample: &DropSample) -> Option<Dropped> {
    let counter = |number: u16| Counter::ALL.get(usize::from(number)).copied();
    let noticed = match sample.noticed.checked_sub(1) {
        None => None,
        Some(number) => Some(counter(number)?),
    };
    Some(Dropped {
        at_ns: sample.at_ns,
        interface: sample.interface,
        verdict: counter(sample.verdict)?,
        noticed,
        length: sample.length,
        frame: sample.frame().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_counters() {
        let check = |verdict, noticed, expected: Option<(Counter, Option<Counter>)>| {
            let sample = DropSample {
                at_ns: 1,
                interface: 2,
                verdict,
                noticed,
                length: 60,
                captured: 3,
                bytes: [7; 104],
            };
            let found = dropped(&sample);
            assert_eq!(
                found.as_ref().map(|d| (d.verdict, d.noticed)),
                expected,
                "{verdict} {noticed}"
            );
            assert!(found.is_none_or(|found| found.frame == [7; 3]));
        };
        check(
            Counter::EdgeDropDenied as u16,
            0,
            Some((Counter::EdgeDropDenied, None)),
        );
        let noticed = Counter::EdgeFlags as u16 + 1;
        check(
            Counter::EdgeDropMalformed as u16,
            noticed,
            Some((Counter::EdgeDropMalformed, Some(Counter::EdgeFlags))),
        );
        check(u16::MAX, 0, None);
        check(0, u16::MAX, None);
    }
}
