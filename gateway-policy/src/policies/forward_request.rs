//! `forward-request`: sends the request to the backend.
//!
//! Source: "Forward request" policy page; `policies.md` §8. Each execution sends the request; the answer
//! becomes the response of the exchange.

use std::time::Duration;

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    effect::{BackendHttpVersion, Effect, Forward, Outcome},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{Bounded, Setting, keywords, optional},
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("forward-request", "Sends the request to the backend.").attributes(&[
        attr(
            "timeout",
            "Time until the response headers have arrived, in seconds.",
        )
        .expression()
        .default("300"),
        attr("timeout-ms", "The same in milliseconds; excludes `timeout`.").expression(),
        attr(
            "continue-timeout",
            "Time to wait for `100 Continue`, in seconds; checked, and without effect (a load warning says so).",
        )
        .expression(),
        attr("http-version", "Protocol towards the backend.")
            .default("1")
            .words(HttpVersion::WORDS),
        attr("follow-redirects", "Follow 3xx answers.")
            .expression()
            .default("false"),
        attr(
            "buffer-request-body",
            "Keep the request body so that a retry can send it again.",
        )
        .default("false"),
        attr("buffer-response", "Gather the response in 8 KiB pieces.").default("true"),
        attr(
            "fail-on-error-status-code",
            "An answer of 400 or above is a failure.",
        )
        .default("false"),
    ]),
    sections: Sections::B,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<forward-request timeout="30" follow-redirects="false" />"#,
    build,
};

keywords! {
    /// `http-version`
    HttpVersion { One = "1", TwoOrOne = "2or1", Two = "2" }
}

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let timeout = compiler.attribute(node, "timeout");
    let timeout_ms = compiler.attribute(node, "timeout-ms");
    let http_version = compiler.literal(node, "http-version");
    let follow_redirects = compiler.attribute(node, "follow-redirects");
    let buffer_request_body = compiler.literal(node, "buffer-request-body");
    let buffer_response = compiler.literal(node, "buffer-response");
    let fail_on_error = compiler.literal(node, "fail-on-error-status-code");
    let _: Option<Setting<Seconds>> = compiler.attribute(node, "continue-timeout");
    if node.has("continue-timeout") {
        let message = "`continue-timeout` of `forward-request` has no effect";
        let help = "this gateway sends bodies without waiting for `100 Continue`; `timeout` bounds the call";
        compiler.report(
            Finding::on(node.element, "no-effect", message)
                .warning()
                .help(help),
        );
    }
    compiler.policy(ForwardRequest {
        timeout: timeout?,
        timeout_ms,
        http_version: match http_version? {
            HttpVersion::One => BackendHttpVersion::Http1,
            HttpVersion::TwoOrOne => BackendHttpVersion::Http2Or1,
            HttpVersion::Two => BackendHttpVersion::Http2,
        },
        follow_redirects: follow_redirects?,
        buffer_request_body: buffer_request_body?,
        buffer_response: buffer_response?,
        fail_on_error: fail_on_error?,
    });
    Some(())
}

/// Longest timeout: a day. Longer is a slip.
type Seconds = Bounded<0, 86_400>;
type Milliseconds = Bounded<0, 86_400_000>;

#[derive(Debug)]
struct ForwardRequest {
    timeout: Setting<Seconds>,
    timeout_ms: Option<Setting<Milliseconds>>,
    http_version: BackendHttpVersion,
    follow_redirects: Setting<bool>,
    buffer_request_body: bool,
    buffer_response: bool,
    fail_on_error: bool,
}

impl Policy for ForwardRequest {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let timeout = match optional(self.timeout_ms.as_ref(), run)? {
            Some(ms) => Duration::from_millis(ms.unsigned()),
            None => Duration::from_secs(self.timeout.get(run)?.unsigned()),
        };
        let follow_redirects = *self.follow_redirects.get(run)?;
        // A retried request must not be judged by the answer of the round before.
        run.context.response = None;
        if run.context.tracing {
            let url = crate::url::to_text(&run.context.request.url);
            run.detail("url", || url);
        }
        Ok(Flow::Ask(Effect::Forward(Box::new(Forward {
            timeout,
            http_version: self.http_version,
            follow_redirects,
            buffer_request_body: self.buffer_request_body,
            buffer_response: self.buffer_response,
            certificate: run.exchange.certificate.clone(),
            proxy: run.exchange.proxy.clone(),
        }))))
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let response = match outcome {
            Outcome::Response(response) => response,
            other => return Err(run.unexpected(other)),
        };
        let status = response.status;
        run.context.response = Some(response);
        if self.fail_on_error && (status.is_client_error() || status.is_server_error()) {
            return Err(Failure::BackendStatus(status));
        }
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    #[test]
    fn the_answer_becomes_the_response() {
        check(
            "backend",
            "<forward-request/>",
            &["404 text"],
            "forward; 404 'text'",
        );
        check(
            "backend",
            "<forward-request timeout='5'/>",
            &["timeout"],
            "forward timeout 5s; 500 forward-request/Timeout",
        );
        check(
            "backend",
            "<forward-request timeout-ms='1500'/>",
            &["refused"],
            "forward timeout 1.5s; 500 forward-request/BackendConnectionFailure",
        );
    }

    #[test]
    fn without_it_the_answer_is_an_empty_200() {
        check("backend", "", &[], "200");
    }

    #[test]
    fn an_error_status_is_a_failure_only_when_asked() {
        check(
            "backend",
            "<forward-request fail-on-error-status-code='true'/>",
            &["503 busy"],
            "forward; 503 forward-request/BackendStatus",
        );
        check(
            "backend",
            "<forward-request fail-on-error-status-code='true'/>",
            &["302"],
            "forward; 302",
        );
    }

    #[test]
    fn mistakes_refuse_the_document() {
        check_load(
            "backend",
            "<forward-request http-version='3'/>",
            "bad-value: `http-version` of `forward-request` must be one of `1`, `2or1`, `2`",
        );
        check_load(
            "backend",
            "<forward-request buffer-response='@(true)'/>",
            "expression-not-allowed: `buffer-response` of `forward-request` does not take an expression",
        );
        check_load("backend", "<forward-request continue-timeout='5'/>", "loads");
    }
}
