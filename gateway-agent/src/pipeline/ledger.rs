//! What is written down about a request: metrics always, a record when somebody wants records.
//!
//! The ledger is opened with the request and closed when the response is over, however it ends: it rides on
//! the response body, and when the request is given up before there is one, dropping it closes it too.

use std::{borrow::Cow, net::IpAddr, rc::Rc, sync::Arc, time::Duration};

use gateway_config::snapshot::ApiEntry;
use gateway_policy::{
    Context, Execution, Failure, World as _,
    context::{Body, Response},
    effect::Count,
    failure::BackendStatuses,
    policies::TokenMeter,
    trace::Note,
};
use http::{HeaderMap, Method, StatusCode};
use tokio::time::Instant;

use super::{
    Protocol,
    effects::{Exchange, Spent},
    setup,
};
use crate::{
    external,
    http::{
        body::{Finish, ResponseBody, Tail, Traffic},
        conn::Conn,
    },
    node::Active,
    telemetry::{
        ErrorRecord, RequestRecord, RouteMetrics,
        clock::Timestamp,
        correlation::{REQUEST_CONTEXT, Trace},
        export::{Dimensions, Measured},
        notes,
        record::{Cache, masked},
        route::Sample,
        told::{Side, Told},
    },
    upstream::Sent,
    worker::Worker,
};

/// The status under which a request is counted whose client went away before the answer. Not sent to anyone;
/// nginx's well-known number.
const CLIENT_CLOSED: u16 = 499;

/// The book of one request.
pub(super) struct Ledger {
    pub(super) traffic: Rc<Traffic>,
    page: Option<Box<Page>>,
}

/// Its only page; boxed because it travels with the response body.
struct Page {
    worker: Rc<Worker>,
    conn: Rc<Conn>,
    traffic: Rc<Traffic>,
    begun: Instant,
    request_id: [u8; 16],
    route: Arc<RouteMetrics>,
    status: Option<StatusCode>,
    /// A policy refused the request.
    refused: bool,
    /// When the current backend exchange began, while its body may still be on the wire.
    backend_begun: Option<Instant>,
    /// Backend time of calls that are over.
    backend: Option<Duration>,
    /// Quotas that get the bytes of both bodies.
    bandwidth: Vec<Count>,
    /// Counts the tokens of a language model's answer that streams.
    meter: Option<Box<TokenMeter>>,
    /// Time in which the client's request body was read and an answer without backend was sent.
    client: Duration,
    /// When the head of the response was decided.
    answered: Option<Instant>,
    /// `None` when nobody wants records.
    record: Option<Box<RequestRecord>>,
    /// `None` when no diagnostic is in effect for the request.
    told: Option<Box<Told>>,
    /// The configuration it is served with, for the loggers of its policies.
    active: Option<Arc<Active>>,
    /// The host asked for, when requests are measured.
    host: Option<Arc<str>>,
}

impl Ledger {
    pub(super) fn open(
        worker: &Rc<Worker>,
        conn: &Rc<Conn>,
        traffic: Rc<Traffic>,
        protocol: Protocol,
    ) -> Self {
        worker.node.metrics.requests_active.inc();
        worker.admission.enter();
        let wanted = worker.node.sink.wants_records() || worker.node.exports.wants_records();
        let record = wanted.then(|| {
            Box::new(RequestRecord {
                time_generated: Timestamp::now(),
                caller_ip_address: Some(conn.peer().ip().to_canonical()),
                client_protocol: protocol.name(),
                client_tls_version: conn.tls.get().map(|tls| tls.version),
                worker: Some(worker.id),
                ..RequestRecord::default()
            })
        });
        let page = Page {
            worker: Rc::clone(worker),
            conn: Rc::clone(conn),
            traffic: Rc::clone(&traffic),
            begun: Instant::now(),
            request_id: [0; 16],
            route: worker.node.metrics.unmatched(),
            status: None,
            refused: false,
            backend_begun: None,
            backend: None,
            bandwidth: Vec::new(),
            meter: None,
            client: Duration::ZERO,
            answered: None,
            record,
            told: None,
            active: None,
            host: None,
        };
        Self {
            traffic,
            page: Some(Box::new(page)),
        }
    }

    fn page(&mut self) -> Option<&mut Page> {
        self.page.as_deref_mut()
    }

    pub(super) fn statuses(&self) -> BackendStatuses {
        self.page
            .as_ref()
            .map(|page| page.worker.node.settings.statuses)
            .unwrap_or_default()
    }

    /// The identifier of a request that never got a context.
    pub(super) fn request_id(&mut self) -> [u8; 16] {
        match self.page() {
            Some(page) => {
                page.request_id = page.worker.machine.guid();
                page.request_id
            }
            None => [0; 16],
        }
    }

    /// The book itself, leaving an empty cover.
    pub(super) fn hand_over(&mut self) -> Ledger {
        Self {
            traffic: Rc::clone(&self.traffic),
            page: self.page.take(),
        }
    }

    /// What the request is for.
    /// Who asks, when that is not who is at the other end.
    pub(super) fn client(&mut self, client: IpAddr) {
        if let Some(record) = self.page().and_then(|page| page.record.as_mut()) {
            record.caller_ip_address = Some(client);
        }
    }

    pub(super) fn matched(&mut self, route: &Arc<RouteMetrics>, api: Option<&Arc<ApiEntry>>) {
        if let Some(page) = self.page() {
            page.route = Arc::clone(route);
            if let (Some(record), Some(api)) = (&mut page.record, api) {
                record.api_id = Some(Arc::clone(&api.name));
                record.api_revision = Some(Arc::clone(&api.api.revision));
            }
        }
    }

    /// What the diagnostics in effect want told. Returns the operation that the request is part of.
    pub(super) fn tells(
        &mut self,
        active: &Arc<Active>,
        api: Option<&ApiEntry>,
        headers: &HeaderMap,
    ) -> Option<Arc<Trace>> {
        let page = self.page()?;
        page.active = Some(Arc::clone(active));
        let node = &page.worker.node;
        let Some(plan) = active.plans.of(active.snapshot.diagnostics(api)) else {
            if !node.sink.wants_records() && !node.exports.measures() {
                page.record = None;
            }
            return None;
        };
        let machine = &page.worker.machine;
        let told = Box::new(Told::begin(plan, headers, || machine.random()));
        let body = told.body_bytes(Side::FrontendRequest);
        page.traffic
            .beginning
            .keep(body.max(told.body_bytes(Side::BackendRequest)));
        let trace = Arc::clone(told.trace());
        page.told = Some(told);
        Some(trace)
    }

    /// A body that diagnostics may want was read whole.
    pub(super) fn body(&mut self, side: Side, bytes: &[u8]) {
        if let Some(told) = self.page().and_then(|page| page.told.as_deref_mut()) {
            told.body(side, bytes);
        }
    }

    /// What policies want written down.
    pub(super) fn notes(&mut self, notes: Vec<Note>, request_id: &[u8; 16]) {
        if let Some(page) = self.page() {
            page.notes(notes, request_id);
        }
    }

    /// The answer as it goes to the client, which learns whose telemetry it is part of.
    pub(super) fn answer(&mut self, answer: &mut Response) {
        let Some(told) = self.page().and_then(|page| page.told.as_deref_mut()) else {
            return;
        };
        if let Some(context) = told.trace().context() {
            answer.headers.insert(REQUEST_CONTEXT, context.clone());
        }
        told.headers(Side::FrontendResponse, &answer.headers);
        if matches!(answer.body, Body::Streaming) {
            told.streams();
        }
    }

    /// A built-in step refused before any context existed.
    pub(super) fn refused(&mut self, failure: &Failure, method: &Method, target: String, status: StatusCode) {
        let Some(page) = self.page() else { return };
        page.worker
            .node
            .metrics
            .refused
            .with_label_values(&[failure.label()])
            .inc();
        page.status = Some(status);
        if let Some(record) = &mut page.record {
            record.method = method.to_string();
            record.url = target;
            record.last_error = Some(Box::new(ErrorRecord {
                source: failure.source().unwrap_or("gateway").into(),
                reason: failure.label().into(),
                message: failure.message(),
                ..ErrorRecord::default()
            }));
        }
    }

    /// The policies have run.
    pub(super) fn ran(&mut self, execution: &mut Execution) {
        let Some(page) = self.page() else { return };
        page.bandwidth = execution.drain_bandwidth();
        page.meter = execution.take_meter();
        if let Some(failure) = execution.failure() {
            page.worker
                .node
                .metrics
                .refused
                .with_label_values(&[failure.label()])
                .inc();
        }
        if let Some(record) = &mut page.record {
            record.policies = execution
                .executed()
                .map(|one| Cow::Borrowed(one.policy))
                .collect();
        }
    }

    /// An effect took its time.
    pub(super) fn spent(&mut self, spent: Spent) {
        match spent {
            Spent::Nothing => {}
            Spent::Backend(time, call) => {
                let Some(page) = self.page() else { return };
                page.backend = Some(page.backend.unwrap_or_default() + time);
                if let (Some(told), Some(call)) = (&mut page.told, call) {
                    told.call(*call);
                }
            }
            Spent::Lookup(hit, time) => self.looked_up(hit, time),
        }
    }

    /// The response cache was asked.
    fn looked_up(&mut self, hit: bool, spent: Duration) {
        let Some(page) = self.page() else { return };
        if let Some(record) = &mut page.record {
            record.cache = if hit { Cache::Hit } else { Cache::Miss };
            record.cache_time = Some(record.cache_time.unwrap_or_default() + spent);
        }
    }

    /// A request to a backend is about to be sent.
    pub(super) fn backend_begins(&mut self, now: Instant, context: &Context, span: u64) {
        let Some(page) = self.page() else { return };
        page.backend_begun = Some(now);
        if let Some(record) = &mut page.record {
            let url = hidden(context, &setup::text(&context.request.url));
            if let Some(told) = &mut page.told {
                told.forwards(context, url.clone(), span);
            }
            record.backend_method = Some(context.request.method.to_string());
            record.backend_url = Some(url);
            record.backend_id = context.backend.as_ref().map(|backend| Arc::clone(&backend.id));
        }
    }

    /// A backend answered; its body may follow.
    pub(super) fn backend_answered(&mut self, sent: &Sent) {
        let Some(page) = self.page() else { return };
        if let Some(told) = &mut page.told {
            told.answered(sent.status.as_u16(), &sent.headers);
        }
        if let Some(record) = &mut page.record {
            record.backend_response_code = Some(sent.status.as_u16());
            record.backend_protocol = Some(sent.protocol.name());
            record.backend_address = sent.peer;
        }
    }

    /// A backend exchange is over, its body read.
    pub(super) fn backend_over(&mut self) {
        let Some(page) = self.page() else { return };
        if let Some(begun) = page.backend_begun.take() {
            page.backend = Some(page.backend.unwrap_or_default() + begun.elapsed());
        }
    }

    /// A backend exchange failed after that time.
    pub(super) fn backend_failed(&mut self, spent: Duration, failure: &Failure) {
        let Some(page) = self.page() else { return };
        page.backend_begun = None;
        page.backend = Some(page.backend.unwrap_or_default() + spent);
        if let Some(told) = &mut page.told {
            told.failed(&failure.message());
        }
    }

    /// Time was spent waiting for the client.
    pub(super) fn client_time(&mut self, spent: Duration) {
        if let Some(page) = self.page() {
            page.client += spent;
        }
    }

    /// The head of the response is decided.
    pub(super) fn answered(&mut self, status: StatusCode, exchange: Option<(&Context, &Exchange)>) {
        let Some(page) = self.page() else { return };
        page.status = Some(status);
        page.answered = Some(Instant::now());
        let (Some((context, exchange)), Some(record)) = (exchange, &mut page.record) else {
            return;
        };
        if let Some(told) = &mut page.told {
            told.named(context);
        }
        page.host = Some(Arc::clone(&context.request.original_url.host));
        page.request_id = context.request_id;
        record.method = context.request.original_method.to_string();
        record.url = hidden(context, &setup::text(&context.request.original_url));
        record.region = Some(Arc::clone(&context.deployment.region));
        record.operation_id = context
            .operation
            .as_ref()
            .map(|operation| Arc::clone(&operation.id));
        record.product_id = context.product.as_ref().map(|product| Arc::clone(&product.id));
        record.apim_subscription_id = context.subscription.as_ref().map(|one| Arc::clone(&one.id));
        record.user_id = context.user.as_ref().map(|user| Arc::clone(&user.id));
        record.configuration_revision = Some(Arc::clone(&exchange.active.snapshot.revision));
        let error = context.last_error.as_ref().map(|error| ErrorRecord {
            elapsed: page.begun.elapsed(),
            source: Arc::clone(&error.source),
            scope: error.scope.clone(),
            path: error.path.clone(),
            section: error.section.clone(),
            reason: Arc::clone(&error.reason),
            message: error.message.clone(),
        });
        record.errors.extend(error.clone());
        record.last_error = error.map(Box::new);
    }

    /// Puts the book on the response: it is closed when the body is over.
    pub(super) fn attach(mut self, body: ResponseBody) -> ResponseBody {
        match self.page.take() {
            Some(page) => {
                let (conn, traffic) = (Rc::clone(&page.conn), Rc::clone(&page.traffic));
                body.with_tail(Tail {
                    conn,
                    traffic,
                    finish: page,
                })
            }
            None => body,
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // Still here: the client went away before there was a response.
        if let Some(mut page) = self.page.take() {
            page.status = None;
            page.conn.request_ends();
            page.finish();
        }
    }
}

/// `url` without the subscription key.
fn hidden(context: &Context, url: &str) -> String {
    let name = context
        .api
        .as_ref()
        .map_or("subscription-key", |api| &*api.key_query);
    masked(url, &[name, "subscription-key"]).into_owned()
}

impl Page {
    fn notes(&mut self, notes: Vec<Note>, request_id: &[u8; 16]) {
        let plans = self.active.as_ref().map(|active| &active.plans);
        notes::write(
            notes,
            &guid(request_id),
            &self.worker.node.metrics,
            self.worker.id,
            plans,
            self.told.as_deref_mut(),
        );
    }
}

impl Finish for Page {
    fn passed(&mut self, bytes: &[u8]) {
        if let Some(told) = &mut self.told {
            told.body(Side::FrontendResponse, bytes);
        }
        if let Some(meter) = &mut self.meter {
            meter.feed(bytes);
        }
    }

    fn finish(&mut self) {
        let now = Instant::now();
        let total = now - self.begun;
        if let Some(begun) = self.backend_begun.take() {
            self.backend = Some(self.backend.unwrap_or_default() + (now - begun));
        } else if let Some(answered) = self.answered {
            // No backend had a part in what was sent since: the client took that long.
            self.client += now - answered;
        }
        let metrics = &self.worker.node.metrics;
        metrics.requests_active.dec();
        self.worker.admission.leave();
        let status = self.status.map_or(CLIENT_CLOSED, |status| status.as_u16());
        let (received, sent) = (self.traffic.received.get(), self.traffic.sent.get());
        self.route.record(&Sample {
            status,
            total,
            backend: self.backend,
            received,
            sent,
        });
        self.conn.worked(self.route.api(), self.refused, received, sent);
        for mut count in self.bandwidth.drain(..) {
            count.increment = received.saturating_add(sent);
            charge(&self.worker, count);
        }
        if let Some(meter) = self.meter.take() {
            let (counts, notes) = meter.finish();
            for count in counts {
                charge(&self.worker, count);
            }
            let id = self.request_id;
            self.notes(notes, &id);
        }
        let Some(mut record) = self.record.take() else {
            return;
        };
        record.is_request_success = (200..400).contains(&status) && !self.traffic.cut_short.get();
        record.total_time = total;
        record.total_time_us = total.as_micros() as u64;
        record.correlation_id = guid(&self.request_id);
        record.response_code = status;
        record.request_size = Some(received);
        record.response_size = Some(sent);
        record.backend_time = self.backend;
        record.client_time = Some(self.client);
        if self.traffic.cut_short.get() && record.last_error.is_none() {
            record.last_error = Some(Box::new(ErrorRecord {
                source: "forward-request".into(),
                reason: "BackendConnectionFailure".into(),
                message: "the backend's response body ended early; the client's connection was cut"
                    .to_owned(),
                ..ErrorRecord::default()
            }));
        } else if (self.status.is_none() || !self.traffic.complete.get()) && record.last_error.is_none() {
            record.last_error = Some(Box::new(ErrorRecord {
                source: "client".into(),
                reason: "ClientConnectionFailure".into(),
                message: "the client closed the connection before the response was complete".to_owned(),
                ..ErrorRecord::default()
            }));
        }
        if self.worker.node.exports.measures() {
            let measured = measured(&record, self.host.take(), self.client);
            let random = self.worker.machine.random();
            self.worker.node.exports.measure(self.worker.id, measured, random);
        }
        if let Some(told) = self.told.take() {
            let body = self.traffic.beginning.take();
            record.told = told.finish(&mut record, body).map(Box::new);
        }
        if self.worker.node.sink.wants_records() || record.told.is_some() {
            self.worker.node.sink.record(*record);
        }
    }
}

/// The request as the original's metrics count it.
fn measured(record: &RequestRecord, host: Option<Arc<str>>, client: Duration) -> Measured {
    Measured {
        dimensions: Dimensions {
            hostname: host.unwrap_or_else(|| "None".into()),
            code: record.response_code,
            backend_code: record.backend_response_code,
            cache: record.cache,
            reason: record.last_error.as_ref().map(|error| Arc::clone(&error.reason)),
        },
        total: record.total_time,
        backend: record.backend_time,
        client,
    }
}

/// Charges a counter beside the request, which is over.
fn charge(worker: &Rc<Worker>, count: Count) {
    if worker.external().is_none() {
        worker.node.counters.charge(&count);
        return;
    }
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        external::count(&worker, &count, true).await;
    });
}

/// As .NET prints a Guid.
pub(super) fn guid(bytes: &[u8; 16]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
