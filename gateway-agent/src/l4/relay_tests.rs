//! The relay on loopback: bytes both ways, half-closed connections, names of TLS handshakes, datagrams, backends that are down.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream as StdStream,
};

use gateway_config::l4::{L4Mode, TlsRoute};

use super::*;

fn backend(address: SocketAddr) -> L4Backend {
    L4Backend { address, weight: 1 }
}

fn service(udp: bool, backends: Vec<L4Backend>) -> L4Service {
    L4Service {
        name: "test".into(),
        address: "127.0.0.1:0".parse().unwrap(),
        udp,
        mode: L4Mode::Relay,
        full_nat: None,
        affinity: false,
        max_flows: None,
        bytes_per_second: None,
        backends,
        tls: Vec::new(),
        health: None,
        drain: Duration::from_secs(1),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Answers with its name, then with everything it got, reversed in order of connections.
fn server(name: &'static str) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut got = Vec::new();
                if stream.read_to_end(&mut got).is_ok() {
                    let _ = stream.write_all(name.as_bytes());
                    let _ = stream.write_all(&got);
                }
            });
        }
    });
    address
}

fn exchange(to: SocketAddr, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = StdStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut writer = stream.try_clone()?;
    let sent = bytes.to_vec();
    let writing = std::thread::spawn(move || {
        writer.write_all(&sent)?;
        writer.shutdown(Shutdown::Write)
    });
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    writing.join().unwrap()?;
    Ok(answer)
}

fn start(service: &L4Service) -> (tokio::runtime::Runtime, Relay) {
    let runtime = runtime();
    let guard = runtime.enter();
    let relay = Relay::start(service, bind(service).unwrap(), &Arc::default()).unwrap();
    drop(guard);
    (runtime, relay)
}

#[test]
fn bytes_go_both_ways_and_an_end_is_passed_on() {
    let (_runtime, relay) = start(&service(false, vec![backend(server("a"))]));
    for size in [0, 1, 70_000, 3_000_000] {
        let sent: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let answer = exchange(relay.address, &sent).unwrap();
        assert_eq!(answer.len(), size + 1);
        assert!(answer[0] == b'a' && answer[1..] == sent, "{size}");
    }
    assert_eq!(relay.counts.flows.load(Relaxed), 4);
    assert_eq!(relay.counts.bytes_in.load(Relaxed), 3_070_001);
    assert_eq!(relay.counts.bytes_out.load(Relaxed), 3_070_005);
}

#[test]
fn a_backend_that_refuses_is_passed_over() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (_runtime, relay) = start(&service(false, vec![backend(gone), backend(server("b"))]));
    for _ in 0..20 {
        assert_eq!(exchange(relay.address, b"x").unwrap(), b"bx");
    }
    let (_runtime, relay) = start(&service(false, vec![backend(gone)]));
    assert!(exchange(relay.address, b"x").is_err());
    assert_eq!(relay.counts.refused.load(Relaxed), 1);
}

/// A ClientHello as rustls sends it.
fn client_hello(name: &str) -> Vec<u8> {
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn names_of_handshakes_choose_the_backend() {
    let mut wanted = service(false, vec![backend(server("d"))]);
    let route = |names: &[&str], name| TlsRoute {
        names: names.iter().map(|name| Arc::from(*name)).collect(),
        backends: vec![backend(server(name))],
    };
    wanted.tls = vec![route(&["a.example"], "a"), route(&["*.b.example"], "b")];
    let (_runtime, relay) = start(&wanted);
    for (name, expected) in [
        ("a.example", b'a'),
        ("A.Example", b'a'),
        ("x.b.example", b'b'),
        ("c.example", b'd'),
    ] {
        let hello = client_hello(name);
        let answer = exchange(relay.address, &hello).unwrap();
        assert_eq!((answer[0], &answer[1..]), (expected, &hello[..]), "{name}");
    }
    // No TLS: the backends without a name.
    assert_eq!(
        exchange(relay.address, b"GET / HTTP/1.0\r\n\r\n").unwrap()[0],
        b'd'
    );
    // In pieces of a few bytes.
    let hello = client_hello("a.example");
    let mut stream = StdStream::connect(relay.address).unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in hello.chunks(50) {
        stream.write_all(piece).unwrap();
        std::thread::yield_now();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!((answer[0], &answer[1..]), (b'a', &hello[..]));
}

#[test]
fn datagrams_come_back_to_their_client() {
    let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = server.recv_from(&mut buffer) {
            let _ = server.send_to(&buffer[..length], from);
        }
    });
    let (_runtime, relay) = start(&service(true, vec![backend(address)]));
    let clients: Vec<_> = (0..3)
        .map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap())
        .collect();
    for round in 0..3_u8 {
        for (at, client) in clients.iter().enumerate() {
            client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            client.send_to(&[round, at as u8], relay.address).unwrap();
            let mut buffer = [0; 16];
            let (length, _) = client.recv_from(&mut buffer).unwrap();
            assert_eq!(buffer[..length], [round, at as u8]);
        }
    }
    assert_eq!(relay.counts.flows.load(Relaxed), 3);
}

#[test]
fn a_client_keeps_its_backend_by_address() {
    for (affinity, same) in [(true, true), (false, false)] {
        let hashes: std::collections::BTreeSet<u64> = (1..20)
            .map(|port| hash_of(SocketAddr::from(([192, 0, 2, 1], port)), affinity))
            .collect();
        assert_eq!(hashes.len() == 1, same);
    }
}
