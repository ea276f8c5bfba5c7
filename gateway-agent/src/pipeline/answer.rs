//! From the context at its end to the response the client gets.

use bytes::Bytes;
use gateway_policy::{
    Context, Failure,
    context::{Body, Response as ContextResponse},
};
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};

use super::{Protocol, effects::Exchange, ledger::Ledger};
use crate::{
    http::{body::ResponseBody, check::target_text},
    overload::{Pressure, RETRY_AFTER},
    worker::Worker,
};

/// The response of a request that went through the policies.
pub(super) fn finished(
    context: &mut Context,
    mut exchange: Exchange,
    mut ledger: Ledger,
) -> Response<ResponseBody> {
    let mut answer = context.response.take().unwrap_or_default();
    let head = context.request.original_method == Method::HEAD;
    ledger.answered(answer.status, Some((context, &exchange)));
    ledger.answer(&mut answer);
    let body = match &answer.body {
        Body::Streaming => exchange
            .upstream
            .take()
            .map_or_else(ResponseBody::empty, ResponseBody::upstream),
        Body::Buffered(bytes) => ResponseBody::full(bytes.clone()),
        Body::None | Body::Consumed => ResponseBody::empty(),
    };
    response(answer, body, head, ledger)
}

/// Puts head and body together; lengths are those of the body that is sent.
fn response(
    answer: ContextResponse,
    body: ResponseBody,
    head: bool,
    ledger: Ledger,
) -> Response<ResponseBody> {
    let mut status = answer.status;
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        // A policy made it up: it would leave the client waiting for the real response.
        status = StatusCode::INTERNAL_SERVER_ERROR;
    }
    let mut headers = answer.headers;
    let keeps_length = head || status == StatusCode::NOT_MODIFIED;
    let body = match answer.body {
        Body::Buffered(bytes) => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            if head { ResponseBody::empty() } else { body }
        }
        Body::None | Body::Consumed if !keeps_length => {
            headers.remove(header::CONTENT_LENGTH);
            body
        }
        _ => body,
    };
    let mut response = Response::new(ledger.attach(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if let Some(reason) = answer.reason
        && status.canonical_reason() != Some(&*reason)
        && let Ok(phrase) = hyper::ext::ReasonPhrase::try_from(reason.as_bytes())
    {
        response.extensions_mut().insert(phrase);
    }
    response
}

/// An answer of the gateway itself, before any policy has a say.
pub(super) fn refused(ledger: &mut Ledger, parts: &Parts, failure: &Failure) -> Response<ResponseBody> {
    let statuses = ledger.statuses();
    let status = failure.status(statuses);
    let body = failure.body(statuses, &ledger.request_id());
    ledger.refused(failure, &parts.method, target_text(&parts.uri), status);
    let mut response = bare(ledger.hand_over(), status);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    if parts.method != Method::HEAD {
        response.body_mut().fill(body);
    }
    response
}

/// 503 before anything else is done for the request: it has to be cheap.
pub(super) fn overloaded(worker: &Worker, ledger: Ledger, pressure: Pressure) -> Response<ResponseBody> {
    worker
        .node
        .metrics
        .refused
        .with_label_values(&[pressure.reason()])
        .inc();
    let mut response = bare(ledger, StatusCode::SERVICE_UNAVAILABLE);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    response
}

/// A status without a body.
pub(super) fn bare(mut ledger: Ledger, status: StatusCode) -> Response<ResponseBody> {
    ledger.answered(status, None);
    let mut response = Response::new(ledger.attach(ResponseBody::full(Bytes::new())));
    *response.status_mut() = status;
    response
}

/// Ends the connection after this response. HTTP/2 and 3 carry other requests on it, which are fine.
pub(super) fn and_close(mut response: Response<ResponseBody>, protocol: Protocol) -> Response<ResponseBody> {
    if protocol == Protocol::Http1 {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
