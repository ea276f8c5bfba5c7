//! OpenID metadata and keys for `validate-jwt`: fetched when first asked for, kept by URL, shared by all workers.
//!
//! As the original: fetched hourly, and again when a token names an unknown key, but then at most every five
//! minutes. One request fetches, the others that need the same document wait for it. An issuer that is down
//! changes nothing for tokens of keys that are known: what was fetched last goes on serving for a day.

mod fetch;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gateway_policy::{Failure, jose::OpenIdConfiguration};
use tokio::time::Instant;

pub(crate) use fetch::fetch;

use crate::telemetry::EffectMetrics;

/// Documents kept. A gateway has a handful of issuers; URLs can be made by expressions, so a bound is needed.
/// Beyond it the one that was asked for longest ago is forgotten.
const DOCUMENTS_MAX: usize = 256;
/// How long documents serve that could not be fetched again. An issuer that withdraws a key while it cannot be
/// reached is believed for that long; an issuer that is down for that long needs people anyway.
const STALE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Pause after the first failure of a document that was never fetched; doubled with each further one, up to the
/// minimum refresh interval. Until then requests fail at once instead of waiting for the issuer.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// When documents are fetched again.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// After this time anyway.
    pub refresh: Duration,
    /// At most this often when a key is unknown or the last fetch failed.
    pub minimum: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(3_600),
            minimum: Duration::from_secs(300),
        }
    }
}

/// All documents of the node.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    timing: Timing,
    entries: Mutex<HashMap<Arc<str>, Arc<Entry>>>,
}

/// One discovery document with its keys.
#[derive(Debug, Default)]
struct Entry {
    state: Mutex<State>,
    /// Held by whoever fetches.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<(Arc<OpenIdConfiguration>, Instant)>,
    /// When the last fetch ended, whatever came of it.
    tried: Option<Instant>,
    /// Failures in a row, and the last one's reason.
    failures: u32,
    reason: Option<String>,
    used: Option<Instant>,
}

/// What to do for one request.
#[derive(Debug)]
enum Plan {
    /// This is good enough.
    Use(Arc<OpenIdConfiguration>),
    /// This serves while somebody fetches a newer one.
    Renew(Arc<OpenIdConfiguration>),
    /// It must be fetched first; what there is, if that fails.
    Fetch(Option<Arc<OpenIdConfiguration>>),
    /// The last try failed a moment ago.
    Failed(String),
}

impl Directory {
    pub(crate) fn new(timing: Timing) -> Self {
        Self {
            timing,
            entries: Mutex::default(),
        }
    }

    /// The document at `url` with its keys. `refresh`: those handed out before do not fit a token.
    ///
    /// `fetch` is called at most once, and `later` gets the work of fetching when the request need not wait.
    ///
    /// # Errors
    /// There is none, and it cannot be fetched: the request fails closed.
    pub(crate) async fn get<F>(
        self: &Arc<Self>,
        url: &Arc<str>,
        refresh: bool,
        metrics: &EffectMetrics,
        fetch: impl FnOnce() -> F,
        later: impl FnOnce(Renewal),
    ) -> Result<Arc<OpenIdConfiguration>, Failure>
    where
        F: Future<Output = Result<OpenIdConfiguration, String>>,
    {
        let entry = self.entry(url);
        let mut fallback = match entry.plan(self.timing, refresh) {
            Plan::Use(document) => return Ok(document),
            Plan::Failed(reason) => return Err(unreachable(url, &reason)),
            Plan::Renew(document) => {
                if entry.turn.try_lock().is_ok() {
                    later(Renewal {
                        entry,
                        timing: self.timing,
                    });
                } else {
                    metrics.openid_stale.inc();
                }
                return Ok(document);
            }
            Plan::Fetch(fallback) => fallback,
        };
        let _turn = entry.turn.lock().await;
        // Somebody else may have fetched it while this request waited.
        match entry.plan(self.timing, refresh) {
            Plan::Use(document) | Plan::Renew(document) => return Ok(document),
            Plan::Failed(reason) => return Err(unreachable(url, &reason)),
            Plan::Fetch(newer) => fallback = newer.or(fallback),
        }
        match (entry.store(fetch().await, url, metrics), fallback) {
            (Ok(document), _) => Ok(document),
            (Err(_), Some(document)) => {
                metrics.openid_stale.inc();
                Ok(document)
            }
            (Err(reason), None) => Err(unreachable(url, &reason)),
        }
    }

    fn entry(&self, url: &Arc<str>) -> Arc<Entry> {
        // Nothing can panic while the table is held, so a poisoned one is whole.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(url) {
            return Arc::clone(entry);
        }
        if entries.len() >= DOCUMENTS_MAX
            && let Some(oldest) = entries
                .iter()
                .min_by_key(|(_, entry)| entry.state().used)
                .map(|(url, _)| Arc::clone(url))
        {
            entries.remove(&oldest);
        }
        Arc::clone(entries.entry(Arc::clone(url)).or_default())
    }
}

/// A document that is due, fetched beside the requests it serves meanwhile.
#[derive(Debug)]
pub(crate) struct Renewal {
    entry: Arc<Entry>,
    timing: Timing,
}

impl Renewal {
    pub(crate) async fn run<F>(self, url: &str, metrics: &EffectMetrics, fetch: impl FnOnce() -> F)
    where
        F: Future<Output = Result<OpenIdConfiguration, String>>,
    {
        let _turn = self.entry.turn.lock().await;
        if let Plan::Renew(_) = self.entry.plan(self.timing, false) {
            // A failure is counted and logged where it is stored.
            let _ = self.entry.store(fetch().await, url, metrics);
        }
    }
}

impl Entry {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self, timing: Timing, refresh: bool) -> Plan {
        let now = Instant::now();
        let mut state = self.state();
        state.used = Some(now);
        let since = |then: Instant| now.saturating_duration_since(then);
        let may_try = state
            .tried
            .is_none_or(|tried| since(tried) >= state.pause(timing.minimum));
        match &state.current {
            Some((document, fetched)) if since(*fetched) < timing.refresh => match refresh && may_try {
                true => Plan::Fetch(Some(Arc::clone(document))),
                false => Plan::Use(Arc::clone(document)),
            },
            Some((document, fetched)) if since(*fetched) < STALE_MAX => match (refresh, may_try) {
                (true, true) => Plan::Fetch(Some(Arc::clone(document))),
                (false, true) => Plan::Renew(Arc::clone(document)),
                (_, false) => Plan::Use(Arc::clone(document)),
            },
            _ if may_try => Plan::Fetch(None),
            _ => Plan::Failed(state.reason.clone().unwrap_or_default()),
        }
    }

    fn store(
        &self,
        fetched: Result<OpenIdConfiguration, String>,
        url: &str,
        metrics: &EffectMetrics,
    ) -> Result<Arc<OpenIdConfiguration>, String> {
        let now = Instant::now();
        let mut state = self.state();
        state.tried = Some(now);
        match fetched {
            Ok(document) => {
                metrics.openid_fetches.with_label_values(&["ok"]).inc();
                let document = Arc::new(document);
                state.current = Some((Arc::clone(&document), now));
                state.failures = 0;
                state.reason = None;
                Ok(document)
            }
            Err(reason) => {
                metrics.openid_fetches.with_label_values(&["failed"]).inc();
                tracing::warn!(
                    event = "OpenIdFetchFailed",
                    url,
                    "OpenID metadata cannot be fetched: {reason}"
                );
                state.failures = state.failures.saturating_add(1);
                state.reason = Some(reason.clone());
                Err(reason)
            }
        }
    }
}

impl State {
    /// Least time between two fetches.
    fn pause(&self, minimum: Duration) -> Duration {
        match (&self.current, self.failures) {
            (None, failures @ 1..) => {
                let doubled = FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(16));
                doubled.min(minimum)
            }
            _ => minimum,
        }
    }
}

fn unreachable(url: &str, reason: &str) -> Failure {
    Failure::BackendConnection(format!(
        "Unable to obtain OpenID configuration from '{url}': {reason}"
    ))
}
