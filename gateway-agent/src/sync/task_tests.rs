//! The synchronisation task against real folders, with a checker of the tests' own.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use gateway_config::{FileTree, Problem, Severity, Snapshot};

use super::{scratch::Scratch, stable::Patience, tree::Bounds, *};
use crate::telemetry::Metrics;

/// Long enough for a loaded machine; waits end with their event.
const LIMIT: Duration = Duration::from_secs(30);

/// Accepts a folder whose file `good` says `yes`; the revision is the text of `revision`.
#[derive(Default)]
struct Checker {
    secret: Option<PathBuf>,
    active: Mutex<Vec<String>>,
    refuse_activation: bool,
    /// Written into the secret after it was read, once: a change that comes in the middle of a load.
    change: Mutex<Option<String>>,
}

impl Load for Checker {
    fn load(&self, tree: FileTree) -> Result<Loaded, Rejected> {
        let mut files = tree::Looked::new();
        if let Some(secret) = &self.secret {
            tree::look(&mut files, secret);
        }
        let text = |name: &str| tree.get(name).map(|b| String::from_utf8_lossy(b).into_owned());
        if text("good").as_deref() != Some("yes") {
            let problem = Problem {
                severity: Severity::Fatal,
                code: "not-good",
                message: "say yes".to_owned(),
                path: "good".to_owned(),
                line: 1,
                column: 1,
                element: None,
            };
            return Err(Rejected {
                problems: vec![problem],
                files,
            });
        }
        let secret = self
            .secret
            .as_ref()
            .and_then(|path| fs::read_to_string(path).ok())
            .unwrap_or_default();
        if let (Some(text), Some(path)) = (self.change.lock().unwrap().take(), &self.secret) {
            fs::write(path, text).unwrap();
        }
        let revision = text("revision").unwrap_or_default() + &secret;
        let mut snapshot = Snapshot::default();
        snapshot.revision = revision.into();
        let snapshot = Arc::new(snapshot);
        Ok(Loaded {
            snapshot,
            problems: Vec::new(),
            entities: vec![("apis", 1)],
            files,
            changes: None,
        })
    }

    fn activate(&self, loaded: &mut Loaded) -> Result<(), String> {
        if self.refuse_activation {
            return Err("port 1 is taken".to_owned());
        }
        self.active
            .lock()
            .unwrap()
            .push(loaded.snapshot.revision.to_string());
        Ok(())
    }
}

struct Bench {
    scratch: Scratch,
    checker: Arc<Checker>,
    metrics: Arc<Metrics>,
    handle: Handle,
    task: Task,
}

impl Bench {
    fn new(checker: Checker) -> Self {
        Self::at(Scratch::new(), "tree", checker)
    }

    fn at(scratch: Scratch, folder: &str, checker: Checker) -> Self {
        let source = Source {
            folder: Some(scratch.path().join(folder)),
            files: BTreeSet::new(),
            interval: Duration::from_millis(50),
            bounds: Bounds {
                files: 50,
                ..Bounds::default()
            },
            patience: Patience {
                pause: Duration::from_millis(5),
                tries: 3,
            },
            audit: None,
        };
        let (checker, metrics, handle) = (Arc::new(checker), Metrics::new().unwrap(), Handle::default());
        let task = Task::new(
            source,
            Arc::clone(&checker) as Arc<dyn Load>,
            Arc::clone(&metrics),
            handle.clone(),
        );
        Self {
            scratch,
            checker,
            metrics,
            handle,
            task,
        }
    }

    fn write(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            self.scratch.write(&format!("tree/{name}"), text);
        }
    }

    fn activated(&self) -> Vec<String> {
        self.checker.active.lock().unwrap().clone()
    }

    /// The last attempt's cause, `None` when it went well.
    fn cause(&self) -> Option<&'static str> {
        self.handle
            .status()
            .last_attempt
            .as_ref()
            .expect("an attempt was made")
            .cause
    }

    fn errors(&self, cause: &str) -> u64 {
        self.metrics
            .sync
            .errors
            .get_metric_with_label_values(&[cause])
            .unwrap()
            .get()
    }

    /// Runs the task while `change` happens, until `done` says so.
    async fn run_until(
        self,
        change: impl FnOnce(&Scratch),
        done: impl Fn(&Handle, &Checker) -> bool,
    ) -> Handle {
        let Bench {
            scratch,
            checker,
            handle,
            task,
            ..
        } = self;
        change(&scratch);
        let mut poll = tokio::time::interval(Duration::from_millis(5));
        let watched = async {
            while !done(&handle, &checker) {
                poll.tick().await;
            }
        };
        tokio::time::timeout(LIMIT, task.run(watched))
            .await
            .expect("the change was not noticed");
        handle
    }
}

#[tokio::test]
async fn a_valid_folder_is_activated_once() {
    let mut bench = Bench::new(Checker::default());
    bench.write(&[("good", "yes"), ("revision", "r1")]);
    for _ in 0..3 {
        bench.task.attempt().await;
    }
    assert_eq!(bench.activated(), ["r1"]);
    let status = bench.handle.status();
    assert_eq!((status.attempts, status.failures), (1, 0));
    let active = status.active.as_ref().unwrap();
    assert_eq!((&*active.revision, active.files), ("r1", 2));
    let text = bench.metrics.render().unwrap();
    assert!(text.contains("\nconfiguration_sync_total 1\n"), "{text}");
    assert!(
        text.contains("\nconfiguration_last_sync_successful 1\n"),
        "{text}"
    );
    assert!(
        text.contains("configuration_info{revision=\"r1\",source=\"folder "),
        "{text}"
    );
    assert!(text.contains("configuration_entities{kind=\"apis\"} 1"), "{text}");
}

#[tokio::test]
async fn an_invalid_folder_leaves_the_last_good_one() {
    let mut bench = Bench::new(Checker::default());
    bench.write(&[("good", "yes"), ("revision", "r1")]);
    bench.task.attempt().await;
    bench.write(&[("good", "garbage \u{0}\u{1}"), ("revision", "r2")]);
    for _ in 0..3 {
        bench.task.attempt().await;
    }
    assert_eq!(bench.activated(), ["r1"]);
    assert_eq!(bench.cause(), Some("invalid"));
    assert_eq!(bench.errors("invalid"), 1, "judged once, not at every tick");
    let status = bench.handle.status();
    assert_eq!(&*status.active.as_ref().unwrap().revision, "r1");
    let last = status.last_attempt.as_ref().unwrap();
    assert_eq!(last.problems.shown[0].path, "good");
    assert!(last.remedy.unwrap().contains("gateway-agent check"));
    assert_eq!(bench.metrics.sync.last_success.get(), 0);
    bench.write(&[("good", "yes")]);
    bench.task.attempt().await;
    assert_eq!(bench.activated(), ["r1", "r2"]);
    assert_eq!(bench.cause(), None);
}

#[tokio::test]
async fn a_missing_folder_is_tried_again_at_every_tick() {
    let mut bench = Bench::new(Checker::default());
    bench.task.attempt().await;
    assert_eq!(bench.cause(), Some("unreadable"));
    assert!(bench.handle.status().active.is_none());
    bench.write(&[("good", "yes"), ("revision", "r1")]);
    bench.task.attempt().await;
    assert_eq!(bench.activated(), ["r1"]);
}

#[tokio::test]
async fn a_folder_that_vanishes_leaves_the_last_good_one() {
    let mut bench = Bench::new(Checker::default());
    bench.write(&[("good", "yes"), ("revision", "r1")]);
    bench.task.attempt().await;
    fs::remove_dir_all(bench.scratch.path().join("tree")).unwrap();
    bench.task.attempt().await;
    assert_eq!(bench.cause(), Some("unreadable"));
    assert_eq!(&*bench.handle.status().active.as_ref().unwrap().revision, "r1");
}

#[tokio::test]
async fn too_much_is_refused_by_name() {
    let mut bench = Bench::new(Checker::default());
    for n in 0..60 {
        bench.write(&[(&format!("file{n}"), "x")]);
    }
    bench.task.attempt().await;
    assert_eq!(bench.cause(), Some("too_large"));
    assert_eq!(bench.errors("too_large"), 1);
}

#[tokio::test]
async fn a_failed_activation_is_told_apart() {
    let mut bench = Bench::new(Checker {
        refuse_activation: true,
        ..Checker::default()
    });
    bench.write(&[("good", "yes")]);
    bench.task.attempt().await;
    assert_eq!(bench.cause(), Some("activation"));
    let status = bench.handle.status();
    assert_eq!(
        status.last_attempt.as_ref().unwrap().message.as_deref(),
        Some("port 1 is taken")
    );
}

#[tokio::test]
async fn a_touched_file_is_no_news_and_a_reload_is() {
    let mut bench = Bench::new(Checker::default());
    bench.write(&[("good", "yes"), ("revision", "r1")]);
    bench.task.attempt().await;
    bench.write(&[("good", "yes")]);
    bench.task.attempt().await;
    assert_eq!(bench.activated(), ["r1"]);
    bench.handle.reload();
    bench.task.attempt().await;
    assert_eq!(bench.activated(), ["r1", "r1"]);
}

#[tokio::test]
async fn a_changed_secret_is_loaded_again() {
    let scratch = Scratch::new();
    scratch.write("secret", "-s1");
    let secret = Some(scratch.path().join("secret"));
    let mut bench = Bench::at(
        scratch,
        "tree",
        Checker {
            secret,
            ..Checker::default()
        },
    );
    bench.write(&[("good", "yes"), ("revision", "r1")]);
    bench.task.attempt().await;
    bench.task.attempt().await;
    bench.scratch.write("secret", "-s2!");
    bench.task.attempt().await;
    assert_eq!(bench.activated(), ["r1-s1", "r1-s2!"]);
}

#[tokio::test]
async fn a_secret_that_changes_during_the_load_is_not_taken_for_read() {
    for changes_at_first_load in [true, false] {
        let scratch = Scratch::new();
        scratch.write("secret", "-s1");
        let secret = Some(scratch.path().join("secret"));
        let change = Mutex::new(changes_at_first_load.then(|| "-second".to_owned()));
        let mut bench = Bench::at(
            scratch,
            "tree",
            Checker {
                secret,
                change,
                ..Checker::default()
            },
        );
        bench.write(&[("good", "yes"), ("revision", "r1")]);
        bench.task.attempt().await;
        if !changes_at_first_load {
            *bench.checker.change.lock().unwrap() = Some("-second".to_owned());
            bench.write(&[("revision", "r2")]);
            bench.task.attempt().await;
        }
        bench.task.attempt().await;
        let last = bench.activated().pop().unwrap();
        assert!(last.ends_with("-second"), "{:?}", bench.activated());
        let loads = bench.activated().len();
        bench.task.attempt().await;
        assert_eq!(bench.activated().len(), loads, "and then it is quiet");
    }
}

#[tokio::test]
async fn a_single_file_that_is_being_written_is_waited_for() {
    let scratch = Scratch::new();
    let overlay = scratch.path().join("overlay");
    let mut bench = Bench::at(scratch, "tree", Checker::default());
    bench.write(&[("good", "yes"), ("revision", "r1")]);
    bench.task.source_mut().files.insert(overlay.clone());
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    let mut text = String::new();
    let writing = async {
        loop {
            tick.tick().await;
            text.push('x');
            fs::write(&overlay, &text).unwrap();
        }
    };
    tokio::select! {
        () = bench.task.attempt() => {}
        () = writing => unreachable!("writes for ever"),
    }
    assert_eq!((bench.cause(), bench.activated().len()), (Some("unstable"), 0));
    bench.task.attempt().await;
    assert_eq!(bench.activated(), ["r1"]);
}

#[tokio::test]
async fn a_running_task_notices_a_change() {
    let bench = Bench::new(Checker::default());
    bench.write(&[("good", "yes"), ("revision", "r1")]);
    let revision = bench.scratch.path().join("tree/revision");
    let wrote = Cell::new(false);
    bench
        .run_until(
            |_| {},
            |_, checker| {
                let active = checker.active.lock().unwrap().clone();
                if active == ["r1"] && !wrote.replace(true) {
                    fs::write(&revision, "r2").unwrap();
                }
                active == ["r1", "r2"]
            },
        )
        .await;
}

#[tokio::test]
async fn a_swapped_link_is_an_atomic_update() {
    let scratch = Scratch::new();
    for (folder, revision) in [("one", "r1"), ("two", "r2")] {
        scratch.write(&format!("{folder}/good"), "yes");
        scratch.write(&format!("{folder}/revision"), revision);
    }
    symlink("one", scratch.path().join("current")).unwrap();
    let mut bench = Bench::at(scratch, "current", Checker::default());
    bench.task.attempt().await;
    let handle = bench
        .run_until(
            |scratch| {
                symlink("two", scratch.path().join("next")).unwrap();
                fs::rename(scratch.path().join("next"), scratch.path().join("current")).unwrap();
            },
            |_, checker| checker.active.lock().unwrap().last().is_some_and(|r| r == "r2"),
        )
        .await;
    assert!(
        handle.status().failures == 0,
        "no half state was seen: {:?}",
        handle.status()
    );
}
