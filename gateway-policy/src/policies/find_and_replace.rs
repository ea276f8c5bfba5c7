//! `find-and-replace`: replaces a text in the body of the message its section edits.
//!
//! Source: "Find and replace string in body" policy page; `policies.md` §7.8. Ordinal, all occurrences, not a
//! pattern.

use std::sync::Arc;

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
    set_body,
};
use crate::{
    compile::{Compiler, Node},
    context::Body,
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::Setting,
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("find-and-replace", "Replaces a text in the body.").attributes(&[
        attr("from", "Text to look for.").required().expression(),
        attr("to", "Text to put in its place; empty deletes.")
            .required()
            .expression(),
    ]),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<find-and-replace from="http://internal.example.com" to="https://www.example.com" />"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let from = compiler.attribute(node, "from");
    let to = compiler.attribute(node, "to");
    compiler.need_current_body();
    compiler.policy(FindAndReplace { from: from?, to: to? });
    Some(())
}

#[derive(Debug)]
struct FindAndReplace {
    from: Setting<Arc<str>>,
    to: Setting<Arc<str>>,
}

impl Policy for FindAndReplace {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let (from, to) = (self.from.get(run)?, self.to.get(run)?);
        run.detail("from", || from.to_string());
        run.detail("to", || to.to_string());
        let Body::Buffered(bytes) = run.body() else {
            return Ok(Flow::Next);
        };
        if from.is_empty() || !contains(bytes, from.as_bytes()) {
            return Ok(Flow::Next);
        }
        let replaced = replace(bytes, from.as_bytes(), to.as_bytes());
        set_body::frame(run.headers(), replaced.len());
        *run.body() = Body::Buffered(replaced.into());
        Ok(Flow::Next)
    }
}

pub(super) fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|w| w == needle)
}

/// Bytes, not text: a body need not be UTF-8, and equal bytes are equal text.
pub(super) fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(from) {
            out.extend_from_slice(to);
            rest = after;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_with};

    #[test]
    fn every_occurrence_is_replaced() {
        for (from, to, body, expected) in [
            ("a", "bb", "aXa", "content-length: 5 'bbXbb'"),
            ("aa", "a", "aaaa", "content-length: 2 'aa'"),
            ("X", "", "aXa", "content-length: 2 'aa'"),
            ("x", "y", "aXa", "'aXa'"),
            ("", "y", "aXa", "'aXa'"),
        ] {
            let text = format!("<find-and-replace from='{from}' to='{to}'/>");
            check(
                "outbound",
                &text,
                &[&format!("200 {body}")],
                &format!("forward; 200 {expected}"),
            );
        }
    }

    #[test]
    fn a_streaming_body_is_read_first() {
        let text = "<find-and-replace from='a' to='b'/>";
        check(
            "outbound",
            text,
            &["200 streaming", "body cat"],
            "forward; read response; 200 content-length: 3 'cbt'",
        );
        check(
            "outbound",
            text,
            &["200 streaming", "toolarge"],
            "forward; read response; 500 find-and-replace/BackendConnectionFailure",
        );
        let streaming = |context: &mut crate::Context| context.request.body = crate::context::Body::Streaming;
        check_with(
            "inbound",
            text,
            streaming,
            &["body cat"],
            "read request; forward content-length: 3 'cbt'; 200",
        );
        check_with(
            "inbound",
            text,
            streaming,
            &["toolarge"],
            "read request; 413 find-and-replace/BodyTooLarge",
        );
    }
}
