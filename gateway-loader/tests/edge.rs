//! `edge_drop`: the packet table through the loaded program, and denied addresses through namespaces.

#[cfg(test)]
mod support;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use aya::programs::{ProgramError, TestRun as _, TestRunOptions, Xdp};
use gateway_ebpf::fixtures::{self, DENIED_V4, DENIED_V6, Fixture};
use gateway_loader::common::Counter;
use gateway_loader::common::edge::EDGE_DROP_MALFORMED;
use gateway_loader::{
    EdgeOptions, HookName, Kernel, Options, PrefixError, PrefixRule, Reading, Uplink, XdpMode,
};
use gateway_tests::lab::{Host, Lab, Mode};
use ipnet::IpNet;
use support::{DEADLINE, ask, counted, listeners, load, serve};

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

/// The program on a loopback interface that carries nothing: only test runs raise the counters.
#[cfg(test)]
fn quiet(host: &Host, drop_malformed: bool) -> Kernel {
    let uplinks = vec![Uplink {
        interface: "lo".to_owned(),
        mode: XdpMode::Generic,
    }];
    let options = Options {
        uplinks,
        ..Options::default()
    };
    let mut kernel = load(host, &options);
    assert!(kernel.is_attached(HookName::EdgeDrop), "{:?}", kernel.hooks());
    kernel.set_prefixes(&denied()).unwrap();
    let malformed = if drop_malformed { EDGE_DROP_MALFORMED } else { 0 };
    let edge = EdgeOptions {
        malformed,
        ..EdgeOptions::default()
    };
    kernel.set_edge(&edge).unwrap();
    kernel
}

#[cfg(test)]
fn denied() -> Vec<PrefixRule> {
    vec![
        PrefixRule::deny(IpNet::new(DENIED_V4.0.into(), DENIED_V4.1 as u8).unwrap()),
        PrefixRule::deny(IpNet::new(DENIED_V6.0.into(), DENIED_V6.1 as u8).unwrap()),
    ]
}

#[cfg(test)]
fn program(kernel: &Kernel) -> &Xdp {
    kernel
        .programs()
        .program("edge_drop")
        .unwrap()
        .try_into()
        .unwrap()
}

/// Runs the program on a frame: its verdict, the frame afterwards, the time of one run.
#[cfg(test)]
fn run(kernel: &Kernel, frame: &[u8], repeat: u32) -> (u32, Vec<u8>, Duration) {
    loop {
        let mut out = vec![0; frame.len() + 64];
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            repeat,
            ..TestRunOptions::default()
        };
        match program(kernel).test_run(options) {
            Ok(result) => {
                out.truncate(result.data_size_out as usize);
                return (result.return_value, out, result.duration);
            }
            // The kernel ends a long run when anything is pending for the thread.
            Err(ProgramError::SyscallError(error)) if error.io_error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[cfg(test)]
fn difference(before: &[Reading], after: &[Reading]) -> Vec<(Counter, u64)> {
    let pairs = before
        .iter()
        .zip(after)
        .map(|(before, after)| (after.counter, after.count - before.count));
    pairs.filter(|(_, raised)| *raised > 0).collect()
}

#[cfg(test)]
fn check(kernel: &Kernel, fixture: &Fixture, verdict: Counter) {
    let before = kernel.counters().unwrap();
    let (action, frame, _) = run(kernel, &fixture.frame, 1);
    let expected = if verdict == Counter::EdgePass {
        XDP_PASS
    } else {
        XDP_DROP
    };
    assert_eq!(action, expected, "{}", fixture.name);
    assert_eq!(frame, fixture.frame, "{}: the frame was changed", fixture.name);
    let raised: Vec<_> = [Some(verdict), fixture.noticed]
        .into_iter()
        .flatten()
        .map(|counter| (counter, 1))
        .collect();
    assert_eq!(
        difference(&before, &kernel.counters().unwrap()),
        raised,
        "{}",
        fixture.name
    );
}

#[test]
fn every_fixture_gets_its_verdict_in_the_kernel() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let dropping = quiet(&lab.upstream, true);
    for fixture in fixtures::table() {
        check(&dropping, &fixture, fixture.verdict);
    }
    let counting = quiet(&lab.client, false);
    for fixture in fixtures::table() {
        let verdict = match fixture.verdict {
            Counter::EdgeDropMalformed => Counter::EdgePass,
            verdict => verdict,
        };
        check(&counting, &fixture, verdict);
    }
}

#[test]
fn bytes_are_counted_as_the_headers_tell() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let kernel = quiet(&lab.upstream, false);
    let frame = fixtures::frame4(&fixtures::ipv4(
        [203, 0, 113, 7],
        [192, 0, 2, 1],
        6,
        0,
        &[],
        &fixtures::tcp(16, 5, &[0; 1000]),
    ));
    let _ = run(&kernel, &frame, 10);
    let readings = kernel.counters().unwrap();
    let pass = readings
        .iter()
        .find(|reading| reading.counter == Counter::EdgePass)
        .unwrap();
    assert_eq!((pass.count, pass.bytes), (10, 10 * frame.len() as u64));
}

#[test]
fn denied_clients_do_not_get_through_and_others_do() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let options = Options {
        uplinks: vec![Uplink::auto(lab.downlink())],
        ..Options::default()
    };
    let mut kernel = load(&lab.node, &options);
    let state = &kernel.hooks()[0];
    // veth: native would take segmentation offload from the client, so generic is chosen and said.
    assert_eq!((state.attached, state.mode), (true, "generic"), "{state:?}");
    assert!(state.reason.as_deref().unwrap().contains("veth"), "{state:?}");
    let listener = listeners(&lab.node, Ipv4Addr::UNSPECIFIED.into(), 1).remove(0);
    let to = lab.node.at(listener.local_addr().unwrap().port());
    let exchange = |from: Ipv4Addr| {
        let stream = connect(&lab.client, from, to)?;
        std::thread::scope(|scope| {
            scope.spawn(|| serve(&listener, b"pong"));
            assert_eq!(ask(stream, b"ping"), b"pong");
        });
        Ok::<_, std::io::Error>(())
    };
    exchange(lab.denied_client).unwrap();
    kernel
        .set_prefixes(&[PrefixRule::deny(
            IpNet::new(lab.denied_client.into(), 32).unwrap(),
        )])
        .unwrap();
    let error = exchange(lab.denied_client).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "dropped without an answer");
    assert!(counted(&kernel, Counter::EdgeDropDenied) >= 1);
    exchange(lab.client.address).unwrap();
    kernel.set_prefixes(&[]).unwrap();
    exchange(lab.denied_client).unwrap();
}

/// Connects from one of the host's addresses.
#[cfg(test)]
fn connect(host: &Host, from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    host.enter(|| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(from.into(), 0).into())?;
        // Long enough for a SYN to be sent twice.
        socket.connect_timeout(&to.into(), Duration::from_millis(1500))?;
        socket.set_nonblocking(false)?;
        Ok(TcpStream::from(socket))
    })
    .unwrap()
}

#[test]
fn native_mode_is_used_when_asked_for() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let uplinks = vec![Uplink {
        interface: lab.downlink().to_owned(),
        mode: XdpMode::Native,
    }];
    let kernel = load(
        &lab.node,
        &Options {
            uplinks,
            ..Options::default()
        },
    );
    assert_eq!(
        (kernel.hooks()[0].attached, kernel.hooks()[0].mode),
        (true, "native"),
        "{:?}",
        kernel.hooks()
    );
    let listener = listeners(&lab.node, Ipv4Addr::UNSPECIFIED.into(), 1).remove(0);
    let to = lab.node.at(listener.local_addr().unwrap().port());
    let stream = lab.client.connect(to).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    assert!(counted(&kernel, Counter::EdgePass) > 0);
}

#[test]
fn the_denied_list_is_replaced_by_difference() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = quiet(&lab.upstream, false);
    let table = fixtures::table();
    let frame = &table
        .iter()
        .find(|fixture| fixture.name == "denied IPv4")
        .unwrap()
        .frame;
    let dropped = |kernel: &Kernel| run(kernel, frame, 1).0 == XDP_DROP;
    for (list, expected) in [
        (vec!["198.51.100.0/25", "10.0.0.0/8"], true),
        (vec!["10.0.0.0/8", "2001:db8::/32"], false),
        (vec!["198.51.100.9/32"], true),
        (vec!["::/0"], false),
        (vec!["0.0.0.0/0"], true),
        (vec![], false),
    ] {
        let nets: Vec<IpNet> = list.iter().map(|net| net.parse().unwrap()).collect();
        let rules: Vec<PrefixRule> = nets.iter().copied().map(PrefixRule::deny).collect();
        kernel.set_prefixes(&rules).unwrap();
        let v4 = nets.iter().filter(|net| matches!(net, IpNet::V4(_))).count();
        assert_eq!(kernel.prefixes_fill(), (v4, nets.len() - v4));
        assert_eq!(dropped(&kernel), expected, "{list:?}");
    }
}

#[test]
fn without_an_uplink_nothing_is_denied_and_that_is_said() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = load(&lab.node, &Options::default());
    assert!(matches!(
        kernel.set_prefixes(&denied()),
        Err(PrefixError::Unavailable(_))
    ));
}

/// Not a comparison (see `cargo xtask bench`), only figures to look at, and a guard against a verifier that explodes.
#[test]
fn costs() {
    skip_unless_kernel!();
    /// A quarter of what the kernel takes.
    const VERIFIED_LIMIT: u32 = 250_000;
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let kernel = quiet(&lab.upstream, true);
    for (program, instructions) in kernel.verified_instructions() {
        println!("{program}: {instructions} verified instructions");
        assert!(
            instructions < VERIFIED_LIMIT,
            "{program}: {instructions} verified instructions"
        );
    }
    for fixture in fixtures::table() {
        let time = (0..5)
            .map(|_| run(&kernel, &fixture.frame, 100_000).2)
            .min()
            .unwrap_or_default();
        println!("{:>4} ns  {}", time.as_nanos(), fixture.name);
    }
}
