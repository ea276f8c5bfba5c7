//! `log-to-eventhub`: sends a message to an event hub, without waiting.
//!
//! Source: "Log to Event Hub" policy page; `policies.md` §3. The message is cut to the documented limit.

use std::sync::Arc;

use super::{
    Flow, Policy, PolicyDef,
    def::{Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Node},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{Setting, optional},
    trace::{Note, Partition},
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("log-to-eventhub", "Sends its text to an event hub.")
        .attributes(&[
            attr("logger-id", "Id of the logger.").required(),
            attr("partition-id", "Partition the message goes to."),
            attr("partition-key", "Messages with equal keys go to one partition.").expression(),
        ])
        .content(Content::Text),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<log-to-eventhub logger-id="hub">@(context.RequestId.ToString())</log-to-eventhub>"#,
    build,
};

/// Bytes of a message: the documented 200 KB.
const MESSAGE_BYTES_MAX: usize = 200 * 1024;

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let logger = compiler.literal(node, "logger-id");
    let partition_id = compiler.literal(node, "partition-id");
    let partition_key = compiler.attribute(node, "partition-key");
    let message = compiler.text(node);
    compiler.policy(LogToEventHub {
        logger: logger?,
        partition_id,
        partition_key,
        message: message?,
    });
    Some(())
}

#[derive(Debug)]
struct LogToEventHub {
    logger: Arc<str>,
    partition_id: Option<Arc<str>>,
    partition_key: Option<Setting<Arc<str>>>,
    message: Setting<Arc<str>>,
}

impl Policy for LogToEventHub {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let key = optional(self.partition_key.as_ref(), run)?;
        let id = self.partition_id.as_ref().map(|id| Partition::Id(id.to_string()));
        let partition = id.or(key.map(|k| Partition::Key(k.to_string())));
        let mut message = self.message.get(run)?.to_string();
        let mut end = MESSAGE_BYTES_MAX.min(message.len());
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        run.detail("logger-id", || self.logger.to_string());
        let logger = Arc::clone(&self.logger);
        run.exchange.note(Note::EventHub {
            logger,
            partition,
            message,
        });
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::notes;

    #[test]
    fn the_text_becomes_a_note() {
        let event = |partition, message: &str| Note::EventHub {
            logger: "l".into(),
            partition,
            message: message.into(),
        };
        for (text, expected) in [
            (
                "<log-to-eventhub logger-id='l'>m</log-to-eventhub>",
                event(None, "m"),
            ),
            (
                "<log-to-eventhub logger-id='l' partition-id='0'>m</log-to-eventhub>",
                event(Some(Partition::Id("0".into())), "m"),
            ),
            (
                "<log-to-eventhub logger-id='l' partition-key='k'>m</log-to-eventhub>",
                event(Some(Partition::Key("k".into())), "m"),
            ),
        ] {
            assert_eq!(notes("outbound", text), [expected], "{text}");
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let long = "ä".repeat(MESSAGE_BYTES_MAX / 2 + 1);
        let text = format!("<log-to-eventhub logger-id='l'>x{long}</log-to-eventhub>");
        // The document itself must stay below its own limit, so the message cannot be much longer.
        match notes("outbound", &text).as_slice() {
            [Note::EventHub { message, .. }] => assert_eq!(message.len(), MESSAGE_BYTES_MAX - 1),
            other => panic!("{other:?}"),
        }
    }
}
