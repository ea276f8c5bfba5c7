//! `gateway-agent hub`: reads the configuration once and serves any number of nodes.
//!
//! The hub checks what it reads as a node would, and hands on only what a node could serve: a folder that is broken as
//! a whole never leaves it. Single refused scopes do, for each node refuses them visibly by itself. Secrets that a node
//! resolves (files, environment, overlay) stay the node's; the hub hands on the artifact tree.

mod admin;
mod entra;
mod keys;
mod load;
mod server;
#[cfg(test)]
mod tests;

use std::{
    io::IsTerminal as _,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gateway_config::{
    FileTree, Problem, Settings, Severity,
    events::{EventLog, Page, Revision},
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::{Exit, HubArgs, complain},
    run::remote,
    settings,
    sync::{
        self,
        backup::{Backup, BackupError, Origin, Store},
        stable::Patience,
        tree::Bounds,
    },
    telemetry::{Metrics, clock::Timestamp, events::Log},
};

use entra::Issuer;
pub(crate) use keys::Keys;
use load::HubLoad;
pub(crate) use server::Server;

/// Exchanges in flight when the hub is told to stop end within this time.
const GRACE: Duration = Duration::from_secs(5);

/// The configuration as every node can have it.
pub(crate) struct Hub {
    log: Mutex<EventLog>,
    /// Where data set and counter outlive the process.
    store: Option<Store>,
}

impl Hub {
    /// Empty, with a data set that no earlier hub had.
    pub(crate) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut seed = since.as_nanos().to_le_bytes().to_vec();
        seed.extend_from_slice(&std::process::id().to_le_bytes());
        Self {
            log: Mutex::new(EventLog::new(&seed)),
            store: None,
        }
    }

    /// Goes on where the last process stopped. What was kept and cannot be used is said, and a new data set begun:
    /// nodes then read everything again, which is all that is lost.
    pub(crate) fn restored(store: Store) -> Self {
        let mut out = Self::new();
        match store.load() {
            Ok(Backup { origin, files }) => {
                let Origin {
                    dataset,
                    revision,
                    history,
                    ..
                } = origin;
                match EventLog::restore(dataset, revision, &history, &files) {
                    Some(log) => {
                        tracing::info!(
                            event = "HubRestored",
                            dataset = log.dataset(),
                            revision = %log.revision(),
                            files = log.len(),
                            "nodes get the configuration of before the restart until the source has another"
                        );
                        out.log = Mutex::new(log);
                    }
                    None => tracing::error!(event = "HubStateUnusable", "its parts do not belong together"),
                }
            }
            Err(BackupError::Absent(_)) => {}
            Err(error) => tracing::error!(event = "HubStateUnusable", cause = error.cause(), "{error}"),
        }
        out.store = Some(store);
        out
    }

    /// Makes `tree` what nodes get from now on; returns how many files differ from before.
    ///
    /// It is kept before it is told: a hub that forgot what it told would give another change the same number.
    pub(crate) fn update(&self, tree: &FileTree) -> usize {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let changes = log.update(tree);
        if changes == 0 {
            return 0;
        }
        if let Some(store) = &self.store
            && let Err(error) = store.save(&kept(&log))
        {
            tracing::error!(
                event = "HubStateNotKept",
                cause = error.cause(),
                "{error}; nodes are told another data set, so that a restart cannot mislead them"
            );
            log = log.renamed();
        }
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = log;
        changes
    }

    /// A page; `None` before the first configuration: an empty tree is not what the source says.
    pub(crate) fn page(&self, after: Revision, top: usize) -> Option<Page> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        (!log.is_empty()).then(|| log.page(after, top))
    }

    /// Data set, counter and number of files.
    pub(crate) fn version(&self) -> (String, Revision, usize) {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        (log.dataset().to_owned(), log.revision(), log.len())
    }
}

fn kept(log: &EventLog) -> Backup {
    Backup {
        origin: Origin {
            source: "hub".to_owned(),
            dataset: log.dataset().to_owned(),
            revision: log.revision(),
            saved: Timestamp::now().unix_seconds() as u64,
            history: log.history(),
        },
        files: log.tree(),
    }
}

/// Runs until told to stop.
pub fn main(args: &HubArgs) -> Exit {
    let gathered = settings::gather(args.settings.as_deref());
    let logs = &gathered.settings.logs;
    let colour =
        logs.color && (std::io::stdout().is_terminal() || gathered.is_given("telemetry.logs.std.color"));
    let mut log = match Log::install(
        crate::run::format(logs.std),
        crate::run::threshold(logs.level),
        colour,
        None,
    ) {
        Ok(log) => log,
        Err(error) => {
            complain(&format!("the log cannot be started: {error}"));
            return Exit::Problem;
        }
    };
    if let Err(error) = log.start() {
        complain(&format!("the log cannot be written: {error}"));
    }
    gathered.problems.iter().for_each(tell);
    let done = if gathered.is_fatal() {
        Err("the settings named above must be corrected first".to_owned())
    } else {
        serve(gathered.settings)
    };
    let exit = match done {
        Ok(()) => Exit::Ok,
        Err(error) => {
            tracing::error!(event = "HubStartup", "{error}");
            Exit::Problem
        }
    };
    log.flush();
    exit
}

fn tell(problem: &Problem) {
    let setting = problem.element.as_deref().unwrap_or("");
    if problem.severity == Severity::Warning {
        tracing::warn!(event = "SettingProblem", setting, "{problem}");
    } else {
        tracing::error!(event = "SettingProblem", setting, "{problem}");
    }
}

fn serve(settings: Settings) -> Result<(), String> {
    let folder = settings.config.artifacts_path.as_deref().map(PathBuf::from);
    if folder.is_none() && settings.config.arm.service.is_none() {
        return Err(
            "a hub needs a source: set config.artifacts.path to an APIOps folder, or config.arm.service to an API \
             Management service"
                .to_owned(),
        );
    }
    let Some(keys) = settings.hub.keys_path.as_deref() else {
        return Err(
            "a hub needs the gateways' keys: set hub.keys.path to a folder with files <gateway>.primary"
                .to_owned(),
        );
    };
    let keys = Keys::new(keys.into());
    let address: SocketAddr = settings
        .hub
        .address
        .parse()
        .map_err(|_| format!("hub.address: `{}` is not ADDRESS:PORT", settings.hub.address))?;
    let tls = match (&settings.hub.certificate_path, &settings.hub.key_path) {
        (Some(certificate), Some(key)) => Some((PathBuf::from(&**certificate), PathBuf::from(&**key))),
        (None, None) if address.ip().is_loopback() => None,
        _ => {
            return Err(
                "a hub hands out configuration: set hub.tls.certificate.path and hub.tls.key.path, or listen on loopback"
                    .to_owned(),
            );
        }
    };
    let metrics = Metrics::new().map_err(|error| format!("metrics: {error}"))?;
    let store = remote::store(&settings, settings.hub.state_path.as_deref())
        .map_err(|error| format!("hub.state.path: {error}"))?;
    let hub = Arc::new(store.map_or_else(Hub::new, Hub::restored));
    let issuer = Issuer::of(&settings, &metrics)?;
    let server = Server::bind(address, tls, keys, Arc::clone(&hub))?.with(issuer, Arc::clone(&metrics));
    let handle = sync::Handle::default();
    let admin = admin::Admin::bind(&settings, Arc::clone(&hub), handle.clone(), Arc::clone(&metrics))?;
    let source = sync::Source {
        folder,
        files: std::collections::BTreeSet::new(),
        interval: settings.config.refresh_interval,
        bounds: Bounds::default(),
        patience: Patience::default(),
        audit: settings.config.audit_path.as_deref().map(PathBuf::from),
    };
    let remote = match source.folder {
        Some(_) => None,
        None => remote::management(&settings, &metrics).map_err(|error| error.to_string())?,
    };
    let load = HubLoad::new(hub, settings);
    let task = sync::Task::new(source, Arc::new(load), metrics, handle);
    let task = match remote {
        Some(remote) => task.following(remote, Ok(None)),
        None => task,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime cannot be started: {error}"))?;
    runtime.block_on(async {
        let stop = || async {
            match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
                (Ok(mut term), Ok(mut int)) => {
                    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
                }
                // Without signals only SIGKILL ends the hub, which needs nothing from it.
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = task.run(stop()) => {}
            () = server.run() => {}
            () = admin.run() => {}
        }
    });
    runtime.shutdown_timeout(GRACE);
    tracing::info!(event = "HubStopped", "stopped");
    Ok(())
}
