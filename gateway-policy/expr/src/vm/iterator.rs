//! Iterators: local functions with `yield`, run from one item to the next.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use super::{Code, Flow, Frame, Thrown, Vm};
use crate::{
    Value,
    ir::{Node, Program},
    iter::{Iter, Sequence},
    object::Data,
    types::{IENUMERATOR_T, Type},
};

/// How a statement that was left by `yield return` is entered again.
pub(crate) enum Resume {
    /// A list of statements, at this one.
    List(usize),
    /// An `if` statement: whether its condition held.
    Branch(bool),
    Loop,
    Each(Box<dyn Iter>),
    Section(usize),
    Try,
    /// The `yield return` itself.
    Yielded,
}

/// The function with what it was called with: every enumeration starts from here.
struct Called {
    program: Arc<Program>,
    function: u32,
    args: Vec<Value>,
    captures: Vec<Rc<RefCell<Value>>>,
}

/// An enumeration in progress.
struct Run {
    program: Arc<Program>,
    function: u32,
    slots: Vec<Value>,
    resume: Vec<Resume>,
    done: bool,
}

impl Sequence for Called {
    fn iter(&self, vm: &mut Vm<'_>) -> Result<Box<dyn Iter>, Thrown> {
        Ok(Box::new(self.start(vm)))
    }
}

impl Called {
    fn start(&self, vm: &mut Vm<'_>) -> Run {
        let mut run = Run {
            program: Arc::clone(&self.program),
            function: self.function,
            slots: Vec::new(),
            resume: Vec::new(),
            done: true,
        };
        let Some(function) = self.program.functions.get(self.function as usize) else {
            return run;
        };
        run.slots.resize(function.slots as usize, Value::Null);
        run.slots
            .iter_mut()
            .zip(&self.args)
            .for_each(|(s, a)| *s = a.clone());
        for slot in 0..function.params as usize {
            if function.captured.get(slot).copied().unwrap_or(false) {
                let value = std::mem::replace(&mut run.slots[slot], Value::Null);
                run.slots[slot] = Value::Cell(vm.new_cell(value));
            }
        }
        for (slot, cell) in function.capture_slots.iter().zip(&self.captures) {
            run.slots[*slot as usize] = Value::Cell(Rc::clone(cell));
        }
        run.done = false;
        run
    }
}

impl Run {
    /// Runs to the next `yield return` or the end.
    fn advance(&mut self, vm: &mut Vm<'_>) -> Result<Option<Value>, Thrown> {
        let program = Arc::clone(&self.program);
        let Some(function) = program.functions.get(self.function as usize) else {
            return Ok(None);
        };
        let Code::Block(body) = &function.body else {
            return Ok(None);
        };
        vm.step()?;
        vm.check_stack()?;
        let outer = vm.base;
        vm.base = vm.stack.len();
        let base = vm.base;
        vm.stack.extend(self.slots.drain(..));
        let resume = std::mem::replace(&mut vm.resume, std::mem::take(&mut self.resume));
        let pauses = std::mem::take(&mut vm.pauses);
        let mut frame = Frame {
            program: &program,
            function,
        };
        let flow = vm.exec(body, &mut frame);
        vm.resume = resume;
        let pauses = std::mem::replace(&mut vm.pauses, pauses);
        let item = match flow {
            Ok(Flow::Yield(value)) => {
                self.slots = vm.stack.drain(base..).collect();
                self.resume = pauses;
                Ok(Some(value))
            }
            Ok(_) => Ok(None),
            Err(thrown) => Err(thrown),
        };
        self.done = !matches!(item, Ok(Some(_)));
        vm.stack.truncate(base);
        vm.base = outer;
        item
    }
}

impl Iter for Run {
    fn next(&mut self, vm: &mut Vm<'_>) -> Result<Option<Value>, Thrown> {
        if self.done {
            return Ok(None);
        }
        self.done = true;
        self.advance(vm)
    }

    fn dispose(&mut self, vm: &mut Vm<'_>) -> Result<(), Thrown> {
        if self.done || self.resume.is_empty() {
            self.done = true;
            return Ok(());
        }
        self.done = true;
        vm.disposing = true;
        self.advance(vm)?;
        Ok(())
    }
}

impl Vm<'_> {
    /// Notes how to come back, on the way out of a statement that was left by `yield return`.
    pub(super) fn paused(&mut self, how: Resume, value: Value) -> Flow {
        self.pauses.push(how);
        Flow::Yield(value)
    }

    pub(super) fn exec_yield(&mut self, node: &Node, frame: &mut Frame<'_>) -> Result<Flow, Thrown> {
        if let Some(Resume::Yielded) = self.resume.pop() {
            return Ok(match std::mem::take(&mut self.disposing) {
                true => Flow::Return(Value::Null),
                false => Flow::Next,
            });
        }
        let value = self.eval(node, frame)?;
        Ok(self.paused(Resume::Yielded, value))
    }

    /// What calling an iterator gives: nothing of its body has run yet.
    pub(super) fn iterator(
        &mut self,
        ty: &Type,
        program: &Arc<Program>,
        function: u32,
        captures: &[Rc<RefCell<Value>>],
        args: Vec<Value>,
    ) -> Value {
        let called = Called {
            program: Arc::clone(program),
            function,
            args,
            captures: captures.to_vec(),
        };
        let data = if ty.def() == Some(IENUMERATOR_T) {
            Data::Enumerator(RefCell::new((Box::new(called.start(self)), Value::Null)))
        } else {
            Data::Sequence(Box::new(called))
        };
        Value::object(ty.clone(), data)
    }
}
