//! Envelopes: lists with `nextLink`, single entities, answers of actions, errors.

use serde_json::{Map, Value};

/// Longest entity name: APIM allows 256 characters, and a revision adds a few.
const NAME_MAX: usize = 300;

/// An entity: its name, and its `properties`.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Entity name, the last part of its id.
    pub name: String,
    /// `properties`
    pub properties: Map<String, Value>,
}

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// `value`
    pub items: Vec<Item>,
    /// `nextLink`, absolute; absent on the last page.
    pub next: Option<String>,
}

/// What a Key Vault says about a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct VaultSecret {
    /// The value; for certificates, PEM or a PFX in base64.
    pub value: String,
    /// `contentType`
    pub content_type: String,
    /// `id`, with the version.
    pub id: String,
}

impl std::fmt::Debug for VaultSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the value.
        f.debug_struct("VaultSecret")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The error of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// `error.code`; empty when the body is no error of the management API.
    pub code: String,
    /// `error.message`, the details after it.
    pub message: String,
}

/// Why an answer is no payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not JSON.
    #[error("the answer is not JSON: {0}")]
    Json(String),
    /// A member is missing or of another type.
    #[error("the answer has no {0}")]
    Missing(&'static str),
    /// An entity's name cannot be one: it would leave its place in the tree.
    #[error("`{0}` is no name of an entity")]
    Name(String),
}

impl From<serde_json::Error> for PayloadError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

fn parse(bytes: &[u8]) -> Result<Value, PayloadError> {
    Ok(serde_json::from_slice(bytes)?)
}

/// A list: `{"value": […], "nextLink": "…"}`.
///
/// # Errors
/// It is none; nothing of it is used, because half a list would look like entities that are gone.
pub fn page(bytes: &[u8]) -> Result<Page, PayloadError> {
    let body = parse(bytes)?;
    let items = body
        .get("value")
        .and_then(Value::as_array)
        .ok_or(PayloadError::Missing("list `value`"))?;
    let items = items.iter().map(entity).collect::<Result<_, _>>()?;
    let next = body
        .get("nextLink")
        .and_then(Value::as_str)
        .filter(|link| !link.is_empty());
    Ok(Page {
        items,
        next: next.map(str::to_owned),
    })
}

/// A single entity.
///
/// # Errors
/// It is none.
pub fn item(bytes: &[u8]) -> Result<Item, PayloadError> {
    entity(&parse(bytes)?)
}

fn entity(value: &Value) -> Result<Item, PayloadError> {
    let name = match value.get("name").and_then(Value::as_str) {
        Some(name) => name,
        None => value
            .get("id")
            // Items of `revisions` are flat and name only their API.
            .or_else(|| value.get("apiId"))
            .and_then(Value::as_str)
            .and_then(|id| id.rsplit('/').next())
            .ok_or(PayloadError::Missing("`name` of an entity"))?,
    };
    if !is_name(name) {
        return Err(PayloadError::Name(name.chars().take(80).collect()));
    }
    let properties = match value.get("properties") {
        Some(Value::Object(properties)) => properties.clone(),
        None if value.get("apiId").is_some() => value.as_object().cloned().unwrap_or_default(),
        None | Some(Value::Null) => Map::new(),
        Some(_) => return Err(PayloadError::Missing("object `properties` of an entity")),
    };
    Ok(Item {
        name: name.to_owned(),
        properties,
    })
}

/// A name becomes a folder of the tree: nothing in it may lead elsewhere.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && !matches!(name, "." | "..")
        && !name.contains(['/', '\\'])
        && !name.chars().any(char::is_control)
}

/// The answer of `listValue`.
///
/// # Errors
/// It holds no value.
pub fn value(bytes: &[u8]) -> Result<String, PayloadError> {
    let body = parse(bytes)?;
    let text = body.get("value").and_then(Value::as_str);
    text.map(str::to_owned).ok_or(PayloadError::Missing("`value`"))
}

/// The answer of a subscription's `listSecrets`: primary and secondary key.
///
/// # Errors
/// It is no object.
pub fn keys(bytes: &[u8]) -> Result<(Option<String>, Option<String>), PayloadError> {
    let body = parse(bytes)?;
    if !body.is_object() {
        return Err(PayloadError::Missing("`primaryKey`"));
    }
    let key = |name: &str| {
        let found = body.get(name).and_then(Value::as_str);
        found.filter(|key| !key.is_empty()).map(str::to_owned)
    };
    Ok((key("primaryKey"), key("secondaryKey")))
}

/// The answer of a Key Vault to `GET secrets/{name}` (api-version 7.4).
///
/// # Errors
/// It holds no value.
pub fn vault_secret(bytes: &[u8]) -> Result<VaultSecret, PayloadError> {
    let body = parse(bytes)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(VaultSecret {
        value: text("value").ok_or(PayloadError::Missing("`value`"))?,
        content_type: text("contentType").unwrap_or_default(),
        id: text("id").unwrap_or_default(),
    })
}

/// What an answer that is no success says; empty for a body of another form (a proxy's page, for example).
pub fn fault(bytes: &[u8]) -> Fault {
    let Ok(body) = parse(bytes) else {
        return Fault::default();
    };
    let error = body.get("error").unwrap_or(&body);
    let text = |value: &Value, name: &str| {
        let found = value.get(name).and_then(Value::as_str);
        found.unwrap_or_default().trim().to_owned()
    };
    let mut message = text(error, "message");
    for detail in error
        .get("details")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let more = text(detail, "message");
        if !more.is_empty() {
            message += "; ";
            message += &more;
        }
    }
    Fault {
        code: text(error, "code"),
        message: message.chars().take(500).collect(),
    }
}
