//! Character data that remembers where each byte came from.
//!
//! Between the file and the C# compiler stand entity decoding, line-end normalisation and named-value
//! substitution. Every [`Text`] carries the runs that undo them, so that a diagnostic inside an expression
//! points into the file.

/// A decoded string and its way back into the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    value: String,
    /// In order of `out`; empty for an empty text.
    runs: Vec<Run>,
    /// Where an empty text would stand.
    anchor: u32,
}

/// From `out` on, decoded bytes stand for the source from `source` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    out: u32,
    source: u32,
    /// One to one; false: every byte of the run stands for the place `source`.
    verbatim: bool,
}

impl Text {
    /// The decoded string.
    pub fn as_str(&self) -> &str {
        &self.value
    }

    /// True when there is nothing but white space.
    pub fn is_blank(&self) -> bool {
        self.value.trim().is_empty()
    }

    /// True when something other than the file's own bytes is in it.
    pub(crate) fn is_replaced(&self) -> bool {
        self.runs.iter().any(|r| !r.verbatim)
    }

    /// True when the byte at `offset` is not one of the file's own.
    pub(crate) fn is_replaced_at(&self, offset: usize) -> bool {
        let after = self.runs.partition_point(|r| r.out as usize <= offset);
        after
            .checked_sub(1)
            .and_then(|i| self.runs.get(i))
            .is_some_and(|r| !r.verbatim)
    }

    /// The file offset behind the decoded offset.
    pub fn source_offset(&self, offset: usize) -> usize {
        let after = self.runs.partition_point(|r| r.out as usize <= offset);
        match after.checked_sub(1).and_then(|i| self.runs.get(i)) {
            Some(run) if run.verbatim => run.source as usize + (offset - run.out as usize),
            Some(run) => run.source as usize,
            None => self.anchor as usize,
        }
    }

    /// The same text with each `(range, replacement)` put in; ranges ascend and do not overlap.
    pub(crate) fn replace(&self, replacements: &[(std::ops::Range<usize>, &str)]) -> Text {
        let mut out = TextBuilder::at(self.anchor as usize);
        let mut done = 0;
        for (range, replacement) in replacements {
            out.copy(self, done..range.start);
            out.push_for(replacement, self.source_offset(range.start));
            done = range.end;
        }
        out.copy(self, done..self.value.len());
        out.finish()
    }
}

/// Builds a [`Text`] piece by piece.
#[derive(Debug, Default)]
pub(crate) struct TextBuilder(Text);

impl TextBuilder {
    /// For a text that starts at `source`.
    pub(crate) fn at(source: usize) -> Self {
        Self(Text {
            anchor: source as u32,
            ..Text::default()
        })
    }

    /// Bytes that stand in the file exactly so, at `source`.
    pub(crate) fn push_verbatim(&mut self, piece: &str, source: usize) {
        self.push(piece, source, true);
    }

    /// Bytes that stand for something else at `source` (an entity, a named value).
    pub(crate) fn push_for(&mut self, piece: &str, source: usize) {
        self.push(piece, source, false);
    }

    /// True while nothing but white space came.
    pub(crate) fn is_blank(&self) -> bool {
        self.0.is_blank()
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn finish(self) -> Text {
        self.0
    }

    fn push(&mut self, piece: &str, source: usize, verbatim: bool) {
        if piece.is_empty() {
            return;
        }
        let out = self.0.value.len();
        let continues = verbatim
            && self
                .0
                .runs
                .last()
                .is_some_and(|r| r.verbatim && r.source as usize + (out - r.out as usize) == source);
        if !continues {
            // Documents are bounded to 256 KiB, so offsets fit.
            self.0.runs.push(Run {
                out: out as u32,
                source: source as u32,
                verbatim,
            });
        }
        self.0.value.push_str(piece);
    }

    fn copy(&mut self, from: &Text, range: std::ops::Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            let after = from.runs.partition_point(|r| r.out as usize <= at);
            let end = from
                .runs
                .get(after)
                .map_or(range.end, |r| (r.out as usize).min(range.end));
            let verbatim = after
                .checked_sub(1)
                .and_then(|i| from.runs.get(i))
                .is_some_and(|r| r.verbatim);
            self.push(&from.value[at..end], from.source_offset(at), verbatim);
            at = end;
        }
    }
}

/// Byte offsets to lines and columns.
#[derive(Debug)]
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Finds the line starts of `text`.
    pub fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(i, _)| i + 1))
            .collect();
        Self { text, starts }
    }

    /// Line and column (in characters) of a byte offset, both from 1. A byte-order mark does not count.
    pub fn place(&self, offset: usize) -> (u32, u32) {
        let offset = floor_char(self.text, offset);
        let line = self.starts.partition_point(|s| *s <= offset).max(1);
        let start = self.starts[line - 1];
        let before = self.text[start..offset].trim_start_matches('\u{feff}');
        (line as u32, before.chars().count() as u32 + 1)
    }

    /// The line (from 1), without its end.
    pub fn line(&self, line: u32) -> &'a str {
        let i = (line as usize).saturating_sub(1);
        let Some(start) = self.starts.get(i) else {
            return "";
        };
        let end = self.starts.get(i + 1).map_or(self.text.len(), |e| e - 1);
        self.text[*start..end]
            .trim_end_matches('\r')
            .trim_start_matches('\u{feff}')
    }
}

fn floor_char(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_survive_entities_and_substitution() {
        // file: `a&lt;{{n}}z`
        let mut builder = TextBuilder::default();
        builder.push_verbatim("a", 0);
        builder.push_for("<", 1);
        builder.push_verbatim("{{n}}z", 5);
        let text = builder.finish();
        assert_eq!(text.as_str(), "a<{{n}}z");
        let text = text.replace(&[(2..7, "longer value")]);
        assert_eq!(text.as_str(), "a<longer valuez");
        for (offset, source) in [(0, 0), (1, 1), (2, 5), (9, 5), (14, 10), (15, 11)] {
            assert_eq!(text.source_offset(offset), source, "decoded offset {offset}");
        }
    }

    #[test]
    fn places_count_characters_and_skip_the_byte_order_mark() {
        let lines = Lines::new("\u{feff}äb\r\ncd");
        for (offset, place) in [(3, (1, 1)), (5, (1, 2)), (8, (2, 1)), (9, (2, 2)), (99, (2, 3))] {
            assert_eq!(lines.place(offset), place, "offset {offset}");
        }
        assert_eq!((lines.line(1), lines.line(2), lines.line(3)), ("äb", "cd", ""));
    }
}
