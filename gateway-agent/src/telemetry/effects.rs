//! Metric families of what policies ask for beside the backend: caches, counters, keys, tokens.

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};

use super::families::{Built, Families};

/// Operations of the external cache: from the same rack to a bad day.
const REDIS_SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
];

/// Caches, counters, keys, tokens.
#[derive(Debug)]
pub struct EffectMetrics {
    /// Fetches of OpenID metadata, by result (`ok`, `failed`).
    pub openid_fetches: IntCounterVec,
    /// Answers with metadata that was due to be fetched again.
    pub openid_stale: IntCounter,
    /// Checks of client certificates against revocation lists, by result (`good`, `revoked`, `unknown`).
    pub revocation_checks: IntCounterVec,
    /// Cache operations of policies, by cache (`external`, `memory`, `none`), operation and result.
    pub cache_operations: IntCounterVec,
    /// Bytes in the memory cache.
    pub cache_bytes: IntGauge,
    /// Entries in the memory cache.
    pub cache_entries: IntGauge,
    /// Connections to the external cache, at most one a worker.
    pub external_connections: IntGauge,
    /// Failures of the external cache, by reason (`connect`, `timeout`, `connection`, `refused`).
    pub external_failures: IntCounterVec,
    /// Duration of operations of the external cache.
    pub external_duration: Histogram,
    /// Checks of rate limits and quotas that the external cache counted.
    pub counts_external: IntCounter,
    /// Those that this node counted for itself.
    pub counts_node: IntCounter,
    /// Tokens of the node's identity, by source and result (`ok`, `failed`).
    pub tokens: IntCounterVec,
}

impl EffectMetrics {
    pub(super) fn new(f: &Families<'_>) -> Built<Self> {
        let counts = f.counters(
            "gateway_counts_total",
            "Checks of rate limits and quotas, by where they were counted.",
            &["where"],
        )?;
        Ok(Self {
            openid_fetches: f.counters(
                "gateway_openid_fetches_total",
                "Fetches of OpenID metadata and keys.",
                &["result"],
            )?,
            openid_stale: f.counter(
                "gateway_openid_stale_total",
                "Requests checked with OpenID keys that were due to be fetched again.",
            )?,
            revocation_checks: f.counters(
                "gateway_revocation_checks_total",
                "Checks of client certificates against the revocation lists of their authorities.",
                &["result"],
            )?,
            cache_operations: f.counters(
                "gateway_cache_operations_total",
                "Cache operations of policies.",
                &["cache", "operation", "result"],
            )?,
            cache_bytes: f.gauge("gateway_cache_memory_bytes", "Bytes in the memory cache.")?,
            cache_entries: f.gauge("gateway_cache_memory_entries", "Entries in the memory cache.")?,
            external_connections: f.gauge(
                "gateway_external_cache_connections",
                "Workers that are connected to the external cache.",
            )?,
            external_failures: f.counters(
                "gateway_external_cache_failures_total",
                "Operations of the external cache that failed.",
                &["reason"],
            )?,
            external_duration: f.histogram(
                "gateway_external_cache_duration_seconds",
                "Duration of operations of the external cache.",
                REDIS_SECONDS,
            )?,
            counts_external: counts.get_metric_with_label_values(&["external"])?,
            counts_node: counts.get_metric_with_label_values(&["node"])?,
            tokens: f.counters(
                "gateway_identity_tokens_total",
                "Access tokens fetched for the node's own identity.",
                &["source", "result"],
            )?,
        })
    }
}
