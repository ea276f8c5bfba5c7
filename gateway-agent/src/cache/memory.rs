//! The memory cache of one node, shared by its workers.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};
use tokio::time::Instant;

/// What an entry takes beside key and bytes: two counts, two pointers, the cache's own links.
const OVERHEAD: usize = 128;
/// Entries the tables are sized for at first; they grow with use.
const EXPECTED_ENTRY_BYTES: usize = 4 * 1024;

/// Entries by key, with a bound in bytes: what is used often stays (S3-FIFO), what is over its time is gone.
pub(crate) struct Memory {
    entries: Cache<Arc<str>, Entry, Weight>,
}

#[derive(Clone)]
struct Entry {
    bytes: Bytes,
    expires: Instant,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Arc<str>, Entry> for Weight {
    fn weight(&self, key: &Arc<str>, entry: &Entry) -> u64 {
        (key.len() + entry.bytes.len() + OVERHEAD) as u64
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

impl Memory {
    /// A cache of at most `bytes`.
    pub(crate) fn new(bytes: usize) -> Self {
        let expected = (bytes / EXPECTED_ENTRY_BYTES).max(1);
        Self {
            entries: Cache::with_weighter(expected, bytes as u64, Weight),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Bytes> {
        let entry = self.entries.get(key)?;
        if Instant::now() < entry.expires {
            return Some(entry.bytes);
        }
        self.entries.remove(key);
        None
    }

    pub(crate) fn set(&self, key: &str, bytes: Bytes, time: Duration) {
        // A slice of a network buffer would keep the whole buffer alive, beyond the bound.
        let bytes = Bytes::copy_from_slice(&bytes);
        let expires = Instant::now() + time;
        self.entries.insert(key.into(), Entry { bytes, expires });
    }

    pub(crate) fn remove(&self, key: &str) {
        self.entries.remove(key);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.entries.weight()
    }

    pub(crate) fn entries(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn entries_live_for_their_time() {
        let memory = Memory::new(1 << 20);
        memory.set("k", "v".into(), MINUTE);
        assert_eq!(memory.get("k").as_deref(), Some(&b"v"[..]));
        tokio::time::advance(MINUTE - Duration::from_millis(1)).await;
        assert!(memory.get("k").is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(memory.get("k").is_none());
        assert_eq!(memory.entries(), 0, "what is over is not kept");
        memory.set("k", "w".into(), MINUTE);
        memory.remove("k");
        assert!(memory.get("k").is_none());
    }

    #[tokio::test]
    async fn bytes_are_bounded_and_what_is_used_stays() {
        let memory = Memory::new(1 << 20);
        memory.set("used", Bytes::from(vec![1; 1_000]), MINUTE);
        for n in 0..10_000 {
            assert!(memory.get("used").is_some(), "after {n}");
            memory.set(&format!("key {n}"), Bytes::from(vec![0; 1_000]), MINUTE);
            assert!(memory.bytes() <= 1 << 20, "{}", memory.bytes());
        }
        assert!(memory.entries() > 500);
        // More than the whole cache is not kept.
        memory.set("huge", Bytes::from(vec![0; 2 << 20]), MINUTE);
        assert!(memory.get("huge").is_none() && memory.bytes() <= 1 << 20);
    }
}
