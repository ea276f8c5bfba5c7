//! What an execution asks of the world, and what it is told in return.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::{
    context::{Response, Url},
    failure::Failure,
};

/// Where an execution stands after it ran as far as it could.
#[derive(Debug)]
pub enum Step {
    /// It waits: perform the effect and resume with its outcome. Exactly one outcome per effect.
    Effect(Effect),
    /// It is over: `Context::response` is what the client gets.
    Done,
}

/// Which message of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// The request, client to backend.
    Request,
    /// The response, backend to client.
    Response,
}

/// Something only the agent can do.
#[derive(Debug)]
pub enum Effect {
    /// Read a streaming body whole into `Body::Buffered`. Answered by [`Outcome::Body`].
    ReadBody(Message),
    /// Send the request of the context to the backend. Answered by [`Outcome::Response`], whose body is
    /// normally `Body::Streaming`, or [`Outcome::Failed`].
    Forward(Box<Forward>),
    /// A call of its own (`send-request`). Answered by [`Outcome::Response`] with a buffered body.
    Send(Box<OutgoingRequest>),
    /// Count calls against a limit. Answered by [`Outcome::Counted`].
    Count(Box<Count>),
    /// Wait (`retry` intervals). Answered by [`Outcome::Elapsed`].
    Delay(Duration),
}

/// The world's answer to an [`Effect`].
#[derive(Debug)]
pub enum Outcome {
    /// First call of `resume`: nothing was asked yet.
    Start,
    /// The body, whole.
    Body(Bytes),
    /// Status, headers and body (streaming for `Forward`) of an answer, whatever its status.
    Response(Response),
    /// What came of a counter.
    Counted(Counted),
    /// The time has passed.
    Elapsed,
    /// The effect failed: backend unreachable, timeout, client gone, body too large.
    Failed(Failure),
}

/// `forward-request`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Time until the response headers have arrived; documented default 300 s.
    pub timeout: Duration,
    /// Protocol towards the backend.
    pub http_version: BackendHttpVersion,
    /// Follow 3xx answers.
    pub follow_redirects: bool,
    /// Keep the request body so that a retry can send it again.
    pub buffer_request_body: bool,
    /// Gather the response in 8 KiB pieces (default) or pass each chunk on at once.
    pub buffer_response: bool,
}

/// `forward-request http-version`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackendHttpVersion {
    /// `1`
    #[default]
    Http1,
    /// `2or1`: by ALPN
    Http2Or1,
    /// `2`: prior knowledge on plain connections
    Http2,
}

/// `send-request` and `send-one-way-request`
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are what an HTTP request has")]
pub struct OutgoingRequest {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub timeout: Duration,
    /// Do not wait for the answer; the outcome is `Elapsed`, at once.
    pub one_way: bool,
}

/// One check-and-increment of a rate limit or quota counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Whole key: kind of policy, scope and caller's key; equal keys share one counter.
    pub key: Arc<str>,
    /// Calls allowed in `period`.
    pub limit: u64,
    /// Length of the window.
    pub period: Duration,
    /// Sliding (rate limits) or fixed (quotas).
    pub window: Window,
    /// By how much; 0 only looks.
    pub increment: u64,
}

/// How a counter forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Rate limits on the self-hosted gateway.
    Sliding,
    /// Quotas: periods counted from a start, as Unix seconds.
    Fixed {
        /// Start of the first period.
        first_period_start: i64,
    },
}

/// State of a counter after a [`Count`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// False: the limit was reached and nothing was counted.
    pub allowed: bool,
    /// Calls left in the window.
    pub remaining: u64,
    /// Time until a call would be allowed again; zero when allowed.
    pub retry_after: Duration,
}
