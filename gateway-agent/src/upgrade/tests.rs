//! Sockets handed from one half of a process to the other, over a real Unix socket.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    os::fd::AsFd as _,
    sync::Arc,
};

use super::{wire, *};
use gateway_loader::common::IdKey;

use crate::{
    admin::{Audience, Endpoint},
    listen::{self, Listener},
    node::{self, NoSink, Node},
    process::Identity,
    telemetry::Metrics,
};

/// A name of its own for each test.
fn name(test: &str) -> String {
    format!("@gateway-test-{}-{test}", std::process::id())
}

fn identity() -> Identity {
    Identity {
        generation: 7,
        quic_key: IdKey([1, 2]),
        node: 3,
    }
}

fn listeners() -> Vec<Listener> {
    let address = "127.0.0.1:0".parse().unwrap();
    vec![
        Listener::new(address, false),
        Listener {
            http3: true,
            ..Listener::new(address, true)
        },
    ]
}

fn node() -> Arc<Node> {
    Node::new(
        node::Settings::default(),
        Metrics::new().unwrap(),
        Arc::new(NoSink),
    )
    .unwrap()
}

/// Takes the sockets once the one before has been noticed to be gone.
fn take(name: &str) -> Inherited {
    (0..1_000)
        .find_map(|_| Inherited::take(name).ok())
        .expect("the sockets were never given")
}

/// Waits for an answer on a thread of its own, as a process would.
async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn every_socket_arrives_where_it_belongs() {
    let name = name("arrives");
    let bound = listen::bind(&listeners(), 3, None).unwrap();
    let names: [Arc<str>; 2] = ["plain".into(), "tls".into()];
    let endpoint = Endpoint::tcp("127.0.0.1:0".parse().unwrap(), Audience::Operator).unwrap();
    let endpoint_address = endpoint.describe().parse().unwrap();
    let offer = Offer::new(&bound, &names, &[endpoint], identity()).unwrap();
    let node = node();
    let waiting = tokio::spawn(give(
        listen(&name).unwrap(),
        offer,
        Arc::clone(&node),
        Duration::from_secs(5),
    ));
    let known = elsewhere({
        let name = name.clone();
        move || who(&name).unwrap()
    })
    .await;
    assert_eq!((known.pid, known.generation), (std::process::id(), 7));

    let mut inherited = elsewhere(move || Inherited::take(&name).unwrap()).await;
    assert_eq!(inherited.identity().generation, 8);
    assert_eq!(inherited.identity().quic_key, IdKey([1, 2]));
    let [plain, tls] = [&bound[0], &bound[1]].map(|one| one.listener.address);
    assert_eq!(inherited.address_of("plain"), Some(plain));
    assert_eq!(inherited.address_of("other"), None);
    let taken = inherited.sockets.tcp(plain);
    assert_eq!((taken.len(), inherited.sockets.tcp(plain).len()), (3, 0));
    assert_eq!(inherited.sockets.udp(plain).len(), 0);
    assert_eq!(
        (inherited.sockets.tcp(tls).len(), inherited.sockets.udp(tls).len()),
        (3, 3)
    );
    assert!(inherited.endpoint(endpoint_address).is_some());
    assert!(!node.drain.is_draining(), "nothing has changed yet");

    // What was queued at the old process's sockets is served by the new one's, which are the same.
    let mut client = TcpStream::connect(plain).unwrap();
    client.write_all(b"hello").unwrap();
    drop(bound);
    let mut heard = String::new();
    let server = taken.iter().find_map(|socket| {
        socket.set_nonblocking(true).unwrap();
        socket.accept().ok()
    });
    let (mut server, _) = server.expect("the connection was lost");
    client.shutdown(std::net::Shutdown::Write).unwrap();
    server.set_nonblocking(false).unwrap();
    server.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello");

    let channel = inherited.into_channel();
    elsewhere(move || channel.ready(true).unwrap()).await;
    waiting.await.unwrap().unwrap();
    assert!(node.drain.is_draining());
    assert_eq!(
        node.drain.successor(),
        Some(crate::drain::Successor { quic: true })
    );
}

#[tokio::test]
async fn a_successor_that_dies_changes_nothing() {
    let name = name("dies");
    let bound = listen::bind(&listeners(), 1, None).unwrap();
    let names: [Arc<str>; 2] = ["plain".into(), "tls".into()];
    let offer = Offer::new(&bound, &names, &[], identity()).unwrap();
    let node = node();
    let waiting = tokio::spawn(give(
        listen(&name).unwrap(),
        offer,
        Arc::clone(&node),
        Duration::from_secs(5),
    ));
    for _ in 0..3 {
        let name = name.clone();
        // Dropped without a word.
        elsewhere(move || drop(take(&name))).await;
    }
    assert!(!node.drain.is_draining());
    // The next one is served all the same, and it alone.
    let channel = elsewhere({
        let name = name.clone();
        move || take(&name).into_channel()
    })
    .await;
    let second = elsewhere({
        let name = name.clone();
        move || Inherited::take(&name)
    })
    .await;
    assert!(second.is_err(), "two processes would serve");
    assert_eq!(elsewhere(move || who(&name).unwrap().generation).await, 7);
    elsewhere(move || channel.ready(false).unwrap()).await;
    waiting.await.unwrap().unwrap();
    assert_eq!(
        node.drain.successor(),
        Some(crate::drain::Successor { quic: false })
    );
}

#[tokio::test]
async fn a_drain_ends_the_waiting_and_lets_the_sockets_go() {
    let name = name("drain");
    let bound = listen::bind(&listeners(), 1, None).unwrap();
    let address = bound[0].listener.address;
    let names: [Arc<str>; 2] = ["plain".into(), "tls".into()];
    let offer = Offer::new(&bound, &names, &[], identity()).unwrap();
    drop(bound);
    let node = node();
    let waiting = tokio::spawn(give(
        listen(&name).unwrap(),
        offer,
        Arc::clone(&node),
        Duration::from_secs(5),
    ));
    node.drain.begin(Duration::from_secs(1));
    waiting.await.unwrap().unwrap();
    assert!(
        TcpStream::connect(address).is_err(),
        "a copy keeps the socket open"
    );
    assert!(matches!(Inherited::take(&name), Err(TakeError::Nobody { .. })));
}

#[test]
fn more_descriptors_than_one_message_takes() {
    let (one, other) = UnixStream::pair().unwrap();
    let file = std::fs::File::open("/proc/self/status").unwrap();
    let many = vec![file.as_fd(); 300];
    std::thread::scope(|scope| {
        scope.spawn(|| wire::send_descriptors(&one, &many).unwrap());
        assert_eq!(wire::receive_descriptors(&other, 300).unwrap().len(), 300);
    });
    drop(one);
    assert!(
        wire::receive_descriptors(&other, 1).is_err(),
        "nobody sends any more"
    );
    assert!(wire::receive_descriptors(&other, usize::MAX).is_err());
}

#[test]
fn nonsense_is_refused() {
    let check = |sent: &[u8]| {
        let (mut one, other) = UnixStream::pair().unwrap();
        one.write_all(sent).unwrap();
        drop(one);
        wire::read_json::<Who>(&other).unwrap_err().to_string()
    };
    assert!(check(&u32::MAX.to_be_bytes()).contains("too long"));
    assert!(!check(b"\0\0\0\x02{}").is_empty());
    assert!(!check(b"\0\0\0\x09{}").is_empty());
    let (mut one, other) = UnixStream::pair().unwrap();
    one.write_all(&[b'x'; 100]).unwrap();
    assert!(wire::read_line(&other).is_err());
}

#[test]
fn a_name_is_taken_once() {
    let name = name("once");
    let first = listen(&name).unwrap();
    assert!(listen(&name).is_err());
    drop(first);
    listen(&name).unwrap();
}

#[test]
fn a_socket_file_left_behind_is_replaced() {
    let folder = crate::sync::scratch::Scratch::new();
    let path = folder.path().join("upgrade.sock");
    let path = path.to_str().unwrap();
    let first = listen(path).unwrap();
    assert!(listen(path).is_err(), "somebody listens");
    drop(first);
    listen(path).unwrap();
}
