//! Happy Eyeballs (RFC 8305): several addresses of a backend are tried side by side, so that one that does not answer costs a
//! quarter of a second and not the connect timeout.

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use tokio::{net::TcpStream, task::JoinSet};

/// After this time without an answer the next address is tried as well (RFC 8305 §8 recommends it).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to the first address that answers. The error is that of the attempt that failed last; `None` without any address.
///
/// Must be called on a `LocalSet`. Attempts that lose are given up.
pub(super) async fn connect(
    addresses: Vec<SocketAddr>,
) -> Result<(TcpStream, SocketAddr), Option<(SocketAddr, io::Error)>> {
    let mut waiting = interleaved(addresses);
    let Some(first) = waiting.pop_front() else {
        return Err(None);
    };
    if waiting.is_empty() {
        return attempt(first).await.map_err(Some);
    }
    let mut attempts = JoinSet::new();
    attempts.spawn_local(attempt(first));
    let mut last = None;
    loop {
        let ended = tokio::select! {
            ended = attempts.join_next() => ended,
            () = tokio::time::sleep(ATTEMPT_DELAY), if !waiting.is_empty() => {
                if let Some(next) = waiting.pop_front() {
                    attempts.spawn_local(attempt(next));
                }
                continue;
            }
        };
        match ended {
            Some(Ok(Ok(connected))) => return Ok(connected),
            Some(Ok(Err(failed))) => last = Some(failed),
            // An attempt that panicked is an attempt that failed; the others go on.
            Some(Err(_)) => {}
            None if waiting.is_empty() => return Err(last),
            None => {}
        }
        if let Some(next) = waiting.pop_front() {
            attempts.spawn_local(attempt(next));
        }
    }
}

async fn attempt(address: SocketAddr) -> Result<(TcpStream, SocketAddr), (SocketAddr, io::Error)> {
    match TcpStream::connect(address).await {
        Ok(stream) => Ok((stream, address)),
        Err(error) => Err((address, error)),
    }
}

/// The addresses with the families in turns, beginning with the first one's (RFC 8305 §4): a family that does not work at all is
/// left after one attempt. Within a family the order stays.
fn interleaved(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else {
        return VecDeque::new();
    };
    let (one, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut out = VecDeque::new();
    loop {
        let pair = (one.next(), other.next());
        if pair == (None, None) {
            return out;
        }
        out.extend(pair.0);
        out.extend(pair.1);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};
    use tokio::{task::LocalSet, time::Instant};

    use super::*;

    fn check(addresses: &[&str], expected: &[&str]) {
        let parse = |list: &[&str]| {
            list.iter()
                .map(|text| text.parse().unwrap())
                .collect::<Vec<SocketAddr>>()
        };
        assert_eq!(
            Vec::from(interleaved(parse(addresses))),
            parse(expected),
            "{addresses:?}"
        );
    }

    #[test]
    fn families_take_turns() {
        check(&[], &[]);
        check(&["192.0.2.1:1"], &["192.0.2.1:1"]);
        check(
            &[
                "[2001:db8::1]:1",
                "[2001:db8::2]:1",
                "192.0.2.1:1",
                "192.0.2.2:1",
                "192.0.2.3:1",
            ],
            &[
                "[2001:db8::1]:1",
                "192.0.2.1:1",
                "[2001:db8::2]:1",
                "192.0.2.2:1",
                "192.0.2.3:1",
            ],
        );
        check(&["192.0.2.1:1", "192.0.2.2:1"], &["192.0.2.1:1", "192.0.2.2:1"]);
    }

    /// A listener whose queue is full: the kernel drops what asks for it, as a machine that is gone does.
    struct Silent {
        _listener: Socket,
        _queue: Vec<std::net::TcpStream>,
        address: SocketAddr,
    }

    fn silent() -> Silent {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let limit = Duration::from_millis(100);
        let queue = (0..8).map_while(|_| std::net::TcpStream::connect_timeout(&address, limit).ok());
        Silent {
            _queue: queue.collect(),
            _listener: listener,
            address,
        }
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_costs_a_quarter_of_a_second() {
        let (gone, also_gone) = (silent(), silent());
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = good.local_addr().unwrap();
        let closed = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let local = LocalSet::new();
        local
            .run_until(async {
                for (addresses, delays) in [
                    (vec![good], 0),
                    (vec![good, gone.address], 0),
                    // Refused at once: the next is tried at once.
                    (vec![closed, good], 0),
                    (vec![gone.address, good], 1),
                    (vec![gone.address, also_gone.address, good], 2),
                    (vec![gone.address, closed, good], 1),
                ] {
                    let begun = Instant::now();
                    let (_, address) = connect(addresses.clone()).await.unwrap();
                    assert_eq!(address, good, "{addresses:?}");
                    assert!(begun.elapsed() >= ATTEMPT_DELAY * delays, "{addresses:?}");
                }
                let (address, error) = connect(vec![closed, closed]).await.unwrap_err().unwrap();
                assert_eq!(
                    (address, error.kind()),
                    (closed, io::ErrorKind::ConnectionRefused)
                );
                assert!(connect(Vec::new()).await.unwrap_err().is_none());
            })
            .await;
    }
}
