//! Members of an object while it is read: a key that stands twice replaces the first one.

use std::collections::HashMap;

use super::{Key, Node};

/// Up to here a scan beats a hash map; nearly all objects are smaller.
const SCANNED: usize = 32;

/// Keeps reading linear in the size of the document, whatever the number of keys.
#[derive(Default)]
pub(super) struct Members {
    list: Vec<(Key, Node)>,
    /// Positions by name, once there are many.
    index: HashMap<String, usize>,
}

impl Members {
    /// Adds a member; the key comes back when it stood there already.
    pub(super) fn push(&mut self, key: Key, value: Node) -> Option<Key> {
        if let Some(at) = self.position(&key.name) {
            let repeated = key.clone();
            self.list[at] = (key, value);
            return Some(repeated);
        }
        if self.list.len() >= SCANNED {
            if self.index.is_empty() {
                self.index = self
                    .list
                    .iter()
                    .enumerate()
                    .map(|(at, (k, _))| (k.name.clone(), at))
                    .collect();
            }
            self.index.insert(key.name.clone(), self.list.len());
        }
        self.list.push((key, value));
        None
    }

    /// Is there a member of this name?
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        if self.index.is_empty() {
            return self.list.iter().position(|(k, _)| k.name == name);
        }
        self.index.get(name).copied()
    }

    /// The members in order.
    pub(super) fn finish(self) -> Vec<(Key, Node)> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{doc::Data, problem::Place};

    #[test]
    fn few_and_many_keys_behave_alike() {
        for count in [1, SCANNED, SCANNED + 1, 1000] {
            let mut members = Members::default();
            let key = |n: usize| Key {
                name: format!("k{n}"),
                place: Place::default(),
            };
            let value = |n: usize| Node::new(Place::default(), Data::Number(n.to_string()));
            for n in 0..count {
                assert_eq!(members.push(key(n), value(n)), None);
            }
            for n in 0..count {
                assert_eq!(members.push(key(n), value(n + 1)), Some(key(n)), "{count}");
            }
            let list = members.finish();
            assert_eq!(list.len(), count);
            assert!(
                list.iter()
                    .enumerate()
                    .all(|(n, (k, v))| *k == key(n) && *v == value(n + 1))
            );
        }
    }
}
