//! `limit-concurrency`: how many requests are inside a section, over all workers of the node.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use gateway_policy::effect::Permit;

/// Occupied sections by key. A key is here only while somebody is inside, so the table is bounded by the
/// requests in flight.
#[derive(Clone, Debug, Default)]
pub(crate) struct Permits {
    inside: Arc<Mutex<HashMap<Arc<str>, u64>>>,
}

/// Leaves the section when dropped.
struct Place {
    inside: Arc<Mutex<HashMap<Arc<str>, u64>>>,
    key: Arc<str>,
}

impl Permits {
    /// A place in the section `key`, unless `max` are inside already.
    pub(crate) fn enter(&self, key: &Arc<str>, max: u64) -> Option<Permit> {
        // Nothing can panic while the table is held, so a poisoned one is whole.
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let count = inside.get(key).copied().unwrap_or(0);
        if count >= max {
            return None;
        }
        inside.insert(Arc::clone(key), count + 1);
        Some(Permit(Box::new(Place {
            inside: Arc::clone(&self.inside),
            key: Arc::clone(key),
        })))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        match inside.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                inside.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_holds_so_many_and_forgets_those_who_left() {
        let permits = Permits::default();
        let key: Arc<str> = "k".into();
        let first = permits.enter(&key, 2);
        let second = permits.enter(&key, 2);
        assert!(first.is_some() && second.is_some());
        assert!(permits.enter(&key, 2).is_none());
        assert!(permits.enter(&"other".into(), 1).is_some());
        drop(first);
        assert!(permits.enter(&key, 2).is_some());
        drop(second);
        assert!(permits.inside.lock().unwrap().is_empty());
        assert!(permits.enter(&key, 0).is_none());
    }
}
