//! The end of the process: everything that serves traffic watches one drain and ends against one deadline.
//!
//! A drain has three phases. While *serving*, nothing happens. When *draining* begins, readiness turns off,
//! listeners stop accepting, connections finish what is in flight (HTTP/2: GOAWAY, HTTP/1.1:
//! `Connection: close`). At the *deadline* whatever is left is cut. The drain is over when the last
//! [`Watch`] is dropped.

use std::{sync::OnceLock, time::Duration};

use tokio::{sync::watch, time::Instant};

/// Where the process stands between start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Requests are accepted.
    Serving,
    /// No new work; what runs may finish until the deadline.
    Draining {
        /// When what is left is cut.
        deadline: Instant,
    },
}

/// The process that serves from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Successor {
    /// QUIC packets of connections of this process still reach it.
    pub quic: bool,
}

/// The trigger. One per process, owned by [`crate::node::Node`].
#[derive(Debug)]
pub struct Drain {
    phase: watch::Sender<Phase>,
    successor: OnceLock<Successor>,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Serving),
            successor: OnceLock::new(),
        }
    }
}

impl Drain {
    /// Begins the drain; what is left after `grace` is cut. A second call can only bring the deadline
    /// nearer (an operator who asks twice is in a hurry).
    pub fn begin(&self, grace: Duration) {
        let asked = Instant::now() + grace;
        self.phase.send_if_modified(|phase| match phase {
            Phase::Draining { deadline } if *deadline <= asked => false,
            _ => {
                *phase = Phase::Draining { deadline: asked };
                true
            }
        });
    }

    /// Begins the drain because another process serves the same sockets.
    pub fn begin_for(&self, successor: Successor, grace: Duration) {
        // Before the phase, so that whoever sees the drain sees its reason. There is one successor.
        let _ = self.successor.set(successor);
        self.begin(grace);
    }

    /// The process that has taken over, if that is why the drain began.
    pub fn successor(&self) -> Option<Successor> {
        self.successor.get().copied()
    }

    /// True from the first [`Drain::begin`] on.
    pub fn is_draining(&self) -> bool {
        !matches!(*self.phase.borrow(), Phase::Serving)
    }

    /// A watcher. The drain waits for it to be dropped, so hold it as long as there is work.
    pub fn watch(&self) -> Watch {
        Watch {
            phase: self.phase.subscribe(),
        }
    }

    /// Completes when every watcher is gone. Watchers end by the deadline, so this does too; callers
    /// still bound it, because a blocked thread cannot drop anything.
    pub async fn drained(&self) {
        self.phase.closed().await;
    }
}

/// A part of the process that has to end before the process may.
#[derive(Clone, Debug)]
pub struct Watch {
    phase: watch::Receiver<Phase>,
}

impl Watch {
    /// Waits for the drain to begin and returns its deadline.
    pub async fn begun(&mut self) -> Instant {
        loop {
            if let Phase::Draining { deadline } = *self.phase.borrow_and_update() {
                return deadline;
            }
            if self.phase.changed().await.is_err() {
                // The trigger is gone: nobody can grant time any more.
                return Instant::now();
            }
        }
    }

    /// Waits until the deadline has passed, following a deadline that is brought nearer.
    pub async fn expired(&mut self) {
        let mut deadline = self.begun().await;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => return,
                changed = self.phase.changed() => match changed {
                    Ok(()) => {
                        if let Phase::Draining { deadline: nearer } = *self.phase.borrow_and_update() {
                            deadline = nearer;
                        }
                    }
                    Err(_) => return,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_watch_sees_the_drain_and_its_deadline() {
        let drain = Drain::default();
        let mut watch = drain.watch();
        assert!(!drain.is_draining());
        let start = Instant::now();
        drain.begin(Duration::from_secs(30));
        assert!(drain.is_draining());
        assert_eq!(watch.begun().await, start + Duration::from_secs(30));
        watch.expired().await;
        assert_eq!(Instant::now(), start + Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_call_brings_the_deadline_nearer_and_never_further() {
        for (second, expected) in [(5, 5), (60, 30)] {
            let drain = Drain::default();
            let mut watch = drain.watch();
            let start = Instant::now();
            drain.begin(Duration::from_secs(30));
            drain.begin(Duration::from_secs(second));
            watch.expired().await;
            assert_eq!(
                Instant::now() - start,
                Duration::from_secs(expected),
                "second call {second} s"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_is_over_when_the_last_watch_is_dropped() {
        let drain = Drain::default();
        let (first, second) = (drain.watch(), drain.watch());
        drain.begin(Duration::from_secs(1));
        drop(first);
        assert!(
            tokio::time::timeout(Duration::from_secs(9), drain.drained())
                .await
                .is_err()
        );
        drop(second);
        drain.drained().await;
    }
}
