//! The packet table through the decision, and properties over any bytes.

use proptest::prelude::*;

use super::*;
use crate::fixtures::{self, DENIED_V4, DENIED_V6};
use crate::packet::SlicePacket;

struct Table;

impl Denied for Table {
    fn denied(&self, source: &Address) -> bool {
        match source {
            Address::V4(words) => bytes(words)[..3] == DENIED_V4.0[..3],
            Address::V6(words) => bytes(words)[..6] == DENIED_V6.0[..6],
        }
    }
}

struct Nobody;

impl Denied for Nobody {
    fn denied(&self, _: &Address) -> bool {
        false
    }
}

fn bytes(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

#[test]
fn every_fixture_gets_its_verdict() {
    for fixture in fixtures::table() {
        let decision = decide(&SlicePacket(&fixture.frame), &Table, EDGE_DROP_MALFORMED);
        let expected = (fixture.verdict, fixture.noticed);
        assert_eq!((decision.verdict, decision.noticed), expected, "{}", fixture.name);
        assert!(decision.bytes <= fixture.frame.len() as u64, "{}", fixture.name);
    }
}

#[test]
fn malformed_is_only_counted_unless_configured() {
    for fixture in fixtures::table() {
        let decision = decide(&SlicePacket(&fixture.frame), &Nobody, 0);
        assert!(decision.passes(), "{}", fixture.name);
        if fixture.verdict == Counter::EdgeDropMalformed {
            assert_eq!(decision.noticed, fixture.noticed, "{}", fixture.name);
        }
    }
}

#[test]
fn flag_sets() {
    for (flags, impossible) in [
        (0x02, false),
        (0x12, false),
        (0x10, false),
        (0x11, false),
        (0x14, false),
        (0x04, false),
        (0xc2, false),
    ]
    .into_iter()
    .chain([
        (0x00, true),
        (0x03, true),
        (0x06, true),
        (0x05, true),
        (0x3f, true),
        (0xc0, true),
    ]) {
        assert_eq!(impossible_flags(flags), impossible, "{flags:#04x}");
    }
}

proptest! {
    #[test]
    fn any_bytes_get_one_edge_verdict(frame in prop::collection::vec(any::<u8>(), 0..200), flags in 0u32..4) {
        let decision = decide(&SlicePacket(&frame), &Table, flags);
        prop_assert!(matches!(
            decision.verdict,
            Counter::EdgePass | Counter::EdgeDropDenied | Counter::EdgeDropMalformed
        ));
        if flags & EDGE_DROP_MALFORMED == 0 {
            prop_assert_ne!(decision.verdict, Counter::EdgeDropMalformed);
        }
    }

    #[test]
    fn one_flipped_byte_never_reads_outside(which in 0usize..57, at in 0usize..400, value in any::<u8>()) {
        let table = fixtures::table();
        let mut frame = table[which % table.len()].frame.clone();
        let length = frame.len();
        if length > 0 {
            frame[at % length] = value;
        }
        let _ = decide(&SlicePacket(&frame), &Table, EDGE_DROP_MALFORMED);
    }

    #[test]
    fn a_cut_frame_is_never_denied_differently(which in 0usize..57, keep in 0usize..200) {
        let table = fixtures::table();
        let fixture = &table[which % table.len()];
        let cut = &fixture.frame[..keep.min(fixture.frame.len())];
        let decision = decide(&SlicePacket(cut), &Table, EDGE_DROP_MALFORMED);
        if decision.verdict == Counter::EdgeDropDenied {
            prop_assert_eq!(fixture.verdict, Counter::EdgeDropDenied);
        }
    }
}
