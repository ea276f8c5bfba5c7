//! Performing what policies ask for.

use std::{net::IpAddr, rc::Rc, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use gateway_config::snapshot::OperationEntry;
use gateway_policy::{
    Context, Failure, World as _,
    context::Body as ContextBody,
    effect::{
        CacheAction, CacheRequest, Count, Counted, Effect, Example, Message, Outcome, OutgoingRequest,
        Revocation, SelectedBackend, TokenRequest,
    },
};
use http::request::Parts;
use http_body::Body;
use http_body_util::BodyExt;

use super::{Protocol, forward, ledger::Ledger, setup::Prepared};
use crate::{
    cache, debug, download, external,
    http::{
        body::{BodyError, ClientBody},
        conn::Conn,
    },
    identity,
    node::Active,
    oidc, revocation,
    telemetry::{
        correlation::Trace,
        told::{Call, Side},
    },
    upstream::UpstreamBody,
    worker::Worker,
};

/// What the agent holds for one request beside the context: the bodies on the wire.
pub(super) struct Exchange {
    pub(super) worker: Rc<Worker>,
    pub(super) conn: Rc<Conn>,
    pub(super) active: Arc<Active>,
    pub(super) operation: Option<Arc<OperationEntry>>,
    /// The request body while it is on the wire.
    pub(super) body: Option<ClientBody>,
    /// The response body while it is on the wire.
    pub(super) upstream: Option<Box<UpstreamBody>>,
    pub(super) websocket: bool,
    /// What the client speaks.
    pub(super) protocol: Protocol,
    /// The client takes trailers (gRPC needs the backend to know).
    pub(super) te_trailers: bool,
    /// The client, or the operator, wants this request recorded.
    pub(super) debug: Option<debug::Answer>,
    /// The operation this request is part of, when a diagnostic wants calls told.
    pub(super) trace: Option<Arc<Trace>>,
}

impl Exchange {
    pub(super) fn new(
        worker: Rc<Worker>,
        conn: &Rc<Conn>,
        active: Arc<Active>,
        body: ClientBody,
        prepared: &Prepared,
        parts: &Parts,
        protocol: Protocol,
    ) -> Self {
        let te_trailers = parts
            .headers
            .get(http::header::TE)
            .is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
        Self {
            worker,
            conn: Rc::clone(conn),
            active,
            operation: prepared.operation.clone(),
            body: Some(body),
            upstream: None,
            websocket: prepared.websocket,
            protocol,
            te_trailers,
            debug: None,
            trace: None,
        }
    }

    /// Does one thing and tells what came of it.
    pub(super) async fn perform(
        &mut self,
        effect: Effect,
        context: &mut Context,
        ledger: &mut Ledger,
    ) -> Outcome {
        match effect {
            Effect::ReadBody(Message::Request) => {
                let begun = tokio::time::Instant::now();
                let outcome = self.read_request().await;
                ledger.client_time(begun.elapsed());
                outcome
            }
            Effect::ReadBody(Message::Response) => {
                let outcome = self.read_response().await;
                ledger.backend_over();
                if let Outcome::Body(bytes) = &outcome {
                    ledger.body(Side::BackendResponse, bytes);
                }
                outcome
            }
            Effect::Forward(how) => match forward::forward(self, &how, context, ledger).await {
                Ok(response) => Outcome::Response(response),
                Err(failure) => Outcome::Failed(failure),
            },
            other => {
                let (outcome, spent) = self.shared(other).await;
                ledger.spent(spent);
                outcome
            }
        }
    }

    /// A hand for one branch of a `wait`: everything but the bodies on the wire.
    pub(super) fn fork(&self) -> Self {
        Self {
            worker: Rc::clone(&self.worker),
            conn: Rc::clone(&self.conn),
            active: Arc::clone(&self.active),
            operation: self.operation.clone(),
            body: None,
            upstream: None,
            websocket: self.websocket,
            protocol: self.protocol,
            te_trailers: self.te_trailers,
            debug: None,
            trace: self.trace.clone(),
        }
    }

    /// An effect that needs neither the bodies on the wire nor the context: several may run at once.
    pub(super) async fn shared(&self, effect: Effect) -> (Outcome, Spent) {
        let outcome = match effect {
            Effect::Send(request) => return self.send(*request).await,
            Effect::Cache(request) => return self.cache(*request).await,
            Effect::Count(count) => Outcome::Counted(self.count(&count, false).await),
            Effect::Charge(count) => Outcome::Counted(self.count(&count, true).await),
            Effect::Delay(time) => {
                tokio::time::sleep(time).await;
                Outcome::Elapsed
            }
            Effect::SelectBackend(id) => self.select_backend(&id),
            Effect::Example {
                status,
                content_type,
                index,
            } => Outcome::Example(self.example(status, content_type.as_deref(), index)),
            Effect::Enter { key, max_count } => {
                Outcome::Permit(self.worker.node.permits.enter(&key, max_count))
            }
            Effect::OpenId { url, refresh } => self.openid(url, refresh).await,
            Effect::Token(request) => self.token(*request).await,
            Effect::Revocation => Outcome::Revocation(self.revocation().await),
            other => unsupported(&format!("{other:?}")),
        };
        (outcome, Spent::Nothing)
    }

    /// Counted on this node at once, or by the external cache.
    async fn count(&self, count: &Count, charge: bool) -> Counted {
        let counted = match (self.worker.external(), charge) {
            (Some(_), _) => Box::pin(external::count(&self.worker, count, charge)).await,
            (None, false) => self.worker.node.counters.count(count),
            (None, true) => self.worker.node.counters.charge(count),
        };
        if !counted.allowed && !charge {
            self.struck(count);
        }
        counted
    }

    /// A limit refused the client. One whose key is the client's address, and nothing else, may become a ban.
    fn struck(&self, count: &Count) {
        let client = self.conn.peer().ip().to_canonical();
        let by_address = count
            .key
            .strip_prefix("rate-limit-by-key:")
            .and_then(|key| key.parse::<IpAddr>().ok())
            .is_some_and(|key| key.to_canonical() == client);
        if by_address {
            self.worker.node.settings.gate.rate_limited(client);
        }
    }

    async fn cache(&self, request: CacheRequest) -> (Outcome, Spent) {
        let response = matches!(request.action, CacheAction::Lookup) && request.key.starts_with("response:");
        let begun = tokio::time::Instant::now();
        let outcome = Box::pin(cache::perform(&self.worker, request)).await;
        let hit = matches!(outcome, Outcome::Cached(Some(_)));
        let spent = match response {
            true => Spent::Lookup(hit, begun.elapsed()),
            false => Spent::Nothing,
        };
        (outcome, spent)
    }

    async fn token(&self, request: TokenRequest) -> Outcome {
        let (worker, active) = (&self.worker, &self.active);
        let source = match worker.node.tokens.source(&request) {
            Ok(source) => source,
            Err(failure) => return Outcome::Failed(failure),
        };
        let fetch = async || identity::fetch(source, &request, &identity::OverPool(worker, active)).await;
        let later = |renewal: identity::Renewal| {
            let (worker, active, request) = (Rc::clone(worker), Arc::clone(active), request.clone());
            tokio::task::spawn_local(async move {
                let Ok(source) = worker.node.tokens.source(&request) else {
                    return;
                };
                let fetch =
                    async || identity::fetch(source, &request, &identity::OverPool(&worker, &active)).await;
                renewal.run(&worker.node.metrics.effects, fetch).await;
            });
        };
        let effects = &worker.node.metrics.effects;
        match Box::pin(worker.node.tokens.get(&request, effects, fetch, later)).await {
            Ok(token) => Outcome::Token(token),
            Err(failure) => Outcome::Failed(failure),
        }
    }

    async fn openid(&self, url: Arc<str>, refresh: bool) -> Outcome {
        let (worker, active) = (&self.worker, &self.active);
        let fetch = || oidc::fetch(worker, active, &url);
        let later = |renewal: oidc::Renewal| {
            let (worker, active, url) = (Rc::clone(worker), Arc::clone(active), Arc::clone(&url));
            tokio::task::spawn_local(async move {
                let fetch = || oidc::fetch(&worker, &active, &url);
                renewal.run(&url, &worker.node.metrics.effects, fetch).await;
            });
        };
        let effects = &worker.node.metrics.effects;
        // Boxed: one of many effects must not make every request's future as large as the largest.
        match Box::pin(worker.node.openid.get(&url, refresh, effects, fetch, later)).await {
            Ok(document) => Outcome::OpenId(document),
            Err(failure) => Outcome::Failed(failure),
        }
    }

    /// What the lists of the authorities say about the client's certificate.
    async fn revocation(&self) -> Revocation {
        let (worker, active) = (&self.worker, &self.active);
        let chain = self.conn.tls.get().map_or(&[][..], |tls| &tls.client_chain);
        let fetch = async |url: Arc<str>| {
            let address =
                gateway_policy::url::parse(&url).map_err(|expected| format!("its URL must be {expected}"))?;
            let document = download::fetch(worker, active, address, revocation::WANTED).await?;
            Ok(document.bytes)
        };
        let authorities = worker.node.tls.authorities();
        let check = revocation::check(&worker.node.revocation, chain, &authorities, fetch);
        let verdict = Box::pin(check).await;
        let result = match &verdict {
            Revocation::Good => "good",
            Revocation::Revoked => "revoked",
            Revocation::Unknown(_) => "unknown",
        };
        let checks = &worker.node.metrics.effects.revocation_checks;
        checks.with_label_values(&[result]).inc();
        verdict
    }

    /// Reads the request body whole.
    pub(super) async fn read_request(&mut self) -> Outcome {
        let limit = self.worker.node.settings.limits.buffered_body_bytes;
        match self.body.take() {
            None => Outcome::Body(Bytes::new()),
            Some(body) => match read_whole(body, limit).await {
                Ok(bytes) => Outcome::Body(bytes),
                Err(failure) => Outcome::Failed(failure),
            },
        }
    }

    async fn read_response(&mut self) -> Outcome {
        let limit = self.worker.node.settings.limits.buffered_body_bytes;
        match self.upstream.take() {
            None => Outcome::Body(Bytes::new()),
            Some(body) => match read_whole(body, limit).await {
                Ok(bytes) => Outcome::Body(bytes),
                Err(failure) => Outcome::Failed(failure),
            },
        }
    }

    fn select_backend(&self, id: &str) -> Outcome {
        match self.active.snapshot.backend(id) {
            // As documented: an unknown id is an error of the policy, 500.
            None => Outcome::Failed(Failure::Policy {
                source: "set-backend-service",
                message: format!("There is no backend entity `{id}`."),
            }),
            Some(entry) => match &entry.refused {
                Some(reason) => Outcome::Failed(Failure::PolicyNotLoaded {
                    scope: Arc::clone(reason),
                }),
                None => Outcome::Backend(SelectedBackend {
                    backend: Arc::clone(&entry.backend),
                    url: entry.url.clone(),
                }),
            },
        }
    }

    fn example(&self, status: http::StatusCode, content_type: Option<&str>, index: usize) -> Option<Example> {
        let response = self
            .operation
            .as_ref()?
            .responses
            .iter()
            .find(|response| response.status == status)?;
        let mut fitting = response
            .representations
            .iter()
            .filter(|one| content_type.is_none_or(|wanted| one.content_type.eq_ignore_ascii_case(wanted)));
        let chosen = fitting.nth(index)?;
        let body = chosen.example.as_deref().unwrap_or_default();
        Some(Example {
            content_type: Some(Arc::clone(&chosen.content_type)),
            body: Bytes::copy_from_slice(body.as_bytes()),
        })
    }

    async fn send(&self, mut request: OutgoingRequest) -> (Outcome, Spent) {
        let span = self.worker.machine.random();
        if let Some(trace) = &self.trace {
            trace.tell(&mut request.headers, span);
        }
        if request.one_way {
            let (worker, active) = (Rc::clone(&self.worker), Arc::clone(&self.active));
            let Some(permit) = worker.one_way() else {
                let failure = Failure::Unavailable("too many one-way requests are under way".to_owned());
                return (Outcome::Failed(failure), Spent::Nothing);
            };
            tokio::task::spawn_local(async move {
                let limit = worker.node.settings.limits.buffered_body_bytes;
                if let Err(failure) = forward::call(&worker, &active, request, limit).await {
                    tracing::debug!(?failure, "one-way request failed");
                }
                drop(permit);
            });
            return (Outcome::Elapsed, Spent::Nothing);
        }
        let limit = self.worker.node.settings.limits.buffered_body_bytes;
        let mut told = self.trace.as_ref().map(|_| {
            Box::new(Call {
                span,
                method: request.method.to_string(),
                url: gateway_policy::url::to_text(&request.url),
                began: std::time::SystemTime::now(),
                took: Duration::ZERO,
                result: Err(String::new()),
                forward: false,
            })
        });
        let begun = tokio::time::Instant::now();
        let called = Box::pin(forward::call(&self.worker, &self.active, request, limit)).await;
        let took = begun.elapsed();
        if let Some(told) = &mut told {
            told.took = took;
            told.result = match &called {
                Ok(response) => Ok(response.status.as_u16()),
                Err(failure) => Err(failure.message()),
            };
        }
        let spent = Spent::Backend(took, told);
        match called {
            Ok(response) => (Outcome::Response(response), spent),
            Err(failure) => (Outcome::Failed(failure), spent),
        }
    }
}

/// What the record of the request says about an effect.
#[derive(Debug)]
pub(super) enum Spent {
    Nothing,
    /// Time with a backend, and the call when somebody wants it told.
    Backend(Duration, Option<Box<Call>>),
    /// A look-up of a response: hit, and its time.
    Lookup(bool, Duration),
}

fn unsupported(what: &str) -> Outcome {
    Outcome::Failed(Failure::Unavailable(format!(
        "this gateway cannot provide {what} yet"
    )))
}

/// Gathers a body up to `limit` bytes. Trailers are dropped: policies cannot see them.
///
/// # Errors
/// The body's own failure, or [`Failure::BodyTooLarge`], known early when the length is announced.
pub(super) async fn read_whole<B>(body: B, limit: usize) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    let mut body = body;
    if body.size_hint().lower() > limit as u64 {
        return Err(Failure::BodyTooLarge { limit });
    }
    let mut first = Bytes::new();
    let mut all: Option<BytesMut> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(body_failure)?.into_data() else {
            continue;
        };
        let held = all.as_ref().map_or(first.len(), BytesMut::len);
        if held + data.len() > limit {
            return Err(Failure::BodyTooLarge { limit });
        }
        match &mut all {
            Some(all) => all.extend_from_slice(&data),
            // One piece is the common case and needs no copy.
            None if first.is_empty() => first = data,
            None => {
                let mut joined = BytesMut::with_capacity((first.len() + data.len()) * 2);
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&data);
                all = Some(joined);
            }
        }
    }
    Ok(all.map_or(first, BytesMut::freeze))
}

/// A broken body as the failure table knows it.
pub(super) fn body_failure(error: BodyError) -> Failure {
    match error {
        BodyError::Client(_) => Failure::BadRequest("the request body is malformed or incomplete".to_owned()),
        BodyError::ClientTimeout(_) => Failure::ClientConnection(error.to_string()),
        BodyError::Upstream(_) | BodyError::UpstreamTimeout(_) => {
            Failure::BackendConnection(error.to_string())
        }
    }
}

/// A context body that a policy made or the agent read.
pub(super) fn buffered(bytes: Bytes) -> ContextBody {
    if bytes.is_empty() {
        ContextBody::None
    } else {
        ContextBody::Buffered(bytes)
    }
}
