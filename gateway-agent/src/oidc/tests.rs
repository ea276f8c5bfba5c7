//! When documents are fetched, in paused time.

use std::cell::Cell;

use gateway_policy::jose::{Key, KeySet};

use super::*;
use crate::telemetry::Metrics;

/// An issuer that counts how often it is asked.
struct Issuer {
    asked: Cell<u32>,
    up: Cell<bool>,
}

struct Scene {
    directory: Arc<Directory>,
    issuer: Issuer,
    metrics: Arc<Metrics>,
}

impl Scene {
    fn new() -> Self {
        Self {
            directory: Arc::new(Directory::new(Timing::default())),
            issuer: Issuer {
                asked: Cell::new(0),
                up: Cell::new(true),
            },
            metrics: Metrics::new().unwrap(),
        }
    }

    async fn fetch(&self) -> Result<OpenIdConfiguration, String> {
        self.issuer.asked.set(self.issuer.asked.get() + 1);
        let up = self.issuer.up.get();
        tokio::time::sleep(Duration::from_millis(10)).await;
        let name = format!("issuer {}", self.issuer.asked.get());
        up.then(|| OpenIdConfiguration {
            issuer: Some(name.into()),
            keys: KeySet::new(vec![Key::secret(None, b"k")]),
        })
        .ok_or_else(|| "down".to_owned())
    }

    /// Asks, and renews what was left to be renewed.
    async fn ask(&self, refresh: bool) -> String {
        let url = "https://i/d".into();
        let effects = &self.metrics.effects;
        let mut left = None;
        let fetch = || self.fetch();
        let got = self
            .directory
            .get(&url, refresh, effects, fetch, |renewal| left = Some(renewal))
            .await;
        if let Some(renewal) = left {
            renewal.run(&url, effects, || self.fetch()).await;
        }
        match got {
            Ok(document) => document.issuer.as_deref().unwrap_or_default().to_owned(),
            Err(failure) => failure.message(),
        }
    }
}

/// Steps: seconds to wait, is the issuer up, is it a refresh; what is got and how often was asked by then.
async fn check(steps: &[(u64, bool, bool, &str, u32)]) {
    let scene = Scene::new();
    for (at, (wait, up, refresh, expected, asked)) in steps.iter().enumerate() {
        tokio::time::advance(Duration::from_secs(*wait)).await;
        scene.issuer.up.set(*up);
        let got = scene.ask(*refresh).await;
        assert!(got.contains(expected), "step {at}: {got} instead of {expected}");
        assert_eq!(scene.issuer.asked.get(), *asked, "step {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn documents_are_fetched_hourly_beside_the_requests() {
    check(&[
        (0, true, false, "issuer 1", 1),
        (3_500, true, false, "issuer 1", 1),
        // Due: the old one serves, the new one is fetched.
        (101, true, false, "issuer 1", 2),
        (1, true, false, "issuer 2", 2),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn unknown_keys_refresh_at_most_every_five_minutes() {
    check(&[
        (0, true, false, "issuer 1", 1),
        (10, true, true, "issuer 1", 1),
        (291, true, true, "issuer 2", 2),
        (1, true, true, "issuer 2", 2),
        (300, true, true, "issuer 3", 3),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_down_changes_nothing_for_a_day() {
    check(&[
        (0, true, false, "issuer 1", 1),
        (301, false, true, "issuer 1", 2),
        (3_600, false, false, "issuer 1", 3),
        // Not asked again before five minutes have passed.
        (100, false, false, "issuer 1", 3),
        (201, false, false, "issuer 1", 4),
        (24 * 3_600, false, false, "'https://i/d': down", 5),
        (301, true, false, "issuer 6", 6),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_first_failure_fails_closed_and_pauses_longer_each_time() {
    check(&[
        (0, false, false, "down", 1),
        (0, true, false, "down", 1),
        (1, false, false, "down", 2),
        (1, true, false, "down", 2),
        (1, true, false, "issuer 3", 3),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_fetches_for_all() {
    let scene = Scene::new();
    let (a, b, c) = tokio::join!(scene.ask(false), scene.ask(false), scene.ask(false));
    assert_eq!([&a, &b, &c], ["issuer 1"; 3]);
    assert_eq!(scene.issuer.asked.get(), 1);
    // Whoever fetches may go away: the next one takes over.
    let scene = Scene::new();
    let _ = tokio::time::timeout(Duration::from_millis(1), scene.ask(false)).await;
    assert_eq!(scene.ask(false).await, "issuer 2");
}

#[tokio::test(start_paused = true)]
async fn documents_are_bounded() {
    let directory = Directory::new(Timing::default());
    for n in 0..DOCUMENTS_MAX * 2 {
        let url: Arc<str> = format!("https://i/{n}").into();
        let _ = directory.entry(&url).plan(directory.timing, false);
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let entries = directory.entries.lock().unwrap();
    assert_eq!(entries.len(), DOCUMENTS_MAX);
    assert!(entries.contains_key(format!("https://i/{}", DOCUMENTS_MAX * 2 - 1).as_str()));
}
