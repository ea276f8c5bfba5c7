//! Access tokens of the node's own identity for `authentication-managed-identity`.
//!
//! Where they come from is decided by the settings: the pod's federated token, an Entra application, Azure Arc,
//! App Service, or the metadata service of a virtual machine. A token is kept until shortly before its end and
//! renewed beside the requests it still serves; one request fetches, the others that want the same wait for it.

mod assertion;
mod source;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gateway_policy::{Failure, effect::TokenRequest};
use tokio::time::Instant;

pub use assertion::Certificate;
pub(crate) use source::{ENDPOINT_REFUSED, Http, OverPool, fetch};
pub use source::{Proof, Source};

use crate::telemetry::EffectMetrics;

/// Tokens kept. Documents name a handful of resources; resources can be made by expressions, so a bound is
/// needed. Beyond it the one that ends first is forgotten.
const TOKENS_MAX: usize = 256;
/// A token is renewed this long before its end, or at half of its life when that is shorter.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// A token this close to its end is not handed out: it would be refused on its way.
const END_MARGIN: Duration = Duration::from_secs(30);
/// Pause after a failure; doubled with each further one. Until then requests without a token fail at once.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Where tokens come from.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The source of the settings.
    pub source: Source,
    /// The pod's own identity, for policies that ask for that one.
    pub workload: Option<Source>,
}

/// A token as it was fetched.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: Arc<str>,
    pub(crate) life: Duration,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

/// All tokens of the node.
#[derive(Debug)]
pub(crate) struct Tokens {
    config: Config,
    entries: Mutex<HashMap<TokenRequest, Arc<Entry>>>,
}

#[derive(Debug, Default)]
struct Entry {
    state: Mutex<State>,
    /// Held by whoever fetches.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Arc<str>>,
    renew: Option<Instant>,
    ends: Option<Instant>,
    failures: u32,
    not_before: Option<Instant>,
    reason: String,
}

enum Plan {
    Use(Arc<str>),
    Renew(Arc<str>),
    Fetch,
    Failed(String),
}

impl Tokens {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            entries: Mutex::default(),
        }
    }

    /// The source that answers a request.
    ///
    /// # Errors
    /// There is none of that kind.
    pub(crate) fn source(&self, request: &TokenRequest) -> Result<&Source, Failure> {
        if !request.workload_identity {
            return Ok(&self.config.source);
        }
        self.config.workload.as_ref().ok_or_else(|| {
            Failure::BackendConnection(
                "This node has no workload identity: AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID and \
                 AZURE_CLIENT_ID are not set."
                    .to_owned(),
            )
        })
    }

    /// A token. `fetch` is called at most once; `later` gets the renewal that no request waits for.
    ///
    /// # Errors
    /// There is none to be had.
    pub(crate) async fn get<F>(
        &self,
        request: &TokenRequest,
        metrics: &EffectMetrics,
        fetch: impl FnOnce() -> F,
        later: impl FnOnce(Renewal),
    ) -> Result<Arc<str>, Failure>
    where
        F: Future<Output = Result<Token, String>>,
    {
        let entry = self.entry(request);
        let source = self.source(request)?.name();
        match entry.plan() {
            Plan::Use(token) => return Ok(token),
            Plan::Failed(reason) => return Err(none(&reason)),
            Plan::Renew(token) => {
                if entry.turn.try_lock().is_ok() {
                    later(Renewal { entry, source });
                }
                return Ok(token);
            }
            Plan::Fetch => {}
        }
        let _turn = entry.turn.lock().await;
        // Somebody else may have fetched it while this request waited.
        match entry.plan() {
            Plan::Use(token) | Plan::Renew(token) => Ok(token),
            Plan::Failed(reason) => Err(none(&reason)),
            Plan::Fetch => entry
                .store(fetch().await, source, metrics)
                .map_err(|reason| none(&reason)),
        }
    }

    /// Drops a token that was refused: the next one who asks fetches another.
    pub(crate) fn forget(&self, request: &TokenRequest) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(request);
    }

    fn entry(&self, request: &TokenRequest) -> Arc<Entry> {
        // Nothing can panic while the table is held, so a poisoned one is whole.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(request) {
            return Arc::clone(entry);
        }
        if entries.len() >= TOKENS_MAX
            && let Some(first) = entries
                .iter()
                .min_by_key(|(_, entry)| entry.state().ends)
                .map(|(request, _)| request.clone())
        {
            entries.remove(&first);
        }
        Arc::clone(entries.entry(request.clone()).or_default())
    }
}

/// A token that is due, fetched beside the requests it serves meanwhile.
#[derive(Debug)]
pub(crate) struct Renewal {
    entry: Arc<Entry>,
    source: &'static str,
}

impl Renewal {
    pub(crate) async fn run<F>(self, metrics: &EffectMetrics, fetch: impl FnOnce() -> F)
    where
        F: Future<Output = Result<Token, String>>,
    {
        let _turn = self.entry.turn.lock().await;
        if let Plan::Renew(_) = self.entry.plan() {
            // A failure is counted and logged where it is stored.
            let _ = self.entry.store(fetch().await, self.source, metrics);
        }
    }
}

impl Entry {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self) -> Plan {
        let (now, state) = (Instant::now(), self.state());
        let paused = state.not_before.is_some_and(|then| now < then);
        let live = state
            .token
            .as_ref()
            .filter(|_| state.ends.is_some_and(|ends| now < ends));
        match live {
            Some(token) if paused || state.renew.is_some_and(|renew| now < renew) => {
                Plan::Use(Arc::clone(token))
            }
            Some(token) => Plan::Renew(Arc::clone(token)),
            None if paused => Plan::Failed(state.reason.clone()),
            None => Plan::Fetch,
        }
    }

    fn store(
        &self,
        fetched: Result<Token, String>,
        source: &'static str,
        metrics: &EffectMetrics,
    ) -> Result<Arc<str>, String> {
        let (now, mut state) = (Instant::now(), self.state());
        match fetched {
            Ok(Token { text, life }) => {
                metrics.tokens.with_label_values(&[source, "ok"]).inc();
                state.token = Some(Arc::clone(&text));
                state.ends = Some(now + life.saturating_sub(END_MARGIN));
                state.renew = Some(now + life.saturating_sub(RENEW_BEFORE).max(life / 2));
                state.failures = 0;
                state.not_before = None;
                Ok(text)
            }
            Err(reason) => {
                metrics.tokens.with_label_values(&[source, "failed"]).inc();
                tracing::warn!(event = "TokenFetchFailed", source, "no access token: {reason}");
                let pause = FIRST_PAUSE
                    .saturating_mul(1 << state.failures.min(16))
                    .min(LONGEST_PAUSE);
                state.failures = state.failures.saturating_add(1);
                state.not_before = Some(now + pause);
                state.reason.clone_from(&reason);
                Err(reason)
            }
        }
    }
}

fn none(reason: &str) -> Failure {
    Failure::BackendConnection(format!("No access token of the node's identity: {reason}"))
}
