//! What is gathered about one request because diagnostics ask for it: headers, parts of bodies, calls, traces.
//!
//! Gathering costs what was asked for: without a diagnostic there is no [`Told`], without body bytes no body is
//! looked at. Bodies stream on; only their beginning is copied.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use gateway_config::telemetry::{Diagnostic, MaskMode, Message, mask_of};
use gateway_policy::{
    Context,
    context::{Body, Deployment},
    trace::TraceSeverity,
};
use http::{HeaderMap, HeaderName, header};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{RequestRecord, correlation::Trace, export::insights};

/// Calls told of one request; a `retry` of a policy may make more, the first ones tell the story.
const CALLS_MAX: usize = 32;
/// Dimensions of `set-request-metric-dimension-value` kept for one request.
const DIMENSIONS_MAX: usize = 16;
/// What a hidden value shows, the original's word.
const HIDDEN: &str = "hidden";

/// What is done with requests under one set of diagnostics; made once a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) insights: Option<insights::Target>,
    pub(crate) local: Option<Arc<Diagnostic>>,
}

impl Plan {
    fn diagnostics(&self) -> impl Iterator<Item = &Arc<Diagnostic>> {
        let insights = self.insights.as_ref().map(|target| &target.diagnostic);
        insights.into_iter().chain(&self.local)
    }
}

/// The four messages of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    FrontendRequest,
    BackendRequest,
    BackendResponse,
    FrontendResponse,
}

impl Side {
    fn of(self, diagnostic: &Diagnostic) -> &Message {
        match self {
            Self::FrontendRequest => &diagnostic.frontend.request,
            Self::BackendRequest => &diagnostic.backend.request,
            Self::BackendResponse => &diagnostic.backend.response,
            Self::FrontendResponse => &diagnostic.frontend.response,
        }
    }
}

/// Headers and the beginning of the body of one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captured {
    headers: Vec<(HeaderName, String)>,
    body: Vec<u8>,
    seen: bool,
}

impl Captured {
    /// Copies up to `limit` bytes in all.
    fn push(&mut self, bytes: &[u8], limit: usize) {
        self.seen = true;
        let room = limit.saturating_sub(self.body.len());
        self.body.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    /// The header fields that `message` asks for, masked.
    pub(crate) fn headers<'a>(
        &'a self,
        message: &'a Message,
    ) -> impl Iterator<Item = (&'a HeaderName, &'a str)> {
        let wanted = |name: &HeaderName| message.headers.contains(name);
        self.headers
            .iter()
            .filter(move |(name, _)| wanted(name))
            .filter_map(
                |(name, value)| match mask_of(&message.header_masks, name.as_str()) {
                    Some(MaskMode::Hide) => None,
                    Some(MaskMode::Mask) => Some((name, HIDDEN)),
                    None if is_secret(name) => Some((name, HIDDEN)),
                    None => Some((name, value.as_str())),
                },
            )
    }

    /// The part of the body that `message` asks for, as text; what is no UTF-8 shows as replacement characters.
    pub(crate) fn body(&self, message: &Message) -> Option<String> {
        if message.body_bytes == 0 || self.body.is_empty() {
            return None;
        }
        let part = &self.body[..message.body_bytes.min(self.body.len())];
        Some(String::from_utf8_lossy(part).into_owned())
    }

    fn weight(&self) -> usize {
        self.body.len()
            + self
                .headers
                .iter()
                .map(|(_, value)| value.len() + 32)
                .sum::<usize>()
    }
}

/// Credentials never show, whatever a diagnostic lists.
fn is_secret(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::AUTHORIZATION | header::PROXY_AUTHORIZATION | header::COOKIE | header::SET_COOKIE
    ) || name.as_str() == "ocp-apim-subscription-key"
        || name.as_str() == "apim-debug-authorization"
}

/// The URL with the query parameters hidden or masked that the rules name.
pub(crate) fn masked_url(url: &str, message: &Message) -> String {
    let Some((path, query)) = url.split_once('?').filter(|_| !message.query_masks.is_empty()) else {
        return url.to_owned();
    };
    let mut out = path.to_owned();
    let mut separator = '?';
    for pair in query.split('&') {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        let shown = match mask_of(&message.query_masks, name) {
            Some(MaskMode::Hide) => continue,
            Some(MaskMode::Mask) => format!("{name}={HIDDEN}"),
            None => pair.to_owned(),
        };
        out.push(separator);
        out.push_str(&shown);
        separator = '&';
    }
    out
}

/// A call of a backend, or of a policy's own.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Its id, as the callee was told.
    pub(crate) span: u64,
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) began: SystemTime,
    pub(crate) took: Duration,
    /// Status answered, or why there was none.
    pub(crate) result: Result<u16, String>,
    /// The policy that forwards, and not another one.
    pub(crate) forward: bool,
}

/// What a `trace` policy said.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Said {
    pub(crate) source: Arc<str>,
    #[serde(serialize_with = "severity")]
    pub(crate) severity: TraceSeverity,
    pub(crate) message: String,
    #[serde(serialize_with = "pairs", skip_serializing_if = "Vec::is_empty")]
    pub(crate) metadata: Vec<(String, String)>,
}

fn severity<S: serde::Serializer>(severity: &TraceSeverity, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(severity.name())
}

fn pairs<S: serde::Serializer>(pairs: &[(String, String)], s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

/// Everything about one request that its record does not have.
#[derive(Clone, Debug)]
pub(crate) struct Gathered {
    pub(crate) trace: Arc<Trace>,
    pub(crate) frontend_request: Captured,
    pub(crate) backend_request: Captured,
    pub(crate) backend_response: Captured,
    pub(crate) frontend_response: Captured,
    pub(crate) calls: Vec<Call>,
    pub(crate) dimensions: Vec<(String, String)>,
    pub(crate) deployment: Option<Arc<Deployment>>,
    pub(crate) api_revision: Option<Arc<str>>,
    pub(crate) product_name: Option<Arc<str>>,
    pub(crate) subscription_name: Option<Arc<str>>,
}

impl Gathered {
    pub(crate) fn weight(&self) -> usize {
        let sides = [
            &self.frontend_request,
            &self.backend_request,
            &self.backend_response,
            &self.frontend_response,
        ];
        let calls: usize = self.calls.iter().map(|call| call.url.len() + 128).sum();
        sides.iter().map(|side| side.weight()).sum::<usize>() + calls + 512
    }
}

/// The book of one request under diagnostics.
#[derive(Debug)]
pub(crate) struct Told {
    plan: Arc<Plan>,
    insights: bool,
    local: bool,
    said: Vec<Said>,
    gathered: Box<Gathered>,
    /// The call under way and when it began.
    forward: Option<Call>,
    /// The backend's body is the client's.
    streamed: bool,
}

impl Told {
    /// Begins with what the client sent. `random` is the worker's.
    pub(crate) fn begin(plan: &Arc<Plan>, headers: &HeaderMap, mut random: impl FnMut() -> u64) -> Self {
        let mut chosen = |diagnostic: &Diagnostic| {
            diagnostic.percentage >= 100.0
                || (random() as f64 / u64::MAX as f64) * 100.0 < diagnostic.percentage
        };
        let insights = plan.insights.as_ref().is_some_and(|t| chosen(&t.diagnostic));
        let local = plan.local.as_ref().is_some_and(|diagnostic| chosen(diagnostic));
        let (protocol, id) = plan.insights.as_ref().map_or_else(Default::default, |target| {
            (target.diagnostic.correlation, target.application_id.as_deref())
        });
        let mut trace = Trace::read(protocol, headers, id, random);
        if insights {
            trace.sample();
        }
        let mut told = Self {
            plan: Arc::clone(plan),
            insights,
            local,
            said: Vec::new(),
            gathered: Box::new(Gathered {
                trace: Arc::new(trace),
                frontend_request: Captured::default(),
                backend_request: Captured::default(),
                backend_response: Captured::default(),
                frontend_response: Captured::default(),
                calls: Vec::new(),
                dimensions: Vec::new(),
                deployment: None,
                api_revision: None,
                product_name: None,
                subscription_name: None,
            }),
            forward: None,
            streamed: false,
        };
        told.headers(Side::FrontendRequest, headers);
        told
    }

    pub(crate) fn trace(&self) -> &Arc<Trace> {
        &self.gathered.trace
    }

    /// Bytes of the body of that message that somebody may want.
    pub(crate) fn body_bytes(&self, side: Side) -> usize {
        let wanted = |diagnostic: &Arc<Diagnostic>| side.of(diagnostic).body_bytes;
        self.plan.diagnostics().map(wanted).max().unwrap_or(0)
    }

    fn side(&mut self, side: Side) -> &mut Captured {
        match side {
            Side::FrontendRequest => &mut self.gathered.frontend_request,
            Side::BackendRequest => &mut self.gathered.backend_request,
            Side::BackendResponse => &mut self.gathered.backend_response,
            Side::FrontendResponse => &mut self.gathered.frontend_response,
        }
    }

    /// Takes the header fields that are asked for.
    pub(crate) fn headers(&mut self, side: Side, headers: &HeaderMap) {
        let mut found: Vec<(HeaderName, String)> = Vec::new();
        for diagnostic in self.plan.diagnostics() {
            for name in &side.of(diagnostic).headers {
                if found.iter().any(|(known, _)| known == name) {
                    continue;
                }
                let mut values = headers.get_all(name).iter();
                let Some(first) = values.next() else { continue };
                let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
                let joined = values.fold(text(first), |joined, next| joined + ", " + &text(next));
                found.push((name.clone(), joined));
            }
        }
        self.side(side).headers = found;
    }

    /// Takes a piece of a body.
    pub(crate) fn body(&mut self, side: Side, bytes: &[u8]) {
        let limit = match side {
            // It may be the backend's as well.
            Side::FrontendResponse => self.body_bytes(side).max(self.body_bytes(Side::BackendResponse)),
            other => self.body_bytes(other),
        };
        if limit > 0 {
            self.side(side).push(bytes, limit);
        }
    }

    /// A request goes to the backend; an earlier one is over.
    pub(crate) fn forwards(&mut self, context: &Context, url: String, span: u64) {
        self.forwarded();
        self.headers(Side::BackendRequest, &context.request.headers);
        self.gathered.backend_request.body.clear();
        self.gathered.backend_request.seen = false;
        if let Body::Buffered(bytes) = &context.request.body {
            self.body(Side::BackendRequest, bytes);
        } else if matches!(context.request.body, Body::None | Body::Consumed) {
            self.gathered.backend_request.seen = true;
        }
        self.forward = Some(Call {
            span,
            method: context.request.method.to_string(),
            url,
            began: SystemTime::now(),
            took: Duration::ZERO,
            result: Err("no answer".to_owned()),
            forward: true,
        });
    }

    /// The backend answered with this head.
    pub(crate) fn answered(&mut self, status: u16, headers: &HeaderMap) {
        if let Some(call) = &mut self.forward {
            call.result = Ok(status);
            call.took = call.began.elapsed().unwrap_or_default();
        }
        self.headers(Side::BackendResponse, headers);
    }

    /// The exchange with the backend failed.
    pub(crate) fn failed(&mut self, why: &str) {
        if let Some(call) = &mut self.forward {
            call.result = Err(why.to_owned());
            call.took = call.began.elapsed().unwrap_or_default();
        }
    }

    fn forwarded(&mut self) {
        if let Some(call) = self.forward.take() {
            self.call(call);
        }
    }

    /// A call is over.
    pub(crate) fn call(&mut self, call: Call) {
        if self.gathered.calls.len() < CALLS_MAX {
            self.gathered.calls.push(call);
        }
    }

    /// The backend's body goes to the client as it comes.
    pub(crate) fn streams(&mut self) {
        self.streamed = true;
    }

    /// The request is answered: who it was for.
    pub(crate) fn named(&mut self, context: &Context) {
        let gathered = &mut self.gathered;
        gathered.deployment = Some(Arc::clone(&context.deployment));
        gathered.api_revision = context.api.as_ref().map(|api| Arc::clone(&api.revision));
        gathered.product_name = context.product.as_ref().map(|one| Arc::clone(&one.name));
        gathered.subscription_name = context.subscription.as_ref().map(|one| Arc::clone(&one.name));
    }

    /// `set-request-metric-dimension-value`; a later value replaces an earlier one.
    pub(crate) fn dimension(&mut self, name: String, value: String) {
        let dimensions = &mut self.gathered.dimensions;
        if let Some((_, old)) = dimensions.iter_mut().find(|(n, _)| *n == name) {
            *old = value;
        } else if dimensions.len() < DIMENSIONS_MAX {
            dimensions.push((name, value));
        }
    }

    /// A `trace` policy: told at once, whatever the sampling says.
    pub(crate) fn says(&mut self, said: Said, request_id: &str) {
        if let Some(target) = &self.plan.insights
            && said.severity >= target.diagnostic.verbosity
        {
            target.message(&self.gathered.trace, said.clone(), request_id);
        }
        if let Some(local) = &self.plan.local
            && said.severity >= local.verbosity
        {
            self.said.push(said);
        }
    }

    /// Where `emit-metric` of this request may go beside the node's own metrics.
    pub(crate) fn metrics_target(&self) -> Option<&insights::Target> {
        self.plan
            .insights
            .as_ref()
            .filter(|target| target.diagnostic.metrics)
    }

    /// The request is over. Returns what the local log gets; `None` when it gets nothing.
    pub(crate) fn finish(mut self, record: &mut RequestRecord, request_body: Vec<u8>) -> Option<LocalTold> {
        self.forwarded();
        self.gathered.frontend_request.body = request_body;
        if !self.gathered.backend_request.seen && !self.gathered.calls.is_empty() {
            self.gathered.backend_request.body = self.gathered.frontend_request.body.clone();
        }
        if self.streamed && !self.gathered.backend_response.seen {
            self.gathered.backend_response.body = self.gathered.frontend_response.body.clone();
        }
        let failed = !record.is_request_success;
        let wanted =
            |sampled: bool, diagnostic: &Diagnostic| sampled || failed && diagnostic.always_log_errors;
        let insights = self.plan.insights.as_ref();
        let insights = insights.filter(|target| wanted(self.insights, &target.diagnostic));
        // Before the local diagnostic masks the record by its own rules.
        let insights = insights.map(|target| (target, record.clone()));
        let local = self.plan.local.as_ref().filter(|local| wanted(self.local, local));
        let local = local.map(|diagnostic| LocalTold::new(diagnostic, &self.gathered, self.said, record));
        if let Some((target, record)) = insights {
            target.finished(record, *self.gathered, self.insights);
        }
        local
    }
}

/// What a `local` diagnostic adds to the record of a request, names as in the original's log.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalTold {
    #[serde(skip_serializing_if = "Map::is_empty")]
    request_headers: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    response_headers: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    backend_request_headers: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend_request_body: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    backend_response_headers: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend_response_body: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trace_records: Vec<Said>,
}

impl LocalTold {
    fn new(
        diagnostic: &Diagnostic,
        gathered: &Gathered,
        said: Vec<Said>,
        record: &mut RequestRecord,
    ) -> Self {
        record.url = masked_url(&record.url, &diagnostic.frontend.request);
        if let Some(url) = &mut record.backend_url {
            *url = masked_url(url, &diagnostic.backend.request);
        }
        if !diagnostic.log_client_ip {
            record.caller_ip_address = None;
        }
        let headers = |captured: &Captured, message: &Message| {
            let fields = captured.headers(message);
            fields
                .map(|(name, value)| (name.to_string(), value.into()))
                .collect()
        };
        let (front, back) = (&diagnostic.frontend, &diagnostic.backend);
        Self {
            request_headers: headers(&gathered.frontend_request, &front.request),
            request_body: gathered.frontend_request.body(&front.request),
            response_headers: headers(&gathered.frontend_response, &front.response),
            response_body: gathered.frontend_response.body(&front.response),
            backend_request_headers: headers(&gathered.backend_request, &back.request),
            backend_request_body: gathered.backend_request.body(&back.request),
            backend_response_headers: headers(&gathered.backend_response, &back.response),
            backend_response_body: gathered.backend_response.body(&back.response),
            trace_records: said,
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway_config::telemetry::Mask;

    use super::*;

    fn mask(name: &str, mode: MaskMode) -> Mask {
        Mask {
            name: name.into(),
            mode,
        }
    }

    #[test]
    fn urls_are_masked_by_rule() {
        for (rules, url, expected) in [
            (vec![], "/a?x=1", "/a?x=1"),
            (vec![mask("*", MaskMode::Hide)], "/a?x=1&y=2", "/a"),
            (vec![mask("x", MaskMode::Mask)], "/a?X=1&y=2", "/a?X=hidden&y=2"),
            (
                vec![mask("x", MaskMode::Hide), mask("*", MaskMode::Mask)],
                "/a?x=1&y=2&z",
                "/a?y=hidden&z=hidden",
            ),
        ] {
            let message = Message {
                query_masks: rules,
                ..Message::default()
            };
            assert_eq!(masked_url(url, &message), expected);
        }
    }

    #[test]
    fn headers_are_chosen_and_masked() {
        let name = |text: &'static str| HeaderName::from_static(text);
        let captured = Captured {
            headers: vec![
                (name("authorization"), "Bearer s3cret".to_owned()),
                (name("x-a"), "1".to_owned()),
                (name("x-b"), "2".to_owned()),
                (name("x-c"), "3".to_owned()),
                (name("x-d"), "4".to_owned()),
            ],
            ..Captured::default()
        };
        let message = Message {
            headers: vec![name("authorization"), name("x-a"), name("x-b"), name("x-c")],
            header_masks: vec![mask("X-B", MaskMode::Mask), mask("x-c", MaskMode::Hide)],
            ..Message::default()
        };
        let shown: Vec<_> = captured.headers(&message).map(|(n, v)| (n.as_str(), v)).collect();
        assert_eq!(
            shown,
            [("authorization", "hidden"), ("x-a", "1"), ("x-b", "hidden")]
        );
    }

    #[test]
    fn bodies_are_cut() {
        let mut captured = Captured::default();
        captured.push(b"abcd", 6);
        captured.push(b"efgh", 6);
        for (bytes, expected) in [(0, None), (3, Some("abc")), (100, Some("abcdef"))] {
            let message = Message {
                body_bytes: bytes,
                ..Message::default()
            };
            assert_eq!(captured.body(&message).as_deref(), expected);
        }
    }

    fn local(percentage: f64, always: bool) -> Arc<Plan> {
        let diagnostic = Diagnostic {
            logger: None,
            always_log_errors: always,
            percentage,
            frontend: Default::default(),
            backend: Default::default(),
            log_client_ip: true,
            correlation: Default::default(),
            verbosity: TraceSeverity::Information,
            operation_name: Default::default(),
            metrics: false,
        };
        Arc::new(Plan {
            insights: None,
            local: Some(Arc::new(diagnostic)),
        })
    }

    #[test]
    fn sampling_spares_errors_when_asked() {
        for (percentage, always, success, random, expected) in [
            (100.0, false, true, u64::MAX, true),
            (0.0, false, true, 0, false),
            (50.0, false, true, u64::MAX / 4, true),
            (50.0, false, true, u64::MAX / 4 * 3, false),
            (0.0, true, false, 0, true),
            (0.0, true, true, 0, false),
        ] {
            let told = Told::begin(&local(percentage, always), &HeaderMap::new(), || random);
            let mut record = RequestRecord {
                is_request_success: success,
                ..RequestRecord::default()
            };
            let finished = told.finish(&mut record, Vec::new());
            assert_eq!(
                finished.is_some(),
                expected,
                "{percentage} {always} {success} {random}"
            );
        }
    }
}
