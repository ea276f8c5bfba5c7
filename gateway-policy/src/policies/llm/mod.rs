//! Language-model calls as the policies that meter and check them see them.
//!
//! Source: "Limit large language model API token usage" and "Emit metrics for consumption of large language
//! model tokens" policy pages; `policies.md` §6. Counts come from the `usage` member that the model's answer
//! carries, in the last chunk of a streamed one. Prompts, and streams without `usage`, are counted with the
//! model's vocabulary.

pub(super) mod content_safety;
pub(super) mod emit_token_metric;
pub(super) mod meter;
pub(super) mod semantic_cache;
pub(super) mod token_limit;
mod tokens;

use std::sync::Arc;

use http::header;
use serde_json::Value as Json;

use crate::{
    context::{Body, Response},
    exec::Run,
    trace::Note,
};
use meter::TokenMeter;

/// Tokens an image counts at most in an estimate, by the page.
const TOKENS_PER_IMAGE: u64 = 1_200;
/// What the chat format adds to each message, and to the whole to begin the answer (OpenAI's own guidance).
const TOKENS_PER_MESSAGE: u64 = 3;
const TOKENS_OF_REPLY: u64 = 3;

/// What one call consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) prompt: u64,
    pub(super) completion: u64,
    pub(super) total: u64,
}

impl Usage {
    /// The `usage` of an answer, JSON or a stream of events that was read whole; `None`: it does not say.
    pub(super) fn of(response: Option<&Response>, prompt: &Prompt) -> Option<Usage> {
        let response = response?;
        let Body::Buffered(bytes) = &response.body else {
            return None;
        };
        if let Ok(json) = serde_json::from_slice::<Json>(bytes) {
            return Usage::from_json(&json);
        }
        if !bytes.starts_with(b"data:") && !is_event_stream(response) {
            return None;
        }
        let mut meter = TokenMeter::of(&prompt.model, prompt.tokens);
        meter.feed(bytes);
        Some(meter.usage())
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

    /// The three metrics.
    fn notes(self, namespace: &Arc<str>, dimensions: &[(Arc<str>, String)]) -> [Note; 3] {
        [
            ("Total Tokens", self.total),
            ("Prompt Tokens", self.prompt),
            ("Completion Tokens", self.completion),
        ]
        .map(|(name, value)| Note::Metric {
            name: name.into(),
            namespace: Arc::clone(namespace),
            value: value as f64,
            dimensions: dimensions.to_vec(),
        })
    }
}

/// The answer comes in pieces that should not be held back.
pub(super) fn is_event_stream(response: &Response) -> bool {
    let kind = response.headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|k| {
        k.as_bytes()
            .to_ascii_lowercase()
            .starts_with(b"text/event-stream")
    })
}

/// The meter of the streaming answer of this exchange, made if there is none yet.
pub(super) fn meter<'r>(run: &'r mut Run<'_>, prompt: &Prompt) -> &'r mut TokenMeter {
    run.exchange
        .meter
        .get_or_insert_with(|| Box::new(TokenMeter::of(&prompt.model, prompt.tokens)))
}

/// A request as far as it matters for its tokens.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    pub(super) model: String,
    /// The answer is asked for as a stream.
    pub(super) stream: bool,
    /// Tokens of the prompt, counted here.
    pub(super) tokens: u64,
}

impl Prompt {
    /// Reads a request's body; one that is no JSON object has no tokens.
    pub(super) fn of(body: &Body) -> Self {
        let Some(json) = json_of(body) else {
            return Self::default();
        };
        let model = json.get("model").and_then(Json::as_str).unwrap_or_default();
        let mut tokens = 0;
        let mut images = 0;
        for member in ["messages", "prompt", "input", "instructions", "tools"] {
            let Some(part) = json.get(member) else { continue };
            visit(part, &mut |piece| match piece {
                Piece::Text(text) => tokens += tokens::count(text, model),
                Piece::Image => images += 1,
            });
        }
        if let Some(messages) = json.get("messages").and_then(Json::as_array) {
            tokens += messages.len() as u64 * TOKENS_PER_MESSAGE + TOKENS_OF_REPLY;
        }
        Self {
            model: model.to_owned(),
            stream: json.get("stream").and_then(Json::as_bool).unwrap_or(false),
            tokens: tokens + images * TOKENS_PER_IMAGE,
        }
    }
}

fn json_of(body: &Body) -> Option<Json> {
    match body {
        Body::Buffered(bytes) => serde_json::from_slice(bytes).ok(),
        _ => None,
    }
}

enum Piece<'j> {
    Text(&'j str),
    Image,
}

/// Texts and images of a part of a request. Depth is bounded by the JSON reader.
fn visit<'j>(json: &'j Json, found: &mut impl FnMut(Piece<'j>)) {
    match json {
        Json::String(text) => found(Piece::Text(text)),
        Json::Array(items) => items.iter().for_each(|i| visit(i, found)),
        Json::Object(object) => {
            let kind = object.get("type").and_then(Json::as_str).unwrap_or_default();
            if matches!(kind, "image_url" | "input_image") {
                found(Piece::Image);
                return;
            }
            for (name, value) in object {
                // What names and types say is not prompt.
                if !matches!(name.as_str(), "type" | "id" | "tool_call_id") {
                    visit(value, found);
                }
            }
        }
        _ => {}
    }
}

/// The texts of a prompt that a person wrote: contents of messages, `prompt`, `input`.
fn prompt_texts(json: &Json) -> Vec<&str> {
    let mut texts = Vec::new();
    let mut take = |piece| {
        if let Piece::Text(text) = piece {
            texts.push(text);
        }
    };
    for member in ["prompt", "input", "instructions"] {
        if let Some(Json::Array(items)) = json.get(member) {
            for item in items {
                visit(item.get("content").unwrap_or(item), &mut take);
            }
        } else if let Some(part) = json.get(member) {
            visit(part, &mut take);
        }
    }
    for message in json
        .get("messages")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
    {
        if let Some(content) = message.get("content") {
            visit(content, &mut take);
        }
    }
    texts
}

/// The texts of an answer, or of one event of a streamed one.
fn completion_texts<'j>(json: &'j Json, found: &mut impl FnMut(&'j str)) {
    for choice in json.get("choices").and_then(Json::as_array).into_iter().flatten() {
        let said = choice.get("delta").or_else(|| choice.get("message"));
        let members = ["content", "reasoning_content", "refusal"];
        for text in members.iter().filter_map(|m| said?.get(*m)?.as_str()) {
            found(text);
        }
        if let Some(text) = choice.get("text").and_then(Json::as_str) {
            found(text);
        }
        let calls = said.and_then(|s| s.get("tool_calls")).and_then(Json::as_array);
        for call in calls.into_iter().flatten() {
            if let Some(text) = call.pointer("/function/arguments").and_then(Json::as_str) {
                found(text);
            }
        }
    }
    // The responses API: deltas of a stream, or the whole output.
    let kind = json.get("type").and_then(Json::as_str).unwrap_or_default();
    if kind.starts_with("response.")
        && kind.ends_with(".delta")
        && let Some(text) = json.get("delta").and_then(Json::as_str)
    {
        found(text);
    }
    for item in json.get("output").and_then(Json::as_array).into_iter().flatten() {
        for part in item.get("content").and_then(Json::as_array).into_iter().flatten() {
            if let Some(text) = part.get("text").and_then(Json::as_str) {
                found(text);
            }
        }
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
            let response = Response {
                body: body(text),
                ..Response::default()
            };
            let usage = Usage::of(Some(&response), &Prompt::default());
            assert_eq!(
                usage.map(|u| (u.prompt, u.completion, u.total)),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn prompts_are_counted_with_the_vocabulary_of_the_model() {
        for (text, expected) in [
            (r#"{"prompt":"hello world"}"#, (2, false)),
            (
                r#"{"messages":[{"role":"user","content":"hello world"}],"stream":true}"#,
                (2 + 1 + 6, true),
            ),
            (
                r#"{"messages":[{"content":[{"type":"text","text":"hello"},{"type":"image_url","image_url":{"url":"x"}}]}]}"#,
                (1 + 1_200 + 6, false),
            ),
            (r#"{"max_tokens":5}"#, (0, false)),
            ("no json", (0, false)),
        ] {
            let prompt = Prompt::of(&body(text));
            assert_eq!((prompt.tokens, prompt.stream), expected, "{text}");
        }
    }

    #[test]
    fn texts_of_people_and_models_are_found() {
        let request = serde_json::json!({
            "messages": [{ "role": "user", "name": "n", "content": [{ "type": "text", "text": "a" }] }],
            "input": [{ "role": "user", "content": "b" }],
            "prompt": "c",
        });
        assert_eq!(prompt_texts(&request), ["c", "b", "a"]);
        let answer = serde_json::json!({
            "choices": [{ "message": { "content": "d" } }, { "text": "e" }],
            "output": [{ "content": [{ "type": "output_text", "text": "f" }] }],
        });
        let mut texts = Vec::new();
        completion_texts(&answer, &mut |t| texts.push(t));
        assert_eq!(texts, ["d", "e", "f"]);
    }
}
