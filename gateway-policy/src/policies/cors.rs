//! `cors`: lets browsers of other origins call the API.
//!
//! Source: "CORS" policy page; `policies.md` §5. Preflight requests are answered by
//! [`crate::Program::preflight`] before anything else runs; on the actual request the policy adds its headers
//! to the answer, whoever makes it.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::{
    Flow, Policy, PolicyDef, Preflight,
    def::{Child, Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    context::Response,
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{Bounded, Setting},
};

static ORIGIN: ElementDef =
    ElementDef::new("origin", "`*`, or scheme, host and port of an origin.").content(Content::Text);
static METHOD: ElementDef = ElementDef::new("method", "`*`, or an HTTP method.").content(Content::Text);
static HEADER: ElementDef = ElementDef::new("header", "`*`, or the name of a header.").content(Content::Text);

static ORIGINS: ElementDef =
    ElementDef::new("allowed-origins", "Origins that may call.").children(&[Child::some(&ORIGIN)]);
static METHODS: ElementDef = ElementDef::new(
    "allowed-methods",
    "Methods that may be used; absent: GET and POST.",
)
.attributes(&[attr(
    "preflight-result-max-age",
    "How long browsers keep the answer, in seconds.",
)
.expression()
.default("0")])
.children(&[Child::any(&METHOD)]);
static HEADERS: ElementDef =
    ElementDef::new("allowed-headers", "Headers that requests may carry.").children(&[Child::any(&HEADER)]);
static EXPOSED: ElementDef =
    ElementDef::new("expose-headers", "Headers that scripts may read from the answer.")
        .children(&[Child::any(&HEADER)]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("cors", "Cross-origin resource sharing.")
        .attributes(&[
            attr("allow-credentials", "Requests may carry cookies and credentials.")
                .expression()
                .default("false"),
            // The page's table says false, its text and the long-standing behaviour say true.
            attr(
                "terminate-unmatched-request",
                "An origin that is not listed gets an empty 200.",
            )
            .expression()
            .default("true"),
        ])
        .children(&[
            Child::one(&ORIGINS),
            Child::optional(&METHODS),
            Child::optional(&HEADERS),
            Child::optional(&EXPOSED),
        ]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::ALL,
    once: true,
    example: r#"<cors allow-credentials="true">
    <allowed-origins>
        <origin>https://www.example.com</origin>
    </allowed-origins>
    <allowed-methods preflight-result-max-age="300">
        <method>GET</method>
        <method>POST</method>
    </allowed-methods>
    <allowed-headers>
        <header>Content-Type</header>
    </allowed-headers>
    <expose-headers>
        <header>X-Request-Id</header>
    </expose-headers>
</cors>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let credentials = compiler.attribute(node, "allow-credentials");
    let terminate = compiler.attribute(node, "terminate-unmatched-request");
    let origins = list(compiler, node.child("allowed-origins"), "origin")?;
    let methods_node = node.child("allowed-methods");
    let max_age = methods_node.map(|n| compiler.attribute(n, "preflight-result-max-age"));
    let methods = list(compiler, methods_node, "method")?;
    let headers = list(compiler, node.child("allowed-headers"), "header")?;
    let exposed = list(compiler, node.child("expose-headers"), "header")?;
    check_origins(compiler, node, &origins);
    compiler.policy(Cors {
        credentials: credentials?,
        terminate: terminate?,
        max_age: max_age.map_or(Some(Setting::Literal(Bounded(0))), |m| m)?,
        origins,
        methods,
        headers,
        exposed,
    });
    Some(())
}

fn list(compiler: &mut Compiler<'_>, parent: Option<Node<'_>>, name: &'static str) -> Option<List> {
    let items: Vec<_> = parent.into_iter().flat_map(|p| p.children(name)).collect();
    let settings: Vec<_> = items.into_iter().map(|i| compiler.text(i)).collect();
    settings.into_iter().collect()
}

/// A listed origin that can never match is a mistake worth a word.
fn check_origins(compiler: &mut Compiler<'_>, node: Node<'_>, origins: &List) {
    for origin in origins {
        if let Setting::Literal(text) = origin
            && text.trim() != "*"
            && !text.contains("://")
        {
            let message = format!("the origin `{}` has no scheme and never matches", text.trim());
            let help = "write scheme, host and port, such as `https://www.example.com`";
            compiler.report(
                Finding::on(node.element, "no-effect", message)
                    .warning()
                    .help(help),
            );
        }
    }
}

type List = Vec<Setting<Arc<str>>>;

#[derive(Debug)]
struct Cors {
    credentials: Setting<bool>,
    terminate: Setting<bool>,
    max_age: Setting<Bounded<0, { i32::MAX as i64 }>>,
    origins: List,
    methods: List,
    headers: List,
    exposed: List,
}

impl Policy for Cors {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let Some(origin) = run.context.request.headers.get(header::ORIGIN).cloned() else {
            return Ok(Flow::Next);
        };
        run.detail("origin", || {
            String::from_utf8_lossy(origin.as_bytes()).into_owned()
        });
        match self.allow_origin(&origin, run)? {
            Some(headers) => {
                run.exchange.response_headers.extend(headers);
                let exposed = names(&self.exposed, run)?;
                if let Some(value) = joined(&exposed) {
                    run.exchange
                        .response_headers
                        .push((header::ACCESS_CONTROL_EXPOSE_HEADERS, value));
                }
                Ok(Flow::Next)
            }
            None if matches!(run.context.request.method, Method::GET | Method::HEAD)
                && *self.terminate.get(run)? =>
            {
                run.context.response = Some(Response {
                    status: StatusCode::OK,
                    ..Response::default()
                });
                Ok(Flow::End)
            }
            None => Ok(Flow::Next),
        }
    }

    fn preflight(&self, run: &mut Run<'_>) -> Option<Preflight> {
        // An expression that fails here answers nothing, which browsers take as a refusal.
        let answer = self.preflight_headers(run).ok().flatten();
        let mut response = Response {
            status: StatusCode::OK,
            ..Response::default()
        };
        match answer {
            Some(headers) => response.headers.extend(headers),
            None if self.terminate.get(run).map(|t| *t).unwrap_or(true) => {}
            None => return Some(Preflight::Unmatched),
        }
        Some(Preflight::Answer(response))
    }
}

type Lines = Vec<(HeaderName, HeaderValue)>;

impl Cors {
    /// The headers that allow this origin; `None`: it is not listed.
    fn allow_origin(&self, origin: &HeaderValue, run: &mut Run<'_>) -> Result<Option<Lines>, Failure> {
        let credentials = *self.credentials.get(run)?;
        let given = String::from_utf8_lossy(origin.as_bytes()).into_owned();
        let listed = names(&self.origins, run)?;
        let any = listed.iter().any(|o| &**o == "*");
        if !any && !listed.iter().any(|o| same_origin(o, &given)) {
            return Ok(None);
        }
        // `*` is not allowed together with credentials, so the origin itself is named then.
        let value = if any && !credentials {
            HeaderValue::from_static("*")
        } else {
            origin.clone()
        };
        let mut lines = vec![(header::ACCESS_CONTROL_ALLOW_ORIGIN, value)];
        if credentials {
            lines.push((
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            ));
        }
        Ok(Some(lines))
    }

    fn preflight_headers(&self, run: &mut Run<'_>) -> Result<Option<Lines>, Failure> {
        let request = &run.context.request.headers;
        let (Some(origin), Some(method)) = (
            request.get(header::ORIGIN).cloned(),
            request.get(header::ACCESS_CONTROL_REQUEST_METHOD).cloned(),
        ) else {
            return Ok(None);
        };
        let asked = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let Some(mut lines) = self.allow_origin(&origin, run)? else {
            return Ok(None);
        };

        let mut methods = names(&self.methods, run)?;
        if methods.is_empty() {
            methods = vec!["GET".into(), "POST".into()];
        }
        let method = String::from_utf8_lossy(method.as_bytes()).into_owned();
        let any_method = methods.iter().any(|m| &**m == "*");
        if !any_method && !methods.iter().any(|m| m.eq_ignore_ascii_case(&method)) {
            return Ok(None);
        }
        let methods = if any_method {
            vec![method.as_str().into()]
        } else {
            methods
        };
        lines.extend(joined(&methods).map(|v| (header::ACCESS_CONTROL_ALLOW_METHODS, v)));

        let allowed = names(&self.headers, run)?;
        let asked = asked
            .map(|a| String::from_utf8_lossy(a.as_bytes()).into_owned())
            .unwrap_or_default();
        let asked: Vec<Arc<str>> = asked
            .split(',')
            .map(str::trim)
            .filter(|h| !h.is_empty())
            .map(Arc::from)
            .collect();
        let any_header = allowed.iter().any(|h| &**h == "*");
        if !any_header
            && !asked
                .iter()
                .all(|a| allowed.iter().any(|h| h.eq_ignore_ascii_case(a)))
        {
            return Ok(None);
        }
        let headers = if any_header { asked } else { allowed };
        lines.extend(joined(&headers).map(|v| (header::ACCESS_CONTROL_ALLOW_HEADERS, v)));

        let max_age = self.max_age.get(run)?.0;
        if max_age > 0 {
            lines.push((header::ACCESS_CONTROL_MAX_AGE, max_age.into()));
        }
        Ok(Some(lines))
    }
}

fn names(list: &List, run: &mut Run<'_>) -> Result<Vec<Arc<str>>, Failure> {
    list.iter().map(|s| Ok(s.get(run)?.trim().into())).collect()
}

fn joined(names: &[Arc<str>]) -> Option<HeaderValue> {
    let names: Vec<&str> = names.iter().map(|n| &**n).filter(|n| !n.is_empty()).collect();
    (!names.is_empty())
        .then(|| HeaderValue::from_str(&names.join(",")))
        .and_then(Result::ok)
}

/// Scheme, host and port are equal; a trailing slash and a default port do not count.
fn same_origin(listed: &str, given: &str) -> bool {
    let normal = |origin: &str| {
        let origin = origin.trim_end_matches('/').to_ascii_lowercase();
        let default = if origin.starts_with("https://") {
            ":443"
        } else {
            ":80"
        };
        origin.strip_suffix(default).map_or(origin.clone(), str::to_owned)
    };
    normal(listed) == normal(given)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        program::Program,
        scope::Scope,
        test_support::{FixedWorld, check_load, check_with, compile, context, document},
    };

    const LISTED: &str = "<cors allow-credentials='true'><allowed-origins><origin>https://a.example/</origin></allowed-origins>\
        <allowed-methods preflight-result-max-age='300'><method>GET</method><method>PUT</method></allowed-methods>\
        <allowed-headers><header>X-One</header></allowed-headers>\
        <expose-headers><header>X-Two</header></expose-headers></cors>";
    const ANY: &str = "<cors><allowed-origins><origin>*</origin></allowed-origins>\
        <allowed-methods><method>*</method></allowed-methods><allowed-headers><header>*</header></allowed-headers></cors>";

    #[track_caller]
    fn preflight(
        documents: [Option<&str>; 2],
        origin: &str,
        method: &str,
        headers: &str,
        expected: Option<&str>,
    ) {
        let doc = |text: Option<&str>, scope| {
            text.map(|t| Arc::new(compile(&document("inbound", t), scope).unwrap()))
        };
        let program = Program::compose([
            doc(documents[0], Scope::Global),
            None,
            doc(documents[1], Scope::Api),
            None,
        ]);
        let mut context = context();
        for (name, value) in [
            ("origin", origin),
            ("access-control-request-method", method),
            ("access-control-request-headers", headers),
        ] {
            if !value.is_empty() {
                context
                    .request
                    .headers
                    .insert(HeaderName::from_static(name), value.parse().unwrap());
            }
        }
        let response = program.preflight(&mut context, &FixedWorld);
        let told = response.map(|r| {
            assert_eq!(r.status, 200);
            let lines = r.headers.iter().map(|(n, v)| {
                format!(
                    "{}={}",
                    n.as_str().trim_start_matches("access-control-"),
                    v.to_str().unwrap()
                )
            });
            lines.collect::<Vec<_>>().join(" ")
        });
        assert_eq!(told.as_deref(), expected);
    }

    #[test]
    fn preflights_are_answered_from_the_first_cors_policy() {
        let allowed = "allow-origin=https://a.example allow-credentials=true allow-methods=GET,PUT allow-headers=X-One max-age=300";
        preflight(
            [None, Some(LISTED)],
            "https://a.example",
            "PUT",
            "x-one",
            Some(allowed),
        );
        preflight(
            [None, Some(LISTED)],
            "https://A.example:443",
            "GET",
            "",
            Some(&allowed.replace("https://a.example", "https://A.example:443")),
        );
        preflight([None, Some(LISTED)], "https://b.example", "PUT", "", Some(""));
        preflight([None, Some(LISTED)], "https://a.example", "DELETE", "", Some(""));
        preflight(
            [None, Some(LISTED)],
            "https://a.example",
            "PUT",
            "x-one, x-three",
            Some(""),
        );
        preflight(
            [None, Some(ANY)],
            "https://b.example",
            "DELETE",
            "x-a,x-b",
            Some("allow-origin=* allow-methods=DELETE allow-headers=x-a,x-b"),
        );
        preflight(
            [None, Some("<set-method>A</set-method>")],
            "https://b.example",
            "GET",
            "",
            None,
        );
    }

    #[test]
    fn an_unmatched_policy_may_let_the_next_decide() {
        let open = LISTED.replace("<cors ", "<cors terminate-unmatched-request='false' ");
        let any = "allow-origin=* allow-methods=GET";
        preflight(
            [Some(ANY), Some(&format!("{open}<base/>"))],
            "https://b.example",
            "GET",
            "",
            Some(any),
        );
        preflight([None, Some(&open)], "https://b.example", "GET", "", Some(""));
        // Without `<base/>` the global policy is not in scope.
        preflight([Some(ANY), Some(&open)], "https://b.example", "GET", "", Some(""));
    }

    #[track_caller]
    fn call(method: &str, origin: &str, text: &str, answers: &[&str], expected: &str) {
        check_with(
            "inbound",
            &format!("{text}<set-header name='Origin' exists-action='delete'/><set-method>GET</set-method>"),
            |context| {
                context.request.method = method.parse().unwrap();
                if !origin.is_empty() {
                    context.request.headers.insert("origin", origin.parse().unwrap());
                }
            },
            answers,
            expected,
        );
    }

    #[test]
    fn answers_carry_the_headers_whoever_makes_them() {
        let headers = "access-control-allow-origin: https://a.example access-control-allow-credentials: true access-control-expose-headers: X-Two";
        call(
            "GET",
            "https://a.example",
            LISTED,
            &[],
            &format!("forward; 200 {headers}"),
        );
        call(
            "GET",
            "https://a.example",
            LISTED,
            &["timeout"],
            &format!("forward; 500 forward-request/Timeout {headers}"),
        );
        call("GET", "", LISTED, &[], "forward; 200");
    }

    #[test]
    fn unmatched_reads_end_empty_and_writes_go_on() {
        call("GET", "https://b.example", LISTED, &[], "200");
        call("POST", "https://b.example", LISTED, &[], "forward; 200");
        let open = LISTED.replace("<cors ", "<cors terminate-unmatched-request='false' ");
        call("GET", "https://b.example", &open, &[], "forward; 200");
    }

    #[test]
    fn origins_are_needed() {
        check_load(
            "inbound",
            "<cors/>",
            "missing-element: `<cors>` needs a child element `<allowed-origins>`",
        );
    }
}
