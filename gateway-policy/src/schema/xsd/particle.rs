//! Content models as programs that run over the children of an element.
//!
//! A repetition is a counter, not copies of what repeats, so `maxOccurs="1000000000"` costs no more than
//! `maxOccurs="2"`. All ways through a model are followed at once and there is a bound on how many there are.

use std::collections::HashSet;

use smallvec::SmallVec;

use super::{
    ElementId,
    model::{Particle, Term, Wildcard},
};

/// Instructions of one content model: groups that refer to groups multiply.
const INSTRUCTIONS_MAX: usize = 50_000;
/// Particles inside each other: compiling recurses.
const DEPTH_MAX: usize = 200;
/// Copies of a repeated particle that are cheaper than a counter.
const COPIES_MAX: usize = 24;
/// Ways through a model that are open at once; unambiguous models have one.
const WAYS_MAX: usize = 1_000;
/// Mark of a counter in whose turn something has been read.
const READ: u32 = 1 << 31;

#[derive(Debug)]
enum Op {
    Element(ElementId),
    Any(usize),
    /// Both ways, the first one first.
    Split(usize, usize),
    Jump(usize),
    /// A repetition begins.
    Reset(usize),
    /// One more turn, which starts behind this, or out to `exit`.
    Turn {
        counter: usize,
        min: u32,
        max: u32,
        /// A turn can read nothing.
        nullable: bool,
        exit: usize,
    },
    End,
}

/// A content model.
#[derive(Debug, Default)]
pub(super) struct Program {
    ops: Vec<Op>,
    wildcards: Vec<Wildcard>,
    /// Turns that each counter has to reach.
    least: Vec<u32>,
}

/// What a child is checked as.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'p> {
    Element(ElementId),
    Any(&'p Wildcard),
}

impl Program {
    /// Compiles a model; `None`: it is too large.
    pub(super) fn new(particle: &Particle) -> Option<Self> {
        let mut program = Program::default();
        program.emit(particle, 0)?;
        program.push(Op::End)?;
        Some(program)
    }

    /// Instructions, for bounds on the whole schema.
    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    fn push(&mut self, op: Op) -> Option<usize> {
        self.ops.push(op);
        (self.ops.len() <= INSTRUCTIONS_MAX).then_some(self.ops.len() - 1)
    }

    fn emit(&mut self, particle: &Particle, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        let flat = particle.flattened();
        let particle = flat.as_ref().unwrap_or(particle);
        let (min, max) = (particle.min, particle.max);
        let from = self.ops.len();
        match (min, max) {
            (_, Some(0)) => {}
            (1, Some(1)) => self.term(&particle.term, depth)?,
            (0, Some(1)) => {
                let split = self.push(Op::Split(from + 1, 0))?;
                self.term(&particle.term, depth)?;
                self.ops[split] = Op::Split(split + 1, self.ops.len());
            }
            (0, None) => {
                let split = self.push(Op::Split(from + 1, 0))?;
                self.term(&particle.term, depth)?;
                self.push(Op::Jump(split))?;
                self.ops[split] = Op::Split(split + 1, self.ops.len());
            }
            (1, None) => {
                self.term(&particle.term, depth)?;
                let after = self.ops.len() + 1;
                self.push(Op::Split(from, after))?;
            }
            (min, Some(max)) if max as usize <= COPIES_MAX && particle.term.is_single() => {
                for _ in 0..min {
                    self.term(&particle.term, depth)?;
                }
                let mut splits = Vec::new();
                for _ in min..max {
                    splits.push(self.push(Op::Split(0, 0))?);
                    self.term(&particle.term, depth)?;
                }
                let end = self.ops.len();
                for split in splits {
                    self.ops[split] = Op::Split(split + 1, end);
                }
            }
            (min, max) => {
                let counter = self.least.len();
                let nullable = particle.term.is_nullable(0);
                // Turns that read nothing fill up what is missing.
                let min = if nullable { 0 } else { min.min(READ - 1) };
                self.least.push(min);
                self.push(Op::Reset(counter))?;
                let turn = self.push(Op::End)?;
                self.term(&particle.term, depth)?;
                self.push(Op::Jump(turn))?;
                self.ops[turn] = Op::Turn {
                    counter,
                    min,
                    max: max.map_or(u32::MAX, |m| m.min(READ - 1)),
                    nullable,
                    exit: self.ops.len(),
                };
            }
        }
        Some(())
    }

    fn term(&mut self, term: &Term, depth: usize) -> Option<()> {
        match term {
            Term::Element(element) => {
                self.push(Op::Element(*element))?;
            }
            Term::Any(wildcard) => {
                self.wildcards.push(wildcard.clone());
                let index = self.wildcards.len() - 1;
                self.push(Op::Any(index))?;
            }
            Term::Sequence(particles) => {
                for particle in particles {
                    self.emit(particle, depth + 1)?;
                }
            }
            Term::Choice(particles) => {
                let mut jumps = Vec::new();
                for (i, particle) in particles.iter().enumerate() {
                    let last = i + 1 == particles.len();
                    let split = if last {
                        None
                    } else {
                        Some(self.push(Op::Split(0, 0))?)
                    };
                    self.emit(particle, depth + 1)?;
                    if let Some(split) = split {
                        jumps.push(self.push(Op::Jump(0))?);
                        self.ops[split] = Op::Split(split + 1, self.ops.len());
                    }
                }
                let end = self.ops.len();
                for jump in jumps {
                    self.ops[jump] = Op::Jump(end);
                }
            }
            // Only at the top of a model, where it is no program.
            Term::All(_) => return None,
        }
        Some(())
    }

    /// The state before the first child.
    pub(super) fn start(&self, work: &mut u64) -> Option<State> {
        let mut state = State::default();
        let counters = SmallVec::from_elem(0, self.least.len());
        self.close(&mut state, vec![Way { at: 0, counters }], work)?;
        Some(state)
    }

    /// Reads one child, which `fits` says whether a declaration or wildcard is for. `None` in the answer: no way
    /// reads it. `work` counts instructions.
    ///
    /// # Errors
    /// `None` outside: too many ways are open.
    pub(super) fn step<'p>(
        &'p self,
        state: &mut State,
        fits: &dyn Fn(Step<'p>) -> Option<Step<'p>>,
        work: &mut u64,
    ) -> Option<Option<Step<'p>>> {
        let mut found: Option<Step<'p>> = None;
        let mut next = Vec::new();
        for way in &state.ways {
            *work += 1;
            let step = match &self.ops[way.at] {
                Op::Element(element) => fits(Step::Element(*element)),
                Op::Any(index) => fits(Step::Any(&self.wildcards[*index])),
                _ => None,
            };
            let Some(step) = step else {
                continue;
            };
            // A declaration says more than a wildcard.
            let better = match (&found, &step) {
                (None, _) | (Some(Step::Any(_)), Step::Element(_)) => true,
                (Some(_), _) => false,
            };
            if better {
                found = Some(step);
            }
            let mut counters = way.counters.clone();
            for counter in &mut counters {
                *counter |= READ;
            }
            next.push(Way {
                at: way.at + 1,
                counters,
            });
        }
        if found.is_some() {
            // First ways are to come out first.
            next.reverse();
            self.close(state, next, work)?;
        }
        Some(found)
    }

    /// Follows what reads nothing. The last of `stack` counts first.
    fn close(&self, state: &mut State, mut stack: Vec<Way>, work: &mut u64) -> Option<()> {
        state.ways.clear();
        state.ended = false;
        let mut seen: HashSet<Way> = HashSet::new();
        while let Some(mut way) = stack.pop() {
            *work += 1;
            match &self.ops[way.at] {
                Op::Element(_) | Op::Any(_) => {
                    if !seen.insert(way.clone()) {
                        continue;
                    }
                    if state.ways.iter().any(|known| self.covers(known, &way)) {
                        continue;
                    }
                    state.ways.retain(|known| !self.covers(&way, known));
                    state.ways.push(way);
                    if state.ways.len() > WAYS_MAX {
                        return None;
                    }
                    continue;
                }
                Op::End => {
                    state.ended = true;
                    continue;
                }
                _ => {}
            }
            if !seen.insert(way.clone()) {
                continue;
            }
            if seen.len() > WAYS_MAX + 2 * self.ops.len() {
                return None;
            }
            match &self.ops[way.at] {
                Op::Split(first, second) => {
                    stack.push(Way {
                        at: *second,
                        counters: way.counters.clone(),
                    });
                    way.at = *first;
                    stack.push(way);
                }
                Op::Jump(to) => {
                    way.at = *to;
                    stack.push(way);
                }
                Op::Reset(counter) => {
                    way.counters[*counter] = READ;
                    way.at += 1;
                    stack.push(way);
                }
                Op::Turn {
                    counter,
                    min,
                    max,
                    nullable,
                    exit,
                } => {
                    let turns = way.counters[*counter] & !READ;
                    let read = way.counters[*counter] & READ != 0;
                    if *nullable && !read {
                        // A turn that read nothing: whatever follows has been followed before it.
                        continue;
                    }
                    if turns >= *min {
                        let mut out = way.clone();
                        out.counters[*counter] = 0;
                        out.at = *exit;
                        stack.push(out);
                    }
                    if turns < *max {
                        // Beyond what is asked for, turns without bound need no count.
                        let turns = if *max == u32::MAX {
                            (turns + 1).min(*min)
                        } else {
                            turns + 1
                        };
                        way.counters[*counter] = turns;
                        way.at += 1;
                        stack.push(way);
                    }
                }
                Op::Element(_) | Op::Any(_) | Op::End => {}
            }
        }
        Some(())
    }

    /// Whatever follows `other` follows `way` as well: it has no less room left and has to reach no more.
    fn covers(&self, way: &Way, other: &Way) -> bool {
        let room = |((own, other), least): ((&u32, &u32), &u32)| {
            let turns = own & !READ;
            own == other || (own & READ == other & READ && turns >= *least && turns <= (other & !READ))
        };
        way.at == other.at
            && way
                .counters
                .iter()
                .zip(&other.counters)
                .zip(&self.least)
                .all(room)
    }

    /// What could come next.
    pub(super) fn expected<'p>(&'p self, state: &'p State) -> impl Iterator<Item = Step<'p>> {
        state.ways.iter().filter_map(|way| match &self.ops[way.at] {
            Op::Element(element) => Some(Step::Element(*element)),
            Op::Any(index) => Some(Step::Any(&self.wildcards[*index])),
            _ => None,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Way {
    at: usize,
    counters: SmallVec<[u32; 2]>,
}

/// Where a model stands.
#[derive(Debug, Default)]
pub(super) struct State {
    ways: Vec<Way>,
    /// The element may end here.
    pub(super) ended: bool,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn of(min: u32, max: Option<u32>, term: Term) -> Particle {
        Particle {
            min,
            max,
            term: Arc::new(term),
        }
    }

    fn el(min: u32, max: Option<u32>, c: char) -> Particle {
        of(min, max, Term::Element(ElementId(c as usize)))
    }

    fn accepts(program: &Program, word: &str) -> Option<bool> {
        let mut work = 0;
        let mut state = program.start(&mut work)?;
        for c in word.chars() {
            let fits = |step: Step<'_>| match step {
                Step::Element(e) if e.0 == c as usize => Some(Step::Element(e)),
                _ => None,
            };
            if program.step(&mut state, &fits, &mut work)?.is_none() {
                return Some(false);
            }
        }
        assert!(work < 1_000_000, "{work} for {word}");
        Some(state.ended)
    }

    #[test]
    fn models_take_what_they_describe() {
        let one = Some(1);
        let big = Some(1_000_000_000);
        for (particle, good, bad) in [
            (
                of(
                    1,
                    one,
                    Term::Sequence(vec![el(1, one, 'a'), el(0, one, 'b'), el(1, None, 'c')]),
                ),
                vec!["ac", "abc", "accc"],
                vec!["", "a", "ab", "bc", "acb"],
            ),
            (
                of(0, None, Term::Choice(vec![el(1, one, 'a'), el(2, Some(3), 'b')])),
                vec!["", "a", "bb", "abbba", "bbbb"],
                vec!["b", "ab", "c"],
            ),
            (
                of(
                    2,
                    Some(40),
                    Term::Sequence(vec![el(1, one, 'a'), el(0, one, 'b')]),
                ),
                vec!["aa", "abab", "aba"],
                vec!["a", "ab", "b"],
            ),
            (el(3, big, 'a'), vec!["aaa", "aaaaaaaa"], vec!["aa", "aab"]),
            (
                of(2, Some(5), Term::Sequence(vec![el(2, Some(30), 'a')])),
                vec!["aaaa", "aaaaa", "aaaaaaaaaaa"],
                vec!["a", "aa", "aaa"],
            ),
            // Turns of nothing fill up what is missing.
            (
                of(5, big, Term::Sequence(vec![el(0, one, 'a'), el(0, one, 'b')])),
                vec!["", "a", "ab", "ba", "bbbbbbbb"],
                vec!["c"],
            ),
            (
                of(
                    1,
                    one,
                    Term::Sequence(vec![
                        of(30, Some(30), Term::Sequence(vec![el(0, None, 'a')])),
                        el(1, one, 'b'),
                    ]),
                ),
                vec!["b", "aab"],
                vec!["a", ""],
            ),
            (of(1, one, Term::Choice(vec![])), vec![""], vec!["a"]),
            (el(0, Some(0), 'a'), vec![""], vec!["a"]),
        ] {
            let program = Program::new(&particle).unwrap();
            for word in good {
                assert_eq!(accepts(&program, word), Some(true), "{particle:?} {word}");
            }
            for word in bad {
                assert_eq!(accepts(&program, word), Some(false), "{particle:?} {word}");
            }
        }
    }

    #[test]
    fn hostile_models_are_bounded() {
        // Nested counters over one name: every split of the word is a way of its own.
        let mut particle = el(2, Some(1000), 'a');
        for _ in 0..6 {
            particle = of(2, Some(1000), Term::Sequence(vec![particle]));
        }
        let program = Program::new(&particle).unwrap();
        let mut work = 0;
        let mut state = program.start(&mut work).unwrap();
        let fits = |step: Step<'_>| match step {
            Step::Element(e) => Some(Step::Element(e)),
            Step::Any(_) => None,
        };
        let mut stopped = false;
        for _ in 0..2_000 {
            if program.step(&mut state, &fits, &mut work).is_none() {
                stopped = true;
                break;
            }
        }
        assert!(stopped, "it has to be given up");
        assert!(work < 5_000_000, "{work}");
        // Groups of groups of groups.
        let mut particle = el(1, Some(1), 'a');
        for _ in 0..30 {
            particle = of(1, Some(1), Term::Sequence(vec![particle.clone(), particle]));
        }
        assert!(Program::new(&particle).is_none());
    }
}
