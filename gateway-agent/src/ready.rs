//! What must have happened before the node is ready, by name.
//!
//! Each start-up step holds a [`Guard`]; dropping it marks the step done. `/ready?verbose` and the log say
//! what is still awaited.

use std::sync::{Arc, Mutex, PoisonError};

/// The steps that are still awaited.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    steps: Arc<Mutex<Vec<Step>>>,
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    done: bool,
}

/// Held while a step is under way.
#[derive(Debug)]
pub struct Guard {
    name: &'static str,
    readiness: Readiness,
}

impl Readiness {
    /// Declares a step; it is done when the guard is dropped.
    pub fn step(&self, name: &'static str) -> Guard {
        self.steps().push(Step { name, done: false });
        Guard {
            name,
            readiness: self.clone(),
        }
    }

    /// Every declared step and whether it is done, in order of declaration.
    pub fn steps_done(&self) -> Vec<(&'static str, bool)> {
        self.steps().iter().map(|step| (step.name, step.done)).collect()
    }

    /// True when nothing is awaited.
    pub fn is_complete(&self) -> bool {
        self.steps().iter().all(|step| step.done)
    }

    fn steps(&self) -> std::sync::MutexGuard<'_, Vec<Step>> {
        // The list is whole even if a holder of the lock panicked.
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut steps = self.readiness.steps();
        if let Some(step) = steps.iter_mut().find(|step| step.name == self.name && !step.done) {
            step.done = true;
        }
        let waiting: Vec<&str> = steps.iter().filter(|s| !s.done).map(|s| s.name).collect();
        tracing::debug!(
            event = "ComponentStarted",
            step = self.name,
            ?waiting,
            "start-up step done"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_the_last_guard_is_gone() {
        let readiness = Readiness::default();
        let (listeners, configuration) = (readiness.step("listeners"), readiness.step("configuration"));
        assert!(!readiness.is_complete());
        drop(configuration);
        assert_eq!(
            readiness.steps_done(),
            [("listeners", false), ("configuration", true)]
        );
        assert!(!readiness.is_complete());
        drop(listeners);
        assert!(readiness.is_complete());
    }
}
