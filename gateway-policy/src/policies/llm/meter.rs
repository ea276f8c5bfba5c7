//! Counting the tokens of an answer that streams, without holding it back.
//!
//! The agent feeds the bytes of the response on their way to the client and asks for the counts when the last
//! one is sent, or when the client has gone. What the stream's own `usage` says wins; without it prompt and
//! completion are counted with the model's vocabulary.

use std::sync::Arc;

use super::{Usage, tokens};
use crate::{effect::Count, trace::Note};

/// Longest event line that is read; a longer one is passed on and not counted.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Completion text gathered before it is counted: pieces counted one by one would give too many tokens.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Names and values of a metric's dimensions.
type Dimensions = Vec<(Arc<str>, String)>;

/// Counts one streamed answer.
#[derive(Debug, Default)]
pub struct TokenMeter {
    model: String,
    prompt: u64,
    usage: Option<Usage>,
    completion: u64,
    text: String,
    line: Vec<u8>,
    skipping: bool,
    charges: Vec<(Count, u64)>,
    metrics: Vec<(Arc<str>, Dimensions)>,
}

impl TokenMeter {
    pub(super) fn of(model: &str, prompt: u64) -> Self {
        Self {
            model: model.to_owned(),
            prompt,
            ..Self::default()
        }
    }

    /// Charges a counter at the end, less what was counted before the call.
    pub(super) fn charge(&mut self, count: Count, before: u64) {
        self.charges.push((count, before));
    }

    /// Emits the three metrics at the end.
    pub(super) fn emit(&mut self, namespace: Arc<str>, dimensions: Dimensions) {
        self.metrics.push((namespace, dimensions));
    }

    /// Takes the next bytes of the response.
    pub fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let ended = piece.ends_with(b"\n");
            if self.line.len() + piece.len() > LINE_BYTES_MAX {
                self.skipping = true;
                self.line.clear();
            }
            if !self.skipping {
                self.line.extend_from_slice(piece);
            }
            if ended {
                let line = std::mem::take(&mut self.line);
                self.skipping = false;
                self.event(&line);
            }
        }
    }

    fn event(&mut self, line: &[u8]) {
        let Some(data) = line.strip_prefix(b"data:") else {
            return;
        };
        let Ok(event) = serde_json::from_slice::<serde_json::Value>(data) else {
            return;
        };
        // The last one counts: earlier events may carry running sums.
        self.usage = Usage::from_json(&event).or(self.usage);
        super::completion_texts(&event, &mut |text| self.text.push_str(text));
        if self.text.len() > TEXT_BYTES_MAX {
            self.completion += tokens::count(&self.text, &self.model);
            self.text.clear();
        }
    }

    /// What the call consumed, as far as the answer came.
    pub(super) fn usage(&mut self) -> Usage {
        let rest = std::mem::take(&mut self.line);
        self.event(&rest);
        self.completion += tokens::count(&self.text, &self.model);
        self.text.clear();
        self.usage.unwrap_or(Usage {
            prompt: self.prompt,
            completion: self.completion,
            total: self.prompt + self.completion,
        })
    }

    /// The end: counters to charge with their increments, and metrics to emit.
    pub fn finish(mut self) -> (Vec<Count>, Vec<Note>) {
        let usage = self.usage();
        let charged = |(mut count, before): (Count, u64)| {
            count.increment = usage.total.saturating_sub(before);
            count
        };
        let counts = self.charges.drain(..).map(charged);
        let counts: Vec<Count> = counts.filter(|c| c.increment > 0).collect();
        let notes = self.metrics.drain(..);
        (counts, notes.flat_map(|(n, d)| usage.notes(&n, &d)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pieces: &[&str]) -> (u64, u64, u64) {
        let mut meter = TokenMeter::of("gpt-4", 7);
        for piece in pieces {
            meter.feed(piece.as_bytes());
        }
        let usage = meter.usage();
        (usage.prompt, usage.completion, usage.total)
    }

    #[test]
    fn a_stream_is_counted_however_it_is_cut() {
        let whole = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\" world\"}}]}\n\ndata: [DONE]\n\n";
        assert_eq!(told(&[whole]), (7, 2, 9));
        for cut in [1, 5, 30, 60, 90] {
            assert_eq!(told(&[&whole[..cut], &whole[cut..]]), (7, 2, 9), "cut at {cut}");
        }
        let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}\n\n";
        assert_eq!(told(&[whole, usage]), (3, 4, 7));
        // Without its closing line end, and the other API's events.
        assert_eq!(
            told(&["data: {\"type\":\"response.output_text.delta\",\"delta\":\"hello world\"}"]),
            (7, 2, 9)
        );
        assert_eq!(told(&["no events"]), (7, 0, 7));
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut meter = TokenMeter::of("", 0);
        for _ in 0..20 {
            meter.feed(&[b'x'; 100_000]);
        }
        assert!(meter.line.len() <= LINE_BYTES_MAX);
        meter.feed(b"\ndata: {\"choices\":[{\"text\":\"hello world\"}]}\n");
        assert_eq!(meter.usage().completion, 2);
    }
}
