//! Replacement patterns and `Replace`.

use crate::{Error, text::Str};

use super::{Groups, Match, Regex, charset};

/// Units a replacement may produce: the strings of an expression are bounded elsewhere, this keeps one call
/// from growing without bound before that check.
const MAX_RESULT: usize = 64 << 20;

/// A piece of a replacement pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u16>),
    Group(usize),
    /// `` $` ``
    Before,
    /// `$'`
    After,
    /// `$+`
    LastGroup,
    /// `$_`
    Whole,
}

/// A parsed replacement pattern (`"$1-${name}"`).
#[derive(Clone, Debug)]
pub struct Replacement(Vec<Piece>);

impl Regex {
    /// Parses a replacement pattern. Never fails: what is no reference is text.
    pub fn replacement(&self, pattern: &Str) -> Replacement {
        Replacement(parse(&pattern.to_utf16(), &self.0.groups))
    }

    /// `Replace(input, replacement, count)`; `usize::MAX` is no limit.
    ///
    /// # Errors
    /// As [`Regex::is_match`].
    pub fn replace(&self, text: &Str, replacement: &Replacement, count: usize) -> Result<Str, Error> {
        self.replace_with(text, count, |one| {
            Ok(Str::from_utf16(&replacement.expand(text, one)))
        })
    }

    /// `Replace(input, evaluator, count)`.
    ///
    /// # Errors
    /// As [`Regex::is_match`], and what the evaluator throws.
    pub fn replace_with<E: From<Error>>(
        &self,
        text: &Str,
        count: usize,
        evaluator: impl FnMut(&Match) -> Result<Str, E>,
    ) -> Result<Str, E> {
        let matches = self.find_all(text, count)?;
        self.replace_matches(text, matches, evaluator)
    }

    /// Puts something else in the place of these matches.
    ///
    /// # Errors
    /// A budget error for a giant result, and what the evaluator throws.
    pub fn replace_matches<E: From<Error>>(
        &self,
        text: &Str,
        mut matches: Vec<Match>,
        mut evaluator: impl FnMut(&Match) -> Result<Str, E>,
    ) -> Result<Str, E> {
        if matches.is_empty() {
            return Ok(text.clone());
        }
        let mut parts = Vec::with_capacity(matches.len());
        // Counted as they come: all the parts of a giant result would not fit into memory either.
        let mut total = 0;
        for one in &matches {
            let part = evaluator(one)?;
            total += part.len();
            if total > MAX_RESULT {
                return Err(Error::budget("length of a replacement").into());
            }
            parts.push(part);
        }
        if self.is_rtl() {
            matches.reverse();
            parts.reverse();
        }
        let units = text.to_utf16();
        let mut out = Vec::with_capacity(units.len());
        let mut at = 0;
        for (one, part) in matches.iter().zip(&parts) {
            out.extend_from_slice(&units[at..one.index()]);
            out.extend(part.units());
            at = one.end();
            if out.len() > MAX_RESULT {
                return Err(Error::budget("length of a replacement").into());
            }
        }
        out.extend_from_slice(&units[at..]);
        Ok(Str::from_utf16(&out))
    }
}

impl Replacement {
    /// `Match.Result`: the pattern with the captures of one match put in.
    pub fn expand(&self, text: &Str, one: &Match) -> Vec<u16> {
        let units = text.to_utf16();
        let group = |slot: usize| one.group(slot).map_or(&[][..], |(start, end)| &units[start..end]);
        let mut out = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Group(slot) => out.extend_from_slice(group(*slot)),
                Piece::Before => out.extend_from_slice(&units[..one.index()]),
                Piece::After => out.extend_from_slice(&units[one.end()..]),
                Piece::LastGroup => out.extend_from_slice(group(one.groups.len() - 1)),
                Piece::Whole => out.extend_from_slice(&units),
            }
        }
        out
    }
}

fn parse(units: &[u16], groups: &Groups) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    let mut at = 0;
    while at < units.len() {
        if units[at] == u16::from(b'$')
            && let Some((piece, len)) = reference(&units[at + 1..], groups)
        {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(piece);
            at += 1 + len;
        } else {
            text.push(units[at]);
            at += 1;
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// What follows a dollar sign: the piece and its length, or `None` when it is text.
fn reference(rest: &[u16], groups: &Groups) -> Option<(Piece, usize)> {
    let letter = u8::try_from(*rest.first()?).unwrap_or(0);
    match letter {
        b'$' => return Some((Piece::Text(vec![u16::from(b'$')]), 1)),
        b'&' => return Some((Piece::Group(0), 1)),
        b'`' => return Some((Piece::Before, 1)),
        b'\'' => return Some((Piece::After, 1)),
        b'+' => return Some((Piece::LastGroup, 1)),
        b'_' => return Some((Piece::Whole, 1)),
        _ => {}
    }
    let braced = letter == b'{';
    let from = usize::from(braced);
    let digits = rest[from..]
        .iter()
        .take_while(|u| (0x30..0x3a).contains(*u))
        .count();
    let len = if digits > 0 {
        digits
    } else if braced {
        rest[from..].iter().take_while(|u| charset::is_word(**u)).count()
    } else {
        0
    };
    if len == 0 || (braced && rest.get(from + len) != Some(&u16::from(b'}'))) {
        return None;
    }
    let name = String::from_utf16_lossy(&rest[from..from + len]);
    let slot = if digits > 0 {
        groups.slot_of_number(name.parse().ok()?)
    } else {
        groups.slot_of_name(&name)
    }?;
    Some((Piece::Group(slot), len + 2 * from))
}
