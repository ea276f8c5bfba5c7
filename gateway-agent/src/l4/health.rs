//! Whether backends take connections: a TCP connect now and then, and what the relay notices.

use std::{collections::HashMap, net::SocketAddr, sync::Mutex, time::Instant};

use gateway_config::l4::L4Health;
use tokio::{net::TcpStream, time::timeout};

/// What is known of one backend.
#[derive(Clone, Copy, Debug)]
struct Known {
    up: bool,
    /// Results in a row that speak against the state.
    against: u32,
    due: Option<Instant>,
}

/// The health of all backends, shared by the task and the relay. A backend that was never checked is taken to be well.
#[derive(Debug, Default)]
pub(super) struct Board {
    known: Mutex<HashMap<SocketAddr, Known>>,
}

impl Board {
    /// Whether a backend takes connections.
    pub(super) fn is_up(&self, backend: SocketAddr) -> bool {
        self.locked().get(&backend).is_none_or(|known| known.up)
    }

    /// Takes one result into account. Returns the new state when it changed.
    pub(super) fn heard(&self, backend: SocketAddr, well: bool, rules: &L4Health) -> Option<bool> {
        let mut board = self.locked();
        let known = board.entry(backend).or_insert(Known {
            up: true,
            against: 0,
            due: None,
        });
        if well == known.up {
            known.against = 0;
            return None;
        }
        known.against += 1;
        if known.against < if known.up { rules.fall } else { rules.rise } {
            return None;
        }
        (known.up, known.against) = (well, 0);
        Some(well)
    }

    /// Whether a check is due now; the next one is then due after the interval.
    pub(super) fn is_due(&self, backend: SocketAddr, rules: &L4Health, now: Instant) -> bool {
        let mut board = self.locked();
        let known = board.entry(backend).or_insert(Known {
            up: true,
            against: 0,
            due: None,
        });
        let due = known.due.is_none_or(|due| due <= now);
        if due {
            known.due = Some(now + rules.interval);
        }
        due
    }

    /// Forgets backends that are no longer there.
    pub(super) fn keep(&self, wanted: impl Fn(&SocketAddr) -> bool) {
        self.locked().retain(|address, _| wanted(address));
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, Known>> {
        self.known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One check: the backend accepts a connection in time.
pub(super) async fn check(backend: SocketAddr, rules: &L4Health) -> bool {
    matches!(
        timeout(rules.timeout, TcpStream::connect(backend)).await,
        Ok(Ok(_))
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rules() -> L4Health {
        L4Health {
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
        }
    }

    #[test]
    fn a_state_changes_after_results_in_a_row() {
        let (board, backend) = (Board::default(), "192.0.2.1:1".parse().unwrap());
        let steps = [
            (false, None, true),
            (false, None, true),
            (true, None, true),
            (false, None, true),
            (false, None, true),
            (false, Some(false), false),
            (true, None, false),
            (false, None, false),
            (true, None, false),
            (true, Some(true), true),
        ];
        for (at, (well, change, up)) in steps.into_iter().enumerate() {
            assert_eq!(board.heard(backend, well, &rules()), change, "step {at}");
            assert_eq!(board.is_up(backend), up, "step {at}");
        }
        board.keep(|_| false);
        assert!(board.is_up(backend));
    }

    #[test]
    fn checks_are_due_once_an_interval() {
        let (board, backend, now) = (Board::default(), "192.0.2.1:1".parse().unwrap(), Instant::now());
        assert!(board.is_due(backend, &rules(), now));
        assert!(!board.is_due(backend, &rules(), now));
        assert!(board.is_due(backend, &rules(), now + rules().interval));
    }
}
