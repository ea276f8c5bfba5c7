//! `System.Text.RegularExpressions`: .NET's dialect, matched by backtracking over UTF-16 units.
//!
//! No crate speaks this dialect (balancing groups, captures of every iteration, right-to-left matching,
//! conditionals, .NET's character classes and numbering), so it is our own: [`parse`] text to tree,
//! [`compile`] tree to a flat program, [`exec`] an explicit-stack machine that cannot overflow the
//! thread's stack and stops at [`MAX_STEPS`]. Source: .NET documentation, "Regular Expression Language";
//! behaviour recorded from .NET Core 3.1.

mod charset;
mod compile;
mod exec;
mod node;
mod parse;
mod replace;

use std::{
    cell::Cell,
    ops::{BitOr, BitOrAssign},
    sync::Arc,
};

use crate::{Error, ExceptionKind, text::Str};

/// Steps one call may take unless [`limit_steps`] says otherwise: a step is one instruction or one unit of a simple loop. About a tenth of a
/// second, after which a pattern is taken for a catastrophic one.
pub const MAX_STEPS: u64 = 20_000_000;
thread_local! {
    /// Steps one call may take on this thread.
    static ONE: Cell<u64> = const { Cell::new(MAX_STEPS) };
    /// Steps left for all calls on this thread.
    static ALL: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// Bounds in force on this thread; they end with it.
#[derive(Debug)]
#[must_use = "the bounds end when this is dropped"]
pub struct StepLimits(());

impl Drop for StepLimits {
    fn drop(&mut self) {
        ONE.set(MAX_STEPS);
        ALL.set(u64::MAX);
    }
}

/// Bounds the calls on this thread until the returned value is dropped: what one may take, and what all may take together.
/// A loop that catches every time-out would otherwise have the first bound again and again.
pub fn limit_steps(one: u64, all: u64) -> StepLimits {
    ONE.set(one);
    ALL.set(all);
    StepLimits(())
}

/// Gives a call its steps, and takes what it used from those of all.
fn metered<T>(call: impl FnOnce(&mut u64) -> Result<T, Error>) -> Result<T, Error> {
    let given = ONE.get().min(ALL.get());
    let mut steps = given;
    let result = call(&mut steps);
    ALL.set(ALL.get().saturating_sub(given - steps));
    result
}

/// Entries of the backtracking stack, 16 bytes each: 64 MiB at the most.
pub const MAX_BACKTRACK: usize = 4_000_000;
/// Nesting of groups in a pattern: parsing and compiling recurse.
pub const MAX_NESTING: usize = 200;
/// Units of a pattern: what a policy document of 256 KiB could hold at the most.
pub const MAX_PATTERN: usize = 262_144;

/// `RegexOptions`, with .NET's bit values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options(pub i32);

#[expect(missing_docs, reason = "the members of RegexOptions under their own names")]
impl Options {
    pub const NONE: Options = Options(0);
    pub const IGNORE_CASE: Options = Options(1);
    pub const MULTILINE: Options = Options(2);
    pub const EXPLICIT_CAPTURE: Options = Options(4);
    pub const COMPILED: Options = Options(8);
    pub const SINGLELINE: Options = Options(16);
    pub const IGNORE_PATTERN_WHITESPACE: Options = Options(32);
    pub const RIGHT_TO_LEFT: Options = Options(64);
    pub const ECMA_SCRIPT: Options = Options(256);
    pub const CULTURE_INVARIANT: Options = Options(512);

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Options) -> bool {
        self.0 & other.0 == other.0
    }

    fn set(&mut self, other: Options, on: bool) {
        if on {
            self.0 |= other.0;
        } else {
            self.0 &= !other.0;
        }
    }

    /// The combinations .NET's constructor accepts.
    fn check(self) -> Result<(), Error> {
        let known = 0x37f;
        let ecma_allows = 1 | 2 | 8 | 256 | 512;
        if self.0 & !known != 0 || (self.has(Self::ECMA_SCRIPT) && self.0 & !ecma_allows != 0) {
            return Err(Error::out_of_range(
                "options",
                "Specified argument was out of the range of valid values.",
            ));
        }
        Ok(())
    }
}

impl BitOr for Options {
    type Output = Options;
    fn bitor(self, other: Options) -> Options {
        Options(self.0 | other.0)
    }
}

impl BitOrAssign for Options {
    fn bitor_assign(&mut self, other: Options) {
        self.0 |= other.0;
    }
}

/// A compiled pattern. Cheap to clone, shared between workers.
#[derive(Clone, Debug)]
pub struct Regex(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    pattern: Str,
    options: Options,
    program: compile::Program,
    groups: Groups,
}

/// The groups of a pattern, in the order of their numbers.
#[derive(Clone, Debug, Default)]
struct Groups {
    /// Number of each slot, ascending; slot 0 is the whole match.
    numbers: Vec<i32>,
    /// Name of each slot; a number where it has no other.
    names: Vec<String>,
}

impl Groups {
    fn slot_of_number(&self, number: i32) -> Option<usize> {
        self.numbers.binary_search(&number).ok()
    }

    fn slot_of_name(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n == name)
    }
}

/// A successful match: where every group captured, iteration by iteration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Per slot, every capture in order as start and end in UTF-16 units. Slot 0 has exactly one.
    pub groups: Vec<Vec<(usize, usize)>>,
}

impl Match {
    /// Start of the whole match.
    pub fn index(&self) -> usize {
        self.group(0).map_or(0, |(start, _)| start)
    }

    /// End of the whole match.
    pub fn end(&self) -> usize {
        self.group(0).map_or(0, |(_, end)| end)
    }

    /// The last capture of a slot; `None` when the group did not take part.
    pub fn group(&self, slot: usize) -> Option<(usize, usize)> {
        self.groups
            .get(slot)
            .and_then(|captures| captures.last())
            .copied()
    }
}

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// `RegexParseException` with .NET's text and offset; `ArgumentOutOfRangeException` for bad options; a
    /// spent budget when the pattern is larger or nested deeper than the limits.
    pub fn new(pattern: &Str, options: Options) -> Result<Regex, Error> {
        options.check()?;
        let parsed = parse::parse(pattern, options)?;
        let program = compile::compile(
            &parsed.root,
            parsed.groups.numbers.len(),
            options.has(Options::RIGHT_TO_LEFT),
        );
        Ok(Regex(Arc::new(Compiled {
            pattern: pattern.clone(),
            options,
            program,
            groups: parsed.groups,
        })))
    }

    /// The pattern's text (`ToString()`).
    pub fn pattern(&self) -> &Str {
        &self.0.pattern
    }

    /// The options it was made with.
    pub fn options(&self) -> Options {
        self.0.options
    }

    /// Number of groups, the whole match included.
    pub fn group_count(&self) -> usize {
        self.0.groups.numbers.len()
    }

    /// Name of a slot (`GroupNameFromNumber`).
    pub fn group_name(&self, slot: usize) -> Option<&str> {
        self.0.groups.names.get(slot).map(String::as_str)
    }

    /// Slot of `Groups[number]`.
    pub fn slot_of_number(&self, number: i32) -> Option<usize> {
        self.0.groups.slot_of_number(number)
    }

    /// Slot of `Groups["name"]`.
    pub fn slot_of_name(&self, name: &str) -> Option<usize> {
        self.0.groups.slot_of_name(name)
    }

    /// Where a search without a start begins: the end of the text for right-to-left patterns.
    fn first_start(&self, text: &[u16]) -> usize {
        if self.is_rtl() { text.len() } else { 0 }
    }

    fn is_rtl(&self) -> bool {
        self.0.options.has(Options::RIGHT_TO_LEFT)
    }

    /// `IsMatch`
    ///
    /// # Errors
    /// `RegexMatchTimeoutException` when [`MAX_STEPS`] are spent.
    pub fn is_match(&self, text: &Str) -> Result<bool, Error> {
        Ok(self.find(text)?.is_some())
    }

    /// `Match(input)`
    ///
    /// # Errors
    /// As [`Regex::is_match`].
    pub fn find(&self, text: &Str) -> Result<Option<Match>, Error> {
        let units = text.to_utf16();
        let start = self.first_start(&units);
        metered(|steps| self.run(&units, start, start, steps))
    }

    /// `Match(input, startat)`
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` for a start outside the text; else as [`Regex::is_match`].
    pub fn find_at(&self, text: &Str, start: i32) -> Result<Option<Match>, Error> {
        let units = text.to_utf16();
        let start = start_in(&units, start)?;
        metered(|steps| self.run(&units, start, start, steps))
    }

    /// `Matches(input)`: all of them, at most `limit`.
    ///
    /// # Errors
    /// As [`Regex::is_match`].
    pub fn find_all(&self, text: &Str, limit: usize) -> Result<Vec<Match>, Error> {
        let units = text.to_utf16();
        self.all(&units, self.first_start(&units), limit)
    }

    /// `Matches(input, startat)`: those from `start` on, at most `limit`.
    ///
    /// # Errors
    /// As [`Regex::find_at`].
    pub fn find_all_at(&self, text: &Str, start: i32, limit: usize) -> Result<Vec<Match>, Error> {
        let units = text.to_utf16();
        self.all(&units, start_in(&units, start)?, limit)
    }

    /// The match after `previous` (`Match.NextMatch()`).
    ///
    /// # Errors
    /// As [`Regex::is_match`].
    pub fn find_next(&self, text: &Str, previous: &Match) -> Result<Option<Match>, Error> {
        let units = text.to_utf16();
        metered(|steps| self.next_in(&units, previous, steps))
    }

    fn next_in(&self, units: &[u16], previous: &Match, steps: &mut u64) -> Result<Option<Match>, Error> {
        let edge = if self.is_rtl() {
            previous.index()
        } else {
            previous.end()
        };
        if previous.index() != previous.end() {
            return self.run(units, edge, edge, steps);
        }
        // An empty match is passed by one unit, or it would be found for ever.
        let from = if self.is_rtl() {
            edge.checked_sub(1)
        } else {
            Some(edge + 1)
        };
        match from {
            Some(from) if from <= units.len() => self.run(units, from, edge, steps),
            _ => Ok(None),
        }
    }

    fn all(&self, units: &[u16], start: usize, limit: usize) -> Result<Vec<Match>, Error> {
        metered(|steps| {
            let mut found = Vec::new();
            let mut at = self.run(units, start, start, steps)?;
            while let Some(one) = at {
                if found.len() >= limit {
                    break;
                }
                at = self.next_in(units, &one, steps)?;
                found.push(one);
            }
            Ok(found)
        })
    }

    fn run(&self, text: &[u16], from: usize, origin: usize, steps: &mut u64) -> Result<Option<Match>, Error> {
        exec::search(&self.0.program, text, from, origin, self.is_rtl(), steps)
    }

    /// `Split(input, count, startat)`; `count` 0 is no limit. Captures stand between the pieces.
    ///
    /// # Errors
    /// As [`Regex::find_at`].
    pub fn split(&self, text: &Str, count: usize, start: Option<i32>) -> Result<Vec<Str>, Error> {
        if count == 1 {
            return Ok(vec![text.clone()]);
        }
        let limit = if count == 0 { usize::MAX } else { count - 1 };
        let matches = match start {
            Some(start) => self.find_all_at(text, start, limit)?,
            None => self.find_all(text, limit)?,
        };
        let mut pieces = Vec::with_capacity(matches.len() + 1);
        let mut at = if self.is_rtl() { text.len() } else { 0 };
        for one in &matches {
            if self.is_rtl() {
                pieces.push(text.slice(one.end(), at - one.end()));
                at = one.index();
            } else {
                pieces.push(text.slice(at, one.index() - at));
                at = one.end();
            }
            for slot in 1..self.group_count() {
                if let Some((start, end)) = one.group(slot) {
                    pieces.push(text.slice(start, end - start));
                }
            }
        }
        if self.is_rtl() {
            pieces.push(text.slice(0, at));
            pieces.reverse();
        } else {
            pieces.push(text.slice(at, text.len() - at));
        }
        Ok(pieces)
    }
}

fn start_in(units: &[u16], start: i32) -> Result<usize, Error> {
    let message = "Start index cannot be less than 0 or greater than input length.";
    usize::try_from(start)
        .ok()
        .filter(|s| *s <= units.len())
        .ok_or_else(|| Error::out_of_range("startat", message))
}

/// `Regex.Escape`
pub fn escape(text: &Str) -> Str {
    let mut out = Vec::with_capacity(text.len());
    for unit in text.units() {
        let short = match unit {
            0x0a => Some('n'),
            0x0d => Some('r'),
            0x09 => Some('t'),
            0x0c => Some('f'),
            _ => None,
        };
        if let Some(letter) = short {
            out.extend([u16::from(b'\\'), letter as u16]);
            continue;
        }
        if unit < 128 && b" #$()*+.?[\\^{|".contains(&(unit as u8)) {
            out.push(u16::from(b'\\'));
        }
        out.push(unit);
    }
    Str::from_utf16(&out)
}

/// `Regex.Unescape`
///
/// # Errors
/// `RegexParseException` for an escape that does not exist.
pub fn unescape(text: &Str) -> Result<Str, Error> {
    parse::unescape(text)
}

fn timed_out() -> Error {
    Error::new(
        ExceptionKind::RegexMatchTimeoutException,
        "The RegEx engine has timed out while trying to match a pattern to an input string. This can occur for many reasons, \
         including very large inputs or excessive backtracking caused by nested quantifiers, back-references and other factors.",
    )
}
