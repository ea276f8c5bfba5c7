//! `gateway-agent run`: bind first, then build, then run; everything ends against one deadline.
//!
//! The order is the point. Sockets and kernel programs come first, on one thread; then capabilities are given
//! up; only then do threads start. Traffic has its own threads, one runtime each; administration,
//! synchronisation and telemetry share a small runtime beside them, so that neither can starve the other.

mod certificates;
mod drain;
mod expiry;
mod handover;
mod identity;
mod load;
mod notify;
pub(crate) mod remote;
mod setup;
mod sink;
mod suites;

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use gateway_config::{Problem, Settings, Severity};

pub(crate) use load::entities;
pub(crate) use setup::{format, threshold};

use crate::{
    admin::{self, Endpoint},
    cli::{Exit, RunArgs, TakeOver},
    kernel::{self, Accounts, Gate},
    listen::{self, Bound},
    node::Node,
    overload,
    process::Identity,
    ready::{Guard, Readiness},
    settings::{self, Gathered},
    sync,
    telemetry::{
        Metrics, Recent,
        clock::Timestamp,
        events::{FATAL, Log},
        export::local::{self, Local},
    },
    upgrade::{Channel, Inherited, Offer, TakeError},
    worker,
};

/// Threads of the runtime beside traffic. Two, so that a long check of a large configuration (which also
/// has the blocking pool) never delays a probe.
const SIDE_THREADS: usize = 2;

/// A configuration of 10,000 APIs loads in seconds; a source over a slow network needs longer.
const TAKE_OVER_PATIENCE: Duration = Duration::from_secs(300);

/// Why the node does not start. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Bind(#[from] listen::BindError),
    #[error(
        "no listener is left: turn on net.server.http.port or net.server.https.port, or name one in the overlay"
    )]
    NoListener,
    #[error("{what}: {source}; check the limits of processes, memory and open files")]
    System { what: &'static str, source: io::Error },
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("{setting} leaves no {what} suite; name one that the TLS library has, or leave the setting out")]
    Suites {
        setting: &'static str,
        what: &'static str,
    },
    #[error("cache.external.ca.path: {path}: {reason}; name a readable PEM file, or leave the setting out")]
    ExternalCa { path: String, reason: String },
    #[error(
        "config.service.auth.azureAd.certificatePath: {path}: {reason}; name a PEM file with certificate and RSA key"
    )]
    ClientCertificate { path: String, reason: String },
    #[error(transparent)]
    TakeOver(#[from] TakeError),
    #[error("upgrade.socket is `none`: --take-over needs the socket where the running agent waits")]
    NoUpgradeSocket,
    #[error(
        "no configuration was active in {0} s, so the running agent keeps its sockets; see the problems above"
    )]
    NotReady(u64),
    #[error("{0}; name an HTTP proxy such as http://proxy.example:3128, or leave the variable out")]
    Proxy(String),
    #[error("{0}; grant what is missing, or set kernel.mode to `auto`")]
    Kernel(String),
    #[error(
        "no configuration source: set config.artifacts.path to an APIOps folder, config.arm.service to an API \
         Management service, or config.service.endpoint and config.service.auth to a hub"
    )]
    NoSource,
}

/// Runs until told to stop.
pub fn main(args: &RunArgs) -> Exit {
    let started = Timestamp::now();
    let gathered = settings::gather(args.settings.as_deref());
    let logs = &gathered.settings.logs;
    // The default is for people who look; a file or a pipe gets colour only when the setting was given.
    let colour = logs.color && (io::stdout().is_terminal() || gathered.is_given("telemetry.logs.std.color"));
    let local = local::chosen(&gathered.settings).map(|_| Local::waiting());
    let mut log = match Log::install(
        setup::format(logs.std),
        setup::threshold(logs.level),
        colour,
        local,
    ) {
        Ok(log) => log,
        Err(error) => {
            // Without a log this is the only place left.
            crate::cli::complain(&format!("the log cannot be started: {error}"));
            return Exit::Problem;
        }
    };
    let exit = start_and_serve(gathered, started, args.take_over, &mut log);
    if let Err(error) = log.start() {
        crate::cli::complain(&format!("the log cannot be written: {error}"));
    }
    log.flush();
    exit
}

fn start_and_serve(
    gathered: Gathered,
    started: Timestamp,
    take_over: Option<TakeOver>,
    log: &mut Log,
) -> Exit {
    tracing::info!(
        event = "GatewayStartup",
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        settings_file = gathered.file.as_ref().map(|f| f.display().to_string()),
        "starting"
    );
    gathered.problems.iter().for_each(log_setting_problem);
    if gathered.is_fatal() {
        if log.writer.is_none() {
            for problem in &gathered.problems {
                let setting = problem.element.as_deref().unwrap_or("settings");
                crate::cli::complain(&format!("{setting}: {problem}"));
            }
        }
        tracing::error!(target: FATAL, event = "GatewayStartup", "the settings named above must be corrected first");
        return Exit::Problem;
    }
    match Parts::build(gathered, started, take_over, log).and_then(Parts::serve) {
        Ok(exit) => exit,
        Err(error) => {
            tracing::error!(target: FATAL, event = "GatewayStartup", "{error}");
            if log.writer.is_none() {
                // Without a log the reason must not be lost with it.
                crate::cli::complain(&error.to_string());
            }
            Exit::Problem
        }
    }
}

fn log_setting_problem(p: &Problem) {
    let setting = p.element.as_deref().unwrap_or("");
    let (code, origin, line) = (p.code, &p.path, p.line);
    if p.severity == Severity::Warning {
        tracing::warn!(
            event = "SettingProblem",
            code,
            origin,
            line,
            setting,
            "{}",
            p.message
        );
    } else {
        tracing::error!(
            event = "SettingProblem",
            code,
            origin,
            line,
            setting,
            "{}",
            p.message
        );
    }
}

/// What needs privileges, and what must exist before any thread: sockets and kernel programs.
struct Ground {
    bound: Vec<Bound>,
    endpoints: Vec<Endpoint>,
    metrics: Arc<Metrics>,
    gate: Arc<Gate>,
    side: Arc<kernel::Side>,
    records: Option<gateway_loader::Connections>,
    process: Process,
}

/// This process beside the one before and the one after it.
struct Process {
    identity: Identity,
    /// The process that this one replaces.
    predecessor: Option<Channel>,
    /// What a successor gets, when one can ask.
    offer: Option<Offer>,
    /// Where this process was started from. Asked for early: a new version may replace the file.
    program: Option<PathBuf>,
}

impl Ground {
    fn prepare(
        settings: &Settings,
        take_over: Option<TakeOver>,
        buckets: Option<&[f64]>,
    ) -> Result<Self, StartError> {
        let program = std::env::current_exe().ok();
        let first = load::First::read(settings);
        let mut inherited = setup::inherit(settings, take_over)?;
        let identity = inherited
            .as_ref()
            .map_or_else(Identity::fresh, Inherited::identity);
        // Bind first: a client that comes now waits in the backlog instead of being refused.
        let mut bound = setup::bind(settings, &first, inherited.as_mut())?;
        let endpoints = setup::bind_admin(settings, inherited.as_mut());
        let metrics = Metrics::with_buckets(buckets)?;
        let gate = Arc::new(Gate::default());
        let wanted = kernel::Wanted {
            mode: settings.kernel,
            options: &first.kernel,
            names: &first.names,
            bound: &bound,
            process: identity,
            forbidden: &first.forbidden,
            pins: settings.kernel_side.pin_path.as_deref().map(PathBuf::from),
            entries: kernel::Entries {
                bans: Some(settings.kernel_side.bans),
                sources: Some(settings.kernel_side.sources),
            },
        };
        let (side, records) = kernel::Side::start(&wanted, Arc::clone(&gate), Arc::clone(&metrics))
            .map_err(StartError::Kernel)?;
        kernel::drop_privileges();
        setup::return_memory();
        // The kernel knows them; a copy here would keep them open when their process ends.
        bound.iter_mut().for_each(|one| one.predecessor.clear());
        let offer = setup::offer(settings, &first.names, &bound, &endpoints, identity);
        Ok(Self {
            process: Process {
                identity,
                predecessor: inherited.map(Inherited::into_channel),
                offer,
                program,
            },
            bound,
            endpoints,
            metrics,
            gate,
            side: Arc::new(side),
            records,
        })
    }
}

/// Everything built, nothing running yet.
struct Parts {
    settings: Arc<Settings>,
    bound: Vec<Bound>,
    endpoints: Vec<Endpoint>,
    node: Arc<Node>,
    state: Arc<admin::State>,
    sync: sync::Task,
    records: Option<gateway_loader::Connections>,
    accounts: Accounts,
    /// The writers' end of the local log.
    local: Option<Arc<Local>>,
    /// Dropped when the workers run.
    workers_step: Guard,
    process: Process,
}

impl Parts {
    fn build(
        gathered: Gathered,
        started: Timestamp,
        take_over: Option<TakeOver>,
        log: &mut Log,
    ) -> Result<Self, StartError> {
        let masked = gathered.masked();
        let buckets = setup::buckets(&gathered);
        let settings = Arc::new(gathered.settings);
        let config = &settings.config;
        let has_remote = config.endpoint.is_some() || config.arm.service.is_some();
        if config.artifacts_path.is_none() && config.overlay_path.is_none() && !has_remote {
            return Err(StartError::NoSource);
        }
        let Ground {
            bound,
            endpoints,
            metrics,
            gate,
            side,
            records,
            process,
        } = Ground::prepare(&settings, take_over, buckets.as_deref())?;
        log.start().map_err(|source| StartError::System {
            what: "the log cannot be written",
            source,
        })?;
        let readiness = Readiness::default();
        let workers_step = readiness.step("workers");
        let requests = Arc::new(Recent::new(settings.admin.requests as usize));
        let connections = Arc::new(Recent::new(settings.admin.connections as usize));
        let accounts = Accounts::new(Arc::clone(&metrics), Arc::clone(&connections))
            .with_log(settings.logs.connections, side.listeners());
        gate.set_accounts(&accounts, !side.accounts_in_kernel());
        let sink = sink::Sink::new(
            log.writer.clone(),
            log.local.clone(),
            &settings,
            Arc::clone(&requests),
        );
        let node_settings = setup::node_settings(&settings, gate, process.identity)?;
        let node = Node::new(node_settings, Arc::clone(&metrics), Arc::new(sink)).map_err(|source| {
            StartError::System {
                what: "TLS cannot be set up",
                source,
            }
        })?;
        let handle = sync::Handle::default();
        let metrics_of_source = Arc::clone(&metrics);
        let load = load::FolderLoad::new(
            Arc::clone(&settings),
            Arc::clone(&node),
            Arc::clone(&side),
            &bound,
        );
        let sync = sync::Task::new(
            setup::source(&settings),
            Arc::new(load),
            Arc::clone(&metrics),
            handle.clone(),
        );
        let sync = remote::follow(&settings, sync, &metrics_of_source)?;
        let state = Arc::new(admin::State {
            node: Arc::clone(&node),
            metrics,
            sync: handle,
            readiness,
            level: log.level.clone(),
            log: log.writer.clone(),
            requests,
            connections,
            kernel: side,
            started,
            listeners: bound.iter().map(setup::view).collect(),
            workers: setup::worker_count(&settings),
            generation: process.identity.generation,
            settings: masked,
            grace: settings.limits.drain_timeout,
        });
        Ok(Self {
            settings,
            bound,
            endpoints,
            node,
            state,
            sync,
            records,
            accounts,
            local: log.local.clone(),
            workers_step,
            process,
        })
    }

    /// Runs until the drain is over.
    fn serve(mut self) -> Result<Exit, StartError> {
        let side = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(SIDE_THREADS)
            .thread_name("side")
            .enable_all()
            .build()
            .map_err(|source| StartError::System {
                what: "the side runtime cannot be started",
                source,
            })?;
        side.spawn(kernel::tend(Arc::clone(&self.state.kernel)));
        if let Some(records) = self.records.take() {
            side.spawn(kernel::read_connections(records, self.accounts.clone()));
        }
        side.spawn(Arc::clone(self.state.kernel.layer4()).run());
        let ended = side.block_on(self.supervise());
        // Tasks of the side runtime hold nothing that must be finished.
        side.shutdown_background();
        Ok(if ended? == 0 { Exit::Ok } else { Exit::Problem })
    }

    /// Everything beside traffic, until the workers have ended. Returns how many of them had panicked.
    async fn supervise(self) -> Result<usize, StartError> {
        let (sync_stop, admin_stop) = (Stop::default(), Stop::default());
        let handle = self.state.sync.clone();
        let runtime = tokio::runtime::Handle::current();
        self.node.exports.start(runtime, self.local.as_deref());
        tokio::spawn(self.sync.run(sync_stop.waiter()));
        if self.process.predecessor.is_some() {
            handover::until_ready(&self.node, TAKE_OVER_PATIENCE).await?;
        }
        let workers = worker::start(&self.node, self.bound, self.state.workers).map_err(|source| {
            StartError::System {
                what: "the workers cannot be started",
                source,
            }
        })?;
        drop(self.workers_step);
        tracing::info!(event = "WorkersStarted", workers = self.state.workers, "serving");
        if let Some(predecessor) = self.process.predecessor {
            handover::take_over(&self.state.kernel, predecessor).await;
        }
        let grace = self.settings.limits.drain_timeout;
        let percent = self.settings.limits.memory_percent;
        tokio::spawn(overload::watch_memory(
            Arc::clone(&self.node.memory_is_full),
            percent,
        ));
        if let Some(offer) = self.process.offer {
            tokio::spawn(handover::offer(
                Arc::clone(&self.settings),
                offer,
                Arc::clone(&self.node),
            ));
        }
        notify::ready();
        tokio::spawn(admin::server::serve(
            self.endpoints,
            Arc::clone(&self.state),
            admin_stop.waiter(),
        ));
        let kernel = self.state.kernel.state();
        let again = handover::Again::new(self.process.program, &kernel);
        drain::until_asked(&self.node, &handle, grace, &again).await;
        // What is being served stays as it is; whoever watches can still ask until the end.
        sync_stop.ring();
        if self.node.drain.successor().is_some() {
            // The endpoints are the successor's.
            admin_stop.ring();
        }
        let panicked = drain::finish(Arc::clone(&self.node), workers, grace).await;
        let deadline = self.node.drain.watch().begun().await;
        self.node.exports.finish(deadline).await;
        admin_stop.ring();
        Ok(panicked)
    }
}

/// Tells a side task to end.
#[derive(Clone, Debug, Default)]
struct Stop(tokio::sync::watch::Sender<bool>);

impl Stop {
    fn ring(&self) {
        self.0.send_replace(true);
    }

    fn waiter(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut seen = self.0.subscribe();
        async move {
            // An error means that the bell is gone, which ends the task as well.
            let _ = seen.wait_for(|stopped| *stopped).await;
        }
    }
}
