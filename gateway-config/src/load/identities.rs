//! Products, subscriptions, backends, named values: entities that stand for themselves.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use crate::{
    artifacts::{Artifacts, backend, named_value, named_value::NamedValue, product, subscription},
    overlay::Overlay,
    problem::Problem,
    secret::SecretLookup,
    snapshot::{BackendEntry, ProductEntry, SubscriptionEntry, SubscriptionScope},
};

/// Named values by display name.
pub(super) type NamedValues = BTreeMap<Arc<str>, NamedValue>;

pub(super) fn named_values(
    artifacts: &Artifacts,
    secrets: SecretLookup<'_>,
    problems: &mut Vec<Problem>,
) -> NamedValues {
    let mut out = NamedValues::new();
    for entity in artifacts.named_values.values() {
        let Some(value) = named_value::read(entity, secrets, problems) else {
            continue;
        };
        if let Some(other) = out.insert(Arc::clone(&value.display_name), value) {
            let message = format!(
                "two named values are called `{}`; the last one counts",
                other.display_name
            );
            problems.push(Problem::warning("same-name", &entity.path, message));
        }
    }
    out
}

pub(super) fn backends(
    artifacts: &Artifacts,
    names: &NamedValues,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Arc<str>, Arc<BackendEntry>> {
    let lookup = |name: &str| names.get(name).map(|v| Arc::clone(&v.value));
    let mut out: BTreeMap<Arc<str>, Arc<BackendEntry>> = artifacts
        .backends
        .values()
        .map(|entity| {
            let entry = backend::read(entity, &lookup, problems);
            (entry.backend.id.to_ascii_lowercase().into(), Arc::new(entry))
        })
        .collect();
    // A pool whose members are not there would spread requests over fewer backends than meant.
    for (id, entity) in &artifacts.backends {
        let Some(entry) = out.get(id.to_ascii_lowercase().as_str()) else {
            continue;
        };
        let missing: Vec<Arc<str>> = entry
            .pool
            .iter()
            .filter(|m| !artifacts.backends.keys().any(|b| b.eq_ignore_ascii_case(&m.id)))
            .map(|m| Arc::clone(&m.id))
            .collect();
        for member in missing {
            let message = format!("pool member `{member}` is no backend of the folder; it gets no requests");
            problems.push(Problem::scope("dangling-link", &entity.path, message));
        }
    }
    for entry in out.values_mut() {
        let known = |id: &Arc<str>| artifacts.backends.keys().any(|b| b.eq_ignore_ascii_case(id));
        if let Some(entry) = Arc::get_mut(entry) {
            entry.pool.retain(|m| known(&m.id));
        }
    }
    out
}

pub(super) fn products(artifacts: &Artifacts, problems: &mut Vec<Problem>) -> Vec<Arc<ProductEntry>> {
    let groups = artifacts
        .groups
        .iter()
        .filter_map(|(id, entity)| Some((id.to_lowercase(), product::read_group(entity, problems)?)))
        .collect();
    let mut out: Vec<Arc<ProductEntry>> = Vec::new();
    for (name, folder) in &artifacts.products {
        if let Some(entry) = product::read(name, folder, &groups, problems) {
            out.push(Arc::new(ProductEntry {
                index: out.len(),
                ..entry
            }));
        }
    }
    two_open_products(&out, problems);
    out
}

/// An API can be in at most one open product: with two it would not be clear whose policies run.
fn two_open_products(products: &[Arc<ProductEntry>], problems: &mut Vec<Problem>) {
    let mut first: BTreeMap<String, &Arc<str>> = BTreeMap::new();
    for product in products.iter().filter(|p| !p.product.subscription_required) {
        for api in &product.apis {
            if let Some(other) = first.get(&api.to_lowercase()) {
                let path = format!("products/{}", product.product.id);
                let message = format!(
                    "API `{api}` is in two open products, `{other}` and `{}`; the first one counts",
                    product.product.id
                );
                problems.push(Problem::warning("two-open-products", &path, message));
            } else {
                first.insert(api.to_lowercase(), &product.product.id);
            }
        }
    }
}

pub(super) fn subscriptions(
    artifacts: &Artifacts,
    overlay: &Overlay,
    secrets: SecretLookup<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Arc<SubscriptionEntry>> {
    let entries: Vec<_> = artifacts
        .subscriptions
        .values()
        .filter_map(|entity| subscription::read(entity, &overlay.users, secrets, problems))
        .map(Arc::new)
        .collect();
    let keyless: Vec<&str> = entries
        .iter()
        .filter(|s| !has_key(s))
        .map(|s| &*s.subscription.id)
        .collect();
    if let [first, ..] = keyless.as_slice() {
        let message = format!(
            "{} of {} subscriptions have no key (folders do not hold them), so nobody can use them; give keys in the \
             overlay (subscriptions: - name: {first}, properties: {{primaryKey: {{env: NAME}}}})",
            keyless.len(),
            entries.len()
        );
        problems.push(Problem::warning("no-keys", "subscriptions", message));
    }
    entries
}

pub(super) fn has_key(entry: &SubscriptionEntry) -> bool {
    entry.subscription.primary_key.is_some() || entry.subscription.secondary_key.is_some()
}

/// Links and scopes that lead nowhere.
pub(super) fn check_links(
    products: &[Arc<ProductEntry>],
    subscriptions: &[Arc<SubscriptionEntry>],
    artifacts: &Artifacts,
    problems: &mut Vec<Problem>,
) {
    let apis: HashSet<String> = artifacts.apis.keys().map(|a| a.to_lowercase()).collect();
    let product_names: HashSet<String> = products.iter().map(|p| p.product.id.to_lowercase()).collect();
    for (name, folder) in &artifacts.products {
        for (api, path) in folder
            .apis
            .iter()
            .filter(|(api, _)| !apis.contains(&api.to_lowercase()))
        {
            let message = format!("product `{name}` links API `{api}`, which is not in the folder");
            problems.push(Problem::warning("dangling-link", path, message));
        }
    }
    for subscription in subscriptions {
        let missing = match &subscription.scope {
            SubscriptionScope::Product(id) if !product_names.contains(&id.to_lowercase()) => {
                format!("product `{id}`")
            }
            SubscriptionScope::Api(id) if !apis.contains(&id.to_lowercase()) => format!("API `{id}`"),
            _ => continue,
        };
        let path = artifacts
            .subscriptions
            .get(&*subscription.subscription.id)
            .map_or("subscriptions", |e| &e.path);
        let message = format!("its scope is {missing}, which is not in the folder; its keys open nothing");
        problems.push(Problem::warning("dangling-link", path, message));
    }
}
