//! What is read one by one, because lists do not show it: each with when it was read and what came of it.

use std::collections::BTreeMap;

use gateway_config::{
    Secret,
    arm::{File, Scope},
};
use tokio::time::{Duration, Instant};

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    /// Other revisions of an API.
    Revisions(String),
    /// An API entity that lists do not have (a revision).
    Revision(String),
    /// APIs of a product.
    ProductApis(String),
    /// Groups of a product.
    ProductGroups(String),
    /// A policy document.
    Policy(Scope),
    /// A fragment's text.
    Fragment(String),
    /// Operations of an API, with the schemas they refer to.
    Operations(String),
    /// Diagnostics of an API.
    Diagnostics(String),
    /// Keys of a subscription.
    Keys(String),
    /// Value of a secret named value.
    Value(String),
    /// Certificate in a Key Vault.
    Certificate(String),
}

impl Unit {
    /// For people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Revisions(api) | Self::Revision(api) => format!("revisions of API {api}"),
            Self::ProductApis(product) | Self::ProductGroups(product) => {
                format!("links of product {product}")
            }
            Self::Policy(scope) => format!("policy {}", scope.path().join("/")),
            Self::Fragment(name) => format!("policy fragment {name}"),
            Self::Operations(api) => format!("operations of API {api}"),
            Self::Diagnostics(api) => format!("diagnostics of API {api}"),
            Self::Keys(name) => format!("keys of subscription {name}"),
            Self::Value(name) => format!("value of named value {name}"),
            Self::Certificate(name) => format!("certificate {name}"),
        }
    }

    /// Secrets and what changes rarely: looked at slowly.
    pub(super) fn is_slow(&self) -> bool {
        matches!(
            self,
            Self::Keys(_) | Self::Value(_) | Self::Certificate(_) | Self::Diagnostics(_)
        )
    }

    /// A configuration is whole without it: it only says what is logged.
    pub(super) fn can_wait(&self) -> bool {
        matches!(self, Self::Diagnostics(_))
    }

    /// The entity whose change in a list is a reason to read this again.
    pub(super) fn of_entity(&self) -> Option<(&'static str, &str)> {
        Some(match self {
            Self::Revisions(api) | Self::Revision(api) | Self::Operations(api) | Self::Diagnostics(api) => {
                ("apis", api)
            }
            Self::Policy(Scope::Api(api) | Scope::Operation(api, _)) => ("apis", api),
            Self::Policy(Scope::Product(product))
            | Self::ProductApis(product)
            | Self::ProductGroups(product) => ("products", product),
            Self::Policy(Scope::Global) => return None,
            Self::Fragment(name) => ("policyFragments", name),
            Self::Keys(name) => ("subscriptions", name),
            Self::Value(name) => ("namedValues", name),
            Self::Certificate(name) => ("certificates", name),
        })
    }
}

/// What is known of a unit.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Its files; the last good ones after a failure.
    pub(super) files: Vec<File>,
    /// Names that it led to (revisions, APIs of a product).
    pub(super) names: Vec<String>,
    /// Keys or value. They join their entity when the tree is made: its state may be newer than they are.
    pub(super) secrets: Vec<Option<Secret>>,
    /// Tag of the entity.
    pub(super) tag: Option<String>,
    /// When it was looked at last.
    pub(super) seen: Option<Instant>,
    /// Something said that it changed.
    pub(super) dirty: bool,
    /// Why it could not be read; said once.
    pub(super) denied: Option<String>,
}

/// All units.
#[derive(Debug, Default)]
pub(super) struct Units(pub(super) BTreeMap<Unit, State>);

impl Units {
    /// Must it be read before a configuration is whole?
    pub(super) fn is_missing(&self, unit: &Unit) -> bool {
        self.0
            .get(unit)
            .is_none_or(|state| state.seen.is_none() || state.dirty)
    }

    pub(super) fn state(&mut self, unit: &Unit) -> &mut State {
        self.0.entry(unit.clone()).or_default()
    }

    pub(super) fn names(&self, unit: &Unit) -> &[String] {
        self.0.get(unit).map_or(&[], |state| &state.names)
    }

    /// An entity changed in its list.
    pub(super) fn touch(&mut self, list: &str, name: &str) {
        for (unit, state) in &mut self.0 {
            if unit.of_entity().is_some_and(|(l, n)| l == list && n == name) {
                state.dirty = true;
            }
        }
    }

    /// Units that were looked at too long ago, the longest first.
    pub(super) fn due(&self, sweep: Duration, secrets: Duration) -> Vec<Unit> {
        let now = Instant::now();
        let mut out: Vec<(Option<Instant>, &Unit)> = self
            .0
            .iter()
            .filter_map(|(unit, state)| {
                let Some(seen) = state.seen else {
                    return Some((None, unit));
                };
                let pause = if unit.is_slow() { secrets } else { sweep };
                (now.duration_since(seen) >= pause).then_some((Some(seen), unit))
            })
            .collect();
        out.sort();
        out.into_iter().map(|(_, unit)| unit.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_unseen_is_due_first() {
        let mut units = Units::default();
        let (sweep, secrets) = (Duration::from_secs(10), Duration::from_secs(100));
        let names = ["b", "a", "c"].map(|n| Unit::Fragment(n.to_owned()));
        for unit in &names {
            units.state(unit).seen = Some(Instant::now());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let keys = Unit::Keys("k".to_owned());
        units.state(&keys).seen = Some(Instant::now());
        assert!(units.due(sweep, secrets).is_empty());
        tokio::time::advance(Duration::from_secs(8)).await;
        assert_eq!(units.due(sweep, secrets), names[..2]);
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(units.due(sweep, secrets).last(), Some(&keys));
    }

    #[test]
    fn a_change_of_an_entity_touches_what_hangs_on_it() {
        let mut units = Units::default();
        let mine = Unit::Operations("echo".to_owned());
        let other = Unit::Operations("echo2".to_owned());
        for unit in [&mine, &other] {
            units.state(unit).seen = Some(Instant::now());
        }
        units.touch("apis", "echo");
        assert!(units.is_missing(&mine) && !units.is_missing(&other));
    }
}
