//! Rings that outlive the process: who reads them, and from when on.
//!
//! A ring has one reader. When a process takes over while another still runs, it writes its number into a pinned word; the
//! other one sees that before its next read and stops. The new one waits a moment for a read that is under way, and only then
//! looks where the other has come to, so that no record is read twice and none is skipped.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aya::maps::{Array, Map, MapData, RingBuf};
use gateway_common::steer::READER_SLOT;

/// Longer than a read of a full ring takes, and than the pause between two.
const HAND_OVER: Duration = Duration::from_millis(250);

/// The right to read; shared by the readers of both rings.
#[derive(Clone)]
pub(crate) struct Turn {
    /// The pinned word and our number in it; `None` when nothing is pinned and nobody else can read.
    word: Option<(Arc<Array<MapData, u64>>, u64)>,
    from: Instant,
}

impl Turn {
    /// Nobody else can read.
    pub(crate) fn alone() -> Self {
        Self {
            word: None,
            from: Instant::now(),
        }
    }

    /// Takes the next number.
    pub(crate) fn take(mut word: Array<MapData, u64>) -> Self {
        let now = Instant::now();
        let last = word.get(&READER_SLOT, 0).unwrap_or_default();
        let mine = last.wrapping_add(1);
        match word.set(READER_SLOT, mine, 0) {
            Ok(()) => Self {
                word: Some((Arc::new(word), mine)),
                from: if last == 0 { now } else { now + HAND_OVER },
            },
            Err(_) => Self::alone(),
        }
    }

    fn is_mine(&self) -> bool {
        let still = |(word, mine): &(Arc<Array<MapData, u64>>, u64)| {
            word.get(&READER_SLOT, 0).is_ok_and(|number| number == *mine)
        };
        Instant::now() >= self.from && self.word.as_ref().is_none_or(still)
    }
}

/// A ring and the right to read it.
pub(crate) struct Ring {
    state: State,
    turn: Turn,
}

enum State {
    /// Not yet our turn: the reader's position is taken when it is.
    Waiting(MapData),
    Open(RingBuf<MapData>),
    Lost,
}

impl Ring {
    pub(crate) fn new(map: Map, turn: Turn) -> Self {
        let state = match map {
            Map::RingBuf(data) => State::Waiting(data),
            _ => State::Lost,
        };
        Self { state, turn }
    }

    /// The ring, when it is this process's turn.
    pub(crate) fn open(&mut self) -> Option<&mut RingBuf<MapData>> {
        if !self.turn.is_mine() {
            return None;
        }
        if let State::Waiting(_) = self.state {
            let State::Waiting(data) = std::mem::replace(&mut self.state, State::Lost) else {
                return None;
            };
            if let Ok(ring) = RingBuf::try_from(Map::RingBuf(data)) {
                self.state = State::Open(ring);
            }
        }
        match &mut self.state {
            State::Open(ring) => Some(ring),
            _ => None,
        }
    }

    /// Its descriptor; `None` when it could not be opened.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Waiting(data) => Some(data.fd().as_fd()),
            State::Open(ring) => Some(ring.as_fd()),
            State::Lost => None,
        }
    }
}
