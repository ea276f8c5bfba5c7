//! HTTP/2: the end of an answer waits a moment for the end of the request.
//!
//! A backend or a policy may answer before the request body has arrived. Ending the stream then resets it while
//! the client is still sending. RFC 9113 §8.1 allows that, but clients are known that throw the whole answer
//! away when the reset comes with it (curl 7.88 in one upload of ten). So what is left of a short body is read
//! and forgotten first. HTTP/1 needs nothing of the kind: hyper reads the rest itself or closes.

use std::{
    cell::RefCell,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http_body::Body as _;
use hyper::body::Incoming;

use super::body::Patience;

/// Silence of a client after which its stream is ended all the same: several round trips of a distant one.
const LINGER_TIME: Duration = Duration::from_millis(500);
/// Bytes read and forgotten at most: what fits the initial window of HTTP/2 is on its way already (RFC 9113 §6.9.2).
const LINGER_BYTES_MAX: usize = 65_535;

/// Where the request body of one exchange is.
#[derive(Debug, Default)]
pub(crate) struct Linger(RefCell<State>);

#[derive(Debug, Default)]
enum State {
    /// There is nothing to wait for.
    #[default]
    Ended,
    /// Somebody reads it; the waker is of the answer that waits.
    Reader(Option<Waker>, Patience),
    /// Nobody will read it; so many bytes were forgotten.
    Left(Incoming, usize, Patience),
}

impl Linger {
    /// The request has a body whose end matters.
    pub(crate) fn begin(&self) {
        *self.0.borrow_mut() = State::Reader(None, Patience::new(LINGER_TIME));
    }

    /// The reader lets go of the body, read to its end or not.
    pub(crate) fn let_go(&self, body: Option<Incoming>) {
        let mut state = self.0.borrow_mut();
        let State::Reader(waker, _) = &mut *state else {
            return;
        };
        let waker = waker.take();
        *state = match body {
            Some(body) if !body.is_end_stream() => State::Left(body, 0, Patience::new(LINGER_TIME)),
            _ => State::Ended,
        };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The stream may end.
    pub(crate) fn is_over(&self) -> bool {
        match &*self.0.borrow() {
            State::Ended => true,
            State::Reader(..) => false,
            State::Left(body, ..) => body.is_end_stream(),
        }
    }

    /// Ready when the request has ended, or has not for too long.
    pub(crate) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.borrow_mut();
        let over = match &mut *state {
            State::Ended => true,
            State::Reader(waker, patience) => {
                *waker = Some(cx.waker().clone());
                patience.exhausted(cx)
            }
            State::Left(body, bytes, patience) => forget(body, bytes, patience, cx),
        };
        if over {
            *state = State::Ended;
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// Reads what is there; true when nothing more is worth waiting for.
fn forget(body: &mut Incoming, bytes: &mut usize, patience: &mut Patience, cx: &mut Context<'_>) -> bool {
    while *bytes <= LINGER_BYTES_MAX {
        match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Pending => return patience.exhausted(cx),
            Poll::Ready(None | Some(Err(_))) => return true,
            Poll::Ready(Some(Ok(frame))) => {
                patience.reset();
                *bytes += frame.data_ref().map_or(0, bytes::Bytes::len);
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(linger: &Linger) -> Poll<()> {
        linger.poll_over(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_body_nothing_is_waited_for() {
        let linger = Linger::default();
        assert!(linger.is_over());
        assert_eq!(poll(&linger), Poll::Ready(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_being_read_is_waited_for() {
        let linger = Linger::default();
        linger.begin();
        assert!(!linger.is_over());
        assert_eq!(poll(&linger), Poll::Pending);
        linger.let_go(None);
        assert!(linger.is_over());
        assert_eq!(poll(&linger), Poll::Ready(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_waited_for_only_so_long() {
        let linger = Linger::default();
        linger.begin();
        assert_eq!(poll(&linger), Poll::Pending);
        tokio::time::advance(LINGER_TIME + Duration::from_millis(1)).await;
        assert_eq!(poll(&linger), Poll::Ready(()));
    }
}
