//! The end of export: what is queued is sent until a deadline, then dropped and counted.

use tokio::{sync::watch, time::Instant};

/// The bell. One per node.
#[derive(Debug)]
pub(super) struct Bell(watch::Sender<Option<Instant>>);

impl Default for Bell {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Bell {
    /// Everybody ends by `deadline`.
    pub(super) fn ring(&self, deadline: Instant) {
        self.0.send_replace(Some(deadline));
    }

    pub(super) fn stop(&self) -> Stop {
        Stop(self.0.subscribe())
    }
}

/// One listener.
#[derive(Clone, Debug)]
pub(super) struct Stop(watch::Receiver<Option<Instant>>);

impl Stop {
    /// The deadline, once the end was asked for.
    pub(super) fn deadline(&self) -> Option<Instant> {
        *self.0.borrow()
    }

    /// Waits until the end is asked for.
    pub(super) async fn asked(&mut self) {
        // An error means that the bell is gone, which ends everything as well.
        let _ = self.0.wait_for(Option::is_some).await;
    }

    /// Waits until the deadline has passed.
    pub(super) async fn expired(&mut self) {
        self.asked().await;
        let deadline = self.deadline().unwrap_or_else(Instant::now);
        tokio::time::sleep_until(deadline).await;
    }
}
