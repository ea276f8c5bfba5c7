//! `llm-emit-token-metric` and its older name `azure-openai-emit-token-metric`.

use std::sync::Arc;

use super::{Prompt, Usage, is_event_stream, meter, tokens};
use crate::{
    compile::{Compiler, Node},
    context::Body,
    effect::{Effect, Message},
    exec::Run,
    failure::Failure,
    policies::{
        Flow, Policy, PolicyDef,
        def::{AttributeDef, Child, ElementDef, attr},
        emit_metric::{DIMENSION, Dimension, dimensions, evaluate_dimensions},
    },
    scope::{Scopes, Sections},
};

static ATTRIBUTES: &[AttributeDef] = &[
    attr("namespace", "Namespace of the metrics.").default("API Management"),
    attr("name", "Accepted and without effect."),
    attr("value-type", "Accepted and without effect."),
    attr("ignore-prompt", "Accepted and without effect."),
];
static CHILDREN: &[Child] = &[Child::some(&DIMENSION)];

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "llm-emit-token-metric",
        "Emits the tokens a language-model call consumed.",
    )
    .attributes(ATTRIBUTES)
    .children(CHILDREN),
    sections: Sections::I,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<llm-emit-token-metric namespace="llm">
    <dimension name="API ID" />
    <dimension name="tenant" value="contoso" />
</llm-emit-token-metric>"#,
    build,
};

pub(crate) static AZURE: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "azure-openai-emit-token-metric",
        "The older name of `llm-emit-token-metric`.",
    )
    .attributes(ATTRIBUTES)
    .children(CHILDREN),
    sections: Sections::I,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<azure-openai-emit-token-metric namespace="openai">
    <dimension name="API ID" />
</azure-openai-emit-token-metric>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let namespace = compiler.literal(node, "namespace");
    let dimensions = dimensions(compiler, node);
    compiler.need_request_body();
    tokens::prepare();
    compiler.policy(EmitTokenMetric {
        namespace: namespace?,
        dimensions: dimensions?,
    });
    Some(())
}

#[derive(Debug)]
struct EmitTokenMetric {
    namespace: Arc<str>,
    dimensions: Vec<Dimension>,
}

impl Policy for EmitTokenMetric {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        run.defer();
        Ok(Flow::Next)
    }

    fn finish(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let Some(response) = run.context.response.as_ref() else {
            return Ok(Flow::Next);
        };
        let streams = is_event_stream(response);
        if response.body == Body::Streaming && !streams {
            return Ok(Flow::Ask(Effect::ReadBody(Message::Response)));
        }
        let passes = response.body == Body::Streaming;
        let prompt = Prompt::of(&run.context.request.body);
        let dimensions = evaluate_dimensions(&self.dimensions, run)?;
        if passes {
            meter(run, &prompt).emit(Arc::clone(&self.namespace), dimensions);
            return Ok(Flow::Next);
        }
        if let Some(usage) = Usage::of(run.context.response.as_ref(), &prompt) {
            for note in usage.notes(&self.namespace, &dimensions) {
                run.exchange.note(note);
            }
        }
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        test_support::{check, notes_after},
        trace::Note,
    };

    const TEXT: &str =
        "<llm-emit-token-metric namespace='n'><dimension name='API ID'/></llm-emit-token-metric>";

    #[test]
    fn three_metrics_tell_the_usage() {
        let answer = r#"{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}"#;
        let notes = notes_after("inbound", TEXT, answer);
        let told: Vec<(String, f64)> = notes
            .iter()
            .map(|n| match n {
                Note::Metric { name, value, .. } => (name.to_string(), *value),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [
            ("Total Tokens", 15.0),
            ("Prompt Tokens", 10.0),
            ("Completion Tokens", 5.0),
        ];
        assert_eq!(told, expected.map(|(n, v)| (n.to_owned(), v)));
        assert!(notes_after("inbound", TEXT, "{}").is_empty());
    }

    #[test]
    fn a_streaming_answer_is_read_at_the_end() {
        check(
            "inbound",
            TEXT,
            &["200 streaming", "body {}"],
            "forward; read response; 200 '{}'",
        );
        // One that cannot be read is lost, and said to be.
        let lost = "forward; read response; 500 content-type: application/json content-length: 111 \
            '{ \"statusCode\": 500, \"message\": \"Internal server error\", \"activityId\": \"07070707-0707-0707-0707-070707070707\" }'";
        check("inbound", TEXT, &["200 streaming", "toolarge"], lost);
    }
}
