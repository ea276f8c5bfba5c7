//! Getting the two documents over the worker's own connections.

use gateway_policy::{context::Url, jose::OpenIdConfiguration};

use crate::{
    download::{self, Document, Wanted},
    node::Active,
    worker::Worker,
};

/// A key set of a hundred keys with their certificates has about 300 KiB.
const WANTED: Wanted = Wanted {
    accept: "application/json",
    limit: 1024 * 1024,
};

/// Fetches a discovery document and the keys it names.
///
/// # Errors
/// What is wrong, for the log and `LastError`.
pub(crate) async fn fetch(
    worker: &Worker,
    active: &Active,
    url: &str,
) -> Result<OpenIdConfiguration, String> {
    let address =
        gateway_policy::url::parse(url).map_err(|expected| format!("its URL must be {expected}"))?;
    let (discovery, secure) = text(worker, active, address).await?;
    let keys = OpenIdConfiguration::jwks_uri(&discovery)
        .ok_or_else(|| "the discovery document names no `jwks_uri`".to_owned())?;
    let address =
        gateway_policy::url::parse(&keys).map_err(|expected| format!("`jwks_uri` must be {expected}"))?;
    if secure && &*address.scheme != "https" {
        // Keys that anybody on the way can replace are worth nothing.
        return Err("the discovery document came over TLS and names keys that would not".to_owned());
    }
    let (keys, _) = text(worker, active, address)
        .await
        .map_err(|reason| format!("its keys: {reason}"))?;
    let found = OpenIdConfiguration::from_documents(&discovery, &keys)?;
    if found.keys.is_empty() {
        return Err("its key set has no usable key".to_owned());
    }
    Ok(found)
}

async fn text(worker: &Worker, active: &Active, url: Url) -> Result<(String, bool), String> {
    let Document { bytes, secure } = download::fetch(worker, active, url, WANTED).await?;
    let text = String::from_utf8(bytes.into()).map_err(|_| "it is not UTF-8 text".to_owned())?;
    Ok((text, secure))
}
