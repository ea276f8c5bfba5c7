//! What leaves the node about itself: Application Insights, event hubs, OpenTelemetry, StatsD, local logs.
//!
//! Workers push into bounded queues and never wait; everything else happens on the side runtime. A receiver that is
//! away costs telemetry, never a request. Loggers come and go with the configuration: a logger that stays the same
//! keeps its queue and its connection.

mod custom;
mod hub;
mod identity;
pub(crate) mod insights;
pub(crate) mod local;
mod measure;
mod metrics;
mod otlp;
mod pump;
pub(crate) mod queue;
mod statsd;
mod stop;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use gateway_config::{
    Settings, Snapshot,
    telemetry::{Diagnostics, EventHub, HubAccess, Insights, Logger, LoggerKind, ManagedIdentity},
};
use gateway_policy::trace::Partition;
use rustls::RootCertStore;
use tokio::{runtime::Handle, task::JoinHandle, time::Instant};

pub(crate) use custom::{Custom, CustomCollector};
pub(crate) use measure::{Dimensions, Measured};
pub use metrics::{ExportMetrics, SinkName};

use self::{
    hub::Event,
    identity::Signer,
    insights::{Item, Sender, Target},
    local::Local,
    measure::{Aggregate, Place, SharedPlace},
    metrics::Counters,
    otlp::{Collector, Push, Resource},
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
/// Events waiting for one hub; of the largest ones these are 160.
const HUB_ITEMS: usize = 4_096;
const HUB_BYTES: usize = 32 << 20;
/// Events on the wire before their outcomes are waited for.
const HUB_BATCH: Batch = Batch {
    items: 200,
    bytes: 1 << 20,
    linger: Duration::from_millis(200),
};
/// Requests waiting for the StatsD server: a second of a busy node.
const STATSD_ITEMS: usize = 16_384;
const STATSD_BYTES: usize = 8 << 20;
const STATSD_BATCH: Batch = Batch {
    items: 1_000,
    bytes: 1 << 20,
    linger: Duration::from_millis(100),
};
/// Records waiting for the local log.
const LOCAL_ITEMS: usize = 8_192;
const LOCAL_BYTES: usize = 16 << 20;
const LOCAL_BATCH: Batch = Batch {
    items: 200,
    bytes: 1 << 20,
    linger: Duration::from_millis(10),
};
/// Time for one exchange with a receiver.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);
/// At the end of the process: at least and at most this long for what is queued, within the drain's deadline.
const FLUSH_LEAST: Duration = Duration::from_secs(2);
const FLUSH_MOST: Duration = Duration::from_secs(10);

/// What the settings ask for.
#[derive(Clone, Debug, Default)]
pub struct ExportConfig {
    statsd: Option<statsd::Config>,
    otlp: Option<OtlpConfig>,
    local: Option<(local::Form, Arc<str>)>,
}

#[derive(Clone, Debug)]
struct OtlpConfig {
    collector: Arc<str>,
    system: bool,
    buckets: Vec<f64>,
    interval: Duration,
}

impl ExportConfig {
    pub(crate) fn of(settings: &Settings) -> Self {
        let metrics = &settings.metrics;
        let statsd = metrics.statsd_endpoint.clone().filter(|_| metrics.statsd);
        let collector = metrics.otel_collector.clone().filter(|_| metrics.otel);
        Self {
            statsd: statsd.map(|endpoint| statsd::Config {
                endpoint,
                tags: metrics.statsd_tags,
                sampling: metrics.statsd_sampling,
            }),
            otlp: collector.map(|collector| OtlpConfig {
                collector,
                system: metrics.otel_system,
                buckets: metrics.otel_buckets.clone(),
                interval: metrics.otel_interval,
            }),
            local: local::chosen(settings),
        }
    }
}

/// The sinks of loggers, by logger.
type Sinks<T> = Mutex<Vec<(Arc<Logger>, Queue<T>)>>;

/// The exporters of a node.
pub(crate) struct Exports {
    config: ExportConfig,
    runtime: OnceLock<Handle>,
    bell: Bell,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// The local log ends last: it tells how the others ended.
    local_bell: Bell,
    local_task: Mutex<Option<JoinHandle<()>>>,
    insights: Sinks<Item>,
    hubs: Sinks<Event>,
    statsd: OnceLock<Queue<Measured>>,
    /// For OTLP; `None`: nobody pushes.
    aggregate: Option<Arc<Aggregate>>,
    place: SharedPlace,
    roots: Arc<RootCertStore>,
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
    /// By lower-case id of the logger.
    hubs: HashMap<Box<str>, Queue<Event>>,
}

impl Plans {
    /// The plan for requests under these diagnostics.
    pub(crate) fn of(&self, diagnostics: &Arc<Diagnostics>) -> Option<&Arc<Plan>> {
        if self.by_diagnostics.is_empty() {
            return None;
        }
        self.by_diagnostics.get(&(Arc::as_ptr(diagnostics) as usize))
    }

    /// Sends an event to the logger of a policy; false when it cannot be used.
    pub(crate) fn event(&self, logger: &str, partition: Option<Partition>, message: String) -> bool {
        let queue = self.hubs.get(logger.to_ascii_lowercase().as_str());
        if let Some(queue) = queue {
            queue.push(Event { partition, message });
        }
        queue.is_some()
    }
}

impl Exports {
    pub(crate) fn new(
        config: ExportConfig,
        roots: Arc<RootCertStore>,
        tokens: Tokens,
        metrics: Arc<Metrics>,
        instance: Arc<str>,
    ) -> Self {
        let aggregate = config.otlp.as_ref().map(|otlp| {
            let counters = metrics.export.of(SinkName::Otlp);
            Arc::new(Aggregate::new(otlp.buckets.clone(), counters))
        });
        Self {
            config,
            runtime: OnceLock::new(),
            bell: Bell::default(),
            tasks: Mutex::default(),
            local_bell: Bell::default(),
            local_task: Mutex::default(),
            insights: Mutex::default(),
            hubs: Mutex::default(),
            statsd: OnceLock::new(),
            aggregate,
            place: SharedPlace::default(),
            told: AtomicBool::new(false),
            tokens: Arc::new(tokens),
            client: Client::new(&tls::provider(), Arc::clone(&roots), true, EXCHANGE_TIMEOUT),
            roots,
            metrics,
            instance,
        }
    }

    /// From now on sinks may run, on `runtime`. Before that nothing is exported.
    pub(crate) fn start(&self, runtime: Handle, local: Option<&Local>) {
        if self.runtime.set(runtime).is_err() {
            return;
        }
        if let Some(config) = &self.config.statsd {
            let counters = self.metrics.export.of(SinkName::StatsD);
            let (queue, intake) = queue(STATSD_ITEMS, STATSD_BYTES, counters.clone());
            let sink = statsd::StatsD::new(config.clone(), Arc::clone(&self.place));
            self.spawn_pump(intake, sink, STATSD_BATCH, counters);
            // The runtime was set once, so this is the first queue.
            let _ = self.statsd.set(queue);
        }
        if let (Some(config), Some(aggregate)) = (&self.config.otlp, &self.aggregate) {
            self.start_otlp(config, aggregate);
        }
        if let (Some((form, endpoint)), Some(local)) = (&self.config.local, local) {
            self.start_local(form, endpoint, local);
        }
    }

    fn start_otlp(&self, config: &OtlpConfig, aggregate: &Arc<Aggregate>) {
        let collector = match Collector::new(&config.collector, Arc::clone(&self.roots)) {
            Ok(collector) => collector,
            Err(error) => {
                tracing::error!(event = "TelemetryFailed", "no metrics are pushed: {error}");
                return;
            }
        };
        let push = Push {
            collector,
            resource: Resource {
                instance: Arc::clone(&self.instance),
                place: Arc::clone(&self.place),
                started: SystemTime::now(),
            },
            aggregate: Arc::clone(aggregate),
            custom: Arc::clone(&self.metrics.custom),
            system: config.system,
            interval: config.interval,
            counters: self.metrics.export.of(SinkName::Otlp),
        };
        self.spawn(push.run(self.bell.stop()));
    }

    fn start_local(&self, form: &local::Form, endpoint: &str, local: &Local) {
        let counters = self.metrics.export.of(SinkName::LocalLog);
        let (queue, intake) = queue(LOCAL_ITEMS, LOCAL_BYTES, counters.clone());
        let sender = local::Sender::new(
            form.clone(),
            endpoint,
            Arc::clone(&self.instance),
            counters.clone(),
        );
        let task = pump(intake, sender, LOCAL_BATCH, counters, self.local_bell.stop());
        if let Some(runtime) = self.runtime.get() {
            let mut held = self.local_task.lock().unwrap_or_else(PoisonError::into_inner);
            *held = Some(runtime.spawn(task));
        }
        local.start(&queue);
    }

    /// Some diagnostic is in effect, or requests are measured: records have to be kept.
    pub(crate) fn wants_records(&self) -> bool {
        self.told.load(Ordering::Relaxed) || self.measures()
    }

    /// Requests are measured for StatsD or OTLP.
    pub(crate) fn measures(&self) -> bool {
        self.aggregate.is_some() || self.config.statsd.is_some()
    }

    /// A request that `worker` served. `random` decides about the sampling of StatsD.
    pub(crate) fn measure(&self, worker: usize, measured: Measured, random: u64) {
        if let Some(aggregate) = &self.aggregate {
            aggregate.add(worker, &measured);
        }
        if let (Some(config), Some(queue)) = (&self.config.statsd, self.statsd.get())
            && (config.sampling >= 1.0 || (random as f64 / u64::MAX as f64) < config.sampling)
        {
            queue.push(measured);
        }
    }

    /// What a snapshot asks for. Sinks of loggers that it does not know any more end once the requests under the
    /// snapshot before are over.
    pub(crate) fn follow(&self, snapshot: &Snapshot) -> Plans {
        let gateway = snapshot.gateway();
        self.place.store(Arc::new(Place {
            gateway: Arc::clone(&gateway.id),
            location: Arc::clone(&gateway.region),
        }));
        let mut plans = Plans {
            hubs: self.follow_hubs(snapshot),
            ..Plans::default()
        };
        let mut known = self.insights.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Vec::new();
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

    /// The queues of all event hubs that can be used.
    fn follow_hubs(&self, snapshot: &Snapshot) -> HashMap<Box<str>, Queue<Event>> {
        let mut known = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Vec::new();
        for logger in snapshot.loggers() {
            let LoggerKind::EventHub(hub) = &logger.kind else {
                continue;
            };
            let same = known.iter().find(|(one, _)| **one == **logger);
            let queue = match same {
                Some((_, queue)) => Some(queue.clone()),
                None => self.start_hub(logger, hub),
            };
            next.extend(queue.map(|queue| (Arc::clone(logger), queue)));
        }
        *known = next;
        let by_id = known.iter().map(|(logger, queue)| {
            let id = logger.id.to_ascii_lowercase().into_boxed_str();
            (id, queue.clone())
        });
        by_id.collect()
    }

    fn start_hub(&self, logger: &Logger, hub: &EventHub) -> Option<Queue<Event>> {
        let counters = self.metrics.export.of(SinkName::EventHub);
        let signer = match &hub.access {
            HubAccess::Key { .. } => None,
            HubAccess::Identity(identity) => Some(self.signer(identity, self.client()?)),
        };
        let sender = hub::Sender::new(
            hub.clone(),
            Arc::clone(&self.roots),
            Arc::clone(&self.instance),
            signer,
        );
        let (queue, intake) = queue(HUB_ITEMS, HUB_BYTES, counters.clone());
        let mut rules = HUB_BATCH;
        if !logger.buffered {
            rules.linger = Duration::ZERO;
        }
        self.spawn_pump(intake, sender, rules, counters)?;
        Some(queue)
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
        counters: Counters,
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
        self.local_bell.ring(Instant::now() + FLUSH_LEAST);
        let local = self
            .local_task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = local {
            let _ = tokio::time::timeout(FLUSH_LEAST * 2, task).await;
        }
    }
}
