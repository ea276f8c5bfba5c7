//! This process among those of its node: before it, after it, beside it.

use gateway_loader::common::{IdKey, quic};

/// What tells this process from the one before and the one after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// One more than the predecessor's; 0 without one.
    pub generation: u32,
    /// Checks QUIC connection IDs; handed from process to process.
    pub quic_key: IdKey,
    /// This node in QUIC connection IDs.
    pub node: u16,
}

impl Identity {
    /// The first process of a node.
    pub fn fresh() -> Self {
        let mut random = [0; 16];
        // Without randomness a client could guess the key, and would win nothing but a worker of its choice.
        let _ = aws_lc_rs::rand::fill(&mut random);
        let (one, two) = random.split_at(8);
        let word = |half: &[u8]| half.try_into().map_or(1, u64::from_be_bytes);
        Self {
            generation: 0,
            quic_key: IdKey([word(one), word(two)]),
            node: node_number(),
        }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self::fresh()
    }
}

/// A number for this node, from the host's name.
pub(crate) fn node_number() -> u16 {
    let name = std::fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
    let sum = name
        .iter()
        .fold(0u64, |sum, octet| quic::mix(sum ^ u64::from(*octet)));
    sum as u16
}
