//! One record from two halves: what the kernel counted of a connection, and what the gateway did on it.
//!
//! The halves meet by the socket's cookie. Either may come first: the kernel's when the peer resets, the gateway's when the
//! last acknowledgement is still out. Nothing is kept unless somebody wants records.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use gateway_loader::common::ConnRecord;

/// Connections whose halves are awaited at one time. Those beyond are recorded without what the gateway did.
const OPEN: usize = 262_144;
/// How long the gateway's half waits for the kernel's: a socket that closes with data out may take minutes.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the gateway did on a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSide {
    /// Name that the client asked for in the TLS handshake.
    pub server_name: Option<String>,
    /// `1.2` or `1.3`.
    pub tls: Option<&'static str>,
    /// Requests that were answered or given up.
    pub requests: u32,
    /// Requests by API, `_unmatched` for those of none; the first few APIs, the rest under `_more`.
    pub apis: Vec<(Box<str>, u32)>,
    /// Requests that a policy refused.
    pub refused: u32,
    /// Bytes of request and response bodies.
    pub body_in: u64,
    /// Bytes of response bodies.
    pub body_out: u64,
}

/// APIs that a connection tells apart; clients talk to one or two.
const APIS: usize = 8;

impl UserSide {
    /// A request is over.
    pub fn request(&mut self, api: &str, refused: bool, received: u64, sent: u64) {
        self.requests += 1;
        self.refused += u32::from(refused);
        self.body_in += received;
        self.body_out += sent;
        let name = if self.apis.len() < APIS || self.apis.iter().any(|(known, _)| **known == *api) {
            api
        } else {
            "_more"
        };
        match self.apis.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, count)) => *count += 1,
            None => self.apis.push((name.into(), 1)),
        }
    }
}

#[derive(Debug)]
enum Half {
    /// The gateway still works on it.
    Open,
    /// The gateway is done; the kernel is not.
    User(UserSide, Instant),
    /// The kernel is done; the gateway is not.
    Kernel(ConnRecord, &'static str),
}

/// Connections of which one half, or none, is known.
#[derive(Debug, Default)]
pub(super) struct Join {
    open: HashMap<u64, Half>,
}

impl Join {
    /// The gateway works on a connection. Whether its half is awaited.
    pub(super) fn open(&mut self, cookie: u64) -> bool {
        if cookie == 0 || self.open.len() >= OPEN {
            return false;
        }
        self.open.insert(cookie, Half::Open);
        true
    }

    /// The kernel's half. What can be told now: the record, with the other half if that is awaited no more.
    pub(super) fn kernel(
        &mut self,
        record: &ConnRecord,
        source: &'static str,
    ) -> Option<(ConnRecord, &'static str, Option<UserSide>)> {
        match self.open.remove(&record.cookie) {
            Some(Half::User(user, _)) => Some((*record, source, Some(user))),
            Some(Half::Open) => {
                self.open.insert(record.cookie, Half::Kernel(*record, source));
                None
            }
            // A second record of one connection would be a mistake of the kernel side; it is shown as it is.
            Some(Half::Kernel(..)) | None => Some((*record, source, None)),
        }
    }

    /// The gateway's half.
    pub(super) fn user(
        &mut self,
        cookie: u64,
        user: UserSide,
    ) -> Option<(ConnRecord, &'static str, Option<UserSide>)> {
        match self.open.remove(&cookie) {
            Some(Half::Kernel(record, source)) => Some((record, source, Some(user))),
            Some(_) => {
                self.open.insert(cookie, Half::User(user, Instant::now()));
                None
            }
            None => None,
        }
    }

    /// Forgets halves whose other half will not come: its record was lost.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.open.retain(|_, half| match half {
            Half::User(_, since) => now.saturating_duration_since(*since) < PATIENCE,
            Half::Open | Half::Kernel(..) => true,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(cookie: u64) -> ConnRecord {
        ConnRecord {
            cookie,
            bytes_in: cookie * 10,
            ..ConnRecord::default()
        }
    }

    fn user(requests: u32) -> UserSide {
        UserSide {
            requests,
            ..UserSide::default()
        }
    }

    #[test]
    fn the_halves_meet_in_either_order() {
        let mut join = Join::default();
        assert!(join.open(1) && join.open(2));
        assert!(
            join.kernel(&record(1), "kernel").is_none(),
            "the gateway is not done"
        );
        assert_eq!(join.user(1, user(3)), Some((record(1), "kernel", Some(user(3)))));
        assert!(join.user(2, user(4)).is_none());
        assert_eq!(
            join.kernel(&record(2), "kernel"),
            Some((record(2), "kernel", Some(user(4))))
        );
        assert!(join.open.is_empty());
    }

    #[test]
    fn what_nobody_announced_is_told_alone() {
        let mut join = Join::default();
        assert_eq!(
            join.kernel(&record(7), "kernel"),
            Some((record(7), "kernel", None))
        );
        assert!(join.user(7, user(1)).is_none() && join.open.is_empty());
        assert!(!join.open(0), "a socket without a cookie cannot be joined");
    }

    #[test]
    fn lost_records_do_not_pile_up() {
        let mut join = Join::default();
        join.open(1);
        join.open(2);
        let _ = join.user(1, user(1));
        join.sweep(Instant::now());
        assert_eq!(join.open.len(), 2);
        join.sweep(Instant::now() + PATIENCE);
        assert_eq!(join.open.len(), 1, "the open one stays");
    }

    #[test]
    fn requests_are_told_apart_by_api() {
        let mut side = UserSide::default();
        for at in 0..20 {
            side.request(&format!("api-{}", at % 10), at == 3, 2, 3);
        }
        assert_eq!(
            (side.requests, side.refused, side.body_in, side.body_out),
            (20, 1, 40, 60)
        );
        assert_eq!(side.apis.len(), APIS + 1);
        assert_eq!(side.apis[0], ("api-0".into(), 2));
        assert_eq!(side.apis[APIS], ("_more".into(), 4));
    }
}
