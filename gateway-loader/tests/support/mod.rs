//! What the tests with a real kernel share: the reason to skip, sockets on the node, waiting for records.
#![expect(dead_code, reason = "each test file uses its own part of this module")]

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use gateway_loader::common::{ConnRecord, Counter, v4_mapped};
use gateway_loader::{Connections, Kernel, Options};
use gateway_tests::lab::Host;
use gateway_tests::wait;
use socket2::{Domain, Protocol, Socket, Type};

/// Generous: two cores may be compiling beside the test.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Ends the test with a visible line when the machine or the build lacks what kernel tests need.
#[macro_export]
macro_rules! skip_unless_kernel {
    () => {
        gateway_tests::skip_unless!(
            gateway_tests::skip::Need::Namespaces,
            gateway_tests::skip::Need::Bpf
        );
        if let Some(reason) = gateway_loader::why_not_built() {
            println!("SKIP: no kernel programs in this build ({reason}): run `cargo xtask bpf` first");
            return;
        }
    };
}

/// Loads the programs on a thread inside the host's namespace, where interfaces are found.
pub(crate) fn load(host: &Host, options: &Options) -> Kernel {
    host.enter(|| Kernel::load(options)).unwrap().unwrap()
}

/// `count` listeners that share one address and port of the host.
pub(crate) fn listeners(host: &Host, address: IpAddr, count: usize) -> Vec<TcpListener> {
    let mut port = 0;
    let mut bind = || {
        let domain = Domain::for_address(SocketAddr::new(address, 0));
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&SocketAddr::new(address, port).into()).unwrap();
        socket.listen(1024).unwrap();
        port = socket.local_addr().unwrap().as_socket().unwrap().port();
        TcpListener::from(socket)
    };
    host.enter(|| (0..count).map(|_| bind()).collect()).unwrap()
}

/// Ends listeners at once. Dropping alone is not enough: a child of another test between fork and exec may still hold a copy.
pub(crate) fn end(listeners: impl IntoIterator<Item = TcpListener>) {
    for listener in listeners {
        socket2::SockRef::from(&listener)
            .shutdown(Shutdown::Both)
            .unwrap();
    }
}

/// Descriptors of the sockets.
pub(crate) fn descriptors<T: AsFd>(sockets: &[T]) -> Vec<BorrowedFd<'_>> {
    sockets.iter().map(AsFd::as_fd).collect()
}

/// The value of a counter now.
pub(crate) fn counted(kernel: &Kernel, counter: Counter) -> u64 {
    let readings = kernel.counters().unwrap();
    readings
        .iter()
        .find(|reading| reading.counter == counter)
        .unwrap()
        .count
}

/// Reads a request to its end, answers with `answer`, closes. Returns what was read.
pub(crate) fn serve(listener: &TcpListener, answer: &[u8]) -> (Vec<u8>, SocketAddr, SocketAddr) {
    let (mut stream, peer) = listener.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let local = stream.local_addr().unwrap();
    let mut request = Vec::new();
    stream.read_to_end(&mut request).unwrap();
    stream.write_all(answer).unwrap();
    (request, local, peer)
}

/// Sends a request, ends the stream and reads the answer to its end.
pub(crate) fn ask(mut stream: TcpStream, request: &[u8]) -> Vec<u8> {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(request).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// Waits for `count` records.
pub(crate) fn records(connections: &mut Connections, count: usize) -> Vec<ConnRecord> {
    let mut found = Vec::new();
    let all = wait::until("connection records", DEADLINE, || {
        connections.poll(&mut found);
        (found.len() >= count).then_some(())
    });
    assert!(all.is_ok(), "{} of {count} records: {found:?}", found.len());
    found
}

/// Octets as in a record.
pub(crate) fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => v4_mapped(address.octets()),
        IpAddr::V6(address) => address.octets(),
    }
}
