//! The packet table through the decision, and properties over any bytes.

use gateway_common::edge::EDGE_DROP_MALFORMED;
use proptest::prelude::*;

use super::*;
use crate::fixtures::{self, DENIED_V4, DENIED_V6};
use crate::packet::SlicePacket;

/// The table of the fixtures: two denied prefixes and nothing else.
struct Table(u32);

impl Tables for Table {
    fn flags(&self) -> u32 {
        self.0
    }
    fn prefix(&self, source: &Address) -> u32 {
        let denied = match source {
            Address::V4(words) => bytes(words)[..3] == DENIED_V4.0[..3],
            Address::V6(words) => bytes(words)[..6] == DENIED_V6.0[..6],
        };
        if denied { PREFIX_DENY } else { 0 }
    }
    fn ban(&self, _: &Address) -> u32 {
        0
    }
    fn ours(&self, _: &Facts) -> bool {
        false
    }
    fn spend_source(&self, _: &Facts) -> Option<Budget> {
        None
    }
    fn spend_vip(&self, _: &Facts) -> Option<Budget> {
        None
    }
}

/// Answers that do not depend on the packet.
#[derive(Clone, Copy, Default)]
struct Said {
    flags: u32,
    prefix: u32,
    ban: u32,
    ours: bool,
    source: Option<Budget>,
    vip: Option<Budget>,
}

impl Tables for Said {
    fn flags(&self) -> u32 {
        self.flags
    }
    fn prefix(&self, _: &Address) -> u32 {
        self.prefix
    }
    fn ban(&self, _: &Address) -> u32 {
        self.ban
    }
    fn ours(&self, _: &Facts) -> bool {
        self.ours
    }
    fn spend_source(&self, _: &Facts) -> Option<Budget> {
        self.source
    }
    fn spend_vip(&self, _: &Facts) -> Option<Budget> {
        self.vip
    }
}

fn bytes(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

#[test]
fn every_fixture_gets_its_verdict() {
    for fixture in fixtures::table() {
        let decision = decide(&SlicePacket(&fixture.frame), &Table(EDGE_DROP_MALFORMED));
        let expected = (fixture.verdict, fixture.noticed);
        assert_eq!((decision.verdict, decision.noticed), expected, "{}", fixture.name);
        assert!(decision.bytes <= fixture.frame.len() as u64, "{}", fixture.name);
    }
}

#[test]
fn malformed_is_only_counted_unless_configured() {
    for fixture in fixtures::table() {
        let decision = decide(&SlicePacket(&fixture.frame), &Said::default());
        assert!(decision.passes(), "{}", fixture.name);
        if fixture.verdict == Counter::EdgeDropMalformed {
            assert_eq!(decision.noticed, fixture.noticed, "{}", fixture.name);
        }
    }
}

#[test]
fn each_kind_of_malformed_packet_has_a_switch_of_its_own() {
    for fixture in fixtures::table() {
        let Some(noticed) = fixture.noticed.filter(|noticed| drop_flag(*noticed) != 0) else {
            continue;
        };
        let verdict = |flags| decide(&SlicePacket(&fixture.frame), &Table(flags)).verdict;
        assert_eq!(
            verdict(drop_flag(noticed)),
            Counter::EdgeDropMalformed,
            "{}",
            fixture.name
        );
        let others = EDGE_DROP_MALFORMED & !drop_flag(noticed);
        assert_eq!(verdict(others), Counter::EdgePass, "{}", fixture.name);
    }
}

/// The verdict for the fixture of that name.
fn check(name: &str, said: Said, verdict: Counter, noticed: Option<Counter>) {
    let table = fixtures::table();
    let fixture = table.iter().find(|fixture| fixture.name == name).unwrap();
    let decision = decide(&SlicePacket(&fixture.frame), &said);
    assert_eq!((decision.verdict, decision.noticed), (verdict, noticed), "{name}");
}

#[test]
fn prefixes_and_bans() {
    use Counter::{EdgeAllowed, EdgeDropBanned, EdgeDropDenied, EdgePass};
    let syn = "TCP SYN over IPv4";
    let none = Said::default();
    let gateway = PREFIX_DENY_GATEWAY;
    for (prefix, ban, ours, verdict, noticed) in [
        (0, 0, true, EdgePass, None),
        (PREFIX_DENY, 0, false, EdgeDropDenied, None),
        (gateway, 0, false, EdgePass, None),
        (gateway, 0, true, EdgeDropDenied, None),
        (0, PREFIX_DENY, false, EdgeDropBanned, None),
        (0, gateway, false, EdgePass, None),
        (0, gateway, true, EdgeDropBanned, None),
        (gateway, gateway, true, EdgeDropDenied, None),
        (PREFIX_ALLOW, PREFIX_DENY, true, EdgePass, Some(EdgeAllowed)),
        (
            PREFIX_ALLOW | PREFIX_DENY | gateway,
            0,
            true,
            EdgePass,
            Some(EdgeAllowed),
        ),
    ] {
        let said = Said {
            prefix,
            ban,
            ours,
            ..none
        };
        check(syn, said, verdict, noticed);
    }
    // Without ports nobody can say that it is the gateway's: left to the stack.
    let said = Said {
        prefix: gateway,
        ban: gateway,
        ours: true,
        ..none
    };
    check("ICMP echo", said, EdgePass, None);
    check("later IPv4 fragment", said, EdgePass, Some(Counter::EdgeFragment));
}

#[test]
fn budgets() {
    use Counter::{EdgeAllowed, EdgeDropSourceConnections, EdgeDropSourceSyn, EdgeDropVipPackets, EdgePass};
    let spent = Said {
        source: Some(Budget::Syn),
        vip: Some(Budget::Packets),
        ours: true,
        ..Said::default()
    };
    let syn = "TCP SYN over IPv6";
    let (sources, vips) = (EDGE_SOURCES, EDGE_VIPS);
    check(syn, spent, EdgePass, None);
    check(
        syn,
        Said {
            flags: sources | vips,
            ..spent
        },
        EdgeDropSourceSyn,
        None,
    );
    check(syn, Said { flags: vips, ..spent }, EdgeDropVipPackets, None);
    check(
        syn,
        Said {
            flags: sources,
            ours: false,
            ..spent
        },
        EdgePass,
        None,
    );
    let whole = Said {
        flags: sources | EDGE_WHOLE_NODE,
        ours: false,
        ..spent
    };
    check(syn, whole, EdgeDropSourceSyn, None);
    let connections = Said {
        flags: sources,
        source: Some(Budget::Connections),
        ..spent
    };
    check(syn, connections, EdgeDropSourceConnections, None);
    // An allowed source is limited by what it wants to reach, not by what it is.
    let allowed = Said {
        prefix: PREFIX_ALLOW,
        ..spent
    };
    check(
        syn,
        Said {
            flags: sources,
            ..allowed
        },
        EdgePass,
        Some(EdgeAllowed),
    );
    check(
        syn,
        Said {
            flags: sources | vips,
            ..allowed
        },
        EdgeDropVipPackets,
        None,
    );
}

#[test]
fn buckets_hold_their_burst_and_refill_at_their_rate() {
    let limit = Limit::per_second(1000, 5);
    let mut ahead = 0;
    let mut taken = |now: u64| match take(ahead, now, limit) {
        Spend::Start(at) => {
            ahead = at;
            true
        }
        Spend::Advance(by) => {
            ahead += by;
            true
        }
        Spend::Refused => false,
    };
    let start = 7_000_000_000;
    assert_eq!((0..10).filter(|_| taken(start)).count(), 5);
    assert_eq!((0..10).filter(|_| taken(start + 2_000_000)).count(), 2);
    assert_eq!((0..10).filter(|_| taken(start + 60_000_000_000)).count(), 5);
    assert!(has_token(0, 5, limit) && has_token(ahead, u64::MAX / 2, limit));
    assert!(!has_token(start + 60_005_000_000, start + 60_000_000_000, limit));
    assert!(has_token(u64::MAX, 0, Limit::default()), "no limit");
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
    fn no_more_tokens_than_the_rate_gives(rate in 1u32..1_000_000, burst in 1u32..1000, steps in prop::collection::vec(0u64..5_000_000, 1..300)) {
        let limit = Limit::per_second(rate, burst);
        let (mut ahead, mut now, mut taken) = (0, 1_000_000_000, 0u64);
        let start = now;
        for step in steps {
            now += step;
            match take(ahead, now, limit) {
                Spend::Start(at) => { ahead = at; taken += 1; }
                Spend::Advance(by) => { ahead += by; taken += 1; }
                Spend::Refused => prop_assert!(!has_token(ahead, now, limit)),
            }
        }
        prop_assert!(taken <= u64::from(burst) + (now - start) / limit.period_ns + 1, "{} taken", taken);
    }

    #[test]
    fn any_bytes_get_one_edge_verdict(frame in prop::collection::vec(any::<u8>(), 0..200), flags in 0u32..32) {
        let decision = decide(&SlicePacket(&frame), &Table(flags));
        prop_assert!(matches!(
            decision.verdict,
            Counter::EdgePass | Counter::EdgeDropDenied | Counter::EdgeDropMalformed
        ));
        let dropped = decision.verdict == Counter::EdgeDropMalformed;
        prop_assert_eq!(dropped, decision.noticed.is_some_and(|noticed| drop_flag(noticed) & flags != 0));
    }

    #[test]
    fn one_flipped_byte_never_reads_outside(which in 0usize..57, at in 0usize..400, value in any::<u8>()) {
        let table = fixtures::table();
        let mut frame = table[which % table.len()].frame.clone();
        let length = frame.len();
        if length > 0 {
            frame[at % length] = value;
        }
        let _ = decide(&SlicePacket(&frame), &Table(EDGE_DROP_MALFORMED));
    }

    #[test]
    fn a_cut_frame_is_never_denied_differently(which in 0usize..57, keep in 0usize..200) {
        let table = fixtures::table();
        let fixture = &table[which % table.len()];
        let cut = &fixture.frame[..keep.min(fixture.frame.len())];
        let decision = decide(&SlicePacket(cut), &Table(EDGE_DROP_MALFORMED));
        if decision.verdict == Counter::EdgeDropDenied {
            prop_assert_eq!(fixture.verdict, Counter::EdgeDropDenied);
        }
    }
}
