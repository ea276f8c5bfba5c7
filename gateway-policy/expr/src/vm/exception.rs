//! `try`, in the two passes of .NET: the handler is looked for first, filters run from the inside out while
//! every frame still stands, and only then do the `finally` blocks inside it run.

use std::sync::Arc;

use super::{Flow, Frame, Thrown, Vm, iterator::Resume};
use crate::{
    Value, cast,
    ir::{CatchCode, Program, Stmt},
};

/// The `catch` clauses of a `try` block that is being run, and the frame they belong to.
pub(super) struct Handler {
    catches: Arc<[CatchCode]>,
    program: Arc<Program>,
    function: u32,
    base: usize,
}

/// An exception whose handler has been found: the place of the [`Handler`] and the clause; none: nobody's.
#[derive(Debug)]
pub(crate) struct Decided {
    pub exception: Value,
    pub handler: Option<(usize, usize)>,
}

impl Vm<'_> {
    pub(super) fn exec_try(
        &mut self,
        body: &Stmt,
        catches: &Arc<[CatchCode]>,
        finally: Option<&Stmt>,
        frame: &mut Frame<'_>,
    ) -> Result<Flow, Thrown> {
        self.resume.pop();
        let (base, height, mark) = (self.base, self.stack.len(), self.handlers.len());
        if !catches.is_empty() {
            self.handlers.push(Handler {
                catches: Arc::clone(catches),
                program: Arc::clone(frame.program),
                function: frame.function.index,
                base,
            });
        }
        let mut result = self.exec(body, frame);
        if let Err(thrown) = result {
            // An exception leaves the frames of the calls it came out of behind.
            self.base = base;
            self.stack.truncate(height);
            let thrown = self.decide(thrown);
            self.handlers.truncate(mark);
            result = self.handle(thrown, mark, catches, frame);
            if let Err(thrown) = result {
                self.base = base;
                self.stack.truncate(height);
                result = Err(self.decide(thrown));
            }
        }
        self.handlers.truncate(mark);
        if let Ok(Flow::Yield(value)) = result {
            return Ok(self.paused(Resume::Try, value));
        }
        let Some(finally) = finally else { return result };
        if matches!(result, Err(Thrown::Budget(_))) {
            return result;
        }
        match self.exec(finally, frame)? {
            Flow::Next => result,
            other => Ok(other),
        }
    }

    /// The first pass: asks the handlers around, innermost first, who takes the exception.
    fn decide(&mut self, thrown: Thrown) -> Thrown {
        let exception = match thrown {
            Thrown::Error(e) => crate::lib::exception_object(&e),
            Thrown::Object(value) => value,
            done => return done,
        };
        let (base, height) = (self.base, self.stack.len());
        let mut handler = None;
        'search: for at in (self.floor..self.handlers.len()).rev() {
            let catches = Arc::clone(&self.handlers[at].catches);
            for (n, clause) in catches.iter().enumerate() {
                if clause.ty.as_ref().is_some_and(|ty| !cast::is(&exception, ty)) {
                    continue;
                }
                let taken = self.filter(at, clause, &exception);
                self.base = base;
                self.stack.truncate(height);
                match taken {
                    Ok(true) => {
                        handler = Some((at, n));
                        break 'search;
                    }
                    Err(Thrown::Budget(what)) => return Thrown::Budget(what),
                    // An exception inside a filter counts as false.
                    _ => {}
                }
            }
        }
        Thrown::Decided(Box::new(Decided { exception, handler }))
    }

    /// What the filter of a clause says, in the frame it belongs to.
    fn filter(&mut self, handler: usize, clause: &CatchCode, exception: &Value) -> Result<bool, Thrown> {
        let Some(when) = &clause.when else {
            return Ok(true);
        };
        let (program, function) = {
            let handler = &self.handlers[handler];
            self.base = handler.base;
            (Arc::clone(&handler.program), handler.function)
        };
        let Some(function) = program.functions.get(function as usize) else {
            return Ok(false);
        };
        let mut frame = Frame {
            program: &program,
            function,
        };
        if let Some(slot) = clause.slot {
            self.open_scope(&[slot], &frame);
            self.store(slot, exception.clone());
        }
        // What a filter throws is no business of the handlers around it.
        let floor = std::mem::replace(&mut self.floor, self.handlers.len());
        let answer = self.truth(when, &mut frame);
        self.handlers.truncate(self.floor);
        self.floor = floor;
        answer
    }

    /// The second pass, arrived at a `try` block: runs the clause that was chosen, if it is one of its own.
    fn handle(
        &mut self,
        thrown: Thrown,
        handler: usize,
        catches: &[CatchCode],
        frame: &mut Frame<'_>,
    ) -> Result<Flow, Thrown> {
        let decided = match thrown {
            Thrown::Decided(decided) => decided,
            other => return Err(other),
        };
        let clause = match decided.handler {
            Some((at, n)) if at == handler => catches.get(n),
            _ => None,
        };
        let Some(clause) = clause else {
            return Err(Thrown::Decided(decided));
        };
        if let (Some(slot), None) = (clause.slot, &clause.when) {
            self.open_scope(&[slot], frame);
            self.store(slot, decided.exception.clone());
        }
        self.handling.push(decided.exception);
        let result = self.exec(&clause.body, frame);
        self.handling.pop();
        result
    }
}
