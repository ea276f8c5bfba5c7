//! Connection records out of the ring, and the marks that make a socket the gateway's.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};

use aya::maps::{MapData, RingBuf, SkStorage};
use gateway_common::{ConnMark, ConnRecord};

use crate::hook::map_reason;

/// Records taken by one call of [`Connections::poll`]: bounds the time on a runtime that serves others too.
pub const MAX_RECORDS_PER_POLL: usize = 4096;

/// The reader of the connection ring. One per process; poll it every 10 to 100 ms, and when its descriptor is readable:
/// the kernel wakes it only when the ring is a quarter full.
pub struct Connections {
    ring: RingBuf<MapData>,
    misread: u64,
}

impl Connections {
    pub(crate) fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring, misread: 0 }
    }

    /// Appends the waiting records to `into`, at most [`MAX_RECORDS_PER_POLL`], and returns how many it were.
    pub fn poll(&mut self, into: &mut Vec<ConnRecord>) -> usize {
        let mut taken = 0;
        while taken < MAX_RECORDS_PER_POLL {
            let Some(item) = self.ring.next() else {
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

impl AsFd for Connections {
    fn as_fd(&self) -> BorrowedFd<'_> {
        #[expect(unsafe_code, reason = "the ring lends its descriptor as a number only")]
        // SAFETY: the ring owns the descriptor, and the borrow ends with it.
        unsafe {
            BorrowedFd::borrow_raw(self.ring.as_raw_fd())
        }
    }
}

impl AsRawFd for Connections {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
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
