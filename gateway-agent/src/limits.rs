//! Every bound of the data plane in one place: what it is, its default, and why it is there.
//!
//! All are settings (`Limits` is filled by the settings reader); the constants are the defaults.

use std::time::Duration;

/// Client connections one worker holds at once. Beyond it new ones wait in the kernel's backlog, so a
/// connection flood costs at most this many times the memory of one idle connection (about 20 KiB).
pub const CONNECTIONS_PER_WORKER: usize = 16_384;
/// A TLS or QUIC handshake, from accept to finished. A client that cannot finish in this time holds a slot.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// From the first byte of a request head to its last: the bound on slow-header clients.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// A keep-alive connection without a request. Longer than the 60 s idle timeout of common balancers, so
/// that they close first and never race a request against our close.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Between two pieces of a request body, and between two pieces of a response the client takes.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a request head (line and fields), and the read buffer of an HTTP/1.1 connection, which grows
/// to this size at most. The official gateway documents no limit; common proxies take 8 to 64 KiB.
pub const HEAD_BYTES: usize = 32 * 1024;
/// Number of header fields of a request.
pub const HEADERS: usize = 100;
/// Concurrent streams of an HTTP/2 or HTTP/3 connection.
pub const STREAMS: u32 = 128;
/// Streams reset by the peer before they were accepted ("rapid reset"). The library's 20 is strict for
/// clients that cancel a lot.
pub const PENDING_RESETS: usize = 50;
/// A body that a policy or a retry has to hold in memory.
pub const BUFFERED_BODY_BYTES: usize = 8 * 1024 * 1024;
/// Idle upstream connections one worker keeps, over all authorities.
pub const IDLE_UPSTREAMS_PER_WORKER: usize = 512;
/// Idle upstream connections one worker keeps to one authority.
pub const IDLE_UPSTREAMS_PER_AUTHORITY: usize = 128;
/// Open upstream connections (idle or in use) of one worker to one authority; the managed gateway's
/// documented ceiling is 2,048 a unit.
pub const UPSTREAMS_PER_AUTHORITY: usize = 2_048;
/// An idle upstream connection. Below the 60 s that common servers keep, so that we close first.
pub const UPSTREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// Name resolution, TCP and TLS to a backend together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two pieces of a response body from a backend. Server-sent events that are silent longer need
/// keep-alive comments, as the original's load balancer demands every 4 minutes too.
pub const UPSTREAM_BODY_TIMEOUT: Duration = Duration::from_secs(300);
/// A tunnel (WebSocket) on which neither side says anything.
pub const TUNNEL_IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// Requests under way on one worker. Each has about 10 KiB without its bodies; beyond it they are refused with 503.
pub const REQUESTS_PER_WORKER: usize = 8_192;
/// How late a worker's loop may come round before requests are refused: later than any single policy takes, sooner than clients
/// give up.
pub const LOOP_DELAY: Duration = Duration::from_millis(500);
/// Keys of rate-limit counters held by the node. About 200 bytes each.
pub const COUNTER_KEYS: usize = 100_000;

/// The bounds in force. `Default` gives the constants of this module.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each field is the constant of the same name, documented there"
)]
pub struct Limits {
    pub connections_per_worker: usize,
    pub handshake_timeout: Duration,
    pub header_timeout: Duration,
    pub idle_timeout: Duration,
    pub body_timeout: Duration,
    pub head_bytes: usize,
    pub headers: usize,
    pub streams: u32,
    pub pending_resets: usize,
    pub buffered_body_bytes: usize,
    pub idle_upstreams_per_worker: usize,
    pub idle_upstreams_per_authority: usize,
    pub upstreams_per_authority: usize,
    pub upstream_idle_timeout: Duration,
    pub connect_timeout: Duration,
    pub upstream_body_timeout: Duration,
    pub tunnel_idle_timeout: Duration,
    pub counter_keys: usize,
    pub requests_per_worker: usize,
    pub loop_delay: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_worker: CONNECTIONS_PER_WORKER,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            header_timeout: HEADER_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            body_timeout: BODY_TIMEOUT,
            head_bytes: HEAD_BYTES,
            headers: HEADERS,
            streams: STREAMS,
            pending_resets: PENDING_RESETS,
            buffered_body_bytes: BUFFERED_BODY_BYTES,
            idle_upstreams_per_worker: IDLE_UPSTREAMS_PER_WORKER,
            idle_upstreams_per_authority: IDLE_UPSTREAMS_PER_AUTHORITY,
            upstreams_per_authority: UPSTREAMS_PER_AUTHORITY,
            upstream_idle_timeout: UPSTREAM_IDLE_TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            upstream_body_timeout: UPSTREAM_BODY_TIMEOUT,
            tunnel_idle_timeout: TUNNEL_IDLE_TIMEOUT,
            counter_keys: COUNTER_KEYS,
            requests_per_worker: REQUESTS_PER_WORKER,
            loop_delay: LOOP_DELAY,
        }
    }
}
