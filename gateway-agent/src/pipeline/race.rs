//! The effects of a `wait`, at the same time.
//!
//! Each runs in a task of its own, so what is not needed any more is cut off by dropping the set. The two
//! effects that hold the bodies on the wire (reading one, forwarding) run one after another in the request's
//! own task; what the others have to say meanwhile is taken in after that.

use std::collections::VecDeque;

use gateway_policy::{Context, Effect, Failure, Outcome, effect::Ticket};
use tokio::task::JoinSet;

use super::{
    effects::{Exchange, Spent},
    ledger::Ledger,
};

/// What is under way in a `wait`.
#[derive(Default)]
pub(super) struct Race {
    tasks: JoinSet<(Ticket, Outcome, Spent)>,
    alone: VecDeque<(Ticket, Effect)>,
    over: VecDeque<(Ticket, Outcome, Spent)>,
}

impl Race {
    /// Drops everything that is under way.
    pub(super) fn cancel(&mut self) {
        if !(self.tasks.is_empty() && self.alone.is_empty() && self.over.is_empty()) {
            *self = Self::default();
        }
    }

    /// Starts these and waits for whichever ends first of all that is under way.
    pub(super) async fn next(
        &mut self,
        started: Vec<(Ticket, Effect)>,
        exchange: &mut Exchange,
        context: &mut Context,
        ledger: &mut Ledger,
    ) -> Outcome {
        for (ticket, effect) in started {
            if matches!(effect, Effect::ReadBody(_) | Effect::Forward(_)) {
                self.alone.push_back((ticket, effect));
                continue;
            }
            let hand = exchange.fork();
            self.tasks.spawn_local(async move {
                let (outcome, spent) = Box::pin(hand.shared(effect)).await;
                (ticket, outcome, spent)
            });
        }
        if self.over.is_empty()
            && let Some((ticket, effect)) = self.alone.pop_front()
        {
            let outcome = Box::pin(exchange.perform(effect, context, ledger)).await;
            while let Some(Ok(ended)) = self.tasks.try_join_next() {
                self.over.push_back(ended);
            }
            self.over.push_back((ticket, outcome, Spent::Nothing));
        }
        let ended = match self.over.pop_front() {
            Some(ended) => Some(ended),
            None => self.tasks.join_next().await.and_then(Result::ok),
        };
        match ended {
            Some((ticket, outcome, spent)) => {
                ledger.spent(spent);
                Outcome::Of(ticket, Box::new(outcome))
            }
            None => Outcome::Failed(Failure::Unavailable("an effect was lost".to_owned())),
        }
    }
}
