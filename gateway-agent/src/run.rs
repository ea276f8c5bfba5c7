//! `gateway-agent run`: bind first, then build, then run; everything ends against one deadline.
//!
//! Traffic has its own threads, one runtime each; administration, synchronisation and telemetry share a
//! small runtime beside them, so that neither can starve the other.

mod certificates;
mod drain;
mod load;
mod setup;
mod sink;

use std::{
    io::{self, IsTerminal as _},
    sync::Arc,
};

use arc_swap::ArcSwap;
use gateway_config::{Problem, Settings, Severity};

use crate::{
    admin::{self, Endpoint},
    cli::{Exit, RunArgs},
    kernel::KernelState,
    listen::{self, Bound},
    node::Node,
    ready::Readiness,
    settings::{self, Gathered},
    sync,
    telemetry::{
        LogWriter, Metrics, Recent,
        clock::Timestamp,
        events::{self, FATAL, LevelHandle},
    },
    worker::{self, Workers},
};

/// Threads of the runtime beside traffic. Two, so that a long check of a large configuration (which also
/// has the blocking pool) never delays a probe.
const SIDE_THREADS: usize = 2;

/// Why the node does not start. The text says what to do.
#[derive(Debug, thiserror::Error)]
enum StartError {
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
    #[error(
        "no configuration source: set config.artifacts.path to an APIOps folder, or config.service.endpoint and \
         config.service.auth"
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
    let (log, level) = match events::install(setup::format(logs.std), setup::threshold(logs.level), colour) {
        Ok(installed) => installed,
        Err(error) => {
            // Without a log this is the only place left.
            crate::cli::complain(&format!("the log cannot be started: {error}"));
            return Exit::Problem;
        }
    };
    let exit = start_and_serve(gathered, started, log.clone(), level);
    if let Some(log) = log {
        log.flush();
    }
    exit
}

fn start_and_serve(
    gathered: Gathered,
    started: Timestamp,
    log: Option<LogWriter>,
    level: LevelHandle,
) -> Exit {
    tracing::info!(
        event = "GatewayStartup",
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        settings_file = gathered.file.as_ref().map(|f| f.display().to_string()),
        "starting"
    );
    log_setting_problems(&gathered.problems);
    if gathered.is_fatal() {
        tracing::error!(target: FATAL, event = "GatewayStartup", "the settings named above must be corrected first");
        return Exit::Problem;
    }
    match Parts::build(gathered, started, log, level).and_then(Parts::serve) {
        Ok(exit) => exit,
        Err(error) => {
            tracing::error!(target: FATAL, event = "GatewayStartup", "{error}");
            Exit::Problem
        }
    }
}

fn log_setting_problems(problems: &[Problem]) {
    for p in problems {
        let setting = p.element.as_deref().unwrap_or("");
        if p.severity == Severity::Warning {
            tracing::warn!(
                event = "SettingProblem",
                code = p.code,
                origin = p.path,
                line = p.line,
                setting,
                "{}",
                p.message
            );
        } else {
            tracing::error!(
                event = "SettingProblem",
                code = p.code,
                origin = p.path,
                line = p.line,
                setting,
                "{}",
                p.message
            );
        }
    }
}

/// Everything built, nothing running yet.
struct Parts {
    settings: Arc<Settings>,
    bound: Vec<Bound>,
    endpoints: Vec<Endpoint>,
    node: Arc<Node>,
    metrics: Arc<Metrics>,
    state: Arc<admin::State>,
    sync: sync::Task,
    /// Dropped when the workers run.
    workers_step: crate::ready::Guard,
}

impl Parts {
    fn build(
        gathered: Gathered,
        started: Timestamp,
        log: Option<LogWriter>,
        level: LevelHandle,
    ) -> Result<Self, StartError> {
        let masked = gathered.masked();
        let settings = Arc::new(gathered.settings);
        if settings.config.artifacts_path.is_none()
            && settings.config.overlay_path.is_none()
            && settings.config.endpoint.is_none()
        {
            return Err(StartError::NoSource);
        }
        let readiness = Readiness::default();
        let workers_step = readiness.step("workers");
        // Bind first: a client that comes now waits in the backlog instead of being refused.
        let bound = setup::bind(&settings)?;
        let endpoints = setup::bind_admin(&settings);
        let metrics = Metrics::new()?;
        let requests = Arc::new(Recent::new(settings.admin.requests as usize));
        let connections = Arc::new(Recent::new(settings.admin.connections as usize));
        let sink = sink::Sink::new(log.clone(), &settings, Arc::clone(&requests));
        let node = Node::new(
            setup::node_settings(&settings, setup::workers(&bound)),
            Arc::clone(&metrics),
            Arc::new(sink),
        )
        .map_err(|source| StartError::System {
            what: "TLS cannot be set up",
            source,
        })?;
        let handle = sync::Handle::default();
        let load = load::FolderLoad::new(
            Arc::clone(&settings),
            Arc::clone(&node),
            Arc::clone(&metrics),
            &bound,
        );
        let sync = sync::Task::new(
            setup::source(&settings),
            Arc::new(load),
            Arc::clone(&metrics),
            handle.clone(),
        );
        metrics.workers.set(setup::workers(&bound) as i64);
        let state = Arc::new(admin::State {
            node: Arc::clone(&node),
            metrics: Arc::clone(&metrics),
            sync: handle,
            readiness,
            level,
            log,
            requests,
            connections,
            kernel: Arc::new(ArcSwap::from_pointee(KernelState::default())),
            started,
            listeners: bound.iter().map(setup::view).collect(),
            workers: setup::workers(&bound),
            settings: masked,
            grace: settings.limits.drain_timeout,
        });
        Ok(Self {
            settings,
            bound,
            endpoints,
            node,
            metrics,
            state,
            sync,
            workers_step,
        })
    }

    /// Runs until the drain is over.
    fn serve(self) -> Result<Exit, StartError> {
        let side = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(SIDE_THREADS)
            .thread_name("side")
            .enable_all()
            .build()
            .map_err(|source| StartError::System {
                what: "the side runtime cannot be started",
                source,
            })?;
        let workers = worker::start(&self.node, self.bound).map_err(|source| StartError::System {
            what: "the workers cannot be started",
            source,
        })?;
        drop(self.workers_step);
        tracing::info!(event = "WorkersStarted", workers = self.state.workers, "serving");
        let panicked = side.block_on(supervise(
            Arc::clone(&self.node),
            self.state,
            self.endpoints,
            self.sync,
            workers,
            self.settings.limits.drain_timeout,
        ));
        // Tasks of the side runtime hold nothing that must be finished.
        side.shutdown_background();
        drop(self.metrics);
        Ok(if panicked == 0 { Exit::Ok } else { Exit::Problem })
    }
}

/// Everything beside traffic, until the workers have ended. Returns how many of them had panicked.
async fn supervise(
    node: Arc<Node>,
    state: Arc<admin::State>,
    endpoints: Vec<Endpoint>,
    sync: sync::Task,
    workers: Workers,
    grace: std::time::Duration,
) -> usize {
    let stop = Stop::default();
    let handle = state.sync.clone();
    tokio::spawn(sync.run(stop.waiter()));
    tokio::spawn(admin::server::serve(endpoints, state, stop.waiter()));
    drain::until_asked(&node, &handle, grace).await;
    stop.ring();
    drain::finish(node, workers, grace).await
}

/// Tells the side tasks to end.
#[derive(Clone, Debug, Default)]
struct Stop(tokio::sync::watch::Sender<bool>);

impl Stop {
    fn ring(&self) {
        self.0.send_replace(true);
    }

    fn waiter(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut seen = self.0.subscribe();
        async move {
            // An error means that the bell is gone, which ends the tasks as well.
            let _ = seen.wait_for(|stopped| *stopped).await;
        }
    }
}
