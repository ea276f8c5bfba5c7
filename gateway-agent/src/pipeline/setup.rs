//! Before the first policy: which API and operation, in whose name, with which program; the context they see.

use std::{borrow::Cow, net::IpAddr, rc::Rc, sync::Arc};

use gateway_config::{
    Access, Match, Preflight, RequestKey, Route,
    access::Grant,
    snapshot::{ApiEntry, OperationEntry},
};
use gateway_policy::{
    Context, Evaluation, Execution, Failure, Program, World,
    context::{Body, Request, Url, Variables},
};
use http::request::Parts;
use http_body::Body as _;

use super::{client, effects::Exchange};
use crate::{
    http::{
        check::{Addressed, wants_websocket},
        conn::Conn,
    },
    node::Active,
    worker::Worker,
};

/// A request with all that was found out about it before policies run.
pub(super) struct Prepared {
    /// Who asks (`context.Request.IpAddress`).
    pub(super) client: IpAddr,
    pub(super) api: Option<Arc<ApiEntry>>,
    pub(super) operation: Option<Arc<OperationEntry>>,
    pub(super) websocket: bool,
    parameters: Vec<(Arc<str>, String)>,
    grant: Grant,
    program: Arc<Program>,
    /// A built-in step refused.
    failure: Option<Failure>,
    /// A CORS preflight: only `cors` policies answer.
    preflight: bool,
    original_url: Url,
    url: Url,
    request_id: [u8; 16],
    timestamp_ticks: i64,
}

/// How the request goes on.
pub(super) enum Start {
    /// The policies run.
    Execute(Box<Execution>),
    /// The context holds the answer.
    Answer(Box<Context>),
}

/// Routes and authorises.
pub(super) fn prepare(
    worker: &Worker,
    conn: &Rc<Conn>,
    active: &Active,
    parts: &Parts,
    addressed: Addressed<'_>,
) -> Prepared {
    let secure = client::is_secure(worker.node.settings.forwarded_proto, conn, &parts.headers);
    let scheme = worker.node.schemes.of(secure);
    let websocket = wants_websocket(&parts.method, parts.version, &parts.headers);
    let key = RequestKey {
        scheme,
        host: addressed.host,
        method: &parts.method,
        path: addressed.path,
        query: addressed.query,
        headers: &parts.headers,
        websocket,
    };
    let mut found = Found::default();
    found.route(active, &key);
    let original_url = Url {
        scheme: Arc::clone(scheme),
        host: host(conn, addressed.host),
        port: addressed.port.unwrap_or(if secure { 443 } else { 80 }),
        path: addressed.path.to_owned(),
        query: addressed.query.to_owned(),
    };
    let service = found.api.as_ref().and_then(|api| api.service_url.as_ref());
    let url = match service {
        Some(base) => backend_url(
            base,
            addressed.path.get(found.path_offset..).unwrap_or_default(),
            addressed.query,
        ),
        None => original_url.clone(),
    };
    let program = active.snapshot.program(
        found.api.as_deref(),
        found.operation.as_deref(),
        found.grant.product.as_deref(),
    );
    Prepared {
        client: client::address(conn, &parts.headers),
        api: found.api,
        operation: found.operation,
        websocket,
        parameters: found.parameters,
        grant: found.grant,
        program: Arc::clone(program),
        failure: found.failure,
        preflight: found.preflight,
        original_url,
        url,
        request_id: worker.machine.guid(),
        timestamp_ticks: worker.machine.utc_now_ticks(),
    }
}

/// What routing and authorisation gave.
#[derive(Default)]
struct Found {
    api: Option<Arc<ApiEntry>>,
    operation: Option<Arc<OperationEntry>>,
    parameters: Vec<(Arc<str>, String)>,
    path_offset: usize,
    grant: Grant,
    failure: Option<Failure>,
    preflight: bool,
}

impl Found {
    fn route(&mut self, active: &Active, key: &RequestKey<'_>) {
        match active.snapshot.route(key) {
            Route::Matched(matched) => self.matched(active, key, matched),
            Route::Preflight(Preflight {
                api,
                requested,
                own,
                path_offset,
            }) => match own {
                Some(own) => self.matched(active, key, own),
                None => {
                    self.api = Some(Arc::clone(api));
                    self.operation = requested.cloned();
                    self.path_offset = path_offset;
                    self.preflight = true;
                }
            },
            Route::NoOperation { api } => {
                self.api = api.cloned();
                self.failure = Some(Failure::NoOperation);
            }
            Route::Refused { api, reason } => {
                self.api = Some(Arc::clone(api));
                self.failure = Some(Failure::PolicyNotLoaded {
                    scope: Arc::clone(reason),
                });
            }
        }
    }

    fn matched(&mut self, active: &Active, key: &RequestKey<'_>, matched: Match<'_>) {
        self.api = Some(Arc::clone(matched.api));
        self.operation = Some(Arc::clone(matched.operation));
        self.parameters = matched.parameters;
        self.path_offset = matched.path_offset;
        match active.snapshot.authorize(matched.api, key) {
            Access::Granted(grant) => self.grant = grant,
            Access::KeyMissing(_) => self.failure = Some(Failure::KeyMissing),
            Access::KeyInvalid(_) => self.failure = Some(Failure::KeyInvalid),
        }
    }
}

/// The host asked for; HTTP/1.0 clients may name none and mean the address they connected to.
fn host(conn: &Conn, named: &str) -> Arc<str> {
    if named.is_empty() {
        conn.host(&conn.local.ip().to_canonical().to_string())
    } else {
        conn.host(named)
    }
}

/// Service URL plus what follows the API part of the path. No slash is added.
fn backend_url(base: &Url, rest: &str, query: &str) -> Url {
    let prefix = base.path.strip_suffix('/').unwrap_or(&base.path);
    let path = match (prefix, rest) {
        ("", "") => "/".to_owned(),
        _ => [prefix, rest].concat(),
    };
    let query = match (base.query.as_str(), query) {
        ("", query) => query.to_owned(),
        (base, "") => base.to_owned(),
        (base, query) => format!("{base}&{query}"),
    };
    Url {
        scheme: Arc::clone(&base.scheme),
        host: Arc::clone(&base.host),
        port: base.port,
        path,
        query,
    }
}

impl Prepared {
    /// Hands the request over to the policies, or answers what they have no say in.
    pub(super) fn start(self, parts: Parts, exchange: &Exchange) -> Start {
        let program = Arc::clone(&self.program);
        let (failure, preflight) = (self.failure.clone(), self.preflight);
        let mut context = self.context(parts, exchange);
        let statuses = exchange.worker.node.settings.statuses;
        let definitions = exchange
            .active
            .snapshot
            .definitions(exchange.operation.as_deref());
        let mut failure = failure;
        if preflight {
            if let Some(response) = program.preflight(&mut context, &exchange.worker.machine) {
                context.response = Some(response);
                return Start::Answer(Box::new(context));
            }
            // No `cors` policy in effect: OPTIONS is a method like any other, and nothing answers it.
            context.operation = None;
            failure = Some(Failure::NoOperation);
        }
        // The one file that a policy serves outside any API.
        if failure == Some(Failure::NoOperation)
            && context.request.method == http::Method::GET
            && let Some(response) = program.file(&context.request.original_url.path)
        {
            context.response = Some(response);
            return Start::Answer(Box::new(context));
        }
        let execution = match failure {
            Some(failure) => Execution::failed(program, context, failure),
            None => Execution::new(program, context),
        };
        let execution = execution.with_backend_statuses(statuses);
        let mut execution = execution.with_definitions(definitions);
        // A certificate that the listener could not verify ended the handshake.
        if execution.context().request.certificate.is_some() {
            execution = execution.with_trusted_certificate();
        }
        Start::Execute(Box::new(execution))
    }

    fn context(self, parts: Parts, exchange: &Exchange) -> Context {
        let conn = &exchange.conn;
        let body = if exchange.body.as_ref().is_none_or(|body| body.is_end_stream()) {
            Body::None
        } else {
            Body::Streaming
        };
        let grant = self.grant;
        Context {
            api: self.api.map(|entry| Arc::clone(&entry.api)),
            operation: self.operation.map(|entry| Arc::clone(&entry.operation)),
            product: grant.product.map(|entry| Arc::clone(&entry.product)),
            subscription: grant.subscription.map(|entry| Arc::clone(&entry.subscription)),
            subscription_key: grant.key,
            user: grant.user,
            backend: None,
            deployment: Arc::clone(&exchange.active.deployment),
            request: Request {
                original_method: parts.method.clone(),
                method: parts.method,
                url: self.url,
                original_url: self.original_url,
                headers: parts.headers,
                matched_parameters: self.parameters,
                body,
                ip_address: Some(self.client),
                certificate: conn.tls.get().and_then(|tls| tls.client_certificate.clone()),
            },
            response: None,
            last_error: None,
            variables: Variables::default(),
            request_id: self.request_id,
            timestamp_ticks: self.timestamp_ticks,
            tracing: false,
            evaluation: Evaluation {
                rules: exchange.worker.node.settings.expressions,
                ..Evaluation::default()
            },
        }
    }
}

/// `url` as text, for records.
pub(super) fn text(url: &Url) -> String {
    let default = if &*url.scheme == "https" { 443 } else { 80 };
    let host: Cow<'_, str> = if url.host.contains(':') {
        format!("[{}]", url.host).into()
    } else {
        (&*url.host).into()
    };
    let port = if url.port == default || url.port == 0 {
        String::new()
    } else {
        format!(":{}", url.port)
    };
    let query = if url.query.is_empty() {
        String::new()
    } else {
        format!("?{}", url.query)
    };
    format!("{}://{host}{port}{}{query}", url.scheme, url.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(path: &str, query: &str) -> Url {
        Url {
            scheme: "https".into(),
            host: "b.test".into(),
            port: 443,
            path: path.into(),
            query: query.into(),
        }
    }

    #[track_caller]
    fn check(base: &Url, rest: &str, query: &str, expected: &str) {
        assert_eq!(text(&backend_url(base, rest, query)), expected);
    }

    #[test]
    fn the_backend_url_is_service_url_and_rest() {
        check(&base("/", ""), "/items/1", "a=b", "https://b.test/items/1?a=b");
        check(&base("/v1", ""), "/items", "", "https://b.test/v1/items");
        check(&base("/v1/", ""), "/items/", "", "https://b.test/v1/items/");
        check(&base("/v1", ""), "", "", "https://b.test/v1");
        check(&base("", ""), "", "", "https://b.test/");
        check(
            &base("/f", "code=1"),
            "/x",
            "a=b",
            "https://b.test/f/x?code=1&a=b",
        );
    }
}
