//! `mock-response`: ends the exchange with an example from the API definition.
//!
//! Source: "Mock response" policy page; `policies.md` §3.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
    set_body,
};
use crate::{
    compile::{Compiler, Node},
    context::{Body, Response},
    effect::{Effect, Outcome},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::Bounded,
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("mock-response", "Answers with an example of the operation.").attributes(&[
        attr("status-code", "Whose response is taken.").default("200"),
        attr(
            "content-type",
            "Which representation is taken, and the answer's `Content-Type`.",
        ),
        attr("index", "Which of several examples, from 1.").default("1"),
        attr("enabled", "False: the policy does nothing.").default("true"),
    ]),
    sections: Sections::I.and(Sections::O).and(Sections::E),
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<mock-response status-code="200" content-type="application/json" />"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let status = compiler.literal(node, "status-code");
    let content_type = compiler.literal(node, "content-type");
    let index: Option<Bounded<0, 1000>> = compiler.literal(node, "index");
    let enabled: bool = compiler.literal(node, "enabled")?;
    if enabled {
        let index = index?.unsigned().saturating_sub(1) as usize;
        compiler.policy(MockResponse {
            status: status?,
            content_type,
            index,
        });
    }
    Some(())
}

#[derive(Debug)]
struct MockResponse {
    status: StatusCode,
    content_type: Option<Arc<str>>,
    index: usize,
}

impl Policy for MockResponse {
    fn run(&self, _run: &mut Run<'_>) -> Result<Flow, Failure> {
        let (status, content_type) = (self.status, self.content_type.clone());
        Ok(Flow::Ask(Effect::Example {
            status,
            content_type,
            index: self.index,
        }))
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let example = match outcome {
            Outcome::Example(example) => example,
            other => return Err(run.unexpected(other)),
        };
        let mut response = Response {
            status: self.status,
            ..Response::default()
        };
        let media_type = self
            .content_type
            .as_ref()
            .or(example.as_ref().and_then(|e| e.content_type.as_ref()));
        if let Some(Ok(value)) = media_type.map(|t| HeaderValue::from_str(t)) {
            response.headers.insert(header::CONTENT_TYPE, value);
        }
        let body = example.map(|e| e.body).unwrap_or_default();
        set_body::frame(&mut response.headers, body.len());
        response.body = Body::Buffered(body);
        run.context.response = Some(response);
        Ok(Flow::End)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::check;

    #[test]
    fn an_example_is_the_answer() {
        check(
            "inbound",
            "<mock-response status-code='201' content-type='application/json'/>",
            &["example {}"],
            "example 201 application/json 0; 201 content-type: application/json content-length: 2 '{}'",
        );
        check(
            "inbound",
            "<mock-response/>",
            &["noexample"],
            "example 200 * 0; 200 content-length: 0 ''",
        );
        check("inbound", "<mock-response enabled='false'/>", &[], "forward; 200");
    }
}
