//! The life of one request between its head and its response: route, authorise, run the policies, perform
//! what they ask for, answer.
//!
//! One snapshot serves the whole request. Everything a request holds is in this future: a client that goes
//! away drops it, and with it the exchange with the backend.

mod affinity;
mod answer;
#[cfg(test)]
mod backend_tests;
mod client;
mod effects;
mod forward;
mod ledger;
mod race;
mod setup;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wait_tests;
pub(crate) mod world;

pub(crate) use forward::{call, escape, resolve};

use std::{
    rc::Rc,
    sync::atomic::Ordering,
    time::{SystemTime, UNIX_EPOCH},
};

use gateway_policy::{
    Execution, Failure,
    effect::{Outcome, Step},
    simulate::Recorder,
};
use http::{Request, Response, StatusCode};

use self::{effects::Exchange, ledger::Ledger, race::Race, setup::Start};
use crate::{
    debug::Answer,
    http::{
        body::{ClientBody, ResponseBody, Traffic},
        check,
        conn::Conn,
    },
    worker::Worker,
};

/// Liveness: 200 while the process works.
const STATUS_PATH: &str = "/status-0123456789abcdef";
/// Readiness: 503 until a configuration is active, and while draining.
const INTERNAL_STATUS_PATH: &str = "/internal-status-0123456789abcdef";

/// The protocol a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    Http3,
}

impl Protocol {
    /// As logs name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
        }
    }
}

/// Serves one request.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    conn: &Rc<Conn>,
    request: Request<ClientBody>,
    traffic: Rc<Traffic>,
    protocol: Protocol,
) -> Response<ResponseBody> {
    let mut ledger = Ledger::open(&worker, conn, traffic, protocol);
    let (mut parts, body) = request.into_parts();
    if parts.headers.len() > worker.node.settings.limits.headers {
        let response = answer::bare(ledger, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        return answer::and_close(response, protocol);
    }
    let addressed = match check::addressed(&parts) {
        Ok(addressed) => addressed,
        Err(rule) => {
            let response = answer::refused(&mut ledger, &parts, &Failure::BadRequest(rule.to_owned()));
            // What follows on this connection cannot be trusted to be what it seems.
            return answer::and_close(response, protocol);
        }
    };
    if let Some(status) = reserved(&worker, addressed.path) {
        return answer::bare(ledger, status);
    }
    let most = worker.node.settings.limits.requests_per_worker;
    let memory_is_full = worker.node.memory_is_full.load(Ordering::Relaxed);
    if let Some(pressure) = worker.admission.judge(most, memory_is_full) {
        return answer::overloaded(&worker, ledger, pressure);
    }
    let Some(active) = worker.node.active() else {
        let failure = Failure::Unavailable("no configuration is active yet".to_owned());
        return answer::refused(&mut ledger, &parts, &failure);
    };
    let prepared = setup::prepare(&worker, conn, &active, &parts, addressed);
    ledger.client(prepared.client);
    ledger.matched(active.route(prepared.operation.as_ref()), prepared.api.as_ref());
    let trace = ledger.tells(&active, prepared.api.as_deref(), &parts.headers);
    let mut exchange = Exchange::new(worker, conn, active, body, &prepared, &parts, protocol);
    exchange.trace = trace;
    let api = prepared.api.as_ref().map(|api| &*api.name);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    exchange.debug = exchange
        .worker
        .node
        .debug
        .asked(&mut parts.headers, api, now.as_secs());
    match prepared.start(parts, &exchange) {
        Start::Answer(mut context) => answer::finished(&mut context, exchange, ledger),
        Start::Execute(mut execution) => {
            execute(&mut execution, &mut exchange, &mut ledger).await;
            answer::finished(execution.context_mut(), exchange, ledger)
        }
    }
}

/// Runs the policies; every effect is performed before the next step.
async fn execute(execution: &mut Execution, exchange: &mut Exchange, ledger: &mut Ledger) {
    let wanted = exchange.debug.take();
    let mut recorder = None;
    if wanted == Some(Answer::Record) {
        execution.context_mut().tracing = true;
        recorder = Some(Box::<Recorder>::default());
    }
    let mut outcome = Outcome::Start;
    let mut race = Race::default();
    loop {
        match execution.resume(outcome, &exchange.worker.machine) {
            Step::Done => break,
            Step::Effect(effect) => {
                // A `wait` is over: what it did not need any more is dropped.
                race.cancel();
                if let Some(recorder) = &mut recorder {
                    recorder.asked(&effect, execution);
                }
                outcome = exchange.perform(effect, execution.context_mut(), ledger).await;
                if let Some(recorder) = &mut recorder {
                    recorder.answered(&outcome);
                }
            }
            Step::Start(started) => {
                if let Some(recorder) = &mut recorder {
                    started
                        .iter()
                        .for_each(|(_, effect)| recorder.asked(effect, execution));
                }
                outcome = race
                    .next(started, exchange, execution.context_mut(), ledger)
                    .await;
            }
        }
    }
    let notes = execution.drain_notes();
    if let Some(answer) = &wanted {
        let id = ledger::guid(&execution.context().request_id);
        if let Some(recorder) = recorder {
            let record = recorder.finish(execution, &notes);
            exchange.worker.node.debug.keep(id.clone(), &record);
        }
        if let Some(response) = &mut execution.context_mut().response {
            crate::debug::tell(answer, &id, &mut response.headers);
        }
    }
    if !notes.is_empty() {
        ledger.notes(notes, &execution.context().request_id);
    }
    ledger.ran(execution);
}

/// The answer of a path that belongs to the gateway itself.
fn reserved(worker: &Worker, path: &str) -> Option<StatusCode> {
    match path {
        STATUS_PATH => Some(StatusCode::OK),
        INTERNAL_STATUS_PATH if worker.node.is_ready() => Some(StatusCode::OK),
        INTERNAL_STATUS_PATH => Some(StatusCode::SERVICE_UNAVAILABLE),
        _ => None,
    }
}
