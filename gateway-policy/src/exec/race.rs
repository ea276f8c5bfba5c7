//! `wait`: branches of one list that wait for the world at the same time.
//!
//! A branch is what an execution is between two effects: its position, its frames, what it waits for. One
//! branch runs at a time; when it asks for something the next one begins. Only when every branch waits does
//! the execution return, with everything that was asked. Whatever is still under way when the `wait` ends
//! is the agent's to drop: an execution that goes on in another way says so ([`Step::Start`]).

use smallvec::SmallVec;

use super::{Execution, Frame, Position, Waiting};
use crate::{
    effect::{Effect, Outcome, Step, Ticket},
    failure::Failure,
    policies::validate_jwt::Discovered,
    program::Site,
};

/// What one branch has of its own.
#[derive(Debug)]
struct Thread {
    at: Position,
    frames: SmallVec<[Frame; 6]>,
    waiting: Waiting,
    reraised: Option<(Option<Site>, usize)>,
    started_ticks: i64,
    cursor: usize,
    details: Vec<(&'static str, String)>,
    discovered: Discovered,
}

impl Thread {
    fn at(at: Position) -> Self {
        Self {
            at,
            frames: SmallVec::new(),
            waiting: Waiting::Start,
            reraised: None,
            started_ticks: 0,
            cursor: 0,
            details: Vec::new(),
            discovered: Discovered::default(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    NotBegun,
    Running,
    Asked(Ticket),
    Ended,
}

/// A `wait` that is under way.
#[derive(Debug)]
pub(super) struct Race {
    /// The first branch that ends, ends it.
    any: bool,
    /// Where the list goes on after it.
    outer: Thread,
    branches: Vec<(Thread, State)>,
    /// The branch whose state the execution holds; its own place holds nothing of worth.
    running: usize,
    /// Asked for and not yet told.
    start: Vec<(Ticket, Effect)>,
}

impl Execution {
    /// Begins the branches that start at these instructions; the list goes on at `end`.
    pub(super) fn begin_race(&mut self, any: bool, starts: &[usize], end: usize) {
        let here = self.at;
        self.at.pc = end;
        let begin = |pc: &usize| (Thread::at(Position { pc: *pc, ..here }), State::NotBegun);
        let mut race = Race {
            any,
            outer: Thread::at(here),
            branches: starts.iter().map(begin).collect(),
            running: 0,
            start: Vec::new(),
        };
        let Some((first, state)) = race.branches.first_mut() else {
            return;
        };
        *state = State::Running;
        self.exchange_thread(&mut race.outer);
        self.exchange_thread(first);
        self.race = Some(Box::new(race));
    }

    /// The running branch asks; the next one begins, or all that was asked goes out.
    pub(super) fn ask_in_race(&mut self, effect: Effect) -> Option<Step> {
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        let race = self.race.as_mut()?;
        let running = race.running;
        race.branches.get_mut(running)?.1 = State::Asked(ticket);
        race.start.push((ticket, effect));
        self.next_branch()
    }

    /// The running branch has ended.
    pub(super) fn end_branch(&mut self) -> Option<Step> {
        let race = self.race.as_mut()?;
        let running = race.running;
        race.branches.get_mut(running)?.1 = State::Ended;
        if race.any || race.branches.iter().all(|(_, s)| *s == State::Ended) {
            self.leave_race();
            return None;
        }
        self.next_branch()
    }

    fn next_branch(&mut self) -> Option<Step> {
        let race = self.race.as_mut()?;
        match race.branches.iter().position(|(_, s)| *s == State::NotBegun) {
            Some(next) => {
                self.switch_to(next);
                None
            }
            None => Some(Step::Start(std::mem::take(&mut race.start))),
        }
    }

    /// Drops the race and everything its branches held. False when there was none.
    pub(super) fn leave_race(&mut self) -> bool {
        let Some(mut race) = self.race.take() else {
            return false;
        };
        self.exchange_thread(&mut race.outer);
        true
    }

    /// Takes an outcome to the branch that asked for it. An error is the step to return at once.
    pub(super) fn arrive(&mut self, outcome: Outcome) -> Result<Outcome, Step> {
        let Some(race) = self.race.as_mut() else {
            return match outcome {
                // Of a race that is over: the agent should have dropped it.
                Outcome::Of(_, outcome) => Ok(*outcome),
                outcome => Ok(outcome),
            };
        };
        let asked = |s: &State| matches!(s, State::Asked(_));
        let (found, outcome) = match outcome {
            Outcome::Of(ticket, outcome) => {
                let found = race.branches.iter().position(|(_, s)| *s == State::Asked(ticket));
                (found, *outcome)
            }
            // Nobody can tell whose it is; the oldest question gets it, as a failure.
            other => {
                let failure =
                    Failure::Unavailable(format!("The gateway answered {other:?} without a ticket."));
                let oldest = race.branches.iter().position(|(_, s)| asked(s));
                (oldest, Outcome::Failed(failure))
            }
        };
        match found {
            Some(branch) => {
                self.switch_to(branch);
                Ok(outcome)
            }
            None => Err(Step::Start(Vec::new())),
        }
    }

    /// Makes `branch` the one that runs.
    fn switch_to(&mut self, branch: usize) {
        let Some(mut race) = self.race.take() else { return };
        if race.running != branch {
            if let Some((running, _)) = race.branches.get_mut(race.running) {
                self.exchange_thread(running);
            }
            if let Some((next, _)) = race.branches.get_mut(branch) {
                self.exchange_thread(next);
            }
        }
        if let Some((_, state)) = race.branches.get_mut(branch) {
            *state = State::Running;
        }
        race.running = branch;
        self.race = Some(race);
    }

    fn exchange_thread(&mut self, thread: &mut Thread) {
        use std::mem::swap;
        swap(&mut self.at, &mut thread.at);
        swap(&mut self.frames, &mut thread.frames);
        swap(&mut self.waiting, &mut thread.waiting);
        swap(&mut self.reraised, &mut thread.reraised);
        swap(&mut self.started_ticks, &mut thread.started_ticks);
        swap(&mut self.exchange.cursor, &mut thread.cursor);
        swap(&mut self.exchange.details, &mut thread.details);
        swap(&mut self.exchange.discovered, &mut thread.discovered);
    }
}
