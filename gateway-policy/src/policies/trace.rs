//! `trace`: writes a message to traces and logs.
//!
//! Source: "Trace" policy page; `policies.md` §3. It never changes the exchange; whether a severity is
//! written is decided by whoever drains the notes.

use std::sync::Arc;

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{Setting, keywords},
    trace::{Note, TraceSeverity},
};

static MESSAGE: ElementDef = ElementDef::new("message", "The message.").content(Content::Text);

static METADATA: ElementDef = ElementDef::new("metadata", "A property of the trace.").attributes(&[
    attr("name", "Name of the property.").required(),
    attr("value", "Its value.").required().expression(),
]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("trace", "Writes a message to traces and logs.")
        .attributes(&[
            attr("source", "Who says it.").required(),
            attr("severity", "How important it is.")
                .default("verbose")
                .words(Severity::WORDS),
        ])
        .children(&[Child::optional(&MESSAGE), Child::any(&METADATA)])
        // The older form of the page: the message is the element's own text.
        .content(Content::Text),
    sections: Sections::I.and(Sections::B).and(Sections::O),
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<trace source="orders" severity="information">
    <message>@("order of " + context.Subscription?.Name)</message>
    <metadata name="region" value="west" />
</trace>"#,
    build,
};

keywords! {
    /// `severity`
    Severity { Verbose = "verbose", Information = "information", Error = "error" }
}

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let source = compiler.literal(node, "source");
    let severity = compiler.literal(node, "severity");
    let message = match node.child("message") {
        Some(message) => Some(compiler.text(message)),
        None if !node.element.text.as_str().trim().is_empty() => Some(compiler.text(node)),
        None => {
            let finding = Finding::on(
                node.element,
                "missing-element",
                "`<trace>` needs a child element `<message>`",
            );
            compiler.report(finding);
            None
        }
    };
    let mut metadata = Vec::new();
    for child in node.children("metadata") {
        let name = compiler.literal(child, "name");
        metadata.push(name.zip(compiler.attribute(child, "value")));
    }
    compiler.policy(Trace {
        source: source?,
        severity: match severity? {
            Severity::Verbose => TraceSeverity::Verbose,
            Severity::Information => TraceSeverity::Information,
            Severity::Error => TraceSeverity::Error,
        },
        message: message??,
        metadata: metadata.into_iter().collect::<Option<_>>()?,
    });
    Some(())
}

#[derive(Debug)]
struct Trace {
    source: Arc<str>,
    severity: TraceSeverity,
    message: Setting<Arc<str>>,
    metadata: Vec<(Arc<str>, Setting<Arc<str>>)>,
}

impl Policy for Trace {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let message = self.message.get(run)?.trim().to_owned();
        let mut metadata = Vec::with_capacity(self.metadata.len());
        for (name, value) in &self.metadata {
            metadata.push((name.to_string(), value.get(run)?.to_string()));
        }
        run.detail("message", || message.clone());
        let (source, severity) = (Arc::clone(&self.source), self.severity);
        run.exchange.note(Note::Trace {
            source,
            severity,
            message,
            metadata,
        });
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        Effect, Outcome, Step,
        exec::Execution,
        program::Program,
        scope::Scope,
        test_support::{FixedWorld, check_load, compile, context, document},
    };

    #[test]
    fn the_message_becomes_a_note_and_nothing_else_changes() {
        let text =
            "<trace source='s' severity='error'><message> m </message><metadata name='a' value='1'/></trace>";
        let doc = Arc::new(compile(&document("inbound", text), Scope::Api).unwrap());
        let program = Arc::new(Program::compose([None, None, Some(doc), None]));
        let mut execution = Execution::new(program, context());
        assert!(matches!(
            execution.resume(Outcome::Start, &FixedWorld),
            Step::Effect(Effect::Forward(_))
        ));
        let expected = Note::Trace {
            source: "s".into(),
            severity: TraceSeverity::Error,
            message: "m".into(),
            metadata: vec![("a".into(), "1".into())],
        };
        assert_eq!(execution.drain_notes(), [expected]);
        assert!(execution.drain_notes().is_empty());
    }

    #[test]
    fn what_expressions_trace_becomes_a_note_of_their_policy() {
        let text = "<set-variable name='v' value='@{ context.Trace(\"seen\"); return 1; }'/>";
        let doc = Arc::new(compile(&document("inbound", text), Scope::Api).unwrap());
        let program = Arc::new(Program::compose([None, None, Some(doc), None]));
        let mut execution = Execution::new(program, context());
        execution.resume(Outcome::Start, &FixedWorld);
        let expected = Note::Trace {
            source: "set-variable".into(),
            severity: TraceSeverity::Verbose,
            message: "seen".into(),
            metadata: Vec::new(),
        };
        assert_eq!(execution.drain_notes(), [expected]);
    }

    #[test]
    fn the_message_may_be_the_text_itself() {
        check_load("inbound", "<trace source='s'>text</trace>", "loads");
        check_load(
            "inbound",
            "<trace source='s'>@(context.Api.Id)<metadata name='a' value='b'/></trace>",
            "loads",
        );
    }

    #[test]
    fn a_message_is_needed() {
        check_load(
            "inbound",
            "<trace source='s'/>",
            "missing-element: `<trace>` needs a child element `<message>`",
        );
        check_load(
            "inbound",
            "<trace source='s' severity='warn'><message/></trace>",
            "bad-value: `severity` of `trace` must be one of `verbose`, `information`, `error`",
        );
    }
}
