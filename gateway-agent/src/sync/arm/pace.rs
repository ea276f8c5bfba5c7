//! Pacing: a token bucket of our own inside the service's, which is shared with everybody of the same identity.
//!
//! Azure gives 250 reads and 25 more each second, and says in a header how many are left; with few left this node
//! steps back before it is told to.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

/// Calls that may come at once after a quiet time.
const BURST: f64 = 40.0;
/// With fewer calls left in the service's bucket than this, the node steps back.
const RESERVE: u64 = 50;
/// Pause for each call that is missing from the reserve: a tenth of what the bucket gains.
const PAUSE_EACH: Duration = Duration::from_millis(100);

/// What the headers call the calls that are left.
const REMAINING: [&str; 3] = [
    "x-ms-ratelimit-remaining-subscription-reads",
    "x-ms-ratelimit-remaining-subscription-writes",
    "x-ms-ratelimit-remaining-tenant-reads",
];

/// A bucket.
#[derive(Debug)]
pub(super) struct Pace {
    rate: f64,
    tokens: f64,
    filled: Instant,
    not_before: Option<Instant>,
}

impl Pace {
    pub(super) fn new(rate: f64) -> Self {
        Self {
            rate: rate.max(0.1),
            tokens: BURST,
            filled: Instant::now(),
            not_before: None,
        }
    }

    /// Waits for a turn; returns how long that took.
    pub(super) async fn turn(&mut self) -> Duration {
        let began = Instant::now();
        if let Some(until) = self.not_before.take() {
            tokio::time::sleep_until(until).await;
        }
        self.fill();
        if self.tokens < 1.0 {
            tokio::time::sleep(Duration::from_secs_f64((1.0 - self.tokens) / self.rate)).await;
            self.fill();
        }
        self.tokens -= 1.0;
        began.elapsed()
    }

    fn fill(&mut self) {
        let now = Instant::now();
        self.tokens = (self.tokens + self.rate * (now - self.filled).as_secs_f64()).min(BURST);
        self.filled = now;
    }

    /// What an answer says about the calls that are left; the smallest number of them.
    pub(super) fn told(&mut self, headers: &HeaderMap) -> Option<u64> {
        let number = |name: &&str| headers.get(*name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let left = REMAINING.iter().filter_map(number).min()?;
        if left < RESERVE {
            let missing = u32::try_from(RESERVE - left).unwrap_or(u32::MAX);
            self.not_before = Some(Instant::now() + PAUSE_EACH.saturating_mul(missing));
        }
        Some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_the_rate() {
        let mut pace = Pace::new(10.0);
        for _ in 0..40 {
            assert_eq!(pace.turn().await, Duration::ZERO);
        }
        let began = Instant::now();
        for _ in 0..50 {
            pace.turn().await;
        }
        let took = began.elapsed();
        assert!(
            (Duration::from_millis(4_900)..Duration::from_millis(5_200)).contains(&took),
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn few_calls_left_make_it_step_back() {
        for (left, least) in [("249", 0), ("50", 0), ("40", 1_000), ("0", 5_000), ("x", 0)] {
            let mut pace = Pace::new(10.0);
            let mut headers = HeaderMap::new();
            headers.insert(
                "x-ms-ratelimit-remaining-subscription-reads",
                left.parse().unwrap(),
            );
            pace.told(&headers);
            let waited = pace.turn().await.as_millis();
            assert!((least..least + 10).contains(&waited), "{left}: {waited}");
        }
    }
}
