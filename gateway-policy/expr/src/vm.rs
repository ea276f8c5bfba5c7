//! Evaluation of the compiled form.

mod exception;
mod iterator;
mod statement;

use std::{cell::RefCell, rc::Rc, sync::Arc};

use gateway_dotnet::{Error, ExceptionKind, Str};
use smallvec::SmallVec;

use crate::{
    Context, Limits, Value, World, cast,
    ir::{CallNode, Code, Function, Node, Program, TextPart},
    lib::Call,
    look::Look,
    object::{Closure, Data, NativeTarget},
    text,
    types::Type,
};

/// `string.Format` takes no width from here on for a number.
const MAX_ALIGN: u32 = 1_000_000;

/// What ends an evaluation early.
#[derive(Debug)]
pub(crate) enum Thrown {
    /// An exception thrown by the library.
    Error(Box<Error>),
    /// An exception object thrown by `throw`.
    Object(Value),
    /// An exception on the way to the handler that was found for it.
    Decided(Box<exception::Decided>),
    /// A limit was reached; no `catch` sees it.
    Budget(&'static str),
}

impl From<Error> for Thrown {
    fn from(e: Error) -> Self {
        if e.kind == ExceptionKind::BudgetExceeded {
            return Thrown::Budget("a library limit");
        }
        Thrown::Error(Box::new(e))
    }
}

pub(crate) type Eval = Result<Value, Thrown>;

/// What a statement did.
enum Flow {
    Next,
    Break,
    Continue,
    Return(Value),
    Goto(u32),
    Section(usize),
    /// An iterator has its next item.
    Yield(Value),
}

/// One evaluation in progress.
pub(crate) struct Vm<'v> {
    pub context: &'v mut Context,
    pub world: &'v dyn World,
    /// Slots of the functions being run; those of most expressions fit where they are.
    stack: SmallVec<[Value; 8]>,
    base: usize,
    steps: u64,
    memory: usize,
    stack_start: usize,
    stack_limit: usize,
    /// Variables shared with closures, emptied at the end so that cycles through them are freed.
    cells: Vec<std::rc::Weak<RefCell<Value>>>,
    /// The exception being handled, for `throw;`.
    handling: Vec<Value>,
    /// The `try` blocks being run that have `catch` clauses.
    handlers: Vec<exception::Handler>,
    /// Handlers below this one stand outside the filter being run.
    floor: usize,
    /// The way back to where an iterator was left, outermost statement last.
    resume: Vec<iterator::Resume>,
    /// The way back being noted, innermost statement first.
    pauses: Vec<iterator::Resume>,
    /// The iterator being entered again is to end where it was left.
    disposing: bool,
}

/// Where the machine stack is: the address of a local, good enough to measure depth by.
fn stack_position() -> usize {
    let here = 0u8;
    std::ptr::from_ref(&here) as usize
}

impl<'v> Vm<'v> {
    pub(crate) fn new(context: &'v mut Context, world: &'v dyn World, limits: Limits) -> Self {
        Vm {
            context,
            world,
            stack: SmallVec::new(),
            base: 0,
            steps: limits.steps,
            memory: limits.memory,
            stack_start: stack_position(),
            stack_limit: limits.stack,
            cells: Vec::new(),
            handling: Vec::new(),
            handlers: Vec::new(),
            floor: 0,
            resume: Vec::new(),
            pauses: Vec::new(),
            disposing: false,
        }
    }

    /// Runs function 0.
    pub(crate) fn run(&mut self, program: &Arc<Program>) -> Eval {
        let Some(function) = program.functions.first() else {
            return Ok(Value::Null);
        };
        let result = match &function.body {
            // Most expressions keep nothing in slots.
            Code::Expr(node) if function.slots == 0 => {
                self.step()?;
                self.eval(node, &mut Frame { program, function })
            }
            _ => self.enter(program, function, &[], |_| {}, &mut []),
        };
        if !matches!(&result, Ok(Value::Object(o)) if matches!(o.data, Data::Sequence(_) | Data::Closure(_)))
        {
            for cell in self.cells.drain(..).filter_map(|c| c.upgrade()) {
                *cell.borrow_mut() = Value::Null;
            }
        }
        result
    }

    /// Counts one step.
    pub(crate) fn step(&mut self) -> Result<(), Thrown> {
        match self.steps.checked_sub(1) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(Thrown::Budget("steps")),
        }
    }

    /// Counts work done at once.
    pub(crate) fn spend(&mut self, steps: usize) -> Result<(), Thrown> {
        match self.steps.checked_sub(steps as u64) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(Thrown::Budget("steps")),
        }
    }

    /// Counts `bytes` of new memory.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), Thrown> {
        match self.memory.checked_sub(bytes) {
            Some(left) => {
                self.memory = left;
                Ok(())
            }
            None => Err(Thrown::Budget("memory")),
        }
    }

    /// How many things of `size` bytes the memory left has room for.
    pub(crate) fn room_for(&self, size: usize) -> usize {
        self.memory / size.max(1)
    }

    /// Fails when the machine stack is nearly used up.
    pub(crate) fn check_stack(&self) -> Result<(), Thrown> {
        if self.stack_start.abs_diff(stack_position()) > self.stack_limit {
            return Err(Thrown::Budget("call depth"));
        }
        Ok(())
    }

    /// Fails when a chain of sequences is too long to be walked: what walks it takes more of the stack than
    /// what sets it up, so two thirds of it must still be there.
    pub(crate) fn check_chain(&self) -> Result<(), Thrown> {
        if self.stack_start.abs_diff(stack_position()) > self.stack_limit / 3 {
            return Err(Thrown::Budget("length of a chain of sequences"));
        }
        Ok(())
    }

    fn new_cell(&mut self, value: Value) -> Rc<RefCell<Value>> {
        let cell = Rc::new(RefCell::new(value));
        self.cells.push(Rc::downgrade(&cell));
        cell
    }

    fn enter(
        &mut self,
        program: &Arc<Program>,
        function: &Function,
        captures: &[Rc<RefCell<Value>>],
        fill: impl FnOnce(&mut [Value]),
        outs: &mut [(usize, Value)],
    ) -> Eval {
        self.step()?;
        self.check_stack()?;
        if let Some(ty) = &function.iterator {
            let mut args = vec![Value::Null; function.params as usize];
            fill(&mut args);
            return Ok(self.iterator(ty, program, function.index, captures, args));
        }
        let outer = self.base;
        self.base = self.stack.len();
        self.stack
            .resize(self.base + function.slots as usize, Value::Null);
        fill(&mut self.stack[self.base..]);
        for slot in 0..function.params as usize {
            if function.captured.get(slot).copied().unwrap_or(false) {
                let value = std::mem::replace(&mut self.stack[self.base + slot], Value::Null);
                let cell = self.new_cell(value);
                self.stack[self.base + slot] = Value::Cell(cell);
            }
        }
        for (slot, cell) in function.capture_slots.iter().zip(captures) {
            self.stack[self.base + *slot as usize] = Value::Cell(Rc::clone(cell));
        }
        let mut frame = Frame { program, function };
        let result = match &function.body {
            Code::Expr(node) => self.eval(node, &mut frame),
            Code::Block(stmt) => match self.exec(stmt, &mut frame) {
                Ok(Flow::Return(value)) => Ok(value),
                Ok(_) => Ok(Value::Null),
                Err(e) => Err(e),
            },
        };
        for (slot, value) in outs {
            *value = self.load(*slot as u32);
        }
        self.stack.truncate(self.base);
        self.base = outer;
        result
    }

    fn load(&self, slot: u32) -> Value {
        match &self.stack[self.base + slot as usize] {
            Value::Cell(cell) => cell.borrow().clone(),
            value => value.clone(),
        }
    }

    fn store(&mut self, slot: u32, value: Value) {
        match &mut self.stack[self.base + slot as usize] {
            Value::Cell(cell) => *cell.borrow_mut() = value,
            place => *place = value,
        }
    }

    /// Fresh shared variables for the captured ones among `slots`.
    fn open_scope(&mut self, slots: &[u32], frame: &Frame<'_>) {
        for slot in slots {
            if frame
                .function
                .captured
                .get(*slot as usize)
                .copied()
                .unwrap_or(false)
            {
                let cell = self.new_cell(Value::Null);
                self.stack[self.base + *slot as usize] = Value::Cell(cell);
            }
        }
    }

    // ---- calls

    /// Calls a delegate.
    pub(crate) fn invoke(&mut self, target: &Value, args: &[Value]) -> Eval {
        let Value::Object(object) = target else {
            return Err(Error::null_reference().into());
        };
        let Data::Closure(closure) = &object.data else {
            return Err(Error::invalid_operation("The value is not a delegate.").into());
        };
        if let Some(native) = &closure.native {
            self.step()?;
            self.check_stack()?;
            let mut all: Vec<Value> = native
                .receiver
                .iter()
                .cloned()
                .chain(args.iter().cloned())
                .collect();
            return (native.call)(&mut Call {
                vm: self,
                args: &mut all,
                types: &native.types,
            });
        }
        let Some(function) = closure.program.functions.get(closure.function as usize) else {
            return Err(Error::null_reference().into());
        };
        let program = Arc::clone(&closure.program);
        let fill = |slots: &mut [Value]| slots.iter_mut().zip(args).for_each(|(s, a)| *s = a.clone());
        self.enter(&program, function, &closure.captures, fill, &mut [])
    }

    /// Calls a delegate that gives a boolean.
    pub(crate) fn test(&mut self, target: &Value, args: &[Value]) -> Result<bool, Thrown> {
        Ok(matches!(self.invoke(target, args)?, Value::Bool(true)))
    }

    fn cells_for(&self, captures: &[(u32, u32)]) -> Vec<Rc<RefCell<Value>>> {
        captures
            .iter()
            .map(|(from, _)| match &self.stack[self.base + *from as usize] {
                Value::Cell(cell) => Rc::clone(cell),
                // A variable whose block has not been entered: it cannot have been assigned either.
                value => Rc::new(RefCell::new(value.clone())),
            })
            .collect()
    }

    fn call_local(&mut self, site: u32, args: &[Node], outs: &[(usize, u32)], frame: &mut Frame<'_>) -> Eval {
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(self.eval(arg, frame)?);
        }
        let program = frame.program;
        let Some(site) = frame.function.sites.get(site as usize) else {
            return Ok(Value::Null);
        };
        let Some(function) = program.functions.get(site.function as usize) else {
            return Ok(Value::Null);
        };
        let captures = self.cells_for(&site.captures);
        let mut back: Vec<(usize, Value)> = outs.iter().map(|(param, _)| (*param, Value::Null)).collect();
        let fill = |slots: &mut [Value]| slots.iter_mut().zip(values).for_each(|(s, a)| *s = a);
        let result = self.enter(program, function, &captures, fill, &mut back)?;
        for ((_, slot), (_, value)) in outs.iter().zip(back) {
            self.store(*slot, value);
        }
        Ok(result)
    }

    fn call(&mut self, node: &CallNode, frame: &mut Frame<'_>) -> Eval {
        match &*node.args {
            [] => self.call_with(node, &mut []),
            [a] => {
                let mut args = [self.eval(a, frame)?];
                self.call_with(node, &mut args)
            }
            [a, b] => {
                let mut args = [self.eval(a, frame)?, self.eval(b, frame)?];
                self.call_with(node, &mut args)
            }
            [a, b, c] => {
                let mut args = [self.eval(a, frame)?, self.eval(b, frame)?, self.eval(c, frame)?];
                self.call_with(node, &mut args)
            }
            list => {
                let mut args = Vec::with_capacity(list.len());
                for node in list {
                    args.push(self.eval(node, frame)?);
                }
                self.call_with(node, &mut args)
            }
        }
    }

    fn call_with(&mut self, node: &CallNode, args: &mut [Value]) -> Eval {
        if node.receiver && matches!(args.first(), Some(Value::Null)) {
            return Err(Error::null_reference().into());
        }
        let result = (node.call)(&mut Call {
            vm: self,
            args,
            types: &node.types,
        })?;
        if let Value::Str(s) = &result {
            self.charge(s.len())?;
        }
        for (arg, slot) in &node.outs {
            let value = args.get(*arg).cloned().unwrap_or(Value::Null);
            self.store(*slot, value);
        }
        if node.setter {
            return Ok(args.last().cloned().unwrap_or(Value::Null));
        }
        Ok(result)
    }

    // ---- expressions

    fn eval(&mut self, node: &Node, frame: &mut Frame<'_>) -> Eval {
        match node {
            Node::Const(c) => Ok(c.value()),
            Node::Local(slot) => Ok(self.load(*slot)),
            Node::Look(look) => self.look(look),
            Node::Call(call) => self.call(call, frame),
            Node::CastStr(inner) => match self.eval(inner, frame)? {
                v @ (Value::Str(_) | Value::Null) => Ok(v),
                other => cast::cast(other, &Type::STRING),
            },
            Node::Cast(inner, ty) => {
                let value = self.eval(inner, frame)?;
                cast::cast(value, ty)
            }
            Node::Set(slot, inner) => {
                let value = self.eval(inner, frame)?;
                self.store(*slot, value.clone());
                Ok(value)
            }
            Node::Sequence(list) => {
                let mut last = Value::Null;
                for node in list {
                    last = self.eval(node, frame)?;
                }
                Ok(last)
            }
            Node::Unary(f, inner) => f(self.eval(inner, frame)?),
            Node::Binary(f, pair) => {
                let left = self.eval(&pair.0, frame)?;
                let right = self.eval(&pair.1, frame)?;
                f(left, right)
            }
            Node::StrEq(pair) => {
                let left = self.eval(&pair.0, frame)?;
                let right = self.eval(&pair.1, frame)?;
                Ok(Value::Bool(match (&left, &right) {
                    (Value::Str(a), Value::Str(b)) => a == b,
                    (Value::Null, Value::Null) => true,
                    _ => false,
                }))
            }
            Node::StrIs(..) | Node::Not(_) | Node::And(_) | Node::Or(_) => {
                Ok(Value::Bool(self.truth(node, frame)?))
            }
            Node::Cond(parts) => {
                if self.truth(&parts.0, frame)? {
                    self.eval(&parts.1, frame)
                } else {
                    self.eval(&parts.2, frame)
                }
            }
            Node::Coalesce(pair) => match self.eval(&pair.0, frame)? {
                Value::Null => self.eval(&pair.1, frame),
                value => Ok(value),
            },
            Node::Access(slot, pair) => {
                let target = self.eval(&pair.0, frame)?;
                if target.is_null() {
                    return Ok(Value::Null);
                }
                self.store(*slot, target);
                self.eval(&pair.1, frame)
            }
            Node::Concat(parts) => self.concat(parts, frame),
            Node::Text(parts) => self.interpolate(parts, frame),
            _ => self.eval_rare(node, frame),
        }
    }

    /// A read of `context`; text counts as made here.
    fn look(&mut self, look: &Look) -> Eval {
        let value = look.eval(self.context)?;
        if let Value::Str(s) = &value {
            self.charge(s.len())?;
        }
        Ok(value)
    }

    fn truth(&mut self, node: &Node, frame: &mut Frame<'_>) -> Result<bool, Thrown> {
        match node {
            Node::Not(inner) => return Ok(!self.truth(inner, frame)?),
            Node::And(pair) => return Ok(self.truth(&pair.0, frame)? && self.truth(&pair.1, frame)?),
            Node::Or(pair) => return Ok(self.truth(&pair.0, frame)? || self.truth(&pair.1, frame)?),
            Node::StrIs(inner, text) => return self.is_text(inner, text, frame),
            _ => {}
        }
        match self.eval(node, frame)? {
            Value::Bool(b) => Ok(b),
            Value::Null => Err(Error::new(
                ExceptionKind::InvalidOperationException,
                "Nullable object must have a value.",
            )
            .into()),
            _ => Ok(false),
        }
    }

    fn is_text(&mut self, node: &Node, text: &Str, frame: &mut Frame<'_>) -> Result<bool, Thrown> {
        if let Node::Look(look) = node
            && let Some(answer) = look.is_text(text, self.context)
        {
            return Ok(answer);
        }
        Ok(matches!(self.eval(node, frame)?, Value::Str(found) if found == *text))
    }

    fn eval_rare(&mut self, node: &Node, frame: &mut Frame<'_>) -> Eval {
        match node {
            Node::LiftedBinary(f, pair) => {
                let left = self.eval(&pair.0, frame)?;
                let right = self.eval(&pair.1, frame)?;
                if left.is_null() || right.is_null() {
                    Ok(Value::Null)
                } else {
                    f(left, right)
                }
            }
            Node::LiftedCompare(f, pair, one, both) => {
                let left = self.eval(&pair.0, frame)?;
                let right = self.eval(&pair.1, frame)?;
                match (left.is_null(), right.is_null()) {
                    (true, true) => Ok(Value::Bool(*both)),
                    (false, false) => f(left, right),
                    _ => Ok(Value::Bool(*one)),
                }
            }
            Node::LiftedUnary(f, inner) => match self.eval(inner, frame)? {
                Value::Null => Ok(Value::Null),
                value => f(value),
            },
            Node::Logic3(and, pair) => {
                let left = self.eval(&pair.0, frame)?;
                let right = self.eval(&pair.1, frame)?;
                let decided = Value::Bool(!and);
                let is = |v: &Value| matches!(v, Value::Bool(b) if *b != *and);
                Ok(if is(&left) || is(&right) {
                    decided
                } else if left.is_null() || right.is_null() {
                    Value::Null
                } else {
                    Value::Bool(*and)
                })
            }
            Node::CallLocal(site, args, outs) => self.call_local(*site, args, outs, frame),
            Node::Invoke(target, args) => {
                let target = self.eval(target, frame)?;
                let mut values = Vec::with_capacity(args.len());
                for arg in args {
                    values.push(self.eval(arg, frame)?);
                }
                self.invoke(&target, &values)
            }
            Node::Closure(site, ty) => {
                let Some(site) = frame.function.sites.get(*site as usize) else {
                    return Ok(Value::Null);
                };
                let captures = self.cells_for(&site.captures);
                let closure = Closure {
                    program: Arc::clone(frame.program),
                    function: site.function,
                    captures,
                    native: None,
                };
                Ok(Value::object((**ty).clone(), Data::Closure(closure)))
            }
            Node::Delegate(call, ty) => self.delegate(call, ty, frame),
            Node::Is(inner, ty) => {
                let value = self.eval(inner, frame)?;
                Ok(Value::Bool(cast::is(&value, ty)))
            }
            Node::As(inner, ty) => {
                let value = self.eval(inner, frame)?;
                Ok(if cast::is(&value, ty) { value } else { Value::Null })
            }
            Node::NotNull(inner) => Ok(Value::Bool(!self.eval(inner, frame)?.is_null())),
            Node::NewArray(..) | Node::NewSized(..) | Node::Index(_) | Node::SetIndex(_) => {
                self.eval_array(node, frame)
            }
            Node::Tuple(ty, items) => {
                let items = self.eval_all(items, frame)?;
                Ok(Value::object((**ty).clone(), Data::Tuple(RefCell::new(items))))
            }
            Node::Anon(ty, items) => {
                let items = self.eval_all(items, frame)?;
                self.charge(items.len() * size_of::<Value>())?;
                Ok(Value::object((**ty).clone(), Data::Anon(items)))
            }
            Node::Field(inner, n) => {
                let value = self.eval(inner, frame)?;
                field(&value, *n as usize)
            }
            Node::WithField(pair, n) => {
                let tuple = self.eval(&pair.0, frame)?;
                let value = self.eval(&pair.1, frame)?;
                let Value::Object(o) = &tuple else {
                    return Err(Error::null_reference().into());
                };
                let Data::Tuple(items) = &o.data else {
                    return Ok(tuple);
                };
                let mut items = items.borrow().clone();
                if let Some(place) = items.get_mut(*n as usize) {
                    *place = value;
                }
                Ok(Value::object(o.ty.clone(), Data::Tuple(RefCell::new(items))))
            }
            Node::Default(ty) => Ok(cast::default_value(ty)),
            Node::Throw(inner) => match self.eval(inner, frame)? {
                Value::Null => Err(Error::null_reference().into()),
                value => Err(Thrown::Object(value)),
            },
            Node::Dynamic(inner) => crate::dynamic::eval(self, inner, frame),
            _ => Ok(Value::Null),
        }
    }

    /// [`Vm::eval`] for the dynamic binder.
    pub(crate) fn eval_node(&mut self, node: &Node, frame: &mut Frame<'_>) -> Eval {
        self.eval(node, frame)
    }

    pub(crate) fn eval_all(&mut self, nodes: &[Node], frame: &mut Frame<'_>) -> Result<Vec<Value>, Thrown> {
        let mut values = Vec::with_capacity(nodes.len());
        for node in nodes {
            values.push(self.eval(node, frame)?);
        }
        Ok(values)
    }

    fn delegate(&mut self, call: &CallNode, ty: &Arc<Type>, frame: &mut Frame<'_>) -> Eval {
        let receiver = match call.args.first() {
            Some(node) => Some(self.eval(node, frame)?),
            None => None,
        };
        if call.receiver && matches!(receiver, Some(Value::Null)) {
            return Err(Error::of(ExceptionKind::ArgumentException).into());
        }
        let native = NativeTarget {
            call: call.call,
            receiver,
            types: Arc::clone(&call.types),
        };
        let closure = Closure {
            program: Arc::clone(frame.program),
            function: 0,
            captures: Vec::new(),
            native: Some(native),
        };
        Ok(Value::object((**ty).clone(), Data::Closure(closure)))
    }

    fn eval_array(&mut self, node: &Node, frame: &mut Frame<'_>) -> Eval {
        match node {
            Node::NewArray(element, items) => {
                let items = self.eval_all(items, frame)?;
                self.charge(items.len() * size_of::<Value>())?;
                Ok(Value::array((**element).clone(), items))
            }
            Node::NewSized(ty, sizes) => {
                let sizes = self.eval_all(sizes, frame)?;
                crate::array::create(self, ty, &sizes)
            }
            Node::Index(parts) => {
                let array = self.eval(&parts.0, frame)?;
                let index = self.eval_all(&parts.1, frame)?;
                crate::array::get(&array, &index)
            }
            Node::SetIndex(parts) => {
                let array = self.eval(&parts.0, frame)?;
                let index = self.eval_all(&parts.1, frame)?;
                let value = self.eval(&parts.2, frame)?;
                crate::array::set(&array, &index, value.clone())?;
                Ok(value)
            }
            _ => Ok(Value::Null),
        }
    }

    fn concat(&mut self, parts: &[Node], frame: &mut Frame<'_>) -> Eval {
        let mut pieces: Vec<Str> = Vec::with_capacity(parts.len());
        for part in parts {
            match self.eval(part, frame)? {
                Value::Null => {}
                Value::Str(s) => pieces.push(s),
                other => pieces.push(self.text_of(&other)?),
            }
        }
        self.charge(pieces.iter().map(Str::len).sum())?;
        let refs: Vec<&Str> = pieces.iter().collect();
        Ok(Value::Str(Str::concat(&refs)?))
    }

    /// `ToString()`, empty for null.
    pub(crate) fn text_of(&mut self, value: &Value) -> Result<Str, Thrown> {
        if let Value::Context(part) = value
            && let Some(url) = crate::lib::context_url(self, *part)
        {
            return Ok(url);
        }
        let text = text::to_text(value);
        self.charge(text.len())?;
        Ok(text)
    }

    /// Makes a result independent of the exchange: `context.Response` becomes a copy.
    #[inline]
    pub(crate) fn detach(&self, value: Value) -> Value {
        match (&value, &self.context.response) {
            (Value::Context(crate::value::Part::Response), Some(response)) => {
                Value::response(response.clone())
            }
            _ => value,
        }
    }

    fn interpolate(&mut self, parts: &[TextPart], frame: &mut Frame<'_>) -> Eval {
        let mut pieces: Vec<Str> = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                TextPart::Text(s) => pieces.push(s.clone()),
                TextPart::Hole { value, align, format } => {
                    let value = self.eval(value, frame)?;
                    if align.unsigned_abs() >= MAX_ALIGN
                        || format
                            .as_ref()
                            .is_some_and(|f| f.units().any(|u| u == 0x7B || u == 0x7D))
                    {
                        return Err(Error::new(
                            ExceptionKind::FormatException,
                            "Input string was not in a correct format.",
                        )
                        .into());
                    }
                    let text = match format {
                        Some(format) => text::format_value(&value, Some(format))?,
                        None => self.text_of(&value)?,
                    };
                    pieces.push(match *align {
                        0 => text,
                        n if n > 0 => text.pad_left(n, 32)?,
                        n => text.pad_right(n.saturating_neg(), 32)?,
                    });
                }
            }
        }
        self.charge(pieces.iter().map(Str::len).sum())?;
        let refs: Vec<&Str> = pieces.iter().collect();
        Ok(Value::Str(Str::concat(&refs)?))
    }
}

/// Element `n` of a tuple or anonymous object.
fn field(value: &Value, n: usize) -> Eval {
    let Value::Object(o) = value else {
        return Err(Error::null_reference().into());
    };
    Ok(match &o.data {
        Data::Tuple(items) => items.borrow().get(n).cloned(),
        Data::Anon(items) => items.get(n).cloned(),
        Data::Pair(k, v) => Some(if n == 0 { k.clone() } else { v.clone() }),
        _ => None,
    }
    .unwrap_or(Value::Null))
}

/// The function being run and the program it belongs to.
pub(crate) struct Frame<'p> {
    program: &'p Arc<Program>,
    function: &'p Function,
}
