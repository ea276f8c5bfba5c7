//! Counting tokens with the vocabularies that language models use.
//!
//! The vocabulary is chosen by the model's name where the request says it; Azure OpenAI requests name a
//! deployment in their path instead, so the older `cl100k_base` stands in there. Models of other makers have
//! vocabularies of their own, for which the count is an estimate.

use bpe_openai::Tokenizer;

/// Beginnings of the names of models that use `o200k_base`.
const O200K: &[&str] = &[
    "gpt-4o",
    "gpt-4.1",
    "gpt-4.5",
    "gpt-5",
    "chatgpt-4o",
    "o1",
    "o3",
    "o4",
    "gpt-oss",
];

fn tokenizer(model: &str) -> &'static Tokenizer {
    if O200K.iter().any(|known| model.starts_with(known)) {
        bpe_openai::o200k_base()
    } else {
        bpe_openai::cl100k_base()
    }
}

/// Loads the vocabularies, which takes a moment: at load, not for the first request.
pub(super) fn prepare() {
    tokenizer("");
    tokenizer("o1");
}

/// Tokens of `text` for `model` (empty: unknown). Markers such as `<|endoftext|>` count as the text they are.
pub(super) fn count(text: &str, model: &str) -> u64 {
    tokenizer(model).count(text) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_published_tokenizers() {
        for (model, text, expected) in [
            ("gpt-4", "", 0),
            ("gpt-4", "hello world", 2),
            ("gpt-4", "tiktoken is great!", 6),
            ("gpt-4", "antidisestablishmentarianism", 6),
            ("gpt-4", "2 + 2 = 4", 7),
            ("gpt-4", "お誕生日おめでとう", 9),
            ("gpt-4o", "お誕生日おめでとう", 8),
            ("gpt-4o", "antidisestablishmentarianism", 6),
        ] {
            assert_eq!(count(text, model), expected, "{model}: {text}");
        }
    }
}
