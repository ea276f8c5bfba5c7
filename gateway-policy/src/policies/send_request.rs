//! `send-request` and `send-one-way-request`: calls of the policy's own.
//!
//! Source: "Send request" and "Send one way request" policy pages; `policies.md` §8. Any status is an answer;
//! a network error or timeout is a failure unless `ignore-error` is set, then the variable is null.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gateway_expr::Value;
use http::{HeaderMap, HeaderValue, Method, header};

use super::{
    Flow, Policy, PolicyDef,
    authentication_certificate::{self, CertificateSource},
    authentication_managed_identity::{self as managed_identity, ManagedIdentity},
    def::{AttributeDef, Child, Content, ElementDef, attr},
    proxy::{self, ProxySetting},
    set_body::{self, SetBody},
    set_header::{self, SetHeader},
    set_method,
};
use crate::{
    compile::{Compiler, Finding, Node},
    context::{Body, Url},
    effect::{Effect, Outcome, OutgoingRequest},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{Bounded, FromValue, Setting, keywords, optional},
    url,
};

static SET_URL: ElementDef = ElementDef::new("set-url", "URL of the request.").content(Content::Text);

const MODE: AttributeDef = attr("mode", "Start from an empty request or from the current one.")
    .expression()
    .default("new")
    .words(Mode::WORDS);
const TIMEOUT: AttributeDef = attr("timeout", "Time for the whole call, in seconds.")
    .expression()
    .default("60");
const TIMEOUT_MS: AttributeDef = attr("timeout-ms", "The same in milliseconds.").expression();

static TOKEN: ElementDef = ElementDef::new(
    "authentication-token",
    "Not on a self-hosted gateway: reported at load and left out.",
)
.attributes(&[
    attr("token-type", "Where the token comes from."),
    attr("token-service-url", "URL of the token service."),
    attr("resource-url", "What the token is for."),
    attr("ignore-error", "Go on without a token."),
]);
static TOKEN_STORE: ElementDef = ElementDef::new(
    "authentication-token-store",
    "Not on a self-hosted gateway: reported at load and left out.",
)
.attributes(&[
    attr("token-id", "Id of the token."),
    attr("client-id", "Id of the client."),
    attr("output-token-variable-name", "Variable for the token."),
    attr("ignore-error", "Go on without a token."),
]);

static CHILDREN: &[Child] = &[
    Child::optional(&SET_URL),
    Child::optional(&set_method::ELEMENT),
    Child::any(&set_header::ELEMENT),
    Child::optional(&set_body::ELEMENT),
    Child::optional(&authentication_certificate::ELEMENT),
    Child::optional(&managed_identity::ELEMENT),
    Child::optional(&TOKEN),
    Child::optional(&TOKEN_STORE),
    Child::optional(&proxy::ELEMENT),
];

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "send-request",
        "Sends a request and keeps the answer in a variable.",
    )
    .attributes(&[
        MODE,
        attr("response-variable-name", "Variable for the answer.")
            .required()
            .expression(),
        TIMEOUT,
        TIMEOUT_MS,
        attr("ignore-error", "A failed call sets the variable to null.").default("false"),
        attr("buffer-response", "The answer is always read whole.").default("true"),
        attr(
            "fail-on-error-status-code",
            "An answer of 400 or above is a failure.",
        )
        .default("false"),
    ])
    .children(CHILDREN),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<send-request mode="new" response-variable-name="token" timeout="10" ignore-error="false">
    <set-url>https://auth.example.com/token</set-url>
    <set-method>POST</set-method>
    <set-body>grant_type=client_credentials</set-body>
</send-request>"#,
    build,
};

pub(crate) static ONE_WAY: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "send-one-way-request",
        "Sends a request without waiting for the answer.",
    )
    .attributes(&[MODE, TIMEOUT, TIMEOUT_MS])
    .children(CHILDREN),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<send-one-way-request mode="new">
    <set-url>https://hooks.example.com/calls</set-url>
    <set-method>POST</set-method>
    <set-body>called</set-body>
</send-one-way-request>"#,
    build: build_one_way,
};

keywords! {
    /// `mode`
    Mode { New = "new", Copy = "copy" }
}

type Seconds = Bounded<0, 86_400>;
type Milliseconds = Bounded<0, 86_400_000>;

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let request = Request::build(compiler, node);
    let variable = compiler.attribute(node, "response-variable-name");
    let ignore_error = compiler.literal(node, "ignore-error");
    let fail_on_error = compiler.literal(node, "fail-on-error-status-code");
    let _: Option<bool> = compiler.literal(node, "buffer-response");
    compiler.policy(SendRequest {
        request: request?,
        variable: variable?,
        ignore_error: ignore_error?,
        fail_on_error: fail_on_error?,
    });
    Some(())
}

fn build_one_way(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let request = Request::build(compiler, node)?;
    compiler.policy(SendOneWay { request });
    Some(())
}

/// A URL text, checked where it is used: named values may give parts of it.
#[derive(Clone, Debug)]
struct Target(Url);

impl FromValue for Target {
    fn literal(text: &str) -> Result<Self, String> {
        url::parse(text).map(Self)
    }
}

/// What is common to both.
#[derive(Debug)]
struct Request {
    mode: Setting<Mode>,
    url: Option<Setting<Target>>,
    method: Option<Setting<Method>>,
    headers: Vec<SetHeader>,
    body: Option<SetBody>,
    identity: Option<ManagedIdentity>,
    certificate: Option<CertificateSource>,
    proxy: Option<ProxySetting>,
    timeout: Setting<Seconds>,
    timeout_ms: Option<Setting<Milliseconds>>,
}

impl Request {
    fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        let mode: Option<Setting<Mode>> = compiler.attribute(node, "mode");
        let url = node.child("set-url").map(|n| compiler.text(n));
        let method = node.child("set-method").map(|n| compiler.text(n));
        let headers: Vec<_> = node
            .children("set-header")
            .map(|n| SetHeader::build(compiler, n))
            .collect();
        let body = node.child("set-body").map(|n| SetBody::build(compiler, n));
        let identity = node
            .child("authentication-managed-identity")
            .map(|n| ManagedIdentity::build(compiler, n));
        for left_out in [TOKEN.name, TOKEN_STORE.name] {
            if let Some(child) = node.child(left_out) {
                compiler.not_on_self_hosted(child.element);
            }
        }
        let timeout = compiler.attribute(node, "timeout");
        let timeout_ms = compiler.attribute(node, "timeout-ms");
        let certificate = node
            .child("authentication-certificate")
            .map(|n| CertificateSource::build(compiler, n));
        let proxy = node.child("proxy").map(|n| ProxySetting::build(compiler, n));
        let mode = mode?;
        if url.is_none() && !matches!(mode, Setting::Literal(Mode::Copy)) {
            let message = format!("`{}` needs a child element `<set-url>`", node.element.name);
            let help = "only `mode=\"copy\"` takes the URL of the current request";
            compiler.report(Finding::on(node.element, "missing-element", message).help(help));
            return None;
        }
        if !matches!(mode, Setting::Literal(Mode::New)) && body.is_none() {
            compiler.need_request_body();
        }
        Some(Self {
            mode,
            url: url.map_or(Some(None), |u| u.map(Some))?,
            method: method.map_or(Some(None), |m| m.map(Some))?,
            headers: headers.into_iter().collect::<Option<_>>()?,
            body: body.map_or(Some(None), |b| b.map(Some))?,
            identity: identity.map_or(Some(None), |i| i.map(Some))?,
            certificate: certificate.map_or(Some(None), |c| c.map(Some))?,
            proxy: proxy.map_or(Some(None), |p| p.map(Some))?,
            timeout: timeout?,
            timeout_ms,
        })
    }

    /// Asks for the token first if there is an identity, else for the call.
    fn ask(&self, run: &mut Run<'_>, one_way: bool) -> Result<Flow, Failure> {
        match &self.identity {
            Some(identity) if run.exchange.cursor == 0 => {
                run.exchange.cursor = 1;
                Ok(Flow::Ask(identity.ask(run)?))
            }
            _ => Ok(Flow::Ask(Effect::Send(Box::new(
                self.request(run, None, one_way)?,
            )))),
        }
    }

    /// The answer to the token, which leads to the call; other outcomes are the caller's.
    fn with_token(
        &self,
        run: &mut Run<'_>,
        outcome: Outcome,
        one_way: bool,
    ) -> Result<Result<Flow, Outcome>, Failure> {
        match outcome {
            Outcome::Token(token) => {
                run.exchange.cursor = 2;
                let request = self.request(run, Some(&token), one_way)?;
                Ok(Ok(Flow::Ask(Effect::Send(Box::new(request)))))
            }
            other => Ok(Err(other)),
        }
    }

    fn request(
        &self,
        run: &mut Run<'_>,
        token: Option<&str>,
        one_way: bool,
    ) -> Result<OutgoingRequest, Failure> {
        let copy = *self.mode.get(run)? == Mode::Copy;
        let (mut method, mut headers, mut body) = (Method::GET, HeaderMap::new(), Bytes::new());
        let mut target = None;
        if copy {
            let current = &run.context.request;
            method = current.method.clone();
            headers = current.headers.clone();
            // The next host is another one, and the body is framed anew.
            for name in [
                header::HOST,
                header::CONTENT_LENGTH,
                header::TRANSFER_ENCODING,
                header::CONNECTION,
            ] {
                headers.remove(name);
            }
            target = Some(current.url.clone());
            if let Body::Buffered(bytes) = &current.body {
                body = bytes.clone();
            }
        }
        if let Some(url) = &self.url {
            target = Some(url.get(run)?.into_owned().0);
        }
        if let Some(set) = &self.method {
            method = set.get(run)?.into_owned();
        }
        for header in &self.headers {
            header.evaluate(run)?.apply(&mut headers);
        }
        if let Some(set) = &self.body {
            body = set.evaluate(run)?;
        }
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            headers.insert(
                header::AUTHORIZATION,
                value.map_err(|_| run.failure("The access token is not a header value."))?,
            );
        }
        let certificate = match &self.certificate {
            Some(source) => Some(source.certificate(run)?),
            None => None,
        };
        let proxy = match &self.proxy {
            Some(proxy) => Some(proxy.proxy(run)?),
            None => None,
        };
        let timeout = match optional(self.timeout_ms.as_ref(), run)? {
            Some(ms) => Duration::from_millis(ms.unsigned()),
            None => Duration::from_secs(self.timeout.get(run)?.unsigned()),
        };
        let url = target.ok_or_else(|| run.failure("The request has no URL."))?;
        run.detail("method", || method.to_string());
        run.detail("url", || url::to_text(&url));
        Ok(OutgoingRequest {
            method,
            url,
            headers,
            body,
            timeout,
            one_way,
            certificate,
            proxy,
            backend: None,
        })
    }
}

#[derive(Debug)]
struct SendRequest {
    request: Request,
    variable: Setting<Arc<str>>,
    ignore_error: bool,
    fail_on_error: bool,
}

impl Policy for SendRequest {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        self.request.ask(run, false)
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let outcome = match self.request.with_token(run, outcome, false)? {
            Ok(flow) => return Ok(flow),
            Err(outcome) => outcome,
        };
        let name = self.variable.get(run)?.into_owned();
        let status = match &outcome {
            Outcome::Response(response) => Some(response.status),
            _ => None,
        };
        match (outcome, status) {
            (Outcome::Response(_), Some(status))
                if self.fail_on_error && (status.is_client_error() || status.is_server_error()) =>
            {
                if !self.ignore_error {
                    return Err(run.failure(format!("The call was answered {}.", status.as_u16())));
                }
                run.set_variable(&name, Value::Null);
            }
            (Outcome::Response(response), _) => run.set_variable(&name, Value::response(response)),
            (Outcome::Failed(_), _) if self.ignore_error => run.set_variable(&name, Value::Null),
            (other, _) => return Err(run.unexpected(other)),
        }
        run.detail("status", || {
            status.map_or("none".into(), |s| s.as_u16().to_string())
        });
        Ok(Flow::Next)
    }
}

#[derive(Debug)]
struct SendOneWay {
    request: Request,
}

impl Policy for SendOneWay {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        self.request.ask(run, true)
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        // Whatever comes of it, the exchange goes on.
        match self.request.with_token(run, outcome, true)? {
            Ok(flow) => Ok(flow),
            Err(_) => Ok(Flow::Next),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load, check_with};

    fn send(attributes: &str, children: &str) -> String {
        format!("<send-request response-variable-name='r' {attributes}>{children}</send-request>")
    }

    const URL: &str = "<set-url>https://auth.example.com/token?a=1</set-url>";

    #[test]
    fn the_answer_is_kept_whatever_its_status() {
        let children = format!(
            "<set-body>k=v</set-body>{URL}<set-method>POST</set-method><set-header name='A'><value>1</value></set-header>"
        );
        let asked = "send POST https://auth.example.com/token?a=1 a: 1 'k=v'";
        check(
            "inbound",
            &send("", &children),
            &["200 ok"],
            &format!("{asked}; forward; 200 $r=IResponse"),
        );
        check(
            "inbound",
            &send("", &children),
            &["404"],
            &format!("{asked}; forward; 200 $r=IResponse"),
        );
    }

    #[test]
    fn errors_fail_unless_ignored() {
        let asked = "send GET https://auth.example.com/token?a=1";
        check(
            "inbound",
            &send("", URL),
            &["timeout"],
            &format!("{asked}; 500 send-request/Timeout"),
        );
        check(
            "inbound",
            &send("ignore-error='true'", URL),
            &["refused"],
            &format!("{asked}; forward; 200 $r=null"),
        );
        check(
            "inbound",
            &send("fail-on-error-status-code='true'", URL),
            &["500"],
            &format!("{asked}; 500 send-request/PolicyFailure"),
        );
    }

    #[test]
    fn copy_starts_from_the_current_request() {
        check_with(
            "inbound",
            &send(
                "mode='copy'",
                "<set-header name='B'><value>2</value></set-header>",
            ),
            |context| {
                context.request.headers.insert("a", "1".parse().unwrap());
                context
                    .request
                    .headers
                    .insert("host", "api.contoso.com".parse().unwrap());
                context.request.body = crate::context::Body::Streaming;
            },
            &["body text", "200"],
            "read request; send GET https://backend.example.com/base/items/42?x=1 a: 1 b: 2 'text'; \
             forward a: 1 host: api.contoso.com 'text'; 200 $r=IResponse",
        );
    }

    #[test]
    fn an_identity_gives_the_authorization() {
        check(
            "inbound",
            &send(
                "",
                &format!("{URL}<authentication-managed-identity resource='https://vault'/>"),
            ),
            &["token abc", "200"],
            "token https://vault; send GET https://auth.example.com/token?a=1 authorization: Bearer abc; forward; 200 $r=IResponse",
        );
    }

    #[test]
    fn what_only_managed_gateways_have_is_left_out() {
        let children = "<set-url>http://a.test/</set-url><authentication-token token-type='token-service'/><authentication-token-store token-id='t'/>";
        check(
            "inbound",
            &send("", children),
            &["200"],
            "send GET http://a.test/; forward; 200 $r=IResponse",
        );
    }

    #[test]
    fn one_way_requests_never_fail_the_exchange() {
        let text = format!("<send-one-way-request>{URL}</send-one-way-request>");
        for answer in ["elapsed", "timeout"] {
            check(
                "inbound",
                &text,
                &[answer],
                "send-one-way GET https://auth.example.com/token?a=1; forward; 200",
            );
        }
    }

    #[test]
    fn mistakes_refuse_the_document() {
        check_load(
            "inbound",
            &send("", ""),
            "missing-element: `send-request` needs a child element `<set-url>`",
        );
        check_load(
            "inbound",
            &send("", "<set-url>/x</set-url>"),
            "bad-value: `text` of `set-url` must be an absolute URL such as `https://host/path`",
        );
        check_load(
            "inbound",
            &send("", &format!("{URL}<proxy url='https://p:1'/>")),
            "bad-value: `url` of `proxy` must be a URL of scheme http: the way to the proxy is never TLS",
        );
    }
}
