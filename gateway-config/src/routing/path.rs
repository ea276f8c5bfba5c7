//! A request path in segments: decoded where needed, and refused when two readers could disagree about it.
//!
//! Decisions (fail closed, `gateway-behaviour.md` §23 item 8 leaves them open):
//! - Segments are split at literal `/` only. `%2F` stays inside its segment: it can be captured by a parameter
//!   or a wildcard and never reaches another route than the undecoded path would.
//! - A path with a `.` or `..` segment in any spelling (`%2e`, next to `%2f`, `\` or `%5c`) matches nothing:
//!   a backend that normalises would serve another resource than the one whose policies ran.
//! - Broken escapes, escapes that give no UTF-8, and control characters match nothing.
//! - A segment longer than [`MAX_SEGMENT`] matches nothing (APIM's limit).
//! - Letter case is ignored, for non-ASCII letters too. An empty segment (`//`) is a segment.

use std::borrow::Cow;

/// APIM: 1,024 characters per segment since July 2022.
pub(crate) const MAX_SEGMENT: usize = 1024;
/// Segments kept without allocation; longer paths use the heap. Real APIs stay below 16.
const INLINE: usize = 24;

/// One segment: offsets into [`Segments::text`], and where it starts in the raw path.
#[derive(Clone, Copy, Default)]
struct Bound {
    start: u32,
    end: u32,
    raw_start: u32,
}

/// A path split at `/`, the leading one dropped: `/a/b/` is `a`, `b`, `` (empty).
pub(crate) struct Segments<'p> {
    text: Cow<'p, str>,
    raw_len: u32,
    inline: [Bound; INLINE],
    heap: Vec<Bound>,
    len: usize,
}

/// Why a path matches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadPath {
    /// It does not begin with `/`.
    NotAbsolute,
    /// A segment is too long.
    SegmentTooLong,
    /// A dot segment in some spelling.
    DotSegment,
    /// A broken escape, a control character, or bytes that are no UTF-8.
    BadEscape,
}

impl<'p> Segments<'p> {
    /// Splits `path`. Allocates only when it has escapes or more than 24 segments.
    pub(crate) fn split(path: &'p str) -> Result<Self, BadPath> {
        let Some(rest) = path.strip_prefix('/') else {
            return Err(BadPath::NotAbsolute);
        };
        let mut out = Segments {
            text: Cow::Borrowed(path),
            raw_len: path.len() as u32,
            inline: [Bound::default(); INLINE],
            heap: Vec::new(),
            len: 0,
        };
        let plain = !rest
            .bytes()
            .any(|b| b == b'%' || b == b'\\' || b < b' ' || b == 0x7f);
        if plain {
            out.split_plain(path)?;
        } else {
            out.split_decoded(rest)?;
        }
        Ok(out)
    }

    fn split_plain(&mut self, path: &str) -> Result<(), BadPath> {
        let bytes = path.as_bytes();
        let mut start = 1;
        for at in 1..=bytes.len() {
            if at < bytes.len() && bytes[at] != b'/' {
                continue;
            }
            let segment = &bytes[start..at];
            if segment.len() > MAX_SEGMENT {
                return Err(BadPath::SegmentTooLong);
            }
            if segment == b"." || segment == b".." {
                return Err(BadPath::DotSegment);
            }
            self.push(Bound {
                start: start as u32,
                end: at as u32,
                raw_start: start as u32,
            });
            start = at + 1;
        }
        Ok(())
    }

    fn split_decoded(&mut self, rest: &str) -> Result<(), BadPath> {
        let mut text = String::with_capacity(rest.len());
        let mut raw_start = 1;
        for raw in rest.split('/') {
            if raw.len() > MAX_SEGMENT {
                return Err(BadPath::SegmentTooLong);
            }
            let segment = decode(raw).ok_or(BadPath::BadEscape)?;
            if segment.bytes().any(|b| b < b' ' || b == 0x7f) {
                return Err(BadPath::BadEscape);
            }
            if segment.split(['/', '\\']).any(|part| part == "." || part == "..") {
                return Err(BadPath::DotSegment);
            }
            text.push('/');
            let start = text.len() as u32;
            text.push_str(&segment);
            self.push(Bound {
                start,
                end: text.len() as u32,
                raw_start,
            });
            raw_start += raw.len() as u32 + 1;
        }
        self.text = Cow::Owned(text);
        Ok(())
    }

    fn push(&mut self, bound: Bound) {
        if self.len < INLINE {
            self.inline[self.len] = bound;
        } else {
            self.heap.push(bound);
        }
        self.len += 1;
    }

    fn bound(&self, index: usize) -> Option<Bound> {
        if index >= self.len {
            None
        } else if index < INLINE {
            Some(self.inline[index])
        } else {
            self.heap.get(index - INLINE).copied()
        }
    }

    /// Number of segments; at least one.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Segment `index`, decoded.
    pub(crate) fn get(&self, index: usize) -> Option<&str> {
        self.bound(index)
            .map(|b| &self.text[b.start as usize..b.end as usize])
    }

    /// Everything from segment `index` to the end, decoded, without leading slash.
    pub(crate) fn rest(&self, index: usize) -> &str {
        self.bound(index).map_or("", |b| &self.text[b.start as usize..])
    }

    /// A part of segment `index`.
    pub(crate) fn part(&self, index: usize, range: (u32, u32)) -> &str {
        self.get(index)
            .and_then(|s| s.get(range.0 as usize..range.1 as usize))
            .unwrap_or("")
    }

    /// Offset in the raw path of the slash before segment `index`; the path's length at its end.
    pub(crate) fn raw_offset(&self, index: usize) -> usize {
        self.bound(index).map_or(self.raw_len, |b| b.raw_start - 1) as usize
    }
}

/// Percent-decodes strictly; `None` for a broken escape or bytes that are no UTF-8.
pub(crate) fn decode(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('%') {
        return Some(Cow::Borrowed(raw));
    }
    let bytes = raw.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        if b != b'%' {
            out.push(b);
            at += 1;
            continue;
        }
        let high = char::from(*bytes.get(at + 1)?).to_digit(16)?;
        let low = char::from(*bytes.get(at + 2)?).to_digit(16)?;
        out.push((high * 16 + low) as u8);
        at += 3;
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// Hash of a segment with letter case folded, eight bytes at a time. Not keyed: the table's keys come from the
/// configuration, and a request can at most repeat one comparison. Setting bit 5 folds ASCII letters; that it also
/// merges a few other characters only costs a comparison.
pub(crate) fn fold_hash(segment: &str) -> u64 {
    if segment.is_ascii() {
        return hash_bytes(segment.as_bytes());
    }
    let folded: String = segment.chars().flat_map(char::to_lowercase).collect();
    hash_bytes(folded.as_bytes())
}

fn hash_bytes(bytes: &[u8]) -> u64 {
    const FOLD: u64 = 0x2020_2020_2020_2020;
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = bytes.len() as u64;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        hash = (hash ^ (u64::from_le_bytes(*chunk) | FOLD))
            .wrapping_mul(MIX)
            .rotate_left(29);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    hash = (hash ^ (u64::from_le_bytes(last) | FOLD)).wrapping_mul(MIX);
    hash ^ (hash >> 32)
}

/// Are two segments equal when letter case is folded?
pub(crate) fn fold_eq(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars()
        .flat_map(char::to_lowercase)
        .eq(b.chars().flat_map(char::to_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Result<&[&str], BadPath>) {
        let got = Segments::split(path);
        match (got, expected) {
            (Ok(s), Ok(list)) => {
                let got: Vec<&str> = (0..s.len()).filter_map(|i| s.get(i)).collect();
                assert_eq!(got, list, "{path}");
            }
            (Err(e), Err(expected)) => assert_eq!(e, expected, "{path}"),
            (got, expected) => panic!("{path}: {:?} instead of {expected:?}", got.map(|s| s.len())),
        }
    }

    #[test]
    fn split_table() {
        check("/", Ok(&[""]));
        check("/a/b", Ok(&["a", "b"]));
        check("/a//b/", Ok(&["a", "", "b", ""]));
        check("/a%20b/c", Ok(&["a b", "c"]));
        check("/a%2Fb/c", Ok(&["a/b", "c"]));
        check("/%C3%A9", Ok(&["é"]));
        check("/a;rev=2/b", Ok(&["a;rev=2", "b"]));
        check("/...", Ok(&["..."]));
    }

    #[test]
    fn what_two_readers_could_disagree_about_matches_nothing() {
        for (path, why) in [
            ("", BadPath::NotAbsolute),
            ("*", BadPath::NotAbsolute),
            ("/a/../b", BadPath::DotSegment),
            ("/a/./b", BadPath::DotSegment),
            ("/a/..", BadPath::DotSegment),
            ("/a/%2e%2E/b", BadPath::DotSegment),
            ("/a/.%2e", BadPath::DotSegment),
            ("/a/x%2f..%2fadmin", BadPath::DotSegment),
            ("/a/..\\admin", BadPath::DotSegment),
            ("/a/%2e%2e%5cadmin", BadPath::DotSegment),
            ("/a%00", BadPath::BadEscape),
            ("/a%0a", BadPath::BadEscape),
            ("/a%zz", BadPath::BadEscape),
            ("/a%2", BadPath::BadEscape),
            ("/a%ff", BadPath::BadEscape),
        ] {
            check(path, Err(why));
        }
        check(
            &format!("/{}", "x".repeat(MAX_SEGMENT + 1)),
            Err(BadPath::SegmentTooLong),
        );
        assert!(Segments::split(&format!("/{}", "x".repeat(MAX_SEGMENT))).is_ok());
    }

    #[test]
    fn raw_offsets_point_at_the_slash() {
        let s = Segments::split("/a%20b/c/d").unwrap();
        assert_eq!(
            (s.raw_offset(0), s.raw_offset(1), s.raw_offset(2), s.raw_offset(3)),
            (0, 6, 8, 10)
        );
        let long = "/x".repeat(100);
        let s = Segments::split(&long).unwrap();
        assert_eq!((s.len(), s.raw_offset(50), s.get(99)), (100, 100, Some("x")));
    }

    #[test]
    fn folding_agrees_with_itself() {
        for (a, b, equal) in [
            ("Users", "uSERS", true),
            ("É", "é", true),
            ("a", "b", false),
            ("é", "e", false),
        ] {
            assert_eq!(fold_eq(a, b), equal);
            assert_eq!(fold_hash(a) == fold_hash(b), equal);
        }
    }
}
