//! Getting the two documents over the worker's own connections.

use std::time::Duration;

use bytes::Bytes;
use gateway_policy::{
    context::{Body, Url},
    effect::OutgoingRequest,
    jose::OpenIdConfiguration,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::{node::Active, pipeline::call, worker::Worker};

/// Time for one of the documents: the request waits for it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest document. A key set of a hundred keys with their certificates has about 300 KiB.
const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;

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
    let secure = &*address.scheme == "https";
    let discovery = text(worker, active, address).await?;
    let keys = OpenIdConfiguration::jwks_uri(&discovery)
        .ok_or_else(|| "the discovery document names no `jwks_uri`".to_owned())?;
    let address =
        gateway_policy::url::parse(&keys).map_err(|expected| format!("`jwks_uri` must be {expected}"))?;
    if secure && &*address.scheme != "https" {
        // Keys that anybody on the way can replace are worth nothing.
        return Err("the discovery document came over TLS and names keys that would not".to_owned());
    }
    let keys = text(worker, active, address)
        .await
        .map_err(|reason| format!("its keys: {reason}"))?;
    let found = OpenIdConfiguration::from_documents(&discovery, &keys)?;
    if found.keys.is_empty() {
        return Err("its key set has no usable key".to_owned());
    }
    Ok(found)
}

async fn text(worker: &Worker, active: &Active, url: Url) -> Result<String, String> {
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("gateway-agent/", env!("CARGO_PKG_VERSION"))),
    );
    let request = OutgoingRequest {
        method: Method::GET,
        url,
        headers,
        body: Bytes::new(),
        timeout: FETCH_TIMEOUT,
        one_way: false,
        certificate: None,
        proxy: None,
        backend: None,
    };
    let response = call(worker, active, request, DOCUMENT_BYTES_MAX)
        .await
        .map_err(|failure| failure.message())?;
    if response.status != StatusCode::OK {
        return Err(format!("it was answered with {}", response.status));
    }
    match response.body {
        Body::Buffered(bytes) => {
            String::from_utf8(bytes.into()).map_err(|_| "it is not UTF-8 text".to_owned())
        }
        _ => Err("it is empty".to_owned()),
    }
}
