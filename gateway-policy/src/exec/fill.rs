//! `cache-value` while it runs: what is looked up before its children, and what is kept after them.

use std::sync::Arc;

use gateway_expr::{Value, World};

use super::{After, Execution, Frame, Waiting};
use crate::{
    effect::{CacheAction, Effect, Outcome, Permit},
    failure::Failure,
    policies::cache_value_block::{CacheValue, age_key},
    program::{Instruction, Op, ScopeDoc},
};

/// One `cache-value` on its way.
#[derive(Debug)]
pub(super) struct Fill {
    key: Arc<str>,
    asked: Asked,
    /// What is kept and too old.
    stale: Option<Value>,
    /// What the variable held before.
    before: Option<Value>,
    /// Held by the one request of this node that makes the value anew.
    _permit: Option<Permit>,
}

/// What was asked last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Value,
    Age,
    Permit,
    Keep,
    KeepAge,
}

impl Execution {
    pub(super) fn begin_fill(
        &mut self,
        instruction: &Instruction,
        policy: &CacheValue,
        doc: &ScopeDoc,
        world: &dyn World,
    ) -> Result<After, Failure> {
        self.log(instruction);
        self.trace_start(world);
        let key = self.with_run(instruction, doc, world, |run| policy.key(run))?;
        let forced = self.with_run(instruction, doc, world, |run| Ok(policy.forced(run)))?;
        let effect = policy.ask(&key, CacheAction::Lookup);
        self.frames.push(Frame::Fill(Box::new(Fill {
            key,
            asked: Asked::Value,
            stale: None,
            before: None,
            _permit: None,
        })));
        if forced {
            return self.make(instruction, policy, doc, world);
        }
        Ok(After::Ask(effect, Waiting::Policy))
    }

    pub(super) fn resume_fill(
        &mut self,
        instruction: &Instruction,
        policy: &CacheValue,
        end: usize,
        outcome: Outcome,
        doc: &ScopeDoc,
        world: &dyn World,
    ) -> Result<After, Failure> {
        let Some(Frame::Fill(fill)) = self.frames.last_mut() else {
            return Err(lost());
        };
        match (fill.asked, outcome) {
            (Asked::Value, Outcome::Cached(Some(value))) if policy.ages() => {
                fill.stale = Some(value);
                fill.asked = Asked::Age;
                let effect = policy.ask(&age_key(&fill.key), CacheAction::Lookup);
                Ok(After::Ask(effect, Waiting::Policy))
            }
            (Asked::Value, Outcome::Cached(Some(value))) => {
                self.use_value(instruction, policy, value, end, doc, world)
            }
            (Asked::Age, Outcome::Cached(None)) => {
                fill.asked = Asked::Permit;
                let key = age_key(&fill.key);
                Ok(After::Ask(Effect::Enter { key, max_count: 1 }, Waiting::Policy))
            }
            // Fresh, or somebody else makes it anew, or nobody knows its age.
            (Asked::Age, _) | (Asked::Permit, Outcome::Permit(None)) => match fill.stale.take() {
                Some(kept) => self.use_value(instruction, policy, kept, end, doc, world),
                None => self.make(instruction, policy, doc, world),
            },
            (Asked::Permit, Outcome::Permit(permit)) => {
                fill._permit = permit;
                self.make(instruction, policy, doc, world)
            }
            // A cache that cannot be reached is a miss.
            _ => self.make(instruction, policy, doc, world),
        }
    }

    /// The value is there: past the children.
    fn use_value(
        &mut self,
        instruction: &Instruction,
        policy: &CacheValue,
        value: Value,
        end: usize,
        doc: &ScopeDoc,
        world: &dyn World,
    ) -> Result<After, Failure> {
        self.context.variables.set(&policy.variable, value);
        self.frames.pop();
        self.trace_end(instruction, doc, world, "hit");
        self.at.pc = end;
        Ok(After::Go)
    }

    /// Into the children, who find the variable unset.
    fn make(
        &mut self,
        instruction: &Instruction,
        policy: &CacheValue,
        doc: &ScopeDoc,
        world: &dyn World,
    ) -> Result<After, Failure> {
        if let Some(Frame::Fill(fill)) = self.frames.last_mut() {
            fill.before = self.context.variables.remove(&policy.variable);
        }
        self.trace_end(instruction, doc, world, "miss");
        self.at.pc += 1;
        Ok(After::Go)
    }

    /// The children have run.
    pub(super) fn end_fill(
        &mut self,
        start: usize,
        doc: &ScopeDoc,
        world: &dyn World,
    ) -> Result<After, Failure> {
        let (instruction, policy) = opened(start, doc, self.at.section)?;
        let made = self.context.variables.get(&policy.variable).cloned();
        if let Some(made) = made.filter(|value| !value.is_null()) {
            let Some(Frame::Fill(fill)) = self.frames.last_mut() else {
                return Err(lost());
            };
            fill.asked = Asked::Keep;
            let key = Arc::clone(&fill.key);
            let effect = self.with_run(instruction, doc, world, |run| policy.keep(run, &key, made))?;
            return Ok(After::Ask(effect, Waiting::Policy));
        }
        let Some(Frame::Fill(fill)) = self.frames.pop() else {
            return Err(lost());
        };
        let instead = match fill.stale {
            Some(stale) => Some(stale),
            None => {
                let default = self.with_run(instruction, doc, world, |run| policy.default(run))?;
                default.or(fill.before)
            }
        };
        if let Some(value) = instead {
            self.context.variables.set(&policy.variable, value);
        }
        self.at.pc += 1;
        Ok(After::Go)
    }

    /// Storing is asynchronous in the original: nobody learns of a failure.
    pub(super) fn resume_end_fill(
        &mut self,
        start: usize,
        doc: &ScopeDoc,
        world: &dyn World,
    ) -> Result<After, Failure> {
        let (instruction, policy) = opened(start, doc, self.at.section)?;
        let Some(Frame::Fill(fill)) = self.frames.last_mut() else {
            return Err(lost());
        };
        if fill.asked == Asked::Keep {
            fill.asked = Asked::KeepAge;
            let key = Arc::clone(&fill.key);
            let effect = self.with_run(instruction, doc, world, |run| policy.keep_age(run, &key))?;
            if let Some(effect) = effect {
                return Ok(After::Ask(effect, Waiting::Policy));
            }
        }
        self.frames.pop();
        self.at.pc += 1;
        Ok(After::Go)
    }
}

/// The `cache-value` that a `CacheFill` ends.
fn opened(
    start: usize,
    doc: &ScopeDoc,
    section: crate::scope::Section,
) -> Result<(&Instruction, &CacheValue), Failure> {
    match doc.section(section).get(start) {
        Some(instruction) => match &instruction.op {
            Op::CacheValue { policy, .. } => Ok((instruction, policy)),
            _ => Err(lost()),
        },
        None => Err(lost()),
    }
}

fn lost() -> Failure {
    Failure::Unavailable("The program lost a place.".into())
}
