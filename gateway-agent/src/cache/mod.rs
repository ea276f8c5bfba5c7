//! Caches behind the cache policies: the external one, and a memory cache of this node when a setting turns it on.
//!
//! As documented for self-hosted gateways there is no cache by default: look-ups miss and stores do nothing. A
//! cache that fails is a miss as well; only a removal tells, for those who asked to know.

mod memory;

use std::time::Duration;

use bytes::Bytes;
use gateway_policy::{
    Failure, Value, cached,
    effect::{CacheAction, CacheRequest, CachingType, Outcome},
};

pub(crate) use memory::Memory;

use crate::{external::Down, worker::Worker};

/// Largest entry: the documented limit of a cached response.
const ENTRY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What a cache is called in metrics.
const EXTERNAL: &str = "external";
const MEMORY: &str = "memory";
const NONE: &str = "none";

/// Does one cache operation.
pub(crate) async fn perform(worker: &Worker, request: CacheRequest) -> Outcome {
    let CacheRequest { key, cache, action } = request;
    let external = worker.external().is_some() && cache != CachingType::Internal;
    let memory = worker.node.memory_cache.is_some() && cache != CachingType::External;
    let which = match (external, memory) {
        (true, _) => EXTERNAL,
        (false, true) => MEMORY,
        (false, false) => NONE,
    };
    let told = |operation: &str, result: &str| {
        let operations = &worker.node.metrics.effects.cache_operations;
        operations.with_label_values(&[which, operation, result]).inc();
    };
    match action {
        CacheAction::Lookup => {
            let (found, result) = match lookup(worker, which, &key).await {
                Ok(Some(value)) => (Some(value), "hit"),
                Ok(None) => (None, "miss"),
                Err(Down(reason)) => {
                    tracing::debug!("a cache look-up failed: {reason}");
                    (None, "failed")
                }
            };
            told("lookup", result);
            Outcome::Cached(found)
        }
        CacheAction::Store { value, duration } => {
            told("store", store(worker, which, &key, &value, duration).await);
            Outcome::Cached(None)
        }
        CacheAction::Remove => match remove(worker, which, &key).await {
            Ok(()) => {
                told("remove", "ok");
                Outcome::Cached(None)
            }
            Err(Down(reason)) => {
                told("remove", "failed");
                Outcome::Failed(Failure::BackendConnection(format!(
                    "The external cache cannot be reached: {reason}"
                )))
            }
        },
    }
}

async fn lookup(worker: &Worker, which: &str, key: &str) -> Result<Option<Value>, Down> {
    let bytes = match (which, worker.external(), &worker.node.memory_cache) {
        (EXTERNAL, Some(external), _) => external.get(key).await?.map(Bytes::from),
        (MEMORY, _, Some(memory)) => memory.get(key),
        _ => None,
    };
    // Bytes that are no entry are somebody else's, or of another version: a miss.
    Ok(bytes.as_ref().and_then(cached::decode))
}

/// Stores, and says what came of it.
async fn store(worker: &Worker, which: &str, key: &str, value: &Value, time: Duration) -> &'static str {
    let Some(entry) = cached::encode(value) else {
        return "unsupported";
    };
    if entry.len() > ENTRY_BYTES_MAX {
        return "too_large";
    }
    if time.is_zero() {
        return "expired";
    }
    match (which, worker.external(), &worker.node.memory_cache) {
        (EXTERNAL, Some(external), _) => match external.set(key, &entry, time).await {
            Ok(()) => "ok",
            Err(Down(reason)) => {
                tracing::debug!("a cache store failed: {reason}");
                "failed"
            }
        },
        (MEMORY, _, Some(memory)) => {
            memory.set(key, entry, time);
            let effects = &worker.node.metrics.effects;
            effects.cache_bytes.set(memory.bytes() as i64);
            effects.cache_entries.set(memory.entries() as i64);
            "ok"
        }
        _ => "ignored",
    }
}

async fn remove(worker: &Worker, which: &str, key: &str) -> Result<(), Down> {
    match (which, worker.external(), &worker.node.memory_cache) {
        (EXTERNAL, Some(external), _) => external.remove(key).await,
        (MEMORY, _, Some(memory)) => {
            memory.remove(key);
            Ok(())
        }
        _ => Ok(()),
    }
}
