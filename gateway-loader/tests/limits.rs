//! Bans, budgets, samples and the tc form of `edge_drop`: frames through the loaded programs, and real clients.

#[cfg(test)]
mod support;

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use aya::programs::{ProgramError, SchedClassifier, TestRun, TestRunOptions, TestRunResult, Xdp};
use gateway_ebpf::fixtures::{self, frame4, frame6, ipv4, ipv6, tcp};
use gateway_loader::common::edge::{EDGE_DROP_MALFORMED, RULE_IP_FILTER, RULE_OPERATOR, RULE_RATE_LIMIT};
use gateway_loader::common::{Counter, Limit};
use gateway_loader::{
    Action, BanError, EdgeOptions, HookName, Kernel, NewBan, Options, PrefixRule, Protocol, Question, Uplink,
    Vip, XdpMode,
};
use gateway_tests::lab::{Host, Lab, Mode};
use gateway_tests::wait;
use support::{DEADLINE, ask, counted, descriptors, listeners, load, serve};

const NODE: [u8; 4] = [192, 0, 2, 1];
const NODE6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const SYN: u8 = 2;
const ACK: u8 = 16;

/// The programs on a loopback interface that carries nothing.
#[cfg(test)]
fn quiet(host: &Host) -> Kernel {
    on(host, "lo", XdpMode::Generic)
}

#[cfg(test)]
fn on(host: &Host, interface: &str, mode: XdpMode) -> Kernel {
    let uplinks = vec![Uplink {
        interface: interface.to_owned(),
        mode,
    }];
    let options = Options {
        uplinks,
        ..Options::default()
    };
    let kernel = load(host, &options);
    assert!(kernel.is_attached(HookName::EdgeDrop), "{:?}", kernel.hooks());
    kernel
}

/// A TCP segment from `source` to the node's port 8080.
#[cfg(test)]
fn segment(source: [u8; 4], flags: u8) -> Vec<u8> {
    frame4(&ipv4(source, NODE, 6, 0x4000, &[], &tcp(flags, 5, &[])))
}

/// Whether the frame passes the program.
#[cfg(test)]
fn passes(kernel: &Kernel, frame: &[u8]) -> bool {
    let program: &Xdp = kernel
        .programs()
        .program("edge_drop")
        .unwrap()
        .try_into()
        .unwrap();
    verdict(program, frame) == 2
}

/// Any program that takes frames.
#[cfg(test)]
fn verdict<P>(program: &P, frame: &[u8]) -> u32
where
    P: for<'a> TestRun<Opts<'a> = TestRunOptions<'a>, Result = TestRunResult>,
{
    loop {
        let options = TestRunOptions {
            data_in: Some(frame),
            ..TestRunOptions::default()
        };
        match program.test_run(options) {
            Ok(result) => return result.return_value,
            // The kernel ends a long run when anything is pending for the thread.
            Err(ProgramError::SyscallError(error)) if error.io_error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error:?} for {frame:x?}"),
        }
    }
}

#[cfg(test)]
fn ban(address: IpAddr, lasts: Duration) -> NewBan {
    NewBan {
        address,
        lasts,
        whole_node: true,
        rule: RULE_OPERATOR,
        reason: "a test".to_owned(),
    }
}

#[test]
fn bans_end_on_time_without_anybody_sweeping() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = quiet(&lab.upstream);
    let (bad, good) = (segment([203, 0, 113, 9], ACK), segment([203, 0, 113, 7], ACK));
    let address = IpAddr::from([203, 0, 113, 9]);
    assert!(passes(&kernel, &bad));
    kernel.ban(&ban(address, Duration::from_millis(700))).unwrap();
    assert!(!passes(&kernel, &bad) && passes(&kernel, &good));
    assert_eq!(counted(&kernel, Counter::EdgeDropBanned), 1);
    let shown = kernel.bans();
    assert_eq!((shown.len(), shown[0].address, shown[0].hits), (1, address, 1));
    assert_eq!(shown[0].reason, "a test");
    // The kernel looks at its own clock: nothing here removes the entry before.
    wait::until("the end of the ban", DEADLINE, || {
        passes(&kernel, &bad).then_some(())
    })
    .unwrap();
    assert_eq!(
        kernel
            .fills(true)
            .iter()
            .find(|fill| fill.map == "BANS4")
            .unwrap()
            .used,
        1
    );
    assert!(kernel.bans().is_empty(), "what has run out is not shown");
    assert_eq!(kernel.sweep_bans(), 1);
    assert_eq!(kernel.sweep_bans(), 0);
}

#[test]
fn bans_of_both_families_are_made_prolonged_and_taken_back() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = quiet(&lab.upstream);
    let source6 = [0x20, 1, 0xd, 0xb8, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    let frame = frame6(&ipv6(source6, NODE6, 6, &tcp(SYN, 5, &[])));
    let address = IpAddr::from(source6);
    kernel.ban(&ban(address, Duration::from_secs(60))).unwrap();
    kernel.ban(&ban(address, Duration::from_secs(5))).unwrap();
    assert!(!passes(&kernel, &frame));
    let left = kernel.bans()[0].left;
    assert!(left > Duration::from_secs(30), "the later end holds: {left:?}");
    assert!(kernel.unban(address) && !kernel.unban(address));
    assert!(passes(&kernel, &frame));
}

#[test]
fn who_may_not_be_banned_is_not() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let options = Options {
        uplinks: vec![Uplink {
            interface: "lo".to_owned(),
            mode: XdpMode::Generic,
        }],
        ban_entries: Some(2),
        ..Options::default()
    };
    let mut kernel = load(&lab.upstream, &options);
    let minute = Duration::from_secs(60);
    let proxy = IpAddr::from([10, 0, 0, 9]);
    kernel.ban(&ban(proxy, minute)).unwrap();
    kernel.protect(&["10.0.0.0/8".parse().unwrap()]).unwrap();
    assert!(kernel.bans().is_empty(), "a proxy that becomes trusted is let go");
    assert!(matches!(
        kernel.ban(&ban(proxy, minute)),
        Err(BanError::Protected(_))
    ));
    for address in ["127.0.0.1", "0.0.0.0", "224.0.0.1", "::1", "ff02::1"] {
        let result = kernel.ban(&ban(address.parse().unwrap(), minute));
        assert!(matches!(result, Err(BanError::NotASource(_))), "{address}");
    }
    for lasts in [Duration::ZERO, Duration::from_secs(40 * 24 * 3600)] {
        let result = kernel.ban(&ban([192, 0, 2, 8].into(), lasts));
        assert!(matches!(result, Err(BanError::Duration(_))), "{lasts:?}");
    }
    kernel.ban(&ban([192, 0, 2, 8].into(), minute)).unwrap();
    kernel.ban(&ban([192, 0, 2, 9].into(), minute)).unwrap();
    assert!(matches!(
        kernel.ban(&ban([192, 0, 2, 10].into(), minute)),
        Err(BanError::Full(2))
    ));
    // A full map still takes news about those who are in it, and the other family has a map of its own.
    kernel.ban(&ban([192, 0, 2, 9].into(), minute)).unwrap();
    kernel.ban(&ban("2001:db8::1".parse().unwrap(), minute)).unwrap();
}

#[test]
fn a_source_beyond_its_budget_is_dropped_and_others_are_not() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = quiet(&lab.upstream);
    // So slow that no token comes back while the test runs.
    let slow = |burst: u64| Limit {
        period_ns: 3_600_000_000_000,
        burst_ns: 3_600_000_000_000 * (burst - 1),
    };
    kernel
        .set_edge(&EdgeOptions {
            source: [slow(3), slow(10), Limit::default()],
            whole_node: true,
            ..EdgeOptions::default()
        })
        .unwrap();
    let passed = |frame: &[u8], times| (0..times).filter(|_| passes(&kernel, frame)).count();
    assert_eq!(passed(&segment([203, 0, 113, 9], SYN), 5), 3);
    assert_eq!(counted(&kernel, Counter::EdgeDropSourceSyn), 2);
    // Three packets were SYNs that passed.
    assert_eq!(passed(&segment([203, 0, 113, 9], ACK), 20), 7);
    assert_eq!(counted(&kernel, Counter::EdgeDropSourcePackets), 13);
    assert_eq!(passed(&segment([203, 0, 113, 10], SYN), 1), 1);
    // A host has 64 bits of IPv6.
    let from = |last: u8| {
        let source = [0x20, 1, 0xd, 0xb8, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
        frame6(&ipv6(source, NODE6, 6, &tcp(SYN, 5, &[])))
    };
    assert_eq!((1..=6).filter(|last| passes(&kernel, &from(*last))).count(), 3);
}

#[test]
fn budgets_of_destinations_and_what_allowed_sources_are_spared() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = quiet(&lab.upstream);
    let slow = |burst: u64| Limit {
        period_ns: 3_600_000_000_000,
        burst_ns: 3_600_000_000_000 * (burst - 1),
    };
    let vip = |port, limits| Vip {
        address: NODE.into(),
        port,
        limits,
    };
    let mut edge = EdgeOptions {
        source: [slow(1); 3],
        whole_node: true,
        vips: vec![vip(
            Some((8080, Protocol::Tcp)),
            [slow(4), Limit::default(), Limit::default()],
        )],
        ..EdgeOptions::default()
    };
    kernel.set_edge(&edge).unwrap();
    let prefix = "203.0.113.0/24".parse().unwrap();
    let allow = PrefixRule {
        prefix,
        action: Action::Allow,
        rule: 0,
    };
    kernel.set_prefixes(&[allow]).unwrap();
    let frame = segment([203, 0, 113, 9], SYN);
    assert_eq!((0..9).filter(|_| passes(&kernel, &frame)).count(), 4);
    assert_eq!(counted(&kernel, Counter::EdgeDropVipSyn), 5);
    assert_eq!(counted(&kernel, Counter::EdgeAllowed), 4);
    assert_eq!(counted(&kernel, Counter::EdgeDropSourceSyn), 0);
    // What does not change keeps its state; another destination brings its own.
    edge.vips.push(vip(None, [slow(2); 3]));
    kernel.set_edge(&edge).unwrap();
    assert!(!passes(&kernel, &frame));
    let other = frame4(&ipv4(
        [203, 0, 113, 9],
        NODE,
        17,
        0,
        &[],
        &fixtures::datagram(&[]),
    ));
    assert_eq!((0..9).filter(|_| passes(&kernel, &other)).count(), 2);
    edge.vips.clear();
    kernel.set_edge(&edge).unwrap();
    assert!(passes(&kernel, &frame));
}

#[test]
fn a_policy_denies_the_gateway_and_nothing_else_of_the_node() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = on(&lab.node, lab.downlink(), XdpMode::Generic);
    let ours = listeners(&lab.node, Ipv4Addr::UNSPECIFIED.into(), 1);
    let others = listeners(&lab.node, Ipv4Addr::UNSPECIFIED.into(), 1).remove(0);
    kernel.register_workers(&descriptors(&ours)).unwrap();
    let prefix = format!("{}/32", lab.client.address).parse().unwrap();
    let rule = PrefixRule {
        prefix,
        action: Action::DenyGateway,
        rule: RULE_IP_FILTER,
    };
    let refused = |kernel: &Kernel, counter| {
        let before = counted(kernel, counter);
        let to = lab.node.at(ours[0].local_addr().unwrap().port());
        assert_eq!(attempt(&lab, to).unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(counted(kernel, counter) > before);
    };
    let served = |listener: &std::net::TcpListener| {
        let stream = attempt(&lab, lab.node.at(listener.local_addr().unwrap().port())).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| serve(listener, b"pong"));
            assert_eq!(ask(stream, b"ping"), b"pong");
        });
    };
    served(&ours[0]);
    kernel.set_prefixes(&[rule]).unwrap();
    refused(&kernel, Counter::EdgeDropDenied);
    served(&others);
    // What the configuration allows, no policy denies in the kernel.
    let allow = PrefixRule {
        prefix: "192.0.2.0/24".parse().unwrap(),
        action: Action::Allow,
        rule: 0,
    };
    kernel.set_prefixes(&[rule, allow]).unwrap();
    served(&ours[0]);
    kernel.set_prefixes(&[]).unwrap();
    let ban = NewBan {
        whole_node: false,
        rule: RULE_RATE_LIMIT,
        ..ban(lab.client.address.into(), Duration::from_secs(600))
    };
    kernel.ban(&ban).unwrap();
    refused(&kernel, Counter::EdgeDropBanned);
    served(&others);
    kernel.unban(lab.client.address.into());
    served(&ours[0]);
}

/// Connects from the client; long enough for a SYN to be sent twice.
#[cfg(test)]
fn attempt(lab: &Lab, to: SocketAddr) -> std::io::Result<TcpStream> {
    lab.client
        .enter(|| TcpStream::connect_timeout(&to, Duration::from_millis(1500)))
        .unwrap()
}

#[test]
fn established_connections_use_up_the_budget_and_half_open_ones_do_not() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = on(&lab.node, lab.downlink(), XdpMode::Generic);
    let listener = listeners(&lab.node, Ipv4Addr::UNSPECIFIED.into(), 1);
    kernel.register_workers(&descriptors(&listener)).unwrap();
    kernel.marker().mark(&listener[0], 1).unwrap();
    let three = Limit {
        period_ns: 3_600_000_000_000,
        burst_ns: 2 * 3_600_000_000_000,
    };
    kernel
        .set_edge(&EdgeOptions {
            source: [Limit::default(), Limit::default(), three],
            ..EdgeOptions::default()
        })
        .unwrap();
    let to = lab.node.at(listener[0].local_addr().unwrap().port());
    let kept: Vec<TcpStream> = (0..3).map(|_| attempt(&lab, to).unwrap()).collect();
    // The client is connected before the node has seen the last acknowledgement.
    wait::until("three connections", DEADLINE, || {
        (counted(&kernel, Counter::ConnOpened) == 3).then_some(())
    })
    .unwrap();
    assert_eq!(attempt(&lab, to).unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(counted(&kernel, Counter::EdgeDropSourceConnections) >= 1);
    // Those that are open go on.
    let mut streams = kept.into_iter();
    let stream = streams.next().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&listener[0], b"pong"));
        assert_eq!(ask(stream, b"ping"), b"pong");
    });
}

#[test]
fn samples_show_what_was_dropped_and_keep_to_their_rate() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = quiet(&lab.upstream);
    let mut drops = kernel.take_drops().unwrap();
    let bad = fixtures::table()
        .into_iter()
        .find(|fixture| fixture.name == "SYN and FIN")
        .unwrap();
    let mut edge = EdgeOptions {
        malformed: EDGE_DROP_MALFORMED,
        ..EdgeOptions::default()
    };
    kernel.set_edge(&edge).unwrap();
    let mut found = Vec::new();
    assert!(!passes(&kernel, &bad.frame));
    drops.poll(&mut found);
    assert!(found.is_empty(), "no samples unless asked for");
    edge.samples = Limit {
        period_ns: 3_600_000_000_000,
        burst_ns: 2 * 3_600_000_000_000,
    };
    kernel.set_edge(&edge).unwrap();
    let long = frame4(&ipv4([203, 0, 113, 7], NODE, 6, 0, &[], &tcp(3, 5, &[9; 900])));
    for frame in [&bad.frame, &long, &bad.frame[..20].to_vec()] {
        assert!(!passes(&kernel, frame));
    }
    // One CPU or several: at most three from each.
    for _ in 0..50 {
        assert!(!passes(&kernel, &bad.frame));
    }
    drops.poll(&mut found);
    assert!((3..=3 * 64).contains(&found.len()), "{} samples", found.len());
    let whole = found.iter().find(|sample| sample.frame == bad.frame);
    let sample = whole.expect("the sample of a short frame is the frame");
    assert_eq!(
        (sample.verdict, sample.noticed),
        (Counter::EdgeDropMalformed, Some(Counter::EdgeFlags))
    );
    assert_eq!(sample.length as usize, bad.frame.len());
    for sample in &found {
        assert!(sample.frame.len() <= sample.length as usize);
        assert!(!sample.frame.is_empty(), "{sample:?}");
    }
}

#[test]
fn the_same_frames_get_the_same_verdicts_in_tc() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = on(&lab.node, lab.downlink(), XdpMode::Tc);
    let state = &kernel.hooks()[0];
    assert!(["tcx", "clsact"].contains(&state.mode), "{state:?}");
    let rule = |(address, length): (IpAddr, u32)| {
        PrefixRule::deny(ipnet::IpNet::new(address, length as u8).unwrap())
    };
    let (v4, v6) = (fixtures::DENIED_V4, fixtures::DENIED_V6);
    kernel
        .set_prefixes(&[rule((v4.0.into(), v4.1)), rule((v6.0.into(), v6.1))])
        .unwrap();
    kernel
        .set_edge(&EdgeOptions {
            malformed: EDGE_DROP_MALFORMED,
            ..EdgeOptions::default()
        })
        .unwrap();
    let program: &SchedClassifier = kernel.programs().program("edge_tc").unwrap().try_into().unwrap();
    let mut run = 0;
    for fixture in fixtures::table() {
        // The kernel gives a test run of tc no frame without a whole network header.
        let header = if fixture.frame.get(12..14) == Some(&[0x86, 0xdd]) {
            14 + 40
        } else {
            14 + 20
        };
        if fixture.frame.len() < header {
            continue;
        }
        let expected = if fixture.verdict == Counter::EdgePass {
            u32::MAX
        } else {
            2
        };
        assert_eq!(verdict(program, &fixture.frame), expected, "{}", fixture.name);
        run += 1;
    }
    assert!(run > 40, "{run} fixtures");
    // And real clients: denied, and let in again.
    let listener = listeners(&lab.node, Ipv4Addr::UNSPECIFIED.into(), 1).remove(0);
    let to = lab.node.at(listener.local_addr().unwrap().port());
    attempt(&lab, to).unwrap();
    kernel
        .set_prefixes(&[rule((lab.client.address.into(), 32))])
        .unwrap();
    assert_eq!(attempt(&lab, to).unwrap_err().kind(), ErrorKind::TimedOut);
    kernel.set_prefixes(&[]).unwrap();
    attempt(&lab, to).unwrap();
}

#[test]
fn the_answer_to_where_is_what_the_program_does() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = quiet(&lab.upstream);
    let deny = |prefix: &str, action| PrefixRule {
        prefix: prefix.parse().unwrap(),
        action,
        rule: RULE_IP_FILTER,
    };
    kernel
        .set_prefixes(&[
            deny("198.51.100.0/24", Action::Deny),
            deny("198.51.100.128/25", Action::Allow),
            deny("203.0.113.0/24", Action::DenyGateway),
        ])
        .unwrap();
    kernel
        .ban(&ban([192, 0, 2, 77].into(), Duration::from_secs(600)))
        .unwrap();
    for (source, verdict, said) in [
        (
            [198, 51, 100, 1],
            Counter::EdgeDropDenied,
            "198.51.100.0/24 is the longest prefix of 198.51.100.1: denied by ip-filter",
        ),
        ([198, 51, 100, 200], Counter::EdgePass, "allowed by ip-filter"),
        (
            [203, 0, 113, 1],
            Counter::EdgePass,
            "denied at the gateway's destinations",
        ),
        (
            [192, 0, 2, 77],
            Counter::EdgeDropBanned,
            "192.0.2.77 is banned for the whole node for 599 s more by operator: a test",
        ),
        ([192, 0, 2, 78], Counter::EdgePass, "192.0.2.78 is in no prefix"),
    ] {
        let question = Question {
            source: SocketAddr::from((source, 40_000)),
            destination: SocketAddr::from((NODE, 8080)),
            protocol: Protocol::Tcp,
        };
        let answer = kernel.explain(&question);
        assert_eq!(answer.verdict, verdict, "{answer:?}");
        assert!(
            answer.reasons.iter().any(|reason| reason.contains(said)),
            "{answer:?}"
        );
        assert_eq!(
            passes(&kernel, &segment(source, SYN)),
            verdict == Counter::EdgePass,
            "{answer:?}"
        );
    }
}

/// A million prefixes: they go in, they are found, they come out again. Prints what it takes.
#[test]
fn a_million_prefixes() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = quiet(&lab.upstream);
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.rotate_left(16)
    };
    let rules: Vec<PrefixRule> = (0..1_000_000)
        .map(|_| {
            PrefixRule::deny(
                ipnet::Ipv4Net::new(random().into(), 24 + (random() % 9) as u8)
                    .unwrap()
                    .trunc()
                    .into(),
            )
        })
        .collect();
    let begun = std::time::Instant::now();
    kernel.set_prefixes(&rules).unwrap();
    println!("{} prefixes in {:?}", kernel.prefixes_fill().0, begun.elapsed());
    for rule in rules.iter().step_by(50_021) {
        let IpAddr::V4(address) = rule.prefix.addr() else {
            unreachable!()
        };
        if address.is_multicast() || address.is_loopback() {
            continue;
        }
        assert!(
            !passes(&kernel, &segment(address.octets(), ACK)),
            "{}",
            rule.prefix
        );
    }
    let program: &Xdp = kernel
        .programs()
        .program("edge_drop")
        .unwrap()
        .try_into()
        .unwrap();
    let mut total = Duration::ZERO;
    const SOURCES: u32 = 20_000;
    for _ in 0..SOURCES {
        let frame = segment(random().to_be_bytes(), ACK);
        let options = TestRunOptions {
            data_in: Some(&frame),
            ..TestRunOptions::default()
        };
        total += program
            .test_run(options)
            .map(|result| result.duration)
            .unwrap_or_default();
    }
    println!(
        "{} ns on random sources, one cold run each",
        total.as_nanos() / u128::from(SOURCES)
    );
    let begun = std::time::Instant::now();
    kernel.set_prefixes(&[]).unwrap();
    println!("removed in {:?}", begun.elapsed());
    assert!(passes(&kernel, &segment([198, 51, 100, 1], ACK)));
}
