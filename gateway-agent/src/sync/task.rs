//! The loop: wait for a change, let it settle, read, check, activate; an invalid folder changes nothing.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use gateway_config::{FileTree, Problem, Snapshot, load::Diff};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior},
};

use super::{
    audit::{self, Record},
    backup::{BackupError, Store},
    following::{Following, SourceStatus},
    remote::Remote,
    stable::{self, Patience},
    status::{Active, Attempt, Problems, Status},
    tree::{Bounds, Looked, Stamps},
    watch::{Notifications, Targets},
};
use crate::telemetry::{Metrics, clock::Timestamp};

/// Between the first notification of a change and the reading: tools write in bursts.
const SETTLE: Duration = Duration::from_millis(100);

/// Turns what was read into a configuration. Runs on the blocking pool; may read secrets and certificates.
pub trait Load: Send + Sync + 'static {
    /// Checks everything and builds the snapshot.
    ///
    /// # Errors
    /// All mistakes together, when nothing usable can be built.
    fn load(&self, tree: FileTree) -> Result<Loaded, Rejected>;

    /// Makes it the configuration of every request from now on. May add warnings.
    ///
    /// # Errors
    /// Why it cannot be (a listener cannot be bound, a route has no metrics).
    fn activate(&self, loaded: &mut Loaded) -> Result<(), String>;
}

/// A configuration that can serve.
#[derive(Debug)]
pub struct Loaded {
    /// What serves.
    pub snapshot: Arc<Snapshot>,
    /// Warnings and refused scopes.
    pub problems: Vec<Problem>,
    /// Entities by kind.
    pub entities: Vec<(&'static str, usize)>,
    /// Files outside the folder that were read for it.
    pub files: Looked,
    /// What differs from what serves until now; `None` for the first one.
    pub changes: Option<Diff>,
}

/// Why nothing can serve.
#[derive(Debug, Default)]
pub struct Rejected {
    /// All mistakes.
    pub problems: Vec<Problem>,
    /// Files outside the folder that were read or looked for: their change is a reason to try again.
    pub files: Looked,
}

/// What to synchronise from, and how.
#[derive(Clone, Debug)]
pub struct Source {
    /// The artifact folder; `None` when everything comes from single files.
    pub folder: Option<PathBuf>,
    /// Files always watched: overlay, settings.
    pub files: BTreeSet<PathBuf>,
    /// The poll's interval.
    pub interval: Duration,
    /// What a folder may hold.
    pub bounds: Bounds,
    /// How a reading settles.
    pub patience: Patience,
    /// Where each change is recorded.
    pub audit: Option<PathBuf>,
}

impl Source {
    /// Whether there is nothing to read. Such a node is alive and never ready.
    pub fn is_empty(&self) -> bool {
        self.folder.is_none() && self.files.is_empty()
    }

    /// For people.
    pub fn describe(&self) -> String {
        match &self.folder {
            Some(folder) => format!("folder {}", folder.display()),
            None if self.files.is_empty() => "none: set config.artifacts.path".to_owned(),
            None => "files".to_owned(),
        }
    }
}

/// Shared with the admin endpoint: the state, and the bell that asks for a reading now.
#[derive(Clone, Debug, Default)]
pub struct Handle {
    status: Arc<ArcSwap<Status>>,
    wake: Arc<Notify>,
    forced: Arc<std::sync::atomic::AtomicBool>,
}

impl Handle {
    /// The state at this moment.
    pub fn status(&self) -> Arc<Status> {
        self.status.load_full()
    }

    /// Asks for a reading now, changed or not (SIGHUP).
    pub fn reload(&self) {
        self.forced.store(true, std::sync::atomic::Ordering::Release);
        self.wake.notify_one();
    }

    fn take_forced(&self) -> bool {
        self.forced.swap(false, std::sync::atomic::Ordering::AcqRel)
    }
}

/// The synchronisation task.
pub struct Task {
    pub(super) source: Source,
    load: Arc<dyn Load>,
    pub(super) metrics: Arc<Metrics>,
    handle: Handle,
    notifications: Notifications,
    /// Files outside the folder that the last load read.
    extra: Looked,
    /// Stamps before the last reading; `None` asks for another at the next tick.
    pub(super) seen: Option<Stamps>,
    /// Digest of the folder at the last verdict, and stamps of the single files.
    judged: Option<([u8; 32], Stamps)>,
    /// A source over a network, in place of the folder.
    pub(super) following: Option<Following>,
}

impl Task {
    /// Nothing is read before [`Task::run`] or [`Task::attempt`].
    pub fn new(source: Source, load: Arc<dyn Load>, metrics: Arc<Metrics>, handle: Handle) -> Self {
        let status = Status {
            source: source.describe(),
            ..Status::default()
        };
        handle.status.store(Arc::new(status));
        let notifications = Notifications::start(Arc::clone(&handle.wake));
        Self {
            source,
            load,
            metrics,
            handle,
            notifications,
            extra: Looked::new(),
            seen: None,
            judged: None,
            following: None,
        }
    }

    /// Follows a source over a network instead of reading a folder, with a copy of what it had on disk.
    pub fn following(mut self, remote: Box<dyn Remote>, store: Result<Option<Store>, BackupError>) -> Self {
        self.source.folder = None;
        let following = Following::new(remote, store);
        let status = Status {
            source: following.describe(),
            remote: Some(following.status.clone()),
            ..Status::default()
        };
        self.handle.status.store(Arc::new(status));
        self.following = Some(following);
        self
    }

    /// For people: where the configuration comes from.
    fn describe_source(&self) -> String {
        match &self.following {
            Some(following) => following.describe(),
            None => self.source.describe(),
        }
    }

    #[cfg(test)]
    pub(crate) fn source_mut(&mut self) -> &mut Source {
        &mut self.source
    }

    /// Runs until `stop` completes. The first attempt is made at once.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        if self.source.is_empty() && self.following.is_none() {
            tracing::error!(
                event = "ConfigInitialSyncFailed",
                "there is no configuration source this version can read; set config.artifacts.path to an APIOps folder"
            );
            return;
        }
        tracing::info!(event = "ConfigInitialSyncStarted", source_of_configuration = %self.describe_source(), "reading configuration");
        self.start_from_backup().await;
        let mut tick = tokio::time::interval(self.source.interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(stop);
        loop {
            let notified = tokio::select! {
                _ = tick.tick() => false,
                () = self.notifications.changed() => true,
                () = &mut stop => return,
            };
            if notified {
                tokio::time::sleep(SETTLE).await;
            }
            tokio::select! {
                () = self.attempt() => {}
                () = &mut stop => return,
            }
        }
    }

    /// Everything watched at this moment.
    pub(super) fn targets(&self) -> Targets {
        let files = self
            .source
            .files
            .iter()
            .chain(self.extra.keys())
            .cloned()
            .collect();
        Targets {
            folder: self.source.folder.clone(),
            files,
        }
    }

    /// Looks whether anything changed and, if so, reads and judges it.
    pub async fn attempt(&mut self) {
        let forced = self.handle.take_forced();
        let targets = self.targets();
        self.notifications.follow(&targets);
        let now = stamps(targets, self.source.bounds).await;
        let unseen = self.seen.as_ref() != Some(&now);
        if self.following.is_some() {
            self.seen = Some(now);
            self.follow(forced, forced || unseen).await;
            self.seen = self.seen.take().map(|seen| self.as_read(seen));
            return;
        }
        if !forced && !unseen {
            return;
        }
        self.seen = Some(now);
        let began = Instant::now();
        let at = Timestamp::now();
        match self.read().await {
            Ok((tree, verdict_key)) => {
                if !forced && self.judged.as_ref() == Some(&verdict_key) {
                    return;
                }
                let files = tree.len();
                self.judge(tree, files, at, began).await;
                let (digest, single) = verdict_key;
                self.judged = Some((digest, self.as_read(single)));
                self.seen = self.seen.take().map(|seen| self.as_read(seen));
                self.notifications.follow(&self.targets());
            }
            Err(error) => {
                self.seen = None;
                self.judged = None;
                self.failed(at, error.cause(), error.to_string(), remedy(error.cause()), &[]);
            }
        }
    }

    /// The stamps from before the load, with those of the files that it looked at. Never stamps from after it:
    /// a change that came in between would be taken for read.
    pub(super) fn as_read(&self, mut before: Stamps) -> Stamps {
        for (path, stamp) in &self.extra {
            match stamp {
                Some(stamp) => before.insert(path.clone(), stamp.clone()),
                None => before.remove(path),
            };
        }
        before
    }

    /// The folder's content, with what decides whether it is news. Folder and single files must stand still
    /// together: half an overlay can be valid and lack its denied addresses.
    async fn read(&self) -> Result<(FileTree, ([u8; 32], Stamps)), stable::StableError> {
        let Source {
            bounds,
            patience,
            folder,
            ..
        } = &self.source;
        for _ in 0..patience.tries {
            let before = single_stamps(self.targets(), *bounds).await;
            let (files, digest) = match folder {
                Some(folder) => {
                    let tree = stable::read(folder, *bounds, *patience).await?;
                    (tree.files, tree.digest)
                }
                None => {
                    tokio::time::sleep(patience.pause).await;
                    (FileTree::new(), [0; 32])
                }
            };
            if before == single_stamps(self.targets(), *bounds).await {
                return Ok((files, (digest, before)));
            }
        }
        Err(stable::StableError::Changing {
            watched: patience.pause * patience.tries as u32,
        })
    }

    /// Checks and activates what was read; true when it serves now.
    pub(super) async fn judge(
        &mut self,
        tree: FileTree,
        files: usize,
        at: Timestamp,
        began: Instant,
    ) -> bool {
        let load = Arc::clone(&self.load);
        let result = tokio::task::spawn_blocking(move || {
            let mut loaded = load.load(tree)?;
            let activated = load.activate(&mut loaded);
            Ok((loaded, activated))
        })
        .await;
        match result {
            Ok(Ok((loaded, Ok(())))) => {
                self.extra = loaded.files.clone();
                self.succeeded(&loaded, files, at, began.elapsed());
                return true;
            }
            Ok(Ok((loaded, Err(reason)))) => {
                self.extra = loaded.files.clone();
                self.failed(at, "activation", reason, remedy("activation"), &loaded.problems);
            }
            Ok(Err(Rejected { problems, files })) => {
                self.extra = files;
                let message = format!("{} mistakes refuse this configuration", problems.len());
                self.failed(at, "invalid", message, remedy("invalid"), &problems);
            }
            Err(error) => {
                let message = format!("checking ended abnormally: {error}");
                self.failed(at, "activation", message, remedy("activation"), &[]);
            }
        }
        false
    }

    fn succeeded(&self, loaded: &Loaded, files: usize, at: Timestamp, took: Duration) {
        let problems = Problems::of(&loaded.problems);
        let active = Arc::new(Active {
            revision: Arc::clone(&loaded.snapshot.revision),
            activated: Timestamp::now(),
            files,
            entities: loaded.entities.clone(),
            problems: problems.clone(),
        });
        self.count_success(&active, took);
        let first = self.handle.status().active.is_none();
        let attempt = Attempt {
            at,
            ok: true,
            cause: None,
            message: None,
            remedy: None,
            problems,
        };
        // The state before its event: who reads the log finds the state that it tells of.
        let before = self
            .handle
            .status()
            .active
            .as_ref()
            .map(|a| Arc::clone(&a.revision));
        self.publish(Some(Arc::clone(&active)), attempt);
        log_problems(&active.problems);
        let changes = loaded
            .changes
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        if before.as_ref() != Some(&active.revision) {
            self.record(before.as_deref(), &active, loaded);
        }
        tracing::info!(
            event = if first { "ConfigInitialSyncCompleted" } else { "ConfigurationUpdated" },
            revision = %active.revision,
            files,
            warnings = active.problems.warnings,
            refused_scopes = active.problems.refused,
            changes,
            milliseconds = took.as_millis() as u64,
            "configuration is active"
        );
    }

    /// Adds the change to the audit file; that it cannot be written is said, and stops nothing.
    fn record(&self, before: Option<&str>, active: &Active, loaded: &Loaded) {
        let Some(path) = &self.source.audit else { return };
        let line = Record {
            time: active.activated,
            source: &self.describe_source(),
            from: before,
            to: &active.revision,
            version: self.following.as_ref().and_then(|f| f.status.version.as_ref()),
            changes: loaded.changes.as_ref(),
            refused_scopes: active.problems.refused,
            warnings: active.problems.warnings,
        };
        if let Err(error) = audit::append(path, &line) {
            tracing::error!(event = "AuditFailed", path = %path.display(), "{error}");
        }
    }

    fn count_success(&self, active: &Active, took: Duration) {
        let sync = &self.metrics.sync;
        sync.attempts.inc();
        sync.last_success.set(1);
        sync.activated.set(active.activated.unix_seconds());
        sync.scopes_refused.set(active.problems.refused as i64);
        sync.duration.observe(took.as_secs_f64());
        sync.info.reset();
        let labels = [&*active.revision, self.describe_source().as_str()].map(str::to_owned);
        if let Ok(info) = sync.info.get_metric_with_label_values(&labels) {
            info.set(1);
        }
        for (kind, count) in &active.entities {
            if let Ok(gauge) = sync.entities.get_metric_with_label_values(&[kind]) {
                gauge.set(*count as i64);
            }
        }
    }

    fn failed(
        &self,
        at: Timestamp,
        cause: &'static str,
        message: String,
        remedy: &'static str,
        found: &[Problem],
    ) {
        let sync = &self.metrics.sync;
        sync.attempts.inc();
        sync.last_success.set(0);
        if let Ok(errors) = sync.errors.get_metric_with_label_values(&[cause]) {
            errors.inc();
        }
        let problems = Problems::of(found);
        let active = self.handle.status().active.clone();
        let attempt = Attempt {
            at,
            ok: false,
            cause: Some(cause),
            message: Some(message.clone()),
            remedy: Some(remedy),
            problems: problems.clone(),
        };
        self.publish(active.clone(), attempt);
        log_problems(&problems);
        let event = if active.is_some() {
            "ConfigurationRejected"
        } else {
            "ConfigInitialSyncFailed"
        };
        let serving = active.as_ref().map_or("nothing", |active| &*active.revision);
        tracing::error!(event, cause, serving, remedy, "{message}");
    }

    fn publish(&self, active: Option<Arc<Active>>, attempt: Attempt) {
        let before = self.handle.status();
        self.handle.status.store(Arc::new(Status {
            source: before.source.clone(),
            active,
            attempts: before.attempts + 1,
            failures: before.failures + u64::from(!attempt.ok),
            last_attempt: Some(Arc::new(attempt)),
            polling_only: self.notifications.degraded.clone(),
            remote: before.remote.clone(),
        }));
    }

    pub(super) fn publish_source(&self, source: SourceStatus) {
        let mut status = (*self.handle.status()).clone();
        status.remote = Some(source);
        self.handle.status.store(Arc::new(status));
    }
}

fn remedy(cause: &str) -> &'static str {
    match cause {
        "invalid" => "correct the files named; `gateway-agent check FOLDER` shows the same without a node",
        "unstable" => "let the writer finish, or write a new folder and swap a symbolic link",
        "too_large" => "keep only gateway artifacts in the folder",
        "activation" => "the configuration is well-formed but this node cannot serve it: see the message",
        _ => "make the folder readable for the agent's user",
    }
}

/// The log names each problem once an attempt; the status has the rest.
fn log_problems(problems: &Problems) {
    /// Lines of one attempt: enough to act on, few enough to read.
    const LOGGED: usize = 50;
    for p in problems.shown.iter().take(LOGGED) {
        let element = p.element.as_deref().unwrap_or("");
        if p.severity == "warning" {
            tracing::warn!(
                event = "ConfigurationProblem",
                code = p.code,
                file = p.path,
                line = p.line,
                column = p.column,
                element,
                "{}",
                p.message
            );
        } else {
            tracing::error!(
                event = "ConfigurationProblem",
                code = p.code,
                file = p.path,
                line = p.line,
                column = p.column,
                element,
                "{}",
                p.message
            );
        }
    }
}

pub(super) async fn stamps(targets: Targets, bounds: Bounds) -> Stamps {
    // The task cannot be cancelled and does not panic; an empty state leads to a reading, which reports.
    tokio::task::spawn_blocking(move || targets.stamps(&bounds))
        .await
        .unwrap_or_default()
}

async fn single_stamps(targets: Targets, bounds: Bounds) -> Stamps {
    stamps(
        Targets {
            folder: None,
            files: targets.files,
        },
        bounds,
    )
    .await
}
