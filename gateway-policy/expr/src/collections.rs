//! Storage of the generic collections: growable lists and hash tables with .NET's enumeration order.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use crate::{Value, equality::{self, Comparer}};

/// A list with the version number that makes enumeration fail after a change.
#[derive(Default)]
pub(crate) struct Growable {
    pub items: std::collections::VecDeque<Value>,
    pub version: u32,
    /// What `Capacity` told last; it grows with the items when it is asked for again.
    capacity: usize,
}

impl Growable {
    /// A list with room for so many.
    pub(crate) fn with_capacity(items: Vec<Value>, capacity: usize) -> Self {
        Growable {
            items: items.into(),
            version: 0,
            capacity,
        }
    }

    /// `Capacity`: doubled, from four on, until the items fit.
    pub(crate) fn capacity(&mut self) -> usize {
        while self.capacity < self.items.len() {
            self.capacity = (self.capacity * 2).max(4);
        }
        self.capacity
    }

    /// Room for `more` items that come at once: exactly so many where doubling is not enough.
    pub(crate) fn reserve(&mut self, more: usize) {
        let wanted = self.items.len() + more;
        if self.capacity() < wanted {
            self.capacity = (self.capacity * 2).max(4).max(wanted);
        }
    }

    /// Setting `Capacity`; false where the items do not fit.
    pub(crate) fn set_capacity(&mut self, capacity: usize) -> bool {
        let fits = capacity >= self.items.len();
        if fits {
            self.capacity = capacity;
        }
        fits
    }
}

impl From<Vec<Value>> for Growable {
    fn from(items: Vec<Value>) -> Self {
        let capacity = items.len();
        Growable::with_capacity(items, capacity)
    }
}

/// A hash table: entries in order of insertion, freed places filled last freed first, as .NET does.
pub(crate) struct Table {
    entries: Vec<Option<(Value, Value)>>,
    free: Vec<usize>,
    index: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
    pub comparer: Comparer,
    pub version: u32,
    /// Places for entries in .NET's terms: a prime, or none before the first.
    capacity: usize,
}

/// The primes .NET's tables have as sizes.
const PRIMES: &[usize] = &[
    3, 7, 11, 17, 23, 29, 37, 47, 59, 71, 89, 107, 131, 163, 197, 239, 293, 353, 431, 521, 631, 761, 919, 1103, 1327,
    1597, 1931, 2333, 2801, 3371, 4049, 4861, 5839, 7013, 8419, 10103, 12143, 14591, 17519, 21023, 25229, 30293, 36353,
    43627, 52361, 62851, 75431, 90523, 108631, 130363, 156437, 187751, 225307, 270371, 324449, 389357, 467237, 560689,
    672827, 807403, 968897, 1162687, 1395263, 1674319, 2009191, 2411033, 2893249, 3471899, 4166287, 4999559, 5999471,
    7199369,
];

/// The size of a table for `least` entries.
fn prime(least: usize) -> usize {
    if let Some(found) = PRIMES.iter().find(|p| **p >= least) {
        return *found;
    }
    let is_prime = |n: usize| (3..).step_by(2).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    let mut candidate = least | 1;
    // Not one less than a multiple of 101, which hash codes step by.
    while !is_prime(candidate) || (candidate - 1).is_multiple_of(101) {
        candidate += 2;
    }
    candidate
}

impl Table {
    pub(crate) fn new(comparer: Comparer) -> Self {
        Table {
            entries: Vec::new(),
            free: Vec::new(),
            index: HashMap::new(),
            hasher: RandomState::new(),
            comparer,
            version: 0,
            capacity: 0,
        }
    }

    /// `EnsureCapacity`: the capacity then.
    pub(crate) fn ensure_capacity(&mut self, wanted: usize) -> usize {
        if self.capacity() < wanted {
            self.version += 1;
            self.capacity = prime(wanted);
        }
        self.capacity
    }

    /// The places there are: what was asked for, and what the entries since then made of it.
    fn capacity(&mut self) -> usize {
        while self.capacity < self.entries.len() {
            self.capacity = prime(self.capacity * 2);
        }
        self.capacity
    }

    /// `TrimExcess(capacity)`: freed places go, the others close up.
    /// With `always`, even where that gives no smaller table.
    pub(crate) fn trim(&mut self, wanted: usize, always: bool) {
        let size = prime(wanted);
        if size >= self.capacity() && !always {
            return;
        }
        self.capacity = size;
        self.version += 1;
        self.entries.retain(Option::is_some);
        self.free.clear();
        self.index.clear();
        let hashes: Vec<u64> = self
            .entries
            .iter()
            .flatten()
            .map(|(key, _)| self.hash(key))
            .collect();
        for (at, hash) in hashes.into_iter().enumerate() {
            self.index.entry(hash).or_default().push(at);
        }
    }

    fn hash(&self, key: &Value) -> u64 {
        let mut state = self.hasher.build_hasher();
        equality::hash(key, self.comparer, &mut state);
        std::hash::Hasher::finish(&state)
    }

    fn find(&self, key: &Value) -> Option<usize> {
        self.index.get(&self.hash(key))?.iter().copied().find(|i| {
            matches!(self.entries.get(*i), Some(Some((k, _))) if equality::equals(k, key, self.comparer))
        })
    }

    pub(crate) fn get(&self, key: &Value) -> Option<&Value> {
        self.entries.get(self.find(key)?)?.as_ref().map(|(_, v)| v)
    }

    pub(crate) fn contains(&self, key: &Value) -> bool {
        self.find(key).is_some()
    }

    /// Adds or replaces; false when the key was there.
    pub(crate) fn set(&mut self, key: Value, value: Value) -> bool {
        self.version += 1;
        if let Some(Some(entry)) = self.find(&key).and_then(|i| self.entries.get_mut(i)) {
            entry.1 = value;
            return false;
        }
        let hash = self.hash(&key);
        let at = match self.free.pop() {
            Some(i) => {
                self.entries[i] = Some((key, value));
                i
            }
            None => {
                self.entries.push(Some((key, value)));
                self.entries.len() - 1
            }
        };
        self.index.entry(hash).or_default().push(at);
        true
    }

    pub(crate) fn remove(&mut self, key: &Value) -> Option<Value> {
        let at = self.find(key)?;
        let hash = self.hash(key);
        if let Some(list) = self.index.get_mut(&hash) {
            list.retain(|i| *i != at);
        }
        self.version += 1;
        self.free.push(at);
        self.entries.get_mut(at)?.take().map(|(_, v)| v)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.free.clear();
        self.index.clear();
        self.version += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// The first entry at or behind place `at`, with its place.
    pub(crate) fn entry_from(&self, at: usize) -> Option<(usize, &Value, &Value)> {
        (at..self.entries.len()).find_map(|i| self.entries.get(i)?.as_ref().map(|(k, v)| (i, k, v)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Value, &Value)> {
        self.entries.iter().flatten().map(|(k, v)| (k, v))
    }
}
