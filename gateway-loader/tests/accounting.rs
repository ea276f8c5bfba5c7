//! Connection records against what both ends sent and received: bytes and packets must be equal, difference zero.

#[cfg(test)]
mod support;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

use gateway_loader::common::conn::{
    DIRECTION_ACCEPTED, DIRECTION_CONNECTED, KIND_CLOSE, KIND_OPEN, state, state_name,
};
use gateway_loader::common::{ConnRecord, Counter};
use gateway_loader::{Accounting, Connections, HookName, Kernel, Options, PrefixRule, Uplink};
use gateway_tests::lab::{Lab, Mode, cgroup2_mount};
use socket2::SockRef;
use support::{DEADLINE, counted, listeners, load, octets, records, serve};

/// A listener on the node whose connections, and a client whose sockets, are recorded by one kernel.
#[cfg(test)]
struct Bench {
    lab: Lab,
    kernel: Kernel,
    connections: Connections,
    listener: TcpListener,
}

#[cfg(test)]
const LISTENER: u32 = 7;
#[cfg(test)]
const CLIENT: u32 = 99;

#[cfg(test)]
impl Bench {
    fn new(open_records: bool) -> Self {
        let lab = Lab::new(Mode::Namespaces).unwrap();
        let options = Options {
            open_records,
            ..Options::default()
        };
        let mut kernel = load(&lab.node, &options);
        assert!(kernel.is_attached(HookName::ConnAcct), "{:?}", kernel.hooks());
        let listener = listeners(&lab.node, Ipv4Addr::UNSPECIFIED.into(), 1).remove(0);
        kernel.marker().mark(&listener, LISTENER).unwrap();
        let connections = kernel.take_connections().unwrap();
        Self {
            lab,
            kernel,
            connections,
            listener,
        }
    }

    /// A connection whose client end is marked before it connects, so that both ends are recorded.
    fn connect(&self) -> (TcpStream, TcpStream) {
        let to = self.lab.node.at(self.listener.local_addr().unwrap().port());
        let client = self.lab.client.enter(|| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            self.kernel.marker().mark(&socket, CLIENT).unwrap();
            socket.connect(&to.into()).unwrap();
            TcpStream::from(socket)
        });
        let client = client.unwrap();
        let (server, _) = self.listener.accept().unwrap();
        for end in [&client, &server] {
            end.set_read_timeout(Some(DEADLINE)).unwrap();
        }
        (client, server)
    }

    /// The two records of the connection that just ended: node's end, client's end.
    fn ends(&mut self) -> (ConnRecord, ConnRecord) {
        let mut found = records(&mut self.connections, 2);
        assert_eq!(found.len(), 2, "{found:?}");
        found.sort_by_key(|record| record.direction);
        let client = found.remove(1);
        let server = found.remove(0);
        assert_eq!(
            (server.direction, server.listener),
            (DIRECTION_ACCEPTED, LISTENER)
        );
        assert_eq!((client.direction, client.listener), (DIRECTION_CONNECTED, CLIENT));
        assert_eq!(
            (server.remote, server.remote_port),
            (client.local, client.local_port)
        );
        assert_eq!(
            (server.local, server.local_port),
            (client.remote, client.remote_port)
        );
        assert_eq!(server.remote, octets(self.lab.client.address.into()));
        (server, client)
    }
}

#[cfg(test)]
fn transfer(from: &mut TcpStream, to: &mut TcpStream, bytes: usize) {
    thread::scope(|scope| {
        scope.spawn(move || from.write_all(&vec![0xa5; bytes]).unwrap());
        let mut rest = vec![0; bytes];
        to.read_exact(&mut rest).unwrap();
    });
}

#[cfg(test)]
fn read_end(stream: &mut TcpStream) {
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

/// Sends `up` and `down`, closes in a given way, and compares both records with what was sent.
#[cfg(test)]
fn check(
    bench: &mut Bench,
    name: &str,
    up: usize,
    down: usize,
    close: fn(TcpStream, TcpStream),
    states: (u32, u32),
) {
    let (mut client, mut server) = bench.connect();
    transfer(&mut client, &mut server, up);
    transfer(&mut server, &mut client, down);
    let cookie = SockRef::from(&server).cookie().unwrap();
    close(client, server);
    let (node, peer) = bench.ends();
    let shown = |record: &ConnRecord| state_name(record.state);
    assert_eq!(
        (node.bytes_in, node.bytes_out),
        (up as u64, down as u64),
        "{name}: {node:?}"
    );
    assert_eq!(
        (peer.bytes_out, peer.bytes_in),
        (up as u64, down as u64),
        "{name}: {peer:?}"
    );
    assert_eq!(
        (shown(&node), shown(&peer)),
        (state_name(states.0 as u8), state_name(states.1 as u8)),
        "{name}"
    );
    assert_eq!(node.cookie, cookie, "{name}");
    // A reset leaves after the record of the end that sends it.
    let reset = |who: &str| u32::from(name.starts_with(who) && name.ends_with("resets"));
    assert_eq!(
        node.packets_in,
        peer.packets_out + reset("client"),
        "{name}: {node:?} {peer:?}"
    );
    assert_eq!(
        peer.packets_in,
        node.packets_out + reset("node"),
        "{name}: {node:?} {peer:?}"
    );
    assert_eq!(node.kind, KIND_CLOSE, "{name}");
    assert!(
        node.duration_ns() > 0 && node.duration_ns() < DEADLINE.as_nanos() as u64,
        "{name}: {node:?}"
    );
    assert!(node.srtt_us < 1_000_000, "{name}: {node:?}");
}

#[test]
fn bytes_and_packets_are_exact_however_the_connection_ends() {
    skip_unless_kernel!();
    let mut bench = Bench::new(false);
    let client_first = |mut client: TcpStream, mut server: TcpStream| {
        client.shutdown(Shutdown::Write).unwrap();
        read_end(&mut server);
        drop(server);
        read_end(&mut client);
    };
    let server_first = |mut client: TcpStream, mut server: TcpStream| {
        server.shutdown(Shutdown::Write).unwrap();
        read_end(&mut client);
        drop(client);
        read_end(&mut server);
    };
    let node_drops = |mut client: TcpStream, server: TcpStream| {
        drop(server);
        read_end(&mut client);
    };
    let client_resets = |client: TcpStream, mut server: TcpStream| {
        SockRef::from(&client)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
        drop(client);
        server.read(&mut [0; 1]).unwrap_err();
    };
    let node_resets = |mut client: TcpStream, server: TcpStream| {
        SockRef::from(&server)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
        drop(server);
        client.read(&mut [0; 1]).unwrap_err();
    };
    use state::{ESTABLISHED, FIN_WAIT2, LAST_ACK};
    for (up, down) in [
        (0, 0),
        (1, 0),
        (0, 1),
        (1000, 77),
        (100_000, 3_000_000),
        (2_000_000, 5),
    ] {
        check(
            &mut bench,
            "client closes first",
            up,
            down,
            client_first,
            (LAST_ACK, FIN_WAIT2),
        );
        check(
            &mut bench,
            "node closes first",
            up,
            down,
            server_first,
            (FIN_WAIT2, LAST_ACK),
        );
        check(
            &mut bench,
            "node drops",
            up,
            down,
            node_drops,
            (FIN_WAIT2, LAST_ACK),
        );
        check(
            &mut bench,
            "client resets",
            up,
            down,
            client_resets,
            (ESTABLISHED, ESTABLISHED),
        );
        check(
            &mut bench,
            "node resets",
            up,
            down,
            node_resets,
            (ESTABLISHED, ESTABLISHED),
        );
    }
    assert_eq!(counted(&bench.kernel, Counter::ConnOpened), 60);
    assert_eq!(counted(&bench.kernel, Counter::ConnClosed), 60);
    assert_eq!(counted(&bench.kernel, Counter::ConnLost), 0);
}

#[test]
fn data_after_our_end_of_stream_counts() {
    skip_unless_kernel!();
    let mut bench = Bench::new(false);
    let (mut client, mut server) = bench.connect();
    server.write_all(b"bye").unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    let mut text = [0; 3];
    client.read_exact(&mut text).unwrap();
    read_end(&mut client);
    // The node is in FIN-WAIT-2 now; the peer goes on for a while and then ends, or is cut off.
    transfer(&mut client, &mut server, 70_000);
    drop(client);
    read_end(&mut server);
    drop(server);
    let (node, peer) = bench.ends();
    assert_eq!((node.bytes_in, node.bytes_out), (70_000, 3), "{node:?}");
    assert_eq!((peer.bytes_out, peer.bytes_in), (70_000, 3), "{peer:?}");

    let (mut client, mut server) = bench.connect();
    server.shutdown(Shutdown::Write).unwrap();
    read_end(&mut client);
    transfer(&mut client, &mut server, 500);
    SockRef::from(&client)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    drop(client);
    server.read(&mut [0; 1]).unwrap_err();
    drop(server);
    let (node, peer) = bench.ends();
    assert_eq!(
        (node.bytes_in, node.bytes_out),
        (500, 0),
        "no FIN of the peer to subtract: {node:?}"
    );
    assert_eq!((peer.bytes_out, peer.bytes_in), (500, 0), "{peer:?}");
}

#[test]
fn lost_packets_are_sent_again_and_counted_once() {
    skip_unless_kernel!();
    let mut bench = Bench::new(false);
    let (mut client, mut server) = bench.connect();
    transfer(&mut client, &mut server, 1000);
    // The client's uplink drops what the node sends, so that it has to be sent again.
    let uplinks = vec![Uplink::auto("up0")];
    let options = Options {
        uplinks,
        steering: false,
        accounting: Accounting::Off,
        ..Options::default()
    };
    let mut wire = load(&bench.lab.client, &options);
    let node = format!("{}/32", bench.lab.node.address).parse().unwrap();
    wire.set_prefixes(&[PrefixRule::deny(node)]).unwrap();
    let answer = vec![0x5a; 20_000];
    server.write_all(&answer).unwrap();
    let sent_again = || {
        gateway_loader::tcp_info::tcp_info(&server, DIRECTION_ACCEPTED)
            .unwrap()
            .retransmits
    };
    gateway_tests::wait::until("a retransmission", DEADLINE, || (sent_again() > 0).then_some(())).unwrap();
    wire.set_prefixes(&[]).unwrap();
    let mut rest = vec![0; answer.len()];
    client.read_exact(&mut rest).unwrap();
    drop(client);
    read_end(&mut server);
    drop(server);
    let (node, peer) = bench.ends();
    assert_eq!((node.bytes_in, node.bytes_out), (1000, 20_000), "{node:?}");
    assert_eq!((peer.bytes_out, peer.bytes_in), (1000, 20_000), "{peer:?}");
    assert!(node.retransmits > 0, "{node:?}");
    assert!(
        peer.packets_in < node.packets_out,
        "nothing was lost: {node:?} {peer:?}"
    );
}

#[test]
fn open_records_come_when_asked_for() {
    skip_unless_kernel!();
    let mut bench = Bench::new(true);
    let (client, server) = bench.connect();
    let opened = records(&mut bench.connections, 2);
    assert!(
        opened
            .iter()
            .all(|record| record.kind == KIND_OPEN && record.closed_ns == 0),
        "{opened:?}"
    );
    drop(client);
    drop(server);
    let closed = records(&mut bench.connections, 2);
    for record in closed {
        assert_eq!(record.kind, KIND_CLOSE);
        let open = opened.iter().find(|open| open.cookie == record.cookie).unwrap();
        assert_eq!(open.opened_ns, record.opened_ns);
    }
}

#[test]
fn connections_of_others_are_not_recorded() {
    skip_unless_kernel!();
    let mut bench = Bench::new(false);
    let other = listeners(&bench.lab.node, Ipv4Addr::UNSPECIFIED.into(), 1).remove(0);
    let to = bench.lab.node.at(other.local_addr().unwrap().port());
    let client = bench.lab.client.connect(to).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| serve(&other, b"x"));
        support::ask(client, b"y");
    });
    // A recorded connection after it: were the other one recorded, it would come first.
    let (client, server) = bench.connect();
    drop(client);
    drop(server);
    bench.ends();
    assert_eq!(counted(&bench.kernel, Counter::ConnOpened), 2);
}

#[test]
fn a_cgroup_is_recorded_whole_with_its_upstream_connections() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let cgroup = cgroup2_mount().unwrap().join(lab.folder().file_name().unwrap());
    let options = Options {
        accounting: Accounting::Cgroup,
        cgroup: Some(cgroup),
        ..Options::default()
    };
    let mut kernel = load(&lab.node, &options);
    assert!(kernel.is_attached(HookName::ConnAcct), "{:?}", kernel.hooks());
    let mut connections = kernel.take_connections().unwrap();
    let upstream = listeners(&lab.upstream, lab.upstream.address.into(), 1).remove(0);
    let to = upstream.local_addr().unwrap();
    let script = format!(
        "exec 3<>/dev/tcp/{}/{}; printf 12345 >&3; read line <&3",
        to.ip(),
        to.port()
    );
    let mut command = lab.node_command("bash".as_ref());
    let mut child = command.args(["-c", &script]).spawn().unwrap();
    let (mut server, _) = upstream.accept().unwrap();
    let mut request = [0; 5];
    server.read_exact(&mut request).unwrap();
    server.write_all(b"welcome\n").unwrap();
    assert!(child.wait().unwrap().success());
    read_end(&mut server);
    drop(server);
    let found = records(&mut connections, 1);
    assert_eq!(found.len(), 1, "{found:?}");
    let record = found[0];
    assert_eq!((record.bytes_out, record.bytes_in), (5, 8), "{record:?}");
    assert_eq!((record.direction, record.listener), (DIRECTION_CONNECTED, 0));
    assert_eq!((record.remote, record.remote_port), (octets(to.ip()), to.port()));
}
