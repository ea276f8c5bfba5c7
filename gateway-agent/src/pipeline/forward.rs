//! `forward-request` and `send-request`: from the request of the context to an exchange with a backend.

use std::{pin::pin, sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use gateway_config::snapshot::BackendEntry;
use gateway_policy::{
    Context, Failure, World,
    context::{Body as ContextBody, Response, Url},
    effect::{BackendHttpVersion, ClientCertificate, Forward, Outcome, OutgoingRequest, Proxy},
};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header, uri};
use http_body::Body;
use tokio::time::{Instant, timeout};

use super::{
    Protocol as ClientProtocol, affinity,
    effects::{Exchange, buffered, read_whole},
    ledger::Ledger,
};
use crate::{
    breaker::{self, Breaker, Outcome as Ending},
    http::headers::{append_forwarded_for, copy_request, strip_response},
    node::Active,
    tls::ClientIdentity,
    tunnel::Upgraded,
    upstream::{OutBody, Protocol, Proxies, Sent, Target, UpstreamError, Via},
    worker::Worker,
};

/// Redirects followed by one `forward-request follow-redirects="true"`. .NET's default is 50; ten hops are
/// a loop for all practical purposes.
const REDIRECTS_MAX: usize = 10;
/// Limits from here on may be met by the sweep's clock.
const COARSE_FROM: Duration = Duration::from_secs(5);
/// Room for the fields the gateway adds: Host, Content-Length, X-Forwarded-For, TE, credentials, correlation.
const ADDED_FIELDS: usize = 9;

/// Where a request goes and how its connection is secured.
struct Destination<'a> {
    url: &'a Url,
    entry: Option<&'a BackendEntry>,
    /// What is shown when it asks for a client certificate.
    identity: Option<&'a Arc<ClientIdentity>>,
}

/// Sends the request of the context to its backend and returns the response, its body still on the wire.
///
/// # Errors
/// The failure of the table: no connection, timeout, a broken request body.
pub(super) async fn forward(
    exchange: &mut Exchange,
    how: &Forward,
    context: &mut Context,
    ledger: &mut Ledger,
) -> Result<Response, Failure> {
    exchange.upstream = None;
    if how.buffer_request_body && matches!(context.request.body, ContextBody::Streaming) {
        match exchange.read_request().await {
            Outcome::Body(bytes) => context.request.body = buffered(bytes),
            Outcome::Failed(failure) => return Err(failure),
            _ => {}
        }
    }
    let active = Arc::clone(&exchange.active);
    let chosen = backend_entry(exchange, &active, context)?;
    let (entry, breaker) = (chosen.entry, chosen.breaker);
    let identity = identity(&exchange.worker, how.certificate.as_ref(), entry.as_deref())?;
    let begun = Instant::now();
    let span = exchange.worker.machine.random();
    ledger.backend_begins(begun, context, span);
    let mut redirected: Option<Url> = None;
    for _ in 0..=REDIRECTS_MAX {
        let destination = Destination {
            url: redirected.as_ref().unwrap_or(&context.request.url),
            entry: entry.as_deref(),
            // Nobody else is shown it because a backend says so.
            identity: identity.as_ref().filter(|_| redirected.is_none()),
        };
        let body = request_body(exchange, &context.request.body);
        let limit = match redirected {
            None => how.timeout,
            Some(_) => how.timeout.saturating_sub(begun.elapsed()),
        };
        let result = bounded(
            exchange,
            limit,
            one(exchange, how, context, &destination, body, span),
        )
        .await;
        let sent = match result {
            None => {
                ledger.backend_failed(begun.elapsed(), &Failure::BackendTimeout);
                return Err(noted(exchange, breaker.as_deref(), Failure::BackendTimeout));
            }
            Some(Err(error)) => {
                let failure = error.failure(&ledger.traffic);
                ledger.backend_failed(begun.elapsed(), &failure);
                return Err(noted(exchange, breaker.as_deref(), failure));
            }
            Some(Ok(sent)) => sent,
        };
        if let Some(breaker) = &breaker {
            let ending = Ending::Answered(sent.status, &sent.headers);
            breaker.note(&ending, Instant::now(), &exchange.worker.node.metrics.upstream);
        }
        ledger.backend_answered(&sent);
        let target = how
            .follow_redirects
            .then(|| redirect(&sent, destination.url, &context.request.method))
            .flatten();
        match target {
            Some(next) => redirected = Some(next),
            None => {
                let mut response = received(exchange, sent);
                if !matches!(response.body, ContextBody::Streaming) {
                    ledger.backend_over();
                }
                if let Some(cookie) = chosen.cookie {
                    response.headers.append(header::SET_COOKIE, cookie);
                }
                return Ok(response);
            }
        }
    }
    Err(Failure::BackendConnection(format!(
        "more than {REDIRECTS_MAX} redirects"
    )))
}

/// The client certificate of a policy, else of the backend entity: the first that is there.
///
/// # Errors
/// One is asked for and none is there: the backend must not see a request without.
fn identity(
    worker: &Worker,
    certificate: Option<&ClientCertificate>,
    entry: Option<&BackendEntry>,
) -> Result<Option<Arc<ClientIdentity>>, Failure> {
    let (ids, thumbprints) = match entry {
        Some(entry) => (&entry.certificate_ids[..], &entry.certificate_thumbprints[..]),
        None => (&[][..], &[][..]),
    };
    if certificate.is_none() && ids.is_empty() && thumbprints.is_empty() {
        return Ok(None);
    }
    let known = worker.node.client_identities.load();
    let missing =
        |what: String| Failure::BackendConnection(format!("No client certificate can be shown: {what}"));
    if let Some(certificate) = certificate {
        let found = worker.own_identities.find(certificate, &known);
        return found.map(Some).map_err(missing);
    }
    let found = ids
        .iter()
        .find_map(|id| known.id(id))
        .or_else(|| thumbprints.iter().find_map(|t| known.thumbprint(t)));
    found.map(|identity| Some(Arc::clone(identity))).ok_or_else(|| {
        missing("none of the backend entity's is among the certificates with a private key".to_owned())
    })
}

/// Waits at most `limit`. Long limits of HTTP/1.1 requests are kept by the sweep, half a second late at most,
/// for a timer of its own per request costs more than looking at a cell.
async fn bounded<T>(exchange: &Exchange, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    if exchange.protocol != ClientProtocol::Http1 || limit < COARSE_FROM {
        return timeout(limit, future).await.ok();
    }
    let conn = &exchange.conn;
    conn.set_deadline_in(limit);
    let mut future = pin!(future);
    let result = std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if conn.deadline_passed() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await;
    conn.clear_deadline();
    result
}

/// What policies chose as backend, ready to be asked.
#[derive(Default)]
struct Chosen {
    /// The entity, a member when it is a pool.
    entry: Option<Arc<BackendEntry>>,
    /// Its circuit breaker.
    breaker: Option<Arc<Breaker>>,
    /// Makes the client come back to this member.
    cookie: Option<HeaderValue>,
}

/// Takes note of a failure at the backend's circuit breaker.
fn noted(exchange: &Exchange, breaker: Option<&Breaker>, failure: Failure) -> Failure {
    if let Some(breaker) = breaker {
        let metrics = &exchange.worker.node.metrics.upstream;
        breaker.note(&Ending::Failed(&failure), Instant::now(), metrics);
    }
    failure
}

/// The backend entity that policies chose, resolved to a member when it is a pool, if its circuit is closed.
fn backend_entry(
    exchange: &Exchange,
    active: &Arc<Active>,
    context: &mut Context,
) -> Result<Chosen, Failure> {
    let Some(chosen) = &context.backend else {
        return Ok(Chosen::default());
    };
    let missing = |id: &str| Failure::BackendConnection(format!("the backend entity `{id}` does not exist"));
    let breakers = &exchange.worker.node.breakers;
    let mut cookie = None;
    let mut entry = active
        .snapshot
        .backend(&chosen.id)
        .ok_or_else(|| missing(&chosen.id))?;
    if !entry.pool.is_empty() {
        let pool = entry;
        let wanted = pool
            .affinity_cookie
            .as_deref()
            .and_then(|name| affinity::wanted(pool, name, &context.request.headers));
        let open_for = |member: &gateway_config::snapshot::PoolMember| {
            breakers.open_for(active.snapshot.backend(&member.id)?, Instant::now())
        };
        let member = breaker::choose(&pool.pool, exchange.worker.machine.random(), wanted, open_for)
            .map_err(left_alone)?;
        if let Some(name) = pool
            .affinity_cookie
            .as_deref()
            .filter(|_| wanted != Some(&*member.id))
        {
            cookie = affinity::cookie(name, &member.id, exchange.conn.secure);
        }
        entry = active
            .snapshot
            .backend(&member.id)
            .ok_or_else(|| missing(&member.id))?;
        if let Some(url) = &entry.url {
            let service = context.api.as_ref().and_then(|api| api.service_url.as_ref());
            context.request.url = rebase(&context.request.url, service, url);
        }
    }
    if let Some(reason) = &entry.refused {
        return Err(Failure::PolicyNotLoaded {
            scope: Arc::clone(reason),
        });
    }
    let breaker = breakers.of(entry);
    if let Some(pause) = breaker
        .as_ref()
        .and_then(|breaker| breaker.open_for(Instant::now()))
    {
        return Err(left_alone(pause));
    }
    Ok(Chosen {
        entry: Some(Arc::clone(entry)),
        breaker,
        cookie,
    })
}

fn left_alone(pause: Duration) -> Failure {
    Failure::BackendUnavailable {
        // Rounded up: a client that waits as long as it is told finds the circuit closed.
        retry_after: pause.as_secs() + u64::from(pause.subsec_nanos() > 0),
    }
}

/// `url`, which was made from the API's service URL, moved to `base`.
fn rebase(url: &Url, service: Option<&Url>, base: &Url) -> Url {
    let old = service.map_or("", |service| service.path.trim_end_matches('/'));
    let rest = match url.path.strip_prefix(old) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => &url.path,
    };
    Url {
        scheme: Arc::clone(&base.scheme),
        host: Arc::clone(&base.host),
        port: base.port,
        path: gateway_policy::url::join_path(&base.path, rest),
        query: url.query.clone(),
    }
}

fn request_body(exchange: &mut Exchange, body: &ContextBody) -> OutBody {
    match body {
        ContextBody::None | ContextBody::Consumed => OutBody::Empty,
        ContextBody::Buffered(bytes) => OutBody::Full(bytes.clone()),
        ContextBody::Streaming => match exchange.body.take() {
            Some(body) if !body.is_end_stream() => OutBody::Client(body),
            _ => OutBody::Empty,
        },
    }
}

/// Idempotent methods may be sent twice (RFC 9110 §9.2.2).
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS | Method::TRACE
    )
}

fn target(
    proxies: &Proxies,
    url: &Url,
    entry: Option<&BackendEntry>,
    version: BackendHttpVersion,
    identity: Option<&Arc<ClientIdentity>>,
    proxy: Option<&Proxy>,
) -> Result<Target, UpstreamError> {
    let secure = match &*url.scheme {
        "https" | "wss" => true,
        "http" | "ws" => false,
        other => {
            return Err(UpstreamError::Unsendable(format!(
                "the scheme `{other}` is not http or https"
            )));
        }
    };
    if url.host.is_empty() {
        return Err(UpstreamError::Unsendable(
            "the API has no service URL and no policy chose a backend".to_owned(),
        ));
    }
    let port = match url.port {
        0 => default_port(secure),
        port => port,
    };
    Ok(Target {
        secure,
        host: Arc::clone(&url.host),
        port,
        version: version.into(),
        validate_chain: entry.is_none_or(|entry| entry.validate_chain),
        validate_name: entry.is_none_or(|entry| entry.validate_name),
        identity: identity.filter(|_| secure).map(Arc::clone),
        via: via(entry, proxy).or_else(|| proxies.via(secure, &url.host, port)),
    })
}

/// The proxy a policy chose, or the backend entity's.
fn via(entry: Option<&BackendEntry>, proxy: Option<&Proxy>) -> Option<Arc<Via>> {
    if let Some(proxy) = proxy {
        return Some(Arc::new(Via::from(proxy)));
    }
    let own = entry?.proxy.as_ref()?;
    let user = own.username.as_ref().filter(|u| !u.is_empty());
    let proxy = Proxy {
        url: own.url.clone(),
        credentials: user.map(|u| (Arc::clone(u), own.password.clone().unwrap_or_default())),
    };
    Some(Arc::new(Via::from(&proxy)))
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

async fn one(
    exchange: &Exchange,
    how: &Forward,
    context: &Context,
    destination: &Destination<'_>,
    body: OutBody,
    span: u64,
) -> Result<Sent, UpstreamError> {
    let request = &context.request;
    let version = if exchange.websocket {
        BackendHttpVersion::Http1
    } else {
        how.http_version
    };
    let target = target(
        &exchange.worker.node.settings.proxies,
        destination.url,
        destination.entry,
        version,
        destination.identity,
        how.proxy.as_ref(),
    )?;
    let peer = exchange.conn.forwarded_for();
    let length = content_length(&request.headers, &body);
    let head = |protocol: Protocol, authority: &Bytes| {
        let mut headers = copy_request(&request.headers, ADDED_FIELDS);
        append_forwarded_for(&mut headers, peer);
        if let Some(trace) = &exchange.trace {
            trace.tell(&mut headers, span);
        }
        if let Some(length) = length {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        if exchange.te_trailers && protocol == Protocol::Http2 {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        if exchange.websocket {
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        let query = match destination.entry {
            Some(entry) => credentials(entry, &mut headers, &destination.url.query),
            None => None,
        };
        let query = query.as_deref().unwrap_or(&destination.url.query);
        build(
            &target,
            protocol,
            request.method.clone(),
            destination.url,
            query,
            authority,
            headers,
        )
    };
    exchange
        .worker
        .pool
        .send(&target, &head, body, is_idempotent(&request.method))
        .await
}

/// The length to announce: known, and either not zero or announced by the client too.
fn content_length(headers: &HeaderMap, body: &OutBody) -> Option<u64> {
    match body.size_hint().exact() {
        Some(0) if !headers.contains_key(header::CONTENT_LENGTH) => None,
        exact => exact,
    }
}

/// Adds the credentials of a backend entity; returns the query with its parameters, if it has any.
fn credentials(entry: &BackendEntry, headers: &mut HeaderMap, query: &str) -> Option<String> {
    for (name, value) in &entry.headers {
        headers.insert(name.clone(), value.clone());
    }
    if entry.query.is_empty() {
        return None;
    }
    let mut out = query.to_owned();
    for (name, value) in &entry.query {
        if !out.is_empty() {
            out.push('&');
        }
        escape(name, &mut out);
        out.push('=');
        escape(value, &mut out);
    }
    Some(out)
}

/// Percent-encodes everything but unreserved characters (RFC 3986 §2.3).
pub(crate) fn escape(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// The request head for one protocol.
fn build(
    target: &Target,
    protocol: Protocol,
    method: Method,
    url: &Url,
    query: &str,
    authority: &Bytes,
    mut headers: HeaderMap,
) -> Result<Request<()>, UpstreamError> {
    let unsendable = |what: &str| UpstreamError::Unsendable(format!("{what} of `{}`", url.path));
    let path = if url.path.is_empty() { "/" } else { &url.path };
    let path_and_query = match query {
        "" => uri::PathAndQuery::try_from(path),
        query => uri::PathAndQuery::try_from([path, "?", query].concat()),
    }
    .map_err(|_| unsendable("path or query"))?;
    let (uri, version) = match protocol {
        Protocol::Http1 => {
            headers.insert(
                header::HOST,
                HeaderValue::from_maybe_shared(authority.clone()).map_err(|_| unsendable("host"))?,
            );
            match &target.via {
                // Without a tunnel the proxy must be told where to go.
                Some(via) if !target.secure => {
                    if let Some(value) = &via.authorization {
                        let value = HeaderValue::from_str(value).map_err(|_| unsendable("proxy"))?;
                        headers.insert(header::PROXY_AUTHORIZATION, value);
                    }
                    let uri = Uri::builder()
                        .scheme(uri::Scheme::HTTP)
                        .authority(authority.as_ref())
                        .path_and_query(path_and_query)
                        .build()
                        .map_err(|_| unsendable("host"))?;
                    (uri, Version::HTTP_11)
                }
                _ => (Uri::from(path_and_query), Version::HTTP_11),
            }
        }
        Protocol::Http2 => {
            let scheme = if target.secure {
                uri::Scheme::HTTPS
            } else {
                uri::Scheme::HTTP
            };
            let uri = Uri::builder()
                .scheme(scheme)
                .authority(authority.as_ref())
                .path_and_query(path_and_query)
                .build()
                .map_err(|_| unsendable("host"))?;
            (uri, Version::HTTP_2)
        }
    };
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = version;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Where a redirect leads, if it may be followed: the method must stay the same or become GET.
fn redirect(sent: &Sent, from: &Url, method: &Method) -> Option<Url> {
    let safe = matches!(*method, Method::GET | Method::HEAD);
    if !matches!(sent.status.as_u16(), 301 | 302 | 303 | 307 | 308) || !safe {
        return None;
    }
    let location = sent.headers.get(header::LOCATION)?.to_str().ok()?;
    resolve(from, location)
}

/// `location` seen from `from` (RFC 3986 §5.2, without dot segments, which servers send in no redirects).
pub(crate) fn resolve(from: &Url, location: &str) -> Option<Url> {
    let split = |target: &str| match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), query.to_owned()),
        None => (target.to_owned(), String::new()),
    };
    let location = location.split('#').next().unwrap_or_default();
    if let Ok(uri) = location.parse::<Uri>()
        && let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host())
    {
        let secure = scheme.eq_ignore_ascii_case("https");
        return Some(Url {
            scheme: scheme.to_ascii_lowercase().into(),
            host: host.trim_start_matches('[').trim_end_matches(']').into(),
            port: uri.port_u16().unwrap_or(default_port(secure)),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
        });
    }
    let (path, query) = match location {
        "" => return None,
        absolute if absolute.starts_with('/') && !absolute.starts_with("//") => split(absolute),
        relative if !relative.starts_with("//") => {
            let parent = from.path.rsplit_once('/').map_or("", |(parent, _)| parent);
            split(&format!("{parent}/{relative}"))
        }
        _ => return None,
    };
    Some(Url {
        path,
        query,
        ..from.clone()
    })
}

/// Takes a response over: a tunnel, or a body on the wire.
fn received(exchange: &mut Exchange, mut sent: Sent) -> Response {
    let switched = sent.status == http::StatusCode::SWITCHING_PROTOCOLS;
    if switched && exchange.websocket {
        if let Some((transport, first)) = sent.body.into_stream() {
            exchange.conn.set_tunnel(Upgraded { transport, first });
        }
        // The handshake's own fields belong to both ends of the tunnel.
        sent.headers
            .insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        sent.headers
            .insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return Response {
            status: sent.status,
            reason: sent.reason,
            headers: sent.headers,
            body: ContextBody::None,
        };
    }
    strip_response(&mut sent.headers);
    let body = if sent.body.is_end_stream() {
        sent.body.release_if_over();
        ContextBody::None
    } else {
        exchange.upstream = Some(sent.body);
        ContextBody::Streaming
    };
    Response {
        status: sent.status,
        reason: sent.reason,
        headers: sent.headers,
        body,
    }
}

/// A call of a policy's own (`send-request`): the answer comes whole.
///
/// # Errors
/// The failure of the table.
pub(crate) async fn call(
    worker: &Worker,
    active: &Active,
    request: OutgoingRequest,
    limit: usize,
) -> Result<Response, Failure> {
    let OutgoingRequest {
        method,
        mut url,
        headers,
        body,
        timeout: time,
        certificate,
        proxy,
        backend,
        ..
    } = request;
    let entry = match &backend {
        Some(id) => {
            let entry = entity(worker, active, id)?;
            if let Some(base) = &entry.url {
                url = onto(base, &url);
            }
            Some(entry)
        }
        None => active
            .snapshot
            .backends()
            .find(|entry| entry.url.as_ref() == Some(&url))
            .cloned(),
    };
    let identity = identity(worker, certificate.as_ref(), entry.as_deref())?;
    let exchange = async {
        let target = target(
            &worker.node.settings.proxies,
            &url,
            entry.as_deref(),
            BackendHttpVersion::Http1,
            identity.as_ref(),
            proxy.as_ref(),
        )
        .map_err(|error| Failure::BackendConnection(error.to_string()))?;
        let body = if body.is_empty() {
            OutBody::Empty
        } else {
            OutBody::Full(body)
        };
        let length = content_length(&headers, &body);
        let head = |protocol: Protocol, authority: &Bytes| {
            let mut headers = copy_request(&headers, ADDED_FIELDS);
            if let Some(length) = length {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            let query = match (&backend, &entry) {
                (Some(_), Some(entry)) => credentials(entry, &mut headers, &url.query),
                _ => None,
            };
            let query = query.as_deref().unwrap_or(&url.query);
            build(&target, protocol, method.clone(), &url, query, authority, headers)
        };
        let mut sent = worker
            .pool
            .send(&target, &head, body, is_idempotent(&method))
            .await
            .map_err(|error| Failure::BackendConnection(error.to_string()))?;
        strip_response(&mut sent.headers);
        let bytes = read_whole(sent.body, limit).await?;
        Ok(Response {
            status: sent.status,
            reason: sent.reason,
            headers: sent.headers,
            body: buffered(bytes),
        })
    };
    within(time, exchange).await
}

/// The backend entity `id`, or a member of the pool it is.
fn entity(worker: &Worker, active: &Active, id: &str) -> Result<Arc<BackendEntry>, Failure> {
    let missing = |id: &str| Failure::BackendConnection(format!("the backend entity `{id}` does not exist"));
    let mut entry = active.snapshot.backend(id).ok_or_else(|| missing(id))?;
    if !entry.pool.is_empty() {
        let breakers = &worker.node.breakers;
        let open_for = |member: &gateway_config::snapshot::PoolMember| {
            breakers.open_for(active.snapshot.backend(&member.id)?, Instant::now())
        };
        let member =
            breaker::choose(&entry.pool, worker.machine.random(), None, open_for).map_err(left_alone)?;
        entry = active
            .snapshot
            .backend(&member.id)
            .ok_or_else(|| missing(&member.id))?;
    }
    match &entry.refused {
        Some(reason) => Err(Failure::PolicyNotLoaded {
            scope: Arc::clone(reason),
        }),
        None => Ok(Arc::clone(entry)),
    }
}

/// Path and query of `part` after those of `base`.
fn onto(base: &Url, part: &Url) -> Url {
    let both = !base.query.is_empty() && !part.query.is_empty();
    Url {
        path: gateway_policy::url::join_path(&base.path, &part.path),
        query: format!("{}{}{}", base.query, if both { "&" } else { "" }, part.query),
        ..base.clone()
    }
}

async fn within<T>(time: Duration, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match timeout(time, future).await {
        Ok(result) => result,
        Err(_) => Err(Failure::BackendTimeout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        gateway_policy::url::parse(text).unwrap()
    }

    #[track_caller]
    fn check_rebase(from: &str, service: &str, base: &str, expected: &str) {
        let moved = rebase(&url(from), Some(&url(service)), &url(base));
        assert_eq!(gateway_policy::url::to_text(&moved), expected);
    }

    #[test]
    fn a_pool_member_gets_the_operations_part() {
        check_rebase(
            "http://s.test/base/x",
            "http://s.test/base",
            "https://m.test/v2",
            "https://m.test/v2/x",
        );
        check_rebase(
            "http://s.test/base/x",
            "http://s.test/",
            "http://m.test/",
            "http://m.test/base/x",
        );
        check_rebase(
            "http://s.test/other",
            "http://s.test/base",
            "http://m.test/v",
            "http://m.test/v/other",
        );
    }

    #[track_caller]
    fn check_redirect(location: &str, expected: Option<&str>) {
        let found =
            resolve(&url("http://a.test/x/y?q=1"), location).map(|to| gateway_policy::url::to_text(&to));
        assert_eq!(found.as_deref(), expected, "{location}");
    }

    #[test]
    fn redirects_are_resolved() {
        check_redirect("https://B.test/z?a=b#frag", Some("https://B.test/z?a=b"));
        check_redirect("/z?a", Some("http://a.test/z?a"));
        check_redirect("z", Some("http://a.test/x/z"));
        check_redirect("", None);
        check_redirect("//evil", None);
    }

    #[test]
    fn credentials_of_a_query_are_escaped() {
        let mut out = String::new();
        escape("a b&c=ü~", &mut out);
        assert_eq!(out, "a%20b%26c%3D%C3%BC~");
    }
}
