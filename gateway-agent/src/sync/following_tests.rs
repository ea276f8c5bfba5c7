//! Following a source that answers, fails, and comes back; a copy on disk in between. The source is scripted.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use gateway_config::{FileTree, Problem, Snapshot, events::Revision};

use super::{
    backup::{Backup, Store},
    following::SourceState,
    remote::{Fetched, Polling, Remote, RemoteError},
    scratch::Scratch,
    stable::Patience,
    tree::Bounds,
    *,
};
use crate::telemetry::{Metrics, clock::Timestamp};

/// Takes any tree but one that holds `bad`; remembers the text of `a`.
#[derive(Default)]
struct Checker(Mutex<Vec<String>>);

impl Load for Checker {
    fn load(&self, tree: FileTree) -> Result<Loaded, Rejected> {
        if tree.contains_key("bad") {
            return Err(Rejected {
                problems: vec![Problem::scope("bad", "bad", "bad")],
                ..Rejected::default()
            });
        }
        let mut snapshot = Snapshot::default();
        snapshot.revision = String::from_utf8_lossy(&tree["a"]).into_owned().into();
        Ok(Loaded {
            snapshot: Arc::new(snapshot),
            problems: Vec::new(),
            entities: Vec::new(),
            files: tree::Looked::new(),
            changes: None,
        })
    }

    fn activate(&self, loaded: &mut Loaded) -> Result<(), String> {
        self.0.lock().unwrap().push(loaded.snapshot.revision.to_string());
        Ok(())
    }
}

type Answer = Result<Option<Fetched>, RemoteError>;

/// A source that answers what it is told to.
#[derive(Clone, Default)]
struct Scripted {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    restored: Arc<Mutex<Vec<Revision>>>,
}

impl Remote for Scripted {
    fn describe(&self) -> String {
        "script".to_owned()
    }

    fn poll(&mut self) -> Polling<'_> {
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Ok(None));
        Box::pin(std::future::ready(answer))
    }

    fn restore(&mut self, backup: &Backup) {
        self.restored.lock().unwrap().push(backup.origin.revision);
    }

    fn expires(&self) -> Option<Timestamp> {
        Timestamp::from_minute(2030, 1, 1, 0, 0)
    }
}

fn tree(files: &[(&str, &str)]) -> FileTree {
    files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), Arc::from(text.as_bytes())))
        .collect()
}

fn news(revision: u32, files: &[(&str, &str)]) -> Answer {
    Ok(Some(Fetched {
        files: tree(files),
        version: ("set".to_owned(), Revision(revision)),
    }))
}

fn unreachable() -> Answer {
    Err(RemoteError::Unreachable("no route".to_owned()))
}

struct Bench {
    scratch: Scratch,
    checker: Arc<Checker>,
    script: Scripted,
    metrics: Arc<Metrics>,
    handle: Handle,
    task: Task,
}

impl Bench {
    fn new(scratch: Scratch) -> Self {
        scratch.write("key", "0123456789abcdef");
        let store = Store::open(&scratch.path().join("backup"), Some(&scratch.path().join("key")));
        let source = Source {
            folder: None,
            files: BTreeSet::new(),
            interval: Duration::from_secs(10),
            bounds: Bounds::default(),
            patience: Patience::default(),
            audit: None,
        };
        let (checker, metrics, handle) = (
            Arc::new(Checker::default()),
            Metrics::new().unwrap(),
            Handle::default(),
        );
        let script = Scripted::default();
        let task = Task::new(
            source,
            Arc::clone(&checker) as Arc<dyn Load>,
            Arc::clone(&metrics),
            handle.clone(),
        )
        .following(Box::new(script.clone()), store.map(Some));
        Self {
            scratch,
            checker,
            script,
            metrics,
            handle,
            task,
        }
    }

    /// One round whose poll, when it comes to one, has this answer.
    async fn round(&mut self, answer: Answer) -> SourceState {
        self.script.answers.lock().unwrap().push_back(answer);
        self.task.attempt().await;
        self.handle.status().remote.clone().unwrap().state
    }

    fn activated(&self) -> Vec<String> {
        self.checker.0.lock().unwrap().clone()
    }

    fn asked(&self) -> bool {
        self.script.answers.lock().unwrap().is_empty()
    }
}

#[tokio::test(start_paused = true)]
async fn every_failure_has_its_state_and_traffic_goes_on() {
    let mut bench = Bench::new(Scratch::new());
    assert_eq!(bench.round(unreachable()).await, SourceState::NeverSynced);
    for (answer, expected) in [
        (news(1, &[("a", "one")]), SourceState::Fresh),
        (unreachable(), SourceState::Stale),
        (
            Err(RemoteError::Unauthorised("expired".to_owned())),
            SourceState::Unauthorised,
        ),
        (
            Err(RemoteError::Refused("no page".to_owned())),
            SourceState::Refused,
        ),
        (
            Err(RemoteError::Throttled(Duration::from_secs(5))),
            SourceState::Throttled,
        ),
        (Ok(None), SourceState::Fresh),
    ] {
        tokio::time::advance(Duration::from_secs(120)).await;
        assert_eq!(bench.round(answer).await, expected);
        let status = bench.handle.status();
        let source = status.remote.as_ref().unwrap();
        assert_eq!(source.remedy.is_none(), expected == SourceState::Fresh);
        assert_eq!(source.message.is_none(), expected == SourceState::Fresh);
        let gauge = bench
            .metrics
            .sync
            .source_state
            .with_label_values(&[expected.name()]);
        assert_eq!(gauge.get(), 1, "{expected:?}");
    }
    assert_eq!(bench.activated(), ["one"], "served all the time, loaded once");
}

#[tokio::test(start_paused = true)]
async fn patience_grows_and_ends_with_an_answer() {
    let mut bench = Bench::new(Scratch::new());
    bench.round(unreachable()).await;
    // Twice the interval of ten seconds, and up to a fifth on top.
    tokio::time::advance(Duration::from_secs(19)).await;
    bench.round(unreachable()).await;
    assert!(!bench.asked(), "too early");
    tokio::time::advance(Duration::from_secs(6)).await;
    bench.task.attempt().await;
    assert!(bench.asked());
    tokio::time::advance(Duration::from_secs(73)).await;
    bench.round(Ok(None)).await;
    assert!(bench.asked(), "never longer than a minute and a fifth");
    bench.round(Ok(None)).await;
    assert!(bench.asked(), "an answer ends it");
}

#[tokio::test(start_paused = true)]
async fn a_throttling_source_decides_how_long() {
    let mut bench = Bench::new(Scratch::new());
    bench
        .round(Err(RemoteError::Throttled(Duration::from_secs(300))))
        .await;
    tokio::time::advance(Duration::from_secs(299)).await;
    bench.round(Ok(None)).await;
    assert!(!bench.asked());
    tokio::time::advance(Duration::from_secs(62)).await;
    bench.task.attempt().await;
    assert!(bench.asked());
}

#[tokio::test]
async fn a_node_starts_from_its_copy_and_asks_for_what_came_after() {
    let mut bench = Bench::new(Scratch::new());
    bench.round(news(7, &[("a", "one")])).await;
    let mut later = Bench::new(bench.scratch);
    later.task.start_from_backup().await;
    assert_eq!(later.activated(), ["one"]);
    assert_eq!(*later.script.restored.lock().unwrap(), [Revision(7)]);
    let status = later.handle.status();
    let source = status.remote.as_ref().unwrap();
    assert_eq!(source.state, SourceState::Stale);
    assert!(source.backup.as_ref().unwrap().saved.is_some());
    assert_eq!(later.round(Ok(None)).await, SourceState::Fresh);
    assert_eq!(later.activated(), ["one"], "the same is not loaded twice");
}

#[tokio::test]
async fn what_cannot_serve_is_not_kept() {
    let mut bench = Bench::new(Scratch::new());
    bench.round(news(1, &[("a", "one")])).await;
    bench.round(news(2, &[("a", "two"), ("bad", "")])).await;
    assert_eq!(bench.activated(), ["one"]);
    let mut later = Bench::new(bench.scratch);
    later.task.start_from_backup().await;
    assert_eq!(later.activated(), ["one"], "the copy is the last good one");
}

#[tokio::test]
async fn a_damaged_copy_is_told_and_the_source_asked() {
    let scratch = Scratch::new();
    scratch.write(
        "backup/configuration.backup",
        "not a backup, but long enough to be looked at whole",
    );
    let mut bench = Bench::new(scratch);
    bench.task.start_from_backup().await;
    assert!(bench.activated().is_empty());
    assert_eq!(bench.round(news(1, &[("a", "one")])).await, SourceState::Fresh);
    assert_eq!(bench.activated(), ["one"]);
}
