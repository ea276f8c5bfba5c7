//! Token counts of language-model calls, for the policies that meter them.
//!
//! Source: "Limit large language model API token usage" and "Emit metrics for consumption of large language
//! model tokens" policy pages; `policies.md` §6. Counts come from the `usage` member that the model's answer
//! carries, in the last chunk of a streamed one. An estimate counts four characters as one token, which is
//! what common tokenizers average for English text.

pub(super) mod emit_token_metric;
pub(super) mod semantic_cache;
pub(super) mod token_limit;

use serde_json::Value as Json;

use crate::context::Body;

/// Characters of one token when there is nothing better than an estimate.
const CHARS_PER_TOKEN: usize = 4;

/// Tokens an image counts at most in an estimate, by the page.
const TOKENS_PER_IMAGE: u64 = 1_200;

/// What one call consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) prompt: u64,
    pub(super) completion: u64,
    pub(super) total: u64,
}

impl Usage {
    /// The `usage` of an answer, JSON or a stream of events; `None`: it does not say.
    pub(super) fn of(body: Option<&Body>) -> Option<Usage> {
        let Some(Body::Buffered(bytes)) = body else {
            return None;
        };
        if let Ok(json) = serde_json::from_slice::<Json>(bytes) {
            return Usage::from_json(&json);
        }
        let text = String::from_utf8_lossy(bytes);
        let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
        let with_usage = |event: &str| Usage::from_json(&serde_json::from_str(event.trim()).ok()?);
        // The last one counts: earlier chunks may carry running sums.
        events.filter_map(with_usage).next_back()
    }

    fn from_json(json: &Json) -> Option<Usage> {
        // The responses API wraps the answer of its last event.
        let usage = json
            .get("usage")
            .or_else(|| json.get("response")?.get("usage"))
            .filter(|u| u.is_object())?;
        let number = |names: [&str; 2]| names.iter().find_map(|n| usage.get(*n)?.as_u64());
        let prompt = number(["prompt_tokens", "input_tokens"]).unwrap_or(0);
        let completion = number(["completion_tokens", "output_tokens"]).unwrap_or(0);
        let total = number(["total_tokens", "total_tokens"]).unwrap_or(prompt + completion);
        Some(Usage {
            prompt,
            completion,
            total,
        })
    }
}

/// Tokens of a request's prompt, estimated.
pub(super) fn estimate_prompt(body: &Body) -> u64 {
    let Body::Buffered(bytes) = body else { return 0 };
    let Ok(json) = serde_json::from_slice::<Json>(bytes) else {
        return 0;
    };
    let (mut chars, mut images) = (0usize, 0u64);
    // Depth is bounded by the JSON reader.
    for member in ["messages", "prompt", "input", "instructions"] {
        if let Some(part) = json.get(member) {
            count(part, &mut chars, &mut images);
        }
    }
    chars.div_ceil(CHARS_PER_TOKEN) as u64 + images * TOKENS_PER_IMAGE
}

fn count(json: &Json, chars: &mut usize, images: &mut u64) {
    match json {
        Json::String(text) => *chars += text.chars().count(),
        Json::Array(items) => items.iter().for_each(|i| count(i, chars, images)),
        Json::Object(object) => {
            let kind = object.get("type").and_then(Json::as_str).unwrap_or_default();
            if matches!(kind, "image_url" | "input_image") {
                *images += 1;
                return;
            }
            for (name, value) in object {
                // What names and types say is not prompt.
                if !matches!(name.as_str(), "type" | "id" | "tool_call_id") {
                    count(value, chars, images);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Body {
        Body::Buffered(text.to_owned().into())
    }

    #[test]
    fn usage_is_read_from_answers_and_streams() {
        let chunk =
            r#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;
        let stream =
            format!("data: {{\"choices\":[]}}\n\ndata: {{\"usage\":null}}\n\n{chunk}\n\ndata: [DONE]\n\n");
        let responses = r#"data: {"type":"response.completed","response":{"usage":{"input_tokens":1,"output_tokens":2}}}"#;
        for (text, expected) in [
            (
                r#"{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}"#,
                Some((10, 5, 15)),
            ),
            (r#"{"usage":{"prompt_tokens":8}}"#, Some((8, 0, 8))),
            (stream.as_str(), Some((3, 4, 7))),
            (responses, Some((1, 2, 3))),
            (r#"{"error":{}}"#, None),
            ("", None),
        ] {
            let usage = Usage::of(Some(&body(text))).map(|u| (u.prompt, u.completion, u.total));
            assert_eq!(usage, expected, "{text}");
        }
    }

    #[test]
    fn prompts_are_estimated_by_their_length() {
        for (text, expected) in [
            (r#"{"prompt":"12345678"}"#, 2),
            (
                r#"{"messages":[{"role":"user","content":"1234567890123456"}]}"#,
                5,
            ),
            (
                r#"{"messages":[{"content":[{"type":"text","text":"1234"},{"type":"image_url","image_url":{"url":"x"}}]}]}"#,
                1201,
            ),
            (r#"{"max_tokens":5}"#, 0),
            ("no json", 0),
        ] {
            assert_eq!(estimate_prompt(&body(text)), expected, "{text}");
        }
    }
}
