//! The record of single requests: who may ask for one, and where it is kept.
//!
//! As in the original a client shows a token of limited life in `Apim-Debug-Authorization`; here the node itself
//! gives it out (`POST /debug/credentials` of the admin endpoint) and keeps the records
//! (`GET /debug/trace?id=…`). The admin endpoint can also ask for the next requests, whatever they are.
//! Source: `gateway-behaviour.md` §14.1.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use aws_lc_rs::{hmac, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Records kept; the oldest makes room. Each is some tens of KiB.
const RECORDS_MAX: usize = 64;
/// Longest record: more is replaced by a word about it.
const RECORD_BYTES_MAX: usize = 512 * 1024;
/// Longest life of credentials, as documented: one hour.
pub const SECONDS_MAX: u64 = 3_600;
/// Most requests that one order records.
pub const REQUESTS_MAX: u32 = 1_000;

const AUTHORIZATION: HeaderName = HeaderName::from_static("apim-debug-authorization");
const TRACE_ID: HeaderName = HeaderName::from_static("apim-trace-id");
const EXPIRED: HeaderName = HeaderName::from_static("apim-debug-authorization-expired");
const WRONG_API: HeaderName = HeaderName::from_static("apim-debug-authorization-wrongapi");

/// What a request is told about its wish to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is recorded.
    Record,
    /// The credentials ended then, Unix seconds.
    Expired(u64),
    /// They are for another API.
    WrongApi,
}

/// Keys, orders and records of a node.
pub struct Debug {
    key: Mutex<Option<hmac::Key>>,
    next: AtomicU32,
    records: Mutex<VecDeque<(String, Arc<str>)>>,
}

impl std::fmt::Debug for Debug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the key and the records.
        f.debug_struct("Debug")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl Default for Debug {
    fn default() -> Self {
        Self {
            key: Mutex::new(None),
            next: AtomicU32::new(0),
            records: Mutex::default(),
        }
    }
}

impl Debug {
    /// Credentials for an API that end at `ends`, Unix seconds. `None`: the system has no randomness.
    pub fn credentials(&self, api: &str, ends: u64) -> Option<String> {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if key.is_none() {
            let mut bytes = [0; 32];
            rand::fill(&mut bytes).ok()?;
            *key = Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes));
        }
        let claim = format!("aid={api}&exp={ends}");
        let tag = hmac::sign(key.as_ref()?, claim.as_bytes());
        Some(format!("{claim}&sig={}", URL_SAFE_NO_PAD.encode(tag)))
    }

    /// Makes all credentials void.
    pub fn invalidate(&self) {
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Records the next `requests`, whatever they are.
    pub fn order(&self, requests: u32) {
        self.next.store(requests.min(REQUESTS_MAX), Ordering::Relaxed);
    }

    /// Whether this request is recorded. The header is the gateway's: it goes no further.
    pub(crate) fn asked(&self, headers: &mut HeaderMap, api: Option<&str>, now: u64) -> Option<Answer> {
        if let Some(token) = headers.remove(AUTHORIZATION) {
            let answer = token.to_str().ok().and_then(|t| self.check(t, api, now));
            if answer.is_some() {
                return answer;
            }
        }
        // One comparison for a request that nobody asks about.
        if self.next.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let less = |n: u32| n.checked_sub(1);
        let taken = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.is_ok().then_some(Answer::Record)
    }

    /// `None`: these are no credentials of this node.
    fn check(&self, token: &str, api: Option<&str>, now: u64) -> Option<Answer> {
        let (claim, signature) = token.rsplit_once("&sig=")?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        hmac::verify(key.as_ref()?, claim.as_bytes(), &signature).ok()?;
        let (aid, ends) = claim.strip_prefix("aid=")?.rsplit_once("&exp=")?;
        let ends: u64 = ends.parse().ok()?;
        Some(if now >= ends {
            Answer::Expired(ends)
        } else if api != Some(aid) {
            Answer::WrongApi
        } else {
            Answer::Record
        })
    }

    /// Keeps a record under the request's id.
    pub(crate) fn keep(&self, id: String, record: &serde_json::Value) {
        let mut text = record.to_string();
        if text.len() > RECORD_BYTES_MAX {
            text =
                serde_json::json!({ "error": format!("the record is longer than {RECORD_BYTES_MAX} bytes") })
                    .to_string();
        }
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() >= RECORDS_MAX {
            records.pop_front();
        }
        records.push_back((id, text.into()));
    }

    /// The record of a request.
    pub fn record(&self, id: &str) -> Option<Arc<str>> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records
            .iter()
            .find(|(known, _)| known == id)
            .map(|(_, record)| Arc::clone(record))
    }

    /// Ids of all records, the oldest first.
    pub fn ids(&self) -> Vec<String> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().map(|(id, _)| id.clone()).collect()
    }
}

/// Tells the client.
pub(crate) fn tell(answer: &Answer, id: &str, headers: &mut HeaderMap) {
    let (name, value) = match answer {
        Answer::Record => (TRACE_ID, id.to_owned()),
        Answer::Expired(ends) => (EXPIRED, ends.to_string()),
        Answer::WrongApi => (WRONG_API, "the credentials are for another API".to_owned()),
    };
    if let Ok(value) = HeaderValue::from_str(&value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(debug: &Debug, token: Option<&str>, api: Option<&str>, now: u64) -> Option<Answer> {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token.parse().unwrap());
        }
        let answer = debug.asked(&mut headers, api, now);
        assert!(headers.is_empty(), "the header goes no further");
        answer
    }

    #[test]
    fn credentials_are_for_one_api_and_one_hour() {
        let debug = Debug::default();
        let token = debug.credentials("echo", 1_000).unwrap();
        for (api, now, expected) in [
            (Some("echo"), 999, Some(Answer::Record)),
            (Some("echo"), 1_000, Some(Answer::Expired(1_000))),
            (Some("other"), 999, Some(Answer::WrongApi)),
            (None, 999, Some(Answer::WrongApi)),
        ] {
            assert_eq!(
                asked(&debug, Some(&token), api, now),
                expected,
                "{api:?} at {now}"
            );
        }
        let longer = token.replace("exp=1000", "exp=9999");
        for forged in [
            longer.as_str(),
            "aid=echo&exp=9999",
            "x",
            "aid=echo&exp=9999&sig=AAAA",
        ] {
            assert_eq!(asked(&debug, Some(forged), Some("echo"), 1), None, "{forged}");
        }
        debug.invalidate();
        assert_eq!(asked(&debug, Some(&token), Some("echo"), 999), None);
    }

    #[test]
    fn an_order_is_used_up() {
        let debug = Debug::default();
        debug.order(2);
        let answers: Vec<bool> = (0..3).map(|_| asked(&debug, None, None, 0).is_some()).collect();
        assert_eq!(answers, [true, true, false]);
    }

    #[test]
    fn records_are_bounded() {
        let debug = Debug::default();
        for n in 0..=RECORDS_MAX {
            debug.keep(n.to_string(), &serde_json::json!({ "n": n }));
        }
        assert_eq!((debug.record("0"), debug.ids().len()), (None, RECORDS_MAX));
        assert_eq!(debug.record("1").as_deref(), Some("{\"n\":1}"));
        debug.keep("long".into(), &"x".repeat(RECORD_BYTES_MAX).into());
        assert!(debug.record("long").unwrap().contains("longer than"));
    }
}
