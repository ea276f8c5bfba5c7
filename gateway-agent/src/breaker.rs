//! Circuit breakers of backend entities: after so many failures in a window the backend is left alone for a while.
//!
//! Source: "Backends" page (`gateway-behaviour.md` §15.2). State belongs to the node, as in the original, and outlives a
//! configuration that does not change the rule. The page leaves open what counts when a rule names neither status codes
//! nor reasons: the portal's own default does here, 500 to 599. A backend that cannot be reached or does not answer in
//! time counts as the 500 that the client gets.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gateway_config::{
    Snapshot,
    snapshot::{BackendEntry, BreakerRule, PoolMember},
};
use gateway_policy::Failure;
use http::{HeaderMap, StatusCode, header};
use tokio::time::Instant;

use crate::telemetry::UpstreamMetrics;

/// Exchanges remembered of one window. A share is taken over this many at least as well as over more, and a count above
/// it could not be told from this one.
const REMEMBERED_MAX: usize = 10_000;
/// A share of failures means nothing before so many exchanges: one failure of one is 100 %.
const SAMPLE_MIN: usize = 5;
/// Longest time that a backend's `Retry-After` keeps a circuit open.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// All breakers of a node.
#[derive(Debug, Default)]
pub(crate) struct Breakers(Mutex<HashMap<Arc<str>, Arc<Breaker>>>);

/// How an exchange with a backend ended.
#[derive(Debug)]
pub(crate) enum Outcome<'a> {
    /// It answered.
    Answered(StatusCode, &'a HeaderMap),
    /// It did not.
    Failed(&'a Failure),
}

/// One rule and what it has seen.
#[derive(Debug)]
pub(crate) struct Breaker {
    backend: Arc<str>,
    rule: BreakerRule,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When, and whether it failed; oldest first.
    seen: VecDeque<(Instant, bool)>,
    failures: usize,
    open_until: Option<Instant>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Breakers {
    /// Follows a new configuration: rules that are gone or changed start anew.
    pub(crate) fn follow(&self, snapshot: &Snapshot, metrics: &UpstreamMetrics) {
        let mut breakers = lock(&self.0);
        breakers.retain(|id, breaker| {
            let stays = snapshot.backend(id).and_then(|entry| entry.breaker.as_ref()) == Some(&breaker.rule);
            if !stays {
                // The label goes with the backend: a gauge of nothing would alert for ever.
                let _ = metrics.circuit_open.remove_label_values(&[id]);
            }
            stays
        });
    }

    /// The breaker of a backend, when it has a rule.
    pub(crate) fn of(&self, entry: &BackendEntry) -> Option<Arc<Breaker>> {
        let rule = entry.breaker.as_ref()?;
        let mut breakers = lock(&self.0);
        if let Some(breaker) = breakers.get(&entry.backend.id).filter(|b| b.rule == *rule) {
            return Some(Arc::clone(breaker));
        }
        let breaker = Arc::new(Breaker {
            backend: Arc::clone(&entry.backend.id),
            rule: rule.clone(),
            state: Mutex::default(),
        });
        breakers.insert(Arc::clone(&entry.backend.id), Arc::clone(&breaker));
        Some(breaker)
    }

    /// How long a backend is still left alone; `None`: it may be asked.
    pub(crate) fn open_for(&self, entry: &BackendEntry, now: Instant) -> Option<Duration> {
        self.of(entry)?.open_for(now)
    }
}

impl Breaker {
    /// How long the circuit stays open; `None`: it is closed.
    pub(crate) fn open_for(&self, now: Instant) -> Option<Duration> {
        let until = lock(&self.state).open_until?;
        (until > now).then(|| until - now)
    }

    /// Takes note of an exchange, and opens the circuit when it was one failure too many.
    pub(crate) fn note(&self, outcome: &Outcome<'_>, now: Instant, metrics: &UpstreamMetrics) {
        let failed = self.is_failure(outcome);
        let mut state = lock(&self.state);
        if state.open_until.is_some_and(|until| until <= now) {
            *state = State::default();
            self.tell(false, metrics);
        }
        let window = self.rule.interval;
        while let Some((at, old_failed)) = state.seen.front().copied() {
            if now.duration_since(at) < window && state.seen.len() < REMEMBERED_MAX {
                break;
            }
            state.seen.pop_front();
            state.failures -= usize::from(old_failed);
        }
        state.seen.push_back((now, failed));
        state.failures += usize::from(failed);
        if !failed || state.open_until.is_some() || !self.is_too_much(&state) {
            return;
        }
        let pause = match outcome {
            Outcome::Answered(_, headers) if self.rule.accept_retry_after => retry_after(headers),
            _ => None,
        };
        let pause = pause.unwrap_or(self.rule.trip_duration);
        state.open_until = Some(now + pause);
        drop(state);
        metrics.circuit_opened.with_label_values(&[&*self.backend]).inc();
        self.tell(true, metrics);
        tracing::warn!(
            event = "CircuitBreaker.Opened",
            backend = %self.backend,
            rule = %self.rule.name,
            seconds = pause.as_secs_f64(),
            "the backend failed too often and is left alone"
        );
    }

    fn tell(&self, open: bool, metrics: &UpstreamMetrics) {
        metrics
            .circuit_open
            .with_label_values(&[&*self.backend])
            .set(i64::from(open));
        if !open {
            tracing::info!(event = "CircuitBreaker.Closed", backend = %self.backend, rule = %self.rule.name, "the backend is asked again");
        }
    }

    fn is_too_much(&self, state: &State) -> bool {
        let by_count = self
            .rule
            .count
            .is_some_and(|count| state.failures >= (count as usize).clamp(1, REMEMBERED_MAX));
        let by_share = self.rule.percentage.is_some_and(|percent| {
            state.seen.len() >= SAMPLE_MIN && state.failures * 100 >= state.seen.len() * percent as usize
        });
        by_count || by_share
    }

    fn is_failure(&self, outcome: &Outcome<'_>) -> bool {
        let rule = &self.rule;
        let in_ranges = |status: u16| {
            let default = rule.status_ranges.is_empty() && rule.error_reasons.is_empty();
            let ranges = if default {
                &[(500, 599)][..]
            } else {
                &rule.status_ranges
            };
            ranges.iter().any(|(low, high)| (*low..=*high).contains(&status))
        };
        match outcome {
            Outcome::Answered(status, _) => in_ranges(status.as_u16()),
            // What ends because the client left says nothing about the backend.
            Outcome::Failed(Failure::BackendConnection(_) | Failure::BackendTimeout) => {
                let Outcome::Failed(failure) = outcome else {
                    return false;
                };
                let named = rule
                    .error_reasons
                    .iter()
                    .any(|r| r.eq_ignore_ascii_case(failure.label()));
                named || in_ranges(500)
            }
            Outcome::Failed(_) => false,
        }
    }
}

/// Seconds of a backend's `Retry-After`; dates are not taken.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// One of a pool's members that may be asked: the one `wanted`, else one of the best priority that has any, in proportion
/// to the weights.
///
/// # Errors
/// How long until the first of them may be asked again, when all circuits are open.
pub(crate) fn choose<'p>(
    pool: &'p [PoolMember],
    random: u64,
    wanted: Option<&str>,
    open_for: impl Fn(&PoolMember) -> Option<Duration>,
) -> Result<&'p PoolMember, Duration> {
    let wanted = wanted.and_then(|id| pool.iter().find(|member| *member.id == *id));
    if let Some(member) = wanted.filter(|member| open_for(member).is_none()) {
        return Ok(member);
    }
    let mut soonest = None;
    let mut closed: Vec<&PoolMember> = Vec::with_capacity(pool.len());
    for member in pool {
        match open_for(member) {
            None => closed.push(member),
            Some(pause) => soonest = Some(soonest.map_or(pause, |s: Duration| s.min(pause))),
        }
    }
    let Some(best) = closed.iter().map(|member| member.priority).min() else {
        return Err(soonest.unwrap_or_default());
    };
    closed.retain(|member| member.priority == best);
    let total: u64 = closed.iter().map(|member| u64::from(member.weight)).sum();
    // Members without any weight share equally.
    let weight = |member: &PoolMember| if total == 0 { 1 } else { u64::from(member.weight) };
    let mut ticket = random % closed.iter().map(|m| weight(m)).sum::<u64>().max(1);
    for member in &closed {
        match ticket.checked_sub(weight(member)) {
            Some(rest) => ticket = rest,
            None => return Ok(member),
        }
    }
    closed.first().copied().ok_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    fn rule() -> BreakerRule {
        BreakerRule {
            name: "r".into(),
            count: Some(3),
            percentage: None,
            interval: Duration::from_secs(60),
            status_ranges: vec![(500, 599)],
            error_reasons: Vec::new(),
            trip_duration: Duration::from_secs(30),
            accept_retry_after: false,
        }
    }

    fn breaker(rule: BreakerRule) -> Breaker {
        Breaker {
            backend: "b".into(),
            rule,
            state: Mutex::default(),
        }
    }

    /// Notes one exchange a second; returns the seconds for which the circuit is open after the last.
    fn run(rule: BreakerRule, statuses: &[u16], headers: &HeaderMap) -> Option<u64> {
        let metrics = Metrics::new().unwrap();
        let breaker = breaker(rule);
        let mut now = Instant::now();
        for status in statuses {
            now += Duration::from_secs(1);
            let status = StatusCode::from_u16(*status).unwrap();
            breaker.note(&Outcome::Answered(status, headers), now, &metrics.upstream);
        }
        breaker.open_for(now).map(|pause| pause.as_secs())
    }

    #[test]
    fn it_opens_at_the_count_inside_the_window() {
        let none = HeaderMap::new();
        assert_eq!(run(rule(), &[500, 200, 503], &none), None);
        assert_eq!(run(rule(), &[500, 200, 503, 599], &none), Some(30));
        assert_eq!(
            run(rule(), &[404, 404, 404, 404], &none),
            None,
            "not in the ranges"
        );
        let short = BreakerRule {
            interval: Duration::from_secs(3),
            ..rule()
        };
        assert_eq!(
            run(short.clone(), &[500, 200, 500, 500], &none),
            None,
            "the first is forgotten"
        );
        assert_eq!(run(short, &[200, 500, 500, 500], &none), Some(30));
    }

    #[test]
    fn a_share_needs_some_exchanges() {
        let none = HeaderMap::new();
        let share = BreakerRule {
            count: None,
            percentage: Some(50),
            ..rule()
        };
        assert_eq!(run(share.clone(), &[500, 500, 500, 500], &none), None);
        assert_eq!(run(share.clone(), &[200, 200, 500, 500, 500], &none), Some(30));
        assert_eq!(run(share, &[200, 200, 200, 500, 500], &none), None);
    }

    #[test]
    fn the_backend_may_say_how_long() {
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, "7".parse().unwrap())]);
        assert_eq!(
            run(rule(), &[503; 3], &headers),
            Some(30),
            "only when the rule says so"
        );
        let accepting = BreakerRule {
            accept_retry_after: true,
            ..rule()
        };
        assert_eq!(run(accepting.clone(), &[503; 3], &headers), Some(7));
        assert_eq!(run(accepting, &[503; 3], &HeaderMap::new()), Some(30));
    }

    #[test]
    fn it_closes_after_its_time_and_counts_from_zero() {
        let metrics = Metrics::new().unwrap();
        let breaker = breaker(rule());
        let none = HeaderMap::new();
        let bad = || Outcome::Answered(StatusCode::BAD_GATEWAY, &none);
        let mut now = Instant::now();
        for _ in 0..3 {
            breaker.note(&bad(), now, &metrics.upstream);
        }
        let open = || metrics.upstream.circuit_open.with_label_values(&["b"]).get();
        assert_eq!((breaker.open_for(now).is_some(), open()), (true, 1));
        now += Duration::from_secs(30);
        assert_eq!(breaker.open_for(now), None);
        for _ in 0..2 {
            breaker.note(&bad(), now, &metrics.upstream);
        }
        assert_eq!((breaker.open_for(now), open()), (None, 0));
        breaker.note(&bad(), now, &metrics.upstream);
        assert!(breaker.open_for(now).is_some());
        assert_eq!(metrics.upstream.circuit_opened.with_label_values(&["b"]).get(), 2);
    }

    #[test]
    fn silence_counts_and_a_client_that_leaves_does_not() {
        let timeout = BreakerRule {
            status_ranges: vec![(429, 429)],
            error_reasons: vec!["timeout".into(), "Non 200-300 status codes".into()],
            ..rule()
        };
        let bare = BreakerRule {
            status_ranges: Vec::new(),
            ..rule()
        };
        let refused = Failure::BackendConnection("refused".to_owned());
        let left = Failure::ClientConnection("left".to_owned());
        for (rule, failure, expected) in [
            (rule(), &Failure::BackendTimeout, true),
            (rule(), &refused, true),
            (rule(), &left, false),
            (timeout.clone(), &Failure::BackendTimeout, true),
            (timeout, &refused, false),
            (bare, &refused, true),
        ] {
            assert_eq!(
                breaker(rule.clone()).is_failure(&Outcome::Failed(failure)),
                expected,
                "{rule:?} {failure:?}"
            );
        }
    }

    #[test]
    fn pools_pass_over_members_that_are_left_alone() {
        let member = |id: &str, weight, priority| PoolMember {
            id: id.into(),
            weight,
            priority,
        };
        let pool = [
            member("a", 3, 1),
            member("b", 1, 1),
            member("c", 0, 2),
            member("d", 0, 2),
        ];
        let pick = |random, wanted, open: &[&str]| {
            choose(&pool, random, wanted, |m| {
                let at = open.iter().position(|id| *id == &*m.id)?;
                Some(Duration::from_secs(10 + at as u64))
            })
            .map(|m| m.id.to_string())
            .map_err(|pause| pause.as_secs())
        };
        let share = |open: &[&str]| (0..8).map(|r| pick(r, None, open).unwrap()).collect::<String>();
        assert_eq!(share(&[]), "aaabaaab");
        assert_eq!(share(&["a"]), "bbbbbbbb");
        assert_eq!(
            share(&["a", "b"]),
            "cdcdcdcd",
            "the next group only when the better one is out"
        );
        assert_eq!(
            pick(0, None, &["d", "a", "b", "c"]),
            Err(10),
            "the first to come back"
        );
        assert_eq!(
            pick(0, Some("d"), &[]),
            Ok("d".to_owned()),
            "affinity wins over priority"
        );
        assert_eq!(pick(0, Some("d"), &["d"]), Ok("a".to_owned()));
        assert_eq!(pick(0, Some("x"), &[]), Ok("a".to_owned()));
    }
}
