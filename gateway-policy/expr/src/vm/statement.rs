//! Statements. Those of an iterator can be left at a `yield return` and entered again where they were left:
//! each notes on the way out what it needs for that ([`Resume`]).

use gateway_dotnet::Error;

use super::{Flow, Frame, Thrown, Vm, iterator::Resume};
use crate::{
    Value,
    ir::{Node, SectionCode, Stmt},
};

impl Vm<'_> {
    pub(super) fn exec(&mut self, stmt: &Stmt, frame: &mut Frame<'_>) -> Result<Flow, Thrown> {
        match stmt {
            Stmt::Expr(node) => {
                self.eval(node, frame)?;
                Ok(Flow::Next)
            }
            Stmt::Block(slots, body, labels) => {
                if self.resume.is_empty() {
                    self.open_scope(slots, frame);
                }
                self.exec_list(body, labels, frame)
            }
            Stmt::If(cond, yes, no) => self.exec_if(cond, yes, no.as_deref(), frame),
            Stmt::Return(None) => Ok(Flow::Return(Value::Null)),
            Stmt::Return(Some(node)) => Ok(Flow::Return(self.eval(node, frame)?)),
            Stmt::Loop {
                cond,
                step,
                body,
                test_last,
            } => self.exec_loop(cond.as_ref(), step, body, *test_last, frame),
            Stmt::ForEach { .. } => self.exec_foreach(stmt, frame),
            Stmt::Switch {
                slot,
                value,
                sections,
                default,
            } => {
                if self.resume.is_empty() {
                    let value = self.eval(value, frame)?;
                    self.store(*slot, value);
                }
                self.exec_switch(sections, *default, frame)
            }
            Stmt::Break => Ok(Flow::Break),
            Stmt::Continue => Ok(Flow::Continue),
            Stmt::Throw(None) => match self.handling.last() {
                Some(value) => Err(Thrown::Object(value.clone())),
                None => Ok(Flow::Next),
            },
            Stmt::Throw(Some(node)) => match self.eval(node, frame)? {
                Value::Null => Err(Error::null_reference().into()),
                value => Err(Thrown::Object(value)),
            },
            Stmt::Try {
                body,
                catches,
                finally,
            } => self.exec_try(body, catches, finally.as_deref(), frame),
            Stmt::Yield(node) => self.exec_yield(node, frame),
            Stmt::Goto(label) => Ok(Flow::Goto(*label)),
            Stmt::GotoSection(n) => Ok(Flow::Section(*n)),
            Stmt::Empty => Ok(Flow::Next),
        }
    }

    fn exec_list(
        &mut self,
        body: &[Stmt],
        labels: &[(u32, usize)],
        frame: &mut Frame<'_>,
    ) -> Result<Flow, Thrown> {
        let mut at = match self.resume.pop() {
            Some(Resume::List(at)) => at,
            _ => 0,
        };
        while let Some(stmt) = body.get(at) {
            at += 1;
            match self.exec(stmt, frame)? {
                Flow::Next => {}
                Flow::Goto(label) => match labels.iter().find(|(l, _)| *l == label) {
                    Some((_, to)) => {
                        self.step()?;
                        at = *to;
                    }
                    None => return Ok(Flow::Goto(label)),
                },
                Flow::Yield(value) => return Ok(self.paused(Resume::List(at - 1), value)),
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    fn exec_if(
        &mut self,
        cond: &Node,
        yes: &Stmt,
        no: Option<&Stmt>,
        frame: &mut Frame<'_>,
    ) -> Result<Flow, Thrown> {
        let taken = match self.resume.pop() {
            Some(Resume::Branch(taken)) => taken,
            _ => self.truth(cond, frame)?,
        };
        let flow = match (taken, no) {
            (true, _) => self.exec(yes, frame)?,
            (false, Some(no)) => self.exec(no, frame)?,
            (false, None) => Flow::Next,
        };
        Ok(match flow {
            Flow::Yield(value) => self.paused(Resume::Branch(taken), value),
            other => other,
        })
    }

    fn exec_loop(
        &mut self,
        cond: Option<&Node>,
        step: &[Node],
        body: &Stmt,
        test_last: bool,
        frame: &mut Frame<'_>,
    ) -> Result<Flow, Thrown> {
        // A loop that is entered again goes on inside its body.
        let mut first = matches!(self.resume.pop(), Some(Resume::Loop)) || test_last;
        loop {
            self.step()?;
            if !first
                && let Some(cond) = cond
                && !self.truth(cond, frame)?
            {
                return Ok(Flow::Next);
            }
            first = false;
            match self.exec(body, frame)? {
                Flow::Next | Flow::Continue => {}
                Flow::Break => return Ok(Flow::Next),
                Flow::Yield(value) => return Ok(self.paused(Resume::Loop, value)),
                other => return Ok(other),
            }
            for node in step {
                self.eval(node, frame)?;
            }
        }
    }

    fn exec_foreach(&mut self, stmt: &Stmt, frame: &mut Frame<'_>) -> Result<Flow, Thrown> {
        let Stmt::ForEach {
            source,
            slots,
            slot,
            convert,
            body,
        } = stmt
        else {
            return Ok(Flow::Next);
        };
        let (mut iter, mut resumed) = match self.resume.pop() {
            Some(Resume::Each(iter)) => (iter, true),
            _ => {
                let source = self.eval(source, frame)?;
                (self.iter(&source)?, false)
            }
        };
        loop {
            if !resumed {
                let Some(item) = iter.next(self)? else {
                    return Ok(Flow::Next);
                };
                self.step()?;
                self.open_scope(slots, frame);
                self.store(*slot, item);
                if let Some(convert) = convert {
                    self.eval(convert, frame)?;
                }
            }
            resumed = false;
            let flow = match self.exec(body, frame) {
                Ok(Flow::Next | Flow::Continue) => continue,
                Ok(Flow::Yield(value)) => return Ok(self.paused(Resume::Each(iter), value)),
                Ok(Flow::Break) => Ok(Flow::Next),
                Err(Thrown::Budget(what)) => return Err(Thrown::Budget(what)),
                other => other,
            };
            // Left early: the enumerator is disposed of, which runs the `finally` blocks of an iterator.
            iter.dispose(self)?;
            return flow;
        }
    }

    fn exec_switch(
        &mut self,
        sections: &[SectionCode],
        default: Option<usize>,
        frame: &mut Frame<'_>,
    ) -> Result<Flow, Thrown> {
        let mut next = match self.resume.pop() {
            Some(Resume::Section(n)) => Some(n),
            _ => self.section_for(sections, frame)?.or(default),
        };
        while let Some(at) = next
            && let Some(section) = sections.get(at)
        {
            match self.exec_list(&section.body, &[], frame)? {
                Flow::Break | Flow::Next => return Ok(Flow::Next),
                Flow::Section(n) => {
                    self.step()?;
                    next = Some(n);
                }
                Flow::Yield(value) => return Ok(self.paused(Resume::Section(at), value)),
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    /// The first section one of whose labels fits.
    fn section_for(
        &mut self,
        sections: &[SectionCode],
        frame: &mut Frame<'_>,
    ) -> Result<Option<usize>, Thrown> {
        for (i, section) in sections.iter().enumerate() {
            for test in &section.tests {
                if self.truth(test, frame)? {
                    return Ok(Some(i));
                }
            }
        }
        Ok(None)
    }
}
