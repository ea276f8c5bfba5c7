//! Rate limits and quotas: exact counters shared by all workers.
//!
//! A sliding window remembers the time of every call that it let pass, so the limit holds for every
//! interval of the period's length, not only for intervals that begin at a tick. Equal keys share one
//! counter (`rate-limit-by-key` in several scopes counts together).

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gateway_policy::effect::{Count, Counted, Window};
use tokio::time::Instant;

/// Independent parts of the table, so that workers seldom wait for each other.
const SHARDS: usize = 64;

/// Times remembered exactly by one sliding counter. A limit above it counts in steps of
/// `period / EXACT_CALLS`, which errs towards refusing by at most one step's length.
pub(crate) const EXACT_CALLS: usize = 1_024;

/// All counters of the node.
#[derive(Debug)]
pub struct Counters {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    keys_per_shard: usize,
}

#[derive(Debug, Default)]
struct Shard {
    counters: HashMap<Arc<str>, Counter>,
    /// Keys in order of creation, for eviction when the shard is full.
    order: VecDeque<Arc<str>>,
}

#[derive(Debug)]
struct Counter {
    calls: Calls,
    /// After this moment the counter is empty by itself.
    expires: Instant,
}

#[derive(Debug)]
enum Calls {
    /// Moment and number, oldest first.
    Sliding {
        steps: VecDeque<(Instant, u64)>,
        total: u64,
    },
    Fixed {
        ends: Instant,
        total: u64,
    },
}

impl Counters {
    /// Counters for at most `keys` keys; beyond it, expired ones go first, then the oldest.
    pub fn new(keys: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            keys_per_shard: keys.div_ceil(SHARDS).max(1),
        }
    }

    /// Checks a limit and counts the call if it is allowed.
    pub fn count(&self, count: &Count) -> Counted {
        self.count_at(count, Instant::now(), SystemTime::now())
    }

    /// Adds to a counter whatever its limit says.
    pub fn charge(&self, count: &Count) -> Counted {
        let without_limit = Count {
            limit: u64::MAX,
            ..count.clone()
        };
        let counted = self.count(&without_limit);
        Counted {
            allowed: true,
            remaining: count.limit.saturating_sub(u64::MAX - counted.remaining),
            retry_after: Duration::ZERO,
        }
    }

    fn count_at(&self, count: &Count, now: Instant, wall: SystemTime) -> Counted {
        let at = self.hasher.hash_one(&*count.key) as usize % SHARDS;
        // A poisoned shard is whole: nothing below can panic between two related changes.
        let mut shard = self.shards[at].lock().unwrap_or_else(PoisonError::into_inner);
        if !shard.counters.contains_key(&count.key) {
            shard.make_room(self.keys_per_shard, now);
            shard.order.push_back(Arc::clone(&count.key));
        }
        let counter = shard
            .counters
            .entry(Arc::clone(&count.key))
            .or_insert_with(|| Counter::new(count, now, wall));
        counter.count(count, now, wall)
    }

    /// Keys held now.
    pub fn keys(&self) -> usize {
        self.shards
            .iter()
            .map(|s| s.lock().unwrap_or_else(PoisonError::into_inner).counters.len())
            .sum()
    }
}

impl Shard {
    fn make_room(&mut self, limit: usize, now: Instant) {
        if self.counters.len() < limit {
            return;
        }
        self.counters.retain(|_, counter| counter.expires > now);
        self.order.retain(|key| self.counters.contains_key(key));
        while self.counters.len() >= limit {
            // All are live: forgetting the oldest favours its caller, refusing new ones would favour an attacker.
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.counters.remove(&oldest);
        }
    }
}

impl Counter {
    fn new(count: &Count, now: Instant, wall: SystemTime) -> Self {
        let calls = match count.window {
            Window::Sliding => Calls::Sliding {
                steps: VecDeque::new(),
                total: 0,
            },
            Window::Fixed { first_period_start } => Calls::Fixed {
                ends: now + until_period_end(count.period, first_period_start, wall),
                total: 0,
            },
        };
        Self {
            calls,
            expires: now + count.period,
        }
    }

    fn count(&mut self, count: &Count, now: Instant, wall: SystemTime) -> Counted {
        let same_kind = matches!(
            (&self.calls, count.window),
            (Calls::Sliding { .. }, Window::Sliding) | (Calls::Fixed { .. }, Window::Fixed { .. })
        );
        if !same_kind {
            *self = Self::new(count, now, wall);
        }
        match (&mut self.calls, count.window) {
            (Calls::Sliding { steps, total }, _) => {
                while let Some((at, calls)) = steps.front().copied()
                    && now.saturating_duration_since(at) >= count.period
                {
                    *total -= calls;
                    steps.pop_front();
                }
                let counted = judge(count, *total, || sliding_wait(steps, *total, count, now));
                if counted.allowed && count.increment > 0 {
                    *total += count.increment;
                    remember(steps, count, now);
                    self.expires = now + count.period;
                }
                counted
            }
            (Calls::Fixed { ends, total }, window) => {
                if now >= *ends
                    && let Window::Fixed { first_period_start } = window
                {
                    *ends = now + until_period_end(count.period, first_period_start, wall);
                    *total = 0;
                }
                let counted = judge(count, *total, || ends.saturating_duration_since(now));
                if counted.allowed {
                    *total += count.increment;
                }
                self.expires = *ends;
                counted
            }
        }
    }
}

fn judge(count: &Count, total: u64, wait: impl FnOnce() -> Duration) -> Counted {
    // A look (increment 0) asks whether one more call would be allowed.
    let wanted = count.increment.max(1);
    let allowed = total.saturating_add(wanted) <= count.limit;
    let used = if allowed { total + count.increment } else { total };
    Counted {
        allowed,
        remaining: count.limit.saturating_sub(used),
        retry_after: if allowed { Duration::ZERO } else { wait() },
    }
}

/// Until enough of the oldest calls have left the window.
fn sliding_wait(steps: &VecDeque<(Instant, u64)>, total: u64, count: &Count, now: Instant) -> Duration {
    let mut left = total;
    for (at, calls) in steps {
        left -= calls;
        if left.saturating_add(count.increment.max(1)) <= count.limit {
            return (*at + count.period).saturating_duration_since(now);
        }
    }
    count.period
}

fn remember(steps: &mut VecDeque<(Instant, u64)>, count: &Count, now: Instant) {
    // Below the bound every call keeps its own moment. A charge has no limit to tell how many there will be. Above it a step stands under the moment of its end:
    // its calls leave the window late, never early.
    let step = match count.limit > EXACT_CALLS as u64 {
        true => count.period / EXACT_CALLS as u32,
        false => Duration::ZERO,
    };
    match steps.back_mut() {
        Some((end, calls)) if now <= *end => *calls += count.increment,
        _ => steps.push_back((now + step, count.increment)),
    }
}

/// Time until the running period ends. Periods are counted from `start`, Unix seconds.
fn until_period_end(period: Duration, start: i64, wall: SystemTime) -> Duration {
    let now = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as i128;
    let length = (period.as_nanos() as i128).max(1);
    let into = (now - i128::from(start) * 1_000_000_000).rem_euclid(length);
    Duration::from_nanos(u64::try_from(length - into).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sliding(key: &str, limit: u64, seconds: u64) -> Count {
        Count {
            key: key.into(),
            limit,
            period: Duration::from_secs(seconds),
            window: Window::Sliding,
            increment: 1,
        }
    }

    /// Calls at the given seconds; each is answered with (allowed, remaining, seconds to wait).
    #[track_caller]
    fn check(count: &Count, calls: &[(u64, bool, u64, u64)]) {
        let counters = Counters::new(1_000);
        let start = Instant::now();
        for (at, allowed, remaining, wait) in calls {
            let offset = Duration::from_secs(*at);
            let counted = counters.count_at(
                count,
                start + offset,
                UNIX_EPOCH + Duration::from_secs(1_000) + offset,
            );
            let expected = Counted {
                allowed: *allowed,
                remaining: *remaining,
                retry_after: Duration::from_secs(*wait),
            };
            assert_eq!(counted, expected, "call at {at} s");
        }
    }

    #[test]
    fn a_sliding_window_forgets_each_call_by_itself() {
        check(
            &sliding("k", 2, 10),
            &[
                (0, true, 1, 0),
                (4, true, 0, 0),
                (5, false, 0, 5),
                (9, false, 0, 1),
                (10, true, 0, 0),
                (13, false, 0, 1),
                (14, true, 0, 0),
            ],
        );
    }

    #[test]
    fn a_fixed_window_begins_again_at_its_period() {
        // Periods of 60 s from second 970: the first call at 1000 is 30 s into one.
        let count = Count {
            window: Window::Fixed {
                first_period_start: 970,
            },
            ..sliding("q", 2, 60)
        };
        check(
            &count,
            &[
                (0, true, 1, 0),
                (1, true, 0, 0),
                (2, false, 0, 28),
                (29, false, 0, 1),
                (30, true, 1, 0),
            ],
        );
    }

    #[test]
    fn a_look_counts_nothing() {
        let look = Count {
            increment: 0,
            ..sliding("k", 1, 10)
        };
        check(&look, &[(0, true, 1, 0), (0, true, 1, 0)]);
    }

    #[test]
    fn a_charge_goes_over_the_limit_and_refuses_what_follows() {
        for window in [
            Window::Sliding,
            Window::Fixed {
                first_period_start: 0,
            },
        ] {
            let counters = Counters::new(10);
            let count = Count {
                window,
                increment: 7,
                ..sliding("k", 5, 3_600)
            };
            let counted = counters.charge(&count);
            assert!(counted.allowed && counted.remaining == 0, "{counted:?}");
            let look = Count {
                increment: 0,
                ..count
            };
            let counted = counters.count(&look);
            assert!(
                !counted.allowed && counted.retry_after > Duration::ZERO,
                "{counted:?}"
            );
        }
    }

    #[test]
    fn many_calls_of_a_high_limit_stay_bounded_and_exact_in_number() {
        let counters = Counters::new(10);
        let count = sliding("k", 100_000, 100);
        let start = Instant::now();
        let mut allowed = 0;
        for n in 0..150_000_u64 {
            let now = start + Duration::from_micros(n * 100);
            allowed += u64::from(counters.count_at(&count, now, UNIX_EPOCH).allowed);
        }
        assert_eq!(allowed, 100_000);
        let shard = counters
            .shards
            .iter()
            .find(|s| !s.lock().unwrap().counters.is_empty())
            .unwrap();
        match &shard.lock().unwrap().counters["k"].calls {
            Calls::Sliding { steps, .. } => assert!(steps.len() <= EXACT_CALLS + 1, "{}", steps.len()),
            Calls::Fixed { .. } => panic!("wrong kind"),
        }
    }

    #[test]
    fn keys_are_bounded() {
        let counters = Counters::new(SHARDS * 2);
        let now = Instant::now();
        for n in 0..10_000 {
            counters.count_at(&sliding(&format!("key {n}"), 1, 10), now, UNIX_EPOCH);
        }
        assert!(counters.keys() <= SHARDS * 2, "{}", counters.keys());
    }

    #[test]
    fn workers_share_a_counter() {
        let counters = Arc::new(Counters::new(10));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let counters = Arc::clone(&counters);
                std::thread::spawn(move || {
                    (0..100)
                        .filter(|_| counters.count(&sliding("k", 250, 3_600)).allowed)
                        .count()
                })
            })
            .collect();
        let allowed: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
        assert_eq!(allowed, 250);
    }
}
