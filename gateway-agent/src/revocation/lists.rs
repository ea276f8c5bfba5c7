//! The lists that were fetched, by URL.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use tokio::time::Instant;
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_cert::{crl::CertificateList, der::Decode};

/// Lists kept. A gateway trusts a handful of authorities; URLs come from verified certificates only. Beyond it the one
/// asked for longest ago is forgotten.
const LISTS_MAX: usize = 64;
/// Pause after a list could not be fetched: until then requests fail at once instead of waiting for it.
const PAUSE: Duration = Duration::from_secs(10);
/// Longest time a list is kept whatever it says, so that a mistaken `nextUpdate` does not last for years.
const KEPT_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// A list, read.
#[derive(Debug)]
pub(super) struct List {
    parsed: CertRevocationList<'static>,
    /// When the next one is due.
    next_update: SystemTime,
    fetched: Instant,
}

impl List {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        // Some authorities publish PEM.
        let decoded = match bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
            true => {
                use rustls_pki_types::pem::PemObject as _;
                let der = rustls_pki_types::CertificateRevocationListDer::from_pem_slice(bytes);
                der.map_err(|error| format!("it is no revocation list: {error}"))?
                    .to_vec()
            }
            false => bytes.to_vec(),
        };
        let list: CertificateList = CertificateList::from_der(&decoded)
            .map_err(|error| format!("it is no revocation list: {error}"))?;
        let next = list
            .tbs_cert_list
            .next_update
            .ok_or("it does not say when the next one comes")?;
        let parsed = OwnedCertRevocationList::from_der(&decoded)
            .map_err(|error| format!("it is no revocation list: {error}"))?;
        Ok(Self {
            parsed: parsed.into(),
            next_update: UNIX_EPOCH + next.to_unix_duration(),
            fetched: Instant::now(),
        })
    }

    pub(super) fn parsed(&self) -> &CertRevocationList<'static> {
        &self.parsed
    }

    fn is_current(&self) -> bool {
        SystemTime::now() < self.next_update && self.fetched.elapsed() < KEPT_MAX
    }
}

/// All lists of the node.
#[derive(Debug, Default)]
pub(crate) struct Lists(Mutex<HashMap<Arc<str>, Arc<Entry>>>);

#[derive(Debug, Default)]
struct Entry {
    state: Mutex<State>,
    /// Held by whoever fetches.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    list: Option<Arc<List>>,
    /// When the last fetch failed, and why.
    failed: Option<(Instant, String)>,
    used: Option<Instant>,
}

impl Entry {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing can panic while it is held, so a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known without asking; `None`: ask.
    fn known(&self) -> Option<Result<Arc<List>, String>> {
        let mut state = self.state();
        state.used = Some(Instant::now());
        if let Some(list) = state.list.as_ref().filter(|list| list.is_current()) {
            return Some(Ok(Arc::clone(list)));
        }
        let (when, why) = state.failed.as_ref()?;
        (when.elapsed() < PAUSE).then(|| Err(why.clone()))
    }
}

impl Lists {
    /// The list at `url`; `fetch` is called when it must be fetched.
    ///
    /// # Errors
    /// There is none that is current.
    pub(super) async fn get<F>(&self, url: &Arc<str>, fetch: impl FnOnce() -> F) -> Result<Arc<List>, String>
    where
        F: Future<Output = Result<Bytes, String>>,
    {
        let entry = self.entry(url);
        if let Some(known) = entry.known() {
            return known;
        }
        let _turn = entry.turn.lock().await;
        // Somebody else may have fetched it while this request waited.
        if let Some(known) = entry.known() {
            return known;
        }
        let fetched = fetch().await.and_then(|bytes| List::read(&bytes));
        let fetched = fetched.and_then(|list| match list.is_current() {
            true => Ok(Arc::new(list)),
            false => Err("it is older than it says it may be".to_owned()),
        });
        let mut state = entry.state();
        match &fetched {
            Ok(list) => {
                state.list = Some(Arc::clone(list));
                state.failed = None;
            }
            Err(reason) => {
                tracing::warn!(
                    event = "RevocationListFetchFailed",
                    url = &**url,
                    "a revocation list cannot be used: {reason}"
                );
                state.failed = Some((Instant::now(), reason.clone()));
            }
        }
        fetched
    }

    fn entry(&self, url: &Arc<str>) -> Arc<Entry> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(url) {
            return Arc::clone(entry);
        }
        if entries.len() >= LISTS_MAX
            && let Some(oldest) = entries
                .iter()
                .min_by_key(|(_, entry)| entry.state().used)
                .map(|(url, _)| Arc::clone(url))
        {
            entries.remove(&oldest);
        }
        Arc::clone(entries.entry(Arc::clone(url)).or_default())
    }
}
