//! The tree of a parsed pattern.

use std::sync::Arc;

use super::charset::CharSet;

/// One unit of text, from where a pattern stands.
#[derive(Clone, Debug)]
pub(super) enum One {
    /// This unit; with `ci`, already lower case and compared to the lower case of the text's.
    Unit {
        /// The unit.
        unit: u16,
        /// Ignore case.
        ci: bool,
    },
    /// A unit of this set.
    Set {
        /// The set.
        set: Arc<CharSet>,
        /// Ignore case.
        ci: bool,
    },
}

/// What an assertion looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assert {
    /// `^` with Multiline
    LineStart,
    /// `$` with Multiline
    LineEnd,
    /// `\A`, `^`
    TextStart,
    /// `\z`
    TextEnd,
    /// `\Z`, `$`: at the end or before a final line feed
    TextEndOrNewline,
    /// `\G`
    ScanStart,
    /// `\b`
    Boundary,
    /// `\B`
    NotBoundary,
    /// `\b` with ECMAScript
    EcmaBoundary,
    /// `\B` with ECMAScript
    NotEcmaBoundary,
}

/// A pattern's tree. Groups are named by slot.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Empty,
    One(One),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
    Loop {
        body: Box<Node>,
        min: u32,
        /// `u32::MAX` is no limit.
        max: u32,
        lazy: bool,
    },
    /// `(…)`, `(?<n>…)`, `(?<n-m>…)`, `(?<-m>…)`
    Capture {
        slot: Option<usize>,
        uncapture: Option<usize>,
        body: Box<Node>,
    },
    Atomic(Box<Node>),
    Look {
        behind: bool,
        negative: bool,
        body: Box<Node>,
    },
    Backreference {
        slot: usize,
        ci: bool,
        /// ECMAScript: a group that did not take part matches empty.
        ecma: bool,
    },
    Assert(Assert),
    IfCaptured {
        slot: usize,
        yes: Box<Node>,
        no: Box<Node>,
    },
    IfMatches {
        test: Box<Node>,
        yes: Box<Node>,
        no: Box<Node>,
    },
}
