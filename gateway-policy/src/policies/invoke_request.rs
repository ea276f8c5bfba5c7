//! `invoke-request`: sends the current request elsewhere; the answer is the response, and the section ends.
//!
//! Known from the policy schema and the policy toolkit only (`policies.md` §11): no page says more. From inbound
//! and backend the exchange goes on with outbound, as after a hit of `cache-lookup`.

use std::{sync::Arc, time::Duration};

use gateway_expr::Value;
use http::{Method, header};

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    context::{Body, Url},
    effect::{Effect, Outcome, OutgoingRequest},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{FromValue, Setting, optional},
    url,
};

/// As `send-request` without a timeout of its own.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "invoke-request",
        "Sends the current request elsewhere and takes the answer as the response.",
    )
    .attributes(&[
        attr("url", "Where it is sent; excludes `backend-id`.").expression(),
        attr(
            "backend-id",
            "Backend entity it is sent to, with the current path.",
        )
        .expression(),
        attr("method", "Another method.").expression(),
        attr("response-variable-name", "Variable for the answer, too."),
    ]),
    sections: Sections::I.and(Sections::B),
    tolerated: Sections::I.and(Sections::B),
    scopes: Scopes::ALL,
    once: false,
    example: r#"<invoke-request url="https://other.example.com/orders" />"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    if node.has("url") == node.has("backend-id") {
        let message = "`invoke-request` needs one of `url` and `backend-id`";
        compiler.report(Finding::on(node.element, "missing-attribute", message).help("say where it goes"));
        return None;
    }
    let target = if node.has("url") {
        To::Url(compiler.attribute(node, "url")?)
    } else {
        To::Backend(compiler.attribute(node, "backend-id")?)
    };
    let method = compiler.attribute(node, "method");
    let variable = compiler.literal(node, "response-variable-name");
    compiler.need_request_body();
    compiler.policy(InvokeRequest {
        target,
        method,
        variable,
    });
    Some(())
}

#[derive(Clone, Debug)]
struct Target(Url);

impl FromValue for Target {
    fn literal(text: &str) -> Result<Self, String> {
        url::parse(text).map(Self)
    }
}

#[derive(Debug)]
enum To {
    Url(Setting<Target>),
    Backend(Setting<Arc<str>>),
}

#[derive(Debug)]
struct InvokeRequest {
    target: To,
    method: Option<Setting<Method>>,
    variable: Option<Arc<str>>,
}

impl Policy for InvokeRequest {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let method = optional(self.method.as_ref(), run)?.map(|m| m.into_owned());
        let (target, backend) = match &self.target {
            To::Url(url) => (url.get(run)?.into_owned().0, None),
            To::Backend(id) => {
                let id = id.get(run)?.into_owned();
                let service = run.context.api.as_deref().and_then(|a| a.service_url.as_ref());
                let base = run.exchange.base.as_deref().or(service).map_or("", |u| &u.path);
                let current = &run.context.request.url;
                let target = Url {
                    path: url::path_after(base, &current.path).to_owned(),
                    query: current.query.clone(),
                    ..Url::default()
                };
                (target, Some(id))
            }
        };
        let current = &run.context.request;
        let method = method.unwrap_or_else(|| current.method.clone());
        let mut request = OutgoingRequest::new(method, target, TIMEOUT);
        request.headers = current.headers.clone();
        // The next host is another one, and the body is framed anew.
        for name in [
            header::HOST,
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::CONNECTION,
        ] {
            request.headers.remove(name);
        }
        if let Body::Buffered(bytes) = &current.body {
            request.body = bytes.clone();
        }
        request.backend = backend;
        request.certificate = run.exchange.certificate.clone();
        request.proxy = run.exchange.proxy.clone();
        run.detail("url", || url::to_text(&request.url));
        Ok(Flow::Ask(Effect::Send(Box::new(request))))
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let response = match outcome {
            Outcome::Response(response) => response,
            other => return Err(run.unexpected(other)),
        };
        if let Some(name) = &self.variable {
            run.set_variable(name, Value::response(response.clone()));
        }
        run.context.response = Some(response);
        Ok(Flow::Outbound)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load, check_with};

    #[test]
    fn the_answer_is_the_response_and_the_backend_is_not_asked() {
        check_with(
            "inbound",
            "<invoke-request url='https://o.test/x' response-variable-name='r'/><set-method>PUT</set-method>",
            |context| {
                context.request.headers.insert("a", "1".parse().unwrap());
                context.request.headers.insert("host", "h".parse().unwrap());
            },
            &["201 made"],
            "send GET https://o.test/x a: 1; 201 'made' $r=IResponse",
        );
        check(
            "inbound",
            "<invoke-request backend-id='b' method='POST'/>",
            &["timeout"],
            "send POST backend b/items/42?x=1; 500 invoke-request/Timeout",
        );
    }

    #[test]
    fn one_target_is_needed() {
        for attributes in ["", "url='http://a' backend-id='b'"] {
            check_load(
                "inbound",
                &format!("<invoke-request {attributes}/>"),
                "missing-attribute: `invoke-request` needs one of `url` and `backend-id`",
            );
        }
    }
}
