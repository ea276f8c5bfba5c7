//! One exchange: runs a program as far as it can, asks for what only the agent can do, goes on.
//!
//! A flat program with an explicit stack: no recursion, nothing held across an effect but this value, so
//! dropping it is all that cancelling takes. Order and endings as documented ("Policies in Azure API
//! Management", `policies.md` §1.3): inbound → backend → outbound, any failure goes to on-error, and
//! nothing comes back from there.

#[cfg(test)]
mod expression_tests;
mod fill;
mod race;
#[cfg(test)]
mod race_tests;
mod run;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_expr::{Context, World};
use http::StatusCode;
use smallvec::SmallVec;

pub(crate) use run::{Exchange, Run};

use crate::{
    context::{Body, Response},
    effect::{Count, Effect, Message, Outcome, Permit, Step},
    failure::{BackendStatuses, Failure},
    policies::{Flow, TokenMeter, retry, wait::For},
    program::{Instruction, Op, Program, ScopeDoc, Site},
    schema::Definitions,
    scope::{Scope, Section},
    trace::{self, Executed, ExecutedPolicy, Note, TraceRecord},
};

/// Most instructions of one exchange. Documents cannot loop but through `retry`, which is bounded by 50
/// per level; nested ones multiply, and this bounds the product.
const INSTRUCTIONS_MAX: u32 = 1_000_000;

/// One exchange on its way through a program. Lives on one worker.
#[derive(Debug)]
pub struct Execution {
    program: Arc<Program>,
    context: Context,
    exchange: Exchange,
    statuses: BackendStatuses,
    at: Position,
    frames: SmallVec<[Frame; 6]>,
    waiting: Waiting,
    executed: SmallVec<[Executed; 16]>,
    failure: Option<Failure>,
    /// Where a failure that a `retry` gives up on came from.
    reraised: Option<(Option<Site>, usize)>,
    /// A `wait` whose branches run.
    race: Option<Box<race::Race>>,
    /// How many tickets were given out.
    tickets: u32,
    /// When the running policy started; only while tracing.
    started_ticks: i64,
    fuel: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    section: Section,
    /// Index of the scope whose document runs.
    level: usize,
    /// Index of the instruction.
    pc: usize,
}

#[derive(Debug)]
enum Frame {
    /// Return from a broader document.
    Base(Position),
    /// A `retry` around what runs.
    Retry(Box<retry::Loop>),
    /// The `wait` around what runs; only ever seen by a failure on its way out.
    Race,
    /// A `limit-concurrency` around what runs; dropping it gives the place back.
    Permit { _permit: Permit },
    /// A `cache-value` around what runs.
    Fill(Box<fill::Fill>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// Nothing was asked; the first call.
    Start,
    /// The current instruction's policy asked.
    Policy,
    /// The current instruction needs a body.
    Body(Message),
    /// The current `retry` waits before its next round.
    Retry,
    /// The current `limit-concurrency` wants in.
    Permit,
    /// A deferred policy at the end asked.
    Deferred,
    /// A deferred policy at the end needs a body.
    DeferredBody(Message),
    /// It is over.
    Over,
}

/// What the loop does after an instruction.
enum After {
    Go,
    Ask(Effect, Waiting),
    /// A branch of a `wait` has ended.
    Branch,
    End,
}

impl Execution {
    /// An exchange at its start: the built-in steps (routing, key check) let it pass.
    pub fn new(program: Arc<Program>, context: Context) -> Self {
        let at = Position {
            section: Section::Inbound,
            level: 0,
            pc: 0,
        };
        let exchange = Exchange::default();
        let mut execution = Self {
            program,
            context,
            exchange,
            statuses: BackendStatuses::default(),
            at,
            frames: SmallVec::new(),
            waiting: Waiting::Start,
            executed: SmallVec::new(),
            failure: None,
            reraised: None,
            race: None,
            tickets: 0,
            started_ticks: 0,
            fuel: INSTRUCTIONS_MAX,
        };
        execution.enter(Section::Inbound);
        execution
    }

    /// An exchange that a built-in step refused: only the on-error sections of the scopes known so far run.
    pub fn failed(program: Arc<Program>, context: Context, failure: Failure) -> Self {
        let mut execution = Self::new(program, context);
        // Logs of the original show `backend` for failures before any policy.
        execution.at.section = Section::Backend;
        execution.raise_from(None, failure);
        execution
    }

    /// With other statuses for backend failures than the documented ones.
    #[must_use]
    pub fn with_backend_statuses(mut self, statuses: BackendStatuses) -> Self {
        self.statuses = statuses;
        self
    }

    /// The listener verified the chain of `Request::certificate` against the authorities it trusts.
    #[must_use]
    pub fn with_trusted_certificate(mut self) -> Self {
        self.exchange.certificate_trusted = true;
        self
    }

    /// With what the API says about its messages; without it validation policies refuse.
    #[must_use]
    pub fn with_definitions(mut self, definitions: Definitions) -> Self {
        self.exchange.definitions = definitions;
        self
    }

    /// Runs until something must be asked for, or to the end. `outcome` answers the last effect;
    /// [`Outcome::Start`] begins. After [`Step::Done`] every further call gives `Done` again.
    pub fn resume(&mut self, outcome: Outcome, world: &dyn World) -> Step {
        let program = Arc::clone(&self.program);
        let outcome = match self.arrive(outcome) {
            Ok(outcome) => outcome,
            Err(step) => return step,
        };
        if let Some(step) = self.take_in(outcome, &program, world) {
            return step;
        }
        while self.waiting != Waiting::Over {
            self.fuel = self.fuel.saturating_sub(1);
            let Some((instruction, doc)) = self.current(&program) else {
                if let Some(step) = self.leave_list(&program, world) {
                    return step;
                }
                continue;
            };
            let after = if self.fuel == 0 {
                Err(Failure::Unavailable("The policy ran too many statements.".into()))
            } else if let Some(message) = self.missing_body(instruction) {
                Ok(After::Ask(Effect::ReadBody(message), Waiting::Body(message)))
            } else {
                self.step(instruction, doc, world)
            };
            if let Some(step) = self.settle(after, doc.site(instruction.site), &program, world) {
                return step;
            }
        }
        Step::Done
    }

    /// The exchange as it stands.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The exchange, to be changed by the agent between effects (bodies, `Response` of its own).
    pub fn context_mut(&mut self) -> &mut Context {
        &mut self.context
    }

    /// The exchange at its end.
    pub fn into_context(self) -> Context {
        self.context
    }

    /// The first failure, if there was one, for logs and metrics; on-error may have answered otherwise.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The policies that ran, in order.
    pub fn executed(&self) -> impl Iterator<Item = ExecutedPolicy<'_>> {
        self.executed.iter().filter_map(|e| {
            let site = self
                .program
                .scopes
                .get(usize::from(e.scope))?
                .as_ref()?
                .site(u32::from(e.site))?;
            Some(ExecutedPolicy {
                policy: site.policy,
                scope: Scope::ALL[usize::from(e.scope)],
                section: Section::ALL[usize::from(e.section)],
                path: &site.path,
                id: site.id.as_deref(),
            })
        })
    }

    /// Takes the notes gathered so far.
    pub fn drain_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.exchange.notes)
    }

    /// Values of secret named values that the documents of this exchange use, for masking.
    pub fn secrets(&self) -> impl Iterator<Item = &Arc<str>> {
        self.program.scopes.iter().flatten().flat_map(|doc| &doc.secrets)
    }

    /// Takes what counts the tokens of the answer: it is fed with the bytes of the response on their way to
    /// the client and asked for the counts when the last one is sent.
    pub fn take_meter(&mut self) -> Option<Box<TokenMeter>> {
        self.exchange.meter.take()
    }

    /// Takes the bandwidth quotas of the exchange: to be charged (see [`Effect::Charge`]) with the bytes of
    /// request and response once the last one is sent.
    pub fn drain_bandwidth(&mut self) -> Vec<Count> {
        std::mem::take(&mut self.exchange.bandwidth)
    }

    /// The trace so far; empty unless `context.tracing`.
    pub fn trace(&self) -> &[TraceRecord] {
        &self.exchange.records
    }

    fn current<'p>(&self, program: &'p Program) -> Option<(&'p Instruction, &'p ScopeDoc)> {
        let doc = program.scopes.get(self.at.level)?.as_deref()?;
        Some((doc.section(self.at.section).get(self.at.pc)?, doc))
    }

    /// Starts a section at its narrowest document.
    fn enter(&mut self, section: Section) {
        self.race = None;
        self.frames.clear();
        // A program always has a global document, so there is a next one.
        let level = self.program.next(usize::MAX).unwrap_or(0);
        self.at = Position {
            section,
            level,
            pc: 0,
        };
    }

    /// Takes the outcome of what was asked for. Gives a step when the answer leads to another question.
    fn take_in(&mut self, outcome: Outcome, program: &Program, world: &dyn World) -> Option<Step> {
        let waiting = std::mem::replace(&mut self.waiting, Waiting::Start);
        if waiting == Waiting::Deferred {
            self.exchange.late = Some(outcome);
            return self.finish(world);
        }
        if let Waiting::DeferredBody(message) = waiting {
            match outcome {
                Outcome::Body(bytes) => self.set_body(message, Body::Buffered(bytes)),
                other => self.lose_body(message, other),
            }
            return self.finish(world);
        }
        if waiting == Waiting::Over {
            self.waiting = waiting;
            return Some(Step::Done);
        }
        let (instruction, doc) = self.current(program)?;
        let site = doc.site(instruction.site);
        let after = match (waiting, outcome) {
            (Waiting::Start | Waiting::Over | Waiting::Deferred | Waiting::DeferredBody(_), _) => {
                return None;
            }
            (Waiting::Body(message), Outcome::Body(bytes)) => {
                // Another branch of a `wait` may have read it meanwhile.
                if self.is_streaming(message) {
                    self.set_body(message, Body::Buffered(bytes));
                }
                return None;
            }
            (Waiting::Body(Message::Response), Outcome::Failed(Failure::BodyTooLarge { limit })) => {
                // The backend sent it, so it is not the client's 413.
                Err(Failure::BackendConnection(format!(
                    "The response body is larger than {limit} bytes."
                )))
            }
            (Waiting::Policy, outcome) => self.resume_policy(instruction, doc, outcome, world),
            (_, Outcome::Failed(failure)) => Err(failure),
            (Waiting::Retry, Outcome::Elapsed) => {
                self.retry_again();
                Ok(After::Go)
            }
            (Waiting::Permit, Outcome::Permit(permit)) => self.entered(instruction, permit),
            (_, outcome) => Err(Failure::Unavailable(format!(
                "The gateway answered {outcome:?} to another question."
            ))),
        };
        self.settle(after, site, program, world)
    }

    /// Acts on the result of an instruction; `None`: go on.
    fn settle(
        &mut self,
        after: Result<After, Failure>,
        site: Option<&Site>,
        program: &Program,
        world: &dyn World,
    ) -> Option<Step> {
        match after {
            Ok(After::Go) => None,
            Ok(After::Ask(effect, waiting)) => {
                self.waiting = waiting;
                if self.race.is_some() {
                    return self.ask_in_race(effect);
                }
                Some(Step::Effect(effect))
            }
            Ok(After::Branch) => self.end_branch(),
            Ok(After::End) => self.finish(world),
            Err(failure) => {
                self.trace_outcome(site, program, world, &failure.message());
                self.raise(site, failure, world)
            }
        }
    }

    fn step(
        &mut self,
        instruction: &Instruction,
        doc: &ScopeDoc,
        world: &dyn World,
    ) -> Result<After, Failure> {
        match &instruction.op {
            Op::Policy(policy) => {
                self.log(instruction);
                self.exchange.cursor = 0;
                self.trace_start(world);
                let flow = self.with_run(instruction, doc, world, |run| policy.run(run))?;
                self.flow(flow, instruction, doc, world)
            }
            Op::Base => {
                self.call_base();
                Ok(After::Go)
            }
            Op::Branch {
                condition,
                otherwise,
                first,
            } => {
                if *first {
                    self.log(instruction);
                }
                self.trace_start(world);
                let met = *self.with_run(instruction, doc, world, |run| condition.get(run))?;
                self.at.pc = if met { self.at.pc + 1 } else { *otherwise };
                if self.context.tracing {
                    self.exchange.details.push(("condition", met.to_string()));
                    self.trace_end(instruction, doc, world, "ok");
                }
                Ok(After::Go)
            }
            Op::Jump(target) => {
                self.at.pc = *target;
                Ok(After::Go)
            }
            Op::Retry { policy, end } => {
                self.log(instruction);
                let spec = self.with_run(instruction, doc, world, |run| policy.begin(run))?;
                self.frames.push(Frame::Retry(Box::new(retry::Loop::new(
                    spec,
                    self.at.pc + 1,
                    *end,
                ))));
                self.at.pc += 1;
                Ok(After::Go)
            }
            Op::RetryEnd { start } => self.retry_end(*start, doc, world),
            Op::Enter { policy } => {
                self.log(instruction);
                let effect = self.with_run(instruction, doc, world, |run| policy.ask(run))?;
                Ok(After::Ask(effect, Waiting::Permit))
            }
            Op::Leave => {
                self.frames.pop();
                self.at.pc += 1;
                Ok(After::Go)
            }
            Op::CacheValue { policy, .. } => self.begin_fill(instruction, policy, doc, world),
            Op::CacheFill { start } => self.end_fill(*start, doc, world),
            Op::Wait { wanted, starts, end } => {
                self.log(instruction);
                let wanted = *self.with_run(instruction, doc, world, |run| wanted.get(run))?;
                self.begin_race(wanted == For::Any, starts, *end);
                Ok(After::Go)
            }
            Op::BranchEnd => Ok(After::Branch),
            Op::Refuse => Err(Failure::PolicyNotLoaded {
                scope: Arc::clone(&doc.path),
            }),
            Op::Skip => {
                if let Some(site) = doc.site(instruction.site) {
                    self.exchange.note(Note::Skipped { policy: site.policy });
                }
                self.at.pc += 1;
                Ok(After::Go)
            }
        }
    }

    /// Goes into the same section of the next broader document, or on when there is none.
    fn call_base(&mut self) {
        let mut back = self.at;
        back.pc += 1;
        match self.program.next(self.at.level) {
            Some(level) => {
                self.frames.push(Frame::Base(back));
                self.at = Position {
                    level,
                    pc: 0,
                    ..self.at
                };
            }
            None => self.at = back,
        }
    }

    fn resume_policy(
        &mut self,
        instruction: &Instruction,
        doc: &ScopeDoc,
        outcome: Outcome,
        world: &dyn World,
    ) -> Result<After, Failure> {
        match &instruction.op {
            Op::Policy(policy) => {
                let flow = self.with_run(instruction, doc, world, |run| policy.resume(run, outcome))?;
                self.flow(flow, instruction, doc, world)
            }
            Op::CacheValue { policy, end } => {
                self.resume_fill(instruction, policy, *end, outcome, doc, world)
            }
            Op::CacheFill { start } => self.resume_end_fill(*start, doc, world),
            _ => Ok(After::Go),
        }
    }

    fn flow(
        &mut self,
        flow: Flow,
        instruction: &Instruction,
        doc: &ScopeDoc,
        world: &dyn World,
    ) -> Result<After, Failure> {
        match flow {
            Flow::Next => {
                self.trace_end(instruction, doc, world, "ok");
                self.at.pc += 1;
                Ok(After::Go)
            }
            Flow::Ask(effect) => Ok(After::Ask(effect, Waiting::Policy)),
            Flow::Outbound => {
                self.trace_end(instruction, doc, world, "outbound");
                self.enter(Section::Outbound);
                Ok(After::Go)
            }
            Flow::End => {
                self.trace_end(instruction, doc, world, "end");
                Ok(After::End)
            }
        }
    }

    fn with_run<R>(
        &mut self,
        instruction: &Instruction,
        doc: &ScopeDoc,
        world: &dyn World,
        body: impl FnOnce(&mut Run<'_>) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let Some(site) = doc.site(instruction.site) else {
            return Err(Failure::Unavailable("The program lost a place.".into()));
        };
        let mut run = Run {
            context: &mut self.context,
            world,
            exchange: &mut self.exchange,
            site,
            scope: Scope::ALL[self.at.level],
            section: self.at.section,
            pc: self.at.pc,
        };
        body(&mut run)
    }

    /// The end of a section's list: back into the narrower document, or on to the next section.
    fn leave_list(&mut self, _program: &Program, world: &dyn World) -> Option<Step> {
        match self.frames.pop() {
            Some(Frame::Base(back)) => {
                self.at = back;
                return None;
            }
            // Compiled blocks close what they open; a leftover is dropped with its section.
            Some(_) => return None,
            None => {}
        }
        match self.at.section {
            Section::Inbound => self.enter(Section::Backend),
            Section::Backend => {
                // Nothing forwarded: outbound works on an empty 200.
                self.context.response.get_or_insert_with(empty_response);
                self.enter(Section::Outbound);
            }
            Section::Outbound | Section::OnError => return self.finish(world),
        }
        None
    }

    /// A failure: an enclosing `retry` may take it, else on-error runs; inside on-error it is the end.
    fn raise(&mut self, site: Option<&Site>, failure: Failure, world: &dyn World) -> Option<Step> {
        let mut origin = self.at;
        let reraised = self.reraised.take();
        let site = match &reraised {
            Some((site, level)) => {
                origin.level = *level;
                site.as_ref()
            }
            None => site,
        };
        // Out of the branch of a `wait` too: its failure is the failure of the whole, the others are dropped.
        while let Some(frame) = self
            .frames
            .pop()
            .or_else(|| self.leave_race().then_some(Frame::Race))
        {
            match frame {
                Frame::Race => {}
                Frame::Base(back) => self.at = back,
                Frame::Permit { .. } | Frame::Fill(_) => {}
                // Unless what failed is the loop's own condition.
                Frame::Retry(mut round)
                    if origin
                        != (Position {
                            pc: round.end,
                            ..self.at
                        }) =>
                {
                    round.failed = Some((failure, site.cloned(), origin.level));
                    self.at.pc = round.end;
                    self.frames.push(Frame::Retry(round));
                    return None;
                }
                Frame::Retry(_) => {}
            }
        }
        self.at = origin;
        if self.at.section == Section::OnError {
            self.failure.get_or_insert(failure);
            return self.finish(world);
        }
        self.raise_from(site, failure);
        None
    }

    /// Fills `LastError`, puts the default answer into the context and starts on-error.
    fn raise_from(&mut self, site: Option<&Site>, failure: Failure) {
        let mut error = failure.last_error();
        error.section = Some(self.at.section.name().into());
        error.http_error_code = failure.status(self.statuses).as_u16();
        if let Some(site) = site {
            if error.source.is_empty() {
                error.source = site.policy.into();
            }
            error.scope = Some(Scope::ALL[self.at.level].name().into());
            error.path = Some(Arc::clone(&site.path));
            error.policy_id = site.id.clone();
        }
        self.context.last_error = Some(Box::new(error));
        // `fail-on-error-status-code`: the backend's answer stands.
        if !(matches!(failure, Failure::BackendStatus(_)) && self.context.response.is_some()) {
            self.context.response = Some(failure.response(self.statuses, &self.context));
        }
        self.failure = Some(failure);
        self.enter(Section::OnError);
    }

    /// The end: deferred counts run, gathered headers go onto the answer.
    fn finish(&mut self, world: &dyn World) -> Option<Step> {
        self.race = None;
        self.frames.clear();
        let program = Arc::clone(&self.program);
        while let Some(deferred) = self.exchange.deferred.pop() {
            self.at = Position {
                section: deferred.section,
                level: deferred.level,
                pc: deferred.pc,
            };
            let Some(doc) = program.scopes.get(deferred.level).and_then(Option::as_deref) else {
                continue;
            };
            let Some(instruction) = doc.section(deferred.section).get(deferred.pc) else {
                continue;
            };
            let Op::Policy(policy) = &instruction.op else {
                continue;
            };
            if let Some(message) = self.missing_body(instruction) {
                self.exchange.deferred.push(deferred);
                self.waiting = Waiting::DeferredBody(message);
                return Some(Step::Effect(Effect::ReadBody(message)));
            }
            let flow = self.with_run(instruction, doc, world, |run| policy.finish(run));
            self.exchange.late = None;
            match flow {
                // It runs again with the body in hand.
                Ok(Flow::Ask(Effect::ReadBody(message))) => {
                    self.exchange.deferred.push(deferred);
                    self.waiting = Waiting::DeferredBody(message);
                    return Some(Step::Effect(Effect::ReadBody(message)));
                }
                Ok(Flow::Ask(effect)) => {
                    self.waiting = Waiting::Deferred;
                    return Some(Step::Effect(effect));
                }
                // A refusal takes the place of the answer.
                Err(failure @ Failure::Refused(_)) => {
                    self.context.response = Some(failure.response(self.statuses, &self.context));
                    self.failure.get_or_insert(failure);
                }
                // The answer is made; any other failure can only be noted.
                _ => {}
            }
        }
        let response = self.context.response.get_or_insert_with(empty_response);
        for (name, value) in self.exchange.response_headers.drain(..) {
            response.headers.insert(name, value);
        }
        self.waiting = Waiting::Over;
        Some(Step::Done)
    }

    fn missing_body(&self, instruction: &Instruction) -> Option<Message> {
        let needs = instruction.needs;
        if needs.request_body && self.is_streaming(Message::Request) {
            return Some(Message::Request);
        }
        (needs.response_body && self.is_streaming(Message::Response)).then_some(Message::Response)
    }

    fn is_streaming(&self, message: Message) -> bool {
        match message {
            Message::Request => self.context.request.body == Body::Streaming,
            Message::Response => {
                let response = self.context.response.as_ref();
                response.is_some_and(|r| r.body == Body::Streaming)
            }
        }
    }

    fn set_body(&mut self, message: Message, body: Body) {
        match (message, &mut self.context.response) {
            (Message::Request, _) => self.context.request.body = body,
            (Message::Response, Some(response)) => response.body = body,
            (Message::Response, None) => {}
        }
    }

    /// A body that could not be read at the end: nobody can count it, and a response is lost with it.
    fn lose_body(&mut self, message: Message, outcome: Outcome) {
        self.exchange.deferred.clear();
        if message == Message::Response {
            let reason = match outcome {
                Outcome::Failed(failure) => failure.message(),
                other => format!("The gateway answered {other:?} to another question."),
            };
            let failure = Failure::BackendConnection(reason);
            self.context.response = Some(failure.response(self.statuses, &self.context));
            self.failure.get_or_insert(failure);
        }
    }

    fn retry_end(&mut self, start: usize, doc: &ScopeDoc, world: &dyn World) -> Result<After, Failure> {
        let start = &doc.section(self.at.section)[start];
        let Op::Retry { policy, .. } = &start.op else {
            return Ok(After::Go);
        };
        let Some(Frame::Retry(mut round)) = self.frames.pop() else {
            self.at.pc += 1;
            return Ok(After::Go);
        };
        let wait = self.with_run(start, doc, world, |run| policy.next(run, &mut round))?;
        match wait {
            Some(delay) => {
                self.frames.push(Frame::Retry(round));
                if delay.is_zero() {
                    self.retry_again();
                    return Ok(After::Go);
                }
                Ok(After::Ask(Effect::Delay(delay), Waiting::Retry))
            }
            None => match round.failed {
                Some((failure, site, level)) => {
                    self.reraised = Some((site, level));
                    Err(failure)
                }
                None => {
                    self.at.pc += 1;
                    Ok(After::Go)
                }
            },
        }
    }

    /// The next round of the innermost `retry`.
    fn retry_again(&mut self) {
        if let Some(Frame::Retry(round)) = self.frames.last_mut() {
            round.failed = None;
            self.at.pc = round.start;
        }
    }

    fn entered(&mut self, instruction: &Instruction, permit: Option<Permit>) -> Result<After, Failure> {
        let Op::Enter { policy } = &instruction.op else {
            return Ok(After::Go);
        };
        match permit {
            Some(permit) => {
                self.frames.push(Frame::Permit { _permit: permit });
                self.at.pc += 1;
                Ok(After::Go)
            }
            None => Err(policy.refused()),
        }
    }

    fn log(&mut self, instruction: &Instruction) {
        if self.executed.len() < trace::EXECUTED_MAX
            && let Ok(site) = u16::try_from(instruction.site)
        {
            self.executed.push(Executed {
                scope: self.at.level as u8,
                section: self.at.section as u8,
                site,
            });
        }
    }
}

fn empty_response() -> Response {
    Response {
        status: StatusCode::OK,
        ..Response::default()
    }
}
