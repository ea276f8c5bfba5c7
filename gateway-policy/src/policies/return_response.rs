//! `return-response`: ends the exchange with a response of its own.
//!
//! Source: "Return response" policy page; `policies.md` §3. The base is a response from a variable, or an
//! empty 200; children change it. Outbound does not run.

use std::sync::Arc;

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, ElementDef, attr},
    set_body::{self, SetBody},
    set_header::{self, SetHeader},
    set_status::{self, SetStatus},
};
use crate::{
    compile::{Compiler, Node},
    context::{Body, Response},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("return-response", "Ends the exchange with this response.")
        .attributes(&[attr(
            "response-variable-name",
            "Variable that holds the response to start from.",
        )])
        .children(&[
            Child::optional(&set_status::ELEMENT),
            Child::any(&set_header::ELEMENT),
            Child::optional(&set_body::ELEMENT),
        ]),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<return-response>
    <set-status code="403" reason="Forbidden" />
    <set-header name="Content-Type" exists-action="override">
        <value>application/json</value>
    </set-header>
    <set-body>{ "message": "not here" }</set-body>
</return-response>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let variable = compiler.literal(node, "response-variable-name");
    let status = node.child("set-status").map(|n| SetStatus::build(compiler, n));
    let headers: Vec<_> = node
        .children("set-header")
        .map(|n| SetHeader::build(compiler, n))
        .collect();
    let body = node.child("set-body").map(|n| SetBody::build(compiler, n));
    compiler.policy(ReturnResponse {
        variable,
        // The outer option is the child's presence, the inner one its soundness.
        status: status.map_or(Some(None), |s| s.map(Some))?,
        headers: headers.into_iter().collect::<Option<_>>()?,
        body: body.map_or(Some(None), |b| b.map(Some))?,
    });
    Some(())
}

#[derive(Debug)]
struct ReturnResponse {
    variable: Option<Arc<str>>,
    status: Option<SetStatus>,
    headers: Vec<SetHeader>,
    body: Option<SetBody>,
}

impl Policy for ReturnResponse {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let mut response = match &self.variable {
            None => Response::default(),
            Some(name) => match run.context.variables.get(name).and_then(|v| v.as_response()) {
                Some(response) => response.clone(),
                None => return Err(run.failure(format!("The variable '{name}' does not hold a response."))),
            },
        };
        if let Some(status) = &self.status {
            status.apply(run, &mut response)?;
        }
        for header in &self.headers {
            header.evaluate(run)?.apply(&mut response.headers);
        }
        if let Some(body) = &self.body {
            response.body = Body::Buffered(body.evaluate(run)?);
        }
        if let Body::Buffered(bytes) = &response.body {
            set_body::frame(&mut response.headers, bytes.len());
        }
        run.context.response = Some(response);
        Ok(Flow::End)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Value,
        context::{Body, Response},
        test_support::{check, check_load, check_with},
    };

    #[test]
    fn it_ends_the_exchange() {
        let text = "<return-response><set-status code='403' reason='No'/><set-header name='A'><value>1</value></set-header>\
                    <set-body>{}</set-body></return-response><set-variable name='v' value='never'/>";
        let answer = "403 (No) a: 1 content-length: 2 '{}'";
        check("inbound", text, &[], answer);
        check("outbound", text, &[], &format!("forward; {answer}"));
        check(
            "on-error",
            text,
            &["timeout"],
            "forward; 403 (No) forward-request/Timeout a: 1",
        );
        check("inbound", "<return-response/>", &[], "200");
    }

    #[test]
    fn a_variable_gives_the_start() {
        let text = "<return-response response-variable-name='r'><set-status code='201' reason=''/></return-response>";
        check_with(
            "inbound",
            text,
            |context| {
                let response = Response {
                    body: Body::Buffered("kept".into()),
                    ..Response::default()
                };
                context.variables.set(&"r".into(), Value::response(response));
            },
            &[],
            "201 content-length: 4 'kept' $r=IResponse",
        );
        check("inbound", text, &[], "500 return-response/PolicyFailure");
    }

    #[test]
    fn children_are_checked() {
        check_load(
            "inbound",
            "<return-response><set-status code='1'/><set-status code='200'/><body/></return-response>",
            "unknown-element: `<return-response>` has no child element `<body>`; duplicate-element: `<set-status>` may occur only once in `<return-response>`",
        );
    }
}
