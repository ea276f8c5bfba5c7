//! `llm-content-safety`: prompts and answers are checked by Azure AI Content Safety.
//!
//! Source: "Enforce content safety checks on LLM requests" policy page and the service's own reference
//! (`text:analyze`, `text:shieldPrompt`); `policies.md` §8. All text of a message is joined and checked in windows.
//! A hit refuses with 403; a check that cannot be made refuses too, with 500. An answer that is to be checked
//! is read whole first: what is delivered cannot be called back.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use serde_json::{Value as Json, json};

use super::{completion_texts, is_event_stream, prompt_texts};
use crate::{
    compile::{Compiler, Finding, Node},
    context::{Body, Response},
    effect::{Effect, Message, Outcome, OutgoingRequest},
    exec::Run,
    failure::{Failure, Refusal},
    policies::{
        Flow, Policy, PolicyDef,
        def::{Child, Content, ElementDef, attr},
    },
    scope::{Scopes, Sections},
    setting::{Bounded, Setting, keywords, optional},
};

static CATEGORY: ElementDef = ElementDef::new("category", "A kind of harm.").attributes(&[
    attr("name", "Which one.")
        .required()
        .expression()
        .words(Category::WORDS),
    attr("threshold", "Severity from which it is refused, 0 to 7.")
        .required()
        .expression(),
]);
static CATEGORIES: ElementDef = ElementDef::new("categories", "Kinds of harm that are looked for.")
    .attributes(&[attr("output-type", "How fine severities are told apart.")
        .expression()
        .default("FourSeverityLevels")
        .words(Levels::WORDS)])
    .children(&[Child::any(&CATEGORY)]);
static ID: ElementDef = ElementDef::new("id", "Name of a blocklist of the service.").content(Content::Text);
static BLOCKLISTS: ElementDef =
    ElementDef::new("blocklists", "Blocklists that are applied.").children(&[Child::any(&ID)]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "llm-content-safety",
        "Refuses prompts and answers that a content safety service objects to.",
    )
    .attributes(&[
        attr("backend-id", "Backend entity of the content safety service.")
            .required()
            .expression(),
        attr("shield-prompt", "Also look for attacks on the model.")
            .expression()
            .default("false"),
        attr("enforce-on-completions", "Check the answer too.")
            .expression()
            .default("false"),
        attr(
            "window-size",
            "Characters of an answer that are checked at once; prompts: 10000.",
        )
        .expression()
        .default("1000"),
        attr("window-overlap-size", "Characters that windows share.")
            .expression()
            .default("0"),
    ])
    .children(&[Child::optional(&CATEGORIES), Child::optional(&BLOCKLISTS)]),
    sections: Sections::I.and(Sections::O),
    tolerated: Sections::I.and(Sections::O),
    scopes: Scopes::NOT_OPERATION,
    once: false,
    example: r#"<llm-content-safety backend-id="content-safety" shield-prompt="true">
    <categories output-type="EightSeverityLevels">
        <category name="Hate" threshold="4" />
        <category name="Violence" threshold="4" />
    </categories>
    <blocklists>
        <id>competitors</id>
    </blocklists>
</llm-content-safety>"#,
    build,
};

keywords! {
    /// `output-type`
    Levels { Four = "FourSeverityLevels", Eight = "EightSeverityLevels" }
}

keywords! {
    /// `category name`
    Category { Hate = "Hate", SelfHarm = "SelfHarm", Sexual = "Sexual", Violence = "Violence" }
}

/// Characters of a prompt that the service takes at once.
const PROMPT_WINDOW: usize = 10_000;
/// Most windows of one message: each is a call, or two. A longer text is refused as one that cannot be checked.
const WINDOWS_MAX: usize = 64;
/// Time for one check.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Version of the service's interface.
const API_VERSION: &str = "api-version=2024-09-01";

type Window = Bounded<1, { PROMPT_WINDOW as i64 }>;
type Overlap = Bounded<0, { PROMPT_WINDOW as i64 - 1 }>;

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let backend = compiler.attribute(node, "backend-id");
    let shield = compiler.attribute(node, "shield-prompt");
    let on_completions: Option<Setting<bool>> = compiler.attribute(node, "enforce-on-completions");
    let window = compiler.attribute(node, "window-size");
    let overlap = compiler.attribute(node, "window-overlap-size");
    let mut levels = None;
    let mut categories = Vec::new();
    if let Some(list) = node.child("categories") {
        levels = compiler.attribute(list, "output-type");
        for category in list.children("category") {
            let name = compiler.attribute(category, "name");
            let threshold = compiler.attribute(category, "threshold");
            categories.push(name.zip(threshold));
        }
    }
    let lists = node.child("blocklists");
    let blocklists: Vec<_> = lists
        .iter()
        .flat_map(|l| l.children("id"))
        .map(|id| compiler.text(id))
        .collect();
    let on_completions = on_completions?;
    if compiler.edits_request() {
        compiler.need_request_body();
        if !matches!(on_completions, Setting::Literal(false)) {
            let message = "the answer is read whole before it is delivered, so that it can be checked";
            let finding = Finding::on(node.element, "buffered-response", message).warning();
            compiler.report(finding.help("streamed answers arrive in one piece"));
        }
    } else {
        compiler.need_response_body();
    }
    compiler.policy(ContentSafety {
        backend: backend?,
        shield: shield?,
        on_completions,
        window: window?,
        overlap: overlap?,
        levels,
        categories: categories.into_iter().collect::<Option<_>>()?,
        blocklists: blocklists.into_iter().collect::<Option<_>>()?,
    });
    Some(())
}

#[derive(Debug)]
struct ContentSafety {
    backend: Setting<Arc<str>>,
    shield: Setting<bool>,
    on_completions: Setting<bool>,
    window: Setting<Window>,
    overlap: Setting<Overlap>,
    levels: Option<Setting<Levels>>,
    categories: Vec<(Setting<Category>, Setting<Bounded<0, 7>>)>,
    blocklists: Vec<Setting<Arc<str>>>,
}

/// One call to the service.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    Analyze,
    Shield,
}

impl ContentSafety {
    /// Call number `number` (each window is analyzed, then shielded); `None`: all are done.
    fn ask(&self, run: &mut Run<'_>, message: Message, number: usize) -> Result<Option<Effect>, Failure> {
        let checks = self.checks(run, message)?;
        if checks.is_empty() {
            return Ok(None);
        }
        let text = match message {
            Message::Request => request_text(&run.context.request.body),
            Message::Response => response_text(run.context.response.as_ref()),
        };
        let (window, overlap) = match message {
            Message::Request => (PROMPT_WINDOW, 0),
            Message::Response => {
                let window = self.window.get(run)?.unsigned() as usize;
                let overlap = self.overlap.get(run)?.unsigned() as usize;
                (window, overlap.min(window - 1))
            }
        };
        let Some(part) = window_of(&text, window, overlap, number / checks.len()) else {
            return Ok(None);
        };
        if number / checks.len() >= WINDOWS_MAX {
            return Err(run.failure(format!(
                "The text is longer than {WINDOWS_MAX} windows of {window} characters."
            )));
        }
        let backend = self.backend.get(run)?.into_owned();
        run.detail("backend-id", || backend.to_string());
        let (path, body) = match checks[number % checks.len()] {
            Check::Analyze => ("/contentsafety/text:analyze", self.analysis(run, part)?),
            Check::Shield => (
                "/contentsafety/text:shieldPrompt",
                json!({ "userPrompt": part, "documents": [] }),
            ),
        };
        let request = OutgoingRequest::to_backend(&backend, path, API_VERSION, &body, TIMEOUT);
        Ok(Some(Effect::Send(Box::new(request))))
    }

    /// What is done with each window.
    fn checks(&self, run: &mut Run<'_>, message: Message) -> Result<Vec<Check>, Failure> {
        let mut checks = Vec::new();
        if !self.categories.is_empty() || !self.blocklists.is_empty() {
            checks.push(Check::Analyze);
        }
        // Answers do not attack the model.
        if message == Message::Request && *self.shield.get(run)? {
            checks.push(Check::Shield);
        }
        Ok(checks)
    }

    fn analysis(&self, run: &mut Run<'_>, text: &str) -> Result<Json, Failure> {
        let levels = optional(self.levels.as_ref(), run)?.map_or(Levels::Four, |l| *l);
        let mut body = json!({ "text": text, "outputType": Levels::WORDS[levels as usize] });
        if !self.categories.is_empty() {
            let mut names = Vec::new();
            for (name, _) in &self.categories {
                names.push(Category::WORDS[*name.get(run)? as usize]);
            }
            body["categories"] = names.into();
        }
        if !self.blocklists.is_empty() {
            let mut names = Vec::new();
            for id in &self.blocklists {
                names.push(id.get(run)?.trim().to_owned());
            }
            body["blocklistNames"] = names.into();
            body["haltOnBlocklistHit"] = true.into();
        }
        Ok(body)
    }

    /// Looks at the service's answer.
    fn judge(&self, run: &mut Run<'_>, message: Message, outcome: Outcome) -> Result<(), Failure> {
        let response = match outcome {
            Outcome::Response(response) => response,
            other => return Err(run.unexpected(other)),
        };
        let verdict = match &response.body {
            Body::Buffered(bytes) if response.status == StatusCode::OK => {
                serde_json::from_slice::<Json>(bytes).ok()
            }
            _ => None,
        };
        let Some(verdict) = verdict else {
            let status = response.status.as_u16();
            return Err(run.failure(format!("The content safety service answered {status}.")));
        };
        if verdict.pointer("/userPromptAnalysis/attackDetected") == Some(&Json::Bool(true)) {
            return Err(refusal(message, "an attack on the model"));
        }
        let listed = verdict.get("blocklistsMatch").and_then(Json::as_array);
        if listed.is_some_and(|l| !l.is_empty()) {
            return Err(refusal(message, "a text of a blocklist"));
        }
        for (name, threshold) in &self.categories {
            let name = Category::WORDS[*name.get(run)? as usize];
            let threshold = threshold.get(run)?.unsigned();
            let analysis = verdict.get("categoriesAnalysis").and_then(Json::as_array);
            let found = analysis
                .into_iter()
                .flatten()
                .find(|a| a.get("category").and_then(Json::as_str) == Some(name));
            let severity = found.and_then(|a| a.get("severity")?.as_u64());
            run.detail("severity", || format!("{name} {}", severity.unwrap_or(0)));
            if severity.is_some_and(|s| s >= threshold) {
                return Err(refusal(message, name));
            }
        }
        Ok(())
    }

    fn next(&self, run: &mut Run<'_>, message: Message) -> Result<Flow, Failure> {
        let number = run.exchange.cursor;
        match self.ask(run, message, number)? {
            Some(effect) => Ok(Flow::Ask(effect)),
            None => Ok(Flow::Next),
        }
    }
}

fn refusal(message: Message, found: &str) -> Failure {
    let side = match message {
        Message::Request => "Request",
        Message::Response => "Response",
    };
    Failure::Refused(Box::new(Refusal {
        source: DEF.element.name,
        reason: "ContentSafetyCheckFailed",
        message: format!("{side} failed content safety check: {found}."),
        status: StatusCode::FORBIDDEN,
        public: format!("{side} failed content safety check."),
        headers: Vec::new(),
    }))
}

/// Window number `number` of the text, by characters; `None` past its end.
fn window_of(text: &str, window: usize, overlap: usize, number: usize) -> Option<&str> {
    let step = window - overlap;
    let mut starts = text.char_indices().map(|(i, _)| i).step_by(step);
    let start = starts.nth(number)?;
    if number > 0 {
        // What only repeats the end of the window before is not checked again.
        let covered = text[..start].chars().count() + overlap;
        if text.chars().count() <= covered {
            return None;
        }
    }
    let rest = &text[start..];
    let end = rest.char_indices().nth(window).map_or(rest.len(), |(i, _)| i);
    Some(&rest[..end])
}

fn request_text(body: &Body) -> String {
    super::json_of(body).map_or_else(String::new, |json| prompt_texts(&json).join("\n"))
}

fn response_text(response: Option<&Response>) -> String {
    let mut text = String::new();
    let Some(response) = response else { return text };
    let Body::Buffered(bytes) = &response.body else {
        return text;
    };
    let mut push = |part: &str| text.push_str(part);
    if is_event_stream(response) {
        for line in bytes.split(|b| *b == b'\n') {
            let event = line.strip_prefix(b"data:").map(serde_json::from_slice::<Json>);
            if let Some(Ok(event)) = event {
                completion_texts(&event, &mut push);
            }
        }
    } else if let Ok(json) = serde_json::from_slice::<Json>(bytes) {
        completion_texts(&json, &mut push);
    }
    text
}

impl Policy for ContentSafety {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let message = edited(run);
        if message == Message::Request && *self.on_completions.get(run)? {
            run.defer();
        }
        self.next(run, message)
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let message = edited(run);
        self.judge(run, message, outcome)?;
        run.exchange.cursor += 1;
        self.next(run, message)
    }

    /// The answer, when an inbound statement asks for that.
    fn finish(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let response = run.context.response.as_ref();
        if response.is_some_and(|r| r.body == Body::Streaming) {
            return Ok(Flow::Ask(Effect::ReadBody(Message::Response)));
        }
        let checked = match run.exchange.late.take() {
            Some(outcome) => self.judge(run, Message::Response, outcome),
            None => Ok(()),
        };
        let number = run.exchange.finishing;
        let asked = checked.and_then(|()| self.ask(run, Message::Response, number));
        match asked {
            Ok(Some(effect)) => {
                run.exchange.finishing += 1;
                run.defer();
                Ok(Flow::Ask(effect))
            }
            Ok(None) => {
                run.exchange.finishing = 0;
                Ok(Flow::Next)
            }
            Err(failure @ Failure::Refused(_)) => {
                run.exchange.finishing = 0;
                Err(failure)
            }
            // What could not be checked is not delivered.
            Err(other) => {
                run.exchange.finishing = 0;
                Err(Failure::Refused(Box::new(Refusal {
                    source: DEF.element.name,
                    reason: "ContentSafetyCheckFailed",
                    message: other.message(),
                    status: StatusCode::INTERNAL_SERVER_ERROR,
                    public: "Internal server error".into(),
                    headers: Vec::new(),
                })))
            }
        }
    }
}

fn edited(run: &Run<'_>) -> Message {
    if run.section.edits_request() {
        Message::Request
    } else {
        Message::Response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{check_load, check_with};

    const SAFE: &str =
        r#"200 {"categoriesAnalysis":[{"category":"Hate","severity":0}],"blocklistsMatch":[]}"#;

    fn policy(attributes: &str) -> String {
        format!(
            "<llm-content-safety backend-id='cs' {attributes}><categories><category name='Hate' threshold='4'/></categories></llm-content-safety>"
        )
    }

    #[track_caller]
    fn check(section: &str, text: &str, answers: &[&str], expected: &str) {
        let ask = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
        let analyze = r#"send POST backend cs/contentsafety/text:analyze?api-version=2024-09-01 content-type: application/json '{"text":"TEXT","outputType":"FourSeverityLevels","categories":["Hate"]}'"#;
        let expected = expected
            .replace("ANALYZE-PROMPT", &analyze.replace("TEXT", "hi"))
            .replace("ANALYZE-ANSWER", &analyze.replace("TEXT", "said"))
            .replace("FORWARD", &format!("forward '{ask}'"));
        check_with(
            section,
            text,
            |context| context.request.body = Body::Buffered(ask.into()),
            answers,
            &expected,
        );
    }

    #[test]
    fn prompts_pass_or_are_refused() {
        check("inbound", &policy(""), &[SAFE], "ANALYZE-PROMPT; FORWARD; 200");
        for (answer, expected) in [
            (
                r#"200 {"categoriesAnalysis":[{"category":"Hate","severity":4}]}"#,
                "403 llm-content-safety/ContentSafetyCheckFailed",
            ),
            (
                r#"200 {"blocklistsMatch":[{"blocklistName":"b"}]}"#,
                "403 llm-content-safety/ContentSafetyCheckFailed",
            ),
            // What cannot be checked does not pass.
            ("401 no", "500 llm-content-safety/PolicyFailure"),
            ("timeout", "500 llm-content-safety/Timeout"),
        ] {
            check(
                "inbound",
                &policy(""),
                &[answer],
                &format!("ANALYZE-PROMPT; {expected}"),
            );
        }
    }

    #[test]
    fn attacks_are_looked_for_by_a_second_call() {
        let shield = r#"send POST backend cs/contentsafety/text:shieldPrompt?api-version=2024-09-01 content-type: application/json '{"userPrompt":"hi","documents":[]}'"#;
        check(
            "inbound",
            &policy("shield-prompt='true'"),
            &[SAFE, r#"200 {"userPromptAnalysis":{"attackDetected":true}}"#],
            &format!("ANALYZE-PROMPT; {shield}; 403 llm-content-safety/ContentSafetyCheckFailed"),
        );
    }

    #[test]
    fn answers_are_checked_from_inbound_and_in_outbound() {
        let said = r#"200 {"choices":[{"message":{"content":"said"}}]}"#;
        let bad = r#"200 {"categoriesAnalysis":[{"category":"Hate","severity":6}]}"#;
        check(
            "inbound",
            &policy("enforce-on-completions='true'"),
            &[SAFE, said, SAFE],
            r#"ANALYZE-PROMPT; FORWARD; ANALYZE-ANSWER; 200 '{"choices":[{"message":{"content":"said"}}]}'"#,
        );
        check(
            "inbound",
            &policy("enforce-on-completions='true'"),
            &[SAFE, said, bad],
            r#"ANALYZE-PROMPT; FORWARD; ANALYZE-ANSWER; 403 content-type: application/json content-length: 73 '{ "statusCode": 403, "message": "Response failed content safety check." }'"#,
        );
        check(
            "outbound",
            &policy(""),
            &[said, bad],
            "FORWARD; ANALYZE-ANSWER; 403 llm-content-safety/ContentSafetyCheckFailed",
        );
    }

    #[test]
    fn long_texts_are_cut_into_windows() {
        let windows = |text, window, overlap| {
            (0..10)
                .map_while(|n| window_of(text, window, overlap, n))
                .collect::<Vec<_>>()
        };
        assert_eq!(windows("abcdefg", 3, 0), ["abc", "def", "g"]);
        assert_eq!(windows("abcdefg", 4, 2), ["abcd", "cdef", "efg"]);
        assert_eq!(windows("äöü", 2, 0), ["äö", "ü"]);
        assert_eq!(windows("abc", 3, 1), ["abc"]);
        assert!(windows("", 3, 0).is_empty());
    }

    #[test]
    fn mistakes_refuse_the_document() {
        check_load(
            "inbound",
            "<llm-content-safety backend-id='b'><categories><category name='Rude' threshold='1'/></categories></llm-content-safety>",
            "bad-value: `name` of `category` must be one of `Hate`, `SelfHarm`, `Sexual`, `Violence`",
        );
    }
}
