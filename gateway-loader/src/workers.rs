//! Groups of listening sockets: slots of the socket map, the key by which the reuseport program finds the group, and the
//! working generation.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;

use aya::maps::{Array, HashMap, MapData, SockMap};
use gateway_common::steer::{MAX_GROUPS, MAX_WORKERS, slot};
use gateway_common::{GroupKey, Working, v4_mapped};
use socket2::SockRef;

use crate::error::WorkersError;
use crate::hook::map_reason;

/// A registered listening address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group(pub(crate) u32);

/// The maps of both steering programs that hold sockets.
pub(crate) struct Groups {
    pub(crate) sockets: SockMap<MapData>,
    pub(crate) keys: HashMap<MapData, GroupKey, u32>,
    pub(crate) working: Array<MapData, u64>,
    /// Listening address of each group.
    known: Vec<Option<GroupKey>>,
    /// Those of this process.
    registered: Vec<GroupKey>,
    generation: u32,
    /// Own words of groups that a predecessor still serves.
    waiting: Vec<(u32, Working)>,
}

impl Groups {
    pub(crate) fn new(
        sockets: SockMap<MapData>,
        keys: HashMap<MapData, GroupKey, u32>,
        working: Array<MapData, u64>,
        generation: u32,
    ) -> Self {
        // The maps may be older than this process: a listening address keeps its number.
        let mut known = vec![None; MAX_GROUPS as usize];
        for (key, group) in keys.iter().flatten() {
            if let Some(slot) = known.get_mut(group as usize) {
                *slot = Some(key);
            }
        }
        Self {
            sockets,
            keys,
            working,
            known,
            registered: Vec::new(),
            generation,
            waiting: Vec::new(),
        }
    }

    /// Puts the sockets into their slots and then moves the working word: no moment without an owner. Registering an address
    /// again replaces its sockets. The word of a group that a predecessor serves is moved by [`Groups::take_over`].
    pub(crate) fn register(&mut self, sockets: &[BorrowedFd<'_>]) -> Result<Group, WorkersError> {
        let group = self.fill(self.generation, sockets)?;
        let working = Working::new(self.generation, sockets.len() as u32);
        match self.waiting.iter_mut().find(|(waiting, _)| *waiting == group) {
            Some((_, word)) => *word = working,
            None => self.set_working(group, working)?,
        }
        Ok(Group(group))
    }

    /// Puts the sockets of a process that still runs into the slots of its generation, and leaves the group to it.
    pub(crate) fn register_predecessor(
        &mut self,
        generation: u32,
        sockets: &[BorrowedFd<'_>],
    ) -> Result<Group, WorkersError> {
        let group = self.fill(generation, sockets)?;
        let working = Working::new(generation, sockets.len() as u32);
        self.set_working(group, working)?;
        // Replaced when the own sockets are registered; until then the predecessor's word is right.
        self.waiting.push((group, working));
        Ok(Group(group))
    }

    /// Moves the words of all groups that a predecessor served.
    pub(crate) fn take_over(&mut self) -> Result<(), WorkersError> {
        while let Some((group, working)) = self.waiting.last().copied() {
            self.set_working(group, working)?;
            self.waiting.pop();
        }
        Ok(())
    }

    fn fill(&mut self, generation: u32, sockets: &[BorrowedFd<'_>]) -> Result<u32, WorkersError> {
        let key = common_key(sockets)?;
        let group = self.group_of(&key)?;
        for (worker, socket) in sockets.iter().enumerate() {
            let at = slot(group, generation, worker as u32);
            self.sockets
                .set(at, socket, 0)
                .map_err(|error| WorkersError::Refused {
                    index: worker,
                    message: map_reason(&error),
                })?;
        }
        self.keys
            .insert(key, group, 0)
            .map_err(|error| WorkersError::Kernel(map_reason(&error)))?;
        for worker in sockets.len() as u32..MAX_WORKERS {
            // Left over from a larger registration; an empty slot is an error that means nothing.
            if self
                .sockets
                .clear_index(&slot(group, generation, worker))
                .is_err()
            {
                break;
            }
        }
        Ok(group)
    }

    fn set_working(&mut self, group: u32, working: Working) -> Result<(), WorkersError> {
        self.working
            .set(group, working.0, 0)
            .map_err(|error| WorkersError::Kernel(map_reason(&error)))
    }

    /// Listening addresses of the registered groups.
    pub(crate) fn registered(&self) -> &[GroupKey] {
        &self.registered
    }

    /// Listening address of a group.
    pub(crate) fn key(&self, group: Group) -> Option<GroupKey> {
        self.known.get(group.0 as usize).copied().flatten()
    }

    /// Registered groups.
    pub(crate) fn len(&self) -> usize {
        self.registered.len()
    }

    /// Frees the numbers of listening addresses that this process does not have.
    pub(crate) fn settle(&mut self) {
        for slot in &mut self.known {
            if let Some(key) = slot
                && !self.registered.contains(key)
            {
                // Gone already is what was wanted.
                let _ = self.keys.remove(key);
                *slot = None;
            }
        }
    }

    fn group_of(&mut self, key: &GroupKey) -> Result<u32, WorkersError> {
        let known = self.known.iter().position(|known| known.as_ref() == Some(key));
        let at = match known.or_else(|| self.known.iter().position(Option::is_none)) {
            Some(at) => at,
            None => return Err(WorkersError::TooManyGroups),
        };
        if let Some(slot) = self.known.get_mut(at) {
            *slot = Some(*key);
        }
        if !self.registered.contains(key) {
            self.registered.push(*key);
        }
        Ok(at as u32)
    }
}

/// The key of all sockets, which must be the same.
fn common_key(sockets: &[BorrowedFd<'_>]) -> Result<GroupKey, WorkersError> {
    let (first, rest) = sockets.split_first().ok_or(WorkersError::Empty)?;
    if sockets.len() > MAX_WORKERS as usize {
        return Err(WorkersError::TooManyWorkers(sockets.len()));
    }
    let describe = |index, socket: &BorrowedFd<'_>| {
        describe(socket).map_err(|source| WorkersError::Socket { index, source })
    };
    let (key, shown) = describe(0, first)?;
    for (at, socket) in rest.iter().enumerate() {
        let (other, found) = describe(at + 1, socket)?;
        if other != key {
            return Err(WorkersError::Mixed {
                index: at + 1,
                found,
                expected: shown,
            });
        }
    }
    Ok(key)
}

/// Key of a bound socket as the kernel builds it, and its address for people.
fn describe(socket: &BorrowedFd<'_>) -> std::io::Result<(GroupKey, String)> {
    let socket = SockRef::from(socket);
    let protocol = socket.protocol()?.map_or(0, i32::from) as u8;
    let address = socket
        .local_addr()?
        .as_socket()
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidInput, "not an IP socket"))?;
    let name = match protocol {
        gateway_common::IPPROTO_TCP => "tcp",
        gateway_common::IPPROTO_UDP => "udp",
        _ => {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "neither TCP nor UDP",
            ));
        }
    };
    Ok((key(&address, protocol), format!("{name} {address}")))
}

fn key(address: &SocketAddr, protocol: u8) -> GroupKey {
    let octets = match address.ip() {
        IpAddr::V4(ip) => v4_mapped(ip.octets()),
        IpAddr::V6(ip) => ip.octets(),
    };
    GroupKey {
        address: octets,
        port: address.port(),
        protocol,
        pad: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn sockets_of_a_group_share_their_address() {
        let first = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let other = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let udp = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let key = common_key(&[first.as_fd()]).unwrap();
        assert_eq!((key.port, key.protocol), (first.local_addr().unwrap().port(), 6));
        assert_eq!(key.address, v4_mapped([127, 0, 0, 1]));
        assert_eq!(common_key(&[first.as_fd(), first.as_fd()]).unwrap(), key);
        let error = common_key(&[first.as_fd(), other.as_fd()])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("socket 1 of the group is bound to tcp 127.0.0.1:"),
            "{error}"
        );
        assert!(matches!(
            common_key(&[first.as_fd(), udp.as_fd()]),
            Err(WorkersError::Mixed { .. })
        ));
        assert!(matches!(common_key(&[]), Err(WorkersError::Empty)));
        let many = vec![first.as_fd(); MAX_WORKERS as usize + 1];
        assert!(matches!(
            common_key(&many),
            Err(WorkersError::TooManyWorkers(257))
        ));
    }

    #[test]
    fn other_descriptors_are_refused() {
        let file = std::fs::File::open("/proc/self/status").unwrap();
        assert!(matches!(
            common_key(&[file.as_fd()]),
            Err(WorkersError::Socket { index: 0, .. })
        ));
        let (left, _right) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(matches!(
            common_key(&[left.as_fd()]),
            Err(WorkersError::Socket { index: 0, .. })
        ));
    }

    #[test]
    fn any_address_keeps_its_family() {
        let v4 = key(&"0.0.0.0:80".parse().unwrap(), 6);
        let v6 = key(&"[::]:80".parse().unwrap(), 6);
        assert_eq!((v4.address, v6.address), (v4_mapped([0; 4]), [0; 16]));
    }
}
