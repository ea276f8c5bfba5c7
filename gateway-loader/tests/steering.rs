//! Real connections through namespaces: addresses and ports nobody is bound to, steered to the gateway's listeners.

#[cfg(test)]
mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::thread;

use gateway_loader::common::Counter;
use gateway_loader::{HookName, Options, Protocol, Steer, SteerError};
use gateway_tests::lab::{Lab, Mode, VIP, VIP_PREFIX};
use support::{DEADLINE, ask, counted, descriptors, end, listeners, load, serve};

#[cfg(test)]
fn steer(prefix: &str, low: u16, high: u16, group: gateway_loader::Group) -> Steer {
    Steer {
        prefix: prefix.parse().unwrap(),
        ports: low..=high,
        protocol: Protocol::Tcp,
        group,
    }
}

/// Connects from the client and tells which local address the node saw, or the error.
#[cfg(test)]
fn reach(lab: &Lab, listener: &std::net::TcpListener, to: SocketAddr) -> std::io::Result<SocketAddr> {
    let stream = lab
        .client
        .enter(|| TcpStream::connect_timeout(&to, DEADLINE))
        .unwrap()?;
    thread::scope(|scope| {
        let server = scope.spawn(|| serve(listener, b"pong"));
        assert_eq!(ask(stream, b"ping"), b"pong");
        let (request, local, _) = server.join().unwrap();
        assert_eq!(request, b"ping");
        Ok(local)
    })
}

#[test]
fn a_range_of_ports_reaches_one_listener() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = load(&lab.node, &Options::default());
    assert!(kernel.is_attached(HookName::VipLookup), "{:?}", kernel.hooks());
    let listener = listeners(&lab.node, Ipv4Addr::LOCALHOST.into(), 1);
    let group = kernel.register_workers(&descriptors(&listener)).unwrap();

    let at = |port| SocketAddr::new(IpAddr::V4(VIP), port);
    assert!(
        reach(&lab, &listener[0], at(8443)).is_err(),
        "steered before it was asked for"
    );
    kernel
        .steer(&[
            steer(VIP_PREFIX, 8000, 8999, group),
            steer("203.0.113.10/32", 443, 443, group),
        ])
        .unwrap();
    for port in [8000, 8443, 8999, 443] {
        assert_eq!(
            reach(&lab, &listener[0], at(port)).unwrap(),
            at(port),
            "port {port}"
        );
    }
    for port in [7999, 9000, 444] {
        assert!(
            reach(&lab, &listener[0], at(port)).is_err(),
            "port {port} is not the gateway's"
        );
    }
    assert_eq!(counted(&kernel, Counter::SteerPrefix), 3);
    assert_eq!(counted(&kernel, Counter::SteerExact), 1);

    kernel.steer(&[steer(VIP_PREFIX, 8000, 8000, group)]).unwrap();
    assert!(
        reach(&lab, &listener[0], at(8443)).is_err(),
        "the old range is still steered"
    );
    assert!(
        reach(&lab, &listener[0], at(443)).is_err(),
        "the old exact destination is still steered"
    );
    assert_eq!(reach(&lab, &listener[0], at(8000)).unwrap(), at(8000));
}

#[test]
fn ipv6_is_steered_to_a_listener_for_both_families() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let run = |host: &gateway_tests::lab::Host, arguments: &str| {
        gateway_tests::process::run(host.command("ip").args(arguments.split(' '))).unwrap()
    };
    run(&lab.node, "-6 route add local 2001:db8:77::/64 dev lo");
    run(&lab.client, "-6 route add 2001:db8:77::/64 via 2001:db8:1::1");
    let mut kernel = load(&lab.node, &Options::default());
    let listener = listeners(&lab.node, "::".parse().unwrap(), 1);
    let group = kernel.register_workers(&descriptors(&listener)).unwrap();
    kernel
        .steer(&[
            steer("2001:db8:77::/64", 1, 65_535, group),
            steer(VIP_PREFIX, 80, 80, group),
        ])
        .unwrap();
    let to: SocketAddr = "[2001:db8:77::5]:4242".parse().unwrap();
    assert_eq!(reach(&lab, &listener[0], to).unwrap(), to);
    let to = SocketAddr::new(VIP.into(), 80);
    let seen = reach(&lab, &listener[0], to).unwrap();
    assert_eq!((seen.ip().to_canonical(), seen.port()), (to.ip(), to.port()));

    // An IPv4-only listener cannot take IPv6 traffic: refused and counted, not leaked.
    let narrow = listeners(&lab.node, Ipv4Addr::LOCALHOST.into(), 1);
    let group = kernel.register_workers(&descriptors(&narrow)).unwrap();
    kernel
        .steer(&[steer("2001:db8:77::/64", 1, 65_535, group)])
        .unwrap();
    assert!(reach(&lab, &narrow[0], "[2001:db8:77::5]:4242".parse().unwrap()).is_err());
    assert_eq!(counted(&kernel, Counter::SteerRefused), 1);
}

#[test]
fn a_service_without_sockets_is_dropped_and_not_leaked() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = load(&lab.node, &Options::default());
    let own = listeners(&lab.node, Ipv4Addr::LOCALHOST.into(), 2);
    let group = kernel.register_workers(&descriptors(&own)).unwrap();
    // Somebody else listens on every address: the traffic must not end there.
    let other = listeners(&lab.node, Ipv4Addr::UNSPECIFIED.into(), 1).remove(0);
    let port = other.local_addr().unwrap().port();
    kernel.steer(&[steer(VIP_PREFIX, port, port, group)]).unwrap();
    let to = SocketAddr::new(VIP.into(), port);
    end(own);
    assert!(reach(&lab, &other, to).is_err(), "leaked to another listener");
    // Refused while a copy of the ended listener is still in the map, without a socket afterwards: dropped in both cases.
    let dropped = counted(&kernel, Counter::SteerNoSocket) + counted(&kernel, Counter::SteerRefused);
    assert_eq!(dropped, 1);
    kernel.detach();
    // Not at once: a child of another test between fork and exec may still hold a copy of the link.
    let seen = gateway_tests::wait::until("the end of steering", DEADLINE, || reach(&lab, &other, to).ok());
    assert_eq!(seen.unwrap(), to);
}

#[test]
fn workers_share_the_connections_and_generations_take_over() {
    skip_unless_kernel!();
    const WORKERS: usize = 3;
    const CONNECTIONS: usize = 120;
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = load(&lab.node, &Options::default());
    let workers = listeners(&lab.node, Ipv4Addr::UNSPECIFIED.into(), WORKERS);
    let group = kernel.register_workers(&descriptors(&workers)).unwrap();
    assert!(kernel.is_attached(HookName::PickWorker), "{:?}", kernel.hooks());
    kernel.steer(&[steer(VIP_PREFIX, 1, 65_535, group)]).unwrap();
    let spread = |count: usize| {
        let streams: Vec<TcpStream> = (0..count)
            .map(|at| lab.client.connect((VIP, 1000 + at as u16).into()).unwrap())
            .collect();
        let shares: Vec<usize> = workers
            .iter()
            .map(|worker| {
                worker.set_nonblocking(true).unwrap();
                std::iter::from_fn(|| worker.accept().ok()).count()
            })
            .collect();
        drop(streams);
        shares
    };
    let shares = spread(CONNECTIONS);
    assert_eq!(shares.iter().sum::<usize>(), CONNECTIONS, "{shares:?}");
    assert!(
        shares.iter().all(|share| *share >= CONNECTIONS / WORKERS / 3),
        "unfair: {shares:?}"
    );
    assert_eq!(counted(&kernel, Counter::PickWorker), CONNECTIONS as u64);

    // One worker alone is registered again: everything goes there although the others still listen.
    kernel.register_workers(&descriptors(&workers[1..2])).unwrap();
    let shares = spread(30);
    assert_eq!(shares, [0, 30, 0]);
    assert_eq!(counted(&kernel, Counter::PickFallback), 0);
    // Also without steering, on the bound port itself.
    let port = workers[0].local_addr().unwrap().port();
    let direct: Vec<_> = (0..10)
        .map(|_| lab.client.connect(lab.node.at(port)).unwrap())
        .collect();
    assert_eq!(
        std::iter::from_fn(|| workers[1].accept().ok()).count(),
        direct.len()
    );
}

#[test]
fn datagrams_are_steered_too() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = load(&lab.node, &Options::default());
    let server = lab
        .node
        .enter(|| UdpSocket::bind("127.0.0.1:0"))
        .unwrap()
        .unwrap();
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    let group = kernel.register_workers(&descriptors(&[&server])).unwrap();
    let udp = Steer {
        protocol: Protocol::Udp,
        ..steer(VIP_PREFIX, 4433, 4433, group)
    };
    kernel.steer(&[udp]).unwrap();
    let client = lab
        .client
        .enter(|| UdpSocket::bind("0.0.0.0:0"))
        .unwrap()
        .unwrap();
    client.send_to(b"hello", (VIP, 4433)).unwrap();
    let mut buffer = [0; 16];
    let (length, from) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(
        (&buffer[..length], from.ip()),
        (&b"hello"[..], IpAddr::V4(lab.client.address))
    );
}

#[test]
fn datagrams_are_spread_over_workers_and_keep_their_flow() {
    skip_unless_kernel!();
    const FLOWS: usize = 60;
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = load(&lab.node, &Options::default());
    let workers = lab.node.enter(|| {
        let mut port = 0;
        let mut bind = || {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
            socket.set_reuse_port(true).unwrap();
            socket
                .bind(&SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port).into())
                .unwrap();
            port = socket.local_addr().unwrap().as_socket().unwrap().port();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            UdpSocket::from(socket)
        };
        [bind(), bind()]
    });
    let workers = workers.unwrap();
    let group = kernel.register_workers(&descriptors(&workers)).unwrap();
    kernel
        .steer(&[Steer {
            protocol: Protocol::Udp,
            ..steer(VIP_PREFIX, 443, 443, group)
        }])
        .unwrap();
    let clients = lab.client.enter(|| {
        (0..FLOWS)
            .map(|_| UdpSocket::bind("0.0.0.0:0").unwrap())
            .collect::<Vec<_>>()
    });
    let clients = clients.unwrap();
    for round in 0..2_u8 {
        for client in &clients {
            client.send_to(&[round], (VIP, 443)).unwrap();
        }
    }
    gateway_tests::wait::until("all datagrams", DEADLINE, || {
        (counted(&kernel, Counter::PickQuicStray) == 2 * FLOWS as u64).then_some(())
    })
    .unwrap();
    let seen = workers.each_ref().map(|worker| {
        worker.set_nonblocking(true).unwrap();
        let mut buffer = [0; 4];
        let mut flows: Vec<SocketAddr> = std::iter::from_fn(|| worker.recv_from(&mut buffer).ok())
            .map(|(_, from)| from)
            .collect();
        flows.sort();
        flows
    });
    assert_eq!(seen.iter().map(Vec::len).sum::<usize>(), 2 * FLOWS);
    for flows in &seen {
        assert!(flows.len() > FLOWS / 3, "unfair: {seen:?}");
        assert!(
            flows.chunks(2).all(|pair| pair[0] == pair[1]),
            "a flow changed its worker: {seen:?}"
        );
    }
}

#[test]
fn not_asked_for_is_said() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let options = Options {
        steering: false,
        worker_choice: false,
        ..Options::default()
    };
    let mut kernel = load(&lab.node, &options);
    assert!(matches!(kernel.steer(&[]), Err(SteerError::Unavailable(_))));
    let listener = listeners(&lab.node, Ipv4Addr::LOCALHOST.into(), 1);
    let error = kernel
        .register_workers(&descriptors(&listener))
        .unwrap_err()
        .to_string();
    assert!(error.contains("not asked for"), "{error}");
}

/// Runs `vip_lookup` on a destination in the kernel: its return value (0 drop, 1 pass) and the time of one run.
#[cfg(test)]
fn test_run(kernel: &gateway_loader::Kernel, to: SocketAddr, repeat: u32) -> (u32, u32) {
    use std::os::fd::{AsFd as _, AsRawFd as _};
    const BPF_PROG_TEST_RUN: libc::c_long = 10;
    /// The test part of `union bpf_attr` (linux/bpf.h).
    #[repr(C)]
    #[derive(Default)]
    struct Attributes {
        program: u32,
        return_value: u32,
        sizes: [u32; 2],
        data: [u64; 2],
        repeat: u32,
        nanoseconds: u32,
        context_sizes: [u32; 2],
        context_in: u64,
        context_out: u64,
        rest: [u32; 4],
    }
    let IpAddr::V4(address) = to.ip() else {
        panic!("the test runs IPv4 only");
    };
    // struct bpf_sk_lookup: cookie, family, protocol, remote ip4, remote ip6, remote port, local ip4, local ip6, local port.
    let mut context = [0_u32; 18];
    (context[2], context[3]) = (2, 6);
    (context[4], context[9]) = (u32::from_ne_bytes([192, 0, 2, 9]), u32::from(40_000_u16.to_be()));
    (context[10], context[15]) = (u32::from_ne_bytes(address.octets()), u32::from(to.port()));
    let program = kernel.programs().program("vip_lookup").unwrap().fd().unwrap();
    let attributes = || Attributes {
        program: program.as_fd().as_raw_fd() as u32,
        repeat,
        context_sizes: [size_of_val(&context) as u32, 0],
        context_in: context.as_ptr() as u64,
        ..Attributes::default()
    };
    loop {
        let mut attributes = attributes();
        #[expect(unsafe_code, reason = "aya has no test run for this program type")]
        // SAFETY: the attributes have the kernel's layout and the context outlives the call.
        let failed = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                BPF_PROG_TEST_RUN,
                &raw mut attributes,
                size_of::<Attributes>(),
            )
        } != 0;
        let error = std::io::Error::last_os_error();
        // The kernel ends a long run when anything is pending for the thread.
        if failed && error.kind() == std::io::ErrorKind::Interrupted {
            continue;
        }
        assert!(!failed, "{error}");
        return (attributes.return_value, attributes.nanoseconds);
    }
}

/// Figures to look at; the verdicts are checked.
#[test]
fn costs() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = load(&lab.node, &Options::default());
    // Without SO_REUSEPORT: the kernel has no test run for reuseport selection.
    let alone = || {
        lab.node
            .enter(|| std::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap()
            .unwrap()
    };
    let listener = [alone()];
    let group = kernel.register_workers(&descriptors(&listener)).unwrap();
    kernel
        .steer(&[
            steer(VIP_PREFIX, 8000, 8999, group),
            steer("203.0.113.10/32", 443, 443, group),
        ])
        .unwrap();
    let check = |kernel: &gateway_loader::Kernel, what: &str, address: [u8; 4], port: u16, expected: u32| {
        let to = SocketAddr::new(address.into(), port);
        assert_eq!(test_run(kernel, to, 1).0, expected, "{what}");
        let fastest = (0..5).map(|_| test_run(kernel, to, 100_000).1).min();
        println!("{:>4} ns  {what}", fastest.unwrap_or_default());
    };
    check(&kernel, "not the gateway's", [192, 0, 2, 1], 80, 1);
    check(&kernel, "a port outside the range", [203, 0, 113, 10], 80, 1);
    check(&kernel, "exact destination", [203, 0, 113, 10], 443, 1);
    check(&kernel, "prefix and port range", [203, 0, 113, 10], 8500, 1);
    assert!(counted(&kernel, Counter::SteerExact) > 100_000);
    end(listener);
    check(&kernel, "no socket", [203, 0, 113, 10], 443, 0);
    // Many prefixes make the trie deeper.
    let listener = [alone()];
    let group = kernel.register_workers(&descriptors(&listener)).unwrap();
    let many =
        (0..10_000_u32).map(|at| steer(&format!("10.{}.{}.0/24", at >> 8, at & 255), 1, 65_535, group));
    kernel.steer(&many.collect::<Vec<_>>()).unwrap();
    check(&kernel, "one prefix of 10,000", [10, 17, 99, 1], 8500, 1);
}

/// One UDP socket per worker, all on one port of the host's loopback.
#[cfg(test)]
fn quic_sockets(lab: &Lab, port: &mut u16, count: usize) -> Vec<UdpSocket> {
    lab.node
        .enter(|| {
            let mut bind = || {
                let socket = socket2::Socket::new(
                    socket2::Domain::IPV4,
                    socket2::Type::DGRAM,
                    Some(socket2::Protocol::UDP),
                )
                .unwrap();
                socket.set_reuse_port(true).unwrap();
                socket
                    .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, *port)).into())
                    .unwrap();
                *port = socket.local_addr().unwrap().as_socket().unwrap().port();
                let socket = UdpSocket::from(socket);
                socket.set_read_timeout(Some(DEADLINE)).unwrap();
                socket
            };
            (0..count).map(|_| bind()).collect()
        })
        .unwrap()
}

/// A long header packet whose destination connection ID is `id`.
#[cfg(test)]
fn initial(id: &[u8]) -> Vec<u8> {
    let mut packet = vec![0xc0, 0, 0, 0, 1, id.len() as u8];
    packet.extend_from_slice(id);
    packet.resize(1_200, 0);
    packet
}

/// A short header packet, no longer than such a packet can be.
#[cfg(test)]
fn short(id: &[u8]) -> Vec<u8> {
    [&[0x40], id, &[0; 4]].concat()
}

#[test]
fn quic_packets_find_their_worker_and_generation() {
    use gateway_loader::common::{IdKey, quic};
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let key = IdKey([0x1111, 0x2222]);
    let options = Options {
        generation: 6,
        quic_key: key,
        ..Options::default()
    };
    let mut kernel = load(&lab.node, &options);
    let mut port = 0;
    let old = quic_sockets(&lab, &mut port, 2);
    let new = quic_sockets(&lab, &mut port, 3);
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    kernel.register_predecessor(5, &descriptors(&old)).unwrap();
    kernel.register_workers(&descriptors(&new)).unwrap();
    let owned = |generation, worker, seed| {
        let owner = quic::Owner {
            node: 1,
            generation,
            worker,
        };
        quic::encode(owner, [seed; 10], key)
    };
    // Sends from a fresh port, as a client does whose address has changed, and reads where it must arrive.
    let mut sent = 0u64;
    let mut arrives = |packet: Vec<u8>, at: &UdpSocket, what: &str| {
        let client = lab
            .node
            .enter(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)))
            .unwrap()
            .unwrap();
        client.send_to(&packet, to).unwrap();
        sent += 1;
        let mut buffer = [0; 2_048];
        let (length, from) = at
            .recv_from(&mut buffer)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(
            (&buffer[..length], from),
            (&packet[..], client.local_addr().unwrap()),
            "{what}"
        );
    };
    for seed in 0..20 {
        for (worker, socket) in (0..).zip(&old) {
            arrives(
                short(&owned(5, worker, seed)),
                socket,
                "old generation, short header",
            );
            arrives(
                initial(&owned(5, worker, seed)),
                socket,
                "old generation, long header",
            );
        }
        for (worker, socket) in (0..).zip(&new) {
            arrives(
                short(&owned(6, worker, seed)),
                socket,
                "new generation, short header",
            );
        }
    }
    let workers = |sockets: &[UdpSocket], seed: u8| -> usize {
        let id: Vec<u8> = (0..8).map(|at| seed.wrapping_mul(31).wrapping_add(at)).collect();
        let found = |packet: &[u8]| {
            let client = lab
                .node
                .enter(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)))
                .unwrap()
                .unwrap();
            client.send_to(packet, to).unwrap();
            gateway_tests::wait::until("the packet", DEADLINE, || {
                sockets.iter().position(|socket| {
                    socket.set_nonblocking(true).unwrap();
                    socket.recv_from(&mut [0; 2_048]).is_ok()
                })
            })
            .unwrap()
        };
        let first = found(&initial(&id));
        // The same connection from another address: the same worker.
        assert_eq!(found(&initial(&id)), first, "seed {seed}");
        first
    };
    let of_old: Vec<usize> = (0..30).map(|seed| workers(&old, seed)).collect();
    kernel.take_over().unwrap();
    let of_new: Vec<usize> = (0..30).map(|seed| workers(&new, seed)).collect();
    assert!((0..2).all(|worker| of_old.contains(&worker)), "{of_old:?}");
    assert!((0..3).all(|worker| of_new.contains(&worker)), "{of_new:?}");
    assert_eq!(counted(&kernel, Counter::PickQuicKnown), sent);
    assert_eq!(counted(&kernel, Counter::PickQuicNew), 120);
    // The old process ends: its packets are answered by somebody, and counted.
    drop(old);
    let client = lab
        .node
        .enter(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)))
        .unwrap()
        .unwrap();
    client.send_to(&short(&owned(5, 0, 1)), to).unwrap();
    gateway_tests::wait::until("the counter", DEADLINE, || {
        (counted(&kernel, Counter::PickQuicGone) == 1).then_some(())
    })
    .unwrap();
    assert_eq!(counted(&kernel, Counter::PickFallback), 0);
}
