//! The external cache: one connection a worker to a Redis server or cluster.
//!
//! A request never waits longer than one operation may take, and not at all while the server is known to be
//! away: it is asked again after a pause that grows. What a failure means is the caller's business: a cache
//! misses, a counter counts on this node alone.

mod connect;
mod counts;
#[cfg(test)]
mod tests;

use std::{cell::RefCell, fmt, rc::Rc, sync::Arc, time::Duration};

use gateway_config::settings::Redis;
use redis::{Cmd, FromRedisValue, RedisError};
use rustls::crypto::CryptoProvider;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use connect::Connection;
pub(crate) use counts::{Scripts, count};

use crate::{telemetry::Metrics, tls};

/// Pause after the first failed connection; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest: a server that came back is used after this at the latest.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// In front of every key, so that others may use the same database.
const PREFIX: &str = "apim-gateway:";

/// Which server, and how it is used.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address, credentials, limits.
    pub redis: Redis,
    /// PEM of the authorities believed; `None`: the public ones.
    pub authorities: Option<Arc<[u8]>>,
    /// Rate limits and quotas are counted there.
    pub counts: bool,
}

/// The external cache as one worker sees it.
pub(crate) struct External {
    config: Arc<Config>,
    metrics: Arc<Metrics>,
    scripts: Scripts,
    state: RefCell<State>,
    /// Told when an attempt to connect is over.
    settled: Notify,
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("External")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    connecting: bool,
    /// Attempts that failed in a row.
    failures: u32,
    not_before: Option<Instant>,
    /// What the last failure was, for those who are not let through.
    reason: Arc<str>,
}

/// The external cache did not do what it was asked; the text says why.
#[derive(Clone, Debug)]
pub(crate) struct Down(pub(crate) Arc<str>);

impl External {
    pub(crate) fn new(config: &Arc<Config>, metrics: &Arc<Metrics>) -> Rc<Self> {
        // The library asks for the default provider. One that is set already is the same.
        let _ = CryptoProvider::install_default(Arc::unwrap_or_clone(tls::provider()));
        Rc::new(Self {
            config: Arc::clone(config),
            metrics: Arc::clone(metrics),
            scripts: Scripts::default(),
            state: RefCell::default(),
            settled: Notify::new(),
        })
    }

    /// It was made of this very configuration.
    pub(crate) fn is_of(&self, config: &Arc<Config>) -> bool {
        Arc::ptr_eq(&self.config, config)
    }

    /// Connects before the first request needs it.
    pub(crate) fn begin(self: &Rc<Self>) {
        self.connect();
    }

    /// A cached entry.
    pub(crate) async fn get(self: &Rc<Self>, key: &str) -> Result<Option<Vec<u8>>, Down> {
        let mut command = redis::cmd("GET");
        command.arg(name("v:", key));
        self.run(&command).await
    }

    /// Keeps an entry for a time.
    pub(crate) async fn set(self: &Rc<Self>, key: &str, entry: &[u8], time: Duration) -> Result<(), Down> {
        let mut command = redis::cmd("SET");
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        command
            .arg(name("v:", key))
            .arg(entry)
            .arg("PX")
            .arg(milliseconds);
        self.run(&command).await
    }

    /// Forgets an entry.
    pub(crate) async fn remove(self: &Rc<Self>, key: &str) -> Result<(), Down> {
        let mut command = redis::cmd("DEL");
        command.arg(name("v:", key));
        self.run(&command).await
    }

    async fn run<T: FromRedisValue>(self: &Rc<Self>, command: &Cmd) -> Result<T, Down> {
        self.with(async |connection| command.query_async(connection).await)
            .await
    }

    /// One operation within its limit.
    async fn with<T>(
        self: &Rc<Self>,
        operation: impl AsyncFnOnce(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, Down> {
        let begun = Instant::now();
        let limit = self.config.redis.timeout;
        let mut connection = self.connection(limit).await?;
        let done = timeout(limit.saturating_sub(begun.elapsed()), operation(&mut connection)).await;
        let effects = &self.metrics.effects;
        effects.external_duration.observe(begun.elapsed().as_secs_f64());
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let broken =
                    error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error();
                Err(self.failed(
                    if broken { "connection" } else { "refused" },
                    &error.to_string(),
                    broken,
                ))
            }
            // An answer that comes late would be taken for that of the next question by nobody: the library
            // tells them apart. But a connection that does not answer is not worth keeping.
            Err(_) => Err(self.failed("timeout", &format!("no answer within {limit:?}"), true)),
        }
    }

    fn failed(&self, label: &'static str, reason: &str, broken: bool) -> Down {
        self.metrics
            .effects
            .external_failures
            .with_label_values(&[label])
            .inc();
        let reason: Arc<str> = reason.into();
        let mut state = self.state.borrow_mut();
        if broken && state.connection.take().is_some() {
            self.metrics.effects.external_connections.dec();
            tracing::warn!(
                event = "ExternalCacheLost",
                "the external cache is away: {reason}"
            );
        }
        state.reason = Arc::clone(&reason);
        Down(reason)
    }

    /// The connection; waits for one that is being made, at most `limit`.
    async fn connection(self: &Rc<Self>, limit: Duration) -> Result<Connection, Down> {
        if let Some(connection) = &self.state.borrow().connection {
            return Ok(connection.clone());
        }
        let settled = self.settled.notified();
        if !self.connect() {
            return Err(Down(Arc::clone(&self.state.borrow().reason)));
        }
        let waited = timeout(limit, settled).await;
        let state = self.state.borrow();
        match (&state.connection, waited) {
            (Some(connection), _) => Ok(connection.clone()),
            (None, Ok(())) => Err(Down(Arc::clone(&state.reason))),
            (None, Err(_)) => Err(Down("it is not connected yet".into())),
        }
    }

    /// Begins to connect unless that is under way; false while the pause lasts.
    fn connect(self: &Rc<Self>) -> bool {
        let mut state = self.state.borrow_mut();
        if state.connecting {
            return true;
        }
        if state.not_before.is_some_and(|then| Instant::now() < then) {
            return false;
        }
        state.connecting = true;
        let this = Rc::clone(self);
        // A task of its own: the request that began it may go away.
        tokio::task::spawn_local(async move {
            let limit = this.config.redis.connect_timeout;
            let made = match timeout(limit, connect::open(&this.config)).await {
                Ok(made) => made.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no connection within {limit:?}")),
            };
            this.settle(made);
            this.settled.notify_waiters();
        });
        true
    }

    fn settle(&self, made: Result<Connection, String>) {
        let mut state = self.state.borrow_mut();
        let effects = &self.metrics.effects;
        state.connecting = false;
        match made {
            Ok(connection) => {
                tracing::info!(
                    event = "ExternalCacheConnected",
                    cluster = connection.is_cluster(),
                    "connected to the external cache"
                );
                effects.external_connections.inc();
                state.connection = Some(connection);
                state.failures = 0;
                state.not_before = None;
            }
            Err(reason) => {
                effects.external_failures.with_label_values(&["connect"]).inc();
                if state.failures == 0 {
                    tracing::warn!(
                        event = "ExternalCacheUnreachable",
                        "the external cache cannot be reached; caches miss and counters are this node's own: {reason}"
                    );
                }
                let pause = FIRST_PAUSE
                    .saturating_mul(1 << state.failures.min(16))
                    .min(LONGEST_PAUSE);
                state.failures = state.failures.saturating_add(1);
                state.not_before = Some(Instant::now() + pause);
                state.reason = reason.into();
            }
        }
    }
}

impl Drop for External {
    fn drop(&mut self) {
        if self.state.borrow().connection.is_some() {
            self.metrics.effects.external_connections.dec();
        }
    }
}

/// The name of a key on the server.
fn name(kind: &str, key: &str) -> String {
    [PREFIX, kind, key].concat()
}
