//! The last N of something, for the admin endpoint: a bounded ring, off (N = 0) unless a setting asks.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The most a setting may ask for: at about 1 KiB a record this is 10 MiB.
pub const RECENT_MAX: usize = 10_000;

/// A ring of the last records. `T` is cloned out when read, so keep it cheap (`Arc` strings).
#[derive(Debug, Default)]
pub struct Recent<T> {
    capacity: AtomicUsize,
    ring: Mutex<VecDeque<T>>,
}

impl<T: Clone> Recent<T> {
    /// A ring of `capacity` records, at most [`RECENT_MAX`]; zero keeps nothing.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: AtomicUsize::new(capacity.min(RECENT_MAX)),
            ring: Mutex::default(),
        }
    }

    /// Whether records are wanted at all: ask before building one.
    pub fn is_on(&self) -> bool {
        self.capacity.load(Ordering::Relaxed) > 0
    }

    /// Adds a record, letting go of the oldest.
    pub fn push(&self, record: T) {
        let capacity = self.capacity.load(Ordering::Relaxed);
        if capacity == 0 {
            return;
        }
        // A poisoned lock means that a clone panicked; the ring itself is whole.
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        while ring.len() >= capacity {
            ring.pop_front();
        }
        ring.push_back(record);
    }

    /// All records, oldest first.
    pub fn all(&self) -> Vec<T> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(capacity: usize, pushed: usize, expected: &[usize]) {
        let ring = Recent::new(capacity);
        for n in 0..pushed {
            ring.push(n);
        }
        assert_eq!(ring.all(), expected, "capacity {capacity}, {pushed} pushed");
        assert_eq!(ring.is_on(), capacity > 0);
    }

    #[test]
    fn keeps_the_last() {
        check(0, 5, &[]);
        check(3, 0, &[]);
        check(3, 2, &[0, 1]);
        check(3, 3, &[0, 1, 2]);
        check(3, 5, &[2, 3, 4]);
    }

    #[test]
    fn a_huge_wish_is_cut() {
        let ring = Recent::new(usize::MAX);
        for n in 0..RECENT_MAX + 5 {
            ring.push(n);
        }
        assert_eq!(ring.all().len(), RECENT_MAX);
    }
}
