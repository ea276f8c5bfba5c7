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
}

impl From<Vec<Value>> for Growable {
    fn from(items: Vec<Value>) -> Self {
        Growable { items: items.into(), version: 0 }
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
