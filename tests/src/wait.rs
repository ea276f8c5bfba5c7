//! The one place where the harness waits by asking again.
//!
//! Processes that are not ours (nginx, curl) offer no event to wait for, so their readiness is probed. Every
//! probe has a deadline and says what it waited for; nothing sleeps "long enough".

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Pause between two probes: short enough not to be felt, long enough not to load a two-core machine.
const PROBE_PAUSE: Duration = Duration::from_millis(10);

/// Asks `probe` until it answers, or fails after `deadline` naming `what` was awaited.
pub fn until<T>(what: &str, deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = probe() {
            return Ok(found);
        }
        if started.elapsed() > deadline {
            bail!("waited {} ms in vain for {what}", deadline.as_millis());
        }
        pause(PROBE_PAUSE);
    }
}

/// Lets real time pass where time itself is the subject: a slow client, a window that has to end.
#[expect(
    clippy::disallowed_methods,
    reason = "time is what is tested, or a foreign process is probed; never a guess that something is done"
)]
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_as_soon_as_the_probe_does() {
        let mut asked = 0;
        let found = until("the third answer", Duration::from_secs(5), || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(found.unwrap(), 3);
    }

    #[test]
    fn names_what_it_waited_for() {
        let error = until::<()>("the moon", Duration::ZERO, || None).unwrap_err();
        assert!(error.to_string().contains("the moon"), "{error}");
    }
}
