//! What a running policy may touch: the context, the clock, and the notes of its exchange.

use std::sync::Arc;

use gateway_expr::{Context, Expression, Value, World};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Execution;
use crate::{
    context::{Body, Response, Url},
    effect::{ClientCertificate, Count, Outcome, Proxy},
    failure::Failure,
    policies::{SemanticEntry, TokenMeter},
    program::{Instruction, Program, ScopeDoc, Site},
    scope::{Scope, Section},
    trace::{self, NOTES_MAX, Note, TRACE_RECORDS_MAX, TraceRecord, TraceSeverity},
};

/// What policies leave behind for later in the same exchange.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// Put onto the final answer, whoever made it (CORS, remaining calls).
    pub(crate) response_headers: Vec<(HeaderName, HeaderValue)>,
    /// Policies to run again at the end.
    pub(crate) deferred: Vec<Deferred>,
    /// Base URL chosen by policy; `None`: the API's service URL.
    pub(crate) base: Option<Box<Url>>,
    /// Scope whose `set-backend-service backend-id` chose the backend.
    pub(crate) backend_scope: Option<Scope>,
    /// Where `cache-store` puts the response of this exchange.
    pub(crate) cache_entry: Option<Box<crate::policies::cache_response::Entry>>,
    /// What discovery documents said to the running policy.
    pub(crate) discovered: crate::policies::validate_jwt::Discovered,
    /// Shown when the backend asks for a client certificate.
    pub(crate) certificate: Option<ClientCertificate>,
    /// Between the gateway and the backend.
    pub(crate) proxy: Option<Proxy>,
    /// What counts a streamed answer of a language model on its way.
    pub(crate) meter: Option<Box<TokenMeter>>,
    /// What came of the effect that a policy asked for at the end.
    pub(crate) late: Option<Outcome>,
    /// What `llm-semantic-cache-lookup` leaves for the store.
    pub(crate) semantic: Option<Box<SemanticEntry>>,
    /// Counters by key that count this exchange already.
    pub(crate) counted: Vec<Arc<str>>,
    /// Counters that get the bytes of both messages when the exchange is over.
    pub(crate) bandwidth: Vec<Count>,
    /// The listener verified the client's certificate against its authorities.
    pub(crate) certificate_trusted: bool,
    /// What the API says about its messages.
    pub(crate) definitions: crate::schema::Definitions,
    /// Least remaining calls of the rate limits so far.
    pub(crate) calls_left: Option<u64>,
    /// How far a policy that counts several times at the end has come.
    pub(crate) finishing: usize,
    /// How far a policy that asks several times has come; reset before each policy.
    pub(crate) cursor: usize,
    /// Notes for the agent.
    pub(crate) notes: Vec<Note>,
    /// Details of the running policy, while tracing.
    pub(crate) details: Vec<(&'static str, String)>,
    /// Trace records, while tracing.
    pub(crate) records: Vec<TraceRecord>,
}

/// A policy that wants to run again at the end, by its position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deferred {
    pub(crate) level: usize,
    pub(crate) section: Section,
    pub(crate) pc: usize,
}

impl Exchange {
    pub(crate) fn note(&mut self, note: Note) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(note);
        }
    }
}

/// A policy's view while it runs.
pub(crate) struct Run<'a> {
    pub(crate) context: &'a mut Context,
    pub(crate) world: &'a dyn World,
    pub(crate) exchange: &'a mut Exchange,
    pub(crate) site: &'a Site,
    pub(crate) scope: Scope,
    pub(crate) section: Section,
    pub(crate) pc: usize,
}

impl Run<'_> {
    /// Runs an expression; an exception is the failure of this policy.
    pub(crate) fn evaluate(&mut self, expression: &Expression) -> Result<Value, Failure> {
        let result = expression.evaluate(self.context, self.world);
        if !self.context.evaluation.messages.is_empty() {
            self.hand_out_messages();
        }
        result.map_err(|exception| self.expression_failure(exception.message))
    }

    /// What `context.Trace` said goes where `trace` writes, under the policy's name.
    fn hand_out_messages(&mut self) {
        for message in std::mem::take(&mut self.context.evaluation.messages) {
            self.detail("trace", || message.clone());
            self.exchange.note(Note::Trace {
                source: self.site.policy.into(),
                severity: TraceSeverity::Verbose,
                message,
                metadata: Vec::new(),
            });
        }
    }

    /// An expression of this policy failed.
    pub(crate) fn expression_failure(&self, message: String) -> Failure {
        Failure::Expression {
            source: self.site.policy.into(),
            message,
        }
    }

    /// This policy cannot do its work.
    pub(crate) fn failure(&self, message: impl Into<String>) -> Failure {
        Failure::Policy {
            source: self.site.policy,
            message: message.into(),
        }
    }

    /// The agent answered something else than was asked for, or that it could not.
    pub(crate) fn unexpected(&self, outcome: crate::effect::Outcome) -> Failure {
        match outcome {
            crate::effect::Outcome::Failed(failure) => failure,
            other => self.failure(format!("The gateway answered {other:?} to another question.")),
        }
    }

    /// Remembers a detail for the trace; costs nothing when nobody traces.
    pub(crate) fn detail(&mut self, name: &'static str, value: impl FnOnce() -> String) {
        if self.context.tracing {
            self.exchange.details.push((name, value()));
        }
    }

    /// Runs this policy again at the end of the exchange ([`crate::policies::Policy::finish`]).
    pub(crate) fn defer(&mut self) {
        let deferred = Deferred {
            level: self.scope as usize,
            section: self.section,
            pc: self.pc,
        };
        self.exchange.deferred.push(deferred);
    }

    /// Marks the counter as one that counts this exchange; false when it does already. Equal keys count a
    /// request once, however many policies name them.
    pub(crate) fn counts_first(&mut self, key: &Arc<str>) -> bool {
        let counted = &mut self.exchange.counted;
        let first = !counted.contains(key);
        if first {
            counted.push(Arc::clone(key));
        }
        first
    }

    /// Sets a variable.
    pub(crate) fn set_variable(&mut self, name: &Arc<str>, value: Value) {
        self.context.variables.set(name, value);
    }

    /// The headers of the message that this section edits.
    pub(crate) fn headers(&mut self) -> &mut HeaderMap {
        if self.section.edits_request() {
            &mut self.context.request.headers
        } else {
            &mut self.response().headers
        }
    }

    /// The body of the message that this section edits.
    pub(crate) fn body(&mut self) -> &mut Body {
        if self.section.edits_request() {
            &mut self.context.request.body
        } else {
            &mut self.response().body
        }
    }

    /// The response, made if there is none yet.
    pub(crate) fn response(&mut self) -> &mut Response {
        self.context.response.get_or_insert_with(super::empty_response)
    }
}

impl Execution {
    pub(super) fn trace_start(&mut self, world: &dyn World) {
        if self.context.tracing {
            self.exchange.details.clear();
            self.started_ticks = world.utc_now_ticks();
        }
    }

    pub(super) fn trace_end(
        &mut self,
        instruction: &Instruction,
        doc: &ScopeDoc,
        world: &dyn World,
        outcome: &str,
    ) {
        if !self.context.tracing || self.exchange.records.len() >= TRACE_RECORDS_MAX {
            return;
        }
        let Some(site) = doc.site(instruction.site) else {
            return;
        };
        let details = std::mem::take(&mut self.exchange.details);
        self.exchange.records.push(TraceRecord {
            policy: site.policy,
            scope: Scope::ALL[self.at.level],
            section: self.at.section,
            path: Arc::clone(&site.path),
            id: site.id.clone(),
            at_ticks: self.started_ticks - self.context.timestamp_ticks,
            elapsed_ticks: world.utc_now_ticks() - self.started_ticks,
            inputs: details
                .into_iter()
                .map(|(n, v)| (n, trace::mask(v, &doc.secrets)))
                .collect(),
            outcome: trace::mask(outcome.to_owned(), &doc.secrets),
        });
    }

    /// The record of a policy that failed.
    pub(super) fn trace_outcome(
        &mut self,
        site: Option<&Site>,
        program: &Program,
        world: &dyn World,
        outcome: &str,
    ) {
        if site.is_some()
            && let Some((instruction, doc)) = self.current(program)
        {
            self.trace_end(instruction, doc, world, outcome);
        }
    }
}
