//! How deep and how much the parts of tuples and anonymous objects are looked at.
//!
//! Their equality, hash and text go through their parts, and parts may be shared: sixty doublings make a value
//! that takes longer than anybody waits. What goes over a limit is cut short there, and the evaluation ends with
//! a budget exception instead of a value.

use std::cell::Cell;

/// Deepest nesting that is looked at: far more than programs write, little of a stack.
const DEPTH_MAX: u32 = 200;
/// Most composite values looked at in one evaluation: a fraction of a second.
const VISITS_MAX: u32 = 1_000_000;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static VISITS: Cell<u32> = const { Cell::new(0) };
}

/// An evaluation starts.
pub(crate) fn start() {
    VISITS.set(0);
}

/// Whether something was cut short since [`start`].
pub(crate) fn exceeded() -> bool {
    VISITS.get() > VISITS_MAX
}

/// Looks at the parts of a composite value; `None` when that goes over a limit.
pub(crate) fn parts<R>(look: impl FnOnce() -> R) -> Option<R> {
    let (depth, visits) = (DEPTH.get(), VISITS.get());
    if depth >= DEPTH_MAX || visits >= VISITS_MAX {
        VISITS.set(VISITS_MAX + 1);
        return None;
    }
    VISITS.set(visits + 1);
    DEPTH.set(depth + 1);
    let seen = look();
    DEPTH.set(depth);
    Some(seen)
}
