//! What the data plane asks at accept and at close: denied sources, and accounts without the kernel's help.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use gateway_config::network::RateLimitBans;
use gateway_loader::{
    common::{ConnRecord, conn},
    tcp_info,
};
use ipnet::IpNet;
use socket2::SockRef;

use super::{Accounts, UserSide};

/// Bits of an IPv6 address before the IPv4 address mapped into it (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// Clients whose refusals are counted at one time: as many as misbehave at once on a busy node. A new one takes the place of
/// whoever is met first of those whose window is over; when none is, it is not counted.
const STRIKERS: usize = 4096;
/// Bans that wait for the kernel side, which looks several times a second.
const PENDING: usize = 1024;
/// Bans kept here, where the kernel cannot drop.
const BANNED: usize = 4096;

/// Shared by all workers.
#[derive(Debug, Default)]
pub struct Gate {
    denied: ArcSwapOption<Prefixes>,
    /// When repeated refusals become a ban.
    strikes_rule: ArcSwapOption<RateLimitBans>,
    strikes: Mutex<HashMap<IpAddr, Strikes>>,
    pending: Mutex<Vec<IpAddr>>,
    /// Bans that the kernel does not keep, with their ends.
    banned: RwLock<HashMap<IpAddr, Instant>>,
    any_banned: AtomicBool,
    /// The kernel does not account: connections are read just before they are closed.
    account_here: AtomicBool,
    accounts: OnceLock<Accounts>,
}

/// Refusals of one client in the window that runs.
#[derive(Clone, Copy, Debug)]
struct Strikes {
    since: Instant,
    count: u32,
}

impl Gate {
    /// Makes `deny` the refused sources, except where a longer prefix of `allow` lets them in. Refused here even where the
    /// kernel drops them on the uplinks: a packet may come another way.
    pub fn set_denied(&self, deny: &[IpNet], allow: &[IpNet]) {
        self.denied
            .store((!deny.is_empty()).then(|| Arc::new(Prefixes::new(deny, allow))));
    }

    /// When repeated refusals by rate limits become a ban; `None`: never.
    pub fn set_rate_limit_bans(&self, rule: Option<RateLimitBans>) {
        self.strikes_rule.store(rule.map(Arc::new));
        if rule.is_none() {
            lock(&self.strikes).clear();
        }
    }

    /// A rate limit whose key is the client's address refused it. One atomic load when nobody asked for bans.
    pub fn rate_limited(&self, client: IpAddr) {
        let Some(rule) = self.strikes_rule.load_full() else {
            return;
        };
        let now = Instant::now();
        let mut strikes = lock(&self.strikes);
        if strikes.len() >= STRIKERS && !strikes.contains_key(&client) {
            let over = strikes
                .iter()
                .find(|(_, one)| now.duration_since(one.since) > rule.within);
            let Some(over) = over.map(|(address, _)| *address) else {
                return;
            };
            strikes.remove(&over);
        }
        let one = strikes.entry(client).or_insert(Strikes { since: now, count: 0 });
        if now.duration_since(one.since) > rule.within {
            *one = Strikes { since: now, count: 0 };
        }
        one.count += 1;
        if one.count < rule.refusals {
            return;
        }
        strikes.remove(&client);
        drop(strikes);
        let mut pending = lock(&self.pending);
        if pending.len() < PENDING {
            pending.push(client);
        }
    }

    /// Clients to ban, and for how long.
    pub(super) fn take_pending(&self) -> Option<(Vec<IpAddr>, RateLimitBans)> {
        let rule = self.strikes_rule.load_full()?;
        let pending = std::mem::take(&mut *lock(&self.pending));
        (!pending.is_empty()).then(|| (pending, *rule))
    }

    /// Bans a client here, because the kernel cannot. Whether there was room.
    pub(super) fn ban(&self, client: IpAddr, lasts: Duration) -> bool {
        let now = Instant::now();
        let mut banned = self.banned.write().unwrap_or_else(PoisonError::into_inner);
        banned.retain(|_, until| *until > now);
        let room = banned.len() < BANNED || banned.contains_key(&client);
        if room {
            banned.insert(client, now + lasts);
            self.any_banned.store(true, Ordering::Relaxed);
        }
        room
    }

    /// Ends a ban. Whether there was one.
    pub(super) fn unban(&self, client: IpAddr) -> bool {
        let mut banned = self.banned.write().unwrap_or_else(PoisonError::into_inner);
        let there = banned.remove(&client).is_some();
        self.any_banned.store(!banned.is_empty(), Ordering::Relaxed);
        there
    }

    /// Bans kept here, with what is left of them.
    pub(super) fn bans(&self) -> Vec<(IpAddr, Duration)> {
        let now = Instant::now();
        let banned = self.banned.read().unwrap_or_else(PoisonError::into_inner);
        let left = banned
            .iter()
            .map(|(client, until)| (*client, until.saturating_duration_since(now)));
        left.filter(|(_, left)| !left.is_zero()).collect()
    }

    fn is_banned(&self, client: IpAddr) -> bool {
        let banned = self.banned.read().unwrap_or_else(PoisonError::into_inner);
        banned
            .get(&client.to_canonical())
            .is_some_and(|until| *until > Instant::now())
    }

    /// Whether a client of that address is refused. Two atomic loads when nothing is denied.
    pub fn refuses(&self, client: IpAddr) -> bool {
        self.denied
            .load()
            .as_ref()
            .is_some_and(|denied| denied.contains(client))
            || (self.any_banned.load(Ordering::Relaxed) && self.is_banned(client))
    }

    /// Says who accounts from now on, and where to.
    pub fn set_accounts(&self, accounts: &Accounts, account_here: bool) {
        // Set once at the start; a second node in one test process has a gate of its own.
        let _ = self.accounts.set(accounts.clone());
        self.account_here.store(account_here, Ordering::Relaxed);
    }

    /// Begins a connection whose record tells what the gateway did on it; `None` when nobody wants to know.
    pub fn joining(&self, socket: &impl AsFd) -> Option<Joining> {
        let accounts = self.accounts.get()?;
        let cookie = SockRef::from(socket).cookie().ok()?;
        accounts.begin(cookie).then(|| Joining {
            accounts: accounts.clone(),
            cookie,
        })
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

/// A connection whose record is joined with what the gateway does on it.
#[derive(Debug)]
pub struct Joining {
    accounts: Accounts,
    cookie: u64,
}

impl Joining {
    /// What was done; after the connection's last byte.
    pub fn done(self, user: UserSide) {
        self.accounts.done(self.cookie, user);
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done by a panic while one of these is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prefixes by length, the longest first, and whether each denies: as many look-ups as there are different lengths, however
/// long the list is.
#[derive(Debug)]
struct Prefixes(Vec<(u128, HashMap<u128, bool>)>);

impl Prefixes {
    fn new(deny: &[IpNet], allow: &[IpNet]) -> Self {
        let mut by_length: BTreeMap<u8, HashMap<u128, bool>> = BTreeMap::new();
        let both = deny
            .iter()
            .map(|net| (net, true))
            .chain(allow.iter().map(|net| (net, false)));
        for (net, denies) in both {
            let bits = match net {
                IpNet::V4(net) => net.prefix_len() + MAPPED_BITS,
                IpNet::V6(net) => net.prefix_len(),
            };
            by_length
                .entry(bits)
                .or_default()
                .insert(number(net.network()) & mask(bits), denies);
        }
        let longest_first = by_length.into_iter().rev();
        Self(longest_first.map(|(bits, set)| (mask(bits), set)).collect())
    }

    fn contains(&self, address: IpAddr) -> bool {
        let address = number(address);
        self.0
            .iter()
            .find_map(|(mask, set)| set.get(&(address & mask)).copied())
            .unwrap_or(false)
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
        let deny: Vec<IpNet> = denied.iter().map(|d| d.parse().unwrap()).collect();
        gate.set_denied(&deny, &[]);
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
        gate.set_denied(&["192.0.2.0/24".parse().unwrap()], &[]);
        gate.set_denied(&[], &[]);
        assert!(!gate.refuses("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn the_longer_of_deny_and_allow_decides() {
        let gate = Gate::default();
        let nets = |list: &[&str]| {
            list.iter()
                .map(|net| net.parse().unwrap())
                .collect::<Vec<IpNet>>()
        };
        gate.set_denied(
            &nets(&["10.0.0.0/8", "10.1.2.0/24", "2001:db8::/32"]),
            &nets(&["10.1.0.0/16", "2001:db8:1::/48"]),
        );
        for (client, refused) in [
            ("10.9.0.1", true),
            ("10.1.0.1", false),
            ("10.1.2.1", true),
            ("11.0.0.1", false),
            ("2001:db8::1", true),
            ("2001:db8:1::1", false),
        ] {
            assert_eq!(gate.refuses(client.parse().unwrap()), refused, "{client}");
        }
    }

    #[test]
    fn repeated_refusals_become_one_ban() {
        let gate = Gate::default();
        let (client, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        gate.rate_limited(client);
        assert!(gate.take_pending().is_none(), "nobody asked for bans");
        let rule = RateLimitBans {
            refusals: 3,
            within: Duration::from_secs(60),
            lasts: Duration::from_secs(9),
        };
        gate.set_rate_limit_bans(Some(rule));
        for _ in 0..2 {
            gate.rate_limited(client);
            gate.rate_limited(other);
        }
        assert!(gate.take_pending().is_none());
        gate.rate_limited(client);
        assert_eq!(gate.take_pending(), Some((vec![client], rule)));
        assert!(gate.take_pending().is_none(), "once");
        gate.rate_limited(client);
        assert!(gate.take_pending().is_none(), "the count begins again");
        // A window that is over counts nothing.
        gate.set_rate_limit_bans(Some(RateLimitBans {
            within: Duration::ZERO,
            ..rule
        }));
        for _ in 0..9 {
            gate.rate_limited(other);
        }
        assert!(gate.take_pending().is_none());
        gate.set_rate_limit_bans(None);
        assert!(lock(&gate.strikes).is_empty());
    }

    #[test]
    fn strikers_are_bounded() {
        let gate = Gate::default();
        let rule = RateLimitBans {
            refusals: 2,
            within: Duration::from_secs(60),
            lasts: Duration::from_secs(9),
        };
        gate.set_rate_limit_bans(Some(rule));
        for client in 0..STRIKERS as u32 + 100 {
            gate.rate_limited(IpAddr::from(client.to_be_bytes()));
        }
        assert_eq!(lock(&gate.strikes).len(), STRIKERS);
    }

    #[test]
    fn bans_that_the_kernel_cannot_keep_are_kept_here() {
        let gate = Gate::default();
        let client = IpAddr::from([192, 0, 2, 1]);
        assert!(gate.ban(client, Duration::from_secs(600)));
        assert!(gate.refuses(client) && gate.refuses("::ffff:192.0.2.1".parse().unwrap()));
        assert_eq!(gate.bans().len(), 1);
        assert!(gate.unban(client) && !gate.unban(client));
        assert!(!gate.refuses(client));
        assert!(gate.ban(client, Duration::ZERO));
        assert!(!gate.refuses(client) && gate.bans().is_empty(), "it is over");
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
