//! Which scopes have a policy document: the list `allPolicies`.

use serde_json::Value;

use super::Item;
use crate::artifacts::split_revision;

/// A scope that can have a policy document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// All APIs.
    Global,
    /// A product.
    Product(String),
    /// An API, `name` or `name;rev=n`.
    Api(String),
    /// An operation of an API.
    Operation(String, String),
}

impl Scope {
    /// Path of the document below the service, names as they are: the reader of the network encodes them.
    pub fn path(&self) -> Vec<&str> {
        let mut path = match self {
            Self::Global => Vec::new(),
            Self::Product(product) => vec!["products", product],
            Self::Api(api) => vec!["apis", api],
            Self::Operation(api, operation) => vec!["apis", api, "operations", operation],
        };
        path.extend(["policies", "policy"]);
        path
    }
}

/// The scope of a policy document's id; `None` for kinds that a gateway does not run (resolvers, workspaces).
pub fn scope_of(id: &str) -> Option<Scope> {
    let relative = match id.to_ascii_lowercase().find("/service/") {
        Some(at) => id[at + "/service/".len()..].split_once('/')?.1,
        None => id,
    };
    let parts: Vec<&str> = relative.split('/').filter(|p| !p.is_empty()).collect();
    let is = |part: &str, name: &str| part.eq_ignore_ascii_case(name);
    match parts.as_slice() {
        [p, _] if is(p, "policies") => Some(Scope::Global),
        [k, name, p, _] if is(k, "products") && is(p, "policies") => Some(Scope::Product((*name).to_owned())),
        [k, name, p, _] if is(k, "apis") && is(p, "policies") => Some(Scope::Api(revision_form(name))),
        [k, name, o, operation, p, _] if is(k, "apis") && is(o, "operations") && is(p, "policies") => {
            Some(Scope::Operation(revision_form(name), (*operation).to_owned()))
        }
        _ => None,
    }
}

/// `echo;Rev=2`, as some ids have it, is `echo;rev=2`.
fn revision_form(name: &str) -> String {
    match split_revision(name) {
        (name, Some(revision)) => format!("{name};rev={revision}"),
        (name, None) => name.to_owned(),
    }
}

/// The scopes of the items of `allPolicies`.
pub fn scopes_of(items: &[Item]) -> Vec<Scope> {
    let id = |item: &Item| {
        let found = item.properties.get("referencePolicyId").and_then(Value::as_str)?;
        scope_of(found)
    };
    items.iter().filter_map(id).collect()
}
