//! Who may use an API, and as whom: products, subscriptions and their keys.
//!
//! The decision is that of the page "Subscriptions" (`gateway-behaviour.md` §9.3). Where its table and its rules
//! disagree (open product, API needs a key, foreign key sent) the rule holds: the key is ignored, as release notes
//! of January 2025 confirm; refusing would only punish a caller who may come in without any key.
//!
//! Keys are looked up by their SHA-256, so that neither timing nor memory layout tells how much of a key was right.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use gateway_policy::context;
use sha2::{Digest, Sha256};

use crate::{
    routing::query_value,
    snapshot::{ApiEntry, ProductEntry, RequestKey, SubscriptionEntry, SubscriptionScope, SubscriptionState},
};

/// The decision on one request.
#[derive(Debug)]
pub enum Access {
    /// Allowed, in this context.
    Granted(Grant),
    /// 401, no key was sent.
    KeyMissing(Challenge),
    /// 401, the key is unknown, inactive or of another scope.
    KeyInvalid(Challenge),
}

/// In whose name a request runs.
#[derive(Clone, Default)]
pub struct Grant {
    /// The product whose policies run and that `context.Product` shows.
    pub product: Option<Arc<ProductEntry>>,
    /// The subscription whose key was used.
    pub subscription: Option<Arc<SubscriptionEntry>>,
    /// The key itself (`context.Subscription.Key`).
    pub key: Option<Arc<str>>,
    /// Its owner.
    pub user: Option<Arc<context::User>>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the key.
        let product = self.product.as_ref().map(|p| &p.product.id);
        f.debug_struct("Grant")
            .field("product", &product)
            .field("subscription", &self.subscription)
            .finish_non_exhaustive()
    }
}

/// What `WWW-Authenticate: AzureApiManagementKey realm="…",name="…",type="header"` is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Header name of the API's key.
    pub key_header: Arc<str>,
    /// Path of the API for the realm `<scheme>://<host>/<path>`.
    pub api_path: Arc<str>,
}

/// Hash of a key.
type KeyHash = [u8; 32];

/// What opens what.
#[derive(Default)]
pub(crate) struct AccessTable {
    keys: HashMap<KeyHash, (Arc<SubscriptionEntry>, Arc<str>)>,
    products: HashMap<Arc<str>, ProductAccess>,
    /// The open product of an API (lower-case entity names).
    open: HashMap<Arc<str>, Arc<ProductEntry>>,
}

impl fmt::Debug for AccessTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the keys.
        f.debug_struct("AccessTable")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

struct ProductAccess {
    entry: Arc<ProductEntry>,
    /// Lower-case entity names of its APIs.
    apis: HashSet<Arc<str>>,
}

/// A key that two subscriptions claim.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyClash {
    pub(crate) first: Arc<str>,
    pub(crate) second: Arc<str>,
}

impl AccessTable {
    /// Builds the table. Products and subscriptions keep their order; the first open product of an API counts.
    pub(crate) fn build(
        products: &[Arc<ProductEntry>],
        subscriptions: &[Arc<SubscriptionEntry>],
    ) -> (Self, Vec<KeyClash>) {
        let mut table = AccessTable::default();
        for entry in products {
            let apis: HashSet<Arc<str>> = entry.apis.iter().map(lower).collect();
            if !entry.product.subscription_required {
                for api in &apis {
                    table
                        .open
                        .entry(Arc::clone(api))
                        .or_insert_with(|| Arc::clone(entry));
                }
            }
            let access = ProductAccess {
                entry: Arc::clone(entry),
                apis,
            };
            table.products.insert(lower(&entry.product.id), access);
        }
        let mut clashes = Vec::new();
        for entry in subscriptions {
            for key in [&entry.subscription.primary_key, &entry.subscription.secondary_key]
                .into_iter()
                .flatten()
            {
                let hash = hash(key);
                match table.keys.get(&hash) {
                    Some((first, _)) if !Arc::ptr_eq(first, entry) => clashes.push(KeyClash {
                        first: Arc::clone(&first.subscription.id),
                        second: Arc::clone(&entry.subscription.id),
                    }),
                    Some(_) => {}
                    None => {
                        table.keys.insert(hash, (Arc::clone(entry), Arc::clone(key)));
                    }
                }
            }
        }
        (table, clashes)
    }

    /// All subscriptions with keys, each once.
    pub(crate) fn subscriptions(&self) -> Vec<&Arc<SubscriptionEntry>> {
        let mut out: Vec<_> = self.keys.values().map(|(entry, _)| entry).collect();
        out.sort_by(|a, b| a.subscription.id.cmp(&b.subscription.id));
        out.dedup_by(|a, b| Arc::ptr_eq(a, b));
        out
    }

    /// Decides on one request.
    pub(crate) fn authorize(&self, api: &ApiEntry, request: &RequestKey<'_>) -> Access {
        let sent = sent_key(api, request);
        let name = &api.folded_name;
        if let Some(sent) = &sent
            && let Some(grant) = self.by_key(name, sent)
        {
            return Access::Granted(grant);
        }
        if let Some(open) = self.open.get(name) {
            return Access::Granted(Grant {
                product: Some(Arc::clone(open)),
                ..Grant::default()
            });
        }
        if !api.subscription_required {
            return Access::Granted(Grant::default());
        }
        let challenge = Challenge {
            key_header: Arc::clone(&api.api.key_header),
            api_path: Arc::clone(&api.effective_path),
        };
        match sent {
            Some(_) => Access::KeyInvalid(challenge),
            None => Access::KeyMissing(challenge),
        }
    }

    /// The grant of a valid key of an active subscription whose scope covers the API.
    fn by_key(&self, api: &Arc<str>, sent: &str) -> Option<Grant> {
        let (entry, key) = self.keys.get(&hash(sent))?;
        if entry.state != SubscriptionState::Active {
            return None;
        }
        let product = match &entry.scope {
            SubscriptionScope::AllApis => None,
            SubscriptionScope::Api(name) => {
                if !name.eq_ignore_ascii_case(api) {
                    return None;
                }
                None
            }
            SubscriptionScope::Product(id) => {
                let access = self.products.get(&lower(id))?;
                if !access.apis.contains(api) {
                    return None;
                }
                Some(Arc::clone(&access.entry))
            }
        };
        Some(Grant {
            product,
            subscription: Some(Arc::clone(entry)),
            key: Some(Arc::clone(key)),
            user: entry.owner.clone(),
        })
    }
}

/// The key as sent: header, and the query only when the header is absent.
fn sent_key<'r>(api: &ApiEntry, request: &RequestKey<'r>) -> Option<std::borrow::Cow<'r, str>> {
    if let Some(value) = request.headers.get(&api.key_header) {
        // A value that is no text cannot be a key; it still counts as sent.
        return Some(value.to_str().unwrap_or("").trim().into());
    }
    query_value(request.query, &api.api.key_query).filter(|v| !v.is_empty())
}

fn hash(key: &str) -> KeyHash {
    Sha256::digest(key.as_bytes()).into()
}

fn lower(name: &Arc<str>) -> Arc<str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        Arc::clone(name)
    }
}
