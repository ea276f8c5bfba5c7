//! What leaves the node about itself: Application Insights, event hubs, OpenTelemetry, StatsD, local logs.
//!
//! Workers push into bounded queues and never wait; everything else happens on the side runtime. A receiver that is
//! away costs telemetry, never a request. Loggers come and go with the configuration: a logger that stays the same
//! keeps its queue and its connection.

mod identity;
pub(crate) mod insights;
mod metrics;
mod pump;
pub(crate) mod queue;
mod stop;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gateway_config::{
    Snapshot,
    telemetry::{Diagnostics, Insights, Logger, LoggerKind, ManagedIdentity},
};
use rustls::RootCertStore;
use tokio::{runtime::Handle, task::JoinHandle, time::Instant};

pub use metrics::{ExportMetrics, SinkName};

use self::{
    identity::Signer,
    insights::{Item, Sender, Target},
    pump::{Sink, pump},
    queue::{Batch, Intake, Queue, Weigh, queue},
    stop::Bell,
};
use super::{Metrics, told::Plan};
use crate::{identity::Tokens, sync::http::Client, tls};

/// Items and bytes waiting for one Application Insights resource: some seconds of a busy node, and no more memory
/// than a large body.
const INSIGHTS_ITEMS: usize = 8_192;
const INSIGHTS_BYTES: usize = 16 << 20;
/// A batch: well below what the ingestion service takes at once.
const INSIGHTS_BATCH: Batch = Batch {
    items: 500,
    bytes: 1 << 20,
    linger: Duration::from_secs(1),
};
/// Time for one exchange with a receiver.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);
/// At the end of the process: at least and at most this long for what is queued, within the drain's deadline.
const FLUSH_LEAST: Duration = Duration::from_secs(2);
const FLUSH_MOST: Duration = Duration::from_secs(10);

/// The exporters of a node.
pub(crate) struct Exports {
    runtime: OnceLock<Handle>,
    bell: Bell,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    insights: Mutex<Vec<(Arc<Logger>, Queue<Item>)>>,
    /// Some diagnostic is in effect.
    told: AtomicBool,
    tokens: Arc<Tokens>,
    client: Result<Client, rustls::Error>,
    metrics: Arc<Metrics>,
    instance: Arc<str>,
}

impl fmt::Debug for Exports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exports").finish_non_exhaustive()
    }
}

/// What a snapshot's diagnostics come to.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    /// By address of the diagnostics, which the snapshot keeps alive.
    by_diagnostics: HashMap<usize, Arc<Plan>>,
}

impl Plans {
    /// The plan for requests under these diagnostics.
    pub(crate) fn of(&self, diagnostics: &Arc<Diagnostics>) -> Option<&Arc<Plan>> {
        if self.by_diagnostics.is_empty() {
            return None;
        }
        self.by_diagnostics.get(&(Arc::as_ptr(diagnostics) as usize))
    }
}

impl Exports {
    pub(crate) fn new(
        roots: Arc<RootCertStore>,
        tokens: Tokens,
        metrics: Arc<Metrics>,
        instance: Arc<str>,
    ) -> Self {
        Self {
            runtime: OnceLock::new(),
            bell: Bell::default(),
            tasks: Mutex::default(),
            insights: Mutex::default(),
            told: AtomicBool::new(false),
            tokens: Arc::new(tokens),
            client: Client::new(&tls::provider(), roots, true, EXCHANGE_TIMEOUT),
            metrics,
            instance,
        }
    }

    /// From now on sinks may run, on `runtime`. Before that nothing is exported.
    pub(crate) fn start(&self, runtime: Handle) {
        // A second call changes nothing.
        let _ = self.runtime.set(runtime);
    }

    /// Some diagnostic is in effect, so records have to be kept.
    pub(crate) fn wants_records(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    /// What a snapshot asks for. Sinks of loggers that it does not know any more end once the requests under the
    /// snapshot before are over.
    pub(crate) fn follow(&self, snapshot: &Snapshot) -> Plans {
        let mut known = self.insights.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Vec::new();
        let mut plans = Plans::default();
        let service = std::iter::once(snapshot.diagnostics(None));
        let apis = snapshot.apis().iter().map(|api| snapshot.diagnostics(Some(api)));
        for diagnostics in service.chain(apis) {
            let key = Arc::as_ptr(diagnostics) as usize;
            if diagnostics.is_empty() || plans.by_diagnostics.contains_key(&key) {
                continue;
            }
            let insights = diagnostics.insights.as_ref().and_then(|diagnostic| {
                let logger = diagnostic.logger.as_ref()?;
                let LoggerKind::Insights(insights) = &logger.kind else {
                    return None;
                };
                Some(Target {
                    diagnostic: Arc::clone(diagnostic),
                    application_id: insights.application_id.clone(),
                    queue: self.insights_queue(logger, insights, &known, &mut next)?,
                })
            });
            let plan = Plan {
                insights,
                local: diagnostics.local.clone(),
            };
            if plan.insights.is_some() || plan.local.is_some() {
                plans.by_diagnostics.insert(key, Arc::new(plan));
            }
        }
        *known = next;
        self.told
            .store(!plans.by_diagnostics.is_empty(), Ordering::Relaxed);
        plans
    }

    /// The queue of a logger: of this snapshot, of the one before, or a new one.
    fn insights_queue(
        &self,
        logger: &Arc<Logger>,
        insights: &Insights,
        before: &[(Arc<Logger>, Queue<Item>)],
        now: &mut Vec<(Arc<Logger>, Queue<Item>)>,
    ) -> Option<Queue<Item>> {
        let same = |one: &&(Arc<Logger>, Queue<Item>)| *one.0 == **logger;
        if let Some((_, queue)) = now.iter().find(same) {
            return Some(queue.clone());
        }
        let queue = match before.iter().find(same) {
            Some((_, queue)) => queue.clone(),
            None => self.start_insights(logger, insights)?,
        };
        now.push((Arc::clone(logger), queue.clone()));
        Some(queue)
    }

    fn start_insights(&self, logger: &Logger, insights: &Insights) -> Option<Queue<Item>> {
        let counters = self.metrics.export.of(SinkName::Insights);
        let client = self.client()?;
        let signer = insights
            .identity
            .as_ref()
            .map(|identity| self.signer(identity, client.clone()));
        let sender = Sender::new(
            insights,
            client,
            Arc::clone(&self.instance),
            signer,
            counters.clone(),
        );
        let sender = sender
            .inspect_err(|error| {
                tracing::error!(event = "TelemetryFailed", logger = %logger.id, "the ingestion endpoint: {error}");
            })
            .ok()?;
        let (items, bytes) = (INSIGHTS_ITEMS, INSIGHTS_BYTES);
        let (queue, intake) = queue(items, bytes, counters.clone());
        self.spawn_pump(intake, sender, INSIGHTS_BATCH, counters)?;
        Some(queue)
    }

    fn signer(&self, identity: &ManagedIdentity, client: Client) -> Signer {
        Signer {
            client,
            tokens: Arc::clone(&self.tokens),
            client_id: identity.client_id.clone(),
            metrics: Arc::clone(&self.metrics),
        }
    }

    fn client(&self) -> Option<Client> {
        match &self.client {
            Ok(client) => Some(client.clone()),
            Err(error) => {
                tracing::error!(event = "TelemetryFailed", "TLS cannot be set up: {error}");
                None
            }
        }
    }

    /// Runs a sink on the side runtime; `None` before that is known.
    fn spawn_pump<S: Sink + 'static>(
        &self,
        intake: Intake<S::Item>,
        sink: S,
        rules: Batch,
        counters: metrics::Counters,
    ) -> Option<()>
    where
        S::Item: Weigh + Send + 'static,
    {
        let task = pump(intake, sink, rules, counters, self.bell.stop());
        self.spawn(task)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<()> {
        let handle = self.runtime.get()?.spawn(task);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(handle);
        Some(())
    }

    /// Sends what is queued and ends. Call it when the workers have ended; `deadline` is the drain's.
    pub(crate) async fn finish(&self, deadline: Instant) {
        let now = Instant::now();
        let deadline = deadline.max(now + FLUSH_LEAST).min(now + FLUSH_MOST);
        self.bell.ring(deadline);
        let tasks: Vec<_> = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.drain(..).collect()
        };
        for task in tasks {
            // Each ends by the deadline; one that does not is left behind with what it holds.
            let _ = tokio::time::timeout_at(deadline + FLUSH_LEAST, task).await;
        }
    }
}
