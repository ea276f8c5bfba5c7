//! `llm-semantic-cache-lookup` and `-store`, and their older `azure-openai-` names.
//!
//! Source: "Get cached responses of large language model API requests" policy pages; `policies.md` §8. The original
//! needs a Redis with vector search. Here any cache will do: for each partition (API, embeddings backend,
//! `vary-by`) one value holds the vectors of the last prompts, a byte a dimension, and the nearest one names
//! the answer. Distance is one minus the cosine. Whatever goes wrong is a miss. Without a cache both do
//! nothing, as documented for self-hosted gateways.

use std::{sync::Arc, time::Duration};

use gateway_expr::Value;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::visit;
use crate::{
    compile::{Compiler, Node},
    context::{Body, Response},
    effect::{CacheAction, CacheRequest, CachingType, Effect, Message, Outcome, OutgoingRequest},
    exec::Run,
    failure::Failure,
    policies::{
        Flow, Policy, PolicyDef,
        def::{AttributeDef, Child, Content, ElementDef, attr},
    },
    scope::{Scopes, Sections},
    setting::{Bounded, FromValue, Setting, optional},
};

static VARY_BY: ElementDef = ElementDef::new("vary-by", "Makes different entries.").content(Content::Text);
static LOOKUP_ATTRIBUTES: &[AttributeDef] = &[
    attr(
        "score-threshold",
        "How far apart prompts may be, 0 to 1; lower is stricter.",
    )
    .required()
    .expression(),
    attr("embeddings-backend-id", "Backend entity of the embeddings model.")
        .required()
        .expression(),
    attr("embeddings-backend-auth", "How the embeddings model is called.").expression(),
    attr(
        "ignore-system-messages",
        "Leave system messages out of the comparison.",
    )
    .expression()
    .default("false"),
    attr(
        "cache-id",
        "Known from the schema only. Entries of different ids are apart; they are in the node's one external cache.",
    ),
    attr(
        "max-message-count",
        "Prompts with more messages are not looked up.",
    )
    .expression(),
];
static LOOKUP_CHILDREN: &[Child] = &[Child::any(&VARY_BY)];
static STORE_ATTRIBUTES: &[AttributeDef] = &[
    attr("duration", "How long an answer is kept, in seconds.")
        .required()
        .expression(),
    attr("cache-response", "Keep it whatever its status.").expression(),
];

macro_rules! definitions {
    ($($id:ident = $name:literal, $doc:literal, $attributes:ident, $children:expr, $section:expr, $example:literal, $build:ident;)*) => {
        $(pub(crate) static $id: PolicyDef = PolicyDef {
            element: ElementDef::new($name, $doc).attributes($attributes).children($children),
            sections: $section,
            tolerated: $section,
            scopes: Scopes::ALL,
            once: true,
            example: $example,
            build: $build,
        };)*
    };
}

definitions! {
    LOOKUP = "llm-semantic-cache-lookup", "Answers from the cache if it holds the answer to a similar prompt.",
        LOOKUP_ATTRIBUTES, LOOKUP_CHILDREN, Sections::I,
        r#"<llm-semantic-cache-lookup score-threshold="0.05" embeddings-backend-id="embeddings" />"#, build_lookup;
    AZURE_LOOKUP = "azure-openai-semantic-cache-lookup", "The older name of `llm-semantic-cache-lookup`.",
        LOOKUP_ATTRIBUTES, LOOKUP_CHILDREN, Sections::I,
        r#"<azure-openai-semantic-cache-lookup score-threshold="0.05" embeddings-backend-id="embeddings" />"#, build_lookup;
    STORE = "llm-semantic-cache-store", "Keeps the answer for similar prompts.",
        STORE_ATTRIBUTES, &[], Sections::O, r#"<llm-semantic-cache-store duration="60" />"#, build_store;
    AZURE_STORE = "azure-openai-semantic-cache-store", "The older name of `llm-semantic-cache-store`.",
        STORE_ATTRIBUTES, &[], Sections::O, r#"<azure-openai-semantic-cache-store duration="60" />"#, build_store;
}

/// A distance between prompts.
#[derive(Clone, Copy, Debug)]
struct Score(f32);

impl FromValue for Score {
    fn literal(text: &str) -> Result<Self, String> {
        let score: Result<f32, _> = text.trim().parse();
        match score {
            Ok(score) if (0.0..=1.0).contains(&score) => Ok(Score(score)),
            _ => Err("a number from 0 to 1".into()),
        }
    }
}

type Count = Bounded<0, { i32::MAX as i64 }>;

/// Prompts remembered in one partition; the oldest makes room. Each lookup fetches them all: with 1,536
/// dimensions that is 200 KB.
const ENTRIES_MAX: usize = 128;
/// Most dimensions of a vector; the largest common models have 3,072.
const DIMENSIONS_MAX: usize = 4_096;
/// Time for one call of the embeddings model.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Version of the embeddings interface.
const API_VERSION: &str = "api-version=2024-10-21";

fn build_lookup(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let threshold = compiler.attribute(node, "score-threshold");
    let backend = compiler.attribute(node, "embeddings-backend-id");
    let _: Option<Setting<Arc<str>>> = compiler.attribute(node, "embeddings-backend-auth");
    let ignore_system = compiler.attribute(node, "ignore-system-messages");
    let max_messages = compiler.attribute(node, "max-message-count");
    let cache_id = compiler.literal(node, "cache-id");
    let vary_by: Vec<_> = node.children("vary-by").map(|n| compiler.text(n)).collect();
    compiler.need_request_body();
    compiler.policy(Lookup {
        threshold: threshold?,
        backend: backend?,
        ignore_system: ignore_system?,
        max_messages,
        cache_id,
        vary_by: vary_by.into_iter().collect::<Option<_>>()?,
    });
    compiler.warn_without_cache(node.element);
    Some(())
}

fn build_store(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let duration = compiler.attribute(node, "duration");
    let any_status = compiler.attribute(node, "cache-response");
    compiler.policy(Store {
        duration: duration?,
        any_status,
    });
    compiler.warn_without_cache(node.element);
    Some(())
}

/// What a lookup leaves for the store of the same exchange.
#[derive(Debug)]
pub(crate) struct SemanticEntry {
    /// Key of the partition's vectors.
    index: Arc<str>,
    vector: Vec<i8>,
    /// Key of the answer, once it is being stored.
    answer: Option<Arc<str>>,
}

#[derive(Debug)]
struct Lookup {
    threshold: Setting<Score>,
    backend: Setting<Arc<str>>,
    ignore_system: Setting<bool>,
    max_messages: Option<Setting<Count>>,
    cache_id: Option<Arc<str>>,
    vary_by: Vec<Setting<Arc<str>>>,
}

impl Lookup {
    /// The prompt as one text; `None`: this request is not looked up.
    fn prompt(&self, run: &mut Run<'_>) -> Result<Option<String>, Failure> {
        let Some(json) = super::json_of(&run.context.request.body) else {
            return Ok(None);
        };
        let ignore = *self.ignore_system.get(run)?;
        let mut text = String::new();
        if let Some(messages) = json.get("messages").and_then(Json::as_array) {
            let most = optional(self.max_messages.as_ref(), run)?.map(|m| m.unsigned());
            if most.is_some_and(|most| messages.len() as u64 > most) {
                return Ok(None);
            }
            for message in messages {
                let role = message.get("role").and_then(Json::as_str).unwrap_or_default();
                if !(ignore && matches!(role, "system" | "developer")) {
                    gather(role, message.get("content"), &mut text);
                }
            }
        } else {
            gather("", json.get("prompt").or_else(|| json.get("input")), &mut text);
        }
        Ok((!text.is_empty()).then_some(text))
    }

    fn partition(&self, run: &mut Run<'_>, backend: &str) -> Result<Arc<str>, Failure> {
        let api = run.context.api.as_deref().map_or("", |a| &a.id).to_owned();
        let mut key = format!("semantic:{api}:{backend}");
        if let Some(id) = &self.cache_id {
            key.push('@');
            key.push_str(id);
        }
        for value in &self.vary_by {
            let value = value.get(run)?;
            key.push('\n');
            key.push_str(value.trim());
        }
        Ok(key.into())
    }
}

fn gather(role: &str, part: Option<&Json>, text: &mut String) {
    let Some(part) = part else { return };
    visit(part, &mut |piece| {
        if let super::Piece::Text(found) = piece {
            text.push_str(role);
            text.push(' ');
            text.push_str(found);
            text.push('\n');
        }
    });
}

fn cache(key: &Arc<str>, action: CacheAction) -> Flow {
    Flow::Ask(Effect::Cache(Box::new(CacheRequest {
        key: Arc::clone(key),
        cache: CachingType::External,
        action,
    })))
}

/// The vector of an embeddings answer, a byte a dimension.
fn vector(response: &Response) -> Option<Vec<i8>> {
    let Body::Buffered(bytes) = &response.body else {
        return None;
    };
    let json: Json = serde_json::from_slice(bytes).ok()?;
    let numbers = json.pointer("/data/0/embedding")?.as_array()?;
    if response.status != StatusCode::OK || numbers.is_empty() || numbers.len() > DIMENSIONS_MAX {
        return None;
    }
    let numbers: Vec<f64> = numbers.iter().map(Json::as_f64).collect::<Option<_>>()?;
    let largest = numbers.iter().fold(0.0f64, |m, n| m.max(n.abs()));
    if largest <= 0.0 || !largest.is_finite() {
        return None;
    }
    Some(
        numbers
            .iter()
            .map(|n| (n / largest * 127.0).round() as i8)
            .collect(),
    )
}

/// One minus the cosine of the angle between two vectors of one length.
fn distance(a: &[i8], b: &[i8]) -> f32 {
    let dot = |x: &[i8], y: &[i8]| -> i64 {
        let products = x.iter().zip(y).map(|(x, y)| i64::from(*x) * i64::from(*y));
        products.sum()
    };
    let lengths = (dot(a, a) as f64).sqrt() * (dot(b, b) as f64).sqrt();
    if lengths == 0.0 {
        return 1.0;
    }
    (1.0 - dot(a, b) as f64 / lengths) as f32
}

/// The remembered prompts of a partition: key of the answer and vector, one after the other.
#[derive(Debug, Default)]
struct Index(Vec<([u8; 16], Vec<i8>)>);

impl Index {
    /// Reads what [`Index::bytes`] wrote; anything else is empty.
    fn read(bytes: &[u8]) -> Self {
        let mut entries = Vec::new();
        let mut rest = bytes;
        while let Some((id, after)) = rest.split_first_chunk::<16>()
            && let Some((length, after)) = after.split_first_chunk::<2>()
            && let Some((vector, after)) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))
            && entries.len() < ENTRIES_MAX
        {
            entries.push((*id, vector.iter().map(|b| i8::from_be_bytes([*b])).collect()));
            rest = after;
        }
        Self(entries)
    }

    fn of(found: Option<&Value>) -> Self {
        found
            .and_then(Value::as_bytes)
            .map_or_else(Self::default, |b| Self::read(&b))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (id, vector) in &self.0 {
            out.extend_from_slice(id);
            out.extend_from_slice(&(vector.len() as u16).to_be_bytes());
            out.extend(vector.iter().map(|n| n.to_be_bytes()[0]));
        }
        out
    }

    fn nearest(&self, vector: &[i8]) -> Option<(&[u8; 16], f32)> {
        let same = self.0.iter().filter(|(_, v)| v.len() == vector.len());
        same.map(|(id, v)| (id, distance(v, vector)))
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    fn add(&mut self, id: [u8; 16], vector: Vec<i8>) {
        let over = (self.0.len() + 1).saturating_sub(ENTRIES_MAX);
        self.0.drain(..over);
        self.0.push((id, vector));
    }
}

fn answer_key(index: &str, id: &[u8; 16]) -> Arc<str> {
    format!("{index}\nanswer {:032x}", u128::from_be_bytes(*id)).into()
}

impl Policy for Lookup {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let Some(prompt) = self.prompt(run)? else {
            return Ok(Flow::Next);
        };
        let backend = self.backend.get(run)?.into_owned();
        let body = json!({ "input": prompt });
        let request = OutgoingRequest::to_backend(&backend, "", API_VERSION, &body, TIMEOUT);
        Ok(Flow::Ask(Effect::Send(Box::new(request))))
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let step = run.exchange.cursor;
        run.exchange.cursor += 1;
        match (step, outcome) {
            (0, Outcome::Response(response)) => {
                let Some(vector) = vector(&response) else {
                    return Ok(Flow::Next);
                };
                let backend = self.backend.get(run)?.into_owned();
                let index = self.partition(run, &backend)?;
                let flow = cache(&index, CacheAction::Lookup);
                run.exchange.semantic = Some(Box::new(SemanticEntry {
                    index,
                    vector,
                    answer: None,
                }));
                Ok(flow)
            }
            (1, Outcome::Cached(found)) => {
                let threshold = self.threshold.get(run)?.0;
                let Some(entry) = run.exchange.semantic.as_deref() else {
                    return Ok(Flow::Next);
                };
                let known = Index::of(found.as_ref());
                let nearest = known.nearest(&entry.vector).filter(|(_, d)| *d <= threshold);
                let key = nearest.map(|(id, distance)| (answer_key(&entry.index, id), distance));
                match key {
                    Some((key, distance)) => {
                        run.detail("distance", || distance.to_string());
                        Ok(cache(&key, CacheAction::Lookup))
                    }
                    None => Ok(Flow::Next),
                }
            }
            (2, Outcome::Cached(found)) => match found.as_ref().and_then(Value::as_response).cloned() {
                Some(response) => {
                    run.detail("hit", || "true".into());
                    run.context.response = Some(response);
                    // What came from the cache is not stored again.
                    run.exchange.semantic = None;
                    Ok(Flow::Outbound)
                }
                None => Ok(Flow::Next),
            },
            // A model or a cache that cannot be reached is a miss.
            _ => Ok(Flow::Next),
        }
    }
}

#[derive(Debug)]
struct Store {
    duration: Setting<Count>,
    any_status: Option<Setting<bool>>,
}

impl Store {
    fn duration(&self, run: &mut Run<'_>) -> Result<Duration, Failure> {
        Ok(Duration::from_secs(self.duration.get(run)?.unsigned()))
    }
}

impl Policy for Store {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let status = run.response().status;
        let any = optional(self.any_status.as_ref(), run)?.is_some_and(|a| *a);
        if !(any || status == StatusCode::OK) {
            return Ok(Flow::Next);
        }
        let Some(index) = run.exchange.semantic.as_deref().map(|e| Arc::clone(&e.index)) else {
            return Ok(Flow::Next);
        };
        if run.response().body == Body::Streaming {
            return Ok(Flow::Ask(Effect::ReadBody(Message::Response)));
        }
        Ok(cache(&index, CacheAction::Lookup))
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let Some(mut entry) = run.exchange.semantic.take() else {
            return Ok(Flow::Next);
        };
        match (entry.answer.take(), outcome) {
            (None, Outcome::Body(bytes)) => {
                run.response().body = Body::Buffered(bytes);
                let flow = cache(&entry.index, CacheAction::Lookup);
                run.exchange.semantic = Some(entry);
                Ok(flow)
            }
            // The vectors of the partition: ours goes to them. Another store at the same time may undo that;
            // then one prompt is not remembered.
            (None, Outcome::Cached(found)) => {
                let mut known = Index::of(found.as_ref());
                let (high, low) = (run.world.random(), run.world.random());
                let id = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
                known.add(id, entry.vector.clone());
                entry.answer = Some(answer_key(&entry.index, &id));
                let action = CacheAction::Store {
                    value: Value::bytes(known.bytes()),
                    duration: self.duration(run)?,
                };
                let flow = cache(&entry.index, action);
                run.exchange.semantic = Some(entry);
                Ok(flow)
            }
            (Some(key), Outcome::Cached(_)) => {
                let action = CacheAction::Store {
                    value: Value::response(run.response().clone()),
                    duration: self.duration(run)?,
                };
                Ok(cache(&key, action))
            }
            // A body that is lost fails the exchange; a cache that is, does not.
            (None, Outcome::Failed(failure)) if run.response().body == Body::Streaming => Err(failure),
            _ => Ok(Flow::Next),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::{
        Step,
        exec::Execution,
        program::Program,
        scope::Scope,
        test_support::{FixedWorld, check_load, check_with, compile, context},
    };

    /// Runs an exchange against a cache that remembers and a model that knows three words.
    fn run(cache: &mut HashMap<String, Value>, prompt: &str, threshold: &str) -> String {
        let text = format!(
            "<policies><inbound><llm-semantic-cache-lookup score-threshold='{threshold}' embeddings-backend-id='e'><vary-by>a</vary-by></llm-semantic-cache-lookup></inbound>\
             <backend><forward-request/></backend><outbound><llm-semantic-cache-store duration='60'/></outbound></policies>"
        );
        let doc = compile(&text, Scope::Api).unwrap();
        let mut context = context();
        context.request.body =
            Body::Buffered(format!(r#"{{"messages":[{{"role":"user","content":"{prompt}"}}]}}"#).into());
        let program = Program::compose([None, None, Some(Arc::new(doc)), None]);
        let mut execution = Execution::new(Arc::new(program), context);
        let mut outcome = Outcome::Start;
        let mut told = String::new();
        loop {
            let respond = |text: String| {
                Outcome::Response(Response {
                    body: Body::Buffered(text.into()),
                    ..Response::default()
                })
            };
            outcome = match execution.resume(outcome, &FixedWorld) {
                Step::Done => return told,
                Step::Effect(Effect::Send(_)) => respond(match prompt {
                    "cat" => r#"{"data":[{"embedding":[1.0,0.1,0.0]}]}"#.into(),
                    "kitten" => r#"{"data":[{"embedding":[0.99,0.14,0.0]}]}"#.into(),
                    "house" => r#"{"data":[{"embedding":[0.0,0.1,1.0]}]}"#.into(),
                    _ => "no".into(),
                }),
                Step::Effect(Effect::Forward(_)) => {
                    told.push_str("forwarded ");
                    respond(format!("about {prompt}"))
                }
                Step::Effect(Effect::Cache(request)) => Outcome::Cached(match request.action {
                    CacheAction::Lookup => cache.get(&*request.key).cloned(),
                    CacheAction::Store { value, .. } => {
                        cache.insert(request.key.to_string(), value);
                        None
                    }
                    CacheAction::Remove => None,
                }),
                other => panic!("{other:?}"),
            };
        }
    }

    #[test]
    fn similar_prompts_share_an_answer() {
        let mut cache = HashMap::new();
        for (prompt, threshold, expected) in [
            ("cat", "0.05", "forwarded "),
            ("kitten", "0.05", ""),
            ("kitten", "0.0001", "forwarded "),
            ("house", "0.05", "forwarded "),
            ("cat", "0.05", ""),
            // The model does not answer with a vector: a miss, and nothing is stored.
            ("unknown", "1", "forwarded "),
            ("unknown", "1", "forwarded "),
        ] {
            assert_eq!(run(&mut cache, prompt, threshold), expected, "{prompt}");
        }
    }

    #[test]
    fn an_index_is_bounded_and_survives_damage() {
        let mut index = Index::default();
        for n in 0..=ENTRIES_MAX {
            index.add([n as u8; 16], vec![n as i8, 1]);
        }
        assert_eq!((index.0.len(), index.0[0].0[0]), (ENTRIES_MAX, 1));
        let bytes = index.bytes();
        assert_eq!(Index::read(&bytes).0, index.0);
        for end in [0, 5, 17, 19, bytes.len() - 1] {
            assert!(Index::read(&bytes[..end]).0.len() < ENTRIES_MAX);
        }
    }

    #[test]
    fn a_failure_is_a_miss() {
        check_with(
            "inbound",
            "<llm-semantic-cache-lookup score-threshold='0.1' embeddings-backend-id='e' max-message-count='1'/>",
            |context| context.request.body = Body::Buffered(r#"{"prompt":"x"}"#.into()),
            &["timeout"],
            r#"send POST backend e?api-version=2024-10-21 content-type: application/json '{"input":" x\n"}'; forward '{"prompt":"x"}'; 200"#,
        );
        // Too many messages, or no prompt: not looked up.
        check_with(
            "inbound",
            "<llm-semantic-cache-lookup score-threshold='0.1' embeddings-backend-id='e' max-message-count='0'/>",
            |context| {
                context.request.body = Body::Buffered(r#"{"messages":[{"content":"x"}]}"#.into());
            },
            &[],
            r#"forward '{"messages":[{"content":"x"}]}'; 200"#,
        );
    }

    #[test]
    fn mistakes_refuse_the_document_all_the_same() {
        check_load(
            "inbound",
            "<llm-semantic-cache-lookup score-threshold='5' embeddings-backend-id='e'/>",
            "bad-value: `score-threshold` of `llm-semantic-cache-lookup` must be a number from 0 to 1",
        );
        check_load(
            "outbound",
            "<llm-semantic-cache-store/>",
            "missing-attribute: `llm-semantic-cache-store` needs the attribute `duration`",
        );
    }
}
