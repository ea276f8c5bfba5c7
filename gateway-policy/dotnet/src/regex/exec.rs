//! The matching machine: a program, a text, an explicit stack of what to try and what to undo.

use crate::{Error, text::unit_to_lower};

use super::{
    MAX_BACKTRACK, Match,
    charset::{is_ecma_word, is_word},
    compile::{Inst, Program},
    node::{Assert, One},
    timed_out,
};

/// Searches from `from` on (backwards with `rtl`); `\G` stands at `origin`.
pub(super) fn search(
    program: &Program,
    text: &[u16],
    from: usize,
    origin: usize,
    rtl: bool,
    steps: &mut u64,
) -> Result<Option<Match>, Error> {
    let mut machine = Machine {
        program,
        text,
        origin,
        registers: vec![0; program.registers],
        captures: vec![Vec::new(); program.slots],
        stack: Vec::new(),
        steps,
    };
    let mut at = from;
    loop {
        machine.step()?;
        if machine.may_start(at) && machine.run(at)? {
            return Ok(Some(Match {
                groups: machine.captures,
            }));
        }
        if rtl {
            match at.checked_sub(1) {
                Some(before) => at = before,
                None => return Ok(None),
            }
        } else if at >= text.len() || program.anchored {
            return Ok(None);
        } else {
            at += 1;
        }
    }
}

/// What to do when matching fails: something to try, or something to undo on the way to it.
#[derive(Clone, Copy, Debug)]
enum Entry {
    /// Go on there.
    Try {
        inst: usize,
        at: usize,
    },
    /// A loop over single units gives back (greedy) or takes (lazy) one more.
    Units {
        inst: usize,
        at: usize,
        /// Greedy: the position to stop at. Lazy: units taken so far.
        bound: usize,
    },
    Register {
        register: usize,
        old: usize,
    },
    DropCapture {
        slot: usize,
    },
    RestoreCapture {
        slot: usize,
        start: usize,
        end: usize,
    },
}

struct Machine<'a> {
    program: &'a Program,
    text: &'a [u16],
    origin: usize,
    registers: Vec<usize>,
    captures: Vec<Vec<(usize, usize)>>,
    stack: Vec<Entry>,
    steps: &'a mut u64,
}

impl One {
    #[inline]
    fn accepts(&self, unit: u16) -> bool {
        match self {
            One::Unit { unit: wanted, ci } => unit == *wanted || (*ci && unit_to_lower(unit) == *wanted),
            One::Set { set, ci } => set.contains(unit, *ci),
        }
    }
}

impl Machine<'_> {
    fn step(&mut self) -> Result<(), Error> {
        self.steps_by(1)
    }

    fn steps_by(&mut self, count: u64) -> Result<(), Error> {
        *self.steps = self.steps.checked_sub(count).ok_or_else(timed_out)?;
        Ok(())
    }

    fn may_start(&self, at: usize) -> bool {
        if self.program.anchored && at != 0 {
            return false;
        }
        match &self.program.first {
            None => true,
            Some(one) => self.text.get(at).is_some_and(|unit| one.accepts(*unit)),
        }
    }

    fn push(&mut self, entry: Entry) -> Result<(), Error> {
        if self.stack.len() >= MAX_BACKTRACK {
            return Err(timed_out());
        }
        self.stack.push(entry);
        Ok(())
    }

    fn set(&mut self, register: usize, value: usize) -> Result<(), Error> {
        let old = self.registers[register];
        self.registers[register] = value;
        self.push(Entry::Register { register, old })
    }

    /// The unit that is next in the reading direction, and the position behind it.
    #[inline]
    fn unit(&self, at: usize, back: bool) -> Option<(u16, usize)> {
        if back {
            let before = at.checked_sub(1)?;
            Some((self.text[before], before))
        } else {
            self.text.get(at).map(|unit| (*unit, at + 1))
        }
    }

    fn run(&mut self, start: usize) -> Result<bool, Error> {
        self.stack.clear();
        self.captures.iter_mut().for_each(Vec::clear);
        let program = self.program;
        let mut at = start;
        let mut pc = 0;
        loop {
            self.step()?;
            let next = match &program.insts[pc] {
                Inst::Accept => return Ok(true),
                Inst::One { one, back } => self
                    .unit(at, *back)
                    .filter(|(unit, _)| one.accepts(*unit))
                    .map(|(_, behind)| (pc + 1, behind)),
                Inst::Assert(assert) => self.holds(*assert, at).then_some((pc + 1, at)),
                Inst::Jump(target) => Some((*target, at)),
                Inst::OrElse(target) => {
                    self.push(Entry::Try { inst: *target, at })?;
                    Some((pc + 1, at))
                }
                Inst::Repeat { .. } => self.repeat(pc, at)?.map(|at| (pc + 1, at)),
                Inst::LoopStart { counter, mark } => {
                    self.set(*counter, 0)?;
                    self.set(*mark, usize::MAX)?;
                    Some((pc + 1, at))
                }
                Inst::LoopTest { .. } => Some((self.loop_test(pc, at)?, at)),
                Inst::CaptureStart(register) => {
                    self.set(*register, at)?;
                    Some((pc + 1, at))
                }
                Inst::CaptureEnd {
                    register,
                    slot,
                    uncapture,
                } => self
                    .capture(self.registers[*register], at, *slot, *uncapture)?
                    .then_some((pc + 1, at)),
                Inst::Backreference { slot, ci, ecma, back } => self
                    .backreference(*slot, at, *ci, *ecma, *back)?
                    .map(|at| (pc + 1, at)),
                Inst::Mark { height, position } => {
                    self.set(*height, 0)?;
                    self.set(*position, at)?;
                    self.registers[*height] = self.stack.len();
                    Some((pc + 1, at))
                }
                Inst::Commit { height } => {
                    self.commit(self.registers[*height]);
                    Some((pc + 1, at))
                }
                Inst::CommitAndReturn { height, position } => {
                    let back_at = self.registers[*position];
                    self.commit(self.registers[*height]);
                    Some((pc + 1, back_at))
                }
                Inst::Abandon { height } => {
                    let height = self.registers[*height];
                    while self.stack.len() > height {
                        self.undo_top();
                    }
                    None
                }
                Inst::IfCaptured { slot, otherwise } => Some(if self.captures[*slot].is_empty() {
                    (*otherwise, at)
                } else {
                    (pc + 1, at)
                }),
            };
            match next.or_else(|| self.fail()) {
                Some((inst, position)) => (pc, at) = (inst, position),
                None => return Ok(false),
            }
        }
    }

    /// Removes the alternatives above `height`; what must be undone stays.
    fn commit(&mut self, height: usize) {
        let mut kept = height;
        for i in height..self.stack.len() {
            if !matches!(self.stack[i], Entry::Try { .. } | Entry::Units { .. }) {
                self.stack[kept] = self.stack[i];
                kept += 1;
            }
        }
        self.stack.truncate(kept);
    }

    fn undo_top(&mut self) {
        match self.stack.pop() {
            Some(Entry::Register { register, old }) => self.registers[register] = old,
            Some(Entry::DropCapture { slot }) => {
                self.captures[slot].pop();
            }
            Some(Entry::RestoreCapture { slot, start, end }) => self.captures[slot].push((start, end)),
            Some(Entry::Try { .. } | Entry::Units { .. }) | None => {}
        }
    }

    /// Goes back to the newest alternative: where to go on, or `None` when there is none left.
    fn fail(&mut self) -> Option<(usize, usize)> {
        loop {
            match *self.stack.last()? {
                Entry::Try { inst, at } => {
                    self.stack.pop();
                    return Some((inst, at));
                }
                Entry::Units { inst, at, bound } => {
                    if let Some(at) = self.retry_units(inst, at, bound) {
                        return Some((inst + 1, at));
                    }
                }
                _ => self.undo_top(),
            }
        }
    }

    /// The next possibility of a loop over single units; its entry is replaced or removed.
    fn retry_units(&mut self, inst: usize, at: usize, bound: usize) -> Option<usize> {
        let program = self.program;
        let Inst::Repeat {
            one, back, max, lazy, ..
        } = &program.insts[inst]
        else {
            self.stack.pop();
            return None;
        };
        if !lazy {
            let shorter = if *back { at + 1 } else { at - 1 };
            if shorter == bound {
                self.stack.pop();
            } else if let Some(Entry::Units { at, .. }) = self.stack.last_mut() {
                *at = shorter;
            }
            return Some(shorter);
        }
        let next = self.unit(at, *back).filter(|(unit, _)| one.accepts(*unit));
        let Some((_, behind)) = next else {
            self.stack.pop();
            return None;
        };
        let taken = bound + 1;
        if taken >= *max as usize || self.unit(behind, *back).is_none() {
            self.stack.pop();
        } else if let Some(Entry::Units { at, bound, .. }) = self.stack.last_mut() {
            *at = behind;
            *bound = taken;
        }
        Some(behind)
    }

    fn repeat(&mut self, pc: usize, start: usize) -> Result<Option<usize>, Error> {
        let program = self.program;
        let Inst::Repeat {
            one,
            back,
            min,
            max,
            lazy,
        } = &program.insts[pc]
        else {
            return Ok(None);
        };
        let mut at = start;
        let mut taken = 0u32;
        let mut floor = start;
        let want = if *lazy { *min } else { *max };
        while taken < want {
            match self.unit(at, *back) {
                Some((unit, behind)) if one.accepts(unit) => at = behind,
                _ => break,
            }
            taken += 1;
            if taken == *min {
                floor = at;
            }
        }
        self.steps_by(u64::from(taken))?;
        if taken < *min {
            return Ok(None);
        }
        if *lazy {
            if *max > *min && self.unit(at, *back).is_some() {
                self.push(Entry::Units {
                    inst: pc,
                    at,
                    bound: taken as usize,
                })?;
            }
        } else if at != floor {
            self.push(Entry::Units {
                inst: pc,
                at,
                bound: floor,
            })?;
        }
        Ok(Some(at))
    }

    /// Decides between another iteration and the exit of a general loop. An iteration that matched nothing
    /// ends the loop, as in .NET, or it would run for ever.
    fn loop_test(&mut self, pc: usize, at: usize) -> Result<usize, Error> {
        let program = self.program;
        let Inst::LoopTest {
            counter,
            mark,
            min,
            max,
            lazy,
            exit,
        } = &program.insts[pc]
        else {
            return Ok(pc + 1);
        };
        let count = self.registers[*counter];
        let empty = count > 0 && self.registers[*mark] == at;
        let must = count < *min as usize;
        let may = count < *max as usize && !empty;
        if must || (may && !*lazy) {
            if !must {
                self.push(Entry::Try { inst: *exit, at })?;
            }
            self.set(*counter, count + 1)?;
            self.set(*mark, at)?;
            return Ok(pc + 1);
        }
        if may {
            // Lazy: another iteration is the alternative. It starts behind this test, so the counter moves
            // now and is put back on the way out by the entries below the alternative.
            let old_mark = self.registers[*mark];
            self.push(Entry::Register {
                register: *counter,
                old: count,
            })?;
            self.push(Entry::Register {
                register: *mark,
                old: old_mark,
            })?;
            self.push(Entry::Try { inst: pc + 1, at })?;
            self.push(Entry::Register {
                register: *counter,
                old: count + 1,
            })?;
            self.push(Entry::Register {
                register: *mark,
                old: at,
            })?;
        }
        Ok(*exit)
    }

    fn capture(
        &mut self,
        from: usize,
        to: usize,
        slot: Option<usize>,
        uncapture: Option<usize>,
    ) -> Result<bool, Error> {
        let (mut start, mut end) = (from.min(to), from.max(to));
        if let Some(other) = uncapture {
            let Some((other_start, other_end)) = self.captures[other].pop() else {
                return Ok(false);
            };
            self.push(Entry::RestoreCapture {
                slot: other,
                start: other_start,
                end: other_end,
            })?;
            // The balanced group holds what lies between the two.
            if start >= other_end {
                end = start;
                start = other_end;
            } else if end <= other_start {
                start = other_start;
            } else {
                end = end.min(other_end);
                start = start.max(other_start);
            }
        }
        if let Some(slot) = slot {
            self.captures[slot].push((start, end.max(start)));
            self.push(Entry::DropCapture { slot })?;
        }
        Ok(true)
    }

    fn backreference(
        &mut self,
        slot: usize,
        at: usize,
        ci: bool,
        ecma: bool,
        back: bool,
    ) -> Result<Option<usize>, Error> {
        let Some((start, end)) = self.captures[slot].last().copied() else {
            return Ok(ecma.then_some(at));
        };
        let len = end - start;
        self.steps_by(len as u64)?;
        let from = if back {
            match at.checked_sub(len) {
                Some(from) => from,
                None => return Ok(None),
            }
        } else {
            at
        };
        let (wanted, Some(found)) = (&self.text[start..end], self.text.get(from..from + len)) else {
            return Ok(None);
        };
        let equal = wanted
            .iter()
            .zip(found)
            .all(|(a, b)| a == b || (ci && unit_to_lower(*a) == unit_to_lower(*b)));
        Ok(equal.then_some(if back { from } else { from + len }))
    }

    fn holds(&self, assert: Assert, at: usize) -> bool {
        let end = self.text.len();
        let before = at.checked_sub(1).map(|i| self.text[i]);
        let after = self.text.get(at).copied();
        let boundary = |word: fn(u16) -> bool| before.is_some_and(word) != after.is_some_and(word);
        match assert {
            Assert::TextStart => at == 0,
            Assert::TextEnd => at == end,
            Assert::TextEndOrNewline => at == end || (at + 1 == end && after == Some(0x0a)),
            Assert::LineStart => before.is_none_or(|unit| unit == 0x0a),
            Assert::LineEnd => after.is_none_or(|unit| unit == 0x0a),
            Assert::ScanStart => at == self.origin,
            Assert::Boundary => boundary(is_word),
            Assert::NotBoundary => !boundary(is_word),
            Assert::EcmaBoundary => boundary(is_ecma_word),
            Assert::NotEcmaBoundary => !boundary(is_ecma_word),
        }
    }
}
