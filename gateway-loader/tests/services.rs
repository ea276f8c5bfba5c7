//! L4 services end to end: a client, the node and several backends in namespaces, real TCP and UDP over veth.

#[cfg(test)]
mod support;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use aya::programs::{ProgramError, SchedClassifier, TestRun as _, TestRunOptions};
use gateway_ebpf::l4::fixtures;
use gateway_ebpf::l4::model::Became;
use gateway_loader::common::Counter;
use gateway_loader::common::l4::MAX_YOUNG;
use gateway_loader::l4::{Backend, FlowState, Health, Nat, Service, Services, ServicesOptions, Timeouts};
use gateway_loader::{HookName, Kernel, Options, Protocol, uninstall};
use gateway_tests::lab::{Host, Lab, Mode, VIP};
use gateway_tests::process::run;
use support::{DEADLINE, counted, load};

/// Backends of the tests: addresses of the upstream host.
#[cfg(test)]
const FIRST_BACKEND: u8 = 10;
/// Port of the service.
#[cfg(test)]
const PORT: u16 = 80;
/// Port of the backends.
#[cfg(test)]
const BACKEND_PORT: u16 = 8080;

/// A node with `l4_ingress` on both wires.
#[cfg(test)]
struct Bench {
    lab: Lab,
    kernel: Kernel,
    services: Services,
}

#[cfg(test)]
fn ip(host: &Host, arguments: &str) {
    let mut command = host.command("ip");
    run(command.args(arguments.split(' '))).unwrap();
}

#[cfg(test)]
fn sysctl(host: &Host, setting: &str) {
    run(host.command("sysctl").args(["-q", "-w", setting])).unwrap();
}

#[cfg(test)]
impl Bench {
    fn new(backends: u8) -> Self {
        Self::pinned(backends, None)
    }

    fn options(pins: Option<PathBuf>) -> Options {
        Options {
            services: Some(ServicesOptions {
                interfaces: vec!["down0".to_owned(), "up0".to_owned()],
                flows: 10_000,
            }),
            pins,
            ..Options::default()
        }
    }

    fn pinned(backends: u8, pins: Option<PathBuf>) -> Self {
        let lab = Lab::new(Mode::Namespaces).unwrap();
        for setting in ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"] {
            sysctl(&lab.node, setting);
        }
        for at in 0..backends {
            ip(
                &lab.upstream,
                &format!("addr add 198.51.100.{}/24 dev down0", FIRST_BACKEND + at),
            );
            ip(
                &lab.upstream,
                &format!("addr add 2001:db8:2::{}/64 dev down0 nodad", FIRST_BACKEND + at),
            );
        }
        ip(&lab.node, "addr add 2001:db8:2::1/64 dev up0 nodad");
        ip(&lab.upstream, "route add default via 198.51.100.1");
        ip(&lab.upstream, "-6 route add default via 2001:db8:2::1");
        ip(&lab.client, "-6 route add 2001:db8:100::/64 via 2001:db8:1::1");
        ip(&lab.client, "route add 198.51.100.0/24 via 192.0.2.1");
        let options = Self::options(pins);
        let mut kernel = load(&lab.node, &options);
        assert!(kernel.is_attached(HookName::L4Ingress), "{:?}", kernel.hooks());
        let services = kernel.take_services().unwrap();
        Self {
            lab,
            kernel,
            services,
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let readings = self.kernel.counters().unwrap();
        readings
            .iter()
            .filter(|reading| reading.counter.hook() == "l4_ingress" && reading.count > 0)
            .map(|reading| (reading.counter.name(), reading.count))
            .collect()
    }
}

#[cfg(test)]
fn backend(at: u8) -> Backend {
    Backend {
        address: SocketAddr::new(
            Ipv4Addr::new(198, 51, 100, FIRST_BACKEND + at).into(),
            BACKEND_PORT,
        ),
        weight: 1,
        health: Health::Up,
    }
}

#[cfg(test)]
fn backend6(at: u8) -> Backend {
    Backend {
        address: format!("[2001:db8:2::{}]:{BACKEND_PORT}", FIRST_BACKEND + at)
            .parse()
            .unwrap(),
        weight: 1,
        health: Health::Up,
    }
}

#[cfg(test)]
fn service(protocol: Protocol, nat: Nat, backends: Vec<Backend>) -> Service {
    let address = if backends[0].address.is_ipv4() {
        SocketAddr::new(VIP.into(), PORT)
    } else {
        format!("[2001:db8:100::10]:{PORT}").parse().unwrap()
    };
    Service {
        name: "web".to_owned(),
        address,
        protocol,
        backends,
        nat,
        affinity: false,
        max_flows: None,
        bytes_per_second: None,
    }
}

#[cfg(test)]
fn full_nat(source: &str) -> Nat {
    Nat::Full {
        source: source.parse().unwrap(),
        ports: 61_000..=61_999,
    }
}

/// Answers every connection with the address it came to and the peer's, until the test ends.
#[cfg(test)]
fn echo(host: &Host, address: SocketAddr) -> JoinHandle<()> {
    let listener = host.enter(|| TcpListener::bind(address)).unwrap().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut buffer = [0; 65_536];
                let mut first = true;
                while let Ok(read) = stream.read(&mut buffer) {
                    if read == 0 {
                        return;
                    }
                    if std::mem::take(&mut first) {
                        let line = format!(
                            "{} {}\n",
                            stream.local_addr().unwrap(),
                            stream.peer_addr().unwrap()
                        );
                        stream.write_all(line.as_bytes()).unwrap();
                    }
                    if stream.write_all(&buffer[..read]).is_err() {
                        return;
                    }
                }
            });
        }
    })
}

/// Connects and reads which backend it is and what it sees as the client.
#[cfg(test)]
fn greet(host: &Host, to: SocketAddr) -> std::io::Result<(TcpStream, SocketAddr, SocketAddr)> {
    let mut stream = host
        .enter(|| TcpStream::connect_timeout(&to, Duration::from_secs(3)))
        .unwrap()?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(b"x")?;
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\n") {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    stream.read_exact(&mut byte)?;
    let text = String::from_utf8(line).unwrap();
    let (local, peer) = text.trim().split_once(' ').unwrap();
    Ok((stream, local.parse().unwrap(), peer.parse().unwrap()))
}

#[cfg(test)]
fn ask_again(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"again")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    assert_eq!(&answer, b"again");
    Ok(())
}

#[test]
fn connections_are_balanced_in_both_modes_and_families() {
    skip_unless_kernel!();
    let mut bench = Bench::new(3);
    for at in 0..3 {
        echo(&bench.lab.upstream, backend(at).address);
        echo(&bench.lab.upstream, backend6(at).address);
    }
    let lists = [
        (Nat::Destination, vec![backend(0), backend(1), backend(2)]),
        (full_nat("198.51.100.1"), vec![backend(0), backend(1), backend(2)]),
        (Nat::Destination, vec![backend6(0), backend6(1), backend6(2)]),
        (
            full_nat("2001:db8:2::1"),
            vec![backend6(0), backend6(1), backend6(2)],
        ),
    ];
    for (nat, backends) in lists {
        let service = service(Protocol::Tcp, nat.clone(), backends);
        bench.services.apply(std::slice::from_ref(&service)).unwrap();
        let mut shares: BTreeMap<SocketAddr, u32> = BTreeMap::new();
        for _ in 0..60 {
            let (mut stream, local, peer) = greet(&bench.lab.client, service.address)
                .unwrap_or_else(|error| panic!("{nat:?}: {error}: {:?}", bench.counters()));
            ask_again(&mut stream).unwrap();
            *shares.entry(local).or_default() += 1;
            match &nat {
                Nat::Destination => assert_eq!(peer, stream.local_addr().unwrap()),
                Nat::Full { source, ports } => {
                    assert!(peer.ip() == *source && ports.contains(&peer.port()), "{peer}");
                }
            }
        }
        assert_eq!(shares.len(), 3, "{shares:?}");
        assert!(shares.values().all(|share| *share >= 8), "{shares:?}");
        let readings = bench.services.readings().unwrap();
        assert_eq!(
            readings[0].backends.iter().map(|b| b.traffic.flows).sum::<u64>(),
            60,
            "{readings:?}"
        );
        bench.services.apply(&[]).unwrap();
    }
}

const TC_ACT_UNSPEC: u32 = u32::MAX;
const TC_ACT_SHOT: u32 = 2;
const TC_ACT_REDIRECT: u32 = 7;

/// Runs the program on a frame as if it had come in on the node's loopback.
#[cfg(test)]
fn test_run(bench: &Bench, frame: &[u8]) -> (u32, Vec<u8>) {
    let program: &SchedClassifier = bench
        .kernel
        .programs()
        .program("l4_ingress")
        .unwrap()
        .try_into()
        .unwrap();
    bench
        .lab
        .node
        .enter(|| {
            loop {
                let mut out = vec![0; frame.len() + 256];
                let options = TestRunOptions {
                    data_in: Some(frame),
                    data_out: Some(&mut out),
                    repeat: 1,
                    ..TestRunOptions::default()
                };
                match program.test_run(options) {
                    Ok(result) => {
                        out.truncate(result.data_size_out as usize);
                        return (result.return_value, out);
                    }
                    Err(ProgramError::SyscallError(error))
                        if error.io_error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
        .unwrap()
}

/// The services of the script.
#[cfg(test)]
fn scripted() -> Vec<Service> {
    let families = [
        (fixtures::VIP, fixtures::BACKEND, fixtures::NODE),
        (fixtures::VIP6, fixtures::BACKEND6, fixtures::NODE6),
    ];
    let mut list = Vec::new();
    for (vip, backend, node) in families {
        for (port, udp, backend_port, full) in fixtures::SERVICES {
            let backends = (backend_port != 0).then(|| Backend {
                address: SocketAddr::new(backend.parse().unwrap(), backend_port),
                weight: 1,
                health: Health::Up,
            });
            list.push(Service {
                name: format!("{vip}-{port}"),
                address: SocketAddr::new(vip.parse().unwrap(), port),
                protocol: if udp { Protocol::Udp } else { Protocol::Tcp },
                backends: backends.into_iter().collect(),
                nat: if full {
                    Nat::Full {
                        source: node.parse().unwrap(),
                        ports: fixtures::NAT_PORT..=fixtures::NAT_PORT,
                    }
                } else {
                    Nat::Destination
                },
                affinity: false,
                max_flows: None,
                bytes_per_second: None,
            });
        }
    }
    list
}

#[test]
fn the_script_in_the_kernel() {
    skip_unless_kernel!();
    let mut bench = Bench::new(1);
    bench.services.apply(&scripted()).unwrap();
    for step in fixtures::script() {
        let before = bench.counters();
        let (action, frame) = test_run(&bench, &step.frame);
        let raised: Vec<&str> = bench
            .counters()
            .into_iter()
            .filter(|(name, count)| {
                before
                    .iter()
                    .find(|(other, _)| other == name)
                    .is_none_or(|(_, old)| old < count)
            })
            .map(|(name, _)| name)
            .collect();
        let tagged = step.frame[12] == 0x81 || step.frame[12] == 0x88;
        let (expected, counter) = match step.became {
            Became::Passed(counter) => (TC_ACT_UNSPEC, counter),
            Became::Dropped(counter) => (TC_ACT_SHOT, Some(counter)),
            Became::Forwarded(counter) if tagged => (TC_ACT_UNSPEC, Some(counter)),
            Became::Forwarded(counter) => (TC_ACT_REDIRECT, Some(counter)),
            Became::TooBig(_) => panic!("not in the script"),
        };
        assert_eq!(action, expected, "{}: {raised:?}", step.name);
        assert_eq!(counter.is_some(), !raised.is_empty(), "{}: {raised:?}", step.name);
        assert!(
            counter.is_none_or(|counter| raised.contains(&counter.name())),
            "{}: {raised:?}",
            step.name
        );
        if action != TC_ACT_SHOT {
            // The link header is that of the next hop, if the neighbour was known.
            assert_eq!(frame[12..], step.after[12..], "{}", step.name);
        }
    }
}

#[test]
fn established_flows_live_through_changes_and_end_with_their_backend() {
    skip_unless_kernel!();
    let mut bench = Bench::new(3);
    for at in 0..3 {
        echo(&bench.lab.upstream, backend(at).address);
    }
    let set = |bench: &mut Bench, backends: Vec<Backend>| {
        bench
            .services
            .apply(&[service(Protocol::Tcp, Nat::Destination, backends)])
            .unwrap();
    };
    let to = SocketAddr::new(VIP.into(), PORT);
    set(&mut bench, vec![backend(0), backend(1)]);
    let mut held: Vec<_> = (0..40).map(|_| greet(&bench.lab.client, to).unwrap()).collect();
    // One more, then one less: nobody moves.
    set(&mut bench, vec![backend(0), backend(1), backend(2)]);
    let drained = Backend {
        health: Health::Draining,
        ..backend(1)
    };
    set(&mut bench, vec![backend(0), drained, backend(2)]);
    for (stream, ..) in &mut held {
        ask_again(stream).unwrap();
    }
    let after: Vec<SocketAddr> = (0..40).map(|_| greet(&bench.lab.client, to).unwrap().1).collect();
    assert!(
        after.iter().all(|local| *local != backend(1).address),
        "{after:?}"
    );
    // Cut: its flows stop, the others go on.
    set(&mut bench, vec![backend(0), backend(2)]);
    for (stream, local, _) in &mut held {
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        assert_eq!(ask_again(stream).is_ok(), *local == backend(0).address, "{local}");
    }
    assert!(counted(&bench.kernel, Counter::L4DropBackendGone) > 0);
    let readings = bench.services.readings().unwrap();
    assert!(
        readings[0].retired.flows > 0 && readings[0].retired.packets_out > 0,
        "{readings:?}"
    );
}

#[test]
fn datagrams_go_both_ways_and_flows_are_seen_counted_and_expire() {
    skip_unless_kernel!();
    let mut bench = Bench::new(1);
    let server = bench
        .lab
        .upstream
        .enter(|| UdpSocket::bind(backend(0).address))
        .unwrap()
        .unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((read, from)) = server.recv_from(&mut buffer) {
            server.send_to(&buffer[..read], from).unwrap();
        }
    });
    for nat in [Nat::Destination, full_nat("198.51.100.1")] {
        let service = service(Protocol::Udp, nat, vec![backend(0)]);
        bench.services.apply(std::slice::from_ref(&service)).unwrap();
        let client = bench
            .lab
            .client
            .enter(|| UdpSocket::bind((bench.lab.client.address, 0)))
            .unwrap()
            .unwrap();
        client.connect(service.address).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut buffer = [0; 4096];
        // The last one is larger than the wire takes: fragments in both directions.
        for size in [10, 100, 1000, 3000] {
            client.send(&vec![7; size]).unwrap();
            assert_eq!(client.recv(&mut buffer).unwrap(), size);
        }
        bench.services.tick().unwrap();
        let flows = bench.services.flows(10, |_| true).unwrap();
        let flow = &flows[0];
        assert_eq!(
            (flows.len(), flow.client, flow.state),
            (1, client.local_addr().unwrap(), FlowState::Established)
        );
        // 3,000 bytes and 8 of UDP header in three packets of a wire with 1,500.
        let bytes = 10 + 100 + 1000 + 3000 + 4 * 8 + 6 * 20;
        assert_eq!(
            (flow.packets_in, flow.bytes_in, flow.packets_out, flow.bytes_out),
            (6, bytes, 6, bytes),
            "{flow:?}"
        );
        let patient = bench.services.sweep(&Timeouts::default()).unwrap();
        assert_eq!((patient.flows, patient.ended.len()), (1, 0));
        // Nothing has been idle for less than no time, so the test waits for the clock's next second.
        let gone = gateway_tests::wait::until("expiry", DEADLINE, || {
            let at_once = Timeouts {
                udp_answered: 0,
                udp_unanswered: 0,
                ..Timeouts::default()
            };
            (bench.services.sweep(&at_once).unwrap().ended.len() == 1).then_some(())
        });
        gone.unwrap();
        assert_eq!(bench.services.flows(10, |_| true).unwrap(), []);
        bench.services.apply(&[]).unwrap();
    }
}

/// A directory of pins that goes with the test.
#[cfg(test)]
struct Pins(PathBuf);

#[cfg(test)]
impl Drop for Pins {
    fn drop(&mut self) {
        let _ = uninstall(&self.0);
    }
}

#[test]
fn flows_go_on_without_the_agent_and_through_twenty_restarts() {
    skip_unless_kernel!();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    if !mounts
        .lines()
        .any(|line| line.split(' ').nth(1) == Some("/sys/fs/bpf"))
    {
        println!("SKIP: no BPF file system is mounted at /sys/fs/bpf");
        return;
    }
    let pins = Pins(PathBuf::from(format!("/sys/fs/bpf/gwl4-{}", std::process::id())));
    let mut bench = Bench::pinned(2, Some(pins.0.clone()));
    for at in 0..2 {
        echo(&bench.lab.upstream, backend(at).address);
    }
    let list = [service(
        Protocol::Tcp,
        full_nat("198.51.100.1"),
        vec![backend(0), backend(1)],
    )];
    bench.services.apply(&list).unwrap();
    let to = SocketAddr::new(VIP.into(), PORT);
    let mut held: Vec<_> = (0..20).map(|_| greet(&bench.lab.client, to).unwrap()).collect();
    let Bench {
        lab,
        kernel,
        services,
    } = bench;
    let mut side = Some((kernel, services));
    for round in 0..20 {
        drop(side.take());
        // Nobody is there: flows go on, and new ones begin.
        for (stream, ..) in &mut held {
            ask_again(stream).unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        held.push(greet(&lab.client, to).unwrap());
        let mut kernel = load(&lab.node, &Bench::options(Some(pins.0.clone())));
        assert!(kernel.is_attached(HookName::L4Ingress), "{:?}", kernel.hooks());
        let mut services = kernel.take_services().unwrap();
        services.apply(&list).unwrap();
        for (stream, ..) in &mut held {
            ask_again(stream).unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        side = Some((kernel, services));
    }
    let (kernel, services) = side.unwrap();
    let reading = &services.readings().unwrap()[0];
    let flows: u64 = reading.backends.iter().map(|backend| backend.traffic.flows).sum();
    assert_eq!((flows, reading.active), (40, 40), "counted through the restarts");
    assert_eq!(counted(&kernel, Counter::L4Promoted), 40);
    assert_eq!(counted(&kernel, Counter::L4DropBackendGone), 0);
}

#[test]
fn a_flood_of_ten_tables_moves_no_established_flow_and_lets_new_ones_in() {
    skip_unless_kernel!();
    const HELD: usize = 100;
    /// SYNs between two new clients.
    const BATCH: u32 = 32_768;
    let mut bench = Bench::new(2);
    for at in 0..2 {
        echo(&bench.lab.upstream, backend(at).address);
    }
    let list = [service(
        Protocol::Tcp,
        Nat::Destination,
        vec![backend(0), backend(1)],
    )];
    bench.services.apply(&list).unwrap();
    let to = SocketAddr::new(VIP.into(), PORT);
    let mut held: Vec<_> = (0..HELD).map(|_| greet(&bench.lab.client, to).unwrap()).collect();
    let program: &SchedClassifier = bench
        .kernel
        .programs()
        .program("l4_ingress")
        .unwrap()
        .try_into()
        .unwrap();
    let mut admitted = 0;
    for batch in 0..10 * MAX_YOUNG / BATCH {
        bench
            .lab
            .node
            .enter(|| {
                for client in batch * BATCH..(batch + 1) * BATCH {
                    let frame = fixtures::syn_of(client);
                    let options = TestRunOptions {
                        data_in: Some(&frame),
                        repeat: 1,
                        ..TestRunOptions::default()
                    };
                    let _ = program.test_run(options);
                }
            })
            .unwrap();
        admitted += usize::from(greet(&bench.lab.client, to).is_ok());
    }
    for (stream, local, _) in &mut held {
        ask_again(stream).unwrap_or_else(|error| panic!("{local}: {error}"));
    }
    assert_eq!(admitted, (10 * MAX_YOUNG / BATCH) as usize);
    assert!(counted(&bench.kernel, Counter::L4NewFlow) >= u64::from(9 * MAX_YOUNG));
}

/// Figures to look at, and a guard against a verifier that explodes. The services lead to their own addresses, so that a packet
/// is the same after the program and can be run again; only its hop limit ends the row.
#[test]
fn costs() {
    skip_unless_kernel!();
    /// A fifth of what the kernel takes.
    const VERIFIED_LIMIT: u32 = 200_000;
    /// Hops of a packet, less a few.
    const RUNS: u32 = 250;
    let mut bench = Bench::new(1);
    for (program, instructions) in bench.kernel.verified_instructions() {
        assert!(
            instructions < VERIFIED_LIMIT,
            "{program}: {instructions} verified instructions"
        );
    }
    let to_itself = |protocol, address: &str, name: &str| {
        let address: SocketAddr = address.parse().unwrap();
        Service {
            name: name.to_owned(),
            address,
            ..service(
                protocol,
                Nat::Destination,
                vec![Backend {
                    address,
                    weight: 1,
                    health: Health::Up,
                }],
            )
        }
    };
    let (vip, vip6) = ("198.51.100.10:8080", "[2001:db8:2::10]:8080");
    let list = [
        to_itself(Protocol::Tcp, vip, "tcp"),
        to_itself(Protocol::Udp, vip, "udp"),
        to_itself(Protocol::Tcp, vip6, "tcp6"),
    ];
    bench.services.apply(&list).unwrap();
    let (client, client6) = ("192.0.2.2:40000", "[2001:db8:1::2]:40000");
    for (client, vip) in [(client, vip), (client6, vip6)] {
        for parts in [
            fixtures::tcp(client, vip, 2, &[]),
            fixtures::tcp(vip, client, 18, &[]),
            fixtures::tcp(client, vip, 16, &[]),
        ] {
            assert_eq!(test_run(&bench, &parts.frame()).0, TC_ACT_REDIRECT);
        }
    }
    for parts in [
        fixtures::udp(client, vip, &[]),
        fixtures::udp(vip, client, &[]),
        fixtures::udp(client, vip, &[]),
    ] {
        assert_eq!(test_run(&bench, &parts.frame()).0, TC_ACT_REDIRECT);
    }
    assert_eq!(counted(&bench.kernel, Counter::L4Promoted), 3);
    let many_hops = |mut frame: Vec<u8>| {
        let at = if frame[12] == 8 { 22 } else { 21 };
        frame[at] = 255;
        frame
    };
    let frames = [
        (
            "not IP, the floor",
            gateway_ebpf::fixtures::ethernet(&[], 0x0806, &[0; 28]),
        ),
        (
            "another address",
            fixtures::tcp(client, "192.0.2.77:80", 16, &[]).frame(),
        ),
        (
            "a port without service",
            fixtures::tcp(client, "198.51.100.10:9", 16, &[]).frame(),
        ),
        (
            "established TCP over IPv4",
            fixtures::tcp(client, vip, 16, &[1; 100]).frame(),
        ),
        (
            "answered UDP over IPv4",
            fixtures::udp(client, vip, &[1; 100]).frame(),
        ),
        (
            "established TCP over IPv6",
            fixtures::tcp(client6, vip6, 16, &[1; 100]).frame(),
        ),
    ];
    let program: &SchedClassifier = bench
        .kernel
        .programs()
        .program("l4_ingress")
        .unwrap()
        .try_into()
        .unwrap();
    // Interleaved rounds and the median of them: other work on the machine hits all alike.
    let mut times = vec![Vec::new(); frames.len()];
    for _ in 0..400 {
        for ((_, frame), times) in frames.iter().zip(&mut times) {
            let frame = many_hops(frame.clone());
            let run = bench.lab.node.enter(|| {
                program.test_run(TestRunOptions {
                    data_in: Some(&frame),
                    repeat: RUNS,
                    ..TestRunOptions::default()
                })
            });
            // The kernel ends a run when anything is pending for the thread.
            if let Ok(result) = run.unwrap() {
                times.push(result.duration.as_nanos());
            }
        }
    }
    for ((name, _), times) in frames.iter().zip(&mut times) {
        times.sort_unstable();
        println!(
            "{:>4} ns median, {:>4} least  {name}",
            times[times.len() / 2],
            times[0]
        );
    }
}
