//! The sources of tokens, each with the exchange its documentation prescribes.
//!
//! Sources: "Microsoft identity platform and the OAuth 2.0 client credentials flow", "How to use managed
//! identities on an Azure VM", "Authenticate against Azure resources with Azure Arc-enabled servers", "Use managed
//! identities for App Service".

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use gateway_config::Secret;
use gateway_policy::{
    context::{Body, Response},
    effect::{OutgoingRequest, TokenRequest},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value as Json;

use super::{Certificate, Token};
use crate::{node::Active, pipeline::call, sync::tree, worker::Worker};

/// Time for one exchange.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer: a token of a user in many groups has 10 KiB.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Largest federated token.
const FEDERATED_BYTES_MAX: u64 = 64 * 1024;
/// Largest challenge of Azure Arc, as its documentation limits it.
const CHALLENGE_BYTES_MAX: u64 = 4_096;
/// Where the Arc agent writes challenges; a path elsewhere is an attempt to read other files.
const CHALLENGE_FOLDER: &str = "/var/opt/azcmagent/tokens";
/// Life of a token that does not tell it: short, because it is a guess.
const UNKNOWN_LIFE: Duration = Duration::from_secs(300);
/// Times the metadata service is asked: it is documented to be away for moments.
const ATTEMPTS: u32 = 3;
/// Pause before the second attempt; doubled for the third.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// What the reason of a failed fetch says when the endpoint answered and refused, and does not say when nothing was
/// reached: whoever waits for a source tells the two apart.
pub(crate) const ENDPOINT_REFUSED: &str = "the token endpoint answered with";

/// How an application proves who it is.
#[derive(Clone, Debug)]
pub enum Proof {
    /// `client_secret`
    Secret(Secret),
    /// An assertion signed with the key of a certificate.
    Certificate(Arc<Certificate>),
    /// The token of the pod's service account, read anew each time: it is rotated.
    Federated(PathBuf),
}

/// Where tokens come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The token endpoint of Entra.
    Entra {
        /// Authority host.
        authority: Arc<str>,
        /// Tenant.
        tenant: Arc<str>,
        /// Application.
        client: Arc<str>,
        /// How it signs in.
        proof: Proof,
    },
    /// Azure Arc: a challenge in a file that only its group may read.
    Arc {
        /// `IDENTITY_ENDPOINT`
        endpoint: Arc<str>,
        /// Where challenges are believed to be.
        folder: PathBuf,
    },
    /// App Service and Container Apps.
    AppService {
        /// `IDENTITY_ENDPOINT`
        endpoint: Arc<str>,
        /// `IDENTITY_HEADER`
        header: Secret,
    },
    /// The metadata service of a virtual machine.
    Imds {
        /// Its address.
        host: Arc<str>,
    },
}

impl Default for Source {
    fn default() -> Self {
        Self::Imds {
            host: "http://169.254.169.254".into(),
        }
    }
}

impl Source {
    /// Azure Arc at this endpoint.
    pub fn arc(endpoint: Arc<str>) -> Self {
        Self::Arc {
            endpoint,
            folder: CHALLENGE_FOLDER.into(),
        }
    }

    /// As metrics call it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Entra {
                proof: Proof::Federated(_),
                ..
            } => "workloadIdentity",
            Self::Entra { .. } => "application",
            Self::Arc { .. } => "arc",
            Self::AppService { .. } => "appService",
            Self::Imds { .. } => "managedIdentity",
        }
    }
}

/// What a source asks of the network.
pub(crate) trait Http {
    /// Sends a request; the answer whatever its status.
    async fn send(&self, request: OutgoingRequest) -> Result<Response, String>;
}

/// The worker's own connections.
#[derive(Debug)]
pub(crate) struct OverPool<'a>(pub(crate) &'a Worker, pub(crate) &'a Active);

impl Http for OverPool<'_> {
    async fn send(&self, request: OutgoingRequest) -> Result<Response, String> {
        call(self.0, self.1, request, ANSWER_BYTES_MAX)
            .await
            .map_err(|failure| failure.message())
    }
}

/// Fetches one token.
///
/// # Errors
/// What went wrong, for the log and `LastError`; never a secret.
pub(crate) async fn fetch(source: &Source, wanted: &TokenRequest, http: &impl Http) -> Result<Token, String> {
    let client = wanted.client_id.as_deref();
    match source {
        Source::Entra {
            authority,
            tenant,
            client: own,
            proof,
        } => {
            let federated = matches!(proof, Proof::Federated(_));
            let client = match client {
                Some(other) if !federated && !other.eq_ignore_ascii_case(own) => {
                    return Err(format!(
                        "this node signs in as application {own} and cannot be {other}"
                    ));
                }
                other => other.unwrap_or(own),
            };
            let endpoint = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
            let form = entra_form(&endpoint, client, &wanted.resource, proof).await?;
            token(http.send(post(&endpoint, form)?).await?)
        }
        Source::Arc { endpoint, folder } => {
            if client.is_some() {
                return Err("Azure Arc has no user-assigned identities; remove `client-id`".to_owned());
            }
            arc(endpoint, folder, &wanted.resource, http).await
        }
        Source::AppService { endpoint, header } => {
            let url = query(endpoint, "2019-08-01", &wanted.resource, client);
            let secret = header.expose();
            token(http.send(get(&url, "x-identity-header", secret)?).await?)
        }
        Source::Imds { host } => {
            let endpoint = format!("{}/metadata/identity/oauth2/token", host.trim_end_matches('/'));
            let url = query(&endpoint, "2018-02-01", &wanted.resource, client);
            imds(&url, http).await
        }
    }
}

async fn imds(url: &str, http: &impl Http) -> Result<Token, String> {
    let mut pause = RETRY_PAUSE;
    for attempt in 1.. {
        let response = http.send(get(url, "metadata", "true")?).await?;
        // 404 and 410 while it is updated, 429 and 5xx: try again.
        let passing = matches!(response.status.as_u16(), 404 | 410 | 429 | 500..);
        if !passing || attempt >= ATTEMPTS {
            return token(response);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Err("the metadata service was not asked".to_owned())
}

async fn arc(endpoint: &str, folder: &Path, resource: &str, http: &impl Http) -> Result<Token, String> {
    let url = query(endpoint, "2019-11-01", resource, None);
    let challenge = http.send(get(&url, "metadata", "true")?).await?;
    let realm = challenge
        .headers
        .get(header::WWW_AUTHENTICATE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Basic realm="))
        .map(|path| path.trim_matches('"'));
    let (StatusCode::UNAUTHORIZED, Some(path)) = (challenge.status, realm) else {
        return Err(format!(
            "Azure Arc answered with {} and no challenge",
            challenge.status
        ));
    };
    let path = Path::new(path);
    // Whoever answers must not choose which file is sent to them.
    let plain = path.parent() == Some(folder) && path.extension().is_some_and(|e| e == "key");
    if !plain {
        return Err(format!(
            "the challenge of Azure Arc is not a key file in {}",
            folder.display()
        ));
    }
    let key = read(path, CHALLENGE_BYTES_MAX).await?;
    let mut request = get(&url, "metadata", "true")?;
    let value = HeaderValue::from_str(&format!("Basic {}", key.trim()))
        .map_err(|_| "the challenge of Azure Arc is not text".to_owned())?;
    request.headers.insert(header::AUTHORIZATION, value);
    token(http.send(request).await?)
}

async fn entra_form(endpoint: &str, client: &str, resource: &str, proof: &Proof) -> Result<String, String> {
    let scope = match resource.ends_with("/.default") {
        true => resource.to_owned(),
        false => format!("{resource}/.default"),
    };
    let mut form = String::new();
    let mut add = |name: &str, value: &str| {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(name);
        form.push('=');
        escape(value, &mut form);
    };
    add("grant_type", "client_credentials");
    add("client_id", client);
    add("scope", &scope);
    let assertion = match proof {
        Proof::Secret(secret) => {
            add("client_secret", secret.expose());
            return Ok(form);
        }
        Proof::Certificate(certificate) => certificate.assertion(endpoint, client)?,
        Proof::Federated(path) => read(path, FEDERATED_BYTES_MAX).await?.trim().to_owned(),
    };
    add(
        "client_assertion_type",
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    );
    add("client_assertion", &assertion);
    Ok(form)
}

/// Reads a small file without holding up the worker.
async fn read(path: &Path, limit: u64) -> Result<String, String> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let bytes = tree::read_file(&path, limit).map_err(|error| error.to_string())?;
        String::from_utf8(bytes.to_vec()).map_err(|_| format!("{} is not text", path.display()))
    });
    read.await.map_err(|_| "the file could not be read".to_owned())?
}

fn query(endpoint: &str, version: &str, resource: &str, client: Option<&str>) -> String {
    let mut url = format!("{endpoint}?api-version={version}&resource=");
    escape(resource, &mut url);
    if let Some(client) = client {
        url.push_str("&client_id=");
        escape(client, &mut url);
    }
    url
}

/// Everything but unreserved characters (RFC 3986 §2.3), which forms take as well.
fn escape(text: &str, out: &mut String) {
    crate::pipeline::escape(text, out);
}

fn request(method: Method, url: &str, headers: HeaderMap, body: String) -> Result<OutgoingRequest, String> {
    let parsed = gateway_policy::url::parse(url).map_err(|expected| {
        // Without the query, which names who asks for what.
        let shown = url.split('?').next().unwrap_or_default();
        format!("the endpoint `{shown}` must be {expected}")
    })?;
    Ok(OutgoingRequest {
        method,
        url: parsed,
        headers,
        body: Bytes::from(body),
        timeout: TIMEOUT,
        one_way: false,
        certificate: None,
        proxy: None,
        backend: None,
    })
}

fn get(url: &str, name: &'static str, value: &str) -> Result<OutgoingRequest, String> {
    let mut headers = HeaderMap::new();
    let value =
        HeaderValue::from_str(value).map_err(|_| format!("the value of `{name}` is no header value"))?;
    headers.insert(HeaderName::from_static(name), value);
    request(Method::GET, url, headers, String::new())
}

fn post(url: &str, form: String) -> Result<OutgoingRequest, String> {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request(Method::POST, url, headers, form)
}

/// The token of an answer, or what the answer says instead.
fn token(response: Response) -> Result<Token, String> {
    let body = match response.body {
        Body::Buffered(bytes) => bytes,
        _ => Bytes::new(),
    };
    let json: Json = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    if response.status != StatusCode::OK {
        let said = text("error_description")
            .or(text("error"))
            .unwrap_or("no reason given");
        // Entra's descriptions have several lines; the first one has the code.
        let said = said.lines().next().unwrap_or_default();
        return Err(format!("{ENDPOINT_REFUSED} {}: {said}", response.status));
    }
    let token = text("access_token").ok_or("the token endpoint answered without `access_token`")?;
    Ok(Token {
        text: token.into(),
        life: life(&json),
    })
}

/// `expires_in` seconds, or until `expires_on`; numbers come as text from some endpoints.
fn life(json: &Json) -> Duration {
    let number = |name: &str| {
        let value = json.get(name)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match (number("expires_in"), number("expires_on")) {
        (Some(seconds), _) => Duration::from_secs(seconds),
        (None, Some(end)) => Duration::from_secs(end).saturating_sub(now),
        (None, None) => UNKNOWN_LIFE,
    }
}
