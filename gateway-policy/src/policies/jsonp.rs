//! `jsonp`: wraps the response into a JavaScript call when the request asks for one.
//!
//! Source: "JSONP" policy page; `policies.md` §5.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
    set_body,
};
use crate::{
    compile::{Compiler, Node},
    context::Body,
    exec::Run,
    failure::{Failure, Refusal},
    scope::{Scopes, Sections},
    setting::Setting,
    url::{decode_query_part, is_parameter, query_pairs},
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "jsonp",
        "Wraps the response for JavaScript clients of other domains.",
    )
    .attributes(&[attr(
        "callback-parameter-name",
        "Query parameter that names the function.",
    )
    .required()
    .expression()]),
    sections: Sections::O,
    tolerated: Sections::O,
    scopes: Scopes::ALL,
    once: true,
    example: r#"<jsonp callback-parameter-name="callback" />"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let parameter = compiler.attribute(node, "callback-parameter-name")?;
    compiler.need_current_body();
    compiler.policy(Jsonp { parameter });
    Some(())
}

#[derive(Debug)]
struct Jsonp {
    parameter: Setting<Arc<str>>,
}

impl Policy for Jsonp {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let parameter = self.parameter.get(run)?;
        let query = &run.context.request.original_url.query;
        let found = query_pairs(query)
            .find(|(n, _)| is_parameter(n, &parameter))
            .map(|(_, v)| decode_query_part(v));
        let Some(callback) = found.filter(|c| !c.is_empty()) else {
            return Ok(Flow::Next);
        };
        if !is_identifier(&callback) {
            let message = format!(
                "Value of callback parameter {} is not a valid JavaScript identifier.",
                *parameter
            );
            return Err(Failure::Refused(Box::new(Refusal {
                source: "jsonp",
                reason: "CallbackParameterInvalid",
                public: message.clone(),
                message,
                status: StatusCode::BAD_REQUEST,
                headers: Vec::new(),
            })));
        }
        let response = run.response();
        let bytes = match &response.body {
            Body::Buffered(bytes) => bytes.clone(),
            _ => Default::default(),
        };
        let wrapped = [callback.as_bytes(), b"(", &bytes[..], b")"].concat();
        set_body::frame(&mut response.headers, wrapped.len());
        response.headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/javascript"),
        );
        response.body = Body::Buffered(wrapped.into());
        Ok(Flow::Next)
    }
}

/// A name a function can have; dots separate members, as common libraries send them.
fn is_identifier(text: &str) -> bool {
    text.split('.').all(|part| {
        let mut chars = part.chars();
        let first = chars
            .next()
            .is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | '$'));
        first && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
    })
}

#[cfg(test)]
mod tests {
    use crate::test_support::check_with;

    #[track_caller]
    fn call(query: &str, expected: &str) {
        check_with(
            "outbound",
            "<jsonp callback-parameter-name='cb'/>",
            |context| context.request.original_url.query = query.into(),
            &["200 streaming", "body {}"],
            expected,
        );
    }

    #[test]
    fn a_callback_wraps_the_body() {
        call(
            "cb=f",
            "forward; read response; 200 content-length: 5 content-type: application/javascript 'f({})'",
        );
        call(
            "CB=a.b%5F1",
            "forward; read response; 200 content-length: 9 content-type: application/javascript 'a.b_1({})'",
        );
        call("x=f", "forward; read response; 200 '{}'");
        call(
            "cb=alert(1)",
            "forward; read response; 400 jsonp/CallbackParameterInvalid",
        );
    }
}
