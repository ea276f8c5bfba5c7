//! Entities as files: where each stands, and what of its properties is kept.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value, json};

use super::{Item, Scope};
use crate::artifacts::split_revision;

/// A file of the tree.
pub type File = (String, Arc<[u8]>);

/// Name of a certificate's file inside its entity's folder: chain and key, PEM. Our own: folders never hold keys.
pub const CERTIFICATE_FILE: &str = "certificate.pem";

/// Members that say when or whether something happened and not what is configured. With them in the tree an unchanged
/// service would look changed at each reading.
const NOISE: [&str; 4] = [
    "provisioningState",
    "lastStatus",
    "createdDateTime",
    "updatedDateTime",
];

/// Entities that are one information file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of the management API")]
pub enum Kind {
    Api,
    Backend,
    Cache,
    Certificate,
    Diagnostic,
    Fragment,
    Gateway,
    Group,
    Logger,
    NamedValue,
    Product,
    Schema,
    Subscription,
    VersionSet,
}

impl Kind {
    /// The list of the management API.
    pub fn list(self) -> &'static str {
        match self {
            Self::Api => "apis",
            Self::Backend => "backends",
            Self::Cache => "caches",
            Self::Certificate => "certificates",
            Self::Diagnostic => "diagnostics",
            Self::Fragment => "policyFragments",
            Self::Gateway => "gateways",
            Self::Group => "groups",
            Self::Logger => "loggers",
            Self::NamedValue => "namedValues",
            Self::Product => "products",
            Self::Schema => "schemas",
            Self::Subscription => "subscriptions",
            Self::VersionSet => "apiVersionSets",
        }
    }

    /// Folder and information file of the artifact layout.
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Api => ("apis", "apiInformation.json"),
            Self::Backend => ("backends", "backendInformation.json"),
            Self::Cache => ("caches", "cacheInformation.json"),
            Self::Certificate => ("certificates", "certificateInformation.json"),
            Self::Diagnostic => ("diagnostics", "diagnosticInformation.json"),
            Self::Fragment => ("policy fragments", "policyFragmentInformation.json"),
            Self::Gateway => ("gateways", "gatewayInformation.json"),
            Self::Group => ("groups", "groupInformation.json"),
            Self::Logger => ("loggers", "loggerInformation.json"),
            Self::NamedValue => ("named values", "namedValueInformation.json"),
            Self::Product => ("products", "productInformation.json"),
            Self::Schema => ("schemas", "schemaInformation.json"),
            Self::Subscription => ("subscriptions", "subscriptionInformation.json"),
            Self::VersionSet => ("version sets", "versionSetInformation.json"),
        }
    }
}

/// The information file of an entity.
pub fn information(kind: Kind, item: &Item) -> File {
    let (folder, file) = kind.place();
    let name = match kind {
        Kind::Api => folder_name(item),
        _ => item.name.clone(),
    };
    let mut properties = item.properties.clone();
    if kind == Kind::Fragment {
        // The text stands in a file of its own.
        properties.remove("value");
        properties.remove("format");
    }
    (format!("{folder}/{name}/{file}"), document(properties))
}

/// Is this revision of an API the current one? Without a word about it the name decides.
pub fn is_current(item: &Item) -> bool {
    let said = item.properties.get("isCurrent").and_then(Value::as_bool);
    said.unwrap_or(split_revision(&item.name).1.is_none())
}

/// `apis/{name}`, or `apis/{name};rev={n}` for a revision that is not current.
pub fn api_folder(item: &Item) -> String {
    format!("apis/{}", folder_name(item))
}

fn folder_name(item: &Item) -> String {
    let (name, revision) = split_revision(&item.name);
    if is_current(item) {
        return name.to_owned();
    }
    let stated = item.properties.get("apiRevision").and_then(Value::as_str);
    format!("{name};rev={}", revision.or(stated).unwrap_or("1"))
}

/// The name of a revision in an item of `revisions`: `echo;rev=2` of `apiId`.
pub fn revision_of(item: &Item) -> Option<String> {
    let id = item.properties.get("apiId").and_then(Value::as_str)?;
    let name = id.rsplit('/').next()?;
    let online = item.properties.get("isOnline").and_then(Value::as_bool);
    let current = item.properties.get("isCurrent").and_then(Value::as_bool);
    (online != Some(false) && current != Some(true)).then(|| {
        let (name, revision) = split_revision(name);
        let stated = item.properties.get("apiRevision").and_then(Value::as_str);
        format!("{name};rev={}", revision.or(stated).unwrap_or("1"))
    })
}

/// A link of a product: `apis` or `groups`.
pub fn link(product: &str, kind: &str, target: &str) -> File {
    let file = match kind {
        "groups" => "productGroupInformation.json",
        _ => "productApiInformation.json",
    };
    (
        format!("products/{product}/{kind}/{target}/{file}"),
        Arc::from(&b"{}"[..]),
    )
}

/// The link of a gateway to an API.
pub fn gateway_api_link(gateway: &str, api: &str) -> File {
    let path = format!("gateways/{gateway}/apis/{api}/gatewayApiInformation.json");
    (path, Arc::from(&b"{}"[..]))
}

/// A host name of a gateway.
pub fn hostname(gateway: &str, item: &Item) -> File {
    let path = format!(
        "gateways/{gateway}/hostnameConfigurations/{}/hostnameConfigurationInformation.json",
        item.name
    );
    (path, document(item.properties.clone()))
}

/// A certificate authority of a gateway; the item's name is the certificate's.
pub fn authority_link(gateway: &str, item: &Item) -> File {
    let path = format!(
        "gateways/{gateway}/certificateAuthorities/{}/certificateAuthorityInformation.json",
        item.name
    );
    (path, document(item.properties.clone()))
}

/// A policy document, from an entity read with `format=rawxml`; `None` when it holds no text.
pub fn policy_file(scope: &Scope, item: &Item) -> Option<File> {
    let path = match scope {
        Scope::Global => "policy.xml".to_owned(),
        Scope::Product(product) => format!("products/{product}/policy.xml"),
        Scope::Api(api) => format!("apis/{api}/policy.xml"),
        Scope::Operation(api, operation) => format!("apis/{api}/operations/{operation}/policy.xml"),
    };
    Some((path, text_of(item)?))
}

/// The text of a fragment, from an entity read with `format=rawxml`.
pub fn fragment_file(item: &Item) -> Option<File> {
    let path = format!("policy fragments/{}/policy.xml", item.name);
    Some((path, text_of(item)?))
}

fn text_of(item: &Item) -> Option<Arc<[u8]>> {
    let text = item.properties.get("value").and_then(Value::as_str)?;
    Some(Arc::from(text.as_bytes()))
}

/// The operations of an API and the schemas that they refer to, as one file of our own.
pub fn operations(folder: &str, operations: &[Item], schemas: &[Item]) -> File {
    let list = |items: &[Item]| {
        let mut items: Vec<&Item> = items.iter().collect();
        items.sort_by(|a, b| a.name.cmp(&b.name));
        let entities = items
            .into_iter()
            .map(|item| json!({ "name": item.name, "properties": canonical(item.properties.clone()) }));
        Value::Array(entities.collect())
    };
    let document = json!({ "operations": list(operations), "schemas": list(schemas) });
    (format!("{folder}/operations.json"), bytes(&document))
}

/// The text of a GraphQL schema or of `.proto` definitions among an API's schemas, as a specification file.
pub fn schema_text(folder: &str, schemas: &[Item]) -> Option<File> {
    schemas.iter().find_map(|schema| {
        let kind = schema.properties.get("contentType").and_then(Value::as_str)?;
        let extension = match kind {
            "application/vnd.ms-azure-apim.graphql.schema" => "graphql",
            "application/vnd.ms-azure-apim.grpc.schema" => "proto",
            _ => return None,
        };
        let document = schema.properties.get("document")?;
        let text = document.get("value").and_then(Value::as_str)?;
        Some((
            format!("{folder}/specification.{extension}"),
            Arc::from(text.as_bytes()),
        ))
    })
}

/// A subscription with its keys.
pub fn subscription_with_keys(item: &Item, primary: Option<&str>, secondary: Option<&str>) -> File {
    let mut item = item.clone();
    for (name, key) in [("primaryKey", primary), ("secondaryKey", secondary)] {
        if let Some(key) = key {
            item.properties.insert(name.to_owned(), Value::from(key));
        }
    }
    information(Kind::Subscription, &item)
}

/// A named value with its secret value.
pub fn with_value(item: &Item, value: &str) -> File {
    let mut item = item.clone();
    item.properties.insert("value".to_owned(), Value::from(value));
    information(Kind::NamedValue, &item)
}

/// Names between `{{` and `}}` in a text: the named values it refers to, and perhaps more.
pub fn named_values_in(text: &[u8], out: &mut BTreeSet<String>) {
    let text = String::from_utf8_lossy(text);
    for reference in text.split("{{").skip(1) {
        if let Some((name, _)) = reference.split_once("}}") {
            out.insert(name.trim().to_owned());
        }
    }
}

fn document(properties: Map<String, Value>) -> Arc<[u8]> {
    bytes(&json!({ "properties": canonical(properties) }))
}

fn bytes(value: &Value) -> Arc<[u8]> {
    // A value of JSON always has a text.
    Arc::from(serde_json::to_vec(value).unwrap_or_default())
}

/// Members in order of their names, without nulls and without what changes by itself: the same entity is the same
/// bytes whatever order the service answers in.
fn canonical(properties: Map<String, Value>) -> Value {
    ordered(Value::Object(properties), true)
}

fn ordered(value: Value, noise: bool) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(|item| ordered(item, false)).collect()),
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> = members
                .into_iter()
                .filter(|(name, value)| !(value.is_null() || noise && NOISE.contains(&name.as_str())))
                .collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            let members = members.into_iter().map(|(name, value)| {
                // `keyVault.lastStatus` stands one level down.
                let inner = noise && name == "keyVault";
                (name, ordered(value, inner))
            });
            Value::Object(members.collect())
        }
        other => other,
    }
}
