//! A waker that keeps silent while its task is already running.
//!
//! An upstream connection is driven by the task that waits for its response, so most of what the library
//! signals (a request was queued, a frame is wanted, a response is there) is said by the task to itself, in
//! the middle of its own poll. Passed on to the runtime, each of these would run the whole client connection
//! once more for nothing. Here they only set a flag, and the caller looks again before it goes to sleep.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// One connection's waker.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    inner: Option<(Arc<Inner>, Waker)>,
}

#[derive(Debug)]
struct Inner {
    task: Waker,
    /// The task is inside [`Quiet::run`].
    running: AtomicBool,
    /// Something happened meanwhile.
    again: AtomicBool,
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // One thread only: the connection, its socket's driver and its task live on one worker. The flags
        // are atomic because a waker may be sent; relaxed order is enough on one thread, and a wake from
        // another one (there is none) would at worst be seen one poll later through the task's own waker.
        if self.running.load(Ordering::Relaxed) {
            self.again.store(true, Ordering::Relaxed);
        } else {
            self.task.wake_by_ref();
        }
    }
}

/// Looks at most so often in a row; after that the runtime decides, so that others have their turn.
const ROUNDS: usize = 8;

impl Quiet {
    /// Polls until `poll` is ready or nothing has happened since it last looked.
    pub(super) fn run<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let (inner, waker) = match &mut self.inner {
            Some((inner, waker)) if inner.task.will_wake(cx.waker()) => (inner, waker),
            slot => {
                let inner = Arc::new(Inner {
                    task: cx.waker().clone(),
                    running: AtomicBool::new(false),
                    again: AtomicBool::new(false),
                });
                let waker = Waker::from(Arc::clone(&inner));
                let (inner, waker) = slot.insert((inner, waker));
                (inner, waker)
            }
        };
        inner.running.store(true, Ordering::Relaxed);
        let mut result = Poll::Pending;
        for _ in 0..ROUNDS {
            inner.again.store(false, Ordering::Relaxed);
            result = poll(&mut Context::from_waker(waker));
            if result.is_ready() || !inner.again.load(Ordering::Relaxed) {
                break;
            }
        }
        inner.running.store(false, Ordering::Relaxed);
        if result.is_pending() && inner.again.load(Ordering::Relaxed) {
            inner.task.wake_by_ref();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A poll that wakes itself `wakes` times before it rests; how often it ran and the task was woken.
    #[track_caller]
    fn check(wakes: usize, runs: usize, task_woken: usize) {
        let task = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&task));
        let mut quiet = Quiet::default();
        let mut ran = 0;
        let _ = quiet.run(&mut Context::from_waker(&waker), |cx| {
            ran += 1;
            if ran <= wakes {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        });
        assert_eq!(
            (ran, task.0.load(Ordering::Relaxed)),
            (runs, task_woken),
            "{wakes} wakes"
        );
    }

    #[test]
    fn wakes_from_inside_are_seen_and_wake_nobody() {
        check(0, 1, 0);
        check(1, 2, 0);
        check(3, 4, 0);
        // Without end: the runtime takes over.
        check(1_000, ROUNDS, 1);
    }

    #[test]
    fn wakes_from_outside_reach_the_task() {
        let task = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&task));
        let mut quiet = Quiet::default();
        let mut kept = None;
        let _ = quiet.run(&mut Context::from_waker(&waker), |cx| {
            kept = Some(cx.waker().clone());
            Poll::<()>::Pending
        });
        kept.unwrap().wake();
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
    }
}
