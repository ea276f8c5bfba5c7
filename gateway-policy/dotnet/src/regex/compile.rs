//! Tree to flat program.
//!
//! Matching direction is settled here: inside a look-behind (and with RightToLeft) sequences are laid out
//! backwards and units are read before the position.

use super::{
    charset::CharSet,
    node::{Assert, Node, One},
};
use std::sync::Arc;

/// One instruction. Registers hold positions, loop counters or heights of the backtracking stack.
#[derive(Clone, Debug)]
pub(super) enum Inst {
    /// One unit, forwards or backwards.
    One {
        one: One,
        back: bool,
    },
    /// A loop over single units: no instruction per iteration, no backtracking entry per unit.
    Repeat {
        one: One,
        back: bool,
        min: u32,
        max: u32,
        lazy: bool,
    },
    /// Try what follows; on failure go to the target.
    OrElse(usize),
    Jump(usize),
    /// Counter to zero, mark to nowhere.
    LoopStart {
        counter: usize,
        mark: usize,
    },
    /// Before each iteration.
    LoopTest {
        counter: usize,
        mark: usize,
        min: u32,
        max: u32,
        lazy: bool,
        exit: usize,
    },
    /// Start of a group.
    CaptureStart(usize),
    CaptureEnd {
        register: usize,
        slot: Option<usize>,
        uncapture: Option<usize>,
    },
    Backreference {
        slot: usize,
        ci: bool,
        ecma: bool,
        back: bool,
    },
    Assert(Assert),
    /// Remember the height of the stack (and the position).
    Mark {
        height: usize,
        position: usize,
    },
    /// Forget the alternatives since the mark.
    Commit {
        height: usize,
    },
    /// The same, and return to the position of the mark.
    CommitAndReturn {
        height: usize,
        position: usize,
    },
    /// Undo everything since the mark and fail there.
    Abandon {
        height: usize,
    },
    IfCaptured {
        slot: usize,
        otherwise: usize,
    },
    Accept,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) insts: Vec<Inst>,
    pub(super) registers: usize,
    pub(super) slots: usize,
    /// What the first unit of a match must be, when that is certain.
    pub(super) first: Option<One>,
    /// Only a start at the beginning of the text can match.
    pub(super) anchored: bool,
}

/// Compiles a tree.
pub(super) fn compile(root: &Node, slots: usize, rtl: bool) -> Program {
    let mut compiler = Compiler {
        insts: Vec::new(),
        registers: 0,
    };
    compiler.capture(root, Some(0), None, rtl);
    compiler.insts.push(Inst::Accept);
    Program {
        insts: compiler.insts,
        registers: compiler.registers,
        slots,
        first: if rtl { None } else { first(root) },
        anchored: !rtl && anchored(root),
    }
}

struct Compiler {
    insts: Vec<Inst>,
    registers: usize,
}

impl Compiler {
    fn register(&mut self) -> usize {
        self.registers += 1;
        self.registers - 1
    }

    fn push(&mut self, inst: Inst) -> usize {
        self.insts.push(inst);
        self.insts.len() - 1
    }

    /// Points a forward jump at what comes next.
    fn land(&mut self, at: usize) {
        let here = self.insts.len();
        match &mut self.insts[at] {
            Inst::OrElse(target)
            | Inst::Jump(target)
            | Inst::LoopTest { exit: target, .. }
            | Inst::IfCaptured {
                otherwise: target, ..
            } => *target = here,
            _ => {}
        }
    }

    fn node(&mut self, node: &Node, back: bool) {
        match node {
            Node::Empty => {}
            Node::One(one) => {
                self.push(Inst::One {
                    one: one.clone(),
                    back,
                });
            }
            Node::Concat(parts) if back => parts.iter().rev().for_each(|part| self.node(part, back)),
            Node::Concat(parts) => parts.iter().for_each(|part| self.node(part, back)),
            Node::Alternate(branches) => self.alternate(branches, back),
            Node::Loop { body, min, max, lazy } => self.repeat(body, *min, *max, *lazy, back),
            Node::Capture {
                slot,
                uncapture,
                body,
            } => self.capture(body, *slot, *uncapture, back),
            Node::Atomic(body) => {
                let height = self.register();
                let position = self.register();
                self.push(Inst::Mark { height, position });
                self.node(body, back);
                self.push(Inst::Commit { height });
            }
            Node::Look {
                behind,
                negative,
                body,
            } => self.look(body, *behind, *negative),
            Node::Backreference { slot, ci, ecma } => {
                self.push(Inst::Backreference {
                    slot: *slot,
                    ci: *ci,
                    ecma: *ecma,
                    back,
                });
            }
            Node::Assert(assert) => {
                self.push(Inst::Assert(*assert));
            }
            Node::IfCaptured { slot, yes, no } => {
                let test = self.push(Inst::IfCaptured {
                    slot: *slot,
                    otherwise: 0,
                });
                self.node(yes, back);
                let end = self.push(Inst::Jump(0));
                self.land(test);
                self.node(no, back);
                self.land(end);
            }
            Node::IfMatches { test, yes, no } => self.if_matches(test, yes, no, back),
        }
    }

    fn alternate(&mut self, branches: &[Node], back: bool) {
        let mut ends = Vec::with_capacity(branches.len());
        for (i, branch) in branches.iter().enumerate() {
            if i + 1 == branches.len() {
                self.node(branch, back);
            } else {
                let other = self.push(Inst::OrElse(0));
                self.node(branch, back);
                ends.push(self.push(Inst::Jump(0)));
                self.land(other);
            }
        }
        ends.into_iter().for_each(|end| self.land(end));
    }

    fn repeat(&mut self, body: &Node, min: u32, max: u32, lazy: bool, back: bool) {
        if let Node::One(one) = body {
            self.push(Inst::Repeat {
                one: one.clone(),
                back,
                min,
                max,
                lazy,
            });
            return;
        }
        let counter = self.register();
        let mark = self.register();
        self.push(Inst::LoopStart { counter, mark });
        let test = self.push(Inst::LoopTest {
            counter,
            mark,
            min,
            max,
            lazy,
            exit: 0,
        });
        self.node(body, back);
        self.push(Inst::Jump(test));
        self.land(test);
    }

    fn capture(&mut self, body: &Node, slot: Option<usize>, uncapture: Option<usize>, back: bool) {
        let register = self.register();
        self.push(Inst::CaptureStart(register));
        self.node(body, back);
        self.push(Inst::CaptureEnd {
            register,
            slot,
            uncapture,
        });
    }

    fn look(&mut self, body: &Node, behind: bool, negative: bool) {
        let height = self.register();
        let position = self.register();
        self.push(Inst::Mark { height, position });
        if negative {
            let other = self.push(Inst::OrElse(0));
            self.node(body, behind);
            self.push(Inst::Abandon { height });
            self.land(other);
        } else {
            self.node(body, behind);
            self.push(Inst::CommitAndReturn { height, position });
        }
    }

    fn if_matches(&mut self, test: &Node, yes: &Node, no: &Node, back: bool) {
        let height = self.register();
        let position = self.register();
        self.push(Inst::Mark { height, position });
        let other = self.push(Inst::OrElse(0));
        self.node(test, back);
        self.push(Inst::CommitAndReturn { height, position });
        self.node(yes, back);
        let end = self.push(Inst::Jump(0));
        self.land(other);
        self.node(no, back);
        self.land(end);
    }
}

fn first(node: &Node) -> Option<One> {
    match node {
        Node::One(one) => Some(one.clone()),
        Node::Concat(parts) => parts.iter().find(|part| !is_zero_width(part)).and_then(first),
        Node::Capture { body, .. } | Node::Atomic(body) => first(body),
        Node::Loop { body, min, .. } if *min > 0 => first(body),
        Node::Alternate(branches) => {
            let mut set = CharSet::default();
            for branch in branches {
                match first(branch)? {
                    One::Unit { unit, ci: false } => set.add(unit, unit),
                    _ => return None,
                }
            }
            Some(One::Set {
                set: Arc::new(set.frozen(false)),
                ci: false,
            })
        }
        _ => None,
    }
}

fn is_zero_width(node: &Node) -> bool {
    matches!(node, Node::Assert(_) | Node::Look { .. } | Node::Empty)
}

fn anchored(node: &Node) -> bool {
    match node {
        Node::Assert(Assert::TextStart) => true,
        Node::Concat(parts) => parts.first().is_some_and(anchored),
        Node::Capture { body, .. } | Node::Atomic(body) => anchored(body),
        Node::Alternate(branches) => branches.iter().all(anchored),
        _ => false,
    }
}
