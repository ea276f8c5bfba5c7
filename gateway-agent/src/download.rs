//! Small documents that the node needs for itself, fetched over a worker's own connections: OpenID metadata and keys,
//! certificate revocation lists.

use std::time::Duration;

use bytes::Bytes;
use gateway_policy::{
    context::{Body, Url},
    effect::OutgoingRequest,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::{node::Active, pipeline, worker::Worker};

/// Time for one document, each redirect anew: a request waits for it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Redirects followed. Providers that moved answer with one; two in a row are seen where a bare name leads to `www`
/// and that to another path.
const REDIRECTS_MAX: usize = 3;

/// What to fetch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// `Accept`
    pub(crate) accept: &'static str,
    /// Largest document in bytes.
    pub(crate) limit: usize,
}

/// A document that was fetched, and whether every hop was under TLS.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) bytes: Bytes,
    pub(crate) secure: bool,
}

/// Fetches `url`, following redirects but never from TLS to plain text.
///
/// # Errors
/// What is wrong, for the log and `LastError`.
pub(crate) async fn fetch(
    worker: &Worker,
    active: &Active,
    url: Url,
    wanted: Wanted,
) -> Result<Document, String> {
    let mut url = url;
    for _ in 0..=REDIRECTS_MAX {
        let secure = &*url.scheme == "https";
        let response = pipeline::call(worker, active, request(&url, wanted), wanted.limit)
            .await
            .map_err(|failure| failure.message())?;
        if response.status == StatusCode::OK {
            let Body::Buffered(bytes) = response.body else {
                return Err("it is empty".to_owned());
            };
            return Ok(Document { bytes, secure });
        }
        let location = response.headers.get(header::LOCATION);
        let next = location
            .filter(|_| matches!(response.status.as_u16(), 301 | 302 | 303 | 307 | 308))
            .and_then(|location| pipeline::resolve(&url, location.to_str().ok()?))
            .ok_or_else(|| format!("it was answered with {}", response.status))?;
        if secure && &*next.scheme != "https" {
            return Err("it was redirected from TLS to plain text".to_owned());
        }
        url = next;
    }
    Err(format!("it was redirected more than {REDIRECTS_MAX} times"))
}

fn request(url: &Url, wanted: Wanted) -> OutgoingRequest {
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(header::ACCEPT, HeaderValue::from_static(wanted.accept));
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("gateway-agent/", env!("CARGO_PKG_VERSION"))),
    );
    let mut request = OutgoingRequest::new(Method::GET, url.clone(), FETCH_TIMEOUT);
    request.headers = headers;
    request
}
