//! Following a source over a network: backup first, then polls; what fails is told once and tried again with patience.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use gateway_config::{FileTree, events::Revision};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    backup::{Backup, BackupError, Origin, Store},
    remote::{Remote, RemoteError, TOKEN_WARNING},
    task::{Task, stamps},
};
use crate::telemetry::clock::Timestamp;

/// Longest pause between polls of a source that does not answer: a cable that is back is noticed within it.
const PATIENCE_MAX: Duration = Duration::from_secs(60);
/// A failure that goes on is logged again after this time.
const REMIND: Duration = Duration::from_secs(3600);
/// How often a token that ends soon is said again.
const EXPIRY_REMIND: Duration = Duration::from_secs(24 * 3600);

/// What a node knows about its source.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// See [`SourceState`].
    pub state: SourceState,
    /// When it got into this state.
    pub since: Timestamp,
    /// The last answer that told the source's state; absent before the first.
    pub contact: Option<Timestamp>,
    /// The data set and counter followed.
    pub version: Option<(String, Revision)>,
    /// The copy on disk.
    pub backup: Option<BackupStatus>,
    /// When the node's right to ask ends.
    pub credentials_expire: Option<Timestamp>,
    /// Why it is not fresh; absent when it is.
    pub message: Option<String>,
    /// What to do about it; absent when it is fresh.
    pub remedy: Option<&'static str>,
}

/// The copy on disk.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// The file.
    pub path: String,
    /// When it was written.
    pub saved: Option<Timestamp>,
    /// Why there is none, or why it is old.
    pub problem: Option<String>,
}

/// How a node stands to its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// No answer since the start, and no backup.
    NeverSynced,
    /// The source answered the last poll.
    Fresh,
    /// The source cannot be reached; what was read before serves.
    Stale,
    /// The source asks to wait.
    Throttled,
    /// The source does not let this node in.
    Unauthorised,
    /// The source answers with something that is no configuration.
    Refused,
}

impl SourceState {
    /// All of them, the values of the metric's label.
    pub const ALL: [Self; 6] = [
        Self::NeverSynced,
        Self::Fresh,
        Self::Stale,
        Self::Throttled,
        Self::Unauthorised,
        Self::Refused,
    ];

    /// As in JSON and in the metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverSynced => "never_synced",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Throttled => "throttled",
            Self::Unauthorised => "unauthorised",
            Self::Refused => "refused",
        }
    }

    fn remedy(self) -> Option<&'static str> {
        match self {
            Self::Fresh => None,
            Self::NeverSynced | Self::Stale => Some(
                "see whether the source runs and the network lets this node reach it; traffic goes on meanwhile",
            ),
            Self::Throttled => Some("nothing: the node waits as long as the source asks"),
            Self::Unauthorised => Some(
                "make a new token (gateway-agent token create) and give it in config.service.auth; traffic goes on",
            ),
            Self::Refused => {
                Some("see what answers at config.service.endpoint: it should be a gateway-agent hub")
            }
        }
    }
}

/// A source, what was last read from it, and how it has been.
pub(super) struct Following {
    remote: Box<dyn Remote>,
    store: Option<Arc<Store>>,
    tree: Option<FileTree>,
    pub(super) status: SourceStatus,
    next: Option<Instant>,
    failures: u32,
    reminded: Option<Instant>,
    warned: Option<Instant>,
}

impl Following {
    pub(super) fn new(remote: Box<dyn Remote>, store: Result<Option<Store>, BackupError>) -> Self {
        let (store, backup) = match store {
            Ok(None) => (None, None),
            Ok(Some(store)) => {
                let path = store.path().display().to_string();
                let status = BackupStatus {
                    path,
                    saved: None,
                    problem: None,
                };
                (Some(Arc::new(store)), Some(status))
            }
            Err(error) => {
                tracing::error!(
                    event = "BackupUnusable",
                    cause = error.cause(),
                    "{error}; this node cannot start without its source"
                );
                let status = BackupStatus {
                    path: String::new(),
                    saved: None,
                    problem: Some(error.to_string()),
                };
                (None, Some(status))
            }
        };
        let status = SourceStatus {
            state: SourceState::NeverSynced,
            since: Timestamp::now(),
            contact: None,
            version: None,
            backup,
            credentials_expire: remote.expires(),
            message: None,
            remedy: SourceState::NeverSynced.remedy(),
        };
        Self {
            remote,
            store,
            tree: None,
            status,
            next: None,
            failures: 0,
            reminded: None,
            warned: None,
        }
    }

    pub(super) fn describe(&self) -> String {
        self.remote.describe()
    }

    /// Another state, or the same for longer.
    fn settle(&mut self, state: SourceState, message: Option<String>) {
        if self.status.state != state {
            self.status.state = state;
            self.status.since = Timestamp::now();
            self.reminded = None;
        }
        self.status.remedy = state.remedy();
        self.status.message = message;
    }

    /// Whether this moment's failure is worth a line in the log.
    fn is_news(&mut self) -> bool {
        let now = Instant::now();
        let due = self.reminded.is_none_or(|at| now.duration_since(at) >= REMIND);
        if due {
            self.reminded = Some(now);
        }
        due
    }

    /// When to ask again after a failure: twice as long each time, and never all nodes at once.
    fn back_off(&mut self, interval: Duration, asked_for: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        let doubled = interval
            .saturating_mul(1 << self.failures.min(6))
            .min(PATIENCE_MAX.max(interval));
        let pause = asked_for.unwrap_or(doubled);
        self.next = Some(Instant::now() + pause + pause.mul_f64(0.2 * fraction()));
    }
}

/// A number from 0 to 1 that differs between nodes and moments.
fn fraction() -> f64 {
    let mut bytes = [0; 2];
    // Without random numbers nodes ask at the same moment, which is all that is lost.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX)
}

impl Task {
    /// Starts from the copy on disk, so that traffic does not wait for the source.
    pub(super) async fn start_from_backup(&mut self) {
        let Some(following) = &mut self.following else {
            return;
        };
        let Some(store) = following.store.clone() else {
            return;
        };
        let began = Instant::now();
        let loaded = tokio::task::spawn_blocking(move || store.load()).await;
        let backup = match loaded {
            Ok(Ok(backup)) => backup,
            Ok(Err(error @ BackupError::Absent(_))) => {
                tracing::info!(event = "BackupAbsent", "{error}");
                return;
            }
            Ok(Err(error)) => {
                tracing::error!(event = "BackupUnusable", cause = error.cause(), "{error}");
                if let Some(status) = &mut following.status.backup {
                    status.problem = Some(error.to_string());
                }
                return;
            }
            Err(error) => {
                tracing::error!(
                    event = "BackupUnusable",
                    cause = "activation",
                    "reading it ended abnormally: {error}"
                );
                return;
            }
        };
        let Origin {
            source,
            revision,
            saved,
            ..
        } = &backup.origin;
        let age = backup.origin.age(Timestamp::now());
        tracing::warn!(
            event = "ConfigurationFromBackup",
            of = source,
            revision = %revision,
            age_seconds = age.as_secs(),
            "starting from the copy on disk; the source is asked next"
        );
        following.remote.restore(&backup);
        let saved = Timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(*saved));
        if let Some(status) = &mut following.status.backup {
            status.saved = Some(saved);
        }
        self.metrics.sync.backup_saved.set(saved.unix_seconds());
        following.status.version = Some((backup.origin.dataset.clone(), *revision));
        following.settle(
            SourceState::Stale,
            Some("started from the copy on disk".to_owned()),
        );
        following.tree = Some(backup.files.clone());
        let files = backup.files.len();
        let before = stamps(self.targets(), self.source.bounds).await;
        self.judge(backup.files, files, Timestamp::now(), began).await;
        self.seen = Some(self.as_read(before));
        self.tell_source();
    }

    /// One round: ask the source when it is time, look at the single files, load when either has news.
    pub(super) async fn follow(&mut self, forced: bool, local_news: bool) {
        let asked = self.ask(forced).await;
        let Some(following) = &self.following else { return };
        let news = asked || local_news;
        let Some(tree) = following.tree.clone().filter(|_| news) else {
            self.tell_source();
            return;
        };
        let (at, began, files) = (Timestamp::now(), Instant::now(), tree.len());
        let accepted = self.judge(tree.clone(), files, at, began).await;
        if accepted && asked {
            self.keep(tree).await;
        }
        self.tell_source();
    }

    /// Asks the source; true when it had news.
    async fn ask(&mut self, forced: bool) -> bool {
        let interval = self.source.interval;
        let Some(following) = &mut self.following else {
            return false;
        };
        if !forced && following.next.is_some_and(|next| Instant::now() < next) {
            return false;
        }
        let result = following.remote.poll().await;
        warn_of_expiry(following);
        let error = match result {
            Ok(news) => {
                if following.status.state != SourceState::Fresh {
                    tracing::info!(event = "SourceReached", source_of_configuration = %following.describe(), "the source answers");
                }
                following.failures = 0;
                following.next = None;
                following.status.contact = Some(Timestamp::now());
                following.settle(SourceState::Fresh, None);
                let Some(fetched) = news else { return false };
                following.status.version = Some(fetched.version);
                following.tree = Some(fetched.files);
                return true;
            }
            Err(error) => error,
        };
        let state = match (&error, &following.tree) {
            (RemoteError::Unreachable(_), None) => SourceState::NeverSynced,
            (RemoteError::Unreachable(_), Some(_)) => SourceState::Stale,
            (RemoteError::Unauthorised(_), _) => SourceState::Unauthorised,
            (RemoteError::Throttled(_), _) => SourceState::Throttled,
            (RemoteError::Refused(_), _) => SourceState::Refused,
        };
        let asked_for = match error {
            RemoteError::Throttled(pause) => Some(pause),
            _ => None,
        };
        following.settle(state, Some(error.to_string()));
        if let Some(own) = following.remote.remedy(&error) {
            following.status.remedy = Some(own);
        }
        following.back_off(interval, asked_for);
        if following.is_news() {
            let remedy = following.status.remedy.unwrap_or_default();
            tracing::error!(
                event = "SourceFailed",
                cause = error.cause(),
                state = state.name(),
                source_of_configuration = %following.describe(),
                remedy,
                "{error}"
            );
        }
        self.metrics.sync.attempts.inc();
        if let Ok(errors) = self
            .metrics
            .sync
            .errors
            .get_metric_with_label_values(&[error.cause()])
        {
            errors.inc();
        }
        false
    }

    /// Writes the copy on disk.
    async fn keep(&mut self, files: FileTree) {
        let Some(following) = &mut self.following else {
            return;
        };
        let (Some(store), Some((dataset, revision))) =
            (following.store.clone(), following.status.version.clone())
        else {
            return;
        };
        let saved = Timestamp::now();
        let origin = Origin {
            source: following.remote.describe(),
            dataset,
            revision,
            saved: saved.unix_seconds() as u64,
            history: Vec::new(),
        };
        let written = tokio::task::spawn_blocking(move || store.save(&Backup { origin, files })).await;
        let problem = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some((error.cause(), error.to_string())),
            Err(error) => Some(("activation", error.to_string())),
        };
        let Some(status) = &mut following.status.backup else {
            return;
        };
        if let Some((cause, message)) = problem {
            tracing::error!(event = "BackupFailed", cause, "{message}; the older copy stays");
            status.problem = Some(message);
            return;
        }
        status.saved = Some(saved);
        status.problem = None;
        self.metrics.sync.backup_saved.set(saved.unix_seconds());
    }

    /// Status and metrics of the source as it is now.
    fn tell_source(&self) {
        let Some(following) = &self.following else { return };
        let sync = &self.metrics.sync;
        for state in SourceState::ALL {
            if let Ok(gauge) = sync.source_state.get_metric_with_label_values(&[state.name()]) {
                gauge.set(i64::from(state == following.status.state));
            }
        }
        if let Some(contact) = following.status.contact {
            sync.source_contact.set(contact.unix_seconds());
        }
        if let Some(expiry) = following.status.credentials_expire {
            sync.credentials_expire.set(expiry.unix_seconds());
        }
        self.publish_source(following.status.clone());
    }
}

/// A token that ends soon is said in time, and again each day.
fn warn_of_expiry(following: &mut Following) {
    let Some(expiry) = following.remote.expires() else {
        return;
    };
    let left = expiry.0.duration_since(SystemTime::now()).unwrap_or_default();
    let due = following.warned.is_none_or(|at| at.elapsed() >= EXPIRY_REMIND);
    if left < TOKEN_WARNING && due {
        following.warned = Some(Instant::now());
        tracing::warn!(
            event = "GatewayTokenNearExpiry",
            expires = %expiry,
            hours_left = left.as_secs() / 3600,
            "the token for the configuration source ends soon; make another with gateway-agent token create"
        );
    }
}
