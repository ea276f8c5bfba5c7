//! Reading the counters: one value per CPU, summed at scrape time.

use aya::maps::{MapData, MapError, PerCpuArray};
use gateway_common::{Counter, CounterValue};

/// The sum of one counter over all CPUs since the programs were loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which counter: hook, name and meaning.
    pub counter: Counter,
    /// Packets, connections or events.
    pub count: u64,
    /// Bytes of the frames as their IP headers tell; 0 for counters without frames.
    pub bytes: u64,
}

pub(crate) fn read(map: &PerCpuArray<MapData, CounterValue>) -> Result<Vec<Reading>, MapError> {
    Counter::ALL
        .iter()
        .map(|counter| {
            let values = map.get(&(*counter as u32), 0)?;
            Ok(values.iter().fold(
                Reading {
                    counter: *counter,
                    count: 0,
                    bytes: 0,
                },
                |sum, value| Reading {
                    count: sum.count.wrapping_add(value.count),
                    bytes: sum.bytes.wrapping_add(value.bytes),
                    ..sum
                },
            ))
        })
        .collect()
}
