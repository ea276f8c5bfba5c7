//! What the data plane asks at accept and at close: denied sources, and accounts without the kernel's help.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwapOption;
use gateway_loader::{
    common::{ConnRecord, conn},
    tcp_info,
};
use ipnet::IpNet;

use super::Accounts;

/// Bits of an IPv6 address before the IPv4 address mapped into it (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// Shared by all workers.
#[derive(Debug, Default)]
pub struct Gate {
    denied: ArcSwapOption<Prefixes>,
    /// The kernel does not account: connections are read just before they are closed.
    account_here: AtomicBool,
    accounts: OnceLock<Accounts>,
}

impl Gate {
    /// Makes `list` the refused sources. Refused here even where the kernel drops them on the uplinks: a
    /// packet may come another way.
    pub fn set_denied(&self, list: &[IpNet]) {
        self.denied
            .store((!list.is_empty()).then(|| Arc::new(Prefixes::new(list))));
    }

    /// Whether a client of that address is refused. One atomic load when nothing is denied.
    pub fn refuses(&self, client: IpAddr) -> bool {
        self.denied
            .load()
            .as_ref()
            .is_some_and(|denied| denied.contains(client))
    }

    /// Says who accounts from now on, and where to.
    pub fn set_accounts(&self, accounts: &Accounts, account_here: bool) {
        // Set once at the start; a second node in one test process has a gate of its own.
        let _ = self.accounts.set(accounts.clone());
        self.account_here.store(account_here, Ordering::Relaxed);
    }

    /// Opens the account of a client connection; it is closed when the returned value is dropped, which
    /// must be after the connection's last byte. `None` while the kernel accounts.
    ///
    /// Costs a second descriptor for the socket as long as the connection lives.
    pub fn account(&self, socket: &impl AsFd) -> Option<Account> {
        if !self.account_here.load(Ordering::Relaxed) {
            return None;
        }
        let accounts = self.accounts.get()?.clone();
        // No descriptor left: the connection matters more than its figures.
        let socket = socket.as_fd().try_clone_to_owned().ok()?;
        // Addresses are read now: a socket that has reached CLOSE no longer knows its peer.
        let begun = tcp_info::tcp_info(&socket, conn::DIRECTION_ACCEPTED).ok()?;
        accounts.opened();
        Some(Account {
            socket,
            begun,
            opened: Instant::now(),
            accounts,
        })
    }
}

/// The open account of a connection.
#[derive(Debug)]
pub struct Account {
    socket: OwnedFd,
    begun: ConnRecord,
    opened: Instant,
    accounts: Accounts,
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Ok(mut record) = tcp_info::ended(&self.socket, conn::DIRECTION_ACCEPTED) {
            (record.local, record.local_port) = (self.begun.local, self.begun.local_port);
            (record.remote, record.remote_port) = (self.begun.remote, self.begun.remote_port);
            record.closed_ns = self.opened.elapsed().as_nanos() as u64;
            self.accounts.record(&record, "userspace");
        }
    }
}

/// Prefixes by length: as many look-ups as there are different lengths, however long the list is.
#[derive(Debug)]
struct Prefixes(Vec<(u128, HashSet<u128>)>);

impl Prefixes {
    fn new(list: &[IpNet]) -> Self {
        let mut by_length: BTreeMap<u8, HashSet<u128>> = BTreeMap::new();
        for net in list {
            let bits = match net {
                IpNet::V4(net) => net.prefix_len() + MAPPED_BITS,
                IpNet::V6(net) => net.prefix_len(),
            };
            by_length
                .entry(bits)
                .or_default()
                .insert(number(net.network()) & mask(bits));
        }
        Self(
            by_length
                .into_iter()
                .map(|(bits, set)| (mask(bits), set))
                .collect(),
        )
    }

    fn contains(&self, address: IpAddr) -> bool {
        let address = number(address);
        self.0.iter().any(|(mask, set)| set.contains(&(address & mask)))
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::telemetry::{Metrics, Recent};

    fn check(denied: &[&str], client: &str, refused: bool) {
        let gate = Gate::default();
        gate.set_denied(&denied.iter().map(|d| d.parse().unwrap()).collect::<Vec<IpNet>>());
        assert_eq!(
            gate.refuses(client.parse().unwrap()),
            refused,
            "{denied:?} {client}"
        );
    }

    #[test]
    fn denied_sources_are_refused() {
        check(&[], "192.0.2.1", false);
        check(&["192.0.2.0/24"], "192.0.2.255", true);
        check(&["192.0.2.0/24"], "192.0.3.0", false);
        check(&["192.0.2.7/32", "198.51.100.0/25"], "198.51.100.127", true);
        check(&["192.0.2.7/32", "198.51.100.0/25"], "198.51.100.128", false);
        check(&["192.0.2.9/24"], "192.0.2.1", true); // host bits do not matter
        check(&["2001:db8::/32"], "2001:db8:1::1", true);
        check(&["2001:db8::/32"], "2001:db9::1", false);
        check(&["192.0.2.0/24"], "::ffff:192.0.2.1", true); // the same client on a dual-stack socket
        check(&["0.0.0.0/0"], "203.0.113.5", true);
        check(&["0.0.0.0/0"], "2001:db8::1", false);
        check(&["::/0"], "203.0.113.5", true);
    }

    #[test]
    fn an_empty_list_lets_everybody_in_again() {
        let gate = Gate::default();
        gate.set_denied(&["192.0.2.0/24".parse().unwrap()]);
        gate.set_denied(&[]);
        assert!(!gate.refuses("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn an_account_in_userspace_counts_what_was_sent() {
        let metrics = Metrics::new().unwrap();
        let recent = Arc::new(Recent::new(4));
        let gate = Gate::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert!(gate.account(&server).is_none(), "off until told");
        gate.set_accounts(&Accounts::new(Arc::clone(&metrics), Arc::clone(&recent)), true);
        let account = gate.account(&server).unwrap();
        client.write_all(b"twelve bytes").unwrap();
        let mut request = [0; 12];
        server.read_exact(&mut request).unwrap();
        server.write_all(b"answer").unwrap();
        let mut answer = [0; 6];
        client.read_exact(&mut answer).unwrap();
        drop(account);
        let record = recent.all().pop().unwrap();
        assert_eq!(
            (record.bytes_in, record.bytes_out, record.source),
            (12, 6, "userspace")
        );
        assert_eq!(record.remote, client.local_addr().unwrap());
        assert_eq!(metrics.kernel.opened.get(), 1);
        gate.set_accounts(&Accounts::new(metrics, recent), false);
        assert!(gate.account(&server).is_none(), "the kernel accounts");
    }

    #[test]
    fn a_connection_that_is_over_still_has_its_account() {
        let metrics = Metrics::new().unwrap();
        let recent = Arc::new(Recent::new(4));
        let gate = Gate::default();
        gate.set_accounts(&Accounts::new(metrics, Arc::clone(&recent)), true);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let address = client.local_addr().unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let account = gate.account(&server).unwrap();
        client.write_all(b"12345").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut request = Vec::new();
        server.read_to_end(&mut request).unwrap();
        server.write_all(b"123").unwrap();
        server.shutdown(std::net::Shutdown::Both).unwrap();
        drop(server);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        drop(client);
        drop(account);
        let record = recent.all().pop().unwrap();
        assert_eq!(
            (record.remote, record.bytes_in, record.bytes_out),
            (address, 5, 3),
            "{record:?}"
        );
    }
}
