//! Real connections through namespaces: addresses and ports nobody is bound to, steered to the gateway's listeners.

#[cfg(test)]
mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::thread;

use gateway_loader::common::Counter;
use gateway_loader::{HookName, Options, Protocol, Steer, SteerError};
use gateway_tests::lab::{Lab, Mode, VIP, VIP_PREFIX};
use support::{DEADLINE, ask, counted, descriptors, listeners, load, serve};

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
    drop(own);
    assert!(reach(&lab, &other, to).is_err(), "leaked to another listener");
    assert_eq!(counted(&kernel, Counter::SteerNoSocket), 1);
    kernel.detach();
    assert_eq!(
        reach(&lab, &other, to).unwrap(),
        to,
        "detached, and still steered"
    );
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
