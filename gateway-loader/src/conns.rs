//! Connection records out of the ring, and the marks that make a socket the gateway's.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

use aya::maps::{MapData, SkStorage};
use gateway_common::{ConnMark, ConnRecord};

use crate::hook::map_reason;
use crate::reader::Ring;

/// Records taken by one call of [`Connections::poll`]: bounds the time on a runtime that serves others too.
pub const MAX_RECORDS_PER_POLL: usize = 4096;

/// The reader of the connection ring. One per process; poll it every 10 to 100 ms, and when its descriptor is readable:
/// the kernel wakes it only when the ring is a quarter full.
pub struct Connections {
    ring: Ring,
    misread: u64,
}

impl Connections {
    pub(crate) const fn new(ring: Ring) -> Self {
        Self { ring, misread: 0 }
    }

    /// Appends the waiting records to `into`, at most [`MAX_RECORDS_PER_POLL`], and returns how many it were.
    pub fn poll(&mut self, into: &mut Vec<ConnRecord>) -> usize {
        let mut taken = 0;
        let Some(ring) = self.ring.open() else {
            return 0;
        };
        while taken < MAX_RECORDS_PER_POLL {
            let Some(item) = ring.next() else {
                break;
            };
            match ConnRecord::from_bytes(&item) {
                Some(record) => into.push(record),
                None => self.misread += 1,
            }
            taken += 1;
        }
        taken
    }

    /// Items of another size than a record: always 0 unless the object and this crate differ.
    pub const fn misread(&self) -> u64 {
        self.misread
    }
}

impl Connections {
    /// The ring's descriptor, readable when it is a quarter full; `None` when it could not be opened.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.ring.descriptor()
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections")
            .field("misread", &self.misread)
            .finish_non_exhaustive()
    }
}

/// Marks sockets whose connections are recorded. Cheap to clone; usable from every worker.
///
/// A listener's mark is inherited by the connections it accepts; a socket marked before it connects is recorded itself.
#[derive(Clone)]
pub struct Marker(Arc<Mutex<SkStorage<MapData, ConnMark>>>);

impl Marker {
    pub(crate) fn new(map: SkStorage<MapData, ConnMark>) -> Self {
        Self(Arc::new(Mutex::new(map)))
    }

    /// Marks a TCP socket with the agent's number for its listener or upstream, which every record carries. One system call.
    ///
    /// # Errors
    /// The kernel's answer, for a descriptor that is not a socket or when the socket's storage budget is used up.
    pub fn mark(&self, socket: &impl AsFd, listener: u32) -> Result<(), String> {
        let mark = ConnMark {
            listener,
            ..ConnMark::default()
        };
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.insert(&socket.as_fd(), mark, 0)
            .map_err(|error| map_reason(&error))
    }
}

impl std::fmt::Debug for Marker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Marker").finish_non_exhaustive()
    }
}
