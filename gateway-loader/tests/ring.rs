//! The record ring under load: every connection has its record or is counted as lost, and the reader is woken in time.

#[cfg(test)]
mod support;

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use gateway_loader::common::conn::DIRECTION_ACCEPTED;
use gateway_loader::common::{ConnRecord, Counter};
use gateway_loader::{Accounting, Options};
use gateway_tests::lab::{Lab, Mode};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use support::{DEADLINE, counted, descriptors, listeners, load};

/// Reads a length, then that many bytes, answers with as many as asked for, and closes.
#[cfg(test)]
fn echo(mut stream: TcpStream) {
    let mut head = [0; 8];
    stream.read_exact(&mut head).unwrap();
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (up, down) = (number(&head[..4]), number(&head[4..]));
    stream.read_exact(&mut vec![0; up]).unwrap();
    stream.write_all(&vec![1; down]).unwrap();
}

/// One exchange; returns the client's address and what it sent and received.
#[cfg(test)]
fn exchange(mut stream: TcpStream, up: u32, down: u32) -> (SocketAddr, u64, u64) {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(&up.to_be_bytes()).unwrap();
    stream.write_all(&down.to_be_bytes()).unwrap();
    stream.write_all(&vec![2; up as usize]).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    (
        stream.local_addr().unwrap(),
        8 + u64::from(up),
        answer.len() as u64,
    )
}

#[test]
fn every_connection_of_a_busy_node_has_an_exact_record() {
    skip_unless_kernel!();
    const CLIENTS: u32 = 6;
    const CONNECTIONS: u32 = 150;
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = load(&lab.node, &Options::default());
    let workers = listeners(&lab.node, Ipv4Addr::UNSPECIFIED.into(), 2);
    kernel.register_workers(&descriptors(&workers)).unwrap();
    for (worker, number) in workers.iter().zip(1..) {
        kernel.marker().mark(worker, number).unwrap();
    }
    let mut connections = kernel.take_connections().unwrap();
    let to = lab.node.at(workers[0].local_addr().unwrap().port());
    let serve = |listener: &TcpListener| {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            // A connection without a request ends the server.
            if stream.peek(&mut [0; 1]).unwrap() == 0 {
                return;
            }
            echo(stream);
        }
    };
    let expected: HashMap<SocketAddr, (u64, u64)> = thread::scope(|scope| {
        let servers: Vec<_> = workers
            .iter()
            .map(|worker| scope.spawn(|| serve(worker)))
            .collect();
        let client = |seed: u32| {
            let sizes =
                (0..CONNECTIONS).map(move |at| ((at * 7919 + seed) % 30_000, (at * 104_729 + seed) % 90_000));
            let done: Vec<_> = sizes
                .map(|(up, down)| exchange(lab.client.connect(to).unwrap(), up, down))
                .collect();
            done
        };
        let clients: Vec<_> = (0..CLIENTS)
            .map(|seed| scope.spawn(move || client(seed)))
            .collect();
        let done = clients.into_iter().flat_map(|client| client.join().unwrap());
        let expected = done.map(|(client, up, down)| (client, (up, down))).collect();
        for server in servers {
            while !server.is_finished() {
                drop(lab.client.connect(to).unwrap());
            }
        }
        expected
    });
    let mut found = Vec::new();
    let with_request = gateway_tests::wait::until("all records", DEADLINE, || {
        connections.poll(&mut found);
        let with_request: Vec<ConnRecord> = found
            .iter()
            .filter(|record| record.bytes_in > 0)
            .copied()
            .collect();
        (with_request.len() >= (CLIENTS * CONNECTIONS) as usize).then_some(with_request)
    });
    let with_request = with_request.unwrap();
    assert_eq!(with_request.len(), expected.len());
    for record in with_request {
        let sent = expected[&record.remote_address()];
        assert_eq!((record.bytes_in, record.bytes_out), sent, "{record:?}");
        assert_eq!(record.direction, DIRECTION_ACCEPTED);
        assert!((1..=2).contains(&record.listener), "{record:?}");
    }
    assert_eq!(counted(&kernel, Counter::ConnLost), 0);
}

#[test]
fn a_full_ring_is_counted_and_wakes_its_reader() {
    skip_unless_kernel!();
    const CONNECTIONS: usize = 60;
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = load(
        &lab.node,
        &Options {
            ring_bytes: 4096,
            ..Options::default()
        },
    );
    let listener = listeners(&lab.node, Ipv4Addr::UNSPECIFIED.into(), 1).remove(0);
    kernel.marker().mark(&listener, 1).unwrap();
    let mut connections = kernel.take_connections().unwrap();
    let to = lab.node.at(listener.local_addr().unwrap().port());
    // Not every connection wakes the reader: that is what would cost. A full quarter does.
    let woken = thread::scope(|scope| {
        let waiting = connections.descriptor().unwrap();
        let reader = scope.spawn(move || {
            let timeout = PollTimeout::try_from(DEADLINE).unwrap();
            poll(&mut [PollFd::new(waiting, PollFlags::POLLIN)], timeout).unwrap()
        });
        for _ in 0..CONNECTIONS {
            let client = lab.client.connect(to).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            drop(client);
            assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);
        }
        reader.join().unwrap()
    });
    assert_eq!(woken, 1, "the reader was not woken");
    let closed = || counted(&kernel, Counter::ConnClosed);
    gateway_tests::wait::until("the last close", DEADLINE, || {
        (closed() == CONNECTIONS as u64).then_some(())
    })
    .unwrap();
    let mut found = Vec::new();
    connections.poll(&mut found);
    let lost = counted(&kernel, Counter::ConnLost);
    assert!(
        lost > 0 && !found.is_empty(),
        "{lost} lost, {} found",
        found.len()
    );
    assert_eq!(found.len() as u64 + lost, CONNECTIONS as u64);
    assert_eq!(connections.misread(), 0);
}

#[test]
fn nothing_is_recorded_when_accounting_is_off() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = load(
        &lab.node,
        &Options {
            accounting: Accounting::Off,
            ..Options::default()
        },
    );
    let listener = listeners(&lab.node, Ipv4Addr::UNSPECIFIED.into(), 1).remove(0);
    kernel.marker().mark(&listener, 1).unwrap();
    let to = lab.node.at(listener.local_addr().unwrap().port());
    let client = lab.client.connect(to).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    drop(client);
    assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);
    drop(server);
    assert_eq!(kernel.take_connections().unwrap().poll(&mut Vec::new()), 0);
    assert_eq!(counted(&kernel, Counter::ConnOpened), 0);
}
