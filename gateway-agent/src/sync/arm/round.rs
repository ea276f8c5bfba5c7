//! One round: lists, then what they lead to, then what was not looked at for the longest time.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use gateway_config::{
    FileTree, Secret,
    arm::{self, Item, Kind, Scope},
};
use serde_json::Value;
use tokio::time::{Duration, Instant};

use super::{
    ask::{Ask, AskError},
    units::{State, Unit, Units},
    vault,
};
use crate::sync::remote::RemoteError;

/// Longest time that a round spends on what only might have changed.
const SWEEP_TIME: Duration = Duration::from_secs(5);
/// How often a long first reading says how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

/// Lists that are read whole in each round.
const LISTS: [Kind; 12] = [
    Kind::VersionSet,
    Kind::Product,
    Kind::Subscription,
    Kind::Backend,
    Kind::NamedValue,
    Kind::Certificate,
    Kind::Cache,
    Kind::Logger,
    Kind::Diagnostic,
    Kind::Fragment,
    Kind::Schema,
    Kind::Group,
];

/// A gateway and its children.
#[derive(Debug, PartialEq)]
struct Gateway {
    item: Item,
    apis: Vec<String>,
    hostnames: Vec<Item>,
    authorities: Vec<Item>,
}

/// What the lists of a round say.
#[derive(Debug, Default)]
struct Lists {
    kinds: BTreeMap<Kind, Vec<Item>>,
    gateways: Vec<Gateway>,
    apis: BTreeMap<String, Item>,
    scopes: BTreeSet<Scope>,
}

/// Names of what the gateways serve.
struct InScope {
    products: HashSet<String>,
    apis: HashSet<String>,
}

impl InScope {
    /// Does the subscription open any of it?
    fn opens(&self, item: &Item) -> bool {
        let scope = text(item, "scope").unwrap_or_default().trim_end_matches('/');
        let mut parts = scope.rsplit('/');
        let (last, parent) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if parent.eq_ignore_ascii_case("products") {
            return self.products.contains(&last.to_lowercase());
        }
        if parent.eq_ignore_ascii_case("apis") {
            let name = last.split(';').next().unwrap_or_default();
            return self.apis.contains(&name.to_lowercase());
        }
        true
    }
}

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    lists: Lists,
    units: Units,
    told: Option<Instant>,
}

impl Reading {
    /// Reads what is new; returns the tree as it is now.
    pub(super) async fn round(&mut self, ask: &mut Ask) -> Result<FileTree, RemoteError> {
        self.told.get_or_insert_with(Instant::now);
        let lists = read_lists(ask).await?;
        self.compare(&lists);
        self.lists = lists;

        let first = self.links();
        self.bring(ask, &first).await?;
        let second = self.contents(&first);
        self.bring(ask, &second).await?;
        let third = self.secrets();
        self.bring(ask, &third).await?;
        let wanted: BTreeSet<Unit> = first.into_iter().chain(second).chain(third).collect();
        self.units.0.retain(|unit, _| wanted.contains(unit));
        self.sweep(ask).await?;
        Ok(self.tree())
    }

    /// What differs from the last round is read again together with what hangs on it.
    fn compare(&mut self, new: &Lists) {
        let mut changed: Vec<(&'static str, String)> = Vec::new();
        for (kind, items) in &new.kinds {
            let before = self.lists.kinds.get(kind).map_or(&[][..], Vec::as_slice);
            let known: BTreeMap<&str, &Item> = before.iter().map(|item| (item.name.as_str(), item)).collect();
            let differs = |item: &&Item| known.get(item.name.as_str()).is_some_and(|old| old != item);
            changed.extend(
                items
                    .iter()
                    .filter(differs)
                    .map(|item| (kind.list(), item.name.clone())),
            );
        }
        for (name, item) in &new.apis {
            if self.lists.apis.get(name).is_some_and(|old| old != item) {
                changed.push((Kind::Api.list(), name.clone()));
            }
        }
        for (list, name) in changed {
            self.units.touch(list, &name);
        }
    }

    fn items(&self, kind: Kind) -> &[Item] {
        self.lists.kinds.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// What leads to more: revisions, links of products.
    fn links(&self) -> Vec<Unit> {
        let products = self.items(Kind::Product).iter();
        let products = products.flat_map(|p| {
            [
                Unit::ProductApis(p.name.clone()),
                Unit::ProductGroups(p.name.clone()),
            ]
        });
        let current = self.lists.apis.values().filter(|api| arm::is_current(api));
        let revisions = current.map(|api| Unit::Revisions(api.name.clone()));
        products.chain(revisions).collect()
    }

    /// What the gateways serve, in lower case: names have no case in scopes.
    fn in_scope(&self) -> InScope {
        let holds = |product: &&Item| {
            let apis = self.units.names(&Unit::ProductApis(product.name.clone()));
            apis.iter().any(|api| self.lists.apis.contains_key(api))
        };
        let products = self.items(Kind::Product).iter();
        InScope {
            products: products.filter(holds).map(|p| p.name.to_lowercase()).collect(),
            apis: self.lists.apis.keys().map(|api| api.to_lowercase()).collect(),
        }
    }

    /// Documents, operations and the like of everything in scope.
    fn contents(&self, links: &[Unit]) -> Vec<Unit> {
        let mut out = Vec::new();
        let mut apis: BTreeSet<String> = self.lists.apis.keys().cloned().collect();
        for unit in links.iter().filter(|u| matches!(u, Unit::Revisions(_))) {
            for name in self.units.names(unit) {
                if apis.insert(name.clone()) {
                    out.push(Unit::Revision(name.clone()));
                }
            }
        }
        for api in &apis {
            out.push(Unit::Operations(api.clone()));
            out.push(Unit::Diagnostics(api.clone()));
        }
        let served = self.in_scope();
        let in_scope = |scope: &&Scope| match scope {
            Scope::Global => true,
            Scope::Product(product) => served.products.contains(&product.to_lowercase()),
            Scope::Api(api) | Scope::Operation(api, _) => apis.contains(api),
        };
        out.extend(
            self.lists
                .scopes
                .iter()
                .filter(in_scope)
                .cloned()
                .map(Unit::Policy),
        );
        out.extend(
            self.items(Kind::Fragment)
                .iter()
                .map(|f| Unit::Fragment(f.name.clone())),
        );
        out
    }

    /// Keys, values and certificates that something in scope needs.
    fn secrets(&self) -> Vec<Unit> {
        let mut out = Vec::new();
        let served = self.in_scope();
        let subscriptions = self.items(Kind::Subscription).iter();
        out.extend(
            subscriptions
                .filter(|item| served.opens(item))
                .map(|item| Unit::Keys(item.name.clone())),
        );
        let mut names = BTreeSet::new();
        for state in self.units.0.values() {
            for (path, bytes) in &state.files {
                if path.ends_with(".xml") {
                    arm::named_values_in(bytes, &mut names);
                }
            }
        }
        for kind in [Kind::Backend, Kind::Logger, Kind::Cache] {
            for item in self.items(kind) {
                arm::named_values_in(&arm::information(kind, item).1, &mut names);
            }
        }
        let values = self.items(Kind::NamedValue).iter();
        out.extend(
            values
                .filter(|item| is_secret(item) && names.contains(display_name(item)))
                .map(|item| Unit::Value(item.name.clone())),
        );
        let certificates = self.items(Kind::Certificate).iter();
        out.extend(
            certificates
                .filter(|item| vault_of(item).is_some())
                .map(|item| Unit::Certificate(item.name.clone())),
        );
        out
    }

    /// Reads what is missing. One that is denied keeps what it had and is said once.
    async fn bring(&mut self, ask: &mut Ask, units: &[Unit]) -> Result<(), RemoteError> {
        let mut missing = Vec::new();
        for unit in units {
            if !self.units.is_missing(unit) {
                continue;
            }
            if unit.can_wait() {
                // Read when its turn comes.
                self.units.state(unit);
            } else {
                missing.push(unit);
            }
        }
        for (done, unit) in missing.iter().enumerate() {
            self.read(ask, unit).await?;
            if self.told.is_some_and(|at| at.elapsed() >= PROGRESS) {
                self.told = Some(Instant::now());
                let left = missing.len() - done - 1;
                tracing::info!(event = "SourceReading", left, "reading the management API, paced");
            }
        }
        Ok(())
    }

    /// Looks at what was not looked at for the longest time.
    async fn sweep(&mut self, ask: &mut Ask) -> Result<(), RemoteError> {
        let began = Instant::now();
        let (sweep, secrets) = (ask.place().sweep, ask.place().secrets);
        for unit in self.units.due(sweep, secrets) {
            if began.elapsed() >= SWEEP_TIME {
                break;
            }
            if self.is_unchanged(ask, &unit).await? {
                self.units.state(&unit).seen = Some(Instant::now());
            } else {
                self.read(ask, &unit).await?;
            }
        }
        Ok(())
    }

    /// Asks for the tag alone, where an entity has one.
    async fn is_unchanged(&mut self, ask: &mut Ask, unit: &Unit) -> Result<bool, RemoteError> {
        let path = match unit {
            Unit::Policy(scope) => scope.path(),
            Unit::Fragment(name) => vec![Kind::Fragment.list(), name],
            _ => return Ok(false),
        };
        let known = self.units.state(unit).tag.clone();
        match (known, ask.tag(&path).await) {
            (Some(known), Ok(Some(tag))) => Ok(known == tag),
            // What it is that went wrong shows when it is read.
            (_, Ok(_) | Err(AskError::Gone | AskError::Denied(_))) => Ok(false),
            (_, Err(AskError::Failed(error))) => Err(error),
        }
    }

    async fn read(&mut self, ask: &mut Ask, unit: &Unit) -> Result<(), RemoteError> {
        let fetched = self.fetch(ask, unit).await;
        let state = self.units.state(unit);
        match fetched {
            Ok(mut new) => {
                new.seen = Some(Instant::now());
                *state = new;
            }
            // Without its document a scope would serve what the document forbids: what was read before stays until
            // the list no longer names it.
            Err(AskError::Gone) if matches!(unit, Unit::Policy(_)) => {
                if state.files.is_empty() {
                    return Err(RemoteError::Refused(format!(
                        "{} is listed and cannot be read",
                        unit.describe()
                    )));
                }
                state.dirty = true;
            }
            // It went between the list and now.
            Err(AskError::Gone) => {
                *state = State {
                    seen: Some(Instant::now()),
                    ..State::default()
                }
            }
            // A configuration without documents, operations or links would allow or refuse other things than meant.
            Err(error @ AskError::Denied(_)) if !unit.is_slow() => return Err(error.fatal(&unit.describe())),
            Err(AskError::Denied(why)) => {
                state.seen = Some(Instant::now());
                state.dirty = false;
                if state.denied.as_ref() != Some(&why) {
                    tracing::error!(
                        event = "SourceDenied",
                        what = unit.describe(),
                        "{why}; what was read before stays, and what needs it refuses"
                    );
                    state.denied = Some(why);
                }
            }
            Err(AskError::Failed(error)) => return Err(error),
        }
        Ok(())
    }

    async fn fetch(&self, ask: &mut Ask, unit: &Unit) -> Result<State, AskError> {
        let mut out = State::default();
        match unit {
            Unit::Revisions(api) => {
                let items = ask.list(&["apis", api, "revisions"]).await?;
                out.names = items.iter().filter_map(arm::revision_of).collect();
            }
            Unit::Revision(name) => {
                let (mut item, _) = ask.item(&["apis", name], "").await?;
                // The answer may leave out what the question said.
                item.name.clone_from(name);
                item.properties.insert("isCurrent".to_owned(), Value::Bool(false));
                out.files.push(arm::information(Kind::Api, &item));
            }
            Unit::ProductApis(product) => {
                let items = ask.list(&["products", product, "apis"]).await?;
                out.names = items.into_iter().map(|item| item.name).collect();
                out.files = out
                    .names
                    .iter()
                    .map(|api| arm::link(product, "apis", api))
                    .collect();
            }
            Unit::ProductGroups(product) => {
                let items = ask.list(&["products", product, "groups"]).await?;
                out.files = items
                    .iter()
                    .map(|group| arm::link(product, "groups", &group.name))
                    .collect();
            }
            Unit::Policy(scope) => {
                let (item, tag) = ask.item(&scope.path(), "&format=rawxml").await?;
                out.files
                    .extend(arm::policy_file(&self.folder_scope(scope), &item));
                out.tag = tag;
            }
            Unit::Fragment(name) => {
                let (mut item, tag) = ask.item(&[Kind::Fragment.list(), name], "&format=rawxml").await?;
                item.name.clone_from(name);
                out.files.extend(arm::fragment_file(&item));
                out.tag = tag;
            }
            Unit::Operations(api) => out.files = self.operations(ask, api).await?,
            Unit::Diagnostics(api) => {
                let folder = self.folder(api);
                for item in ask.list(&["apis", api, "diagnostics"]).await? {
                    let (path, bytes) = arm::information(Kind::Diagnostic, &item);
                    out.files.push((format!("{folder}/{path}"), bytes));
                }
            }
            Unit::Keys(name) => {
                let body = ask.action(&["subscriptions", name, "listSecrets"]).await?;
                let (primary, secondary) = arm::keys(&body)?;
                out.secrets = [primary, secondary].map(|key| key.map(Secret::new)).to_vec();
            }
            Unit::Value(name) => {
                if let Some(item) = self.named(Kind::NamedValue, name) {
                    out.secrets = vec![Some(Secret::new(secret_value(ask, item).await?))];
                }
            }
            Unit::Certificate(name) => {
                if let Some(id) = self.named(Kind::Certificate, name).and_then(vault_of) {
                    let secret = ask.vault(id).await?;
                    let pem = vault::pem(&secret).map_err(AskError::Denied)?;
                    let path = format!("certificates/{name}/{}", arm::CERTIFICATE_FILE);
                    out.files.push((path, Arc::from(pem.into_bytes())));
                }
            }
        }
        Ok(out)
    }

    /// Operations, and the schemas that they refer to.
    async fn operations(&self, ask: &mut Ask, api: &str) -> Result<Vec<arm::File>, AskError> {
        let kind = self.lists.apis.get(api).and_then(|item| text(item, "type"));
        let is = |name: &str| kind.is_some_and(|kind| kind.eq_ignore_ascii_case(name));
        let folder = self.folder(api);
        if is("websocket") {
            return Ok(Vec::new());
        }
        let mut schemas = Vec::new();
        if is("graphql") || is("grpc") {
            for item in ask.list(&["apis", api, "schemas"]).await? {
                schemas.push(ask.item(&["apis", api, "schemas", &item.name], "").await?.0);
            }
            if let Some(file) = arm::schema_text(&folder, &schemas) {
                return Ok(vec![file]);
            }
        }
        let operations = ask.list(&["apis", api, "operations"]).await?;
        if operations.is_empty() && kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("http")) {
            return Ok(Vec::new());
        }
        let mut ids = BTreeSet::new();
        for item in &operations {
            item.properties
                .values()
                .for_each(|value| schema_ids(value, &mut ids));
        }
        for id in &ids {
            match ask.item(&["apis", api, "schemas", id], "").await {
                Ok((item, _)) => schemas.push(item),
                Err(AskError::Gone) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(vec![arm::operations(&folder, &operations, &schemas)])
    }

    fn named(&self, kind: Kind, name: &str) -> Option<&Item> {
        self.items(kind).iter().find(|item| item.name == name)
    }

    /// The folder of an API that a list or a revision has.
    fn folder(&self, api: &str) -> String {
        let listed = self.lists.apis.get(api);
        listed.map_or_else(|| format!("apis/{api}"), arm::api_folder)
    }

    /// The scope by the name of its folder: the current revision has none.
    fn folder_scope(&self, scope: &Scope) -> Scope {
        let name = |api: &str| self.folder(api)["apis/".len()..].to_owned();
        match scope {
            Scope::Api(api) => Scope::Api(name(api)),
            Scope::Operation(api, operation) => Scope::Operation(name(api), operation.clone()),
            other => other.clone(),
        }
    }

    /// Everything that was read, as a folder.
    fn tree(&self) -> FileTree {
        let mut out = FileTree::new();
        let mut put = |(path, bytes): arm::File| {
            out.insert(path, bytes);
        };
        let served = self.in_scope();
        for (kind, items) in &self.lists.kinds {
            for item in items.iter().filter(|item| self.is_kept(*kind, item, &served)) {
                put(self.with_secrets(*kind, item));
            }
        }
        for item in self.lists.apis.values() {
            put(arm::information(Kind::Api, item));
        }
        for gateway in &self.lists.gateways {
            let name = &gateway.item.name;
            put(arm::information(Kind::Gateway, &gateway.item));
            gateway
                .apis
                .iter()
                .for_each(|api| put(arm::gateway_api_link(name, api)));
            gateway
                .hostnames
                .iter()
                .for_each(|host| put(arm::hostname(name, host)));
            gateway
                .authorities
                .iter()
                .for_each(|item| put(arm::authority_link(name, item)));
        }
        for state in self.units.0.values() {
            state.files.iter().cloned().for_each(&mut put);
        }
        out
    }

    /// The information file of an entity, with the keys or the value that were fetched for it.
    fn with_secrets(&self, kind: Kind, item: &Item) -> arm::File {
        let unit = match kind {
            Kind::Subscription => Unit::Keys(item.name.clone()),
            Kind::NamedValue => Unit::Value(item.name.clone()),
            _ => return arm::information(kind, item),
        };
        let secrets = self.units.0.get(&unit).map_or(&[][..], |state| &state.secrets);
        let secret = |at: usize| secrets.get(at)?.as_ref().map(|s| &**s.expose());
        match (kind, secret(0)) {
            (Kind::NamedValue, Some(value)) => arm::with_value(item, value),
            (Kind::Subscription, primary) => arm::subscription_with_keys(item, primary, secret(1)),
            _ => arm::information(kind, item),
        }
    }

    /// Entities that nothing in scope needs stay out: their absence of keys or values would only be noise.
    fn is_kept(&self, kind: Kind, item: &Item, served: &InScope) -> bool {
        match kind {
            Kind::Subscription => served.opens(item),
            Kind::NamedValue => {
                !is_secret(item) || self.units.0.contains_key(&Unit::Value(item.name.clone()))
            }
            _ => true,
        }
    }
}

async fn read_lists(ask: &mut Ask) -> Result<Lists, RemoteError> {
    let mut out = Lists::default();
    let named = ask.place().gateway.clone();
    let gateways = match &named {
        Some(name) => match ask.item(&["gateways", name], "").await {
            Ok((item, _)) => vec![item],
            Err(error) => return Err(error.fatal(&format!("gateway {name}"))),
        },
        None => ask
            .list(&["gateways"])
            .await
            .map_err(|error| error.fatal("gateways"))?,
    };
    for item in gateways {
        let path = |child| ["gateways", item.name.as_str(), child];
        let what = |error: AskError| error.fatal(&format!("gateway {}", item.name));
        let apis = ask.list(&path("apis")).await.map_err(what)?;
        let names = apis.iter().filter(|api| arm::is_current(api));
        let gateway = Gateway {
            apis: names
                .map(|api| arm::api_folder(api)["apis/".len()..].to_owned())
                .collect(),
            hostnames: ask.list(&path("hostnameConfigurations")).await.map_err(what)?,
            authorities: ask.list(&path("certificateAuthorities")).await.map_err(what)?,
            item: item.clone(),
        };
        out.apis
            .extend(apis.into_iter().map(|api| (api.name.clone(), api)));
        out.gateways.push(gateway);
    }
    if out.gateways.is_empty() {
        let apis = ask.list(&["apis"]).await.map_err(|error| error.fatal("apis"))?;
        out.apis = apis.into_iter().map(|api| (api.name.clone(), api)).collect();
    }
    for kind in LISTS {
        let items = match ask.list(&[kind.list()]).await {
            Ok(items) => items,
            // Tiers without a kind answer that there is no such list.
            Err(AskError::Gone) => Vec::new(),
            Err(error) => return Err(error.fatal(kind.list())),
        };
        out.kinds.insert(kind, items);
    }
    let documents = ask
        .list(&["allPolicies"])
        .await
        .map_err(|error| error.fatal("allPolicies"))?;
    out.scopes = arm::scopes_of(&documents).into_iter().collect();
    Ok(out)
}

/// From the vault that the named value names; from the service's own copy when the vault does not let this node in.
async fn secret_value(ask: &mut Ask, item: &Item) -> Result<String, AskError> {
    let from_vault = match vault_of(item) {
        Some(id) => match ask.vault(id).await {
            Ok(secret) => return Ok(secret.value),
            Err(AskError::Failed(error @ RemoteError::Throttled(_))) => return Err(error.into()),
            Err(error) => Some(error),
        },
        None => None,
    };
    match (
        ask.action(&["namedValues", &item.name, "listValue"]).await,
        from_vault,
    ) {
        (Ok(body), _) => Ok(arm::value(&body)?),
        (Err(AskError::Denied(why)), Some(AskError::Denied(vault))) => {
            Err(AskError::Denied(format!("{vault}; and {why}")))
        }
        (Err(error), _) => Err(error),
    }
}

fn text<'i>(item: &'i Item, name: &str) -> Option<&'i str> {
    item.properties.get(name).and_then(Value::as_str)
}

fn display_name(item: &Item) -> &str {
    text(item, "displayName").unwrap_or(&item.name)
}

fn is_secret(item: &Item) -> bool {
    let secret = item.properties.get("secret").and_then(Value::as_bool);
    secret.unwrap_or(false) || !item.properties.contains_key("value")
}

/// Where a certificate or value is kept, when that is a Key Vault.
fn vault_of(item: &Item) -> Option<&str> {
    let vault = item.properties.get("keyVault")?;
    vault.get("secretIdentifier").and_then(Value::as_str)
}

fn schema_ids(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| schema_ids(item, out)),
        Value::Object(members) => {
            if let Some(id) = members
                .get("schemaId")
                .and_then(Value::as_str)
                .filter(|id| !id.is_empty())
            {
                out.insert(id.to_owned());
            }
            members.values().for_each(|member| schema_ids(member, out));
        }
        _ => {}
    }
}
